%% SPDX-License-Identifier: Apache-2.0
%% Draws a module as text: some functions, each calling only later ones, so that it ends; compiled with a random set of
%% options, old instruction sets among them. Expressions are drawn for a kind of value, so that most of the code does
%% something; about one in fifteen is of another kind, so that some of it fails.
%%
%%     e(Kind, Depth, Env)   text of an expression        Env: [{Variable, Kind}], what is bound
%%     p(Kind, Depth, Env)   {text of a pattern, what it binds}
%%
%% Variables have numbers and are used only where they were bound, so every program compiles.
-module(diff_program).
-export([draw/1, compile/3, options/0]).

-import(diff_terms, [g/1, r/1, pick/1, chance/1]).

-define(KINDS, [int, int, float, num, atom, bool, bin, bits, list, ints, tuple, map, any, string]).

%% {Text, Options, Calls}
draw(Module) ->
    erase(),
    put(counter, 0),
    Count = 2 + r(4),
    Functions = [{I, [pick(?KINDS) || _ <- lists:seq(1, 1 + r(3))], pick(?KINDS)} || I <- lists:seq(1, Count)],
    put(functions, Functions),
    Text = [io_lib:format("-module(~w).~n-compile([export_all, nowarn_export_all]).~n", [Module]),
            "-record(rec, {a = 1, b, c = []}).\n",
            [function(F) || F <- Functions]],
    Calls = [{name(I), [value(K) || K <- Kinds]} || {I, Kinds, _} <- Functions, _ <- lists:seq(1, 6)],
    {lists:flatten(Text), options(), Calls}.

options() ->
    %% Not no_copt: the code behind can end a try on one way only, which loom's verifier refuses.
    All = [no_type_opt, no_bool_opt, no_share_opt, no_bsm_opt, no_ssa_opt, no_fun_opt, no_recv_opt, no_postopt,
        no_module_opt, no_stack_trimming,
           inline, {inline_size, 60}, no_throw_opt, no_ssa_opt_float, no_init_yregs, no_bs_create_bin,
               no_shared_fun_wrappers, no_make_fun_opt],
    case r(5) of
        0 -> [];
        1 -> [pick([r22, r23, r24])];
        2 -> [pick(All)];
        3 -> [O || O <- All, chance(15)];
        4 -> [O || O <- All, chance(40)] ++ pick([[], [], [r24], [r23]])
    end.

compile(Module, Text, Options) ->
    {ok, Tokens, _} = erl_scan:string(Text),
    Forms = [begin {ok, F} = erl_parse:parse_form(Ts), F end || Ts <- split(Tokens, [])],
    {Module, Forms, compile:forms(Forms, [binary, return, nowarn_unused_vars | Options])}.

split([{dot, _} = D | More], Form) -> [lists:reverse([D | Form]) | split(More, [])];
split([T | More], Form) -> split(More, [T | Form]);
split([], []) -> [].

name(I) -> list_to_atom("f" ++ integer_to_list(I)).

%% Arguments, shown to the drawn functions: of the kind asked for, mostly.
value(K) -> case chance(15) of true -> g(plain); false -> value_of(K) end.

value_of(int) -> pick([g(int), r(10), r(300)]);
value_of(float) -> g(float);
value_of(num) -> g(num);
value_of(ints) -> g({list, {range, 0, 300}});
value_of(string) -> g(str);
value_of(list) -> g(list);
value_of(any) -> g(plain);
value_of(map) -> maps:from_list(g({list, {pair, key, leaf}}));
value_of(tuple) -> pick([g(tuple), {rec, g(int), g(leaf), []}, {ok, g(leaf)}]);
value_of(K) -> g(K).

new_var() -> N = get(counter) + 1, put(counter, N), "V" ++ integer_to_list(N).

%% --- functions ------------------------------------------------------------------------------------------
function({I, Kinds, Result}) ->
    put(self, I),
    Clauses = [clause(I, Kinds, Result) || _ <- lists:seq(1, 1 + r(3))],
    Last = case chance(70) of true -> [plain_clause(I, Kinds, Result)]; false -> [] end,
    [lists:join(";\n", Clauses ++ Last), ".\n"].

clause(I, Kinds, Result) ->
    {Patterns, Env} = patterns(Kinds, []),
    [atom_to_list(name(I)), "(", lists:join(", ", Patterns), ")", guard_part(Env), " ->\n", body(Result, 3, Env)].

