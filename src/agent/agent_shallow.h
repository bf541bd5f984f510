/* Whether a thread has used little of a large stack. Objects may end inside of objects there as deep as they like: before the
 * rest of the stack is reached, somebody counts. */
#ifndef CAULK_AGENT_AGENT_SHALLOW_H
#define CAULK_AGENT_AGENT_SHALLOW_H

#include "agent/agent_work.h"

/* Bytes. CPython 3.13 itself needs 600 KiB for its nests (Include/cpython/pystate.h: Py_C_RECURSION_LIMIT). */
enum { AGENT_SHALLOW = 512 << 10, AGENT_LARGE_STACK = 2 << 20 };

/* Before threads are asked. */
void agent_shallow_begin(void);

/* Looks where the calling thread's stack is, once. */
void agent_shallow_learn(void);

static inline uintptr_t agent_stack_pointer(void) {
#if defined __x86_64__
    uintptr_t pointer;
    __asm__("mov %%rsp, %0" : "=r"(pointer)); /* the builtin makes a frame */
    return pointer;
#else
    return (uintptr_t)__builtin_frame_address(0);
#endif
}

/* False on a stack that is not the thread's own, as some coroutines have. */
static inline bool agent_is_shallow(void) {
    return agent_stack_pointer() - agent_thread.shallow < AGENT_SHALLOW;
}

#endif
