%% SPDX-License-Identifier: Apache-2.0
%% @doc The RAM file system: everything outside `/otp'. Clients are the functions of `prim_file'.
%%
%% All state is in one ETS table, so that nothing is lost when this process dies: the table's heir is
%% {@link loom_keeper}, which hands it back to the next incarnation; open handles stay valid. A file's bytes are
%% rows of at most `?CHUNK' bytes, so that a write costs its own size and not the file's.
%%
%%   {{node, Path}, Type, Id}                     Path absolute and normal; Type directory | regular
%%   {{inode, Id}, Size, MTime, Mode}             what there is to know about one
%%   {{chunk, Id, N}, Binary}                     bytes N * ?CHUNK ...
%%   {{handle, Ref}, Id, Position, Flags, Owner}  an open file
%%   {next_id, Id}
-module(loom_vfs).
-behaviour(gen_server).

-export([start_link/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-include_lib("kernel/include/file.hrl").

-define(CHUNK, 65536).
-define(MAX_SIZE, 1 bsl 40).

-type state() :: #{table := ets:tid()}.

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%%% Callbacks

-spec init([]) -> {ok, state()}.
init([]) ->
    T = loom_keeper:table(?MODULE, fun new_table/0),
    Owners = lists:append(ets:match(T, {{handle, '_'}, '_', '_', '_', '$1'})),
    [erlang:monitor(process, Owner) || Owner <- lists:usort(Owners)],
    {ok, #{table => T}}.

handle_call(Request, {Client, _}, #{table := T} = State) ->
    {reply, request(Request, Client, T), State}.

handle_cast(Request, _State) -> error({unexpected_cast, Request}).

handle_info({'DOWN', _, process, {loom_keeper, _}, _}, #{table := T} = State) ->
    ok = loom_keeper:again(T, ?MODULE),
    {noreply, State};
handle_info({'DOWN', _, process, Pid, _}, #{table := T} = State) ->
    Open = ets:match_object(T, {{handle, '_'}, '_', '_', '_', Pid}),
    [on_handle(T, Ref, close) || {{handle, Ref}, _, _, _, _} <- Open],
    {noreply, State};
handle_info({'ETS-TRANSFER', _, _, ?MODULE}, State) -> {noreply, State}.

%%% Requests

request({open, Path, Modes, Owner}, _, T) -> open(T, Path, Modes, Owner);
request({on, Ref, Request}, _, T) -> on_handle(T, Ref, Request);
request({read_file, Path}, _, T) ->
    with_file(T, Path, fun(Id) -> {ok, read_bytes(T, Id, 0, size(T, Id))} end);
request({write_file, Path, Bin}, _, T) ->
    case writable_file(T, Path, [write]) of
        {ok, Id} -> write_bytes(T, Id, 0, Bin);
        Error -> Error
    end;
request({list_dir, Path}, _, T) ->
    with_directory(T, Path, fun() -> {ok, children(T, Path)} end);
request({info_path, Path}, _, T) -> info(T, Path);
request({set_info, Path, Mode, MTime}, _, T) -> set_info(T, Path, Mode, MTime);
request({delete, Path}, _, T) -> delete(T, Path);
request({make_dir, Path}, _, T) -> make_dir(T, Path);
request({del_dir, Path}, _, T) -> del_dir(T, Path);
request({rename, From, To}, _, T) -> rename(T, From, To).

%%% Handles

open(T, Path, Modes, Owner) ->
    Writes = [M || M <- Modes, lists:member(M, [write, append, exclusive])],
    Result = case {Path, Writes} of
        {<<"/otp/", Name/binary>>, []} -> open_bundle(Name);
        {<<"/otp", _/binary>>, _} -> {error, erofs};
        {_, []} -> with_file(T, Path, fun(Id) -> {ok, Id} end);
        {_, _} -> writable_file(T, Path, Modes)
    end,
    case Result of
        {ok, Id} ->
            Ref = make_ref(),
            erlang:monitor(process, Owner),
            Only = [write_only || Writes =/= [], not lists:member(read, Modes)],
            ets:insert(T, {{handle, Ref}, Id, 0, Only ++ Writes, Owner}),
            {ok, Ref};
        Error -> Error
    end.

open_bundle(Name) ->
    case loom_bundle:read(Name) of
        {ok, Bin} -> {ok, {bundle, Bin}};
        Error -> Error
    end.

%% The file's Id, made if it is not there, emptied as the modes ask.
writable_file(T, Path, Modes) ->
    Exclusive = lists:member(exclusive, Modes),
    Keep = lists:member(read, Modes) orelse lists:member(append, Modes),
    case ets:lookup(T, {node, Path}) of
        [_] when Exclusive -> {error, eexist};
        [{_, regular, Id}] when Keep -> {ok, Id};
        [{_, regular, Id}] ->
            set_size(T, Id, 0),
            {ok, Id};
        [{_, directory, _}] -> {error, eisdir};
        [] -> with_directory(T, parent(Path), fun() -> {ok, add_node(T, Path, regular)} end)
    end.

on_handle(T, Ref, close) ->
    case ets:take(T, {handle, Ref}) of
        [{_, Id, _, _, _}] -> drop_if_unused(T, Id);
        [] -> {error, einval}
    end;
on_handle(T, Ref, Request) ->
    case ets:lookup(T, {handle, Ref}) of
        [{_, Id, Position, Flags, _}] -> on_open(T, Ref, Id, Position, Flags, Request);
        [] -> {error, einval}
    end.

on_open(_T, _Ref, _Id, _Position, _Flags, sync) -> ok;
on_open(_T, _Ref, _Id, _Position, [write_only | _], {read, _, _}) -> {error, ebadf};
on_open(T, Ref, Id, Position, _Flags, {read, cur, Count}) ->
    case read_some(T, Id, Position, Count) of
        {ok, Bin} ->
            ets:update_element(T, {handle, Ref}, {3, Position + byte_size(Bin)}),
            {ok, Bin};
        eof -> eof
    end;
on_open(T, _Ref, Id, _Position, _Flags, {read, Offset, Count}) when Offset >= 0 -> read_some(T, Id, Offset, Count);
on_open(_T, _Ref, _Id, _Position, [], Request) when element(1, Request) =:= write; Request =:= truncate ->
    {error, ebadf};
on_open(T, Ref, Id, Position, Flags, {write, Where, Bin}) ->
    Offset = case lists:member(append, Flags) of
        true -> size(T, Id);
        false when Where =:= cur -> Position;
        false -> Where
    end,
    case write_bytes(T, Id, Offset, Bin) of
        ok when Where =:= cur ->
            ets:update_element(T, {handle, Ref}, {3, Offset + byte_size(Bin)}),
            ok;
        Result -> Result
    end;
on_open(T, _Ref, Id, Position, _Flags, truncate) -> set_size(T, Id, Position);
on_open(T, Ref, Id, Position, _Flags, {position, Mark, Offset}) when is_integer(Offset) ->
    Base = case Mark of
        bof -> 0;
        cur -> Position;
        eof -> size(T, Id)
    end,
    case Base + Offset of
        New when New >= 0 ->
            ets:update_element(T, {handle, Ref}, {3, New}),
            {ok, New};
        _ -> {error, einval}
    end;
on_open(_T, _Ref, {bundle, Bin}, _Position, _Flags, info) ->
    {ok, file_info(regular, byte_size(Bin), 0, 8#100444, 0)};
on_open(T, _Ref, Id, _Position, _Flags, info) ->
    [{_, Size, MTime, Mode}] = ets:lookup(T, {inode, Id}),
    {ok, file_info(regular, Size, MTime, Mode, Id)};
on_open(_, _, _, _, _, _) -> {error, einval}.

read_some(_T, _Id, _Offset, 0) -> {ok, <<>>};
read_some(T, Id, Offset, Count) ->
    case size(T, Id) of
        Size when Offset >= Size -> eof;
        Size -> {ok, read_bytes(T, Id, Offset, min(Count, Size - Offset))}
    end.

%%% Bytes

size(_T, {bundle, Bin}) -> byte_size(Bin);
size(T, Id) -> ets:lookup_element(T, {inode, Id}, 2).

read_bytes(_T, {bundle, Bin}, Offset, Count) -> binary:part(Bin, Offset, Count);
read_bytes(T, Id, Offset, Count) -> iolist_to_binary(read_chunks(T, Id, Offset, Count)).

read_chunks(_T, _Id, _Offset, 0) -> [];
read_chunks(T, Id, Offset, Count) ->
    Within = Offset rem ?CHUNK,
    Take = min(Count, ?CHUNK - Within),
    [binary:part(chunk(T, Id, Offset div ?CHUNK), Within, Take) | read_chunks(T, Id, Offset + Take, Count - Take)].

%% A chunk as long as any read inside the file's size needs: what was never written reads as zeros.
chunk(T, Id, N) ->
    Bin = stored_chunk(T, Id, N),
    case ?CHUNK - byte_size(Bin) of
        0 -> Bin;
        Missing -> <<Bin/binary, 0:Missing/unit:8>>
    end.

stored_chunk(T, Id, N) ->
    case ets:lookup(T, {chunk, Id, N}) of
        [{_, Bin}] -> Bin;
        [] -> <<>>
    end.

write_bytes(_T, _Id, Offset, Bin) when Offset < 0; Offset + byte_size(Bin) > ?MAX_SIZE -> {error, einval};
write_bytes(T, Id, Offset, Bin) ->
    write_chunks(T, Id, Offset, Bin),
    End = Offset + byte_size(Bin),
    note_write(T, Id, max(End, size(T, Id))).

write_chunks(_T, _Id, _Offset, <<>>) -> ok;
write_chunks(T, Id, Offset, Bin) ->
    N = Offset div ?CHUNK,
    Within = Offset rem ?CHUNK,
    Take = min(byte_size(Bin), ?CHUNK - Within),
    <<New:Take/binary, Rest/binary>> = Bin,
    ets:insert(T, {{chunk, Id, N}, patch(stored_chunk(T, Id, N), Within, binary:copy(New))}),
    write_chunks(T, Id, Offset + Take, Rest).

patch(Old, Within, New) when byte_size(Old) < Within ->
    Gap = Within - byte_size(Old),
    <<Old/binary, 0:Gap/unit:8, New/binary>>;
patch(Old, Within, New) ->
    End = Within + byte_size(New),
    Tail = case Old of
        <<_:End/binary, T/binary>> -> T;
        _ -> <<>>
    end,
    <<(binary:part(Old, 0, Within))/binary, New/binary, Tail/binary>>.

set_size(T, Id, Size) ->
    LastChunk = Size div ?CHUNK,
    ets:select_delete(T, [{{{chunk, Id, '$1'}, '_'}, [{'>', '$1', LastChunk}], [true]}]),
    case stored_chunk(T, Id, LastChunk) of
        Bin when byte_size(Bin) > Size rem ?CHUNK ->
            ets:insert(T, {{chunk, Id, LastChunk}, binary:copy(binary:part(Bin, 0, Size rem ?CHUNK))});
        _ -> true
    end,
    note_write(T, Id, Size).

note_write(T, Id, Size) ->
    ets:update_element(T, {inode, Id}, [{2, Size}, {3, now_seconds()}]),
    ok.

%%% Nodes

new_table() ->
    T = ets:new(?MODULE, [ordered_set, protected]),
    ets:insert(T, {next_id, 0}),
    [add_node(T, Path, directory) || Path <- [<<"/">>, <<"/tmp">>, <<"/home">>]],
    [copy_from_bundle(T, Name) || {<<"home/", _/binary>> = Name, _} <- loom_bundle:list()],
    T.

%% Files to begin with: what the bundle has under `home/'. A damaged one is left out; the kernel's log says so.
copy_from_bundle(T, Name) ->
    case loom_bundle:read(Name) of
        {ok, Bin} ->
            {ok, Id} = writable_file(T, <<"/", Name/binary>>, [write]),
            ok = write_bytes(T, Id, 0, Bin);
        {error, _} -> ok
    end.

