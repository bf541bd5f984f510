/* Simple Lengauer-Tarjan, for graphs on which SEMI-NCA would walk too far. */
#include "analysis/dominators_work.h"

/* The visit with the least semidominator on the path from `v` to its tree's root; labels hold such visits. */
static visit least_on_path(struct dominators_work *work, visit v, visit now) {
    struct dominators_link *links = work->links;
    visit below = 0, at = v;
    while (dominators_is_linked(links[at].ancestor, now)) {
        visit above = links[at].ancestor;
        links[at].ancestor = below;
        below = at;
        at = above;
    }
    visit root = links[at].ancestor;
    visit least = links[at].label;
    while (below) {
        at = below;
        below = links[at].ancestor;
        if (work->semi[links[at].label] < work->semi[least])
            least = links[at].label;
        links[at] = (struct dominators_link){root, least};
        least = links[at].label;
    }
    return least;
}

static visit semidominator(struct dominators_work *work, visit v) {
    const struct graph *graph = work->graph;
    node_id node = work->order[v];
    visit semi = work->semi[v];
    if (semi == 0)
        return 0;
    for (uint32_t edge = graph->in_begin[node]; edge < graph->in_begin[node + 1]; edge++) {
        visit source = work->number_of[graph->in_source[edge]];
        visit candidate =
            dominators_is_linked(source, v) ? work->semi[least_on_path(work, source, v)] : source;
        if (candidate < semi)
            semi = candidate;
    }
    return semi;
}

/* All of the bucket of `parent` now lie in trees that end below it: each one's dominator is `parent`, or the
 * same as that of the visit with the least semidominator on its path. */
static void empty_bucket(struct dominators_work *work, visit parent, visit now) {
    visit v = work->immediate[parent];
    work->immediate[parent] = 0;
    while (v) {
        visit next = work->immediate[v];
        visit least = least_on_path(work, v, now);
        work->immediate[v] = work->semi[least] < work->semi[v] ? least : parent;
        v = next;
    }
}

/* `immediate` serves three times: until a visit is processed it heads the list of its bucket, then it chains
 * the visit in the bucket of its semidominator, and at last it is the dominator. */
void dominators_lengauer_tarjan(struct dominators_work *work) {
    uint32_t count = work->graph->node_count;
    memset(work->immediate, 0, count * sizeof *work->immediate);
    for (visit v = count - 1; v > 0; v--) {
        dominators_look_ahead(work, v);
        visit parent = work->links[v].ancestor;
        work->semi[v] = semidominator(work, v);
        work->links[v].label = v;
        work->immediate[v] = work->immediate[work->semi[v]];
        work->immediate[work->semi[v]] = v;
        empty_bucket(work, parent, v - 1);
    }
    work->immediate[0] = 0;
    for (visit v = 1; v < count; v++)
        if (work->immediate[v] != work->semi[v])
            work->immediate[v] = work->immediate[work->immediate[v]];
}
