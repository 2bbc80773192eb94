%% SPDX-License-Identifier: Apache-2.0
%% @doc The supervision trees as they are now. A supervisor that does not answer in time has no children here.
-module(loom_web_tree).

-export([walk/0, rows/1, parent/1, at/2, may_be_killed/1]).
-export_type([node_/0, row/0]).

-define(ROOTS, [loom_root_sup, loom_web_sup, kernel_sup]).
-define(PATIENCE_MS, 1000).
-define(CHILDREN, 40). % shown of one supervisor

%% `own': it has a name among its siblings, under which it comes back.
-type node_() :: #{path := binary(), name := binary(), pid := pid() | none, state := running | starting | absent,
    kind := supervisor | worker, own := boolean(),
    children := [node_()], more := non_neg_integer()}.
-type row() :: {Path :: binary(), pid()}.

-spec walk() -> [node_()].
walk() ->
    [supervisor(atom_to_binary(Name), atom_to_binary(Name), Pid, true) || Name <- ?ROOTS, Pid <- [whereis(Name)],
                                                                          is_pid(Pid)].

supervisor(Path, Name, Pid, Own) ->
    Children = children(Pid),
    #{path => Path, name => Name, pid => Pid, state => running, kind => supervisor, own => Own,
      children => [child(Path, Child) || Child <- lists:sublist(Children, ?CHILDREN)],
      more => max(0, length(Children) - ?CHILDREN)}.

%% Supervisors list the youngest first.
children(Pid) ->
    try gen_server:call(Pid, which_children, ?PATIENCE_MS) of
        Children when is_list(Children) -> lists:reverse(Children);
        _ -> []
    catch exit:_ -> []
    end.

child(Path, {Id, Pid, Kind, Modules}) ->
    Own = Id =/= undefined,
    Label = case Own of
        true -> Id;
        false -> Pid
    end,
    Sub = below(Path, Label),
    case {Kind, Pid} of
        {supervisor, _} when is_pid(Pid) -> supervisor(Sub, name(Label, Modules), Pid, Own);
        _ ->
            {Alive, State} = state(Pid),
            #{path => Sub, name => name(Label, Modules), pid => Alive, state => State, kind => Kind, own => Own,
              children => [], more => 0}
    end.

state(Pid) when is_pid(Pid) -> {Pid, running};
state(restarting) -> {none, starting};
state(undefined) -> {none, absent}. % it said `ignore'

%% An identity that is no word does not say what it is.
name(Id, _) when is_atom(Id) -> atom_to_binary(Id);
name(Id, [Module]) when is_atom(Module) -> iolist_to_binary([atom_to_binary(Module), " ", text(Id)]);
name(Id, _) -> iolist_to_binary(text(Id)).

text(Term) -> io_lib:format("~0tp", [Term]).

%% @doc Those that come back under their path.
-spec rows([node_()]) -> [row()].
rows(Nodes) -> lists:append([row(Node) ++ rows(Children) || #{children := Children} = Node <- Nodes]).

row(#{path := Path, pid := Pid, own := true}) when is_pid(Pid) -> [{Path, Pid}];
row(_) -> [].

%% @doc Where its supervisor is.
-spec parent(Path :: binary()) -> binary().
parent(Path) -> iolist_to_binary(lists:join($/, lists:droplast(binary:split(Path, <<"/">>, [global])))).

%% @doc Who is there now, below that supervisor.
-spec at(pid(), Path :: binary()) -> pid() | none.
at(Supervisor, Path) ->
    Parent = parent(Path),
    case [Pid || {Id, Pid, _, _} <- children(Supervisor), is_pid(Pid), Id =/= undefined, below(Parent, Id) =:= Path] of
        [Pid] -> Pid;
        [] -> none
    end.

%% An identity may have what separates them.
below(Parent, Id) -> iolist_to_binary([Parent, $/, string:replace(text(Id), "/", "|", all)]).

%% @doc Not the roots, and nothing of OTP's own.
-spec may_be_killed(Path :: binary()) -> boolean().
may_be_killed(Path) ->
    case binary:split(Path, <<"/">>) of
        [Root, _] -> Root =/= <<"kernel_sup">>;
        [_] -> false
    end.
