/* The words of a captured graph: types, names of nodes and edges, facts, all read from the image on demand.
 */
#include "graph/captured.h"

#include "base/source.h"
#include "cpython/bytecode.h"

#include <string.h>

static uint32_t model_type_of_node(const struct captured *captured, node_id node) {
    uint32_t type = captured->heap.graph.type_of[node];
    return type < CAPTURED_TYPE_COUNT ? MODEL_NOT_A_TYPE : type - CAPTURED_TYPE_COUNT;
}

/* --- where code comes from --- */

enum code_origin captured_origin_of_file(struct span file) {
    if (!file.length)
        return ORIGIN_NONE;
    return source_is_library(file) ? ORIGIN_LIBRARY : ORIGIN_USER;
}

/* The file of a module; one that was made by hand has neither file nor spec and is the user's. */
static enum code_origin origin_of_module(struct model *model, remote_address module) {
    remote_address namespace = model_word(model, module + model->layout->module_dict);
    if (!namespace)
        return ORIGIN_NONE;
    struct span file = model_text(model, model_dict_get(model, namespace, "__file__"));
    if (file.length)
        return captured_origin_of_file(file);
    struct span name = model_text(model, model_word(model, module + model->layout->module_name));
    if (span_is(name, "__main__"))
        return ORIGIN_USER;
    remote_address spec = model_dict_get(model, namespace, "__spec__");
    uint32_t type = spec ? model_object_type(model, spec) : MODEL_NOT_A_TYPE;
    bool none = type != MODEL_NOT_A_TYPE && strcmp(model_type(model, type)->name, "NoneType") == 0;
    return spec && !none ? ORIGIN_LIBRARY : ORIGIN_USER;
}

static enum code_origin origin_of_function(const struct model *model, remote_address function) {
    struct code_place place = {0};
    model_code_place(model, model_word(model, function + model->layout->function_code), &place);
    return captured_origin_of_file(place.file);
}

/* --- types --- */

static enum node_role role_of_type(const struct type_model *type) {
    static const uint8_t roles[WALKER_COUNT] = {
        [WALK_OBJECT] = ROLE_OBJECT,       [WALK_WORDS] = ROLE_OBJECT,    [WALK_LEAF] = ROLE_TEXT,
        [WALK_TEXT] = ROLE_TEXT,           [WALK_LONG] = ROLE_TEXT,       [WALK_BYTES] = ROLE_TEXT,
        [WALK_BYTEARRAY] = ROLE_TEXT,      [WALK_DICT] = ROLE_DICT,       [WALK_ORDERED_DICT] = ROLE_DICT,
        [WALK_LIST] = ROLE_SEQUENCE,       [WALK_TUPLE] = ROLE_SEQUENCE,  [WALK_SET] = ROLE_SEQUENCE,
        [WALK_DEQUE] = ROLE_SEQUENCE,      [WALK_TYPE] = ROLE_TYPE,       [WALK_FUNCTION] = ROLE_FUNCTION,
        [WALK_CODE] = ROLE_CODE,           [WALK_FRAME] = ROLE_FRAME,     [WALK_GENERATOR] = ROLE_FRAME,
        [WALK_TRACEBACK] = ROLE_TRACEBACK, [WALK_MODULE] = ROLE_MODULE,   [WALK_CELL] = ROLE_CELL,
        [WALK_METHOD] = ROLE_METHOD,       [WALK_WEAKREF] = ROLE_WEAKREF, [WALK_LRU_CACHE] = ROLE_CACHE,
        [WALK_ARRAY] = ROLE_TEXT,          [WALK_BYTES_IO] = ROLE_OBJECT,
    };
    if (strcmp(type->name, "builtin_function_or_method") == 0)
        return ROLE_METHOD;
    return roles[type->walker];
}

