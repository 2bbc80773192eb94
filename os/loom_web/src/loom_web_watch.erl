%% SPDX-License-Identifier: Apache-2.0
%% @doc Watches the supervision trees: who died of what, how often, and how long until it was back. Supervisors do not
%% say, so every process of a tree is monitored, and when one dies its place is looked at until another is there.
%% What it knows is in a table of its supervisor's: the next one goes on, and finds out who died meanwhile.
-module(loom_web_watch).
-behaviour(gen_server).

-export([new_table/0, start_link/0, status/0, kill/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export_type([event/0]).

-define(FRESH_MS, 400). % a status not older than that is given again
-define(ANNOUNCE_MS, 200).
-define(EVENTS, 30).
-define(LOOK_MS, 1). % then twice as long, and so on
-define(LOOKS, 14). % 16 s

%% `since': monotonic; `back_us': until another was there, `none' as long as there is none.
-type event() :: #{since := integer(), number := pos_integer(), path := binary(), name := binary(),
    reason := binary(), at_ms := integer(), back_us := non_neg_integer() | none}.
-record(s, {taken_ms :: integer(), % when the status was
            work :: #{pid() => non_neg_integer()}, % reductions then
            status = none :: none | map(),
            names = #{} :: #{Path :: binary() => binary()}, % as shown last
            places = #{} :: #{Path :: binary() => {pid(), reference()}},
            restarts = #{} :: #{Path :: binary() => pos_integer()},
            events = [] :: [event()], % the last first
            count = 0 :: non_neg_integer()}).

%% @doc By the supervisor, before it starts the watcher.
-spec new_table() -> ok.
new_table() ->
    ?MODULE = ets:new(?MODULE, [named_table, public]),
    ok.

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc What the page shows.
-spec status() -> loom_web_json:value().
status() -> gen_server:call(?MODULE, status, infinity).

%% @doc Kills the process that is at that place now.
-spec kill(Path :: binary()) -> {ok, pid()} | {error, binary()}.
kill(Path) ->
    case loom_web_tree:may_be_killed(Path) andalso find(Path, loom_web_tree:walk()) of
        Pid when is_pid(Pid) ->
            exit(Pid, kill),
            {ok, Pid};
        _ -> {error, <<"there is no such process, or it may not be killed">>}
    end.

find(Path, Nodes) ->
    case [Pid || #{path := P, pid := Pid} <- all(Nodes), P =:= Path, is_pid(Pid)] of
        [Pid | _] -> Pid;
        [] -> none
    end.

all(Nodes) -> lists:append([[Node | all(Children)] || #{children := Children} = Node <- Nodes]).

init([]) ->
    self() ! announce,
    {_, Work} = loom_web_status:processes(#{}, 1),
    S = #s{places = Places, events = Events} = known(#s{taken_ms = now_ms(), work = Work}),
    Watched = maps:fold(fun(Path, {Pid, _}, Sum) -> place({Path, Pid}, Sum) end, #{}, Places),
    [self() ! {look, Number, 0} || #{number := Number, back_us := none} <- Events],
    {ok, watch(loom_web_tree:walk(), S#s{places = Watched})}.

known(New) ->
    case ets:lookup(?MODULE, known) of
        [{_, Places, Restarts, Events, Count, Names}] ->
            New#s{places = Places, restarts = Restarts, events = Events, count = Count, names = Names};
        [] -> New
    end.

kept(#s{places = Places, restarts = Restarts, events = Events, count = Count, names = Names} = S) ->
    ets:insert(?MODULE, {known, Places, Restarts, Events, Count, Names}),
    S.

handle_call(status, _From, #s{status = Status, taken_ms = Taken} = S) ->
    case Status =/= none andalso now_ms() - Taken < ?FRESH_MS of
        true -> {reply, Status, S};
        false ->
            Taking = take(S),
            {reply, Taking#s.status, Taking}
    end.

handle_cast(Request, _S) -> error({unexpected_cast, Request}).

handle_info({{place, Path}, _, process, Pid, Reason}, S) -> {noreply, kept(died(Path, Pid, Reason, S))};
handle_info({look, Number, Looks}, S) -> {noreply, kept(look(Number, Looks, S))};
handle_info(announce, S) ->
    announce(),
    {noreply, S}.

%% --- who is where ------------------------------------------------------------------------------------------------

%% Whoever is new is monitored. The tree may have changed without our having seen anybody die: then the news are still
%% under way.
watch(Tree, #s{places = Places} = S) ->
    New = [Row || {Path, Pid} = Row <- loom_web_tree:rows(Tree), not watched(Path, Pid, Places)],
    S#s{places = lists:foldl(fun place/2, Places, New)}.

watched(Path, Pid, Places) ->
    case Places of
        #{Path := {Pid, _}} -> true;
        _ -> false
    end.

place({Path, Pid}, Places) -> Places#{Path => {Pid, monitor(process, Pid, [{tag, {place, Path}}])}}.

died(Path, Pid, Reason, #s{places = Places, restarts = Restarts, count = Count, events = Events} = S) ->
    Left = case Places of
        #{Path := {Pid, _}} -> maps:remove(Path, Places);
        _ -> Places % its successor is known already
    end,
    Number = Count + 1,
    Event = #{since => erlang:monotonic_time(), number => Number, path => Path, name => name(Path, S),
        reason => brief(Reason), at_ms => erlang:system_time(millisecond), back_us => none},
    look(Number, 0,
         S#s{places = Left, count = Number, events = lists:sublist([Event | Events], ?EVENTS),
             restarts = maps:update_with(Path, fun(N) -> N + 1 end, 1, Restarts)}).

name(Path, #s{names = Names}) -> maps:get(Path, Names, lists:last(binary:split(Path, <<"/">>, [global]))).

%% Without the stack and what else can be large.
brief(noproc) -> <<"while nobody watched">>;
brief({Reason, [{_, _, _, _} | _]}) -> brief(Reason);
brief(Reason) -> iolist_to_binary(io_lib:format("~0tP", [Reason, 12])).

look(Number, Looks, #s{events = Events} = S) ->
    case [Event || #{number := N, back_us := none} = Event <- Events, N =:= Number] of
        [#{path := Path, since := Since} = Event] ->
            case successor(Path, S) of
                #s{places = #{Path := _}} = Seen ->
                    Us = erlang:convert_time_unit(erlang:monotonic_time() - Since, native, microsecond),
                    Seen#s{events = [case E of Event -> Event#{back_us := Us}; _ -> E end || E <- Events]};
                Seen -> later(Number, Looks, Seen)
            end;
        [] -> S
    end.

%% Its supervisor knows; unless that went too.
successor(Path, #s{places = Places} = S) ->
    Parent = loom_web_tree:parent(Path),
    case Places of
        #{Path := _} -> S;
        #{Parent := {Supervisor, _}} ->
            case loom_web_tree:at(Supervisor, Path) of
                none -> S;
                Pid -> S#s{places = place({Path, Pid}, Places)}
            end;
        _ -> watch(loom_web_tree:walk(), S)
    end.

later(_, Looks, S) when Looks >= ?LOOKS -> S;
later(Number, Looks, S) ->
    _ = erlang:send_after(?LOOK_MS bsl Looks, self(), {look, Number, Looks + 1}),
    S.

%% --- the status --------------------------------------------------------------------------------------------------

take(#s{taken_ms = Before, work = OldWork} = S) ->
    Tree = loom_web_tree:walk(),
    #s{events = Events, restarts = Restarts, count = Count} = Seen = watch(Tree, S),
    Now = now_ms(),
    {Processes, Work} = loom_web_status:processes(OldWork, max(1, Now - Before)),
    Shown = loom_web_status:tree(Tree, Restarts),
    Status = (loom_web_status:machine())#{tree => Shown, processes => Processes,
        events => [event(E) || E <- Events], restarts => Count},
    Names = maps:from_list([{Path, Name} || #{path := Path, name := Name} <- all(Shown)]),
    kept(Seen#s{status = Status, taken_ms = Now, work = Work, names = Names}).

event(#{back_us := none} = Event) -> event(Event#{back_us := null});
event(Event) -> maps:remove(since, Event).

now_ms() -> erlang:monotonic_time(millisecond).

%% --- where the page is -------------------------------------------------------------------------------------------

%% Once, as soon as there is an address to tell. `-loom_web_address URL' says how this machine is reached from outside.
announce() ->
    case application:get_env(loom_web, announced) =:= undefined andalso loom_web_status:address() of
        false -> ok;
        none ->
            _ = erlang:send_after(?ANNOUNCE_MS, self(), announce),
            ok;
        Address ->
            ok = application:set_env(loom_web, announced, true),
            io:format("web: the status page is at ~ts~n", [outside(init:get_argument(loom_web_address), Address)])
    end.

outside({ok, [[Url | _] | _]}, _) -> Url;
outside(error, Address) -> Address.
