%% SPDX-License-Identifier: Apache-2.0
%% @doc The file allocation table: one number a cluster, the next of its chain. Chains are given as extents
%% `{Index, Cluster, Count}', the last of them first, so that growing a file costs nothing: its clusters `Index' and
%% following are `Cluster' and following.
-module(loom_fat_table).

-export([chain/2, allocate/4, set_all/2, link/3, clusters/1, last/1, cut/2, locate/2]).
-export([sector_of/2, count_free/1, fold/3]).

-define(MASK, 16#0fffffff).
-define(LAST, 16#0fffffff).
-define(IS_LAST(C), C >= 16#0ffffff8).

-type cluster() :: pos_integer().
-type extent() :: {non_neg_integer(), cluster(), pos_integer()}.
-type chain() :: [extent()].
-export_type([cluster/0, chain/0]).

%% @doc `{Sector, Index in it}' of a cluster's entry.
-spec sector_of(non_neg_integer(), loom_fat_boot:geometry()) -> {non_neg_integer(), non_neg_integer()}.
sector_of(Cluster, #{fat := Fat, copies := [First | _], sector := Size}) ->
    Per = Size div 4,
    {Fat + First + Cluster div Per, Cluster rem Per}.

entry(Bytes, Index) ->
    Bits = Index * 32,
    <<_:Bits, Entry:32/little, _/binary>> = Bytes,
    Entry band ?MASK.

get(Cluster, St) ->
    case loom_fat_store:is_cut(Cluster, St) of
        true -> {?LAST, St};
        false ->
            {Sector, Index} = sector_of(Cluster, loom_fat_store:geometry(St)),
            {Bytes, New} = loom_fat_store:read(Sector, St),
            {entry(Bytes, Index), New}
    end.

%% @doc The chain that begins there. Throws `{error, eio}' when it is broken.
-spec chain(non_neg_integer(), loom_fat_store:store()) -> {chain(), loom_fat_store:store()}.
chain(0, St) -> {[], St};
chain(First, St) ->
    #{clusters := Clusters} = loom_fat_store:geometry(St),
    chain(First, 0, [], Clusters, St).

chain(Cluster, Index, Done, Clusters, St) when Cluster >= 2, Cluster =< Clusters + 1, Index < Clusters ->
    {Next, New} = get(Cluster, St),
    Extents = extend(Index, Cluster, Done),
    if
        ?IS_LAST(Next) -> {Extents, New};
        true -> chain(Next, Index + 1, Extents, Clusters, New)
    end;
chain(_, _, _, _, _) -> throw({error, eio}).

extend(_, Cluster, [{At, First, Count} | Rest]) when Cluster =:= First + Count -> [{At, First, Count + 1} | Rest];
extend(Index, Cluster, Done) -> [{Index, Cluster, 1} | Done].

-spec clusters(chain()) -> non_neg_integer().
clusters([]) -> 0;
clusters([{Index, _, Count} | _]) -> Index + Count.

-spec last(chain()) -> cluster() | none.
last([]) -> none;
last([{_, Cluster, Count} | _]) -> Cluster + Count - 1.

%% @doc `{Cluster, Count}': where the chain's cluster with that index is, and how many follow it in a row, with it.
-spec locate(non_neg_integer(), chain()) -> {cluster(), pos_integer()}.
locate(Index, [{At, Cluster, Count} | _]) when Index >= At -> {Cluster + Index - At, Count - (Index - At)};
locate(Index, [_ | Rest]) -> locate(Index, Rest).

%% @doc The chain's first `Count' clusters, and the extents of the others.
-spec cut(non_neg_integer(), chain()) -> {chain(), chain()}.
cut(Count, Chain) -> cut(Count, Chain, []).

cut(Keep, [{At, _, _} = Extent | Rest], Gone) when At >= Keep -> cut(Keep, Rest, [Extent | Gone]);
cut(Keep, [{At, Cluster, Count} | Rest], Gone) when At + Count > Keep ->
    {[{At, Cluster, Keep - At} | Rest], [{Keep, Cluster + Keep - At, At + Count - Keep} | Gone]};
cut(_, Rest, Gone) -> {Rest, Gone}.

%% --- changes

%% @doc Sets entries, `[{Cluster, Value}]'.
-spec set_all([{cluster(), non_neg_integer()}], loom_fat_store:store()) -> loom_fat_store:store().
set_all(Changes, St) ->
    Geometry = loom_fat_store:geometry(St),
    Placed = lists:sort([{sector_of(C, Geometry), Value} || {C, Value} <- Changes]),
    set_sorted(Placed, St).

set_sorted([], St) -> St;
set_sorted([{{Sector, _}, _} | _] = Changes, St) ->
    {Here, Others} = lists:splitwith(fun({{S, _}, _}) -> S =:= Sector end, Changes),
    {Bytes, Read} = loom_fat_store:read(Sector, St),
    New = iolist_to_binary(patch(Bytes, 0, Here)),
    set_sorted(Others, loom_fat_store:put(fat, Sector, New, Read)).

%% The upper four bits of an entry are not ours.
patch(Bytes, _, []) -> [Bytes];
patch(Bytes, At, [{{_, Index}, Value} | Rest]) ->
    Skip = (Index - At) * 4,
    <<Before:Skip/binary, Old:32/little, After/binary>> = Bytes,
    [Before, <<(Old band (bnot ?MASK) bor Value):32/little>> | patch(After, Index + 1, Rest)].

%% @doc Makes the chain go on at a cluster.
-spec link(cluster(), cluster(), loom_fat_store:store()) -> loom_fat_store:store().
link(Last, Next, St) -> set_all([{Last, Next}], loom_fat_store:uncut(Last, St)).

%% @doc Finds `Count' free clusters, first behind `Near', and makes them a chain of its own whose indexes begin at
%% `Index'. Throws `{error, enospc}'.
-spec allocate(pos_integer(), non_neg_integer(), cluster(), loom_fat_store:store()) ->
    {chain(), loom_fat_store:store()}.
allocate(Count, Index, Near, St) ->
    #{clusters := Clusters} = loom_fat_store:geometry(St),
    From = if Near >= 2, Near =< Clusters + 1 -> Near; true -> 2 end,
    case find(From, Clusters + 2, Count, [], St) of
        {0, Found, St1} -> chained(Found, Index, St1);
        {Missing, Found, St1} ->
            case find(2, From, Missing, Found, St1) of
                {0, All, St2} -> chained(All, Index, St2);
                _ -> throw({error, enospc})
            end
    end.

%% Found clusters are listed last first.
chained([Last | _] = Found, Index, St) ->
    Clusters = lists:reverse(Found),
    Changes = lists:zip(Clusters, tl(Clusters) ++ [?LAST]),
    {Extents, _} = lists:foldl(fun(C, {Done, I}) -> {extend(I, C, Done), I + 1} end, {[], Index}, Clusters),
    {ok, Free} = loom_fat_store:recall(free, St),
    New = loom_fat_store:remember(free, Free - length(Found), set_all(Changes, St)),
    {Extents, loom_fat_store:remember(next, Last + 1, New)}.

find(From, End, Missing, Found, St) when From >= End; Missing =:= 0 -> {Missing, Found, St};
find(From, End, Missing, Found, St) ->
    {Sector, Index} = sector_of(From, loom_fat_store:geometry(St)),
    {Bytes, New} = loom_fat_store:read(Sector, St),
    Stop = min(End, From + byte_size(Bytes) div 4 - Index),
    {Left, More} = zeros(binary:part(Bytes, Index * 4, (Stop - From) * 4), From, Missing, Found),
    find(Stop, End, Left, More, New).

zeros(_, _, 0, Found) -> {0, Found};
zeros(<<Entry:32/little, Rest/binary>>, Cluster, Missing, Found) when Entry band ?MASK =:= 0 ->
    zeros(Rest, Cluster + 1, Missing - 1, [Cluster | Found]);
zeros(<<_:32, Rest/binary>>, Cluster, Missing, Found) -> zeros(Rest, Cluster + 1, Missing, Found);
zeros(<<>>, _, Missing, Found) -> {Missing, Found}.

%% --- the whole table

-spec count_free(loom_fat_store:store()) -> non_neg_integer().
count_free(St) -> fold(fun(_, 0, Free) -> Free + 1; (_, _, Free) -> Free end, 0, St).

%% @doc All entries in their order, read from the disk in large pieces.
-spec fold(fun((cluster(), non_neg_integer(), Acc) -> Acc), Acc, loom_fat_store:store()) -> Acc.
fold(Fun, Acc, St) ->
    #{clusters := Clusters, sector := Size} = Geometry = loom_fat_store:geometry(St),
    {First, 0} = sector_of(0, Geometry),
    Sectors = ((Clusters + 2) * 4 + Size - 1) div Size,
    fold(Fun, Acc, First, Sectors, 0, Clusters + 2, St).

fold(_, Acc, _, 0, _, _, _) -> Acc;
fold(Fun, Acc, Sector, Left, Cluster, End, St) ->
    Count = min(64, Left),
    Bytes = loom_fat_store:read_run(Sector, Count, St),
    New = fold_bytes(Bytes, Cluster, End, Fun, Acc),
    fold(Fun, New, Sector + Count, Left - Count, Cluster + byte_size(Bytes) div 4, End, St).

fold_bytes(<<_:32, Rest/binary>>, Cluster, End, Fun, Acc) when Cluster < 2 ->
    fold_bytes(Rest, Cluster + 1, End, Fun, Acc);
fold_bytes(<<Entry:32/little, Rest/binary>>, Cluster, End, Fun, Acc) when Cluster < End ->
    fold_bytes(Rest, Cluster + 1, End, Fun, Fun(Cluster, Entry band ?MASK, Acc));
fold_bytes(_, _, _, _, Acc) -> Acc.
