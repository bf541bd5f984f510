/* Tables of the interpreter that are static variables without a symbol, and what is static data at all. */
#include "cpython/model.h"
#include "memory/elf_file.h"

#include <string.h>

bool model_is_immortal_string(const struct model *model, remote_address object) {
    const struct layout *layout = model->layout;
    uint32_t interned = model_half(model, object + layout->text_state) & layout->text_interned_mask;
    if (layout->object_immortal)
        return interned && model_is_immortal(model, object);
    return interned == (2u << __builtin_ctz(layout->text_interned_mask)); /* SSTATE_INTERNED_IMMORTAL */
}

remote_address model_static_data_end(const struct model *model, const struct memory_segment *segment) {
    remote_address end = elf_file_data_end(&model->image->memory, segment);
    return end > segment->end ? end : segment->end;
}

struct interned_check {
    struct model *model;
    uint32_t entries;
    bool same;
};

static bool check_interned_entry(void *context, const struct dict_entry *entry) {
    struct interned_check *check = context;
    check->same = entry->key == entry->value &&
                  model_half(check->model, entry->key + check->model->layout->text_state) &
                      check->model->layout->text_interned_mask;
    check->entries++;
    return check->same && check->entries < 64;
}

/* Before the table moved into the interpreter it is a static variable without a symbol
 * (Objects/unicodeobject.c: interned): the one dict in the library's data whose keys are its values. */
static bool is_interned_table(struct model *model, remote_address address) {
    uint32_t type = model_object_type(model, address);
    if (type == MODEL_NOT_A_TYPE || model_type(model, type)->walker != WALK_DICT)
        return false;
    struct interned_check check = {model, 0, false};
    model_dict_each(model, address, check_interned_entry, &check);
    return check.same && check.entries == 64;
}

static void find_interned(struct model *model) {
    const struct layout *layout = model->layout;
    const struct memory *memory = &model->image->memory;
    if (!model->process.interpreter_count)
        return;
    if (layout->interpreter_interned != LAYOUT_NONE) {
        remote_address main = model->process.interpreters[model->process.interpreter_count - 1];
        model->interned = model_word(model, main + layout->interpreter_interned);
        return;
    }
    for (size_t i = 0; i < memory->segment_count && !model->interned; i++) {
        const struct memory_segment *segment = &memory->segments[i];
        if (!(segment->flags & SEGMENT_WRITE) || segment->inode != model->process.library->inode)
            continue;
        remote_address end = model_static_data_end(model, segment);
        for (remote_address at = segment->begin; at + 8 <= end && !model->interned; at += 8) {
            remote_address target = model_word(model, at);
            if (target && is_interned_table(model, target))
                model->interned = target;
        }
    }
}

/* A stretch that may be the cache: entries of {version, name, value} one after another. */
struct cache_run {
    remote_address begin;
    uint64_t entries, named;
};

enum { CACHE_ENTRY_SIZE = 24, CACHE_ENTRIES_LEAST = 1024, CACHE_NAMED_LEAST = 64 };

static bool is_cache_entry(struct model *model, remote_address at, bool *named_out) {
    uint64_t version = model_word(model, at), name = model_word(model, at + 8);
    *named_out = false;
    if (version >> 32)
        return false;
    if (!name)
        return model_word(model, at + 16) == 0;
    uint32_t type = model_object_type(model, name);
    if (type == MODEL_NOT_A_TYPE)
        return false;
    *named_out = model_type(model, type)->walker == WALK_TEXT;
    return *named_out || model_type(model, type)->walker == WALK_LEAF; /* None in an emptied entry */
}

static void find_cache_in(struct model *model, remote_address begin, remote_address end) {
    struct cache_run run = {begin, 0, 0};
    for (remote_address at = begin; at + CACHE_ENTRY_SIZE <= end; at += CACHE_ENTRY_SIZE) {
        bool named;
        if (is_cache_entry(model, at, &named)) {
            run.entries++;
            run.named += named;
            continue;
        }
        if (run.entries >= CACHE_ENTRIES_LEAST && run.named >= CACHE_NAMED_LEAST)
            break;
        run = (struct cache_run){at + CACHE_ENTRY_SIZE, 0, 0};
    }
    if (run.entries >= CACHE_ENTRIES_LEAST && run.named >= CACHE_NAMED_LEAST)
        model->type_cache = (struct static_stretch){run.begin, run.begin + run.entries * CACHE_ENTRY_SIZE};
}

/* Objects/listobject.c and Objects/dictobject.c: free_list, an array of 80 objects of which only the first
 * are free; behind them it keeps those that are in use again. */
static void find_free_list(struct model *model, const char *type_name, remote_address begin,
                           remote_address end, struct static_stretch *out) {
    enum { LONGEST = 80, LEAST = 8 };
    remote_address first = 0;
    for (remote_address at = begin; at + 8 <= end; at += 8) {
        remote_address object = model_word(model, at);
        uint32_t type =
            object ? model_find_type(model, model_word(model, object + model->layout->object_type)) : MODEL_NOT_A_TYPE;
        bool right = type != MODEL_NOT_A_TYPE && strcmp(model_type(model, type)->name, type_name) == 0;
        if (right && !first)
            first = at;
        bool ends = !right || at + 16 > end;
        remote_address behind = right ? at + 8 : at;
        if (first && ends && behind - first >= LEAST * 8 && behind - first <= LONGEST * 8 &&
            behind - first > out->end - out->begin)
            *out = (struct static_stretch){first, behind};
        if (!right)
            first = 0;
    }
}

/* Before the cache of attributes and the free lists moved into the interpreter they are static arrays
 * (Objects/typeobject.c: method_cache): stretches of the library's data that read as such. */
static void find_borrowing_tables(struct model *model, const struct memory_segment *segment) {
    const struct layout *layout = model->layout;
    remote_address end = model_static_data_end(model, segment);
    for (remote_address word = 0; word < CACHE_ENTRY_SIZE && layout->interpreter_type_cache == LAYOUT_NONE;
         word += 8)
        if (!model->type_cache.begin)
            find_cache_in(model, segment->begin + word, end);
    if (layout->interpreter_free_lists == LAYOUT_NONE) {
        find_free_list(model, "list", segment->begin, end, &model->free_lists[0]);
        find_free_list(model, "dict", segment->begin, end, &model->free_lists[1]);
    }
}

void model_find_static_tables(struct model *model) {
    const struct memory *memory = &model->image->memory;
    find_interned(model);
    for (size_t i = 0; i < memory->segment_count; i++) {
        const struct memory_segment *segment = &memory->segments[i];
        if (segment->flags & SEGMENT_WRITE && segment->inode == model->process.library->inode)
            find_borrowing_tables(model, segment);
    }
}
