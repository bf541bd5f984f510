/* Opens a model and learns types as they are met. */
#include "cpython/model.h"

#include "cpython/type_words.h"
#include "cpython/wreck.h"
#include "memory/elf_file.h"

#include <stdlib.h>
#include <string.h>

/* Builtin and stdlib C types whose instances are walked by a known layout. The name is tp_name, which a class
 * statement cannot give a dot; subclasses inherit the walker of their base. */
static const struct {
    const char *name;
    enum walker walker;
} builtin_walkers[] = {
    {"object", WALK_OBJECT},
    {"str", WALK_TEXT},
    {"int", WALK_LONG},
    {"float", WALK_LEAF},
    {"complex", WALK_LEAF},
    {"bytes", WALK_BYTES},
    {"bytearray", WALK_BYTEARRAY},
    {"NoneType", WALK_LEAF},
    {"ellipsis", WALK_LEAF},
    {"NotImplementedType", WALK_LEAF},
    {"dict", WALK_DICT},
    {"frozendict", WALK_DICT},
    {"list", WALK_LIST},
    {"tuple", WALK_TUPLE},
    {"set", WALK_SET},
    {"frozenset", WALK_SET},
    {"type", WALK_TYPE},
    {"function", WALK_FUNCTION},
    {"code", WALK_CODE},
    {"frame", WALK_FRAME},
    {"generator", WALK_GENERATOR},
    {"coroutine", WALK_GENERATOR},
    {"async_generator", WALK_GENERATOR},
    {"traceback", WALK_TRACEBACK},
    {"module", WALK_MODULE},
    {"cell", WALK_CELL},
    {"method", WALK_METHOD},
    {"weakref", WALK_WEAKREF},
    {"weakref.ReferenceType", WALK_WEAKREF},
    {"weakproxy", WALK_WEAKREF},
    {"weakref.ProxyType", WALK_WEAKREF},
    {"weakcallableproxy", WALK_WEAKREF},
    {"weakref.CallableProxyType", WALK_WEAKREF},
    {"managedbuffer", WALK_MANAGED_BUFFER},
    {"memoryview", WALK_MEMORYVIEW},
    {"collections.deque", WALK_DEQUE},
    {"collections.OrderedDict", WALK_ORDERED_DICT},
    {"functools._lru_cache_wrapper", WALK_LRU_CACHE},
    {"functools._lru_list_elem", WALK_LRU_LINK},
    {"xml.etree.ElementTree.Element", WALK_ELEMENT},
    {"array.array", WALK_ARRAY},
    {"_io.BytesIO", WALK_BYTES_IO},
    {"mmap.mmap", WALK_MMAP},
    {"numpy.ndarray", WALK_NDARRAY},
    {"greenlet.greenlet", WALK_GREENLET},
};

static enum walker find_walker(const char *name, bool python_class) {
    if (!python_class)
        for (size_t i = 0; i < sizeof builtin_walkers / sizeof *builtin_walkers; i++)
            if (strcmp(builtin_walkers[i].name, name) == 0)
                return builtin_walkers[i].walker;
    return WALK_WORDS;
}

enum { TYPE_DEPTH_MAX = 200 };

/* A class made by a class statement gets its dealloc from typeobject.c, as every other such class; C types
 * have their own or inherit a C one, and only C types have a dot in tp_name. `subtype_dealloc` itself is
 * learned from the flag that only class statements set together with an allocated tp_name of their ht_name.
 */
static bool is_python_class(const struct model *model, const void *type, const char *name) {
    if (!(word_at(type, model->layout->type_flags) & TPFLAGS_HEAPTYPE) || strchr(name, '.'))
        return false;
    remote_address heap_name = word_at(type, model->layout->heap_type_name);
    uint32_t state = model_half(model, heap_name + model->layout->text_state);
    remote_address text =
        heap_name + (state & model->layout->text_ascii_bit ? model->layout->text_ascii_size
                                                           : model->layout->text_compact_size);
    /* type_new_impl: tp_name = PyUnicode_AsUTF8(ht_name), the characters in the object itself when ASCII */
    remote_address tp_name = word_at(type, model->layout->type_name);
    return tp_name == text || tp_name == model_word(model, heap_name + model->layout->text_utf8);
}

