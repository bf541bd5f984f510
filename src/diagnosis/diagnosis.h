/* From facts to conclusions. One rule per cause; each rule gives evidence. Adding a kind is one file and one
 * line in the rules table (rules.c). */
#ifndef CAULK_DIAGNOSIS_DIAGNOSIS_H
#define CAULK_DIAGNOSIS_DIAGNOSIS_H

#include "analysis/dominators.h"
#include "analysis/growth.h"
#include "diagnosis/finding.h"
#include "graph/heap_file.h"

/* All that the rules may look at. The graph and what belongs to it are of the last snapshot. */
struct evidence {
    const struct heap *heap;
    const struct reach *reach;
    const struct dominators *dominators;
    const struct paths *paths;
    const struct observation *observations;
    size_t observation_count;
    const struct growth *growth;
    const double *pause_ms;
};

/* Fills a verdict; everything in it lives in `arena`. */
void diagnose(const struct evidence *evidence, struct arena *arena, struct verdict *out);

/* Whether no further snapshot would change the answer: true may end the watch early. */
bool diagnosis_is_certain(const struct verdict *verdict, double seconds_asked);

/* What can be said of one snapshot: who holds most. Nothing is known of growth then: findings are possible at
 * most, the outcome is inconclusive. `evidence` needs heap, reach, dominators and paths only. */
void diagnose_single(const struct evidence *evidence, struct arena *arena, struct verdict *out);

#endif
