/* Prints one row of src/cpython/layout_rows.h for the CPython whose headers it is compiled with. */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <stddef.h>
#include <structmember.h>

#include "internal/pycore_code.h"
#include "internal/pycore_gc.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_pystate.h"
#include "internal/pycore_runtime.h"
#if PY_VERSION_HEX >= 0x030b0000
#include "internal/pycore_dict.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_moduleobject.h"
#include "internal/pycore_typeobject.h"
#else
#include <frameobject.h>
#endif
#if PY_VERSION_HEX >= 0x030e0000
#include "internal/pycore_genobject.h"
#include "internal/pycore_interpframe.h"
#endif
#if PY_VERSION_HEX >= 0x030a0000 && PY_VERSION_HEX < 0x030b0000
#include "internal/pycore_moduleobject.h"
#endif

#define NONE 4294967295u
#define ROW(name, value) printf("    .%s = %uu,\n", #name, (unsigned)(value))
#define AT(name, structure, field) ROW(name, offsetof(structure, field))

#if PY_VERSION_HEX >= 0x030d0000
typedef managed_static_type_state static_type_state;
#elif PY_VERSION_HEX >= 0x030c0000
typedef static_builtin_state static_type_state;
#endif

#if PY_VERSION_HEX < 0x030a0000
/* Objects/moduleobject.c */
typedef struct {
    PyObject_HEAD
    PyObject *md_dict;
    struct PyModuleDef *md_def;
    void *md_state;
    PyObject *md_weaklist;
    PyObject *md_name;
} PyModuleObject;
#endif

#if PY_VERSION_HEX < 0x030b0000
/* Objects/dict-common.h */
struct _dictkeysobject {
    Py_ssize_t dk_refcnt;
    Py_ssize_t dk_size;
    void *dk_lookup;
    Py_ssize_t dk_usable;
    Py_ssize_t dk_nentries;
    char dk_indices[];
};
#endif

#define MEMBER_SIZE(structure, field) sizeof(((structure *)0)->field)

static void print_runtime(void) {
    ROW(runtime_size, sizeof(_PyRuntimeState));
    AT(runtime_interpreters_head, _PyRuntimeState, interpreters.head);
    ROW(interpreter_size, sizeof(PyInterpreterState));
    AT(interpreter_next, PyInterpreterState, next);
    AT(interpreter_gc, PyInterpreterState, gc);
    AT(interpreter_runtime, PyInterpreterState, runtime);
    AT(interpreter_sysdict, PyInterpreterState, sysdict);
#if PY_VERSION_HEX >= 0x030b0000
    AT(interpreter_threads, PyInterpreterState, threads.head);
    AT(interpreter_initial_thread, PyInterpreterState, _initial_thread);
#else
    AT(interpreter_threads, PyInterpreterState, tstate_head);
    ROW(interpreter_initial_thread, NONE);
#endif
#if PY_VERSION_HEX >= 0x030c0000
    AT(interpreter_modules, PyInterpreterState, imports.modules);
#else
    AT(interpreter_modules, PyInterpreterState, modules);
#endif
}

static void print_tables(void) {
#if PY_VERSION_HEX >= 0x030a0000
    AT(interpreter_atexit_callbacks, PyInterpreterState, atexit.callbacks);
    ROW(interpreter_atexit_module, NONE);
#else
    ROW(interpreter_atexit_callbacks, NONE);
    AT(interpreter_atexit_module, PyInterpreterState, pyexitmodule);
#endif
#if PY_VERSION_HEX >= 0x030e0000
    ROW(interpreter_atexit_count, NONE); /* the callbacks are a list of tuples */
#elif PY_VERSION_HEX >= 0x030a0000
    AT(interpreter_atexit_count, PyInterpreterState, atexit.ncallbacks);
#else
    ROW(interpreter_atexit_count, NONE);
#endif
#if PY_VERSION_HEX >= 0x030c0000
    AT(interpreter_type_cache, PyInterpreterState, types.type_cache);
    ROW(interpreter_type_cache_size, sizeof(struct type_cache));
    AT(interpreter_interned, PyInterpreterState, cached_objects.interned_strings);
    ROW(static_type_size, sizeof(static_type_state));
    AT(static_type_type, static_type_state, type);
    AT(static_type_dict, static_type_state, tp_dict);
    AT(static_type_subclasses, static_type_state, tp_subclasses);
#else
#if PY_VERSION_HEX >= 0x030a0000
    AT(interpreter_type_cache, PyInterpreterState, type_cache);
    ROW(interpreter_type_cache_size, sizeof(struct type_cache));
#else
    ROW(interpreter_type_cache, NONE);
    ROW(interpreter_type_cache_size, NONE);
#endif
    ROW(interpreter_interned, NONE);
    ROW(static_type_size, NONE);
    ROW(static_type_type, NONE);
    ROW(static_type_dict, NONE);
    ROW(static_type_subclasses, NONE);
#endif
}

