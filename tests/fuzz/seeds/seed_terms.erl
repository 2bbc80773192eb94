%% SPDX-License-Identifier: Apache-2.0
%% What the fuzzer of running modules begins with: data.
-module(seed_terms).
-export([f/1, g/2, h/2, i/1, j/2, k/1]).

-record(r, {a, b = 2, c}).

f([{K, V} | T]) when is_atom(K) -> [{V, K} | f(T)];
f([H | T]) -> [H | f(T)];
f({A, B, C}) -> #r{a = {A, C}, b = B, c = [A, B | C]};
f(#{a := A} = M) -> M#{a := [A], b => {A}};
f(X) -> {X, g(X, [])}.

g(#r{a = A} = R, L) -> R#r{b = L, c = A};
g(X, L) when is_integer(X), X > 3; is_float(X) -> {X + 1, X * 2.5 - 1.0, X / 2, -X, L};
g(X, L) when is_list(X), length(X) < 10 -> lists:reverse(X, L);
g(X, _) -> setelement(2, {a, b, c, X}, X).

h(T, I) when is_tuple(T), tuple_size(T) > 2 ->
    T1 = setelement(1, T, I),
    T2 = setelement(2, T1, [I]),
    setelement(3, T2, {T1});
h(M, K) when is_map_key(K, M) -> {map_get(K, M), M#{K => K}, maps:size(M)};
h(X, Y) -> {X =:= Y, X < Y, X == Y, [X | Y]}.

i(X) ->
    case X of
        a -> 1; b -> 2; c -> 3; d -> 4; e -> 5; f -> 6; g -> 7;
        1 -> a; 2 -> b; 3 -> c; 4 -> d; 5 -> e;
        "xy" -> list; 1.5 -> float;
        {} -> 0; {_} -> 1; {_, _} -> 2; {a, B, C} -> {C, B};
        _ -> other
    end.

j(X, Y) ->
    F = fun(Z) -> {X, Y, Z} end,
    G = fun(0, _) -> [F(Y)]; (N, Self) when N < 5 -> [X | Self(N - 1, Self)]; (_, _) -> F end,
    {F(X), G(3, G), catch (G(X, G))(1), fun ?MODULE:i/1, apply(?MODULE, i, [X])}.

k(X) ->
    A = X band 255, B = X bsl 70, C = B bxor X, D = C div 7 + C rem 11,
    [A, B, C, D, bnot D, D bsr 3, abs(D), float(A) * 1.0e10].
