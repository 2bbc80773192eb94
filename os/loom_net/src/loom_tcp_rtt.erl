%% SPDX-License-Identifier: Apache-2.0
%% @doc How long a round trip takes and how long to wait for an acknowledgement (RFC 6298). Microseconds.
-module(loom_tcp_rtt).

-export([new/0, sample/2, srtt/1, timeout/2]).
-export_type([t/0]).

-define(FIRST, 1000000).
-define(LEAST, 200000). % as common elsewhere; the RFC's second is for clocks of half a second
-define(MOST, 120000000).
-define(GRANULARITY, 1000).

%% Smoothed time, variation; `none' before the first sample.
-opaque t() :: none | {pos_integer(), non_neg_integer()}.

-spec new() -> t().
new() -> none.

-spec sample(integer(), t()) -> t().
sample(Time, Rtt) when Time < 1 -> sample(1, Rtt);
sample(Time, none) -> {Time, Time div 2};
sample(Time, {Smooth, Variation}) ->
    {(7 * Smooth + Time) div 8, (3 * Variation + abs(Smooth - Time)) div 4}.

%% @doc The smoothed round trip time, or a guess.
-spec srtt(t()) -> pos_integer().
srtt(none) -> ?FIRST;
srtt({Smooth, _}) -> max(1, Smooth).

%% @doc The time-out after so many in a row.
-spec timeout(t(), non_neg_integer()) -> pos_integer().
timeout(none, Backoff) -> backed_off(?FIRST, Backoff);
timeout({Smooth, Variation}, Backoff) ->
    backed_off(max(?LEAST, Smooth + max(?GRANULARITY, 4 * Variation)), Backoff).

backed_off(Time, Backoff) -> min(?MOST, Time bsl min(Backoff, 16)).
