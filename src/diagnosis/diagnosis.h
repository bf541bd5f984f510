/* From facts to conclusions. One rule per cause; each rule gives evidence. Adding a kind is one file and one
 * line in the rules table (rules.c). */
#ifndef CAULK_DIAGNOSIS_DIAGNOSIS_H
#define CAULK_DIAGNOSIS_DIAGNOSIS_H

#include "analysis/dominators.h"
#include "analysis/growth.h"
#include "diagnosis/finding.h"
#include "graph/heap_file.h"
#include "samples/samples.h"

/* What the sampler saw of the process, tied to the last snapshot. */
struct sampling {
    const struct samples *samples;
    const node_id *node_of_block;  /* block -> the object that it is or belongs to, NODE_NONE if unknown */
    const uint32_t *path_node_of;  /* node -> path node in the last observation's tree */
    uint32_t window_begin;         /* time of the first snapshot, in the recording's milliseconds */
};

/* Free memory that the objects of a path node lie in. */
struct hole {
    uint64_t bytes, objects;
};

/* All that the rules may look at. The graph and what belongs to it are of the last snapshot. */
struct evidence {
    const struct heap *heap;
    const struct reach *reach;
    const struct refcounts *refcounts; /* NULL: not counted */
    const struct dominators *dominators;
    const struct paths *paths;
    const struct observation *observations;
    size_t observation_count;
    const struct growth *growth;
    const double *pause_ms;
    const struct sampling *sampling; /* NULL: there are no samples */
    const struct hole *holes;        /* path node of the last observation -> its holes; NULL: nobody has looked */
};

/* Fills a verdict; everything in it lives in `arena`. */
void diagnose(const struct evidence *evidence, struct arena *arena, struct verdict *out);

/* Whether evidence.holes would be of use: finding them takes a look at the whole image. */
bool diagnosis_wants_holes(const struct observation *observations, size_t count);

/* Whether no further snapshot would change the answer: true may end the watch early. */
bool diagnosis_is_certain(const struct verdict *verdict, double seconds_asked);

/* What can be said of one snapshot: who holds most. Nothing is known of growth then: findings are possible at
 * most, the outcome is inconclusive. `evidence` needs heap, reach, dominators and paths only. */
void diagnose_single(const struct evidence *evidence, struct arena *arena, struct verdict *out);

#endif
