/* SPDX-License-Identifier: Apache-2.0 */
/* See selftest.h. Each check is a function that returns NULL, or what went wrong. */
#include "kernel/selftest.h"

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/lapic.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/files.h"
#include "kernel/irq/irq.h"
#include "kernel/log.h"
#include "kernel/main.h"
#include "kernel/mm/area.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/phys.h"
#include "kernel/panic/panic.h"
#include "kernel/panic/symbols.h"
#include "kernel/power.h"
#include "kernel/time/clock.h"
#include "lib/fmt.h"

enum { HEAP_SLOTS = 512, HEAP_ROUNDS = 40000, MS = 1000000 };

extern uint8_t kernel_text_start[], kernel_rodata_start[], kernel_data_start[];

static const char *check_fmt(void)
{
    char buf[64];
    fmt_buf(buf, sizeof buf, "%s|%5d|%-4u|%04x|%llX|%c|%zu|%.2s|%%", "a", -42, 7u, 0xbeefu, 0x1234567890abcdefULL, 'z',
            (size_t)9, "long");
    if (strcmp(buf, "a|  -42|7   |beef|1234567890ABCDEF|z|9|lo|%") != 0) {
        return buf[0] != '\0' ? "formatted text differs" : "nothing was formatted";
    }
    return fmt_buf(buf, 4, "abcdef") == 6 && strcmp(buf, "abc") == 0 ? NULL : "a cut text is wrong";
}

