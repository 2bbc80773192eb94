/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tree storage of ordered_set: an AVL tree over keys in term order, where 1 and 1.0 are one key. A node keeps its
 * height, so balance is a subtraction and a check of the tree is plain. There are no parent links: operations
 * keep the links they came through.
 */
#include "vm/ets/table.h"
#include "vm/vm.h"

#define NODE_COUNT_MASK (((uint64_t)1 << 56) - 1)

static int node_height(const TreeNode *n) { return n ? (int)n->height : 0; }
static size_t node_count(const TreeNode *n) { return n ? n->count : 0; }

static void node_update(TreeNode *n)
{
    int l = node_height(n->link[0]), r = node_height(n->link[1]);
    n->height = (uint64_t)((l > r ? l : r) + 1) & 0xff;
    n->count = (node_count(n->link[0]) + node_count(n->link[1]) + 1) & NODE_COUNT_MASK;
}

/* Turns so that the child on `side` comes up. Returns the new top. */
static TreeNode *node_rotate(TreeNode *n, int side)
{
    TreeNode *up = n->link[side];
    n->link[side] = up->link[!side];
    up->link[!side] = n;
    node_update(n);
    node_update(up);
    return up;
}

static void node_balance(TreeNode **at)
{
    TreeNode *n = *at;
    int lean = node_height(n->link[1]) - node_height(n->link[0]);
    if (lean >= -1 && lean <= 1) {
        node_update(n);
        return;
    }
    int heavy = lean > 0;
    TreeNode *child = n->link[heavy];
    if (node_height(child->link[!heavy]) > node_height(child->link[heavy])) {
        n->link[heavy] = node_rotate(child, !heavy);
    }
    *at = node_rotate(n, heavy);
}

/* Order for a search: any negative or positive number. Keys are small integers most of the time. */
static inline int64_t key_order(Term a, Term b)
{
    if (__builtin_expect(is_both_small(a, b), 1)) {
        return small_value(a) - small_value(b);
    }
    return term_compare(a, b);
}

/* The links from the root to the key's place; the last one is the key's node or NULL. */
typedef struct TreePath {
    TreeNode **link[TREE_MAX_HEIGHT];
    int depth;
} TreePath;

static void path_push(TreePath *path, TreeNode **at)
{
    vm_assert(path->depth < TREE_MAX_HEIGHT);
    path->link[path->depth++] = at;
}

static TreeNode *path_find(TreePath *path, EtsStore *s, Term key)
{
    path->depth = 0;
    TreeNode **at = &s->u.tree.root;
    path_push(path, at);
    while (*at) {
        int64_t c = key_order(key, (*at)->key);
        if (c == 0) {
            return *at;
        }
        at = &(*at)->link[c > 0];
        path_push(path, at);
    }
    return NULL;
}

/* After one node was added or removed (delta) below the last link: its ancestors count it, and those whose height
 * changes are balanced. Only these look at their other child, and an insertion has about two of them. */
static void path_balance(TreePath *path, int delta)
{
    bool settled = false;
    path->depth--; /* what the last link leads to is in order */
    while (path->depth > 0) {
        TreeNode **at = path->link[--path->depth];
        if (settled) {
            (*at)->count = ((*at)->count + (uint64_t)(int64_t)delta) & NODE_COUNT_MASK;
        } else {
            unsigned height = (*at)->height;
            node_balance(at);
            settled = (*at)->height == height;
        }
    }
}

TreeNode *tree_find(const EtsStore *s, Term key)
{
    TreeNode *n = s->u.tree.root;
    while (n) {
        int64_t c = key_order(key, n->key);
        if (c == 0) {
            return n;
        }
        n = n->link[c > 0];
    }
    return NULL;
}

static size_t node_words(const TreeNode *n) { return sizeof(TreeNode) / sizeof(Word) + n->o.words; }

static TreeNode *node_new(EtsStore *s, Term tuple)
{
    TreeNode *n = object_new(sizeof(TreeNode), tuple);
    n->key = object_key(s, &n->o);
    n->link[0] = n->link[1] = NULL;
    n->height = n->count = 1;
    s->words += node_words(n);
    return n;
}

static void node_free(EtsStore *s, TreeNode *n)
{
    s->words -= node_words(n);
    object_free(&n->o);
}

static TreeNode *node_put_in_place(EtsStore *s, TreeNode **at, Term tuple)
{
    TreeNode *old = *at;
    TreeNode *n = node_new(s, tuple);
    s->u.tree.version++;
    n->link[0] = old->link[0];
    n->link[1] = old->link[1];
    n->height = old->height;
    n->count = old->count;
    *at = n;
    node_free(s, old);
    return n;
}

void tree_insert(EtsStore *s, Term tuple)
{
    TreePath path;
    TreeNode *n = path_find(&path, s, tuple_elements(tuple)[s->keypos - 1]);
    TreeNode **at = path.link[path.depth - 1];
    if (n) {
        node_put_in_place(s, at, tuple);
        return;
    }
    *at = node_new(s, tuple);
    s->u.tree.version++;
    s->count++;
    path_balance(&path, 1);
}

TreeNode *tree_replace(EtsStore *s, TreeNode *n, Term tuple)
{
    TreePath path;
    TreeNode *found = path_find(&path, s, n->key);
    vm_assert(found == n);
    return node_put_in_place(s, path.link[path.depth - 1], tuple);
}

