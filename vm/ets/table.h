/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of ETS: tables, their objects, and the two kinds of storage. See doc/ets.md.
 *
 *   names (sharded hash) ──► Table ◄── magic references (table identifiers)
 *   owners (hash by pid) ──► tables owned, tables fixed
 *   Table ── store ──► HashStore (set, bag, duplicate_bag) | TreeStore (ordered_set) ──► EtsObject...
 *
 * A Table is freed with the last magic reference to it; the table itself holds one while it is alive. Its
 * storage is detached at death and freed in pieces. Lock order: name shards, table, registry (the lock over
 * owners and the list of all). A table may be dead while its name is still there: lookups check `alive`.
 */
#pragma once

#include "vm/lock.h"
#include "vm/heap/heap.h"
#include "vm/proc/proc.h"
#include "vm/term/atom.h"
#include "vm/term/compare.h"

/* One stored tuple with all it refers to, in one allocation, copied whole. Begins a HashNode or a TreeNode. */
typedef struct EtsObject {
    Word *off_heap; /* first of its off-heap list */
    Term tuple;
    size_t words;   /* of terms behind the node */
} EtsObject;

typedef struct HashNode {
    EtsObject o;
    struct HashNode *next;
    uint32_t hash;
    bool dead; /* deleted while the table was fixed: kept so that traversals find their place */
} HashNode;
enum { HASH_SEGMENT = 256 };
typedef struct HashStore {
    HashNode ***segments; /* of HASH_SEGMENT buckets each; linear hashing: buckets 0..active-1 exist */
    size_t segment_count, segment_capacity;
    size_t active;
    size_t dead_count;
    /* Buckets that may hold dead nodes, so that purging need not look at all; too many: it looks at all. */
    size_t *dead_buckets;
    size_t dead_listed, dead_capacity;
} HashStore;

typedef struct TreeNode {
    EtsObject o;
    Term key; /* the tuple's, here so that a search reads one place of each node */
    struct TreeNode *link[2];
    uint64_t count : 56; /* nodes here and below, for ets:slot */
    uint64_t height : 8;
} TreeNode;
enum { TREE_MAX_HEIGHT = 92 }; /* AVL: 1.44 log2(2^63) */
typedef struct TreeStore {
    TreeNode *root;
    uint64_t version; /* counts changes of the tree's form */
    struct TreeCursor *cursor; /* where the last ets:next stopped; see tree_beyond. Atomic */
} TreeStore;

typedef enum { ETS_SET, ETS_BAG, ETS_DUPLICATE_BAG, ETS_ORDERED_SET } EtsType;
typedef enum { ETS_PRIVATE, ETS_PROTECTED, ETS_PUBLIC } EtsProtection;

typedef struct EtsStore {
    EtsType type;
    unsigned keypos; /* 1-based */
    size_t count;    /* live objects */
    size_t words;    /* memory of the objects, in words */
    union {
        HashStore hash;
        TreeStore tree;
    } u;
} EtsStore;

typedef struct EtsFix {
    struct EtsFix *next; /* of the table: under its lock */
    struct EtsFix *owner_next, **owner_prev; /* of the process: under the registry lock; owner_prev NULL: unlinked */
    struct Table *table;
    Term pid;
    size_t count;
} EtsFix;

typedef struct Table {
    /* Constant after birth. */
    Magic *magic;
    bool named;
    bool compressed, read_concurrency, decentralized_counters;
    Term write_concurrency; /* true, false, auto */
    Term debug_locks;       /* what {debug_hash_fixed_number_of_locks, N} said, 0: not there. For info only */
    /* Under lock. */
    RwLock lock;
    bool alive;
    EtsProtection protection;
    Term name;
    Term owner;
    Term heir; /* pid or A_none */
    int64_t heir_started_ns; /* of the process that is meant: its pid may be used again */
    Term heir_data;
    HeapFrag *heir_frag;
    EtsFix *fixes;
    int64_t fixed_mono_ns, fixed_wall_ns; /* when the first fixation came */
    EtsStore store;
    /* Under the registry lock. */
    struct Table *all_next, **all_prev;
    struct Table *owned_next, **owned_prev; /* owned_prev NULL: not in a list */
    /* Under the name's shard. */
    struct Table *name_next;
} Table;

