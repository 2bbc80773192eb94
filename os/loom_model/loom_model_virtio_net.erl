%% SPDX-License-Identifier: Apache-2.0
%% @doc A virtio network device (Virtual I/O Device Version 1.2, 5.1). What is sent goes to a process of the test as
%% `{wire, Frame}'; `{frame, Frame}' from outside comes in, `{link, up | down}' plugs the cable.
-module(loom_model_virtio_net).
-behaviour(loom_model_virtio).

-export([new/1, chain/4, outside/2]).

new(#{mac := Mac} = Args) ->
    {#{type => 1, class => {2, 0, 0}, features => [5, 16], config => config(Mac, 1), queues => 2}, Args}.

config(Mac, Status) -> <<Mac/binary, Status:16/little, 1:16/little, 1500:16/little>>.

chain(0, <<>>, Room, S) when Room >= 1526 -> {hold, S};
chain(1, <<0:12/unit:8, Frame/binary>>, 0, #{wire := Pid} = S) ->
    Pid ! {wire, Frame},
    {done, <<>>, S}.

outside({frame, Frame}, S) -> {fill, 0, <<0:10/unit:8, 1:16/little, Frame/binary>>, S};
outside({link, up}, #{mac := Mac} = S) -> {config, config(Mac, 1), S};
outside({link, down}, #{mac := Mac} = S) -> {config, config(Mac, 0), S}.
