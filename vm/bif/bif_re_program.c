/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled regular expressions. The term that re:compile returns holds only the source of the pattern and its
 * options: it may be stored, sent, edited and given back, and whatever comes is compiled again, so a forged one can do
 * no harm. Compiled code is kept in a cache keyed by those bytes, shared by all processes, and counted while in use.
 *
 * Character classes are Latin-1's, as in OTP.
 */
#include "vm/bif/bif_re.h"
#include "vm/vm.h"

enum { CACHE_BUCKETS = 128, CACHE_MAX = 256, HEAP_LIMIT_KIB = 64 * 1024 };
enum { PARENTHESES_LIMIT = 798 }; /* OTP's PCRE takes so many; costs half a megabyte of stack */
static const uint8_t key_magic[4] = {'L', 'R', 'X', '1'};

/* All state of this file, under `lock`. Constant after the first use: context, tables, version. */
static struct ReState {
    uint32_t lock;
    pcre2_general_context *context;
    const uint8_t *tables;
    char version[64];
    uint64_t clock;
    size_t count;
    ReProgram *bucket[CACHE_BUCKETS];
    Binary *known; /* retained */
    const uint8_t *known_data;
    size_t known_size;
} re_state;

static void re_lock(void)
{
    while (__atomic_exchange_n(&re_state.lock, 1, __ATOMIC_ACQUIRE)) {
        /* held for a few dozen instructions */
    }
}
static void re_unlock(void)
{
    __atomic_store_n(&re_state.lock, 0, __ATOMIC_RELEASE);
}

static void *re_malloc(size_t n, void *data)
{
    (void)data;
    return vm_alloc(n);
}
static void re_free(void *mem, void *data)
{
    (void)data;
    vm_free(mem);
}

/* --- character tables: PCRE2's own layout ------------------------------------------------------------ */

enum { TABLE_LOWER = 0, TABLE_FLIP = 256, TABLE_CLASSES = 512, TABLE_TYPES = 512 + 320 };
enum { CLASS_UPPER = 96, CLASS_LOWER = 128, CLASS_WORD = 160, CLASS_GRAPH = 192, CLASS_PRINT = 224,
       CLASS_PUNCT = 256, CLASS_CNTRL = 288 };
enum { TYPE_LETTER = 0x02, TYPE_LOWER = 0x04, TYPE_WORD = 0x10 };

static void set_class(uint8_t *t, unsigned class, unsigned c)
{
    t[TABLE_CLASSES + class + c / 8] |= (uint8_t)(1u << (c & 7));
}

static void latin1_character(uint8_t *t, unsigned c)
{
    bool upper = c >= 192 && c <= 222 && c != 215;
    bool lower = (c >= 223 && c != 247) || c == 170 || c == 181 || c == 186;
    if (c < 160) {
        set_class(t, CLASS_CNTRL, c);
        return;
    }
    set_class(t, CLASS_PRINT, c);
    set_class(t, CLASS_GRAPH, c);
    if (!upper && !lower) {
        set_class(t, CLASS_PUNCT, c);
        return;
    }
    set_class(t, upper ? CLASS_UPPER : CLASS_LOWER, c);
    set_class(t, CLASS_WORD, c);
    t[TABLE_TYPES + c] = (uint8_t)(TYPE_LETTER | TYPE_WORD | (lower ? TYPE_LOWER : 0));
    if (upper) {
        t[TABLE_LOWER + c] = t[TABLE_FLIP + c] = (uint8_t)(c + 32);
        t[TABLE_FLIP + c + 32] = (uint8_t)c;
    }
}

static void re_init(void)
{
    if (__atomic_load_n(&re_state.context, __ATOMIC_ACQUIRE)) {
        return;
    }
    pcre2_general_context *context = pcre2_general_context_create(re_malloc, re_free, NULL);
    uint8_t *tables = (uint8_t *)(uintptr_t)pcre2_maketables(context);
    /* The platform's C library runs in the C locale: nothing above 127 is set yet. */
    for (unsigned c = 128; c < 256; c++) {
        latin1_character(tables, c);
    }
    re_lock();
    if (!re_state.context) {
        pcre2_config(PCRE2_CONFIG_VERSION, re_state.version);
        re_state.tables = tables;
        __atomic_store_n(&re_state.context, context, __ATOMIC_RELEASE);
    }
    re_unlock();
}

