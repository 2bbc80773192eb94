%% SPDX-License-Identifier: Apache-2.0
%% @doc The block service: disks and their partitions for file systems. It takes the units that drivers publish
%% (doc/devices.md), keeps a cache in front of each, and hides that drivers die.
%%
%% Writes go to a table of dirty blocks and are answered at once. The table outlives this process ({@link loom_keeper}),
%% so what was accepted is not lost when it is killed. Dirty blocks go to the disk in rounds: all that are dirty at its
%% beginning, in order, several requests in flight; then, if somebody asked, the disk's own cache is flushed. One round
%% at a time, so a block is never in flight twice and a flush never overtakes a write. A flush that is asked for during
%% a round waits for the next.
%%
%% Requests in flight when a driver dies are sent again to the next one. A driver that does not answer is killed.
%%
%%   {Block, Bytes, Version}      a dirty block
-module(loom_block).
-behaviour(gen_server).

-export([start_link/0, names/0, list/0, open/1, open/2, read/3, write/3, flush/1, capacity/1, device/1, statistics/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(CALL_MS, 120000).
-define(PATIENCE_MS, 5000).
-define(WRITE_AFTER_MS, 1000). % what is dirty goes to the disk in the background
-define(DIRTY_MOST, 8192).     % blocks; writers wait at that
-define(DIRTY_HIGH, 2048).     % a round begins
-define(CLEAN_BYTES, 2097152). % a generation of the read cache; there are two
-define(IN_FLIGHT, 8).         % writes of a round
-define(LOOK_MS, 1000).
-define(ANSWER_MS, 15000).     % then the driver is taken to hang
-define(UNKNOWN_MS, 10).       % then a request for a unit that is not known is looked at again
-define(AWAY_MS, 30000).       % then its requests fail

-type handle() :: #{unit := binary(), first := non_neg_integer(), count := non_neg_integer(),
                    block_size := pos_integer(), read_only := boolean(), write_through := boolean()}.
-type disk() :: #{name := binary(), block_size := pos_integer(), blocks := non_neg_integer(), read_only := boolean(),
                  part_of => binary(), label => binary(), type => term()}.
-export_type([handle/0, disk/0]).

-record(round, {left :: [{non_neg_integer(), [{non_neg_integer(), binary(), integer()}]}], % runs to send
                flying = 0 :: non_neg_integer(),
                waiting :: [gen_server:from()],    % who asked for a flush
                failed = none :: none | term(),
                step = writing :: writing | flushing}).
-record(unit, {info :: map(),
               driver :: pid() | none,
               monitor :: reference() | none,
               dirty :: ets:tid(),
               young :: ets:tid(),
               old :: ets:tid(),
               requests = #{} :: #{reference() => {Request :: term(), Then :: term(), Since :: integer()}},
               round = none :: none | #round{},
               next = [] :: [gen_server:from()],      % flushes for the next round
               writers = [] :: [gen_server:from()],   % their blocks are accepted, their answers wait
               changes = 0 :: non_neg_integer(),      % writes so far
               unflushed = true :: boolean(),         % the disk may hold something in its own cache
               timer = none :: reference() | none,
               away = none :: none | integer()}).     % since when there is no driver
