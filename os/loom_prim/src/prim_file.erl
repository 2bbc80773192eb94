%% SPDX-License-Identifier: Apache-2.0
%% @doc Files on bare metal: the module OTP's `file', `code' and boot loader stand on, with the API of ERTS' own
%% `prim_file' and code of its own.
%%
%% Paths under `/otp' are files of the boot bundle, read in the caller, so that they need no process and work from
%% the first instruction on. What lies below a mount point goes to the process of that volume ({@link loom_volume}),
%% everything else to the RAM file system of {@link loom_vfs}. While such a process is being restarted, calls wait for
%% it (at most `?PATIENCE_MS') and are sent again, under the number they had.
-module(prim_file).

-export([on_load/0, start/0]).
-export([open/2, close/1, sync/1, datasync/1, truncate/1, advise/4, allocate/3, read_line/1, read/2, write/2,
         position/2, pread/2, pread/3, pwrite/2, pwrite/3, copy/3]).
-export([file_desc_to_ref/2, ipread_s32bu_p32bu/3, sendfile/8, internal_get_nif_resource/1, altname/1, get_handle/1]).
-export([read_file/1, write_file/2, read_link/1, read_link_all/1, read_link_info/1, read_link_info/2,
         read_file_info/1, read_file_info/2, read_handle_info/1, read_handle_info/2, write_file_info/2,
         write_file_info/3, list_dir/1, list_dir_all/1, get_cwd/0, get_cwd/1, set_cwd/1, delete/1, rename/2,
         make_dir/1, del_dir/1, make_link/2, make_symlink/2]).
-export([internal_name2native/1, internal_native2name/1, internal_normalize_utf8/1, is_translatable/1]).

-include_lib("kernel/include/file.hrl").

-define(PATIENCE_MS, 2000).
-define(CALL_MS, 30000).
-define(INDEX, {?MODULE, index}).
-define(CWD, {?MODULE, cwd}).
-define(MOUNTS, {prim_file, mounts}). % whatever this module is called in a test
-define(LINE_BYTES, 256).

-type path() :: binary().

%%% Natives of the machine

internal_name2native(_) -> erlang:nif_error(undefined).
internal_native2name(_) -> erlang:nif_error(undefined).
internal_normalize_utf8(_) -> erlang:nif_error(undefined).
is_translatable(_) -> erlang:nif_error(undefined).

on_load() -> ok.

%% ERTS keeps a process here that closes what dead owners left open; loom_vfs monitors owners itself.
start() -> receive after infinity -> ok end.

%%% Open files

