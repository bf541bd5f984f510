/* What the walkers share with each other; one short function per builtin layout, chosen in walk.c. */
#ifndef CAULK_CPYTHON_WALK_H
#define CAULK_CPYTHON_WALK_H

#include "cpython/model.h"

/* One object that is being walked. `bytes` has at least the type's basic size. */
struct walk {
    struct model *model;
    const struct layout *layout;
    const struct type_model *type;
    remote_address object;
    const unsigned char *bytes;
    struct reference_visitor *visitor;
};

void walk_dict(const struct walk *walk);
void walk_list(const struct walk *walk);
void walk_tuple(const struct walk *walk);
void walk_set(const struct walk *walk);
void walk_deque(const struct walk *walk);
void walk_ordered_dict(const struct walk *walk);
void walk_lru_cache(const struct walk *walk);
void walk_lru_link(const struct walk *walk);
void walk_element(const struct walk *walk);

void walk_type(const struct walk *walk);
void walk_module(const struct walk *walk);

void walk_function(const struct walk *walk);
void walk_code(const struct walk *walk);
void walk_frame_object(const struct walk *walk);
void walk_generator(const struct walk *walk);
void walk_traceback(const struct walk *walk);
void walk_greenlet(const struct walk *walk);

/* The references of a call that is under way: it owns its frame, a generator owns its own. False if the frame is
 * one of the interpreter itself, or cannot be read. Without a visitor it is only asked. */
bool walk_activation(struct model *model, remote_address frame, struct reference_visitor *visitor);

/* The references of an interpreter frame (Include/internal/pycore_frame.h: _PyInterpreterFrame), whoever owns
 * it. `running`: its thread executes it, so that the depth of its stack is not recorded. */
void walk_interpreter_frame(struct model *model, remote_address frame, bool running,
                            struct reference_visitor *visitor);

/* How many words of a frame are local variables, cells and free variables. */
uint32_t walk_frame_locals(const struct model *model, remote_address frame, remote_address code);

/* Words of an instance behind what its walker covers, its __dict__ and inline values, and its type. */
void walk_instance(const struct walk *walk);

/* The references of a type that is described, and the bytes that its instance owns beside itself. */
void walk_described(const struct walk *walk);
uint64_t described_size(const struct walk *walk);

/* The walker of what instances of a type of the standard library keep in C memory beside themselves, or NULL. */
typedef void (*walk_function_of_type)(const struct walk *walk);
walk_function_of_type walk_beside_find(const char *name, uint32_t basic_size);

/* Arrays of numpy (ndarray.c). */
void walk_ndarray(const struct walk *walk);
uint64_t ndarray_size(const struct walk *walk);

/* All words from `begin` to `end` that look like objects, with the names that the type knows. */
void walk_words(const struct walk *walk, uint32_t begin, uint32_t end);

/* Tells when a chain of the target comes back to where it was (Brent); asked of each link in turn. */
struct chain {
    remote_address mark;
    uint64_t steps;
};
static inline bool chain_returns(struct chain *chain, remote_address link) {
    if (link == chain->mark)
        return true;
    if (!(chain->steps & (chain->steps + 1)))
        chain->mark = link;
    chain->steps++;
    return false;
}

/* Private structures, which no header has, are written down as default builds have them; in other builds the head of
 * objects is longer. */
static inline uint32_t private_offset(const struct layout *layout, uint32_t offset) {
    return offset + layout->object_head - OBJECT_HEAD;
}
static inline uint64_t private_word(const struct walk *walk, uint32_t offset) {
    return word_at(walk->bytes, private_offset(walk->layout, offset));
}

/* A field of the walked object by its offset, if the version has it. */
static inline void walk_field(const struct walk *walk, uint32_t offset, enum reference_kind kind,
                              const char *name) {
    if (offset != LAYOUT_NONE)
        visit(walk->visitor, word_at(walk->bytes, offset), kind, name ? label_text(name) : label_none());
}

/* A keys object of a dict (Objects/dictobject.c), believed only as far as it is sane. */
struct dict_keys {
    const unsigned char *entries;
    uint32_t kind; /* 0 general, 1 text keys, 2 split */
    uint32_t entry_size;
    uint64_t count;
    uint64_t usable;
    uint64_t size; /* bytes of the whole keys object, as _PyDict_KeysSize */
    uint64_t refcount;
};
bool walk_dict_keys(const struct model *model, remote_address keys, struct dict_keys *out);

static inline remote_address dict_keys_key(const struct dict_keys *keys, uint64_t i) {
    return word_at(keys->entries + i * keys->entry_size, keys->kind == 0 ? 8 : 0);
}
static inline remote_address dict_keys_value(const struct dict_keys *keys, uint64_t i) {
    return word_at(keys->entries + i * keys->entry_size, keys->kind == 0 ? 16 : 8);
}

/* Private layouts of Modules/_collectionsmodule.c (dequeobject, block), Objects/odictobject.c (_odictobject,
 * _odictnode) and Modules/_functoolsmodule.c (lru_cache_object, lru_list_elem): the same in all versions. */
enum {
    DEQUE_LEFT_BLOCK = 24,
    DEQUE_LEFT_INDEX = 40,
    DEQUE_MAXLEN = 64,
    DEQUE_BLOCK_ITEMS = 64,
    DEQUE_BLOCK_DATA = 8,
    DEQUE_BLOCK_RIGHT = DEQUE_BLOCK_DATA + 8 * DEQUE_BLOCK_ITEMS,
    DEQUE_BLOCK_SIZE = DEQUE_BLOCK_RIGHT + 8,
    ODICT_FIRST = 0, /* all behind the dict part */
    ODICT_FAST_NODES_SIZE = 24,
    ODICT_INSTANCE_DICT = 48,
    ODICT_NODE_KEY = 0,
    ODICT_NODE_NEXT = 16,
    LRU_LINK_NEXT = 24, /* of the root too, which is the head of the cache object itself */
    LRU_CACHE_DICT = 72,
    LRU_CACHE_FUNCTION = 88,
    LRU_CACHE_MAXSIZE = 96,
    LRU_CACHE_OTHERS = 112, /* the mark of keywords, types */
    LRU_LINK_KEY = 40,
    LRU_LINK_RESULT = 48,
    ELEMENT_TAG = 16,
    ELEMENT_TEXT = 24,
    ELEMENT_TAIL = 32,
    ELEMENT_EXTRA = 40,
    ELEMENT_EXTRA_ATTRIBUTES = 0,
    ELEMENT_EXTRA_LENGTH = 8,
    ELEMENT_EXTRA_CHILDREN = 24,
};

#endif
