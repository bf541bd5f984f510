/* What the image of a core has: its segments, and which pages come from the core and which from files. */
#include "memory/core_work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ZERO_HOLE = 1 << 20,   /* smaller holes stay in as zeros, as they do in the image of a process */
    FILE_WHOLE = 64 << 20, /* read-only data of a file up to here is read */
};

#define FILES_MOST (4ull << 30) /* bytes that are read from files in all */

static int compare_segments(const void *left, const void *right) {
    const struct memory_segment *a = left, *b = right;
    return a->begin < b->begin ? -1 : a->begin > b->begin;
}

static bool starts(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

/* The list of files has no word for it: these are the ways to memory that processes share. */
static bool is_shared(const char *path) {
    return starts(path, "/dev/shm/") || starts(path, "/dev/zero") || starts(path, "/memfd:") ||
           starts(path, "/SYSV") || starts(path, "/anon_hugepage");
}

/* A file that is another one now is to its process what a deleted one is; by that name nobody opens it. */
static const char *mapped_path(struct core *core, const struct core_file *file) {
    return file->state == CORE_FILE_DIFFERENT ? arena_format(&core->storage->arena, "%s (deleted)", file->path)
                                              : file->path;
}

/* A mapping of which the core has nothing has the permissions that its file asks for. */
static uint32_t mapping_flags(const struct core *core, const struct core_mapping *mapping, size_t load) {
    const struct core_load *loads = core->loads.items;
    const struct core_file *file = &core->files[mapping->file];
    uint32_t flags = 0;
    for (; load < core->loads.count && loads[load].begin < mapping->end; load++)
        flags |= loads[load].flags;
    if (!flags)
        flags = core_file_flags(file, mapping->file_offset);
    return (flags ? flags : SEGMENT_READ) | SEGMENT_FILE | (is_shared(file->path) ? SEGMENT_SHARED : 0);
}

static void add_file_segments(struct core *core) {
    const struct core_load *loads = core->loads.items;
    for (size_t i = 0, k = 0; i < core->mappings.count; i++) {
        const struct core_mapping *mapping = &vector_items(&core->mappings, struct core_mapping)[i];
        while (k < core->loads.count && loads[k].end <= mapping->begin)
            k++;
        *vector_push(&core->segments, struct memory_segment) = (struct memory_segment){
            .begin = mapping->begin,
            .end = mapping->end,
            .flags = mapping_flags(core, mapping, k),
            .file_offset = mapping->file_offset,
            .inode = mapping->file + 1,
            .path = mapped_path(core, &core->files[mapping->file]),
        };
    }
}

static void add_anonymous_segment(struct core *core, remote_address begin, remote_address end, uint32_t flags) {
    bool stack = core->random_bytes >= begin && core->random_bytes < end;
    *vector_push(&core->segments, struct memory_segment) = (struct memory_segment){
        .begin = begin, .end = end, .flags = flags | (stack ? SEGMENT_STACK : 0), .path = stack ? "[stack]" : ""};
}

/* What of the loads is no mapping of a file. */
static void add_anonymous_segments(struct core *core) {
    const struct core_mapping *mappings = core->mappings.items;
    for (size_t i = 0, k = 0; i < core->loads.count; i++) {
        const struct core_load *load = &vector_items(&core->loads, struct core_load)[i];
        for (remote_address at = load->begin; at < load->end;) {
            while (k < core->mappings.count && mappings[k].end <= at)
                k++;
            bool more = k < core->mappings.count && mappings[k].begin < load->end;
            remote_address stop = more && mappings[k].begin > at ? mappings[k].begin : load->end;
            if (more && mappings[k].begin <= at)
                stop = mappings[k].end < load->end ? mappings[k].end : load->end;
            else
                add_anonymous_segment(core, at, stop, load->flags);
            at = stop;
        }
    }
}

static void make_segments(struct core *core) {
    struct memory *memory = &core->storage->image.memory;
    add_file_segments(core);
    add_anonymous_segments(core);
    size_t count = core->segments.count;
    struct memory_segment *segments = arena_new(&core->storage->arena, struct memory_segment, count + 1);
    if (count)
        memcpy(segments, core->segments.items, count * sizeof *segments);
    qsort(segments, count, sizeof *segments, compare_segments);
    memory->segments = segments;
    memory->segment_count = count;
}

static void add_extent(struct core *core, const struct memory_segment *segment, struct core_extent extent) {
    struct core_extent *last =
        core->extents.count ? &vector_items(&core->extents, struct core_extent)[core->extents.count - 1] : NULL;
    if (extent.begin >= extent.end || (last && extent.begin < last->end))
        return;
    image_storage_add_run(core->storage, extent.begin, extent.end, segment);
    *vector_push(&core->extents, struct core_extent) = extent;
}

/* The next bytes of [at, end) of the core that are no hole. */
static bool next_data(const struct core *core, uint64_t at, uint64_t end, uint64_t *from_out, uint64_t *to_out) {
    off_t data = at < end ? lseek(core->descriptor, (off_t)at, SEEK_DATA) : -1;
    if (data < 0 && at < end && errno != ENXIO)
        data = (off_t)at; /* a file system without holes */
    if (data < 0 || (uint64_t)data >= end)
        return false;
    off_t hole = lseek(core->descriptor, data, SEEK_HOLE);
    *from_out = (uint64_t)data;
    *to_out = hole <= data || (uint64_t)hole > end ? end : (uint64_t)hole;
    return true;
}

/* Bytes of the core, `size` at `offset`, for the pages from `begin` on; long holes of the file are left out. */
static void add_from_core(struct core *core, const struct memory_segment *segment, remote_address begin,
                          uint64_t offset, uint64_t size) {
    uint64_t at = offset, end = offset + size, from, to, next_from, next_to;
    while (next_data(core, at, end, &from, &to)) {
        while (next_data(core, to, end, &next_from, &next_to) && next_from - to < ZERO_HOLE)
            to = next_to;
        uint64_t first = (from - offset) & ~(uint64_t)(CORE_PAGE - 1);
        uint64_t last = (to - offset + CORE_PAGE - 1) & ~(uint64_t)(CORE_PAGE - 1);
        add_extent(core, segment,
                   (struct core_extent){begin + first, begin + last, core->descriptor, offset + first,
                                        to - offset - first});
        at = offset + last;
    }
}

/* Pages that the dump left out, because the file has them: not shared memory, not beside pages that the process
 * has written, and not code, unless the file is linked the old way, with its constants beside it. */
static void add_from_file(struct core *core, const struct memory_segment *segment, remote_address begin,
                          remote_address end) {
    const struct core_file *file = &core->files[segment->inode - 1];
    uint64_t offset = segment->file_offset + (begin - segment->begin);
    bool code = (segment->flags & SEGMENT_EXECUTE) && segment->file_offset != 0;
    if (file->descriptor < 0 || (segment->flags & SEGMENT_SHARED) || code || offset >= file->size ||
        end - begin > FILE_WHOLE)
        return;
    uint64_t available = file->size - offset;
    uint64_t pages = (available + CORE_PAGE - 1) & ~(uint64_t)(CORE_PAGE - 1);
    remote_address last = pages < end - begin ? begin + pages : end;
    if (core->bytes_of_files + (last - begin) > FILES_MOST)
        return;
    core->bytes_of_files += last - begin;
    add_extent(core, segment, (struct core_extent){begin, last, file->descriptor, offset, available});
}

/* Data that the core has lost: the file has how they began. */
static void add_restored(struct core *core, const struct memory_segment *segment, remote_address begin,
                         remote_address end) {
    struct core_file *file = &core->files[segment->inode - 1];
    size_t before = core->extents.count;
    add_from_file(core, segment, begin, end);
    if (core->extents.count == before)
        return;
    *vector_push(&core->restored, struct core_extent) =
        vector_items(&core->extents, struct core_extent)[core->extents.count - 1];
    file->restored = true;
}

/* In the order of addresses: what the core promises comes from it or is lost, the rest from the file. */
static void plan_segment(struct core *core, const struct memory_segment *segment, size_t load) {
    remote_address at = segment->begin;
    for (; load < core->loads.count; load++) {
        const struct core_load *one = &vector_items(&core->loads, struct core_load)[load];
        if (one->begin >= segment->end)
            break;
        remote_address begin = one->begin > segment->begin ? one->begin : segment->begin;
        remote_address promised = one->begin + ((one->promised + CORE_PAGE - 1) & ~(uint64_t)(CORE_PAGE - 1));
        remote_address end = promised < segment->end ? promised : segment->end;
        if (end <= begin)
            continue;
        if ((segment->flags & (SEGMENT_FILE | SEGMENT_WRITE)) == SEGMENT_FILE && at < begin)
            add_from_file(core, segment, at, begin);
        uint64_t skipped = begin - one->begin;
        uint64_t present = one->present > skipped ? one->present - skipped : 0;
        present = present < end - begin ? present : end - begin;
        add_from_core(core, segment, begin, one->offset + skipped, present);
        if ((segment->flags & SEGMENT_FILE) && present < end - begin)
            add_restored(core, segment, begin + present, end);
        at = end;
    }
    bool written = (segment->flags & SEGMENT_WRITE) && at > segment->begin; /* a dump has all or nothing of those */
    if ((segment->flags & SEGMENT_FILE) && !written && at < segment->end)
        add_from_file(core, segment, at, segment->end);
}

void core_plan(struct core *core) {
    make_segments(core);
    const struct memory *memory = &core->storage->image.memory;
    const struct core_load *loads = core->loads.items;
    for (size_t i = 0, k = 0; i < memory->segment_count; i++) {
        while (k < core->loads.count && loads[k].end <= memory->segments[i].begin)
            k++;
        if (memory->segments[i].flags & SEGMENT_READ)
            plan_segment(core, &memory->segments[i], k);
    }
}
