/* The sampler that lives inside a Python process: libcaulk_agent.so.
 *
 * No Python.h, no library but libc, nothing from the program's heap. What it calls of Python is found by name
 * at run time; where Python's structures lie is a generated row (agent_layout_rows.h).
 *
 * The road of one allocation:
 *   agent_hooks_*.c   a hook counts the bytes down to the next sample; nearly always that is all
 *   agent_sample.c    the sample: a block in the reserved range instead of the program's allocator
 *   agent_stack.c     who asked for it
 *   agent_account.c   the counters of that stack in the recording
 * and a free is one compare against the range; of the C library's free alone, if that is the agent's by preload. */
#ifndef CAULK_AGENT_AGENT_H
#define CAULK_AGENT_AGENT_H

#include "wire/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

/* ---- the library's two entries, for whoever loads it ------------------------------------------------- */

/* Starts sampling. `options` is a line of `key=value` words separated by spaces, each one optional:
 *   file=PATH      the recording ("%p" becomes the pid); without it a memfd named WIRE_NAME
 *   spare=PATH     a file with room for recordings of processes that cannot make one (struct wire_spare)
 *   interval=N     bytes between samples on average (524288); 1 takes every allocation
 *   budget=F       share of one CPU that sampling may cost (0.01): the interval grows when it is exceeded
 *   memory=N       bytes that the agent may use for itself (16777216)
 *   native=0|1|2   1: also malloc and mmap, 2: with native stacks
 * The caller holds the GIL, or Python is not initialised yet. 0, or an errno value; the process goes on either
 * way. Calling it again while sampling changes interval and budget. */
__attribute__((visibility("default"))) int caulk_agent_start(const char *options);

/* Stops taking samples; live ones stay known until they are freed. The caller holds the GIL. */
__attribute__((visibility("default"))) int caulk_agent_stop(void);

/* Zeroed memory for a table of the agent's own; NULL if there is none. */
static inline void *agent_pages(size_t size) {
    void *made = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return made == MAP_FAILED ? NULL : made;
}

/* ---- agent_recording.c: the mapped file ---------------------------------------------------------------- */

/* The mapped recording, NULL before the start. Disk space is reserved at the start (posix_fallocate), so that a
 * full disk is an error then and never a SIGBUS in the program. */
extern struct wire_head *agent_recording;

/* The file at `path` (NULL: a memfd), `memory` bytes at most. 0 or errno. */
int agent_recording_open(const char *path, size_t memory, struct wire_head **out);

static inline void *agent_region(struct wire_head *head, enum wire_region_name name) {
    return (char *)head + head->regions[name].offset;
}

/* Takes the next free entry of a region; UINT32_MAX when it is full (counted as refused). Not yet visible:
 * agent_publish raises `used`. Under the stack lock. */
uint32_t agent_region_take(struct wire_head *head, enum wire_region_name name, uint32_t entries);
void agent_region_publish(struct wire_head *head, enum wire_region_name name, uint32_t entries);

/* ---- agent_stack.c: who asks ---------------------------------------------------------------------------- */

/* The stack of the calling thread as an index into WIRE_STACKS, 0 if it is unknown or found no room. Never
 * allocates from the program, never raises, safe in any thread at any time, with or without the GIL; without
 * a thread state of Python the stack is the thread alone. */
uint32_t agent_stack_here(void);

/* Finds Python in this process: functions by dlsym, the layout row by Py_Version/Py_GetVersion. False if this
 * process has no Python that the agent knows. Idempotent. */
bool agent_python_find(void);

/* ---- agent_account.c: counters -------------------------------------------------------------------------- */

/* One sampled block is born or dies. `size` as asked, `interval` as in wire_block. Exact under concurrent calls
 * but for the peak, which may be late by what is under way in other threads. */
void agent_account_birth(uint32_t stack, uint64_t size, uint64_t interval, uint32_t born);
void agent_account_death(uint32_t stack, uint64_t size, uint64_t interval, uint32_t born);

/* Milliseconds since the recording's begin (CLOCK_MONOTONIC_COARSE: a few nanoseconds). */
uint32_t agent_now(void);

/* 1/(1 - exp(-(size + 1)/interval)) in 1/WIRE_ONE; WIRE_ONE if interval is 1. */
uint64_t agent_weight(uint64_t size, uint64_t interval);

#endif
