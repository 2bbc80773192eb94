%% SPDX-License-Identifier: Apache-2.0
%% Tracing of calls: every kind of breakpoint, match specifications with their actions, natives, what trace_info says.
-module(trace_calls).
-export([main/0, f/1, g/2, tail/1, fail/1, catcher/1, nested/1, exported/1, loop/1, bits/1, worker/1]).

main() ->
    [begin io:format("== ~p~n", [Name]), run(Name, Patterns, Flags, Calls) end
     || {Name, Patterns, Flags, Calls} <- cases()],
    info(),
    counts(),
    times(),
    natives_everywhere(),
    on_load(),
    errors().

cases() ->
    M = ?MODULE,
    R = [{'_', [], [{return_trace}]}],
    X = [{'_', [], [{exception_trace}]}],
    [{local, [{{M, f, 1}, true, [local]}], [call], [{f, [1]}, {exported, [2]}]},
     {global, [{{M, '_', '_'}, true, [global]}], [call], [{f, [1]}, {exported, [2]}, {nested, [1]}]},
     {arity, [{{M, f, 1}, true, [local]}], [call, arity], [{f, [1]}]},
     {return, [{{M, '_', '_'}, R, [local]}], [call], [{f, [1]}, {nested, [3]}, {tail, [3]}]},
     {return_to, [{{M, '_', '_'}, true, [local]}], [call, return_to], [{nested, [3]}, {tail, [2]}, {catcher, [throw]}]},
     {return_both, [{{M, '_', '_'}, R, [local]}], [call, return_to], [{nested, [3]}, {tail, [2]}, {catcher, [error]}]},
     {exception, [{{M, '_', '_'}, X, [local]}], [call], [{catcher, [throw]}, {catcher, [error]}, {catcher, [exit]},
                                                         {catcher, [none]}, {catcher, [native]}]},
     {exception_to, [{{M, '_', '_'}, X, [local]}], [call, return_to], [{catcher, [throw]}, {catcher, [error]}]},
     {dies, [{{M, fail, 1}, X, [local]}], [call], [{fail, [error]}]},
     {head, [{{M, g, 2}, [{[1, '$1'], [{is_atom, '$1'}], [{message, {{hit, '$1', '$_', '$$'}}}]},
                          {[2, '_'], [], []}], [local]}], [call], [{g, [1, a]}, {g, [1, 1]}, {g, [2, x]}, {g, [3, x]}]},
     {message_false, [{{M, '_', '_'}, [{'_', [], [{message, false}, {return_trace}]}], [local]}], [call], [{f, [1]}]},
     {caller, [{{M, '_', '_'}, [{'_', [], [{message, {caller}}]}], [local]}], [call], [{nested, [1]}, {exported, [5]}]},
     {silent, [{{M, g, 2}, [{[off, '_'], [], [{silent, true}]}, {[on, '_'], [], [{silent, false}]}, {'_', [], []}], [local]},
               {{M, f, 1}, R, [local]}], [call], [{g, [off, 1]}, {f, [1]}, {g, [1, 1]}, {g, [on, 1]}, {f, [1]}]},
     {enable, [{{M, g, 2}, [{[on, '_'], [], [{enable_trace, send}]}, {[off, '_'], [], [{disable_trace, send}]}], [local]}],
      [call], [{g, [on, x]}, {g, [send, y]}, {g, [off, x]}, {g, [send, y]}]},
     {trace_action, [{{M, g, 2}, [{[on, '_'], [], [{trace, [], [send]}]}, {[off, '_'], [], [{trace, [send, call], []}]}],
                      [local]}], [call], [{g, [on, x]}, {g, [send, y]}, {g, [off, x]}, {g, [send, y]}, {g, [on, x]}]},
     {natives, [{{erlang, atom_to_list, 1}, R, [local]}, {{lists, reverse, 2}, true, [global]}, {{maps, get, 2}, X, [local]}],
      [call], [{worker, [atom]}, {worker, [reverse]}, {worker, [get]}, {worker, [apply]}, {worker, [funs]}]},
     {bits, [{{M, bits, 1}, true, [local]}, {{M, bits, 2}, true, [local]}], [call], [{bits, [<<1, 2, 3>>]}]},
     {loops, [{{M, loop, 1}, [{[0], [], []}], [local]}], [call], [{loop, [100000]}]},
     {meta, [{{M, f, 1}, R, [meta]}, {{M, f, 1}, true, [local]}], [], [{f, [1]}]},
     {spawns, [{{M, f, 1}, true, [local]}], [call, procs, set_on_spawn], [{worker, [spawn]}]}].

