%% SPDX-License-Identifier: Apache-2.0
%% Files through file, prim_file and filelib: raw and cooked, errors, directories, links, times.
-module(files).
-export([main/0]).

p(Tag, Value) -> io:format("~p: ~tp~n", [Tag, Value]).
try_(F) -> try F() catch C:R -> {C, R} end.

main() ->
    Dir = "files_test.dir",
    del(Dir),
    ok = file:make_dir(Dir), {ok, Old} = file:get_cwd(), ok = file:set_cwd(Dir),
    try raw([raw]), raw([]), modes(), errors(), dirs(), info(), links(), lines(), consult(), misc()
    after file:set_cwd(Old), del(Dir) end.

del(D) -> _ = file:del_dir_r(D), ok.

raw(M) ->
    {ok, F} = file:open("a", [write, read, binary | M]),
    p({M, write}, file:write(F, ["hello ", <<"world">>, $\n, lists:duplicate(10, "0123456789")])),
    p({M, pos}, [file:position(F, X) || X <- [cur, bof, {bof, 5}, {cur, 3}, {eof, -4}, eof, {bof, -1}, {cur, -1000}]]),
    file:position(F, bof),
    p({M, read}, [file:read(F, 5), file:read(F, 0), file:read_line(F), file:read(F, 3)]),
    p({M, pread}, [file:pread(F, 6, 5), file:pread(F, [{0, 2}, {1000, 1}, {6, 3}]), file:pread(F, 10000, 1)]),
    p({M, pwrite}, [file:pwrite(F, 0, "HE"), file:pwrite(F, [{6, "W"}, {8, <<"X">>}]), file:pread(F, 0, 11)]),
    p({M, truncate}, [file:position(F, 5), file:truncate(F), file:position(F, eof), file:sync(F), file:datasync(F)]),
    p({M, eof}, [file:read(F, 1)]),
    p({M, hole}, [file:pwrite(F, 20, "end"), file:pread(F, 0, 30)]),
    p({M, advise}, [file:advise(F, 0, 0, A) || A <- [normal, random, sequential, will_need, dont_need, no_reuse, bogus]]),
    p({M, allocate}, file:allocate(F, 0, 100)),
    p({M, close}, [file:close(F), file:close(F), file:read(F, 1), file:write(F, "x")]),
    p({M, size}, filelib:file_size("a")).

modes() ->
    W = fun(N, Ms, D) -> case file:open(N, [raw | Ms]) of {ok, F} -> R = file:write(F, D), file:close(F), R; E -> E end end,
    p(modes, [W("m", [write], "one"), W("m", [append], "two"), file:read_file("m"), W("m", [write], "3"), file:read_file("m"),
              W("m", [write, read], "X"), file:read_file("m"), W("m", [exclusive], "z"), W("m2", [exclusive], "z"), W("m", [read], "z"),
              W("none", [read], ""), W(".", [write], ""), W("m", [write, sync], "s"), W("/dev/null", [write], "gone"), W("d/e", [write], "")]),
    p(write_file, [file:write_file("w", ["a", <<"b">>]), file:write_file("w", "c", [append]), file:read_file("w"), file:write_file("none/x", "")]),
    p(compressed, begin {ok, F} = file:open("z.gz", [write, compressed]), file:write(F, "packed"), file:close(F),
                        {ok, G} = file:open("z.gz", [read, compressed, binary]), R = file:read(G, 100), file:close(G),
                        {R, file:read_file("z.gz") =/= {ok, <<"packed">>}} end),
    p(delayed, begin {ok, F2} = file:open("dl", [write, raw, delayed_write]), [file:write(F2, "x") || _ <- lists:seq(1, 1000)], file:close(F2), filelib:file_size("dl") end),
    p(read_ahead, begin {ok, F3} = file:open("dl", [read, raw, read_ahead, binary]), R3 = [file:read(F3, 10), file:position(F3, cur), file:pread(F3, 0, 2)], file:close(F3), R3 end),
    p(ram, begin {ok, F4} = file:open(<<"ram data">>, [ram, read, binary]), R4 = file:read(F4, 3), file:close(F4), R4 end).

errors() ->
    p(errors, [file:read_file("none"), file:read_file("."), file:read_file("m/x"), file:read_file([0]), try_(fun() -> file:read_file(1) end),
               file:read_file(lists:duplicate(300, $x)), file:delete("none"), file:delete("."), file:rename("none", "x"), file:make_dir("m"),
               file:del_dir("none"), file:del_dir("m"), file:list_dir("none"), file:list_dir("m"), file:set_cwd("none"), element(1, file:open("a", [foo])),
               file:open("a", foo), file:copy("none", "x"), file:read_link("m"), file:read_link("none"), file:make_symlink("a", "m"), file:make_link("none", "q")]),
    p(format, [file:format_error(E) || E <- [enoent, eacces, eexist, enotdir, badarg]]).

