%% SPDX-License-Identifier: Apache-2.0
%% @doc Ends what hangs. Supervision sees a process that ends, not one that loops or waits for what never comes. This
%% one asks every process of Loom's own trees, supervisors too, for a sign of life: a system message that every OTP
%% behaviour answers between two messages. Who does not answer for too long is killed, and its supervisor goes on from
%% there.
%%
%% How long is too long depends on what the process does meanwhile: one that runs is caught soon, one that waits for the
%% answer of another may be right to wait. This process is itself looked after by loom_devices (doc/os.md).
-module(loom_guard).
-behaviour(gen_server).

-export([start_link/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(ROOTS, [loom_hal_sup, loom_service_sup, loom_net_sup]). % applications are not ours to judge
-define(LOOK_MS, 500).
-define(WALK_MS, 2000).
-define(CHILDREN_MS, 1000).  % for a supervisor to say what it has
-define(CONNECTIONS, 32).    % of the connections, so many in turn
-define(RUNS_MS, 3000).      % without an answer, running
-define(WAITS_MS, 5000).     % waiting, but for no call
-define(CALLS_MS, 10000).    % waiting for another's answer
-define(SLOW_MS, 90000).     % the same for those whose work takes that long: a disk may

-type class() :: quick | slow.
-record(s, {known = #{} :: #{pid() => class()}, asked = #{} :: #{pid() => integer()},
            walker = none :: none | {pid(), reference()}, walked = 0 :: integer(),
    late = #{} :: #{pid() => non_neg_integer()}}). % reductions of those that are late, when last seen

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

init([]) ->
    _ = process_flag(priority, max), % what loops may be a driver, and those are `high'
    _ = erlang:send_after(?LOOK_MS, self(), look),
    {ok, #s{walked = now_ms() - ?WALK_MS}}.

handle_call(Request, _From, _S) -> error({unexpected_call, Request}).
handle_cast(Request, _S) -> error({unexpected_cast, Request}).

handle_info(look, S) ->
    _ = erlang:send_after(?LOOK_MS, self(), look),
    {noreply, ask(judge(walk(S)))};
handle_info({{?MODULE, Pid}, _}, #s{asked = Asked} = S) -> {noreply, S#s{asked = maps:remove(Pid, Asked)}};
handle_info({'DOWN', Ref, process, _, Result}, #s{walker = {_, Ref}} = S) ->
    New = S#s{walker = none},
    {noreply, case Result of {found, Found} -> New#s{known = Found}; _ -> New end};
handle_info({loom_devices, ping, From}, S) ->
    From ! {loom_devices, pong, self()},
    {noreply, S}.

now_ms() -> erlang:monotonic_time(millisecond).

%% --- who there is --------------------------------------------------------------------------------------------------

%% In a process of its own: a supervisor that hangs answers nobody.
walk(#s{walker = none, walked = Last, known = Known} = S) ->
    case now_ms() - Last >= ?WALK_MS of
        true ->
            Walker = spawn_monitor(fun() -> exit({found, found(Known)}) end),
            S#s{walker = Walker, walked = now_ms()};
        false -> S
    end;
walk(S) -> S.

found(Known) ->
    Found = maps:from_list(lists:append([tree(Name, whereis(Name)) || Name <- ?ROOTS])),
    maps:merge(maps:filter(fun(Pid, _) -> is_process_alive(Pid) end, Known), Found).

tree(_, undefined) -> [];
tree(Id, Pid) ->
    try gen_server:call(Pid, which_children, ?CHILDREN_MS) of
        Children -> [{Pid, slow} | lists:append([child(C) || C <- some(Id, Children)])]
    catch
        exit:_ -> [{Pid, slow}]
    end.

child({Id, Pid, supervisor, _}) when is_pid(Pid) -> tree(Id, Pid);
child({Id, Pid, worker, Modules}) when is_pid(Pid) -> [{Pid, class(Id, Modules)}];
child(_) -> [].

some(loom_net_connection_sup, Children) ->
    [C || {_, C} <- lists:sublist(lists:sort([{erlang:phash2({Pid, make_ref()}), C} || {_, Pid, _, _} = C <- Children]),
                                  ?CONNECTIONS)];
some(_, Children) -> Children.

class(_, [loom_volume]) -> slow;
class(loom_mount, _) -> slow;
class(_, _) -> quick.

%% --- who answers ---------------------------------------------------------------------------------------------------

ask(#s{known = Known, asked = Asked} = S) ->
    Now = now_ms(),
    New = [Pid || Pid <- maps:keys(Known), not is_map_key(Pid, Asked)],
    %% As sys:get_state/1 and its like, but a word that sys does not know: it says so, and nothing is copied.
    [Pid ! {system, {self(), {?MODULE, Pid}}, {?MODULE, ping}} || Pid <- New],
    S#s{asked = maps:merge(Asked, maps:from_list([{Pid, Now} || Pid <- New]))}.

judge(#s{known = Known, asked = Asked, late = Before} = S) ->
    Now = now_ms(),
    Late = [{Pid, Now - Since, process_info(Pid, [status, current_function, reductions])}
            || {Pid, Since} <- maps:to_list(Asked), Now - Since >= ?RUNS_MS],
    Dead = [Pid || {Pid, Ms, Info} <- Late, not is_good(Pid, maps:get(Pid, Known, quick), Ms, Info, Before)],
    S#s{asked = maps:without(Dead, Asked), known = maps:without(Dead, Known),
        late = maps:from_list([{Pid, Reductions} || {Pid, _, [_, _, {_, Reductions}]} <- Late])}.

%% One that could run and has not is not to blame: its scheduler does not come round to it.
is_good(_, _, _, undefined, _) -> false;
is_good(Pid, Class, Ms, [{_, Status}, {_, Function}, {_, Reductions}], Before) ->
    case Before of
        #{Pid := Reductions} when Status =/= waiting -> true;
        #{Pid := _} -> Ms =< patience(Status, Function, Class) orelse ends(Pid, Status, Function, Ms);
        #{} -> true
    end.

patience(waiting, {gen, do_call, _}, slow) -> ?SLOW_MS;
patience(waiting, {proc_lib, _, _}, slow) -> ?SLOW_MS;
patience(waiting, {supervisor, _, _}, slow) -> ?SLOW_MS;
patience(waiting, {gen, do_call, _}, quick) -> ?CALLS_MS;
patience(_, _, slow) -> ?CALLS_MS;
patience(waiting, _, quick) -> ?WAITS_MS;
patience(_, _, quick) -> ?RUNS_MS.

ends(Pid, Status, Function, Ms) ->
    loom_hw:log(io_lib:format("guard: ~p (~0p) has not answered for ~b ms, ~s in ~0p: ended",
                              [Pid, name(Pid), Ms, Status, Function])),
    exit(Pid, kill),
    false.

name(Pid) ->
    case process_info(Pid, registered_name) of
        {registered_name, Name} -> Name;
        _ ->
            case process_info(Pid, dictionary) of
                {dictionary, Values} -> proplists:get_value('$initial_call', Values, none);
                undefined -> none
            end
    end.