static const char *check_sha256(void)
{
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX + 1];
    sha256_of("abc", 3, digest);
    sha256_to_hex(digest, hex);
    return strcmp(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad") == 0 ? NULL : "abc";
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Mostly small, some to a few hundred KiB. */
static size_t random_size(uint64_t *seed)
{
    uint64_t r = next_random(seed);
    unsigned kind = r % 16;
    return 1 + (size_t)((r >> 8) % (kind < 12 ? 600 : kind < 15 ? 9000 : 300000));
}

static bool is_filled(const uint8_t *mem, size_t size, uint8_t with)
{
    return mem[0] == with && mem[size / 2] == with && mem[size - 1] == with;
}

/* Random allocations, each filled with its own byte; none may touch another, and all pages must come back. */
static const char *check_heap(void)
{
    static struct {
        uint8_t *mem;
        size_t size;
    } slots[HEAP_SLOTS];
    uint64_t seed = 88172645463325252u;
    size_t before = phys_free_pages();
    for (unsigned i = 0; i < HEAP_ROUNDS; i++) {
        unsigned s = next_random(&seed) % HEAP_SLOTS;
        uint8_t with = (uint8_t)(s * 7 + 1);
        size_t size = random_size(&seed);
        if (slots[s].mem != NULL && !is_filled(slots[s].mem, slots[s].size, with)) {
            return "a block was overwritten";
        }
        if (slots[s].mem != NULL && i % 3 != 0) {
            kfree(slots[s].mem);
            slots[s].mem = NULL;
            continue;
        }
        size_t old = slots[s].mem != NULL ? slots[s].size : 0;
        uint8_t *mem = krealloc(slots[s].mem, size);
        if (mem == NULL || ((uint64_t)mem & 15) != 0) {
            return mem == NULL ? "out of memory" : "a block is not aligned";
        }
        if (old > 0 && (mem[0] != with || (old <= size && mem[old - 1] != with))) {
            return "krealloc lost bytes";
        }
        memset(mem, with, size);
        slots[s].mem = mem;
        slots[s].size = size;
    }
    kheap_check();
    for (unsigned s = 0; s < HEAP_SLOTS; s++) {
        kfree(slots[s].mem);
        slots[s].mem = NULL;
    }
    kheap_trim();
    kheap_check();
    return before - phys_free_pages() < 32 * 16 ? NULL : "pages were lost"; /* a slab of each class may stay */
}

/* A block of half of the memory that is free, when no run of that length is left. */
static const char *check_large(void)
{
    size_t want = phys_free_pages() / 2, before = phys_free_pages();
    void **chain = NULL;
    for (void **page; (page = phys_alloc(16)) != NULL; chain = page) { /* break everything into runs of 16 pages */
        *page = chain;
    }
    for (unsigned i = 0; chain != NULL; i++) {
        void **next = *chain;
        void *kept = i % 2 == 0 ? NULL : phys_alloc(1);
        phys_free(chain);
        if (kept != NULL) {
            phys_free(kept);
        }
        chain = next;
    }
    uint8_t *mem = kmalloc(want * PAGE_SIZE);
    if (mem == NULL) {
        return "no block of half the memory";
    }
    mem[0] = 1;
    mem[want * PAGE_SIZE - 1] = 2;
    mem = krealloc(mem, want * PAGE_SIZE / 3);
    if (mem == NULL || mem[0] != 1) {
        return "a large block lost bytes";
    }
    kfree(mem);
    return before - phys_free_pages() < want / 256 + 32 ? NULL : "pages were lost"; /* page tables of the area stay */
}

static const char *check_area(void)
{
    size_t size = (size_t)4 << 30;
    uint8_t *area = area_reserve(size);
    if (area == NULL || !area_commit(area + 4096, 8192) || !area_commit(area + size - 1, 1)) {
        return "4 GiB cannot be reserved and committed in part";
    }
    if (area[4096] != 0 || area[size - 1] != 0) {
        return "committed memory is not zero";
    }
    area[4096] = area[12287] = area[size - 1] = 1;
    bool hole = area_is_hole((uint64_t)area) && area_is_hole((uint64_t)area + size);
    area_release(area, size);
    return hole ? NULL : "there is memory that was not committed";
}

static void do_read(void *address) { (void)*(volatile uint8_t *)address; }
static void do_write(void *address) { *(volatile uint8_t *)address = 0; }
static void do_call(void *address) { ((void (*)(void))address)(); }
static void do_ud(void *arg)
{
    (void)arg;
    __asm__ volatile("ud2");
}
static void do_divide(void *arg)
{
    volatile int zero = arg != NULL;
    __asm__ volatile("divl %0" : : "m"(zero), "a"(1), "d"(0) : "cc");
}
static void do_gp(void *arg) { __asm__ volatile("movw %w0, %%ss" : : "r"((uint64_t)arg)); }
static void do_syscall(void *arg)
{
    (void)arg;
    __asm__ volatile("syscall" : : : "rcx", "r11", "memory");
}

static const char *check_faults(void)
{
    static uint8_t code[16] = {0xc3};
    uint64_t error, address;
    void *heap_code = kmalloc(64);
    const struct {
        const char *what;
        void (*fn)(void *arg);
        void *arg;
        int vector;
        uint64_t error;
    } rows[] = {
        {"reading address 0", do_read, NULL, VECTOR_PAGE_FAULT, 0},
        {"writing code", do_write, kernel_text_start, VECTOR_PAGE_FAULT, 3},
        {"writing constants", do_write, kernel_rodata_start, VECTOR_PAGE_FAULT, 3},
        {"running data", do_call, code, VECTOR_PAGE_FAULT, 0x11},
        {"running heap memory", do_call, heap_code, VECTOR_PAGE_FAULT, 0x11},
        {"ud2", do_ud, NULL, 6, 0},
        {"division by 0", do_divide, NULL, 0, 0},
        {"loading a bad segment", do_gp, (void *)0x58, 13, 0x58},
        {"syscall", do_syscall, NULL, 6, 0},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int vector = trap_catch(rows[i].fn, rows[i].arg, &error, &address);
        if (vector != rows[i].vector || error != rows[i].error) {
            klog("selftest: %s raised %d, error code %llx", rows[i].what, vector, (unsigned long long)error);
            return "a wrong exception";
        }
    }
    kfree(heap_code);
    return NULL;
}

static const char *check_rights(void)
{
    if (paging_rights(kernel_text_start) != MAP_EXECUTE || paging_rights(kernel_rodata_start) != 0 ||
        paging_rights(kernel_data_start) != MAP_WRITE) {
        return "a section of the kernel has other rights than it should";
    }
    return NULL;
}

static const char *check_timer(void)
{
    int64_t start = clock_now_ns();
    for (int i = 0; i < 5; i++) {
        int64_t deadline = clock_now_ns() + 2 * MS;
        clock_idle_until(deadline, NULL);
        if (clock_now_ns() < deadline) {
            return "it woke before its time";
        }
    }
    int64_t took = clock_now_ns() - start; /* no upper limit that a busy host could not break, but that of a hang */
    return took < 2000 * (int64_t)MS ? NULL : "it is far too late";
}

static const char *check_clock(void)
{
    int64_t last = clock_now_ns();
    for (int i = 0; i < 20000; i++) {
        int64_t now = clock_now_ns();
        if (now < last) {
            return "it ran backwards";
        }
        last = now;
    }
    return rtc_wall_ns() > INT64_C(1600000000) * 1000000000 ? NULL : "the wall clock is before 2020";
}

/* Self-sent interrupts: the record, its time stamp, coalescing, and waking from halt. */
static const char *check_irq(void)
{
    uint64_t message_address;
    uint32_t message_data;
    IrqRecord record;
    int vector = irq_attach_message(&message_address, &message_data);
    if (vector < 0) {
        return "no vector";
    }
    irq_unmask((unsigned)vector);
    int64_t before = clock_now_ns();
    lapic_send_self((uint8_t)vector);
    clock_idle_until(clock_now_ns() + 200 * MS, irq_is_pending);
    if (!irq_next(&record) || record.vector != (uint32_t)vector || record.data != 1 || record.time_ns < before) {
        return "no record of an interrupt";
    }
    for (int i = 0; i < 300; i++) {
        lapic_send_self((uint8_t)vector);
        for (uint64_t seen = irq_count(), spin = 0; irq_count() == seen && spin < 2000; spin++) {
            cpu_pause();
        }
    }
    if (!irq_next(&record) || record.data < 2 || irq_next(&record)) {
        return "repeats do not join in one record";
    }
    irq_mask((unsigned)vector);
    lapic_send_self((uint8_t)vector);
    clock_idle_until(clock_now_ns() + MS, NULL);
    bool silent = !irq_is_pending();
    irq_detach((unsigned)vector);
    return silent ? NULL : "a masked vector was recorded";
}

/* Code with SSE in use must not notice interrupts; and its red zone must not be touched. */
static const char *check_red_zone(void)
{
    int64_t end = clock_now_ns() + 20 * MS;
    uint64_t bad = 0;
    while (clock_now_ns() < end) {
        clock_alarm_set(clock_now_ns() + 20000);
        __asm__ volatile("movq $0x5a5a, -8(%%rsp)\n\t"
                         "movq $0xa5a5, -120(%%rsp)\n\t"
                         "movl $20000, %%ecx\n"
                         "1: pause; loop 1b\n\t"
                         "cmpq $0x5a5a, -8(%%rsp)\n\t"
                         "jne 2f\n\t"
                         "cmpq $0xa5a5, -120(%%rsp)\n\t"
                         "je 3f\n"
                         "2: incq %0\n"
                         "3:"
                         : "+r"(bad)
                         :
                         : "rcx", "cc", "memory");
    }
    clock_alarm_set(INT64_MAX);
    return bad == 0 ? NULL : "an interrupt wrote below the stack pointer";
}

static const char *check_symbols(void)
{
    uint64_t offset;
    const char *name = symbol_find((uint64_t)check_symbols + 4, &offset);
    return name != NULL && strcmp(name, "check_symbols") == 0 && offset == 4 ? NULL : "a function's name is not found";
}

static const char *check_thread_block(void)
{
    uint64_t self, canary;
    __asm__ volatile("movq %%fs:0, %0" : "=r"(self));
    __asm__ volatile("movq %%fs:0x28, %0" : "=r"(canary));
    return self == msr_read(MSR_FS_BASE) && canary != 0 ? NULL : "%fs does not point to a thread block";
}

static const char *check_files(void)
{
    return files_check_all() ? NULL : "a file of the bundle is damaged";
}

_Noreturn void selftest_run(void)
{
    static const struct {
        const char *name;
        const char *(*check)(void);
    } checks[] = {
        {"fmt", check_fmt},       {"sha256", check_sha256}, {"thread block", check_thread_block},
        {"rights", check_rights}, {"faults", check_faults}, {"symbols", check_symbols},
        {"clock", check_clock},   {"timer", check_timer},   {"irq", check_irq},
        {"red zone", check_red_zone}, {"heap", check_heap}, {"area", check_area},
        {"large blocks", check_large}, {"files", check_files},
    };
    unsigned failed = 0, count = sizeof checks / sizeof checks[0];
    for (unsigned i = 0; i < count; i++) {
        const char *wrong = checks[i].check();
        failed += wrong != NULL;
        klog("selftest: %s %s%s%s", wrong == NULL ? "ok" : "FAIL", checks[i].name, wrong == NULL ? "" : ": ",
             wrong == NULL ? "" : wrong);
    }
    klog("selftest: %u checks, %u failed", count, failed);
    power_test_exit(failed == 0);
}

static uint64_t run_over(volatile uint64_t *above)
{
    volatile uint64_t here[64];
    here[0] = above != NULL ? above[0] + 1 : 0;
    return here[0] == UINT64_MAX ? 0 : run_over(here) + here[0];
}

void selftest_crash(const char *kind)
{
    klog("crash: %s, as the command line asks", kind);
    if (strcmp(kind, "pf") == 0) {
        do_write((void *)0xdead000);
    } else if (strcmp(kind, "gp") == 0) {
        do_gp((void *)0x58);
    } else if (strcmp(kind, "ud") == 0) {
        do_ud(NULL);
    } else if (strcmp(kind, "de") == 0) {
        do_divide(NULL);
    } else if (strcmp(kind, "stack") == 0) {
        klog("%llu", (unsigned long long)run_over(NULL));
    } else if (strcmp(kind, "panic") == 0) {
        panic("asked for");
    }
}