plain_clause(I, Kinds, Result) ->
    Env = [{new_var(), K} || K <- Kinds],
    [atom_to_list(name(I)), "(", lists:join(", ", [V || {V, _} <- Env]), ") ->\n", body(Result, 3, Env)].

patterns(Kinds, Env) ->
    lists:foldl(fun(K, {Ps, E}) -> {P, New} = p(K, 2, E), {Ps ++ [P], New ++ E} end, {[], Env}, Kinds).

body(K, D, Env) -> statements(r(3), K, D, Env).

statements(0, K, D, Env) -> ["    ", e(K, D, Env)];
statements(N, K, D, Env) ->
    Kind = pick(?KINDS),
    case r(8) of
        0 ->
            {P, New} = p(Kind, 1, Env),
            ["    ", P, " = ", e(Kind, D - 1, Env), ",\n", statements(N - 1, K, D, New ++ Env)];
        1 -> ["    ", e(Kind, D - 1, Env), ",\n", statements(N - 1, K, D, Env)];
        _ ->
            V = new_var(),
            ["    ", V, " = ", e(Kind, D - 1, Env), ",\n", statements(N - 1, K, D, [{V, Kind} | Env])]
    end.

%% --- patterns ----------------------------------------------------------------------------------------------
p(Kind, D, Env) ->
    case r(10) of
        0 -> {"_", []};
        1 -> case [V || {V, _} <- Env] of [] -> var_p(Kind); Vs -> {pick(Vs), []} end;
        N when N < 5; D =< 0 -> var_p(Kind);
        5 when D > 0 -> {P, New} = p(Kind, D - 1, Env), V = new_var(), {[P, " = ", V], [{V, Kind} | New]};
        _ -> pp(Kind, D, Env)
    end.

var_p(Kind) -> V = new_var(), {V, [{V, Kind}]}.

pp(list, D, Env) ->
    case r(4) of
        0 -> {"[]", []};
        1 -> {A, N1} = p(any, D - 1, Env), {["[", A, "]"], N1};
        _ -> {A, N1} = p(any, D - 1, Env), {B, N2} = p(list, D - 1, N1 ++ Env), {["[", A, " | ", B, "]"], N1 ++ N2}
    end;
pp(ints, D, Env) ->
    case r(4) of
        0 -> {"[]", []};
        _ -> {A, N1} = p(int, D - 1, Env), {B, N2} = p(ints, D - 1, N1 ++ Env), {["[", A, " | ", B, "]"], N1 ++ N2}
    end;
pp(string, D, Env) -> {B, N} = p(string, D - 1, Env), {[pick(["\"a\"", "\"\"", "\"ab\""]), " ++ ", B], N};
pp(tuple, D, Env) ->
    case r(4) of
        0 -> {A, N} = p(any, D - 1, Env), {["#rec{a = ", A, "}"], N};
        1 -> {A, N} = p(any, D - 1, Env), {["{ok, ", A, "}"], N};
        _ -> {Ps, New} = each_p([pick(?KINDS) || _ <- lists:seq(1, r(4))], D - 1, Env), {["{", lists:join(", ", Ps),
            "}"], New}
    end;
pp(map, D, Env) ->
    Ks = lists:usort([lit_key() || _ <- lists:seq(1, r(3))]),
    {Ps, New} = each_p([any || _ <- Ks], D - 1, Env),
    {["#{", lists:join(", ", [[K, " := ", P] || {K, P} <- lists:zip(Ks, Ps)]), "}"], New};
pp(Kind, _, _) when Kind =:= bin; Kind =:= bits -> bin_p([]); % no sizes from elsewhere in a pattern
pp(any, D, Env) -> pp(pick([list, tuple, map, bin, int, atom]), D, Env);
pp(Kind, _, _) -> {lit(Kind), []}.

each_p(Kinds, D, Env) ->
    lists:foldl(fun(K, {Ps, New}) -> {P, More} = p(K, D, New ++ Env), {Ps ++ [P], More ++ New} end, {[], []}, Kinds).

%% <<A:8, B:A/binary, ...>>: sizes may be what came before.
bin_p(Env) ->
    {Segments, New} = lists:foldl(fun(_, {Ss, N}) -> {S, More} = segment_p(N, Env), {Ss ++ [S], More ++ N} end, {[],
        []}, lists:seq(1, 1 + r(4))),
    {Tail, More} = case r(4) of
        0 -> {[], []};
        1 -> {["_/", pick(["bits", "binary"])], []};
        _ -> V = new_var(), {[[V, "/", pick(["bits", "binary", "bits", "binary-unit:4"])]], [{V, bits}]}
    end,
    {["<<", lists:join(", ", Segments ++ case Tail of [] -> []; _ -> [Tail] end), ">>"], More ++ New}.

