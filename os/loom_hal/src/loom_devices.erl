%% SPDX-License-Identifier: Apache-2.0
%% @doc The devices of the machine: finds them, starts a driver for each that has one, knows what state they are in, and
%% introduces drivers to services (doc/devices.md).
%%
%% What it knows is in a table that the supervisor of the drivers owns: when this process dies, devices, units and
%% subscribers are still there, and the next one goes on with them. Only this process writes it.
-module(loom_devices).
-behaviour(gen_server).

-export([start_link/0, list/0, units/1, subscribe/1, publish/2, withdraw/2, name/2, rescan/0, restart/1]).
-export([starting/1, ready/1, declined/1]).
-export([init/1, handle_continue/2, handle_call/3, handle_cast/2, handle_info/2]).
-export_type([id/0, device/0, row/0, kind/0, unit/0]).

-type id() :: {pci, {Bus :: 0..255, Slot :: 0..31, Function :: 0..7}}.
-type device() :: #{id := id(), vendor := 0..16#ffff, device := 0..16#ffff, revision := byte(),
    subsystem := {0..16#ffff, 0..16#ffff}, class := {byte(), byte(), byte()}, bars := [loom_pci:bar()],
    capabilities := [{byte(), byte()}], gsi := non_neg_integer() | none, name := binary(),
    unit => binary()}. % for a driver: what to call its unit, or what its units' names begin with
-type row() :: #{device := device(), driver := module() | none,
    state := starting | running | unclaimed | failed | gone, pid := pid() | none, restarts := non_neg_integer(),
    reason := term(), attempts := non_neg_integer()}.
-type kind() :: block | net | input | display | rng | watchdog.
-type unit() :: #{name := binary(), driver := pid(), _ => _}.

-define(TABLE, ?MODULE).
-define(ATTEMPTS, 5). % to start a device; then it is marked failed
-define(PING_MS, 500).
-define(PATIENCE_MS, 3000). % of a driver that does not answer: it hangs, or cannot keep up with its messages
-define(RETRIES, 5000). % of a call, a millisecond apart, while there is no such process

