%% SPDX-License-Identifier: Apache-2.0
%% @doc The driver behaviour. A driver is a gen_server that owns its capabilities and brings its device up from scratch
%% in `init': what the device was doing before does not matter, so that a restart always helps.
%%
%% Two kinds. One for a fixed part of the machine has `init/0' and is registered under its module's name. One for a
%% device that discovery found has `init/1' and gets the device (doc/devices.md); there may be several of it.
%%
%% Requests travel towards the hardware as calls or as messages that name whom to answer; events travel away from it as
%% messages to the subscriber.
-module(loom_driver).
-behaviour(gen_server).

-export([start_link/1, start_link/2, call/2, event/2]).
-export([init/1, handle_continue/2, handle_call/3, handle_cast/2, handle_info/2]).

%% Brings up the device. `ignore': this machine has none.
-callback init() -> {ok, State :: term()} | ignore | {stop, Reason :: term()}.
-callback init(loom_devices:device()) -> {ok, State :: term()} | ignore | {stop, Reason :: term()}.
%% `Time': monotonic nanoseconds of the interrupt; `Count': how many this message stands for.
-callback handle_interrupt(Time :: integer(), Count :: pos_integer(), State) -> {ok, State}.
-callback handle_request(Request :: term(), From :: gen_server:from(), State) ->
    {reply, term(), State} | {noreply, State}.
%% A message of a service: `{block, ...}', `{transmit, ...}'.
-callback handle_message(Message :: term(), State) -> {ok, State}.
%% Every TICK_MS: interrupts may get lost, requests may never end. The driver looks, and fails if its device has.
-callback handle_tick(State) -> {ok, State}.
-optional_callbacks([init/0, init/1, handle_message/2, handle_tick/1]).

-define(TICK_MS, 250).

-record(d, {module :: module(), ticks :: boolean(), state :: term()}).

-spec start_link(module()) -> {ok, pid()} | ignore | {error, term()}.
start_link(Module) -> gen_server:start_link({local, Module}, ?MODULE, Module, []).

%% @doc The driver of a device that was found. It comes back at once: a slow device does not hold up the others.
-spec start_link(module(), loom_devices:device()) -> {ok, pid()} | {error, term()}.
start_link(Module, Device) -> gen_server:start_link(?MODULE, {Module, Device}, []).

%% @doc A request to a driver. Exits as gen_server:call/2 does when it is not there.
-spec call(module() | pid(), term()) -> term().
call(Driver, Request) -> gen_server:call(Driver, Request).

%% @doc Tells the subscriber, if there is one, `{Driver, self(), Event}'.
-spec event({module(), pid() | none}, term()) -> ok.
event({_, none}, _) -> ok;
event({Driver, Pid}, Event) ->
    Pid ! {Driver, self(), Event},
    ok.

%% Before what only computes: a device waits. One that loops is ended by loom_guard, which comes before all others.
init({Module, Device}) ->
    _ = process_flag(priority, high),
    {ok, none, {continue, {Module, Device}}};
init(Module) ->
    _ = process_flag(priority, high),
    case Module:init() of
        {ok, State} -> {ok, running(Module, State)};
        Other -> Other
    end.

handle_continue({Module, #{id := Id} = Device}, none) ->
    ok = loom_devices:starting(Id),
    case Module:init(Device) of
        {ok, State} ->
            ok = loom_devices:ready(Id),
            {noreply, running(Module, State)};
        ignore ->
            ok = loom_devices:declined(Id),
            {stop, normal, none};
        {stop, Reason} -> {stop, Reason, none}
    end.

running(Module, State) ->
    Ticks = erlang:function_exported(Module, handle_tick, 1),
    Ticks andalso erlang:send_after(?TICK_MS, self(), {?MODULE, tick}),
    #d{module = Module, ticks = Ticks, state = State}.

handle_call(Request, From, #d{module = Module, state = State} = D) ->
    case Module:handle_request(Request, From, State) of
        {reply, Reply, New} -> {reply, Reply, D#d{state = New}};
        {noreply, New} -> {noreply, D#d{state = New}}
    end.

handle_cast(Request, _State) -> error({unexpected_cast, Request}).

handle_info({interrupt, _Vector, Time, Count}, #d{module = Module, state = State} = D) ->
    {ok, New} = Module:handle_interrupt(Time, Count, State),
    {noreply, D#d{state = New}};
handle_info({?MODULE, tick}, #d{module = Module, ticks = true, state = State} = D) ->
    {ok, New} = Module:handle_tick(State),
    _ = erlang:send_after(?TICK_MS, self(), {?MODULE, tick}),
    {noreply, D#d{state = New}};
handle_info({loom_devices, ping, From}, D) ->
    From ! {loom_devices, pong, self()},
    {noreply, D};
handle_info(Message, #d{module = Module, state = State} = D) ->
    {ok, New} = Module:handle_message(Message, State),
    {noreply, D#d{state = New}}.