segment_p(New, Env) ->
    V = new_var(),
    Size = size_p(New, Env),
    Flags = [pick(["", "-little", "-big", "-native"]), pick(["", "-signed", "-unsigned"])],
    case r(13) of
        0 -> {V, [{V, int}]};
        1 -> {[V, ":", Size, "/binary"], [{V, bin}]};
        2 -> {[V, ":", Size, "/bits"], [{V, bits}]};
        3 -> {[V, ":", pick(["16", "32", "64"]), "/float", pick(["", "-little"])], [{V, float}]};
        4 -> {[V, "/", pick(["utf8", "utf16", "utf32", "utf16-little", "utf32-little"])], [{V, int}]};
        5 -> {[pick(["\"ab\"", "\"a\"", "97", "0:4", "1:1", "-1:8/signed", "\"é\"/utf8"])], []};
        6 -> {["_:", Size], []};
        7 -> {[V, ":", Size, "/integer", Flags, "-unit:", pick(["1", "2", "8", "3"])], [{V, int}]};
        8 -> {[V, ":", pick(["1", "2", "3/binary", "0", "24", "7/binary-unit:1", "128"])], [{V, any}]};
        _ -> {[V, ":", Size, "/integer", Flags], [{V, int}]}
    end.

size_p(New, Env) ->
    case r(4) of
        0 -> case [V || {V, int} <- New] of [] -> "8"; Vs -> pick(Vs) end;
        1 -> case [V || {V, int} <- New ++ Env] of [] -> "4"; Vs -> ["(", pick(Vs), pick([" rem 16)", " band 31)",
            " - 1)"])] end;
        _ -> integer_to_list(pick([1, 3, 4, 7, 8, 8, 8, 9, 12, 16, 16, 24, 32, 33, 59, 60, 61, 63, 64, 65, 80, 128]))
    end.

%% --- guards ---------------------------------------------------------------------------------------------------
guard_part(Env) ->
    case r(3) of
        0 -> "";
        _ -> [" when ", lists:join(pick(["; ", ", "]), [guard(2, Env) || _ <- lists:seq(1, 1 + r(2))])]
    end.

guard(0, Env) ->
    case r(5) of
        0 -> pick(["true", "false"]);
        1 -> pick([["is_map_key(", ge(pick([atom, int]), 0, Env), ", ", ge(map, 0, Env), ")"], ["is_function(",
            ge(any, 0, Env), ", ", integer_to_list(r(3)), ")"]]);
        _ -> [pick(["is_atom", "is_integer", "is_float", "is_number", "is_list", "is_tuple", "is_binary",
            "is_bitstring", "is_map", "is_boolean", "is_function", "is_pid"]), "(", ge(any, 0, Env), ")"]
    end;
guard(D, Env) ->
    case r(9) of
        0 -> ["(", guard(D - 1, Env), pick([" andalso ", " orelse ", " and ", " or ", " xor "]), guard(D - 1, Env),
            ")"];
        1 -> ["(not (", guard(D - 1, Env), "))"];
        2 -> guard(0, Env);
        3 -> ["is_record(", ge(tuple, 1, Env), ", rec)"];
        4 -> K = pick(?KINDS), ["(", ge(K, 1, Env), pick([" =:= ", " == ", " =/= ", " /= "]), ge(K, 0, Env), ")"];
        _ -> K = pick([int, num, float, any, atom]), ["(", ge(K, 1, Env), pick([" < ", " > ", " =< ", " >= "]), ge(K,
            1, Env), ")"]
    end.

