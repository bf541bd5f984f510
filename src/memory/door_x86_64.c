/* The instructions of a door, on x86-64. */
#include "memory/door.h"

#include <stddef.h>

_Static_assert(offsetof(struct door, result) == 4 && offsetof(struct door, process) == 8 &&
                   offsetof(struct door, save_thread) == 16 && offsetof(struct door, restore_thread) == 24 &&
                   offsetof(struct door, open) == 32 && offsetof(struct door, find) == 40 &&
                   offsetof(struct door, error) == 48 && offsetof(struct door, entry) == 56 &&
                   offsetof(struct door, descriptor) == 64 && offsetof(struct door, path) == 72 &&
                   offsetof(struct door, name) == 136 && offsetof(struct door, message) == 200 &&
                   offsetof(struct door, options) == 456,
               "the instructions know where the words are");

/* rbx is the door, r12 what PyEval_SaveThread gave. */
__asm__(".pushsection .rodata\n"
        "door_code_begin:\n"
        "    endbr64\n"
        "    push %rbx\n"
        "    push %r12\n"
        "    sub $8, %rsp\n"
        "    mov %rdi, %rbx\n"
        "    mov $39, %eax\n" /* getpid */
        "    syscall\n"
        "    cmp %rax, 8(%rbx)\n"
        "    jne 9f\n"
        "    xor %eax, %eax\n"
        "    mov $1, %ecx\n"
        "    lock cmpxchg %ecx, (%rbx)\n"
        "    jne 9f\n"
        "    cmpq $0, 56(%rbx)\n"
        "    jne 6f\n"
        "    call *16(%rbx)\n"
        "    mov %rax, %r12\n"
        "    lea 72(%rbx), %rdi\n"
        "    mov $2, %esi\n" /* RTLD_NOW */
        "    call *32(%rbx)\n"
        "    test %rax, %rax\n"
        "    jz 2f\n"
        "    mov %rax, %rdi\n"
        "    lea 136(%rbx), %rsi\n"
        "    call *40(%rbx)\n"
        "    mov %rax, 56(%rbx)\n"
        "    test %rax, %rax\n"
        "    jnz 5f\n"
        "2:  call *48(%rbx)\n"
        "    test %rax, %rax\n"
        "    jz 5f\n"
        "    lea 200(%rbx), %rdi\n"
        "    mov $255, %ecx\n"
        "3:  mov (%rax), %dl\n"
        "    test %dl, %dl\n"
        "    jz 5f\n"
        "    mov %dl, (%rdi)\n"
        "    inc %rax\n"
        "    inc %rdi\n"
        "    dec %ecx\n"
        "    jnz 3b\n"
        "5:  mov 64(%rbx), %edi\n"
        "    mov $3, %eax\n" /* close */
        "    syscall\n"
        "    mov %r12, %rdi\n"
        "    call *24(%rbx)\n"
        "6:  movl $-1, 4(%rbx)\n"
        "    mov 56(%rbx), %rax\n"
        "    test %rax, %rax\n"
        "    jz 8f\n"
        "    lea 456(%rbx), %rdi\n"
        "    call *%rax\n"
        "    mov %eax, 4(%rbx)\n"
        "8:  movl $2, (%rbx)\n"
        "9:  xor %eax, %eax\n"
        "    add $8, %rsp\n"
        "    pop %r12\n"
        "    pop %rbx\n"
        "    ret\n"
        "door_code_end:\n"
        ".popsection\n");

extern const char door_code_begin[] __attribute__((visibility("hidden")));
extern const char door_code_end[] __attribute__((visibility("hidden")));

struct door_code door_code(void) {
    return (struct door_code){door_code_begin, (size_t)(door_code_end - door_code_begin)};
}
