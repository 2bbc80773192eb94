%% SPDX-License-Identifier: Apache-2.0
%% system_flag(multi_scheduling, _): blocks are counted by process, end with it, and what system_info says of them.
%% Processes that are bound to a scheduler.
-module(multi_scheduling).
-export([main/0]).

p(Tag, Value) -> io:format("~p: ~tp~n", [Tag, Value]).
flag(V) -> try erlang:system_flag(multi_scheduling, V) catch C:R -> {C, R} end.
info() -> {erlang:system_info(multi_scheduling), name(erlang:system_info(multi_scheduling_blockers)), name(erlang:system_info(normal_multi_scheduling_blockers))}.
name(L) when is_list(L) -> lists:sort([case P =:= self() of true -> me; false -> other end || P <- L]);
name(X) -> X.

main() ->
    bound(),
    p(first, info()),
    p(bad, [flag(V) || V <- [foo, unblock, unblock_normal, true, 1]]),
    [p(V, {flag(V), info()}) || V <- [block, block, unblock, unblock, unblock,
                                      block_normal, block_normal, block, unblock_normal, unblock, unblock_normal, unblock_normal,
                                      block, block_normal, unblock, unblock_normal]],
    Me = self(),
    {P, M} = spawn_monitor(fun() -> R = flag(block), Me ! {blocked, R}, receive stop -> ok end end),
    receive {blocked, R} -> p(other, {R, info()}) end,
    p(both, {flag(block), info()}),
    p(mine, {flag(unblock), info()}),
    P ! stop, receive {'DOWN', M, _, _, _} -> ok end, timer:sleep(50),
    p(gone, info()),
    %% Work goes on while others are blocked.
    p(blocked, flag(block)),
    Ps = [spawn_monitor(fun() -> exit(lists:sum(lists:seq(1, 1000 * I))) end) || I <- lists:seq(1, 20)],
    p(sums, [receive {'DOWN', M1, _, _, S} -> S end || {_, M1} <- Ps]),
    p(online, erlang:system_info(schedulers_online) =:= erlang:system_info(schedulers)),
    p(end_, [flag(unblock), info()]).

%% Whatever else runs: started there, they stay there.
bound() ->
    Last = erlang:system_info(schedulers),
    Where = fun() -> erlang:system_info(scheduler_id) end,
    Ask = fun(Options) -> {_, M} = spawn_opt(fun() ->
        Ids = [begin timer:sleep(N rem 3), Where() end || N <- lists:seq(1, 20)],
        exit({lists:usort(Ids), process_flag(scheduler, 0)}) end, [monitor | Options]), M end,
    Ms = [{N, Ask([{scheduler, N}])} || N <- lists:seq(1, Last), _ <- lists:seq(1, 5)],
    Wrong = [X || {N, M} <- Ms, X <- [receive {'DOWN', M, _, _, Y} -> Y end], X =/= {[N], N}],
    p(bound, Wrong),
    Free = Ask([{scheduler, 0}]),
    p(unbound, receive {'DOWN', Free, _, _, {_, Flag}} -> Flag end),
    p(bad, [try spawn_opt(fun() -> ok end, [{scheduler, N}]) catch C:R -> {C, R} end
            || N <- [-1, a, Last + 1, 1 bsl 70]]).
