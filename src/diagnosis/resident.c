/* How the resident memory of the process divides up. */
#include "diagnosis/resident.h"

static uint64_t take(uint64_t *rest, uint64_t wanted) {
    uint64_t taken = wanted < *rest ? wanted : *rest;
    *rest -= taken;
    return taken;
}

/* Objects that lie in a library's data are counted with its file. */
static uint64_t object_bytes(const struct evidence *evidence) {
    const struct graph *graph = &evidence->heap->graph;
    uint64_t bytes = 0;
    for (node_id node = graph->synthetic_count; node < graph->node_count; node++)
        if (!(graph->flags[node] & NODE_STATIC))
            bytes += graph->sizes[node];
    return bytes;
}

/* Each part is measured on its own and some pages may be counted by two (an object in a mapped file, one that
 * is swapped out): each takes no more than what is left of the total. */
void resident_split_fill(const struct evidence *evidence, struct verdict *out) {
    const struct heap_facts *facts = &evidence->heap->facts;
    out->rss_known = facts->rss > 0;
    if (!out->rss_known)
        return;
    uint64_t rest = facts->rss;
    out->rss.total = facts->rss;
    out->rss.libraries = take(&rest, facts->file);
    out->rss.shared = take(&rest, facts->shared);
    out->rss.stacks = take(&rest, facts->stacks);
    out->rss.python_objects = take(&rest, object_bytes(evidence));
    out->rss.other = rest;
}
