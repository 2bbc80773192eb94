%% SPDX-License-Identifier: Apache-2.0
%% @doc Holds the file system's table while {@link loom_vfs} is being restarted. The two are each other's safety:
%% whichever dies, the other has the table.
-module(loom_vfs_keeper).
-behaviour(gen_server).

-export([start_link/0, table/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-type state() :: #{table := ets:tid() | undefined}.

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc The table, now owned by the caller: the kept one, or a new one from `New'. The keeper is its heir.
-spec table(fun(() -> ets:tid())) -> ets:tid().
table(New) ->
    case gen_server:call(?MODULE, take) of
        {ok, Table} -> Table;
        none ->
            Table = New(),
            true = ets:setopts(Table, {heir, whereis(?MODULE), loom_vfs}),
            Table
    end.

-spec init([]) -> {ok, state()}.
init([]) ->
    %% After a restart: the file system has the table and is told whom to leave it to.
    case whereis(loom_vfs) of
        undefined -> ok;
        Pid -> Pid ! {heir, self()}
    end,
    {ok, #{table => undefined}}.

%% The table may still be on its way: the owner's death hands it over before its supervisor restarts it.
handle_call(take, {Pid, _}, #{table := undefined} = State) ->
    receive
        {'ETS-TRANSFER', Table, _, loom_vfs} -> give(Table, Pid, State)
    after 0 -> {reply, none, State}
    end;
handle_call(take, {Pid, _}, #{table := Table} = State) -> give(Table, Pid, State).

give(Table, Pid, State) ->
    ets:give_away(Table, Pid, loom_vfs),
    {reply, {ok, Table}, State#{table := undefined}}.

handle_cast(Request, _State) -> error({unexpected_cast, Request}).

handle_info({'ETS-TRANSFER', Table, _, loom_vfs}, State) -> {noreply, State#{table := Table}}.
