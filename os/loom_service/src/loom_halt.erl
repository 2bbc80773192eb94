%% SPDX-License-Identifier: Apache-2.0
%% @doc Leaves the disks clean when the machine ends, however it does: on `halt/0', power-off and reset the kernel tells
%% this process, and waits for {@link loom_hw:halt_ready/0}, ten seconds at most (plat/metal/poll.c).
-module(loom_halt).
-behaviour(gen_server).

-export([start_link/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

init([]) -> {ok, none}.

handle_call(Request, _From, _State) -> error({unexpected_call, Request}).
handle_cast(Request, _State) -> error({unexpected_cast, Request}).

handle_info(halting, State) ->
    _ = [leave(Volume) || #{volume := Volume} <- loom_mount:table()],
    ok = loom_hw:halt_ready(),
    {noreply, State}.

%% A volume with open files is not closed, but what was written is on the disk.
leave(Volume) ->
    try loom_volume:unmount(Volume) of
        ok -> ok;
        {error, _} -> loom_volume:sync(Volume)
    catch exit:_ -> gone
    end.
