%% SPDX-License-Identifier: Apache-2.0
%% @doc What came before its turn: pieces of a stream, apart from each other, by absolute position.
-module(loom_tcp_reassembly).

-export([new/0, is_empty/1, insert/3, take/2, blocks/2]).
-export_type([t/0]).

%% In order. A piece's parts stand in order too and touch.
-opaque t() :: [{Start :: integer(), End :: integer(), Data :: iolist()}].

-spec new() -> t().
new() -> [].

-spec is_empty(t()) -> boolean().
is_empty(Pieces) -> Pieces =:= [].

%% @doc Adds a piece; where it overlaps what is there, what is there stays.
-spec insert(integer(), binary(), t()) -> t().
insert(_, <<>>, Pieces) -> Pieces;
insert(Start, Data, Pieces) -> put(Start, Start + byte_size(Data), Data, Pieces).

put(Start, End, Data, []) -> [{Start, End, [Data]}];
put(Start, End, Data, [{S, _, _} | _] = Pieces) when End < S -> [{Start, End, [Data]} | Pieces];
put(Start, End, Data, [{S, E, D} | Rest]) when End =:= S -> [{Start, E, [Data | D]} | Rest];
put(Start, End, Data, [{_, E, _} = Piece | Rest]) when Start > E -> [Piece | put(Start, End, Data, Rest)];
put(Start, End, Data, [{S, _, _} | _] = Pieces) when Start < S ->
    <<Head:(S - Start)/binary, Tail/binary>> = Data,
    put(Start, S, Head, put(S, End, Tail, Pieces));
put(_, End, _, [{_, E, _} | _] = Pieces) when End =< E -> Pieces;
put(Start, End, Data, [{S, E, D} | Rest]) ->
    <<_:(E - Start)/binary, New/binary>> = Data,
    case Rest of
        [{Next, _, _} | _] when Next < End ->
            <<Now:(Next - E)/binary, Later/binary>> = New,
            put(Next, End, Later, joined(S, Next, [D, Now], Rest));
        _ -> joined(S, End, [D, New], Rest)
    end.

joined(S, E, Data, [{E, End, More} | Rest]) -> [{S, End, [Data, More]} | Rest];
joined(S, E, Data, Rest) -> [{S, E, Data} | Rest].

%% @doc What follows directly on `Next', or parts of it: the data and where it ends.
-spec take(integer(), t()) -> {iolist(), integer(), t()}.
take(Next, [{Start, End, Data} | Rest]) when Start =< Next ->
    case End > Next of
        false -> take(Next, Rest);
        true when Start =:= Next -> {Data, End, Rest};
        true ->
            <<_:(Next - Start)/binary, New/binary>> = iolist_to_binary(Data),
            {[New], End, Rest}
    end;
take(Next, Pieces) -> {[], Next, Pieces}.

%% @doc At most three blocks for a SACK option (RFC 2018): first the one with what came last.
-spec blocks(integer(), t()) -> [{integer(), integer()}].
blocks(Last, Pieces) ->
    {First, Others} = lists:partition(fun({S, E, _}) -> S =< Last andalso Last < E end, Pieces),
    [{S, E} || {S, E, _} <- lists:sublist(First ++ Others, 3)].
