/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Module re: compile, run, inspect, over PCRE2. As in OTP, what a native cannot do alone (the option `global`,
 * character lists in unicode mode) goes to Erlang code in re.erl by a trap: grun/3, urun/3, ucompile/2.
 */
#include "vm/bif/bif_re.h"
#include "gen/natives.h"
#include "vm/load/code.h"
#include "vm/term/binary.h"
#include "vm/term/unicode.h"

enum { DEFAULT_LIMIT = 10000000 };
typedef enum { CAPTURE_ALL, CAPTURE_ALL_BUT_FIRST, CAPTURE_ALL_NAMES, CAPTURE_FIRST, CAPTURE_NONE,
               CAPTURE_LIST } CaptureWhat;
typedef enum { AS_INDEX, AS_LIST, AS_BINARY } CaptureType;

typedef struct ReOptions {
    ReFlags flags;
    bool newline_given, bsr_given;
    bool compile_only; /* an option that has no meaning for a compiled pattern */
    bool run_only;     /* an option that compile does not know */
    uint32_t match;    /* PCRE2_ match options */
    bool global, report_errors;
    size_t offset;
    uint32_t match_limit, depth_limit;
    CaptureWhat what;
    CaptureType type;
    Term list; /* of CAPTURE_LIST */
} ReOptions;

/* --- options -------------------------------------------------------------------------------------- */

static bool newline_option(ReOptions *o, Term t)
{
    o->flags.newline = t == A_cr        ? PCRE2_NEWLINE_CR
                       : t == A_lf      ? PCRE2_NEWLINE_LF
                       : t == A_crlf    ? PCRE2_NEWLINE_CRLF
                       : t == A_anycrlf ? PCRE2_NEWLINE_ANYCRLF
                       : t == A_any     ? PCRE2_NEWLINE_ANY
                                        : 0;
    o->newline_given = true;
    return o->flags.newline != 0;
}

static bool capture_what(ReOptions *o, Term t)
{
    if (is_cons(t)) {
        o->what = CAPTURE_LIST;
        o->list = t;
        return list_length(t) >= 0;
    }
    if (t == A_all) {
        o->what = CAPTURE_ALL;
    } else if (t == A_all_but_first) {
        o->what = CAPTURE_ALL_BUT_FIRST;
    } else if (t == A_all_names) {
        o->what = CAPTURE_ALL_NAMES;
    } else if (t == A_first) {
        o->what = CAPTURE_FIRST;
    } else if (t == A_none || is_nil(t)) {
        o->what = CAPTURE_NONE;
    } else {
        return false;
    }
    return true;
}

static bool capture_type(ReOptions *o, Term t)
{
    if (t == A_index) {
        o->type = AS_INDEX;
    } else if (t == A_list) {
        o->type = AS_LIST;
    } else if (t == A_binary) {
        o->type = AS_BINARY;
    } else {
        return false;
    }
    return true;
}

static bool limit_option(Term t, uint32_t *limit)
{
    if (!is_small(t) || small_value(t) < 0) {
        return false;
    }
    *limit = small_value(t) > UINT32_MAX ? UINT32_MAX : (uint32_t)small_value(t);
    return true;
}

static bool tuple_option(ReOptions *o, Term t)
{
    const Term *e = tuple_elements(t);
    if (tuple_arity(t) == 3 && e[0] == A_capture) {
        o->run_only = true;
        return capture_what(o, e[1]) && capture_type(o, e[2]);
    }
    if (tuple_arity(t) != 2) {
        return false;
    }
    if (e[0] == A_newline) {
        return newline_option(o, e[1]);
    }
    o->run_only = true;
    if (e[0] == A_capture) {
        o->type = AS_INDEX;
        return capture_what(o, e[1]);
    }
    if (e[0] == A_offset) {
        o->offset = is_small(e[1]) ? (size_t)small_value(e[1]) : SIZE_MAX;
        return is_small(e[1]) && small_value(e[1]) >= 0;
    }
    if (e[0] == A_match_limit) {
        return limit_option(e[1], &o->match_limit);
    }
    return e[0] == A_match_limit_recursion && limit_option(e[1], &o->depth_limit);
}

