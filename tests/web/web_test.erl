%% SPDX-License-Identifier: Apache-2.0
%% @doc The status page's server without a browser: on erl and on loom, over a tree of its own. See tests/cli/web.
-module(web_test).
-behaviour(supervisor).
-export([main/1]).
-export([init/1, start_worker/0]).

-define(PATIENCE_MS, 5000).

main(Machine) ->
    ok = logger:set_primary_config(level, none),
    {ok, _} = supervisor:start_link({local, loom_root_sup}, ?MODULE, [a, {b, "x/y"}, sub]),
    ok = application:load(loom_web),
    {ok, Socket} = gen_tcp:listen(0, []),
    {ok, Port} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    [application:set_env(loom_web, Key, Value) || {Key, Value} <- [{port, Port}, {announced, true}]],
    ok = loom_web:start(),
    put(url, "http://127.0.0.1:" ++ integer_to_list(Port)),
    Tests = [{json, fun json/0}, {pages, fun pages/0}, {status, fun status/0}, {kills, fun kills/0},
             {refused, fun refused/0}, {subtree, fun subtree/0}, {never_back, fun never_back/0},
             {many_deaths, fun many_deaths/0}, {hung_supervisor, fun hung_supervisor/0}, {own_death, fun own_death/0}],
    halt(length([Name || {Name, F} <- Tests, not passes(Machine, Name, F)])).

passes(Machine, Name, F) ->
    try F() of
        _ -> io:format("ok ~s/~s~n", [Machine, Name]), true
    catch Class:Reason:Stack ->
        io:format("FAIL ~s/~s ~0P~n", [Machine, Name, {Class, Reason, Stack}, 60]), false
    end.

