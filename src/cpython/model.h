/* A CPython process in an image: its types, and how to read, measure and name its objects.
 *
 * A *type model* is what one type object says about its instances; models are made when a type is first met
 * and never change. A *walker* follows the references of one builtin type; instances of subclasses are walked
 * by the walker of their builtin base, then by the words that the subclasses added. */
#ifndef CAULK_CPYTHON_MODEL_H
#define CAULK_CPYTHON_MODEL_H

#include "base/arena.h"
#include "base/map.h"
#include "base/vector.h"
#include "cpython/described.h"
#include "cpython/layout.h"
#include "cpython/process.h"
#include "cpython/reference.h"
#include "memory/image.h"

/* One per builtin layout; WALK_WORDS is for C types without one. */
enum walker {
    WALK_OBJECT, /* nothing but the head */
    WALK_WORDS,
    WALK_LEAF, /* no references: str, bytes, int, float ... */
    WALK_TEXT,
    WALK_LONG,
    WALK_DICT,
    WALK_LIST,
    WALK_TUPLE,
    WALK_SET,
    WALK_TYPE,
    WALK_FUNCTION,
    WALK_CODE,
    WALK_FRAME,
    WALK_GENERATOR,
    WALK_TRACEBACK,
    WALK_MODULE,
    WALK_CELL,
    WALK_METHOD,
    WALK_WEAKREF,
    WALK_MANAGED_BUFFER,
    WALK_MEMORYVIEW,
    WALK_DEQUE,
    WALK_ORDERED_DICT,
    WALK_LRU_CACHE,
    WALK_LRU_LINK,
    WALK_ELEMENT,
    WALK_BYTEARRAY,
    WALK_BYTES,
    WALK_ARRAY,
    WALK_BYTES_IO,
    WALK_MMAP,
    WALK_NDARRAY,
    WALK_GREENLET,
    WALKER_COUNT,
};

/* A word of an instance that has a name. */
struct named_word {
    uint32_t offset;
    bool slots;          /* of __slots__: an attribute; else a field of a C structure */
    bool borrowed;       /* the instance does not own what it points to */
    remote_address name; /* NUL-terminated, in the target; or */
    const char *text;    /* ours, for fields that no member names */
};

struct walk;

struct type_model {
    remote_address address;
    enum walker walker;
    uint32_t walked_size; /* bytes of an instance that the walker covers */
    uint32_t basic_size, item_size;
    uint32_t weaklist_offset; /* 0 none */
    int32_t dict_offset;      /* 0 none, negative from the end */
    bool collected, heap_type, managed_dict, inline_values, managed_weakref;
    bool is_metatype; /* instances are types */
    bool is_exception;
    bool is_python_class; /* made by a class statement, not by C */
    remote_address cached_keys;
    struct named_word *words;
    uint32_t word_count;
    bool words_are_all;     /* words without a name are no references */
    uint32_t sequence_size; /* bytes of a structure sequence with the items that its length does not count; else 0 */
    void (*beside)(const struct walk *walk); /* what the C code keeps beside the instance; NULL nothing known */
    uint32_t beside_size;                    /* tp_basicsize of the type that it was made for */
    const struct described_type *described; /* of it or of the base that has one; NULL none */
    uint32_t base;    /* index of the base's model, or MAP_ABSENT */
    const char *name; /* tp_name as C has it: "collections.deque", "Session" */
};

enum { MODEL_TYPE_CACHE = 1024, MODEL_FREE_LISTS = 2 };

struct model {
    struct image *image;
    const struct layout *layout;
    struct python_process process;
    struct arena arena;
    struct vector types;             /* struct type_model */
    struct map type_index;           /* address -> index in types, or MODEL_NOT_A_TYPE */
    struct map static_states;        /* address of a static type -> index into static_state_list */
    struct vector static_state_list; /* remote_address of its per-interpreter state */
    remote_address interned;         /* the dict of interned strings; it does not count its references */
    /* Static variables of the interpreter that borrow what they point to, where it has such; else 0. */
    struct static_stretch {
        remote_address begin, end;
    } type_cache, free_lists[MODEL_FREE_LISTS];
    struct static_stretch signal_handlers; /* told by themselves; found with the roots */
    struct {
        remote_address address;
        uint32_t index;
    } recent[MODEL_TYPE_CACHE];
    remote_address type_type; /* `type` itself */
    struct described_types *users_types; /* NULL none */
    uint64_t faults;
};

#define MODEL_NOT_A_TYPE (UINT32_MAX - 1)

/* `model` is large: allocate it. Owns `image` and `types` from now on; `types` may be NULL. */
struct error *model_open(struct image *image, struct described_types *types, struct model **out);
void model_close(struct model *model);

/* Index of the type model of the type at `address`, MODEL_NOT_A_TYPE if that is no type. O(1) amortised. */
uint32_t model_find_type(struct model *model, remote_address address);

static inline const struct type_model *model_type(const struct model *model, uint32_t index) {
    return &vector_items(&model->types, struct type_model)[index];
}

/* The model of the object at `address`; MODEL_NOT_A_TYPE if there is no plausible object: misaligned,
 * unreadable, dead, or of no type. */
uint32_t model_object_type(struct model *model, remote_address address);

