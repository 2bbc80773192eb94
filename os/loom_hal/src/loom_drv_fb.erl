%% SPDX-License-Identifier: Apache-2.0
%% @doc The frame buffer as a text terminal: what the console writes to the serial line it writes here too. Text goes on
%% where the kernel's log, or the driver before this one, left the cursor: the screen keeps it. And as a display: parts
%% of canvases over the text, for loom_gfx, which is told when text was drawn where its windows are (doc/display.md).
%%
%% What scrolled off can be looked at again: it is drawn as a canvas over the text, so that the kernel still knows the
%% text below, and the next output, or scrolling to the end, shows that again.
-module(loom_drv_fb).
-behaviour(loom_driver).

-export([attach/1, write/2, scroll/2, display/1, draw/4, damage/1]).
-export([init/0, handle_interrupt/3, handle_request/3]).

-define(FOREGROUND, 16#d8dee9).
-define(BACKGROUND, 16#10141a).
-define(CURSOR, 16#6fb1a0).

-define(BOXES, 16). % of damage; more are told as one

-type box() :: {X :: integer(), Y :: integer(), Width :: integer(), Height :: integer()}.
-type show() :: {X :: integer(), Y :: integer(), Canvas :: reference(), Part :: box()}.
%% `display': who has windows; `covered': where; `damage': text drawn there, not yet asked for.
-record(s, {cap :: loom_hal:cap(), vt :: loom_vt:state(), columns :: pos_integer(), rows :: pos_integer(),
    cell :: {pos_integer(), pos_integer()}, display = none :: pid() | none, covered = [] :: [box()],
    damage = [] :: [box()], history :: loom_scrollback:state(),
    above = 0 :: non_neg_integer()}). % lines that it is scrolled back

%% @doc The driver's pid, to be monitored. Lines wrap at that width, or at the screen's if it is narrower: what is
%% written here was laid out for a terminal.
-spec attach(Columns :: pos_integer()) -> pid().
attach(Columns) -> loom_driver:call(?MODULE, {attach, Columns}).

-spec write(pid(), binary()) -> ok.
write(Driver, Bytes) -> loom_driver:call(Driver, {write, Bytes}).

%% @doc Half a screen back or forward, as far as there is something.
-spec scroll(pid(), back | forward) -> ok.
scroll(Driver, Where) -> loom_driver:call(Driver, {scroll, Where}).

%% @doc From now on that process gets `{loom_drv_fb, Driver, damaged}' when text was drawn over windows, once until it
%% asks with damage/1. The answer: the driver, and the size of its part of the screen.
-spec display(pid()) -> {pid(), #{width := pos_integer(), height := pos_integer(), cell_width := pos_integer(),
    cell_height := pos_integer()}}.
display(Pid) -> loom_driver:call(?MODULE, {display, Pid}).

%% @doc Windows now cover these boxes. Draws the text in `Text' again, then parts of canvases.
-spec draw(pid(), Covered :: [box()], Text :: [box()], [show()]) -> ok.
draw(Driver, Covered, Text, Shows) -> loom_driver:call(Driver, {draw, Covered, Text, Shows}).

%% @doc Where text was drawn over windows.
-spec damage(pid()) -> [box()].
damage(Driver) -> loom_driver:call(Driver, damage).

init() ->
    case loom_hal:grant(framebuffer) of
        {ok, Cap} ->
            #{columns := Columns, rows := Rows, cell_width := CW, cell_height := CH,
                cursor := Cursor} = loom_hw:fb_info(Cap),
            {ok, #s{cap = Cap, vt = loom_vt:new(Columns, Rows, Cursor), columns = Columns, rows = Rows, cell = {CW,
                CH}, history = loom_scrollback:new(Columns)}};
        {error, enodev} -> ignore
    end.

handle_interrupt(_Time, _Count, S) -> {ok, S}.

