%% SPDX-License-Identifier: Apache-2.0
%% @doc Tests of the drivers for PCI devices over their models: what they do, what they make of a device that lies, and
%% that a kill at any access to hardware loses nothing. See tests/os/run and doc/devices.md.
-module(device_test).
-behaviour(supervisor).

-export([main/1]).
-export([init/1]).

-define(PLACE, {0, 3, 0}).

main(Machine) ->
    ok = logger:set_primary_config(level, none),
    Tests = [{registry, fun registry/0}, {hanging_driver, fun hanging_driver/0}]
        ++ [T || Kind <- [virtio_blk], T <- block_tests(Kind, Machine)],
    Failed = [Name || {Name, F} <- Tests, not passes(Machine, Name, F)],
    halt(length(Failed)).

passes(Machine, Name, F) ->
    {Pid, Ref} = spawn_monitor(F),
    Passed = ends(Machine, Name, Pid, Ref),
    Passed orelse [exit(P, kill) || P <- [whereis(loom_hal), whereis(loom_lines), whereis(loom_bus_sup),
                                       whereis(loom_devices_sup), whereis(loom_hw)], P =/= undefined],
    Passed.

ends(Machine, Name, Pid, Ref) ->
    receive
        {'DOWN', Ref, process, Pid, normal} ->
            io:format("ok ~s/~s~n", [Machine, Name]),
            true;
        {'DOWN', Ref, process, Pid, Reason} ->
            io:format("FAIL ~s/~s ~0P~n", [Machine, Name, Reason, 60]),
            false
    after 20000 ->
        exit(Pid, kill),
        io:format("FAIL ~s/~s no end after 120 s~n", [Machine, Name]),
        false
    end.

%% --- the machine -------------------------------------------------------------------------------------------------

