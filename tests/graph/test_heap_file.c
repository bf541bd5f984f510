/* graph/heap_file: what is written is what is read, nothing private is written, damage is told and never believed. */
#include "base/text.h"
#include "graph/heap_file.h"
#include "support/check.h"
#include "support/drawn_graph.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char drawing_text[] =
    "root -> shop.sessions(module) ~logging(module) 'worker 3'(thread) MainThread(thread) t='atexit callbacks'(table)\n"
    "'worker 3' -> run(activation)^77 -local buf-> b(bytearray):4096*1; MainThread -> shop.app.main(activation) -> b\n"
    "shop.sessions -namespace-> ns(dict):1200 -['STORE']-> d(dict):300*1; ns -['two words']-> b\n"
    "d -['alice']-> s(shop.Session):56; d -['bob@example.org']-> s; s -.cart-> l(list):88#2<10 -[]-> i(shop.Item):48*9\n"
    "l -[5]-> i; l -[]-> b; t -[]-> shop.close(function)^41 -slot __defaults__-> tu(tuple) -[]-> s\n"
    "logging -namespace-> ld(dict) -['root']-> r(~logging.RootLogger)!permanent; f!fault; c(lru_cache)<128#5\n"
    "shop.Boom(shop.Boom!)!immortal; big(dict)#500 -keyobject-> k1(str):50";

static char folder[] = "/tmp/caulk-test-XXXXXX";
static char path[64], other[64];

struct world {
    struct arena arena;
    struct heap heap;
    struct heap *back;
    struct error *error;
};

static void world_make(struct world *world, const char *text) {
    *world = (struct world){0};
    struct heap *heap = &world->heap;
    heap->graph = drawn_graph_make(text, &world->arena)->graph;
    heap->facts = (struct heap_facts){.pid = 4121, .taken_at = 1.75e9, .pause_ms = 21.5, .copy_ms = 99.25,
                                      .gc_objects = 77, .gc_enabled = true, .gc_threshold = {700, 10, 5},
                                      .gc_collections = {123, 12, 1}, .rss = 1, .anonymous = 2, .file = 3,
                                      .shared = 4, .stacks = 5, .swapped = 6, .faults = 7, .image_bytes = 8};
    strcpy(heap->facts.python, "3.11.7");
    strcpy(heap->facts.executable, "/usr/bin/python3.11");
    strcpy(heap->facts.command, "python\x1f-u\x1fshop.py\x1f--password\x1fhunter2");
}

static void world_end(struct world *world) {
    heap_close(world->back);
    error_discard(world->error);
    arena_deinit(&world->arena);
}

static bool write_heap(struct world *world, const char *to, bool values) {
    struct heap_file_options options = {.values = values};
    world->error = heap_file_write(&world->heap, to, &options);
    return world->error == NULL;
}

static bool round_trip(struct world *world, bool values) {
    if (!write_heap(world, path, values))
        return false;
    world->error = heap_file_read(path, &world->back);
    return world->error == NULL;
}

static bool same_arrays(const struct graph *a, const struct graph *b) {
    if (a->node_count != b->node_count || a->synthetic_count != b->synthetic_count || a->edge_count != b->edge_count ||
        a->type_count != b->type_count || a->faults != b->faults)
        return false;
    size_t nodes = a->node_count, edges = a->edge_count;
    return !memcmp(a->addresses, b->addresses, nodes * 8) && !memcmp(a->sizes, b->sizes, nodes * 8) &&
           !memcmp(a->type_of, b->type_of, nodes * 4) && !memcmp(a->refcounts, b->refcounts, nodes * 4) &&
           !memcmp(a->flags, b->flags, nodes) && !memcmp(a->out_begin, b->out_begin, nodes * 4 + 4) &&
           !memcmp(a->out_target, b->out_target, edges * 4) && !memcmp(a->out_kind, b->out_kind, edges) &&
           !memcmp(a->in_begin, b->in_begin, nodes * 4 + 4) && !memcmp(a->in_source, b->in_source, edges * 4);
}

static bool same_types(const struct graph *a, const struct graph *b) {
    for (uint32_t t = 0; t < a->type_count; t++)
        if (!span_equal(a->types[t].name, b->types[t].name) || !span_equal(a->types[t].module, b->types[t].module) ||
            a->types[t].role != b->types[t].role || a->types[t].flags != b->types[t].flags ||
            a->types[t].address != b->types[t].address)
            return false;
    return true;
}

