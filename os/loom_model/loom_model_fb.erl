%% SPDX-License-Identifier: Apache-2.0
%% @doc A model of the screen: a canvas. What the kernel knows of each character cell is a map; a second canvas gets
%% all but parts of canvases: what would be seen without windows.
-module(loom_model_fb).

-export([new/2, canvases/1, call/2]).
-export_type([screen/0]).

-define(CELL_W, 8).
-define(CELL_H, 16).

-record(fb, {screen :: reference(), text :: reference(), columns :: pos_integer(), rows :: pos_integer(),
    cells :: #{{integer(), integer()} => {char(), Fg :: integer(), Bg :: integer()}},
    cursor = {0, 0} :: {non_neg_integer(), non_neg_integer()}}).
-opaque screen() :: #fb{}.

-spec new(Columns :: pos_integer(), Rows :: pos_integer()) -> screen().
new(Columns, Rows) ->
    [Screen, Text] = [loom_canvas:new(Columns * ?CELL_W, Rows * ?CELL_H) || _ <- "ab"],
    Cells = maps:from_list([{{C, R}, {$\s, 0, 0}} || C <- lists:seq(0, Columns - 1), R <- lists:seq(0, Rows - 1)]),
    #fb{screen = Screen, text = Text, columns = Columns, rows = Rows, cells = Cells}.

%% @doc The screen, and the screen as if there were no windows.
-spec canvases(screen()) -> {reference(), reference()}.
canvases(#fb{screen = Screen, text = Text}) -> {Screen, Text}.

%% @doc What the natives fb_* do. `badarg' where they raise that.
-spec call(tuple(), screen()) -> {term(), screen()}.
call(info, #fb{columns = C, rows = R, cursor = Cursor} = S) ->
    {#{width => C * ?CELL_W, height => R * ?CELL_H, columns => C, rows => R, cell_width => ?CELL_W,
       cell_height => ?CELL_H, cursor => Cursor}, S};
call({cursor, Column, Row}, S) -> {ok, S#fb{cursor = {Column, Row}}};
call({fill, X, Y, W, H, Rgb}, S) ->
    both(fun(C) -> loom_canvas:fill(C, {X, Y, W, H}, Rgb) end, S),
    Whole = [{Column, Row} || Column <- lists:seq(0, S#fb.columns - 1), Column * ?CELL_W >= X,
                              (Column + 1) * ?CELL_W =< X + W, Row <- lists:seq(0, S#fb.rows - 1),
                              Row * ?CELL_H >= Y, (Row + 1) * ?CELL_H =< Y + H],
    {ok, S#fb{cells = maps:merge(S#fb.cells, maps:from_list([{Cell, {$\s, Rgb, Rgb}} || Cell <- Whole]))}};
call({text, Column, Row, Text, Fg, Bg}, S) ->
    Cells = maps:from_list(lists:zip([{Column + I, Row} || I <- lists:seq(0, length(Text) - 1)],
                                     [{Char, Fg, Bg} || Char <- Text])),
    {ok, cells(maps:to_list(Cells), S#fb{cells = maps:merge(S#fb.cells, Cells)})};
call({scroll, Top, Bottom, Lines, Bg}, #fb{columns = Columns, cells = Cells} = S) ->
    New = [{{C, R}, case R + Lines >= Top andalso R + Lines < Bottom of
                        true -> maps:get({C, R + Lines}, Cells);
                        false -> {$\s, Bg, Bg}
                    end} || C <- lists:seq(0, Columns - 1), R <- lists:seq(Top, Bottom - 1)],
    {ok, cells(New, S#fb{cells = maps:merge(Cells, maps:from_list(New))})};
call({show, X, Y, Canvas, Part}, #fb{screen = Screen} = S) ->
    {try loom_canvas:copy(Screen, {X, Y}, Canvas, Part, 255) catch error:badarg -> ok end, S}; % freed
call({refresh, X, Y, W, H}, #fb{cells = Cells} = S) ->
    Touched = [Cell || {{C, R}, _} = Cell <- maps:to_list(Cells), C * ?CELL_W < X + W, (C + 1) * ?CELL_W > X,
                       R * ?CELL_H < Y + H, (R + 1) * ?CELL_H > Y],
    {ok, cells(Touched, S)};
call(_, S) -> {badarg, S}.

cells(Cells, S) ->
    [both(fun(C) -> loom_canvas:text(C, {Column * ?CELL_W, Row * ?CELL_H}, [Char], 1, Fg, Bg) end, S)
     || {{Column, Row}, {Char, Fg, Bg}} <- Cells],
    S.

both(Draw, #fb{screen = Screen, text = Text}) -> [ok = Draw(C) || C <- [Screen, Text]].