static bool atom_option(ReOptions *o, Term t)
{
    static const struct {
        Term name;
        uint32_t option;
    } compile_options[] = {
        {A_unicode, PCRE2_UTF},           {A_caseless, PCRE2_CASELESS},
        {A_dollar_endonly, PCRE2_DOLLAR_ENDONLY}, {A_dotall, PCRE2_DOTALL},
        {A_extended, PCRE2_EXTENDED},     {A_firstline, PCRE2_FIRSTLINE},
        {A_multiline, PCRE2_MULTILINE},   {A_no_auto_capture, PCRE2_NO_AUTO_CAPTURE},
        {A_dupnames, PCRE2_DUPNAMES},     {A_ungreedy, PCRE2_UNGREEDY},
        {A_no_start_optimize, PCRE2_NO_START_OPTIMIZE}, {A_ucp, PCRE2_UCP},
        {A_never_utf, PCRE2_NEVER_UTF},
    }, run_options[] = {
        {A_notbol, PCRE2_NOTBOL},         {A_noteol, PCRE2_NOTEOL},
        {A_notempty, PCRE2_NOTEMPTY},     {A_notempty_atstart, PCRE2_NOTEMPTY_ATSTART},
    };
    for (size_t i = 0; i < sizeof compile_options / sizeof compile_options[0]; i++) {
        if (compile_options[i].name == t) {
            o->flags.options |= compile_options[i].option;
            o->compile_only = true;
            return true;
        }
    }
    if (t == A_anchored) {
        o->flags.options |= PCRE2_ANCHORED;
        o->match |= PCRE2_ANCHORED;
        return true;
    }
    if (t == A_bsr_anycrlf || t == A_bsr_unicode) {
        o->flags.bsr = t == A_bsr_anycrlf ? PCRE2_BSR_ANYCRLF : PCRE2_BSR_UNICODE;
        o->bsr_given = true;
        return true;
    }
    o->run_only = true;
    for (size_t i = 0; i < sizeof run_options / sizeof run_options[0]; i++) {
        if (run_options[i].name == t) {
            o->match |= run_options[i].option;
            return true;
        }
    }
    o->global |= t == A_global;
    o->report_errors |= t == A_report_errors;
    return t == A_global || t == A_report_errors;
}

static bool parse_options(Term list, ReOptions *o)
{
    *o = (ReOptions){.flags = {0, PCRE2_NEWLINE_LF, PCRE2_BSR_UNICODE},
                     .match_limit = DEFAULT_LIMIT, .depth_limit = DEFAULT_LIMIT};
    for (; is_cons(list); list = cons_tail(list)) {
        Term t = cons_head(list);
        if (is_tuple(t) ? !tuple_option(o, t) : !atom_option(o, t)) {
            return false;
        }
    }
    return is_nil(list);
}

/* --- compile ----------------------------------------------------------------------------------------- */

/* {re_pattern, Captures, IsUnicode, UsesCrlf, Key} */
static Term make_pattern(Proc *p, const ReProgram *r, const ReFlags *f)
{
    uint32_t captures = 0, newline = f->newline;
    pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &captures);
    pcre2_pattern_info(r->code, PCRE2_INFO_NEWLINE, &newline);
    bool crlf = newline == PCRE2_NEWLINE_CRLF || newline == PCRE2_NEWLINE_ANY || newline == PCRE2_NEWLINE_ANYCRLF;
    Term e[5] = {A_re_pattern, make_small(captures), make_small(f->options & PCRE2_UTF ? 1 : 0),
                 make_small(crlf), binary_from_bytes(p, r->key, r->key_size)};
    return heap_tuple(p, 5, e);
}

/* {Text, Offset} */
static Term compile_error(Proc *p, int code, size_t offset)
{
    const char *text = re_error_text(code);
    return heap_tuple2(p, heap_string(p, (const uint8_t *)text, strlen(text)), heap_uint64(p, offset));
}

