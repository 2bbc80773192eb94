%% SPDX-License-Identifier: Apache-2.0
%% @doc Parts of a plane as lists of boxes that do not overlap. Pure.
-module(loom_gfx_region).

-export([of_boxes/1, common/2, without/2, outward/3, area/1]).
-export_type([box/0, region/0]).

-type box() :: {X :: integer(), Y :: integer(), Width :: integer(), Height :: integer()}.
-type region() :: [box()].

%% @doc What the boxes, which may overlap, cover together.
-spec of_boxes([box()]) -> region().
of_boxes(Boxes) -> lists:foldl(fun(Box, Region) -> without([Box || area(Box) > 0], Region) ++ Region end, [], Boxes).

%% @doc What the region has of a box.
-spec common(region(), box()) -> region().
common(Region, Box) -> [Part || One <- Region, Part <- [overlap(One, Box)], area(Part) > 0].

overlap({X1, Y1, W1, H1}, {X2, Y2, W2, H2}) ->
    {X, Y} = {max(X1, X2), max(Y1, Y2)},
    {X, Y, min(X1 + W1, X2 + W2) - X, min(Y1 + H1, Y2 + H2) - Y}.

%% @doc What the region has and none of the boxes.
-spec without(region(), [box()]) -> region().
without(Region, Boxes) ->
    lists:foldl(fun(Box, Left) -> lists:append([cut(One, Box) || One <- Left]) end, Region, Boxes).

%% Above and below the hole in full width, then left and right of it.
cut({X, Y, W, H} = One, Box) ->
    {HX, HY, HW, HH} = Hole = overlap(One, Box),
    case area(Hole) of
        0 -> [One];
        _ -> [Part || Part <- [{X, Y, W, HY - Y}, {X, HY + HH, W, Y + H - HY - HH}, {X, HY, HX - X, HH},
                               {HX + HW, HY, X + W - HX - HW, HH}], area(Part) > 0]
    end.

%% @doc The boxes grown to whole cells of that size.
-spec outward([box()], pos_integer(), pos_integer()) -> [box()].
outward(Boxes, CellWidth, CellHeight) ->
    [begin
         {Left, Top} = {down(X, CellWidth), down(Y, CellHeight)},
         {Left, Top, -down(-X - W, CellWidth) - Left, -down(-Y - H, CellHeight) - Top}
     end || {X, Y, W, H} <- Boxes].

down(V, Step) -> V - ((V rem Step) + Step) rem Step.

-spec area(box()) -> non_neg_integer().
area({_, _, W, H}) when W > 0, H > 0 -> W * H;
area(_) -> 0.
