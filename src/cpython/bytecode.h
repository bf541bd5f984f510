/* Where the code of a function puts something into an object that it reaches by names: `STORE[key] = value`,
 * `self.items.append(x)`. Read from the bytecode by running it on names instead of values, once through from top to
 * bottom; what jumps make of the stack is not followed, and what is not understood is left out. */
#ifndef CAULK_CPYTHON_BYTECODE_H
#define CAULK_CPYTHON_BYTECODE_H

#include "cpython/model.h"

enum bytecode_how {
    BYTECODE_ITEM,      /* x[...] = value */
    BYTECODE_METHOD,    /* x.method(...) */
    BYTECODE_ARGUMENT,  /* function(..., x, ...) */
    BYTECODE_CALL,      /* x(...) */
    BYTECODE_ATTRIBUTE, /* x.name = value; the method is the name */
    BYTECODE_INPLACE,   /* x += value */
};

enum bytecode_root { BYTECODE_GLOBAL, BYTECODE_LOCAL, BYTECODE_FREE };

enum { BYTECODE_PARTS_MOST = 8 };

/* "self.carts[...].lines" has the parts "self", "carts", "", "lines": the empty one is any item. */
struct bytecode_write {
    int32_t line;
    enum bytecode_how how;
    enum bytecode_root root;  /* of the first part */
    uint32_t part_count;
    struct span parts[BYTECODE_PARTS_MOST];
    struct span method;
};

/* What the code object does to expressions that have `wanted` among their parts or as the method, in order, in
 * `arena`; returns how many. Cheap where the code does not use that name. An empty name stands for that of any local
 * or captured variable. */
size_t bytecode_writes(struct model *model, remote_address code, struct span wanted, struct arena *arena,
                       struct bytecode_write **out);

#endif
