%% SPDX-License-Identifier: Apache-2.0
%% @doc Interrupt lines that several PCI devices share. A line is level triggered: it stays masked from the interrupt
%% until every driver on it has said that its device is quiet, or has died (its device's line is then switched off, see
%% doc/hardware.md). A driver is linked to this process: without it there are no interrupts, so it starts again too.
-module(loom_lines).
-behaviour(gen_server).

-export([start_link/0, attach/1, detach/1, ack/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-type gsi() :: non_neg_integer().
-record(line, {gsi :: gsi(), cap :: loom_hal:cap(), drivers = [] :: [pid()], busy = [] :: [pid()]}).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc From now on the caller gets `{interrupt, Vector, Time, Count}' for every interrupt of the line, of whichever
%% device, and answers each with ack/1.
-spec attach(gsi()) -> ok | {error, taken | enodev}.
attach(Gsi) ->
    link(whereis(?MODULE)),
    gen_server:call(?MODULE, {attach, Gsi}).

%% @doc The caller has nothing to do with the line any more. Whom nobody listens to is masked.
-spec detach(gsi()) -> ok.
detach(Gsi) -> gen_server:call(?MODULE, {detach, Gsi}).

-spec ack(gsi()) -> ok.
ack(Gsi) -> gen_server:cast(?MODULE, {ack, Gsi, self()}).

init([]) ->
    _ = process_flag(priority, high),
    process_flag(trap_exit, true),
    {ok, #{}}.

handle_call({attach, Gsi}, {Pid, _}, Lines) ->
    case find(Gsi, Lines) of
        {ok, Vector, #line{drivers = Drivers} = Line} ->
            {reply, ok, Lines#{Vector => Line#line{drivers = [Pid | lists:delete(Pid, Drivers)]}}};
        {error, _} = Error -> {reply, Error, Lines}
    end;
handle_call({detach, Gsi}, {Pid, _}, Lines) ->
    {ok, Vector, #line{drivers = Drivers, cap = Cap} = Line} = find(Gsi, Lines),
    case lists:delete(Pid, Drivers) of
        [] ->
            ok = loom_hw:irq_unsubscribe(Cap),
            ok = loom_hw:revoke(Cap),
            {reply, ok, maps:remove(Vector, Lines)};
        Left -> {reply, ok, Lines#{Vector => quiet(Pid, Line#line{drivers = Left})}}
    end.

find(Gsi, Lines) ->
    case [{V, L} || {V, #line{gsi = G} = L} <- maps:to_list(Lines), G =:= Gsi] of
        [{Vector, Line}] -> {ok, Vector, Line};
        [] ->
            case loom_hal:grant({irq, Gsi, level}) of
                {ok, Cap} ->
                    ok = loom_hw:irq_subscribe(Cap),
                    {ok, loom_hw:irq_vector(Cap), #line{gsi = Gsi, cap = Cap}};
                {error, _} = Error -> Error
            end
    end.

handle_cast({ack, Gsi, Pid}, Lines) ->
    {noreply, maps:map(fun(_, #line{gsi = G} = L) when G =:= Gsi -> quiet(Pid, L); (_, L) -> L end, Lines)}.

handle_info({interrupt, Vector, _, _}, Lines) when not is_map_key(Vector, Lines) -> {noreply, Lines}; % it was given up
handle_info({interrupt, Vector, _, _} = Interrupt, Lines) ->
    #{Vector := #line{cap = Cap, drivers = Drivers} = Line} = Lines,
    [Pid ! Interrupt || Pid <- Drivers],
    Drivers =:= [] andalso loom_hw:irq_ack(Cap),
    {noreply, Lines#{Vector := Line#line{busy = Drivers}}};
handle_info({'EXIT', Pid, _}, Lines) ->
    Without = fun(_, #line{drivers = D} = L) -> quiet(Pid, L#line{drivers = lists:delete(Pid, D)}) end,
    {noreply, maps:map(Without, Lines)}.

quiet(Pid, #line{busy = [Pid], cap = Cap} = Line) ->
    ok = loom_hw:irq_ack(Cap),
    Line#line{busy = []};
quiet(Pid, #line{busy = Busy} = Line) -> Line#line{busy = lists:delete(Pid, Busy)}.
