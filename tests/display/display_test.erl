%% SPDX-License-Identifier: Apache-2.0
%% @doc Tests of the display service. See tests/cli/display.
-module(display_test).
-export([run/2]).

%% @doc Each test in a process of its own, with a time limit; then the end of the machine.
run(Group, Tests) ->
    ok = logger:set_primary_config(level, none),
    halt(length([Name || {Name, F} <- Tests, not passes(Group, Name, F)])).

passes(Group, Name, F) ->
    {Pid, Ref} = spawn_monitor(F),
    receive
        {'DOWN', Ref, process, Pid, normal} ->
            io:format("ok ~s/~s~n", [Group, Name]),
            true;
        {'DOWN', Ref, process, Pid, Reason} ->
            io:format("FAIL ~s/~s ~0P~n", [Group, Name, Reason, 60]),
            false
    after 60000 ->
        exit(Pid, kill),
        io:format("FAIL ~s/~s no end after 60 s~n", [Group, Name]),
        false
    end.
