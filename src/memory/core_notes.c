/* What the notes of a core tell: the process, its mapped files, the words of its command. */
#include "memory/core_work.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/procfs.h>

enum {
    WORD = 8,
    ARGUMENTS_MOST = 4096,
    STACK_MOST = 16 << 20,
    MAPPINGS_MOST = 1 << 17, /* twice what the kernel allows a process */
    LOOK_BACK = 2048,        /* mappings of one file lie near each other */
};

#define MAPPED_MOST (4ull << 40) /* bytes of all mappings: who scans them is done in seconds */

static uint64_t word_at(const unsigned char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* The first thread is the one that died, or gcore's first: its number stands in for that of the process. */
static void take_status(struct core *core, const unsigned char *bytes, size_t size) {
    struct elf_prstatus status;
    if (size < sizeof status || core->facts->pid)
        return;
    memcpy(&status, bytes, sizeof status);
    core->facts->pid = status.pr_pid > 0 ? status.pr_pid : 0;
}

/* The kernel keeps 80 bytes of the arguments, with spaces between them. */
static void take_process(struct core *core, const unsigned char *bytes, size_t size) {
    struct elf_prpsinfo process;
    if (size < sizeof process)
        return;
    memcpy(&process, bytes, sizeof process);
    if (process.pr_pid > 0)
        core->facts->pid = process.pr_pid;
    snprintf(core->facts->command, sizeof core->facts->command, "%.*s", (int)sizeof process.pr_psargs,
             process.pr_psargs);
    size_t length = strlen(core->facts->command);
    while (length && core->facts->command[length - 1] == ' ')
        core->facts->command[--length] = '\0';
    for (char *space = core->facts->command; (space = strchr(space, ' ')); space++)
        *space = '\x1f';
}

static void take_auxiliary(struct core *core, const unsigned char *bytes, size_t size) {
    core->auxiliary_size = size < sizeof core->auxiliary ? size : sizeof core->auxiliary;
    memcpy(core->auxiliary, bytes, core->auxiliary_size);
    for (size_t at = 0; at + 2 * WORD <= size; at += 2 * WORD) {
        uint64_t kind = word_at(bytes + at), value = word_at(bytes + at + WORD);
        if (kind == AT_NULL)
            break;
        if (kind == AT_RANDOM)
            core->random_bytes = value;
        if (kind == AT_ENTRY)
            core->entry = value;
        if (kind == AT_PHDR)
            core->program_headers = value;
    }
}

static uint32_t find_or_add_file(struct core *core, const char *path, size_t length) {
    size_t last = core->file_count > LOOK_BACK ? core->file_count - LOOK_BACK : 0;
    for (size_t i = core->file_count; i-- > last;)
        if (strlen(core->files[i].path) == length && memcmp(core->files[i].path, path, length) == 0)
            return (uint32_t)i;
    core->files[core->file_count] = (struct core_file){
        .path = arena_copy_text(&core->storage->arena, path, length), .descriptor = -1};
    return (uint32_t)core->file_count++;
}

static void add_mapping(struct core *core, const unsigned char *entry, uint64_t page_size, const char *path,
                        size_t length) {
    struct core_mapping mapping = {.begin = word_at(entry), .end = word_at(entry + WORD)};
    bool absurd = mapping.begin >= mapping.end || mapping.begin % CORE_PAGE || mapping.end % CORE_PAGE ||
                  mapping.end >> (IMAGE_PAGE_BITS + IMAGE_LEAF_BITS + IMAGE_TOP_BITS) ||
                  __builtin_mul_overflow(word_at(entry + 2 * WORD), page_size, &mapping.file_offset) ||
                  mapping.file_offset > INT64_MAX - (mapping.end - mapping.begin);
    if (absurd || core->bytes_mapped + (mapping.end - mapping.begin) > MAPPED_MOST)
        return;
    core->bytes_mapped += mapping.end - mapping.begin;
    mapping.file = find_or_add_file(core, path, length);
    *vector_push(&core->mappings, struct core_mapping) = mapping;
}

/* NT_FILE: count, size of a page, count times (begin, end, offset in pages), count texts. */
static void take_files(struct core *core, const unsigned char *bytes, size_t size) {
    if (size < 2 * WORD || core->files)
        return;
    uint64_t count = word_at(bytes), page_size = word_at(bytes + WORD);
    if (count > (size - 2 * WORD) / (3 * WORD) || count > MAPPINGS_MOST)
        return;
    core->files = arena_new(&core->storage->arena, struct core_file, count + 1);
    const char *path = (const char *)bytes + 2 * WORD + count * 3 * WORD, *end = (const char *)bytes + size;
    for (uint64_t i = 0; i < count; i++) {
        const char *stop = memchr(path, '\0', (size_t)(end - path));
        if (!stop)
            return;
        add_mapping(core, bytes + 2 * WORD + i * 3 * WORD, page_size, path, (size_t)(stop - path));
        path = stop + 1;
    }
}

void core_take_note(struct core *core, uint32_t kind, const unsigned char *bytes, size_t size) {
    switch (kind) {
    case NT_PRSTATUS: take_status(core, bytes, size); break;
    case NT_PRPSINFO: take_process(core, bytes, size); break;
    case NT_AUXV: take_auxiliary(core, bytes, size); break;
    case NT_FILE: take_files(core, bytes, size); break;
    default: break;
    }
}

static void find_executable(const struct core *core) {
    for (size_t i = 0; i < core->mappings.count; i++) {
        const struct core_mapping *mapping = &vector_items(&core->mappings, struct core_mapping)[i];
        if (core->program_headers >= mapping->begin && core->program_headers < mapping->end)
            snprintf(core->facts->executable, sizeof core->facts->executable, "%s", core->files[mapping->file].path);
    }
}

/* Above the stack of main lie argc, argv, NULL, the environment, NULL, and the auxiliary vector, whose bytes are
 * known from its note. 0 if it is not found. */
static remote_address find_auxiliary(const struct core *core, const struct memory_segment *stack) {
    const struct memory *memory = &core->storage->image.memory;
    size_t size = core->auxiliary_size;
    remote_address lowest = stack->end - stack->begin > STACK_MOST ? stack->end - STACK_MOST : stack->begin;
    unsigned char begin[2 * WORD], whole[sizeof core->auxiliary];
    for (remote_address at = core->random_bytes & ~(uint64_t)15; at >= lowest + 16; at -= WORD)
        if (memory_read(memory, at, sizeof begin, begin) && memcmp(begin, core->auxiliary, sizeof begin) == 0 &&
            memory_read(memory, at, size, whole) && memcmp(whole, core->auxiliary, size) == 0)
            return at;
    return 0;
}

/* Downwards over pointers to the NULL before them. */
static remote_address skip_pointers(const struct memory *memory, remote_address at) {
    uint64_t word = 1;
    for (int i = 0; i < 16 * ARGUMENTS_MOST && memory_read_word(memory, at - WORD, &word) && word; i++)
        at -= WORD;
    return word ? 0 : at - WORD;
}

static remote_address find_arguments(const struct memory *memory, remote_address end_of_arguments, uint64_t *count_out) {
    uint64_t word;
    for (uint64_t count = 0; count < ARGUMENTS_MOST; count++) {
        remote_address at = end_of_arguments - count * WORD;
        if (!memory_read_word(memory, at - WORD, &word))
            return 0;
        if (word == count && count) {
            *count_out = count;
            return at;
        }
    }
    return 0;
}

static void write_command(const struct core *core, remote_address arguments, uint64_t count) {
    const struct memory *memory = &core->storage->image.memory;
    char command[sizeof core->facts->command], word[sizeof core->facts->command];
    size_t length = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t address;
        if (!memory_read_word(memory, arguments + i * WORD, &address) ||
            !memory_read_text(memory, address, sizeof word, word) || strlen(word) + length + 2 > sizeof command)
            break;
        length += (size_t)snprintf(command + length, sizeof command - length, "%s%s", i ? "\x1f" : "", word);
    }
    if (length)
        memcpy(core->facts->command, command, length + 1);
}

void core_find_command(const struct core *core) {
    const struct memory *memory = &core->storage->image.memory;
    const struct memory_segment *stack = memory_find_segment(memory, core->random_bytes);
    find_executable(core);
    if (!stack || core->auxiliary_size < 2 * WORD)
        return;
    remote_address auxiliary = find_auxiliary(core, stack);
    remote_address environment_end = auxiliary ? auxiliary - WORD : 0;
    remote_address arguments_end = environment_end ? skip_pointers(memory, environment_end) : 0;
    uint64_t count = 0;
    remote_address arguments = arguments_end ? find_arguments(memory, arguments_end, &count) : 0;
    if (arguments)
        write_command(core, arguments, count);
}
