%% SPDX-License-Identifier: Apache-2.0
%% @doc The sectors of a FAT volume that make up its structure (FAT and directories), with what has changed and is not
%% on the disk yet, and the order in which it goes there.
%%
%% Changes are rows: first in this state, then (when the request has succeeded) in a table that outlives the process,
%% last on the disk. File contents do not come here.
%%
%%   {{sector, N}, Class, Bytes}   Class: fat | dir | new (of a directory whose cluster is new)
%%   {{free, Cluster}, Count}      clusters whose last name is gone
%%   {{cut, Cluster}, true}        a chain is to end here; what followed is in `free' rows
%%   {{fs, Key}, Value}            whatever else is to be kept
%%
%% A commit writes, with a flush after each step, so that a power cut anywhere leaves no name without its bytes:
%%   1. file contents and new directory clusters: nothing leads to them yet
%%   2. FAT sectors as chains have grown
%%   3. directory sectors: now the names are there, gone, or lead elsewhere
%% and only then turns `free' and `cut' rows into FAT sectors, which the next commit writes. Until that has happened no
%% cluster is used again, so the bytes of a file whose deletion did not reach the disk are intact.
%% A repair at mount deals with what is left between the steps: chains without a name, FAT copies that differ.
-module(loom_fat_store).

-export([new/3, geometry/1, device/1, read/2, read_run/3, put/4, remember/3, recall/2, recall_all/2]).
-export([forget/2, take/1, persist/1]).
-export([is_clean/1, commit/1, mark_clean/2, write_fat/3]).
-export([assume_dirty/1, mirror/1, looks_dirty/1, read_hints/1, begin_with/3]).
-export([release/3, cut/2, uncut/2, is_cut/2, pending/1]).

