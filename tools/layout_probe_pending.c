/* Prints one row of src/cpython/pending_rows.h for the CPython whose headers it is compiled with. */
#include "layout_probe.h"

#if PY_VERSION_HEX >= 0x030d0000
#include "internal/pycore_ceval.h"
#endif

typedef struct _pending_calls queue;

static void print_runtime(void) {
    AT(runtime_finalizing, _PyRuntimeState, _finalizing);
    ROW(runtime_main, offsetof(_PyRuntimeState, interpreters.main));
    AT(runtime_main_thread, _PyRuntimeState, main_thread);
#if PY_VERSION_HEX >= 0x030e0000
    AT(runtime_debugger, _PyRuntimeState, debug_offsets.debugger_support);
#else
    ROW(runtime_debugger, NONE);
#endif
}

static void print_interpreter(void) {
    AT(interpreter_next, PyInterpreterState, next);
#if PY_VERSION_HEX >= 0x030b0000
    AT(interpreter_threads, PyInterpreterState, threads.head);
#else
    AT(interpreter_threads, PyInterpreterState, tstate_head);
#endif
    AT(interpreter_queue, PyInterpreterState, ceval.pending);
#if PY_VERSION_HEX >= 0x030d0000
    ROW(interpreter_breaker, NONE);
    AT(thread_breaker, PyThreadState, eval_breaker);
    ROW(breaker_bit, _PY_CALLS_TO_DO_BIT);
#else
    AT(interpreter_breaker, PyInterpreterState, ceval.eval_breaker);
    ROW(thread_breaker, NONE);
    ROW(breaker_bit, 1);
#endif
#if PY_VERSION_HEX >= 0x030e0000
    ROW(breaker_debugger_bit, _PY_EVAL_PLEASE_STOP_BIT);
#else
    ROW(breaker_debugger_bit, NONE);
#endif
    AT(thread_next, PyThreadState, next);
    AT(thread_id, PyThreadState, thread_id);
}

static void print_queue(void) {
#if PY_VERSION_HEX >= 0x030d0000
    ROW(queue_lock, NONE);
    AT(queue_mutex, queue, mutex);
    AT(queue_signal, queue, npending);
    AT(queue_most, queue, max);
    ROW(queue_counts, 1);
    AT(queue_last, queue, next);
#else
    AT(queue_lock, queue, lock);
    ROW(queue_mutex, NONE);
    AT(queue_signal, queue, calls_to_do);
    ROW(queue_most, NONE);
    ROW(queue_counts, 0);
    AT(queue_last, queue, last);
#endif
    AT(queue_first, queue, first);
    AT(queue_calls, queue, calls);
    ROW(queue_capacity, sizeof(((queue *)0)->calls) / sizeof(*((queue *)0)->calls));
    ROW(call_size, sizeof(*((queue *)0)->calls));
    ROW(call_function, offsetof(queue, calls[0].func) - offsetof(queue, calls));
    ROW(call_argument, offsetof(queue, calls[0].arg) - offsetof(queue, calls));
    /* Python/pystate.c, _Py_ThreadCanHandlePendingCalls: until 3.11 no other thread makes these calls */
    ROW(main_thread_only, PY_VERSION_HEX < 0x030c0000);
}

int main(void) {
    printf("{\n    .version = 0x%08xu,\n", PY_VERSION_HEX);
    print_runtime();
    print_interpreter();
    print_queue();
    printf("},\n");
    return 0;
}
