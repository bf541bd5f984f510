/* From an image of a CPython process to a frozen graph: the one bridge between the two worlds. */
#ifndef CAULK_GRAPH_CAPTURE_H
#define CAULK_GRAPH_CAPTURE_H

#include "cpython/described.h"
#include "cpython/process.h"
#include "graph/heap_file.h"
#include "graph/raw.h"
#include "memory/image.h"

/* Captures every object that the collector lists, every root, and all that they refer to. The heap owns
 * `image` from now on, also when this fails: its words are read from it on demand. Fills the fields of facts
 * that the image tells (python, gc_*, faults, image_bytes). About 33 bytes per object and 9 per edge. */
struct error *capture_heap(struct image *image, struct heap **out);

/* The same with what a user knows of foreign types; it owns `types` too, which may be NULL. */
struct error *capture_heap_described(struct image *image, struct described_types *types, struct heap **out);

/* The image that a captured heap stands on; NULL for one that was read from a file. */
const struct image *capture_image(const struct heap *heap);

/* Calls `found` for every word of a captured object that points between `begin` and `end`: what the object owns beside
 * itself, be it a reference or not. */
typedef void (*capture_pointer)(void *context, node_id node, uint64_t pointer);
void capture_pointers(const struct heap *heap, uint64_t begin, uint64_t end, capture_pointer found, void *context);

/* What the allocators have; all zeros for a heap from a file. O(chunks + pages + nodes). */
void capture_allocator_use(const struct heap *heap, struct allocator_use *out);

/* Who holds the blocks that are no objects; nobody for a heap from a file. What known types own is part of their
 * size and not told. O(image + blocks log blocks). */
void capture_raw(const struct heap *heap, struct arena *arena, struct raw_holders *out);

/* Calls `found` for every object that lies between free memory of the allocators, with its part of it: in a pool that is
 * at least half empty, or right behind free blocks of malloc. */
typedef void (*capture_hole)(void *context, node_id node, uint64_t bytes);
void capture_holes(const struct heap *heap, capture_hole found, void *context);

#endif
