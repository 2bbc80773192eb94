%% SPDX-License-Identifier: Apache-2.0
%% Many processes at once on all cores: what they do to each other must come out as if they had taken turns.
-module(parallel).
-export([main/0]).

p(Tag, Value) -> io:format("~p: ~tp~n", [Tag, Value]).

%% Runs F(I) in N processes; their results in order.
par(N, F) ->
    Me = self(),
    Ps = [spawn_link(fun() -> Me ! {self(), F(I)} end) || I <- lists:seq(1, N)],
    [receive {P, R} -> R end || P <- Ps].

main() ->
    counters(), tables(), names(), links(), monitors(), timers(), order(), code(), terms(), info(), suspend(), churn(), atoms(), listing().

counters() ->
    C = counters:new(1, []), A = atomics:new(1, []),
    par(50, fun(_) -> [begin counters:add(C, 1, 1), atomics:add(A, 1, 2) end || _ <- lists:seq(1, 2000)] end),
    p(counters, {counters:get(C, 1), atomics:get(A, 1)}),
    p(unique, length(lists:usort(lists:append(par(20, fun(_) -> [erlang:unique_integer() || _ <- lists:seq(1, 500)] end))))),
    p(refs, length(lists:usort(lists:append(par(20, fun(_) -> [make_ref() || _ <- lists:seq(1, 500)] end))))),
    M = lists:append(par(20, fun(_) -> [erlang:unique_integer([monotonic]) || _ <- lists:seq(1, 500)] end)),
    p(monotonic, length(lists:usort(M))).

tables() ->
    [begin
         T = ets:new(t, [Type, public, {write_concurrency, true}]),
         par(30, fun(I) -> [begin ets:insert(T, {{I, J}, J}), ets:lookup(T, {I rem 7, J}), ets:update_counter(T, n, 1, {n, 0}) end
                            || J <- lists:seq(1, 300)] end),
         p({Type, size}, {ets:info(T, size), ets:lookup(T, n)}),
         par(30, fun(I) -> [ets:delete(T, {I, J}) || J <- lists:seq(1, 300, 2)], ets:foldl(fun(_, N) -> N + 1 end, 0, T) end),
         p({Type, left}, ets:info(T, size)), ets:delete(T)
     end || Type <- [set, ordered_set]],
    par(30, fun(I) -> [begin X = ets:new(x, [named_table]), ets:delete(X) end || _ <- lists:seq(1, 50), I =:= 1],
                      [catch ets:lookup(x, a) || _ <- lists:seq(1, 100)] end).

names() ->
    R = par(40, fun(I) -> [try register(the_name, self()), true = whereis(the_name) =:= self(), unregister(the_name), 1
                           catch error:badarg -> 0 end || _ <- lists:seq(1, 200), I > 0] end),
    p(names, {lists:sum(lists:append(R)) > 0, whereis(the_name)}),
    Ps = par(40, fun(I) -> N = list_to_atom("name_" ++ integer_to_list(I)), register(N, self()), N ! hello, receive hello -> N end end),
    p(registered, {length(Ps), [whereis(N) || N <- Ps, whereis(N) =/= undefined]}).

links() ->
    process_flag(trap_exit, true),
    Ps = [spawn_link(fun() -> receive stop -> exit({done, I}) end end) || I <- lists:seq(1, 300)],
    par(10, fun(_) -> [P ! stop || P <- Ps] end),
    Rs = [receive {'EXIT', P, R} -> R end || P <- Ps],
    p(links, {length(Rs), hd(Rs), lists:last(Rs)}),
    %% Linking and unlinking what dies meanwhile.
    par(30, fun(_) -> process_flag(trap_exit, true),
                      [begin Q = spawn(fun() -> ok end), (catch link(Q)), unlink(Q), exit(Q, kill) end || _ <- lists:seq(1, 100)] end),
    flush(), process_flag(trap_exit, false), p(links, done).

flush() -> receive {'EXIT', _, _} -> flush() after 0 -> ok end.

monitors() ->
    R = par(30, fun(_) ->
        [begin
             {P, M} = spawn_monitor(fun() -> receive _ -> ok after 1 -> ok end end),
             case I rem 3 of
                 0 -> receive {'DOWN', M, process, P, W} -> W end;
                 1 -> P ! x, receive {'DOWN', M, process, P, W} -> W end;
                 2 -> demonitor(M, [flush]), normal
             end
         end || I <- lists:seq(1, 60)] end),
    p(monitors, lists:usort(lists:append(R))).

