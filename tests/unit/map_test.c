/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps against a model: random operations over small key sets, with hash functions from good to constant, so that all
 * levels and buckets are met. After each operation the map must be word for word what building it afresh gives (the
 * canonical form). Run it with: map_test [rounds].
 */
#include <stdio.h>
#include <stdlib.h>

#include "vm/term/map_priv.h"
#include "vm/vm.h"

/* --- the machine's parts that maps need ------------------------------------------------------------ */
static uint32_t hash_mask = UINT32_MAX;

void *vm_alloc(size_t bytes) { return malloc(bytes ? bytes : 1); }
void vm_free(void *mem) { free(mem); }

static Term **blocks;
static size_t block_count, block_capacity;
static Term *last_end;

Term *heap_alloc(Proc *p, size_t words)
{
    (void)p;
    if (block_count == block_capacity) {
        block_capacity = 2 * block_capacity + 1000;
        blocks = realloc(blocks, block_capacity * sizeof *blocks);
    }
    Term *b = malloc((words + 1) * sizeof(Term));
    blocks[block_count++] = b;
    last_end = b + words;
    return b;
}

void heap_trim(Proc *p, Term *used_end)
{
    (void)p;
    last_end = used_end;
}

static void release_all(void)
{
    while (block_count > 0) {
        free(blocks[--block_count]);
    }
}

Term heap_cons_on(Proc *p, Term head, Term tail)
{
    Term *hp = heap_alloc(p, 2);
    return heap_cons(&hp, head, tail);
}

Term heap_tuple(Proc *p, size_t n, const Term *elements)
{
    Term *t = heap_alloc(p, n + 1);
    t[0] = MAKE_HEADER(n, SUB_TUPLE);
    memcpy(t + 1, elements, n * sizeof(Term));
    return make_boxed(t);
}

/* Keys are smalls, or boxed one-tuples of smalls. */
static int64_t key_number(Term t)
{
    return is_small(t) ? 2 * small_value(t) : 2 * small_value(tuple_elements(t)[0]) + 1;
}

int term_compare_exact(Term a, Term b)
{
    int64_t x = key_number(a), y = key_number(b);
    return x < y ? -1 : x > y;
}

bool term_identical_slow(Term a, Term b) { return key_number(a) == key_number(b); }

uint32_t term_hash_internal(Term t, uint32_t salt)
{
    uint64_t h = ((uint64_t)key_number(t) + salt + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32) & hash_mask;
}

/* --- checks ------------------------------------------------------------------------------------------ */
enum { KEYS = 400 };
static int64_t model[KEYS]; /* value, -1 absent */
static size_t model_count;
static unsigned long checks;

static void fail(const char *what, int line)
{
    printf("FAIL map_test line %d: %s (mask %x)\n", line, what, hash_mask);
    exit(1);
}
#define CHECK(c) (checks++, (c) ? (void)0 : fail(#c, __LINE__))

static Term make_key(int i)
{
    return i % 3 ? make_small(i) : heap_tuple(NULL, 1, (Term[]){make_small(i)});
}

static bool same_term(Term a, Term b)
{
    if (a == b) {
        return true;
    }
    if (is_cons(a) && is_cons(b)) {
        return same_term(cons_head(a), cons_head(b)) && same_term(cons_tail(a), cons_tail(b));
    }
    if (!is_boxed(a) || !is_boxed(b) || *boxed_ptr(a) != *boxed_ptr(b)) {
        return false;
    }
    size_t words = header_object_words(boxed_ptr(a)), raw = header_raw_words(*boxed_ptr(a));
    for (size_t i = 1; i < words; i++) {
        Term x = boxed_ptr(a)[i], y = boxed_ptr(b)[i];
        if (i <= raw ? x != y : !same_term(x, y)) {
            return false;
        }
    }
    return true;
}

static Term model_map(void)
{
    Term kv[2 * KEYS];
    size_t n = 0;
    for (int i = KEYS; i-- > 0;) {
        if (model[i] >= 0) {
            kv[2 * n] = make_key(i);
            kv[2 * n++ + 1] = make_small(model[i]);
        }
    }
    size_t bound = map_build_words(n);
    Term *mem = heap_alloc(NULL, bound), *hp = mem;
    Term copy[2 * KEYS];
    memcpy(copy, kv, sizeof copy);
    Term built = map_build(&hp, copy, n, true);
    CHECK(built != NONVALUE && hp <= mem + bound);
    MapPlan plan;
    CHECK(map_plan(&plan, kv, n, true));
    size_t words = plan.words;
    Term *exact = heap_alloc(NULL, words), *end = exact;
    map_plan_write(&plan, &end);
    CHECK(end == exact + words);
    return built;
}

