%% SPDX-License-Identifier: Apache-2.0
%% @doc Windows on the screen (doc/display.md). A client draws on a window's canvas and presents it; this service knows
%% which windows there are and what of them is to be seen, and the driver of the frame buffer draws it.
%%
%% Windows are in a table that survives this process. What is on the screen is never read: when in doubt (this process
%% or the driver is new) all of it is drawn again.
-module(loom_gfx).
-behaviour(gen_server).

-export([open/1, canvas/1, present/1, move/3, raise/1, close/1, info/0]).
-export([start_link/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export_type([window/0]).

-define(DRIVER, loom_drv_fb).
-define(RETRY_MS, 1).
-define(RETRIES, 5000). % of a call, a millisecond apart, while there is no such process
-define(SIDE_MAX, 16384).

-record(window, {id :: reference(), canvas :: loom_canvas()}).
-opaque window() :: #window{}.
-type loom_canvas() :: reference().

%% A row of the table. `order': the highest is on top.
-record(row, {id :: reference(), order :: integer(), owner :: pid(), canvas :: loom_canvas(),
    box :: loom_gfx_region:box()}).
%% `screen': the driver that knows this process; `size' and `cell' are its.
-record(s, {table :: ets:tid(), screen = none :: pid() | none, size = {0, 0} :: {non_neg_integer(), non_neg_integer()},
    cell = {8, 16} :: {pos_integer(), pos_integer()}}).

%% --- API ---------------------------------------------------------------------------------------------------------

%% @doc A window of the caller, in the middle of the screen unless `x' and `y' say where. It is black until the first
%% present/1, and is there until it is closed or the caller dies.
-spec open(#{width := pos_integer(), height := pos_integer(), x => integer(), y => integer()}) ->
    {ok, window()} | {error, enodev | badarg}.
open(#{width := W, height := H} = Options)
        when is_integer(W), W > 0, W =< ?SIDE_MAX, is_integer(H), H > 0, H =< ?SIDE_MAX ->
    ok = started(),
    Canvas = loom_canvas:new(W, H),
    case call({open, Canvas, maps:get(x, Options, middle), maps:get(y, Options, middle)}) of
        {ok, Id} -> {ok, #window{id = Id, canvas = Canvas}};
        Error -> Error
    end.

%% @doc What to draw on, with loom_canvas.
-spec canvas(window()) -> loom_canvas().
canvas(#window{canvas = Canvas}) -> Canvas.

%% @doc Shows what was drawn since the last time; it is on the screen when this returns.
-spec present(window()) -> ok | {error, closed}.
present(#window{id = Id}) -> call({present, Id}).

-spec move(window(), integer(), integer()) -> ok | {error, closed}.
move(#window{id = Id}, X, Y) when is_integer(X), is_integer(Y) -> call({move, Id, X, Y}).

%% @doc Puts it on top of the others.
-spec raise(window()) -> ok | {error, closed}.
raise(#window{id = Id}) -> call({raise, Id}).

-spec close(window()) -> ok | {error, closed}.
close(#window{id = Id}) -> call({close, Id}).

%% @doc The part of the screen that windows can be on, and whose there are, from the lowest to the top.
-spec info() -> #{width := non_neg_integer(), height := non_neg_integer(), windows := [{pid(), loom_gfx_region:box()}]}.
info() ->
    ok = started(),
    call(info).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% Whoever is first starts it: also when the applications' supervisor has begun anew, without it. Where there is none
%% (a test) it has been started by hand.
started() ->
    case whereis(?MODULE) =:= undefined andalso whereis(loom_app_sup) of
        Sup when is_pid(Sup) ->
            try supervisor:start_child(Sup, #{id => ?MODULE, start => {?MODULE, start_link, []}}) of
                {ok, _} -> ok;
                {error, already_present} -> ok; % its supervisor is about to start it again
                {error, {already_started, _}} -> ok
            catch exit:_ -> ok % that one has just gone
            end;
        _ -> ok
    end.

call(Request) -> call(Request, ?RETRIES).

call(Request, Left) ->
    try gen_server:call(?MODULE, Request, infinity)
    catch
        exit:{Reason, _} when Left > 0, Reason =:= noproc orelse Reason =:= killed orelse Reason =:= shutdown ->
            timer:sleep(1),
            ok = started(),
            call(Request, Left - 1)
    end.

%% --- callbacks ---------------------------------------------------------------------------------------------------

init([]) ->
    Table = loom_keeper:table(?MODULE, fun() -> ets:new(?MODULE, [protected, {keypos, #row.id}]) end),
    [monitor(process, Owner) || #row{owner = Owner} <- ets:tab2list(Table)],
    {ok, attach(#s{table = Table})}.

handle_call({open, Canvas, X, Y}, {Owner, _}, #s{screen = Screen} = S) ->
    case Screen =:= none andalso absent() of
        true -> {reply, {error, enodev}, S};
        false ->
            case size_of(Canvas) of
                {W, H} -> {reply, {ok, new_window(Owner, Canvas, X, Y, W, H, S)}, S};
                freed -> {reply, {error, badarg}, S}
            end
    end;
handle_call(info, _From, #s{size = {W, H}} = S) ->
    {reply, #{width => W, height => H, windows => [{O, B} || #row{owner = O, box = B} <- lists:reverse(rows(S))]}, S};
handle_call(Request, {Owner, _}, S) ->
    case ets:lookup(S#s.table, element(2, Request)) of
        [#row{owner = Owner} = Row] -> {reply, ok, window(Request, Row, S)};
        _ -> {reply, {error, closed}, S}
    end.

handle_cast(Request, _S) -> error({unexpected_cast, Request}).

handle_info({?DRIVER, Pid, damaged}, #s{screen = Pid} = S) -> {noreply, text_drawn(S)};
handle_info({?DRIVER, _Old, damaged}, S) -> {noreply, S};
handle_info({'DOWN', _, process, {loom_keeper, _}, _}, #s{table = Table} = S) ->
    ok = loom_keeper:again(Table, ?MODULE),
    {noreply, S};
handle_info({'ETS-TRANSFER', _, _, ?MODULE}, S) -> {noreply, S};
handle_info({'DOWN', _, process, Pid, _}, #s{screen = Pid} = S) -> {noreply, attach(S#s{screen = none})};
handle_info({'DOWN', _, process, Pid, _}, S) ->
    {noreply, lists:foldl(fun gone/2, S, [Row || #row{owner = Owner} = Row <- rows(S), Owner =:= Pid])};
handle_info(attach, S) -> {noreply, attach(S)}.

%% --- windows -----------------------------------------------------------------------------------------------------

%% From the top to the lowest.
rows(#s{table = Table}) -> lists:reverse(lists:keysort(#row.order, ets:tab2list(Table))).

size_of(Canvas) ->
    try loom_canvas:size(Canvas)
    catch error:badarg -> freed
    end.

new_window(Owner, Canvas, X, Y, W, H, #s{size = {Width, Height}} = S) ->
    _ = monitor(process, Owner),
    Place = {place(X, W, Width), place(Y, H, Height), W, H},
    Row = #row{id = make_ref(), order = top(S) + 1, owner = Owner, canvas = Canvas, box = Place},
    ets:insert(S#s.table, Row),
    _ = loom_canvas:damage(Canvas),
    _ = repair([Place], S),
    Row#row.id.

place(middle, Size, Whole) -> (Whole - Size) div 2;
place(At, _, _) when is_integer(At) -> At.

top(S) -> lists:max([0 | [Order || #row{order = Order} <- rows(S)]]).

window({present, _}, #row{canvas = Canvas, box = {X, Y, _, _}} = Row, S) ->
    Damage = try loom_canvas:damage(Canvas) catch error:badarg -> [] end,
    show_row(Row, [{X + DX, Y + DY, W, H} || {DX, DY, W, H} <- Damage], S);
window({move, _, X, Y}, #row{box = {_, _, W, H} = Before} = Row, S) ->
    ets:insert(S#s.table, Row#row{box = {X, Y, W, H}}),
    repair([Before, {X, Y, W, H}], S);
window({raise, _}, #row{box = Box} = Row, S) ->
    ets:insert(S#s.table, Row#row{order = top(S) + 1}),
    repair([Box], S);
window({close, _}, Row, S) -> gone(Row, S).

gone(#row{id = Id, canvas = Canvas, box = Box}, S) ->
    ets:delete(S#s.table, Id),
    try loom_canvas:free(Canvas) catch error:badarg -> ok end,
    repair([Box], S).

%% --- the screen --------------------------------------------------------------------------------------------------

%% What is in the boxes is drawn again: text where no window is (whole cells, so windows beside it too), then windows.
repair(Boxes, #s{cell = {CW, CH}} = S) ->
    Rows = rows(S),
    Region = on_screen(Boxes, S),
    Text = loom_gfx_region:without(Region, [Box || #row{box = Box} <- Rows]),
    Again = on_screen(Boxes ++ loom_gfx_region:outward(Text, CW, CH), S),
    draw(Text, shows(Rows, Again), Rows, S).

show_row(#row{id = Id} = Row, Boxes, S) ->
    Rows = rows(S),
    Above = lists:takewhile(fun(#row{id = Other}) -> Other =/= Id end, Rows),
    Region = loom_gfx_region:without(on_screen(Boxes, S), [Box || #row{box = Box} <- Above]),
    draw([], [show(Row, Part) || Part <- Region], Rows, S).

on_screen(Boxes, #s{size = {W, H}}) -> loom_gfx_region:common(loom_gfx_region:of_boxes(Boxes), {0, 0, W, H}).

%% Each window's part of the region, from the top: what one has shown is not shown by those below.
shows([], _) -> [];
shows([#row{box = Box} = Row | Below], Region) ->
    Own = [show(Row, Part) || Part <- loom_gfx_region:common(Region, Box)],
    Own ++ shows(Below, loom_gfx_region:without(Region, [Box])).

show(#row{canvas = Canvas, box = {WX, WY, _, _}}, {X, Y, W, H}) -> {X, Y, Canvas, {X - WX, Y - WY, W, H}}.

draw([], [], _, S) -> S;
draw(_, _, _, #s{screen = none} = S) -> S; % the next driver will be asked to draw everything
draw(Text, Shows, Rows, #s{screen = Pid} = S) ->
    try ?DRIVER:draw(Pid, [Box || #row{box = Box} <- Rows], Text, Shows) of
        ok -> S
    catch exit:_ -> attach(S#s{screen = none})
    end.

%% Text came where windows are.
text_drawn(#s{screen = Pid} = S) ->
    try ?DRIVER:damage(Pid) of
        Boxes -> draw([], shows(rows(S), on_screen(Boxes, S)), rows(S), S)
    catch exit:_ -> attach(S#s{screen = none})
    end.

attach(#s{screen = Pid} = S) when is_pid(Pid) -> S;
attach(S) ->
    try ?DRIVER:display(self()) of
        {Pid, #{width := W, height := H, cell_width := CW, cell_height := CH}} ->
            _ = monitor(process, Pid),
            repair([{0, 0, W, H}], S#s{screen = Pid, size = {W, H}, cell = {CW, CH}})
    catch exit:_ ->
        absent() orelse erlang:send_after(?RETRY_MS, self(), attach),
        S
    end.

%% A driver that answered `ignore' has no process and will get none.
absent() ->
    try lists:keyfind(?DRIVER, 1, supervisor:which_children(loom_hal_sup)) of
        Child -> Child =:= {?DRIVER, undefined, worker, [loom_driver]}
    catch exit:_ -> false
    end.
