%% SPDX-License-Identifier: Apache-2.0
%% @doc Tests of the watchdogs' drivers over their models, and of the heartbeat that feeds them: part of device_test.
-module(watchdog_test).

-export([tests/1]).

-define(PLACE, {0, 3, 0}).
-define(SPEED, 50). % the models' time

tests(Machine) ->
    Step = case Machine of "erl" -> 5; _ -> 1 end,
    [{list_to_atom(atom_to_list(Kind) ++ "_" ++ What), fun() -> F(Kind) end}
        || Kind <- [i6300esb, itco],
           {What, F} <- [{"resets", fun resets/1}, {"fired_before", fun fired_before/1},
                         {"killed_at_every_access", fun(K) -> killed(K, Step) end}]]
    ++ [{itco_strap, fun strap/0}, {heartbeat_feeds, fun feeds/0}, {heartbeat_wedged_scheduler, fun wedged/0},
        {heartbeat_silent_root, fun silent_root/0}, {heartbeat_strange_note, fun strange_note/0}].

device(Kind, Args) ->
    Model = list_to_atom("loom_model_" ++ atom_to_list(Kind)),
    {?PLACE, Model, maps:merge(#{test => self(), speed => ?SPEED}, Args)}.

up() -> device_test:up(watchdog).

resets(Kind) ->
    device_test:with_devices([device(Kind, #{})], fun() ->
        _ = loom_devices:subscribe(watchdog),
        #{driver := D, kind := Kind, fired := false, timeout := {Least, Most}} = up(),
        true = Least >= 1 andalso Most >= 600,
        [{error, einval} = loom_driver:call(D, {start, S}) || S <- [0, Least - 1, Most + 1, 5.5, a]],
        %% Stopped, it does nothing; fed, neither; else it resets.
        [ok = loom_driver:call(D, X) || X <- [{start, 10}, stop]],
        quiet(500),
        ok = loom_driver:call(D, {start, 25}),
        [begin D ! feed, quiet(100) end || _ <- lists:seq(1, 10)],
        receive {reset, Kind} -> ok end,
        %% After a start with another time as well, and without the driver.
        ok = loom_driver:call(D, {start, 10}),
        exit(D, kill),
        receive {reset, Kind} -> ok end,
        receive {loom_devices, down, watchdog, _} -> ok end,
        #{fired := true, driver := New} = up(),
        ok = loom_driver:call(New, forget),
        #{fired := false} = up(),
        exit(New, kill),
        receive {loom_devices, down, watchdog, _} -> ok end,
        #{fired := false} = up()
    end).

quiet(Ms) -> receive {reset, _} = R -> exit(R) after Ms -> ok end.

fired_before(Kind) ->
    device_test:with_devices([device(Kind, #{fired => true})], fun() ->
        _ = loom_devices:subscribe(watchdog),
        #{fired := true} = up()
    end).

strap() ->
    device_test:with_devices([device(itco, #{strap => true})], fun() ->
        ok = loom_devices:rescan(),
        _ = device_test:wait_state(?PLACE, unclaimed),
        [] = loom_devices:units(watchdog)
    end).

killed(Kind, Step) ->
    device_test:killed_everywhere(fun() -> device(Kind, #{}) end, Step, fun() ->
        _ = loom_devices:subscribe(watchdog),
        ok = ask({start, 600}, up()),
        #{driver := D} = current(),
        D ! feed,
        ok = ask(stop, current())
    end).

%% The newest.
current() ->
    case loom_devices:units(watchdog) of
        [Unit] -> Unit;
        [] -> timer:sleep(1), current()
    end.

ask(Request, #{driver := D}) ->
    try loom_driver:call(D, Request)
    catch exit:_ -> timer:sleep(1), ask(Request, current())
    end.

%% --- heartbeat ---------------------------------------------------------------------------------------------------

%% With a clock's memory, and this process in the root's place.
with_heartbeat(Args, Note, Seconds, F) ->
    [persistent_term:erase(K) || {K, _} <- persistent_term:get(), K =:= loom_heartbeat
        orelse K =:= {loom_heartbeat, last}],
    device_test:with_devices([device(i6300esb, Args)], fun() ->
        ok = loom_hw:set_cmos(<<0:120/unit:8, Note:8/binary>>),
        {ok, Clock} = loom_driver:start_link(loom_drv_timer),
        {ok, Root} = supervisor:start_link({local, watchdog_root}, device_test, none),
        {ok, Heart} = loom_heartbeat:start_link(watchdog_root, Seconds),
        F(Root),
        [stop(P) || P <- [Heart, Root, Clock]]
    end).

stop(Pid) ->
    unlink(Pid),
    Ref = monitor(process, Pid),
    exit(Pid, shutdown),
    receive {'DOWN', Ref, _, _, _} -> ok end.

said(Text) -> lists:any(fun(Line) -> string:find(Line, Text) =/= nomatch end, loom_hw:logged()).

wait_said(Text) -> said(Text) orelse begin timer:sleep(5), wait_said(Text) end.

feeds() ->
    with_heartbeat(#{speed => 1}, <<0:64>>, 4, fun(_) ->
        wait_said("watchdog: i6300esb, resets the machine after 4 s without progress"),
        none = loom_heartbeat:last(),
        %% Neither a driver that dies nor a heartbeat that starts anew makes a difference.
        #{driver := D} = current(),
        exit(D, kill),
        quiet(2600)
    end),
    quiet(0).

wedged() ->
    Note = with_wedge(),
    with_heartbeat(#{speed => 1, fired => true}, Note, 4, fun(_) ->
        wait_said("watchdog: the last run was reset by i6300esb: scheduler 2 made no progress"),
        {i6300esb, {scheduler, 2}} = loom_heartbeat:last(),
        <<0:64>> = loom_drv_timer:note()
    end),
    with_heartbeat(#{speed => 1, fired => true}, <<0:64>>, 4, fun(_) ->
        wait_said("watchdog: the last run was reset by i6300esb: its heartbeat stopped")
    end).

with_wedge() ->
    Open = erts_debug:set_internal_state(available_internal_state, true),
    Self = self(),
    with_heartbeat(#{speed => 1}, <<255:8, (-1):56>>, 4, fun(_) ->
        wait_said("watchdog: i6300esb, resets"),
        Start = erlang:monotonic_time(millisecond),
        Wedge = spawn_opt(fun() -> erts_debug:set_internal_state(sleep, 5500) end, [{scheduler, 2}, monitor]),
        receive {reset, i6300esb} -> ok end,
        Took = erlang:monotonic_time(millisecond) - Start,
        Took =< 4600 orelse exit({late, Took}),
        true = said("watchdog: scheduler 2 makes no progress; not fed any more"),
        Self ! {note, loom_drv_timer:note()},
        receive {'DOWN', _, process, Pid, _} when Pid =:= element(1, Wedge) -> ok end,
        wait_said("watchdog: all goes on; fed again")
    end),
    Open orelse erts_debug:set_internal_state(available_internal_state, false),
    receive {note, Note} -> Note end.

silent_root() ->
    with_heartbeat(#{speed => 1}, <<0:64>>, 4, fun(Root) ->
        wait_said("watchdog: i6300esb, resets"),
        ok = sys:suspend(Root),
        receive {reset, i6300esb} -> ok end,
        true = said("watchdog: the root supervisor does not answer; not fed any more"),
        ok = sys:resume(Root),
        wait_said("watchdog: all goes on; fed again")
    end).

%% Somebody else's bytes are left as they are.
strange_note() ->
    with_heartbeat(#{speed => 1, fired => true}, <<"firmware">>, 4, fun(_) ->
        wait_said("watchdog: the last run was reset by i6300esb: its heartbeat stopped"),
        other = loom_heartbeat:note({scheduler, 3}),
        <<"firmware">> = loom_drv_timer:note()
    end).