%% --- what is traced ---
f(X) -> {ok, X}.
g(send, X) -> self() ! X, receive X -> ok end;
g(_, _) -> ok.
exported(X) -> ?MODULE:f(X), local(X).
local(X) -> f(X), X.
nested(0) -> [];
nested(N) -> [N | nested(N - 1)].
tail(0) -> done;
tail(N) -> tail(N - 1).
loop(0) -> ok;
loop(N) -> loop(N - 1).
fail(throw) -> throw(thrown);
fail(error) -> error(bad);
fail(exit) -> exit(out);
fail(native) -> [atom_to_list(1)];
fail(none) -> fine.
catcher(How) ->
    R = try deeper(How) of V -> {value, V} catch C:E -> {C, E} end,
    f(x),
    R.
deeper(How) -> X = fail(How), {X}.
bits(<<X, Rest/binary>>) -> bits(Rest, X);
bits(<<>>) -> [].
bits(<<Y, Rest/binary>>, X) -> [X, Y | bits(Rest)].

worker(atom) -> L = atom_to_list(abc), {L};
worker(reverse) -> lists:reverse([1, 2], [3]);
worker(get) -> catch maps:get(a, #{b => 1});
worker(apply) -> [apply(erlang, atom_to_list, [x]), apply(lists, reverse, [[1], []])];
worker(funs) -> F = fun erlang:atom_to_list/1, lists:map(F, [a, b]);
worker(spawn) ->
    {P, R} = spawn_monitor(?MODULE, f, [child]),
    receive {'DOWN', R, process, P, _} -> ok end.

%% --- running a case ---
run(_, Patterns, Flags, Calls) ->
    Self = self(),
    {Pid, Ref} = spawn_monitor(fun() -> Self ! ready, receive go -> ok end, exit({result, [catch apply(?MODULE, F, A) || {F, A} <- Calls]}) end),
    receive ready -> ok end,
    [erlang:trace_pattern(P, S, O) || {P, S, O} <- Patterns],
    Flags =:= [] orelse erlang:trace(Pid, true, Flags),
    Pid ! go,
    receive {'DOWN', Ref, process, Pid, Result} -> ok end,
    D = erlang:trace_delivered(all),
    receive {trace_delivered, all, D} -> ok end,
    [io:format("~p~n", [clean(T, [{Pid, tracee}, {Self, self}])]) || T <- messages()],
    io:format("~p~n", [clean(Result, [{Pid, tracee}, {Self, self}])]),
    [erlang:trace_pattern(P, false, O) || {P, _, O} <- Patterns].

messages() -> receive T -> [T | messages()] after 0 -> [] end.

clean(T, Names) when is_pid(T) -> proplists:get_value(T, Names, a_pid);
clean(T, _) when is_reference(T) -> a_reference;
clean({trace_ts, P, A, B, {_, _, _}}, Names) -> {trace_ts, clean(P, Names), A, B, time};
clean({trace_ts, P, A, B, C, {_, _, _}}, Names) -> {trace_ts, clean(P, Names), A, B, clean(C, Names), time};
clean({'EXIT', {R, _}}, _) -> {'EXIT', R};
clean({R, [{_, _, _, _} | _]}, _) -> {R, stack};
clean(T, Names) when is_tuple(T) -> list_to_tuple(clean(tuple_to_list(T), Names));
clean([H | T], Names) -> [clean(H, Names) | clean(T, Names)];
clean(T, _) -> T.

%% --- trace_info ---
info() ->
    F = {?MODULE, f, 1},
    Show = fun(W) -> io:format("~p ~p~n", [W, clean(erlang:trace_info(F, all), [{self(), self}])]) end,
    Show(none),
    1 = erlang:trace_pattern(F, true, [global]), Show(global),
    1 = erlang:trace_pattern(F, [{['$1'], [], []}], [local]), Show(local),
    1 = erlang:trace_pattern(F, true, [meta, call_count]), Show(meta),
    f(1), f(2),
    messages(),
    Show(counted),
    1 = erlang:trace_pattern(F, pause, [call_count]), f(3), Show(paused),
    1 = erlang:trace_pattern(F, restart, [call_count]), f(3), Show(restarted),
    1 = erlang:trace_pattern(F, false, [meta]), Show(no_meta),
    1 = erlang:trace_pattern(F, true, [global]), Show(global_again),
    1 = erlang:trace_pattern(F, false, [global]), Show(nothing),
    messages(),
    io:format("~p~n", [[erlang:trace_info({?MODULE, N, A}, traced) || {N, A} <- [{local, 1}, {nosuch, 1}, {f, 2}]]]),
    io:format("~p~n", [erlang:trace_pattern({?MODULE, '_', '_'}, true, [local]) =:= length(module_info(functions))]),
    io:format("~p~n", [erlang:trace_pattern({?MODULE, '_', '_'}, true, []) =:= length(module_info(exports))]),
    io:format("~p~n", [erlang:trace_info({?MODULE, local, 1}, traced)]),
    erlang:trace_pattern({?MODULE, '_', '_'}, false, []),
    erlang:trace_pattern({?MODULE, '_', '_'}, false, [local, meta, call_count, call_time]),
    io:format("~p~n", [erlang:trace_info({?MODULE, local, 1}, all)]).

counts() ->
    erlang:trace_pattern({?MODULE, '_', '_'}, true, [call_count]),
    loop(5000), tail(3), nested(10), exported(1), catcher(error), bits(<<1, 2>>),
    io:format("~p~n", [[{N, element(2, erlang:trace_info({?MODULE, N, A}, call_count))}
                        || {N, A} <- [{loop, 1}, {tail, 1}, {nested, 1}, {f, 1}, {local, 1}, {deeper, 1}, {bits, 1}, {bits, 2}]]]),
    erlang:trace_pattern({?MODULE, '_', '_'}, false, [call_count]).

times() ->
    erlang:trace(self(), true, [call]),
    erlang:trace_pattern({?MODULE, '_', '_'}, true, [call_time]),
    loop(5000), nested(10), catcher(error), f(2),
    Times = [{N, element(2, erlang:trace_info({?MODULE, N, A}, call_time))} || {N, A} <- [{loop, 1}, {nested, 1}, {f, 1}, {fail, 1}]],
    Self = self(),
    io:format("~p~n", [[{N, C, P =:= Self, is_integer(S), is_integer(U)} || {N, [{P, C, S, U}]} <- Times]]),
    erlang:trace_pattern({?MODULE, '_', '_'}, false, [call_time]),
    erlang:trace(self(), false, [call]).

%% Natives keep working with everything around them traced.
natives_everywhere() ->
    Tracer = spawn(fun Loop() -> receive stop -> ok; _ -> Loop() end end),
    erlang:trace_pattern({erlang, '_', '_'}, [{'_', [], [{return_trace}]}], [local]),
    erlang:trace_pattern({lists, '_', '_'}, [{'_', [], [{exception_trace}]}], [local]),
    erlang:trace_pattern({ets, '_', '_'}, true, [local]),
    {Pid, Ref} = spawn_monitor(fun() -> receive go -> exit(busy()) end end),
    erlang:trace(Pid, true, [call, return_to, {tracer, Tracer}]),
    Pid ! go,
    receive {'DOWN', Ref, process, Pid, R} -> io:format("~p~n", [R]) end,
    [erlang:trace_pattern({M, '_', '_'}, false, [local]) || M <- [erlang, lists, ets]],
    Tracer ! stop,
    io:format("~p~n", [busy()]).

busy() ->
    T = ets:new(t, []),
    [ets:insert(T, {I, integer_to_list(I)}) || I <- lists:seq(1, 200)],
    L = lists:sort([element(2, X) || X <- ets:tab2list(T)]),
    B = binary_to_term(term_to_binary(L)),
    {catch list_to_integer("x1"), length(B), erlang:phash2(B), lists:keyfind(3, 1, [{1, a}, {3, b}]),
     catch atom_to_binary(1), is_process_alive(self()), lists:foldl(fun(X, A) -> X + A end, 0, lists:seq(1, 100))}.

on_load() ->
    Forms = [{attribute, 1, module, trace_calls_loaded}, {attribute, 1, export, [{h, 0}]},
             {function, 1, h, 0, [{clause, 1, [], [], [{atom, 1, hej}]}]}],
    {ok, M, Code} = compile:forms(Forms),
    erlang:trace_pattern(on_load, [{'_', [], [{return_trace}]}], [local]),
    io:format("~p~n", [erlang:trace_info(on_load, all)]),
    {module, M} = code:load_binary(M, "x", Code),
    io:format("~p~n", [erlang:trace_info({M, h, 0}, all)]),
    erlang:trace_pattern(on_load, false, [local]),
    erlang:trace_pattern({M, h, 0}, true, [global]),
    code:purge(M),
    {module, M} = code:load_binary(M, "x", Code),
    io:format("~p ~p~n", [erlang:trace_info({M, h, 0}, all), erlang:trace_info(on_load, all)]),
    erlang:trace_pattern({M, h, 0}, true, [local]),
    code:purge(M),
    true = code:delete(M),
    io:format("~p~n", [erlang:trace_info({M, h, 0}, all)]).

errors() ->
    T = fun(F) -> catch_error(F) end,
    [io:format("~p ~p~n", [A, T(fun() -> erlang:trace_pattern(A, true, []) end)])
     || A <- [foo, {a, b}, {'_', f, 1}, {?MODULE, '_', 1}, {?MODULE, f, -1}, {?MODULE, f, x}]],
    [io:format("~p ~p~n", [S, T(fun() -> erlang:trace_pattern({?MODULE, f, 1}, S, [local]) end)])
     || S <- [foo, [foo], [{'_', [], [{nosuch}]}], [{'_', [{return_trace}], []}], [{{a}, [], []}]]],
    [io:format("~p ~p~n", [O, T(fun() -> erlang:trace_pattern({?MODULE, f, 1}, true, O) end)])
     || O <- [foo, [foo], [local, global], [{meta, x}], [local | x]]],
    [io:format("~p ~p~n", [clean({W, O}, []), T(fun() -> erlang:trace(W, true, O) end)])
     || {W, O} <- [{foo, [send]}, {1, [send]}, {self(), [foo]}, {self(), foo}, {all, [{tracer, x}]}, {self(), [cpu_timestamp]}],
        is_atom(W) orelse O =/= [send]],
    [io:format("~p ~p~n", [{W, K}, T(fun() -> erlang:trace_info(W, K) end)])
     || {W, K} <- [{foo, flags}, {{?MODULE, f, 1}, flags}, {{?MODULE, f, 1}, foo}, {send, traced}, {on_load, flags}, {new, traced}]],
    io:format("~p~n", [T(fun() -> erlang:trace_pattern({?MODULE, f, 1}, [{'_', [], []}], [call_count]) end)]).

catch_error(F) ->
    try F()
    catch error:E:Stack -> {E, proplists:get_value(error_info, element(4, hd(Stack)))}
    end.