%% --- a tree
init(sub) -> {ok, {#{intensity => 1000, period => 1}, [worker(c, permanent), worker(d, temporary)]}};
init(Ids) -> {ok, {#{intensity => 1000, period => 1}, [child(Id) || Id <- Ids]}}.

child(sub) -> #{id => sub, type => supervisor, start => {supervisor, start_link, [?MODULE, sub]}};
child(Id) -> worker(Id, permanent).

worker(Id, Restart) -> #{id => Id, restart => Restart, start => {?MODULE, start_worker, []}}.
start_worker() -> {ok, proc_lib:spawn_link(timer, sleep, [infinity])}.

%% --- requests
fetch(Path) -> answer(httpc:request(get, {get(url) ++ Path, []}, [{timeout, ?PATIENCE_MS}], [{body_format, binary}])).
post(Headers, Body) ->
    answer(httpc:request(post, {get(url) ++ "/kill", Headers, "text/plain", Body}, [{timeout, ?PATIENCE_MS}],
                         [{body_format, binary}])).
answer({ok, {{_, Code, _}, Headers, Body}}) -> {Code, Headers, Body}.

kill(Path) -> post([{"X-Loom", "1"}], Path).

%% --- what is known of a place
node_at(Path) -> [Found] = [N || #{path := P} = N <- flat(maps:get(tree, loom_web_watch:status())), P =:= Path], Found.
flat(Nodes) -> lists:append([[N | flat(Children)] || #{children := Children} = N <- Nodes]).
pid_at(Path) -> maps:get(pid, node_at(Path)).

until(F) -> until(F, ?PATIENCE_MS).
until(F, Left) ->
    case F() of
        true -> ok;
        false when Left > 0 -> timer:sleep(50), until(F, Left - 50);
        false -> error({never, erlang:fun_info(F, name)})
    end.

comes_back(Path, Act) ->
    #{pid := Before, restarts := Count} = node_at(Path),
    Act(),
    until(fun() ->
        #{pid := Pid, restarts := Now} = node_at(Path),
        Pid =/= Before andalso Pid =/= null andalso Now =:= Count + 1
    end).

event(Path) -> hd([E || #{path := P} = E <- maps:get(events, loom_web_watch:status()), P =:= Path]).

%% --- tests
json() ->
    Is = fun(Text, Term) -> Text = iolist_to_binary(loom_web_json:encode(Term)) end,
    Is(<<"[1,-2.5,true,null,\"word\",\"\",[],{}]">>, [1, -2.5, true, null, word, <<>>, [], #{}]),
    Is(<<"{\"a\":{\"b c\":[1]}}">>, #{a => #{<<"b c">> => [1]}}),
    Is(<<"\"\\\"\\\\\\u000a\\u0000\\u007f/\"">>, <<"\"\\\n", 0, 127, "/">>),
    Is(<<"\"ä─"/utf8, "\"">>, <<"ä─"/utf8>>),
    Is(<<"\"ÿ\""/utf8>>, <<255>>), % no UTF-8
    Is(<<"123456789012345678901234567890">>, 123456789012345678901234567890).

pages() ->
    [begin
         {200, Headers, Body} = fetch(Path),
         Type = proplists:get_value("content-type", Headers),
         {ok, Body} = file:read_file(filename:join(code:priv_dir(loom_web), File)),
         "default-src 'none'" ++ _ = proplists:get_value("content-security-policy", Headers),
         "no-store" = proplists:get_value("cache-control", Headers)
     end || {Path, File, Type} <- [{"/", "index.html", "text/html; charset=utf-8"},
         {"/?x=1", "index.html", "text/html; charset=utf-8"},
                                   {"/page.css", "page.css", "text/css; charset=utf-8"},
                                   {"/page.js", "page.js", "text/javascript; charset=utf-8"}]],
    {404, _, _} = fetch("/nothing"),
    {404, _, _} = fetch("/kill"),
    {404, _, _} = fetch("/..%2f..%2fetc%2fpasswd").

status() ->
    {200, Headers, <<"{", _/binary>> = Body} = fetch("/status.json"),
    "application/json" = proplists:get_value("content-type", Headers),
    <<"}">> = binary:part(Body, byte_size(Body), -1),
    #{system := #{otp := _, uptime_ms := Up}, memory := #{total := Total, machine := null}, devices := [],
      load := #{processes := Count}, processes := Busiest, tree := Tree} = loom_web_watch:status(),
    true = Up > 0 andalso Total > 1000000 andalso Count > 20 andalso length(Busiest) =:= 20,
    [<<"loom_root_sup">>, <<"loom_web_sup">>, <<"kernel_sup">>] = [Name || #{name := Name} <- Tree],
    [<<"a">>, _, <<"sub">>] = [Name || #{name := Name} <- maps:get(children, hd(Tree))],
    #{kill := false, kind := supervisor} = node_at(<<"loom_root_sup">>),
    #{kill := true, kind := worker, state := running, restarts := 0} = node_at(<<"loom_root_sup/sub/c">>),
    [false] = lists:usort([Kill || #{path := <<"kernel_sup", _/binary>>, kill := Kill} <- flat(Tree)]).

kills() ->
    [comes_back(Path, fun() ->
        {200, _, <<"{\"killed\":\"<0.", _/binary>>} = kill(Path)
     end) || Path <- [<<"loom_root_sup/a">>, <<"loom_root_sup/{b,\"x|y\"}">>, <<"loom_root_sup/sub/c">>]],
    #{reason := <<"killed">>, back_us := Us, name := <<"c">>} = event(<<"loom_root_sup/sub/c">>),
    true = is_integer(Us) andalso Us < 1000000.

refused() ->
    Before = maps:get(restarts, loom_web_watch:status()),
    {403, _, _} = post([], <<"loom_root_sup/a">>),
    [{404, _, _} = kill(Path) || Path <- [<<"loom_root_sup">>, <<"kernel_sup">>, <<"kernel_sup/code_server">>,
        <<"loom_root_sup/x">>,
                                          <<"/">>, <<"a">>, <<0, 255>>, binary:copy(<<"x">>, 4000)]],
    timer:sleep(500),
    Before = maps:get(restarts, loom_web_watch:status()).

%% A supervisor with all below it.
subtree() ->
    Pid = pid_at(<<"loom_root_sup/sub/c">>),
    comes_back(<<"loom_root_sup/sub">>, fun() -> kill(<<"loom_root_sup/sub">>) end),
    until(fun() -> lists:all(fun(P) -> P =/= null end, [pid_at(<<"loom_root_sup/sub/c">>)]) end),
    true = Pid =/= pid_at(<<"loom_root_sup/sub/c">>),
    until(fun() -> is_integer(maps:get(back_us, event(<<"loom_root_sup/sub/c">>))) end).

never_back() ->
    {200, _, _} = kill(<<"loom_root_sup/sub/d">>), % temporary
    until(fun() -> [] =:= [x || #{path := <<"loom_root_sup/sub/d">>} <- flat(maps:get(tree,
        loom_web_watch:status()))] end),
    #{back_us := null} = event(<<"loom_root_sup/sub/d">>).

many_deaths() ->
    Path = <<"loom_root_sup/a">>,
    #{restarts := Before} = node_at(Path),
    Kill = fun() -> {ok, _} = loom_web_watch:kill(Path) end,
    [begin Kill(), timer:sleep(20) end || _ <- lists:seq(1, 60)],
    until(fun() -> maps:get(restarts, node_at(Path)) =:= Before + 60 end),
    30 = length(maps:get(events, loom_web_watch:status())),
    [true = is_integer(Us) || #{path := P, back_us := Us} <- maps:get(events, loom_web_watch:status()), P =:= Path].

%% One that does not answer costs a second, and has no children for that long.
hung_supervisor() ->
    {_, Sub, _, _} = lists:keyfind(sub, 1, supervisor:which_children(loom_root_sup)),
    ok = sys:suspend(Sub),
    timer:sleep(500),
    {200, _, _} = fetch("/status.json"),
    #{children := []} = node_at(<<"loom_root_sup/sub">>),
    ok = sys:resume(Sub),
    until(fun() -> maps:get(children, node_at(<<"loom_root_sup/sub">>)) =/= [] end).

%% The watcher and the server can be killed too. Its successor knows what it knew, and who died while there was none.
own_death() ->
    Count = maps:get(restarts, loom_web_watch:status()),
    Pid = pid_at(<<"loom_root_sup/a">>),
    ok = sys:suspend(loom_web_sup),
    exit(whereis(loom_web_watch), kill),
    exit(list_to_pid(binary_to_list(Pid)), kill),
    ok = sys:resume(loom_web_sup),
    until(fun() -> is_pid(whereis(loom_web_watch)) end),
    until(fun() -> maps:get(restarts, loom_web_watch:status()) =:= Count + 2 end),
    [begin
         #{reason := <<"while nobody watched">>, back_us := Us} = event(Path),
         true = is_integer(Us)
     end || Path <- [<<"loom_root_sup/a">>, <<"loom_web_sup/loom_web_watch">>]],
    comes_back(<<"loom_web_sup/httpd">>, fun() -> loom_web_watch:kill(<<"loom_web_sup/httpd">>) end),
    until(fun() -> case httpc:request(get(url) ++ "/") of {ok, _} -> true; {error, _} -> false end end).
