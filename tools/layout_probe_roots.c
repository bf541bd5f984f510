/* Prints one row of src/cpython/layout_root_rows.h for the CPython whose headers it is compiled with: fields of interpreters and
 * threads that hold objects, and what they are called. */
#include "layout_probe.h"

#define FIELD(where, structure, field, name) \
    printf("        {%s, %uu, \"%s\"},\n", where, (unsigned)offsetof(structure, field), name)
#define INTERPRETER(field, name) FIELD("ROOT_INTERPRETER", PyInterpreterState, field, name)
#define THREAD(field, name) FIELD("ROOT_THREAD", PyThreadState, field, name)

static void print_interpreter(void) {
    INTERPRETER(sysdict, "sys.__dict__");
    INTERPRETER(builtins, "builtins.__dict__");
    INTERPRETER(dict, "interpreter dict");
#if PY_VERSION_HEX >= 0x030c0000
    INTERPRETER(imports.modules, "sys.modules");
    INTERPRETER(imports.modules_by_index, "modules by index");
    INTERPRETER(imports.importlib, "importlib");
    INTERPRETER(imports.import_func, "__import__");
#else
    INTERPRETER(modules, "sys.modules");
    INTERPRETER(modules_by_index, "modules by index");
    INTERPRETER(importlib, "importlib");
    INTERPRETER(import_func, "__import__");
#endif
#if PY_VERSION_HEX >= 0x030d0000
    INTERPRETER(codecs.search_path, "codec search functions");
    INTERPRETER(codecs.search_cache, "codecs");
    INTERPRETER(codecs.error_registry, "codec error handlers");
#else
    INTERPRETER(codec_search_path, "codec search functions");
    INTERPRETER(codec_search_cache, "codecs");
    INTERPRETER(codec_error_registry, "codec error handlers");
#endif
    INTERPRETER(audit_hooks, "audit hooks");
    INTERPRETER(before_forkers, "before fork");
    INTERPRETER(after_forkers_parent, "after fork in parent");
    INTERPRETER(after_forkers_child, "after fork in child");
    INTERPRETER(warnings.filters, "warnings.filters");
    INTERPRETER(warnings.once_registry, "warnings.onceregistry");
    INTERPRETER(warnings.default_action, "warnings.defaultaction");
}

static void print_thread(void) {
    THREAD(dict, "dict");
    THREAD(context, "context");
    THREAD(c_profileobj, "profile function");
    THREAD(c_traceobj, "trace function");
    THREAD(exc_state.exc_value, "handled exception");
    THREAD(async_exc, "asynchronous exception");
    THREAD(async_gen_firstiter, "asyncgen hook firstiter");
    THREAD(async_gen_finalizer, "asyncgen hook finalizer");
#if PY_VERSION_HEX >= 0x030c0000
    THREAD(current_exception, "exception");
#else
    THREAD(curexc_value, "exception");
    THREAD(curexc_traceback, "exception traceback");
#endif
#if PY_VERSION_HEX < 0x030b0000
    THREAD(exc_state.exc_traceback, "handled exception traceback");
#endif
}

static void print_runtime(void) {
#if PY_VERSION_HEX >= 0x030c0000
    printf("    .signal_handlers = %uu,\n    .signal_size = %uu,\n    .signal_function = %uu,\n    .signal_count = %uu,\n",
           (unsigned)offsetof(_PyRuntimeState, signals.handlers), (unsigned)sizeof(((_PyRuntimeState *)0)->signals.handlers[0]),
           (unsigned)(offsetof(_PyRuntimeState, signals.handlers[0].func) - offsetof(_PyRuntimeState, signals.handlers)),
           (unsigned)(sizeof(((_PyRuntimeState *)0)->signals.handlers) / sizeof(((_PyRuntimeState *)0)->signals.handlers[0])));
#endif
}

int main(void) {
    unsigned build = 0;
#ifdef Py_GIL_DISABLED
    build |= 1;
#endif
#ifdef Py_DEBUG
    build |= 2;
#endif
    printf("{\n    .version = 0x%08xu,\n    .build = %uu,\n", PY_VERSION_HEX, build);
    print_runtime();
    printf("    .fields = {\n");
    print_interpreter();
    print_thread();
    printf("    },\n},\n");
    return 0;
}
