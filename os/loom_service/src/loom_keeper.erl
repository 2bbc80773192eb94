%% SPDX-License-Identifier: Apache-2.0
%% @doc Holds the tables of services while they are being restarted. Keeper and owner are each other's safety: whichever
%% dies, the other has the table. A table is known by its key, which also is the data of its `ETS-TRANSFER'.
-module(loom_keeper).
-behaviour(gen_server).

-export([start_link/0, table/2, again/2, drop/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(PATIENCE_MS, 2000).

-type state() :: #{term() => ets:tid()}.

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc The table, now owned by the caller: the kept one, or a new one from `New'. The keeper is its heir, and is
%% monitored under its name: at its `DOWN' the owner is to call again/2.
-spec table(term(), fun(() -> ets:tid())) -> ets:tid().
table(Key, New) ->
    _ = erlang:monitor(process, ?MODULE),
    case gen_server:call(?MODULE, {take, Key}) of
        {ok, Table} -> Table;
        none ->
            Table = New(),
            true = ets:setopts(Table, {heir, whereis(?MODULE), Key}),
            Table
    end.

%% @doc Makes the next keeper the table's heir.
-spec again(ets:tid(), term()) -> ok.
again(Table, Key) ->
    true = ets:setopts(Table, {heir, next(?PATIENCE_MS), Key}),
    _ = erlang:monitor(process, ?MODULE),
    ok.

next(Patience) when Patience > 0 ->
    case whereis(?MODULE) of
        undefined ->
            receive after 2 -> next(Patience - 2) end;
        Pid -> Pid
    end.

%% @doc The table of an owner that ended for good is not needed any more.
-spec drop(term()) -> ok.
drop(Key) -> gen_server:call(?MODULE, {drop, Key}).

-spec init([]) -> {ok, state()}.
init([]) -> {ok, #{}}.

handle_call({take, Key}, {Pid, _}, State) ->
    case kept(Key, State) of
        #{Key := Table} = Kept ->
            try ets:give_away(Table, Pid, Key) of
                true -> {reply, {ok, Table}, maps:remove(Key, Kept)}
            catch error:badarg -> {noreply, Kept} % who asked is dead by now; the next one will ask too
            end;
        Kept -> {reply, none, Kept}
    end;
handle_call({drop, Key}, _From, State) ->
    Kept = kept(Key, State),
    [ets:delete(Table) || #{Key := Table} <- [Kept]],
    {reply, ok, maps:remove(Key, Kept)}.

%% The table may still be on its way: the owner's death hands it over before its supervisor restarts it.
kept(Key, State) ->
    receive
        {'ETS-TRANSFER', Table, _, Key} -> State#{Key => Table}
    after 0 -> State
    end.

handle_cast(Request, _State) -> error({unexpected_cast, Request}).

handle_info({'ETS-TRANSFER', Table, _, Key}, State) -> {noreply, State#{Key => Table}}.
