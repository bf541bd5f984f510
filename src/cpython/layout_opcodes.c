/* Rows of opcodes, and tables of lines: what changes with the version. */
#include "cpython/layout_opcodes.h"

#include <stddef.h>

static const struct opcode_row rows[] = {
#include "cpython/layout_opcodes_rows.h"
};

const struct opcode_row *layout_opcodes(uint32_t version) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].version >> 16 == version >> 16)
            return &rows[i];
    return NULL;
}

struct line_table {
    const unsigned char *next, *end;
};

/* Objects/lnotab_notes.txt of 3.9: pairs of bytes of code and lines, the latter signed. */
static int32_t line_by_pairs(struct line_table table, int32_t line, int64_t offset) {
    int64_t address = 0;
    for (; table.end - table.next >= 2; table.next += 2) {
        address += table.next[0];
        if (address > offset)
            break;
        line += (signed char)table.next[1];
    }
    return line;
}

/* Objects/lnotab_notes.txt of 3.10: the length of a range and the difference of its line; -128: it has none. */
static int32_t line_by_ranges(struct line_table table, int32_t line, int64_t offset) {
    int64_t address = 0;
    for (; table.end - table.next >= 2; table.next += 2) {
        signed char difference = (signed char)table.next[1];
        address += table.next[0];
        line += difference == -128 ? 0 : difference;
        if (address > offset)
            return difference == -128 ? 0 : line;
    }
    return 0;
}

/* Six bits in each byte, the lowest first; bit 6 says that there are more. */
static uint32_t read_varint(struct line_table *table) {
    uint32_t value = 0;
    for (unsigned shift = 0; table->next < table->end && shift < 32; shift += 6) {
        unsigned char byte = *table->next++;
        value |= (uint32_t)(byte & 63) << shift;
        if (!(byte & 64))
            break;
    }
    return value;
}

static int32_t read_signed(struct line_table *table) {
    uint32_t value = read_varint(table);
    return value & 1 ? -(int32_t)(value >> 1) : (int32_t)(value >> 1);
}

/* Objects/locations.md: entries begin with a byte that has the top bit, a kind and the length in code units. */
static int32_t line_by_locations(struct line_table table, int32_t line, int64_t offset) {
    enum { KIND_ONE_LINE = 10, KIND_NO_COLUMNS = 13, KIND_LONG = 14, KIND_NONE = 15 };
    int64_t address = 0;
    while (table.next < table.end) {
        unsigned char head = *table.next++;
        unsigned kind = head >> 3 & 15;
        if (kind == KIND_LONG || kind == KIND_NO_COLUMNS)
            line += read_signed(&table);
        else if (kind >= KIND_ONE_LINE && kind < KIND_NO_COLUMNS)
            line += (int32_t)kind - KIND_ONE_LINE;
        address += ((head & 7) + 1) * 2;
        if (address > offset)
            return kind == KIND_NONE ? 0 : line;
        while (table.next < table.end && !(*table.next & 128))
            table.next++;
    }
    return 0;
}

int32_t layout_line(uint32_t version, const unsigned char *table, uint64_t length, int32_t first_line, int64_t offset) {
    struct line_table lines = {table, table + length};
    if (version < 0x030a0000)
        return line_by_pairs(lines, first_line, offset);
    if (version < 0x030b0000)
        return line_by_ranges(lines, first_line, offset);
    return line_by_locations(lines, first_line, offset);
}
