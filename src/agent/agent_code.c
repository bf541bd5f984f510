/* Code objects as the recording has them: one entry for each name, file, first line and table of lines. */
#include "agent/agent_stack.h"

#include <string.h>

enum { NAME_MAX_BYTES = 1000, ADDRESS_SLOTS = 16384, PROBES = 8, VARIANTS_MOST = 8 };

/* Addresses are a cache, by pointer; entries and texts are found by their content, so that code that is compiled
 * again and again takes no room. */
static struct {
    struct {
        const char *code;
        uint32_t index;
    } *addresses;
    uint32_t *codes, *texts; /* slots: index + 1 into WIRE_CODES; offset + 1 of a text of WIRE_TEXTS */
    uint32_t *tables;        /* of each code: the hash of its table of lines */
    uint32_t code_slots, text_slots;
    uint32_t *text_lengths;
} known;

struct name {
    char bytes[NAME_MAX_BYTES];
    uint32_t length;
};

static uint32_t power_of_two_over(uint32_t least) {
    uint32_t size = 1024;
    while (size < least)
        size *= 2;
    return size;
}

size_t agent_code_bytes(void) {
    return known.addresses ? sizeof *known.addresses * ADDRESS_SLOTS + known.code_slots * sizeof *known.codes * 3 / 2 +
                                 known.text_slots * (sizeof *known.texts + sizeof *known.text_lengths)
                           : 0;
}

static bool prepare(void) {
    if (known.addresses)
        return true;
    known.code_slots = power_of_two_over(agent_recording->regions[WIRE_CODES].capacity * 2);
    known.text_slots = known.code_slots * 2;
    known.codes = agent_pages(known.code_slots * sizeof *known.codes);
    known.tables = agent_pages(known.code_slots / 2 * sizeof *known.tables);
    known.texts = agent_pages(known.text_slots * sizeof *known.texts);
    known.text_lengths = agent_pages(known.text_slots * sizeof *known.text_lengths);
    known.addresses = agent_pages(sizeof *known.addresses * ADDRESS_SLOTS);
    return known.codes && known.tables && known.texts && known.text_lengths && known.addresses;
}

/* ---- texts ----------------------------------------------------------------------------------------------- */

static uint32_t put_character(char *to, uint32_t character) {
    if (character < 0x80)
        return to[0] = (char)character, 1;
    uint32_t length = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (uint32_t i = length - 1; i > 0; i--, character >>= 6)
        to[i] = (char)(0x80 | (character & 63));
    to[0] = (char)((length == 2 ? 0xc0 : length == 3 ? 0xe0 : 0xf0) | character);
    return length;
}

static uint32_t character_at(const char *data, uint32_t kind, uint64_t index) {
    uint32_t character = 0;
    memcpy(&character, data + index * kind, kind);
    return character;
}

/* A str in UTF-8 (Include/cpython/unicodeobject.h: PyASCIIObject, PyCompactUnicodeObject); the end of a name that is
 * too long is cut. */
static void read_text(const struct agent_layout *layout, const char *text, struct name *out) {
    out->length = 0;
    uint64_t length = 0;
    uint32_t state = 0;
    if (text) {
        memcpy(&length, text + layout->text_length, sizeof length);
        memcpy(&state, text + layout->text_state, sizeof state);
    }
    if (!(state & layout->text_compact_bit))
        return;
    bool ascii = state & layout->text_ascii_bit;
    const char *data = text + (ascii ? layout->text_ascii_data : layout->text_compact_data);
    uint32_t kind = ascii ? 1 : state >> layout->text_kind_shift & 7;
    for (uint64_t i = 0; i < length && (kind == 1 || kind == 2 || kind == 4) && out->length + 4 <= NAME_MAX_BYTES; i++)
        out->length += put_character(out->bytes + out->length, character_at(data, kind, i));
}

static uint64_t hash_bytes(const char *bytes, uint32_t length) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint32_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return hash ^ hash >> 29;
}

/* The text in WIRE_TEXTS, once; length 0 if there is no room. */
static struct wire_text intern(const struct name *name) {
    struct wire_head *head = agent_recording;
    char *texts = agent_region(head, WIRE_TEXTS);
    uint32_t slot = (uint32_t)hash_bytes(name->bytes, name->length) & (known.text_slots - 1);
    for (uint32_t i = 0; i < known.text_slots && known.texts[slot]; i++, slot = (slot + 1) & (known.text_slots - 1)) {
        uint32_t offset = known.texts[slot] - 1;
        if (known.text_lengths[slot] == name->length && memcmp(texts + offset, name->bytes, name->length) == 0)
            return (struct wire_text){offset, name->length};
    }
    uint32_t offset = known.texts[slot] || !name->length ? UINT32_MAX : agent_region_take(head, WIRE_TEXTS, name->length);
    if (offset == UINT32_MAX)
        return (struct wire_text){0, 0};
    memcpy(texts + offset, name->bytes, name->length);
    agent_region_publish(head, WIRE_TEXTS, name->length);
    known.texts[slot] = offset + 1;
    known.text_lengths[slot] = name->length;
    return (struct wire_text){offset, name->length};
}

