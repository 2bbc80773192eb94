%% SPDX-License-Identifier: Apache-2.0
%% @doc What is broken and how: targets, kinds of faults, and how to tell that a target is back. Draws from the seed
%% that the caller has set.
-module(chaos_fault).

-export([draw/0, seen_by/1, pid/1, inject/4, is_up/2, is_driver/1, may_reset/1, is_root_of_others/1, junk/1]).
-export_type([target/0, kind/0]).

-type target() :: {unit, block | net, binary()} | {name, atom()} | {device_sup, binary()} | {volume, binary()}
    | link | dhcp | connection | listener | {part, core | edge}.
-type kind() :: kill | loop | wait | junk | pings | state | heap | memory
    | {interrupts, drop | twice | storm} | {registers, command | window | message | broken}
    | {descriptor, term()} | {answer, term()} | unplug.

%% --- drawing -------------------------------------------------------------------------------------------------------

one_of(List) -> lists:nth(rand:uniform(length(List)), List).

weighted(List) -> weighted(rand:uniform(lists:sum([W || {W, _} <- List])), List).
weighted(N, [{W, X} | _]) when N =< W -> X;
weighted(N, [{W, _} | Rest]) -> weighted(N - W, Rest).

-spec draw() -> {kind(), target()}.
draw() ->
    Class = weighted([{50, device}, {14, fixed}, {24, service}, {12, supervisor}]),
    {kind(Class), target(Class)}.

target(device) -> one_of([{unit, block, <<"vda">>}, {unit, block, <<"nvme0n1">>}, {unit, net, <<"eth0">>}]);
target(fixed) -> {name, one_of([loom_drv_serial, loom_drv_serial, loom_drv_timer])};
target(service) ->
    one_of([{name, N} || N <- [loom_hal, loom_lines, loom_devices, loom_keeper, loom_vfs, loom_block, loom_block,
                               loom_mount, loom_heartbeat, loom_console, loom_console, loom_shell, loom_guard,
                               loom_net_time_wait, loom_net_links]]
           ++ [{volume, <<"mnt1">>}, {volume, <<"mnt2">>}, {volume, <<"mnt1">>}, link, link, dhcp, listener, connection,
               {name, one_of([loom_net_resolver, loom_net_config, loom_net_sockets])}]);
target(supervisor) ->
    one_of([{name, N} || N <- [loom_devices_sup, loom_bus_sup, loom_volume_sup, loom_net_link_sup]]
           ++ [{device_sup, one_of([<<"vda">>, <<"nvme0n1">>, <<"eth0">>])}, {part, edge},
               {name, one_of([loom_hal_sup, loom_service_sup, loom_net_sup, loom_app_sup])},
               {name, one_of([loom_net_connection_sup, loom_net_listener_sup])}, {part, core}]).

kind(device) ->
    weighted([{400, kill}, {2, loop}, {2, wait}, {60, junk}, {30, pings}, {100, state}, {60, heap}, {60, memory},
              {30, {interrupts, drop}}, {30, {interrupts, twice}}, {30, {interrupts, storm}},
              {15, {registers, command}}, {15, {registers, window}}, {15, {registers, message}},
              {15, {registers, broken}}, {60, descriptor}, {60, answer}, {16, unplug}]);
kind(fixed) -> weighted([{400, kill}, {2, loop}, {2, wait}, {60, junk}, {30, pings}, {80, state}, {60, heap}]);
kind(service) -> weighted([{400, kill}, {3, loop}, {3, wait}, {60, junk}, {30, pings}, {100, state}, {60, heap}]);
kind(supervisor) -> weighted([{400, kill}, {2, loop}, {2, wait}, {60, junk}, {30, pings}, {60, state}, {40, heap}]).

%% Only this kind of target: its failure is seen by who depends on it while it lasts.
is_driver({unit, _, _}) -> true;
is_driver({name, Name}) -> lists:prefix("loom_drv_", atom_to_list(Name));
is_driver(_) -> false.

%% Others cannot start again while this one hangs.
is_root_of_others({name, Name}) ->
    lists:member(Name, [loom_hal, loom_devices]) orelse lists:suffix("_sup", atom_to_list(Name));
is_root_of_others({device_sup, _}) -> true;
is_root_of_others({part, _}) -> true;
is_root_of_others(_) -> false.

