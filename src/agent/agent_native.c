/* The chain of native frames of the thread that asks, and one stack of it and of Python's frames.
 *
 * Frames are left by the unwind tables of their objects; code without tables by its frame pointer. A chain that
 * makes no sense ends there. Rules are kept by address, so that the tables are read once for each place. */
#include "agent/agent_native.h"

#include <dlfcn.h>
#include <string.h>

enum { FRAMES = 256, CALLS = 256, RULES = 4096, WAYS = 4, WINDOW = 8192, WINDOW_BEFORE = 256 };

#define DEPTH_BYTES ((uintptr_t)1 << 20) /* of stack above the first frame */
#define FIRST_STACK_BYTES ((uintptr_t)64 << 20) /* below its end the kernel maps nothing else (mm/mmap.c: gap) */

struct known_rule {
    uintptr_t address; /* 0: none */
    struct agent_rule rule;
};

struct native {
    struct known_rule rules[RULES];
    struct agent_native_frame frames[FRAMES];
    struct agent_call calls[CALLS];
    struct agent_loop loops[CALLS];
    bool is_whole;    /* the chain came to the thread's first frame */
    uint32_t changes; /* of objects, when the rules were made */
    uintptr_t loop;   /* the interpreter's function */
    bool has_loop;    /* it was looked up in the tables */
    uintptr_t loop_begin, loop_end;
    struct agent_rule loop_rule;
    uintptr_t own_begin, own_end; /* this library's code */
    uintptr_t stack;  /* the stack pointer at the innermost frame */
    uintptr_t window;
    size_t window_length;
    char bytes[WINDOW]; /* of the stack, from `window` on */
};

static struct native *native;

struct registers {
    uintptr_t address, stack, frame, link;
};

/* What asks the loader is asked now: its lock is not to be had in a malloc. */
void agent_native_begin(void) {
    struct native *made = native ? NULL : agent_pages(sizeof *made);
    if (!made)
        return;
    made->loop = (uintptr_t)dlsym(RTLD_DEFAULT, "_PyEval_EvalFrameDefault");
    native = made;
}

bool agent_native_wanted(void) {
    return native != NULL;
}

size_t agent_native_bytes(void) {
    return native ? sizeof *native : 0;
}

/* ---- the stack ------------------------------------------------------------------------------------------- */

/* What is certainly this thread's stack as long as it lives. */
static __thread struct {
    uintptr_t low, high;
} own_stack __attribute__((tls_model("initial-exec")));

static uintptr_t thread_pointer(void) {
    uintptr_t pointer = 0;
#if defined(__x86_64__)
    __asm__("mov %%fs:0, %0" : "=r"(pointer));
#elif defined(__aarch64__)
    __asm__("mrs %0, tpidr_el0" : "=r"(pointer));
#endif
    return pointer;
}

/* The C library keeps what it knows of a thread above its stack, in the same mapping: all up to there is the thread's
 * own. The first thread's stack is a mapping of its own, that grows; what else it runs on (of coroutines, of signals)
 * may end sooner. */
static void find_own_stack(uintptr_t stack) {
    uintptr_t begin, end, pointer = thread_pointer();
    bool is_first;
    own_stack.low = own_stack.high = 0;
    if (!agent_mapping_find(stack, &begin, &end, &is_first))
        return;
    if (is_first) {
        own_stack.low = end - FIRST_STACK_BYTES;
        own_stack.high = end;
    } else if (pointer > stack && pointer < end) {
        own_stack.low = begin;
        own_stack.high = pointer;
    }
}

static void begin_stack(uintptr_t stack) {
    if (stack < own_stack.low || stack >= own_stack.high)
        find_own_stack(stack);
    native->stack = stack;
    native->window_length = 0;
}

static bool move_window(uintptr_t address) {
    native->window = address;
    native->window_length = agent_memory_read_some(address, native->bytes, WINDOW);
    return native->window_length >= sizeof(uintptr_t);
}

/* Frames are left upwards: what lies a little below was read before. */
static bool read_by_kernel(uintptr_t address, uintptr_t *out) {
    uintptr_t offset = address - native->window;
    if (native->window_length < sizeof *out || offset > native->window_length - sizeof *out) {
        uintptr_t from = address - WINDOW_BEFORE > native->stack ? address - WINDOW_BEFORE : native->stack;
        if (!move_window(from))
            return false;
        offset = address - native->window;
        if (offset > native->window_length - sizeof *out)
            return false;
    }
    memcpy(out, native->bytes + offset, sizeof *out);
    return true;
}

