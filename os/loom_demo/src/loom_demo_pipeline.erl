%% SPDX-License-Identifier: Apache-2.0
%% @doc Source becomes a running program inside the system: OTP's own compiler, the loader, the first call.
-module(loom_demo_pipeline).

-export([run/0]).
-import(loom_demo, [say/1, say/2]).

-define(HELLO, loom_demo_hello).

-spec run() -> ok.
run() ->
    loom_demo:title("pipeline", "source -> compiler -> .beam -> loader -> run, all inside"),
    Dir = directory(),
    Source = filename:join(Dir, "loom_demo_hello.erl"),
    ok = file:write_file(Source, source()),
    say("wrote ~s (~b bytes):", [Source, length(source())]),
    [say("| ~s", [Line]) || Line <- string:lexemes(source(), "\n")],
    {Compile, {ok, ?HELLO}} = timer:tc(compile, file, [Source, [{outdir, Dir}, debug_info]]),
    Beam = filename:join(Dir, "loom_demo_hello.beam"),
    {ok, Bytes} = file:read_file(Beam),
    {ok, {?HELLO, Md5}} = beam_lib:md5(Bytes),
    say("compiled in ~b ms: ~s, ~b bytes, MD5 ~s", [Compile div 1000, Beam, byte_size(Bytes), hex(Md5)]),
    {ok, ?HELLO, Chunks} = beam_lib:all_chunks(Bytes),
    say("chunks: ~s", [lists:join(" ", [io_lib:format("~s:~b", [N, byte_size(C)]) || {N, C} <- Chunks])]),
    {Load, {module, ?HELLO}} = timer:tc(code, load_binary, [?HELLO, Beam, Bytes]),
    Md5 = ?HELLO:module_info(md5),
    say("loaded in ~b us; the loaded module has the same MD5.", [Load]),
    {Run, Answer} = timer:tc(?HELLO, fib, [20]),
    6765 = Answer,
    say("loom_demo_hello:fib(20) = ~b in ~b us", [Answer, Run]),
    "Hello from code that was text a moment ago" = Greeting = ?HELLO:greeting(),
    say("loom_demo_hello:greeting() = ~p", [Greeting]),
    {error, badfile} = quiet_load(binary:part(Bytes, 0, byte_size(Bytes) div 2)),
    say("half of the same .beam is refused: {error, badfile}."),
    true = code:delete(?HELLO),
    _ = code:purge(?HELLO),
    ok = file:delete(Source),
    ok = file:delete(Beam).

quiet_load(Bytes) -> loom_demo:quietly(fun() -> code:load_binary(?HELLO, "half", Bytes) end).

directory() ->
    case loom_demo:on_metal() of
        true -> "/home";
        false -> os:getenv("TMPDIR", "/tmp")
    end.

hex(Bin) -> [io_lib:format("~2.16.0b", [B]) || <<B>> <= Bin].

source() ->
    "-module(loom_demo_hello).\n"
    "-export([fib/1, greeting/0]).\n"
    "fib(N) when N < 2 -> N;\n"
    "fib(N) -> fib(N - 1) + fib(N - 2).\n"
    "greeting() -> \"Hello from code that was text a moment ago\".\n".
