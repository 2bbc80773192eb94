%% SPDX-License-Identifier: Apache-2.0
%% @doc The process of a listening socket: answers SYNs. It keeps a process for as many connections that are half open
%% as
%% the backlog says; a flood of more is answered with cookies, which cost nothing to remember.
-module(loom_net_listener).
-behaviour(gen_server).

-export([start_link/5]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-define(LEAST_HALF_OPEN, 64).
-define(COOKIE_LIFE, 130). % seconds after the last one in which they are looked at
-define(SYN, 2).
-define(ACK, 16).
-define(RST, 4).

-record(l, {id :: integer(),
            place :: {loom_net_ip:ip(), 0..65535},
            limit :: pos_integer(),
            settings :: [{atom(), integer()}],
            half_open = #{} :: #{pid() => reference()},
            cookies = none :: integer() | none}). % when the last went out

%% @doc `Local': {Ip, Port}; `Only6': IPv4 does not come here.
-spec start_link(integer(), {loom_net_ip:ip(), 0..65535}, boolean(), pos_integer(), [{atom(), integer()}]) ->
    {ok, pid()} | {error, term()}.
start_link(Id, Local, Only6, Backlog, Settings) ->
    gen_server:start_link(?MODULE, {Id, Local, Only6, Backlog, Settings}, []).

init({Id, Local, Only6, Backlog, Settings}) ->
    process_flag(trap_exit, true),
    true = ets:insert(loom_net_listeners, {Local, self(), Only6}),
    {ok, #l{id = Id, place = Local, limit = max(Backlog, ?LEAST_HALF_OPEN), settings = Settings}}.

handle_call(Request, _From, _L) -> error({unexpected_call, Request}).
handle_cast(Request, _L) -> error({unexpected_cast, Request}).

handle_info({syn, Key, Segment}, #l{half_open = HalfOpen, limit = Limit} = L) when map_size(HalfOpen) < Limit ->
    {noreply, begins({accept, {L#l.id, self()}, Key, Segment, L#l.settings}, L)};
handle_info({syn, Key, {_, Seq, _, _, Options, _}}, L) ->
    Mss = proplists:get_value(mss, Options, 536),
    Cookie = loom_net_cookie:make(Key, Seq, max(536, Mss)),
    Answer = {?SYN bor ?ACK, Cookie, (Seq + 1) band 16#ffffffff, 65535, [{mss, 1440}], <<>>},
    ok = loom_net_output:reply(Key, Answer),
    {noreply, L#l{cookies = erlang:monotonic_time(second)}};
handle_info({ack, Key, Segment}, L) ->
    case ets:lookup(loom_net_connections, Key) of
        [{_, Pid}] when is_pid(Pid) -> % it has begun since
            Pid ! {segments, [Segment]},
            {noreply, L};
        _ -> {noreply, acknowledged(Key, Segment, L)}
    end;
handle_info({established, Pid}, L) -> {noreply, no_longer(Pid, L)};
handle_info({'DOWN', _, process, Pid, _}, L) -> {noreply, no_longer(Pid, L)};
handle_info({'EXIT', _, Reason}, L) -> {stop, Reason, L}.

acknowledged(Key, {_, Seq, Ack, _, _, _} = Segment, L) ->
    case are_about(L) andalso loom_net_cookie:check(Key, (Seq - 1) band 16#ffffffff, (Ack - 1) band 16#ffffffff) of
        {ok, Mss} -> begins({resume, {L#l.id, self()}, Key, Segment, Mss, L#l.settings}, L);
        _ ->
            ok = loom_net_output:reply(Key, {?RST, Ack, 0, 0, [], <<>>}),
            L
    end.

are_about(#l{cookies = none}) -> false;
are_about(#l{cookies = At}) -> erlang:monotonic_time(second) - At < ?COOKIE_LIFE.

begins(Start, #l{half_open = HalfOpen} = L) ->
    case loom_net_connection_sup:start_child(Start) of
        {ok, Pid} -> L#l{half_open = HalfOpen#{Pid => monitor(process, Pid)}};
        _ -> L % the same SYN again, its connection is there
    end.

no_longer(Pid, #l{half_open = HalfOpen} = L) ->
    case HalfOpen of
        #{Pid := Ref} ->
            true = demonitor(Ref, [flush]),
            L#l{half_open = maps:remove(Pid, HalfOpen)};
        _ -> L
    end.

%% When all of the core ends, the table may be gone already.
terminate(_Reason, #l{place = Place}) ->
    ets:whereis(loom_net_listeners) =/= undefined andalso
        ets:match_delete(loom_net_listeners, {Place, self(), '_'}).
