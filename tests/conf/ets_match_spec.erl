%% SPDX-License-Identifier: Apache-2.0
%% Match specifications by themselves: heads, guards, bodies, and every message of match_spec_test.
-module(ets_match_spec).
-export([main/0]).

t(Subject, Spec) -> t(Subject, Spec, table).
t(Subject, Spec, Type) ->
    R = try erlang:match_spec_test(Subject, Spec, Type) catch C:E -> {C, E} end,
    io:format("~p ~p ~p~n  ~p~n", [Type, Subject, Spec, R]).

%% One guard or body expression, with $1 and $2 bound.
g({A, B}, E) -> t({A, B}, [{{'$1', '$2'}, [E], [yes]}]).
b({A, B}, E) -> t({A, B}, [{{'$1', '$2'}, [], [E]}]).
tr(E) -> t([1, two], [{['$1', '$2'], [], [E]}], trace).
tm(E) -> tr({message, E}).
tg(E) -> t([1, two], [{['$1', '$2'], [E], []}], trace).

main() -> heads(), map_keys(), shapes(), expressions(), errors(), traces(), compiled(), deep().

%% A key without variables is looked up: a map in it stands for itself only.
map_keys() ->
    [begin
         T = ets:new(t, [Type]),
         ets:insert(T, [{#{a => 0}}, {#{}}, {{#{a => 1}}}, {[#{a => 2}]}, {{#{a => 3}, b}}, {z}, {[z | #{a => 4}]}]),
         [io:format("~p ~p ~p ~p~n", [Type, K, lists:sort(ets:match_object(T, {K})), ets:select_count(T, [{{K}, [], [true]}])])
          || K <- [#{}, {#{}}, [#{}], {#{}, '_'}, {'_', #{}}, {#{}, b}, #{a => '$1'}, #{a => 0}, {#{a => '_'}, b}, [z | #{}]]]
     end || Type <- [set, ordered_set, bag, duplicate_bag]].

heads() ->
    [t(S, [{H, [], ['$$']}]) || {S, H} <-
        [{{1, 2}, {'$1', '$2'}}, {{1, 2}, {'$2', '$1'}}, {{1, 1}, {'$1', '$1'}}, {{1, 1.0}, {'$1', '$1'}}, {{1, 2}, {'$1', '$1'}},
         {{1, 2}, '_'}, {{1, 2}, '$7'}, {{1, 2}, {'_', '$0'}}, {{1, 2}, {1, '$1'}}, {{1.0, 2}, {1, '$1'}}, {{1, 2}, {'$01', '_'}},
         {{1, 2}, {'$1x', '_'}}, {{1, 2}, {'$99999999', '$3'}}, {{1, 2}, '$_'}, {{'$_', 2}, {'$_', '$1'}}, {{'$$', 2}, {'$$', '$1'}},
         {{[1, 2, 3]}, {['$1' | '$2']}}, {{[1, 2, 3]}, {['_', '$1', '_']}}, {{[1, 2, 3]}, {['_', '$1']}}, {{[1 | 2]}, {['$1' | '$2']}},
         {{[]}, {[]}}, {{[]}, {['_' | '_']}}, {{{a, {b, [c]}}}, {{a, {'$1', ['$2']}}}}, {{{a, {b, [c]}}}, {{a, {b, [c]}}}},
         {{#{a => 1, b => 2}}, {#{a => '$1'}}}, {{#{a => 1, b => 2}}, {#{a => 1}}}, {{#{a => 1}}, {#{a => 1, b => '_'}}},
         {{#{a => 1, b => #{c => {x}}}}, {#{b => #{c => {'$3'}}}}}, {{#{}}, {#{}}}, {{x}, {#{}}}, {{#{[1] => '$1'}}, {#{[1] => '$1'}}},
         {{"abc"}, {"abc"}}, {{<<"abc">>}, {<<"abc">>}}, {{1.5}, {1.5}}, {{1 bsl 70}, {1 bsl 70}}, {{1, 2}, {'$1'}}, {{}, {}}, {x, x},
         {x, y}, {[a, b], ['$1', '$2']}, {{a, a, b, b}, {'$1', '$1', '$2', '$2'}}, {{[a, a]}, {['$1', '$1']}}, {{{1}, {1}}, {'$1', '$1'}},
         {{a, [a]}, {'$1', ['$1']}}, {{#{k => a}, a}, {#{k => '$5'}, '$5'}}, {{[x, [y, [z]]]}, {['$3', ['$2', ['$1']]]}}]],
    t({1, 2}, [{{'$1', 3}, [], [a]}, {{'$1', '_'}, [{'>', '$1', 5}], [b]}, {{'$1', '$3'}, [], [{{c, '$1', '$3'}}]}]),
    t({1}, [{{'$1', '_'}, [], [a]}, {{'$1'}, [], ['$1']}]),
    t(#{a => 1}, [{#{a => '$1'}, [], ['$1']}]).

shapes() ->
    [b({1, two}, E) || E <-
        ['$_', '$$', '$1', x, "str", [], {{}}, {{'$1'}}, {{'$1', {{'$2'}}}}, ['$1', '$2'], ['$1' | '$2'], [[['$1']]], {const, {'$1'}},
         {const, '$1'}, [{const, [a]}], #{}, #{a => '$1'}, #{'$1' => '$2'}, #{a => {{'$2'}}, {const, {x}} => 1}, 1.5, 1 bsl 70,
         <<"bin">>, #{'$1' => 1, 1 => 2}, [a, '$1', {const, {x}} | '$2'], {{'$_', '$$'}}, '_', '$1x', '$01', [#{b => ['$1']}]]],
    t({1, 2}, [{{'$1', '$2'}, [], [a, b, '$1']}]),
    t({1, 2}, [{{'$1', '$2'}, [], [{'/', 1, 0}, '$2']}]).

expressions() ->
    F = [{X, Y} || X <- [1, 2.5, a], Y <- [1, 2, x]],
    [begin g(P, {Op, '$1', '$2'}), b(P, {Op, '$1', '$2'}) end
     || Op <- ['+', '-', '*', '/', 'div', 'rem', '<', '>', '=<', '>=', '==', '/=', '=:=', '=/=', 'band', 'bor', 'bxor', 'bsl', 'bsr',
               'and', 'or', 'xor', 'andalso', 'orelse', element, is_map_key, map_get, binary_part], P <- F],
    [begin g({X, 0}, {Op, '$1'}), b({X, 0}, {Op, '$1'}) end
     || Op <- [is_atom, is_float, is_integer, is_list, is_number, is_pid, is_port, is_reference, is_tuple, is_map, is_binary, is_function,
               abs, hd, tl, length, size, byte_size, bit_size, map_size, round, trunc, float, 'not', 'bnot', '-', '+', 'and', 'or',
               'andalso', 'orelse'],
        X <- [1, -1, 1.5, -2.5, a, true, [], [1, 2], [1 | 2], {}, {1, 2}, #{a => 1}, <<"abc">>, <<1:3>>, 1 bsl 80]],
    [b({A, B}, {Op, '$1', '$2'})
     || {Op, A, B} <- [{'*', 1 bsl 62, 1 bsl 62}, {'+', 1 bsl 59, 1}, {'-', 0, 1 bsl 80}, {'div', 1 bsl 100, 3}, {'rem', 1 bsl 100, 7},
                       {'bsl', 1, 200}, {'bsr', 1 bsl 200, 199}, {'band', 1 bsl 90 - 1, 255}, {'==', 1, 1.0}, {'=:=', 1, 1.0},
                       {element, 2, {a, b}}, {element, 0, {a}}, {element, 1, x}, {element, 3, {a, b}}, {map_get, a, #{a => {v}}},
                       {map_get, b, #{a => 1}}, {map_get, a, 1}, {is_map_key, a, #{a => 1}}, {is_map_key, b, #{}}, {is_map_key, b, x},
                       {binary_part, <<"abcdef">>, {1, 2}}, {binary_part, <<"abc">>, {1, 9}}, {'<', a, "s"}, {'>=', {1}, {0, 0}},
                       {'andalso', true, 2}, {'andalso', false, 2}, {'andalso', x, 2}, {'orelse', true, 2}, {'orelse', false, 2},
                       {'and', true, true}, {'and', false, x}, {'or', true, x}, {'xor', true, true}, {'xor', true, x}]],
    [b({1, 2}, E) || E <-
        [{self_, 1}, {'and', true, true, true}, {'or', false, false, false}, {'and', true, x, true}, {'andalso', true, true, false},
         {'orelse', false, false, true}, {'orelse', false, x, true}, {'orelse', {'andalso', true, false}, {'not', false}},
         {'+', {'*', '$1', 2}, {'-', '$2'}}, {{{'+', '$1', a}, ok}}, [{hd, []} | '$1'], #{{'+', a, 1} => 2}, {'==', {'+', a, 1}, 'EXIT'},
         {is_record, {{rec, 1}}, rec, 2}, {is_record, {{rec, 1}}, rec, 3}, {is_record, {{rec, 1}}, {const, rec}, {'+', 1, 1}},
         {is_record, '$1', x, 0}, {is_record, '$1', 1, 1}, {length, [a, '$1']}, {hd, ['$1']}, {element, 1, {{'$2'}}}, {size, {{1, 2}}},
         {map_get, k, #{k => '$2'}}, {element, 1, {const, {{deep, [x]}}}}, {hd, {const, [{x}]}}, {binary_part, <<"abc">>, 0, 1},
         {binary_part, <<"abc">>, 0, 9}, {node}, {'abs', {'-', '$2'}}, {round, 2.5}, {round, -2.5}, {trunc, 1.0e30}, {float, 1 bsl 70}]],
    t({1}, [{{'$1'}, [{'==', {self}, {self}}], [ok]}]),
    [g({1, 2}, E) || E <- [1, x, true, false, '$1', {const, true}, {'==', {'+', a, 1}, 'EXIT'}, {'or', {'==', 1, 1}, {'+', a, 1}},
                           {'orelse', {'==', 1, 1}, {'+', a, 1}}, {'andalso', {'==', 1, 2}, {hd, x}}, {'andalso', true}, {'orelse', 1},
                           {'andalso', 1}, {'not', {'hd', x}}, {'==', {node}, {node, {self}}}, {is_atom, '$_'}, {is_list, '$$'}]],
    t({1, 2}, [{{'$1', '$2'}, [{'<', '$1', '$2'}, {'>', '$1', 0}], [ok]}]),
    t({1, 2}, [{{'$1', '$2'}, [{'<', '$1', '$2'}, {'>', '$1', 1}], [ok]}]).

errors() ->
    [t({1, 2}, S) || S <-
        [foo, [], [foo], [{a, b}], [{a, b, c}], [{'_', [], [x]} | y], [x, {'_', [], [x]}], [{'_', foo, [x]}], [{'_', [foo | bar], [x]}],
         [{'_', [], [x | y]}], [{'_', [], []}], [{'_', [], x}], [{'_', [], ['$3']}], [{'_', ['$1'], ['$2', {foo, '$4'}]}],
         [{'$1', [{x}], [x]}, {'$1', [{y}], [{z}]}], [{'_', [], [{}]}], [{'_', [], [{"a"}]}], [{'_', [], [{{1}, 2}]}], [{'_', [], [{1, 2}]}],
         [{'_', [], [{{{}}}]}], [{{#{'$1' => a}}, [], [x]}], [{{#{'_' => a}}, [], [x]}], [{{#{{'$1'} => a}}, [], [x]}],
         [{'$1', [], [#{a => {foo}}]}], [{'$1', [], [[{foo} | {bar, 1}]]}], [{'$1', [{'+', {foo}, '$9'}], [x]}]]],
    [b({1, 2}, E) || E <-
        [{const}, {const, 1, 2}, {'and'}, {'or'}, {'andalso'}, {'orelse'}, {self, 1}, {node, 1, 2}, {foo}, {foo, 1, 2, 3}, {is_atom, 1, 2},
         {'+', 1, 2, 3}, {is_record, 1}, {is_record, 1, x}, {tuple_size, {{}}}, {is_boolean, true}, {is_bitstring, x}, {floor, 1}, {ceil, 1},
         {max, 1, 2}, {min, 1, 2}, {'++', [], []}, {'xor', true}, {'not', true, true}, {is_function, x, 1}, {list_to_atom, "a"},
         {is_constant, 1}, {is_alive}, {true}, {get_tcw}, {set_tcw, 1}, {set_tcw}, {get_tcw, 1}, {'Quoted Name', 1}, {'', 1}, {setelement, 1, 2, 3}]
        ++ [{F} || F <- specials()] ++ [{F, 1} || F <- specials()]].

specials() ->
    [is_seq_trace, get_seq_token, set_seq_token, return_trace, exception_trace, message, display, process_dump, caller, caller_line,
     silent, trace, enable_trace, disable_trace].

traces() ->
    [tr(E) || E <- [{return_trace}, {exception_trace}, {message, false}, {message, true}, {message, '$1'}, {message, '$$'}, '$1', x]],
    [t([1, two], S, trace) || S <-
        [[{'_', [], []}], [{'$1', [], ['$1']}], [{'$1', [], [{message, '$1'}]}], [{['_', '_'], [], [{message, '$_'}]}], [{{a}, [], []}],
         [{['_' | '_'], [], []}], [{['$1' | x], [], []}], [{['$1', '$1'], [], []}], [{[1], [], []}], [{[], [], []}], [{['_', '_'], [], x}],
         [{['$1', '$2'], [], [{return_trace}, {exception_trace}, {message, '$2'}]}], [{['$1', '$2'], [], [{message, a}, {message, b}]}],
         [{['$1', 1], [], [{message, a}]}, {['$1', '_'], [{'>', '$1', 0}], [{message, {{second, '$1'}}}]}], [{[1, two], [false], []}],
         [{[['$1'], '_'], [], []}], [{'_', [], [x | y]}]]],
    [tm(E) || E <- [{get_seq_token}, {is_seq_trace}, {get_tcw}, {return_trace}, {exception_trace}, {message, x}, {'+', 1, 2}, {hd, []},
                    {node}, {{a, '$1'}}, {set_tcw, 0}, {set_tcw, x}, {self, 1}, {const, {a}}, [a, '$2']]],
    [begin tr({F}), tr({F, 1}), tr({F, 1, 2}), tg({F}), tg({F, 1}) end
     || F <- [is_seq_trace, get_seq_token, return_trace, exception_trace, message]],
    [begin tr(E), tg(E) end || E <- [{set_seq_token}, {set_seq_token, label}, {display}, {display, 1, 2}, {process_dump, 1}, {caller, 1},
        {caller_line, 1}, {silent}, {silent, 1, 2}, {trace}, {trace, 1}, {enable_trace}, {enable_trace, 1, 2, 3}, {disable_trace},
        {disable_trace, 1, 2, 3}, {set_tcw}, {get_tcw, 1}, {foo}]],
    tg({get_tcw}), tg({set_tcw, 1}), tg({is_seq_trace}), tg({'==', '$1', 1}), tg({'>', '$2', 1}),
    t(x, [{'_', [], []}], trace), t([1 | 2], [{'_', [], []}], trace), t({1}, [{'_', [], [1]}], foo), t({1}, [], trace), t(1, 2, 3).

compiled() ->
    C = ets:match_spec_compile([{{'$1', '$2'}, [{'>', '$1', 1}], [{{'$2', '$1'}}]}, {{'$1'}, [], ['$1']}]),
    io:format("~p~n", [{is_reference(C), ets:is_compiled_ms(C), ets:is_compiled_ms(x), ets:is_compiled_ms(make_ref())}]),
    io:format("~p~n", [ets:match_spec_run([{1, 2}, {2, 3}, {x}, y, {3, [4]}, {"s"}], C)]),
    io:format("~p~n", [catch length(ets:match_spec_run([{I, I} || I <- lists:seq(1, 100000)], C))]),
    io:format("~p~n", [ets:match_spec_run_r([{x}, {y}], C, [a, b])]),
    [io:format("~p~n", [try ets:match_spec_run(L, M) catch E:R -> {E, R} end]) || {L, M} <- [{[{1}], x}, {[{1} | x], C}, {x, C}, {[], C}]],
    [io:format("~p~n", [try ets:match_spec_compile(M) catch E:R -> {E, R} end]) || M <- [x, [{'_', [], []}], [{'_', [], ['$1']}]]],
    io:format("~p~n", [ets:test_ms({1, 2}, [{{'$1', '$2'}, [], [{'+', '$1', '$2'}]}])]).

%% Neither depth nor length is bounded by the stack.
deep() ->
    D = lists:foldl(fun(_, A) -> {A, x} end, '$1', lists:seq(1, 100000)),
    S = lists:foldl(fun(_, A) -> {A, x} end, found, lists:seq(1, 100000)),
    io:format("~p~n", [erlang:match_spec_test(S, [{D, [], ['$1']}], table)]),
    L = lists:seq(1, 2000),
    {ok, R, _, _} = erlang:match_spec_test({L}, [{{L ++ '$1'}, [], [L ++ ['$1']]}], table),
    io:format("~p~n", [R =:= L ++ [[]]]),
    E = lists:foldl(fun(_, A) -> {'+', 1, A} end, '$1', lists:seq(1, 2000)),
    io:format("~p~n", [erlang:match_spec_test({7}, [{{'$1'}, [], [E]}], table)]),
    T = lists:foldl(fun(_, A) -> {{A}} end, '$1', lists:seq(1, 2000)),
    {ok, N, [], []} = erlang:match_spec_test({7}, [{{'$1'}, [], [T]}], table),
    io:format("~p~n", [depth(N, 0)]).

depth({X}, N) -> depth(X, N + 1);
depth(X, N) -> {X, N}.
