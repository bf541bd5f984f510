/* What the opcodes of each CPython do, as far as it takes to see where a function stores something: generated rows. */
#ifndef CAULK_CPYTHON_LAYOUT_OPCODES_H
#define CAULK_CPYTHON_LAYOUT_OPCODES_H

#include <stdbool.h>
#include <stdint.h>

/* Specialised and instrumented opcodes have the class of the one that they stand for. */
enum opcode_class {
    OPCODE_NONE,  /* not an opcode of this version */
    OPCODE_OTHER, /* known by its effect on the stack alone */
    OPCODE_NOTHING,
    OPCODE_EXTENDED,
    OPCODE_LOAD_GLOBAL, /* the lowest bit of the argument, if the row shifts names: a NULL too */
    OPCODE_LOAD_NAME,
    OPCODE_LOAD_LOCAL,
    OPCODE_LOAD_TWO_LOCALS, /* four bits of the argument each */
    OPCODE_STORE_LOCAL,
    OPCODE_STORE_TWO_LOCALS,
    OPCODE_STORE_AND_LOAD_LOCAL,
    OPCODE_LOAD_FREE,
    OPCODE_STORE_FREE,
    OPCODE_LOAD_ATTRIBUTE, /* the lowest bit of the argument, if the row shifts names: as LOAD_METHOD */
    OPCODE_LOAD_METHOD,    /* pushes the function and the object */
    OPCODE_STORE_ATTRIBUTE,
    OPCODE_SUBSCRIPT,
    OPCODE_STORE_SUBSCRIPT,
    OPCODE_STORE_SLICE,
    OPCODE_BINARY,
    OPCODE_INPLACE,
    OPCODE_PUSH_NULL,
    OPCODE_POP,  /* drops a word, or some jump does */
    OPCODE_JUMP, /* what follows runs without the word that was made before it */
    OPCODE_DUPLICATE,
    OPCODE_DUPLICATE_TWO,
    OPCODE_COPY,
    OPCODE_SWAP,
    OPCODE_ROTATE_TWO,
    OPCODE_ROTATE_THREE,
    OPCODE_ROTATE_FOUR,
    OPCODE_CALL_FUNCTION,    /* the callable below the arguments */
    OPCODE_CALL_METHOD,      /* the callable and NULL or the object below them */
    OPCODE_CALL_FUNCTION_KW, /* names of keywords on top */
    OPCODE_CALL,             /* two words below the arguments, the callable among them */
    OPCODE_CALL_KW,          /* the same, names of keywords on top */
};

struct opcode_facts {
    uint8_t class;  /* enum opcode_class */
    uint8_t caches; /* units of two bytes behind it that are no code */
    int8_t effect, effect_per_argument; /* on the height of the stack */
};

struct opcode_row {
    uint32_t version; /* sys.hexversion without the patch release */
    uint8_t name_shift_of_global, name_shift_of_attribute;
    bool null_first; /* a NULL for calls lies below the callable */
    uint8_t subscript_operation, first_inplace_operation; /* arguments of OPCODE_BINARY */
    struct opcode_facts opcodes[256];
};

/* The row for a version of Python; NULL if there is none. */
const struct opcode_row *layout_opcodes(uint32_t version);

/* The line of the instruction at a byte offset of the code, by the table of this version; 0 if it has none. */
int32_t layout_line(uint32_t version, const unsigned char *table, uint64_t length, int32_t first_line, int64_t offset);

#endif
