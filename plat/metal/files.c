/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module loom_bundle: files of the boot bundle, as binaries that refer to the bundle's memory without copying it.
 * Reading pays reductions for the hash that a first use may compute.
 */
#include "gen/natives_metal.h"
#include "kernel/files.h"
#include "vm/term/binary.h"

enum { BYTES_PER_REDUCTION = 1024 };

static struct Files {
    Binary *anchor; /* what references into the bundle count: never freed, as the bundle is not */
} files;

static bool find(Proc *p, Term name, BundleFile *file, bool *bad)
{
    const uint8_t *bytes;
    size_t n;
    *bad = !is_binary(name) || !binary_bytes(p, name, &bytes, &n);
    return !*bad && files_bundle() != NULL && bundle_find(files_bundle(), (const char *)bytes, n, file);
}

static Term missing(Proc *p, bool bad)
{
    return bad ? p_badarg(p) : heap_tuple2(p, A_error, A_enoent);
}

NATIVE(native_loom_bundle_list)
{
    const Bundle *b = files_bundle();
    Term list = NIL;
    (void)a;
    for (uint32_t i = b != NULL ? b->count : 0; i > 0; i--) {
        BundleFile f = bundle_at(b, i - 1);
        Term one = heap_tuple2(p, binary_from_bytes(p, f.name, f.name_size), heap_uint64(p, f.size));
        list = heap_cons_on(p, one, list);
    }
    p_charge(p, b != NULL ? (intptr_t)b->count / 4 : 1);
    return list;
}

NATIVE(native_loom_bundle_read)
{
    BundleFile file;
    bool bad;
    if (!find(p, a[0], &file, &bad)) {
        return missing(p, bad);
    }
    p_charge(p, (intptr_t)(file.size / BYTES_PER_REDUCTION));
    if (!files_get(file.index, &file)) {
        return heap_tuple2(p, A_error, A_eio);
    }
    if (file.size <= HEAP_BIN_MAX) {
        return heap_tuple2(p, A_ok, binary_from_bytes(p, file.data, file.size));
    }
    if (files.anchor == NULL) {
        files.anchor = binary_alloc(0);
    }
    binary_retain(files.anchor);
    Term *hp = heap_alloc(p, REFC_BIN_WORDS);
    return heap_tuple2(p, A_ok, build_refc_bin(&hp, heap_off_heap(p), files.anchor, file.data, file.size));
}

NATIVE(native_loom_bundle_hash)
{
    BundleFile file;
    bool bad;
    if (!find(p, a[0], &file, &bad)) {
        return missing(p, bad);
    }
    return heap_tuple2(p, A_ok, binary_from_bytes(p, file.sha256, SHA256_BYTES));
}

NATIVE(native_loom_bundle_root)
{
    const Bundle *b = files_bundle();
    (void)a;
    return b != NULL ? binary_from_bytes(p, b->header->root, SHA256_BYTES) : p_badarg(p);
}
