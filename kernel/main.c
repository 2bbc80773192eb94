/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's start: an ordered list. Each line may use what the lines above it have set up.
 */
#include "kernel/main.h"

#include "kernel/acpi/acpi.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/arch/x86_64/serial.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/console/screen.h"
#include "kernel/files.h"
#include "kernel/irq/irq.h"
#include "kernel/log.h"
#include "kernel/mm/area.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/phys.h"
#include "kernel/panic/panic.h"
#include "kernel/power.h"
#include "kernel/selftest.h"
#include "kernel/time/clock.h"

enum { MAIN_STACK_BYTES = 1 << 20 };

static struct Kernel {
    BootInfo info;
} kernel;

const BootInfo *kernel_boot_info(void) { return &kernel.info; }

/* The word at or after `from`; *size 0 at the end. */
static const char *next_word(const char *from, size_t *size)
{
    while (*from == ' ') {
        from++;
    }
    *size = 0;
    while (from[*size] != '\0' && from[*size] != ' ') {
        ++*size;
    }
    return from;
}

bool kernel_option(const char *word)
{
    size_t n = strlen(word), size;
    for (const char *w = next_word(kernel.info.cmdline, &size); size > 0; w = next_word(w + size, &size)) {
        if (size == n && memcmp(w, word, n) == 0) {
            return true;
        }
    }
    return false;
}

bool kernel_option_value(const char *name, char *buf, size_t cap)
{
    size_t n = strlen(name), size;
    for (const char *w = next_word(kernel.info.cmdline, &size); size > 0; w = next_word(w + size, &size)) {
        if (size > n && memcmp(w, name, n) == 0 && w[n] == '=') {
            size_t length = size - n - 1;
            if (length >= cap) {
                return false;
            }
            memcpy(buf, w + n + 1, length);
            buf[length] = '\0';
            return true;
        }
    }
    return false;
}

static void take_boot_info(uint64_t phys)
{
    const BootInfo *given = phys_to_virt(phys);
    if (given->magic != BOOTINFO_MAGIC || given->version != BOOTINFO_VERSION || given->size != sizeof *given) {
        panic("the loader speaks another version of BootInfo: %u, not %d", given->version, BOOTINFO_VERSION);
    }
    kernel.info = *given;
    kernel.info.cmdline[BOOT_CMDLINE_MAX - 1] = '\0';
    power_set_test(kernel_option("test"));
}

static void log_memory(void)
{
    HeapStats stats;
    kheap_stats(&stats);
    klog("heap: %zu MiB free", stats.free_bytes >> 20);
}

/* On the main stack, with everything up. */
static void run(void)
{
    char crash[16];
    interrupts_on();
    if (kernel_option("selftest")) {
        selftest_run();
    }
    if (kernel_option_value("crash", crash, sizeof crash)) {
        selftest_crash(crash);
    }
    if (kernel_payload != NULL) {
        kernel_payload();
    }
    klog("main: nothing to start; switching off");
    power_test_exit(true);
}

_Noreturn void kernel_main(uint64_t info_phys)
{
    cpu_init_thread_block();             /* %fs, before any library code */
    cpu_init_features();                 /* SSE, write protection, no-execute */
    serial_init();                       /* from here on there is a log */
    gdt_init();                          /* own segments and interrupt stacks */
    trap_init();                         /* from here on a fault is reported */
    take_boot_info(info_phys);           /* copies all that the loader gave */
    klog("kernel: Loom 0.1.0, started by %s",
         (kernel.info.flags & BOOT_FROM_UEFI) != 0 ? "the nucleus" : "a PVH loader");
    phys_init(&kernel.info);             /* where RAM is */
    paging_init(&kernel.info);           /* own tables: W^X, direct map */
    phys_start();                        /* page allocator; with it the heap works */
    area_init();                         /* address space for stacks and reservations */
    gdt_guard_stacks();                  /* guard pages under interrupt stacks */
    acpi_init(kernel.info.rsdp);         /* what hardware there is */
    irq_init();                          /* interrupt controllers, all lines masked */
    clock_start(kernel.info.handover_tsc); /* time; log lines are stamped from here on */
    rtc_init();                          /* wall clock */
    log_memory();
    screen_init(&kernel.info.fb);        /* splash, log on the screen */
    files_init(&kernel.info);            /* the bundle: index now, each file before its first use */
    clock_settle();                      /* by now a good measurement costs no waiting */
    void *stack = area_stack(MAIN_STACK_BYTES);
    if (stack == NULL) {
        panic("no memory for the main stack");
    }
    cpu_run_on_stack(stack, run);
}
