%% SPDX-License-Identifier: Apache-2.0
%% Text: io_lib formatting, unicode, string, re, scanning and parsing of Erlang.
-module(text).
-export([main/0]).

p(Tag, Value) -> io:format("~p: ~tp~n", [Tag, Value]).
try_(F) -> try F() catch C:R -> {C, R} end.

main() -> format(), unicode_(), cut_short(), strings(), re_(), scan(), atoms().

%% A character that the end of a binary cuts short is taken for the beginning of one until more of the data shows otherwise.
cut_short() ->
    [p(L, {unicode:characters_to_list(L), unicode:characters_to_binary(L)})
     || B <- [<<244, 6>>, <<244>>, <<226, 6>>, <<$z, 240, 159>>, <<193>>, <<244, 6, 7, 8>>],
        F <- [[], <<>>, <<1>>, <<1, 2>>, <<1, 2, 3, 4>>, [<<1>>, <<2>>, <<3>>, <<4>>], [<<>>, <<1>>], [[<<1>> | <<2>>] | <<3>>], [$a, <<1>>],
              [<<1>>, $a], [<<128>>], [<<143, 128, 128>>], [[], <<1>>], [[], $a], [<<152, 128>>]],
        L <- [[B | F], [[B] | F], [[B | F]]]].

format() ->
    Args = [{"~p ~w ~s", ["str", "str", "str"]}, {"~10p|~-10s|~10s|", [abc, "ab", "cd"]}, {"~.2f ~8.3f ~e ~g", [1.005, 2.5, 3.5, 0.1]},
            {"~b ~B ~16b ~.36B ~#~n", [10, -10, 255, 1000]}, {"~c~c ~3c", [65, 66, 67]}, {"~i~w ~~ ~*c", [skip, 1, 5, $x]},
            {"~ts ~tp ~tw", ["é€", "é€", 'é']}, {"~p", [lists:seq(1, 60)]}, {"~p", [{a, "text", <<"bin">>, <<0, 255>>, 1.0, #{k => [v]}}]},
            {"~P ~W", [lists:seq(1, 40), 10, {1, 2, 3, 4, 5}, 3]}, {"~p", [[{key, lists:duplicate(20, long_atom_name)}, {k2, "string"}]]},
            {"~x ~+b ~+.16b", [10, 5, 6]}, {"~80p", [lists:seq(1000, 1030)]}, {"~0p", [#{a => {b, [c]}}]}, {"~s", [<<"bin">>]}, {"~s", [atom]}],
    [p(F, try_(fun() -> lists:flatten(io_lib:format(F, A)) end)) || {F, A} <- Args],
    [p({bad, F}, try_(fun() -> io_lib:format(F, A) end)) || {F, A} <- [{"~s", [1]}, {"~p", []}, {"~b", [x]}, {"~z", [1]}, {"~s", ["€"]}]],
    p(print, [lists:flatten(io_lib:print(T)) || T <- ['A b', 'ok', [], "a\nb\"c\\", [1, a], <<"é"/utf8>>, 'if', '', [$a, 300], {}, fun lists:map/2]]),
    p(fread, [io_lib:fread(F, S) || {F, S} <- [{"~d ~s", "12 abc"}, {"~f", "1.5"}, {"~d", "x"}, {"~c~c", "ab"}, {"~16u", "ff"}]]),
    p(write, lists:flatten(io_lib:write({a, [b | c], "d", 1.0, <<1>>}))).

unicode_() ->
    p(to_bin, [unicode:characters_to_binary(X) || X <- ["abc", "é€𐀀", [<<"a">>, 233, ["b"]], <<"\xc3\xa9">>]]),
    p(to_list, [unicode:characters_to_list(X) || X <- [<<"é€"/utf8>>, [<<"a">>, "é"], <<16#c3>>, <<255, 1>>, [<<"ok">>, <<16#e2, 16#82>>]]]),
    p(enc, [unicode:characters_to_binary("aé€", utf8, E) || E <- [latin1, utf8, utf16, {utf16, little}, utf32, {utf32, little}]]),
    p(latin, [unicode:characters_to_binary(<<233>>, latin1, utf8), unicode:characters_to_list(<<233>>, latin1)]),
    p(bad, [try_(fun() -> unicode:characters_to_binary(X) end) || X <- [[16#d800], [-1], [a], foo, [16#110000]]]),
    p(norm, [unicode:characters_to_nfd_list("é"), unicode:characters_to_nfc_list([$e, 769]), unicode:characters_to_nfkc_binary("ﬁ")]),
    p(bom, unicode:bom_to_encoding(<<239, 187, 191, 1>>)).

strings() ->
    p(case_, [string:uppercase("straße é"), string:lowercase("ÀB"), string:titlecase("ab cd"), string:casefold("ß")]),
    p(len, [string:length("e" ++ [769]), string:to_graphemes("ae" ++ [769, 128104, 8205, 128105]), string:reverse("abc")]),
    p(split, [string:split("a,b,c", ","), string:split("a,b,c", ",", all), string:lexemes("a  b,c", " ,"), string:tokens("a  b", " ")]),
    p(trim, [string:trim("  x "), string:trim("xxaxx", both, "x"), string:pad("ab", 5), string:pad("ab", 5, leading, $.)]),
    p(find, [string:find("hello", "l"), string:find("hello", "l", trailing), string:prefix("hello", "he"), string:slice("hello", 1, 3)]),
    p(num, [string:to_integer("12ab"), string:to_float("1.5x"), string:to_integer("x"), string:to_float("2")]),
    p(bin, [string:uppercase(<<"é"/utf8>>), string:replace(<<"aXb">>, "X", "--"), string:equal("ß", "SS", true)]).

re_() ->
    p(run, [re:run(S, R, O) || {S, R, O} <- [{"hello world", "o", []}, {"hello world", "o", [global]}, {"abc", "(b)(x)?(c)", [{capture, all, list}]},
        {"ABC", "b", [caseless]}, {"a\nb", "^b$", [multiline]}, {"x1y22", "\\d+", [global, {capture, all, binary}]}, {"abc", "z", []},
        {"aaa", "a*?", [global]}, {"é€", "€", [unicode]}, {"foo=bar", "(?<k>\\w+)=(?<v>\\w+)", [{capture, [k, v], list}]}, {"abab", "(ab)\\1", []},
        {"foobar", "foo(?=bar)", [{capture, first, list}]}, {"a.b", "a\\.b", [anchored]}, {"xay", "a", [{offset, 1}]}, {"", "", []}]]),
    p(replace, [re:replace("abcabc", "b", "[&]", [global, {return, list}]), re:replace("ab", "(a)(b)", "\\2\\1", [{return, binary}]),
                iolist_to_binary(re:replace("abc", "x", "y"))]),
    p(split, [re:split("a1b2c", "[0-9]", [{return, list}]), re:split("abc", "", [{return, list}]), re:split("a,b,,c", "(,)", [{return, list}]),
              re:split("a b  c", " +", [trim, {return, binary}])]),
    {ok, C} = re:compile("[a-c]+", [caseless]), p(compiled, re:run("xxABCx", C, [{capture, all, list}])),
    p(bad, [re:compile("(a"), re:compile("[z-a]"), element(1, re:compile("*a"))]),
    p(badarg, try_(fun() -> re:run("a", foo, []) end)).

scan() ->
    {ok, Ts, _} = erl_scan:string("f(X) when X > 1.5 -> [\"s\", $c, 16#ff, 'At om', <<1:8>>, #{a => b}]. % c"), p(scan, Ts),
    {ok, Form} = erl_parse:parse_form(Ts), p(parse, Form),
    p(pp, lists:flatten(erl_pp:form(Form))),
    {ok, Es, _} = erl_scan:string("A = 1, B = [A | [2, 3]], {lists:sum(B), fun(X) -> X * A end(7), [Y || Y <- B, Y > 1]}."),
    {ok, Exprs} = erl_parse:parse_exprs(Es), {value, V, Bs} = erl_eval:exprs(Exprs, []), p(eval, {V, Bs}),
    p(scan_err, erl_scan:string("'abc")), {ok, T2, _} = erl_scan:string("f( ."), p(parse_err, erl_parse:parse_exprs(T2)).

atoms() ->
    [p({fun_name, C}, erlang:fun_to_list(erlang:make_fun(list_to_atom([$a, C]), list_to_atom([C, $b]), 1)))
     || C <- lists:seq(0, 47) ++ lists:seq(91, 97) ++ lists:seq(122, 165) ++ [253, 256, 300, 1024, 16#20ac, 16#1f600]],
    p(atoms, [list_to_atom("é"), list_to_atom([8364]), binary_to_atom(<<"x y">>), atom_to_list('€'), atom_to_binary('é', latin1),
              try_(fun() -> atom_to_binary('€', latin1) end), try_(fun() -> list_to_existing_atom("never_there_x9") end),
              try_(fun() -> binary_to_atom(<<255>>, utf8) end), 'a' < 'b', '' < a, 'é' > z]).