-record(s, {supervisors = #{} :: #{pid() => id()}, pings = #{} :: #{pid() => integer()}}).

%% --- API ---------------------------------------------------------------------------------------------------------

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc All devices by place.
-spec list() -> [row()].
list() -> [Row || {_, Row} <- lists:sort(ets:match_object(?TABLE, {{device, '_'}, '_'}))].

%% @doc The units that are there.
-spec units(kind()) -> [unit()].
units(Kind) -> [Unit || {_, Unit} <- lists:sort(ets:match_object(?TABLE, {{unit, Kind, '_'}, '_'}))].

%% @doc From now on the caller gets `{loom_devices, up, Kind, Unit}' for each unit there is and will be, and
%% `{loom_devices, down, Kind, Name}'. The answer is who tells it: to be monitored, and subscribed to again.
-spec subscribe(kind()) -> pid().
subscribe(Kind) -> call({subscribe, Kind}).

%% @doc The caller, a driver, offers a unit until it dies. The same name again replaces the unit's description.
-spec publish(kind(), unit()) -> ok.
publish(Kind, #{name := Name, driver := Driver} = Unit) when is_binary(Name), Driver =:= self() ->
    call({publish, Kind, Unit}).

-spec withdraw(kind(), binary()) -> ok.
withdraw(Kind, Name) -> call({withdraw, Kind, Name}).

%% @doc A name for a part of a device whose driver has several with names of their own (disks at a controller): the
%% prefix and the next number, for a key that was not named before.
-spec name(term(), string()) -> binary().
name(Key, Prefix) -> call({name, Key, Prefix}).

%% @doc Looks for devices that came or went.
-spec rescan() -> ok.
rescan() -> call(rescan).

%% @doc Another try with a device that is marked failed.
-spec restart(id()) -> ok | {error, running | no_driver | enodev}.
restart(Id) -> call({restart, Id}).

%% @private Of loom_driver, from a driver's process.
-spec starting(id()) -> ok.
starting(Id) -> call({starting, Id}).
-spec ready(id()) -> ok.
ready(Id) -> call({ready, Id}).
-spec declined(id()) -> ok.
declined(Id) -> call({declined, Id}).

%% While this process is being started again, those who need it wait.
call(Request) -> call(Request, ?RETRIES).

call(Request, Left) ->
    try gen_server:call(?MODULE, Request, infinity)
    catch
        exit:{Reason, _} when Left > 0, Reason =:= noproc orelse Reason =:= killed orelse Reason =:= shutdown ->
            timer:sleep(1),
            call(Request, Left - 1)
    end.

%% --- callbacks ---------------------------------------------------------------------------------------------------

init([]) ->
    [monitor(process, Pid) || {{subscriber, _, Pid}, _} <- ets:tab2list(?TABLE)],
    [monitor(process, Pid) || #{pid := Pid} <- list(), is_pid(Pid)],
    Known = [{Pid, Id} || {Id, Pid, supervisor, _} <- supervisor:which_children(loom_devices_sup), is_pid(Pid)],
    [monitor(process, Pid) || {Pid, _} <- Known],
    _ = erlang:send_after(?PING_MS, self(), ping),
    {ok, #s{supervisors = maps:from_list(Known)}, {continue, scan}}.

handle_continue(scan, S) -> {noreply, scan(S)}.

handle_call({subscribe, Kind}, {Pid, _}, S) ->
    ets:insert_new(?TABLE, {{subscriber, Kind, Pid}, []}) andalso monitor(process, Pid),
    [Pid ! {loom_devices, up, Kind, Unit} || Unit <- units(Kind)],
    {reply, self(), S};
handle_call({publish, Kind, #{name := Name} = Unit}, _From, S) ->
    ets:insert(?TABLE, {{unit, Kind, Name}, Unit}),
    tell(Kind, {loom_devices, up, Kind, Unit}),
    {reply, ok, S};
handle_call({withdraw, Kind, Name}, _From, S) ->
    down(Kind, Name),
    {reply, ok, S};
handle_call({name, Key, Prefix}, _From, S) -> {reply, unit_name(Key, Prefix), S};
handle_call({starting, Id}, {Pid, _}, S) ->
    Up = last_one_down(row(Id), S),
    _ = monitor(process, Pid),
    update(Id, fun(#{attempts := N} = Row) -> Row#{state := starting, pid := Pid, attempts := N + 1} end),
    {reply, ok, Up};
handle_call({ready, Id}, _From, S) ->
    update(Id, fun(Row) -> Row#{state := running, attempts := 0} end),
    {reply, ok, S};
handle_call({declined, Id}, _From, S) ->
    update(Id, fun(Row) -> Row#{state := unclaimed, driver := none, pid := none} end),
    {reply, ok, S};
handle_call({restart, Id}, _From, S) ->
    {Reply, New} = start_again(Id, S),
    {reply, Reply, New};
handle_call(rescan, _From, S) -> {reply, ok, scan(S)}.

handle_cast(Request, _S) -> error({unexpected_cast, Request}).

handle_info(ping, S) ->
    _ = erlang:send_after(?PING_MS, self(), ping),
    {noreply, ping(S)};
handle_info({loom_devices, pong, Pid}, #s{pings = Pings} = S) -> {noreply, S#s{pings = maps:remove(Pid, Pings)}};
handle_info({'DOWN', _, process, Pid, Reason}, S) -> {noreply, died(Pid, Reason, S)}.

died(Pid, Reason, #s{supervisors = Supervisors} = S) ->
    case maps:take(Pid, Supervisors) of
        {Id, Left} -> supervisor_died(Reason, row(Id), S#s{supervisors = Left});
        error ->
            [ets:delete(?TABLE, Key) || {{subscriber, _, P} = Key, _} <- ets:tab2list(?TABLE), P =:= Pid],
            [down(Kind, Name) || {{unit, Kind, Name}, #{driver := P}} <- ets:tab2list(?TABLE), P =:= Pid],
            [driver_died(Row, Reason) || #{pid := P} = Row <- list(), P =:= Pid],
            S#s{pings = maps:remove(Pid, S#s.pings)}
    end.

%% A driver starts because the one before it died: the news of that may still be under way.
last_one_down(#{pid := Pid}, S) when is_pid(Pid) ->
    receive {'DOWN', _, process, Pid, Reason} -> died(Pid, Reason, S) end;
last_one_down(_, S) -> S.

%% --- devices -----------------------------------------------------------------------------------------------------

row(Id) ->
    case ets:lookup(?TABLE, {device, Id}) of
        [{_, Row}] -> Row;
        [] -> none
    end.

put_row(#{device := #{id := Id}} = Row) -> ets:insert(?TABLE, {{device, Id}, Row}).

update(Id, F) -> put_row(F(row(Id))).

scan(S) ->
    Found = lists:sort([{{pci, Place}, V, D} || {Place, V, D, _, _, _} <- loom_hal:pci_scan()]),
    [gone(Row) || #{device := #{id := Id, vendor := V, device := D}} = Row <- list(),
                  not lists:member({Id, V, D}, Found)],
    New = [Id || {Id, _, _} <- Found, is_new(row(Id))],
    lists:foldl(fun found/2, S, New).

is_new(none) -> true;
is_new(#{state := State}) -> State =:= gone.

found({pci, {Bus, Slot, Function} = Place} = Id, S) ->
    case loom_hal:grant({pci, Bus, Slot, Function}) of
        {ok, Config} ->
            Device = loom_pci:describe(Place, Config),
            ok = loom_hw:revoke(Config),
            new_device(Id, Device, S);
        {error, _} -> S % somebody has it, or it has just gone: the next scan will see
    end.

new_device(Id, Device, S) ->
    case loom_drivers:find(Device) of
        {ok, #{module := Module, name := Prefix}} ->
            Named = Device#{unit => unit_name(Id, Prefix)},
            put_row(new_row(Named, Module, starting)),
            start(Module, Named, S);
        none ->
            put_row(new_row(Device, none, unclaimed)),
            S
    end.

new_row(Device, Module, State) ->
    #{device => Device, driver => Module, state => State, pid => none, restarts => 0, reason => none, attempts => 0}.

start(Module, #{id := Id} = Device, #s{supervisors = Supervisors} = S) ->
    {ok, Pid} = loom_devices_sup:start_device(Module, Device),
    _ = monitor(process, Pid),
    S#s{supervisors = Supervisors#{Pid => Id}}.

start_again(Id, S) ->
    case row(Id) of
        none -> {{error, enodev}, S};
        #{driver := none} -> {{error, no_driver}, S};
        #{state := failed, driver := Module, device := Device} = Row ->
            put_row(Row#{state := starting, attempts := 0}),
            {ok, start(Module, Device, S)};
        _ -> {{error, running}, S}
    end.

%% The same device gets the same name for as long as the machine runs, also if it was away in between.
unit_name(Id, Prefix) ->
    Key = {name, Prefix, Id},
    case ets:lookup(?TABLE, Key) of
        [{_, Number}] -> numbered(Prefix, Number);
        [] ->
            Number = length(ets:match(?TABLE, {{name, Prefix, '_'}, '$1'})),
            ets:insert(?TABLE, {Key, Number}),
            numbered(Prefix, Number)
    end.

%% Disks are counted in letters, as people expect.
numbered([_, $d] = Prefix, Number) -> iolist_to_binary([Prefix, letters(Number)]);
numbered(Prefix, Number) -> iolist_to_binary([Prefix, integer_to_list(Number)]).

letters(N) when N < 26 -> [$a + N];
letters(N) -> [letters(N div 26 - 1), $a + N rem 26].

%% Its supervisor starts it again, unless it has never come up for too long.
driver_died(#{device := #{id := Id}, state := State, attempts := Attempts, restarts := N} = Row, Reason) ->
    put_row(Row#{pid := none, reason := brief(Reason), restarts := N + 1,
        state := case State of running -> starting; _ -> State end}),
    State =:= starting andalso Attempts >= ?ATTEMPTS andalso loom_devices_sup:stop_device(Id).

%% Without the stack and what else can be large.
brief({Reason, [{_, _, _, _} | _]}) -> brief(Reason);
brief(Reason) when is_atom(Reason) -> Reason;
brief(Reason) -> iolist_to_binary(io_lib:format("~0P", [Reason, 12])).

%% It ends by `shutdown' when it has had enough, or was told to; else something has happened to it alone.
supervisor_died(shutdown, #{device := #{id := Id}}, S) ->
    given_up(Id),
    S;
supervisor_died(_, #{state := State, driver := Module, device := Device} = Row, S)
        when State =:= starting; State =:= running ->
    put_row(Row#{state := starting}),
    start(Module, Device, S);
supervisor_died(_, _, S) -> S.

%% The device's supervisor has ended. What its driver had is revoked by now; nothing will use the device any more.
given_up(Id) ->
    case row(Id) of
        #{state := gone} -> ok;
        #{state := unclaimed} -> ok;
        Row ->
            put_row(Row#{state := failed, pid := none}),
            loom_hw:log(io_lib:format("devices: ~ts: its driver keeps failing; switched off", [title(Id, Row)])),
            loom_pci:switch_off(Id)
    end.

title({pci, {Bus, Slot, Function}}, #{device := #{name := Name}}) ->
    io_lib:format("~2.16.0b:~2.16.0b.~b ~ts", [Bus, Slot, Function, Name]).

gone(#{state := gone}) -> ok;
gone(#{device := #{id := Id}} = Row) ->
    put_row(Row#{state := gone, pid := none}),
    loom_devices_sup:stop_device(Id).

%% --- units and subscribers ---------------------------------------------------------------------------------------

down(Kind, Name) ->
    ets:delete(?TABLE, {unit, Kind, Name}),
    tell(Kind, {loom_devices, down, Kind, Name}).

tell(Kind, Message) ->
    [Pid ! Message || {{subscriber, _, Pid}, _} <- ets:match_object(?TABLE, {{subscriber, Kind, '_'}, '_'})],
    ok.

%% --- drivers that hang -------------------------------------------------------------------------------------------

ping(#s{pings = Pings} = S) ->
    Now = erlang:monotonic_time(millisecond),
    Late = [Pid || {Pid, Since} <- maps:to_list(Pings), Now - Since > ?PATIENCE_MS],
    [exit(Pid, kill) || Pid <- Late],
    Drivers = [Pid || #{pid := Pid, state := running} <- list()] ++ [whereis(loom_guard)], % which asks all others
    Asked = [Pid || Pid <- Drivers, is_pid(Pid), not is_map_key(Pid, Pings)],
    [Pid ! {loom_devices, ping, self()} || Pid <- Asked],
    S#s{pings = maps:merge(maps:without(Late, Pings), maps:from_list([{Pid, Now} || Pid <- Asked]))}.
