/* caulk tree: the dominator tree, siblings of one type folded. */
#include "app/command.h"
#include "app/tables.h"
#include "base/vector.h"

#include <stdlib.h>

static const struct option_rule options[] = {
    {"depth", 'd', OPTION_WHOLE, COMMAND_OPTION(depth), "N", "levels that are shown (6)", 1, 64},
    {"limit", 'l', OPTION_WHOLE, COMMAND_OPTION(limit), "N", "rows below each row (8)", 1, 100000},
    {"json", 0, OPTION_TEXT, COMMAND_OPTION(json), "FILE", "write JSON; - for standard output", 0, 0},
    {"pause", 0, OPTION_FLAG, COMMAND_OPTION(pause), NULL, "copy while stopped, do not fork a picture", 0, 0},
    {"types", 0, OPTION_TEXT, COMMAND_OPTION(types), "FILE", "C types that FILE describes (~/.config/caulk/types)", 0, 0},
    {0},
};

enum { FOLD_FROM = 4 }; /* so many siblings of one type become one row */

/* Children in the dominator tree: those of node n are items[begin[n]] .. items[begin[n + 1]]. */
struct children {
    uint32_t *begin;
    node_id *items;
};

/* A row that waits to be written: nodes that it stands for, below a row of one depth less. */
struct branch {
    const node_id *nodes;
    size_t count;
    uint32_t depth;
    uint64_t retained;
    uint64_t left_out;
};

struct planter {
    const struct stage *stage;
    struct arena *arena;
    struct children children;
    struct vector waiting; /* struct branch, the next one last */
    struct vector rows;    /* struct table_branch */
    size_t limit, depth;
};

static void find_children(const struct stage *stage, struct arena *arena, struct children *out) {
    const node_id *immediate = stage->dominators.immediate;
    uint32_t count = stage->heap->graph.node_count;
    out->begin = arena_new(arena, uint32_t, count + 2);
    out->items = arena_new(arena, node_id, count);
    uint32_t *fill = out->begin + 1; /* shifted by one while filling */
    for (node_id node = 1; node < count; node++)
        if (immediate[node] != NODE_NONE)
            fill[immediate[node] + 1]++;
    for (node_id node = 0; node < count; node++)
        fill[node + 1] += fill[node];
    for (node_id node = 1; node < count; node++)
        if (immediate[node] != NODE_NONE)
            out->items[fill[immediate[node]]++] = node;
}

struct sibling {
    uint32_t type;
    node_id node;
    uint64_t retained;
};

static int by_type(const void *a, const void *b) {
    const struct sibling *one = a, *other = b;
    if (one->type != other->type)
        return one->type < other->type ? -1 : 1;
    return (one->retained < other->retained) - (one->retained > other->retained);
}

static int by_retained(const void *a, const void *b) {
    const struct branch *one = a, *other = b;
    return (one->retained < other->retained) - (one->retained > other->retained);
}

/* All children of all nodes of a branch, sorted by type. */
static size_t gather(const struct planter *planter, const struct branch *branch, struct arena *arena,
                     struct sibling **out) {
    const struct children *children = &planter->children;
    const struct graph *graph = &planter->stage->heap->graph;
    size_t count = 0;
    for (size_t i = 0; i < branch->count; i++)
        count += children->begin[branch->nodes[i] + 1] - children->begin[branch->nodes[i]];
    struct sibling *siblings = arena_new(arena, struct sibling, count + 1);
    size_t filled = 0;
    for (size_t i = 0; i < branch->count; i++)
        for (uint32_t at = children->begin[branch->nodes[i]]; at < children->begin[branch->nodes[i] + 1]; at++) {
            node_id node = children->items[at];
            siblings[filled++] =
                (struct sibling){graph->type_of[node], node, planter->stage->dominators.retained[node]};
        }
    qsort(siblings, count, sizeof *siblings, by_type);
    *out = siblings;
    return count;
}

