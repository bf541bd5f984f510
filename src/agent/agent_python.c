/* Which Python this process runs, and the frames of the thread that asks. */
#include "agent/agent_stack.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static const struct agent_layout rows[] = {
#include "agent/agent_layout_rows.h"
};

enum { TYPE_DEALLOC = 48, OBJECT_TYPE = 8, CHECKED_FRAMES = 64 }; /* Include/cpython/object.h: PyTypeObject */

enum check { UNCHECKED, FITS, DOES_NOT_FIT };

static struct {
    void *(*thread_state)(void);     /* the current one; whose it is, the row says */
    void *(*own_thread_state)(void); /* of this thread */
    const char *code_type;
    void (*code_dealloc)(void *code);
    const struct agent_layout *layout;
    uint32_t version;
    enum check check;
    bool only_holders_ask; /* of the GIL */
} python;

static __thread const char *own_state __attribute__((tls_model("initial-exec"))); /* when it was asked for */

const struct agent_layout *agent_layout_find(uint32_t version) {
    const struct agent_layout *found = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].version >> 16 == version >> 16 && (!found || rows[i].version <= version))
            found = &rows[i];
    return found;
}

/* "3.10.13 (main, ...". Py_Version would be shorter, but is there from 3.11 on only. */
static uint32_t version_from_words(const char *words) {
    char *rest;
    unsigned long major = strtoul(words, &rest, 10);
    unsigned long minor = *rest == '.' ? strtoul(rest + 1, &rest, 10) : 0;
    unsigned long patch = *rest == '.' ? strtoul(rest + 1, &rest, 10) : 0;
    return (uint32_t)(major << 24 | minor << 16 | patch << 8 | 0xf0);
}

/* Where all objects are linked (--with-trace-refs before 3.13) two words stand in front of the count, and nothing is
 * where it is looked for. PyType_Type is its own type from the start. */
static bool heads_are_usual(void) {
    const char *type = dlsym(RTLD_DEFAULT, "PyType_Type");
    const char *type_of_type = NULL;
    if (type)
        memcpy(&type_of_type, type + OBJECT_TYPE, sizeof type_of_type);
    return type && type_of_type == type;
}

/* 0 for a free-threaded build: its collector finds objects by walking its own allocator, so they must lie there. */
static uint32_t find_version(void) {
    const char *(*words)(void) = (const char *(*)(void))dlsym(RTLD_DEFAULT, "Py_GetVersion");
    return words && !strstr(words(), "free-threading") ? version_from_words(words()) : 0;
}

static void code_ends(void *code) {
    agent_stack_code_ends(code);
    python.code_dealloc(code);
}

/* Only the holder of the GIL ends code objects, and a static type is never read-only. */
static void watch_code(char *code_type) {
    void (*ours)(void *) = code_ends;
    if (python.code_dealloc)
        return;
    memcpy(&python.code_dealloc, code_type + TYPE_DEALLOC, sizeof python.code_dealloc);
    memcpy(code_type + TYPE_DEALLOC, &ours, sizeof ours);
}

bool agent_python_find(void) {
    if (python.layout)
        return true;
    python.version = find_version();
    void *(*state)(void) = (void *(*)(void))dlsym(RTLD_DEFAULT, "PyThreadState_GetUnchecked");
    if (!state)
        state = (void *(*)(void))dlsym(RTLD_DEFAULT, "_PyThreadState_UncheckedGet");
    python.thread_state = state;
    python.own_thread_state = (void *(*)(void))dlsym(RTLD_DEFAULT, "PyGILState_GetThisThreadState");
    char *code_type = dlsym(RTLD_DEFAULT, "PyCode_Type");
    const struct agent_layout *layout = agent_layout_find(python.version);
    if (!state || !python.own_thread_state || !code_type || !layout || !heads_are_usual())
        return false;
    python.code_type = code_type;
    python.layout = layout;
    return true;
}

uint32_t agent_python_version(void) {
    return python.version;
}

const struct agent_layout *agent_python_layout(void) {
    return python.layout;
}

static const char *pointer_at(const char *address) {
    const char *pointer;
    memcpy(&pointer, address, sizeof pointer);
    return pointer;
}

static const char *first_frame(const struct agent_layout *layout, const char *thread_state) {
    const char *frame = pointer_at(thread_state + layout->thread_frame);
    return layout->cframe_frame == AGENT_LAYOUT_NONE || !frame ? frame : pointer_at(frame + layout->cframe_frame);
}

/* A shim stands between C and Python frames and has no code of a person (Include/internal/pycore_frame.h). */
static bool is_shim(const struct agent_layout *layout, const char *frame) {
    return layout->owner_shim != AGENT_LAYOUT_NONE && (unsigned char)frame[layout->frame_owner] >= layout->owner_shim;
}

/* References of frames carry tags in their low bits from 3.14 on. */
static const char *code_of(const struct agent_layout *layout, const char *frame) {
    return (const char *)((uintptr_t)pointer_at(frame + layout->frame_code) & ~(uintptr_t)7);
}

