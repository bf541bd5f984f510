/* Runs the filters of a thread: classic BPF as the kernel allows it for seccomp (net/core/filter.c). */
#include "memory/seccomp_filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

enum { GET_FILTER = 0x420c, STEPS_MAX = BPF_MAXINSNS, FILTERS_MAX = 256 };

struct state {
    uint32_t value, index; /* A and X */
    uint32_t store[BPF_MEMWORDS];
};

static uint32_t load(const struct state *state, const struct sock_filter *step, const struct seccomp_data *data) {
    uint32_t value = 0;
    switch (BPF_MODE(step->code)) {
    case BPF_ABS:
        if (step->k <= sizeof *data - sizeof value)
            memcpy(&value, (const char *)data + step->k, sizeof value);
        return value;
    case BPF_LEN: return sizeof *data;
    case BPF_MEM: return state->store[step->k % BPF_MEMWORDS];
    default: return step->k; /* BPF_IMM */
    }
}

static uint32_t calculate(const struct state *state, const struct sock_filter *step) {
    uint32_t left = state->value, right = BPF_SRC(step->code) == BPF_X ? state->index : step->k;
    switch (BPF_OP(step->code)) {
    case BPF_ADD: return left + right;
    case BPF_SUB: return left - right;
    case BPF_MUL: return left * right;
    case BPF_DIV: return right ? left / right : 0;
    case BPF_OR: return left | right;
    case BPF_AND: return left & right;
    case BPF_XOR: return left ^ right;
    case BPF_LSH: return right < 32 ? left << right : 0;
    case BPF_RSH: return right < 32 ? left >> right : 0;
    default: return -left; /* BPF_NEG */
    }
}

static uint32_t jump(const struct state *state, const struct sock_filter *step) {
    uint32_t left = state->value, right = BPF_SRC(step->code) == BPF_X ? state->index : step->k;
    bool yes;
    switch (BPF_OP(step->code)) {
    case BPF_JA: return step->k;
    case BPF_JEQ: yes = left == right; break;
    case BPF_JGT: yes = left > right; break;
    case BPF_JGE: yes = left >= right; break;
    default: yes = (left & right) != 0; /* BPF_JSET */
    }
    return yes ? step->jt : step->jf;
}

static uint32_t run(const struct sock_filter *steps, size_t count, const struct seccomp_data *data) {
    struct state state = {0};
    for (size_t at = 0; at < count; at++) {
        const struct sock_filter *step = &steps[at];
        switch (BPF_CLASS(step->code)) {
        case BPF_LD: state.value = load(&state, step, data); break;
        case BPF_LDX: state.index = load(&state, step, data); break;
        case BPF_ST: state.store[step->k % BPF_MEMWORDS] = state.value; break;
        case BPF_STX: state.store[step->k % BPF_MEMWORDS] = state.index; break;
        case BPF_ALU: state.value = calculate(&state, step); break;
        case BPF_JMP: at += jump(&state, step); break;
        case BPF_RET: return BPF_RVAL(step->code) == BPF_A ? state.value : step->k;
        default: /* BPF_MISC */
            if (BPF_MISCOP(step->code) == BPF_TAX)
                state.index = state.value;
            else
                state.value = state.index;
        }
    }
    return SECCOMP_RET_KILL_PROCESS;
}

static bool is_harmless(uint32_t verdict) {
    uint32_t action = verdict & SECCOMP_RET_ACTION_FULL;
    return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG || action == SECCOMP_RET_ERRNO;
}

/* The strictest verdict of all filters counts. */
static bool allows(const struct sock_filter *steps, size_t count, uint32_t machine, const struct seccomp_call *calls,
                   size_t call_count) {
    for (size_t i = 0; i < call_count; i++) {
        struct seccomp_data data = {.nr = (int)calls[i].number, .arch = machine};
        for (int j = 0; j < 6; j++)
            data.args[j] = calls[i].arguments[j];
        if (!is_harmless(run(steps, count, &data)))
            return false;
    }
    return true;
}

enum seccomp_answer seccomp_filter_ask(pid_t thread, const struct seccomp_call *calls, size_t count) {
    struct sock_filter *steps = calloc(STEPS_MAX, sizeof *steps);
    struct __ptrace_syscall_info information = {0};
    bool known = steps && ptrace(PTRACE_GET_SYSCALL_INFO, thread, (void *)sizeof information, &information) > 0;
    enum seccomp_answer answer = known ? SECCOMP_ANSWERS_CALL : SECCOMP_NO_ANSWER;
    for (long i = 0; answer == SECCOMP_ANSWERS_CALL && i < FILTERS_MAX; i++) {
        long length = ptrace((enum __ptrace_request)GET_FILTER, thread, (void *)i, NULL);
        if (length < 0 && errno == ENOENT && i > 0)
            break;
        if (length <= 0 || length > STEPS_MAX || ptrace((enum __ptrace_request)GET_FILTER, thread, (void *)i, steps) != length)
            answer = SECCOMP_NO_ANSWER;
        else if (!allows(steps, (size_t)length, information.arch, calls, count))
            answer = SECCOMP_ANSWERS_HARM;
    }
    free(steps);
    return answer;
}
