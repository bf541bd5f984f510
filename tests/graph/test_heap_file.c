/* graph/heap_file: what is written is what is read, nothing private is written, a failure leaves nothing behind. */
#include "base/text.h"
#include "support/check.h"
#include "support/heap_world.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(what_is_written_with_values_is_what_is_read) {
    struct world world;
    world_make(&world, heap_drawing);
    CHECK(round_trip(&world, true));
    CHECK(world.back && same_arrays(&world.heap.graph, &world.back->graph));
    CHECK(world.back && same_types(&world.heap.graph, &world.back->graph));
    CHECK(world.back && same_words(&world.heap.graph, &world.back->graph));
    CHECK(world.back && same_heap(&world.heap, world.back));
    CHECK(heap_file_recognise(heap_path));
    struct stat status;
    CHECK(stat(heap_path, &status) == 0 && (status.st_mode & 0777) == 0600);
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
    graph->describe = (struct graph_describe){graph, count_edge_names, count_node_name, count_node_facts, NULL};
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
    world_make(&world, heap_drawing);
    CHECK(write_heap(&world, heap_path, false));
    CHECK(!file_contains(heap_path, "bob@example.org"));
    CHECK(!file_contains(heap_path, "two words"));
    CHECK(!file_contains(heap_path, "worker 3"));
    CHECK(!file_contains(heap_path, "hunter2"));
    CHECK(!file_contains(heap_path, "--password"));
    CHECK(file_contains(heap_path, "STORE"));
    CHECK(file_contains(heap_path, "cart"));
    CHECK(file_contains(heap_path, "MainThread"));
    CHECK(file_contains(heap_path, "atexit callbacks"));
    CHECK(file_contains(heap_path, "shop.py"));
    CHECK(write_heap(&world, heap_path, true));
    CHECK(file_contains(heap_path, "bob@example.org") && file_contains(heap_path, "worker 3") && file_contains(heap_path, "hunter2"));
    world_end(&world);
}

TEST(keys_of_a_large_dict_are_data_and_those_of_a_namespace_are_names) {
    struct text text = {0};
    text_add(&text, "root -> m(module); m -namespace-> ns(dict); m -slot users-> users(dict)");
    for (int i = 0; i < 200; i++)
        text_format(&text, "; users -['user%d']-> x; ns -['name%d']-> x", i, i);
    struct world world;
    world_make(&world, text_get(&text));
    CHECK(write_heap(&world, heap_path, false));
    CHECK(!file_contains(heap_path, "user7"));
    CHECK(file_contains(heap_path, "name7"));
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

static int files_in_folder(void) {
    char command[128];
    snprintf(command, sizeof command, "ls -A %s | wc -l", heap_folder);
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
    world_make(&world, heap_drawing);
    unlink(heap_path);
    int before = files_in_folder();
    struct rlimit old, limit;
    getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    limit.rlim_cur = 400;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    bool written = write_heap(&world, heap_path, true);
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK(!written);
    CHECK_EQUAL(world.error ? world.error->status : 0, STATUS_OUTPUT);
    CHECK(world.error && says(world.error->message, "writing the snapshot to /tmp/caulk-test-"));
    CHECK_EQUAL(files_in_folder(), before);
    world_end(&world);
    world_make(&world, heap_drawing);
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
    CHECK(!write_heap(&world, heap_folder, false));
    CHECK(world.error && says(world.error->message, "is a directory"));
    world_end(&world);
}

TEST(an_old_file_is_replaced_only_by_a_finished_one) {
    struct world world;
    world_make(&world, heap_drawing);
    store(heap_path, "precious", 8);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, limit;
    getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    limit.rlim_cur = 400;
    setrlimit(RLIMIT_FSIZE, &limit);
    CHECK(!write_heap(&world, heap_path, true));
    setrlimit(RLIMIT_FSIZE, &old);
    size_t size;
    char *bytes = load(heap_path, &size);
    CHECK(size == 8 && memcmp(bytes, "precious", 8) == 0);
    free(bytes);
    error_discard(world.error);
    char link[80];
    snprintf(link, sizeof link, "%s/link", heap_folder);
    CHECK(symlink(heap_path, link) == 0);
    CHECK(write_heap(&world, link, true));
    CHECK(heap_file_recognise(heap_path));
    struct stat status;
    CHECK(lstat(link, &status) == 0 && S_ISLNK(status.st_mode));
    unlink(link);
    world_end(&world);
}

TEST_MAIN(heap_folder_make(); RUN(what_is_written_with_values_is_what_is_read); RUN(the_smallest_heap_is_only_a_root);
          RUN(a_heap_of_many_chunks_is_read_whole); RUN(without_values_nothing_private_is_written);
          RUN(keys_of_a_large_dict_are_data_and_those_of_a_namespace_are_names);
          RUN(code_on_the_command_line_stays_out); RUN(a_full_disk_leaves_nothing_behind);
          RUN(a_place_that_cannot_be_written_is_named); RUN(an_old_file_is_replaced_only_by_a_finished_one);
          heap_folder_remove();)
