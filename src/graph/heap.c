/* The life of a heap: made empty, filled by capture or a file, freed in one go. */
#include "graph/heap_file.h"

struct heap *heap_create(void) {
    struct arena arena = {0};
    struct heap *heap = arena_new(&arena, struct heap, 1);
    heap->arena = arena;
    return heap;
}

void heap_close(struct heap *heap) {
    if (!heap)
        return;
    if (heap->release)
        heap->release(heap->owner);
    struct arena arena = heap->arena; /* the heap lies in what it frees */
    arena_deinit(&arena);
}
