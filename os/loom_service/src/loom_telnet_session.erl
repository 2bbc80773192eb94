%% SPDX-License-Identifier: Apache-2.0
%% @doc A console over one TCP connection: what OTP's `user_drv' is to the terminal, this is to the peer. It drives a
%% `group' of its own (line editing, history) with a shell in it. When the peer is gone the shell is too, whatever it
%% was doing.
-module(loom_telnet_session).
-behaviour(gen_server).

-export([start_link/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-define(COLUMNS, 80).
-define(ROWS, 24).
-define(LEAST_COLUMNS, 8).
-define(CONTROL_C, 3).
%% Commands of user_drv, which loom_tty knows.
-define(PUT, 0).
-define(MOVE, 1).
-define(INSERT, 2).
-define(DELETE, 3).
-define(BEEP, 4).

-record(s, {socket :: gen_tcp:socket(), telnet :: loom_telnet_protocol:state(), group = none :: pid() | none,
    tty = loom_tty:new(?COLUMNS) :: loom_tty:state(), rows = ?ROWS :: pos_integer(),
    rest = <<>> :: binary()}). % of a character that has not come whole

%% @doc The socket is handed over with `{socket, Socket}'.
-spec start_link(gen_tcp:socket()) -> {ok, pid()} | {error, term()}.
start_link(Socket) -> gen_server:start_link(?MODULE, Socket, []).

init(Socket) ->
    process_flag(trap_exit, true),
    {Hello, Telnet} = loom_telnet_protocol:new(),
    case gen_tcp:send(Socket, Hello) of
        ok -> {ok, #s{socket = Socket, telnet = Telnet}};
        {error, Reason} -> {stop, {shutdown, Reason}}
    end.

handle_call(Request, _From, _S) -> error({unexpected_call, Request}).
handle_cast(Request, _S) -> error({unexpected_cast, Request}).

handle_info(begin_shell, S) ->
    ok = inet:setopts(S#s.socket, [{active, once}]),
    {noreply, S#s{group = group:start(self(), {shell, start, []})}};
handle_info({tcp, Socket, Bytes}, #s{socket = Socket, telnet = Telnet} = S) ->
    {Events, Answer, New} = loom_telnet_protocol:input(Bytes, Telnet),
    case Answer =:= <<>> orelse gen_tcp:send(Socket, Answer) of
        {error, Reason} -> {stop, {shutdown, Reason}, S};
        _ ->
            _ = inet:setopts(Socket, [{active, once}]), % an end comes as a message
            {noreply, lists:foldl(fun event/2, S#s{telnet = New}, Events)}
    end;
handle_info({tcp_closed, _}, S) -> {stop, {shutdown, closed}, S};
handle_info({tcp_error, _, Reason}, S) -> {stop, {shutdown, Reason}, S};
handle_info({Group, Request}, #s{group = Group} = S) ->
    case request(Request, S) of
        {error, Reason} -> {stop, {shutdown, Reason}, S};
        New -> {noreply, New}
    end;
handle_info({'EXIT', Group, Reason}, #s{group = Group} = S) ->
    _ = gen_tcp:send(S#s.socket, "\r\nThe shell has ended.\r\n"),
    {stop, {shutdown, {shell, Reason}}, S};
handle_info({'EXIT', _, Reason}, S) -> {stop, Reason, S}.

%% The group goes when this process does, and the shell with it, which ends what it evaluates.
terminate(_Reason, #s{socket = Socket}) -> gen_tcp:close(Socket).

%% --- from the peer -----------------------------------------------------------------------------------------------

event({data, Bytes}, S) -> typed(Bytes, S);
event(interrupt, S) -> interrupted(S);
event(are_you_there, S) ->
    _ = put_text(<<"\r\n[Loom]\r\n">>, S), % an end comes as a message
    S;
event({window, Columns, Rows}, #s{tty = Tty} = S) ->
    Width = case Columns of 0 -> ?COLUMNS; _ -> max(?LEAST_COLUMNS, Columns) end,
    S#s{tty = loom_tty:resize(Width, Tty), rows = case Rows of 0 -> ?ROWS; _ -> Rows end}.

typed(Bytes, S) ->
    case binary:split(Bytes, <<?CONTROL_C>>) of
        [Text] -> text(Text, S);
        [Text, More] -> typed(More, interrupted(text(Text, S)))
    end.

text(<<>>, S) -> S;
text(Bytes, #s{rest = Rest, group = Group} = S) ->
    {Chars, Left} = characters(<<Rest/binary, Bytes/binary>>),
    Chars =/= [] andalso (Group ! {self(), {data, Chars}}),
    S#s{rest = Left}.

%% UTF-8; what is none is taken byte by byte.
characters(Bytes) ->
    case unicode:characters_to_list(Bytes) of
        {incomplete, Chars, Left} -> {Chars, Left};
        {error, Chars, <<Byte, More/binary>>} ->
            {Others, Left} = characters(More),
            {Chars ++ [Byte | Others], Left};
        Chars -> {Chars, <<>>}
    end.

interrupted(#s{group = Group} = S) ->
    exit(Group, interrupt),
    S.

%% --- from the group: the requests that user_drv knows ------------------------------------------------------------

request({put_chars, unicode, Text}, S) -> command([?PUT, unicode:characters_to_binary(Text)], S);
request({put_chars_sync, unicode, Text, Reply}, S) ->
    Done = command([?PUT, unicode:characters_to_binary(Text)], S),
    S#s.group ! {reply, Reply},
    Done;
request({insert_chars, unicode, Text}, S) -> command([?INSERT, unicode:characters_to_binary(Text)], S);
request({move_rel, N}, S) -> command(<<?MOVE, N:16>>, S);
request({delete_chars, N}, S) -> command(<<?DELETE, N:16>>, S);
request(beep, S) -> command(<<?BEEP>>, S);
request({requests, Requests}, S) -> requests(Requests, S);
request(tty_geometry, S) -> answer(tty_geometry, {loom_tty:geometry(S#s.tty), S#s.rows}, S);
request(get_unicode_state, S) -> answer(get_unicode_state, true, S);
request({set_unicode_state, _}, S) -> answer(set_unicode_state, true, S);
request(_Other, S) -> S.

requests([], S) -> S;
requests([Request | Rest], S) ->
    case request(Request, S) of
        {error, _} = Error -> Error;
        New -> requests(Rest, New)
    end.

answer(What, Value, #s{group = Group} = S) ->
    Group ! {self(), What, Value},
    S.

command(Command, #s{tty = Tty} = S) ->
    {_, Out, New} = loom_tty:command(iolist_to_binary(Command), Tty),
    put_text(iolist_to_binary(Out), S#s{tty = New}).

put_text(<<>>, S) -> S;
put_text(Bytes, #s{socket = Socket} = S) ->
    case gen_tcp:send(Socket, loom_telnet_protocol:output(Bytes)) of
        ok -> S;
        {error, _} = Error -> Error
    end.
