%% SPDX-License-Identifier: Apache-2.0
%% The bytes of the input are read as terms: a match specification, or something that nearly is one, and what
%% to match. It is tested, compiled and run as a trace pattern and on tables, whose three ways to count what
%% matches must agree.
-module(fuzz_match_spec).
-export([run/1]).

run(<<How:4, Type:2, Count:2, Rest/binary>>) ->
    {Spec, Bytes} = spec(Count, Rest),
    {Terms, Left} = terms(3, Bytes),
    case How of
        0 -> traced(Terms, Spec);
        1 -> run_compiled(Terms, Spec);
        2 -> called(fun() -> erlang:trace_pattern({fuzz_match_spec, run, 1}, Spec, [local]) end),
             called(fun() -> erlang:trace_pattern({fuzz_match_spec, run, 1}, false, [local]) end);
        3 -> {Wild, _} = term(5, Left), traced(Terms, Wild);
        _ -> table(Type, Terms, Spec)
    end;
run(_) ->
    ok.

called(F) ->
    try F() catch error:Why -> {raised, Why} end.

traced(Terms, Spec) ->
    [begin
         called(fun() -> erlang:match_spec_test(T, Spec, table) end),
         called(fun() -> erlang:match_spec_test([T, T], Spec, trace) end),
         called(fun() -> erlang:match_spec_test(T, Spec, trace) end)
     end || T <- [{} | Terms]].

run_compiled(Terms, Spec) ->
    case called(fun() -> ets:match_spec_compile(Spec) end) of
        {raised, _} -> ok;
        Compiled ->
            true = ets:is_compiled_ms(Compiled),
            called(fun() -> ets:match_spec_run_r([tupled(T) || T <- Terms], Compiled, []) end)
    end.

tupled(T) when is_tuple(T) -> T;
tupled(T) -> {T}.

table(Type, Terms, Spec) ->
    Tab = ets:new(t, [element(Type + 1, {set, ordered_set, bag, duplicate_bag})]),
    [called(fun() -> ets:insert(Tab, tupled(T)) end) || T <- Terms],
    _ = ets:insert(Tab, [{1, a}, {2, b}, {{a, 1}, c, 3}, {x, [1, 2]}]),
    Forward = called(fun() -> ets:select(Tab, Spec) end),
    Back = called(fun() -> ets:select_reverse(Tab, Spec) end),
    agree(Type, Forward, Back, Spec),
    _ = called(fun() -> chunks(ets:select(Tab, Spec, 2)) end),
    _ = called(fun() -> ets:select_count(Tab, Spec) end),
    _ = called(fun() -> [ets:match(Tab, P) || {P, _, _} <- Spec] end),
    _ = called(fun() -> [ets:match_object(Tab, P, 1) || {P, _, _} <- Spec] end),
    _ = called(fun() -> ets:select_replace(Tab, Spec) end),
    _ = called(fun() -> ets:internal_select_delete(Tab, Spec) end),
    true = is_integer(ets:info(Tab, size)),
    true = ets:delete(Tab).

chunks('$end_of_table') -> ok;
chunks({_, Continuation}) -> chunks(ets:select(Continuation)).

agree(1, Forward, Back, Spec) when is_list(Forward) ->
    case lists:reverse(Back, []) of
        Forward -> ok;
        _ -> wrong({Forward, Back, Spec})
    end;
agree(_, Forward, Back, Spec) when is_list(Forward), length(Forward) =/= length(Back) ->
    wrong({Forward, Back, Spec});
agree(_, _, _, _) -> ok.

wrong(What) ->
    erlang:display(What),
    halt(1).

%% --- terms ---------------------------------------------------------------------------------------------------
spec(0, Bytes) ->
    {Head, B1} = head(Bytes),
    {Body, B2} = terms(2, B1),
    {[{Head, [], Body}], B2};
spec(N, Bytes) ->
    {Head, B1} = head(Bytes),
    {Guards, B2} = terms(1, B1),
    {Body, B3} = terms(1, B2),
    {More, B4} = spec(N - 1, B3),
    {[{Head, Guards, Body} | More], B4}.

head(<<0:2, N:6, Bytes/binary>>) -> {element(N rem 4 + 1, {'_', '$1', {'$1', '$2'}, ['$1' | '_']}), Bytes};
head(Bytes) ->
    {Elements, Left} = terms(3, Bytes),
    {list_to_tuple(Elements), Left}.

