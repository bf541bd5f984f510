/* Copies the present pages of a process into an image.
 *
 * No file is mapped here: a file that shrinks under a mapping of ours would kill us, and what a file mapping
 * holds can be read through the process that maps it. */
#include "memory/image_copy.h"
#include "memory/image_storage.h"
#include "memory/maps.h"
#include "memory/page_map.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    PAGE_BYTES = 1 << IMAGE_PAGE_BITS,
    ZERO_HOLE = 1 << 20,      /* smaller holes of anonymous memory stay in as zeros */
    FILE_HOLE = 64 << 10,     /* smaller holes of a file are read with their neighbours */
    FILE_WHOLE = 16 << 20,    /* read-only data of a file up to here is read whole */
    FILE_DATA = 64 << 20,     /* larger mappings of a file that is no library are data, not objects */
};

static const remote_address address_end = 1ull << (IMAGE_PAGE_BITS + IMAGE_LEAF_BITS + IMAGE_TOP_BITS);

struct plan {
    struct image_storage *storage;
    struct maps maps;
    struct page_map own;      /* of the process that is copied */
    struct page_map original; /* of the process whose file pages are asked */
    bool picture;             /* they are two: reading may fault pages in */
    struct vector extents;    /* struct page_extent, to be copied */
};

static bool is_device(const struct memory_segment *segment) {
    return (strncmp(segment->path, "/dev/", 5) == 0 && strncmp(segment->path, "/dev/shm/", 9) != 0 &&
            strncmp(segment->path, "/dev/zero", 9) != 0) ||
           strncmp(segment->path, "anon_inode:", 11) == 0 || strncmp(segment->path, "[vvar", 5) == 0;
}

static bool is_skipped(const struct memory_segment *segment) {
    return !(segment->flags & SEGMENT_READ) || segment->end > address_end || is_device(segment);
}

static bool has_code(const struct plan *plan, const struct memory_segment *segment) {
    for (size_t i = 0; i < plan->maps.count; i++) {
        const struct memory_segment *other = &plan->maps.segments[i];
        if ((other->flags & SEGMENT_EXECUTE) && other->inode == segment->inode && other->device == segment->device)
            return true;
    }
    return false;
}

static bool is_shared_or_file(const struct memory_segment *segment) {
    return segment->flags & (SEGMENT_FILE | SEGMENT_SHARED);
}

static bool is_data_file(const struct plan *plan, const struct memory_segment *segment) {
    return is_shared_or_file(segment) && segment->end - segment->begin > FILE_DATA && !has_code(plan, segment);
}

static bool is_read_whole(const struct plan *plan, const struct memory_segment *segment) {
    return plan->picture && (segment->flags & SEGMENT_FILE) && !(segment->flags & (SEGMENT_SHARED | SEGMENT_EXECUTE)) &&
           segment->end - segment->begin <= FILE_WHOLE;
}

static void merge_extents(const struct vector *left, const struct vector *right, struct vector *out) {
    const struct page_extent *a = left->items, *b = right->items;
    for (size_t i = 0, j = 0; i < left->count || j < right->count;) {
        bool is_left = j == right->count || (i < left->count && a[i].begin <= b[j].begin);
        const struct page_extent *next = is_left ? &a[i++] : &b[j++];
        struct page_extent *last = out->count ? &vector_items(out, struct page_extent)[out->count - 1] : NULL;
        if (last && next->begin <= last->end)
            last->end = next->end > last->end ? next->end : last->end;
        else
            *vector_push(out, struct page_extent) = *next;
    }
}

/* A fork inherits the page tables of private memory only. */
static void find_present(const struct plan *plan, const struct memory_segment *segment, struct vector *out) {
    struct vector own = {0}, original = {0};
    bool only_dirty = is_data_file(plan, segment);
    page_map_extents(&plan->own, segment->begin, segment->end, only_dirty, &own);
    if (plan->picture && is_shared_or_file(segment) && !only_dirty)
        page_map_extents(&plan->original, segment->begin, segment->end, false, &original);
    merge_extents(&own, &original, out);
    vector_deinit(&own);
    vector_deinit(&original);
}

static uint64_t hole_limit(const struct plan *plan, const struct memory_segment *segment) {
    if (!is_shared_or_file(segment))
        return ZERO_HOLE;
    return plan->picture && !is_data_file(plan, segment) ? FILE_HOLE : 0;
}

/* Runs over holes below the limit; holes of files are read, so that no zeros stand for a file's bytes. */
static void plan_runs(struct plan *plan, const struct memory_segment *segment, const struct vector *present) {
    const struct page_extent *extents = present->items;
    uint64_t limit = hole_limit(plan, segment);
    for (size_t i = 0; i < present->count;) {
        size_t next = i + 1;
        while (next < present->count && extents[next].begin - extents[next - 1].end < limit)
            next++;
        remote_address begin = extents[i].begin, end = extents[next - 1].end;
        image_storage_add_run(plan->storage, begin, end, segment);
        if (is_shared_or_file(segment))
            *vector_push(&plan->extents, struct page_extent) = (struct page_extent){begin, end};
        else
            for (size_t j = i; j < next; j++)
                *vector_push(&plan->extents, struct page_extent) = extents[j];
        i = next;
    }
}

static void plan_segment(struct plan *plan, const struct memory_segment *segment) {
    if (is_skipped(segment))
        return;
    struct vector present = {0};
    if (is_read_whole(plan, segment))
        *vector_push(&present, struct page_extent) = (struct page_extent){segment->begin, segment->end};
    else
        find_present(plan, segment, &present);
    plan_runs(plan, segment, &present);
    vector_deinit(&present);
}

static struct error *plan_open(struct plan *plan, int pid, int page_map_pid) {
    TRY(maps_read(pid, &plan->storage->arena, &plan->maps));
    plan->picture = pid != page_map_pid;
    if (!page_map_open(pid, &plan->own))
        return error_from_errno(errno == ENOENT ? STATUS_NO_TARGET : STATUS_PERMISSION,
                                "reading the page map of process %d", pid);
    if (plan->picture)
        page_map_open(page_map_pid, &plan->original); /* if it ended meanwhile, the picture has what it has */
    return NULL;
}

static struct error *copy_process(int pid, struct plan *plan) {
    for (size_t i = 0; i < plan->maps.count; i++)
        plan_segment(plan, &plan->maps.segments[i]);
    TRY(image_storage_reserve(plan->storage));
    return image_copy(pid, plan->storage, plan->extents.items, plan->extents.count);
}

struct error *image_from_process(int pid, int page_map_pid, struct image **out) {
    *out = NULL;
    struct image_storage *storage = image_storage_create();
    struct plan plan = {.storage = storage, .own = {-1, false}, .original = {-1, false}};
    struct error *error = plan_open(&plan, pid, page_map_pid);
    if (!error)
        error = copy_process(pid, &plan);
    page_map_close(&plan.own);
    page_map_close(&plan.original);
    vector_deinit(&plan.extents);
    storage->image.memory.segments = plan.maps.segments;
    storage->image.memory.segment_count = plan.maps.count;
    storage->image.memory.pid = page_map_pid;
    if (error)
        memory_close(&storage->image.memory);
    else
        *out = &storage->image;
    return error;
}