static void describe_instances(struct model *model, const void *type, struct type_model *made) {
    const struct layout *layout = model->layout;
    uint64_t flags = word_at(type, layout->type_flags);
    made->collected = flags & TPFLAGS_HAVE_GC;
    made->heap_type = flags & TPFLAGS_HEAPTYPE;
    bool manages = layout->managed_dict != LAYOUT_NONE || layout->managed_values_tagged != LAYOUT_NONE;
    made->managed_dict = manages && flags & TPFLAGS_MANAGED_DICT;
    made->inline_values = layout->inline_values && flags & TPFLAGS_INLINE_VALUES;
    made->managed_weakref = layout->object_immortal && flags & TPFLAGS_MANAGED_WEAKREF;
    made->is_metatype = flags & TPFLAGS_TYPE_SUBCLASS;
    made->is_exception = flags & TPFLAGS_BASE_EXC_SUBCLASS;
    made->basic_size = (uint32_t)word_at(type, layout->type_basic_size);
    made->item_size = (uint32_t)word_at(type, layout->type_item_size);
    int64_t weaklist = (int64_t)word_at(type, layout->type_weaklist_offset);
    made->weaklist_offset = weaklist > 0 ? (uint32_t)weaklist : 0;
    made->dict_offset = (int32_t)word_at(type, layout->type_dict_offset);
    if (made->heap_type)
        made->cached_keys = word_at(type, layout->heap_type_cached_keys);
}

/* A description covers what it describes: no word of such an instance is taken for a reference. */
static void find_description(const struct model *model, const struct type_model *base, struct type_model *made) {
    if (!made->is_python_class)
        made->described = described_find(model->users_types, made->name, private_size(model->layout, made->basic_size));
    if (made->described && made->described->references)
        made->walked_size = made->basic_size;
    else if (!made->described && base)
        made->described = base->described;
}

static void choose_walker(struct model *model, struct type_model *made) {
    made->walker = find_walker(made->name, made->is_python_class);
    const struct type_model *base = made->base == MAP_ABSENT ? NULL : model_type(model, made->base);
    if (made->walker == WALK_WORDS && base) {
        made->walker = base->walker;
        made->walked_size = base->walked_size;
    } else if (made->walker == WALK_WORDS) {
        made->walker = WALK_OBJECT;
        made->walked_size = model->layout->object_head;
    } else {
        made->walked_size = made->basic_size;
    }
    find_description(model, base, made);
}

