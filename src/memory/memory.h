/* Where bytes come from: THE boundary between caulk and a target.
 *
 * A memory source has segments and one read verb. It may be a live process, an image (our own copy of the
 * pages of a picture), or byte arrays in a test; no layer above asks which. An address that cannot be read
 * is a fault: the read says false and nobody stops. Addresses are never assumed to be valid or aligned.
 *
 * Words: a *target* is the process that is looked at; a *picture* is its forked, frozen copy; an *image* is
 * our own copy of the picture's pages. */
#ifndef CAULK_MEMORY_MEMORY_H
#define CAULK_MEMORY_MEMORY_H

#include "base/error.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t remote_address;

enum memory_segment_flags {
    SEGMENT_READ = 1 << 0,
    SEGMENT_WRITE = 1 << 1,
    SEGMENT_EXECUTE = 1 << 2,
    SEGMENT_SHARED = 1 << 3,
    SEGMENT_FILE = 1 << 4,  /* backed by a file; `path` and `file_offset` are meaningful */
    SEGMENT_STACK = 1 << 5, /* the main thread's stack */
    SEGMENT_HEAP = 1 << 6,  /* the brk heap */
};

/* One mapping of the target. Segments are sorted by address and do not overlap. */
struct memory_segment {
    remote_address begin, end; /* end is exclusive */
    uint32_t flags;
    uint64_t file_offset;
    uint64_t device, inode; /* 0 when anonymous */
    const char *path;       /* as the kernel prints it; "" when anonymous */
};

struct memory;

struct memory_operations {
    /* Copies `size` bytes at `address` to `out`; false, with `out` undefined, if any byte is unreadable. */
    bool (*read)(const struct memory *memory, remote_address address, size_t size, void *out);
    /* Ends the source and frees what it owns. */
    void (*close)(struct memory *memory);
};

struct memory {
    const struct memory_operations *operations;
    const struct memory_segment *segments;
    size_t segment_count;
    int pid; /* the process that the bytes are of, 0 if none */
};

static inline bool memory_read(const struct memory *memory, remote_address address, size_t size, void *out) {
    return memory->operations->read(memory, address, size, out);
}

static inline void memory_close(struct memory *memory) {
    if (memory)
        memory->operations->close(memory);
}

/* Reads an unsigned 64-bit word; false on a fault. */
static inline bool memory_read_word(const struct memory *memory, remote_address address, uint64_t *out) {
    return memory_read(memory, address, sizeof *out, out);
}

/* The segment that contains `address`, or NULL. O(log segments). */
const struct memory_segment *memory_find_segment(const struct memory *memory, remote_address address);

/* Reads a NUL-terminated text of at most `capacity` - 1 bytes into `out`; false on a fault or if no NUL is
 * found in time. */
bool memory_read_text(const struct memory *memory, remote_address address, size_t capacity, char *out);

#endif
