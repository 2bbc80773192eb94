%% SPDX-License-Identifier: Apache-2.0
%% @doc The frame buffer as a text terminal: what the console writes to the serial line it writes here too.
-module(loom_drv_fb).
-behaviour(loom_driver).

-export([attach/0, write/2]).
-export([init/0, handle_interrupt/3, handle_request/3]).

-define(FOREGROUND, 16#d8dee9).
-define(BACKGROUND, 16#101418).
-define(CURSOR, 16#6fb1a0).

-record(s, {cap :: loom_hal:cap(), vt :: loom_vt:state(), rows :: pos_integer(), cell :: {pos_integer(), pos_integer()}}).

%% @doc The driver's pid, to be monitored.
-spec attach() -> pid().
attach() -> loom_driver:call(?MODULE, attach).

-spec write(pid(), binary()) -> ok.
write(Driver, Bytes) -> loom_driver:call(Driver, {write, Bytes}).

init() ->
    case loom_hal:grant(framebuffer) of
        {ok, Cap} ->
            #{columns := Columns, rows := Rows, width := W, height := H, cell_width := CW, cell_height := CH} =
                loom_hw:fb_info(Cap),
            ok = loom_hw:fb_fill(Cap, 0, 0, W, H, ?BACKGROUND),
            {ok, #s{cap = Cap, vt = loom_vt:new(Columns, Rows), rows = Rows, cell = {CW, CH}}};
        {error, enodev} -> ignore
    end.

handle_interrupt(_Time, _Count, S) -> {ok, S}.

handle_request(attach, _From, S) -> {reply, self(), S};
handle_request({write, Bytes}, _From, #s{vt = Vt} = S) ->
    draw_cursor(S, ?BACKGROUND),
    {Steps, New} = loom_vt:write(Bytes, Vt),
    [draw(Step, S) || Step <- Steps],
    draw_cursor(S#s{vt = New}, ?CURSOR),
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
