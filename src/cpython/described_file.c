/* Reads a user's descriptions of foreign C types; the format is in docs/TYPES.md. */
#include "base/vector.h"
#include "cpython/described.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 1 << 20, TYPES_MOST = 4096, FIELDS_MOST = 256, WORDS_MOST = 12, SHOWN_MOST = 40 };

/* The words of one line, and where it stands. */
struct line {
    const char *path;
    unsigned number;
    struct arena *arena; /* of the result */
    struct span words[WORDS_MOST];
    size_t count, next;
};

static struct error *complain(const struct line *line, const char *what, struct span word) {
    int length = word.length > SHOWN_MOST ? SHOWN_MOST : (int)word.length;
    char shown[SHOWN_MOST + 1] = {0};
    for (int i = 0; i < length; i++)
        shown[i] = word.data[i] >= ' ' && word.data[i] <= '~' ? word.data[i] : '?';
    return error_create(STATUS_USAGE, "%s: line %u: %s%s%s%s; the format is in docs/TYPES.md", line->path, line->number,
                        what, word.length ? " \"" : "", shown, word.length ? "\"" : "");
}

static void split_line(struct line *line, struct span text) {
    line->count = line->next = 0;
    for (size_t i = 0; i < text.length && text.data[i] != '#' && line->count < WORDS_MOST;) {
        size_t begin = i;
        while (i < text.length && !strchr(" \t\r#", text.data[i]))
            i++;
        if (i > begin)
            line->words[line->count++] = (struct span){text.data + begin, i - begin};
        else
            i++;
    }
}

static struct span next_word(struct line *line) {
    return line->next < line->count ? line->words[line->next++] : (struct span){0};
}

static struct error *read_number(struct line *line, uint64_t most, uint64_t multiple, uint32_t *out) {
    struct span word = next_word(line);
    char text[24] = {0}, *end = text;
    if (word.length && word.length < sizeof text)
        memcpy(text, word.data, word.length);
    errno = 0;
    unsigned long long number = *text >= '0' && *text <= '9' ? strtoull(text, &end, 0) : 0;
    if (!word.length)
        return complain(line, "a number is missing at the end", word);
    if (end == text || *end || errno || number > most)
        return complain(line, "a number is wanted, not", word);
    if (number % multiple)
        return complain(line, "words stand at multiples of 8, not at", word);
    *out = (uint32_t)number;
    return NULL;
}

/* An offset of a word in an instance or a node. */
static struct error *read_offset(struct line *line, uint16_t *out) {
    enum { OFFSET_MOST = 65000 };
    uint32_t offset;
    TRY(read_number(line, OFFSET_MOST, 8, &offset));
    *out = (uint16_t)offset;
    return NULL;
}

static struct error *expect(struct line *line, const char *wanted) {
    struct span word = next_word(line);
    char what[32];
    snprintf(what, sizeof what, "\"%s\" is wanted%s", wanted, word.length ? ", not" : " at the end");
    return span_is(word, wanted) ? NULL : complain(line, what, word);
}

/* Names get into reports: identifiers and dots, no more. */
static struct error *read_name(struct line *line, const char **out) {
    struct span word = next_word(line);
    if (!word.length)
        return complain(line, "a name is missing at the end", word);
    for (size_t i = 0; i < word.length; i++) {
        char at = word.data[i];
        bool good = (at >= 'a' && at <= 'z') || (at >= 'A' && at <= 'Z') || (at >= '0' && at <= '9') || at == '_' || at == '.';
        if (!good || word.length > 200)
            return complain(line, "a name is made of letters, digits, _ and dots, unlike", word);
    }
    *out = arena_copy_text(line->arena, word.data, word.length);
    return NULL;
}

static struct error *read_objects(struct line *line, struct described_field *field) {
    TRY(expect(line, "count"));
    TRY(read_offset(line, &field->count));
    field->unit = 8;
    return read_name(line, &field->name);
}

static struct error *read_list(struct line *line, struct described_field *field) {
    TRY(expect(line, "next"));
    TRY(read_offset(line, &field->count));
    TRY(expect(line, "object"));
    TRY(read_offset(line, &field->flag));
    TRY(expect(line, "size"));
    TRY(read_number(line, 1 << 20, 1, &field->more));
    return read_name(line, &field->name);
}

static struct error *read_block(struct line *line, struct described_field *field) {
    struct span word = next_word(line);
    if (span_is(word, "bytes")) {
        field->count = FIELD_NO_COUNT;
        return read_number(line, 1u << 30, 1, &field->unit);
    }
    if (!span_is(word, "count"))
        return complain(line, "\"count\" or \"bytes\" is wanted, not", word);
    TRY(read_offset(line, &field->count));
    TRY(expect(line, "unit"));
    return read_number(line, 1 << 20, 1, &field->unit);
}

