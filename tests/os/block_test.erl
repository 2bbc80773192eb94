%% SPDX-License-Identifier: Apache-2.0
%% @doc Tests of the block service over a model of a driver, which answers in any order and dies. See tests/os/run.
-module(block_test).
-export([main/1, devices/1, driver/2]).

main(Machine) ->
    ok = logger:set_primary_config(level, case os:getenv("LOUD") of false -> none; _ -> all end),
    Tests = [{partitions_mbr, fun partitions_mbr/0}, {partitions_gpt, fun partitions_gpt/0},
             {block_killed, fun block_killed/0}, {block_killed_with_driver, fun block_killed_with_driver/0},
             {block_flush, fun block_flush/0}, {block_errors, fun block_errors/0},
             {fat_over_blocks_killed, fun fat_over_blocks_killed/0}],
    Failed = [Name || {Name, F} <- Tests, not fs_test:passes(Machine, Name, F)],
    halt(length(Failed)).

%% --- the finder of devices and a driver, as loom_block sees them
%% -----------------------------------------------------------------------------

with_disk(Disk, F) ->
    process_flag(trap_exit, true),
    {ok, _} = loom_keeper:start_link(),
    Devices = spawn_link(?MODULE, devices, [Disk]),
    register(loom_devices, Devices),
    {ok, _} = loom_block:start_link(),
    wait(fun() -> loom_block:names() =:= [<<"vda">>] end),
    Result = F(),
    [begin
         Pid = whereis(N),
         unlink(Pid),
         Ref = monitor(process, Pid),
         exit(Pid, kill),
         receive {'DOWN', Ref, _, _, _} -> ok end
     end || N <- [loom_block, loom_keeper, loom_devices]],
    Result.

wait(F) ->
    case F() of
        true -> ok;
        false -> timer:sleep(2), wait(F)
    end.

%% One driver, started again when it dies; subscribers are told.
devices(Disk) ->
    process_flag(trap_exit, true),
    devices(Disk, start_driver(Disk), []).

start_driver(Disk) ->
    Pid = spawn_link(?MODULE, driver, [Disk, rand:uniform(1 bsl 30)]),
    [exit(whereis(block_driver), kill) || is_pid(whereis(block_driver))],
    catch unregister(block_driver),
    register(block_driver, Pid),
    Pid.

devices(Disk, Driver, Subscribers) ->
    receive
        {'$gen_call', {Pid, _} = From, {subscribe, block}} ->
            %% At once, or later as when the driver is just being started.
            erlang:send_after(rand:uniform(2) * 5 - 5, self(), {up, Pid}),
            gen_server:reply(From, self()),
            devices(Disk, Driver, Subscribers);
        {up, Pid} ->
            Pid ! {loom_devices, up, block, unit(Disk, Driver)},
            devices(Disk, Driver, [Pid | Subscribers]);
        {'EXIT', Driver, _} ->
            New = start_driver(Disk),
            [S ! {loom_devices, down, block, <<"vda">>} || S <- Subscribers],
            [S ! {loom_devices, up, block, unit(Disk, New)} || S <- Subscribers],
            devices(Disk, New, Subscribers)
    end.

unit(Disk, Driver) ->
    [{_, Sectors}] = ets:lookup(Disk, sectors),
    #{name => <<"vda">>, driver => Driver, block_size => 512, blocks => Sectors, max_blocks => 16, read_only => false}.

driver(Disk, Seed) ->
    rand:seed(exsss, Seed),
    {ok, Device} = fat_disk:device(Disk),
    serve(Device, []).

%% Requests wait a little and are done in any order, as disks do.
serve(Device, Waiting) ->
    receive {block, From, Request} -> serve(Device, [{From, Request} | Waiting])
    after 0 ->
        case Waiting of
            [] -> receive {block, From, Request} -> serve(Device, [{From, Request}]) end;
            _ ->
                Chosen = {{Pid, Ref}, Request} = lists:nth(rand:uniform(length(Waiting)), Waiting),
                Pid ! {Ref, perform(Request, Device)},
                serve(Device, lists:delete(Chosen, Waiting))
        end
    end.

