/* The tables that tell how functions are left: .eh_frame_hdr, which is sorted by address, and the entries of
 * .eh_frame that it points to (Linux Standard Base, Core, chapter 10.6). */
#include "agent/agent_native.h"

#include <string.h>

enum { ENTRY_BYTES = 16 << 10, COMMON_BYTES = 512, ROWS_AT_ONCE = 64 };

/* Encodings of pointers: the low half is the form, the high half what it is relative to. */
enum { FORM = 0x0f, FORM_ADDRESS = 0x00, FORM_U4 = 0x03, FORM_U8 = 0x04, FORM_S4 = 0x0b, FORM_S8 = 0x0c };
enum { RELATIVE = 0x70, RELATIVE_HERE = 0x10, TABLE_ENCODING = 0x3b, NOTHING = 0xff };

struct row {
    int32_t function, entry; /* from the table's begin */
};

struct record {
    uintptr_t address; /* of the bytes */
    const uint8_t *at, *end;
};

uint64_t agent_unwind_unsigned(const uint8_t **at, const uint8_t *end) {
    uint64_t number = 0;
    for (unsigned shift = 0; *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        if (shift < 64)
            number |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128))
            return number;
    }
    return number;
}

int64_t agent_unwind_signed(const uint8_t **at, const uint8_t *end) {
    uint64_t number = 0;
    for (unsigned shift = 0; *at < end;) {
        uint8_t byte = *(*at)++;
        if (shift < 64)
            number |= (uint64_t)(byte & 127) << shift;
        shift += 7;
        if (!(byte & 128)) {
            if (byte & 64 && shift < 64)
                number |= ~(uint64_t)0 << shift;
            break;
        }
    }
    return (int64_t)number;
}

/* ---- .eh_frame_hdr ----------------------------------------------------------------------------------------- */

static size_t first_row(const struct agent_object *object, uint32_t *count_out) {
    uint8_t head[12];
    *count_out = 0;
    if (!object->table || object->table_size < sizeof head || !agent_memory_read(object->table, head, sizeof head) ||
        head[0] != 1 || (head[1] & FORM) != FORM_S4 || head[2] != FORM_U4 || head[3] != TABLE_ENCODING)
        return 0;
    memcpy(count_out, head + 8, sizeof *count_out);
    uint64_t room = (object->table_size - sizeof head) / sizeof(struct row);
    *count_out = *count_out < room ? *count_out : (uint32_t)room;
    return object->table + sizeof head;
}

/* The last row of a function that does not begin behind the address. */
static bool find_row(const struct agent_object *object, uintptr_t address, struct row *out) {
    struct row rows[ROWS_AT_ONCE];
    uint32_t low = 0, high;
    uintptr_t first = first_row(object, &high);
    int64_t wanted = (int64_t)(address - object->table);
    while (high - low > ROWS_AT_ONCE) {
        uint32_t middle = low + (high - low) / 2;
        if (!agent_memory_read(first + middle * sizeof *rows, rows, sizeof *rows))
            return false;
        if (rows[0].function <= wanted)
            low = middle;
        else
            high = middle;
    }
    if (high == low || !agent_memory_read(first + low * sizeof *rows, rows, (high - low) * sizeof *rows))
        return false;
    uint32_t found = 0;
    while (found < high - low && rows[found].function <= wanted)
        found++;
    *out = rows[found ? found - 1 : 0];
    return found;
}

/* ---- .eh_frame --------------------------------------------------------------------------------------------- */

static bool read_record(uintptr_t address, uint8_t *bytes, size_t room, struct record *out) {
    uint32_t length;
    if (!agent_memory_read(address, &length, sizeof length) || length < 8 || length > room ||
        !agent_memory_read(address + sizeof length, bytes, length))
        return false;
    *out = (struct record){address + sizeof length, bytes, bytes + length};
    return true;
}

static uint64_t take_bytes(struct record *record, size_t size) {
    uint64_t number = 0;
    if (size > (size_t)(record->end - record->at)) {
        record->at = record->end;
        return 0;
    }
    memcpy(&number, record->at, size);
    record->at += size;
    record->address += size;
    return number;
}

