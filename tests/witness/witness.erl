%% SPDX-License-Identifier: Apache-2.0
%% Compiles every module of some applications from source, on whatever machine runs it: DIR/App/Module.beam each, or
%% Module.errors where the compiler refuses. The results of two machines are to be the same bytes.
-module(witness).
-export([main/1]).

main([Dir, Word | Apps]) ->
    Begin = erlang:monotonic_time(millisecond),
    Counts = [application(list_to_atom(A), Dir, Word) || A <- Apps],
    Seconds = (erlang:monotonic_time(millisecond) - Begin) / 1000,
    io:format("~b modules in ~.1f s~n", [lists:sum(Counts), Seconds]),
    erlang:halt(0).

application(App, Dir, Word) ->
    Lib = code:lib_dir(App),
    Out = filename:join(Dir, atom_to_list(App)),
    ok = filelib:ensure_dir(filename:join(Out, "x")),
    Sources = [S || S <- lists:sort(filelib:wildcard(filename:join(Lib, "src/**/*.erl"))),
                    string:find(filename:basename(S), Word) =/= nomatch],
    [ok = module(S, Lib, Out) || S <- Sources],
    length(Sources).

%% Warnings and errors are results too.
module(Source, Lib, Out) ->
    Includes = [filename:dirname(Source), filename:join(Lib, "include") |
                [filename:join(code:lib_dir(A), "include") || A <- [kernel, stdlib]]],
    Options = [binary, debug_info, return, {d, 'COMPILER_VSN', "witness"} | [{i, I} || I <- Includes]],
    Base = filename:join(Out, filename:basename(Source, ".erl")),
    case compile:file(Source, Options) of
        {ok, _, Beam, Warnings} ->
            ok = file:write_file(Base ++ ".beam", Beam),
            file:write_file(Base ++ ".warnings", io_lib:format("~p~n", [Warnings]));
        {error, Errors, Warnings} ->
            file:write_file(Base ++ ".errors", io_lib:format("~p~n~p~n", [Errors, Warnings]))
    end.
