%% SPDX-License-Identifier: Apache-2.0
%% @doc Windows over a model of the frame buffer (os/loom_model): the real driver and the real service. Whatever was
%% killed, in the end the screen is the text with the windows over it, pixel by pixel.
-module(window_test).
-behaviour(supervisor).
-export([main/0]).
-export([init/1]).

-define(COLUMNS, 30).
-define(ROWS, 9).
-define(W, (?COLUMNS * 8)).
-define(H, (?ROWS * 16)).
-define(PATIENCE_MS, 5000).

main() ->
    Tests = [{shows, fun shows/0}, {order, fun order/0}, {closed, fun closed/0}, {client_dies, fun client_dies/0},
             {text_below, fun text_below/0}, {no_screen, fun no_screen/0}, {not_mine, fun not_mine/0},
             {service_dies, fun service_dies/0}, {driver_dies_anywhere, fun driver_dies_anywhere/0},
             {anything_dies, fun anything_dies/0}],
    display_test:run(window, [{Name, fun() -> with_system(Name, F) end} || {Name, F} <- Tests]).

%% --- the system: hardware, driver, keeper, service, supervised
with_system(Name, F) ->
    {ok, Hardware} = loom_hw:start(),
    Name =:= no_screen orelse loom_hw:plug_screen(?COLUMNS, ?ROWS),
    {Tree, M} = spawn_monitor(fun() ->
        {ok, Hal} = loom_hal_sup:start_link(),
        {ok, Services} = supervisor:start_link(?MODULE, []),
        receive stop -> ok end,
        [begin unlink(Sup), exit(Sup, shutdown), R = monitor(process, Sup), receive {'DOWN', R, _, _, _} -> ok end end
         || Sup <- [Services, Hal]]
    end),
    eventually(fun() -> is_pid(whereis(loom_gfx)) end),
    F(),
    Tree ! stop,
    receive {'DOWN', M, process, Tree, normal} -> ok end,
    loom_hw:stop(Hardware).

