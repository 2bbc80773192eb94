%% SPDX-License-Identifier: Apache-2.0
%% Differential testing: drives diff_play on this erl and on a loom at the other end of a port, with the same cases, in
%% batches; while loom plays one, the next is drawn and played here. A difference is shrunk and written to
%% tests/diff/found,
%% whose cases every run plays first: so it is a test from then on.
%%
%% Batch N of a kind depends on SEED and N alone. Started by tests/diff/run, for some batches at a time.
-module(diff).
-export([main/0, draw/1]).

-define(MAX_FOUND, 400).

-record(run, {lineless = 0, loom, command, found, folder, differences = 0, counts = #{}, slow = 0}).

main() ->
    {_, R} = spawn_monitor(fun run/0),
    receive {'DOWN', R, _, _, Why} -> io:format("FAIL the driver: ~p~n", [Why]), halt(1) end.

run() ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    Run = start(#run{command = command(), folder = os:getenv("FOUND"), found = []}),
    diff_play:limit(2000, 20000000),
    case os:getenv("KIND") of
        "found" -> replay(Run);
        Kind -> halt(phase(list_to_atom(Kind), number("SEED", 1), number("FROM", 1), number("TO", 1), Run))
    end.

number(Name, Default) ->
    case os:getenv(Name) of
        Value when Value =:= false; Value =:= "" -> Default;
        Value -> list_to_integer(Value)
    end.

%% --- the other machine -----------------------------------------------------------------------------------
command() ->
    {os:getenv("LOOM"),
     string:lexemes(case os:getenv("LOOM_FLAGS") of false -> "+S 1"; Flags -> Flags end, " ") ++
         ["+t", "4000000", "-boot", "no_dot_erlang", "-noinput", "-kernel", "logger_level", "none", "-pa",
             filename:dirname(code:which(?MODULE)),
          "-s", "diff_play", "serve"]}.

start(#run{command = {Program, Args}} = Run) ->
    Run#run{loom = open_port({spawn_executable, Program}, [{args, Args}, {packet, 4}, binary, exit_status])}.

send(#run{loom = Port}, Request) -> port_command(Port, term_to_binary(Request)).

answer(#run{loom = Port}) ->
    receive
        {Port, {data, Bytes}} -> {ok, binary_to_term(Bytes)};
        {Port, {exit_status, Status}} -> {ended, Status}
    after 600000 ->
        {os_pid, Pid} = erlang:port_info(Port, os_pid),
        os:cmd("kill -9 " ++ integer_to_list(Pid)),
        receive {Port, {exit_status, _}} -> ok end,
        {ended, hangs}
    end.

%% {Answer, Run}: with a new machine when that one ended.
ask(Run, Request) ->
    send(Run, Request),
    case answer(Run) of
        {ok, Answer} -> {Answer, Run};
        {ended, Why} -> {{ended, Why}, start(Run)}
    end.

%% --- phases ----------------------------------------------------------------------------------------------
phase(Name, Seed, From, To, Run0) ->
    Run = batches(Name, Seed, From, To, none, Run0#run{counts = #{}}),
    [io:format("COUNT ~w ~s~n", [V, K]) || {K, V} <- lists:sort(maps:to_list(Run#run.counts))],
    io:format("COUNT ~w too slow and left out~nCOUNT ~w differing in a line only~nDIFFERENCES ~w~n",
              [Run#run.slow, Run#run.lineless, Run#run.differences]),
    0.

batches(Name, Seed, N, To, Under, Run) ->
    Next = case N > To orelse Run#run.differences >= ?MAX_FOUND of
        true -> none;
        false -> batch(Name, Seed, N)
    end,
    Run1 = compare(Under, Run),
    case Next of
        none -> Run1;
        {Cases, _} ->
            send(Run1, {hashes, Cases}),
            batches(Name, Seed, N + 1, To, Next, Run1)
    end.

batch(Name, Seed, N) ->
    rand:seed(exsss, {Seed, N, erlang:phash2(Name)}),
    Cases = draw(Name),
    Hashes = hashes(Cases),
    {[case H of too_much -> skip; _ -> C end || {C, H} <- lists:zip(Cases, Hashes)], Hashes}.

%% In a process that may not take all memory or all time; of the cases that would, too_much.
hashes(Cases) ->
    case bounded(fun() -> diff_play:hashes(Cases) end, 120000) of
        {ok, Hashes} -> Hashes;
        killed -> [one_hash(I, C) || {I, C} <- lists:zip(lists:seq(0, length(Cases) - 1), Cases)]
    end.

one_hash(I, Case) ->
    case bounded(fun() -> diff_play:hashes(lists:duplicate(I rem 4, skip) ++ [Case]) end, 5000) of
        {ok, Hashes} -> lists:last(Hashes);
        killed -> too_much
    end.

bounded(Fun, Time) ->
    Limit = #{size => 40000000, kill => true, error_logger => false},
    {P, R} = spawn_opt(fun() -> exit({ok, Fun()}) end, [monitor, {max_heap_size, Limit}]),
    receive {'DOWN', R, _, _, {ok, Result}} -> {ok, Result};
            {'DOWN', R, _, _, killed} -> killed
    after Time ->
        exit(P, kill),
        receive {'DOWN', R, _, _, _} -> killed end
    end.

draw(calls) -> [diff_calls:draw() || _ <- lists:seq(1, 1000)] ++ [diff_ets:draw() || _ <- lists:seq(1,
    4)] ++ [diff_procs:draw() || _ <- lists:seq(1, 4)];
draw(programs) -> [program() || _ <- lists:seq(1, 20)].

program() ->
    {Text, Options, Calls} = diff_program:draw(diff_p),
    case %% The compiler writes of some of its troubles to standard output; they are none of ours.
compiled({source, diff_p, Text, Options, Calls}) of
        {program, _, _, _, _} = Case -> Case;
        {error, _} -> program() % what the compiler refuses, often of its own making, is no program
    end.

%% The source stays with the program, for the shrinker; what is played has none.
compiled({source, Module, Text, Options, Calls} = Source) ->
    try diff_program:compile(Module, Text, Options) of
        {_, _, {ok, Module, Beam, _}} -> {program, Module, Beam, Calls, Source};
        {_, _, Error} -> {error, Error}
    catch C:E:S -> {error, {C, E, S}}
    end;
compiled({forms, Module, Forms, Options, Calls} = Source) ->
    try compile:forms(Forms, [binary, return | Options]) of
        {ok, Module, Beam, _} -> {program, Module, Beam, Calls, Source};
        Error -> {error, Error}
    catch C:E -> {error, {C, E}}
    end;
compiled(Case) -> Case.

weight({call, _, _, _}) -> 1;
weight({ets, {_, _, Ops}}) -> length(Ops);
weight({procs, Steps}) -> length(Steps);
weight({program, _, _, _, _}) -> 1;
weight(_) -> 0.

label(call) -> "calls";
label(ets) -> "table operations";
label(procs) -> "process steps";
label(program) -> "programs".

compare(none, Run) -> Run;
compare({Cases, Hashes}, Run) ->
    Counted = lists:foldl(fun count/2, Run, Cases),
    case answer(Run) of
        {ok, Theirs} ->
            Differing = [C || {C, H, T} <- lists:zip3(Cases, Hashes, Theirs), H =/= T, C =/= skip],
            lists:foldl(fun difference/2, Counted, Differing);
        {ended, Why} ->
            io:format("loom ended: ~p~n", [Why]),
            lists:foldl(fun difference/2, start(Counted), deadly(Cases, start(Counted)))
    end.

count(skip, #run{slow = N} = Run) -> Run#run{slow = N + 1};
count(Case, #run{counts = Counts} = Run) ->
    Add = fun(K, N, M) -> maps:update_with(K, fun(V) -> V + N end, N, M) end,
    New = Add(label(element(1, Case)), weight(Case), Counts),
    Run#run{counts = case Case of {program, _, _, Calls, _} -> Add("calls of programs", length(Calls), New); _ ->
        New end}.

%% The first case that ends loom: alone, or with all before it.
deadly(Cases, Run) ->
    case [C || C <- Cases, C =/= skip, differs(C, Run)] of
        [] -> io:format("FAIL no single case of the batch ends it~n"), halt(1);
        [C | _] -> [C]
    end.

%% --- differences ---------------------------------------------------------------------------------------------
outcomes(Case, Run) ->
    Ours = diff_play:full(Case),
    {Theirs, Run1} = ask(Run, {full, Case}),
    {Ours, Theirs, Run1}.

differs(Case, Run0) ->
    Run = case get(fresh) of undefined -> Run0; Fresh -> Fresh end,
    {Ours, Theirs, Run1} = outcomes(Case, Run),
    put(fresh, Run1),
    element(2, Ours) =/= element(2, Theirs) andalso diff_play:hashes([Case]) =/= [too_much].

difference(Case, #run{differences = N, found = Found} = Run) ->
    %% The same function over and over is one finding.
    Kind = case Case of {call, M, F, _} -> {M, F}; _ -> element(1, Case) end,
    case {N >= ?MAX_FOUND, length([K || K <- Found, K =:= Kind])} of
        {true, _} -> Run;
        {_, Same} when is_tuple(Kind), Same >= 2; Same >= 10 -> Run#run{differences = N + 1};
        _ -> new_difference(Case, Run#run{found = [Kind | Found]})
    end.

new_difference(Case, Run0) ->
    put(fresh, Run0),
    case lines_only(Case, Run0) of
        true -> (erase(fresh))#run{lineless = Run0#run.lineless + 1};
        false -> shrunk_difference(Case, get(fresh))
    end.

shrunk_difference(Case, Run) ->
    Small = case differs(Case, Run) of
        true -> diff_shrink:shrink(Case, fun(C) -> try_case(C, Run) end);
        false -> io:format("a difference came once only, and not by itself~n"), Case
    end,
    {Ours, Theirs, Run1} = outcomes(Small, get(fresh)),
    erase(fresh),
    write(Small, Ours, Theirs, Run1#run.folder),
    Run1#run{differences = Run1#run.differences + 1}.

%% An instruction may fail that the compiler gave no line, since it knows that it will: the line its frame then shows is
%% that of what was translated before it, by each machine in its own way.
lines_only(Case, Run0) ->
    {Ours, Theirs, Run} = outcomes(Case, Run0),
    put(fresh, Run),
    element(1, Case) =:= program andalso without_lines(Ours) =:= without_lines(Theirs).

without_lines({Text, _}) when is_binary(Text) -> re:replace(Text, "{line,\\s*[0-9]+}", "", [global, {return, binary}]);
without_lines(Other) -> Other.

try_case(Case, Run) ->
    case compiled(Case) of
        {error, _} -> false;
        C -> differs(C, Run) andalso {true, C}
    end.

write(Case, Ours, Theirs, Folder) ->
    Stored = case Case of {program, _, _, _, Source} -> Source; _ -> Case end,
    <<Hash:4/binary, _/binary>> = erlang:md5(term_to_binary(Stored)),
    Path = filename:join(Folder, string:lowercase(binary_to_list(binary:encode_hex(Hash))) ++ ".case"),
    Text = [readable(Stored), "\nerl:  ", text(Ours), "\nloom: ", text(Theirs)],
    Comment = [["%% ", Line, "\n"] || Line <- string:split(unicode:characters_to_list(Text), "\n", all), Line =/= []],
    Data = [io_lib:format("~p.~n", [base64:encode(term_to_binary(Stored, [compressed]))])],
    ok = filelib:ensure_dir(Path),
    ok = file:write_file(Path, unicode:characters_to_binary(["%% SPDX-License-Identifier: Apache-2.0\n", Comment,
        Data])),
    io:format("DIFFERENCE ~s~n~ts~n", [Path, unicode:characters_to_list(Text)]).

readable({call, M, F, A}) -> io_lib:format("~w:~w~0p", [M, F, A]);
readable({forms, _, Forms, Options, Calls}) -> [io_lib:format("~p ~0p~n", [Options, Calls]), [erl_pp:form(F)
    || F <- Forms]];
readable({source, _, Text, Options, Calls}) -> [io_lib:format("~p ~0p~n", [Options, Calls]), Text];
readable(Case) -> io_lib:format("~p", [Case]).

text({Bytes, Hash}) when is_binary(Bytes) ->
    case unicode:characters_to_list(Bytes) of
        L when is_list(L), length(L) > 3000 -> [lists:sublist(L, 3000), "... ", binary:encode_hex(Hash)];
        L when is_list(L) -> L;
        _ -> io_lib:format("~p", [Bytes])
    end;
text(Other) -> io_lib:format("~p", [Other]).

%% --- what was found once ----------------------------------------------------------------------------------------
replay(#run{folder = Folder} = Run) ->
    Files = lists:sort(filelib:wildcard(filename:join(Folder, "*.case"))),
    {Bad, _} = lists:foldl(fun replay/2, {0, Run}, Files),
    io:format("COUNT ~w cases of earlier runs~nDIFFERENCES ~w~n", [length(Files), Bad]),
    halt(0).

replay(File, {Bad, Run}) ->
    {ok, [Data]} = file:consult(File),
    Case = compiled(binary_to_term(base64:decode(Data))),
    {Ours, Theirs, Run1} = outcomes(Case, Run),
    case element(2, Ours) =:= element(2, Theirs) of
        true -> {Bad, Run1};
        false ->
            io:format("FAIL found/~s~n~ts~nerl:  ~ts~nloom: ~ts~n",
                      [filename:basename(File), readable(Case), text(Ours), text(Theirs)]),
            {Bad + 1, Run1}
    end.