static void print_borrowing_tables(void) {
#if PY_VERSION_HEX >= 0x030d0000
    AT(interpreter_free_lists, PyInterpreterState, object_state);
    ROW(interpreter_free_lists_size, MEMBER_SIZE(PyInterpreterState, object_state));
    AT(interpreter_function_versions, PyInterpreterState, func_state);
    ROW(interpreter_function_versions_size, MEMBER_SIZE(PyInterpreterState, func_state));
    AT(interpreter_static_types, PyInterpreterState, types.builtins.initialized);
    ROW(interpreter_static_types_size, MEMBER_SIZE(PyInterpreterState, types.builtins.initialized));
    AT(interpreter_extension_types, PyInterpreterState, types.for_extensions.initialized);
    ROW(interpreter_extension_types_size, MEMBER_SIZE(PyInterpreterState, types.for_extensions.initialized));
#elif PY_VERSION_HEX >= 0x030a0000
    AT(interpreter_free_lists, PyInterpreterState, float_state);
    ROW(interpreter_free_lists_size,
        offsetof(PyInterpreterState, exc_state) - offsetof(PyInterpreterState, float_state));
    ROW(interpreter_function_versions, NONE);
    ROW(interpreter_function_versions_size, NONE);
#else
    ROW(interpreter_free_lists, NONE);
    ROW(interpreter_free_lists_size, NONE);
    ROW(interpreter_function_versions, NONE);
    ROW(interpreter_function_versions_size, NONE);
#endif
#if PY_VERSION_HEX < 0x030d0000
    ROW(interpreter_extension_types, NONE);
    ROW(interpreter_extension_types_size, NONE);
#endif
#if PY_VERSION_HEX >= 0x030e0000
    AT(interpreter_type_versions, PyInterpreterState, types.type_version_cache);
    ROW(interpreter_type_versions_size, MEMBER_SIZE(PyInterpreterState, types.type_version_cache));
#else
    ROW(interpreter_type_versions, NONE);
    ROW(interpreter_type_versions_size, NONE);
#endif
#if PY_VERSION_HEX >= 0x030c0000 && PY_VERSION_HEX < 0x030d0000
    AT(interpreter_static_types, PyInterpreterState, types.builtins);
    ROW(interpreter_static_types_size, MEMBER_SIZE(PyInterpreterState, types.builtins));
    AT(interpreter_obmalloc, PyInterpreterState, obmalloc);
    ROW(interpreter_obmalloc_size, MEMBER_SIZE(PyInterpreterState, obmalloc));
#else
#if PY_VERSION_HEX < 0x030c0000
    ROW(interpreter_static_types, NONE);
    ROW(interpreter_static_types_size, NONE);
#endif
    ROW(interpreter_obmalloc, NONE);
    ROW(interpreter_obmalloc_size, NONE);
#endif
}

static void print_gc(void) {
    typedef struct _gc_runtime_state gc;
    AT(gc_enabled, gc, enabled);
    AT(gc_generations, gc, generations);
    ROW(gc_generation_size, sizeof(struct gc_generation));
    AT(gc_generation_threshold, struct gc_generation, threshold);
    AT(gc_permanent_generation, gc, permanent_generation);
    AT(gc_statistics, gc, generation_stats);
    ROW(gc_statistics_size, sizeof(struct gc_generation_stats));
    AT(gc_statistics_collections, struct gc_generation_stats, collections);
#if PY_VERSION_HEX >= 0x030f0000
    AT(gc_statistics_young_index, struct gc_stats, young.index);
    AT(gc_statistics_old, struct gc_stats, old);
    ROW(gc_statistics_old_size, sizeof(struct gc_old_stats_buffer));
    AT(gc_statistics_old_index, struct gc_old_stats_buffer, index);
#else
    ROW(gc_statistics_young_index, NONE);
    ROW(gc_statistics_old, NONE);
    ROW(gc_statistics_old_size, NONE);
    ROW(gc_statistics_old_index, NONE);
#endif
    AT(gc_collecting, gc, collecting);
    ROW(gc_size, sizeof(gc));
}

