%% SPDX-License-Identifier: Apache-2.0
%% What single steps cost: nanoseconds each, from a loop of them less an empty loop. The least of many rounds
%% counts: whatever disturbs a round only adds to it. For doc/performance.md; a line a step goes to standard
%% output: Step TAB nanoseconds.
-module(costs).
-export([main/0, id/1, nothing/1, step/2]).

-define(STEPS, [local_call, remote_call, fun_call, native_call, move_and_add, match_tuple, make_cons, make_tuple,
                make_closure, get_map, put_map, select_atom, compare_small, float_arithmetic, try_catch_nothing,
                throw_and_catch, match_byte, append_byte, send_and_receive_self, send_and_switch, spawn_and_exit,
                ets_lookup, ets_insert]).

-spec main() -> no_return().
main() ->
    ets:new(costs, [named_table, public]),
    ets:insert(costs, [{K, K} || K <- lists:seq(0, 999)]),
    register(costs_echo, spawn(fun echo/0)),
    Empty = cost(nothing),
    io:format("empty_loop\t~.2f~n", [Empty]),
    [io:format("~s\t~.2f~n", [Step, max(0.0, cost(Step) - Empty)]) || Step <- ?STEPS],
    halt().

%% Rounds of a few milliseconds: shorter than what the operating system gives at a time.
cost(Step) ->
    N = calibrate(Step, 1000),
    lists:min([timed(Step, N) || _ <- lists:seq(1, 40)]).

calibrate(Step, N) ->
    case timed(Step, N) * N of
        Ns when Ns < 3.0e6 -> calibrate(Step, N * 2);
        _ -> N
    end.

timed(Step, N) ->
    {Pid, Ref} = spawn_monitor(fun() ->
        Start = erlang:monotonic_time(nanosecond),
        ?MODULE:step(Step, N),
        exit((erlang:monotonic_time(nanosecond) - Start) / N)
    end),
    receive {'DOWN', Ref, process, Pid, Ns} -> Ns end.

step(nothing, N) -> nothing(N);
step(local_call, N) -> local_call(N);
step(remote_call, N) -> remote_call(N);
step(fun_call, N) -> fun_call(N, fun(X) -> X end);
step(native_call, N) -> native_call(N, self());
step(move_and_add, N) -> move_and_add(N, 0);
step(match_tuple, N) -> match_tuple(N, {1, 2, 3});
step(make_cons, N) -> make_cons(N, []);
step(make_tuple, N) -> make_tuple(N, x);
step(make_closure, N) -> make_closure(N, x);
step(get_map, N) -> get_map(N, #{a => 1, b => 2, c => 3, d => 4});
step(put_map, N) -> put_map(N, #{a => 1, b => 2, c => 3, d => 4});
step(select_atom, N) -> select_atom(N, a);
step(compare_small, N) -> compare_small(N, length(pid_to_list(self())) rem 3 + 5);
step(float_arithmetic, N) -> float_arithmetic(N, 1.5);
step(try_catch_nothing, N) -> try_catch_nothing(N);
step(throw_and_catch, N) -> throw_and_catch(N);
step(match_byte, N) ->
    Bytes = binary:copy(<<1>>, 1000),
    [match_byte(Bytes) || _ <- lists:seq(1, N div 1000 + 1)];
step(append_byte, N) -> append_byte(N, <<>>);
step(send_and_receive_self, N) -> send_and_receive_self(N);
step(send_and_switch, N) -> send_and_switch(N, whereis(costs_echo));
step(spawn_and_exit, N) -> spawn_and_exit(N);
step(ets_lookup, N) -> ets_lookup(N);
step(ets_insert, N) -> ets_insert(N).

nothing(0) -> ok;
nothing(N) -> nothing(N - 1).

id(X) -> X.
local(X) -> X.

local_call(0) -> ok;
local_call(N) -> local(N), local_call(N - 1).

remote_call(0) -> ok;
remote_call(N) -> ?MODULE:id(N), remote_call(N - 1).

fun_call(0, _) -> ok;
fun_call(N, F) -> F(N), fun_call(N - 1, F).

native_call(0, _) -> ok;
native_call(N, P) -> erlang:phash2(P, 8), native_call(N - 1, P).

move_and_add(0, S) -> S;
move_and_add(N, S) -> move_and_add(N - 1, S + 3).

match_tuple(N, _) when N =< 0 -> ok;
match_tuple(N, {A, _, _} = T) -> match_tuple(N - A, T).

make_cons(0, X) -> X;
make_cons(N, _) -> make_cons(N - 1, [N]).

make_tuple(0, X) -> X;
make_tuple(N, _) -> make_tuple(N - 1, {N, a, b}).

make_closure(0, X) -> X;
make_closure(N, _) -> make_closure(N - 1, fun() -> N end).

get_map(0, _) -> ok;
get_map(N, #{c := _} = M) -> get_map(N - 1, M).

put_map(0, M) -> M;
put_map(N, M) -> put_map(N - 1, M#{c := N}).

select_atom(0, _) -> ok;
select_atom(N, a) -> select_atom(N - 1, b);
select_atom(N, b) -> select_atom(N - 1, c);
select_atom(N, c) -> select_atom(N - 1, d);
select_atom(N, d) -> select_atom(N - 1, a).

compare_small(N, X) when N =< X -> ok;
compare_small(N, X) when X < 10, X > 1 -> compare_small(N - 1, X);
compare_small(N, X) -> compare_small(N - 2, X).

float_arithmetic(0, X) -> X;
float_arithmetic(N, X) -> float_arithmetic(N - 1, X * 1.000001 + 0.5).

try_catch_nothing(0) -> ok;
try_catch_nothing(N) ->
    try id(N) catch _:_ -> error end,
    try_catch_nothing(N - 1).

throw_and_catch(0) -> ok;
throw_and_catch(N) ->
    try throw(N) catch throw:_ -> ok end,
    throw_and_catch(N - 1).

match_byte(<<1, Rest/binary>>) -> match_byte(Rest);
match_byte(<<>>) -> ok.

append_byte(0, B) -> byte_size(B);
append_byte(N, B) -> append_byte(N - 1, <<B/binary, 1>>).

send_and_receive_self(0) -> ok;
send_and_receive_self(N) ->
    self() ! N,
    receive N -> ok end,
    send_and_receive_self(N - 1).

%% There and back: two sends, two switches.
send_and_switch(0, _) -> ok;
send_and_switch(N, Echo) ->
    Echo ! {self(), N},
    receive N -> ok end,
    send_and_switch(N - 1, Echo).

echo() ->
    receive {From, N} -> From ! N end,
    echo().

spawn_and_exit(0) -> ok;
spawn_and_exit(N) ->
    {_, Ref} = spawn_monitor(fun() -> ok end),
    receive {'DOWN', Ref, _, _, _} -> ok end,
    spawn_and_exit(N - 1).

ets_lookup(0) -> ok;
ets_lookup(N) ->
    [_] = ets:lookup(costs, N rem 1000),
    ets_lookup(N - 1).

ets_insert(0) -> ok;
ets_insert(N) ->
    ets:insert(costs, {N rem 1000, N}),
    ets_insert(N - 1).