const char *re_version(void)
{
    re_init();
    return re_state.version;
}

/* --- keys ------------------------------------------------------------------------------------------ */

static void put32(uint8_t *to, uint32_t v)
{
    memcpy(to, &v, sizeof v);
}
static uint32_t get32(const uint8_t *from)
{
    uint32_t v;
    memcpy(&v, from, sizeof v);
    return v;
}

uint8_t *re_key_make(const ReFlags *f, const uint8_t *pattern, size_t n)
{
    uint8_t *key = vm_alloc(RE_KEY_HEADER + n);
    memcpy(key, key_magic, 4);
    put32(key + 4, f->options);
    put32(key + 8, f->newline);
    put32(key + 12, f->bsr);
    memcpy(key + RE_KEY_HEADER, pattern, n);
    return key;
}

bool re_key_flags(const uint8_t *key, size_t size, ReFlags *f)
{
    if (size < RE_KEY_HEADER || memcmp(key, key_magic, 4) != 0) {
        return false;
    }
    *f = (ReFlags){get32(key + 4), get32(key + 8), get32(key + 12)};
    return (f->options & ~RE_OPTIONS) == 0 && f->newline >= PCRE2_NEWLINE_CR &&
           f->newline <= PCRE2_NEWLINE_ANYCRLF && f->bsr >= PCRE2_BSR_UNICODE && f->bsr <= PCRE2_BSR_ANYCRLF;
}

/* --- where OTP's PCRE reports a fault: PCRE2 often names its start, where the older library names its end ----- */

static bool is_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

/* Offset of the parenthesis that closes the group open at `i`; n when there is none. */
static size_t closing_parenthesis(const uint8_t *s, size_t n, size_t i)
{
    size_t depth = 0;
    for (; i < n; i++) {
        if (s[i] == '\\') {
            i++;
        } else if (s[i] == '(') {
            depth++;
        } else if (s[i] == ')' && depth-- <= 1) {
            return i;
        }
    }
    return n;
}

/* Does the pattern end inside the options of "(?"? */
static bool ends_in_options(const uint8_t *s, size_t n)
{
    while (n > 0 && (s[n - 1] == '-' || strchr("imsxJUX", s[n - 1]))) {
        n--;
    }
    return n >= 2 && s[n - 1] == '?' && s[n - 2] == '(';
}

static size_t end_of_reference(const uint8_t *s, size_t n, size_t i)
{
    if (i + 1 < n && s[i] == '(' && is_word(s[i + 1])) {
        return closing_parenthesis(s, n, i) + 1;
    }
    while (i < n && (is_word(s[i]) || s[i] == '{' || s[i] == '-' || s[i] == '+')) {
        i++;
    }
    return i;
}

static void re_error_adjust(const uint8_t *s, size_t n, int *code, size_t *offset)
{
    enum { DUPLICATE = 143, NO_CLOSING = 114, NO_GROUP = 115, LOOKBEHIND = 125, NO_ESCAPE = 137, PROPERTY = 147,
           RANGE = 150, DEFINE = 154, NAME_EXPECTED = 162, DIGITS_MISSING = 178, HEX = 167, OPTION = 111,
           AFTER_NAME = 199 };
    size_t at = *offset;
    switch (*code) {
    case DUPLICATE:
    case NO_ESCAPE:
    case PROPERTY:
    case RANGE:
        *offset = at ? at - 1 : 0;
        break;
    case NO_CLOSING:
        if (at == n && ends_in_options(s, n)) {
            *code = OPTION;
        }
        break;
    case NO_GROUP:
        *offset = end_of_reference(s, n, at);
        break;
    case LOOKBEHIND:
        *offset = closing_parenthesis(s, n, at);
        break;
    case DEFINE:
        at = closing_parenthesis(s, n, at);
        *offset = at < n ? closing_parenthesis(s, n, at + 1) : n;
        break;
    case NAME_EXPECTED:
        if (at >= 2 && at <= n && s[at - 1] == '<' && s[at - 2] == '?') {
            *code = AFTER_NAME;
        }
        break;
    case DIGITS_MISSING:
        *code = at == n ? HEX : *code;
        break;
    default:
        break;
    }
}

