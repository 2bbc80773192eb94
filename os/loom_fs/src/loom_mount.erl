%% SPDX-License-Identifier: Apache-2.0
%% @doc The mount table: which volume is under which path. `prim_file' reads it as a persistent term on every call, so
%% it outlives this process, and nobody waits for it.
%%
%% Disks and partitions with a FAT32 volume are mounted as they appear, under `/mnt/NAME'; the first also is what
%% `-loom disk PATH' on the command line says (default `/disk').
-module(loom_mount).
-behaviour(gen_server).

-export([start_link/0, mount/2, mount/3, umount/1, df/0, table/0]).
-export([init/1, handle_continue/2, handle_call/3, handle_cast/2, handle_info/2]).

-define(MOUNTS, {prim_file, mounts}). % [{Path, Volume}], longer paths first
-define(TABLE, {?MODULE, table}).     % [mount()]
-define(CALL_MS, 120000).
-define(LOOK_MS, 500).
-define(EARLY_LOOK_MS, 10). % until OTP is far enough to look at all
-define(AGAIN_MS, 20).

-type mount() :: #{point := binary(), volume := atom(), source := {module(), atom(), [term()]} | binary(),
                   module := module(), options := map()}.
-export_type([mount/0]).
%% Devices that were looked at, so that each is mounted once.
-type state() :: #{seen => #{binary() => term()}}. % nothing before the first look that could be

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc Mounts a disk or partition (`"vda1"') under a directory, which is made if it is not there.
-spec mount(file:name_all(), file:name_all()) -> ok | {error, term()}.
mount(Device, Point) -> mount(Device, Point, #{}).

%% @doc Options: `module', the file system (default loom_fat32). The source may also be the function that gives the
%% device.
-spec mount(file:name_all() | {module(), atom(), [term()]}, file:name_all(), map()) -> ok | {error, term()}.
mount(Source, Point, Options) ->
    From = case Source of
        {_, _, _} -> Source;
        _ -> unicode:characters_to_binary(Source)
    end,
    gen_server:call(?MODULE, {mount, From, path(Point), Options}, ?CALL_MS).

%% @doc Writes everything and takes the volume away. `{error, ebusy}' while files are open on it.
-spec umount(file:name_all()) -> ok | {error, term()}.
umount(Point) -> gen_server:call(?MODULE, {umount, path(Point)}, ?CALL_MS).

%% @doc What is mounted.
-spec table() -> [mount()].
table() -> persistent_term:get(?TABLE, []).

%% @doc Each mount with its space.
-spec df() -> [{mount(), loom_fs:space() | {error, term()}}].
df() ->
    [{M, try loom_volume:space(V) catch exit:_ -> {error, eio} end} || #{volume := V} = M <- table()].

%% Absolute, without a slash at the end.
path(Name) ->
    Path = unicode:characters_to_binary(filename:absname(Name)),
    case byte_size(Path) - 1 of
        Size when Size > 0, binary_part(Path, Size, 1) =:= <<"/">> -> binary:part(Path, 0, Size);
        _ -> Path
    end.

%%% The server

-spec init([]) -> {ok, state(), {continue, volumes}}.
init([]) -> {ok, #{}, {continue, volumes}}.

%% After a restart, of this process or of the volumes' supervisor: all that is in the table runs.
handle_continue(volumes, State) ->
    _ = erlang:monitor(process, loom_volume_sup),
    subscribe(),
    _ = erlang:send_after(0, self(), look),
    {noreply, all_run(State)}.

%% A disk may not be there, or not answer: again in a while.
all_run(State) ->
    _ = [start(M) || M <- table()],
    Children = try supervisor:which_children(loom_volume_sup) catch exit:_ -> [] end,
    Running = [Volume || {Volume, Pid, _, _} <- Children, is_pid(Pid)],
    case [V || #{volume := V} <- table(), not lists:member(V, Running)] of
        [] -> State;
        _ ->
            _ = erlang:send_after(?AGAIN_MS, self(), all_run),
            State
    end.

start(#{volume := Volume, module := Module, source := Source, options := Options}) ->
    Open = case Source of
        {_, _, _} -> Source;
        _ -> {loom_block, device, [Source]}
    end,
    Start = {loom_volume, start_link, [Volume, Module, Open, Options]},
    Child = (loom_orphan:child(Volume, Start))#{shutdown => 30000, modules => [loom_volume]},
    try supervisor:start_child(loom_volume_sup, Child) of
        {ok, _} -> ok;
        {error, {already_started, _}} -> ok;
        {error, already_present} -> restart(Volume);
        {error, {Reason, _Child}} -> {error, Reason};
        {error, Reason} -> {error, Reason}
    catch exit:_ -> {error, eagain} % the supervisor is being restarted; its 'DOWN' is on the way
    end.

restart(Volume) ->
    case supervisor:restart_child(loom_volume_sup, Volume) of
        {ok, _} -> ok;
        {error, Reason} -> {error, Reason}
    end.

handle_call({mount, Source, Point, Options}, _From, State) -> {reply, mount_at(Source, Point, Options), State};
handle_call({umount, Point}, _From, State) ->
    case [M || #{point := P} = M <- table(), P =:= Point] of
        [#{volume := Volume} = M] -> {reply, unmount(Volume, M), State};
        [] -> {reply, {error, einval}, State}
    end.

mount_at(Source, Point, Options) ->
    Busy = [M || #{point := P, source := S} = M <- table(), P =:= Point orelse S =:= Source],
    case Busy =:= [] andalso directory(Point) of
        ok ->
            M = #{point => Point, volume => volume(Point), source => Source, options => maps:remove(module, Options),
                  module => maps:get(module, Options, loom_fat32)},
            case start(M) of
                ok -> publish([M | table()]);
                Error -> Error
            end;
        false -> {error, ebusy};
        Error -> Error
    end.

%% The directory that the volume covers.
directory(Point) ->
    case filelib:ensure_dir(Point) of
        ok ->
            case file:make_dir(Point) of
                {error, eexist} -> ok;
                Made -> Made
            end;
        Error -> Error
    end.

%% There are as many of these names as there have been mount points.
volume(Point) -> binary_to_atom(<<"loom_volume", Point/binary>>).

publish(Table) ->
    ok = persistent_term:put(?TABLE, Table),
    Sorted = lists:sort(fun({A, _}, {B, _}) -> byte_size(A) >= byte_size(B) end,
                        [{Point, Volume} || #{point := Point, volume := Volume} <- Table]),
    ok = persistent_term:put(?MOUNTS, Sorted).

unmount(Volume, #{point := Point} = M) ->
    Size = byte_size(Point),
    Below = [P || #{point := <<Above:Size/binary, $/, _/binary>> = P} <- table(), Above =:= Point],
    case Below =:= [] andalso loom_volume:unmount(Volume) of
        ok ->
            publish(lists:delete(M, table())),
            _ = supervisor:terminate_child(loom_volume_sup, Volume),
            _ = supervisor:delete_child(loom_volume_sup, Volume),
            loom_keeper:drop({loom_volume, Volume});
        false -> {error, ebusy};
        Error -> Error
    end.

handle_cast(Request, _State) -> error({unexpected_cast, Request}).

handle_info(look, State) ->
    New = look(State),
    _ = erlang:send_after(case New of #{seen := _} -> ?LOOK_MS; #{} -> ?EARLY_LOOK_MS end, self(), look),
    {noreply, New};
handle_info({loom_devices, up, block, _}, State) -> {noreply, look(State)};
handle_info({loom_devices, down, block, _}, State) -> {noreply, State};
handle_info({'DOWN', _, process, {loom_devices, _}, _}, State) ->
    _ = erlang:send_after(?LOOK_MS, self(), subscribe),
    {noreply, State};
handle_info(subscribe, State) ->
    subscribe(),
    {noreply, State};
handle_info({'DOWN', _, process, {loom_volume_sup, _}, _}, State) ->
    _ = erlang:send_after(?AGAIN_MS, self(), volumes),
    {noreply, State};
handle_info(volumes, State) ->
    _ = erlang:monitor(process, loom_volume_sup),
    {noreply, all_run(State)};
handle_info(all_run, State) -> {noreply, all_run(State)}.

%%% Disks that appear

%% Told of a new disk, so that it is there at once; looked for as well, because loom_block may hear of it later.
subscribe() ->
    _ = erlang:monitor(process, loom_devices),
    try loom_devices:subscribe(block)
    catch exit:_ -> ok % its 'DOWN' is on the way
    end.

look(State) ->
    Seen = maps:get(seen, State, #{}),
    %% Mounting needs OTP's file server, which starts after Loom's services.
    case whereis(file_server_2) =/= undefined andalso loom_block:names() of
        Names when is_list(Names) ->
            case [N || N <- Names, not is_map_key(N, Seen)] of
                [] -> ok;
                New ->
                    _ = [appeared(D) || #{name := Name} = D <- loom_block:list(),
                                        lists:member(maps:get(part_of, D, Name), New)]
            end,
            State#{seen => maps:from_list([{N, seen} || N <- Names])};
        _ -> State
    end.

appeared(#{name := Name, block_size := Size}) ->
    case loom_block:open(Name) of
        {ok, Handle} ->
            case loom_block:read(Handle, 0, 1) of
                {ok, Boot} ->
                    case loom_fat_boot:parse(Boot) of
                        {ok, #{sector := Size}} -> mounted(Name, mount_at(Name, point(Name), #{}));
                        _ -> ok
                    end;
                _ -> ok
            end;
        _ -> ok
    end.

point(Name) ->
    Disk = case init:get_argument(loom_disk) of
        {ok, [[Path] | _]} -> unicode:characters_to_binary(Path);
        _ -> <<"/disk">>
    end,
    case [P || #{point := P} <- table(), P =:= Disk] of
        [] -> Disk;
        _ -> <<"/mnt/", Name/binary>>
    end.

mounted(_, ok) -> ok;
mounted(Name, {error, Reason}) -> logger:warning("~s: not mounted: ~p", [Name, Reason]).
