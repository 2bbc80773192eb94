/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest says what may be started. It is text (tools/mkimg writes it):
 *
 *     loom-manifest 1
 *     kernel.elf 1234567 <64 hex digits: SHA-256>
 *     boot.pak 7654321 <64 hex digits>
 *     cmdline 20 <64 hex digits>                    only if there is one
 *     signature <128 hex digits>                    Ed25519 over all lines before it; zeros: unsigned
 *     self <64 hex digits>                          SHA-256 over all bytes before this line
 *
 * The last line finds any damage of the manifest itself. The parser accepts exactly this form, nothing looser.
 */
#include "boot/boot.h"

typedef struct Cursor {
    const char *at, *end;
} Cursor;

static bool take_text(Cursor *c, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, text, n) != 0) {
        return false;
    }
    c->at += n;
    return true;
}

static bool take_hash(Cursor *c, uint8_t digest[SHA256_BYTES])
{
    if (c->end - c->at < SHA256_HEX || !sha256_from_hex(c->at, digest)) {
        return false;
    }
    c->at += SHA256_HEX;
    return true;
}

static bool take_name(Cursor *c, char *name, size_t cap)
{
    size_t n = 0;
    while (c->at < c->end && *c->at > ' ' && n + 1 < cap) {
        name[n++] = *c->at++;
    }
    name[n] = '\0';
    return n > 0;
}

static bool take_number(Cursor *c, uint64_t *number)
{
    const char *start = c->at;
    *number = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9' && c->at - start < 15) {
        *number = *number * 10 + (uint64_t)(*c->at++ - '0');
    }
    return c->at > start;
}

static bool take_entry(Cursor *c, ManifestEntry *e)
{
    return take_name(c, e->name, sizeof e->name) && take_text(c, " ") && take_number(c, &e->size) &&
           take_text(c, " ") && take_hash(c, e->sha256) && take_text(c, "\n");
}

static bool take_signature(Cursor *c, bool *is_signed)
{
    uint8_t half[2][SHA256_BYTES];
    if (!take_hash(c, half[0]) || !take_hash(c, half[1]) || !take_text(c, "\n")) {
        return false;
    }
    uint8_t any = 0;
    for (unsigned i = 0; i < sizeof half; i++) {
        any |= half[i / SHA256_BYTES][i % SHA256_BYTES];
    }
    *is_signed = any != 0;
    return true;
}

static bool take_self(Cursor *c, const char *start)
{
    uint8_t said[SHA256_BYTES], real[SHA256_BYTES];
    sha256_of(start, (size_t)(c->at - start), real);
    return take_text(c, "self ") && take_hash(c, said) && take_text(c, "\n") && c->at == c->end &&
           memcmp(said, real, sizeof said) == 0;
}

static bool parse(Boot *b, bool *is_signed)
{
    const char *start = (const char *)b->manifest_file.data;
    Cursor c = {start, start + b->manifest_file.size};
    Manifest *m = &b->manifest;
    if (!take_text(&c, "loom-manifest 1\n")) {
        return false;
    }
    while (!take_text(&c, "signature ")) {
        if (m->count == sizeof m->entries / sizeof m->entries[0] || !take_entry(&c, &m->entries[m->count])) {
            return false;
        }
        m->count++;
    }
    return take_signature(&c, is_signed) && take_self(&c, start);
}

static void record(Boot *b, const char *name, uint64_t size, const uint8_t *digest)
{
    if (b->info->measurement_count < BOOT_MEASUREMENT_MAX) {
        BootMeasurement *m = &b->info->measurements[b->info->measurement_count++];
        memcpy(m->name, name, strlen(name) + 1);
        m->size = size;
        memcpy(m->sha256, digest, SHA256_BYTES);
    }
}

void manifest_parse(Boot *b)
{
    const BootFile *file = &b->manifest_file;
    bool is_signed = false;
    if (!parse(b, &is_signed)) {
        boot_fail(b, "%s: damaged or truncated; not started", file->name);
    }
    if (is_signed) {
        boot_fail(b, "%s: signed, but this loader has no key to check it with; not started", file->name);
    }
    uint8_t digest[SHA256_BYTES];
    sha256_of(file->data, file->size, digest);
    record(b, "manifest", file->size, digest);
}

const ManifestEntry *manifest_entry(const Boot *b, const char *name)
{
    for (unsigned i = 0; i < b->manifest.count; i++) {
        if (strcmp(b->manifest.entries[i].name, name) == 0) {
            return &b->manifest.entries[i];
        }
    }
    return NULL;
}

void manifest_check(Boot *b, const BootFile *file, const char *name)
{
    const ManifestEntry *e = manifest_entry(b, name);
    if (e == NULL) {
        boot_fail(b, "%s: the manifest does not name it; not started", file->name);
    }
    if (file->size != e->size) {
        boot_fail(b, "%s: %s: %llu bytes, the manifest says %llu; not started", file->name,
                  file->size < e->size ? "truncated" : "too long", (unsigned long long)file->size,
                  (unsigned long long)e->size);
    }
    uint8_t digest[SHA256_BYTES];
    sha256_of(file->data, file->size, digest);
    if (memcmp(digest, e->sha256, sizeof digest) != 0) {
        boot_fail(b, "%s: SHA-256 differs from the manifest; not started", file->name);
    }
    char hex[SHA256_HEX + 1];
    sha256_to_hex(digest, hex);
    boot_say(b, "%s: %llu bytes, sha256 %.16s... as the manifest says", file->name,
             (unsigned long long)file->size, hex);
    record(b, name, file->size, digest);
}
