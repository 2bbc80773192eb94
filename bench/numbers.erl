%% SPDX-License-Identifier: Apache-2.0
%% Floats and large integers.
-module(numbers).
-behaviour(bench).
-export([programs/0, mandelbrot/1, nbody/1, float_text/1, factorial/1, pidigits/1, mod_power/1, big_text/1]).

programs() ->
    [{mandelbrot, 320}, {nbody, 150000}, {float_text, 200000}, {factorial, 12000}, {pidigits, 1200},
     {mod_power, 300}, {big_text, 1000}].

mandelbrot(N) -> [row(N, Y / N * 2.0 - 1.0) || Y <- lists:seq(1, N)].

row(N, Ci) -> lists:sum([escape(X / N * 3.0 - 2.0, Ci, 0.0, 0.0, 50) || X <- lists:seq(1, N)]).

escape(_, _, _, _, 0) -> 50;
escape(_, _, Zr, Zi, N) when Zr * Zr + Zi * Zi > 4.0 -> 50 - N;
escape(Cr, Ci, Zr, Zi, N) -> escape(Cr, Ci, Zr * Zr - Zi * Zi + Cr, 2.0 * Zr * Zi + Ci, N - 1).

%% Two bodies and a sun, one step each turn.
nbody(N) -> nbody(N, {0.0, 0.0, 0.0, 0.0, 1.0}, {1.0, 0.0, 0.0, 1.0, 0.001}, {0.0, 2.0, -0.7, 0.0, 0.002}).

nbody(0, A, B, C) -> [[round(V * 1.0e6) || V <- tuple_to_list(Body)] || Body <- [A, B, C]];
nbody(N, A0, B0, C0) ->
    {A1, B1} = pull(A0, B0),
    {A2, C1} = pull(A1, C0),
    {B2, C2} = pull(B1, C1),
    nbody(N - 1, move(A2), move(B2), move(C2)).

pull({X1, Y1, Vx1, Vy1, M1}, {X2, Y2, Vx2, Vy2, M2}) ->
    Dx = X1 - X2,
    Dy = Y1 - Y2,
    D2 = Dx * Dx + Dy * Dy,
    F = 0.001 / (D2 * math:sqrt(D2)),
    {{X1, Y1, Vx1 - Dx * M2 * F, Vy1 - Dy * M2 * F, M1}, {X2, Y2, Vx2 + Dx * M1 * F, Vy2 + Dy * M1 * F, M2}}.

move({X, Y, Vx, Vy, M}) -> {X + Vx * 0.001, Y + Vy * 0.001, Vx, Vy, M}.

%% Shortest printing and reading back.
float_text(N) -> float_text(N, 0.1, 0).

float_text(0, _, Sum) -> Sum;
float_text(N, F, Sum) ->
    Text = float_to_list(F, [short]),
    true = list_to_float(Text) =:= F,
    float_text(N - 1, math:fmod(F * 1.618033988749895 + 0.0123, 1.0e6), Sum + length(Text)).

factorial(N) -> factorial(N, 1).

factorial(0, Product) -> Product;
factorial(N, Product) -> factorial(N - 1, Product * N).

%% Gibbons' spigot: additions, products and divisions of growing integers.
pidigits(N) -> pidigits(N, 1, 0, 1, 1, 3, 3, []).

pidigits(0, _, _, _, _, _, _, Digits) -> Digits;
pidigits(Left, Q, R, T, K, N, L, Digits) when 4 * Q + R - T < N * T ->
    pidigits(Left - 1, Q * 10, 10 * (R - N * T), T, K, 10 * (3 * Q + R) div T - 10 * N, L, [N | Digits]);
pidigits(Left, Q, R, T, K, _, L, Digits) ->
    pidigits(Left, Q * K, (2 * Q + R) * L, T * L, K + 1, (Q * (7 * K + 2) + R * L) div (T * L), L + 2, Digits).

%% Modular powers of 512-bit numbers.
mod_power(N) ->
    Modulus = (1 bsl 512) - 569,
    lists:foldl(fun(I, Acc) -> power(Acc + I, 1 bsl 127 - 1, Modulus, 1) end, 3, lists:seq(1, N)).

power(_, 0, _, Acc) -> Acc;
power(Base, E, M, Acc) when E band 1 =:= 1 -> power(Base * Base rem M, E bsr 1, M, Acc * Base rem M);
power(Base, E, M, Acc) -> power(Base * Base rem M, E bsr 1, M, Acc).

big_text(N) ->
    Big = (1 bsl 5000) - 1,
    lists:foldl(fun(I, Sum) ->
        Text = integer_to_list(Big - I),
        Sum + list_to_integer(Text) band 16#ffff
    end, 0, lists:seq(1, N)).
