%% SPDX-License-Identifier: Apache-2.0
%% @doc The driver of a TAP device (tests/net/tap.c), as doc/devices.md has link drivers.
-module(tap_link).
-behaviour(gen_server).

-export([start/4, announce/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2, format_status/1]).

-record(t, {port, client = none}).

%% Chances: {Loss, Double, Reorder} in permille. Announces the link as Name.
start(Program, Device, Name, Chances) ->
    {ok, Pid} = gen_server:start(?MODULE, {Program, Device, Chances}, []),
    ok = announce(Pid, Name),
    {ok, Pid}.

%% What loom_devices does when a service subscribes.
announce(Pid, Name) ->
    loom_net_links:up(#{name => Name, driver => Pid, mac => <<2, 0, 0, 0, 0, 2>>, mtu => 1500, link => up,
                        offload => []}).

init({Program, Device, {Loss, Double, Reorder}}) ->
    Arguments = [Device | [integer_to_list(N) || N <- [Loss, Double, Reorder, 7]]],
    {ok, #t{port = open_port({spawn_executable, Program}, [{packet, 2}, binary, exit_status, {args, Arguments}])}}.

handle_call({attach, Pid}, _From, T) -> {reply, {ok, #{queue => 64, link => up}}, T#t{client = Pid}}.
handle_cast(Request, _T) -> error({unexpected_cast, Request}).

handle_info({transmit, Pid, Frames}, #t{port = Port} = T) ->
    [port_command(Port, Frame) || Frame <- Frames],
    Pid ! {loom_link, self(), {sent, length(Frames)}},
    {noreply, T};
handle_info({Port, {data, Frame}}, #t{port = Port, client = Client} = T) ->
    _ = is_pid(Client) andalso (Client ! {loom_link, self(), {frames, [Frame | more(Port)]}}),
    {noreply, T};
handle_info({Port, {exit_status, Status}}, #t{port = Port} = T) -> {stop, {exit_status, Status}, T}.

more(Port) -> receive {Port, {data, Frame}} -> [Frame | more(Port)] after 0 -> [] end.

terminate(Reason, _T) -> io:format(standard_error, "tap_link: ~0P~n", [Reason, 20]).

%% Frames are not for people.
format_status(Status) -> maps:map(fun(message, _) -> hidden; (_, V) -> V end, Status).
