%% SPDX-License-Identifier: Apache-2.0
%% @doc The driver behaviour. A driver is a gen_server, registered under its module's name, that owns its capabilities
%% and brings its device up from scratch in `init': what the device was doing before does not matter, so that a restart
%% always helps.
%%
%% Requests travel towards the hardware as calls; events travel away from it as messages to the subscriber.
-module(loom_driver).
-behaviour(gen_server).

-export([start_link/1, call/2, event/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

%% Brings up the device. `ignore': this machine has none.
-callback init() -> {ok, State :: term()} | ignore | {stop, Reason :: term()}.
%% `Time': monotonic nanoseconds of the interrupt; `Count': how many this message stands for.
-callback handle_interrupt(Time :: integer(), Count :: pos_integer(), State) -> {ok, State}.
-callback handle_request(Request :: term(), From :: gen_server:from(), State) ->
    {reply, term(), State} | {noreply, State}.

-spec start_link(module()) -> {ok, pid()} | ignore | {error, term()}.
start_link(Module) -> gen_server:start_link({local, Module}, ?MODULE, Module, []).

%% @doc A request to a driver. Exits as gen_server:call/2 does when it is not there.
-spec call(module() | pid(), term()) -> term().
call(Driver, Request) -> gen_server:call(Driver, Request).

%% @doc Tells the subscriber, if there is one, `{Driver, self(), Event}'.
-spec event({module(), pid() | none}, term()) -> ok.
event({_, none}, _) -> ok;
event({Driver, Pid}, Event) ->
    Pid ! {Driver, self(), Event},
    ok.

init(Module) ->
    case Module:init() of
        {ok, State} -> {ok, {Module, State}};
        Other -> Other
    end.

handle_call(Request, From, {Module, State}) ->
    case Module:handle_request(Request, From, State) of
        {reply, Reply, New} -> {reply, Reply, {Module, New}};
        {noreply, New} -> {noreply, {Module, New}}
    end.

handle_cast(Request, _State) -> error({unexpected_cast, Request}).

handle_info({interrupt, _Vector, Time, Count}, {Module, State}) ->
    {ok, New} = Module:handle_interrupt(Time, Count, State),
    {noreply, {Module, New}}.
