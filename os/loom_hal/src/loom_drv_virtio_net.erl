%% SPDX-License-Identifier: Apache-2.0
%% @doc The virtio network device (Virtual I/O Device Version 1.2, 5.1): one receive and one transmit queue, no
%% offloads. Buffer I of a queue belongs to descriptor I; each holds the header and a whole frame.
-module(loom_drv_virtio_net).
-behaviour(loom_driver).

-export([init/1, handle_interrupt/3, handle_request/3, handle_message/2, handle_tick/1]).

%% Features.
-define(MTU, 3).
-define(MAC, 5).
-define(STATUS, 16).
-define(LINK_UP, 1).

-define(RECEIVE, 0).
-define(TRANSMIT, 1).
-define(HEADER, 12). % 5.1.6: with VERSION_1 there is always num_buffers
-define(BUFFER, 1536). % at least 1526 (5.1.6.3.1)
-define(MTU_DEFAULT, 1500).
-define(RECEIVE_SIZE, 128).
-define(TRANSMIT_SIZE, 64).
-define(PATIENCE_MS, 10000).

-record(s, {virtio :: loom_virtio:virtio(), unit :: loom_devices:unit(),
    receive_queue :: loom_virtio:queue(), transmit_queue :: loom_virtio:queue(),
    receive_memory :: loom_hal:cap(), transmit_memory :: loom_hal:cap(),
    receive_address :: non_neg_integer(), transmit_address :: non_neg_integer(),
    buffers :: [non_neg_integer()], % of the receive queue: all are with the device
    free :: [non_neg_integer()], % transmit buffers
    busy = [] :: [non_neg_integer()], % those that are with the device, the oldest first
    moved = 0 :: integer(), % when the device last took or gave a frame to send, or was idle
    subscriber = none :: pid() | none}).

