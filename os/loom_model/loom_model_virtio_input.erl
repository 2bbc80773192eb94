%% SPDX-License-Identifier: Apache-2.0
%% @doc A virtio keyboard (Virtual I/O Device Version 1.2, 5.8), or a mouse. `{key, Code, Value}' from outside is an
%% event, `group_end' what devices send behind those that belong together. One that finds no buffer is lost.
-module(loom_model_virtio_input).
-behaviour(loom_model_virtio).

-export([new/1, chain/4, outside/2, config/3]).

-define(KEYS, <<16#fe, (binary:copy(<<255>>, 13))/binary>>). % 1 to 111
-define(BUTTONS, <<0:272, 7>>). % 272 to 274

new(Kind) -> {#{type => 18, class => {9, 0, 0}, features => [], config => <<0:136/unit:8>>, queues => 2}, {Kind, 0, 0}}.

config(0, Select, {Kind, _, Sub}) -> answer({Kind, Select, Sub});
config(1, Sub, {Kind, Select, _}) -> answer({Kind, Select, Sub});
config(_, _, State) -> answer(State).

answer({Kind, Select, Sub} = State) ->
    Bits = case State of
        {keyboard, 16#11, 1} -> ?KEYS;
        {mouse, 16#11, 1} -> ?BUTTONS;
        {mouse, 16#11, 2} -> <<3>>;
        _ -> <<>>
    end,
    {<<Select, Sub, (byte_size(Bits)), 0:40, Bits/binary, 0:(128 - byte_size(Bits))/unit:8>>, {Kind, Select, Sub}}.

chain(0, <<>>, 8, S) -> {hold, S}.

outside({key, Code, Value}, S) -> {fill, 0, <<1:16/little, Code:16/little, Value:32/little>>, S};
outside(group_end, S) -> {fill, 0, <<0:64>>, S};
outside({raw, Bytes}, S) -> {fill, 0, Bytes, S}.
