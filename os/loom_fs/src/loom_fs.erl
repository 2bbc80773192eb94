%% SPDX-License-Identifier: Apache-2.0
%% @doc The file system behaviour. A file system is a pure sequencer: every request takes its state and gives the next
%% one, and all that must outlive the process is in the rows it wants kept ({@link loom_volume} inserts them, with the
%% handles and the answer, in one step). A request that fails leaves the state as it was.
%%
%% A node is an open file: the same number as long as anybody has it open, whatever happens to its name.
-module(loom_fs).

-type device() :: #{read := fun((Sector :: non_neg_integer(), Count :: pos_integer()) ->
                                    {ok, binary()} | {error, term()}),
                    write := fun((Sector :: non_neg_integer(), iodata()) -> ok | {error, term()}),
                    flush := fun(() -> ok | {error, term()}),
                    sectors := non_neg_integer(), sector_size := pos_integer(), read_only := boolean()}.
-type parts() :: [binary()]. % of a path, from the volume's root
-type id() :: pos_integer().
-type request() ::
        {open, parts(), [term()]}                        % {ok, id()}
      | {release, id()}                                  % the last handle is closed
      | {read, id(), Offset :: non_neg_integer(), Count :: non_neg_integer()}  % {ok, binary()} | eof
      | {write, id(), Offset :: non_neg_integer() | eof, binary()}             % {ok, End}
      | {truncate, id(), non_neg_integer()} | {size, id()} | {info, id()}
      | {read_file, parts()} | {write_file, parts(), binary()} | {info_path, parts()}
      | {set_info, parts(), Mode :: integer() | undefined, MTime :: integer() | undefined}
      | {list_dir, parts()} | {make_dir, parts()} | {del_dir, parts()} | {delete, parts()}
      | {rename, parts(), parts()}.
-type space() :: #{total := non_neg_integer(), free := non_neg_integer(), type := binary(), label := binary()}.
-export_type([device/0, parts/0, id/0, request/0, space/0]).

%% `Table': rows of an earlier incarnation, or empty. `Notes': what was repaired, for the log.
-callback mount(device(), Table :: ets:tid(), Options :: map()) ->
    {ok, State :: term(), Notes :: [iodata()]} | {error, term()}.
-callback request(request(), State) -> {term(), State}.
%% Rows that are to be kept since the last call.
-callback changes(State) -> {[tuple()], State}.
%% Nothing is left to be written.
-callback is_clean(State :: term()) -> boolean().
%% All so far is on the disk. `idle': and is to look cleanly unmounted.
-callback sync(now | idle, State) -> {ok | {error, term()}, State}.
-callback space(State :: term()) -> space().
