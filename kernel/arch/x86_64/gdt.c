/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments, the task state segment with the interrupt stacks, and the processor's feature bits. Each processor has a
 * set; that of the first is static, because it is needed before there is memory.
 */
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/mm/area.h"
#include "kernel/mm/heap.h"
#include "kernel/panic/panic.h"

enum { IRQ_STACK_BYTES = 16384, EARLY_STACK_BYTES = 4096, THREAD_BLOCK_BYTES = 1024 };

typedef struct __attribute__((packed)) Tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, io_map;
} Tss;
_Static_assert(sizeof(Tss) == 104, "task state segment");

typedef struct __attribute__((packed)) TablePointer {
    uint16_t limit;
    uint64_t base;
} TablePointer;

/* What %fs points to: word 0 is its own address, the stack protector's value is at 0x28, errno lies beyond. */
typedef union ThreadBlock {
    uint64_t words[THREAD_BLOCK_BYTES / 8];
} ThreadBlock;

struct CpuTables {
    uint32_t index; /* %gs points here: cpu_index() */
    uint64_t gdt[5];
    Tss tss;
    ThreadBlock thread __attribute__((aligned(16)));
};

static CpuTables first;
static uint8_t early_stacks[STACK_COUNT][EARLY_STACK_BYTES] __attribute__((aligned(16)));

static void load_thread_block(CpuTables *t)
{
    t->thread.words[0] = (uint64_t)&t->thread;
    t->thread.words[2] = (uint64_t)&t->thread; /* musl links threads in a ring: alone */
    t->thread.words[3] = (uint64_t)&t->thread;
    t->thread.words[5] = tsc_read() * UINT64_C(0x9e3779b97f4a7c15) & ~UINT64_C(0xff);
    msr_write(MSR_FS_BASE, (uint64_t)&t->thread);
    msr_write(MSR_GS_BASE, (uint64_t)t);
}

void cpu_init_thread_block(void)
{
    load_thread_block(&first);
}

void cpu_init_features(void)
{
    cr0_write((cr0_read() & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE | CR0_WP);
    cr4_write(cr4_read() | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_PGE);
    msr_write(MSR_EFER, (msr_read(MSR_EFER) | EFER_NXE) & ~(uint64_t)EFER_SYSCALL);
    __asm__ volatile("fninit");
    uint32_t mxcsr = 0x1f80; /* all floating point exceptions masked, round to nearest */
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

static void load_segments(void)
{
    __asm__ volatile("pushq %0\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movl %1, %%ds\n\t"
                     "movl %1, %%es\n\t"
                     "movl %1, %%ss\n\t"
                     "ltr %w2"
                     :
                     : "i"(KERNEL_CODE_SELECTOR), "r"(KERNEL_DATA_SELECTOR), "r"(TSS_SELECTOR)
                     : "rax", "memory");
}

static void load_gdt(CpuTables *t)
{
    uint64_t tss = (uint64_t)&t->tss;
    t->gdt[1] = UINT64_C(0x00af9b000000ffff); /* 64-bit code */
    t->gdt[2] = UINT64_C(0x00cf93000000ffff); /* data */
    t->gdt[3] = (sizeof(Tss) - 1) | (tss & 0xffffff) << 16 | UINT64_C(0x89) << 40 | (tss >> 24 & 0xff) << 56;
    t->gdt[4] = tss >> 32;
    t->tss.io_map = sizeof(Tss);
    TablePointer pointer = {sizeof t->gdt - 1, (uint64_t)t->gdt};
    __asm__ volatile("lgdt %0" : : "m"(pointer));
    load_segments();
}

void gdt_init(void)
{
    for (unsigned i = 0; i < STACK_COUNT; i++) {
        first.tss.ist[i] = (uint64_t)(early_stacks[i] + EARLY_STACK_BYTES);
    }
    load_gdt(&first);
}

static bool guarded_stacks(CpuTables *t)
{
    for (unsigned i = 0; i < STACK_COUNT; i++) {
        uint8_t *top = area_stack(IRQ_STACK_BYTES);
        if (top == NULL) {
            return false;
        }
        t->tss.ist[i] = (uint64_t)top;
    }
    return true;
}

void gdt_guard_stacks(void)
{
    if (!guarded_stacks(&first)) {
        panic("no memory for interrupt stacks");
    }
}

CpuTables *cpu_new_tables(unsigned index)
{
    CpuTables *t = kcalloc(sizeof *t);
    if (t != NULL) {
        t->index = index;
    }
    return t != NULL && guarded_stacks(t) ? t : NULL;
}

void cpu_load_tables(CpuTables *t)
{
    load_gdt(t);
    load_thread_block(t); /* after the selectors, which clear the bases */
}

bool cpu_is_virtual(void) { return (cpuid(1, 0).c & 1u << 31) != 0; }

bool cpu_has_invariant_tsc(void)
{
    return cpuid(0x80000000, 0).a >= 0x80000007 && (cpuid(0x80000007, 0).d & 1u << 8) != 0;
}

bool cpu_random(uint64_t *value)
{
    if ((cpuid(1, 0).c & 1u << 30) == 0) {
        return false;
    }
    for (int i = 0; i < 10; i++) {
        bool good;
        __asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(good));
        if (good) {
            return true;
        }
    }
    return false;
}

bool cpu_random_seed(uint64_t *value)
{
    if (cpuid(0, 0).a < 7 || (cpuid(7, 0).b & 1u << 18) == 0) {
        return false;
    }
    for (int i = 0; i < 100; i++) {
        bool good;
        __asm__ volatile("rdseed %0" : "=r"(*value), "=@ccc"(good));
        if (good) {
            return true;
        }
        cpu_pause();
    }
    return false;
}
