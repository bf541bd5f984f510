/* Words of captured objects that point into a stretch of memory. */
#include "graph/capture.h"
#include "graph/captured.h"

/* A captured heap owns itself; one that was read from a file does not. */
const struct image *capture_image(const struct heap *heap) {
    const struct captured *captured = heap->owner;
    return heap->owner == heap ? captured->model->image : NULL;
}

enum { WORDS_MOST = 64 }; /* of an object that are looked at */

static void visit_words(const struct captured *captured, node_id node, uint64_t begin, uint64_t end, capture_pointer found,
                        void *context) {
    const struct graph *graph = &captured->heap.graph;
    const struct model *model = captured->model;
    uint32_t index = graph->type_of[node];
    if (index < CAPTURED_TYPE_COUNT)
        return;
    const struct type_model *type = model_type(model, index - CAPTURED_TYPE_COUNT);
    remote_address first = graph->addresses[node];
    uint32_t count = type->basic_size / 8 < WORDS_MOST ? type->basic_size / 8 : WORDS_MOST;
    uint32_t front = type->managed_dict || type->inline_values ? model->layout->pre_header_size : 0;
    if (front && front != LAYOUT_NONE) { /* Objects/object.c: a managed dict or its values stand before the object */
        first -= front;
        count += front / 8;
    }
    const void *bytes = image_view(model->image, first, (size_t)count * 8);
    for (uint32_t i = 0; bytes && i < count; i++) {
        uint64_t word = word_at(bytes, (size_t)i * 8);
        if (word >= begin && word < end)
            found(context, node, word);
    }
}

void capture_pointers(const struct heap *heap, uint64_t begin, uint64_t end, capture_pointer found, void *context) {
    const struct captured *captured = heap->owner;
    if (!capture_image(heap))
        return;
    for (node_id node = heap->graph.synthetic_count; node < heap->graph.node_count; node++)
        visit_words(captured, node, begin, end, found, context);
}
