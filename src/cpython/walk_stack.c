/* Calls that are under way: what the frames of a thread hold, and those of a greenlet that is switched out. */
#include "cpython/walk.h"

enum {
    FRAME_OWNED_BY_THREAD = 0,
    FRAME_OWNED_BY_GENERATOR = 1,
    FRAME_OWNED_BY_FRAME_OBJECT = 2, /* those above are of the interpreter itself */
    FRAMES_MAX = 1 << 20,
};

bool walk_activation(struct model *model, remote_address frame, struct reference_visitor *visitor) {
    const struct layout *layout = model->layout;
    const unsigned char *bytes = image_view(model->image, frame, layout->frame_localsplus);
    bool is_object = layout->frame_owner == LAYOUT_NONE;
    if (!bytes || (!is_object && bytes[layout->frame_owner] > FRAME_OWNED_BY_FRAME_OBJECT))
        return false;
    if (!visitor)
        return true;
    remote_address generator = is_object ? word_at(bytes, layout->frame_generator)
                               : bytes[layout->frame_owner] == FRAME_OWNED_BY_GENERATOR
                                   ? frame - layout->generator_frame
                                   : 0;
    bool own = is_object || bytes[layout->frame_owner] == FRAME_OWNED_BY_THREAD;
    if (generator)
        visit(visitor, generator, REFERENCE_SLOT, label_text("generator"));
    else if (is_object)
        visit(visitor, frame, REFERENCE_SLOT, label_text("frame"));
    if (!generator && own)
        walk_interpreter_frame(model, frame, true, visitor);
    return true;
}

/* --- greenlets --- */

/* src/greenlet/TGreenlet.hpp: the object has a pointer to its state, a C++ object that begins with the pointer
 * to its methods; older ones (greenlet.h: struct _greenlet) have all in the object itself. Where in the state the
 * topmost frame is depends on both versions: it is the only frame object there. */
enum { STATE_BEHIND_HEAD = 16, STATE_WORDS = 24, STATE_WORDS_MOST = 64, METHODS_SPAN = 4096 };

/* Objects/obmalloc.c: struct pool_header; the pools of the target have one of two sizes. */
static uint32_t words_of_block(const struct model *model, remote_address block) {
    enum { POOL_HEAD = 48, POOL_CLASS = 36, CLASSES = 32, CLASS_BYTES = 16 };
    for (uint32_t pool_bytes = 16 << 10; pool_bytes >= 4 << 10; pool_bytes /= 4) {
        remote_address pool = block & ~(remote_address)(pool_bytes - 1);
        uint32_t size = (model_half(model, pool + POOL_CLASS) + 1) * CLASS_BYTES;
        uint32_t used = model_half(model, pool);
        if (size <= CLASSES * CLASS_BYTES && size >= STATE_WORDS * 8 && used && used <= pool_bytes / size &&
            block >= pool + POOL_HEAD && (block - pool - POOL_HEAD) % size == 0)
            return size / 8 < STATE_WORDS_MOST ? size / 8 : STATE_WORDS_MOST;
    }
    return STATE_WORDS;
}

static enum walker walker_of(struct model *model, remote_address object) {
    uint32_t type = model_object_type(model, object);
    return type == MODEL_NOT_A_TYPE ? WALKER_COUNT : model_type(model, type)->walker;
}

/* One word of a greenlet or its state; returned, not visited, if it is the topmost frame, which its call owns. */
static remote_address walk_greenlet_word(const struct walk *walk, remote_address word) {
    if (!word || word % 8 || word == walk->object)
        return 0;
    enum walker walker = walker_of(walk->model, word);
    if (walker == WALK_FRAME)
        return word;
    visit(walk->visitor, word, REFERENCE_SLOT, walker == WALK_GREENLET ? label_text("parent") : label_none());
    return 0;
}

static remote_address walk_greenlet_state(const struct walk *walk, remote_address state) {
    uint32_t count = words_of_block(walk->model, state);
    remote_address top = 0, methods = model_word(walk->model, state);
    const unsigned char *bytes = image_view(walk->model->image, state, count * 8ull);
    if (!bytes) {
        walk->model->faults += state != 0;
        return 0;
    }
    for (uint32_t i = 1; i < count; i++) {
        remote_address word = word_at(bytes, i * 8ull);
        if (word - methods + METHODS_SPAN < 2 * METHODS_SPAN) /* the next one begins */
            break;
        remote_address frame = walk_greenlet_word(walk, word);
        top = top ? top : frame;
    }
    return top;
}

/* The end of the chain may lie on the stack that the greenlet had, where another one is now. */
static bool is_suspended_frame(struct model *model, remote_address frame) {
    const struct layout *layout = model->layout;
    if (!frame || frame % 8 || !walk_activation(model, frame, NULL) ||
        walker_of(model, model_frame_code(model, frame)) != WALK_CODE)
        return false;
    remote_address object = layout->frame_object == LAYOUT_NONE ? 0 : model_word(model, frame + layout->frame_object);
    return !object || model_word(model, object + layout->frame_object_frame) == frame;
}

static void walk_suspended_frames(const struct walk *walk, remote_address top) {
    const struct layout *layout = walk->layout;
    struct chain chain = {0};
    remote_address frame =
        layout->frame_object_frame == LAYOUT_NONE ? top : model_word(walk->model, top + layout->frame_object_frame);
    for (int depth = 0; depth < FRAMES_MAX && is_suspended_frame(walk->model, frame); depth++) {
        if (chain_returns(&chain, frame)) {
            walk->model->faults++;
            return;
        }
        walk_activation(walk->model, frame, walk->visitor);
        frame = model_word(walk->model, frame + layout->frame_previous);
    }
}

void walk_greenlet(const struct walk *walk) {
    remote_address top = 0;
    uint32_t head = walk->layout->object_head, state = head + STATE_BEHIND_HEAD;
    bool apart = walk->type->walked_size == state + 8;
    for (uint32_t offset = head; !apart && offset + 8 <= walk->type->walked_size; offset += 8) {
        remote_address frame = 0;
        if (offset != walk->type->weaklist_offset && (int32_t)offset != walk->type->dict_offset)
            frame = walk_greenlet_word(walk, word_at(walk->bytes, offset));
        top = top ? top : frame;
    }
    if (apart)
        top = walk_greenlet_state(walk, word_at(walk->bytes, state));
    if (top)
        walk_suspended_frames(walk, top);
}
