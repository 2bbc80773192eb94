%% SPDX-License-Identifier: Apache-2.0
%% @doc Virtio over PCI as a driver uses it (Virtual I/O Device Version 1.2: 3.1 initialisation, 2.7 split virtqueues,
%% 4.1 PCI). Only the modern interface; what it says is checked: an index or a length that cannot be crashes the driver.
%%
%% Chains are named by the number of their first descriptor. The driver decides which descriptors a chain has, so
%% nothing has to be allocated: request I of at most three parts owns descriptors 3I, 3I+1, 3I+2.
-module(loom_virtio).

-export([open/2, features/1, config/3, put_config/4, queue/3, ready/1, check/1, ack/1]).
-export([size/1, add/3, describe/3, resize/3, again/2, kick/1, used/1]).
-export_type([virtio/0, queue/0, part/0]).

-define(CAP_VENDOR, 16#09).
-define(COMMON, 1).
-define(NOTIFY, 2).
-define(ISR, 3).
-define(DEVICE, 4).

%% Common configuration (4.1.4.3).
-define(DEVICE_FEATURE_SELECT, 0).
-define(DEVICE_FEATURE, 4).
-define(DRIVER_FEATURE_SELECT, 8).
-define(DRIVER_FEATURE, 12).
-define(MSIX_CONFIG, 16).
-define(NUM_QUEUES, 18).
-define(STATUS, 20).
-define(QUEUE_SELECT, 22).
-define(QUEUE_SIZE, 24).
-define(QUEUE_MSIX, 26).
-define(QUEUE_ENABLE, 28).
-define(QUEUE_NOTIFY_OFF, 30).
-define(QUEUE_DESC, 32).
-define(QUEUE_DRIVER, 40).
-define(QUEUE_DEVICE, 48).

-define(ACKNOWLEDGE, 1).
-define(DRIVER, 2).
-define(DRIVER_OK, 4).
-define(FEATURES_OK, 8).
-define(VERSION_1, 32). % feature
-define(RESET_TRIES, 1000).
-define(NEXT, 1). % flags of descriptors
-define(WRITE, 2).

-type window() :: {loom_hal:cap(), Offset :: non_neg_integer(), Length :: non_neg_integer()}.
-record(v, {pci :: loom_pci:pci(), common :: window(), notify :: window(), multiplier :: non_neg_integer(),
    isr :: window(), device :: window() | none, features = [] :: [0..63]}).
%% Where the three parts of a queue are in its memory; how far each side has come (modulo 2^16).
-record(q, {index :: non_neg_integer(), size :: pos_integer(), memory :: loom_hal:cap(), avail :: pos_integer(),
    used :: pos_integer(), added = 0 :: 0..16#ffff, seen = 0 :: 0..16#ffff,
    notify :: {loom_hal:cap(), non_neg_integer()}}).
-opaque virtio() :: #v{}.
-opaque queue() :: #q{}.
-type part() :: {in | out, Address :: non_neg_integer(), Length :: pos_integer()}. % out: to the device

%% @doc Takes the device, resets it, and agrees on those of the features that it has too.
-spec open(loom_devices:device(), [0..63]) -> virtio().
open(#{capabilities := Capabilities} = Device, Wanted) ->
    Pci0 = loom_pci:open(Device),
    {Windows, Pci} = lists:foldl(fun window/2, {#{}, Pci0}, [At || {?CAP_VENDOR, At} <- Capabilities]),
    #{?COMMON := {_, Common}, ?NOTIFY := {At, Notify}, ?ISR := {_, Isr}} = Windows,
    {_, DeviceWindow} = maps:get(?DEVICE, Windows, {0, none}),
    V = #v{pci = Pci, common = Common, notify = Notify, multiplier = loom_pci:read(Pci, At + 16, 32), isr = Isr,
        device = DeviceWindow},
    reset(V),
    put_status(V, ?ACKNOWLEDGE),
    put_status(V, ?ACKNOWLEDGE bor ?DRIVER),
    Agreed = negotiate(V, [?VERSION_1 | Wanted]),
    V#v{pci = loom_pci:interrupts(Pci), features = Agreed}.

%% A device may describe a window twice: the first is the one to use.
window(At, {Windows, Pci}) ->
    Type = loom_pci:read(Pci, At + 3, 8),
    Bar = loom_pci:read(Pci, At + 4, 8),
    case Type >= ?COMMON andalso Type =< ?DEVICE andalso Bar =< 5 andalso not is_map_key(Type, Windows) of
        true ->
            {Cap, New} = loom_pci:bar(Pci, Bar),
            Window = {Cap, loom_pci:read(Pci, At + 8, 32), loom_pci:read(Pci, At + 12, 32)},
            {Windows#{Type => {At, Window}}, New};
        false -> {Windows, Pci}
    end.

reset(V) ->
    put_status(V, 0),
    wait_reset(V, ?RESET_TRIES),
    loom_pci:reset_done(V#v.pci).

wait_reset(V, Left) when Left > 0 ->
    case get_common(V, ?STATUS, 8) of
        0 -> ok;
        _ ->
            Left < ?RESET_TRIES - 100 andalso timer:sleep(1),
            wait_reset(V, Left - 1)
    end.

negotiate(V, Wanted) ->
    Offered = feature_word(V, 0) bor (feature_word(V, 1) bsl 32),
    Agreed = [F || F <- Wanted, Offered band (1 bsl F) =/= 0],
    true = lists:member(?VERSION_1, Agreed),
    Bits = lists:sum([1 bsl F || F <- Agreed]),
    [begin
         put_common(V, ?DRIVER_FEATURE_SELECT, 32, Word),
         put_common(V, ?DRIVER_FEATURE, 32, (Bits bsr (32 * Word)) band 16#ffffffff)
     end || Word <- [0, 1]],
    Status = ?ACKNOWLEDGE bor ?DRIVER bor ?FEATURES_OK,
    put_status(V, Status),
    Status = get_common(V, ?STATUS, 8),
    Agreed.

feature_word(V, Word) ->
    put_common(V, ?DEVICE_FEATURE_SELECT, 32, Word),
    get_common(V, ?DEVICE_FEATURE, 32).

-spec features(virtio()) -> [0..63].
features(#v{features = Features}) -> Features.

%% @doc A field of the device's own configuration.
-spec config(virtio(), non_neg_integer(), 8 | 16 | 32) -> non_neg_integer().
config(#v{device = {Cap, Base, Length}}, Offset, Width) when Offset + Width div 8 =< Length ->
    loom_hw:mmio_read(Cap, Base + Offset, Width).

-spec put_config(virtio(), non_neg_integer(), 8 | 16 | 32, non_neg_integer()) -> ok.
put_config(#v{device = {Cap, Base, Length}}, Offset, Width, Value) when Offset + Width div 8 =< Length ->
    loom_hw:mmio_write(Cap, Base + Offset, Width, Value).

%% @doc Sets up a queue, of at most so many descriptors.
-spec queue(virtio(), non_neg_integer(), pos_integer()) -> queue().
queue(#v{notify = {NotifyCap, NotifyBase, NotifyLength}} = V, Index, Most) ->
    true = Index < get_common(V, ?NUM_QUEUES, 16),
    put_common(V, ?QUEUE_SELECT, 16, Index),
    Size = power_of_two(min(Most, get_common(V, ?QUEUE_SIZE, 16))),
    Avail = 16 * Size,
    Used = (Avail + 6 + 2 * Size + 3) band bnot 3,
    {ok, Memory} = loom_hal:grant({dma, Used + 6 + 8 * Size}),
    Address = loom_hw:dma_address(Memory),
    put_common(V, ?QUEUE_SIZE, 16, Size),
    0 = put_vector(V, ?QUEUE_MSIX),
    put_common64(V, ?QUEUE_DESC, Address),
    put_common64(V, ?QUEUE_DRIVER, Address + Avail),
    put_common64(V, ?QUEUE_DEVICE, Address + Used),
    At = get_common(V, ?QUEUE_NOTIFY_OFF, 16) * V#v.multiplier,
    true = At + 2 =< NotifyLength,
    put_common(V, ?QUEUE_ENABLE, 16, 1),
    #q{index = Index, size = Size, memory = Memory, avail = Avail, used = Used, notify = {NotifyCap, NotifyBase + At}}.

%% The largest that is not larger; the device's own limit is one by 2.7.
power_of_two(N) when N >= 1 -> power_of_two(1, N).
power_of_two(P, N) when P * 2 =< N -> power_of_two(P * 2, N);
power_of_two(P, _) -> P.

%% Everything comes by vector 0. Where there is no MSI-X the field reads as "none", which is as good.
put_vector(#v{pci = Pci} = V, Field) ->
    case loom_pci:is_message(Pci) of
        true ->
            put_common(V, Field, 16, 0),
            get_common(V, Field, 16);
        false -> 0
    end.

%% @doc The device may start.
-spec ready(virtio()) -> ok.
ready(#v{pci = Pci} = V) ->
    0 = put_vector(V, ?MSIX_CONFIG),
    ok = loom_pci:enable(Pci),
    put_status(V, ?ACKNOWLEDGE bor ?DRIVER bor ?FEATURES_OK bor ?DRIVER_OK).

%% @doc From the driver's tick: fails when the device wants to be reset (2.1.2), is gone, or its registers have changed.
-spec check(virtio()) -> ok.
check(#v{pci = Pci} = V) ->
    loom_pci:check(Pci),
    case get_common(V, ?STATUS, 8) of
        ?ACKNOWLEDGE bor ?DRIVER bor ?FEATURES_OK bor ?DRIVER_OK -> ok;
        Status -> error({device_status, Status})
    end.

%% @doc To be called before the queues are looked at for an interrupt. Reading the ISR quiets a line.
-spec ack(virtio()) -> ok.
ack(#v{pci = Pci, isr = {Cap, Offset, _}}) ->
    loom_pci:is_message(Pci) orelse loom_hw:mmio_read(Cap, Offset, 8),
    loom_pci:ack(Pci).

put_status(V, Status) -> put_common(V, ?STATUS, 8, Status).

get_common(#v{common = {Cap, Base, _}}, Field, Width) -> loom_hw:mmio_read(Cap, Base + Field, Width).
put_common(#v{common = {Cap, Base, _}}, Field, Width, Value) ->
    ok = loom_hw:mmio_write(Cap, Base + Field, Width, Value).

%% 64-bit fields are written as two halves (4.1.3.1).
put_common64(V, Field, Value) ->
    put_common(V, Field, 32, Value band 16#ffffffff),
    put_common(V, Field + 4, 32, Value bsr 32).

%% --- queues ------------------------------------------------------------------------------------------------------

%% @doc How many descriptors it has.
-spec size(queue()) -> pos_integer().
size(#q{size = Size}) -> Size.

%% @doc Puts a chain into the queue; the device hears of it with kick/1. Parts to the device come first (2.7.4.2).
-spec add(queue(), non_neg_integer(), [part()]) -> queue().
add(Q, Head, Parts) ->
    ok = describe(Q, Head, Parts),
    again(Q, [Head]).

%% @doc Writes a chain's descriptors; it is in the queue after again/2, and may be so any number of times.
-spec describe(queue(), non_neg_integer(), [part()]) -> ok.
describe(#q{memory = Memory, size = Size}, Head, Parts) when Head + length(Parts) =< Size ->
    ok = loom_hw:dma_write(Memory, 16 * Head, descriptors(Parts, Head)).

%% @doc Changes how long the first part of a chain is.
-spec resize(queue(), non_neg_integer(), pos_integer()) -> ok.
resize(#q{memory = Memory, size = Size}, Head, Length) when Head < Size ->
    ok = loom_hw:mmio_write(Memory, 16 * Head + 8, 32, Length).

%% @doc Puts chains into the queue whose descriptors stand there, all at once.
-spec again(queue(), [non_neg_integer()]) -> queue().
again(Q, []) -> Q;
again(#q{memory = Memory, avail = Avail, added = Added, size = Size} = Q, Heads) ->
    At = Added rem Size,
    Count = length(Heads),
    true = Count =< Size,
    Entries = << <<Head:16/little>> || Head <- Heads >>,
    Before = 2 * min(Count, Size - At), % bytes up to the ring's end
    <<First:Before/binary, Rest/binary>> = Entries,
    ok = loom_hw:dma_write(Memory, Avail + 4 + 2 * At, First),
    Rest =:= <<>> orelse loom_hw:dma_write(Memory, Avail + 4, Rest),
    Q#q{added = (Added + Count) band 16#ffff}.

descriptors([{Way, Address, Length}], _) -> [<<Address:64/little, Length:32/little, (flag(Way)):16/little, 0:16>>];
descriptors([{Way, Address, Length} | Rest], At) ->
    [<<Address:64/little, Length:32/little, (flag(Way) bor ?NEXT):16/little, (At + 1):16/little>>
     | descriptors(Rest, At + 1)].

flag(out) -> 0;
flag(in) -> ?WRITE.

%% @doc Shows the device what was added, and wakes it unless it says that it need not be.
-spec kick(queue()) -> ok.
kick(#q{memory = Memory, avail = Avail, used = Used, added = Added, index = Index, notify = {Cap, At}}) ->
    ok = loom_hw:mmio_write(Memory, Avail + 2, 16, Added),
    case loom_hw:mmio_read(Memory, Used, 16) band 1 of
        0 -> loom_hw:mmio_write(Cap, At, 16, Index);
        1 -> ok
    end.

%% @doc The chains that the device is through with, each with the number of bytes it wrote. That a chain was with the
%% device is for the caller to check.
-spec used(queue()) -> {[{Head :: non_neg_integer(), Length :: non_neg_integer()}], queue()}.
used(#q{memory = Memory, used = Used, seen = Seen, added = Added, size = Size} = Q) ->
    case loom_hw:mmio_read(Memory, Used + 2, 16) of
        Seen -> {[], Q};
        Now ->
            Count = (Now - Seen) band 16#ffff,
            true = Count =< Size andalso Count =< (Added - Seen) band 16#ffff,
            Before = min(Count, Size - Seen rem Size),
            Done = entries(Memory, Used + 4, Seen rem Size, Before, Size)
                ++ entries(Memory, Used + 4, 0, Count - Before, Size),
            true = length(Done) =:= Count,
            {Done, Q#q{seen = Now}}
    end.

entries(_Memory, _Base, _From, 0, _Size) -> [];
entries(Memory, Base, From, Count, Size) ->
    [{Head, Length} || <<Head:32/little, Length:32/little>> <= loom_hw:dma_read(Memory, Base + 8 * From, 8 * Count),
                       Head < Size].