init(#{unit := Name} = Device) ->
    V = loom_virtio:open(Device, [?MAC, ?STATUS, ?MTU]),
    Receive = loom_virtio:queue(V, ?RECEIVE, ?RECEIVE_SIZE),
    Transmit = loom_virtio:queue(V, ?TRANSMIT, ?TRANSMIT_SIZE),
    {ok, ReceiveMemory} = loom_hal:grant({dma, loom_virtio:size(Receive) * ?BUFFER}),
    {ok, TransmitMemory} = loom_hal:grant({dma, loom_virtio:size(Transmit) * ?BUFFER}),
    Unit = #{name => Name, driver => self(), mac => mac(V, Device), mtu => mtu(V), link => link_now(V), offload => []},
    S = #s{virtio = V, unit = Unit, receive_queue = Receive, transmit_queue = Transmit,
        receive_memory = ReceiveMemory, transmit_memory = TransmitMemory,
        receive_address = loom_hw:dma_address(ReceiveMemory), transmit_address = loom_hw:dma_address(TransmitMemory),
        buffers = lists:seq(0, loom_virtio:size(Receive) - 1), free = lists:seq(0, loom_virtio:size(Transmit) - 1)},
    describe(S),
    ok = loom_virtio:ready(V),
    Offered = offer(S#s.buffers, S),
    ok = loom_devices:publish(net, Unit),
    {ok, Offered}.

%% Descriptors say the same all the time, but for how long a frame to send is; so do the headers of those frames.
describe(#s{receive_queue = Receive, transmit_queue = Transmit} = S) ->
    [ok = loom_virtio:describe(Receive, I, [{in, S#s.receive_address + I * ?BUFFER, ?BUFFER}]) || I <- S#s.buffers],
    [begin
         ok = loom_hw:dma_write(S#s.transmit_memory, I * ?BUFFER, <<0:?HEADER/unit:8>>),
         ok = loom_virtio:describe(Transmit, I, [{out, S#s.transmit_address + I * ?BUFFER, ?BUFFER}])
     end || I <- S#s.free].

has(Feature, V) -> lists:member(Feature, loom_virtio:features(V)).

%% A device without an address gets one that is locally administered (IEEE 802, 8.2) and the same every time.
mac(V, #{id := {pci, {Bus, Slot, Function}}}) ->
    case has(?MAC, V) of
        true -> << <<(loom_virtio:config(V, I, 8))>> || I <- lists:seq(0, 5) >>;
        false -> <<2, 0, 0, Bus, Slot, Function>>
    end.

mtu(V) ->
    case has(?MTU, V) of
        true -> min(?MTU_DEFAULT, loom_virtio:config(V, 10, 16));
        false -> ?MTU_DEFAULT
    end.

link_now(V) ->
    case has(?STATUS, V) andalso loom_virtio:config(V, 6, 16) band ?LINK_UP of
        0 -> down;
        _ -> up
    end.

handle_request({attach, Pid}, _From, #s{unit = #{link := Link}} = S) when is_pid(Pid) ->
    {reply, {ok, #{queue => loom_virtio:size(S#s.transmit_queue), link => Link}}, S#s{subscriber = Pid}}.

handle_message({transmit, _Pid, Frames}, S) -> {ok, transmit(Frames, S)}.

handle_interrupt(_Time, _Count, #s{virtio = V} = S) ->
    ok = loom_virtio:ack(V),
    {ok, look(S)}.

%% A link that changes is seen here at the latest: the message about it comes by the vector of the queues.
handle_tick(S) ->
    ok = loom_virtio:check(S#s.virtio),
    {ok, watch(link_state(look(S)))}.

look(S) -> received(sent(S)).

tell(_, #s{subscriber = none}) -> ok;
tell(Event, #s{subscriber = Pid}) ->
    Pid ! {loom_link, self(), Event},
    ok.

link_state(#s{virtio = V, unit = #{link := Link} = Unit} = S) ->
    case link_now(V) of
        Link -> S;
        New ->
            tell({link, New}, S),
            ok = loom_devices:publish(net, Unit#{link := New}),
            S#s{unit = Unit#{link := New}}
    end.

%% --- sending -----------------------------------------------------------------------------------------------------

%% What does not fit, or is no frame, is gone: the network loses frames anyway.
transmit(Frames, #s{transmit_queue = Queue, free = Free, busy = Busy} = S) ->
    {Filled, Left, Lost} = fill(Frames, Free, [], 0, S),
    New = S#s{free = Left, busy = Busy ++ Filled, transmit_queue = loom_virtio:again(Queue, Filled)},
    Lost > 0 andalso tell({sent, Lost}, New),
    ok = loom_virtio:kick(New#s.transmit_queue),
    New.

fill([], Free, Filled, Lost, _) -> {lists:reverse(Filled), Free, Lost};
fill(Frames, [], Filled, Lost, _) -> {lists:reverse(Filled), [], Lost + length(Frames)};
fill([Frame | Rest], [I | Free] = All, Filled, Lost, #s{transmit_memory = Memory, unit = #{mtu := Mtu}} = S) ->
    case iolist_size(Frame) of
        Size when Size >= 14, Size =< Mtu + 18 ->
            ok = loom_hw:dma_write(Memory, I * ?BUFFER + ?HEADER, Frame),
            ok = loom_virtio:resize(S#s.transmit_queue, I, ?HEADER + Size),
            fill(Rest, Free, [I | Filled], Lost, S);
        _ -> fill(Rest, All, Filled, Lost + 1, S)
    end.

sent(#s{transmit_queue = Queue, free = Free, busy = Busy} = S) ->
    case loom_virtio:used(Queue) of
        {[], _} -> S;
        {Done, New} ->
            Buffers = [I || {I, _} <- Done],
            Left = Busy -- Buffers,
            true = length(Left) =:= length(Busy) - length(Buffers), % only what it had
            tell({sent, length(Done)}, S),
            S#s{transmit_queue = New, free = Buffers ++ Free, busy = Left, moved = now_ms()}
    end.

%% A device that has had frames for long and sends none is stuck, unless it has no link.
watch(#s{busy = Busy, unit = #{link := Link}} = S) ->
    case Busy =:= [] orelse Link =:= down of
        true -> S#s{moved = now_ms()};
        false ->
            now_ms() - S#s.moved > ?PATIENCE_MS andalso error(sends_nothing),
            S
    end.

now_ms() -> erlang:monotonic_time(millisecond).

%% --- receiving ---------------------------------------------------------------------------------------------------

offer(Buffers, #s{receive_queue = Queue} = S) ->
    New = loom_virtio:again(Queue, Buffers),
    ok = loom_virtio:kick(New),
    S#s{receive_queue = New}.

%% Whatever the device says a frame is long, it is in its buffer.
received(#s{receive_queue = Queue, receive_memory = Memory, buffers = All} = S) ->
    case loom_virtio:used(Queue) of
        {[], _} -> S;
        {Done, New} ->
            Heads = [I || {I, _} <- Done],
            true = length(All -- Heads) =:= length(All) - length(Heads), % none twice
            Frames = [loom_hw:dma_read(Memory, I * ?BUFFER + ?HEADER, Length - ?HEADER)
                      || {I, Length} <- Done, Length >= ?HEADER + 14, Length =< ?BUFFER],
            Frames =:= [] orelse tell({frames, Frames}, S),
            received(offer(Heads, S#s{receive_queue = New}))
    end.
