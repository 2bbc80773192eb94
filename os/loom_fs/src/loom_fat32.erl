%% SPDX-License-Identifier: Apache-2.0
%% @doc FAT32 with long names, read and written. What is where: {@link loom_fat_boot}; the allocation table:
%% {@link loom_fat_table}; directories: {@link loom_fat_tree}; what goes to the disk when: {@link loom_fat_store};
%% what a power cut leaves: {@link loom_fat_repair}.
%%
%% Times are UTC. A file is at most 4 GiB - 1 byte. Names keep their case and are found in any. There are no links and
%% no owners; of modes, FAT knows whether a file may be written.
-module(loom_fat32).
-behaviour(loom_fs).

-export([format/2]).
-export([mount/3, request/2, changes/1, is_clean/1, sync/2, space/1]).

-include_lib("kernel/include/file.hrl").

-define(MAX_SIZE, 16#ffffffff).
-define(READ_ONLY, 16#01).
-define(DIRECTORY, 16#10).
-define(ARCHIVE, 16#20).
-define(PIECE, 65536). % bytes of zeros written at once

%% `at': where its entry is; `gone': it has no name any more.
-type at() :: {Directory :: pos_integer(), Slot :: non_neg_integer()} | gone.
-record(node, {at :: at(),
               chain :: loom_fat_table:chain(),
               size :: non_neg_integer(),
               mtime :: integer(),
               attributes :: byte()}).
-record(fs, {tree :: loom_fat_tree:tree(),
             geometry :: loom_fat_boot:geometry(),
             nodes = #{} :: #{loom_fs:id() => #node{}},
             places = #{} :: #{at() => loom_fs:id()},
             last_id = 0 :: non_neg_integer()}).

%% @doc Makes an empty volume. Options: `label', `id', `cluster' (bytes a cluster).
-spec format(loom_fs:device(), map()) -> ok | {error, term()}.
format(Device, Options) -> loom_fat_boot:format(Device, Options).

%%% Mounting

mount(#{read := Read, sector_size := Size} = Device, Table, _Options) ->
    try
        {ok, Boot} = checked(Read(0, 1)),
        case loom_fat_boot:parse(Boot) of
            {ok, #{sector := Size} = Geometry} -> begin_with(loom_fat_store:new(Device, Geometry, Table));
            {ok, #{sector := Other}} -> {error, {sector_size, Other}};
            {error, _} = Error -> Error
        end
    catch throw:{error, _} = Thrown -> Thrown
    end.

checked({ok, _} = Ok) -> Ok;
checked({error, _} = Error) -> throw(Error).

begin_with(Store) ->
    case loom_fat_store:recall(free, Store) of
        {ok, _} -> resume(Store);
        none -> begin_anew(Store)
    end.

begin_anew(Store) ->
    #{read_only := ReadOnly} = loom_fat_store:device(Store),
    {Free, Next, Hints} = hints(Store),
    case loom_fat_store:looks_dirty(Store) of
        true when not ReadOnly ->
            {Repaired, Notes} = loom_fat_repair:run(Store),
            ready(Repaired, Notes);
        _ when Hints =:= good -> ready(loom_fat_store:begin_with(Free, Next, Store), []);
        _ -> ready(loom_fat_store:begin_with(loom_fat_table:count_free(Store), 2, Store), [])
    end.

ready(Store, Notes) ->
    {ok, new(loom_fat_store:persist(Store)), Notes}.

new(Store) -> #fs{tree = loom_fat_tree:new(Store), geometry = loom_fat_store:geometry(Store)}.

hints(Store) ->
    #{clusters := Clusters} = loom_fat_store:geometry(Store),
    case loom_fat_store:read_hints(Store) of
        {Free, Next} when Free =< Clusters, Next >= 2, Next =< Clusters + 1 -> {Free, Next, good};
        {Free, _} when Free =< Clusters -> {Free, 2, good};
        _ -> {0, 2, unknown}
    end.

%% After a crash of the process: finish what was under way, and find the open files.
resume(Store) ->
    Fs0 = new(loom_fat_store:commit(Store)),
    {Fs1, Notes} = case loom_fat_store:recall(rename, store(Fs0)) of
        {ok, {Directory, Entry}} ->
            Tree = loom_fat_tree:remove(Directory, Entry, Fs0#fs.tree),
            {on_store(fun(S) -> loom_fat_store:persist(loom_fat_store:forget(rename, S)) end, Fs0#fs{tree = Tree}),
             [completed]};
        none -> {Fs0, []}
    end,
    {ok, lists:foldl(fun reopen/2, Fs1, loom_fat_store:recall_all(node, store(Fs1))), Notes}.

reopen({Id, {gone, First, Size}}, Fs) ->
    {Chain, Store} = loom_fat_table:chain(First, store(Fs)),
    Node = #node{at = gone, chain = Chain, size = Size, mtime = now_seconds(), attributes = 0},
    with_node(Id, Node, on_store(fun(_) -> Store end, Fs));
reopen({Id, {Directory, Slot} = At}, #fs{tree = Tree} = Fs) ->
    {Bytes, New} = loom_fat_tree:slot(Directory, Slot, Tree),
    #{entries := [Entry]} = loom_fat_dir:parse(Bytes, 1),
    load_node(Id, At, Entry, Fs#fs{tree = New}).

store(#fs{tree = Tree}) -> loom_fat_tree:store(Tree).
on_store(Fun, #fs{tree = Tree} = Fs) ->
    Fs#fs{tree = loom_fat_tree:with_store(Tree, Fun(loom_fat_tree:store(Tree)))}.

%%% Between requests

changes(Fs) ->
    {Rows, Store} = loom_fat_store:take(store(Fs)),
    {Rows, on_store(fun(_) -> Store end, Fs)}.

is_clean(Fs) -> loom_fat_store:is_clean(store(Fs)).

sync(How, Fs) ->
    try
        Store = loom_fat_store:commit(store(Fs)),
        {ok, on_store(fun(_) -> cleaned(How, Store) end, Fs)}
    catch throw:{error, _} = Error -> {Error, Fs}
    end.

%% What the first commit freed is written by the second. An open file without a name is not clean.
cleaned(now, Store) -> Store;
cleaned(idle, Store) ->
    case [gone || {_, {gone, _, _}} <- loom_fat_store:recall_all(node, Store)] of
        [] ->
            {ok, Free} = loom_fat_store:recall(free, Store),
            loom_fat_store:mark_clean({Free, next(Store)}, loom_fat_store:commit(Store));
        _ -> Store
    end.

next(Store) ->
    case loom_fat_store:recall(next, Store) of
        {ok, Next} -> Next;
        none -> 2
    end.

space(#fs{geometry = #{sector := Size, per_cluster := Per, clusters := Clusters, label := Label}} = Fs) ->
    {ok, Free} = loom_fat_store:recall(free, store(Fs)),
    Cluster = Size * Per,
    #{total => Clusters * Cluster, free => (Free + loom_fat_store:pending(store(Fs))) * Cluster, type => <<"fat32">>,
      label => Label}.

%%% Requests

request(Request, Fs) ->
    #{read_only := ReadOnly} = loom_fat_store:device(store(Fs)),
    case ReadOnly andalso changes_something(Request) of
        true -> {{error, erofs}, Fs};
        false -> attempt(Request, Fs)
    end.

changes_something({open, _, Modes}) -> [M || M <- Modes, M =:= write orelse M =:= append orelse M =:= exclusive] =/= [];
changes_something(Request) ->
    lists:member(element(1, Request), [write, truncate, write_file, set_info, make_dir, del_dir, delete, rename]).

%% A full volume may have room once what was deleted is free.
attempt(Request, Fs) ->
    try perform(Request, Fs)
    catch
        throw:{error, enospc} ->
            case loom_fat_store:pending(store(Fs)) of
                0 -> {{error, enospc}, Fs};
                _ -> attempt_again(Request, Fs)
            end;
        throw:{error, _} = Error -> {Error, Fs}
    end.

attempt_again(Request, Fs) ->
    case sync(now, Fs) of
        {ok, New} ->
            try perform(Request, New)
            catch throw:{error, _} = Error -> {Error, New}
            end;
        {Error, _} -> {Error, Fs}
    end.

perform({open, Parts, Modes}, Fs) -> open(Parts, Modes, Fs);
perform({release, Id}, Fs) -> {ok, release(Id, Fs)};
perform({read, Id, Offset, Count}, Fs) -> {read_node(node(Id, Fs), Offset, Count, Fs), Fs};
perform({write, Id, Offset, Bytes}, Fs) -> write(Id, Offset, Bytes, Fs);
perform({truncate, Id, Size}, Fs) -> {ok, resize(Id, Size, Fs)};
perform({size, Id}, Fs) -> {{ok, (node(Id, Fs))#node.size}, Fs};
perform({info, Id}, Fs) -> {{ok, node_info(Id, node(Id, Fs))}, Fs};
perform({read_file, Parts}, Fs) ->
    {{At, Entry}, Fs1} = file(Parts, Fs),
    {Id, Fs2} = open_node(At, Entry, Fs1),
    #node{size = Size} = Node = node(Id, Fs2),
    Reply = case Size of
        0 -> {ok, <<>>};
        _ -> read_node(Node, 0, Size, Fs2)
    end,
    {Reply, Fs1};
perform({write_file, Parts, Bytes}, Fs) ->
    {{ok, Id}, Fs1} = open(Parts, [write], Fs),
    {{ok, _}, Fs2} = write(Id, 0, Bytes, Fs1),
    case is_map_key(Id, Fs#fs.nodes) of
        true -> {ok, Fs2};
        false -> {ok, release(Id, Fs2)}
    end;
perform({info_path, Parts}, Fs) -> info_path(Parts, Fs);
perform({set_info, Parts, Mode, MTime}, Fs) -> set_info(Parts, Mode, MTime, Fs);
perform({list_dir, Parts}, Fs) ->
    {Cluster, #fs{tree = Tree} = Fs1} = directory(Parts, Fs),
    {Entries, New} = loom_fat_tree:list(Cluster, Tree),
    {{ok, [Name || #{name := Name} <- Entries]}, Fs1#fs{tree = New}};
perform({make_dir, Parts}, Fs) -> make_dir(Parts, Fs);
perform({del_dir, Parts}, Fs) -> del_dir(Parts, Fs);
perform({delete, Parts}, Fs) -> delete(Parts, Fs);
perform({rename, From, To}, Fs) -> rename(From, To, Fs).

%%% Paths

%% `root', or the directory the last part is in, that part, and its entry.
resolve([], Fs) -> {root, Fs};
resolve(Parts, #fs{geometry = #{root := Root}} = Fs) -> resolve(Parts, Root, Fs).

resolve([Name], Cluster, #fs{tree = Tree} = Fs) ->
    {Found, New} = loom_fat_tree:find(Cluster, Name, Tree),
    {{Cluster, Name, Found}, Fs#fs{tree = New}};
resolve([Name | Rest], Cluster, #fs{tree = Tree} = Fs) ->
    {Found, New} = loom_fat_tree:find(Cluster, Name, Tree),
    case Found of
        {ok, #{attributes := A, cluster := Next}} when A band ?DIRECTORY =/= 0 ->
            resolve(Rest, Next, Fs#fs{tree = New});
        {ok, _} -> throw({error, enotdir});
        none -> throw({error, enoent})
    end.

file(Parts, Fs) ->
    case resolve(Parts, Fs) of
        {root, _} -> throw({error, eisdir});
        {{_, _, none}, _} -> throw({error, enoent});
        {{_, _, {ok, #{attributes := A}}}, _} when A band ?DIRECTORY =/= 0 -> throw({error, eisdir});
        {{Cluster, _, {ok, #{slot := Slot} = Entry}}, New} -> {{{Cluster, Slot}, Entry}, New}
    end.

directory(Parts, #fs{geometry = #{root := Root}} = Fs) ->
    case resolve(Parts, Fs) of
        {root, New} -> {Root, New};
        {{_, _, none}, _} -> throw({error, enoent});
        {{_, _, {ok, #{attributes := A, cluster := Cluster}}}, New} when A band ?DIRECTORY =/= 0 -> {Cluster, New};
        _ -> throw({error, enotdir})
    end.

now_seconds() -> os:system_time(second).

%%% Nodes

node(Id, #fs{nodes = Nodes}) -> maps:get(Id, Nodes).

with_node(Id, #node{at = At} = Node, #fs{nodes = Nodes, places = Places, last_id = Last} = Fs) ->
    New = case At of
        gone -> Places;
        _ -> Places#{At => Id}
    end,
    Fs#fs{nodes = Nodes#{Id => Node}, places = New, last_id = max(Id, Last)}.

load_node(Id, At, #{cluster := First, size := Size, mtime := MTime, attributes := Attributes}, Fs) ->
    {Chain, Store} = loom_fat_table:chain(First, store(Fs)),
    Node = #node{at = At, chain = Chain, size = Size, mtime = MTime, attributes = Attributes},
    with_node(Id, Node, on_store(fun(_) -> Store end, Fs)).

open_node(At, Entry, #fs{places = Places, last_id = Last} = Fs) ->
    case Places of
        #{At := Id} -> {Id, Fs};
        #{} ->
            Id = Last + 1,
            {Id, remember(Id, load_node(Id, At, Entry, Fs))}
    end.

%% What another incarnation needs to find the node again.
remember(Id, Fs) ->
    Row = case node(Id, Fs) of
        #node{at = gone, chain = Chain, size = Size} -> {gone, first(Chain), Size};
        #node{at = At} -> At
    end,
    on_store(fun(S) -> loom_fat_store:remember({node, Id}, Row, S) end, Fs).

first([]) -> 0;
first(Chain) -> element(1, loom_fat_table:locate(0, Chain)).

release(Id, #fs{nodes = Nodes, places = Places} = Fs) ->
    #node{at = At, chain = Chain} = node(Id, Fs),
    Fs1 = on_store(fun(S) -> loom_fat_store:forget({node, Id}, S) end, Fs),
    Fs2 = Fs1#fs{nodes = maps:remove(Id, Nodes), places = maps:remove(At, Places)},
    case At of
        gone -> release_chain(Chain, Fs2);
        _ -> Fs2
    end.

release_chain(Extents, Fs) ->
    on_store(fun(S) ->
        lists:foldl(fun({_, Cluster, Count}, A) -> loom_fat_store:release(Cluster, Count, A) end, S, Extents)
    end, Fs).

open(Parts, Modes, Fs) ->
    Writes = [M || M <- Modes, lists:member(M, [write, append, exclusive])],
    case resolve(Parts, Fs) of
        {root, New} -> {{error, eisdir}, New};
        {{_, _, {ok, _}}, New} when Writes =/= [] ->
            case lists:member(exclusive, Modes) of
                true -> {{error, eexist}, New};
                false -> open_existing(Parts, Modes, Writes, New)
            end;
        {{_, _, {ok, _}}, New} -> open_existing(Parts, Modes, Writes, New);
        {{_, _, none}, New} when Writes =:= [] -> {{error, enoent}, New};
        {{Directory, Name, none}, New} -> create(Directory, Name, New)
    end.

open_existing(Parts, Modes, Writes, Fs) ->
    {{At, #{attributes := Attributes} = Entry}, Fs1} = file(Parts, Fs),
    Writes =/= [] andalso Attributes band ?READ_ONLY =/= 0 andalso throw({error, eacces}),
    {Id, Fs2} = open_node(At, Entry, Fs1),
    case Writes =:= [] orelse lists:member(read, Modes) orelse lists:member(append, Modes) of
        true -> {{ok, Id}, Fs2};
        false -> {{ok, Id}, resize(Id, 0, Fs2)}
    end.

create(Directory, Name, #fs{tree = Tree} = Fs) ->
    allowed(Name),
    Now = now_seconds(),
    Make = fun(Short, Case) -> loom_fat_dir:new(Short, Case, #{attributes => ?ARCHIVE}, Now) end,
    {#{slot := Slot} = Entry, New} = loom_fat_tree:insert(Directory, Name, Make, none, Tree),
    {Id, Fs1} = open_node({Directory, Slot}, Entry, Fs#fs{tree = New}),
    {{ok, Id}, Fs1}.

allowed(Name) ->
    case loom_fat_name:check(Name) of
        ok -> ok;
        Error -> throw(Error)
    end.

%%% Contents

cluster_bytes(#fs{geometry = #{sector := Size, per_cluster := Per}}) -> Size * Per.

read_node(_, _, 0, _) -> {ok, <<>>};
read_node(#node{size = Size}, Offset, _, _) when Offset >= Size -> eof;
read_node(#node{size = Size, chain = Chain}, Offset, Count, Fs) ->
    {ok, read_bytes(Chain, Offset, min(Count, Size - Offset), Fs)}.

read_bytes(Chain, Offset, Count, #fs{geometry = #{sector := Size}} = Fs) ->
    First = Offset div Size,
    Sectors = (Offset + Count + Size - 1) div Size - First,
    Bytes = iolist_to_binary([read_sectors(Sector, N, Fs) || {Sector, N} <- runs(First, Sectors, Chain, Fs)]),
    binary:part(Bytes, Offset - First * Size, Count).

%% Where sectors of a file are on the disk: `[{Sector, Count}]'.
runs(_, 0, _, _) -> [];
runs(First, Count, Chain, #fs{geometry = #{per_cluster := Per, data := Data}} = Fs) ->
    {Cluster, Row} = loom_fat_table:locate(First div Per, Chain),
    Within = First rem Per,
    Here = min(Count, Row * Per - Within),
    [{Data + (Cluster - 2) * Per + Within, Here} | runs(First + Here, Count - Here, Chain, Fs)].

read_sectors(Sector, Count, Fs) ->
    #{read := Read} = loom_fat_store:device(store(Fs)),
    case Read(Sector, Count) of
        {ok, Bytes} -> Bytes;
        Error -> throw(Error)
    end.

%% Bytes into clusters the chain has.
write_bytes(_, _, <<>>, _) -> ok;
write_bytes(Chain, Offset, Bytes, #fs{geometry = #{sector := Size}} = Fs) ->
    First = Offset div Size,
    End = Offset + byte_size(Bytes),
    Sectors = (End + Size - 1) div Size - First,
    Head = case Offset rem Size of
        0 -> <<>>;
        N -> binary:part(sector_of(First, Chain, Fs), 0, N)
    end,
    Tail = case End rem Size of
        0 -> <<>>;
        M -> binary:part(sector_of(First + Sectors - 1, Chain, Fs), M, Size - M)
    end,
    #{write := Write} = loom_fat_store:device(store(Fs)),
    write_runs(runs(First, Sectors, Chain, Fs), <<Head/binary, Bytes/binary, Tail/binary>>, Size, Write).

sector_of(Index, Chain, Fs) ->
    [{Sector, 1}] = runs(Index, 1, Chain, Fs),
    read_sectors(Sector, 1, Fs).

write_runs([], <<>>, _, _) -> ok;
write_runs([{Sector, Count} | Rest], Bytes, Size, Write) ->
    Length = Count * Size,
    <<Here:Length/binary, Others/binary>> = Bytes,
    case Write(Sector, Here) of
        ok -> write_runs(Rest, Others, Size, Write);
        Error -> throw(Error)
    end.

write(Id, eof, Bytes, Fs) -> write(Id, (node(Id, Fs))#node.size, Bytes, Fs);
write(_, Offset, Bytes, _) when Offset + byte_size(Bytes) > ?MAX_SIZE -> throw({error, efbig});
write(_, Offset, <<>>, Fs) -> {{ok, Offset}, Fs};
write(Id, Offset, Bytes, Fs) ->
    #node{size = Size} = node(Id, Fs),
    End = Offset + byte_size(Bytes),
    Fs1 = long_enough(Id, max(End, Size), Fs),
    Chain = (node(Id, Fs1))#node.chain,
    write_zeros(Chain, Size, Offset, Fs1),
    write_bytes(Chain, Offset, Bytes, Fs1),
    {{ok, End}, describe(Id, max(End, Size), Fs1)}.

%% Between the end of the file and where it goes on.
write_zeros(Chain, From, To, Fs) when From < To ->
    Count = min(To - From, ?PIECE),
    write_bytes(Chain, From, <<0:Count/unit:8>>, Fs),
    write_zeros(Chain, From + Count, To, Fs);
write_zeros(_, _, _, _) -> ok.

%% Clusters for that many bytes.
long_enough(Id, Size, Fs) ->
    #node{chain = Chain} = Node = node(Id, Fs),
    Have = loom_fat_table:clusters(Chain),
    case (Size + cluster_bytes(Fs) - 1) div cluster_bytes(Fs) - Have of
        Missing when Missing > 0 ->
            Store = store(Fs),
            {New, Store1} = loom_fat_table:allocate(Missing, Have, near(Chain, Store), Store),
            {Joined, Store2} = case loom_fat_table:last(Chain) of
                none -> {New, Store1};
                Last ->
                    {_, First, _} = lists:last(New),
                    {joined(New, Chain), loom_fat_table:link(Last, First, Store1)}
            end,
            with_node(Id, Node#node{chain = Joined}, on_store(fun(_) -> Store2 end, Fs));
        _ -> Fs
    end.

near([], Store) -> next(Store);
near(Chain, _) -> loom_fat_table:last(Chain) + 1.

%% Both chains have their last extents first.
joined(New, [{Index, Cluster, Count} | Before] = Old) ->
    case lists:last(New) of
        {_, First, More} when First =:= Cluster + Count ->
            lists:droplast(New) ++ [{Index, Cluster, Count + More} | Before];
        _ -> New ++ Old
    end.

%% Size, beginning and time as the entry is to have them.
describe(Id, Size, Fs) ->
    #node{at = At, chain = Chain} = Node = node(Id, Fs),
    Now = now_seconds(),
    New = with_node(Id, Node#node{size = Size, mtime = Now}, Fs),
    case At of
        gone -> remember(Id, New);
        {Directory, Slot} ->
            Fields = #{size => Size, cluster => first(Chain), mtime => Now},
            New#fs{tree = loom_fat_tree:update(Directory, Slot, Fields, New#fs.tree)}
    end.

resize(_, Size, _) when Size > ?MAX_SIZE -> throw({error, efbig});
resize(Id, Size, Fs) ->
    case node(Id, Fs) of
        #node{size = Size} -> Fs;
        #node{size = Old, chain = Chain} = Node when Size < Old ->
            Keep = (Size + cluster_bytes(Fs) - 1) div cluster_bytes(Fs),
            {Kept, Gone} = loom_fat_table:cut(Keep, Chain),
            Fs1 = case {Gone, loom_fat_table:last(Kept)} of
                {[], _} -> Fs;
                {_, none} -> Fs;
                {_, Last} -> on_store(fun(S) -> loom_fat_store:cut(Last, S) end, Fs)
            end,
            describe(Id, Size, with_node(Id, Node#node{chain = Kept}, release_chain(Gone, Fs1)));
        #node{size = Old} ->
            Fs1 = long_enough(Id, Size, Fs),
            write_zeros((node(Id, Fs1))#node.chain, Old, Size, Fs1),
            describe(Id, Size, Fs1)
    end.

%%% Information

info_path(Parts, Fs) ->
    case resolve(Parts, Fs) of
        {root, New} -> {{ok, info(directory, 0, 0, 0, ?DIRECTORY, 0)}, New};
        {{_, _, none}, New} -> {{error, enoent}, New};
        {{_, _, {ok, #{attributes := A, mtime := M, ctime := C, cluster := Cluster}}}, New}
          when A band ?DIRECTORY =/= 0 ->
            {{ok, info(directory, 0, M, C, A, Cluster)}, New};
        {{Directory, _, {ok, #{attributes := A, mtime := M, ctime := C, slot := Slot, size := Size}}}, New} ->
            {{ok, info(regular, Size, M, C, A, Directory bsl 16 bor Slot)}, New}
    end.

node_info(Id, #node{at = gone, size = Size, mtime = M, attributes = A}) -> info(regular, Size, M, M, A, Id);
node_info(_, #node{at = {Directory, Slot}, size = Size, mtime = M, attributes = A}) ->
    info(regular, Size, M, M, A, Directory bsl 16 bor Slot).

info(Type, Size, MTime, CTime, Attributes, Inode) ->
    Writable = Attributes band ?READ_ONLY =:= 0,
    #file_info{size = Size, type = Type, access = case Writable of true -> read_write; false -> read end, atime = MTime,
               mtime = MTime, ctime = CTime, mode = mode(Type, Writable), links = 1, major_device = 0, minor_device = 0,
               inode = Inode, uid = 0, gid = 0}.

mode(directory, _) -> 8#40755;
mode(regular, true) -> 8#100644;
mode(regular, false) -> 8#100444.

set_info(Parts, Mode, MTime, Fs) ->
    case resolve(Parts, Fs) of
        {root, New} -> {ok, New};
        {{_, _, none}, New} -> {{error, enoent}, New};
        {{Directory, _, {ok, #{attributes := Old, slot := Slot}}}, New} ->
            Attributes = case Mode of
                _ when Mode =:= undefined; Old band ?DIRECTORY =/= 0 -> Old;
                _ when Mode band 8#200 =:= 0 -> Old bor ?READ_ONLY;
                _ -> Old band (bnot ?READ_ONLY)
            end,
            Times = case MTime of undefined -> #{}; _ -> #{mtime => MTime} end,
            Tree = loom_fat_tree:update(Directory, Slot, Times#{attributes => Attributes}, New#fs.tree),
            {ok, noted({Directory, Slot}, Attributes, MTime, New#fs{tree = Tree})}
    end.

noted(At, Attributes, MTime, #fs{places = Places} = Fs) ->
    case Places of
        #{At := Id} ->
            #node{mtime = Old} = Node = node(Id, Fs),
            Time = case MTime of undefined -> Old; _ -> MTime end,
            with_node(Id, Node#node{attributes = Attributes, mtime = Time}, Fs);
        #{} -> Fs
    end.

%%% Names

make_dir(Parts, Fs) ->
    case resolve(Parts, Fs) of
        {{Directory, Name, none}, #fs{tree = Tree} = New} ->
            allowed(Name),
            Now = now_seconds(),
            {Cluster, Tree1} = loom_fat_tree:make(Directory, Now, Tree),
            Fields = #{attributes => ?DIRECTORY, cluster => Cluster},
            Make = fun(Short, Case) -> loom_fat_dir:new(Short, Case, Fields, Now) end,
            {_, Tree2} = loom_fat_tree:insert(Directory, Name, Make, none, Tree1),
            {ok, New#fs{tree = Tree2}};
        {_, New} -> {{error, eexist}, New}
    end.

del_dir(Parts, Fs) ->
    case resolve(Parts, Fs) of
        {root, New} -> {{error, ebusy}, New};
        {{_, _, none}, New} -> {{error, enoent}, New};
        {{Directory, _, {ok, #{attributes := A} = Entry}}, New} when A band ?DIRECTORY =/= 0 ->
            {ok, remove_directory(Directory, Entry, New)};
        {_, New} -> {{error, enotdir}, New}
    end.

remove_directory(Directory, Entry, Fs) ->
    #fs{tree = Tree} = Fs1 = release_directory(Entry, Fs),
    Fs1#fs{tree = loom_fat_tree:remove(Directory, Entry, Tree)}.

%% The clusters of an empty directory.
release_directory(#{cluster := Cluster}, #fs{tree = Tree} = Fs) ->
    {IsEmpty, Tree1} = loom_fat_tree:is_empty(Cluster, Tree),
    IsEmpty orelse throw({error, eexist}),
    {Chain, Store} = loom_fat_table:chain(Cluster, loom_fat_tree:store(Tree1)),
    release_chain(Chain, Fs#fs{tree = loom_fat_tree:with_store(loom_fat_tree:forget(Cluster, Tree1), Store)}).

delete(Parts, Fs) ->
    case resolve(Parts, Fs) of
        {{_, _, none}, New} -> {{error, enoent}, New};
        {{Directory, _, {ok, #{attributes := A} = Entry}}, New} when A band ?DIRECTORY =:= 0 ->
            A band ?READ_ONLY =/= 0 andalso throw({error, eacces}),
            #fs{tree = Tree} = New1 = release_file(Directory, Entry, New),
            {ok, New1#fs{tree = loom_fat_tree:remove(Directory, Entry, Tree)}};
        {_, New} -> {{error, eperm}, New}
    end.

%% Its bytes go with the last handle; without one, now.
release_file(Directory, #{slot := Slot, cluster := First}, #fs{places = Places} = Fs) ->
    At = {Directory, Slot},
    case Places of
        #{At := Id} ->
            Node = node(Id, Fs),
            remember(Id, with_node(Id, Node#node{at = gone}, Fs#fs{places = maps:remove(At, Places)}));
        #{} ->
            {Chain, Store} = loom_fat_table:chain(First, store(Fs)),
            release_chain(Chain, on_store(fun(_) -> Store end, Fs))
    end.

%%% Renaming: the new name is on the disk before the old one goes. When both are in one sector that is one step.

rename(From, To, Fs) ->
    {{FromDirectory, Entry}, Fs1} = named(From, Fs),
    Folded = [loom_fat_name:fold(P) || P <- From],
    Below = [loom_fat_name:fold(P) || P <- To],
    is_directory(Entry) andalso Folded =/= Below andalso lists:prefix(Folded, Below) andalso throw({error, einval}),
    case resolve(To, Fs1) of
        {root, _} -> throw({error, ebusy});
        {{FromDirectory, Name, {ok, #{slot := Slot, name := Name}}}, Fs2} when Slot =:= map_get(slot, Entry) ->
            {ok, Fs2};
        {{FromDirectory, Name, {ok, #{slot := Slot}}}, Fs2} when Slot =:= map_get(slot, Entry) ->
            {ok, rename(FromDirectory, Entry, FromDirectory, Name, none, Fs2)};
        {{Directory, Name, Target}, Fs2} ->
            may_replace(Entry, Target),
            {ok, rename(FromDirectory, Entry, Directory, Name, Target, Fs2)}
    end.

named(Parts, Fs) ->
    case resolve(Parts, Fs) of
        {root, _} -> throw({error, ebusy});
        {{_, _, none}, _} -> throw({error, enoent});
        {{Directory, _, {ok, Entry}}, New} -> {{Directory, Entry}, New}
    end.

is_directory(#{attributes := A}) -> A band ?DIRECTORY =/= 0.

may_replace(_, none) -> ok;
may_replace(Entry, {ok, Target}) ->
    case {is_directory(Entry), is_directory(Target)} of
        {false, true} -> throw({error, eisdir});
        {true, false} -> throw({error, enotdir});
        {Same, Same} -> ok
    end.

rename(FromDirectory, #{slot := FromSlot} = Entry, Directory, Name, Target, Fs) ->
    {Bytes, Tree1} = loom_fat_tree:slot(FromDirectory, FromSlot, Fs#fs.tree),
    Fs1 = Fs#fs{tree = Tree1},
    {Slot, Fs2} = case Target of
        none ->
            Near = case Directory of FromDirectory -> FromSlot; _ -> none end,
            add_renamed(Directory, Name, Bytes, Near, Fs1);
        {ok, Old} -> put_renamed(Directory, Old, Bytes, Fs1)
    end,
    #fs{tree = Tree2} = Fs3 = moved({FromDirectory, FromSlot}, {Directory, Slot}, new_parent(Entry, Directory, Fs2)),
    {NewSector, Tree3} = loom_fat_tree:sector(Directory, Slot, Tree2),
    Fs4 = case loom_fat_tree:sectors(FromDirectory, Entry, Tree3) of
        {[NewSector], Tree4} -> Fs3#fs{tree = Tree4};
        {_, Tree4} -> halfway(FromDirectory, Entry, Fs3#fs{tree = Tree4})
    end,
    Fs5 = Fs4#fs{tree = loom_fat_tree:remove(FromDirectory, Entry, Fs4#fs.tree)},
    on_store(fun(S) -> loom_fat_store:forget(rename, S) end, Fs5).

add_renamed(Directory, Name, Bytes, Near, #fs{tree = Tree} = Fs) ->
    allowed(Name),
    Generation = loom_fat_dir:generation(Bytes) + 1,
    Make = fun(Short, Case) -> loom_fat_dir:renamed(Bytes, Short, Case, Generation) end,
    {#{slot := Slot}, New} = loom_fat_tree:insert(Directory, Name, Make, Near, Tree),
    {Slot, Fs#fs{tree = New}}.

%% The target keeps its names and gets the source's bytes.
put_renamed(Directory, #{slot := Slot, short := Short, attributes := A} = Old, Bytes, Fs) ->
    #fs{tree = Tree} = Fs1 = case A band ?DIRECTORY of
        0 -> release_file(Directory, Old, Fs);
        _ -> release_directory(Old, Fs)
    end,
    {OldBytes, Tree1} = loom_fat_tree:slot(Directory, Slot, Tree),
    Generation = loom_fat_dir:generation(Bytes) + 1,
    New = loom_fat_dir:renamed(Bytes, Short, loom_fat_dir:field('case', OldBytes), Generation),
    {Slot, Fs1#fs{tree = loom_fat_tree:replace(Directory, Slot, New, Tree1)}}.

%% ".." of a directory that moved.
new_parent(#{attributes := A, cluster := Cluster}, Directory, #fs{tree = Tree, geometry = #{root := Root}} = Fs)
  when A band ?DIRECTORY =/= 0 ->
    Above = if Directory =:= Root -> 0; true -> Directory end,
    case loom_fat_tree:slot(Cluster, 1, Tree) of
        {<<"..         ", _/binary>> = Bytes, Tree1} ->
            case loom_fat_dir:field(cluster, Bytes) of
                Above -> Fs#fs{tree = Tree1};
                _ -> Fs#fs{tree = loom_fat_tree:update(Cluster, 1, #{cluster => Above}, Tree1)}
            end;
        {_, Tree1} -> Fs#fs{tree = Tree1}
    end;
new_parent(_, _, Fs) -> Fs.

moved(From, To, #fs{places = Places} = Fs) ->
    case maps:take(From, Places) of
        {Id, Left} ->
            Node = node(Id, Fs),
            remember(Id, with_node(Id, Node#node{at = To}, Fs#fs{places = Left}));
        error -> Fs
    end.

%% Both names are there, on the disk too. Whoever dies after this, the next incarnation takes the old one away; after a
%% power cut the repair does.
halfway(Directory, Entry, Fs) ->
    on_store(fun(S) ->
        Noted = loom_fat_store:persist(loom_fat_store:remember(rename, {Directory, Entry}, S)),
        try loom_fat_store:commit(Noted)
        catch throw:{error, Reason} -> exit({commit, Reason})
        end
    end, Fs).
