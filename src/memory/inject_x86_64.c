/* System calls in a stopped thread, on x86-64. */
#include "memory/inject.h"

#include "memory/maps.h"
#include "memory/stop.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>

typedef struct user_regs_struct registers;

/* Results of interrupted calls that never leave the kernel: include/linux/errno.h. */
enum { RESTART_SYS = -512, RESTART_NO_INTERRUPT = -513, RESTART_NO_HANDLER = -514, RESTART_BLOCK = -516 };

enum { RED_ZONE = 128, VECTOR_BYTES = 16384, CALL_BYTES = 2 };

static const unsigned char call_code[] = {0x0f, 0x05, 0xc3};
static const unsigned char sigreturn_code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
static const unsigned char sigreturn_short_code[] = {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05};

static void find_code(const unsigned char *bytes, size_t length, remote_address at, const unsigned char *code,
                      size_t code_length, remote_address *out) {
    const unsigned char *found = *out ? NULL : memmem(bytes, length, code, code_length);
    if (found)
        *out = at + (remote_address)(found - bytes);
}

static void find_in_segment(const struct memory *memory, const struct memory_segment *segment, unsigned char *buffer,
                            size_t capacity, struct injector *out) {
    for (remote_address at = segment->begin; at < segment->end && !(out->call && out->sigreturn); at += capacity) {
        size_t length = segment->end - at < capacity ? segment->end - at : capacity;
        if (!memory_read(memory, at, length, buffer))
            continue;
        find_code(buffer, length, at, call_code, sizeof call_code, &out->call);
        find_code(buffer, length, at, sigreturn_code, sizeof sigreturn_code, &out->sigreturn);
        find_code(buffer, length, at, sigreturn_short_code, sizeof sigreturn_short_code, &out->sigreturn);
    }
}

/* Libraries that nobody unloads come first. */
static int segment_pass(const struct memory_segment *segment) {
    if (strcmp(segment->path, "[vdso]") == 0)
        return 0;
    const char *name = strrchr(segment->path, '/');
    return name && (strncmp(name, "/libc", 5) == 0 || strncmp(name, "/ld-", 4) == 0) ? 1 : 2;
}

bool injector_find(const struct memory *memory, struct injector *out) {
    enum { CAPACITY = 1 << 20 };
    *out = (struct injector){0};
    unsigned char *buffer = malloc(CAPACITY);
    for (int pass = 0; buffer && pass < 3; pass++)
        for (size_t i = 0; i < memory->segment_count && !(out->call && out->sigreturn); i++) {
            const struct memory_segment *segment = &memory->segments[i];
            if ((segment->flags & SEGMENT_EXECUTE) && (segment->flags & SEGMENT_READ) &&
                segment_pass(segment) == pass)
                find_in_segment(memory, segment, buffer, CAPACITY, out);
        }
    free(buffer);
    return out->call && out->sigreturn;
}

static bool is_in_call(const registers *at) {
    return (long)at->orig_rax >= 0;
}

static bool can_begin_again(const registers *at) {
    long result = (long)at->rax;
    return is_in_call(at) &&
           (result == RESTART_SYS || result == RESTART_NO_INTERRUPT || result == RESTART_NO_HANDLER);
}

int inject_suits(pid_t thread) {
    registers at;
    if (ptrace(PTRACE_GETREGS, thread, 0, &at) != 0 || at.cs != 0x33)
        return -1;
    return can_begin_again(&at) ? 2 : is_in_call(&at) ? 1 : 0;
}

static bool waits_without_end(const registers *at) {
    switch (at->orig_rax) {
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
        return (int)at->r10 < 0;
    case SYS_epoll_pwait2:
    case SYS_semtimedop:
        return at->r10 == 0;
    case SYS_rt_sigtimedwait:
        return at->rdx == 0;
    case SYS_semop:
        return true;
    default:
        return false;
    }
}

bool inject_is_fragile(long number) {
    static const long fragile[] = {SYS_epoll_wait, SYS_epoll_pwait,     SYS_epoll_pwait2,
                                   SYS_semop,      SYS_semtimedop, SYS_rt_sigtimedwait};
    for (size_t i = 0; i < sizeof fragile / sizeof *fragile; i++)
        if (fragile[i] == number)
            return true;
    return false;
}

bool inject_awaits_child(long number) {
    return number == SYS_wait4 || number == SYS_waitid;
}

static uint64_t handled_signals(pid_t thread) {
    char path[64], status[8192];
    snprintf(path, sizeof path, "/proc/%d/status", thread);
    const char *field = proc_read(path, sizeof status, status) > 0 ? strstr(status, "\nSigCgt:") : NULL;
    return field ? strtoull(field + 8, NULL, 16) : UINT64_MAX;
}

