%% SPDX-License-Identifier: Apache-2.0
%% @doc Shell commands about processes and time.
-module(loom_shell_processes).

-export([commands/0]).
-export([ps/0, top/1, kill/1, free/0, uptime/0, time/1]).

-define(TOP, 15).

-spec commands() -> [loom_shell_help:command()].
commands() ->
    [{ps, "ps()", "processes",
      "Pid, reductions done, memory, messages that wait, and its name or the function it began with."},
     {top, "top()", "the busiest processes of one second; top(Seconds)", "As ps(), sorted by reductions in that time."},
     {kill, "kill(Process)", "kill a process: a pid, \"<0.1.0>\" or a registered name",
      "At once, whatever it does. Supervised processes come back."},
     {free, "free()", "memory", "Of the machine, and what processes, binaries, tables, code and atoms take of it."},
     {uptime, "uptime()", "how long the system has been running", "And how many processes there are."},
     {time, "date(), time()", "the day, the time", "By the clock: UTC."},
     {time, "time(Fun)", "how long a fun of no arguments takes", "Prints time and reductions, answers what it did."}].

-spec ps() -> ok.
ps() ->
    title(),
    lists:foreach(fun({Pid, Work}) -> process(Pid, Work) end, lists:sort(maps:to_list(reductions()))).

title() -> io:format("~-12s ~12s ~8s ~6s  ~s~n", ["pid", "reductions", "KiB", "queue", "what"]).

process(Pid, Work) ->
    case process_info(Pid, [registered_name, initial_call, dictionary, memory, message_queue_len]) of
        undefined -> ok;
        Info ->
            io:format("~-12w ~12b ~8b ~6b  ~ts~n", [Pid, Work, proplists:get_value(memory, Info) bsr 10,
                                                  proplists:get_value(message_queue_len, Info), what(Info)])
    end.

what(Info) ->
    case proplists:get_value(registered_name, Info) of
        Name when is_atom(Name) -> atom_to_list(Name);
        [] ->
            Started = proplists:get_value('$initial_call', proplists:get_value(dictionary, Info),
                                          proplists:get_value(initial_call, Info)),
            case Started of
                {M, F, A} -> io_lib:format("~ts:~ts/~w", [M, F, A]);
                Other -> io_lib:format("~0tP", [Other, 8])
            end
    end.

-spec top(number()) -> ok.
top(Seconds) when is_number(Seconds), Seconds > 0, Seconds < 86400 ->
    Before = reductions(),
    timer:sleep(round(Seconds * 1000)),
    Work = [{R - maps:get(Pid, Before, 0), Pid} || {Pid, R} <- maps:to_list(reductions())],
    title(),
    lists:foreach(fun({R, Pid}) -> process(Pid, R) end, lists:sublist(lists:reverse(lists:sort(Work)), ?TOP));
top(_) -> loom_shell_help:usage(top).

reductions() -> maps:from_list([{Pid, R} || Pid <- processes(), {_, R} <- [process_info(Pid, reductions)]]).

-spec kill(pid() | atom() | string()) -> ok.
kill(Pid) when is_pid(Pid) ->
    case is_process_alive(Pid) of
        true ->
            exit(Pid, kill),
            ok;
        false -> no_process(Pid)
    end;
kill(Name) when is_atom(Name) ->
    case whereis(Name) of
        Pid when is_pid(Pid) -> kill(Pid);
        _ -> no_process(Name)
    end;
kill(Text) ->
    try list_to_pid(Text) of
        Pid -> kill(Pid)
    catch error:_ -> no_process(Text)
    end.

no_process(What) -> loom_shell_help:failed("kill", What, "no such process").

-spec free() -> ok.
free() ->
    #{memory := Memory, free := Free} = loom_hw:boot_info(),
    Of = fun(Kind) -> erlang:memory(Kind) bsr 10 end,
    io:format("memory ~b KiB, free ~b KiB~nprocesses ~b, binaries ~b, ets ~b, code ~b, atoms ~b KiB~n",
              [Memory bsr 10, Free bsr 10, Of(processes), Of(binary), Of(ets), Of(code), Of(atom)]).

-spec uptime() -> ok.
uptime() ->
    Native = erlang:monotonic_time() - erlang:system_info(start_time),
    Seconds = erlang:convert_time_unit(Native, native, second),
    {Days, {H, M, S}} = calendar:seconds_to_daystime(Seconds),
    io:format("up ~b days, ~2..0b:~2..0b:~2..0b, ~b processes, ~b waiting to run~n",
              [Days, H, M, S, erlang:system_info(process_count), erlang:statistics(total_run_queue_lengths)]).

%% @doc What the fun answers.
-spec time(fun(() -> Result)) -> Result | ok.
time(Fun) when is_function(Fun, 0) ->
    {_, Before} = process_info(self(), reductions),
    {Us, Result} = timer:tc(Fun),
    {_, After} = process_info(self(), reductions),
    io:format("~b.~6..0b s, ~b reductions of this process~n", [Us div 1000000, Us rem 1000000, After - Before]),
    Result;
time(_) -> loom_shell_help:usage(time).
