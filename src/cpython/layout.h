/* Where the fields of CPython's structures lie: one row per version, generated.
 *
 * All offsets and sizes are in bytes. LAYOUT_NONE marks a field that a version does not have; code asks for
 * the field, never for the version. Rows are made by tools/generate_layouts.py with offsetof from each
 * version's own internal headers (Include/internal, Py_BUILD_CORE). */
#ifndef CAULK_CPYTHON_LAYOUT_H
#define CAULK_CPYTHON_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define LAYOUT_NONE UINT32_MAX

/* Each X(name) is one field of struct layout. */
#define LAYOUT_FIELDS(X)                                                                                     \
    X(build) X(object_head) X(object_type) X(object_size) X(object_refcount_local) X(object_refcount_shared) \
    X(object_gc_bits) X(object_tracked_bit) X(object_unreachable_bit) X(object_frozen_bit)                   \
    X(object_deferred_bit) X(object_deferred_local) X(collector_head_size)                                                            \
    X(interpreter_abandoned) X(interpreter_abandoned_visited) X(thread_heaps) X(thread_heap_state)           \
    X(thread_heaps_initialized) X(thread_private) X(thread_private_size) X(heap_size) X(heap_state)          \
    X(heap_pages) X(heap_page_queues) X(heap_page_queue_size) X(heap_tag) X(page_size) X(page_next)          \
    X(page_free) X(page_local_free) X(page_thread_free) X(page_block_size) X(page_capacity)                  \
    X(page_slice_count) X(page_tag) X(page_tag_mask) X(segment_size) X(segment_slice_size)                   \
    X(segment_slices) X(segment_slice_entries) X(segment_abandoned_next) X(segment_thread) X(segment_abandoned) \
    X(segment_subprocess) X(interpreter_subprocess) X(page_block_size_size) X(page_start) X(thread_counts)   \
    X(thread_counts_size) X(heap_type_unique_id) X(code_unique_id) X(dict_unique_id)    \
    X(runtime_size) X(runtime_interpreters_head) X(runtime_finalizing)                                        \
    X(interpreter_size) X(interpreter_next) X(interpreter_threads) X(interpreter_gc)                         \
    X(interpreter_modules) X(interpreter_runtime) X(interpreter_sysdict) X(interpreter_atexit_callbacks)     \
    X(interpreter_atexit_count) X(interpreter_atexit_module) X(interpreter_type_cache) X(interpreter_type_cache_size)                     \
    X(interpreter_interned) X(interpreter_initial_thread) X(interpreter_obmalloc)                            \
    X(interpreter_obmalloc_size) X(interpreter_free_lists) X(interpreter_free_lists_size)                       \
    X(interpreter_function_versions) X(interpreter_function_versions_size) X(interpreter_extension_types) \
    X(interpreter_extension_types_size) X(interpreter_type_versions) X(interpreter_type_versions_size)       \
    X(interpreter_static_types) X(interpreter_static_types_size)                \
    X(static_type_size) X(static_type_type) X(static_type_dict) X(static_type_subclasses)                    \
    X(gc_enabled) X(gc_generations) X(gc_generation_size) X(gc_generation_threshold)                         \
    X(gc_statistics_collections) X(gc_statistics_young_index) X(gc_statistics_old) X(gc_statistics_old_size) \
    X(gc_statistics_old_index)                                                                               \
    X(gc_permanent_generation) X(gc_statistics) X(gc_statistics_size) X(gc_collecting)            \
    X(thread_size) X(thread_next) X(thread_interpreter) X(thread_frame) X(thread_cframe)                     \
    X(cframe_current_frame) X(thread_native_id) X(thread_id) X(thread_context) X(thread_dict)                \
                                                    \
    X(frame_code) X(frame_previous) X(frame_function) X(frame_globals) X(frame_builtins) X(frame_locals)     \
    X(frame_object) X(frame_stacktop) X(frame_owner) X(frame_localsplus)                \
    X(frame_stack_pointer) X(frame_stack_depth) X(frame_value_stack) X(frame_executing)                      \
    X(frame_executing_value) X(frame_generator) X(frame_reference_tags)                                      \
    X(frame_object_size) X(frame_object_back) X(frame_object_frame) X(frame_object_trace)                    \
    X(frame_object_data) X(frame_object_extra_locals) X(frame_object_locals_cache)    \
    X(frame_object_overwritten)                                                                              \
    X(generator_code) X(generator_name) X(generator_qualname) X(generator_exc_value)                         \
    X(generator_exc_type) X(generator_exc_traceback)                                                         \
    X(generator_origin) X(generator_frame_state) X(generator_executing_value) X(generator_frame)             \
    X(generator_frame_object)                                                                                \
    X(code_consts) X(code_names) X(code_exception_table) X(code_stack_size)                    \
    X(code_first_line) X(code_locals_count) X(code_local_names) X(code_local_kinds)     \
    X(code_filename) X(code_name) X(code_qualname) X(code_line_table) X(code_cached) X(code_cached_count)    \
    X(code_cached_indirect) X(code_bytes) X(code_cell_names) X(code_free_names) X(code_byte_object)          \
    X(code_cell_arguments) X(code_opcache) X(code_opcache_size) X(code_opcache_entry_size)                                          \
    X(type_size) X(heap_type_size) X(type_name) X(type_basic_size) X(type_item_size) X(type_dealloc)         \
    X(type_flags) X(type_traverse) X(type_weaklist_offset) X(type_members) X(type_base) X(type_dict)         \
    X(type_dict_offset) X(type_bases) X(type_mro) X(type_cache) X(type_subclasses)                           \
    X(heap_type_name) X(heap_type_slots) X(heap_type_qualname) X(heap_type_cached_keys) X(heap_type_module)  \
                                                                                   \
    X(dict_used) X(dict_keys) X(dict_values)                                                                 \
    X(keys_log2_size) X(keys_log2_index_bytes) X(keys_kind) X(keys_entry_count) X(keys_indices)              \
    X(keys_size) X(keys_usable) X(values_items) X(values_valid) X(values_capacity)                         \
    X(managed_values) X(managed_values_tagged) X(managed_dict) X(inline_values) X(pre_header_size)           \
    X(list_items) X(list_allocated) X(tuple_items)                                                           \
    X(set_fill) X(set_used) X(set_mask) X(set_table) X(set_small_table) X(set_size)                          \
    X(bytearray_allocated) X(bytearray_bytes) X(bytes_data)                                                                     \
    X(long_digits) X(long_tag) X(long_digit_size) X(long_least_digits)                                       \
    X(text_length) X(text_state) X(text_ascii_size) X(text_compact_size) X(text_utf8_length) X(text_utf8)    \
    X(text_data) X(text_compact_bit) X(text_ascii_bit) X(text_kind_shift) X(text_interned_mask)              \
    X(function_globals) X(function_builtins) X(function_name) X(function_qualname) X(function_code)          \
    X(function_defaults) X(function_kwdefaults) X(function_closure) X(function_doc) X(function_dict)         \
    X(function_module) X(function_annotations) X(function_type_params) X(function_annotate)                                      \
    X(method_function) X(method_self) X(cell_contents)                                                       \
    X(module_dict) X(module_definition) X(module_state_size) X(module_state) X(module_name) X(definition_state_size)              \
                                               \
    X(traceback_next) X(traceback_frame) X(traceback_line)                                                   \
    X(weakref_callback) X(managed_buffer_object) X(memoryview_buffer)                                        \
    X(exception_args) X(exception_notes) X(exception_traceback) X(exception_context) X(exception_cause)      \
    X(object_immortal) X(object_refcount_size) X(object_static_refcount)