perform({read, 666, _}, _) -> {error, eio};
perform({read, Block, Count}, #{read := Read}) when Count =< 16 -> Read(Block, Count);
perform({write, 666, _}, _) -> {error, eio};
perform({write, Block, Bytes}, #{write := Write}) when byte_size(Bytes) =< 16 * 512 -> Write(Block, Bytes);
perform(flush, #{flush := Flush}) -> Flush().

%% --- tables
%% ---------------------------------------------------------------------------------------------------------------

mbr_entry(Type, Start, Count) -> <<0, 0:24, Type, 0:24, Start:32/little, Count:32/little>>.
mbr(Entries) ->
    Table = iolist_to_binary(Entries),
    <<0:446/unit:8, Table/binary, 0:(64 - byte_size(Table))/unit:8, 16#55, 16#aa>>.

find(Disk) ->
    {ok, #{read := Read, sectors := Sectors}} = fat_disk:device(Disk),
    case loom_partitions:find(Read, 512, Sectors) of
        {ok, Kind, Found} -> {Kind, [{N, First, Count} || #{number := N, first := First, count := Count} <- Found]};
        Error -> Error
    end.

partitions_mbr() ->
    Disk = fat_disk:new(10000, false),
    {ok, #{write := Write}} = fat_disk:device(Disk),
    {none, []} = find(Disk),
    ok = Write(0, mbr([mbr_entry(12, 63, 1000), mbr_entry(5, 2000, 7000), mbr_entry(7, 9500, 501),
                       mbr_entry(1, 9000, 10)])),
    ok = Write(2000, mbr([mbr_entry(12, 63, 100), mbr_entry(5, 3000, 500)])),
    ok = Write(5000, mbr([mbr_entry(12, 63, 200), mbr_entry(5, 0, 0)])),
    {mbr, [{1, 63, 1000}, {4, 9000, 10}, {5, 2063, 100}, {6, 5063, 200}]} = find(Disk), % the third reaches too far
    ok = Write(5000, mbr([mbr_entry(12, 63, 200), mbr_entry(5, 3000, 500)])), % a loop
    {mbr, Looping} = find(Disk),
    true = length(Looping) < 200.

partitions_gpt() ->
    Disk = fat_disk:new(10000, false),
    {ok, #{write := Write}} = fat_disk:device(Disk),
    Name = << <<C:16/little>> || <<C>> <= <<"EFI", 0:69/unit:8>> >>,
    Entry = fun(First, Last) ->
        <<7:128, 8:128, First:64/little, Last:64/little, 0:64, (binary:part(Name, 0, 72))/binary>>
    end,
    Table = iolist_to_binary([Entry(2048, 4095), <<0:1024>>, Entry(5000, 9000), <<0:(1024 * 125)>>]),
    Header = fun(At, Other, Entries) ->
        H = fun(Sum) -> <<"EFI PART", 16#10000:32/little, 92:32/little, Sum:32/little, 0:32, At:64/little,
                          Other:64/little, 34:64/little, 9966:64/little, 9:128, Entries:64/little, 128:32/little,
                          128:32/little, (erlang:crc32(Table)):32/little>>
            end,
        <<(H(erlang:crc32(H(0))))/binary, 0:420/unit:8>>
    end,
    ok = Write(0, mbr([mbr_entry(16#ee, 1, 9999)])),
    ok = Write(1, Header(1, 9999, 2)),
    ok = Write(2, Table),
    ok = Write(9999, Header(9999, 1, 9967)),
    ok = Write(9967, Table),
    Good = {gpt, [{1, 2048, 2048}, {3, 5000, 4001}]},
    Good = find(Disk),
    ok = Write(3, <<1:4096>>), % the entries of the first are damaged
    Good = find(Disk),
    ok = Write(1, <<0:4096>>),
    Good = find(Disk),
    ok = Write(9999, <<0:4096>>),
    {error, damaged_gpt} = find(Disk).

%% --- reads and writes while everybody dies
%% ----------------------------------------------------------------------------------

block_killed() ->
    Disk = fat_disk:new(2000, true),
    with_disk(Disk, fun() ->
        {ok, H} = loom_block:open(<<"vda">>),
        {512, 2000} = loom_block:capacity(H),
        Killer = spawn_link(fun() -> killer([block_driver, loom_block, loom_keeper]) end),
        rand:seed(exsss, 1),
        Model = lists:foldl(fun(_, M) -> block_step(H, M, rand:uniform(10)) end, #{}, lists:seq(1, 600)),
        unlink(Killer), exit(Killer, kill),
        ok = loom_block:flush(H),
        All = << <<(maps:get(B, Model, <<0:4096>>))/binary>> || B <- lists:seq(0, 1999) >>,
        All = fat_disk:image(Disk)
    end).

%% A request may reach the new service before it hears of the unit, or before there is one again.
block_killed_with_driver() ->
    Disk = fat_disk:new(2000, true),
    with_disk(Disk, fun() ->
        {ok, H} = loom_block:open(<<"vda">>),
        ok = loom_block:write(H, 7, <<7:4096>>),
        [begin
             Block = whereis(loom_block),
             [exit(whereis(Name), kill) || Name <- Names, is_pid(whereis(Name))],
             spawn(fun() -> again(loom_block, Block), timer:sleep(infinity) end),
             {N, Names, {ok, <<7:4096>>}} = {N, Names, loom_block:read(H, 7, 1)}
         end || N <- lists:seq(1, 30), Names <- [[loom_block], [block_driver, loom_block]]]
    end).

block_step(H, Model, N) when N =< 4 ->
    Block = rand:uniform(600),
    Count = rand:uniform(40),
    Bytes = << <<(rand:uniform(1 bsl 30)):4096>> || _ <- lists:seq(1, Count) >>,
    ok = loom_block:write(H, Block, Bytes),
    lists:foldl(fun({I, B}, M) -> M#{Block + I => B} end, Model,
                lists:zip(lists:seq(0, Count - 1), [B || <<B:512/binary>> <= Bytes]));
block_step(H, Model, 5) ->
    ok = loom_block:flush(H),
    Model;
block_step(H, Model, _) ->
    Block = rand:uniform(600),
    Count = rand:uniform(40),
    Expected = << <<(maps:get(B, Model, <<0:4096>>))/binary>> || B <- lists:seq(Block, Block + Count - 1) >>,
    {ok, Expected} = loom_block:read(H, Block, Count),
    Model.

%% The keeper is not killed together with the one it keeps for: their supervisor would have both back first.
killer(Names) ->
    timer:sleep(rand:uniform(30)),
    Name = lists:nth(rand:uniform(length(Names)), Names),
    case whereis(Name) of
        undefined -> ok;
        Pid ->
            exit(Pid, kill),
            Name =:= block_driver orelse again(Name, Pid)
    end,
    killer(Names).

%% What the supervisor does. The killer is the parent from now on.
again(Name, Old) ->
    process_flag(trap_exit, true),
    wait(fun() -> whereis(Name) =/= Old end),
    {ok, New} = Name:start_link(),
    unlink(New),
    _ = sys:get_state(New),
    _ = Name =:= loom_keeper andalso timer:sleep(10),
    ok.

%% What a flush has answered is there after a power cut, whatever somebody else writes meanwhile.
block_flush() ->
    Disk = fat_disk:new(2000, true),
    with_disk(Disk, fun() ->
        {ok, H} = loom_block:open(<<"vda">>),
        Base = fat_disk:new(2000, false),
        Other = spawn_link(fun() -> other_writer(H) end),
        rand:seed(exsss, 2),
        _ = lists:foldl(fun(N, M) ->
            New = block_step(H, M, 1),
            N rem 5 =:= 0 andalso flushed(H, Base, Disk, New),
            New
        end, #{}, lists:seq(1, 40)),
        unlink(Other), exit(Other, kill)
    end).

other_writer(H) ->
    ok = loom_block:write(H, 1000 + rand:uniform(900), <<(rand:uniform(1000)):4096>>),
    timer:sleep(1),
    other_writer(H).

flushed(H, Base, Disk, Model) ->
    ok = loom_block:flush(H),
    Image = fat_disk:image(fat_disk:cut(Base, fat_disk:log(Disk), fat_disk:events(Disk))),
    [B = binary:part(Image, At * 512, 512) || {At, B} <- maps:to_list(Model)].

block_errors() ->
    Disk = fat_disk:new(2000, false),
    with_disk(Disk, fun() ->
        {ok, H} = loom_block:open(<<"vda">>),
        {error, enodev} = loom_block:open(<<"vda1">>),
        {error, enodev} = loom_block:open(<<"nothing">>),
        {error, einval} = loom_block:read(H, 1990, 11),
        {error, einval} = loom_block:write(H, 0, <<1, 2, 3>>),
        {error, einval} = loom_block:write(H, -1, <<0:4096>>),
        {error, eio} = loom_block:read(H, 666, 1),
        ok = loom_block:write(H, 666, <<1:4096>>),
        {error, eio} = loom_block:flush(H),
        {ok, T} = loom_block:open(<<"vda">>, [write_through]),
        {error, eio} = loom_block:write(T, 100, <<2:4096>>),
        {ok, <<2:4096>>} = loom_block:read(H, 100, 1)
    end).

%% --- a file system over all that
%% --------------------------------------------------------------------------------------------

fat_over_blocks_killed() ->
    Disk = fat_disk:new(150000, false),
    {ok, #{write := Write}} = fat_disk:device(Disk),
    ok = Write(0, mbr([mbr_entry(12, 64, 149000)])),
    with_disk(Disk, fun() ->
        {ok, Device} = loom_block:device(<<"vda1">>),
        ok = loom_fat32:format(Device, #{}),
        [#{name := <<"vda">>}, #{name := <<"vda1">>, blocks := 149000}] = loom_block:list(),
        fs_test:against_host({loom_block, device, [<<"vda1">>]}, 40, [vol, loom_block, block_driver], fun again/2)
    end),
    {_, [{1, 64, 149000}]} = find(Disk),
    Part = filename:join(os_test:scratch(), "part"),
    ok = file:write_file(Part, binary:part(fat_disk:image(Disk), 64 * 512, 149000 * 512)),
    fs_test:sound_file(Part),
    _ = file:del_dir_r(os_test:scratch()).
