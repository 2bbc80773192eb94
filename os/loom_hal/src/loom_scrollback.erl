%% SPDX-License-Identifier: Apache-2.0
%% @doc What has scrolled off a terminal's screen, from the drawing steps of loom_vt. Pure.
%%
%% Lines are counted from when this began; the first of the screen is `base'. Of each that was drawn on, the pieces of
%% text are kept, newest first, and put together when they become many; so the work of a step does not depend on the
%% size of screen or history.
-module(loom_scrollback).

-export([new/1, width/2, write/2, back/1, lines/3]).
-export_type([state/0, piece/0]).

-define(LINES, 2000). % kept
-define(PIECES, 24). % of a line; more are put together

-type piece() :: {Column :: non_neg_integer(), Text :: [char()], loom_vt:style()}.
-record(h, {columns :: pos_integer(), base = 0 :: non_neg_integer(), first = none :: none | non_neg_integer(),
    lines = #{} :: #{non_neg_integer() => [piece()]}}).
-opaque state() :: #h{}.

-spec new(Columns :: pos_integer()) -> state().
new(Columns) -> #h{columns = Columns}.

%% @doc Lines are that long from now on: an erased one needs not be kept.
-spec width(pos_integer(), state()) -> state().
width(Columns, H) -> H#h{columns = Columns}.

-spec write([loom_vt:step()], state()) -> state().
write(Steps, H) -> lists:foldl(fun step/2, H, Steps).

step({text, Column, Row, Text, Style}, H) -> piece(Row, {Column, Text, Style}, H);
step({erase, 0, Row, Count}, #h{columns = Columns} = H) when Count >= Columns -> put_line(Row, [], H);
step({erase, Column, Row, Count}, H) ->
    piece(Row, {Column, lists:duplicate(Count, $\s), {foreground, background}}, H);
step({scroll, Count}, #h{base = Base, lines = Lines} = H) ->
    Old = lists:seq(Base - ?LINES, Base + Count - 1 - ?LINES),
    H#h{base = Base + Count, lines = maps:without(Old, Lines)}.

piece(Row, Piece, #h{base = Base, lines = Lines} = H) ->
    case maps:get(Base + Row, Lines, []) of
        Pieces when length(Pieces) < ?PIECES -> put_line(Row, [Piece | Pieces], H);
        Pieces -> put_line(Row, lists:reverse(together([Piece | Pieces])), H)
    end.

put_line(Row, Pieces, #h{base = Base, first = First, lines = Lines} = H) ->
    Line = Base + Row,
    H#h{lines = Lines#{Line => Pieces}, first = case First of none -> Line; _ -> min(First, Line) end}.

%% Those that do not overlap, by column.
together(Pieces) ->
    Cells = lists:foldr(fun({Column, Text, Style}, Map) ->
        {_, New} = lists:foldl(fun(Char, {C, M}) -> {C + 1, M#{C => {Char, Style}}} end, {Column, Map}, Text),
        New
    end, #{}, Pieces),
    runs(lists:sort(maps:to_list(Cells))).

runs([]) -> [];
runs([{Column, {Char, Style}} | Rest]) ->
    {Text, Others} = run(Column + 1, Style, Rest, [Char]),
    [{Column, Text, Style} | runs(Others)].

run(Column, Style, [{Column, {Char, Style}} | Rest], Text) -> run(Column + 1, Style, Rest, [Char | Text]);
run(_, _, Rest, Text) -> {lists:reverse(Text), Rest}.

%% @doc How many lines above the screen there are.
-spec back(state()) -> non_neg_integer().
back(#h{first = none}) -> 0;
back(#h{base = Base, first = First}) -> max(0, min(Base - First, ?LINES)).

%% @doc So many lines from the one that stands so far above the screen's first: their text, pieces by column.
-spec lines(Above :: non_neg_integer(), Count :: non_neg_integer(), state()) -> [[piece()]].
lines(Above, Count, #h{base = Base, lines = Lines}) ->
    [together(maps:get(Base - Above + I, Lines, [])) || I <- lists:seq(0, Count - 1)].
