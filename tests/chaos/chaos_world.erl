%% SPDX-License-Identifier: Apache-2.0
%% @doc The system that is broken, and its load: Loom's own supervision tree over model devices on the Linux
%% program, its network stack under the program's sockets (LOOM_SOCKETS=service), FAT32 on two disks, OTP's httpd. Every
%% client reports each operation to the conductor: `{op, Client, Instance, Start, End, Result}', in microseconds.
-module(chaos_world).

-export([start/2, stop/1, page/1, clients/0, blk/0, nvme/0, net/0, plug/2, place/1, verify/2]).

-define(BLK, {0, 3, 0}).
-define(NVME, {0, 4, 0}).
-define(NET, {0, 5, 0}).
-define(SECTORS, 80000).
-define(LENGTH, 6144).
-define(NUMBER_OF, 4).

blk() -> ?BLK.
nvme() -> ?NVME.
net() -> ?NET.
place(<<"vda">>) -> ?BLK;
place(<<"nvme0n1">>) -> ?NVME;
place(<<"eth0">>) -> ?NET.

%% Those who must go on whatever happens.
clients() -> [http, conn, vda, nvme, console].

page(N) -> binary:copy(<<N>>, N * 997).

%% --- the machine ---------------------------------------------------------------------------------------------------

start(Dir, Conductor) ->
    os_files(Dir),
    M = os_test:prim_file_module(),
    Disks = {ets:new(disk, [public]), ets:new(disk, [public])},
    formatted(element(1, Disks)),
    Wire = spawn(fun() -> wire(Conductor) end),
    W = #{dir => Dir, disks => Disks, wire => Wire, files => M, conductor => Conductor},
    {ok, _} = loom_hw:start([]),
    {ok, _} = loom_port:start(),
    [plug(Place, W) || Place <- [?BLK, ?NVME, ?NET]],
    persistent_term:put({loom_console, prompted}, true),
    {ok, Root} = root(),
    ok = wait(fun() -> mounted(W, "mnt1") end, 20000),
    ok = wait(fun() -> lists:member(<<"nvme0n1">>, loom_block:names()) end, 20000),
    {ok, Device} = loom_block:device(<<"nvme0n1">>),
    ok = loom_fat32:format(Device, #{}),
    ok = loom_mount:mount(<<"nvme0n1">>, filename:join(Dir, "mnt2")),
    ok = wait(fun() -> mounted(W, "mnt2") end, 20000),
    servers(Dir),
    [spawn(fun() -> files(M, Kind, filename:join(Dir, Mount), Conductor) end)
     || {Kind, Mount} <- [{vda, "mnt1"}, {nvme, "mnt2"}]],
    spawn(fun() -> console(Conductor) end),
    W#{root => Root}.

%% Its parent does not die.
root() ->
    Self = self(),
    spawn(fun() ->
        process_flag(trap_exit, true),
        Self ! {root, loom_root_sup:start_link()},
        receive {'EXIT', _, Reason} -> Self ! {root_ended, Reason} end
    end),
    receive {root, Result} -> Result end.

plug(Place, #{disks := {A, B}, wire := Wire}) ->
    {Module, Args} = if
        Place =:= ?BLK -> {loom_model_virtio, {loom_model_virtio_blk, #{disk => A, sectors => ?SECTORS}, #{}}};
        Place =:= ?NVME -> {loom_model_nvme, {#{disk => B, blocks => ?SECTORS}, #{}}};
        Place =:= ?NET ->
            {loom_model_virtio, {loom_model_virtio_net, #{mac => <<2, 0, 0, 0, 0, 2>>, wire => Wire}, #{}}}
    end,
    ok = loom_hw:plug(Place, Module, Args).

formatted(Table) ->
    Disk = fat_disk:new(?SECTORS, false),
    {ok, Device} = fat_disk:device(Disk),
    ok = loom_fat32:format(Device, #{}),
    [ets:insert(Table, Row) || {N, _} = Row <- ets:tab2list(Disk), is_integer(N)].

os_files(Dir) ->
    [ok = filelib:ensure_dir(filename:join([Dir, D, "x"])) || D <- ["www", "mnt1", "mnt2"]],
    [ok = file:write_file(filename:join([Dir, "www", integer_to_list(N)]), page(N)) || N <- lists:seq(1, 10)].

mounted(#{dir := Dir}, Name) ->
    Point = unicode:characters_to_binary(filename:join(Dir, Name)),
    [x || #{point := P} <- loom_mount:table(), P =:= Point] =/= [].

wait(F, Ms) when Ms > 0 ->
    case F() of
        true -> ok;
        false -> timer:sleep(10), wait(F, Ms - 10)
    end.

stop(#{wire := Wire}) ->
    Wire ! stop,
    ok.

now_us() -> erlang:system_time(microsecond).

%% --- the network ---------------------------------------------------------------------------------------------------

%% Frames between the model of the card and the second machine.
wire(Conductor) ->
    Loom = os:getenv("LOOM", "build/loom"),
    {ok, [[Paths]]} = {ok, [[string:join(code:get_path(), " ")]]},
    Arguments = ["-noinput", "-pa" | string:lexemes(Paths, " ")] ++ ["-s", "chaos_peer", "main"],
    Port = open_port({spawn_executable, Loom}, [nouse_stdio, {packet, 4}, binary, exit_status, {args, Arguments}]),
    wire(Port, Conductor).

wire(Port, Conductor) ->
    receive
        {wire, Frame} -> port_command(Port, [0, Frame]);
        {Port, {data, <<0, Frame/binary>>}} -> catch loom_hw:tell(?NET, {frame, Frame});
        {Port, {data, <<1, Report/binary>>}} -> Conductor ! binary_to_term(Report);
        {Port, {exit_status, Status}} -> exit({peer_ended, Status});
        stop ->
            port_close(Port),
            exit(normal)
    end,
    wire(Port, Conductor).

servers(Dir) ->
    ok = inets:start(),
    Www = filename:join(Dir, "www"),
    {ok, _} = inets:start(httpd, [{port, 80}, {server_name, "loom"}, {server_root, Www}, {document_root, Www},
                                  {bind_address, any}, {modules, [mod_get]}]),
    spawn(fun() ->
        {ok, L} = gen_tcp:listen(7, [binary, {active, false}, {nodelay, true}, {reuseaddr, true}]),
        echo(L)
    end),
    ok.

%% A listening socket stays what it is when the stack starts again; accepts that were waiting may end.
echo(L) ->
    case gen_tcp:accept(L) of
        {ok, S} ->
            Pid = spawn(fun() -> receive go -> back(S) end end),
            _ = gen_tcp:controlling_process(S, Pid),
            Pid ! go;
        {error, _} -> timer:sleep(10)
    end,
    echo(L).

back(S) ->
    case gen_tcp:recv(S, 0) of
        {ok, Data} ->
            case gen_tcp:send(S, Data) of
                ok -> back(S);
                _ -> gen_tcp:close(S)
            end;
        _ -> gen_tcp:close(S)
    end.

%% --- files ---------------------------------------------------------------------------------------------------------

%% Every block of a file carries the version that it was written with. What sync has answered is noted in a table of the
%% conductor's: `{{Kind, File}, Version that must be there, Version that may be}'.
files(M, Kind, Dir, Conductor) ->
    [write(M, Kind, Dir, F, 1, Conductor) || F <- lists:seq(1, ?NUMBER_OF)],
    files(M, Kind, Dir, Conductor, 1, 2).

