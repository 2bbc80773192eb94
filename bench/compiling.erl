%% SPDX-License-Identifier: Apache-2.0
%% OTP's compiler: the largest program at hand, and what people wait for.
-module(compiling).
-behaviour(bench).
-export([programs/0, compile/1, source/1]).

programs() -> [{compile, 200}].

%% Scans, parses and compiles a generated module of about N lines; the result is its code chunk.
compile(N) ->
    Forms = forms(source(N)),
    {ok, generated, Beam} = compile:forms(Forms, [binary]),
    {ok, {generated, [{"Code", Code}]}} = beam_lib:chunks(Beam, ["Code"]),
    {byte_size(Code), erlang:md5(Code)}.

forms(Text) -> forms(erl_scan:tokens([], Text, 1), []).

forms({done, {ok, Tokens, Line}, Rest}, Forms) ->
    {ok, Form} = erl_parse:parse_form(Tokens),
    forms(erl_scan:tokens([], Rest, Line), [Form | Forms]);
forms({done, {eof, _}, _}, Forms) -> lists:reverse(Forms);
forms({more, Continuation}, Forms) -> forms(erl_scan:tokens(Continuation, eof, 1), Forms).

%% Functions of ten lines, each with what ordinary modules are made of.
-spec source(pos_integer()) -> string().
source(Lines) ->
    Count = max(1, (Lines - 2) div 10),
    Exports = lists:join(", ", [io_lib:format("f~b/2", [I]) || I <- lists:seq(1, Count)]),
    lists:flatten(["-module(generated).\n-export([", Exports, "]).\n" | [function(I) || I <- lists:seq(1, Count)]]).

function(I) ->
    io_lib:format(
        "f~b([], Acc) -> lists:reverse(Acc);~n"
        "f~b([{Key, Value} | Rest], Acc) when is_atom(Key), Value > ~b ->~n"
        "    New = case Value rem ~b of~n"
        "        0 -> #{key => Key, value => Value};~n"
        "        1 -> {Key, <<Value:16, (atom_to_binary(Key))/binary>>, \"text\"};~n"
        "        _ -> try f~b(Rest, [Key]) catch error:R -> {error, R} end~n"
        "    end,~n"
        "    f~b(Rest, [New, fun(X) -> {X, Key, ~b} end | Acc]);~n"
        "f~b([_ | Rest], Acc) -> f~b(Rest, [X * 2 || X <- Acc, is_integer(X)]).~n",
        [I, I, I, I + 2, I, I, I, I, I]).