init([]) ->
    {ok, {#{intensity => 100000, period => 1},
        [#{id => Id, start => {Id, start_link, []}} || Id <- [loom_keeper, loom_gfx]]}}.

%% --- what is on the screen
window(X, Y, W, H) ->
    {ok, Window} = loom_gfx:open(#{x => X, y => Y, width => W, height => H}),
    {Window, {X, Y}}.

paint({Window, _} = W, Box, Ink) ->
    ok = loom_canvas:fill(loom_gfx:canvas(Window), Box, Ink),
    ok = loom_gfx:present(Window),
    W.

%% The screen is the text with these windows over it, the last on top.
right(Windows) ->
    {Screen, Text} = loom_hw:screen(),
    Wanted = loom_canvas:new(?W, ?H),
    loom_canvas:copy(Wanted, {0, 0}, Text, {0, 0, ?W, ?H}, 255),
    [loom_canvas:copy(Wanted, Place, C, {0, 0, W, H}, 255)
     || {Window, Place} <- Windows, C <- [loom_gfx:canvas(Window)], {W, H} <- [loom_canvas:size(C)]],
    loom_canvas:read(Wanted, {0, 0, ?W, ?H}) =:= loom_canvas:read(Screen, {0, 0, ?W, ?H}).

eventually(F) -> eventually(F, ?PATIENCE_MS).
eventually(F, Left) ->
    case F() of
        true -> ok;
        false when Left > 0 ->
            timer:sleep(2),
            eventually(F, Left - 2);
        false -> error({never, erlang:fun_info(F, name)})
    end.

text(Text) -> ok = loom_drv_fb:write(whereis(loom_drv_fb), iolist_to_binary(Text)).
hello() -> text([[io_lib:format("line ~b: the quick brown fox~n\r", [I]) || I <- lists:seq(1, 5)], "prompt> "]).

%% --- tests
shows() ->
    hello(),
    W = window(5, 7, 40, 30),
    true = right([W]), % black
    paint(W, {0, 0, 40, 30}, 16#ff0000),
    true = right([W]),
    {Window, _} = W,
    ok = loom_canvas:fill(loom_gfx:canvas(Window), {3, 4, 5, 6}, 16#00ff00),
    false = right([W]), % not presented yet
    ok = loom_gfx:present(Window),
    true = right([W]),
    Far = paint(window(-20, ?H - 10, 30, 30), {0, 0, 30, 30}, 16#ffffff), % partly outside
    true = right([W, Far]),
    Out = paint(window(5000, -5000, 30, 30), {0, 0, 30, 30}, 16#ffffff),
    true = right([W, Far, Out]),
    {ok, Middle} = loom_gfx:open(#{width => 20, height => 10}),
    #{width := ?W, height := ?H, windows := [_, _, _, {_, {110, 67, 20, 10}}]} = loom_gfx:info(),
    true = right([W, Far, Out, {Middle, {110, 67}}]).

order() ->
    hello(),
    [{A, _} = WA, {B, _} = WB, WC] = All = [paint(window(10 * I, 10 * I, 60, 50), {0, 0, 60, 50}, 16#202020 * I)
        || I <- [1, 2, 3]],
    true = right(All),
    ok = loom_gfx:raise(A),
    true = right([WB, WC, WA]),
    paint(WB, {0, 0, 60, 50}, 16#0000ff), % below the others
    true = right([WB, WC, WA]),
    ok = loom_gfx:move(B, 100, -4),
    true = right([{B, {100, -4}}, WC, WA]),
    ok = loom_gfx:move(A, 33, 44),
    true = right([{B, {100, -4}}, WC, {A, {33, 44}}]).

closed() ->
    hello(),
    [{A, _}, WB] = [paint(window(10 * I, 10 * I, 60, 50), {0, 0, 60, 50}, 16#202020 * I) || I <- [1, 2]],
    ok = loom_gfx:close(A),
    true = right([WB]),
    [{error, closed} = F() || F <- [fun() -> loom_gfx:present(A) end, fun() -> loom_gfx:move(A, 1, 1) end,
                                    fun() -> loom_gfx:raise(A) end, fun() -> loom_gfx:close(A) end]],
    {'EXIT', {badarg, _}} = catch loom_canvas:fill(loom_gfx:canvas(A), {0, 0, 1, 1}, 0),
    ok = loom_gfx:close(element(1, WB)),
    true = right([]).

client_dies() ->
    hello(),
    Mine = paint(window(30, 30, 50, 50), {0, 0, 50, 50}, 16#00ff00),
    Self = self(),
    {Client, M} = spawn_monitor(fun() ->
        W = [paint(window(10 * I, 20, 60, 50), {0, 0, 60, 50}, 16#202020 * I) || I <- [1, 2]],
        Self ! {windows, W},
        receive never -> ok end
    end),
    Theirs = receive {windows, W} -> W end,
    true = right([Mine | Theirs]),
    exit(Client, kill),
    receive {'DOWN', M, process, Client, killed} -> ok end,
    eventually(fun() -> right([Mine]) end),
    {'EXIT', {badarg, _}} = catch loom_canvas:size(loom_gfx:canvas(element(1, hd(Theirs)))), % freed
    #{windows := [{Self, _}]} = loom_gfx:info().

%% The console writes and scrolls where windows are.
text_below() ->
    hello(),
    W = paint(window(3, 60, 200, 70), {0, 0, 200, 70}, 16#00ff00),
    [begin text([integer_to_list(I), " some text\e[K\r\n"]), timer:sleep(I rem 3) end || I <- lists:seq(1, 40)],
    eventually(fun() -> right([W]) end),
    text("\e[2;1H\e[Jagain"),
    eventually(fun() -> right([W]) end),
    text("\e[6;9H"), % the cursor, below the window
    eventually(fun() -> right([W]) end),
    ok = loom_gfx:close(element(1, W)),
    true = right([]).

no_screen() ->
    {error, enodev} = loom_gfx:open(#{width => 10, height => 10}),
    #{width := 0, height := 0, windows := []} = loom_gfx:info().

not_mine() ->
    {Window, _} = W = paint(window(0, 0, 10, 10), {0, 0, 10, 10}, 1),
    Self = self(),
    spawn(fun() -> Self ! {said, [loom_gfx:present(Window), loom_gfx:move(Window, 50, 50),
        loom_gfx:close(Window)]} end),
    [{error, closed}, {error, closed}, {error, closed}] = receive {said, Answers} -> Answers end,
    true = right([W]),
    {'EXIT', {function_clause, _}} = catch loom_gfx:open(#{width => 0, height => 10}),
    {'EXIT', {badarg, _}} = catch (fun() -> loom_canvas:new(0, 10) end)(),
    true = is_process_alive(whereis(loom_gfx)).

service_dies() ->
    hello(),
    [A, B] = All = [paint(window(20 * I, 10 * I, 60, 50), {0, 0, 60, 50}, 16#202020 * I) || I <- [1, 2]],
    [begin
         exit(whereis(loom_gfx), kill),
         paint(A, {N, 0, 3, 50}, 16#800000 + N),
         paint(B, {0, N, 60, 3}, 16#8000 + N),
         eventually(fun() -> right(All) end)
     end || N <- lists:seq(1, 40)],
    exit(whereis(loom_keeper), kill),
    timer:sleep(20),
    exit(whereis(loom_gfx), kill),
    paint(A, {5, 0, 3, 50}, 16#ffffff),
    eventually(fun() -> right(All) end),
    %% A client that dies while there is no service.
    {Client, M} = spawn_monitor(fun() -> _ = paint(window(0, 0, 90, 90), {0, 0, 90, 90}, 16#ffff), receive never ->
        ok end end),
    eventually(fun() -> length(maps:get(windows, loom_gfx:info())) =:= 3 end),
    exit(Client, kill),
    exit(whereis(loom_gfx), kill),
    receive {'DOWN', M, process, Client, killed} -> ok end,
    eventually(fun() -> right(All) end).

%% The driver is killed at each access of a sequence, before and behind it.
driver_dies_anywhere() ->
    hello(),
    {A, _} = WA = paint(window(20, 10, 60, 50), {0, 0, 60, 50}, 16#ff),
    WB = paint(window(50, 30, 60, 50), {0, 0, 60, 50}, 16#ff00),
    Sequence = fun(N) ->
        catch text(["x", integer_to_list(N), "\r\n"]),
        paint(WA, {N rem 60, 0, 3, 50}, 16#800000 + N),
        ok = loom_gfx:move(A, 20 + N, 10),
        paint(WB, {0, N rem 50, 60, 3}, 16#8000 + N)
    end,
    Before = loom_hw:accesses(),
    Sequence(0),
    eventually(fun() -> right([{A, {20, 10}}, WB]) end),
    Count = loom_hw:accesses() - Before,
    true = Count > 5,
    [begin
         ok = loom_hw:kill_at(N, When),
         Sequence(N),
         eventually(fun() -> right([{A, {20 + N, 10}}, WB]) end)
     end || N <- lists:seq(1, Count), When <- [before, behind]].

anything_dies() ->
    rand:seed(exsss, 11),
    hello(),
    Final = lists:foldl(fun(N, Windows) -> step(rand:uniform(9), N, Windows) end, [], lists:seq(1, 2000)),
    [paint(W, {0, 0, 5, 5}, 16#ffffff) || W <- Final],
    eventually(fun() -> right(Final) end),
    true = length(maps:get(windows, loom_gfx:info())) =:= length(Final).

step(1, N, Windows) when length(Windows) < 8 ->
    Windows ++ [paint(window(place(?W), place(?H), rand:uniform(90), rand:uniform(90)), {0, 0, 90, 90},
        N * 31 band 16#ffffff)];
step(2, _, [_ | _] = Windows) ->
    {Window, _} = W = pick(Windows),
    ok = loom_gfx:close(Window),
    Windows -- [W];
step(3, _, [_ | _] = Windows) ->
    {Window, _} = W = pick(Windows),
    {X, Y} = {place(?W), place(?H)},
    ok = loom_gfx:move(Window, X, Y),
    [case Each of W -> {Window, {X, Y}}; _ -> Each end || Each <- Windows];
step(4, _, [_ | _] = Windows) ->
    W = pick(Windows),
    ok = loom_gfx:raise(element(1, W)),
    (Windows -- [W]) ++ [W];
step(5, N, Windows) ->
    catch text(["some text ", integer_to_list(N), lists:nth(rand:uniform(3), ["", "\r\n", "\e[2;3H"])]),
    Windows;
step(6, _, Windows) ->
    case whereis(pick([loom_gfx, loom_drv_fb])) of
        undefined -> ok;
        Pid -> exit(Pid, kill)
    end,
    Windows;
step(_, N, [_ | _] = Windows) ->
    paint(pick(Windows), {place(90), place(90), rand:uniform(40), rand:uniform(40)}, {N * 77 band 16#ffffff, 200}),
    Windows;
step(_, _, []) -> [].

place(Limit) -> rand:uniform(Limit + 40) - 40.
pick(List) -> lists:nth(rand:uniform(length(List)), List).
