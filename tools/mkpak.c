/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mkpak: makes a bundle (lib/bundle.h), on the host.
 *
 *     mkpak -o boot.pak [-l LIST]... [NAME=PATH]...     make one
 *     mkpak -t boot.pak                                 list and verify one
 *
 * A PATH that is a directory adds all regular files below it as NAME/relative. A LIST file holds one NAME=PATH a
 * line; blank lines and lines that start with # are skipped. The same inputs give the same bytes.
 */
#include "lib/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Input {
    char *name, *path;
    uint8_t *data;
    size_t size;
} Input;

typedef struct Inputs {
    Input *items;
    size_t count, capacity;
} Inputs;

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "mkpak: %s: %s\n", what, why);
    exit(1);
}

static char *text_copy(const char *text, size_t n)
{
    char *copy = malloc(n + 1);
    if (copy == NULL) {
        die("memory", strerror(errno));
    }
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (f == NULL || fstat(fileno(f), &st) != 0) {
        die(path, strerror(errno));
    }
    *size = (size_t)st.st_size;
    void *data = aligned_alloc(BUNDLE_ALIGN, (*size + BUNDLE_ALIGN) & ~(size_t)(BUNDLE_ALIGN - 1));
    if (data == NULL || fread(data, 1, *size, f) != *size) {
        die(path, "cannot be read");
    }
    fclose(f);
    return data;
}

static void add_path(Inputs *in, const char *name, const char *path);

static void add_directory(Inputs *in, const char *name, const char *path)
{
    DIR *d = opendir(path);
    if (d == NULL) {
        die(path, strerror(errno));
    }
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        char below_name[1024], below_path[4096];
        snprintf(below_name, sizeof below_name, "%s%s%s", name, *name != '\0' ? "/" : "", e->d_name);
        if ((size_t)snprintf(below_path, sizeof below_path, "%s/%s", path, e->d_name) >= sizeof below_path) {
            die(path, "path is too long");
        }
        add_path(in, below_name, below_path);
    }
    closedir(d);
}

static void add_path(Inputs *in, const char *name, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        die(path, strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) {
        add_directory(in, name, path);
        return;
    }
    if (*name == '\0' || strlen(name) > BUNDLE_NAME_MAX) {
        die(name, "a name has 1 to 255 bytes");
    }
    if (in->count == in->capacity) {
        in->capacity = in->capacity * 2 + 64;
        in->items = realloc(in->items, in->capacity * sizeof *in->items);
        if (in->items == NULL) {
            die("memory", strerror(errno));
        }
    }
    Input *i = &in->items[in->count++];
    i->name = text_copy(name, strlen(name));
    i->path = text_copy(path, strlen(path));
    i->data = read_file(path, &i->size);
}

static void add_pair(Inputs *in, const char *pair)
{
    const char *equals = strchr(pair, '=');
    if (equals == NULL) {
        die(pair, "NAME=PATH expected");
    }
    char *name = text_copy(pair, (size_t)(equals - pair));
    add_path(in, name, equals + 1);
    free(name);
}

static void add_list(Inputs *in, const char *path)
{
    FILE *f = fopen(path, "r");
    char line[8192];
    if (f == NULL) {
        die(path, strerror(errno));
    }
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0' && line[0] != '#') {
            add_pair(in, line);
        }
    }
    fclose(f);
}

static int compare_inputs(const void *a, const void *b)
{
    return strcmp(((const Input *)a)->name, ((const Input *)b)->name);
}

static size_t align_up(size_t n) { return (n + BUNDLE_ALIGN - 1) & ~(size_t)(BUNDLE_ALIGN - 1); }

/* Lays everything out in one buffer. Returns its size. */
static size_t lay_out(const Inputs *in, uint8_t **out)
{
    size_t names = 0;
    for (size_t i = 0; i < in->count; i++) {
        names += strlen(in->items[i].name);
    }
    size_t index_end = sizeof(BundleHeader) + in->count * sizeof(BundleEntry) + names;
    size_t total = index_end;
    for (size_t i = 0; i < in->count; i++) {
        total = align_up(total) + in->items[i].size;
    }
    uint8_t *base = calloc(1, total);
    if (base == NULL) {
        die("memory", strerror(errno));
    }
    BundleHeader *header = (BundleHeader *)base;
    BundleEntry *entries = (BundleEntry *)(header + 1);
    char *name_at = (char *)(entries + in->count);
    size_t data_at = index_end, name_offset = 0;
    for (size_t i = 0; i < in->count; i++) {
        const Input *input = &in->items[i];
        size_t name_size = strlen(input->name);
        data_at = align_up(data_at);
        entries[i] = (BundleEntry){.offset = data_at,
                                   .size = input->size,
                                   .name_offset = (uint32_t)name_offset,
                                   .name_size = (uint32_t)name_size};
        sha256_of(input->data, input->size, entries[i].sha256);
        memcpy(name_at + name_offset, input->name, name_size);
        memcpy(base + data_at, input->data, input->size);
        name_offset += name_size;
        data_at += input->size;
    }
    memcpy(header->magic, "LOOMPAK1", 8);
    header->version = BUNDLE_VERSION;
    header->count = (uint32_t)in->count;
    header->total_size = total;
    header->names_size = names;
    Sha256 s;
    sha256_init(&s);
    sha256_update(&s, header, BUNDLE_ROOTED_BYTES);
    sha256_update(&s, entries, index_end - sizeof *header);
    sha256_final(&s, header->root);
    *out = base;
    return total;
}

static void write_bundle(Inputs *in, const char *path)
{
    qsort(in->items, in->count, sizeof *in->items, compare_inputs);
    for (size_t i = 1; i < in->count; i++) {
        if (strcmp(in->items[i - 1].name, in->items[i].name) == 0) {
            die(in->items[i].name, "given twice");
        }
    }
    uint8_t *base;
    size_t total = lay_out(in, &base);
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(base, 1, total, f) != total || fclose(f) != 0) {
        die(path, strerror(errno));
    }
    free(base);
}

static int list_bundle(const char *path)
{
    size_t size;
    uint8_t *data = read_file(path, &size);
    Bundle b;
    BundleFile bad;
    BundleError error = bundle_open(data, size, &b);
    if (error == BUNDLE_OK) {
        for (uint32_t i = 0; i < b.count; i++) {
            BundleFile f = bundle_at(&b, i);
            printf("%10zu  %.*s\n", f.size, (int)f.name_size, f.name);
        }
        error = bundle_verify(&b, &bad);
    }
    if (error != BUNDLE_OK) {
        die(path, bundle_error_text(error));
    }
    char hex[SHA256_HEX + 1];
    sha256_to_hex(b.header->root, hex);
    printf("%u files, %zu bytes, root %s\n", b.count, size, hex);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    Inputs in = {0};
    const char *output = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-t") == 0 && i + 1 < argc) {
            return list_bundle(argv[i + 1]);
        }
        if (strcmp(argv[i], "-o") == 0 && i + 1 < argc) {
            output = argv[++i];
        } else if (strcmp(argv[i], "-l") == 0 && i + 1 < argc) {
            add_list(&in, argv[++i]);
        } else {
            add_pair(&in, argv[i]);
        }
    }
    if (output == NULL) {
        fprintf(stderr, "usage: mkpak -o OUT [-l LIST]... [NAME=PATH]...  |  mkpak -t BUNDLE\n");
        return 2;
    }
    write_bundle(&in, output);
    return 0;
}
