%% SPDX-License-Identifier: Apache-2.0
%% Draws calls of functions without effects: natives and libraries. A row of the table: module, functions, kinds of the
%% arguments (diff_terms, or special/1 here). One argument of eight is of a wrong kind. Where a wrong number would ask
%% for all memory the kind stands in {safe, Kind}: it is replaced by no number.
-module(diff_calls).
-export([draw/0, special/1]).

-import(diff_terms, [g/1, r/1, pick/1, chance/1]).

draw() ->
    case pick(table()) of
        {?MODULE, format, []} -> format_call();
        {M, Fs, Kinds} ->
            F = case is_list(Fs) of true -> pick(Fs); false -> Fs end,
            try [argument(K) || K <- Kinds] of
                Args ->
                    %% In which order a large map is gone through is each machine's own: errors tell.
                    case diff_play:large(Args) andalso not at_once(M, F) of
                        true -> draw();
                        false -> {call, M, F, Args}
                    end
            catch error:_ -> draw() % no such term can be made (a float out of range)
            end
    end.

at_once(erlang, _) -> true;
at_once(maps, F) -> lists:member(F, [get, find, remove, take, is_key, put, update, merge, intersect, keys, values,
    to_list, from_list, with, without, size]);
at_once(_, _) -> false.

argument({safe, K}) -> case chance(8) of true -> g(nonum); false -> g(K) end;
argument({only, K}) -> g(K);
argument(K) -> case chance(12) of true -> g(any); false -> g(K) end.

table() ->
    case persistent_term:get(?MODULE, none) of
        none ->
            T = list_to_tuple(rows()),
            persistent_term:put(?MODULE, T),
            T;
        T -> T
    end.

rows() -> erlang_rows() ++ list_rows() ++ map_rows() ++ text_rows() ++ library_rows() ++ sizes().

sizes() ->
    N = length(erlang_rows()),
    %% The natives themselves three times as often as a row of a library.
    lists:append(lists:duplicate(2, lists:sublist(erlang_rows(), N))).