static bool frame_fits(const struct agent_layout *layout, const char *frame) {
    if (!agent_memory_is_there(frame, layout->frame_instruction + sizeof(void *)))
        return false;
    if (is_shim(layout, frame))
        return true;
    const char *code = code_of(layout, frame);
    return agent_memory_is_there(code, layout->code_bytes) && pointer_at(code + OBJECT_TYPE) == python.code_type;
}

/* Rows are of the nearest release, and a build can be patched: the first stack is read with the kernel's care. */
static enum check check_frames(const struct agent_layout *layout, const char *thread_state) {
    if (!agent_memory_is_there(thread_state, layout->thread_frame + sizeof(void *)))
        return DOES_NOT_FIT;
    const char *holder = pointer_at(thread_state + layout->thread_frame);
    if (!holder)
        return UNCHECKED;
    if (!agent_memory_is_there(holder, 2 * sizeof(void *)))
        return DOES_NOT_FIT;
    const char *frame = first_frame(layout, thread_state);
    if (!frame)
        return UNCHECKED;
    for (size_t i = 0; frame && i < CHECKED_FRAMES; i++) {
        if (!frame_fits(layout, frame))
            return DOES_NOT_FIT;
        frame = pointer_at(frame + layout->frame_previous);
    }
    watch_code((char *)python.code_type);
    return FITS;
}

/* While this thread is without the GIL its frames stand still, and only its own state leads to them. To 3.11 that is a long
 * way; where only Python's own allocators ask, the GIL's holder does, and its state is this thread's if it was before. */
static const char *thread_state(void) {
    const char *current = python.thread_state();
    bool is_own = current && (python.layout->current_is_own || (python.only_holders_ask && current == own_state));
    return is_own ? current : (own_state = python.own_thread_state());
}

void agent_python_only_holders_ask(bool only) {
    python.only_holders_ask = only;
}

static uint64_t instruction_of(const struct agent_layout *layout, const char *frame) {
    uint64_t pointer = 0;
    int32_t index;
    if (layout->instruction_scale == 0) {
        memcpy(&pointer, frame + layout->frame_instruction, sizeof pointer);
        return pointer;
    }
    memcpy(&index, frame + layout->frame_instruction, sizeof index);
    return (uint64_t)(int64_t)index;
}

/* Where the interpreter's loops end. A shim lies in the C frame of the loop that it closes; before there were shims
 * the C frames have a chain of their own (Include/cpython/pystate.h: CFrame), and one that ran a single frame. */
struct loops {
    struct agent_loop *list;
    size_t count, capacity;
    const char *cframe;
};

/* The outermost shim is the thread state's own and closes none. */
static void end_loop(struct loops *loops, size_t calls, uintptr_t anchor) {
    size_t before = loops->count ? loops->list[loops->count - 1].end : 0;
    if (loops->count < loops->capacity && calls > before)
        loops->list[loops->count++] = (struct agent_loop){calls, anchor};
}

static void note_frame(const struct agent_layout *layout, const char *frame, size_t calls, struct loops *loops) {
    if (layout->owner_shim != AGENT_LAYOUT_NONE) {
        if (is_shim(layout, frame))
            end_loop(loops, calls, (uintptr_t)frame);
        return;
    }
    if (layout->frame_entry != AGENT_LAYOUT_NONE && !frame[layout->frame_entry])
        return;
    end_loop(loops, calls, (uintptr_t)loops->cframe);
    if (loops->cframe)
        loops->cframe = pointer_at(loops->cframe + layout->cframe_previous);
}

static size_t walk_frames(struct agent_call *calls, size_t capacity, struct loops *loops) {
    const struct agent_layout *layout = python.layout;
    const char *state = layout ? thread_state() : NULL;
    if (!state || python.check == DOES_NOT_FIT)
        return 0;
    if (python.check == UNCHECKED && (python.check = check_frames(layout, state)) != FITS)
        return 0;
    if (loops->capacity && layout->thread_cframe != AGENT_LAYOUT_NONE)
        loops->cframe = pointer_at(state + layout->thread_cframe);
    size_t count = 0;
    for (const char *frame = first_frame(layout, state); frame && count < capacity;
         frame = pointer_at(frame + layout->frame_previous)) {
        if (!is_shim(layout, frame)) {
            const char *code = code_of(layout, frame);
            if (pointer_at(code + OBJECT_TYPE) == python.code_type)
                calls[count++] = (struct agent_call){code, instruction_of(layout, frame)};
        }
        if (loops->capacity)
            note_frame(layout, frame, count, loops);
    }
    return count;
}

size_t agent_python_calls(struct agent_call *calls, size_t capacity) {
    struct loops none = {0};
    return walk_frames(calls, capacity, &none);
}

size_t agent_python_loops(struct agent_call *calls, size_t capacity, struct agent_loop *loops, size_t *loop_count_out) {
    struct loops found = {.list = loops, .capacity = capacity};
    size_t count = walk_frames(calls, capacity, &found);
    *loop_count_out = found.count;
    return count;
}
