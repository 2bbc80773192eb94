%% SPDX-License-Identifier: Apache-2.0
%% Files in memory: every mode and call of file and ram_file, and what the driver answers to raw commands.
-module(ram_files).
-export([main/0]).
p(Tag, Value) -> io:format("~p: ~tp~n", [Tag, Value]).

main() ->
    [modes(M) || M <- [[], [read], [write], [read, write], [binary], [read, binary], [read, write, binary]]],
    p(bad, [file:open("x", [ram, foo]), file:open(x, [ram]), file:open([300], [ram]), file:open([a], [ram]), file:open([ram|x], [ram])]),
    {ok, F} = file:open("abc", [ram, read]),
    {file_descriptor, _, P} = F,
    p(info, [erlang:port_info(P, I) || I <- [name, input, output, queue_size, os_pid]]),
    p(raw, [c(P, C) || C <- [[], [0], [200], [33], [34], [30], [37], [1, 0, 0, 0, 1, "new"], [30], [1, 0, 0, 0, 0, "zero"], [30], [2, 0, 0, 0, 1], [9], [14], [19], [38, <<0:160>>], [39, <<0:128>>],
                        [1, 0, 0, 0, 9, "nine"], [30], [4, "x"], [1, 0, 0, 0, 2, "x"], [2, 0, 0, 0, 1]]]),
    p(ctl, [try_(fun() -> port_control(P, 1, []) end), try_(fun() -> erlang:port_call(P, 1, a) end)]),
    p(close, [file:close(F), file:close(F), file:read(F, 1), ram_file:get_size(F)]).

try_(F) -> try F() catch A:B -> {A, B} end.

c(P, C) -> try port_command(P, C), receive {P, D} -> D after 50 -> none end catch A:B -> {A, B} end.

modes(M) ->
    {ok, F} = file:open("hello world", [ram|M]),
    p({M, read}, [file:read(F, 0), file:read(F, 3), file:read(F, 100), file:read(F, 1), file:read(F, 0)]),
    p({M, pos}, [file:position(F, X) || X <- [bof, {bof, 5}, cur, {cur, 2}, {cur, -100}, {eof, -1}, {eof, 10}, {bof, -1}, {bof, 1 bsl 31}, {bof, (1 bsl 31)-1}, {cur, 5}, {eof, (1 bsl 31)-1}, {bof, 1 bsl 40}]]),
    p({M, pos2}, [file:position(F, 20), file:read(F, 1), file:write(F, "xyz"), ram_file:get_file(F), ram_file:get_size(F), file:position(F, cur)]),
    p({M, pread}, [file:pread(F, 0, 5), file:pread(F, 100, 5), file:pread(F, 22, 5), file:pread(F, [{0, 1}, {200, 1}, {3, 0}]), file:pread(F, -1, 5), file:pread(F, 200, 0), file:position(F, cur)]),
    p({M, pwrite}, [file:pwrite(F, 2, "AB"), file:pwrite(F, [{0, "x"}, {30, "yy"}]), file:pwrite(F, -1, "z"), file:pwrite(F, [{1, "a"}, {-1, "b"}]), file:pwrite(F, 100, ""), ram_file:get_size(F), ram_file:get_file(F), file:position(F, cur)]),
    p({M, trunc}, [file:position(F, 4), file:truncate(F), ram_file:get_size(F), file:position(F, 10), file:truncate(F), ram_file:get_size(F), ram_file:get_file(F), file:read(F, 1), file:position(F, eof)]),
    p({M, sync}, [file:sync(F), file:datasync(F)]),
    p({M, adv}, [file:advise(F, 0, 4, A) || A <- [normal, random, sequential, will_need, dont_need, no_reuse, foo]]),
    p({M, adv}, [file:advise(F, -1, -4, normal)]),
    p({M, alloc}, [file:allocate(F, 0, 100), ram_file:get_size(F), file:allocate(F, 50, -1), file:allocate(F, -5, 5), file:allocate(F, 3, 1), ram_file:get_size(F), file:allocate(F, 1 bsl 40, 1)]),
    p({M, w}, [file:position(F, 1), file:write(F, ["a", [<<"b">>]]), file:write(F, ""), file:write(F, x), file:copy(F, F, 1), ram_file:get_file(F)]),
    p({M, close}, [file:close(F)]).
