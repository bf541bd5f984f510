/* Learns what the words of an instance are called: from members of the type, and from what is known of C
 * structures. */
#include "cpython/type_words.h"

#include "cpython/fields.h"
#include "cpython/walk.h"

#include <stdlib.h>
#include <string.h>

/* Modules/_ctypes, Objects/structseq.c and others put members here; Include/structmember.h: PyMemberDef. */
enum {
    MEMBER_NAME = 0,
    MEMBER_TYPE = 8,
    MEMBER_OFFSET = 16,
    MEMBER_SIZE = 40,
    MEMBER_OBJECT = 6,
    MEMBER_OBJECT_EX = 16,
    MEMBERS_MAX = 1024,
};

/* Object members of this type alone; a heap type's lie behind the type object (PyHeapType_GET_MEMBERS), but
 * tp_members points to them. Those of a structure sequence are its items. */
static void collect_members(const struct model *model, const void *type, struct type_model *made,
                            struct vector *words) {
    bool sequence = made->walker == WALK_TUPLE && !made->is_python_class;
    remote_address members = word_at(type, model->layout->type_members);
    for (int i = 0; members && i < MEMBERS_MAX; i++) {
        const void *member = image_view(model->image, members + (uint64_t)i * MEMBER_SIZE, MEMBER_SIZE);
        if (!member || !word_at(member, MEMBER_NAME))
            return;
        uint32_t kind = half_at(member, MEMBER_TYPE);
        uint64_t offset = word_at(member, MEMBER_OFFSET);
        if ((kind != MEMBER_OBJECT && kind != MEMBER_OBJECT_EX) || offset % 8 ||
            offset + 8 > (sequence ? MEMBERS_MAX * 8 : made->basic_size))
            continue;
        struct named_word *word = vector_push(words, struct named_word);
        *word = (struct named_word){.offset = (uint32_t)offset,
                                    .slots = made->is_python_class || sequence,
                                    .name = word_at(member, MEMBER_NAME)};
        if (sequence && offset + 8 > made->sequence_size)
            made->sequence_size = (uint32_t)offset + 8;
    }
}

/* Fields of exceptions are reached through getters, so that no member names them
 * (Include/cpython/pyerrors.h). */
static void name_exception_fields(const struct layout *layout, struct vector *words) {
    const struct {
        uint32_t offset;
        const char *name;
    } fields[] = {{layout->exception_args, "args"},
                  {layout->exception_notes, "__notes__"},
                  {layout->exception_traceback, "__traceback__"},
                  {layout->exception_context, "__context__"},
                  {layout->exception_cause, "__cause__"}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        *vector_push(words, struct named_word) =
            (struct named_word){.offset = fields[i].offset, .text = fields[i].name};
}

static struct named_word *word_of(struct vector *words, uint32_t offset) {
    for (size_t i = 0; i < words->count; i++)
        if (vector_items(words, struct named_word)[i].offset == offset)
            return &vector_items(words, struct named_word)[i];
    struct named_word *word = vector_push(words, struct named_word);
    *word = (struct named_word){.offset = offset};
    return word;
}

/* What the members of the type have named keeps its name. */
static void add_known_fields(struct model *model, struct type_model *made, struct vector *words) {
    const struct type_fields *fields =
        made->is_python_class ? NULL : fields_find(made->name, private_size(model->layout, made->basic_size));
    if (!fields)
        return;
    struct field_reader reader = fields_begin(fields);
    while (fields_next(&reader)) {
        uint32_t offset = private_offset(model->layout, reader.offset);
        if (offset + 8 > made->basic_size)
            continue;
        struct named_word *word = word_of(words, offset);
        word->borrowed = reader.borrowed;
        if (!word->name && !word->text)
            word->text = arena_copy_text(&model->arena, reader.name, reader.length);
    }
    made->words_are_all = reader.exact;
}

static int compare_words(const void *a, const void *b) {
    uint32_t first = ((const struct named_word *)a)->offset, second = ((const struct named_word *)b)->offset;
    return (first > second) - (first < second);
}

/* A class of C that adds words to those of its base may own them. */
static void inherit(struct model *model, struct type_model *made, struct vector *words) {
    const struct type_model *base = model_type(model, made->base);
    for (uint32_t i = 0; i < base->word_count; i++)
        *vector_push(words, struct named_word) = base->words[i];
    made->words_are_all =
        base->words_are_all && (made->is_python_class || made->basic_size == base->basic_size);
    made->sequence_size = made->is_python_class ? 0 : base->sequence_size;
    if (made->basic_size >= base->beside_size) { /* else the type is damaged */
        made->beside = base->beside;
        made->beside_size = base->beside_size;
    }
}

void type_words_learn(struct model *model, const void *type, struct type_model *made) {
    struct vector words = {0};
    if (made->base != MAP_ABSENT)
        inherit(model, made, &words);
    collect_members(model, type, made, &words);
    if (!made->heap_type && strcmp(made->name, "BaseException") == 0)
        name_exception_fields(model->layout, &words);
    add_known_fields(model, made, &words);
    walk_function_of_type beside =
        made->is_python_class || made->walked_size > model->layout->object_head
            ? NULL
            : walk_beside_find(made->name, private_size(model->layout, made->basic_size));
    if (beside) {
        made->beside = beside;
        made->beside_size = made->basic_size;
    }
    if (words.count) {
        qsort(words.items, words.count, sizeof(struct named_word), compare_words);
        made->words = arena_new(&model->arena, struct named_word, words.count);
        memcpy(made->words, words.items, words.count * sizeof(struct named_word));
        made->word_count = (uint32_t)words.count;
    }
    vector_deinit(&words);
}
