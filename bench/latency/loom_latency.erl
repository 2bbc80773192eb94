%% SPDX-License-Identifier: Apache-2.0
%% @doc From an interrupt of the real-time clock to `handle_interrupt' of its driver, which is this module: it takes the
%% clock from loom_drv_timer. Time stamps: the handler's in C, and the first thing that the driver does.
-module(loom_latency).
-behaviour(loom_driver).

-export([run/2]).
-export([init/0, handle_interrupt/3, handle_request/3]).

-define(RATE, 4). % 4096 Hz
-record(s, {io, irq, offset, left = 0, times = [], lost = 0, from}).

%% @doc Prints percentiles over so many interrupts, on a machine that does nothing else, or with so many processes a
%% scheduler that compute.
run(Count, Load) ->
    _ = supervisor:terminate_child(loom_hal_sup, loom_drv_timer),
    {ok, Driver} = loom_driver:start_link(?MODULE),
    Hogs = [spawn(fun() -> compute(0) end) || _ <- lists:seq(1, Load * erlang:system_info(schedulers_online))],
    #{count := C0, cycles := Y0, hz := Hz} = loom_hw:irq_cost(),
    {Times, Lost} = gen_server:call(Driver, {measure, Count}, infinity),
    #{count := C1, cycles := Y1, by_power := Powers} = loom_hw:irq_cost(),
    [exit(P, kill) || P <- Hogs],
    unlink(Driver),
    exit(Driver, kill),
    _ = supervisor:restart_child(loom_hal_sup, loom_drv_timer),
    Sorted = lists:sort(Times),
    io:format("latency load ~b count ~b coalesced ~b~s~n", [Load, length(Sorted), Lost,
        [io_lib:format(" ~s ~b", [Name, lists:nth(max(1, ceil(Share * length(Sorted))), Sorted)])
         || {Name, Share} <- [{"median", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"most", 1.0}]]]),
    io:format("handler count ~b cycles ~b hz ~b powers ~w~n", [C1 - C0, (Y1 - Y0) div max(1, C1 - C0), Hz, Powers]).

compute(N) -> compute((N * 7 + 1) band 16#ffff).

init() ->
    {ok, Io} = loom_hal:grant({port, 16#70, 2}),
    {ok, Irq} = loom_hal:grant({irq, 8}),
    put_reg(Io, 16#0b, 6),
    _ = reg(Io, 16#0c),
    ok = loom_hw:irq_subscribe(Irq),
    {ok, #s{io = Io, irq = Irq, offset = lists:max([offset() || _ <- lists:seq(1, 200)])}}.

%% Between the clock of the stamps and the monotonic one. What passes between the two readings makes it smaller, and
%% latencies longer.
offset() ->
    Now = erlang:monotonic_time(nanosecond),
    #{uptime_ns := Up} = loom_hw:boot_info(),
    Now - Up.

handle_interrupt(Time, Count, #s{io = Io, left = Left} = S) ->
    Now = erlang:monotonic_time(nanosecond),
    _ = reg(Io, 16#0c),
    ok = loom_hw:irq_ack(S#s.irq),
    case Left of
        0 -> {ok, S};
        1 ->
            put_reg(Io, 16#0b, 6),
            gen_server:reply(S#s.from, {S#s.times, S#s.lost}),
            {ok, S#s{left = 0, times = []}};
        _ -> {ok, S#s{left = Left - 1, times = [Now - S#s.offset - Time | S#s.times], lost = S#s.lost + Count - 1}}
    end.

handle_request({measure, Count}, From, #s{io = Io} = S) ->
    put_reg(Io, 16#0a, 16#20 bor ?RATE),
    put_reg(Io, 16#0b, 6 bor 16#40),
    _ = reg(Io, 16#0c),
    {noreply, S#s{left = Count, from = From, times = [], lost = 0}}.

reg(Io, Register) ->
    ok = loom_hw:port_out(Io, 0, 8, Register),
    loom_hw:port_in(Io, 1, 8).

put_reg(Io, Register, Value) ->
    ok = loom_hw:port_out(Io, 0, 8, Register),
    ok = loom_hw:port_out(Io, 1, 8, Value).