static void print_thread(void) {
    AT(thread_next, PyThreadState, next);
    AT(thread_interpreter, PyThreadState, interp);
#if PY_VERSION_HEX >= 0x030b0000
    ROW(thread_size, MEMBER_SIZE(PyInterpreterState, _initial_thread));
    AT(thread_native_id, PyThreadState, native_thread_id);
    AT(exc_item_value, _PyErr_StackItem, exc_value);
#else
    ROW(thread_size, sizeof(PyThreadState));
    ROW(thread_native_id, NONE);
    AT(exc_item_value, _PyErr_StackItem, exc_value);
#endif
#if PY_VERSION_HEX >= 0x030d0000
    AT(thread_frame, PyThreadState, current_frame);
#elif PY_VERSION_HEX < 0x030b0000
    AT(thread_frame, PyThreadState, frame);
#else
    ROW(thread_frame, NONE);
#endif
#if PY_VERSION_HEX >= 0x030b0000 && PY_VERSION_HEX < 0x030d0000
    AT(thread_cframe, PyThreadState, cframe);
    AT(cframe_current_frame, _PyCFrame, current_frame);
#else
    ROW(thread_cframe, NONE);
    ROW(cframe_current_frame, NONE);
#endif
    AT(thread_id, PyThreadState, thread_id);
    AT(thread_context, PyThreadState, context);
    AT(thread_dict, PyThreadState, dict);
    AT(thread_exc_state, PyThreadState, exc_state);
    AT(thread_exc_info, PyThreadState, exc_info);
}

#if PY_VERSION_HEX >= 0x030b0000
static void print_frame(void) {
    typedef _PyInterpreterFrame frame;
    AT(frame_previous, frame, previous);
#if PY_VERSION_HEX >= 0x030d0000
    AT(frame_code, frame, f_executable);
    AT(frame_function, frame, f_funcobj);
    AT(frame_instruction, frame, instr_ptr);
#elif PY_VERSION_HEX >= 0x030c0000
    AT(frame_code, frame, f_code);
    AT(frame_function, frame, f_funcobj);
    AT(frame_instruction, frame, prev_instr);
#else
    AT(frame_code, frame, f_code);
    AT(frame_function, frame, f_func);
    AT(frame_instruction, frame, prev_instr);
#endif
    AT(frame_globals, frame, f_globals);
    AT(frame_builtins, frame, f_builtins);
    AT(frame_locals, frame, f_locals);
    AT(frame_object, frame, frame_obj);
    AT(frame_owner, frame, owner);
    AT(frame_localsplus, frame, localsplus);
#if PY_VERSION_HEX >= 0x030e0000
    ROW(frame_stacktop, NONE);
    AT(frame_stack_pointer, frame, stackpointer);
    ROW(frame_reference_tags, 3); /* Include/internal/pycore_stackref.h: Py_TAG_BITS */
#else
    AT(frame_stacktop, frame, stacktop);
    ROW(frame_stack_pointer, NONE);
    ROW(frame_reference_tags, 0);
#endif
    ROW(frame_stack_depth, NONE);
    ROW(frame_value_stack, NONE);
    ROW(frame_executing, NONE);
    ROW(frame_executing_value, NONE);
    ROW(frame_generator, NONE);
    AT(frame_object_frame, PyFrameObject, f_frame);
    AT(frame_object_data, PyFrameObject, _f_frame_data);
    ROW(frame_object_size, sizeof(PyFrameObject));
    AT(frame_object_back, PyFrameObject, f_back);
    AT(frame_object_trace, PyFrameObject, f_trace);
    AT(frame_object_lineno, PyFrameObject, f_lineno);
#if PY_VERSION_HEX >= 0x030d0000
    AT(frame_object_extra_locals, PyFrameObject, f_extra_locals);
    AT(frame_object_locals_cache, PyFrameObject, f_locals_cache);
#else
    ROW(frame_object_extra_locals, NONE);
    ROW(frame_object_locals_cache, NONE);
#endif
#if PY_VERSION_HEX >= 0x030f0000
    AT(frame_object_overwritten, PyFrameObject, f_overwritten_fast_locals);
#elif PY_VERSION_HEX >= 0x030e0000
    AT(frame_object_overwritten, PyFrameObject, f_overwritten_fast_locals);
#else
    ROW(frame_object_overwritten, NONE);
#endif
}

