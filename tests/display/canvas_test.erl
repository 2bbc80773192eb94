%% SPDX-License-Identifier: Apache-2.0
%% @doc Tests of loom_canvas: exact operations against a model in Erlang, smooth ones against sampling and their own
%% laws, pictures against their hashes, and calls with any arguments at all. See tests/cli/display.
-module(canvas_test).
-export([main/0, scene/0]).

-define(W, 23).
-define(H, 17).
-define(MANY, 1 bsl 20). % the farthest place

main() ->
    Tests = [{exact, fun exact/0}, {damage_covers, fun damage_covers/0}, {text, fun text/0}, {coverage, fun coverage/0},
             {colours, fun colours/0}, {any_order_of_corners, fun any_order_of_corners/0}, {no_seams, fun no_seams/0},
             {lines, fun lines/0}, {far_away, fun far_away/0}, {golden, fun golden/0},
                 {bad_arguments, fun bad_arguments/0},
             {any_arguments, fun any_arguments/0}, {shared, fun shared/0}, {memory, fun memory/0}],
    display_test:run(canvas, Tests).

new() -> loom_canvas:new(?W, ?H).
all(C) -> loom_canvas:read(C, {0, 0, ?W, ?H}).
pixels(C) -> [P || <<P:32/little>> <= all(C)].
seed(N) -> rand:seed(exsss, N).
pick(List) -> lists:nth(rand:uniform(length(List)), List).
between(A, B) -> A + rand:uniform(B - A + 1) - 1.

%% Mostly around the canvas, sometimes far from it.
place(Limit) -> pick([between(-5, Limit + 5), between(-5, Limit + 5), between(-5, Limit + 5), between(-?MANY, ?MANY),
    ?MANY]).
