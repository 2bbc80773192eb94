%% SPDX-License-Identifier: Apache-2.0
%% @doc Scan codes (set 1, as the 8042 translates them) to the bytes a terminal would send. Pure: no process, no
%% hardware.
-module(loom_ps2_scan).

-export([new/0, decode/2]).
-export_type([state/0]).

-record(scan, {shift = false :: boolean(), control = false :: boolean(), alt = false :: boolean(),
               caps = false :: boolean(), extended = false :: boolean()}).
-opaque state() :: #scan{}.

-spec new() -> state().
new() -> #scan{}.

%% @doc The bytes that one scan code stands for, after the modifiers before it.
-spec decode(byte(), state()) -> {binary(), state()}.
decode(16#e0, S) -> {<<>>, S#scan{extended = true}};
decode(Code, #scan{extended = true} = S) -> extended(Code, S#scan{extended = false});
decode(Code, S) when Code =:= 16#2a; Code =:= 16#36 -> {<<>>, S#scan{shift = true}};
decode(Code, S) when Code =:= 16#aa; Code =:= 16#b6 -> {<<>>, S#scan{shift = false}};
decode(16#1d, S) -> {<<>>, S#scan{control = true}};
decode(16#9d, S) -> {<<>>, S#scan{control = false}};
decode(16#38, S) -> {<<>>, S#scan{alt = true}};
decode(16#b8, S) -> {<<>>, S#scan{alt = false}};
decode(16#3a, #scan{caps = Caps} = S) -> {<<>>, S#scan{caps = not Caps}};
decode(Code, S) when Code >= 16#80 -> {<<>>, S};
decode(Code, S) -> {meta(character(Code, S), S), S}.

extended(16#1d, S) -> {<<>>, S#scan{control = true}};
extended(16#9d, S) -> {<<>>, S#scan{control = false}};
extended(16#38, S) -> {<<>>, S#scan{alt = true}};
extended(16#b8, S) -> {<<>>, S#scan{alt = false}};
extended(16#49, #scan{shift = true} = S) -> {<<"\e[5;2~">>, S}; % as xterm has it
extended(16#51, #scan{shift = true} = S) -> {<<"\e[6;2~">>, S};
extended(Code, S) -> {named(Code), S}.

named(16#48) -> <<"\e[A">>;
named(16#50) -> <<"\e[B">>;
named(16#4d) -> <<"\e[C">>;
named(16#4b) -> <<"\e[D">>;
named(16#47) -> <<"\e[H">>;
named(16#4f) -> <<"\e[F">>;
named(16#53) -> <<"\e[3~">>;
named(16#49) -> <<"\e[5~">>;
named(16#51) -> <<"\e[6~">>;
named(16#1c) -> <<"\r">>;
named(16#35) -> <<"/">>;
named(_) -> <<>>.

meta(<<>>, _) -> <<>>;
meta(Bytes, #scan{alt = true}) -> <<"\e", Bytes/binary>>;
meta(Bytes, _) -> Bytes.

character(16#01, _) -> <<"\e">>;
character(16#0e, _) -> <<127>>;
character(16#0f, _) -> <<"\t">>;
character(16#1c, _) -> <<"\r">>;
character(16#39, _) -> <<" ">>;
character(Code, #scan{control = true}) ->
    case plain(Code) of
        C when C >= $a, C =< $z -> <<(C - $a + 1)>>;
        $[ -> <<27>>;
        $\\ -> <<28>>;
        $] -> <<29>>;
        _ -> <<>>
    end;
character(Code, #scan{shift = Shift, caps = Caps}) ->
    Plain = plain(Code),
    Letter = Plain >= $a andalso Plain =< $z,
    case Letter andalso Caps of
        _ when Plain =:= 0 -> <<>>;
        true when Shift -> <<Plain>>;
        true -> <<(Plain - 32)>>;
        false when Shift -> <<(shifted(Plain))>>;
        false -> <<Plain>>
    end.

%% The US layout: rows of the keyboard from scan codes 2, 16, 30 and 44 on.
plain(Code) when Code >= 16#02, Code =< 16#0d -> lists:nth(Code - 16#01, "1234567890-=");
plain(Code) when Code >= 16#10, Code =< 16#1b -> lists:nth(Code - 16#0f, "qwertyuiop[]");
plain(Code) when Code >= 16#1e, Code =< 16#29 -> lists:nth(Code - 16#1d, "asdfghjkl;'`");
plain(Code) when Code >= 16#2b, Code =< 16#35 -> lists:nth(Code - 16#2a, "\\zxcvbnm,./");
plain(16#37) -> $*;
plain(16#4a) -> $-;
plain(16#4e) -> $+;
plain(_) -> 0.

shifted(C) when C >= $a, C =< $z -> C - 32;
shifted(C) ->
    case lists:keyfind(C, 1, lists:zip("1234567890-=[];'`\\,./", "!@#$%^&*()_+{}:\"~|<>?")) of
        {_, S} -> S;
        false -> C
    end.
