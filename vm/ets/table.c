/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables as things that have a name, an owner, fixations and an end. What they contain is store.c's business.
 */
#include "vm/ets/table.h"

#include "vm/ets/ets.h"
#include "vm/proc/clock.h"
#include "vm/proc/msg.h"
#include "vm/proc/safe.h"
#include "vm/vm.h"

enum { NAME_SHARDS = 256, OWNER_BUCKETS = 1024 };

/* What one process owns and has fixed. Exists while there is something. */
typedef struct Owner {
    struct Owner *next;
    Term pid;
    Table *tables;
    EtsFix *fixes;
} Owner;

/* The whole mutable state of ETS. All zero is its first state. */
static struct EtsState {
    struct NameShard {
        RwLock lock;
        Table *first;
    } names[NAME_SHARDS];
    RwLock registry; /* over all that follows */
    Owner *owners[OWNER_BUCKETS];
    Table *all;
    size_t count;
} ets;

/* --- identity ------------------------------------------------------------------------------------- */

/* Later: who looked it up by name may have got its lock just before it lost the name. */
static void table_destroy(Magic *m) { safe_free_later(m->data, vm_free); }
static const MagicKind table_kind = {"ets table", table_destroy};

Magic *table_magic_of(Term id) { return magic_of(id, &table_kind); }

Term table_id(Proc *p, const Table *t) { return t->named ? t->name : heap_magic_ref(p, t->magic); }

static struct NameShard *name_shard(Term name)
{
    return &ets.names[(atom_index(name) * 0x9e3779b1u) >> 24];
}
_Static_assert(NAME_SHARDS == 256, "name_shard() takes the top 8 bits");

bool table_names_collide(Term a, Term b) { return name_shard(a) == name_shard(b); }

static Table **name_link(struct NameShard *shard, Term name)
{
    Table **at = &shard->first;
    while (*at && (*at)->name != name) {
        at = &(*at)->name_next;
    }
    return at;
}

static void table_lock(Table *t, bool write)
{
    if (write) {
        write_lock(&t->lock);
    } else {
        read_lock(&t->lock);
    }
}

static void table_unlock(Table *t, bool write)
{
    if (write) {
        write_unlock(&t->lock);
    } else {
        read_unlock(&t->lock);
    }
}

static Table *table_lock_named(Term name, bool write)
{
    struct NameShard *shard = name_shard(name);
    read_lock(&shard->lock);
    Table *t = *name_link(shard, name);
    if (t) {
        table_lock(t, write);
    }
    read_unlock(&shard->lock);
    return t;
}

static bool table_allows(const Table *t, const Proc *p, EtsAccess access)
{
    switch (access) {
    case ACCESS_READ:
        return t->protection != ETS_PRIVATE || t->owner == p->id || (p->flags & PF_ETS_SUPER_USER);
    case ACCESS_WRITE:
        return t->protection == ETS_PUBLIC || t->owner == p->id || (p->flags & PF_ETS_SUPER_USER);
    default:
        return true;
    }
}

Table *table_find(Proc *p, Term id, EtsAccess access, bool write, Term *cause)
{
    Table *t = NULL;
    Magic *m = NULL;
    if (is_atom(id)) {
        t = table_lock_named(id, write);
    } else if ((m = table_magic_of(id))) {
        t = magic_table(m);
        table_lock(t, write);
    } else {
        *cause = A_type;
        return NULL;
    }
    if (!t) {
        *cause = A_id;
        return NULL;
    }
    bool alive = t->alive;
    if (alive && table_allows(t, p, access)) {
        return t;
    }
    table_unlock(t, write);
    *cause = alive ? A_access : A_id;
    return NULL;
}

Table *table_get(Proc *p, Term id, EtsAccess access, bool write)
{
    Term cause;
    Table *t = table_find(p, id, access, write, &cause);
    if (!t) {
        p_badarg_cause(p, cause);
    }
    return t;
}

/* --- owners: under the registry lock ---------------------------------------------------------------- */

static Owner **owner_link(Term pid)
{
    Owner **at = &ets.owners[(pid_number(pid) ^ pid_serial(pid)) % OWNER_BUCKETS];
    while (*at && (*at)->pid != pid) {
        at = &(*at)->next;
    }
    return at;
}

