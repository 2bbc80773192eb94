%% SPDX-License-Identifier: Apache-2.0
%% @doc A 16550 whose transmitter puts its FIFO on a wire (National Semiconductor PC16550D). Pure; its owner is told
%% `interrupt' and `transmit' (later: transmitted/1) through effects.
-module(loom_model_uart).

-export([new/0, read/2, write/3, write_bytes/2, transmitted/1, input/2, wire/1, pending/1]).
-export_type([uart/0]).

-define(RECEIVE, 1).
-define(TRANSMIT, 2).

-record(u, {ier = 0 :: 0..15, lcr = 0 :: 0..255,
            empty_cause = false :: boolean(), % "transmitter empty" waits to be read from IIR
            fifo = <<>> :: binary(), input = <<>> :: binary(), wire = <<>> :: binary()}).
-opaque uart() :: #u{}.
-type effects() :: [interrupt | transmit].

-spec new() -> uart().
new() -> #u{}.

%% @doc All that was transmitted so far.
-spec wire(uart()) -> binary().
wire(#u{wire = Wire}) -> Wire.

-spec pending(uart()) -> non_neg_integer().
pending(#u{fifo = Fifo}) -> byte_size(Fifo).

%% Registers: 0 data, 1 interrupts enabled, 2 interrupt cause, 3 line control, 5 line status.
-spec read(0..7, uart()) -> {byte(), uart()}.
read(0, #u{input = <<C, Rest/binary>>} = U) -> {C, U#u{input = Rest}};
read(1, U) -> {U#u.ier, U};
read(2, #u{input = Input, ier = Ier} = U) when Input =/= <<>>, Ier band ?RECEIVE =/= 0 -> {16#04, U};
read(2, #u{empty_cause = true, ier = Ier} = U) when Ier band ?TRANSMIT =/= 0 -> {16#02, U#u{empty_cause = false}};
read(2, U) -> {16#01, U};
read(3, U) -> {U#u.lcr, U};
read(5, #u{input = Input, fifo = Fifo} = U) ->
    Data = case Input of <<>> -> 0; _ -> 16#01 end,
    Empty = case Fifo of <<>> -> 16#60; _ -> 0 end,
    {Data bor Empty, U};
read(_, U) -> {0, U}.

-spec write(0..7, byte(), uart()) -> {effects(), uart()}.
write(3, Value, U) -> {[], U#u{lcr = Value}};
write(Offset, _, #u{lcr = Lcr} = U) when Offset < 2, Lcr >= 16#80 -> {[], U}; % the divisor
write(0, Value, U) -> write_bytes(<<Value>>, U);
write(1, Value, #u{fifo = <<>>, ier = Old} = U) when Value band ?TRANSMIT =/= 0, Old band ?TRANSMIT =:= 0 ->
    interrupt(?TRANSMIT, U#u{ier = Value, empty_cause = true});
write(1, Value, U) -> interrupt(?RECEIVE, U#u{ier = Value});
write(_, _, U) -> {[], U}.

-spec write_bytes(binary(), uart()) -> {effects(), uart()}.
write_bytes(Bytes, #u{fifo = <<>>} = U) -> {[transmit], U#u{fifo = Bytes, empty_cause = false}};
write_bytes(Bytes, #u{fifo = Fifo} = U) -> {[], U#u{fifo = <<Fifo/binary, Bytes/binary>>}}.

%% @doc The time for the FIFO is over.
-spec transmitted(uart()) -> {effects(), uart()}.
transmitted(#u{fifo = Fifo, wire = Wire} = U) ->
    interrupt(?TRANSMIT, U#u{fifo = <<>>, wire = <<Wire/binary, Fifo/binary>>, empty_cause = true}).

-spec input(binary(), uart()) -> {effects(), uart()}.
input(Bytes, #u{input = Input} = U) -> interrupt(?RECEIVE, U#u{input = <<Input/binary, Bytes/binary>>}).

%% The line goes up when the cause is there and enabled.
interrupt(?RECEIVE, #u{input = <<>>} = U) -> {[], U};
interrupt(Cause, #u{ier = Ier} = U) when Ier band Cause =/= 0 -> {[interrupt], U};
interrupt(_, U) -> {[], U}.
