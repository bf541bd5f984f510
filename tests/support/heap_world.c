/* Drawn heaps, written and read again, compared in everything. */
#include "support/heap_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char heap_drawing[] =
    "root -> shop.sessions(module) ~logging(module) 'worker 3'(thread) MainThread(thread) t='atexit callbacks'(table)\n"
    "'worker 3' -> run(activation)^77 -local buf-> b(bytearray):4096*1; MainThread -> shop.app.main(activation) -> b\n"
    "shop.sessions -namespace-> ns(dict):1200 -['STORE']-> d(dict):300*1; ns -['two words']-> b\n"
    "d -['alice']-> s(shop.Session):56; d -['bob@example.org']-> s; s -.cart-> l(list):88#2<10 -[]-> i(shop.Item):48*9\n"
    "l -[5]-> i; l -[]-> b; t -[]-> shop.close(function)^41 -slot __defaults__-> tu(tuple) -[]-> s\n"
    "logging -namespace-> ld(dict) -['root']-> r(~logging.RootLogger)!permanent; f!fault; c(lru_cache)<128#5\n"
    "shop.Boom(shop.Boom!)!immortal; big(dict)#500 -keyobject-> k1(str):50";

char heap_folder[] = "/tmp/caulk-test-XXXXXX", heap_path[64], heap_other_path[64];

void world_make(struct world *world, const char *text) {
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

void world_end(struct world *world) {
    heap_close(world->back);
    error_discard(world->error);
    arena_deinit(&world->arena);
}

bool write_heap(struct world *world, const char *to, bool values) {
    struct heap_file_options options = {.values = values};
    world->error = heap_file_write(&world->heap, to, &options);
    return world->error == NULL;
}

bool round_trip(struct world *world, bool values) {
    if (!write_heap(world, heap_path, values))
        return false;
    world->error = heap_file_read(heap_path, &world->back);
    return world->error == NULL;
}

bool same_arrays(const struct graph *a, const struct graph *b) {
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

bool same_types(const struct graph *a, const struct graph *b) {
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

bool same_words(const struct graph *a, const struct graph *b) {
    struct arena arena = {0};
    bool same = true;
    for (node_id n = 0; n < a->node_count; n++)
        same &= same_edge_names(a, b, n, &arena) && same_node_words(a, b, n, &arena);
    arena_deinit(&arena);
    return same;
}

bool same_heap(const struct heap *a, const struct heap *b) {
    return same_arrays(&a->graph, &b->graph) && same_types(&a->graph, &b->graph) && same_words(&a->graph, &b->graph) &&
           memcmp(&a->facts.taken_at, &b->facts.taken_at, sizeof a->facts - offsetof(struct heap_facts, taken_at)) == 0 &&
           a->facts.pid == b->facts.pid && strcmp(a->facts.command, b->facts.command) == 0 &&
           strcmp(a->facts.python, b->facts.python) == 0 && strcmp(a->facts.executable, b->facts.executable) == 0;
}

char *load(const char *name, size_t *size) {
    FILE *file = fopen(name, "rb");
    char *bytes = malloc(1 << 20);
    *size = file && bytes ? fread(bytes, 1, 1 << 20, file) : 0;
    if (file)
        fclose(file);
    return bytes;
}

void store(const char *name, const char *bytes, size_t size) {
    FILE *file = fopen(name, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        abort();
}

bool says(const char *message, const char *part) {
    if (!strstr(message, part))
        fprintf(stderr, "the message is \"%s\"\n", message);
    return strstr(message, part) != NULL;
}

uint64_t use_heap(const struct heap *heap) {
    const struct graph *graph = &heap->graph;
    struct arena arena = {0};
    uint64_t sum = 0;
    for (node_id n = 0; n < graph->node_count; n++) {
        struct edge_name *names = arena_new(&arena, struct edge_name, graph_out_degree(graph, n));
        struct node_facts facts;
        graph->describe.edge_names(graph->describe.context, n, names, &arena);
        graph->describe.node_facts(graph->describe.context, n, &facts, &arena);
        for (uint32_t i = 0; i < graph_out_degree(graph, n); i++)
            sum += span_hash(names[i].text, 0);
        sum += span_hash(graph->describe.node_name(graph->describe.context, n, &arena), 0) + span_hash(facts.file, 0);
        sum += span_hash(graph_type_of(graph, n)->name, 0) + span_hash(graph_type_of(graph, n)->module, 0);
    }
    arena_deinit(&arena);
    return sum + strlen(heap->facts.command) + strlen(heap->facts.python) + strlen(heap->facts.executable);
}

void heap_folder_make(void) {
    if (!mkdtemp(heap_folder))
        abort();
    snprintf(heap_path, sizeof heap_path, "%s/heap.caulk", heap_folder);
    snprintf(heap_other_path, sizeof heap_other_path, "%s/other.caulk", heap_folder);
}

void heap_folder_remove(void) {
    unlink(heap_path);
    unlink(heap_other_path);
    rmdir(heap_folder);
}
