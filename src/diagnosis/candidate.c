/* Something that grew, with all that the rules ask about it. */
#include "diagnosis/candidate.h"

#include "diagnosis/holder.h"

static node_id example_below(const struct comparison *comparison, const struct growth_makeup *makeup) {
    return makeup->item_count ? comparison->tree->nodes[makeup->items[0].node].example : NODE_NONE;
}

/* A kind of root that multiplies has no holder; modules are filed under the root, and sys.modules holds them.
 */
static struct growth_region region_of(const struct comparison *comparison, const struct growth_holder *held) {
    const struct path_node *nodes = comparison->tree->nodes;
    uint32_t child = held->child;
    if (held->node == 0 ||
        (child != UINT32_MAX && nodes[child].parent == 0 && nodes[child].kind == EDGE_MODULE))
        return (struct growth_region){EXTENT_MODULES, held->node};
    bool multiplies = nodes[held->node].parent == 0 && comparison->objects[held->node] > 0;
    return (struct growth_region){multiplies ? EXTENT_WITH : EXTENT_BELOW, held->node};
}

static enum candidate_source source_of(const struct comparison *comparison, struct growth_region region) {
    bool native = region.extent == EXTENT_WITH && comparison->tree->nodes[region.node].reach == REACH_NATIVE;
    return native ? CANDIDATE_NATIVE : CANDIDATE_HELD;
}

static void take_numbers(struct candidate *candidate, const struct growth_holder *held) {
    candidate->trend = held->bytes;
    if (held->bytes.verdict != SERIES_GROWS) {
        /* Tables grow by doubling: whether is told by the objects then, how fast by the bytes. */
        candidate->trend.verdict = held->objects.verdict;
        candidate->trend.risen = held->objects.risen;
    }
    candidate->growth_share = held->share;
    candidate->grown_objects = held->grown_objects;
    candidate->grown_bytes = held->grown_bytes;
    if (held->type_count) {
        candidate->makeup.types = held->types;
        candidate->makeup.type_count = held->type_count;
    }
}

/* Positions are folded in the path tree; where one object has nearly all of the bytes, it has a position to
 * tell. */
static bool stands_alone(const struct candidate *candidate, node_id example) {
    const struct path_node *node = &candidate->comparison->tree->nodes[candidate->region.node];
    const struct dominators *dominators = candidate->evidence->dominators;
    return node->single || (dominators && dominators->retained[example] >= node->subtree_bytes / 10 * 9);
}

/* Python/hamt.c: the mapping inside of a context is a tree of nodes that no program sees.
 * Modules/_functoolsmodule.c: nor does it see the dict of an lru_cache. */
static bool is_inside(const struct graph *graph, const struct path_step *step, node_id above) {
    struct span name = graph_type_of(graph, step->node)->name;
    if (name.length >= 4 && memcmp(name.data, "hamt", 4) == 0)
        return true;
    return step->kind == EDGE_SLOT && graph_type_of(graph, above)->role == ROLE_CACHE;
}

/* The holder that a program knows. */
static void step_outside(struct candidate *candidate, struct arena *arena) {
    size_t count = candidate->step_count;
    while (count > 1 &&
           is_inside(candidate->graph, &candidate->steps[count - 1], candidate->steps[count - 2].node))
        count--;
    if (count == candidate->step_count)
        return;
    int64_t length = candidate->facts.length;
    candidate->step_count = count;
    candidate->holder = candidate->steps[count - 1].node;
    candidate->graph->describe.node_facts(candidate->graph->describe.context, candidate->holder,
                                          &candidate->facts, arena);
    if (candidate->facts.length < 0)
        candidate->facts.length = length;
}

static void find_holder(struct candidate *candidate, node_id example, struct arena *arena) {
    if (candidate->region.extent == EXTENT_WITH || candidate->region.node == 0)
        return;
    candidate->holder = example;
    candidate->alone = stands_alone(candidate, example);
    candidate->graph->describe.node_facts(candidate->graph->describe.context, example, &candidate->facts,
                                          arena);
    holder_find_steps(candidate, arena);
    step_outside(candidate, arena);
}

