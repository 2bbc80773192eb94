/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the chunks beside the code into the loader's arrays: atoms, imports, exports, lambdas, strings, literals,
 * lines. Terms (literals, attributes, file names, large integers of the code) are built last, into one literal area
 * whose size is known by then.
 */
#include "vm/load/load_priv.h"
#include "vm/term/atom.h"
#include "vm/term/etf.h"

enum { LITERALS_MAX = 64 << 20, MAX_ARITY = 255, ETF_VERSION = 131 };

/* A table of `count` rows that take at least `row_bytes` each in the rest of the chunk. */
static bool table_fits(Loader *ld, const Cursor *c, uint64_t count, size_t row_bytes)
{
    if (c->bad || count * row_bytes > cursor_left(c)) {
        return load_fail(ld, "a table is cut off");
    }
    return true;
}

bool tables_read_atoms(Loader *ld)
{
    bool utf8 = ld->file.chunk[CHUNK_ATOM_UTF8].at != NULL;
    Cursor c = ld->file.chunk[utf8 ? CHUNK_ATOM_UTF8 : CHUNK_ATOM];
    uint32_t count = cursor_u32(&c);
    if (!table_fits(ld, &c, count, 1)) {
        return false;
    }
    if (count == 0) {
        return load_fail(ld, "no module name");
    }
    ld->atoms = vm_calloc(((size_t)count + 1) * sizeof *ld->atoms);
    ld->atoms[0] = NIL;
    for (uint32_t i = 1; i <= count; i++) {
        size_t n = cursor_u8(&c);
        const uint8_t *text = cursor_bytes(&c, n);
        Term atom = !text ? NONVALUE : utf8 ? atom_put(text, n) : atom_put_latin1(text, n);
        if (atom == NONVALUE) {
            return load_fail(ld, "bad atom");
        }
        ld->atoms[i] = atom;
    }
    ld->atom_count = count;
    ld->name = ld->atoms[1];
    return true;
}

static bool table_atom(Loader *ld, uint32_t index, Term *atom)
{
    if (index == 0 || index > ld->atom_count) {
        return load_fail(ld, "no such atom");
    }
    *atom = ld->atoms[index];
    return true;
}

static bool read_imports(Loader *ld)
{
    Cursor c = ld->file.chunk[CHUNK_IMPORTS];
    if (!c.at) {
        return load_fail(ld, "no imports");
    }
    uint32_t count = cursor_u32(&c);
    if (!table_fits(ld, &c, count, 12)) {
        return false;
    }
    ld->imports = vm_calloc(((size_t)count + 1) * sizeof *ld->imports);
    for (uint32_t i = 0; i < count; i++) {
        Term m = NIL, f = NIL;
        if (!table_atom(ld, cursor_u32(&c), &m) || !table_atom(ld, cursor_u32(&c), &f)) {
            return false;
        }
        uint32_t arity = cursor_u32(&c);
        if (arity > MAX_ARITY) {
            return load_fail(ld, "arity of an import");
        }
        ld->imports[i] = export_put(m, f, arity);
    }
    ld->import_count = count;
    return true;
}

static bool read_exports(Loader *ld)
{
    Cursor c = ld->file.chunk[CHUNK_EXPORTS];
    if (!c.at) {
        return load_fail(ld, "no exports");
    }
    uint32_t count = cursor_u32(&c);
    if (!table_fits(ld, &c, count, 12)) {
        return false;
    }
    ld->exports = vm_calloc(((size_t)count + 1) * sizeof *ld->exports);
    for (uint32_t i = 0; i < count; i++) {
        LoadedExport *row = &ld->exports[i];
        if (!table_atom(ld, cursor_u32(&c), &row->function)) {
            return false;
        }
        row->arity = cursor_u32(&c);
        row->label = cursor_u32(&c);
    }
    ld->export_count = count;
    return true;
}

static bool read_funs(Loader *ld)
{
    Cursor c = ld->file.chunk[CHUNK_FUNS];
    uint32_t count = c.at ? cursor_u32(&c) : 0;
    if (!table_fits(ld, &c, count, 24)) {
        return false;
    }
    ld->funs = vm_calloc(((size_t)count + 1) * sizeof *ld->funs);
    for (uint32_t i = 0; i < count; i++) {
        LoadedFun *row = &ld->funs[i];
        if (!table_atom(ld, cursor_u32(&c), &row->name)) {
            return false;
        }
        row->arity = cursor_u32(&c);
        row->label = cursor_u32(&c);
        row->index = cursor_u32(&c);
        row->free_count = cursor_u32(&c);
        row->old_uniq = cursor_u32(&c);
        if (row->arity > MAX_ARITY || row->free_count > row->arity) {
            return load_fail(ld, "arity of a fun");
        }
    }
    ld->fun_count = count;
    return true;
}

