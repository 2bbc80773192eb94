/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See smp.h. Starting a processor follows the multiprocessor start of the Intel SDM, volume 3, section 9.4: INIT, then
 * twice a start-up message that names the page below 1 MiB where it begins in real mode. Three pages there
 * (TRAMPOLINE) hold the code of ap.S and tables that map it where it is, and everything else as the kernel's tables
 * do; the processor leaves them in its first C function. They are the last thing that maps the low half.
 *
 * Comes from: plat/metal (one scheduler a processor). Goes to: the function it was started for.
 */
#include "kernel/smp/smp.h"

#include "kernel/acpi/acpi.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/lapic.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/log.h"
#include "kernel/mm/area.h"
#include "kernel/mm/heap.h"
#include "kernel/smp/lock.h"
#include "kernel/time/clock.h"

enum { TRAMPOLINE = 0x8000, TRAMPOLINE_PAGES = 4, STACK_BYTES = 1 << 20 };
enum { PT_PRESENT_WRITE = 3, PT_LARGE = 0x80, TABLE_ENTRIES = 512 };
#define ANSWER_NS INT64_C(200000000)
#define INIT_WAIT_NS INT64_C(10000000)
#define AGAIN_NS INT64_C(200000)

/* What ap.S reads at its end. */
typedef struct ApStart {
    uint64_t cr3, stack, entry, argument;
} ApStart;

typedef struct Processor {
    uint32_t apic_id;
    CpuTables *tables;
    void (*fn)(void *arg);
    void *arg;
    uint32_t answered; /* atomic */
} Processor;

static struct Smp {
    Processor processors[ACPI_CPUS];
    uint32_t count;      /* atomic: running, with the first */
    uint32_t flush_left; /* atomic: processors that have not flushed yet */
    uint32_t stopping;   /* atomic */
    uint64_t cr3;
} smp = {.count = 1};

static struct MemoryLock {
    uint32_t word;  /* atomic */
    uint32_t owner; /* atomic: processor + 1 */
    unsigned depth;
} memory_lock;

extern const uint8_t ap_start[], ap_end[];

unsigned smp_count(void) { return __atomic_load_n(&smp.count, __ATOMIC_RELAXED); }

/* --- the memory lock ---------------------------------------------------------------------------------------------- */
void mm_lock(void)
{
    if (smp_count() == 1) {
        return; /* nobody is there to share with; a processor is started while none holds it */
    }
    uint32_t me = cpu_index() + 1;
    if (__atomic_load_n(&memory_lock.owner, __ATOMIC_RELAXED) != me) {
        while (__atomic_exchange_n(&memory_lock.word, 1, __ATOMIC_ACQUIRE)) {
            cpu_pause();
        }
        __atomic_store_n(&memory_lock.owner, me, __ATOMIC_RELAXED);
    }
    memory_lock.depth++;
}

void mm_unlock(void)
{
    if (memory_lock.depth > 0 && --memory_lock.depth == 0) {
        __atomic_store_n(&memory_lock.owner, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&memory_lock.word, 0, __ATOMIC_RELEASE);
    }
}

/* --- starting ----------------------------------------------------------------------------------------------------- */
static bool trampoline_is_memory(void)
{
    uint64_t phys;
    for (unsigned i = 0; i < TRAMPOLINE_PAGES; i++) {
        if (!paging_translate(phys_to_virt(TRAMPOLINE + (uint64_t)i * PAGE_SIZE), &phys)) {
            return false;
        }
    }
    return true;
}

static void ap_main(Processor *p)
{
    cr3_write(smp.cr3);
    cpu_init_features();
    cpu_load_tables(p->tables);
    trap_load();
    paging_init_cpu();
    lapic_init_cpu();
    __atomic_store_n(&p->answered, 1, __ATOMIC_RELEASE);
    interrupts_on();
    p->fn(p->arg);
    cpu_stop();
}