static void print_generator(void) {
#if PY_VERSION_HEX >= 0x030c0000
    ROW(generator_code, NONE);
#else
    AT(generator_code, PyGenObject, gi_code);
#endif
    AT(generator_name, PyGenObject, gi_name);
    AT(generator_qualname, PyGenObject, gi_qualname);
    AT(generator_exc_value, PyGenObject, gi_exc_state.exc_value);
    ROW(generator_exc_type, NONE);
    ROW(generator_exc_traceback, NONE);
    AT(generator_origin, PyGenObject, gi_origin_or_finalizer);
    AT(generator_frame_state, PyGenObject, gi_frame_state);
    ROW(generator_executing_value, FRAME_EXECUTING); /* the last state with a frame */
    AT(generator_frame, PyGenObject, gi_iframe);
    ROW(generator_frame_object, NONE);
}
#else
/* The frame is the frame object. */
static void print_frame(void) {
    AT(frame_previous, PyFrameObject, f_back);
    AT(frame_code, PyFrameObject, f_code);
    ROW(frame_function, NONE);
    ROW(frame_instruction, NONE);
    AT(frame_globals, PyFrameObject, f_globals);
    AT(frame_builtins, PyFrameObject, f_builtins);
    AT(frame_locals, PyFrameObject, f_locals);
    ROW(frame_object, NONE);
    ROW(frame_owner, NONE);
    AT(frame_localsplus, PyFrameObject, f_localsplus);
    ROW(frame_stacktop, NONE);
    ROW(frame_reference_tags, 0);
    AT(frame_value_stack, PyFrameObject, f_valuestack);
#if PY_VERSION_HEX >= 0x030a0000
    ROW(frame_stack_pointer, NONE);
    AT(frame_stack_depth, PyFrameObject, f_stackdepth);
    AT(frame_executing, PyFrameObject, f_state);
    ROW(frame_executing_value, FRAME_EXECUTING);
#else
    AT(frame_stack_pointer, PyFrameObject, f_stacktop);
    ROW(frame_stack_depth, NONE);
    AT(frame_executing, PyFrameObject, f_executing);
    ROW(frame_executing_value, 1);
#endif
    AT(frame_generator, PyFrameObject, f_gen);
    ROW(frame_object_frame, NONE);
    ROW(frame_object_data, NONE);
    ROW(frame_object_size, sizeof(PyFrameObject));
    AT(frame_object_back, PyFrameObject, f_back);
    AT(frame_object_trace, PyFrameObject, f_trace);
    AT(frame_object_lineno, PyFrameObject, f_lineno);
    ROW(frame_object_extra_locals, NONE);
    ROW(frame_object_locals_cache, NONE);
    ROW(frame_object_overwritten, NONE);
}

static void print_generator(void) {
    AT(generator_code, PyGenObject, gi_code);
    AT(generator_name, PyGenObject, gi_name);
    AT(generator_qualname, PyGenObject, gi_qualname);
    AT(generator_exc_value, PyGenObject, gi_exc_state.exc_value);
    AT(generator_exc_type, PyGenObject, gi_exc_state.exc_type);
    AT(generator_exc_traceback, PyGenObject, gi_exc_state.exc_traceback);
    AT(generator_origin, PyCoroObject, cr_origin); /* or ag_finalizer */
    ROW(generator_frame_state, NONE);
    ROW(generator_executing_value, NONE);
    ROW(generator_frame, NONE);
    AT(generator_frame_object, PyGenObject, gi_frame);
}
#endif

