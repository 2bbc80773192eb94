%% SPDX-License-Identifier: Apache-2.0
%% Plays cases and tells what came of them. The same beam runs on erl and on loom; on loom it serves the driver
%% (diff.erl)
%% over standard input and output. A case:
%%
%%     {call, M, F, Args}                 one call
%%     {ets, Script} {procs, Script}      diff_ets, diff_procs
%%     {program, Module, Beam, Calls, _}  a module, and which of its functions to call
%%
%% Of each case a hash is kept: of result or exception (class, reason, the stack as far as the case reaches, with
%% arguments,
%% lines and error_info) as external term, as ~w and, of each fourth, as ~p and ~tp. `full` gives the outcome as text.
-module(diff_play).
-export([serve/0, hashes/1, full/1, outcome/1, limit/2, large/1, show/1]).

serve() ->
    logger:set_primary_config(level, none),
    Port = open_port({fd, 0, 1}, [{packet, 4}, binary, eof]),
    serve(Port).

serve(Port) ->
    receive
        {Port, {data, Bytes}} ->
            Reply = case binary_to_term(Bytes) of
                {hashes, Cases} -> hashes(Cases);
                {full, Case} -> full(Case)
            end,
            port_command(Port, term_to_binary(Reply)),
            serve(Port);
        {Port, eof} -> halt(0)
    end.

hashes(Cases) -> hashes(Cases, 0).

hashes([Case | More], I) -> [hash(outcome_of(Case), I rem 4 =:= 0) | hashes(More, I + 1)];
hashes([], _) -> [].

hash({died, killed}, _) -> too_much;
hash(Outcome, Pretty) ->
    Bytes = term_to_binary(Outcome, [deterministic]),
    Text = case byte_size(Bytes) < 20000 andalso not large(Outcome) of
        false -> [];
        true when Pretty -> [io_lib:write(Outcome) | pretty(Outcome)];
        true -> io_lib:write(Outcome)
    end,
    <<Hash:8/binary, _/binary>> = erlang:md5([Bytes, Text]),
    Hash.

pretty(Outcome) -> [unicode:characters_to_binary(io_lib:format(F, [Outcome])) || F <- ["~p", "~tp"]].

%% {Text, Key}: text for people, keys for the shrinker to compare.
full(Case) ->
    Outcome = outcome_of(Case),
    Bytes = term_to_binary(Outcome, [deterministic]),
    case byte_size(Bytes) < 20000 andalso not large(Outcome) of
        true ->
            Text = [io_lib:format(F, [Outcome]) || F <- ["~w~n", "~p~n", "~tp~n"]],
            Shown = unicode:characters_to_binary(Text),
            {Shown, erlang:md5([Shown, Bytes])};
        false -> {unicode:characters_to_binary(io_lib:format("~W~n", [Outcome, 60])), erlang:md5(Bytes)}
    end.

%% Printing goes through a large map in the order of its hashes.
outcome_of({call, io_lib, F, A}) ->
    case large(A) of
        true -> skip;
        false -> canon(outcome(fun() -> result(io_lib, F, apply(io_lib, F, A)) end))
    end;
outcome_of({call, M, F, A}) -> canon(outcome(fun() -> result(M, F, apply(M, F, A)) end));
outcome_of(skip) -> skip;
outcome_of({ets, Script}) -> alone(fun() -> diff_ets:play(Script) end);
outcome_of({procs, Script}) -> alone(fun() -> diff_procs:play(Script) end);
outcome_of({program, Module, Beam, Calls, _Source}) ->
    %% Only what the program is given twice to load can leave something behind: nothing does.
    {module, Module} = code:load_binary(Module, "", Beam),
    Outcome = alone(fun() -> [outcome(fun() -> apply(Module, F, A) end) || {F, A} <- Calls] end),
    code:purge(Module),
    code:delete(Module),
    code:purge(Module),
    Outcome.

%% For the machine that says what is right: what takes too long or too much is killed, and its hash is `too_much`.
limit(Milliseconds, Words) ->
    persistent_term:put(?MODULE, {Milliseconds, [{max_heap_size, #{size => Words, kill => true,
        error_logger => false}}]}).

