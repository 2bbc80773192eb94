%% SPDX-License-Identifier: Apache-2.0
%% @doc Tells OTP's resolver (`inet_db', `inet_res') which name servers there are. `inet_db' starts after the stack and
%% may start again: it is told each time.
-module(loom_net_resolver).
-behaviour(gen_server).

-export([start_link/0, configure/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(RETRY_MS, 100).
-record(s, {servers = [] :: [loom_net_ip:ip()], domains = [] :: [string()], monitor = none :: reference() | none}).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

-spec configure([loom_net_ip:ip()], [string()]) -> ok.
configure(Servers, Domains) -> gen_server:cast(?MODULE, {configure, Servers, Domains}).

init([]) -> {ok, apply_to(#s{})}.

handle_call(Request, _From, _S) -> error({unexpected_call, Request}).

handle_cast({configure, Servers, Domains}, S) -> {noreply, apply_to(S#s{servers = Servers, domains = Domains})}.

handle_info(retry, S) -> {noreply, apply_to(S)};
handle_info({'DOWN', Ref, process, _, _}, #s{monitor = Ref} = S) -> {noreply, apply_to(S#s{monitor = none})}.

apply_to(S) ->
    case whereis(inet_db) of
        undefined ->
            erlang:send_after(?RETRY_MS, self(), retry),
            S;
        Pid ->
            try tell(S) of
                ok when S#s.monitor =:= none -> S#s{monitor = monitor(process, Pid)};
                ok -> S
            catch
                exit:_ -> % it has died meanwhile
                    erlang:send_after(?RETRY_MS, self(), retry),
                    S
            end
    end.

tell(#s{servers = Servers, domains = Domains}) ->
    ok = inet_db:set_lookup([file, dns]),
    [inet_db:del_ns(Ip) || {Ip, 53} <- inet_db:res_option(nameservers)],
    [inet_db:ins_ns(tuple(Ip)) || Ip <- lists:reverse(Servers)],
    [inet_db:add_search(Domain) || Domain <- Domains, not lists:member(Domain, inet_db:res_option(search))],
    ok.

tuple(<<A, B, C, D>>) -> {A, B, C, D};
tuple(Ip) -> list_to_tuple([W || <<W:16>> <= Ip]).
