/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Searching binaries: binary:match, matches, split and compile_pattern.
 *
 * One needle is searched with Boyer and Moore's algorithm, several with Aho and Corasick's, which finds the leftmost
 * and of those the longest. compile_pattern keeps the tables in a magic reference: {bm, Ref} or {ac, Ref}.
 */
#include "gen/natives.h"
#include "vm/term/binary.h"

/* A node of the trie, with all its transitions filled in. */
typedef struct TrieNode {
    uint32_t next[256];
    uint32_t fall;  /* longest proper suffix of this node's text that is in the trie */
    uint32_t depth;
    uint32_t found; /* length of the longest needle that ends here; 0 none */
} TrieNode;

typedef struct Pattern {
    bool is_trie;
    size_t needle_size; /* one needle: text, and the tables of its shifts */
    uint8_t *needle;
    size_t *good_suffix; /* needle_size of them; NULL: the plain loop serves */
    size_t bad_byte[256];
    TrieNode *nodes;
    size_t node_count;
} Pattern;

static void pattern_free(Pattern *t)
{
    vm_free(t->needle);
    vm_free(t->good_suffix);
    vm_free(t->nodes);
    vm_free(t);
}

static void pattern_destroy(Magic *m)
{
    pattern_free(m->data);
}
static const MagicKind bm_kind = {"binary_bm", pattern_destroy};
static const MagicKind ac_kind = {"binary_ac", pattern_destroy};

/* --- one needle --------------------------------------------------------------------------------- */

/* suffix[i]: how many bytes before and including i equal the end of the needle. Linear: [g + 1, f] is the last stretch
 * found to equal the end, and what is known about the end is used inside it. */
static void find_suffixes(const uint8_t *x, size_t size, size_t *suffix)
{
    int64_t m = (int64_t)size, f = m - 1, g = m - 1;
    suffix[m - 1] = size;
    for (int64_t i = m - 2; i >= 0; i--) {
        if (i > g && (int64_t)suffix[i + m - 1 - f] < i - g) {
            suffix[i] = suffix[i + m - 1 - f];
            continue;
        }
        g = i < g ? i : g;
        f = i;
        while (g >= 0 && x[g] == x[g + m - 1 - f]) {
            g--;
        }
        suffix[i] = (size_t)(f - g);
    }
}

static void make_shifts(Pattern *t)
{
    size_t m = t->needle_size;
    size_t *suffix = vm_alloc(m * sizeof *suffix), *good = vm_alloc(m * sizeof *good);
    find_suffixes(t->needle, m, suffix);
    for (size_t i = 0; i < 256; i++) {
        t->bad_byte[i] = m;
    }
    for (size_t i = 0; i + 1 < m; i++) {
        t->bad_byte[t->needle[i]] = m - 1 - i;
    }
    for (size_t i = 0; i < m; i++) {
        good[i] = m;
    }
    /* A prefix that equals the end of the needle, longest first. */
    for (size_t i = m, j = 0; i-- > 0;) {
        if (suffix[i] == i + 1) {
            for (; j < m - 1 - i; j++) {
                if (good[j] == m) {
                    good[j] = m - 1 - i;
                }
            }
        }
    }
    for (size_t i = 0; i + 1 < m; i++) {
        good[m - 1 - suffix[i]] = m - 1 - i;
    }
    vm_free(suffix);
    t->good_suffix = good;
}

/* For one search of up to so many bytes the tables would cost more than they save. */
enum { PLAIN_SUBJECT_MAX = 2048 };

static Pattern *pattern_one(const uint8_t *s, size_t n, bool tables)
{
    Pattern *t = vm_calloc(sizeof *t);
    t->needle_size = n;
    t->needle = vm_alloc(n);
    memcpy(t->needle, s, n);
    if (tables && n > 1) {
        make_shifts(t);
    }
    return t;
}

static bool find_plain(const Pattern *t, const uint8_t *s, size_t from, size_t to, size_t *at)
{
    size_t m = t->needle_size;
    while (to - from >= m) {
        const uint8_t *hit = memchr(s + from, t->needle[0], to - from - m + 1);
        if (!hit) {
            return false;
        }
        if (memcmp(hit, t->needle, m) == 0) {
            *at = (size_t)(hit - s);
            return true;
        }
        from = (size_t)(hit - s) + 1;
    }
    return false;
}

static bool find_one(const Pattern *t, const uint8_t *s, size_t from, size_t to, size_t *at)
{
    size_t m = t->needle_size;
    const uint8_t *x = t->needle;
    if (!t->good_suffix) {
        return find_plain(t, s, from, to, at);
    }
    while (to - from >= m) {
        size_t i = m;
        while (i > 0 && x[i - 1] == s[from + i - 1]) {
            i--;
        }
        if (i == 0) {
            *at = from;
            return true;
        }
        size_t bad = t->bad_byte[s[from + i - 1]], back = m - i;
        size_t shift = bad > back ? bad - back : 1, good = t->good_suffix[i - 1];
        shift = good > shift ? good : shift;
        if (shift > to - from) {
            return false;
        }
        from += shift;
    }
    return false;
}

