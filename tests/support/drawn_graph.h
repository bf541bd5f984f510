/* Graphs drawn in text, so that a test reads in three lines:
 *
 *     struct drawn_graph *drawing = drawn_graph_make("root -> a b; a -> c; b -> c; c -> a", &arena);
 *     CHECK_EQUAL(dominators.immediate[drawn_node(drawing, "c")], NODE_ROOT);
 *
 * Statements end with ";" or a new line. A statement is one node, or a chain: NODES ARROW NODES ARROW NODES,
 * where NODES are separated by spaces; "a b -> c d" draws four edges.
 *
 * Node: label, then any of these in any order, at any mention of it (without spaces between):
 *     =name       what node_name says, if not the label
 *     (type)      type word, see below; without it the type is builtins.object
 *     :100        shallow size, 0 without it
 *     *3          reference count; without it the number of in-edges
 *     #500        facts: length; without it the number of out-edges if it is a dict or sequence, else -1
 *     <128        facts: bound, -1 without it
 *     ^41         facts: line 41 of "drawn.py"
 *     !flag       collected, permanent, immortal, fault, static, user, library; all objects but text roles
 *                 are collected
 *   A "~" before the label makes a module, class or function library code; without it they are user code.
 *   Labels and names are made of letters, digits, "_", "." and "<>", or of anything between single or double
 *   quotes. Only modules, types, functions, code, threads, activations and tables have a name. "root" is node 0.
 *   Objects get rising addresses from 0x1000 by 0x100 in the order of their first mention.
 *
 * Type: dict list tuple set frozenset deque module type function method code frame generator coroutine
 *   traceback weakref cell str bytes int float lru_cache thread activation table; anything else is a type of
 *   ROLE_OBJECT, "shop.Session" with its module, as user code; "~logging.Logger" is library code. "shop.Boom!"
 *   is an exception, "_lib.Thing?" a C type without a known layout.
 *
 * Arrow:
 *     ->            from the root: module, thread, interpreter table or static data, by what the node is; from a
 *                   thread to an activation EDGE_FRAME; from an activation EDGE_LOCAL; else an unnamed EDGE_SLOT
 *     -.name->      EDGE_ATTRIBUTE
 *     -['key']->    EDGE_KEY, single or double quotes
 *     -[17]->       EDGE_INDEX 17; EDGE_KEY named 17 if the source is a dict
 *     -[]->         EDGE_INDEX, the next position; EDGE_KEY without a name if the source is a dict
 *     -kind->       any other kind: slot type attribute namespace key keyobject index cell local globals base
 *     -kind name->  ... module thread frame interpreter static immortal; with a name
 *
 * A drawing that cannot be understood ends the test program and says where. */
#ifndef CAULK_TESTS_DRAWN_GRAPH_H
#define CAULK_TESTS_DRAWN_GRAPH_H

#include "graph/graph.h"

struct drawn_graph {
    struct graph graph; /* complete: in-edges built, checked, with words */
    struct drawn_words *words;
};

struct drawn_graph *drawn_graph_make(const char *text, struct arena *arena);

/* The node with this label; ends the program if it was not drawn. */
node_id drawn_node(const struct drawn_graph *drawing, const char *label);

/* The label of a node, for messages. NODE_NONE is "none". */
const char *drawn_label(const struct drawn_graph *drawing, node_id node);

/* Index in graph.out_target of the first edge from one label to another; ends the program if there is none. */
uint32_t drawn_edge(const struct drawn_graph *drawing, const char *source, const char *target);

#endif