#if PY_VERSION_HEX >= 0x030b0000
static void print_code_body(void) {
    AT(code_exception_table, PyCodeObject, co_exceptiontable);
    AT(code_locals_count, PyCodeObject, co_nlocalsplus);
    AT(code_local_names, PyCodeObject, co_localsplusnames);
    AT(code_local_kinds, PyCodeObject, co_localspluskinds);
    ROW(code_cell_names, NONE);
    ROW(code_free_names, NONE);
    AT(code_qualname, PyCodeObject, co_qualname);
    AT(code_line_table, PyCodeObject, co_linetable);
    AT(code_bytes, PyCodeObject, co_code_adaptive);
    ROW(code_byte_object, NONE);
    ROW(code_cell_arguments, NONE);
    ROW(code_opcache, NONE);
    ROW(code_opcache_size, NONE);
    ROW(code_opcache_entry_size, NONE);
}
#else
static void print_code_body(void) {
    ROW(code_exception_table, NONE);
    ROW(code_locals_count, NONE);
    AT(code_local_names, PyCodeObject, co_varnames);
    ROW(code_local_kinds, NONE);
    AT(code_cell_names, PyCodeObject, co_cellvars);
    AT(code_free_names, PyCodeObject, co_freevars);
    ROW(code_qualname, NONE);
#if PY_VERSION_HEX >= 0x030a0000
    AT(code_line_table, PyCodeObject, co_linetable);
#else
    AT(code_line_table, PyCodeObject, co_lnotab);
#endif
    ROW(code_bytes, sizeof(PyCodeObject));
    AT(code_byte_object, PyCodeObject, co_code);
    AT(code_cell_arguments, PyCodeObject, co_cell2arg);
    AT(code_opcache, PyCodeObject, co_opcache);
    AT(code_opcache_size, PyCodeObject, co_opcache_size);
    ROW(code_opcache_entry_size, sizeof(struct _PyOpcache));
}
#endif

static void print_code(void) {
    AT(code_consts, PyCodeObject, co_consts);
    AT(code_names, PyCodeObject, co_names);
    AT(code_flags, PyCodeObject, co_flags);
    AT(code_stack_size, PyCodeObject, co_stacksize);
    AT(code_first_line, PyCodeObject, co_firstlineno);
    AT(code_plain_locals, PyCodeObject, co_nlocals);
    AT(code_filename, PyCodeObject, co_filename);
    AT(code_name, PyCodeObject, co_name);
    print_code_body();
#if PY_VERSION_HEX >= 0x030c0000
    AT(code_cached, PyCodeObject, _co_cached);
    ROW(code_cached_count, sizeof(_PyCoCached) / sizeof(PyObject *));
    ROW(code_cached_indirect, 1);
#elif PY_VERSION_HEX >= 0x030b0000
    AT(code_cached, PyCodeObject, _co_code);
    ROW(code_cached_count, 1);
    ROW(code_cached_indirect, 0);
#else
    ROW(code_cached, NONE);
    ROW(code_cached_count, 0);
    ROW(code_cached_indirect, 0);
#endif
}

static void print_type(void) {
    ROW(type_size, sizeof(PyTypeObject));
    ROW(heap_type_size, sizeof(PyHeapTypeObject));
    AT(type_name, PyTypeObject, tp_name);
    AT(type_basic_size, PyTypeObject, tp_basicsize);
    AT(type_item_size, PyTypeObject, tp_itemsize);
    AT(type_dealloc, PyTypeObject, tp_dealloc);
    AT(type_flags, PyTypeObject, tp_flags);
    AT(type_traverse, PyTypeObject, tp_traverse);
    AT(type_weaklist_offset, PyTypeObject, tp_weaklistoffset);
    AT(type_members, PyTypeObject, tp_members);
    AT(type_base, PyTypeObject, tp_base);
    AT(type_dict, PyTypeObject, tp_dict);
    AT(type_dict_offset, PyTypeObject, tp_dictoffset);
    AT(type_bases, PyTypeObject, tp_bases);
    AT(type_mro, PyTypeObject, tp_mro);
    AT(type_cache, PyTypeObject, tp_cache);
    AT(type_subclasses, PyTypeObject, tp_subclasses);
    AT(heap_type_name, PyHeapTypeObject, ht_name);
    AT(heap_type_slots, PyHeapTypeObject, ht_slots);
    AT(heap_type_qualname, PyHeapTypeObject, ht_qualname);
    AT(heap_type_cached_keys, PyHeapTypeObject, ht_cached_keys);
    AT(heap_type_module, PyHeapTypeObject, ht_module);
#if PY_VERSION_HEX >= 0x030b0000
    AT(heap_type_spec_getitem, PyHeapTypeObject, _spec_cache);
#else
    ROW(heap_type_spec_getitem, NONE);
#endif
}