static void check_map(Term map)
{
    CHECK(map_size(map) == model_count);
    CHECK(is_flat_map(map) == (model_count <= MAP_FLAT_MAX));
    CHECK(same_term(map, model_map()));
    MapIter it, seek;
    Term k, v, k2, v2;
    size_t n = 0;
    uint64_t path = 0;
    map_iter_init(&it, map);
    for (;;) {
        bool more = map_iter_path(&it, &path);
        CHECK(more == (n < model_count));
        if (!more) {
            break;
        }
        map_iter_seek(&seek, map, path);
        CHECK(map_iter_next(&it, &k, &v) && map_iter_next(&seek, &k2, &v2) && k == k2 && v == v2);
        CHECK(small_value(v) == model[key_number(k) / 2]);
        n++;
    }
    CHECK(!map_iter_next(&it, &k, &v));
    for (int i = 0; i < KEYS; i++) {
        Term got = map_get(map, make_key(i));
        CHECK(got == (model[i] < 0 ? NONVALUE : make_small(model[i])));
    }
    map_iter_seek(&seek, map, (uint64_t)rand() << 20 ^ (uint64_t)rand());
    while (map_iter_next(&seek, &k, &v)) {
    }
}

static void model_set(int key, int64_t value)
{
    model_count += (value >= 0) - (model[key] >= 0);
    model[key] = value;
}

static Term random_op(Term map, int range)
{
    int key = rand() % range, value = rand() % 10;
    Term kv[2 * 80];
    switch (rand() % 10) {
    case 0: case 1: case 2:
        model_set(key, value);
        return map_put(NULL, map, make_key(key), make_small(value));
    case 3: case 4: case 5:
        model_set(key, -1);
        return map_remove(NULL, map, make_key(key));
    case 6: {
        Term next = map_update_exact(NULL, map, make_key(key), make_small(value));
        CHECK((next == NONVALUE) == (model[key] < 0));
        if (next != NONVALUE) {
            model_set(key, value);
            map = next;
        }
        return map;
    }
    case 7: case 8: {
        int n = 1 + rand() % (rand() % 8 ? 8 : 80);
        int64_t old[KEYS];
        size_t old_count = model_count;
        memcpy(old, model, sizeof old);
        bool all = true, exact = rand() % 2;
        for (int i = 0; i < n; i++) {
            key = rand() % range;
            all = all && old[key] >= 0;
            model_set(key, value + i);
            kv[2 * i] = make_key(key);
            kv[2 * i + 1] = make_small(value + i);
        }
        if (!exact) {
            return map_put_assoc(NULL, map, kv, (size_t)n);
        }
        Term missing = NONVALUE, next = map_put_exact(NULL, map, kv, (size_t)n, &missing);
        CHECK((next != NONVALUE) == all);
        if (next == NONVALUE) {
            CHECK(old[key_number(missing) / 2] < 0);
            memcpy(model, old, sizeof old);
            model_count = old_count;
            return map;
        }
        return next;
    }
    default: {
        int n = rand() % 80;
        bool ours_wins = rand() % 2;
        for (int i = 0; i < n; i++) {
            key = rand() % range;
            kv[2 * i] = make_key(key);
            kv[2 * i + 1] = make_small(i);
        }
        Term other = map_from_pairs(NULL, kv, (size_t)n), k, v;
        Term next = ours_wins ? map_merge(NULL, other, map) : map_merge(NULL, map, other);
        MapIter it;
        map_iter_init(&it, other);
        while (map_iter_next(&it, &k, &v)) {
            int ix = (int)(key_number(k) / 2);
            if (!ours_wins || model[ix] < 0) {
                model_set(ix, small_value(v));
            }
        }
        return next;
    }
    }
}

int main(int argc, char **argv)
{
    static const uint32_t masks[] = {UINT32_MAX, 0xf000000f, 0xff, 0x80000000, 0, 0x11111111, 0xfffff000};
    int rounds = argc > 1 ? atoi(argv[1]) : 14;
    srand(1);
    for (int round = 0; round < rounds; round++) {
        hash_mask = masks[round % 7];
        memset(model, -1, sizeof model);
        model_count = 0;
        int range = round % 4 == 0 ? KEYS : 20 + rand() % 60;
        Term map = map_empty(NULL);
        for (int i = 0; i < 100; i++) {
            map = random_op(map, range);
            check_map(map);
        }
        release_all();
    }
    printf("ok map_test: %lu checks\n", checks);
    free(blocks);
    return 0;
}
