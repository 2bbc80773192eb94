%% SPDX-License-Identifier: Apache-2.0
%% @doc A model of the natives for ports that Erlang processes drive (doc/hardware.md), for Linux: what a driver has not
%% taken when it dies is given to the next one. `open/1' and `output/2' are for who uses the port.
-module(loom_port).
-behaviour(gen_server).

-export([start/0, open/1, output/2]).
-export([register/1, deliver/2, deliver_term/2, taken/1, eof/1, close/2, set_control/3]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-record(port, {name :: binary(), owner :: pid(), output = queue:new() :: queue:queue(binary()),
    waiting = [] :: [gen_server:from()]}).
-record(s, {drivers = #{} :: #{binary() => pid()}, ports = #{} :: #{term() => #port{}}}).
-define(MOST, 64). % outputs that are not taken; then output/2 waits

start() -> gen_server:start({local, ?MODULE}, ?MODULE, [], []).

open(Name) -> gen_server:call(?MODULE, {open, Name}).
output(Port, Bytes) -> gen_server:call(?MODULE, {output, Port, iolist_to_binary(Bytes)}, infinity).

register(Name) -> gen_server:call(?MODULE, {register, Name}).
taken(Port) -> gen_server:call(?MODULE, {taken, Port}).
deliver(Port, Data) -> tell(Port, {Port, {data, iolist_to_binary(Data)}}).
deliver_term(Port, Term) -> tell(Port, {Port, Term}).
eof(Port) -> tell(Port, {Port, eof}).
close(Port, _Reason) -> gen_server:call(?MODULE, {close, Port}).
set_control(_Port, _Command, _Reply) -> ok.

tell(Port, Message) -> gen_server:call(?MODULE, {tell, Port, Message}).

init([]) -> {ok, #s{}}.

handle_call({open, Name}, {Pid, _}, #s{ports = Ports} = S) ->
    Port = {port, make_ref()},
    announce(Port, Name, S),
    {reply, Port, S#s{ports = Ports#{Port => #port{name = Name, owner = Pid}}}};
handle_call({output, Port, Bytes}, From, #s{ports = Ports} = S) ->
    #{Port := #port{name = Name, output = Output, waiting = Waiting} = P} = Ports,
    [Pid ! {port_output, Port, Bytes} || #{Name := Pid} <- [S#s.drivers]],
    New = P#port{output = queue:in(Bytes, Output)},
    case queue:len(Output) of
        Length when Length < ?MOST -> {reply, ok, S#s{ports = Ports#{Port := New}}};
        _ -> {noreply, S#s{ports = Ports#{Port := New#port{waiting = [From | Waiting]}}}}
    end;
handle_call({register, Name}, {Pid, _}, #s{drivers = Drivers, ports = Ports} = S) ->
    case Drivers of
        #{Name := Old} when Old =/= Pid ->
            case is_process_alive(Old) of
                true -> {reply, {error, taken}, S};
                false -> {reply, ok, take_over(Name, Pid, Ports, S)}
            end;
        _ -> {reply, ok, take_over(Name, Pid, Ports, S)}
    end;
handle_call({taken, Port}, {Pid, _}, #s{ports = Ports, drivers = Drivers} = S) ->
    case Ports of
        #{Port := #port{name = Name, output = Output, waiting = Waiting} = P} when map_get(Name, Drivers) =:= Pid ->
            [gen_server:reply(From, ok) || From <- Waiting],
            {reply, ok, S#s{ports = Ports#{Port := P#port{output = queue:drop(Output), waiting = []}}}};
        _ -> {reply, ok, S}
    end;
handle_call({close, Port}, _From, #s{ports = Ports} = S) -> {reply, ok, S#s{ports = maps:remove(Port, Ports)}};
handle_call({tell, Port, Message}, _From, #s{ports = Ports} = S) ->
    case Ports of
        #{Port := #port{owner = Pid}} ->
            Pid ! Message,
            {reply, ok, S};
        _ -> {reply, {error, closed}, S}
    end.

handle_cast(Request, _S) -> error({unexpected_cast, Request}).
handle_info(Message, _S) -> error({unexpected_message, Message}).

take_over(Name, Pid, Ports, #s{drivers = Drivers} = S) ->
    New = S#s{drivers = Drivers#{Name => Pid}},
    [begin
         announce(Port, Name, New),
         [Pid ! {port_output, Port, Bytes} || Bytes <- queue:to_list(Output)]
     end || {Port, #port{name = N, output = Output}} <- maps:to_list(Ports), N =:= Name],
    New.

announce(Port, Name, #s{drivers = Drivers}) ->
    [Pid ! {port_open, Port, Name, []} || #{Name := Pid} <- [Drivers]].
