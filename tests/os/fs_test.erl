%% SPDX-License-Identifier: Apache-2.0
%% @doc Tests of the file systems over disks in memory: against the host's file system, against dosfstools and mtools,
%% under kills, and through power cuts. See tests/os/run.
-module(fs_test).
-export([main/1, main/2, passes/3, against_host/4, sound_file/1]).

-include_lib("kernel/include/file.hrl").

main(Machine) -> main(Machine, all).

main(Machine, Only) ->
    ok = logger:set_primary_config(level, case os:getenv("LOUD") of false -> none; _ -> all end),
    Tests = [{fat_names, fun fat_names/0}, {fat_as_on_the_host, fun fat_as_on_the_host/0},
             {fat_open_files, fun fat_open_files/0}, {fat_open_modes, fun fat_open_modes/0},
             {fat_foreign, fun fat_foreign/0}, {fat_refused, fun fat_refused/0}, {fat_full, fun fat_full/0},
             {fat_directories, fun fat_directories/0}, {fat_renames, fun fat_renames/0},
             {fat_volume_killed, fun fat_volume_killed/0},
             {fat_power_cuts, fun fat_power_cuts/0}],
    Failed = [Name || {Name, F} <- Tests, Only =:= all orelse Only =:= Name, not passes(Machine, Name, F)],
    halt(length(Failed)).

%% Each test in a process of its own, with a time limit.
passes(Machine, Name, F) ->
    {Pid, Ref} = spawn_monitor(F),
    receive
        {'DOWN', Ref, process, Pid, normal} ->
            io:format("ok ~s/~s~n", [Machine, Name]),
            true;
        {'DOWN', Ref, process, Pid, Reason} ->
            io:format("FAIL ~s/~s ~0tP~n", [Machine, Name, Reason, 60]),
            false
    after 100000 ->
        exit(Pid, kill),
        io:format("FAIL ~s/~s no end after 100 s~n", [Machine, Name]),
        false
    end.

%% --- the world: Loom's prim_file under another name, the RAM file system, a volume
%% ----------------------------------------------------------------------------

with_files(F) ->
    process_flag(trap_exit, true),
    Module = os_test:prim_file_module(),
    Keeper = whereis(loom_keeper),
    _ = Keeper =:= undefined andalso loom_keeper:start_link(),
    {ok, _} = loom_vfs:start_link(),
    register(loom_root_sup, self()), % calls wait for what is being restarted
    {ok, Sup} = loom_volume_sup:start_link(),
    F(Module),
    exit(Sup, shutdown),
    receive {'EXIT', Sup, _} -> ok end,
    unregister(loom_root_sup),
    persistent_term:erase({prim_file, mounts}),
    [begin unlink(whereis(N)), exit(whereis(N), kill) end || N <- [loom_vfs | [loom_keeper || Keeper =:= undefined]]],
    _ = file:del_dir_r(os_test:scratch()),
    ok.

%% What loom_mount does, without its look at the host's files.
mount(Disk) -> mount_from({fat_disk, device, [Disk]}).

mount_from(Open) ->
    Child = #{id => vol, start => {loom_volume, start_link, [vol, loom_fat32, Open, #{}]}},
    {ok, _} = supervisor:start_child(loom_volume_sup, Child),
    persistent_term:put({prim_file, mounts}, [{<<"/disk">>, vol}]).

umount() ->
    ok = loom_volume:unmount(vol),
    stop().

stop() ->
    ok = supervisor:terminate_child(loom_volume_sup, vol),
    ok = supervisor:delete_child(loom_volume_sup, vol),
    ok = loom_keeper:drop({loom_volume, vol}).

formatted(Sectors, Options) ->
    Disk = fat_disk:new(Sectors, false),
    {ok, Device} = fat_disk:device(Disk),
    ok = loom_fat32:format(Device, Options),
    Disk.

%% dosfstools have nothing to say about it.
sound(Disk) ->
    File = filename:join(os_test:scratch(), "image"),
    fat_disk:save(Disk, File),
    sound_file(File).