static size_t form_size(uint8_t encoding) {
    uint8_t form = encoding & FORM;
    if (encoding == NOTHING)
        return 0;
    return form == FORM_U4 || form == FORM_S4 ? 4 : form == FORM_ADDRESS || form == FORM_U8 || form == FORM_S8 ? 8 : 0;
}

static uintptr_t take_pointer(struct record *record, uint8_t encoding) {
    uintptr_t here = (encoding & RELATIVE) == RELATIVE_HERE ? record->address : 0;
    uint64_t number = take_bytes(record, form_size(encoding));
    return here + ((encoding & FORM) == FORM_S4 ? (uint64_t)(int64_t)(int32_t)number : number);
}

static uint64_t take_unsigned(struct record *record) {
    const uint8_t *begin = record->at;
    uint64_t number = agent_unwind_unsigned(&record->at, record->end);
    record->address += (uintptr_t)(record->at - begin);
    return number;
}

/* What the letters of the augmentation say, "zPLR" for example; false if they are not known. */
static bool read_augmentation(const char *letters, struct record record, struct agent_unwind_entry *out, uint8_t *encoding) {
    for (; *letters; letters++) {
        if (*letters == 'R')
            *encoding = (uint8_t)take_bytes(&record, 1);
        else if (*letters == 'P')
            take_bytes(&record, form_size((uint8_t)take_bytes(&record, 1)));
        else if (*letters == 'L')
            take_bytes(&record, 1);
        else if (*letters == 'S')
            out->is_signal = true;
        else if (*letters != 'B')
            return false;
    }
    return true;
}

static bool read_common(uintptr_t address, struct agent_unwind_entry *out, uint8_t *encoding) {
    static uint8_t bytes[COMMON_BYTES];
    struct record record;
    if (!read_record(address, bytes, sizeof bytes, &record) || take_bytes(&record, 4) != 0)
        return false;
    uint64_t format = take_bytes(&record, 1);
    const char *letters = (const char *)record.at;
    const uint8_t *letters_end = memchr(record.at, 0, (size_t)(record.end - record.at));
    if (format == 0 || format > 3 || !letters_end || letters[0] != 'z')
        return false;
    record.at = letters_end + 1;
    out->code_factor = agent_unwind_unsigned(&record.at, record.end);
    out->data_factor = agent_unwind_signed(&record.at, record.end);
    out->return_register = format == 1 ? take_bytes(&record, 1) : agent_unwind_unsigned(&record.at, record.end);
    uint64_t length = agent_unwind_unsigned(&record.at, record.end);
    if (length > (uint64_t)(record.end - record.at) || !read_augmentation(letters + 1, record, out, encoding))
        return false;
    out->common = record.at + length;
    out->common_end = record.end;
    return true;
}

static bool read_entry(uintptr_t address, struct agent_unwind_entry *out) {
    static uint8_t bytes[ENTRY_BYTES];
    struct record record;
    uint8_t encoding = FORM_ADDRESS;
    if (!read_record(address, bytes, sizeof bytes, &record))
        return false;
    uintptr_t field = record.address;
    uint64_t back = take_bytes(&record, 4);
    if (!back || !read_common(field - back, out, &encoding))
        return false;
    out->begin = take_pointer(&record, encoding);
    out->end = out->begin + take_pointer(&record, encoding & FORM);
    uint64_t length = take_unsigned(&record);
    if (length > (uint64_t)(record.end - record.at))
        return false;
    out->own = record.at + length;
    out->own_end = record.end;
    return true;
}

bool agent_unwind_entry_find(const struct agent_object *object, uintptr_t address, struct agent_unwind_entry *out) {
    struct row row;
    *out = (struct agent_unwind_entry){0};
    return find_row(object, address, &row) && read_entry(object->table + (uintptr_t)(intptr_t)row.entry, out) &&
           address >= out->begin && address < out->end;
}
