%% SPDX-License-Identifier: Apache-2.0
%% @doc Tests of the drivers for PCI devices over their models: what they do, what they make of a device that lies, and
%% that a kill at any access to hardware loses nothing. See tests/os/run and doc/devices.md.
-module(device_test).
-behaviour(supervisor).

-export([main/1, main/2]).
-export([init/1]).
-export([with_devices/2, up/1, wait_state/2, killed_everywhere/3]). % for watchdog_test

-define(PLACE, {0, 3, 0}).

main(Machine) -> main(Machine, "").

%% Those whose name contains the word.
main(Machine, Word) ->
    ok = logger:set_primary_config(level, none),
    Tests = [{registry, fun registry/0}, {hanging_driver, fun hanging_driver/0}]
        ++ [T || Kind <- [virtio_blk, nvme, ahci, ahci_unqueued], T <- block_tests(Kind, Machine)]
        ++ [{ahci_errors, fun() -> ahci_errors(ahci) end},
            {ahci_unqueued_errors, fun() -> ahci_errors(ahci_unqueued) end},
            {ahci_pulled_out, fun ahci_pulled_out/0}]
        ++ [T || Kind <- [virtio_net, e1000], T <- net_tests(Kind, Machine)]
        ++ [{e1000_on_another_line, fun() -> net_frames(e1000_line_18, #{}) end},
            {e1000_without_interrupts, fun() -> net_frames(e1000_line_24, #{}) end}]
        ++ [{virtio_rng_bytes, fun() -> rng_bytes(#{}) end},
            {virtio_rng_lost_interrupts, fun() -> rng_bytes(#{lose => 2}) end},
            {virtio_rng_lies, fun rng_lies/0},
            {virtio_rng_killed_at_every_access, fun() -> rng_killed(step(virtio_rng, Machine)) end}]
        ++ input_test:tests(Machine)
        ++ watchdog_test:tests(Machine),
    Wanted = [T || {Name, _} = T <- Tests, string:find(atom_to_list(Name), Word) =/= nomatch,
                   not (quick() andalso lists:suffix("lost_interrupts", atom_to_list(Name)))],
    Failed = [Name || {Name, F} <- Wanted, not passes(Machine, Name, F)],
    halt(length(Failed)).

passes(Machine, Name, F) ->
    {Pid, Ref} = spawn_monitor(F),
    Passed = ends(Machine, Name, Pid, Ref),
    Passed orelse clean_up(),
    Passed.

clean_up() ->
    case [P || Name <- [loom_hal, loom_lines, loom_bus_sup, loom_devices_sup, loom_devices, loom_hw,
                       loom_drv_timer, loom_heartbeat, watchdog_root],
               P <- [whereis(Name)], P =/= undefined] of
        [] -> ok;
        Left ->
            [exit(P, kill) || P <- Left],
            timer:sleep(10),
            clean_up()
    end.

ends(Machine, Name, Pid, Ref) ->
    receive
        {'DOWN', Ref, process, Pid, normal} ->
            io:format("ok ~s/~s~n", [Machine, Name]),
            true;
        {'DOWN', Ref, process, Pid, Reason} ->
            io:format("FAIL ~s/~s ~0P~n", [Machine, Name, Reason, 60]),
            false
    after 300000 ->
        exit(Pid, kill),
        io:format("FAIL ~s/~s no end after 300 s~n", [Machine, Name]),
        false
    end.

%% --- the machine -------------------------------------------------------------------------------------------------

%% The part of loom_hal_sup that is for devices.
init(none) -> {ok, {#{}, []}};
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
    after 60000 -> exit({no_unit, Kind, loom_devices:list()})
    end.

%% --- the registry ------------------------------------------------------------------------------------------------

registry() ->
    Disk = ets:new(disk, [public]),
    Blk = fun(Slot) -> {{0, Slot, 0}, loom_model_virtio_blk, #{disk => Disk, sectors => 64}} end,
    Devices = [{Place, loom_model_virtio, {Module, Args}} || {Place, Module, Args} <- [Blk(3), Blk(4)]],
    with_devices(Devices, fun() ->
        From = loom_devices:subscribe(block),
        #{name := <<"vda">>, driver := A, blocks := 64, block_size := 512} =
            one_of([<<"vda">>], [up(block), up(block)]),
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
        Again = [setelement(1, lists:last(Devices), {0, S, 0}) || S <- [4, 5]],
        [ok = loom_hw:plug(P, M, Args) || {P, M, Args} <- Again],
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
     {Name("lost_interrupts"), fun() -> block_random(Kind, #{lose => losses(Kind)}) end},
     {Name("bad_requests"), fun() -> block_bad_requests(Kind) end},
     {Name("lies"), fun() -> block_lies(Kind) end},
     {Name("killed_at_every_access"), fun() -> block_killed(Kind, step(Kind, Machine)) end}].

%% Where one request waits for the other a lost interrupt costs a tick each time.
losses(ahci_unqueued) -> 50;
losses(Kind) when Kind =:= ahci; Kind =:= e1000 -> 10;
losses(_) -> 2.

step(Kind, Machine) ->
    case quick() of
        true -> 5 * every(Kind, Machine);
        false -> every(Kind, Machine)
    end.

every(ahci_unqueued, "erl") -> 41;
every(ahci_unqueued, _) -> 11;
every(_, "erl") -> 13;
every(Kind, _) when Kind =:= ahci; Kind =:= e1000 -> 3;
every(_, _) -> 1.

%% `make check': a kill at every fifth access; no lost interrupts, for which a driver's ticks are waited.
quick() -> os:getenv("QUICK", "") =/= "".

device(ahci, Disk, Faults) -> {?PLACE, loom_model_ahci, {#{disk => Disk, blocks => 256}, Faults}};
device(ahci_unqueued, Disk, Faults) ->
    {?PLACE, loom_model_ahci, {#{disk => Disk, blocks => 256, ncq => false}, Faults}};
device(nvme, Disk, Faults) -> {?PLACE, loom_model_nvme, {#{disk => Disk, blocks => 256}, Faults}};
device(virtio_blk, Disk, Faults) ->
    {?PLACE, loom_model_virtio, {loom_model_virtio_blk, #{disk => Disk, sectors => 256}, Faults}}.

lies(Kind) when Kind =:= ahci; Kind =:= ahci_unqueued -> [{fail, 1}, {fail, 2}, {spurious, 0}, {spurious, 16#40000000}];
lies(nvme) -> [{id, 7}, {id, 15}, {id, 5000}, {status, 1}, {status, 16#7fff}];
lies(e1000) -> [{length, 3}, {length, 65000}, {status, 1}, {errors, 1}, {errors, 255}, {stuck, 1}];
lies(virtio_net) -> [{id, 7}, {id, 5000}, {length, 3}, {length, 70000}, {index, 200}];
lies(virtio_blk) -> [{id, 7}, {id, 63}, {id, 5000}, {length, 1}, {index, 5}, {index, 200}].

with_disk(Kind, Faults, F) ->
    Disk = ets:new(disk, [public]),
    with_devices([device(Kind, Disk, Faults)], fun() ->
        _ = loom_devices:subscribe(block),
        F(up(block))
    end).

block_random(Kind, Faults) ->
    rand:seed(exsss, 1),
    with_disk(Kind, Faults, fun(Unit) -> batches(12, 24, Unit, #{}) end).

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
    after 60000 -> exit({no_answer, maps:values(Left), row(?PLACE)})
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

%% A command fails, alone or among others: those that are good the second time are done, the driver lives, order of
%% answers aside nothing is seen. One that fails twice, and only that, is an error.
ahci_errors(Kind) ->
    rand:seed(exsss, 4),
    with_disk(Kind, #{}, fun(#{driver := Driver} = Unit) ->
        Writes = [{write, 4 * I, binary:copy(<<I>>, 512)} || I <- lists:seq(1, 20)],
        Reads = [{read, 4 * I, 1} || I <- lists:seq(1, 20)],
        Right = [{ok, binary:copy(<<I>>, 512)} || I <- lists:seq(1, 20)],
        [begin
             ok = loom_hw:tell(?PLACE, {fault, fail, N}),
             {Answers, Unit} = ask(Writes ++ [flush], Unit),
             [] = [A || A <- Answers, A =/= ok, N < 2],
             true = length([A || A <- Answers, A =/= ok]) < max(1, N),
             ok = loom_hw:tell(?PLACE, {fault, fail, 0}),
             {_, Unit} = ask(Writes, Unit),
             {Right, Unit} = ask(Reads, Unit)
         end || N <- [1, 2, 5]],
        {[{error, eio}], Unit} = begin
            ok = loom_hw:tell(?PLACE, {fault, fail, 2}),
            ask([{read, 0, 1}], Unit)
        end,
        {[{ok, _}], Unit} = ask([{read, 0, 1}], Unit),
        true = is_process_alive(Driver)
    end).

%% Requests end, the unit goes; when it is there again the driver's next life finds it under its name.
ahci_pulled_out() ->
    with_disk(ahci, #{}, fun(#{driver := Driver, name := <<"sda">>} = Unit) ->
        {[ok], Unit} = ask([{write, 8, binary:copy(<<7>>, 512)}], Unit),
        Sent = [{make_ref(), {read, I, 1}} || I <- lists:seq(1, 40)],
        [send(Unit, S) || S <- Sent],
        ok = loom_hw:tell(?PLACE, vanish),
        [receive {Ref, {ok, _}} -> ok; {Ref, {error, eio}} -> ok end || {Ref, _} <- Sent],
        receive {loom_devices, down, block, <<"sda">>} -> ok end,
        {[{error, eio}], Unit} = ask([{read, 8, 1}], Unit),
        true = is_process_alive(Driver),
        ok = loom_hw:tell(?PLACE, appear),
        #{name := <<"sda">>} = Again = up(block),
        Seven = binary:copy(<<7>>, 512),
        {[{ok, Seven}], _} = ask([{read, 8, 1}], Again)
    end).

%% How many accesses a short life takes, then a life for each of them with a kill there, before and behind it.
block_killed(Kind, Step) ->
    killed_everywhere(fun() -> device(Kind, ets:new(disk, [public]), #{}) end, Step, fun() ->
        _ = loom_devices:subscribe(block),
        _ = batches(2, 5, up(block), #{}),
        ok = quiet()
    end).

killed_everywhere(Device, Step, Life) ->
    rand:seed(exsss, 3),
    Accesses = with_devices([Device()], fun() -> Life(), loom_hw:accesses() end),
    [one_life(fun() -> one_kill(Device(), N, When, Life) end)
     || N <- lists:seq(1, Accesses, Step), When <- [before, behind]].

%% In a process of its own: what a life leaves in the mailbox is none of the next one's business.
one_life(F) ->
    {Pid, Ref} = spawn_monitor(F),
    receive {'DOWN', Ref, process, Pid, Reason} -> normal = Reason end.

one_kill(Device, N, When, Life) ->
    process_flag(trap_exit, true),
    {ok, Hardware} = loom_hw:start([Device]),
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

%% --- network devices ---------------------------------------------------------------------------------------------

-define(MAC, <<2, 4, 6, 8, 10, 12>>).

net_tests(Kind, Machine) ->
    Name = fun(What) -> list_to_atom(atom_to_list(Kind) ++ "_" ++ What) end,
    [{Name("frames"), fun() -> net_frames(Kind, #{}) end},
     {Name("lost_interrupts"), fun() -> net_frames(Kind, #{lose => losses(Kind)}) end},
     {Name("link"), fun() -> net_link(Kind) end},
     {Name("lies"), fun() -> net_lies(Kind) end},
     {Name("killed_at_every_access"), fun() -> net_killed(Kind, step(Kind, Machine)) end}].

net_device(e1000, Faults) -> {?PLACE, loom_model_e1000, {#{mac => ?MAC, wire => self()}, Faults}};
net_device(e1000_line_18, Faults) ->
    {?PLACE, loom_model_e1000, {#{mac => ?MAC, wire => self(), line => 18}, Faults}};
net_device(e1000_line_24, Faults) ->
    {?PLACE, loom_model_e1000, {#{mac => ?MAC, wire => self(), line => 24}, Faults}};
net_device(virtio_net, Faults) ->
    {?PLACE, loom_model_virtio, {loom_model_virtio_net, #{mac => ?MAC, wire => self()}, Faults}}.

attached() ->
    #{driver := Driver, mac := ?MAC, mtu := 1500, link := up} = up(net),
    try loom_driver:call(Driver, {attach, self()}) of
        {ok, #{queue := Queue, link := up}} when Queue >= 16 -> {Driver, Queue}
    catch
        exit:_ -> attached() % it has been killed since
    end.

frame(I) -> <<?MAC/binary, I:32, (binary:copy(<<I>>, 6 + I * 37 rem 1495))/binary>>.

net_frames(Kind, Faults) ->
    with_devices([net_device(Kind, Faults)], fun() ->
        _ = loom_devices:subscribe(net),
        {Driver, Queue} = Link = attached(),
        Frames = [frame(I) || I <- lists:seq(1, 150)],
        Link = send_all(Frames, Link),
        Frames = lists:sort(wire(150)),
        Link = receive_all(Frames, Link),
        %% Nonsense, and what is too much, is counted as sent and does not leave.
        Driver ! {transmit, self(), [<<1, 2, 3>>, binary:copy(<<0>>, 1600)]},
        receive {loom_link, Driver, {sent, 2}} -> ok end,
        Driver ! {transmit, self(), lists:duplicate(Queue + 7, frame(1))},
        ok = sent(Driver, Queue + 7),
        Queue = length(wire(Queue)),
        receive {wire, _} -> exit(too_many) after 50 -> ok end
    end).

sent(_, 0) -> ok;
sent(Driver, Left) -> receive {loom_link, Driver, {sent, N}} when N =< Left -> sent(Driver, Left - N) end.

wire(0) -> [];
wire(N) -> receive {wire, Frame} -> [Frame | wire(N - 1)] end.

%% As many as the driver takes at a time. If it dies, those it had are sent again.
send_all([], Link) -> Link;
send_all(Frames, {Driver, Queue} = Link) ->
    {Now, Later} = lists:split(min(Queue, length(Frames)), Frames),
    Driver ! {transmit, self(), Now},
    case all_sent(Driver, length(Now)) of
        ok -> send_all(Later, Link);
        down -> send_all(Frames, attached())
    end.

all_sent(_, 0) -> ok;
all_sent(Driver, Left) ->
    receive
        {loom_link, Driver, {sent, N}} when N =< Left -> all_sent(Driver, Left - N);
        {loom_devices, down, net, _} -> down
    end.

%% Each frame until it comes: the wire may lose one.
receive_all(Frames, Link) -> receive_all(Frames, Frames, Link).

receive_all([], _, Link) -> Link;
receive_all([Frame | _] = Frames, All, {Driver, _} = Link) ->
    ok = loom_hw:tell(?PLACE, {frame, Frame}),
    receive
        {loom_link, Driver, {frames, Came}} ->
            [] = [F || F <- Came, All =/= any, not lists:member(F, All)],
            receive_all([F || F <- Frames, not lists:member(F, Came)], All, Link);
        {loom_devices, down, net, _} -> receive_all(Frames, All, attached())
    after 600 -> receive_all(Frames, All, Link)
    end.

net_link(Kind) ->
    with_devices([net_device(Kind, #{})], fun() ->
        _ = loom_devices:subscribe(net),
        {Driver, _} = attached(),
        ok = loom_hw:tell(?PLACE, {link, down}),
        receive {loom_link, Driver, {link, down}} -> ok end,
        #{link := down} = up(net),
        ok = loom_hw:tell(?PLACE, {link, up}),
        receive {loom_link, Driver, {link, up}} -> ok end,
        #{link := up} = up(net)
    end).

net_lies(Kind) ->
    with_devices([net_device(Kind, #{})], fun() ->
        _ = loom_devices:subscribe(net),
        lists:foldl(fun({Fault, Value}, Link) ->
            {Driver, _} = Link,
            ok = loom_hw:tell(?PLACE, {fault, Fault, Value}),
            ok = loom_hw:tell(?PLACE, {frame, frame(1)}),
            Next = receive
                {loom_devices, down, net, _} -> attached();
                {loom_link, Driver, {frames, [_]}} -> Link
            after 600 -> Link
            end,
            receive_all([frame(2)], any, Next) % a lie about which buffer it was cannot be seen here
        end, attached(), lies(Kind))
    end).

net_killed(Kind, Step) ->
    %% Short queues, so that there are fewer accesses, each of which is a run.
    killed_everywhere(fun() -> net_device(Kind, #{queue_size => 16}) end, Step, fun() ->
        _ = loom_devices:subscribe(net),
        Frames = [frame(I) || I <- lists:seq(1, 5)],
        Link = send_all(Frames, attached()),
        Frames = lists:usort(wire_now()),
        _ = receive_all([frame(7), frame(8)], Link),
        ok = quiet()
    end).

%% --- entropy -----------------------------------------------------------------------------------------------------

rng_device(Faults) -> {?PLACE, loom_model_virtio, {loom_model_virtio_rng, none, Faults}}.

%% All that the device gave is there, in order; several ask at once.
rng_bytes(Faults) ->
    rand:seed(exsss, 5),
    with_devices([rng_device(Faults)], fun() ->
        _ = loom_devices:subscribe(rng),
        #{name := <<"rng0">>, driver := Driver} = up(rng),
        Counts = [1, 4096, 17, 300],
        Stream = iolist_to_binary([begin {ok, B} = loom_driver:call(Driver, {bytes, N}), N = byte_size(B), B end
                                   || N <- Counts]),
        Stream = << <<(I rem 255 + 1)>> || I <- lists:seq(0, lists:sum(Counts) - 1) >>,
        Me = self(),
        [spawn_link(fun() -> {ok, B} = loom_driver:call(Driver, {bytes, N}), Me ! {bytes, N, B} end) || N <- Counts],
        [receive {bytes, N, B} when byte_size(B) =:= N -> ok end || N <- Counts],
        [{error, einval} = loom_driver:call(Driver, {bytes, N}) || N <- [0, -1, 4097, a]],
        Driver = whereis_unit(rng)
    end).

whereis_unit(Kind) ->
    [#{driver := Driver}] = loom_devices:units(Kind),
    Driver.

%% As the service does: a driver that dies is asked again when it is there.
rng_ask(Count) ->
    #{driver := Driver} = up(rng),
    try loom_driver:call(Driver, {bytes, Count}) of
        {ok, Bytes} when byte_size(Bytes) =:= Count -> ok
    catch
        exit:_ -> rng_ask(Count)
    end.

rng_lies() ->
    with_devices([rng_device(#{})], fun() ->
        _ = loom_devices:subscribe(rng),
        [begin
             #{driver := Driver} = up(rng),
             ok = loom_hw:tell(?PLACE, {fault, Fault, Value}),
             {'EXIT', _} = catch loom_driver:call(Driver, {bytes, 100})
         end || {Fault, Value} <- [{id, 1}, {id, 5000}, {length, 0}, {length, 101}, {length, 70000}, {index, 5}]],
        ok = rng_ask(100)
    end).

rng_killed(Step) ->
    killed_everywhere(fun() -> rng_device(#{}) end, Step, fun() ->
        _ = loom_devices:subscribe(rng),
        ok = rng_ask(64),
        ok = quiet()
    end).

%% All that has left the device; what it still has leaves soon.
wire_now() -> receive {wire, Frame} -> [Frame | wire_now()] after 20 -> [] end.

%% No message is left over that nobody waits for.
quiet() ->
    receive
        {loom_devices, _, _, _} -> quiet();
        {loom_link, _, _} -> quiet();
        {wire, _} -> quiet();
        Other -> exit({unexpected, Other})
    after 0 -> ok
    end.
