%% SPDX-License-Identifier: Apache-2.0
%% @doc Partition tables, without any state: GPT (header and entries checked by their sums; the backup at the disk's end
%% when the first is damaged) and MBR with extended partitions. A disk may also hold a file system without a table.
-module(loom_partitions).

-export([find/3]).

-type read() :: fun((Block :: non_neg_integer(), Count :: pos_integer()) -> {ok, binary()} | {error, term()}).
%% `type': the type byte of an MBR, the type GUID of a GPT (as it stands on the disk).
-type partition() :: #{number := pos_integer(), first := non_neg_integer(), count := pos_integer(),
                       type := byte() | <<_:128>>, name := binary()}.
-export_type([partition/0]).

-define(MOST, 128).
-define(IS_EXTENDED(T), (T =:= 16#05 orelse T =:= 16#0f orelse T =:= 16#85)).

%% @doc The partitions of a disk with that many blocks; `none' when it has no table.
-spec find(read(), BlockSize :: pos_integer(), Blocks :: non_neg_integer()) ->
    {ok, gpt | mbr | none, [partition()]} | {error, term()}.
find(Read, Size, Blocks) ->
    case Read(0, 1) of
        {ok, First} -> table(First, Read, Size, Blocks);
        Error -> Error
    end.

table(<<_:446/binary, Entries:64/binary, 16#55, 16#aa, _/binary>> = First, Read, Size, Blocks) ->
    case loom_fat_boot:parse(First) of
        {error, not_fat} ->
            Primary = [E || <<_:4/binary, Type, _:11/binary>> = E <- cut(Entries, 16), Type =/= 0],
            case [E || <<_:4/binary, 16#ee, _/binary>> = E <- Primary] of
                [] -> {ok, mbr, mbr(cut(Entries, 16), Read, Blocks)};
                _ -> gpt(Read, Size, Blocks)
            end;
        _ -> {ok, none, []}
    end;
table(_, _, _, _) -> {ok, none, []}.

cut(Bytes, Size) -> [E || <<E:Size/binary>> <= Bytes].

%% --- MBR

mbr(Entries, Read, Blocks) ->
    Numbered = lists:zip(lists:seq(1, 4), Entries),
    Primary = [P || {N, E} <- Numbered, P <- partition(N, E, 0, Blocks)],
    Logical = [extended(Start, Start, 5, Read, Blocks, [])
               || {_, <<_:4/binary, Type, _:3/binary, Start:32/little, _:32>>} <- Numbered, ?IS_EXTENDED(Type)],
    Primary ++ case Logical of [] -> []; [L | _] -> L end.

partition(N, <<_:4/binary, Type, _:3/binary, Start:32/little, Count:32/little>>, Base, Blocks)
  when Type =/= 0, Type =/= 16#05, Type =/= 16#0f, Type =/= 16#85, Count > 0, Base + Start + Count =< Blocks ->
    [#{number => N, first => Base + Start, count => Count, type => Type, name => <<>>}];
partition(_, _, _, _) -> [].

%% A chain of tables: the first entry counts from its own table, the second leads to the next, counted from the first.
extended(Base, At, N, Read, Blocks, Done) when N =< ?MOST, At < Blocks ->
    case Read(At, 1) of
        {ok, <<_:446/binary, First:16/binary, Next:16/binary, _:32/binary, 16#55, 16#aa, _/binary>>} ->
            Found = partition(N, First, At, Blocks),
            case Next of
                <<_:4/binary, Type, _:3/binary, Offset:32/little, _:32>> when ?IS_EXTENDED(Type), Offset > 0 ->
                    extended(Base, Base + Offset, N + length(Found), Read, Blocks, lists:reverse(Found, Done));
                _ -> lists:reverse(Done, Found)
            end;
        _ -> lists:reverse(Done)
    end;
extended(_, _, _, _, _, Done) -> lists:reverse(Done).

%% --- GPT

gpt(Read, Size, Blocks) ->
    case gpt_at(1, Read, Size, Blocks) of
        {ok, Partitions} -> {ok, gpt, Partitions};
        _ ->
            case gpt_at(Blocks - 1, Read, Size, Blocks) of
                {ok, Partitions} -> {ok, gpt, Partitions};
                _ -> {error, damaged_gpt}
            end
    end.

gpt_at(At, Read, Size, Blocks) ->
    case Read(At, 1) of
        {ok, <<"EFI PART", _Revision:32, Length:32/little, Sum:32/little, _:32, At:64/little, _:64, First:64/little,
               Last:64/little, _:16/binary, Entries:64/little, Count:32/little, EntrySize:32/little,
               EntriesSum:32/little, _/binary>> = Header}
          when Length >= 92, Length =< Size, Count =< 1024, EntrySize >= 128, EntrySize =< 4096, Last < Blocks ->
            <<Before:16/binary, _:32, After/binary>> = binary:part(Header, 0, Length),
            case erlang:crc32([Before, <<0:32>>, After]) of
                Sum -> entries(Entries, Count, EntrySize, EntriesSum, {First, Last}, Read, Size);
                _ -> {error, sum}
            end;
        _ -> {error, header}
    end.

entries(At, Count, EntrySize, Sum, Usable, Read, Size) ->
    Bytes = Count * EntrySize,
    case Read(At, (Bytes + Size - 1) div Size) of
        {ok, <<Table:Bytes/binary, _/binary>>} ->
            case erlang:crc32(Table) of
                Sum ->
                    Numbered = lists:zip(lists:seq(1, Count), cut(Table, EntrySize)),
                    {ok, [P || {N, E} <- Numbered, P <- entry(N, E, Usable)]};
                _ -> {error, sum}
            end;
        _ -> {error, entries}
    end.

entry(_, <<0:128, _/binary>>, _) -> [];
entry(N, <<Type:16/binary, _:16/binary, First:64/little, Last:64/little, _:64, Name:72/binary, _/binary>>, {Low, High})
  when First >= Low, First =< Last, Last =< High ->
    [#{number => N, first => First, count => Last - First + 1, type => Type, name => name(Name)}];
entry(_, _, _) -> [].

name(Units) ->
    [Text | _] = string:split(<< <<C/utf8>> || <<C:16/little>> <= Units, C < 16#d800 >>, <<0>>),
    Text.