/* ---- codes ----------------------------------------------------------------------------------------------- */

static bool same_code(const struct wire_code *a, const struct wire_code *b) {
    return memcmp(a, b, offsetof(struct wire_code, variant)) == 0;
}

/* A program that compiles ever new text as "<string>" has no more than VARIANTS_MOST for all of it. */
static uint32_t code_entry(struct wire_code code, uint32_t table) {
    struct wire_head *head = agent_recording;
    struct wire_code *codes = agent_region(head, WIRE_CODES);
    uint64_t hash = hash_bytes((const char *)&code, sizeof code);
    uint32_t slot = (uint32_t)hash & (known.code_slots - 1);
    for (; known.codes[slot]; slot = (slot + 1) & (known.code_slots - 1)) {
        uint32_t index = known.codes[slot] - 1;
        bool same = same_code(&codes[index], &code);
        if (same && (known.tables[index] == table || codes[index].variant + 1 == VARIANTS_MOST))
            return index;
        code.variant += same;
    }
    uint32_t index = agent_region_take(head, WIRE_CODES, 1);
    if (index == UINT32_MAX)
        return UINT32_MAX;
    codes[index] = code;
    agent_region_publish(head, WIRE_CODES, 1);
    known.codes[slot] = index + 1;
    known.tables[index] = table;
    return index;
}

static struct wire_text intern_words(const char *words) {
    struct name text = {.length = (uint32_t)strnlen(words, NAME_MAX_BYTES)};
    memcpy(text.bytes, words, text.length);
    return intern(&text);
}

/* Python/specialize.c: _Py_InitCleanup, between a class that is called and its __init__, has one name for all. */
bool agent_code_is_bridge(const struct agent_layout *layout, const char *code) {
    uint32_t first_line;
    memcpy(&first_line, code + layout->code_first_line, sizeof first_line);
    return !first_line && !memcmp(code + layout->code_name, code + layout->code_filename, sizeof(void *));
}

uint32_t agent_code_named(const char *name) {
    return prepare() ? code_entry((struct wire_code){.function = intern_words(name)}, 0) : UINT32_MAX;
}

uint32_t agent_code_module(const char *path, const char *build_id) {
    if (!prepare())
        return UINT32_MAX;
    return code_entry((struct wire_code){.function = intern_words(build_id), .file = intern_words(path)}, 0);
}

static uint32_t make_code(const struct agent_layout *layout, const char *code) {
    const char *function, *file;
    int32_t first_line;
    memcpy(&function, code + layout->code_name, sizeof function);
    memcpy(&file, code + layout->code_filename, sizeof file);
    memcpy(&first_line, code + layout->code_first_line, sizeof first_line);
    struct name text;
    struct wire_code made = {.first_line = first_line > 0 ? (uint32_t)first_line : 0};
    read_text(layout, function, &text);
    made.function = intern(&text);
    read_text(layout, file, &text);
    made.file = intern(&text);
    return code_entry(made, agent_lines_hash(layout, code));
}

static uint32_t address_slot(const char *code) {
    return (uint32_t)(((uintptr_t)code >> 4) * 0x9e3779b97f4a7c15u >> 40) & (ADDRESS_SLOTS - 1);
}

uint32_t agent_code_find(const struct agent_layout *layout, const char *code) {
    if (!prepare())
        return UINT32_MAX;
    uint32_t slot = address_slot(code);
    for (uint32_t i = 0; i < PROBES; i++)
        if (known.addresses[(slot + i) & (ADDRESS_SLOTS - 1)].code == code)
            return known.addresses[(slot + i) & (ADDRESS_SLOTS - 1)].index;
    uint32_t index = make_code(layout, code);
    uint32_t free_slot = slot; /* if all are taken, the first makes room */
    for (uint32_t i = 0; i < PROBES; i++)
        if (!known.addresses[(slot + i) & (ADDRESS_SLOTS - 1)].code) {
            free_slot = (slot + i) & (ADDRESS_SLOTS - 1);
            break;
        }
    known.addresses[free_slot].code = code;
    known.addresses[free_slot].index = index;
    return index;
}

void agent_code_forget(const char *code) {
    uint32_t slot = address_slot(code);
    for (uint32_t i = 0; known.addresses && i < PROBES; i++)
        if (known.addresses[(slot + i) & (ADDRESS_SLOTS - 1)].code == code)
            known.addresses[(slot + i) & (ADDRESS_SLOTS - 1)].code = NULL;
}

/* co_code is an object of its own to 3.10, with f_lasti as an index; from 3.11 a pointer into the code object. */
int64_t agent_code_offset(const struct agent_layout *layout, struct agent_call call) {
    if (layout->instruction_scale)
        return (int64_t)call.instruction * layout->instruction_scale;
    return (int64_t)(call.instruction - (uint64_t)(uintptr_t)(call.code + layout->code_bytes));
}
