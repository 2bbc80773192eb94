%% SPDX-License-Identifier: Apache-2.0
%% @doc The console: serial line and screen out, serial line and keyboard in. It is the driver of OTP's `tty_sl' port
%% (the line editor's side: `user_drv', `group', `edlin', `shell', all unmodified) and of the `fd' ports (plain output).
%%
%% Every device may die and come back: the console monitors it, attaches again, and sends again what had not reached the
%% wire. When the console itself dies, its ports wait for the next incarnation and give it the output that this one had
%% not taken (doc/hardware.md).
-module(loom_console).
-behaviour(gen_server).

-export([start_link/0, write/1]).
-export([init/1, handle_continue/2, handle_call/3, handle_cast/2, handle_info/2]).

-define(COLUMNS, 80).
-define(ROWS, 24).
%% What user_drv asks its port: 16#018b0900 + 100, + 101, + 102.
-define(CONTROL_SIZE, (16#018b0900 + 100)).
-define(CONTROL_UNICODE, (16#018b0900 + 101)).
-define(CONTROL_SET_UNICODE, (16#018b0900 + 102)).
%% What loom_ps2_scan makes of them with shift.
-define(PAGE_UP, <<"\e[5;2~">>).
-define(PAGE_DOWN, <<"\e[6;2~">>).
-define(PROMPTED, {?MODULE, prompted}).
-define(RETRY_MS, 1).
%% Bytes handed to the serial driver and not yet on the wire; more waits here.
-define(WINDOW, 512).
%% What is typed while no line editor has the port open: a line or two of a user who cannot wait.
-define(EARLY_MAX, 4096).

-record(s, {tty = loom_tty:new(?COLUMNS) :: loom_tty:state(),
            port = none :: port() | none,             % the open tty_sl port
            serial = none :: pid() | none,
            screen = none :: pid() | none,
            keyboard = none :: pid() | none,          % the one behind the 8042
            inputs = none :: none | pid(),            % who tells of other keyboards
            keys = #{} :: #{pid() => loom_ps2_scan:state()}, % those
            early = <<>> :: binary(),                 % input that nobody was there to take
            flight = <<>> :: binary(),                % given to the serial driver, not yet on the wire
            landing = [] :: [origin()],               % done when all of flight is on the wire, last first
            queue = queue:new() :: queue:queue(item())}).
%% Bytes still to go out, and whom to tell when they are: `sync' when the sender waits for it.
-type item() :: {binary(), origin()}.
-type origin() :: none | {async | sync, port()}.

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc Plain text to the console, beside whatever is being edited.
-spec write(iodata()) -> ok.
write(Text) -> gen_server:call(?MODULE, {write, Text}).

