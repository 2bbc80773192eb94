%% SPDX-License-Identifier: Apache-2.0
%% @doc Repairs a volume that was not unmounted. Every name is followed from the root; what a power cut can leave is put
%% right, by the rule that a name never gets bytes that are not its own:
%%
%%   a chain longer than its file: cut. A file longer than its chain: its size is trimmed. Two names for one chain: the
%%   later step of the rename stays (by generation, see {@link loom_fat_dir:renamed/4}), else the second is emptied.
%%   Slots of long names without their entry, and what stands behind a directory's end: cleared. Clusters without a
%%   name: freed. Copies of the FAT that differ: the first counts. The hints are counted anew.
%%
%% Doing it twice, or half and then again, leads to the same.
-module(loom_fat_repair).

-export([run/1]).

-define(DIRECTORY, 16#10).
-define(LAST, 16#0fffffff).
-define(BAD, 16#0ffffff7).
-define(DELETED, 16#e5).

-type cluster() :: pos_integer().
-record(w, {store :: loom_fat_store:store(),
            claimed :: ets:tid(),   % {First, Last} of clusters in a row that have a name
            owners :: ets:tid(),    % {First cluster, Directory, Entry, Generation}
            queue = [] :: [cluster()],
            notes = #{} :: #{binary() => pos_integer()}}).

%% @doc The volume repaired and marked clean; its free clusters are counted. Throws `{error, _}' of the disk.
-spec run(loom_fat_store:store()) -> {loom_fat_store:store(), Notes :: [iodata()]}.
run(Store) ->
    Claimed = ets:new(claimed, [ordered_set, private]),
    Owners = ets:new(owners, [set, private]),
    try run(loom_fat_store:assume_dirty(Store), Claimed, Owners)
    after
        ets:delete(Claimed),
        ets:delete(Owners)
    end.

run(Store, Claimed, Owners) ->
    #{root := Root, clusters := Clusters} = loom_fat_store:geometry(Store),
    {_, W0} = claim(Root, Clusters, #w{store = Store, claimed = Claimed, owners = Owners}),
    W1 = parents(walk(W0#w{queue = [Root]})),
    {Lost, Free} = lost(W1),
    #w{store = St0} = W2 = note(<<"lost clusters freed">>, length(Lost), W1),
    St1 = loom_fat_table:set_all([{C, 0} || C <- Lost], St0),
    St2 = loom_fat_store:begin_with(Free + length(Lost), 2, St1),
    St3 = loom_fat_store:commit(loom_fat_store:persist(St2)),
    W3 = note(<<"FAT sectors copied">>, loom_fat_store:mirror(St3), W2),
    {loom_fat_store:mark_clean({Free + length(Lost), 2}, St3),
     [[integer_to_binary(N), $\s, What] || {What, N} <- maps:to_list(W3#w.notes)]}.

note(_, 0, W) -> W;
note(What, N, #w{notes = Notes} = W) -> W#w{notes = Notes#{What => maps:get(What, Notes, 0) + N}}.

%% --- every directory

walk(#w{queue = []} = W) -> W;
walk(#w{queue = [Directory | Rest]} = W) -> walk(directory(Directory, W#w{queue = Rest})).

directory(Directory, #w{store = Store} = W) ->
    #{sector := Size, per_cluster := Per} = loom_fat_store:geometry(Store),
    PerSector = Size div loom_fat_dir:slot_size(),
    {Chain, Store1} = loom_fat_table:chain(Directory, Store),
    Bytes = iolist_to_binary([loom_fat_store:read_run(first_sector(C, Store1), N * Per, Store1)
                              || {_, C, N} <- lists:reverse(Chain)]),
    #{entries := Entries, orphans := Orphans, 'end' := End, garbage := Garbage} =
        loom_fat_dir:parse(Bytes, PerSector),
    W1 = slots(Directory, Orphans, ?DELETED, W#w{store = Store1}),
    W2 = case Garbage of
        true ->
            Dirty = [I || I <- lists:seq(End, byte_size(Bytes) div 32 - 1),
                          binary:part(Bytes, I * 32, 32) =/= <<0:256>>],
            slots(Directory, Dirty, 0, W1);
        false -> W1
    end,
    W3 = note(<<"stray directory slots cleared">>, length(Orphans), W2),
    lists:foldl(fun(Entry, Acc) -> entry(Directory, Entry, Acc) end, W3, Entries).

first_sector(Cluster, Store) ->
    #{data := Data, per_cluster := Per} = loom_fat_store:geometry(Store),
    Data + (Cluster - 2) * Per.

entry(Directory, #{attributes := A, cluster := First} = Entry, W) ->
    {Generation, W1} = generation(Directory, Entry, W),
    case ets:lookup(W1#w.owners, First) of
        [{_, Other, OtherEntry, Before}] -> twice(Directory, Entry, Generation, Other, OtherEntry, Before, W1);
        [] when A band ?DIRECTORY =/= 0 -> sub_directory(Directory, Entry, Generation, W1);
        [] -> file(Directory, Entry, Generation, W1)
    end.

generation(Directory, #{slot := Slot}, W) ->
    {Bytes, W1} = slot(Directory, Slot, W),
    {loom_fat_dir:generation(Bytes), W1}.

own(Directory, #{cluster := First} = Entry, Generation, #w{owners = Owners} = W) ->
    true = ets:insert(Owners, {First, Directory, Entry, Generation}),
    W.

%% Two names for one chain.
twice(Directory, Entry, Generation, Other, OtherEntry, Before, W) ->
    case (Generation - Before) band 7 of
        1 -> own(Directory, Entry, Generation, drop(Other, OtherEntry, note(<<"renames completed">>, 1, W)));
        7 -> drop(Directory, Entry, note(<<"renames completed">>, 1, W));
        _ when map_get(attributes, Entry) band ?DIRECTORY =/= 0 ->
            drop(Directory, Entry, note(<<"second names of directories dropped">>, 1, W));
        _ -> patch(Directory, Entry, #{cluster => 0, size => 0}, note(<<"cross-linked files emptied">>, 1, W))
    end.

drop(Directory, #{first := First, slot := Slot}, W) -> slots(Directory, lists:seq(First, Slot), ?DELETED, W).

sub_directory(Directory, #{cluster := First} = Entry, Generation, W) ->
    #{clusters := Clusters} = loom_fat_store:geometry(W#w.store),
    case is_directory(First, Clusters, W) andalso claim(First, Clusters, W) of
        {N, W1} when N > 0 ->
            #w{queue = Queue} = W2 = own(Directory, Entry, Generation, W1),
            W2#w{queue = [First | Queue]};
        _ -> drop(Directory, Entry, note(<<"broken directories dropped">>, 1, W))
    end.

is_directory(First, Clusters, #w{store = Store}) when First >= 2, First =< Clusters + 1 ->
    case loom_fat_store:read_run(first_sector(First, Store), 1, Store) of
        <<".          ", _/binary>> -> true;
        _ -> false
    end;
is_directory(_, _, _) -> false.

file(_, #{cluster := 0, size := 0}, _, W) -> W;
file(Directory, #{cluster := First, size := Size} = Entry, Generation, W) ->
    #{sector := Sector, per_cluster := Per} = loom_fat_store:geometry(W#w.store),
    Bytes = Sector * Per,
    {Have, W1} = claim(First, (Size + Bytes - 1) div Bytes, W),
    if
        Have =:= 0, Size =:= 0 -> patch(Directory, Entry, #{cluster => 0}, W1);
        Have =:= 0 -> patch(Directory, Entry, #{cluster => 0, size => 0}, note(<<"files emptied">>, 1, W1));
        Size > Have * Bytes ->
            W2 = own(Directory, Entry, Generation, note(<<"files trimmed">>, 1, W1)),
            patch(Directory, Entry, #{size => Have * Bytes}, W2);
        true -> own(Directory, Entry, Generation, W1)
    end.

patch(Directory, #{slot := Slot}, Fields, W) ->
    {Bytes, W1} = slot(Directory, Slot, W),
    put_slot(Directory, Slot, loom_fat_dir:patch(Bytes, Fields), W1).

%% ".." of directories that a rename was moving.
parents(#w{owners = Owners, store = Store} = W) ->
    #{root := Root} = loom_fat_store:geometry(Store),
    Moved = [{First, if Directory =:= Root -> 0; true -> Directory end}
             || {First, Directory, #{attributes := A}, _} <- ets:tab2list(Owners), A band ?DIRECTORY =/= 0],
    lists:foldl(fun parent/2, W, Moved).

parent({Cluster, Above}, W) ->
    case slot(Cluster, 1, W) of
        {<<"..         ", _/binary>> = Bytes, W1} ->
            case loom_fat_dir:field(cluster, Bytes) of
                Above -> W1;
                _ -> put_slot(Cluster, 1, loom_fat_dir:patch(Bytes, #{cluster => Above}), W1)
            end;
        {_, W1} -> W1
    end.

%% --- chains

%% Takes at most `Most' clusters of the chain, ends it there, and says how many it got.
claim(First, Most, W) -> claim(First, 0, Most, none, none, W).

claim(_, Count, Most, Run, Last, W) when Count >= Most -> claimed(Count, Run, Last, W);
claim(Cluster, Count, Most, Run, Last, #w{store = Store} = W) ->
    #{clusters := Clusters} = loom_fat_store:geometry(Store),
    case Cluster >= 2 andalso Cluster =< Clusters + 1 andalso is_unclaimed(Cluster, Run, W) of
        true ->
            case value(Cluster, W) of
                {0, W1} -> claimed(Count, Run, Last, W1); % marked free: not the file's
                {Next, W1} ->
                    {NewRun, W2} = run_with(Cluster, Run, W1),
                    if
                        Next >= 16#0ffffff8 -> claimed(Count + 1, NewRun, none, W2);
                        true -> claim(Next, Count + 1, Most, NewRun, Cluster, W2)
                    end
            end;
        false -> claimed(Count, Run, Last, W)
    end.

run_with(Cluster, {First, Last}, W) when Cluster =:= Last + 1 -> {{First, Cluster}, W};
run_with(Cluster, Run, W) -> {{Cluster, Cluster}, insert_run(Run, W)}.

insert_run(none, W) -> W;
insert_run(Run, #w{claimed = Claimed} = W) ->
    true = ets:insert(Claimed, Run),
    W.

is_unclaimed(Cluster, {First, Last}, _) when Cluster >= First, Cluster =< Last -> false;
is_unclaimed(Cluster, _, #w{claimed = Claimed}) ->
    case ets:prev(Claimed, Cluster + 1) of
        '$end_of_table' -> true;
        First -> ets:lookup_element(Claimed, First, 2) < Cluster
    end.

%% `Last' is the cluster that has to become the chain's end.
claimed(Count, Run, none, W) -> {Count, insert_run(Run, W)};
claimed(Count, Run, Last, #w{store = Store} = W) ->
    {Count, insert_run(Run, W#w{store = loom_fat_table:set_all([{Last, ?LAST}], Store)})}.

value(Cluster, #w{store = Store} = W) ->
    {Sector, Index} = loom_fat_table:sector_of(Cluster, loom_fat_store:geometry(Store)),
    {Bytes, New} = loom_fat_store:read(Sector, Store),
    Skip = Index * 4,
    <<_:Skip/binary, Value:32/little, _/binary>> = Bytes,
    {Value band ?LAST, W#w{store = New}}.

%% Clusters in use that nobody claimed, and how many are free.
lost(#w{claimed = Claimed, store = Store}) ->
    {_, Lost, Free} = loom_fat_table:fold(fun lost/3, {ets:tab2list(Claimed), [], 0}, Store),
    {Lost, Free}.

lost(Cluster, Value, {[{_, Last} | Rest], Lost, Free}) when Cluster > Last -> lost(Cluster, Value, {Rest, Lost, Free});
lost(_, 0, {Claimed, Lost, Free}) -> {Claimed, Lost, Free + 1};
lost(_, ?BAD, Acc) -> Acc;
lost(Cluster, _, {[{First, _} | _], _, _} = Acc) when Cluster >= First -> Acc;
lost(Cluster, _, {Claimed, Lost, Free}) -> {Claimed, [Cluster | Lost], Free}.

%% --- slots

place(Directory, Slot, #w{store = Store}) ->
    {Chain, Store1} = loom_fat_table:chain(Directory, Store),
    #{sector := Size, per_cluster := Per} = loom_fat_store:geometry(Store1),
    PerSector = Size div loom_fat_dir:slot_size(),
    {Cluster, _} = loom_fat_table:locate(Slot div PerSector div Per, Chain),
    {first_sector(Cluster, Store1) + Slot div PerSector rem Per, Slot rem PerSector * loom_fat_dir:slot_size(), Store1}.

slot(Directory, Slot, W) ->
    {Sector, At, Store} = place(Directory, Slot, W),
    {Bytes, New} = loom_fat_store:read(Sector, Store),
    {binary:part(Bytes, At, loom_fat_dir:slot_size()), W#w{store = New}}.

put_slot(Directory, Slot, Bytes, W) ->
    {Sector, At, Store} = place(Directory, Slot, W),
    {<<Before:At/binary, _:256, After/binary>>, New} = loom_fat_store:read(Sector, Store),
    W#w{store = loom_fat_store:put(dir, Sector, <<Before/binary, Bytes/binary, After/binary>>, New)}.

slots(Directory, Slots, First, W) ->
    lists:foldl(fun(Slot, Acc) ->
        {<<_, Rest/binary>>, Acc1} = slot(Directory, Slot, Acc),
        New = case First of
            0 -> <<0:256>>;
            _ -> <<First, Rest/binary>>
        end,
        put_slot(Directory, Slot, New, Acc1)
    end, W, Slots).
