%% SPDX-License-Identifier: Apache-2.0
%% @doc A virtio entropy device (Virtual I/O Device Version 1.2, 5.4). It has between one byte and as many as are asked
%% for, and they count: 1, 2 ... 255, 1, so that a test sees which are missing.
-module(loom_model_virtio_rng).
-behaviour(loom_model_virtio).

-export([new/1, chain/4, outside/2]).

new(_) -> {#{type => 4, class => {16#ff, 0, 0}, features => [], config => <<>>, queues => 1}, 0}.

chain(0, <<>>, Room, Given) when Room > 0 ->
    Count = rand:uniform(Room),
    {done, << <<(I rem 255 + 1)>> || I <- lists:seq(Given, Given + Count - 1) >>, Given + Count}.

outside(_, S) -> {ok, S}.
