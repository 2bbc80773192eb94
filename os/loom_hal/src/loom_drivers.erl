%% SPDX-License-Identifier: Apache-2.0
%% @doc Which module drives which device. One list: the first row that matches.
-module(loom_drivers).

-export([table/0, find/1]).

%% 82540EM, 82545EM (copper), 82574L.
-define(E1000, [16#100e, 16#100f, 16#10d3]).

%% All keys of `match' must be the device's. `name': what its units' names begin with; a number follows, by place.
-type row() :: #{module := module(), match := map(), name := string()}.

%% Bridges with a TCO as loom_drv_itco knows it: those of the ICH9 family.
-define(ICH9_LPC, [16#2912, 16#2914, 16#2916, 16#2917, 16#2918, 16#2919]).

-spec table() -> [row()].
table() ->
    virtio(16#1001, 16#1042, loom_drv_virtio_blk, "vd")
    ++ virtio(16#1000, 16#1041, loom_drv_virtio_net, "eth")
    ++ virtio(16#1005, 16#1044, loom_drv_virtio_rng, "rng")
    ++ [#{module => loom_drv_virtio_input, match => #{vendor => 16#1af4, device => 16#1052}, name => "input"}]
    ++ [#{module => loom_drv_nvme, match => #{class => {1, 8, 2}}, name => "nvme"},
        #{module => loom_drv_ahci, match => #{class => {1, 6, 1}}, name => "ahci"},
        #{module => loom_drv_i6300esb, match => #{vendor => 16#8086, device => 16#25ab}, name => "watchdog"}]
    ++ [#{module => loom_drv_itco, match => #{vendor => 16#8086, device => Id}, name => "watchdog"}
        || Id <- ?ICH9_LPC]
    ++ [#{module => loom_drv_e1000, match => #{vendor => 16#8086, device => Id}, name => "eth"} || Id <- ?E1000].

%% Old numbers are of devices that have the old interface as well (Virtio 1.2, 4.1.2).
virtio(Old, New, Module, Name) ->
    [#{module => Module, match => #{vendor => 16#1af4, device => Id}, name => Name} || Id <- [Old, New]].

-spec find(loom_devices:device()) -> {ok, row()} | none.
find(Device) ->
    case [Row || #{match := Match} = Row <- table(), maps:with(maps:keys(Match), Device) =:= Match] of
        [Row | _] -> {ok, Row};
        [] -> none
    end.
