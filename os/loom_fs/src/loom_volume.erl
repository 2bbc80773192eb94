%% SPDX-License-Identifier: Apache-2.0
%% @doc A mounted volume: one process, which has the open handles and takes the requests of `prim_file' one by one to
%% its file system ({@link loom_fs}).
%%
%% What a request changes goes into one table in one step: the file system's rows, the handle's position, the request's
%% number and its answer. So when this process is killed, the next one goes on where it was, with the table from
%% {@link loom_keeper}; and a request that comes again because its answer was lost gets that answer.
%%
%%   {{handle, Ref}, Id, Position, Flags, Owner}   an open file
%%   {last, Number, Answer}                        of the last request that changed anything
%%   {under_way, Number}                           a rename that may have been halfway
%%   {Key, '$gone'}                                a row about to be deleted
%%
%% Changes are on the disk after `?LATE_MS' at the latest, and at once with `sync'.
-module(loom_volume).
-behaviour(gen_server).

-export([start_link/4, sync/1, space/1, unmount/1]).
-export([init/1, handle_continue/2, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-define(LATE_MS, 2000).
-define(AGAIN_MS, 100).
-define(UNKNOWN_MS, 10).   % then a request is looked at again that came while the device did not answer
-define(AWAY_MS, 30000).   % then it fails
-define(ROWS, 1000). % when there are more, they go to the disk now
-define(CALL_MS, 60000).

-record(s, {name :: atom(),
            module :: module(),
            open :: {module(), atom(), [term()]},  % gives the device
            options :: map(),
            table :: ets:tid(),
            fs :: term(),                          % `undefined' while the device does not answer
            since = now_ms() :: integer(),         % that is so
            number :: term(),                      % of the request being served
            timer :: reference() | undefined,
            quiet = false :: boolean()}).          % nothing has changed since the timer was set

%% @doc `Open' gives `{ok, loom_fs:device()}'. The process is registered as `Name'.
-spec start_link(atom(), module(), {module(), atom(), [term()]}, map()) -> {ok, pid()} | {error, term()}.
start_link(Name, Module, Open, Options) ->
    gen_server:start_link({local, Name}, ?MODULE, {Name, Module, Open, Options}, []).

%% @doc All that was written is on the disk.
-spec sync(atom()) -> ok | {error, term()}.
sync(Name) -> gen_server:call(Name, sync, ?CALL_MS).

-spec space(atom()) -> loom_fs:space() | {error, term()}.
space(Name) -> gen_server:call(Name, space, ?CALL_MS).

%% @doc Leaves the volume clean. It is not to be used after that. `{error, ebusy}' when files are open.
-spec unmount(atom()) -> ok | {error, term()}.
unmount(Name) -> gen_server:call(Name, unmount, ?CALL_MS).

%%% Start and end

init({Name, Module, Open, Options}) ->
    process_flag(trap_exit, true), % for terminate/2 at shutdown
    T = loom_keeper:table({?MODULE, Name}, fun() -> ets:new(?MODULE, [ordered_set, protected]) end),
    ets:match_delete(T, {'_', '$gone'}),
    S = #s{name = Name, module = Module, open = Open, options = Options, table = T},
    IsNew = ets:info(T, size) =:= 0,
    case mount(S) of
        {ok, New} -> {ok, watch_owners(New)};
        {error, Reason} when IsNew -> {stop, Reason};
        {error, _} -> {ok, S, {continue, later}}
    end.

mount(#s{module = Module, open = {M, F, A}, options = Options, table = T} = S) ->
    case apply(M, F, A) of
        {ok, Device} ->
            case Module:mount(Device, T, Options) of
                {ok, Fs, Notes} ->
                    completed(Notes, T),
                    log(S, [N || N <- Notes, not is_atom(N)]),
                    {ok, tick(S#s{fs = Fs})};
                Error -> Error
            end;
        Error -> Error
    end.

completed(Notes, T) ->
    case {lists:member(completed, Notes), ets:lookup(T, under_way)} of
        {true, [{under_way, Number}]} -> true = ets:insert(T, {last, Number, {reply, ok}});
        _ -> true
    end.

log(_, []) -> ok;
log(#s{name = Name}, Notes) -> logger:notice("~s: repaired: ~s", [Name, lists:join(", ", Notes)]).

watch_owners(#s{table = T} = S) ->
    Owners = ets:match(T, {{handle, '_'}, '_', '_', '_', '$1'}),
    _ = [erlang:monitor(process, Owner) || Owner <- lists:usort(lists:append(Owners))],
    S.

handle_continue(later, S) ->
    _ = erlang:send_after(?AGAIN_MS, self(), mount),
    {noreply, S}.

terminate(_, #s{fs = undefined}) -> ok;
terminate(_, #s{module = Module, fs = Fs}) ->
    _ = Module:sync(idle, Fs),
    ok.

%%% Messages

handle_call(Request, From, #s{fs = undefined, since = Since} = S) ->
    case now_ms() - Since < ?AWAY_MS of
        true ->
            _ = erlang:send_after(?UNKNOWN_MS, self(), {again, Request, From}),
            {noreply, S};
        false -> {reply, {error, eio}, S}
    end;
handle_call(sync, _From, S) ->
    {Reply, New} = sync_now(now, S),
    {reply, Reply, New};
handle_call(space, _From, #s{module = Module, fs = Fs} = S) -> {reply, Module:space(Fs), S};
handle_call(unmount, _From, #s{table = T} = S) ->
    case ets:match(T, {{handle, '$1'}, '_', '_', '_', '_'}, 1) of
        '$end_of_table' ->
            {Reply, New} = sync_now(idle, S),
            {reply, Reply, New};
        _ -> {reply, {error, ebusy}, S}
    end;
handle_call({Number, Request}, _From, #s{table = T} = S) ->
    case ets:lookup(T, last) of
        [{last, Number, {reply, Reply}}] -> {reply, Reply, S};
        [{last, Number, {read, Id, Offset, Count}}] ->
            {Reply, New} = ask({read, Id, Offset, Count}, S),
            {reply, Reply, New};
        _ ->
            {Reply, New} = request(Request, S#s{number = Number}),
            {reply, Reply, tidy(New)}
    end.

handle_cast(Request, _S) -> error({unexpected_cast, Request}).

handle_info({again, Request, From}, S) ->
    case handle_call(Request, From, S) of
        {reply, Reply, New} ->
            gen_server:reply(From, Reply),
            {noreply, New};
        NoReply -> NoReply
    end;
handle_info(tick, S) -> {noreply, ticked(S#s{timer = undefined})};
handle_info(mount, S) ->
    case mount(S) of
        {ok, New} -> {noreply, watch_owners(New)};
        {error, _} -> {noreply, S, {continue, later}}
    end;
handle_info({'DOWN', _, process, {loom_keeper, _}, _}, #s{table = T, name = Name} = S) ->
    ok = loom_keeper:again(T, {?MODULE, Name}),
    {noreply, S};
handle_info({'DOWN', _, process, Pid, _}, #s{table = T} = S) ->
    Refs = [Ref || [Ref] <- ets:match(T, {{handle, '$1'}, '_', '_', '_', Pid})],
    {noreply, lists:foldl(fun(Ref, A) -> element(2, request({on, Ref, close}, A#s{number = none})) end, S, Refs)};
handle_info({'ETS-TRANSFER', _, _, {?MODULE, _}}, S) -> {noreply, S};
handle_info({'EXIT', _, Reason}, S) -> {stop, Reason, S}.

now_ms() -> erlang:monotonic_time(millisecond).

%%% Time to write

tick(#s{timer = undefined} = S) -> S#s{timer = erlang:send_after(?LATE_MS, self(), tick)};
tick(S) -> S.

%% While files are being changed, what has gathered is written; when nobody does, the volume is left clean.
ticked(#s{fs = undefined} = S) -> S;
ticked(#s{quiet = Quiet} = S) ->
    {Result, New} = sync_now(case Quiet of true -> idle; false -> now end, S),
    case Quiet andalso Result =:= ok of
        true -> New;
        false -> tick(New#s{quiet = true})
    end.

sync_now(How, #s{module = Module, fs = Fs} = S) ->
    {Reply, New} = Module:sync(How, Fs),
    {Reply, S#s{fs = New}}.

tidy(#s{table = T} = S) ->
    case ets:info(T, size) > ?ROWS of
        true ->
            {_, New} = sync_now(now, S),
            New;
        false -> S
    end.

%%% Requests

%% A question to the file system that changes nothing.
ask(Request, #s{module = Module, fs = Fs} = S) ->
    {Reply, New} = Module:request(Request, Fs),
    {Reply, S#s{fs = New}}.

%% A request to the file system, whose rows are kept with `Rows' and the answer that `Then' makes of its reply.
change(Request, Then, #s{module = Module, fs = Fs} = S) ->
    {Result, New} = Module:request(Request, Fs),
    {Reply, Rows} = Then(Result),
    {Reply, keep(Rows, {reply, Reply}, S#s{fs = New})}.

keep(Rows, Answer, #s{module = Module, fs = Fs, table = T, number = Number} = S) ->
    {FsRows, New} = Module:changes(Fs),
    case Rows ++ FsRows of
        [] -> S#s{fs = New};
        All ->
            true = ets:insert(T, [{last, Number, Answer} | All]),
            _ = [ets:delete(T, Key) || {Key, '$gone'} <- All],
            case FsRows of
                [] -> S#s{fs = New};
                _ -> tick(S#s{fs = New, quiet = false})
            end
    end.

request({open, Parts, Modes, Owner}, S) ->
    Ref = make_ref(),
    change({open, Parts, Modes}, fun
        ({ok, Id}) ->
            _ = erlang:monitor(process, Owner),
            {{ok, Ref}, [{{handle, Ref}, Id, 0, flags(Modes), Owner}]};
        (Error) -> {Error, []}
    end, S);
request({on, Ref, Request}, #s{table = T} = S) ->
    case ets:lookup(T, {handle, Ref}) of
        [Handle] -> on_handle(Request, Handle, S);
        [] -> {{error, einval}, S}
    end;
request({rename, _, _} = Request, #s{table = T, number = Number} = S) ->
    true = ets:insert(T, {under_way, Number}),
    change(Request, fun(Reply) -> {Reply, []} end, S);
request(Request, S) -> change(Request, fun(Reply) -> {Reply, []} end, S).

flags(Modes) ->
    Writes = [M || M <- Modes, lists:member(M, [write, append, exclusive])],
    [write_only || Writes =/= [], not lists:member(read, Modes)] ++ Writes ++ [M || sync = M <- Modes, Writes =/= []].

on_handle(close, {Key, Id, _, _, _}, #s{table = T} = S) ->
    Others = ets:select_count(T, [{{{handle, '_'}, Id, '_', '_', '_'}, [], [true]}]) - 1,
    Gone = {Key, '$gone'},
    case Others of
        0 -> change({release, Id}, fun(ok) -> {ok, [Gone]} end, S);
        _ -> {ok, keep([Gone], {reply, ok}, S)}
    end;
on_handle(sync, _, S) -> sync_now(now, S);
on_handle(info, {_, Id, _, _, _}, S) -> ask({info, Id}, S);
on_handle({read, _, _}, {_, _, _, [write_only | _], _}, S) -> {{error, ebadf}, S};
on_handle({read, cur, Count}, {_, Id, Position, _, _} = Handle, S) ->
    case ask({read, Id, Position, Count}, S) of
        {{ok, Bytes}, New} ->
            Moved = setelement(3, Handle, Position + byte_size(Bytes)),
            {{ok, Bytes}, keep([Moved], {read, Id, Position, Count}, New)};
        Other -> Other
    end;
on_handle({read, Offset, Count}, {_, Id, _, _, _}, S) when Offset >= 0 -> ask({read, Id, Offset, Count}, S);
on_handle(Request, {_, _, _, [], _}, S) when element(1, Request) =:= write; Request =:= truncate -> {{error, ebadf}, S};
on_handle({write, Where, Bytes}, {_, Id, Position, Flags, _} = Handle, S) when Where =:= cur; Where >= 0 ->
    Offset = case lists:member(append, Flags) of
        true -> eof;
        false when Where =:= cur -> Position;
        false -> Where
    end,
    Then = fun
        ({ok, End}) when Where =:= cur -> {ok, [setelement(3, Handle, End)]};
        ({ok, _}) -> {ok, []};
        (Error) -> {Error, []}
    end,
    {Reply, New} = change({write, Id, Offset, Bytes}, Then, S),
    case Reply =:= ok andalso lists:member(sync, Flags) of
        true -> sync_now(now, New);
        false -> {Reply, New}
    end;
on_handle(truncate, {_, Id, Position, _, _}, S) ->
    change({truncate, Id, Position}, fun(Reply) -> {Reply, []} end, S);
on_handle({position, Mark, Offset}, {_, Id, Position, _, _} = Handle, S) when is_integer(Offset) ->
    {Base, S1} = case Mark of
        bof -> {0, S};
        cur -> {Position, S};
        eof ->
            {{ok, Size}, Asked} = ask({size, Id}, S),
            {Size, Asked}
    end,
    case Base + Offset of
        New when New >= 0 -> {{ok, New}, keep([setelement(3, Handle, New)], {reply, {ok, New}}, S1)};
        _ -> {{error, einval}, S1}
    end;
on_handle(_, _, S) -> {{error, einval}, S}.
