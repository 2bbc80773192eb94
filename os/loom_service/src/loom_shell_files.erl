%% SPDX-License-Identifier: Apache-2.0
%% @doc Shell commands about files and volumes. As all of the shell's commands they print what a person wants to see,
%% errors too, and answer `ok'.
-module(loom_shell_files).

-export([commands/0]).
-export([ls/1, cd/1, cat/1, cp/2, rm/1, rm/2, mkdir/1, df/0, mount/0, mount/2, umount/1, sync/0]).

-include_lib("kernel/include/file.hrl").

-spec commands() -> [loom_shell_help:command()].
commands() ->
    [{ls, "ls(Dir)", "files of a directory, ls() of this one", "Kind (d: directory), size in bytes, time, name."},
     {cd, "cd(Dir)", "go there", "Names without a leading / are looked up from there. cd() shows where that is."},
     {cat, "cat(File)", "show a file", "As UTF-8 if it is that, else byte by byte."},
     {cp, "cp(File, To)", "copy a file, into To if that is a directory", "What is there already is overwritten."},
     {mkdir, "mkdir(Dir)", "make a directory", "The one that it is to be in must exist."},
     {rm, "rm(File)", "delete a file or an empty directory", "rm(Dir, all) deletes it with all that is in it."},
     {rm, "rm(Dir, all)", "delete it with all that is in it", ""},
     {df, "df()", "space on mounted volumes", "Of /otp, the system's own files, and the memory of / nothing is told."},
     {mount, "mount()", "what is mounted where", "And the disks that are not."},
     {mount, "mount(Disk, Dir)", "mount a disk or partition: mount(\"vda1\", \"/data\")",
      "The directory is made if it is not there. Disks with a FAT32 volume are mounted as they appear."},
     {umount, "umount(Dir)", "write everything and take the volume away", "Not while files on it are open."},
     {sync, "sync()", "write everything", "When it comes back all that was written is on the disks."}].

%% --- files -------------------------------------------------------------------------------------------------------

-spec ls(file:name_all()) -> ok.
ls(Name) ->
    case file:read_file_info(Name) of
        {ok, #file_info{type = directory}} -> directory(Name, file:list_dir_all(Name));
        {ok, _} -> entry(Name, Name);
        {error, Reason} -> failed("ls", Name, Reason)
    end.

directory(Dir, {ok, Names}) -> lists:foreach(fun(N) -> entry(filename:join(Dir, N), N) end, lists:sort(Names));
directory(Dir, {error, Reason}) -> failed("ls", Dir, Reason).

entry(Path, Name) ->
    case file:read_file_info(Path) of
        {ok, #file_info{type = Type, size = Size, mtime = {{Y, Mo, D}, {H, Mi, _}}}} ->
            {Kind, Shown} = case Type of
                directory -> {$d, ""};
                _ -> {$-, integer_to_list(Size)}
            end,
            io:format("~c ~12s  ~4..0b-~2..0b-~2..0b ~2..0b:~2..0b  ~ts~n",
                      [Kind, Shown, Y, Mo, D, H, Mi, loom_shell_help:name(Name)]);
        {error, Reason} -> failed("ls", Path, Reason)
    end.

failed(Command, Name, Reason) -> loom_shell_help:failed(Command, Name, file:format_error(Reason)).

told(_, _, ok) -> ok;
told(Command, Name, {error, Reason}) -> failed(Command, Name, Reason).

-spec cd(file:name_all()) -> ok.
cd(Name) -> told("cd", Name, file:set_cwd(Name)).

-spec cat(file:name_all()) -> ok.
cat(Name) ->
    case file:read_file(Name) of
        {ok, Bytes} ->
            case unicode:characters_to_list(Bytes) of
                Text when is_list(Text) -> io:put_chars(Text);
                _ -> io:put_chars(binary_to_list(Bytes))
            end;
        {error, Reason} -> failed("cat", Name, Reason)
    end.

-spec cp(file:name_all(), file:name_all()) -> ok.
cp(From, To) ->
    case {file:read_file_info(From), file:read_file_info(To)} of
        {{error, Reason}, _} -> failed("cp", From, Reason);
        {_, {error, badarg}} -> failed("cp", To, badarg);
        {{ok, #file_info{type = directory}}, _} -> failed("cp", From, eisdir);
        {_, {ok, #file_info{type = directory}}} -> copy(From, filename:join(To, filename:basename(From)));
        _ -> copy(From, To)
    end.

%% A file copied onto itself would be empty before it is read.
copy(From, To) ->
    case filename:absname(From) =:= filename:absname(To) orelse file:copy(From, To) of
        true -> loom_shell_help:failed("cp", From, "that is the same file");
        {ok, _} -> ok;
        {error, Reason} -> failed("cp", To, Reason)
    end.

-spec rm(file:name_all()) -> ok.
rm(Name) ->
    case file:read_link_info(Name) of
        {ok, #file_info{type = directory}} -> removed(Name, file:del_dir(Name));
        _ -> told("rm", Name, file:delete(Name))
    end.

removed(Name, {error, eexist}) -> loom_shell_help:failed("rm", Name, "directory not empty; rm(Dir, all) deletes all");
removed(Name, Result) -> told("rm", Name, Result).

-spec rm(file:name_all(), all) -> ok.
rm(Name, all) ->
    case file:read_link_info(Name) of
        {ok, #file_info{type = directory}} -> told("rm", Name, file:del_dir_r(Name));
        {ok, _} -> told("rm", Name, file:delete(Name));
        {error, Reason} -> failed("rm", Name, Reason)
    end;
rm(_, _) -> loom_shell_help:usage(rm).

-spec mkdir(file:name_all()) -> ok.
mkdir(Name) -> told("mkdir", Name, file:make_dir(Name)).

%% --- volumes -----------------------------------------------------------------------------------------------------

-spec df() -> ok.
df() ->
    io:format("~-16s ~-8s ~10s ~10s ~10s ~5s~n", ["mounted", "type", "MiB", "used", "free", "use"]),
    lists:foreach(fun({Volume, Space}) -> space(Volume, Space) end, loom_mount:df()).

space(#{point := Point}, #{type := Type, total := Total, free := Free}) ->
    Used = Total - Free,
    io:format("~-16ts ~-8s ~10b ~10b ~10b ~4b%~n",
              [Point, Type, mib(Total), mib(Used), mib(Free), Used * 100 div max(1, Total)]);
space(#{point := Point}, {error, Reason}) -> failed("df", Point, Reason).

mib(Bytes) -> Bytes bsr 20.

-spec mount() -> ok.
mount() ->
    Table = loom_mount:table(),
    _ = [io:format("~ts on ~ts (~s)~n", [source(Source), Point, Module])
         || #{point := Point, source := Source, module := Module} <- Table],
    Mounted = [Source || #{source := Source} <- Table],
    _ = [io:format("~ts not mounted, ~b MiB~n", [Name, mib(Blocks * Size)])
         || #{name := Name, blocks := Blocks, block_size := Size} <- loom_block:list(),
            not lists:member(Name, Mounted)],
    ok.

source(Name) when is_binary(Name) -> Name;
source(Other) -> io_lib:format("~0p", [Other]).

-spec mount(file:name_all(), file:name_all()) -> ok.
mount(Disk, Dir) ->
    case lists:all(fun is_text/1, [Disk, Dir]) of
        true -> mounted("mount", Disk, mount_known(unicode:characters_to_binary(text(Disk)), text(Dir)));
        false -> loom_shell_help:usage(mount)
    end.

mount_known(Disk, Dir) ->
    case lists:member(Disk, [Name || #{name := Name} <- loom_block:list()]) of
        true -> loom_mount:mount(Disk, Dir);
        false -> {error, enodev}
    end.

-spec umount(file:name_all()) -> ok.
umount(Dir) ->
    case is_text(Dir) of
        true -> mounted("umount", Dir, loom_mount:umount(text(Dir)));
        false -> loom_shell_help:usage(umount)
    end.

is_text(Name) when is_atom(Name); is_binary(Name) -> true;
is_text(Name) -> is_list(Name) andalso io_lib:char_list(Name).

text(Name) when is_atom(Name) -> atom_to_list(Name);
text(Name) -> Name.

mounted(_, _, ok) -> ok;
mounted(Command, What, {error, Reason}) -> loom_shell_help:failed(Command, What, reason(Reason)).

reason(enodev) -> "no such disk";
reason(Reason) when is_atom(Reason) ->
    case file:format_error(Reason) of
        "unknown POSIX error" ++ _ -> atom_to_list(Reason);
        Text -> Text
    end;
reason(Reason) -> io_lib:format("~0p", [Reason]).

-spec sync() -> ok.
sync() ->
    lists:foreach(fun(#{point := Point, volume := Volume}) -> mounted("sync", Point, loom_volume:sync(Volume)) end,
                  loom_mount:table()).
