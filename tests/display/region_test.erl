%% SPDX-License-Identifier: Apache-2.0
%% @doc loom_gfx_region against sets of points.
-module(region_test).
-export([main/0]).

main() -> display_test:run(region, [{against_points, fun against_points/0}, {outward, fun outward/0}]).

against_points() ->
    rand:seed(exsss, 1),
    [begin
         Boxes = some(rand:uniform(5)),
         Others = some(rand:uniform(5) - 1),
         [One | _] = some(1),
         Region = loom_gfx_region:of_boxes(Boxes),
         disjoint(Region, points(Boxes)),
         disjoint(loom_gfx_region:common(Region, One), ordsets:intersection(points(Boxes), points([One]))),
         disjoint(loom_gfx_region:without(Region, Others), ordsets:subtract(points(Boxes), points(Others)))
     end || _ <- lists:seq(1, 2000)].

some(N) -> [{rand:uniform(9) - 3, rand:uniform(9) - 3, rand:uniform(8) - 2, rand:uniform(8) - 2}
    || _ <- lists:seq(1, N)].

points(Boxes) -> lists:usort(listed(Boxes)).
listed(Boxes) -> [{X + I, Y + J}
    || {X, Y, W, H} <- Boxes, I <- lists:seq(0, max(0, W) - 1), J <- lists:seq(0, max(0, H) - 1)].

%% The region is these points, and has none of them twice.
disjoint(Region, Points) -> Points = lists:sort(listed(Region)).

outward() ->
    [{0, 0, 8, 16}] = loom_gfx_region:outward([{1, 1, 3, 3}], 8, 16),
    [{-8, -16, 16, 32}] = loom_gfx_region:outward([{-1, -1, 2, 2}], 8, 16),
    [{8, 16, 8, 16}] = loom_gfx_region:outward([{8, 16, 8, 16}], 8, 16),
    [{8, 16, 16, 16}] = loom_gfx_region:outward([{8, 16, 9, 1}], 8, 16).
