%% SPDX-License-Identifier: Apache-2.0
%% What OTP's own suites (make conformance) found to differ, one function a finding: what make test would not notice.
-module(otp_suites).
-export([main/0, id/1, wait/0]).

main() ->
    large_integers(), construction(), atoms(), tls_packets(), field_names(), heap_sizes(),
    identifiers(), applied(), signals_first(), collected(), built_in(), internals(), own_place(), secrets(), told(), schedulers(), on_load().

p(Tag, X) -> io:format("~p: ~0tp~n", [Tag, X]).
id(X) -> X.

%% A field larger than any integer does not match; one with zeros in front does.
large_integers() ->
    Limit = 1 bsl 25,
    p(large, [{N - Limit, field(<<1:1, 0:(N - 1)>>, N), field(<<0:(N - 1), 1:1>>, N)}
              || N <- [Limit - 65, Limit - 64, Limit - 63, Limit, Limit + 64, Limit + 128]]),
    p(tail, [catch tail(B) || B <- [<<1>>, <<1, 0:100>>]]).

field(Bin, N) ->
    [case Bin of <<X:N>> -> kept(X); _ -> no end,
     case Bin of <<X:N/little>> -> kept(X); _ -> no end,
     case Bin of <<X:N/signed>> -> kept(X); _ -> no end].

kept(X) -> put(kept, X), erase(kept) =:= X.