/* The program for a pattern given as iodata. False: not iodata. NULL in *r: *error is {Text, Offset}. */
static bool compile_text(Proc *p, Term re, const ReFlags *f, ReProgram **r, Term *error)
{
    size_t n, offset;
    int code;
    uint8_t *text = iolist_to_memory(re, &n);
    if (!text) {
        return false;
    }
    const uint8_t *end = memchr(text, 0, n); /* OTP gives patterns to PCRE as C strings */
    n = end ? (size_t)(end - text) : n;
    uint8_t *key = re_key_make(f, text, n);
    vm_free(text);
    *r = re_program(key, RE_KEY_HEADER + n, &code, &offset);
    vm_free(key);
    if (!*r) {
        *error = compile_error(p, code, offset);
    }
    return true;
}

static Term compile(Proc *p, Term re, Term options, bool has_options)
{
    ReOptions o;
    ReProgram *r;
    Term error;
    if (!parse_options(options, &o) || o.run_only) {
        return has_options ? p_badarg_cause(p, A_badopt) : p_badarg(p);
    }
    if ((o.flags.options & PCRE2_UTF) && !is_bitstring(re)) {
        Term args[2] = {re, options};
        return p_trap(p, export_put(A_re, A_ucompile, 2), 2, args);
    }
    if (!compile_text(p, re, &o.flags, &r, &error)) {
        return p_badarg(p);
    }
    if (!r) {
        return heap_tuple2(p, A_error, error);
    }
    Term pattern = make_pattern(p, r, &o.flags);
    re_program_release(r);
    return heap_tuple2(p, A_ok, pattern);
}

NATIVE(native_re_version)
{
    (void)a;
    return binary_from_cstr(p, re_version());
}
NATIVE(native_re_compile_1) { return compile(p, a[0], NIL, false); }
NATIVE(native_re_compile_2) { return compile(p, a[0], a[1], true); }

/* --- compiled patterns as terms -------------------------------------------------------------------------- */

static bool is_pattern(Term t)
{
    return is_tuple_arity(t, 5) && tuple_elements(t)[0] == A_re_pattern;
}

/* The program of a {re_pattern, ...}, retained, and its flags; with `o`, as changed by the newline and bsr options
 * given there. NULL when the term is none of ours. */
static ReProgram *pattern_program(Proc *p, Term t, const ReOptions *o, ReFlags *f)
{
    const uint8_t *key;
    size_t size, offset;
    int code;
    if (!is_bitstring(tuple_elements(t)[4]) || !binary_bytes(p, tuple_elements(t)[4], &key, &size) ||
        !re_key_flags(key, size, f)) {
        return NULL;
    }
    if (!o || (!(o->newline_given && o->flags.newline != f->newline) &&
               !(o->bsr_given && o->flags.bsr != f->bsr))) {
        return re_program(key, size, &code, &offset);
    }
    f->newline = o->newline_given ? o->flags.newline : f->newline;
    f->bsr = o->bsr_given ? o->flags.bsr : f->bsr;
    uint8_t *changed = re_key_make(f, key + RE_KEY_HEADER, size - RE_KEY_HEADER);
    ReProgram *r = re_program(changed, size, &code, &offset);
    vm_free(changed);
    return r;
}

/* The names of a program, sorted: entry i is two bytes of group number, then the name. */
typedef struct ReNames {
    uint32_t count, entry_size;
    const uint8_t *table;
    bool unique; /* option dupnames: entries with one name are one (for (?J) in the pattern OTP keeps them apart) */
} ReNames;
static ReNames names_of(const ReProgram *r)
{
    ReNames n = {0, 0, NULL, false};
    uint32_t options = 0;
    pcre2_pattern_info(r->code, PCRE2_INFO_ARGOPTIONS, &options);
    n.unique = options & PCRE2_DUPNAMES;
    pcre2_pattern_info(r->code, PCRE2_INFO_NAMECOUNT, &n.count);
    pcre2_pattern_info(r->code, PCRE2_INFO_NAMEENTRYSIZE, &n.entry_size);
    pcre2_pattern_info(r->code, PCRE2_INFO_NAMETABLE, &n.table);
    return n;
}
static const char *name_at(const ReNames *n, uint32_t i)
{
    return (const char *)n->table + (size_t)i * n->entry_size + 2;
}
static size_t name_group(const ReNames *n, uint32_t i)
{
    const uint8_t *e = n->table + (size_t)i * n->entry_size;
    return (size_t)e[0] << 8 | e[1];
}
static bool name_repeats(const ReNames *n, uint32_t i)
{
    return n->unique && i > 0 && strcmp(name_at(n, i), name_at(n, i - 1)) == 0;
}

