/* SPDX-License-Identifier: Apache-2.0 */
/* See symbols.h. Addresses are sorted offsets from the start of the text, names one string after the other. */
#include "kernel/panic/symbols.h"

extern const uint8_t kernel_text_start[], kernel_text_end[];
/* The generated table; weak, so that the first link needs none. */
extern const uint32_t symbol_count __attribute__((weak));
extern const uint32_t symbol_offsets[] __attribute__((weak)); /* of text */
extern const uint32_t symbol_names[] __attribute__((weak));   /* index into symbol_text */
extern const char symbol_text[] __attribute__((weak));

const char *symbol_find(uint64_t address, uint64_t *offset)
{
    uint64_t start = (uint64_t)kernel_text_start;
    if (&symbol_count == NULL || symbol_count == 0 || address < start || address >= (uint64_t)kernel_text_end ||
        address - start < symbol_offsets[0]) {
        return NULL;
    }
    uint32_t low = 0, high = symbol_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (symbol_offsets[middle] <= address - start) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *offset = address - start - symbol_offsets[low];
    return symbol_text + symbol_names[low];
}
