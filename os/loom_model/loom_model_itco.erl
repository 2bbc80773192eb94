%% SPDX-License-Identifier: Apache-2.0
%% @doc The bridge of an ICH9 as far as its watchdog needs it (ICH9 datasheet, 13.9). As loom_model_i6300esb; `strap':
%% the board's NO_REBOOT, which cannot be cleared then.
-module(loom_model_itco).
-behaviour(loom_model_device).

-export([init/1, read/4, write/5, event/2]).

-define(TCO, 6).
-define(CHIPSET, 7).
-define(PMBASE, 16#600).
-define(RCBA, 16#fed1c000).

-record(w, {test :: pid(), speed :: pos_integer(), strap :: boolean(), no_reboot = true :: boolean(),
    status_1 = 0 :: non_neg_integer(), status_2 = 0 :: non_neg_integer(), control = 16#0800 :: non_neg_integer(),
    steps = 4 :: non_neg_integer(), rounds = 0 :: 0 | 1, life = 0 :: non_neg_integer()}).

init(#{test := Test, speed := Speed} = Args) ->
    {#{vendor => 16#8086, device => 16#2918, class => {6, 1, 0}, bars => [],
        registers => [{16#40, <<(?PMBASE bor 1):32/little, 16#80>>}, {16#f0, <<(?RCBA bor 1):32/little>>}],
        fixed => [{?TCO, io, ?PMBASE + 16#60, 16#20}, {?CHIPSET, mmio, ?RCBA, 16#4000}]},
        #w{test = Test, speed = Speed, strap = maps:get(strap, Args, false),
            status_2 = case Args of #{fired := true} -> 6; _ -> 0 end}}.

read(?CHIPSET, 16#3410, 32, W) -> {case W#w.no_reboot of true -> 16#20; false -> 0 end, W};
read(?TCO, 16#04, 16, W) -> {W#w.status_1, W};
read(?TCO, 16#06, 16, W) -> {W#w.status_2, W};
read(?TCO, 16#08, 16, W) -> {W#w.control, W};
read(?TCO, 16#12, 16, W) -> {W#w.steps, W};
read(_, _, _, W) -> {0, W}.

write(?CHIPSET, 16#3410, 32, Value, W) -> W#w{no_reboot = W#w.strap orelse Value band 16#20 =/= 0};
write(?TCO, 16#00, 16, _, W) -> run(W#w{rounds = 0});
write(?TCO, 16#04, 16, Value, W) -> W#w{status_1 = W#w.status_1 band bnot Value};
write(?TCO, 16#06, 16, Value, W) -> W#w{status_2 = W#w.status_2 band bnot Value};
write(?TCO, 16#08, 16, Value, W) -> run(W#w{control = Value});
write(?TCO, 16#12, 16, Value, W) -> W#w{steps = Value band 16#3ff};
write(_, _, _, _, W) -> W.

run(#w{control = Control, steps = Steps, speed = Speed, life = Life} = W) when Control band 16#800 =:= 0 ->
    loom_model_device:later(Steps * 600 div Speed, {over, Life + 1}),
    W#w{life = Life + 1};
run(#w{life = Life} = W) -> W#w{life = Life + 1}.

event({over, Life}, #w{life = Life, rounds = 0} = W) -> run(W#w{rounds = 1, status_1 = W#w.status_1 bor 8});
event({over, Life}, #w{life = Life, no_reboot = true} = W) -> W#w{status_2 = W#w.status_2 bor 2};
event({over, Life}, #w{life = Life, test = Test, speed = Speed, strap = Strap}) ->
    Test ! {reset, itco},
    #w{test = Test, speed = Speed, strap = Strap, status_2 = 6};
event({over, _}, W) -> W.
