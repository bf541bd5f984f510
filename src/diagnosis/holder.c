/* Who holds what grows, in words. */
#include "diagnosis/holder.h"

#include "diagnosis/amount.h"

enum { BELOW_DEPTH = 5 };

static const char *take_text(struct text *text, struct arena *arena) {
    const char *kept = arena_copy_text(arena, text_get(text), text->length);
    text_deinit(text);
    return kept;
}

size_t holder_single_depth(const struct path_tree *tree, uint32_t node) {
    size_t depth = 0;
    bool single = true;
    for (; node != UINT32_MAX && node != 0; node = tree->nodes[node].parent) {
        depth++;
        if (!tree->nodes[node].single) {
            single = false;
            depth = 0;
        }
    }
    return single ? SIZE_MAX : depth;
}

void holder_fold_steps(struct path_step *steps, size_t count, size_t named) {
    for (size_t i = named; i < count; i++)
        if (steps[i].kind == EDGE_INDEX || steps[i].kind == EDGE_KEY || steps[i].kind == EDGE_KEY_OBJECT)
            steps[i].folded = true;
}

/* The depth counts upwards from the last folded node: what is above it is single. */
void holder_find_steps(struct candidate *candidate, struct arena *arena) {
    if (candidate->holder == NODE_NONE)
        return;
    const struct evidence *evidence = candidate->evidence;
    candidate->step_count =
        paths_steps(candidate->graph, evidence->paths, candidate->holder, arena, &candidate->steps);
    if (candidate->alone)
        return;
    size_t named = holder_single_depth(candidate->comparison->tree, candidate->region.node);
    holder_fold_steps(candidate->steps, candidate->step_count, named);
}

/* What has no holder of its own. */
static const char *words_without_holder(const struct candidate *candidate) {
    if (candidate->source == CANDIDATE_GARBAGE)
        return "<nobody: waiting for gc>";
    if (candidate->source == CANDIDATE_NATIVE)
        return "<nobody: held by C code>";
    if (candidate->region.extent == EXTENT_MODULES)
        return "sys.modules";
    bool threads = candidate->comparison->tree->nodes[candidate->region.node].kind == EDGE_THREAD;
    return threads ? "<threads>" : "<interpreter>";
}

const char *holder_write_path(const struct candidate *candidate, struct arena *arena) {
    if (!candidate->step_count)
        return words_without_holder(candidate);
    struct text text = {0};
    paths_write(candidate->graph, candidate->evidence->reach, candidate->steps, candidate->step_count, &text);
    return take_text(&text, arena);
}

static const char *write_type(const struct graph *graph, node_id node, struct arena *arena) {
    const struct graph_type *type = graph_type_of(graph, node);
    return amount_type_name(arena, type->module, type->name);
}

static const char *write_root(const struct candidate *candidate, struct arena *arena) {
    if (!candidate->step_count)
        return candidate->path;
    struct text text = {0};
    if (candidate->steps[0].kind == EDGE_MODULE)
        text_add(&text, "module ");
    paths_write_step(candidate->graph, candidate->evidence->reach, candidate->steps, candidate->step_count, 0,
                     &text);
    return take_text(&text, arena);
}

static void describe_steps(const struct candidate *candidate, struct arena *arena, struct finding *out) {
    out->steps = arena_new(arena, struct holder_step, candidate->step_count + 1);
    for (size_t i = 0; i < candidate->step_count; i++) {
        const struct path_step *step = &candidate->steps[i];
        struct text edge = {0};
        paths_write_step(candidate->graph, candidate->evidence->reach, candidate->steps,
                         candidate->step_count, i, &edge);
        struct holder_step *made = &out->steps[out->step_count++];
        made->edge = take_text(&edge, arena);
        made->type = write_type(candidate->graph, step->node, arena);
        made->address = candidate->graph->addresses[step->node];
    }
}

/* The child that carries most of what grew below `node`; UINT32_MAX if none carries half of it. */
static uint32_t heaviest_child(const struct comparison *comparison, uint32_t node) {
    const struct path_tree *tree = comparison->tree;
    uint32_t best = UINT32_MAX;
    for (uint32_t i = node + 1; i < tree->count; i++)
        if (tree->nodes[i].parent == node && !comparison->apart[i] &&
            (best == UINT32_MAX || comparison->below_bytes[i] > comparison->below_bytes[best]))
            best = i;
    if (best == UINT32_MAX || comparison->below_bytes[best] * 2 < comparison->below_bytes[node] ||
        comparison->below_bytes[best] <= 0)
        return UINT32_MAX;
    return best;
}

/* The last step of the example's best path is the edge by which the path node is reached. */
static const char *write_last_edge(const struct candidate *candidate, const struct path_node *node,
                                   struct arena *arena) {
    struct path_step *steps;
    size_t count = paths_steps(candidate->graph, candidate->evidence->paths, node->example, arena, &steps);
    if (!count)
        return "";
    enum edge_kind kind = steps[count - 1].kind;
    if (!node->single && (kind == EDGE_INDEX || kind == EDGE_KEY))
        steps[count - 1].folded = true;
    struct text edge = {0};
    if (count > 1)
        paths_write_step(candidate->graph, candidate->evidence->reach, steps, count, count - 1, &edge);
    return take_text(&edge, arena);
}

static void describe_below(const struct candidate *candidate, struct arena *arena, struct finding *out) {
    const struct path_tree *tree = candidate->comparison->tree;
    out->below = arena_new(arena, struct holder_step, BELOW_DEPTH);
    uint32_t node = UINT32_MAX;
    if (candidate->region.extent == EXTENT_BELOW)
        node = heaviest_child(candidate->comparison, candidate->region.node);
    else if (candidate->makeup.item_count)
        node = candidate->makeup.items[0].node;
    while (node != UINT32_MAX && out->below_count < BELOW_DEPTH) {
        const struct path_node *at = &tree->nodes[node];
        const struct path_tree_type *type = &tree->types[at->type];
        struct holder_step *made = &out->below[out->below_count++];
        made->edge = write_last_edge(candidate, at, arena);
        made->type = amount_type_name(arena, type->module, type->name);
        made->address = candidate->graph->addresses[at->example];
        made->objects = at->objects;
        made->bytes = at->subtree_bytes;
        node = heaviest_child(candidate->comparison, node);
    }
}

static void describe_grows(const struct candidate *candidate, struct arena *arena, struct finding *out) {
    const struct growth_makeup *makeup = &candidate->makeup;
    out->grows = arena_new(arena, struct grown_type, makeup->type_count + 1);
    for (size_t i = 0; i < makeup->type_count; i++)
        out->grows[out->grow_count++] =
            (struct grown_type){amount_type_name(arena, makeup->types[i].module, makeup->types[i].name),
                                makeup->types[i].count, makeup->types[i].bytes};
}

void holder_describe(const struct candidate *candidate, struct arena *arena, struct finding *out) {
    out->path = candidate->path;
    out->root = write_root(candidate, arena);
    if (candidate->holder != NODE_NONE)
        out->holder_type = write_type(candidate->graph, candidate->holder, arena);
    if (candidate->facts.length > 0)
        out->holder_entries = (uint64_t)candidate->facts.length;
    describe_steps(candidate, arena, out);
    describe_below(candidate, arena, out);
    describe_grows(candidate, arena, out);
}
