/* Between the files that find out who asks for memory: what Python is here, its frames, its code objects.
 *
 * Everything is read in place: the thread that asks is the one that owns the frames, and a frame keeps its code
 * alive. Nothing here calls into Python but for its thread state. */
#ifndef CAULK_AGENT_AGENT_STACK_H
#define CAULK_AGENT_AGENT_STACK_H

#include "agent/agent.h"

#define AGENT_LAYOUT_NONE UINT32_MAX

enum agent_line_table { AGENT_LINE_PAIRS, AGENT_LINE_RANGES, AGENT_LINE_LOCATIONS };

/* Offsets in bytes, one row per CPython (tools/layout_probe_agent.c). */
struct agent_layout {
    uint32_t version; /* sys.hexversion of the headers */
    uint32_t thread_frame, cframe_frame;
    uint32_t current_is_own; /* 1: Python's current thread state is the asking thread's; 0: the GIL holder's */
    uint32_t thread_cframe, cframe_previous; /* the chain of the interpreter's loops, where frames do not tell */
    uint32_t frame_entry;                    /* a byte that is set in the outermost frame of a loop */
    uint32_t frame_previous, frame_owner, owner_shim, frame_code, frame_instruction;
    uint32_t instruction_scale; /* bytes per unit of an index; 0: the field is a pointer */
    uint32_t code_first_line, code_filename, code_name, code_bytes, code_units, code_line_table;
    uint32_t line_table_format; /* enum agent_line_table */
    uint32_t text_length, text_state, text_ascii_data, text_compact_data, text_compact_bit, text_ascii_bit;
    uint32_t text_kind_shift, bytes_size, bytes_data;
};

/* The row of the same minor version with the nearest patch release, or NULL. */
const struct agent_layout *agent_layout_find(uint32_t version);

/* One call: a code object and its current instruction as the frame has it. */
struct agent_call {
    const char *code;
    uint64_t instruction;
};

/* ---- agent_python.c ------------------------------------------------------------------------------------- */

/* The version of this process's Python, 0 if none is found. */
uint32_t agent_python_version(void);

const struct agent_layout *agent_python_layout(void); /* NULL if none is found */

/* The calling thread's frames, innermost first, at most `capacity`. 0 without a thread state. */
size_t agent_python_calls(struct agent_call *calls, size_t capacity);

/* Whether nobody asks but the GIL's holder, as Python's own allocators do. */
void agent_python_only_holders_ask(bool only);

/* One run of the interpreter's loop: a C frame that runs some Python frames, each called by the next. */
struct agent_loop {
    size_t end;       /* of its calls: they begin where the one before ends */
    uintptr_t anchor; /* an address in its C frame, 0 if there is none that is known */
};

/* The same, with the loops that run them: at most `capacity` too. */
size_t agent_python_loops(struct agent_call *calls, size_t capacity, struct agent_loop *loops, size_t *loop_count_out);

/* ---- agent_code.c ---------------------------------------------------------------------------------------- */

/* The index of `code` in WIRE_CODES, UINT32_MAX if there is no room. Under the stack lock. */
uint32_t agent_code_find(const struct agent_layout *layout, const char *code);

/* Whether the interpreter made it for itself, so that no traceback shows it. */
bool agent_code_is_bridge(const struct agent_layout *layout, const char *code);

/* A code that has a name only: a thread. Under the stack lock. */
uint32_t agent_code_named(const char *name);

/* A native module: its path and its build id in hexadecimal digits, "" if it has none. Under the stack lock. */
uint32_t agent_code_module(const char *path, const char *build_id);

/* Forgets the address of a code object that ends. Under the stack lock. */
void agent_code_forget(const char *code);

/* Where the instruction lies in the code, in bytes; negative before the first. */
int64_t agent_code_offset(const struct agent_layout *layout, struct agent_call call);

/* Bytes of the tables beside the recording. */
size_t agent_code_bytes(void);

/* ---- agent_lines.c --------------------------------------------------------------------------------------- */

/* Fields as in struct wire_place. */
struct agent_position {
    uint32_t line, end_line;
    int32_t column, end_column;
};

/* Of the instruction at byte `offset`; the line is co_firstlineno if it has none (Objects/codeobject.c: PyCode_Addr2Line,
 * PyCode_Addr2Location). O(length of the table). */
struct agent_position agent_position_of(const struct agent_layout *layout, const char *code, int64_t offset);

/* Of the whole table. */
uint32_t agent_lines_hash(const struct agent_layout *layout, const char *code);

/* ---- agent_index.c --------------------------------------------------------------------------------------- */

/* Finds entries of a region by their first bytes. Entry 0 is nobody's. All under the stack lock. */
struct agent_index {
    enum wire_region_name region;
    uint32_t key_words; /* of eight bytes */
    uint32_t *slots;    /* index of an entry; 0 empty */
    uint32_t slot_count;
};

bool agent_index_prepare(struct agent_index *index);

/* The slot of the entry that begins as `key`, or the empty one where it belongs. */
uint32_t *agent_index_slot(const struct agent_index *index, const void *key);

/* Writes a new entry, whose slot that is; 0 if there is no room. */
uint32_t agent_index_add(struct agent_index *index, uint32_t *slot, const void *entry);

/* ---- agent_places.c -------------------------------------------------------------------------------------- */

/* The index of a place in WIRE_PLACES; 0 if there is no room. Under the stack lock. */
uint32_t agent_place_of_call(const struct agent_layout *layout, struct agent_call call);
uint32_t agent_place_of_address(uintptr_t address);
uint32_t agent_place_of_thread(const char *name, uint32_t native_id);

bool agent_places_prepare(void);
size_t agent_places_bytes(void);

/* ---- agent_memory.c -------------------------------------------------------------------------------------- */

/* Asked by a call that every filter allows. The answer holds as long as nobody takes the memory away. */
bool agent_memory_is_there(const void *from, size_t length);

/* How many of the bytes from there on could be read. */
size_t agent_memory_read_some(uintptr_t from, void *to, size_t length);

/* False if not all are there. */
bool agent_memory_read(uintptr_t from, void *to, size_t length);

/* ---- agent_stack.c --------------------------------------------------------------------------------------- */

/* A code object of this address is no more: caches of threads are void. Called with the GIL. */
void agent_stack_code_ends(const char *code);

/* Around fork: no thread holds the lock of stacks in the child. */
void agent_stack_before_fork(void);
void agent_stack_after_fork(void);

/* Bytes that stacks use beside the recording. */
size_t agent_stack_bytes(void);

#endif
