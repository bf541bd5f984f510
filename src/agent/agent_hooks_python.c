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
    bool is_asked, can_give_back; /* its own free would hand a block of the range to free, which is the agent's */
    bool gives_back;              /* and does */
    bool installed;     /* the hooks are in place, maybe below another tool's */
    void *(*raw_malloc)(size_t size);
    void (*raw_free)(void *block);
} python;

static inline const struct allocator *original(const void *context) {
    return context;
}

/* Whether births from free lists that are samples are served in that domain. One function waits behind both: they must have
 * the same allocator. */
static bool has_births(int domain) {
    if (domain == DOMAIN_OBJ || !agent_lists_have_memory())
        return domain == DOMAIN_OBJ && agent_lists_have_objects();
    return !agent_lists_have_objects() || python.original[DOMAIN_MEM].free == python.original[DOMAIN_OBJ].free;
}

static inline bool is_counted_down(size_t size) {
    return AGENT_LIKELY((agent_thread.countdown -= (int64_t)size + 1) >= 0);
}

/* Where slots lead malloc to the agent too: what is asked of it on behalf of Python is counted here already. */
static inline uint32_t quiet_begin(void) {
    uint32_t inside = agent_thread.inside;
    agent_thread.inside = inside | (agent.beside ? AGENT_QUIET : 0);
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

/* Objects/obmalloc.c: raw_allocated_blocks. pymalloc counts what it asks the C library for, and again what it hands on to
 * its free: it must count a block that it never made, which will come back through it. */
static void count_one_more(void) {
    const struct allocator *from = &python.original[DOMAIN_OBJ];
    void *counted = from->malloc(from->context, PYMALLOC_LIMIT + 1);
    if (counted)
        python.raw_free(counted);
}

static void count_one_less(void) {
    const struct allocator *from = &python.original[DOMAIN_OBJ];
    void *counted = python.raw_malloc(1);
    if (counted)
        from->free(from->context, counted);
}

void *agent_hooks_python_note(void *taken) {
    if (taken && python.gives_back)
        count_one_more();
    return taken;
}

/* A block that has left the range by another way is not to be counted any more. */
static void *note_moved(void *moved) {
    if (moved && python.gives_back && !agent_in_range(moved))
        count_one_less();
    return moved;
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

static void *sample(const void *context, size_t size) {
    void *block = has_births((int)(original(context) - python.original)) ? agent_births_claim(size) : NULL;
    return block ? block : agent_sample(size, AGENT_ALIGNMENT, false);
}

/* Off the road that nearly all take, so that it needs no stack. */
static __attribute__((noinline)) void *malloc_drawn(void *context, size_t size) {
    void *block = sample(context, size);
    return block ? agent_hooks_python_note(block) : original(context)->malloc(original(context)->context, size);
}

static void *sampled_malloc(void *context, size_t size) {
    return is_counted_down(size) ? original(context)->malloc(original(context)->context, size)
                                 : malloc_drawn(context, size);
}

static __attribute__((noinline)) void *calloc_drawn(void *context, size_t count, size_t size) {
    void *block = agent_sample(count * size, AGENT_ALIGNMENT, true);
    return block ? agent_hooks_python_note(block) : original(context)->calloc(original(context)->context, count, size);
}

static void *sampled_calloc(void *context, size_t count, size_t size) {
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) || is_counted_down(bytes)
               ? original(context)->calloc(original(context)->context, count, size)
               : calloc_drawn(context, count, size);
}

static __attribute__((noinline)) void *realloc_drawn(void *context, void *block, size_t size) {
    void *taken = agent_sample(size, AGENT_ALIGNMENT, false);
    if (!taken)
        return original(context)->realloc(original(context)->context, block, size);
    return agent_hooks_python_note(block ? move_in(original(context), block, size, taken) : taken);
}

static __attribute__((noinline)) void *realloc_ours(void *context, void *block, size_t size) {
    size_t old;
    if (!agent_owns(block, &old))
        return original(context)->realloc(original(context)->context, block, size);
    agent_births_block_ends(block);
    return note_moved(agent_retake(block, old, size, outside, context));
}

static void *sampled_realloc(void *context, void *block, size_t size) {
    if (AGENT_UNLIKELY(agent_in_range(block)))
        return realloc_ours(context, block, size);
    return is_counted_down(size) ? original(context)->realloc(original(context)->context, block, size)
                                 : realloc_drawn(context, block, size);
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
    void *block = is_counted_down(size) ? NULL : sample(context, size);
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
    python.raw_malloc = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "PyMem_RawMalloc");
    python.raw_free = (void (*)(void *))dlsym(RTLD_DEFAULT, "PyMem_RawFree");
    python.set_arena = (void (*)(struct arena_allocator *))dlsym(RTLD_DEFAULT, "PyObject_SetArenaAllocator");
    if (!python.get)
        return false;
    python.set = (void (*)(int, struct allocator *))dlsym(RTLD_DEFAULT, "PyMem_SetAllocator");
    return python.set != NULL;
}

static bool is_ours(const struct allocator *allocator) {
    return allocator->free == hooked_free || allocator->malloc == sampled_malloc;
}