%% Guard expressions.
ge(Kind, D, Env) ->
    case r(4) of
        0 when D > 0 ->
            case Kind of
                K when K =:= int; K =:= num ->
                    case r(5) of
                        0 -> [pick(["length", "hd"]), "(", ge(list, D - 1, Env), ")"];
                        1 -> [pick(["byte_size", "bit_size", "size"]), "(", ge(bits, D - 1, Env), ")"];
                        2 -> [pick(["tuple_size", "size"]), "(", ge(tuple, D - 1, Env), ")"];
                        3 -> ["(", ge(int, D - 1, Env), pick([" + ", " - ", " * ", " div ", " rem ", " band ",
                            " bor ", " bxor ", " bsr "]), ge(int, D - 1, Env), ")"];
                        4 -> ["(", pick(["abs", "-", "bnot ", "round", "trunc", "map_size"]), "(", ge(int, D - 1,
                            Env), "))"]
                    end;
                any -> pick([["element(", ge(int, 0, Env), ", ", ge(tuple, D - 1, Env), ")"], ["hd(", ge(list, D - 1,
                    Env), ")"], ["map_get(", ge(atom, 0, Env), ", ", ge(map, D - 1, Env), ")"]]);
                _ -> leaf(Kind, Env)
            end;
        _ -> leaf(Kind, Env)
    end.

%% --- expressions ------------------------------------------------------------------------------------------------
leaf(Kind, Env) ->
    case [V || {V, K} <- Env, K =:= Kind orelse Kind =:= any orelse (Kind =:= num
        andalso (K =:= int orelse K =:= float))] of
        [_ | _] = Vs -> case chance(75) of true -> pick(Vs); false -> lit(Kind) end;
        [] -> lit(Kind)
    end.

lit(int) -> integer_to_list(pick([r(10), r(10), r(300), g(int)]));
lit(float) -> io_lib:format("~w", [g(float)]);
lit(num) -> lit(pick([int, float]));
lit(atom) -> io_lib:write_atom(pick([a, b, c, ok, error, undefined, 'A b', true]));
lit(bool) -> pick(["true", "false"]);
lit(bin) -> io_lib:format("~w", [g(bin)]);
lit(bits) -> io_lib:format("~w", [g(bits)]);
lit(list) -> pick(["[]", "[1,2.0|c]", "[a,{b}]", "[[]]", io_lib:format("~w", [g({list, key})])]);
lit(ints) -> io_lib:format("~w", [g({list, {range, 0, 255}})]);
lit(string) -> pick(["\"\"", "\"ab\"", "\"abcdefg\""]);
lit(tuple) -> pick(["{}", "{ok,1}", "{error,{a,b}}", "#rec{}", "#rec{b = x}", "{1,2,3}"]);
lit(map) -> pick(["#{}", "#{a => 1}", "#{a => 1, b => [], 1 => c}", io_lib:format("~w", [maps:from_list([{I, -I}
    || I <- lists:seq(1, pick([3, 32, 33, 40]))])])]);
lit(any) -> lit(pick([int, float, atom, bin, list, tuple, map])).

lit_key() -> pick(["a", "b", "1", "{x}", "\"k\"", "1.0", "<<1>>"]).

e(Kind, D, Env) ->
    case chance(6) of
        true -> ee(pick(?KINDS), D, Env);
        false -> ee(Kind, D, Env)
    end.

ee(Kind, D, Env) when D =< 0 -> leaf(Kind, Env);
ee(Kind, D, Env) ->
    case r(15) of
        0 -> leaf(Kind, Env);
        1 -> case_e(Kind, D, Env);
        2 -> if_e(Kind, D, Env);
        3 -> try_e(Kind, D, Env);
        4 -> call_e(Kind, D, Env);
        5 -> fun_e(Kind, D, Env);
        6 -> any_e(Kind, D, Env);
        _ -> x(Kind, D - 1, Env)
    end.

case_e(Kind, D, Env) ->
    K = pick(?KINDS),
    ["case ", e(K, D - 1, Env), " of\n", clauses(K, Kind, D - 1, Env), "\n    end"].

clauses(K, Kind, D, Env) ->
    Cs = [begin {P, New} = p(K, 2, Env), [P, guard_part(New ++ Env), " ->\n", statements(r(2), Kind, D,
        New ++ Env)] end || _ <- lists:seq(1, 1 + r(3))],
    Last = case chance(70) of true -> [["_ ->\n    ", e(Kind, D, Env)]]; false -> [] end,
    lists:join(";\n", Cs ++ Last).

if_e(Kind, D, Env) ->
    Cs = [[guard(2, Env), " ->\n    ", e(Kind, D - 1, Env)] || _ <- lists:seq(1, 1 + r(2))],
    Last = case chance(75) of true -> [["true ->\n    ", e(Kind, D - 1, Env)]]; false -> [] end,
    ["if ", lists:join(";\n", Cs ++ Last), "\n    end"].

