/* Prints one row of src/cpython/layout_rows.h for the CPython whose headers it is compiled with. */
#include "layout_probe.h"

static void print_runtime(void) {
    ROW(runtime_size, sizeof(_PyRuntimeState));
    AT(runtime_interpreters_head, _PyRuntimeState, interpreters.head);
    AT(runtime_finalizing, _PyRuntimeState, _finalizing);
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
#if defined(Py_GIL_DISABLED) && PY_VERSION_HEX >= 0x030e0000
    AT(gc_generations, gc, young); /* and two old ones behind it, all three without lists */
#else
    AT(gc_generations, gc, generations);
#endif
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
}

static void print_thread(void) {
    AT(thread_next, PyThreadState, next);
    AT(thread_interpreter, PyThreadState, interp);
#if PY_VERSION_HEX >= 0x030b0000
    ROW(thread_size, MEMBER_SIZE(PyInterpreterState, _initial_thread));
    AT(thread_native_id, PyThreadState, native_thread_id);
#else
    ROW(thread_size, sizeof(PyThreadState));
    ROW(thread_native_id, NONE);
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
}

#if PY_VERSION_HEX >= 0x030b0000
static void print_frame(void) {
    typedef _PyInterpreterFrame frame;
    AT(frame_previous, frame, previous);
#if PY_VERSION_HEX >= 0x030d0000
    AT(frame_code, frame, f_executable);
    AT(frame_function, frame, f_funcobj);
#elif PY_VERSION_HEX >= 0x030c0000
    AT(frame_code, frame, f_code);
    AT(frame_function, frame, f_funcobj);
#else
    AT(frame_code, frame, f_code);
    AT(frame_function, frame, f_func);
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

int main(void) {
    printf("{\n    .version = 0x%08xu,\n", PY_VERSION_HEX);
    ROW(build, BUILD_FREE_THREADED | BUILD_DEBUG);
    print_runtime();
    print_tables();
    print_borrowing_tables();
    print_gc();
    print_thread();
    print_frame();
    print_generator();
    print_objects();
    print_threads();
    print_told();
    printf("},\n");
    return 0;
}
