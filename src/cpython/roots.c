/* Walks what the runtime holds: interpreter tables, threads and their frames, C data of libraries. */
#include "cpython/roots.h"

#include "cpython/mimalloc.h"
#include "cpython/root_names.h"
#include "cpython/walk.h"
#include "cpython/wreck.h"

#include <stdio.h>
#include <string.h>

static void refer(struct root_visitor *visitor, remote_address target, enum reference_kind kind,
                  struct reference_label label) {
    visit(&visitor->references, target, kind, label);
}

static int open_holder(struct root_visitor *visitor, int parent, enum holder_kind kind, struct span name) {
    visitor->holder = visitor->open(visitor, parent, kind, name);
    return visitor->holder;
}

/* A stretch of words that is scanned, and the parts of it that are not. */
struct excluded {
    remote_address begin, end;
};

static void scan_interpreter(const struct model *model, remote_address interpreter,
                             const struct excluded *excluded, size_t excluded_count,
                             struct root_visitor *visitor) {
    const struct root_row *names = root_names_find(model->layout);
    remote_address end = interpreter + model->layout->interpreter_size;
    for (remote_address address = interpreter; address + 8 <= end; address += 8) {
        for (size_t i = 0; i < excluded_count; i++)
            if (address >= excluded[i].begin && address < excluded[i].end)
                address = excluded[i].end;
        remote_address target = address + 8 > end ? 0 : model_word(model, address);
        if (target)
            refer(visitor, target, REFERENCE_SLOT,
                  root_names_label(names, ROOT_INTERPRETER, address - interpreter));
    }
}

static struct excluded exclude(remote_address interpreter, uint32_t offset, uint32_t size) {
    if (offset == LAYOUT_NONE)
        return (struct excluded){0, 0};
    return (struct excluded){interpreter + offset, interpreter + offset + size};
}

/* Method caches and the tables of versions borrow their values, free lists keep stale pointers; a thread is
 * visited by itself; static types own their tables. */
static void visit_interpreter(struct model *model, remote_address interpreter, struct root_visitor *visitor) {
    const struct layout *layout = model->layout;
    const struct excluded excluded[] = {
        exclude(interpreter, layout->interpreter_type_cache, layout->interpreter_type_cache_size),
        exclude(interpreter, layout->interpreter_initial_thread, layout->thread_size),
        exclude(interpreter, layout->interpreter_obmalloc, layout->interpreter_obmalloc_size),
        exclude(interpreter, layout->interpreter_static_types, layout->interpreter_static_types_size),
        exclude(interpreter, layout->interpreter_extension_types, layout->interpreter_extension_types_size),
        exclude(interpreter, layout->interpreter_type_versions, layout->interpreter_type_versions_size),
        exclude(interpreter, layout->interpreter_interned, 8),
        exclude(interpreter, layout->interpreter_atexit_callbacks, 8),
        exclude(interpreter, layout->interpreter_free_lists, layout->interpreter_free_lists_size),
        exclude(interpreter, layout->interpreter_function_versions,
                layout->interpreter_function_versions_size),
    };
    open_holder(visitor, HOLDER_NONE, HOLDER_TABLE, SPAN("interpreter"));
    scan_interpreter(model, interpreter, excluded, sizeof excluded / sizeof *excluded, visitor);
}

/* Include/internal/pycore_typeobject.h: struct type_cache_entry {version, name, value}; only the name is
 * owned. There are 1 << MCACHE_SIZE_EXP of them; where the cache is static, what lies behind it may be in its range. */
static void visit_type_cache(struct model *model, remote_address interpreter, struct root_visitor *visitor) {
    enum { ENTRY_SIZE = 24, ENTRY_NAME = 8 };
    const struct layout *layout = model->layout;
    remote_address entry = model->type_cache.begin, end = model->type_cache.end;
    if (layout->interpreter_type_cache != LAYOUT_NONE) {
        entry = interpreter + layout->interpreter_type_cache;
        end = entry + layout->interpreter_type_cache_size;
    }
    uint64_t entries = entry < end ? (end - entry) / ENTRY_SIZE : 0;
    visitor->bound = entries ? (int64_t)1 << (63 - __builtin_clzll(entries)) : 0;
    open_holder(visitor, HOLDER_NONE, HOLDER_TABLE, SPAN("type cache"));
    visitor->bound = 0;
    for (; entry + ENTRY_SIZE <= end; entry += ENTRY_SIZE)
        refer(visitor, model_word(model, entry + ENTRY_NAME), REFERENCE_SLOT, label_none());
}