static void trampoline_write(Processor *p, void *stack)
{
    uint8_t *code = phys_to_virt(TRAMPOLINE);
    uint64_t *top = phys_to_virt(TRAMPOLINE + PAGE_SIZE), *pointers = phys_to_virt(TRAMPOLINE + 2 * PAGE_SIZE);
    uint64_t *directory = phys_to_virt(TRAMPOLINE + 3 * PAGE_SIZE);
    memcpy(top, phys_to_virt(smp.cr3 & ~(uint64_t)(PAGE_SIZE - 1)), PAGE_SIZE);
    memset(pointers, 0, 2 * PAGE_SIZE);
    top[0] = (TRAMPOLINE + 2 * PAGE_SIZE) | PT_PRESENT_WRITE;
    pointers[0] = (TRAMPOLINE + 3 * PAGE_SIZE) | PT_PRESENT_WRITE;
    directory[0] = PT_PRESENT_WRITE | PT_LARGE; /* the first 2 MiB where they are */
    size_t size = (size_t)(ap_end - ap_start);
    memcpy(code, ap_start, size);
    ApStart start = {TRAMPOLINE + PAGE_SIZE, (uint64_t)stack, (uint64_t)ap_main, (uint64_t)p};
    memcpy(code + size - sizeof start, &start, sizeof start);
}

static void wait_ns(int64_t ns)
{
    for (int64_t end = clock_now_ns() + ns; clock_now_ns() < end;) {
        cpu_pause();
    }
}

static bool wait_for_answer(const Processor *p, int64_t ns)
{
    for (int64_t end = clock_now_ns() + ns; clock_now_ns() < end;) {
        if (__atomic_load_n(&p->answered, __ATOMIC_ACQUIRE)) {
            return true;
        }
        cpu_pause();
    }
    return false;
}

/* APIC id of the index-th processor that is not this one. */
static bool find_processor(unsigned index, uint32_t *apic_id)
{
    const AcpiInfo *info = acpi_info();
    for (unsigned i = 0; i < info->cpu_count; i++) {
        *apic_id = info->cpu_apic_ids[i];
        if (*apic_id != lapic_id() && --index == 0) {
            return true;
        }
    }
    return false;
}

bool smp_start(unsigned index, void (*fn)(void *arg), void *arg)
{
    Processor *p = &smp.processors[index];
    if (index == 0 || index >= ACPI_CPUS || !find_processor(index, &p->apic_id) || !trampoline_is_memory()) {
        return false;
    }
    void *stack = area_stack(STACK_BYTES);
    p->tables = cpu_new_tables(index);
    if (stack == NULL || p->tables == NULL) {
        return false;
    }
    p->fn = fn;
    p->arg = arg;
    smp.processors[0].apic_id = lapic_id();
    smp.cr3 = cr3_read();
    trampoline_write(p, stack);
    __atomic_add_fetch(&smp.count, 1, __ATOMIC_SEQ_CST); /* before it runs: from here on memory is shared */
    lapic_send_init(p->apic_id);
    wait_ns(cpu_is_virtual() ? AGAIN_NS : INIT_WAIT_NS);
    lapic_send_startup(p->apic_id, TRAMPOLINE / PAGE_SIZE);
    if (!wait_for_answer(p, AGAIN_NS)) {
        lapic_send_startup(p->apic_id, TRAMPOLINE / PAGE_SIZE);
    }
    if (!wait_for_answer(p, ANSWER_NS)) {
        __atomic_sub_fetch(&smp.count, 1, __ATOMIC_SEQ_CST);
        klog("smp: processor %u (APIC %u) does not answer", index, p->apic_id);
        return false;
    }
    return true;
}

/* --- messages between processors ---------------------------------------------------------------------------------- */
void smp_wake(unsigned index)
{
    if (index == 0) {
        lapic_send(smp.processors[0].apic_id, VECTOR_IPI);
    } else if (smp.processors[index].answered) {
        lapic_send(smp.processors[index].apic_id, VECTOR_IPI);
    }
}

void smp_flush_tlbs(void)
{
    cpu_flush_tlb();
    uint32_t others = smp_count() - 1;
    if (others == 0) {
        return;
    }
    __atomic_store_n(&smp.flush_left, others, __ATOMIC_SEQ_CST);
    lapic_send_others(VECTOR_FLUSH);
    while (__atomic_load_n(&smp.flush_left, __ATOMIC_ACQUIRE)) {
        cpu_pause();
    }
}

void smp_flush_isr(void)
{
    cpu_flush_tlb();
    __atomic_sub_fetch(&smp.flush_left, 1, __ATOMIC_RELEASE);
}

void smp_stop_others(void)
{
    if (smp_count() > 1 && !__atomic_exchange_n(&smp.stopping, 1, __ATOMIC_SEQ_CST)) {
        lapic_send_nmi_others();
    }
}

bool smp_is_stopping(void) { return __atomic_load_n(&smp.stopping, __ATOMIC_RELAXED) != 0; }
