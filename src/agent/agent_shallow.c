/* Where the calling thread's stack lies. */
#include "agent/agent_shallow.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOWHERE UINTPTR_MAX
#define NO_LIMIT ((uintptr_t)1 << 30) /* bytes below the first stack's begin that are its own, where it has no limit */

typedef int (*stack_of)(pthread_t thread, pthread_attr_t *out);

/* Its version differs between libcs. */
static stack_of ask_libc;

void agent_shallow_begin(void) {
    ask_libc = (stack_of)dlsym(RTLD_DEFAULT, "pthread_getattr_np");
}

/* The kernel has put these bytes at the first stack's begin. */
static uintptr_t first_stack(uintptr_t *size_out) {
    struct rlimit limit;
    bool limited = getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < NO_LIMIT;
    *size_out = limited ? (uintptr_t)limit.rlim_cur : NO_LIMIT;
    return (uintptr_t)getauxval(AT_RANDOM);
}

/* libc would read /proc/self/maps for the first thread, whose stack is none that is found here. */
static uintptr_t thread_stack(uintptr_t *size_out) {
    pthread_attr_t attributes;
    void *begin = NULL;
    size_t size = 0;
    if (!ask_libc || syscall(SYS_gettid) == getpid() || ask_libc(pthread_self(), &attributes))
        return 0;
    pthread_attr_getstack(&attributes, &begin, &size);
    pthread_attr_destroy(&attributes);
    *size_out = size;
    return (uintptr_t)begin + size;
}

void agent_shallow_learn(void) {
    uint32_t inside = agent_thread.inside;
    uintptr_t size, top = first_stack(&size);
    agent_thread.inside = 1; /* libc asks malloc for a set of processors, and gives it back */
    if (top - agent_stack_pointer() >= size)
        top = thread_stack(&size);
    agent_thread.inside = inside;
    agent_thread.shallow = top && size >= AGENT_LARGE_STACK ? top - AGENT_SHALLOW : NOWHERE;
}
