%% SPDX-License-Identifier: Apache-2.0
%% @doc What the status page says of the machine, as a term for JSON. On Linux what only bare metal has is left out.
-module(loom_web_status).

-export([machine/0, tree/2, processes/2, address/0]).

-define(SHOWN, 20). % processes
-define(PORT, 80).

%% @doc System, memory, load, devices.
-spec machine() -> map().
machine() ->
    {{Reductions, _}, Uptime} = {erlang:statistics(exact_reductions), uptime_ms()},
    Memory = [{Kind, erlang:memory(Kind)} || Kind <- [total, processes, binary, ets, code]],
    #{system => #{name => <<"Loom">>, otp => list_to_binary(erlang:system_info(otp_release)), uptime_ms => Uptime,
                  schedulers => erlang:system_info(schedulers_online), time_ms => erlang:system_time(millisecond),
                  address => case address() of none -> null; Url -> unicode:characters_to_binary(Url) end},
      memory => maps:merge(machine_memory(), maps:from_list(Memory)),
      load => #{processes => erlang:system_info(process_count), reductions => Reductions,
                waiting => erlang:statistics(total_run_queue_lengths)},
      devices => devices()}.

uptime_ms() -> erlang:convert_time_unit(erlang:monotonic_time() - erlang:system_info(start_time), native, millisecond).

machine_memory() ->
    case erlang:function_exported(loom_hw, boot_info, 0) of
        true ->
            #{memory := All, free := Free} = loom_hw:boot_info(),
            #{machine => All, free => Free};
        false -> #{machine => null, free => null}
    end.

%% The table of devices goes when what drives them starts again.
devices() ->
    try loom_devices:list() of
        Rows -> [device(Row) || Row <- Rows]
    catch error:_ -> []
    end.

device(#{device := #{id := {pci, {Bus, Slot, Function}}, vendor := Vendor, device := Device, name := Name} = D,
         driver := Driver, state := State, restarts := Restarts, reason := Reason}) ->
    #{place => iolist_to_binary(io_lib:format("~2.16.0b:~2.16.0b.~b", [Bus, Slot, Function])),
      id => iolist_to_binary(io_lib:format("~4.16.0b:~4.16.0b", [Vendor, Device])), name => Name,
      driver => null(Driver), unit => maps:get(unit, D, null), state => State, restarts => Restarts,
      reason => case Reason of none -> null; _ -> iolist_to_binary(io_lib:format("~0tP", [Reason, 12])) end}.

null(none) -> null;
null(Value) -> Value.

%% @doc A tree with how often each was started again, and what may be killed. Drivers are called by their module.
-spec tree([loom_web_tree:node_()], #{binary() => pos_integer()}) -> [map()].
tree(Nodes, Restarts) -> tree(Nodes, Restarts, drivers()).

tree(Nodes, Restarts, Drivers) ->
    [Node#{name := maps:get(Pid, Drivers, Name), pid := pid(Pid), restarts => maps:get(Path, Restarts, 0),
           kill => is_pid(Pid) andalso loom_web_tree:may_be_killed(Path), children := tree(Children, Restarts, Drivers)}
     || #{path := Path, name := Name, pid := Pid, children := Children} = Node <- Nodes].

drivers() ->
    try loom_devices:list() of
        Rows -> maps:from_list([{Pid, called(Driver, maps:get(unit, Device, <<>>))}
                                || #{pid := Pid, driver := Driver, device := Device} <- Rows, is_pid(Pid)])
    catch error:_ -> #{}
    end.

called(Driver, Unit) -> string:trim(iolist_to_binary([atom_to_binary(Driver), " ", Unit])).

pid(none) -> null;
pid(Pid) -> list_to_binary(pid_to_list(Pid)).

%% @doc The busiest processes since the last time, and what to count from the next time.
-spec processes(#{pid() => non_neg_integer()}, Ms :: pos_integer()) -> {[map()], #{pid() => non_neg_integer()}}.
processes(Before, Ms) ->
    Work = maps:from_list([{Pid, R} || Pid <- processes(), {_, R} <- [process_info(Pid, reductions)]]),
    Done = [{R - maps:get(Pid, Before, 0), Pid} || {Pid, R} <- maps:to_list(Work)],
    Busiest = lists:sublist(lists:reverse(lists:sort(Done)), ?SHOWN),
    Wanted = [registered_name, dictionary, initial_call, memory, message_queue_len],
    {[process(Pid, R * 1000 div Ms, Info) || {R, Pid} <- Busiest, Info <- [process_info(Pid, Wanted)], is_list(Info)],
     Work}.

process(Pid, Rate, Info) ->
    #{pid => pid(Pid), name => what(Info), rate => Rate, memory => proplists:get_value(memory, Info),
      queue => proplists:get_value(message_queue_len, Info)}.

what(Info) ->
    case proplists:get_value(registered_name, Info) of
        Name when is_atom(Name) -> Name;
        [] ->
            {M, F, A} = proplists:get_value('$initial_call', proplists:get_value(dictionary, Info),
                                            proplists:get_value(initial_call, Info)),
            iolist_to_binary(io_lib:format("~s:~s/~b", [M, F, A]))
    end.

%% @doc Where the page is, seen from the network this machine is on.
-spec address() -> string() | none.
address() ->
    {ok, Interfaces} = inet:getifaddrs(),
    Found = [Ip || {_, Options} <- Interfaces, {addr, {A, _, _, _} = Ip} <- Options, A =/= 127],
    case Found of
        [Ip | _] -> "http://" ++ inet:ntoa(Ip) ++ port(application:get_env(loom_web, port, ?PORT)) ++ "/";
        [] -> none
    end.

port(?PORT) -> "";
port(Port) -> ":" ++ integer_to_list(Port).
