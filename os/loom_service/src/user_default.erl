%% SPDX-License-Identifier: Apache-2.0
%% @doc Commands for the shell: OTP's shell looks here before it looks among its own. Each prints what a person wants to
%% see; what a program wants is in the module that a command calls. By subject they are in loom_shell_files and so on.
-module(user_default).

-export([help/0, help/1]).
-export([ls/0, ls/1, cd/0, cd/1, cat/1, cp/2, rm/1, rm/2, mkdir/1, df/0, mount/0, mount/2, umount/1, sync/0]).
-export([ps/0, top/0, top/1, kill/1, free/0, uptime/0, time/1]).
-export([hw/0, dmesg/0, reboot/0, poweroff/0]).
-export([ifconfig/0, ifconfig/2, netstat/0, ping/1, ping/2, telnet/0, telnet/1]).

%% @doc What there is to type.
-spec help() -> ok.
help() ->
    io:put_chars("** Loom **\n"),
    loom_shell_help:help(),
    io:put_chars("** OTP's shell **\n"),
    shell_default:help(),
    ok.
-spec help(atom() | string()) -> ok.
help(Command) -> loom_shell_help:help(Command).

%%% Files
ls() -> ls(".").
ls(Dir) -> loom_shell_files:ls(Dir).
cd() -> shell_default:pwd().
cd(Dir) -> loom_shell_files:cd(Dir).
cat(File) -> loom_shell_files:cat(File).
cp(File, To) -> loom_shell_files:cp(File, To).
rm(File) -> loom_shell_files:rm(File).
rm(Dir, All) -> loom_shell_files:rm(Dir, All).
mkdir(Dir) -> loom_shell_files:mkdir(Dir).
df() -> loom_shell_files:df().
mount() -> loom_shell_files:mount().
mount(Disk, Dir) -> loom_shell_files:mount(Disk, Dir).
umount(Dir) -> loom_shell_files:umount(Dir).
sync() -> loom_shell_files:sync().

%%% Processes
ps() -> loom_shell_processes:ps().
top() -> top(1).
top(Seconds) -> loom_shell_processes:top(Seconds).
kill(Process) -> loom_shell_processes:kill(Process).
free() -> loom_shell_processes:free().
uptime() -> loom_shell_processes:uptime().
time(Fun) -> loom_shell_processes:time(Fun).

%%% The machine
hw() -> loom_shell_machine:hw().
dmesg() -> loom_shell_machine:dmesg().
reboot() -> loom_shell_machine:reboot().
poweroff() -> loom_shell_machine:poweroff().

%%% The network
ifconfig() -> loom_shell_network:ifconfig().
ifconfig(Interface, Address) -> loom_shell_network:ifconfig(Interface, Address).
netstat() -> loom_shell_network:netstat().
ping(Host) -> loom_shell_network:ping(Host).
ping(Host, Times) -> loom_shell_network:ping(Host, Times).
telnet() -> loom_shell_network:telnet().
telnet(What) -> loom_shell_network:telnet(What).
