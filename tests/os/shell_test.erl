%% SPDX-License-Identifier: Apache-2.0
%% @doc Tests of the shell's commands that need no machine: what they print, above all when they are asked for nonsense.
%% See tests/os/run.
-module(shell_test).
-export([main/1]).

main(Machine) ->
    ok = logger:set_primary_config(level, none),
    ok = code:ensure_modules_loaded([user_default, loom_shell_help, loom_shell_files, loom_shell_processes,
                                     loom_shell_machine, loom_shell_network, os_test]),
    Dir = filename:join(os_test:scratch(), "shell." ++ Machine),
    ok = file:make_dir(Dir),
    ok = file:set_cwd(Dir),
    Failed = [Name || {Name, F} <- [{files, fun files/0}, {processes, fun processes/0}, {help, fun help/0}],
                      not passes(Machine, Name, F)],
    ok = file:set_cwd("/"),
    ok = file:del_dir_r(os_test:scratch()),
    halt(length(Failed)).

passes(Machine, Name, F) ->
    try F() of
        _ ->
            io:format("ok ~s/shell_~s~n", [Machine, Name]),
            true
    catch Class:Reason:Stack ->
        io:format("FAIL ~s/shell_~s ~0P~n", [Machine, Name, {Class, Reason, Stack}, 40]),
        false
    end.

%% Runs it and compares what it prints with a pattern, from the first to the last character.
says(Pattern, Call) ->
    Printed = printed(fun() -> ok = Call() end),
    case re:run(Printed, ["\\A", Pattern, "\\z"], [unicode]) of
        {match, _} -> ok;
        nomatch -> error({printed, Printed, wanted, Pattern})
    end.

printed(F) ->
    Old = group_leader(),
    File = filename:absname("printed"), % F may change the directory
    {ok, Device} = file:open(File, [write, {encoding, utf8}]),
    group_leader(Device, self()),
    try F() after group_leader(Old, self()), ok = file:close(Device) end,
    {ok, Text} = file:read_file(File),
    unicode:characters_to_list(Text).

