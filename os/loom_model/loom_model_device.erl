%% SPDX-License-Identifier: Apache-2.0
%% @doc The behaviour of a model device on the model's PCI bus, and what such a device may do. Its callbacks run in the
%% process that is the hardware: what they do is done at once, as seen by drivers; `later/1' is for what takes time.
-module(loom_model_device).

-export([is_master/0, read/2, write/2, interrupt/0, line/1, later/1, later/2]).
-export_type([config/0]).

-type config() :: #{vendor := 0..16#ffff, device := 0..16#ffff, class := {byte(), byte(), byte()},
    bars := [{0..5, mmio | io, Size :: pos_integer()}],
    msix => {Bar :: 0..5, Offset :: non_neg_integer()}, % a table with one vector; without it the device has a line
    line => 16..23, % another line than firmware says
    capabilities => [{Id :: byte(), binary()}], subsystem => 0..16#ffff,
    registers => [{Offset :: byte(), binary()}], % of configuration space, to begin with
    fixed => [{Window :: 6..99, mmio | io, Address :: pos_integer(), Size :: pos_integer()}]}. % at no base address

-callback init(Args :: term()) -> {config(), State :: term()}.
-callback read(Bar :: 0..5, Offset :: non_neg_integer(), Width :: 8 | 16 | 32 | 64, State) ->
    {non_neg_integer(), State}.
-callback write(Bar :: 0..5, Offset :: non_neg_integer(), Width :: 8 | 16 | 32 | 64, non_neg_integer(), State) -> State.
%% A write to a register of its own in configuration space: what it reads as from now on, and the new state.
-callback config(Offset :: byte(), Width :: 8 | 16 | 32, non_neg_integer(), State) ->
    {non_neg_integer(), State} | false.
-optional_callbacks([config/4]).
%% What later/1 was called with, or what a test tells the device (loom_hw:tell/2).
-callback event(term(), State) -> State.
%% It reached for memory that is not there (the throw of read/2 and write/2): what such a device does then. Without it:
%% nothing comes of what it was doing.
-callback bus_error(State) -> State.
-optional_callbacks([bus_error/1]).

%% @doc Whether the device may use memory: what it does with it has to wait otherwise.
-spec is_master() -> boolean().
is_master() -> loom_model_pci:is_master(get(device)).

%% @doc Memory, as a bus master sees it. Without the right to it: nothing, zeroes.
-spec read(non_neg_integer(), non_neg_integer()) -> binary().
read(Address, Size) ->
    case loom_model_pci:is_master(get(device)) of
        true -> there(loom_model_memory:device_read(Address, Size));
        false -> <<0:Size/unit:8>>
    end.

-spec write(non_neg_integer(), binary()) -> ok.
write(Address, Data) ->
    case loom_model_pci:is_master(get(device)) of
        true -> there(loom_model_memory:device_write(Address, Data));
        false -> ok
    end.

there(error) -> throw(bus_error);
there(Good) -> Good.

%% @doc Sends the device's message.
-spec interrupt() -> ok.
interrupt() -> loom_model_pci:interrupt(get(device)).

%% @doc Raises or lowers the device's line.
-spec line(boolean()) -> ok.
line(Level) -> loom_model_pci:line(get(device), Level).

%% @doc event/2 will be called with it: soon, or after so many milliseconds.
-spec later(term()) -> ok.
later(Event) ->
    self() ! {device, get(device), Event},
    ok.

-spec later(non_neg_integer(), term()) -> ok.
later(0, Event) -> later(Event); % a timer would take a millisecond
later(Ms, Event) ->
    _ = erlang:send_after(Ms, self(), {device, get(device), Event}),
    ok.
