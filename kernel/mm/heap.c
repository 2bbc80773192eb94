/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See heap.h. A slab is a naturally aligned block of 16 or 64 KiB: a header, then objects of one size. Slabs with room
 * stand in a ring per size class; full ones in none; an empty one goes back unless it is the last with room.
 *
 * In front of the slabs each processor keeps a few free objects of each size for itself: it takes and gives those
 * without the lock, and fetches or returns half a stock at a time under it. Nothing can come in between: a handler
 * allocates nothing, and a processor runs one thread.
 */
#include "kernel/mm/heap.h"

#include "kernel/acpi/acpi.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/mm/area.h"
#include "kernel/mm/phys.h"
#include "kernel/panic/panic.h"
#include "kernel/smp/lock.h"

enum { CLASS_COUNT = 32, SLAB_MAX_OBJECT = 8192, SLAB_HEADER = 64, AREA_MIN_BYTES = 65536 };
enum { STOCK_BYTES = 4096, STOCK_MOST = 32 }; /* of one size, that a processor keeps; larger objects it keeps none of */
enum { SMALL_SLAB_ORDER = 2, LARGE_SLAB_ORDER = 4, SMALL_SLAB_OBJECT = 512, FINE_LIMIT = 1024 };

static const uint16_t class_sizes[CLASS_COUNT] = {
    16,  32,  48,  64,  80,  96,   112,  128,  160,  192,  224,  256,  320,  384,  448,  512,
    640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192,
};

typedef struct Slab {
    struct Slab *next, *prev; /* in the class's ring, while there is room */
    void *free;               /* list of freed objects */
    uint32_t used, capacity;  /* objects handed out, objects in all */
    uint32_t fresh;           /* objects from this index on were never handed out */
    uint32_t size;            /* of an object */
} Slab;
_Static_assert(sizeof(Slab) <= SLAB_HEADER, "slab header");

/* Free objects, linked through their first words. */
typedef struct Stock {
    void *free;
    unsigned count;
} Stock;

static struct Heap {
    Slab rings[CLASS_COUNT];
    Stock stocks[ACPI_CPUS][CLASS_COUNT];
    uint8_t fine[FINE_LIMIT / 16 + 1];                /* class of (bytes + 15) / 16 */
    uint8_t coarse[SLAB_MAX_OBJECT / 128 + 1];        /* class of (bytes + 127) / 128 */
    bool ready;
    HeapStats stats;
} heap;

static void heap_start(void)
{
    unsigned c = 0;
    for (unsigned i = 0; i <= FINE_LIMIT / 16; i++) {
        c += i * 16 > class_sizes[c];
        heap.fine[i] = (uint8_t)c;
    }
    c = 0;
    for (unsigned i = 0; i <= SLAB_MAX_OBJECT / 128; i++) {
        while (i * 128 > class_sizes[c]) {
            c++;
        }
        heap.coarse[i] = (uint8_t)c;
    }
    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        heap.rings[i].next = heap.rings[i].prev = &heap.rings[i];
    }
    heap.ready = true;
}

static unsigned class_of(size_t bytes)
{
    return bytes <= FINE_LIMIT ? heap.fine[(bytes + 15) / 16] : heap.coarse[(bytes + 127) / 128];
}

static unsigned slab_order(unsigned size_class)
{
    return class_sizes[size_class] <= SMALL_SLAB_OBJECT ? SMALL_SLAB_ORDER : LARGE_SLAB_ORDER;
}

static void ring_add(Slab *ring, Slab *slab)
{
    slab->next = ring->next;
    slab->prev = ring;
    ring->next->prev = slab;
    ring->next = slab;
}

static void ring_remove(Slab *slab)
{
    slab->next->prev = slab->prev;
    slab->prev->next = slab->next;
    slab->next = slab->prev = NULL;
}

static Slab *slab_new(unsigned size_class)
{
    unsigned order = slab_order(size_class);
    Slab *slab = phys_alloc_order(order);
    if (slab == NULL) {
        return NULL;
    }
    Page *page = phys_page(slab);
    for (unsigned i = 0; i < 1u << order; i++) {
        page[i].kind = i == 0 ? PAGE_SLAB : PAGE_SLAB_TAIL;
        page[i].order = (uint8_t)order;
        page[i].size_class = (uint16_t)size_class;
    }
    uint32_t size = class_sizes[size_class];
    *slab = (Slab){.size = size, .capacity = (uint32_t)(((PAGE_SIZE << order) - SLAB_HEADER) / size)};
    ring_add(&heap.rings[size_class], slab);
    heap.stats.slab_pages += 1u << order;
    return slab;
}

