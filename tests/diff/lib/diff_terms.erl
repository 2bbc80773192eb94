%% SPDX-License-Identifier: Apache-2.0
%% Draws terms by kind from the process's random state: mostly of edges, since that is where machines differ.
-module(diff_terms).
-export([g/1, r/1, pick/1, chance/1]).

%% 0..N-1; one of a list (or the element of a tuple); true in N of 100.
r(N) -> rand:uniform(N) - 1.
pick(L) when is_list(L) -> lists:nth(rand:uniform(length(L)), L);
pick(T) -> element(rand:uniform(tuple_size(T)), T).
chance(N) -> rand:uniform(100) =< N.

g(int) ->
    case r(8) of
        0 -> r(10) - 5;
        1 -> r(600) - 300;
        2 -> long(r(70));
        3 -> long(r(300));
        4 -> edge();
        5 -> edge();
        6 -> long(60 + r(10));
        7 -> case chance(10) of true -> long(r(5000)); false -> r(20) end
    end;
g(small) -> r(24) - 3;
g(cnt) -> case r(10) of 0 -> -1; 1 -> 0; 2 -> 50 + r(100); _ -> r(12) end; % how many: never so much that memory ends
g(pos) -> 1 + r(12);
g(byte) -> r(256);
g(word32) -> case r(3) of 0 -> r(1 bsl 32); 1 -> r(100); 2 -> (1 bsl 32) - 1 - r(3) end;
g(base) -> case r(12) of 0 -> pick([0, 1, 37, -10]); _ -> 2 + r(35) end;
g({range, A, B}) -> A + r(B - A + 1);
g(float) -> flt();
g(num) -> case r(3) of 0 -> flt(); _ -> g(int) end;
g(bool) -> pick([true, false]);
g(atom) -> atom();
g(bin) -> bin();
g(bits) -> B = bin(), case r(2) of 0 -> B; 1 -> <<B/bits, (r(128)):(1 + r(7))>> end;
g(str) -> [pick([r(256), 97 + r(26), 32, 48 + r(10)]) || _ <- lists:seq(1, r(20))];
g(ustr) -> [cp() || _ <- lists:seq(1, r(14))];
g(char) -> cp();
g(ubin) -> unicode:characters_to_binary(g(ustr));
g(chardata) -> case r(5) of 0 -> g(ubin); 1 -> [g(ustr), g(ubin) | g(ubin)]; 2 -> [g(ubin), [g(ustr)], cp()]; _ ->
    g(ustr) end;
g(text) -> case r(3) of 0 -> g(str); 1 -> list_to_binary(g(str)); 2 -> words() end;
g(iodata) ->
    case r(5) of
        0 -> g(str);
        1 -> binary:copy(<<"ab", (r(256))>>, r(20));
        2 -> [g(str), bytes(r(20)) | bytes(r(5))];
        3 -> bytes(r(300));
        4 -> [[bytes(r(70)), r(256)], [], g(str) | case r(2) of 0 -> []; 1 -> bytes(65) end]
    end;
g(list) -> many(r(9), fun() -> t(2) end);
g({list, K}) -> many(r(9), fun() -> g(K) end);
g({nonempty, K}) -> many(1 + r(8), fun() -> g(K) end);
g({pair, A, B}) -> {g(A), g(B)};
g({tuple, Ks}) -> list_to_tuple([g(K) || K <- Ks]);
g({one, L}) -> pick(L);
g({'or', Ks}) -> g(pick(Ks));
g({const, X}) -> X;
g({sorted, K}) -> lists:sort(g({list, K}));
g({usorted, K}) -> lists:usort(g({list, K}));
g(key) -> case r(7) of 0 -> float(r(6)); 1 -> pick([a, b, c, d]); 2 -> {r(3), a}; 3 -> [r(3)]; 4 -> <<(r(3))>>; _ ->
    r(8) end;
g(pairs) -> many(r(9), fun() -> case r(12) of 0 -> t(1); 1 -> {g(key)}; 2 -> {g(key), t(1), t(1)}; _ -> {g(key),
    t(1)} end end);
g(props) -> many(r(7), fun() -> case r(3) of 0 -> pick([a, b, c, d]); _ -> {pick([a, b, c, d]), t(1)} end end);
g(orddict) -> lists:ukeysort(1, many(r(8), fun() -> {g(key), t(1)} end));
g(tuple) -> list_to_tuple(g(list));
g(map) -> map();
g(large) -> maps:from_list([{r(1000), leaf()} || _ <- lists:seq(1, 30 + r(60))]);
g(fun1) ->
    pick([fun erlang:abs/1, fun erlang:is_atom/1, fun erlang:is_integer/1, fun erlang:length/1, fun erlang:hd/1,
        fun erlang:list_to_tuple/1,
          fun erlang:is_number/1, fun erlang:float/1, fun erlang:'not'/1, fun lists:reverse/1,
              fun erlang:tuple_size/1, fun erlang:exit/1,
          fun lists:flatten/1, fun erlang:throw/1, fun erlang:error/1, fun erlang:is_list/1]);