/* Where the last of some fields ends; those that the version does not have count nothing. */
static uint32_t end_of_fields(const uint32_t *offsets, size_t count) {
    uint32_t end = OBJECT_HEAD; /* the least that there is */
    for (size_t i = 0; i < count; i++)
        if (offsets[i] != LAYOUT_NONE && offsets[i] + 8 > end)
            end = offsets[i] + 8;
    return end;
}
#define END_OF(...)                                                                                          \
    end_of_fields((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* What a walker reads of an instance without asking again: a type that claims less is damaged. */
static uint32_t least_size(const struct layout *at, enum walker walker) {
    enum {
        ODICT_SIZE = 56,
        DEQUE_SIZE = 72,
        LRU_CACHE_SIZE = 112,
        LRU_LINK_SIZE = 56,
        ELEMENT_SIZE = 48,
        ARRAY_SIZE = 48,
        MMAP_SIZE = 32,
        NDARRAY_SIZE = 72
    };
    uint32_t longer = at->object_head - OBJECT_HEAD;
    switch (walker) {
    case WALK_DICT: return END_OF(at->dict_used, at->dict_keys, at->dict_values);
    case WALK_ORDERED_DICT: return at->dict_values + 8 + ODICT_SIZE;
    case WALK_LIST: return END_OF(at->list_items, at->list_allocated);
    case WALK_SET: return END_OF(at->set_fill, at->set_used, at->set_mask, at->set_table);
    case WALK_TYPE: return at->type_size;
    case WALK_FUNCTION:
        return END_OF(at->function_globals, at->function_builtins, at->function_name, at->function_qualname,
                      at->function_code, at->function_defaults, at->function_kwdefaults, at->function_closure,
                      at->function_doc, at->function_dict, at->function_module, at->function_annotations,
                      at->function_type_params, at->function_annotate);
    case WALK_CODE: return at->code_bytes;
    case WALK_FRAME:
        return at->frame_object_frame == LAYOUT_NONE
                   ? at->frame_localsplus
                   : END_OF(at->frame_object_back, at->frame_object_frame, at->frame_object_trace,
                            at->frame_object_extra_locals, at->frame_object_locals_cache,
                            at->frame_object_overwritten);
    case WALK_GENERATOR:
        return END_OF(at->generator_code, at->generator_name, at->generator_qualname, at->generator_exc_value,
                      at->generator_exc_type, at->generator_exc_traceback, at->generator_frame_object,
                      at->generator_frame_state == LAYOUT_NONE ? LAYOUT_NONE
                                                               : at->generator_frame_state & ~7u);
    case WALK_TRACEBACK: return END_OF(at->traceback_next, at->traceback_frame);
    case WALK_MODULE:
        return END_OF(at->module_dict, at->module_definition, at->module_state_size, at->module_state,
                      at->module_name);
    case WALK_CELL: return END_OF(at->cell_contents);
    case WALK_METHOD: return END_OF(at->method_function, at->method_self);
    case WALK_WEAKREF: return END_OF(at->weakref_callback);
    case WALK_MANAGED_BUFFER: return END_OF(at->managed_buffer_object);
    case WALK_MEMORYVIEW: return END_OF(at->memoryview_buffer);
    case WALK_BYTEARRAY: return END_OF(at->bytearray_allocated, at->bytearray_bytes);
    case WALK_DEQUE: return longer + DEQUE_SIZE;
    case WALK_LRU_CACHE: return longer + LRU_CACHE_SIZE;
    case WALK_LRU_LINK: return longer + LRU_LINK_SIZE;
    case WALK_ELEMENT: return longer + ELEMENT_SIZE;
    case WALK_ARRAY: return longer + ARRAY_SIZE;
    case WALK_MMAP: return longer + MMAP_SIZE;
    case WALK_NDARRAY: return longer + NDARRAY_SIZE;
    case WALK_TUPLE:
    case WALK_LONG:
    case WALK_BYTES: return at->object_size + 8;
    default: return at->object_head;
    }
}

/* Its instances are seen, but nothing of them is believed. */
static void distrust_short_type(struct model *model, struct type_model *made) {
    bool sized = made->item_size || (made->dict_offset < 0 && !made->managed_dict);
    uint32_t least = least_size(model->layout, made->walker);
    if (made->basic_size >= least && (!sized || made->basic_size >= model->layout->object_size + 8))
        return;
    model->faults++;
    made->walker = WALK_OBJECT;
    made->walked_size = model->layout->object_head;
    made->item_size = 0;
    made->dict_offset = 0;
}

/* A few static types of older versions have instances though PyType_Ready was never called for them
 * (Objects/memoryobject.c: _PyMemoryIter_Type, Modules/_functoolsmodule.c: lru_list_elem_type). */
static bool is_in_use(const struct model *model, const void *type) {
    if (word_at(type, model->layout->type_flags) & TPFLAGS_READY)
        return true;
    remote_address dealloc = word_at(type, model->layout->type_dealloc);
    const struct memory_segment *code = dealloc ? memory_find_segment(&model->image->memory, dealloc) : NULL;
    return code && code->flags & SEGMENT_EXECUTE;
}

static bool is_plausible_type(const struct model *model, const void *type) {
    int64_t basic = (int64_t)word_at(type, model->layout->type_basic_size);
    int64_t item = (int64_t)word_at(type, model->layout->type_item_size);
    return is_in_use(model, type) && basic >= model->layout->object_head && basic < 1 << 24 && item >= 0 && item < 1 << 20;
}

/* The base must be known first; at most TYPE_DEPTH_MAX of them, on a list instead of the C stack. */
static uint32_t add_type(struct model *model, remote_address address, uint32_t base) {
    const void *type = image_view(model->image, address, model->layout->type_size);
    bool heap_type = word_at(type, model->layout->type_flags) & TPFLAGS_HEAPTYPE;
    if (heap_type)
        type = image_view(model->image, address, model->layout->heap_type_size);
    struct span name =
        type ? model_remote_text(model, word_at(type, model->layout->type_name)) : (struct span){0};
    if (!type || !name.length) {
        map_set(&model->type_index, address, MODEL_NOT_A_TYPE);
        return MODEL_NOT_A_TYPE;
    }
    struct type_model made = {.address = address, .base = base};
    made.name = arena_copy_text(&model->arena, name.data, name.length);
    made.is_python_class = is_python_class(model, type, made.name);
    describe_instances(model, type, &made);
    choose_walker(model, &made);
    distrust_short_type(model, &made);
    type_words_learn(model, type, &made);
    uint32_t index = (uint32_t)model->types.count;
    *vector_push(&model->types, struct type_model) = made;
    map_set(&model->type_index, address, index);
    return index;
}

/* A type's own type must be a metatype: `type`, or something whose flags say that it derives from it. */
static bool has_metatype(const struct model *model, remote_address address, const void *type) {
    remote_address meta = word_at(type, model->layout->object_type);
    if (meta == model->type_type)
        return true;
    const void *metatype = meta == address ? NULL : image_view(model->image, meta, model->layout->type_size);
    if (!metatype || !(word_at(metatype, model->layout->type_flags) & TPFLAGS_TYPE_SUBCLASS))
        return false;
    for (int depth = 0; depth < 16; depth++) {
        meta = model_word(model, meta + model->layout->object_type);
        if (meta == model->type_type)
            return true;
    }
    return false;
}

static const void *view_type(const struct model *model, remote_address address) {
    if (address % 8)
        return NULL;
    const void *type = image_view(model->image, address, model->layout->type_size);
    return type && is_plausible_type(model, type) && has_metatype(model, address, type) ? type : NULL;
}

static uint32_t learn_type(struct model *model, remote_address address) {
    remote_address chain[TYPE_DEPTH_MAX];
    int depth = 0;
    uint32_t base = MAP_ABSENT;
    for (remote_address type = address; type && depth < TYPE_DEPTH_MAX;) {
        base = map_find(&model->type_index, type);
        if (base != MAP_ABSENT)
            break;
        const void *bytes = view_type(model, type);
        if (!bytes)
            break;
        chain[depth++] = type;
        type = word_at(bytes, model->layout->type_base);
    }
    if (base == MODEL_NOT_A_TYPE)
        base = MAP_ABSENT;
    while (depth > 0)
        base = add_type(model, chain[--depth], base == MODEL_NOT_A_TYPE ? MAP_ABSENT : base);
    return map_find(&model->type_index, address);
}

uint32_t model_find_type(struct model *model, remote_address address) {
    if (!address) /* an empty place of the cache has this address */
        return MODEL_NOT_A_TYPE;
    size_t slot = (address >> 4) % MODEL_TYPE_CACHE;
    if (model->recent[slot].address == address)
        return model->recent[slot].index;
    uint32_t index = map_find(&model->type_index, address);
    if (index == MAP_ABSENT)
        index = learn_type(model, address);
    if (index == MAP_ABSENT)
        return MODEL_NOT_A_TYPE; /* not remembered: random words would fill the table */
    model->recent[slot].address = address;
    model->recent[slot].index = index;
    return index;
}

uint32_t model_object_type(struct model *model, remote_address address) {
    if (address % 8)
        return MODEL_NOT_A_TYPE;
    const void *head = image_view(model->image, address, model->layout->object_head);
    if (!head || !model_refcount(model->layout, head))
        return MODEL_NOT_A_TYPE;
    return model_find_type(model, word_at(head, model->layout->object_type));
}

/* Without symbols: the type of the type of any object, and sys.__dict__ is one. */
static remote_address type_of_types(const struct model *model) {
    const struct layout *layout = model->layout;
    if (!model->process.interpreter_count)
        return 0;
    remote_address object = model_word(model, model->process.interpreters[0] + layout->interpreter_sysdict);
    remote_address type = object ? model_word(model, object + layout->object_type) : 0;
    return type ? model_word(model, type + layout->object_type) : 0;
}

static struct error *find_type_type(struct model *model) {
    model->type_type = elf_file_symbol(&model->image->memory, model->process.library, "PyType_Type");
    if (!model->type_type)
        model->type_type = type_of_types(model);
    remote_address meta = model_word(model, model->type_type + model->layout->object_type);
    if (meta && model_word(model, meta + model->layout->object_type) == meta)
        model->type_type = meta; /* not that of the library's table, where the program has a copy of it */
    else
        return error_create(STATUS_UNSUPPORTED, "process %d: the type object of its Python %s was not found; builds that link "
                                                "all objects (--with-trace-refs) are not read",
                            model->image->memory.pid, model->process.version_text);
    return NULL;
}

static void add_static_states(struct model *model, remote_address table, uint32_t size) {
    const struct layout *layout = model->layout;
    for (remote_address state = table; state < table + size; state += layout->static_type_size) {
        remote_address type = model_word(model, state + layout->static_type_type);
        if (!type || map_find(&model->static_states, type) != MAP_ABSENT)
            continue;
        map_set(&model->static_states, type, (uint32_t)model->static_state_list.count);
        *vector_push(&model->static_state_list, remote_address) = state;
    }
}

/* Static types keep their dict and subclasses per interpreter (Objects/typeobject.c: _PyStaticType_GetState)
 * in versions that have such tables. */
static void find_static_states(struct model *model) {
    const struct layout *layout = model->layout;
    for (size_t i = 0; i < model->process.interpreter_count; i++) {
        remote_address interpreter = model->process.interpreters[i];
        if (layout->interpreter_static_types != LAYOUT_NONE)
            add_static_states(model, interpreter + layout->interpreter_static_types,
                              layout->interpreter_static_types_size);
        if (layout->interpreter_extension_types != LAYOUT_NONE)
            add_static_states(model, interpreter + layout->interpreter_extension_types,
                              layout->interpreter_extension_types_size);
    }
}

/* The interpreter cannot be read, but what it made can. */
static bool open_wreck(struct model *model) {
    if (!wreck_recognise(&model->image->memory, &model->process))
        return false;
    model->layout = model->process.layout;
    model->faults++;
    struct error *error = find_type_type(model);
    bool found = !error;
    error_discard(error);
    return found && wreck_fits(model);
}

struct error *model_open(struct image *image, struct described_types *types, struct model **out) {
    *out = NULL;
    struct model *model = calloc(1, sizeof *model);
    if (!model) {
        memory_close(&image->memory);
        described_close(types);
        return error_create(STATUS_INTERNAL, "out of memory");
    }
    model->image = image;
    model->users_types = types;
    struct error *error = python_process_find(&image->memory, &model->process);
    if (!error) {
        model->layout = model->process.layout;
        model->faults += model->process.damaged;
        error = find_type_type(model);
    }
    if (error && open_wreck(model)) {
        error_discard(error);
        error = NULL;
    }
    if (error) {
        model_close(model);
        return error;
    }
    find_static_states(model);
    model_find_static_tables(model);
    *out = model;
    return NULL;
}

void model_close(struct model *model) {
    if (!model)
        return;
    vector_deinit(&model->types);
    map_deinit(&model->type_index);
    map_deinit(&model->static_states);
    vector_deinit(&model->static_state_list);
    arena_deinit(&model->arena);
    memory_close(&model->image->memory);
    described_close(model->users_types);
    free(model);
}
