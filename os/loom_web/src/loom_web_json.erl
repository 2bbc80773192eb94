%% SPDX-License-Identifier: Apache-2.0
%% @doc Terms as JSON (RFC 8259). Maps with atoms or binaries as keys; lists are arrays; atoms but true, false and null
%% are strings, as UTF-8 binaries are. What is no UTF-8 is taken for Latin-1.
-module(loom_web_json).

-export([encode/1]).
-export_type([value/0]).

-type value() :: #{atom() | binary() => value()} | [value()] | binary() | atom() | number().

-spec encode(value()) -> iodata().
encode(Map) when is_map(Map) ->
    [${, lists:join($,, [[encode(key(K)), $:, encode(V)] || {K, V} <- maps:to_list(Map)]), $}];
encode(List) when is_list(List) -> [$[, lists:join($,, [encode(V) || V <- List]), $]];
encode(Text) when is_binary(Text) -> [$", escaped(utf8(Text)), $"];
encode(Number) when is_integer(Number) -> integer_to_binary(Number);
encode(Number) when is_float(Number) -> float_to_binary(Number, [{decimals, 3}, compact]);
encode(Word) when Word =:= true; Word =:= false; Word =:= null -> atom_to_binary(Word);
encode(Atom) when is_atom(Atom) -> encode(atom_to_binary(Atom)).

key(Key) when is_atom(Key) -> atom_to_binary(Key);
key(Key) when is_binary(Key) -> Key.

utf8(Text) ->
    case unicode:characters_to_binary(Text) of
        Same when is_binary(Same) -> Same;
        _ -> unicode:characters_to_binary(Text, latin1)
    end.

escaped(Text) -> << <<(escape(C))/binary>> || <<C>> <= Text >>.

escape($") -> <<"\\\"">>;
escape($\\) -> <<"\\\\">>;
escape(C) when C < 32; C =:= 127 -> iolist_to_binary(io_lib:format("\\u~4.16.0b", [C]));
escape(C) -> <<C>>.
