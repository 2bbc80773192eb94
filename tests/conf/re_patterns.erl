%% SPDX-License-Identifier: Apache-2.0
%% Patterns that PCRE2 reads differently from the PCRE in OTP.
-module(re_patterns).
-export([main/0]).

main() ->
    [io:format("~p ~w~n", [Pattern, catch_run(Subject, Pattern, [])]) || {Pattern, Subject} <- patterns()],
    [io:format("~p ~w~n", [N, shape(re:compile([lists:duplicate(N, $(), lists:duplicate(N, $))]))])
     || N <- [1, 250, 500, 798, 799, 3000]],
    [io:format("~s ~w~n", [P, [C || C <- lists:seq(100, 1100), re:run([C], P, [unicode, {capture, none}]) =:= match]])
     || P <- ["\\w", "\\W\\w?", "x?\\w", "[\\w]", "\\s", "\\d", "[[:alpha:]]", "(?i)\\w"]].

patterns() ->
    [{"[\\d-z]+", "12-34z"}, {"[\\d-\\w]+", "a-"}, {"[[:digit:]-z]+", "12-z"}, {"[\\w-]+", "a-"}, {"[a-\\d]+", "a-1"},
     {"[\\p{L}-z]", "-"}, {"[^\\d-z]", "-"}, {"[]\\d-z]", "-"}, {"[\\Q\\d-\\E-z]", "-"}, {"[\\b-z]", "c"}, {"[\\d-a-z]", "-"},
     {"(?x)[\\d-z] # [\\d-z]", "-"}, {"\\Q[\\d-z]\\E", "-"}, {"[\\h-x]", "-"}, {"[\\R]", "R"}, {"[\\X\\d-z]", "X-"},
     {"[\\z\\C]", "C"}, {"[\\B]", "B"}, {"\\8", "8"}, {"a\\9", "a9"}, {"(a)\\2", "a"}, {"\\c\d", "?"}, {"[\\c\t-z]", "I"},
     {"[z-a]", "b"}, {"[\\d-z", "b"}, {"(", ""}, {"[[:foo:]\\d-z]", "b"}, {"\\j[\\d-z]", "j-"}].

catch_run(Subject, Pattern, Options) ->
    try re:run(Subject, Pattern, Options)
    catch error:badarg -> re:compile(Pattern)
    end.

shape({ok, {re_pattern, Groups, _, _, _}}) -> Groups;
shape(Error) -> Error.
