/* Finds the objects of a heap whose interpreter is lost: the collector's links say of each that it is one. */
#include "cpython/wreck.h"

#include "memory/elf_file.h"

#include <stdio.h>
#include <string.h>

enum { PAGE_BYTES = 1 << IMAGE_PAGE_BITS, LINKED_LEAST = 100 };

/* The newest row of the default build that the library is named after: "libpython3.10.so.1.0". */
static const struct layout *row_by_name(const struct memory_segment *library) {
    size_t count;
    const struct layout *rows = layout_rows(&count), *found = NULL;
    for (size_t i = 0; i < count; i++) {
        char name[24];
        snprintf(name, sizeof name, "python%u.%u", rows[i].version >> 24, rows[i].version >> 16 & 0xff);
        const char *place = strstr(library->path, name);
        bool named = place && !(place[strlen(name)] >= '0' && place[strlen(name)] <= '9');
        if (named && !rows[i].build && (!found || rows[i].version > found->version))
            found = &rows[i];
    }
    return found;
}

bool wreck_recognise(const struct memory *memory, struct python_process *process) {
    uint64_t version = 0;
    if (!process->library)
        return false;
    remote_address symbol = elf_file_symbol(memory, process->library, "Py_Version");
    bool told = symbol && memory_read_word(memory, symbol, &version);
    process->layout = told ? layout_find((uint32_t)version) : symbol ? NULL : row_by_name(process->library);
    if (!process->layout || process->layout->thread_heaps != LAYOUT_NONE)
        return false;
    process->version = told ? (uint32_t)version : process->layout->version;
    snprintf(process->version_text, sizeof process->version_text, told ? "%u.%u.%u" : "%u.%u", process->version >> 24,
             process->version >> 16 & 0xff, process->version >> 8 & 0xff);
    process->interpreter_count = 0;
    return true;
}

/* Of the two neighbours in its list one points back, or both are lost. */
static bool is_linked(const struct model *model, remote_address head, const unsigned char *bytes) {
    remote_address next = word_at(bytes, 0) & ~3ull, previous = word_at(bytes, 8) & ~3ull;
    if (!next || !previous || next == head)
        return false;
    const void *behind = image_view(model->image, next, GC_HEAD), *before = image_view(model->image, previous, GC_HEAD);
    if (behind && (word_at(behind, 8) & ~3ull) == head)
        return true;
    if (before && (word_at(before, 0) & ~3ull) == head)
        return true;
    return !behind && !before && memory_find_segment(&model->image->memory, next) &&
           memory_find_segment(&model->image->memory, previous);
}

/* The type of the collected object behind `head`, or MODEL_NOT_A_TYPE. */
static uint32_t type_behind(struct model *model, remote_address head, const unsigned char *bytes) {
    if (!word_at(bytes, 0) || !model_refcount(model->layout, bytes + GC_HEAD) || !is_linked(model, head, bytes))
        return MODEL_NOT_A_TYPE;
    uint32_t type = model_object_type(model, head + GC_HEAD);
    return type != MODEL_NOT_A_TYPE && model_type(model, type)->collected ? type : MODEL_NOT_A_TYPE;
}

typedef bool (*wreck_object)(void *context, remote_address object, uint32_t type);

static bool each_in_page(struct model *model, remote_address page, wreck_object each, void *context) {
    for (remote_address head = page; head < page + PAGE_BYTES; head += 16) {
        const unsigned char *bytes = image_view(model->image, head, GC_HEAD + OBJECT_HEAD);
        uint32_t type = bytes ? type_behind(model, head, bytes) : MODEL_NOT_A_TYPE;
        if (type != MODEL_NOT_A_TYPE && !each(context, head + GC_HEAD, type))
            return false;
    }
    return true;
}

/* Blocks are aligned to sixteen bytes. */
static void each_object(struct model *model, wreck_object each, void *context) {
    const struct image *image = model->image;
    for (size_t i = 0; i < image->run_count; i++) {
        const struct image_run *run = &image->runs[i];
        if (!(run->segment->flags & SEGMENT_WRITE) || (run->segment->flags & SEGMENT_SHARED))
            continue;
        for (remote_address page = run->begin; page < run->end; page += PAGE_BYTES)
            if (!each_in_page(model, page, each, context))
                return;
    }
}

struct collected_walk {
    roots_collected each;
    void *context;
    uint64_t count;
};

static bool take_collected(void *context, remote_address object, uint32_t type) {
    struct collected_walk *walk = context;
    (void)type;
    walk->each(walk->context, object, false);
    walk->count++;
    return true;
}

uint64_t wreck_collected_objects(struct model *model, roots_collected each, void *context) {
    struct collected_walk walk = {each, context, 0};
    each_object(model, take_collected, &walk);
    return walk.count;
}

/* --- modules --- */

struct modules_walk {
    struct model *model;
    struct root_visitor *visitor; /* NULL: only asked whether there is one */
    uint64_t count;
};

static bool take_module(void *context, remote_address object, uint32_t type) {
    struct modules_walk *walk = context;
    struct model *model = walk->model;
    if (model_type(model, type)->walker != WALK_MODULE)
        return true;
    remote_address name = model_word(model, object + model->layout->module_name);
    uint32_t namespace = model_object_type(model, model_word(model, object + model->layout->module_dict));
    if (!model_text(model, name).length || namespace == MODEL_NOT_A_TYPE ||
        model_type(model, namespace)->walker != WALK_DICT)
        return true;
    walk->count++;
    if (!walk->visitor)
        return false;
    visit(&walk->visitor->references, object, REFERENCE_KEY, label_object(name));
    return true;
}

static bool count_object(void *context, remote_address object, uint32_t type) {
    uint32_t *count = context;
    (void)object, (void)type;
    return ++*count < LINKED_LEAST;
}

bool wreck_fits(struct model *model) {
    struct modules_walk walk = {model, NULL, 0};
    uint32_t count = 0;
    each_object(model, count_object, &count);
    if (count < LINKED_LEAST)
        each_object(model, take_module, &walk);
    return count == LINKED_LEAST || walk.count > 0;
}

void wreck_visit_modules(struct model *model, struct root_visitor *visitor) {
    struct modules_walk walk = {model, visitor, 0};
    visitor->holder = visitor->open(visitor, HOLDER_NONE, HOLDER_MODULES, SPAN("modules"));
    each_object(model, take_module, &walk);
}
