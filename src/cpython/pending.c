/* Reads and changes the queue of pending calls: struct _pending_calls, Python/ceval_gil.c and before 3.12 ceval.c. */
#include "cpython/pending.h"

#include "cpython/layout.h"
#include "memory/visit.h"

#include <stdlib.h>
#include <string.h>

static const struct pending_layout rows[] = {
#include "cpython/pending_rows.h"
};

enum { THREADS_MAX = 1 << 16, QUEUE_BYTES_MAX = 16384 };

static uint32_t patch_distance(uint32_t a, uint32_t b) {
    uint32_t patch_a = a >> 8 & 0xff, patch_b = b >> 8 & 0xff;
    return patch_a > patch_b ? patch_a - patch_b : patch_b - patch_a;
}

static const struct pending_layout *find_row(uint32_t version) {
    const struct pending_layout *nearest = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].version >> 16 == version >> 16 &&
            (!nearest || patch_distance(rows[i].version, version) < patch_distance(nearest->version, version)))
            nearest = &rows[i];
    return nearest;
}

static uint64_t word(const struct pending *pending, remote_address address) {
    uint64_t value;
    return memory_read_word(pending->memory, address, &value) ? value : 0;
}

static uint32_t half(const struct pending *pending, remote_address address) {
    uint32_t value;
    return memory_read(pending->memory, address, sizeof value, &value) ? value : UINT32_MAX;
}

static struct error *refuse(const struct memory *memory, const struct python_process *process, const char *reason) {
    return error_create(STATUS_UNSUPPORTED, "process %d runs Python %s, %s: nothing can be loaded into it safely",
                        memory->pid, process->version_text, reason);
}

/* Part of this is true of a queue at any moment, the rest only while nobody is at work on it. */
static bool is_plausible(const struct pending *pending) {
    const struct pending_layout *layout = pending->layout;
    uint32_t first = half(pending, pending->queue + layout->queue_first);
    uint32_t last = half(pending, pending->queue + layout->queue_last);
    uint32_t signal = half(pending, pending->queue + layout->queue_signal);
    if (first >= layout->queue_capacity || last >= layout->queue_capacity)
        return false;
    if (layout->queue_counts)
        return half(pending, pending->queue + layout->queue_most) == layout->queue_capacity &&
               signal <= layout->queue_capacity;
    remote_address lock = word(pending, pending->queue + layout->queue_lock);
    return signal <= 1 && half(pending, pending->interpreter + layout->interpreter_breaker) <= 1 && lock &&
           half(pending, lock) <= 1;
}

struct error *pending_find(const struct memory *memory, const struct python_process *process, struct pending *out) {
    *out = (struct pending){.memory = memory, .layout = find_row(process->version), .runtime = process->runtime};
    if (!out->layout)
        return refuse(memory, process, "whose pending calls caulk does not know");
    out->interpreter = word(out, process->runtime + out->layout->runtime_main);
    out->queue = out->interpreter + out->layout->interpreter_queue;
    bool known = false;
    for (size_t i = 0; i < process->interpreter_count; i++)
        known |= process->interpreters[i] == out->interpreter;
    if (!known || !is_plausible(out))
        return refuse(memory, process, "and its pending calls are not where that version has them");
    return NULL;
}

/* A PyThread_type_lock is a semaphore: 1 is free. The lowest bit of a PyMutex says that it is locked. */
static bool is_locked(const struct pending *pending) {
    const struct pending_layout *layout = pending->layout;
    if (layout->queue_mutex != LAYOUT_NONE)
        return (half(pending, pending->queue + layout->queue_mutex) & 0xff) != 0;
    return half(pending, word(pending, pending->queue + layout->queue_lock)) != 1;
}

struct ring {
    uint32_t first, last, count;
};

static bool read_ring(const struct pending *pending, struct ring *out) {
    const struct pending_layout *layout = pending->layout;
    if (is_locked(pending) || !is_plausible(pending))
        return false;
    out->first = half(pending, pending->queue + layout->queue_first);
    out->last = half(pending, pending->queue + layout->queue_last);
    out->count = (out->last + layout->queue_capacity - out->first) % layout->queue_capacity;
    if (!layout->queue_counts)
        return true;
    uint32_t counted = half(pending, pending->queue + layout->queue_signal);
    bool fits = counted % layout->queue_capacity == out->count;
    out->count = counted;
    return fits;
}

const char *pending_obstacle(const struct pending *pending) {
    struct ring ring;
    if (word(pending, pending->runtime + pending->layout->runtime_finalizing))
        return "is ending";
    if (is_locked(pending))
        return "is at work on its pending calls";
    if (!read_ring(pending, &ring))
        return "has pending calls in a state that is not known";
    return ring.count + VISIT_PIECES_MAX / 2 >= pending->layout->queue_capacity ? "has too many pending calls" : NULL;
}

static remote_address slot(const struct pending *pending, const struct ring *ring, uint32_t index) {
    return pending->queue + pending->layout->queue_calls +
           (ring->first + index) % pending->layout->queue_capacity * pending->layout->call_size;
}

static remote_address next_thread(const struct pending *pending, remote_address thread) {
    return thread ? word(pending, thread + pending->layout->thread_next)
                  : word(pending, pending->interpreter + pending->layout->interpreter_threads);
}