static void print_containers(void) {
    AT(dict_used, PyDictObject, ma_used);
    AT(dict_keys, PyDictObject, ma_keys);
    AT(dict_values, PyDictObject, ma_values);
    AT(keys_usable, PyDictKeysObject, dk_usable);
    AT(keys_entry_count, PyDictKeysObject, dk_nentries);
    AT(keys_indices, PyDictKeysObject, dk_indices);
#if PY_VERSION_HEX >= 0x030b0000
    AT(keys_log2_size, PyDictKeysObject, dk_log2_size);
    AT(keys_log2_index_bytes, PyDictKeysObject, dk_log2_index_bytes);
    AT(keys_kind, PyDictKeysObject, dk_kind);
    ROW(keys_size, NONE);
    AT(values_items, PyDictValues, values);
#else
    ROW(keys_log2_size, NONE);
    ROW(keys_log2_index_bytes, NONE);
    ROW(keys_kind, NONE);
    AT(keys_size, PyDictKeysObject, dk_size);
    ROW(values_items, 0);
#endif
#if PY_VERSION_HEX >= 0x030d0000
    AT(values_valid, PyDictValues, valid);
    AT(values_capacity, PyDictValues, capacity);
    AT(values_size, PyDictValues, size);
    ROW(managed_values, NONE);
    ROW(managed_values_tagged, NONE);
    ROW(managed_dict, 24); /* bytes before the object: Include/internal/pycore_object.h MANAGED_DICT_OFFSET */
    ROW(inline_values, 1);
#elif PY_VERSION_HEX >= 0x030c0000
    ROW(values_valid, NONE);
    ROW(values_capacity, NONE);
    ROW(values_size, NONE);
    ROW(managed_values, NONE);
    ROW(managed_values_tagged, 24); /* one word for both, bit 0 tells: PyDictOrValues */
    ROW(managed_dict, NONE);
    ROW(inline_values, 0);
#elif PY_VERSION_HEX < 0x030b0000
    ROW(values_valid, NONE);
    ROW(values_capacity, NONE);
    ROW(values_size, NONE);
    ROW(managed_values, NONE);
    ROW(managed_values_tagged, NONE);
    ROW(managed_dict, NONE);
    ROW(inline_values, 0);
#else
    ROW(values_valid, NONE);
    ROW(values_capacity, NONE);
    ROW(values_size, NONE);
    ROW(managed_values, 32); /* _PyObject_ValuesPointer: ((PyDictValues **)obj)[-4] */
    ROW(managed_values_tagged, NONE);
    ROW(managed_dict, 24); /* _PyObject_ManagedDictPointer: ((PyObject **)obj)[-3] */
    ROW(inline_values, 0);
#endif
    ROW(pre_header_size, 16);
    AT(list_items, PyListObject, ob_item);
    AT(list_allocated, PyListObject, allocated);
    AT(tuple_items, PyTupleObject, ob_item);
    AT(set_fill, PySetObject, fill);
    AT(set_used, PySetObject, used);
    AT(set_mask, PySetObject, mask);
    AT(set_table, PySetObject, table);
    AT(set_small_table, PySetObject, smalltable);
    ROW(set_size, sizeof(PySetObject));
    AT(bytearray_allocated, PyByteArrayObject, ob_alloc);
#if PY_VERSION_HEX >= 0x030f0000
    AT(bytearray_bytes, PyByteArrayObject, ob_bytes_object);
#else
    ROW(bytearray_bytes, NONE);
#endif
    AT(bytes_data, PyBytesObject, ob_sval);
#if PY_VERSION_HEX >= 0x030c0000
    AT(long_tag, PyLongObject, long_value.lv_tag);
    AT(long_digits, PyLongObject, long_value.ob_digit);
#else
    ROW(long_tag, NONE);
    AT(long_digits, PyLongObject, ob_digit);
#endif
    ROW(long_digit_size, sizeof(digit));
}

static unsigned text_bit(int compact, int ascii, unsigned kind, unsigned interned) {
    PyASCIIObject text;
    memset(&text, 0, sizeof text);
    text.state.compact = compact & 1;
    text.state.ascii = ascii & 1;
    text.state.kind = kind & 7;
    text.state.interned = interned & 3;
    unsigned word;
    memcpy(&word, (char *)&text + offsetof(PyASCIIObject, state), sizeof word);
    return word;
}

