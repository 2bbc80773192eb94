%% SPDX-License-Identifier: Apache-2.0
%% @doc The real-time clock (MC146818): the wall clock, and a tick of 2 to 8192 Hz for who needs one from hardware.
%% The machine's own timers do not come from here but from the local APIC. Beside the clock the chip has memory that its
%% battery keeps: firmware has most of it, the last eight bytes are for notes to the next run.
-module(loom_drv_timer).
-behaviour(loom_driver).

-export([now/0, subscribe/1, note/0, set_note/1]).
-export([init/0, handle_interrupt/3, handle_request/3]).

-define(INDEX, 0).
-define(DATA, 1).
-define(IRQ_LINE, 8).
-define(STATUS_A, 16#0a).
-define(STATUS_B, 16#0b).
-define(STATUS_C, 16#0c).
-define(UPDATING, 16#80).
-define(BINARY_24H, 16#06).
-define(PERIODIC, 16#40).
-define(NOTE, 16#78). % of the 128 bytes
-define(NOTE_SIZE, 8).

-record(s, {io :: loom_hal:cap(), irq :: loom_hal:cap(), subscriber = none :: pid() | none}).

%% @doc Wall-clock time of the hardware, UTC.
-spec now() -> calendar:datetime().
now() -> loom_driver:call(?MODULE, now).

%% @doc `{loom_drv_timer, Pid, {tick, Time, Count}}' at 32768 bsr (Rate - 1) Hz, Rate 3..15; `off' stops it.
-spec subscribe(3..15 | off) -> pid().
subscribe(Rate) -> loom_driver:call(?MODULE, {subscribe, Rate}).

%% @doc The eight bytes that outlive a reset.
-spec note() -> <<_:64>>.
note() -> loom_driver:call(?MODULE, note).

-spec set_note(<<_:64>>) -> ok.
set_note(Bytes) when byte_size(Bytes) =:= ?NOTE_SIZE -> loom_driver:call(?MODULE, {set_note, Bytes}).

init() ->
    {ok, Io} = loom_hal:grant({port, 16#70, 2}),
    {ok, Irq} = loom_hal:grant({irq, ?IRQ_LINE}),
    put_reg(Io, ?STATUS_B, ?BINARY_24H),
    _ = reg(Io, ?STATUS_C),
    ok = loom_hw:irq_subscribe(Irq),
    {ok, #s{io = Io, irq = Irq}}.

handle_interrupt(Time, Count, #s{io = Io} = S) ->
    _ = reg(Io, ?STATUS_C),
    ok = loom_hw:irq_ack(S#s.irq),
    loom_driver:event({?MODULE, S#s.subscriber}, {tick, Time, Count}),
    {ok, S}.

handle_request(note, _From, #s{io = Io} = S) ->
    {reply, << <<(reg(Io, ?NOTE + I))>> || I <- lists:seq(0, ?NOTE_SIZE - 1) >>, S};
handle_request({set_note, Bytes}, _From, #s{io = Io} = S) ->
    [put_reg(Io, ?NOTE + I, binary:at(Bytes, I)) || I <- lists:seq(0, ?NOTE_SIZE - 1)],
    {reply, ok, S};
handle_request(now, _From, S) -> {reply, read_time(S#s.io), S};
handle_request({subscribe, off}, _From, #s{io = Io} = S) ->
    put_reg(Io, ?STATUS_B, ?BINARY_24H),
    {reply, self(), S#s{subscriber = none}};
handle_request({subscribe, Rate}, {Pid, _}, #s{io = Io} = S) when Rate >= 3, Rate =< 15 ->
    put_reg(Io, ?STATUS_A, 16#20 bor Rate),
    put_reg(Io, ?STATUS_B, ?BINARY_24H bor ?PERIODIC),
    _ = reg(Io, ?STATUS_C),
    {reply, self(), S#s{subscriber = Pid}}.

%% Two equal readings outside an update.
read_time(Io) ->
    First = fields(Io),
    case {reg(Io, ?STATUS_A) band ?UPDATING, fields(Io)} of
        {0, First} -> First;
        _ -> read_time(Io)
    end.

fields(Io) ->
    [Second, Minute, Hour, Day, Month, Year] = [reg(Io, R) || R <- [0, 2, 4, 7, 8, 9]],
    {{2000 + Year, Month, Day}, {Hour, Minute, Second}}.

reg(Io, Register) ->
    ok = loom_hw:port_out(Io, ?INDEX, 8, Register),
    loom_hw:port_in(Io, ?DATA, 8).

put_reg(Io, Register, Value) ->
    ok = loom_hw:port_out(Io, ?INDEX, 8, Register),
    ok = loom_hw:port_out(Io, ?DATA, 8, Value).