static bool write_threads(const struct pending *pending, uint32_t bit) {
    const struct pending_layout *layout = pending->layout;
    remote_address thread = 0;
    bool any = false;
    for (int i = 0; i < THREADS_MAX && (thread = next_thread(pending, thread)); i++) {
        uint64_t breaker;
        if (!memory_read_word(pending->memory, thread + layout->thread_breaker, &breaker))
            break;
        breaker |= bit;
        any |= visit_write(pending->memory->pid,
                           &(struct visit_piece){thread + layout->thread_breaker, &breaker, sizeof breaker}, 1);
    }
    return any;
}

bool pending_signal(const struct pending *pending, uint32_t bit) {
    const struct pending_layout *layout = pending->layout;
    if (layout->interpreter_breaker == LAYOUT_NONE)
        return write_threads(pending, bit);
    const struct visit_piece pieces[] = {
        {pending->queue + layout->queue_signal, &bit, sizeof bit},
        {pending->interpreter + layout->interpreter_breaker, &bit, sizeof bit},
    };
    return visit_write(pending->memory->pid, pieces, 2);
}

/* The calls lie in the queue before their number says so. */
bool pending_push(const struct pending *pending, const struct pending_call *calls, size_t count) {
    const struct pending_layout *layout = pending->layout;
    struct ring ring;
    unsigned char entries[VISIT_PIECES_MAX / 2][64] = {0};
    struct visit_piece pieces[VISIT_PIECES_MAX];
    if (!read_ring(pending, &ring) || count > VISIT_PIECES_MAX / 2 || layout->call_size > sizeof *entries ||
        ring.count + count >= layout->queue_capacity)
        return false;
    for (size_t i = 0; i < count; i++) {
        memcpy(entries[i] + layout->call_function, &calls[i].function, sizeof calls[i].function);
        memcpy(entries[i] + layout->call_argument, &calls[i].argument, sizeof calls[i].argument);
        pieces[i] = (struct visit_piece){slot(pending, &ring, ring.count + (uint32_t)i), entries[i], layout->call_size};
    }
    uint32_t last = (ring.last + (uint32_t)count) % layout->queue_capacity;
    uint32_t signal = layout->queue_counts ? ring.count + (uint32_t)count : 1;
    pieces[count] = (struct visit_piece){pending->queue + layout->queue_last, &last, sizeof last};
    pieces[count + 1] = (struct visit_piece){pending->queue + layout->queue_signal, &signal, sizeof signal};
    return visit_write(pending->memory->pid, pieces, count + 2) && pending_signal(pending, layout->breaker_bit);
}

int pending_count(const struct pending *pending, remote_address argument) {
    struct ring ring;
    int count = 0;
    if (!read_ring(pending, &ring))
        return -1;
    for (uint32_t i = 0; i < ring.count; i++)
        count += word(pending, slot(pending, &ring, i) + pending->layout->call_argument) == argument;
    return count;
}

/* Calls of others that were added later move up; all of it is one write. */
static bool write_without(const struct pending *pending, const struct ring *ring, remote_address argument,
                          unsigned char *calls) {
    const struct pending_layout *layout = pending->layout;
    size_t size = layout->queue_capacity * layout->call_size;
    remote_address begin = pending->queue + layout->queue_calls;
    if (!memory_read(pending->memory, begin, size, calls))
        return false;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < ring->count; i++) {
        unsigned char *from = calls + (slot(pending, ring, i) - begin), *to = calls + (slot(pending, ring, kept) - begin);
        if (memcmp(from + layout->call_argument, &argument, sizeof argument) == 0)
            continue;
        if (from != to)
            memcpy(to, from, layout->call_size);
        kept++;
    }
    uint32_t last = (ring->first + kept) % layout->queue_capacity, signal = layout->queue_counts ? kept : 1;
    const struct visit_piece pieces[] = {{begin, calls, size},
                                         {pending->queue + layout->queue_last, &last, sizeof last},
                                         {pending->queue + layout->queue_signal, &signal, sizeof signal}};
    return visit_write(pending->memory->pid, pieces, 3);
}

bool pending_remove(const struct pending *pending, remote_address argument) {
    struct ring ring;
    size_t size = pending->layout->queue_capacity * pending->layout->call_size;
    unsigned char *calls = size <= QUEUE_BYTES_MAX ? malloc(size) : NULL;
    bool done = calls && read_ring(pending, &ring) && write_without(pending, &ring, argument, calls);
    free(calls);
    return done;
}

/* New states come to the front of the list; one that is made for a moment may be of the same thread. */
remote_address pending_main_thread(const struct pending *pending) {
    uint64_t main_thread = word(pending, pending->runtime + pending->layout->runtime_main_thread);
    remote_address thread = 0, found = 0;
    for (int i = 0; i < THREADS_MAX && (thread = next_thread(pending, thread)); i++)
        if (word(pending, thread + pending->layout->thread_id) == main_thread)
            found = thread;
    return found;
}

bool pending_has_thread(const struct pending *pending, remote_address wanted) {
    remote_address thread = 0;
    for (int i = 0; i < THREADS_MAX && (thread = next_thread(pending, thread)); i++)
        if (thread == wanted)
            return true;
    return false;
}
