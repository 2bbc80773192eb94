/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a module: chunks to tables, code to words, words to an instance (prepare, nothing visible); then publishing
 * it (finish, cannot fail). Between the two the instance belongs to the Prepared.
 *
 * Comes from: bif_code.c, vm.c. Goes to: beam_file.c, tables.c, decode.c, specialise.c, in this order, then link.c.
 */
#include "lib/fmt.h"
#include "vm/load/link.h"
#include "vm/load/verify.h"
#include "vm/term/atom.h"

static struct Loads {
    char why[320]; /* why the last load failed: for reports */
} loads;

const char *load_why(void)
{
    return loads.why;
}

/* "m: f/1: instruction 7, move: why" as far as it is known. */
static void describe_failure(const Loader *ld)
{
    const LoadPlace *place = &ld->place;
    size_t n;
    int used = 0;
    if (ld->atoms && ld->name) {
        const char *name = (const char *)atom_text(ld->name, &n);
        used = fmt_buf(loads.why, sizeof loads.why, "%.*s: ", (int)n, name);
    }
    if (ld->atoms && place->function) {
        const char *name = (const char *)atom_text(place->function, &n);
        used += fmt_buf(loads.why + used, sizeof loads.why - (size_t)used, "%.*s/%u: instruction %u, %s: ",
                        (int)(n < 100 ? n : 100), name, place->arity, place->index, generic_ops[place->generic].name);
    }
    fmt_buf(loads.why + used, sizeof loads.why - (size_t)used, "%s",
            ld->why ? ld->why : "not a .beam file, or of another module");
}

bool load_fail(Loader *ld, const char *why)
{
    if (!ld->why) {
        ld->why = why;
    }
    return false;
}

static void loader_free(Loader *ld)
{
    beam_file_close(&ld->file);
    vm_free(ld->atoms);
    vm_free(ld->imports);
    vm_free(ld->exports);
    vm_free(ld->funs);
    vm_free(ld->strings);
    vm_free(ld->literal_bytes);
    vm_free(ld->literals);
    vm_free(ld->line_items);
    vm_free(ld->file_names);
    vm_free(ld->files);
    vm_free(ld->labels);
    vm_free(ld->code.at);
    vm_free(ld->label_fixups.at);
    vm_free(ld->fun_fixups.at);
    vm_free(ld->frames.at);
    vm_free(ld->lines.at);
    vm_free(ld->functions.at);
    vm_free(ld->calls.at);
    vm_free(ld->unreached.at);
    vm_free(ld->kept.at);
    vm_free(ld->kept_operands.at);
    vm_free(ld->later.at);
    verify_free(ld->verifier);
    if (ld->area) {
        literal_area_free(ld->area);
    }
}

/* Labels that the code refers to are bound; calls reach entries of the right arity; so do exports and lambdas. */
static bool is_entry(const Loader *ld, uint32_t label, uint32_t arity)
{
    return label < ld->label_count && ld->labels[label].offset != LABEL_UNBOUND &&
           ld->labels[label].arity == (int16_t)arity;
}

static bool check_references(Loader *ld)
{
    for (size_t i = 0; i < ld->label_fixups.count; i++) {
        const Label *l = &ld->labels[ld->code.at[ld->label_fixups.at[i]]];
        if (l->offset == LABEL_UNBOUND || l->skipped) {
            return load_fail(ld, "label is not bound");
        }
    }
    for (size_t i = 0; i < ld->calls.count; i++) {
        if (!is_entry(ld, ld->calls.at[i].label, ld->calls.at[i].arity)) {
            return load_fail(ld, "call to something else than a function of that arity");
        }
    }
    for (uint32_t i = 0; i < ld->export_count; i++) {
        if (ld->exports[i].arity > 255 || !is_entry(ld, ld->exports[i].label, ld->exports[i].arity)) {
            return load_fail(ld, "export of something else than a function");
        }
    }
    for (uint32_t i = 0; i < ld->fun_count; i++) {
        if (!is_entry(ld, ld->funs[i].label, ld->funs[i].arity)) {
            return load_fail(ld, "lambda of something else than a function");
        }
    }
    if (ld->on_load >= 0 && ld->functions.at[ld->on_load].arity != 0) {
        return load_fail(ld, "on_load function with arguments");
    }
    return true;
}

static bool load_code(Loader *ld)
{
    if (!decode_header(ld)) {
        return false;
    }
    if (!decode_code(ld) || !tables_build_literals(ld)) {
        return false;
    }
    decode_fill_in(ld);
    while (ld->literal_hp < ld->area->start + ld->area->words) { /* the sizes were upper bounds: see release.c */
        *ld->literal_hp++ = NIL;
    }
    ld->labels = vm_alloc((size_t)ld->label_count * sizeof *ld->labels);
    for (uint32_t i = 0; i < ld->label_count; i++) {
        ld->labels[i] = (Label){LABEL_UNBOUND, FRAME_UNKNOWN, -1, false};
    }
    ld->frame = FRAME_UNKNOWN;
    ld->trail.count = 0;
    ld->on_load = -1;
    return functions_load(ld) && (!ld->expect_entry || load_fail(ld, "function without an entry")) &&
           check_references(ld);
}

struct Prepared {
    Instance *instance;
};

static Prepared *prepare(Term name, const uint8_t *bytes, size_t n, bool preloaded, Term *error)
{
    Loader ld;
    memset(&ld, 0, sizeof ld);
    ld.preloaded = preloaded;
    bool ok = beam_file_open(&ld.file, bytes, n) && tables_read_atoms(&ld) &&
              (name == NONVALUE || name == ld.name) && tables_read(&ld) && load_code(&ld);
    Prepared *pr = NULL;
    if (ok) {
        pr = vm_alloc(sizeof *pr);
        pr->instance = link_make_instance(&ld);
    } else {
        *error = A_badfile;
        describe_failure(&ld);
    }
    loader_free(&ld);
    return pr;
}

Prepared *load_prepare(Term name, const uint8_t *bytes, size_t n, Term *error)
{
    return prepare(name, bytes, n, false, error);
}

Prepared *load_prepare_preloaded(Term name, const uint8_t *bytes, size_t n, Term *error)
{
    return prepare(name, bytes, n, true, error);
}

Term prepared_module(const Prepared *pr)
{
    return pr->instance->name;
}

bool prepared_set_on_load(Prepared *pr, Term name)
{
    Instance *in = pr->instance;
    for (size_t i = 0; i < in->export_count; i++) {
        if (in->exports[i].function == name && in->exports[i].arity == 0) {
            in->on_load = in->exports[i].entry;
            return true;
        }
    }
    return false;
}

bool prepared_has_on_load(const Prepared *pr)
{
    return pr->instance->on_load != NULL;
}

void load_discard(Prepared *pr)
{
    link_free_instance(pr->instance);
    vm_free(pr);
}

void load_finish(Prepared *pr)
{
    Instance *in = pr->instance;
    vm_free(pr);
    link_publish(in);
}
