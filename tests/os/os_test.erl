%% SPDX-License-Identifier: Apache-2.0
%% @doc Tests of Loom's applications that need no hardware. See tests/os/run.
-module(os_test).
-export([main/1, prim_file_module/0, scratch/0, apply_op/3, normal/1]).

-include_lib("kernel/include/file.hrl").

main(Machine) ->
    ok = logger:set_primary_config(level, none),
    Tests = [{ps2_typing, fun ps2_typing/0}, {ps2_any_codes, fun ps2_any_codes/0},
             {vt_screen, fun vt_screen/0}, {vt_history, fun vt_history/0},
             {vt_pieces, fun vt_pieces/0}, {vt_colours, fun vt_colours/0},
             {vt_unknown, fun vt_unknown/0},
             {tty_on_a_screen, fun tty_on_a_screen/0},
             {serial_out_and_in, fun serial_out_and_in/0}, {serial_restarts, fun serial_restarts/0},
             {capabilities, fun capabilities/0},
             {files_as_on_the_host, fun files_as_on_the_host/0}, {open_files, fun open_files/0},
             {bundle_files, fun bundle_files/0}, {files_survive_kills, fun files_survive_kills/0}],
    Failed = [Name || {Name, F} <- Tests, not passes(Machine, Name, F)],
    halt(length(Failed)).

%% Each test in a process of its own, with a time limit.
passes(Machine, Name, F) ->
    {Pid, Ref} = spawn_monitor(F),
    receive
        {'DOWN', Ref, process, Pid, normal} ->
            io:format("ok ~s/~s~n", [Machine, Name]),
            true;
        {'DOWN', Ref, process, Pid, Reason} ->
            io:format("FAIL ~s/~s ~0P~n", [Machine, Name, Reason, 40]),
            false
    after 60000 ->
        exit(Pid, kill),
        io:format("FAIL ~s/~s no end after 60 s~n", [Machine, Name]),
        false
    end.

%% --- keyboard
%% ------------------------------------------------------------------------------------------------------------