g(pred1) ->
    pick([fun erlang:is_atom/1, fun erlang:is_integer/1, fun erlang:is_list/1, fun erlang:is_number/1,
        fun erlang:is_tuple/1, fun erlang:is_float/1,
          fun erlang:is_binary/1, fun erlang:'not'/1, fun erlang:is_map/1]);
g(fun2) ->
    pick([fun erlang:'+'/2, fun erlang:max/2, fun erlang:min/2, fun erlang:'=<'/2, fun erlang:'<'/2,
        fun erlang:'=='/2, fun lists:append/2,
          fun erlang:element/2, fun erlang:'-'/2, fun erlang:'=:='/2, fun erlang:'++'/2, fun erlang:append_element/2,
              fun erlang:'and'/2,
          fun erlang:is_map_key/2, fun erlang:exit/2, fun lists:delete/2]);
g(order2) -> pick([fun erlang:'=<'/2, fun erlang:'<'/2, fun erlang:'>='/2, fun erlang:'>'/2]);
g(fun3) -> pick([fun erlang:setelement/3, fun lists:keyfind/3, fun lists:foldl/3, fun maps:put/3,
    fun lists:keymember/3, fun maps:get/3]);
g(foreign) -> pick([foreign(), {foreign(), leaf()}, [foreign(), foreign()], #{foreign() => leaf()}]);
    % their text is each run's own
g(leaf) -> leaf();
g(nonum) -> case leaf() of N when is_number(N) -> atom(); T -> T end;
g(any) -> t(r(5));
g(plain) -> plain(r(5)); % no map so large that its order is each machine's own
g(near) -> T = t(3), {T, near(T)};
g({abstract, N}) -> abstract(N);
g(M) -> diff_calls:special(M).

words() -> lists:flatten(lists:join(pick([" ", ",", "\n", "--"]), [[97 + r(4) || _ <- lists:seq(1, r(4))]
    || _ <- lists:seq(1, 1 + r(6))])).

many(N, F) -> [F() || _ <- lists:seq(1, N)].

long(Bits) ->
    M = lists:foldl(fun(_, A) -> (A bsl 60) bor r(1 bsl 60) end, r(1 bsl 60), lists:seq(1, Bits div 60)),
    V = M band ((1 bsl (Bits + 1)) - 1),
    pick([V, -V]).

edge() ->
    Bits = pick([7, 8, 15, 16, 26, 27, 28, 31, 32, 52, 53, 54, 58, 59, 60, 61, 62, 63, 64, 65, 127, 128, 1000]),
    pick([1, -1]) * ((1 bsl Bits) + pick([-2, -1, 0, 1, 2])).

flt() ->
    case r(9) of
        0 -> 0.0;
        1 -> -0.0;
        2 -> float(r(1000)) / 10;
        3 -> (rand:uniform() - 0.5) * math:pow(10, r(40) - 20);
        4 -> any_float();
        5 -> any_float();
        6 -> float(r(1 bsl 54) - (1 bsl 53));
        7 -> (r(2000) - 1000) / pick([8, 16, 1000, 100]);
        8 -> pick([1.0, 9007199254740992.0, 9007199254740991.0, 1.0e22, 1.0e23, 5.0e-324, 2.2250738585072014e-308,
                   1.7976931348623157e308, 0.1, 5.684341886080802e-14, 1.0e15, 123456789.0, 9.5367431640625e-7,
                   float(1 bsl 59), float(1 bsl 63), -float(1 bsl 63), float(1 bsl 64), float(1 bsl 60)])
    end.

any_float() ->
    case bytes(8) of
        <<F:64/float>> -> F;
        _ -> any_float()
    end.

bytes(N) -> << <<(r(256))>> || _ <- lists:seq(1, N) >>.

%% Few of them: the table of atoms is never emptied.
atom() ->
    pick([a, b, c, '', true, false, nil, ok, undefined, 'hello world', 'åä', 'αβ', nonode@nohost, erlang, lists,
        infinity, 'A', 'a\nb', '\x{10ffff}',
          list_to_atom(lists:duplicate(255, $x)), 'end', 'Ω', '1a', 'a@b', [], ' ']).

cp() ->
    case r(12) of
        0 -> pick([16#d7ff, 16#e000, 16#10ffff, 16#ffff, 16#fffe, 0, 127, 128, 255, 256, 16#7ff, 16#800]);
        1 -> pick([16#301, 16#308, 16#1f468, 16#200d, 16#1f469, 16#fe0f, 16#1f1e9, 16#1f1ea, 16#1100, 16#1161,
            16#11a8]);
        2 -> 16#3b1 + r(24);
        3 -> 16#391 + r(17);
        4 -> pick("åäöÅÄÖßéñıİſǅΣς");
        5 -> 32;
        6 -> pick("\r\n\t\v\f\x{85}\x{2028}");
        _ -> pick([97 + r(26), 65 + r(26), 48 + r(10), 33 + r(90)])
    end.

bin() ->
    case r(7) of
        0 -> <<>>;
        1 -> bytes(r(10));
        2 -> bytes(r(200));
        3 -> bytes(60 + r(10));
        4 -> <<_, B/binary>> = bytes(1 + r(90)), B;
        5 -> N = 8 * r(10), <<_:3, B:N/bits, _/bits>> = bytes(12), B;
        6 -> list_to_binary([97 + r(3) || _ <- lists:seq(1, r(20))])
    end.

foreign() ->
    Node = <<119, 3, (pick([<<"a@b">>, <<"z@z">>]))/binary>>,
    binary_to_term(case r(3) of
        0 -> <<131, 88, Node/binary, (r(10)):32, (r(3)):32, (r(2)):32>>;
        1 -> N = 1 + r(5), <<131, 90, N:16, Node/binary, 1:32, (bytes(4 * N))/binary>>;
        2 -> <<131, 120, Node/binary, (pick([1, 5, 1 bsl 27, 1 bsl 28, 1 bsl 40])):64, 1:32>>
    end).

leaf() ->
    case r(20) of
        N when N < 2 -> g(pick([fun1, fun2]));
        2 -> <<(r(128)):7>>;
        N when N < 8 -> atom();
        N when N < 12 -> g(int);
        N when N < 14 -> flt();
        14 -> [];
        15 -> g(str);
        16 -> g(ustr);
        17 -> bin();
        18 -> {};
        19 -> #{}
    end.

t(D) when D =< 0 -> leaf();
t(D) ->
    case r(12) of
        0 -> list_to_tuple(many(r(6), fun() -> t(D - 1) end));
        1 -> many(r(6), fun() -> t(D - 1) end);
        2 -> many(1 + r(4), fun() -> t(D - 1) end) ++ t(D - 1);
        3 -> maps:from_list(many(r(7), fun() -> {t(D - 2), t(D - 1)} end));
        4 -> case r(4) of 0 -> map(); _ -> leaf() end;
        5 -> g(str) ++ [t(D - 1)];
        6 -> list_to_tuple(many(r(6), fun() -> t(D - 1) end));
        7 -> g(str) ++ leaf();
        _ -> leaf()
    end.

map() ->
    case r(4) of
        0 ->
            Kind = pick([int, float, key]),
            maps:from_list(many(20 + r(40), fun() -> {g(Kind), t(1)} end));
        1 -> maps:from_list(many(r(40), fun() -> {r(60), leaf()} end));
        _ -> maps:from_list(many(r(9), fun() -> {g(key), t(1)} end))
    end.

plain(D) -> T = t(D), case large(T) of true -> plain(D); false -> T end.

large(M) when is_map(M) -> map_size(M) > 32 orelse large(maps:to_list(M));
large(T) when is_tuple(T) -> large(tuple_to_list(T));
large([H | T]) -> large(H) orelse large(T);
large(_) -> false.

%% A copy, mostly with one thing changed.
near(T) -> case r(4) of 0 -> T; _ -> change(T) end.

change(T) when is_tuple(T), tuple_size(T) > 0 -> I = 1 + r(tuple_size(T)), setelement(I, T, change(element(I, T)));
change([H | T]) -> case r(2) of 0 -> [change(H) | T]; 1 -> [H | change(T)] end;
change(M) when is_map(M), map_size(M) > 0 ->
    K = pick(lists:sort(maps:keys(M))),
    V = maps:get(K, M),
    case r(4) of 0 -> (maps:remove(K, M))#{change(K) => V}; _ -> M#{K => change(V)} end;
change(N) when is_integer(N) -> pick([N + 1, N - 1, -N, try float(N) catch error:_ -> 1.0 end, N, N bsl 1]);
change(N) when is_float(N) -> pick([N / 3, -N, trunc(N), N]);
change(B) when is_binary(B), byte_size(B) > 0 ->
    case r(2) of 0 -> binary:part(B, 0, byte_size(B) - 1); 1 -> <<B/binary, 0>> end;
change(T) -> case r(3) of 0 -> T; _ -> leaf() end.

abstract(_) -> erl_parse:abstract(plain(2)).
