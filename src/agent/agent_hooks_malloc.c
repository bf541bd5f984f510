/* Hooks on the C library's allocator, by the names that a preloaded library takes over. They pass through unless
 * native memory is watched. */
#include "agent/agent_births.h"
#include "agent/agent_work.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define VISIBLE __attribute__((visibility("default")))

enum { UNRESOLVED = AGENT_MALLOC_UNRESOLVED, PASS = AGENT_MALLOC_PASS, LOOK = AGENT_MALLOC_LOOK, MARK = AGENT_MALLOC_MARK };

static struct {
    uint32_t mode; /* enum agent_malloc_mode */
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t count, size_t size);
    void *(*realloc)(void *block, size_t size);
    void (*free)(void *block);
    void *(*memalign)(size_t alignment, size_t size);
    int (*posix_memalign)(void **out, size_t alignment, size_t size);
    void *(*aligned_alloc)(size_t alignment, size_t size);
    size_t (*usable)(void *block);
    void *(*dlopen)(const char *name, int flags);
} real;

static inline uint32_t mode(void) {
    return __atomic_load_n(&real.mode, __ATOMIC_RELAXED);
}

/* What dlsym asks for while it looks up malloc; never freed. */
static _Alignas(16) char first_memory[16 << 10];
static size_t first_used;

static bool is_first(const void *block) {
    return (uintptr_t)block - (uintptr_t)first_memory < sizeof first_memory;
}

static void *first_allocate(size_t size) {
    size_t begin = __atomic_fetch_add(&first_used, (size + 15) & ~(size_t)15, __ATOMIC_RELAXED);
    return size <= sizeof first_memory && begin <= sizeof first_memory - size ? first_memory + begin : NULL;
}

static void resolve(void) {
    static __thread bool resolving __attribute__((tls_model("initial-exec")));
    if (resolving || real.free)
        return;
    resolving = true;
    real.calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    real.realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    real.memalign = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "memalign");
    real.posix_memalign = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
    real.aligned_alloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "aligned_alloc");
    real.usable = (size_t (*)(void *))dlsym(RTLD_NEXT, "malloc_usable_size");
    real.malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    __atomic_store_n(&real.free, (void (*)(void *))dlsym(RTLD_NEXT, "free"), __ATOMIC_RELEASE);
    uint32_t unresolved = UNRESOLVED;
    __atomic_compare_exchange_n(&real.mode, &unresolved, PASS, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
    resolving = false;
}

/* True once the real functions are known. */
static bool is_ready(void) {
    if (AGENT_UNLIKELY(!__atomic_load_n(&real.free, __ATOMIC_ACQUIRE)))
        resolve();
    if (AGENT_UNLIKELY(mode() == LOOK) && !agent_thread.inside)
        agent_start_look();
    return real.free != NULL;
}

/* A block of the range, or NULL if this one is for the real allocator. */
static void *taken(size_t size, size_t alignment, bool zeroed) {
    if (!agent.native || mode() == PASS)
        return NULL;
    if (agent.every_byte)
        return agent_take(size, alignment, zeroed, 1);
    if (AGENT_LIKELY((agent_thread.countdown -= (int64_t)size + 1) >= 0))
        return NULL;
    return agent_sample(size, alignment, zeroed);
}

/* What another preloaded allocator maps for itself holds blocks that are counted by themselves. */
static void *uncounted(size_t size, bool zeroed) {
    uint32_t inside = agent_thread.inside;
    agent_thread.inside = 1;
    void *block = zeroed ? real.calloc(1, size) : real.malloc(size);
    agent_thread.inside = inside;
    return block;
}

/* What has come by while the mode said so. */
enum { MALLOC_CAME = 1, FREE_CAME = 2 };
static __thread uint32_t marks __attribute__((tls_model("initial-exec")));

static __attribute__((noinline)) void *malloc_slowly(size_t size) {
    if (!is_ready())
        return first_allocate(size);
    if (mode() == MARK)
        marks |= MALLOC_CAME;
    void *block = taken(size, AGENT_ALIGNMENT, false);
    return block ? block : uncounted(size, false);
}

VISIBLE void *malloc(size_t size) {
    return AGENT_LIKELY(mode() == PASS) ? real.malloc(size) : malloc_slowly(size);
}

static __attribute__((noinline)) void *calloc_slowly(size_t count, size_t size) {
    size_t bytes;
    bool fits = !__builtin_mul_overflow(count, size, &bytes);
    if (!is_ready())
        return fits ? first_allocate(bytes) : NULL;
    void *block = fits ? taken(bytes, AGENT_ALIGNMENT, true) : NULL;
    if (block || !fits)
        return block ? block : real.calloc(count, size);
    return uncounted(bytes, true);
}

VISIBLE void *calloc(size_t count, size_t size) {
    return AGENT_LIKELY(mode() == PASS) ? real.calloc(count, size) : calloc_slowly(count, size);
}

/* Python's own free hands blocks of the range on to here, with the GIL, unless native memory is watched. */
static void block_ends(const void *block) {
    if (!agent.native)
        agent_births_block_ends(block);
}