void candidate_from_holder(const struct comparison *comparison, const struct growth_holder *held,
                           struct arena *arena, struct candidate *out) {
    const struct evidence *evidence = comparison->evidence;
    struct growth_region region = region_of(comparison, held);
    *out = (struct candidate){
        .comparison = comparison,
        .evidence = evidence,
        .graph = &evidence->heap->graph,
        .source = source_of(comparison, region),
        .region = region,
        .holder = NODE_NONE,
        .facts = {.length = -1, .bound = -2},
    };
    comparison_makeup(comparison, region, arena, &out->makeup);
    take_numbers(out, held);
    out->example = example_below(comparison, &out->makeup);
    find_holder(out, held->example, arena);
    out->path = holder_write_path(out, arena);
}

void candidate_from_garbage(const struct comparison *comparison, struct arena *arena, struct candidate *out) {
    const struct evidence *evidence = comparison->evidence;
    *out = (struct candidate){
        .comparison = comparison,
        .evidence = evidence,
        .graph = &evidence->heap->graph,
        .source = CANDIDATE_GARBAGE,
        .region = {EXTENT_GARBAGE, 0},
        .holder = NODE_NONE,
        .trend = evidence->growth->garbage,
        .facts = {.length = -1, .bound = -2},
    };
    comparison_makeup(comparison, out->region, arena, &out->makeup);
    out->example = example_below(comparison, &out->makeup);
    out->grown_objects = out->makeup.objects > 0 ? (uint64_t)out->makeup.objects : 0;
    out->grown_bytes = out->makeup.bytes > 0 ? (uint64_t)out->makeup.bytes : 0;
    out->path = holder_write_path(out, arena);
}

/* A namespace is left out of paths: the attribute behind it has the name. */
static bool is_nameless(const struct path_step *step) {
    return step->kind == EDGE_NAMESPACE || (step->kind == EDGE_SLOT && !step->name.text.length);
}

struct span candidate_name(const struct candidate *candidate) {
    for (size_t i = candidate->step_count; i-- > 0;)
        if (!is_nameless(&candidate->steps[i]))
            return candidate->steps[i].folded ? (struct span){0} : candidate->steps[i].name.text;
    return (struct span){0};
}

bool candidate_is_named(const struct candidate *candidate, const char *name) {
    return span_is(candidate_name(candidate), name);
}

bool candidate_in_module(const struct candidate *candidate, const char *module) {
    if (!candidate->step_count || candidate->steps[0].kind != EDGE_MODULE)
        return false;
    if (candidate->steps[0].name.text.length)
        return span_is(candidate->steps[0].name.text, module);
    struct arena scratch = {0};
    const struct graph_describe *describe = &candidate->graph->describe;
    bool same = span_is(describe->node_name(describe->context, candidate->steps[0].node, &scratch), module);
    arena_deinit(&scratch);
    return same;
}

thing_set candidate_things_above(const struct candidate *candidate, size_t last) {
    thing_set found = 0;
    size_t begin = candidate->step_count > last ? candidate->step_count - last : 0;
    for (size_t i = begin; i < candidate->step_count; i++)
        found |= things_of_node(candidate->graph, candidate->steps[i].node);
    return found;
}

double candidate_share_of(const struct candidate *candidate, enum thing thing) {
    return comparison_share(candidate->makeup.at_or_below[thing], candidate->makeup.bytes);
}

double candidate_share_by_items(const struct candidate *candidate, enum thing thing) {
    return comparison_share(candidate->makeup.item_bytes[thing], candidate->makeup.bytes);
}

const struct graph_type *candidate_holder_type(const struct candidate *candidate) {
    return candidate->holder == NODE_NONE ? NULL : graph_type_of(candidate->graph, candidate->holder);
}