colour() -> between(0, 16#ffffff).
ink() -> pick([colour(), {colour(), between(0, 255)}, {colour(), 255}, {colour(), 0}]).
box() -> {place(?W), place(?H), place(?W), place(?H)}.

%% --- fill, copy, write: the model is a map of pixels
exact() ->
    seed(1),
    [begin
         {A, B} = {new(), new()},
         Model = #{a => blank(), b => blank()},
         Ops = [operation() || _ <- lists:seq(1, 12)],
         End = lists:foldl(fun(Op, M) -> do(Op, A, B), model(Op, M) end, Model, Ops),
         check(Ops, pixels(A), listed(maps:get(a, End))),
         check(Ops, pixels(B), listed(maps:get(b, End)))
     end || _ <- lists:seq(1, 150)].

check(_, Same, Same) -> ok;
check(Ops, _, _) -> error({differs, Ops}).

blank() -> maps:from_list([{{X, Y}, 0} || X <- lists:seq(0, ?W - 1), Y <- lists:seq(0, ?H - 1)]).
listed(M) -> [maps:get({X, Y}, M) || Y <- lists:seq(0, ?H - 1), X <- lists:seq(0, ?W - 1)].

operation() ->
    pick([{fill, pick([a, b]), box(), ink()},
          {copy, pick([a, b]), {place(?W), place(?H)}, pick([a, b]), box(), pick([255, 255, between(0, 255)])},
          {write, pick([a, b]), {place(?W), place(?H)}, between(1, 30), rand:bytes(4 * between(0, 90))}]).

do({fill, C, Box, Ink}, A, B) -> ok = loom_canvas:fill(which(C, A, B), Box, Ink);
do({copy, To, At, From, Box, Alpha}, A, B) ->
    ok = loom_canvas:copy(which(To, A, B), At, which(From, A, B), Box, Alpha);
do({write, C, At, Width, Bytes}, A, B) -> ok = loom_canvas:write(which(C, A, B), At, Width, Bytes).

which(a, A, _) -> A;
which(b, _, B) -> B.

model({fill, C, {X, Y, W, H}, Ink}, M) ->
    {Rgb, Alpha} = case Ink of {_, _} -> Ink; _ -> {Ink, 255} end,
    P = maps:map(fun({PX, PY}, Old) when PX >= X, PX < X + W, PY >= Y, PY < Y + H -> mix(Old, Rgb, Alpha);
                    (_, Old) -> Old
                 end, maps:get(C, M)),
    M#{C := P};
model({copy, To, {X, Y}, From, {SX, SY, W, H}, Alpha}, M) ->
    Source = maps:get(From, M),
    P = maps:map(fun({PX, PY}, Old) ->
                     {FX, FY} = {PX - X + SX, PY - Y + SY},
                     case FX >= SX andalso FX < SX + W andalso FY >= SY andalso FY < SY + H andalso Source of
                         #{{FX, FY} := New} -> mix(Old, New, Alpha);
                         _ -> Old
                     end
                 end, maps:get(To, M)),
    M#{To := P};
model({write, C, {X, Y}, Width, Bytes}, M) ->
    Values = [V band 16#ffffff || <<V:32/little>> <= Bytes],
    {P, _} = lists:foldl(fun(V, {Old, I}) ->
                             Key = {X + I rem Width, Y + I div Width},
                             {case Old of #{Key := _} -> Old#{Key := V}; _ -> Old end, I + 1}
                         end, {maps:get(C, M), 0}, Values),
    M#{C := P}.

mix(Old, New, Alpha) ->
    Parts = Alpha + (Alpha bsr 7),
    lists:sum([((channel(Old, S) * (256 - Parts) + channel(New, S) * Parts + 128) bsr 8) bsl S || S <- [0, 8, 16]]).

%% --- damage: what changed lies within what is told, and that within the canvas
damage_covers() ->
    seed(2),
    C = new(),
    [begin
         Before = pixels(C),
         [any_drawing(C) || _ <- lists:seq(1, between(1, 30))],
         Boxes = loom_canvas:damage(C),
         [] = loom_canvas:damage(C),
         true = length(Boxes) =< 8,
         [true = X >= 0 andalso Y >= 0 andalso W > 0 andalso H > 0 andalso X + W =< ?W andalso Y + H =< ?H
          || {X, Y, W, H} <- Boxes],
         Changed = [{I rem ?W, I div ?W} || {I, Old, New} <- lists:zip3(lists:seq(0, ?W * ?H - 1), Before, pixels(C)),
                                            Old =/= New],
         [true = lists:any(fun({X, Y, W, H}) -> PX >= X andalso PX < X + W andalso PY >= Y andalso PY < Y + H end,
             Boxes)
          || {PX, PY} <- Changed]
     end || _ <- lists:seq(1, 400)].

any_drawing(C) ->
    case between(1, 5) of
        1 -> loom_canvas:fill(C, {place(?W), place(?H), between(0, 6), between(0, 6)}, ink());
        2 -> loom_canvas:line(C, {place(?W), place(?H)}, {place(?W), place(?H)}, between(0, 3), ink());
        3 -> loom_canvas:triangle(C, corner(), corner(), corner());
        4 -> loom_canvas:text(C, {place(?W), place(?H)}, "x", 1, ink(), pick([none, ink()]));
        5 -> loom_canvas:copy(C, {place(?W), place(?H)}, C, {place(?W), place(?H), 3, 3}, 255)
    end.

corner() -> {near(place(?W) + pick([0, 0.25, rand:uniform()])), near(place(?H) + 0.5 - rand:uniform()), colour()}.
near(V) -> min(?MANY, max(-?MANY, V)).

%% --- text
text() ->
    C = loom_canvas:new(80, 40),
    Row = fun(Y) -> [P || <<P:32/little>> <= loom_canvas:read(C, {0, Y, 80, 1})] end,
    ok = loom_canvas:text(C, {8, 0}, "│", 1, 16#ffffff, none),
    [8 + 3, 8 + 4] = [X || {X, 16#ffffff} <- lists:zip(lists:seq(0, 79), Row(0))],
    ok = loom_canvas:text(C, {0, 0}, <<"│"/utf8>>, 2, {16#ff0000, 255}, 16#0000ff),
    [16#0000ff, 16#ff0000] = lists:usort(lists:sublist(Row(31), 16)),
    [0] = lists:usort(Row(32)),
    ok = loom_canvas:text(C, {-?MANY, 0}, lists:duplicate(1000, $x), 256, 1, none),
    ok = loom_canvas:text(C, {-4, -9}, "Wide", 256, 16#123456, 16#654321),
    [16#654321] = lists:usort(Row(20)).

%% --- triangles: how much of a pixel is covered
coverage() ->
    seed(3),
    [begin
         Corners = [{between(-9, 32) + rand:uniform(), between(-9, 26) + rand:uniform()} || _ <- "abc"],
         C = new(),
         white(C, Corners),
         [begin
              Wanted = sampled(X, Y, Corners) * 255,
              abs(Got band 255 - Wanted) =< 20 orelse error({coverage, {X, Y}, Got band 255, Wanted, Corners})
          end || {I, Got} <- lists:zip(lists:seq(0, ?W * ?H - 1), pixels(C)), {X, Y} <- [{I rem ?W, I div ?W}],
                 I rem 3 =:= 0]
     end || _ <- lists:seq(1, 40)].

white(C, [{AX, AY}, {BX, BY}, {CX, CY}]) ->
    ok = loom_canvas:triangle(C, {AX, AY, 16#ffffff}, {BX, BY, 16#ffffff}, {CX, CY, 16#ffffff}).

sampled(X, Y, Corners) ->
    Steps = [(K + 0.5) / 12 || K <- lists:seq(0, 11)],
    length([x || DX <- Steps, DY <- Steps, inside(X + DX, Y + DY, Corners)]) / 144.

inside(X, Y, [A, B, C]) ->
    Sides = [(BX - AX) * (Y - AY) - (BY - AY) * (X - AX) || {{AX, AY}, {BX, BY}} <- [{A, B}, {B, C}, {C, A}]],
    lists:all(fun(S) -> S > 0 end, Sides) orelse lists:all(fun(S) -> S < 0 end, Sides).

%% --- triangles: colours. Where a pixel is wholly inside, it is what lies between the corners' colours.
colours() ->
    seed(4),
    Seen = lists:sum([colours([{between(-60, 80), between(-60, 80), colour()} || _ <- "abc"])
        || _ <- lists:seq(1, 60)]),
    true = Seen > 2000.

colours([{AX, AY, _}, {BX, BY, _}, {CX, CY, _}] = Corners) ->
    C = new(),
    ok = apply(loom_canvas, triangle, [C | Corners]),
    Area = (BX - AX) * (CY - AY) - (BY - AY) * (CX - AX),
    length([begin
                {PX, PY} = {X + 0.5, Y + 0.5},
                LB = ((PX - AX) * (CY - AY) - (PY - AY) * (CX - AX)) / Area,
                LC = ((BX - AX) * (PY - AY) - (BY - AY) * (PX - AX)) / Area,
                [abs(channel(Got, S) - ((1 - LB - LC) * channel(A, S) + LB * channel(B, S) + LC * channel(D, S))) =< 1
                 orelse error({colour, {X, Y}, Got, Corners})
                 || S <- [0, 8, 16], [{_, _, A}, {_, _, B}, {_, _, D}] <- [Corners]]
            end || {I, Got} <- lists:zip(lists:seq(0, ?W * ?H - 1), pixels(C)), {X, Y} <- [{I rem ?W, I div ?W}],
                   Area =/= 0, lists:all(fun({DX, DY}) -> inside(X + DX, Y + DY, [{AX, AY}, {BX, BY}, {CX, CY}]) end,
                                         [{-0.2, -0.2}, {1.2, -0.2}, {-0.2, 1.2}, {1.2, 1.2}])]).

channel(Rgb, Shift) -> (Rgb bsr Shift) band 255.

any_order_of_corners() ->
    seed(5),
    [begin
         {A, B, C} = {corner(), corner(), corner()},
         [White | Whites] = [drawn([X, Y, Z], same) || {X, Y, Z} <- orders(A, B, C)],
         [White = Other || Other <- Whites],
         [First | Rest] = [drawn([X, Y, Z], own) || {X, Y, Z} <- orders(A, B, C)],
         [close(First, Other) || Other <- Rest]
     end || _ <- lists:seq(1, 200)].

orders(A, B, C) -> [{A, B, C}, {B, C, A}, {C, A, B}, {C, B, A}, {B, A, C}, {A, C, B}].

drawn(Corners, Colours) ->
    C = new(),
    ok = apply(loom_canvas, triangle, [C | [case Colours of same -> {X, Y, 16#ffffff}; own -> Corner end
                                            || {X, Y, _} = Corner <- Corners]]),
    all(C).

%% Colours are computed from another corner: the last digit of a double may differ, and with it one step of 255.
close(A, B) -> [true = abs(X - Y) =< 1 || {X, Y} <- lists:zip(binary_to_list(A), binary_to_list(B))].

%% What one triangle leaves of a pixel the one beside it takes.
no_seams() ->
    seed(6),
    [begin
         P = fun() -> {between(-30, 50) + rand:uniform(), between(-30, 40) + rand:uniform()} end,
         {A, B, {CX, CY} = C} = {P(), P(), P()},
         {{AX, AY}, {BX, BY}} = {A, B},
         D = {AX + BX - CX, AY + BY - CY}, % a parallelogram, cut along A-B
         {One, Two, Whole} = {new(), new(), new()},
         white(One, [A, B, C]),
         white(Two, [A, B, D]),
         [loom_canvas:fill(Whole, {X, Y, 1, 1}, 16#ffffff) || X <- lists:seq(0, ?W - 1), Y <- lists:seq(0, ?H - 1),
             lists:all(fun({DX, DY}) -> inside(X + DX, Y + DY, [A, C, B]) orelse inside(X + DX, Y + DY,
                 [A, B, D]) orelse
                                        on_line(X + DX, Y + DY, A, B) end,
                       [{I / 4 - 0.5, J / 4 - 0.5} || I <- lists:seq(0, 8), J <- lists:seq(0, 8)])],
         [true = abs(channel(X, 0) + channel(Y, 0) - 255) =< 2
          || {X, Y, 16#ffffff} <- lists:zip3(pixels(One), pixels(Two), pixels(Whole))]
     end || _ <- lists:seq(1, 30)].

on_line(X, Y, {AX, AY}, {BX, BY}) -> abs((BX - AX) * (Y - AY) - (BY - AY) * (X - AX)) < 1.0e-9.

%% --- lines
lines() ->
    Line = fun(A, B, Thickness, Ink) ->
               C = new(),
               ok = loom_canvas:line(C, A, B, Thickness, Ink),
               pixels(C)
           end,
    Fill = fun(Box) ->
               C = new(),
               ok = loom_canvas:fill(C, Box, 16#abcdef),
               pixels(C)
           end,
    Same = fun(X, X) -> ok end,
    Same(Fill({2, 4, 10, 1}), Line({2, 4.5}, {12, 4.5}, 1, 16#abcdef)),
    Same(Fill({2, 4, 10, 1}), Line({12, 4.5}, {2, 4.5}, 1, 16#abcdef)),
    Same(Fill({3, 1, 4, 9}), Line({5, 1}, {5, 10}, 4, 16#abcdef)),
    Same(Fill({0, 4, ?W, 1}), Line({-?MANY, 4.5}, {?MANY, 4.5}, 1, 16#abcdef)),
    Same(Fill({0, 0, 0, 0}), Line({5, 5}, {5, 5}, 4, 16#abcdef)),
    Same(Fill({0, 0, 0, 0}), Line({5, 5}, {9, 9}, 0, 16#abcdef)),
    Half = [P || P <- Line({5, 1}, {5, 10}, 4, {16#ff, 128}), P =/= 0],
    {36, [128]} = {length(Half), lists:usort(Half)},
    Sum = lists:sum([P band 255 || P <- Line({3, 3}, {15, 12}, 2, 16#ffffff)]) / 255, % its area: 15 by 2
    true = abs(Sum - 30) < 0.5.

%% Corners as far away as they may be: the picture is that of the same half plane near by.
far_away() ->
    C = new(),
    white(C, [{-?MANY, -?MANY}, {?MANY, -?MANY + 1}, {-?MANY + 1, ?MANY}]),
        % its longest side cuts the first pixel in two
    [First | Others] = pixels(C),
    true = abs(channel(First, 0) - 128) =< 1,
    [0] = lists:usort(Others),
    white(C, [{-?MANY, -?MANY}, {?MANY, -?MANY}, {0, ?MANY}]),
    [16#ffffff] = lists:usort(pixels(C)).

%% --- a whole picture. It must be the same on every build, and on bare metal (tests/boot/triangle).
scene() ->
    C = loom_canvas:new(160, 120),
    ok = loom_canvas:fill(C, {0, 0, 160, 120}, 16#10141a),
    ok = loom_canvas:triangle(C, {80, 4, 16#ff0000}, {150.25, 110.5, 16#00ff00}, {9.5, 110.125, 16#0000ff}),
    ok = loom_canvas:text(C, {8, 4}, "Loom ┌┐ äx", 1, 16#d8dee9, none),
    ok = loom_canvas:text(C, {100, 30}, <<"2x">>, 2, {16#ffffff, 200}, {0, 90}),
    [ok = loom_canvas:line(C, {I * 20, 119}, {160 - I * 20, 60.5}, 0.5 + I, {16#f0c000 + I, 40 + I * 20})
        || I <- lists:seq(0, 8)],
    ok = loom_canvas:copy(C, {-10, 60}, C, {40, 30, 70, 50}, 160),
    ok = loom_canvas:copy(C, {3, 5}, C, {0, 0, 160, 120}, 255),
    erlang:md5(loom_canvas:read(C, {0, 0, 160, 120})).

golden() ->
    case binary:encode_hex(scene()) of
        <<"10BAE75D0C35EC125712F5EE086CA548">> -> ok;
        Other -> error({scene, Other})
    end.

%% --- what is refused, and draws nothing
bad_arguments() ->
    C = new(),
    Freed = new(),
    ok = loom_canvas:free(Freed),
    Bad = [{new, [0, 1]}, {new, [1, -1]}, {new, [1.0, 1]}, {new, [a, 1]}, {new, [1 bsl 70, 1]},
           {free, [make_ref()]}, {size, [Freed]}, {size, [self()]}, {damage, [Freed]},
           {fill, [C, {0, 0, 1}, 0]}, {fill, [C, {0, 0, 1, 1}, 16#1000000]}, {fill, [C, {0, 0, 1, 1}, -1]},
           {fill, [C, {0, 0, 1, 1}, {0, 256}]}, {fill, [C, {0.5, 0, 1, 1}, 0]}, {fill, [C, {0, 0, 1 bsl 21, 1}, 0]},
           {fill, [Freed, {0, 0, 1, 1}, 0]}, {fill, [C, {1 bsl 64, 0, 1, 1}, 1]},
           {line, [C, {0, 0}, {1.0e300, 0}, 1, 1]}, {line, [C, {0, 0}, {1, 1}, -1, 1]},
               {line, [C, {0, 0}, {1, 1}, 1, x]},
           {triangle, [C, {0, 0, 1}, {9, 0, 1}, {0, 9}]}, {triangle, [C, {0, 0, 1}, {9, 0, {1, 128}}, {0, 9, 1}]},
           {triangle, [C, {0, 0, 1}, {9, -2.0e6, 1}, {0, 9, 1}]},
           {text, [C, {0, 0}, "x", 0, 1, none]}, {text, [C, {0, 0}, "x", 257, 1, none]},
               {text, [C, {0, 0}, "x" ++ $y, 1, 1, none]},
           {text, [C, {0, 0}, [$x, -1], 1, 1, none]}, {text, [C, {0, 0}, <<"x", 255>>, 1, 1, none]},
               {text, [C, {0, 0}, x, 1, 1, none]},
           {text, [C, {0, 0}, "x", 1, 1, undefined]},
           {copy, [C, {0, 0}, Freed, {0, 0, 1, 1}, 255]}, {copy, [Freed, {0, 0}, C, {0, 0, 1, 1}, 255]},
           {copy, [C, {0, 0}, C, {0, 0, 1, 1}, 256]}, {copy, [C, {0, 0}, x, {0, 0, 1, 1}, 255]},
           {write, [C, {0, 0}, 0, <<1:32>>]}, {write, [C, {0, 0}, 1, <<1:24>>]}, {write, [C, {0, 0}, 1, "abcd"]},
           {read, [C, {0, 0, ?W + 1, 1}]}, {read, [C, {-1, 0, 1, 1}]}, {read, [C, {0, 0, 0, 1}]},
               {read, [C, {?W, 0, 1, 1}]},
           {read, [Freed, {0, 0, 1, 1}]}],
    [try apply(loom_canvas, F, A) of
         Result -> error({not_refused, F, A, Result})
     catch error:badarg -> ok
     end || {F, A} <- Bad],
    ok = loom_canvas:free(Freed),
    [] = loom_canvas:damage(C),
    [0] = lists:usort(pixels(C)),
    {?W, ?H} = loom_canvas:size(C),
    [try loom_canvas:new(W, H) of _ -> error({not_refused, W, H}) catch error:system_limit -> ok end
     || {W, H} <- [{16385, 1}, {1, 16385}, {16384, 16384}, {1 bsl 20, 1 bsl 20}]].

%% Whatever the arguments: an answer or badarg, and the machine goes on. Most are of the right kind.
any_arguments() ->
    seed(7),
    Canvases = [new(), loom_canvas:new(1, 1), loom_canvas:new(300, 2)],
    Kinds = [{fill, [canvas, box, ink]}, {line, [canvas, point, point, number, ink]},
             {triangle, [canvas, corner, corner, corner]}, {text, [canvas, point, text, scale, ink, ground]},
             {copy, [canvas, point, canvas, box, alpha]}, {write, [canvas, point, scale, bytes]}, {read, [canvas, box]},
             {size, [canvas]}, {damage, [canvas]}],
    Results = [begin
                   {F, Args} = pick(Kinds),
                   Values = [case between(1, 40) of 1 -> odd(); _ -> any(K, Canvases) end || K <- Args],
                   try apply(loom_canvas, F, Values) of _ -> answer catch error:badarg -> badarg end
               end || _ <- lists:seq(1, 30000)],
    true = length([x || answer <- Results]) > 5000,
    true = length([x || badarg <- Results]) > 500.

odd() -> pick([a, [], {}, {1, 2, 3, 4}, {1, 2}, 1 bsl 80, -1 bsl 62, 1.0e308, <<1:3>>, self(), "x", fun odd/0, #{}]).
any(canvas, Canvases) -> pick(Canvases);
any(box, _) -> {far(), far(), far(), far()};
any(point, _) -> {number(), number()};
any(number, _) -> number();
any(corner, _) -> {number(), number(), colour()};
any(ink, _) -> ink();
any(ground, _) -> pick([none, ink()]);
any(alpha, _) -> between(-1, 256);
any(scale, _) -> pick([1, 2, 3, 256, between(-2, 300)]);
any(text, _) -> pick(["x", "", <<"Aßπ─"/utf8>>, [between(0, 16#10ffff) || _ <- lists:seq(1, between(1, 40))]]);
any(bytes, _) -> rand:bytes(4 * between(0, 64)).

far() -> pick([place(?W), ?MANY, -?MANY, ?MANY + 1, 0, between(-3, 30)]).
number() -> pick([far(), far() / 1, far() + rand:uniform(), between(-3, 30) + rand:uniform(), -0.0, 1.0e-300]).

%% --- several processes, one canvas: each its own square; and one frees it while others draw
shared() ->
    C = loom_canvas:new(64, 64),
    Draw = fun(I) -> fun() -> [ok = loom_canvas:fill(C, {I * 8, 0, 8, 64}, N) || N <- lists:seq(0, 500)] end end,
    [receive {'DOWN', M, process, _, normal} -> ok end || I <- lists:seq(0, 7), {_, M} <- [spawn_monitor(Draw(I))]],
    [500] = lists:usort([P || <<P:32/little>> <= loom_canvas:read(C, {0, 0, 64, 64})]),
    Other = loom_canvas:new(64, 64),
    Two = fun(A, B) -> fun() -> catch [ok = loom_canvas:copy(A, {1, 1}, B, {0, 0, 64, 64}, 99)
        || _ <- lists:seq(1, 2000)] end end,
    Started = [spawn_monitor(Two(A, B)) || {A, B} <- [{C, Other}, {Other, C}, {C, C}]],
    timer:sleep(5),
    ok = loom_canvas:free(Other),
    [receive {'DOWN', M, process, _, normal} -> ok end || {_, M} <- Started].

%% A canvas is gone with its last reference: many more than there is memory for.
memory() ->
    {Pid, M} = spawn_monitor(fun() -> [loom_canvas:new(1024, 1024) || _ <- lists:seq(1, 20), true] end),
    receive {'DOWN', M, process, Pid, normal} -> ok end,
    Before = resident(),
    [loom_canvas:new(2048, 2048) || _ <- lists:seq(1, 300), true =:= erlang:garbage_collect()],
    (fun Loop(0) -> ok; Loop(N) -> _ = loom_canvas:new(2048, 2048), Loop(N - 1) end)(300),
    true = resident() - Before < 600 bsl 10.

resident() ->
    {ok, Status} = file:read_file("/proc/self/status"),
    {match, [KiB]} = re:run(Status, "VmRSS:\\s+(\\d+)", [{capture, [1], list}]),
    list_to_integer(KiB).
