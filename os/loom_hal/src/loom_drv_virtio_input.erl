%% SPDX-License-Identifier: Apache-2.0
%% @doc A keyboard behind virtio (Virtual I/O Device Version 1.2, 5.8). Buffer I of the event queue belongs to
%% descriptor I. A device without letters (a mouse, a tablet) is left alone. Keys repeat here: the device only says when
%% they go down and up.
-module(loom_drv_virtio_input).
-behaviour(loom_driver).

-export([init/1, handle_interrupt/3, handle_request/3, handle_message/2, handle_tick/1]).

-define(EVENTS, 0). % queue
-define(SIZE, 64).
-define(EVENT, 8). % bytes: type, code, value
-define(EV_KEY, 1).
%% Configuration: what is asked for, of which kind, how long the answer is, the answer.
-define(SELECT, 0).
-define(SUBSELECT, 1).
-define(LENGTH, 2).
-define(ANSWER, 8).
-define(SELECT_EVENT_BITS, 16#11).
%% Codes as in Linux's input-event-codes.h.
-define(KEY_ENTER, 28).
-define(KEY_A, 30).
-define(KEY_MOST, 16#2ff).
-define(MODIFIERS, [29, 42, 54, 56, 58, 69, 70, 97, 100, 125, 126]). % and locks: they do not repeat
-define(REPEAT_FIRST_MS, 400).
-define(REPEAT_MS, 40).

-record(s, {virtio :: loom_virtio:virtio(), queue :: loom_virtio:queue(), memory :: loom_hal:cap(),
    address :: non_neg_integer(), subscriber = none :: pid() | none,
    held = none :: none | {Code :: 0..?KEY_MOST, Timer :: reference()}}). % what repeats

init(#{unit := Name} = Device) ->
    V = loom_virtio:open(Device, []),
    case has_key(?KEY_ENTER, V) andalso has_key(?KEY_A, V) of
        false -> ignore;
        true ->
            Queue = loom_virtio:queue(V, ?EVENTS, ?SIZE),
            {ok, Memory} = loom_hal:grant({dma, loom_virtio:size(Queue) * ?EVENT}),
            ok = loom_virtio:ready(V),
            S = #s{virtio = V, queue = Queue, memory = Memory, address = loom_hw:dma_address(Memory)},
            Offered = offer(lists:seq(0, loom_virtio:size(Queue) - 1), S),
            ok = loom_devices:publish(input, #{name => Name, driver => self(), kind => keyboard}),
            {ok, Offered}
    end.

%% The bits of all keys it has, lowest first.
has_key(Code, V) ->
    ok = loom_virtio:put_config(V, ?SELECT, 8, ?SELECT_EVENT_BITS),
    ok = loom_virtio:put_config(V, ?SUBSELECT, 8, ?EV_KEY),
    Code div 8 < loom_virtio:config(V, ?LENGTH, 8)
        andalso loom_virtio:config(V, ?ANSWER + Code div 8, 8) band (1 bsl (Code rem 8)) =/= 0.

offer(Buffers, #s{queue = Queue, address = Address} = S) ->
    New = lists:foldl(fun(I, Q) -> loom_virtio:add(Q, I, [{in, Address + I * ?EVENT, ?EVENT}]) end, Queue, Buffers),
    ok = loom_virtio:kick(New),
    S#s{queue = New}.

handle_request(subscribe, {Pid, _}, S) -> {reply, ok, S#s{subscriber = Pid}}.

handle_interrupt(_Time, _Count, #s{virtio = V} = S) ->
    ok = loom_virtio:ack(V),
    {ok, look(S)}.

handle_tick(S) -> {ok, look(S)}.

handle_message({repeat, Code}, #s{held = {Code, _}} = S) ->
    tell(Code, repeat, S),
    {ok, S#s{held = {Code, again(Code, ?REPEAT_MS)}}};
handle_message({repeat, _}, S) -> {ok, S}. % it has come up meanwhile

again(Code, Ms) -> erlang:send_after(Ms, self(), {repeat, Code}).

look(#s{queue = Queue, memory = Memory} = S) ->
    case loom_virtio:used(Queue) of
        {[], _} -> S;
        {Done, New} ->
            Buffers = [I || {I, ?EVENT} <- Done],
            true = length(lists:usort(Buffers)) =:= length(Done),
            Events = [loom_hw:dma_read(Memory, I * ?EVENT, ?EVENT) || I <- Buffers],
            offer(Buffers, lists:foldl(fun event/2, S#s{queue = New}, Events))
    end.

event(<<?EV_KEY:16/little, Code:16/little, Value:32/little>>, S) when Code =< ?KEY_MOST, Value =< 2 ->
    What = element(Value + 1, {up, down, repeat}),
    tell(Code, What, S),
    held(What, Code, S);
event(_Other, S) -> S. % the end of a group of events, or of a kind that this driver knows nothing of

held(down, Code, S) ->
    Free = forget(S),
    case lists:member(Code, ?MODIFIERS) of
        true -> Free;
        false -> Free#s{held = {Code, again(Code, ?REPEAT_FIRST_MS)}}
    end;
held(up, Code, #s{held = {Code, _}} = S) -> forget(S);
held(repeat, Code, #s{held = {Code, _}} = S) -> forget(S); % a device that repeats by itself
held(_, _, S) -> S.

forget(#s{held = {_, Timer}} = S) ->
    _ = erlang:cancel_timer(Timer),
    S#s{held = none};
forget(S) -> S.

tell(_, _, #s{subscriber = none}) -> ok;
tell(Code, What, #s{subscriber = Pid}) ->
    Pid ! {loom_input, self(), {key, Code, What}},
    ok.
