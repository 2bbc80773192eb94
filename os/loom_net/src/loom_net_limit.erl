%% SPDX-License-Identifier: Apache-2.0
%% @doc So many of a kind a second and no more: for answers that strangers can call forth.
-module(loom_net_limit).

-export([allow/1]).

-define(A_SECOND, 200).

%% @doc Whether one more may go out now.
-spec allow(atom()) -> boolean().
allow(Kind) ->
    Second = erlang:monotonic_time(second),
    case ets:update_counter(loom_net_counters, {Kind, Second}, 1, {none, 0}) of
        1 ->
            ets:select_delete(loom_net_counters, [{{{Kind, '$1'}, '_'}, [{'<', '$1', Second}], [true]}]),
            true;
        Count -> Count =< ?A_SECOND
    end.
