/* Which words of an image are overwritten, and with what. */
#include "image_changes.h"

#include "cpython/layout.h"

#include <string.h>

static uint64_t draw(struct image_changes *changes, uint64_t limit) {
    uint64_t z = changes->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return limit ? z % limit : z;
}

static uint64_t read_word(const struct image_changes *changes, remote_address address) {
    uint64_t word = 0;
    const void *view = image_view(changes->image, address, 8);
    if (view)
        memcpy(&word, view, 8);
    return word;
}

bool image_changes_write(struct image_changes *changes, remote_address address, uint64_t word) {
    if (!image_view(changes->image, address, 8))
        return false;
    memcpy(changes->bytes + image_locate(changes->image, address), &word, 8);
    return true;
}

void image_changes_begin(struct image_changes *changes, struct image *image, const struct graph *graph,
                         struct arena *arena) {
    *changes = (struct image_changes){.image = image, .bytes = (unsigned char *)image->base, .graph = graph};
    struct error *error = python_process_find(&image->memory, &changes->process);
    if (error)
        __builtin_trap();
    changes->by_type = arena_new(arena, node_id, graph->node_count);
    changes->type_begin = arena_new(arena, uint32_t, graph->type_count + 1);
    uint32_t *cursor = arena_new(arena, uint32_t, graph->type_count + 1);
    for (node_id node = graph->synthetic_count; node < graph->node_count; node++)
        changes->type_begin[graph->type_of[node] + 1]++;
    for (uint32_t type = 0; type < graph->type_count; type++)
        changes->type_begin[type + 1] += changes->type_begin[type];
    memcpy(cursor, changes->type_begin, graph->type_count * sizeof *cursor);
    for (node_id node = graph->synthetic_count; node < graph->node_count; node++)
        changes->by_type[cursor[graph->type_of[node]]++] = node;
}

/* Rare types are as likely as frequent ones half of the time. */
static node_id draw_object(struct image_changes *changes) {
    const struct graph *graph = changes->graph;
    if (draw(changes, 2))
        for (int attempt = 0; attempt < 8; attempt++) {
            uint32_t type = (uint32_t)draw(changes, graph->type_count);
            uint32_t count = changes->type_begin[type + 1] - changes->type_begin[type];
            if (count)
                return changes->by_type[changes->type_begin[type] + draw(changes, count)];
        }
    return graph->synthetic_count + (node_id)draw(changes, graph->node_count - graph->synthetic_count);
}

static remote_address draw_address(struct image_changes *changes) {
    return changes->graph->addresses[draw_object(changes)];
}

static node_id draw_of_role(struct image_changes *changes, enum node_role role) {
    node_id node = draw_object(changes);
    for (int attempt = 0; attempt < 64 && graph_type_of(changes->graph, node)->role != role; attempt++)
        node = draw_object(changes);
    return node;
}

static remote_address draw_anywhere(struct image_changes *changes) {
    return image_address(changes->image, draw(changes, changes->image->length / 8) * 8);
}

static remote_address draw_edge_of_run(struct image_changes *changes) {
    const struct image_run *run = &changes->image->runs[draw(changes, changes->image->run_count)];
    return run->end - draw(changes, 6) * 8;
}

/* What to put in the place of `old` at `address`. */
static uint64_t draw_value(struct image_changes *changes, remote_address address, uint64_t old) {
    switch (draw(changes, 18)) {
    case 0: return 0;
    case 1: return draw(changes, 300);
    case 2: return 0 - draw(changes, 300);
    case 3: return 1ull << draw(changes, 64);
    case 4: return (1ull << draw(changes, 64)) - 1;
    case 5: return draw(changes, 0);
    case 6:
    case 7: return draw_address(changes);
    case 8: return draw_address(changes) + (1ull << draw(changes, 13));
    case 9: return address - draw(changes, 8) * 8;
    case 10: return image_address(changes->image, changes->image->length - 8) + 8 - draw(changes, 64) * 8;
    case 11: return draw_edge_of_run(changes);
    case 12: return read_word(changes, draw_anywhere(changes));
    case 13: return old ^ 1ull << draw(changes, 64);
    case 14: return old + draw(changes, 33) * 8 - 128;
    case 15: return (old & ~0xffull) | draw(changes, 256);
    case 16: return 0x7ffffffff000ull - draw(changes, 64) * 8;
    default: return (old << 32) | old >> 32;
    }
}

