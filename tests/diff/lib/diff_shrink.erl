%% SPDX-License-Identifier: Apache-2.0
%% Makes a case smaller for as long as Try(Candidate) says {true, Case}: it differs still. Greedy: the first smaller
%% one is taken
%% and the search starts over, until none is left or the patience ends.
-module(diff_shrink).
-export([shrink/2]).

-define(PATIENCE, 3000).

shrink(Case, Try) ->
    put(patience, ?PATIENCE),
    Small = loop(prepare(Case, Try), Try),
    erase(patience),
    Small.

prepare({program, Module, _, Calls, {source, _, Text, Options, _}} = Case, Try) ->
    {_, Forms, _} = diff_program:compile(Module, Text, Options),
    Kept = [F || F <- Forms],
    first([{forms, Module, Kept, Options, [C]} || C <- Calls] ++ [{forms, Module, Kept, Options, Calls}], Try, Case);
prepare(Case, _) -> Case.

first([C | More], Try, Default) ->
    case Try(C) of
        {true, Case} -> Case;
        false -> first(More, Try, Default)
    end;
first([], _, Default) -> Default.

loop(Case, Try) ->
    case search(candidates(Case), Try) of
        none -> Case;
        Smaller -> loop(Smaller, Try)
    end.

search(Candidates, Try) ->
    case get(patience) of
        N when N =< 0 -> none;
        N ->
            case Candidates() of
                [C | More] ->
                    put(patience, N - 1),
                    case Try(C) of
                        {true, Case} -> Case;
                        false -> search(More, Try)
                    end;
                [] -> none
            end
    end.

%% Lazy lists: a function of no arguments that gives [] or [Head | Lazy].
candidates({call, M, F, A}) -> each(args(A), fun(B) -> {call, M, F, B} end);
candidates({ets, {T, O, Ops}}) -> each(both(sublists(Ops), one_of(Ops)), fun(X) -> {ets, {T, O, X}} end);
candidates({procs, Steps}) -> each(sublists(Steps), fun(X) -> {procs, X} end);
candidates({program, _, _, _, {forms, Module, Forms, Options, Calls}}) ->
    New = fun(F, O, C) -> {forms, Module, F, O, C} end,
    both(each(sublists(Options), fun(O) -> New(Forms, O, Calls) end),
         both(each(sublists(Forms), fun(F) -> New(F, Options, Calls) end),
              both(each(parts(Forms), fun(F) -> New(F, Options, Calls) end),
                   each(one_of(Calls), fun(C) -> New(Forms, Options, C) end))));
candidates(_) -> fun() -> [] end.

each(Lazy, F) ->
    fun() ->
        case Lazy() of
            [X | More] -> [F(X) | each(More, F)];
            [] -> []
        end
    end.

both(A, B) ->
    fun() ->
        case A() of
            [X | More] -> [X | both(More, B)];
            [] -> B()
        end
    end.

of_list(L) -> fun() -> case L of [H | T] -> [H | of_list(T)]; [] -> [] end end.

args(A) -> one_of(A).

%% A list with one of its elements smaller.
one_of(L) -> one_of([], L).

one_of(_, []) -> of_list([]);
one_of(Before, [X | After]) ->
    both(each(term(X), fun(Y) -> lists:reverse(Before, [Y | After]) end), fun() -> (one_of([X | Before], After))() end).

%% Without a half, a quarter ... one of the elements.
sublists(L) -> sublists(L, length(L) div 2).

sublists(L, 0) -> case L of [_ | T] -> of_list([T]); [] -> of_list([]) end;
sublists(L, N) ->
    Cuts = [lists:sublist(L, I) ++ lists:nthtail(min(I + N, length(L)), L) || I <- lists:seq(0, length(L) - 1, N)],
    case N of
        1 -> of_list(Cuts);
        _ -> both(of_list(Cuts), fun() -> (sublists(L, N div 2))() end)
    end.

term(0) -> of_list([]);
term(I) when is_integer(I) -> of_list(lists:usort([X || X <- [0, 1, I div 2, I bsr 60, I - 1, I + 1, -I],
    abs(X) < abs(I)]));
term(F) when is_float(F) -> of_list([X || X <- [0.0, 1.0, trunc_of(F)], abs(X) < abs(F)]);
term([]) -> of_list([]);
term(L) when is_list(L) ->
    try length(L) of
        _ -> both(of_list([[]]), both(sublists(L), one_of(L)))
    catch error:_ ->
        [H | T] = L,
        both(of_list([T, [H]]), both(each(term(H), fun(X) -> [X | T] end), each(term(T), fun(X) -> [H | X] end)))
    end;
term({}) -> of_list([]);
term(T) when is_tuple(T) -> each(both(sublists(tuple_to_list(T)), one_of(tuple_to_list(T))), fun list_to_tuple/1);
term(M) when is_map(M), map_size(M) > 0 -> each(both(sublists(maps:to_list(M)), one_of(maps:to_list(M))), fun(L) ->
    try maps:from_list(L) catch error:_ -> #{} end end);
term(B) when is_bitstring(B), bit_size(B) > 0 ->
    Bits = bit_size(B),
    Cut = fun(N) -> <<X:N/bits, _/bits>> = B, X end,
    Rest = fun(N) -> <<_:N/bits, X/bits>> = B, X end,
    of_list([<<>>, Cut(Bits div 16 * 8), Rest(Bits div 16 * 8)] ++ [Cut(Bits - 8) || Bits >= 8] ++ [Rest(8)
        || Bits >= 8] ++ [Cut(Bits - 1)]);
term(A) when is_atom(A), A =/= a -> of_list([a]);
term(_) -> of_list([]).

trunc_of(F) -> try float(trunc(F)) catch error:_ -> 1.0 end.

%% Abstract forms: lists lose elements, expressions become what is in them or a constant.
parts(L) when is_list(L), L =/= [] -> both(case L of [_, _ | _] -> sublists(L, 1); _ -> of_list([]) end, parts([], L));
parts(T) when is_tuple(T), tuple_size(T) > 1 ->
    Inside = parts(2, T),
    case is_expression(T) of
        true -> both(of_list([X || X <- inner(T), X =/= T] ++ [X || X <- [{atom, 1, a}, {integer, 1, 0}, {nil, 1}],
            element(1, X) =/= element(1, T)]), Inside);
        false -> Inside
    end;
parts(_) -> of_list([]).

parts(Before, [X | After]) when is_list(Before) ->
    both(each(parts(X), fun(Y) -> lists:reverse(Before, [Y | After]) end), fun() -> (parts([X | Before], After))() end);
parts(Before, []) when is_list(Before) -> of_list([]);
parts(I, T) when I > tuple_size(T) -> of_list([]);
parts(I, T) -> both(each(parts(element(I, T)), fun(Y) -> setelement(I, T, Y) end), fun() -> (parts(I + 1, T))() end).

%% The expressions directly below.
inner(T) -> lists:flatmap(fun inner_of/1, tl(tuple_to_list(T))).

inner_of(L) when is_list(L) -> lists:flatmap(fun inner_of/1, L);
inner_of(T) when is_tuple(T) -> case is_expression(T) of true -> [T]; false -> inner(T) end;
inner_of(_) -> [].

is_expression(T) ->
    lists:member(element(1, T), ['case', 'if', 'try', 'catch', call, match, cons, tuple, map, bin, lc, bc, op, 'fun',
        named_fun, block, 'receive', record, string, 'integer', float]).
