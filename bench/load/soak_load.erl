%% SPDX-License-Identifier: Apache-2.0
%% The mixed load of bench/soak: one process for each kind of work, each doing its round over and over, for as long as
%% the machine lives. A round leaves nothing behind; what is kept from round to round has a fixed size. Each ten
%% seconds a
%% line of figures. A round that fails ends the run.
-module(soak_load).
-export([start/1]).

-define(ATOMS, 5000).
-define(PAUSE, 4). % milliseconds between rounds: the load is mixed, not a race

start([Directory]) ->
    process_flag(trap_exit, true),
    Modules = modules(8),
    ets:new(soak, [named_table, public, {write_concurrency, true}]),
    Kinds = [{spawns, fun spawns/1}, {messages, fun messages/1}, {tables, fun tables/1}, {binaries, fun binaries/1},
             {code, fun(I) -> code(I, Modules) end}, {timers, fun timers/1}, {ports, fun ports/1}, {errors,
                 fun errors/1},
             {atoms, fun atoms/1}, {files, fun(I) -> files(I, Directory) end}, {tcp, fun tcp/1}, {udp, fun udp/1},
             {terms, fun terms/1}, {persistent, fun persistent/1}, {regexes, fun regexes/1}, {monitors,
                 fun monitors/1}],
    Counts = counters:new(length(Kinds), []),
    [spawn_link(fun() -> rounds(F, N, Counts, 1) end) || {N, {_, F}} <- lists:zip(lists:seq(1, length(Kinds)), Kinds)],
    report([K || {K, _} <- Kinds], Counts).

rounds(Fun, N, Counts, I) ->
    Fun(I),
    counters:add(Counts, N, 1),
    timer:sleep(?PAUSE),
    rounds(Fun, N, Counts, I + 1).

report(Kinds, Counts) ->
    receive
        {'EXIT', _, Reason} ->
            io:format("FAIL a round: ~p~n", [Reason]),
            halt(1)
    after 10000 ->
        Rounds = [{K, counters:get(Counts, N)} || {N, K} <- lists:zip(lists:seq(1, length(Kinds)), Kinds)],
        io:format("~0p ~0p~n", [[{K, V div 1024} || {K, V} <- erlang:memory()], Rounds]),
        report(Kinds, Counts)
    end.

%% --- processes ----------------------------------------------------------------------------------------------
spawns(I) ->
    Me = self(),
    Ps = [spawn(fun() -> Me ! {self(), lists:sum(lists:seq(1, 50 + N + I rem 100))} end) || N <- lists:seq(1, 100)],
    [receive {P, _} -> ok end || P <- Ps].

