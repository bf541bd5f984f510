/* Between the files that find out which native code asks for memory: what is loaded, how its frames are left, the
 * chain of return addresses, and where Python's frames stand in it.
 *
 * All of it is under the stack lock. Memory is read by the kernel (agent_memory.c), but for what is certainly the
 * thread's own stack: an address that a broken frame leads to is an error and never a signal. Nothing here asks the
 * loader, whose lock another thread may hold while it waits for ours: what is loaded is read from /proc/self/maps. */
#ifndef CAULK_AGENT_AGENT_NATIVE_H
#define CAULK_AGENT_AGENT_NATIVE_H

#include "agent/agent_stack.h"

#define AGENT_SAME_VALUE INT32_MIN

/* ---- agent_objects.c: what is loaded --------------------------------------------------------------------- */

/* A mapping with code in it. */
struct agent_object {
    uintptr_t begin, end;
    uintptr_t base; /* where its file's first byte is mapped; 0 if it is no file */
    uint64_t inode;
    bool looked;    /* the rest is known */
    uintptr_t bias; /* addresses of the file + bias = addresses here */
    uintptr_t table; /* .eh_frame_hdr, 0 if there is none */
    uint32_t table_size;
    uint32_t code;  /* into WIRE_CODES, UINT32_MAX until it is asked for */
};

/* The object that `address` is code of, with what was looked up of it; NULL if none is. */
struct agent_object *agent_object_find(uintptr_t address);

/* The index into WIRE_CODES that stands for the object; UINT32_MAX if there is no room. */
uint32_t agent_object_code(struct agent_object *object);

/* Grows whenever objects came or went: what was kept by address is void. */
uint32_t agent_objects_changes(void);

/* Looks again if the last look is old. */
void agent_objects_refresh(void);

/* The mapping that holds `address`, and whether the kernel calls it the first thread's stack. False also when so
 * many looks were taken lately that another one would cost too much. */
bool agent_mapping_find(uintptr_t address, uintptr_t *begin_out, uintptr_t *end_out, bool *is_stack_out);

/* ---- agent_unwind.c, agent_unwind_table.c: how a frame is left ---------------------------------------------- */

enum agent_rule_kind { AGENT_RULE_NONE, AGENT_RULE_FOUND, AGENT_RULE_OUTERMOST };

enum agent_rule_base { AGENT_BASE_OTHER, AGENT_BASE_STACK, AGENT_BASE_FRAME, AGENT_BASE_CFA };

/* The frame's address (CFA), and where the caller's frame pointer and the return address were saved. */
struct agent_rule {
    uint8_t kind;         /* enum agent_rule_kind */
    uint8_t cfa_base;     /* stack pointer or frame pointer, + cfa_offset */
    uint8_t frame_base;   /* of the place of the saved frame pointer: CFA or frame pointer */
    bool cfa_is_stored;   /* the CFA is the word at that address, + cfa_more */
    bool is_part;         /* a part of a function that was moved elsewhere: it begins in the middle of a frame */
    int32_t cfa_offset, cfa_more;
    int32_t frame_offset; /* AGENT_SAME_VALUE: it was not saved */
    int32_t return_offset; /* from the CFA; AGENT_SAME_VALUE: it is in a register still */
};

/* The bytes of an object's table that tell of the function around an address. */
struct agent_unwind_entry {
    uintptr_t begin, end;             /* of the function */
    const uint8_t *common, *common_end; /* instructions for all functions of the kind */
    const uint8_t *own, *own_end;
    uint64_t code_factor;
    int64_t data_factor;
    uint64_t return_register;
    bool is_signal; /* the frame was made by the kernel */
};

/* False if there is none. What it points to is good until the next call. */
bool agent_unwind_entry_find(const struct agent_object *object, uintptr_t address, struct agent_unwind_entry *out);

/* How the frame is left at `address`. */
struct agent_rule agent_rule_find(const struct agent_object *object, uintptr_t address);

/* Numbers in the tables (DWARF 5, 7.6); *at moves on, to `end` if the number is cut. */
uint64_t agent_unwind_unsigned(const uint8_t **at, const uint8_t *end);
int64_t agent_unwind_signed(const uint8_t **at, const uint8_t *end);

/* ---- agent_native.c: the chain ------------------------------------------------------------------------------- */

struct agent_native_frame {
    uintptr_t address; /* of an instruction: the last byte of the call */
    uintptr_t cfa;     /* the stack pointer of its caller: the frame ends below */
};

/* Native frames are wanted from now on, by all that sample. */
void agent_native_begin(void);
bool agent_native_wanted(void);

/* The calling thread's native frames, innermost first, without this library's own; up to the one that the stack's
 * address `until` lies in. */
size_t agent_native_frames(struct agent_native_frame *frames, size_t capacity, uintptr_t until);

/* As agent_python_calls, with native calls where they belong: they have no code, and `instruction` is the address. A
 * frame of Python's interpreter is left out for the Python frames that it runs. */
size_t agent_native_calls(struct agent_call *calls, size_t capacity);

/* Bytes of the tables. */
size_t agent_native_bytes(void);

#endif
