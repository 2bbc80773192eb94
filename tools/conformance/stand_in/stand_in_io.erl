%% SPDX-License-Identifier: Apache-2.0
%% The group leader of the cases: passes everything on to the real one, and keeps what is written while a case captures
%% its output. Also what the other stand-ins share.
-module(stand_in_io).
-export([start/1, capture/1, captured/0, milliseconds/1, timetrap/1, skip/1]).

start(Real) ->
    Pid = spawn(fun() -> loop(Real, off) end),
    register(stand_in_io, Pid),
    Pid.

capture(OnOff) -> ask({capture, OnOff}).

captured() -> ask(captured).

ask(Question) ->
    Ref = monitor(process, stand_in_io),
    stand_in_io ! {stand_in, self(), Ref, Question},
    receive
        {Ref, Answer} -> demonitor(Ref, [flush]), Answer;
        {'DOWN', Ref, process, _, Why} -> exit(Why)
    end.

%% Kept is off, or the list of the texts written since capture began, last first.
loop(Real, Kept) ->
    receive
        {io_request, _, _, Request} = Message ->
            Real ! Message,
            loop(Real, keep(Request, Kept));
        {stand_in, From, Ref, {capture, true}} -> From ! {Ref, ok}, loop(Real, []);
        {stand_in, From, Ref, {capture, false}} -> From ! {Ref, ok}, put(last, texts(Kept)), loop(Real, off);
        {stand_in, From, Ref, captured} ->
            case Kept of
                off -> From ! {Ref, texts(erase(last))}, loop(Real, off);
                _ -> From ! {Ref, texts(Kept)}, loop(Real, [])
            end;
        Other -> Real ! Other, loop(Real, Kept)
    end.

texts(Kept) when is_list(Kept) -> lists:reverse(Kept);
texts(_) -> [].

keep(_, off) -> off;
keep({put_chars, Chars}, Kept) -> [text(Chars) | Kept];
keep({put_chars, _, Chars}, Kept) -> [text(Chars) | Kept];
keep({put_chars, _, M, F, A}, Kept) -> [text(apply(M, F, A)) | Kept];
keep({put_chars, M, F, A}, Kept) -> [text(apply(M, F, A)) | Kept];
keep({requests, Requests}, Kept) -> lists:foldl(fun keep/2, Kept, Requests);
keep(_, Kept) -> Kept.

text(Chars) ->
    case unicode:characters_to_list(Chars) of
        List when is_list(List) -> List;
        _ -> []
    end.

milliseconds({hours, N}) -> N * 3600000;
milliseconds({minutes, N}) -> N * 60000;
milliseconds({seconds, N}) -> N * 1000;
milliseconds(Other) -> Other.

%% Only the process of the case has a runner to tell.
timetrap(Limit) ->
    case get(stand_in_runner) of
        {Runner, Tag} -> Runner ! {stand_in_timetrap, Tag, Limit}, ok;
        undefined -> ok
    end.

skip(Why) -> exit({stand_in_skip, Why}).
