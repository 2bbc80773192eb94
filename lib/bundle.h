/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bundle (boot.pak): one archive of named, hashed files; what the nucleus verifies and what boots.
 * All numbers are little-endian.
 *
 *     header    144 bytes: BundleHeader
 *     entries   count * 64 bytes: BundleEntry, sorted by name (bytes), names differ
 *     names     names_size bytes, not terminated, in entry order without gaps
 *     data      each file at a multiple of 16; the gaps are zero
 *
 * The root hash is SHA-256 over the header's first 32 bytes, the entries and the names. Entries hold the hashes of
 * their files, so the root stands for every byte of the archive. Gaps and (in an unsigned bundle) the signature slot
 * must be zero, so that there is no bit that may differ unseen.
 *
 * The reader allocates nothing and trusts nothing: bundle_open() checks the index and every offset in it once, after
 * which lookups need no checks; bundle_check() compares one file with its hash, and must be asked before its bytes are
 * used.
 */
#pragma once

#include "lib/sha256.h"

enum { BUNDLE_VERSION = 1, BUNDLE_ALIGN = 16, BUNDLE_NAME_MAX = 255, BUNDLE_SIGNATURE_BYTES = 64 };

typedef struct BundleHeader {
    char magic[8]; /* "LOOMPAK1" */
    uint32_t version;
    uint32_t count;
    uint64_t total_size; /* of the whole file */
    uint64_t names_size;
    uint64_t reserved; /* 0 */
    uint8_t root[SHA256_BYTES];
    uint8_t signature[BUNDLE_SIGNATURE_BYTES]; /* Ed25519 over root; zero: unsigned */
    uint64_t reserved2;                        /* 0: keeps the entries aligned to 16 */
} BundleHeader;
_Static_assert(sizeof(BundleHeader) == 144, "bundle header layout");
#define BUNDLE_ROOTED_BYTES 32 /* of the header, covered by the root hash: up to `reserved` */

typedef struct BundleEntry {
    uint64_t offset; /* from the start of the file */
    uint64_t size;
    uint8_t sha256[SHA256_BYTES];
    uint32_t name_offset; /* into the names */
    uint32_t name_size;
    uint64_t reserved; /* 0 */
} BundleEntry;
_Static_assert(sizeof(BundleEntry) == 64, "bundle entry layout");

typedef enum {
    BUNDLE_OK,
    BUNDLE_TOO_SHORT,   /* smaller than it says, or than a header */
    BUNDLE_BAD_MAGIC,   /* not a bundle, or of another version */
    BUNDLE_BAD_INDEX,   /* an entry points outside, is not aligned or not in order */
    BUNDLE_BAD_ROOT,    /* the root hash does not fit the index */
    BUNDLE_SIGNED,      /* there is a signature, and no key to check it with */
    BUNDLE_BAD_CONTENT, /* a file's hash differs, or the gap before it is not zero */
} BundleError;

typedef struct Bundle {
    const uint8_t *base; /* borrowed; must outlive the Bundle */
    const BundleHeader *header;
    const BundleEntry *entries;
    const char *names;
    uint32_t count;
} Bundle;

typedef struct BundleFile {
    uint32_t index;
    const char *name; /* not terminated */
    size_t name_size;
    const uint8_t *data;
    size_t size;
    const uint8_t *sha256;
} BundleFile;

/* Checks structure, root hash and signature slot, not contents. `base` must be aligned to 16. */
BundleError bundle_open(const void *base, size_t size, Bundle *b) __attribute__((warn_unused_result));
/* i < b->count: true if that file's hash is right and the gap before it is zero. */
bool bundle_check(const Bundle *b, uint32_t i) __attribute__((warn_unused_result));
/* Checks all contents. On BUNDLE_BAD_CONTENT *bad is the first wrong file. */
BundleError bundle_verify(const Bundle *b, BundleFile *bad) __attribute__((warn_unused_result));
/* i < b->count. */
BundleFile bundle_at(const Bundle *b, uint32_t i);
/* False when there is no such file. Binary search. */
bool bundle_find(const Bundle *b, const char *name, size_t name_size, BundleFile *file);
/* Index of the first file whose name is not less than `name`: where a directory's files start. */
uint32_t bundle_lower_bound(const Bundle *b, const char *name, size_t name_size);
/* What the error means, for one log line. */
const char *bundle_error_text(BundleError error);
