%% SPDX-License-Identifier: Apache-2.0
%% There is no property testing tool in Debian's erlang: such cases are skipped.
-module(ct_property_test).
-export([init_per_suite/1, quickcheck/2]).

init_per_suite(_) -> {skip, no_property_testing_tool}.
quickcheck(_, _) -> stand_in_io:skip(no_property_testing_tool).
