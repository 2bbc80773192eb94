%% SPDX-License-Identifier: Apache-2.0
%% @doc An AHCI controller (Serial ATA AHCI 1.3.1) with one port, its third, and a disk at it whose blocks are in an ETS
%% table of the test: `#{disk := Table, blocks := N, ncq := boolean()}', 512 bytes each. Its interrupt is the shared
%% line.
%% Queued commands end out of order and after a while; what may not be in flight together ends the test.
%% Faults: `lose' one interrupt in N; `fail': so many commands have an error; `hang': so many are never answered;
%% `spurious': the disk says that slots are done, and reports an error, when it has nothing to do. Event `vanish': the
%% disk is pulled out; `appear': one comes.
-module(loom_model_ahci).
-behaviour(loom_model_device).

-export([init/1, read/4, write/5, event/2]).

-define(BLOCK, 512).
-define(DISK, 2).

-record(p, {clb = 0, fb = 0, is = 0, ie = 0, cmd = 0, tfd = 16#7f, sig = 16#ffffffff, sctl = 0, serr = 0, sact = 0,
    ci = 0, life = 0 :: non_neg_integer(), disk = false :: boolean(), link = false :: boolean()}).
-record(m, {args :: map(), faults :: map(), ghc = 16#80000000, is = 0, life = 0 :: non_neg_integer(),
    ports = #{} :: #{byte() => #p{}}}).

init({Args, Faults}) ->
    {#{vendor => 16#8086, device => 16#2922, class => {1, 6, 1}, bars => [{5, mmio, 4096}]},
     reset(#m{args = Args, faults = Faults})}.

reset(#m{ports = Old, life = Life} = M) ->
    Has = case Old of #{?DISK := #p{disk = Disk}} -> Disk; _ -> true end,
    M#m{ghc = 16#80000000, is = 0, life = Life + 1, ports = #{?DISK => #p{disk = Has}}}.

%% 32 slots, NCQ, 64-bit addresses; firmware never holds it.
read(5, 16#00, 32, M) -> {16#c0000000 bor 31 bsl 8, M};
read(5, 16#04, 32, M) -> {M#m.ghc, M};
read(5, 16#08, 32, M) -> {M#m.is, M};
read(5, 16#0c, 32, M) -> {1 bsl ?DISK, M};
read(5, Offset, 32, #m{ports = Ports} = M) when Offset >= 16#100 ->
    case Ports of
        #{((Offset - 16#100) div 16#80) := P} -> {port_read(Offset band 16#7f, P), M};
        _ -> {0, M}
    end;
read(_, _, _, M) -> {0, M}.

port_read(16#10, P) -> P#p.is;
port_read(16#14, P) -> P#p.ie;
port_read(16#18, #p{cmd = Cmd}) -> Cmd bor ((Cmd band 1) bsl 15) bor ((Cmd band 16#10) bsl 10);
port_read(16#20, P) -> P#p.tfd;
port_read(16#24, P) -> P#p.sig;
port_read(16#28, #p{link = true}) -> 16#123;
port_read(16#2c, P) -> P#p.sctl;
port_read(16#30, P) -> P#p.serr;
port_read(16#34, P) -> P#p.sact;
port_read(16#38, P) -> P#p.ci;
port_read(_, _) -> 0.

write(5, 16#04, 32, V, M) when V band 1 =:= 1 ->
    loom_model_device:line(false),
    reset(M);
write(5, 16#04, 32, V, M) -> line(M#m{ghc = V bor 16#80000000});
write(5, 16#08, 32, V, M) -> line(M#m{is = M#m.is band bnot V});
write(5, Offset, 32, V, #m{ports = Ports} = M) when Offset >= 16#100 ->
    I = (Offset - 16#100) div 16#80,
    case Ports of
        #{I := P} -> line(port_write(Offset band 16#7f, V, I, P, M));
        _ -> M
    end;
write(_, _, _, _, M) -> M.

put_port(I, P, #m{ports = Ports} = M) -> M#m{ports = Ports#{I := P}}.

port_write(16#00, V, I, P, M) -> put_port(I, P#p{clb = V}, M);
port_write(16#08, V, I, P, M) -> put_port(I, P#p{fb = V}, M);
port_write(16#10, V, I, P, M) -> put_port(I, P#p{is = P#p.is band bnot V}, M);
port_write(16#14, V, I, P, M) -> put_port(I, P#p{ie = V}, M);
port_write(16#18, V, I, P, M) -> command(V, I, P, M);
port_write(16#2c, V, I, #p{sctl = Old} = P, M) when Old band 15 =:= 1, V band 15 =:= 0 ->
    link(I, P#p{sctl = V, sact = 0, ci = 0, tfd = 16#7f, life = P#p.life + 1}, M);
port_write(16#2c, V, I, P, M) -> put_port(I, P#p{sctl = V, link = P#p.link andalso V band 15 =/= 1}, M);
port_write(16#30, V, I, P, M) -> put_port(I, P#p{serr = P#p.serr band bnot V}, M);
port_write(16#34, V, I, #p{cmd = Cmd} = P, M) when Cmd band 1 =:= 1 -> put_port(I, P#p{sact = P#p.sact bor V}, M);
port_write(16#38, V, I, #p{cmd = Cmd} = P, M) when Cmd band 1 =:= 1 ->
    lists:foldl(fun(Slot, A) -> take(Slot, I, A) end, put_port(I, P#p{ci = P#p.ci bor V}, M),
                [S || S <- lists:seq(0, 31), V band (1 bsl S) =/= 0]);
port_write(_, _, _, _, M) -> M.

%% Spin-up makes the link, receiving lets the disk say what it is. Stopping forgets commands (3.3.7).
command(V, I, #p{cmd = Old} = P0, M) ->
    P = P0#p{cmd = V band 16#10000017},
    if
        V band 2 =/= 0, Old band 2 =:= 0 -> link(I, P, M);
        V band 1 =:= 0, Old band 1 =:= 1 -> put_port(I, P#p{ci = 0, sact = 0, life = P#p.life + 1}, M);
        V band 16#10 =/= 0, P#p.link, P#p.tfd =:= 16#7f -> put_port(I, hello(P), M);
        true -> put_port(I, P, M)
    end.

link(I, #p{disk = false} = P, M) -> put_port(I, P#p{link = false}, M);
link(I, #p{cmd = Cmd, serr = Serr} = P, M) ->
    Up = P#p{link = true, serr = Serr bor 16#4000000, is = P#p.is bor 16#40},
    put_port(I, case Cmd band 16#10 of 0 -> Up; _ -> hello(Up) end, M).

hello(#p{fb = Fb} = P) ->
    ok = loom_model_device:write(Fb + 16#40, <<16#34, 0, 16#50, 1, 1, 0:120>>),
    P#p{tfd = 16#150, sig = 16#101}.

%% --- commands ----------------------------------------------------------------------------------------------------

take(Slot, I, #m{ports = Ports} = M) ->
    #{I := #p{clb = List, sact = Sact, ci = Ci} = P} = Ports,
    <<Flags:16/little, Regions:16/little, 0:32, Table:64/little>> = loom_model_device:read(List + 32 * Slot, 16),
    <<16#27, 16#80, Op, F0, L0:24/little, _Device, L1:24/little, F1, Count:16/little, 0:48>> =
        loom_model_device:read(Table, 20),
    Lba = (L1 bsl 24) bor L0,
    Data = case Regions of
        0 -> none;
        1 ->
            <<Address:64/little, 0:32, Size:32/little>> = loom_model_device:read(Table + 16#80, 16),
            {Address, Size + 1}
    end,
    5 = Flags band 31,
    Queued = Op =:= 16#60 orelse Op =:= 16#61,
    Mixed = case Queued of
        true -> Sact band (1 bsl Slot) =:= 0 orelse Ci band bnot Sact =/= 0;
        false -> Sact =/= 0 orelse Ci =/= 1 bsl Slot
    end,
    Mixed andalso exit({forbidden_together, Op, Slot, Sact, Ci}),
    Blocks = case Queued of true -> (F1 bsl 8) bor F0; false -> Count end,
    Queued andalso (Slot = Count bsr 3),
    {Ms, NewP} = case Queued of
        true -> {rand:uniform(3) - 1, P#p{ci = Ci band bnot (1 bsl Slot)}};
        false -> {rand:uniform(2) - 1, P}
    end,
    loom_model_device:later(Ms, {command, {M#m.life, I, P#p.life}, Queued, Slot, Op, Lba, Blocks, Data}),
    put_port(I, NewP, M).

event({command, {Life, I, PortLife}, Queued, Slot, Op, Lba, Count, Data}, #m{life = Life, ports = Ports} = M) ->
    case Ports of
        #{I := #p{life = PortLife}} -> line(run(I, Queued, Slot, {Op, Lba, Count, Data}, M));
        _ -> M
    end;
event({command, _, _, _, _, _, _, _}, M) -> M;
event({fault, spurious, Error}, #m{ports = #{?DISK := #p{cmd = Cmd} = P}} = M) when Cmd band 1 =:= 1 ->
    line(raise(?DISK, P, 8 bor Error, M));
event({fault, spurious, _}, M) -> M;
event({fault, Name, Value}, #m{faults = Faults} = M) -> M#m{faults = Faults#{Name => Value}};
event(vanish, #m{ports = #{?DISK := P}} = M) ->
    line(raise(?DISK, P#p{disk = false, link = false, life = P#p.life + 1, serr = P#p.serr bor 16#10000, tfd = 16#7f},
               16#400000, M));
event(appear, #m{ports = #{?DISK := P}} = M) ->
    line(raise(?DISK, P#p{disk = true, link = true, serr = P#p.serr bor 16#4000000}, 16#40, M)).

run(I, Queued, Slot, Command, #m{faults = Faults} = M) ->
    case Faults of
        _ when element(1, Command) =:= 16#ec -> done(I, Queued, Slot, execute(Command, M), M);
        #{fail := N} when N > 0 -> done(I, Queued, Slot, error, M#m{faults = Faults#{fail := N - 1}});
        #{hang := N} when N > 0 -> M#m{faults = Faults#{hang := N - 1}};
        _ -> done(I, Queued, Slot, execute(Command, M), M)
    end.

%% A queued command that fails stops all others (ATA 7.16.4); its bit stays. Another one's stays as well.
done(I, _, _, error, #m{ports = Ports} = M) ->
    #{I := P} = Ports,
    raise(I, P#p{tfd = 16#441, life = P#p.life + 1}, 16#40000000, M);
done(I, true, Slot, ok, #m{ports = Ports} = M) ->
    #{I := P} = Ports,
    raise(I, P#p{sact = P#p.sact band bnot (1 bsl Slot), tfd = 16#40}, 8, M);
done(I, false, Slot, ok, #m{ports = Ports} = M) ->
    #{I := P} = Ports,
    raise(I, P#p{ci = P#p.ci band bnot (1 bsl Slot), tfd = 16#50}, 1, M).

raise(I, P, Bits, #m{faults = #{lose := N}} = M) ->
    case rand:uniform(N) of
        1 -> put_port(I, P, M);
        _ -> raise(I, P, Bits, M#m{faults = maps:remove(lose, M#m.faults)}, N)
    end;
raise(I, P, Bits, M) -> put_port(I, P#p{is = P#p.is bor Bits}, M).

raise(I, P, Bits, M, N) ->
    New = raise(I, P, Bits, M),
    New#m{faults = (New#m.faults)#{lose => N}}.

%% Bits of the controller's IS follow those of the ports, and stay until they are cleared.
line(#m{ports = Ports, is = Is, ghc = Ghc} = M) ->
    Now = lists:sum([1 bsl I || {I, #p{is = S, ie = E}} <- maps:to_list(Ports), S band E =/= 0]),
    New = Is bor Now,
    loom_model_device:line(New =/= 0 andalso Ghc band 2 =/= 0),
    M#m{is = New}.

execute({16#ec, 0, 0, {Address, 512}}, #m{args = #{blocks := N} = Args}) ->
    Ncq = maps:get(ncq, Args, true),
    Words = #{75 => 31, 76 => case Ncq of true -> 16#106; false -> 6 end, 83 => 16#6400, 86 => 16#2400,
        100 => N, 106 => 16#4000, 169 => 1},
    loom_model_device:write(Address, << <<(maps:get(I, Words, 0)):16/little>> || I <- lists:seq(0, 255) >>);
execute({16#ea, 0, 0, none}, _) -> ok;
execute({16#06, 0, 1, {Address, 512}}, #m{args = #{disk := Disk}}) ->
    <<Lba:48/little, Count:16/little, 0:504/unit:8>> = loom_model_device:read(Address, 512),
    [ets:delete(Disk, I) || I <- lists:seq(Lba, Lba + Count - 1)],
    ok;
execute({_, Lba, Count, _}, #m{args = #{blocks := N}}) when Lba + Count > N; Count =:= 0 -> error;
execute({Op, Lba, Count, {Address, Size}}, #m{args = #{disk := Disk}})
        when Op =:= 16#61 orelse Op =:= 16#35, Size =:= Count * ?BLOCK ->
    Blocks = [B || <<B:?BLOCK/binary>> <= loom_model_device:read(Address, Size)],
    ets:insert(Disk, lists:zip(lists:seq(Lba, Lba + Count - 1), Blocks)),
    ok;
execute({Op, Lba, Count, {Address, Size}}, #m{args = #{disk := Disk}})
        when Op =:= 16#60 orelse Op =:= 16#25, Size =:= Count * ?BLOCK ->
    loom_model_device:write(Address, << <<(block(Disk, I))/binary>> || I <- lists:seq(Lba, Lba + Count - 1) >>);
execute(_, _) -> error.

block(Disk, I) ->
    case ets:lookup(Disk, I) of
        [{_, Data}] -> Data;
        [] -> <<0:?BLOCK/unit:8>>
    end.