NATIVE(native_re_inspect)
{
    ReFlags f;
    if (!is_pattern(a[0]) || a[1] != A_namelist) {
        return p_badarg(p);
    }
    ReProgram *r = pattern_program(p, a[0], NULL, &f);
    if (!r) {
        return p_badarg(p);
    }
    ReNames n = names_of(r);
    Term list = NIL;
    for (uint32_t i = n.count; i > 0; i--) {
        if (!name_repeats(&n, i - 1)) {
            list = heap_cons_on(p, binary_from_cstr(p, name_at(&n, i - 1)), list);
        }
    }
    re_program_release(r);
    return heap_tuple2(p, A_namelist, list);
}

/* --- captures --------------------------------------------------------------------------------------------- */

/* A successful match. */
typedef struct Match {
    Proc *p;
    const uint8_t *s; /* subject */
    Term subject;     /* as a binary term; NONVALUE when it was a list */
    const size_t *ovector;
    size_t count; /* groups set, and those before them */
    CaptureType type;
} Match;

static bool group_is_set(const Match *m, size_t group)
{
    return group < m->count && m->ovector[2 * group] != PCRE2_UNSET;
}

static Term capture_value(const Match *m, size_t group)
{
    size_t from = 0, size = 0;
    bool set = group_is_set(m, group);
    if (set) {
        from = m->ovector[2 * group];
        size_t to = m->ovector[2 * group + 1];
        size = to > from ? to - from : 0; /* \K in a lookahead can turn them round */
    }
    switch (m->type) {
    case AS_INDEX:
        return heap_tuple2(m->p, make_small(set ? (int64_t)from : -1), make_small((int64_t)size));
    case AS_LIST:
        return heap_string(m->p, m->s + from, size);
    default:
        return m->subject == NONVALUE ? binary_from_bytes(m->p, m->s + from, size)
                                      : binary_sub(m->p, m->subject, from * 8, size * 8);
    }
}

/* The group that a name means: with duplicate names the first that is set. SIZE_MAX: no such name. */
static size_t named_group(const Match *m, const ReNames *n, const char *name)
{
    size_t group = SIZE_MAX;
    for (uint32_t i = 0; i < n->count; i++) {
        if (strcmp(name_at(n, i), name) == 0) {
            group = name_group(n, i);
            if (group_is_set(m, group)) {
                break;
            }
        }
    }
    return group;
}

/* The group for one element of a capture list; false: not a number or name. */
static bool listed_group(const Match *m, const ReNames *n, Term t, size_t *group)
{
    size_t size;
    uint8_t *name;
    if (is_small(t)) {
        *group = small_value(t) < 0 ? SIZE_MAX : (size_t)small_value(t);
        return true;
    }
    if (is_atom(t)) {
        const uint8_t *text = atom_text(t, &size);
        *group = named_group(m, n, (const char *)text);
        return true;
    }
    name = iolist_to_memory(t, &size);
    if (!name) {
        return false;
    }
    *group = named_group(m, n, (const char *)name);
    vm_free(name);
    return true;
}

/* Names and numbers of a capture list are checked before matching, so that a bad one is badarg also without a match. */
static bool capture_list_is_valid(const ReOptions *o)
{
    size_t n;
    for (Term l = o->what == CAPTURE_LIST ? o->list : NIL; is_cons(l); l = cons_tail(l)) {
        Term t = cons_head(l);
        if (!is_small(t) && !is_atom(t) && ((!is_list(t) && !is_bitstring(t)) || iolist_size_of(t, &n) != IO_OK)) {
            return false;
        }
    }
    return true;
}

