/* Overwrites words of an image of a CPython, where it hurts most: heads of objects, tables of dicts, types, frames. */
#ifndef CAULK_TESTS_IMAGE_CHANGES_H
#define CAULK_TESTS_IMAGE_CHANGES_H

#include "cpython/process.h"
#include "graph/graph.h"
#include "memory/image.h"

struct image_changes {
    struct image *image; /* its range is writable */
    unsigned char *bytes; /* of the range */
    const struct graph *graph; /* of the same image before any change */
    struct python_process process;
    node_id *by_type; /* all objects, those of a type together */
    uint32_t *type_begin;
    uint64_t state; /* of the random numbers */
};

/* Knows the image by its sound graph; in `arena`. */
void image_changes_begin(struct image_changes *changes, struct image *image, const struct graph *graph,
                         struct arena *arena);

/* Makes the changes of run number `run`; the same for the same image, seed and run. */
void image_changes_make(struct image_changes *changes, uint64_t seed, uint64_t run);

/* Writes one word, if the image has it. */
bool image_changes_write(struct image_changes *changes, remote_address address, uint64_t word);

#endif