init([]) ->
    S = lists:foldl(fun attach/2, #s{}, [loom_drv_serial, loom_drv_fb, loom_drv_ps2]),
    [ok = loom_port:register(Name) || Name <- [<<"tty_sl">>, <<"fd">>]],
    say_attached([{S#s.serial, "serial line"}, {S#s.screen, "screen"}, {S#s.keyboard, "keyboard"}]),
    {ok, S, {continue, inputs}}.

%% Keyboards that discovery finds come, go and come back as units.
handle_continue(inputs, S) ->
    From = loom_devices:subscribe(input),
    _ = erlang:monitor(process, From, [{tag, no_inputs}]),
    {noreply, S#s{inputs = From}}.

%% A line of the boot log, once.
say_attached(Devices) ->
    Names = [Name || {Pid, Name} <- Devices, is_pid(Pid)],
    persistent_term:get(?PROMPTED, false) orelse loom_hw:log(["console: ", lists:join(", ", Names)]).

%%% Devices

%% Attaches to a device that is not attached. What was under way when its driver died goes out again first.
attach(loom_drv_serial, #s{serial = none} = S) ->
    case subscribe(loom_drv_serial, fun loom_drv_serial:subscribe/0) of
        none -> S;
        Pid when S#s.flight =:= <<>> -> send(S#s{serial = Pid});
        Pid -> hand_over(S#s{serial = Pid})
    end;
attach(loom_drv_fb, #s{screen = none} = S) ->
    S#s{screen = subscribe(loom_drv_fb, fun() -> loom_drv_fb:attach(?COLUMNS) end)};
attach(loom_drv_ps2, #s{keyboard = none} = S) -> S#s{keyboard = subscribe(loom_drv_ps2, fun loom_drv_ps2:subscribe/0)};
attach(_Attached, S) -> S.

detach(Pid, #s{serial = Pid} = S) -> S#s{serial = none};
detach(Pid, #s{screen = Pid} = S) -> S#s{screen = none};
detach(Pid, #s{keyboard = Pid} = S) -> S#s{keyboard = none};
detach(_Stale, S) -> S.

%% `none' when there is no such process now; a device that the machine has will be back.
subscribe(Driver, Function) ->
    try Function() of
        Pid ->
            erlang:monitor(process, Pid, [{tag, {gone, Driver}}]),
            Pid
    catch
        exit:_ ->
            absent(Driver) orelse erlang:send_after(?RETRY_MS, self(), {attach, Driver}),
            none
    end.

%% A driver that answered `ignore' has no process and will get none.
absent(Driver) ->
    try supervisor:get_childspec(loom_hal_sup, Driver) of
        {ok, _} ->
            Child = lists:keyfind(Driver, 1, supervisor:which_children(loom_hal_sup)),
            Child =:= {Driver, undefined, worker, [loom_driver]};
        {error, _} -> true
    catch
        exit:_ -> false
    end.

take_keyboard(Pid, #s{keys = Keys} = S) when is_map_key(Pid, Keys) -> S;
take_keyboard(Pid, #s{keys = Keys} = S) ->
    try loom_driver:call(Pid, subscribe) of
        ok ->
            _ = erlang:monitor(process, Pid, [{tag, no_keyboard}]),
            S#s{keys = Keys#{Pid => loom_keys:new()}}
    catch
        exit:_ -> S % its next driver will say so
    end.

%%% Output

handle_call({write, Text}, _From, S) ->
    {reply, ok, send(out(unicode:characters_to_binary(Text), none, S))};
handle_call(Request, _From, _S) -> error({unexpected_call, Request}).

handle_cast(Request, _S) -> error({unexpected_cast, Request}).

out(Bytes, Origin, S) -> screen(Bytes, S#s{queue = queue:in({Bytes, Origin}, S#s.queue)}).

%% The screen is memory: written at once. If its driver dies now, the next one starts with an empty screen.
screen(<<>>, S) -> S;
screen(_Bytes, #s{screen = none} = S) -> S;
screen(Bytes, #s{screen = Pid} = S) ->
    try loom_drv_fb:write(Pid, Bytes) of
        ok -> S
    catch
        exit:_ -> S
    end.

%% Keeps one window of bytes under way, gathered from as many items as fit; an item is done when its last byte is on the
%% wire.
send(#s{flight = <<>>, landing = Landing} = S) ->
    [done(Origin) || Origin <- lists:reverse(Landing)],
    case gather(S#s{landing = []}) of
        #s{flight = <<>>, landing = []} = Idle -> Idle;
        #s{serial = none} = Waiting -> wait_for_serial(Waiting);
        #s{flight = <<>>} = Empty -> send(Empty);
        Ready -> hand_over(Ready)
    end;
send(S) -> S.

gather(#s{flight = Flight, landing = Landing, queue = Queue} = S) when byte_size(Flight) < ?WINDOW ->
    case queue:out(Queue) of
        {empty, _} -> S;
        {{value, {Bytes, Origin}}, Rest} ->
            Room = ?WINDOW - byte_size(Flight),
            case Bytes of
                <<Now:Room/binary, Later/binary>> when Later =/= <<>> ->
                    S#s{flight = <<Flight/binary, Now/binary>>, queue = queue:in_r({Later, Origin}, Rest)};
                _ -> gather(S#s{flight = <<Flight/binary, Bytes/binary>>, landing = [Origin | Landing], queue = Rest})
            end
    end;
gather(S) -> S.

%% Without a serial line the screen has had it all; while its driver is being restarted, output waits in `flight'.
wait_for_serial(S) ->
    case absent(loom_drv_serial) of
        true -> send(S#s{flight = <<>>});
        false -> S
    end.

hand_over(#s{serial = Pid, flight = Flight} = S) when is_pid(Pid) ->
    try loom_drv_serial:write(Pid, Flight) of
        ok -> S
    catch
        exit:_ -> S
    end.

done(none) -> ok;
done({Kind, Port}) ->
    Kind =:= sync andalso loom_port:deliver_term(Port, ok),
    loom_port:taken(Port).

%%% Events

handle_info({loom_drv_serial, Pid, {written, Count}}, #s{serial = Pid, flight = Flight} = S) ->
    {noreply, send(S#s{flight = binary:part(Flight, Count, byte_size(Flight) - Count)})};
handle_info({loom_drv_serial, _Pid, {data, Bytes}}, S) -> {noreply, input(Bytes, S)};
handle_info({loom_drv_ps2, _Pid, {data, Bytes}}, S) -> {noreply, typed(Bytes, S)};
handle_info({Driver, _Pid, _Stale}, S) when Driver =:= loom_drv_serial; Driver =:= loom_drv_ps2 -> {noreply, S};
handle_info({loom_input, Pid, {key, Code, What}}, #s{keys = Keys} = S) when is_map_key(Pid, Keys) ->
    {Bytes, New} = loom_keys:bytes(Code, What, map_get(Pid, Keys)),
    {noreply, typed(Bytes, S#s{keys = Keys#{Pid := New}})};
handle_info({loom_input, _Stale, _}, S) -> {noreply, S};
handle_info({loom_devices, up, input, #{kind := keyboard, driver := Pid}}, S) -> {noreply, take_keyboard(Pid, S)};
handle_info({loom_devices, _, input, _}, S) -> {noreply, S};
handle_info({no_inputs, _, process, _, _}, S) -> {noreply, S, {continue, inputs}};
handle_info({no_keyboard, _, process, Pid, _}, #s{keys = Keys} = S) -> {noreply, S#s{keys = maps:remove(Pid, Keys)}};
handle_info({{gone, Driver}, _, process, Pid, _}, S) -> {noreply, attach(Driver, detach(Pid, S))};
handle_info({attach, Driver}, S) -> {noreply, attach(Driver, S)};
handle_info({port_open, Port, <<"tty_sl">>, _Options}, S) ->
    ok = loom_port:set_control(Port, ?CONTROL_SIZE, <<?COLUMNS:32/native, ?ROWS:32/native>>),
    ok = loom_port:set_control(Port, ?CONTROL_UNICODE, <<1>>),
    ok = loom_port:set_control(Port, ?CONTROL_SET_UNICODE, <<1>>),
    {noreply, input(S#s.early, S#s{port = Port, early = <<>>})};
handle_info({port_open, _Port, <<"fd">>, _Options}, S) -> {noreply, S};
handle_info({port_output, Port, Command}, #s{port = Port, tty = Tty} = S) ->
    {Kind, Text, New} = loom_tty:command(Command, Tty),
    Bytes = iolist_to_binary(Text),
    {noreply, send(out(<<(first_prompt(Bytes))/binary, Bytes/binary>>, {Kind, Port}, S#s{tty = New}))};
handle_info({port_output, Fd, Text}, S) ->
    {noreply, send(out(binary:replace(Text, <<"\n">>, <<"\r\n">>, [global]), {async, Fd}, S))};
handle_info({port_control, _Port, _Command, _Data}, S) -> {noreply, S};
handle_info({port_close, Port}, #s{port = Port} = S) -> {noreply, S#s{port = none, tty = loom_tty:new(?COLUMNS)}};
handle_info({port_close, _Fd}, S) -> {noreply, S}.

%% A line of the boot log before the first output that leaves its line open: the shell's first prompt.
first_prompt(<<>>) -> <<>>;
first_prompt(Bytes) ->
    case binary:last(Bytes) =:= $\n orelse persistent_term:get(?PROMPTED, false) of
        true -> <<>>;
        false ->
            persistent_term:put(?PROMPTED, true),
            #{uptime_ns := Ns} = loom_hw:boot_info(),
            Tenths = Ns div 100_000,
            Ms = string:pad(integer_to_list(Tenths div 10), 5, leading),
            iolist_to_binary([$[, Ms, $., $0 + Tenths rem 10, <<" ms] console: the shell's prompt\r\n">>])
    end.

%% On a keyboard of this machine: shift with page up and page down is for the screen. (A terminal at the other end of
%% the serial line has its own.)
typed(Bytes, S) ->
    case binary:match(Bytes, [?PAGE_UP, ?PAGE_DOWN]) of
        nomatch -> input(Bytes, S);
        {At, Size} ->
            <<Before:At/binary, Key:Size/binary, Behind/binary>> = Bytes,
            typed(Behind, scroll(Key, input(Before, S)))
    end.

scroll(_Key, #s{screen = none} = S) -> S;
scroll(Key, #s{screen = Pid} = S) ->
    try loom_drv_fb:scroll(Pid, case Key of ?PAGE_UP -> back; ?PAGE_DOWN -> forward end) of
        ok -> S
    catch
        exit:_ -> S
    end.

%% Terminals send CR for the return key; a terminal driver hands on LF.
input(<<>>, S) -> S;
input(Bytes, #s{port = none, early = Early} = S) ->
    Kept = <<Early/binary, Bytes/binary>>,
    S#s{early = binary:part(Kept, 0, min(?EARLY_MAX, byte_size(Kept)))};
input(Bytes, #s{port = Port} = S) ->
    case loom_port:deliver(Port, binary:replace(Bytes, <<"\r">>, <<"\n">>, [global])) of
        ok -> S;
        {error, closed} -> input(Bytes, S#s{port = none})
    end.
