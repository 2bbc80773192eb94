%% SPDX-License-Identifier: Apache-2.0
%% @doc The line a terminal user edits, as OTP's `user_drv' commands it through its `tty_sl' port, turned into what an
%% ANSI terminal must be sent. Pure.
%%
%% The state is the current line: what stands before the cursor (last character first) and what follows it. A line
%% longer than the screen wraps: positions are counted from the line's start, rows by division.
-module(loom_tty).

-export([new/1, command/2, geometry/1, resize/2]).
-export_type([state/0]).

-record(tty, {columns :: pos_integer(), before = [] :: [char()], position = 0 :: non_neg_integer(),
              behind = [] :: [char()]}).
-opaque state() :: #tty{}.

%% Commands of user_drv: one byte, then its argument.
-define(PUT, 0).
-define(MOVE, 1).
-define(INSERT, 2).
-define(DELETE, 3).
-define(BEEP, 4).
-define(PUT_SYNC, 5).
-define(TAB, 8).

-spec new(pos_integer()) -> state().
new(Columns) -> #tty{columns = Columns}.

-spec geometry(state()) -> pos_integer().
geometry(#tty{columns = Columns}) -> Columns.

%% @doc The terminal has another width from now on.
-spec resize(pos_integer(), state()) -> state().
resize(Columns, T) -> T#tty{columns = Columns}.

%% @doc Bytes for the terminal; `sync' when the sender waits for an acknowledgement once they are out.
-spec command(binary(), state()) -> {async | sync, iodata(), state()}.
command(<<?PUT, Text/binary>>, T) -> put_text(async, Text, T);
command(<<?PUT_SYNC, Text/binary>>, T) -> put_text(sync, Text, T);
command(<<?MOVE, N:16/signed>>, T) -> reply(move_by(N, T));
command(<<?INSERT, Text/binary>>, T) -> reply(insert(characters(Text), T));
command(<<?DELETE, N:16/signed>>, T) when N < 0 ->
    {Move, Moved} = move_by(N, T),
    {Erase, New} = delete(min(-N, T#tty.position), Moved),
    {async, [Move, Erase], New};
command(<<?DELETE, N:16/signed>>, T) -> reply(delete(N, T));
command(<<?BEEP>>, T) -> {async, <<7>>, T};
command(_Unknown, T) -> {async, <<>>, T}.

reply({Out, T}) -> {async, Out, T}.

characters(Text) ->
    case unicode:characters_to_list(Text) of
        Chars when is_list(Chars) -> Chars;
        {_, Chars, _} -> Chars
    end.

put_text(Kind, Text, T) ->
    {Out, New} = put_chars(characters(Text), T, []),
    {Kind, Out, New}.

%% Text overwrites what stands behind the cursor; a newline leaves the line.
put_chars([], T, Out) -> {[lists:reverse(Out) | wrap(T)], T};
put_chars([$\n | Rest], T, Out) -> put_chars(Rest, new(T#tty.columns), [<<"\r\n">> | Out]);
put_chars([$\r | Rest], T, Out) ->
    {Move, New} = move_by(-T#tty.position, T),
    put_chars(Rest, New, [Move | Out]);
put_chars([$\t | Rest], T, Out) ->
    Spaces = ?TAB - T#tty.position rem ?TAB,
    put_chars(lists:duplicate(Spaces, $\s) ++ Rest, T, Out);
put_chars([$\e | _] = Text, T, Out) ->
    %% Colours and the like take no place in the line.
    {Sequence, Rest} = escape(Text),
    put_chars(Rest, T, [Sequence | Out]);
put_chars([C | Rest], #tty{before = Before, position = P, behind = Behind} = T, Out) ->
    New = T#tty{before = [C | Before], position = P + 1, behind = drop(1, Behind)},
    put_chars(Rest, New, [<<(printable(C))/utf8>> | Out]).

printable(C) when C < 32; C =:= 127 -> $.;
printable(C) -> C.

escape([$\e, $[ | Rest]) ->
    {Parameters, After} = lists:splitwith(fun(C) -> C >= 16#20 andalso C < 16#40 end, Rest),
    case After of
        [Final | More] -> {[<<"\e[">>, Parameters, Final], More};
        [] -> {[<<"\e[">>, Parameters], []}
    end;
escape([$\e | Rest]) -> {<<"\e">>, Rest}.

%% A terminal that has filled its last column waits there: push it to the next row, where the position says it is.
wrap(#tty{position = P, columns = Columns, behind = []}) when P > 0, P rem Columns =:= 0 -> <<" \r">>;
wrap(_) -> <<>>.

insert(Chars, #tty{before = Before, position = P, behind = Behind} = T) ->
    Count = length(Chars),
    New = T#tty{before = lists:reverse(Chars, Before), position = P + Count},
    End = P + Count + length(Behind),
    {[text(Chars ++ Behind), wrap(New#tty{position = End, behind = []}) | travel(End, P + Count, T)], New}.

delete(N, #tty{position = P, behind = Behind} = T) ->
    Left = drop(N, Behind),
    Gone = length(Behind) - length(Left),
    End = P + length(Behind),
    Edge = case Behind of
        [] -> <<>>;
        _ -> wrap(T#tty{position = End, behind = []})
    end,
    {[text(Left), lists:duplicate(Gone, $\s), Edge | travel(End, P, T)], T#tty{behind = Left}}.

move_by(N, #tty{before = Before, position = P, behind = Behind} = T) when N < 0 ->
    Count = min(-N, P),
    {Moved, Left} = lists:split(Count, Before),
    {travel(P, P - Count, T), T#tty{before = Left, position = P - Count, behind = lists:reverse(Moved, Behind)}};
move_by(N, #tty{before = Before, position = P, behind = Behind} = T) ->
    Count = min(N, length(Behind)),
    {Moved, Left} = lists:split(Count, Behind),
    {travel(P, P + Count, T), T#tty{before = lists:reverse(Moved, Before), position = P + Count, behind = Left}}.

%% From one position of the line to another.
travel(From, To, #tty{columns = Columns}) ->
    [rows(To div Columns - From div Columns), columns(To rem Columns - From rem Columns)].

rows(0) -> <<>>;
rows(N) when N < 0 -> [<<"\e[">>, integer_to_list(-N), $A];
rows(N) -> [<<"\e[">>, integer_to_list(N), $B].

columns(0) -> <<>>;
columns(N) when N < 0, N > -4 -> lists:duplicate(-N, $\b);
columns(N) when N < 0 -> [<<"\e[">>, integer_to_list(-N), $D];
columns(N) -> [<<"\e[">>, integer_to_list(N), $C].

text(Chars) -> << <<(printable(C))/utf8>> || C <- Chars >>.

drop(N, List) when length(List) =< N -> [];
drop(N, List) -> lists:nthtail(N, List).
