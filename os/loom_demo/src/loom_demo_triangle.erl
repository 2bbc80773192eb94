%% SPDX-License-Identifier: Apache-2.0
%% @doc The rainbow triangle: turns for a while in a window, then stands still on its base. On a machine without a
%% screen it turns in memory, and a small picture of it is printed.
-module(loom_demo_triangle).

-export([run/0, run/1]).
-import(loom_demo, [say/1, say/2]).

-define(SECONDS, 5).
-define(TURN_MS, 4000). % once around
-define(GROUND, 16#10141a).
-define(INK, 16#d8dee9).
-define(CORNERS, [16#ff0000, 16#00ff00, 16#0000ff]). % red on top, then clockwise
-define(SIZE_MAX, 480).
-define(TEXT_WIDTH, 648). % 80 columns and a gap
-define(BORDER, 16#2a8c8f).
-define(OFFSCREEN, 400).
-define(STEP, 20). % of what is printed

%% @doc Turns for some seconds; the window stays until the caller draws another or ends.
-spec run() -> ok.
run() -> run(?SECONDS).

-spec run(Seconds :: number()) -> ok.
run(Seconds) ->
    loom_demo:title("triangle", "three corners, three colours, smooth in between"),
    case loom_demo:on_metal() andalso open() of
        {ok, Window, Size} -> on_screen(Window, Size, Seconds);
        _ -> in_memory(Seconds)
    end.

%% At the right, beside the text if the screen is wide enough.
open() ->
    _ = [loom_gfx:close(Old) || Old <- [erase({?MODULE, window})], Old =/= undefined], % it may be gone already
    case loom_gfx:info() of
        #{width := 0} -> none;
        #{width := Width, height := Height} ->
            Size = lists:min([?SIZE_MAX, max(Width - ?TEXT_WIDTH, Width div 3), Height]),
            {ok, Window} = loom_gfx:open(#{width => Size, height => Size, x => Width - Size, y => 0}),
            put({?MODULE, window}, Window),
            {ok, Window, Size}
    end.

on_screen(Window, Size, Seconds) ->
    Canvas = loom_gfx:canvas(Window),
    ok = loom_canvas:fill(Canvas, {0, 0, Size, Size}, ?GROUND),
    Show = fun(Angle) ->
        frame(Canvas, Size, Angle),
        ok = loom_gfx:present(Window)
    end,
    turn(Show, Seconds, Size),
    Show(0.0).

in_memory(Seconds) ->
    Canvas = loom_canvas:new(?OFFSCREEN, ?OFFSCREEN),
    turn(fun(Angle) -> frame(Canvas, ?OFFSCREEN, Angle) end, min(1, Seconds), ?OFFSCREEN),
    frame(Canvas, ?OFFSCREEN, 0.0),
    print(Canvas),
    say("no screen here: that was drawn in memory.").

turn(Show, Seconds, Size) ->
    Start = erlang:monotonic_time(),
    End = Start + round(Seconds * erlang:convert_time_unit(1, second, native)),
    Frames = frames(Show, Start, End, 0),
    Ms = milliseconds(erlang:monotonic_time() - Start),
    Rate = Frames * 1000 / max(1, Ms),
    say("~bx~b pixels, ~b frames in ~b ms: ~.1f frames per second.", [Size, Size, Frames, Ms, Rate]).

frames(Show, Start, End, Count) ->
    Now = erlang:monotonic_time(),
    Show(2 * math:pi() * milliseconds(Now - Start) / ?TURN_MS),
    case Now < End of
        true -> frames(Show, Start, End, Count + 1);
        false -> Count + 1
    end.

milliseconds(Native) -> erlang:convert_time_unit(Native, native, millisecond).

%% The corners run on a circle; a little low, because the triangle that stands still is higher than it is deep.
frame(Canvas, Size, Angle) ->
    {Radius, Middle} = {Size * 0.4, Size / 2},
    ok = loom_canvas:fill(Canvas, {0, 0, Size, Size}, ?GROUND),
    Corners = [{Middle + Radius * math:sin(A), Middle + Radius * 0.25 - Radius * math:cos(A), Rgb}
               || {I, Rgb} <- lists:zip([0, 1, 2], ?CORNERS), A <- [Angle + 2 * math:pi() * I / 3]],
    ok = apply(loom_canvas, triangle, [Canvas | Corners]),
    ok = loom_canvas:text(Canvas, {8, 6}, "loom_gfx", 1, ?INK, none),
    End = Size - 1,
    Ends = [{0.5, 0}, {0.5, End + 0.5}, {End + 0.5, End + 0.5}, {End + 0.5, 0.5}, {0, 0.5}],
    [ok = loom_canvas:line(Canvas, From, To, 1, ?BORDER) || {From, To} <- lists:zip(lists:droplast(Ends), tl(Ends))],
    ok.

%% In the colours of the terminal, two blanks for a square.
print(Canvas) ->
    Places = lists:seq(?STEP div 2, ?OFFSCREEN - 1, ?STEP),
    [say("~s\e[0m", [[square(loom_canvas:read(Canvas, {X, Y, 1, 1})) || X <- Places]]) || Y <- Places].

square(<<B, G, R, _>>) -> io_lib:format("\e[48;2;~b;~b;~bm  ", [R, G, B]).
