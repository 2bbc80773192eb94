%% SPDX-License-Identifier: Apache-2.0
%% inets: httpd serves files, httpc fetches them, one after the other and many at once.
-module(web).
-export([main/0]).

main() ->
    ok = inets:start(),
    Dir = "webroot" ++ os:getpid(),
    ok = filelib:ensure_dir(Dir ++ "/x"),
    ok = file:write_file(Dir ++ "/index.html", "<h1>hello</h1>"),
    ok = file:write_file(Dir ++ "/big.bin", binary:copy(<<"0123456789">>, 200000)),
    {ok, Pid} = inets:start(httpd, [{port, 0}, {server_name, "x"}, {server_root, Dir}, {document_root, Dir},
                                    {bind_address, {127, 0, 0, 1}}]),
    [{port, Port}] = httpd:info(Pid, [port]),
    Url = fun(Path) -> "http://127.0.0.1:" ++ integer_to_list(Port) ++ Path end,
    {ok, {Status, Headers, Body}} = httpc:request(get, {Url("/index.html"), []}, [], [{body_format, binary}]),
    io:format("~p ~p ~p~n", [Status, Body, proplists:get_value("content-length", Headers)]),
    {ok, {Status2, _, Body2}} = httpc:request(get, {Url("/big.bin"), []}, [], [{body_format, binary}]),
    io:format("~p ~p~n", [Status2, erlang:md5(Body2)]),
    io:format("~p~n", [[element(1, element(2, httpc:request(M, {Url(P), []}, [], []))) || {M, P} <- [{get, "/none"}, {head, "/big.bin"}]]]),
    Me = self(),
    [spawn_link(fun() -> Me ! [httpc:request(Url("/index.html")) || _ <- lists:seq(1, 20)] end) || _ <- lists:seq(1, 5)],
    io:format("~p~n", [length([1 || _ <- lists:seq(1, 5), {ok, {{_, 200, _}, _, "<h1>hello</h1>"}} <- receive L when is_list(L) -> L end])]),
    ok = inets:stop(),
    ok = file:del_dir_r(Dir).