%% @doc Who would notice.
seen_by({unit, _, <<"vda">>}) -> [vda];
seen_by({unit, _, <<"nvme0n1">>}) -> [nvme];
seen_by({unit, _, <<"eth0">>}) -> [http, conn];
seen_by({device_sup, Unit}) -> seen_by({unit, any, Unit});
seen_by({volume, <<"mnt1">>}) -> [vda];
seen_by({volume, <<"mnt2">>}) -> [nvme];
seen_by({part, _}) -> [http, conn];
seen_by({name, Name}) when Name =:= loom_drv_serial; Name =:= loom_console -> [console];
seen_by({name, Name}) when Name =:= loom_drv_timer; Name =:= loom_shell; Name =:= loom_app_sup -> [console];
seen_by({name, Name}) when Name =:= loom_block; Name =:= loom_mount; Name =:= loom_volume_sup -> [vda, nvme];
seen_by({name, Name}) ->
    case lists:prefix("loom_net_", atom_to_list(Name)) of
        true -> [http, conn];
        false -> chaos_world:clients()
    end;
seen_by(_) -> [http, conn].

%% What resets connections (doc/netstack.md).
may_reset(connection) -> true;
may_reset({part, core}) -> true;
may_reset({name, Name}) ->
    lists:member(Name, [loom_net_resolver, loom_net_config, loom_net_sockets, loom_net_connection_sup,
                        loom_net_listener_sup, loom_net_sup]);
may_reset(_) -> false.

%% --- targets -------------------------------------------------------------------------------------------------------

