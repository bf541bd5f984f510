/* Functions that ask for memory in lines that tests know by the remark behind them. */
#include <stdlib.h>

#define ALONE __attribute__((noinline))
#define INSIDE static inline __attribute__((always_inline))
#define STAYS(mark) __asm__ volatile("# " mark ::: "memory") /* so that no two calls become one */

void *volatile lined_kept;
void *lined_direct(size_t size);
void *lined_around(size_t size);
void *lined_either(size_t size, int first);
void *lined_object(long size);

extern void *PyByteArray_FromStringAndSize(const char *bytes, long size) __attribute__((weak));

ALONE static void *lined_hidden(size_t size) {
    void *block = malloc(size); /* hidden */
    STAYS("hidden");
    return block;
}

ALONE void *lined_direct(size_t size) {
    lined_kept = lined_hidden(size); /* direct */
    STAYS("direct");
    return lined_kept;
}

INSIDE void *lined_innermost(size_t size) {
    void *block = malloc(size); /* innermost */
    STAYS("innermost");
    return block;
}

INSIDE void *lined_middle(size_t size) {
    return lined_innermost(size + 1); /* middle */
}

ALONE void *lined_around(size_t size) {
    lined_kept = lined_middle(size); /* around */
    STAYS("around");
    return lined_kept;
}

ALONE void *lined_either(size_t size, int first) {
    if (first) {
        lined_kept = malloc(size); /* first */
        STAYS("first");
    } else {
        lined_kept = malloc(size); /* second */
        STAYS("second");
    }
    return lined_kept;
}

ALONE void *lined_object(long size) {
    void *object = PyByteArray_FromStringAndSize(NULL, size); /* object */
    STAYS("object");
    return object;
}
