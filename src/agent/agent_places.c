/* Instructions that call or allocate, each once in the recording. */
#include "agent/agent_native.h"

static struct agent_index places = {.region = WIRE_PLACES, .key_words = offsetof(struct wire_place, line) / 8};

bool agent_places_prepare(void) {
    return agent_index_prepare(&places);
}

size_t agent_places_bytes(void) {
    return places.slot_count * sizeof *places.slots;
}

/* Without a code the instruction is one of some function: no line is right then. */
static void set_position(const struct agent_layout *layout, const char *code, struct wire_place *place) {
    struct agent_position position = agent_position_of(layout, code, (int64_t)place->address);
    place->line = position.line;
    place->end_line = position.end_line;
    place->column = position.column;
    place->end_column = position.end_column;
}

uint32_t agent_place_of_call(const struct agent_layout *layout, struct agent_call call) {
    struct wire_place place = {.kind = WIRE_PYTHON, .address = (uint64_t)agent_code_offset(layout, call)};
    place.code = agent_code_find(layout, call.code);
    uint32_t *slot = agent_index_slot(&places, &place);
    if (*slot)
        return *slot;
    if (place.code != UINT32_MAX)
        set_position(layout, call.code, &place);
    return agent_index_add(&places, slot, &place);
}

/* Native instructions of one module are told apart by their place in its file, so that processes can be compared. */
uint32_t agent_place_of_address(uintptr_t address) {
    struct agent_object *object = agent_object_find(address);
    struct wire_place place = {.kind = WIRE_NATIVE_FRAME, .column = -1, .end_column = -1};
    place.address = address - (object ? object->bias : 0);
    place.code = object ? agent_object_code(object) : UINT32_MAX;
    uint32_t *slot = agent_index_slot(&places, &place);
    return *slot ? *slot : agent_index_add(&places, slot, &place);
}

uint32_t agent_place_of_thread(const char *name, uint32_t native_id) {
    struct wire_place place = {.kind = WIRE_THREAD, .code = agent_code_named(name), .column = -1, .end_column = -1};
    uint32_t *slot = agent_index_slot(&places, &place);
    if (*slot)
        return *slot;
    place.line = native_id;
    return agent_index_add(&places, slot, &place);
}
