%% SPDX-License-Identifier: Apache-2.0
%% In the shell: c(hello). compiles this, hello:main(). runs it.
-module(hello).
-export([main/0]).

main() ->
    io:format("Hello from ~p, one of ~b processes on OTP ~s.~n",
              [self(), erlang:system_info(process_count), erlang:system_info(otp_release)]).
