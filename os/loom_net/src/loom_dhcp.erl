%% SPDX-License-Identifier: Apache-2.0
%% @doc The client's side of DHCP (RFC 2131, 2132) as a state machine without process or clock. Times are milliseconds.
-module(loom_dhcp).

-export([start/3, message/3, timeout/2, deadline/1]).
-export_type([t/0, action/0, lease/0]).

-define(COOKIE, 16#63825363).
-define(DISCOVER, 1).
-define(OFFER, 2).
-define(REQUEST, 3).
-define(ACK, 5).
-define(NAK, 6).
-define(FIRST_MS, 1000).
-define(MOST_MS, 32000).
-define(REQUESTS, 4).

-type ip() :: <<_:32>>.
-type lease() :: #{address := ip(), prefix := 0..32, routers := [ip()], servers := [ip()], domain := string(),
                   server := ip(), lease_ms := pos_integer()}.
%% `send': to everybody from no address, or from ours to the server.
-type action() :: {send, everybody | {From :: ip(), Server :: ip()}, binary()} | {configured, lease()} | lost.

-record(d, {mac :: <<_:48>>,
            xid :: 0..16#ffffffff,
            state = selecting :: selecting | requesting | bound | renewing | rebinding,
            lease = none :: lease() | none,      % offered or held
            since :: integer(),
            at :: integer(),
            wait = ?FIRST_MS :: pos_integer(),
            tries = 0 :: non_neg_integer(),
            bound_at = 0 :: integer()}).
-opaque t() :: #d{}.

-spec start(<<_:48>>, 0..16#ffffffff, integer()) -> {[action()], t()}.
start(Mac, Xid, Now) -> discover(Now, #d{mac = Mac, xid = Xid, since = Now, at = Now}).

-spec deadline(t()) -> integer().
deadline(#d{at = At}) -> At.

discover(Now, #d{wait = Wait} = D) ->
    New = D#d{state = selecting, lease = none, at = Now + Wait, wait = min(?MOST_MS, Wait * 2)},
    {[{send, everybody, bytes(?DISCOVER, <<0:32>>, [], Now, New)}], New}.

request(Now, #d{lease = #{address := Ip, server := Server}, wait = Wait} = D) ->
    New = D#d{state = requesting, at = Now + Wait, wait = min(?MOST_MS, Wait * 2), tries = D#d.tries + 1},
    {[{send, everybody, bytes(?REQUEST, <<0:32>>, [{50, Ip}, {54, Server}], Now, New)}], New}.

%% @doc The time has come to ask again, or to give up.
-spec timeout(integer(), t()) -> {[action()], t()}.
timeout(Now, #d{at = At} = D) when Now < At -> {[], D};
timeout(Now, #d{state = selecting} = D) -> discover(Now, D);
timeout(Now, #d{state = requesting, tries = Tries} = D) when Tries < ?REQUESTS -> request(Now, D);
timeout(Now, #d{state = requesting} = D) -> discover(Now, D#d{tries = 0, wait = ?FIRST_MS});
timeout(Now, #d{lease = #{lease_ms := Life}, bound_at = Bound} = D) when Now >= Bound + Life ->
    {Actions, New} = discover(Now, D#d{since = Now, wait = ?FIRST_MS}),
    {[lost | Actions], New};
timeout(Now, #d{lease = #{lease_ms := Life, address := Ip, server := Server}, bound_at = Bound} = D) ->
    {State, To, Next} = case Now < Bound + Life * 7 div 8 of
                            true -> {renewing, {Ip, Server}, Bound + Life * 7 div 8};
                            false -> {rebinding, everybody, Bound + Life}
                        end,
    %% Half of what is left, but not every moment (RFC 2131, 4.4.5).
    New = D#d{state = State, at = Now + min(Next - Now, max(60000, (Next - Now) div 2)), since = Now},
    {[{send, To, bytes(?REQUEST, Ip, [], Now, New)}], New}.

%% @doc A server's message.
-spec message(binary(), integer(), t()) -> {[action()], t()}.
message(<<2, 1, 6, _, Xid:32, _:8/binary, Ip:4/binary, _:8/binary, Mac:6/binary, _:202/binary, ?COOKIE:32,
        Options/binary>>,
        Now, #d{xid = Xid, mac = Mac} = D) ->
    answer(options(Options), binary:copy(Ip), Now, D);
message(_, _, D) -> {[], D}.

answer(#{53 := <<?OFFER>>, 54 := <<_:32>>} = O, Ip, Now, #d{state = selecting} = D) ->
    request(Now, D#d{lease = lease(O, Ip), wait = ?FIRST_MS, tries = 0});
answer(#{53 := <<?ACK>>} = O, Ip, Now, #d{state = State, lease = Old} = D) when State =/= selecting, State =/= bound ->
    Lease = lease(maps:merge(#{54 => maps:get(server, Old)}, O), Ip),
    Life = maps:get(lease_ms, Lease),
    {[{configured, Lease}],
     D#d{state = bound, lease = Lease, bound_at = Now, at = Now + Life div 2, wait = ?FIRST_MS, tries = 0}};
answer(#{53 := <<?NAK>>}, _, Now, #d{state = State} = D) when State =/= selecting, State =/= bound ->
    {Actions, New} = discover(Now, D#d{since = Now, wait = ?FIRST_MS, tries = 0}),
    {[lost | Actions], New};
answer(_, _, _, D) -> {[], D}.

lease(O, Ip) ->
    <<Mask:32>> = maps:get(1, O, <<255, 255, 255, 0>>),
    <<Seconds:32>> = maps:get(51, O, <<3600:32>>),
    #{address => Ip, prefix => length([1 || <<1:1>> <= <<Mask:32>>]), routers => ips(3, O), servers => ips(6, O),
      domain => string:trim(binary_to_list(maps:get(15, O, <<>>)), trailing, [0]), server => maps:get(54, O),
      lease_ms => max(60, min(Seconds, 10000000)) * 1000}.

ips(Code, O) -> [<<Ip:32>> || <<Ip:32>> <= maps:get(Code, O, <<>>)].

options(Bytes) -> options(Bytes, #{}).

options(<<0, Rest/binary>>, O) -> options(Rest, O);
options(<<255, _/binary>>, O) -> sane(O);
options(<<Code, Size, Value:Size/binary, Rest/binary>>, O) -> options(Rest, O#{Code => binary:copy(Value)});
options(_, O) -> sane(O).

%% Options of a wrong size are as good as none.
sane(O) -> maps:filter(fun(Code, Value) -> not lists:member(Code, [1, 51, 54]) orelse byte_size(Value) =:= 4 end, O).

bytes(Kind, Ip, Options, Now, #d{mac = Mac, xid = Xid, since = Since}) ->
    Seconds = min(65535, (Now - Since) div 1000),
    All = [{53, <<Kind>>}, {61, <<1, Mac/binary>>}, {12, <<"loom">>}, {55, <<1, 3, 6, 15, 51, 54>>} | Options],
    OptionBytes = << <<Code, (byte_size(Value)), Value/binary>> || {Code, Value} <- All >>,
    Message = <<1, 1, 6, 0, Xid:32, Seconds:16, 0:16, Ip/binary, 0:96, Mac/binary, 0:202/unit:8, ?COOKIE:32,
                OptionBytes/binary, 255>>,
    Pad = max(0, 300 - byte_size(Message)),
    <<Message/binary, 0:Pad/unit:8>>.