/* "collections.deque" of a C type has its module in tp_name; a class statement's is in its namespace. */
static void name_type(struct captured *captured, const struct type_model *type, struct graph_type *out) {
    struct model *model = captured->model;
    const char *dot = strrchr(type->name, '.');
    out->name = span_from_text(dot ? dot + 1 : type->name);
    out->module = dot ? (struct span){type->name, (size_t)(dot - type->name)} : SPAN("builtins");
    if (!type->is_python_class)
        return;
    remote_address namespace = model_word(model, type->address + model->layout->type_dict);
    struct span module = model_text(model, model_dict_get(model, namespace, "__module__"));
    struct span name =
        model_text(model, model_word(model, type->address + model->layout->heap_type_qualname));
    if (module.length)
        out->module = module;
    if (name.length)
        out->name = name;
}

/* A class is the user's if its module is. Modules are few: asked by name through sys.modules each time. */
static enum code_origin origin_of_class(struct captured *captured, const struct type_model *type,
                                        struct span module) {
    if (!type->is_python_class)
        return ORIGIN_NONE;
    struct model *model = captured->model;
    if (!model->process.interpreter_count)
        return ORIGIN_USER;
    remote_address main = model->process.interpreters[model->process.interpreter_count - 1];
    remote_address modules = model_word(model, main + model->layout->interpreter_modules);
    char *name = arena_copy_text(&captured->words, module.data, module.length);
    remote_address found = modules ? model_dict_get(model, modules, name) : 0;
    return found ? origin_of_module(model, found) : ORIGIN_USER;
}

static void describe_type(struct captured *captured, uint32_t index, struct map *origins,
                          struct graph_type *out) {
    const struct type_model *type = model_type(captured->model, index);
    name_type(captured, type, out);
    out->role = role_of_type(type);
    out->address = type->address;
    uint64_t key = span_hash(out->module, type->is_python_class);
    uint32_t origin = map_find(origins, key);
    if (origin == MAP_ABSENT) {
        origin = origin_of_class(captured, type, out->module);
        map_set(origins, key, origin);
    }
    out->flags =
        (origin == ORIGIN_USER ? TYPE_USER_CODE : 0u) | (origin == ORIGIN_LIBRARY ? TYPE_LIBRARY_CODE : 0u) |
        (type->is_exception ? TYPE_EXCEPTION : 0u) | (type->collected ? TYPE_COLLECTED : 0u) |
        (type->walker == WALK_OBJECT && !type->is_python_class && type->basic_size > type->walked_size
             ? TYPE_FOREIGN
             : 0u);
}

static void fill_types(struct captured *captured) {
    static const struct {
        const char *name;
        enum node_role role;
    } synthetic[CAPTURED_TYPE_COUNT] = {
        [CAPTURED_TYPE_ROOT] = {"<root>", ROLE_ROOT},
        [CAPTURED_TYPE_THREAD] = {"<thread>", ROLE_THREAD},
        [CAPTURED_TYPE_ACTIVATION] = {"<frame>", ROLE_ACTIVATION},
        [CAPTURED_TYPE_TABLE] = {"<table>", ROLE_TABLE},
        [CAPTURED_TYPE_STATIC] = {"<C data>", ROLE_TABLE},
        [CAPTURED_TYPE_UNREADABLE] = {"<unreadable>", ROLE_OBJECT},
    };
    struct graph *graph = &captured->heap.graph;
    uint32_t count = CAPTURED_TYPE_COUNT + (uint32_t)captured->model->types.count;
    struct graph_type *types = arena_new(&captured->words, struct graph_type, count);
    for (uint32_t i = 0; i < CAPTURED_TYPE_COUNT; i++)
        types[i] = (struct graph_type){span_from_text(synthetic[i].name), {0}, synthetic[i].role, 0, 0};
    struct map origins = {0};
    for (uint32_t i = CAPTURED_TYPE_COUNT; i < count; i++)
        describe_type(captured, i - CAPTURED_TYPE_COUNT, &origins, &types[i]);
    map_deinit(&origins);
    graph->types = types;
    graph->type_count = count;
}