/* --- several needles ------------------------------------------------------------------------------ */

static uint32_t trie_node(Pattern *t, size_t *capacity, uint32_t depth)
{
    if (t->node_count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 16;
        t->nodes = vm_realloc(t->nodes, *capacity * sizeof *t->nodes);
    }
    TrieNode *n = &t->nodes[t->node_count];
    memset(n, 0, sizeof *n);
    n->depth = depth;
    return (uint32_t)t->node_count++;
}

static void trie_add(Pattern *t, size_t *capacity, const uint8_t *s, size_t n)
{
    uint32_t at = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t next = t->nodes[at].next[s[i]];
        if (next == 0) {
            next = trie_node(t, capacity, t->nodes[at].depth + 1);
            t->nodes[at].next[s[i]] = next;
        }
        at = next;
    }
    t->nodes[at].found = (uint32_t)n;
}

/* Breadth first: fall links, inherited needles, and the transitions that fall back. */
static void trie_finish(Pattern *t)
{
    uint32_t *queue = vm_alloc(t->node_count * sizeof *queue);
    size_t head = 0, tail = 0;
    queue[tail++] = 0;
    while (head < tail) {
        uint32_t at = queue[head++];
        TrieNode *n = &t->nodes[at];
        const TrieNode *fall = &t->nodes[n->fall];
        if (n->found == 0) {
            n->found = fall->found;
        }
        for (unsigned c = 0; c < 256; c++) {
            uint32_t next = n->next[c];
            if (next) {
                t->nodes[next].fall = at ? fall->next[c] : 0;
                queue[tail++] = next;
            } else if (at) {
                n->next[c] = fall->next[c];
            }
        }
    }
    vm_free(queue);
}

/* The leftmost, then longest, needle in [from, to). */
static bool find_any(const Pattern *t, const uint8_t *s, size_t from, size_t to, size_t *at, size_t *len)
{
    uint32_t node = 0;
    bool found = false;
    for (size_t i = from; i < to; i++) {
        node = t->nodes[node].next[s[i]];
        const TrieNode *n = &t->nodes[node];
        size_t earliest = i + 1 - n->depth;
        if (found && earliest > *at) {
            return true;
        }
        if (n->found) {
            size_t start = i + 1 - n->found;
            if (!found || start <= *at) {
                *at = start;
                *len = n->found;
                found = true;
            }
        }
    }
    return found;
}

/* --- patterns as terms ------------------------------------------------------------------------------ */

/* From a binary or a list of them, none empty; NULL for anything else. `tables`: the pattern will be used on much
 * text. */
static Pattern *pattern_make(Proc *p, Term t, bool tables)
{
    const uint8_t *s;
    size_t n, capacity = 0;
    if (is_cons(t) && is_nil(cons_tail(t))) {
        t = cons_head(t);
        if (is_cons(t)) {
            return NULL;
        }
    }
    if (is_bitstring(t)) {
        return binary_bytes(p, t, &s, &n) && n ? pattern_one(s, n, tables) : NULL;
    }
    if (!is_cons(t) || list_length(t) < 0) {
        return NULL;
    }
    Pattern *trie = vm_calloc(sizeof *trie);
    trie->is_trie = true;
    trie_node(trie, &capacity, 0);
    for (; is_cons(t); t = cons_tail(t)) {
        if (!binary_bytes(p, cons_head(t), &s, &n) || n == 0 || n > UINT32_MAX) {
            pattern_free(trie);
            return NULL;
        }
        trie_add(trie, &capacity, s, n);
    }
    trie_finish(trie);
    return trie;
}

/* A compiled pattern, borrowed; NULL when t is none. */
static Pattern *pattern_compiled(Term t)
{
    if (!is_tuple_arity(t, 2)) {
        return NULL;
    }
    Term tag = tuple_elements(t)[0];
    const MagicKind *kind = tag == A_bm ? &bm_kind : tag == A_ac ? &ac_kind : NULL;
    Magic *m = kind ? magic_of(tuple_elements(t)[1], kind) : NULL;
    return m ? m->data : NULL;
}

NATIVE(native_binary_compile_pattern)
{
    Pattern *t = pattern_make(p, a[0], true);
    if (!t) {
        return p_badarg(p);
    }
    Magic *m = magic_new(t->is_trie ? &ac_kind : &bm_kind, t);
    return heap_tuple2(p, t->is_trie ? A_ac : A_bm, heap_magic_ref(p, m));
}

/* --- one search -------------------------------------------------------------------------------------- */

typedef struct Search {
    Proc *p;
    Term subject;
    const uint8_t *s;
    size_t size;
    size_t from, to; /* scope */
    bool global, trim, trim_all;
    const Pattern *pattern;
    Pattern *own; /* to be freed */
} Search;

