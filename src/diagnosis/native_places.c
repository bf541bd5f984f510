/* Native code that allocated, for people. */
#include "diagnosis/native_places.h"

#include <string.h>

static const char *text_of(struct span text, struct arena *arena) {
    return arena_copy_text(arena, text.data, text.length);
}

/* "PyMem_Malloc", "_PyObject_Malloc", "PyObject_Realloc": that memory was asked for is known already. */
static bool hands_on(struct span name) {
    static const char *const beginnings[] = {"PyMem_", "_PyMem_", "PyObject_Malloc", "_PyObject_Malloc", "PyObject_Calloc",
                                             "_PyObject_Calloc", "PyObject_Realloc", "_PyObject_Realloc", "pymalloc_"};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        size_t length = strlen(beginnings[i]);
        if (name.length >= length && memcmp(name.data, beginnings[i], length) == 0)
            return true;
    }
    return false;
}

size_t native_places(const struct samples *samples, uint32_t leaf, struct arena *arena, struct native_place **out) {
    uint32_t frames[NATIVE_PLACES_MOST + 4];
    size_t count = samples_native_chain(samples, leaf, frames, sizeof frames / sizeof *frames), first = 0, kept = 0;
    while (first + 1 < count && hands_on(samples->frames[frames[first]].function))
        first++;
    *out = arena_new(arena, struct native_place, NATIVE_PLACES_MOST);
    for (size_t i = first; i < count && kept < NATIVE_PLACES_MOST; i++) {
        const struct samples_frame *frame = &samples->frames[frames[i]];
        (*out)[kept++] = (struct native_place){
            .function = text_of(frame->function, arena),
            .module = text_of(frame->module, arena),
            .build_id = text_of(frame->build_id, arena),
            .address = frame->address,
        };
    }
    return kept;
}
