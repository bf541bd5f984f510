/* Pending calls of a running CPython: functions that it calls by itself between two bytecodes, with the GIL held
 * (Py_AddPendingCall). Until 3.11 its main thread alone makes them, since then any thread of the interpreter.
 *
 * The queue is guarded by a lock of the target, which we cannot take. While all threads stand still and the lock
 * is free, nobody is at work on the queue: what is then written is what Py_AddPendingCall would have written. All
 * functions but pending_find want that the process stands still. */
#ifndef CAULK_CPYTHON_PENDING_H
#define CAULK_CPYTHON_PENDING_H

#include "cpython/process.h"

/* Each X(name) is one field of struct pending_layout, as in layout.h. */
#define PENDING_FIELDS(X)                                                                                     \
    X(runtime_finalizing) X(runtime_main) X(runtime_main_thread) X(runtime_debugger) X(interpreter_next)      \
    X(interpreter_threads) X(interpreter_queue) X(interpreter_breaker) X(thread_breaker) X(breaker_bit)       \
    X(breaker_debugger_bit) X(thread_next) X(thread_id) X(queue_lock) X(queue_mutex) X(queue_signal)          \
    X(queue_most) X(queue_counts) X(queue_last) X(queue_first) X(queue_calls) X(queue_capacity) X(call_size)  \
    X(call_function) X(call_argument) X(main_thread_only)

struct pending_layout {
    uint32_t version;
#define PENDING_MEMBER(name) uint32_t name;
    PENDING_FIELDS(PENDING_MEMBER)
#undef PENDING_MEMBER
};

struct pending {
    const struct memory *memory;
    const struct pending_layout *layout;
    remote_address runtime;
    remote_address interpreter; /* the main one */
    remote_address queue;
};

struct pending_call {
    remote_address function, argument; /* int function(void *argument); anything but 0 raises an exception */
};

/* Finds the queue of the main interpreter. Refuses a Python without a row, and one that is not what its row says. */
struct error *pending_find(const struct memory *memory, const struct python_process *process, struct pending *out);

/* Why nothing may be put into the queue at this moment, in words that follow "it "; NULL if it may. */
const char *pending_obstacle(const struct pending *pending);

/* Appends calls, next to each other, and tells the threads to look. False if nothing was changed. */
bool pending_push(const struct pending *pending, const struct pending_call *calls, size_t count);

/* How many calls in the queue have this argument; -1 if it cannot be told now. */
int pending_count(const struct pending *pending, remote_address argument);

/* Takes the calls with this argument out of the queue. */
bool pending_remove(const struct pending *pending, remote_address argument);

/* Tells the threads again that there is something to do; harmless at any time, `bit` as in breaker_bit. */
bool pending_signal(const struct pending *pending, uint32_t bit);

/* The state of the process's main thread in the main interpreter; 0 if it has none. */
remote_address pending_main_thread(const struct pending *pending);

/* Whether this is the state of a thread of the main interpreter. */
bool pending_has_thread(const struct pending *pending, remote_address thread);

#endif