/* The array of callbacks and how many it has: in the interpreter, or before that at the begin of the state of
 * the module (Modules/atexitmodule.c: atexit_state). */
static remote_address find_atexit_callbacks(const struct model *model, remote_address interpreter,
                                            uint32_t *count_out) {
    const struct layout *layout = model->layout;
    remote_address where = interpreter + layout->interpreter_atexit_callbacks;
    if (layout->interpreter_atexit_module != LAYOUT_NONE) {
        remote_address module = model_word(model, interpreter + layout->interpreter_atexit_module);
        where = module ? model_word(model, module + layout->module_state) : 0;
        *count_out = where ? model_half(model, where + 8) : 0;
    } else {
        *count_out = model_half(model, interpreter + layout->interpreter_atexit_count);
    }
    return where ? model_word(model, where) : 0;
}

/* Modules/atexitmodule.c: each callback is a C block {func, args, kwargs}; or they are a list of tuples. */
static void visit_atexit(struct model *model, remote_address interpreter, struct root_visitor *visitor) {
    enum { CALLBACKS_MAX = 1 << 24 };
    const struct layout *layout = model->layout;
    open_holder(visitor, HOLDER_NONE, HOLDER_TABLE, SPAN("atexit callbacks"));
    if (layout->interpreter_atexit_module == LAYOUT_NONE && layout->interpreter_atexit_count == LAYOUT_NONE) {
        refer(visitor, model_word(model, interpreter + layout->interpreter_atexit_callbacks), REFERENCE_SLOT,
              label_none());
        return;
    }
    uint32_t count;
    remote_address callbacks = find_atexit_callbacks(model, interpreter, &count);
    for (uint32_t i = 0; callbacks && i < count && i < CALLBACKS_MAX; i++) {
        remote_address callback = model_word(model, callbacks + i * 8ull);
        for (uint32_t field = 0; callback && field < 3; field++)
            refer(visitor, model_word(model, callback + field * 8), REFERENCE_INDEX, label_index(i));
    }
}

struct interned_walk {
    struct model *model;
    struct root_visitor *visitor;
};

/* The table itself does not count its strings, so only immortal ones are held by it. */
static bool visit_interned_string(void *context, const struct dict_entry *entry) {
    struct interned_walk *walk = context;
    if (model_is_immortal_string(walk->model, entry->key))
        refer(walk->visitor, entry->key, REFERENCE_INDEX, label_none());
    return true;
}

static void visit_interned(struct model *model, struct root_visitor *visitor) {
    struct interned_walk walk = {model, visitor};
    open_holder(visitor, HOLDER_NONE, HOLDER_TABLE, SPAN("interned strings"));
    if (model->interned)
        model_dict_each(model, model->interned, visit_interned_string, &walk);
}

struct modules_walk {
    struct model *model;
    struct root_visitor *visitor;
    size_t interpreter; /* 0 the main one, others in the order of their birth */
};

/* Several interpreters have a __main__ each: those of the main one go by their own names. */
static bool visit_module(void *context, const struct dict_entry *entry) {
    struct modules_walk *walk = context;
    struct reference_label label = label_object(entry->key);
    struct span name = walk->interpreter ? model_text(walk->model, entry->key) : (struct span){0};
    if (name.length)
        label = label_text(arena_format(&walk->model->arena, "<interpreter %zu> %.*s", walk->interpreter,
                                        (int)(name.length < 200 ? name.length : 200), name.data));
    refer(walk->visitor, entry->value, REFERENCE_KEY, label);
    return true;
}

/* The newest interpreter is the first of the chain. */
static void visit_modules(struct model *model, size_t place, struct root_visitor *visitor) {
    remote_address table = model->process.interpreters[place] + model->layout->interpreter_modules;
    struct modules_walk walk = {model, visitor, model->process.interpreter_count - 1 - place};
    open_holder(visitor, HOLDER_NONE, HOLDER_MODULES, SPAN("sys.modules"));
    model_dict_each(model, model_word(model, table), visit_module, &walk);
}