erlang_rows() ->
    Tests = [is_atom, is_boolean, is_integer, is_float, is_number, is_list, is_tuple, is_binary, is_bitstring, is_pid,
        is_port, is_reference,
             is_function, is_map],
    Compare = ['==', '/=', '=:=', '=/=', '<', '=<', '>', '>='],
    [{erlang, ['+', '-', '*', '/', 'div', 'rem', 'band', 'bor', 'bxor'], [num, num]},
     {erlang, ['+', '-', '*', 'div', 'rem', 'band', 'bor', 'bxor'], [int, int]},
     {erlang, ['bsl', 'bsr'], [int, {safe, {'or', [{range, -100, 100}, {range, 0, 3000}]}}]},
     {erlang, ['bsr'], [int, int]},
     {erlang, ['-', '+', 'bnot', abs, float, round, trunc, floor, ceil], [num]},
     {erlang, ['and', 'or', 'xor'], [bool, bool]}, {erlang, 'not', [bool]},
     {erlang, Tests, [any]}, {erlang, is_function, [any, cnt]}, {erlang, is_record, [tuple, atom]}, {erlang,
         is_record, [tuple, atom, cnt]},
     {erlang, Compare, [any, any]}, {erlang, Compare, [num, num]}, {erlang, [max, min], [any, any]},
     {erlang, [phash2], [any]}, {erlang, phash2, [any, {safe, word32}]}, {erlang, phash, [any, {safe, word32}]},
     {erlang, term_to_binary, [plain]},
     {erlang, term_to_binary, [any, {special, t2b_options}]},
     {erlang, binary_to_term, [{special, etf}]}, {erlang, binary_to_term, [{special, etf}, {special, b2t_options}]},
     {erlang, external_size, [any]}, {erlang, external_size, [any, {special, t2b_options}]},
     {erlang, [integer_to_list, integer_to_binary], [int]}, {erlang, [integer_to_list, integer_to_binary], [int, base]},
     {erlang, list_to_integer, [{special, digits}]}, {erlang, list_to_integer, [{special, digits}, base]},
     {erlang, binary_to_integer, [{special, bdigits}]}, {erlang, binary_to_integer, [{special, bdigits}, base]},
     {erlang, [float_to_list, float_to_binary], [float]},
     {erlang, [float_to_list, float_to_binary], [float, {special, float_options}]},
     {erlang, list_to_float, [{special, fdigits}]}, {erlang, binary_to_float, [{special, bfdigits}]},
     {erlang, [atom_to_list, atom_to_binary], [atom]}, {erlang, atom_to_binary, [atom, {one, [latin1, utf8, unicode,
         x]}]},
     {erlang, binary_to_existing_atom, [{special, batom}]}, {erlang, list_to_existing_atom, [{special, latom}]},
     {erlang, [binary_to_atom, binary_to_existing_atom], [{special, batom}, {one, [latin1, utf8, unicode]}]},
     {erlang, [md5, crc32, adler32, iolist_size, iolist_to_binary, list_to_binary, list_to_bitstring], [iodata]},
     {erlang, [iolist_to_iovec], [iodata]},
     {erlang, [crc32, adler32], [word32, iodata]},
     {erlang, [bit_size, byte_size, size, bitstring_to_list], [bits]}, {erlang, [binary_to_list], [bin]},
     {erlang, binary_to_list, [bin, small, small]}, {erlang, [binary_part], [bin, small, small]}, {erlang,
         binary_part, [bin, {tuple, [small, small]}]},
     {erlang, split_binary, [bits, small]},
     {erlang, [length, hd, tl, list_to_tuple], [list]}, {erlang, [size, tuple_size, tuple_to_list], [tuple]},
     {erlang, element, [small, tuple]}, {erlang, setelement, [small, tuple, any]}, {erlang, append_element, [tuple,
         any]},
     {erlang, delete_element, [small, tuple]}, {erlang, insert_element, [small, tuple, any]},
     {erlang, make_tuple, [{safe, cnt}, any]}, {erlang, make_tuple, [{safe, cnt}, any, {list, {pair, small, any}}]},
     {erlang, ['++'], [list, list]}, {erlang, ['--'], [{list, key}, {list, key}]},
     {erlang, [is_map_key, map_get], [key, map]}, {erlang, map_size, [map]},
     {erlang, decode_packet, [{special, packet_type}, {special, packet}, {special, packet_options}]},
     {erlang, convert_time_unit, [int, {special, time_unit}, {special, time_unit}]},
     {erlang, universaltime_to_localtime, [{special, datetime}]}, {erlang, localtime_to_universaltime, [{special,
         datetime}]},
     {erlang, [list_to_pid, list_to_ref, list_to_port], [{special, identity}]},
     {erlang, fun_info, [{'or', [fun1, fun2]}, {one, [arity, name, module, type, env]}]},
     {erlang, function_exported, [{one, [lists, maps, erlang, nothing]}, {one, [map, fold, abs, append]}, cnt]},
     {erlang, apply, [{one, [erlang, lists, nothing]}, {one, [abs, reverse, hd, sort]}, list]},
     {erlang, fun_to_list, [fun1]}, {erlang, [crc32_combine], [word32, word32, {safe, word32}]},
     {erlang, adler32_combine, [{range, 0, 65520}, {range, 0, 65520}, {safe, word32}]},
     {erlang, [error, throw, exit], [any]}, {erlang, error, [any, list]}, {erlang, error, [any, list, {special,
         error_options}]}, {erlang, raise, [{one, [error, exit, throw, x]}, any, {special, stack}]},
     {erlang, [phash2, external_size, is_pid, is_port, is_reference, node, is_map], [foreign]}, {erlang, Compare,
         [foreign, foreign]}, {erlang, Compare, [foreign, any]}, {lists, sort, [{list, foreign}]},
     {math, [cos, sin, tan, acos, asin, atan, cosh, sinh, tanh, acosh, asinh, atanh, erf, erfc, exp, log, log2, log10,
         sqrt, ceil, floor], [num]},
     {math, [pow, atan2, fmod], [num, num]},
     {ets, test_ms, [{special, ms_tuple}, {special, ms}]}, {ets, test_ms, [{special, ms_tuple}, {special, ms}]},
     {ets, is_compiled_ms, [any]},
     {erts_internal, cmp_term, [any, any]},
     {erlang, [map_size, '=:='], [large, large]}, {maps, [get, find, remove, take, is_key], [{range, 0, 999}, large]},
         {maps, [put, update], [{range, 0, 999}, leaf, large]},
     {maps, [merge, intersect], [large, large]}, {maps, [keys, values, to_list], [large]}, {erlang, [phash2,
         external_size], [large]}].

