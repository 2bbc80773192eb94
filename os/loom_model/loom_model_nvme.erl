%% SPDX-License-Identifier: Apache-2.0
%% @doc An NVMe controller with one namespace (NVM Express Base Specification 1.4) whose blocks are in an ETS table of
%% the test: `#{disk := Table, blocks := N}', 512 bytes each. I/O commands end out of order and after a while.
%% Faults: `lose' one interrupt in N; `id', `status': the next completion has a wrong one; `command': the next one was
%% damaged in memory: `prp', `opcode', `space'; `broken': the controller has failed.
-module(loom_model_nvme).
-behaviour(loom_model_device).

-export([init/1, read/4, write/5, event/2, bus_error/1]).

-define(PAGE, 4096).
-define(BLOCK, 512).

-record(q, {sq :: non_neg_integer(), cq :: non_neg_integer(), size :: pos_integer(), head = 0, tail = 0 :: integer(),
    done = 0 :: integer(), phase = 1 :: 0..1}).
-record(m, {args :: map(), faults :: map(), cc = 0, aqa = 0, asq = 0, acq = 0 :: non_neg_integer(),
    queues = #{} :: #{0..1 => #q{}}, cq = {0, 0} :: tuple(), life = 0 :: non_neg_integer(),
    fatal = 0 :: 0 | 2}).

init({Args, Faults}) ->
    {#{vendor => 16#1b36, device => 16#10, class => {1, 8, 2}, bars => [{0, mmio, 16384}], msix => {0, 16#2000}},
     #m{args = Args, faults = Faults}}.

read(0, 0, 64, M) -> {(1 bsl 37) bor (4 bsl 24) bor 16#7ff, M};
read(0, 16#14, 32, M) -> {M#m.cc, M};
read(0, 16#1c, 32, M) -> {M#m.cc band 1 bor M#m.fatal, M};
read(_, _, _, M) -> {0, M}.

write(0, 16#14, 32, V, M) when V band 1 =:= 0 -> M#m{cc = V, queues = #{}, life = M#m.life + 1, fatal = 0};
write(0, 16#14, 32, V, #m{aqa = Aqa} = M) ->
    M#m{cc = V, queues = #{0 => #q{sq = M#m.asq, cq = M#m.acq, size = (Aqa band 16#fff) + 1}}};
write(0, 16#24, 32, V, M) -> M#m{aqa = V};
write(0, 16#28, 32, V, M) -> M#m{asq = V};
write(0, 16#30, 32, V, M) -> M#m{acq = V};
write(0, Offset, 32, V, #m{queues = Queues} = M) when Offset >= 16#1000, Offset < 16#1010 ->
    case (Offset - 16#1000) div 4 of
        Bell when Bell band 1 =:= 0, is_map_key(Bell div 2, Queues) ->
            Id = Bell div 2,
            take(Id, M#m{queues = Queues#{Id := (map_get(Id, Queues))#q{tail = V}}});
        _ -> M
    end;
write(_, _, _, _, M) -> M.

take(Id, #m{queues = Queues} = M) ->
    case map_get(Id, Queues) of
        #q{head = Tail, tail = Tail} -> M;
        #q{head = Head, sq = Sq, size = Size} = Q ->
            {Command, New} = damaged(loom_model_device:read(Sq + 64 * Head, 64), M),
            loom_model_device:later(case Id of 0 -> 0; 1 -> rand:uniform(3) - 1 end, {command, M#m.life, Id, Command}),
            take(Id, New#m{queues = Queues#{Id := Q#q{head = (Head + 1) rem Size}}})
    end.

damaged(<<_, Flags, Cid:16, Space:32/little, Mid:16/binary, Prp1:64/little, Rest/binary>> = Command,
        #m{faults = Faults} = M) ->
    case maps:take(command, Faults) of
        {prp, Left} -> {<<(hd(binary_to_list(Command))), Flags, Cid:16, Space:32/little, Mid/binary,
                          (Prp1 bor 16#dead00000000):64/little, Rest/binary>>, M#m{faults = Left}};
        {opcode, Left} ->
            {<<16#7f, Flags, Cid:16, Space:32/little, Mid/binary, Prp1:64/little, Rest/binary>>, M#m{faults = Left}};
        {space, Left} ->
            {<<(hd(binary_to_list(Command))), Flags, Cid:16, 77:32/little, Mid/binary, Prp1:64/little, Rest/binary>>,
             M#m{faults = Left}};
        error -> {Command, M}
    end.

%% It answers no more until it is reset.
bus_error(M) -> M#m{fatal = 2, life = M#m.life + 1}.

event(_, #m{fatal = 2} = M) -> M;
event({fault, broken, _}, M) -> bus_error(M);
event({command, Life, Id, Command}, #m{life = Life} = M) ->
    case loom_model_device:is_master() of
        true -> run(Id, Command, M);
        false -> M
    end;
event({command, _, _, _}, M) -> M;
event({fault, Name, Value}, #m{faults = Faults} = M) -> M#m{faults = Faults#{Name => Value}}.

run(Id, <<Opcode, 0, Cid:16/little, Space:32/little, _:16/binary, Prp1:64/little, Prp2:64/little, D10:32/little,
          D11:32/little, D12:32/little, _:96>>, M) ->
    {Status, New} = case Id of
        0 -> admin(Opcode, Space, Prp1, D10, D11, M);
        1 when Space =/= 1 -> {16#0b, M};
        1 -> {io(Opcode, Prp1, Prp2, D10 bor (D11 bsl 32), D10, (D12 band 16#ffff) + 1, M), M}
    end,
    complete(Id, Cid, Status, New).

admin(16#06, 0, Prp1, 1, 0, M) -> % a volatile cache, dataset management
    {loom_model_device:write(Prp1, <<0:(77 * 8), 5, 0:(442 * 8), 4:16/little, 0:(3 * 8), 1, 0:(3570 * 8)>>), M};
admin(16#06, 0, Prp1, 2, 0, M) -> {loom_model_device:write(Prp1, <<1:32/little, 0:(4092 * 8)>>), M};
admin(16#06, 1, Prp1, 0, 0, #m{args = #{blocks := N}} = M) ->
    {loom_model_device:write(Prp1, <<N:64/little, 0:(120 * 8), 0:16, 9, 0, 0:(3964 * 8)>>), M};
admin(16#09, 0, 0, 7, 0, M) -> {ok, M};
admin(16#05, 0, Prp1, D10, 3, M) -> {ok, M#m{cq = {Prp1, (D10 bsr 16) + 1}}};
admin(16#01, 0, Prp1, D10, _, #m{cq = {Cq, Size}, queues = Queues} = M) when (D10 bsr 16) + 1 =:= Size ->
    {ok, M#m{queues = Queues#{1 => #q{sq = Prp1, cq = Cq, size = Size}}}};
admin(_, _, _, _, _, M) -> {1, M}.

io(0, _, _, _, _, _, _) -> ok;
io(9, Prp1, 0, _, 0, _, #m{args = #{disk := Disk}}) ->
    <<0:32, Count:32/little, Block:64/little>> = loom_model_device:read(Prp1, 16),
    [ets:delete(Disk, I) || I <- lists:seq(Block, Block + Count - 1)],
    ok;
io(_, _, _, Block, _, Count, #m{args = #{blocks := N}}) when Block + Count > N -> 16#80;
io(1, Prp1, Prp2, Block, _, Count, #m{args = #{disk := Disk}}) ->
    Data = << <<(loom_model_device:read(A, L))/binary>> || {A, L} <- pages(Prp1, Prp2, Count * ?BLOCK) >>,
    ets:insert(Disk, lists:zip(lists:seq(Block, Block + Count - 1), [B || <<B:?BLOCK/binary>> <= Data])),
    ok;
io(2, Prp1, Prp2, Block, _, Count, #m{args = #{disk := Disk}}) ->
    Data = << <<(ets_block(Disk, I))/binary>> || I <- lists:seq(Block, Block + Count - 1) >>,
    lists:foldl(fun({Address, Length}, <<Rest/binary>>) ->
        <<Now:Length/binary, Later/binary>> = Rest,
        ok = loom_model_device:write(Address, Now),
        Later
    end, Data, pages(Prp1, Prp2, Count * ?BLOCK)),
    ok;
io(_, _, _, _, _, _, _) -> 1.

ets_block(Disk, I) ->
    case ets:lookup(Disk, I) of
        [{_, Data}] -> Data;
        [] -> <<0:?BLOCK/unit:8>>
    end.

%% 4.3: the second is a page or, for more than two, a list.
pages(Prp1, 0, Size) when Size =< ?PAGE -> [{Prp1, Size}];
pages(Prp1, Prp2, Size) when Size > ?PAGE, Size =< 2 * ?PAGE -> [{Prp1, ?PAGE}, {Prp2, Size - ?PAGE}];
pages(Prp1, Prp2, Size) when Size > 2 * ?PAGE ->
    Count = (Size - 1) div ?PAGE,
    List = [A || <<A:64/little>> <= loom_model_device:read(Prp2, 8 * Count)],
    [{Prp1, ?PAGE} | [{A, min(?PAGE, Size - ?PAGE * I)} || {A, I} <- lists:zip(List, lists:seq(1, Count))]].

complete(Id, Cid, ok, M) -> complete(Id, Cid, 0, M);
complete(Id, Cid, Status, #m{queues = Queues, faults = Faults} = M) ->
    #q{cq = Cq, done = Done, phase = Phase, size = Size, head = Head} = Q = map_get(Id, Queues),
    BadCid = maps:get(id, Faults, Cid),
    BadStatus = maps:get(status, Faults, Status),
    ok = loom_model_device:write(Cq + 16 * Done, <<0:64, Head:16/little, Id:16/little, BadCid:16/little,
        ((BadStatus bsl 1) bor Phase):16/little>>),
    Next = (Done + 1) rem Size,
    NextPhase = case Next of 0 -> 1 - Phase; _ -> Phase end,
    case Faults of
        #{lose := N} -> rand:uniform(N) =:= 1 orelse loom_model_device:interrupt();
        _ -> loom_model_device:interrupt()
    end,
    M#m{queues = Queues#{Id := Q#q{done = Next, phase = NextPhase}}, faults = maps:without([id, status], Faults)}.
