/* Worlds that are drawn anew for each snapshot, and what diagnosis says of them. */
#include "watched_world.h"

#include <stdio.h>
#include <string.h>

static struct world world;
static int seconds_between = 1;

static observe_function *observes;

void world_observe(observe_function *observe) {
    observes = observe;
}

node_id world_node(const struct world *watched, const char *label) {
    return drawn_node(watched->drawing, label);
}

void world_seconds_between(int seconds) {
    seconds_between = seconds;
}

struct heap_facts world_facts(void) {
    return (struct heap_facts){
        .pid = 42,
        .python = "3.11.7",
        .executable = "/usr/bin/python3",
        .command = "python3\x1fshop.py",
        .gc_enabled = true,
        .gc_threshold = {700, 10, 10},
        .rss = 64 << 20,
        .file = 8 << 20,
        .stacks = 1 << 20,
    };
}

static void add_permanent(const struct graph *graph, struct observation *out) {
    for (node_id node = 0; node < graph->node_count; node++)
        if (world.reach.class_of[node] == REACH_GARBAGE && graph->flags[node] & NODE_PERMANENT)
            out->permanent_garbage_bytes += graph->sizes[node];
}

/* A drawn class is the type of what is drawn with its name: as in CPython, where each type is an object. */
static void link_types(const struct graph *graph) {
    struct graph_type *types = (struct graph_type *)graph->types;
    for (node_id node = 0; node < graph->node_count; node++) {
        struct span name = graph->describe.node_name(graph->describe.context, node, &world.arena);
        for (uint32_t i = 0; i < graph->type_count && graph_type_of(graph, node)->role == ROLE_TYPE; i++)
            if (span_is(name,
                        arena_format(&world.arena, "%.*s.%.*s", (int)types[i].module.length,
                                     types[i].module.data, (int)types[i].name.length, types[i].name.data)))
                types[i].address = graph->addresses[node];
    }
}

static void look(int step, const char *text) {
    struct observation *observation = &world.observations[step];
    world.drawing = drawn_graph_make(text, &world.arena);
    world.heap.graph = world.drawing->graph;
    link_types(&world.heap.graph);
    reach_compute(&world.heap.graph, &world.arena, &world.reach);
    paths_compute(&world.heap.graph, &world.reach, &world.arena, &world.paths);
    refcounts_compute(&world.heap.graph, &world.arena, &observation->refcounts);
    path_tree_build(&world.heap.graph, &world.reach, &world.paths, &world.arena, &world.arena, &observation->tree);
    observation->time = step * seconds_between;
    observation->bytes = world.reach.bytes[REACH_LIVE] + world.reach.bytes[REACH_NATIVE];
    observation->objects = world.reach.objects[REACH_LIVE] + world.reach.objects[REACH_NATIVE];
    observation->garbage_bytes = world.reach.bytes[REACH_GARBAGE];
    observation->garbage_objects = world.reach.objects[REACH_GARBAGE];
    observation->native_bytes = world.reach.bytes[REACH_NATIVE];
    observation->native_objects = world.reach.objects[REACH_NATIVE];
    observation->rss = world.heap.facts.rss;
    observation->collections[0] = 10 * (uint64_t)step;
    add_permanent(&world.heap.graph, observation);
    if (observes)
        observes(step, &world, observation);
}

static void conclude(int snapshots) {
    dominators_compute(&world.heap.graph, &world.reach, DOMINATORS_AUTOMATIC, &world.arena,
                       &world.dominators);
    growth_compute(world.observations, (size_t)snapshots, 1024, &world.arena, &world.growth);
    struct evidence evidence = {
        .heap = &world.heap,
        .reach = &world.reach,
        .dominators = &world.dominators,
        .paths = &world.paths,
        .observations = world.observations,
        .observation_count = (size_t)snapshots,
        .growth = &world.growth,
        .holes = world.holes,
    };
    if (snapshots > 1)
        diagnose(&evidence, &world.arena, &world.verdict);
    else
        diagnose_single(&evidence, &world.arena, &world.verdict);
}

struct world *watch_with(draw_function *draw, int snapshots, const struct heap_facts *facts) {
    arena_deinit(&world.arena);
    world = (struct world){.heap.facts = *facts};
    for (int step = 0; step < snapshots; step++) {
        struct text text = {0};
        draw(step, &text);
        look(step, text_get(&text));
        text_deinit(&text);
    }
    conclude(snapshots);
    check_verdict(&world);
    return &world;
}

struct world *watch(draw_function *draw) {
    struct heap_facts facts = world_facts();
    return watch_with(draw, WORLD_SNAPSHOTS, &facts);
}

struct world *look_once(draw_function *draw) {
    struct heap_facts facts = world_facts();
    return watch_with(draw, 1, &facts);
}

void repeat(struct text *out, int count, const char *line) {
    for (int i = 0; i < count; i++)
        for (const char *at = line; *at; at++)
            if (*at == '@')
                text_format(out, "%d", i);
            else
                text_format(out, "%c", *at);
}

const char *found(struct world *watched, size_t index) {
    if (index >= watched->verdict.finding_count)
        return "";
    const struct finding *finding = &watched->verdict.findings[index];
    return arena_format(&watched->arena, "%s %s %s", confidence_name(finding->confidence),
                        finding_kind_name(finding->kind), finding->path);
}

const char *excused(struct world *watched, const char *kind) {
    for (size_t i = 0; i < watched->verdict.not_leak_count; i++) {
        const struct not_leak *not_leak = &watched->verdict.not_leaks[i];
        if (strcmp(not_leak_kind_name(not_leak->kind), kind) == 0)
            return arena_format(&watched->arena, "%s %s", kind, not_leak->title);
    }
    return "";
}

bool has_evidence(const struct world *watched, const char *words) {
    if (!watched->verdict.finding_count)
        return false;
    const struct finding *first = &watched->verdict.findings[0];
    for (size_t i = 0; i < first->evidence_count; i++)
        if (strstr(first->evidence[i], words))
            return true;
    return false;
}

static void check_finding(const struct finding *finding, size_t index) {
    CHECK_EQUAL(finding->rank, index + 1);
    CHECK(finding->title && *finding->title);
    CHECK(finding->path && finding->root && *finding->root);
    CHECK(finding->cause && *finding->cause);
    CHECK(finding->advice && *finding->advice);
    CHECK(finding->evidence_count > 0);
    CHECK(finding->heap_share >= 0 && finding->heap_share <= 1);
    CHECK(finding->low <= finding->bytes_per_second && finding->bytes_per_second <= finding->high);
    CHECK(finding->exclusive_bytes <= finding->bytes);
    for (size_t i = 1; i < finding->grow_count; i++)
        CHECK(finding->grows[i - 1].bytes >= finding->grows[i].bytes);
}

void check_verdict(const struct world *watched) {
    const struct verdict *verdict = &watched->verdict;
    const struct resident_split *rss = &verdict->rss;
    CHECK(verdict->finding_count <= 5);
    CHECK_EQUAL(rss->python_objects + rss->libraries + rss->stacks + rss->shared + rss->other, rss->total);
    for (size_t i = 0; i < verdict->finding_count; i++)
        check_finding(&verdict->findings[i], i);
}