static void overwrite(struct image_changes *changes, remote_address address) {
    uint64_t old = read_word(changes, address);
    image_changes_write(changes, address, draw_value(changes, address, old));
}

static void change_head(struct image_changes *changes) {
    static const uint8_t fields[] = {OBJECT_REFCOUNT, OBJECT_TYPE, OBJECT_TYPE, OBJECT_SIZE, OBJECT_SIZE};
    overwrite(changes, draw_address(changes) + fields[draw(changes, sizeof fields)]);
}

static remote_address draw_word_of_object(struct image_changes *changes) {
    node_id node = draw_object(changes);
    uint64_t size = changes->graph->sizes[node];
    return changes->graph->addresses[node] + draw(changes, (size > 4096 ? 4096 : size) / 8 + 1) * 8;
}

static void swap_pointers(struct image_changes *changes) {
    remote_address a = draw_word_of_object(changes), b = draw_word_of_object(changes);
    uint64_t word = read_word(changes, a);
    image_changes_write(changes, a, read_word(changes, b));
    image_changes_write(changes, b, word);
}

/* Follows pointers out of an object, to its tables, blocks and nodes, and overwrites a word or a byte there. */
static void change_behind_pointer(struct image_changes *changes) {
    remote_address place = draw_word_of_object(changes);
    for (uint64_t steps = 1 + draw(changes, 3); steps > 0; steps--) {
        uint64_t word = read_word(changes, place);
        if (!word || !image_view(changes->image, word, 8))
            break;
        place = word + draw(changes, 12) * 8;
    }
    overwrite(changes, place & ~7ull);
}

static void change_keys(struct image_changes *changes) {
    const struct layout *layout = changes->process.layout;
    node_id dict = draw_of_role(changes, ROLE_DICT);
    remote_address keys = read_word(changes, changes->graph->addresses[dict] + layout->dict_keys);
    if (layout->keys_log2_size != LAYOUT_NONE && draw(changes, 2)) {
        uint64_t shift = 8 * (layout->keys_log2_size % 8 + draw(changes, 3));
        remote_address word = keys + (layout->keys_log2_size & ~7u);
        image_changes_write(changes, word, (read_word(changes, word) & ~(0xffull << shift)) |
                                               draw(changes, draw(changes, 2) ? 45 : 256) << shift);
        return;
    }
    const uint32_t fields[] = {0, layout->keys_entry_count, layout->keys_usable, layout->keys_indices};
    overwrite(changes, keys + fields[draw(changes, 4)] + (draw(changes, 2) ? 0 : draw(changes, 64) * 8));
}

static void change_type(struct image_changes *changes) {
    const struct layout *layout = changes->process.layout;
    const uint32_t fields[] = {
        OBJECT_TYPE,           layout->type_basic_size, layout->type_basic_size,       layout->type_item_size,
        layout->type_flags,    layout->type_flags,      layout->type_members,          layout->type_base,
        layout->type_dict,     layout->type_name,       layout->type_dict_offset,      layout->type_weaklist_offset,
        layout->type_bases,    layout->type_mro,        layout->type_subclasses,       layout->heap_type_cached_keys,
        layout->heap_type_name, layout->type_traverse,  layout->heap_type_slots,       layout->type_cache};
    remote_address type = changes->graph->addresses[draw_of_role(changes, ROLE_TYPE)];
    remote_address place = type + fields[draw(changes, sizeof fields / sizeof *fields)];
    if (draw(changes, 3)) {
        overwrite(changes, place);
        return;
    }
    remote_address other = changes->graph->addresses[draw_of_role(changes, ROLE_TYPE)]; /* plausible, and wrong */
    image_changes_write(changes, place, read_word(changes, other + (place - type)));
}

