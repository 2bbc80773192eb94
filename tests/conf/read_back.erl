%% SPDX-License-Identifier: Apache-2.0
%% Tables and arrays of counters work under references that were written and read back, as long as they are alive.
-module(read_back).
-export([main/0]).

main() ->
    Table = ets:new(a, [public]),
    true = ets:insert(Table, {1, 2}),
    Counters = atomics:new(1, []),
    Ways = [fun(T) -> binary_to_term(term_to_binary(T)) end,
            fun(T) -> list_to_ref(ref_to_list(T)) end,
            fun(T) -> hd(binary_to_term(term_to_binary([T, {T}], [compressed]))) end],
    [io:format("~p ~p ~p~n", [ets:lookup(W(Table), 1), atomics:add_get(W(Counters), 1, 1), W(Table) =:= Table]) || W <- Ways],
    Plain = make_ref(),
    [io:format("~p~n", [W(Plain) =:= Plain]) || W <- Ways],
    Text = ref_to_list(Table),
    true = ets:delete(Table),
    io:format("~p~n", [(catch ets:insert(list_to_ref(Text), {1, 2})) =:= true]),
    Many = [ets:new(t, [public]) || _ <- lists:seq(1, 500)],
    Texts = [ref_to_list(T) || T <- Many],
    [ets:insert(T, {key, N}) || {N, T} <- lists:enumerate(Many)],
    io:format("~p~n", [lists:sum([ets:lookup_element(list_to_ref(T), key, 2) || T <- Texts])]),
    [ets:delete(T) || T <- Many].
