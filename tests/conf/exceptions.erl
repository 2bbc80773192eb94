%% SPDX-License-Identifier: Apache-2.0
%% Classes, reasons and stack traces of all that can go wrong in a function.
-module(exceptions).
-export([main/0, f/1, g/2, undefd/0, deep/1, rec/1, guarded/1]).
-record(r, {a, b}).

p(Tag, Value) -> io:format("~p: ~p~n", [Tag, Value]).

%% Keeps the frames of this module and of natives: those below (the test's own start) differ.
try_it(Tag, Fun) ->
    try Fun() of
        V -> p(Tag, {value, V})
    catch
        C:R:S -> p(Tag, {C, R, [frame(X) || X <- lists:takewhile(fun keep/1, S)]})
    end.
keep({?MODULE, main, _, _}) -> false;
keep({?MODULE, try_it, _, _}) -> false;
keep({erl_eval, _, _, _}) -> false;
keep({init, _, _, _}) -> false;
keep(_) -> true.
frame({M, F, A, L}) -> {M, F, A, lists:keysort(1, L)}.

f(1) -> one;
f({x, Y}) when Y > 3 -> x.
g(A, B) -> A + B.
undefd() -> no_such_module:no_such(1, [2]).
deep(0) -> error(bottom);
deep(N) -> 1 + deep(N - 1).
rec(R) -> R#r.a.
guarded(X) when is_integer(X), X > 0; is_atom(X) -> ok.

id(X) -> X.

%% The ways to apply: in a tail call with a known number of arguments, with a list, and not in a tail call.
applied_last(M, F, [A]) -> id(M), M:F(A);
applied_last(M, F, [A, B]) -> id(M), M:F(A, B);
applied_last(M, F, [A, B, C]) -> id(M), M:F(A, B, C).
applied_list(M, F, A) -> id(M), apply(M, F, A).
applied_body(M, F, A) -> {apply(M, F, A)}.

main() ->
    [try_it(T, F) || {T, F} <- [
        {function_clause, fun() -> f({x, 2}) end},
        {function_clause_2, fun() -> guarded("s") end},
        {badarith, fun() -> g(1, a) end},
        {badarith_zero, fun() -> id(1) div id(0) end},
        {badarith_rem, fun() -> id(1) rem id(0) end},
        {badarith_float, fun() -> id(1.0) / id(0) end},
        {badarith_overflow, fun() -> id(1.0e308) * id(1.0e10) end},
        {badmatch, fun() -> {ok, _} = id(error) end},
        {case_clause, fun() -> case id(3) of 4 -> ok end end},
        {if_clause, fun() -> X = id(3), if X > 4 -> ok end end},
        {try_clause, fun() -> try id(3) of 4 -> ok catch _:_ -> no end end},
        {badfun, fun() -> (id(3))() end},
        {badarity, fun() -> (fun(X) -> X end)(id(1), 2) end},
        {undef, fun() -> undefd() end},
        {undef_local_module, fun() -> ?MODULE:nothing(1, 2) end},
        {undef_lambda, fun() -> (fun no_such_module:f/1)(1) end},
        {badmap, fun() -> (id(3))#{a => 1} end},
        {badkey, fun() -> (id(#{}))#{a := 1} end},
        {badkey_get, fun() -> map_get(a, id(#{})) end},
        {badrecord, fun() -> rec({r, 1}) end},
        {badrecord2, fun() -> (id(x))#r{a = 1} end},
        {badarg_bif, fun() -> atom_to_list(id(1)) end},
        {badarg_element, fun() -> element(id(3), {1, 2}) end},
        {badarg_hd, fun() -> hd(id([])) end},
        {badarg_binary, fun() -> <<(id(a)):8>> end},
        {badarg_comprehension, fun() -> [X || X <- id(a)] end},
        {bad_generator_bin, fun() -> [X || <<X>> <= id(a)] end},
        {bad_filter, fun() -> [X || X <- [1], id(foo)] end},
        {badarg_and, fun() -> id(1) andalso true end},
        {badarg_and2, fun() -> id(true) and id(1) end},
        {throw, fun() -> throw({t, 1}) end},
        {exit, fun() -> exit({e, 1}) end},
        {error, fun() -> error({er, 1}) end},
        {error_args, fun() -> error(foo, [a, b]) end},
        {error_none, fun() -> error(foo, none) end},
        {error_info, fun() -> error(foo, [1], [{error_info, #{cause => why}}]) end},
        {deep, fun() -> deep(20) end},
        {system_limit, fun() -> id(1) bsl id(1 bsl 40) end},
        {list_to_atom_limit, fun() -> list_to_atom(lists:duplicate(256, $a)) end},
        {lists_badarg, fun() -> lists:keyfind(a, id(0), []) end},
        {apply_bad, fun() -> apply(id(3), f, []) end},
        {apply_args, fun() -> apply(?MODULE, f, id([1 | 2])) end},
        {ets, fun() -> ets:lookup(id(no_table), 1) end},
        {binary_to_integer, fun() -> binary_to_integer(id(<<"x">>)) end},
        {list_to_float, fun() -> list_to_float(id("1")) end},
        {tuple_size, fun() -> tuple_size(id([])) end},
        {length, fun() -> length(id([1 | 2])) end},
        {bnot_, fun() -> bnot id(1.5) end},
        {unary_minus, fun() -> -id(a) end},
        {iolist, fun() -> iolist_to_binary(id([256])) end},
        {maps_badmap, fun() -> maps:get(a, id(b)) end},
        {apply_raisers, fun() ->
            [try_it({apply_raiser, F, length(A), Kind}, fun() -> Apply(erlang, F, A) end) ||
                {F, A} <- [{error, [r]}, {error, [r, [x]]}, {error, [r, [x], []]}, {exit, [r]}, {throw, [r]},
                           {exit, [not_a_pid, r]}, {nif_error, [r]}, {raise, [error, r, []]}],
                {Kind, Apply} <- [{last, fun applied_last/3}, {list, fun applied_list/3}, {body, fun applied_body/3}]]
        end},
        {erlang_apply, fun() -> erlang:apply(erlang, '+', [1, a]) end}
    ]],
    nested(), catches(), after_(), raise().

nested() ->
    p(nested, try try error(a) catch error:a -> error(b) after p(inner, done) end catch C:R -> {C, R} end),
    p(rethrow, try try throw(x) catch error:_ -> no end catch throw:Y -> {outer, Y} end),
    p('of', catch try 1 of 1 -> throw(in_of) catch throw:_ -> caught after p(after_of, ok) end),
    ok.

catches() ->
    p(c1, catch throw(t)),
    p(c2, catch exit(e)),
    {'EXIT', {er, S}} = (catch error(er)), p(c3, is_list(S)),
    p(c4, catch 1 + 1),
    p(c5, (catch throw(a)) =:= a).

after_() ->
    p(a1, catch try throw(x) after throw(y) end),
    p(a2, try 5 after p(side, effect) end).

raise() ->
    p(raise, try erlang:raise(exit, foo, [{a, b, 1, []}]) catch C:R:S -> {C, R, S} end),
    p(raise_bad, catch erlang:raise(foo, bar, [])),
    p(raise_keep, try
                      try error(orig) catch C2:R2:S2 -> erlang:raise(C2, R2, S2) end
                  catch C3:R3:S3 -> {C3, R3, element(2, hd(S3))} end),
    p(nocatch, begin
                   {_, M} = spawn_monitor(fun() -> throw(up) end),
                   receive {'DOWN', M, _, _, {{nocatch, W}, _}} -> W end
               end).