static void change_member(struct image_changes *changes) {
    remote_address type = changes->graph->addresses[draw_of_role(changes, ROLE_TYPE)];
    overwrite(changes, read_word(changes, type + changes->process.layout->type_members) + draw(changes, 15) * 8);
}

static void change_collector_head(struct image_changes *changes) {
    overwrite(changes, draw_address(changes) - GC_HEAD + draw(changes, 2) * 8);
}

static void change_interpreter(struct image_changes *changes) {
    const struct layout *layout = changes->process.layout;
    const uint32_t fields[] = {layout->interpreter_threads, layout->interpreter_modules, layout->interpreter_next,
                               layout->interpreter_gc,      layout->interpreter_gc + 8,  layout->interpreter_interned,
                               layout->interpreter_atexit_callbacks, layout->interpreter_atexit_count};
    uint32_t field = fields[draw(changes, sizeof fields / sizeof *fields)];
    bool known = field != LAYOUT_NONE && draw(changes, 2);
    overwrite(changes,
              changes->process.interpreters[0] + (known ? field : draw(changes, layout->interpreter_size / 8) * 8));
}

static remote_address draw_thread(struct image_changes *changes) {
    const struct layout *layout = changes->process.layout;
    remote_address thread = read_word(changes, changes->process.interpreters[0] + layout->interpreter_threads);
    for (uint64_t steps = draw(changes, 4); steps > 0; steps--) {
        remote_address next = read_word(changes, thread + layout->thread_next);
        thread = next ? next : thread;
    }
    return thread;
}

static void change_thread(struct image_changes *changes) {
    const struct layout *layout = changes->process.layout;
    remote_address thread = draw_thread(changes);
    if (!draw(changes, 3)) /* a ring of threads */
        image_changes_write(changes, thread + layout->thread_next, draw_thread(changes));
    else
        overwrite(changes, thread + draw(changes, layout->thread_size / 8) * 8);
}

static remote_address draw_frame(struct image_changes *changes) {
    const struct layout *layout = changes->process.layout;
    remote_address thread = draw_thread(changes);
    remote_address frame = layout->thread_frame != LAYOUT_NONE
                               ? read_word(changes, thread + layout->thread_frame)
                               : read_word(changes, read_word(changes, thread + layout->thread_cframe) +
                                                        layout->cframe_current_frame);
    for (uint64_t steps = draw(changes, 12); steps > 0; steps--) {
        remote_address previous = read_word(changes, frame + layout->frame_previous);
        frame = previous ? previous : frame;
    }
    return frame;
}

static void change_frame(struct image_changes *changes) {
    const struct layout *layout = changes->process.layout;
    remote_address frame = draw_frame(changes);
    if (!draw(changes, 3)) /* a ring of frames */
        image_changes_write(changes, frame + layout->frame_previous, draw_frame(changes));
    else
        overwrite(changes, frame + draw(changes, layout->frame_localsplus / 8 + 8) * 8);
}

static void change_something(struct image_changes *changes) {
    switch (draw(changes, 24)) {
    case 0:
    case 1:
    case 2: change_head(changes); break;
    case 3:
    case 4:
    case 5: overwrite(changes, draw_word_of_object(changes)); break;
    case 6:
    case 7: swap_pointers(changes); break;
    case 8:
    case 9:
    case 10:
    case 11: change_behind_pointer(changes); break;
    case 12:
    case 13:
    case 14: change_keys(changes); break;
    case 15:
    case 16:
    case 17: change_type(changes); break;
    case 18: change_member(changes); break;
    case 19: change_collector_head(changes); break;
    case 20: change_interpreter(changes); break;
    case 21: change_thread(changes); break;
    case 22: change_frame(changes); break;
    default: overwrite(changes, draw_anywhere(changes)); break;
    }
}

void image_changes_make(struct image_changes *changes, uint64_t seed, uint64_t run) {
    changes->state = seed * 0x2545f4914f6cdd1du + run * 0x9e3779b97f4a7c15u * 1024;
    for (uint64_t count = 1 + draw(changes, 1ull << draw(changes, 11)); count > 0; count--)
        change_something(changes);
}
