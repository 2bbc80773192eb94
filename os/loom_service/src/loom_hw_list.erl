%% SPDX-License-Identifier: Apache-2.0
%% @doc The table of devices as text, in the manner of lspci.
-module(loom_hw_list).

-export([print/1, format/1]).

-spec print([loom_devices:row()]) -> ok.
print(Rows) -> io:put_chars(format(Rows)).

-spec format([loom_devices:row()]) -> iolist().
format(Rows) ->
    Titles = io_lib:format("~-8s ~-9s ~-34ts ~-22s ~s~n", ["place", "id", "device", "driver", "state"]),
    [Titles | [line(R) || R <- Rows]].

line(#{device := #{id := {pci, {Bus, Slot, Function}}, vendor := Vendor, device := Device, name := Name} = D,
        driver := Driver, state := State} = Row) ->
    io_lib:format("~2.16.0b:~2.16.0b.~b  ~4.16.0b:~4.16.0b ~-34ts ~-22s ~s~ts~n",
                  [Bus, Slot, Function, Vendor, Device, Name, driver(Driver), state(State, Row), units(D)]).

driver(none) -> "-";
driver(Module) -> atom_to_list(Module).

state(failed, #{reason := Reason}) -> io_lib:format("failed: ~0p", [Reason]);
state(State, #{restarts := 0}) -> atom_to_list(State);
state(State, #{restarts := N, reason := Reason}) ->
    io_lib:format("~s, restarted ~b times, last: ~0p", [State, N, Reason]).

units(#{unit := Name}) -> [" ", Name];
units(_) -> "".
