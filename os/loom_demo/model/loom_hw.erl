%% SPDX-License-Identifier: Apache-2.0
%% @doc A model of the hardware natives (doc/hardware.md) for Linux: one 16550 whose transmitter puts its FIFO on a
%% wire, and I/O ports that nobody answers for. Enough for the unmodified drivers of loom_hal to run on. Never part of
%% the bundle.
-module(loom_hw).
-behaviour(gen_server).

-export([start/0, stop/1, wire/0, drain/0, type/1]).
-export([claim/0, grant/3, inventory/1, port_in/3, port_out/4, port_out_bytes/3, irq_subscribe/1, irq_ack/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(UART, 16#3f8).
-define(IRQ, 4).
-define(RECEIVE, 1).
-define(TRANSMIT, 2).
-define(FIFO_MS, 1). % sixteen bytes take 1.4 ms at 115200 baud

-record(s, {caps = #{} :: #{reference() => {pid(), term()}},
            root :: reference() | undefined,
            irq = none :: pid() | none,
            ier = 0 :: 0..15,
            lcr = 0 :: 0..255,
            empty_cause = false :: boolean(), % "transmitter empty" waits to be read from IIR
            fifo = <<>> :: binary(),
            input = <<>> :: binary(),
            wire = <<>> :: binary()}).

%% --- the model's own controls
%% ------------------------------------------------------------------------------------------------

-spec start() -> {ok, pid()}.
start() -> gen_server:start({local, ?MODULE}, ?MODULE, [], []).
-spec stop(pid()) -> ok.
stop(Pid) -> gen_server:stop(Pid).
%% @doc All that was transmitted so far.
-spec wire() -> binary().
wire() -> gen_server:call(?MODULE, wire).
%% @doc Waits until the transmitter is empty.
-spec drain() -> ok.
drain() ->
    case gen_server:call(?MODULE, pending) of
        0 -> ok;
        _ -> timer:sleep(1), drain()
    end.
%% @doc Input from the wire.
-spec type(binary()) -> ok.
type(Bytes) -> gen_server:call(?MODULE, {type, Bytes}).

%% --- loom_hw
%% ----------------------------------------------------------------------------------------------------------------

claim() -> gen_server:call(?MODULE, claim).
grant(Root, Spec, Pid) -> checked({grant, Root, Spec, Pid}).
inventory(Root) -> checked({inventory, Root}).
port_in(Cap, Offset, Width) -> checked({in, Cap, Offset, Width}).
port_out(Cap, Offset, Width, Value) -> checked({out, Cap, Offset, Width, Value}).
port_out_bytes(Cap, Offset, Bytes) -> checked({bytes, Cap, Offset, iolist_to_binary(Bytes)}).
irq_subscribe(Cap) -> checked({subscribe, Cap}).
irq_ack(Cap) -> checked({ack, Cap}).

checked(Request) ->
    case gen_server:call(?MODULE, Request) of
        badarg -> error(badarg);
        Reply -> Reply
    end.

init([]) -> {ok, #s{}}.

handle_call(wire, _From, S) -> {reply, S#s.wire, S};
handle_call(pending, _From, S) -> {reply, byte_size(S#s.fifo), S};
handle_call({type, Bytes}, _From, #s{input = Input} = S) ->
    {reply, ok, interrupt(?RECEIVE, S#s{input = <<Input/binary, Bytes/binary>>})};
handle_call(claim, {Pid, _}, S) ->
    Root = cap(Pid),
    {reply, {ok, Root}, S#s{root = Root, caps = (S#s.caps)#{Root => {Pid, root}}}};
handle_call({grant, Root, framebuffer, _}, _From, #s{root = Root} = S) -> {reply, {error, enodev}, S};
handle_call({grant, Root, Spec, Pid}, _From, #s{root = Root, caps = Caps} = S) ->
    case [P || {P, Held} <- maps:values(Caps), Held =:= Spec, is_process_alive(P)] of
        [] ->
            Cap = cap(Pid),
            {reply, {ok, Cap}, S#s{caps = Caps#{Cap => {Pid, Spec}}}};
        _ -> {reply, {error, taken}, S}
    end;
handle_call({inventory, Root}, _From, #s{root = Root} = S) ->
    {reply, #{serial => [#{port => ?UART, irq => ?IRQ, kind => uart16550}], framebuffer => false}, S};
handle_call(Request, {Pid, _}, #s{caps = Caps} = S) ->
    case maps:get(element(2, Request), Caps, none) of
        {Pid, Spec} -> access(Request, Spec, Pid, S);
        _ -> {reply, badarg, S}
    end.

handle_cast(Request, _S) -> error({unexpected_cast, Request}).

handle_info(transmitted, #s{fifo = Fifo, wire = Wire} = S) ->
    {noreply, interrupt(?TRANSMIT, S#s{fifo = <<>>, wire = <<Wire/binary, Fifo/binary>>, empty_cause = true})};
handle_info({'DOWN', _, process, Pid, _}, #s{irq = Irq, caps = Caps} = S) ->
    Left = maps:filter(fun(_, {Owner, _}) -> Owner =/= Pid end, Caps),
    {noreply, S#s{caps = Left, irq = case Irq of Pid -> none; _ -> Irq end}}.

%% The owner's death revokes.
cap(Pid) ->
    _ = monitor(process, Pid),
    make_ref().

access({in, _, Offset, 8}, {port, ?UART, _}, _, S) ->
    {Value, New} = read(Offset, S),
    {reply, Value, New};
access({in, _, _, _}, {port, _, _}, _, S) -> {reply, 0, S};
access({out, _, Offset, 8, Value}, {port, ?UART, _}, _, S) -> {reply, ok, write(Offset, Value, S)};
access({out, _, _, _, _}, {port, _, _}, _, S) -> {reply, ok, S};
access({bytes, _, 0, Bytes}, {port, ?UART, _}, _, S) -> {reply, ok, transmit(Bytes, S)};
access({subscribe, _}, {irq, ?IRQ}, Pid, S) -> {reply, ok, S#s{irq = Pid}};
access({subscribe, _}, {irq, _}, _, S) -> {reply, ok, S};
access({ack, _}, {irq, _}, _, S) -> {reply, ok, S};
access(_, _, _, S) -> {reply, badarg, S}.

%% Registers: 0 data, 1 interrupts enabled, 2 interrupt cause, 3 line control, 5 line status.
read(0, #s{input = <<C, Rest/binary>>} = S) -> {C, S#s{input = Rest}};
read(1, S) -> {S#s.ier, S};
read(2, #s{input = Input, ier = Ier} = S) when Input =/= <<>>, Ier band ?RECEIVE =/= 0 -> {16#04, S};
read(2, #s{empty_cause = true, ier = Ier} = S) when Ier band ?TRANSMIT =/= 0 -> {16#02, S#s{empty_cause = false}};
read(2, S) -> {16#01, S};
read(3, S) -> {S#s.lcr, S};
read(5, #s{input = Input, fifo = Fifo} = S) ->
    Data = case Input of <<>> -> 0; _ -> 16#01 end,
    Empty = case Fifo of <<>> -> 16#60; _ -> 0 end,
    {Data bor Empty, S};
read(_, S) -> {0, S}.

write(3, Value, S) -> S#s{lcr = Value};
write(Offset, _, #s{lcr = Lcr} = S) when Offset < 2, Lcr >= 16#80 -> S; % the divisor
write(0, Value, S) -> transmit(<<Value>>, S);
write(1, Value, #s{fifo = <<>>, ier = Old} = S) when Value band ?TRANSMIT =/= 0, Old band ?TRANSMIT =:= 0 ->
    interrupt(?TRANSMIT, S#s{ier = Value, empty_cause = true});
write(1, Value, S) -> interrupt(?RECEIVE, S#s{ier = Value});
write(_, _, S) -> S.

transmit(Bytes, #s{fifo = <<>>} = S) ->
    _ = erlang:send_after(?FIFO_MS, self(), transmitted),
    S#s{fifo = Bytes, empty_cause = false};
transmit(Bytes, #s{fifo = Fifo} = S) -> S#s{fifo = <<Fifo/binary, Bytes/binary>>}.

%% The line goes up when the cause is there and enabled.
interrupt(?RECEIVE, #s{input = <<>>} = S) -> S;
interrupt(Cause, #s{irq = Pid, ier = Ier} = S) when is_pid(Pid), Ier band Cause =/= 0 ->
    Pid ! {interrupt, 16#20 + ?IRQ, erlang:monotonic_time(nanosecond), 1},
    S;
interrupt(_, S) -> S.
