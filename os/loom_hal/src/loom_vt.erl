%% SPDX-License-Identifier: Apache-2.0
%% @doc What a terminal does with the bytes sent to it, as far as the console sends them: text, CR, LF, BS, cursor
%% movement, erasing and colours (ECMA-48; 16, 256 and true colours as xterm has them). Other control sequences are
%% passed over. Pure: the result is a list of drawing steps for the frame buffer driver.
-module(loom_vt).

-export([new/2, new/3, write/2, cursor/1]).
-export_type([state/0, step/0, style/0]).

-define(PENDING_MAX, 64). % bytes of an unfinished sequence: more is no sequence
-define(PALETTE, {16#2e3640, 16#d0626b, 16#8fbf7f, 16#d9b26a, 16#6f9bd8, 16#b78ac6, 16#6fb1a0, 16#d8dee9,
                  16#5c6876, 16#f28b82, 16#b5e0a5, 16#f2d08c, 16#9cc0f5, 16#dab1e6, 16#98d6c5, 16#ffffff}).

%% `foreground', `background': what the screen has by itself.
-type colour() :: foreground | background | 0..16#ffffff.
-type style() :: {Fg :: colour(), Bg :: colour()}.
-type wish() :: colour() | 0..16#ffffff | {dim | bright, 0..7}.
-record(pen, {fg = foreground :: wish(), bg = background :: wish(), bold = false :: boolean(),
    inverse = false :: boolean()}).
-record(vt, {columns :: pos_integer(), rows :: pos_integer(), column = 0, row = 0, pending = <<>> :: binary(),
    pen = #pen{} :: #pen{}, style = {foreground, background} :: style()}).
-opaque state() :: #vt{}.
-type step() :: {text, Column :: non_neg_integer(), Row :: non_neg_integer(), [char()], style()}
              | {erase, Column :: non_neg_integer(), Row :: non_neg_integer(), Count :: pos_integer()}
              | {scroll, Lines :: pos_integer()}.

-spec new(pos_integer(), pos_integer()) -> state().
new(Columns, Rows) -> #vt{columns = Columns, rows = Rows}.

%% @doc With the cursor at a place.
-spec new(pos_integer(), pos_integer(), {Column :: non_neg_integer(), Row :: non_neg_integer()}) -> state().
new(Columns, Rows, {Column, Row}) ->
    #vt{columns = Columns, rows = Rows, column = clamp(Column, Columns), row = clamp(Row, Rows)}.

-spec cursor(state()) -> {Column :: non_neg_integer(), Row :: non_neg_integer()}.
cursor(#vt{row = R} = V) -> {column(V), R}.

%% Where the cursor stands: behind the last column it waits in it.
column(#vt{column = C, columns = Columns}) -> min(C, Columns - 1).

%% @doc The steps in the order to draw them. An unfinished sequence or character waits for the next call.
-spec write(binary(), state()) -> {[step()], state()}.
write(Bytes, #vt{pending = Pending} = V) ->
    {Steps, New} = run(<<Pending/binary, Bytes/binary>>, V#vt{pending = <<>>}, []),
    {lists:reverse(Steps), New}.

run(<<>>, V, Steps) -> {Steps, V};
run(<<"\r", Rest/binary>>, V, Steps) -> run(Rest, V#vt{column = 0}, Steps);
run(<<"\n", Rest/binary>>, V, Steps) -> line_feed(Rest, V, Steps);
run(<<"\b", Rest/binary>>, V, Steps) -> run(Rest, V#vt{column = max(0, column(V) - 1)}, Steps);
run(<<"\t", Rest/binary>>, V, Steps) ->
    run(Rest, V#vt{column = min(V#vt.columns - 1, (V#vt.column div 8 + 1) * 8)}, Steps);
run(<<"\e[", Rest/binary>> = All, V, Steps) ->
    case csi(Rest, []) of
        {Numbers, Final, After} -> control(Final, Numbers, After, V, Steps);
        incomplete when byte_size(All) < ?PENDING_MAX -> {Steps, V#vt{pending = All}};
        incomplete -> run(Rest, V, Steps)
    end;
run(<<"\e">> = All, V, Steps) -> {Steps, V#vt{pending = All}};
run(<<C, Rest/binary>>, V, Steps) when C < 32; C =:= 127 -> run(Rest, V, Steps);
run(<<C/utf8, Rest/binary>>, V, Steps) -> put_char(C, Rest, V, Steps);
run(<<_, Rest/binary>> = Bytes, V, Steps) ->
    case unicode:characters_to_list(binary:part(Bytes, 0, min(4, byte_size(Bytes)))) of
        {incomplete, [], _} -> {Steps, V#vt{pending = Bytes}};
        _ -> put_char($?, Rest, V, Steps)
    end.

%% A character in the last column leaves the cursor there; the next one wraps.
put_char(C, Rest, #vt{column = Columns, columns = Columns} = V, Steps) ->
    {NewSteps, New} = next_row(V#vt{column = 0}, Steps),
    put_char(C, Rest, New, NewSteps);
put_char(C, Rest, #vt{column = Column, row = Row, style = Style} = V, [{text, Start, Row, Text, Style} | Steps])
        when Start + length(Text) =:= Column ->
    run(Rest, V#vt{column = Column + 1}, [{text, Start, Row, Text ++ [C], Style} | Steps]);
put_char(C, Rest, #vt{column = Column, row = Row, style = Style} = V, Steps) ->
    run(Rest, V#vt{column = Column + 1}, [{text, Column, Row, [C], Style} | Steps]).

line_feed(Rest, V, Steps) ->
    {NewSteps, New} = next_row(V, Steps),
    run(Rest, New, NewSteps).

next_row(#vt{row = Row, rows = Rows} = V, Steps) when Row + 1 >= Rows -> {[{scroll, 1} | Steps], V};
next_row(#vt{row = Row} = V, Steps) -> {Steps, V#vt{row = Row + 1}}.

%% Parameters, intermediate bytes, a final byte. Sequences with intermediate bytes or private parameters (`?') mean
%% nothing here.
csi(Bytes, Numbers) -> csi(Bytes, 0, Numbers, true).

csi(<<C, Rest/binary>>, N, Numbers, Known) when C >= $0, C =< $9 ->
    csi(Rest, min(9999, N * 10 + C - $0), Numbers, Known);
csi(<<C, Rest/binary>>, N, Numbers, Known) when C =:= $;; C =:= $: -> csi(Rest, 0, [N | Numbers], Known);
csi(<<C, Rest/binary>>, N, Numbers, _) when C >= $\s, C =< $? -> csi(Rest, N, Numbers, false);
csi(<<Final, Rest/binary>>, N, Numbers, true) -> {lists:reverse(Numbers, [N]), Final, Rest};
csi(<<_, Rest/binary>>, _, _, false) -> {[], none, Rest};
csi(<<>>, _, _, _) -> incomplete.

control($A, N, Rest, V, Steps) -> run(Rest, V#vt{row = max(0, V#vt.row - count(N))}, Steps);
control($B, N, Rest, V, Steps) -> run(Rest, V#vt{row = min(V#vt.rows - 1, V#vt.row + count(N))}, Steps);
control($C, N, Rest, V, Steps) -> run(Rest, V#vt{column = min(V#vt.columns - 1, column(V) + count(N))}, Steps);
control($D, N, Rest, V, Steps) -> run(Rest, V#vt{column = max(0, column(V) - count(N))}, Steps);
control($H, N, Rest, V, Steps) ->
    {Row, Column} = case N of
        [R, C | _] -> {R, C};
        [R] -> {R, 1}
    end,
    run(Rest, V#vt{row = clamp(Row - 1, V#vt.rows), column = clamp(Column - 1, V#vt.columns)}, Steps);
control($K, _N, Rest, #vt{column = Column, row = Row, columns = Columns} = V, Steps) when Column < Columns ->
    run(Rest, V, [{erase, Column, Row, Columns - Column} | Steps]);
control($J, _N, Rest, #vt{column = Column, row = Row, columns = Columns, rows = Rows} = V, Steps) ->
    Below = [{erase, 0, R, Columns} || R <- lists:seq(Rows - 1, Row + 1, -1)],
    run(Rest, V, [{erase, Column, Row, max(1, Columns - Column)} | Below] ++ Steps);
control($m, N, Rest, #vt{pen = Pen} = V, Steps) ->
    New = pen(N, Pen),
    run(Rest, V#vt{pen = New, style = style(New)}, Steps);
control(_Final, _N, Rest, V, Steps) -> run(Rest, V, Steps).

%% Select graphic rendition.
pen([], Pen) -> Pen;
pen([0 | Rest], _) -> pen(Rest, #pen{});
pen([1 | Rest], Pen) -> pen(Rest, Pen#pen{bold = true});
pen([7 | Rest], Pen) -> pen(Rest, Pen#pen{inverse = true});
pen([22 | Rest], Pen) -> pen(Rest, Pen#pen{bold = false});
pen([27 | Rest], Pen) -> pen(Rest, Pen#pen{inverse = false});
pen([39 | Rest], Pen) -> pen(Rest, Pen#pen{fg = foreground});
pen([49 | Rest], Pen) -> pen(Rest, Pen#pen{bg = background});
pen([38, 2, R, G, B | Rest], Pen) -> pen(Rest, Pen#pen{fg = rgb(R, G, B)});
pen([48, 2, R, G, B | Rest], Pen) -> pen(Rest, Pen#pen{bg = rgb(R, G, B)});
pen([38, 5, N | Rest], Pen) -> pen(Rest, Pen#pen{fg = indexed(N)});
pen([48, 5, N | Rest], Pen) -> pen(Rest, Pen#pen{bg = indexed(N)});
pen([N | _], Pen) when N =:= 38; N =:= 48 -> Pen; % what follows cannot be told apart
pen([N | Rest], Pen) when N >= 30, N =< 37 -> pen(Rest, Pen#pen{fg = {dim, N - 30}});
pen([N | Rest], Pen) when N >= 40, N =< 47 -> pen(Rest, Pen#pen{bg = {dim, N - 40}});
pen([N | Rest], Pen) when N >= 90, N =< 97 -> pen(Rest, Pen#pen{fg = {bright, N - 90}});
pen([N | Rest], Pen) when N >= 100, N =< 107 -> pen(Rest, Pen#pen{bg = {bright, N - 100}});
pen([_ | Rest], Pen) -> pen(Rest, Pen).

%% Bold has no glyphs of its own: it is the bright one of the eight colours.
style(#pen{fg = Fg, bg = Bg, bold = Bold, inverse = Inverse}) ->
    Front = case Fg of
        {dim, N} when Bold -> shade({bright, N});
        foreground when Bold -> shade({bright, 7});
        _ -> shade(Fg)
    end,
    case Inverse of
        true -> {shade(Bg), Front};
        false -> {Front, shade(Bg)}
    end.

shade({dim, N}) -> element(N + 1, ?PALETTE);
shade({bright, N}) -> element(N + 9, ?PALETTE);
shade(Colour) -> Colour.

rgb(R, G, B) -> (min(R, 255) bsl 16) bor (min(G, 255) bsl 8) bor min(B, 255).

%% The 16, a cube of 6x6x6, and 24 greys.
indexed(N) when N < 8 -> {dim, N};
indexed(N) when N < 16 -> {bright, N - 8};
indexed(N) when N < 232 ->
    I = N - 16,
    rgb(level(I div 36), level(I div 6 rem 6), level(I rem 6));
indexed(N) when N < 256 ->
    Grey = 8 + 10 * (N - 232),
    rgb(Grey, Grey, Grey);
indexed(_) -> foreground.

level(0) -> 0;
level(N) -> 55 + 40 * N.

count([N | _]) when N > 0 -> N;
count(_) -> 1.

clamp(N, Limit) -> max(0, min(N, Limit - 1)).
