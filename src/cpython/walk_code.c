/* Code that can run and code that runs: functions, code, frames, generators, tracebacks. */
#include "cpython/refcount.h"
#include "cpython/walk.h"

#include <string.h>

void walk_function(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    walk_field(walk, layout->function_globals, REFERENCE_GLOBALS, "__globals__");
    walk_field(walk, layout->function_builtins, REFERENCE_GLOBALS, "__builtins__");
    walk_field(walk, layout->function_name, REFERENCE_SLOT, "__name__");
    walk_field(walk, layout->function_qualname, REFERENCE_SLOT, "__qualname__");
    walk_field(walk, layout->function_code, REFERENCE_SLOT, "__code__");
    walk_field(walk, layout->function_defaults, REFERENCE_SLOT, "__defaults__");
    walk_field(walk, layout->function_kwdefaults, REFERENCE_SLOT, "__kwdefaults__");
    walk_field(walk, layout->function_closure, REFERENCE_SLOT, "__closure__");
    walk_field(walk, layout->function_doc, REFERENCE_SLOT, "__doc__");
    walk_field(walk, layout->function_module, REFERENCE_SLOT, "__module__");
    walk_field(walk, layout->function_annotations, REFERENCE_SLOT, "__annotations__");
    walk_field(walk, layout->function_type_params, REFERENCE_SLOT, "__type_params__");
    walk_field(walk, layout->function_annotate, REFERENCE_SLOT, "__annotate__");
}

static void walk_code_cache(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    walk_field(walk, layout->code_byte_object, REFERENCE_SLOT, "co_code");
    if (!layout->code_cached_indirect) {
        walk_field(walk, layout->code_cached, REFERENCE_SLOT, "_co_code");
        return;
    }
    remote_address cached = word_at(walk->bytes, layout->code_cached);
    const void *items = cached ? image_view(walk->model->image, cached, layout->code_cached_count * 8) : NULL;
    for (uint32_t i = 0; items && i < layout->code_cached_count; i++)
        visit(walk->visitor, word_at(items, i * 8), REFERENCE_SLOT, label_text("_co_cached"));
}

void walk_code(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    walk_field(walk, layout->code_consts, REFERENCE_SLOT, "co_consts");
    walk_field(walk, layout->code_names, REFERENCE_SLOT, "co_names");
    walk_field(walk, layout->code_exception_table, REFERENCE_SLOT, "co_exceptiontable");
    walk_field(walk, layout->code_local_names, REFERENCE_SLOT, "co_varnames");
    walk_field(walk, layout->code_local_kinds, REFERENCE_SLOT, NULL);
    walk_field(walk, layout->code_cell_names, REFERENCE_SLOT, "co_cellvars");
    walk_field(walk, layout->code_free_names, REFERENCE_SLOT, "co_freevars");
    walk_field(walk, layout->code_filename, REFERENCE_SLOT, "co_filename");
    walk_field(walk, layout->code_name, REFERENCE_SLOT, "co_name");
    walk_field(walk, layout->code_qualname, REFERENCE_SLOT, "co_qualname");
    walk_field(walk, layout->code_line_table, REFERENCE_SLOT, "co_linetable");
    walk_code_cache(walk);
}

enum { LOCALS_MAX = 1 << 16 };

/* Names of local variables, cells and free variables in the order of the frame: one tuple, or one of each. */
static remote_address local_name(const struct model *model, remote_address code, uint64_t i) {
    const struct layout *layout = model->layout;
    const uint32_t fields[] = {layout->code_local_names, layout->code_cell_names, layout->code_free_names};
    for (size_t field = 0; field < sizeof fields / sizeof *fields && fields[field] != LAYOUT_NONE; field++) {
        remote_address names = model_word(model, code + fields[field]);
        uint64_t count = model_word(model, names + layout->object_size);
        if (i < count)
            return model_word(model, names + layout->tuple_items + i * 8);
        i -= count;
    }
    return 0;
}

uint32_t walk_frame_locals(const struct model *model, remote_address frame, remote_address code) {
    const struct layout *layout = model->layout;
    if (layout->code_locals_count != LAYOUT_NONE)
        return model_half(model, code + layout->code_locals_count);
    uint64_t bytes = model_word(model, frame + layout->frame_value_stack) - frame - layout->frame_localsplus;
    return bytes / 8 > LOCALS_MAX ? LOCALS_MAX + 1 : (uint32_t)(bytes / 8);
}

