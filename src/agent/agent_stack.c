/* Who asks for memory: the calling thread's frames as a leaf of the tree of stacks.
 *
 * Two caches stand before the tree, both of one thread: the calls of the last stack, whose outer part is mostly
 * the same again, and recent steps of the tree. What neither knows is looked up under a lock. */
#include "agent/agent_native.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DEPTH_MAX = 256, STEPS = 512, THREADS_MAX = 128, COMM_LENGTH = 16 };

struct step {
    struct agent_call call;
    uint32_t parent, node; /* node 0: empty */
};

struct thread_cache {
    uint32_t depth, epoch, root;
    struct agent_call calls[DEPTH_MAX]; /* outermost first */
    uint32_t nodes[DEPTH_MAX];
    struct step steps[STEPS];
    struct thread_cache *next; /* unused ones */
};

static __thread struct thread_cache *this_thread __attribute__((tls_model("initial-exec")));

static struct {
    atomic_flag busy;
    atomic_uint epoch; /* raised when a code object ends: caches of threads hold its address */
    struct agent_index nodes;
    uint32_t *stacks; /* of each node: index into WIRE_STACKS */
    struct thread_cache *unused;
    uint32_t caches;
    pthread_key_t thread_ends;
    bool has_key;
} tree = {.busy = ATOMIC_FLAG_INIT, .nodes = {.region = WIRE_FRAMES, .key_words = sizeof(struct wire_frame) / 8}};

static void lock(void) {
    while (atomic_flag_test_and_set_explicit(&tree.busy, memory_order_acquire))
        sched_yield();
}

static void unlock(void) {
    atomic_flag_clear_explicit(&tree.busy, memory_order_release);
}

void agent_stack_before_fork(void) {
    lock();
}

void agent_stack_after_fork(void) {
    unlock();
}

void agent_stack_code_ends(const char *code) {
    lock();
    agent_code_forget(code);
    unlock();
    atomic_fetch_add_explicit(&tree.epoch, 1, memory_order_release);
}

size_t agent_stack_bytes(void) {
    size_t nodes = agent_recording ? agent_recording->regions[WIRE_FRAMES].capacity : 0;
    size_t tables = tree.stacks ? (tree.nodes.slot_count + nodes) * sizeof(uint32_t) : 0;
    return agent_code_bytes() + agent_places_bytes() + agent_native_bytes() + tables + tree.caches * sizeof(struct thread_cache);
}

/* ---- the tree, under the lock ---------------------------------------------------------------------------- */

static bool prepare_tree(void) {
    if (!tree.stacks)
        tree.stacks = agent_pages(agent_recording->regions[WIRE_FRAMES].capacity * sizeof *tree.stacks);
    return tree.stacks && agent_index_prepare(&tree.nodes) && agent_places_prepare();
}

/* 0 if the recording is full. */
static uint32_t node_of(uint32_t parent, uint32_t place) {
    struct wire_frame frame = {.parent = parent, .place = place};
    if (!place)
        return 0;
    uint32_t *slot = agent_index_slot(&tree.nodes, &frame);
    return *slot ? *slot : agent_index_add(&tree.nodes, slot, &frame);
}

static uint32_t python_node(uint32_t parent, struct agent_call call) {
    const struct agent_layout *layout = agent_python_layout();
    return agent_code_is_bridge(layout, call.code) ? parent : node_of(parent, agent_place_of_call(layout, call));
}

static uint32_t stack_of(uint32_t node) {
    if (tree.stacks[node])
        return tree.stacks[node];
    uint32_t stack = agent_region_take(agent_recording, WIRE_STACKS, 1);
    if (stack == UINT32_MAX)
        return 0;
    ((struct wire_stack *)agent_region(agent_recording, WIRE_STACKS))[stack].frame = node;
    agent_region_publish(agent_recording, WIRE_STACKS, 1);
    return tree.stacks[node] = stack;
}

/* ---- threads --------------------------------------------------------------------------------------------- */

static void give_back(void *cache) {
    lock();
    ((struct thread_cache *)cache)->next = tree.unused;
    tree.unused = cache;
    unlock();
    this_thread = NULL;
}

