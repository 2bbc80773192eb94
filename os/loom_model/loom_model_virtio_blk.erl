%% SPDX-License-Identifier: Apache-2.0
%% @doc A virtio block device (Virtual I/O Device Version 1.2, 5.2) whose blocks are in an ETS table of the test, so
%% that they outlive everything: `#{disk := Table, sectors := N}'. Sectors that nobody wrote are zero.
-module(loom_model_virtio_blk).
-behaviour(loom_model_virtio).

-export([new/1, chain/4, outside/2]).

-define(SECTOR, 512).

new(#{sectors := Sectors} = Args) ->
    ReadOnly = maps:get(read_only, Args, false),
    {#{type => 2, class => {1, 0, 0}, features => [9, 13] ++ [5 || ReadOnly],
        config => <<Sectors:64/little, 0:(28 * 8)>>,
        queues => 1}, Args}.

chain(0, <<Type:32/little, _:32, Sector:64/little, Data/binary>>, Room, S) ->
    {Result, Status} = request(Type, Sector, Data, Room - 1, S),
    {done, <<Result/binary, Status>>, S}.

request(0, Sector, <<>>, Length, #{sectors := Sectors} = S) when Length rem ?SECTOR =:= 0 ->
    case Sector + Length div ?SECTOR =< Sectors of
        true -> {<< <<(sector(I, S))/binary>> || I <- seq(Sector, Length) >>, 0};
        false -> {<<0:Length/unit:8>>, 1}
    end;
request(1, Sector, Data, 0, #{sectors := Sectors, disk := Disk}) when byte_size(Data) rem ?SECTOR =:= 0 ->
    case Sector + byte_size(Data) div ?SECTOR =< Sectors of
        true ->
            Blocks = [B || <<B:?SECTOR/binary>> <= Data],
            true = ets:insert(Disk, lists:zip(seq(Sector, byte_size(Data)), Blocks)),
            {<<>>, 0};
        false -> {<<>>, 1}
    end;
request(4, _, <<>>, 0, _) -> {<<>>, 0};
request(11, 0, <<Sector:64/little, Count:32/little, 0:32>>, 0, #{disk := Disk}) ->
    [ets:delete(Disk, I) || I <- lists:seq(Sector, Sector + Count - 1)],
    {<<>>, 0};
request(_, _, _, Room, _) -> {<<0:Room/unit:8>>, 2}.

seq(Sector, Length) -> lists:seq(Sector, Sector + Length div ?SECTOR - 1).

sector(I, #{disk := Disk}) ->
    case ets:lookup(Disk, I) of
        [{_, Data}] -> Data;
        [] -> <<0:?SECTOR/unit:8>>
    end.

outside(_, S) -> {ok, S}.
