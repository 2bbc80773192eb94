%% SPDX-License-Identifier: Apache-2.0
%% @doc NVM Express controllers (NVM Express Base Specification 1.4). An admin queue pair, used only while the
%% controller is brought up; one I/O queue pair with up to SLOTS commands in flight. A slot's number is its command
%% identifier; its buffer is a fixed piece of memory whose PRP list never changes. Every namespace is a unit.
-module(loom_drv_nvme).
-behaviour(loom_driver).

-export([init/1, handle_interrupt/3, handle_request/3, handle_message/2, handle_tick/1]).

%% Registers (3.1).
-define(CAP, 16#00).
-define(CC, 16#14).
-define(CSTS, 16#1c).
-define(AQA, 16#24).
-define(ASQ, 16#28).
-define(ACQ, 16#30).
-define(DOORBELLS, 16#1000).
-define(CC_ENABLE, 16#460001). % 64-byte submissions, 16-byte completions, 4096-byte pages
-define(READY, 1).
-define(FATAL, 2).

%% Opcodes (5, 6).
-define(CREATE_SQ, 16#01).
-define(CREATE_CQ, 16#05).
-define(IDENTIFY, 16#06).
-define(SET_FEATURES, 16#09).
-define(FLUSH, 16#00).
-define(WRITE, 16#01).
-define(READ, 16#02).
-define(DATASET_MANAGEMENT, 16#09).

-define(PAGE, 4096).
-define(ENTRIES, 32). % of each queue
-define(SLOTS, 16).
-define(BUFFER, 65536).
-define(MAX_NAMESPACES, 8).
-define(PATIENCE_MS, 30000).
-define(ADMIN_MS, 5000).
-define(AT_ONCE, 100). % looks before sleeping between them: most commands end within microseconds
%% Pages of the memory for queues: admin submission and completion, I/O submission and completion, data of admin
%% commands; then a PRP list a slot.
-define(ADMIN_SQ, 0).
-define(ADMIN_CQ, 1).
-define(IO_SQ, 2).
-define(IO_CQ, 3).
-define(DATA, 4).
-define(LISTS, 5).

-record(pair, {id :: 0..1, sq :: non_neg_integer(), cq :: non_neg_integer(), tail = 0 :: non_neg_integer(),
    head = 0 :: non_neg_integer(), phase = 1 :: 0..1}).
-record(ns, {id :: pos_integer(), unit :: loom_devices:unit(), requests :: loom_requests:requests()}).
-record(s, {pci :: loom_pci:pci(), registers :: loom_hal:cap(), stride :: pos_integer(), queues :: loom_hal:cap(),
    address :: non_neg_integer(), buffers :: loom_hal:cap() | none, buffer_address = 0 :: non_neg_integer(),
    pair :: #pair{}, spaces = #{} :: #{pos_integer() => #ns{}}, owner = #{} :: #{non_neg_integer() => pos_integer()}}).

init(#{unit := Name} = Device) ->
    {Registers, Pci} = loom_pci:bar(loom_pci:open(Device), 0),
    Capabilities = loom_hw:mmio_read(Registers, ?CAP, 64),
    0 = (Capabilities bsr 48) band 16#f, % pages of 4096 bytes
    Patience = 1000 + 500 * ((Capabilities bsr 24) band 16#ff),
    ok = loom_hw:mmio_write(Registers, ?CC, 32, 0),
    ok = wait_ready(Registers, 0, Patience + ?AT_ONCE, Patience),
    ok = loom_pci:reset_done(Pci),
    {ok, Queues} = loom_hal:grant({dma, (?LISTS + ?SLOTS) * ?PAGE}),
    Address = loom_hw:dma_address(Queues),
    ok = loom_hw:mmio_write(Registers, ?AQA, 32, ((?ENTRIES - 1) bsl 16) bor (?ENTRIES - 1)),
    put64(Registers, ?ASQ, Address + ?ADMIN_SQ * ?PAGE),
    put64(Registers, ?ACQ, Address + ?ADMIN_CQ * ?PAGE),
    ok = loom_pci:enable(Pci),
    ok = loom_hw:mmio_write(Registers, ?CC, 32, ?CC_ENABLE),
    ok = wait_ready(Registers, ?READY, Patience + ?AT_ONCE, Patience),
    S = #s{pci = loom_pci:interrupts(Pci), registers = Registers, stride = 4 bsl ((Capabilities bsr 32) band 16#f),
        queues = Queues, address = Address, buffers = none,
        pair = #pair{id = 0, sq = ?ADMIN_SQ * ?PAGE, cq = ?ADMIN_CQ * ?PAGE}},
    true = (Capabilities band 16#ffff) + 1 >= ?ENTRIES,
    {ok, start_up(Name, S)}.

%% 7.6.1, step by step: what the controller is, what spaces it has, then the queues for them.
start_up(Name, S0) ->
    {Controller, S1} = identify(1, 0, S0),
    {List, S2} = identify(2, 0, S1),
    Ids = lists:sublist([Id || <<Id:32/little>> <= List, Id > 0], ?MAX_NAMESPACES),
    S3 = admin(?SET_FEATURES, 0, 0, 7, 0, S2), % number of queues: one of each
    S4 = admin(?CREATE_CQ, 0, S3#s.address + ?IO_CQ * ?PAGE, ((?ENTRIES - 1) bsl 16) bor 1, 3, S3),
    S5 = admin(?CREATE_SQ, 0, S4#s.address + ?IO_SQ * ?PAGE, ((?ENTRIES - 1) bsl 16) bor 1, (1 bsl 16) bor 1, S4),
    {ok, Buffers} = loom_hal:grant({dma, ?SLOTS * ?BUFFER}),
    S6 = S5#s{buffers = Buffers, buffer_address = loom_hw:dma_address(Buffers)},
    [write_list(Slot, S6) || Slot <- lists:seq(0, ?SLOTS - 1)],
    {Spaces, S7} = lists:mapfoldl(fun(Id, S) -> namespace(Id, S) end, S6, Ids),
    publish(Name, Controller, [Space || {_, _, _} = Space <- Spaces],
            S7#s{pair = #pair{id = 1, sq = ?IO_SQ * ?PAGE, cq = ?IO_CQ * ?PAGE}}).

%% One of the CNS structures (5.15): 4096 bytes.
identify(Cns, Namespace, S) ->
    New = admin(?IDENTIFY, Namespace, S#s.address + ?DATA * ?PAGE, Cns, 0, S),
    {loom_hw:dma_read(S#s.queues, ?DATA * ?PAGE, ?PAGE), New}.

%% Size and format of its blocks (figure 247); formats with metadata or odd sizes are left out.
namespace(Id, S) ->
    {<<Blocks:64/little, _:18/binary, Flbas, _:101/binary, Formats:64/binary, _/binary>>, New} = identify(0, Id, S),
    <<Metadata:16/little, Shift, _>> = binary:part(Formats, 4 * (Flbas band 16#f), 4),
    case Metadata =:= 0 andalso Blocks > 0 andalso (Shift =:= 9 orelse Shift =:= 12) of
        true -> {{Id, Blocks, 1 bsl Shift}, New};
        false -> {unusable, New}
    end.

%% Slots are dealt out among the spaces. The first space is the driver's own; others have a process that passes on.
publish(Name, Controller, Spaces, S) ->
    Share = ?SLOTS div max(1, length(Spaces)),
    {_, New} = lists:foldl(fun(Space, {First, A}) ->
        {First + Share, publish_one(Name, Controller, Space, lists:seq(First, First + Share - 1), A)}
    end, {0, S}, Spaces),
    New.

publish_one(Name, Controller, {Id, Blocks, Size}, Slots, #s{spaces = Spaces, owner = Owner} = S) ->
    Most = case binary:at(Controller, 77) of
        0 -> ?BUFFER;
        Power -> min(?BUFFER, ?PAGE bsl Power)
    end,
    Operations = [flush || binary:at(Controller, 525) band 1 =:= 1]
        ++ [trim || binary:at(Controller, 520) band 4 =:= 4],
    Unit = #{name => <<Name/binary, $n, (integer_to_binary(Id))/binary>>, driver => self(), block_size => Size,
        blocks => Blocks, max_blocks => Most div Size, read_only => false},
    Requests = loom_requests:new(Unit, Slots, Operations),
    ok = loom_units:publish(block, Unit, Id, map_size(Spaces) =:= 0),
    S#s{spaces = Spaces#{Id => #ns{id = Id, unit = Unit, requests = Requests}},
        owner = maps:merge(Owner, maps:from_list([{Slot, Id} || Slot <- Slots]))}.

wait_ready(Registers, Wanted, Left, Sleepy) when Left > 0 ->
    case loom_hw:mmio_read(Registers, ?CSTS, 32) band ?READY of
        Wanted -> ok;
        _ -> receive after pause(Left, Sleepy) -> wait_ready(Registers, Wanted, Left - 1, Sleepy) end
    end.

pause(Left, Sleepy) when Left > Sleepy -> 0;
pause(_, _) -> 1.

%% By halves: not every controller takes 64 bits at once.
put64(Registers, At, Value) ->
    ok = loom_hw:mmio_write(Registers, At, 32, Value band 16#ffffffff),
    ok = loom_hw:mmio_write(Registers, At + 4, 32, Value bsr 32).

%% All pages of a slot's buffer but the first (4.3).
write_list(Slot, #s{queues = Queues} = S) ->
    Pages = << <<(buffer_address(Slot, S) + I * ?PAGE):64/little>> || I <- lists:seq(1, ?BUFFER div ?PAGE - 1) >>,
    ok = loom_hw:dma_write(Queues, (?LISTS + Slot) * ?PAGE, Pages).

buffer_address(Slot, #s{buffer_address = Address}) -> Address + Slot * ?BUFFER.

%% --- queues ------------------------------------------------------------------------------------------------------

command(Opcode, Cid, Namespace, Prp1, Prp2, Dw10, Dw11, Dw12) ->
    <<Opcode, 0, Cid:16/little, Namespace:32/little, 0:64, 0:64, Prp1:64/little, Prp2:64/little, Dw10:32/little,
      Dw11:32/little, Dw12:32/little, 0:96>>.

%% One at a time, and its answer is waited for.
admin(Opcode, Namespace, Prp1, Dw10, Dw11, S) ->
    Sent = ring(submit(command(Opcode, 0, Namespace, Prp1, 0, Dw10, Dw11, 0), S)),
    admin_answer(?ADMIN_MS + ?AT_ONCE, Sent).

admin_answer(Left, S) when Left > 0 ->
    case completions(S) of
        {[], Same} ->
            receive after pause(Left, ?ADMIN_MS) -> admin_answer(Left - 1, Same) end;
        {[{0, 0}], New} -> New
    end.

submit(Command, #s{pair = #pair{sq = Sq, tail = Tail} = Pair, queues = Queues} = S) ->
    ok = loom_hw:dma_write(Queues, Sq + 64 * Tail, Command),
    S#s{pair = Pair#pair{tail = (Tail + 1) rem ?ENTRIES}}.

ring(#s{pair = #pair{id = Id, tail = Tail}, stride = Stride} = S) ->
    ok = loom_hw:mmio_write(S#s.registers, ?DOORBELLS + 2 * Id * Stride, 32, Tail),
    S.

%% Entries of this round's phase (4.6): command identifier and status. Whose command it was is for the caller to check.
completions(#s{pair = #pair{id = Id, head = Head} = Pair, stride = Stride} = S) ->
    case entries(Pair, S#s.queues, []) of
        {[], _} -> {[], S};
        {Done, #pair{head = New} = Next} ->
            New =:= Head orelse loom_hw:mmio_write(S#s.registers, ?DOORBELLS + (2 * Id + 1) * Stride, 32, New),
            {Done, S#s{pair = Next}}
    end.

entries(#pair{cq = Cq, head = Head, phase = Phase, id = Id} = Pair, Queues, Done) when length(Done) < ?ENTRIES ->
    <<_:64, _SqHead:16, Sq:16/little, Cid:16/little, Status:16/little>> = loom_hw:dma_read(Queues, Cq + 16 * Head, 16),
    case Status band 1 of
        Phase ->
            Id = Sq,
            Next = (Head + 1) rem ?ENTRIES,
            NextPhase = case Next of 0 -> 1 - Phase; _ -> Phase end,
            entries(Pair#pair{head = Next, phase = NextPhase}, Queues, [{Cid, Status bsr 1} | Done]);
        _ -> {lists:reverse(Done), Pair}
    end;
entries(Pair, _Queues, Done) -> {lists:reverse(Done), Pair}.

%% --- requests ----------------------------------------------------------------------------------------------------

handle_request(Request, _From, _S) -> error({unexpected_call, Request}).

handle_message({block, From, What}, #s{spaces = Spaces} = S) ->
    {ok, request(lists:min(maps:keys(Spaces)), From, What, S)};
handle_message({unit, Id, {block, From, What}}, S) -> {ok, request(Id, From, What, S)}.

request(Id, From, What, #s{spaces = Spaces} = S) ->
    #{Id := #ns{requests = Requests} = Space} = Spaces,
    {Starts, New} = loom_requests:submit(From, What, Requests),
    start(Starts, Id, S#s{spaces = Spaces#{Id := Space#ns{requests = New}}}).

start([], _, S) -> S;
start(Starts, Id, S) -> ring(lists:foldl(fun(Start, A) -> submit(io(Start, Id, A), A) end, S, Starts)).

io({Slot, {read, Block, Count}}, Id, S) -> transfer(?READ, Slot, Id, Block, Count, S);
io({Slot, {write, Block, Data}}, Id, S) ->
    ok = loom_hw:dma_write(S#s.buffers, Slot * ?BUFFER, Data),
    transfer(?WRITE, Slot, Id, Block, byte_size(Data) div block_size(Id, S), S);
io({Slot, flush}, Id, _) -> command(?FLUSH, Slot, Id, 0, 0, 0, 0, 0);
io({Slot, {trim, Block, Count}}, Id, S) ->
    ok = loom_hw:dma_write(S#s.buffers, Slot * ?BUFFER, <<0:32, Count:32/little, Block:64/little>>),
    command(?DATASET_MANAGEMENT, Slot, Id, buffer_address(Slot, S), 0, 0, 4, 0).

block_size(Id, #s{spaces = Spaces}) ->
    #{Id := #ns{unit = #{block_size := Size}}} = Spaces,
    Size.

transfer(Opcode, Slot, Id, Block, Count, S) ->
    Address = buffer_address(Slot, S),
    Prp2 = case Count * block_size(Id, S) of
        Size when Size =< ?PAGE -> 0;
        Size when Size =< 2 * ?PAGE -> Address + ?PAGE;
        _ -> S#s.address + (?LISTS + Slot) * ?PAGE
    end,
    command(Opcode, Slot, Id, Address, Prp2, Block band 16#ffffffff, Block bsr 32, Count - 1).

handle_interrupt(_Time, _Count, #s{pci = Pci} = S) ->
    New = reap(S),
    ok = loom_pci:ack(Pci),
    {ok, New}.

handle_tick(#s{spaces = Spaces, registers = Registers} = S) ->
    ok = loom_pci:check(S#s.pci),
    ?READY = loom_hw:mmio_read(Registers, ?CSTS, 32) band (?FATAL bor ?READY),
    Age = lists:max([0 | [loom_requests:age(R) || #ns{requests = R} <- maps:values(Spaces)]]),
    Age > ?PATIENCE_MS andalso error({no_answer_for_ms, Age}),
    {ok, reap(S)}.

reap(S) ->
    case completions(S) of
        {[], Same} -> Same;
        {Done, New} -> reap(lists:foldl(fun done/2, New, Done))
    end.

done({Slot, Status}, #s{owner = Owner, spaces = Spaces} = S) ->
    #{Slot := Id} = Owner,
    #{Id := #ns{requests = Requests} = Space} = Spaces,
    Answer = answer(loom_requests:active(Slot, Requests), Status, Slot, Id, S),
    {Starts, New} = loom_requests:finish(Slot, Answer, Requests),
    start(Starts, Id, S#s{spaces = Spaces#{Id := Space#ns{requests = New}}}).

answer({read, _, Count}, 0, Slot, Id, S) ->
    {ok, loom_hw:dma_read(S#s.buffers, Slot * ?BUFFER, Count * block_size(Id, S))};
answer(_, 0, _, _, _) -> ok;
%% Opcode, field, identifier, data transfer, namespace, PRP (figure 128): the command that the controller has read is
%% not the one that was written, or its data did not get through. No request of ours can be the cause.
answer(_, Status, _, _, _) when Status band 16#7ff =< 4; Status band 16#7ff >= 16#0b, Status band 16#7ff =< 16#13 ->
    error({command_damaged, Status band 16#7ff});
answer(_, _, _, _, _) -> {error, eio}.