dirs() ->
    p(make, [file:make_dir("d"), file:make_dir("d"), file:make_dir("x/y"), filelib:ensure_dir("p/q/r"), filelib:is_dir("p/q")]),
    [file:write_file("d/" ++ [C], [C]) || C <- "abc"], file:write_file("d/é€", "u"),
    {ok, L} = file:list_dir("d"), p(list, lists:sort(L)),
    p(wild, [filelib:wildcard("d/*"), filelib:wildcard("d/[ab]"), filelib:wildcard("**/q"), filelib:wildcard("d/{a,c}")]),
    p(del, [file:del_dir("d"), file:delete("d/a"), file:rename("d/b", "d/bb"), file:rename("d", "d2"), filelib:is_file("d2/bb"), file:del_dir_r("d2"), filelib:is_dir("d2")]),
    p(cwd, [file:set_cwd("p"), filename:basename(element(2, file:get_cwd())), file:set_cwd("..")]),
    p(fold, lists:sort(filelib:fold_files(".", "^m", true, fun(F, A) -> [F | A] end, []))).

info() ->
    {ok, I} = file:read_file_info("m"),
    p(info, [element(N, I) || N <- [2, 3, 4, 9]]),
    p(mode, [file:change_mode("m", 8#600), (element(8, element(2, file:read_file_info("m")))) band 8#777]),
    T = {{2001, 2, 3}, {4, 5, 6}},
    p(time, [file:change_time("m", T), element(6, element(2, file:read_file_info("m"))), element(6, element(2, file:read_file_info("m", [{time, local}])))]),
    p(posix, is_integer(element(6, element(2, file:read_file_info("m", [{time, posix}]))))),
    p(write_info, [file:write_file_info("m", setelement(8, I, 8#644)), filelib:last_modified("m") =/= 0]),
    {ok, D} = file:read_file_info("."), p(dir, element(3, D)),
    {ok, Dev} = file:read_file_info("/dev/null"), p(dev, [element(3, Dev), element(4, Dev)]),
    p(none, file:read_file_info("none")),
    {ok, F} = file:open("m", [read, raw]), {ok, H} = file:read_file_info(F), file:close(F), p(handle, [element(N, H) || N <- [2, 3, 4]]).

links() ->
    p(symlink, [file:make_symlink("m", "ln"), file:read_link("ln"), element(3, element(2, file:read_link_info("ln"))), element(3, element(2, file:read_file_info("ln")))]),
    p(hard, [file:make_link("m", "hl"), element(9, element(2, file:read_file_info("hl"))), file:delete("hl"), file:delete("ln")]),
    p(dangling, [file:make_symlink("nowhere", "dg"), file:read_file("dg"), filelib:is_file("dg"), file:delete("dg")]).

lines() ->
    file:write_file("l", "one\ntwo\r\nthree"),
    [begin {ok, F} = file:open("l", M), p({M, lines}, [file:read_line(F) || _ <- "1234"]), file:close(F) end || M <- [[raw, binary], [raw, read_ahead], [read], [binary, read]]],
    {ok, G} = file:open("l", [read]), p(io, [io:get_line(G, ''), io:get_chars(G, '', 2), io:fread(G, '', "~s"), io:get_line(G, ''), io:get_line(G, '')]), file:close(G),
    file:write_file("u", <<"é€\nx"/utf8>>),
    {ok, U} = file:open("u", [read, {encoding, utf8}]), p(utf8, [io:get_line(U, ''), io:getopts(U)]), file:close(U),
    {ok, V} = file:open("u", [write, {encoding, utf8}]), io:put_chars(V, "ñ"), io:format(V, "~ts~n", ["€"]), file:close(V), p(written, file:read_file("u")).

consult() ->
    file:write_file("c", "{a, 1}.\n[b, \"c\"]. % comment\n#{d => 1.5}.\n"), p(consult, file:consult("c")),
    file:write_file("c", "{a, 1"), p(bad, file:consult("c")), p(none, file:consult("none")),
    file:write_file("s", "X = 3, Y = X * 2.\n{X, Y}.\n"), p(script, file:script("s")),
    p(path, element(1, file:path_consult(["/nowhere", "."], "s"))).

misc() ->
    p(copy, [file:copy("l", "l2"), file:read_file("l2"), file:copy("l", "l3", 4), file:read_file("l3")]),
    Big = binary:copy(<<"0123456789">>, 200000), file:write_file("big", Big),
    {ok, B} = file:read_file("big"), p(big, B =:= Big),
    p(dets, begin {ok, T} = dets:open_file(tt, [{file, "dets"}]), dets:insert(T, [{I, I * I} || I <- lists:seq(1, 500)]), R = {dets:lookup(T, 20), dets:info(T, size)}, dets:close(T),
                  {ok, T2} = dets:open_file(tt, [{file, "dets"}]), R2 = dets:lookup(T2, 499), dets:close(T2), {R, R2} end),
    p(names, [file:native_name_encoding(), filename:absname("x") =/= "x", filename:join(["a", "b", "/c"]), filename:extension("a.b.c")]),
    p(tar, begin ok = erl_tar:create("t.tar", ["l", "u"]), {ok, Ns} = erl_tar:table("t.tar"), Ns end),
    %% A dead process's files are closed.
    Me = self(), P = spawn(fun() -> {ok, F} = file:open("l", [read, raw]), Me ! {f, F}, receive stop -> ok end end),
    F = receive {f, F0} -> F0 end, p(not_owner, try_(fun() -> file:read(F, 1) end)), P ! stop.
