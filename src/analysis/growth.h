/* What grew between snapshots, by named path.
 *
 * One observation is kept of each snapshot: its path tree and a few totals. A *growing holder* is a path node
 * that does not multiply itself but below which ever more objects hang, and whose growth no such node below it
 * explains. Three kinds of objects are held by nothing that has a path: threads that multiply and objects that only
 * native code refers to are holders themselves (`kind` EDGE_THREAD, `reach` REACH_NATIVE); modules that multiply are
 * ascribed to sys.modules. Garbage is never a holder: it has its own series. */
#ifndef CAULK_ANALYSIS_GROWTH_H
#define CAULK_ANALYSIS_GROWTH_H

#include "analysis/path_tree.h"
#include "analysis/raw_parts.h"
#include "analysis/refcounts.h"
#include "analysis/series.h"

struct observation {
    double time;            /* seconds since the first one */
    double work;            /* ... of them, those in which the target could work; all 0 if unknown */
    double rests;           /* how often it had nothing to do by then, rising; all 0 if unknown */
    struct path_tree tree;
    uint64_t objects, bytes; /* live: reached from the root or held by native code */
    uint64_t garbage_objects, garbage_bytes;   /* waits for the collector */
    uint64_t permanent_garbage_objects, permanent_garbage_bytes; /* ... in the permanent generation */
    uint64_t native_objects, native_bytes;     /* held by references that nobody shows */
    uint64_t rss, anonymous; /* bytes; 0 unknown */
    uint64_t collections[3]; /* of each generation so far */
    uint64_t gc_objects;
    struct refcounts refcounts;
    struct allocator_use use; /* all zeros if unknown */
    struct raw_parts raw;     /* looked at once raw memory has grown */
};

struct growth_type {
    struct span name, module;
    uint64_t count, bytes; /* growth over the window */
};

struct growth_holder {
    uint32_t node;            /* path node in the last observation's tree */
    node_id example;          /* the container itself in the last graph */
    struct series_trend objects, bytes; /* of what hangs below it */
    uint64_t grown_objects, grown_bytes;
    struct growth_type *types; /* most growing bytes first; at most 8 */
    size_t type_count;
    uint32_t child;            /* the path node below it that carries most of the growth; UINT32_MAX: itself */
    double share;              /* of all growth of live bytes in the window */
};

struct growth {
    struct growth_holder *holders; /* most bytes per second first */
    size_t count;
    /* Nodes that grew but did not pass the gate: warm-up and caches that filled. */
    struct growth_holder *settled;
    size_t settled_count;
    struct series_trend live, garbage, native, rss;
};

/* Compares the observations; `holders` that pass the gate and carry at least `least_bytes` of growth. */
void growth_compute(const struct observation *observations, size_t count, uint64_t least_bytes,
                    struct arena *arena, struct growth *out);

/* Judges one value of each observation: the slope is over time, the verdict over the work that was done in it. */
void growth_judge(const struct observation *observations, size_t count, const double *values, double noise,
                  struct series_trend *out);

#endif
