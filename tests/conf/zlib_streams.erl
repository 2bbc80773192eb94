%% SPDX-License-Identifier: Apache-2.0
%% zlib: streams in chunks whose output fills the buffer exactly, ends within input, dictionaries, damaged input.
-module(zlib_streams).
-export([main/0]).

p(Tag, Value) -> io:format("~p: ~tp~n", [Tag, Value]).
try_(F) -> try F() catch C:R -> {C, R} end.
sizes({more, L}) -> {more, iolist_size(L)};
sizes({finished, L}) -> {finished, iolist_size(L)};
sizes({continue, L}) -> {continue, iolist_size(L)};
sizes(L) when is_list(L) -> iolist_size(L);
sizes(X) -> X.

main() ->
    Data = << <<(I rem 150)>> || I <- lists:seq(1, 3072) >>,
    chunks(Data), ends(Data), safe(Data), deflates(Data), dictionary(Data), damaged(Data), whole(Data).

chunks(Data) ->
    [begin
         Z = zlib:open(), zlib:setBufSize(Z, Size), zlib:inflateInit(Z),
         p({chunks, Size}, [sizes(zlib:inflateChunk(Z, <<>>)), sizes(zlib:inflateChunk(Z, zlib:compress(Data))) |
                            [sizes(zlib:inflateChunk(Z)) || _ <- lists:seq(1, 6)]]),
         zlib:close(Z)
     end || Size <- [1000, 1024, 3071, 3072, 3073, 10000]].

ends(Data) ->
    C = zlib:compress(Data),
    [begin
         Z = zlib:open(), zlib:inflateInit(Z, 15, Behaviour),
         p({ends, Behaviour}, [try_(fun() -> sizes(zlib:inflate(Z, B)) end) || B <- [[C, C], <<"x">>, C, <<>>]]),
         p(end_, try_(fun() -> zlib:inflateEnd(Z) end)),
         zlib:close(Z)
     end || Behaviour <- [cut, reset, error]].

safe(Data) ->
    Z = zlib:open(), zlib:inflateInit(Z),
    Big = binary:copy(Data, 50),
    Loop = fun Loop({continue, L}, Acc) -> Loop(zlib:safeInflate(Z, []), Acc + iolist_size(L));
               Loop({finished, L}, Acc) -> Acc + iolist_size(L) end,
    p(safe, Loop(zlib:safeInflate(Z, zlib:compress(Big)), 0)),
    p(safe_end, [zlib:inflateEnd(Z), zlib:close(Z)]).

deflates(Data) ->
    [begin
         Z = zlib:open(), zlib:deflateInit(Z, Level, deflated, Bits, 8, default),
         Out = [zlib:deflate(Z, Data, Flush) || Flush <- [none, sync, full, none]],
         Last = zlib:deflate(Z, <<>>, finish),
         p({deflate, Level, Bits}, [[erlang:md5(iolist_to_binary(O)) || O <- Out ++ [Last]], zlib:deflateEnd(Z)]),
         zlib:close(Z)
     end || Level <- [none, default, best_compression, best_speed], Bits <- [15, -15, 31]].

dictionary(Data) ->
    Dict = binary:part(Data, 0, 300),
    Z = zlib:open(), zlib:deflateInit(Z), Adler = zlib:deflateSetDictionary(Z, Dict),
    C = iolist_to_binary(zlib:deflate(Z, Data, finish)), zlib:deflateEnd(Z), zlib:close(Z),
    Y = zlib:open(), zlib:inflateInit(Y),
    p(need, try_(fun() -> zlib:inflate(Y, C) end)),
    p(wrong, try_(fun() -> zlib:inflateSetDictionary(Y, <<"wrong">>) end)),
    p(set, [is_integer(Adler), zlib:inflateSetDictionary(Y, Dict), sizes(zlib:inflate(Y, <<>>)), zlib:inflateEnd(Y)]),
    X = zlib:open(), zlib:inflateInit(X),
    {need_dictionary, A, L} = zlib:safeInflate(X, C),
    p(safe_need, [A =:= Adler, L]), zlib:close(Y), zlib:close(X).

damaged(Data) ->
    C = zlib:compress(Data), N = byte_size(C),
    Z = fun(B) -> try_(fun() -> S = zlib:open(), zlib:inflateInit(S), R = sizes(zlib:inflate(S, B)), E = try_(fun() -> zlib:inflateEnd(S) end), zlib:close(S), {R, E} end) end,
    p(damaged, [Z(B) || B <- [<<>>, <<"garbage">>, binary:part(C, 0, 1), binary:part(C, 0, N div 2), binary:part(C, 0, N - 1),
                              <<(binary:part(C, 0, N - 1))/binary, 0>>, <<C/binary, "more">>]]),
    p(uncompress, [try_(fun() -> F(B) end) || F <- [fun zlib:uncompress/1, fun zlib:gunzip/1, fun zlib:unzip/1],
                                              B <- [<<>>, <<"garbage">>, binary:part(C, 0, 40), x]]).

whole(Data) ->
    p(whole, [F(G(Data)) =:= Data || {F, G} <- [{fun zlib:uncompress/1, fun zlib:compress/1}, {fun zlib:gunzip/1, fun zlib:gzip/1}, {fun zlib:unzip/1, fun zlib:zip/1}]]),
    p(md5, [erlang:md5(F(binary:copy(Data, 20))) || F <- [fun zlib:compress/1, fun zlib:gzip/1, fun zlib:zip/1]]),
    p(gunzip_two, zlib:gunzip([zlib:gzip("one "), zlib:gzip("two")])).