timers() ->
    R = par(40, fun(I) ->
        T = [erlang:send_after(J rem 5, self(), {t, J}) || J <- lists:seq(1, 50)],
        C = [erlang:cancel_timer(X) || X <- lists:sublist(T, 10)],
        Sent = length([x || false <- C]) + 40,
        [receive {t, _} -> ok end || _ <- lists:seq(1, Sent)],
        receive {t, _} -> I after 10 -> none end end),
    p(timers, lists:usort(R)),
    p(after_, lists:usort(par(50, fun(_) -> [receive x -> x after J rem 3 -> t end || J <- lists:seq(1, 20)] end))).

order() ->
    Me = self(),
    [spawn(fun() -> [Me ! {I, J} || J <- lists:seq(1, 1000)] end) || I <- lists:seq(1, 10)],
    Got = [receive M -> M end || _ <- lists:seq(1, 10000)],
    p(order, [[J || {K, J} <- Got, K =:= I] =:= lists:seq(1, 1000) || I <- lists:seq(1, 10)]).

code() ->
    Make = fun(V) -> {ok, m_par, B} = compile:forms([{attribute, 1, module, m_par}, {attribute, 1, export, [{v, 0}]},
        {function, 1, v, 0, [{clause, 1, [], [], [{integer, 1, V}]}]}]), B end,
    Bins = [Make(V) || V <- [1, 2, 3]],
    {module, m_par} = code:load_binary(m_par, "m", hd(Bins)),
    Callers = [spawn_monitor(fun() -> [m_par:v() || _ <- lists:seq(1, 20000)] end) || _ <- lists:seq(1, 8)],
    [begin code:purge(m_par), {module, m_par} = code:load_binary(m_par, "m", B) end || _ <- lists:seq(1, 10), B <- Bins],
    R = [receive {'DOWN', M, _, _, W} -> W end || {_, M} <- Callers],
    p(code, {lists:usort(R) -- [killed], m_par:v()}),
    code:purge(m_par), code:delete(m_par).

terms() ->
    par(20, fun(I) -> [begin persistent_term:put({k, I}, {J, "value", I}), {J, _, I} = persistent_term:get({k, I}) end || J <- lists:seq(1, 20)] end),
    p(persistent, lists:sort([persistent_term:get({k, I}) || I <- lists:seq(1, 20)])),
    [persistent_term:erase({k, I}) || I <- lists:seq(1, 20)],
    B = binary:copy(<<"x">>, 100000),
    p(binaries, lists:usort(par(30, fun(I) -> S = binary:part(B, I, 1000), X = <<S/binary, I>>, erlang:garbage_collect(), {byte_size(X), byte_size(S)} end))).

info() ->
    Busy = [spawn(fun F() -> lists:seq(1, 100), F() end) || _ <- lists:seq(1, 3)],
    Idle = [spawn(fun() -> receive x -> ok end end) || _ <- lists:seq(1, 3)],
    R = par(10, fun(_) -> [begin [{status, _}, {messages, []}] = process_info(P, [status, messages]), is_process_alive(P) end
                           || _ <- lists:seq(1, 10), P <- Busy ++ Idle] end),
    p(info, lists:usort(lists:append(R))),
    p(gc, lists:usort([erlang:garbage_collect(P) || P <- Busy ++ Idle])),
    [exit(P, kill) || P <- Busy ++ Idle],
    p(killed, [is_process_alive(P) || P <- Busy ++ Idle]),
    p(dead, [process_info(P) || P <- Busy]).

suspend() ->
    C = counters:new(1, []),
    P = spawn(fun F() -> counters:add(C, 1, 1), F() end),
    R = [begin erlang:suspend_process(P), A = counters:get(C, 1), timer:sleep(2), B = counters:get(C, 1),
               erlang:resume_process(P), A =:= B end || _ <- lists:seq(1, 5)],
    exit(P, kill), p(suspend, R).

%% Processes that make and end each other.
churn() ->
    R = par(8, fun(I) -> tree(8, I) end),
    p(churn, list_to_tuple(R)).

tree(0, I) -> I;
tree(N, I) ->
    Me = self(),
    Ps = [spawn_link(fun() -> Me ! {self(), tree(N - 1, I)} end) || _ <- "ab"],
    lists:sum([receive {P, R} -> R end || P <- Ps]).

atoms() ->
    L = par(10, fun(_) -> [list_to_atom("parallel_atom_" ++ integer_to_list(J)) || J <- lists:seq(1, 2000)] end),
    p(atoms, length(lists:usort(L))).

%% processes/0 while others come and go.
listing() ->
    par(4, fun(I) when I rem 2 =:= 0 -> [[spawn(fun() -> ok end) || _ <- lists:seq(1, 20)] || _ <- lists:seq(1, 50)], ok;
              (_) -> lists:all(fun(_) -> lists:member(self(), processes()) end, lists:seq(1, 20))
           end),
    p(listing, lists:member(self(), processes())).