try_e(Kind, D, Env) ->
    Body = statements(r(2), Kind, D - 1, Env),
    case r(8) of
        0 -> ["(catch ", e(Kind, D - 1, Env), ")"];
        1 -> ["try\n", Body, "\n    after\n    ", e(any, D - 1, Env), "\n    end"];
        2 ->
            K = pick(?KINDS),
            ["try ", e(K, D - 1, Env), " of\n", clauses(K, Kind, D - 1, Env), "\n    ", catch_part(Kind, D, Env),
                "\n    end"];
        3 -> ["try\n", Body, "\n    ", catch_part(Kind, D, Env), "\n    after\n    ", e(any, D - 1, Env), "\n    end"];
        _ -> ["try\n", Body, "\n    ", catch_part(Kind, D, Env), "\n    end"]
    end.

catch_part(Kind, D, Env) ->
    V = new_var(),
    S = new_var(),
    case r(5) of
        0 -> ["catch throw:", V, " -> ", e(Kind, D - 1, [{V, any} | Env])];
        1 -> ["catch error:", V, guard_part([{V, any} | Env]), " -> ", e(Kind, D - 1, [{V, any} | Env])];
        2 -> ["catch ", S, ":", V, " -> {", S, ", ", V, "}"];
        3 -> ["catch _:", V, ":", S, " -> {", V, ", ", "[{M, F, A} || {M, F, A, _} <- ", S, ", M =/= diff_play]}"];
        4 -> {P, New} = p(any, 2, Env), ["catch error:", P, " -> ", e(Kind, D - 1, New ++ Env), "; _:", V, " -> ",
            e(Kind, D - 1, [{V, any} | Env])]
    end.

call_e(Kind, D, Env) ->
    case [F || {I, _, _} = F <- get(functions), I > get(self)] of
        [] -> x(Kind, D - 1, Env);
        Fs ->
            {I, Kinds, _} = pick([F || {_, _, K} = F <- Fs, K =:= Kind] ++ [pick(Fs)]),
            Args = lists:join(", ", [e(K, D - 2, Env) || K <- Kinds]),
            case r(7) of
                0 -> ["diff_p:", atom_to_list(name(I)), "(", Args, ")"];
                1 -> ["apply(fun ", atom_to_list(name(I)), "/", integer_to_list(length(Kinds)), ", [", Args, "])"];
                2 -> ["(fun ", atom_to_list(name(I)), "/", integer_to_list(length(Kinds)), ")(", Args, ")"];
                _ -> [atom_to_list(name(I)), "(", Args, ")"]
            end
    end.

fun_e(Kind, D, Env) ->
    K = pick(?KINDS),
    case r(4) of
        0 ->
            {P, New} = p(K, 1, Env),
            ["(fun(", P, ")", guard_part(New ++ Env), " ->\n", body(Kind, D - 1, New ++ Env), "\n    end)(", e(K,
                D - 1, Env), ")"];
        1 ->
            %% A named fun that counts down.
            F = new_var(), N = new_var(), A = new_var(),
            ["(fun ", F, "(", N, ", ", A, ") when ", N, " > 0 -> ", F, "(", N, " - 1, ", e(Kind, D - 2, [{N, int}, {A,
                Kind} | Env]), "); ", F, "(_, ", A, ") -> ", A, " end)(",
             integer_to_list(r(6)), ", ", e(Kind, D - 2, Env), ")"];
        2 ->
            V = new_var(), W = new_var(),
            ["((fun(", V, ") -> fun(", W, ") -> ", e(Kind, D - 2, [{V, K}, {W, any} | Env]), " end end)(", e(K, D - 2,
                Env), "))(", e(any, 0, Env), ")"];
        3 ->
            V = new_var(),
            ["begin ", V, " = fun() -> ", e(Kind, D - 1, Env), " end, ", V, "() end"]
    end.

