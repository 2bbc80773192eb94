%% SPDX-License-Identifier: Apache-2.0
%% What OTP's suites call in `ct`, without common_test behind it: what is logged goes to standard output.
-module(ct).
-export([fail/1, fail/2, log/1, log/2, log/3, log/4, log/5, pal/1, pal/2, pal/3, pal/4, pal/5, print/1, print/2,
        print/3,
         print/4, comment/1, comment/2, error/1, error/2, timetrap/1, get_timetrap_info/0, sleep/1, get_config/1,
         get_config/2, get_config/3, capture_start/0, capture_stop/0, capture_get/0, capture_get/1, get_progname/0,
         get_status/0]).

fail(Reason) -> exit({test_case_failed, Reason}).
fail(Format, Args) -> exit({test_case_failed, lists:flatten(io_lib:format(Format, Args))}).

log(Format) -> write(Format, []).
log(X, Y) -> write_any([X, Y]).
log(X, Y, Z) -> write_any([X, Y, Z]).
log(X, Y, Z, V) -> write_any([X, Y, Z, V]).
log(X, Y, Z, V, W) -> write_any([X, Y, Z, V, W]).

pal(Format) -> write(Format, []).
pal(X, Y) -> write_any([X, Y]).
pal(X, Y, Z) -> write_any([X, Y, Z]).
pal(X, Y, Z, V) -> write_any([X, Y, Z, V]).
pal(X, Y, Z, V, W) -> write_any([X, Y, Z, V, W]).

print(Format) -> write(Format, []).
print(X, Y) -> write_any([X, Y]).
print(X, Y, Z) -> write_any([X, Y, Z]).
print(X, Y, Z, V) -> write_any([X, Y, Z, V]).

error(Format) -> write(Format, []).
error(Format, Args) -> write(Format, Args).

comment(_) -> ok.
comment(_, _) -> ok.

%% [Category,] [Importance,] Format [, Args [, Options]]
write_any([Category | Rest]) when is_atom(Category), Rest =/= [] -> write_any(Rest);
write_any([Importance | Rest]) when is_integer(Importance), Rest =/= [] -> write_any(Rest);
write_any([Format]) -> write(Format, []);
write_any([Format, Args | _]) -> write(Format, Args).

write(Format, Args) ->
    try io:format(Format ++ "~n", Args)
    catch _:_ -> io:format("~p ~p~n", [Format, Args])
    end,
    ok.

timetrap(Limit) -> stand_in_io:timetrap(Limit).
get_timetrap_info() -> {120000, {false, 1}}.
sleep(Time) -> timer:sleep(stand_in_io:milliseconds(Time)).

get_config(_) -> undefined.
get_config(_, Default) -> Default.
get_config(_, Default, _) -> Default.

capture_start() -> stand_in_io:capture(true).
capture_stop() -> stand_in_io:capture(false).
capture_get() -> stand_in_io:captured().
capture_get(_) -> stand_in_io:captured().

get_progname() ->
    case init:get_argument(progname) of
        {ok, [[Program | _]]} -> Program;
        _ -> "no_prog_name"
    end.
get_status() -> no_tests_running.
