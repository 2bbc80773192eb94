/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any bytes as an external term. The answer is "malformed" or a term; what was read can be written,
 * read back to an equal term, compared, hashed and printed. Memory stays in proportion to the input.
 */
#include "tests/fuzz/machine.h"
#include "vm/term/compare.h"
#include "vm/term/etf.h"
#include "vm/term/hash.h"
#include "vm/term/print.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    machine_init();
    return 0;
}

/* The term in a fragment of its own; NULL when malformed. Never needs more than some words a byte. */
static HeapFrag *read_term(const uint8_t *data, size_t size, Term *t)
{
    size_t words, consumed;
    if (!etf_decoded_words(data, size, 0, &words, &consumed)) {
        return NULL;
    }
    vm_assert(words <= 16 * size && consumed <= size);
    HeapFrag *f = frag_new(words);
    Term *hp = f->mem;
    *t = etf_decode(data, size, 0, &hp, &f->off_heap);
    vm_assert(hp <= f->mem + words);
    f->used = (size_t)(hp - f->mem);
    if (*t == NONVALUE) {
        frag_free(f);
        return NULL;
    }
    return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Term t, again;
    uint8_t *copy = vm_alloc(size); /* exactly sized, so that one byte too far is seen */
    memcpy(copy, data, size);
    size_t inflated_size, used;
    vm_free(etf_inflate(copy, size, &inflated_size, &used));
    HeapFrag *f = read_term(copy, size, &t);
    vm_free(copy);
    if (!f) {
        return 0;
    }
    EtfBuffer b = {0};
    etf_encode(&b, t, 1, false);
    HeapFrag *g = read_term(b.data, b.size, &again);
    vm_assert(g != NULL);
    vm_assert(term_identical(t, again) && term_compare(t, again) == 0);
    vm_assert(term_hash_internal(t, 0) == term_hash_internal(again, 0));
    vm_assert(term_hash_portable2(t) == term_hash_portable2(again));
    vm_assert(term_hash_phash(t, 0) == term_hash_phash(again, 0));
    char text[64];
    vm_assert(term_print(t, text, sizeof text) == term_print(again, text, sizeof text));
    vm_free(b.data);
    frag_free(f);
    frag_free(g);
    return 0;
}