/* Folds runs of one type; modules, types and threads have names and stay apart. */
static size_t fold(const struct planter *planter, const struct sibling *siblings, size_t count, uint32_t depth,
                   struct branch *out) {
    const struct graph *graph = &planter->stage->heap->graph;
    size_t branches = 0;
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && siblings[end].type == siblings[begin].type;)
            end++;
        uint32_t role = graph->types[siblings[begin].type].role;
        bool apart = end - begin < FOLD_FROM || role == ROLE_MODULE || role == ROLE_TYPE || role >= ROLE_THREAD ||
                     depth == 0;
        size_t step = apart ? 1 : end - begin;
        for (size_t at = begin; at < end; at += step) {
            node_id *nodes = arena_new(planter->arena, node_id, step);
            struct branch branch = {nodes, step, depth, 0, 0};
            for (size_t i = 0; i < step; i++) {
                nodes[i] = siblings[at + i].node;
                branch.retained += siblings[at + i].retained;
            }
            out[branches++] = branch;
        }
    }
    return branches;
}

/* Puts the children of a branch on the list of those that wait, the largest to be next. */
static void expand(struct planter *planter, const struct branch *branch, uint32_t depth) {
    struct arena scratch = {0};
    struct sibling *siblings;
    size_t count = gather(planter, branch, &scratch, &siblings);
    struct branch *branches = arena_new(&scratch, struct branch, count + 1);
    size_t branch_count = fold(planter, siblings, count, depth, branches);
    qsort(branches, branch_count, sizeof *branches, by_retained);
    if (branch_count > planter->limit) {
        struct branch rest = {.depth = depth, .left_out = branch_count - planter->limit};
        for (size_t i = planter->limit; i < branch_count; i++)
            rest.retained += branches[i].retained;
        *vector_push(&planter->waiting, struct branch) = rest;
        branch_count = planter->limit;
    }
    for (size_t i = branch_count; i-- > 0;)
        *vector_push(&planter->waiting, struct branch) = branches[i];
    arena_deinit(&scratch);
}

static void write_row(struct planter *planter, const struct branch *branch) {
    struct table_branch *row = vector_push(&planter->rows, struct table_branch);
    *row = (struct table_branch){.depth = branch->depth, .retained = branch->retained, .left_out = branch->left_out};
    if (branch->left_out)
        return;
    row->count = branch->count;
    row->type = tables_type_name(&planter->stage->heap->graph, branch->nodes[0], planter->arena);
    row->label = branch->count > 1 ? row->type : tables_path(planter->stage, branch->nodes[0], NULL, planter->arena);
}

static void grow_tree(struct planter *planter) {
    const node_id root = NODE_ROOT;
    struct branch whole = {.nodes = &root, .count = 1};
    expand(planter, &whole, 0);
    while (planter->waiting.count) {
        struct branch branch = vector_items(&planter->waiting, struct branch)[--planter->waiting.count];
        write_row(planter, &branch);
        if (!branch.left_out && branch.depth + 1 < planter->depth)
            expand(planter, &branch, branch.depth + 1);
    }
}

static struct error *print(const struct table_tree *table, const char *json) {
    if (!json) {
        report_tree_text(table, stdout, output_colour());
        return NULL;
    }
    struct output output;
    TRY(output_open(json, &output));
    report_tree_json(table, output.file);
    return output_close(&output);
}

static struct error *run(const struct choices *choices, int *status_out) {
    (void)status_out;
    struct stage stage;
    TRY(stage_open_target(&stage, choices));
    struct planter planter = {
        .stage = &stage,
        .arena = &stage.arena,
        .limit = (size_t)choices->limit,
        .depth = (size_t)choices->depth,
    };
    find_children(&stage, &stage.arena, &planter.children);
    grow_tree(&planter);
    struct table_tree table = {.rows = planter.rows.items, .row_count = planter.rows.count};
    tables_snapshot(stage.heap, &table.snapshot);
    struct error *error = print(&table, choices->json);
    vector_deinit(&planter.rows);
    vector_deinit(&planter.waiting);
    stage_close(&stage);
    return error;
}

const struct command command_tree = {
    .name = "tree",
    .summary = "who retains what: the dominator tree",
    .operands = "PID | FILE.caulk | CORE",
    .details = "Each row retains the rows below it: they would go away with it. Siblings of one type are folded\n"
               "into one row.",
    .examples = "  caulk tree 4121\n"
                "  caulk tree monday.caulk --depth 10 --limit 3\n",
    .options = options,
    .defaults = {.depth = 6, .limit = 8},
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