/* Any word from the innermost frame on, whoever wrote it last. */
__attribute__((no_sanitize("address"))) static bool read_word(uintptr_t address, uintptr_t *out) {
    if (address % sizeof *out || address < native->stack)
        return false;
    if (address >= own_stack.low && own_stack.high >= sizeof *out && address <= own_stack.high - sizeof *out) {
        *out = *(const volatile uintptr_t *)address;
        return true;
    }
    return address - native->stack <= DEPTH_BYTES && read_by_kernel(address, out);
}

/* ---- one frame ------------------------------------------------------------------------------------------- */

/* Return addresses may be signed (aarch64): user space has 48 bits. */
static uintptr_t without_signature(uintptr_t address) {
    return address & (((uintptr_t)1 << 48) - 1);
}

/* Each address has some slots; if all are others', one of them makes room. NULL where no code is. */
static const struct agent_rule *rule_of(uintptr_t address) {
    uint64_t hash = address * 0x9e3779b97f4a7c15u;
    struct known_rule *set = &native->rules[(hash >> 40) % (RULES / WAYS) * WAYS];
    uint32_t way = 0;
    while (way < WAYS && set[way].address && set[way].address != address)
        way++;
    if (way < WAYS && set[way].address)
        return &set[way].rule;
    const struct agent_object *object = agent_object_find(address);
    if (!object)
        return NULL;
    if (way == WAYS)
        way = (uint32_t)(hash >> 32) % WAYS;
    set[way].rule = agent_rule_find(object, address);
    set[way].address = address;
    return &set[way].rule;
}

/* Code without tables: the word at the frame pointer is the caller's, and the return address stands behind it. */
static bool leave_by_pointer(struct registers *at, uintptr_t *cfa_out) {
    uintptr_t frame = at->frame;
    if (frame < at->stack || frame - at->stack > DEPTH_BYTES)
        return false;
    *cfa_out = frame + 2 * sizeof frame;
    return read_word(frame, &at->frame) && read_word(frame + sizeof frame, &at->address);
}

static bool find_cfa(const struct registers *at, const struct agent_rule *rule, uintptr_t *out) {
    uintptr_t base = rule->cfa_base == AGENT_BASE_STACK ? at->stack : at->frame;
    *out = base + (uintptr_t)(intptr_t)rule->cfa_offset;
    if (!rule->cfa_is_stored)
        return true;
    /* A frame pointer that was overwritten must not lead far away. */
    bool stored = read_word(*out, out);
    *out += (uintptr_t)(intptr_t)rule->cfa_more;
    return stored;
}

static bool leave_by_rule(struct registers *at, const struct agent_rule *rule, uintptr_t *cfa_out) {
    uintptr_t frame = at->frame, returns = at->link, cfa;
    if (!find_cfa(at, rule, &cfa) || cfa < at->stack || cfa - at->stack > DEPTH_BYTES)
        return false;
    if (rule->frame_offset != AGENT_SAME_VALUE) {
        uintptr_t place = (rule->frame_base == AGENT_BASE_FRAME ? frame : cfa) + (uintptr_t)(intptr_t)rule->frame_offset;
        if (!read_word(place, &frame))
            return false;
    }
    if (rule->return_offset != AGENT_SAME_VALUE && !read_word(cfa + (uintptr_t)(intptr_t)rule->return_offset, &returns))
        return false;
    at->frame = frame;
    at->address = returns;
    *cfa_out = cfa;
    return true;
}

/* From a frame to its caller. False at the outermost one, and where nothing tells how to go on. */
static bool leave(struct registers *at, const struct agent_rule *rule, uintptr_t *cfa_out) {
    if (rule->kind == AGENT_RULE_OUTERMOST)
        return false;
    bool left = rule->kind == AGENT_RULE_FOUND ? leave_by_rule(at, rule, cfa_out) : leave_by_pointer(at, cfa_out);
    if (!left || (*cfa_out == at->stack && !at->link))
        return false;
    at->stack = *cfa_out;
    at->link = 0; /* only the innermost function may not have saved it */
    at->address = without_signature(at->address);
    if (at->address)
        at->address--; /* into the call: what is called last may not return */
    return at->address != 0;
}

/* ---- the chain ------------------------------------------------------------------------------------------- */

static void forget_rules(void) {
    agent_objects_refresh();
    if (native->changes == agent_objects_changes())
        return;
    native->changes = agent_objects_changes();
    memset(native->rules, 0, sizeof native->rules);
    native->has_loop = false;
    native->own_end = 0;
}

static void find_own(void) {
    const struct agent_object *object = agent_object_find((uintptr_t)find_own);
    if (object) {
        native->own_begin = object->begin;
        native->own_end = object->end;
    }
}

