/* A chain of C functions that asks for memory: what the stacks of tests/app/test_native_stacks.py must tell. */
#include <stdlib.h>

#define ALONE __attribute__((noinline, noclone))
#define STAYS __asm__ volatile("" ::: "memory") /* so that no call becomes a jump */

void *volatile chain_kept;

ALONE static void *chain_c(size_t size) {
    void *block = malloc(size);
    chain_kept = block;
    return block;
}

ALONE static void *chain_b(size_t size) {
    void *block = chain_c(size);
    STAYS;
    return block;
}

ALONE void *chain_a(size_t size) {
    void *block = chain_b(size);
    STAYS;
    return block;
}

ALONE void chain_call(void (*function)(void)) {
    function();
    STAYS;
}

__attribute__((used, visibility("hidden"))) void *chain_a_hidden(size_t size) {
    return chain_a(size);
}

/* The same with `pointer` as frame pointer, from a function of which no table knows. */
void *chain_trash(size_t size, size_t pointer);
#if defined(__x86_64__)
__asm__(".text\n"
        ".globl chain_trash\n"
        ".type chain_trash, @function\n"
        "chain_trash:\n"
        "    push %rbp\n"
        "    mov %rsi, %rbp\n"
        "    call chain_a_hidden\n"
        "    pop %rbp\n"
        "    ret\n"
        ".size chain_trash, . - chain_trash\n");
#else
void *chain_trash(size_t size, size_t pointer) {
    return pointer ? chain_a(size) : NULL;
}
#endif
