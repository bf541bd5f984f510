/* What the tests of .caulk files share: a drawn heap with facts, its file, and a folder to write to. */
#ifndef CAULK_TESTS_HEAP_WORLD_H
#define CAULK_TESTS_HEAP_WORLD_H

#include "graph/heap_file.h"
#include "support/drawn_graph.h"

/* A heap with something of everything. */
extern const char heap_drawing[];

/* Files in a folder of this test program; made by heap_folder_make. */
extern char heap_folder[], heap_path[64], heap_other_path[64];
void heap_folder_make(void);
void heap_folder_remove(void);

struct world {
    struct arena arena;
    struct heap heap;
    struct heap *back;
    struct error *error;
};

void world_make(struct world *world, const char *text);
void world_end(struct world *world);

/* False leaves the error in the world. round_trip writes to heap_path and reads `back`. */
bool write_heap(struct world *world, const char *to, bool values);
bool round_trip(struct world *world, bool values);

bool same_arrays(const struct graph *a, const struct graph *b);
bool same_types(const struct graph *a, const struct graph *b);
bool same_words(const struct graph *a, const struct graph *b);
bool same_heap(const struct heap *a, const struct heap *b);

/* Uses all that a heap offers, so that a reference out of bounds is stepped on; a sum that depends on all of it. */
uint64_t use_heap(const struct heap *heap);

/* The bytes of a file under 1 MiB, in a block of 1 MiB from malloc. */
char *load(const char *name, size_t *size);
void store(const char *name, const char *bytes, size_t size);

/* Whether the message has this part; prints it if not. */
bool says(const char *message, const char *part);

#endif
