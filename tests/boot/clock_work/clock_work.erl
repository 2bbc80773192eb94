%% SPDX-License-Identifier: Apache-2.0
%% @doc Clocks of several processors, for tests/boot/processors: says the wall clock's time first of all, then passes
%% the time around among processes on all of them. Whoever reads a clock after somebody else must not read less.
-module(clock_work).
-export([main/0, run/1]).

-define(PROCESSES, 8).
-define(ROUNDS, 4000).

main() ->
    {Mega, Seconds, _} = os:timestamp(),
    io:format("wall clock ~b~n", [Mega * 1000000 + Seconds]),
    [io:format("~s: ~s~n", [Name, run(Clock)]) || {Name, Clock} <- clocks()],
    io:format("wall clock ~b~n", [os:system_time(second)]).

%% os:timestamp/0 and os:system_time/1 may be set back; on these machines nobody does.
clocks() ->
    [{"monotonic time", fun erlang:monotonic_time/0}, {"system time", fun erlang:system_time/0},
     {"os:system_time", fun() -> os:system_time() end}, {"os:timestamp", fun os:timestamp/0},
     {"cpu counter", fun os:perf_counter/0}].

%% Two rings: one passes messages, and one races through a shared table, which needs no scheduler to wake.
run(Clock) ->
    Me = self(),
    [First | _] = Ring = [spawn_link(fun() -> station(Clock, Me) end) || _ <- lists:seq(1, ?PROCESSES)],
    [P ! {next, N} || {P, N} <- lists:zip(Ring, tl(Ring) ++ [First])],
    First ! {time, ?ROUNDS, Clock()},
    Passed = receive {ring, Result} -> Result end,
    [begin unlink(P), exit(P, kill) end || P <- Ring],
    Raced = race(Clock),
    case {Passed, Raced} of
        {good, good} -> "never back";
        Bad -> io_lib:format("~p", [Bad])
    end.

station(Clock, Judge) ->
    receive {next, Next} -> station(Clock, Judge, Next) end.

station(Clock, Judge, Next) ->
    receive
        {time, Left, Before} ->
            case Clock() of
                Now when Now < Before -> Judge ! {ring, {back, Before, Now}};
                _ when Left =:= 0 -> Judge ! {ring, good};
                Now ->
                    Next ! {time, Left - 1, Now},
                    station(Clock, Judge, Next)
            end
    end.

%% Everybody writes its last reading into its row; a reading that is less than what another wrote before it was taken
%% has gone back.
race(Clock) ->
    Table = ets:new(race, [public, {read_concurrency, true}, {write_concurrency, true}]),
    ets:insert(Table, [{I, Clock()} || I <- lists:seq(1, 4)]),
    Me = self(),
    [spawn_link(fun() -> Me ! {race, racer(?ROUNDS, I, Table, Clock)} end) || I <- lists:seq(1, 4)],
    Results = [receive {race, Result} -> Result end || _ <- lists:seq(1, 4)],
    ets:delete(Table),
    case [R || R <- Results, R =/= good] of
        [] -> good;
        [Bad | _] -> Bad
    end.

racer(0, _, _, _) -> good;
racer(Left, I, Table, Clock) ->
    [{_, Seen}] = ets:lookup(Table, Left rem 4 + 1),
    case Clock() of
        Now when Now < Seen -> {back, Seen, Now};
        Now ->
            ets:insert(Table, {I, Now}),
            racer(Left - 1, I, Table, Clock)
    end.