/* --- threads --- */

/* Finds one attribute of an instance by name. */
struct attribute_finder {
    struct reference_visitor visitor;
    struct model *model;
    struct span name;
    remote_address found, namespace;
};

static void look_at_attribute(struct reference_visitor *visitor, remote_address target,
                              enum reference_kind kind, struct reference_label label) {
    struct attribute_finder *finder = (struct attribute_finder *)visitor;
    if (kind == REFERENCE_NAMESPACE)
        finder->namespace = target;
    if (kind == REFERENCE_ATTRIBUTE && label.kind == LABEL_OBJECT &&
        span_equal(model_text(finder->model, label.value), finder->name))
        finder->found = target;
}

static remote_address find_attribute(struct model *model, remote_address object, const char *name) {
    uint32_t type = model_object_type(model, object);
    if (type == MODEL_NOT_A_TYPE)
        return 0;
    struct attribute_finder finder = {{look_at_attribute}, model, span_from_text(name), 0, 0};
    model_walk(model, object, type, &finder.visitor);
    return finder.found || !finder.namespace ? finder.found : model_dict_get(model, finder.namespace, name);
}

struct thread_names {
    struct model *model;
    int64_t wanted;
    remote_address thread;
};

static bool is_wanted_thread(void *context, const struct dict_entry *entry) {
    struct thread_names *names = context;
    int64_t ident;
    if (!model_integer(names->model, entry->key, &ident) || ident != names->wanted)
        return true;
    names->thread = entry->value;
    return false;
}

static remote_address find_active_threads(struct model *model, remote_address interpreter) {
    remote_address modules = model_word(model, interpreter + model->layout->interpreter_modules);
    remote_address threading = modules ? model_dict_get(model, modules, "threading") : 0;
    remote_address namespace = threading ? model_word(model, threading + model->layout->module_dict) : 0;
    return namespace ? model_dict_get(model, namespace, "_active") : 0;
}

static struct span thread_name(struct model *model, remote_address thread, remote_address active,
                               char *buffer, size_t size) {
    const struct layout *layout = model->layout;
    struct thread_names names = {model, (int64_t)model_word(model, thread + layout->thread_id), 0};
    if (active)
        model_dict_each(model, active, is_wanted_thread, &names);
    struct span name =
        names.thread ? model_text(model, find_attribute(model, names.thread, "_name")) : (struct span){0};
    if (name.length)
        return name;
    bool numbered = layout->thread_native_id != LAYOUT_NONE;
    int native = numbered ? (int)model_word(model, thread + layout->thread_native_id) : 0;
    bool oldest = model_word(model, thread + layout->thread_next) == 0;
    if (numbered ? native == model->image->memory.pid : oldest)
        return SPAN("MainThread");
    int length = numbered ? snprintf(buffer, size, "%d", native)
                          : snprintf(buffer, size, "%llx", (unsigned long long)names.wanted);
    return (struct span){buffer, (size_t)length};
}

enum { FRAMES_MAX = 1 << 20 };

static remote_address current_frame(const struct model *model, remote_address thread) {
    const struct layout *layout = model->layout;
    if (layout->thread_frame != LAYOUT_NONE)
        return model_word(model, thread + layout->thread_frame);
    remote_address cframe = model_word(model, thread + layout->thread_cframe);
    return model_word(model, cframe + layout->cframe_current_frame);
}

static void visit_activation(struct model *model, remote_address frame, int thread,
                             struct root_visitor *visitor) {
    if (!walk_activation(model, frame, NULL))
        return;
    struct code_place place = {0};
    model_code_place(model, model_frame_code(model, frame), &place);
    open_holder(visitor, thread, HOLDER_ACTIVATION, place.name);
    walk_activation(model, frame, &visitor->references);
}