/* Modules, functions and classes carry the origin of their code. */
static void flag_origins(struct captured *captured) {
    struct graph *graph = &captured->heap.graph;
    uint8_t *flags = (uint8_t *)graph->flags;
    struct map origin_of_type = {0};
    for (uint32_t i = 0; i < graph->type_count; i++)
        map_set(&origin_of_type, graph->types[i].address, graph->types[i].flags);
    for (node_id node = graph->synthetic_count; node < graph->node_count; node++) {
        enum code_origin origin = ORIGIN_NONE;
        switch (graph_type_of(graph, node)->role) {
        case ROLE_MODULE: origin = origin_of_module(captured->model, graph->addresses[node]); break;
        case ROLE_FUNCTION: origin = origin_of_function(captured->model, graph->addresses[node]); break;
        case ROLE_TYPE: {
            uint32_t type = map_find(&origin_of_type, graph->addresses[node]);
            bool known = type != MAP_ABSENT;
            origin = !known ? ORIGIN_NONE : type & TYPE_USER_CODE ? ORIGIN_USER : ORIGIN_LIBRARY;
            break;
        }
        default: continue;
        }
        flags[node] |= (uint8_t)(origin == ORIGIN_USER      ? NODE_USER_CODE
                                 : origin == ORIGIN_LIBRARY ? NODE_LIBRARY_CODE
                                                            : 0);
    }
    map_deinit(&origin_of_type);
}

/* --- edges --- */

struct edge_namer {
    struct reference_visitor visitor;
    struct captured *captured;
    struct edge_name *names;
    uint32_t count, limit;
    struct arena *arena;
};

static struct edge_name name_of_label(struct captured *captured, struct reference_label label,
                                      struct arena *arena) {
    struct edge_name name = {{0}, label.kind == LABEL_INDEX ? (int64_t)label.value : -1};
    name.text = model_label(captured->model, label, arena);
    return name;
}

static void name_reference(struct reference_visitor *visitor, remote_address target, enum reference_kind kind,
                           struct reference_label label) {
    struct edge_namer *namer = (struct edge_namer *)visitor;
    const struct image *image = namer->captured->model->image;
    uint64_t offset = target % 8 ? IMAGE_ABSENT : image_locate(image, target);
    (void)kind;
    if (offset == IMAGE_ABSENT || !granule_set_has(&namer->captured->objects, (uint32_t)(offset >> 3)))
        return;
    if (namer->count < namer->limit)
        namer->names[namer->count++] = name_of_label(namer->captured, label, namer->arena);
}

static struct span holder_name(const struct captured *captured, node_id node) {
    return node == NODE_ROOT ? (struct span){0} : captured->holder_of[node]->name;
}

static void name_holder_edges(struct captured *captured, node_id source, struct edge_name *names,
                              struct arena *arena) {
    for (uint32_t i = captured->holder_begin[source]; i < captured->holder_begin[source + 1]; i++) {
        const struct captured_reference *reference = &captured->holder_references[i];
        *names++ = reference->target_holder == NODE_NONE
                       ? name_of_label(captured, reference->label, arena)
                       : (struct edge_name){holder_name(captured, reference->target_holder), -1};
    }
}

static void edge_names(void *context, node_id source, struct edge_name *names, struct arena *arena) {
    struct captured *captured = context;
    const struct graph *graph = &captured->heap.graph;
    if (source < graph->synthetic_count) {
        name_holder_edges(captured, source, names, arena);
        return;
    }
    uint32_t type = model_type_of_node(captured, source);
    struct edge_namer namer = {{name_reference}, captured, names, 0, graph_out_degree(graph, source), arena};
    if (type != MODEL_NOT_A_TYPE)
        model_walk(captured->model, graph->addresses[source], type, &namer.visitor);
    while (namer.count < namer.limit)
        names[namer.count++] = (struct edge_name){{0}, -1};
}

/* --- nodes --- */

static struct span qualified(struct span module, struct span name, struct arena *arena) {
    if (!module.length || span_is(module, "builtins"))
        return name;
    return span_from_text(
        arena_format(arena, "%.*s.%.*s", (int)module.length, module.data, (int)name.length, name.data));
}

