/* The second half of the layout probe: where the fields of objects lie. */
#include "layout_probe.h"
#include "internal/pycore_object.h"

#if PY_VERSION_HEX >= 0x030d0000
#include "internal/pycore_object.h"
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
    AT(code_stack_size, PyCodeObject, co_stacksize);
    AT(code_first_line, PyCodeObject, co_firstlineno);
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
#else
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
    ROW(managed_values, NONE);
    ROW(managed_values_tagged, NONE);
    ROW(managed_dict, -(int)MANAGED_DICT_OFFSET); /* bytes before the object */
    ROW(inline_values, 1);
#elif PY_VERSION_HEX >= 0x030c0000
    ROW(values_valid, NONE);
    ROW(values_capacity, NONE);
    ROW(managed_values, NONE);
    ROW(managed_values_tagged, 24); /* one word for both, bit 0 tells: PyDictOrValues */
    ROW(managed_dict, NONE);
    ROW(inline_values, 0);
#elif PY_VERSION_HEX < 0x030b0000
    ROW(values_valid, NONE);
    ROW(values_capacity, NONE);
    ROW(managed_values, NONE);
    ROW(managed_values_tagged, NONE);
    ROW(managed_dict, NONE);
    ROW(inline_values, 0);
#else
    ROW(values_valid, NONE);
    ROW(values_capacity, NONE);
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
    ROW(long_least_digits, PY_VERSION_HEX >= 0x030b0000); /* _PyLong_New: zero has a digit too */
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
#if PY_VERSION_HEX >= 0x030b0000 && PY_VERSION_HEX < 0x030c0000
    PyObject made_by_the_compiler = _PyObject_IMMORTAL_INIT(NULL);
    ROW(object_static_refcount, made_by_the_compiler.ob_refcnt);
#else
    ROW(object_static_refcount, NONE);
#endif
#if PY_VERSION_HEX >= 0x030e0000 && !defined(Py_GIL_DISABLED)
    ROW(object_refcount_size, MEMBER_SIZE(PyObject, ob_refcnt));
#else
    ROW(object_refcount_size, 8);
#endif
}

void print_objects(void) {
    print_code();
    print_type();
    print_containers();
    print_text();
    print_function();
}