%% The part of loom_hal_sup that is for devices.
init([]) ->
    Children = [#{id => M, start => {M, start_link, []}} || M <- [loom_hal, loom_lines, loom_bus_sup]],
    {ok, {#{strategy => one_for_one, intensity => 1000, period => 10}, Children}}.

with_devices(Devices, F) ->
    process_flag(trap_exit, true),
    {ok, Hardware} = loom_hw:start(Devices),
    {ok, Sup} = supervisor:start_link(?MODULE, []),
    Result = F(),
    [] = loom_hw:violations(),
    exit(Sup, shutdown),
    receive {'EXIT', Sup, shutdown} -> ok end,
    ok = loom_hw:stop(Hardware),
    Result.

row(Place) ->
    [Row] = [R || #{device := #{id := {pci, P}}} = R <- loom_devices:list(), P =:= Place],
    Row.

wait_state(Place, State) ->
    case row(Place) of
        #{state := State} = Row -> Row;
        _ -> timer:sleep(1), wait_state(Place, State)
    end.

up(Kind) ->
    receive {loom_devices, up, Kind, Unit} -> Unit
    after 10000 -> exit({no_unit, Kind, loom_devices:list()})
    end.

%% --- the registry ------------------------------------------------------------------------------------------------

registry() ->
    Disk = ets:new(disk, [public]),
    Blk = fun(Slot) -> {{0, Slot, 0}, loom_model_virtio_blk, #{disk => Disk, sectors => 64}} end,
    Devices = [{Place, loom_model_virtio, {Module, Args}} || {Place, Module, Args} <- [Blk(3), Blk(4)]],
    with_devices(Devices, fun() ->
        From = loom_devices:subscribe(block),
        #{name := <<"vda">>, driver := A, blocks := 64, block_size := 512} = one_of([<<"vda">>], [up(block), up(block)]),
        %% A killed driver: down, and up under the same name.
        exit(A, kill),
        receive {loom_devices, down, block, <<"vda">>} -> ok end,
        #{name := <<"vda">>, driver := B} = up(block),
        true = B =/= A,
        #{restarts := 1, reason := killed, driver := loom_drv_virtio_blk} = wait_state(?PLACE, running),
        %% Without loom_devices: drivers, units and subscriptions stay.
        exit(From, kill),
        [_, _] = loom_devices:units(block),
        exit(B, kill),
        receive {loom_devices, down, block, <<"vda">>} -> ok end,
        #{name := <<"vda">>} = up(block),
        %% One that goes and comes back elsewhere.
        ok = loom_hw:unplug({0, 4, 0}),
        ok = loom_devices:rescan(),
        receive {loom_devices, down, block, <<"vdb">>} -> ok end,
        #{state := gone} = row({0, 4, 0}),
        [ok = loom_hw:plug(P, M, Args) || {P, M, Args} <- [setelement(1, lists:last(Devices), {0, S, 0}) || S <- [4, 5]]],
        ok = loom_devices:rescan(),
        [<<"vdb">>, <<"vdc">>] = lists:sort([Name || #{name := Name} <- [up(block), up(block)]]),
        %% A device that does not answer as it should is given up, the others go on.
        Old = {loom_model_virtio_blk, #{disk => Disk, sectors => 64}, #{without_version_1 => true}},
        ok = loom_hw:plug({0, 6, 0}, loom_model_virtio, Old),
        ok = loom_devices:rescan(),
        #{restarts := 5, pid := none} = wait_state({0, 6, 0}, failed),
        #{state := running} = row(?PLACE),
        {error, running} = loom_devices:restart({pci, ?PLACE}),
        ok = loom_devices:restart({pci, {0, 6, 0}}),
        #{state := failed} = wait_state({0, 6, 0}, failed),
        0 = loom_hw:kept()
    end).

one_of([Name], Units) -> hd([U || #{name := N} = U <- Units, N =:= Name]).

hanging_driver() ->
    Disk = ets:new(disk, [public]),
    with_devices([{?PLACE, loom_model_virtio, {loom_model_virtio_blk, #{disk => Disk, sectors => 64}}}], fun() ->
        _ = loom_devices:subscribe(block),
        #{driver := Driver} = up(block),
        Forever = fun F(X) -> F(X) end,
        spawn(fun() -> catch sys:replace_state(Driver, Forever) end),
        receive {loom_devices, down, block, <<"vda">>} -> ok end,
        #{name := <<"vda">>} = up(block)
    end).

%% --- block devices -----------------------------------------------------------------------------------------------

block_tests(Kind, Machine) ->
    Name = fun(What) -> list_to_atom(atom_to_list(Kind) ++ "_" ++ What) end,
    [{Name("reads_and_writes"), fun() -> block_random(Kind, #{}) end},
     {Name("lost_interrupts"), fun() -> block_random(Kind, #{lose => 2}) end},
     {Name("bad_requests"), fun() -> block_bad_requests(Kind) end},
     {Name("lies"), fun() -> block_lies(Kind) end},
     {Name("killed_at_every_access"), fun() -> block_killed(Kind, case Machine of "erl" -> 13; _ -> 1 end) end}].

device(virtio_blk, Disk, Faults) ->
    {?PLACE, loom_model_virtio, {loom_model_virtio_blk, #{disk => Disk, sectors => 256}, Faults}}.

lies(virtio_blk) -> [{id, 7}, {id, 63}, {id, 5000}, {length, 1}, {index, 5}, {index, 200}].

with_disk(Kind, Faults, F) ->
    Disk = ets:new(disk, [public]),
    with_devices([device(Kind, Disk, Faults)], fun() ->
        _ = loom_devices:subscribe(block),
        F(up(block))
    end).

block_random(Kind, Faults) ->
    rand:seed(exsss, 1),
    with_disk(Kind, Faults, fun(Unit) -> batches(40, 24, Unit, #{}) end).

%% So many batches of requests that do not touch each other; all of a batch are in flight together. `Content' is what
%% the blocks should hold.
batches(0, _, Unit, _) -> Unit;
batches(N, Size, #{blocks := Blocks} = Unit, Content) ->
    Where = lists:sublist(shuffled(lists:seq(0, Blocks - 4, 4)), Size),
    Requests = [request(B, Unit) || B <- Where] ++ [flush],
    {Answers, New} = ask(Requests, Unit),
    [right(R, A, Content, Unit) || {R, A} <- lists:zip(Requests, Answers)],
    Written = maps:from_list([{B + I, Data} || {write, B, Bytes} <- Requests, {I, Data} <- blocks(Bytes, Unit)]),
    batches(N - 1, Size, New, maps:merge(Content, Written)).

shuffled(L) -> [X || {_, X} <- lists:sort([{rand:uniform(), X} || X <- L])].

request(Block, #{block_size := Size}) ->
    Count = rand:uniform(4),
    case rand:uniform(2) of
        1 -> {read, Block, Count};
        2 -> {write, Block, rand:bytes(Count * Size)}
    end.

blocks(Bytes, #{block_size := Size}) ->
    Blocks = [B || <<B:Size/binary>> <= Bytes],
    lists:zip(lists:seq(0, length(Blocks) - 1), Blocks).

right({read, Block, Count}, {ok, Bytes}, Content, #{block_size := Size} = Unit) ->
    Size = byte_size(Bytes) div Count,
    Expected = [maps:get(Block + I, Content, <<0:Size/unit:8>>) || I <- lists:seq(0, Count - 1)],
    Expected = [B || {_, B} <- blocks(Bytes, Unit)];
right({write, _, _}, ok, _, _) -> ok;
right(flush, ok, _, _) -> ok.

%% As the block service does: what has no answer when the driver dies goes to the next one.
ask(Requests, Unit) ->
    Sent = [{make_ref(), R} || R <- Requests],
    [send(Unit, S) || S <- Sent],
    answers(Sent, maps:from_list(Sent), #{}, Unit).

send(#{driver := Driver}, {Ref, Request}) -> Driver ! {block, {self(), Ref}, Request}.

answers(Sent, Left, Done, Unit) when map_size(Left) =:= 0 -> {[map_get(Ref, Done) || {Ref, _} <- Sent], Unit};
answers(Sent, Left, Done, #{name := Name} = Unit) ->
    receive
        {Ref, Answer} when is_map_key(Ref, Left) -> answers(Sent, maps:remove(Ref, Left), Done#{Ref => Answer}, Unit);
        {loom_devices, down, block, Name} ->
            New = up(block),
            [send(New, {Ref, R}) || {Ref, R} <- Sent, is_map_key(Ref, Left)],
            answers(Sent, Left, Done, New)
    after 20000 -> exit({no_answer, maps:values(Left), row(?PLACE)})
    end.

block_bad_requests(Kind) ->
    with_disk(Kind, #{}, fun(#{blocks := N, max_blocks := Most, block_size := Size} = Unit) ->
        Bad = [{read, N, 1}, {read, -1, 1}, {read, 0, 0}, {read, 0, Most + 1}, {read, N - 1, 2}, {write, 0, <<>>},
               {write, 0, <<1, 2, 3>>}, {write, N, <<0:Size/unit:8>>}, {read, a, 1}, nonsense, {trim, N, 1}],
        {Answers, Same} = ask(Bad ++ [{read, N - 1, 1}], Unit),
        [{error, einval}, {ok, <<_:Size/binary>>}] = lists:usort(Answers) -- [{error, enotsup}],
        Unit = Same
    end).

%% Each lie costs a restart or an error, never a wrong answer or a request without one.
block_lies(Kind) ->
    rand:seed(exsss, 2),
    with_disk(Kind, #{}, fun(Unit) ->
        lists:foldl(fun({Fault, Value}, U) ->
            {[ok], U1} = ask([{write, 8, binary:copy(<<7>>, 512)}], U),
            ok = loom_hw:tell(?PLACE, {fault, Fault, Value}),
            {[Answer], U2} = ask([{read, 8, 1}], U1),
            true = lists:member(Answer, [{ok, binary:copy(<<7>>, 512)}, {error, eio}]),
            {[{ok, _}], U3} = ask([{read, 8, 1}], U2),
            U3
        end, Unit, lies(Kind))
    end).

%% How many accesses a short life takes, then a life for each of them with a kill there, before and behind it.
block_killed(Kind, Step) ->
    rand:seed(exsss, 3),
    Life = fun() ->
        _ = loom_devices:subscribe(block),
        _ = batches(2, 5, up(block), #{}),
        ok = quiet()
    end,
    Accesses = with_devices([device(Kind, ets:new(disk, [public]), #{})], fun() -> Life(), loom_hw:accesses() end),
    [one_kill(Kind, N, When, Life) || N <- lists:seq(1, Accesses, Step), When <- [before, behind]].

one_kill(Kind, N, When, Life) ->
    process_flag(trap_exit, true),
    {ok, Hardware} = loom_hw:start([device(Kind, ets:new(disk, [public]), #{})]),
    ok = loom_hw:kill_at(N, When),
    {ok, Sup} = supervisor:start_link(?MODULE, []),
    try
        Life()
    catch
        Class:Reason:Stack -> exit({killed, When, N, Class, Reason, Stack})
    end,
    [] = loom_hw:violations(),
    ok = all_freed(200),
    exit(Sup, shutdown),
    receive {'EXIT', Sup, shutdown} -> ok end,
    ok = loom_hw:stop(Hardware).

%% The last driver resets the device, after which nothing of the ones before it is left.
all_freed(Left) when Left > 0 ->
    case loom_hw:kept() of
        0 -> ok;
        _ -> timer:sleep(20), all_freed(Left - 1)
    end.

%% No message is left over that nobody waits for.
quiet() ->
    receive
        {loom_devices, _, _, _} -> quiet();
        Other -> exit({unexpected, Other})
    after 0 -> ok
    end.
