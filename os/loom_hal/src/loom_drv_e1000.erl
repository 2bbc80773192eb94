%% SPDX-License-Identifier: Apache-2.0
%% @doc Intel gigabit Ethernet controllers with legacy descriptors: 82540 and 82545 (PCI/PCI-X Family of Gigabit
%% Ethernet Controllers Software Developer's Manual), 82574 (its datasheet), which differ in how they are reset and how
%% their EEPROM is read. One receive and one transmit ring, no offloads. Buffer I belongs to descriptor I of its ring
%% and holds a whole frame.
-module(loom_drv_e1000).
-behaviour(loom_driver).

-export([init/1, handle_interrupt/3, handle_request/3, handle_message/2, handle_tick/1]).

%% Registers (13.4).
-define(CTRL, 16#0000).
-define(STATUS, 16#0008).
-define(EERD, 16#0014).
-define(MDIC, 16#0020).
-define(FLOW_CONTROL, [16#0028, 16#002c, 16#0030, 16#0170]). % FCAL, FCAH, FCT, FCTTV
-define(ICR, 16#00c0).
-define(ICS, 16#00c8).
-define(IMS, 16#00d0).
-define(IMC, 16#00d8).
-define(RCTL, 16#0100).
-define(TCTL, 16#0400).
-define(TIPG, 16#0410).
-define(RECEIVE_RING, 16#2800). % base, length, head and tail are at the same places in both
-define(TRANSMIT_RING, 16#3800).
-define(BASE, 16#00).
-define(LENGTH, 16#08).
-define(HEAD, 16#10).
-define(TAIL, 16#18).
-define(TXDCTL, 16#3828).
-define(MTA, 16#5200).
-define(RAL, 16#5400).
-define(RAH, 16#5404).

-define(CTRL_MASTER_OFF, 16#4).
-define(CTRL_AUTO_SPEED, 16#20).
-define(CTRL_LINK_UP, 16#40).
-define(CTRL_RESET, 16#4000000).
-define(CTRL_FORCED, 16#80001888). % LRST, ILOS, forced speed and duplex, PHY_RST
-define(STATUS_LINK, 16#2).
-define(STATUS_MASTER, 16#80000).
-define(RCTL_ON, 16#04008012). % enabled, all of multicast, broadcast, 2048 bytes a buffer, no checksum of frames
-define(TCTL_ON, 16#0004010a). % enabled, short frames padded, collisions as 14.5 has them
-define(TCTL_PAD, 16#8).
-define(TIPG_COPPER, 16#0060200a).
-define(TXDCTL_82574, 16#400000). % must be set
-define(CAUSES, 16#000000d5). % TXDW, LSC, RXDMT0, RXO, RXT0

-define(LINK_CHANGE, 16#4).

-define(DONE, 16#1). % status of descriptors
-define(END_OF_FRAME, 16#2).
-define(ERRORS, 16#97). % of those received: CE, SE, SEQ, CXE, RXE
-define(SEND, 16#0b). % end of frame, add its checksum, report

-define(RECEIVE_SIZE, 128). % descriptors: a multiple of 8; one is never the device's
-define(TRANSMIT_SIZE, 64).
-define(BUFFER, 2048).
-define(MTU, 1500).
-define(RESET_MS, 100).
-define(PHY_MS, 20).
-define(PATIENCE_MS, 10000).
-define(CAP_MSIX, 16#11).

-record(s, {pci :: loom_pci:pci(), registers :: loom_hal:cap(), unit :: loom_devices:unit(),
    rings :: loom_hal:cap(), receive_memory :: loom_hal:cap(), transmit_memory :: loom_hal:cap(),
    receive_address :: non_neg_integer(), transmit_address :: non_neg_integer(),
    next = 0 :: non_neg_integer(), % to be received
    skip = false :: boolean(), % until the end of a frame that is too long
    tail = 0 :: non_neg_integer(), % to be filled
    clean = 0 :: non_neg_integer(), % the oldest that is not known to be sent
    moved = 0 :: integer(), % when one was sent, or there was none to send
    subscriber = none :: pid() | none}).

init(#{unit := Name, device := Id, capabilities := Capabilities} = Device) ->
    %% The 82574's MSI-X needs causes assigned to vectors; MSI does not.
    Plain = Device#{capabilities := lists:keydelete(?CAP_MSIX, 1, Capabilities)},
    {Registers, Pci} = loom_pci:bar(loom_pci:open(Plain), 0),
    ok = reset(family(Id), Registers),
    ok = loom_pci:reset_done(Pci),
    {ok, Rings} = loom_hal:grant({dma, 16 * (?RECEIVE_SIZE + ?TRANSMIT_SIZE)}),
    {ok, ReceiveMemory} = loom_hal:grant({dma, ?RECEIVE_SIZE * ?BUFFER}),
    {ok, TransmitMemory} = loom_hal:grant({dma, ?TRANSMIT_SIZE * ?BUFFER}),
    ok = link_on(Registers),
    Mac = mac(family(Id), Registers, Device),
    ok = put_mac(Mac, Registers),
    Unit = #{name => Name, driver => self(), mac => Mac, mtu => ?MTU, link => link_now(Registers), offload => []},
    S = #s{pci = loom_pci:interrupts(Pci, {fun() -> raise(Registers) end, fun() -> quiet(Registers) end}),
        registers = Registers, unit = Unit, rings = Rings,
        receive_memory = ReceiveMemory, transmit_memory = TransmitMemory,
        receive_address = loom_hw:dma_address(ReceiveMemory), transmit_address = loom_hw:dma_address(TransmitMemory)},
    ok = start(family(Id), S),
    ok = loom_devices:publish(net, Unit),
    {ok, S}.

%% An interrupt by request (13.4.18), and its end.
raise(Registers) ->
    ok = put_reg(Registers, ?IMS, ?LINK_CHANGE),
    put_reg(Registers, ?ICS, ?LINK_CHANGE).

quiet(Registers) ->
    ok = put_reg(Registers, ?IMC, 16#ffffffff),
    _ = get_reg(Registers, ?ICR),
    ok.

family(16#10d3) -> e82574;
family(_) -> e8254x.

get_reg(Registers, At) -> loom_hw:mmio_read(Registers, At, 32).
put_reg(Registers, At, Value) -> loom_hw:mmio_write(Registers, At, 32, Value).

%% --- bringing it up ----------------------------------------------------------------------------------------------

%% 14.3: silent first, so that no transfer is cut; then everything but the PHY forgets everything, and the EEPROM is
%% read again.
reset(Family, Registers) ->
    ok = put_reg(Registers, ?IMC, 16#ffffffff),
    ok = put_reg(Registers, ?RCTL, 0),
    ok = put_reg(Registers, ?TCTL, ?TCTL_PAD),
    Control = get_reg(Registers, ?CTRL),
    true = Control =/= 16#ffffffff,
    ok = masters_off(Family, Control, Registers),
    timer:sleep(1),
    ok = put_reg(Registers, ?CTRL, Control bor ?CTRL_RESET),
    timer:sleep(2),
    ok = wait(fun() -> get_reg(Registers, ?CTRL) band ?CTRL_RESET =:= 0 end, ?RESET_MS),
    quiet(Registers).

%% A PCI Express device says when it has no request under way; one that never does is reset all the same.
masters_off(e8254x, _, _) -> ok;
masters_off(e82574, Control, Registers) ->
    ok = put_reg(Registers, ?CTRL, Control bor ?CTRL_MASTER_OFF),
    _ = wait(fun() -> get_reg(Registers, ?STATUS) band ?STATUS_MASTER =:= 0 end, ?RESET_MS),
    ok.

wait(Is, Left) ->
    case Is() of
        true -> ok;
        false when Left > 0 ->
            timer:sleep(1),
            wait(Is, Left - 1);
        false -> late
    end.

%% Speed and duplex are what the ends agree on; no flow control. A PHY that sleeps is woken.
link_on(Registers) ->
    Control = get_reg(Registers, ?CTRL),
    ok = put_reg(Registers, ?CTRL, Control band bnot ?CTRL_FORCED bor ?CTRL_LINK_UP bor ?CTRL_AUTO_SPEED),
    [ok = put_reg(Registers, At, 0) || At <- ?FLOW_CONTROL],
    case phy(2, 0, 0, Registers) of
        {ok, Basic} when Basic band 16#1800 =/= 16#1000 -> % powered down, or no auto-negotiation
            _ = phy(1, 0, 16#1200, Registers),
            ok;
        _ -> ok
    end.

%% Reads (2) or writes (1) a register of the PHY at address 1 (13.4.8).
phy(Operation, Register, Value, Registers) ->
    ok = put_reg(Registers, ?MDIC, (Operation bsl 26) bor (1 bsl 21) bor (Register bsl 16) bor Value),
    case wait(fun() -> get_reg(Registers, ?MDIC) band 16#50000000 =/= 0 end, ?PHY_MS) of
        ok ->
            case get_reg(Registers, ?MDIC) of
                Answer when Answer band 16#40000000 =:= 0 -> {ok, Answer band 16#ffff};
                _ -> error
            end;
        late -> error
    end.

%% What the EEPROM has put into the first receive address; what it says itself; else one that is locally administered
%% (IEEE 802, 8.2) and the same every time.
mac(Family, Registers, #{id := {pci, {Bus, Slot, Function}}}) ->
    High = get_reg(Registers, ?RAH),
    Loaded = <<(get_reg(Registers, ?RAL)):32/little, High:16/little>>,
    Read = << <<(eeprom(Family, I, Registers)):16/little>> || I <- [0, 1, 2] >>,
    case [Mac || {true, Mac} <- [{High band 16#80000000 =/= 0, Loaded}, {true, Read}], is_mac(Mac)] of
        [Mac | _] -> Mac;
        [] -> <<2, 0, 0, Bus, Slot, Function>>
    end.

is_mac(<<0:48>>) -> false;
is_mac(<<_:7, Group:1, _/binary>>) -> Group =:= 0.

%% 13.4.4. Without an answer: what is no address.
eeprom(Family, Word, Registers) ->
    {Shift, Done} = case Family of e8254x -> {8, 16#10}; e82574 -> {2, 2} end,
    ok = put_reg(Registers, ?EERD, (Word bsl Shift) bor 1),
    case wait(fun() -> get_reg(Registers, ?EERD) band Done =/= 0 end, ?PHY_MS) of
        ok -> get_reg(Registers, ?EERD) bsr 16;
        late -> 16#ffff
    end.

put_mac(<<Low:32/little, High:16/little>>, Registers) ->
    ok = put_reg(Registers, ?RAL, Low),
    ok = put_reg(Registers, ?RAH, 16#80000000 bor High),
    [ok = put_reg(Registers, ?MTA + 4 * I, 0) || I <- lists:seq(0, 127)],
    ok.

%% 14.4, 14.5: rings, then the two ways.
start(Family, #s{registers = Registers, rings = Rings} = S) ->
    ok = loom_hw:dma_write(Rings, 0, [descriptor(I, S) || I <- lists:seq(0, ?RECEIVE_SIZE - 1)]),
    Address = loom_hw:dma_address(Rings),
    ok = loom_pci:enable(S#s.pci),
    ok = ring(?RECEIVE_RING, Address, ?RECEIVE_SIZE, Registers),
    ok = ring(?TRANSMIT_RING, Address + 16 * ?RECEIVE_SIZE, ?TRANSMIT_SIZE, Registers),
    Family =:= e82574 andalso put_reg(Registers, ?TXDCTL, get_reg(Registers, ?TXDCTL) bor ?TXDCTL_82574),
    ok = put_reg(Registers, ?TIPG, ?TIPG_COPPER),
    ok = put_reg(Registers, ?TCTL, ?TCTL_ON),
    ok = put_reg(Registers, ?RCTL, ?RCTL_ON),
    ok = put_reg(Registers, ?RECEIVE_RING + ?TAIL, ?RECEIVE_SIZE - 1),
    put_reg(Registers, ?IMS, ?CAUSES).

ring(Ring, Address, Size, Registers) ->
    ok = put_reg(Registers, Ring + ?BASE, Address band 16#ffffffff),
    ok = put_reg(Registers, Ring + ?BASE + 4, Address bsr 32),
    ok = put_reg(Registers, Ring + ?LENGTH, 16 * Size),
    ok = put_reg(Registers, Ring + ?HEAD, 0),
    put_reg(Registers, Ring + ?TAIL, 0).

link_now(Registers) ->
    case get_reg(Registers, ?STATUS) band ?STATUS_LINK of
        0 -> down;
        _ -> up
    end.

%% --- services ----------------------------------------------------------------------------------------------------

handle_request({attach, Pid}, _From, #s{unit = #{link := Link}} = S) when is_pid(Pid) ->
    {reply, {ok, #{queue => ?TRANSMIT_SIZE - 1, link => Link}}, S#s{subscriber = Pid}}.

handle_message({transmit, _Pid, Frames}, S) -> {ok, transmit(Frames, S)}.

%% Reading the causes takes the interrupt back; then the rings are looked at, so nothing that comes later is missed.
handle_interrupt(_Time, _Count, #s{pci = Pci, registers = Registers} = S) ->
    Causes = get_reg(Registers, ?ICR),
    New = case Causes band ?CAUSES of
        0 -> S; % another device's on the same line
        _ -> link_state(look(S))
    end,
    ok = loom_pci:ack(Pci),
    {ok, New}.

handle_tick(S) ->
    ok = loom_pci:check(S#s.pci),
    {ok, watch(link_state(look(S)))}.

look(S) -> received(sent(S)).

tell(_, #s{subscriber = none}) -> ok;
tell(Event, #s{subscriber = Pid}) ->
    Pid ! {loom_link, self(), Event},
    ok.

link_state(#s{registers = Registers, unit = #{link := Link} = Unit} = S) ->
    case link_now(Registers) of
        Link -> S;
        New ->
            tell({link, New}, S),
            ok = loom_devices:publish(net, Unit#{link := New}),
            S#s{unit = Unit#{link := New}}
    end.

%% --- sending -----------------------------------------------------------------------------------------------------

%% What does not fit, or is no frame, is gone: the network loses frames anyway.
transmit(Frames, #s{tail = Tail} = S) ->
    {New, Lost} = lists:foldl(fun transmit_one/2, {S, 0}, Frames),
    Lost > 0 andalso tell({sent, Lost}, New),
    New#s.tail =:= Tail orelse put_reg(S#s.registers, ?TRANSMIT_RING + ?TAIL, New#s.tail),
    New.

transmit_one(Frame, {#s{tail = I, clean = Clean} = S, Lost}) ->
    Next = (I + 1) rem ?TRANSMIT_SIZE,
    case iolist_size(Frame) of
        Size when Size >= 14, Size =< ?MTU + 18, Next =/= Clean ->
            ok = loom_hw:dma_write(S#s.transmit_memory, I * ?BUFFER, Frame),
            Descriptor = <<(S#s.transmit_address + I * ?BUFFER):64/little, Size:16/little, 0, ?SEND, 0:32>>,
            ok = loom_hw:dma_write(S#s.rings, transmit_at(I), Descriptor),
            {S#s{tail = Next}, Lost};
        _ -> {S, Lost + 1}
    end.

transmit_at(I) -> 16 * (?RECEIVE_SIZE + I).

sent(#s{clean = Clean} = S) ->
    case sent_to(Clean, S) of
        Clean -> S;
        New ->
            tell({sent, (New - Clean + ?TRANSMIT_SIZE) rem ?TRANSMIT_SIZE}, S),
            S#s{clean = New, moved = now_ms()}
    end.

%% The first that is not done. A ring that is empty is never looked into: what is there is old.
sent_to(Tail, #s{tail = Tail}) -> Tail;
sent_to(I, #s{rings = Rings} = S) ->
    case loom_hw:mmio_read(Rings, transmit_at(I) + 12, 8) band ?DONE of
        ?DONE -> sent_to((I + 1) rem ?TRANSMIT_SIZE, S);
        0 -> I
    end.

%% A device that has had frames for long and sends none is stuck, unless it has no link.
watch(#s{clean = Clean, tail = Tail, unit = #{link := Link}} = S) when Clean =:= Tail; Link =:= down ->
    S#s{moved = now_ms()};
watch(S) ->
    now_ms() - S#s.moved > ?PATIENCE_MS andalso error(sends_nothing),
    S.

now_ms() -> erlang:monotonic_time(millisecond).

%% --- receiving ---------------------------------------------------------------------------------------------------

descriptor(I, #s{receive_address = Address}) -> <<(Address + I * ?BUFFER):64/little, 0:64>>.

%% At most a ring at a time; each descriptor is the device's again when its frame is out of its buffer.
received(#s{next = First} = S) ->
    case received(?RECEIVE_SIZE - 1, [], S) of
        {_, #s{next = First} = Same} -> Same;
        {Frames, #s{next = Next} = New} ->
            Last = (Next + ?RECEIVE_SIZE - 1) rem ?RECEIVE_SIZE,
            ok = put_reg(S#s.registers, ?RECEIVE_RING + ?TAIL, Last),
            Frames =:= [] orelse tell({frames, lists:reverse(Frames)}, New),
            received(New)
    end.

received(0, Frames, S) -> {Frames, S};
received(Left, Frames, #s{rings = Rings, next = I} = S) ->
    <<Length:16/little, _:16, Status, Errors, _:16>> = loom_hw:dma_read(Rings, 16 * I + 8, 8),
    case Status band ?DONE of
        0 -> {Frames, S};
        ?DONE ->
            Ends = Status band ?END_OF_FRAME =/= 0,
            Good = Ends andalso not S#s.skip andalso Errors band ?ERRORS =:= 0
                andalso Length >= 14 andalso Length =< ?BUFFER,
            More = [loom_hw:dma_read(S#s.receive_memory, I * ?BUFFER, Length) || Good] ++ Frames,
            ok = loom_hw:dma_write(Rings, 16 * I, descriptor(I, S)),
            received(Left - 1, More, S#s{next = (I + 1) rem ?RECEIVE_SIZE, skip = not Ends})
    end.
