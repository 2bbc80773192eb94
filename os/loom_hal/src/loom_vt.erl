%% SPDX-License-Identifier: Apache-2.0
%% @doc What a terminal does with the bytes sent to it, as far as the console sends them: text, CR, LF, BS, cursor
%% movement and erasing (ECMA-48). Pure: the result is a list of drawing steps for the frame buffer driver.
-module(loom_vt).

-export([new/2, new/3, write/2, cursor/1]).
-export_type([state/0, step/0]).

-record(vt, {columns :: pos_integer(), rows :: pos_integer(), column = 0, row = 0, pending = <<>> :: binary()}).
-opaque state() :: #vt{}.
-type step() :: {text, Column :: non_neg_integer(), Row :: non_neg_integer(), [char()]}
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
        incomplete when byte_size(All) < 32 -> {Steps, V#vt{pending = All}};
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
put_char(C, Rest, #vt{column = Column, row = Row} = V, [{text, Start, Row, Text} | Steps])
        when Start + length(Text) =:= Column ->
    run(Rest, V#vt{column = Column + 1}, [{text, Start, Row, Text ++ [C]} | Steps]);
put_char(C, Rest, #vt{column = Column, row = Row} = V, Steps) ->
    run(Rest, V#vt{column = Column + 1}, [{text, Column, Row, [C]} | Steps]).

line_feed(Rest, V, Steps) ->
    {NewSteps, New} = next_row(V, Steps),
    run(Rest, New, NewSteps).

next_row(#vt{row = Row, rows = Rows} = V, Steps) when Row + 1 >= Rows -> {[{scroll, 1} | Steps], V};
next_row(#vt{row = Row} = V, Steps) -> {Steps, V#vt{row = Row + 1}}.

csi(<<Digit, _/binary>> = Bytes, Numbers) when Digit >= $0, Digit =< $9 -> csi_number(Bytes, 0, Numbers);
csi(<<Final, Rest/binary>>, Numbers) -> {lists:reverse(Numbers), Final, Rest};
csi(<<>>, _) -> incomplete.

csi_number(<<Digit, Rest/binary>>, N, Numbers) when Digit >= $0, Digit =< $9 ->
    csi_number(Rest, min(9999, N * 10 + Digit - $0), Numbers);
csi_number(<<";", Rest/binary>>, N, Numbers) -> csi(Rest, [N | Numbers]);
csi_number(Rest, N, Numbers) -> csi(Rest, [N | Numbers]).

control($A, N, Rest, V, Steps) -> run(Rest, V#vt{row = max(0, V#vt.row - count(N))}, Steps);
control($B, N, Rest, V, Steps) -> run(Rest, V#vt{row = min(V#vt.rows - 1, V#vt.row + count(N))}, Steps);
control($C, N, Rest, V, Steps) -> run(Rest, V#vt{column = min(V#vt.columns - 1, column(V) + count(N))}, Steps);
control($D, N, Rest, V, Steps) -> run(Rest, V#vt{column = max(0, column(V) - count(N))}, Steps);
control($H, N, Rest, V, Steps) ->
    {Row, Column} = case N of
        [R, C | _] -> {R, C};
        [R] -> {R, 1};
        [] -> {1, 1}
    end,
    run(Rest, V#vt{row = clamp(Row - 1, V#vt.rows), column = clamp(Column - 1, V#vt.columns)}, Steps);
control($K, _N, Rest, #vt{column = Column, row = Row, columns = Columns} = V, Steps) when Column < Columns ->
    run(Rest, V, [{erase, Column, Row, Columns - Column} | Steps]);
control($J, _N, Rest, #vt{column = Column, row = Row, columns = Columns, rows = Rows} = V, Steps) ->
    Below = [{erase, 0, R, Columns} || R <- lists:seq(Rows - 1, Row + 1, -1)],
    run(Rest, V, [{erase, Column, Row, max(1, Columns - Column)} | Below] ++ Steps);
control(_Final, _N, Rest, V, Steps) -> run(Rest, V, Steps).

count([N | _]) when N > 0 -> N;
count(_) -> 1.

clamp(N, Limit) -> max(0, min(N, Limit - 1)).
