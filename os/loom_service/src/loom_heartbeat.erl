%% SPDX-License-Identifier: Apache-2.0
%% @doc The root supervisor's heartbeat: what feeds the machine's watchdogs, and only while everything that must go on
%% does. On each scheduler that runs processes sits a beat, bound to it, that says when it last ran and looks whether
%% all others did; another process asks the root supervisor. When one of them has been silent for half of the configured
%% time nobody feeds any more: who finds out leaves a note for the next run (loom_drv_timer:set_note/1), and after the
%% other half the hardware resets the machine. If what was silent goes on before that, so does the feeding.
%%
%% The time is that of `-loom_watchdog Seconds' (30; `off'). Without a watchdog in the machine there are no beats.
-module(loom_heartbeat).
-behaviour(gen_server).

-export([start_link/0, last/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-export([start_link/2, beat/2, root/2, note/1]).
-export_type([reason/0]).

-define(SECONDS, 30).
-define(PARTS, 16). % the time has so many beats
-define(MAGIC, "Lw").
-define(LAST, {?MODULE, last}).

%% What made no progress: a scheduler (numbered from 1), the root supervisor, or nobody knows.
-type reason() :: {scheduler, pos_integer()} | root | unknown.
%% What the beats share: when each of them and the root were last well, and 1 while somebody is silent.
-record(beats, {times :: atomics:atomics_ref(), count :: pos_integer(), period :: pos_integer(),
    patience :: pos_integer()}).
-record(s, {root :: atom(), seconds :: pos_integer(), from :: pid() | undefined, note :: none | reason(),
    units = #{} :: #{binary() => pid()}, running = none :: none | {#beats{}, Pids :: [pid()]}}).

-spec start_link() -> {ok, pid()} | ignore | {error, term()}.
start_link() ->
    case seconds(init:get_argument(loom_watchdog)) of
        off -> ignore;
        Seconds -> start_link(loom_root_sup, Seconds)
    end.

%% @private With another root, in tests.
-spec start_link(atom(), pos_integer()) -> {ok, pid()} | {error, term()}.
start_link(Root, Seconds) -> gen_server:start_link({local, ?MODULE}, ?MODULE, {Root, Seconds}, []).

seconds({ok, [["off"] | _]}) -> off;
seconds({ok, [[Text] | _]}) ->
    try list_to_integer(Text) of
        N when N > 0 -> N;
        _ -> ?SECONDS
    catch error:badarg -> ?SECONDS
    end;
seconds(_) -> ?SECONDS.

%% @doc Whether a watchdog reset the machine before this run, which, and why.
-spec last() -> none | {Watchdog :: atom(), reason()}.
last() -> persistent_term:get(?LAST, none).

init({Root, Seconds}) ->
    process_flag(trap_exit, true),
    {ok, subscribe(#s{root = Root, seconds = Seconds, note = take_note()})}.

subscribe(S) ->
    From = loom_devices:subscribe(watchdog),
    _ = monitor(process, From),
    S#s{from = From}.

handle_call(Request, _From, _S) -> error({unexpected_call, Request}).
handle_cast(Request, _S) -> error({unexpected_cast, Request}).

handle_info({loom_devices, up, watchdog, #{name := Name, driver := Driver} = Unit}, #s{units = Units} = S) ->
    case Units of
        #{Name := Driver} -> {noreply, S};
        _ -> {noreply, drivers(started(Unit, told(Unit, S)))}
    end;
handle_info({loom_devices, down, watchdog, Name}, #s{units = Units} = S) ->
    {noreply, drivers(S#s{units = maps:remove(Name, Units)})};
handle_info({'DOWN', _, process, From, _}, #s{from = From} = S) -> {noreply, subscribe(S)};
handle_info({'EXIT', _, Reason}, S) -> {stop, Reason, S}.

%% An orderly end is nothing to be reset for; a violent one leaves the hardware counting.
terminate(shutdown, #s{units = Units}) ->
    [asked(Driver, stop) || Driver <- maps:values(Units)],
    ok;
terminate(_, _) -> ok.

%% `gone': its driver died, or will be killed because it does not answer. There will be another.
asked(Driver, Request) ->
    try loom_driver:call(Driver, Request)
    catch exit:_ -> gone
    end.

%%% The last run

%% Where there are two, the second may have run out while the first reset the machine: it is not told of.
told(#{fired := true, kind := Kind, driver := Driver}, #s{note = Note} = S) ->
    last() =:= none andalso tell(Kind, case Note of none -> unknown; _ -> Note end),
    _ = asked(Driver, forget),
    S;
told(_, S) -> S.

tell(Kind, Why) ->
    persistent_term:put(?LAST, {Kind, Why}),
    loom_hw:log(io_lib:format("watchdog: the last run was reset by ~s: ~s", [Kind, past(Why)])).

past({scheduler, N}) -> io_lib:format("scheduler ~b made no progress", [N]);
past(root) -> "the root supervisor did not answer";
past(unknown) -> "its heartbeat stopped".

%% What the run before left, which is then no more.
take_note() ->
    try read_note(loom_drv_timer:note()) of
        {ok, Reason} ->
            ok = loom_drv_timer:set_note(<<0:64>>),
            Reason;
        _ -> none
    catch exit:_ -> none % there is no such memory
    end.

read_note(<<?MAGIC, Kind, Number:24, Sum:16>>) ->
    case {erlang:crc32(<<Kind, Number:24>>) band 16#ffff, Kind} of
        {Sum, 0} -> {ok, root};
        {Sum, 1} -> {ok, {scheduler, Number}};
        _ -> empty % half written
    end;
read_note(<<Byte, Rest/binary>>) when Byte =:= 0; Byte =:= 255 ->
    case binary:copy(<<Byte>>, byte_size(Rest)) of
        Rest -> empty;
        _ -> other
    end;
read_note(_) -> other.

%% @private In a process of its own: the clock's driver may be where nothing runs. Bytes that somebody else uses are
%% left.
-spec note(reason() | none) -> ok | other.
note(Reason) ->
    case {read_note(loom_drv_timer:note()), Reason} of
        {other, _} -> other;
        {_, none} -> loom_drv_timer:set_note(<<0:64>>);
        {_, root} -> loom_drv_timer:set_note(noted(0, 0));
        {_, {scheduler, N}} -> loom_drv_timer:set_note(noted(1, N))
    end.

noted(Kind, Number) -> <<?MAGIC, Kind, Number:24, (erlang:crc32(<<Kind, Number:24>>)):16>>.

%%% Watchdogs

started(#{name := Name, driver := Driver, kind := Kind, timeout := {Least, Most}}, #s{units = Units} = S) ->
    Seconds = min(Most, max(Least, S#s.seconds div 2)),
    case asked(Driver, {start, Seconds}) of
        ok ->
            is_map_key(Name, Units) orelse seen(Name) orelse
                loom_hw:log(io_lib:format("watchdog: ~s, resets the machine after ~b s without progress",
                                          [Kind, Seconds + S#s.seconds div 2])),
            S#s{units = Units#{Name => Driver}};
        gone -> S
    end.

%% One line of the log for each, however often its driver starts.
seen(Name) ->
    Seen = persistent_term:get(?MODULE, []),
    lists:member(Name, Seen) orelse (persistent_term:put(?MODULE, [Name | Seen]) =/= ok).

drivers(#s{units = Units, running = none} = S) when map_size(Units) =:= 0 -> S;
drivers(#s{running = none} = S) -> drivers(S#s{running = start_beats(S)});
drivers(#s{units = Units, running = {_, Pids}} = S) ->
    [Pid ! {drivers, maps:values(Units)} || Pid <- Pids],
    S.

start_beats(#s{root = Root, seconds = Seconds}) ->
    Count = erlang:system_info(schedulers),
    Period = max(1, Seconds * 1000 div ?PARTS),
    Times = atomics:new(Count + 2, []),
    Beats = #beats{times = Times, count = Count, period = Period, patience = Seconds * 500 - 2 * Period},
    [atomics:put(Times, I, now_ms()) || I <- lists:seq(1, Count + 1)],
    Pids = [spawn_opt(?MODULE, beat, [I, Beats], [link, {scheduler, I}, {priority, high}])
            || I <- lists:seq(1, Count)],
    [Pid ! {others, Pids} || Pid <- Pids],
    _ = spawn_opt(?MODULE, root, [Root, Beats], [link, {priority, high}]),
    {Beats, Pids}.

now_ms() -> erlang:monotonic_time(millisecond).

%%% Beats

%% @private
-spec root(atom(), #beats{}) -> no_return().
root(Root, #beats{times = Times, count = Count, period = Period} = Beats) ->
    _ = supervisor:count_children(Root),
    atomics:put(Times, Count + 1, now_ms()),
    timer:sleep(Period),
    root(Root, Beats).

%% @private
-spec beat(pos_integer(), #beats{}) -> no_return().
beat(I, Beats) ->
    receive {others, Pids} -> beat(I, Beats, list_to_tuple(Pids), []) end.

beat(I, #beats{times = Times, period = Period} = Beats, Pids, Drivers) ->
    Now = now_ms(),
    Before = atomics:exchange(Times, I, Now),
    %% Who was away itself knows nothing of the others yet: all of the machine may have stood still.
    Now - Before > 4 * Period orelse look(Now, silent(Now, Beats), Beats, Pids, Drivers),
    wait(I, Beats, Pids, Drivers, Now + Period).

wait(I, Beats, Pids, Drivers, Until) ->
    receive
        {drivers, New} -> beat(I, Beats, Pids, New);
        wake -> wait(I, Beats, Pids, Drivers, Until)
    after max(0, Until - now_ms()) -> beat(I, Beats, Pids, Drivers)
    end.

%% Those that have been silent for too long. A scheduler that is off, or held, is as good as well.
silent(Now, #beats{times = Times, count = Count, patience = Patience}) ->
    Online = case erlang:system_info(multi_scheduling) of
        enabled -> erlang:system_info(schedulers_online);
        _ -> 1
    end,
    [atomics:put(Times, I, Now) || I <- lists:seq(Online + 1, Count)],
    [I || I <- lists:seq(1, Count + 1), Now - atomics:get(Times, I) > Patience].

look(_Now, [], #beats{times = Times, count = Count}, _Pids, Drivers) ->
    atomics:get(Times, Count + 2) =:= 1 andalso atomics:compare_exchange(Times, Count + 2, 1, 0) =:= ok
        andalso goes_on(),
    [Driver ! feed || Driver <- Drivers],
    ok;
look(_Now, [First | _] = Silent, #beats{times = Times, count = Count}, Pids, _) ->
    %% The message does nothing for a scheduler that hangs, but one more process that waits there lets idle schedulers
    %% take those that can run elsewhere.
    [element(I, Pids) ! wake || I <- Silent, I =< Count],
    atomics:compare_exchange(Times, Count + 2, 0, 1) =:= ok andalso
        stands(case First > Count of true -> root; false -> {scheduler, First} end),
    ok.

stands(Reason) ->
    loom_hw:log(["watchdog: ", present(Reason), "; not fed any more"]),
    spawn(?MODULE, note, [Reason]).

goes_on() ->
    loom_hw:log("watchdog: all goes on; fed again"),
    spawn(?MODULE, note, [none]).

present({scheduler, N}) -> ["scheduler ", integer_to_list(N), " makes no progress"];
present(root) -> "the root supervisor does not answer".
