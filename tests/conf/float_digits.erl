%% SPDX-License-Identifier: Apache-2.0
%% The shortest digits of floats: around every power of two, below the normal range, at random.
-module(float_digits).
-export([main/0]).

main() ->
    rand:seed(exsss, {7, 7, 7}),
    Known = [0.1, -1.25, 1.0, 5.0e-324, 2.2250738585072014e-308, 2.225073858507201e-308, 1.7976931348623157e308,
             9007199254740992.0, 9007199254740993.0, 1.0e22, 1.0e23, 123456789.0, 4.35, 0.3, 2.0e-5, 299792458.0, 1.0e15],
    Powers = [F || E <- lists:seq(1, 2046),
                   <<F/float>> <- [<<0:1, E:11, 0:52>>, <<0:1, E:11, 1:52>>, <<0:1, (E - 1):11, 16#fffffffffffff:52>>]],
    Small = [F || E <- lists:seq(0, 51), <<F/float>> <- [<<0:12, (1 bsl E):52>>, <<0:12, ((1 bsl E) + 1):52>>]],
    [io:format("~s~n", [float_to_list(F, [short])]) || F <- Known ++ Powers ++ Small],
    io:format("~p~n", [hash([random() || _ <- lists:seq(1, 30000)])]),
    io:format("~p~n", [hash([rand:uniform(1000000) / 100 || _ <- lists:seq(1, 30000)])]).

random() ->
    case <<(rand:uniform(1 bsl 64) - 1):64>> of
        <<F/float>> -> F;
        _ -> 0.0
    end.

hash(Floats) -> erlang:phash2([float_to_list(F, [short]) || F <- Floats]).