static void slab_delete(Slab *slab, Page *page)
{
    unsigned pages = 1u << page->order;
    ring_remove(slab);
    for (unsigned i = 0; i < pages; i++) {
        page[i].kind = PAGE_NONE;
    }
    page->kind = PAGE_RUN;
    page->count = pages;
    heap.stats.slab_pages -= pages;
    phys_free(slab);
}

static void *slab_take(unsigned size_class)
{
    Slab *slab = heap.rings[size_class].next;
    if (slab == &heap.rings[size_class]) {
        slab = slab_new(size_class);
        if (slab == NULL) {
            return NULL;
        }
    }
    void *object = slab->free;
    if (object != NULL) {
        slab->free = *(void **)object;
    } else {
        object = (uint8_t *)slab + SLAB_HEADER + (size_t)slab->fresh++ * slab->size;
    }
    if (++slab->used == slab->capacity) {
        ring_remove(slab);
    }
    return object;
}

static void slab_give(void *mem, Page *page)
{
    size_t slab_bytes = (size_t)PAGE_SIZE << page->order;
    Slab *slab = (Slab *)((uint64_t)mem & ~(uint64_t)(slab_bytes - 1));
    if (slab->used == 0 || ((uint8_t *)mem - (uint8_t *)slab - SLAB_HEADER) % slab->size != 0) {
        panic("kfree: %p is no block", mem);
    }
    Page *head = phys_page(slab);
    Slab *ring = &heap.rings[head->size_class];
    *(void **)mem = slab->free;
    slab->free = mem;
    if (slab->used-- == slab->capacity) {
        ring_add(ring, slab);
    }
    if (slab->used == 0 && ring->next != ring->prev) {
        slab_delete(slab, head);
    }
}

/* --- stocks ------------------------------------------------------------------------------------------------------- */
static unsigned stock_limit(unsigned size_class)
{
    unsigned n = STOCK_BYTES / class_sizes[size_class];
    return n < STOCK_MOST ? n : STOCK_MOST;
}

static void *stock_take(unsigned size_class)
{
    Stock *s = &heap.stocks[cpu_index()][size_class];
    void *object = s->free;
    if (object != NULL) {
        s->free = *(void **)object;
        s->count--;
        return object;
    }
    MM_LOCKED();
    object = slab_take(size_class);
    for (unsigned i = stock_limit(size_class) / 2; i > 0 && object != NULL; i--) {
        void *more = slab_take(size_class);
        if (more == NULL) {
            break;
        }
        *(void **)more = s->free;
        s->free = more;
        s->count++;
    }
    return object;
}

static void stock_shrink(Stock *s, unsigned count)
{
    for (; s->count > count; s->count--) {
        void *object = s->free;
        s->free = *(void **)object;
        slab_give(object, phys_page(object));
    }
}

static void stock_give(void *mem, unsigned size_class)
{
    Stock *s = &heap.stocks[cpu_index()][size_class];
    unsigned limit = stock_limit(size_class);
    if (s->count < limit) {
        *(void **)mem = s->free;
        s->free = mem;
        s->count++;
        return;
    }
    MM_LOCKED();
    slab_give(mem, phys_page(mem));
    stock_shrink(s, limit / 2);
}

void kheap_trim(void)
{
    MM_LOCKED();
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        stock_shrink(&heap.stocks[cpu_index()][c], 0);
    }
}

/* --- runs --------------------------------------------------------------------------------------------------------- */
/* Single pages in an area: for blocks larger than any run that is left. */
static void *area_run_new(size_t pages)
{
    void *start = area_reserve(pages * PAGE_SIZE);
    if (start == NULL) {
        return NULL;
    }
    if (!area_commit(start, pages * PAGE_SIZE)) {
        area_release(start, pages * PAGE_SIZE);
        return NULL;
    }
    uint64_t first;
    paging_translate(start, &first);
    phys_page(phys_to_virt(first))->count = (uint32_t)pages; /* kind stays PAGE_RUN: area_release frees page by page */
    heap.stats.area_pages += pages;
    return start;
}

/* area_decommit frees frames one by one, so each must be a run of one page again. */
static size_t area_run_pages(const void *mem, bool reset)
{
    uint64_t first;
    if (((uint64_t)mem & (PAGE_SIZE - 1)) != 0 || !paging_translate(mem, &first)) {
        panic("kfree: %p is no block", mem);
    }
    Page *page = phys_page(phys_to_virt(first));
    size_t pages = page->count;
    if (reset) {
        page->count = 1;
    }
    return pages;
}