/* Of which of these fields the process itself tells the offset, from 3.13 on: the row says where in its table
 * (_Py_DebugOffsets, at the start of _PyRuntime). */
#define LAYOUT_TOLD_FIELDS(X)                                                                                \
    X(runtime_size) X(runtime_interpreters_head)                                                             \
    X(interpreter_size) X(interpreter_next) X(interpreter_threads) X(interpreter_gc) X(interpreter_modules)  \
    X(interpreter_sysdict)                                                                                   \
    X(thread_next) X(thread_interpreter) X(thread_frame) X(thread_id) X(thread_native_id)                    \
    X(frame_previous) X(frame_code) X(frame_localsplus) X(frame_owner) X(frame_stack_pointer)                \
    X(code_filename) X(code_name) X(code_qualname) X(code_line_table) X(code_first_line)                     \
    X(code_local_names) X(code_local_kinds) X(code_bytes)                                                    \
    X(object_type) X(object_size) X(type_name) X(type_flags) X(type_basic_size) X(type_dict_offset)          \
    X(heap_type_cached_keys) X(tuple_items) X(list_items) X(set_used) X(set_table) X(set_mask)               \
    X(dict_keys) X(dict_values) X(long_tag) X(long_digits) X(bytes_data)                                     \
    X(text_state) X(text_length) X(text_ascii_size) X(text_compact_size)                                     \
    X(gc_collecting) X(gc_statistics) X(generator_name) X(generator_frame) X(generator_frame_state)

