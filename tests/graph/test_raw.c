/* capture.h: who holds the blocks of malloc that are no objects, and who keeps free memory from being given back. */
#include "graph/capture.h"
#include "graph/captured.h"
#include "support/check.h"

enum { PAGE = 4096, HEAP_LENGTH = 4 * PAGE, WRITABLE = SEGMENT_READ | SEGMENT_WRITE, CHUNK = 0x100, CHUNKS = 10 };
#define HEAP 0x555500000000ull
#define C_DATA 0x7f0000080000ull
#define DATA 0x7f0000100000ull
#define OPEN 0x7f0000200000ull
#define STACK 0x7ffd00000000ull

static unsigned char heap_bytes[HEAP_LENGTH], c_data[PAGE], data[PAGE], open_memory[PAGE], stack[PAGE];

/* Chunks of one size; block 0 is an object of a known type, block 1 one of a C type, block 2 a text. */
static remote_address block(int number) {
    return HEAP + (uint64_t)number * CHUNK + 16;
}

static void put(unsigned char *bytes, size_t offset, uint64_t word) {
    memcpy(bytes + offset, &word, sizeof word);
}

static void put_in_block(int number, size_t offset, uint64_t word) {
    put(heap_bytes, (size_t)(block(number) - HEAP) + offset, word);
}

static void begin(unsigned used) {
    memset(heap_bytes, 0, sizeof heap_bytes);
    memset(c_data, 0, sizeof c_data);
    memset(data, 0, sizeof data);
    memset(open_memory, 0, sizeof open_memory);
    memset(stack, 0, sizeof stack);
    for (int i = 0; i <= CHUNKS; i++) {
        bool before = i == 0 || used >> (i - 1) & 1;
        put(heap_bytes, (size_t)i * CHUNK + 8, (uint64_t)(i < CHUNKS ? CHUNK : HEAP_LENGTH - CHUNKS * CHUNK) | before);
    }
}

/* A graph of the root and the objects in the first three blocks, as capture leaves it. */
struct small_world {
    struct captured captured;
    struct model model;
    struct image *image;
    struct arena arena;
};

static uint32_t type_of[] = {0, 1, 2, 3};
static uint8_t flags[4];
static uint64_t sizes[] = {0, 200, 100, 100};

static void end(struct small_world *world) {
    memory_close(&world->image->memory);
    arena_deinit(&world->arena);
}

static void make(struct small_world *world) {
    static const struct graph_type types[] = {
        {.role = ROLE_ROOT}, {.role = ROLE_SEQUENCE}, {.role = ROLE_OBJECT, .flags = TYPE_FOREIGN}, {.role = ROLE_TEXT}};
    struct image_bytes pieces[] = {
        {HEAP, heap_bytes, sizeof heap_bytes, WRITABLE | SEGMENT_HEAP, "[heap]"},
        {C_DATA, c_data, sizeof c_data, WRITABLE | SEGMENT_FILE, "/usr/lib/libc.so.6"},
        {DATA, data, sizeof data, WRITABLE | SEGMENT_FILE, "/usr/lib/ratelib.so"},
        {OPEN, open_memory, sizeof open_memory, WRITABLE, ""},
        {STACK, stack, sizeof stack, WRITABLE | SEGMENT_STACK, "[stack]"},
    };
    *world = (struct small_world){0};
    CHECK(!image_from_bytes(pieces, 5, &world->image));
    struct captured *captured = &world->captured;
    world->model.image = world->image;
    captured->model = &world->model;
    captured->heap.owner = captured;
    captured->heap.graph = (struct graph){.node_count = 4, .synthetic_count = 1, .type_of = type_of, .types = types,
                                          .type_count = 4, .flags = flags, .sizes = sizes};
    captured->objects.words = world->image->length / 512 + 8;
    captured->objects.bits = arena_new(&world->arena, uint64_t, captured->objects.words);
    for (int i = 0; i < 3; i++) {
        uint64_t granule = image_locate(world->image, block(i) + 16) >> 3; /* a collector's head is before it */
        captured->objects.bits[granule >> 6] |= 1ull << (granule & 63);
    }
    granule_set_freeze(&captured->objects, &world->arena);
}

/* Blocks of this holder, of `node` if that is one; the library must be the right one. */
static uint64_t held(const struct raw_holders *holders, enum raw_kind kind, node_id node) {
    for (size_t i = 0; i < holders->count; i++)
        if (holders->list[i].kind == kind && holders->list[i].node == node) {
            CHECK(kind != RAW_LIBRARY || span_is(holders->list[i].library, "ratelib.so"));
            CHECK_EQUAL(holders->list[i].bytes, holders->list[i].blocks * (CHUNK - 8));
            return holders->list[i].blocks;
        }
    return 0;
}

static void search(struct small_world *world, struct raw_holders *out) {
    make(world);
    capture_raw(&world->captured.heap, &world->arena, out);
}

enum { KNOWN = 1, FOREIGN, TEXT, ALL = (1 << CHUNKS) - 1 };

TEST(blocks_without_a_pointer_are_lost) {
    struct small_world world;
    struct raw_holders holders;
    begin(ALL & ~(1 << 9)); /* the last one is free */
    search(&world, &holders);
    CHECK_EQUAL(holders.count, 1);
    CHECK_EQUAL(held(&holders, RAW_LOST, NODE_NONE), 6);
    end(&world);
}

