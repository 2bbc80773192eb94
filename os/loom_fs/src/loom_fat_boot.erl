%% SPDX-License-Identifier: Apache-2.0
%% @doc The boot sector of a FAT volume, and the sector of hints beside it: reading, checking, making.
-module(loom_fat_boot).

-export([parse/1, parse_info/1, info/2, layout/3, format/2]).

-type geometry() :: #{sector := pos_integer(), per_cluster := pos_integer(), fat := pos_integer(),
                      fat_size := pos_integer(), copies := [non_neg_integer()], root := pos_integer(),
                      data := pos_integer(), clusters := pos_integer(), info := non_neg_integer() | none,
                      sectors := pos_integer(), label := binary(), dirty := boolean()}.
-export_type([geometry/0]).

-define(RESERVED, 32).
-define(BACKUP, 6).
-define(MEDIA, 16#f8).

%% @doc Where things are. Sectors count from the volume's beginning; `copies' are the offsets of the FATs that are to be
%% kept alike, in sectors from the first; the first of them is the one that is read.
-spec parse(binary()) -> {ok, geometry()} | {error, not_fat | fat12 | fat16 | damaged}.
parse(<<Jump, _:10/binary, Sector:16/little, PerCluster, Reserved:16/little, Fats, Entries:16/little, Total16:16/little,
        _Media, Size16:16/little, _:8/binary, Total32:32/little, Rest/binary>>)
  when (Jump =:= 16#eb orelse Jump =:= 16#e9), (Fats =:= 1 orelse Fats =:= 2), Reserved > 0,
       (Sector =:= 512 orelse Sector =:= 1024 orelse Sector =:= 2048 orelse Sector =:= 4096),
       PerCluster > 0, PerCluster band (PerCluster - 1) =:= 0 ->
    case Rest of
        <<_:474/binary, 16#55, 16#aa, _/binary>> ->
            Total = case Total16 of 0 -> Total32; _ -> Total16 end,
            parse(Sector, PerCluster, Reserved, Fats, Entries, Size16, Total, Rest);
        _ -> {error, not_fat}
    end;
parse(_) -> {error, not_fat}.

parse(Sector, PerCluster, Reserved, Fats, 0, 0, Total, Rest) ->
    <<Size:32/little, Flags:16/little, Version:16, Root:32/little, Info:16/little, _:14/binary, _Drive, State,
      _:5/binary, Label:11/binary, _/binary>> = Rest,
    Data = Reserved + Fats * Size,
    Clusters = (Total - Data) div PerCluster,
    Room = Size * Sector div 4 - 2,
    if
        Version =/= 0; Clusters < 1; Clusters > 16#0ffffff5; Root < 2; Root > Clusters + 1; Room < 1 ->
            {error, damaged};
        true ->
            {ok, #{sector => Sector, per_cluster => PerCluster, fat => Reserved, fat_size => Size,
                   copies => copies(Flags, Fats, Size), root => Root, data => Data, clusters => min(Clusters, Room),
                   info => if Info > 0, Info < Reserved -> Info; true -> none end, sectors => Total,
                   label => string:trim(Label, trailing, " "), dirty => State band 1 =:= 1}}
    end;
parse(Sector, PerCluster, Reserved, Fats, Entries, Size, Total, _) ->
    Data = Reserved + Fats * Size + (Entries * 32 + Sector - 1) div Sector,
    case (Total - Data) div PerCluster of
        Clusters when Clusters < 4085 -> {error, fat12};
        _ -> {error, fat16}
    end.

%% With mirroring off, only one copy counts.
copies(Flags, Fats, Size) when Flags band 16#80 =/= 0, Flags band 16#0f < Fats -> [(Flags band 16#0f) * Size];
copies(_, Fats, Size) -> [N * Size || N <- lists:seq(0, Fats - 1)].

%% @doc The hints: how many clusters are free, and where to look for the next. `error' when it is no such sector.
-spec parse_info(binary()) -> {Free :: non_neg_integer(), Next :: non_neg_integer()} | error.
parse_info(<<"RRaA", _:480/binary, "rrAa", Free:32/little, Next:32/little, _/binary>>) -> {Free, Next};
parse_info(_) -> error.

%% @doc The sector with these hints; what else it holds is kept.
-spec info(binary(), {non_neg_integer(), non_neg_integer()}) -> binary().
info(<<A:488/binary, _:64, B/binary>>, {Free, Next}) -> <<A/binary, Free:32/little, Next:32/little, B/binary>>.

%% --- making volumes

%% @doc `{Sectors a cluster, Sectors a FAT}' for a volume of that size.
-spec layout(Sectors :: pos_integer(), SectorSize :: pos_integer(), PerCluster :: pos_integer() | default) ->
    {pos_integer(), pos_integer()}.
layout(Sectors, Size, default) ->
    Mib = Sectors * Size bsr 20,
    Bytes = if
        Mib =< 260 -> 512;
        Mib =< 8192 -> 4096;
        Mib =< 16384 -> 8192;
        Mib =< 32768 -> 16384;
        true -> 32768
    end,
    layout(Sectors, Size, max(1, Bytes div Size));
layout(Sectors, Size, PerCluster) -> layout(Sectors, Size, PerCluster, 1).

%% The smallest FAT that has an entry for every cluster it leaves room for.
layout(Sectors, Size, PerCluster, FatSize) ->
    Clusters = (Sectors - ?RESERVED - 2 * FatSize) div PerCluster,
    case ((Clusters + 2) * 4 + Size - 1) div Size of
        Needed when Needed > FatSize -> layout(Sectors, Size, PerCluster, Needed);
        _ -> {PerCluster, FatSize}
    end.

%% @doc Makes an empty volume: `label' (eleven characters), `id' and `cluster' (bytes) may be given.
-spec format(loom_fs:device(), #{label => binary(), id => non_neg_integer(), cluster => pos_integer()}) ->
    ok | {error, term()}.
format(#{sector_size := Size, sectors := Sectors} = Device, Options) ->
    Wanted = case Options of
        #{cluster := Bytes} -> max(1, Bytes div Size);
        _ -> default
    end,
    {PerCluster, FatSize} = layout(Sectors, Size, Wanted),
    Clusters = (Sectors - ?RESERVED - 2 * FatSize) div PerCluster,
    if
        Sectors > 16#ffffffff; Clusters > 16#0ffffff5; PerCluster > 128 -> {error, too_large};
        Clusters < 16 -> {error, too_small};
        true -> write_all(Device, sectors(Size, Sectors, PerCluster, FatSize, Clusters, Options))
    end.

%% The boot sector comes last, so that a volume half made is none.
sectors(Size, Sectors, PerCluster, FatSize, Clusters, Options) ->
    Boot = padded(boot(Size, Sectors, PerCluster, FatSize, Options), Size),
    Info = padded(<<"RRaA", 0:480/unit:8, "rrAa", (Clusters - 1):32/little, 3:32/little, 0:14/unit:8, 16#55, 16#aa>>,
                  Size),
    Third = padded(<<0:510/unit:8, 16#55, 16#aa>>, Size),
    Fat = padded(<<(16#0fffff00 bor ?MEDIA):32/little, 16#0fffffff:32/little, 16#0ffffff8:32/little>>, Size),
    Data = ?RESERVED + 2 * FatSize,
    Label = root(maps:get(label, Options, <<>>)),
    [{0, binary:copy(<<0>>, Size)}, {1, [Info, Third, zeros(3, Size), Boot, Info, Third, zeros(?RESERVED - 9, Size)]}]
        ++ [{?RESERVED + N * FatSize, Fat} || N <- [0, 1]]
        ++ lists:append([[{?RESERVED + N * FatSize + I, zeros(min(128, FatSize - I), Size)}
                          || I <- lists:seq(1, FatSize - 1, 128)] || N <- [0, 1]])
        ++ [{Data, [padded(Label, Size), zeros(PerCluster - 1, Size)]}, flush, {0, Boot}].

zeros(Count, Size) -> binary:copy(<<0>>, Count * Size).
padded(Bytes, Size) -> <<Bytes/binary, 0:(Size - byte_size(Bytes))/unit:8>>.

root(<<>>) -> <<>>;
root(Label) -> loom_fat_dir:new(label(Label), 0, #{attributes => 16#08}, os:system_time(second)).

label(<<>>) -> <<"NO NAME    ">>;
label(Text) -> <<Label:11/binary, _/binary>> = <<Text/binary, "           ">>, Label.

boot(Size, Sectors, PerCluster, FatSize, Options) ->
    Id = maps:get(id, Options, erlang:phash2({os:system_time(), make_ref()}, 1 bsl 32)),
    <<16#eb, 16#58, 16#90, "LOOM    ", Size:16/little, PerCluster, ?RESERVED:16/little, 2, 0:16, 0:16, ?MEDIA, 0:16,
      32:16/little, 64:16/little, 0:32, Sectors:32/little, FatSize:32/little, 0:16, 0:16, 2:32/little, 1:16/little,
      ?BACKUP:16/little, 0:96, 16#80, 0, 16#29, Id:32/little, (label(maps:get(label, Options, <<>>)))/binary,
      "FAT32   ", 16#eb, 16#fe, 0:418/unit:8, 16#55, 16#aa>>. % who boots from it stays here

write_all(#{flush := Flush}, []) -> Flush();
write_all(#{flush := Flush} = Device, [flush | Rest]) ->
    case Flush() of
        ok -> write_all(Device, Rest);
        Error -> Error
    end;
write_all(#{write := Write} = Device, [{Sector, Bytes} | Rest]) ->
    case Write(Sector, Bytes) of
        ok -> write_all(Device, Rest);
        Error -> Error
    end.