-define(CACHED, 512). % sectors
-define(CLEAN_BIT, 16#08000000). % of the second FAT entry

-record(store, {device :: loom_fs:device(),
                geometry :: loom_fat_boot:geometry(),
                table :: ets:tid(),
                changed = #{} :: #{term() => tuple()},
                cache = #{} :: #{non_neg_integer() => binary()},
                cuts = 0 :: non_neg_integer(),       % `cut' rows there are
                pending = 0 :: non_neg_integer(),    % clusters in `free' rows
                dirty :: boolean()}).                % what the disk says about itself
-opaque store() :: #store{}.
-type class() :: fat | dir | new.
-export_type([store/0]).

-spec new(loom_fs:device(), loom_fat_boot:geometry(), ets:tid()) -> store().
new(Device, #{dirty := Dirty} = Geometry, Table) ->
    Pending = lists:sum([Count || {_, Count} <- ets:match_object(Table, {{free, '_'}, '_'})]),
    Cuts = length([C || {{cut, C}, true} <- ets:match_object(Table, {{cut, '_'}, '_'})]),
    #store{device = Device, geometry = Geometry, table = Table, dirty = Dirty, cuts = Cuts, pending = Pending}.

-spec geometry(store()) -> loom_fat_boot:geometry().
geometry(#store{geometry = Geometry}) -> Geometry.
-spec device(store()) -> loom_fs:device().
device(#store{device = Device}) -> Device.

%% @doc A sector as it is now. Throws `{error, _}' when the disk does not give it.
-spec read(non_neg_integer(), store()) -> {binary(), store()}.
read(Sector, #store{cache = Cache} = St) ->
    case row({sector, Sector}, St) of
        {_, _, Bytes} -> {Bytes, St};
        none ->
            case Cache of
                #{Sector := Bytes} -> {Bytes, St};
                #{} ->
                    Bytes = read_disk(Sector, 1, St),
                    {Bytes, cached(Sector, Bytes, St)}
            end
    end.

cached(Sector, Bytes, #store{cache = Cache} = St) when map_size(Cache) < ?CACHED ->
    St#store{cache = Cache#{Sector => Bytes}};
cached(Sector, Bytes, St) -> St#store{cache = #{Sector => Bytes}}.

read_disk(Sector, Count, #store{device = #{read := Read}}) ->
    case Read(Sector, Count) of
        {ok, Bytes} -> Bytes;
        {error, _} = Error -> throw(Error)
    end.

%% @doc Several sectors as they are now, not to be kept here.
-spec read_run(non_neg_integer(), pos_integer(), store()) -> binary().
read_run(Sector, Count, #store{geometry = #{sector := Size}} = St) ->
    Bytes = read_disk(Sector, Count, St),
    iolist_to_binary([current(Sector + I, binary:part(Bytes, I * Size, Size), St) || I <- lists:seq(0, Count - 1)]).

current(Sector, Bytes, St) ->
    case row({sector, Sector}, St) of
        {_, _, New} -> New;
        none -> Bytes
    end.

row(Key, #store{changed = Changed, table = Table}) ->
    case Changed of
        #{Key := Row} -> Row;
        #{} ->
            case ets:lookup(Table, Key) of
                [Row] -> Row;
                [] -> none
            end
    end.

%% @doc A sector is to be that. A new cluster's sector stays one until it is on the disk.
-spec put(class(), non_neg_integer(), binary(), store()) -> store().
put(Class, Sector, Bytes, #store{changed = Changed, cache = Cache} = St) ->
    Key = {sector, Sector},
    As = case row(Key, St) of
        {_, new, _} when Class =:= dir -> new;
        _ -> Class
    end,
    St#store{changed = Changed#{Key => {Key, As, Bytes}}, cache = maps:remove(Sector, Cache)}.

-spec remember(term(), term(), store()) -> store().
remember(Key, Value, #store{changed = Changed} = St) ->
    St#store{changed = Changed#{{fs, Key} => {{fs, Key}, Value}}}.

-spec recall(term(), store()) -> {ok, term()} | none.
recall(Key, St) ->
    case row({fs, Key}, St) of
        {_, '$gone'} -> none;
        {_, Value} -> {ok, Value};
        none -> none
    end.

%% @doc All that is kept under `{Kind, Name}', as `{Name, Value}'.
-spec recall_all(atom(), store()) -> [{term(), term()}].
recall_all(Kind, #store{table = Table, changed = Changed}) ->
    Rows = ets:match_object(Table, {{fs, {Kind, '_'}}, '_'}),
    Old = maps:from_list([{Name, Value} || {{fs, {_, Name}}, Value} <- Rows]),
    New = maps:fold(fun({fs, {K, Name}}, {_, Value}, All) when K =:= Kind -> All#{Name => Value};
                       (_, _, All) -> All
                    end, Old, Changed),
    [{Name, Value} || {Name, Value} <- maps:to_list(New), Value =/= '$gone'].

%% @doc The row is to go: it is given as `{Key, '$gone'}'.
-spec forget(term(), store()) -> store().
forget(Key, St) -> remember(Key, '$gone', St).

%% @doc The rows to be kept; from now on they are taken to be in the table.
-spec take(store()) -> {[tuple()], store()}.
take(#store{changed = Changed} = St) -> {maps:values(Changed), St#store{changed = #{}}}.

%% @doc Puts the rows into the table in the middle of a request. After that the request must not fail.
-spec persist(store()) -> store().
persist(#store{table = Table} = St) ->
    {Rows, New} = take(St),
    true = ets:insert(Table, Rows),
    New.

%% --- what is to be free after the next commit

%% @doc These clusters are free once the names that led to them are gone from the disk.
-spec release(pos_integer(), pos_integer(), store()) -> store().
release(Cluster, Count, #store{changed = Changed, pending = Pending} = St) ->
    Key = {free, Cluster},
    St#store{changed = Changed#{Key => {Key, Count}}, pending = Pending + Count}.

-spec cut(pos_integer(), store()) -> store().
cut(Cluster, #store{changed = Changed, cuts = Cuts} = St) ->
    Key = {cut, Cluster},
    St#store{changed = Changed#{Key => {Key, true}}, cuts = Cuts + 1}.

%% @doc The chain goes on after all, elsewhere.
-spec uncut(pos_integer(), store()) -> store().
uncut(Cluster, #store{changed = Changed} = St) ->
    Key = {cut, Cluster},
    case is_cut(Cluster, St) of
        true -> St#store{changed = Changed#{Key => {Key, false}}};
        false -> St
    end.

-spec is_cut(pos_integer(), store()) -> boolean().
is_cut(_, #store{cuts = 0}) -> false;
is_cut(Cluster, St) -> row({cut, Cluster}, St) =:= {{cut, Cluster}, true}.

%% @doc How many clusters are going to be free.
-spec pending(store()) -> non_neg_integer().
pending(#store{pending = Pending}) -> Pending.

%% --- to the disk

%% @doc Nothing is left to write, and the disk says so.
-spec is_clean(store()) -> boolean().
is_clean(#store{dirty = Dirty} = St) -> not Dirty andalso nothing_to_write(St).

nothing_to_write(#store{table = Table, changed = Changed}) ->
    Changed =:= #{} andalso
        ets:select_count(Table, [{{{sector, '_'}, '_', '_'}, [], [true]},
                                 {{{free, '_'}, '_'}, [], [true]}, {{{cut, '_'}, '_'}, [], [true]}]) =:= 0.

%% @doc All changes up to now, and all bytes written up to now, are on the disk. Throws `{error, _}'; then it is to be
%% tried again. Killed anywhere, it can be started from the beginning.
-spec commit(store()) -> store().
commit(#store{table = Table, changed = Changed} = St0) when Changed =:= #{} ->
    Sectors = ets:match_object(Table, {{sector, '_'}, '_', '_'}),
    Frees = ets:match_object(Table, {{free, '_'}, '_'}),
    Cuts = ets:match_object(Table, {{cut, '_'}, '_'}),
    case {Sectors, Frees, Cuts} of
        {[], [], []} ->
            flush(St0),
            St0;
        _ ->
            St1 = mark_dirty(St0),
            [write_disk(Sector, Bytes, St1) || {{sector, Sector}, new, Bytes} <- Sectors],
            flush(St1),
            Fat = [Row || {_, fat, _} = Row <- Sectors],
            [write_fat(Sector, Bytes, St1) || {{sector, Sector}, fat, Bytes} <- Fat],
            Fat =:= [] orelse flush(St1),
            Dir = [Row || {_, dir, _} = Row <- Sectors],
            write_runs(lists:sort([{Sector, Bytes} || {{sector, Sector}, _, Bytes} <- Dir]), St1),
            Dir =:= [] orelse flush(St1),
            free_released(Frees, Cuts, written(Sectors, St1))
    end.

flush(#store{device = #{flush := Flush}}) -> checked(Flush()).
write_disk(Sector, Bytes, #store{device = #{write := Write}}) -> checked(Write(Sector, Bytes)).

checked(ok) -> ok;
checked({error, _} = Error) -> throw(Error).

%% Neighbours in one write.
write_runs([], _) -> ok;
write_runs([{Sector, Bytes} | Rest], St) ->
    {Run, Others} = run(Sector + 1, Rest, []),
    write_disk(Sector, [Bytes | Run], St),
    write_runs(Others, St).

run(Next, [{Next, Bytes} | Rest], Done) -> run(Next + 1, Rest, [Bytes | Done]);
run(_, Rest, Done) -> {lists:reverse(Done), Rest}.

%% @doc A sector of the FAT, given by its place in the first copy, into every copy. The first sector also says whether
%% the volume is clean.
-spec write_fat(non_neg_integer(), binary(), store()) -> ok.
write_fat(Sector, Bytes, #store{geometry = #{fat := Fat, copies := Copies}, dirty = Dirty} = St) ->
    Out = case Sector - Fat - hd(Copies) of
        0 -> clean_bit(Bytes, Dirty);
        _ -> Bytes
    end,
    [write_disk(Sector - hd(Copies) + Copy, Out, St) || Copy <- Copies],
    ok.

clean_bit(<<First:4/binary, Entry:32/little, Rest/binary>>, Dirty) ->
    New = case Dirty of
        true -> Entry band (bnot ?CLEAN_BIT);
        false -> Entry bor ?CLEAN_BIT
    end,
    <<First/binary, New:32/little, Rest/binary>>.

written(Sectors, #store{table = Table} = St) ->
    [ets:delete(Table, Key) || {Key, _, _} <- Sectors],
    lists:foldl(fun({{sector, Sector}, _, Bytes}, S) -> cached(Sector, Bytes, S) end, St, Sectors).

%% Names first, then bytes: now that no name leads there, the clusters are marked free. One insert, so that dying here
%% frees all or nothing.
free_released([], [], St) -> St;
free_released(Frees, Cuts, #store{table = Table, pending = Pending} = St) ->
    Ends = maps:from_list([{Cluster, 16#0fffffff} || {{cut, Cluster}, true} <- Cuts]),
    %% A chain that was cut may have gone altogether since.
    Zeros = maps:from_list([{Cluster, 0} || {{free, First}, Count} <- Frees,
                                            Cluster <- lists:seq(First, First + Count - 1)]),
    St1 = loom_fat_table:set_all(maps:to_list(maps:merge(Ends, Zeros)), St),
    {ok, Free} = recall(free, St1),
    {Rows, St2} = take(remember(free, Free + Pending, St1)),
    Gone = [{Key, 0} || {Key, _} <- Frees] ++ [{Key, false} || {Key, _} <- Cuts],
    true = ets:insert(Table, Rows ++ Gone),
    [ets:delete(Table, Key) || {Key, _} <- Gone],
    St2#store{cuts = 0, pending = 0}.

%% The first change says, before anything else: this volume is in use.
mark_dirty(#store{dirty = true} = St) -> St;
mark_dirty(St) ->
    Dirty = St#store{dirty = true},
    write_state(Dirty),
    flush(Dirty),
    Dirty.

write_state(#store{geometry = #{fat := Fat, copies := [First | _]}, dirty = Dirty} = St) ->
    <<A:65/binary, State, B/binary>> = read_disk(0, 1, St),
    Bit = case Dirty of true -> 1; false -> 0 end,
    write_disk(0, <<A/binary, (State band 16#fe bor Bit), B/binary>>, St),
    write_fat(Fat + First, read_disk(Fat + First, 1, St), St).

%% @doc Was it left without being unmounted?
-spec looks_dirty(store()) -> boolean().
looks_dirty(#store{dirty = Dirty, geometry = #{fat := Fat, copies := [First | _]}} = St) ->
    <<_:32, Entry:32/little, _/binary>> = read_disk(Fat + First, 1, St),
    Dirty orelse Entry band ?CLEAN_BIT =:= 0.

%% @doc From now on it is taken for dirty, until it is marked clean.
-spec assume_dirty(store()) -> store().
assume_dirty(St) -> St#store{dirty = true}.

%% @doc Makes the other copies of the FAT like the first. How many sectors differed.
-spec mirror(store()) -> non_neg_integer().
mirror(#store{geometry = #{copies := [First | Copies], fat := Fat, fat_size := Size}} = St) ->
    lists:sum([mirror(Fat + First + At, Fat + Copy + At, min(64, Size - At), St)
               || Copy <- Copies, At <- lists:seq(0, Size - 1, 64)]).

mirror(From, To, Count, #store{geometry = #{sector := Size}} = St) ->
    Good = read_disk(From, Count, St),
    case read_disk(To, Count, St) of
        Good -> 0;
        Bad ->
            Wrong = [{To + I, B} || I <- lists:seq(0, Count - 1), B <- [binary:part(Good, I * Size, Size)],
                                    B =/= binary:part(Bad, I * Size, Size)],
            write_runs(Wrong, St),
            length(Wrong)
    end.

-spec read_hints(store()) -> {non_neg_integer(), non_neg_integer()} | error.
read_hints(#store{geometry = #{info := none}}) -> error;
read_hints(#store{geometry = #{info := Info}} = St) -> loom_fat_boot:parse_info(read_disk(Info, 1, St)).

-spec begin_with(Free :: non_neg_integer(), Next :: pos_integer(), store()) -> store().
begin_with(Free, Next, St) -> remember(free, Free, remember(next, Next, St)).

%% @doc Writes the hints, then that the volume is clean. Everything must be committed.
-spec mark_clean({Free :: non_neg_integer(), Next :: non_neg_integer()}, store()) -> store().
mark_clean(_, #store{dirty = false} = St) -> St;
mark_clean(Hints, #store{geometry = #{info := Info}} = St) ->
    Info =:= none orelse write_info(Info, Hints, St),
    flush(St),
    Clean = St#store{dirty = false},
    write_state(Clean),
    flush(Clean),
    Clean.

write_info(Sector, Hints, St) ->
    Old = read_disk(Sector, 1, St),
    case loom_fat_boot:parse_info(Old) of
        error -> ok; % not one, so not ours to write
        _ -> write_disk(Sector, loom_fat_boot:info(Old, Hints), St)
    end.
