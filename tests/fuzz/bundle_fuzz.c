/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any bytes as a bundle (lib/bundle.h). The first byte says whether the root hash, and the hash of the
 * first file, are put right, so that what lies behind them is reached too. A bundle that opens holds together: its
 * files lie inside, are found by their names, and stand in order.
 */
#include "lib/bundle.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition) \
    ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), abort()))

/* The hashes that the index would have; false: there is no room for it. */
static bool hashes_repair(uint8_t *bytes, size_t size, bool contents)
{
    BundleHeader h;
    if (size < sizeof h) {
        return false;
    }
    memcpy(&h, bytes, sizeof h);
    size_t room = size - sizeof h;
    if (h.count > room / sizeof(BundleEntry) || h.names_size > room - h.count * sizeof(BundleEntry)) {
        return false;
    }
    BundleEntry *first = (BundleEntry *)(bytes + sizeof h);
    if (contents && h.count > 0 && first->offset <= size && first->size <= size - first->offset) {
        sha256_of(bytes + first->offset, first->size, first->sha256);
    }
    Sha256 s;
    sha256_init(&s);
    sha256_update(&s, bytes, BUNDLE_ROOTED_BYTES);
    sha256_update(&s, bytes + sizeof h, h.count * sizeof(BundleEntry) + h.names_size);
    sha256_final(&s, ((BundleHeader *)bytes)->root);
    return true;
}

static void check_file(const Bundle *b, uint32_t i, const uint8_t *bytes, size_t size)
{
    BundleFile f = bundle_at(b, i), found;
    CHECK(f.data >= bytes && f.data <= bytes + size && f.size <= (size_t)(bytes + size - f.data));
    CHECK(f.name_size > 0 && f.name_size <= BUNDLE_NAME_MAX);
    CHECK(bundle_find(b, f.name, f.name_size, &found) && found.index == i);
    CHECK(bundle_lower_bound(b, f.name, f.name_size) == i);
    uint8_t sum = 0;
    for (size_t k = 0; k < f.size; k++) {
        sum = (uint8_t)(sum + f.data[k]);
    }
    (void)*(volatile uint8_t *)&sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    unsigned how = data[0];
    size--;
    uint8_t *bytes = NULL;
    CHECK(posix_memalign((void **)&bytes, BUNDLE_ALIGN, size ? size : 1) == 0);
    memcpy(bytes, data + 1, size);
    if (how & 1) {
        hashes_repair(bytes, size, how & 2);
    }
    Bundle b;
    BundleFile bad;
    BundleError e = bundle_open(bytes, size, &b);
    CHECK(bundle_error_text(e) != NULL);
    if (e == BUNDLE_OK) {
        for (uint32_t i = 0; i < b.count; i++) {
            check_file(&b, i, bytes, size);
        }
        CHECK(bundle_verify(&b, &bad) == BUNDLE_OK || bad.index < b.count);
        (void)bundle_lower_bound(&b, (const char *)bytes, size < 9 ? size : 9);
    }
    free(bytes);
    return 0;
}