list_rows() ->
    L = {list, key}, Ts = {list, {'or', [{pair, key, leaf}, {tuple, [key]}, key]}},
    [{lists, [reverse, sort, usort, flatten, flatlength, droplast, last, sum, max, min, unzip, unzip3, concat, append,
        merge, umerge, enumerate, uniq], [list]},
     {lists, [sort, usort, sum, max, min, uniq], [{list, num}]}, {lists, [append, merge, umerge, zip, zip3, concat],
         [{list, {list, key}}]},
     {lists, [unzip], [{list, {pair, key, key}}]}, {lists, unzip3, [{list, {tuple, [key, key, key]}}]},
     {lists, [member, delete], [key, L]}, {lists, [subtract, append, prefix, suffix], [L, L]}, {lists, [merge,
         umerge], [{sorted, key}, {sorted, key}]},
     {lists, reverse, [list, any]}, {lists, [nth, nthtail, sublist, split], [small, list]}, {lists, sublist, [list,
         small]}, {lists, sublist, [list, small, small]},
     {lists, join, [any, list]}, {lists, duplicate, [{safe, cnt}, any]}, {lists, seq, [{only, {range, -50, 50}},
         {only, {range, -50, 50}}]},
     {lists, seq, [{only, {range, -50, 50}}, {only, {range, -50, 50}}, {only, {range, -9, 9}}]},
     {lists, [keyfind, keymember, keysearch, keytake, keydelete], [key, pos, Ts]}, {lists, [keyreplace, keystore],
         [key, pos, Ts, {pair, key, leaf}]},
     {lists, [keysort, ukeysort], [{range, 1, 2}, {list, {pair, key, leaf}}]}, {lists, keysort, [pos, Ts]},
     {lists, [keymerge, ukeymerge], [{const, 1}, orddict, orddict]}, {lists, keymap, [fun1, {range, 1, 2}, {list,
         {pair, num, key}}]},
     {lists, [map, foreach, flatmap, filtermap], [fun1, list]}, {lists, [filter, all, any, partition, takewhile,
         dropwhile, splitwith, search], [pred1, list]},
     {lists, [foldl, foldr, mapfoldl, mapfoldr], [fun2, key, list]}, {lists, [sort, usort], [order2, L]}, {lists,
         [merge, umerge], [order2, L, L]},
     {lists, [zipwith], [fun2, {list, num}, {list, num}]}, {lists, [zip], [list, list]}, {lists, zipwith3, [fun3,
         list, list, list]}, {lists, enumerate, [small, list]}, {lists, uniq, [fun1, {list, num}]}].

map_rows() ->
    [{maps, [from_list], [pairs]}, {maps, [to_list, keys, values, size], [map]}, {maps, [find, get, is_key, remove,
        take], [key, map]},
     {maps, [get, put, update], [key, any, map]}, {maps, merge, [map, map]}, {maps, [from_keys], [{list, key}, any]},
     {maps, [filter, map, filtermap], [fun2, map]}, {maps, [with, without], [{list, key}, map]}, {maps, intersect,
         [map, map]},
     {maps, update_with, [key, fun1, map]}, {maps, update_with, [key, fun1, any, map]}, {maps, groups_from_list,
         [pred1, list]},
     {maps, [merge_with, intersect_with], [fun3, map, map]}, {erlang, ['==', '=:=', '<', '>'], [map, map]},
     {erlang, ['==', '=:=', '<', '=<'], [map, map]}].

