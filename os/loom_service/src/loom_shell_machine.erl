%% SPDX-License-Identifier: Apache-2.0
%% @doc Shell commands about the machine.
-module(loom_shell_machine).

-export([commands/0]).
-export([hw/0, dmesg/0, reboot/0, poweroff/0]).

-spec commands() -> [loom_shell_help:command()].
commands() ->
    [{hw, "hw()", "devices and their drivers", "Place on the bus, numbers, name, driver, state, unit."},
     {dmesg, "dmesg()", "the kernel's log", "Its last 16 KiB."},
     {reboot, "reboot()", "unmount and start again", ""},
     {poweroff, "poweroff()", "unmount and switch off", ""}].

-spec hw() -> ok.
hw() -> loom_hw_list:print(loom_devices:list()).

-spec dmesg() -> ok.
dmesg() -> io:put_chars(loom_hw:kernel_log()).

-spec reboot() -> no_return().
reboot() -> loom_hw:reset().

-spec poweroff() -> no_return().
poweroff() -> loom_hw:poweroff().
