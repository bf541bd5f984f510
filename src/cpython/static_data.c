/* Tables of the interpreter that are static variables without a symbol, and what is static data at all. */
#include "cpython/model.h"
#include "memory/elf_file.h"

bool model_is_immortal_string(const struct model *model, remote_address object) {
    const struct layout *layout = model->layout;
    uint32_t interned = model_half(model, object + layout->text_state) & layout->text_interned_mask;
    if (layout->object_immortal)
        return interned && (int32_t)model_half(model, object) < 0;
    return interned == (2u << __builtin_ctz(layout->text_interned_mask)); /* SSTATE_INTERNED_IMMORTAL */
}

remote_address model_static_data_end(const struct model *model, const struct memory_segment *segment) {
    uint64_t size = 0;
    remote_address bss = elf_file_section(&model->image->memory, segment, ".bss", &size);
    return bss + size > segment->end && bss <= segment->end ? bss + size : segment->end;
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

static bool find_cache_in(struct model *model, remote_address begin, remote_address end) {
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
    if (run.entries < CACHE_ENTRIES_LEAST || run.named < CACHE_NAMED_LEAST)
        return false;
    model->type_cache_begin = run.begin;
    model->type_cache_end = run.begin + run.entries * CACHE_ENTRY_SIZE;
    return true;
}

/* Before the cache of attributes moved into the interpreter it is a static array (Objects/typeobject.c:
 * method_cache): the longest stretch of the library's data that reads as one. */
static void find_type_cache(struct model *model) {
    const struct memory *memory = &model->image->memory;
    if (model->layout->interpreter_type_cache != LAYOUT_NONE)
        return;
    for (size_t i = 0; i < memory->segment_count && !model->type_cache_begin; i++) {
        const struct memory_segment *segment = &memory->segments[i];
        if (!(segment->flags & SEGMENT_WRITE) || segment->inode != model->process.library->inode)
            continue;
        remote_address end = model_static_data_end(model, segment);
        for (remote_address word = 0; word < CACHE_ENTRY_SIZE; word += 8)
            if (find_cache_in(model, segment->begin + word, end))
                break;
    }
}

void model_find_static_tables(struct model *model) {
    find_interned(model);
    find_type_cache(model);
}