/* --- compiling ----------------------------------------------------------------------------------------- */

static pcre2_code *compile_with(const ReFlags *f, uint32_t extra, const uint8_t *s, size_t n, int *code,
                                size_t *offset)
{
    pcre2_compile_context *c = pcre2_compile_context_create(re_state.context);
    pcre2_set_character_tables(c, re_state.tables);
    pcre2_set_newline(c, f->newline);
    pcre2_set_bsr(c, f->bsr);
    pcre2_set_parens_nest_limit(c, PARENTHESES_LIMIT);
    pcre2_set_compile_extra_options(c, PCRE2_EXTRA_ALLOW_LOOKAROUND_BSK | extra);
    uint32_t options = f->options;
    if ((options & (PCRE2_UTF | PCRE2_UCP)) == PCRE2_UTF && re_has_word_escape(s, n)) {
        /* What PCRE2 knows of the first byte then leaves out letters between 128 and 255: it looks at the wrong
         * class. */
        options |= PCRE2_NO_START_OPTIMIZE;
    }
    pcre2_code *re = pcre2_compile(s, n, options, code, offset, c);
    pcre2_compile_context_free(c);
    return re;
}

/* PCRE's older name for (*UTF), which OTP's patterns may use. */
static bool take_utf8_verb(const uint8_t **s, size_t *n)
{
    static const char verb[] = "(*UTF8)";
    if (*n < sizeof verb - 1 || memcmp(*s, verb, sizeof verb - 1) != 0) {
        return false;
    }
    *s += sizeof verb - 1;
    *n -= sizeof verb - 1;
    return true;
}

enum { ERROR_UNKNOWN_ESCAPE = 103 };

/* The PCRE in OTP takes \j and its like for the character itself. */
static pcre2_code *compile_lenient(const ReFlags *f, const uint8_t *s, size_t n, int *code, size_t *offset)
{
    pcre2_code *re = compile_with(f, 0, s, n, code, offset);
    if (!re && *code == ERROR_UNKNOWN_ESCAPE) {
        re = compile_with(f, PCRE2_EXTRA_BAD_ESCAPE_IS_LITERAL, s, n, code, offset);
    }
    return re;
}

static pcre2_code *compile(const ReFlags *flags, const uint8_t *s, size_t n, int *code, size_t *offset)
{
    ReFlags f = *flags;
    const uint8_t *whole = s;
    if (!(f.options & PCRE2_NEVER_UTF) && take_utf8_verb(&s, &n)) {
        f.options |= PCRE2_UTF;
    }
    pcre2_code *re = compile_lenient(&f, s, n, code, offset);
    if (!re && re_adapt_needed(*code)) {
        int other_code;
        size_t other_offset, size;
        uint8_t *adapted = re_adapt(s, n, *code, &size);
        re = compile_lenient(&f, adapted, size, &other_code, &other_offset);
        if (!re && other_code != *code) { /* that was not all */
            *code = other_code;
            *offset = other_offset < n ? other_offset : n;
        }
        vm_free(adapted);
    }
    if (!re) {
        re_error_adjust(s, n, code, offset);
        *offset += (size_t)(s - whole);
    }
    return re;
}

static void program_free(ReProgram *r)
{
    pcre2_match_data_free(r->spare);
    pcre2_code_free(r->code);
    vm_free(r->key);
    vm_free(r);
}

void re_program_release(ReProgram *r)
{
    if (__atomic_sub_fetch(&r->refc, 1, __ATOMIC_ACQ_REL) == 0) {
        program_free(r);
    }
}

static uint32_t key_hash(const uint8_t *key, size_t size)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < size; i++) {
        h = (h ^ key[i]) * 16777619u;
    }
    return h;
}

