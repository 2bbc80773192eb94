/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See panic.h. Written to work when little else does: it takes no locks, allocates nothing, reads memory only where it
 * is mapped, and a second fault inside goes straight to the end.
 */
#include "kernel/panic/panic.h"

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/console/screen.h"
#include "kernel/log.h"
#include "kernel/mm/area.h"
#include "kernel/panic/symbols.h"
#include "kernel/power.h"
#include "kernel/smp/smp.h"
#include "lib/fmt.h"

enum { TRACE_DEPTH = 40, PANIC_LINE = 300 };

static struct Panic {
    unsigned depth; /* panics under way: a panic may fault */
    void (*hook)(void);
} panic_state;

static const char *const exception_names[TRAP_EXCEPTIONS] = {
    "divide error", "debug", "non-maskable interrupt", "breakpoint", "overflow", "bound range", "invalid opcode",
    "no coprocessor", "double fault", "coprocessor overrun", "invalid TSS", "segment not present", "stack fault",
    "general protection", "page fault", "reserved", "x87 error", "alignment check", "machine check", "SIMD error",
    "virtualization", "control protection", "reserved", "reserved", "reserved", "reserved", "reserved", "reserved",
    "hypervisor injection", "VMM communication", "security", "reserved",
};

void panic_set_hook(void (*hook)(void)) { panic_state.hook = hook; }

static _Noreturn void panic_end(void)
{
    log_flush();
    power_fail();
}

/* Returns only for the first panic, and once more for one inside it, which then must not print as much. */
static void panic_begin(void)
{
    interrupts_off();
    smp_stop_others();
    if (panic_state.depth++ > 1) {
        panic_end();
    }
    screen_take_back();
    log_stamp_early(0);
}

static bool word_at(uint64_t address, uint64_t *word)
{
    uint64_t phys;
    if ((address & 7) != 0 || !paging_translate((const void *)address, &phys)) {
        return false;
    }
    *word = *(const uint64_t *)address;
    return true;
}

/* A return address may lie behind its function, when the call was the last thing in it: then one byte before belongs to
 * it. */
static void trace_line(unsigned i, uint64_t address)
{
    uint64_t offset, back = i > 0;
    const char *name = symbol_find(address - back, &offset);
    if (name == NULL) {
        klog_raw("  #%-2u %016llx\n", i, (unsigned long long)address);
    } else {
        klog_raw("  #%-2u %016llx %s+0x%llx\n", i, (unsigned long long)address, name,
                (unsigned long long)(offset + back));
    }
}

/* Follows frame pointers for as long as they lead upwards through mapped memory. */
static void back_trace(uint64_t rip, uint64_t frame)
{
    klog_raw("back trace:\n");
    trace_line(0, rip);
    for (unsigned i = 1; i < TRACE_DEPTH; i++) {
        uint64_t next, address;
        if (!word_at(frame, &next) || !word_at(frame + 8, &address) || address == 0) {
            return;
        }
        trace_line(i, address);
        if (next <= frame) {
            return;
        }
        frame = next;
    }
}

static void finish(uint64_t rip, uint64_t frame)
{
    back_trace(rip, frame);
    if (panic_state.hook != NULL && panic_state.depth == 1) {
        panic_state.hook();
    }
    panic_end();
}

_Noreturn void panic_here(void)
{
    panic_begin();
    finish((uint64_t)__builtin_return_address(0) - 1, (uint64_t)__builtin_frame_address(0));
    cpu_stop();
}

_Noreturn void panic(const char *format, ...)
{
    char text[PANIC_LINE];
    va_list ap;
    panic_begin();
    va_start(ap, format);
    fmt_vbuf(text, sizeof text, format, ap);
    va_end(ap);
    klog_raw("\nloom: panic: %s\n", text);
    finish((uint64_t)__builtin_return_address(0) - 1, (uint64_t)__builtin_frame_address(0));
    cpu_stop();
}

static void print_registers(const TrapFrame *f)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"rax", f->rax}, {"rbx", f->rbx}, {"rcx", f->rcx}, {"rdx", f->rdx}, {"rsi", f->rsi}, {"rdi", f->rdi},
                {"rbp", f->rbp}, {"rsp", f->rsp}, {"r8 ", f->r8},  {"r9 ", f->r9},  {"r10", f->r10}, {"r11", f->r11},
                {"r12", f->r12}, {"r13", f->r13}, {"r14", f->r14}, {"r15", f->r15}, {"rip", f->rip},
                {"cr2", cr2_read()}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        klog_raw("%s%s %016llx", i % 3 == 0 ? "  " : "  ", rows[i].name, (unsigned long long)rows[i].value);
        if (i % 3 == 2) {
            klog_raw("\n");
        }
    }
    klog_raw("  rflags %llx  cs %llx  ss %llx  cr3 %llx\n", (unsigned long long)f->rflags, (unsigned long long)f->cs,
             (unsigned long long)f->ss, (unsigned long long)cr3_read());
}

static const char *page_fault_kind(uint64_t error)
{
    if ((error & 16) != 0) {
        return "fetching an instruction from";
    }
    return (error & 2) != 0 ? "writing" : "reading";
}

_Noreturn void panic_exception(const TrapFrame *f)
{
    panic_begin();
    klog_raw("\nloom: panic: exception %llu (%s), error code %llx", (unsigned long long)f->vector,
             f->vector < TRAP_EXCEPTIONS ? exception_names[f->vector] : "?", (unsigned long long)f->error);
    if (f->vector == VECTOR_PAGE_FAULT) {
        klog_raw(", %s %llx (%s)", page_fault_kind(f->error), (unsigned long long)cr2_read(),
                 (f->error & 1) != 0 ? "not allowed" : "not mapped");
    }
    klog_raw("\n");
    if ((f->vector == VECTOR_PAGE_FAULT || f->vector == VECTOR_DOUBLE_FAULT) && area_is_hole(cr2_read())) {
        klog_raw("the address is a guard page: a stack ran over, or a reserved page was not committed\n");
    }
    print_registers(f);
    finish(f->rip, f->rbp);
    cpu_stop();
}
