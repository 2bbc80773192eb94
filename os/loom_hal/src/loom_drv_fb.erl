%% SPDX-License-Identifier: Apache-2.0
%% @doc The frame buffer as a text terminal: what the console writes to the serial line it writes here too. Text goes on
%% where the kernel's log, or the driver before this one, left the cursor: the screen keeps it.
-module(loom_drv_fb).
-behaviour(loom_driver).

-export([attach/1, write/2]).
-export([init/0, handle_interrupt/3, handle_request/3]).

-define(FOREGROUND, 16#d8dee9).
-define(BACKGROUND, 16#10141a).
-define(CURSOR, 16#6fb1a0).

-record(s, {cap :: loom_hal:cap(), vt :: loom_vt:state(), columns :: pos_integer(), rows :: pos_integer(),
    cell :: {pos_integer(), pos_integer()}}).

%% @doc The driver's pid, to be monitored. Lines wrap at that width, or at the screen's if it is narrower: what is
%% written here was laid out for a terminal.
-spec attach(Columns :: pos_integer()) -> pid().
attach(Columns) -> loom_driver:call(?MODULE, {attach, Columns}).

-spec write(pid(), binary()) -> ok.
write(Driver, Bytes) -> loom_driver:call(Driver, {write, Bytes}).

init() ->
    case loom_hal:grant(framebuffer) of
        {ok, Cap} ->
            #{columns := Columns, rows := Rows, cell_width := CW, cell_height := CH,
                cursor := Cursor} = loom_hw:fb_info(Cap),
            {ok, #s{cap = Cap, vt = loom_vt:new(Columns, Rows, Cursor), columns = Columns, rows = Rows, cell = {CW,
                CH}}};
        {error, enodev} -> ignore
    end.

handle_interrupt(_Time, _Count, S) -> {ok, S}.

handle_request({attach, Columns}, _From, #s{vt = Vt, rows = Rows} = S) ->
    {reply, self(), S#s{vt = loom_vt:new(min(Columns, S#s.columns), Rows, loom_vt:cursor(Vt))}};
handle_request({write, Bytes}, _From, #s{vt = Vt} = S) ->
    draw_cursor(S, ?BACKGROUND),
    {Steps, New} = loom_vt:write(Bytes, Vt),
    [draw(Step, S) || Step <- Steps],
    draw_cursor(S#s{vt = New}, ?CURSOR),
    {Column, Row} = loom_vt:cursor(New),
    ok = loom_hw:fb_cursor(S#s.cap, Column, Row),
    {reply, ok, S#s{vt = New}}.

draw({text, Column, Row, Text}, #s{cap = Cap}) ->
    ok = loom_hw:fb_text(Cap, Column, Row, Text, ?FOREGROUND, ?BACKGROUND);
draw({erase, Column, Row, Count}, #s{cap = Cap, cell = {W, H}}) ->
    ok = loom_hw:fb_fill(Cap, Column * W, Row * H, Count * W, H, ?BACKGROUND);
draw({scroll, Lines}, #s{cap = Cap, rows = Rows}) ->
    ok = loom_hw:fb_scroll(Cap, 0, Rows, Lines, ?BACKGROUND).

%% A bar under the cell: it does not touch what most characters occupy.
draw_cursor(#s{cap = Cap, vt = Vt, cell = {W, H}}, Colour) ->
    {Column, Row} = loom_vt:cursor(Vt),
    ok = loom_hw:fb_fill(Cap, Column * W, Row * H + H - 2, W, 2, Colour).