/* A signal that is about to be handled is a true reason for EINTR; one that is ignored waits here too, because
 * a tracer is told of it. */
static bool has_signal(pid_t thread) {
    uint64_t blocked = 0;
    ptrace(PTRACE_GETSIGMASK, thread, sizeof blocked, &blocked);
    uint64_t wanted = handled_signals(thread) & ~blocked;
    for (uint32_t shared = 0; shared < 2; shared++) {
        siginfo_t signals[16];
        struct __ptrace_peeksiginfo_args arguments = {.off = 0, .flags = shared, .nr = 16};
        long count = ptrace(PTRACE_PEEKSIGINFO, thread, &arguments, signals);
        for (long i = 0; i < count; i++)
            if (wanted >> (signals[i].si_signo - 1) & 1)
                return true;
    }
    return false;
}

static bool cure(pid_t thread, registers *at) {
    if ((long)at->rax != -EINTR || !is_in_call(at) || !waits_without_end(at) || has_signal(thread))
        return false;
    at->rax = at->orig_rax;
    at->rip -= CALL_BYTES;
    at->orig_rax = (unsigned long long)-1;
    return true;
}

bool inject_cure(pid_t thread) {
    registers at;
    return ptrace(PTRACE_GETREGS, thread, 0, &at) == 0 && cure(thread, &at) &&
           ptrace(PTRACE_SETREGS, thread, 0, &at) == 0;
}

/* What the kernel would make of the registers on the way back to the program. */
static void begin_again(registers *at) {
    if (can_begin_again(at)) {
        at->rax = at->orig_rax;
        at->rip -= CALL_BYTES;
    } else if (is_in_call(at) && (long)at->rax == RESTART_BLOCK) {
        at->rax = (unsigned long long)-EINTR;
    }
}

/* As arch/x86/kernel/signal_64.c reads it: the return address, then the context as far as the mask. */
struct signal_frame {
    uint64_t return_address;
    unsigned char context[offsetof(ucontext_t, uc_sigmask) + sizeof(uint64_t)];
    uint64_t padding;
};

