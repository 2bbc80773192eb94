%% SPDX-License-Identifier: Apache-2.0
%% @doc Memory that drivers and model devices share: pages in the dictionary of the process that is the hardware. A
%% device that reaches for what no driver has is written down as a violation: on a real machine it would be damage.
-module(loom_model_memory).

-export([new/0, alloc/1, free/2, read/2, write/2, device_read/2, device_write/2, violations/0]).

-define(PAGE, 4096).
-define(FIRST, 16#100000).

-spec new() -> ok.
new() ->
    put(next_page, ?FIRST div ?PAGE),
    put(violations, []),
    ok.

%% @doc Zeroed pages; their address. Addresses are not used again, so that a stale one is seen.
-spec alloc(pos_integer()) -> non_neg_integer().
alloc(Size) ->
    First = get(next_page),
    Count = (Size + ?PAGE - 1) div ?PAGE,
    put(next_page, First + Count + 1),
    [put({page, N}, <<0:?PAGE/unit:8>>) || N <- lists:seq(First, First + Count - 1)],
    First * ?PAGE.

-spec free(non_neg_integer(), pos_integer()) -> ok.
free(Address, Size) ->
    [erase({page, N}) || N <- lists:seq(Address div ?PAGE, (Address + Size - 1) div ?PAGE)],
    ok.

-spec read(non_neg_integer(), non_neg_integer()) -> binary().
read(Address, Size) -> iolist_to_binary(pieces(Address, Size)).

pieces(_Address, 0) -> [];
pieces(Address, Size) ->
    {Page, At, Count} = piece(Address, Size),
    [binary:part(get({page, Page}), At, Count) | pieces(Address + Count, Size - Count)].

piece(Address, Size) -> {Address div ?PAGE, Address rem ?PAGE, min(Size, ?PAGE - Address rem ?PAGE)}.

-spec write(non_neg_integer(), binary()) -> ok.
write(_Address, <<>>) -> ok;
write(Address, Data) ->
    {Page, At, Count} = piece(Address, byte_size(Data)),
    <<Now:Count/binary, Later/binary>> = Data,
    <<Before:At/binary, _:Count/binary, Behind/binary>> = get({page, Page}),
    put({page, Page}, <<Before/binary, Now/binary, Behind/binary>>),
    write(Address + Count, Later).

%% @doc By a device.
-spec device_read(non_neg_integer(), non_neg_integer()) -> binary() | error.
device_read(Address, Size) ->
    case is_there(Address, Size) of
        true -> read(Address, Size);
        false ->
            violation({read, Address, Size})
    end.

-spec device_write(non_neg_integer(), binary()) -> ok | error.
device_write(Address, Data) ->
    case is_there(Address, byte_size(Data)) of
        true -> write(Address, Data);
        false -> violation({write, Address, byte_size(Data)})
    end.

is_there(_Address, 0) -> true;
is_there(Address, Size) ->
    lists:all(fun(N) -> get({page, N}) =/= undefined end,
              lists:seq(Address div ?PAGE, (Address + Size - 1) div ?PAGE)).

violation(What) ->
    put(violations, [What | get(violations)]),
    error.

-spec violations() -> [{read | write, non_neg_integer(), non_neg_integer()}].
violations() -> get(violations).
