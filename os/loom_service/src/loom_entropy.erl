%% SPDX-License-Identifier: Apache-2.0
%% @doc Keeps the machine's random bytes unpredictable (doc/entropy.md): what entropy devices give goes into the
%% generator behind `loom_random:bytes/1', when a device appears and every five minutes. Nobody waits for this process:
%% bytes come from the generator, which is seeded before the first process.
-module(loom_entropy).
-behaviour(gen_server).

-export([start_link/0, bytes/1, seed/0, status/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(SEED_BYTES, 64).
-define(EVERY_MS, 300000).
-define(AGAIN_MS, 1000). % after a device did not answer
-define(MOST, 65536).

-record(s, {devices :: pid(), units = #{} :: #{binary() => pid()}, seeded = #{} :: #{binary() => pos_integer()}}).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc Bytes for keys and numbers that nobody may guess.
-spec bytes(non_neg_integer()) -> binary().
bytes(Count) when Count =< ?MOST -> loom_random:bytes(Count);
bytes(Count) -> iolist_to_binary([loom_random:bytes(?MOST), bytes(Count - ?MOST)]).

%% @doc Seeds the calling process's `rand' with such bytes: `rand' by itself starts from the process's name, the time
%% and a counter.
-spec seed() -> rand:state().
seed() ->
    <<A:58, B:58, C:58, _:2>> = bytes(22),
    rand:seed(default, {A, B, C}).

%% @doc Where the seed has come from: the processor's sources; bytes from devices, and how often from which.
-spec status() -> #{rdseed := boolean(), rdrand := boolean(), added := non_neg_integer(), reseeds := pos_integer(),
                    devices := #{binary() => pos_integer()}}.
status() -> (loom_hw:random_info())#{devices => gen_server:call(?MODULE, devices)}.

init([]) ->
    _ = erlang:send_after(?EVERY_MS, self(), again),
    {ok, subscribe(#s{devices = self()})}.

subscribe(S) ->
    Devices = loom_devices:subscribe(rng),
    _ = monitor(process, Devices),
    S#s{devices = Devices}.

handle_call(devices, _From, S) -> {reply, S#s.seeded, S}.

handle_cast(Request, _S) -> error({unexpected_cast, Request}).

handle_info({loom_devices, up, rng, #{name := Name, driver := Driver}}, #s{units = Units} = S) ->
    {noreply, add(Name, S#s{units = Units#{Name => Driver}})};
handle_info({loom_devices, down, rng, Name}, #s{units = Units} = S) ->
    {noreply, S#s{units = maps:remove(Name, Units)}};
handle_info(again, #s{units = Units} = S) ->
    _ = erlang:send_after(?EVERY_MS, self(), again),
    {noreply, lists:foldl(fun add/2, S, maps:keys(Units))};
handle_info({again, Name}, S) -> {noreply, add(Name, S)};
handle_info({'DOWN', _, process, Pid, _}, #s{devices = Pid} = S) -> {noreply, subscribe(S)}.

%% A driver that dies meanwhile is announced again.
add(Name, #s{units = Units, seeded = Seeded} = S) ->
    case Units of
        #{Name := Driver} ->
            try loom_driver:call(Driver, {bytes, ?SEED_BYTES}) of
                {ok, Bytes} ->
                    ok = loom_hw:random_add(Bytes),
                    S#s{seeded = maps:update_with(Name, fun(N) -> N + 1 end, 1, Seeded)}
            catch
                exit:_ ->
                    _ = erlang:send_after(?AGAIN_MS, self(), {again, Name}),
                    S
            end;
        _ -> S
    end.
