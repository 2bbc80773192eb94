/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel.elf -> memory: one contiguous block that holds all PT_LOAD segments at their distances, so that the
 * kernel translates its own addresses by one subtraction. The file's hash is already known to be right; the
 * checks here are against mistakes in making it.
 */
#include "boot/boot.h"

typedef struct ElfHeader {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_offset, section_offset;
    uint32_t flags;
    uint16_t header_size, program_size, program_count, section_size, section_count, names_index;
} ElfHeader;

typedef struct ElfProgram {
    uint32_t type, flags; /* flags: 1 execute, 2 write, 4 read */
    uint64_t offset, virt, phys, file_size, memory_size, align;
} ElfProgram;

enum { ELF_LOAD = 1, ELF_EXECUTE = 1, ELF_WRITE = 2, ELF_X86_64 = 62 };

static const ElfHeader *checked_header(Boot *b)
{
    const ElfHeader *h = (const ElfHeader *)b->kernel.data;
    if (b->kernel.size < sizeof *h || memcmp(h->ident, "\177ELF\2\1", 6) != 0 || h->machine != ELF_X86_64 ||
        h->program_size != sizeof(ElfProgram) || h->program_offset > b->kernel.size ||
        h->program_count > (b->kernel.size - h->program_offset) / sizeof(ElfProgram)) {
        boot_fail(b, "%s: no ELF64 program for x86-64; not started", b->kernel.name);
    }
    return h;
}

static void check_program(Boot *b, const ElfProgram *p)
{
    if (p->virt < KERNEL_BASE || (p->virt & (PAGE_SIZE - 1)) != 0 || p->file_size > p->memory_size ||
        p->offset > b->kernel.size || p->file_size > b->kernel.size - p->offset ||
        p->memory_size > UINT64_C(1) << 30 || p->memory_size > UINT64_MAX - p->virt ||
        b->segment_count == BOOT_SEGMENTS) {
        boot_fail(b, "%s: a segment at %llx is out of bounds; not started", b->kernel.name,
                  (unsigned long long)p->virt);
    }
}

void elf_load(Boot *b)
{
    const ElfHeader *h = checked_header(b);
    const ElfProgram *programs = (const ElfProgram *)(b->kernel.data + h->program_offset);
    uint64_t low = UINT64_MAX, high = 0;
    for (unsigned i = 0; i < h->program_count; i++) {
        const ElfProgram *p = &programs[i];
        if (p->type == ELF_LOAD && p->memory_size > 0) {
            check_program(b, p);
            low = p->virt < low ? p->virt : low;
            high = p->virt + p->memory_size > high ? p->virt + p->memory_size : high;
            BootSegment *s = &b->segments[b->segment_count++];
            s->virt = p->virt;
            s->pages = (p->memory_size + PAGE_SIZE - 1) / PAGE_SIZE;
            s->writable = (p->flags & ELF_WRITE) != 0;
            s->executable = (p->flags & ELF_EXECUTE) != 0;
        }
    }
    if (b->segment_count == 0 || high - low > UINT64_C(1) << 30) {
        boot_fail(b, "%s: it has nothing to load; not started", b->kernel.name);
    }
    b->kernel_size = (high - low + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    uint8_t *block = boot_pages(b, b->kernel_size / PAGE_SIZE, "the kernel");
    unsigned loaded = 0;
    for (unsigned i = 0; i < h->program_count; i++) {
        const ElfProgram *p = &programs[i];
        if (p->type == ELF_LOAD && p->memory_size > 0) {
            b->segments[loaded++].phys = (uint64_t)block + (p->virt - low);
            memcpy(block + (p->virt - low), b->kernel.data + p->offset, p->file_size);
        }
    }
    b->kernel_phys = (uint64_t)block;
    b->kernel_entry = h->entry;
}
