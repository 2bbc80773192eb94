%% SPDX-License-Identifier: Apache-2.0
%% @doc Names on FAT volumes, without any state: which are allowed, when two are the same, and how they are written: a
%% short name (8.3, eleven bytes) in every entry, and the long one in front of it as UTF-16, thirteen units a slot.
%%
%% A name that is 8.3 with each part in one case needs no slots: two bits of the entry say which parts are lower case.
-module(loom_fat_name).

-export([check/1, fold/1, exact/1, short/2, shown/2]).
-export([slots/2, slot_count/1, checksum/1, slot_text/1, long/1]).

-type name() :: binary(). % UTF-8
-type short() :: <<_:88>>.
-export_type([name/0, short/0]).

-define(UNITS, 255). % UTF-16 units a name
-define(IN_SLOT, 13).
-define(LOWER_BASE, 16#08).
-define(LOWER_EXTENSION, 16#10).
-define(OEM, <<"ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧"
               "╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ "/utf8>>).

%% @doc May a new file be called that?
-spec check(name()) -> ok | {error, einval | enametoolong}.
check(Name) ->
    Units = byte_size(utf16(Name)) div 2,
    Last = Name =/= <<>> andalso binary:last(Name),
    if
        Units > ?UNITS -> {error, enametoolong};
        Units =:= 0; Last =:= $.; Last =:= $\s -> {error, einval};
        true ->
            case [C || <<C/utf8>> <= Name, C < 32 orelse is_forbidden(C)] of
                [] -> ok;
                _ -> {error, einval}
            end
    end.

is_forbidden(C) -> C < 128 andalso lists:member(C, "\"*/:<>?\\|\d").

utf16(Name) -> << <<C/utf16-little>> || <<C/utf8>> <= Name >>.

%% @doc What two spellings of one name have in common.
-spec fold(name()) -> binary().
fold(Name) -> << <<(upper(C))/utf8>> || <<C/utf8>> <= Name >>.

%% One code point for one, as FAT wants it (no German SS).
upper(C) when C < 128 -> if C >= $a, C =< $z -> C - 32; true -> C end;
upper(C) when C < 16#100 -> latin1(C);
upper(C) when C < 16#180 -> latin_a(C);
upper(C) when C >= 16#1cd, C =< 16#1dc -> odd(C);
upper(C) when C >= 16#1de, C =< 16#1ef; C >= 16#1f8, C =< 16#21f; C >= 16#222, C =< 16#233 -> even(C);
upper(C) when C >= 16#3b1, C =< 16#3cb, C =/= 16#3c2 -> C - 32;
upper(16#3ac) -> 16#386;
upper(C) when C >= 16#3ad, C =< 16#3af -> C - 37;
upper(C) when C >= 16#430, C =< 16#44f -> C - 32;
upper(C) when C >= 16#450, C =< 16#45f -> C - 80;
upper(C) when C >= 16#460, C =< 16#481; C >= 16#48a, C =< 16#4bf; C >= 16#4d0, C =< 16#52f -> even(C);
upper(C) when C >= 16#561, C =< 16#586 -> C - 48;
upper(C) when C >= 16#1e00, C =< 16#1e95; C >= 16#1ea0, C =< 16#1eff -> even(C);
upper(C) when C >= 16#24d0, C =< 16#24e9 -> C - 26;
upper(C) when C >= 16#ff41, C =< 16#ff5a -> C - 32;
upper(C) -> C.

latin1(16#ff) -> 16#178;
latin1(C) when C >= 16#e0, C =/= 16#f7 -> C - 32;
latin1(C) -> C.

%% Pairs, capitals on even places up to U+0137 and from U+014A to U+0177, on odd ones between.
latin_a(C) when C =:= 16#131; C =:= 16#138; C =:= 16#149; C =:= 16#17f; C =:= 16#130; C =:= 16#178 -> C;
latin_a(C) when C < 16#138; C > 16#149, C < 16#178 -> even(C);
latin_a(C) -> odd(C).

even(C) -> C band (bnot 1).
odd(C) -> (C - 1) bor 1.

%% --- short names

%% @doc The entry of a name that needs no long one: the eleven bytes and the bits for lower case.
-spec exact(name()) -> {short(), 0..24} | none.
exact(Name) ->
    case binary:split(Name, <<".">>, [global]) of
        [Base] -> exact(part(Base, 8), part(<<>>, 3));
        [Base, Extension] when Extension =/= <<>> -> exact(part(Base, 8), part(Extension, 3));
        _ -> none
    end.

exact({Base, Lower}, {Extension, LowerExtension}) when Base =/= <<"        ">> ->
    Bits = [?LOWER_BASE || Lower] ++ [?LOWER_EXTENSION || LowerExtension],
    {<<Base/binary, Extension/binary>>, lists:sum(Bits)};
exact(_, _) -> none.

part(Text, Size) when byte_size(Text) =< Size ->
    Upper = [C || <<C>> <= Text, C >= $A, C =< $Z] =/= [],
    Lower = [C || <<C>> <= Text, C >= $a, C =< $z] =/= [],
    Fit = lists:all(fun is_short_char/1, string_upper(Text)),
    if
        Upper and Lower; not Fit -> none;
        true -> {padded(string_upper(Text), Size), Lower}
    end;
part(_, _) -> none.

string_upper(Text) -> [case C >= $a andalso C =< $z of true -> C - 32; false -> C end || <<C>> <= Text].

padded(Text, Size) ->
    iolist_to_binary([Text, lists:duplicate(Size - length(Text), $\s)]).

is_short_char(C) ->
    C >= $A andalso C =< $Z orelse C >= $0 andalso C =< $9 orelse lists:member(C, "$%'-_@~`!(){}^#&").

%% @doc A short name for a long one: `LONGNA~1.EXT', the first that is not taken. Where many are alike, digits of a
%% hash keep the search short.
-spec short(name(), fun((short()) -> boolean())) -> short().
short(Name, IsTaken) ->
    {Base, Extension} = stem(Name),
    Plain = [short_form(Base, Extension, N) || N <- [1, 2, 3, 4]],
    case [S || S <- Plain, not IsTaken(S)] of
        [Short | _] -> Short;
        [] -> hashed(lists:sublist(Base, 2), Extension, Name, 0, IsTaken)
    end.

hashed(Base, Extension, Name, Round, IsTaken) ->
    Digits = string_upper(list_to_binary(integer_to_list(erlang:phash2({Name, Round}, 16#10000), 16))),
    Short = short_form(Base ++ Digits, Extension, 1),
    case IsTaken(Short) of
        true -> hashed(Base, Extension, Name, Round + 1, IsTaken);
        false -> Short
    end.

short_form(Base, Extension, N) ->
    Tail = [$~ | integer_to_list(N)],
    <<(padded(lists:sublist(Base, 8 - length(Tail)) ++ Tail, 8))/binary, (padded(Extension, 3))/binary>>.

%% The last dot divides; other dots and blanks go, what short names cannot hold becomes `_'.
stem(Name) ->
    Chars = leading([upper(C) || <<C/utf8>> <= Name]),
    {Base, Extension} = case string:split(Chars, ".", trailing) of
        [B, E] -> {B, lists:sublist(substitute(E), 3)};
        [B] -> {B, ""}
    end,
    {substitute(Base), Extension}.

leading([C | Rest]) when C =:= $.; C =:= $\s -> leading(Rest);
leading(Chars) -> Chars.

substitute(Chars) ->
    [case is_short_char(C) of true -> C; false -> $_ end || C <- Chars, C =/= $., C =/= $\s].

%% @doc A short name as people see it.
-spec shown(short(), byte()) -> name().
shown(<<First, _:56, _:24>> = Short, Bits) ->
    <<_, Rest:7/binary, Extension:3/binary>> = Short,
    Base = case First of
        16#05 -> <<16#e5, Rest/binary>>;
        _ -> <<First, Rest/binary>>
    end,
    case {cased(Base, Bits band ?LOWER_BASE), cased(Extension, Bits band ?LOWER_EXTENSION)} of
        {B, <<>>} -> B;
        {B, E} -> <<B/binary, ".", E/binary>>
    end.

cased(Part, Bit) ->
    Chars = [oem(C) || <<C>> <= trimmed(Part)],
    unicode:characters_to_binary(case Bit of 0 -> Chars; _ -> [lower(C) || C <- Chars] end).

trimmed(Part) ->
    case Part =/= <<>> andalso binary:last(Part) =:= $\s of
        true -> trimmed(binary:part(Part, 0, byte_size(Part) - 1));
        false -> Part
    end.

lower(C) when C >= $A, C =< $Z -> C + 32;
lower(C) -> C.

oem(C) when C < 128 -> C;
oem(C) -> lists:nth(C - 127, [U || <<U/utf8>> <= ?OEM]).

%% --- long names

-spec slot_count(name()) -> 1..20.
slot_count(Name) -> (byte_size(utf16(Name)) div 2 + ?IN_SLOT - 1) div ?IN_SLOT.

%% @doc The slots in front of the entry, in the order they stand in the directory: the end of the name first.
-spec slots(name(), short()) -> [<<_:256>>].
slots(Name, Short) ->
    Units = utf16(Name),
    Missing = slot_count(Name) * ?IN_SLOT - byte_size(Units) div 2,
    Filled = case Missing of
        0 -> Units;
        _ -> <<Units/binary, 0:16, (binary:copy(<<16#ffff:16>>, Missing - 1))/binary>>
    end,
    slots(Filled, 1, checksum(Short), []).

slots(<<Text:26/binary, Rest/binary>>, N, Sum, Done) ->
    Number = case Rest of <<>> -> N bor 16#40; _ -> N end,
    <<A:10/binary, B:12/binary, C:4/binary>> = Text,
    slots(Rest, N + 1, Sum, [<<Number, A/binary, 16#0f, 0, Sum, B/binary, 0:16, C/binary>> | Done]);
slots(<<>>, _, _, Done) -> Done.

%% @doc `{Number, Checksum, Text}' of a slot.
-spec slot_text(<<_:256>>) -> {byte(), byte(), binary()}.
slot_text(<<Number, A:10/binary, _, _, Sum, B:12/binary, _:16, C:4/binary>>) ->
    {Number, Sum, <<A/binary, B/binary, C/binary>>}.

%% @doc The name in the texts of its slots, first to last; `error' when that is no UTF-16.
-spec long([binary()]) -> name() | error.
long(Texts) ->
    Units = until_end(iolist_to_binary(Texts), 0),
    case unicode:characters_to_binary(Units, {utf16, little}, utf8) of
        Name when is_binary(Name), Name =/= <<>> -> Name;
        _ -> error
    end.

until_end(Units, At) ->
    case Units of
        <<Name:At/binary, 0:16, _/binary>> -> Name;
        <<_:At/binary, _:16, _/binary>> -> until_end(Units, At + 2);
        _ -> Units
    end.

-spec checksum(short()) -> byte().
checksum(Short) ->
    lists:foldl(fun(C, Sum) -> (((Sum bsl 7) bor (Sum bsr 1)) + C) band 255 end, 0, binary_to_list(Short)).
