%% SPDX-License-Identifier: Apache-2.0
%% @doc The virtio block device (Virtual I/O Device Version 1.2, 5.2). A slot has three descriptors (header, data,
%% status) and a buffer in one piece of memory; up to SLOTS requests are with the device at a time.
-module(loom_drv_virtio_blk).
-behaviour(loom_driver).

-export([init/1, handle_interrupt/3, handle_request/3, handle_message/2, handle_tick/1]).

%% Features.
-define(SIZE_MAX, 1).
-define(RO, 5).
-define(BLK_SIZE, 6).
-define(FLUSH, 9).
-define(DISCARD, 13).
%% Request types and status.
-define(IN, 0).
-define(OUT, 1).
-define(T_FLUSH, 4).
-define(T_DISCARD, 11).
-define(OK, 0).
-define(IOERR, 1).
-define(UNSUPP, 2).

-define(SECTOR, 512).
-define(SLOTS, 16).
-define(BUFFER, 65536).
-define(HEAD, 32). % bytes before the buffers, a slot: 16 of header, 1 of status
-define(STATUS_AT, 16).
-define(PATIENCE_MS, 30000).

-record(s, {virtio :: loom_virtio:virtio(), queue :: loom_virtio:queue(), memory :: loom_hal:cap(),
    address :: non_neg_integer(), slots :: pos_integer(), sectors :: pos_integer(),
    requests :: loom_requests:requests()}).

init(#{unit := Name} = Device) ->
    V = loom_virtio:open(Device, [?SIZE_MAX, ?RO, ?BLK_SIZE, ?FLUSH, ?DISCARD]),
    Queue = loom_virtio:queue(V, 0, 3 * ?SLOTS + 16),
    Slots = min(?SLOTS, loom_virtio:size(Queue) div 3),
    {ok, Memory} = loom_hal:grant({dma, Slots * (?HEAD + ?BUFFER)}),
    Unit = unit(Name, V),
    ok = loom_virtio:ready(V),
    Operations = [flush || has(?FLUSH, V)] ++ [trim || has(?DISCARD, V)],
    #{block_size := BlockSize} = Unit,
    S = #s{virtio = V, queue = Queue, memory = Memory, address = loom_hw:dma_address(Memory), slots = Slots,
        sectors = BlockSize div ?SECTOR,
        requests = loom_requests:new(Unit, lists:seq(0, Slots - 1), Operations)},
    ok = loom_devices:publish(block, Unit),
    {ok, S}.

has(Feature, V) -> lists:member(Feature, loom_virtio:features(V)).

%% Capacity is in sectors of 512 bytes whatever the block size.
unit(Name, V) ->
    Sectors = loom_virtio:config(V, 0, 32) bor (loom_virtio:config(V, 4, 32) bsl 32),
    BlockSize = case has(?BLK_SIZE, V) andalso loom_virtio:config(V, 20, 32) of
        4096 -> 4096;
        _ -> ?SECTOR
    end,
    Most = case has(?SIZE_MAX, V) of
        true -> min(?BUFFER, loom_virtio:config(V, 8, 32));
        false -> ?BUFFER
    end,
    true = Most >= BlockSize,
    #{name => Name, driver => self(), block_size => BlockSize, blocks => Sectors * ?SECTOR div BlockSize,
        max_blocks => Most div BlockSize, read_only => has(?RO, V)}.

handle_request(Request, _From, _S) -> error({unexpected_call, Request}).

handle_message({block, From, What}, #s{requests = Requests} = S) ->
    {Starts, New} = loom_requests:submit(From, What, Requests),
    {ok, start(Starts, S#s{requests = New})}.

handle_interrupt(_Time, _Count, #s{virtio = V} = S) ->
    ok = loom_virtio:ack(V),
    {ok, reap(S)}.

handle_tick(#s{requests = Requests, virtio = V} = S) ->
    ok = loom_virtio:check(V),
    Age = loom_requests:age(Requests),
    Age > ?PATIENCE_MS andalso error({no_answer_for_ms, Age}),
    {ok, reap(S)}.

%% --- towards the device ------------------------------------------------------------------------------------------

start([], S) -> S;
start(Starts, S) ->
    New = lists:foldl(fun start_one/2, S, Starts),
    ok = loom_virtio:kick(New#s.queue),
    New.

start_one({Slot, What}, #s{memory = Memory, address = Address, queue = Queue} = S) ->
    {Type, Block, Way, Length, Data} = request(What, S),
    Head = Slot * ?HEAD,
    ok = loom_hw:dma_write(Memory, Head, <<Type:32/little, 0:32, (Block * S#s.sectors):64/little, 16#ff>>),
    Data =:= <<>> orelse loom_hw:dma_write(Memory, buffer(Slot, S), Data),
    Parts = [{out, Address + Head, 16}] ++ [{Way, Address + buffer(Slot, S), Length} || Length > 0]
        ++ [{in, Address + Head + ?STATUS_AT, 1}],
    S#s{queue = loom_virtio:add(Queue, 3 * Slot, Parts)}.

buffer(Slot, #s{slots = Slots}) -> Slots * ?HEAD + Slot * ?BUFFER.

request({read, Block, Count}, S) -> {?IN, Block, in, Count * S#s.sectors * ?SECTOR, <<>>};
request({write, Block, Data}, _) -> {?OUT, Block, out, byte_size(Data), Data};
request(flush, _) -> {?T_FLUSH, 0, out, 0, <<>>};
request({trim, Block, Count}, #s{sectors = N}) ->
    {?T_DISCARD, 0, out, 16, <<(Block * N):64/little, (Count * N):32/little, 0:32>>}.

%% --- from the device ---------------------------------------------------------------------------------------------

reap(#s{queue = Queue} = S) ->
    case loom_virtio:used(Queue) of
        {[], _} -> S;
        {Done, New} -> reap(lists:foldl(fun done/2, S#s{queue = New}, Done))
    end.

done({Head, Length}, #s{requests = Requests, memory = Memory} = S) when Head rem 3 =:= 0 ->
    Slot = Head div 3,
    <<Status>> = loom_hw:dma_read(Memory, Slot * ?HEAD + ?STATUS_AT, 1),
    Answer = answer(Status, loom_requests:active(Slot, Requests), Length, Slot, S),
    {Starts, New} = loom_requests:finish(Slot, Answer, Requests),
    start(Starts, S#s{requests = New}).

%% The device says how much it wrote: data, and the byte of status.
answer(?OK, {read, _, Count}, Length, Slot, S) ->
    Size = Count * S#s.sectors * ?SECTOR,
    case Length of
        _ when Length =:= Size + 1 -> {ok, loom_hw:dma_read(S#s.memory, buffer(Slot, S), Size)};
        _ -> {error, eio}
    end;
answer(?OK, _, _, _, _) -> ok;
answer(?IOERR, _, _, _, _) -> {error, eio};
answer(?UNSUPP, _, _, _, _) -> {error, enotsup}.
