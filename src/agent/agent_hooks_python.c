/* Hooks on Python's own allocators: the domains MEM and OBJ, which are called with the GIL. */
#include "agent/agent_births.h"
#include "agent/agent_work.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

/* Include/cpython/pymem.h: PyMemAllocatorEx, PyMemAllocatorDomain. */
struct allocator {
    void *context;
    void *(*malloc)(void *context, size_t size);
    void *(*calloc)(void *context, size_t count, size_t size);
    void *(*realloc)(void *context, void *block, size_t size);
    void (*free)(void *context, void *block);
};

/* Include/cpython/objimpl.h: PyObjectArenaAllocator. */
struct arena_allocator {
    void *context;
    void *(*alloc)(void *context, size_t size);
    void (*free)(void *context, void *arena, size_t size);
};

enum { DOMAIN_MEM = 1, DOMAIN_OBJ = 2, DOMAINS = 3, PYMALLOC_LIMIT = 512 };

static struct {
    void (*get)(int domain, struct allocator *out);
    void (*set)(int domain, struct allocator *allocator);
    int (*is_ending)(void);
    const char *(*name)(void);
    void (*get_arena)(struct arena_allocator *out);
    void (*set_arena)(struct arena_allocator *allocator);
    struct allocator original[DOMAINS];
    struct arena_allocator arena;
    size_t limit; /* larger requests are malloc's to count */
    bool is_malloc; /* PYTHONMALLOC=malloc: so are all */
} python;

static inline const struct allocator *original(const void *context) {
    return context;
}

static inline bool is_counted_down(size_t size) {
    return AGENT_LIKELY((agent_thread.countdown -= (int64_t)size + 1) >= 0);
}

/* Where slots lead malloc to the agent too: what is asked of it on behalf of Python is counted here already. */
static inline uint32_t quiet_begin(void) {
    uint32_t inside = agent_thread.inside;
    agent_thread.inside = inside | agent.beside;
    return inside;
}

static inline void quiet_end(uint32_t inside) {
    agent_thread.inside = inside;
}

static void *outside(void *context, size_t size) {
    uint32_t inside = quiet_begin();
    void *block = original(context)->malloc(original(context)->context, size);
    quiet_end(inside);
    return block;
}

/* A block that is not in the range, of unknown size, became a sample when it was resized. */
static void *move_in(const struct allocator *from, void *block, size_t size, void *taken) {
    uint32_t inside = quiet_begin();
    void *resized = from->realloc(from->context, block, size);
    quiet_end(inside);
    if (!resized) {
        agent_release(taken);
        return NULL;
    }
    memcpy(taken, resized, size);
    from->free(from->context, resized);
    return taken;
}

/* Off the road that nearly all take, so that it needs no stack. */
static __attribute__((noinline)) void *malloc_drawn(void *context, size_t size) {
    void *block = context == &python.original[DOMAIN_OBJ] ? agent_births_claim(size) : NULL;
    if (!block)
        block = agent_sample(size, AGENT_ALIGNMENT, false);
    return block ? block : original(context)->malloc(original(context)->context, size);
}

static void *sampled_malloc(void *context, size_t size) {
    return is_counted_down(size) ? original(context)->malloc(original(context)->context, size)
                                 : malloc_drawn(context, size);
}

static void *sampled_calloc(void *context, size_t count, size_t size) {
    size_t bytes;
    if (!__builtin_mul_overflow(count, size, &bytes) && !is_counted_down(bytes)) {
        void *block = agent_sample(bytes, AGENT_ALIGNMENT, true);
        if (block)
            return block;
    }
    return original(context)->calloc(original(context)->context, count, size);
}

static void *sampled_realloc(void *context, void *block, size_t size) {
    size_t old;
    if (AGENT_UNLIKELY(agent_in_range(block)) && agent_owns(block, &old)) {
        agent_births_block_ends(block);
        return agent_retake(block, old, size, outside, context);
    }
    if (!is_counted_down(size)) {
        void *taken = agent_sample(size, AGENT_ALIGNMENT, false);
        if (taken)
            return block ? move_in(original(context), block, size, taken) : taken;
    }
    return original(context)->realloc(original(context)->context, block, size);
}

