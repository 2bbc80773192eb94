#!/usr/bin/env escript
%% SPDX-License-Identifier: Apache-2.0
%% Random calls of the natives on numbers, texts, atoms, order, hashes and the external format, on random terms of
%% all types. What each gives, errors too, must be the same on any machine. terms_gen.escript SEED [CALLS]
-mode(compile).
-compile([nowarn_deprecated_function]).

main([Seed | More]) ->
    rand:seed(exsss, {list_to_integer(Seed), 2, 3}),
    Count = case More of [N] -> list_to_integer(N); [] -> 4000 end,
    Calls = list_to_tuple(calls()),
    [call(I, element(1 + r(tuple_size(Calls)), Calls)) || I <- lists:seq(1, Count)],
    ok.

call(I, Draw) ->
    case try Draw() catch _:_ -> none end of
        none -> ok; % no such term can be made (a float out of range)
        {M, F, A} -> io:format("~w ~w:~w ~w~n", [I, M, F, short({A, result(F, M, A)})])
    end.

result(term_to_iovec, M, A) ->
    B = apply(M, term_to_iovec, A),
    {[byte_size(P) || P <- B], iolist_to_binary(B)};
result(F, M, A) ->
    try apply(M, F, A) catch C:E -> {C, E} end.

%% Terms as bytes: their text would show numbers of funs and foreign nodes that differ from run to run.
short({A, R}) ->
    Text = io_lib:format("~w", [R]),
    case has_identity(R) orelse iolist_size(Text) > 200 of
        true -> {hash, erlang:phash2(A), erlang:md5(term_to_binary(R, [deterministic]))};
        false -> {erlang:phash2(A), R}
    end.

has_identity(T) when is_list(T) -> not io_lib:latin1_char_list(T) andalso has_identity_in(T);
has_identity(T) when is_tuple(T) -> has_identity(tuple_to_list(T));
has_identity(T) -> is_map(T) orelse is_pid(T) orelse is_reference(T) orelse is_port(T) orelse is_function(T).

has_identity_in([H | T]) -> has_identity(H) orelse has_identity_in(T);
has_identity_in([]) -> false;
has_identity_in(T) -> has_identity(T).

%% --- drawing -----------------------------------------------------------------------------------------
r(N) -> rand:uniform(N) - 1.
pick(L) -> lists:nth(rand:uniform(length(L)), L).

int() ->
    case r(8) of
        0 -> r(10) - 5;
        1 -> r(600) - 300;
        2 -> long(r(70));
        3 -> long(r(300));
        4 -> edge();
        5 -> edge();
        6 -> long(60 + r(10));
        7 -> long(r(5000))
    end.

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
num() -> case r(3) of 0 -> flt(); _ -> int() end.

