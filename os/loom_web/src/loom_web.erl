%% SPDX-License-Identifier: Apache-2.0
%% @doc The status page: a module of OTP's httpd (doc/web.md).
%%
%%   GET /             the page; GET /page.css, /page.js
%%   GET /status.json  what it shows (loom_web_status)
%%   POST /kill        the body is the path of a process in the tree
%%
%% The port is 80, or what the application's environment says (-loom_web port 8080).
-module(loom_web).

-export([start/0, server/0]).
-export([do/1]). % of httpd

-include_lib("inets/include/httpd.hrl").

-define(PORT, 80).
-define(HEADER, "x-loom"). % a page of somebody else's cannot send it: browsers ask us first, and we do not answer
-define(POLICY, "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'").

%% @doc For the command line: `-s loom_web'.
-spec start() -> ok.
start() ->
    {ok, _} = application:ensure_all_started(loom_web, permanent),
    ok.

%% @doc httpd's configuration.
-spec server() -> [{atom(), term()}].
server() ->
    [{port, application:get_env(loom_web, port, ?PORT)}, {server_name, "loom"}, {server_root, "/tmp"},
     {document_root, "/tmp"}, {modules, [?MODULE]}, {keep_alive, true}, {keep_alive_timeout, 30},
     {max_keep_alive_request, 100000}, {max_clients, 100}, {max_body_size, 4096}, {max_content_length, 4096}].

%% @doc httpd's callback.
-spec do(#mod{}) -> {proceed, [term()]}.
do(#mod{method = Method, request_uri = Uri} = Request) ->
    [Path | _] = string:split(Uri, "?"),
    {Code, Type, Body} = answer(Method, Path, Request),
    Bytes = iolist_to_binary(Body),
    Head = [{code, Code}, {content_type, Type}, {content_length, integer_to_list(byte_size(Bytes))},
            {cache_control, "no-store"}, {content_security_policy, ?POLICY}, {x_content_type_options, "nosniff"}],
    {proceed, [{response, {response, [{name(K), V} || {K, V} <- Head], [Bytes]}}]}.

%% httpd writes atoms with `_' for `-'; it knows these two only as they are.
name(Name) when Name =:= content_security_policy; Name =:= x_content_type_options ->
    lists:flatten(string:replace(atom_to_list(Name), "_", "-", all));
name(Name) -> Name.

answer("GET", "/", _) -> file("index.html", "text/html; charset=utf-8");
answer("GET", "/page.css", _) -> file("page.css", "text/css; charset=utf-8");
answer("GET", "/page.js", _) -> file("page.js", "text/javascript; charset=utf-8");
answer("GET", "/status.json", _) -> json(200, loom_web_watch:status());
answer("POST", "/kill", #mod{parsed_header = Headers, entity_body = Path}) ->
    case lists:keymember(?HEADER, 1, Headers) andalso loom_web_watch:kill(iolist_to_binary(Path)) of
        false -> json(403, #{error => <<"the header x-loom is missing">>});
        {ok, Pid} -> json(200, #{killed => list_to_binary(pid_to_list(Pid))});
        {error, Reason} -> json(404, #{error => Reason})
    end;
answer(_, _, _) -> json(404, #{error => <<"there is no such page">>}).

json(Code, Term) -> {Code, "application/json", loom_web_json:encode(Term)}.

file(Name, Type) ->
    {ok, Bytes} = file:read_file(filename:join(code:priv_dir(loom_web), Name)),
    {200, Type, Bytes}.
