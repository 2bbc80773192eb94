%% SPDX-License-Identifier: Apache-2.0
%% Runs the cases of one OTP test suite, without common_test, and records each result in a file.
%%
%%   erl ... -run conf_suite main SUITE DATADIR PRIVDIR RESULTS [CASE ...]
%%
%% RESULTS is appended to, one event a line: `start NAME`, then `ok NAME`, `fail NAME reason` or `skip NAME reason`, and
%% `end` when the suite is through. NAME is `case` or `group/case`. A case that has a `start` already is not run: so the
%% program that starts this one goes on after a case that took the whole machine down. With CASEs only those are run.
%%
%% Order of calls, groups and configuration are common_test's: init_per_testcase, the case and end_per_testcase run in
%% one process; init_per_suite and init_per_group in processes of their own, which stay, since tables may belong to
%% them. What a suite wants of `ct` and `test_server` is in stand_in/.
-module(conf_suite).
-export([main/1]).

%% A case may not take longer, unless the suite itself allows more: milliseconds.
-define(CASE_LIMIT, 120000).
%% Between cases: some leave processes that end a little later, and common_test, which logs much, is slow enough.
-define(PAUSE, 20).

-record(run, {module, results, done = [], only = [], groups = [], limit = ?CASE_LIMIT, path = []}).

main([Suite, DataDir, PrivDir, Results | Only]) ->
    Module = list_to_atom(Suite),
    Done = started(Results),
    {ok, File} = file:open(Results, [append, raw]),
    {module, Module} = code:ensure_loaded(Module),
    Leader = stand_in_io:start(group_leader()),
    group_leader(Leader, self()),
    Run = #run{module = Module, results = File, done = Done, only = Only,
               groups = optional(Module, groups, [], []), limit = suite_limit(Module)},
    suite(Run, [{data_dir, DataDir ++ "/"}, {priv_dir, PrivDir ++ "/"}, {nodenames, []}]),
    event(File, ["end"]),
    halt(0).

started(Results) ->
    case file:read_file(Results) of
        {ok, Bin} -> [Name || <<"start ", Name/binary>> <- binary:split(Bin, <<"\n">>, [global])];
        {error, enoent} -> []
    end.

event(File, Line) ->
    ok = file:write(File, [Line, $\n]).

%%% The tree of cases