static void print_text(void) {
    AT(text_length, PyASCIIObject, length);
    AT(text_state, PyASCIIObject, state);
    ROW(text_ascii_size, sizeof(PyASCIIObject));
    ROW(text_compact_size, sizeof(PyCompactUnicodeObject));
    AT(text_utf8_length, PyCompactUnicodeObject, utf8_length);
    AT(text_utf8, PyCompactUnicodeObject, utf8);
    AT(text_data, PyUnicodeObject, data);
    ROW(text_compact_bit, text_bit(1, 0, 0, 0));
    ROW(text_ascii_bit, text_bit(0, 1, 0, 0));
    ROW(text_kind_shift, __builtin_ctz(text_bit(0, 0, 1, 0)));
    ROW(text_interned_mask, text_bit(0, 0, 0, 3));
}

static void print_function(void) {
    AT(function_globals, PyFunctionObject, func_globals);
#if PY_VERSION_HEX >= 0x030a0000
    AT(function_builtins, PyFunctionObject, func_builtins);
#else
    ROW(function_builtins, NONE);
#endif
    AT(function_name, PyFunctionObject, func_name);
    AT(function_qualname, PyFunctionObject, func_qualname);
    AT(function_code, PyFunctionObject, func_code);
    AT(function_defaults, PyFunctionObject, func_defaults);
    AT(function_kwdefaults, PyFunctionObject, func_kwdefaults);
    AT(function_closure, PyFunctionObject, func_closure);
    AT(function_doc, PyFunctionObject, func_doc);
    AT(function_dict, PyFunctionObject, func_dict);
    AT(function_module, PyFunctionObject, func_module);
    AT(function_annotations, PyFunctionObject, func_annotations);
#if PY_VERSION_HEX >= 0x030c0000
    AT(function_type_params, PyFunctionObject, func_typeparams);
#else
    ROW(function_type_params, NONE);
#endif
#if PY_VERSION_HEX >= 0x030e0000
    AT(function_annotate, PyFunctionObject, func_annotate);
#else
    ROW(function_annotate, NONE);
#endif
    AT(method_function, PyMethodObject, im_func);
    AT(method_self, PyMethodObject, im_self);
    AT(cell_contents, PyCellObject, ob_ref);
    AT(module_dict, PyModuleObject, md_dict);
#if PY_VERSION_HEX >= 0x030f0000
    ROW(module_definition, NONE);
    AT(module_state_size, PyModuleObject, md_state_size);
#else
    AT(module_definition, PyModuleObject, md_def);
    ROW(module_state_size, NONE);
#endif
    AT(module_state, PyModuleObject, md_state);
    AT(module_name, PyModuleObject, md_name);
    AT(definition_state_size, PyModuleDef, m_size);
    AT(cfunction_self, PyCFunctionObject, m_self);
    AT(cfunction_module, PyCFunctionObject, m_module);
    AT(cfunction_definition, PyCFunctionObject, m_ml);
    AT(traceback_next, PyTracebackObject, tb_next);
    AT(traceback_frame, PyTracebackObject, tb_frame);
    AT(traceback_line, PyTracebackObject, tb_lineno);
    AT(weakref_callback, PyWeakReference, wr_callback);
    AT(managed_buffer_object, _PyManagedBufferObject, master.obj);
    AT(memoryview_buffer, PyMemoryViewObject, mbuf);
    AT(exception_args, PyBaseExceptionObject, args);
#if PY_VERSION_HEX >= 0x030b0000
    AT(exception_notes, PyBaseExceptionObject, notes);
#else
    ROW(exception_notes, NONE);
#endif
    AT(exception_traceback, PyBaseExceptionObject, traceback);
    AT(exception_context, PyBaseExceptionObject, context);
    AT(exception_cause, PyBaseExceptionObject, cause);
    ROW(object_immortal, PY_VERSION_HEX >= 0x030c0000);
#if PY_VERSION_HEX >= 0x030e0000
    ROW(object_refcount_size, MEMBER_SIZE(PyObject, ob_refcnt));
#else
    ROW(object_refcount_size, 8);
#endif
}

int main(void) {
    printf("{\n    .version = 0x%08xu,\n", PY_VERSION_HEX);
    print_runtime();
    print_tables();
    print_borrowing_tables();
    print_gc();
    print_thread();
    print_frame();
    print_generator();
    print_code();
    print_type();
    print_containers();
    print_text();
    print_function();
    printf("},\n");
    return 0;
}
