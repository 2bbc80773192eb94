%% SPDX-License-Identifier: Apache-2.0
%% @doc AHCI controllers (Serial ATA AHCI 1.3.1; commands and IDENTIFY: ATA/ATAPI Command Set 3). Every implemented port
%% with a disk that knows 48-bit addresses is a unit. A slot's number is its NCQ tag; its buffer is a fixed piece of
%% memory, in one piece, so a command has one region (4.2.3.3).
%%
%% Reads and writes of disks with native command queuing are in flight together; what cannot be queued (flush, trim,
%% everything on other disks) goes alone: both at once is forbidden. After an error the port is reset (6.2.2.2) and
%% what was in flight is done again one by one, so that the error finds the one it belongs to: that one gets `eio'.
-module(loom_drv_ahci).
-behaviour(loom_driver).

-export([init/1, handle_interrupt/3, handle_request/3, handle_message/2, handle_tick/1]).

%% Registers of the controller (3.1).
-define(CAP, 16#00).
-define(GHC, 16#04).
-define(IS, 16#08).
-define(PI, 16#0c).
-define(CAP2, 16#24).
-define(BOHC, 16#28).
-define(CAP_NCQ, 16#40000000).
-define(CAP_64_BITS, 16#80000000).
-define(GHC_RESET, 16#1).
-define(GHC_INTERRUPTS, 16#2).
-define(GHC_AHCI, 16#80000000).
-define(BOHC_BIOS, 16#1).
-define(BOHC_OS, 16#2).

%% Registers of a port (3.3).
-define(PORTS, 16#100).
-define(PORT_SIZE, 16#80).
-define(CLB, 16#00).
-define(FB, 16#08).
-define(PORT_IS, 16#10).
-define(IE, 16#14).
-define(CMD, 16#18).
-define(TFD, 16#20).
-define(SIG, 16#24).
-define(SSTS, 16#28).
-define(SCTL, 16#2c).
-define(SERR, 16#30).
-define(SACT, 16#34).
-define(CI, 16#38).
-define(CMD_START, 16#1).
-define(CMD_POWER, 16#10000006). % spin up, power on, link active
-define(CMD_RECEIVE, 16#10).
-define(CMD_RECEIVING, 16#4000).
-define(CMD_RUNNING, 16#8000).
-define(TFD_BUSY, 16#88). % BSY, DRQ
-define(TFD_FAILED, 16#21). % DF, ERR
-define(SIG_DISK, 16#101).
-define(LINK_UP, 3).
-define(NO_POWER_SAVING, 16#300). % of SCTL; else links come and go by themselves
-define(COMRESET, 16#301).
-define(IS_CONNECT, 16#40).
-define(IS_ERRORS, 16#79400000). % PRCS, OFS, IFS, HBDS, HBFS, TFES
-define(IE_EMPTY, ?IS_CONNECT).
-define(IE_DISK, (?IS_CONNECT bor ?IS_ERRORS bor 16#0f)). % and the ends of commands: DHRS, PSS, DSS, SDBS

%% Commands of ATA.
-define(READ_DMA_EXT, 16#25).
-define(WRITE_DMA_EXT, 16#35).
-define(READ_FPDMA, 16#60).
-define(WRITE_FPDMA, 16#61).
-define(FLUSH_EXT, 16#ea).
-define(IDENTIFY, 16#ec).
-define(DATA_SET_MANAGEMENT, 16#06).

-define(SLOTS, 16).
-define(BUFFER, 65536).
%% Memory of a port: the command list, what the disk sends, a command table a slot.
-define(RECEIVED, 1024).
-define(TABLES, 2048).
-define(TABLE, 256).
-define(REGION, 16#80). % where a table's region is
-define(ROUNDS, 64). % of one interrupt

-define(RESET_MS, 1000). % 10.4.3
-define(STOP_MS, 500). % 10.3.2
-define(LINK_MS, 150).
-define(SLOW_LINK_MS, 2000).
-define(SPIN_UP_MS, 15000). % before anybody waits for the driver
-define(RECOVER_MS, 2000). % less than loom_devices' patience
-define(STUCK_MS, 7000). % then a port is reset; twice this is less than loom_block's patience
-define(IDENTIFY_MS, 5000).

-type mode() :: idle | queued | alone.
-record(port, {index :: 0..31, id :: loom_devices:id(), ncq = false :: boolean(), memory :: loom_hal:cap(),
    address :: non_neg_integer(), buffers :: loom_hal:cap(), buffer_address :: non_neg_integer(),
    unit = none :: loom_devices:unit() | none, requests = none :: loom_requests:requests() | none,
    waiting = queue:new() :: queue:queue(), % slots that are not with the disk yet
    mode = idle :: mode(), active = 0 :: non_neg_integer(), since = 0 :: integer(), % when there was news of them
    tried = 0 :: non_neg_integer(), % slots that were in flight when there was an error: once more, alone
    lost = false :: boolean()}).
-record(s, {pci :: loom_pci:pci(), registers :: loom_hal:cap(), own = none :: 0..31 | none,
    empty = [] :: [0..31], ports = #{} :: #{0..31 => #port{}}}).

init(#{id := Id} = Device) ->
    {Registers, Pci} = loom_pci:bar(loom_pci:open(Device), 5),
    ok = take_over(Registers),
    Implemented = bits(get_reg(Registers, ?PI)),
    Before = [I || I <- Implemented, has_link(I, Registers)],
    ok = reset(Registers),
    ok = loom_pci:reset_done(Pci),
    Capabilities = get_reg(Registers, ?CAP),
    ok = loom_pci:enable(Pci),
    [ok = wake(I, Registers) || I <- Implemented],
    Linked = linked(Implemented, Before, Registers),
    Disks = lists:append([disk(I, Id, Capabilities, Registers) || I <- Linked]),
    S = #s{pci = loom_pci:interrupts(Pci), registers = Registers,
        ports = maps:from_list([{P#port.index, P} || P <- Disks]),
        own = case Disks of [] -> none; [#port{index = First} | _] -> First end,
        empty = Implemented -- [P#port.index || P <- Disks]},
    [ok = put_port(I, ?IE, ?IE_EMPTY, Registers) || I <- S#s.empty -- Linked],
    [ok = put_port(I, ?IE, ?IE_DISK, Registers) || #port{index = I} <- Disks],
    ok = put_reg(Registers, ?IS, 16#ffffffff),
    ok = put_reg(Registers, ?GHC, ?GHC_AHCI bor ?GHC_INTERRUPTS),
    [ok = loom_units:publish(block, Unit, I, I =:= S#s.own) || #port{index = I, unit = Unit} <- Disks],
    {ok, S}.

%% --- registers ---------------------------------------------------------------------------------------------------

get_reg(Registers, At) -> loom_hw:mmio_read(Registers, At, 32).
put_reg(Registers, At, Value) -> loom_hw:mmio_write(Registers, At, 32, Value).
get_port(I, At, Registers) -> get_reg(Registers, ?PORTS + ?PORT_SIZE * I + At).
put_port(I, At, Value, Registers) -> put_reg(Registers, ?PORTS + ?PORT_SIZE * I + At, Value).

put_port64(I, At, Value, Registers) ->
    ok = put_port(I, At, Value band 16#ffffffff, Registers),
    ok = put_port(I, At + 4, Value bsr 32, Registers).

bits(Mask) -> [I || I <- lists:seq(0, 31), Mask band (1 bsl I) =/= 0].

%% Looks every millisecond: at the least once after that time.
wait(Is, Ms) -> wait_until(Is, now_ms() + Ms).

wait_until(Is, End) ->
    Late = now_ms() > End,
    case Is() of
        true -> ok;
        false when Late -> late;
        false ->
            timer:sleep(1),
            wait_until(Is, End)
    end.

%% --- bringing it up ----------------------------------------------------------------------------------------------

%% From firmware (10.6.3): it has 25 ms to let go, 2 s more if it says that it is busy.
take_over(Registers) ->
    case get_reg(Registers, ?CAP2) band 1 of
        0 -> ok;
        1 ->
            Old = get_reg(Registers, ?BOHC),
            ok = put_reg(Registers, ?BOHC, Old band 16#f bor ?BOHC_OS),
            _ = wait(fun() -> get_reg(Registers, ?BOHC) band ?BOHC_BIOS =:= 0 end, 2025),
            ok
    end.

reset(Registers) ->
    ok = put_reg(Registers, ?GHC, ?GHC_AHCI),
    ok = put_reg(Registers, ?GHC, ?GHC_AHCI bor ?GHC_RESET),
    ok = wait(fun() -> get_reg(Registers, ?GHC) band ?GHC_RESET =:= 0 end, ?RESET_MS),
    put_reg(Registers, ?GHC, ?GHC_AHCI).

wake(I, Registers) ->
    ok = put_port(I, ?IE, 0, Registers),
    ok = put_port(I, ?SCTL, ?NO_POWER_SAVING, Registers),
    put_port(I, ?CMD, ?CMD_POWER, Registers).

%% The ports with a link. Those that had one before the reset have it again, soon or not so soon; where none had, nobody
%% has woken them yet. A disk that is later still is an event.
linked(Ports, Before, Registers) ->
    All = fun(Wanted) -> fun() -> lists:all(fun(I) -> has_link(I, Registers) end, Wanted) end end,
    _ = case Before of
        [] -> wait(All(Ports), ?LINK_MS);
        _ -> wait(All(Before), ?SLOW_LINK_MS)
    end,
    [I || I <- Ports, has_link(I, Registers)].

has_link(I, Registers) -> get_port(I, ?SSTS, Registers) band 16#f =:= ?LINK_UP.

%% What is no disk (ATAPI, port multipliers), or does not get ready, is left alone.
disk(I, Id, Capabilities, Registers) ->
    {ok, Memory} = loom_hal:grant({dma, ?TABLES + ?SLOTS * ?TABLE}),
    {ok, Buffers} = loom_hal:grant({dma, ?SLOTS * ?BUFFER}),
    P = #port{index = I, id = Id, memory = Memory, address = loom_hw:dma_address(Memory), buffers = Buffers,
        buffer_address = loom_hw:dma_address(Buffers)},
    true = Capabilities band ?CAP_64_BITS =/= 0
        orelse max(P#port.address, P#port.buffer_address + ?SLOTS * ?BUFFER) < 1 bsl 32,
    ok = put_port64(I, ?CLB, P#port.address, Registers),
    ok = put_port64(I, ?FB, P#port.address + ?RECEIVED, Registers),
    ok = put_port(I, ?CMD, ?CMD_POWER bor ?CMD_RECEIVE, Registers),
    case start(I, ?SPIN_UP_MS, Registers) =:= ok andalso get_port(I, ?SIG, Registers) =:= ?SIG_DISK of
        true -> identify(P, Capabilities, Registers);
        false -> no_disk(P, Registers)
    end.

no_disk(#port{index = I, memory = Memory, buffers = Buffers}, Registers) ->
    stop(I, Registers) =:= ok andalso [ok = loom_hw:revoke(Cap) || Cap <- [Memory, Buffers]],
    [].

start(I, Ms, Registers) ->
    ok = put_port(I, ?SERR, 16#ffffffff, Registers),
    Ready = wait(fun() -> get_port(I, ?TFD, Registers) band ?TFD_BUSY =:= 0 end, Ms),
    ok = put_port(I, ?PORT_IS, 16#ffffffff, Registers),
    Ready =:= ok andalso put_port(I, ?CMD, get_port(I, ?CMD, Registers) bor ?CMD_START, Registers),
    Ready.

%% First commands, then what the disk sends (10.3.2, 10.1.2): after that it uses no memory.
stop(I, Registers) ->
    case halt_commands(I, Registers) of
        ok ->
            ok = put_port(I, ?CMD, get_port(I, ?CMD, Registers) band bnot ?CMD_RECEIVE, Registers),
            wait(fun() -> get_port(I, ?CMD, Registers) band ?CMD_RECEIVING =:= 0 end, ?STOP_MS);
        late -> late
    end.

halt_commands(I, Registers) ->
    ok = put_port(I, ?CMD, get_port(I, ?CMD, Registers) band bnot ?CMD_START, Registers),
    wait(fun() -> get_port(I, ?CMD, Registers) band ?CMD_RUNNING =:= 0 end, ?STOP_MS).

identify(#port{index = I} = P, Capabilities, Registers) ->
    ok = put_command(0, read, 512, ata(?IDENTIFY, 0, 0, 0, 0), P),
    ok = put_port(I, ?CI, 1, Registers),
    Ended = wait(fun() -> get_port(I, ?CI, Registers) band 1 =:= 0
                     orelse get_port(I, ?PORT_IS, Registers) band ?IS_ERRORS =/= 0 end, ?IDENTIFY_MS),
    Failed = get_port(I, ?TFD, Registers) band (?TFD_FAILED bor ?TFD_BUSY) =/= 0,
    ok = put_port(I, ?PORT_IS, 16#ffffffff, Registers),
    case Ended =:= ok andalso not Failed andalso features(loom_hw:dma_read(P#port.buffers, 0, 512)) of
        {ok, Features} -> [described(P, Features, Capabilities)];
        _ -> no_disk(P, Registers)
    end.

%% The words of IDENTIFY DEVICE (7.12.7) that matter. 48-bit addresses: nothing since 2003 is without.
features(Data) ->
    Word = fun(N) -> <<W:16/little>> = binary:part(Data, 2 * N, 2), W end,
    <<Blocks:48/little>> = binary:part(Data, 200, 6),
    Size = case Word(106) band 16#d000 of
        16#5000 -> 2 * (Word(117) bor (Word(118) bsl 16));
        _ -> 512
    end,
    Usable = Word(83) band 16#c400 =:= 16#4400 andalso Blocks > 0 andalso (Size =:= 512 orelse Size =:= 4096),
    Queue = case Word(76) of
        W when W =/= 16#ffff, W band 16#100 =/= 0 -> (Word(75) band 31) + 1;
        _ -> 1
    end,
    Usable andalso {ok, #{blocks => Blocks, block_size => Size, queue => Queue,
        operations => [flush || Word(83) band 16#2000 =/= 0] ++ [trim || Word(169) band 1 =/= 0]}}.

described(P, #{blocks := Blocks, block_size := Size, queue := Queue, operations := Operations}, Capabilities) ->
    Depth = lists:min([?SLOTS, Queue, ((Capabilities bsr 8) band 31) + 1]),
    Ncq = Queue > 1 andalso Capabilities band ?CAP_NCQ =/= 0,
    Slots = case Ncq of true -> lists:seq(0, Depth - 1); false -> [0] end,
    Unit = #{name => loom_devices:name({P#port.id, P#port.index}, "sd"), driver => self(), block_size => Size,
        blocks => Blocks, max_blocks => ?BUFFER div Size, read_only => false},
    P#port{ncq = Ncq, unit = Unit, requests = loom_requests:new(Unit, Slots, Operations)}.

%% --- commands ----------------------------------------------------------------------------------------------------

%% A register FIS from host to device: 20 bytes (Serial ATA 10.5.5).
ata(Command, Features, Lba, Count, Device) ->
    <<L0:24/little, L1:24/little>> = <<Lba:48/little>>,
    <<16#27, 16#80, Command, (Features band 16#ff), L0:24/little, Device, L1:24/little, (Features bsr 8),
      Count:16/little, 0:48>>.

%% Its table and its place in the list.
put_command(Slot, Way, Size, Fis, #port{memory = Memory, address = Address} = P) ->
    Table = ?TABLES + Slot * ?TABLE,
    {Regions, Region} = case Size of
        0 -> {0, <<>>};
        _ -> {1, <<(buffer_address(Slot, P)):64/little, 0:32, (Size - 1):32/little>>}
    end,
    Flags = 5 bor case Way of write -> 16#40; read -> 0 end,
    ok = loom_hw:dma_write(Memory, Table, Fis),
    ok = loom_hw:dma_write(Memory, Table + ?REGION, Region),
    loom_hw:dma_write(Memory, 32 * Slot, <<Flags:16/little, Regions:16/little, 0:32, (Address + Table):64/little>>).

buffer_address(Slot, #port{buffer_address = Address}) -> Address + Slot * ?BUFFER.

%% Gives the disk what may go to it now, in order.
issue(#port{lost = true} = P, Registers) -> fail_all(P, Registers);
issue(P, Registers) -> issue(0, P, Registers).

issue(New, #port{waiting = Waiting} = P, Registers) ->
    case queue:peek(Waiting) of
        {value, Slot} ->
            case {kind(Slot, P), P#port.mode} of
                {Kind, Mode} when Mode =:= idle; Kind =:= queued, Mode =:= queued ->
                    ok = prepare(Slot, Kind, P),
                    issue(New bor (1 bsl Slot), P#port{waiting = queue:drop(Waiting), mode = Kind}, Registers);
                _ -> ring(New, P, Registers)
            end;
        empty -> ring(New, P, Registers)
    end.

ring(0, P, _) -> P;
ring(New, #port{index = I, mode = Mode, active = Active} = P, Registers) ->
    Mode =:= queued andalso put_port(I, ?SACT, New, Registers), % 5.5.1: before CI
    ok = put_port(I, ?CI, New, Registers),
    P#port{active = Active bor New, since = case Active of 0 -> now_ms(); _ -> P#port.since end}.

kind(Slot, #port{ncq = true, tried = Tried, requests = Requests}) when Tried band (1 bsl Slot) =:= 0 ->
    case loom_requests:active(Slot, Requests) of
        {read, _, _} -> queued;
        {write, _, _} -> queued;
        _ -> alone
    end;
kind(_, _) -> alone.

prepare(Slot, Kind, #port{requests = Requests, unit = #{block_size := Size}} = P) ->
    case loom_requests:active(Slot, Requests) of
        {read, Block, Count} -> put_command(Slot, read, Count * Size, transfer(read, Kind, Slot, Block, Count), P);
        {write, Block, Data} ->
            ok = loom_hw:dma_write(P#port.buffers, Slot * ?BUFFER, Data),
            Fis = transfer(write, Kind, Slot, Block, byte_size(Data) div Size),
            put_command(Slot, write, byte_size(Data), Fis, P);
        flush -> put_command(Slot, read, 0, ata(?FLUSH_EXT, 0, 0, 0, 0), P);
        {trim, Block, Count} ->
            ok = loom_hw:dma_write(P#port.buffers, Slot * ?BUFFER, <<Block:48/little, Count:16/little, 0:504/unit:8>>),
            put_command(Slot, write, 512, ata(?DATA_SET_MANAGEMENT, 1, 0, 1, 16#40), P)
    end.

%% Where a queued command has its tag others have their count (7.22, 7.23).
transfer(read, queued, Slot, Block, Count) -> ata(?READ_FPDMA, Count, Block, Slot bsl 3, 16#40);
transfer(write, queued, Slot, Block, Count) -> ata(?WRITE_FPDMA, Count, Block, Slot bsl 3, 16#40);
transfer(read, alone, _, Block, Count) -> ata(?READ_DMA_EXT, 0, Block, Count, 16#40);
transfer(write, alone, _, Block, Count) -> ata(?WRITE_DMA_EXT, 0, Block, Count, 16#40).

%% --- requests ----------------------------------------------------------------------------------------------------

handle_request(Request, _From, _S) -> error({unexpected_call, Request}).

handle_message({block, From, What}, #s{own = Own} = S) when Own =/= none -> {ok, request(Own, From, What, S)};
handle_message({unit, I, {block, From, What}}, S) -> {ok, request(I, From, What, S)}.

request(I, From, What, #s{ports = Ports, registers = Registers} = S) ->
    #{I := #port{requests = Requests} = P} = Ports,
    {Starts, New} = loom_requests:submit(From, What, Requests),
    S#s{ports = Ports#{I := issue(started(Starts, P#port{requests = New}), Registers)}}.

started(Starts, #port{waiting = Waiting} = P) ->
    P#port{waiting = lists:foldl(fun({Slot, _}, Q) -> queue:in(Slot, Q) end, Waiting, Starts)}.

handle_interrupt(_Time, _Count, #s{pci = Pci} = S) ->
    New = look(?ROUNDS, S),
    ok = loom_pci:ack(Pci),
    {ok, New}.

%% Until no port has anything to say: a message is sent when there is something new only.
look(Left, #s{registers = Registers} = S) when Left > 0 ->
    case get_reg(Registers, ?IS) of
        0 -> S;
        Mask ->
            New = lists:foldl(fun look_at/2, S, bits(Mask)),
            ok = put_reg(Registers, ?IS, Mask), % 10.7.2: behind the ports
            look(Left - 1, New)
    end.

look_at(I, #s{ports = Ports, registers = Registers} = S) ->
    Events = get_port(I, ?PORT_IS, Registers),
    ok = put_port(I, ?PORT_IS, Events, Registers),
    case Ports of
        #{I := P} -> S#s{ports = Ports#{I := events(Events, P, Registers)}};
        _ ->
            true = lists:member(I, S#s.empty),
            came(I, Registers),
            S
    end.

%% A disk where there was none, or another one than there was: the driver's next life finds out all about it.
came(I, Registers) ->
    ok = put_port(I, ?SERR, 16#ffffffff, Registers),
    has_link(I, Registers) andalso error({new_disk_at_port, I}).

events(_, #port{lost = true, index = I} = P, Registers) ->
    came(I, Registers),
    P;
events(Events, #port{index = I} = P, Registers) when Events band ?IS_CONNECT =/= 0 ->
    came(I, Registers),
    recover(P, Registers);
events(Events, P, Registers) when Events band ?IS_ERRORS =/= 0 -> recover(salvage(P, Registers), Registers);
events(_, P, Registers) -> reap(P, Registers).

handle_tick(#s{ports = Ports, registers = Registers, pci = Pci} = S) ->
    ok = loom_pci:check(Pci),
    {ok, S#s{ports = maps:map(fun(_, P) -> watch(reap(P, Registers), Registers) end, Ports)}}.

watch(#port{active = Active, since = Since} = P, Registers) ->
    case Active =/= 0 andalso now_ms() - Since > ?STUCK_MS of
        true -> recover(P, Registers);
        false -> P
    end.

now_ms() -> erlang:monotonic_time(millisecond).

%% What the disk has done. Queued commands are done when their bit in SACT is gone, others when that in CI is (5.5).
reap(#port{active = 0} = P, _) -> P;
reap(#port{index = I} = P, Registers) ->
    Left = left(P, Registers),
    case get_port(I, ?TFD, Registers) band ?TFD_FAILED of
        0 -> issue(finish_all(Left, P), Registers);
        _ -> recover(salvage(P, Registers), Registers)
    end.

%% Before a reset: which of several were good all the same. One that was alone was not.
salvage(#port{mode = queued} = P, Registers) -> finish_all(left(P, Registers), P);
salvage(P, _) -> P.

left(#port{index = I, mode = queued, active = Active}, Registers) -> get_port(I, ?SACT, Registers) band Active;
left(#port{index = I, active = Active}, Registers) -> get_port(I, ?CI, Registers) band Active.

finish_all(Left, #port{active = Left} = P) -> P;
finish_all(Left, #port{active = Active, mode = Mode} = P) ->
    Done = lists:foldl(fun(Slot, A) -> finish(Slot, answer(Slot, A), A) end, P, bits(Active band bnot Left)),
    Done#port{active = Left, since = now_ms(), mode = case Left of 0 -> idle; _ -> Mode end}.

finish(Slot, Answer, #port{requests = Requests, tried = Tried} = P) ->
    {Starts, New} = loom_requests:finish(Slot, Answer, Requests),
    started(Starts, P#port{requests = New, tried = Tried band bnot (1 bsl Slot)}).

answer(Slot, #port{requests = Requests, unit = #{block_size := Size}} = P) ->
    case loom_requests:active(Slot, Requests) of
        {read, _, Count} -> {ok, loom_hw:dma_read(P#port.buffers, Slot * ?BUFFER, Count * Size)};
        _ -> ok
    end.

%% --- errors ------------------------------------------------------------------------------------------------------

%% The link is reset, which makes the disk forget all commands. Those in flight: the second time it was their own
%% error, the first time they are done again.
recover(#port{index = I, active = Active, tried = Tried} = P, Registers) ->
    ok = halt_commands(I, Registers),
    ok = put_port(I, ?SCTL, ?COMRESET, Registers),
    timer:sleep(2), % 10.4.2: a millisecond at least
    ok = put_port(I, ?SCTL, ?NO_POWER_SAVING, Registers),
    Linked = wait(fun() -> has_link(I, Registers) end, ?LINK_MS),
    Ready = Linked =:= ok andalso start(I, ?RECOVER_MS, Registers),
    Idle = P#port{active = 0, mode = idle},
    case Ready of
        ok ->
            Failed = lists:foldl(fun(Slot, A) -> finish(Slot, {error, eio}, A) end, Idle, bits(Active band Tried)),
            Again = bits(Active band bnot Tried),
            issue(Failed#port{tried = Failed#port.tried bor (Active band bnot Tried),
                waiting = queue:join(queue:from_list(Again), Failed#port.waiting)}, Registers);
        _ -> lose(Idle#port{waiting = queue:join(queue:from_list(bits(Active)), P#port.waiting)}, Registers)
    end.

%% The disk is gone, or is as good as.
lose(#port{index = I, unit = #{name := Name}} = P, Registers) ->
    loom_hw:log(["ahci: ", Name, " does not answer any more"]),
    ok = loom_devices:withdraw(block, Name),
    ok = put_port(I, ?SERR, 16#ffffffff, Registers),
    ok = put_port(I, ?IE, ?IE_EMPTY, Registers),
    fail_all(P#port{lost = true}, Registers).

fail_all(#port{waiting = Waiting} = P, Registers) ->
    case queue:out(Waiting) of
        {{value, Slot}, Rest} -> fail_all(finish(Slot, {error, eio}, P#port{waiting = Rest}), Registers);
        {empty, _} -> P
    end.
