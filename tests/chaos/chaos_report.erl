%% SPDX-License-Identifier: Apache-2.0
%% @doc What a campaign found: lines `ok NAME' or `FAIL NAME why', and for doc/chaos.md a table by kind of fault and a
%% histogram of the times until the target was back.
-module(chaos_report).

-export([print/1, main/1]).

-define(RESTART_P99_MS, 10).

%% @doc The names of the bars that were missed.
-spec print(map()) -> [atom()].
print(Result) ->
    Bars = bars(Result),
    [case Bar of
         {Name, true, What} -> io:format("ok ~s (~ts)~n", [Name, What]);
         {Name, false, What} -> io:format("FAIL ~s ~ts~n", [Name, What])
     end || Bar <- Bars],
    [Name || {Name, false, _} <- Bars].

bars(#{faults := Faults, resets := Resets, lost_files := Lost, sound := Sound, violations := Violations}) ->
    Shown = [F || #{shown := true} = F <- Faults],
    Back = [F || #{lost := false} = F <- Shown],
    P99 = at(0.99, restarts(Faults)),
    [{system_lives, true, text("~b faults, ~b of them showed", [length(Faults), length(Shown)])},
     {recovered, length(Back) * 100 >= length(Shown) * 99, text("~b of ~b: ~0p", [length(Back), length(Shown),
         [{N, K, T} || #{n := N, kind := K, target := T, lost := true} <- Faults]])},
     {restart_p99, P99 =< ?RESTART_P99_MS * 1000 orelse os:getenv("TIMES") =:= "any",
      text("drivers back after ~s ms (p99)", [ms(P99)])},
     {files, Lost =:= [], text("synced bytes lost: ~0p", [Lost])},
     {volumes, Sound =:= {sound, sound}, text("fsck: ~0p", [Sound])},
     {connections, Resets =:= [], text("lost without a cause: ~0p", [Resets])},
     {memory, Violations =:= [], text("devices in memory that was not theirs: ~0p", [Violations])}].

text(Format, Arguments) -> io_lib:format(Format, Arguments).

%% From the death of a driver to the next one's device running.
restarts(Faults) ->
    lists:sort([Back - Noticed || #{target := T, back_us := Back, noticed_us := Noticed, kind := K} <- Faults,
                chaos_fault:is_driver(T), is_integer(Back), is_integer(Noticed), K =/= unplug, K =/= memory]).

at(_, []) -> 0;
at(Share, Sorted) -> lists:nth(max(1, ceil(Share * length(Sorted))), Sorted).

ms(Us) when Us >= 100000 -> text("~b", [round(Us / 1000)]);
ms(Us) when Us >= 10000 -> text("~.1f", [Us / 1000]);
ms(Us) -> text("~.2f", [Us / 1000]).

%% --- for doc/chaos.md ----------------------------------------------------------------------------------------------

%% @doc `chaos_report:main([Result, Page, Picture])': puts table and figures between the marks of the page.
main([File, Page, Picture]) ->
    {ok, [Result]} = file:consult(File),
    {ok, Old} = file:read_file(Page),
    New = between(Old, <<"<!-- model -->\n">>, <<"<!-- end -->">>, unicode:characters_to_binary(page(Result))),
    ok = file:write_file(Page, New),
    ok = file:write_file(Picture, unicode:characters_to_binary(picture(Result))),
    halt(0).

between(Text, From, To, New) ->
    [Before, Rest] = binary:split(Text, From),
    [_, Behind] = binary:split(Rest, To),
    <<Before/binary, From/binary, New/binary, To/binary, Behind/binary>>.

page(#{seed := Seed, faults := Faults, count := Count, longest := Longest, meant := Meant, errors := Errors} = R) ->
    Restarts = restarts(Faults),
    Shown = [F || #{shown := true} = F <- Faults],
    ["| fault | injected | showed | noticed by | back | median, ms | p99, ms | longest, ms |\n",
     "|---|---|---|---|---|---|---|---|\n",
     [row(Kind, [F || #{kind := K} = F <- Faults, group(K) =:= Kind]) || Kind <- groups()],
     row("**all**", Faults),
     text("\nSeed ~b. Drivers, from death to a running device: ~b restarts, median ~s ms, p99 ~s ms, longest ~s ms. "
          "Of ~b faults that showed ~b were recovered without help; the system was lost 0 times.\n\n",
          [Seed, length(Restarts), ms(at(0.5, Restarts)), ms(at(0.99, Restarts)), ms(at(1.0, Restarts)), length(Shown),
           length([F || #{lost := false} = F <- Shown])]),
     "| client | operations | errors | longest, ms |\n|---|---|---|---|\n",
     [text("| ~s | ~b | ~s | ~s |\n",
           [client(C), maps:get(C, Count, 0), errors(C, Errors), ms(maps:get(C, Longest, 0))])
      || C <- [http, conn, vda, nvme, console]],
     text("\nConnections that were reset because their process, or the core of the stack, was what broke: ~b; because "
          "of anything else: ~b. Synced bytes lost: ~b. Both volumes pass `fsck.vfat` after a cut at the end.\n",
          [Meant, length(maps:get(resets, R)), length(maps:get(lost_files, R))])].

client(http) -> "HTTP requests, a connection each";
client(conn) -> "round trips on 3 connections that stay";
client(vda) -> "files on virtio-blk: write, sync, read";
client(nvme) -> "files on NVMe: the same";
client(console) -> "console lines".

errors(C, _) when C =:= http; C =:= conn -> "below";
errors(C, Errors) ->
    Reasons = [R || {Client, _, _, R} <- Errors, Client =:= C],
    case lists:usort(Reasons) of
        [] -> "0";
        Kinds -> [text("~b `~0p` ", [length([x || R <- Reasons, R =:= K]), K]) || K <- Kinds]
    end.

row(_, []) -> [];
row(Name, Faults) ->
    Shown = [F || #{shown := true} = F <- Faults],
    Times = lists:sort([T || #{back_us := T} <- Shown, is_integer(T)]),
    text("| ~s | ~b | ~b | ~s | ~b | ~s | ~s | ~s |\n",
         [Name, length(Faults), length(Shown), who(Shown), length([F || #{lost := false} = F <- Shown]),
          ms(at(0.5, Times)), ms(at(0.99, Times)), ms(at(1.0, Times))]).

who(Shown) ->
    Who = [By || #{by := By} <- Shown],
    lists:join(", ", [text("~s ~b", [noticer(By), length([x || W <- Who, W =:= By])]) || By <- lists:usort(Who)]).

noticer(itself) -> "supervisor";
noticer(crash) -> "own crash";
noticer(guard) -> "guard";
noticer(tick) -> "tick";
noticer(nobody) -> "nobody".

groups() ->
    ["kill", "loop", "wait for ever", "flood, unknown", "flood, known", "state corrupted", "heap refused",
     "device memory refused", "interrupts dropped", "interrupts doubled", "interrupt storm", "registers changed",
     "descriptor corrupted", "wrong answer", "unplugged, plugged"].

group(kill) -> "kill";
group(loop) -> "loop";
group(wait) -> "wait for ever";
group(junk) -> "flood, unknown";
group(pings) -> "flood, known";
group(state) -> "state corrupted";
group(heap) -> "heap refused";
group(memory) -> "device memory refused";
group({interrupts, drop}) -> "interrupts dropped";
group({interrupts, twice}) -> "interrupts doubled";
group({interrupts, storm}) -> "interrupt storm";
group({registers, _}) -> "registers changed";
group({descriptor, _}) -> "descriptor corrupted";
group({answer, _}) -> "wrong answer";
group(unplug) -> "unplugged, plugged".

%% --- the picture: how many were back after how long, on a logarithmic axis -----------------------------------------

-define(FIRST, 0.1).  % ms
-define(DECADES, 6).
-define(BINS, 8).     % a decade
-define(WIDTH, 720).
-define(HEIGHT, 260).

picture(#{faults := Faults}) ->
    Sorts = [{"drivers", "#2b6cb0", [B || #{shown := true, back_us := B, target := T} <- Faults, is_integer(B),
                                     chaos_fault:is_driver(T)]},
             {"services and supervisors", "#dd6b20", [B || #{shown := true, back_us := B, target := T} <- Faults,
                                     is_integer(B), not chaos_fault:is_driver(T)]}],
    Counts = [{Colour, counts(Times)} || {_, Colour, Times} <- Sorts],
    Sums = [lists:sum([maps:get(I, C, 0) || {_, C} <- Counts]) || I <- lists:seq(0, ?DECADES * ?BINS - 1)],
    Most = lists:max([1 | Sums]),
    ["<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", text("~b ~b", [?WIDTH + 80, ?HEIGHT + 90]),
     "\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
     [bar(I, Counts, Most) || I <- lists:seq(0, ?DECADES * ?BINS - 1)],
     [decade(D) || D <- lists:seq(0, ?DECADES)],
     [level(Share, Most) || Share <- [0.01, 0.1, 1]],
     [text("<rect x=\"~b\" y=\"~b\" width=\"12\" height=\"12\" fill=\"~s\"/>"
           "<text x=\"~b\" y=\"~b\">~s (~b)</text>\n",
           [?WIDTH - 160, 14 + 18 * I, Colour, ?WIDTH - 142, 25 + 18 * I, Name, length(Times)])
      || {I, {Name, Colour, Times}} <- lists:zip([0, 1], Sorts)],
     text("<text x=\"~b\" y=\"~b\" text-anchor=\"middle\">time until the target was back</text>\n</svg>\n",
          [?WIDTH div 2 + 40, ?HEIGHT + 75])].

counts(Times) -> lists:foldl(fun(T, M) -> maps:update_with(bin(T), fun(N) -> N + 1 end, 1, M) end, #{}, Times).

bin(Us) -> max(0, min(?DECADES * ?BINS - 1, trunc(?BINS * math:log10(max(Us, 1) / 1000 / ?FIRST)))).

%% Heights are logarithmic too: the few long ones matter.
height(0, _) -> 0;
height(N, Most) -> round(?HEIGHT * (1 + math:log10(N)) / (1 + math:log10(Most))).

bar(I, Counts, Most) ->
    Width = ?WIDTH / (?DECADES * ?BINS),
    Numbers = [{Colour, maps:get(I, C, 0)} || {Colour, C} <- Counts],
    Sum = lists:sum([N || {_, N} <- Numbers]),
    Whole = height(Sum, Most),
    {Bars, _} = lists:mapfoldl(fun({Colour, N}, Y) ->
        H = case Sum of 0 -> 0; _ -> Whole * N / Sum end,
        {text("<rect x=\"~.1f\" y=\"~.1f\" width=\"~.1f\" height=\"~.1f\" fill=\"~s\"/>\n",
              [50 + I * Width, 30 + ?HEIGHT - Y - H * 1.0, Width - 1, H * 1.0, Colour]), Y + H}
    end, 0.0, Numbers),
    case Sum of 0 -> []; _ -> Bars end.

decade(D) ->
    X = 50 + D * ?WIDTH div ?DECADES,
    Mark = lists:nth(D + 1, ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"]),
    text("<line x1=\"~b\" y1=\"~b\" x2=\"~b\" y2=\"~b\" stroke=\"#888\"/>"
         "<text x=\"~b\" y=\"~b\" text-anchor=\"middle\">~s</text>\n",
         [X, 30 + ?HEIGHT, X, 36 + ?HEIGHT, X, 52 + ?HEIGHT, Mark]).

level(Share, Most) ->
    N = max(1, round(Share * Most)),
    text("<text x=\"44\" y=\"~b\" text-anchor=\"end\">~b</text>\n", [34 + ?HEIGHT - height(N, Most), N]).
