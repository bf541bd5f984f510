/* The samples of a process beside its heap: which object each live block is. */
#include "app/join.h"

#include "app/attach.h"
#include "graph/capture.h"

#include <stdio.h>
#include <stdlib.h>

/* Most of the range that was ever in use still is; a head that tells of far more is not believed. */
enum { RANGE_FACTOR = 16 };

/* The bytes of the range that the sampler's blocks lie in, as the image has them; what it has not is zeros. */
static const void *range_bytes(const struct image *image, const struct wire_head *head, struct arena *arena) {
    const void *whole = image_view(image, head->range_base, head->range_used);
    if (whole)
        return whole;
    char *copy = arena_allocate(arena, 1, head->range_used);
    remote_address begin = head->range_base, end = begin + head->range_used;
    for (size_t i = 0; i < image->run_count; i++) {
        const struct image_run *run = &image->runs[i];
        remote_address from = run->begin > begin ? run->begin : begin, to = run->end < end ? run->end : end;
        if (from < to)
            memcpy(copy + (from - begin), image->base + run->offset + (from - run->begin), to - from);
    }
    return copy;
}

/* The first object that lies in the block. */
static node_id object_in(const struct graph *graph, const struct samples_block *block) {
    node_id low = graph->synthetic_count, high = graph->node_count;
    while (low < high) {
        node_id middle = low + (high - low) / 2;
        if (graph->addresses[middle] < block->address)
            low = middle + 1;
        else
            high = middle;
    }
    bool inside = low < graph->node_count && graph->addresses[low] < block->address + block->size;
    return inside ? low : NODE_NONE;
}

struct owner_search {
    const struct samples *samples;
    node_id *owners;
};

/* A block without an object in it is a table or a buffer of the object that points to it. */
static void take_owner(void *context, node_id node, uint64_t pointer) {
    struct owner_search *search = context;
    const struct samples_block *block = samples_find(search->samples, pointer);
    if (block && search->owners[block - search->samples->blocks] == NODE_NONE)
        search->owners[block - search->samples->blocks] = node;
}

static const node_id *find_owners(const struct heap *heap, const struct samples *samples, struct arena *arena) {
    node_id *owners = arena_new(arena, node_id, samples->block_count + 1);
    size_t missing = 0;
    for (size_t i = 0; i < samples->block_count; i++) {
        owners[i] = object_in(&heap->graph, &samples->blocks[i]);
        missing += owners[i] == NODE_NONE;
    }
    struct owner_search search = {samples, owners};
    if (missing)
        capture_pointers(heap, samples->head.range_base, samples->head.range_base + samples->head.range_used,
                         take_owner, &search);
    return owners;
}

void join_open(int pid, struct join *out) {
    *out = (struct join){0};
    if (pid)
        error_discard(recording_read_process(pid, &out->arena, &out->recording, &out->found));
}

void join_close(struct join *join) {
    arena_deinit(&join->arena);
}

void join_samples(struct stage *stage, struct join *join) {
    const struct image *image = capture_image(stage->heap);
    stage->recording = join->arena;
    join->arena = (struct arena){0};
    if (!image || !join->found)
        return;
    struct samples *samples = arena_new(&stage->recording, struct samples, 1);
    *samples = join->recording.samples;
    const struct wire_head *head = &samples->head;
    if (head->range_size && head->range_used <= head->range_size && head->range_used / RANGE_FACTOR <= image->length)
        samples_add_spans(samples, range_bytes(image, head, &stage->recording), head->range_used, &stage->recording);
    struct sampling *sampling = arena_new(&stage->arena, struct sampling, 1);
    sampling->samples = samples;
    sampling->node_of_block = find_owners(stage->heap, samples, &stage->arena);
    stage->sampling = sampling;
}

/* Whether the sampler is at work in a process, and its flags. One that was taken out left its recording. */
static bool is_sampled(int pid, uint32_t *flags_out) {
    struct join join;
    join_open(pid, &join);
    const struct wire_head *head = &join.recording.samples.head;
    bool sampled = join.found && (head->state == WIRE_STARTING || head->state == WIRE_SAMPLING);
    *flags_out = sampled ? head->flags : 0;
    join_close(&join);
    return sampled;
}

struct error *join_check(int pid, uint32_t wanted) {
    uint32_t flags;
    if (!is_sampled(pid, &flags) || (flags & wanted) == wanted)
        return NULL;
    return error_create(STATUS_BUSY, "process %d is sampled already, but %s: caulk detach %d first", pid,
                        flags & WIRE_NATIVE ? "not with the stacks of C code" : "without the memory of C code", pid);
}

struct error *join_begin(int pid, const char *words, bool *attached_out) {
    struct attach_report report;
    uint32_t flags;
    *attached_out = false;
    if (is_sampled(pid, &flags))
        return NULL;
    TRY(attach_start(pid, words, &report));
    *attached_out = true;
    return NULL;
}

static uint64_t raw_bytes(const struct observation *observation) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < observation->raw.count; i++)
        bytes += observation->raw.list[i].bytes;
    return bytes;
}

/* Lines of native memory cost a change of the program's calls to malloc: only once there is something to tell. */
static bool raw_grows(const struct history *history) {
    enum { LEAST_RAW = 64 << 10 };
    const struct observation *last = &history->observations[history->count - 1];
    for (size_t i = 0; i + 1 < history->count; i++)
        if (history->observations[i].raw.known)
            return raw_bytes(last) >= raw_bytes(&history->observations[i]) + LEAST_RAW;
    return false;
}

void join_widen(struct watch *watch, const struct history *history) {
    struct attach_report report;
    char words[128];
    if (!watch->attached || watch->native || strstr(watch->sampler, "native=") || !raw_grows(history))
        return;
    snprintf(words, sizeof words, "%s native=1", watch->sampler);
    error_discard(attach_start(watch->targets[0].pid, words, &report)); /* what is known already stays */
    watch->native = true;
}

void join_end(int pid) {
    struct attach_report report;
    error_discard(attach_stop(pid, &report)); /* the process may have ended */
}