/* How many words of the frame are in use, by whichever field tells it; UINT64_MAX if none does at present. */
static uint64_t used_words(const struct layout *layout, const unsigned char *bytes, remote_address frame,
                           uint32_t locals) {
    if (layout->frame_stacktop != LAYOUT_NONE) {
        int32_t top = (int32_t)half_at(bytes, layout->frame_stacktop);
        return top < 0 ? UINT64_MAX : (uint64_t)top;
    }
    if (layout->frame_stack_depth != LAYOUT_NONE) {
        int32_t depth = (int32_t)half_at(bytes, layout->frame_stack_depth);
        return depth < 0 ? UINT64_MAX : locals + (uint64_t)depth;
    }
    remote_address pointer = word_at(bytes, layout->frame_stack_pointer);
    return pointer ? (pointer - frame - layout->frame_localsplus) / 8 : UINT64_MAX;
}

/* What a word of a frame owns. Tag bits (Include/internal/pycore_stackref.h) tell integers and references
 * that somebody else counts; those to immortal objects and to ones of deferred counts are nobody's. */
static remote_address owned_by_frame(const struct model *model, remote_address word) {
    uint32_t tags = model->layout->frame_reference_tags;
    if (!(word & tags))
        return word;
    if ((word & tags) == tags)
        return 0;
    remote_address target = word & ~(uint64_t)tags;
    return target && (model_is_immortal(model, target) || refcount_is_deferred(model, target)) ? target : 0;
}

static void walk_locals(struct model *model, remote_address frame, const unsigned char *bytes, bool running,
                        struct reference_visitor *visitor) {
    const struct layout *layout = model->layout;
    remote_address code = model_frame_code(model, frame);
    uint32_t locals = walk_frame_locals(model, frame, code);
    uint64_t count = used_words(layout, bytes, frame, locals);
    if (count == UINT64_MAX)
        count = running ? locals + (uint64_t)model_half(model, code + layout->code_stack_size) : locals;
    if (locals > LOCALS_MAX || count > LOCALS_MAX)
        return;
    const void *items =
        count ? image_view(model->image, frame + layout->frame_localsplus, count * 8ull) : NULL;
    for (uint32_t i = 0; items && i < count; i++) {
        remote_address target = owned_by_frame(model, word_at(items, i * 8));
        if (target)
            visit(visitor, target, REFERENCE_LOCAL,
                  i < locals ? label_object(local_name(model, code, i)) : label_none());
    }
}

/* Python/frame.c: _PyFrame_Traverse, and the strong references that it leaves to the thread. A frame that has
 * a function borrows globals and builtins from it. */
void walk_interpreter_frame(struct model *model, remote_address frame, bool running,
                            struct reference_visitor *visitor) {
    const struct layout *layout = model->layout;
    const unsigned char *bytes = image_view(model->image, frame, layout->frame_localsplus);
    if (!bytes) {
        model->faults++;
        return;
    }
    if (layout->frame_function != LAYOUT_NONE) {
        visit(visitor, owned_by_frame(model, word_at(bytes, layout->frame_function)), REFERENCE_SLOT,
              label_text("f_func"));
    } else {
        visit(visitor, word_at(bytes, layout->frame_globals), REFERENCE_GLOBALS, label_text("f_globals"));
        visit(visitor, word_at(bytes, layout->frame_builtins), REFERENCE_GLOBALS, label_text("f_builtins"));
    }
    visit(visitor, owned_by_frame(model, word_at(bytes, layout->frame_code)), REFERENCE_SLOT,
          label_text("f_code"));
    visit(visitor, word_at(bytes, layout->frame_locals), REFERENCE_SLOT, label_text("f_locals"));
    if (layout->frame_object != LAYOUT_NONE)
        visit(visitor, word_at(bytes, layout->frame_object), REFERENCE_SLOT, label_text("frame"));
    walk_locals(model, frame, bytes, running, visitor);
}

static bool is_executing(const struct layout *layout, const unsigned char *frame) {
    return frame[layout->frame_executing] == layout->frame_executing_value;
}

