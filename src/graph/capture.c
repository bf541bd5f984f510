/* Fills a graph from an image: address-ordered waves from the collector's lists and the roots. */
#include "graph/capture.h"

#include "cpython/refcount.h"
#include "graph/captured.h"

#include <string.h>

/* An object in the order of discovery; becomes a row of the graph's arrays. */
struct captured_object {
    uint32_t granule;
    uint32_t type; /* type model, or MODEL_NOT_A_TYPE */
    uint32_t refcount;
    uint32_t degree;
    uint64_t size;
};

/* A reference whose target is on its way into the processor's caches. */
struct pending_reference {
    remote_address target;
    uint32_t granule;
    uint32_t source; /* position in `objects` */
    enum edge_kind kind;
};

enum { PENDING_MAX = 32 };

struct capture {
    struct root_visitor visitor; /* first: callbacks get it back */
    struct captured *captured;
    struct model *model;
    const struct image *image;
    struct vector frontier, next; /* uint32_t granules */
    struct vector objects;        /* struct captured_object */
    struct vector targets, kinds; /* uint32_t granule and uint8_t edge_kind of each reference of an object */
    struct vector permanent, collected; /* uint32_t granules from the collector's lists */
    struct vector holders, holder_references;
    struct pending_reference pending[PENDING_MAX];
    size_t pending_count;
    uint64_t collected_count;
    uint64_t words, words_limit; /* looked at so far; in a heap that is not wild each belongs to one object */
    struct arena scratch;
};

static const uint8_t kind_of_reference[] = {
    [REFERENCE_SLOT] = EDGE_SLOT,
    [REFERENCE_TYPE] = EDGE_TYPE,
    [REFERENCE_ATTRIBUTE] = EDGE_ATTRIBUTE,
    [REFERENCE_NAMESPACE] = EDGE_NAMESPACE,
    [REFERENCE_KEY] = EDGE_KEY,
    [REFERENCE_KEY_OBJECT] = EDGE_KEY_OBJECT,
    [REFERENCE_INDEX] = EDGE_INDEX,
    [REFERENCE_CELL] = EDGE_CELL,
    [REFERENCE_LOCAL] = EDGE_LOCAL,
    [REFERENCE_GLOBALS] = EDGE_GLOBALS,
    [REFERENCE_BASE] = EDGE_BASE,
};

static bool locate(const struct capture *capture, remote_address target, uint32_t *granule_out) {
    uint64_t offset = target % 8 ? IMAGE_ABSENT : image_locate(capture->image, target);
    *granule_out = (uint32_t)(offset >> 3);
    return offset != IMAGE_ABSENT;
}

/* Whether there is an object at `target`; queued if it is new. */
static bool discover(struct capture *capture, remote_address target, uint32_t granule) {
    struct granule_set *set = &capture->captured->objects;
    if (granule_set_has(set, granule))
        return true;
    if (model_object_type(capture->model, target) == MODEL_NOT_A_TYPE)
        return false;
    set->bits[granule >> 6] |= 1ull << (granule & 63);
    *vector_push(&capture->next, uint32_t) = granule;
    return true;
}

static void settle_pending(struct capture *capture) {
    struct captured_object *objects = vector_items(&capture->objects, struct captured_object);
    for (size_t i = 0; i < capture->pending_count; i++) {
        const struct pending_reference *reference = &capture->pending[i];
        if (!discover(capture, reference->target, reference->granule))
            continue;
        *vector_push(&capture->targets, uint32_t) = reference->granule;
        *vector_push(&capture->kinds, uint8_t) = (uint8_t)reference->kind;
        objects[reference->source].degree++;
    }
    capture->pending_count = 0;
}

/* Targets lie anywhere: they are looked at some references later, when the processor has fetched them. */
static void visit_reference(struct reference_visitor *visitor, remote_address target,
                            enum reference_kind kind, struct reference_label label) {
    struct capture *capture = (struct capture *)visitor;
    uint32_t granule;
    (void)label;
    capture->words++;
    if (!locate(capture, target, &granule))
        return;
    __builtin_prefetch(capture->image->base + ((uint64_t)granule << 3));
    __builtin_prefetch(&capture->captured->objects.bits[granule >> 6]);
    capture->pending[capture->pending_count++] = (struct pending_reference){
        target, granule, (uint32_t)capture->objects.count - 1, (enum edge_kind)kind_of_reference[kind]};
    if (capture->pending_count == PENDING_MAX)
        settle_pending(capture);
}