static void release(void *block) {
    block_ends(block);
    agent_release(block);
}

static __attribute__((noinline)) void free_ours(void *block) {
    if (mode() == MARK)
        marks |= FREE_CAME;
    if (agent_in_range(block))
        release(block);
    else if (!is_first(block) && is_ready())
        real.free(block);
}

VISIBLE void free(void *block) {
    if (AGENT_LIKELY(mode() >= PASS && !agent_in_range(block) && !is_first(block)))
        real.free(block);
    else
        free_ours(block);
}

static void *outside(void *context, size_t size) {
    (void)context;
    return real.malloc(size);
}

static void *realloc_first(void *block, size_t size) {
    void *moved = malloc(size);
    size_t room = (size_t)(first_memory + sizeof first_memory - (char *)block);
    if (moved)
        memcpy(moved, block, size < room ? size : room);
    return moved;
}

static void *realloc_ours(void *block, size_t size) {
    size_t old;
    if (!size) {
        release(block);
        return NULL;
    }
    block_ends(block);
    return agent_owns(block, &old) ? agent_retake(block, old, size, outside, NULL) : NULL;
}

static __attribute__((noinline)) void *realloc_slowly(void *block, size_t size) {
    if (is_first(block))
        return realloc_first(block, size);
    if (!is_ready())
        return first_allocate(size);
    if (agent_in_range(block))
        return realloc_ours(block, size);
    void *moved = block && !size ? NULL : taken(size, AGENT_ALIGNMENT, false);
    if (!moved || !block)
        return moved ? moved : real.realloc(block, size);
    void *resized = real.realloc(block, size);
    if (!resized) {
        agent_release(moved);
        return NULL;
    }
    memcpy(moved, resized, size);
    real.free(resized);
    return moved;
}

VISIBLE void *realloc(void *block, size_t size) {
    if (AGENT_LIKELY(mode() == PASS && !agent_in_range(block) && !is_first(block)))
        return real.realloc(block, size);
    return realloc_slowly(block, size);
}

static bool is_alignment(size_t alignment) {
    return alignment && !(alignment & (alignment - 1));
}

VISIBLE void *memalign(size_t alignment, size_t size) {
    void *block = is_ready() && is_alignment(alignment) ? taken(size, alignment, false) : NULL;
    return block || !real.memalign ? block : real.memalign(alignment, size);
}

VISIBLE void *aligned_alloc(size_t alignment, size_t size) {
    void *block = is_ready() && is_alignment(alignment) ? taken(size, alignment, false) : NULL;
    return block || !real.aligned_alloc ? block : real.aligned_alloc(alignment, size);
}

VISIBLE int posix_memalign(void **out, size_t alignment, size_t size) {
    bool fits = is_ready() && is_alignment(alignment) && alignment >= sizeof(void *);
    void *block = fits ? taken(size, alignment, false) : NULL;
    if (!block)
        return real.posix_memalign ? real.posix_memalign(out, alignment, size) : ENOMEM;
    *out = block;
    return 0;
}

VISIBLE size_t malloc_usable_size(void *block) {
    if (agent_in_range(block))
        return agent_range_usable(block);
    return is_ready() && real.usable && !is_first(block) ? real.usable(block) : 0;
}

bool agent_hooks_malloc_serve(void *(*allocate)(void *context, size_t size), void (*give_back)(void *context, void *block),
                              size_t size) {
    resolve();
    uint32_t was = mode(), mark = MARK;
    if (was == UNRESOLVED)
        return false;
    marks = 0;
    __atomic_store_n(&real.mode, MARK, __ATOMIC_RELAXED);
    give_back(NULL, allocate(NULL, size));
    __atomic_compare_exchange_n(&real.mode, &mark, was, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return marks == (MALLOC_CAME | FREE_CAME);
}

static void *usual_malloc(void *context, size_t size) {
    (void)context;
    return ((void *(*)(size_t))dlsym(RTLD_DEFAULT, "malloc"))(size);
}

static void usual_free(void *context, void *block) {
    (void)context;
    ((void (*)(void *))dlsym(RTLD_DEFAULT, "free"))(block);
}

/* What the names lead to is asked by a call: their addresses may be those of jumps in the program. */
bool agent_hooks_malloc_are_first(void) {
    return agent_hooks_malloc_serve(usual_malloc, usual_free, 1);
}

void agent_hooks_malloc_mode(enum agent_malloc_mode mode) {
    resolve();
    if (real.free)
        __atomic_store_n(&real.mode, mode, __ATOMIC_RELAXED);
}

/* The caller's return address decides where a library is looked for: the real function must see it, so that the
 * last word here is a jump. What it loads is found by a later malloc. */
VISIBLE void *dlopen(const char *name, int flags) {
    if (agent.phase == AGENT_WAITING)
        agent_hooks_malloc_mode(AGENT_MALLOC_LOOK);
    if (!real.dlopen)
        real.dlopen = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
    return real.dlopen(name, flags);
}
