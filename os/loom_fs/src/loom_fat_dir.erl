%% SPDX-License-Identifier: Apache-2.0
%% @doc Directories of FAT volumes as bytes, without any state. A directory is a row of 32-byte slots: a file is one
%% entry with the slots of its long name in front of it; the first slot that begins with 0 ends the directory.
-module(loom_fat_dir).

-export([parse/2, new/4, dots/3, patch/2, field/2, generation/1, renamed/4, slot_size/0]).

-define(SLOT, 32).
-define(LONG, 16#0f).
-define(LABEL, 16#08).
-define(DELETED, 16#e5).
-define(GENERATION, 16#07).

%% `first': the slot where its long name begins; `slot': its own. Times are POSIX seconds.
-type entry() :: #{name := loom_fat_name:name(), short := loom_fat_name:short(), first := non_neg_integer(),
                   slot := non_neg_integer(), attributes := byte(), cluster := non_neg_integer(),
                   size := non_neg_integer(), mtime := integer(), ctime := integer()}.
%% `holes': a bit for each deleted slot, by sector; `orphans': slots of long names without their entry; `garbage': there
%% is something behind the end.
-type parsed() :: #{entries := [entry()], 'end' := non_neg_integer(), holes := #{non_neg_integer() => pos_integer()},
                    orphans := [non_neg_integer()], garbage := boolean()}.
-type fields() :: #{cluster => non_neg_integer(), size => non_neg_integer(), attributes => byte(), mtime => integer()}.
-export_type([entry/0, parsed/0, fields/0]).

-spec slot_size() -> 32.
slot_size() -> ?SLOT.

%% @doc What a directory of `PerSector' slots a sector holds. "." and "..", and the volume's label, are not files.
-spec parse(binary(), pos_integer()) -> parsed().
parse(Bytes, PerSector) ->
    parse(Bytes, 0, none, #{entries => [], holes => #{}, orphans => [], per_sector => PerSector}).

parse(<<0, _/binary>> = Rest, At, Long, P) -> finish(At, Long, not is_zero(Rest), P);
parse(<<>>, At, Long, P) -> finish(At, Long, false, P);
parse(<<Slot:?SLOT/binary, Rest/binary>>, At, Long, P) ->
    case Slot of
        <<?DELETED, _/binary>> -> parse(Rest, At + 1, none, hole(At, orphans(Long, P)));
        <<_:11/binary, ?LONG, _/binary>> ->
            {Next, New} = long_slot(loom_fat_name:slot_text(Slot), At, Long, P),
            parse(Rest, At + 1, Next, New);
        <<_:11/binary, Attributes, _/binary>> when Attributes band ?LABEL =/= 0 ->
            parse(Rest, At + 1, none, orphans(Long, P));
        <<".          ", _/binary>> -> parse(Rest, At + 1, none, orphans(Long, P));
        <<"..         ", _/binary>> -> parse(Rest, At + 1, none, orphans(Long, P));
        _ -> parse(Rest, At + 1, none, add(Slot, At, Long, P))
    end.

finish(At, Long, Garbage, P) ->
    #{entries := Entries, orphans := Orphans} = New = orphans(Long, P),
    maps:remove(per_sector, New#{'end' => At, garbage => Garbage, entries := lists:reverse(Entries),
                                 orphans := lists:reverse(Orphans)}).

is_zero(Bytes) -> Bytes =:= binary:copy(<<0>>, byte_size(Bytes)).

hole(At, #{holes := Holes, per_sector := Per} = P) ->
    Sector = At div Per,
    P#{holes := Holes#{Sector => maps:get(Sector, Holes, 0) bor (1 bsl (At rem Per))}}.

%% `Long' is `{First, Number of the last slot seen, Checksum, Texts}' while a long name is being read.
long_slot({Number, Sum, Text}, At, Long, P) when Number band 16#40 =/= 0, Number band 16#3f > 0 ->
    {{At, Number band 16#3f, Sum, [Text]}, orphans(Long, P)};
long_slot({Number, Sum, Text}, _At, {First, Before, Sum, Texts}, P) when Number =:= Before - 1, Number > 0 ->
    {{First, Number, Sum, [Text | Texts]}, P};
long_slot(_, At, Long, P) ->
    #{orphans := Orphans} = New = orphans(Long, P),
    {none, New#{orphans := [At | Orphans]}}.

orphans(none, P) -> P;
orphans({First, _, _, Texts}, #{orphans := Orphans} = P) ->
    P#{orphans := lists:reverse(lists:seq(First, First + length(Texts) - 1), Orphans)}.

add(<<Short:11/binary, Attributes, Case, _Tenth, CTime:16/little, CDate:16/little, _:16, High:16/little,
      MTime:16/little, MDate:16/little, Low:16/little, Size:32/little>>, At, Long, P) ->
    {Name, First, #{entries := Entries} = New} = name(Short, Case, At, Long, P),
    Entry = #{name => Name, short => Short, first => First, slot => At, attributes => Attributes,
              cluster => (High band 16#0fff) bsl 16 bor Low, size => Size, mtime => posix(MDate, MTime),
              ctime => posix(CDate, CTime)},
    New#{entries := [Entry | Entries]}.

name(Short, Case, At, {First, 1, Sum, Texts} = Long, P) ->
    Name = loom_fat_name:long(Texts),
    case loom_fat_name:checksum(Short) of
        Sum when Name =/= error -> {Name, First, P};
        _ -> {loom_fat_name:shown(Short, Case), At, orphans(Long, P)}
    end;
name(Short, Case, At, Long, P) -> {loom_fat_name:shown(Short, Case), At, orphans(Long, P)}.

%% --- one entry

%% @doc A new entry's slot.
-spec new(loom_fat_name:short(), byte(), fields(), integer()) -> <<_:256>>.
new(Short, Case, Fields, Now) ->
    {Date, Time} = stamp(Now),
    Empty = <<Short/binary, 0, Case, 0, Time:16/little, Date:16/little, Date:16/little, 0:16, Time:16/little,
              Date:16/little, 0:16, 0:32>>,
    patch(Empty, Fields).

%% @doc The two slots that begin every directory but the root.
-spec dots(Self :: pos_integer(), Parent :: non_neg_integer(), integer()) -> <<_:512>>.
dots(Self, Parent, Now) ->
    Fields = #{attributes => 16#10},
    <<(new(<<".          ">>, 0, Fields#{cluster => Self}, Now))/binary,
      (new(<<"..         ">>, 0, Fields#{cluster => Parent}, Now))/binary>>.

%% @doc The slot with these fields changed and all others kept.
-spec patch(<<_:256>>, fields()) -> <<_:256>>.
patch(Slot, Fields) -> maps:fold(fun set/3, Slot, Fields).

set(cluster, C, <<A:20/binary, _:16, B:4/binary, _:16, Size:4/binary>>) ->
    <<A/binary, (C bsr 16):16/little, B/binary, C:16/little, Size/binary>>;
set(size, Size, <<A:28/binary, _:32>>) -> <<A/binary, Size:32/little>>;
set(attributes, Value, <<A:11/binary, _, B/binary>>) -> <<A/binary, Value, B/binary>>;
set(mtime, Seconds, <<A:18/binary, _:16, High:2/binary, _:32, B/binary>>) ->
    {Date, Time} = stamp(Seconds),
    <<A/binary, Date:16/little, High/binary, Time:16/little, Date:16/little, B/binary>>.

%% @doc The slot under another name, a generation on: of two entries for the same bytes, which a power cut in the middle
%% of a rename leaves, the later generation is the one to keep.
-spec renamed(<<_:256>>, loom_fat_name:short(), byte(), byte()) -> <<_:256>>.
renamed(<<_:11/binary, Attributes, _, Rest/binary>>, Short, Case, Generation) ->
    <<Short/binary, Attributes, (Case bor (Generation band ?GENERATION)), Rest/binary>>.

-spec generation(<<_:256>>) -> 0..7.
generation(<<_:12/binary, Case, _/binary>>) -> Case band ?GENERATION.

-spec field('case' | cluster, <<_:256>>) -> non_neg_integer().
field('case', <<_:12/binary, Case, _/binary>>) -> Case band 16#18;
field(cluster, <<_:20/binary, High:16/little, _:32, Low:16/little, _:32>>) -> (High band 16#0fff) bsl 16 bor Low.

%% --- times: FAT has a wall clock from 1980 to 2107 in steps of two seconds; the wall clock here is UTC

stamp(Seconds) ->
    {{Year, Month, Day}, {Hour, Minute, Second}} = erlang:posixtime_to_universaltime(max(0, Seconds)),
    if
        Year < 1980 -> {16#21, 0};
        Year > 2107 -> {16#ff9f, 16#bf7d};
        true -> {(Year - 1980) * 512 + Month * 32 + Day, Hour * 2048 + Minute * 32 + Second div 2}
    end.

posix(Date, Time) ->
    Day = {1980 + (Date bsr 9), (Date bsr 5) band 15, Date band 31},
    try erlang:universaltime_to_posixtime({Day, {Time bsr 11, (Time bsr 5) band 63, (Time band 31) * 2}})
    catch error:badarg -> 0 % no such day
    end.
