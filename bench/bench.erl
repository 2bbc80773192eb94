%% SPDX-License-Identifier: Apache-2.0
%% Times the programs of one module of this folder, inside the machine that is measured. Each round runs in a process of
%% its own, so that no program inherits another's heap. A line a round goes to standard output:
%%
%%   Program TAB microseconds TAB hash of the result        bench/run compares the hashes of the two machines
-module(bench).
-export([main/0, idle/0, alive/0, pair/0]).

-type program() :: {Name :: atom(), Size :: integer()}.
-callback programs() -> [program()].

%% erl -s bench main -extra Module Rounds [Program | Program=Size]...
-spec main() -> no_return().
main() ->
    [Module, Rounds | Wanted] = init:get_plain_arguments(),
    M = list_to_atom(Module),
    {module, M} = code:ensure_loaded(M),
    [rounds(M, P, list_to_integer(Rounds)) || P <- programs(M, Wanted)],
    halt().

programs(M, []) -> M:programs();
programs(M, Wanted) -> [program(M, string:split(W, "=")) || W <- Wanted].

program(M, [Name]) -> lists:keyfind(list_to_atom(Name), 1, M:programs());
program(_, [Name, Size]) -> {list_to_atom(Name), list_to_integer(Size)}.

%% The first round is not counted: it loads code and warms caches.
rounds(M, {Name, Size}, Rounds) ->
    _ = round(M, Name, Size),
    [report(Name, round(M, Name, Size)) || _ <- lists:seq(1, Rounds)].

round(M, Name, Size) ->
    {Pid, Monitor} = spawn_monitor(fun() -> exit({timed, timed(M, Name, Size)}) end),
    receive
        {'DOWN', Monitor, process, Pid, {timed, Result}} -> Result;
        {'DOWN', Monitor, process, Pid, Reason} -> {failed, Reason}
    end.

timed(M, Name, Size) ->
    Start = erlang:monotonic_time(),
    Result = M:Name(Size),
    Stop = erlang:monotonic_time(),
    {erlang:convert_time_unit(Stop - Start, native, nanosecond), erlang:phash2(Result)}.

report(Name, {failed, Reason}) ->
    io:format("~s\tfailed\t~0p~n", [Name, Reason]);
report(Name, {Nanoseconds, Hash}) ->
    io:format("~s\t~.1f\t~b~n", [Name, Nanoseconds / 1000, Hash]).

%% What an idle process takes: in words, as process_info/2 says (OTP's efficiency guide measures it so), and in bytes of
%% resident memory, as the operating system says with 100,000 of them alive.
-spec idle() -> no_return().
idle() ->
    Wait = fun() -> receive stop -> ok end end,
    One = spawn(Wait),
    {memory, Bytes} = process_info(One, memory),
    One ! stop,
    _ = resident(),
    Before = resident(),
    Count = 100000,
    Pids = [spawn(Wait) || _ <- lists:seq(1, Count)],
    After = resident(),
    [Pid ! stop || Pid <- Pids],
    io:format("words\t~b~nbytes\t~b~n", [Bytes div erlang:system_info(wordsize), (After - Before) div Count]),
    halt().

resident() ->
    {ok, Text} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = binary:split(Text, <<" ">>, [global]),
    binary_to_integer(Pages) * 4096.

%% Resident memory, in MiB, that a million waiting processes take. For erl -s bench alive, with +P.
-spec alive() -> no_return().
alive() ->
    Before = resident(),
    Count = 1000000,
    Pids = [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, Count)],
    io:format("mib\t~b~n", [(resident() - Before) div 1048576]),
    Count = length(Pids),
    halt().

%% How many times the work of one process two do in the same time, times 100: the best of several rounds, as anything
%% else that runs takes from two cores more than from one.
-spec pair() -> no_return().
pair() ->
    One = lists:min([together(1) || _ <- lists:seq(1, 5)]),
    Two = lists:min([together(2) || _ <- lists:seq(1, 5)]),
    io:format("percent\t~b~n", [200 * One div Two]),
    halt().

together(N) ->
    Start = erlang:monotonic_time(),
    Busy = [spawn_monitor(fun() -> count_down(20000000) end) || _ <- lists:seq(1, N)],
    [receive {'DOWN', Monitor, process, _, normal} -> ok end || {_, Monitor} <- Busy],
    erlang:monotonic_time() - Start.

count_down(0) -> ok;
count_down(N) -> count_down(N - 1).