static bool read_strings(Loader *ld)
{
    Cursor c = ld->file.chunk[CHUNK_STRINGS];
    ld->string_size = c.at ? cursor_left(&c) : 0;
    ld->strings = vm_alloc(ld->string_size + 1);
    if (ld->string_size) {
        memcpy(ld->strings, c.at, ld->string_size);
    }
    return true;
}

/* --- lines: a row for each location, in the same compact form as operands (only u, i and a occur) ------ */
static bool line_value(Loader *ld, Cursor *c, unsigned *tag, uint32_t *value)
{
    uint8_t first = cursor_u8(c);
    *tag = first & 7;
    if (!(first & 8)) {
        *value = first >> 4;
    } else if (!(first & 16)) {
        *value = (uint32_t)(first >> 5) << 8 | cursor_u8(c);
    } else {
        size_t n = (first >> 5) + 2;
        const uint8_t *bytes = cursor_bytes(c, n);
        if (!bytes || n > 4) {
            return load_fail(ld, "line number");
        }
        *value = 0;
        for (size_t i = 0; i < n; i++) {
            *value = *value << 8 | bytes[i];
        }
    }
    return c->bad ? load_fail(ld, "line table is cut off") : true;
}

static bool read_line_items(Loader *ld, Cursor *c, uint32_t count, uint32_t file_count)
{
    enum { LINE_TAG = 1, FILE_TAG = 2 };
    uint32_t file = 0;
    for (uint32_t i = 1; i <= count; i++) {
        unsigned tag;
        uint32_t value;
        if (!line_value(ld, c, &tag, &value)) {
            return false;
        }
        if (tag == FILE_TAG) {
            file = value;
            if (!line_value(ld, c, &tag, &value)) {
                return false;
            }
        }
        if (tag != LINE_TAG || file > file_count) {
            return load_fail(ld, "line table");
        }
        ld->line_items[i] = (LineItem){file, value};
    }
    return true;
}

static bool read_lines(Loader *ld)
{
    Cursor c = ld->file.chunk[CHUNK_LINES];
    uint32_t count = 0, file_count = 0;
    if (c.at) {
        cursor_bytes(&c, 12); /* version, flags, number of line instructions */
        count = cursor_u32(&c);
        file_count = cursor_u32(&c);
        if (!table_fits(ld, &c, count, 1) || !table_fits(ld, &c, file_count, 2)) {
            return false;
        }
    }
    ld->line_items = vm_calloc(((size_t)count + 1) * sizeof *ld->line_items);
    ld->file_names = vm_calloc(((size_t)file_count + 1) * sizeof *ld->file_names);
    ld->files = vm_calloc(((size_t)file_count + 1) * sizeof *ld->files);
    if (!read_line_items(ld, &c, count, file_count)) {
        return false;
    }
    for (uint32_t i = 1; i <= file_count; i++) {
        ld->file_names[i] = c.at;
        if (!cursor_bytes(&c, cursor_u16(&c))) {
            return load_fail(ld, "file name is cut off");
        }
    }
    ld->line_item_count = count;
    ld->file_count = file_count + 1;
    return true;
}

/* --- literals ----------------------------------------------------------------------------------------- */
static bool read_literals(Loader *ld)
{
    Cursor c = ld->file.chunk[CHUNK_LITERALS];
    if (!c.at) {
        return true;
    }
    uint32_t size = cursor_u32(&c);
    if (c.bad || size > LITERALS_MAX) {
        return load_fail(ld, "literals");
    }
    if (size == 0) { /* stored as they are */
        ld->literal_size = cursor_left(&c);
        ld->literal_bytes = vm_alloc(ld->literal_size + 1);
        memcpy(ld->literal_bytes, c.at, ld->literal_size);
    } else {
        ld->literal_bytes = load_inflate(c.at, cursor_left(&c), size, 15, &ld->literal_size);
        if (!ld->literal_bytes || ld->literal_size != size) {
            return load_fail(ld, "compressed literals");
        }
    }
    Cursor all = {ld->literal_bytes, ld->literal_bytes + ld->literal_size, false};
    ld->literal_count = cursor_u32(&all);
    if (!table_fits(ld, &all, ld->literal_count, 5)) {
        return false;
    }
    ld->literals = vm_calloc(((size_t)ld->literal_count + 1) * sizeof *ld->literals);
    return true;
}

bool tables_read(Loader *ld)
{
    return read_imports(ld) && read_exports(ld) && read_funs(ld) && read_strings(ld) && read_lines(ld) &&
           read_literals(ld);
}

