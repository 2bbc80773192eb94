%% SPDX-License-Identifier: Apache-2.0
%% @doc The virtio entropy device (Virtual I/O Device Version 1.2, 5.4): one queue, of which one buffer is used. A
%% device gives as much as it has, at least a byte: requests are served one after the other, each until it has all.
-module(loom_drv_virtio_rng).
-behaviour(loom_driver).

-export([init/1, handle_interrupt/3, handle_request/3, handle_tick/1]).

-define(QUEUE, 0).
-define(SIZE, 2).
-define(MOST, 4096).
-define(PATIENCE_MS, 10000).

-record(s, {virtio :: loom_virtio:virtio(), queue :: loom_virtio:queue(), memory :: loom_hal:cap(),
    asked = none :: none | {pos_integer(), Since :: integer()}, % bytes that the device may write
    waiting = queue:new() :: queue:queue(), % {From, Count}
    got = [] :: [binary()], missing = 0 :: non_neg_integer()}). % of the first that waits

init(#{unit := Name} = Device) ->
    V = loom_virtio:open(Device, []),
    Queue = loom_virtio:queue(V, ?QUEUE, ?SIZE),
    {ok, Memory} = loom_hal:grant({dma, ?MOST}),
    ok = loom_virtio:ready(V),
    ok = loom_devices:publish(rng, #{name => Name, driver => self()}),
    {ok, #s{virtio = V, queue = Queue, memory = Memory}}.

handle_request({bytes, Count}, From, #s{waiting = Waiting} = S) when is_integer(Count), Count > 0, Count =< ?MOST ->
    {noreply, ask(S#s{waiting = queue:in({From, Count}, Waiting)})};
handle_request({bytes, _}, _From, S) -> {reply, {error, einval}, S}.

ask(#s{asked = none, missing = 0, waiting = Waiting} = S) ->
    case queue:peek(Waiting) of
        {value, {_, Count}} -> ask(S#s{missing = Count});
        empty -> S
    end;
ask(#s{asked = none, missing = Count, queue = Queue, memory = Memory} = S) ->
    New = loom_virtio:add(Queue, 0, [{in, loom_hw:dma_address(Memory), Count}]),
    ok = loom_virtio:kick(New),
    S#s{queue = New, asked = {Count, erlang:monotonic_time(millisecond)}};
ask(S) -> S.

handle_interrupt(_Time, _Count, #s{virtio = V} = S) ->
    ok = loom_virtio:ack(V),
    {ok, look(S)}.

handle_tick(S) ->
    ok = loom_virtio:check(S#s.virtio),
    case look(S) of
        #s{asked = {_, Since}} = New ->
            erlang:monotonic_time(millisecond) - Since > ?PATIENCE_MS andalso error(no_answer),
            {ok, New};
        New -> {ok, New}
    end.

look(#s{queue = Queue, asked = Asked} = S) ->
    case loom_virtio:used(Queue) of
        {[], _} -> S;
        {[{0, Length}], New} ->
            {Most, _} = Asked,
            true = Length > 0 andalso Length =< Most,
            %% What was read is not left for the next one to find.
            Bytes = loom_hw:dma_read(S#s.memory, 0, Length),
            ok = loom_hw:dma_write(S#s.memory, 0, <<0:Length/unit:8>>),
            ask(came(Bytes, S#s{queue = New, asked = none}))
    end.

came(Bytes, #s{got = Got, missing = Missing, waiting = Waiting} = S) when byte_size(Bytes) =:= Missing ->
    {{value, {From, _}}, Rest} = queue:out(Waiting),
    gen_server:reply(From, {ok, iolist_to_binary(lists:reverse(Got, [Bytes]))}),
    S#s{waiting = Rest, got = [], missing = 0};
came(Bytes, #s{got = Got, missing = Missing} = S) -> S#s{got = [Bytes | Got], missing = Missing - byte_size(Bytes)}.