struct layout {
    uint32_t version; /* of the headers that the row was made from, as sys.hexversion */
#define LAYOUT_MEMBER(name) uint32_t name;
    LAYOUT_FIELDS(LAYOUT_MEMBER)
#undef LAYOUT_MEMBER
#define LAYOUT_MEMBER(name) uint32_t told_##name;
    LAYOUT_TOLD_FIELDS(LAYOUT_MEMBER)
#undef LAYOUT_MEMBER
};

/* What a row's CPython was configured as, bits of `build`. */
enum layout_build { LAYOUT_FREE_THREADED = 1, LAYOUT_DEBUG = 2 };

/* The row for `version` (sys.hexversion): the same minor version, the nearest patch release, a default build. NULL if there is
 * none. Whether it fits is checked on the process itself: offsets have moved between patch releases. */
const struct layout *layout_find(uint32_t version);

/* The rows of that minor version one after another, the nearest patch release first and of each release the default
 * build first; NULL behind the last. */
const struct layout *layout_find_next(uint32_t version, size_t rank);

/* All rows, for a process that does not tell its version by a symbol. */
const struct layout *layout_rows(size_t *count_out);

/* "3.9, 3.10, 3.11" for messages. */
const char *layout_supported_versions(void);

/* Bits of tp_flags (Include/object.h). */
enum {
    TPFLAGS_STATIC_BUILTIN = 1 << 1,
    TPFLAGS_INLINE_VALUES = 1 << 2,
    TPFLAGS_MANAGED_WEAKREF = 1 << 3,
    TPFLAGS_MANAGED_DICT = 1 << 4,
    TPFLAGS_HEAPTYPE = 1 << 9,
    TPFLAGS_READY = 1 << 12,
    TPFLAGS_HAVE_GC = 1 << 14,
    TPFLAGS_LONG_SUBCLASS = 1 << 24,
    TPFLAGS_LIST_SUBCLASS = 1 << 25,
    TPFLAGS_TUPLE_SUBCLASS = 1 << 26,
    TPFLAGS_BYTES_SUBCLASS = 1 << 27,
    TPFLAGS_UNICODE_SUBCLASS = 1 << 28,
    TPFLAGS_DICT_SUBCLASS = 1 << 29,
    TPFLAGS_BASE_EXC_SUBCLASS = 1 << 30,
};
#define TPFLAGS_TYPE_SUBCLASS (1u << 31)

/* Head of every object in default builds (Include/object.h: PyObject, PyVarObject); what holds for all builds is in
 * the rows. */
enum { OBJECT_REFCOUNT = 0, OBJECT_TYPE = 8, OBJECT_SIZE = 16, OBJECT_HEAD = 16, OBJECT_VAR_HEAD = 24, GC_HEAD = 16 };

/* The tp_basicsize that a structure would have in a default build. */
static inline uint32_t private_size(const struct layout *layout, uint32_t basic_size) {
    return basic_size - layout->object_head + OBJECT_HEAD;
}

#endif
