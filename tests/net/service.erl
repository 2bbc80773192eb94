%% SPDX-License-Identifier: Apache-2.0
%% @doc Runs sections of tests/conf/sockets*.erl, over whatever sockets there are. On loom with LOOM_SOCKETS=service
%% those
%% are the stack's own. See tests/cli/netstack.
-module(service).
-export([run/3, start/0]).

start() ->
    {ok, Pid} = loom_net_sup:start_link(),
    unlink(Pid),
    ok.

run(Where, Module, Sections) ->
    process_flag(trap_exit, true),
    ok = case Where of service -> start(); host -> ok end,
    [begin
         io:format("--- ~s~n", [F]),
         try Module:F() of
             _ -> ok
         catch
             Class:Reason -> io:format("~p ~p~n", [Class, Reason])
         end,
         flush()
     end || F <- Sections],
    halt(0).

flush() -> receive _ -> flush() after 0 -> ok end.
