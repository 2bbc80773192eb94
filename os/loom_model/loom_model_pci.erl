%% SPDX-License-Identifier: Apache-2.0
%% @doc The model's PCI bus: configuration space, windows, one interrupt a function (MSI-X or a line). The state of a
%% function is in the dictionary of the process that is the hardware, under `{function, Place}'.
-module(loom_model_pci).

-export([plug/3, unplug/1, scan/0, places/0]).
-export([config_read/3, config_write/4, find_window/3, window_read/4, window_write/5, event/2]).
-export([is_master/1, interrupt/1, line/2, silence/1, interrupts/3, fault/2]).

-define(SHARED_LINE, 10). % of all devices on the bus that have no messages

-record(f, {module :: module(), state :: term(), config :: binary(),
    bars :: [{0..5, mmio | io, pos_integer()}],
    fixed = [] :: [{6..99, mmio | io, Address :: pos_integer(), pos_integer()}],
    msix :: {0..5, non_neg_integer()} | none, msix_at = 0 :: 0..255, table = <<0:96, 1:32/little>> :: binary(),
    pending = false :: boolean(), gsi = ?SHARED_LINE :: non_neg_integer(), line = false :: boolean()}).

%% @doc Its windows are where firmware would put them: apart from each other, by number of the slot.
plug({_, Slot, _} = Place, Module, Args) ->
    {Given, State} = Module:init(Args),
    #{vendor := Vendor, device := Device, class := {Class, Sub, Prog}, bars := Bars} = Given,
    Msix = maps:get(msix, Given, none),
    {List, MsixAt} = capability_list(capabilities(Given, Msix), 16#40, 0),
    Addresses = << <<(bar_value(I, Bars, Slot)):32/little>> || I <- lists:seq(0, 5) >>,
    Head = <<Vendor:16/little, Device:16/little, 0:16, 16:16/little, 0, Prog, Sub, Class, 0:32,
        Addresses/binary, 0:32, Vendor:16/little, (maps:get(subsystem, Given, 0)):16/little, 0:32,
        (case List of <<>> -> 0; _ -> 16#40 end), 0:56, ?SHARED_LINE, 1, 0, 0>>,
    Rest = 256 - byte_size(Head) - byte_size(List),
    put(places, lists:usort([Place | places()])),
    put({function, Place}, #f{module = Module, state = State, config = <<Head/binary, List/binary, 0:Rest/unit:8>>,
        bars = Bars, fixed = maps:get(fixed, Given, []), msix = Msix, msix_at = MsixAt}),
    [set_config(Place, Offset, Bytes) || {Offset, Bytes} <- maps:get(registers, Given, [])].

set_config(Place, Offset, Bytes) ->
    #f{config = Config} = F = get({function, Place}),
    Size = byte_size(Bytes),
    <<Before:Offset/binary, _:Size/binary, Behind/binary>> = Config,
    put({function, Place}, F#f{config = <<Before/binary, Bytes/binary, Behind/binary>>}).

unplug(Place) ->
    put(places, lists:delete(Place, places())),
    erase({function, Place}).

capabilities(Given, none) -> maps:get(capabilities, Given, []);
capabilities(Given, {Bar, Offset}) ->
    [{16#11, <<0:16, (Offset bor Bar):32/little, (Offset + 16#800 bor Bar):32/little>>}
     | maps:get(capabilities, Given, [])].

%% Linked one behind the other. Where MSI-X is: 0 for nowhere.
capability_list([], _At, Msix) -> {<<>>, Msix};
capability_list([{Id, Body} | Rest], At, Msix) ->
    Size = (byte_size(Body) + 2 + 3) band bnot 3,
    Pad = Size - byte_size(Body) - 2,
    Next = case Rest of [] -> 0; _ -> At + Size end,
    {More, Found} = capability_list(Rest, At + Size, case Id of 16#11 -> At; _ -> Msix end),
    {<<Id, Next, Body/binary, 0:Pad/unit:8, More/binary>>, Found}.

bar_value(Index, Bars, Slot) ->
    case lists:keyfind(Index, 1, Bars) of
        {_, mmio, _} -> 16#e0000000 + (Slot bsl 20) + (Index bsl 16);
        {_, io, _} -> 16#c001 + (Slot bsl 8) + (Index bsl 6);
        false -> 0
    end.

%% Noted: the dictionary has all of memory in it.
places() ->
    case get(places) of
        undefined -> [];
        Places -> Places
    end.

scan() ->
    [begin
         #f{config = <<V:16/little, D:16/little, _:40, P, S, C, _/binary>>} = get({function, Place}),
         {Place, V, D, C, S, P}
     end || Place <- places()].

%% --- configuration space -----------------------------------------------------------------------------------------

config_read(Place, Offset, Width) ->
    #f{config = Config} = get({function, Place}),
    <<Value:Width/little>> = binary:part(Config, Offset, Width div 8),
    Value.

%% Only what can be written: command, base addresses, line, control and mask of MSI-X, and what the device knows of.
config_write(Place, Offset, Width, Value) ->
    #f{config = Config} = F = get({function, Place}),
    Size = Width div 8,
    <<Before:Offset/binary, _:Size/binary, Behind/binary>> = Config,
    Changed = F#f{config = <<Before/binary, Value:Width/little, Behind/binary>>},
    New = case Offset of
        4 -> Changed;
        16#3c -> Changed;
        _ when Offset >= 16#10, Offset < 16#28, Width =:= 32 -> bar_written((Offset - 16#10) div 4, Value, F);
        _ when Offset =:= F#f.msix_at + 2, F#f.msix_at > 0 ->
            F#f{config = <<Before/binary, (Value band 16#c000):16/little, Behind/binary>>};
        _ -> device_config(Place, Offset, Width, Value, F)
    end,
    put({function, Place}, New),
    flush(Place).

device_config(Place, Offset, Width, Value, #f{module = Module, state = State, config = Config} = F) ->
    case erlang:function_exported(Module, config, 4) andalso Module:config(Offset, Width, Value, State) of
        {Kept, New} ->
            put(device, Place),
            Size = Width div 8,
            <<Before:Offset/binary, _:Size/binary, Behind/binary>> = Config,
            F#f{state = New, config = <<Before/binary, Kept:Width/little, Behind/binary>>};
        false -> F
    end.

bar_written(Index, Value, #f{bars = Bars, config = Config} = F) ->
    At = 16#10 + 4 * Index,
    <<Before:At/binary, _:32, Behind/binary>> = Config,
    New = case lists:keyfind(Index, 1, Bars) of
        {_, mmio, Size} -> Value band bnot (Size - 1);
        {_, io, Size} -> Value band bnot (Size - 1) bor 1;
        false -> 0
    end,
    F#f{config = <<Before/binary, (New band 16#ffffffff):32/little, Behind/binary>>}.

command(#f{config = <<_:32, Command:16/little, _/binary>>}) -> Command.

is_master(Place) ->
    case get({function, Place}) of
        undefined -> false;
        F -> command(F) band 4 =/= 0
    end.

%% What the platform does when the driver dies.
silence(Place) ->
    case get({function, Place}) of
        undefined -> ok;
        F -> config_write(Place, 4, 16, command(F) band bnot 4 bor 16#400)
    end.

%% --- windows -----------------------------------------------------------------------------------------------------

%% @doc Which window such a range is in, if decoding is on.
find_window(Kind, Base, Size) ->
    Bit = case Kind of mmio -> 2; io -> 1 end,
    Found = [{Place, Index, Base - Address}
             || Place <- places(), #f{bars = Bars} = F <- [get({function, Place})], command(F) band Bit =/= 0,
                {Index, K, Length} <- Bars, K =:= Kind, Address <- [address(Index, F)],
                Base >= Address, Base + Size =< Address + Length]
        ++ [{Place, Index, Base - Address}
            || Place <- places(), #f{fixed = Fixed} <- [get({function, Place})], {Index, K, Address, Length} <- Fixed,
               K =:= Kind, Base >= Address, Base + Size =< Address + Length],
    case Found of
        [Window] -> Window;
        [] -> none
    end.

address(Index, #f{config = Config}) ->
    <<Value:32/little>> = binary:part(Config, 16#10 + 4 * Index, 4),
    Value band case Value band 1 of 1 -> bnot 3; 0 -> bnot 15 end.

window_read(Place, Bar, Offset, Width) ->
    #f{module = Module, state = State} = F = get({function, Place}),
    case F#f.msix of
        {Bar, At} when Offset >= At, Offset < At + 16 ->
            <<Value:Width/little>> = binary:part(F#f.table, Offset - At, Width div 8),
            Value;
        _ ->
            put(device, Place),
            {Value, New} = Module:read(Bar, Offset, Width, State),
            keep(Place, New),
            Value
    end.

window_write(Place, Bar, Offset, Width, Value) ->
    #f{module = Module, state = State, table = Table} = F = get({function, Place}),
    case F#f.msix of
        {Bar, At} when Offset >= At, Offset < At + 16 ->
            Start = Offset - At,
            Size = Width div 8,
            <<Before:Start/binary, _:Size/binary, Behind/binary>> = Table,
            put({function, Place}, F#f{table = <<Before/binary, Value:Width/little, Behind/binary>>}),
            flush(Place);
        _ ->
            put(device, Place),
            keep(Place, run(Module, fun() -> Module:write(Bar, Offset, Width, Value, State) end, State)),
            ok
    end.

event(Place, Event) ->
    case get({function, Place}) of
        undefined -> ok; % it was unplugged
        #f{module = Module, state = State} ->
            put(device, Place),
            keep(Place, run(Module, fun() -> Module:event(Event, State) end, State))
    end.

%% A device that reached for memory that is not there stops, in its own way.
run(Module, F, State) ->
    try F()
    catch
        throw:bus_error ->
            case erlang:function_exported(Module, bus_error, 1) of
                true -> Module:bus_error(State);
                false -> State
            end
    end.

%% The callback may have changed the rest of the record.
keep(Place, State) -> put({function, Place}, (get({function, Place}))#f{state = State}).

%% --- interrupts --------------------------------------------------------------------------------------------------

interrupt(Place) ->
    put({function, Place}, (get({function, Place}))#f{pending = true}),
    flush(Place).

line(Place, Level) ->
    put({function, Place}, (get({function, Place}))#f{line = Level}),
    flush(Place).

%% A message goes out when MSI-X is on and neither mask is set; a line is up when no function on it is switched off.
flush(Place) ->
    #f{pending = Pending, table = <<_:64, Data:32/little, Mask:32/little>>} = F = get({function, Place}),
    Open = F#f.msix =/= none andalso config_read(Place, F#f.msix_at + 2, 16) band 16#c000 =:= 16#8000
        andalso Mask band 1 =:= 0 andalso command(F) band 4 =/= 0,
    Pending andalso Open andalso begin
        put({function, Place}, F#f{pending = false}),
        [self() ! {message, Data} || _ <- lists:seq(1, copies(Place))]
    end,
    F#f.msix =:= none andalso
        (self() ! {level, F#f.gsi, lists:any(fun(P) -> is_up(P, F#f.gsi) end, places())}),
    ok.

%% --- faults --------------------------------------------------------------------------------------------------------

%% How often the next message goes out.
copies(Place) ->
    case get({interrupts, Place}) of
        {What, N} when N > 0 ->
            put({interrupts, Place}, {What, N - 1}),
            case What of drop -> 0; twice -> 2 end;
        _ -> 1
    end.

%% @doc The next N messages of the device are lost or doubled; or it sends N for nothing.
interrupts(Place, storm, N) ->
    case get({function, Place}) of
        #f{msix = {_, _}, table = <<_:64, Data:32/little, Mask:32/little>>} when Mask band 1 =:= 0 ->
            [self() ! {message, Data} || _ <- lists:seq(1, N)];
        _ -> []
    end,
    ok;
interrupts(Place, What, N) ->
    put({interrupts, Place}, {What, N}),
    ok.

%% @doc Its registers change by themselves: command register, address of the first window, where its messages go.
fault(Place, What) ->
    case get({function, Place}) of
        undefined -> ok;
        #f{bars = [{Index, _, _} | _]} = F -> fault(Place, What, Index, F)
    end.

fault(Place, command, _, F) -> config_write(Place, 4, 16, command(F) band bnot 7);
fault(Place, window, Index, _) -> config_write(Place, 16#10 + 4 * Index, 32, 16#d0000000);
fault(Place, message, _, F) -> put({function, Place}, F#f{table = <<0:64, 16#ee:32/little, 1:32/little>>}), ok.

is_up(Place, Gsi) ->
    F = get({function, Place}),
    F#f.gsi =:= Gsi andalso F#f.line andalso command(F) band 16#400 =:= 0.