files(M, Kind, Dir, Conductor, F, V) ->
    Ok = write(M, Kind, Dir, F, V, Conductor),
    Ok andalso V rem 5 =:= 0 andalso read(M, Kind, Dir, F, V, Conductor),
    V rem 37 =:= 0 andalso M:delete(path(Dir, F)), % what the next one writes is a new file
    timer:sleep(5),
    case F of
        ?NUMBER_OF -> files(M, Kind, Dir, Conductor, 1, V + 1);
        _ -> files(M, Kind, Dir, Conductor, F + 1, V)
    end.

path(Dir, F) -> Dir ++ "/File number " ++ integer_to_list(F) ++ ".data".

write(M, Kind, Dir, F, V, Conductor) ->
    Start = now_us(),
    ets:insert(chaos_files, {{Kind, F, tried}, V}),
    Result = case M:open(path(Dir, F), [write, read, binary, raw]) of
        {ok, Fd} ->
            R = both(M:pwrite(Fd, 0, binary:copy(<<V:64, F:64>>, ?LENGTH div 16)), fun() -> M:sync(Fd) end),
            _ = M:close(Fd),
            R;
        Error -> Error
    end,
    Result =:= ok andalso ets:insert(chaos_files, {{Kind, F, synced}, V}),
    Conductor ! {op, Kind, F, Start, now_us(), Result},
    Result =:= ok.

both(ok, F) -> F();
both(Error, _) -> Error.

