%% SPDX-License-Identifier: Apache-2.0
%% @doc A disk in memory for tests of file systems: it keeps a log of what was written and flushed, from which a power
%% cut at any point can be made: what was written before the last flush is there, of what came later anything may be.
-module(fat_disk).
-export([new/2, load/2, device/1, image/1, save/2, log/1, cut/3, events/1]).

-define(SECTOR, 512).

new(Sectors, Log) ->
    T = ets:new(?MODULE, [public, set]),
    ets:insert(T, [{sectors, Sectors}, {log, Log}, {events, 0}]),
    T.

load(File, Log) ->
    {ok, Bytes} = file:read_file(File),
    T = new(byte_size(Bytes) div ?SECTOR, Log),
    put_all(T, 0, Bytes),
    T.

put_all(_, _, <<>>) -> ok;
put_all(T, N, <<S:?SECTOR/binary, Rest/binary>>) ->
    case S of
        <<0:4096>> -> ok;
        _ -> ets:insert(T, {N, binary:copy(S)})
    end,
    put_all(T, N + 1, Rest).

device(T) ->
    [{_, Sectors}] = ets:lookup(T, sectors),
    {ok, #{sectors => Sectors, sector_size => ?SECTOR, read_only => false,
           read => fun(S, N) when S >= 0, S + N =< Sectors ->
               {ok, << <<(sector(T, I))/binary>> || I <- lists:seq(S, S + N - 1) >>}
           end,
           write => fun(S, Data) ->
               Bytes = iolist_to_binary(Data),
               Count = byte_size(Bytes) div ?SECTOR,
               true = Count * ?SECTOR =:= byte_size(Bytes) andalso S >= 0 andalso S + Count =< Sectors,
               event(T, {write, S, Bytes}),
               apply_write(T, S, Bytes)
           end,
           flush => fun() -> event(T, flush) end}}.

sector(T, I) ->
    case ets:lookup(T, I) of
        [{_, B}] -> B;
        [] -> <<0:4096>>
    end.

apply_write(_, _, <<>>) -> ok;
apply_write(T, S, <<B:?SECTOR/binary, Rest/binary>>) ->
    ets:insert(T, {S, binary:copy(B)}),
    apply_write(T, S + 1, Rest).

event(T, Event) ->
    N = ets:update_counter(T, events, 1),
    case ets:lookup(T, log) of
        [{_, true}] -> ets:insert(T, {{event, N}, Event});
        _ -> ok
    end,
    ok.

events(T) -> ets:lookup_element(T, events, 2).

log(T) -> [E || N <- lists:seq(1, events(T)), {_, E} <- ets:lookup(T, {event, N})].

image(T) ->
    [{_, Sectors}] = ets:lookup(T, sectors),
    << <<(sector(T, I))/binary>> || I <- lists:seq(0, Sectors - 1) >>.

save(T, File) -> ok = file:write_file(File, image(T)).

%% A disk as it is when power is cut after `At' events: begins with `Base', all up to the last flush, and of each sector
%% written later any version.
cut(Base, Log, At) ->
    T = new(ets:lookup_element(Base, sectors, 2), false),
    ets:insert(T, [Row || {N, _} = Row <- ets:tab2list(Base), is_integer(N)]),
    {Before, _} = lists:split(At, Log),
    {Late, Flushed} = lists:splitwith(fun(E) -> E =/= flush end, lists:reverse(Before)),
    [apply_write(T, S, B) || {write, S, B} <- lists:reverse(Flushed)],
    Versions = lists:foldl(fun({write, S, B}, M) -> versions(S, B, M) end, #{}, lists:reverse(Late)),
    maps:foreach(fun(S, Bs) ->
        case rand:uniform(length(Bs) + 1) of
            1 -> ok;
            N -> ets:insert(T, {S, lists:nth(N - 1, Bs)})
        end
    end, Versions),
    T.

versions(_, <<>>, M) -> M;
versions(S, <<B:?SECTOR/binary, Rest/binary>>, M) -> versions(S + 1, Rest, M#{S => [B | maps:get(S, M, [])]}).
