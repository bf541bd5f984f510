/* SEMI-NCA: semidominators first; then each immediate dominator is the nearest common ancestor of parent and
 * semidominator in the tree built so far. */
#include "analysis/dominators_work.h"

/* The least semidominator on the path from `v` up to its tree's root, which is not counted. Labels hold such
 * minima. The path is shortened; it is walked twice, its links turned round on the way up, so that no
 * stack is needed. */
static visit least_on_path(struct dominators_link *links, visit v, visit now) {
    if (!dominators_is_linked(v, now))
        return v;
    visit below = 0, at = v;
    while (dominators_is_linked(links[at].ancestor, now)) {
        visit above = links[at].ancestor;
        links[at].ancestor = below;
        below = at;
        at = above;
    }
    visit root = links[at].ancestor;
    uint32_t least = links[at].label;
    while (below) {
        at = below;
        below = links[at].ancestor;
        if (links[at].label < least)
            least = links[at].label;
        links[at] = (struct dominators_link){root, least};
    }
    return least;
}

static visit semidominator(const struct dominators_work *work, visit v) {
    const struct graph *graph = work->graph;
    node_id node = work->order[v];
    uint32_t begin = graph->in_begin[node], end = graph->in_begin[node + 1];
    visit semi = work->semi[v];
    /* A single reference is the one from the parent. */
    if (semi == 0 || end - begin < 2)
        return semi;
    for (uint32_t edge = begin; edge < end; edge++) {
        visit candidate = least_on_path(work->links, work->number_of[graph->in_source[edge]], v);
        if (candidate < semi)
            semi = candidate;
    }
    return semi;
}

bool dominators_semi_nca(struct dominators_work *work, uint64_t most_steps) {
    uint32_t count = work->graph->node_count;
    for (visit v = count - 1; v > 0; v--) {
        dominators_look_ahead(work, v);
        work->semi[v] = work->links[v].label = semidominator(work, v);
        work->immediate[v] = work->links[v].ancestor;
    }
    work->steps = 0;
    for (visit v = 1; v < count; v++) {
        visit at = work->semi[v] ? work->immediate[v] : 0;
        while (at > work->semi[v]) {
            at = work->immediate[at];
            work->steps++;
        }
        work->immediate[v] = at;
        if (work->steps > most_steps)
            return false;
    }
    return true;
}