now_seconds() -> os:system_time(second).

add_node(T, Path, Type) ->
    Id = ets:update_counter(T, next_id, 1),
    Mode = case Type of
        directory -> 8#40755;
        regular -> 8#100644
    end,
    ets:insert(T, [{{node, Path}, Type, Id}, {{inode, Id}, 0, now_seconds(), Mode}]),
    Id.

parent(Path) ->
    case filename:dirname(Path) of
        <<>> -> <<"/">>;
        Parent -> Parent
    end.

with_file(T, Path, Fun) ->
    case ets:lookup(T, {node, Path}) of
        [{_, regular, Id}] -> Fun(Id);
        [{_, directory, _}] -> {error, eisdir};
        [] -> missing(T, Path)
    end.

with_directory(T, Path, Fun) ->
    case ets:lookup(T, {node, Path}) of
        [{_, directory, _}] -> Fun();
        [{_, regular, _}] -> {error, enotdir};
        [] -> missing(T, Path)
    end.

%% enotdir when something on the way is a file.
missing(_T, <<"/">>) -> {error, enoent};
missing(T, Path) ->
    Parent = parent(Path),
    case ets:lookup(T, {node, Parent}) of
        [{_, regular, _}] -> {error, enotdir};
        [{_, directory, _}] -> {error, enoent};
        [] -> missing(T, Parent)
    end.