__attribute__((noinline)) static void here(struct registers *out) {
#if defined(__x86_64__)
    __asm__ volatile("lea 0(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2"
                     : "=&r"(out->address), "=&r"(out->stack), "=&r"(out->frame));
    out->link = 0;
#elif defined(__aarch64__)
    __asm__ volatile("adr %0, .\n\tmov %1, sp\n\tmov %2, x29\n\tmov %3, x30"
                     : "=&r"(out->address), "=&r"(out->stack), "=&r"(out->frame), "=&r"(out->link));
#else
    *out = (struct registers){0};
#endif
}

size_t agent_native_frames(struct agent_native_frame *frames, size_t capacity, uintptr_t until) {
    struct registers at;
    size_t count = 0;
    here(&at);
    forget_rules();
    if (!native->own_end)
        find_own();
    begin_stack(at.stack);
    for (unsigned depth = 0; depth < 2 * FRAMES && count < capacity; depth++) {
        uintptr_t address = at.address, cfa;
        const struct agent_rule *rule = rule_of(address);
        if (!rule)
            break;
        bool goes_on = leave(&at, rule, &cfa);
        native->is_whole = rule->kind == AGENT_RULE_OUTERMOST;
        if (address < native->own_begin || address >= native->own_end)
            frames[count++] = (struct agent_native_frame){address, goes_on ? cfa : 0};
        if (!goes_on || cfa > until)
            break;
    }
    return count;
}

/* ---- with Python's frames ------------------------------------------------------------------------------------ */

/* Where a row has no address in the loop's C frame: its function, and parts of it that the compiler moved elsewhere.
 * Those have frames of the same size. */
static void find_loop(void) {
    const struct agent_object *object = native->loop ? agent_object_find(native->loop) : NULL;
    struct agent_unwind_entry entry;
    native->has_loop = true;
    native->loop_begin = native->loop_end = 0;
    if (!object || !agent_unwind_entry_find(object, native->loop, &entry))
        return;
    native->loop_begin = entry.begin;
    native->loop_end = entry.end;
    native->loop_rule = agent_rule_find(object, entry.begin + (entry.end - entry.begin) / 2);
}

static bool is_loop_code(uintptr_t address) {
    if (!native->has_loop)
        find_loop();
    if (address >= native->loop_begin && address < native->loop_end)
        return true;
    const struct agent_rule *rule = rule_of(address), *loop = &native->loop_rule;
    return rule && rule->is_part && rule->kind == AGENT_RULE_FOUND && rule->cfa_base == loop->cfa_base &&
           rule->cfa_offset == loop->cfa_offset && agent_object_find(native->loop_begin) == agent_object_find(address);
}

static bool runs_loop(const struct agent_native_frame *frame, const struct agent_loop *loop) {
    if (loop->anchor)
        return loop->anchor < frame->cfa; /* and not in an inner frame, which was asked before */
    return is_loop_code(frame->address);
}

struct mix {
    struct agent_call *calls;
    size_t count, room; /* for native calls: those of Python come first */
};

static void append_python(struct mix *mix, size_t from, size_t end) {
    for (; from < end; from++)
        mix->calls[mix->count++] = native->calls[from];
}

static void append_native(struct mix *mix, size_t from, size_t end) {
    for (; from < end && mix->room; from++, mix->room--)
        mix->calls[mix->count++] = (struct agent_call){NULL, native->frames[from].address};
}

/* What stands outside of the outermost Python frame is the same for all and left out. Where a loop is not found in
 * the chain the rest is Python's frames alone. */
size_t agent_native_calls(struct agent_call *calls, size_t capacity) {
    size_t loops, inner = 0, python = 0;
    size_t python_count = agent_python_loops(native->calls, capacity < CALLS ? capacity : CALLS, native->loops, &loops);
    struct mix mix = {calls, 0, capacity - python_count};
    uintptr_t until = loops && native->loops[loops - 1].anchor ? native->loops[loops - 1].anchor : UINTPTR_MAX;
    size_t frames = agent_native_frames(native->frames, FRAMES, until);
    if (!python_count)
        append_native(&mix, 0, frames);
    for (size_t i = 0; i < loops && python_count; i++) {
        size_t at = inner;
        while (at < frames && !runs_loop(&native->frames[at], &native->loops[i]))
            at++;
        /* A chain that ended too soon lies below. */
        if (at == frames && (native->loops[i].anchor || !native->is_whole))
            append_native(&mix, inner, frames);
        if (at == frames)
            break;
        append_native(&mix, inner, at);
        append_python(&mix, python, native->loops[i].end);
        python = native->loops[i].end;
        inner = at + 1;
    }
    append_python(&mix, python, python_count);
    return mix.count;
}
