/* From an image of a CPython process to a frozen graph: the one bridge between the two worlds. */
#ifndef CAULK_GRAPH_CAPTURE_H
#define CAULK_GRAPH_CAPTURE_H

#include "cpython/process.h"
#include "graph/heap_file.h"
#include "memory/image.h"

/* Captures every object that the collector lists, every root, and all that they refer to. The heap owns
 * `image` from now on, also when this fails: its words are read from it on demand. Fills the fields of facts
 * that the image tells (python, gc_*, faults, image_bytes). About 33 bytes per object and 9 per edge. */
struct error *capture_heap(struct image *image, struct heap **out);

#endif
