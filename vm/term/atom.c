/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The atom table. Entries lie in chunks that never move, so that reading a name needs no lock; the hash index
 * is replaced by a larger one as the table grows. Insertions are serialised by a lock.
 */
#include "vm/term/atom.h"

#include "vm/heap/heap.h"
#include "vm/lock.h"
#include "vm/vm.h"

enum { CHUNK_SHIFT = 10, CHUNK_SIZE = 1 << CHUNK_SHIFT, TEXT_BLOCK = 32 * 1024 };

typedef struct AtomEntry {
    const uint8_t *text;
    uint32_t hash;
    uint16_t bytes;
    uint16_t chars;
} AtomEntry;

static struct {
    SpinLock lock;
    size_t count;  /* atomic */
    size_t limit;
    AtomEntry **chunks; /* limit / CHUNK_SIZE pointers */
    uint32_t *index;    /* open addressing; index + 1, 0 = empty */
    size_t index_size;  /* a power of two */
    uint8_t *text_block;
    size_t text_left;
} atoms;

static AtomEntry *atom_entry(uint32_t index)
{
    return &atoms.chunks[index >> CHUNK_SHIFT][index & (CHUNK_SIZE - 1)];
}

/* P. J. Weinberger's hash over the name's Latin-1 bytes (code points above 255: their UTF-8 bytes): the value that
 * OTP's phash and phash2 are defined with. */
static uint32_t atom_hash_text(const uint8_t *s, size_t n)
{
    uint32_t h = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = s[i];
        if (c >= 0x80 && i + 1 < n && (c & 0xfe) == 0xc2 && (s[i + 1] & 0xc0) == 0x80) {
            c = (uint8_t)(c << 6 | (s[++i] & 0x3f));
        }
        h = (h << 4) + c;
        uint32_t high = h & 0xf0000000u;
        h ^= high ^ high >> 24;
    }
    return h;
}

/* Length in characters of valid UTF-8 (no surrogates, no overlong forms); -1 when not valid. */
static int utf8_length(const uint8_t *s, size_t n)
{
    int chars = 0;
    for (size_t i = 0; i < n; chars++) {
        uint8_t c = s[i];
        size_t more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3
            : 4;
        if (more == 4 || i + more >= n) {
            return -1;
        }
        for (size_t k = 1; k <= more; k++) {
            if ((s[i + k] & 0xc0) != 0x80) {
                return -1;
            }
        }
        if ((c == 0xe0 && s[i + 1] < 0xa0) || (c == 0xed && s[i + 1] > 0x9f) || (c == 0xf0 && s[i + 1] < 0x90) ||
            (c == 0xf4 && s[i + 1] > 0x8f)) {
            return -1;
        }
        i += 1 + more;
    }
    return chars;
}

static size_t index_slot(const uint8_t *s, size_t n, uint32_t hash)
{
    size_t mask = atoms.index_size - 1;
    size_t i = (hash * 2654435761u) & mask;
    while (atoms.index[i]) {
        const AtomEntry *e = atom_entry(atoms.index[i] - 1);
        if (e->hash == hash && e->bytes == n && memcmp(e->text, s, n) == 0) {
            break;
        }
        i = (i + 1) & mask;
    }
    return i;
}

static void index_grow(void)
{
    uint32_t *old = atoms.index;
    size_t old_size = atoms.index_size;
    atoms.index_size = old_size * 2;
    atoms.index = vm_calloc(atoms.index_size * sizeof(uint32_t));
    for (size_t i = 0; i < old_size; i++) {
        if (old[i]) {
            const AtomEntry *e = atom_entry(old[i] - 1);
            atoms.index[index_slot(e->text, e->bytes, e->hash)] = old[i];
        }
    }
    vm_free(old);
}

static const uint8_t *text_store(const uint8_t *s, size_t n)
{
    if (atoms.text_left < n + 1) {
        atoms.text_block = vm_alloc(TEXT_BLOCK);
        atoms.text_left = TEXT_BLOCK;
    }
    uint8_t *to = atoms.text_block;
    memcpy(to, s, n);
    to[n] = 0;
    atoms.text_block += n + 1;
    atoms.text_left -= n + 1;
    return to;
}

