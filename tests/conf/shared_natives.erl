%% SPDX-License-Identifier: Apache-2.0
%% Persistent terms, atomics, counters, environment, and the answers of system_info that do not depend on the machine.
-module(shared_natives).
-export([main/0]).

main() ->
    persistent(),
    atomics(),
    counters(),
    environment(),
    system(),
    memory(),
    misc().

persistent() ->
    P = fun persistent_term:put/2,
    #{count := C0} = persistent_term:info(),
    [ok = P({k, I}, {v, I, <<"binary">>, #{I => I}, binary:copy(<<I:8>>, 100)}) || I <- lists:seq(1, 500)],
    #{count := C1} = persistent_term:info(),
    io:format("~p~n", [C1 - C0]),
    true = lists:all(fun(I) -> {v, I, _, #{I := I}, _} = persistent_term:get({k, I}), true end, lists:seq(1, 500)),
    500 = length([1 || {{k, _}, _} <- persistent_term:get()]),
    V = persistent_term:get({k, 7}),
    true = persistent_term:erase({k, 7}),
    false = persistent_term:erase({k, 7}),
    none = persistent_term:get({k, 7}, none),
    show(fun() -> persistent_term:get({k, 7}) end),
    %% Values that processes hold outlive their terms, others go.
    Self = self(),
    Holders = [spawn_monitor(fun() -> X = persistent_term:get({k, I}), Self ! got, receive go -> exit(X) end end)
               || I <- lists:seq(10, 20)],
    [receive got -> ok end || _ <- Holders],
    [P({k, I}, {new, Round, I, lists:seq(1, 100)}) || Round <- lists:seq(1, 20), I <- lists:seq(1, 500)],
    erlang:garbage_collect(),
    [begin Pid ! go, receive {'DOWN', M, _, _, {v, _, <<"binary">>, _, _}} -> ok end end || {Pid, M} <- Holders],
    {v, 7, <<"binary">>, #{7 := 7}, _} = V,
    [persistent_term:erase({k, I}) || I <- lists:seq(1, 500)],
    #{count := C0} = persistent_term:info(),
    P(small, 1), P(small, 2), 2 = persistent_term:get(small), true = persistent_term:erase(small),
    P(1, int), P(1.0, float), int = persistent_term:get(1), float = persistent_term:get(1.0),
    io:format("~p~n", [{persistent_term:erase(1), persistent_term:erase(1.0)}]).

atomics() ->
    S = atomics:new(3, []),
    U = atomics:new(3, [{signed, false}]),
    io:format("~p~n~p~n", [maps:without([memory], atomics:info(S)), maps:without([memory], atomics:info(U))]),
    [show(F) || F <- [
        fun() -> atomics:put(S, 1, 1 bsl 63) end, fun() -> atomics:put(S, 4, 1) end, fun() -> atomics:put(S, 0, 1) end,
        fun() -> atomics:put(S, foo, 1) end, fun() -> atomics:put(S, 1, foo) end, fun() -> atomics:put(foo, 1, 1) end,
        fun() -> atomics:put(U, 1, -1) end, fun() -> atomics:put(U, 1, (1 bsl 64) - 1) end,
        fun() -> atomics:add_get(U, 1, -5) end, fun() -> atomics:add_get(U, 1, 20) end,
        fun() -> atomics:put(S, 1, (1 bsl 63) - 1) end, fun() -> atomics:add_get(S, 1, 1) end,
        fun() -> atomics:add_get(S, 2, 1 bsl 63) end, fun() -> atomics:add_get(S, 2, 1 bsl 64) end,
        fun() -> atomics:add(S, 2, -3) end, fun() -> atomics:get(S, 2) end, fun() -> atomics:sub_get(S, 2, 3) end,
        fun() -> atomics:exchange(S, 3, 77) end, fun() -> atomics:exchange(S, 3, x) end, fun() -> atomics:get(S, 3) end,
        fun() -> atomics:compare_exchange(S, 3, 1, 7) end, fun() -> atomics:compare_exchange(S, 3, 77, 7) end,
        fun() -> atomics:compare_exchange(U, 3, -1, 7) end, fun() -> atomics:get(S, 3) end,
        fun() -> atomics:new(0, []) end, fun() -> atomics:new(-1, []) end, fun() -> atomics:new(a, []) end,
        fun() -> atomics:new(1, [x]) end, fun() -> atomics:new(1 bsl 62, []) end, fun() -> atomics:new(1 bsl 80, []) end,
        fun() -> atomics:info(make_ref()) end]].

counters() ->
    [begin
         C = counters:new(3, O),
         ok = counters:put(C, 1, -1),
         ok = counters:add(C, 1, -(1 bsl 63)),
         ok = counters:sub(C, 2, 5),
         io:format("~p ~p~n", [[counters:get(C, I) || I <- [1, 2, 3]], maps:get(size, counters:info(C))]),
         [show(F) || F <- [fun() -> counters:get(C, 4) end, fun() -> counters:add(C, 1, x) end,
                           fun() -> counters:put(C, 1, 1 bsl 63) end]]
     end || O <- [[], [atomics], [write_concurrency]]],
    [show(F) || F <- [fun() -> counters:new(0, []) end, fun() -> counters:new(1, [x]) end,
                      fun() -> counters:new(0, [write_concurrency]) end, fun() -> counters:info(x) end]].

environment() ->
    X = id(x),
    [show(F) || F <- [
        fun() -> os:getenv("LOOM_NOT_THERE") end, fun() -> os:getenv(X) end, fun() -> os:getenv("a=b") end,
        fun() -> os:getenv("a\0b") end, fun() -> os:getenv([$a | X]) end, fun() -> os:getenv("") end,
        fun() -> os:putenv("", "a") end, fun() -> os:putenv("a=", "a") end, fun() -> os:putenv("a", "a\0") end,
        fun() -> os:putenv("LOOM_T", "b=c") end, fun() -> os:getenv("LOOM_T") end,
        fun() -> os:putenv("LOOM_T", "å" ++ [1234]) end, fun() -> os:getenv("LOOM_T") end,
        fun() -> os:cmd("echo $LOOM_T") end,
        fun() -> os:putenv(<<"a">>, "a") end, fun() -> os:putenv(X, "a") end, fun() -> os:putenv("a", X) end,
        fun() -> lists:keyfind("LOOM_T", 1, os:env()) end, fun() -> os:unsetenv("LOOM_T") end,
        fun() -> os:getenv("LOOM_T") end, fun() -> os:unsetenv("LOOM_T") end, fun() -> os:getenv("LOOM_T", dflt) end,
        fun() -> os:unsetenv("a=") end, fun() -> os:unsetenv(X) end]],
    true = is_list(os:getenv("PATH")).

system() ->
    Same = [otp_release, version, machine, wordsize, {wordsize, internal}, {wordsize, external}, endian, os_type, os_version,
            build_type, emu_type, atom_limit, ets_limit, process_limit, port_limit, compat_rel, creation,
            break_ignored, c_compiler_used, constant_pool_support, context_reductions, delayed_node_table_gc, dist_ctrl,
            dist_buf_busy_limit, driver_version, dynamic_trace, dynamic_trace_probes, fullsweep_after, garbage_collection,
            heap_type, kernel_poll, lock_checking, logical_processors, logical_processors_available,
            logical_processors_online, max_heap_size, message_queue_data, min_bin_vheap_size, min_heap_size,
            modified_timing_level, multi_scheduling_blockers, nif_version, outstanding_system_requests_limit,
            port_parallelism, scheduler_bind_type, sequential_tracer, smp_support, start_time, system_architecture, taints,
            thread_pool_size, threads, time_correction, time_offset, time_warp_mode, tolerant_timeofday,
            trace_control_word, {cpu_topology, defined}, foo, "x", 1, {a, b}, {x}, {wordsize, x}, {allocator, foo},
            {memory_checker, running}, instruction_counts],
    [io:format("~p: ~p~n", [K, try erlang:system_info(K) catch error:R -> {error, R} end]) || K <- Same],
    N = erlang:system_info(schedulers),
    N = erlang:system_info(schedulers_online),
    N = tuple_size(erlang:system_info(scheduler_bindings)),
    true = erlang:system_info(process_count) > 10,
    true = erlang:system_info(atom_count) > 5000,
    true = erlang:system_info(ets_count) > 5,
    "Erlang/OTP 25 [erts-13.1.5]" ++ _ = erlang:system_info(system_version),
    io:format("~p~n", [[S || S <- erlang:system_info(heap_sizes), S >= 38, S < 900000]]),
    true = lists:member({maps, get, 2}, erlang:system_info(snifs)),
    true = is_tuple(hd(erlang:system_info(cpu_topology))).

memory() ->
    M = erlang:memory(),
    io:format("~p~n", [[K || {K, _} <- M]]),
    true = lists:all(fun({_, V}) -> is_integer(V) andalso V > 0 end, M),
    Get = fun(K) -> proplists:get_value(K, M) end,
    true = Get(total) =:= Get(processes) + Get(system),
    true = Get(total) > Get(atom) + Get(binary) + Get(code) + Get(ets),
    B0 = erlang:memory(binary),
    Big = binary:copy(<<1>>, 4000000),
    true = erlang:memory(binary) - B0 > 3900000,
    P0 = erlang:memory(processes),
    Pids = [spawn(fun() -> receive x -> ok end end) || _ <- lists:seq(1, 1000)],
    true = erlang:memory(processes) - P0 > 1000000,
    [exit(Pid, kill) || Pid <- Pids],
    [{binary, _}, {ets, _}] = erlang:memory([binary, ets]),
    show(fun() -> erlang:memory(foo) end),
    [{instance, 0, _} | _] = erlang:system_info({allocator_sizes, binary_alloc}),
    4000000 = byte_size(Big).

misc() ->
    [show(F) || F <- [
        fun() -> error_logger:warning_map() end, fun() -> io:printable_range() end,
        fun() -> erlang:dt_put_tag(foo) end, fun() -> erlang:dt_get_tag() end, fun() -> erlang:dt_get_tag_data() end,
        fun() -> erlang:dt_spread_tag(true) end, fun() -> erlang:dt_spread_tag(id(1)) end,
        fun() -> erlang:dt_restore_tag(true) end, fun() -> erlang:dt_restore_tag(id(1)) end,
        fun() -> erlang:dt_prepend_vm_tag_data(<<1>>) end, fun() -> erlang:dt_append_vm_tag_data(<<1>>) end,
        fun() -> erlang:halt(id(-1)) end, fun() -> erlang:halt(id(foo)) end, fun() -> erlang:halt(1, [x]) end,
        fun() -> erts_internal:system_check(schedulers) end, fun() -> erts_internal:system_check(foo) end]].

show(F) ->
    try io:format("~tp~n", [F()])
    catch C:R:S -> io:format("~p ~tp ~p~n", [C, R, top(hd(S))])
    end.

top({M, N, A, I}) when is_list(A) -> {M, N, hide(A), I};
top(_) -> in_code.

hide(L) -> [case X of _ when is_reference(X) -> ref; {T, R} when is_reference(R) -> {T, ref}; _ -> X end || X <- L].

id(X) -> X.