static Owner *owner_put(Term pid)
{
    Owner **at = owner_link(pid);
    if (!*at) {
        *at = vm_calloc(sizeof(Owner));
        (*at)->pid = pid;
    }
    return *at;
}

static void owner_drop_if_empty(Term pid)
{
    Owner **at = owner_link(pid);
    Owner *o = *at;
    if (o && !o->tables && !o->fixes) {
        *at = o->next;
        vm_free(o);
    }
}

static void owned_link(Table *t, Term pid)
{
    Owner *o = owner_put(pid);
    t->owned_next = o->tables;
    t->owned_prev = &o->tables;
    if (o->tables) {
        o->tables->owned_prev = &t->owned_next;
    }
    o->tables = t;
}

static void owned_unlink(Table *t)
{
    if (t->owned_prev) {
        *t->owned_prev = t->owned_next;
        if (t->owned_next) {
            t->owned_next->owned_prev = t->owned_prev;
        }
        t->owned_prev = NULL;
    }
}

static void fix_unlink(EtsFix *f)
{
    if (f->owner_prev) {
        *f->owner_prev = f->owner_next;
        if (f->owner_next) {
            f->owner_next->owner_prev = f->owner_prev;
        }
        f->owner_prev = NULL;
    }
}

/* --- birth ------------------------------------------------------------------------------------------- */

/* Puts t's name into its shard; false when it is taken. */
static bool name_put(Table *t)
{
    struct NameShard *shard = name_shard(t->name);
    write_lock(&shard->lock);
    Table **at = name_link(shard, t->name);
    bool fresh = !*at;
    if (fresh) {
        t->name_next = NULL;
        *at = t;
    }
    write_unlock(&shard->lock);
    return fresh;
}

static void name_remove(Table *t)
{
    struct NameShard *shard = name_shard(t->name);
    write_lock(&shard->lock);
    Table **at = name_link(shard, t->name);
    vm_assert(*at == t);
    *at = t->name_next;
    write_unlock(&shard->lock);
}

Table *table_create(Proc *p, Term name, const TableOptions *o)
{
    Table *t = vm_calloc(sizeof(Table));
    t->name = name;
    t->named = o->named;
    t->lock.word = -1; /* held until it is complete: its name is public before */
    if (o->named && !name_put(t)) {
        vm_free(t);
        return NULL;
    }
    t->compressed = o->compressed;
    t->read_concurrency = o->read_concurrency;
    t->write_concurrency = o->write_concurrency;
    t->debug_locks = o->debug_locks;
    t->decentralized_counters = o->decentralized_counters;
    t->protection = o->protection;
    t->owner = p->id;
    t->heir = A_none;
    table_set_heir(t, o->heir, o->heir_data);
    store_init(&t->store, o->type, o->keypos);
    t->magic = magic_new(&table_kind, t);
    magic_retain(t->magic); /* its own, until it dies */
    t->alive = true;
    write_lock(&ets.registry);
    t->all_next = ets.all;
    t->all_prev = &ets.all;
    if (ets.all) {
        ets.all->all_prev = &t->all_next;
    }
    ets.all = t;
    ets.count++;
    owned_link(t, p->id);
    write_unlock(&ets.registry);
    write_unlock(&t->lock);
    return t;
}

void table_set_heir(Table *t, Term heir, Term data)
{
    if (t->heir_frag) {
        frag_free(t->heir_frag);
        t->heir_frag = NULL;
    }
    const Proc *p = heir == A_none ? NULL : proc_lookup(heir);
    t->heir = heir;
    t->heir_started_ns = p ? p->started_ns : 0;
    t->heir_data = NIL;
    if (heir != A_none) {
        size_t words = term_size_whole(data);
        HeapFrag *f = frag_new(words);
        Term *hp = f->mem;
        t->heir_data = term_copy_whole(data, &hp, &f->off_heap);
        f->used = (size_t)(hp - f->mem);
        t->heir_frag = f;
    }
}