ps2_typing() ->
    Shift = 16#2a, Control = 16#1d, Alt = 16#38, Caps = 16#3a,
    Up = fun(Code) -> Code bor 16#80 end,
    <<"hi">> = typed([16#23, Up(16#23), 16#17, Up(16#17)]),
    <<"Hi!">> = typed([Shift, 16#23, Up(Shift), 16#17, Shift, 16#02, Up(Shift)]),
    <<"AbA1">> = typed([Caps, Up(Caps), 16#1e, Caps, Up(Caps), 16#30, Caps, 16#1e, 16#02]),
    <<"a">> = typed([Caps, Shift, 16#1e, Up(Shift)]),
    <<3, "c">> = typed([Control, 16#2e, Up(Control), 16#2e]),
    <<3>> = typed([16#e0, Control, 16#2e, 16#e0, Up(Control)]),
    <<"\ex">> = typed([Alt, 16#2d, Up(Alt)]),
    <<"\e[A\e[B\e[C\e[D">> = typed([16#e0, 16#48, 16#e0, Up(16#48), 16#e0, 16#50, 16#e0, 16#4d, 16#e0, 16#4b]),
    <<"\r", 127, "\t", "\e", " ">> = typed([16#1c, 16#0e, 16#0f, 16#01, 16#39]),
    <<"lists:seq(1,3).">> = typed([16#26, 16#17, 16#1f, 16#14, 16#1f, Shift, 16#27, Up(Shift), 16#1f, 16#12, 16#10,
        Shift,
                                   16#0a, Up(Shift), 16#02, 16#33, 16#04, Shift, 16#0b, Up(Shift), 16#34]).

typed(Codes) ->
    {Bytes, _} = lists:foldl(fun(Code, {Done, S}) ->
                                 {More, New} = loom_ps2_scan:decode(Code, S),
                                 {<<Done/binary, More/binary>>, New}
                             end, {<<>>, loom_ps2_scan:new()}, Codes),
    Bytes.

ps2_any_codes() ->
    rand:seed(exsss, 7),
    [true = is_binary(typed([rand:uniform(256) - 1 || _ <- lists:seq(1, 50)])) || _ <- lists:seq(1, 500)].

%% --- terminal: the drawing steps are carried out on a grid
%% --------------------------------------------------------------------

vt_screen() ->
    {["hello   ", "wor     "], {3, 1}} = shown(8, 2, [<<"hello\r\nwor">>]),
    {["abcdefgh", "ij      "], {2, 1}} = shown(8, 2, [<<"abcdefghij">>]),
    {["abcdefgh", "        "], {7, 0}} = shown(8, 2, [<<"abcdefgh">>]),
    {["two     ", "three   "], {5, 1}} = shown(8, 2, [<<"one\r\ntwo\r\nthree">>]),
    {["aXc     ", "        "], {2, 0}} = shown(8, 2, [<<"abc\b\bX">>]),
    {["ab      ", "        "], {2, 0}} = shown(8, 2, [<<"abcd\e[2D\e[K">>]),
    {["        ", "  x     "], {3, 1}} = shown(8, 2, [<<"old\e[H\e[J\e[2;3Hx">>]),
    {[[16#e5, 16#2500 | "      "], _], _} = shown(8, 2, [<<"å─"/utf8>>]),
    {["?a      ", _], _} = shown(8, 2, [<<16#ff, "a">>]).

%% Any bytes, whole or in pieces, draw the same.
vt_pieces() ->
    rand:seed(exsss, 8),
    [begin
         Bytes = iolist_to_binary([piece(rand:uniform(12)) || _ <- lists:seq(1, 30)]),
         Whole = shown(11, 5, [Bytes]),
         Whole = shown(11, 5, [<<B>> || <<B>> <= Bytes])
     end || _ <- lists:seq(1, 300)].

%% What scrolls off is what was on the screen: random output on a small screen, of which every line that leaves is kept
%% from the grid, is the same in the history; and so is the screen itself.
vt_history() ->
    rand:seed(exsss, 9),
    [begin
         Pieces = [iolist_to_binary(piece(rand:uniform(14))) || _ <- lists:seq(1, 150)],
         {Gone, Grid, H} = history(11, 5, Pieces),
         Back = loom_scrollback:back(H),
         true = Back =< length(Gone) andalso Back >= length(Gone) - 5,
         Lines = lists:nthtail(length(Gone) - Back, Gone) ++ Grid,
         Lines = [row(11, L) || L <- loom_scrollback:lines(Back, Back + 5, H)]
     end || _ <- lists:seq(1, 60)],
    Long = lists:duplicate(5000, <<"line\r\n">>),
    {_, _, Full} = history(11, 5, Long),
    2000 = loom_scrollback:back(Full),
    [[{0, "line", {foreground, background}}], []] = [hd(loom_scrollback:lines(N, 1, Full)) || N <- [2000, 2001]].

history(Columns, Rows, Pieces) ->
    Blank = maps:from_list([{{C, R}, $\s} || C <- lists:seq(0, Columns - 1), R <- lists:seq(0, Rows - 1)]),
    {Gone, Grid, H, _} = lists:foldl(fun(Bytes, {Old, G, H0, V0}) ->
        {Steps, V1} = loom_vt:write(Bytes, V0),
        {Old1, G1} = lists:foldl(fun
            ({scroll, 1} = Step, {O, A}) -> {[grid_row(0, Columns, A) | O], draw(Step, A, Columns, Rows)};
            (Step, {O, A}) -> {O, draw(Step, A, Columns, Rows)}
        end, {Old, G}, Steps),
        {Old1, G1, loom_scrollback:write(Steps, H0), V1}
    end, {[], Blank, loom_scrollback:new(Columns), loom_vt:new(Columns, Rows)}, Pieces),
    {lists:reverse(Gone), [grid_row(R, Columns, Grid) || R <- lists:seq(0, Rows - 1)], H}.

grid_row(R, Columns, Grid) -> [maps:get({C, R}, Grid) || C <- lists:seq(0, Columns - 1)].

row(Columns, Pieces) ->
    Cells = maps:from_list([{C + I, Char} || {C, Text, _} <- Pieces,
                                             {I, Char} <- lists:zip(lists:seq(0, length(Text) - 1), Text)]),
    [maps:get(C, Cells, $\s) || C <- lists:seq(0, Columns - 1)].

piece(1) -> "\r\n";
piece(2) -> "\b";
piece(3) -> ["\e[", integer_to_list(rand:uniform(6)), lists:nth(rand:uniform(4), "ABCD")];
piece(4) -> ["\e[", integer_to_list(rand:uniform(6)), ";", integer_to_list(rand:uniform(15)), "H"];
piece(5) -> "\e[K";
piece(6) -> "\e[J";
piece(7) -> "\t";
piece(8) -> <<"åßπ"/utf8>>;
piece(9) -> ["\e[", lists:join($;, [integer_to_list(rand:uniform(110)) || _ <- lists:seq(1, rand:uniform(6))]), "m"];
piece(10) -> lists:nth(rand:uniform(4), ["\e[?25l", "\e[m", "\e[;5H", "\e[38;5;200m"]);
piece(_) -> [rand:uniform(26) + $a - 1 || _ <- lists:seq(1, rand:uniform(8))].

%% Text in runs of one style.
vt_colours() ->
    Styles = fun(Text) ->
        {Steps, _} = loom_vt:write(iolist_to_binary(Text), loom_vt:new(80, 2)),
        [{T, S} || {text, _, _, T, S} <- Steps]
    end,
    Plain = {foreground, background},
    [{"ab", Plain}] = Styles("ab"),
    [{"a", Plain}, {"b", {16#d0626b, background}}, {"c", Plain}] = Styles("a\e[31mb\e[0mc"),
    [{"b", {16#d0626b, background}}, {"c", Plain}] = Styles("\e[31mb\e[mc"),
    [{"b", {16#f28b82, background}}, {"c", {16#d0626b, background}}] = Styles("\e[31;1mb\e[22mc"),
    [{"b", {16#f28b82, 16#8fbf7f}}, {"c", {foreground, 16#8fbf7f}}, {"d", Plain}] = Styles("\e[91;42mb\e[39mc\e[49md"),
    [{"b", {background, foreground}}, {"c", {16#8fbf7f, 16#d0626b}}, {"d", {16#d0626b, 16#8fbf7f}}] =
        Styles("\e[7mb\e[31;42mc\e[27md"),
    [{"b", {16#010203, background}}, {"c", {16#010203, 16#ff00ff}}] = Styles("\e[38;2;1;2;3mb\e[48;2;999;0;255mc"),
    [{"b", {16#ff5faf, 16#080808}}, {"c", {16#eeeeee, 16#5c6876}}] =
        Styles("\e[38;5;205;48;5;232mb\e[38;5;255m\e[48;5;8mc"),
    [{"b", {16#d0626b, background}}] = Styles("\e[;31mb"), % an empty parameter is 0
    [{"b", {foreground, background}}] = Styles("\e[38;9;1mb"),
    [{"b", {16#5c6876, background}}] = Styles("\e[1;30mb").

%% Sequences that mean nothing here leave no trace.
vt_unknown() ->
    {["ab      ", _], {2, 0}} = shown(8, 2, [<<"a\e[?25l\e[?1049hb">>]),
    {["ab      ", _], {2, 0}} = shown(8, 2, [<<"a\e[4 q\e[>0c\e[!pb">>]),
    {["ab      ", _], {2, 0}} = shown(8, 2, [<<"a\e[">>, <<"38;2;100;100;100;48;2;100;100;100;1;7">>, <<"mb">>]),
    {["  a     ", _], {3, 0}} = shown(8, 2, [<<"\e[;3Ha">>]).

shown(Columns, Rows, Pieces) ->
    Blank = maps:from_list([{{C, R}, $\s} || C <- lists:seq(0, Columns - 1), R <- lists:seq(0, Rows - 1)]),
    {Grid, V} = lists:foldl(fun(Bytes, {G, V0}) ->
                                {Steps, V1} = loom_vt:write(Bytes, V0),
                                {lists:foldl(fun(S, A) -> draw(S, A, Columns, Rows) end, G, Steps), V1}
                            end, {Blank, loom_vt:new(Columns, Rows)}, Pieces),
    {[[maps:get({C, R}, Grid) || C <- lists:seq(0, Columns - 1)] || R <- lists:seq(0, Rows - 1)], loom_vt:cursor(V)}.

draw({text, C, R, Text, _}, Grid, Columns, Rows) ->
    true = R < Rows andalso C + length(Text) =< Columns,
    lists:foldl(fun({I, Char}, G) -> G#{{C + I, R} := Char} end, Grid, lists:zip(lists:seq(0, length(Text) - 1), Text));
draw({erase, C, R, Count}, Grid, Columns, _) ->
    lists:foldl(fun(I, G) -> G#{{I, R} := $\s} end, Grid, lists:seq(C, min(Columns, C + Count) - 1));
draw({scroll, N}, Grid, _, Rows) ->
    maps:map(fun({C, R}, _) when R + N < Rows -> maps:get({C, R + N}, Grid); (_, _) -> $\s end, Grid).

%% --- the line editor's commands: what the screen shows is the line, and the cursor stands in it
%% --------------------------------

tty_on_a_screen() ->
    rand:seed(exsss, 9),
    Columns = 20,
    [begin
         {_, Out0, T0} = loom_tty:command(<<0, "> ">>, loom_tty:new(Columns)),
         {Out, {Before, Behind}, _} = lists:foldl(fun edit/2, {[Out0], {"", ""}, T0}, lists:seq(1, 25)),
         {Screen, Cursor} = shown(Columns, 12, [iolist_to_binary(O) || O <- lists:reverse(Out)]),
         Line = string:trim("> " ++ lists:reverse(Before) ++ Behind, trailing, " "),
         Line = string:trim(lists:append(Screen), trailing, " "),
         Position = 2 + length(Before),
         Cursor = {Position rem Columns, Position div Columns}
     end || _ <- lists:seq(1, 300)].

%% A random command, on the model (characters before the cursor, last first; those behind) and on loom_tty.
edit(_, {Out, {Before, Behind}, T}) ->
    {Command, Model} = case rand:uniform(4) of
        1 ->
            Text = letters(rand:uniform(8)),
            {<<2, (list_to_binary(Text))/binary>>, {lists:reverse(Text, Before), Behind}};
        2 when Behind =:= "" ->
            Text = letters(rand:uniform(30)),
            {<<0, (list_to_binary(Text))/binary>>, {lists:reverse(Text, Before), ""}};
        3 ->
            N = rand:uniform(length(Before) + length(Behind) + 1) - 1 - length(Before),
            {<<1, N:16>>, moved(N, Before, Behind)};
        4 when Before =/= "" ->
            N = rand:uniform(length(Before)),
            {<<3, (-N):16>>, {lists:nthtail(N, Before), Behind}};
        _ when Behind =/= "" ->
            N = rand:uniform(length(Behind)),
            {<<3, N:16>>, {Before, lists:nthtail(N, Behind)}};
        _ -> {<<4>>, {Before, Behind}}
    end,
    {_, Bytes, New} = loom_tty:command(Command, T),
    {[Bytes | Out], Model, New}.

letters(N) -> [rand:uniform(26) + $a - 1 || _ <- lists:seq(1, N)].

moved(0, Before, Behind) -> {Before, Behind};
moved(N, [C | Before], Behind) when N < 0 -> moved(N + 1, Before, [C | Behind]);
moved(N, Before, [C | Behind]) -> moved(N - 1, [C | Before], Behind).

%% --- drivers over the model
%% ------------------------------------------------------------------------------------------------------

with_hardware(F) ->
    process_flag(trap_exit, true),
    {ok, Hardware} = loom_hw:start(),
    {ok, Sup} = loom_hal_sup:start_link(),
    F(),
    exit(Sup, shutdown),
    receive {'EXIT', Sup, shutdown} -> ok end,
    ok = loom_hw:stop(Hardware).

serial_out_and_in() ->
    with_hardware(fun() ->
        ok = loom_hw:type(<<"early">>),
        timer:sleep(10),
        Driver = loom_drv_serial:subscribe(),
        receive {loom_drv_serial, Driver, {data, <<"early">>}} -> ok end,
        Text = binary:copy(<<"0123456789abcdef!">>, 20),
        ok = loom_drv_serial:write(Driver, Text),
        ok = written(Driver, byte_size(Text)),
        ok = loom_hw:drain(),
        Text = loom_hw:wire(),
        ok = loom_hw:type(<<"typed">>),
        receive {loom_drv_serial, Driver, {data, <<"typed">>}} -> ok end,
        ok = loom_drv_serial:write(Driver, <<"more">>),
        ok = written(Driver, 4)
    end).

written(_, 0) -> ok;
written(Driver, N) -> receive {loom_drv_serial, Driver, {written, M}} -> written(Driver, N - M) end.

serial_restarts() ->
    with_hardware(fun() ->
        [begin
             Driver = loom_drv_serial:subscribe(),
             ok = loom_drv_serial:write(Driver, <<"x">>),
             ok = written(Driver, 1),
             exit(Driver, kill),
             ok = other(loom_drv_serial, Driver)
         end || _ <- lists:seq(1, 50)],
        ok = loom_hw:drain(),
        50 = byte_size(loom_hw:wire()),
        %% Input that came while nobody was there is not lost.
        Old = whereis(loom_drv_serial),
        ok = sys:suspend(Old),
        ok = loom_hw:type(<<"kept">>),
        exit(Old, kill),
        ok = other(loom_drv_serial, Old),
        ok
    end).

other(Name, Old) ->
    case whereis(Name) of
        New when is_pid(New), New =/= Old -> _ = sys:get_state(New), ok;
        _ -> erlang:yield(), other(Name, Old)
    end.

capabilities() ->
    with_hardware(fun() ->
        {error, taken} = loom_hal:grant({port, 16#3f8, 8}),
        {ok, Cap} = loom_hal:grant({port, 16#80, 1}),
        255 = loom_hw:port_in(Cap, 0, 8),
        Self = self(),
        spawn(fun() -> Self ! {foreign, catch loom_hw:port_in(Cap, 0, 8)} end),
        receive {foreign, {'EXIT', {badarg, _}}} -> ok end,
        {error, enodev} = loom_hal:grant(framebuffer),
        ignore = loom_driver:start_link(loom_drv_fb),
        ignore = loom_driver:start_link(loom_drv_ps2)
    end).

%% --- files: Loom's prim_file, under another name, against the host's
%% --------------------------------------------------------------

prim_file_module() ->
    {ok, Source} = file:read_file("os/loom_prim/src/prim_file.erl"),
    Renamed = binary:replace(Source, <<"-module(prim_file).">>, <<"-module(loom_prim_file).">>),
    File = filename:join(scratch(), "loom_prim_file.erl"),
    ok = file:write_file(File, Renamed),
    {ok, loom_prim_file, Beam} = compile:file(File, [binary, report]),
    {module, loom_prim_file} = code:load_binary(loom_prim_file, File, Beam),
    loom_prim_file.

scratch() ->
    Dir = filename:join(os:getenv("TMPDIR", "/tmp"), "loom_os_test." ++ os:getpid()),
    _ = file:make_dir(Dir),
    Dir.

with_files(F) ->
    process_flag(trap_exit, true),
    Module = prim_file_module(),
    {ok, Keeper} = loom_keeper:start_link(),
    {ok, Vfs} = loom_vfs:start_link(),
    F(Module),
    unlink(Vfs), unlink(Keeper),
    exit(whereis(loom_vfs), kill),
    exit(whereis(loom_keeper), kill),
    _ = file:del_dir_r(scratch()),
    ok.

%% The same random operations on both; the answers must be the same.
files_as_on_the_host() ->
    with_files(fun(Ours) ->
        rand:seed(exsss, 10),
        Host = filename:join(scratch(), "root"),
        ok = file:make_dir(Host),
        ok = Ours:make_dir("/root"),
        [begin
             Op = operation(rand:uniform(12)),
             same(Op, normal(apply_op(prim_file, Host, Op)), normal(apply_op(Ours, "/root", Op)))
         end || _ <- lists:seq(1, 3000)]
    end).

same(_, Answer, Answer) -> ok;
same(What, Host, Ours) -> exit({What, {host, Host}, {ours, Ours}}).

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
operation(_) -> {write_file, name(), data()}.

name() -> filename:join([lists:nth(rand:uniform(4), ["a", "b", "c", "å"]) || _ <- lists:seq(1, rand:uniform(3))]).

data() -> binary:copy(<<(rand:uniform(256) - 1)>>, rand:uniform(300)).

apply_op(M, Root, {write_file, N, D}) -> M:write_file(filename:join(Root, N), D);
apply_op(M, Root, {read_file, N}) -> M:read_file(filename:join(Root, N));
apply_op(M, Root, {make_dir, N}) -> M:make_dir(filename:join(Root, N));
apply_op(M, Root, {del_dir, N}) -> M:del_dir(filename:join(Root, N));
apply_op(M, Root, {delete, N}) -> M:delete(filename:join(Root, N));
apply_op(M, Root, {list_dir, N}) ->
    case M:list_dir(filename:join(Root, N)) of
        {ok, Names} -> {ok, lists:sort(Names)};
        Error -> Error
    end;
apply_op(M, Root, {info, N}) ->
    case M:read_file_info(filename:join(Root, N)) of
        {ok, #file_info{type = regular, size = Size}} -> {ok, regular, Size};
        {ok, #file_info{type = Type}} -> {ok, Type};
        Error -> Error
    end;
apply_op(M, Root, {rename, From, To}) ->
    case M:rename(filename:join(Root, From), filename:join(Root, To)) of
        {error, Reason} when Reason =:= eexist; Reason =:= enotempty; Reason =:= eisdir -> {error, in_the_way};
        {error, Reason} when Reason =:= einval; Reason =:= enotdir; Reason =:= enoent -> {error, no_way};
        Answer -> Answer
    end;
apply_op(M, Root, {append, N, D}) -> opened(M, filename:join(Root, N), [append, binary], fun(Fd) -> M:write(Fd, D) end);
apply_op(M, Root, {exclusive, N}) -> opened(M, filename:join(Root, N), [write, exclusive], fun(_) -> ok end).

opened(M, Name, Modes, F) ->
    case M:open(Name, Modes) of
        {ok, Fd} ->
            Answer = F(Fd),
            ok = M:close(Fd),
            Answer;
        Error -> Error
    end.

%% Reasons that file systems are free in.
normal({error, Reason}) when Reason =:= eexist; Reason =:= enotempty -> {error, not_empty};
normal({error, Reason}) when Reason =:= eperm; Reason =:= eisdir -> {error, is_a_directory};
normal(Other) -> Other.

open_files() ->
    with_files(fun(Ours) ->
        rand:seed(exsss, 11),
        [begin
             Host = filename:join(scratch(), "file" ++ integer_to_list(I)),
             {ok, A} = prim_file:open(Host, Modes),
             {ok, B} = Ours:open("/file" ++ integer_to_list(I), Modes),
             [begin
                  {F, Args} = access(rand:uniform(8)),
                  same({F, Args, Modes}, apply(prim_file, F, [A | Args]), apply(Ours, F, [B | Args]))
              end || _ <- lists:seq(1, 200)],
             ok = prim_file:close(A),
             ok = Ours:close(B),
             {ok, Bytes} = prim_file:read_file(Host),
             {ok, Bytes} = Ours:read_file("/file" ++ integer_to_list(I))
         end || {I, Modes} <- [{1, [read, write, binary]}, {2, [read, write, binary]}, {3, [write, binary]},
                               {4, [append, binary]}, {5, [read, write, append, binary]}]]
    end).

access(1) -> {read, [rand:uniform(200)]};
access(2) -> {write, [data()]};
access(3) -> {position, [rand:uniform(3000)]};
access(4) -> {position, [{lists:nth(rand:uniform(3), [bof, cur, eof]), rand:uniform(400) - 200}]};
access(5) -> {pread, [rand:uniform(3000), rand:uniform(300)]};
access(6) -> {pwrite, [rand:uniform(3000), data()]};
access(7) -> {truncate, []};
access(8) -> {pread, [[{rand:uniform(1000), 10}, {rand:uniform(5000), 10}]]}.

bundle_files() ->
    with_files(fun(M) ->
        {ok, <<"aaa">>} = M:read_file("/otp/lib/kernel/ebin/a.beam"),
        {ok, <<"bb">>} = M:read_file(<<"/otp/lib/stdlib/../kernel/ebin/./b.beam">>),
        {ok, ["bin", "lib"]} = sorted(M:list_dir("/otp")),
        {ok, ["a.beam", "b.beam"]} = sorted(M:list_dir("/otp/lib/kernel/ebin/")),
        {error, enotdir} = M:list_dir("/otp/bin/loom.boot"),
        {error, enoent} = M:list_dir("/otp/nothing"),
        {error, enoent} = M:read_file("/otp/nothing"),
        {error, eisdir} = M:read_file("/otp/lib"),
        {ok, #file_info{type = regular, size = 3, access = read}} = M:read_file_info("/otp/lib/kernel/ebin/a.beam"),
        {ok, #file_info{type = directory}} = M:read_file_info("/otp/lib"),
        [{error, erofs} = F() || F <- [fun() -> M:write_file("/otp/x", <<>>) end,
            fun() -> M:delete("/otp/bin/loom.boot") end,
                                       fun() -> M:make_dir("/otp/d") end, fun() -> M:rename("/x", "/otp/x") end]],
        {ok, Fd} = M:open("/otp/lib/kernel/ebin/a.beam", [read, binary]),
        {ok, <<"aa">>} = M:read(Fd, 2),
        {ok, <<"a">>} = M:read(Fd, 2),
        eof = M:read(Fd, 2),
        ok = M:close(Fd)
    end).

sorted({ok, L}) -> {ok, lists:sort(L)}.

%% Files and open handles outlive the processes that hold them.
files_survive_kills() ->
    with_files(fun(M) ->
        ok = M:write_file("/kept", <<"kept">>),
        {ok, Fd} = M:open("/open", [read, write, binary]),
        ok = M:write(Fd, <<"before">>),
        kill_and_restart(loom_vfs),
        {ok, <<"kept">>} = M:read_file("/kept"),
        ok = M:write(Fd, <<" after">>),
        kill_and_restart(loom_keeper),
        kill_and_restart(loom_vfs),
        {ok, 0} = M:position(Fd, 0),
        {ok, <<"before after">>} = M:read(Fd, 100)
    end).

%% What the supervisor does.
kill_and_restart(Module) ->
    Pid = whereis(Module),
    exit(Pid, kill),
    receive {'EXIT', Pid, killed} -> ok end,
    {ok, _} = Module:start_link(),
    %% The keeper and the file system exchange the table by messages.
    _ = sys:get_state(loom_vfs),
    _ = sys:get_state(loom_keeper).