/* The last sample of a sampler that was stopped takes the hooks along. */
static __attribute__((noinline)) void free_ours(void *context, void *block) {
    const struct allocator *from = original(context);
    agent_births_block_ends(block);
    if (!agent_release(block))
        from->free(from->context, block);
    else if (AGENT_READ(agent.phase) == AGENT_STOPPED)
        agent_hooks_python_end();
}

static void hooked_free(void *context, void *block) {
    if (AGENT_LIKELY(!agent_in_range(block)))
        original(context)->free(original(context)->context, block);
    else
        free_ours(context, block);
}

static void *beside_malloc(void *context, size_t size) {
    void *block = is_counted_down(size) ? NULL : agent_sample(size, AGENT_ALIGNMENT, false);
    return block ? block : outside(context, size);
}

static void *beside_calloc(void *context, size_t count, size_t size) {
    size_t bytes;
    void *block = NULL;
    if (!__builtin_mul_overflow(count, size, &bytes) && !is_counted_down(bytes))
        block = agent_sample(bytes, AGENT_ALIGNMENT, true);
    if (block)
        return block;
    uint32_t inside = quiet_begin();
    block = original(context)->calloc(original(context)->context, count, size);
    quiet_end(inside);
    return block;
}

static void *beside_realloc(void *context, void *block, size_t size) {
    if (AGENT_UNLIKELY(agent_in_range(block)))
        return sampled_realloc(context, block, size);
    void *taken = is_counted_down(size) ? NULL : agent_sample(size, AGENT_ALIGNMENT, false);
    if (taken)
        return block ? move_in(original(context), block, size, taken) : taken;
    uint32_t inside = quiet_begin();
    block = original(context)->realloc(original(context)->context, block, size);
    quiet_end(inside);
    return block;
}

/* Where malloc is watched too, what pymalloc hands on to it is counted there. */
static void *native_malloc(void *context, size_t size) {
    return size <= python.limit ? sampled_malloc(context, size)
                                : original(context)->malloc(original(context)->context, size);
}

static void *native_calloc(void *context, size_t count, size_t size) {
    size_t bytes;
    return !__builtin_mul_overflow(count, size, &bytes) && bytes <= python.limit
               ? sampled_calloc(context, count, size)
               : original(context)->calloc(original(context)->context, count, size);
}

static void *native_realloc(void *context, void *block, size_t size) {
    return size <= python.limit || agent_in_range(block)
               ? sampled_realloc(context, block, size)
               : original(context)->realloc(original(context)->context, block, size);
}

static void *every_malloc(void *context, size_t size) {
    void *block = size <= python.limit ? agent_take(size, AGENT_ALIGNMENT, false, 1) : NULL;
    return block ? block : original(context)->malloc(original(context)->context, size);
}

static void *every_calloc(void *context, size_t count, size_t size) {
    size_t bytes;
    void *block = NULL;
    if (!__builtin_mul_overflow(count, size, &bytes) && bytes <= python.limit)
        block = agent_take(bytes, AGENT_ALIGNMENT, true, 1);
    return block ? block : original(context)->calloc(original(context)->context, count, size);
}

static void *every_realloc(void *context, void *block, size_t size) {
    size_t old;
    if (AGENT_LIKELY(agent_in_range(block)) && agent_owns(block, &old))
        return agent_retake(block, old, size, outside, context);
    void *taken = size <= python.limit ? agent_take(size, AGENT_ALIGNMENT, false, 1) : NULL;
    if (taken)
        return block ? move_in(original(context), block, size, taken) : taken;
    return original(context)->realloc(original(context)->context, block, size);
}

