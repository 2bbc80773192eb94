%% SPDX-License-Identifier: Apache-2.0
%% What OTP's suites call in `test_server`. Whatever starts a second node skips the case.
-module(test_server).
-export([lookup_config/2, messages_get/0, sleep/1, adjusted_sleep/1, timetrap/1, timetrap_cancel/0, timetrap_cancel/1,
         timetrap_scale_factor/0, seconds/1, minutes/1, hours/1, format/1, format/2, format/3, comment/1,
             capture_start/0,
         capture_stop/0, capture_get/0, do_times/2, do_times/4, m_out_of_n/3, timecall/3, call_crash/3, call_crash/4,
         call_crash/5, temp_name/1, fail/0, fail/1, fault/1, break/1, is_cover/0, is_debug/0, is_valgrind/0, is_asan/0,
         is_native/1, is_commercial/0, memory_checker/0, is_release_available/1, os_type/0, start_node/3, stop_node/1,
         wait_for_node/1, start_peer/2, start_peer/3, start_peer/4, start_peer/5, peer_name/2, run_on_shielded_node/2,
         app_test/1, app_test/2, appup_test/1]).

lookup_config(Key, Config) -> proplists:get_value(Key, Config).

messages_get() ->
    receive Message -> [Message | messages_get()]
    after 0 -> []
    end.

sleep(Time) -> ct:sleep(Time).
adjusted_sleep(Time) -> ct:sleep(Time).
timetrap(Limit) -> ct:timetrap(Limit), make_ref().
timetrap_cancel() -> ok.
timetrap_cancel(_) -> ok.
timetrap_scale_factor() -> 1.
seconds(N) -> trunc(N * 1000).
minutes(N) -> trunc(N * 60000).
hours(N) -> trunc(N * 3600000).

format(Format) -> ct:log(Format).
format(Format, Args) -> ct:log(Format, Args).
format(_, Format, Args) -> ct:log(Format, Args).
comment(_) -> ok.
capture_start() -> ct:capture_start().
capture_stop() -> ct:capture_stop().
capture_get() -> ct:capture_get().

do_times(N, Fun) when N > 0 -> Fun(), do_times(N - 1, Fun);
do_times(_, _) -> ok.
do_times(N, M, F, A) -> do_times(N, fun() -> apply(M, F, A) end).

m_out_of_n(0, _, _) -> ok;
m_out_of_n(M, 0, _) -> exit({m_out_of_n, M, left_to_go});
m_out_of_n(M, N, Fun) ->
    Left = try Fun() of _ -> M - 1 catch _:_ -> M end,
    m_out_of_n(Left, N - 1, Fun).

timecall(M, F, A) ->
    {Time, Value} = timer:tc(M, F, A),
    {Time / 1000000, Value}.

call_crash(M, F, A) -> call_crash(infinity, any, M, F, A).
call_crash(Time, M, F, A) -> call_crash(Time, any, M, F, A).
call_crash(_, Expected, M, F, A) ->
    try apply(M, F, A) of
        Value -> exit({did_not_crash, Value})
    catch
        _:Reason when Expected =:= any; Expected =:= Reason -> ok;
        _:{Reason, _} when Expected =:= Reason -> ok
    end.

temp_name(Stem) -> Stem ++ integer_to_list(erlang:unique_integer([positive])).

fail() -> exit(suite_failed).
fail(Reason) -> exit({suite_failed, Reason}).
fault(Reason) -> fail(Reason).
break(_) -> stand_in_io:skip(interactive).

is_cover() -> false.
is_debug() -> false.
is_valgrind() -> false.
is_asan() -> false.
is_native(_) -> false.
is_commercial() -> false.
memory_checker() -> none.
is_release_available(_) -> false.
os_type() -> os:type().

start_node(_, _, _) -> stand_in_io:skip(second_node).
stop_node(_) -> true.
wait_for_node(_) -> stand_in_io:skip(second_node).
start_peer(_, _) -> stand_in_io:skip(second_node).
start_peer(_, _, _) -> stand_in_io:skip(second_node).
start_peer(_, _, _, _) -> stand_in_io:skip(second_node).
start_peer(_, _, _, _, _) -> stand_in_io:skip(second_node).
run_on_shielded_node(_, _) -> stand_in_io:skip(second_node).
peer_name(Module, Case) -> lists:concat([Module, "-", Case, "-", erlang:unique_integer([positive])]).

app_test(_) -> stand_in_io:skip(application_file).
app_test(_, _) -> stand_in_io:skip(application_file).
appup_test(_) -> stand_in_io:skip(application_file).
