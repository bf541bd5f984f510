/* One wild write each, at a place of which it is known that a report must count it as a fault. */
#include "known_damage.h"

#include "cpython/walk.h"

#include <stdio.h>
#include <stdlib.h>

#define NOWHERE 0x7ffffffde000ull

/* The object of this type with the most out-edges. */
static remote_address find_object(const struct image_changes *changes, const char *type) {
    const struct graph *graph = changes->graph;
    node_id best = NODE_NONE;
    for (node_id node = graph->synthetic_count; node < graph->node_count; node++)
        if (span_is(graph_type_of(graph, node)->name, type) && !(graph->flags[node] & NODE_IMMORTAL) &&
            (best == NODE_NONE || graph_out_degree(graph, node) > graph_out_degree(graph, best)))
            best = node;
    if (best == NODE_NONE) {
        fprintf(stderr, "known_damage: no %s in the heap of the test\n", type);
        abort();
    }
    return graph->addresses[best];
}

static uint64_t word_of(const struct image_changes *changes, remote_address address) {
    const void *view = image_view(changes->image, address, 8);
    return view ? word_at(view, 0) : 0;
}

static remote_address type_nowhere(struct image_changes *changes) {
    remote_address list = find_object(changes, "list");
    image_changes_write(changes, list + changes->process.layout->object_type, NOWHERE);
    return list;
}

static remote_address type_of_itself(struct image_changes *changes) {
    remote_address plain = find_object(changes, "Plain");
    image_changes_write(changes, plain + changes->process.layout->object_type, plain);
    return plain;
}

static remote_address list_absurdly_long(struct image_changes *changes) {
    remote_address list = find_object(changes, "list");
    image_changes_write(changes, list + changes->process.layout->object_size, 1ull << 60);
    return list;
}

static remote_address list_negative(struct image_changes *changes) {
    remote_address list = find_object(changes, "list");
    image_changes_write(changes, list + changes->process.layout->object_size, 0 - 1ull);
    return list;
}

static remote_address items_nowhere(struct image_changes *changes) {
    remote_address list = find_object(changes, "list");
    image_changes_write(changes, list + changes->process.layout->list_items, NOWHERE);
    return list;
}

static remote_address keys_nowhere(struct image_changes *changes) {
    remote_address dict = find_object(changes, "dict");
    image_changes_write(changes, dict + changes->process.layout->dict_keys, NOWHERE);
    return dict;
}

static remote_address keys_absurdly_large(struct image_changes *changes) {
    remote_address dict = find_object(changes, "dict");
    remote_address keys = word_of(changes, dict + changes->process.layout->dict_keys);
    image_changes_write(changes, keys + 8, ~0ull);
    return dict;
}

static remote_address set_absurdly_large(struct image_changes *changes) {
    remote_address set = find_object(changes, "set");
    image_changes_write(changes, set + changes->process.layout->set_mask, (1ull << 61) - 1);
    return set;
}

/* The blocks of the deque go round and round, and it has more items than they have room for. */
static remote_address ring_of_blocks(struct image_changes *changes) {
    const struct layout *layout = changes->process.layout;
    remote_address deque = find_object(changes, "deque");
    remote_address block = word_of(changes, deque + private_offset(layout, DEQUE_LEFT_BLOCK));
    image_changes_write(changes, deque + layout->object_size, 100000);
    image_changes_write(changes, block + DEQUE_BLOCK_RIGHT, block);
    return 0;
}

static remote_address ring_of_order(struct image_changes *changes) {
    remote_address ordered = find_object(changes, "OrderedDict");
    uint32_t behind = changes->process.layout->dict_values + 8;
    remote_address node = word_of(changes, ordered + behind + ODICT_FIRST);
    image_changes_write(changes, node + ODICT_NODE_NEXT, node);
    return 0;
}

static remote_address ring_of_cache(struct image_changes *changes) {
    uint32_t next = private_offset(changes->process.layout, LRU_LINK_NEXT);
    remote_address cache = find_object(changes, "_lru_cache_wrapper");
    remote_address link = word_of(changes, cache + next);
    image_changes_write(changes, link + next, link);
    return 0;
}

static remote_address first_thread(const struct image_changes *changes) {
    return word_of(changes, changes->process.interpreters[0] + changes->process.layout->interpreter_threads);
}

