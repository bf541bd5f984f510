/* The lines that put things into the holder, inferred from the bytecode of the functions in the snapshot. */
#ifndef CAULK_DIAGNOSIS_WRITTEN_H
#define CAULK_DIAGNOSIS_WRITTEN_H

#include "diagnosis/candidate.h"

/* Fills written_by of the finding; nothing where no function is seen to do it. */
void written_fill(const struct candidate *candidate, struct arena *arena, struct finding *out);

/* ---- inside: what an expression of the code must look like (written_match.c) ---- */

enum { WRITTEN_PARTS_MOST = 24 };

/* One step of the holder's path as code would write it. */
struct written_part {
    struct span name; /* empty: an item, by whatever key */
    node_id node;     /* what the step leads to */
    enum edge_kind kind;
};

struct written_pattern {
    struct written_part parts[WRITTEN_PARTS_MOST];
    size_t count;
    node_id module_names; /* the namespace of the module that the path begins with; NODE_NONE */
    node_id function;     /* the path goes through its defaults or captured variables: only its own code counts */
    bool captured;        /* ... captured variables */
};

void written_pattern_make(const struct candidate *candidate, struct arena *arena, struct written_pattern *out);

/* The name that an expression must have: that of the last part that has one; empty if there is none. */
struct span written_pattern_name(const struct written_pattern *pattern);

/* The pattern without its last named part and what follows it: what holds the holder. False if nothing is left. */
bool written_pattern_shorten(struct written_pattern *pattern);

/* Where a write stands. */
struct written_place {
    struct span function, file;
    node_id globals; /* of the function that runs the code; NODE_NONE unknown */
    bool library;
};

/* How well a write fits, 0 not at all. */
int written_score(const struct candidate *candidate, const struct written_pattern *pattern,
                  const struct written_place *place, const struct code_write *write, struct arena *arena);

#endif