static bool is_of_python(void (*function)(void *context, void *block)) {
    Dl_info its, pythons;
    return dladdr((void *)function, &its) && dladdr((void *)python.set, &pythons) && its.dli_fbase == pythons.dli_fbase;
}

/* Whether a domain is served by hooks of another tool, as tracemalloc's. Debug allocators have a name. */
static bool is_foreign(const struct allocator *allocator) {
    if (is_ours(allocator) || (!allocator->context && is_of_python(allocator->free)))
        return false;
    return !python.name || !python.name();
}

/* Where the library was preloaded, Python's own allocators need no hook on free: what is not theirs goes to the C
 * library's. Those that check blocks have a context; those that manage all memory themselves do not ask malloc. */
static bool may_give_back(const struct allocator *from) {
    return python.raw_malloc && python.raw_free && !from->context && is_of_python(from->free) &&
           agent_hooks_malloc_serve(from->malloc, from->free, PYMALLOC_LIMIT + 1);
}

/* `name` is that of the allocators behind the hooks. */
static void put_behind(const struct allocator *now) {
    const char *name = python.name ? python.name() : NULL;
    python.is_malloc = name && !strncmp(name, "malloc", 6);
    python.is_asked = false;
    for (int domain = DOMAIN_MEM; domain <= DOMAIN_OBJ; domain++)
        if (!is_ours(&now[domain]))
            python.original[domain] = now[domain];
}

/* From 3.12 on allocators need an interpreter. What was taken until now has come in the other way. */
static void choose_free(bool is_initialized) {
    bool before = python.gives_back;
    if (!python.is_asked && is_initialized) {
        python.is_asked = true;
        python.can_give_back = may_give_back(&python.original[DOMAIN_MEM]) && may_give_back(&python.original[DOMAIN_OBJ]);
    }
    python.gives_back = python.is_asked && python.can_give_back && !agent.native && !agent.every_byte;
    for (uint64_t i = 0; i < AGENT_READ(agent.live_samples) && before != python.gives_back; i++)
        before ? count_one_less() : count_one_more();
}

static struct allocator chosen(int domain) {
    struct allocator ours = agent.every_byte ? every : agent.beside ? beside : agent.native ? native : sampled;
    ours.context = &python.original[domain];
    if (python.gives_back)
        ours.free = python.original[domain].free;
    return ours;
}

static void put_on_top(const struct allocator *now) {
    python.limit = !agent.native || agent.beside ? SIZE_MAX : python.is_malloc ? 0 : PYMALLOC_LIMIT;
    for (int domain = DOMAIN_MEM; domain <= DOMAIN_OBJ; domain++) {
        struct allocator ours = chosen(domain);
        if (now[domain].malloc != ours.malloc || now[domain].free != ours.free)
            python.set(domain, &ours);
    }
    python.installed = true;
}

static void get_both(struct allocator *out) {
    python.get(DOMAIN_MEM, &out[DOMAIN_MEM]);
    python.get(DOMAIN_OBJ, &out[DOMAIN_OBJ]);
}

/* What is in place now. Another tool's hooks may lie above; below, they would take the agent's along when they go. */
static int look(struct allocator *now, bool *is_below_out) {
    if (!find_functions())
        return ENOENT;
    get_both(now);
    bool any_is_foreign = is_foreign(&now[DOMAIN_MEM]) || is_foreign(&now[DOMAIN_OBJ]);
    *is_below_out = any_is_foreign && python.installed;
    return any_is_foreign && !python.installed && !agent_hooks_malloc_are_first() ? EBUSY : 0;
}

int agent_hooks_python_refuse(void) {
    struct allocator now[DOMAINS];
    bool is_below;
    return look(now, &is_below);
}

int agent_hooks_python_set(bool is_initialized) {
    struct allocator now[DOMAINS];
    bool is_below;
    int error = look(now, &is_below);
    if (error || is_below)
        return error;
    if (!is_ours(&now[DOMAIN_MEM]) || !is_ours(&now[DOMAIN_OBJ]))
        put_behind(now);
    choose_free(is_initialized);
    if (agent.native)
        set_arena_hook();
    put_on_top(now);
    return 0;
}

void agent_hooks_python_end(void) {
    if (!python.set || (AGENT_READ(agent.live_samples) && !python.gives_back))
        return;
    struct allocator now[DOMAINS];
    get_both(now);
    if (!is_ours(&now[DOMAIN_MEM]) || !is_ours(&now[DOMAIN_OBJ]))
        return;
    python.set(DOMAIN_MEM, &python.original[DOMAIN_MEM]);
    python.set(DOMAIN_OBJ, &python.original[DOMAIN_OBJ]);
    python.installed = false;
}

agent_malloc *agent_hooks_python_behind(void) {
    return python.original[has_births(DOMAIN_OBJ) ? DOMAIN_OBJ : DOMAIN_MEM].malloc;
}

void agent_hooks_python_put_behind(agent_malloc *next) {
    for (int domain = DOMAIN_MEM; domain <= DOMAIN_OBJ; domain++)
        if (has_births(domain))
            __atomic_store_n(&python.original[domain].malloc, next, __ATOMIC_RELEASE);
}

bool agent_python_is_ending(void) {
    return python.is_ending && python.is_ending();
}