/* --- waves --- */

/* Addresses of ascending granules, without a search for each. */
struct address_cursor {
    const struct image *image;
    size_t run;
};

static remote_address cursor_address(struct address_cursor *cursor, uint32_t granule) {
    uint64_t offset = (uint64_t)granule << 3;
    const struct image_run *runs = cursor->image->runs;
    while (cursor->run + 1 < cursor->image->run_count && runs[cursor->run + 1].offset <= offset)
        cursor->run++;
    return runs[cursor->run].begin + (offset - runs[cursor->run].offset);
}

static void capture_object(struct capture *capture, uint32_t granule, remote_address address) {
    struct captured_object *object = vector_push(&capture->objects, struct captured_object);
    uint32_t type = model_object_type(capture->model, address);
    if (type == MODEL_NOT_A_TYPE || capture->words > capture->words_limit) {
        *object = (struct captured_object){.granule = granule, .type = MODEL_NOT_A_TYPE};
        capture->model->faults++;
        return;
    }
    *object = (struct captured_object){.granule = granule, .type = type};
    capture->words += model_type(capture->model, type)->basic_size / 8;
    object->refcount = model_refcount_at(capture->model, address);
    object->refcount += (uint32_t)refcount_of_threads(capture->model, address, model_type(capture->model, type)->walker);
    object->size = model_size(capture->model, address, type);
    model_walk(capture->model, address, type, &capture->visitor.references);
}

static void run_waves(struct capture *capture) {
    while (capture->next.count) {
        struct vector swap = capture->frontier;
        capture->frontier = capture->next;
        capture->next = swap;
        capture->next.count = 0;
        uint32_t *granules = vector_items(&capture->frontier, uint32_t);
        size_t count = capture->frontier.count;
        granules_sort(granules, count, &capture->scratch);
        struct address_cursor cursor = {capture->image, 0};
        for (size_t i = 0; i < count; i++)
            capture_object(capture, granules[i], cursor_address(&cursor, granules[i]));
        settle_pending(capture);
    }
}

/* --- seeds --- */

static void seed_collected(void *context, remote_address object, bool permanent) {
    struct capture *capture = context;
    uint64_t offset = object % 8 ? IMAGE_ABSENT : image_locate(capture->image, object);
    if (offset == IMAGE_ABSENT) {
        capture->model->faults++;
        return;
    }
    uint32_t granule = (uint32_t)(offset >> 3);
    struct granule_set *set = &capture->captured->objects;
    if (granule_set_has(set, granule))
        return;
    set->bits[granule >> 6] |= 1ull << (granule & 63);
    *vector_push(&capture->next, uint32_t) = granule;
    *vector_push(permanent ? &capture->permanent : &capture->collected, uint32_t) = granule;
}

static enum edge_kind holder_edge(enum holder_kind kind) {
    switch (kind) {
    case HOLDER_MODULES: return EDGE_MODULE;
    case HOLDER_THREAD: return EDGE_THREAD;
    case HOLDER_ACTIVATION: return EDGE_FRAME;
    case HOLDER_TABLE: return EDGE_INTERPRETER;
    case HOLDER_STATIC: return EDGE_STATIC;
    }
    return EDGE_SLOT;
}

static int open_holder(struct root_visitor *visitor, int parent, enum holder_kind kind, struct span name) {
    struct capture *capture = (struct capture *)visitor;
    int number = (int)capture->holders.count;
    struct captured_holder *holder = vector_push(&capture->holders, struct captured_holder);
    char *copy = arena_copy_text(&capture->captured->words, name.data, name.length);
    *holder = (struct captured_holder){kind, parent, NODE_ROOT, {copy, name.length}, visitor->bound};
    if (kind == HOLDER_MODULES)
        return number;
    holder->node = 1;
    for (int i = number - 1; i >= 0 && holder->node == 1; i--)
        holder->node = vector_items(&capture->holders, struct captured_holder)[i].node + 1;
    struct captured_reference *reference =
        vector_push(&capture->holder_references, struct captured_reference);
    *reference = (struct captured_reference){parent, holder->node, 0, holder_edge(kind), label_none()};
    return number;
}

