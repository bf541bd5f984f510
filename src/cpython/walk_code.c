/* Code that can run and code that runs: functions, code, frames, generators, tracebacks. */
#include "cpython/walk.h"

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
}

static void walk_code_cache(const struct walk *walk) {
    const struct layout *layout = walk->layout;
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
    walk_field(walk, layout->code_filename, REFERENCE_SLOT, "co_filename");
    walk_field(walk, layout->code_name, REFERENCE_SLOT, "co_name");
    walk_field(walk, layout->code_qualname, REFERENCE_SLOT, "co_qualname");
    walk_field(walk, layout->code_line_table, REFERENCE_SLOT, "co_linetable");
    walk_code_cache(walk);
}

enum { LOCALS_MAX = 1 << 16 };

static remote_address local_name(const struct model *model, remote_address code, uint32_t i) {
    remote_address names = model_word(model, code + model->layout->code_local_names);
    return model_word(model, names + model->layout->tuple_items + i * 8ull);
}

static void walk_locals(struct model *model, remote_address frame, remote_address code, int32_t stacktop,
                        bool running, struct reference_visitor *visitor) {
    const struct layout *layout = model->layout;
    uint32_t locals = model_half(model, code + layout->code_locals_count);
    uint32_t count = stacktop >= 0 ? (uint32_t)stacktop : locals;
    if (stacktop < 0 && running)
        count = locals + model_half(model, code + layout->code_stack_size);
    if (locals > LOCALS_MAX || count > LOCALS_MAX)
        return;
    const void *items =
        count ? image_view(model->image, frame + layout->frame_localsplus, count * 8ull) : NULL;
    for (uint32_t i = 0; items && i < count; i++) {
        remote_address target = word_at(items, i * 8);
        if (target)
            visit(visitor, target, REFERENCE_LOCAL,
                  i < locals ? label_object(local_name(model, code, i)) : label_none());
    }
}

/* Python/frame.c: _PyFrame_Traverse, and the strong references that it leaves to the thread. Globals and
 * builtins are borrowed from the function. */
void walk_interpreter_frame(struct model *model, remote_address frame, bool running,
                            struct reference_visitor *visitor) {
    const struct layout *layout = model->layout;
    const unsigned char *bytes = image_view(model->image, frame, layout->frame_localsplus);
    if (!bytes) {
        model->faults++;
        return;
    }
    remote_address code = word_at(bytes, layout->frame_code);
    visit(visitor, word_at(bytes, layout->frame_function), REFERENCE_SLOT, label_text("f_func"));
    visit(visitor, code, REFERENCE_SLOT, label_text("f_code"));
    visit(visitor, word_at(bytes, layout->frame_locals), REFERENCE_SLOT, label_text("f_locals"));
    visit(visitor, word_at(bytes, layout->frame_object), REFERENCE_SLOT, label_text("frame"));
    walk_locals(model, frame, code, (int32_t)half_at(bytes, layout->frame_stacktop), running, visitor);
}

/* Objects/frameobject.c: frame_traverse; the locals are the frame's own only after its call has ended. */
void walk_frame_object(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    walk_field(walk, layout->frame_object_back, REFERENCE_SLOT, "f_back");
    walk_field(walk, layout->frame_object_trace, REFERENCE_SLOT, "f_trace");
    walk_field(walk, layout->frame_object_extra_locals, REFERENCE_SLOT, "f_extra_locals");
    walk_field(walk, layout->frame_object_locals_cache, REFERENCE_SLOT, "f_locals");
    remote_address frame = word_at(walk->bytes, layout->frame_object_frame);
    if (frame == walk->object + layout->frame_object_data)
        walk_interpreter_frame(walk->model, frame, false, walk->visitor);
}

enum { FRAME_EXECUTING = 0, FRAME_CLEARED = 4 }; /* Include/internal/pycore_frame.h */

/* Objects/genobject.c: gen_traverse. */
void walk_generator(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    walk_field(walk, layout->generator_code, REFERENCE_SLOT, "gi_code");
    walk_field(walk, layout->generator_name, REFERENCE_SLOT, "__name__");
    walk_field(walk, layout->generator_qualname, REFERENCE_SLOT, "__qualname__");
    walk_field(walk, layout->generator_exc_value, REFERENCE_SLOT, "gi_exc_state");
    walk_field(walk, layout->generator_origin, REFERENCE_SLOT, "cr_origin");
    remote_address frame = walk->object + layout->generator_frame;
    signed char state = (signed char)walk->bytes[layout->generator_frame_state];
    if (state < 1)
        walk_interpreter_frame(walk->model, frame, state == FRAME_EXECUTING, walk->visitor);
    else if (layout->generator_code == LAYOUT_NONE) /* the code stays alive with the generator */
        visit(walk->visitor, model_word(walk->model, frame + layout->frame_code), REFERENCE_SLOT,
              label_text("gi_code"));
}

void walk_traceback(const struct walk *walk) {
    walk_field(walk, walk->layout->traceback_next, REFERENCE_SLOT, "tb_next");
    walk_field(walk, walk->layout->traceback_frame, REFERENCE_SLOT, "tb_frame");
}
