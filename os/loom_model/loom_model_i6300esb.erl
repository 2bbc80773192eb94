%% SPDX-License-Identifier: Apache-2.0
%% @doc The watchdog of the Intel 6300ESB (its datasheet, chapter "Watchdog Timer"). What would reset the machine is
%% `{reset, i6300esb}' for the process of the test; the device is then as after a reset, which it remembers. Time is
%% `speed' times as fast as the real one's.
-module(loom_model_i6300esb).
-behaviour(loom_model_device).

-export([init/1, config/4, read/4, write/5, event/2]).

-record(w, {test :: pid(), speed :: pos_integer(), fired :: boolean(), preload = {16#fffff, 16#fffff} :: tuple(),
    unlock = 0 :: 0..2, enabled = false :: boolean(), locked = false :: boolean(), stage = 1 :: 1 | 2,
    life = 0 :: non_neg_integer()}).

init(#{test := Test, speed := Speed} = Args) ->
    {#{vendor => 16#8086, device => 16#25ab, class => {8, 16#80, 0}, bars => [{0, mmio, 16}]},
        #w{test = Test, speed = Speed, fired = maps:get(fired, Args, false)}}.

config(16#60, 16, Value, W) -> {Value, W};
config(16#68, 8, Value, #w{locked = true} = W) -> {Value bor 1, W};
config(16#68, 8, Value, #w{enabled = Was} = W) ->
    New = W#w{locked = Value band 1 =:= 1, enabled = Value band 2 =:= 2},
    {Value, case New#w.enabled andalso not Was of
        true -> run(1, New);
        false -> New
    end};
config(_, _, _, _) -> false.

read(0, 16#0c, 16, #w{fired = true} = W) -> {16#200, W};
read(0, _, _, W) -> {0, W}.

write(0, 16#0c, 16, 16#80, W) -> W#w{unlock = 1};
write(0, 16#0c, 16, 16#86, #w{unlock = 1} = W) -> W#w{unlock = 2};
write(0, Offset, Width, Value, #w{unlock = 2} = W) -> unlocked(Offset, Width, Value, W#w{unlock = 0});
write(0, _, _, _, W) -> W#w{unlock = 0}.

unlocked(0, 32, Value, W) -> W#w{preload = setelement(1, W#w.preload, Value band 16#fffff)};
unlocked(4, 32, Value, W) -> W#w{preload = setelement(2, W#w.preload, Value band 16#fffff)};
unlocked(16#0c, 16, Value, #w{fired = Fired} = W) ->
    New = W#w{fired = Fired andalso Value band 16#200 =:= 0},
    case Value band 16#100 of
        0 -> New;
        _ -> run(1, New)
    end.

%% Starts one of the two rounds anew.
run(Stage, #w{enabled = true, preload = Preload, speed = Speed, life = Life} = W) ->
    Ms = (element(Stage, Preload) bsl 15) div (33000 * Speed),
    loom_model_device:later(Ms, {over, Life + 1}),
    W#w{stage = Stage, life = Life + 1};
run(_, W) -> W.

event({over, Life}, #w{life = Life, enabled = true, stage = 1} = W) -> run(2, W);
event({over, Life}, #w{life = Life, enabled = true, stage = 2, test = Test, speed = Speed}) ->
    Test ! {reset, i6300esb},
    #w{test = Test, speed = Speed, fired = true};
event({over, _}, W) -> W.
