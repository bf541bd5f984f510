/* What every memory source shares: its segments by address, and text. */
#include "memory/memory.h"

#include <string.h>

const struct memory_segment *memory_find_segment(const struct memory *memory, remote_address address) {
    size_t low = 0, high = memory->segment_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct memory_segment *segment = &memory->segments[middle];
        if (address < segment->begin)
            high = middle;
        else if (address >= segment->end)
            low = middle + 1;
        else
            return segment;
    }
    return NULL;
}

/* Pieces end at multiples of their size, so that no read touches a page beyond the NUL's. */
bool memory_read_text(const struct memory *memory, remote_address address, size_t capacity, char *out) {
    enum { PIECE = 64 };
    size_t length = 0;
    while (length < capacity) {
        remote_address at;
        if (__builtin_add_overflow(address, length, &at))
            return false;
        size_t piece = PIECE - at % PIECE;
        if (piece > capacity - length)
            piece = capacity - length;
        if (!memory_read(memory, at, piece, out + length))
            return false;
        if (memchr(out + length, '\0', piece))
            return true;
        length += piece;
    }
    return false;
}
