/* Where an instruction stands in the source, from the table of its code object; three formats. */
#include "agent/agent_stack.h"

#include <string.h>

struct table {
    const uint8_t *next, *end;
};

static const struct agent_position nowhere = {.column = -1, .end_column = -1};

static struct table table_of(const struct agent_layout *layout, const char *code) {
    const char *bytes;
    int64_t length;
    memcpy(&bytes, code + layout->code_line_table, sizeof bytes);
    if (!bytes)
        return (struct table){0};
    memcpy(&length, bytes + layout->bytes_size, sizeof length);
    const uint8_t *data = (const uint8_t *)bytes + layout->bytes_data;
    return (struct table){data, data + length};
}

/* Objects/lnotab_notes.txt (3.9): pairs of unsigned bytes forward and signed lines forward. */
static int64_t line_by_pairs(struct table table, int64_t line, int64_t offset) {
    int64_t address = 0;
    for (; table.next + 1 < table.end; table.next += 2) {
        address += table.next[0];
        if (address > offset)
            break;
        line += (int8_t)table.next[1];
    }
    return line;
}

/* Objects/lnotab_notes.txt (3.10): pairs of the length of a range and its line's difference; -128 is no line. */
static int64_t line_by_ranges(struct table table, int64_t line, int64_t offset) {
    int64_t address = 0;
    for (; table.next + 1 < table.end; table.next += 2) {
        int8_t forward = (int8_t)table.next[1];
        line += forward == -128 ? 0 : forward;
        address += table.next[0];
        if (address > offset)
            return forward == -128 ? 0 : line;
    }
    return line;
}

static uint32_t read_number(struct table *table) {
    uint32_t number = 0;
    for (unsigned shift = 0; table->next < table->end && shift < 30; shift += 6) {
        uint8_t byte = *table->next++;
        number |= (uint32_t)(byte & 63) << shift;
        if (!(byte & 64))
            break;
    }
    return number;
}

static int64_t read_signed(struct table *table) {
    uint32_t number = read_number(table);
    return number & 1 ? -(int64_t)(number >> 1) : (int64_t)(number >> 1);
}

/* The kinds of entries in Objects/locations.md (3.11 on). */
enum { ENTRY_ONE_LINE_0 = 10, ENTRY_ONE_LINE_2 = 12, ENTRY_NO_COLUMNS = 13, ENTRY_LONG = 14, ENTRY_NONE = 15 };

static int64_t forward_of(unsigned kind, struct table *table) {
    if (kind >= ENTRY_ONE_LINE_0 && kind <= ENTRY_ONE_LINE_2)
        return (int64_t)kind - ENTRY_ONE_LINE_0;
    return kind == ENTRY_NO_COLUMNS || kind == ENTRY_LONG ? read_signed(table) : 0;
}

static int32_t read_byte(struct table *table) {
    return table->next < table->end ? *table->next++ : 0;
}

/* The rest of an entry: where the expression ends, and the columns. */
static struct agent_position read_columns(unsigned kind, struct table *table, uint32_t line) {
    struct agent_position position = {line, line, -1, -1};
    if (kind == ENTRY_NO_COLUMNS)
        return position;
    if (kind == ENTRY_LONG) {
        position.end_line += read_number(table);
        position.column = (int32_t)read_number(table) - 1;
        position.end_column = (int32_t)read_number(table) - 1;
        return position;
    }
    int32_t byte = read_byte(table);
    position.column = kind < ENTRY_ONE_LINE_0 ? (int32_t)kind << 3 | byte >> 4 : byte;
    position.end_column = kind < ENTRY_ONE_LINE_0 ? position.column + (byte & 15) : read_byte(table);
    return position;
}

/* Every entry begins with a byte that has the top bit set. */
static struct agent_position position_by_locations(struct table table, int64_t line, int64_t offset) {
    int64_t address = 0;
    while (table.next < table.end) {
        uint8_t head = *table.next++;
        unsigned kind = head >> 3 & 15;
        line += forward_of(kind, &table);
        address += ((head & 7) + 1) * 2;
        if (address > offset)
            return kind == ENTRY_NONE || line <= 0 ? nowhere : read_columns(kind, &table, (uint32_t)line);
        while (table.next < table.end && !(*table.next & 128))
            table.next++;
    }
    return nowhere;
}

static struct agent_position line_alone(int64_t line) {
    struct agent_position position = nowhere;
    position.line = line > 0 ? (uint32_t)line : 0;
    return position;
}

static struct agent_position position_in(struct table table, uint32_t format, int64_t first, int64_t offset) {
    if (format == AGENT_LINE_PAIRS)
        return line_alone(line_by_pairs(table, first, offset));
    if (format == AGENT_LINE_RANGES)
        return line_alone(line_by_ranges(table, first, offset));
    return position_by_locations(table, first, offset);
}

struct agent_position agent_position_of(const struct agent_layout *layout, const char *code, int64_t offset) {
    struct agent_position position = nowhere;
    int32_t first;
    memcpy(&first, code + layout->code_first_line, sizeof first);
    if (offset >= 0)
        position = position_in(table_of(layout, code), layout->line_table_format, first, offset);
    if (!position.line)
        position.line = (uint32_t)first;
    return position;
}

uint32_t agent_lines_hash(const struct agent_layout *layout, const char *code) {
    struct table table = table_of(layout, code);
    uint64_t hash = (uint64_t)(table.end - table.next), word;
    for (; table.end - table.next >= (ptrdiff_t)sizeof word; table.next += sizeof word) {
        memcpy(&word, table.next, sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    for (; table.next < table.end; table.next++)
        hash = (hash ^ *table.next) * 0x100000001b3u;
    return (uint32_t)(hash ^ hash >> 32);
}