static bool same_edge_names(const struct graph *a, const struct graph *b, node_id node, struct arena *arena) {
    struct edge_name *names_a = arena_new(arena, struct edge_name, graph_out_degree(a, node));
    struct edge_name *names_b = arena_new(arena, struct edge_name, graph_out_degree(a, node));
    a->describe.edge_names(a->describe.context, node, names_a, arena);
    b->describe.edge_names(b->describe.context, node, names_b, arena);
    for (uint32_t i = 0; i < graph_out_degree(a, node); i++)
        if (!span_equal(names_a[i].text, names_b[i].text) || names_a[i].index != names_b[i].index)
            return false;
    return true;
}

/* Facts of nodes that have any; unknown lengths and bounds may become "unknown" in another way. */
static bool same_node_words(const struct graph *a, const struct graph *b, node_id node, struct arena *arena) {
    struct node_facts facts_a, facts_b;
    a->describe.node_facts(a->describe.context, node, &facts_a, arena);
    b->describe.node_facts(b->describe.context, node, &facts_b, arena);
    return span_equal(a->describe.node_name(a->describe.context, node, arena),
                      b->describe.node_name(b->describe.context, node, arena)) &&
           facts_a.length == facts_b.length && (facts_a.bound == facts_b.bound || facts_a.bound < 0) &&
           span_equal(facts_a.file, facts_b.file) && facts_a.line == facts_b.line &&
           facts_a.refcount == facts_b.refcount;
}

static bool same_words(const struct graph *a, const struct graph *b) {
    struct arena arena = {0};
    bool same = true;
    for (node_id n = 0; n < a->node_count; n++)
        same &= same_edge_names(a, b, n, &arena) && same_node_words(a, b, n, &arena);
    arena_deinit(&arena);
    return same;
}

static bool same_heap(const struct heap *a, const struct heap *b) {
    return same_arrays(&a->graph, &b->graph) && same_types(&a->graph, &b->graph) && same_words(&a->graph, &b->graph) &&
           memcmp(&a->facts.taken_at, &b->facts.taken_at, sizeof a->facts - offsetof(struct heap_facts, taken_at)) == 0 &&
           a->facts.pid == b->facts.pid && strcmp(a->facts.command, b->facts.command) == 0 &&
           strcmp(a->facts.python, b->facts.python) == 0 && strcmp(a->facts.executable, b->facts.executable) == 0;
}

TEST(what_is_written_with_values_is_what_is_read) {
    struct world world;
    world_make(&world, drawing_text);
    CHECK(round_trip(&world, true));
    CHECK(world.back && same_arrays(&world.heap.graph, &world.back->graph));
    CHECK(world.back && same_types(&world.heap.graph, &world.back->graph));
    CHECK(world.back && same_words(&world.heap.graph, &world.back->graph));
    CHECK(world.back && same_heap(&world.heap, world.back));
    CHECK(heap_file_recognise(path));
    struct stat status;
    CHECK(stat(path, &status) == 0 && (status.st_mode & 0777) == 0600);
    world_end(&world);
}

TEST(the_smallest_heap_is_only_a_root) {
    struct world world;
    world_make(&world, "");
    CHECK(round_trip(&world, false));
    CHECK(world.back && world.back->graph.node_count == 1 && same_arrays(&world.heap.graph, &world.back->graph));
    world_end(&world);
}

/* Words for a graph that nobody drew: edge n is called "w" and n modulo 1000; lists have a length. */
static void count_edge_names(void *context, node_id source, struct edge_name *names, struct arena *arena) {
    const struct graph *graph = context;
    for (uint32_t e = graph->out_begin[source]; e < graph->out_begin[source + 1]; e++)
        *names++ = (struct edge_name){span_from_text(arena_format(arena, "w%u", e % 1000)), -1};
}

static struct span count_node_name(void *context, node_id node, struct arena *arena) {
    (void)context, (void)node, (void)arena;
    return (struct span){0};
}

static void count_node_facts(void *context, node_id node, struct node_facts *facts, struct arena *arena) {
    (void)context, (void)arena;
    *facts = (struct node_facts){.length = node == NODE_ROOT ? -1 : (int64_t)node, .bound = -1};
}

enum { MANY = 300000 }; /* more than two chunks of eight bytes each */