atom() ->
    pick([a, b, c, '', true, false, nil, ok, 'hello world', 'åä', 'αβ', nonode@nohost, erlang, lists,
          list_to_atom(lists:duplicate(255, $x)), list_to_atom([r(26) + 97 || _ <- lists:seq(1, r(12))]),
          list_to_atom(lists:duplicate(200, 16#3b1))]).

bin() ->
    case r(5) of
        0 -> <<>>;
        1 -> bytes(r(10));
        2 -> bytes(r(200));
        3 -> B = bytes(r(20)), <<B/binary, (r(8)):(1 + r(7))>>;
        4 -> list_to_binary([97 + r(26) || _ <- lists:seq(1, r(20))])
    end.

str() -> [r(256) || _ <- lists:seq(1, r(20))].
pid() -> binary_to_term(<<131, 88, 119, 3, (pick([<<"a@b">>, <<"z@z">>]))/binary, (r(10)):32, (r(3)):32, (r(2)):32>>).
local_pid() -> binary_to_term(<<131, 88, 119, 13, "nonode@nohost", (r(30000)):32, (r(5)):32, 0:32>>).
port() -> binary_to_term(<<131, 120, 119, 3, "a@b", (pick([1, 5, 1 bsl 27, 1 bsl 28, 1 bsl 40])):64, 1:32>>).
local_port() -> binary_to_term(<<131, 89, 119, 13, "nonode@nohost", (r(100000)):32, 0:32>>).
ref() -> N = 1 + r(5), binary_to_term(<<131, 90, N:16, 119, 3, "a@b", 1:32, (bytes(4 * N))/binary>>).
local_ref() -> binary_to_term(<<131, 90, 3:16, 119, 13, "nonode@nohost", 0:32, (r(1 bsl 18)):32, (bytes(8))/binary>>).

fn() -> pick([fun lists:map/2, fun erlang:abs/1, fun a:b/3, fun lists:zip/2]).

t(D) when D =< 0 -> leaf();
t(D) ->
    case r(12) of
        0 -> list_to_tuple([t(D - 1) || _ <- lists:seq(1, r(5))]);
        1 -> [t(D - 1) || _ <- lists:seq(1, r(5))];
        2 -> [t(D - 1) || _ <- lists:seq(1, 1 + r(4))] ++ t(D - 1);
        3 -> maps:from_list([{t(D - 2), t(D - 1)} || _ <- lists:seq(1, r(6))]);
        4 ->
            case r(4) of
                0 ->
                    Keys = pick([fun int/0, fun atom/0, fun flt/0]),
                    maps:from_list([{Keys(), t(D - 3)} || _ <- lists:seq(1, 20 + r(40))]);
                _ -> leaf()
            end;
        5 -> str() ++ [t(D - 1)];
        6 -> list_to_tuple([t(D - 1) || _ <- lists:seq(1, r(5))]);
        7 -> str() ++ leaf();
        _ -> leaf()
    end.

leaf() ->
    case r(20) of
        0 -> pid();
        1 -> ref();
        2 -> port();
        3 -> fn();
        4 -> local_pid();
        5 -> local_ref();
        6 -> local_port();
        N when N < 9 -> atom();
        N when N < 13 -> int();
        N when N < 15 -> flt();
        15 -> [];
        16 -> str();
        17 -> bin();
        18 -> {};
        19 -> #{}
    end.

%% A copy, mostly with one thing changed.
near(T) -> case r(4) of 0 -> T; _ -> change(T) end.

change(T) when is_tuple(T), tuple_size(T) > 0 -> I = 1 + r(tuple_size(T)), setelement(I, T, change(element(I, T)));
change([H | T]) -> case r(2) of 0 -> [change(H) | T]; 1 -> [H | change(T)] end;
change(M) when is_map(M), map_size(M) > 0 ->
    K = pick(lists:sort(maps:keys(M))),
    V = maps:get(K, M),
    case r(4) of 0 -> (maps:remove(K, M))#{change(K) => V}; _ -> M#{K => change(V)} end;
change(N) when is_integer(N) -> pick([N + 1, N - 1, -N, near_float(N), N, N bsl 1]);
change(N) when is_float(N) -> pick([N / 3, -N, trunc(N), N]);
change(B) when is_binary(B), byte_size(B) > 0 ->
    case r(2) of 0 -> binary:part(B, 0, byte_size(B) - 1); 1 -> <<B/binary, 0>> end;
change(T) -> case r(3) of 0 -> T; _ -> leaf() end.

near_float(N) -> try float(N) catch error:_ -> 1.0 end.

iodata() ->
    case r(4) of
        0 -> str();
        1 -> binary:copy(<<"ab", (r(256))>>, r(20));
        2 -> [str(), bytes(r(20)) | bytes(r(5))];
        3 -> bytes(r(300))
    end.

spoil(S) ->
    {A, B} = lists:split(r(length(S)), S),
    case r(3) of 0 -> S; 1 -> A ++ [pick("0+-.eE,x ")] ++ B; 2 -> A ++ tl(B) end.

%% Terms without large maps: the order of their pairs is each machine's own.
plain(D) -> T = t(D), case has_large(T) of true -> plain(D); false -> T end.

has_large(M) when is_map(M) -> map_size(M) > 32 orelse has_large(maps:to_list(M));
has_large(T) when is_tuple(T) -> has_large(tuple_to_list(T));
has_large([H | T]) -> has_large(H) orelse has_large(T);
has_large(_) -> false.

%% --- calls --------------------------------------------------------------------------------------------
calls() ->
    [
        fun() -> {erlang,pick(['+','-','*','/','div','rem','band','bor','bxor']),[num(),num()]} end,
        fun() -> {erlang,pick(['+','-','*','div','rem','band','bor','bxor']),[int(),int()]} end,
        fun() -> {erlang,pick(['bsl','bsr']),[int(), pick([r(200) - 100, r(70), r(3000), edge()])]} end,
        fun() -> {erlang,pick(['-','+','bnot',abs,float,round,trunc,floor,ceil]),[num()]} end,
        fun() -> {erlang,pick(['+','-','*','/','div','rem','band','bsl','and','or','xor']),[leaf(),leaf()]} end,
        fun() -> {erlang,pick(['-','+','bnot',abs,float,round,'not',is_atom,is_boolean,is_integer,is_float,is_number,is_list,is_tuple,is_binary,is_bitstring,is_pid,is_port,is_reference]),[t(1)]} end,
        fun() -> X=t(4),{erlang,pick(['==','/=','=:=','=/=','<','=<','>','>=']),[X,near(X)]} end,
        fun() -> {erlang,pick(['==','=:=','<','=<','>','>=']),[t(3),t(3)]} end,
        fun() -> {erlang,pick(['==','=:=','<','=<','>','>=']),[num(),num()]} end,
        fun() -> I=int(),{erlang,pick(['==','=:=','<','=<','>','>=']),[I,try float(I) catch _:_ -> 1.0 end]} end,
        fun() -> X=t(4),{erts_internal,cmp_term,[X,near(X)]} end,
        fun() -> {erlang,phash2,[t(5)]} end, fun() -> {erlang,phash2,[t(5)]} end,
        fun() -> {erlang,phash2,[t(3),1+r(1 bsl 32)]} end,
        fun() -> {erlang,phash,[t(5),pick([1 bsl 32,1+r(1 bsl 32)])]} end,
        fun() -> {erlang,term_to_binary,[plain(5)]} end,
        fun() -> {erlang,term_to_binary,[t(5),[{minor_version,r(3)},deterministic]]} end,
        fun() -> {erlang,term_to_binary,[{plain(4), lists:duplicate(r(100), plain(1))},[pick([compressed,{compressed,r(10)}])]]} end,
        fun() -> {erlang,external_size,[t(5)]} end, fun() -> {erlang,external_size,[t(5),[{minor_version,r(3)}]]} end,
        fun() -> {erlang,term_to_iovec,[plain(5)]} end,
        fun() -> {erlang,binary_to_term,[term_to_binary(plain(5),pick([[],[compressed],[{minor_version,0}],[{minor_version,2}]])),pick([[],[used],[safe]])]} end,
        fun() -> {erlang,integer_to_list,[int()]} end, fun() -> {erlang,integer_to_binary,[int(),2+r(35)]} end,
        fun() -> B=2+r(35),{erlang,list_to_integer,[integer_to_list(int(),B),B]} end,
        fun() -> {erlang,binary_to_integer,[integer_to_binary(int())]} end,
        fun() -> {erlang,binary_to_integer,[pick([<<"+12">>,<<"-">>,<<"1a">>,<<"">>,<<" 1">>,<<"00000000000000000000000000000001">>,<<"-00000000000000000000000">>])]} end,
        fun() -> {erlang,float_to_list,[flt(),[short]]} end, fun() -> {erlang,float_to_list,[flt(),[short]]} end,
        fun() -> {erlang,float_to_binary,[flt(),[short]]} end,
        fun() -> {erlang,float_to_list,[flt()]} end,
        fun() -> {erlang,float_to_list,[flt(),[{decimals,r(25)}]]} end,
        fun() -> {erlang,float_to_list,[flt(),[{decimals,pick([r(254),r(10)])}|pick([[],[compact]])]]} end,
        fun() -> {erlang,float_to_binary,[flt(),[{scientific,pick([r(250),r(20)])}|pick([[],[compact]])]]} end,
        fun() -> {erlang,list_to_float,[float_to_list(flt(),[short])]} end,
        fun() -> {erlang,binary_to_float,[float_to_binary(flt())]} end,
        fun() -> {erlang,list_to_float,[spoil(float_to_list(flt(),[short]))]} end,
        fun() -> {string,list_to_float,[spoil(float_to_list(flt(),[short]))]} end,
        fun() -> {string,list_to_integer,[spoil(integer_to_list(int()))]} end,
        fun() -> {erlang,list_to_integer,[spoil(integer_to_list(int()))]} end,
        fun() -> {math,pick([cos,sin,tan,acos,asin,atan,cosh,sinh,tanh,acosh,asinh,atanh,erf,erfc,exp,log,log2,log10,sqrt,ceil,floor]),[pick([num(),rand:uniform(),flt()])]} end,
        fun() -> {math,pick([pow,atan2,fmod]),[num(),num()]} end,
        fun() -> {erlang,atom_to_list,[atom()]} end, fun() -> {erlang,atom_to_binary,[atom(),pick([latin1,utf8,unicode])]} end,
        fun() -> {erlang,binary_to_atom,[pick([bin(),atom_to_binary(atom()),binary:copy(<<"a">>,r(1100))]),pick([latin1,utf8])]} end,
        fun() -> {erlang,list_to_atom,[pick([str(),str(),lists:duplicate(250+r(10),r(2000)),[r(1200000)]])]} end,
        fun() -> {erlang,md5,[iodata()]} end, fun() -> {erlang,crc32,[iodata()]} end, fun() -> {erlang,adler32,[iodata()]} end,
        fun() -> {erlang,crc32,[r(1 bsl 32),iodata()]} end, fun() -> {erlang,adler32,[r(65521) bsl 16 + r(65521),iodata()]} end,
        fun() -> {erlang,pick([crc32_combine]),[r(1 bsl 32),r(1 bsl 32),pick([r(100),r(1 bsl 31)])]} end,
        fun() -> {erlang,pick([adler32_combine]),[r(65521) bsl 16 + r(65521),r(65521) bsl 16 + r(65521),pick([r(100),r(1 bsl 31)])]} end,

        fun() -> {erlang, md5, [iodata()]} end
    ].