text_rows() ->
    Opt = {special, re_options}, Re = {special, re},
    Pattern = {special, pattern}, Hay = {special, hay},
    [{binary, [first, last, bin_to_list, decode_unsigned, encode_hex, copy], [bin]}, {binary,
        at, [bin, small]},
     {binary, [decode_unsigned], [bin, {one, [big, little]}]}, {binary, encode_unsigned, [int]}, {binary,
         encode_unsigned, [int, {one, [big, little]}]},
     {binary, [part, bin_to_list], [bin, small, small]}, {binary, copy, [bin, {safe, cnt}]}, {binary, list_to_bin,
         [iodata]},
     {binary, [longest_common_prefix, longest_common_suffix], [{nonempty, bin}]}, {binary, decode_hex, [{special,
         hex}]},
     {binary, [match, matches, split], [Hay, Pattern]}, {binary, [match, matches], [Hay, Pattern, {special, scope}]},
     {binary, split, [Hay, Pattern, {special, split_options}]}, {binary, replace, [Hay, Pattern, {const, <<"_">>}]},
         {binary, replace, [Hay, Pattern, bin, {special, replace_options}]},
     {string, [length, to_graphemes, reverse, uppercase, lowercase, titlecase, casefold, trim, is_empty,
         next_codepoint, next_grapheme], [chardata]},
     {string, [uppercase, lowercase, trim, length, reverse, to_graphemes], [text]},
     {string, slice, [chardata, small]}, {string, slice, [chardata, small, {safe, cnt}]}, {string, equal, [chardata,
         chardata]}, {string, equal, [chardata, chardata, bool, {one, [none, nfc, nfd, nfkc, nfkd]}]},
     {string, split, [text, text]}, {string, split, [text, {one, [" ", ",", "a", <<"ab">>]}, {one, [leading, trailing,
         all]}]}, {string, replace, [text, {one, ["a", "ab", ""]}, text, {one, [all, leading, trailing]}]},
     {string, lexemes, [text, {one, [" ", ", ", "ab"]}]}, {string, nth_lexeme, [text, small, {one, [" ", ", "]}]},
         {string, [find], [text, {one, ["a", <<"b">>, "ab"]}]},
     {string, find, [text, text, {one, [leading, trailing]}]}, {string, pad, [text, {safe, cnt}]}, {string, pad,
         [text, {safe, cnt}, {one, [leading, trailing, both]}, {one, [$x, "é"]}]}, {string, trim, [text, {one,
         [leading, trailing, both]}, {one, ["a", " a", [[$\r, $\n]]]}]}, {string, [prefix], [text, {one, ["a", "ab",
         <<"a">>]}]},
     {string, [take], [text, {one, ["abc", " "]}, bool, {one, [leading, trailing]}]}, {string, [to_integer, to_float],
         [{'or', [{special, digits}, {special, fdigits}, text]}]},
     {string, [tokens, strip, words, to_upper, to_lower, len, chars], [str]}, {string, tokens, [str, {one, [" ",
         "ab"]}]}, {string, [str, rstr, span, cspan], [str, str]}, {string, substr, [str, pos]}, {string, substr,
         [str, pos, {safe, cnt}]}, {string, [left, right, centre], [str, {safe, cnt}]}, {string, sub_word, [str,
         small]}, {string, [chr, rchr], [str, byte]}, {string, copies, [str, {safe, cnt}]},
     {unicode, [characters_to_list, characters_to_binary, characters_to_nfc_list, characters_to_nfd_binary,
         characters_to_nfkc_list, characters_to_nfkd_list], [chardata]},
     {unicode, [characters_to_list], [{'or', [iodata, chardata]}, {special, encoding}]}, {unicode,
         characters_to_binary, [{'or', [iodata, chardata]}, {special, encoding}]}, {unicode,
         [bom_to_encoding], [bin]}, {unicode, encoding_to_bom, [{special, encoding}]},
     {re, run, [Hay, Re]}, {re, run, [Hay, Re, Opt]}, {re, run, [chardata, Re, Opt]}, {re, split, [Hay, Re]}, {re,
         split, [Hay, Re, Opt]}, {re, replace, [Hay, Re, {one, ["<&>", "\\1", "x", "\\g{1}", <<"\\\\">>]}]}, {re,
         replace, [Hay, Re, {one, ["<&>", "\\1"]}, Opt]},
     {io_lib, format, [{special, format}, list]}, {io_lib, format, [{special, format1}, {tuple, []}]}, {?MODULE,
         format, []}, {?MODULE, format, []}, {?MODULE, format, []},
     {io_lib, [write, write_atom, write_string, write_char, write_latin1_char, printable_list, printable_unicode_list,
         char_list, latin1_char_list, deep_char_list, write_atom_as_latin1, write_string_as_latin1, quote_atom],
         [{'or', [plain, atom, ustr, str, char]}]}, {io_lib, print, [plain]}, {io_lib, print, [plain, pos, {range, 1,
         120}, {range, -1, 12}]}, {io_lib, write, [plain, {range, -1, 9}]},
     {io_lib, fread, [{one, ["~d", "~d ~d", "~f", "~s", "~c", "~16u", "~a", "~10d", "~#", "~~", "~*d", "~l", "~ts"]},
         {'or', [str, {special, digits}, {special, fdigits}]}]}, {io_lib_format, fwrite_g, [float]}, {io_lib, [nl],
         []}, {io_lib, format_prompt, [atom]}, {erl_scan, string, [{special, source}]}, {erl_scan, string, [{'or',
         [text, {special, source}]}]}, {erl_anno, new, [pos]},
     {erl_pp, expr, [{only, {abstract, 1}}]}, {erl_parse, [abstract], [plain]}, {erl_parse, normalise, [{abstract,
         1}]}, {unicode_util, [gc, cp, uppercase, lowercase, titlecase, casefold, nfc, nfd, nfkc, nfkd], [chardata]},
         {unicode_util, [is_whitespace, lookup], [char]}].