static struct signal_frame make_frame(const struct injector *injector, const registers *at, remote_address vectors,
                                      uint64_t mask) {
    ucontext_t context = {0};
    greg_t *words = context.uc_mcontext.gregs;
    context.uc_flags = 7; /* extended vector state, stack segment, both strict */
    context.uc_stack.ss_flags = 4; /* no valid mode: the kernel then leaves the signal stack as it is */
    const struct {
        int word;
        unsigned long long value;
    } values[] = {
        {REG_R8, at->r8},   {REG_R9, at->r9},   {REG_R10, at->r10}, {REG_R11, at->r11}, {REG_R12, at->r12},
        {REG_R13, at->r13}, {REG_R14, at->r14}, {REG_R15, at->r15}, {REG_RDI, at->rdi}, {REG_RSI, at->rsi},
        {REG_RBP, at->rbp}, {REG_RBX, at->rbx}, {REG_RDX, at->rdx}, {REG_RAX, at->rax}, {REG_RCX, at->rcx},
        {REG_RSP, at->rsp}, {REG_RIP, at->rip}, {REG_EFL, at->eflags},
        {REG_CSGSFS, at->cs | at->gs << 16 | at->fs << 32 | at->ss << 48},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        words[values[i].word] = (greg_t)values[i].value;
    context.uc_mcontext.fpregs = (void *)vectors;
    memcpy(&context.uc_sigmask, &mask, sizeof mask);
    struct signal_frame frame = {.return_address = injector->sigreturn};
    memcpy(frame.context, &context, sizeof frame.context);
    return frame;
}

/* struct _fpx_sw_bytes of arch/x86/include/uapi/asm/sigcontext.h */
struct vector_marks {
    uint32_t magic_1, extended_size;
    uint64_t features;
    uint32_t size, padding[7];
};

enum { VECTOR_MARKS_AT = 464, VECTOR_FEATURES_AT = 512, VECTOR_PARTS_AT = 576, MAGIC_1 = 0x46505853, MAGIC_2 = 0x46505845 };

/* Only the parts of the vector state that are in use: a frame may not be larger than the task's own would be. */
static size_t vector_size(uint64_t features) {
    size_t size = VECTOR_PARTS_AT;
    for (unsigned part = 2; part < 63; part++) {
        unsigned length, offset, kind, unused;
        if (features >> part & 1 && __get_cpuid_count(0xd, part, &length, &offset, &kind, &unused) && !(kind & 1))
            size = offset + length > size ? offset + length : size;
    }
    return size;
}

/* The vector registers in the form that sigreturn reads; 0 if the kernel does not give them. */
static size_t read_vectors(pid_t thread, unsigned char *out) {
    struct iovec part = {out, VECTOR_BYTES - sizeof(uint64_t)}; /* the kernel wants whole words */
    if (ptrace(PTRACE_GETREGSET, thread, NT_X86_XSTATE, &part) != 0 || part.iov_len < VECTOR_PARTS_AT)
        return 0;
    uint64_t features;
    memcpy(&features, out + VECTOR_FEATURES_AT, sizeof features);
    size_t size = vector_size(features);
    if (size > part.iov_len)
        return 0;
    struct vector_marks marks = {MAGIC_1, (uint32_t)size + 4, features | 3, (uint32_t)size, {0}};
    memcpy(out + VECTOR_MARKS_AT, &marks, sizeof marks);
    uint32_t end = MAGIC_2;
    memcpy(out + size, &end, sizeof end);
    return size + sizeof end;
}

static bool write_stack(pid_t thread, remote_address at, const void *bytes, size_t length) {
    struct iovec local = {(void *)bytes, length}, remote = {(void *)at, length};
    return process_vm_writev(thread, &local, 1, &remote, 1, 0) == (ssize_t)length;
}

static bool code_is_there(pid_t thread, remote_address at, const unsigned char *code, size_t length) {
    unsigned char found[16];
    struct iovec local = {found, length}, remote = {(void *)at, length};
    return process_vm_readv(thread, &local, 1, &remote, 1, 0) == (ssize_t)length && memcmp(found, code, length) == 0;
}

static bool injector_is_there(pid_t thread, const struct injector *injector) {
    return code_is_there(thread, injector->call, call_code, sizeof call_code) &&
           (code_is_there(thread, injector->sigreturn, sigreturn_code, sizeof sigreturn_code) ||
            code_is_there(thread, injector->sigreturn, sigreturn_short_code, sizeof sigreturn_short_code));
}

/* The frame of the thread lies lowest, so that a signal that comes first is handled below both. */
static bool write_frames(struct injection *injection, const registers *at) {
    _Alignas(64) unsigned char vectors[VECTOR_BYTES];
    size_t length = read_vectors(injection->thread, vectors);
    remote_address vectors_at = (at->rsp - RED_ZONE - length) & ~63ull;
    injection->child_frame = (vectors_at - sizeof(struct signal_frame)) & ~15ull;
    injection->frame = (injection->child_frame - sizeof(struct signal_frame)) & ~15ull;
    registers own = *at, child = *at;
    begin_again(&own);
    child.rip = injection->injector.call;
    child.rsp = injection->child_frame;
    child.rax = SYS_exit_group;
    child.rdi = INJECT_CHILD_STATUS;
    struct signal_frame own_frame = make_frame(&injection->injector, &own, vectors_at, injection->signal_mask);
    struct signal_frame child_frame = make_frame(&injection->injector, &child, 0, UINT64_MAX);
    return length && write_stack(injection->thread, vectors_at, vectors, length) &&
           write_stack(injection->thread, injection->child_frame, &child_frame, sizeof child_frame) &&
           write_stack(injection->thread, injection->frame, &own_frame, sizeof own_frame);
}

_Static_assert(sizeof(registers) <= sizeof(((struct injection *)0)->registers), "room for the registers");

bool injection_begin(struct injection *injection, pid_t thread, const struct injector *injector) {
    *injection = (struct injection){.thread = thread, .injector = *injector};
    registers at;
    if (!injector_is_there(thread, injector) || ptrace(PTRACE_GETREGS, thread, 0, &at) != 0 ||
        ptrace(PTRACE_GETSIGMASK, thread, sizeof injection->signal_mask, &injection->signal_mask) != 0 ||
        ptrace(PTRACE_SETOPTIONS, thread, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE) != 0)
        return false;
    cure(thread, &at);
    memcpy(injection->registers, &at, sizeof at);
    return write_frames(injection, &at);
}

/* Runs to the next stop of a system call or the birth of a child; other stops are passed. */
static bool run_to_call(pid_t thread, double deadline, int *status_out) {
    if (ptrace(PTRACE_SYSCALL, thread, 0, 0) != 0)
        return false;
    while (stop_wait(thread, deadline, status_out) && WIFSTOPPED(*status_out)) {
        if (WSTOPSIG(*status_out) == (SIGTRAP | 0x80) || *status_out >> 16 == PTRACE_EVENT_CLONE)
            return true;
        if (!stop_pass(thread, PTRACE_SYSCALL, *status_out))
            return false;
    }
    return false;
}

static bool take_child(pid_t thread, double deadline, pid_t *child_out) {
    unsigned long child = 0;
    int status;
    if (!child_out || ptrace(PTRACE_GETEVENTMSG, thread, 0, &child) != 0)
        return false;
    *child_out = (pid_t)child;
    return stop_wait(*child_out, deadline, &status) && WIFSTOPPED(status) &&
           ptrace(PTRACE_SETOPTIONS, *child_out, 0, PTRACE_O_EXITKILL) == 0;
}

/* Registers change before the mask: the frame restores a mask, but nothing would restore one that was changed
 * alone. */
static bool enter_call(struct injection *injection, long number, const uint64_t arguments[6]) {
    registers at;
    memcpy(&at, injection->registers, sizeof at);
    at.rip = injection->injector.call;
    at.rsp = injection->frame;
    at.rax = (unsigned long long)number;
    at.orig_rax = (unsigned long long)-1;
    at.rdi = arguments[0];
    at.rsi = arguments[1];
    at.rdx = arguments[2];
    at.r10 = arguments[3];
    at.r8 = arguments[4];
    at.r9 = arguments[5];
    uint64_t all = UINT64_MAX;
    return ptrace(PTRACE_SETREGS, injection->thread, 0, &at) == 0 &&
           ptrace(PTRACE_SETSIGMASK, injection->thread, sizeof all, &all) == 0;
}

bool injection_call(struct injection *injection, long number, const uint64_t arguments[6], double deadline,
                    long *result_out, pid_t *child_out) {
    int status;
    registers at;
    if (!enter_call(injection, number, arguments) || !run_to_call(injection->thread, deadline, &status) ||
        !run_to_call(injection->thread, deadline, &status))
        return false;
    if (status >> 16 == PTRACE_EVENT_CLONE &&
        (!take_child(injection->thread, deadline, child_out) || !run_to_call(injection->thread, deadline, &status)))
        return false;
    if (ptrace(PTRACE_GETREGS, injection->thread, 0, &at) != 0)
        return false;
    *result_out = (long)at.rax;
    return true;
}

bool injection_end(struct injection *injection, double deadline) {
    int status;
    if (ptrace(PTRACE_INTERRUPT, injection->thread, 0, 0) != 0 || ptrace(PTRACE_CONT, injection->thread, 0, 0) != 0)
        return false;
    while (stop_wait(injection->thread, deadline, &status) && WIFSTOPPED(status)) {
        if (stop_is_trap(status))
            return ptrace(PTRACE_SETSIGMASK, injection->thread, sizeof injection->signal_mask,
                          &injection->signal_mask) == 0 &&
                   ptrace(PTRACE_SETREGS, injection->thread, 0, injection->registers) == 0;
        if (!stop_pass(injection->thread, PTRACE_CONT, status))
            return false;
    }
    return false;
}

/* The sampler waits for nothing: a word that points to it is a leftover of its last call. */
static bool is_passed_over(const struct memory_segment *segment) {
    static const char *const files[] = {"/libc.so", "/libc-2", "/libpthread", "/ld-", "/libcaulk", "/memfd:libcaulk"};
    const char *name = strrchr(segment->path, '/');
    for (size_t i = 0; name && i < sizeof files / sizeof *files; i++)
        if (strncmp(name, files[i], strlen(files[i])) == 0)
            return true;
    return false;
}

/* The first word of the stack that points to code outside of the C library. */
static remote_address find_caller(const struct memory *memory, remote_address stack) {
    uint64_t words[128];
    if (!memory_read(memory, stack, sizeof words, words))
        return 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const struct memory_segment *segment = memory_find_segment(memory, words[i]);
        if (segment && (segment->flags & SEGMENT_EXECUTE) && !is_passed_over(segment))
            return words[i];
    }
    return 0;
}

bool inject_end_wait(pid_t thread, const struct memory *memory, struct inject_caller caller) {
    registers at;
    if (ptrace(PTRACE_GETREGS, thread, 0, &at) != 0 || (at.orig_rax != SYS_futex && at.orig_rax != SYS_restart_syscall) ||
        !(can_begin_again(&at) || (long)at.rax == RESTART_BLOCK))
        return false;
    remote_address from = find_caller(memory, at.rsp);
    if (from < caller.begin || from >= caller.end)
        return false;
    at.rax = (unsigned long long)-EINTR;
    at.orig_rax = (unsigned long long)-1;
    return ptrace(PTRACE_SETREGS, thread, 0, &at) == 0;
}
