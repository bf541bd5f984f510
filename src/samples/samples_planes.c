/* Recordings in planes: the same bytes in an order that packs several times better. */
#include "samples/samples.h"

#include <string.h>

enum { ENTRY_MOST = 1024, WORD = sizeof(uint32_t), WORDS_DIFFERING = 32 };

#define PLANES_MAGIC "CAULKPLN"

/* Words of an entry that are mostly near those of the entry before: they are kept as differences. Bit n is word n. */
static const uint32_t differing[WIRE_REGIONS] = {
    [WIRE_PLACES] = 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5, /* code, address, line, end_line */
    [WIRE_FRAMES] = 1 << 0 | 1 << 1,                   /* parent, place */
    [WIRE_STACKS] = 1 << 0,                            /* frame */
};

/* Small differences of either sign become small numbers. */
static uint32_t fold(uint32_t difference) {
    return difference << 1 ^ -(difference >> 31);
}

static uint32_t unfold(uint32_t folded) {
    return folded >> 1 ^ -(folded & 1);
}

/* Byte b of all entries lies behind byte b - 1 of all entries. */
static void region_to_planes(const char *entries, uint32_t count, uint32_t size, uint32_t words, char *planes) {
    uint32_t entry[ENTRY_MOST / WORD] = {0}, before[WORDS_DIFFERING] = {0};
    for (uint32_t i = 0; i < count; i++) {
        memcpy(entry, entries + (size_t)i * size, size);
        for (uint32_t left = words; left; left &= left - 1) {
            uint32_t *word = &entry[__builtin_ctz(left)], here = *word;
            *word = fold(here - before[__builtin_ctz(left)]);
            before[__builtin_ctz(left)] = here;
        }
        for (uint32_t byte = 0; byte < size; byte++)
            planes[(size_t)byte * count + i] = ((const char *)entry)[byte];
    }
}

static void region_from_planes(const char *planes, uint32_t count, uint32_t size, uint32_t words, char *entries) {
    uint32_t entry[ENTRY_MOST / WORD] = {0}, before[WORDS_DIFFERING] = {0};
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t byte = 0; byte < size; byte++)
            ((char *)entry)[byte] = planes[(size_t)byte * count + i];
        for (uint32_t left = words; left; left &= left - 1) {
            uint32_t *word = &entry[__builtin_ctz(left)];
            *word = before[__builtin_ctz(left)] += unfold(*word);
        }
        memcpy(entries + (size_t)i * size, entry, size);
    }
}

static bool region_is_inside(const struct wire_region *region, size_t length) {
    uint64_t bytes = (uint64_t)region->used * region->entry_size;
    return region->entry_size && region->entry_size <= ENTRY_MOST && region->offset >= sizeof(struct wire_head) &&
           region->offset <= length && bytes <= length - region->offset;
}

/* None in entries of a strange size. */
static uint32_t words_differing(enum wire_region_name name, uint32_t entry_size) {
    bool all_inside = entry_size >= WORDS_DIFFERING * WORD || differing[name] >> entry_size / WORD == 0;
    return all_inside ? differing[name] : 0;
}

typedef void transposition(const char *from, uint32_t count, uint32_t size, uint32_t words, char *to);

static bool transpose(const void *bytes, size_t length, transposition *each, void *out) {
    struct wire_head head;
    if (length < sizeof head)
        return false;
    memcpy(&head, bytes, sizeof head);
    memcpy(out, bytes, length);
    for (int i = 0; i < WIRE_REGIONS; i++) {
        const struct wire_region *region = &head.regions[i];
        if (!region_is_inside(region, length))
            return false;
        uint32_t words = words_differing((enum wire_region_name)i, region->entry_size);
        each((const char *)bytes + region->offset, region->used, region->entry_size, words, (char *)out + region->offset);
    }
    return true;
}

bool samples_to_planes(const void *bytes, size_t length, void *out) {
    if (!transpose(bytes, length, region_to_planes, out))
        return false;
    memcpy(out, PLANES_MAGIC, strlen(PLANES_MAGIC));
    return true;
}

bool samples_are_planes(const void *bytes, size_t length) {
    return length >= sizeof(struct wire_head) && memcmp(bytes, PLANES_MAGIC, strlen(PLANES_MAGIC)) == 0;
}

bool samples_from_planes(const void *bytes, size_t length, void *out) {
    if (!samples_are_planes(bytes, length) || !transpose(bytes, length, region_from_planes, out))
        return false;
    memcpy(out, WIRE_MAGIC, strlen(WIRE_MAGIC));
    return true;
}
