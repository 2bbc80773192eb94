%% SPDX-License-Identifier: Apache-2.0
%% @doc Two TCP state machines over a wire that loses, doubles, reorders and damages, in simulated time. See
%% tests/net/run.
-module(net_sim).
-export([transfer/2]).

-record(m, {tcp, name, sent = <<>>, to_send, got = [], got_size = 0, unread = 0, established = false, eof = false,
            closed = false, done = false, failed = none, acked = 0, reader, half_close = false}).
-record(w, {now = 1000000, queue = gb_sets:new(), count = 0, options, machines = #{}, segments = 0, limit}).

%% Options: loss, duplicate, reorder, corrupt (probabilities), delay (us), jitter, mss, rooms, sizes, bottleneck.
%% Returns {Result, SimulatedMicroseconds, SegmentsSent}.
transfer(Seed, Options) ->
    rand:seed(exsss, Seed),
    Get = fun(K, D) -> maps:get(K, Options, D) end,
    Iss = fun() -> case rand:uniform(3) of 1 -> 16#ffffffff - rand:uniform(20000); _ ->
        rand:uniform(16#ffffffff) end end,
    Tcp = fun(Extra) -> maps:merge(#{iss => Iss(), mss => Get(mss, 1460), receive_room => Get(room, 65536),
                                     nodelay => rand:uniform(2) =:= 1}, Extra) end,
    W0 = #w{options = Options, limit = Get(limit, 600000000)},
    {Sa, Sb} = Get(sizes, {100000, 100000}),
    A0 = #m{name = a, to_send = rand:bytes(Sa), reader = Get(reader, eager)},
    B0 = #m{name = b, to_send = rand:bytes(Sb), reader = Get(reader, eager)},
    {Acts, T} = loom_tcp:connect(Tcp(#{}), W0#w.now),
    W1 = W0#w{machines = #{a => A0#m{tcp = T}, b => B0}},
    W2 = loop(actions(a, Acts, W1), Tcp),
    #{a := A, b := B} = W2#w.machines,
    check(A, B, W2).

check(A, B, W) ->
    Time = W#w.now - 1000000,
    Bytes = fun(M) -> iolist_to_binary(lists:reverse(M#m.got)) end,
    case {A#m.failed, B#m.failed} of
        {none, none} when A#m.done, B#m.done ->
            ok = same(a_to_b, A#m.to_send, Bytes(B)),
            ok = same(b_to_a, B#m.to_send, Bytes(A)),
            {ok, Time, W#w.segments};
        Failed -> {{failed, Failed, {done, A#m.done, B#m.done}, {byte_size(Bytes(A)), byte_size(Bytes(B))},
                    {state, state(A), state(B)}}, Time, W#w.segments}
    end.

state(#m{tcp = undefined}) -> none;
state(#m{tcp = T}) -> loom_tcp:state(T).

same(_, X, X) -> ok;
same(What, X, Y) -> {different, What, byte_size(X), byte_size(Y)}.

push(At, What, #w{queue = Q, count = C} = W) -> W#w{queue = gb_sets:add({At, C, What}, Q), count = C + 1}.

loop(#w{queue = Q, machines = Ms, now = Now} = W, Tcp) ->
    Deadlines = lists:sort([{D, N} || {N, #m{tcp = T, done = false}} <- maps:to_list(Ms), T =/= undefined,
                                      D <- [loom_tcp:deadline(T)], D =/= infinity]),
    AllDone = lists:all(fun(#m{done = D}) -> D end, maps:values(Ms)),
    NextEvent = case gb_sets:is_empty(Q) of true -> infinity; false -> element(1, gb_sets:smallest(Q)) end,
    NextDeadline = case Deadlines of [] -> infinity; [{D1, _} | _] -> max(D1, Now) end,
    if AllDone; NextEvent =:= infinity, NextDeadline =:= infinity; Now > W#w.limit -> W;
       NextEvent =< NextDeadline ->
            {{At, _, What}, Rest} = gb_sets:take_smallest(Q),
            loop(happens(What, W#w{queue = Rest, now = max(At, Now)}, Tcp), Tcp);
       true ->
            [{_, Name} | _] = Deadlines,
            loop(tcp(Name, timeout, W#w{now = NextDeadline}), Tcp)
    end.

happens({arrive, To, Bytes}, #w{machines = Ms} = W, Tcp) ->
    case {loom_tcp_segment:decode(Bytes, byte_size(Bytes)), maps:get(To, Ms)} of
        {{error, _}, _} -> W;
        {{ok, _, _, Segment}, #m{tcp = undefined} = M} ->
            case Segment of
                {Flags, _, _, _, _, _} when Flags band 2 =/= 0, Flags band 16 =:= 0 ->
                    {Acts, T} = loom_tcp:accept(Segment, Tcp(#{}), W#w.now),
                    actions(To, Acts, W#w{machines = Ms#{To := M#m{tcp = T}}});
                _ -> W
            end;
        {{ok, _, _, Segment}, #m{done = true, tcp = _}} -> late(To, Segment, W);
        {{ok, _, _, Segment}, _} -> tcp(To, {segments, [Segment]}, W)
    end;
happens({write, Name}, W, _) -> write(Name, W);
happens({read, Name, Size}, W, _) ->
    #{Name := M} = W#w.machines,
    case M of
        #m{done = true} -> W;
        _ -> tcp(Name, {read, Size}, W)
    end.

%% What loom_net_input does for a connection that waits.
late(To, {Flags, _, _, _, _, Data}, #w{machines = Ms} = W) ->
    #{To := #m{sent = Info}} = Ms,
    case Info of
        #{seq := Seq, ack := Ack} when Flags band 4 =:= 0, Flags band 1 =/= 0 orelse Data =/= <<>> ->
            send(To, {16, Seq, Ack, 1000, [], <<>>}, W);
        _ -> W
    end.

tcp(Name, Event, #w{machines = Ms, now = Now} = W) ->
    #{Name := #m{tcp = T} = M} = Ms,
    {Acts, New} = loom_tcp:event(Event, Now, T),
    actions(Name, Acts, W#w{machines = Ms#{Name := M#m{tcp = New}}}).

actions(_, [], W) -> W;
actions(Name, [Action | Rest], #w{machines = Ms} = W) ->
    #{Name := M} = Ms,
    Put = fun(New) -> W#w{machines = Ms#{Name := New}} end,
    Next = case Action of
               {transmit, Segment} -> send(Name, Segment, W);
               established -> push(W#w.now, {write, Name}, Put(M#m{established = true}));
               {deliver, Data} ->
                   Size = iolist_size(Data),
                   read_later(Name, Size, Put(M#m{got = [Data | M#m.got]}));
               eof -> push(W#w.now, {write, Name}, Put(M#m{eof = true}));
               {acknowledged, N} -> Put(M#m{acked = M#m.acked + N});
               {failed, Reason} -> Put(M#m{failed = Reason});
               {time_wait, Info} -> Put(M#m{sent = Info});
               done -> Put(M#m{done = true})
           end,
    actions(Name, Rest, Next).

read_later(Name, Size, #w{now = Now, machines = Ms} = W) ->
    #{Name := #m{reader = Reader}} = Ms,
    case Reader of
        eager -> push(Now, {read, Name, Size}, W);
        slow -> push(Now + rand:uniform(300000), {read, Name, Size}, W)
    end.

%% Gives out its bytes in random portions, then shuts down; closes when the peer has ended.
write(Name, #w{machines = Ms, now = Now} = W) ->
    #{Name := #m{to_send = All, unread = Given} = M} = Ms,
    Left = byte_size(All) - Given,
    case M of
        #m{done = true} -> W;
        #m{closed = true} -> W;
        #m{eof = true} when Left =:= 0 ->
            tcp(Name, {close, orderly}, W#w{machines = Ms#{Name := M#m{closed = true}}});
        _ when Left =:= 0 -> tcp(Name, {shutdown, write}, W);
        _ ->
            Size = min(Left, rand:uniform(maps:get(portion, W#w.options, 8000))),
            <<_:Given/binary, Data:Size/binary, _/binary>> = All,
            W1 = W#w{machines = Ms#{Name := M#m{unread = Given + Size}}},
            Pause = case rand:uniform(4) of 1 -> rand:uniform(2000); _ -> 0 end,
            push(Now + Pause, {write, Name}, tcp(Name, {send, Data}, W1))
    end.

send(From, Segment, #w{options = O, now = Now, segments = N} = W) ->
    {Header, Data} = loom_tcp_segment:encode(1, 2, Segment, 0),
    Bytes = iolist_to_binary([Header, Data]),
    To = case From of a -> b; b -> a end,
    Delay = maps:get(delay, O, 20000),
    Copies = case chance(duplicate, O) of true -> 2; false -> 1 end,
    lists:foldl(fun(_, Acc) ->
                        case chance(loss, O) of
                            true -> Acc;
                            false ->
                                Extra = case chance(reorder, O) of true ->
                                    rand:uniform(maps:get(jitter, O, 30000)); false -> 0 end,
                                push(Now + Delay + Extra, {arrive, To, damaged(Bytes, O)}, Acc)
                        end
                end, W#w{segments = N + 1}, lists:seq(1, Copies)).

chance(What, O) -> rand:uniform() < maps:get(What, O, 0).

damaged(Bytes, O) ->
    case chance(corrupt, O) of
        false -> Bytes;
        true ->
            Bit = rand:uniform(bit_size(Bytes)) - 1,
            <<Before:Bit/bits, X:1, After/bits>> = Bytes,
            <<Before/bits, (1 - X):1, After/bits>>
    end.
