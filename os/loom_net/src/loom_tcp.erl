%% SPDX-License-Identifier: Apache-2.0
%% @doc A TCP connection as a state machine without process, clock or wire: events in, actions out (RFC 9293; 5681,
%% 6298,
%% 6675, 2018, 7323, 5961). `loom_net_connection' is its process.
%%
%% Positions in both streams are absolute integers that never wrap; on the wire go their low 32 bits. Time is in
%% microseconds. What an event makes necessary to send is sent at its end, once for all segments that came together.
-module(loom_tcp).

-export([connect/2, accept/3, resume/3, event/3, deadline/1, state/1]).
-export_type([t/0, event/0, action/0, options/0]).

-type options() :: #{iss := non_neg_integer(), mss := pos_integer(), receive_room => pos_integer(),
                     nodelay => boolean(), keepalive => boolean(), keep_idle => pos_integer(),
                     keep_interval => pos_integer(), keep_count => pos_integer(),
                         timestamp_offset => non_neg_integer()}.
-type event() :: {segments, [loom_tcp_segment:segment()]}
               | {send, binary()}               % bytes of the user
               | {read, non_neg_integer()}      % the user has taken so many of those delivered
               | {shutdown, read | write | both}
               | {close, orderly | abort}       % the user has gone
               | {option, atom(), integer()}
               | {mss, pos_integer()}           % the path takes no larger segments
               | {unreachable, atom()}
               | timeout.                       % the deadline has come
-type action() :: {transmit, loom_tcp_segment:segment()}
                | established
                | {deliver, iolist()}
                | eof
                | {acknowledged, pos_integer()} % so many bytes of the user have arrived
                | {failed, atom()}              % the connection is over, the user is to know why
                | {time_wait, map()}            % over; who answers for it has to know this
                | done.                         % over
-type state() :: syn_sent | syn_received | established | fin_wait_1 | fin_wait_2 | close_wait | closing | last_ack
               | closed.

-define(FIN, 1).
-define(SYN, 2).
-define(RST, 4).
-define(PSH, 8).
-define(ACK, 16).
-define(MASK, 16#ffffffff).

-define(RECEIVE_ROOM, 262144).
-define(SCALE, 7).
-define(DELAY, 40000).          % of an acknowledgement
-define(SYN_TRIES, 6).
-define(TRIES, 15).
-define(PROBES, 15).            % of a window that stays shut, once the user has gone
-define(FIN_WAIT_2, 60000000).  % how long the peer may keep open what nobody reads
-define(CHALLENGES, 10).        % a second (RFC 5961, 7)
-define(SECOND, 1000000).
-define(PAWS_IDLE, 24 * 24 * 3600 * ?SECOND).

-record(s, {state :: state(),
            %% sending
            iss :: integer(),
            una :: integer(),
            nxt :: integer(),
            out = loom_tcp_outgoing:new() :: loom_tcp_outgoing:t(),
            window = 0 :: non_neg_integer(),     % of the peer
            window_max = 0 :: non_neg_integer(),
            window_seq = 0 :: integer(),
            window_ack = 0 :: integer(),
            scale = 0 :: 0..14,
            mss :: pos_integer(),
            own_mss :: pos_integer(),
            fin = none :: none | wanted | sent,
            nodelay = false :: boolean(),
            cc :: loom_tcp_cubic:t(),
            rtt = loom_tcp_rtt:new() :: loom_tcp_rtt:t(),
            mode = open :: open | recovery | loss,
            recover = 0 :: integer(),
            duplicates = 0 :: non_neg_integer(),
            backoff = 0 :: non_neg_integer(),
            sent_at = 0 :: integer(),            % the last data
            sack = false :: boolean(),
            %% receiving
            next = 0 :: integer(),
            edge = 0 :: integer(),               % of the window as told to the peer
            room :: pos_integer(),
            held = 0 :: non_neg_integer(),       % delivered and not read
            pieces = loom_tcp_reassembly:new() :: loom_tcp_reassembly:t(),
            piece = 0 :: integer(),              % where the last one came
            fin_at = none :: integer() | none,   % the peer's, perhaps before its turn
            ended = false :: boolean(),          % its turn has come
            own_scale = 0 :: 0..14,
            ack = no :: no | later | now,
            unacked = 0 :: non_neg_integer(),    % bytes since the last acknowledgement
            answers = true :: boolean(),         % the user answers what comes, so acknowledgements can wait for that
            deaf = false :: boolean(),           % the user does not want to read any more
            %% timestamps (RFC 7323)
            stamps = false :: boolean(),
            offset = 0 :: non_neg_integer(),
            recent = 0 :: non_neg_integer(),
            recent_at = 0 :: integer(),
            acked_to = 0 :: integer(),           % the last acknowledgement sent
            %% clocks: when each goes off
            resend_at = infinity :: integer() | infinity,
            probe_at = infinity :: integer() | infinity,
            ack_at = infinity :: integer() | infinity,
            keep_at = infinity :: integer() | infinity,
            end_at = infinity :: integer() | infinity,
            probes = 0 :: non_neg_integer(),
            heard_at = 0 :: integer(),
            keep = none :: none | {Idle :: pos_integer(), Interval :: pos_integer(), Count :: pos_integer()},
            keep_settings :: {pos_integer(), pos_integer(), pos_integer()},
            keep_probes = 0 :: non_neg_integer(),
            challenges = {0, 0} :: {Second :: integer(), Count :: non_neg_integer()},
            orphan = false :: boolean(),         % the user has gone
            passive = false :: boolean(),
            actions = [] :: [action()]}).        % last first
-opaque t() :: #s{}.

%% --- beginning ----------------------------------------------------------------------------------------------------

%% @doc Sends a SYN.
-spec connect(options(), integer()) -> {[action()], t()}.
connect(Options, Now) ->
    finish(send_syn(?SYN, Now, new(syn_sent, Options, Now)), Now).

%% @doc Answers a SYN.
-spec accept(loom_tcp_segment:segment(), options(), integer()) -> {[action()], t()}.
accept({_, Seq, _, Window, SegmentOptions, _}, Options, Now) ->
    S = begin_receiving(Seq, Window, SegmentOptions, Now, new(syn_received, Options, Now)),
    finish(send_syn(?SYN bor ?ACK, Now, S#s{passive = true}), Now).

%% @doc Begins where a SYN cookie says: the segment acknowledges a SYN of which nothing was kept.
-spec resume(loom_tcp_segment:segment(), options(), integer()) -> {[action()], t()}.
resume({_, Seq, Ack, _, _, _} = Segment, #{peer_mss := PeerMss} = Options, Now) ->
    New = new(syn_received, Options#{iss := (Ack - 1) band ?MASK}, Now),
    S = begin_receiving((Seq - 1) band ?MASK, 0, [{mss, PeerMss}], Now, New),
    Sent = loom_tcp_outgoing:sent(S#s.iss, 1, ?SYN bor ?ACK, <<>>, Now, S#s.out),
    event({segments, [Segment]}, Now, S#s{passive = true, nxt = S#s.iss + 1, out = Sent}).

new(State, #{iss := Iss, mss := Mss} = Options, Now) ->
    Keep = {maps:get(keep_idle, Options, 7200), maps:get(keep_interval, Options, 75), maps:get(keep_count, Options, 9)},
    #s{state = State, iss = Iss, una = Iss, nxt = Iss, mss = Mss, own_mss = Mss, cc = loom_tcp_cubic:new(Mss),
       room = max(Mss, maps:get(receive_room, Options, ?RECEIVE_ROOM)), nodelay = maps:get(nodelay, Options, false),
       keep_settings = Keep, keep = case Options of #{keepalive := true} -> Keep; _ -> none end,
       offset = maps:get(timestamp_offset, Options, 0), heard_at = Now}.

%% What a SYN says about the peer.
begin_receiving(Seq, Window, Options, Now, #s{own_mss = OwnMss} = S) ->
    PeerMss = max(64, proplists:get_value(mss, Options, 536)),
    {Scale, OwnScale} = case lists:keyfind(window_scale, 1, Options) of
                            {_, Shift} -> {min(14, Shift), ?SCALE};
                            false -> {0, 0}
                        end,
    {Stamps, Recent} = case lists:keyfind(timestamp, 1, Options) of
                           {_, Value, _} -> {true, Value};
                           false -> {false, 0}
                       end,
    Mss = max(32, min(OwnMss, PeerMss) - case Stamps of true -> 12; false -> 0 end),
    S#s{next = Seq + 1, edge = Seq + 1, acked_to = Seq + 1, mss = Mss, cc = loom_tcp_cubic:new(Mss), scale = Scale,
        own_scale = OwnScale, stamps = Stamps, recent = Recent, recent_at = Now, window = Window, window_max = Window,
        window_seq = Seq, sack = lists:member(sack_ok, Options)}.

send_syn(Flags, Now, #s{iss = Iss, out = Out} = S) ->
    Sent = loom_tcp_outgoing:sent(Iss, 1, Flags, <<>>, Now, Out),
    start_resend(Now, transmit_syn(Flags, Now, S#s{nxt = Iss + 1, out = Sent})).

transmit_syn(Flags, Now, #s{iss = Iss, state = State} = S) ->
    Offer = State =:= syn_sent,
    Options = [{mss, S#s.own_mss}]
        ++ [sack_ok || Offer orelse S#s.sack]
        ++ [{timestamp, stamp(Now, S), S#s.recent} || Offer orelse S#s.stamps]
        ++ [{window_scale, ?SCALE} || Offer orelse S#s.own_scale > 0],
    Window = min(S#s.room, 65535),
    Ack = case Flags band ?ACK of 0 -> 0; _ -> S#s.next end,
    act({transmit, {Flags, Iss band ?MASK, Ack band ?MASK, Window, Options, <<>>}}, S#s{edge = S#s.next + Window}).

%% --- events -------------------------------------------------------------------------------------------------------

-spec event(event(), integer(), t()) -> {[action()], t()}.
event(Event, Now, S) -> finish(handle(Event, Now, S), Now).

%% @doc When `timeout' is to come.
-spec deadline(t()) -> integer() | infinity.
deadline(#s{state = closed}) -> infinity;
deadline(S) -> min(S#s.resend_at, min(S#s.probe_at, min(S#s.ack_at, min(S#s.keep_at, S#s.end_at)))).

-spec state(t()) -> state().
state(#s{state = State}) -> State.

handle(_, _, #s{state = closed} = S) -> S;
handle({segments, Segments}, Now, S) ->
    lists:foldl(fun(Segment, Acc) -> segment(Segment, Now, Acc) end, S#s{heard_at = Now, keep_probes = 0},
                case S#s.mode of open -> joined(Segments); _ -> Segments end);
handle({send, Data}, Now, #s{out = Out, fin = none} = S) ->
    after_idle(Now, S#s{out = loom_tcp_outgoing:add(Data, Out)});
handle({send, _}, _, S) -> S;
handle({read, Size}, _, #s{held = Held} = S) -> window_update(S#s{held = max(0, Held - Size)});
handle({shutdown, How}, Now, S) ->
    Deaf = S#s{deaf = S#s.deaf orelse How =/= write},
    case How of
        read -> Deaf;
        _ -> handle(finish_sending, Now, Deaf)
    end;
handle(finish_sending, _, #s{fin = none, state = State} = S) when State =/= syn_sent -> S#s{fin = wanted};
handle(finish_sending, _, S) -> S;
handle({close, abort}, Now, S) -> abort(Now, S);
handle({close, orderly}, Now, #s{state = State} = S) ->
    case State of
        syn_sent -> over([done], S);
        fin_wait_2 -> S#s{orphan = true, end_at = Now + ?FIN_WAIT_2};
        _ -> handle(finish_sending, Now, S#s{orphan = true})
    end;
handle({option, Name, Value}, Now, S) -> option(Name, Value, Now, S);
handle({mss, Mss}, _, #s{mss = Old} = S) when Mss < Old, Mss >= 32 -> smaller_segments(Mss, S);
handle({mss, _}, _, S) -> S;
handle({unreachable, Reason}, _, #s{state = State} = S) when State =:= syn_sent; State =:= syn_received ->
    failed(Reason, S);
handle({unreachable, _}, _, S) -> S; % might pass
handle(timeout, Now, S) ->
    lists:foldl(fun(Clock, Acc) -> clock(Clock, Now, Acc) end, S, [resend, probe, ack, keep, 'end']).

option(nodelay, Value, _, S) -> S#s{nodelay = Value =/= 0};
option(recbuf, Value, _, S) -> window_update(S#s{room = max(S#s.own_mss, Value)});
option(keepalive, 0, _, S) -> S#s{keep = none, keep_at = infinity};
option(keepalive, _, Now, S) -> start_keep(Now, S#s{keep = S#s.keep_settings});
option(keepidle, V, Now, #s{keep_settings = {_, B, C}} = S) -> keep_settings({V, B, C}, Now, S);
option(keepintvl, V, Now, #s{keep_settings = {A, _, C}} = S) -> keep_settings({A, V, C}, Now, S);
option(keepcnt, V, Now, #s{keep_settings = {A, B, _}} = S) -> keep_settings({A, B, V}, Now, S);
option(_, _, _, S) -> S.

keep_settings(Settings, _, #s{keep = none} = S) -> S#s{keep_settings = Settings};
keep_settings(Settings, Now, S) -> start_keep(Now, S#s{keep_settings = Settings, keep = Settings}).

%% The path has become narrower: what is under way goes again, in smaller segments.
smaller_segments(Mss, #s{out = Out, cc = Cc} = S) ->
    S#s{mss = Mss, cc = loom_tcp_cubic:mss(Mss, Cc),
        out = loom_tcp_outgoing:all_lost(loom_tcp_outgoing:split(Mss, Out))}.

after_idle(Now, #s{sent_at = At, rtt = Rtt, cc = Cc, out = Out} = S) ->
    case loom_tcp_outgoing:is_idle(Out) andalso Now - At > loom_tcp_rtt:timeout(Rtt, 0) of
        true -> S#s{cc = loom_tcp_cubic:idle(Cc), sent_at = Now};
        false -> S
    end.

%% --- a segment ----------------------------------------------------------------------------------------------------

segment(_, _, #s{state = closed} = S) -> S;
segment({Flags, Seq, Ack, Window, Options, _}, Now, #s{state = syn_sent} = S) ->
    syn_sent(Flags, Seq, absolute(Ack, S#s.nxt), Window, Options, Now, S);
segment({Flags, Seq32, _, _, _, _} = Segment, Now, #s{next = Next} = S) ->
    Seq = absolute(Seq32, Next),
    case is_old_stamp(Segment, Now, S) of
        true when Flags band ?RST =:= 0 -> ack_now(S);
        _ ->
            case is_acceptable(Seq, loom_tcp_segment:sequence_size(Segment), S) of
                true -> reset_or_syn(Seq, Segment, Now, S);
                false -> unacceptable(Seq, Segment, Now, S)
            end
    end.

%% What came together is looked at as if it had come in fewer segments. Of acknowledgements, each saying more than the
%% one before and nothing else, the last says it all; data that goes on where the segment before ends is that segment's.
joined([]) -> [];
joined([Segment | Rest]) -> joined(Segment, Rest).

joined({?ACK, Seq, Ack, _, Options, <<>>} = One, [{?ACK, Seq, Next, _, More, <<>>} = Two | Rest])
  when (Next - Ack - 1) band ?MASK < 16#7fffffff ->
    case is_plain(Options) andalso is_plain(More) of
        true -> joined(Two, Rest);
        false -> [One | joined(Two, Rest)]
    end;
joined({?ACK, Seq, Ack, _, Options, Data} = One, [{Flags, Next, Ack, Window, Options, More} = Two | Rest])
  when Flags bor ?PSH =:= ?ACK bor ?PSH, Data =/= <<>>, More =/= <<>> ->
    case is_plain(Options) andalso (Seq + iolist_size(Data)) band ?MASK =:= Next of
        true -> joined({Flags, Seq, Ack, Window, Options, [Data | More]}, Rest);
        false -> [One | joined(Two, Rest)]
    end;
joined(One, [Two | Rest]) -> [One | joined(Two, Rest)];
joined(One, []) -> [One].

is_plain([]) -> true;
is_plain([{timestamp, _, _}]) -> true;
is_plain(_) -> false.

%% The position near `Near' that has these low 32 bits.
absolute(Low, Near) ->
    case (Low - Near) band ?MASK of
        Ahead when Ahead < 16#80000000 -> Near + Ahead;
        Ahead -> Near + Ahead - 16#100000000
    end.

syn_sent(Flags, _Seq, Ack, _, _, _, #s{iss = Iss, nxt = Nxt} = S)
  when Flags band ?ACK =/= 0, (Ack =< Iss orelse Ack > Nxt) ->
    case Flags band ?RST of
        0 -> act({transmit, {?RST, Ack band ?MASK, 0, 0, [], <<>>}}, S);
        _ -> S
    end;
syn_sent(Flags, _, _, _, _, _, S) when Flags band ?RST =/= 0 ->
    case Flags band ?ACK of
        0 -> S;
        _ -> failed(econnrefused, S)
    end;
syn_sent(Flags, Seq, Ack, Window, Options, Now, S) when Flags band (?SYN bor ?ACK) =:= ?SYN bor ?ACK ->
    New = begin_receiving(Seq, Window, Options, Now, S),
    Acked = acknowledged(Ack, Now, lists:keyfind(timestamp, 1, Options), New),
    ack_now(established(Now, Acked#s{window_ack = Ack, edge = Seq + 1 + min(S#s.room, 65535)}));
syn_sent(Flags, Seq, _, Window, Options, Now, S) when Flags band ?SYN =/= 0 -> % both began at once
    New = begin_receiving(Seq, Window, Options, Now, S),
    Out = loom_tcp_outgoing:sent(S#s.iss, 1, ?SYN bor ?ACK, <<>>, Now, loom_tcp_outgoing:new()),
    transmit_syn(?SYN bor ?ACK, Now, New#s{state = syn_received, out = Out});
syn_sent(_, _, _, _, _, _, S) -> S.

established(Now, S) -> start_keep(Now, act(established, S#s{state = established, sent_at = Now})).

%% RFC 7323, 5: a segment from an earlier turn of the sequence numbers.
is_old_stamp({_, _, _, _, Options, _}, Now, #s{stamps = true, recent = Recent, recent_at = At}) ->
    case lists:keyfind(timestamp, 1, Options) of
        {_, Value, _} -> (Value - Recent) band ?MASK >= 16#80000000 andalso Now - At < ?PAWS_IDLE;
        false -> false
    end;
is_old_stamp(_, _, _) -> false.

%% A segment must touch the window. One without a byte may stand at its right edge too.
is_acceptable(Seq, 0, #s{next = Next, edge = Edge}) -> Next =< Seq andalso Seq =< Edge;
is_acceptable(Seq, Size, #s{next = Next, edge = Edge}) -> Seq < Edge andalso Seq + Size > Next.

unacceptable(_, {Flags, _, _, _, _, _}, _, S) when Flags band ?RST =/= 0 -> S;
unacceptable(Seq, {Flags, _, _, _, _, _}, Now, #s{state = syn_received, next = Next} = S)
  when Flags band ?SYN =/= 0, Seq =:= Next - 1 -> transmit_syn(?SYN bor ?ACK, Now, S);
unacceptable(Seq, {Flags, _, Ack, _, Options, Data}, Now, S) when Flags band ?SYN =:= 0, Flags band ?ACK =/= 0 ->
    %% Its acknowledgement counts all the same: the peer may be probing a window that is shut, or ours has been.
    New = acceptable_ack(absolute(Ack, S#s.una), Now, S),
    case Data of
        <<>> -> challenge(Now, New); % two who have lost each other would answer each other without end
        _ -> ack_now(stamped(Seq, S#s.stamps andalso lists:keyfind(timestamp, 1, Options), Now, New))
    end;
unacceptable(_, _, Now, S) -> challenge(Now, S).

acceptable_ack(Ack, Now, #s{state = State, una = Una, nxt = Nxt} = S)
  when State =/= syn_received, Ack > Una, Ack =< Nxt -> acknowledged(Ack, Now, false, S);
acceptable_ack(_, _, S) -> S.

%% RFC 5961: only the exact number resets; whatever else might be an attack is answered with where we are.
reset_or_syn(Seq, {Flags, _, _, _, _, _}, _, #s{next = Next} = S) when Flags band ?RST =/= 0, Seq =:= Next -> reset(S);
reset_or_syn(_, {Flags, _, _, _, _, _}, Now, S) when Flags band (?RST bor ?SYN) =/= 0 -> challenge(Now, S);
reset_or_syn(_, {Flags, _, _, _, _, _}, _, S) when Flags band ?ACK =:= 0 -> S;
reset_or_syn(Seq, {_, _, Ack32, _, _, _} = Segment, Now, #s{state = syn_received, una = Una, nxt = Nxt} = S) ->
    Ack = absolute(Ack32, Una),
    case Una < Ack andalso Ack =< Nxt of
        true -> ack(Seq, Ack, Segment, Now, established(Now, S));
        false -> act({transmit, {?RST, Ack32, 0, 0, [], <<>>}}, S)
    end;
reset_or_syn(Seq, {_, _, Ack32, _, _, _} = Segment, Now, #s{una = Una, nxt = Nxt} = S) ->
    Ack = absolute(Ack32, Una),
    case Ack =< Nxt andalso Ack >= Una - max(S#s.window_max, 65535) of
        true -> ack(Seq, Ack, Segment, Now, S);
        false -> challenge(Now, S)
    end.

reset(#s{state = syn_received, passive = true} = S) -> over([done], S);
reset(#s{state = syn_received} = S) -> failed(econnrefused, S);
reset(#s{state = State} = S) when State =:= closing; State =:= last_ack -> over([done], S);
reset(S) -> failed(econnreset, S).

challenge(Now, #s{challenges = {Second, Count}} = S) ->
    case Now div ?SECOND of
        Second when Count >= ?CHALLENGES -> S;
        Second -> ack_now(S#s{challenges = {Second, Count + 1}});
        Later -> ack_now(S#s{challenges = {Later, 1}})
    end.

%% --- its acknowledgement ------------------------------------------------------------------------------------------

ack(Seq, Ack, {Flags, _, _, Window, Options, Data} = Segment, Now, #s{una = Una, window = Was} = S) ->
    Stamp = S#s.stamps andalso lists:keyfind(timestamp, 1, Options),
    Stamped = stamped(Seq, Stamp, Now, S),
    Opened = window(Seq, Ack, Window bsl S#s.scale, Stamped),
    Acked = if Ack > Una -> acknowledged(Ack, Now, Stamp, Opened);
               Ack =:= Una, Data =:= <<>>, Flags band ?FIN =:= 0, Opened#s.window =:= Was -> duplicate(Opened);
               true -> Opened
            end,
    Sacked = selectively(Options, Now, Acked),
    data(Seq, Segment, Now, closing(Now, Sacked)).

%% RFC 7323, 4.3: the newest of what the next acknowledgement is about.
stamped(Seq, {_, Value, _}, Now, #s{acked_to = Acked, recent = Recent} = S)
  when Seq =< Acked, (Value - Recent) band ?MASK < 16#80000000 -> S#s{recent = Value, recent_at = Now};
stamped(_, _, _, S) -> S.

window(Seq, Ack, Window, #s{window_seq = WSeq, window_ack = WAck} = S)
  when Ack >= S#s.una, (WSeq < Seq orelse WSeq =:= Seq andalso WAck =< Ack) ->
    New = S#s{window = Window, window_max = max(Window, S#s.window_max), window_seq = Seq, window_ack = Ack},
    case Window of
        0 -> New;
        _ -> New#s{probe_at = infinity, probes = 0}
    end;
window(_, _, _, S) -> S.

acknowledged(Ack, Now, Stamp, #s{una = Una, out = Out, state = State, mode = Mode} = S) ->
    {SentAt, Left} = loom_tcp_outgoing:acknowledge(Ack, Out),
    Syn = if Una =:= S#s.iss -> 1; true -> 0 end,
    Fin = if S#s.fin =:= sent, Ack =:= S#s.nxt, State =/= syn_sent -> 1; true -> 0 end,
    Bytes = Ack - Una - Syn - Fin,
    Sampled = sample(SentAt, Stamp, Now, S),
    Grown = grown(Bytes, Syn, Now, Sampled),
    Told = case Bytes > 0 of true -> act({acknowledged, Bytes}, Grown); false -> Grown end,
    New = Told#s{una = Ack, out = Left, duplicates = 0, backoff = 0},
    progress(Mode, Ack, start_resend(Now, New)).

grown(Bytes, 0, Now, #s{mode = Mode, cc = Cc, rtt = Rtt} = S) when Bytes > 0, Mode =/= recovery ->
    S#s{cc = loom_tcp_cubic:acked(Bytes, loom_tcp_rtt:srtt(Rtt), Now, Cc)};
grown(_, 1, _, #s{backoff = Backoff, cc = Cc} = S) when Backoff > 0 -> S#s{cc = loom_tcp_cubic:restart(Cc)};
grown(_, _, _, S) -> S.

sample(_, {_, _, Echo}, Now, #s{rtt = Rtt} = S) when Echo =/= 0 ->
    Milliseconds = (stamp(Now, S) - Echo) band ?MASK,
    case Milliseconds < 16#80000000 of
        true -> S#s{rtt = loom_tcp_rtt:sample(Milliseconds * 1000, Rtt)};
        false -> S
    end;
sample(none, _, _, S) -> S;
sample(SentAt, _, Now, #s{rtt = Rtt} = S) -> S#s{rtt = loom_tcp_rtt:sample(Now - SentAt, Rtt)}.

progress(open, _, S) -> S;
progress(_, Ack, #s{recover = Recover} = S) when Ack >= Recover -> S#s{mode = open};
progress(recovery, _, #s{sack = false, out = Out} = S) -> S#s{out = loom_tcp_outgoing:first_lost(Out)};
progress(_, _, S) -> S.

duplicate(#s{out = Out, duplicates = Count} = S) ->
    case loom_tcp_outgoing:is_idle(Out) of
        true -> S;
        false -> S#s{duplicates = Count + 1}
    end.

%% What the peer has and what it lacks. Without SACK three duplicates stand for that.
selectively(Options, Now, #s{sack = true, una = Una, out = Out, mss = Mss} = S) ->
    case lists:keyfind(sack, 1, Options) of
        {_, Blocks} ->
            Known = [{absolute(From, Una), absolute(To, Una)} || {From, To} <- Blocks],
            {News, Sacked} = loom_tcp_outgoing:sacked([B || {From, To} = B <- Known, From < To, To =< S#s.nxt,
                                                       To > Una], Out),
            case News of
                0 -> lose(false, Now, S);
                _ ->
                    {Found, Marked} = loom_tcp_outgoing:find_lost(Mss, Sacked),
                    lose(Found, Now, S#s{out = Marked})
            end;
        false -> lose(false, Now, S)
    end;
selectively(_, Now, S) -> lose(false, Now, S).

lose(false, Now, #s{duplicates = 3, mode = open, out = Out} = S) ->
    recover(Now, S#s{out = loom_tcp_outgoing:first_lost(Out)});
lose(true, Now, #s{mode = open} = S) -> recover(Now, S);
lose(_, _, S) -> S.

recover(_Now, #s{cc = Cc, nxt = Nxt, una = Una} = S) ->
    S#s{mode = recovery, recover = Nxt, cc = loom_tcp_cubic:loss(Nxt - Una, Cc)}.

%% Our FIN has arrived.
closing(Now, #s{fin = sent, una = Una, nxt = Una, state = State} = S) ->
    case State of
        fin_wait_1 -> S#s{state = fin_wait_2, end_at = case S#s.orphan of true -> Now + ?FIN_WAIT_2; false ->
            infinity end};
        closing -> time_wait(S);
        last_ack -> over([done], S);
        _ -> S
    end;
closing(_, S) -> S.

%% --- its data -----------------------------------------------------------------------------------------------------

data(_, _, _, #s{state = closed} = S) -> S;
data(Seq, {Flags, _, _, _, _, Data}, Now, #s{next = Next} = S) ->
    Size = iolist_size(Data),
    Fin = if Flags band ?FIN =/= 0, not S#s.ended -> Seq + Size; true -> S#s.fin_at end,
    if Size =:= 0, Fin =:= none -> S;
       Size =:= 0, Seq > Next -> ack_now(S#s{fin_at = within(Fin, S)});
       S#s.orphan, Seq + Size > Next -> abort_with(S); % nobody will read it
       true -> fin(Now, pushed(Flags, bytes(Seq, iolist_to_binary(Data), Size, Now, S#s{fin_at = within(Fin, S)})))
    end.

%% The sender has no more for now, and perhaps waits for us to say that it has come.
pushed(Flags, #s{answers = false} = S) when Flags band ?PSH =/= 0 -> ack_now(S);
pushed(_, S) -> S.

within(none, _) -> none;
within(Fin, #s{edge = Edge}) when Fin > Edge -> none;
within(Fin, _) -> Fin.

bytes(_, _, 0, _, S) -> S;
bytes(Seq, Data, Size, Now, #s{next = Next, edge = Edge} = S) when Seq =< Next ->
    Skip = Next - Seq,
    Take = min(Size - Skip, Edge - Next),
    case Take > 0 of
        true ->
            <<_:Skip/binary, New:Take/binary, _/binary>> = Data,
            in_order(New, Take, Now, S);
        false -> ack_now(S)
    end;
bytes(Seq, Data, Size, _, #s{edge = Edge, pieces = Pieces} = S) ->
    Take = min(Size, Edge - Seq),
    <<New:Take/binary, _/binary>> = Data,
    ack_now(S#s{pieces = loom_tcp_reassembly:insert(Seq, New, Pieces), piece = Seq}).

in_order(New, Size, Now, #s{next = Next, pieces = Pieces} = S) ->
    case loom_tcp_reassembly:is_empty(Pieces) of
        true -> ack_soon(Now, received([New], Next + Size, S));
        false ->
            {More, End, Rest} = loom_tcp_reassembly:take(Next + Size, Pieces),
            ack_now(received([New | lists:flatten(More)], End, S#s{pieces = Rest}))
    end.

received(_, End, #s{deaf = true, next = Next, unacked = Unacked} = S) ->
    S#s{next = End, unacked = Unacked + End - Next};
received(Data, End, #s{next = Next, held = Held, unacked = Unacked} = S) ->
    act({deliver, Data}, S#s{next = End, held = Held + End - Next, unacked = Unacked + End - Next}).

ack_soon(_, #s{unacked = Unacked, mss = Mss} = S) when Unacked >= 2 * Mss -> ack_now(S);
ack_soon(Now, #s{ack = no} = S) -> S#s{ack = later, ack_at = Now + ?DELAY};
ack_soon(_, S) -> S.

ack_now(S) -> S#s{ack = now}.

fin(Now, #s{fin_at = Next, next = Next, state = State} = S) when is_integer(Next) ->
    New = ack_now(act(eof, S#s{next = Next + 1, fin_at = none, ended = true})),
    case State of
        established -> New#s{state = close_wait};
        fin_wait_1 -> New#s{state = closing};
        fin_wait_2 -> time_wait(pure_ack(Now, New));
        _ -> New
    end;
fin(_, S) -> S.

%% --- sending ------------------------------------------------------------------------------------------------------

%% At the end of every event: whatever may go out goes out.
finish(#s{state = closed, actions = Actions} = S, _) -> {lists:reverse(Actions), S#s{actions = []}};
finish(S, Now) ->
    Sent = output(Now, S),
    #s{actions = Actions} = New = pure_ack_if(Now, Sent),
    {lists:reverse(Actions), New#s{actions = []}}.

pure_ack_if(Now, #s{ack = now} = S) -> pure_ack(Now, S);
pure_ack_if(_, S) -> S.

pure_ack(Now, #s{nxt = Nxt, sack = Sack, pieces = Pieces} = S) ->
    Blocks = case Sack andalso loom_tcp_reassembly:blocks(S#s.piece, Pieces) of
                 [_ | _] = Some -> [{sack, [{From band ?MASK, To band ?MASK} || {From, To} <- Some]}];
                 _ -> []
             end,
    transmit(?ACK, Nxt, Blocks, <<>>, Now, S).

transmit(Flags, Seq, Extra, Data, Now, #s{next = Next} = S) ->
    {Field, Edge} = receive_window(S),
    Options = case S#s.stamps of
                  true -> [{timestamp, stamp(Now, S), S#s.recent} | Extra];
                  false -> Extra
              end,
    act({transmit, {Flags bor ?ACK, Seq band ?MASK, Next band ?MASK, Field, Options, Data}},
        S#s{ack = no, ack_at = infinity, unacked = 0, edge = Edge, acked_to = Next}).

%% The window never takes back what it has promised, and grows only by what is worth a segment (RFC 9293, 3.8.6.2.2).
receive_window(#s{next = Next, edge = Edge, room = Room, held = Held, own_scale = Scale, own_mss = Mss}) ->
    Wish = Next + max(0, Room - Held),
    Right = case Wish >= Edge + min(Mss, Room div 2) of
                true -> Wish;
                false -> max(Edge, Next)
            end,
    Field = min(65535, (Right - Next) bsr Scale),
    {Field, max(Edge, Next + (Field bsl Scale))}.

%% The user has read: worth a segment of its own when the window had become small.
window_update(#s{next = Next, edge = Edge, room = Room, held = Held, state = State, own_mss = Mss} = S) ->
    Grows = Next + max(0, Room - Held) - Edge,
    Receiving = State =:= established orelse State =:= fin_wait_1 orelse State =:= fin_wait_2,
    case Receiving andalso (Grows >= Room div 4 orelse Grows >= 2 * Mss andalso Edge - Next < 2 * Mss) of
        true -> ack_now(S);
        false -> S
    end.

stamp(Now, #s{offset = Offset}) -> (Now div 1000 + Offset) band ?MASK.

output(_, #s{state = State} = S) when State =:= syn_sent; State =:= syn_received -> S;
output(Now, #s{out = Out} = S) ->
    case loom_tcp_outgoing:lost(Out) of
        0 -> output_new(Now, S);
        _ -> output_lost(Now, S)
    end.

output_lost(Now, #s{out = Out, cc = Cc, mss = Mss} = S) ->
    Pipe = pipe(S),
    case Pipe =:= 0 orelse Pipe + Mss =< loom_tcp_cubic:window(Cc) of
        true ->
            {Seq, Flags, Data, Left} = loom_tcp_outgoing:resend(Now, Out),
            output(Now, ensure_resend(Now, transmit(Flags, Seq, [], Data, Now, S#s{out = Left})));
        false -> S
    end.

%% Without SACK every duplicate tells of one segment that has left the network.
pipe(#s{out = Out, sack = true}) -> loom_tcp_outgoing:pipe(Out);
pipe(#s{out = Out, duplicates = Count, mss = Mss}) -> max(0, loom_tcp_outgoing:pipe(Out) - Count * Mss).

output_new(Now, #s{out = Out, una = Una, nxt = Nxt, window = Window, mss = Mss, fin = Fin} = S) ->
    Unsent = loom_tcp_outgoing:unsent(Out),
    Usable = Una + Window - Nxt,
    Size = min(Mss, min(Unsent, max(0, Usable))),
    WithFin = Fin =:= wanted andalso Size =:= Unsent,
    if Unsent =:= 0, not WithFin -> S;
       Size =:= 0, Unsent > 0 -> start_probe(Now, S);
       true ->
            case is_worth(Size, Unsent, WithFin, S) andalso fits(Size, S) of
                true -> output_new(Now, send_segment(Size, WithFin, Now, S));
                false -> S
            end
    end.

%% Nagle's rule and the sender's side of the silly window: small segments wait for company.
is_worth(Size, _, _, #s{mss = Mss}) when Size >= Mss -> true;
is_worth(_, _, true, _) -> true;
is_worth(Size, Size, _, #s{nodelay = true}) -> true;
is_worth(Size, Size, _, #s{out = Out}) -> loom_tcp_outgoing:is_idle(Out);
is_worth(Size, _, _, #s{window_max = Max, out = Out}) ->
    Size * 2 >= Max orelse loom_tcp_outgoing:is_idle(Out).

%% What has left the network makes room at once, so that the first duplicates let new segments out (RFC 3042).
fits(Size, #s{cc = Cc} = S) ->
    Pipe = pipe(S),
    Pipe =:= 0 orelse Pipe + Size =< loom_tcp_cubic:window(Cc).

send_segment(Size, WithFin, Now, #s{nxt = Nxt, out = Out, state = State} = S) ->
    {Data, Left} = loom_tcp_outgoing:take(Size, Out),
    Push = case loom_tcp_outgoing:unsent(Left) of 0 when Size > 0 -> ?PSH; _ -> 0 end,
    {Flags, Length, New} =
        case WithFin of
            true ->
                Next = case State of established -> fin_wait_1; close_wait -> last_ack; _ -> State end,
                {Push bor ?FIN, Size + 1, S#s{fin = sent, state = Next}};
            false -> {Push, Size, S}
        end,
    Sent = loom_tcp_outgoing:sent(Nxt, Length, Flags, Data, Now, Left),
    Answers = S#s.answers orelse S#s.ack =/= no,
    Transmitted = transmit(Flags, Nxt, [], Data, Now, New#s{out = Sent, answers = Answers}),
    ensure_resend(Now, Transmitted#s{nxt = Nxt + Length, sent_at = Now}).

%% --- clocks -------------------------------------------------------------------------------------------------------

start_resend(Now, #s{out = Out, rtt = Rtt, backoff = Backoff} = S) ->
    case loom_tcp_outgoing:is_idle(Out) of
        true -> S#s{resend_at = infinity};
        false -> S#s{resend_at = Now + loom_tcp_rtt:timeout(Rtt, Backoff)}
    end.

ensure_resend(Now, #s{resend_at = infinity} = S) -> start_resend(Now, S#s{probe_at = infinity});
ensure_resend(_, S) -> S.

%% The window is shut: ask now and then whether it still is.
start_probe(Now, #s{probe_at = infinity, resend_at = infinity, rtt = Rtt, probes = Probes} = S) ->
    S#s{probe_at = Now + loom_tcp_rtt:timeout(Rtt, Probes)};
start_probe(_, S) -> S.

start_keep(_, #s{keep = none} = S) -> S;
start_keep(Now, #s{keep = {Idle, _, _}} = S) -> S#s{keep_at = Now + Idle * ?SECOND}.

clock(_, _, #s{state = closed} = S) -> S;
clock(resend, Now, #s{resend_at = At} = S) when At =< Now -> resend_timeout(Now, S);
clock(probe, Now, #s{probe_at = At} = S) when At =< Now -> probe(Now, S);
clock(ack, Now, #s{ack_at = At} = S) when At =< Now -> ack_now(S#s{ack_at = infinity, answers = false});
clock(keep, Now, #s{keep_at = At} = S) when At =< Now -> keep(Now, S);
clock('end', Now, #s{end_at = At} = S) when At =< Now -> over([done], S);
clock(_, _, S) -> S.

resend_timeout(Now, #s{state = State, backoff = Backoff} = S) when State =:= syn_sent; State =:= syn_received ->
    case Backoff >= ?SYN_TRIES - (case State of syn_received -> 1; syn_sent -> 0 end) of
        true -> give_up(S);
        false ->
            Flags = case State of syn_sent -> ?SYN; syn_received -> ?SYN bor ?ACK end,
            {_, _, _, Out} = loom_tcp_outgoing:resend(Now, loom_tcp_outgoing:all_lost(S#s.out)),
            start_resend(Now, transmit_syn(Flags, Now, S#s{backoff = Backoff + 1, out = Out}))
    end;
resend_timeout(_, #s{backoff = Backoff} = S) when Backoff >= ?TRIES -> give_up(S);
resend_timeout(Now, #s{out = Out, cc = Cc, nxt = Nxt, una = Una, backoff = Backoff} = S) ->
    Reduced = case Backoff of
                  0 -> loom_tcp_cubic:timeout(Nxt - Una, Cc);
                  _ -> loom_tcp_cubic:restart(Cc)
              end,
    start_resend(Now, S#s{mode = loss, recover = Nxt, cc = Reduced, out = loom_tcp_outgoing:all_lost(Out),
                          backoff = Backoff + 1, duplicates = 0}).

give_up(#s{state = syn_received, passive = true} = S) -> over([done], S);
give_up(S) -> failed(etimedout, S).

probe(_, #s{probes = Probes, orphan = true} = S) when Probes >= ?PROBES -> failed(etimedout, S);
probe(Now, #s{probes = Probes, una = Una} = S) ->
    Sent = transmit(?ACK, Una - 1, [], <<>>, Now, S),
    start_probe(Now, Sent#s{probe_at = infinity, probes = Probes + 1}).

keep(Now, #s{keep = {Idle, Interval, Count}, heard_at = Heard, keep_probes = Probes, out = Out} = S) ->
    Quiet = Now - Heard,
    if Quiet < Idle * ?SECOND -> S#s{keep_at = Heard + Idle * ?SECOND};
       Probes >= Count -> failed(etimedout, S);
       true ->
            Probed = case loom_tcp_outgoing:is_idle(Out) of
                         true -> (transmit(?ACK, S#s.nxt - 1, [], <<>>, Now, S))#s{keep_probes = Probes + 1};
                         false -> S % being sent again asks as well
                     end,
            Probed#s{keep_at = Now + Interval * ?SECOND}
    end.

%% --- ends ---------------------------------------------------------------------------------------------------------

act(Action, #s{actions = Actions} = S) -> S#s{actions = [Action | Actions]}.

over(Last, S) -> lists:foldl(fun act/2, S#s{state = closed}, Last).

failed(_, #s{orphan = true} = S) -> over([done], S);
failed(Reason, S) -> over([{failed, Reason}, done], S).

abort(_, #s{state = syn_sent} = S) -> over([done], S);
abort(_, S) -> abort_with(S#s{orphan = true}).

abort_with(#s{nxt = Nxt, next = Next} = S) ->
    failed(econnaborted, act({transmit, {?RST bor ?ACK, Nxt band ?MASK, Next band ?MASK, 0, [], <<>>}}, S)).

%% Who has closed first waits, without a process, for segments that are late (RFC 9293, 3.6; RFC 6191).
time_wait(#s{nxt = Nxt, next = Next, recent = Recent, stamps = Stamps, offset = Offset} = S) ->
    over([{time_wait, #{seq => Nxt band ?MASK, ack => Next band ?MASK, stamps => Stamps, recent => Recent,
                        offset => Offset, window => min(65535, S#s.room bsr S#s.own_scale)}}, done], S).
