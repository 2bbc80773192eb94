%% SPDX-License-Identifier: Apache-2.0
%% @doc Sequence numbers that nobody can guess (RFC 6528), and SYN cookies: numbers that say what the answer to a SYN
%% would have to remember (RFC 4987, 3.6).
-module(loom_net_cookie).

-export([sequence/1, timestamp_offset/1, make/3, check/3]).

-define(MASK, 16#ffffffff).
-define(PERIOD, 64). % seconds
-define(SIZES, {536, 1220, 1300, 1440, 1460, 4312, 8960, 65495}).

-type key() :: {loom_net_ip:ip(), 0..65535, loom_net_ip:ip(), 0..65535}.

%% @doc A connection's first number: moves on by one every four microseconds.
-spec sequence(key()) -> 0..16#ffffffff.
sequence(Key) -> (hash(sequence, Key) + erlang:monotonic_time(microsecond) div 4) band ?MASK.

-spec timestamp_offset(key()) -> 0..16#ffffffff.
timestamp_offset({Ip, _, Peer, _}) -> hash(timestamp, {Ip, Peer}).

hash(Kind, What) ->
    <<Hash:32, _/binary>> = erlang:md5([loom_net_config:secret(), term_to_binary({Kind, What})]),
    Hash.

%% @doc Five bits of time, three for the segment size, 24 that prove that we have made it.
-spec make(key(), 0..16#ffffffff, pos_integer()) -> 0..16#ffffffff.
make(Key, Seq, Mss) ->
    Time = erlang:monotonic_time(second) div ?PERIOD,
    <<Cookie:32>> = bits(Key, Seq, Time band 31, Time, size_index(Mss, tuple_size(?SIZES))),
    Cookie.

bits(Key, Seq, Five, Time, Index) -> <<Five:5, (Index - 1):3, (hash({cookie, Time, Index, Seq}, Key)):24>>.

size_index(_, 1) -> 1;
size_index(Mss, Index) when element(Index, ?SIZES) =< Mss -> Index;
size_index(Mss, Index) -> size_index(Mss, Index - 1).

%% @doc What the acknowledged number says, if it is a cookie of the last two minutes.
-spec check(key(), 0..16#ffffffff, 0..16#ffffffff) -> {ok, Mss :: pos_integer()} | error.
check(Key, Seq, Cookie) ->
    <<Five:5, Low:3, _:24>> = <<Cookie:32>>,
    Now = erlang:monotonic_time(second) div ?PERIOD,
    case [T || T <- [Now, Now - 1], T band 31 =:= Five, bits(Key, Seq, Five, T, Low + 1) =:= <<Cookie:32>>] of
        [_] -> {ok, element(Low + 1, ?SIZES)};
        [] -> error
    end.
