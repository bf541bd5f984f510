/* Finds the pools of pymalloc in an image and walks their blocks. */
#include "blocks/pymalloc.h"

#include <string.h>

/* Objects/obmalloc.c: struct pool_header {count, freeblock, nextpool, prevpool, arenaindex, szidx, nextoffset,
 * maxnextoffset}; the same in 3.9 to 3.15 on 64-bit machines. */
enum {
    POOL_COUNT = 0,
    POOL_FREE_BLOCK = 8,
    POOL_NEXT = 16,
    POOL_ARENA_INDEX = 32,
    POOL_SIZE_CLASS = 36,
    POOL_NEXT_OFFSET = 40,
    POOL_MOST_OFFSET = 44,
    POOL_HEADER = 48,
    POOL_SMALL = 4096,
    POOL_LARGE = 16384,
    SIZE_CLASSES = 32,
    ALIGNMENT = 16,
    BLOCKS_MOST = POOL_LARGE / ALIGNMENT,
    ARENAS_MOST = 1 << 24,
};

struct pool {
    remote_address address;
    const unsigned char *bytes;
    uint32_t size;       /* of the pool */
    uint32_t block_size; /* of its blocks */
    uint32_t handed_out; /* blocks that were ever used: those behind are fresh */
    uint32_t count;      /* blocks in use */
};

static uint32_t half_at(const unsigned char *bytes, size_t offset) {
    uint32_t half;
    memcpy(&half, bytes + offset, sizeof half);
    return half;
}

static uint64_t word_at(const unsigned char *bytes, size_t offset) {
    uint64_t word;
    memcpy(&word, bytes + offset, sizeof word);
    return word;
}

/* Whether a pool begins at `address`, whose page is at `bytes`; also one that was emptied and not used again. */
static bool read_pool(const struct image *image, remote_address address, const unsigned char *bytes,
                      struct pool *out) {
    uint32_t class = half_at(bytes, POOL_SIZE_CLASS), most = half_at(bytes, POOL_MOST_OFFSET);
    uint32_t next = half_at(bytes, POOL_NEXT_OFFSET), count = half_at(bytes, POOL_COUNT);
    if (class >= SIZE_CLASSES || half_at(bytes, POOL_ARENA_INDEX) >= ARENAS_MOST)
        return false;
    uint32_t block = (class + 1) * ALIGNMENT, size = most + block;
    if ((size != POOL_SMALL && size != POOL_LARGE) || address % size || next < POOL_HEADER || next > size ||
        (next - POOL_HEADER) % block)
        return false;
    uint64_t free = word_at(bytes, POOL_FREE_BLOCK), linked = word_at(bytes, POOL_NEXT);
    uint32_t handed_out = (next - POOL_HEADER) / block;
    if (count > handed_out || (free && free - address >= size) || linked % 8)
        return false;
    *out = (struct pool){address, image_view(image, address, size), size, block, handed_out, count};
    return out->bytes != NULL;
}

/* Marks the blocks of the list of free ones; false if it leaves the pool or does not end in time. */
static bool mark_free(const struct pool *pool, uint64_t *free) {
    remote_address block = word_at(pool->bytes, POOL_FREE_BLOCK);
    memset(free, 0, BLOCKS_MOST / 8);
    for (uint32_t left = pool->handed_out - pool->count; block; left--) {
        uint64_t offset = block - pool->address - POOL_HEADER;
        uint64_t index = offset / pool->block_size;
        if (!left || offset % pool->block_size || index >= pool->handed_out)
            return false;
        free[index / 64] |= 1ull << index % 64;
        block = word_at(pool->bytes, POOL_HEADER + offset);
    }
    return true;
}

static void visit_pool(const struct image *image, const struct pool *pool, pymalloc_visit visit, void *context,
                       struct pymalloc_totals *out) {
    uint64_t free[BLOCKS_MOST / 64];
    if (!mark_free(pool, free))
        return;
    uint64_t begin = (uint64_t)(pool->bytes - image->base) + POOL_HEADER;
    out->pools++;
    out->free_bytes += pool->size - POOL_HEADER - (uint64_t)pool->count * pool->block_size;
    for (uint32_t i = 0; i < pool->handed_out; i++) {
        if (free[i / 64] >> i % 64 & 1)
            continue;
        uint64_t within = (uint64_t)i * pool->block_size;
        out->used_blocks++;
        out->used_bytes += pool->block_size;
        visit(context, pool->address + POOL_HEADER + within, begin + within, pool->block_size);
    }
}

static bool may_have_pools(const struct memory_segment *segment) {
    return segment->flags & SEGMENT_WRITE && !(segment->flags & (SEGMENT_FILE | SEGMENT_STACK | SEGMENT_HEAP));
}

/* All pools, empty ones too. */
static void walk_pools(const struct image *image, void (*each)(void *context, const struct pool *pool), void *context) {
    for (size_t i = 0; i < image->run_count; i++) {
        const struct image_run *run = &image->runs[i];
        if (!may_have_pools(run->segment))
            continue;
        remote_address page = (run->begin + POOL_SMALL - 1) & ~(uint64_t)(POOL_SMALL - 1);
        while (page < run->end && run->end - page >= POOL_SMALL) {
            struct pool pool;
            bool found = read_pool(image, page, image->base + run->offset + (page - run->begin), &pool);
            if (found)
                each(context, &pool);
            page += found ? pool.size : POOL_SMALL;
        }
    }
}

struct used_walk {
    const struct image *image;
    pymalloc_visit visit;
    void *context;
    struct pymalloc_totals *totals;
};

static void visit_used(void *context, const struct pool *pool) {
    const struct used_walk *walk = context;
    if (pool->count)
        visit_pool(walk->image, pool, walk->visit, walk->context, walk->totals);
}

void pymalloc_each_used(const struct image *image, pymalloc_visit visit, void *context,
                        struct pymalloc_totals *out) {
    struct used_walk walk = {image, visit, context, out};
    *out = (struct pymalloc_totals){0};
    walk_pools(image, visit_used, &walk);
}

struct pool_walk {
    pymalloc_pool visit;
    void *context;
};

static void tell_pool(void *context, const struct pool *pool) {
    const struct pool_walk *walk = context;
    walk->visit(walk->context, pool->address, pool->size, (uint64_t)pool->count * pool->block_size);
}

void pymalloc_each_pool(const struct image *image, pymalloc_pool visit, void *context) {
    struct pool_walk walk = {visit, context};
    walk_pools(image, tell_pool, &walk);
}