static struct span name_of_class(struct captured *captured, remote_address address, struct arena *arena) {
    uint32_t index = model_find_type(captured->model, address);
    if (index == MODEL_NOT_A_TYPE)
        return (struct span){0};
    struct graph_type named = {0};
    name_type(captured, model_type(captured->model, index), &named);
    return qualified(named.module, named.name, arena);
}

static struct span name_of_code(const struct model *model, remote_address code) {
    struct code_place place = {0};
    model_code_place(model, code, &place);
    return place.name;
}

static struct span node_name(void *context, node_id node, struct arena *arena) {
    struct captured *captured = context;
    struct model *model = captured->model;
    if (node < captured->heap.graph.synthetic_count)
        return holder_name(captured, node);
    uint32_t type = model_type_of_node(captured, node);
    if (type == MODEL_NOT_A_TYPE)
        return (struct span){0};
    remote_address address = captured->heap.graph.addresses[node];
    enum walker walker = model_type(model, type)->walker;
    if (walker == WALK_MODULE)
        return model_text(model, model_word(model, address + model->layout->module_name));
    if (walker == WALK_TYPE)
        return name_of_class(captured, address, arena);
    if (walker == WALK_FUNCTION)
        return qualified(model_text(model, model_word(model, address + model->layout->function_module)),
                         model_text(model, model_word(model, address + model->layout->function_qualname)),
                         arena);
    remote_address code = model_running_code(model, address, walker);
    return code ? name_of_code(model, code) : (struct span){0};
}

static void node_facts(void *context, node_id node, struct node_facts *facts, struct arena *arena) {
    struct captured *captured = context;
    struct model *model = captured->model;
    (void)arena;
    *facts = (struct node_facts){.length = -1, .bound = -2};
    if (node < captured->heap.graph.synthetic_count) {
        const struct captured_holder *holder = captured->holder_of[node];
        facts->bound = holder && holder->bound ? holder->bound : -2;
        return;
    }
    uint32_t type = model_type_of_node(captured, node);
    if (type == MODEL_NOT_A_TYPE)
        return;
    remote_address address = captured->heap.graph.addresses[node];
    facts->refcount = captured->heap.graph.refcounts[node];
    facts->length = model_length(model, address, type, &facts->bound);
    enum walker walker = model_type(model, type)->walker;
    struct code_place place = {0};
    remote_address code = model_running_code(model, address, walker);
    if (walker == WALK_TRACEBACK) {
        remote_address frame = model_word(model, address + model->layout->traceback_frame);
        code = model_running_code(model, frame, WALK_FRAME);
    }
    if (code && model_code_place(model, code, &place)) {
        facts->file = place.file;
        facts->line = walker == WALK_TRACEBACK
                          ? (int32_t)model_half(model, address + model->layout->traceback_line)
                          : place.line;
    }
}

static size_t code_writes(void *context, node_id node, struct span wanted, struct code_write **out, struct arena *arena) {
    struct captured *captured = context;
    uint32_t type = model_type_of_node(captured, node);
    struct bytecode_write *found;
    if (type == MODEL_NOT_A_TYPE || model_type(captured->model, type)->walker != WALK_CODE)
        return 0;
    size_t count = bytecode_writes(captured->model, captured->heap.graph.addresses[node], wanted, arena, &found);
    *out = arena_new(arena, struct code_write, count + 1);
    for (size_t i = 0; i < count; i++) {
        (*out)[i] = (struct code_write){found[i].line, (enum code_how)found[i].how, (enum code_root)found[i].root,
                                        found[i].part_count, {{0}}, found[i].method};
        memcpy((*out)[i].parts, found[i].parts, sizeof found[i].parts);
    }
    return count;
}

_Static_assert((int)CODE_INPLACE == (int)BYTECODE_INPLACE && (int)CODE_FREE == (int)BYTECODE_FREE &&
                   (int)CODE_PARTS_MOST == (int)BYTECODE_PARTS_MOST,
               "the graph and the bytecode speak of the same things");

void captured_describe(struct captured *captured) {
    captured->heap.graph.describe = (struct graph_describe){captured, edge_names, node_name, node_facts,
                                                            code_writes};
    fill_types(captured);
    flag_origins(captured);
}
