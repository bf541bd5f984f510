/* Who holds the blocks that are no objects: a search for pointers from objects, libraries' data and all other memory. */
#include "blocks/malloc.h"
#include "blocks/pymalloc.h"
#include "blocks/sampled.h"
#include "graph/capture.h"
#include "graph/captured.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 1 << IMAGE_PAGE_BITS, FRONT_MOST = 32, WORD = 8, TEXT_HEAD = FRONT_MOST + 80 };

/* What a page of the image is to the search. */
enum { PAGE_OPEN, PAGE_ALLOCATED, PAGE_SEEN };

/* In place of an owner: nobody was found yet; the block is free. */
#define OWNER_NONE UINT32_MAX
#define OWNER_FREE (UINT32_MAX - 1)

struct raw_block {
    remote_address begin;
    uint64_t size;
    uint32_t owner;
    bool is_chunk; /* of malloc */
};

struct raw_search {
    const struct captured *captured;
    const struct image *image;
    unsigned char *pages;  /* page of the image -> PAGE_... */
    struct vector blocks;  /* struct raw_block, in the order of addresses */
    struct vector pending; /* uint32_t blocks that were found and not looked into */
    struct vector libraries; /* struct span */
    remote_address lowest, highest;
    uint32_t owner;        /* who is looked into: a node, or behind those a library, or behind those all other memory */
    struct arena scratch;
};

static void mark_pages(struct raw_search *search, remote_address begin, remote_address end, unsigned char what) {
    for (remote_address page = begin & ~(remote_address)(PAGE - 1); page < end; page += PAGE) {
        uint64_t offset = image_locate(search->image, page);
        if (offset != IMAGE_ABSENT)
            search->pages[offset >> IMAGE_PAGE_BITS] = what;
    }
}

/* The object that a block is, NODE_NONE if it is none. */
static node_id object_of(const struct raw_search *search, remote_address address, uint64_t size) {
    const struct granule_set *objects = &search->captured->objects;
    for (uint64_t front = 0; front <= FRONT_MOST + WORD && front < size; front += WORD) {
        uint64_t offset = image_locate(search->image, address + front);
        if (offset != IMAGE_ABSENT && granule_set_has(objects, (uint32_t)(offset >> 3)))
            return search->captured->heap.graph.synthetic_count + granule_set_rank(objects, (uint32_t)(offset >> 3));
    }
    return NODE_NONE;
}

/* --- the blocks --- */

static void add_block(struct raw_search *search, remote_address address, uint64_t size, bool is_chunk) {
    if (size && object_of(search, address, size) == NODE_NONE)
        *vector_push(&search->blocks, struct raw_block) = (struct raw_block){address, size, OWNER_NONE, is_chunk};
}

static void take_region(void *context, remote_address begin, remote_address end) {
    mark_pages(context, begin, end, PAGE_ALLOCATED);
}

static void take_chunk(void *context, remote_address address, uint64_t size, bool used) {
    if (used)
        add_block(context, address, size, true);
}

static void take_pool(void *context, remote_address address, uint64_t size, uint64_t used) {
    (void)used;
    mark_pages(context, address, address + size, PAGE_ALLOCATED);
}

static void take_block(void *context, remote_address address, uint64_t offset, uint64_t size) {
    (void)offset;
    add_block(context, address, size, false);
}

static void take_sampled(void *context, remote_address address, uint64_t offset, uint64_t size) {
    remote_address span = address & ~(remote_address)(SAMPLED_SPAN - 1);
    mark_pages(context, span, address + size, PAGE_ALLOCATED);
    take_block(context, address, offset, size);
}

static int compare_blocks(const void *left, const void *right) {
    const struct raw_block *a = left, *b = right;
    return (a->begin > b->begin) - (a->begin < b->begin);
}

static void find_blocks(struct raw_search *search) {
    struct malloc_walker walker = {search, take_region, take_chunk};
    struct pymalloc_totals totals;
    malloc_walk(search->image, &walker);
    pymalloc_each_pool(search->image, take_pool, search);
    pymalloc_each_used(search->image, take_block, search, &totals);
    sampled_each_used(search->image, take_sampled, search);
    struct raw_block *blocks = vector_items(&search->blocks, struct raw_block);
    size_t count = search->blocks.count;
    if (!count)
        return;
    qsort(blocks, count, sizeof *blocks, compare_blocks);
    search->lowest = blocks[0].begin;
    search->highest = blocks[count - 1].begin + blocks[count - 1].size;
}

/* --- the search --- */