files() ->
    M = loom_shell_files,
    says("", fun() -> M:mkdir("d") end),
    says("mkdir: d: file already exists\n", fun() -> M:mkdir("d") end),
    says("mkdir: no/where: no such file or directory\n", fun() -> M:mkdir("no/where") end),
    ok = file:write_file("d/text", <<"grüß dich\n"/utf8>>),
    ok = file:write_file("d/bytes", <<255, 10>>),
    Time = "\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d",
    says(["- +2  ", Time, "  bytes\n- +12  ", Time, "  text\n"], fun() -> M:ls("d") end),
    says(["- +12  ", Time, "  d/text\n"], fun() -> M:ls("d/text") end),
    says(["- +12  ", Time, "  d/text\n"], fun() -> M:ls('d/text') end),
    says("ls: nowhere: no such file or directory\n", fun() -> M:ls("nowhere") end),
    says("ls: 17: bad argument\n", fun() -> M:ls(17) end),
    says("ls: #\\{a => \\[1\\]\\}: bad argument\n", fun() -> M:ls(#{a => [1]}) end),
    says("grüß dich\n", fun() -> M:cat("d/text") end),
    says("\xff\n", fun() -> M:cat(<<"d/bytes">>) end),
    says("cat: d: illegal operation on a directory\n", fun() -> M:cat("d") end),
    says("cat: \\[1\\.5\\]: bad argument\n", fun() -> M:cat([1.5]) end),
    says("", fun() -> M:cp("d/text", "copy") end),
    says("", fun() -> M:cp("copy", "d") end),
    [{ok, <<"grüß dich\n"/utf8>>} = file:read_file(F) || F <- ["copy", "d/copy"]],
    says("cp: copy: that is the same file\n", fun() -> M:cp("copy", ".") end),
    {ok, <<"grüß dich\n"/utf8>>} = file:read_file("copy"),
    says("cp: d: illegal operation on a directory\n", fun() -> M:cp("d", "e") end),
    says("cp: nowhere: no such file or directory\n", fun() -> M:cp("nowhere", "copy") end),
    says("cp: no/where: no such file or directory\n", fun() -> M:cp("copy", "no/where") end),
    says("cp: {}: bad argument\n", fun() -> M:cp("copy", {}) end),
    says("rm: d: directory not empty; rm\\(Dir, all\\) deletes all\n", fun() -> M:rm("d") end),
    says("usage: rm\\(File\\)\nusage: rm\\(Dir, all\\)\n", fun() -> M:rm("d", some) end),
    says("rm: nowhere: no such file or directory\n", fun() -> M:rm("nowhere") end),
    says("rm: nowhere: no such file or directory\n", fun() -> M:rm("nowhere", all) end),
    says("cd: d/text: not a directory\n", fun() -> M:cd("d/text") end),
    says("cd: nowhere: no such file or directory\n", fun() -> M:cd("nowhere") end),
    says("", fun() -> M:cd("d") end),
    {ok, Dir} = file:get_cwd(),
    "d" = filename:basename(Dir),
    ok = file:set_cwd(".."),
    says("", fun() -> M:rm("d", all) end),
    says("", fun() -> M:rm("copy") end),
    {error, enoent} = file:read_file_info("d"),
    says("usage: mount\\(\\)\nusage: mount\\(Disk, Dir\\)\n", fun() -> M:mount(17, "/x") end),
    says("usage: umount\\(Dir\\)\n", fun() -> M:umount(self()) end).

processes() ->
    M = loom_shell_processes,
    Self = pid_to_list(self()),
    Title = "pid +reductions +KiB +queue  what\n",
    Pid = spawn(timer, sleep, [infinity]),
    Lines = string:split(printed(fun() -> ok = M:ps() end), "\n", all),
    [true = lists:any(fun(L) -> re:run(L, P) =/= nomatch end, Lines)
     || P <- [[Title -- "\n"], [Self, " +\\d+ +\\d+ +\\d+  "], "<[0-9.]+> +\\d+ +\\d+ +\\d+  kernel_sup",
              [pid_to_list(Pid), " .*  timer:sleep/1"]]],
    spawn_link(fun() -> (fun F(N) -> N > 0 andalso F(N - 1) end)(3000000), timer:sleep(infinity) end),
    says([Title, "(<[0-9.]+> +\\d+ +\\d+ +\\d+  .*\n){5,15}"], fun() -> M:top(0.1) end),
    [says("usage: top\\(\\)\n", fun() -> M:top(Bad) end) || Bad <- [0, -1, a, "1", 1.0e9]],
    true = is_process_alive(Pid),
    says("", fun() -> M:kill(pid_to_list(Pid)) end),
    false = is_process_alive(Pid),
    says(["kill: ", pid_to_list(Pid), ": no such process\n"], fun() -> M:kill(Pid) end),
    [says(["kill: ", Name, ": no such process\n"], fun() -> M:kill(Bad) end)
     || {Name, Bad} <- [{"nobody", nobody}, {"nonsense", "nonsense"}, {"17", 17}, {"\\[\\]", []}]],
    says("up \\d+ days, \\d\\d:\\d\\d:\\d\\d, \\d+ processes, \\d+ waiting to run\n", fun M:uptime/0),
    says("0\\.0[1-9]\\d{4} s, \\d+ reductions of this process\n", fun() -> M:time(fun() -> timer:sleep(12) end) end),
    says("usage: date\\(\\), time\\(\\)\nusage: time\\(Fun\\)\n", fun() -> M:time(12) end),
    says("usage: ping\\(Host\\)\n", fun() -> loom_shell_network:ping("x", 0) end),
    says("usage: ifconfig\\(\\)\nusage: ifconfig\\(If, Addr\\)\n", fun() -> loom_shell_network:ifconfig("x", 0) end).

%% Everything that the issue of a shell is about is there, and what is listed can be called.
help() ->
    Text = printed(fun loom_shell_help:help/0),
    Exported = user_default:module_info(exports),
    [begin
         Name = atom_to_list(Command),
         {match, _} = re:run(Text, ["^", Name, "\\(|, ", Name, "\\("], [multiline]),
         true = lists:keymember(Command, 1, Exported),
         says([".*", Name, "\\(.*\\) .*\n(.|\n)*"], fun() -> loom_shell_help:help(Command) end),
         says([".*", Name, "\\(.*\\) .*\n(.|\n)*"], fun() -> loom_shell_help:help(Name) end)
     end || Command <- [ls, cd, cat, cp, rm, mkdir, df, free, ps, top, kill, hw, dmesg, ifconfig, ping, netstat, mount,
                        umount, reboot, poweroff, time, uptime, sync]],
    says("help: nonsense: no such command; help\\(\\) lists them\n", fun() -> loom_shell_help:help(nonsense) end).
