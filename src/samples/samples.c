/* Decodes a recording of the sampler. */
#include "samples/samples.h"

#include <string.h>

struct reader {
    const char *bytes;
    size_t length;
    const char *texts; /* the copy in the arena */
    size_t text_length;
    const struct wire_code *codes;
    size_t code_count;
    const struct wire_place *places;
    size_t place_count;
    struct samples *out;
};

static const size_t entry_sizes[WIRE_REGIONS] = {
    [WIRE_TEXTS] = 1,
    [WIRE_CODES] = sizeof(struct wire_code),
    [WIRE_PLACES] = sizeof(struct wire_place),
    [WIRE_FRAMES] = sizeof(struct wire_frame),
    [WIRE_STACKS] = sizeof(struct wire_stack),
    [WIRE_TIMELINE] = sizeof(struct wire_moment),
};

/* The writer may have died between taking an entry and raising `used`: more than the capacity is no error then, but
 * a region outside of the file is. */
static bool region_fits(const struct reader *reader, enum wire_region_name name) {
    struct wire_region *region = &reader->out->head.regions[name];
    if (region->used > region->capacity)
        region->used = region->capacity;
    uint64_t bytes = (uint64_t)region->used * region->entry_size;
    return region->entry_size == entry_sizes[name] && region->offset <= reader->length &&
           bytes <= reader->length - region->offset;
}

struct error *samples_check_version(const void *bytes, size_t length, const char *name) {
    uint32_t version = 0;
    if (length >= sizeof(struct wire_head))
        memcpy(&version, (const char *)bytes + offsetof(struct wire_head, version), sizeof version);
    if (version == WIRE_VERSION)
        return NULL;
    return error_create(STATUS_BAD_FILE, "read %s: a recording of version %u; this caulk reads version %u", name, version,
                        WIRE_VERSION);
}

static struct error *check_head(struct reader *reader, const char *name) {
    struct wire_head *head = &reader->out->head;
    if (reader->length < sizeof *head || memcmp(reader->bytes, WIRE_MAGIC, sizeof head->magic) != 0)
        return error_create(STATUS_BAD_FILE, "read %s: this is no recording of caulk's sampler", name);
    TRY(samples_check_version(reader->bytes, reader->length, name));
    memcpy(head, reader->bytes, sizeof *head);
    for (int region = 0; region < WIRE_REGIONS; region++)
        if (!region_fits(reader, (enum wire_region_name)region))
            return error_create(STATUS_BAD_FILE, "read %s: the recording is damaged: a region lies outside of it", name);
    head->command[sizeof head->command - 1] = '\0';
    return NULL;
}

/* A copy in the arena: entries of a hostile file may lie at odd addresses. */
static void *copy_region(const struct reader *reader, enum wire_region_name name, struct arena *arena, size_t *count_out) {
    const struct wire_region *region = &reader->out->head.regions[name];
    void *copy = arena_allocate(arena, entry_sizes[name], region->used + 1);
    memcpy(copy, reader->bytes + region->offset, (size_t)region->used * region->entry_size);
    *count_out = region->used;
    return copy;
}

static struct span text_of(const struct reader *reader, struct wire_text text) {
    if (text.offset > reader->text_length || text.length > reader->text_length - text.offset) {
        reader->out->faults++;
        return (struct span){0};
    }
    return (struct span){reader->texts + text.offset, text.length};
}

/* Without columns it tells no more than the line. */
static struct source_extent extent_of(const struct wire_place *place) {
    bool known = place->kind == WIRE_PYTHON && place->line && place->column >= 0 && place->end_column >= 0 &&
                 (place->end_line > place->line || (place->end_line == place->line && place->end_column >= place->column));
    return known ? (struct source_extent){place->end_line, place->column, place->end_column} : (struct source_extent){0};
}

