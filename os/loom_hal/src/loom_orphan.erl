%% SPDX-License-Identifier: Apache-2.0
%% @doc How supervisors start children that have a name. A supervisor starts one only when it has none: so whoever has
%% the name then is left over from a supervisor that was killed, and is on its way out, which may take it long (a volume
%% writes what it has). Waiting for that would use up the restarts that its supervisor may have; so it is ended now.
-module(loom_orphan).

-export([child/1, child/2, start/2]).

%% @doc The specification of a child that is its module's name.
-spec child(module()) -> supervisor:child_spec().
child(Module) -> child(Module, {Module, start_link, []}).

-spec child(atom(), {module(), atom(), [term()]}) -> supervisor:child_spec().
child(Name, {Module, _, _} = Start) ->
    #{id => Name, start => {?MODULE, start, [Name, Start]}, modules => [Module]}.

-spec start(atom(), {module(), atom(), [term()]}) -> term().
start(Name, {M, F, A}) ->
    case whereis(Name) of
        undefined -> ok;
        Pid ->
            Ref = monitor(process, Pid),
            exit(Pid, kill),
            receive {'DOWN', Ref, process, Pid, _} -> ok end
    end,
    apply(M, F, A).