bool table_has_heir(const Table *t)
{
    const Proc *p = t->heir == A_none ? NULL : proc_lookup(t->heir);
    return p && p->started_ns == t->heir_started_ns;
}

void table_set_owner(Table *t, Term owner)
{
    write_lock(&ets.registry);
    owned_unlink(t);
    owner_drop_if_empty(t->owner);
    t->owner = owner;
    owned_link(t, owner);
    write_unlock(&ets.registry);
}

bool table_rename(Table *t, Term name)
{
    /* The shards of both names, in address order, then the table: the name changes under all three. */
    read_lock(&t->lock);
    Term old = t->name;
    read_unlock(&t->lock);
    struct NameShard *a = name_shard(old), *b = name_shard(name);
    struct NameShard *first = a < b ? a : b, *second = a < b ? b : a;
    write_lock(&first->lock);
    if (first != second) {
        write_lock(&second->lock);
    }
    write_lock(&t->lock);
    bool done = t->alive && t->name == old && (!t->named || !*name_link(b, name));
    if (done && t->named) {
        *name_link(a, old) = t->name_next;
    }
    if (done) {
        t->name = name;
    }
    if (done && t->named) {
        t->name_next = NULL;
        *name_link(b, name) = t;
    }
    write_unlock(&t->lock);
    if (first != second) {
        write_unlock(&second->lock);
    }
    write_unlock(&first->lock);
    return done;
}

/* --- death ---------------------------------------------------------------------------------------------- */

void table_kill(Table *t, EtsStore *rest)
{
    t->alive = false; /* whoever set this does the rest: nobody else gets past the check */
    *rest = t->store;
    t->store = (EtsStore){.type = rest->type, .keypos = rest->keypos};
    EtsFix *fixes = t->fixes;
    t->fixes = NULL;
    HeapFrag *heir = t->heir_frag;
    t->heir_frag = NULL;
    write_unlock(&t->lock);
    if (t->named) {
        name_remove(t);
    }
    write_lock(&ets.registry);
    owned_unlink(t);
    *t->all_prev = t->all_next;
    if (t->all_next) {
        t->all_next->all_prev = t->all_prev;
    }
    ets.count--;
    while (fixes) {
        EtsFix *f = fixes;
        fixes = f->next;
        fix_unlink(f);
        owner_drop_if_empty(f->pid);
        vm_free(f);
    }
    owner_drop_if_empty(t->owner);
    write_unlock(&ets.registry);
    if (heir) {
        frag_free(heir);
    }
    magic_release(t->magic);
}

static void store_destroy(Magic *m)
{
    store_free_some(m->data, SIZE_MAX);
    vm_free(m->data);
}
static const MagicKind store_kind = {"ets storage", store_destroy};

Magic *store_magic_new(EtsStore *rest)
{
    EtsStore *s = vm_alloc(sizeof *s);
    *s = *rest;
    return magic_new(&store_kind, s);
}

EtsStore *store_magic_of(Term ref)
{
    Magic *m = magic_of(ref, &store_kind);
    return m ? m->data : NULL;
}

/* --- fixing ------------------------------------------------------------------------------------------------ */

void table_fix(Table *t, Term pid)
{
    if (!t->fixes) {
        t->fixed_mono_ns = clock_monotonic_ns();
        t->fixed_wall_ns = clock_system_ns();
    }
    for (EtsFix *f = t->fixes; f; f = f->next) {
        if (f->pid == pid) {
            f->count++;
            return;
        }
    }
    EtsFix *f = vm_calloc(sizeof *f);
    f->table = t;
    f->pid = pid;
    f->count = 1;
    f->next = t->fixes;
    t->fixes = f;
    write_lock(&ets.registry);
    Owner *o = owner_put(pid);
    f->owner_next = o->fixes;
    f->owner_prev = &o->fixes;
    if (o->fixes) {
        o->fixes->owner_prev = &f->owner_next;
    }
    o->fixes = f;
    write_unlock(&ets.registry);
}

