/* A processor for which nobody wrote down the registers yet: pictures are taken by pausing. */
#include "memory/inject.h"

bool injector_find(const struct memory *memory, struct injector *out) {
    (void)memory;
    *out = (struct injector){0};
    return false;
}

int inject_suits(pid_t thread) {
    (void)thread;
    return -1;
}

bool injection_begin(struct injection *injection, pid_t thread, const struct injector *injector) {
    (void)injector;
    *injection = (struct injection){.thread = thread};
    return false;
}

bool injection_call(struct injection *injection, long number, const uint64_t arguments[6], double deadline,
                    long *result_out, pid_t *child_out) {
    (void)injection, (void)number, (void)arguments, (void)deadline, (void)result_out, (void)child_out;
    return false;
}

bool injection_end(struct injection *injection, double deadline) {
    (void)injection, (void)deadline;
    return false;
}

bool inject_is_fragile(long number) {
    (void)number;
    return false;
}

bool inject_awaits_child(long number) {
    (void)number;
    return false;
}

bool inject_cure(pid_t thread) {
    (void)thread;
    return false;
}

bool inject_end_wait(pid_t thread, const struct memory *memory, struct inject_caller caller) {
    (void)thread, (void)memory, (void)caller;
    return false;
}