prefix(<<"/">>) -> <<"/">>;
prefix(Path) -> <<Path/binary, "/">>.

%% Names directly below a directory. Nodes are ordered by path, so they follow its prefix.
children(T, Path) ->
    Prefix = prefix(Path),
    Mounted = [<<"otp">> || Path =:= <<"/">>],
    Mounted ++ children(T, ets:next(T, {node, Prefix}), Prefix, byte_size(Prefix)).

children(T, {node, Path} = Key, Prefix, Size) ->
    case Path of
        <<Prefix:Size/binary, Name/binary>> ->
            Rest = children(T, ets:next(T, Key), Prefix, Size),
            case binary:match(Name, <<"/">>) of
                nomatch -> [Name | Rest];
                _ -> Rest
            end;
        _ -> []
    end;
children(_T, _Key, _Prefix, _Size) -> [].

below(T, Path) ->
    Prefix = prefix(Path),
    Size = byte_size(Prefix),
    [P || {{node, P}, _, _} <- ets:match_object(T, {{node, '_'}, '_', '_'}),
          byte_size(P) > Size, binary:part(P, 0, Size) =:= Prefix].

info(T, Path) ->
    case ets:lookup(T, {node, Path}) of
        [{_, Type, Id}] ->
            [{_, Size, MTime, Mode}] = ets:lookup(T, {inode, Id}),
            {ok, file_info(Type, Size, MTime, Mode, Id)};
        [] -> missing(T, Path)
    end.