/* --- objects ------------------------------------------------------------------------------------ */
static inline Term object_key(const EtsStore *s, const EtsObject *o) { return tuple_elements(o->tuple)[s->keypos - 1]; }
/* A node with a whole copy of tuple behind `head` bytes of node. Returns owned. */
void *object_new(size_t head, Term tuple);
void object_free(EtsObject *o);
/* Equality as bags and delete_object see it: =:=. */
static inline bool object_is(const EtsObject *o, Term tuple) { return term_identical(o->tuple, tuple); }

/* --- hash storage (hash.c) ------------------------------------------------------------------------ */
uint32_t hash_key(Term key);
void hash_init(EtsStore *s);
/* First live object with that key, NULL when none. Others of the key follow it in its chain. */
HashNode *hash_find(const EtsStore *s, Term key);
/* The next live node of the same key in the chain. */
HashNode *hash_find_more(const EtsStore *s, const HashNode *n);
/* The same over dead nodes too. */
HashNode *hash_find_raw(const EtsStore *s, Term key);
HashNode *hash_find_more_raw(const EtsStore *s, const HashNode *n);
/* Puts a copy. `fixed`: no growth. For bags, an object that is there already stays as it is. */
void hash_insert(EtsStore *s, Term tuple, bool fixed);
/* Removes all objects of the key (tuple NONVALUE), or those identical to tuple; key and tuple are not the table's own.
 * Returns how many. */
size_t hash_remove(EtsStore *s, Term key, Term tuple, bool fixed);
/* Removes this node of a bucket. */
void hash_remove_node(EtsStore *s, size_t bucket, HashNode *n, bool fixed);
/* Takes the place of n with a copy of tuple (same key). */
HashNode *hash_replace(EtsStore *s, HashNode *n, Term tuple);
HashNode **hash_bucket(const EtsStore *s, size_t index);
size_t hash_bucket_of(const EtsStore *s, uint32_t hash);
/* The first live (`raw`: or dead) node at or behind bucket *index, whose bucket is stored there; NULL at the end. */
HashNode *hash_first_from(const EtsStore *s, size_t *index, bool raw);
/* First live (`raw`: or dead) node of another key behind `key`'s, whose nodes may be dead. False: no such key. */
bool hash_next_key(const EtsStore *s, Term key, bool raw, HashNode **next);
/* Marks all dead. */
void hash_kill_all(EtsStore *s);
/* Frees the dead: the table is fixed no more. */
void hash_purge(EtsStore *s);
void hash_shrink(EtsStore *s);
/* Frees up to `budget` nodes; true when all is gone. */
bool hash_free_some(EtsStore *s, size_t budget);

/* --- tree storage (ordset.c) ------------------------------------------------------------------------ */
TreeNode *tree_find(const EtsStore *s, Term key);
void tree_insert(EtsStore *s, Term tuple);
bool tree_remove(EtsStore *s, Term key);
TreeNode *tree_replace(EtsStore *s, TreeNode *n, Term tuple);
TreeNode *tree_edge(const EtsStore *s, int side); /* 0 least, 1 greatest */
/* Nearest node beyond key: side 1 greater, 0 less. */
TreeNode *tree_beyond(const EtsStore *s, Term key, int side);
TreeNode *tree_at(const EtsStore *s, size_t index); /* index-th from the least, below count */
/* A walk over a tree that does not change: start at the edge, or beyond a key. */
typedef struct TreeWalk {
    TreeNode *path[TREE_MAX_HEIGHT];
    int depth;
    int side; /* direction: 1 ascending */
} TreeWalk;
void tree_walk_start(TreeWalk *w, const EtsStore *s, int side);
void tree_walk_beyond(TreeWalk *w, const EtsStore *s, int side, Term key);
/* From the first key on this side's way that `order` does not put before `bound`. */
typedef int (*TreeOrder)(Term key, Term bound);
void tree_walk_range(TreeWalk *w, const EtsStore *s, int side, TreeOrder order, Term bound);
TreeNode *tree_walk_next(TreeWalk *w);
bool tree_free_some(EtsStore *s, size_t budget);
bool tree_check(const EtsStore *s); /* invariants, for tests */