library_rows() ->
    D = {special, date},
    [{calendar, [date_to_gregorian_days, day_of_the_week, iso_week_number], [D]}, {calendar,
        [datetime_to_gregorian_seconds, iso_week_number], [{special, datetime}]},
     {calendar, [gregorian_days_to_date, gregorian_seconds_to_datetime, is_leap_year], [{range, -5, 80000000}]},
         {calendar, [seconds_to_daystime, seconds_to_time], [{range, -9, 200000}]},
     {calendar, [valid_date, day_of_the_week, date_to_gregorian_days], [{range, -1, 3000}, {range, 0, 13}, {range, 0,
         32}]}, {calendar, system_time_to_rfc3339, [{range, -62167219200, 253402300799}, {const, [{offset, "Z"}]}]},
         {calendar, rfc3339_to_system_time, [{special, rfc3339}]}, {calendar, last_day_of_the_month, [{range, 0,
         3000}, {range, 0, 13}]}, {calendar, [system_time_to_universal_time], [int, {one, [second, millisecond,
         native]}]}, {calendar, [time_to_seconds], [{tuple, [{range, -1, 24}, {range, 0, 60}, {range, 0, 60}]}]},
     {base64, [encode, encode_to_string], [iodata]}, {base64, [decode, mime_decode], [{special, base64}]},
     {uri_string, [parse, normalize, dissect_query, percent_decode], [{special, uri}]}, {uri_string, [quote], [text]},
         {uri_string, compose_query, [{list, {pair, text, text}}]}, {uri_string, [resolve], [{special, uri}, {special,
         uri}]}, {uri_string, recompose, [map]},
     {ordsets, [union, intersection, subtract, is_subset, is_disjoint], [{usorted, key}, {usorted, key}]}, {ordsets,
         [from_list, is_set], [{list, key}]}, {ordsets, [add_element, del_element, is_element], [key, {usorted, key}]},
     {orddict, [from_list, fetch_keys, size, is_empty], [orddict]}, {orddict, [fetch, find, is_key, erase, take],
         [key, orddict]}, {orddict, [store, append, update_counter], [key, num, orddict]}, {orddict, merge, [fun3,
         orddict, orddict]},
     {gb_sets, from_list, [{list, key}]}, {gb_trees, [from_orddict], [orddict]}, {queue, [from_list], [list]}, {array,
         from_list, [list]}, {sets, [from_list], [{list, key}, {const, [{version, 2}]}]}, {dict, from_list, [pairs]},
     {proplists, [get_value, get_all_values, lookup, is_defined, get_bool, delete, append_values], [{one, [a, b, c,
         d]}, props]}, {proplists, [compact, unfold, normalize, get_keys], [props]}, {proplists, get_value, [atom,
         props, any]}, {proplists, [expand, substitute_aliases, substitute_negations], [{list, {pair, {one, [a, b]},
         {one, [c, d]}}}, props]}, {proplists, to_map, [props]}, {proplists, split, [props, {const, [a, b]}]},
     {filename, [basename, dirname, extension, rootname, split, flatten, nativename, pathtype], [{special, path}]},
         {filename, [join, basename, rootname], [{special, path}, {special, path}]}, {filename, join, [{list,
         {special, path}}]}, {filename, safe_relative_path, [{special, path}]},
     {zlib, [crc32], [any, iodata]}, {zlib, [gzip, zip, compress], [iodata]}, {zlib, [gunzip, unzip, uncompress],
         [{special, packed}]},
     {rand, seed_s, [{one, [exsss, exro928ss, exrop, exs1024s, exsp]}, {range, 0, 100000}]}, {rand, mwc59, [{range, 1,
         1 bsl 58}]}, {rand, [splitmix64_next], [word32]},
     {lists, flatten, [{special, deep}]}, {erl_internal, [bif, guard_bif, arith_op, comp_op], [atom, cnt]}, {erlang,
         iolist_to_binary, [{special, deep}]}, {binary, [list_to_bin], [{special, deep}]}, {beam_lib, [md5, info],
         [bin]}, {inet, [ntoa, parse_address, parse_ipv4_address, parse_ipv6strict_address], [{special, address}]},
         {sofs, [from_term], [list]}, {erl_bits, [system_bittype], [atom]}, {timer, [hms, now_diff, seconds, minutes],
         [cnt]}].

%% --- kinds of their own ----------------------------------------------------------------------------------
special({special, K}) -> special(K);
special(t2b_options) ->
    case r(6) of
        0 -> [deterministic, {minor_version, r(3)}];
        1 -> [deterministic, {compressed, r(10)}];
        2 -> [compressed, deterministic];
        3 -> [pick([local, {minor_version, 3}, foo, {compressed, 10}])];
        _ -> [deterministic, {minor_version, 2}]
    end;
special(b2t_options) -> pick([[], [used], [safe], [used, safe], [x], safe]);
special(etf) ->
    B = term_to_binary(g(plain), pick([[], [], [compressed], [{minor_version, 0}], [{minor_version, 2}]])),
    case r(4) of
        0 -> without_internal_tags(spoil_bytes(B));
        1 -> <<B/binary, 1, 2>>;
        _ -> B
    end;
special(digits) -> spoil(integer_to_list(g(int), 2 + r(35)));
special(bdigits) -> list_to_binary(special(digits));
special(fdigits) -> spoil(float_to_list(g(float), pick([[short], [], [{decimals, r(20)}]])));
special(bfdigits) -> list_to_binary(special(fdigits));
special(float_options) ->
    [pick([{decimals, r(12)}, {scientific, r(25)}, short, compact, {decimals, r(254)}, {decimals, 300}, {scientific,
        -1}]) || _ <- lists:seq(1, 1 + r(2))];
special(batom) -> pick([atom_to_binary(g(atom)), <<"a">>, <<255>>, g(bin),
    binary:copy(<<"é"/utf8>>, 256)]);
special(latom) -> pick([atom_to_list(g(atom)), [r(1200000)]]);
special(packet_type) -> pick([raw, 0, 1, 2, 4, asn1, sunrm, cdr, fcgi, tpkt, line, http, httph, http_bin, httph_bin,
    x, ssl_tls]);
special(packet) ->
    case r(4) of
        0 -> pick([<<"GET / HTTP/1.1\r\n">>, <<"HTTP/1.0 200 OK\r\n">>, <<"Host: x\r\n\r\n">>, <<"\r\n">>,
            <<"Content-Length : 3\r\nA: b\r\n">>, <<"POST http://h:80/p?q HTTP/1.1\r\n">>,
                   <<"GET * HTTP/1.0\n">>, <<"a line\nnext">>, <<"GET /a b HTTP/1.1\r\n">>,
                       <<"OPTIONS https://x/ HTTP/2.0\r\n">>, <<"X: a\r\n b\r\nY: c\r\n">>, <<"HTTP/1.1 404\r\n">>]);
        1 -> spoil_bytes(pick([<<"GET / HTTP/1.1\r\n">>, <<"Accept: */*\r\n\r\n">>, <<"SIP/2.0 1 a\r\n">>]));
        2 -> <<0, (r(5)), (g(bin))/binary>>;
        3 -> g(bin)
    end;
