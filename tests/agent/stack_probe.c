/* The sampler's reading of frames, for a Python that asks by ctypes: calls and lines as numbers. */
#include "agent/agent_native.h"

#include <execinfo.h>
#include <string.h>

#define PROBE __attribute__((visibility("default")))

enum { CAPACITY = 4096, TEXTS = 1 << 20 };

PROBE int probe_begin(void);
PROBE size_t probe_calls(uint64_t *codes, int64_t *offsets, uint32_t *lines, size_t capacity);
PROBE void probe_position(const char *code, int64_t offset, int32_t *out);
PROBE uint32_t probe_stack(void);
PROBE uint32_t probe_frame(uint32_t node, char *file, char *function, int32_t *position_out);
PROBE uint32_t probe_used(int region);
PROBE int probe_find(void);
PROBE size_t probe_chains(uint64_t *ours, uint64_t *theirs, size_t *theirs_count, size_t capacity);
PROBE int probe_rule(uintptr_t address, int32_t *out);

struct wire_head *agent_recording;

/* A recording in plain memory. */
static struct {
    struct wire_head head;
    struct wire_code codes[CAPACITY];
    struct wire_place places[CAPACITY];
    struct wire_frame frames[CAPACITY];
    struct wire_stack stacks[CAPACITY];
    char texts[TEXTS];
} memory;

uint32_t agent_region_take(struct wire_head *head, enum wire_region_name name, uint32_t entries) {
    struct wire_region *region = &head->regions[name];
    if (region->capacity - region->used < entries)
        return region->refused++, UINT32_MAX;
    return region->used;
}

void agent_region_publish(struct wire_head *head, enum wire_region_name name, uint32_t entries) {
    head->regions[name].used += entries;
}

static void make_region(enum wire_region_name name, void *entries, uint32_t size, uint32_t capacity, uint32_t used) {
    uint64_t offset = (uint64_t)((char *)entries - (char *)&memory.head);
    memory.head.regions[name] =
        (struct wire_region){.offset = offset, .entry_size = size, .capacity = capacity, .used = used};
}

PROBE int probe_begin(void) {
    make_region(WIRE_TEXTS, memory.texts, 1, TEXTS, 0);
    make_region(WIRE_CODES, memory.codes, sizeof *memory.codes, CAPACITY, 0);
    make_region(WIRE_PLACES, memory.places, sizeof *memory.places, CAPACITY, 1);
    make_region(WIRE_FRAMES, memory.frames, sizeof *memory.frames, CAPACITY, 1);
    make_region(WIRE_STACKS, memory.stacks, sizeof *memory.stacks, CAPACITY, 1);
    agent_recording = &memory.head;
    return agent_python_find();
}

PROBE size_t probe_calls(uint64_t *codes, int64_t *offsets, uint32_t *lines, size_t capacity) {
    struct agent_call calls[256];
    size_t count = agent_python_calls(calls, capacity < 256 ? capacity : 256);
    for (size_t i = 0; i < count; i++) {
        codes[i] = (uint64_t)(uintptr_t)calls[i].code;
        offsets[i] = agent_code_offset(agent_python_layout(), calls[i]);
        lines[i] = agent_position_of(agent_python_layout(), calls[i].code, offsets[i]).line;
    }
    return count;
}

/* Line, end line, column, end column. */
PROBE void probe_position(const char *code, int64_t offset, int32_t *out) {
    struct agent_position position = agent_position_of(agent_python_layout(), code, offset);
    memcpy(out, &position, sizeof position);
}

PROBE uint32_t probe_stack(void) {
    return agent_stack_here();
}

PROBE int probe_find(void) {
    return agent_python_find();
}

static void copy_text(struct wire_text text, char *to) {
    memcpy(to, memory.texts + text.offset, text.length);
    to[text.length] = 0;
}

/* What stands at the leaf of a stack (`node` < 0x80000000), or at a node (that bit set): words, and line, end line,
 * column, end column; the parent's node. */
PROBE uint32_t probe_frame(uint32_t node, char *file, char *function, int32_t *position_out) {
    const struct wire_frame *frame = &memory.frames[node >> 31 ? node & 0x7fffffff : memory.stacks[node].frame];
    const struct wire_place *place = &memory.places[frame->place];
    copy_text(memory.codes[place->code].file, file);
    copy_text(memory.codes[place->code].function, function);
    memcpy(position_out, &place->line, 4 * sizeof *position_out);
    return frame->parent;
}

PROBE uint32_t probe_used(int region) {
    return memory.head.regions[region].used;
}

/* The calling thread's return addresses: as the sampler finds them, and as the C library does. */
PROBE size_t probe_chains(uint64_t *ours, uint64_t *theirs, size_t *theirs_count, size_t capacity) {
    struct agent_native_frame frames[256];
    void *addresses[256];
    agent_native_begin();
    size_t count = agent_native_frames(frames, capacity < 256 ? capacity : 256, UINTPTR_MAX);
    *theirs_count = (size_t)backtrace(addresses, capacity < 256 ? (int)capacity : 256);
    for (size_t i = 0; i < count; i++)
        ours[i] = frames[i].address + 1;
    for (size_t i = 0; i < *theirs_count; i++)
        theirs[i] = (uint64_t)(uintptr_t)addresses[i];
    return count;
}

/* How the frame is left at an address: kind, base and offset of its CFA, whether that is stored, the offsets of the
 * saved frame pointer and of the return address. -1 if no code is there. */
PROBE int probe_rule(uintptr_t address, int32_t *out) {
    const struct agent_object *object = agent_object_find(address);
    if (!object)
        return -1;
    struct agent_rule rule = agent_rule_find(object, address);
    int32_t words[] = {rule.kind, rule.cfa_base, rule.cfa_offset, rule.cfa_is_stored, rule.frame_base, rule.frame_offset,
                       rule.return_offset};
    memcpy(out, words, sizeof words);
    return 0;
}
