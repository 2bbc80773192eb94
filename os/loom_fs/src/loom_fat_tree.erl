%% SPDX-License-Identifier: Apache-2.0
%% @doc The directories of a FAT volume. A directory is known by its first cluster, an entry by its directory and slot.
%%
%% Directories that were read are kept as maps by name. A name and its long slots are put into one sector whenever they
%% fit into one (names up to 195 characters do), because a sector reaches the disk whole or not at all.
-module(loom_fat_tree).

-export([new/1, store/1, with_store/2, find/3, list/2, insert/5, update/4, replace/4, remove/3, slot/3, make/3]).
-export([sector/3, sectors/3, is_empty/2, forget/2]).

-define(KEPT, 64). % directories
-define(MAX_SLOTS, 65536).
-define(DELETED, 16#e5).

-type cluster() :: pos_integer().
-type dir() :: #{chain := loom_fat_table:chain(), entries := #{binary() => loom_fat_dir:entry()},
                 shorts := #{loom_fat_name:short() => binary()}, 'end' := non_neg_integer(), garbage := boolean(),
                 holes := #{non_neg_integer() => pos_integer()}, capacity := pos_integer()}.
-record(tree, {store :: loom_fat_store:store(), dirs = #{} :: #{cluster() => dir()}}).
-opaque tree() :: #tree{}.
-export_type([tree/0]).

-spec new(loom_fat_store:store()) -> tree().
new(Store) -> #tree{store = Store}.
-spec store(tree()) -> loom_fat_store:store().
store(#tree{store = Store}) -> Store.
-spec with_store(tree(), loom_fat_store:store()) -> tree().
with_store(Tree, Store) -> Tree#tree{store = Store}.

%% @doc The entry with that name, or with that short name.
-spec find(cluster(), loom_fat_name:name(), tree()) -> {{ok, loom_fat_dir:entry()} | none, tree()}.
find(Cluster, Name, Tree) ->
    {#{entries := Entries, shorts := Shorts}, New} = load(Cluster, Tree),
    Folded = loom_fat_name:fold(Name),
    case Entries of
        #{Folded := Entry} -> {{ok, Entry}, New};
        #{} ->
            case loom_fat_name:exact(Name) of
                {Short, _} when is_map_key(Short, Shorts) -> {{ok, maps:get(maps:get(Short, Shorts), Entries)}, New};
                _ -> {none, New}
            end
    end.

-spec list(cluster(), tree()) -> {[loom_fat_dir:entry()], tree()}.
list(Cluster, Tree) ->
    {#{entries := Entries}, New} = load(Cluster, Tree),
    {maps:values(Entries), New}.

-spec is_empty(cluster(), tree()) -> {boolean(), tree()}.
is_empty(Cluster, Tree) ->
    {#{entries := Entries}, New} = load(Cluster, Tree),
    {Entries =:= #{}, New}.

load(Cluster, #tree{dirs = Dirs} = Tree) ->
    case Dirs of
        #{Cluster := Dir} -> {Dir, Tree};
        #{} ->
            {Chain, Store} = loom_fat_table:chain(Cluster, Tree#tree.store),
            Geometry = loom_fat_store:geometry(Store),
            Parsed = loom_fat_dir:parse(bytes(Chain, Geometry, Store), per_sector(Geometry)),
            #{entries := Entries} = Parsed,
            Dir = Parsed#{chain => Chain, capacity => capacity(Chain, Geometry), orphans := [],
                          entries := maps:from_list([{loom_fat_name:fold(N), E} || #{name := N} = E <- Entries]),
                          shorts => maps:from_list([{S, loom_fat_name:fold(N)}
                                                    || #{name := N, short := S} <- Entries])},
            {Dir, keep(Cluster, Dir, Tree#tree{store = Store})}
    end.

keep(Cluster, Dir, #tree{dirs = Dirs} = Tree) when map_size(Dirs) < ?KEPT; is_map_key(Cluster, Dirs) ->
    Tree#tree{dirs = Dirs#{Cluster => Dir}};
keep(Cluster, Dir, Tree) -> Tree#tree{dirs = #{Cluster => Dir}}.

bytes(Chain, #{per_cluster := Per} = Geometry, Store) ->
    iolist_to_binary([loom_fat_store:read_run(first_sector(Cluster, Geometry), Count * Per, Store)
                      || {_, Cluster, Count} <- lists:reverse(Chain)]).

per_sector(#{sector := Size}) -> Size div loom_fat_dir:slot_size().
capacity(Chain, #{per_cluster := Per} = Geometry) -> loom_fat_table:clusters(Chain) * Per * per_sector(Geometry).
first_sector(Cluster, #{data := Data, per_cluster := Per}) -> Data + (Cluster - 2) * Per.

%% @doc The sector that holds a slot.
-spec sector(cluster(), non_neg_integer(), tree()) -> {non_neg_integer(), tree()}.
sector(Cluster, Slot, Tree) ->
    {#{chain := Chain}, New} = load(Cluster, Tree),
    {location(Slot, Chain, loom_fat_store:geometry(New#tree.store)), New}.

%% @doc The sectors that hold an entry and its long name.
-spec sectors(cluster(), loom_fat_dir:entry(), tree()) -> {[non_neg_integer()], tree()}.
sectors(Cluster, #{first := First, slot := Slot}, Tree) ->
    {#{chain := Chain}, New} = load(Cluster, Tree),
    Geometry = loom_fat_store:geometry(New#tree.store),
    {lists:usort([location(S, Chain, Geometry) || S <- lists:seq(First, Slot)]), New}.

location(Slot, Chain, #{per_cluster := Per} = Geometry) ->
    Sector = Slot div per_sector(Geometry),
    {Cluster, _} = loom_fat_table:locate(Sector div Per, Chain),
    first_sector(Cluster, Geometry) + Sector rem Per.

%% @doc The bytes of a slot.
-spec slot(cluster(), non_neg_integer(), tree()) -> {<<_:256>>, tree()}.
slot(Cluster, Slot, Tree) ->
    {Sector, New} = sector(Cluster, Slot, Tree),
    {Bytes, Store} = loom_fat_store:read(Sector, New#tree.store),
    At = Slot rem per_sector(loom_fat_store:geometry(Store)) * loom_fat_dir:slot_size(),
    {binary:part(Bytes, At, loom_fat_dir:slot_size()), New#tree{store = Store}}.

%% --- changes

%% @doc A new name. `Make' gives its entry's bytes for a short name and case bits; `Near' is a slot whose sector is
%% preferred, or none.
-spec insert(cluster(), loom_fat_name:name(), fun((loom_fat_name:short(), byte()) -> <<_:256>>),
             non_neg_integer() | none, tree()) -> {loom_fat_dir:entry(), tree()}.
insert(Cluster, Name, Make, Near, Tree) ->
    {#{shorts := Shorts} = Dir0, Tree1} = load(Cluster, Tree),
    {Short, Case, Long} = case loom_fat_name:exact(Name) of
        {S, Bits} when not is_map_key(S, Shorts) -> {S, Bits, []};
        _ ->
            S = loom_fat_name:short(Name, fun(T) -> is_map_key(T, Shorts) end),
            {S, 0, loom_fat_name:slots(Name, S)}
    end,
    Slots = Long ++ [Make(Short, Case)],
    {Start, Dir1, Tree2} = place(length(Slots), Near, Dir0, Tree1),
    Tree3 = write(Start, Slots, Dir1, Tree2),
    #{entries := [Entry0]} = loom_fat_dir:parse(iolist_to_binary(Slots), length(Slots)),
    #{first := First, slot := Slot} = Entry0,
    Entry = Entry0#{first := Start + First, slot := Start + Slot},
    {Entry, keep(Cluster, known(Entry, Dir1), Tree3)}.

known(#{name := Name, short := Short} = Entry, #{entries := Entries, shorts := Shorts} = Dir) ->
    Folded = loom_fat_name:fold(Name),
    Dir#{entries := Entries#{Folded => Entry}, shorts := Shorts#{Short => Folded}}.

%% Where `Count' slots go: into a hole, or at the end.
place(Count, Near, #{holes := Holes} = Dir, Tree) ->
    Per = per_sector(loom_fat_store:geometry(Tree#tree.store)),
    Preferred = case Near of
        none -> [];
        _ -> [{Near div Per, maps:get(Near div Per, Holes, 0)}]
    end,
    case in_holes(Preferred ++ maps:to_list(Holes), Count, Per) of
        {Sector, Bit} ->
            Left = maps:get(Sector, Holes) band (bnot (mask(Count) bsl Bit)),
            {Sector * Per + Bit, Dir#{holes := holes(Sector, Left, Holes)}, Tree};
        none -> at_end(Count, Per, Dir, Tree)
    end.

mask(Count) -> (1 bsl Count) - 1.

holes(Sector, 0, Holes) -> maps:remove(Sector, Holes);
holes(Sector, Mask, Holes) -> Holes#{Sector => Mask}.

in_holes([], _, _) -> none;
in_holes([{Sector, Mask} | Rest], Count, Per) ->
    case in_mask(Mask, mask(Count), 0, Per - Count) of
        none -> in_holes(Rest, Count, Per);
        Bit -> {Sector, Bit}
    end.

in_mask(_, _, Bit, Last) when Bit > Last -> none;
in_mask(Mask, Wanted, Bit, _) when (Mask bsr Bit) band Wanted =:= Wanted -> Bit;
in_mask(Mask, Wanted, Bit, Last) -> in_mask(Mask, Wanted, Bit + 1, Last).

%% What is left of the last sector becomes a hole when the name does not fit there.
at_end(Count, Per, #{garbage := true} = Dir, Tree) ->
    {New, Tree1} = clear_behind_end(Dir, Tree),
    at_end(Count, Per, New, Tree1);
at_end(Count, Per, #{'end' := End, capacity := Capacity} = Dir, Tree) ->
    Start = case End rem Per of
        Used when Used > 0, Count =< Per, Used + Count > Per -> End - Used + Per;
        _ -> End
    end,
    if
        Start + Count > Capacity ->
            {Grown, Tree1} = grow(Dir, Tree),
            at_end(Count, Per, Grown, Tree1);
        true ->
            Skipped = Start - End,
            Tree1 = write(End, lists:duplicate(Skipped, <<?DELETED, 0:248>>), Dir, Tree),
            #{holes := Holes} = Dir,
            New = case Skipped of
                0 -> Holes;
                _ -> Holes#{End div Per => maps:get(End div Per, Holes, 0) bor (mask(Skipped) bsl (End rem Per))}
            end,
            {Start, Dir#{'end' := Start + Count, holes := New}, Tree1}
    end.

clear_behind_end(#{'end' := End, capacity := Capacity} = Dir, Tree) ->
    {Dir#{garbage := false}, write(End, lists:duplicate(Capacity - End, <<0:256>>), Dir, Tree)}.

grow(#{capacity := Capacity}, _) when Capacity >= ?MAX_SLOTS -> throw({error, enospc});
grow(#{chain := Chain} = Dir, #tree{store = Store} = Tree) ->
    Last = loom_fat_table:last(Chain),
    {[{_, Cluster, 1}] = New, Store1} =
        loom_fat_table:allocate(1, loom_fat_table:clusters(Chain), Last + 1, Store),
    Store2 = fill(Cluster, <<>>, loom_fat_table:link(Last, Cluster, Store1)),
    Longer = New ++ Chain,
    {Dir#{chain := Longer, capacity := capacity(Longer, loom_fat_store:geometry(Store2))}, Tree#tree{store = Store2}}.

%% A directory's new cluster: these bytes, and nothing behind them.
fill(Cluster, Bytes, Store) ->
    #{sector := Size, per_cluster := Per} = Geometry = loom_fat_store:geometry(Store),
    First = first_sector(Cluster, Geometry),
    Zero = <<0:Size/unit:8>>,
    Store1 = loom_fat_store:put(new, First, <<Bytes/binary, 0:(Size - byte_size(Bytes))/unit:8>>, Store),
    lists:foldl(fun(I, S) -> loom_fat_store:put(new, First + I, Zero, S) end, Store1, lists:seq(1, Per - 1)).

%% @doc The first cluster of a new directory, which has no name yet.
-spec make(Parent :: cluster(), integer(), tree()) -> {cluster(), tree()}.
make(Parent, Now, #tree{store = Store} = Tree) ->
    #{root := Root} = loom_fat_store:geometry(Store),
    {[{0, Cluster, 1}], Store1} = loom_fat_table:allocate(1, 0, next(Store), Store),
    Above = if Parent =:= Root -> 0; true -> Parent end,
    {Cluster, forget(Cluster, Tree#tree{store = fill(Cluster, loom_fat_dir:dots(Cluster, Above, Now), Store1)})}.

next(Store) ->
    case loom_fat_store:recall(next, Store) of
        {ok, Next} -> Next;
        none -> 2
    end.

%% @doc A directory that is no more, or whose cluster is another's now.
-spec forget(cluster(), tree()) -> tree().
forget(Cluster, #tree{dirs = Dirs} = Tree) -> Tree#tree{dirs = maps:remove(Cluster, Dirs)}.

%% @doc Changes fields of an entry.
-spec update(cluster(), non_neg_integer(), loom_fat_dir:fields(), tree()) -> tree().
update(Cluster, Slot, Fields, Tree) ->
    {Bytes, New} = slot(Cluster, Slot, Tree),
    replace(Cluster, Slot, loom_fat_dir:patch(Bytes, Fields), New).

%% @doc Changes an entry's bytes; its names stay.
-spec replace(cluster(), non_neg_integer(), <<_:256>>, tree()) -> tree().
replace(Cluster, Slot, Bytes, Tree) ->
    {#{entries := Entries, shorts := Shorts} = Dir, Tree1} = load(Cluster, Tree),
    Tree2 = write(Slot, [Bytes], Dir, Tree1),
    case loom_fat_dir:parse(Bytes, 1) of
        #{entries := [#{short := Short} = Entry]} ->
            Folded = maps:get(Short, Shorts),
            #{name := Name, first := First} = maps:get(Folded, Entries),
            New = Entry#{name := Name, first := First, slot := Slot},
            keep(Cluster, Dir#{entries := Entries#{Folded := New}}, Tree2);
        #{entries := []} -> Tree2 % ".."
    end.

%% @doc The name is gone; its bytes are the caller's.
-spec remove(cluster(), loom_fat_dir:entry(), tree()) -> tree().
remove(Cluster, #{name := Name, short := Short, first := First, slot := Slot}, Tree) ->
    {#{entries := Entries, shorts := Shorts, holes := Holes} = Dir, Tree1} = load(Cluster, Tree),
    Per = per_sector(loom_fat_store:geometry(Tree1#tree.store)),
    Tree2 = lists:foldl(fun(At, T) ->
        {<<_, Rest/binary>>, T1} = slot(Cluster, At, T),
        write(At, [<<?DELETED, Rest/binary>>], Dir, T1)
    end, Tree1, lists:seq(First, Slot)),
    New = lists:foldl(fun(At, H) ->
        H#{At div Per => maps:get(At div Per, H, 0) bor (1 bsl (At rem Per))}
    end, Holes, lists:seq(First, Slot)),
    Folded = loom_fat_name:fold(Name),
    case Entries of
        #{Folded := #{slot := Slot}} ->
            keep(Cluster, Dir#{entries := maps:remove(Folded, Entries), shorts := maps:remove(Short, Shorts),
                               holes := New}, Tree2);
        #{} -> % the same name in other letters is there by now
            keep(Cluster, Dir#{shorts := maps:remove(Short, Shorts), holes := New}, Tree2)
    end.

%% Slots in a row, sector by sector.
write(_, [], _, Tree) -> Tree;
write(At, Slots, #{chain := Chain} = Dir, #tree{store = Store} = Tree) ->
    Geometry = loom_fat_store:geometry(Store),
    Per = per_sector(Geometry),
    {Here, Others} = lists:split(min(length(Slots), Per - At rem Per), Slots),
    Sector = location(At, Chain, Geometry),
    {Old, Store1} = loom_fat_store:read(Sector, Store),
    Before = binary:part(Old, 0, At rem Per * loom_fat_dir:slot_size()),
    Bytes = iolist_to_binary([Before | Here]),
    New = <<Bytes/binary, (binary:part(Old, byte_size(Bytes), byte_size(Old) - byte_size(Bytes)))/binary>>,
    write(At + length(Here), Others, Dir, Tree#tree{store = loom_fat_store:put(dir, Sector, New, Store1)}).
