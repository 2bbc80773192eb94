%% SPDX-License-Identifier: Apache-2.0
%% @doc A small boot bundle, for tests of prim_file: the natives of the same name exist on bare metal only.
-module(loom_bundle).
-export([list/0, read/1]).

list() -> [{Name, byte_size(Bytes)} || {Name, Bytes} <- files()].

read(Name) ->
    case lists:keyfind(Name, 1, files()) of
        {_, Bytes} -> {ok, Bytes};
        false -> {error, enoent}
    end.

files() ->
    [{<<"bin/loom.boot">>, <<"boot">>},
     {<<"lib/kernel/ebin/a.beam">>, <<"aaa">>},
     {<<"lib/kernel/ebin/b.beam">>, <<"bb">>},
     {<<"lib/stdlib/ebin/c.beam">>, <<>>}].