static void table_drop_fix(Table *t, Term pid, bool all)
{
    EtsFix **at = &t->fixes;
    while (*at && (*at)->pid != pid) {
        at = &(*at)->next;
    }
    EtsFix *f = *at;
    if (!f || (!all && --f->count > 0)) {
        return;
    }
    *at = f->next;
    write_lock(&ets.registry);
    fix_unlink(f);
    owner_drop_if_empty(pid);
    write_unlock(&ets.registry);
    vm_free(f);
    if (!t->fixes && !store_is_tree(&t->store)) {
        hash_purge(&t->store);
    }
}

void table_unfix(Table *t, Term pid) { table_drop_fix(t, pid, false); }

/* --- the end of a process ------------------------------------------------------------------------------------ */

/* A table that pid has fixed, retained and out of pid's list; NULL when there is none left. */
static Table *owner_pop_fixed(Term pid)
{
    Table *t = NULL;
    write_lock(&ets.registry);
    Owner *o = *owner_link(pid);
    if (o && o->fixes) {
        t = o->fixes->table;
        magic_retain(t->magic);
        fix_unlink(o->fixes);
    }
    write_unlock(&ets.registry);
    return t;
}

static Table *owner_pop_owned(Term pid)
{
    Table *t = NULL;
    write_lock(&ets.registry);
    Owner *o = *owner_link(pid);
    if (o && o->tables) {
        t = o->tables;
        magic_retain(t->magic);
        owned_unlink(t);
    }
    write_unlock(&ets.registry);
    return t;
}

/* {'ETS-TRANSFER', Table, From, Data} to the heir, which lives. t is write-locked. */
static void table_send_to_heir(Table *t, Term heir, Term from)
{
    HeapFrag *f = frag_new(TUPLE_WORDS(4) + REF_MAGIC_WORDS + term_size_whole(t->heir_data));
    Term *hp = f->mem;
    Term *tuple = hp;
    hp += TUPLE_WORDS(4);
    tuple[0] = MAKE_HEADER(4, SUB_TUPLE);
    tuple[1] = A_ETS_TRANSFER;
    tuple[2] = t->named ? t->name : build_magic_ref(&hp, &f->off_heap, t->magic);
    tuple[3] = from;
    tuple[4] = term_copy_whole(t->heir_data, &hp, &f->off_heap);
    f->used = (size_t)(hp - f->mem);
    msg_send_frag(heir, make_boxed(tuple), f);
}

/* The owner of a write-locked table is gone. Unlocks. */
static void table_bequeath(Table *t, Term from)
{
    Term heir = t->heir;
    if (heir != from && table_has_heir(t)) {
        write_lock(&ets.registry);
        t->owner = heir;
        owned_link(t, heir);
        write_unlock(&ets.registry);
        table_send_to_heir(t, heir, from);
        write_unlock(&t->lock);
        return;
    }
    EtsStore rest;
    table_kill(t, &rest);
    store_free_some(&rest, SIZE_MAX);
}

void ets_owner_exit(Proc *p)
{
    Term pid = p->id;
    Table *t;
    while ((t = owner_pop_fixed(pid))) {
        write_lock(&t->lock);
        if (t->alive) {
            table_drop_fix(t, pid, true);
        }
        write_unlock(&t->lock);
        magic_release(t->magic);
    }
    while ((t = owner_pop_owned(pid))) {
        write_lock(&t->lock);
        if (t->alive && t->owner == pid) {
            table_bequeath(t, pid);
        } else {
            write_unlock(&t->lock);
        }
        magic_release(t->magic);
    }
    write_lock(&ets.registry);
    owner_drop_if_empty(pid);
    write_unlock(&ets.registry);
}

/* --- all tables ------------------------------------------------------------------------------------------------ */

void table_each(void (*fn)(Table *t, void *arg), void *arg)
{
    read_lock(&ets.registry);
    for (Table *t = ets.all; t; t = t->all_next) {
        fn(t, arg);
    }
    read_unlock(&ets.registry);
}

size_t ets_table_count(void) { return __atomic_load_n(&ets.count, __ATOMIC_RELAXED); }

static void add_words(Table *t, void *arg)
{
    *(size_t *)arg += sizeof(Table) / sizeof(Word) + store_memory_words(&t->store);
}

size_t ets_memory_words(void)
{
    size_t words = 0;
    table_each(add_words, &words);
    return words;
}
