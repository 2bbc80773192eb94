%% SPDX-License-Identifier: Apache-2.0
%% @doc The 16550 serial port, interrupt driven both ways (National Semiconductor PC16550D, section 8: registers).
%%
%% Its subscriber gets `{loom_drv_serial, Pid, {data, Binary}}' for input and `{.., .., {written, Count}}' as bytes
%% reach the transmitter, so that it can send again what a crash of this process lost.
-module(loom_drv_serial).
-behaviour(loom_driver).

-export([subscribe/0, write/2]).
-export([init/0, handle_interrupt/3, handle_request/3]).

%% Registers (offset from the base) and bits.
-define(DATA, 0).
-define(IER, 1).
-define(IIR, 2).
-define(FCR, 2).
-define(LCR, 3).
-define(MCR, 4).
-define(LSR, 5).
-define(IER_RECEIVE, 16#01).
-define(IER_TRANSMIT, 16#02).
-define(IIR_NONE, 16#01).
-define(FCR_ENABLE_TRIGGER_14, 16#c1).
-define(LCR_8N1, 16#03).
-define(LCR_DIVISOR, 16#80).
-define(MCR_DTR_RTS_OUT2, 16#0b).
-define(LSR_DATA, 16#01).
-define(LSR_EMPTY, 16#20).
-define(FIFO, 16).
-define(DIVISOR_115200, 1).
%% What is typed before anybody subscribes is kept: a line or two of a user who cannot wait.
-define(EARLY_MAX, 4096).

-record(s, {io :: loom_hal:cap(),
            irq :: loom_hal:cap(),
            out = <<>> :: binary(),
            transmitting = false :: boolean(),
            early = <<>> :: binary(),
            subscriber = none :: pid() | none}).

%% @doc The caller becomes the one that gets input. Returns the driver's pid, to be monitored.
-spec subscribe() -> pid().
subscribe() -> loom_driver:call(?MODULE, subscribe).

%% @doc Queues bytes. The answer comes at once; `written' events tell the progress.
-spec write(pid(), binary()) -> ok.
write(Driver, Bytes) -> loom_driver:call(Driver, {write, Bytes}).

init() ->
    case loom_hal:inventory() of
        #{serial := [#{port := Port, irq := Line} | _]} ->
            {ok, Io} = loom_hal:grant({port, Port, 8}),
            {ok, Irq} = loom_hal:grant({irq, Line}),
            set_up(Io),
            ok = loom_hw:irq_subscribe(Irq),
            out(Io, ?IER, ?IER_RECEIVE),
            {ok, service(#s{io = Io, irq = Irq})};
        _ -> ignore
    end.

%% 115200 8N1. The FIFOs are kept as they are: what waits in them is somebody's input and output.
set_up(Io) ->
    out(Io, ?IER, 0),
    out(Io, ?LCR, ?LCR_DIVISOR),
    out(Io, ?DATA, ?DIVISOR_115200),
    out(Io, ?IER, 0),
    out(Io, ?LCR, ?LCR_8N1),
    out(Io, ?FCR, ?FCR_ENABLE_TRIGGER_14),
    out(Io, ?MCR, ?MCR_DTR_RTS_OUT2).

handle_interrupt(_Time, _Count, S) ->
    New = service(S),
    ok = loom_hw:irq_ack(S#s.irq),
    {ok, New}.

handle_request(subscribe, {Pid, _}, #s{early = Early} = S) ->
    New = S#s{subscriber = Pid, early = <<>>},
    [tell_data(Early, New) || Early =/= <<>>],
    {reply, self(), New};
handle_request({write, Bytes}, _From, #s{out = Out} = S) ->
    {reply, ok, service(S#s{out = <<Out/binary, Bytes/binary>>})}.

%% Until the port has no cause left: the line is edge triggered, a cause left behind would never interrupt again.
service(#s{io = Io} = S) ->
    Status = in(Io, ?LSR),
    Received = receive_bytes(Io, Status, S),
    Sent = transmit(Received, Status),
    Done = (in(Io, ?IIR) band ?IIR_NONE) =:= ?IIR_NONE,
    case Done of
        true -> Sent;
        false -> service(Sent)
    end.

receive_bytes(Io, Status, #s{subscriber = none, early = Early} = S) when Status band ?LSR_DATA =/= 0 ->
    Bytes = drain(Io, Early),
    S#s{early = binary:part(Bytes, 0, min(?EARLY_MAX, byte_size(Bytes)))};
receive_bytes(Io, Status, S) when Status band ?LSR_DATA =/= 0 ->
    tell_data(drain(Io, <<>>), S),
    S;
receive_bytes(_Io, _Status, S) -> S.

tell_data(Bytes, S) -> loom_driver:event({?MODULE, S#s.subscriber}, {data, Bytes}).

drain(Io, Bytes) ->
    More = <<Bytes/binary, (in(Io, ?DATA))>>,
    case in(Io, ?LSR) band ?LSR_DATA of
        0 -> More;
        _ -> drain(Io, More)
    end.

transmit(#s{out = <<>>, transmitting = false} = S, _Status) -> S;
transmit(#s{out = <<>>, io = Io} = S, _Status) ->
    out(Io, ?IER, ?IER_RECEIVE),
    S#s{transmitting = false};
transmit(#s{io = Io, out = Out} = S, Status) when Status band ?LSR_EMPTY =/= 0 ->
    Count = min(?FIFO, byte_size(Out)),
    <<Now:Count/binary, Later/binary>> = Out,
    ok = loom_hw:port_out_bytes(Io, ?DATA, Now),
    loom_driver:event({?MODULE, S#s.subscriber}, {written, Count}),
    want_more(S#s{out = Later});
transmit(S, _Status) -> want_more(S).

want_more(#s{transmitting = true} = S) -> S;
want_more(#s{io = Io} = S) ->
    out(Io, ?IER, ?IER_RECEIVE bor ?IER_TRANSMIT),
    S#s{transmitting = true}.

in(Io, Register) -> loom_hw:port_in(Io, Register, 8).
out(Io, Register, Value) -> ok = loom_hw:port_out(Io, Register, 8, Value).