messages(I) ->
    Echo = spawn_link(fun echo/0),
    Term = {I, lists:seq(1, 200), binary:copy(<<"x">>, 300), #{i => I}},
    [begin Echo ! {self(), N, Term}, receive {N, T} when T =:= Term -> ok end end || N <- lists:seq(1, 50)],
    %% Those behind the one that is looked for stay in the queue, and go in the end.
    [self() ! {later, N} || N <- lists:seq(1, 300)],
    self() ! first,
    receive first -> ok end,
    [receive {later, N} -> ok end || N <- lists:seq(1, 300)],
    unlink(Echo),
    exit(Echo, kill).

echo() -> receive {From, N, T} -> From ! {N, T}, echo() end.

monitors(I) ->
    Ps = [element(1, spawn_monitor(fun() -> receive stop -> exit({stopped, lists:duplicate(N, I)}) end end))
        || N <- lists:seq(1, 50)],
    Name = list_to_atom("soak_" ++ integer_to_list(I rem 100)),
    register(Name, hd(Ps)),
    [P ! stop || P <- tl(Ps)],
    Name ! stop,
    [receive {'DOWN', _, process, P, {stopped, _}} -> ok end || P <- Ps].

timers(I) ->
    Refs = [erlang:send_after(10000 + N, self(), {timer, I, N}) || N <- lists:seq(1, 300)],
    [erlang:cancel_timer(R) || R <- Refs],
    [erlang:start_timer(N rem 3, self(), {soon, N}) || N <- lists:seq(1, 50)],
    [receive {timeout, _, {soon, N}} -> ok end || N <- lists:seq(1, 50)].

errors(I) ->
    [try fail(N, lists:seq(1, I rem 50)) catch _:_:S -> length(S) end || N <- lists:seq(1, 200)],
    {P, R} = spawn_monitor(fun() -> exit({deep, lists:seq(1, 100)}) end),
    receive {'DOWN', R, process, P, {deep, _}} -> ok end.

fail(N, L) when N rem 4 =:= 0 -> [hd(L -- L) | L];
fail(N, L) when N rem 4 =:= 1 -> throw({N, L});
fail(N, L) when N rem 4 =:= 2 -> 1 + fail(N - 1, L);
fail(_, L) -> maps:get(missing, #{l => L}).

%% --- data ----------------------------------------------------------------------------------------------------
tables(I) ->
    [ets:insert(soak, {(I * 37 + N) rem 5000, N, lists:duplicate(N rem 20, I), binary:copy(<<N>>, N)})
        || N <- lists:seq(1, 150)],
    [ets:delete(soak, (I * 91 + N) rem 5000) || N <- lists:seq(1, 100)],
    [ets:update_counter(soak, N rem 5000, {2, 1}, {N rem 5000, 0, [], <<>>}) || N <- lists:seq(I, I + 30)],
    I rem 50 =:= 0 andalso ets:select_count(soak, [{{'$1', '$2', '_', '_'}, [{'>', '$2', 50}], [true]}]),
    T = ets:new(private, [lists:nth(1 + I rem 4, [set, ordered_set, bag, duplicate_bag])]),
    ets:insert(T, [{N, {N, I}} || N <- lists:seq(1, 200)]),
    200 = length(ets:match_object(T, {'_', '_'})),
    ets:delete(T).

%% Parts of large binaries stay for 64 rounds.
binaries(I) ->
    Large = binary:copy(<<I:32, "payload">>, 5000),
    Part = binary:part(Large, I rem 1000, 500),
    Ring = case get(ring) of undefined -> erlang:make_tuple(64, <<>>); R -> R end,
    put(ring, setelement(1 + I rem 64, Ring, Part)),
    Grown = lists:foldl(fun(N, B) -> <<B/binary, N:16, "abc">> end, <<>>, lists:seq(1, 500)),
    [] = [x || <<_:16, X:3/binary>> <= Grown, X =/= <<"abc">>],
    Packed = zlib:compress(Large),
    Large = zlib:uncompress(Packed),
    {I, Grown} = binary_to_term(term_to_binary({I, Grown}, [compressed])),
    binary:split(Large, <<"load">>, [global]).

terms(I) ->
    M = maps:from_list([{{k, N}, N * I} || N <- lists:seq(1, 300)]),
    _ = maps:fold(fun(_, V, A) -> A + V end, 0, maps:map(fun(_, V) -> V bsl 70 end, M)),
    _ = lists:sort([N * 7919 rem 1009 || N <- lists:seq(1, 500)]),
    _ = lists:flatten(io_lib:format("~p ~w ~ts", [M, math:sqrt(I), "αβ"])),
    _ = integer_to_list(lists:foldl(fun(N, A) -> N * A end, 1, lists:seq(1, 150))).

persistent(I) ->
    persistent_term:put({soak, I rem 3}, {I, lists:seq(1, 50), binary:copy(<<1>>, 100)}),
    {_, _, _} = persistent_term:get({soak, I rem 3}),
    I rem 3 =:= 0 andalso persistent_term:erase({soak, 0}).

regexes(I) ->
    {ok, R} = re:compile("(\\w+)-" ++ integer_to_list(I rem 1000)),
    {match, _} = re:run("some words-" ++ integer_to_list(I rem 1000) ++ " more", R, [{capture, all, binary}]),
    re:replace(lists:duplicate(100, "ab1"), "b(\\d)", "<\\1>", [global, {return, binary}]).

atoms(I) -> [list_to_atom("soak_atom_" ++ integer_to_list((I * 17 + N) rem ?ATOMS)) || N <- lists:seq(1, 100)].

%% --- code ------------------------------------------------------------------------------------------------------
modules(N) ->
    [begin
         Forms = [{attribute, 1, module, soak_code}, {attribute, 1, export, [{f, 1}, {g, 0}]},
                  {function, 1, f, 1, [{clause, 1, [{var, 1, 'X'}], [], [{tuple, 1, [{var, 1, 'X'}, {integer, 1, V},
                      {string, 1, lists:duplicate(200, $a + V)}]}]}]},
                  {function, 1, g, 0, [{clause, 1, [], [], [{'fun', 1, {clauses, [{clause, 1, [{var, 1, 'Y'}], [],
                      [{tuple, 1, [{var, 1, 'Y'}, {bin, 1, [{bin_element, 1, {string, 1, lists:duplicate(100, $b)},
                          default, default}]}]}]}]}}]}]}],
         {ok, soak_code, Beam} = compile:forms(Forms),
         {V, Beam}
     end || V <- lists:seq(1, N)].

code(I, Modules) ->
    {V, Beam} = lists:nth(1 + I rem length(Modules), Modules),
    {module, soak_code} = code:load_binary(soak_code, "soak_code.beam", Beam),
    {I, V, _} = soak_code:f(I),
    F = soak_code:g(),
    {a, _} = F(a),
    code:purge(soak_code),
    true = code:delete(soak_code),
    code:purge(soak_code).

%% --- outside -----------------------------------------------------------------------------------------------------
ports(I) ->
    P = open_port({spawn, "cat"}, [binary, stream]),
    Bytes = binary:copy(<<I:32>>, 500),
    port_command(P, Bytes),
    collect(P, byte_size(Bytes)),
    port_close(P),
    timer:sleep(100).

collect(_, 0) -> ok;
collect(P, N) -> receive {P, {data, B}} -> collect(P, N - byte_size(B)) end.

files(I, Directory) ->
    Path = filename:join(Directory, "file" ++ integer_to_list(I rem 10)),
    Bytes = binary:copy(<<I:32>>, 2000),
    ok = file:write_file(Path, Bytes),
    {ok, Bytes} = file:read_file(Path),
    {ok, F} = file:open(Path, [read, write, binary]),
    {ok, <<I:32>>} = file:pread(F, 4, 4),
    ok = file:close(F),
    {ok, _} = file:list_dir(Directory),
    ok = file:delete(Path).

tcp(I) ->
    {ok, L} = gen_tcp:listen(0, [binary, {active, false}, {packet, 4}, {ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(L),
    Server = spawn_link(fun() ->
        {ok, S} = gen_tcp:accept(L),
        {ok, B} = gen_tcp:recv(S, 0),
        ok = gen_tcp:send(S, B),
        {error, closed} = gen_tcp:recv(S, 0),
        gen_tcp:close(S)
    end),
    R = monitor(process, Server),
    {ok, S} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, true}, {packet, 4}]),
    Bytes = binary:copy(<<I:32>>, 3000),
    ok = gen_tcp:send(S, Bytes),
    receive {tcp, S, Bytes} -> ok end,
    gen_tcp:close(S),
    receive {'DOWN', R, _, _, normal} -> ok end,
    gen_tcp:close(L),
    timer:sleep(20). % ports of closed connections come back after a minute

udp(I) ->
    {ok, A} = gen_udp:open(0, [binary, {active, true}, {ip, {127, 0, 0, 1}}]),
    {ok, B} = gen_udp:open(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(A),
    Bytes = binary:copy(<<I:32>>, 100),
    ok = gen_udp:send(B, {127, 0, 0, 1}, Port, Bytes),
    receive {udp, A, _, _, Bytes} -> ok end,
    gen_udp:close(A),
    gen_udp:close(B).