static void visit_thread(struct model *model, remote_address thread, remote_address active,
                         struct root_visitor *visitor) {
    const struct layout *layout = model->layout;
    char buffer[32];
    struct span name = thread_name(model, thread, active, buffer, sizeof buffer);
    int holder = open_holder(visitor, HOLDER_NONE, HOLDER_THREAD, name);
    const struct root_row *names = root_names_find(layout);
    for (uint32_t offset = 0; offset + 8 <= layout->thread_size; offset += 8) {
        if (offset == layout->thread_frame) /* borrowed, if it is an object at all */
            continue;
        if (offset - layout->thread_private < layout->thread_private_size) /* heaps and free lists */
            continue;
        remote_address target = model_word(model, thread + offset);
        if (target)
            refer(visitor, target, REFERENCE_SLOT, root_names_label(names, ROOT_THREAD, offset));
    }
    struct chain chain = {0};
    remote_address frame = current_frame(model, thread);
    for (int depth = 0; frame && depth < FRAMES_MAX; depth++) {
        if (chain_returns(&chain, frame) || !image_view(model->image, frame, layout->frame_localsplus)) {
            model->faults++;
            return;
        }
        visit_activation(model, frame, holder, visitor);
        frame = model_word(model, frame + layout->frame_previous);
    }
}

static void visit_threads(struct model *model, remote_address interpreter, struct root_visitor *visitor) {
    enum { THREADS_MAX = 1 << 20 };
    const struct layout *layout = model->layout;
    remote_address active = find_active_threads(model, interpreter);
    remote_address thread = model_word(model, interpreter + layout->interpreter_threads);
    struct chain chain = {0};
    for (int i = 0; thread && i < THREADS_MAX; i++) {
        if (chain_returns(&chain, thread) || !image_view(model->image, thread + layout->thread_next, 8)) {
            model->faults++;
            return;
        }
        visit_thread(model, thread, active, visitor);
        thread = model_word(model, thread + layout->thread_next);
    }
}

void roots_visit(struct model *model, struct root_visitor *visitor) {
    if (!model->process.interpreter_count)
        wreck_visit_modules(model, visitor);
    for (size_t i = 0; i < model->process.interpreter_count; i++) {
        remote_address interpreter = model->process.interpreters[i];
        visit_modules(model, i, visitor);
        visit_threads(model, interpreter, visitor);
        visit_atexit(model, interpreter, visitor);
        visit_type_cache(model, interpreter, visitor);
        visit_interpreter(model, interpreter, visitor);
    }
    if (model->process.interpreter_count)
        roots_visit_signals(model, visitor);
    visit_interned(model, visitor);
}

/* --- C data --- */

/* Bytes to leave out at `address`: the runtime, which is walked by itself, and static objects, whose
 * references are their own. 0 if it is plain data. */
static uint64_t skip_at(struct model *model, remote_address address) {
    if (address == model->process.runtime)
        return model->layout->runtime_size;
    uint64_t next = model_word(model, address + model->layout->object_type);
    bool head = next && !(next & 7) && model_refcount_at(model, address);
    uint32_t type = head ? model_find_type(model, next) : MODEL_NOT_A_TYPE;
    return type == MODEL_NOT_A_TYPE ? 0 : model_static_size(model, address, type);
}

/* The end of the stretch of words that `address` lies in which are borrowed, or told by themselves; 0 if it lies in
 * none. */
static remote_address behind_borrowed(const struct model *model, remote_address address) {
    if (address >= model->type_cache.begin && address < model->type_cache.end)
        return model->type_cache.end;
    if (address >= model->signal_handlers.begin && address < model->signal_handlers.end)
        return model->signal_handlers.end;
    for (size_t i = 0; i < MODEL_FREE_LISTS; i++)
        if (address >= model->free_lists[i].begin && address < model->free_lists[i].end)
            return model->free_lists[i].end;
    return 0;
}

static void scan_static_data(struct model *model, remote_address begin, remote_address end,
                             struct root_visitor *visitor) {
    enum { PAGE = 1 << IMAGE_PAGE_BITS };
    remote_address address = begin;
    while (address + 16 <= end) {
        remote_address behind = behind_borrowed(model, address);
        if (behind) {
            address = behind;
            continue;
        }
        const unsigned char *page = image_view(model->image, address & ~(PAGE - 1ull), PAGE);
        if (!page) {
            address = (address | (PAGE - 1ull)) + 1;
            continue;
        }
        uint64_t word = word_at(page, address & (PAGE - 1));
        bool may_be_head = word || model->layout->object_refcount_local != LAYOUT_NONE;
        uint64_t skip = may_be_head ? skip_at(model, address) : 0;
        if (word && !skip)
            refer(visitor, word, REFERENCE_SLOT, label_none());
        address += skip ? skip : 8;
    }
}

