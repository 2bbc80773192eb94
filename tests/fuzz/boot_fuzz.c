/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: what the nucleus reads before anything is trusted, a manifest, and the kernel's file. The first byte
 * says which; a manifest may get its last line put right, so that its entries decide. boot_fail is an answer like any
 * other.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "boot/manifest.c"
#include "boot/elf.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAGES_MAX = 1 << 12, SELF_LINE = 5 + SHA256_HEX + 1 };

static struct BootFuzz {
    jmp_buf failed;
    void *pages;
} fuzz;

void boot_say(Boot *b, const char *format, ...)
{
    (void)b;
    (void)format;
}

_Noreturn void boot_fail(Boot *b, const char *format, ...)
{
    (void)b;
    (void)format;
    longjmp(fuzz.failed, 1);
}

void *boot_pages(Boot *b, uint64_t pages, const char *what)
{
    if (pages > PAGES_MAX) {
        boot_fail(b, "%s", what);
    }
    return fuzz.pages = calloc(pages ? pages : 1, PAGE_SIZE);
}

/* The manifest of those lines: with its last one. */
static size_t manifest_finish(uint8_t *text, size_t n)
{
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX + 1];
    sha256_of(text, n, digest);
    sha256_to_hex(digest, hex);
    memcpy(text + n, "self ", 5);
    memcpy(text + n + 5, hex, SHA256_HEX);
    text[n + 5 + SHA256_HEX] = '\n';
    return n + SELF_LINE;
}

static void run(Boot *b, bool is_manifest)
{
    if (setjmp(fuzz.failed)) {
        return;
    }
    if (is_manifest) {
        manifest_parse(b);
        for (unsigned i = 0; i < b->manifest.count; i++) {
            if (!manifest_entry(b, b->manifest.entries[i].name)) {
                abort();
            }
        }
        manifest_check(b, &b->manifest_file, "boot.pak");
    } else {
        elf_load(b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    size_t n = size - 1;
    bool is_manifest = data[0] & 1, finish = is_manifest && (data[0] & 2);
    uint8_t *bytes = malloc(n + (finish ? SELF_LINE : 0) + !n);
    memcpy(bytes, data + 1, n);
    BootInfo *info = calloc(1, sizeof *info);
    Boot b = {.info = info};
    BootFile file = {"file", bytes, finish ? manifest_finish(bytes, n) : n};
    b.manifest_file = b.kernel = file;
    run(&b, is_manifest);
    free(fuzz.pages);
    fuzz.pages = NULL;
    free(info);
    free(bytes);
    return 0;
}