/* Where frames are objects, what the frame of a call that is under way or of a living generator holds is told
 * as its thread's or its generator's, as in the versions where it is theirs. */
static void walk_whole_frame(const struct walk *walk) {
    if (!is_executing(walk->layout, walk->bytes) && !word_at(walk->bytes, walk->layout->frame_generator))
        walk_interpreter_frame(walk->model, walk->object, false, walk->visitor);
}

static void walk_frame_of_generator(const struct walk *walk, const char *name) {
    const struct layout *layout = walk->layout;
    remote_address frame = word_at(walk->bytes, layout->generator_frame_object);
    const unsigned char *bytes =
        frame ? image_view(walk->model->image, frame, layout->frame_localsplus) : NULL;
    visit(walk->visitor, frame, REFERENCE_SLOT, label_text(name));
    if (bytes)
        walk_interpreter_frame(walk->model, frame, is_executing(layout, bytes), walk->visitor);
}

/* Objects/frameobject.c: frame_traverse; the locals are the frame's own only after its call has ended. */
void walk_frame_object(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    walk_field(walk, layout->frame_object_back, REFERENCE_SLOT, "f_back");
    walk_field(walk, layout->frame_object_trace, REFERENCE_SLOT, "f_trace");
    walk_field(walk, layout->frame_object_extra_locals, REFERENCE_SLOT, "f_extra_locals");
    walk_field(walk, layout->frame_object_locals_cache, REFERENCE_SLOT, "f_locals");
    walk_field(walk, layout->frame_object_overwritten, REFERENCE_SLOT, NULL);
    if (layout->frame_object_frame == LAYOUT_NONE) {
        walk_whole_frame(walk);
        return;
    }
    remote_address frame = word_at(walk->bytes, layout->frame_object_frame);
    if (frame == walk->object + layout->frame_object_data)
        walk_interpreter_frame(walk->model, frame, false, walk->visitor);
}

/* Fields of generators, coroutines and asynchronous generators begin with other letters. */
struct generator_names {
    const char *type, *code, *frame, *origin;
};

static const struct generator_names *generator_names(const char *type) {
    static const struct generator_names names[] = {{"coroutine", "cr_code", "cr_frame", "cr_origin"},
                                                   {"async_generator", "ag_code", "ag_frame", "ag_finalizer"},
                                                   {"generator", "gi_code", "gi_frame", NULL}};
    for (size_t i = 0; i < 2; i++)
        if (strcmp(names[i].type, type) == 0)
            return &names[i];
    return &names[2];
}

/* Objects/genobject.c: gen_traverse. The origin of a plain generator is never set, not even to NULL. */
void walk_generator(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    const struct generator_names *names = generator_names(walk->type->name);
    walk_field(walk, layout->generator_code, REFERENCE_SLOT, names->code);
    walk_field(walk, layout->generator_name, REFERENCE_SLOT, "__name__");
    walk_field(walk, layout->generator_qualname, REFERENCE_SLOT, "__qualname__");
    walk_field(walk, layout->generator_exc_type, REFERENCE_SLOT, NULL);
    walk_field(walk, layout->generator_exc_value, REFERENCE_SLOT, "gi_exc_state");
    walk_field(walk, layout->generator_exc_traceback, REFERENCE_SLOT, NULL);
    if (names->origin && layout->generator_origin + 8 <= walk->type->basic_size)
        walk_field(walk, layout->generator_origin, REFERENCE_SLOT, names->origin);
    if (layout->generator_frame_object != LAYOUT_NONE) {
        walk_frame_of_generator(walk, names->frame);
        return;
    }
    remote_address frame = walk->object + layout->generator_frame;
    int state = (signed char)walk->bytes[layout->generator_frame_state];
    int executing = (int)layout->generator_executing_value;
    if (state <= executing)
        walk_interpreter_frame(walk->model, frame, state == executing, walk->visitor);
    else if (layout->generator_code == LAYOUT_NONE) /* the code stays alive with the generator */
        visit(walk->visitor, model_frame_code(walk->model, frame), REFERENCE_SLOT, label_text(names->code));
}

void walk_traceback(const struct walk *walk) {
    walk_field(walk, walk->layout->traceback_next, REFERENCE_SLOT, "tb_next");
    walk_field(walk, walk->layout->traceback_frame, REFERENCE_SLOT, "tb_frame");
}