%% What gives whatever, or takes a value through something: processes, dictionary, funs as values.
any_e(Kind, D, Env) ->
    V = new_var(), W = new_var(),
    case r(12) of
        0 -> ["begin self() ! ", e(Kind, D - 1, Env), ", receive ", V, " -> ", V, " after 0 -> none end end"];
        1 -> ["begin self() ! {m1, ", e(Kind, D - 1, Env), "}, self() ! m2, receive {m1, ", V, "}", guard_part([{V,
            Kind} | Env]), " -> receive m2 -> ", V, " end; m2 -> receive {m1, ", V, "1} -> {", V, "1} end end end"];
        2 -> ["begin {_, ", V, "} = spawn_monitor(fun() -> exit({r, ", e(Kind, D - 1, Env),
            "}) end), receive {'DOWN', ", V, ", _, _, {r, ", W, "}} -> ", W, "; {'DOWN', ", V, ", _, _, ", W,
            "b} -> {down, ", W, "b} end end"];
        3 -> ["begin put(k, ", e(Kind, D - 1, Env), "), ", V, " = get(k), erase(k), ", V, " end"];
        4 -> [pick(["throw", "error", "exit"]), "(", e(any, D - 1, Env), ")"];
        5 -> ["hd([", e(Kind, D - 1, Env), " | ", e(list, D - 1, Env), "])"];
        6 -> ["element(", integer_to_list(1 + r(2)), ", {", e(Kind, D - 1, Env), ", ", e(any, D - 1, Env), "})"];
        7 -> ["map_get(k, #{k => ", e(Kind, D - 1, Env), ", ", lit_key(), " => ", e(any, D - 2, Env), "})"];
        8 -> ["begin {", V, ", ", W, "} = {", e(Kind, D - 1, Env), ", ", e(any, D - 1, Env), "}, ", V, " end"];
        9 -> ["receive x -> ", e(Kind, D - 1, Env), " after ", pick(["0", "1"]), " -> ", e(Kind, D - 1, Env), " end"];
        10 -> ["binary_to_term(term_to_binary(", e(Kind, D - 1, Env), "))"];
        11 -> ["lists:foldl(fun(", V, ", ", W, ") -> ", e(Kind, D - 2, [{V, any}, {W, Kind} | Env]), " end, ", e(Kind,
            D - 2, Env), ", ", e(list, D - 2, Env), ")"]
    end.

x(int, D, Env) ->
    case r(14) of
        0 -> ["length(", e(list, D, Env), ")"];
        1 -> [pick(["byte_size", "bit_size"]), "(", e(bits, D, Env), ")"];
        2 -> [pick(["trunc", "round", "ceil", "floor"]), "(", e(float, D, Env), ")"];
        3 -> ["(", e(int, D, Env), pick([" bsl ", " bsr "]), pick(["1", "7", "64", "(3 - 7)", ["(", e(int, D, Env),
            " rem 100)"]]), ")"];
        4 -> ["(", pick(["abs", "-", "bnot "]), "(", e(int, D, Env), "))"];
        5 -> ["tuple_size(", e(tuple, D, Env), ")"];
        6 -> ["map_size(", e(map, D, Env), ")"];
        7 -> ["lists:sum(", e(ints, D, Env), ")"];
        8 -> {P, New} = bin_p(Env), ["case ", e(bits, D, Env), " of ", P, " -> ", e(int, D, New ++ Env), "; _ -> ",
            e(int, D, Env), " end"];
        9 -> ["(", e(int, D, Env), pick([" div ", " rem "]), e(int, D, Env), ")"];
        10 -> ["(", e(int, D, Env), pick([" band ", " bor ", " bxor "]), e(int, D, Env), ")"];
        _ -> ["(", e(int, D, Env), pick([" + ", " - ", " * "]), e(int, D, Env), ")"]
    end;
x(float, D, Env) ->
    case r(5) of
        0 -> ["float(", e(num, D, Env), ")"];
        1 -> ["(", pick(["math:sqrt", "math:sin", "abs", "-", "math:floor"]), "(", e(float, D, Env), "))"];
        2 -> ["(", e(num, D, Env), " / ", e(num, D, Env), ")"];
        3 -> ["(", e(float, D, Env), pick([" + ", " - ", " * ", " / "]), e(float, D, Env), pick([" + ", " - ",
            " * "]), e(num, D, Env), ")"];
        _ -> ["(", e(float, D, Env), pick([" + ", " - ", " * "]), e(num, D, Env), ")"]
    end;
x(num, D, Env) -> x(pick([int, float]), D, Env);
x(atom, D, Env) ->
    case r(3) of
        0 -> ["element(1, ", e(tuple, D, Env), ")"];
        1 -> ["binary_to_atom(<<", e(int, 0, Env), ":7>>)"];
        2 -> case_e(atom, D, Env)
    end;
