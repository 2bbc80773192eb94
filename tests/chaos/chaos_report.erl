-module(chaos_report).
-export([print/1]).
print(R) -> io:format("~p~n", [maps:without([faults], R)]), F = maps:get(faults, R), io:format("~p faults, shown ~p lost ~p~n", [length(F), length([x || #{shown := true} <- F]), length([x || #{lost := true} <- F])]), [].
