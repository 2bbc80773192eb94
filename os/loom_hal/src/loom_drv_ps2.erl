%% SPDX-License-Identifier: Apache-2.0
%% @doc The PS/2 keyboard behind an 8042 controller (ports 0x60 and 0x64). Its subscriber gets
%% `{loom_drv_ps2, Pid, {data, Binary}}': the bytes that a terminal would send for the keys.
-module(loom_drv_ps2).
-behaviour(loom_driver).

-export([subscribe/0]).
-export([init/0, handle_interrupt/3, handle_request/3]).

-define(DATA, 0).
-define(STATUS, 4).
-define(OUTPUT_FULL, 16#01).
-define(INPUT_FULL, 16#02).
-define(FROM_MOUSE, 16#20).
-define(READ_CONFIG, 16#20).
-define(WRITE_CONFIG, 16#60).
-define(ENABLE_KEYBOARD, 16#ae).
%% Configuration byte: interrupt for the first port, translation to scan code set 1; the clock of the first port on.
-define(CONFIG_ON, 16#41).
-define(CONFIG_CLOCK_OFF, 16#10).
-define(PATIENCE, 10000).

-record(s, {io :: loom_hal:cap(), irq :: loom_hal:cap(), scan = loom_ps2_scan:new() :: loom_ps2_scan:state(),
            subscriber = none :: pid() | none}).

%% @doc The caller becomes the one that gets keys.
-spec subscribe() -> pid().
subscribe() -> loom_driver:call(?MODULE, subscribe).

init() ->
    case loom_hal:inventory() of
        #{keyboard := #{port := Port, irq := Line}} ->
            {ok, Io} = loom_hal:grant({port, Port, 5}),
            {ok, Irq} = loom_hal:grant({irq, Line}),
            case set_up(Io) of
                ok ->
                    ok = loom_hw:irq_subscribe(Irq),
                    {ok, #s{io = Io, irq = Irq}};
                absent -> ignore
            end;
        _ -> ignore
    end.

set_up(Io) ->
    drain(Io),
    case command(Io, ?READ_CONFIG) of
        ok ->
            Config = wait_data(Io, ?PATIENCE),
            ok = command(Io, ?WRITE_CONFIG),
            ok = wait_ready(Io, ?PATIENCE),
            ok = loom_hw:port_out(Io, ?DATA, 8, (Config bor ?CONFIG_ON) band (bnot ?CONFIG_CLOCK_OFF)),
            ok = command(Io, ?ENABLE_KEYBOARD),
            drain(Io),
            ok;
        absent -> absent
    end.

command(Io, Command) ->
    case wait_ready(Io, ?PATIENCE) of
        ok -> loom_hw:port_out(Io, ?STATUS, 8, Command);
        absent -> absent
    end.

wait_ready(_Io, 0) -> absent;
wait_ready(Io, Patience) ->
    case loom_hw:port_in(Io, ?STATUS, 8) band ?INPUT_FULL of
        0 -> ok;
        _ -> wait_ready(Io, Patience - 1)
    end.

wait_data(_Io, 0) -> 0;
wait_data(Io, Patience) ->
    case loom_hw:port_in(Io, ?STATUS, 8) band ?OUTPUT_FULL of
        0 -> wait_data(Io, Patience - 1);
        _ -> loom_hw:port_in(Io, ?DATA, 8)
    end.

drain(Io) -> drain(Io, 64).

drain(_Io, 0) -> ok;
drain(Io, Left) ->
    case loom_hw:port_in(Io, ?STATUS, 8) band ?OUTPUT_FULL of
        0 -> ok;
        _ ->
            _ = loom_hw:port_in(Io, ?DATA, 8),
            drain(Io, Left - 1)
    end.

handle_interrupt(_Time, _Count, #s{io = Io, scan = Scan} = S) ->
    {Bytes, New} = read_keys(Io, Scan, <<>>),
    ok = loom_hw:irq_ack(S#s.irq),
    Bytes =:= <<>> orelse loom_driver:event({?MODULE, S#s.subscriber}, {data, Bytes}),
    {ok, S#s{scan = New}}.

handle_request(subscribe, {Pid, _}, S) -> {reply, self(), S#s{subscriber = Pid}}.

read_keys(Io, Scan, Bytes) ->
    Status = loom_hw:port_in(Io, ?STATUS, 8),
    case Status band ?OUTPUT_FULL of
        0 -> {Bytes, Scan};
        _ ->
            Code = loom_hw:port_in(Io, ?DATA, 8),
            {More, New} = key(Status, Code, Scan),
            read_keys(Io, New, <<Bytes/binary, More/binary>>)
    end.

key(Status, _Code, Scan) when Status band ?FROM_MOUSE =/= 0 -> {<<>>, Scan};
key(_Status, Code, Scan) -> loom_ps2_scan:decode(Code, Scan).