static void visit_holder_reference(struct reference_visitor *visitor, remote_address target,
                                   enum reference_kind kind, struct reference_label label) {
    struct capture *capture = (struct capture *)visitor;
    uint32_t granule;
    if (!locate(capture, target, &granule) || !discover(capture, target, granule))
        return;
    int holder = capture->visitor.holder;
    bool module = vector_items(&capture->holders, struct captured_holder)[holder].kind == HOLDER_MODULES;
    struct captured_reference *reference =
        vector_push(&capture->holder_references, struct captured_reference);
    *reference = (struct captured_reference){holder, NODE_NONE, granule,
                                             module ? EDGE_MODULE : kind_of_reference[kind], label};
}

static void discover_in_block(void *context, remote_address object, uint32_t granule) {
    discover(context, object, granule);
}

static void discover_everything(struct capture *capture) {
    capture->collected_count = roots_collected_objects(capture->model, seed_collected, capture);
    capture->visitor.open = open_holder;
    capture->visitor.references.visit = visit_holder_reference;
    roots_visit(capture->model, &capture->visitor);
    capture->visitor.references.visit = visit_reference;
    run_waves(capture);
    capture->visitor.references.visit = visit_holder_reference;
    roots_visit_static_data(capture->model, &capture->visitor);
    capture->visitor.references.visit = visit_reference;
    run_waves(capture);
    captured_find_in_blocks(capture->model, &capture->captured->objects, discover_in_block, capture);
    run_waves(capture);
    vector_deinit(&capture->frontier);
    vector_deinit(&capture->next);
    arena_deinit(&capture->scratch);
}

/* --- freezing --- */

struct graph_arrays {
    uint64_t *addresses, *sizes;
    uint32_t *type_of, *refcounts, *out_begin;
    uint8_t *flags, *out_kind;
    node_id *out_target;
};

static node_id node_of_granule(const struct capture *capture, uint32_t granule) {
    return capture->captured->heap.graph.synthetic_count +
           granule_set_rank(&capture->captured->objects, granule);
}

static void allocate_arrays(struct graph *graph, struct arena *arena, struct graph_arrays *arrays) {
    size_t nodes = graph->node_count;
    graph->addresses = arrays->addresses = arena_new(arena, uint64_t, nodes);
    graph->sizes = arrays->sizes = arena_new(arena, uint64_t, nodes);
    graph->type_of = arrays->type_of = arena_new(arena, uint32_t, nodes);
    graph->refcounts = arrays->refcounts = arena_new(arena, uint32_t, nodes);
    graph->flags = arrays->flags = arena_new(arena, uint8_t, nodes);
    graph->out_begin = arrays->out_begin = arena_new(arena, uint32_t, nodes + 1);
    graph->out_target = arrays->out_target = arena_new(arena, node_id, graph->edge_count);
    graph->out_kind = arrays->out_kind = arena_new(arena, uint8_t, graph->edge_count);
}

static enum captured_type type_of_holder(enum holder_kind kind) {
    switch (kind) {
    case HOLDER_MODULES: return CAPTURED_TYPE_ROOT;
    case HOLDER_THREAD: return CAPTURED_TYPE_THREAD;
    case HOLDER_ACTIVATION: return CAPTURED_TYPE_ACTIVATION;
    case HOLDER_TABLE: return CAPTURED_TYPE_TABLE;
    case HOLDER_STATIC: return CAPTURED_TYPE_STATIC;
    }
    return CAPTURED_TYPE_ROOT;
}

static node_id node_of_holder(const struct capture *capture, int holder) {
    return holder == HOLDER_NONE ? NODE_ROOT
                                 : vector_items(&capture->holders, struct captured_holder)[holder].node;
}

/* References of holders come interleaved; a counting sort groups them by synthetic node. */
static void place_holders(struct capture *capture, struct graph_arrays *arrays) {
    struct captured *captured = capture->captured;
    uint32_t synthetic = captured->heap.graph.synthetic_count;
    size_t count = capture->holder_references.count;
    const struct captured_reference *found =
        vector_items(&capture->holder_references, struct captured_reference);
    struct captured_reference *grouped = arena_new(&captured->words, struct captured_reference, count + 1);
    uint32_t *begin = arena_new(&captured->words, uint32_t, synthetic + 1);
    uint32_t *cursor = arena_new(&capture->scratch, uint32_t, synthetic + 1);
    for (size_t i = 0; i < count; i++)
        begin[node_of_holder(capture, found[i].holder) + 1]++;
    for (uint32_t node = 0; node < synthetic; node++)
        begin[node + 1] += begin[node];
    memcpy(cursor, begin, (synthetic + 1) * sizeof *cursor);
    for (size_t i = 0; i < count; i++) {
        uint32_t place = cursor[node_of_holder(capture, found[i].holder)]++;
        grouped[place] = found[i];
        bool holder = found[i].target_holder != NODE_NONE;
        arrays->out_target[place] =
            holder ? found[i].target_holder : node_of_granule(capture, found[i].granule);
        arrays->out_kind[place] = (uint8_t)found[i].kind;
    }
    memcpy(arrays->out_begin, begin, (synthetic + 1) * sizeof *begin);
    captured->holder_references = grouped;
    captured->holder_begin = begin;
    for (size_t i = 0; i < capture->holders.count; i++) {
        const struct captured_holder *holder = &vector_items(&capture->holders, struct captured_holder)[i];
        arrays->type_of[holder->node] = type_of_holder(holder->kind);
    }
}