/* match, or {match, Captures} */
static Term match_result(const Match *m, const ReProgram *r, const ReOptions *o)
{
    ReNames names = names_of(r);
    ListTail list = {NIL, NULL};
    size_t group;
    switch (o->what) {
    case CAPTURE_NONE:
        return A_match;
    case CAPTURE_FIRST:
        heap_append(m->p, &list, capture_value(m, 0));
        break;
    case CAPTURE_ALL:
    case CAPTURE_ALL_BUT_FIRST:
        for (size_t i = o->what == CAPTURE_ALL ? 0 : 1; i < m->count; i++) {
            heap_append(m->p, &list, capture_value(m, i));
        }
        break;
    case CAPTURE_ALL_NAMES:
        for (uint32_t i = 0; i < names.count; i++) {
            if (!names.unique) {
                heap_append(m->p, &list, capture_value(m, name_group(&names, i)));
            } else if (!name_repeats(&names, i)) {
                heap_append(m->p, &list, capture_value(m, named_group(m, &names, name_at(&names, i))));
            }
        }
        break;
    case CAPTURE_LIST:
        for (Term l = o->list; is_cons(l); l = cons_tail(l)) {
            if (!listed_group(m, &names, cons_head(l), &group)) {
                return p_badarg(m->p);
            }
            heap_append(m->p, &list, capture_value(m, group));
        }
        break;
    }
    bool none = is_nil(list.first) && o->what != CAPTURE_ALL_BUT_FIRST;
    return none ? A_match : heap_tuple2(m->p, A_match, list.first);
}

/* --- run ------------------------------------------------------------------------------------------------------ */

/* The subject as bytes. */
typedef struct Subject {
    const uint8_t *s;
    size_t n;
    Term binary;    /* NONVALUE: given as a list */
    uint8_t *owned; /* to be freed */
} Subject;

static bool subject_open(Proc *p, Term t, Subject *x)
{
    *x = (Subject){.binary = NONVALUE};
    if (is_bitstring(t)) {
        x->binary = t;
        return binary_bytes(p, t, &x->s, &x->n);
    }
    x->owned = iolist_to_memory(t, &x->n);
    x->s = x->owned;
    return x->owned != NULL;
}

/* Valid UTF-8? With `first` false a global match goes on, in a subject that its first call has checked. */
static bool subject_is_utf8(const Subject *x, bool first)
{
    size_t chars, offset;
    Binary *b = NULL;
    if (x->binary != NONVALUE) {
        Term origin = binary_origin(x->binary, &offset);
        b = boxed_sub(origin) == SUB_REFC_BIN && (offset & 7) == 0 ? ((RefcBin *)boxed_ptr(origin))->bin : NULL;
    }
    if (!first && re_subject_is_known(b, x->s, x->n)) {
        return true;
    }
    if (utf8_valid_prefix(x->s, x->n, &chars) != x->n) {
        return false;
    }
    if (b && !first) {
        re_subject_remember(b, x->s, x->n);
    }
    return true;
}

static Term match_failure(Proc *p, const ReOptions *o, int rc)
{
    if (o->report_errors && (rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT ||
            rc == PCRE2_ERROR_HEAPLIMIT)) {
        return heap_tuple2(p, A_error, rc == PCRE2_ERROR_MATCHLIMIT ? A_match_limit : A_match_limit_recursion);
    }
    if (rc == PCRE2_ERROR_BADOFFSET || rc == PCRE2_ERROR_BADUTFOFFSET) {
        return p_badarg(p);
    }
    return A_nomatch;
}

