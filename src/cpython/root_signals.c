/* Handlers of signals: a table in the runtime, in older versions one among the static data of the library. */
#include "cpython/root_names.h"
#include "cpython/roots.h"

/* Modules/signalmodule.c: Handlers[Py_NSIG] of {int tripped; PyObject *func}; the first belongs to no signal.
 */
enum { HANDLER_SIZE = 16, HANDLER_FUNCTION = 8, HANDLERS_LEAST = 60, HANDLERS_MOST = 80 };

struct handler_run {
    remote_address begin;
    uint32_t count, numbers; /* SIG_DFL and SIG_IGN are numbers */
};

static bool add_handler(struct model *model, remote_address at, struct handler_run *run) {
    remote_address function = model_word(model, at) > 1 ? 0 : model_word(model, at + HANDLER_FUNCTION);
    uint32_t type = function ? model_object_type(model, function) : MODEL_NOT_A_TYPE;
    if (type == MODEL_NOT_A_TYPE)
        return false;
    if (!run->count)
        run->begin = at;
    run->count++;
    run->numbers += model_type(model, type)->walker == WALK_LONG;
    return true;
}

static bool find_handlers_in(struct model *model, remote_address begin, remote_address end,
                             struct handler_run *out) {
    struct handler_run run = {0};
    for (remote_address at = begin; at + HANDLER_SIZE <= end; at += HANDLER_SIZE) {
        if (add_handler(model, at, &run))
            continue;
        if (run.count >= HANDLERS_LEAST && run.count <= HANDLERS_MOST && run.numbers > run.count / 2) {
            *out = run;
            return true;
        }
        run = (struct handler_run){0};
    }
    return false;
}

static bool find_static_handlers(struct model *model, struct handler_run *out) {
    const struct memory *memory = &model->image->memory;
    for (size_t i = 0; i < memory->segment_count; i++) {
        const struct memory_segment *segment = &memory->segments[i];
        if (!(segment->flags & SEGMENT_WRITE) || segment->inode != model->process.library->inode)
            continue;
        remote_address end = model_static_data_end(model, segment);
        if (find_handlers_in(model, segment->begin, end, out) ||
            find_handlers_in(model, segment->begin + 8, end, out))
            return true;
    }
    return false;
}

static void visit_handler(struct model *model, remote_address place, uint32_t signal,
                          struct root_visitor *visitor) {
    visit(&visitor->references, model_word(model, place), REFERENCE_INDEX, label_index(signal));
}

void roots_visit_signals(struct model *model, struct root_visitor *visitor) {
    const struct root_row *row = root_names_find(model->layout);
    struct handler_run run = {0};
    if (!row->signal_count && !find_static_handlers(model, &run))
        return;
    visitor->holder = visitor->open(visitor, HOLDER_NONE, HOLDER_TABLE, SPAN("signal handlers"));
    remote_address handlers = model->process.runtime + row->signal_handlers + row->signal_function;
    for (uint32_t i = 0; i < row->signal_count; i++)
        visit_handler(model, handlers + i * row->signal_size, i, visitor);
    for (uint32_t i = 0; i < run.count; i++)
        visit_handler(model, run.begin + i * HANDLER_SIZE + HANDLER_FUNCTION, i + 1, visitor);
    model->signal_handlers = (struct static_stretch){run.begin, run.begin + run.count * HANDLER_SIZE};
}
