%% SPDX-License-Identifier: Apache-2.0
%% @doc A running counter gets new code: version 2 keeps its state in another form. Same process, same count, no call
%% lost.
-module(loom_demo_reload).

-export([run/0]).
-import(loom_demo, [say/1, say/2]).

-define(COUNTER, loom_demo_counter).

-spec run() -> ok.
run() ->
    loom_demo:title("reload", "a gen_server changes its code while it runs"),
    load(1),
    {ok, Pid} = gen_server:start(?COUNTER, [], []),
    say("version ~p runs as ~w; its state is a number.", [version(), Pid]),
    [1, 2, 3] = [gen_server:call(Pid, next) || _ <- [1, 2, 3]],
    say("three calls: it says 3, its state is ~p.", [sys:get_state(Pid)]),
    Client = busy_client(Pid),
    Start = erlang:monotonic_time(),
    ok = sys:suspend(Pid),
    load(2),
    ok = sys:change_code(Pid, ?COUNTER, 1, []),
    ok = sys:resume(Pid),
    Time = erlang:monotonic_time() - Start,
    say("suspended, version ~p compiled and loaded, state converted, resumed (~s in all).", [version(),
        loom_demo:micros(Time)]),
    Calls = stop_client(Client),
    {Count, 2} = gen_server:call(Pid, next),
    Count = 3 + Calls + 1,
    true = is_process_alive(Pid),
    say("still ~w; its state is now ~p.", [Pid, sys:get_state(Pid)]),
    say("a client made ~b calls meanwhile: all were answered, the count is ~b.", [Calls, Count]),
    false = erlang:check_process_code(Pid, ?COUNTER),
    true = code:soft_purge(?COUNTER),
    say("the old code is in use by nobody and purged."),
    ok = gen_server:stop(Pid),
    true = code:delete(?COUNTER),
    _ = code:purge(?COUNTER),
    ok.

version() ->
    [Version] = proplists:get_value(vsn, ?COUNTER:module_info(attributes)),
    Version.

%% Calls without pause until told to stop; answers how often it was answered.
busy_client(Pid) ->
    Self = self(),
    spawn_link(fun() -> client(Pid, Self, 0) end).

client(Pid, Parent, N) ->
    _ = gen_server:call(Pid, next),
    receive stop -> Parent ! {self(), N + 1}
    after 0 -> client(Pid, Parent, N + 1)
    end.

stop_client(Client) ->
    Client ! stop,
    receive {Client, N} -> N end.

%% Compiles the version's source and loads it through the code server.
load(Version) ->
    Forms = forms(source(Version)),
    {ok, ?COUNTER, Binary} = compile:forms(Forms, [report]),
    {module, ?COUNTER} = code:load_binary(?COUNTER, "loom_demo_counter.erl", Binary),
    ok.

forms(Source) ->
    {ok, Tokens, _} = erl_scan:string(Source),
    [begin {ok, Form} = erl_parse:parse_form(T), Form end || T <- split(Tokens, [])].

split([], []) -> [];
split([{dot, _} = Dot | Rest], Form) -> [lists:reverse([Dot | Form]) | split(Rest, [])];
split([Token | Rest], Form) -> split(Rest, [Token | Form]).

source(1) ->
    "-module(loom_demo_counter). -behaviour(gen_server). -vsn(1).\n"
    "-export([init/1, handle_call/3, handle_cast/2]).\n"
    "init([]) -> {ok, 0}.\n"
    "handle_call(next, _, N) -> {reply, N + 1, N + 1}.\n"
    "handle_cast(_, N) -> {noreply, N}.";
source(2) ->
    "-module(loom_demo_counter). -behaviour(gen_server). -vsn(2).\n"
    "-export([init/1, handle_call/3, handle_cast/2, code_change/3]).\n"
    "init([]) -> {ok, #{count => 0, version => 2}}.\n"
    "handle_call(next, _, #{count := N} = S) -> {reply, {N + 1, 2}, S#{count := N + 1}}.\n"
    "handle_cast(_, S) -> {noreply, S}.\n"
    "code_change(1, N, _) when is_integer(N) -> {ok, #{count => N, version => 2}}.\n".
