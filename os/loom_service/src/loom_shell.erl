%% SPDX-License-Identifier: Apache-2.0
%% @doc Keeps a shell there. OTP starts `user' (with `user_drv', the shell and the line editor) once, as a temporary
%% child of `kernel_sup'; when that chain dies, on a machine with nothing else to log in through, this starts it again.
-module(loom_shell).
-behaviour(gen_server).

-export([start_link/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(LOOK_MS, 100).

-type state() :: waiting | {watching, reference()}.

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

-spec init([]) -> {ok, state()}.
init([]) -> {ok, look()}.

handle_call(Request, _From, _State) -> error({unexpected_call, Request}).
handle_cast(Request, _State) -> error({unexpected_cast, Request}).

handle_info(look, waiting) -> {noreply, look()};
handle_info({'DOWN', Ref, process, _, _}, {watching, Ref}) ->
    _ = restart(init:get_status()),
    {noreply, look()};
handle_info(_Late, State) -> {noreply, State}.

%% The line editor's process, or the plain `user' where there is none. At boot OTP starts it in its own time.
look() ->
    case watched() of
        undefined ->
            erlang:send_after(?LOOK_MS, self(), look),
            waiting;
        Pid -> {watching, erlang:monitor(process, Pid)}
    end.

watched() ->
    case whereis(user_drv) of
        undefined -> whereis(user);
        Pid -> Pid
    end.

%% As user_sup does it. (user_sup itself takes a second to see its child gone, and would not start another.)
restart({started, _}) ->
    case init:get_argument(noshell) of
        {ok, _} -> user:start();
        error -> user_drv:start()
    end;
restart(_StoppingOrStarting) -> none.
