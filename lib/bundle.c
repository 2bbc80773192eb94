/* SPDX-License-Identifier: Apache-2.0 */
/* Reader of the bundle format; see bundle.h. Comes from: the nucleus or a PVH loader. Goes to: kernel, plat/metal. */
#include "lib/bundle.h"

static int compare_names(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int c = memcmp(a, b, a_size < b_size ? a_size : b_size);
    if (c != 0) {
        return c;
    }
    return a_size < b_size ? -1 : a_size > b_size;
}

/* One entry in its place: `names_end` and `data_end` are where the one before it stopped. */
static bool entry_fits(const Bundle *b, uint32_t i, uint64_t names_end, uint64_t data_end)
{
    const BundleEntry *e = &b->entries[i];
    uint64_t total = b->header->total_size;
    uint64_t aligned = (data_end + BUNDLE_ALIGN - 1) & ~(uint64_t)(BUNDLE_ALIGN - 1);
    if (e->offset != aligned || e->offset > total || e->size > total - e->offset || e->reserved != 0) {
        return false;
    }
    if (e->name_offset != names_end || e->name_size == 0 || e->name_size > BUNDLE_NAME_MAX ||
        e->name_size > b->header->names_size - names_end) {
        return false;
    }
    if (i == 0) {
        return true;
    }
    const BundleEntry *before = &b->entries[i - 1];
    return compare_names(b->names + before->name_offset, before->name_size, b->names + e->name_offset,
                         e->name_size) < 0;
}

static bool index_fits(const Bundle *b)
{
    uint64_t names_end = 0;
    uint64_t data_end = (uint64_t)((const uint8_t *)b->names - b->base) + b->header->names_size;
    for (uint32_t i = 0; i < b->count; i++) {
        if (!entry_fits(b, i, names_end, data_end)) {
            return false;
        }
        names_end += b->entries[i].name_size;
        data_end = b->entries[i].offset + b->entries[i].size;
    }
    return names_end == b->header->names_size && data_end == b->header->total_size;
}

static bool root_fits(const Bundle *b)
{
    Sha256 s;
    uint8_t root[SHA256_BYTES];
    sha256_init(&s);
    sha256_update(&s, b->header, BUNDLE_ROOTED_BYTES);
    sha256_update(&s, b->entries, (size_t)b->count * sizeof(BundleEntry));
    sha256_update(&s, b->names, b->header->names_size);
    sha256_final(&s, root);
    return memcmp(root, b->header->root, sizeof root) == 0;
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum |= bytes[i];
    }
    return sum == 0;
}

BundleError bundle_open(const void *base, size_t size, Bundle *b)
{
    const BundleHeader *header = base;
    if (size < sizeof *header) {
        return BUNDLE_TOO_SHORT;
    }
    if (memcmp(header->magic, "LOOMPAK1", 8) != 0 || header->version != BUNDLE_VERSION ||
        header->reserved != 0 || header->reserved2 != 0) {
        return BUNDLE_BAD_MAGIC;
    }
    if (header->total_size > size) {
        return BUNDLE_TOO_SHORT;
    }
    uint64_t room = header->total_size - sizeof *header;
    if (header->total_size < sizeof *header || header->count > room / sizeof(BundleEntry) ||
        header->names_size > room - header->count * sizeof(BundleEntry)) {
        return BUNDLE_BAD_INDEX;
    }
    b->base = base;
    b->header = header;
    b->entries = (const BundleEntry *)(header + 1);
    b->names = (const char *)(b->entries + header->count);
    b->count = header->count;
    if (!index_fits(b)) {
        return BUNDLE_BAD_INDEX;
    }
    if (!root_fits(b)) {
        return BUNDLE_BAD_ROOT;
    }
    return is_zero(header->signature, BUNDLE_SIGNATURE_BYTES) ? BUNDLE_OK : BUNDLE_SIGNED;
}

bool bundle_check(const Bundle *b, uint32_t i)
{
    uint8_t digest[SHA256_BYTES];
    BundleFile f = bundle_at(b, i);
    const uint8_t *before = i == 0 ? (const uint8_t *)b->names + b->header->names_size
                                   : b->base + b->entries[i - 1].offset + b->entries[i - 1].size;
    sha256_of(f.data, f.size, digest);
    return memcmp(digest, f.sha256, sizeof digest) == 0 && is_zero(before, (size_t)(f.data - before));
}

BundleError bundle_verify(const Bundle *b, BundleFile *bad)
{
    for (uint32_t i = 0; i < b->count; i++) {
        *bad = bundle_at(b, i);
        if (!bundle_check(b, i)) {
            return BUNDLE_BAD_CONTENT;
        }
    }
    return BUNDLE_OK;
}

BundleFile bundle_at(const Bundle *b, uint32_t i)
{
    const BundleEntry *e = &b->entries[i];
    return (BundleFile){.index = i,
                        .name = b->names + e->name_offset,
                        .name_size = e->name_size,
                        .data = b->base + e->offset,
                        .size = e->size,
                        .sha256 = e->sha256};
}

uint32_t bundle_lower_bound(const Bundle *b, const char *name, size_t name_size)
{
    uint32_t low = 0, high = b->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const BundleEntry *e = &b->entries[middle];
        if (compare_names(b->names + e->name_offset, e->name_size, name, name_size) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool bundle_find(const Bundle *b, const char *name, size_t name_size, BundleFile *file)
{
    uint32_t i = bundle_lower_bound(b, name, name_size);
    if (i == b->count) {
        return false;
    }
    *file = bundle_at(b, i);
    return compare_names(file->name, file->name_size, name, name_size) == 0;
}

const char *bundle_error_text(BundleError error)
{
    switch (error) {
    case BUNDLE_OK: return "good";
    case BUNDLE_TOO_SHORT: return "truncated";
    case BUNDLE_BAD_MAGIC: return "not a bundle of version 1";
    case BUNDLE_BAD_INDEX: return "its index is damaged";
    case BUNDLE_BAD_ROOT: return "its root hash differs";
    case BUNDLE_SIGNED: return "signed, but there is no key to check it with";
    case BUNDLE_BAD_CONTENT: return "the SHA-256 of a file in it differs";
    }
    return "damaged";
}