/* Under the lock. */
static ReProgram *cache_find(const uint8_t *key, size_t size, uint32_t hash)
{
    for (ReProgram *r = re_state.bucket[hash % CACHE_BUCKETS]; r; r = r->next) {
        if (r->hash == hash && r->key_size == size && memcmp(r->key, key, size) == 0) {
            r->used = ++re_state.clock;
            __atomic_add_fetch(&r->refc, 1, __ATOMIC_RELAXED);
            return r;
        }
    }
    return NULL;
}

/* Under the lock: takes the least recently used program out. */
static ReProgram *cache_evict(void)
{
    ReProgram **oldest = NULL;
    for (size_t i = 0; i < CACHE_BUCKETS; i++) {
        for (ReProgram **at = &re_state.bucket[i]; *at; at = &(*at)->next) {
            if (!oldest || (*at)->used < (*oldest)->used) {
                oldest = at;
            }
        }
    }
    ReProgram *r = *oldest;
    *oldest = r->next;
    re_state.count--;
    return r;
}

static void cache_put(ReProgram *r)
{
    ReProgram *out = NULL;
    re_lock();
    if (re_state.count >= CACHE_MAX) {
        out = cache_evict();
    }
    r->refc++;
    r->used = ++re_state.clock;
    r->next = re_state.bucket[r->hash % CACHE_BUCKETS];
    re_state.bucket[r->hash % CACHE_BUCKETS] = r;
    re_state.count++;
    re_unlock();
    if (out) {
        re_program_release(out);
    }
}

ReProgram *re_program(const uint8_t *key, size_t size, int *code, size_t *offset)
{
    ReFlags f;
    uint32_t hash = key_hash(key, size);
    re_init();
    re_lock();
    ReProgram *r = cache_find(key, size, hash);
    re_unlock();
    if (r) {
        return r;
    }
    *code = PCRE2_ERROR_BADDATA;
    *offset = 0;
    if (!re_key_flags(key, size, &f)) {
        return NULL;
    }
    pcre2_code *re = compile(&f, key + RE_KEY_HEADER, size - RE_KEY_HEADER, code, offset);
    if (!re) {
        return NULL;
    }
    r = vm_calloc(sizeof *r);
    r->refc = 1;
    r->code = re;
    r->hash = hash;
    r->key_size = size;
    r->key = vm_alloc(size);
    memcpy(r->key, key, size);
    cache_put(r);
    return r;
}

pcre2_match_data *re_program_take_data(ReProgram *r)
{
    pcre2_match_data *d = __atomic_exchange_n(&r->spare, NULL, __ATOMIC_ACQ_REL);
    return d ? d : pcre2_match_data_create_from_pattern(r->code, re_state.context);
}

void re_program_give_data(ReProgram *r, pcre2_match_data *d)
{
    d = __atomic_exchange_n(&r->spare, d, __ATOMIC_ACQ_REL);
    pcre2_match_data_free(d);
}

pcre2_match_context *re_match_context(uint32_t match_limit, uint32_t depth_limit)
{
    pcre2_match_context *c = pcre2_match_context_create(re_state.context);
    pcre2_set_match_limit(c, match_limit);
    pcre2_set_depth_limit(c, depth_limit);
    pcre2_set_heap_limit(c, HEAP_LIMIT_KIB);
    return c;
}

/* --- subjects ---------------------------------------------------------------------------------------------- */

bool re_subject_is_known(const Binary *b, const uint8_t *data, size_t size)
{
    re_lock();
    bool known = b && re_state.known == b && re_state.known_data == data && re_state.known_size == size;
    re_unlock();
    return known;
}

void re_subject_remember(Binary *b, const uint8_t *data, size_t size)
{
    if (b) {
        binary_retain(b);
    }
    re_lock();
    Binary *old = re_state.known;
    re_state.known = b;
    re_state.known_data = data;
    re_state.known_size = size;
    re_unlock();
    if (old) {
        binary_release(old);
    }
}

/* --- errors -------------------------------------------------------------------------------------------------- */