/* The last block that begins at an address or before it; the first one if none does. There are blocks. */
static inline size_t block_before(const struct raw_search *search, remote_address address) {
    const struct raw_block *blocks = vector_items(&search->blocks, struct raw_block);
    size_t low = 0, high = search->blocks.count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (blocks[middle].begin <= address)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void look_at_word(struct raw_search *search, uint64_t word) {
    if (word < search->lowest || word >= search->highest)
        return;
    uint64_t offset = image_locate(search->image, word);
    if (offset == IMAGE_ABSENT || search->pages[offset >> IMAGE_PAGE_BITS] != PAGE_ALLOCATED)
        return;
    size_t number = block_before(search, word);
    struct raw_block *block = &vector_items(&search->blocks, struct raw_block)[number];
    /* malloc/malloc.c: the last word of a block is where the next chunk begins, and lists of free chunks point there. */
    uint64_t reach = block->size - (block->is_chunk ? WORD : 0);
    if (word < block->begin || word - block->begin >= reach || block->owner != OWNER_NONE)
        return;
    block->owner = search->owner;
    *vector_push(&search->pending, uint32_t) = (uint32_t)number;
}

static void look_at_memory(struct raw_search *search, remote_address begin, remote_address end) {
    begin = (begin + WORD - 1) & ~(remote_address)(WORD - 1);
    while (begin < end) {
        uint64_t room = PAGE - begin % PAGE;
        room = room < end - begin ? room : end - begin;
        uint64_t offset = image_locate(search->image, begin);
        for (uint64_t at = 0; offset != IMAGE_ABSENT && at + WORD <= room; at += WORD) {
            uint64_t word;
            memcpy(&word, search->image->base + offset + at, sizeof word);
            look_at_word(search, word);
        }
        begin += room;
    }
}

static void settle(struct raw_search *search) {
    while (search->pending.count) {
        uint32_t number = vector_items(&search->pending, uint32_t)[--search->pending.count];
        struct raw_block block = vector_items(&search->blocks, struct raw_block)[number];
        look_at_memory(search, block.begin, block.begin + block.size);
    }
}

static void look_into(struct raw_search *search, remote_address address, uint64_t size) {
    const struct graph *graph = &search->captured->heap.graph;
    node_id node = object_of(search, address, size);
    if (node == NODE_NONE)
        return;
    if (graph_type_of(graph, node)->role == ROLE_TEXT && size > TEXT_HEAD)
        size = TEXT_HEAD; /* the rest are letters and numbers */
    search->owner = node;
    look_at_memory(search, address, address + size);
    settle(search);
}

static void look_into_chunk(void *context, remote_address address, uint64_t size, bool used) {
    if (used)
        look_into(context, address, size);
}

static void look_into_block(void *context, remote_address address, uint64_t offset, uint64_t size) {
    (void)offset;
    look_into(context, address, size);
}

static void ignore_region(void *context, remote_address begin, remote_address end) {
    (void)context;
    (void)begin;
    (void)end;
}

static void search_objects(struct raw_search *search) {
    struct malloc_walker walker = {search, ignore_region, look_into_chunk};
    struct pymalloc_totals totals;
    pymalloc_each_used(search->image, look_into_block, search, &totals);
    malloc_walk(search->image, &walker);
    sampled_each_used(search->image, look_into_block, search);
}

/* The allocator's own lists and Python's tables may lead to anything: they come after those whose business it is. */
static bool is_everybodys(const char *path) {
    static const char *const names[] = {"libc.so", "libc-", "ld-", "libpython", "python"};
    const char *name = strrchr(path, '/') + 1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static void search_libraries(struct raw_search *search, bool everybodys) {
    const struct memory *memory = &search->image->memory;
    for (size_t i = 0; i < memory->segment_count; i++) {
        const struct memory_segment *segment = &memory->segments[i];
        uint32_t wanted = SEGMENT_FILE | SEGMENT_WRITE;
        if ((segment->flags & (wanted | SEGMENT_SHARED)) != wanted || segment->path[0] != '/' ||
            is_everybodys(segment->path) != everybodys)
            continue;
        remote_address end = model_static_data_end(search->captured->model, segment);
        search->owner = search->captured->heap.graph.node_count + (uint32_t)search->libraries.count;
        *vector_push(&search->libraries, struct span) = span_from_text(strrchr(segment->path, '/') + 1);
        look_at_memory(search, segment->begin, end);
        settle(search);
        mark_pages(search, segment->begin, end, PAGE_SEEN);
    }
}

static void search_rest(struct raw_search *search) {
    search->owner = search->captured->heap.graph.node_count + (uint32_t)search->libraries.count;
    for (size_t i = 0; i < search->image->run_count; i++) {
        const struct image_run *run = &search->image->runs[i];
        if (!(run->segment->flags & SEGMENT_WRITE) || run->segment->flags & SEGMENT_SHARED)
            continue;
        for (remote_address page = run->begin; page < run->end; page += PAGE)
            if (search->pages[(run->offset + (page - run->begin)) >> IMAGE_PAGE_BITS] == PAGE_OPEN)
                look_at_memory(search, page, page + PAGE);
        settle(search);
    }
}

/* --- blocks that were freed and wait --- */

/* malloc/malloc.c: tcache_put, REMOVE_FB, PROTECT_PTR: what was freed a moment ago looks as if it were in use, and begins
 * with the address of the next of its size, mixed with its own; fast bins have that of the next one's chunk. */
static bool is_waiting(const struct raw_search *search, const struct raw_block *block) {
    enum { CHUNK_HEAD = 16 };
    uint64_t word, offset = image_locate(search->image, block->begin);
    if (offset == IMAGE_ABSENT)
        return false;
    memcpy(&word, search->image->base + offset, sizeof word);
    remote_address next = word ^ block->begin >> 12;
    if (!next)
        return true;
    for (uint64_t head = 0; head <= CHUNK_HEAD; head += CHUNK_HEAD) {
        const struct raw_block *other = &vector_items(&search->blocks, struct raw_block)[block_before(search, next + head)];
        if (other->begin == next + head && other->size == block->size && other != block)
            return true;
    }
    return false;
}

static void find_waiting(struct raw_search *search) {
    struct raw_block *blocks = vector_items(&search->blocks, struct raw_block);
    for (size_t i = 0; i < search->blocks.count; i++)
        if (blocks[i].owner >= search->captured->heap.graph.node_count && is_waiting(search, &blocks[i]))
            blocks[i].owner = OWNER_FREE;
}

/* --- the sums --- */

/* A known type's size has what it owns. */
static bool is_accounted(const struct graph *graph, uint32_t owner) {
    return owner == OWNER_FREE || (owner < graph->node_count && !(graph_type_of(graph, owner)->flags & TYPE_FOREIGN));
}

static struct raw_holder describe_owner(const struct raw_search *search, uint32_t owner) {
    uint32_t nodes = search->captured->heap.graph.node_count;
    if (owner == OWNER_NONE)
        return (struct raw_holder){.kind = RAW_LOST, .node = NODE_NONE};
    if (owner < nodes)
        return (struct raw_holder){.kind = RAW_OBJECT, .node = owner};
    if (owner - nodes < search->libraries.count)
        return (struct raw_holder){.kind = RAW_LIBRARY, .node = NODE_NONE,
                                   .library = vector_items(&search->libraries, struct span)[owner - nodes]};
    return (struct raw_holder){.kind = RAW_OTHER, .node = NODE_NONE};
}

static int compare_owners(const void *left, const void *right) {
    const struct raw_block *a = left, *b = right;
    return (a->owner > b->owner) - (a->owner < b->owner);
}

static void sum_up(struct raw_search *search, struct arena *arena, struct raw_holders *out) {
    struct raw_block *blocks = vector_items(&search->blocks, struct raw_block);
    size_t count = search->blocks.count, owners = 0;
    if (count)
        qsort(blocks, count, sizeof *blocks, compare_owners);
    for (size_t i = 0; i < count; i++)
        owners += i == 0 || blocks[i].owner != blocks[i - 1].owner;
    out->list = arena_new(arena, struct raw_holder, owners + 1);
    out->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_accounted(&search->captured->heap.graph, blocks[i].owner))
            continue;
        if (!out->count || i == 0 || blocks[i].owner != blocks[i - 1].owner)
            out->list[out->count++] = describe_owner(search, blocks[i].owner);
        out->list[out->count - 1].blocks++;
        out->list[out->count - 1].bytes += blocks[i].size;
    }
}

