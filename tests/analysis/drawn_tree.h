/* A drawn graph and the paths of its objects, folded into a tree. */
#ifndef CAULK_TESTS_ANALYSIS_DRAWN_TREE_H
#define CAULK_TESTS_ANALYSIS_DRAWN_TREE_H

#include "analysis/path_tree.h"
#include "support/drawn_graph.h"

static inline struct drawn_graph *drawn_tree_make(const char *text, struct arena *arena, struct path_tree *tree) {
    struct drawn_graph *drawing = drawn_graph_make(text, arena);
    struct reach reach;
    struct paths paths;
    reach_compute(&drawing->graph, arena, &reach);
    paths_compute(&drawing->graph, &reach, arena, &paths);
    path_tree_build(&drawing->graph, &reach, &paths, arena, arena, tree);
    return drawing;
}

#endif
