/* The fourth part of the layout probe: where in the table of its own offsets a process tells what the row says. */
#include "layout_probe.h"

#if PY_VERSION_HEX >= 0x030d0000
#if PY_VERSION_HEX >= 0x030e0000
#include "internal/pycore_debug_offsets.h"
#define SINCE_14(name, member) TOLD(name, member)
#else
#define SINCE_14(name, member) ROW(told_##name, NONE)
#endif
#if PY_VERSION_HEX >= 0x030f0000
#define SINCE_15(name, member) TOLD(name, member)
#else
#define SINCE_15(name, member) ROW(told_##name, NONE)
#endif
#define TOLD(name, member) ROW(told_##name, offsetof(_Py_DebugOffsets, member))
#else
#define TOLD(name, member) ROW(told_##name, NONE)
#define SINCE_14(name, member) ROW(told_##name, NONE)
#define SINCE_15(name, member) ROW(told_##name, NONE)
#endif

static void print_states(void) {
    TOLD(runtime_size, runtime_state.size);
    TOLD(runtime_interpreters_head, runtime_state.interpreters_head);
    TOLD(interpreter_size, interpreter_state.size);
    TOLD(interpreter_next, interpreter_state.next);
    TOLD(interpreter_threads, interpreter_state.threads_head);
    TOLD(interpreter_gc, interpreter_state.gc);
    TOLD(interpreter_modules, interpreter_state.imports_modules);
    TOLD(interpreter_sysdict, interpreter_state.sysdict);
    TOLD(thread_next, thread_state.next);
    TOLD(thread_interpreter, thread_state.interp);
    TOLD(thread_frame, thread_state.current_frame);
    TOLD(thread_id, thread_state.thread_id);
    TOLD(thread_native_id, thread_state.native_thread_id);
    TOLD(gc_collecting, gc.collecting);
    SINCE_15(gc_statistics, gc.generation_stats);
}

static void print_frames(void) {
    TOLD(frame_previous, interpreter_frame.previous);
    TOLD(frame_code, interpreter_frame.executable);
    TOLD(frame_localsplus, interpreter_frame.localsplus);
    TOLD(frame_owner, interpreter_frame.owner);
    SINCE_14(frame_stack_pointer, interpreter_frame.stackpointer);
    TOLD(code_filename, code_object.filename);
    TOLD(code_name, code_object.name);
    TOLD(code_qualname, code_object.qualname);
    TOLD(code_line_table, code_object.linetable);
    TOLD(code_first_line, code_object.firstlineno);
    TOLD(code_local_names, code_object.localsplusnames);
    TOLD(code_local_kinds, code_object.localspluskinds);
    TOLD(code_bytes, code_object.co_code_adaptive);
    SINCE_14(generator_name, gen_object.gi_name);
    SINCE_14(generator_frame, gen_object.gi_iframe);
    SINCE_14(generator_frame_state, gen_object.gi_frame_state);
}

static void print_containers(void) {
    TOLD(object_type, pyobject.ob_type);
    TOLD(object_size, tuple_object.ob_size);
    TOLD(type_name, type_object.tp_name);
    TOLD(type_flags, type_object.tp_flags);
    SINCE_15(type_basic_size, type_object.tp_basicsize);
    SINCE_15(type_dict_offset, type_object.tp_dictoffset);
    SINCE_15(heap_type_cached_keys, heap_type_object.ht_cached_keys);
    TOLD(tuple_items, tuple_object.ob_item);
    TOLD(list_items, list_object.ob_item);
    SINCE_14(set_used, set_object.used);
    SINCE_14(set_table, set_object.table);
    SINCE_14(set_mask, set_object.mask);
    TOLD(dict_keys, dict_object.ma_keys);
    TOLD(dict_values, dict_object.ma_values);
    TOLD(long_tag, long_object.lv_tag);
    TOLD(long_digits, long_object.ob_digit);
    TOLD(bytes_data, bytes_object.ob_sval);
    TOLD(text_state, unicode_object.state);
    TOLD(text_length, unicode_object.length);
    TOLD(text_ascii_size, unicode_object.asciiobject_size);
    SINCE_15(text_compact_size, unicode_object.compactunicodeobject_size);
}

void print_told(void) {
    print_states();
    print_frames();
    print_containers();
}
