/* Reads the words of a process: text, small integers, dict entries, places in source files. */
#include "cpython/model.h"

#include <string.h>

/* The longest text that is worth reading as a name. */
enum { TEXT_MAX = 4096 };

struct span model_text(const struct model *model, remote_address object) {
    const struct layout *layout = model->layout;
    const void *head = image_view(model->image, object, layout->text_ascii_size);
    if (!head)
        return (struct span){0};
    uint64_t length = word_at(head, layout->text_length);
    uint32_t state = half_at(head, layout->text_state);
    remote_address data = object + layout->text_ascii_size;
    if (!(state & layout->text_ascii_bit) || !(state & layout->text_compact_bit)) {
        data = model_word(model, object + layout->text_utf8);
        length = model_word(model, object + layout->text_utf8_length);
    }
    if (!data || length == 0 || length > TEXT_MAX)
        return (struct span){0};
    const char *bytes = image_view(model->image, data, length);
    return (struct span){bytes, bytes ? length : 0};
}

struct span model_remote_text(const struct model *model, remote_address address) {
    for (size_t length = 64; length <= 512; length *= 2) {
        /* near the end of a page run fewer bytes may be there than asked for */
        size_t room = length;
        const char *bytes = image_view(model->image, address, room);
        while (!bytes && room > 1)
            bytes = image_view(model->image, address, --room);
        if (!bytes)
            break;
        const char *end = memchr(bytes, 0, room);
        if (end)
            return (struct span){bytes, (size_t)(end - bytes)};
    }
    return (struct span){0};
}

bool model_integer(struct model *model, remote_address object, int64_t *out) {
    uint32_t type = model_object_type(model, object);
    if (type == MODEL_NOT_A_TYPE || model_type(model, type)->walker != WALK_LONG)
        return false;
    const struct layout *layout = model->layout;
    const void *bytes = image_view(model->image, object, layout->long_digits + 2 * layout->long_digit_size);
    if (!bytes)
        return false;
    int64_t count, sign;
    if (layout->long_tag !=
        LAYOUT_NONE) { /* Include/internal/pycore_long.h: two sign bits, count above bit 3 */
        uint64_t tag = word_at(bytes, layout->long_tag);
        count = (int64_t)(tag >> 3);
        sign = 1 - (int64_t)(tag & 3);
    } else {
        int64_t size = (int64_t)word_at(bytes, layout->object_size);
        count = size < 0 ? (int64_t)(0 - (uint64_t)size) : size;
        sign = size < 0 ? -1 : 1;
    }
    if (count < 0 || count > 2)
        return false;
    int64_t value = 0;
    if (count > 0)
        value = half_at(bytes, layout->long_digits);
    if (count > 1)
        value |= (int64_t)half_at(bytes, layout->long_digits + layout->long_digit_size) << 30;
    *out = sign * value;
    return true;
}

static struct span label_of_object(struct model *model, remote_address object, struct arena *arena) {
    uint32_t type = model_object_type(model, object);
    if (type == MODEL_NOT_A_TYPE)
        return (struct span){0};
    int64_t number;
    if (model_type(model, type)->walker == WALK_TEXT)
        return model_text(model, object);
    if (model_integer(model, object, &number))
        return span_from_text(arena_format(arena, "%lld", (long long)number));
    return (struct span){0};
}

struct span model_label(struct model *model, struct reference_label label, struct arena *arena) {
    switch (label.kind) {
    case LABEL_TEXT: return span_from_text((const char *)(uintptr_t)label.value);
    case LABEL_OBJECT: return label_of_object(model, label.value, arena);
    case LABEL_REMOTE_TEXT: return model_remote_text(model, label.value);
    case LABEL_INDEX:
    case LABEL_NONE: break;
    }
    return (struct span){0};
}

struct wanted_key {
    const struct model *model;
    struct span key;
    remote_address value;
};

static bool is_wanted_key(void *context, const struct dict_entry *entry) {
    struct wanted_key *wanted = context;
    if (!span_equal(model_text(wanted->model, entry->key), wanted->key))
        return true;
    wanted->value = entry->value;
    return false;
}

remote_address model_dict_get(struct model *model, remote_address dict, const char *key) {
    struct wanted_key wanted = {model, span_from_text(key), 0};
    model_dict_each(model, dict, is_wanted_key, &wanted);
    return wanted.value;
}

bool model_code_place(const struct model *model, remote_address code, struct code_place *out) {
    const struct layout *layout = model->layout;
    const void *bytes = image_view(model->image, code, layout->code_bytes);
    if (!bytes)
        return false;
    out->file = model_text(model, word_at(bytes, layout->code_filename));
    uint32_t name = layout->code_qualname == LAYOUT_NONE ? layout->code_name : layout->code_qualname;
    out->name = model_text(model, word_at(bytes, name));
    out->line = (int32_t)half_at(bytes, layout->code_first_line);
    return true;
}

remote_address model_running_code(const struct model *model, remote_address object, enum walker walker) {
    const struct layout *layout = model->layout;
    switch (walker) {
    case WALK_CODE: return object;
    case WALK_FUNCTION: return model_word(model, object + layout->function_code);
    case WALK_GENERATOR:
        if (layout->generator_code != LAYOUT_NONE)
            return model_word(model, object + layout->generator_code);
        return model_frame_code(model, object + layout->generator_frame);
    case WALK_FRAME:
        if (layout->frame_object_frame == LAYOUT_NONE)
            return model_frame_code(model, object);
        return model_frame_code(model, model_word(model, object + layout->frame_object_frame));
    default: return 0;
    }
}