TEST(whoever_leads_to_a_block_holds_it) {
    struct small_world world;
    struct raw_holders holders;
    begin(ALL);
    put_in_block(1, 64, block(3));      /* of an object of a C type, with what it leads to */
    put_in_block(3, 240, block(4) + 8);
    put(data, 80, block(5));            /* of a library's data */
    put_in_block(5, 0, block(6));
    put_in_block(6, 0, block(5));       /* in a circle */
    put(open_memory, 16, block(7));
    put(stack, 4000, block(8));
    search(&world, &holders);
    CHECK_EQUAL(held(&holders, RAW_OBJECT, FOREIGN), 2);
    CHECK_EQUAL(held(&holders, RAW_LIBRARY, NODE_NONE), 2);
    CHECK_EQUAL(held(&holders, RAW_OTHER, NODE_NONE), 2);
    CHECK_EQUAL(held(&holders, RAW_LOST, NODE_NONE), 1);
    CHECK_EQUAL(holders.count, 4);
    end(&world);
}

TEST(what_a_known_type_owns_is_part_of_its_size) {
    struct small_world world;
    struct raw_holders holders;
    begin(ALL);
    for (int i = 3; i < 9; i++)
        put_in_block(i == 3 ? 0 : i - 1, 48, block(i));
    search(&world, &holders);
    CHECK_EQUAL(holders.count, 1);
    CHECK_EQUAL(held(&holders, RAW_LOST, NODE_NONE), 1);
    end(&world);
}

/* malloc/malloc.c: main_arena has the rest of the heap and lists of free chunks, in the data of the C library. */
TEST(lists_of_free_chunks_hold_no_block) {
    struct small_world world;
    struct raw_holders holders;
    begin(ALL & ~(1 << 9));
    put(c_data, 96, block(9) - 16); /* where the free chunk begins is the end of the block before */
    put(c_data, 104, block(3));
    put(data, 80, block(3)); /* what a library has as well is its */
    search(&world, &holders);
    CHECK_EQUAL(held(&holders, RAW_LIBRARY, NODE_NONE), 1);
    CHECK_EQUAL(held(&holders, RAW_LOST, NODE_NONE), 5);
    CHECK_EQUAL(holders.count, 2);
    end(&world);
}

/* malloc/malloc.c: PROTECT_PTR. */
static void put_next(int number, remote_address next) {
    put_in_block(number, 0, block(number) >> 12 ^ next);
}

TEST(blocks_that_were_freed_and_wait_are_not_lost) {
    struct small_world world;
    struct raw_holders holders;
    begin(ALL);
    put_next(3, block(5)); /* a thread's list of one size; its first one is known to the thread */
    put_next(5, 0);
    put(open_memory, 16, block(3));
    put_next(6, block(8) - 16); /* a fast bin */
    put_next(8, 0);
    put_next(7, block(7)); /* no list leads back to where it comes from */
    search(&world, &holders);
    CHECK_EQUAL(holders.count, 1);
    CHECK_EQUAL(held(&holders, RAW_LOST, NODE_NONE), 3);
    end(&world);
}

TEST(letters_and_free_memory_hold_nothing) {
    struct small_world world;
    struct raw_holders holders;
    begin(ALL & ~(1 << 9));
    put_in_block(2, 200, block(3)); /* far behind the head of a text */
    put_in_block(9, 64, block(4));  /* in a block that is free */
    put_in_block(5, 64, block(5));  /* to itself */
    search(&world, &holders);
    CHECK_EQUAL(held(&holders, RAW_LOST, NODE_NONE), 6);
    end(&world);
}

TEST(use_is_told_and_what_objects_do_not_explain) {
    struct small_world world;
    struct allocator_use use;
    begin(ALL & ~(1 << 9));
    make(&world);
    capture_allocator_use(&world.captured.heap, &use);
    CHECK_EQUAL(use.malloc_used, 9 * (CHUNK - 8));
    CHECK_EQUAL(use.malloc_free, CHUNK - 8);
    CHECK_EQUAL(use.raw, 9 * (CHUNK - 8) - 400);
    end(&world);
}

struct told_holes {
    uint64_t of[4];
    size_t count;
};

static void tell_hole(void *context, node_id node, uint64_t bytes) {
    struct told_holes *told = context;
    told->of[node % 4] += bytes;
    told->count++;
}

TEST(the_object_behind_free_blocks_keeps_them) {
    struct small_world world;
    struct told_holes told = {0};
    begin(ALL & ~(1 << 0) & ~(1 << 8)); /* the first is free, where no object is then; so is one before a raw block */
    make(&world);
    capture_holes(&world.captured.heap, tell_hole, &told);
    CHECK_EQUAL(told.count, 1);
    CHECK_EQUAL(told.of[FOREIGN], CHUNK - 8);
    end(&world);
}

TEST_MAIN(RUN(blocks_without_a_pointer_are_lost); RUN(whoever_leads_to_a_block_holds_it);
          RUN(what_a_known_type_owns_is_part_of_its_size); RUN(lists_of_free_chunks_hold_no_block);
          RUN(blocks_that_were_freed_and_wait_are_not_lost); RUN(letters_and_free_memory_hold_nothing);
          RUN(use_is_told_and_what_objects_do_not_explain); RUN(the_object_behind_free_blocks_keeps_them);)
