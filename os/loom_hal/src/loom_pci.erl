%% SPDX-License-Identifier: Apache-2.0
%% @doc One PCI function, as its driver uses it: configuration space, base address registers, interrupts, bus mastering
%% (PCI Local Bus Specification 3.0: chapter 6; MSI 6.8.1, MSI-X 6.8.2). `describe/2' is for discovery.
%%
%% A value of this module belongs to the process that opened it; so do the capabilities in it.
-module(loom_pci).

-export([describe/2]).
-export([open/1, read/3, write/4, bar/2, enable/1, interrupts/1, interrupts/2,
         is_message/1, ack/1, reset_done/1, switch_off/1]).
-export([check/1]).
-export_type([pci/0, bar/0]).

%% Configuration registers.
-define(VENDOR, 16#00).
-define(COMMAND, 16#04).
-define(STATUS, 16#06).
-define(CLASS, 16#0b).
-define(HEADER_TYPE, 16#0e).
-define(FIRST_BAR, 16#10).
-define(SUBSYSTEM, 16#2c).
-define(CAPABILITIES, 16#34).
-define(INT_LINE, 16#3c).
-define(INT_PIN, 16#3d).
-define(COMMAND_DECODE, 16#0003).
-define(COMMAND_MASTER, 16#0004).
-define(COMMAND_NO_INTX, 16#0400).
-define(STATUS_CAPABILITIES, 16#0010).
-define(CAP_MSI, 16#05).
-define(CAP_MSIX, 16#11).
-define(MAX_CAPABILITIES, 48). % those that fit between the header and the end of 256 bytes
-define(CLASS_BRIDGE, 16#06).
-define(IOAPIC_LINES, [16, 17, 18, 19, 20, 21, 22, 23]). % behind those of ISA
-define(LINE_MS, 20). % that an interrupt may take

-type bar() :: #{index := 0..5, kind := mmio | io, address := non_neg_integer(), size := pos_integer()}.
-record(pci, {device :: loom_devices:device(), config :: loom_hal:cap(), bars = #{} :: #{0..5 => loom_hal:cap()},
    interrupt = none :: none | {message, loom_hal:cap()} | {line, non_neg_integer()},
    %% What check/1 wants to read: in configuration space, and where the message is.
    expected = [] :: [{config | loom_hal:cap(), At :: non_neg_integer(), 16 | 32, Mask :: integer(), integer()}]}).
-opaque pci() :: #pci{}.

%% --- discovery ---------------------------------------------------------------------------------------------------

%% @doc What a function says of itself. `Config' is the capability to its configuration space. Its decoding is off while
%% the sizes of its windows are found (section 6.2.5.1); bridges are not touched: others are behind them.
-spec describe({0..255, 0..31, 0..7}, loom_hal:cap()) -> loom_devices:device().
describe(Place, Config) ->
    <<Vendor:16/little, Device:16/little, _:32, Revision, ProgIf, Subclass, Class>> = bytes(Config, ?VENDOR, 12),
    Header = loom_hw:pci_read(Config, ?HEADER_TYPE, 8) band 16#7f,
    <<SubVendor:16/little, SubDevice:16/little>> = bytes(Config, ?SUBSYSTEM, 4),
    #{id => {pci, Place}, vendor => Vendor, device => Device, revision => Revision,
        subsystem => {SubVendor, SubDevice}, class => {Class, Subclass, ProgIf},
        bars => bars(Config, Class, Header), capabilities => capabilities(Config), gsi => line(Config),
        name => loom_pci_names:name(Vendor, Device, {Class, Subclass, ProgIf})}.

bytes(Config, Offset, Count) ->
    << <<(loom_hw:pci_read(Config, At, 32)):32/little>> || At <- lists:seq(Offset, Offset + Count - 1, 4) >>.

bars(_Config, ?CLASS_BRIDGE, _) -> [];
bars(Config, _, 0) ->
    Command = loom_hw:pci_read(Config, ?COMMAND, 16),
    ok = loom_hw:pci_write(Config, ?COMMAND, 16, Command band bnot ?COMMAND_DECODE),
    Bars = bars_from(Config, 0),
    ok = loom_hw:pci_write(Config, ?COMMAND, 16, Command),
    Bars;
bars(_, _, _) -> [].