-spec pid(target()) -> pid() | none.
pid({unit, Kind, Name}) ->
    quiet(fun() ->
        [Pid] = [P || #{name := N, driver := P} <- loom_devices:units(Kind), N =:= Name],
        Pid
    end);
pid({name, Name}) ->
    case whereis(Name) of
        undefined -> none;
        Pid -> Pid
    end;
pid({volume, Mount}) ->
    case [V || #{point := P, volume := V} <- loom_mount:table(), filename:basename(P) =:= Mount] of
        [Volume] -> pid({name, Volume});
        [] -> none
    end;
pid({device_sup, Unit}) ->
    quiet(fun() ->
        [Id] = [Id || #{device := #{id := Id, unit := U}} <- loom_devices:list(), device(Unit) =:= U],
        child(loom_devices_sup, Id)
    end);
pid({part, Part}) -> child(loom_net_sup, Part);
pid(link) -> child(loom_net_link_sup, {link, <<"eth0">>});
pid(dhcp) -> child(loom_net_link_sup, {dhcp, <<"eth0">>});
pid(connection) -> some_child(loom_net_connection_sup);
pid(listener) -> some_child(loom_net_listener_sup).

device(<<"nvme0n1">>) -> <<"nvme0">>;
device(Name) -> Name.

quiet(F) -> try F() catch _:_ -> none end.

child(Sup, Id) ->
    quiet(fun() ->
        {_, Pid, _, _} = lists:keyfind(Id, 1, gen_server:call(Sup, which_children, 500)),
        true = is_pid(Pid),
        Pid
    end).

some_child(Sup) ->
    quiet(fun() -> {_, Pid, _, _} = one_of(gen_server:call(Sup, which_children, 500)), true = is_pid(Pid), Pid end).

%% @doc There is one again, another than Old, and it answers; a driver is published and says that its device runs.
-spec is_up(target(), pid()) -> boolean().
is_up(connection, _) -> true;
is_up(listener, Old) -> lists:any(fun(P) -> P =/= none andalso P =/= Old end, [pid(listener) || _ <- [1, 2, 3]]);
is_up(Target, Old) ->
    case pid(Target) of
        none -> false;
        Old -> false;
        Pid -> is_driver(Target) andalso is_running(Target, Pid) orelse answers(Pid)
    end.

is_running({unit, _, _}, Pid) ->
    lists:any(fun(#{pid := P, state := S}) -> P =:= Pid andalso S =:= running end, loom_devices:list());
is_running({name, _}, Pid) -> answers(Pid).

answers(Pid) ->
    Ref = monitor(process, Pid),
    Pid ! {system, {self(), {up, Ref}}, {?MODULE, ping}},
    Result = receive
        {{up, Ref}, _} -> true;
        {'DOWN', Ref, process, _, _} -> false
    after 500 -> false
    end,
    demonitor(Ref, [flush]),
    Result.

%% --- faults --------------------------------------------------------------------------------------------------------

%% @doc To the target, which is this process now.
-spec inject(kind(), target(), pid(), map()) -> {sent, kind()}.
inject(kill, _, Pid, _) -> exit(Pid, kill), {sent, kill};
inject(loop, _, Pid, _) -> inside(Pid, fun forever/1), {sent, loop};
inject(wait, _, Pid, _) -> inside(Pid, fun(_) -> never() end), {sent, wait};
inject(junk, _, Pid, _) ->
    [Pid ! {chaos_junk, N} || N <- lists:seq(1, 2000)],
    {sent, junk};
inject(pings, _, Pid, _) ->
    [Pid ! {system, {self(), {pinged, N}}, {?MODULE, ping}} || N <- lists:seq(1, 5000)],
    {sent, pings};
inject(state, _, Pid, _) ->
    Seed = rand:uniform(1 bsl 30),
    inside(Pid, fun(State) -> _ = rand:seed(exsss, Seed), junk(State) end),
    {sent, state};
inject(heap, _, Pid, _) ->
    inside(Pid, fun(State) ->
        {total_heap_size, Now} = process_info(self(), total_heap_size),
        _ = process_flag(max_heap_size, #{size => max(233, Now * 3 div 4), kill => true, error_logger => false}),
        State
    end),
    {sent, heap};
inject(memory, _, Pid, _) ->
    ok = loom_hw:fault({refuse, rand:uniform(3)}),
    exit(Pid, kill),
    {sent, memory};
inject({interrupts, What}, {unit, _, Name}, _, _) ->
    N = case What of storm -> 1000; _ -> rand:uniform(5) end,
    ok = loom_hw:fault({interrupts, chaos_world:place(Name), What, N}),
    {sent, {interrupts, What}};
inject({registers, broken}, {unit, _, Name}, _, _) ->
    ok = loom_hw:tell(chaos_world:place(Name), {fault, broken, yes}),
    {sent, {registers, broken}};
inject({registers, What}, {unit, _, Name}, _, _) ->
    ok = loom_hw:fault({registers, chaos_world:place(Name), What}),
    {sent, {registers, What}};
inject(descriptor, {unit, _, Name}, _, _) ->
    {Key, Value} = case Name of
        <<"nvme", _/binary>> -> {command, one_of([prp, opcode, space])};
        _ -> {descriptor, one_of([address, length, next])}
    end,
    ok = loom_hw:tell(chaos_world:place(Name), {fault, Key, Value}),
    {sent, {descriptor, Value}};
inject(answer, {unit, Kind, Name}, _, _) ->
    {Key, Value} = one_of(lies(Kind, Name)),
    ok = loom_hw:tell(chaos_world:place(Name), {fault, Key, Value}),
    {sent, {answer, Key}};
inject(unplug, {unit, _, Name}, _, World) ->
    Place = chaos_world:place(Name),
    ok = loom_hw:unplug(Place),
    ok = loom_devices:rescan(),
    timer:sleep(rand:uniform(20)),
    chaos_world:plug(Place, World),
    ok = loom_devices:rescan(),
    {sent, unplug}.

lies(_, <<"nvme", _/binary>>) -> [{id, 15}, {id, 5000}, {status, 4}];
lies(net, _) -> [{id, 5000}, {length, 3}, {length, 70000}, {index, 200}];
lies(block, _) -> [{id, 63}, {id, 5000}, {length, 1}, {index, 200}].

%% In the process itself, between two of its messages.
inside(Pid, F) -> Pid ! {system, {self(), {inside, make_ref()}}, {replace_state, F}}.

forever(X) -> forever([X | []]).
never() -> receive chaos_never -> ok end.

%% @doc The same with one part replaced by what it cannot be.
junk(T) when is_tuple(T), tuple_size(T) > 1 ->
    I = 1 + rand:uniform(tuple_size(T) - 1),
    setelement(I, T, junk(element(I, T)));
junk(M) when is_map(M), map_size(M) > 0 ->
    Key = one_of(maps:keys(M)),
    M#{Key := junk(maps:get(Key, M))};
junk([_ | _] = L) when length(L) < 1000 ->
    I = rand:uniform(length(L)),
    {Before, [X | Behind]} = lists:split(I - 1, L),
    Before ++ [junk(X) | Behind];
junk(_) -> {chaos, is, here}.
