%% SPDX-License-Identifier: Apache-2.0
%% @doc Puts packets together out of their fragments. Bounded in number, bytes and time; fragments that overlap throw
%% away the whole packet (RFC 5722), since nothing honest sends those.
-module(loom_net_fragments).

-export([new/0, add/3, expire/2]).
-export_type([t/0]).

-define(PACKETS, 64).
-define(LIFE, 30000). % milliseconds
-define(LARGEST, 65535).

-record(p, {since :: integer(), parts = [] :: [{non_neg_integer(), binary()}], size = unknown :: unknown | integer()}).
-opaque t() :: #{term() => #p{}}.

-spec new() -> t().
new() -> #{}.

%% @doc A fragment has come: perhaps the packet is whole now.
-spec add(loom_net_ip:packet(), integer(), t()) -> {whole, loom_net_ip:packet(), t()} | {part, t()}.
add(#{fragment := {Id, Offset, More}, data := Data} = Packet, Now, All) ->
    P = maps:get(Id, All, #p{since = Now}),
    End = Offset + byte_size(Data),
    Odd = More andalso byte_size(Data) rem 8 =/= 0,
    Same = lists:member({Offset, Data}, P#p.parts),
    Overlaps = lists:any(fun({O, D}) -> O < End andalso Offset < O + byte_size(D) end, P#p.parts),
    Beyond = is_integer(P#p.size) andalso (End > P#p.size orelse not More andalso End =/= P#p.size),
    if Same -> {part, All};
       Odd; Overlaps; Beyond; End > ?LARGEST; Data =:= <<>> -> {part, maps:remove(Id, All)};
       true ->
            Size = case More of true -> P#p.size; false -> End end,
            New = P#p{parts = lists:keysort(1, [{Offset, Data} | P#p.parts]), size = Size},
            case is_whole(New) of
                true ->
                    Whole = iolist_to_binary([D || {_, D} <- New#p.parts]),
                    {whole, maps:remove(fragment, Packet#{data := Whole}), maps:remove(Id, All)};
                false -> {part, (room(Id, expire(Now, All)))#{Id => New}}
            end
    end.

is_whole(#p{size = unknown}) -> false;
is_whole(#p{size = Size, parts = Parts}) -> lists:sum([byte_size(D) || {_, D} <- Parts]) =:= Size.

room(Id, All) when map_size(All) < ?PACKETS; is_map_key(Id, All) -> All;
room(_, All) ->
    {_, Oldest} = lists:min([{Since, Id} || {Id, #p{since = Since}} <- maps:to_list(All)]),
    maps:remove(Oldest, All).

%% @doc Forgets what has waited too long.
-spec expire(integer(), t()) -> t().
expire(Now, All) -> maps:filter(fun(_, #p{since = Since}) -> Now - Since < ?LIFE end, All).
