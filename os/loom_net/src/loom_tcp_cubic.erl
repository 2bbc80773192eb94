%% SPDX-License-Identifier: Apache-2.0
%% @doc Congestion control: CUBIC (RFC 9438) with the slow start and the initial window of RFC 5681 and 6928. Windows
%% are
%% bytes, times microseconds.
-module(loom_tcp_cubic).

-export([new/1, window/1, threshold/1, acked/4, loss/2, timeout/2, idle/1, restart/1, mss/2]).
-export_type([t/0]).

-define(C, 0.4).
-define(BETA, 0.7).
-define(ALPHA, (3 * (1 - ?BETA) / (1 + ?BETA))).
-define(INITIAL, 10).

-record(c, {mss :: pos_integer(),
            window :: pos_integer(),
            threshold = infinity :: pos_integer() | infinity,
            max = 0.0 :: float(),                    % segments: the window before the last reduction
            prior = 0.0 :: float(),
            start = none :: integer() | none,        % of this epoch of congestion avoidance
            k = 0.0 :: float(),
            estimate = 0.0 :: float()}).             % what NewReno would have, segments
-opaque t() :: #c{}.

-spec new(pos_integer()) -> t().
new(Mss) -> #c{mss = Mss, window = initial(Mss)}.

initial(Mss) -> min(?INITIAL * Mss, max(2 * Mss, 14600)).

-spec window(t()) -> pos_integer().
window(#c{window = Window}) -> Window.

-spec threshold(t()) -> pos_integer() | infinity.
threshold(#c{threshold = Threshold}) -> Threshold.

%% @doc The maximum segment size has changed.
-spec mss(pos_integer(), t()) -> t().
mss(Mss, C) -> C#c{mss = Mss, window = max(C#c.window, Mss)}.

%% @doc So many bytes have been acknowledged, and the window was in use.
-spec acked(pos_integer(), pos_integer(), integer(), t()) -> t().
acked(Bytes, _Rtt, _Now, #c{window = Window, threshold = Threshold} = C) when Window < Threshold ->
    C#c{window = Window + min(Bytes, 2 * C#c.mss)}; % infinity is more than any number
acked(Bytes, Rtt, Now, #c{start = none} = C) -> acked(Bytes, Rtt, Now, epoch(Now, C));
acked(Bytes, Rtt, Now, #c{mss = Mss, window = Window} = C) ->
    Segments = Window / Mss,
    Gain = Bytes / Mss,
    Time = (Now - C#c.start + Rtt) / 1.0e6,
    Target = min(max(cubic(Time, C), Segments), 1.5 * Segments),
    Alpha = if C#c.estimate >= C#c.prior -> 1.0; true -> ?ALPHA end,
    Estimate = C#c.estimate + Alpha * Gain / Segments,
    Grown = max(Segments + (Target - Segments) / Segments * Gain, Estimate),
    C#c{window = max(Window, trunc(Grown * Mss)), estimate = Estimate}.

epoch(Now, #c{mss = Mss, window = Window, max = Max} = C) ->
    Segments = Window / Mss,
    K = if Max > Segments -> math:pow((Max - Segments) / ?C, 1 / 3); true -> 0.0 end,
    C#c{start = Now, k = K, max = max(Max, Segments), estimate = Segments}.

cubic(Time, #c{k = K, max = Max}) ->
    Distance = Time - K,
    ?C * Distance * Distance * Distance + Max.

%% @doc Segments were lost; `Flight' bytes were on their way.
-spec loss(non_neg_integer(), t()) -> t().
loss(_Flight, C) ->
    Reduced = reduce(C),
    Reduced#c{window = Reduced#c.threshold}.

%% @doc The retransmission timer ran out.
-spec timeout(non_neg_integer(), t()) -> t().
timeout(_Flight, C) -> (reduce(C))#c{window = C#c.mss}.

reduce(#c{mss = Mss, window = Window, max = Max} = C) ->
    Segments = Window / Mss,
    %% Fast convergence: who lost earlier than last time makes room.
    New = if Segments < Max -> Segments * (1 + ?BETA) / 2; true -> Segments end,
    C#c{max = New, prior = Segments, start = none, threshold = max(2 * Mss, trunc(Window * ?BETA))}.

%% @doc Nothing was sent for longer than a time-out: what the window said is old (RFC 5681, 4.1).
-spec idle(t()) -> t().
idle(C) -> C#c{window = min(C#c.window, initial(C#c.mss)), start = none}.

%% @doc The connection had to ask twice: one segment at first.
-spec restart(t()) -> t().
restart(C) -> C#c{window = C#c.mss}.