x(bool, D, Env) ->
    case r(8) of
        0 -> ["(", e(bool, D, Env), pick([" andalso ", " orelse ", " and ", " or ", " xor "]), e(bool, D, Env), ")"];
        1 -> ["(not ", e(bool, D, Env), ")"];
        2 -> ["lists:member(", e(any, D, Env), ", ", e(list, D, Env), ")"];
        3 -> ["is_map_key(", lit_key(), ", ", e(map, D, Env), ")"];
        4 -> guard(2, Env);
        _ -> K = pick(?KINDS), ["(", e(K, D, Env), pick([" < ", " > ", " =< ", " >= ", " == ", " =:= ", " /= ",
            " =/= "]), e(K, D, Env), ")"]
    end;
x(list, D, Env) ->
    case r(10) of
        0 -> ["[", lists:join(", ", [e(any, D - 1, Env) || _ <- lists:seq(1, r(4))]), "]"];
        1 -> ["[", e(any, D, Env), " | ", e(list, D, Env), "]"];
        2 -> ["(", e(list, D, Env), pick([" ++ ", " -- "]), e(list, D, Env), ")"];
        3 -> ["tl(", e(list, D, Env), ")"];
        4 -> ["lists:sort(maps:to_list(", e(map, D, Env), "))"];
        5 -> ["tuple_to_list(", e(tuple, D, Env), ")"];
        6 -> ["lists:reverse(", e(list, D, Env), ")"];
        7 -> V = new_var(), ["lists:map(fun(", V, ") -> ", e(any, D, [{V, any} | Env]), " end, ", e(list, D, Env), ")"];
        _ -> comprehension("[", any, "]", D, Env)
    end;
x(ints, D, Env) ->
    case r(6) of
        0 -> ["lists:seq(1, (", e(int, 0, Env), " band 15))"];
        1 -> ["binary_to_list(", e(bin, D, Env), ")"];
        2 -> ["[", e(int, D, Env), " | ", e(ints, D, Env), "]"];
        3 -> ["lists:sort(", e(ints, D, Env), ")"];
        _ -> comprehension("[", int, "]", D, Env)
    end;
x(string, D, Env) ->
    case r(5) of
        0 -> ["integer_to_list(", e(int, D, Env), ")"];
        1 -> ["atom_to_list(", e(atom, D, Env), ")"];
        2 -> ["diff_play:show(", e(any, D, Env), ")"];
        3 -> ["[", e(int, 0, Env), " band 127 | ", e(string, D, Env), "]"];
        4 -> ["(\"ab\" ++ ", e(string, D, Env), ")"]
    end;
x(tuple, D, Env) ->
    case r(9) of
        0 -> ["setelement(", integer_to_list(1 + r(3)), ", ", e(tuple, D, Env), ", ", e(any, D, Env), ")"];
        1 -> ["setelement(", e(int, 0, Env), ", ", e(tuple, D, Env), ", ", e(any, D, Env), ")"];
        2 -> ["list_to_tuple(", e(list, D, Env), ")"];
        3 -> ["#rec{", pick(["a", "b", "c"]), " = ", e(any, D, Env), "}"];
        4 -> ["(#rec{a = ", e(any, D, Env), "})#rec{", pick(["a", "b", "c"]), " = ", e(any, D, Env), "}"];
        5 -> ["(", e(tuple, D, Env), ")#rec{", pick(["a", "b"]), " = ", e(any, D, Env), pick(["", [", ", "c = ",
            e(any, 0, Env)]]) , "}"];
        6 -> ["erlang:append_element(", e(tuple, D, Env), ", ", e(any, D, Env), ")"];
        _ -> ["{", lists:join(", ", [e(any, D, Env) || _ <- lists:seq(1, r(5))]), "}"]
    end;
x(map, D, Env) ->
    case r(8) of
        0 -> ["maps:", pick(["put(", "update("]), e(any, D, Env), ", ", e(any, D, Env), ", ", e(map, D, Env), ")"];
        1 -> ["maps:remove(", e(any, D, Env), ", ", e(map, D, Env), ")"];
        2 -> ["maps:merge(", e(map, D, Env), ", ", e(map, D, Env), ")"];
        3 -> ["maps:from_list([{", "I, ", e(any, 0, Env), "} || I <- lists:seq(1, ", integer_to_list(pick([3, 31, 32,
            33, 50])), ")])"];
        4 -> ["(", e(map, D, Env), ")#{", pairs(D, Env, " := "), "}"];
        5 -> ["(", e(map, D, Env), ")#{", pairs(D, Env, pick([" => ", " := "])), ", ", e(any, 0, Env), " => ", e(any,
            0, Env), "}"];
        6 -> ["(", e(map, D, Env), ")#{", pairs(D, Env, " => "), "}"];
        _ -> ["#{", pairs(D, Env, " => "), "}"]
    end;
