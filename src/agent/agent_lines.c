/* The line of an instruction, from the line table of its code object; three formats. */
#include "agent/agent_stack.h"

#include <string.h>

struct table {
    const uint8_t *next, *end;
};

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

/* Every entry begins with a byte that has the top bit set; what lies between are its columns. */
static int64_t line_by_locations(struct table table, int64_t line, int64_t offset) {
    int64_t address = 0;
    while (table.next < table.end) {
        uint8_t head = *table.next++;
        unsigned kind = head >> 3 & 15;
        line += forward_of(kind, &table);
        address += ((head & 7) + 1) * 2;
        if (address > offset)
            return kind == ENTRY_NONE ? 0 : line;
        while (table.next < table.end && !(*table.next & 128))
            table.next++;
    }
    return line;
}

uint32_t agent_line_of(const struct agent_layout *layout, const char *code, int64_t offset) {
    const char *bytes;
    int32_t first;
    memcpy(&bytes, code + layout->code_line_table, sizeof bytes);
    memcpy(&first, code + layout->code_first_line, sizeof first);
    if (!bytes || offset < 0)
        return (uint32_t)first;
    int64_t length, line;
    memcpy(&length, bytes + layout->bytes_size, sizeof length);
    const uint8_t *data = (const uint8_t *)bytes + layout->bytes_data;
    struct table table = {data, data + length};
    if (layout->line_table_format == AGENT_LINE_PAIRS)
        line = line_by_pairs(table, first, offset);
    else if (layout->line_table_format == AGENT_LINE_RANGES)
        line = line_by_ranges(table, first, offset);
    else
        line = line_by_locations(table, first, offset);
    return line > 0 ? (uint32_t)line : (uint32_t)first;
}
