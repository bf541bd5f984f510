/* Start, stop, fork and exit. */
#include "agent/agent_native.h"
#include "agent/agent_slots.h"
#include "agent/agent_work.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RANGE_SAMPLING ((size_t)64 << 30)
#define RANGE_EVERY_BYTE ((size_t)1 << 40)
#define MEMORY_EVERY_BYTE ((uint64_t)64 << 20)

static struct {
    int (*is_initialized)(void);
    int (*is_core_initialized)(void); /* NULL where allocators may be set at any time */
    int (*holds_gil)(void);
    uint64_t looks, next_look;
} python;

static void *function(const char *name) {
    return dlsym(RTLD_DEFAULT, name);
}

static void before_fork(void) {
    agent_slots_before_fork();
    agent_lock();
    agent_guard_look();
    agent_stack_before_fork();
    for (int i = 0; agent_recording && i < WIRE_REGIONS; i++)
        agent.used_at_fork[i] = agent.forked ? agent.used_at_fork[i] : agent_recording->regions[i].used;
}

static void after_fork_parent(void) {
    agent_stack_after_fork();
    agent_unlock();
    agent_slots_after_fork();
}

/* The mapping is the parent's until the child has something to say; many a child only calls exec. */
static void after_fork_child(void) {
    agent_stack_after_fork();
    agent.forked = agent_recording != NULL;
    agent_unlock();
    agent_slots_after_fork();
}

static void walk_native(void (*each)(const struct wire_block *entry)) {
    agent_mappings_walk(each);
    agent_beside_walk(each);
}

void agent_fork_settle(void) {
    agent.forked = false;
    if (agent_recording_adopt()) {
        /* No recording of its own and not the parent's either: blocks still come back, nothing is counted. */
        AGENT_WRITE(agent.phase, AGENT_FINISHED);
        return;
    }
    agent_recording->flags |= WIRE_FORKED;
    agent_account_rebuild(walk_native);
}

/* What pthread_atfork is in glibc, whose own lies in a part that is linked in; other C libraries only have that name. */
extern int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void *) __attribute__((weak));
extern void *__dso_handle __attribute__((visibility("hidden")));

static int at_fork(void) {
    if (__register_atfork)
        return __register_atfork(before_fork, after_fork_parent, after_fork_child, &__dso_handle);
    int (*other)(void (*)(void), void (*)(void), void (*)(void)) = NULL;
    *(void **)&other = function("pthread_atfork");
    return other ? other(before_fork, after_fork_parent, after_fork_child) : ENOSYS;
}

static void describe(struct wire_head *head) {
    head->flags = (agent.every_byte ? WIRE_EVERY_BYTE : 0) | (agent.native ? WIRE_NATIVE : 0) |
                  (agent_native_wanted() ? WIRE_NATIVE_STACKS : 0);
    head->python = agent_python_version();
    head->interval = head->first_interval = agent.interval;
    head->range_base = agent.range_base;
    head->range_size = agent.range_size;
    head->range_used = agent.range_used;
    head->span_size = AGENT_SPAN_SIZE;
}

/* The recording and the range; neither without the other. */
static int begin_recording(const struct agent_options *options) {
    const char *path = options->file[0] ? options->file : NULL;
    struct wire_head *head;
    agent_spare_find(options->spare);
    int error = agent_recording_open(path, options->memory, &head);
    if (error)
        return error;
    agent_recording = head;
    error = agent_account_begin() ? 0 : ENOSPC;
    if (!error && !agent.range_size)
        error = agent_range_reserve(agent.every_byte ? RANGE_EVERY_BYTE : RANGE_SAMPLING);
    if (error) {
        agent_recording = NULL;
        munmap(head, head->file_size);
    }
    return error;
}

static int begin(const struct agent_options *options) {
    static bool watches_fork;
    agent.options = *options;
    if (options->interval == 1 && options->memory < MEMORY_EVERY_BYTE)
        agent.options.memory = MEMORY_EVERY_BYTE;
    AGENT_WRITE(agent.interval, options->interval);
    agent.every_byte = options->interval == 1;
    int error = begin_recording(&agent.options);
    if (error)
        return error;
    describe(agent_recording);
    agent.single_threaded = function("__libc_single_threaded");
    if (!watches_fork)
        watches_fork = at_fork() == 0;
    AGENT_WRITE(agent.phase, AGENT_SAMPLING);
    agent_recording->state = WIRE_SAMPLING;
    return 0;
}

/* Where malloc is the agent's by preload it stays watched once it was. Else slots lead to it, from one start to the next. */
static void choose_native(const struct agent_options *options) {
    bool first = agent_hooks_malloc_are_first();
    agent.native = options->native > 0 || (first && agent.native);
    AGENT_WRITE(agent.beside, agent.native && !first);
    agent_python_only_holders_ask(!agent.native);
    if (options->native > 1)
        agent_native_begin();
}

