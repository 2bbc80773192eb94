%% SPDX-License-Identifier: Apache-2.0
%% @doc Work on a disk for tests/boot/disk: counts in a dets table, a disk_log, a Mnesia table with disc copies and a
%% file that is replaced by a rename; says so after each number is synced in all four. Runs until it is killed.
-module(disk_work).
-export([main/0, finish/0, wait/0]).

-define(DETS, "/disk/Count.dets").
-define(LOG, "/disk/Count of the disk_log").
-define(NUMBER, "/disk/current number.txt").

main() ->
    Found = found(),
    work(lists:max(Found) + 1).

%% Says what is there, and ends the system.
finish() ->
    _ = found(),
    stopped = mnesia:stop(),
    init:stop().

%% Until the disk is mounted.
wait() ->
    case file:read_file("/disk/hello.txt") of
        {ok, _} -> ok;
        _ ->
            timer:sleep(20),
            wait()
    end.

found() ->
    wait(),
    Found = [F() || F <- [fun dets_count/0, fun log_count/0, fun mnesia_count/0, fun file_count/0]],
    io:format("found ~w~n", [Found]),
    Found.

dets_count() ->
    {ok, ?MODULE} = dets:open_file(?MODULE, [{file, ?DETS}]),
    case dets:lookup(?MODULE, count) of
        [{count, N}] -> N;
        [] -> 0
    end.

log_count() ->
    case disk_log:open([{name, ?MODULE}, {file, ?LOG}]) of
        {ok, _} -> ok;
        {repaired, _, _, _} -> ok
    end,
    lists:max([0 | logged(start)]).

logged(Continuation) ->
    case disk_log:chunk(?MODULE, Continuation) of
        eof -> [];
        {Next, Terms} -> Terms ++ logged(Next);
        {Next, Terms, _Bad} -> Terms ++ logged(Next)
    end.

mnesia_count() ->
    application:set_env(mnesia, dir, "/disk/Mnesia"),
    _ = mnesia:create_schema([node()]), % an error when there is one
    ok = mnesia:start(),
    _ = mnesia:create_table(counts, [{disc_copies, [node()]}]),
    ok = mnesia:wait_for_tables([counts], 60000),
    case mnesia:dirty_read(counts, count) of
        [{counts, count, N}] -> N;
        [] -> 0
    end.

file_count() ->
    case file:read_file(?NUMBER) of
        {ok, Text} -> binary_to_integer(Text);
        {error, enoent} -> 0
    end.

work(N) ->
    ok = dets:insert(?MODULE, {count, N}),
    ok = dets:sync(?MODULE),
    ok = disk_log:log(?MODULE, N),
    ok = disk_log:sync(?MODULE),
    {atomic, ok} = mnesia:transaction(fun() -> mnesia:write({counts, count, N}) end),
    ok = mnesia:sync_log(),
    New = ?NUMBER ++ ".new",
    {ok, Fd} = file:open(New, [write, raw, delayed_write]),
    ok = file:write(Fd, integer_to_list(N)),
    ok = file:sync(Fd),
    ok = file:close(Fd),
    ok = file:rename(New, ?NUMBER),
    {ok, Renamed} = file:open(?NUMBER, [read, raw]),
    ok = file:sync(Renamed),
    ok = file:close(Renamed),
    %% Something for the next cut to leave half done.
    ok = file:write_file("/disk/unsynced " ++ integer_to_list(N rem 7), binary:copy(<<N>>, N rem 50000)),
    io:format("synced ~b~n", [N]),
    work(N + 1).
