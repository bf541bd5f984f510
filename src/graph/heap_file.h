/* The .caulk file: one graph with its words, on disk.
 *
 * Sections of flat arrays, each compressed by zstd and checksummed, behind a versioned header (docs/FILE.md).
 * It has no contents of objects: types, sizes, references and the names of attributes and keys only. A file
 * that is truncated, foreign, newer or altered is refused with one clear line; no length in it is believed
 * before it was checked. Mode 0600, written to a temporary name and renamed. */
#ifndef CAULK_GRAPH_HEAP_FILE_H
#define CAULK_GRAPH_HEAP_FILE_H

#include "base/error.h"
#include "graph/graph.h"

/* What is known of a snapshot beside its graph. */
struct heap_facts {
    int pid;
    char python[32];          /* "3.11.7" */
    char executable[4096];
    char command[4096];       /* argv words separated by \x1f */
    double taken_at;          /* seconds since the epoch */
    double pause_ms, copy_ms;
    uint64_t gc_objects;      /* objects in the collector's lists */
    bool gc_enabled;
    bool ending;              /* taken while Python took itself down; not kept in files */
    uint32_t gc_threshold[3];
    uint64_t gc_collections[3]; /* how often each generation was collected so far */
    uint64_t rss, anonymous, file, shared, stacks, swapped; /* resident bytes; 0 unknown */
    double running, waiting;  /* seconds that its threads had a processor, and waited for one; 0 unknown */
    uint64_t rests;           /* how often one of them had nothing to do and waited; 0 unknown */
    uint64_t faults;
    uint64_t image_bytes;     /* memory that the image took */
};

/* A graph and everything it stands on; freed in one go. */
struct heap {
    struct arena arena;
    struct graph graph;
    struct heap_facts facts;
    void (*release)(void *owner); /* frees what the describe context needs; may be NULL */
    void *owner;
};

/* An empty heap, which lives in its own arena. heap_close frees it with all that is in it; NULL is allowed. */
struct heap *heap_create(void);
void heap_close(struct heap *heap);

struct heap_file_options {
    bool values; /* also keep names that are not identifiers: string keys, thread names */
};

struct error *heap_file_write(const struct heap *heap, const char *path, const struct heap_file_options *options);
struct error *heap_file_read(const char *path, struct heap **out);

/* Whether the file begins like a .caulk file. */
bool heap_file_recognise(const char *path);

#endif
