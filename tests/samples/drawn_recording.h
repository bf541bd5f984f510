/* Recordings made in a test: frames and stacks added one by one, the bytes as the sampler writes them. */
#ifndef CAULK_TESTS_SAMPLES_DRAWN_RECORDING_H
#define CAULK_TESTS_SAMPLES_DRAWN_RECORDING_H

#include "wire/wire.h"

#include <stddef.h>
#include <string.h>

enum { DRAWN_TEXTS = 1024, DRAWN_ENTRIES = 32, DRAWN_BYTES = WIRE_HEAD_SIZE + 16384 };

struct drawn_recording {
    _Alignas(16) char bytes[DRAWN_BYTES];
};

static inline struct wire_head *drawn_head(struct drawn_recording *drawn) {
    return (struct wire_head *)drawn->bytes;
}

static inline void *drawn_entry(struct drawn_recording *drawn, enum wire_region_name name, uint32_t index) {
    struct wire_region *region = &drawn_head(drawn)->regions[name];
    return drawn->bytes + region->offset + (size_t)index * region->entry_size;
}

static inline uint32_t drawn_take(struct drawn_recording *drawn, enum wire_region_name name, uint32_t entries) {
    struct wire_region *region = &drawn_head(drawn)->regions[name];
    region->used += entries;
    return region->used - entries;
}

static inline void drawn_begin(struct drawn_recording *drawn) {
    static const uint32_t sizes[WIRE_REGIONS] = {1, sizeof(struct wire_code), sizeof(struct wire_place), sizeof(struct wire_frame),
                                                 sizeof(struct wire_stack), sizeof(struct wire_moment)};
    memset(drawn, 0, sizeof *drawn);
    struct wire_head *head = drawn_head(drawn);
    memcpy(head->magic, WIRE_MAGIC, sizeof head->magic);
    head->version = WIRE_VERSION;
    head->head_size = WIRE_HEAD_SIZE;
    head->file_size = DRAWN_BYTES;
    head->peak_generation = 1;
    uint64_t offset = WIRE_HEAD_SIZE;
    for (int i = 0; i < WIRE_REGIONS; i++) {
        uint32_t capacity = i == WIRE_TEXTS ? DRAWN_TEXTS : DRAWN_ENTRIES;
        head->regions[i] = (struct wire_region){.offset = offset, .entry_size = sizes[i], .capacity = capacity};
        offset += (uint64_t)capacity * sizes[i];
    }
    drawn_take(drawn, WIRE_PLACES, 1);
    drawn_take(drawn, WIRE_FRAMES, 1);
    drawn_take(drawn, WIRE_STACKS, 1);
}

static inline struct wire_text drawn_text(struct drawn_recording *drawn, const char *text) {
    struct wire_text made = {.length = (uint32_t)strlen(text)};
    made.offset = drawn_take(drawn, WIRE_TEXTS, made.length);
    memcpy(drawn_entry(drawn, WIRE_TEXTS, made.offset), text, made.length);
    return made;
}

/* In columns 4 to 9 of its line. */
static inline uint32_t drawn_frame(struct drawn_recording *drawn, uint32_t parent, const char *file, const char *function,
                                   uint32_t line) {
    uint32_t code = drawn_take(drawn, WIRE_CODES, 1);
    struct wire_code made = {.file = drawn_text(drawn, file), .function = drawn_text(drawn, function)};
    memcpy(drawn_entry(drawn, WIRE_CODES, code), &made, sizeof made);
    uint32_t index = drawn_take(drawn, WIRE_FRAMES, 1);
    struct wire_place place = {.kind = *file ? WIRE_PYTHON : WIRE_THREAD, .code = code, .line = line,
                               .end_line = line, .column = 4, .end_column = 9};
    struct wire_frame frame = {.parent = parent, .place = drawn_take(drawn, WIRE_PLACES, 1)};
    memcpy(drawn_entry(drawn, WIRE_PLACES, frame.place), &place, sizeof place);
    memcpy(drawn_entry(drawn, WIRE_FRAMES, index), &frame, sizeof frame);
    return index;
}

/* `live` of `total` blocks of `size` bytes, each seen exactly. */
static inline struct wire_stack *drawn_stack(struct drawn_recording *drawn, uint32_t frame, uint64_t live, uint64_t total,
                                             uint64_t size) {
    uint32_t index = drawn_take(drawn, WIRE_STACKS, 1);
    struct wire_stack *stack = drawn_entry(drawn, WIRE_STACKS, index);
    *stack = (struct wire_stack){
        .frame = frame,
        .samples_live = (uint32_t)live,
        .samples = total,
        .live_bytes = live * size * WIRE_ONE,
        .live_count = live * WIRE_ONE,
        .total_bytes = total * size * WIRE_ONE,
        .total_count = total * WIRE_ONE,
    };
    return stack;
}

#endif
