/* Hooks on the C library's allocator for a library that came into a running process: slots of libraries lead here.
 * Each passes its call on, to the function that the slot had, and looks at the block that comes or goes. */
#include "agent/agent_beside.h"
#include "agent/agent_slots.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t count, size_t size);
    void *(*realloc)(void *block, size_t size);
    void (*free)(void *block);
    void *(*reallocarray)(void *block, size_t count, size_t size);
    int (*posix_memalign)(void **out, size_t alignment, size_t size);
    void *(*aligned_alloc)(size_t alignment, size_t size);
    void *(*memalign)(size_t alignment, size_t size);
    void *(*dlsym)(void *handle, const char *name);
    int (*is_initialized)(void);
    int (*holds_gil)(void);
    void *(*save_thread)(void);
    void (*restore_thread)(void *state);
    bool on;
} real;

/* A block that was given out is a sample; or what was known of its address is old. */
static inline void *counted(void *block, size_t size) {
    if (AGENT_UNLIKELY((agent_thread.countdown -= (int64_t)size + 1) < 0))
        agent_beside_born(block, size);
    else if (agent_beside_may_have(block))
        agent_beside_dies(block, NULL);
    return block;
}

static void *ours_malloc(size_t size) {
    return counted(real.malloc(size), size);
}

static void *ours_calloc(size_t count, size_t size) {
    void *block = real.calloc(count, size);
    return block ? counted(block, count * size) : NULL;
}

/* Python's hooks have blocks in the range; a program that frees them here by mistake does no more harm than before. */
static void ours_free(void *block) {
    if (AGENT_UNLIKELY(agent_in_range(block)) && agent_release(block))
        return;
    if (agent_beside_may_have(block))
        agent_beside_dies(block, NULL);
    real.free(block);
}

static void *outside(void *context, size_t size) {
    (void)context;
    return real.malloc(size);
}

/* The old block dies before: as soon as it is free, another thread may be given its address. */
static void *resized(void *block, size_t size, void *(*resize)(void *block, size_t count, size_t size), size_t count) {
    size_t old, bytes = count * size;
    struct wire_block entry;
    if (AGENT_UNLIKELY(agent_in_range(block)) && agent_owns(block, &old))
        return agent_retake(block, old, bytes, outside, NULL);
    bool died = agent_beside_may_have(block) && agent_beside_dies(block, &entry);
    void *moved = resize(block, count, size);
    if (moved)
        return counted(moved, bytes);
    if (died && bytes)
        agent_beside_lives(block, &entry);
    return NULL;
}

static void *resize_one(void *block, size_t count, size_t size) {
    (void)count;
    return real.realloc(block, size);
}

static void *ours_realloc(void *block, size_t size) {
    return resized(block, size, resize_one, 1);
}

static void *ours_reallocarray(void *block, size_t count, size_t size) {
    size_t bytes;
    bool fits = !__builtin_mul_overflow(count, size, &bytes);
    return fits ? resized(block, size, real.reallocarray, count) : real.reallocarray(block, count, size);
}

static int ours_posix_memalign(void **out, size_t alignment, size_t size) {
    int error = real.posix_memalign(out, alignment, size);
    if (!error)
        counted(*out, size);
    return error;
}

static void *ours_aligned_alloc(size_t alignment, size_t size) {
    return counted(real.aligned_alloc(alignment, size), size);
}

static void *ours_memalign(size_t alignment, size_t size) {
    return counted(real.memalign(alignment, size), size);
}

/* Whoever has loaded a library asks for its functions next: it has the slots of that library set before the first of
 * them runs. It was about to ask for the loader's lock anyway, so that the order of locks is what it was. The caller's
 * return address decides where a name is looked for: the last word here is a jump. */
static void *ours_dlsym(void *handle, const char *name) {
    agent_slots_look();
    return real.dlsym(handle, name);
}

enum { MALLOC, CALLOC, REALLOC, FREE, POSIX_MEMALIGN, ALIGNED_ALLOC, MEMALIGN, REALLOCARRAY, MMAP, MMAP64, MUNMAP, MREMAP, DLSYM, RULES };