terms(Depth, <<N:8, Bytes/binary>>) -> terms(Depth, N band 3, Bytes, []);
terms(_, <<>>) -> {[], <<>>}.

terms(_, 0, Bytes, Acc) -> {lists:reverse(Acc, []), Bytes};
terms(Depth, N, Bytes, Acc) ->
    {T, Left} = term(Depth, Bytes),
    terms(Depth, N - 1, Left, [T | Acc]).

term(_, <<>>) -> {[], <<>>};
term(Depth, <<Kind:4, V:4, Bytes/binary>>) when Depth > 0 ->
    case Kind of
        0 -> {element(V + 1, {'_', '$1', '$2', '$3', '$_', '$$', '$0', '$100', '$1', '$2', '$_', '_', '$x', '',
            '$', '$99'}), Bytes};
        1 -> {V - 3, Bytes};
        2 -> leaf(V, Bytes);
        3 -> list(Depth, V band 3, Bytes);
        4 -> tuple(Depth, V band 3, Bytes);
        5 -> {T, Left} = tuple(Depth, V band 3, Bytes), {{T}, Left};
        6 -> map(Depth, V band 1, Bytes);
        7 -> {T, Left} = term(Depth - 1, Bytes), {{const, T}, Left};
        8 -> call(Depth, 1, element(V + 1, tests()), Bytes);
        9 -> call(Depth, 1, element(V + 1, unary()), Bytes);
        10 -> call(Depth, 2, element(V + 1, binary()), Bytes);
        11 -> call(Depth, 2, element(V + 1, comparing()), Bytes);
        12 -> call(Depth, V band 3, element(V + 1, logic()), Bytes);
        13 -> call(Depth, V bsr 2, element(V + 1, actions()), Bytes);
        14 -> {A, L1} = term(Depth - 1, Bytes), {B, L2} = term(Depth - 1, L1), {[A | B], L2};
        15 -> {V bsl 61, Bytes}
    end;
term(_, <<_:4, V:4, Bytes/binary>>) ->
    leaf(V, Bytes).

leaf(V, Bytes) ->
    {element(V + 1, {a, b, true, false, [], {}, 1.5, 1.0, <<"bin">>, <<5:3>>, 1 bsl 70, -1, #{}, "ab", self(),
     '$1'}), Bytes}.

list(Depth, N, Bytes) -> terms(Depth - 1, N, Bytes, []).

tuple(Depth, N, Bytes) ->
    {Elements, Left} = list(Depth, N, Bytes),
    {list_to_tuple(Elements), Left}.

map(Depth, N, Bytes) ->
    {Elements, Left} = list(Depth, 2 * N + 2, Bytes),
    {pairs(Elements, #{}), Left}.

pairs([K, V | Rest], Map) -> pairs(Rest, Map#{K => V});
pairs(_, Map) -> Map.

call(Depth, N, Name, Bytes) ->
    {Args, Left} = list(Depth, N, Bytes),
    {list_to_tuple([Name | Args]), Left}.

tests() ->
    {is_atom, is_float, is_integer, is_list, is_number, is_pid, is_port, is_reference, is_tuple, is_map,
     is_map_key, is_binary,
     is_function, is_record, is_bitstring, is_seq_trace}.
unary() ->
    {abs, hd, length, node, round, size, tl, trunc, '-', '+', 'bnot', map_size, bit_size, byte_size, float,
     tuple_size}.
binary() ->
    {'+', '-', '*', 'div', 'rem', 'band', 'bor', 'bxor', 'bsl', 'bsr', element, map_get, is_map_key,
     binary_part, '/', '++'}.
comparing() ->
    {'>', '>=', '<', '=<', '=:=', '==', '=/=', '/=', '>', '>=', '<', '=<', 'xor', 'and', 'or', '=:='}.
logic() ->
    {'and', 'or', 'andalso', 'orelse', 'not', 'xor', self, node, 'not', 'and', 'or', 'andalso', 'orelse',
     is_record, binary_part,
     list_to_tuple}.
actions() ->
    {message, return_trace, exception_trace, set_seq_token, get_seq_token, process_dump, enable_trace,
     disable_trace, trace, display_not,
     caller, set_tcw, silent, get_tcw, caller_line, current_stacktrace}.
