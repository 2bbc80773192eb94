%% SPDX-License-Identifier: Apache-2.0
%% @doc A model of the hardware natives (doc/hardware.md) for Linux: a machine with a 16550, the memory of a real-time
%% clock, I/O ports that nobody answers for, and a PCI bus with the model devices that a test plugs in. Capabilities
%% are checked as the real ones are. The unmodified drivers run on it, and can be killed at any access they make. Never
%% part of the bundle.
-module(loom_hw).
-behaviour(gen_server).

-export([start/0, start/1, stop/1, wire/0, drain/0, type/1]).
-export([plug_screen/2, screen/0, fb_info/1, fb_cursor/3, fb_fill/6, fb_text/6, fb_scroll/5, fb_show/5, fb_refresh/5]).
-export([set_cmos/1, logged/0]).
-export([plug/3, unplug/1, tell/2, fault/1, kill_at/2, accesses/0, violations/0, kept/0, wire_from/1]).
-export([claim/0, grant/3, revoke/1, inventory/1, port_in/3, port_out/4, port_in_bytes/3, port_out_bytes/3, log/1]).
-export([mmio_read/3, mmio_write/4, dma_address/1, dma_read/3, dma_write/3]).
-export([pci_read/3, pci_write/4, pci_scan/1, pci_reset_done/1]).
-export([irq_subscribe/1, irq_ack/1, irq_unsubscribe/1, irq_vector/1, irq_message/1, list/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(UART, 16#3f8).
-define(UART_IRQ, 4).
-define(CMOS, 16#70).
-define(FIFO_MS, 1). % sixteen bytes take 1.4 ms at 115200 baud
-define(FIRST_VECTOR, 16#30).

%% spec: what was granted; `{dma, Address, Size}' for memory.
-record(cap, {owner :: pid(), spec :: term(), vector = 0 :: non_neg_integer(), subscribed = false :: boolean(),
    masked = false :: boolean()}).
-record(s, {caps = #{} :: #{reference() => #cap{}},
            cmos = {0, <<0:128/unit:8>>} :: {0..127, binary()}, % the chosen byte, all bytes
            log = [] :: [iodata()],
            uart = loom_model_uart:new() :: loom_model_uart:uart(),
            screen = none :: none | loom_model_fb:screen(),
            levels = #{} :: #{non_neg_integer() => boolean()},
            kept = [] :: [{Place :: tuple(), non_neg_integer(), pos_integer()}],
            next_vector = ?FIRST_VECTOR :: pos_integer(),
            accesses = 0 :: non_neg_integer(),
            refuse = 0 :: non_neg_integer(), % so many grants yet are refused
            kill = never :: never | {non_neg_integer(), before | behind}}).

%% --- the model's own controls ------------------------------------------------------------------------------------

-spec start() -> {ok, pid()}.
start() -> start([]).
%% @doc With devices on the bus.
-spec start([{Place :: tuple(), module(), Args :: term()}]) -> {ok, pid()}.
start(Devices) -> gen_server:start({local, ?MODULE}, ?MODULE, Devices, []).
-spec stop(pid()) -> ok.
stop(Pid) -> gen_server:stop(Pid).
%% @doc All that the 16550 transmitted so far.
-spec wire() -> binary().
wire() -> gen_server:call(?MODULE, wire).
%% @doc Without what it had transmitted before.
-spec wire_from(non_neg_integer()) -> binary().
wire_from(At) -> gen_server:call(?MODULE, {wire_from, At}).
%% @doc Waits until the transmitter is empty.
-spec drain() -> ok.
drain() ->
    case gen_server:call(?MODULE, pending) of
        0 -> ok;
        _ -> timer:sleep(1), drain()
    end.
%% @doc Lines of the log, oldest first.
-spec logged() -> [binary()].
logged() -> gen_server:call(?MODULE, logged).
%% @doc What the clock's battery has kept.
-spec set_cmos(<<_:1024>>) -> ok.
set_cmos(Bytes) -> gen_server:call(?MODULE, {set_cmos, Bytes}).
%% @doc Input from the wire.
-spec type(binary()) -> ok.
type(Bytes) -> gen_server:call(?MODULE, {type, Bytes}).
-spec plug(tuple(), module(), term()) -> ok.
plug(Place, Module, Args) -> gen_server:call(?MODULE, {plug, Place, Module, Args}).
-spec unplug(tuple()) -> ok.
unplug(Place) -> gen_server:call(?MODULE, {unplug, Place}).
%% @doc A screen, where there was none. For build/loom only.
-spec plug_screen(Columns :: pos_integer(), Rows :: pos_integer()) -> ok.
plug_screen(Columns, Rows) -> gen_server:call(?MODULE, {plug_screen, Columns, Rows}).
%% @doc Canvases: what is on the screen, and what would be without windows.
-spec screen() -> {reference(), reference()}.
screen() -> gen_server:call(?MODULE, screen).
%% @doc An event for a device, from its outside.
-spec tell(tuple(), term()) -> ok.
tell(Place, Event) -> gen_server:call(?MODULE, {tell, Place, Event}).
%% @doc Something breaks: the next N grants find no memory; N interrupts of a device are lost, come twice, or come
%% without a cause; its registers change by themselves (loom_model_pci:fault/2).
-spec fault({refuse, pos_integer()} | {interrupts, tuple(), drop | twice | storm, pos_integer()}
            | {registers, tuple(), command | window | message}) -> ok.
fault(Fault) -> gen_server:call(?MODULE, {fault, Fault}).
%% @doc The process that makes the N-th access to hardware from now on is killed, before or behind it.
-spec kill_at(pos_integer(), before | behind) -> ok.
kill_at(N, When) -> gen_server:call(?MODULE, {kill_at, N, When}).
%% @doc How many accesses there were.
-spec accesses() -> non_neg_integer().
accesses() -> gen_server:call(?MODULE, accesses).
%% @doc What devices did to memory that was not given to them.
-spec violations() -> [tuple()].
violations() -> gen_server:call(?MODULE, violations).
%% @doc Bytes of dead drivers whose device was not reset yet.
-spec kept() -> non_neg_integer().
kept() -> gen_server:call(?MODULE, kept).

%% --- loom_hw -----------------------------------------------------------------------------------------------------

claim() -> gen_server:call(?MODULE, claim).
grant(Root, Spec, Pid) -> checked({grant, Root, Spec, Pid}).
revoke(Cap) -> checked({revoke, Cap}).
inventory(Root) -> checked({inventory, Root}).
pci_scan(Root) -> checked({pci_scan, Root}).
port_in(Cap, Offset, Width) -> checked({in, Cap, Offset, Width}).
port_out(Cap, Offset, Width, Value) -> checked({out, Cap, Offset, Width, Value}).
port_in_bytes(Cap, Offset, Count) -> << <<(port_in(Cap, Offset, 8))>> || _ <- lists:seq(1, Count) >>.
port_out_bytes(Cap, Offset, Bytes) -> checked({bytes, Cap, Offset, iolist_to_binary(Bytes)}).
mmio_read(Cap, Offset, Width) -> checked({mmio_read, Cap, Offset, Width}).
mmio_write(Cap, Offset, Width, Value) -> checked({mmio_write, Cap, Offset, Width, Value}).
dma_address(Cap) -> checked({dma_address, Cap}).
dma_read(Cap, Offset, Size) -> checked({dma_read, Cap, Offset, Size}).
dma_write(Cap, Offset, Data) -> checked({dma_write, Cap, Offset, iolist_to_binary(Data)}).
pci_read(Cap, Offset, Width) -> checked({pci_read, Cap, Offset, Width}).
pci_write(Cap, Offset, Width, Value) -> checked({pci_write, Cap, Offset, Width, Value}).
pci_reset_done(Cap) -> checked({pci_reset_done, Cap}).
fb_info(Cap) -> checked({fb, Cap, info}).
fb_cursor(Cap, Column, Row) -> checked({fb, Cap, {cursor, Column, Row}}).
fb_fill(Cap, X, Y, W, H, Rgb) -> checked({fb, Cap, {fill, X, Y, W, H, Rgb}}).
fb_text(Cap, Column, Row, Text, Fg, Bg) -> checked({fb, Cap, {text, Column, Row, Text, Fg, Bg}}).
fb_scroll(Cap, Top, Bottom, Lines, Bg) -> checked({fb, Cap, {scroll, Top, Bottom, Lines, Bg}}).
fb_show(Cap, X, Y, Canvas, Part) -> checked({fb, Cap, {show, X, Y, Canvas, Part}}).
fb_refresh(Cap, X, Y, W, H) -> checked({fb, Cap, {refresh, X, Y, W, H}}).
irq_subscribe(Cap) -> checked({subscribe, Cap}).
irq_unsubscribe(Cap) -> checked({unsubscribe, Cap}).
irq_ack(Cap) -> checked({ack, Cap}).
irq_vector(Cap) -> checked({vector, Cap}).
irq_message(Cap) -> checked({message, Cap}).
log(Line) when is_list(Line); is_binary(Line) -> gen_server:cast(?MODULE, {log, Line}).
list() -> loom_devices:list().

checked(Request) ->
    case gen_server:call(?MODULE, Request, infinity) of
        badarg -> error(badarg);
        Reply -> Reply
    end.

%% --- the server --------------------------------------------------------------------------------------------------

init(Devices) ->
    ok = loom_model_memory:new(),
    [loom_model_pci:plug(Place, Module, Args) || {Place, Module, Args} <- Devices],
    {ok, #s{}}.

handle_call(wire, _From, S) -> {reply, loom_model_uart:wire(S#s.uart), S};
handle_call(logged, _From, S) -> {reply, [iolist_to_binary(L) || L <- lists:reverse(S#s.log)], S};
handle_call({set_cmos, Bytes}, _From, S) -> {reply, ok, S#s{cmos = {0, Bytes}}};
handle_call(pending, _From, S) -> {reply, loom_model_uart:pending(S#s.uart), S};
handle_call({type, Bytes}, _From, S) -> {reply, ok, uart(loom_model_uart:input(Bytes, S#s.uart), S)};
handle_call({plug, Place, Module, Args}, _From, S) ->
    loom_model_pci:plug(Place, Module, Args),
    {reply, ok, S};
handle_call({unplug, Place}, _From, S) ->
    loom_model_pci:unplug(Place),
    {reply, ok, S};
handle_call({plug_screen, Columns, Rows}, _From, S) ->
    {reply, ok, S#s{screen = loom_model_fb:new(Columns, Rows)}};
handle_call(screen, _From, #s{screen = Screen} = S) -> {reply, loom_model_fb:canvases(Screen), S};
handle_call({tell, Place, Event}, _From, S) ->
    loom_model_pci:event(Place, Event),
    {reply, ok, S};
handle_call({wire_from, At}, _From, S) ->
    <<_:At/binary, New/binary>> = loom_model_uart:wire(S#s.uart),
    {reply, New, S};
handle_call({fault, {refuse, N}}, _From, S) -> {reply, ok, S#s{refuse = N}};
handle_call({fault, {interrupts, Place, What, N}}, _From, S) -> {reply, loom_model_pci:interrupts(Place, What, N), S};
handle_call({fault, {registers, Place, What}}, _From, S) -> {reply, loom_model_pci:fault(Place, What), S};
handle_call({kill_at, N, When}, _From, S) -> {reply, ok, S#s{kill = {S#s.accesses + N, When}}};
handle_call(accesses, _From, S) -> {reply, S#s.accesses, S};
handle_call(violations, _From, S) -> {reply, loom_model_memory:violations(), S};
handle_call(kept, _From, S) -> {reply, lists:sum([Size || {_, _, Size} <- S#s.kept]), S};
handle_call(claim, {Pid, _}, S) ->
    {Cap, New} = new_cap(#cap{owner = Pid, spec = root}, S),
    {reply, {ok, Cap}, New};
handle_call(Request, {Pid, _}, #s{caps = Caps, accesses = Count} = S) ->
    case {maps:get(element(2, Request), Caps, none), S#s{accesses = Count + 1}} of
        {#cap{owner = Pid, spec = root}, Same} -> root(Request, Same#s{accesses = Count});
        {#cap{owner = Pid} = Cap, Next} -> driver(Request, Cap, Next);
        {_, Next} -> {reply, badarg, Next}
    end.

handle_cast({log, Line}, S) -> {noreply, S#s{log = [Line | S#s.log]}};
handle_cast(Request, _S) -> error({unexpected_cast, Request}).

handle_info(transmitted, S) -> {noreply, uart(loom_model_uart:transmitted(S#s.uart), S)};
handle_info({device, Place, Event}, S) ->
    loom_model_pci:event(Place, Event),
    {noreply, S};
handle_info({message, Vector}, S) ->
    {noreply, interrupt(fun(#cap{spec = Spec, vector = V}) -> Spec =:= msi andalso V =:= Vector end, S)};
handle_info({level, Line, Level}, #s{levels = Levels} = S) ->
    {noreply, level(Line, S#s{levels = Levels#{Line => Level}})};
handle_info({'DOWN', _, process, Pid, _}, S) -> {noreply, revoke_all(Pid, S)}.

%% --- the holder of the root --------------------------------------------------------------------------------------

root({grant, _, _, _}, #s{refuse = N} = S) when N > 0 -> {reply, {error, enomem}, S#s{refuse = N - 1}};
root({grant, _, Spec, Pid}, S) ->
    Swept = sweep(S),
    case take(Spec, Swept) of
        {ok, Taken} ->
            {Cap, New} = new_cap(#cap{owner = Pid, spec = Taken, vector = Swept#s.next_vector}, Swept),
            {reply, {ok, Cap}, New#s{next_vector = Swept#s.next_vector + 1}};
        {error, _} = Error -> {reply, Error, Swept}
    end;
root({pci_scan, _}, S) -> {reply, loom_model_pci:scan(), S};
root({inventory, _}, S) ->
    Serial = #{port => ?UART, irq => ?UART_IRQ, kind => uart16550},
    {reply, #{serial => [Serial], framebuffer => S#s.screen =/= none, ecam => none}, S}.

new_cap(#cap{owner = Pid} = Cap, #s{caps = Caps} = S) ->
    _ = monitor(process, Pid),
    Ref = make_ref(),
    {Ref, S#s{caps = Caps#{Ref => Cap}}}.

take(framebuffer, #s{screen = none}) -> {error, enodev};
take({dma, Size}, _) -> {ok, {dma, loom_model_memory:alloc(Size), Size}};
take(msi, _) -> {ok, msi};
take({pci, Bus, Slot, Function}, S) ->
    case lists:member({Bus, Slot, Function}, loom_model_pci:places()) of
        true -> free({pci, {Bus, Slot, Function}}, S);
        false -> {error, enodev}
    end;
take({irq, Line, level}, S) -> free({irq, Line}, S);
take(Spec, S) -> free(Spec, S).

free(Spec, #s{caps = Caps}) ->
    case [C || C <- maps:values(Caps), overlap(C#cap.spec, Spec)] of
        [] -> {ok, Spec};
        _ -> {error, taken}
    end.

overlap({K, A, N}, {K, B, M}) when K =:= mmio; K =:= port -> A < B + M andalso B < A + N;
overlap(Spec, Spec) -> true;
overlap(_, _) -> false.

%% Whoever died has nothing left, even if the news of it is still under way.
sweep(#s{caps = Caps} = S) ->
    Dead = lists:usort([P || #cap{owner = P} <- maps:values(Caps), not is_process_alive(P)]),
    lists:foldl(fun revoke_all/2, S, Dead).

revoke_all(Pid, #s{caps = Caps, kept = Kept} = S) ->
    {Gone, Left} = lists:partition(fun({_, #cap{owner = P}}) -> P =:= Pid end, maps:to_list(Caps)),
    Places = [Place || {_, #cap{spec = {pci, Place}}} <- Gone],
    [loom_model_pci:silence(Place) || Place <- Places],
    Memory = [{Address, Size} || {_, #cap{spec = {dma, Address, Size}}} <- Gone],
    More = case Places of
        [Place | _] -> [{Place, Address, Size} || {Address, Size} <- Memory];
        [] ->
            [loom_model_memory:free(Address, Size) || {Address, Size} <- Memory],
            []
    end,
    S#s{caps = maps:from_list(Left), kept = More ++ Kept}.

%% --- what drivers do ---------------------------------------------------------------------------------------------

%% A killed process gets no answer.
driver(_Request, #cap{owner = Pid}, #s{accesses = N, kill = {N, before}} = S) ->
    exit(Pid, kill),
    {noreply, S#s{kill = never}};
driver(Request, #cap{owner = Pid, spec = Spec} = Cap, #s{accesses = N, kill = {N, behind}} = S) ->
    {reply, _, New} = access(Request, Spec, Cap, S#s{kill = never}),
    exit(Pid, kill),
    {noreply, New};
driver(Request, #cap{spec = Spec} = Cap, S) -> access(Request, Spec, Cap, S).

access({in, _, Offset, 8}, {port, ?UART, _}, _, S) ->
    {Value, New} = loom_model_uart:read(Offset, S#s.uart),
    {reply, Value, S#s{uart = New}};
access({out, _, Offset, 8, Value}, {port, ?UART, _}, _, S) ->
    {reply, ok, uart(loom_model_uart:write(Offset, Value, S#s.uart), S)};
access({bytes, _, 0, Bytes}, {port, ?UART, _}, _, S) ->
    {reply, ok, uart(loom_model_uart:write_bytes(Bytes, S#s.uart), S)};
access({out, _, 0, 8, Index}, {port, ?CMOS, 2}, _, #s{cmos = {_, Bytes}} = S) ->
    {reply, ok, S#s{cmos = {Index band 127, Bytes}}};
access({in, _, 1, 8}, {port, ?CMOS, 2}, _, #s{cmos = {Index, Bytes}} = S) -> {reply, binary:at(Bytes, Index), S};
access({out, _, 1, 8, Value}, {port, ?CMOS, 2}, _, #s{cmos = {Index, Bytes}} = S) ->
    <<Before:Index/binary, _, Behind/binary>> = Bytes,
    {reply, ok, S#s{cmos = {Index, <<Before/binary, Value, Behind/binary>>}}};
access({in, _, Offset, Width}, {port, Base, Count}, _, S) -> {reply, window_read(io, Base, Count, Offset, Width), S};
access({out, _, Offset, Width, Value}, {port, Base, Count}, _, S) ->
    {reply, window_write(io, Base, Count, Offset, Width, Value), S};
access({mmio_read, _, Offset, Width}, {mmio, Base, Size}, _, S) ->
    {reply, window_read(mmio, Base, Size, Offset, Width), S};
access({mmio_write, _, Offset, Width, Value}, {mmio, Base, Size}, _, S) ->
    {reply, window_write(mmio, Base, Size, Offset, Width, Value), S};
access({fb, _, Call}, framebuffer, _, #s{screen = Screen} = S) ->
    {Reply, New} = loom_model_fb:call(Call, Screen),
    {reply, Reply, S#s{screen = New}};
access(Request, {dma, Address, Size}, _, S) -> {reply, memory(Request, Address, Size), S};
access({pci_read, _, Offset, Width}, {pci, Place}, _, S) ->
    {reply, loom_model_pci:config_read(Place, Offset, Width), S};
access({pci_write, _, Offset, Width, Value}, {pci, Place}, _, S) ->
    {reply, loom_model_pci:config_write(Place, Offset, Width, Value), S};
access({pci_reset_done, _}, {pci, Place}, _, #s{kept = Kept} = S) ->
    {Free, Left} = lists:partition(fun({P, _, _}) -> P =:= Place end, Kept),
    [loom_model_memory:free(Address, Size) || {_, Address, Size} <- Free],
    {reply, ok, S#s{kept = Left}};
access({revoke, Ref}, Spec, _, #s{caps = Caps} = S) ->
    case Spec of
        {pci, Place} -> loom_model_pci:silence(Place);
        {dma, Address, Size} -> loom_model_memory:free(Address, Size);
        _ -> ok
    end,
    {reply, ok, S#s{caps = maps:remove(Ref, Caps)}};
access({vector, _}, _, #cap{vector = Vector}, S) -> {reply, Vector, S};
access({message, _}, msi, #cap{vector = Vector}, S) -> {reply, {16#fee00000, Vector}, S};
access({subscribe, Ref}, Spec, Cap, S) -> unmask(Ref, Spec, Cap#cap{subscribed = true, masked = false}, S);
access({unsubscribe, Ref}, _, Cap, #s{caps = Caps} = S) ->
    {reply, ok, S#s{caps = Caps#{Ref := Cap#cap{subscribed = false}}}};
access({ack, Ref}, Spec, Cap, S) -> unmask(Ref, Spec, Cap#cap{masked = false}, S);
access(_, _, _, S) -> {reply, badarg, S}.

unmask(Ref, Spec, Cap, #s{caps = Caps} = S) ->
    New = S#s{caps = Caps#{Ref := Cap}},
    {reply, ok, case Spec of
        {irq, Line} -> level(Line, New);
        _ -> New
    end}.

window_read(Kind, Base, Size, Offset, Width) when Offset + Width div 8 =< Size ->
    case loom_model_pci:find_window(Kind, Base, Size) of
        {Place, Bar, Start} -> loom_model_pci:window_read(Place, Bar, Start + Offset, Width);
        none -> 1 bsl Width - 1 % as a bus does when nobody answers
    end;
window_read(_, _, _, _, _) -> badarg.

window_write(Kind, Base, Size, Offset, Width, Value) when Offset + Width div 8 =< Size,
        Value < 1 bsl Width, Value >= 0 ->
    case loom_model_pci:find_window(Kind, Base, Size) of
        {Place, Bar, Start} -> loom_model_pci:window_write(Place, Bar, Start + Offset, Width, Value);
        none -> ok
    end;
window_write(_, _, _, _, _, _) -> badarg.

memory({dma_address, _}, Address, _) -> Address;
memory({dma_read, _, Offset, Count}, Address, Size) when Offset >= 0, Offset + Count =< Size ->
    loom_model_memory:read(Address + Offset, Count);
memory({dma_write, _, Offset, Data}, Address, Size) when Offset >= 0, Offset + byte_size(Data) =< Size ->
    loom_model_memory:write(Address + Offset, Data);
memory({mmio_read, _, Offset, Width}, Address, Size) when Offset >= 0, Offset + Width div 8 =< Size ->
    <<Value:Width/little>> = loom_model_memory:read(Address + Offset, Width div 8),
    Value;
memory({mmio_write, _, Offset, Width, Value}, Address, Size) when Offset >= 0, Offset + Width div 8 =< Size,
        Value < 1 bsl Width ->
    loom_model_memory:write(Address + Offset, <<Value:Width/little>>);
memory(_, _, _) -> badarg.

%% --- interrupts --------------------------------------------------------------------------------------------------

uart({Effects, Uart}, S) ->
    lists:foldl(fun(transmit, A) ->
                        _ = erlang:send_after(?FIFO_MS, self(), transmitted),
                        A;
                    (interrupt, A) -> interrupt(fun(#cap{spec = Spec}) -> Spec =:= {irq, ?UART_IRQ} end, A)
                end, S#s{uart = Uart}, Effects).

interrupt(Is, #s{caps = Caps} = S) ->
    [Pid ! {interrupt, Vector, erlang:monotonic_time(nanosecond), 1}
     || #cap{owner = Pid, vector = Vector, subscribed = true} = Cap <- maps:values(Caps), Is(Cap)],
    S.

%% A level-triggered line that is up interrupts once, then stays masked until it is acknowledged.
level(Line, #s{caps = Caps, levels = Levels} = S) ->
    Owners = [Found || {_, #cap{spec = {irq, L}}} = Found <- maps:to_list(Caps), L =:= Line],
    case {maps:get(Line, Levels, false), Owners} of
        {true, [{Ref, #cap{owner = Pid, vector = Vector, subscribed = true, masked = false} = Cap}]} ->
            Pid ! {interrupt, Vector, erlang:monotonic_time(nanosecond), 1},
            S#s{caps = Caps#{Ref := Cap#cap{masked = true}}};
        _ -> S
    end.