static void place_objects(struct capture *capture, struct graph_arrays *arrays) {
    const struct captured_object *objects = vector_items(&capture->objects, struct captured_object);
    for (size_t i = 0; i < capture->objects.count; i++) {
        node_id node = node_of_granule(capture, objects[i].granule);
        bool fault = objects[i].type == MODEL_NOT_A_TYPE;
        arrays->sizes[node] = objects[i].size;
        arrays->refcounts[node] = objects[i].refcount;
        arrays->type_of[node] =
            fault ? (uint32_t)CAPTURED_TYPE_UNREADABLE : CAPTURED_TYPE_COUNT + objects[i].type;
        bool immortal = refcount_is_immortal(capture->model->layout, objects[i].refcount);
        arrays->flags[node] = (uint8_t)((fault ? NODE_FAULT : 0) | (immortal ? NODE_IMMORTAL : 0));
        arrays->out_begin[node + 1] = objects[i].degree;
    }
    uint32_t synthetic = capture->captured->heap.graph.synthetic_count;
    for (node_id node = synthetic; node < capture->captured->heap.graph.node_count; node++)
        arrays->out_begin[node + 1] += arrays->out_begin[node];
}

/* Targets become nodes where they stand, each fetched while those before it are looked up. */
static void number_targets(struct capture *capture) {
    enum { AHEAD = 24 };
    uint32_t *targets = vector_items(&capture->targets, uint32_t);
    const struct granule_set *set = &capture->captured->objects;
    size_t count = capture->targets.count;
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < count) {
            __builtin_prefetch(&set->bits[targets[i + AHEAD] >> 6]);
            __builtin_prefetch(&set->rank[targets[i + AHEAD] >> 6]);
        }
        targets[i] = node_of_granule(capture, targets[i]);
    }
}

static void place_edges(struct capture *capture, struct graph_arrays *arrays) {
    number_targets(capture);
    const struct captured_object *objects = vector_items(&capture->objects, struct captured_object);
    const node_id *targets = vector_items(&capture->targets, node_id);
    const uint8_t *kinds = vector_items(&capture->kinds, uint8_t);
    for (size_t i = 0; i < capture->objects.count; i++) {
        uint32_t place = arrays->out_begin[node_of_granule(capture, objects[i].granule)];
        uint32_t degree = objects[i].degree;
        if (degree)
            memcpy(arrays->out_target + place, targets, degree * sizeof *targets);
        if (degree)
            memcpy(arrays->out_kind + place, kinds, degree);
        targets += degree;
        kinds += degree;
    }
}

static void place_addresses(struct capture *capture, struct graph_arrays *arrays) {
    const struct granule_set *set = &capture->captured->objects;
    struct address_cursor cursor = {capture->image, 0};
    node_id node = capture->captured->heap.graph.synthetic_count;
    for (uint64_t word = 0; word < set->words; word++)
        for (uint64_t bits = set->bits[word]; bits; bits &= bits - 1)
            arrays->addresses[node++] =
                cursor_address(&cursor, (uint32_t)(word * 64 + (uint64_t)__builtin_ctzll(bits)));
    const struct {
        struct vector *granules;
        uint8_t flags;
    } lists[] = {{&capture->collected, NODE_COLLECTED},
                 {&capture->permanent, NODE_COLLECTED | NODE_PERMANENT}};
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < lists[i].granules->count; k++)
            arrays->flags[node_of_granule(capture, vector_items(lists[i].granules, uint32_t)[k])] |=
                lists[i].flags;
}