bars_from(_Config, 6) -> [];
bars_from(Config, Index) ->
    {Old, Mask} = probe(Config, Index),
    case Old band 7 of
        4 when Index < 5 -> % a 64-bit window takes two registers
            {OldHigh, MaskHigh} = probe(Config, Index + 1),
            window(Index, mmio, OldHigh bsl 32 bor Old, MaskHigh bsl 32 bor Mask, 16#f, 64)
                ++ bars_from(Config, Index + 2);
        Bits when Bits band 1 =:= 1 ->
            window(Index, io, Old, Mask bor 16#ffff0000, 3, 32) ++ bars_from(Config, Index + 1);
        _ -> window(Index, mmio, Old, Mask, 16#f, 32) ++ bars_from(Config, Index + 1)
    end.

probe(Config, Index) ->
    At = ?FIRST_BAR + 4 * Index,
    Old = loom_hw:pci_read(Config, At, 32),
    ok = loom_hw:pci_write(Config, At, 32, 16#ffffffff),
    Mask = loom_hw:pci_read(Config, At, 32),
    ok = loom_hw:pci_write(Config, At, 32, Old),
    {Old, Mask}.

%% A register that takes no bit is not there.
window(_Index, _Kind, _Old, Mask, Low, _) when Mask band bnot Low =:= 0 -> [];
window(_Index, io, _Old, 16#ffff0000, _, _) -> [];
window(Index, Kind, Old, Mask, Low, Bits) ->
    Size = (bnot (Mask band bnot Low) + 1) band (1 bsl Bits - 1),
    [#{index => Index, kind => Kind, address => Old band bnot Low, size => Size}].

%% A list that loops ends after as many as fit.
capabilities(Config) ->
    case loom_hw:pci_read(Config, ?STATUS, 16) band ?STATUS_CAPABILITIES of
        0 -> [];
        _ -> capabilities(Config, loom_hw:pci_read(Config, ?CAPABILITIES, 8) band 16#fc, ?MAX_CAPABILITIES)
    end.

capabilities(_Config, Offset, Left) when Offset < 16#40; Left =:= 0 -> [];
capabilities(Config, Offset, Left) ->
    Word = loom_hw:pci_read(Config, Offset, 16),
    [{Word band 16#ff, Offset} | capabilities(Config, (Word bsr 8) band 16#fc, Left - 1)].

%% What the firmware routed the pin to. Only lines of the first sixteen can be told without interpreting ACPI's methods.
line(Config) ->
    case {loom_hw:pci_read(Config, ?INT_PIN, 8), loom_hw:pci_read(Config, ?INT_LINE, 8)} of
        {Pin, Line} when Pin >= 1, Pin =< 4, Line >= 1, Line < 16 -> Line;
        _ -> none
    end.

%% --- for a driver ------------------------------------------------------------------------------------------------

%% @doc Takes the function for the caller. Bus mastering is off.
-spec open(loom_devices:device()) -> pci().
open(#{id := {pci, {Bus, Slot, Function}}} = Device) ->
    {ok, Config} = loom_hal:grant({pci, Bus, Slot, Function}),
    Pci = #pci{device = Device, config = Config},
    Command = read(Pci, ?COMMAND, 16),
    ok = write(Pci, ?COMMAND, 16, Command band bnot ?COMMAND_MASTER bor ?COMMAND_NO_INTX),
    Pci.

-spec read(pci(), non_neg_integer(), 8 | 16 | 32) -> non_neg_integer().
read(#pci{config = Config}, Offset, Width) -> loom_hw:pci_read(Config, Offset, Width).

-spec write(pci(), non_neg_integer(), 8 | 16 | 32, non_neg_integer()) -> ok.
write(#pci{config = Config}, Offset, Width, Value) -> loom_hw:pci_write(Config, Offset, Width, Value).

%% @doc The capability to a window: `{mmio, _, _}' or `{port, _, _}'. Decoding is switched on.
-spec bar(pci(), 0..5) -> {loom_hal:cap(), pci()}.
bar(#pci{bars = Bars} = Pci, Index) when is_map_key(Index, Bars) -> {map_get(Index, Bars), Pci};
bar(#pci{device = #{bars := List}, bars = Bars} = Pci, Index) ->
    [#{kind := Kind, address := Address, size := Size}] = [B || #{index := I} = B <- List, I =:= Index],
    true = Address > 0,
    {ok, Cap} = loom_hal:grant({case Kind of mmio -> mmio; io -> port end, Address, Size}),
    ok = place(Pci, Index, Address),
    ok = write(Pci, ?COMMAND, 16, read(Pci, ?COMMAND, 16) bor ?COMMAND_DECODE),
    {Cap, Pci#pci{bars = Bars#{Index => Cap}}}.

%% Where it was when it was found, whatever has happened to the register since. It is not decoded while it moves.
place(Pci, Index, Address) ->
    At = ?FIRST_BAR + 4 * Index,
    Now = read(Pci, At, 32),
    Bits = case Now band 1 of 1 -> 3; 0 -> 16#f end,
    case Now band bnot Bits =:= Address band 16#ffffffff of
        true -> ok;
        false ->
            Command = read(Pci, ?COMMAND, 16),
            ok = write(Pci, ?COMMAND, 16, Command band bnot ?COMMAND_DECODE),
            ok = write(Pci, At, 32, Address band 16#ffffffff),
            ok = case Now band 7 of
                4 -> write(Pci, At + 4, 32, Address bsr 32);
                _ -> ok
            end,
            write(Pci, ?COMMAND, 16, Command)
    end.

%% @doc From a driver's tick: fails when registers that only the driver changes are not what they were. A device that is
%% gone reads as ones.
-spec check(pci()) -> ok.
check(#pci{expected = Expected, device = #{vendor := Vendor}} = Pci) ->
    read(Pci, ?VENDOR, 16) =:= Vendor orelse error(device_gone),
    Wanted = ?COMMAND_MASTER bor 2,
    read(Pci, ?COMMAND, 16) band Wanted =:= Wanted orelse error(command_register_changed),
    [case Where of
         config -> read(Pci, At, Width);
         Cap -> loom_hw:mmio_read(Cap, At, Width)
     end band Mask =:= Value orelse error({register_changed, At}) || {Where, At, Width, Mask, Value} <- Expected],
    ok.

%% @doc The device may use memory from now on: after it was reset.
-spec enable(pci()) -> ok.
enable(Pci) -> write(Pci, ?COMMAND, 16, read(Pci, ?COMMAND, 16) bor ?COMMAND_DECODE bor ?COMMAND_MASTER).

%% @doc The device was reset by the caller, so it has forgotten every address it had: memory of the drivers before this
%% one is free again.
-spec reset_done(pci()) -> ok.
reset_done(#pci{config = Config}) -> loom_hw:pci_reset_done(Config).

%% @doc One interrupt for the whole device: a message where it can send one, else its line. The caller gets
%% `{interrupt, ...}'; after it has dealt with one it calls ack/1.
-spec interrupts(pci()) -> pci().
interrupts(#pci{device = #{capabilities := Capabilities, gsi := Gsi}} = Pci) ->
    case {lists:keyfind(?CAP_MSIX, 1, Capabilities), lists:keyfind(?CAP_MSI, 1, Capabilities)} of
        {{_, Offset}, _} -> msix(Pci, Offset);
        {false, {_, Offset}} -> msi(Pci, Offset);
        {false, false} when Gsi =/= none ->
            ok = loom_lines:attach(Gsi),
            ok = write(Pci, ?COMMAND, 16, read(Pci, ?COMMAND, 16) band bnot ?COMMAND_NO_INTX),
            Pci#pci{interrupt = {line, Gsi}}
    end.

%% @doc The same for a device that can be made to interrupt (`Raise') and to be quiet again (`Quiet'): the line that its
%% interrupts really come by. What firmware says may be true for the old interrupt controller only, while the I/O APIC
%% has the lines of PCI on 16 to 23. A device whose interrupts come nowhere is left to its driver's tick.
-spec interrupts(pci(), {Raise :: fun(() -> ok), Quiet :: fun(() -> ok)}) -> pci().
interrupts(#pci{device = #{capabilities := Capabilities, gsi := Gsi}} = Pci, Device) ->
    case [Id || {Id, _} <- Capabilities, Id =:= ?CAP_MSIX orelse Id =:= ?CAP_MSI] of
        [] ->
            ok = write(Pci, ?COMMAND, 16, read(Pci, ?COMMAND, 16) band bnot ?COMMAND_NO_INTX),
            find_line([G || G <- [Gsi | ?IOAPIC_LINES], G =/= none], Device, Pci);
        _ -> interrupts(Pci)
    end.

find_line([], _, Pci) ->
    #{id := {pci, {Bus, Slot, Function}}} = Pci#pci.device,
    Place = io_lib:format("~2.16.0b:~2.16.0b.~b", [Bus, Slot, Function]),
    loom_hw:log(["devices: ", Place, " interrupts by no line that is known"]),
    Pci;
find_line([Gsi | Rest], Device, Pci) ->
    case loom_lines:attach(Gsi) of
        ok ->
            %% Others may be on the line: what comes three times is no chance.
            case lists:all(fun(_) -> comes_by(Gsi, Device) end, [1, 2, 3]) of
                true -> Pci#pci{interrupt = {line, Gsi}};
                false ->
                    ok = loom_lines:detach(Gsi),
                    ok = forget_interrupts(),
                    find_line(Rest, Device, Pci)
            end;
        {error, _} -> find_line(Rest, Device, Pci)
    end.

comes_by(Gsi, {Raise, Quiet}) ->
    ok = forget_interrupts(),
    ok = Raise(),
    Came = receive {interrupt, _, _, _} -> true after ?LINE_MS -> false end,
    ok = Quiet(),
    ok = loom_lines:ack(Gsi),
    Came.

forget_interrupts() -> receive {interrupt, _, _, _} -> forget_interrupts() after 0 -> ok end.

-spec is_message(pci()) -> boolean().
is_message(#pci{interrupt = {message, _}}) -> true;
is_message(#pci{}) -> false.

%% @doc Messages are edges and need none.
-spec ack(pci()) -> ok.
ack(#pci{interrupt = none}) -> ok;
ack(#pci{interrupt = {message, _}}) -> ok;
ack(#pci{interrupt = {line, Gsi}}) -> loom_lines:ack(Gsi).

message() ->
    {ok, Cap} = loom_hal:grant(msi),
    {Address, Data} = loom_hw:irq_message(Cap),
    ok = loom_hw:irq_subscribe(Cap),
    {Cap, Address, Data}.

%% Vector 0 of the table; the rest is masked. Function Mask is set meanwhile.
msix(Pci, Offset) ->
    Control = read(Pci, Offset + 2, 16),
    ok = write(Pci, Offset + 2, 16, 16#c000),
    <<Table:29, Bir:3>> = <<(read(Pci, Offset + 4, 32)):32>>,
    {Cap, WithBar} = bar(Pci, Bir),
    {Irq, Address, Data} = message(),
    [ok = loom_hw:mmio_write(Cap, Table * 8 + 16 * I + 12, 32, 1) || I <- lists:seq(1, Control band 16#7ff)],
    ok = loom_hw:mmio_write(Cap, Table * 8, 32, Address band 16#ffffffff),
    ok = loom_hw:mmio_write(Cap, Table * 8 + 4, 32, Address bsr 32),
    ok = loom_hw:mmio_write(Cap, Table * 8 + 8, 32, Data),
    ok = loom_hw:mmio_write(Cap, Table * 8 + 12, 32, 0),
    ok = write(Pci, Offset + 2, 16, 16#8000),
    WithBar#pci{interrupt = {message, Irq}, expected = [{config, Offset + 2, 16, 16#c000, 16#8000},
        {Cap, Table * 8, 32, 16#ffffffff, Address band 16#ffffffff}, {Cap, Table * 8 + 8, 32, 16#ffffffff, Data},
        {Cap, Table * 8 + 12, 32, 1, 0}]}.

%% One message (Multiple Message Enable 0), with 32 or 64 bits of address, with or without a mask a vector.
msi(Pci, Offset) ->
    Control = read(Pci, Offset + 2, 16),
    {Irq, Address, Data} = message(),
    ok = write(Pci, Offset + 4, 32, Address band 16#ffffffff),
    At = case Control band 16#80 of
        0 -> Offset + 8;
        _ ->
            ok = write(Pci, Offset + 8, 32, Address bsr 32),
            Offset + 12
    end,
    ok = write(Pci, At, 16, Data),
    Control band 16#100 =:= 0 orelse write(Pci, At + 4, 32, 0),
    ok = write(Pci, Offset + 2, 16, Control band bnot 16#70 bor 1),
    Pci#pci{interrupt = {message, Irq}, expected = [{config, Offset + 2, 16, 1, 1}, {config, At, 16, 16#ffff, Data},
        {config, Offset + 4, 32, 16#ffffffff, Address band 16#ffffffff}]}.

%% @doc For a device that nobody will drive: it answers no more, and does nothing by itself. A bridge stays as it is:
%% others are behind it.
-spec switch_off(loom_devices:id()) -> ok | {error, taken | enomem | enodev}.
switch_off({pci, {Bus, Slot, Function}}) ->
    case loom_hal:grant({pci, Bus, Slot, Function}) of
        {ok, Config} ->
            loom_hw:pci_read(Config, ?CLASS, 8) =:= ?CLASS_BRIDGE
                orelse loom_hw:pci_write(Config, ?COMMAND, 16, ?COMMAND_NO_INTX),
            loom_hw:revoke(Config);
        {error, _} = Error -> Error
    end.
