%% SPDX-License-Identifier: Apache-2.0
%% Integers of all sizes and floats: arithmetic, comparison, conversion, printing, math.
-module(numbers).
-export([main/0]).

p(Tag, Value) -> io:format("~p: ~p~n", [Tag, Value]).
try_(F) -> try F() catch C:R -> {C, R} end.

ints() ->
    [0, 1, -1, 7, -8, 255, 1 bsl 27, -(1 bsl 27), 1 bsl 31, 1 bsl 58, (1 bsl 59) - 1, 1 bsl 59, -(1 bsl 59), -(1 bsl 59) - 1,
     1 bsl 60, 1 bsl 63, (1 bsl 63) - 1, -(1 bsl 63), 1 bsl 64, (1 bsl 64) - 1, -(1 bsl 64), 1 bsl 65, 12345678901234567890123,
     -12345678901234567890123, 1 bsl 128, (1 bsl 200) + 1, -((1 bsl 333) + 17)].
floats() -> [0.0, -0.0, 1.0, -1.5, 0.1, 1.0e10, 1.0e22, 1.0e23, 123456789.125, 5.0e-324, 1.7976931348623157e308, 2.2250738585072014e-308, 1.0e-7].

main() -> arith(), bits(), compare(), convert(), floating(), math_(), factorial(), powers().

arith() ->
    [p(Op, erlang:phash2([try_(fun() -> erlang:Op(A, B) end) || A <- ints(), B <- ints()]))
     || Op <- ['+', '-', '*', 'div', 'rem', 'band', 'bor', 'bxor', '/', min, max]],
    [p({Op, A}, [try_(fun() -> erlang:Op(A, B) end) || B <- [1, -1, 7, 1 bsl 64, -(1 bsl 70), 0]])
     || Op <- ['+', '-', '*', 'div', 'rem'], A <- [(1 bsl 59) - 1, -(1 bsl 59), 1 bsl 130, -12345678901234567890123]],
    p(unary, [{-A, abs(A), bnot A} || A <- ints()]),
    p(mixed, [try_(fun() -> A * B + A / 3 end) || A <- [1, 1 bsl 70, 3], B <- floats()]).

bits() ->
    p(bsl_, [A bsl S || A <- [1, -1, 5, 1 bsl 64, -(1 bsl 64) - 3], S <- [0, 1, 3, 58, 59, 60, 63, 64, 65, 130, -1, -3, -64, -200]]),
    p(bsr_, [A bsr S || A <- [1, -1, 5, 1 bsl 64, -(1 bsl 64) - 3], S <- [0, 1, 3, 58, 60, 64, 65, 130, -2]]),
    p(ops, [{A band B, A bor B, A bxor B} || A <- [-1, 1 bsl 70, -(1 bsl 70) + 5], B <- [255, -256, (1 bsl 65) - 1]]).

compare() ->
    All = ints() ++ floats() ++ [1.8446744073709552e19, 9.007199254740993e15, 9007199254740993, 9007199254740992],
    p(sort, lists:sort(All)),
    p(cmp, erlang:phash2([{A < B, A == B, A =:= B, A >= B} || A <- All, B <- All])),
    p(eq, [{A, B} || A <- All, B <- All, A == B, A =/= B]).

convert() ->
    p(list, [integer_to_list(A) || A <- ints()]),
    p(base, [integer_to_list(A, B) || A <- [255, -(1 bsl 70), 35], B <- [2, 7, 16, 36]]),
    p(back, [list_to_integer(integer_to_list(A, B), B) =:= A || A <- ints(), B <- [2, 3, 10, 16, 36]] -- lists:duplicate(1000, true)),
    p(bad, [try_(fun() -> list_to_integer(S) end) || S <- ["", "-", "+", "1a", " 1", "1 ", "--1", "+5", "-0", "00012"]]),
    p(trunc, [try_(fun() -> {trunc(F), round(F), floor(F), ceil(F)} end) || F <- floats() ++ [0.5, -0.5, 1.5, 2.5, -2.5, 0.49999999999999994, 4503599627370497.5]]),
    p(float, [try_(fun() -> float(A) end) || A <- ints() ++ [1 bsl 1023, 1 bsl 1024]]),
    p(hash, [erlang:phash2(A) || A <- ints() ++ floats()]),
    p(hash_old, [erlang:phash(A, 1 bsl 32) || A <- ints() ++ floats()]).

floating() ->
    p(print, floats()),
    p(fmt, [[io_lib:format("~w ~.3f ~e ~g ", [F, F, F, F]) || F <- floats(), abs(F) < 1.0e20]]),
    p(f2l, [[float_to_list(F), float_to_list(F, [short]), float_to_list(F, [{scientific, 5}])] || F <- floats()]),
    p(decimals, [float_to_list(F, O) || F <- [0.0, 1.5, -3.14159, 1.0e10, 0.005, 123.456],
                                       O <- [[{decimals, 2}], [{decimals, 4}, compact], [{decimals, 0}]]]),
    p(l2f, [try_(fun() -> list_to_float(S) end) || S <- ["1.0", "-1.5e-3", "1.0e400", "1", "1.", ".5", "1.0e", "1e5", "0.1e1", "1.0E5", " 1.0"]]),
    p(err, [try_(F) || F <- [fun() -> 1.0e308 * id(10.0) end, fun() -> id(1) / 0.0 end, fun() -> id(0.0) / id(0) end,
                             fun() -> float(1 bsl 2000) end, fun() -> id(1 bsl 2000) + 1.0 end]]).
id(X) -> X.

math_() ->
    [p(F, [try_(fun() -> math:F(X) end) || X <- [0, 0.5, 1, -1, 2.5, 100, 1000.0]])
     || F <- [sin, cos, tan, asin, acos, atan, sinh, cosh, tanh, exp, log, log2, log10, sqrt, floor, ceil, erf, erfc]],
    p(two, [try_(fun() -> math:F(X, Y) end) || F <- [pow, atan2, fmod], X <- [0, 2, -2.0, 1.5], Y <- [0, 0.5, -1, 3]]),
    p(pi, math:pi()).

factorial() ->
    F = fun F(0) -> 1; F(N) -> N * F(N - 1) end,
    p(fac50, F(50)), p(fac500, erlang:phash2(F(500))), p(fac_len, length(integer_to_list(F(2000)))),
    p(div_, F(300) div F(298)), p(rem_, F(300) rem (F(150) + 1) =:= F(300) - (F(300) div (F(150) + 1)) * (F(150) + 1)).

powers() ->
    Pow = fun P(_, 0) -> 1; P(B, N) when N rem 2 =:= 0 -> H = P(B, N div 2), H * H; P(B, N) -> B * P(B, N - 1) end,
    p(pow, [erlang:phash2(Pow(B, E)) || B <- [2, 3, -7, 10, 12345678901], E <- [10, 63, 64, 65, 500, 3000]]),
    p(gcd, (fun G(A, 0) -> A; G(A, B) -> G(B, A rem B) end)(Pow(6, 100), Pow(10, 80))).
