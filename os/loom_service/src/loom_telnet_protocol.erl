%% SPDX-License-Identifier: Apache-2.0
%% @doc The telnet protocol, this machine's side (RFC 854; options: 856 binary, 857 echo, 858 suppress go ahead, 1073
%% window size). Pure: bytes in, events and answers out.
%%
%% An option is answered only when that changes something (RFC 1143), so two sides that agree never loop.
-module(loom_telnet_protocol).

-export([new/0, input/2, output/1]).
-export_type([state/0, event/0]).

-define(SE, 240).
-define(BREAK, 243).
-define(INTERRUPT, 244).
-define(ARE_YOU_THERE, 246).
-define(ERASE_CHARACTER, 247).
-define(ERASE_LINE, 248).
-define(SB, 250).
-define(WILL, 251).
-define(WONT, 252).
-define(DO, 253).
-define(DONT, 254).
-define(IAC, 255).
-define(BINARY, 0).
-define(ECHO, 1).
-define(SUPPRESS_GO_AHEAD, 3).
-define(WINDOW_SIZE, 31).
-define(US, [?BINARY, ?ECHO, ?SUPPRESS_GO_AHEAD]). % what this side does when asked to
-define(THEM, [?BINARY, ?SUPPRESS_GO_AHEAD, ?WINDOW_SIZE]).
-define(SUB_MOST, 64). % of a subnegotiation, of which more is not kept

-type event() :: {data, binary()} | interrupt | are_you_there | {window, Columns :: 0..65535, Rows :: 0..65535}.
%% `asked': this side has proposed it.
-record(t, {mode = data :: data | return | iac | {option, byte()} | {sub, binary()} | {sub_iac, binary()},
    us = #{?ECHO => asked, ?SUPPRESS_GO_AHEAD => asked} :: #{byte() => asked | on},
    them = #{?SUPPRESS_GO_AHEAD => asked, ?WINDOW_SIZE => asked} :: #{byte() => asked | on}}).
-opaque state() :: #t{}.

%% @doc And what is to be sent first: this side will echo, character by character, and wants to know the window's size.
-spec new() -> {binary(), state()}.
new() ->
    {<<?IAC, ?WILL, ?ECHO, ?IAC, ?WILL, ?SUPPRESS_GO_AHEAD, ?IAC, ?DO, ?SUPPRESS_GO_AHEAD, ?IAC, ?DO, ?WINDOW_SIZE>>,
     #t{}}.

%% @doc What came: events in order, and the answer to be sent.
-spec input(binary(), state()) -> {[event()], Answer :: binary(), state()}.
input(Bytes, T) ->
    {Events, Answer, New} = run(Bytes, T, [], <<>>),
    {joined(lists:reverse(Events)), Answer, New}.

joined([Byte | Rest]) when is_integer(Byte) ->
    {Bytes, Others} = lists:splitwith(fun is_integer/1, Rest),
    [{data, list_to_binary([Byte | Bytes])} | joined(Others)];
joined([Event | Rest]) -> [Event | joined(Rest)];
joined([]) -> [].

run(<<>>, T, Events, Answer) -> {Events, Answer, T};
run(<<Byte, Rest/binary>>, #t{mode = Mode} = T, Events, Answer) ->
    {More, Sent, New} = byte(Mode, Byte, T),
    run(Rest, New, More ++ Events, <<Answer/binary, Sent/binary>>).

%% The return key is CR LF, CR NUL, or CR.
byte(return, Byte, T) when Byte =:= $\n; Byte =:= 0 -> {[], <<>>, T#t{mode = data}};
byte(Mode, ?IAC, T) when Mode =:= data; Mode =:= return -> {[], <<>>, T#t{mode = iac}};
byte(Mode, $\r, T) when Mode =:= data; Mode =:= return -> {[$\n], <<>>, T#t{mode = return}};
byte(Mode, Byte, T) when Mode =:= data; Mode =:= return -> {[Byte], <<>>, T#t{mode = data}};
byte(iac, ?IAC, T) -> {[?IAC], <<>>, T#t{mode = data}};
byte(iac, Byte, T) when Byte >= ?WILL -> {[], <<>>, T#t{mode = {option, Byte}}};
byte(iac, ?SB, T) -> {[], <<>>, T#t{mode = {sub, <<>>}}};
byte(iac, Byte, T) -> {command(Byte), <<>>, T#t{mode = data}};
byte({option, Verb}, Option, T) ->
    {Answer, New} = option(Verb, Option, T#t{mode = data}),
    {[], Answer, New};
byte({sub, Kept}, ?IAC, T) -> {[], <<>>, T#t{mode = {sub_iac, Kept}}};
byte({sub, Kept}, Byte, T) -> {[], <<>>, T#t{mode = {sub, kept(Kept, Byte)}}};
byte({sub_iac, Kept}, ?IAC, T) -> {[], <<>>, T#t{mode = {sub, kept(Kept, ?IAC)}}};
byte({sub_iac, Kept}, ?SE, T) -> {sub(Kept, T), <<>>, T#t{mode = data}};
byte({sub_iac, _}, Byte, T) -> byte(iac, Byte, T). % it never ended

kept(Kept, Byte) when byte_size(Kept) < ?SUB_MOST -> <<Kept/binary, Byte>>;
kept(Kept, _) -> Kept.

sub(<<?WINDOW_SIZE, Columns:16, Rows:16>>, #t{them = #{?WINDOW_SIZE := _}}) -> [{window, Columns, Rows}];
sub(_, _) -> [].

command(?BREAK) -> [interrupt];
command(?INTERRUPT) -> [interrupt];
command(?ARE_YOU_THERE) -> [are_you_there];
command(?ERASE_CHARACTER) -> [127];
command(?ERASE_LINE) -> [$U - $@];
command(_) -> [].

option(?DO, Option, #t{us = Us} = T) ->
    {Answer, New} = agree(Option, Us, ?US, ?WILL, ?WONT),
    {Answer, T#t{us = New}};
option(?WILL, Option, #t{them = Them} = T) ->
    {Answer, New} = agree(Option, Them, ?THEM, ?DO, ?DONT),
    {Answer, T#t{them = New}};
option(?DONT, Option, #t{us = Us} = T) -> {refused(Option, Us, ?WONT), T#t{us = maps:remove(Option, Us)}};
option(?WONT, Option, #t{them = Them} = T) -> {refused(Option, Them, ?DONT), T#t{them = maps:remove(Option, Them)}}.

agree(Option, Known, Supported, Yes, No) ->
    case {Known, lists:member(Option, Supported)} of
        {#{Option := _}, _} -> {<<>>, Known#{Option := on}};
        {_, true} -> {<<?IAC, Yes, Option>>, Known#{Option => on}};
        {_, false} -> {<<?IAC, No, Option>>, Known}
    end.

refused(Option, Known, Answer) ->
    case Known of
        #{Option := on} -> <<?IAC, Answer, Option>>;
        _ -> <<>>
    end.

%% @doc Text as it goes out: a CR that begins no new line is followed by NUL.
-spec output(binary()) -> binary().
output(Bytes) -> << <<(sent(Part))/binary>> || Part <- re:split(Bytes, <<"(\r\n|\r|\xff)">>) >>.

sent(<<"\r">>) -> <<"\r", 0>>;
sent(<<?IAC>>) -> <<?IAC, ?IAC>>;
sent(Part) -> Part.
