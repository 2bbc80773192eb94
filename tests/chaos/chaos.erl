%% SPDX-License-Identifier: Apache-2.0
%% @doc The injection campaign on the Linux program (doc/chaos.md): breaks a running system under load, thing after
%% thing, and notes for each fault whether it showed, who noticed, when the target was back, and what clients saw
%% meanwhile.
%%
%%   chaos:main([Faults, Seed, Directory])   prints `ok NAME' or `FAIL NAME why'; writes DIRECTORY/result
-module(chaos).

-export([main/1]).

-define(SEEN_MS, 60).        % how long a fault that need not show is given
-define(BACK_MS, 120000).    % until the target must be back
-define(PROGRESS_MS, 100000).% until every client must have got something done
-define(HANGING, 2).         % at a time
-define(SLACK_US, 1000000).  % a client may see a reset this long after it happened
-define(STALL_MS, 30).       % an interrupt fault that delayed somebody by that much has shown

%% One fault. `us' are times since it was injected: until it was noticed (the target died), until it was back.
-record(f, {n, kind, target, at, shown = false :: boolean(), by = nobody, noticed_us = none, back_us = none,
            lost = false :: boolean(), until}).
-record(s, {world, faults = [] :: [#f{}], hanging = [] :: [{pid(), reference(), #f{}}], started = #{}, longest = #{},
            count = #{}, errors = [], windows = []}).

main([Faults, Seed, Dir]) ->
    ok = logger:set_primary_config(level, case os:getenv("LOUD") of false -> none; _ -> notice end),
    chaos_files = ets:new(chaos_files, [named_table, public]),
    rand:seed(exsss, list_to_integer(Seed)),
    World = chaos_world:start(filename:absname(Dir), self()),
    S0 = all_go_on(erlang:system_time(microsecond), 30000, #s{world = World}),
    S1 = campaign(1, list_to_integer(Faults), S0),
    S2 = all_go_on(erlang:system_time(microsecond), ?PROGRESS_MS, settle(S1)),
    finish(list_to_integer(Seed), Dir, S2).

%% --- one after another ---------------------------------------------------------------------------------------------

campaign(N, Last, S) when N > Last -> S;
campaign(N, Last, S) ->
    N rem 500 =:= 0 andalso io:format(standard_error, "~b faults~n", [N]),
    {Kind, Target} = chaos_fault:draw(),
    Hangs = Kind =:= loop orelse Kind =:= wait,
    Busy = [T || {_, _, #f{target = T}} <- S#s.hanging],
    case lists:member(Target, Busy) orelse Hangs andalso length(Busy) >= ?HANGING of
        true -> campaign(N, Last, seen(S));
        false ->
            timer:sleep(rand:uniform(6) - 1),
            case fault(N, Kind, Target, seen(S)) of
                none -> campaign(N, Last, S);
                New -> campaign(N + 1, Last, New)
            end
    end.

fault(N, Kind, Target, S) ->
    case chaos_fault:pid(Target) of
        none -> none;
        Pid ->
            Ref = monitor(process, Pid),
            At = erlang:system_time(microsecond),
            os:getenv("TRACE") =:= false orelse
                io:format(standard_error, "~b: ~b ~0p ~0p ~0p~n", [At div 1000 rem 1000000, N, Kind, Target, Pid]),
            {sent, Sort} = chaos_fault:inject(Kind, Target, Pid, S#s.world),
            watch(Pid, Ref, #f{n = N, kind = Sort, target = Target, at = At}, S)
    end.

%% What hangs is noticed later, by the guard; meanwhile other things break, unless they need it to come back.
watch(Pid, Ref, #f{kind = Kind, target = Target} = F, S) when Kind =:= loop; Kind =:= wait ->
    case chaos_fault:is_root_of_others(Target) of
        true -> down(Ref, ?BACK_MS, Pid, F, S);
        false -> S#s{hanging = [{Pid, Ref, F} | S#s.hanging]}
    end;
watch(Pid, Ref, #f{kind = Kind} = F, S) when Kind =:= kill; Kind =:= memory; Kind =:= unplug ->
    down(Ref, ?BACK_MS, Pid, F, S);
watch(Pid, Ref, F, S) ->
    down(Ref, ?SEEN_MS, Pid, F, S).

down(Ref, Ms, Pid, F, S) when Ms > 5000 ->
    receive
        {'DOWN', Ref, process, _, _} = Down ->
            self() ! Down,
            down(Ref, 5000, Pid, F, S)
    after 5000 ->
        io:format(standard_error, "alive ~p ~p~n", [Pid, process_info(Pid)]),
        down(Ref, Ms - 5000, Pid, F, S)
    end;
down(Ref, Ms, Pid, #f{at = At} = F, S) ->
    receive
        {'DOWN', Ref, process, _, Reason} ->
            back(Pid, F#f{shown = true, by = by(F, Reason), noticed_us = since(At)}, seen(S))
    after Ms -> not_dead(Ref, Pid, F, seen(S))
    end.

by(#f{kind = Kind}, _) when Kind =:= kill; Kind =:= memory; Kind =:= unplug -> itself;
by(#f{kind = Kind}, killed) when Kind =:= loop; Kind =:= wait; Kind =:= pings -> guard;
by(#f{kind = heap}, killed) -> itself;
by(_, killed) -> guard;
by(_, _) -> crash.

since(At) -> erlang:system_time(microsecond) - At.

back(Pid, #f{target = Target, at = At} = F, S) -> back(Pid, F, At + ?BACK_MS * 1000, Target, S).

back(Pid, #f{at = At} = F, Until, Target, S) ->
    case catch chaos_fault:is_up(Target, Pid) of
        true -> add(F#f{back_us = since(At), until = erlang:system_time(microsecond)}, S);
        _ ->
            case erlang:system_time(microsecond) > Until of
                true -> lost(F, S);
                false ->
                    receive after 1 -> ok end,
                    back(Pid, F, Until, Target, seen(S))
            end
    end.

add(F, S) -> S#s{faults = [F | S#s.faults], windows = window(F, S#s.windows)}.

lost(#f{n = N, kind = Kind, target = Target} = F, S) ->
    io:format(standard_error, "fault ~b: ~p ~p: not back~n", [N, Kind, Target]),
    case chaos_fault:pid(Target) of
        none -> ok;
        Pid -> exit(Pid, kill)
    end,
    add(F#f{shown = true, lost = true, until = erlang:system_time(microsecond)}, S).

%% Connections that are reset between these times are meant to be.
window(#f{target = Target, at = At, until = Until}, Windows) ->
    case chaos_fault:may_reset(Target) of
        true -> [{At, Until} | Windows];
        false -> Windows
    end.

%% It lives: then every client must get on, whatever is wrong inside it. What is still wrong then is cleaned away with
%% the process, so that the next fault meets a system in order.
not_dead(Ref, Pid, #f{at = At, kind = Kind, target = Target} = F, S) ->
    case progress(Ref, chaos_fault:seen_by(Target), At, At + ?PROGRESS_MS * 1000, S) of
        {down, Reason, New} -> back(Pid, F#f{shown = true, by = by(F, Reason), noticed_us = since(At)}, New);
        {yes, New} ->
            Took = since(At),
            demonitor(Ref, [flush]),
            clean(Kind, Target, Pid),
            Shown = is_tuple(Kind) andalso Took > (?SEEN_MS + ?STALL_MS) * 1000,
            add(F#f{shown = Shown, by = case Shown of true -> tick; false -> nobody end, noticed_us = none,
                    back_us = case Shown of true -> Took; false -> none end,
                    until = erlang:system_time(microsecond)}, New);
        {no, New} ->
            demonitor(Ref, [flush]),
            lost(F, New)
    end.

clean(Kind, Target, Pid) when Kind =:= state; Kind =:= heap ->
    exit(Pid, kill),
    up(Target, Pid, 3000);
clean(_, _, _) -> ok.

up(_, _, 0) -> ok;
up(Target, Pid, Left) ->
    case catch chaos_fault:is_up(Target, Pid) of
        true -> ok;
        _ -> timer:sleep(1), up(Target, Pid, Left - 1)
    end.

progress(Ref, Clients, At, Until, S) ->
    receive {'DOWN', Ref, process, _, Reason} -> {down, Reason, S}
    after 2 ->
        New = seen(S),
        case lists:all(fun(C) -> maps:get(C, New#s.started, 0) > At end, Clients) of
            true -> {yes, New};
            false ->
                case erlang:system_time(microsecond) > Until of
                    true ->
                        Stuck = [C || C <- Clients, maps:get(C, New#s.started, 0) =< At],
                        io:format(standard_error, "no progress: ~p~n", [Stuck]),
                        {no, New};
                    false ->
                        os:getenv("TRACE") =:= false orelse tell(At, New),
                        progress(Ref, Clients, At, Until, New)
                end
        end
    end.

%% Until what hangs has been noticed.
settle(#s{hanging = []} = S) -> S;
settle(S) ->
    timer:sleep(10),
    settle(seen(S)).

all_go_on(At, Ms, S) ->
    case progress(none, chaos_world:clients(), At, At + Ms * 1000, S) of
        {yes, New} -> New;
        {no, New} ->
            io:format("FAIL clients ~p~n", [New#s.started]),
            halt(1)
    end.

%% For the eyes of who looks for the reason.
tell(At, S) ->
    Late = since(At) > 10000000 andalso get(told) =/= At,
    Late andalso begin
        put(told, At),
        Waiting = [C || C <- chaos_world:clients(), maps:get(C, S#s.started, 0) =< At],
        io:format(standard_error, "late: ~0p~n", [Waiting]),
        [io:format(standard_error, "~0p ~0P~n", [T, catch sys:get_state(chaos_fault:pid(T), 1000), 25])
         || T <- [{name, loom_net_sockets}, link, {unit, net, <<"eth0">>}, {name, loom_block}, {volume, <<"mnt1">>},
                  {volume, <<"mnt2">>}, {name, loom_console}, {name, loom_drv_serial}]],
        [io:format(standard_error, "~0p~n", [maps:without([device], R)]) || R <- loom_devices:list()]
    end.

%% --- what came in --------------------------------------------------------------------------------------------------

seen(S) ->
    receive
        {op, Client, _, Start, End, ok} ->
            seen(S#s{started = maps:update_with(Client, fun(T) -> max(T, Start) end, Start, S#s.started),
                     longest = maps:update_with(Client, fun(T) -> max(T, End - Start) end, End - Start, S#s.longest),
                     count = maps:update_with(Client, fun(C) -> C + 1 end, 1, S#s.count)});
        {op, Client, _, Start, End, {error, Reason}} -> seen(S#s{errors = [{Client, Start, End, Reason} | S#s.errors]});
        {'DOWN', Ref, process, Pid, Reason} -> seen(ended(Ref, Pid, Reason, S));
        {root_ended, Reason} ->
            io:format("FAIL system lost: ~0P; last fault ~0p~n", [Reason, 30, hd(S#s.faults)]),
            halt(1);
        {Tag, _} when is_tuple(Tag) -> seen(S); % answers to system messages
        Other ->
            io:format(standard_error, "unexpected ~0P~n", [Other, 20]),
            seen(S)
    after 0 -> S
    end.

%% What hung has been ended, by whom it may be.
ended(Ref, Pid, Reason, #s{hanging = Hanging} = S) ->
    case lists:keytake(Ref, 2, Hanging) of
        {value, {Pid, _, #f{at = At} = F}, Left} ->
            back(Pid, F#f{shown = true, by = by(F, Reason), noticed_us = since(At)}, S#s{hanging = Left});
        false -> S
    end.

%% --- the end -------------------------------------------------------------------------------------------------------

finish(Seed, Dir, #s{world = World, faults = Faults, errors = Errors, windows = Windows} = S) ->
    {LostA, _, SoundA} = chaos_world:verify(vda, World),
    {LostB, _, SoundB} = chaos_world:verify(nvme, World),
    {Meant, Others} = lists:partition(fun(E) -> is_meant(E, Windows) end, Errors),
    {Resets, Unmeant} = lists:partition(fun({C, _, _, _}) -> lists:member(C, [conn, connect, http]) end, Others),
    Violations = [V || {_, Address, _} = V <- loom_hw:violations(), Address band 16#dead00000000 =:= 0],
    Result = #{seed => Seed, faults => [maps:from_list(lists:zip(record_info(fields, f), tl(tuple_to_list(F))))
                                        || F <- lists:reverse(Faults)],
               longest => S#s.longest, count => S#s.count, meant => length(Meant), resets => Resets, errors => Unmeant,
               lost_files => LostA ++ LostB, sound => {SoundA, SoundB}, violations => Violations},
    ok = file:write_file(filename:join(Dir, "result"), io_lib:format("~tp.~n", [Result])),
    chaos_world:stop(World),
    Bad = chaos_report:print(Result),
    halt(min(1, length(Bad))).

is_meant({Client, Start, End, Reason}, Windows) when Client =:= http; Client =:= conn; Client =:= connect ->
    Reason =/= wrong_bytes andalso
        lists:any(fun({From, To}) -> From =< End andalso To + ?SLACK_US >= Start end, Windows);
is_meant(_, _) -> false.