/* lasting: the text stays where it is. */
static Term atom_insert(const uint8_t *s, size_t n, int chars, bool lasting)
{
    uint32_t hash = atom_hash_text(s, n);
    size_t slot = index_slot(s, n, hash);
    if (atoms.index[slot]) {
        return make_atom(atoms.index[slot] - 1);
    }
    if (atoms.count >= atoms.limit) {
        vm_panic("no more index entries in atom_tab (max=%zu); raise it with +t", atoms.limit);
    }
    uint32_t ix = (uint32_t)atoms.count;
    if (!atoms.chunks[ix >> CHUNK_SHIFT]) {
        atoms.chunks[ix >> CHUNK_SHIFT] = vm_calloc(CHUNK_SIZE * sizeof(AtomEntry));
    }
    *atom_entry(ix) = (AtomEntry){
        .text = lasting ? s : text_store(s, n), .hash = hash, .bytes = (uint16_t)n, .chars = (uint16_t)chars};
    atoms.index[slot] = ix + 1;
    __atomic_store_n(&atoms.count, atoms.count + 1, __ATOMIC_RELEASE);
    if (atoms.count * 2 > atoms.index_size) {
        index_grow();
    }
    return make_atom(ix);
}

void atom_init(size_t limit)
{
    atoms.limit = limit < 8192 ? 8192 : limit;
    atoms.chunks = vm_calloc((atoms.limit / CHUNK_SIZE + 1) * sizeof(AtomEntry *));
    atoms.index_size = 32768;
    atoms.index = vm_calloc(atoms.index_size * sizeof(uint32_t));
    for (size_t i = 0; i < WELL_KNOWN_ATOM_COUNT; i++) {
        const char *name = well_known_atoms[i];
        size_t n = strlen(name); /* all of them are ASCII */
        Term t = atom_insert((const uint8_t *)name, n, (int)n, true);
        if (atom_index(t) != i) {
            vm_panic("atoms.tab: '%s' stands twice", name);
        }
    }
}

Term atom_put(const uint8_t *utf8, size_t bytes)
{
    int chars = bytes > ATOM_MAX_BYTES ? -1 : utf8_length(utf8, bytes);
    if (chars < 0 || chars > ATOM_MAX_CHARS) {
        return NONVALUE;
    }
    spin_lock(&atoms.lock);
    Term t = atom_insert(utf8, bytes, chars, false);
    spin_unlock(&atoms.lock);
    return t;
}

Term atom_put_cstr(const char *name)
{
    return atom_put((const uint8_t *)name, strlen(name));
}

Term atom_put_latin1(const uint8_t *bytes, size_t n)
{
    uint8_t utf8[ATOM_MAX_CHARS * 2];
    size_t used = 0;
    if (n > ATOM_MAX_CHARS) {
        return NONVALUE;
    }
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] < 0x80) {
            utf8[used++] = bytes[i];
        } else {
            utf8[used++] = (uint8_t)(0xc0 | bytes[i] >> 6);
            utf8[used++] = (uint8_t)(0x80 | (bytes[i] & 0x3f));
        }
    }
    return atom_put(utf8, used);
}

Term atom_find(const uint8_t *utf8, size_t bytes)
{
    if (bytes > ATOM_MAX_BYTES) {
        return NONVALUE;
    }
    spin_lock(&atoms.lock);
    uint32_t found = atoms.index[index_slot(utf8, bytes, atom_hash_text(utf8, bytes))];
    spin_unlock(&atoms.lock);
    return found ? make_atom(found - 1) : NONVALUE;
}

const uint8_t *atom_text(Term atom, size_t *bytes)
{
    const AtomEntry *e = atom_entry(atom_index(atom));
    *bytes = e->bytes;
    return e->text;
}

bool atom_is_latin1(Term atom)
{
    const AtomEntry *e = atom_entry(atom_index(atom));
    if (e->bytes == e->chars) {
        return true;
    }
    for (size_t i = 0; i < e->bytes; i++) {
        if (e->text[i] > 0xc3) {
            return false;
        }
    }
    return true;
}

size_t atom_char_count(Term atom)
{
    return atom_entry(atom_index(atom))->chars;
}

uint32_t atom_hash(Term atom)
{
    return atom_entry(atom_index(atom))->hash;
}

int atom_compare(Term a, Term b)
{
    const AtomEntry *x = atom_entry(atom_index(a)), *y = atom_entry(atom_index(b));
    size_t n = x->bytes < y->bytes ? x->bytes : y->bytes;
    int c = memcmp(x->text, y->text, n); /* UTF-8 order is code point order */
    return c ? (c < 0 ? -1 : 1) : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

size_t atom_count(void)
{
    return __atomic_load_n(&atoms.count, __ATOMIC_ACQUIRE);
}

size_t atom_limit(void)
{
    return atoms.limit;
}
