/* Finds the runtime of a CPython without symbols: it and its first interpreter point to each other. */
#include "cpython/signature.h"

#include "cpython/door.h"
#include "memory/elf_file.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE_BYTES = 4096, REGION_MOST = 256 << 20, PAIRS_MOST = 64 };

/* The initialized and the other data of one file. */
struct region {
    const struct memory_segment *segment;
    remote_address begin, end;
    unsigned char *bytes; /* pages that cannot be read are zeros */
};

static bool has_code(const struct memory *memory, const struct memory_segment *segment) {
    for (size_t i = 0; i < memory->segment_count; i++) {
        const struct memory_segment *other = &memory->segments[i];
        if (other->inode == segment->inode && other->device == segment->device && (other->flags & SEGMENT_EXECUTE))
            return true;
    }
    return false;
}

static bool read_region(const struct memory *memory, const struct memory_segment *segment, struct region *out) {
    *out = (struct region){.segment = segment, .begin = segment->begin};
    if (!(segment->flags & SEGMENT_FILE) || !(segment->flags & SEGMENT_WRITE) || (segment->flags & SEGMENT_SHARED) ||
        !has_code(memory, segment))
        return false;
    out->end = elf_file_data_end(memory, segment);
    size_t size = out->end > out->begin && out->end - out->begin <= REGION_MOST ? out->end - out->begin : 0;
    out->bytes = size ? calloc(1, size) : NULL;
    for (size_t at = 0; out->bytes && at < size; at += PAGE_BYTES) {
        size_t length = size - at < PAGE_BYTES ? size - at : PAGE_BYTES;
        if (!memory_read(memory, out->begin + at, length, out->bytes + at))
            memset(out->bytes + at, 0, length);
    }
    return out->bytes;
}

static uint64_t region_word(const struct region *region, remote_address at) {
    uint64_t word;
    memcpy(&word, region->bytes + (at - region->begin), sizeof word);
    return word;
}

/* Include/internal/pycore_debug_offsets.h: the runtime begins with a mark, and its version follows. */
static bool find_mark(const struct region *region, struct signature *out) {
    static const char mark[] = "xdebugpy";
    uint64_t wanted;
    memcpy(&wanted, mark, sizeof wanted);
    for (remote_address at = region->begin; at + 16 <= region->end; at += 8)
        if (region_word(region, at) == wanted && layout_find((uint32_t)region_word(region, at + 8))) {
            *out = (struct signature){at, (uint32_t)region_word(region, at + 8), region->segment};
            return true;
        }
    return false;
}

/* Rows that differ in nothing that is asked here are asked once. */
static size_t list_rows(const struct layout **out) {
    size_t count, kept = 0;
    const struct layout *rows = layout_rows(&count);
    for (size_t i = 0; i < count && kept < PAIRS_MOST; i++) {
        bool known = false;
        for (size_t k = 0; k < kept; k++)
            known |= rows[i].runtime_interpreters_head == out[k]->runtime_interpreters_head &&
                     rows[i].interpreter_runtime == out[k]->interpreter_runtime;
        if (!known)
            out[kept++] = &rows[i];
    }
    return kept;
}

static uint64_t read_word(const struct memory *memory, const struct region *region, remote_address at) {
    uint64_t word;
    if (at >= region->begin && at + 8 <= region->end)
        return region_word(region, at);
    return memory_read_word(memory, at, &word) ? word : 0;
}

/* Whether any row of the same offsets fits the interpreter as a whole. */
static bool any_row_fits(const struct memory *memory, const struct layout *like, remote_address runtime,
                         remote_address interpreter) {
    size_t count;
    const struct layout *rows = layout_rows(&count);
    for (size_t i = 0; i < count; i++)
        if (rows[i].runtime_interpreters_head == like->runtime_interpreters_head &&
            rows[i].interpreter_runtime == like->interpreter_runtime &&
            door_interpreter_fits(memory, &rows[i], runtime, interpreter))
            return true;
    return false;
}

static bool find_pair(const struct memory *memory, const struct region *region, struct signature *out) {
    const struct layout *rows[PAIRS_MOST];
    size_t count = list_rows(rows);
    for (remote_address at = region->begin; at + 8 <= region->end; at += 8) {
        remote_address interpreter = region_word(region, at);
        const struct memory_segment *segment =
            interpreter && interpreter % 8 == 0 ? memory_find_segment(memory, interpreter) : NULL;
        if (!segment || !(segment->flags & SEGMENT_WRITE))
            continue;
        for (size_t i = 0; i < count; i++) {
            remote_address runtime = at - rows[i]->runtime_interpreters_head;
            if (read_word(memory, region, interpreter + rows[i]->interpreter_runtime) == runtime &&
                any_row_fits(memory, rows[i], runtime, interpreter)) {
                *out = (struct signature){runtime, 0, region->segment};
                return true;
            }
        }
    }
    return false;
}

bool signature_find(const struct memory *memory, struct signature *out) {
    bool found = false;
    for (int by_pair = 0; by_pair < 2 && !found; by_pair++)
        for (size_t i = 0; i < memory->segment_count && !found; i++) {
            struct region region;
            if (read_region(memory, &memory->segments[i], &region))
                found = by_pair ? find_pair(memory, &region, out) : find_mark(&region, out);
            free(region.bytes);
        }
    return found;
}
