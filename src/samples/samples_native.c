/* Native frames of stacks. */
#include "samples/samples.h"

size_t samples_native_chain(const struct samples *samples, uint32_t leaf, uint32_t *frames, size_t capacity) {
    size_t count = 0;
    for (uint32_t frame = leaf; frame < samples->frame_count && count < capacity; frame = samples->frames[frame].parent) {
        if (samples->frames[frame].kind != WIRE_NATIVE_FRAME)
            break;
        frames[count++] = frame;
    }
    return count;
}