x(bits, D, Env) -> x(bin, D, Env);
x(bin, D, Env) ->
    case r(9) of
        0 -> ["list_to_binary(", e(ints, D, Env), ")"];
        1 -> ["integer_to_binary(", e(int, D, Env), ")"];
        2 -> {P, New} = bin_p(Env), ["case ", e(bits, D, Env), " of ", P, " -> ", e(bits, D, New ++ Env), "; _ -> ",
            e(bits, D, Env), " end"];
        3 -> comprehension("<<", bin, ">>", D, Env);
        4 -> ["<<(", e(bits, D, Env), ")/bits, ", segment(D, Env), ">>"];
        5 -> scan(D, Env);
        _ -> ["<<", lists:join(", ", [segment(D, Env) || _ <- lists:seq(1, 1 + r(4))]), ">>"]
    end;
x(any, D, Env) -> ee(pick(?KINDS -- [any]), D, Env).

pairs(D, Env, Arrow) -> lists:join(", ", [[K, Arrow, e(any, D, Env)] || K <- lists:usort([lit_key()
    || _ <- lists:seq(1, 1 + r(3))])]).

%% A fun that goes through a binary, keeping its match context.
scan(D, Env) ->
    F = new_var(), A = new_var(),
    {Segment, New} = segment_p([], Env),
    T = new_var(),
    ["(fun ", F, "(<<_:1, ", Segment, ", ", T, "/bits>>, ", A, ") when bit_size(", A, ") < 300 -> ", F, "(", T,
        ", <<", A, "/bits, ",
     segment(D - 1, New ++ Env), ">>); ", F, "(_, ", A, ") -> ", A, " end)(", e(bits, D, Env), ", <<>>)"].

segment(D, Env) ->
    Flags = [pick(["", "-little", "-big", "-native"]), pick(["", "-signed"])],
    case r(10) of
        0 -> ["(", e(bits, D, Env), ")/bits"];
        1 -> ["(", e(bin, D, Env), ")/binary"];
        2 -> ["(", e(bin, D, Env), "):", pick(["0", "1", "2", ["(", e(int, 0, Env), " band 3)"]]), "/binary"];
        3 -> ["(", e(num, D, Env), "):", pick(["16", "32", "64"]), "/float", pick(["", "-little"])];
        4 -> ["(", e(int, D, Env), ")/", pick(["utf8", "utf16", "utf32", "utf16-little"])];
        5 -> ["(", e(int, D, Env), "):(", e(int, 0, Env), " band 127)/integer", Flags];
        6 -> ["(", e(int, D, Env), "):", pick(["2", "3", "8"]), "/integer", Flags, "-unit:", pick(["1", "2", "7",
            "8"])];
        7 -> [pick(["\"ab\"", "\"é\"/utf8", "\"x\"/utf16", "0:3", "-1:9"])];
        8 -> ["(", e(bits, D, Env), "):", pick(["3", "9"]), "/bits"];
        _ -> ["(", e(int, D, Env), "):", integer_to_list(pick([1, 3, 4, 7, 8, 8, 8, 16, 24, 32, 60, 61, 64, 65,
            128])), "/integer", Flags]
    end.

comprehension(Open, Kind, Close, D, Env) ->
    {Generators, New} = lists:foldl(fun(_, {Gs, E}) -> {G, E1} = generator(D, E), {Gs ++ [G], E1} end, {[], Env},
        lists:seq(1, pick([1, 1, 1, 2]))),
    Filters = [[", ", pick([guard(1, New), e(bool, D - 1, New)])] || chance(40)],
    Template = case Kind of
        bin -> ["<<", segment(D - 1, New), ">>"];
        _ -> e(Kind, D - 1, New)
    end,
    [Open, Template, " || ", lists:join(", ", Generators), Filters, Close].

generator(D, Env) ->
    case r(3) of
        0 ->
            {S, New} = segment_p([], []),
            {["<<_:1, ", S, ">> <= ", e(bits, D - 1, Env)], New ++ Env};
        1 -> {P, New} = p(int, 1, []), {[P, " <- ", e(ints, D - 1, Env)], New ++ Env};
        2 -> {P, New} = p(any, 1, []), {[P, " <- ", e(list, D - 1, Env)], New ++ Env}
    end.