/* The texts that OTP's PCRE has for the same faults; PCRE2 words most of them anew. */
const char *re_error_text(int code)
{
    static const char *const text[] = {
        [1] = "\\ at end of pattern",
        [2] = "\\c at end of pattern",
        [3] = "unrecognized character follows \\",
        [4] = "numbers out of order in {} quantifier",
        [5] = "number too big in {} quantifier",
        [6] = "missing terminating ] for character class",
        [7] = "invalid escape sequence in character class",
        [8] = "range out of order in character class",
        [9] = "nothing to repeat",
        [11] = "unrecognized character after (? or (?-",
        [12] = "POSIX named classes are supported only within a class",
        [13] = "POSIX collating elements are not supported",
        [14] = "missing )",
        [15] = "reference to non-existent subpattern",
        [18] = "missing ) after comment",
        [19] = "regular expression is too complicated",
        [20] = "regular expression is too large",
        [21] = "failed to get memory",
        [22] = "unmatched parentheses",
        [24] = "malformed number or name after (?(",
        [25] = "lookbehind assertion is not fixed length",
        [26] = "a numbered reference must not be zero",
        [27] = "conditional group contains more than two branches",
        [28] = "assertion expected after (?(",
        [29] = "digit expected after (?+",
        [30] = "unknown POSIX class name",
        [33] = "parentheses are too deeply nested (stack check)",
        [34] = "character value in \\x{} or \\o{} is too large",
        [36] = "\\C not allowed in lookbehind assertion",
        [37] = "PCRE does not support \\L, \\l, \\N{name}, \\U, or \\u",
        [38] = "number after (?C is > 255",
        [39] = "closing ) for (?C expected",
        [41] = "unrecognized character after (?P",
        [42] = "syntax error in subpattern name (missing terminator)",
        [43] = "two named subpatterns have the same name",
        [44] = "group name must start with a non-digit",
        [46] = "malformed \\P or \\p sequence",
        [47] = "unknown property name after \\P or \\p",
        [48] = "subpattern name is too long (maximum 32 characters)",
        [49] = "too many named subpatterns (maximum 10000)",
        [50] = "invalid range in character class",
        [51] = "octal value is greater than \\377 in 8-bit non-UTF-8 mode",
        [54] = "DEFINE group contains more than one branch",
        [55] = "missing opening brace after \\o",
        [57] = "\\g is not followed by a braced, angle-bracketed, or quoted name/number or by a plain number",
        [58] = "(?R or (?[+-]digits must be followed by )",
        [60] = "(*VERB) not recognized or malformed",
        [61] = "number is too big",
        [62] = "subpattern name expected",
        [64] = "non-octal character in \\o{} (closing brace missing?)",
        [65] = "different names for subpatterns of the same number are not allowed",
        [66] = "(*MARK) must have an argument",
        [67] = "non-hex character in \\x{} (closing brace missing?)",
        [68] = "\\c must be followed by an ASCII character",
        [69] = "\\k is not followed by a braced, angle-bracketed, or quoted name",
        [71] = "\\N is not supported in a class",
        [73] = "disallowed Unicode code point (>= 0xd800 && <= 0xdfff)",
        [74] = "setting UTF is disabled by the application",
        [76] = "name is too long in (*MARK), (*PRUNE), (*SKIP), or (*THEN)",
        [77] = "character value in \\u.... sequence is too large",
        [78] = "digits missing in \\x{} or \\o{}",
        [84] = "parentheses are too deeply nested",
        [93] = "PCRE does not support \\L, \\l, \\N{name}, \\U, or \\u",
        [94] = "unrecognized character after (? or (?-",
        [95] = "(*VERB) not recognized or malformed",
        [99] = "unrecognized character after (?<",
    };
    if (code <= PCRE2_ERROR_UTF8_ERR1 && code >= PCRE2_ERROR_UTF8_ERR21) {
        return "invalid UTF-8 string";
    }
    size_t i = (size_t)(code - 100);
    return code >= 100 && i < sizeof text / sizeof text[0] && text[i] ? text[i]
                                                                       : "regular expression is not supported";
}
