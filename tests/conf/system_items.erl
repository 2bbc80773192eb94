%% SPDX-License-Identifier: Apache-2.0
%% All items of process_info, system_info, statistics and memory, all flags of processes and of the system: which are
%% known, and what their values look like. Not those that describe OTP's allocators, threads and instructions.
-module(system_items).
-export([main/0, tail/1, plain/1]).

main() ->
    process_items(), here(), system_items(), texts(), statistics_items(), memory_items(), system_flags(),
    process_flags().

%% The kind of a value, to the last element.
shape(T) when is_integer(T) -> int;
shape(T) when is_float(T) -> float;
shape(T) when is_atom(T) -> T;
shape(T) when is_pid(T) -> pid;
shape(T) when is_port(T) -> port;
shape(T) when is_reference(T) -> ref;
shape(T) when is_function(T) -> function;
shape(T) when is_binary(T) -> binary;
shape([]) -> [];
shape([H | _] = L) when is_integer(H), H > 8, H < 256 ->
    case io_lib:printable_list(L) of
        true -> string;
        false -> integers
    end;
shape(L) when is_list(L) -> lists:usort([shape(X) || X <- L]);
shape(T) when is_tuple(T) -> list_to_tuple([shape(X) || X <- tuple_to_list(T)]);
shape(M) when is_map(M) -> maps:map(fun(_, V) -> shape(V) end, M).

show(Name, F) ->
    V = try
            shape(F())
        catch
            C:R:Stack ->
                [{M, Fn, _, Where} | _] = Stack,
                {C, shape(R), {M, Fn, proplists:get_value(error_info, Where, none)}}
        end,
    io:format("~p: ~p~n", [Name, V]).

process_items() ->
    P = spawn(fun() -> put(a, b), receive x -> ok end end),
    timer:sleep(20),
    Items = [async_dist, backtrace, catchlevel, current_function, current_location, current_stacktrace, dictionary,
             error_handler, garbage_collection, garbage_collection_info, group_leader, heap_size, initial_call, links,
             last_calls, memory, message_queue_len, messages, message_queue_data, min_heap_size, min_bin_vheap_size,
             max_heap_size, monitored_by, monitors, parent, priority, reductions, registered_name,
             sequential_trace_token, stack_size, status, suspending, total_heap_size, trace, trap_exit, fullsweep_after,
             magic_ref, label, nonsense, [], [memory, links], [nonsense], [memory | x], 1, {a, b},
             [registered_name, registered_name], {dictionary, a}, exiting],
    [show({other, I}, fun() -> process_info(P, I) end) || I <- [binary | Items]],
    [show({self, I}, fun() -> R = process_info(self(), I), R end) || I <- Items],
    show(all, fun() -> process_info(P) end),
    [show({N, memory}, fun() -> process_info(X, memory) end)
     || {N, X} <- [{integer, 1}, {atom, self}, {dead, list_to_pid("<0.9999.0>")}, {port, hd(erlang:ports())}]],
    show(dead, fun() -> process_info(list_to_pid("<0.9999.0>")) end),
    exit(P, kill).

%% Called last, the native is still called by the function.
here() ->
    io:format("~p~n", [tail(current_function)]),
    io:format("~p~n", [tail(current_location)]),
    io:format("~p~n", [plain(current_function)]),
    {current_stacktrace, [A, B | _]} = tail(current_stacktrace),
    io:format("~p~n~p~n", [A, B]),
    io:format("~p~n", [apply(erlang, process_info, [self(), current_function])]),
    io:format("~p~n", [(catch exit(tail(current_function)))]),
    {current_function, C} = proplists:lookup(current_function, process_info(self())),
    io:format("~p~n", [C]).

tail(Item) -> process_info(self(), Item).
plain(Item) -> R = process_info(self(), Item), R.

system_items() ->
    [show({system, I}, fun() -> erlang:system_info(I) end)
     || I <- [{allocator, nope}, {allocator_sizes, x}, cpu_topology, {cpu_topology, defined}, {cpu_topology, detected},
              {cpu_topology, used}, {cpu_topology, x}, fullsweep_after, garbage_collection, heap_sizes, heap_type,
              max_heap_size, message_queue_data, min_heap_size, min_bin_vheap_size, procs_garbage, atom_count,
              atom_limit, ets_count, ets_limit, port_count, port_limit, process_count, process_limit,
              multi_scheduling_blockers, normal_multi_scheduling_blockers, otp_release, port_parallelism, procs,
              schedulers, schedulers_online,
              scheduler_bind_type, scheduler_id, system_logger, threads, creation, delayed_node_table_gc, dist,
              dist_buf_busy_limit, dist_ctrl, build_flavor, compat_rel, debug_compiled, driver_version, dynamic_trace,
              dynamic_trace_probes, end_time, os_monotonic_time_source, info, loaded, logical_processors,
              logical_processors_available, logical_processors_online, machine, modified_timing_level, nif_version,
              start_time, async_dist, system_version, system_architecture, time_correction, time_offset, time_warp_mode,
              tolerant_timeofday, trace_control_word, version, wordsize, {wordsize, internal}, {wordsize, external},
              {wordsize, x}, update_cpu_info, smp_support, nonsense, {a, b}, 1, [], sequential_tracer, os_type,
              os_version, dirty_cpu_schedulers, dirty_io_schedulers, thread_pool_size]].