handle_request({attach, Columns}, _From, #s{vt = Vt, rows = Rows} = S) ->
    Width = min(Columns, S#s.columns),
    {reply, self(), S#s{vt = loom_vt:new(Width, Rows, loom_vt:cursor(Vt)),
        history = loom_scrollback:width(Width, S#s.history)}};
handle_request({write, Bytes}, From, #s{above = Above} = S) when Above > 0 ->
    handle_request({write, Bytes}, From, live(S));
handle_request({write, Bytes}, _From, #s{vt = Vt} = S) ->
    draw_cursor(S, ?BACKGROUND),
    {Steps, New} = loom_vt:write(Bytes, Vt),
    [draw(Step, S) || Step <- Steps],
    draw_cursor(S#s{vt = New}, ?CURSOR),
    {Column, Row} = loom_vt:cursor(New),
    ok = loom_hw:fb_cursor(S#s.cap, Column, Row),
    Cursors = [cell_box({erase, C, R, 1}, S) || {C, R} <- [loom_vt:cursor(Vt), {Column, Row}]],
    History = loom_scrollback:write(Steps, S#s.history),
    {reply, ok, damaged(Cursors ++ [cell_box(Step, S) || Step <- Steps], S#s{vt = New, history = History})};
handle_request({scroll, Where}, _From, #s{above = Above, rows = Rows, history = History} = S) ->
    Half = max(1, Rows div 2),
    New = case Where of
        back -> min(Above + Half, loom_scrollback:back(History));
        forward -> max(0, Above - Half)
    end,
    case New of
        Above -> {reply, ok, S};
        0 -> {reply, ok, live(S)};
        _ -> {reply, ok, past(S#s{above = New})}
    end;
handle_request({display, Pid}, _From, #s{cap = Cap} = S) ->
    {reply, {self(), loom_hw:fb_info(Cap)}, S#s{display = Pid, covered = [], damage = []}};
handle_request({draw, Covered, Text, Shows}, _From, #s{cap = Cap} = S) ->
    [ok = loom_hw:fb_refresh(Cap, X, Y, W, H) || {X, Y, W, H} <- Text],
    {Column, Row} = loom_vt:cursor(S#s.vt),
    parts([cell_box({erase, Column, Row, 1}, S)], Text) =/= [] andalso draw_cursor(S, ?CURSOR),
    [ok = loom_hw:fb_show(Cap, X, Y, Canvas, Part) || {X, Y, Canvas, Part} <- Shows],
    {reply, ok, S#s{covered = Covered}};
handle_request(damage, _From, #s{damage = Damage} = S) -> {reply, Damage, S#s{damage = []}}.

%% The text as it is.
live(#s{cap = Cap} = S) ->
    {_, _, W, H} = Screen = whole(S),
    ok = loom_hw:fb_refresh(Cap, 0, 0, W, H),
    draw_cursor(S, ?CURSOR),
    damaged([Screen], S#s{above = 0}).

%% The text as it was, `above' lines further up.
past(#s{cap = Cap, above = Above, rows = Rows, cell = {CW, CH}} = S) ->
    {_, _, W, H} = Screen = whole(S),
    Canvas = loom_canvas:new(W, H),
    ok = loom_canvas:fill(Canvas, Screen, ?BACKGROUND),
    Lines = loom_scrollback:lines(Above, Rows, S#s.history),
    [ok = loom_canvas:text(Canvas, {Column * CW, Row * CH}, Text, max(1, CW div 8), rgb(Fg), rgb(Bg))
     || {Row, Pieces} <- lists:zip(lists:seq(0, Rows - 1), Lines), {Column, Text, {Fg, Bg}} <- Pieces],
    ok = loom_hw:fb_show(Cap, 0, 0, Canvas, Screen),
    ok = loom_canvas:free(Canvas),
    damaged([Screen], S).

whole(#s{columns = Columns, rows = Rows, cell = {W, H}}) -> {0, 0, Columns * W, Rows * H}.

%% Where a step draws.
cell_box({text, Column, Row, Text, _}, #s{cell = {W, H}}) -> {Column * W, Row * H, length(Text) * W, H};
cell_box({erase, Column, Row, Count}, #s{cell = {W, H}}) -> {Column * W, Row * H, Count * W, H};
cell_box({scroll, _}, #s{columns = Columns, rows = Rows, cell = {W, H}}) -> {0, 0, Columns * W, Rows * H}.

damaged(_, #s{covered = []} = S) -> S;
damaged(Boxes, #s{covered = Covered, damage = Before} = S) ->
    case parts(Boxes, Covered) of
        [] -> S;
        New ->
            Before =:= [] andalso loom_driver:event({?MODULE, S#s.display}, damaged),
            S#s{damage = few(New ++ Before)}
    end.

parts(Some, Others) -> [Part || A <- Some, B <- Others, {_, _, W, H} = Part <- [overlap(A, B)], W > 0, H > 0].

overlap({X1, Y1, W1, H1}, {X2, Y2, W2, H2}) ->
    {X, Y} = {max(X1, X2), max(Y1, Y2)},
    {X, Y, min(X1 + W1, X2 + W2) - X, min(Y1 + H1, Y2 + H2) - Y}.

few(Boxes) when length(Boxes) =< ?BOXES -> Boxes;
few(Boxes) ->
    {Left, Top} = {lists:min([X || {X, _, _, _} <- Boxes]), lists:min([Y || {_, Y, _, _} <- Boxes])},
    {Right, Bottom} = {lists:max([X + W || {X, _, W, _} <- Boxes]), lists:max([Y + H || {_, Y, _, H} <- Boxes])},
    [{Left, Top, Right - Left, Bottom - Top}].

draw({text, Column, Row, Text, {Fg, Bg}}, #s{cap = Cap}) ->
    ok = loom_hw:fb_text(Cap, Column, Row, Text, rgb(Fg), rgb(Bg));
draw({erase, Column, Row, Count}, #s{cap = Cap, cell = {W, H}}) ->
    ok = loom_hw:fb_fill(Cap, Column * W, Row * H, Count * W, H, ?BACKGROUND);
draw({scroll, Lines}, #s{cap = Cap, rows = Rows}) ->
    ok = loom_hw:fb_scroll(Cap, 0, Rows, Lines, ?BACKGROUND).

rgb(foreground) -> ?FOREGROUND;
rgb(background) -> ?BACKGROUND;
rgb(Rgb) -> Rgb.

%% A bar under the cell: it does not touch what most characters occupy.
draw_cursor(#s{cap = Cap, vt = Vt, cell = {W, H}}, Colour) ->
    {Column, Row} = loom_vt:cursor(Vt),
    ok = loom_hw:fb_fill(Cap, Column * W, Row * H + H - 2, W, 2, Colour).