void roots_visit_static_data(struct model *model, struct root_visitor *visitor) {
    const struct memory *memory = &model->image->memory;
    for (size_t i = 0; i < memory->segment_count; i++) {
        const struct memory_segment *segment = &memory->segments[i];
        uint32_t wanted = SEGMENT_FILE | SEGMENT_WRITE;
        if ((segment->flags & (wanted | SEGMENT_SHARED)) != wanted || segment->path[0] != '/')
            continue;
        const char *slash = strrchr(segment->path, '/');
        open_holder(visitor, HOLDER_NONE, HOLDER_STATIC, span_from_text(slash + 1));
        scan_static_data(model, segment->begin, model_static_data_end(model, segment), visitor);
    }
}

/* --- the collector --- */

/* A list that breaks off, in a truncated core, has another end: the youngest objects. */
static uint64_t walk_generation_backwards(struct model *model, remote_address head, bool permanent,
                                          uint64_t limit, roots_collected each, void *context) {
    uint64_t count = 0;
    remote_address link = model_word(model, head + 8) & ~3ull;
    while (link && link != head && count < limit && image_view(model->image, link, 2 * GC_HEAD)) {
        each(context, link + GC_HEAD, permanent);
        count++;
        link = model_word(model, link + 8) & ~3ull;
    }
    return count;
}

static uint64_t walk_generation(struct model *model, remote_address head, bool permanent,
                                roots_collected each, void *context) {
    uint64_t limit = model->image->length / GC_HEAD, count = 0;
    remote_address link = model_word(model, head) & ~3ull;
    while (link && link != head && count < limit) {
        each(context, link + GC_HEAD, permanent);
        count++;
        link = model_word(model, link) & ~3ull;
    }
    if (link == head)
        return count;
    model->faults++;
    return count + walk_generation_backwards(model, head, permanent, limit - count, each, context);
}

uint64_t roots_collected_objects(struct model *model, roots_collected each, void *context) {
    const struct layout *layout = model->layout;
    uint64_t count = model->process.interpreter_count ? 0 : wreck_collected_objects(model, each, context);
    for (size_t i = 0; i < model->process.interpreter_count; i++) {
        remote_address gc = model->process.interpreters[i] + layout->interpreter_gc;
        if (layout->thread_heaps != LAYOUT_NONE) {
            count += mimalloc_collected_objects(model, model->process.interpreters[i], each, context);
            continue;
        }
        for (uint32_t generation = 0; generation < 3; generation++)
            count +=
                walk_generation(model, gc + layout->gc_generations + generation * layout->gc_generation_size,
                                false, each, context);
        walk_generation(model, gc + layout->gc_permanent_generation, true, each, context);
    }
    return count;
}

/* How often a generation was collected; newer versions keep the latest runs of each in a ring. */
static uint64_t collections_of(const struct model *model, remote_address gc, uint32_t generation) {
    const struct layout *layout = model->layout;
    remote_address statistics = gc + layout->gc_statistics;
    uint64_t latest = generation;
    if (layout->gc_statistics_old != LAYOUT_NONE) {
        statistics = model_word(model, statistics);
        uint32_t index = layout->gc_statistics_young_index;
        if (generation > 0) {
            statistics += layout->gc_statistics_old + (generation - 1) * layout->gc_statistics_old_size;
            index = layout->gc_statistics_old_index;
        }
        latest = model_half(model, (statistics + index) & ~3ull) >> ((statistics + index) & 3) * 8 & 0xff;
    }
    return model_word(model,
                      statistics + latest * layout->gc_statistics_size + layout->gc_statistics_collections);
}

void roots_collector_facts(const struct model *model, struct collector_facts *out) {
    const struct layout *layout = model->layout;
    *out = (struct collector_facts){0};
    if (!model->process.interpreter_count)
        return;
    remote_address gc =
        model->process.interpreters[model->process.interpreter_count - 1] + layout->interpreter_gc;
    out->enabled = model_half(model, gc + layout->gc_enabled) != 0;
    for (uint32_t i = 0; i < 3; i++) {
        out->threshold[i] = model_half(model, gc + layout->gc_generations + i * layout->gc_generation_size +
                                                  layout->gc_generation_threshold);
        out->collections[i] = collections_of(model, gc, i);
    }
}
