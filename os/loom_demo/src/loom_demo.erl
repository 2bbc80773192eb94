%% SPDX-License-Identifier: Apache-2.0
%% @doc The demonstrations: each shows one property of the system and tells what it does while it does it.
%%
%% In the shell of Loom: `loom_demo:fault().', `reload', `pipeline', `swarm', `triangle', or `all'. With build/loom
%% on Linux:
%% `make demo'. Each returns `ok', or exits with what did not hold; its last line is `demo NAME: ok'.
-module(loom_demo).

-export([all/0, fault/0, reload/0, pipeline/0, swarm/0, triangle/0, main/1]).
-export([title/2, say/1, say/2, micros/1, on_metal/0, quietly/1]).

-spec all() -> ok.
all() -> lists:foreach(fun run/1, [fault, reload, pipeline, swarm, triangle]).

-spec fault() -> ok.
fault() -> run(fault).
-spec reload() -> ok.
reload() -> run(reload).
-spec pipeline() -> ok.
pipeline() -> run(pipeline).
-spec swarm() -> ok.
swarm() -> run(swarm).
-spec triangle() -> ok.
triangle() -> run(triangle).

%% @doc For the command line: the named demonstrations, then the end of the machine with status 0, or 1.
-spec main([atom()]) -> no_return().
main(Names) ->
    try lists:foreach(fun run/1, Names) of
        ok -> halt(0)
    catch
        Class:Reason:Stack ->
            io:format("demo failed: ~p~n", [{Class, Reason, Stack}]),
            halt(1)
    end.

run(all) -> all();
run(Name) ->
    Module = module(Name),
    ok = Module:run(),
    io:format("demo ~s: ok~n", [Name]).

module(fault) -> loom_demo_fault;
module(reload) -> loom_demo_reload;
module(pipeline) -> loom_demo_pipeline;
module(swarm) -> loom_demo_swarm;
module(triangle) -> loom_demo_triangle.

%% --- for the demonstrations
%% ---------------------------------------------------------------------------------------------

-spec title(string(), string()) -> ok.
title(Name, What) -> io:format("~n== ~s: ~s~n", [Name, What]).

-spec say(string()) -> ok.
say(Text) -> say(Text, []).
-spec say(io:format(), [term()]) -> ok.
say(Format, Args) -> io:format("   " ++ Format ++ "~n", Args).

%% @doc A time in native units as text in microseconds.
-spec micros(integer()) -> string().
micros(Native) ->
    Nanos = erlang:convert_time_unit(Native, native, nanosecond),
    lists:flatten(io_lib:format("~.1f us", [Nanos / 1000])).

-spec on_metal() -> boolean().
on_metal() -> os:type() =:= {unix, loom}.

%% @doc Runs F without the reports that the logger would print in the middle of the transcript: what is killed here is
%% killed on purpose.
-spec quietly(fun(() -> T)) -> T.
quietly(F) ->
    #{level := Level} = logger:get_primary_config(),
    ok = logger:set_primary_config(level, none),
    try F()
    after ok = logger:set_primary_config(level, Level)
    end.
