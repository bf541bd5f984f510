/* Leads what loaded libraries call of libc elsewhere, by the words where the loader wrote libc's addresses.
 *
 * A slot is changed only if it has the very address that the program's lookup of that name gives, or if it was never
 * used and the lookup cannot give another one. What it is changed to calls that address in turn. Slots are written
 * whole, while the loader's own lock keeps libraries from coming, going, or being half relocated. Nothing is kept
 * about a slot: all that lead to us are found again by what they have, and those of a library that was closed are
 * gone with it. */
#ifndef CAULK_AGENT_AGENT_SLOTS_H
#define CAULK_AGENT_AGENT_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent_slot_rule {
    const char *name;
    uintptr_t real, ours;
    bool allocates; /* one of an allocator's functions */
};

/* All slots of these names lead to `ours` from now on, or to `real` again; also those of libraries that were loaded
 * since. `rules` stay. 0, or ENOTSUP where the loader's lock cannot be had. */
int agent_slots_set(const struct agent_slot_rule *rules, size_t count, bool ours);

/* The function that a lookup of `name` leads to, and whether it is the C library's; 0 if there is none. A program that
 * is not position-independent may answer for a function with its own table of calls (the function then has one address
 * for all who compare): what stands behind that is meant. */
uintptr_t agent_slots_find(const char *name, bool *is_libc_out);

/* Sets the slots of libraries that were loaded since. Called by who is about to ask the loader for something. */
void agent_slots_look(void);

/* Around fork: no slots are half changed in the child. */
void agent_slots_before_fork(void);
void agent_slots_after_fork(void);

#endif
