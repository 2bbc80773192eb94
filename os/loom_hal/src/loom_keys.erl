%% SPDX-License-Identifier: Apache-2.0
%% @doc Keys of an `input' unit to the bytes a terminal would send. Pure. The codes are Linux's, of which the first 88
%% are those of a PS/2 keyboard and a few more stand for its extended ones: so loom_ps2_scan does the rest.
-module(loom_keys).

-export([new/0, bytes/3]).

-spec new() -> loom_ps2_scan:state().
new() -> loom_ps2_scan:new().

-spec bytes(Code :: non_neg_integer(), down | up | repeat, loom_ps2_scan:state()) ->
    {binary(), loom_ps2_scan:state()}.
bytes(Code, What, Scan) ->
    lists:foldl(fun(Byte, {Bytes, S}) ->
        {More, New} = loom_ps2_scan:decode(Byte, S),
        {<<Bytes/binary, More/binary>>, New}
    end, {<<>>, Scan}, codes(scan(Code), What)).

codes(none, _) -> [];
codes({extended, Byte}, What) -> [16#e0 | codes(Byte, What)];
codes(Byte, up) -> [Byte bor 16#80];
codes(Byte, _) -> [Byte].

scan(Code) when Code >= 1, Code =< 88 -> Code;
scan(96) -> {extended, 16#1c}; % enter of the number block
scan(97) -> {extended, 16#1d}; % right control
scan(98) -> {extended, 16#35}; % its slash
scan(100) -> {extended, 16#38}; % right alt
scan(102) -> {extended, 16#47}; % home
scan(103) -> {extended, 16#48}; % up
scan(104) -> {extended, 16#49}; % page up
scan(105) -> {extended, 16#4b}; % left
scan(106) -> {extended, 16#4d}; % right
scan(107) -> {extended, 16#4f}; % end
scan(108) -> {extended, 16#50}; % down
scan(109) -> {extended, 16#51}; % page down
scan(110) -> {extended, 16#52}; % insert
scan(111) -> {extended, 16#53}; % delete
scan(_) -> none.