static struct agent_slot_rule rules[RULES] = {
    [MALLOC] = {"malloc", 0, (uintptr_t)ours_malloc, true},
    [CALLOC] = {"calloc", 0, (uintptr_t)ours_calloc, true},
    [REALLOC] = {"realloc", 0, (uintptr_t)ours_realloc, true},
    [FREE] = {"free", 0, (uintptr_t)ours_free, true},
    [POSIX_MEMALIGN] = {"posix_memalign", 0, (uintptr_t)ours_posix_memalign, true},
    [ALIGNED_ALLOC] = {"aligned_alloc", 0, (uintptr_t)ours_aligned_alloc, true},
    [MEMALIGN] = {"memalign", 0, (uintptr_t)ours_memalign, true},
    [REALLOCARRAY] = {"reallocarray", 0, (uintptr_t)ours_reallocarray, true},
    [MMAP] = {"mmap", 0, (uintptr_t)agent_mmap, false},
    [MMAP64] = {"mmap64", 0, (uintptr_t)agent_mmap64, false},
    [MUNMAP] = {"munmap", 0, (uintptr_t)agent_munmap, false},
    [MREMAP] = {"mremap", 0, (uintptr_t)agent_mremap, false},
    [DLSYM] = {"dlsym", 0, (uintptr_t)ours_dlsym, false},
};

static uintptr_t find(const char *name) {
    return (uintptr_t)dlsym(RTLD_DEFAULT, name);
}

/* Other threads come here as soon as the first slot is set. */
static void publish(void) {
#if !defined(__x86_64__) && defined(SYS_membarrier)
    syscall(SYS_membarrier, 1 /* MEMBARRIER_CMD_GLOBAL */, 0, 0);
#endif
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* What the program gets for each name, whoever put it there: another allocator that was preloaded, too. Of the last
 * ones only libc's own are known to do nothing but what the hooks do. */
static bool find_real(void) {
    if (real.free)
        return true;
    for (int i = 0; i < RULES; i++) {
        bool is_libc;
        uintptr_t found = agent_slots_find(rules[i].name, &is_libc);
        rules[i].real = i <= REALLOCARRAY || is_libc ? found : 0;
        if (!found && i < REALLOCARRAY)
            return false;
    }
    real.malloc = (void *(*)(size_t))rules[MALLOC].real;
    real.calloc = (void *(*)(size_t, size_t))rules[CALLOC].real;
    real.realloc = (void *(*)(void *, size_t))rules[REALLOC].real;
    real.posix_memalign = (int (*)(void **, size_t, size_t))rules[POSIX_MEMALIGN].real;
    real.aligned_alloc = (void *(*)(size_t, size_t))rules[ALIGNED_ALLOC].real;
    real.memalign = (void *(*)(size_t, size_t))rules[MEMALIGN].real;
    real.reallocarray = (void *(*)(void *, size_t, size_t))rules[REALLOCARRAY].real;
    real.dlsym = (void *(*)(void *, const char *))rules[DLSYM].real;
    real.is_initialized = (int (*)(void))find("Py_IsInitialized");
    real.holds_gil = (int (*)(void))find("PyGILState_Check");
    real.save_thread = (void *(*)(void))find("PyEval_SaveThread");
    real.restore_thread = (void (*)(void *))find("PyEval_RestoreThread");
    real.free = (void (*)(void *))rules[FREE].real;
    publish();
    return true;
}

/* A thread that loads a library may wait for the GIL: nobody waits for the loader with it. */
static int set(bool ours) {
    bool holds = real.is_initialized && real.holds_gil && real.save_thread && real.restore_thread;
    void *state = holds && real.is_initialized() && real.holds_gil() ? real.save_thread() : NULL;
    int error = agent_slots_set(rules, RULES, ours);
    if (state)
        real.restore_thread(state);
    return error;
}

int agent_hooks_slots_set(void) {
    if (!find_real())
        return ENOTSUP;
    int error = agent_beside_begin();
    if (!error)
        error = set(true);
    real.on = real.on || !error;
    return error;
}

void agent_hooks_slots_end(void) {
    if (real.on)
        set(false);
    real.on = false;
}

/* What was freed while no slot led here. */
void agent_hooks_slots_forget(void) {
    if (real.free && !real.on) {
        agent_beside_clear();
        agent_mappings_clear();
    }
}
