%% SPDX-License-Identifier: Apache-2.0
%% @doc 10,000 supervised processes, 1,000 of them killed at random; the supervisor brings all back.
-module(loom_demo_swarm).
-behaviour(supervisor).

-export([run/0]).
-export([init/1, start_worker/1, worker/1]).
-import(loom_demo, [say/1, say/2]).

-define(WORKERS, 10000).
-define(KILLS, 1000).

-spec run() -> ok.
run() ->
    loom_demo:title("swarm", "10,000 processes, 1,000 random kills"),
    loom_demo:quietly(fun swarm/0).

swarm() ->
    Memory = erlang:memory(processes),
    {ok, Sup} = supervisor:start_link({local, ?MODULE}, ?MODULE, []),
    {Start, _} = timer:tc(fun() -> [{ok, _} = supervisor:start_child(Sup, [I]) || I <- lists:seq(1, ?WORKERS)] end),
    Each = (erlang:memory(processes) - Memory) div ?WORKERS,
    say("started ~b supervised processes in ~b ms (~b bytes each).", [?WORKERS, Start div 1000, Each]),
    Before = pids(Sup),
    ?WORKERS = ask_all(Before),
    say("every one of them answered a call."),
    Victims = lists:sublist(shuffled(Before), ?KILLS),
    {Kill, ok} = timer:tc(fun() -> kill(Sup, Victims) end),
    say("killed ~b at random: the supervisor had all back after ~b ms (~b us for each).",
        [?KILLS, Kill div 1000, Kill div ?KILLS]),
    After = pids(Sup),
    ?WORKERS = length(After),
    ?WORKERS = ask_all(After),
    Same = ?WORKERS - length(After -- Before),
    Same = ?WORKERS - ?KILLS,
    say("~b processes, all answer; ~b are the old ones, ~b are new.", [length(After), Same, ?KILLS]),
    unlink(Sup),
    Monitor = monitor(process, Sup),
    exit(Sup, shutdown),
    receive {'DOWN', Monitor, process, Sup, _} -> ok end.

pids(Sup) -> [Pid || {_, Pid, _, _} <- supervisor:which_children(Sup), is_pid(Pid)].

shuffled(List) -> [X || {_, X} <- lists:sort([{rand:uniform(), X} || X <- List])].

%% Until every victim is gone and as many processes run as before.
kill(Sup, Victims) ->
    Monitors = [monitor(process, Pid) || Pid <- Victims],
    [exit(Pid, kill) || Pid <- Victims],
    [receive {'DOWN', M, process, _, killed} -> ok end || M <- Monitors],
    wait(Sup).

wait(Sup) ->
    case proplists:get_value(active, supervisor:count_children(Sup)) of
        ?WORKERS -> ok;
        _ -> erlang:yield(), wait(Sup)
    end.

%% How many answer.
ask_all(Pids) ->
    Ref = make_ref(),
    [Pid ! {ask, self(), Ref} || Pid <- Pids],
    length([receive {Ref, Pid} -> Pid end || Pid <- Pids]).

%% --- supervisor and workers
%% ------------------------------------------------------------------------------------------------

init([]) ->
    Child = #{id => worker, start => {?MODULE, start_worker, []}, shutdown => brutal_kill},
    {ok, {#{strategy => simple_one_for_one, intensity => 2 * ?KILLS, period => 5}, [Child]}}.

-spec start_worker(pos_integer()) -> {ok, pid()}.
start_worker(Number) -> {ok, proc_lib:spawn_link(?MODULE, worker, [Number])}.

-spec worker(pos_integer()) -> no_return().
worker(Number) ->
    receive {ask, From, Ref} -> From ! {Ref, self()} end,
    worker(Number).