static int watch_native(void) {
    if (agent.beside)
        return agent_hooks_slots_set();
    agent_hooks_slots_end();
    agent_hooks_slots_forget();
    return 0;
}

/* A recording that was stopped goes on; for Python the kind of hooks stays what it was. */
static void resume(const struct agent_options *options) {
    agent_hooks_slots_forget();
    agent_enter();
    agent.options.interval = agent.every_byte ? 1 : options->interval;
    agent.options.budget = options->budget;
    AGENT_WRITE(agent.interval, agent.options.interval);
    AGENT_WRITE(agent.phase, AGENT_SAMPLING);
    agent_recording->interval = agent.interval;
    agent_recording->state = WIRE_SAMPLING;
    agent_recording->flags = (agent_recording->flags & ~(uint32_t)WIRE_NATIVE) | (agent.native ? WIRE_NATIVE : 0) |
                             (agent_native_wanted() ? WIRE_NATIVE_STACKS : 0);
    agent_thread.countdown = 0;
    agent_thread.interval = 0;
    agent_leave();
}

static void find_state_functions(void) {
    python.is_initialized = (int (*)(void))function("Py_IsInitialized");
    python.holds_gil = (int (*)(void))function("PyGILState_Check");
    /* Python/pystate.c of 3.12: the lock of allocators is an object that the runtime's start makes. */
    if (function("PyUnstable_GC_VisitObjects") && !function("Py_IsFinalizing"))
        python.is_core_initialized = (int (*)(void))function("_Py_IsCoreInitialized");
}

/* Only the thread with the GIL may change hooks, or the one that starts Python. */
static bool may_set_hooks(void) {
    if (!python.is_initialized)
        find_state_functions();
    if (!python.is_initialized || !python.holds_gil)
        return false;
    if (python.is_initialized())
        return python.holds_gil();
    return (!python.is_core_initialized || python.is_core_initialized()) && syscall(SYS_gettid) == getpid();
}

static int start(const struct agent_options *options) {
    int error = agent_hooks_python_refuse();
    if (error)
        return error;
    choose_native(options);
    if (agent_recording)
        resume(options);
    else if ((error = begin(options)))
        return error;
    bool is_initialized = may_set_hooks() && python.is_initialized();
    error = agent_hooks_python_set(is_initialized);
    if (!error && (error = watch_native()))
        caulk_agent_stop();
    if (!error && is_initialized)
        agent_rebirth_set();
    agent_hooks_malloc_mode(agent.native ? AGENT_MALLOC_WATCH : AGENT_MALLOC_PASS);
    return error;
}

int caulk_agent_start(const char *words) {
    struct agent_options options;
    int error = agent_options_read(words ? words : "", &options);
    if (error)
        return error;
    return agent_python_find() ? start(&options) : ENOENT;
}

int caulk_agent_stop(void) {
    if (!agent_recording || agent.phase != AGENT_SAMPLING)
        return EINVAL;
    if (agent_enter()) {
        AGENT_WRITE(agent.phase, AGENT_STOPPED);
        agent_recording->state = WIRE_STOPPED;
        agent_leave();
    }
    agent_hooks_malloc_mode(AGENT_MALLOC_PASS);
    agent_hooks_slots_end();
    agent_rebirth_end();
    agent_hooks_python_end();
    return 0;
}

static void look(void) {
    if (!python.is_initialized && ++python.looks < python.next_look)
        return;
    python.next_look = python.looks * 2;
    if (!agent_python_find() || !may_set_hooks())
        return;
    if (agent.phase == AGENT_WAITING && start(&agent.options)) {
        AGENT_WRITE(agent.phase, AGENT_ABSENT);
        agent_hooks_malloc_mode(AGENT_MALLOC_PASS);
        return;
    }
    agent_hooks_python_set(python.is_initialized());
    if (!python.is_initialized()) {
        agent_hooks_malloc_mode(AGENT_MALLOC_LOOK);
        return;
    }
    agent_hooks_malloc_mode(agent.native ? AGENT_MALLOC_WATCH : AGENT_MALLOC_PASS);
    agent_rebirth_set();
}

/* Python's start may put its own allocators in place of the hooks (PYTHONMALLOC, -X dev), or comes by dlopen. What
 * is called here may allocate, and must not come back. */
void agent_start_look(void) {
    agent_thread.inside = 1;
    look();
    agent_thread.inside = 0;
}

__attribute__((constructor)) static void start_preloaded(void) {
    const char *words = getenv("CAULK_AGENT");
    if (!words || !*words || agent_options_read(words, &agent.options))
        return;
    AGENT_WRITE(agent.phase, AGENT_WAITING);
    if (!agent_python_find())
        return;
    agent_hooks_malloc_mode(AGENT_MALLOC_LOOK);
    agent_start_look();
}

__attribute__((destructor)) static void end(void) {
    agent_guard_look();
    if (agent_recording && !agent.forked)
        agent_recording->state = WIRE_EXITED;
}