void capture_raw(const struct heap *heap, struct arena *arena, struct raw_holders *out) {
    *out = (struct raw_holders){0};
    if (!capture_image(heap))
        return;
    struct raw_search search = {.captured = heap->owner, .image = capture_image(heap)};
    search.pages = arena_new(&search.scratch, unsigned char, (search.image->length >> IMAGE_PAGE_BITS) + 1);
    find_blocks(&search);
    if (search.blocks.count < OWNER_FREE) {
        search_objects(&search);
        search_libraries(&search, false);
        search_libraries(&search, true);
        search_rest(&search);
        find_waiting(&search);
        sum_up(&search, arena, out);
    }
    vector_deinit(&search.blocks);
    vector_deinit(&search.pending);
    vector_deinit(&search.libraries);
    arena_deinit(&search.scratch);
}

/* --- how much there is --- */

static void count_chunk(void *context, remote_address address, uint64_t size, bool used) {
    struct allocator_use *use = context;
    (void)address;
    *(used ? &use->malloc_used : &use->malloc_free) += size;
}

static void count_pool(void *context, remote_address address, uint64_t size, uint64_t used) {
    struct allocator_use *use = context;
    (void)address;
    use->pools += used ? size : 0;
    use->pools_used += used;
}

static void count_sampled(void *context, remote_address address, uint64_t offset, uint64_t size) {
    struct allocator_use *use = context;
    (void)address;
    (void)offset;
    use->malloc_used += size;
}

void capture_allocator_use(const struct heap *heap, struct allocator_use *out) {
    const struct image *image = capture_image(heap);
    const struct graph *graph = &heap->graph;
    *out = (struct allocator_use){0};
    if (!image)
        return;
    struct malloc_walker walker = {out, ignore_region, count_chunk};
    malloc_walk(image, &walker);
    pymalloc_each_pool(image, count_pool, out);
    sampled_each_used(image, count_sampled, out);
    uint64_t used = out->malloc_used + out->pools_used, objects = 0;
    for (node_id node = graph->synthetic_count; node < graph->node_count; node++)
        objects += graph->flags[node] & NODE_STATIC ? 0 : graph->sizes[node];
    out->raw = used > objects ? used - objects : 0;
}
