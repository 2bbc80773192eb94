%% SPDX-License-Identifier: Apache-2.0
%% @doc The device's side of virtio over PCI (Virtual I/O Device Version 1.2), for model devices: configuration,
%% features, split queues. What a device does with a chain of descriptors is in the module that init/1 is given.
%%
%% Chains are dealt with out of order and after a while. `Faults': `lose' one interrupt in N; `id', `length', `index':
%% the next answer has a wrong one; `without_version_1': a device from before 1.0; `descriptor': the next one was
%% damaged in memory: `address', `length', `next'; `broken': the device wants to be reset.
-module(loom_model_virtio).
-behaviour(loom_model_device).

-export([init/1, read/4, write/5, event/2, bus_error/1]).

-define(COMMON, 16#0000).
-define(ISR, 16#1000).
-define(DEVICE, 16#2000).
-define(NOTIFY, 16#3000).
-define(QUEUE_MAX, 64).

-record(q, {size = ?QUEUE_MAX :: pos_integer(), enabled = 0 :: 0 | 1, vector = 16#ffff :: 0..16#ffff,
    desc = 0 :: non_neg_integer(), avail = 0 :: non_neg_integer(), used = 0 :: non_neg_integer(),
    taken = 0 :: 0..16#ffff, done = 0 :: 0..16#ffff, held = [] :: list()}).
-record(m, {module :: module(), inner :: term(), offered :: non_neg_integer(), config :: binary(),
    device_select = 0 :: non_neg_integer(), driver_select = 0 :: non_neg_integer(), driver = 0 :: non_neg_integer(),
    status = 0 :: byte(), msix = 16#ffff :: 0..16#ffff, select = 0 :: non_neg_integer(), isr = 0 :: byte(),
    queues = #{} :: #{non_neg_integer() => #q{}}, count :: pos_integer(), life = 0 :: non_neg_integer(),
    faults = #{} :: map()}).

%% A chain: what the driver wrote, and how much the device may write.
-callback new(Args :: term()) ->
    {#{type := pos_integer(), class := tuple(), features := [0..63], config := binary(),
        queues := pos_integer()}, term()}.
-callback chain(Queue :: non_neg_integer(), Out :: binary(), Room :: non_neg_integer(), State) ->
    {done, binary(), State} | {hold, State}. % hold: for data that comes later
-callback outside(Event :: term(), State) -> {fill, Queue :: non_neg_integer(), binary(), State} | {ok, State}
    | {config, binary(), State}.

%% A write to its own configuration, a byte.
-callback config(Offset :: non_neg_integer(), byte(), State) -> {binary(), State}.
-optional_callbacks([config/3]).

init({Module, Args}) -> init({Module, Args, #{}});
init({Module, Args, Faults}) ->
    {#{type := Type, class := Class, features := Features, config := Config, queues := Count},
        Inner} = Module:new(Args),
    Vendor = [{9, <<16, 1, 4, 0:24, ?COMMON:32/little, 56:32/little>>},
              {9, <<16, 3, 4, 0:24, ?ISR:32/little, 1:32/little>>},
              {9, <<16, 4, 4, 0:24, ?DEVICE:32/little, 256:32/little>>},
              {9, <<20, 2, 4, 0:24, ?NOTIFY:32/little, 4096:32/little, 4:32/little>>}],
    {#{vendor => 16#1af4, device => 16#1040 + Type, class => Class, bars => [{1, mmio, 4096}, {4, mmio, 16384}],
        msix => {1, 0}, capabilities => Vendor},
     reset(#m{module = Module, inner = Inner, offered = lists:sum([1 bsl F || F <- version(Faults) ++ Features]),
        config = Config,
        count = Count, faults = Faults})}.

version(#{without_version_1 := true}) -> [];
version(_) -> [32].

%% `queue_size' among the faults: a device with short queues.
reset(#m{count = Count, life = Life, faults = Faults} = M) ->
    Size = maps:get(queue_size, Faults, ?QUEUE_MAX),
    M#m{status = 0, driver = 0, isr = 0, msix = 16#ffff, life = Life + 1,
        queues = maps:from_list([{I, #q{size = Size}} || I <- lists:seq(0, Count - 1)])}.

read(4, Offset, Width, M) when Offset < ?ISR -> {common(Offset, Width, M), M};
read(4, ?ISR, 8, #m{isr = Isr} = M) -> {Isr, M#m{isr = 0}};
read(4, Offset, Width, #m{config = Config} = M) when Offset >= ?DEVICE, Offset < ?NOTIFY ->
    Size = Width div 8,
    At = Offset - ?DEVICE,
    case Config of
        <<_:At/binary, Value:Width/little, _/binary>> -> {Value, M};
        _ when Size > 0 -> {0, M}
    end;
read(_, _, _, M) -> {0, M}.

common(4, 32, #m{device_select = Word, offered = Bits}) -> (Bits bsr (32 * Word)) band 16#ffffffff;
common(16, 16, M) -> M#m.msix;
common(18, 16, M) -> M#m.count;
common(20, 8, M) -> M#m.status;
common(24, 16, M) -> (selected(M))#q.size;
common(26, 16, M) -> (selected(M))#q.vector;
common(28, 16, M) -> (selected(M))#q.enabled;
common(30, 16, M) -> M#m.select;
common(_, _, _) -> 0.

selected(#m{queues = Queues, select = I}) -> maps:get(I, Queues).

write(4, Offset, Width, Value, M) when Offset < ?ISR -> set(Offset, Width, Value, M);
write(4, Offset, 16, Value, M) when Offset =:= ?NOTIFY + 4 * Value ->
    loom_model_device:later({take, M#m.life, Value}),
    M;
write(4, Offset, 8, Value, #m{module = Module, inner = Inner} = M) when Offset >= ?DEVICE, Offset < ?NOTIFY ->
    {Config, New} = Module:config(Offset - ?DEVICE, Value, Inner),
    M#m{config = Config, inner = New};
write(_, _, _, _, M) -> M.

set(0, 32, V, M) -> M#m{device_select = V};
set(8, 32, V, M) -> M#m{driver_select = V};
set(12, 32, V, #m{driver_select = W, driver = D} = M) ->
    M#m{driver = (D band bnot (16#ffffffff bsl (32 * W))) bor (V bsl (32 * W))};
set(16, 16, V, M) -> M#m{msix = V};
set(20, 8, 0, M) -> reset(M);
%% Features that were not offered, or the old interface: FEATURES_OK does not stay.
set(20, 8, V, #m{driver = D, offered = O} = M)
        when V band 8 =/= 0, D band bnot O =/= 0 orelse D band (1 bsl 32) =:= 0 ->
    M#m{status = V band bnot 8};
set(20, 8, V, M) -> M#m{status = V};
set(22, 16, V, #m{count = Count} = M) when V < Count -> M#m{select = V};
set(24, 16, V, M) -> change(fun(Q) -> Q#q{size = V} end, M);
set(26, 16, V, M) -> change(fun(Q) -> Q#q{vector = V} end, M);
set(28, 16, 1, M) -> change(fun(Q) -> Q#q{enabled = 1} end, M);
set(32, 32, V, M) -> change(fun(Q) -> Q#q{desc = V} end, M);
set(40, 32, V, M) -> change(fun(Q) -> Q#q{avail = V} end, M);
set(48, 32, V, M) -> change(fun(Q) -> Q#q{used = V} end, M);
set(_, 32, 0, M) -> M. % high halves

change(F, #m{queues = Queues, select = I} = M) -> M#m{queues = Queues#{I := F(map_get(I, Queues))}}.

%% --- queues ------------------------------------------------------------------------------------------------------

%% What was under way when the device was reset is no more.
event({take, Life, I}, #m{life = Life, status = Status, queues = Queues} = M) when Status band 4 =/= 0 ->
    case map_get(I, Queues) of
        #q{enabled = 1} = Q -> M#m{queues = Queues#{I := take(I, word(Q#q.avail + 2), Q, Life)}};
        _ -> M
    end;
event({take, _, _}, M) -> M;
event({chain, Life, I, Head}, #m{life = Life} = M) ->
    case loom_model_device:is_master() of
        true -> chain(I, Head, M);
        false -> M
    end;
event({chain, _, _, _}, M) -> M;
event({fault, broken, _}, M) -> bus_error(M);
event({fault, Name, Value}, #m{faults = Faults} = M) -> M#m{faults = Faults#{Name => Value}};
event(Event, #m{module = Module, inner = Inner} = M) ->
    case Module:outside(Event, Inner) of
        {fill, I, Data, New} -> fill(I, Data, M#m{inner = New});
        {config, Config, New} -> M#m{config = Config, inner = New};
        {ok, New} -> M#m{inner = New}
    end.

%% DEVICE_NEEDS_RESET (2.1.2): it does nothing more until then.
bus_error(#m{status = 0} = M) -> M;
bus_error(#m{status = Status, life = Life} = M) ->
    loom_model_device:interrupt(),
    M#m{status = Status bor 64, life = Life + 1, isr = 2}.

take(_, To, #q{taken = To} = Q, _) -> Q;
take(I, To, #q{taken = Taken, size = Size, avail = Avail} = Q, Life) ->
    Head = word(Avail + 4 + 2 * (Taken rem Size)),
    loom_model_device:later(rand:uniform(3) - 1, {chain, Life, I, Head}),
    take(I, To, Q#q{taken = (Taken + 1) band 16#ffff}, Life).

word(Address) ->
    <<Value:16/little>> = loom_model_device:read(Address, 2),
    Value.

parts(Head, #q{desc = Desc, size = Size}) when Head < Size ->
    <<Address:64/little, Length:32/little, Flags:16/little, Next:16/little>> =
        loom_model_device:read(Desc + 16 * Head, 16),
    {{Flags band 2, Address, Length}, case Flags band 1 of 1 -> Next; 0 -> last end};
parts(_, _) -> throw(bus_error).

all_parts(last, _, _) -> [];
all_parts(_, _, 0) -> throw(bus_error); % a chain that bites its tail
all_parts(Head, Q, Left) ->
    {Part, Next} = parts(Head, Q),
    [Part | all_parts(Next, Q, Left - 1)].

damaged([{Flags, Address, Length} | Rest] = Parts, #m{faults = Faults} = M) ->
    case maps:take(descriptor, Faults) of
        {address, Left} -> {[{Flags, Address bor 16#dead00000000, Length} | Rest], M#m{faults = Left}};
        {length, Left} -> {[{Flags, Address, Length bor 16#40000000} | Rest], M#m{faults = Left}};
        {next, Left} -> {Parts ++ [{Flags, 16#dead00000000, 16}], M#m{faults = Left}};
        error -> {Parts, M}
    end.

chain(I, Head, #m{queues = Given} = M0) ->
    {Parts, M1} = damaged(all_parts(Head, map_get(I, Given), (map_get(I, Given))#q.size), M0),
    try chain(I, Head, Parts, M1)
    catch
        throw:bus_error -> bus_error(M1)
    end.

chain(I, Head, Parts, #m{module = Module, inner = Inner, queues = Queues} = M) ->
    [throw(bus_error) || {_, _, L} <- Parts, L >= 16#40000000],
    Q = map_get(I, Queues),
    Out = << <<(loom_model_device:read(A, L))/binary>> || {0, A, L} <- Parts >>,
    In = [{A, L} || {2, A, L} <- Parts],
    case Module:chain(I, Out, lists:sum([L || {_, L} <- In]), Inner) of
        {done, Data, New} -> complete(I, Head, In, Data, M#m{inner = New});
        {hold, New} -> M#m{inner = New, queues = Queues#{I := Q#q{held = Q#q.held ++ [{Head, In}]}}}
    end.

%% Data from outside goes into the oldest chain that waits for it; without one it is lost.
fill(I, Data, #m{queues = Queues} = M) ->
    case map_get(I, Queues) of
        #q{held = [{Head, In} | Held]} = Q -> complete(I, Head, In, Data, M#m{queues = Queues#{I := Q#q{held = Held}}});
        #q{held = []} -> M
    end.

complete(I, Head, In, Data, #m{queues = Queues, faults = Faults, life = _} = M) ->
    #q{used = Used, done = Done, size = Size} = Q = map_get(I, Queues),
    scatter(In, Data),
    {Id, Length, More} = case Faults of
        #{id := BadId} -> {BadId, byte_size(Data), 1};
        #{length := Bad} -> {Head, Bad, 1};
        #{index := Bad} -> {Head, byte_size(Data), Bad};
        _ -> {Head, byte_size(Data), 1}
    end,
    ok = loom_model_device:write(Used + 4 + 8 * (Done rem Size), <<Id:32/little, Length:32/little>>),
    ok = loom_model_device:write(Used + 2, <<(Done + More):16/little>>),
    notify(M#m{queues = Queues#{I := Q#q{done = (Done + More) band 16#ffff}}, isr = 1,
        faults = maps:without([id, length, index], Faults)}).

scatter(_, <<>>) -> ok;
scatter([{Address, Length} | Rest], Data) ->
    Count = min(Length, byte_size(Data)),
    <<Now:Count/binary, Later/binary>> = Data,
    ok = loom_model_device:write(Address, Now),
    scatter(Rest, Later).

notify(#m{faults = #{lose := N}} = M) ->
    rand:uniform(N) =:= 1 orelse loom_model_device:interrupt(),
    M;
notify(M) ->
    loom_model_device:interrupt(),
    M.
