%% SPDX-License-Identifier: Apache-2.0
%% The input: options for compiling and for running, a pattern, the subject. What matches lies within the
%% subject, and a pattern that is compiled first says the same as one that is not.
-module(fuzz_re).
-export([run/1]).

run(<<C:24, R:16, Offset:6, Type:4, Size:6, Rest/binary>>) when byte_size(Rest) >= Size ->
    <<Pattern:Size/binary, Subject/binary>> = Rest,
    Compile = picked(C, compile_options()),
    Run = type(Type) ++ picked(R, [{offset, Offset} | run_options()]),
    case called(fun() -> re:compile(Pattern, Compile) end) of
        {ok, Compiled} ->
            _ = called(fun() -> re:inspect(Compiled, namelist) end),
            Index = called(fun() -> re:run(Subject, Compiled, Run) end),
            within(Index, byte_size(Subject)),
            Again = called(fun() -> re:run(Subject, Pattern, Compile ++ Run) end),
            same(Index, Again, {Pattern, Compile, Subject, Run});
        _ ->
            ok
    end;
run(_) ->
    ok.

called(F) ->
    try F() catch error:Why -> {raised, Why} end.

same(Same, Same, _) -> ok;
same({match, [R1 | _]}, {match, [R2 | _]}, _) when is_reference(R1), is_reference(R2) -> ok;
same({raised, _}, _, _) -> ok;
same(_, {raised, _}, _) -> ok; %% an option that only one of them takes
same(A, B, Input) ->
    erlang:display({A, B, Input}),
    halt(1).

within({match, Captured}, Size) when is_list(Captured) -> [part(P, Size) || P <- Captured];
within(_, _) -> ok.

part({-1, 0}, _) -> ok;
part({S, L}, Size) when is_integer(S), is_integer(L) ->
    case S >= 0 andalso L >= 0 andalso S + L =< Size of
        true -> ok;
        false ->
            erlang:display({S, L, Size}),
            halt(1)
    end;
part(_, _) -> ok.

picked(0, _) -> [];
picked(_, []) -> [];
picked(N, [O | Os]) when N band 1 =:= 1 -> [O | picked(N bsr 1, Os)];
picked(N, [_ | Os]) -> picked(N bsr 1, Os).

compile_options() ->
    [caseless, multiline, dotall, extended, unicode, anchored, dollar_endonly, firstline, ungreedy,
     no_auto_capture, dupnames,
     {newline, cr}, {newline, lf}, {newline, crlf}, {newline, any}, {newline, anycrlf}, bsr_anycrlf,
      bsr_unicode, no_start_optimize,
     ucp, never_utf, nonsense].

run_options() ->
    [notbol, noteol, notempty, notempty_atstart, report_errors, {match_limit, 100},
     {match_limit_recursion, 50}, anchored,
     {newline, anycrlf}, {newline, crlf}, nonsense].

type(0) -> [];
type(1) -> [{capture, all, index}];
type(2) -> [{capture, all, binary}];
type(3) -> [{capture, all, list}];
type(4) -> [{capture, first, index}];
type(5) -> [{capture, none}];
type(6) -> [{capture, all_but_first, index}];
type(7) -> [{capture, all_names, index}];
type(8) -> [{capture, all_names, binary}];
type(9) -> [{capture, [0, 3, 1], list}];
type(10) -> [{capture, [0, "a", <<"b">>, c, 7], index}];
type(11) -> [{capture, [], index}];
type(_) -> [].