read(M, Kind, Dir, F, V, Conductor) ->
    Start = now_us(),
    Wanted = binary:copy(<<V:64, F:64>>, ?LENGTH div 16),
    Result = case M:read_file(path(Dir, F)) of
        {ok, Wanted} -> ok;
        {ok, _} -> {error, wrong_bytes};
        Error -> Error
    end,
    Conductor ! {op, Kind, F, Start, now_us(), Result}.

%% @doc As after a power cut: what is on the disk now, repaired as at a mount, has every synced byte. The files whose
%% last version is not there.
verify(Kind, #{disks := {A, B}, dir := Dir}) ->
    Table = case Kind of vda -> A; nvme -> B end,
    Disk = fat_disk:new(?SECTORS, false),
    Synced = ets:match(chaos_files, {{Kind, '$1', synced}, '$2'}),
    ets:insert(Disk, ets:tab2list(Table)), % the writers go on, so this order
    Tried = maps:from_list([{F, V} || [F, V] <- ets:match(chaos_files, {{Kind, '$1', tried}, '$2'})]),
    {ok, Device} = fat_disk:device(Disk),
    State = ets:new(fat, [ordered_set, public]),
    {ok, Fs, Notes} = loom_fat32:mount(Device, State, #{}),
    Lost = [{Kind, F, why(Found, S, T)} || [F, S] <- Synced, T <- [map_get(F, Tried)],
            Found <- [content(F, Fs)], not is_there(Found, F, S, T)],
    {ok, _} = loom_fat32:sync(idle, Fs),
    Image = filename:join(Dir, "image"),
    fat_disk:save(Disk, Image),
    Out = os:cmd("fsck.vfat -n -v '" ++ Image ++ "' 2>&1; echo status $?"),
    Sound = string:find(Out, "status 0\n") =/= nomatch,
    file:delete(Image),
    {Lost, Notes, case Sound of true -> sound; false -> Out end}.

content(F, Fs0) ->
    case loom_fat32:request({open, [list_to_binary("File number " ++ integer_to_list(F) ++ ".data")], [read]}, Fs0) of
        {{ok, Id}, Fs} ->
            case loom_fat32:request({read, Id, 0, 2 * ?LENGTH}, Fs) of
                {{ok, Bytes}, _} -> Bytes;
                {Other, _} -> Other
            end;
        {Error, _} -> Error
    end.

%% A file may be gone, or short, when what came after its last sync was a deletion.
is_there(Bytes, F, Synced, Tried) when is_binary(Bytes) ->
    Deleted = Synced rem 37 =:= 0,
    (Deleted orelse byte_size(Bytes) =:= ?LENGTH)
        andalso lists:all(fun(<<V:64, N:64>>) -> N =:= F andalso V >= Synced andalso V =< Tried end,
                          [P || <<P:16/binary>> <= Bytes]);
is_there(_, _, Synced, _) -> Synced rem 37 =:= 0.

why(Bytes, S, T) when is_binary(Bytes) ->
    {size, byte_size(Bytes), versions, lists:usort([V || <<V:64, _:64>> <= Bytes]), synced, S, tried, T};
why(Other, S, T) -> {Other, synced, S, tried, T}.

%% --- console -------------------------------------------------------------------------------------------------------

%% Numbered lines; each must reach the wire. The reader sees what came since it last looked.
console(Conductor) ->
    Port = loom_port:open(<<"fd">>),
    spawn(fun() -> lines(Conductor, 0, <<>>, 0) end),
    spit(Port, 0).

spit(Port, N) ->
    ets:insert(chaos_files, {{line, N}, now_us()}),
    ok = loom_port:output(Port, ["line ", integer_to_list(N), "\n"]),
    timer:sleep(10),
    spit(Port, N + 1).

lines(Conductor, At, Rest, Next) ->
    timer:sleep(5),
    New = loom_hw:wire_from(At),
    Split = binary:split(<<Rest/binary, New/binary>>, <<"\r\n">>, [global]),
    {Whole, [Last]} = lists:split(length(Split) - 1, Split),
    Then = lists:foldl(fun(L, N) -> line(L, N, Conductor) end, Next, Whole),
    lines(Conductor, At + byte_size(New), Last, Then).

%% What was not on the wire is sent again, so a line may come twice, or begin twice.
line(Line, Next, Conductor) ->
    Wanted = <<"line ", (integer_to_binary(Next))/binary>>,
    Size = byte_size(Wanted),
    case Line of
        _ when byte_size(Line) >= Size, binary_part(Line, byte_size(Line), -Size) =:= Wanted ->
            [{_, Start}] = ets:take(chaos_files, {line, Next}),
            Conductor ! {op, console, 1, Start, now_us(), ok},
            Next + 1;
        _ -> Next
    end.
