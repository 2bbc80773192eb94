/* SPDX-License-Identifier: Apache-2.0 */
/* Last-resort output, and what erts_debug tells about the memory of terms. */
#include "gen/natives.h"
#include "vm/plat.h"
#include "vm/term/binary.h"
#include "vm/term/print.h"
#include "vm/term/term_stack.h"
#include "vm/term/unicode.h"

static void display(Term t)
{
    char local[512], *text = local;
    size_t n = term_print(t, local, sizeof local);
    if (n >= sizeof local) {
        text = vm_alloc(n + 1);
        term_print(t, text, n + 1);
    }
    plat_print(text, n);
    plat_print("\r\n", 2); /* OTP's line end, whatever the terminal's mode */
    if (text != local) {
        vm_free(text);
    }
}

NATIVE(native_display)
{
    (void)p;
    display(a[0]);
    return A_true;
}

NATIVE(native_erts_debug_display)
{
    (void)p;
    display(a[0]);
    return a[0];
}

NATIVE(native_display_nl)
{
    (void)p;
    (void)a;
    plat_log("\r\n", 2);
    return A_true;
}

NATIVE(native_display_string)
{
    int64_t n = list_length(a[0]);
    if (n < 0) {
        return p_badarg(p);
    }
    uint8_t *text = vm_alloc((size_t)n * 4 + 1);
    size_t size = 0;
    for (Term l = a[0]; is_cons(l); l = cons_tail(l)) {
        Term c = cons_head(l);
        if (!is_small(c) || !unicode_is_valid((uint64_t)small_value(c))) {
            vm_free(text);
            return p_badarg(p);
        }
        size += utf8_encode((uint32_t)small_value(c), text + size);
    }
    plat_log((const char *)text, size);
    vm_free(text);
    return A_true;
}

/* --- memory of terms ------------------------------------------------------------------------------------- */
NATIVE(native_erts_debug_same)
{
    (void)p;
    return make_boolean(a[0] == a[1]);
}

NATIVE(native_erts_debug_flat_size)
{
    size_t n = term_size_whole(a[0]);
    p_charge(p, (intptr_t)(n / 32));
    return make_small((int64_t)n);
}

/* Addresses seen, open addressing; 0 is free. */
typedef struct Seen {
    uint64_t *slots;
    size_t capacity, count;
} Seen;

static size_t seen_place(const Seen *s, uint64_t key)
{
    size_t i = (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (s->capacity - 1);
    while (s->slots[i] && s->slots[i] != key) {
        i = (i + 1) & (s->capacity - 1);
    }
    return i;
}

/* True when it is new. */
static bool seen_add(Seen *s, uint64_t key)
{
    if (s->count * 2 >= s->capacity) {
        Seen bigger = {.capacity = s->capacity ? s->capacity * 2 : 64};
        bigger.slots = vm_calloc(bigger.capacity * sizeof *bigger.slots);
        for (size_t i = 0; i < s->capacity; i++) {
            if (s->slots[i]) {
                bigger.slots[seen_place(&bigger, s->slots[i])] = s->slots[i];
            }
        }
        bigger.count = s->count;
        vm_free(s->slots);
        *s = bigger;
    }
    size_t i = seen_place(s, key);
    if (s->slots[i]) {
        return false;
    }
    s->slots[i] = key;
    s->count++;
    return true;
}

/* Words of t with each shared object counted once, literals not at all. */
NATIVE(native_erts_debug_size_shared)
{
    TermStack stack;
    Seen seen = {0};
    size_t words = 0;
    Term t = a[0];
    term_stack_init(&stack);
    do {
        while (is_cons(t) && !is_literal_ptr(list_ptr(t)) && seen_add(&seen, t)) {
            words += 2;
            term_stack_push(&stack, cons_head(t));
            t = cons_tail(t);
        }
        if (is_boxed(t) && !is_literal_ptr(boxed_ptr(t)) && seen_add(&seen, t)) {
            const Word *o = boxed_ptr(t);
            size_t n = header_object_words(o), raw = header_raw_words(*o);
            words += n;
            term_stack_push_array(&stack, o + 1 + raw, n - 1 - raw);
        }
    } while (term_stack_pop(&stack, &t));
    term_stack_free(&stack);
    vm_free(seen.slots);
    p_charge(p, (intptr_t)(words / 16));
    return make_small((int64_t)words);
}

NATIVE(native_erts_debug_copy_shared)
{
    return heap_copy(p, a[0]);
}
