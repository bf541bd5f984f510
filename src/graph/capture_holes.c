/* Free memory that cannot be given back, and the objects that lie between it. */
#include "blocks/malloc.h"
#include "blocks/pymalloc.h"
#include "graph/capture.h"
#include "graph/captured.h"

struct hole_search {
    const struct captured *captured;
    capture_hole found;
    void *context;
    uint64_t free; /* bytes of malloc's before the block that comes now */
};

static node_id node_at(const struct hole_search *search, uint64_t granule) {
    const struct captured *captured = search->captured;
    return captured->heap.graph.synthetic_count + granule_set_rank(&captured->objects, (uint32_t)granule);
}

/* The objects that begin in the granules from `first` on, one call of `found` each; how many there are. */
static uint64_t tell_objects(const struct hole_search *search, uint64_t first, uint64_t count, uint64_t share) {
    uint64_t objects = 0;
    for (uint64_t granule = first; granule < first + count; granule++) {
        if (granule % 64 == 0 && !search->captured->objects.bits[granule >> 6]) {
            granule += 63;
            continue;
        }
        if (!granule_set_has(&search->captured->objects, (uint32_t)granule))
            continue;
        objects++;
        if (share)
            search->found(search->context, node_at(search, granule), share);
    }
    return objects;
}

/* Objects of a pool that is mostly empty keep it, each a part. */
static void look_at_pool(void *context, remote_address address, uint64_t size, uint64_t used) {
    struct hole_search *search = context;
    uint64_t offset = image_locate(search->captured->model->image, address);
    if (!used || used * 2 > size || offset == IMAGE_ABSENT)
        return;
    uint64_t objects = tell_objects(search, offset >> 3, size >> 3, 0);
    if (objects)
        tell_objects(search, offset >> 3, size >> 3, (size - used) / objects);
}

/* The first object behind a free chunk keeps it from joining the rest. */
static void look_at_chunk(void *context, remote_address address, uint64_t size, bool used) {
    enum { FRONT_GRANULES = 5 };
    struct hole_search *search = context;
    uint64_t offset = image_locate(search->captured->model->image, address);
    if (!used) {
        search->free += size;
        return;
    }
    if (search->free && offset != IMAGE_ABSENT &&
        tell_objects(search, offset >> 3, size >> 3 < FRONT_GRANULES ? size >> 3 : FRONT_GRANULES, search->free))
        search->free = 0;
}

static void enter_region(void *context, remote_address begin, remote_address end) {
    struct hole_search *search = context;
    (void)begin;
    (void)end;
    search->free = 0;
}

void capture_holes(const struct heap *heap, capture_hole found, void *context) {
    struct hole_search search = {.captured = heap->owner, .found = found, .context = context};
    if (!capture_image(heap))
        return;
    struct malloc_walker walker = {&search, enter_region, look_at_chunk};
    pymalloc_each_pool(capture_image(heap), look_at_pool, &search);
    malloc_walk(capture_image(heap), &walker);
}
