%% SPDX-License-Identifier: Apache-2.0
%% @doc Commands for the shell: OTP's shell looks here before it looks among its own. Each prints what a person wants to
%% see; what a program wants is in the module that a command calls.
-module(user_default).

-export([help/0, ls/0, ls/1, cd/1, cat/1, cp/2, rm/1, rm/2, mkdir/1, df/0, free/0, mount/0, mount/2, umount/1, sync/0]).
-export([ps/0, top/0, top/1, kill/1, dmesg/0, uptime/0, reboot/0, poweroff/0, hw/0]).

-include_lib("kernel/include/file.hrl").

-define(TOP, 15).
-define(TOP_MS, 1000).

%% @doc What there is to type.
-spec help() -> ok.
help() ->
    io:put_chars("** Loom **\n"),
    _ = [io:format("~-18s ~s~n", [Usage, What]) || {Usage, What} <- commands()],
    io:put_chars("** OTP's shell **\n"),
    shell_default:help(),
    ok.

commands() ->
    [{"ls(Dir)", "files of a directory, ls() of this one"}, {"cd(Dir)", "go there"}, {"cat(File)", "show a file"},
     {"cp(File, To)", "copy a file, into To if that is a directory"}, {"mkdir(Dir)", "make a directory"},
     {"rm(File)", "delete a file or an empty directory"}, {"rm(Dir, all)", "delete it with all that is in it"},
     {"df()", "space on mounted volumes"}, {"mount()", "what is mounted where"},
     {"mount(Disk, Dir)", "mount a disk or partition: mount(\"vda1\", \"/data\")"},
     {"umount(Dir)", "write everything and take the volume away"}, {"sync()", "write everything"},
     {"free()", "memory"}, {"ps()", "processes"}, {"top()", "the busiest processes of one second; top(Seconds)"},
     {"kill(Process)", "kill a process: a pid, \"<0.1.0>\" or a registered name"},
     {"hw()", "devices and their drivers"}, {"dmesg()", "the kernel's log"},
     {"date(), time()", "the day, the time"}, {"uptime()", "how long the system has been running"},
     {"reboot()", "unmount and start again"}, {"poweroff()", "unmount and switch off"}].

%%% Files

