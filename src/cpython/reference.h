/* A reference from one object to another, as the walkers tell it. */
#ifndef CAULK_CPYTHON_REFERENCE_H
#define CAULK_CPYTHON_REFERENCE_H

#include "memory/memory.h"

enum reference_kind {
    REFERENCE_SLOT,       /* a field of the C structure */
    REFERENCE_TYPE,       /* ob_type of an instance of a heap type */
    REFERENCE_ATTRIBUTE,  /* inline value or __slots__ member */
    REFERENCE_NAMESPACE,  /* the __dict__ of a module, type or instance */
    REFERENCE_KEY,        /* dict value */
    REFERENCE_KEY_OBJECT, /* dict key */
    REFERENCE_INDEX,      /* item of a sequence or set */
    REFERENCE_CELL,       /* contents of a closure cell */
    REFERENCE_LOCAL,      /* local variable or temporary */
    REFERENCE_GLOBALS,    /* globals and builtins of a function */
    REFERENCE_BASE,       /* base, mro, subclasses of a type */
};

/* Where the name of a reference is to be found; read only when somebody wants the words. */
enum label_kind {
    LABEL_NONE,
    LABEL_TEXT,        /* value is a `const char *` of ours */
    LABEL_INDEX,       /* value is the position */
    LABEL_OBJECT,      /* value is the address of the key or name object */
    LABEL_REMOTE_TEXT, /* value is the address of a NUL-terminated text */
};

struct reference_label {
    enum label_kind kind;
    uint64_t value;
};

/* Walkers call `visit` once per reference, always in the same order for the same bytes. `target` may be any
 * word: the visitor decides whether it is an object. */
struct reference_visitor {
    void (*visit)(struct reference_visitor *visitor, remote_address target, enum reference_kind kind,
                  struct reference_label label);
};

static inline struct reference_label label_none(void) {
    return (struct reference_label){LABEL_NONE, 0};
}
static inline struct reference_label label_text(const char *text) {
    return (struct reference_label){LABEL_TEXT, (uint64_t)(uintptr_t)text};
}
static inline struct reference_label label_index(uint64_t index) {
    return (struct reference_label){LABEL_INDEX, index};
}
static inline struct reference_label label_object(remote_address object) {
    return (struct reference_label){LABEL_OBJECT, object};
}

static inline void visit(struct reference_visitor *visitor, remote_address target, enum reference_kind kind,
                         struct reference_label label) {
    if (target)
        visitor->visit(visitor, target, kind, label);
}

#endif
