%% SPDX-License-Identifier: Apache-2.0
%% @doc What every block driver does with requests (doc/devices.md, "block"): checks them, gives each a slot of the
%% device, keeps those waiting for which there is none, and answers. Pure but for the answers.
-module(loom_requests).

-export([new/3, submit/3, finish/3, active/2, age/1]).
-export_type([requests/0, what/0, start/0]).

-type what() :: {read, Block :: non_neg_integer(), Count :: pos_integer()} | {write, non_neg_integer(), binary()}
              | flush | {trim, non_neg_integer(), pos_integer()}.
-type from() :: {pid(), reference()}.
-type start() :: {Slot :: non_neg_integer(), what()}.
-record(r, {unit :: loom_devices:unit(), operations :: [read | write | flush | trim], free :: [non_neg_integer()],
    active = #{} :: #{non_neg_integer() => {from(), what(), integer()}}, waiting = queue:new() :: queue:queue()}).
-opaque requests() :: #r{}.

%% @doc `Operations': what the device can do. A flush that it need not do is answered at once.
-spec new(loom_devices:unit(), Slots :: [non_neg_integer()], [read | write | flush | trim]) -> requests().
new(Unit, Slots, Operations) -> #r{unit = Unit, free = Slots, operations = Operations}.

%% @doc What is to be started now.
-spec submit(from(), what(), requests()) -> {[start()], requests()}.
submit(From, What, #r{unit = Unit, operations = Operations} = R) ->
    case check(What, Unit, Operations) of
        go when R#r.free =:= [] -> {[], R#r{waiting = queue:in({From, What}, R#r.waiting)}};
        go -> start(From, What, R);
        Answer ->
            answer(From, Answer),
            {[], R}
    end.

start(From, What, #r{free = [Slot | Free], active = Active} = R) ->
    Now = erlang:monotonic_time(millisecond),
    {[{Slot, What}], R#r{free = Free, active = Active#{Slot => {From, What, Now}}}}.

%% @doc The request in that slot has its answer. A slot that is not in use is the device's error.
-spec finish(non_neg_integer(), {ok, binary()} | ok | {error, atom()}, requests()) -> {[start()], requests()}.
finish(Slot, Answer, #r{active = Active, free = Free, waiting = Waiting} = R) ->
    {{From, _, _}, Left} = maps:take(Slot, Active),
    answer(From, Answer),
    New = R#r{active = Left, free = [Slot | Free]},
    case queue:out(Waiting) of
        {{value, {Next, What}}, Rest} -> start(Next, What, New#r{waiting = Rest});
        {empty, _} -> {[], New}
    end.

%% @doc What runs in that slot.
-spec active(non_neg_integer(), requests()) -> what().
active(Slot, #r{active = Active}) ->
    {_, What, _} = map_get(Slot, Active),
    What.

%% @doc How long the oldest request has been with the device, in milliseconds.
-spec age(requests()) -> non_neg_integer().
age(#r{active = Active}) ->
    Now = erlang:monotonic_time(millisecond),
    lists:max([0 | [Now - Started || {_, _, Started} <- maps:values(Active)]]).

answer({Pid, Ref}, Answer) -> Pid ! {Ref, Answer}.

check({read, Block, Count}, Unit, _) -> range(Block, Count, Unit, go);
check({write, _, _}, #{read_only := true}, _) -> {error, erofs};
check({write, Block, Data}, #{block_size := Size} = Unit, _)
        when is_binary(Data), byte_size(Data) rem Size =:= 0 -> range(Block, byte_size(Data) div Size, Unit, go);
check(flush, _, Operations) ->
    case lists:member(flush, Operations) of
        true -> go;
        false -> ok
    end;
check({trim, _, _}, #{read_only := true}, _) -> {error, erofs};
check({trim, Block, Count}, Unit, Operations) ->
    case lists:member(trim, Operations) of
        true -> range(Block, Count, Unit, go);
        false -> {error, enotsup}
    end;
check(_, _, _) -> {error, einval}.

range(Block, Count, #{blocks := Blocks, max_blocks := Most}, Good)
        when is_integer(Block), is_integer(Count), Block >= 0, Count > 0, Count =< Most,
             Block + Count =< Blocks -> Good;
range(_, _, _, _) -> {error, einval}.
