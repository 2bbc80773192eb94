%% SPDX-License-Identifier: Apache-2.0
%% @doc The watchdog in Intel's I/O controller hubs, their "TCO" (ICH9 datasheet, 13.9: TCO registers; 10.1: chipset
%% configuration). It is part of the bridge to the old buses: registers among the ports of power management, and one bit
%% (NO_REBOOT) in the chipset's window. A counter of 0.6 s steps that runs down twice, then resets the machine.
%%
%% A board whose strap says NO_REBOOT has no watchdog: the bit cannot be cleared there. A timer that runs when the
%% driver starts goes on: it guards the time in which nobody drives it.
-module(loom_drv_itco).
-behaviour(loom_driver).

-export([init/1, handle_interrupt/3, handle_request/3, handle_message/2]).

%% Configuration space of the bridge.
-define(PMBASE, 16#40).
-define(ACPI_CONTROL, 16#44).
-define(ACPI_ENABLE, 16#80).
-define(CHIPSET_BASE, 16#f0). % bit 0: enabled
%% The chipset's window.
-define(GCS, 16#3410).
-define(GCS_NO_REBOOT, 16#20).
%% TCO registers.
-define(TCO, 16#60). % behind PMBASE
-define(TCO_SIZE, 16#20).
-define(RELOAD, 16#00).
-define(STATUS_1, 16#04).
-define(TIMEOUT, 16#0008).
-define(STATUS_2, 16#06).
-define(SECOND_TIMEOUT, 16#0002). % stays over the reset that it tells of; written, it is cleared
-define(BOOT_FAILED, 16#0004).
-define(CONTROL_1, 16#08).
-define(HALT, 16#0800).
-define(LOCKED, 16#1000).
-define(TIMER, 16#12).
-define(TIMER_MOST, 16#3ff).
-define(TIMER_LEAST, 4). % below, the hardware may ignore it

-record(s, {io :: loom_hal:cap(), unit :: loom_devices:unit()}).

init(#{unit := Name} = Device) ->
    Pci = loom_pci:open(Device),
    case registers(Pci) of
        {Base, Chipset} when Base > 0, Chipset > 0 ->
            {ok, Gcs} = loom_hal:grant({mmio, Chipset + ?GCS, 4}),
            case may_reset(Gcs) of
                true -> publish(Base, Name);
                false -> ignore
            end;
        none -> ignore
    end.

%% Firmware puts both somewhere; where it has not, there is no watchdog.
registers(Pci) ->
    Base = loom_pci:read(Pci, ?PMBASE, 32) band 16#ff80,
    Chipset = loom_pci:read(Pci, ?CHIPSET_BASE, 32),
    case {loom_pci:read(Pci, ?ACPI_CONTROL, 8) band ?ACPI_ENABLE, Chipset band 1} of
        {?ACPI_ENABLE, 1} -> {Base, Chipset band 16#ffffc000};
        _ -> none
    end.

may_reset(Gcs) ->
    Value = loom_hw:mmio_read(Gcs, 0, 32),
    Value band ?GCS_NO_REBOOT =:= 0 orelse loom_hw:mmio_write(Gcs, 0, 32, Value band bnot ?GCS_NO_REBOOT),
    loom_hw:mmio_read(Gcs, 0, 32) band ?GCS_NO_REBOOT =:= 0.

publish(Base, Name) ->
    {ok, Io} = loom_hal:grant({port, Base + ?TCO, ?TCO_SIZE}),
    Fired = in(Io, ?STATUS_2) band ?SECOND_TIMEOUT =/= 0,
    Unit = #{name => Name, driver => self(), kind => itco, fired => Fired,
        timeout => {seconds(?TIMER_LEAST) + 1, seconds(?TIMER_MOST)}},
    ok = loom_devices:publish(watchdog, Unit),
    {ok, #s{io = Io, unit = Unit}}.

%% Twice as many steps of 0.6 s.
seconds(Steps) -> Steps * 12 div 10.
steps(Seconds) -> Seconds * 10 div 12.

%% It sends none.
handle_interrupt(_Time, _Count, S) -> {ok, S}.

handle_request({start, Seconds}, _From, #s{io = Io, unit = #{timeout := {Least, Most}}} = S)
        when is_integer(Seconds), Seconds >= Least, Seconds =< Most ->
    out(Io, ?TIMER, steps(Seconds)),
    out(Io, ?STATUS_1, ?TIMEOUT),
    out(Io, ?RELOAD, 1),
    Control = in(Io, ?CONTROL_1),
    out(Io, ?CONTROL_1, Control band bnot ?HALT),
    {reply, ok, S};
handle_request({start, _}, _From, S) -> {reply, {error, einval}, S};
handle_request(stop, _From, #s{io = Io} = S) ->
    Control = in(Io, ?CONTROL_1),
    case Control band ?LOCKED of
        0 -> out(Io, ?CONTROL_1, Control bor ?HALT);
        _ -> ok
    end,
    case in(Io, ?CONTROL_1) band ?HALT of
        0 -> {reply, {error, eperm}, S};
        _ -> {reply, ok, S}
    end;
handle_request(forget, _From, #s{io = Io, unit = Unit} = S) ->
    out(Io, ?STATUS_2, ?SECOND_TIMEOUT),
    out(Io, ?STATUS_2, ?BOOT_FAILED), % behind the other, which would set it again (13.9.5)
    ok = loom_devices:publish(watchdog, Unit#{fired := false}),
    {reply, ok, S#s{unit = Unit#{fired := false}}}.

%% The first of the two rounds may have ended: what it left is cleared.
handle_message(feed, #s{io = Io} = S) ->
    out(Io, ?RELOAD, 1),
    out(Io, ?STATUS_1, ?TIMEOUT),
    {ok, S}.

in(Io, Register) -> loom_hw:port_in(Io, Register, 16).
out(Io, Register, Value) -> ok = loom_hw:port_out(Io, Register, 16, Value).