static void make_many(struct graph *graph, struct arena *arena) {
    uint64_t *addresses = arena_new(arena, uint64_t, MANY), *sizes = arena_new(arena, uint64_t, MANY);
    uint32_t *begin = arena_new(arena, uint32_t, MANY + 1), *target = arena_new(arena, uint32_t, MANY);
    uint32_t *type_of = arena_new(arena, uint32_t, MANY);
    uint8_t *kind = arena_new(arena, uint8_t, MANY);
    for (uint32_t n = 1; n < MANY; n++) {
        addresses[n] = addresses[n - 1] + 16 + n * 2654435761u % 4096;
        sizes[n] = n * 2654435761u % 1000;
        type_of[n] = graph->type_of[1];
        begin[n] = n - 1;
        target[n - 1] = 1 + (uint32_t)(n * 2654435761ull % (MANY - 1));
        kind[n - 1] = EDGE_ATTRIBUTE;
    }
    begin[MANY] = MANY - 1;
    graph->node_count = MANY;
    graph->edge_count = MANY - 1;
    graph->addresses = addresses;
    graph->sizes = sizes;
    graph->refcounts = arena_new(arena, uint32_t, MANY);
    graph->flags = arena_new(arena, uint8_t, MANY);
    graph->type_of = type_of;
    graph->out_begin = begin;
    graph->out_target = target;
    graph->out_kind = kind;
    graph->describe = (struct graph_describe){graph, count_edge_names, count_node_name, count_node_facts};
    graph_build_in_edges(graph, arena);
}

TEST(a_heap_of_many_chunks_is_read_whole) {
    struct world world;
    world_make(&world, "root -> a(list)");
    make_many(&world.heap.graph, &world.arena);
    CHECK(graph_check(&world.heap.graph) == NULL);
    CHECK(round_trip(&world, false));
    CHECK(world.back && same_arrays(&world.heap.graph, &world.back->graph));
    CHECK(world.back && same_words(&world.heap.graph, &world.back->graph));
    world_end(&world);
}

static bool file_contains(const char *name, const char *text) {
    struct heap *heap = NULL;
    struct error *error = heap_file_read(name, &heap);
    bool found = error != NULL;
    struct arena arena = {0};
    for (node_id n = 0; heap && n < heap->graph.node_count; n++) {
        struct edge_name *names = arena_new(&arena, struct edge_name, graph_out_degree(&heap->graph, n));
        heap->graph.describe.edge_names(heap->graph.describe.context, n, names, &arena);
        for (uint32_t i = 0; i < graph_out_degree(&heap->graph, n); i++)
            found |= span_is(names[i].text, text);
        found |= span_is(heap->graph.describe.node_name(heap->graph.describe.context, n, &arena), text);
    }
    found |= heap && strstr(heap->facts.command, text);
    heap_close(heap);
    error_discard(error);
    arena_deinit(&arena);
    return found;
}

TEST(without_values_nothing_private_is_written) {
    struct world world;
    world_make(&world, drawing_text);
    CHECK(write_heap(&world, path, false));
    CHECK(!file_contains(path, "bob@example.org"));
    CHECK(!file_contains(path, "two words"));
    CHECK(!file_contains(path, "worker 3"));
    CHECK(!file_contains(path, "hunter2"));
    CHECK(!file_contains(path, "--password"));
    CHECK(file_contains(path, "STORE"));
    CHECK(file_contains(path, "cart"));
    CHECK(file_contains(path, "MainThread"));
    CHECK(file_contains(path, "atexit callbacks"));
    CHECK(file_contains(path, "shop.py"));
    CHECK(write_heap(&world, path, true));
    CHECK(file_contains(path, "bob@example.org") && file_contains(path, "worker 3") && file_contains(path, "hunter2"));
    world_end(&world);
}

TEST(keys_of_a_large_dict_are_data_and_those_of_a_namespace_are_names) {
    struct text text = {0};
    text_add(&text, "root -> m(module); m -namespace-> ns(dict); m -slot users-> users(dict)");
    for (int i = 0; i < 200; i++)
        text_format(&text, "; users -['user%d']-> x; ns -['name%d']-> x", i, i);
    struct world world;
    world_make(&world, text_get(&text));
    CHECK(write_heap(&world, path, false));
    CHECK(!file_contains(path, "user7"));
    CHECK(file_contains(path, "name7"));
    world_end(&world);
    text_deinit(&text);
}

TEST(code_on_the_command_line_stays_out) {
    struct world world;
    world_make(&world, "");
    strcpy(world.heap.facts.command, "python\x1f-c\x1fimport secret");
    CHECK(round_trip(&world, false));
    CHECK_TEXT(world.back ? world.back->facts.command : NULL, "python\x1f-c");
    world_end(&world);
    world_make(&world, "");
    strcpy(world.heap.facts.command, "python\x1f-m\x1fshop.wsgi\x1f--key=1");
    CHECK(round_trip(&world, false));
    CHECK_TEXT(world.back ? world.back->facts.command : NULL, "python\x1f-m\x1fshop.wsgi");
    world_end(&world);
}

