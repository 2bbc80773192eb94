/* SPDX-License-Identifier: Apache-2.0 */
/* The processor: instructions C has no words for, and what is set up once for it (gdt.c). */
#pragma once

#include "lib/cstd.h"

enum { PAGE_SIZE = 4096 };
enum { KERNEL_CODE_SELECTOR = 0x08, KERNEL_DATA_SELECTOR = 0x10, TSS_SELECTOR = 0x18 };
enum {
    MSR_APIC_BASE = 0x1b,
    MSR_PAT = 0x277,
    MSR_EFER = 0xc0000080,
    MSR_FS_BASE = 0xc0000100,
    MSR_GS_BASE = 0xc0000101,
};
enum { EFER_SYSCALL = 1 << 0, EFER_NXE = 1 << 11 };
#define CR0_MP (UINT64_C(1) << 1)
#define CR0_EM (UINT64_C(1) << 2)
#define CR0_TS (UINT64_C(1) << 3)
#define CR0_NE (UINT64_C(1) << 5)
#define CR0_WP (UINT64_C(1) << 16)
#define CR4_PGE (UINT64_C(1) << 7)
#define CR4_OSFXSR (UINT64_C(1) << 9)
#define CR4_OSXMMEXCPT (UINT64_C(1) << 10)
#define RFLAGS_IF (UINT64_C(1) << 9)

static inline void io_out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static inline void io_out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}
static inline void io_out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}
static inline uint8_t io_in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint16_t io_in16(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint32_t io_in32(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint64_t msr_read(uint32_t msr)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}
static inline void msr_write(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
/* Ordered after earlier loads, so that a bracket of two means something. */
static inline uint64_t tsc_read(void)
{
    uint32_t low, high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

typedef struct CpuidRegs {
    uint32_t a, b, c, d;
} CpuidRegs;
static inline CpuidRegs cpuid(uint32_t leaf, uint32_t subleaf)
{
    CpuidRegs r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
    return r;
}

static inline uint64_t cr0_read(void)
{
    uint64_t v;
    __asm__ volatile("mov %%cr0, %0" : "=r"(v));
    return v;
}
static inline void cr0_write(uint64_t v) { __asm__ volatile("mov %0, %%cr0" : : "r"(v) : "memory"); }
static inline uint64_t cr2_read(void)
{
    uint64_t v;
    __asm__ volatile("mov %%cr2, %0" : "=r"(v));
    return v;
}
static inline uint64_t cr3_read(void)
{
    uint64_t v;
    __asm__ volatile("mov %%cr3, %0" : "=r"(v));
    return v;
}
static inline void cr3_write(uint64_t v) { __asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory"); }
static inline uint64_t cr4_read(void)
{
    uint64_t v;
    __asm__ volatile("mov %%cr4, %0" : "=r"(v));
    return v;
}
static inline void cr4_write(uint64_t v) { __asm__ volatile("mov %0, %%cr4" : : "r"(v) : "memory"); }
static inline void tlb_flush_page(const void *virt)
{
    __asm__ volatile("invlpg (%0)" : : "r"(virt) : "memory");
}

static inline void cpu_pause(void) { __asm__ volatile("pause"); }
static inline void interrupts_off(void) { __asm__ volatile("cli" : : : "memory"); }
static inline void interrupts_on(void) { __asm__ volatile("sti" : : : "memory"); }
/* Off, and what they were: for interrupts_restore. */
static inline bool interrupts_save(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    return (flags & RFLAGS_IF) != 0;
}
static inline void interrupts_restore(bool on)
{
    if (on) {
        interrupts_on();
    }
}
/* With interrupts off: waits for one. sti takes effect after hlt began, so none is lost between. Returns with them off.
 * */
static inline void cpu_wait_interrupt(void) { __asm__ volatile("sti; hlt; cli" : : : "memory"); }

static inline _Noreturn void cpu_stop(void)
{
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

/* Everything that writes over the processor's cached translations, of global pages too. */
static inline void cpu_flush_tlb(void)
{
    uint64_t cr4 = cr4_read();
    cr4_write(cr4 & ~CR4_PGE);
    cr4_write(cr4);
}

/* Before any code that may use a stack protector or errno, or ask where it runs: %fs points to a thread block, %gs to
 * what is this processor's own. */
void cpu_init_thread_block(void);
/* Number of the processor this runs on; 0 is the one that booted. */
static inline unsigned cpu_index(void)
{
    unsigned index;
    __asm__ volatile("movl %%gs:0, %0" : "=r"(index));
    return index;
}
/* Descriptors, interrupt stacks and thread block for another processor; NULL when memory is short. Then, on it: */
typedef struct CpuTables CpuTables;
CpuTables *cpu_new_tables(unsigned index);
void cpu_load_tables(CpuTables *t);
/* SSE on, write protection in ring 0 on, no-execute on, syscall off (a stray one must fault, not jump). */
void cpu_init_features(void);
/* GDT, TSS of the first processor; interrupt stacks as yet without guard pages. */
void gdt_init(void);
/* Moves the interrupt stacks to guarded memory; after area_init. */
void gdt_guard_stacks(void);
/* Runs fn on another stack; never returns. */
_Noreturn void cpu_run_on_stack(void *stack_top, void (*fn)(void));
/* Hypervisor bit of CPUID. */
bool cpu_is_virtual(void);
/* Time stamp counter runs at one rate always. */
bool cpu_has_invariant_tsc(void);
/* Random bits of the processor. False if it has none or gives none now. */
bool cpu_random(uint64_t *value);
/* The same from its source of entropy itself (RDSEED). */
bool cpu_random_seed(uint64_t *value);