suite(#run{module = M} = Run, Config0) ->
    case configure(M, init_per_suite, [], Config0) of
        {ok, Config} ->
            case M:all() of
                {skip, Why} -> alone(Run, "all", skip, Why);
                Items -> items(Items, Run, Config)
            end,
            configure(M, end_per_suite, [], Config);
        {Kind, Why} ->
            alone(Run, "init_per_suite", Kind, Why)
    end.

items(Items, Run, Config) ->
    lists:foreach(fun(Item) -> item(Item, Run, Config) end, Items).

item(Items, Run, Config) when is_list(Items) -> items(Items, Run, Config);
item({group, Name}, Run, Config) -> named_group(Name, Run, Config);
item({group, Module, Name}, Run, Config) when is_atom(Name), Name =/= default ->
    named_group(Name, of_module(Module, Run), Config);
item({group, Name, _}, Run, Config) -> named_group(Name, Run, Config);
item({group, Name, _, _}, Run, Config) -> named_group(Name, Run, Config);
item({testcase, Name, _}, Run, Config) -> test_case(Name, Run, Config);
item({Name, Properties, Items}, Run, Config) when is_list(Items) -> group(Name, Properties, Items, Run, Config);
item({Name, Items}, Run, Config) when is_list(Items) -> group(Name, [], Items, Run, Config);
item({Module, all}, Run, Config) -> items(Module:all(), of_module(Module, Run), Config);
item({Module, Name}, Run, Config) -> test_case(Name, of_module(Module, Run), Config);
item(Name, Run, Config) when is_atom(Name) -> test_case(Name, Run, Config).

%% Suites may be made of other modules' cases.
of_module(Module, #run{module = Module} = Run) -> Run;
of_module(Module, Run) ->
    {module, Module} = code:ensure_loaded(Module),
    Run#run{module = Module, groups = optional(Module, groups, [], [])}.

named_group(Name, #run{groups = Groups} = Run, Config) ->
    case lists:keyfind(Name, 1, Groups) of
        {_, Properties, Items} -> group(Name, Properties, Items, Run, Config);
        {_, Items} -> group(Name, [], Items, Run, Config);
        false -> alone(Run, atom_to_list(Name), fail, no_such_group)
    end.

group(Name, Properties, Items, #run{module = M, path = Path} = Run0, Config0) ->
    Run = Run0#run{path = Path ++ [Name]},
    Config1 = [{tc_group_properties, [{name, Name} | Properties]}
               | lists:keydelete(tc_group_properties, 1, Config0)],
    case configure(M, init_per_group, [Name], Config1) of
        {ok, Config} ->
            items(Items, Run, Config),
            configure(M, end_per_group, [Name], Config);
        {Kind, Why} ->
            alone(Run, "init_per_group", Kind, Why)
    end.

%% A result that belongs to no case: of the suite or of a group.
alone(#run{results = File, path = Path}, What, Kind, Why) ->
    Name = name(Path, What),
    event(File, ["start ", Name]),
    event(File, result(Name, {Kind, Why})).

name(Path, Last) ->
    lists:join("/", [atom_to_list(P) || P <- Path] ++ [Last]).

%%% Configuration functions

configure(M, Function, Args, Config) ->
    case erlang:function_exported(M, Function, length(Args) + 1) of
        false -> {ok, Config};
        true ->
            Self = self(),
            Call = fun() ->
                           Self ! {configured, self(), attempt(M, Function, Args ++ [Config])},
                           receive after infinity -> ok end
                   end,
            {Pid, Monitor} = spawn_monitor(Call),
            receive
                {configured, Pid, Result} -> erlang:demonitor(Monitor, [flush]), configured(Result, Config);
                {'DOWN', Monitor, process, Pid, Why} -> {fail, {Function, Why}}
            after 600000 -> {fail, {Function, timeout}}
            end
    end.

configured({returned, [_ | _] = Config}, _) -> {ok, Config};
configured({returned, Value}, Config) ->
    case verdict(Value) of
        ok -> {ok, Config};
        Other -> Other
    end;
configured({raised, Class, Reason, Stack}, _) -> verdict(Class, Reason, Stack).

attempt(M, Function, Args) ->
    try {returned, apply(M, Function, Args)}
    catch Class:Reason:Stack -> {raised, Class, Reason, Stack}
    end.

verdict({skip, Why}) -> {skip, Why};
verdict({skipped, Why}) -> {skip, Why};
verdict({skip_and_save, Why, _}) -> {skip, Why};
verdict({fail, Why}) -> {fail, Why};
verdict({failed, Why}) -> {fail, Why};
verdict(_) -> ok.

verdict(throw, {skip, Why}, _) -> {skip, Why};
verdict(throw, {skipped, Why}, _) -> {skip, Why};
verdict(_, {stand_in_skip, Why}, _) -> {skip, Why};
verdict(throw, ok, _) -> ok;
verdict(Class, Reason, Stack) -> {fail, {Class, Reason, Stack}}.

%%% One case

test_case(Case, #run{done = Done, only = Only, path = Path} = Run, Config) ->
    Name = lists:flatten(name(Path, atom_to_list(Case))),
    Wanted = Only =:= [] orelse lists:member(atom_to_list(Case), Only) orelse lists:member(Name, Only),
    case Wanted andalso not lists:member(list_to_binary(Name), Done) of
        true -> test_case(Case, Name, Run, Config);
        false -> ok
    end.

test_case(Case, Name, #run{module = M, results = File, limit = Limit}, Config) ->
    event(File, ["start ", Name]),
    io:format("~n--- ~s~n", [Name]),
    Start = erlang:monotonic_time(millisecond),
    Result = in_process(M, Case, Config, max(Limit, case_limit(M, Case))),
    timer:sleep(?PAUSE),
    io:format("~n--- ~s: ~P, ~w ms~n", [Name, Result, 60, erlang:monotonic_time(millisecond) - Start]),
    event(File, result(Name, Result)).

result(Name, ok) -> ["ok ", Name];
result(Name, {Kind, Why}) ->
    Text = io_lib:format("~0tP", [Why, 40]),
    Line = [case C of $\n -> $\s; _ -> C end || C <- lists:flatten(Text)],
    [atom_to_list(Kind), " ", Name, " ", unicode:characters_to_binary(lists:sublist(Line, 600))].

in_process(M, Case, Config, Limit) ->
    Self = self(),
    Tag = make_ref(),
    {Pid, Monitor} = spawn_monitor(fun() ->
                                           put(stand_in_runner, {Self, Tag}),
                                           Result = whole_case(M, Case, Config),
                                           {links, Links} = process_info(self(), links),
                                           exit({Tag, Result, [L || L <- Links, is_pid(L)]})
                                   end),
    case wait(Pid, Monitor, Tag, Limit) of
        {died, Why} ->
            %% The process is gone and could not clean up: another one does.
            {Cleaner, Ref} = spawn_monitor(fun() -> clean_up(M, Case, [{tc_status, {failed, Why}} | Config]) end),
            receive {'DOWN', Ref, process, Cleaner, _} -> ok
            after 60000 -> exit(Cleaner, kill), erlang:demonitor(Ref, [flush])
            end,
            case Why of
                {stand_in_skip, Reason} -> {skip, Reason};
                _ -> {fail, {died, Why}}
            end;
        Result -> Result
    end.

wait(Pid, Monitor, Tag, Limit) ->
    receive
        {stand_in_timetrap, Tag, New} -> wait(Pid, Monitor, Tag, max_limit(New, ?CASE_LIMIT));
        {'DOWN', Monitor, process, Pid, {Tag, Result, Links}} -> wait_for_end(Links), Result;
        {'DOWN', Monitor, process, Pid, Why} -> {died, Why}
    after Limit ->
            io:format("timeout: ~P~n", [process_info(Pid, [current_stacktrace, messages, status]), 100]),
            exit(Pid, kill),
            receive {'DOWN', Monitor, process, Pid, _} -> {died, timeout} end
    end.

%% What the case leaves linked ends with it, if it wants to: not while the next case starts the same again.
wait_for_end(Pids) ->
    Monitors = [monitor(process, P) || P <- Pids],
    Timer = erlang:start_timer(1000, self(), enough),
    [receive
         {'DOWN', M, process, _, _} -> ok;
         {timeout, Timer, enough} = Enough -> self() ! Enough
     end || M <- Monitors],
    erlang:cancel_timer(Timer),
    receive {timeout, Timer, enough} -> ok after 0 -> ok end,
    [demonitor(M, [flush]) || M <- Monitors].

whole_case(M, Case, Config0) ->
    case initialised(M, Case, Config0) of
        {ok, Config} ->
            Result = case attempt(M, Case, [Config]) of
                         {returned, Value} -> verdict(Value);
                         {raised, Class, Reason, Stack} -> verdict(Class, Reason, Stack)
                     end,
            Status = case Result of ok -> ok; {skip, Why} -> {skipped, Why}; {fail, Why} -> {failed, Why} end,
            case {Result, clean_up(M, Case, [{tc_status, Status} | Config])} of
                {ok, {fail, Why2}} -> {fail, {end_per_testcase, Why2}};
                _ -> Result
            end;
        Other -> Other
    end.

initialised(M, Case, Config) ->
    case erlang:function_exported(M, init_per_testcase, 2) of
        true -> configured(attempt(M, init_per_testcase, [Case, Config]), Config);
        false -> {ok, Config}
    end.

%% What end_per_testcase raises is only a warning in common_test.
clean_up(M, Case, Config) ->
    case erlang:function_exported(M, end_per_testcase, 2) of
        true ->
            case attempt(M, end_per_testcase, [Case, Config]) of
                {returned, Value} -> verdict(Value);
                Raised -> io:format("end_per_testcase: ~P~n", [Raised, 60]), ok
            end;
        false -> ok
    end.

%%% Limits

suite_limit(M) -> max_limit(proplists:get_value(timetrap, optional(M, suite, [], [])), ?CASE_LIMIT).

%% Case/0 may give properties of the case.
case_limit(M, Case) -> max_limit(proplists:get_value(timetrap, optional(M, Case, [], [])), 0).

optional(M, Function, Args, Default) ->
    case erlang:function_exported(M, Function, length(Args)) of
        true ->
            case attempt(M, Function, Args) of
                {returned, Value} when is_list(Value) -> Value;
                _ -> Default
            end;
        false -> Default
    end.

max_limit(Trap, Least) ->
    case stand_in_io:milliseconds(Trap) of
        infinity -> infinity;
        N when is_integer(N) -> max(N, Least);
        _ -> Least
    end.