file_info(Type, Size, MTime, Mode, Inode) ->
    #file_info{size = Size, type = Type, access = access(Mode), atime = MTime, mtime = MTime, ctime = MTime,
               mode = Mode, links = 1, major_device = 0, minor_device = 0, inode = Inode, uid = 0, gid = 0}.

access(Mode) when Mode band 8#600 =:= 8#600 -> read_write;
access(Mode) when Mode band 8#400 =/= 0 -> read;
access(Mode) when Mode band 8#200 =/= 0 -> write;
access(_) -> none.

set_info(T, Path, Mode, MTime) ->
    case ets:lookup(T, {node, Path}) of
        [{_, _, Id}] ->
            [{_, _, OldTime, OldMode}] = ets:lookup(T, {inode, Id}),
            NewMode = case Mode of
                undefined -> OldMode;
                _ -> (OldMode band (bnot 8#7777)) bor (Mode band 8#7777)
            end,
            NewTime = case MTime of
                undefined -> OldTime;
                _ -> MTime
            end,
            ets:update_element(T, {inode, Id}, [{3, NewTime}, {4, NewMode}]),
            ok;
        [] -> missing(T, Path)
    end.

%% An open file's bytes go with its last handle; without one at once.
delete(T, Path) ->
    case ets:lookup(T, {node, Path}) of
        [{Key, regular, Id}] ->
            ets:delete(T, Key),
            ets:update_element(T, {inode, Id}, {4, 0}),
            drop_if_unused(T, Id);
        [{_, directory, _}] -> {error, eperm};
        [] -> missing(T, Path)
    end.

drop_if_unused(T, Id) ->
    Open = ets:match_object(T, {{handle, '_'}, Id, '_', '_', '_'}) =/= [],
    case ets:lookup(T, {inode, Id}) of
        [{_, _, _, 0}] when not Open ->
            ets:match_delete(T, {{chunk, Id, '_'}, '_'}),
            ets:delete(T, {inode, Id}),
            ok;
        _ -> ok
    end.

make_dir(T, Path) ->
    case ets:member(T, {node, Path}) of
        true -> {error, eexist};
        false ->
            with_directory(T, parent(Path), fun() ->
                add_node(T, Path, directory),
                ok
            end)
    end.

del_dir(_T, <<"/">>) -> {error, eexist};
del_dir(T, Path) ->
    with_directory(T, Path, fun() ->
        case children(T, Path) of
            [] ->
                [{Key, _, Id}] = ets:lookup(T, {node, Path}),
                ets:delete(T, Key),
                ets:delete(T, {inode, Id}),
                ok;
            _ -> {error, eexist}
        end
    end).

%% Both directories are looked up before the names in them, as hosts do; but first, a directory cannot go below itself.
rename(T, From, To) ->
    Prefix = prefix(From),
    Size = byte_size(Prefix),
    case {kind(T, From), To} of
        {directory, <<Prefix:Size/binary, _/binary>>} -> {error, einval};
        {Kind, _} ->
            with_directory(T, parent(From), fun() ->
                with_directory(T, parent(To), fun() -> rename(T, From, Kind, To, kind(T, To)) end)
            end)
    end.

rename(_T, _From, none, _To, _) -> {error, enoent};
rename(_T, Path, _, Path, _) -> ok;
rename(_T, _From, regular, _To, directory) -> {error, eisdir};
rename(_T, _From, directory, _To, regular) -> {error, enotdir};
rename(T, From, directory, To, directory) -> rename_over_directory(T, From, To);
rename(T, From, _, To, none) -> move_tree(T, From, To);
rename(T, From, regular, To, regular) ->
    ok = delete(T, To),
    move_tree(T, From, To).

kind(T, Path) ->
    case ets:lookup(T, {node, Path}) of
        [{_, Type, _}] -> Type;
        [] -> none
    end.

rename_over_directory(T, From, To) ->
    case del_dir(T, To) of
        ok -> move_tree(T, From, To);
        Error -> Error
    end.

move_tree(T, From, To) ->
    Size = byte_size(From),
    [move_node(T, Path, <<To/binary, (binary:part(Path, Size, byte_size(Path) - Size))/binary>>)
     || Path <- [From | below(T, From)]],
    ok.

move_node(T, From, To) ->
    [{Key, Type, Id}] = ets:lookup(T, {node, From}),
    ets:insert(T, {{node, To}, Type, Id}),
    ets:delete(T, Key).