static remote_address ring_of_threads(struct image_changes *changes) {
    remote_address thread = first_thread(changes);
    image_changes_write(changes, thread + changes->process.layout->thread_next, thread);
    return 0;
}

static remote_address ring_of_frames(struct image_changes *changes) {
    const struct layout *layout = changes->process.layout;
    remote_address thread = first_thread(changes), cframe = thread + layout->thread_frame;
    if (layout->thread_frame == LAYOUT_NONE)
        cframe = word_of(changes, thread + layout->thread_cframe) + layout->cframe_current_frame;
    remote_address frame = word_of(changes, cframe);
    image_changes_write(changes, frame + layout->frame_previous, frame);
    return 0;
}

static remote_address interpreter_nowhere(struct image_changes *changes) {
    const struct layout *layout = changes->process.layout;
    image_changes_write(changes, changes->process.interpreters[0] + layout->interpreter_next, NOWHERE);
    return 0;
}

/* A free-threaded build has no lists. */
static remote_address collector_broken_off(struct image_changes *changes) {
    const struct layout *layout = changes->process.layout;
    if (layout->thread_heaps != LAYOUT_NONE)
        return interpreter_nowhere(changes);
    remote_address list = find_object(changes, "list");
    image_changes_write(changes, list - GC_HEAD, NOWHERE);
    return 0;
}

/* Objects are found by themselves then, but not those of a free-threaded build, whose heaps threads have. */
static remote_address interpreters_lost(struct image_changes *changes) {
    const struct layout *layout = changes->process.layout;
    if (layout->thread_heaps != LAYOUT_NONE)
        return interpreter_nowhere(changes);
    image_changes_write(changes, changes->process.runtime + layout->runtime_interpreters_head, NOWHERE);
    return 0;
}

/* The type says that its instances are nothing but a head, and the one that is found ends where the image ends. */
bool known_damage_short_type(struct image_changes *changes, const char *type) {
    const struct graph *graph = changes->graph;
    const struct layout *layout = changes->process.layout;
    bool shared = layout->object_refcount_shared != LAYOUT_NONE;
    remote_address address = 0, list = find_object(changes, "list");
    for (uint32_t i = 0; i < graph->type_count; i++)
        if (span_is(graph->types[i].name, type))
            address = graph->types[i].address;
    remote_address last = image_address(changes->image, changes->image->length - layout->object_head);
    image_changes_write(changes, address + layout->type_basic_size, layout->object_head);
    image_changes_write(changes, last + (shared ? layout->object_refcount_shared : OBJECT_REFCOUNT), shared ? 1 << 2 : 1);
    image_changes_write(changes, last + layout->object_type, address);
    image_changes_write(changes, word_of(changes, list + layout->list_items), last);
    return address != 0;
}

const char *const known_damage_types[] = {
    "dict",       "list",      "tuple",    "set",         "deque",         "OrderedDict", "_lru_cache_wrapper",
    "_lru_list_elem", "function", "code",  "frame",       "generator",     "coroutine",   "traceback",
    "module",     "cell",      "method",   "ReferenceType", "memoryview",  "managedbuffer", "Element",
    "bytearray",  "bytes",     "array",    "BytesIO",     "mmap",          "str",         "int",
    "type",       "Meta",      "Plain",    "Slotted",     "Sized",         "Boom",        "partial",
};
const size_t known_damage_type_count = sizeof known_damage_types / sizeof *known_damage_types;

const struct known_damage known_damages[] = {
    {"a type in nowhere", type_nowhere},
    {"an object that is its own type", type_of_itself},
    {"a list of 2^60 items", list_absurdly_long},
    {"a list of -1 items", list_negative},
    {"items in nowhere", items_nowhere},
    {"keys in nowhere", keys_nowhere},
    {"keys of absurd size", keys_absurdly_large},
    {"a set of 2^61 places", set_absurdly_large},
    {"a ring of a deque's blocks", ring_of_blocks},
    {"a ring of an OrderedDict's order", ring_of_order},
    {"a ring of a cache's links", ring_of_cache},
    {"a ring of threads", ring_of_threads},
    {"a ring of frames", ring_of_frames},
    {"a list of the collector that breaks off", collector_broken_off},
    {"an interpreter in nowhere", interpreter_nowhere},
    {"all interpreters in nowhere", interpreters_lost},
};
const size_t known_damage_count = sizeof known_damages / sizeof *known_damages;