%% @doc Files of a directory: kind, size, time, name.
-spec ls() -> ok.
ls() -> ls(".").
-spec ls(file:name_all()) -> ok.
ls(Name) ->
    case file:read_file_info(Name) of
        {ok, #file_info{type = directory}} ->
            {ok, Names} = file:list_dir(Name),
            _ = [entry(filename:join(Name, N), N) || N <- lists:sort(Names)],
            ok;
        {ok, _} -> entry(Name, Name);
        {error, Reason} -> failed("ls", Name, Reason)
    end.

entry(Path, Name) ->
    case file:read_file_info(Path) of
        {ok, #file_info{type = Type, size = Size, mtime = {{Y, Mo, D}, {H, Mi, _}}}} ->
            {Kind, Shown} = case Type of
                directory -> {$d, ""};
                _ -> {$-, integer_to_list(Size)}
            end,
            io:format("~c ~12s  ~4..0b-~2..0b-~2..0b ~2..0b:~2..0b  ~ts~n", [Kind, Shown, Y, Mo, D, H, Mi, Name]);
        {error, Reason} -> failed("ls", Path, Reason)
    end.

failed(Command, Name, Reason) -> io:format("~s: ~ts: ~ts~n", [Command, name(Name), file:format_error(Reason)]).

name(Name) when is_atom(Name) -> atom_to_list(Name);
name(Name) -> Name.

told(_, _, ok) -> ok;
told(Command, Name, {error, Reason}) -> failed(Command, Name, Reason).

-spec cd(file:name_all()) -> ok.
cd(Name) -> told("cd", Name, file:set_cwd(Name)).

%% @doc Shows a file: as UTF-8 if it is that, else byte by byte.
-spec cat(file:name_all()) -> ok.
cat(Name) ->
    case file:read_file(Name) of
        {ok, Bytes} ->
            case unicode:characters_to_list(Bytes) of
                Text when is_list(Text) -> io:put_chars(Text);
                _ -> io:put_chars(binary_to_list(Bytes))
            end;
        {error, Reason} -> failed("cat", Name, Reason)
    end.

-spec cp(file:name_all(), file:name_all()) -> ok.
cp(From, To) ->
    Target = case filelib:is_dir(To) of
        true -> filename:join(To, filename:basename(From));
        false -> To
    end,
    case file:copy(From, Target) of
        {ok, _} -> ok;
        {error, Reason} -> failed("cp", From, Reason)
    end.

-spec rm(file:name_all()) -> ok.
rm(Name) ->
    case filelib:is_dir(Name) of
        true -> told("rm", Name, file:del_dir(Name));
        false -> told("rm", Name, file:delete(Name))
    end.

-spec rm(file:name_all(), all) -> ok.
rm(Name, all) -> told("rm", Name, file:del_dir_r(Name)).

-spec mkdir(file:name_all()) -> ok.
mkdir(Name) -> told("mkdir", Name, file:make_dir(Name)).

%%% Volumes

-spec df() -> ok.
df() ->
    io:format("~-16s ~-8s ~10s ~10s ~10s ~5s~n", ["mounted", "type", "MiB", "used", "free", "use"]),
    _ = [space(M, Space) || {M, Space} <- loom_mount:df()],
    ok.

space(#{point := Point}, #{type := Type, total := Total, free := Free}) ->
    Used = Total - Free,
    io:format("~-16ts ~-8s ~10b ~10b ~10b ~4b%~n",
              [Point, Type, mib(Total), mib(Used), mib(Free), Used * 100 div max(1, Total)]);
space(#{point := Point}, {error, Reason}) -> failed("df", Point, Reason).

mib(Bytes) -> Bytes bsr 20.

%% @doc What is mounted, and the disks there are.
-spec mount() -> ok.
mount() ->
    _ = [io:format("~ts on ~ts (~s)~n", [source(Source), Point, Module])
         || #{point := Point, source := Source, module := Module} <- loom_mount:table()],
    Mounted = [Source || #{source := Source} <- loom_mount:table()],
    _ = [io:format("~ts not mounted, ~b MiB~n", [Name, mib(Blocks * Size)])
         || #{name := Name, blocks := Blocks, block_size := Size} <- loom_block:list(),
            not lists:member(Name, Mounted)],
    ok.

source(Name) when is_binary(Name) -> Name;
source(Other) -> io_lib:format("~0p", [Other]).

-spec mount(file:name_all(), file:name_all()) -> ok.
mount(Disk, Dir) -> mounted("mount", Disk, loom_mount:mount(Disk, Dir)).
-spec umount(file:name_all()) -> ok.
umount(Dir) -> mounted("umount", Dir, loom_mount:umount(Dir)).

mounted(_, _, ok) -> ok;
mounted(Command, What, {error, Reason}) -> io:format("~s: ~ts: ~0p~n", [Command, What, Reason]).

%% @doc All that was written is on the disks.
-spec sync() -> ok.
sync() ->
    _ = [mounted("sync", Point, loom_volume:sync(Volume)) || #{point := Point, volume := Volume} <- loom_mount:table()],
    ok.

%%% The system

-spec free() -> ok.
free() ->
    #{memory := Memory, free := Free} = loom_hw:boot_info(),
    Of = fun(Kind) -> erlang:memory(Kind) bsr 10 end,
    io:format("memory ~b KiB, free ~b KiB~nprocesses ~b, binaries ~b, ets ~b, code ~b, atoms ~b KiB~n",
              [Memory bsr 10, Free bsr 10, Of(processes), Of(binary), Of(ets), Of(code), Of(atom)]).

-spec ps() -> ok.
ps() ->
    title("reductions"),
    _ = [process(Pid, element(2, R)) || Pid <- processes(), R <- [process_info(Pid, reductions)], is_tuple(R)],
    ok.

title(Work) -> io:format("~-12s ~12s ~8s ~6s  ~s~n", ["pid", Work, "KiB", "queue", "what"]).

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
            {M, F, A} = Started,
            io_lib:format("~s:~s/~b", [M, F, A])
    end.

-spec top() -> ok.
top() -> top(?TOP_MS / 1000).

%% @doc The processes that did most in that time.
-spec top(number()) -> ok.
top(Seconds) ->
    Before = reductions(),
    timer:sleep(round(Seconds * 1000)),
    Work = [{R - maps:get(Pid, Before, 0), Pid} || {Pid, R} <- maps:to_list(reductions())],
    title("reductions"),
    _ = [process(Pid, R) || {R, Pid} <- lists:sublist(lists:reverse(lists:sort(Work)), ?TOP)],
    ok.

reductions() -> maps:from_list([{Pid, R} || Pid <- processes(), {_, R} <- [process_info(Pid, reductions)]]).

-spec kill(pid() | atom() | string()) -> ok.
kill(Pid) when is_pid(Pid) ->
    exit(Pid, kill),
    ok;
kill(Name) when is_atom(Name) ->
    case whereis(Name) of
        Pid when is_pid(Pid) -> kill(Pid);
        _ -> io:format("kill: no process ~s~n", [Name])
    end;
kill(Text) -> kill(list_to_pid(Text)).

-spec dmesg() -> ok.
dmesg() -> io:put_chars(loom_hw:kernel_log()).

-spec uptime() -> ok.
uptime() ->
    Native = erlang:monotonic_time() - erlang:system_info(start_time),
    Seconds = erlang:convert_time_unit(Native, native, second),
    {Days, {H, M, S}} = calendar:seconds_to_daystime(Seconds),
    io:format("up ~b days, ~2..0b:~2..0b:~2..0b, ~b processes, ~b waiting to run~n",
              [Days, H, M, S, erlang:system_info(process_count), erlang:statistics(total_run_queue_lengths)]).

-spec reboot() -> no_return().
reboot() -> loom_hw:reset().

-spec poweroff() -> no_return().
poweroff() -> loom_hw:poweroff().

%% @doc The machine's devices, one a line.
-spec hw() -> ok.
hw() -> loom_hw_list:print(loom_devices:list()).
