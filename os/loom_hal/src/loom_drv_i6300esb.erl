%% SPDX-License-Identifier: Apache-2.0
%% @doc The watchdog of the Intel 6300ESB I/O Controller Hub (its datasheet, chapter "Watchdog Timer"). A counter that
%% runs down twice, then resets the machine; which of the two it is in does not matter here, both get half of the time.
%%
%% A timer that runs when the driver starts goes on: it guards the time in which nobody drives it.
-module(loom_drv_i6300esb).
-behaviour(loom_driver).

-export([init/1, handle_interrupt/3, handle_request/3, handle_message/2]).

%% Configuration space.
-define(CONFIG, 16#60).
-define(CONFIG_NO_INTERRUPT, 16#0003). % counts at 1 kHz, output enabled
-define(LOCK, 16#68).
-define(LOCK_LOCKED, 1).
-define(LOCK_ENABLE, 2).
%% Window 0.
-define(PRELOAD_1, 16#00).
-define(PRELOAD_2, 16#04).
-define(RELOAD, 16#0c).
-define(RELOAD_NOW, 16#0100).
-define(TIMED_OUT, 16#0200). % stays over the reset that it tells of; written, it is cleared
%% A write to a register counts only behind these two.
-define(UNLOCK_1, 16#80).
-define(UNLOCK_2, 16#86).

-define(CLOCK_HZ, 33_000_000). % of PCI; a unit of the preload values is 2^15 of it
-define(MOST, 16#fffff).

-record(s, {pci :: loom_pci:pci(), io :: loom_hal:cap(), unit :: loom_devices:unit()}).

init(#{unit := Name} = Device) ->
    {Io, Pci} = loom_pci:bar(loom_pci:open(Device), 0),
    ok = loom_pci:write(Pci, ?CONFIG, 16, ?CONFIG_NO_INTERRUPT),
    Fired = loom_hw:mmio_read(Io, ?RELOAD, 16) band ?TIMED_OUT =/= 0,
    Unit = #{name => Name, driver => self(), kind => i6300esb, fired => Fired,
        timeout => {1, ?MOST bsl 16 div ?CLOCK_HZ}},
    ok = loom_devices:publish(watchdog, Unit),
    {ok, #s{pci = Pci, io = Io, unit = Unit}}.

%% It sends none.
handle_interrupt(_Time, _Count, S) -> {ok, S}.

handle_request({start, Seconds}, _From, #s{pci = Pci, unit = #{timeout := {Least, Most}}} = S)
        when is_integer(Seconds), Seconds >= Least, Seconds =< Most ->
    Half = (Seconds * ?CLOCK_HZ) bsr 16,
    unlocked(S, ?PRELOAD_1, 32, Half),
    unlocked(S, ?PRELOAD_2, 32, Half),
    unlocked(S, ?RELOAD, 16, ?RELOAD_NOW),
    ok = loom_pci:write(Pci, ?LOCK, 8, ?LOCK_ENABLE),
    {reply, ok, S};
handle_request({start, _}, _From, S) -> {reply, {error, einval}, S};
handle_request(stop, _From, #s{pci = Pci} = S) ->
    case loom_pci:read(Pci, ?LOCK, 8) band ?LOCK_LOCKED of
        0 -> {reply, loom_pci:write(Pci, ?LOCK, 8, 0), S};
        _ -> {reply, {error, eperm}, S}
    end;
handle_request(forget, _From, #s{unit = Unit} = S) ->
    unlocked(S, ?RELOAD, 16, ?TIMED_OUT),
    ok = loom_devices:publish(watchdog, Unit#{fired := false}),
    {reply, ok, S#s{unit = Unit#{fired := false}}}.

handle_message(feed, S) ->
    unlocked(S, ?RELOAD, 16, ?RELOAD_NOW),
    {ok, S}.

unlocked(#s{io = Io}, Register, Width, Value) ->
    ok = loom_hw:mmio_write(Io, ?RELOAD, 16, ?UNLOCK_1),
    ok = loom_hw:mmio_write(Io, ?RELOAD, 16, ?UNLOCK_2),
    ok = loom_hw:mmio_write(Io, Register, Width, Value).