/* `keep_out` is false for a word that is told only so that a reader knows: it is no reference. */
static struct error *read_field(struct line *line, struct span kind, struct described_field *field, bool *keep_out) {
    static const struct {
        const char *word;
        enum field_kind kind;
        struct error *(*read)(struct line *line, struct described_field *field);
    } kinds[] = {{"objects", FIELD_OBJECTS, read_objects}, {"list", FIELD_LIST, read_list}, {"block", FIELD_BLOCK, read_block}};
    *keep_out = true;
    *field = (struct described_field){.kind = FIELD_OBJECT};
    bool borrowed = span_is(kind, "borrowed"), text = span_is(kind, "text");
    size_t at = 0, count = sizeof kinds / sizeof *kinds;
    while (at < count && !span_is(kind, kinds[at].word))
        at++;
    if (at == count && !borrowed && !text && !span_is(kind, "object"))
        return complain(line, "no such field (object, borrowed, objects, list, block, text):", kind);
    TRY(read_offset(line, &field->offset));
    if (field->offset < 16)
        return complain(line, "the first 16 bytes of an object are its head", (struct span){0});
    *keep_out = !borrowed;
    if (text)
        field->kind = FIELD_TEXT;
    if (at == count)
        return text ? NULL : read_name(line, &field->name);
    field->kind = (uint8_t)kinds[at].kind;
    return kinds[at].read(line, field);
}

static struct error *read_type(struct line *line, struct described_type *type) {
    *type = (struct described_type){.references = true};
    TRY(read_name(line, &type->name));
    if (line->next == line->count)
        return NULL;
    TRY(expect(line, "size"));
    return read_number(line, 65000, 1, &type->basic_size);
}

/* Types and fields as they come; a type's fields are copied to the arena when the next one begins. */
struct collection {
    struct vector types, fields;
};

static void finish_type(struct collection *all, struct arena *arena) {
    if (!all->types.count || !all->fields.count)
        return;
    struct described_type *type = &vector_items(&all->types, struct described_type)[all->types.count - 1];
    struct described_field *fields = arena_new(arena, struct described_field, all->fields.count);
    memcpy(fields, all->fields.items, all->fields.count * sizeof *fields);
    type->fields = fields;
    type->field_count = (uint32_t)all->fields.count;
    all->fields.count = 0;
}

static struct error *read_line(struct line *line, struct collection *all) {
    struct span kind = next_word(line);
    bool keep;
    if (span_is(kind, "type")) {
        if (all->types.count == TYPES_MOST)
            return complain(line, "too many types", (struct span){0});
        finish_type(all, line->arena);
        TRY(read_type(line, vector_push(&all->types, struct described_type)));
    } else if (!all->types.count) {
        return complain(line, "a type is wanted before", kind);
    } else {
        struct described_field field;
        TRY(read_field(line, kind, &field, &keep));
        if (all->fields.count == FIELDS_MOST)
            return complain(line, "too many fields", (struct span){0});
        if (keep)
            *vector_push(&all->fields, struct described_field) = field;
    }
    return line->next < line->count ? complain(line, "too many words:", next_word(line)) : NULL;
}

static struct error *read_lines(const char *path, struct span text, struct arena *arena, struct collection *all) {
    struct line line = {.path = path, .arena = arena};
    struct error *error = NULL;
    for (size_t begin = 0; !error && begin < text.length;) {
        const char *end = memchr(text.data + begin, '\n', text.length - begin);
        size_t length = end ? (size_t)(end - text.data) - begin : text.length - begin;
        line.number++;
        split_line(&line, (struct span){text.data + begin, length});
        if (line.count)
            error = read_line(&line, all);
        begin += length + 1;
    }
    finish_type(all, arena);
    return error;
}

static struct error *read_text(const char *path, struct arena *arena, struct span *out) {
    FILE *file = fopen(path, "re");
    if (!file)
        return error_from_errno(STATUS_USAGE, "cannot read the types in %s", path);
    char *text = arena_new(arena, char, FILE_MOST + 1);
    errno = 0;
    size_t length = fread(text, 1, FILE_MOST + 1, file);
    bool failed = ferror(file);
    struct error *error = failed ? error_from_errno(STATUS_USAGE, "cannot read the types in %s", path) : NULL;
    fclose(file);
    if (!error && length > FILE_MOST)
        error = error_create(STATUS_USAGE, "%s: over 1 MiB is no file of types", path);
    *out = (struct span){text, length};
    return error;
}

struct error *described_read(const char *path, struct described_types **out) {
    struct arena arena = {0}, scratch = {0};
    struct collection all = {0};
    struct span text = {0};
    *out = NULL;
    struct error *error = read_text(path, &scratch, &text);
    if (!error)
        error = read_lines(path, text, &arena, &all);
    if (!error) {
        struct described_type *types = arena_new(&arena, struct described_type, all.types.count + 1);
        if (all.types.count)
            memcpy(types, all.types.items, all.types.count * sizeof *types);
        struct described_types *result = arena_new(&arena, struct described_types, 1);
        *result = (struct described_types){types, all.types.count, arena};
        *out = result;
    } else {
        arena_deinit(&arena);
    }
    vector_deinit(&all.types);
    vector_deinit(&all.fields);
    arena_deinit(&scratch);
    return error;
}

void described_close(struct described_types *types) {
    if (!types)
        return;
    struct arena arena = types->arena; /* which `types` itself lies in */
    arena_deinit(&arena);
}
