/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Natives of erl_ddll. All drivers of this machine are part of it: none is loaded and none unloaded. So loading one
 * that is there says linked_in_driver, any other cannot be opened, and who monitors a driver is answered at once.
 */
#include "gen/natives.h"
#include "vm/plat.h"
#include "vm/proc/msg.h"
#include "vm/proc/port.h"
#include "vm/proc/port_priv.h"
#include "vm/proc/sched.h"
#include "vm/term/binary.h"

enum { CANNOT_OPEN = -10 };

/* A driver name or path: atom or text. Free with vm_free; NULL: it is none. */
static char *name_text(Term t)
{
    size_t n;
    if (is_atom(t) && t != A_undefined) {
        const uint8_t *text = atom_text(t, &n);
        char *copy = vm_alloc(n + 1);
        memcpy(copy, text, n + 1);
        return copy;
    }
    return is_list(t) ? (char *)port_name_text(t, &n) : NULL;
}

/* 1: such a driver is part of the machine, 0: not, -1: no name. */
static int is_there(Term name)
{
    char *text = name_text(name);
    if (!text) {
        return -1;
    }
    int there = port_driver_known(text);
    vm_free(text);
    return there;
}

static bool is_option_list(Term list)
{
    for (; is_cons(list); list = cons_tail(list)) {
        Term o = cons_head(list);
        const Term *e = is_tuple_arity(o, 2) ? tuple_elements(o) : NULL;
        if (o != A_kill_ports && !(e && (e[0] == A_driver_options || e[0] == A_monitor || e[0] == A_reload))) {
            return false;
        }
    }
    return is_nil(list);
}

NATIVE(native_erl_ddll_try_load)
{
    char *path = name_text(a[0]);
    int there = is_there(a[1]);
    bool bad = !path || there < 0 || !is_option_list(a[2]);
    vm_free(path);
    if (bad) {
        return p_badarg(p);
    }
    Term why = there ? A_linked_in_driver : heap_tuple2(p, A_open_error, make_small(CANNOT_OPEN));
    return heap_tuple2(p, A_error, why);
}

NATIVE(native_erl_ddll_try_unload)
{
    int there = is_there(a[0]);
    if (there < 0 || !is_option_list(a[1])) {
        return p_badarg(p);
    }
    return heap_tuple2(p, A_error, there ? A_linked_in_driver : A_not_loaded);
}

typedef struct Names {
    Proc *p;
    Term list;
} Names;

static void add_name(const char *name, void *arg)
{
    Names *names = arg;
    Term text = heap_string(names->p, (const uint8_t *)name, strlen(name));
    names->list = heap_cons_on(names->p, text, names->list);
}

NATIVE(native_erl_ddll_loaded_drivers)
{
    Names names = {p, NIL};
    (void)a;
    port_driver_each(add_name, &names);
    return heap_tuple2(p, A_ok, names.list);
}

NATIVE(native_erl_ddll_info)
{
    if (is_there(a[0]) <= 0) {
        return p_badarg(p);
    }
    switch (a[1]) {
    case A_processes:
    case A_driver_options:
    case A_port_count:
    case A_awaiting_load:
    case A_awaiting_unload:
        return A_linked_in_driver;
    case A_linked_in_driver:
        return A_true;
    case A_permanent:
        return A_false;
    default:
        return p_badarg(p);
    }
}

static const struct {
    Term code;
    const char *text;
} errors[] = {
    {A_linked_in_driver, "Driver is statically linked and cannot be loaded/unloaded"},
    {A_not_loaded, "DDLL driver is not loaded"},
    {A_inconsistent, "Driver name and/or driver options are inconsistent with currently loaded driver"},
    {A_permanent, "DDLL driver is permanent an cannot be unloaded/loaded"},
    {A_no_driver_init, "No driver init in dynamic library"},
    {A_bad_driver_name, "Bad driver name"},
    {A_driver_incorrect_version, "Driver compiled with incorrect version of erl_driver.h"},
    {A_not_loaded_by_this_process, "DDLL driver was not loaded by this process"},
};

NATIVE(native_erl_ddll_format_error_int)
{
    const char *text = NULL;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        text = errors[i].code == a[0] ? errors[i].text : text;
    }
    if (is_tuple_arity(a[0], 2) && tuple_elements(a[0])[0] == A_open_error) {
        bool ours = tuple_elements(a[0])[1] == make_small(CANNOT_OPEN);
        text = ours ? "cannot open: Loom loads no drivers" : "Unspecified error";
    }
    return text ? heap_string(p, (const uint8_t *)text, strlen(text)) : p_badarg(p);
}

/* monitor(driver, {Name, loaded | unloaded | unloaded_only}) */
NATIVE(native_erl_ddll_monitor)
{
    const Term *e = is_tuple_arity(a[1], 2) ? tuple_elements(a[1]) : NULL;
    int there = e ? is_there(e[0]) : -1;
    if (a[0] != A_driver || there < 0 || (e[1] != A_loaded && e[1] != A_unloaded && e[1] != A_unloaded_only)) {
        return p_badarg(p);
    }
    Term ref = heap_new_ref(p);
    const Term said[] = {there ? A_UP : A_DOWN, ref, A_driver, e[0], there ? A_permanent : A_unloaded};
    msg_send(p, p, heap_tuple(p, 5, said));
    return ref;
}

NATIVE(native_erl_ddll_demonitor)
{
    return is_ref(a[0]) ? A_true : p_badarg(p);
}