static uint32_t root_of_this_thread(void) {
    char name[COMM_LENGTH + 1] = "";
    pid_t native_id = (pid_t)syscall(SYS_gettid);
    prctl(PR_GET_NAME, name);
    return node_of(0, agent_place_of_thread(native_id == getpid() ? "MainThread" : name, (uint32_t)native_id));
}

static struct thread_cache *take_cache(void) {
    struct thread_cache *cache = tree.unused;
    if (cache)
        tree.unused = cache->next;
    else if (tree.caches < THREADS_MAX && (cache = agent_pages(sizeof *cache)))
        tree.caches++;
    if (!cache)
        return NULL;
    memset(cache, 0, sizeof *cache);
    cache->root = root_of_this_thread();
    cache->epoch = atomic_load_explicit(&tree.epoch, memory_order_acquire);
    return cache;
}

static struct thread_cache *cache_of_this_thread(void) {
    struct thread_cache *cache = this_thread;
    if (!cache) {
        lock();
        cache = prepare_tree() ? take_cache() : NULL;
        if (cache && !tree.has_key)
            tree.has_key = pthread_key_create(&tree.thread_ends, give_back) == 0;
        unlock();
        if (cache && tree.has_key)
            pthread_setspecific(tree.thread_ends, cache);
        this_thread = cache;
    }
    uint32_t epoch = atomic_load_explicit(&tree.epoch, memory_order_acquire);
    if (cache && cache->epoch != epoch) {
        cache->epoch = epoch;
        cache->depth = 0;
        memset(cache->steps, 0, sizeof cache->steps);
    }
    return cache;
}

/* ---- a stack --------------------------------------------------------------------------------------------- */

static bool same_call(struct agent_call a, struct agent_call b) {
    return a.code == b.code && a.instruction == b.instruction;
}

static uint32_t step_slot(uint32_t parent, struct agent_call call) {
    uint64_t hash = (call.instruction + (uintptr_t)call.code * 3 + parent * 0x9e3779b9u) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(hash >> 40) & (STEPS - 1);
}

static uint32_t step(struct thread_cache *cache, uint32_t parent, struct agent_call call) {
    struct step *known = &cache->steps[step_slot(parent, call)];
    if (known->node && known->parent == parent && same_call(known->call, call))
        return known->node;
    lock();
    uint32_t node = call.code ? python_node(parent, call) : node_of(parent, agent_place_of_address(call.instruction));
    unlock();
    if (node)
        *known = (struct step){call, parent, node};
    return node;
}

/* The calls that were there at the last stack, from the outermost on, lead to the same nodes. */
static uint32_t walk(struct thread_cache *cache, const struct agent_call *calls, size_t count) {
    size_t same = 0;
    while (same < count && same < cache->depth && same_call(calls[count - 1 - same], cache->calls[same]))
        same++;
    uint32_t node = same ? cache->nodes[same - 1] : cache->root;
    for (cache->depth = (uint32_t)same; cache->depth < count && node; cache->depth++) {
        struct agent_call call = calls[count - 1 - cache->depth];
        cache->calls[cache->depth] = call;
        node = cache->nodes[cache->depth] = step(cache, node, call);
    }
    if (!node)
        cache->depth = 0;
    return node;
}

/* Addresses lead to other frames once objects have come or gone: caches of threads are void. */
static size_t find_mixed_calls(struct agent_call *calls) {
    lock();
    uint32_t changes = agent_objects_changes();
    size_t count = agent_native_calls(calls, DEPTH_MAX);
    if (agent_objects_changes() != changes)
        atomic_fetch_add_explicit(&tree.epoch, 1, memory_order_release);
    unlock();
    return count;
}

uint32_t agent_stack_here(void) {
    struct agent_call calls[DEPTH_MAX];
    if (!agent_recording)
        return 0;
    size_t count = agent_native_wanted() ? find_mixed_calls(calls) : agent_python_calls(calls, DEPTH_MAX);
    struct thread_cache *cache = cache_of_this_thread();
    if (!cache)
        return 0;
    uint32_t node = walk(cache, calls, count);
    uint32_t stack = __atomic_load_n(&tree.stacks[node], __ATOMIC_RELAXED);
    if (stack || !node)
        return stack;
    lock();
    stack = stack_of(node);
    unlock();
    return stack;
}