texts() ->
    Has = fun(What, Text) -> binary:match(erlang:system_info(What), Text) =/= nomatch end,
    io:format("~p~n", [[Has(info, <<"=memory\ntotal: ">>), Has(procs, <<"\nName: init\n">>),
                        Has(procs, <<"\n=port:#Port<0.">>),
                        Has(procs, <<"\nStack dump:\nProgram counter: 0x">>), Has(loaded, <<"Current code: ">>),
                        Has(loaded, <<"\nlists ">>), Has(dist, <<"=no_distribution">>)]]).

statistics_items() ->
    Items = [active_tasks, active_tasks_all, context_switches, exact_reductions, garbage_collection, io, reductions,
             run_queue, run_queue_lengths, run_queue_lengths_all, runtime, scheduler_wall_time, scheduler_wall_time_all,
             total_active_tasks, total_active_tasks_all, total_run_queue_lengths, total_run_queue_lengths_all,
             wall_clock, nonsense, 1, {scheduler_wall_time, a}],
    [show({statistics, I}, fun() -> statistics(I) end) || I <- Items],
    erlang:system_flag(scheduler_wall_time, true),
    [show({on, I}, fun() -> statistics(I) end) || I <- [scheduler_wall_time, scheduler_wall_time_all]],
    show(off, fun() -> erlang:system_flag(scheduler_wall_time, false) end).

memory_items() ->
    [show({memory, I}, fun() -> erlang:memory(I) end)
     || I <- [total, processes, processes_used, system, atom, atom_used, binary, code, ets, nonsense, [], [total, atom],
              [total, nonsense], 1]],
    M = erlang:memory(),
    io:format("~p~n", [[K || {K, _} <- M]]),
    G = fun(K) -> proplists:get_value(K, M) end,
    io:format("~p~n", [{G(total) =:= G(processes) + G(system), G(processes_used) =< G(processes),
                        G(atom_used) =< G(atom), G(system) >= G(atom) + G(binary) + G(code) + G(ets)}]).

system_flags() ->
    [show({flag, K, V}, fun() -> erlang:system_flag(K, V) end)
     || {K, V} <- [{backtrace_depth, 8}, {backtrace_depth, -1}, {backtrace_depth, x}, {erts_alloc, x},
                   {fullsweep_after, 65535}, {fullsweep_after, -1}, {microstate_accounting, x}, {min_heap_size, 233},
                   {min_heap_size, -1}, {min_bin_vheap_size, 46422}, {max_heap_size, 0}, {max_heap_size, -1},
                   {max_heap_size, #{size => 0}}, {max_heap_size, #{size => x}}, {multi_scheduling, x},
                   {outstanding_requests_limit, 10}, {outstanding_requests_limit, 0}, {scheduler_bind_type, unbound},
                   {scheduler_bind_type, x}, {schedulers_online, 0}, {schedulers_online, 999}, {scheduler_wall_time, x},
                   {system_logger, logger}, {system_logger, 1}, {system_logger, nope}, {trace_control_word, 0},
                   {trace_control_word, -1}, {time_offset, finalize}, {time_offset, x}, {nonsense, 1}, {1, 2},
                   {sequential_tracer, false}, {reset_seq_trace, true}, {async_dist, x}, {async_dist, false}]].

process_flags() ->
    [show({process, K, V}, fun() -> process_flag(K, V) end)
     || {K, V} <- [{async_dist, true}, {async_dist, x}, {error_handler, error_handler}, {error_handler, 1},
                   {fullsweep_after, 10}, {fullsweep_after, -1}, {min_heap_size, 500}, {min_heap_size, x},
                   {min_bin_vheap_size, 500}, {max_heap_size, 0},
                   {max_heap_size, #{size => 100000000, kill => false, error_logger => false}},
                   {max_heap_size, #{size => 1}}, {max_heap_size, #{}}, {message_queue_data, off_heap},
                   {message_queue_data, on_heap}, {message_queue_data, x}, {monitor_nodes, true},
                   {monitor_nodes, false}, {priority, high}, {priority, normal}, {priority, x}, {save_calls, 0},
                   {save_calls, -1},
                   {save_calls, 10001}, {sensitive, true}, {sensitive, false}, {sensitive, x}, {trap_exit, true},
                   {trap_exit, x}, {scheduler, 0}, {scheduler, 99}, {scheduler, x}, {nonsense, 1}]],
    P = spawn(fun() -> receive x -> ok end end),
    [show({process, N, K, V}, fun() -> process_flag(X, K, V) end)
     || {N, X, K, V} <- [{other, P, save_calls, 0}, {other, P, save_calls, x}, {other, P, priority, low},
                         {self, self(), save_calls, 0}, {self, self(), trap_exit, true}, {atom, x, save_calls, 0},
                         {dead, list_to_pid("<0.9999.0>"), save_calls, 0}]].