static void *run_new(size_t bytes)
{
    MM_LOCKED();
    size_t pages = (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
    void *run = phys_alloc(pages);
    if (run != NULL) {
        heap.stats.run_pages += pages;
        return run;
    }
    return bytes >= AREA_MIN_BYTES && pages <= phys_free_pages() ? area_run_new(pages) : NULL;
}

static void *block_new(size_t bytes)
{
    return bytes <= SLAB_MAX_OBJECT ? stock_take(class_of(bytes)) : run_new(bytes);
}

void *kmalloc(size_t bytes)
{
    if (!heap.ready) {
        heap_start();
    }
    if (bytes == 0 || bytes > SIZE_MAX / 2) {
        return NULL;
    }
    void *mem = block_new(bytes);
    if (mem == NULL) {
        kheap_trim();
        mem = block_new(bytes);
    }
    return mem;
}

void *kcalloc(size_t bytes)
{
    void *mem = kmalloc(bytes);
    if (mem != NULL) {
        memset(mem, 0, bytes);
    }
    return mem;
}

static Page *block_page(const void *mem)
{
    Page *page = phys_page(mem);
    bool run = page != NULL && page->kind == PAGE_RUN && ((uint64_t)mem & (PAGE_SIZE - 1)) == 0;
    if (page == NULL || (!run && page->kind != PAGE_SLAB && page->kind != PAGE_SLAB_TAIL)) {
        panic("kfree: %p is no block", mem);
    }
    return page;
}

static void run_free(void *mem)
{
    MM_LOCKED();
    if (is_direct(mem)) {
        heap.stats.run_pages -= block_page(mem)->count;
        phys_free(mem);
        return;
    }
    size_t pages = area_run_pages(mem, true);
    heap.stats.area_pages -= pages;
    area_release(mem, pages * PAGE_SIZE);
}

void kfree(void *mem)
{
    if (mem == NULL) {
        return;
    }
    const Page *page = is_direct(mem) ? block_page(mem) : NULL;
    if (page == NULL || page->kind == PAGE_RUN) {
        run_free(mem);
    } else {
        stock_give(mem, page->size_class);
    }
}

size_t kmalloc_size(const void *mem)
{
    MM_LOCKED();
    if (!is_direct(mem)) {
        return area_run_pages(mem, false) * PAGE_SIZE;
    }
    const Page *page = block_page(mem);
    return page->kind == PAGE_RUN ? (size_t)page->count * PAGE_SIZE : class_sizes[page->size_class];
}

static void run_shrink(void *mem, size_t have, size_t pages)
{
    MM_LOCKED();
    heap.stats.run_pages -= have / PAGE_SIZE - pages;
    phys_shrink(mem, pages);
}

void *krealloc(void *mem, size_t bytes)
{
    if (mem == NULL) {
        return kmalloc(bytes);
    }
    size_t have = kmalloc_size(mem);
    if (bytes <= have && (bytes > have / 2 || have <= 64)) {
        return mem;
    }
    if (bytes < have && bytes > SLAB_MAX_OBJECT && is_direct(mem)) {
        run_shrink(mem, have, (bytes + PAGE_SIZE - 1) / PAGE_SIZE);
        return mem;
    }
    void *fresh = kmalloc(bytes);
    if (fresh == NULL) {
        return NULL;
    }
    memcpy(fresh, mem, bytes < have ? bytes : have);
    kfree(mem);
    return fresh;
}

void kheap_stats(HeapStats *stats)
{
    MM_LOCKED();
    *stats = heap.stats;
    stats->total_bytes = phys_total_pages() * PAGE_SIZE;
    stats->free_bytes = phys_free_pages() * PAGE_SIZE;
}

void kheap_check(void)
{
    MM_LOCKED();
    for (unsigned c = 0; heap.ready && c < CLASS_COUNT; c++) {
        for (Slab *s = heap.rings[c].next; s != &heap.rings[c]; s = s->next) {
            uint32_t freed = 0;
            for (void *object = s->free; object != NULL; object = *(void **)object) {
                freed++;
            }
            if (s->next->prev != s || s->size != class_sizes[c] || s->used + freed != s->fresh ||
                s->used >= s->capacity) {
                panic("heap: slab %p of size %u is damaged", (void *)s, s->size);
            }
        }
    }
}