sound_file(File) ->
    Out = os:cmd("fsck.vfat -n -v '" ++ File ++ "' 2>&1; echo status $?"),
    case string:find(Out, "status 0\n") of
        nomatch -> exit({fsck, Out});
        _ -> File
    end.

%% All names and bytes below a directory.
contents(M, Dir) ->
    {ok, Names} = M:list_dir(Dir),
    lists:sort(lists:append([content(M, Dir, N) || N <- Names])).

content(M, Dir, Name) ->
    Path = Dir ++ "/" ++ Name,
    case M:read_file_info(Path) of
        {ok, #file_info{type = directory}} ->
            [{Name, directory} | [{Name ++ "/" ++ N, B} || {N, B} <- contents(M, Path)]];
        {ok, #file_info{type = regular, size = Size}} ->
            {ok, Bytes} = M:read_file(Path),
            Size = byte_size(Bytes),
            [{Name, erlang:md5(Bytes)}]
    end.

%% --- names
%% ----------------------------------------------------------------------------------------------------------------

fat_names() ->
    rand:seed(exsss, 3),
    [begin
         Chars = [lists:nth(rand:uniform(12), "abXY.1 ~é日😀-") || _ <- lists:seq(1, rand:uniform(40))],
         Name = unicode:characters_to_binary(Chars),
         case loom_fat_name:check(Name) of
             ok ->
                 Short = loom_fat_name:short(Name, fun(_) -> false end),
                 11 = byte_size(Short),
                 Slots = loom_fat_name:slots(Name, Short),
                 true = length(Slots) =:= loom_fat_name:slot_count(Name),
                 Entry = loom_fat_dir:new(Short, 0, #{size => 77, cluster => 16#1234567, attributes => 32}, 1000000000),
                 #{entries := [#{name := Name, size := 77, cluster := 16#1234567, mtime := 1000000000}],
                   orphans := []} =
                     loom_fat_dir:parse(iolist_to_binary([Slots, Entry]), 16),
                 #{entries := [#{name := _}], orphans := Orphans} =
                     loom_fat_dir:parse(iolist_to_binary([tl(Slots), Entry]), 16),
                 true = length(Orphans) =:= length(Slots) - 1;
             {error, einval} -> true = lists:member(binary:last(Name), ". ")
         end
     end || _ <- lists:seq(1, 500)],
    [begin
         {Short, Case} = loom_fat_name:exact(Name),
         Name = loom_fat_name:shown(Short, Case)
     end || Name <- [<<"a">>, <<"A">>, <<"hello.erl">>, <<"HELLO.erl">>, <<"read.ME">>, <<"x.y">>, <<"12345678.123">>,
                     <<"a-b_c~1.d">>]],
    [none = loom_fat_name:exact(Name) || Name <- [<<"Ab">>, <<"123456789">>, <<"a.b.c">>, <<".x">>, <<"x.">>, <<"a b">>,
                                                  <<"é"/utf8>>, <<"a.long">>]],
    true = loom_fat_name:fold(<<"Straße Ä"/utf8>>) =:= loom_fat_name:fold(<<"sTRAßE ä"/utf8>>).

%% --- the same operations here and on the host
%% ------------------------------------------------------------------------------------------------

fat_as_on_the_host() ->
    with_files(fun(Ours) ->
        rand:seed(exsss, 10),
        [begin
             Disk = formatted(140000, #{cluster => Cluster}),
             mount(Disk),
             Host = filename:join(os_test:scratch(), "root"),
             ok = file:make_dir(Host),
             [begin
                  Op = operation(rand:uniform(14)),
                  same(Op, os_test:normal(os_test:apply_op(prim_file, Host, Op)),
                       os_test:normal(os_test:apply_op(Ours, "/disk", Op)))
              end || _ <- lists:seq(1, 1500)],
             same(contents, contents(prim_file, Host), contents(Ours, "/disk")),
             umount(),
             Image = sound(Disk),
             Cluster =:= 512 andalso mtools(Image, Host), % with few clusters, mtools take it for FAT16
             mount(Disk),
             same(contents_later, contents(prim_file, Host), contents(Ours, "/disk")),
             umount(),
             ok = file:del_dir_r(Host)
         end || Cluster <- [512, 4096]]
    end).

same(_, Answer, Answer) -> ok;
same(What, Host, Ours) -> exit({What, {host, Host}, {ours, Ours}}).

%% mtools read the same bytes.
mtools(Image, Host) ->
    Copy = Host ++ ".copy",
    ok = file:make_dir(Copy),
    Out = os:cmd("LC_ALL=C.UTF-8 mcopy -s -n -i '" ++ Image ++ "' '::*' '" ++ Copy ++ "' 2>&1"),
    same({mtools, Out}, contents(prim_file, Host), contents(prim_file, Copy)),
    ok = file:del_dir_r(Copy).

operation(1) -> {write_file, name(), data()};
operation(2) -> {read_file, name()};
operation(3) -> {make_dir, name()};
operation(4) -> {del_dir, name()};
operation(5) -> {delete, name()};
operation(6) -> {list_dir, name()};
operation(7) -> {info, name()};
operation(8) -> {rename, name(), name()};
operation(9) -> {append, name(), data()};
operation(10) -> {exclusive, name()};
operation(11) -> {make_dir, name()};
operation(_) -> {write_file, name(), data()}.

name() ->
    filename:join([lists:nth(rand:uniform(6), ["a", "b", "c", "å", "Some longer name.text", "x.tar.gz"])
                   || _ <- lists:seq(1, rand:uniform(3))]).

data() -> binary:copy(<<(rand:uniform(256) - 1)>>, rand:uniform(6000)).

fat_open_files() ->
    with_files(fun(Ours) ->
        rand:seed(exsss, 11),
        Disk = formatted(140000, #{}),
        mount(Disk),
        [begin
             Host = filename:join(os_test:scratch(), "file" ++ integer_to_list(I)),
             Path = "/disk/a file " ++ integer_to_list(I),
             {ok, A} = prim_file:open(Host, Modes),
             {ok, B} = Ours:open(Path, Modes),
             [begin
                  {F, Args} = access(rand:uniform(8)),
                  same({F, Args, Modes}, apply(prim_file, F, [A | Args]), apply(Ours, F, [B | Args]))
              end || _ <- lists:seq(1, 300)],
             ok = prim_file:close(A),
             ok = Ours:close(B),
             {ok, Bytes} = prim_file:read_file(Host),
             {ok, Bytes} = Ours:read_file(Path)
         end || {I, Modes} <- [{1, [read, write, binary]}, {2, [read, write, binary]}, {3, [write, binary]},
                               {4, [append, binary]}, {5, [read, write, append, binary]}]],
        umount(),
        _ = sound(Disk)
    end).

access(1) -> {read, [rand:uniform(3000)]};
access(2) -> {write, [data()]};
access(3) -> {position, [rand:uniform(30000)]};
access(4) -> {position, [{lists:nth(rand:uniform(3), [bof, cur, eof]), rand:uniform(4000) - 2000}]};
access(5) -> {pread, [rand:uniform(30000), rand:uniform(3000)]};
access(6) -> {pwrite, [rand:uniform(30000), data()]};
access(7) -> {truncate, []};
access(8) -> {pread, [[{rand:uniform(10000), 10}, {rand:uniform(50000), 10}]]}.

%% Open files and their names.
fat_open_modes() ->
    with_files(fun(M) ->
        Disk = formatted(140000, #{}),
        mount(Disk),
        {error, enoent} = M:open("/disk/none", [read]),
        {ok, A} = M:open("/disk/Name.txt", [read, write, binary, raw]),
        ok = M:write(A, <<"one">>),
        ok = M:sync(A),
        ok = M:datasync(A),
        ok = M:advise(A, 0, 10, sequential),
        {error, enotsup} = M:allocate(A, 0, 10),
        {ok, #file_info{size = 3, type = regular, access = read_write}} = M:read_file_info("/disk/NAME.TXT"),
        {error, eexist} = M:open("/disk/nAME.txt", [write, exclusive]),
        ok = M:rename("/disk/name.txt", "/disk/Other name.text"),
        {ok, ["Other name.text"]} = M:list_dir("/disk"),
        ok = M:write(A, <<"two">>),
        {ok, <<"onetwo">>} = M:read_file("/disk/other NAME.text"),
        ok = M:delete("/disk/Other name.text"),
        ok = M:write(A, binary:copy(<<"three">>, 1000)),
        {ok, <<"onetwothree">>} = M:pread(A, 0, 11),
        {error, ebusy} = loom_volume:unmount(vol),
        ok = M:write_file("/disk/x", <<"x">>),
        ok = M:close(A),
        {error, enotsup} = M:make_symlink("/disk/x", "/disk/y"),
        {error, einval} = M:write_file("/disk/a:b", <<>>),
        {error, einval} = M:write_file("/disk/dot.", <<>>),
        {error, enametoolong} = M:write_file("/disk/" ++ lists:duplicate(256, $x), <<>>),
        Long = lists:duplicate(255, $x),
        ok = M:write_file("/disk/" ++ Long, <<"long">>),
        {error, exdev} = M:rename("/disk/x", "/tmp/x"),
        [{error, ebusy} = E || E <- [M:del_dir("/disk"), M:rename("/disk", "/d")]],
        ok = M:write_file_info("/disk/x", #file_info{mode = 8#400, mtime = 1000000000}, [{time, posix}]),
        {ok, #file_info{access = read, mtime = 1000000000}} = M:read_file_info("/disk/x", [{time, posix}]),
        {error, eacces} = M:write_file("/disk/x", <<"y">>),
        ok = M:write_file_info("/disk/x", #file_info{mode = 8#600}, [{time, posix}]),
        ok = M:write_file("/disk/x", <<"y">>),
        {ok, S} = M:open("/disk/synced", [write, sync]),
        ok = M:write(S, <<"at once">>),
        {error, ebadf} = M:read(S, 1),
        ok = M:close(S),
        Self = self(),
        spawn(fun() -> {ok, _} = M:open("/disk/left open", [write]), Self ! opened end),
        receive opened -> ok end,
        {ok, L} = M:list_dir("/disk"),
        ["left open", "synced", "x", Long] = lists:sort(L),
        #{total := Total, free := Free, type := <<"fat32">>} = loom_volume:space(vol),
        true = Free < Total,
        umount(),
        _ = sound(Disk)
    end).

%% --- volumes made by others
%% -----------------------------------------------------------------------------------------------------

fat_foreign() ->
    with_files(fun(M) ->
        [begin
             Dir = os_test:scratch(),
             Image = filename:join(Dir, "foreign"),
             Source = filename:join(Dir, "source"),
             Files = [{"plain.txt", <<"plain">>}, {"A Long Name with åßπ日.text", binary:copy(<<"x">>, 100000)},
                      {"UPPER.TXT", <<>>}, {"Mixed.Case", <<"mixed">>},
                      {"dir/inner file.bin", binary:copy(<<1, 2, 3>>, 5000)},
                      {"dir/deeper/still deeper/x", <<"y">>}],
             [begin
                  ok = filelib:ensure_dir(filename:join(Source, N)),
                  ok = file:write_file(filename:join(Source, N), B)
              end || {N, B} <- Files],
             Out = os:cmd("mkfs.vfat -F 32 " ++ Options ++ " -C '" ++ Image ++ "' 70000 2>&1 && "
                          "LC_ALL=C.UTF-8 mcopy -s -i '" ++ Image ++ "' '" ++ Source ++ "'/* :: 2>&1; echo status $?"),
             {match, _} = re:run(Out, "status 0\n$"),
             Disk = fat_disk:load(Image, false),
             mount(Disk),
             same(foreign, contents(prim_file, Source), contents(M, "/disk")),
             {ok, <<"plain">>} = M:read_file("/disk/PLAIN.TXT"),
             ok = M:write_file("/disk/dir/ours", <<"ours">>),
             ok = M:rename("/disk/dir/deeper", "/disk/Moved Directory"),
             umount(),
             _ = sound(Disk),
             mount(Disk),
             {ok, <<"y">>} = M:read_file("/disk/moved directory/STILL DEEPER/X"),
             umount(),
             ok = file:delete(Image),
             ok = file:del_dir_r(Source)
         end || Options <- ["-s 1 -n LABEL", "-f 1"]]
    end).

fat_refused() ->
    with_files(fun(_) ->
        Image = filename:join(os_test:scratch(), "small"),
        [begin
             os:cmd("mkfs.vfat -F " ++ Bits ++ " -C '" ++ Image ++ "' " ++ Kib),
             Disk = fat_disk:load(Image, false),
             {error, Why} = start_volume(Disk),
             ok = file:delete(Image)
         end || {Bits, Kib, Why} <- [{"12", "2000", fat12}, {"16", "20000", fat16}]],
        {error, not_fat} = start_volume(fat_disk:new(1000, false))
    end).

start_volume(Disk) ->
    case loom_volume:start_link(other, loom_fat32, {fat_disk, device, [Disk]}, #{}) of
        {error, Why} ->
            receive {'EXIT', _, Why} -> ok end,
            {error, Why};
        Other -> Other
    end.

%% --- limits
%% --------------------------------------------------------------------------------------------------------------

fat_full() ->
    with_files(fun(M) ->
        Disk = formatted(70000, #{cluster => 4096}),
        mount(Disk),
        #{free := Free} = loom_volume:space(vol),
        Mib = binary:copy(<<7>>, 1 bsl 20),
        Fill = fun Fill(N) ->
            case M:write_file("/disk/" ++ integer_to_list(N), Mib) of
                ok -> Fill(N + 1);
                {error, enospc} -> N
            end
        end,
        Count = Fill(0),
        true = Count =:= Free bsr 20,
        {ok, Mib} = M:read_file("/disk/3"),
        ok = M:delete("/disk/3"),
        ok = M:write_file("/disk/again", Mib), % what was deleted is free at once
        ok = M:write_file("/disk/4", <<"short">>),
        ok = M:write_file("/disk/5", Mib),
        umount(),
        _ = sound(Disk),
        mount(Disk),
        [ok = M:delete("/disk/" ++ N) || N <- element(2, M:list_dir("/disk"))],
        #{free := Free} = loom_volume:space(vol),
        umount(),
        _ = sound(Disk)
    end).

fat_directories() ->
    with_files(fun(M) ->
        Disk = formatted(140000, #{cluster => 512}),
        mount(Disk),
        ok = M:make_dir("/disk/many"),
        Names = ["file number " ++ integer_to_list(N) ++ ".text" || N <- lists:seq(1, 400)],
        [ok = M:write_file("/disk/many/" ++ N, list_to_binary(N)) || N <- Names],
        {ok, Listed} = M:list_dir("/disk/many"),
        true = lists:sort(Listed) =:= lists:sort(Names),
        {Half, Rest} = lists:split(200, Names),
        [ok = M:delete("/disk/many/" ++ N) || N <- Half],
        [ok = M:write_file("/disk/many/" ++ N, <<"short">>) || N <- ["a", "b", "c"]],
        umount(),
        _ = sound(Disk),
        mount(Disk),
        {ok, Now} = M:list_dir("/disk/many"),
        true = lists:sort(Now) =:= lists:sort(["a", "b", "c" | Rest]),
        [{ok, _} = M:read_file("/disk/many/" ++ string:uppercase(N)) || N <- Now],
        {error, eexist} = M:del_dir("/disk/many"),
        umount()
    end).

%% Renames within a sector and across, over files and directories.
fat_renames() ->
    with_files(fun(M) ->
        Disk = formatted(140000, #{cluster => 512}),
        mount(Disk),
        [ok = M:make_dir("/disk/" ++ D) || D <- ["d1", "d2", "d1/sub", "d2/empty"]],
        ok = M:write_file("/disk/d1/file", <<"file">>),
        ok = M:write_file("/disk/d2/target", <<"target">>),
        {ok, Open} = M:open("/disk/d2/target", [read, binary]),
        ok = M:rename("/disk/d1/file", "/disk/d2/target"),
        {ok, <<"file">>} = M:read_file("/disk/d2/target"),
        {ok, <<"target">>} = M:read(Open, 100),
        ok = M:close(Open),
        {error, enoent} = M:read_file("/disk/d1/file"),
        ok = M:rename("/disk/d1/sub", "/disk/d2/empty"),
        {error, enoent} = M:list_dir("/disk/d1/sub"),
        {error, einval} = M:rename("/disk/d2", "/disk/d2/empty/x"),
        ok = M:rename("/disk/d2", "/disk/D2"),
        {ok, Top} = M:list_dir("/disk"),
        ["D2", "d1"] = lists:sort(Top),
        ok = M:rename("/disk/D2/target", "/disk/D2/a considerably longer name than before, with more than one slot"),
        ok = M:write_file("/disk/D2/empty/x", <<"x">>),
        ok = M:rename("/disk/D2/empty", "/disk/d1/moved"),
        {ok, <<"x">>} = M:read_file("/disk/d1/moved/x"),
        umount(),
        _ = sound(Disk)
    end).

%% --- kills
%% ----------------------------------------------------------------------------------------------------------------

%% The volume is killed all the time; the answers are the same as on the host, and so are open files.
fat_volume_killed() ->
    Disk = formatted(140000, #{}),
    against_host({fat_disk, device, [Disk]}, 25, [vol], fun(_, _) -> ok end),
    _ = file:make_dir(os_test:scratch()),
    _ = sound(Disk),
    _ = file:del_dir_r(os_test:scratch()).

%% Random operations on both while `Names' are killed; `Again' starts one that no supervisor does.
against_host(Open, Count, Names, Again) ->
    with_files(fun(Ours) ->
        rand:seed(exsss, 12),
        mount_from(Open),
        Host = filename:join(os_test:scratch(), "root"),
        ok = file:make_dir(Host),
        {ok, A} = prim_file:open(Host ++ "/open", [read, write, binary]),
        {ok, B} = Ours:open("/disk/open", [read, write, binary]),
        Kills = counters:new(1, []),
        Killer = spawn_link(fun() -> killer(Kills, Names, Again) end),
        both_until(fun() -> counters:get(Kills, 1) >= Count end, Ours, Host, A, B),
        Killer ! {stop, self()},
        receive stopped -> ok end,
        ok = prim_file:close(A),
        ok = Ours:close(B),
        same(contents, contents(prim_file, Host), contents(Ours, "/disk")),
        umount()
    end).

both_until(Done, Ours, Host, A, B) ->
    Op = operation(rand:uniform(14)),
    same(Op, os_test:normal(os_test:apply_op(prim_file, Host, Op)),
         os_test:normal(os_test:apply_op(Ours, "/disk", Op))),
    {F, Args} = access(rand:uniform(8)),
    same({F, Args}, apply(prim_file, F, [A | Args]), apply(Ours, F, [B | Args])),
    Done() orelse both_until(Done, Ours, Host, A, B).

killer(Kills, Names, Again) ->
    receive {stop, Pid} -> Pid ! stopped
    after rand:uniform(30) ->
        Name = lists:nth(rand:uniform(length(Names)), Names),
        case whereis(Name) of
            undefined -> ok;
            Pid ->
                exit(Pid, kill),
                lists:member(Name, [vol, block_driver]) orelse Again(Name, Pid),
                counters:add(Kills, 1, 1)
        end,
        killer(Kills, Names, Again)
    end.

%% --- power cuts
%% ---------------------------------------------------------------------------------------------------------------

%% A log of operations with syncs; then the power is cut at many points, and what was synced must be there.
fat_power_cuts() ->
    Seeds = list_to_integer(os:getenv("POWER_CUTS", "2")),
    [power_cuts(Seed) || Seed <- lists:seq(1, Seeds)].

power_cuts(Seed) ->
    with_files(fun(M) ->
        rand:seed(exsss, Seed),
        Base = formatted(70000, #{cluster => 512}),
        Disk = fat_disk:new(70000, true),
        ets:insert(Disk, [Row || {N, _} = Row <- ets:tab2list(Base), is_integer(N)]),
        mount(Disk),
        {_, States} = lists:foldl(fun(_, {Model, Known}) -> step(M, Disk, Model, Known) end,
                                  {#{}, [{0, #{}}]}, lists:seq(1, 120)),
        stop(),
        Log = fat_disk:log(Disk),
        Points = [rand:uniform(length(Log) + 1) - 1 || _ <- lists:seq(1, 125)],
        [cut_here(M, Base, Log, At, States, N rem 5 =:= 0) || {N, At} <- lists:zip(lists:seq(1, 125), Points)]
    end).

%% The model: path => bytes, `directory', or what may be any of several since the last sync. States: what was synced
%% after how many events, newest first.
step(M, Disk, Model, Known) ->
    New = case rand:uniform(9) of
        1 -> try_op(M, {make_dir, cut_name()}, Model);
        2 -> try_op(M, {delete, cut_name()}, Model);
        3 -> try_op(M, {rename, cut_name(), cut_name()}, Model);
        4 -> try_op(M, {append, cut_name(), data()}, Model);
        5 -> try_op(M, {rename, cut_name(), cut_name()}, Model);
        6 -> try_op(M, {del_dir, cut_name()}, Model);
        _ -> try_op(M, {write_file, cut_name(), data()}, Model)
    end,
    case rand:uniform(4) of
        1 ->
            ok = loom_volume:sync(vol),
            {New, [{fat_disk:events(Disk), New} | Known]};
        2 ->
            vol ! tick,
            _ = sys:get_state(vol),
            {New, [{changed, New} | Known]};
        _ -> {New, [{changed, New} | Known]}
    end.

try_op(M, Op, Model) ->
    case os_test:apply_op(M, "/disk", Op) of
        ok -> maps:from_list(contents(M, "/disk"));
        {error, _} -> Model
    end.

cut_name() ->
    Names = ["a", "b", "some Longer name", "d"],
    filename:join([lists:nth(rand:uniform(4), Names) || _ <- lists:seq(1, rand:uniform(2))]).

cut_here(M, Base, Log, At, States, Check) ->
    Cut = fat_disk:cut(Base, Log, At),
    mount(Cut),
    Found = maps:from_list(contents(M, "/disk")),
    %% What was synced last before the cut, and all states since then up to the next sync.
    {Later, [{_, Synced} | _]} = lists:splitwith(fun({N, _}) -> N =:= changed orelse N > At end, States),
    Since = [Synced | [S || {_, S} <- until_sync(lists:reverse(Later))]],
    [must_be(Path, At, maps:get(Path, Found, none), [maps:get(Path, S, none) || S <- Since], Since)
     || Path <- maps:keys(Synced)],
    %% No file has bytes that nobody gave it, and none is lost that was somewhere all the time.
    [] = bytes(Found) -- [erlang:md5(<<>>) | lists:append([bytes(S) || S <- Since])],
    Kept = [Bytes || Bytes <- bytes(Synced), lists:all(fun(S) -> lists:member(Bytes, bytes(S)) end, Since)],
    [] = Kept -- bytes(Found),
    ok = M:write_file("/disk/after the cut", <<"written">>),
    umount(),
    _ = Check andalso sound(Cut),
    ets:delete(Cut).

until_sync([{changed, _} = S | Rest]) -> [S | until_sync(Rest)];
until_sync([S | _]) -> [S];
until_sync([]) -> [].

bytes(State) -> lists:usort([B || B <- maps:values(State), is_binary(B)]).

%% What was synced and nobody touched since is there.
must_be(Path, At, Value, Allowed, Since) ->
    case lists:usort(Allowed) of
        [Value] -> ok;
        [Only] -> exit({lost, Path, at, At, {is, Value}, {synced, Only}, Since});
        _ -> ok
    end.