tail(<<B:8, _:16#1_0000_0000_0000_0000>>) -> B;
tail(<<B:8, _:16#8000_0000>>) -> B;
tail(_) -> other.

construction() ->
    Bin = <<"123">>, Writable = <<(id(<<>>))/binary, 0, 1, 2, 3>>,
    p(same, [erts_debug:same(B, append(B, <<>>)) || B <- [Bin, Writable]]),
    p(segments, [cause(F) || F <- [fun() -> <<1:32, "xyz", Bin/binary, (id(a))/binary>> end,
                                   fun() -> <<1:8, 2:8, (id(a)):8>> end,
                                   fun() -> <<(id(a))/utf8, "xyz">> end,
                                   fun() -> <<Bin/binary, 1:16, (id(1.0))/binary, "abc">> end]]),
    Large = <<0:(2000 * 1024)/unit:8>>,
    p(work, [costs(F, N) || {F, N} <- [{fun() -> <<0:8, Large/binary>> end, 2000},
                                       {fun() -> <<0:8, Large/binary, Large/binary>> end, 4000},
                                       {fun() -> <<Large/binary, Large/binary>> end, 2500}]]).

append(A, B) -> <<A/binary, B/binary>>.

cause(F) ->
    try F()
    catch error:R:Stack -> {R, proplists:get_value(error_info, element(4, hd(Stack)))}
    end.

costs(F, N) ->
    erlang:yield(),
    {reductions, Before} = process_info(self(), reductions),
    _ = F(),
    {reductions, After} = process_info(self(), reductions),
    After - Before >= N.

%% Too long or not UTF-8: what comes first says.
atoms() ->
    E = <<"\303\251">>,
    p(atoms, [{byte_size(B), reason(fun() -> binary_to_atom(B, Encoding) end),
               reason(fun() -> binary_to_existing_atom(B, Encoding) end)}
              || B <- [<<194>>, <<0:512/unit:8, 255>>, <<0:2000, 255>>, <<255, 0:10000>>, binary:copy(E, 256),
                       <<(binary:copy(E, 254))/binary, 195>>, <<(binary:copy(E, 255))/binary, 195>>,
                       <<(binary:copy(E, 300))/binary, 195>>, binary:copy(<<255>>, 256)],
                 Encoding <- [utf8, latin1]]).

reason(F) -> try is_atom(F()) catch error:R -> R end.

tls_packets() ->
    p(ssl2, [erlang:decode_packet(ssl_tls, <<A, N, B, M, 7, 1, 2, 3, 4, 5, 6, 7, 8>>, [])
             || A <- [127, 128, 129, 255], B <- [0, 1, 2], N <- [0, 2, 3, 4], M <- [0, 3, 4, 34, 255]]),
    p(limited, [{M, erlang:decode_packet(ssl_tls, <<1:1, 8:15, 1, 3, 1, 1, 2, 3, 4, 5, 6>>, [{packet_size, M}])}
                || M <- lists:seq(0, 10)]),
    p(short, [erlang:decode_packet(ssl_tls, B, []) || B <- [<<128, 3, 1>>, <<128, 3, 1, 2, 3>>, <<128, 1, 1, 2, 3>>]]).

field_names() ->
    p(names, [{erlang:decode_packet(httph, list_to_binary(H ++ ": x\r\ny"), []),
               erlang:decode_packet(httph_bin, list_to_binary(H ++ ":x \r\ny"), [])}
              || H <- ["Content---Type", "content-tyPE", "-a-b", "a--b", "--", "-", "A-", "content--type", "AAAA-9b-Zz",
                       "--a", "a---b----c"]]).

heap_sizes() ->
    Sizes = erlang:system_info(heap_sizes),
    p(largest, lists:last(Sizes) * 8 > 1 bsl 52),
    p(sizes, lists:sublist(lists:dropwhile(fun(S) -> S < 233 end, Sizes), 60)),
    p(smallest, [element(2, lists:keyfind(min_heap_size, 1, heap(N))) || N <- [0, 1, 233, 300, 5000, 900000]]).

heap(N) ->
    Self = self(),
    Pid = spawn_opt(fun() -> Self ! {self(), process_info(self(), garbage_collection)} end, [{min_heap_size, N}]),
    receive {Pid, {_, Info}} -> Info end.

%% Bits that the old forms of pids, ports and references do not have.
identifiers() ->
    Node = <<100, 0, 3, "a@b">>,
    Numbers = [0, 32768, 262143, 262144, 16#ffffffff],
    p(identifiers, [{Tag, I, C, external(<<Tag, (id_of(Tag, Node, I, C))/binary>>)}
                    || Tag <- [101, 102, 103, 114, 88, 89, 90], I <- Numbers, C <- [0, 1, 3, 4, 255]]).

id_of(101, Node, I, C) -> <<Node/binary, I:32, C>>;
id_of(102, Node, I, C) -> <<Node/binary, I:32, C>>;
id_of(103, Node, I, C) -> <<Node/binary, I:32, 1:32, C>>;
id_of(114, Node, I, C) -> <<1:16, Node/binary, C, I:32>>;
id_of(88, Node, I, C) -> <<Node/binary, I:32, 1:32, C:32>>;
id_of(89, Node, I, C) -> <<Node/binary, I:32, C:32>>;
id_of(90, Node, I, C) -> <<1:16, Node/binary, C:32, I:32>>.

external(Bin) -> reason(fun() -> binary_to_term(<<131, Bin/binary>>) end).

%% The function that tail calls apply is in the trace of what apply raises, however often it is applied.
applied() ->
    p(applied, [begin
                    {Pid, Monitor} = spawn_monitor(fun() -> apply_tail(N) end),
                    receive {'DOWN', Monitor, _, Pid, {oops, Trace}} -> [{F, A} || {_, F, A, _} <- Trace] end
                end || N <- [0, 1, 2, 5]]).

apply_tail(N) ->
    [M, F, A] = nested(N),
    erlang:apply(id(M), id(F), id(A)).

nested(0) -> [erlang, error, [oops, [x]]];
nested(N) -> [erlang, apply, nested(N - 1)].

%% group_leader/2 comes behind the exit signal, and is done when it returns.
signals_first() ->
    Wait = fun() -> receive stop -> ok end end,
    p(dying, [begin
                  Pid = spawn(Wait),
                  exit(Pid, bang),
                  reason(fun() -> group_leader(group_leader(), Pid) end)
              end || _ <- lists:seq(1, 20)]),
    Pid = spawn(Wait),
    Leader = spawn(Wait),
    p(led, {group_leader(Leader, Pid), process_info(Pid, group_leader) =:= {group_leader, Leader}}),
    [exit(P, kill) || P <- [Pid, Leader]].

%% Collections that others ask for: of the kind asked for, and messages count against the largest heap.
collected() ->
    Wait = fun() -> receive stop -> ok after 10000 -> ok end end,
    Pid = spawn(Wait),
    garbage_collect(Pid),
    erlang:trace(Pid, true, [garbage_collection]),
    p(kinds, [begin
                  garbage_collect(Pid, [{type, Type}]),
                  [receive {trace, Pid, Tag, _} -> Tag after 5000 -> none end || _ <- [1, 2]]
              end || Type <- [minor, major]]),
    exit(Pid, kill),
    p(killed, [begin
                   Full = spawn_opt(Wait, [{max_heap_size, #{size => 1024, kill => true, error_logger => false}},
                                           {message_queue_data, Queue}]),
                   [Full ! lists:duplicate(I, I) || I <- lists:seq(1, 100)],
                   Monitor = monitor(process, Full),
                   process_info(Full, messages),
                   garbage_collect(Full),
                   Result = receive {'DOWN', Monitor, process, Full, Why} -> Why after 300 -> alive end,
                   demonitor(Monitor, [flush]),
                   exit(Full, kill),
                   Result
               end || Queue <- [on_heap, off_heap]]).

built_in() ->
    p(built_in, [MFA || {M, F, A} = MFA <- erlang:system_info(snifs), not erlang:is_builtin(M, F, A)]),
    p(no_bifs, [erlang:is_builtin(M, F, A) || {M, F, A} <- [{zlib, open_nif, 0}, {prim_buffer, new, 0}, {lists, map, 2}]]),
    p(atomics, [lists:keymember(What, 1, erlang:system_info(ethread_info)) || What <- ["64-bit native atomics"]]).

%% What erts_debug tells and does, several modules with on_load at once, messages in process_info(total_heap_size).
internals() ->
    erts_debug:set_internal_state(available_internal_state, true),
    p(atoms, [is_atom(erts_debug:get_internal_state({atom, I})) || I <- [0, 1, 1000]]),
    p(hashes, [is_integer(erts_debug:get_internal_state({internal_hash, T})) || T <- [1, a, "b", {c}, #{d => e}]]),
    p(terms, [is_integer(V) || {table, V} <- maps:to_list(erts_debug:get_internal_state(persistent_term))]),
    p(forced, erts_debug:set_internal_state(force_gc, self())),
    erts_debug:set_internal_state(available_internal_state, false),
    p(native, {lists:module_info(native), lists:module_info(native_addresses)}),
    p(on_load, [reason(fun() -> erlang:finish_loading([prepared(M) || M <- Ms]) end) || Ms <- [[otp_a, otp_b], [otp_a]]]),
    Pid = spawn(fun() -> receive stop -> ok end end),
    {total_heap_size, Before} = process_info(Pid, total_heap_size),
    [Pid ! lists:duplicate(N, N) || N <- lists:seq(1, 100)],
    process_info(Pid, messages),
    {total_heap_size, After} = process_info(Pid, total_heap_size),
    p(queue, After - Before > 5000),
    exit(Pid, kill).

prepared(Module) ->
    {ok, _, Code} = compile:forms([{attribute, 1, module, Module}, {attribute, 1, on_load, {start, 0}},
                                   {function, 1, start, 0, [{clause, 1, [], [], [{atom, 1, ok}]}]}]),
    erlang:prepare_loading(Module, Code).

%% Where a process is that asks in a tail call.
own_place() ->
    p(place, [place_last(self()), place_only(), place_inside(), place_applied(self())]),
    Old = erlang:system_flag(backtrace_depth, 0),
    p(nowhere, process_info(self(), current_stacktrace)),
    erlang:system_flag(backtrace_depth, Old).

place_last(Pid) ->
    Self = self(),
    Pid = id(Self),
    process_info(Self, [current_function, current_stacktrace]).
place_only() -> process_info(self(), [message_queue_len, current_function, current_location, current_stacktrace]).
place_inside() -> {inside, process_info(self(), current_location), proplists:get_value(current_function, process_info(self()))}.
place_applied(Pid) -> apply(id(erlang), process_info, [Pid, current_function]).

%% A sensitive process hides what it knows, from itself too, and what it does from seq_trace.
secrets() ->
    Self = self(),
    Tracer = spawn(fun() -> receive stop -> ok end end),
    seq_trace:set_system_tracer(Tracer),
    Echo = spawn(fun() -> receive {From, M} -> From ! {reply, M} end end),
    put(foo, bar),
    Self ! message,
    process_flag(sensitive, true),
    p(secret, [process_info(Self, Item) || Item <- [messages, message_queue_len, backtrace, dictionary, current_function]]),
    p(secret_all, [lists:keyfind(Item, 1, process_info(Self)) || Item <- [dictionary, messages, message_queue_len]]),
    [seq_trace:set_token(T, V) || {T, V} <- [{label, 17}, {send, true}, {'receive', true}, {print, true}]],
    seq_trace:print(17, "started"),
    Echo ! {Self, hello},
    receive {reply, hello} -> ok end,
    seq_trace:set_token([]),
    process_flag(sensitive, false),
    receive message -> ok end,
    p(told, [lists:sublist(tuple_to_list(element(3, M)), 2) || M <- element(2, process_info(Tracer, messages))]),
    p(open, process_info(Self, dictionary)),
    seq_trace:set_system_tracer(false),
    exit(Tracer, kill).

wait() -> receive stop -> ok end.

%% Parts of what a crash dump says.
told() ->
    p(info, [binary:match(erlang:system_info(info), What) =/= nomatch || What <- [<<"=memory\ntotal: ">>, <<"processes_used:">>]]),
    Waits = spawn(?MODULE, wait, []),
    p(procs, [binary:match(erlang:system_info(procs), What) =/= nomatch
              || What <- [list_to_binary("=proc:" ++ pid_to_list(P)) || P <- [self(), Waits]]
                     ++ [<<"State: Running">>, <<"Spawned as: otp_suites:wait/0">>]]),
    exit(Waits, kill),
    p(loaded, [binary:match(erlang:system_info(loaded), What) =/= nomatch
               || What <- [<<"Current code: ">>, <<"\notp_suites ">>, <<"Old code: ">>]]),
    p(dist, erlang:system_info(dist)).

%% A figure for each scheduler.
schedulers() ->
    N = erlang:system_info(schedulers),
    p(queues, [length(statistics(What)) >= N || What <- [run_queue_lengths, run_queue_lengths_all, active_tasks]]),
    p(active, statistics(total_active_tasks) >= 1),
    erlang:system_flag(scheduler_wall_time, true),
    Spinner = spawn_link(fun Spin() -> Spin() end),
    timer:sleep(300),
    Times = lists:sort(statistics(scheduler_wall_time)),
    p(wall_time, {[I || {I, _, _} <- lists:sublist(Times, N)] =:= lists:seq(1, N),
                  lists:all(fun({_, Active, Total}) -> Active >= 0 andalso Active =< Total end, Times),
                  lists:any(fun({_, Active, Total}) -> Active * 10 > Total end, Times)}),
    unlink(Spinner),
    exit(Spinner, kill),
    p(off, {erlang:system_flag(scheduler_wall_time, false), statistics(scheduler_wall_time)}).

%% A process that runs code whose on_load function fails is killed, and old code stays; what on_load runs is no export.
on_load() ->
    Name = otp_on_load,
    register(otp_on_load_test, self()),
    Start = fun(Body) -> spawn(fun() -> exit(code:load_binary(Name, "", on_load_module(Name, Body))) end) end,
    Loaded = [begin
                  Loader = Start(Answer),
                  Monitor = monitor(process, Loader),
                  Running = receive {running, Pid} -> Pid end,
                  Other = monitor(process, Running),
                  Result = receive {'DOWN', Monitor, _, _, R} -> R end,
                  End = receive {'DOWN', Other, _, _, W} -> W after 2000 -> runs end,
                  exit(Running, kill),
                  {Answer, Result, End, erlang:check_old_code(Name), erlang:trace_pattern({Name, '_', '_'}, true)}
              end || Answer <- [fails, ok, fails, fails]],
    p(on_load, Loaded),
    p(on_load_kept, otp_on_load:value()),
    code:purge(Name),
    code:delete(Name),
    code:purge(Name),
    unregister(otp_on_load_test).

on_load_module(Name, Answer) ->
    Loop = {function, 1, loop, 0, [{clause, 1, [], [], [{call, 1, {atom, 1, loop}, []}]}]},
    Spawn = {call, 1, {atom, 1, spawn}, [{'fun', 1, {function, loop, 0}}]},
    Start = {function, 1, start, 0, [{clause, 1, [], [], [{op, 1, '!', {atom, 1, otp_on_load_test},
                                                          {tuple, 1, [{atom, 1, running}, Spawn]}}, {atom, 1, Answer}]}]},
    Value = {function, 1, value, 0, [{clause, 1, [], [], [{atom, 1, Answer}]}]},
    {ok, _, Code} = compile:forms([{attribute, 1, module, Name}, {attribute, 1, export, [{value, 0}]},
                                   {attribute, 1, on_load, {start, 0}}, Start, Loop, Value]),
    Code.