open(Name, Modes) ->
    guard(fun() ->
        true = is_list(Modes),
        case at(path(Name), fun(P) -> {open, P, Modes, self()} end) of
            {ok, Handle} -> {ok, #file_descriptor{module = ?MODULE, data = #{handle => Handle, owner => self()}}};
            Error -> Error
        end
    end).

close(Fd) -> on(Fd, close).
sync(Fd) -> on(Fd, sync).
datasync(Fd) -> on(Fd, sync).
truncate(Fd) -> on(Fd, truncate).
advise(Fd, _Offset, _Length, _Advice) ->
    case on(Fd, info) of
        {ok, _} -> ok;
        Error -> Error
    end.
allocate(_Fd, _Offset, _Length) -> {error, enotsup}.

read(Fd, Size) when is_integer(Size), Size >= 0 -> on(Fd, {read, cur, Size});
read(_, _) -> {error, badarg}.

read_line(Fd) -> read_line(Fd, <<>>).

%% Reads a piece, and gives back what lies behind the line's end.
read_line(Fd, Before) ->
    case read(Fd, ?LINE_BYTES) of
        {ok, Bin} ->
            case binary:match(Bin, <<"\n">>) of
                {At, 1} ->
                    {ok, _} = position(Fd, {cur, At + 1 - byte_size(Bin)}),
                    {ok, newline(<<Before/binary, (binary:part(Bin, 0, At))/binary>>)};
                nomatch -> read_line(Fd, <<Before/binary, Bin/binary>>)
            end;
        eof when Before =/= <<>> -> {ok, Before};
        Other -> Other
    end.

%% CRLF counts as LF.
newline(<<>>) -> <<"\n">>;
newline(Line) ->
    Body = byte_size(Line) - 1,
    case Line of
        <<Text:Body/binary, "\r">> -> <<Text/binary, "\n">>;
        _ -> <<Line/binary, "\n">>
    end.

write(Fd, Data) -> with_bytes(Data, fun(Bin) -> on(Fd, {write, cur, Bin}) end).

position(Fd, {Mark, Offset}) -> on(Fd, {position, Mark, Offset});
position(Fd, Mark) when is_atom(Mark) -> position(Fd, {Mark, 0});
position(Fd, Offset) -> position(Fd, {bof, Offset}).

pread(Fd, Offset, Size) when is_integer(Offset), is_integer(Size), Size >= 0 -> on(Fd, {read, Offset, Size});
pread(_, _, _) -> {error, badarg}.

pread(Fd, Places) -> pread_all(Fd, Places, []).

pread_all(_Fd, [], Done) -> {ok, lists:reverse(Done, [])};
pread_all(Fd, [{Offset, Size} | Rest], Done) ->
    case pread(Fd, Offset, Size) of
        {ok, Bin} -> pread_all(Fd, Rest, [Bin | Done]);
        eof -> pread_all(Fd, Rest, [eof | Done]);
        Error -> Error
    end;
pread_all(_, _, _) -> {error, badarg}.

pwrite(Fd, Offset, Data) when is_integer(Offset) ->
    with_bytes(Data, fun(Bin) -> on(Fd, {write, Offset, Bin}) end);
pwrite(_, _, _) -> {error, badarg}.

pwrite(Fd, Places) -> pwrite_all(Fd, Places, 0).

pwrite_all(_Fd, [], _Done) -> ok;
pwrite_all(Fd, [{Offset, Data} | Rest], Done) ->
    case pwrite(Fd, Offset, Data) of
        ok -> pwrite_all(Fd, Rest, Done + 1);
        {error, Reason} -> {error, {Done, Reason}}
    end;
pwrite_all(_, _, _) -> {error, badarg}.

copy(Source, Target, Length) -> file:copy_opened(Source, Target, Length).

%% dets: a length and a pointer (32 bits each) at Offset, and the block they describe.
ipread_s32bu_p32bu(Fd, Offset, Infinity) when is_atom(Infinity) ->
    ipread_s32bu_p32bu(Fd, Offset, 1 bsl 31 - 1);
ipread_s32bu_p32bu(Fd, Offset, MaxSize) when is_integer(Offset), is_integer(MaxSize) ->
    case pread(Fd, Offset, 8) of
        {ok, <<0:32, Pointer:32>>} -> {ok, {0, Pointer, eof}};
        {ok, <<Size:32, Pointer:32>>} when Size =< MaxSize ->
            case pread(Fd, Pointer, Size) of
                {ok, Data} -> {ok, {Size, Pointer, Data}};
                eof -> {ok, {Size, Pointer, eof}};
                Error -> Error
            end;
        {error, _} = Error -> Error;
        _ -> eof
    end;
ipread_s32bu_p32bu(_, _, _) -> {error, badarg}.

file_desc_to_ref(_Number, _Modes) -> {error, enotsup}.
sendfile(_Fd, _Socket, _Offset, _Bytes, _ChunkSize, _Headers, _Trailers, _Flags) -> {error, enotsup}.
altname(_Path) -> {error, enotsup}.
internal_get_nif_resource(#file_descriptor{data = #{handle := Handle}}) -> Handle.
get_handle(#file_descriptor{data = #{handle := Handle}}) -> term_to_binary(Handle).

%%% Names

read_file(Name) ->
    guard(fun() ->
        case path(Name) of
            <<"/otp/", Rest/binary>> = Path ->
                case loom_bundle:read(Rest) of
                    {ok, Bin} -> {ok, Bin};
                    {error, enoent} -> bundle_missing(Path);
                    {error, eio} -> {error, eio} % damaged; the kernel's log says so
                end;
            Path -> at(Path, fun(P) -> {read_file, P} end)
        end
    end).

write_file(Name, Data) ->
    writable(Name, fun(Path) -> with_bytes(Data, fun(Bin) -> at(Path, fun(P) -> {write_file, P, Bin} end) end) end).

list_dir(Name) ->
    guard(fun() ->
        case bundle_path(path(Name)) of
            {ok, Path} -> bundle_list(Path);
            false -> names(at(path(Name), fun(P) -> {list_dir, P} end))
        end
    end).

list_dir_all(Name) -> list_dir(Name).

read_file_info(Name) -> read_file_info(Name, []).
read_file_info(Name, Options) -> info(Name, Options).
read_link_info(Name) -> info(Name, []).
read_link_info(Name, Options) -> info(Name, Options).

read_handle_info(Fd) -> read_handle_info(Fd, []).
read_handle_info(Fd, Options) -> with_times(on(Fd, info), Options).

info(Name, Options) ->
    guard(fun() ->
        case bundle_path(path(Name)) of
            {ok, Path} -> with_times(bundle_info(Path), Options);
            false -> with_times(at(path(Name), fun(P) -> {info_path, P} end), Options)
        end
    end).

write_file_info(Name, Info) -> write_file_info(Name, Info, []).
write_file_info(Name, #file_info{mode = Mode, mtime = MTime}, Options) ->
    Seconds = case MTime of
        undefined -> undefined;
        _ -> to_posix(MTime, time_type(Options))
    end,
    writable(Name, fun(Path) -> at(Path, fun(P) -> {set_info, P, Mode, Seconds} end) end).

delete(Name) -> writable(Name, fun(Path) -> at(Path, fun(P) -> {delete, P} end) end).
make_dir(Name) -> writable(Name, fun(Path) -> at(Path, fun(P) -> {make_dir, P} end) end).
del_dir(Name) -> movable(Name, fun(Path) -> at(Path, fun(P) -> {del_dir, P} end) end).

rename(From, To) ->
    movable(From, fun(Path) -> movable(To, fun(Target) -> rename_at(Path, Target) end) end).

rename_at(From, To) ->
    case {mounted(From), mounted(To)} of
        {{Volume, FromParts}, {Volume, ToParts}} -> ask(Volume, {make_ref(), {rename, FromParts, ToParts}});
        {none, none} -> ask(loom_vfs, {rename, From, To});
        _ -> {error, exdev}
    end.

%% No file system here has links.
make_link(_Existing, _New) -> {error, enotsup}.
make_symlink(_Existing, _New) -> {error, enotsup}.
read_link(Name) ->
    case read_file_info(Name) of
        {ok, _} -> {error, einval};
        Error -> Error
    end.
read_link_all(Name) -> read_link(Name).

get_cwd() -> {ok, unicode:characters_to_list(cwd(), utf8)}.
get_cwd(_Drive) -> {error, enotsup}.

set_cwd(Name) ->
    guard(fun() ->
        Path = path(Name),
        case read_file_info(Path) of
            {ok, #file_info{type = directory}} -> persistent_term:put(?CWD, Path);
            {ok, _} -> {error, enotdir};
            Error -> Error
        end
    end).

%% The shell starts in /home.
cwd() -> persistent_term:get(?CWD, <<"/home">>).

%%% Paths: absolute, without `.', `..' or double slashes

-spec path(file:name_all()) -> path().
path(Name) ->
    Bin = case unicode:characters_to_binary(Name, utf8) of
        B when is_binary(B), B =/= <<>> -> B;
        _ -> error(badarg)
    end,
    nomatch = binary:match(Bin, <<0>>),
    Whole = case Bin of
        <<"/", _/binary>> -> Bin;
        _ -> <<(cwd())/binary, "/", Bin/binary>>
    end,
    join(parts(binary:split(Whole, <<"/">>, [global]), [])).

parts([<<>> | Rest], Done) -> parts(Rest, Done);
parts([<<".">> | Rest], Done) -> parts(Rest, Done);
parts([<<"..">> | Rest], []) -> parts(Rest, []);
parts([<<"..">> | Rest], [_ | Done]) -> parts(Rest, Done);
parts([Part | Rest], Done) -> parts(Rest, [Part | Done]);
parts([], Done) -> lists:reverse(Done, []).

join([]) -> <<"/">>;
join(Parts) -> << <<"/", P/binary>> || P <- Parts >>.

writable(Name, Fun) ->
    guard(fun() ->
        Path = path(Name),
        case bundle_path(Path) of
            {ok, _} -> {error, erofs};
            false -> Fun(Path)
        end
    end).

%%% The bundle: an index of directories and sizes, made once

bundle_path(<<"/otp">>) -> {ok, <<>>};
bundle_path(<<"/otp/", Rest/binary>>) -> {ok, Rest};
bundle_path(_) -> false.

bundle_list(Path) ->
    case bundle_index() of
        #{Path := Names} when is_list(Names) -> names({ok, Names});
        #{Path := _} -> {error, enotdir};
        #{} -> {error, enoent}
    end.

bundle_info(Path) ->
    case bundle_index() of
        #{Path := Names} when is_list(Names) -> {ok, bundle_file_info(directory, length(Names))};
        #{Path := Size} -> {ok, bundle_file_info(regular, Size)};
        #{} -> {error, enoent}
    end.

bundle_file_info(Type, Size) ->
    Mode = case Type of
        directory -> 8#40555;
        regular -> 8#100444
    end,
    #file_info{size = Size, type = Type, access = read, atime = 0, mtime = 0, ctime = 0, mode = Mode, links = 1,
               major_device = 0, minor_device = 0, inode = 0, uid = 0, gid = 0}.

bundle_missing(<<"/otp/", Path/binary>>) ->
    case bundle_index() of
        #{Path := Names} when is_list(Names) -> {error, eisdir};
        #{} -> {error, enoent}
    end.

bundle_index() ->
    case persistent_term:get(?INDEX, undefined) of
        undefined ->
            Index = index(loom_bundle:list(), #{<<>> => []}),
            persistent_term:put(?INDEX, Index),
            Index;
        Index -> Index
    end.

index([], Index) -> Index;
index([{Name, Size} | Rest], Index) -> index(Rest, index_parent(Name, Index#{Name => Size})).

index_parent(Name, Index) ->
    {Parent, Base} = split_name(Name, byte_size(Name) - 1),
    case Index of
        #{Parent := Names} -> Index#{Parent := [Base | Names]};
        #{} -> index_parent(Parent, Index#{Parent => [Base]})
    end.

split_name(Name, -1) -> {<<>>, Name};
split_name(Name, At) ->
    case Name of
        <<Parent:At/binary, "/", Base/binary>> -> {Parent, Base};
        _ -> split_name(Name, At - 1)
    end.

names({ok, Names}) -> {ok, [unicode:characters_to_list(N, utf8) || N <- Names]};
names(Error) -> Error.

%%% Times: the file systems hold POSIX seconds

with_times({ok, Info}, Options) ->
    Type = time_type(Options),
    {ok, Info#file_info{atime = from_posix(Info#file_info.atime, Type),
                        mtime = from_posix(Info#file_info.mtime, Type),
                        ctime = from_posix(Info#file_info.ctime, Type)}};
with_times(Error, _Options) -> Error.

time_type([]) -> local;
time_type([{time, Type} | _]) -> Type;
time_type([_ | Rest]) -> time_type(Rest).

from_posix(Seconds, posix) -> Seconds;
from_posix(Seconds, universal) -> erlang:posixtime_to_universaltime(Seconds);
from_posix(Seconds, local) ->
    erlang:universaltime_to_localtime(erlang:posixtime_to_universaltime(Seconds)).

to_posix(Seconds, posix) -> Seconds;
to_posix(Time, universal) -> erlang:universaltime_to_posixtime(Time);
to_posix(Time, local) -> erlang:universaltime_to_posixtime(erlang:localtime_to_universaltime(Time)).

%%% Asking the file systems

on(#file_descriptor{module = ?MODULE, data = #{handle := Handle, owner := Owner}}, Request) when Owner =:= self() ->
    case Handle of
        {Volume, Ref} -> ask(Volume, {make_ref(), {on, Ref, Request}});
        _ -> ask(loom_vfs, {on, Handle, Request})
    end;
on(_, _) -> {error, badarg}.

with_bytes(Data, Fun) ->
    try iolist_to_binary(Data) of
        Bin -> Fun(Bin)
    catch
        error:badarg -> {error, badarg}
    end.

guard(Fun) ->
    try Fun()
    catch
        error:_ -> {error, badarg}
    end.

%% Asks whoever has that path. `Request' makes the question from the path, or from its parts below a mount point.
at(Path, Request) ->
    case mounted(Path) of
        {Volume, Parts} -> opened(Volume, ask(Volume, {make_ref(), Request(Parts)}));
        none -> ask(loom_vfs, Request(Path))
    end.

opened(Volume, {ok, Ref}) when is_reference(Ref) -> {ok, {Volume, Ref}};
opened(_, Reply) -> Reply.

%% The mount table, `[{Path, Volume}]' with longer paths first, is written by loom_vfs.
mounted(Path) -> mounted(Path, persistent_term:get(?MOUNTS, [])).

mounted(_, []) -> none;
mounted(Path, [{Point, Volume} | Rest]) ->
    Size = byte_size(Point),
    case Path of
        Point -> {Volume, []};
        <<Point:Size/binary, $/, Below/binary>> -> {Volume, binary:split(Below, <<"/">>, [global])};
        _ -> mounted(Path, Rest)
    end.

%% For what takes a name away: not a mount point's, nor that of a directory with one below it.
movable(Name, Fun) ->
    writable(Name, fun(Path) ->
        Size = byte_size(Path),
        case [Point || {<<Above:Size/binary, Rest/binary>> = Point, _} <- persistent_term:get(?MOUNTS, []),
                       Above =:= Path, Rest =:= <<>> orelse binary:first(Rest) =:= $/] of
            [] -> Fun(Path);
            _ -> {error, ebusy}
        end
    end).

ask(Server, Request) -> ask(Server, Request, ?PATIENCE_MS).

ask(Server, Request, Patience) ->
    case whereis(Server) of
        undefined -> absent(Server, Request, Patience);
        Pid -> call(Server, Pid, Request, Patience)
    end.

%% Before the file system first starts there is no such file; later it is being restarted.
absent(Server, Request, Patience) ->
    case Patience > 0 andalso whereis(loom_root_sup) =/= undefined of
        true ->
            receive after 5 -> ok end,
            ask(Server, Request, Patience - 5);
        false when Server =:= loom_vfs -> {error, enoent};
        false -> {error, eio}
    end.

call(Server, Pid, Request, Patience) ->
    Ref = erlang:monitor(process, Pid, [{alias, reply_demonitor}]),
    Pid ! {'$gen_call', {self(), [alias | Ref]}, Request},
    receive
        {[alias | Ref], Reply} ->
            erlang:demonitor(Ref, [flush]),
            Reply;
        {'DOWN', Ref, process, Pid, Reason} when Reason =:= noproc; Reason =:= killed; Reason =:= shutdown ->
            ask(Server, Request, Patience - 5);
        {'DOWN', Ref, process, Pid, _} -> {error, eio}
    after ?CALL_MS ->
        erlang:demonitor(Ref, [flush]),
        {error, etimedout}
    end.