-record(s, {units = #{} :: #{binary() => #unit{}},
            since :: integer(),
            counts = #{} :: #{atom() => non_neg_integer()}}).
-record(reading, {from, block, count, changes, left, got = #{}}).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%%% For file systems

%% @doc The names of the disks.
-spec names() -> [binary()].
names() -> [Name || #{name := Name} <- call(units)].

%% @doc Disks and their partitions.
-spec list() -> [disk()].
list() -> lists:append([[disk(U) | partitions(U)] || U <- call(units)]).

disk(U) -> maps:with([name, block_size, blocks, read_only], U).

partitions(#{name := Name, block_size := Size, read_only := ReadOnly} = U) ->
    case scan(U) of
        {ok, _, Found} ->
            [#{name => partition_name(Name, N), block_size => Size, blocks => Count, read_only => ReadOnly,
               part_of => Name, label => Label, type => Type}
             || #{number := N, count := Count, name := Label, type := Type} <- Found];
        {error, _} -> []
    end.

scan(#{block_size := Size, blocks := Blocks} = U) ->
    Whole = whole(U),
    loom_partitions:find(fun(Block, Count) -> read(Whole, Block, Count) end, Size, Blocks).

partition_name(Disk, N) ->
    Between = case binary:last(Disk) of
        C when C >= $0, C =< $9 -> <<"p">>;
        _ -> <<>>
    end,
    <<Disk/binary, Between/binary, (integer_to_binary(N))/binary>>.

whole(#{name := Name, block_size := Size, blocks := Blocks, read_only := ReadOnly}) ->
    #{unit => Name, first => 0, count => Blocks, block_size => Size, read_only => ReadOnly, write_through => false}.

%% @doc A disk or a partition by its name: `<<"vda">>', `<<"nvme0n1p2">>'.
-spec open(binary()) -> {ok, handle()} | {error, enodev}.
open(Name) -> open(Name, []).

-spec open(binary(), [write_through]) -> {ok, handle()} | {error, enodev}.
open(Name, Options) ->
    Units = call(units),
    Handles = [whole(U) || #{name := N} = U <- Units, N =:= Name]
        ++ [(whole(U))#{first := First, count := Count}
            || #{name := Disk} = U <- Units, Disk =/= Name,
               binary:longest_common_prefix([Disk, Name]) =:= byte_size(Disk),
               {ok, _, Found} <- [scan(U)],
               #{number := N, first := First, count := Count} <- Found, partition_name(Disk, N) =:= Name],
    case Handles of
        [Handle | _] -> {ok, Handle#{write_through := lists:member(write_through, Options)}};
        [] -> {error, enodev}
    end.

-spec read(handle(), non_neg_integer(), pos_integer()) -> {ok, binary()} | {error, term()}.
read(#{unit := Unit, first := First, count := All}, Block, Count) when Block >= 0, Count > 0, Block + Count =< All ->
    call({read, Unit, First + Block, Count});
read(_, _, _) -> {error, einval}.

-spec write(handle(), non_neg_integer(), iodata()) -> ok | {error, term()}.
write(#{unit := Unit, first := First, count := All, block_size := Size, write_through := Through}, Block, Data) ->
    Bytes = iolist_to_binary(Data),
    case byte_size(Bytes) rem Size of
        0 when Block >= 0, Bytes =/= <<>>, Block + byte_size(Bytes) div Size =< All ->
            case call({write, Unit, First + Block, Bytes}) of
                ok when Through -> call({flush, Unit});
                Reply -> Reply
            end;
        _ -> {error, einval}
    end.

%% @doc All that was written before is on the disk for good.
-spec flush(handle()) -> ok | {error, term()}.
flush(#{unit := Unit}) -> call({flush, Unit}).

%% @doc `{Bytes a block, Blocks}'.
-spec capacity(handle()) -> {pos_integer(), non_neg_integer()}.
capacity(#{block_size := Size, count := Count}) -> {Size, Count}.

%% @doc A disk or partition as file systems want it.
-spec device(binary()) -> {ok, loom_fs:device()} | {error, enodev}.
device(Name) ->
    case open(Name) of
        {ok, #{block_size := Size, count := Count, read_only := ReadOnly} = Handle} ->
            {ok, #{read => fun(Block, N) -> read(Handle, Block, N) end,
                   write => fun(Block, Data) -> write(Handle, Block, Data) end,
                   flush => fun() -> flush(Handle) end, sectors => Count, sector_size => Size, read_only => ReadOnly}};
        Error -> Error
    end.

%% @doc Counts since the service started, and what is dirty.
-spec statistics() -> #{atom() => non_neg_integer()}.
statistics() -> call(statistics).

%% Every request may be repeated: it names blocks and what is to be in them.
call(Request) -> call(Request, ?PATIENCE_MS).

call(Request, Patience) ->
    try gen_server:call(?MODULE, Request, ?CALL_MS)
    catch
        exit:{Reason, _} when Patience > 0, Reason =/= timeout ->
            receive after 5 -> ok end,
            call(Request, Patience - 5);
        exit:{_, _} -> {error, eio}
    end.

%%% The service

init([]) ->
    subscribe(),
    {ok, known(#s{since = now_ms()})}.

%% The units there are were told before the subscription was answered. Requests that came first must find them.
known(S) ->
    receive
        {loom_devices, up, block, _} = Up ->
            {noreply, New} = handle_info(Up, S),
            known(New)
    after 0 -> S
    end.

%% The finder of devices may be restarted too.
subscribe() ->
    _ = erlang:monitor(process, loom_devices),
    try loom_devices:subscribe(block)
    catch exit:_ -> ok % its 'DOWN' is on the way
    end.

handle_call(units, _From, #s{units = Units} = S) -> {reply, [U#unit.info || U <- maps:values(Units)], S};
handle_call(statistics, _From, #s{units = Units, counts = Counts} = S) ->
    Dirty = lists:sum([ets:info(U#unit.dirty, size) || U <- maps:values(Units)]),
    {reply, Counts#{dirty => Dirty}, S};
handle_call(Request, From, #s{units = Units} = S) ->
    Name = element(2, Request),
    case Units of
        #{Name := U} ->
            New = request(Request, From, U),
            {noreply, count(element(1, Request), S#s{units = Units#{Name := New}})};
        #{} ->
            %% Who has a handle knew the unit: if this process is new, the unit's driver may be on its way back.
            case now_ms() - S#s.since < ?AWAY_MS of
                true ->
                    _ = erlang:send_after(?UNKNOWN_MS, self(), {again, Request, From}),
                    {noreply, S};
                false -> {reply, {error, enodev}, S}
            end
    end.

count(What, #s{counts = Counts} = S) -> S#s{counts = Counts#{What => maps:get(What, Counts, 0) + 1}}.

handle_cast(Request, _S) -> error({unexpected_cast, Request}).

handle_info({loom_devices, up, block, #{name := Name} = Info}, #s{units = Units} = S) ->
    U = case Units of
        #{Name := Known} -> came_back(Info, Known);
        #{} -> started(Info)
    end,
    {noreply, S#s{units = Units#{Name => U}}};
handle_info({loom_devices, down, block, Name}, S) -> {noreply, with_unit(Name, fun went_away/1, S)};
handle_info({'DOWN', _, process, {loom_devices, _}, _}, S) ->
    _ = erlang:send_after(20, self(), subscribe),
    {noreply, S};
handle_info({again, Request, From}, S) ->
    case handle_call(Request, From, S) of
        {reply, Reply, New} ->
            gen_server:reply(From, Reply),
            {noreply, New};
        NoReply -> NoReply
    end;
handle_info(subscribe, S) ->
    subscribe(),
    {noreply, S};
handle_info({'DOWN', _, process, {loom_keeper, _}, _}, #s{units = Units} = S) ->
    _ = [loom_keeper:again(U#unit.dirty, {?MODULE, Name}) || {Name, U} <- maps:to_list(Units)],
    {noreply, S};
handle_info({'DOWN', Monitor, process, _, _}, #s{units = Units} = S) ->
    {noreply, lists:foldl(fun(Name, A) -> with_unit(Name, fun went_away/1, A) end, S,
                          [Name || {Name, #unit{monitor = M}} <- maps:to_list(Units), M =:= Monitor])};
handle_info({write_dirty, Name}, S) ->
    {noreply, with_unit(Name, fun(U) -> begin_round(U#unit{timer = none}) end, S)};
handle_info({look, Name}, S) -> {noreply, with_unit(Name, fun look/1, S)};
handle_info({'ETS-TRANSFER', _, _, {?MODULE, _}}, S) -> {noreply, S};
handle_info({Ref, Result}, #s{units = Units} = S) when is_reference(Ref) ->
    case [Name || {Name, #unit{requests = #{Ref := _}}} <- maps:to_list(Units)] of
        [Name] -> {noreply, with_unit(Name, fun(U) -> answered(Ref, Result, U) end, S)};
        [] -> {noreply, S} % an answer to an earlier incarnation, or a second one to what was sent twice
    end.

with_unit(Name, Fun, #s{units = Units} = S) ->
    case Units of
        #{Name := U} -> S#s{units = Units#{Name := Fun(U)}};
        #{} -> S
    end.

%%% Units come and go

started(#{name := Name, driver := Driver} = Info) ->
    Dirty = loom_keeper:table({?MODULE, Name}, fun() -> ets:new(dirty, [ordered_set, protected]) end),
    Table = fun() -> ets:new(clean, [set, private]) end,
    U = #unit{info = Info, driver = Driver, monitor = erlang:monitor(process, Driver), dirty = Dirty, young = Table(),
              old = Table()},
    case ets:info(Dirty, size) of
        0 -> U;
        %% Writes of the last incarnation may still be on their way: a flush comes back behind them.
        _ -> timer(send_flush(U#unit{round = #round{left = [], waiting = []}}))
    end.

came_back(#{driver := Driver}, #unit{driver = Driver} = U) -> U;
came_back(#{driver := Driver, blocks := Blocks, block_size := Size} = Info,
          #unit{info = #{blocks := Blocks, block_size := Size}, requests = Requests} = U) ->
    New = (went_away(U))#unit{info = Info, driver = Driver, monitor = erlang:monitor(process, Driver), away = none},
    Now = now_ms(),
    [send(Driver, Ref, Request) || {Ref, {Request, _, _}} <- maps:to_list(Requests)],
    New#unit{requests = maps:map(fun(_, {Request, Then, _}) -> {Request, Then, Now} end, Requests)};
came_back(Info, U) -> % another disk under the old one's name
    Empty = fail_all(U),
    ets:delete_all_objects(Empty#unit.dirty),
    ets:delete(Empty#unit.young),
    ets:delete(Empty#unit.old),
    started(Info).

went_away(#unit{driver = none} = U) -> U;
went_away(#unit{monitor = Monitor, info = #{name := Name}} = U) ->
    true = erlang:demonitor(Monitor, [flush]),
    _ = erlang:send_after(?LOOK_MS, self(), {look, Name}),
    U#unit{driver = none, monitor = none, away = now_ms()}.

now_ms() -> erlang:monotonic_time(millisecond).

%% Is something waiting for too long?
look(#unit{requests = Requests} = U) when Requests =:= #{} -> U;
look(#unit{driver = none, away = Since} = U) ->
    case now_ms() - Since > ?AWAY_MS of
        true -> fail_all(U);
        false -> look_again(U)
    end;
look(#unit{driver = Driver, requests = Requests} = U) ->
    Oldest = lists:min([Since || {_, _, Since} <- maps:values(Requests)]),
    now_ms() - Oldest > ?ANSWER_MS andalso exit(Driver, kill),
    look_again(U).

look_again(#unit{info = #{name := Name}} = U) ->
    _ = erlang:send_after(?LOOK_MS, self(), {look, Name}),
    U.

fail_all(#unit{requests = Requests} = U) ->
    lists:foldl(fun(Ref, A) -> answered(Ref, {error, eio}, A) end, U, maps:keys(Requests)).

%%% Requests to drivers

send(none, _, _) -> ok;
send(Driver, Ref, Request) ->
    Driver ! {block, {self(), Ref}, Request},
    ok.

ask(Request, Then, #unit{driver = Driver, requests = Requests, info = #{name := Name}} = U) ->
    Ref = make_ref(),
    send(Driver, Ref, Request),
    _ = case Requests =:= #{} of
        true -> erlang:send_after(?LOOK_MS, self(), {look, Name});
        false -> ok
    end,
    U#unit{requests = Requests#{Ref => {Request, Then, now_ms()}}}.

answered(Ref, Result, #unit{requests = Requests} = U) ->
    case maps:take(Ref, Requests) of
        {{Request, Then, _}, Left} -> then(Then, Request, Result, U#unit{requests = Left});
        error -> U
    end.

then({reading, Key}, {read, Block, _}, Result, U) -> read_answered(Key, Block, Result, U);
then({writing, Rows}, {write, _, _}, Result, U) -> written(Rows, Result, U);
then(flushing, flush, Result, U) -> flushed(Result, U).

%%% Reading

request({read, _, Block, Count}, From, U) ->
    {Got, Missing} = cached(Block, Count, U),
    case Missing of
        [] ->
            Bytes = [maps:get(B, Got) || B <- lists:seq(Block, Block + Count - 1)],
            gen_server:reply(From, {ok, iolist_to_binary(Bytes)}),
            U;
        _ ->
            Runs = runs(Missing, max_blocks(U)),
            Key = {reading, make_ref()},
            Reading = #reading{from = From, block = Block, count = Count, changes = U#unit.changes, left = length(Runs),
                               got = Got},
            put(Key, Reading),
            lists:foldl(fun({First, N}, A) -> ask({read, First, N}, {reading, Key}, A) end, U, Runs)
    end;
%%% Writing
request({write, _, _, _}, From, #unit{info = #{read_only := true}} = U) ->
    gen_server:reply(From, {error, erofs}),
    U;
request({write, _, Block, Bytes}, From, #unit{dirty = Dirty, changes = Changes, info = #{block_size := Size}} = U) ->
    Version = erlang:unique_integer([monotonic]),
    Cut = [binary:copy(B) || <<B:Size/binary>> <= Bytes],
    ets:insert(Dirty, lists:zipwith(fun(N, B) -> {N, B, Version} end, lists:seq(Block, Block + length(Cut) - 1), Cut)),
    New = U#unit{changes = Changes + 1},
    case ets:info(Dirty, size) of
        N when N > ?DIRTY_MOST -> begin_round(New#unit{writers = [From | New#unit.writers]});
        N ->
            gen_server:reply(From, ok),
            if N > ?DIRTY_HIGH -> begin_round(New); true -> timer(New) end
    end;
request({flush, _}, From, #unit{round = none, unflushed = false, dirty = Dirty} = U) ->
    case ets:info(Dirty, size) of
        0 ->
            gen_server:reply(From, ok),
            U;
        _ -> begin_round(U#unit{next = [From]})
    end;
request({flush, _}, From, #unit{next = Next} = U) -> begin_round(U#unit{next = [From | Next]}).

max_blocks(#unit{info = #{max_blocks := Most}}) -> max(1, Most).

%% What is known of these blocks, and which are not known.
cached(Block, Count, U) ->
    lists:foldl(fun(B, {Got, Missing}) ->
        case lookup(B, U) of
            none -> {Got, [B | Missing]};
            Bytes -> {Got#{B => Bytes}, Missing}
        end
    end, {#{}, []}, lists:seq(Block + Count - 1, Block, -1)).

lookup(Block, #unit{dirty = Dirty, young = Young, old = Old}) ->
    case ets:lookup(Dirty, Block) of
        [{_, Bytes, _}] -> Bytes;
        [] ->
            case ets:lookup(Young, Block) of
                [{_, Bytes}] -> Bytes;
                [] -> promote(ets:lookup(Old, Block), Young)
            end
    end.

promote([], _) -> none;
promote([{_, Bytes} = Row], Young) ->
    ets:insert(Young, Row),
    Bytes.

%% Ascending blocks as `{First, Count}'.
runs([First | Rest], Most) -> runs(Rest, First, 1, Most).

runs([B | Rest], First, Count, Most) when B =:= First + Count, Count < Most -> runs(Rest, First, Count + 1, Most);
runs([B | Rest], First, Count, Most) -> [{First, Count} | runs(Rest, B, 1, Most)];
runs([], First, Count, _) -> [{First, Count}].

read_answered(Key, First, Result, #unit{info = #{block_size := Size}} = U) ->
    case {get(Key), Result} of
        {undefined, _} -> U; % another part of it failed
        {#reading{left = Left, got = Got} = Reading, {ok, Bytes}} ->
            Cut = [binary:copy(B) || <<B:Size/binary>> <= Bytes],
            Found = maps:from_list(lists:zip(lists:seq(First, First + length(Cut) - 1), Cut)),
            New = remember(Found, Reading, U),
            case Reading#reading{left = Left - 1, got = maps:merge(Got, Found)} of
                #reading{left = 0} = All -> complete(Key, All, New);
                Some ->
                    put(Key, Some),
                    New
            end;
        {#reading{from = From}, {error, _} = Error} ->
            erase(Key),
            gen_server:reply(From, Error),
            U
    end.

%% What was written meanwhile must not be forgotten for what was read before.
remember(Found, #reading{changes = Changes}, #unit{changes = Changes} = U) -> clean(maps:to_list(Found), U);
remember(_, _, U) -> U.

complete(Key, #reading{from = From, block = Block, count = Count, got = Got}, #unit{dirty = Dirty} = U) ->
    erase(Key),
    Now = fun(B) ->
        case ets:lookup(Dirty, B) of
            [{_, Bytes, _}] -> Bytes;
            [] -> maps:get(B, Got)
        end
    end,
    gen_server:reply(From, {ok, iolist_to_binary([Now(B) || B <- lists:seq(Block, Block + Count - 1)])}),
    U.

%% Two generations: when the young one is full, it becomes the old one, and that is forgotten.
clean(Rows, #unit{young = Young, old = Old, info = #{block_size := Size}} = U) ->
    ets:insert(Young, Rows),
    case ets:info(Young, size) * Size > ?CLEAN_BYTES of
        true ->
            ets:delete_all_objects(Old),
            U#unit{young = Old, old = Young};
        false -> U
    end.

%%% Rounds

timer(#unit{timer = none, info = #{name := Name}} = U) ->
    U#unit{timer = erlang:send_after(?WRITE_AFTER_MS, self(), {write_dirty, Name})};
timer(U) -> U.

begin_round(#unit{round = none, dirty = Dirty, next = Next} = U) ->
    case ets:tab2list(Dirty) of
        [] when Next =:= [] -> U;
        Rows -> continue(U#unit{round = #round{left = write_runs(Rows, max_blocks(U)), waiting = Next}, next = []})
    end;
begin_round(U) -> U.

write_runs([], _) -> [];
write_runs([{Block, _, _} = Row | Rest], Most) -> write_runs(Rest, Block, [Row], 1, Most).

write_runs([{Block, _, _} = Row | Rest], First, Rows, Count, Most) when Block =:= First + Count, Count < Most ->
    write_runs(Rest, First, [Row | Rows], Count + 1, Most);
write_runs(Rest, First, Rows, _, Most) -> [{First, lists:reverse(Rows)} | write_runs(Rest, Most)].

continue(#unit{round = #round{left = [{First, Rows} | Left], flying = Flying} = Round} = U) when Flying < ?IN_FLIGHT ->
    Bytes = iolist_to_binary([B || {_, B, _} <- Rows]),
    Versions = [{Block, Version} || {Block, _, Version} <- Rows],
    continue(ask({write, First, Bytes}, {writing, Versions},
                 U#unit{round = Round#round{left = Left, flying = Flying + 1}, unflushed = true}));
continue(#unit{round = #round{left = [], flying = 0, waiting = []}} = U) -> end_round(ok, U);
continue(#unit{round = #round{left = [], flying = 0, failed = none}} = U) -> send_flush(U);
continue(#unit{round = #round{left = [], flying = 0, failed = Error}} = U) -> end_round(Error, U);
continue(U) -> U.

%% Written blocks are clean unless they were written again meanwhile.
written(Versions, ok, #unit{dirty = Dirty, round = #round{flying = Flying} = Round} = U) ->
    Rows = [{Block, Bytes} || {Block, Version} <- Versions, {_, Bytes, V} <- ets:lookup(Dirty, Block), V =:= Version],
    New = clean(Rows, U),
    _ = [ets:delete(Dirty, Block) || {Block, _} <- Rows],
    continue(accepted(New#unit{round = Round#round{flying = Flying - 1}}));
written(_, {error, _} = Error, #unit{round = #round{flying = Flying} = Round} = U) ->
    continue(U#unit{round = Round#round{flying = Flying - 1, failed = Error, left = []}}).

accepted(#unit{writers = []} = U) -> U;
accepted(#unit{writers = Writers, dirty = Dirty} = U) ->
    case ets:info(Dirty, size) < ?DIRTY_MOST of
        true ->
            _ = [gen_server:reply(From, ok) || From <- Writers],
            U#unit{writers = []};
        false -> U
    end.

send_flush(#unit{round = Round} = U) -> ask(flush, flushing, U#unit{round = Round#round{step = flushing}}).

flushed(ok, U) -> end_round(ok, U#unit{unflushed = false});
flushed(Error, U) -> end_round(Error, U).

end_round(Result, #unit{round = #round{waiting = Waiting, failed = Failed}, next = Next, writers = Writers,
                        dirty = Dirty} = U) ->
    _ = [gen_server:reply(From, Result) || From <- Waiting],
    Still = case Failed of
        none -> Writers;
        _ ->
            _ = [gen_server:reply(From, Failed) || From <- Writers],
            []
    end,
    New = U#unit{round = none, writers = Still},
    case ets:info(Dirty, size) of
        0 when Next =:= [] -> New;
        N when Next =/= []; Still =/= []; N > ?DIRTY_HIGH, Failed =:= none -> begin_round(New);
        _ -> timer(New)
    end.