bool tree_remove(EtsStore *s, Term key)
{
    TreePath path;
    TreeNode *n = path_find(&path, s, key);
    if (!n) {
        return false;
    }
    s->u.tree.version++;
    int place = path.depth - 1;
    TreeNode **at = path.link[place];
    if (n->link[0] && n->link[1]) {
        /* The next greater node takes its place. */
        TreeNode **next = &n->link[1];
        path_push(&path, next);
        while ((*next)->link[0]) {
            next = &(*next)->link[0];
            path_push(&path, next);
        }
        TreeNode *heir = *next;
        *next = heir->link[1];
        heir->link[0] = n->link[0];
        heir->link[1] = n->link[1];
        heir->height = n->height;
        heir->count = n->count;
        *at = heir;
        path.link[place + 1] = &heir->link[1]; /* was n's */
    } else {
        *at = n->link[0] ? n->link[0] : n->link[1];
    }
    s->count--;
    node_free(s, n);
    path_balance(&path, -1);
    return true;
}

TreeNode *tree_edge(const EtsStore *s, int side)
{
    TreeNode *n = s->u.tree.root;
    while (n && n->link[side]) {
        n = n->link[side];
    }
    return n;
}

TreeNode *tree_at(const EtsStore *s, size_t index)
{
    TreeNode *n = s->u.tree.root;
    for (;;) {
        size_t before = node_count(n->link[0]);
        if (index == before) {
            return n;
        }
        if (index < before) {
            n = n->link[0];
        } else {
            index -= before + 1;
            n = n->link[1];
        }
    }
}

static void walk_push(TreeWalk *w, TreeNode *n)
{
    vm_assert(w->depth < TREE_MAX_HEIGHT);
    w->path[w->depth++] = n;
}

static void walk_descend(TreeWalk *w, TreeNode *n)
{
    for (; n; n = n->link[!w->side]) {
        walk_push(w, n);
    }
}

void tree_walk_start(TreeWalk *w, const EtsStore *s, int side)
{
    w->depth = 0;
    w->side = side;
    walk_descend(w, s->u.tree.root);
}

void tree_walk_beyond(TreeWalk *w, const EtsStore *s, int side, Term key)
{
    w->depth = 0;
    w->side = side;
    TreeNode *n = s->u.tree.root;
    while (n) {
        int c = term_compare(n->key, key);
        if (side ? c > 0 : c < 0) {
            walk_push(w, n);
            n = n->link[!side];
        } else {
            n = n->link[side];
        }
    }
}

void tree_walk_range(TreeWalk *w, const EtsStore *s, int side, TreeOrder order, Term bound)
{
    w->depth = 0;
    w->side = side;
    TreeNode *n = s->u.tree.root;
    while (n) {
        int c = order(n->key, bound);
        if (side ? c >= 0 : c <= 0) {
            walk_push(w, n);
            n = n->link[!side];
        } else {
            n = n->link[side];
        }
    }
}

TreeNode *tree_walk_next(TreeWalk *w)
{
    if (w->depth == 0) {
        return NULL;
    }
    TreeNode *n = w->path[--w->depth];
    walk_descend(w, n->link[w->side]);
    return n;
}

/*
 * A table is often walked key by key. The cursor remembers the way to the key that the last step gave, so that a step
 * from there need not begin at the root. Readers share the table: whoever takes the cursor has it alone, the others
 * search.
 */
typedef struct TreeCursor {
    TreeWalk walk; /* what comes after `last` */
    TreeNode *last;
    uint64_t version;
} TreeCursor;

TreeNode *tree_beyond(const EtsStore *s, Term key, int side)
{
    TreeCursor **shared = (TreeCursor **)(uintptr_t)&s->u.tree.cursor;
    TreeCursor *c = __atomic_exchange_n(shared, NULL, __ATOMIC_ACQUIRE);
    bool follows = c && c->last && c->version == s->u.tree.version && c->walk.side == side &&
                   term_compare(c->last->key, key) == 0;
    if (!follows) {
        c = c ? c : vm_alloc(sizeof *c);
        c->version = s->u.tree.version;
        tree_walk_beyond(&c->walk, s, side, key);
    }
    TreeNode *n = c->last = tree_walk_next(&c->walk);
    vm_free(__atomic_exchange_n(shared, c, __ATOMIC_ACQ_REL)); /* acquire: what another reader put there */
    return n;
}

bool tree_free_some(EtsStore *s, size_t budget)
{
    /* Rotates left children up until the top has none, then takes the top: no stack, about two steps a node. */
    TreeNode *n = s->u.tree.root;
    vm_free(s->u.tree.cursor);
    s->u.tree.cursor = NULL;
    while (n) {
        if (n->link[0]) {
            TreeNode *up = n->link[0];
            n->link[0] = up->link[1];
            up->link[1] = n;
            n = up;
            continue;
        }
        if (budget-- == 0) {
            s->u.tree.root = n;
            return false;
        }
        TreeNode *next = n->link[1];
        node_free(s, n);
        n = next;
    }
    s->u.tree.root = NULL;
    return true;
}

bool tree_check(const EtsStore *s)
{
    TreeWalk w;
    tree_walk_start(&w, s, 1);
    size_t count = 0;
    const TreeNode *before = NULL;
    for (TreeNode *n; (n = tree_walk_next(&w)); before = n, count++) {
        int l = node_height(n->link[0]), r = node_height(n->link[1]);
        if (l - r > 1 || r - l > 1 || (int)n->height != (l > r ? l : r) + 1 ||
            n->count != node_count(n->link[0]) + node_count(n->link[1]) + 1 ||
            (before && term_compare(before->key, n->key) >= 0)) {
            return false;
        }
    }
    return count == s->count;
}
