/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storage of ETS against models that are plain arrays: random insertions, removals, replacements and walks, with
 * fixation and without. Run it with: ets_store_test [rounds].
 */
#include <stdio.h>
#include <stdlib.h>

#include "vm/ets/table.h"
#include "vm/vm.h"

enum { KEYS = 700, STEPS = 6000 };

static uint64_t seed = 1;
static unsigned random_below(unsigned n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % n;
}

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);    \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

/* {Key, Value}; odd keys are {N}, so that they are not immediates. */
typedef struct Pair {
    Term words[8];
} Pair;
static Term key_make(Pair *m, unsigned k)
{
    if (k % 2 == 0) {
        return make_small(k);
    }
    m->words[3] = MAKE_HEADER(1, SUB_TUPLE);
    m->words[4] = make_small(k);
    return make_boxed(&m->words[3]);
}
static Term pair_make(Pair *m, unsigned k, unsigned v)
{
    m->words[0] = MAKE_HEADER(2, SUB_TUPLE);
    m->words[1] = key_make(m, k);
    m->words[2] = make_small(v);
    return make_boxed(&m->words[0]);
}
static unsigned key_number(Term t) { return (unsigned)small_value(is_small(t) ? t : tuple_elements(t)[0]); }
static unsigned pair_value(Term t) { return (unsigned)small_value(tuple_elements(t)[1]); }

static int model[KEYS]; /* value, -1: none */

static size_t model_count(void)
{
    size_t n = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        n += model[i] >= 0;
    }
    return n;
}

static void check_hash_walk(const EtsStore *s)
{
    static bool seen[KEYS];
    memset(seen, 0, sizeof seen);
    size_t bucket = 0, n = 0;
    HashNode *node = hash_first_from(s, &bucket, false);
    while (node) {
        unsigned k = key_number(object_key(s, &node->o));
        CHECK(!seen[k] && model[k] == (int)pair_value(node->o.tuple));
        seen[k] = true;
        n++;
        CHECK(hash_next_key(s, object_key(s, &node->o), false, &node));
    }
    CHECK(n == model_count() && s->count == n);
}

static void check_tree_walk(const EtsStore *s)
{
    CHECK(tree_check(s));
    CHECK(s->count == model_count());
    for (size_t i = 0; i < s->count; i += 1 + s->count / 7) {
        TreeWalk w;
        TreeNode *n = tree_at(s, i);
        size_t steps = 0;
        tree_walk_beyond(&w, s, 1, object_key(s, &n->o));
        while (tree_walk_next(&w)) {
            steps++;
        }
        CHECK(steps == s->count - i - 1);
    }
}

static void check_set(EtsType type)
{
    EtsStore s;
    store_init(&s, type, 1);
    for (unsigned i = 0; i < KEYS; i++) {
        model[i] = -1;
    }
    bool fixed = false;
    for (int step = 0; step < STEPS; step++) {
        Pair m;
        unsigned k = random_below(KEYS), v = random_below(1000);
        if (step / 1500 % 2 == 1 && random_below(3)) {
            k = k / 2; /* times of shrinking and growing */
        }
        switch (random_below(5)) {
        case 0:
        case 1:
            store_insert(&s, pair_make(&m, k, v), fixed);
            model[k] = (int)v;
            break;
        case 2:
            CHECK(store_remove(&s, key_make(&m, k), fixed) == (model[k] >= 0));
            model[k] = -1;
            break;
        case 3: {
            EtsObject *o = store_find(&s, key_make(&m, k));
            CHECK((o != NULL) == (model[k] >= 0));
            if (o) {
                CHECK(pair_value(o->tuple) == (unsigned)model[k]);
                store_replace(&s, o, pair_make(&m, k, v));
                model[k] = (int)v;
            }
            break;
        }
        default:
            if (random_below(20) == 0) {
                fixed = !fixed;
                if (!fixed && type == ETS_SET) {
                    hash_purge(&s);
                }
            }
            if (random_below(400) == 0 && fixed && type == ETS_SET) {
                hash_kill_all(&s);
                for (unsigned i = 0; i < KEYS; i++) {
                    model[i] = -1;
                }
            }
        }
        if (step % 97 == 0) {
            if (type == ETS_SET) {
                check_hash_walk(&s);
            } else {
                check_tree_walk(&s);
            }
        }
    }
    while (!store_free_some(&s, 13)) {
    }
    CHECK(s.words == 0);
}

/* Bags: a list of values per key, oldest first. */
static unsigned bag_values[KEYS][64];
static size_t bag_counts[KEYS];

static void check_bag_key(const EtsStore *s, unsigned k)
{
    Pair m;
    size_t n = bag_counts[k];
    for (HashNode *node = hash_find(s, key_make(&m, k)); node; node = hash_find_more(s, node)) {
        CHECK(n > 0);
        CHECK(pair_value(node->o.tuple) == bag_values[k][--n]);
    }
    CHECK(n == 0);
}

static void bag_put(EtsStore *s, unsigned k, unsigned v, bool fixed)
{
    Pair m;
    store_insert(s, pair_make(&m, k, v), fixed);
    for (size_t i = 0; s->type == ETS_BAG && i < bag_counts[k]; i++) {
        if (bag_values[k][i] == v) {
            return;
        }
    }
    bag_values[k][bag_counts[k]++] = v;
}

static void bag_drop(EtsStore *s, unsigned k, unsigned v, bool fixed)
{
    Pair m;
    Term tuple = pair_make(&m, k, v);
    size_t kept = 0, removed = hash_remove(s, tuple_elements(tuple)[0], tuple, fixed);
    for (size_t i = 0; i < bag_counts[k]; i++) {
        if (bag_values[k][i] != v) {
            bag_values[k][kept++] = bag_values[k][i];
        }
    }
    CHECK(removed == bag_counts[k] - kept);
    bag_counts[k] = kept;
}

static void check_bag(EtsType type)
{
    EtsStore s;
    store_init(&s, type, 1);
    memset(bag_counts, 0, sizeof bag_counts);
    bool fixed = false;
    for (int step = 0; step < STEPS; step++) {
        unsigned k = random_below(random_below(2) ? KEYS : 20), v = random_below(12);
        if (bag_counts[k] < 60 && random_below(3)) {
            bag_put(&s, k, v, fixed);
        } else {
            bag_drop(&s, k, v, fixed);
        }
        if (random_below(50) == 0) {
            fixed = !fixed;
            if (!fixed) {
                hash_purge(&s);
            }
        }
        check_bag_key(&s, k);
    }
    while (!store_free_some(&s, 13)) {
    }
    CHECK(s.words == 0);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 20;
    for (int i = 0; i < rounds; i++) {
        check_set(ETS_SET);
        check_set(ETS_ORDERED_SET);
        check_bag(ETS_BAG);
        check_bag(ETS_DUPLICATE_BAG);
    }
    printf("ets_store_test: %d rounds\n", rounds);
    return 0;
}
