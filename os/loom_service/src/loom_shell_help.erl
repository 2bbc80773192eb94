%% SPDX-License-Identifier: Apache-2.0
%% @doc What the shell's commands have in common: their list, how errors look, how one is used.
-module(loom_shell_help).

-export([help/0, help/1, usage/1, failed/3, name/1]).
-export_type([command/0]).

%% What to type, what it does, and what else there is to know of it.
-type command() :: {Name :: atom(), Usage :: string(), Short :: string(), More :: string()}.

-define(MODULES, [loom_shell_files, loom_shell_processes, loom_shell_machine, loom_shell_network]).

commands() -> lists:append([Module:commands() || Module <- ?MODULES]).

%% @doc All commands.
-spec help() -> ok.
help() ->
    lists:foreach(fun line/1, commands()),
    io:put_chars("help(ls) and the like tell more.\n").

line({_, Usage, Short, _}) -> io:format("~-18s ~ts~n", [Usage, Short]).

%% @doc One command: its name, as an atom or a string.
-spec help(atom() | string()) -> ok.
help(Name) ->
    case [C || {Key, _, _, _} = C <- commands(), Name =:= Key orelse Name =:= atom_to_list(Key)] of
        [] -> failed("help", Name, "no such command; help() lists them");
        Found ->
            _ = [begin line(C), More =/= "" andalso io:format("~18s ~ts~n", ["", More]) end
                 || {_, _, _, More} = C <- Found],
            ok
    end.

%% @doc For who was not understood.
-spec usage(atom()) -> ok.
usage(Name) ->
    lists:foreach(fun({_, Usage, _, _}) -> io:format("usage: ~s~n", [Usage]) end,
                  [C || {Key, _, _, _} = C <- commands(), Key =:= Name]).

%% @doc One line, as other systems' commands say it.
-spec failed(string(), term(), iodata()) -> ok.
failed(Command, What, Why) -> io:format("~s: ~ts: ~ts~n", [Command, name(What), Why]).

%% @doc Text as it is, all else as the shell shows it.
-spec name(term()) -> unicode:chardata().
name(Name) when is_atom(Name) -> atom_to_list(Name);
name(Name) ->
    try unicode:characters_to_list(Name) of
        Text when is_list(Text), Name =/= [] -> Text;
        _ -> io_lib:format("~0tP", [Name, 20])
    catch error:_ -> io_lib:format("~0tP", [Name, 20])
    end.