static char *load(const char *name, size_t *size) {
    FILE *file = fopen(name, "rb");
    char *bytes = malloc(1 << 20);
    *size = file && bytes ? fread(bytes, 1, 1 << 20, file) : 0;
    if (file)
        fclose(file);
    return bytes;
}

static void store(const char *name, const char *bytes, size_t size) {
    FILE *file = fopen(name, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        abort();
}

/* The complaint about these bytes, or "" if they were read; the message is checked to be one of ours. */
static const char *complaint(const char *bytes, size_t size) {
    static char message[512];
    struct heap *heap;
    store(other, bytes, size);
    struct error *error = heap_file_read(other, &heap);
    message[0] = 0;
    if (error) {
        snprintf(message, sizeof message, "%s", error->message);
        CHECK_EQUAL(error->status, STATUS_BAD_FILE);
        CHECK(heap == NULL);
        CHECK(strstr(message, other) == message && !strchr(message, '\n'));
    }
    error_discard(error);
    heap_close(heap);
    return message;
}

static bool says(const char *message, const char *part) {
    if (!strstr(message, part))
        fprintf(stderr, "the message is \"%s\"\n", message);
    return strstr(message, part) != NULL;
}

TEST(each_kind_of_bad_file_has_its_own_words) {
    struct world world;
    size_t size;
    world_make(&world, drawing_text);
    CHECK(write_heap(&world, path, true));
    char *bytes = load(path, &size);
    CHECK(says(complaint(bytes, 0), "is empty"));
    CHECK(says(complaint("hello, I am a text", 18), "is not a snapshot of caulk"));
    CHECK(says(complaint(bytes, 5), "truncated: it ends in section header"));
    CHECK(says(complaint(bytes, 30), "truncated: it ends in section header"));
    CHECK(says(complaint(bytes, 60), "truncated: it ends in section facts"));
    CHECK(says(complaint(bytes, size - 1), "truncated: it ends in section end"));
    CHECK(says(complaint(bytes, size - 24), "truncated: it ends in section end"));
    bytes[size] = 'x';
    CHECK(says(complaint(bytes, size + 1), "damaged in section end"));
    bytes[8] = 2;
    CHECK(says(complaint(bytes, size), "has file version 2, this caulk reads up to 1; use a newer caulk"));
    bytes[8] = 1;
    bytes[13] ^= 1;
    CHECK(says(complaint(bytes, size), "damaged in section header: wrong checksum"));
    bytes[13] ^= 1;
    bytes[48] ^= 1;
    CHECK(says(complaint(bytes, size), "damaged in section facts"));
    bytes[48] ^= 1;
    CHECK_TEXT(complaint(bytes, size), "");
    free(bytes);
    world_end(&world);
}

TEST(a_missing_file_or_a_folder_is_no_snapshot) {
    struct heap *heap;
    struct error *error = heap_file_read("/tmp/caulk-there-is-no-such-file", &heap);
    CHECK_EQUAL(error ? error->status : 0, STATUS_NO_TARGET);
    error_discard(error);
    error = heap_file_read(folder, &heap);
    CHECK_EQUAL(error ? error->status : 0, STATUS_BAD_FILE);
    error_discard(error);
    CHECK(!heap_file_recognise(folder));
    CHECK(!heap_file_recognise("/tmp/caulk-there-is-no-such-file"));
    store(other, "\x89" "CAUL", 5);
    CHECK(!heap_file_recognise(other));
}

/* Bytes are changed in every way that a disk or a network changes them. Each file must be refused, or be equal. */
TEST(no_change_of_a_file_is_believed) {
    struct world world;
    size_t size;
    world_make(&world, drawing_text);
    CHECK(write_heap(&world, path, true));
    char *bytes = load(path, &size);
    char *changed = malloc(size);
    uint64_t random = 1;
    int refused = 0, rounds = 6000;
    for (int i = 0; i < rounds; i++) {
        memcpy(changed, bytes, size);
        size_t left = size;
        for (int change = 0; change <= i % 3; change++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            size_t place = (size_t)(random >> 33) % size;
            if (i % 7 == 6)
                left = place < left ? place : left;
            else if (i % 7 == 5)
                memset(changed + place, 0, size - place < 16 ? size - place : 16);
            else
                changed[place] = (char)(changed[place] ^ 1 << (random >> 29 & 7));
        }
        struct heap *heap;
        store(other, changed, left);
        struct error *error = heap_file_read(other, &heap);
        refused += error != NULL;
        CHECK(error ? heap == NULL : same_heap(&world.heap, heap));
        error_discard(error);
        heap_close(heap);
    }
    /* Only bytes that were zero already stay as they are. */
    CHECK(refused > rounds * 9 / 10);
    free(bytes);
    free(changed);
    world_end(&world);
}

static int files_in_folder(void) {
    char command[128];
    snprintf(command, sizeof command, "ls -A %s | wc -l", folder);
    FILE *pipe = popen(command, "r");
    int count = -1;
    if (!pipe || fscanf(pipe, "%d", &count) != 1)
        count = -1;
    if (pipe)
        pclose(pipe);
    return count;
}

TEST(a_full_disk_leaves_nothing_behind) {
    struct world world;
    world_make(&world, drawing_text);
    unlink(path);
    int before = files_in_folder();
    struct rlimit old, limit;
    getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    limit.rlim_cur = 400;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    bool written = write_heap(&world, path, true);
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK(!written);
    CHECK_EQUAL(world.error ? world.error->status : 0, STATUS_OUTPUT);
    CHECK(world.error && says(world.error->message, "writing the snapshot to /tmp/caulk-test-"));
    CHECK_EQUAL(files_in_folder(), before);
    world_end(&world);
    world_make(&world, drawing_text);
    CHECK(!write_heap(&world, "/dev/full", true));
    CHECK(world.error && world.error->status == STATUS_OUTPUT && says(world.error->message, "No space left"));
    struct stat status;
    CHECK(stat("/dev/full", &status) == 0 && S_ISCHR(status.st_mode));
    world_end(&world);
}

TEST(a_place_that_cannot_be_written_is_named) {
    struct world world;
    world_make(&world, "");
    CHECK(!write_heap(&world, "/tmp/caulk-no-such-folder/x.caulk", false));
    CHECK(world.error && world.error->status == STATUS_OUTPUT && says(world.error->message, "caulk-no-such-folder"));
    world_end(&world);
    world_make(&world, "");
    CHECK(!write_heap(&world, folder, false));
    CHECK(world.error && says(world.error->message, "is a directory"));
    world_end(&world);
}

TEST(an_old_file_is_replaced_only_by_a_finished_one) {
    struct world world;
    world_make(&world, drawing_text);
    store(path, "precious", 8);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, limit;
    getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    limit.rlim_cur = 400;
    setrlimit(RLIMIT_FSIZE, &limit);
    CHECK(!write_heap(&world, path, true));
    setrlimit(RLIMIT_FSIZE, &old);
    size_t size;
    char *bytes = load(path, &size);
    CHECK(size == 8 && memcmp(bytes, "precious", 8) == 0);
    free(bytes);
    error_discard(world.error);
    char link[80];
    snprintf(link, sizeof link, "%s/link", folder);
    CHECK(symlink(path, link) == 0);
    CHECK(write_heap(&world, link, true));
    CHECK(heap_file_recognise(path));
    struct stat status;
    CHECK(lstat(link, &status) == 0 && S_ISLNK(status.st_mode));
    unlink(link);
    world_end(&world);
}

static void make_folder(void) {
    if (!mkdtemp(folder))
        abort();
    snprintf(path, sizeof path, "%s/heap.caulk", folder);
    snprintf(other, sizeof other, "%s/other.caulk", folder);
}

static void remove_folder(void) {
    unlink(path);
    unlink(other);
    rmdir(folder);
}

TEST_MAIN(make_folder(); RUN(what_is_written_with_values_is_what_is_read); RUN(the_smallest_heap_is_only_a_root);
          RUN(a_heap_of_many_chunks_is_read_whole); RUN(without_values_nothing_private_is_written);
          RUN(keys_of_a_large_dict_are_data_and_those_of_a_namespace_are_names);
          RUN(code_on_the_command_line_stays_out); RUN(each_kind_of_bad_file_has_its_own_words);
          RUN(a_missing_file_or_a_folder_is_no_snapshot); RUN(no_change_of_a_file_is_believed);
          RUN(a_full_disk_leaves_nothing_behind); RUN(a_place_that_cannot_be_written_is_named);
          RUN(an_old_file_is_replaced_only_by_a_finished_one); remove_folder();)
