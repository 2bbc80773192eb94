%% SPDX-License-Identifier: Apache-2.0
%% @doc Tests of the driver for virtio keyboards over its model, and of what keys mean: part of device_test.
-module(input_test).

-export([tests/1]).

-define(PLACE, {0, 3, 0}).

tests(Machine) ->
    Step = case Machine of "erl" -> 5; _ -> 1 end,
    [{virtio_input_keys, fun() -> keys(#{}) end}, {virtio_input_lost_interrupts, fun() -> keys(#{lose => 2}) end},
     {virtio_input_repeats, fun repeats/0}, {virtio_input_mouse, fun mouse/0}, {virtio_input_lies, fun lies/0},
     {virtio_input_killed_at_every_access, fun() -> killed(Step) end}, {keys_mean, fun keys_mean/0}].

device(Kind, Faults) -> {?PLACE, loom_model_virtio, {loom_model_virtio_input, Kind, Faults}}.

keyboard() ->
    #{kind := keyboard, driver := Driver} = device_test:up(input),
    try loom_driver:call(Driver, subscribe) of
        ok ->
            timer:sleep(20), % the model takes its time with the buffers it is offered
            Driver
    catch exit:_ -> keyboard() % it has been killed since
    end.

tell(Event) -> ok = loom_hw:tell(?PLACE, Event).

keys(Faults) ->
    device_test:with_devices([device(keyboard, Faults)], fun() ->
        _ = loom_devices:subscribe(input),
        D = keyboard(),
        %% More than there are buffers, at a pace at which the model has some: it loses what finds none.
        [begin
             Code rem 8 =:= 0 andalso timer:sleep(10),
             [comes(D, {key, Code, Value}, {key, Code, What}) || {Value, What} <- [{1, down}, {0, up}]]
         end || Code <- lists:seq(1, 100)],
        %% Of other kinds, and of what no key has: nothing.
        tell({raw, <<2:16/little, 0:16, 5:32/little>>}), tell({key, 16#300, 1}), tell({key, 5, 3}), tell({key, 7, 2}),
        receive {loom_input, D, Event} -> {key, 7, repeat} = Event end
    end).

%% Again until its event comes: an event that finds no buffer is lost.
comes(D, Key, Event) ->
    tell(Key),
    tell(group_end),
    receive {loom_input, D, Event} -> ok
    after 1000 -> comes(D, Key, Event)
    end.

repeats() ->
    device_test:with_devices([device(keyboard, #{})], fun() ->
        _ = loom_devices:subscribe(input),
        D = keyboard(),
        [comes(D, {key, Code, 1}, {key, Code, down}) || Code <- [42, 30]], % shift stays what it is
        [receive {loom_input, D, E} -> {key, 30, repeat} = E end || _ <- lists:seq(1, 4)],
        comes(D, {key, 48, 1}, {key, 48, down}), % another takes over
        [receive {loom_input, D, {key, 48, repeat}} -> ok end || _ <- [1, 2]],
        comes(D, {key, 48, 0}, {key, 48, up}),
        (fun Drain() -> receive {loom_input, _, {key, _, repeat}} -> Drain() after 0 -> ok end end)(),
        receive {loom_input, D, Late} -> exit(Late) after 600 -> ok end
    end).

mouse() ->
    device_test:with_devices([device(mouse, #{})], fun() ->
        ok = loom_devices:rescan(),
        _ = device_test:wait_state(?PLACE, unclaimed),
        [] = loom_devices:units(input)
    end).

%% A lie costs a restart; no key is made up.
lies() ->
    device_test:with_devices([device(keyboard, #{})], fun() ->
        _ = loom_devices:subscribe(input),
        lists:foldl(fun({Fault, Value}, D) ->
            tell({fault, Fault, Value}),
            dies(),
            receive {loom_input, D, Event} -> exit({Fault, Event}) after 0 -> ok end,
            New = keyboard(),
            comes(New, {key, 31, 0}, {key, 31, up}),
            New
        end, keyboard(), [{id, 64}, {id, 5000}, {length, 0}, {length, 7}, {length, 70000}, {index, 65}, {index, 200}])
    end).

dies() ->
    tell({key, 30, 1}),
    receive {loom_devices, down, input, _} -> ok
    after 1000 -> dies()
    end.

killed(Step) ->
    device_test:killed_everywhere(fun() -> device(keyboard, #{}) end, Step, fun() ->
        _ = loom_devices:subscribe(input),
        pressed(keyboard(), [30, 31, 32])
    end).

%% A key is pressed until its event comes: one that came when the driver died is lost.
pressed(_, []) -> ok;
pressed(D, [Code | Rest] = All) ->
    tell({key, Code, 0}),
    receive
        {loom_input, D, {key, Code, up}} -> pressed(D, Rest);
        {loom_devices, down, input, _} -> pressed(keyboard(), All)
    after 600 -> pressed(D, All)
    end.

%% --- meaning -----------------------------------------------------------------------------------------------------

keys_mean() ->
    <<"hi">> = typed([{35, down}, {35, up}, {23, down}, {23, up}]),
    <<"aaaA">> = typed([{30, down}, {30, repeat}, {30, repeat}, {30, up}, {54, down}, {30, down}]),
    <<3, "c">> = typed([{97, down}, {46, down}, {97, up}, {46, down}]),
    <<"\e[A\e[B\e[D\e[C\e[H\e[F\e[5~\e[6~\e[3~\r/">> =
        typed([{Code, W} || Code <- [103, 108, 105, 106, 102, 107, 104, 109, 111, 96, 98], W <- [down, up]]),
    <<"\e[5;2~\e[6;2~\e[5~">> = typed([{42, down}, {104, down}, {109, down}, {42, up}, {104, down}]),
    <<"\ex">> = typed([{100, down}, {45, down}, {45, up}, {100, up}]),
    <<>> = typed([{Code, W} || Code <- [0, 89, 99, 113, 125, 240, 700], W <- [down, up]]).

typed(Keys) ->
    {Bytes, _} = lists:foldl(fun({Code, What}, {Done, S}) ->
        {More, New} = loom_keys:bytes(Code, What, S),
        {<<Done/binary, More/binary>>, New}
    end, {<<>>, loom_keys:new()}, Keys),
    Bytes.
