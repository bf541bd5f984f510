/* Who holds what grows, in words: path, root, steps down to the holder, the branch below it. */
#ifndef CAULK_DIAGNOSIS_HOLDER_H
#define CAULK_DIAGNOSIS_HOLDER_H

#include "diagnosis/candidate.h"

/* Fills the candidate's steps; positions and keys that stand for many are folded. */
void holder_find_steps(struct candidate *candidate, struct arena *arena);

/* The path as a person would write it; of several roots that multiply, a word for them. */
const char *holder_write_path(const struct candidate *candidate, struct arena *arena);

/* Fills path, root, holder_type, steps, below and grows of the finding. */
void holder_describe(const struct candidate *candidate, struct arena *arena, struct finding *out);

/* How many steps from the root to a path node stand for one object each; SIZE_MAX: all of them. */
size_t holder_single_depth(const struct path_tree *tree, uint32_t node);

/* Positions and keys behind the first `named` steps stand for any. */
void holder_fold_steps(struct path_step *steps, size_t count, size_t named);

#endif
