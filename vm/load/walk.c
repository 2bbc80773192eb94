/* SPDX-License-Identifier: Apache-2.0 */
/* See walk.h. Instructions are told by the address of their function: a hash table of them is made once, at boot. */
#include "vm/load/walk.h"

#include "gen/ops.h"
#include "vm/trace/breakpoint.h"
#include "vm/vm.h"

enum { TABLE_SIZE = 1024, SEGMENT_WORDS = 5 };
_Static_assert(SPECIFIC_COUNT * 2 < TABLE_SIZE, "room for all instructions");

static struct Walk {
    int16_t op[TABLE_SIZE]; /* index + 1; 0: free */
} walk;

static size_t slot_of(Word fn)
{
    return (size_t)(fn * UINT64_C(0x9e3779b97f4a7c15) >> 40) % TABLE_SIZE;
}

void walk_init(void)
{
    for (int i = 0; i < SPECIFIC_COUNT; i++) {
        size_t at = slot_of((Word)(uintptr_t)specific_ops[i].fn);
        while (walk.op[at]) {
            at = (at + 1) % TABLE_SIZE;
        }
        walk.op[at] = (int16_t)(i + 1);
    }
}

int walk_op(const Word *ip)
{
    Word fn = breakpoint_instruction(ip);
    for (size_t at = slot_of(fn); walk.op[at]; at = (at + 1) % TABLE_SIZE) {
        if ((Word)(uintptr_t)specific_ops[walk.op[at] - 1].fn == fn) {
            return walk.op[at] - 1;
        }
    }
    return -1;
}

size_t walk_words(const Word *ip)
{
    int op = walk_op(ip);
    vm_assert(op >= 0);
    size_t words = (size_t)specific_ops[op].words;
    switch (op) {
    case SPEC_jump_table:
        return words + ip[3];
    case SPEC_select_search:
    case SPEC_select_linear:
    case SPEC_select_equal:
    case SPEC_select_arity:
        return words + 2 * ip[2];
    default:
        break;
    }
    const char *kinds = specific_ops[op].kinds;
    size_t n = strlen(kinds);
    char last = n ? kinds[n - 1] : 0;
    return last == '*' ? words + ip[words - 1] : last == 'B' ? words + SEGMENT_WORDS * ip[words - 1] : words;
}
