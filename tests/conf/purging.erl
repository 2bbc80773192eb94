%% SPDX-License-Identifier: Apache-2.0
%% Calls of a fun whose code is being purged wait for how that ends; the name of a fun is known while its code is there.
-module(purging).
-export([main/0]).

main() ->
    [io:format("~p: ~p~n", [How, purge(How)]) || How <- [there, gone, reloaded]].

forms() ->
    X = {var, 3, 'X'},
    Fun = {'fun', 3, {clauses, [{clause, 3, [{var, 3, 'Y'}], [], [{tuple, 3, [X, {var, 3, 'Y'}]}]}]}},
    [{attribute, 1, module, purging_m}, {attribute, 2, export, [{get, 1}, {sleep, 0}]},
     {function, 3, get, 1, [{clause, 3, [X], [], [Fun]}]},
     {function, 4, sleep, 0, [{clause, 4, [], [], [{'receive', 4, [{clause, 4, [{atom, 4, wake}], [],
                                                                     [{atom, 4, woken}]}]},
                                                   {atom, 5, done}]}]}].

purge(How) ->
    {ok, M, Code} = compile:forms(forms(), []),
    {module, M} = code:load_binary(M, "m", Code),
    F = M:get(1),
    Sleeper = element(1, spawn_monitor(fun() -> exit(M:sleep()) end)),
    receive after 20 -> ok end,
    true = erlang:delete_module(M),
    Before = erlang:fun_info(F, name),
    Ref = make_ref(),
    erts_code_purger ! {test_purge, M, self(), How =/= there, Ref},
    receive {started, Ref} -> ok end,
    During = erlang:fun_info(F, name),
    Callers = [spawn_monitor(fun() -> exit({called, apply(F, [N])}) end) || N <- [2, 3]],
    Killed = element(1, spawn_monitor(fun() -> F(4) end)),
    [suspended(P) || P <- [Killed | [P || {P, _} <- Callers]]],
    Where = [process_info(P, [current_function, status]) || {P, _} <- Callers],
    exit(Killed, kill),
    Gone = receive {'DOWN', _, _, Killed, R} -> R end,
    erts_code_purger ! {continue, Ref},
    receive {continued, Ref} -> ok end,
    How =:= reloaded andalso code:load_binary(M, "m", Code),
    erts_code_purger ! {complete, Ref},
    Purged = receive {test_purge, Res, Ref} -> Res end,
    Sleeper ! wake,
    Slept = receive {'DOWN', _, _, Sleeper, S} -> S end,
    Answers = [receive {'DOWN', Mon, _, P, A} -> answer(A) end || {P, Mon} <- Callers],
    After = erlang:fun_info(F, name),
    code:purge(M),
    code:delete(M),
    code:purge(M),
    {Before, During, Where, Gone, Purged, Slept, Answers, After, erlang:fun_info(F, name)}.

answer({called, Value}) -> Value;
answer({Why, [_ | _]}) -> Why.

suspended(P) ->
    case process_info(P, status) of
        {status, suspended} -> ok;
        _ -> receive after 5 -> suspended(P) end
    end.
