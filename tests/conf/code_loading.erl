%% SPDX-License-Identifier: Apache-2.0
%% Code: compiling from forms, loading, two versions at once, purge, on_load, bad files, module_info.
-module(code_loading).
-export([main/0]).

p(Tag, Value) -> io:format("~p: ~p~n", [Tag, Value]).
try_(F) -> try F() catch C:R -> {C, R} end.

make(Source) ->
    {ok, Ts, _} = erl_scan:string(Source),
    Forms = [begin {ok, F} = erl_parse:parse_form(Form), F end || Form <- split(Ts, [])],
    {ok, M, Bin} = compile:forms(Forms, []),
    {M, Bin}.
split([], []) -> [];
split([{dot, _} = D | Ts], Acc) -> [lists:reverse([D | Acc]) | split(Ts, [])];
split([T | Ts], Acc) -> split(Ts, [T | Acc]).

load(Source) -> {M, Bin} = make(Source), code:load_binary(M, "nofile", Bin).

main() ->
    p(load, load("-module(cl_m). -export([v/0, loop/0, f/1]). v() -> 1. loop() -> receive {v, P} -> P ! v(), loop(); up -> cl_m:loop() end. f(X) -> fun(Y) -> X + Y end.")),
    p(call, {cl_m:v(), code:is_loaded(cl_m), erlang:module_loaded(cl_m), erlang:function_exported(cl_m, v, 0)}),
    F = cl_m:f(10),
    P = spawn(cl_m, loop, []),
    ask(P),
    p(load2, load("-module(cl_m). -export([v/0, loop/0, f/1]). v() -> 2. loop() -> receive {v, P} -> P ! v(), loop(); up -> cl_m:loop() end. f(X) -> fun(Y) -> X - Y end.")),
    p(new, cl_m:v()), ask(P), p(old_fun, F(5)),
    p(old, erlang:check_old_code(cl_m)),
    p(check, {erlang:check_process_code(P, cl_m), erlang:check_process_code(self(), cl_m)}),
    P ! up, ask(P),
    p(check2, erlang:check_process_code(P, cl_m)),
    p(soft_purge, code:soft_purge(cl_m)),
    keep(F),
    R = monitor(process, P),
    p(load3, load("-module(cl_m). -export([v/0]). v() -> 3.")),
    p(purge, code:purge(cl_m)),
    p(killed, receive {'DOWN', R, _, _, W} -> W after 1000 -> alive end),
    p(gone, {try_(fun() -> cl_m:loop() end), erlang:function_exported(cl_m, loop, 0)}),
    p(delete, {code:delete(cl_m), code:purge(cl_m), code:is_loaded(cl_m), try_(fun() -> cl_m:v() end)}),
    on_load(), bad(), info(), big().

keep(_) -> ok.
ask(P) -> P ! {v, self()}, receive V -> p(process, V) after 1000 -> p(process, none) end.

on_load() ->
    p(on_load, load("-module(cl_ol). -export([v/0]). -on_load(init/0). init() -> put(ran, yes), persistent_term:put(cl_ol, yes), ok. v() -> persistent_term:get(cl_ol).")),
    p(ran, cl_ol:v()),
    error_logger:tty(false), logger:set_primary_config(level, none),
    p(fails, load("-module(cl_of). -export([v/0]). -on_load(init/0). init() -> no. v() -> 1.")),
    p(undef, try_(fun() -> cl_of:v() end)),
    logger:set_primary_config(level, notice).

bad() ->
    {M, Bin} = make("-module(cl_b). -export([v/0]). v() -> {literal, [\"in\", #{a => 1}]}."),
    logger:set_primary_config(level, none),
    p(garbage, [code:load_binary(M, "x", B) || B <- [<<>>, <<"FOR1">>, <<"garbage">>, binary:part(Bin, 0, 100), binary:part(Bin, 0, byte_size(Bin) - 20),
                                                    zlib:gzip(<<"no">>)]]),
    p(wrong_name, code:load_binary(cl_other, "x", Bin)),
    p(gzip, code:load_binary(M, "x", zlib:gzip(Bin))),
    p(ok, cl_b:v()),
    p(sticky, code:load_binary(lists, "x", Bin)),
    logger:set_primary_config(level, notice),
    p(nofile, {code:load_file(no_such_module_x), code:ensure_loaded(no_such_module_x), try_(fun() -> no_such_module_x:f() end)}),
    code:purge(M).

info() ->
    {M, Bin} = make("-module(cl_i). -export([a/0, b/2]). -vsn(7). -author(me). a() -> l(). b(_, _) -> fun(X) -> X end. l() -> 1."),
    {module, M} = code:load_binary(M, "x", Bin),
    p(exports, lists:sort(M:module_info(exports))),
    p(functions, lists:sort(M:module_info(functions))),
    p(attributes, M:module_info(attributes)),
    p(md5, M:module_info(md5) =:= element(2, element(2, beam_lib:md5(Bin)))),
    p(keys, [K || {K, _} <- M:module_info()]),
    p(nifs, [lists:sort(N:module_info(nifs)) || N <- [M, lists, prim_buffer, zlib]]), p(native, M:module_info(native)),
    p(chunks, element(1, beam_lib:chunks(Bin, [abstract_code, attributes]))),
    p('fun', [erlang:fun_info(M:b(1, 2), K) || K <- [module, arity, env, type]]),
    p(ext, erlang:fun_info(fun lists:map/2)).

big() ->
    Fs = [io_lib:format("f~b(~b) -> {~b, f~b(~b)}; f~b(X) -> X + ~b. ", [I, I, I, (I + 1) rem 300, I + 1, I, I]) || I <- lists:seq(0, 299)],
    p(big, load(lists:flatten(["-module(cl_big). -export([f0/1]). ", Fs]))),
    p(result, {cl_big:f0(-5), element(1, cl_big:f0(0))}).