/* Calls the visitor for every strong reference of the object. */
void model_walk(struct model *model, remote_address object, uint32_t type, struct reference_visitor *visitor);

/* Bytes of the object as sys.getsizeof says, plus what CPython allocates for it alone without saying so:
 * values of instance attributes that have no __dict__ yet, memory maps. */
uint64_t model_size(struct model *model, remote_address object, uint32_t type);

/* Bytes that a static object takes in C data, without anything in front of or apart from it; rounded up to 8.
 */
uint64_t model_static_size(struct model *model, remote_address object, uint32_t type);

/* Items in a container or bytes in a buffer, -1 if it is neither; and the most it will ever hold: -1 no
 * bound, -2 not known. */
int64_t model_length(struct model *model, remote_address object, uint32_t type, int64_t *bound_out);

/* The tables that are static variables without a symbol: interned strings, the cache of attributes. Types must
 * be known. */
void model_find_static_tables(struct model *model);

/* Where the writable data of a library ends that begins in `segment`: .bss lies behind the file's own pages,
 * and behind .bss there may be anything. */
remote_address model_static_data_end(const struct model *model, const struct memory_segment *segment);

/* Whether an interned string is one that lives for ever. */
bool model_is_immortal_string(const struct model *model, remote_address object);

/* --- reading --- */

static inline uint64_t word_at(const void *bytes, size_t offset) {
    uint64_t word;
    __builtin_memcpy(&word, (const char *)bytes + offset, sizeof word);
    return word;
}
static inline uint32_t half_at(const void *bytes, size_t offset) {
    uint32_t half;
    __builtin_memcpy(&half, (const char *)bytes + offset, sizeof half);
    return half;
}
/* The word at `address` of the target, 0 on a fault. */
static inline uint64_t model_word(const struct model *model, remote_address address) {
    const void *bytes = image_view(model->image, address, 8);
    return bytes ? word_at(bytes, 0) : 0;
}
static inline uint32_t model_half(const struct model *model, remote_address address) {
    const void *bytes = image_view(model->image, address, 4);
    return bytes ? half_at(bytes, 0) : 0;
}

/* --- counts of references --- */

/* The count in the head of an object of a free-threaded build (refcount.c). */
uint32_t refcount_biased(const struct layout *layout, const void *head);

/* The count in the head of an object; 0 if no living object has such a head. Where a count has 32 bits only,
 * an object's flags are the topmost bits. */
static inline uint32_t model_refcount(const struct layout *layout, const void *head) {
    if (layout->object_refcount_local != LAYOUT_NONE)
        return refcount_biased(layout, head);
    uint64_t word = word_at(head, 0);
    if (layout->object_refcount_size == sizeof(uint32_t))
        return word >> 32 & 0xffff ? 0 : (uint32_t)word;
    return word >> 40 ? 0 : word > UINT32_MAX ? UINT32_MAX : (uint32_t)word;
}

/* Whether a count says nothing because its object never ends: it is fixed, or it counts from where objects that the
 * compiler made begin. */
static inline bool refcount_is_immortal(const struct layout *layout, uint32_t refcount) {
    if (layout->object_immortal)
        return (int32_t)refcount < 0;
    return layout->object_static_refcount != LAYOUT_NONE && refcount > layout->object_static_refcount / 2;
}

/* The count of the object at `address`. */
static inline uint32_t model_refcount_at(const struct model *model, remote_address address) {
    const void *head = image_view(model->image, address, model->layout->object_head);
    return head ? model_refcount(model->layout, head) : 0;
}
static inline bool model_is_immortal(const struct model *model, remote_address address) {
    return refcount_is_immortal(model->layout, model_refcount_at(model, address));
}

/* --- words (text.c) --- */

/* The characters of a str object if they are ASCII or UTF-8 is at hand; empty otherwise. Points into the
 * image. */
struct span model_text(const struct model *model, remote_address object);
/* The same for a NUL-terminated text of at most 512 bytes. */
struct span model_remote_text(const struct model *model, remote_address address);
/* The value of a small int object; false if it is none or too large. */
bool model_integer(struct model *model, remote_address object, int64_t *out);
/* Writes a label as text into `arena`; empty if it has none. For LABEL_INDEX see reference_label. */
struct span model_label(struct model *model, struct reference_label label, struct arena *arena);

/* The value of `key` in a dict that has text keys; 0 if absent. O(entries). */
remote_address model_dict_get(struct model *model, remote_address dict, const char *key);

/* Calls `entry` for each used entry of a dict until it returns false. */
struct dict_entry {
    remote_address key, value;
    int64_t position;
};
typedef bool (*model_dict_entry)(void *context, const struct dict_entry *entry);
void model_dict_each(struct model *model, remote_address dict, model_dict_entry entry, void *context);

/* First line and file of a code object. */
struct code_place {
    struct span file, name;
    int32_t line;
};
bool model_code_place(const struct model *model, remote_address code, struct code_place *out);

/* The code that a code object, function, frame or generator runs; 0 for anything else. */
remote_address model_running_code(const struct model *model, remote_address object, enum walker walker);

/* The code of an interpreter frame. */
static inline remote_address model_frame_code(const struct model *model, remote_address frame) {
    return model_word(model, frame + model->layout->frame_code) & ~(uint64_t)model->layout->frame_reference_tags;
}

#endif
