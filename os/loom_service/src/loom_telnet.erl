%% SPDX-License-Identifier: Apache-2.0
%% @doc Consoles over TCP, for a telnet client. Off unless somebody switches it on: `telnet(on)' in the shell, or
%% `-loom_telnet PORT' or `-loom_telnet ADDRESS:PORT' at boot. Who connects has a shell, without being asked for a name:
%% so it listens on the loopback address only, unless told otherwise.
-module(loom_telnet).
-behaviour(gen_server).

-export([on/2, off/0, status/0, boot_children/0, start_link/2]).
-export([init/1, handle_continue/2, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-define(PORT, 2323).
-define(SESSIONS, 16). % at once
-define(RETRY_MS, 250).
-define(OPTIONS, [binary, {active, false}, {reuseaddr, true}, {nodelay, true}, {backlog, ?SESSIONS},
                  {send_timeout, 30000}, {send_timeout_close, true}, {keepalive, true}]).

-record(s, {ip :: inet:ip_address(), port :: inet:port_number(), listener = none :: gen_tcp:socket() | none,
    acceptor = none :: pid() | none, error = none :: term()}).

%% @doc Listens there, or there instead: consoles that are open end. Port 0: any.
-spec on(inet:ip_address(), inet:port_number()) -> {ok, inet:port_number()} | {error, term()}.
on(Ip, Port) ->
    _ = [ok = supervisor:delete_child(loom_app_sup, loom_telnet_sup) || off() =:= ok],
    case supervisor:start_child(loom_app_sup, child(Ip, Port)) of
        {ok, _} ->
            case gen_server:call(?MODULE, port) of
                {ok, _} = Listens -> Listens;
                {error, _} = Error ->
                    _ = off(),
                    Error
            end;
        {error, _} = Error -> Error
    end.

%% @doc Ends all consoles.
-spec off() -> ok | {error, not_found}.
off() -> supervisor:terminate_child(loom_app_sup, loom_telnet_sup).

-spec status() -> off | {on, inet:ip_address(), inet:port_number(), Consoles :: non_neg_integer()}.
status() ->
    try gen_server:call(?MODULE, status)
    catch exit:_ -> off
    end.

child(Ip, Port) ->
    #{id => loom_telnet_sup, start => {loom_telnet_sup, start_link, [Ip, Port]}, type => supervisor,
        shutdown => infinity}.

%% @doc For the supervisor of applications: what the command line asks for.
-spec boot_children() -> [supervisor:child_spec()].
boot_children() ->
    case init:get_argument(loom_telnet) of
        {ok, [[Text] | _]} -> [child(Ip, Port) || {Ip, Port} <- place(string:split(Text, ":", trailing))];
        {ok, _} -> [child({127, 0, 0, 1}, ?PORT)];
        error -> []
    end.

place([Port]) -> place(["127.0.0.1", Port]);
place([Address, Port]) ->
    case {inet:parse_strict_address(string:trim(Address, both, "[]")), string:to_integer(Port)} of
        {{ok, Ip}, {Number, []}} when Number > 0, Number < 65536 -> [{Ip, Number}];
        _ ->
            loom_hw:log("telnet: -loom_telnet wants PORT or ADDRESS:PORT; off"),
            []
    end.

-spec start_link(inet:ip_address(), inet:port_number()) -> {ok, pid()} | {error, term()}.
start_link(Ip, Port) -> gen_server:start_link({local, ?MODULE}, ?MODULE, {Ip, Port}, []).

init({Ip, Port}) ->
    process_flag(trap_exit, true),
    {ok, #s{ip = Ip, port = Port}, {continue, listen}}.

%% At boot OTP's inet_db comes later than this; an address may come later still.
handle_continue(listen, #s{ip = Ip, port = Port} = S) ->
    Family = case tuple_size(Ip) of 4 -> inet; 8 -> inet6 end,
    case whereis(inet_db) =/= undefined andalso gen_tcp:listen(Port, [Family, {ip, Ip} | ?OPTIONS]) of
        {ok, Listener} ->
            {ok, Number} = inet:port(Listener),
            {noreply, S#s{listener = Listener, port = Number, acceptor = acceptor(Listener), error = none}};
        Failed ->
            _ = erlang:send_after(?RETRY_MS, self(), listen),
            {noreply, S#s{error = case Failed of false -> starting; {error, Reason} -> Reason end}}
    end.

acceptor(Listener) -> spawn_link(fun() -> accept(Listener) end).

accept(Listener) ->
    case gen_tcp:accept(Listener) of
        {ok, Socket} -> begins(Socket, session(Socket));
        {error, Reason} -> exit({shutdown, Reason})
    end,
    accept(Listener).

begins(_, ok) -> ok;
begins(Socket, {error, Why}) ->
    _ = gen_tcp:send(Socket, [Why, "\r\n"]),
    gen_tcp:close(Socket).

session(Socket) ->
    case proplists:get_value(active, supervisor:count_children(loom_telnet_sessions)) of
        Count when Count >= ?SESSIONS -> {error, "Too many consoles."};
        _ ->
            case supervisor:start_child(loom_telnet_sessions, [Socket]) of
                {ok, Pid} ->
                    _ = gen_tcp:controlling_process(Socket, Pid), % if it is closed by now, that process will see
                    Pid ! begin_shell,
                    ok;
                {error, _} -> {error, "No console."}
            end
    end.

handle_call(port, _From, #s{listener = none, error = Reason} = S) -> {reply, {error, Reason}, S};
handle_call(port, _From, #s{port = Port} = S) -> {reply, {ok, Port}, S};
handle_call(status, _From, #s{listener = none} = S) -> {reply, off, S};
handle_call(status, _From, #s{ip = Ip, port = Port} = S) ->
    {reply, {on, Ip, Port, proplists:get_value(active, supervisor:count_children(loom_telnet_sessions))}, S}.

handle_cast(Request, _S) -> error({unexpected_cast, Request}).

handle_info(listen, #s{listener = none} = S) -> {noreply, S, {continue, listen}};
%% The network stack has started anew, or has no more memory: the listener is looked after by a new process.
handle_info({'EXIT', Pid, _}, #s{acceptor = Pid, listener = Listener} = S) ->
    _ = gen_tcp:close(Listener),
    _ = erlang:send_after(?RETRY_MS, self(), listen),
    {noreply, S#s{listener = none, acceptor = none}};
handle_info({'EXIT', _, normal}, S) -> {noreply, S}; % a port that was closed
handle_info({'EXIT', _, Reason}, S) -> {stop, Reason, S}.

%% When the supervisor has ended it, nobody can connect any more.
terminate(_, #s{listener = none}) -> ok;
terminate(_, #s{listener = Listener}) -> gen_tcp:close(Listener).