/* The external term at [at, at + n): adds its words. */
static bool external_words(Loader *ld, const uint8_t *at, size_t n, size_t *words)
{
    size_t w, used;
    if (n < 2 || at[0] != ETF_VERSION || !etf_decoded_words(at + 1, n - 1, 0, &w, &used)) {
        return load_fail(ld, "malformed literal");
    }
    *words += w;
    return true;
}

/* Calls add or build for every literal; `build` false: only adds up. */
static bool each_literal(Loader *ld, bool build, size_t *words)
{
    if (!ld->literal_count) {
        return true;
    }
    Cursor c = {ld->literal_bytes, ld->literal_bytes + ld->literal_size, false};
    cursor_u32(&c);
    for (uint32_t i = 0; i < ld->literal_count; i++) {
        size_t n = cursor_u32(&c);
        const uint8_t *at = cursor_bytes(&c, n);
        if (!at) {
            return load_fail(ld, "literals are cut off");
        }
        if (!build) {
            if (!external_words(ld, at, n, words)) {
                return false;
            }
            continue;
        }
        ld->literals[i] = etf_decode(at + 1, n - 1, 0, &ld->literal_hp, &ld->area->off_heap);
        if (ld->literals[i] == NONVALUE) {
            return load_fail(ld, "malformed literal");
        }
    }
    return true;
}

static bool info_chunk(Loader *ld, int chunk, bool build, size_t *words, Term *term)
{
    const Cursor *c = &ld->file.chunk[chunk];
    *term = NIL;
    if (!c->at || cursor_left(c) == 0) {
        return true;
    }
    if (!build) {
        return external_words(ld, c->at, cursor_left(c), words);
    }
    *term = etf_decode(c->at + 1, cursor_left(c) - 1, 0, &ld->literal_hp, &ld->area->off_heap);
    return *term != NONVALUE || load_fail(ld, "malformed attributes");
}

/* The file names as lists of characters; 0, and one without characters, is the module's own. Names are UTF-8 when that
 * is what they are. */
static size_t utf8_code_point(const uint8_t *s, size_t n, uint32_t *code)
{
    static const uint8_t lead_mask[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t size = s[0] < 0x80 ? 1 : (s[0] >> 5) == 6 ? 2 : (s[0] >> 4) == 14 ? 3 : (s[0] >> 3) == 30 ? 4 : 0;
    if (size == 0 || size > n) {
        *code = s[0];
        return 1;
    }
    *code = s[0] & lead_mask[size];
    for (size_t i = 1; i < size; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            *code = s[0];
            return 1;
        }
        *code = *code << 6 | (s[i] & 0x3f);
    }
    return size;
}

static Term build_chars(Term **hp, const uint8_t *s, size_t n, Term tail)
{
    Term list = NIL, *link = &list;
    for (size_t i = 0; i < n;) {
        uint32_t code;
        i += utf8_code_point(s + i, n - i, &code);
        Term *cell = *hp;
        *hp += 2;
        cell[0] = make_small(code);
        *link = make_list(cell);
        link = &cell[1];
    }
    *link = tail;
    return list;
}

static void build_files(Loader *ld)
{
    size_t n;
    const uint8_t *name = atom_text(ld->name, &n);
    Term ending = build_chars(&ld->literal_hp, (const uint8_t *)".erl", 4, NIL);
    ld->files[0] = build_chars(&ld->literal_hp, name, n, ending);
    for (uint32_t i = 1; i < ld->file_count; i++) {
        const uint8_t *at = ld->file_names[i];
        size_t size = (size_t)(at[0] << 8 | at[1]);
        ld->files[i] = size ? build_chars(&ld->literal_hp, at + 2, size, NIL) : ld->files[0];
    }
}

static size_t files_words(const Loader *ld)
{
    size_t n;
    atom_text(ld->name, &n);
    size_t words = (n + 4) * 2;
    for (uint32_t i = 1; i < ld->file_count; i++) {
        words += (size_t)(ld->file_names[i][0] << 8 | ld->file_names[i][1]) * 2;
    }
    return words;
}

bool tables_build_literals(Loader *ld)
{
    size_t words = ld->big_words + files_words(ld);
    if (!each_literal(ld, false, &words) ||
        !info_chunk(ld, CHUNK_ATTRIBUTES, false, &words, &ld->attributes) ||
        !info_chunk(ld, CHUNK_COMPILE_INFO, false, &words, &ld->compile_info)) {
        return false;
    }
    ld->area = literal_area_new(words);
    ld->literal_hp = ld->area->start;
    build_files(ld);
    return each_literal(ld, true, &words) &&
           info_chunk(ld, CHUNK_ATTRIBUTES, true, &words, &ld->attributes) &&
           info_chunk(ld, CHUNK_COMPILE_INFO, true, &words, &ld->compile_info);
}
