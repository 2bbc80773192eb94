%% SPDX-License-Identifier: Apache-2.0
%% @doc An 82540EM (PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual) with legacy
%% descriptors: `#{mac, wire}'. What is sent goes to the process `wire' of the test as `{wire, Frame}';
%% `{frame, Frame}' from outside comes in, `{link, up | down}' plugs the cable. Its interrupt is the shared
%% line, or `line', of which firmware does not know.
%% Faults: `lose' one interrupt in N; `length', `errors', `status': what the next frame's descriptor has instead;
%% `stuck': so many times it takes nothing from the transmit ring until the tail moves again.
-module(loom_model_e1000).
-behaviour(loom_model_device).

-export([init/1, read/4, write/5, event/2]).

-define(TXDW, 16#01).
-define(LSC, 16#04).
-define(RXO, 16#40).
-define(RXT0, 16#80).

-record(m, {args :: map(), faults :: map(), registers = #{} :: #{non_neg_integer() => non_neg_integer()},
    icr = 0, ims = 0 :: non_neg_integer(), link = 2 :: 0 | 2, life = 0 :: non_neg_integer()}).

init({Args, Faults}) ->
    {maps:merge(maps:with([line], Args), #{vendor => 16#8086, device => 16#100e, class => {2, 0, 0},
        bars => [{0, mmio, 131072}, {1, io, 64}]}),
     reset(#m{args = Args, faults = Faults})}.

reset(#m{args = #{mac := <<Low:32/little, High:16/little>>}, life = Life} = M) ->
    M#m{icr = 0, ims = 0, life = Life + 1, registers = #{16#5400 => Low, 16#5404 => High bor 16#80000000}}.

get_reg(At, #m{registers = Registers}) -> maps:get(At, Registers, 0).
put_reg(At, Value, #m{registers = Registers} = M) -> M#m{registers = Registers#{At => Value}}.

read(0, 16#08, 32, M) -> {16#80 bor M#m.link bor 1, M};
read(0, 16#14, 32, M) -> {16#ffff0010, M}; % an EEPROM that nobody programmed
read(0, 16#20, 32, M) -> {16#18001140, M}; % the PHY is ready and negotiates
read(0, 16#c0, 32, #m{icr = Icr} = M) -> {Icr, line(M#m{icr = 0})};
read(0, Offset, 32, M) -> {get_reg(Offset, M), M};
read(_, _, _, M) -> {0, M}.

write(0, 16#00, 32, V, M) when V band 16#4000000 =/= 0 ->
    loom_model_device:line(false),
    reset(M);
write(0, 16#c8, 32, V, M) -> line(M#m{icr = M#m.icr bor V});
write(0, 16#d0, 32, V, M) -> line(M#m{ims = M#m.ims bor V});
write(0, 16#d8, 32, V, M) -> line(M#m{ims = M#m.ims band bnot V});
write(0, 16#3818, 32, V, M) ->
    loom_model_device:later(rand:uniform(3) - 1, {send, M#m.life}),
    put_reg(16#3818, V, M);
write(0, Offset, 32, V, M) -> put_reg(Offset, V, M);
write(_, _, _, _, M) -> M.

line(#m{icr = Icr, ims = Ims} = M) ->
    loom_model_device:line(Icr band Ims =/= 0),
    M.

cause(Bits, #m{faults = #{lose := N}} = M) ->
    case rand:uniform(N) of
        1 -> M;
        _ -> line(M#m{icr = M#m.icr bor Bits})
    end;
cause(Bits, M) -> line(M#m{icr = M#m.icr bor Bits}).

event({send, Life}, #m{life = Life, faults = Faults} = M) ->
    case loom_model_device:is_master() andalso get_reg(16#400, M) band 2 =/= 0 of
        true ->
            case Faults of
                #{stuck := N} when N > 0 -> M#m{faults = Faults#{stuck := N - 1}};
                _ -> send(get_reg(16#3810, M), M)
            end;
        false -> M
    end;
event({send, _}, M) -> M;
event({frame, Frame}, M) ->
    case loom_model_device:is_master() andalso get_reg(16#100, M) band 2 =/= 0 of
        true -> fill(Frame, M);
        false -> M
    end;
event({link, How}, M) -> cause(?LSC, M#m{link = case How of up -> 2; down -> 0 end});
event({fault, Name, Value}, #m{faults = Faults} = M) -> M#m{faults = Faults#{Name => Value}}.

%% Descriptors from head to tail; each that asks for it says when it is done.
send(Head, #m{args = #{wire := Pid}} = M) ->
    case get_reg(16#3818, M) of
        Head -> cause(?TXDW, put_reg(16#3810, Head, M));
        _ ->
            At = get_reg(16#3800, M) + 16 * Head,
            <<Address:64/little, Size:16/little, 0, 16#0b, 0:32>> = loom_model_device:read(At, 16),
            Pid ! {wire, loom_model_device:read(Address, Size)},
            ok = loom_model_device:write(At + 12, <<1>>),
            send((Head + 1) rem (get_reg(16#3808, M) div 16), M)
    end.

%% Without a descriptor the frame is lost.
fill(Frame, #m{faults = Faults} = M) ->
    Head = get_reg(16#2810, M),
    case get_reg(16#2818, M) of
        Head -> cause(?RXO, M);
        _ ->
            At = get_reg(16#2800, M) + 16 * Head,
            <<Address:64/little>> = loom_model_device:read(At, 8),
            ok = loom_model_device:write(Address, Frame),
            ok = loom_model_device:write(At + 8, <<(maps:get(length, Faults, byte_size(Frame))):16/little, 0:16,
                (maps:get(status, Faults, 3)), (maps:get(errors, Faults, 0)), 0:16>>),
            Next = (Head + 1) rem (get_reg(16#2808, M) div 16),
            cause(?RXT0, put_reg(16#2810, Next, M#m{faults = maps:without([length, status, errors], Faults)}))
    end.