%% In a process of its own, without what earlier cases left in the dictionary or the mailbox.
alone(Fun) ->
    {Time, Options} = persistent_term:get(?MODULE, {120000, []}),
    {P, R} = spawn_opt(fun() -> exit({outcome, canon(Fun())}) end, [monitor | Options]),
    receive
        {'DOWN', R, _, _, {outcome, Outcome}} -> Outcome;
        {'DOWN', R, _, _, Reason} -> canon({died, Reason})
    after Time ->
        exit(P, kill),
        receive {'DOWN', R, _, _, _} -> {died, killed} end
    end.

outcome(Fun) -> above(8, Fun).

%% A stack trace shows eight calls. Who called this, which differs between the two, is not among them.
above(0, Fun) -> [outcome_here(Fun)];
above(N, Fun) -> [Outcome] = [X || X <- above(N - 1, Fun)], case N of 8 -> Outcome; _ -> [Outcome] end.

outcome_here(Fun) ->
    try {value, Fun()}
    catch C:R:Stack -> {C, R, [frame(S) || S <- lists:takewhile(fun(S) -> element(1, S) =/= ?MODULE end, Stack)]}
    end.

%% What a function promises to give in no order, in order.
result(M, F, R) when is_list(R) ->
    case unordered(M, F) of
        true -> sorted(R);
        false -> R
    end;
result(erlang, term_to_binary, R) -> {byte_size(R), binary_to_term(R)};
result(_, _, R) -> R.

unordered(maps, F) -> lists:member(F, [to_list, keys, values]);
unordered(sets, F) -> F =:= to_list;
unordered(proplists, F) -> F =:= get_keys;
unordered(erlang, F) -> F =:= term_to_iovec;
unordered(_, _) -> false.

sorted(L) ->
    try [X || {_, X} <- lists:sort([{erlang:phash2(X), X} || X <- L])]
    catch error:_ -> L
    end.

frame({M, F, A, Location}) -> {M, F, A, [{K, V} || {K, V} <- Location, K =/= file]};
frame(Other) -> Other. % made by erlang:raise/3

large(M) when is_map(M) -> map_size(M) > 32 orelse large(maps:to_list(M));
large(T) when is_tuple(T) -> large(tuple_to_list(T));
large([H | T]) -> large(H) orelse large(T);
large(_) -> false.

%% For programs: as ~w, unless a map's order would show.
show(T) ->
    case large(T) of
        true -> "large";
        false -> lists:flatten(io_lib:format("~w", [T]))
    end.

%% Without what names this run: local funs, processes, references, ports.
canon(T) when is_tuple(T) -> list_to_tuple(canon_list(tuple_to_list(T)));
canon([_ | _] = L) -> canon_list(L);
canon(M) when is_map(M) ->
    %% No new map when nothing changes: a map is what is tested.
    case identity(maps:to_list(M)) of
        true -> {'$map', sorted([{canon(K), canon(V)} || {K, V} <- maps:to_list(M)])};
        false -> M
    end;
canon(P) when is_pid(P), node(P) =:= node() -> '$pid';
canon(P) when is_port(P), node(P) =:= node() -> '$port';
canon(R) when is_reference(R), node(R) =:= node() -> '$ref';
canon(F) when is_function(F) ->
    Info = fun(Item) -> element(2, erlang:fun_info(F, Item)) end,
    case Info(type) of
        external -> F;
        local -> {'$fun', Info(module), Info(index), Info(arity), Info(new_uniq), canon(Info(env))}
    end;
canon(T) when is_pid(T); is_port(T); is_reference(T) -> {'$foreign', term_to_binary(T)};
canon(T) -> T.

canon_list([H | T]) -> [canon(H) | canon_list(T)];
canon_list([]) -> [];
canon_list(T) -> canon(T).

identity([H | T]) -> identity(H) orelse identity(T);
identity(T) when is_tuple(T) -> identity(tuple_to_list(T));
identity(M) when is_map(M) -> identity(maps:to_list(M));
identity(T) -> (is_pid(T) orelse is_port(T) orelse is_reference(T) orelse is_function(T)).