static void read_place(const struct reader *reader, const struct wire_place *place, struct samples_frame *made) {
    made->kind = place->kind;
    made->line = place->line;
    made->address = place->address;
    made->extent = extent_of(place);
    if (place->kind == WIRE_ROOT)
        return;
    if (place->code >= reader->code_count) {
        reader->out->faults++;
        return;
    }
    struct span function = text_of(reader, reader->codes[place->code].function);
    struct span file = text_of(reader, reader->codes[place->code].file);
    if (place->kind == WIRE_NATIVE_FRAME) {
        made->build_id = function;
        made->module = file;
    } else {
        made->function = function;
        made->file = file;
    }
}

/* What calls a frame has a smaller number than the frame, so every road up ends. */
static void read_frame(const struct reader *reader, const struct wire_frame *frame, uint32_t index) {
    struct samples_frame *made = &reader->out->frames[index];
    *made = (struct samples_frame){.parent = frame->parent};
    if (index == 0)
        made->parent = SAMPLES_NONE;
    else if (frame->parent >= index) {
        made->parent = 0;
        reader->out->faults++;
    }
    if (frame->place < reader->place_count)
        read_place(reader, &reader->places[frame->place], made);
    else if (index)
        reader->out->faults++;
}

static void read_frames(struct reader *reader, struct arena *arena) {
    size_t count;
    const struct wire_frame *frames = copy_region(reader, WIRE_FRAMES, arena, &count);
    reader->out->frames = arena_new(arena, struct samples_frame, count + 1);
    for (size_t i = 0; i < count; i++)
        read_frame(reader, &frames[i], (uint32_t)i);
    reader->out->frames[0].parent = SAMPLES_NONE;
    reader->out->frame_count = count ? count : 1;
}

static uint64_t in_units(uint64_t estimate) {
    return estimate / WIRE_ONE + (estimate % WIRE_ONE >= WIRE_ONE / 2);
}

static void read_stack(const struct reader *reader, const struct wire_stack *stack, struct samples_stack *made) {
    bool kept_peak = stack->peak_generation == reader->out->head.peak_generation;
    *made = (struct samples_stack){
        .frame = stack->frame,
        .amounts = {
            .live_bytes = in_units(stack->live_bytes),
            .live_count = in_units(stack->live_count),
            .total_bytes = in_units(stack->total_bytes),
            .total_count = in_units(stack->total_count),
            .peak_bytes = in_units(kept_peak ? stack->peak_bytes : stack->live_bytes),
            .peak_count = in_units(kept_peak ? stack->peak_count : stack->live_count),
        },
        .samples_live = stack->samples_live,
        .samples = stack->samples,
    };
    for (unsigned i = 0; i < WIRE_COHORTS; i++)
        made->cohort_bytes[i] = in_units(stack->cohort_bytes[i]);
    if (made->frame >= reader->out->frame_count) {
        made->frame = 0;
        reader->out->faults++;
    }
}

static void read_stacks(struct reader *reader, struct arena *arena) {
    size_t count;
    const struct wire_stack *stacks = copy_region(reader, WIRE_STACKS, arena, &count);
    reader->out->stacks = arena_new(arena, struct samples_stack, count + 1);
    for (size_t i = 0; i < count; i++)
        read_stack(reader, &stacks[i], &reader->out->stacks[i]);
    reader->out->stack_count = count;
}

struct error *samples_read(const void *bytes, size_t length, const char *name, struct arena *arena, struct samples *out) {
    *out = (struct samples){0};
    struct reader reader = {.bytes = bytes, .length = length, .out = out};
    TRY(check_head(&reader, name));
    out->exact = out->head.flags & WIRE_EVERY_BYTE;
    reader.texts = copy_region(&reader, WIRE_TEXTS, arena, &reader.text_length);
    reader.codes = copy_region(&reader, WIRE_CODES, arena, &reader.code_count);
    reader.places = copy_region(&reader, WIRE_PLACES, arena, &reader.place_count);
    read_frames(&reader, arena);
    read_stacks(&reader, arena);
    out->moments = copy_region(&reader, WIRE_TIMELINE, arena, &out->moment_count);
    return NULL;
}