static const struct allocator sampled = {NULL, sampled_malloc, sampled_calloc, sampled_realloc, hooked_free};
static const struct allocator native = {NULL, native_malloc, native_calloc, native_realloc, hooked_free};
static const struct allocator beside = {NULL, beside_malloc, beside_calloc, beside_realloc, hooked_free};
static const struct allocator every = {NULL, every_malloc, every_calloc, every_realloc, hooked_free};

/* What pymalloc maps for its arenas holds blocks that are counted by themselves. */
static void *uncounted_arena(void *context, size_t size) {
    uint32_t inside = agent_thread.inside;
    agent_thread.inside = 1;
    void *arena = python.arena.alloc(context, size);
    agent_thread.inside = inside;
    return arena;
}

static void set_arena_hook(void) {
    struct arena_allocator ours;
    if (!python.get_arena || !python.set_arena)
        return;
    python.get_arena(&ours);
    if (ours.alloc == uncounted_arena)
        return;
    python.arena = ours;
    ours.alloc = uncounted_arena;
    python.set_arena(&ours);
}

static bool find_functions(void) {
    if (python.set)
        return true;
    python.get = (void (*)(int, struct allocator *))dlsym(RTLD_DEFAULT, "PyMem_GetAllocator");
    python.is_ending = (int (*)(void))dlsym(RTLD_DEFAULT, "Py_IsFinalizing");
    if (!python.is_ending)
        python.is_ending = (int (*)(void))dlsym(RTLD_DEFAULT, "_Py_IsFinalizing");
    python.name = (const char *(*)(void))dlsym(RTLD_DEFAULT, "_PyMem_GetCurrentAllocatorName");
    python.get_arena = (void (*)(struct arena_allocator *))dlsym(RTLD_DEFAULT, "PyObject_GetArenaAllocator");
    python.set_arena = (void (*)(struct arena_allocator *))dlsym(RTLD_DEFAULT, "PyObject_SetArenaAllocator");
    if (!python.get)
        return false;
    python.set = (void (*)(int, struct allocator *))dlsym(RTLD_DEFAULT, "PyMem_SetAllocator");
    return python.set != NULL;
}

static bool is_ours(const struct allocator *allocator) {
    return allocator->free == hooked_free;
}

/* `name` is that of the allocator behind the hooks. */
static void choose_limit(bool is_first) {
    const char *name = is_first && python.name ? python.name() : NULL;
    python.is_malloc = is_first ? name && !strncmp(name, "malloc", 6) : python.is_malloc;
    python.limit = !agent.native || agent.beside ? SIZE_MAX : python.is_malloc ? 0 : PYMALLOC_LIMIT;
}

static struct allocator chosen(void) {
    if (agent.every_byte)
        return every;
    return agent.beside ? beside : agent.native ? native : sampled;
}

int agent_hooks_python_set(void) {
    if (!find_functions())
        return ENOENT;
    struct allocator now;
    python.get(DOMAIN_OBJ, &now);
    choose_limit(!is_ours(&now));
    if (agent.native)
        set_arena_hook();
    for (int domain = DOMAIN_MEM; domain <= DOMAIN_OBJ; domain++) {
        python.get(domain, &now);
        if (!is_ours(&now))
            python.original[domain] = now;
        struct allocator ours = chosen();
        ours.context = &python.original[domain];
        if (now.malloc != ours.malloc)
            python.set(domain, &ours);
    }
    return 0;
}

void agent_hooks_python_end(void) {
    if (!python.set || AGENT_READ(agent.live_samples))
        return;
    for (int domain = DOMAIN_MEM; domain <= DOMAIN_OBJ; domain++) {
        struct allocator now;
        python.get(domain, &now);
        if (is_ours(&now))
            python.set(domain, &python.original[domain]);
    }
}

void *(*agent_hooks_python_behind(void *(*next)(void *context, size_t size)))(void *context, size_t size) {
    void *(*was)(void *context, size_t size) = python.original[DOMAIN_OBJ].malloc;
    AGENT_WRITE(python.original[DOMAIN_OBJ].malloc, next);
    return was;
}

bool agent_python_is_ending(void) {
    return python.is_ending && python.is_ending();
}
