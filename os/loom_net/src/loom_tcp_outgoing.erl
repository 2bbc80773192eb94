%% SPDX-License-Identifier: Apache-2.0
%% @doc The sending side's store: bytes not yet sent, and segments that are on their way, with what is known about each
%% (RFC 6675's scoreboard). Positions are absolute sequence numbers.
-module(loom_tcp_outgoing).

-export([new/0, add/2, unsent/1, take/2]).
-export([sent/6, is_idle/1, pipe/1, lost/1, oldest/1, acknowledge/2, sacked/2, find_lost/2, first_lost/1, all_lost/1,
         split/2,
         resend/2]).
-export_type([t/0]).

-define(DUPLICATES, 3).
-define(FIN, 1).

-record(i, {seq :: integer(),
            size :: pos_integer(),
            flags :: non_neg_integer(),
            data :: iodata(),
            status = flying :: flying | sacked | lost | again,
            at :: integer(),
            times = 1 :: pos_integer()}).
-record(o, {unsent = 0 :: non_neg_integer(),
            queue = queue:new() :: queue:queue(binary()),
            front = [] :: [#i{}],
            rear = [] :: [#i{}],
            pipe = 0 :: non_neg_integer(),   % bytes believed to be in the network
            lost = 0 :: non_neg_integer()}). % items to be sent again
-opaque t() :: #o{}.

-spec new() -> t().
new() -> #o{}.

%% --- bytes not yet sent ----------------------------------------------------------------------------------------

-spec add(binary(), t()) -> t().
add(Data, #o{queue = Queue, unsent = Unsent} = O) ->
    O#o{queue = queue:in(Data, Queue), unsent = Unsent + byte_size(Data)}.

-spec unsent(t()) -> non_neg_integer().
unsent(#o{unsent = Unsent}) -> Unsent.

%% @doc The next bytes, as many as asked for.
-spec take(non_neg_integer(), t()) -> {iodata(), t()}.
take(0, O) -> {<<>>, O};
take(Size, #o{queue = Queue, unsent = Unsent} = O) ->
    {Data, Rest} = take_queue(Size, Queue),
    {Data, O#o{queue = Rest, unsent = Unsent - Size}}.

take_queue(Size, Queue) ->
    {{value, First}, Rest} = queue:out(Queue),
    case First of
        <<Data:Size/binary>> -> {Data, Rest};
        <<Data:Size/binary, Left/binary>> -> {Data, queue:in_r(Left, Rest)};
        _ ->
            {More, Left} = take_queue(Size - byte_size(First), Rest),
            {[First | to_list(More)], Left}
    end.

to_list(Data) when is_binary(Data) -> [Data];
to_list(Data) -> Data.

%% --- segments on their way -------------------------------------------------------------------------------------

-spec sent(integer(), pos_integer(), non_neg_integer(), iodata(), integer(), t()) -> t().
sent(Seq, Size, Flags, Data, Now, #o{rear = Rear, pipe = Pipe} = O) ->
    O#o{rear = [#i{seq = Seq, size = Size, flags = Flags, data = Data, at = Now} | Rear], pipe = Pipe + Size}.

%% @doc Nothing is unacknowledged.
-spec is_idle(t()) -> boolean().
is_idle(#o{front = [], rear = []}) -> true;
is_idle(_) -> false.

-spec pipe(t()) -> non_neg_integer().
pipe(#o{pipe = Pipe}) -> Pipe.

-spec lost(t()) -> non_neg_integer().
lost(#o{lost = Lost}) -> Lost.

%% @doc How often the oldest segment has been sent.
-spec oldest(t()) -> non_neg_integer().
oldest(O) ->
    case items(O) of
        [#i{times = Times} | _] -> Times;
        [] -> 0
    end.

items(#o{front = Front, rear = []}) -> Front;
items(#o{front = Front, rear = Rear}) -> Front ++ lists:reverse(Rear).

%% @doc All before `Una' has arrived. When the newest of it was sent, if it was sent only once (Karn).
-spec acknowledge(integer(), t()) -> {SentAt :: integer() | none, t()}.
acknowledge(Una, #o{front = [], rear = [_ | _] = Rear} = O) ->
    acknowledge(Una, O#o{front = lists:reverse(Rear), rear = []});
acknowledge(Una, O) -> acknowledge(Una, O, none).

acknowledge(Una, #o{front = [#i{seq = Seq, size = Size} = I | Rest]} = O, _) when Seq + Size =< Una ->
    At = case I#i.times of 1 -> I#i.at; _ -> none end,
    New = drop(Size, I#i.status, O#o{front = Rest}),
    case New of
        #o{front = [], rear = [_ | _] = Rear} -> acknowledge(Una, New#o{front = lists:reverse(Rear), rear = []}, At);
        _ -> acknowledge(Una, New, At)
    end;
acknowledge(Una, #o{front = [#i{seq = Seq, size = Size} = I | Rest]} = O, At) when Seq < Una ->
    Gone = Una - Seq,
    <<_:Gone/binary, Data/binary>> = iolist_to_binary(I#i.data),
    Left = I#i{seq = Una, size = Size - Gone, data = Data},
    Pipe = case in_pipe(I#i.status) of true -> O#o.pipe - Gone; false -> O#o.pipe end,
    {At, O#o{front = [Left | Rest], pipe = Pipe}};
acknowledge(_, O, At) -> {At, O}.

drop(Size, flying, #o{pipe = Pipe} = O) -> O#o{pipe = Pipe - Size};
drop(Size, again, #o{pipe = Pipe} = O) -> O#o{pipe = Pipe - Size};
drop(_, lost, #o{lost = Lost} = O) -> O#o{lost = Lost - 1};
drop(_, sacked, O) -> O.

in_pipe(flying) -> true;
in_pipe(again) -> true;
in_pipe(_) -> false.

%% @doc Blocks that have arrived out of order. How many bytes that is news about.
-spec sacked([{integer(), integer()}], t()) -> {non_neg_integer(), t()}.
sacked([], O) -> {0, O};
sacked(Blocks, O) ->
    {Items, New} = lists:mapfoldl(fun(I, Sum) -> sack(I, Blocks, Sum) end, 0, items(O)),
    {New, counted(Items, O)}.

sack(#i{status = sacked} = I, _, Sum) -> {I, Sum};
sack(#i{seq = Seq, size = Size} = I, Blocks, Sum) ->
    case lists:any(fun({From, To}) -> From =< Seq andalso Seq + Size =< To end, Blocks) of
        true -> {I#i{status = sacked}, Sum + Size};
        false -> {I, Sum}
    end.

counted(Items, O) ->
    {Pipe, Lost} = lists:foldl(fun(#i{status = sacked}, Acc) -> Acc;
                                  (#i{status = lost}, {P, L}) -> {P, L + 1};
                                  (#i{size = Size}, {P, L}) -> {P + Size, L}
                               end, {0, 0}, Items),
    O#o{front = Items, rear = [], pipe = Pipe, lost = Lost}.

%% @doc Marks segments behind which three have arrived, or as many bytes (RFC 6675, IsLost). Whether there is a new one.
-spec find_lost(pos_integer(), t()) -> {boolean(), t()}.
find_lost(Mss, O) ->
    Enough = (?DUPLICATES - 1) * Mss,
    {Items, {_, _, New}} = mark(items(O), Enough),
    case New of
        true -> {true, counted(Items, O)};
        false -> {false, O}
    end.

%% From the newest: bytes and segments that have arrived above each.
mark(Items, Enough) ->
    lists:foldl(fun(#i{status = sacked, size = Size} = I, {Done, {Bytes, Count, New}}) ->
                        {[I | Done], {Bytes + Size, Count + 1, New}};
                   (#i{status = flying} = I, {Done, {Bytes, Count, _}}) when Bytes > Enough; Count >= ?DUPLICATES ->
                        {[I#i{status = lost} | Done], {Bytes, Count, true}};
                   (I, {Done, Above}) -> {[I | Done], Above}
                end, {[], {0, 0, false}}, lists:reverse(Items)).

%% @doc The oldest segment is taken for lost.
-spec first_lost(t()) -> t().
first_lost(O) ->
    case items(O) of
        [#i{status = Status} = I | Rest] when Status =/= lost -> counted([I#i{status = lost} | Rest], O);
        _ -> O
    end.

%% @doc After a time-out everything is, save what has arrived; and that too when the receiver has thrown it away.
-spec all_lost(t()) -> t().
all_lost(O) ->
    Items = items(O),
    Reneged = case Items of [#i{status = sacked} | _] -> true; _ -> false end,
    counted([case I#i.status of
                 sacked when not Reneged -> I;
                 _ -> I#i{status = lost}
             end || I <- Items], O).

%% @doc No segment has more than so many bytes.
-spec split(pos_integer(), t()) -> t().
split(Mss, O) -> counted(lists:flatmap(fun(I) -> split_item(I, Mss) end, items(O)), O).

split_item(#i{seq = Seq, size = Size, flags = Flags, data = Data} = I, Mss) ->
    case iolist_to_binary(Data) of
        <<Now:Mss/binary, Later/binary>> when Later =/= <<>> ->
            Rest = I#i{seq = Seq + Mss, size = Size - Mss, data = Later},
            [I#i{size = Mss, data = Now, flags = Flags band bnot ?FIN} | split_item(Rest, Mss)];
        _ -> [I]
    end.

%% @doc The oldest lost segment, which then is on its way again.
-spec resend(integer(), t()) -> {Seq :: integer(), Flags :: non_neg_integer(), iodata(), t()} | none.
resend(_, #o{lost = 0}) -> none;
resend(Now, #o{pipe = Pipe, lost = Lost} = O) ->
    {Before, [I | After]} = lists:splitwith(fun(#i{status = Status}) -> Status =/= lost end, items(O)),
    Again = I#i{status = again, at = Now, times = I#i.times + 1},
    {I#i.seq, I#i.flags, I#i.data,
     O#o{front = Before ++ [Again | After], rear = [], pipe = Pipe + I#i.size, lost = Lost - 1}}.