special(packet_options) -> pick([[], [], [{packet_size, r(40)}], [{line_length, r(12)}], [{line_delimiter, $a}], [x]]);
special(time_unit) -> pick([second, millisecond, microsecond, nanosecond, native, perf_counter, 3, 1000, 0, seconds,
    micro_seconds, x]);
special(date) -> {r(3000) - 5, r(14), r(33)};
special(datetime) -> {{1970 + r(100), 1 + r(12), 1 + r(29)}, {r(25), r(60), r(60)}};
special(rfc3339) ->
    S = calendar:system_time_to_rfc3339(r(4000000000), [{offset, pick(["Z", "+02:00", "-11:30"])}, {unit, second}]),
    case r(3) of 0 -> spoil(S); _ -> S end;
special(identity) -> pick(["<0.1.0>", "<0.99999.3>", "#Ref<0.1.0.3>", "#Port<0.7>", "<0.1>", "<1.2.3>", "<0.1.0> ",
    "#Ref<0.1.2>", "#Port<0.>", "x", ""]);
special(error_options) -> [{error_info, #{cause => g(leaf)}}];
special(stack) -> pick([[], [{a, b, 1, []}], [{a, b, [x], [{line, 3}]}], [{a, b, 1}], [x], x, [{fun erlang:abs/1, [1],
    []}]]);
special(ms_tuple) -> list_to_tuple([ms_term(2) || _ <- lists:seq(1, 1 + r(3))]);
special(ms) ->
    [{pick([abstract(special(ms_tuple)), '$1', '_', special(ms_tuple)]), [guard(2) || _ <- lists:seq(1, r(3))],
        [body(3) || _ <- lists:seq(1, 1 + r(2))]}
     || _ <- lists:seq(1, 1 + r(2))];
special(hay) ->
    Letters = pick(["ab", "abc", "ab\n", "aAbB1 -", "aé"]),
    S = [pick(Letters) || _ <- lists:seq(1, r(30))],
    case r(3) of 0 -> S; _ -> unicode:characters_to_binary(S, latin1, pick([latin1, latin1, unicode])) end;
special(pattern) ->
    One = fun() -> list_to_binary([pick("ab") || _ <- lists:seq(1, 1 + r(4))]) end,
    case r(3) of 0 -> [One() || _ <- lists:seq(1, 1 + r(4))]; 1 -> pick([<<>>, [], [<<>>], <<"a", 1:1>>]); _ ->
        One() end;
special(scope) -> case r(4) of 0 -> []; _ -> [{scope, {r(20) - 2, r(20) - 6}}] end;
special(split_options) -> [O || O <- [global, trim, trim_all, {scope, {r(5), r(10)}}], chance(40)];
special(replace_options) -> [O || O <- [global, {insert_replaced, pick([0, 1, [0, 1], 5])}, {scope, {r(5), r(6)}}],
    chance(40)];
special(re) ->
    %% A back reference within a look-behind is an error of PCRE, and none of PCRE2.
    R = lists:flatten(regex(3)),
    case string:find(R, "(?<") =/= nomatch andalso string:find(R, "\\1") =/= nomatch of true -> "a"; false -> R end;
special(re_options) ->
    [O || O <- [global, caseless, multiline, dotall, ungreedy, anchored, extended, dollar_endonly, notempty, notbol,
        noteol, notempty_atstart, firstline,
                bsr_anycrlf, no_start_optimize, dupnames, {offset, r(6)}, {newline, pick([cr, lf, crlf, any,
                    anycrlf])}, trim, group, {parts, r(4)}, ucp,
                {capture, pick([all, first, none, all_but_first, all_names, [0, 2], [1], ["n"]]), pick([index, list,
                    binary])},
                {return, pick([list, binary, iodata])}, unicode, ucp], chance(9)];
special(encoding) -> pick([utf8, latin1, unicode, utf16, utf32, {utf16, little}, {utf16, big}, {utf32, little}, x]);
special(format) -> lists:flatten([pick(["a", " ", control()]) || _ <- lists:seq(1, r(5))]);
special(format1) -> pick(["", "x", "~~", "~n", "~3n", "~", "~z"]);
special(source) -> lists:flatten(source(3)) ++ pick([".", "", ". ", "\n"]);
special(base64) ->
    case r(3) of 0 -> g(str); 1 -> spoil(base64:encode_to_string(g(iodata))); 2 -> base64:encode(g(iodata)) end;
special(uri) ->
    S = pick(["http://", "//", "", "urn:", "foo+x://u@"]) ++ pick(["h", "[::1]", "1.2.3.4:80", "h:",
        ""]) ++ pick(["/a/../b/./c", "", "/%41%zz", "a b", "/x;y"]) ++
        pick(["?a=1&b=%20+", "", "?", "?x&y=é"]) ++ pick(["#f", "", "#"]),
    case r(2) of 0 -> S; 1 -> unicode:characters_to_binary(S) end;
special(path) ->
    S = lists:append([pick(["/", "a", ".", "..", "b.erl", "//", "", "./", "c.d.e", "~"]) || _ <- lists:seq(1, r(6))]),
    case r(3) of 0 -> list_to_binary(S); _ -> S end;
special(hex) -> spoil(binary_to_list(binary:encode_hex(g(bin)))), binary:encode_hex(g(bin));
special(packed) ->
    F = pick([fun zlib:gzip/1, fun zlib:zip/1, fun zlib:compress/1]),
    case r(4) of 0 -> spoil_bytes(F(g(iodata))); _ -> F(g(iodata)) end;
special(deep) -> deep(r(6));
special(address) ->
    case r(4) of
        0 -> list_to_tuple([r(300) || _ <- lists:seq(1, 4)]);
        1 -> list_to_tuple([pick([0, 0, r(65536)]) || _ <- lists:seq(1, 8)]);
        _ -> lists:append([pick(["1", ".", ":", "::", "ff", "255", "0x7", "010", "%1", "127.0.0.1"])
            || _ <- lists:seq(1, r(9))])
    end;
special(call) -> none.

deep(0) -> g(pick([byte, bin, byte, bits]));
deep(D) -> [deep(D - 1 - r(D)) || _ <- lists:seq(1, r(5))] ++ case r(6) of 0 -> g(bin); _ -> [] end.

spoil(S) ->
    {A, B} = lists:split(r(length(S) + 1), S),
    case r(5) of 0 -> A ++ [pick("0+-.eE,x #_")] ++ B; 1 when B =/= [] -> A ++ tl(B); _ -> S end.

spoil_bytes(B) ->
    N = r(byte_size(B) + 1),
    <<A:N/binary, C/binary>> = B,
    case {r(3), C} of
        {0, <<_, D/binary>>} -> <<A/binary, (r(256)), D/binary>>;
        {1, <<_, D/binary>>} -> <<A/binary, D/binary>>;
        _ -> A
    end.

%% --- match specifications ----------------------------------------------------------------------------------
ms_value() -> pick([1, 2, 3, -7, 2.0, a, b, {a, 1}, [1, 2], "s", <<"bin">>, 1 bsl 65, #{a => 1}, [], {}, <<0:800>>,
    r(100), g(int), g(float)]).

ms_term(0) -> ms_value();
ms_term(D) ->
    case r(6) of
        1 -> [ms_term(D - 1) || _ <- lists:seq(1, r(3))];
        2 -> list_to_tuple([ms_term(D - 1) || _ <- lists:seq(1, r(3))]);
        3 -> maps:from_list([{ms_value(), ms_term(D - 1)} || _ <- lists:seq(1, r(3))]);
        4 -> [ms_term(D - 1) | ms_term(D - 1)];
        _ -> ms_value()
    end.

abstract(T) ->
    case r(5) of
        1 -> '_';
        2 -> pick(['$1', '$2', '$3']);
        _ when is_tuple(T) -> list_to_tuple([abstract(X) || X <- tuple_to_list(T)]);
        _ when is_map(T) -> maps:map(fun(_, V) -> abstract(V) end, maps:with([K || K <- lists:sort(maps:keys(T)),
            r(2) =:= 1], T));
        3 when is_list(T), T =/= [] -> [abstract(hd(T)) | abstract(tl(T))];
        _ -> T
    end.

guard(0) -> pick([true, false, '$1', {is_atom, '$1'}]);
guard(D) ->
    case r(6) of
        1 -> {pick(['andalso', 'orelse', 'and', 'or', 'xor']), guard(D - 1), guard(D - 1)};
        2 -> {'not', guard(D - 1)};
        3 -> {pick([is_atom, is_integer, is_list, is_tuple, is_number, is_map, is_binary, is_float]), body(D - 1)};
        _ -> {pick(['<', '>', '=<', '>=', '==', '/=', '=:=', '=/=']), body(D - 1), body(D - 1)}
    end.

body(0) -> pick(['$1', '$2', '$3', '$_', '$$', 1, a, 2.5, {const, ms_value()}, ms_value()]);
body(D) ->
    case r(12) of
        1 -> {pick(['+', '-', '*', '/', 'div', 'rem', 'band', 'bor', 'bxor']), body(D - 1), body(D - 1)};
        2 -> {pick([hd, tl, length, size, abs, round, trunc, float, byte_size, bit_size, map_size, 'bnot', '-', '+']),
            body(D - 1)};
        3 -> {element, pick([1, 2, body(D - 1)]), body(D - 1)};
        4 -> {list_to_tuple([body(D - 1) || _ <- lists:seq(1, r(3))])};
        5 -> [body(D - 1) || _ <- lists:seq(1, r(3))];
        6 -> [body(D - 1) | body(D - 1)];
        7 -> #{a => body(D - 1)};
        8 -> {pick([map_get, is_map_key]), body(D - 1), body(D - 1)};
        9 -> guard(D - 1);
        10 -> {pick([binary_part, is_record, self, node]), body(D - 1), 1};
        _ -> body(0)
    end.

%% --- texts with a grammar ------------------------------------------------------------------------------------
regex(0) -> pick(["a", "b", ".", "\\d", "\\w", "\\s", "[ab]", "[^a]", "[[:alpha:]]", "$", "^", "\\b", "é", "\\x61",
    "\\R", "\\h", "\\p{L}", "\\1", "(?i)", "\\A", "\\z", "\\K"]);
regex(D) ->
    case r(9) of
        0 -> [regex(D - 1), regex(D - 1)];
        1 -> [regex(D - 1), "|", regex(D - 1)];
        2 -> ["(", regex(D - 1), ")"];
        3 -> ["(?", pick([":", "=", "!", "<=", "<!", ">", "<n>", "i:", "P<n>"]), regex(D - 1), ")"];
        4 -> ["(?:", regex(D - 1), ")", pick(["*", "+", "?", "*?", "+?", "{2}", "{1,2}", "??", "?+", "++"])];
        5 -> ["(", regex(D - 1), ")", pick(["?", "\\1", "+"])];
        6 -> [regex(D - 1), regex(D - 1), regex(0)];
        7 -> case chance(10) of true -> pick(["(", ")", "[", "*", "\\", "(?<n"]); false -> regex(D - 1) end;
        _ -> regex(0)
    end.

control() ->
    ["~", pick(["", "", integer_to_list(r(40) - 10)]), pick(["", "", ".", "." ++ integer_to_list(r(20))]), pick(["",
        "", "", ".x", "..*"]),
     pick(["", "", "t", "l", "k", "tl"]), pick(["w", "p", "s", "c", "f", "e", "g", "b", "B", "x", "X", "+", "#", "W",
         "P", "i", "n", "~"])].

%% A format and what it asks for.
format_call() ->
    {Formats, Args} = lists:unzip([{F, case chance(4) of true -> [g(any)]; false -> A end} || _ <- lists:seq(1,
        1 + r(4)), {F, A} <- [part()]]),
    {call, io_lib, format, [lists:append(Formats), lists:append(Args)]}.

part() ->
    Width = pick(["", "", integer_to_list(r(30) - 10)]),
    Precision = pick(["", "", "", "." ++ integer_to_list(r(25))]),
    Base = pick(["", "", "." ++ integer_to_list(2 + r(35))]),
    Chars = pick(["t", "t", ""]),
    case r(16) of
        0 -> {"~" ++ Width ++ Base ++ pick(["b", "B", "#", "+"]), [g(int)]};
        1 -> {"~" ++ Width ++ Base ++ pick(["x", "X"]), [g(int), "p-"]};
        2 -> {"~" ++ Width ++ Precision ++ pick(["f", "e", "g"]), [g(float)]};
        3 -> {"~" ++ Width ++ Precision ++ Chars ++ "s", [g(pick([chardata, iodata, atom, str]))]};
        4 -> {"~" ++ Width ++ Chars ++ "c", [g(char)]};
        5 -> {"~" ++ pick(["*", "*.*"]) ++ "w", [g(cnt), g(cnt), g(leaf)]};
        6 -> {pick(["~n", "~~", "~2n", " | ", "text"]), []};
        7 -> {"~" ++ Chars ++ pick(["W", "P"]), [g(plain), r(12)]};
        8 -> {"~i", [g(leaf)]};
        9 -> {"~0" ++ Chars ++ "p", [g(plain)]};
        10 -> {"~" ++ Width ++ Precision ++ Chars ++ "w", [g(plain)]};
        _ -> {"~" ++ pick(["", "", Width]) ++ Chars ++ pick(["", "", "l"]) ++ "p", [g(plain)]}
    end.

source(0) -> pick(["1", "a", "X", "\"s\"", "'q a'", "$c", "$\\n", "1.5e3", "16#ff", "_", "<<>>", "1_000", "3#21",
    "\"\\x{3b1}\"", "% c\n", "é", "$", "\"", "'", "1.", "?M", "2#3"]);
source(D) -> case r(4) of 0 -> [source(D - 1), pick([" ", "", "\n"]), source(D - 1)]; 1 -> ["{", source(D - 1), "}"];
    2 -> [source(D - 1), pick(["->", "=:=", ",", "||", ":=", "=>", "..", "++"]), source(D - 1)]; _ -> source(D - 1) end.

%% Tags 73 to 76 are ERTS's own, for terms in its memory: it takes numbers after them for atoms and binaries of its own.
without_internal_tags(Bytes) -> << <<(case B of _ when B >= 73, B =< 76 -> 0; _ -> B end)>> || <<B>> <= Bytes >>.