static bool read_scope(Search *x, Term t)
{
    if (!is_tuple_arity(t, 2) || !is_both_small(tuple_elements(t)[0], tuple_elements(t)[1])) {
        return false;
    }
    int64_t start = small_value(tuple_elements(t)[0]), n = small_value(tuple_elements(t)[1]);
    if (start < 0) {
        return false;
    }
    if (n < 0) {
        start += n;
        n = -n;
    }
    if (start < 0 || (uint64_t)start > x->size || (uint64_t)n > x->size - (uint64_t)start) {
        return false;
    }
    x->from = (size_t)start;
    x->to = (size_t)(start + n);
    return true;
}

static bool read_options(Search *x, Term list, bool split)
{
    if (!is_list(list)) {
        return false;
    }
    for (; is_cons(list); list = cons_tail(list)) {
        Term o = cons_head(list);
        if (is_tuple_arity(o, 2) && tuple_elements(o)[0] == A_scope) {
            if (!read_scope(x, tuple_elements(o)[1])) {
                return false;
            }
        } else if (split && o == A_global) {
            x->global = true;
        } else if (split && o == A_trim) {
            x->trim = true;
        } else if (split && o == A_trim_all) {
            x->trim = x->trim_all = true;
        } else {
            return false;
        }
    }
    return true;
}

/* Ready to search; false: badarg. */
static bool search_init(Search *x, Proc *p, Term *a, Term options, bool split)
{
    *x = (Search){.p = p, .subject = a[0]};
    if (!binary_bytes(p, a[0], &x->s, &x->size)) {
        return false;
    }
    x->to = x->size;
    if (!read_options(x, options, split)) {
        return false;
    }
    if (x->to == 0) { /* no pattern, however wrong, is looked at */
        return true;
    }
    x->pattern = pattern_compiled(a[1]);
    if (!x->pattern) {
        x->pattern = x->own = pattern_make(p, a[1], x->to - x->from > PLAIN_SUBJECT_MAX);
    }
    p_charge(p, (intptr_t)((x->to - x->from) / 64));
    return x->pattern != NULL;
}

/* Next match at or after x->from, which moves behind it. */
static bool search_next(Search *x, size_t *at, size_t *len)
{
    bool found;
    if (!x->pattern) {
        return false;
    }
    if (x->pattern->is_trie) {
        found = find_any(x->pattern, x->s, x->from, x->to, at, len);
    } else {
        *len = x->pattern->needle_size;
        found = find_one(x->pattern, x->s, x->from, x->to, at);
    }
    if (found) {
        x->from = *at + *len;
    }
    return found;
}

static void search_end(Search *x)
{
    if (x->own) {
        pattern_free(x->own);
    }
}

static Term make_range(Proc *p, size_t at, size_t len)
{
    return heap_tuple2(p, make_small((int64_t)at), make_small((int64_t)len));
}

static Term match_once(Proc *p, Term *a, Term options)
{
    Search x;
    size_t at, len;
    if (!search_init(&x, p, a, options, false)) {
        return p_badarg(p);
    }
    Term result = search_next(&x, &at, &len) ? make_range(p, at, len) : A_nomatch;
    search_end(&x);
    return result;
}

static Term match_all(Proc *p, Term *a, Term options)
{
    Search x;
    ListTail list = {NIL, NULL};
    size_t at, len;
    if (!search_init(&x, p, a, options, false)) {
        return p_badarg(p);
    }
    while (search_next(&x, &at, &len)) {
        heap_append(p, &list, make_range(p, at, len));
    }
    search_end(&x);
    return list.first;
}

/* Parts between matches. `trim` leaves out empty parts at the end, so an empty part waits until another follows. */
static Term split(Proc *p, Term *a, Term options)
{
    Search x;
    ListTail list = {NIL, NULL};
    size_t at, len, start = 0, waiting = 0;
    bool more = true;
    if (!search_init(&x, p, a, options, true)) {
        return p_badarg(p);
    }
    while (more) {
        size_t end = x.size, next = x.size;
        more = search_next(&x, &at, &len);
        if (more) {
            end = at;
            next = at + len;
        }
        if (end == start && x.trim) {
            waiting += !x.trim_all;
        } else {
            for (; waiting; waiting--) {
                heap_append(p, &list, binary_sub(p, x.subject, 0, 0));
            }
            heap_append(p, &list, binary_sub(p, x.subject, start * 8, (end - start) * 8));
        }
        start = next;
        if (!x.global) {
            x.from = x.to; /* only the first match counts */
        }
    }
    search_end(&x);
    return list.first;
}

NATIVE(native_binary_match_2) { return match_once(p, a, NIL); }
NATIVE(native_binary_match_3) { return match_once(p, a, a[2]); }
NATIVE(native_binary_matches_2) { return match_all(p, a, NIL); }
NATIVE(native_binary_matches_3) { return match_all(p, a, a[2]); }
NATIVE(native_binary_split_2) { return split(p, a, NIL); }
NATIVE(native_binary_split_3) { return split(p, a, a[2]); }