static struct error *freeze_graph(struct capture *capture) {
    struct captured *captured = capture->captured;
    struct heap *heap = &captured->heap;
    uint64_t edges = capture->targets.count + capture->holder_references.count;
    if (edges > UINT32_MAX || capture->objects.count > UINT32_MAX - 1024 - capture->holders.count)
        return error_create(STATUS_INTERNAL,
                            "the heap is too large: %zu objects, %llu references; at most 4 billion of each",
                            capture->objects.count, (unsigned long long)edges);
    granule_set_freeze(&captured->objects, &heap->arena);
    uint32_t synthetic = 1;
    for (size_t i = 0; i < capture->holders.count; i++)
        synthetic += vector_items(&capture->holders, struct captured_holder)[i].kind != HOLDER_MODULES;
    heap->graph.synthetic_count = synthetic;
    heap->graph.node_count = synthetic + (uint32_t)capture->objects.count;
    heap->graph.edge_count = edges;
    heap->graph.faults = capture->model->faults;
    struct graph_arrays arrays;
    allocate_arrays(&heap->graph, &heap->arena, &arrays);
    place_holders(capture, &arrays);
    place_objects(capture, &arrays);
    place_edges(capture, &arrays);
    place_addresses(capture, &arrays);
    size_t bytes = capture->holders.count * sizeof(struct captured_holder);
    struct captured_holder *holders = arena_allocate(&captured->words, 1, bytes + 1);
    if (bytes)
        memcpy(holders, capture->holders.items, bytes);
    captured->holder_of = arena_new(&captured->words, const struct captured_holder *, synthetic);
    for (size_t i = 0; i < capture->holders.count; i++)
        captured->holder_of[holders[i].node] = &holders[i];
    return NULL;
}

static void capture_deinit(struct capture *capture) {
    struct vector *vectors[] = {&capture->frontier,  &capture->next,    &capture->objects,
                                &capture->targets,   &capture->kinds,   &capture->permanent,
                                &capture->collected, &capture->holders, &capture->holder_references};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        vector_deinit(vectors[i]);
    arena_deinit(&capture->scratch);
}

static void fill_facts(const struct capture *capture) {
    struct heap_facts *facts = &capture->captured->heap.facts;
    struct collector_facts collector;
    roots_collector_facts(capture->model, &collector);
    facts->pid = capture->image->memory.pid;
    memcpy(facts->python, capture->model->process.version_text, sizeof facts->python);
    facts->gc_objects = capture->collected_count;
    facts->gc_enabled = collector.enabled;
    facts->ending = capture->model->process.ending;
    memcpy(facts->gc_threshold, collector.threshold, sizeof facts->gc_threshold);
    memcpy(facts->gc_collections, collector.collections, sizeof facts->gc_collections);
    facts->faults = capture->model->faults;
    facts->image_bytes = capture->image->copied;
}

static void release_captured(void *owner) {
    struct captured *captured = owner;
    arena_deinit(&captured->words);
    model_close(captured->model);
}

#define IMAGE_LARGEST (1ull << 35)

struct error *capture_heap(struct image *image, struct heap **out) {
    return capture_heap_described(image, NULL, out);
}

struct error *capture_heap_described(struct image *image, struct described_types *types, struct heap **out) {
    *out = NULL;
    struct model *model;
    TRY(model_open(image, types, &model));
    if (image->length > IMAGE_LARGEST) {
        struct error *error =
            error_create(STATUS_INTERNAL, "process %d: an image of %llu bytes is too large; at most 32 GiB",
                         image->memory.pid, (unsigned long long)image->length);
        model_close(model);
        return error;
    }
    struct arena arena = {0};
    struct captured *captured = arena_new(&arena, struct captured, 1); /* lies in what heap_close frees */
    captured->heap.arena = arena;
    captured->model = model;
    captured->heap.release = release_captured;
    captured->heap.owner = captured;
    captured->objects.words = image->length / 512 + 8;
    captured->objects.bits = arena_new(&captured->heap.arena, uint64_t, captured->objects.words);
    struct capture capture = {
        .captured = captured, .model = model, .image = image, .words_limit = image->length / 2 + (1 << 20)};
    discover_everything(&capture);
    struct error *error = freeze_graph(&capture);
    if (!error)
        fill_facts(&capture);
    capture_deinit(&capture);
    if (error) {
        heap_close(&captured->heap);
        return error;
    }
    captured_describe(captured);
    graph_build_in_edges(&captured->heap.graph, &captured->heap.arena);
    *out = &captured->heap;
    return NULL;
}
