%% SPDX-License-Identifier: Apache-2.0
%% @doc Kills the serial driver while it prints. Its supervisor starts it again, it sets the port up from scratch, and
%% what was not on the wire yet is sent again: no byte is lost.
%%
%% On metal the driver is the one that carries this very text. On Linux the same driver code runs over a model of the
%% 16550 (os/loom_model/loom_hw.erl), and the wire's contents are compared with what was written.
-module(loom_demo_fault).

-export([run/0]).
-import(loom_demo, [say/1, say/2]).

-define(DRIVER, loom_drv_serial).
-define(KILLS, 9).
-define(LINES, 20).

-spec run() -> ok.
run() ->
    loom_demo:title("fault", "the serial driver is killed while it prints"),
    case loom_demo:on_metal() of
        true -> loom_demo:quietly(fun on_metal/0);
        false -> loom_demo:quietly(fun on_model/0)
    end.

%% --- on metal: the console's own driver
%% ----------------------------------------------------------------------------------

on_metal() ->
    say("~w, process ~w, carries every character of this text.", [?DRIVER, whereis(?DRIVER)]),
    Times = [begin
                 [say("~s", [line(I)]) || I <- [From, From + 1]],
                 {Time, Old, New} = kill_and_wait(),
                 say("killed ~w in the middle of that; ~w serves after ~s", [Old, New, loom_demo:micros(Time)]),
                 Time
             end || From <- lists:seq(1, 2 * ?KILLS, 2)],
    say("restarted ~b times; half of them took less than ~s.",
        [?KILLS, loom_demo:micros(lists:nth((?KILLS + 1) div 2, lists:sort(Times)))]),
    say("(Under an emulator such as QEMU's TCG these are the emulator's numbers.)"),
    say("no line above is missing: the console sends again what was not on the wire.").

%% --- on Linux: the same driver over a model of the device
%% ------------------------------------------------------------------

on_model() ->
    {ok, Hardware} = loom_hw:start(),
    {Tree, Monitor} = spawn_monitor(fun tree/0),
    wait_for(?DRIVER),
    say("no serial port here: ~w (~w) drives a model of a 16550.", [?DRIVER, whereis(?DRIVER)]),
    Text = iolist_to_binary([[line(I), "\r\n"] || I <- lists:seq(1, ?LINES)]),
    Points = [byte_size(Text) * K div (?KILLS + 1) || K <- lists:seq(1, ?KILLS)],
    Times = write(Text, 0, Points, attach(), []),
    ok = loom_hw:drain(),
    Wire = loom_hw:wire(),
    Tree ! stop,
    receive {'DOWN', Monitor, process, Tree, normal} -> ok end,
    ok = loom_hw:stop(Hardware),
    report(Text, Wire, Times).

tree() ->
    {ok, Sup} = loom_hal_sup:start_link(),
    receive stop -> ok end,
    unlink(Sup),
    exit(Sup, shutdown),
    Monitor = monitor(process, Sup),
    receive {'DOWN', Monitor, process, Sup, _} -> ok end.

report(Text, Wire, Times) ->
    [say("| ~s", [Line]) || Line <- lists:sublist(binary:split(Wire, <<"\r\n">>, [global]), 3)],
    say("| ... (~b lines)", [?LINES]),
    Repeated = byte_size(Wire) - byte_size(Text),
    true = complete(Text, Wire),
    say("~b bytes written, ~b on the wire: none lost, ~b sent twice.", [byte_size(Text), byte_size(Wire), Repeated]),
    Median = lists:nth((length(Times) + 1) div 2, lists:sort(Times)),
    say("killed ~b times; serving again after ~s (median), ~s (slowest).",
        [length(Times), loom_demo:micros(Median), loom_demo:micros(lists:max(Times))]),
    Bound = erlang:convert_time_unit(1, millisecond, native),
    say("time to restart below 1 ms: ~s", [case Median < Bound of true -> "yes"; false -> "no" end]).

%% All of Text is on the wire in order; a FIFO's worth may be there twice after a kill between sending and reporting it.
complete(<<>>, _) -> true;
complete(_, <<>>) -> false;
complete(<<C, Text/binary>>, <<C, Wire/binary>>) -> complete(Text, Wire);
complete(Text, <<_, Wire/binary>>) -> complete(Text, Wire).

%% What the console does: keep what is not reported written, and send it again to the next driver. At each of Points
%% (bytes written so far) the driver is killed.
write(Text, Done, _, _, Times) when Done >= byte_size(Text) -> Times;
write(Text, Done, [Point | Points], {Pid, Monitor}, Times) when Done >= Point ->
    {Time, Pid, _} = kill_and_wait(),
    receive {'DOWN', Monitor, process, Pid, killed} -> ok end,
    Late = flush_written(Pid, 0),
    Next = attach(),
    send(Text, Done + Late, Next),
    write(Text, Done + Late, Points, Next, [Time | Times]);
write(Text, 0, Points, {Pid, _} = Driver, []) ->
    send(Text, 0, Driver),
    receive {?DRIVER, Pid, {written, N}} -> write(Text, N, Points, Driver, []) end;
write(Text, Done, Points, {Pid, _} = Driver, Times) ->
    receive {?DRIVER, Pid, {written, N}} -> write(Text, Done + N, Points, Driver, Times) end.

send(Text, Done, {Pid, _}) ->
    <<_:Done/binary, Rest/binary>> = Text,
    ok = loom_drv_serial:write(Pid, Rest).

flush_written(Pid, N) ->
    receive {?DRIVER, Pid, {written, More}} -> flush_written(Pid, N + More)
    after 0 -> N
    end.

attach() ->
    Pid = loom_drv_serial:subscribe(),
    {Pid, monitor(process, Pid)}.

%% --- both
%% ------------------------------------------------------------------------------------------------------------------

kill_and_wait() ->
    Old = whereis(?DRIVER),
    Start = erlang:monotonic_time(),
    exit(Old, kill),
    New = wait_for_other(Old),
    _ = sys:get_state(New), % answered: the device is set up
    {erlang:monotonic_time() - Start, Old, New}.

wait_for_other(Old) ->
    case whereis(?DRIVER) of
        New when is_pid(New), New =/= Old -> New;
        _ ->
            erlang:yield(),
            wait_for_other(Old)
    end.

wait_for(Name) ->
    case whereis(Name) of
        undefined -> timer:sleep(1), wait_for(Name);
        Pid -> _ = sys:get_state(Pid), ok
    end.

line(I) -> io_lib:format("line ~2..0b of text that must arrive whole", [I]).
