/* Something that grew, with all that the rules ask about it. */
#ifndef CAULK_DIAGNOSIS_CANDIDATE_H
#define CAULK_DIAGNOSIS_CANDIDATE_H

#include "diagnosis/comparison.h"

enum candidate_source {
    CANDIDATE_HELD,    /* below a path node that lives */
    CANDIDATE_NATIVE,  /* objects that only references keep which nobody shows */
    CANDIDATE_HOLES,   /* free memory between the objects of a holder */
    CANDIDATE_GARBAGE, /* objects that only refer to each other */
};

struct candidate {
    const struct comparison *comparison;
    const struct evidence *evidence;
    const struct graph *graph; /* of the last snapshot */
    enum candidate_source source;
    struct growth_region region; /* of the path tree */
    node_id holder;              /* the container; NODE_NONE if there is none */
    node_id example;             /* one of the objects that grow, or NODE_NONE */
    struct path_step *steps;     /* from the root to the holder */
    size_t step_count;
    const char *path;
    struct node_facts facts;   /* of the holder */
    bool alone;                /* what grows hangs below this one object, not below several on such a path */
    struct series_trend trend; /* in bytes */
    double growth_share;
    uint64_t grown_objects, grown_bytes;
    uint64_t kept_bytes; /* of CANDIDATE_HOLES: free memory that it keeps */
    uint64_t raw_bytes;  /* native memory that its objects hold and that grows with them */
    struct growth_makeup makeup;
};

/* `held` is one of growth's holders. */
void candidate_from_holder(const struct comparison *comparison, const struct growth_holder *held,
                           struct arena *arena, struct candidate *out);

/* All that waits for the collector, as one candidate. */
void candidate_from_garbage(const struct comparison *comparison, struct arena *arena, struct candidate *out);

/* Whether the last named step before the holder, or the holder's own, is called so: "_buffer", "loggerDict".
 */
bool candidate_is_named(const struct candidate *candidate, const char *name);

/* The name of the variable, attribute or key that holds it; empty if it has none. */
struct span candidate_name(const struct candidate *candidate);

/* Whether the path's root is this module. */
bool candidate_in_module(const struct candidate *candidate, const char *module);

/* What the steps down to the holder, the holder included, are: from `last` steps before the end. */
thing_set candidate_things_above(const struct candidate *candidate, size_t last);

/* Share of the grown bytes that such things or what hangs below them make up. */
double candidate_share_of(const struct candidate *candidate, enum thing thing);

/* Share of the grown bytes that came in by items which are such things. */
double candidate_share_by_items(const struct candidate *candidate, enum thing thing);

const struct graph_type *candidate_holder_type(const struct candidate *candidate);

#endif