/* --- any storage (table.c) ---------------------------------------------------------------------------- */
void store_init(EtsStore *s, EtsType type, unsigned keypos);
bool store_free_some(EtsStore *s, size_t budget);
/* First object of a key; NULL when none. */
EtsObject *store_find(const EtsStore *s, Term key);
void store_insert(EtsStore *s, Term tuple, bool fixed);
/* Removes a key. Returns how many objects went. */
size_t store_remove(EtsStore *s, Term key, bool fixed);
EtsObject *store_replace(EtsStore *s, EtsObject *o, Term tuple);
static inline bool store_is_tree(const EtsStore *s) { return s->type == ETS_ORDERED_SET; }
size_t store_memory_words(const EtsStore *s);

/* --- tables (table.c) ----------------------------------------------------------------------------------- */
typedef enum { ACCESS_INFO, ACCESS_READ, ACCESS_WRITE } EtsAccess;
/* The live table that id names, locked for reading (or for writing when `write`); NULL after a badarg with its
 * cause. */
Table *table_get(Proc *p, Term id, EtsAccess access, bool write);
/* As above, without an exception: *cause says why not (A_id, A_access, A_type). */
Table *table_find(Proc *p, Term id, EtsAccess access, bool write, Term *cause);
static inline void table_read_unlock(Table *t) { read_unlock(&t->lock); }
static inline void table_write_unlock(Table *t) { write_unlock(&t->lock); }
static inline bool table_is_fixed(const Table *t) { return t->fixes != NULL; }
/* The name of a named table, else its reference on p's heap. */
Term table_id(Proc *p, const Table *t);
bool table_names_collide(Term a, Term b); /* they stand in the same shard of the table of names */
Magic *table_magic_of(Term id); /* NULL: not a table reference */
static inline Table *magic_table(Magic *m) { return m->data; }

typedef struct TableOptions {
    EtsType type;
    EtsProtection protection;
    unsigned keypos;
    bool named, compressed, read_concurrency, decentralized_counters;
    Term write_concurrency, debug_locks;
    Term heir, heir_data;
} TableOptions;
/* Returns the table (alive, unlocked, owned by p), or NULL when the name is taken. */
Table *table_create(Proc *p, Term name, const TableOptions *o);
/* A write-locked table dies: out of all lists, its storage moved to *rest; unlocks. The caller frees the storage. */
void table_kill(Table *t, EtsStore *rest);
/* The magic reference that frees a detached storage, and its storage: for freeing across slices. */
Magic *store_magic_new(EtsStore *rest);
EtsStore *store_magic_of(Term ref);
/* Renames a table that is not locked (the caller holds a reference). False: the name is taken, or t has died. */
bool table_rename(Table *t, Term name);
/* Sets the heir of a write-locked table, copying data. */
void table_set_heir(Table *t, Term heir, Term data);
bool table_has_heir(const Table *t); /* and it lives */
/* Gives a write-locked table to another live process. */
void table_set_owner(Table *t, Term owner);
/* Fixing by a process; t is write-locked. Unfixing purges what is dead. */
void table_fix(Table *t, Term pid);
void table_unfix(Table *t, Term pid);
/* Calls fn for every live table with the list locked: fn must not lock tables. */
void table_each(void (*fn)(Table *t, void *arg), void *arg);
