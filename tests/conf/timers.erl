%% SPDX-License-Identifier: Apache-2.0
%% Timers: order, cancelling, reading, the module timer. Times themselves are only bounded.
-module(timers).
-export([main/0]).

p(Tag, Value) -> io:format("~p: ~p~n", [Tag, Value]).
try_(F) -> try F() catch C:R -> {C, R} end.

main() ->
    [erlang:send_after(T, self(), {t, T}) || T <- [90, 30, 60, 0, 120]],
    p(order, [receive {t, T} -> T after 2000 -> timeout end || _ <- lists:seq(1, 5)]),
    R = erlang:start_timer(20, self(), msg),
    p(start, receive {timeout, R, M} -> M after 1000 -> none end),
    C = erlang:send_after(5000, self(), never),
    Left = erlang:read_timer(C),
    p(read, Left > 4000 andalso Left =< 5000),
    Cancelled = erlang:cancel_timer(C),
    p(cancel, Cancelled > 4000),
    p(cancel_again, [erlang:cancel_timer(C), erlang:read_timer(C), erlang:cancel_timer(C, [{info, false}])]),
    D = erlang:send_after(5000, self(), never),
    p(async, erlang:cancel_timer(D, [{async, true}])),
    p(async_reply, receive {cancel_timer, D, L} when L > 4000 -> ok after 1000 -> none end),
    Abs = erlang:monotonic_time(millisecond) + 30,
    erlang:send_after(Abs, self(), abs, [{abs, true}]),
    p(abs, receive abs -> erlang:monotonic_time(millisecond) >= Abs after 1000 -> none end),
    p(bad, [try_(F) || F <- [fun() -> erlang:send_after(foo, self(), x) end, fun() -> erlang:send_after(-1, self(), x) end,
                             fun() -> erlang:cancel_timer(foo) end, fun() -> erlang:start_timer(1, 2, 3) end,
                             fun() -> erlang:send_after(1 bsl 80, self(), x) end]]),
    erlang:send_after(10, no_such_name, x),
    P = spawn(fun() -> ok end), erlang:send_after(10, P, x),
    {ok, Tr} = timer:send_interval(20, tick),
    p(interval, [receive tick -> t after 1000 -> none end || _ <- [1, 2, 3]]),
    p(cancel_interval, timer:cancel(Tr)),
    p(apply, begin {ok, _} = timer:apply_after(10, erlang, send, [self(), applied]), receive applied -> ok after 1000 -> none end end),
    {T, V} = timer:tc(fun() -> timer:sleep(25), val end),
    p(tc, {T >= 25000, V}),
    N = 5000,
    [erlang:send_after(I rem 50, self(), many) || I <- lists:seq(1, N)],
    p(many, length([receive many -> 1 after 2000 -> exit(lost) end || _ <- lists:seq(1, N)])),
    T1 = erlang:monotonic_time(), T2 = erlang:monotonic_time(), p(monotonic, T2 >= T1),
    p(units, [erlang:convert_time_unit(1, second, U) || U <- [millisecond, microsecond, nanosecond, native]]),
    p(now, begin A = erlang:now(), B = erlang:now(), A < B end),
    p(unique, length(lists:usort([erlang:unique_integer() || _ <- lists:seq(1, 1000)]))),
    p(unique_mono, begin L2 = [erlang:unique_integer([monotonic]) || _ <- lists:seq(1, 100)], L2 =:= lists:sort(L2) end),
    p(unique_pos, lists:all(fun(X) -> X > 0 end, [erlang:unique_integer([positive]) || _ <- lists:seq(1, 100)])),
    p(calendar, {erlang:universaltime_to_posixtime({{2020, 2, 29}, {12, 0, 0}}), erlang:posixtime_to_universaltime(1582977600),
                 erlang:localtime_to_universaltime({{2021, 7, 1}, {0, 0, 0}}), erlang:universaltime_to_localtime({{2021, 1, 1}, {0, 0, 0}}),
                 try_(fun() -> erlang:universaltime_to_localtime({{2021, 13, 1}, {0, 0, 0}}) end)}).