static Term run_program(Proc *p, ReProgram *r, bool utf, const ReOptions *o, Term subject, bool first)
{
    Subject x;
    Term result;
    uint32_t all_options = 0;
    if (!subject_open(p, subject, &x)) {
        return p_badarg(p);
    }
    /* (*UTF) in the pattern counts as well. */
    pcre2_pattern_info(r->code, PCRE2_INFO_ALLOPTIONS, &all_options);
    utf = utf || all_options & PCRE2_UTF;
    if (o->offset > x.n || (utf && !subject_is_utf8(&x, first)) ||
        (utf && o->offset < x.n && (x.s[o->offset] & 0xc0) == 0x80)) {
        vm_free(x.owned);
        return p_badarg(p);
    }
    pcre2_match_data *data = re_program_take_data(r);
    pcre2_match_context *context = re_match_context(o->match_limit, o->depth_limit);
    int rc = pcre2_match(r->code, x.s, x.n, o->offset, o->match | PCRE2_NO_UTF_CHECK, data, context);
    pcre2_match_context_free(context);
    if (rc > 0) {
        Match m = {p, x.s, x.binary, pcre2_get_ovector_pointer(data), (size_t)rc, o->type};
        p_charge(p, (intptr_t)((m.ovector[1] - o->offset) / 64));
        result = match_result(&m, r, o);
    } else {
        p_charge(p, (intptr_t)((x.n - o->offset) / 64));
        result = match_failure(p, o, rc);
        if (!first && !(o->match & PCRE2_ANCHORED)) { /* the last step of a global match */
            re_subject_remember(NULL, NULL, 0);
        }
    }
    re_program_give_data(r, data);
    vm_free(x.owned);
    return result;
}

static Term trap_unicode(Proc *p, const Term *a, Term options)
{
    Term args[3] = {a[0], a[1], options};
    return p_trap(p, export_put(A_re, A_urun, 3), 3, args);
}

static Term trap_global(Proc *p, Term subject, Term pattern, Term options, Term original, bool clean)
{
    Term t = original == NONVALUE ? heap_tuple2(p, options, make_boolean(clean))
                                  : heap_tuple3(p, options, make_boolean(clean), original);
    Term args[3] = {subject, pattern, t};
    return p_trap(p, export_put(A_re, A_grun, 3), 3, args);
}

static Term run_text(Proc *p, Term *a, Term options, const ReOptions *o)
{
    ReProgram *r;
    Term error, result;
    bool utf = o->flags.options & PCRE2_UTF;
    if (!is_binary(a[1]) && !is_list(a[1])) {
        return p_badarg(p);
    }
    if (utf && (!is_bitstring(a[0]) || !is_bitstring(a[1]) || (o->type == AS_LIST && !o->global))) {
        return trap_unicode(p, a, options);
    }
    ReFlags f = o->flags;
    f.options &= ~(uint32_t)PCRE2_ANCHORED; /* it is among the match options too */
    if (!compile_text(p, a[1], &f, &r, &error)) {
        return p_badarg(p);
    }
    if (!r) {
        return o->report_errors ? heap_tuple2(p, A_error, heap_tuple2(p, A_compile, error)) : p_badarg(p);
    }
    if (o->global) {
        result = trap_global(p, a[0], make_pattern(p, r, &f), options, a[1], o->compile_only);
    } else {
        result = run_program(p, r, utf, o, a[0], true);
    }
    re_program_release(r);
    return result;
}

static Term run_pattern(Proc *p, Term *a, Term options, const ReOptions *o, bool first)
{
    ReFlags f;
    Term result;
    if (o->compile_only) {
        return p_badarg_cause(p, A_badopt);
    }
    ReProgram *r = pattern_program(p, a[1], o, &f);
    if (!r) {
        return p_badarg(p);
    }
    bool utf = f.options & PCRE2_UTF;
    if (utf && (!is_bitstring(a[0]) || (o->type == AS_LIST && !o->global))) {
        result = trap_unicode(p, a, options);
    } else if (o->global) {
        result = trap_global(p, a[0], a[1], options, NONVALUE, false);
    } else {
        result = run_program(p, r, utf, o, a[0], first);
    }
    re_program_release(r);
    return result;
}

static Term run(Proc *p, Term *a, Term options, bool first)
{
    ReOptions o;
    if (!parse_options(options, &o) || !capture_list_is_valid(&o)) {
        return p_badarg_cause(p, A_badopt);
    }
    return is_pattern(a[1]) ? run_pattern(p, a, options, &o, first) : run_text(p, a, options, &o);
}

NATIVE(native_re_run_2) { return run(p, a, NIL, true); }
NATIVE(native_re_run_3) { return run(p, a, a[2], true); }
/* One step of a global match; the last argument: is it the first? */
NATIVE(native_re_internal_run) { return run(p, a, a[2], false); }
