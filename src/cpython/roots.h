/* What keeps objects alive without being an object: interpreters, threads, frames, C data.
 *
 * Roots are told as a tree of *holders*; each holder then refers to objects. */
#ifndef CAULK_CPYTHON_ROOTS_H
#define CAULK_CPYTHON_ROOTS_H

#include "cpython/model.h"

enum holder_kind {
    HOLDER_MODULES,    /* sys.modules: each reference is a module under its name */
    HOLDER_THREAD,     /* a thread state; named as the thread */
    HOLDER_ACTIVATION, /* a running frame of a thread; named as its function */
    HOLDER_TABLE,      /* a table of the interpreter, named in words: "atexit callbacks" */
    HOLDER_STATIC,     /* writable C data of one file, named "_sqlite3.so" */
};

enum { HOLDER_NONE = -1 };

struct root_visitor {
    struct reference_visitor references; /* called with `holder` set */
    int holder;                          /* whose references come now */
    int64_t bound;                       /* most references that the holder which is opened will ever have; 0: unknown */
    /* A new holder below `parent` (HOLDER_NONE: below the root); returns its number. `name` is copied. */
    int (*open)(struct root_visitor *visitor, int parent, enum holder_kind kind, struct span name);
};

/* Interpreters, threads, frames, tables. */
void roots_visit(struct model *model, struct root_visitor *visitor);

/* What handles signals; part of roots_visit. */
void roots_visit_signals(struct model *model, struct root_visitor *visitor);

/* Writable data of every mapped library, known types and the runtime left out; after everything else was
 * walked, because types are known then. */
void roots_visit_static_data(struct model *model, struct root_visitor *visitor);

/* The collector's lists: `each` gets every object in them. Returns the number of objects. */
typedef void (*roots_collected)(void *context, remote_address object, bool permanent);
uint64_t roots_collected_objects(struct model *model, roots_collected each, void *context);

/* Settings and counts of the main interpreter's collector. */
struct collector_facts {
    bool enabled;
    uint32_t threshold[3];
    uint64_t collections[3];
};
void roots_collector_facts(const struct model *model, struct collector_facts *out);

#endif
