/* Hooks on mmap and munmap, by the names that a preloaded library takes over: mappings without a file that the
 * program itself makes. They stay where the kernel puts them, and are known by a small table. */
#undef _FILE_OFFSET_BITS /* else mmap is a second name of mmap64, and both are needed */
#include "agent/agent_work.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAPPINGS = 2048 };

struct mapping {
    uintptr_t begin;
    struct wire_block entry; /* size 0: unused */
};

static struct mapping mappings[MAPPINGS];
static uint32_t mapping_count; /* entries that were ever used */

static void count_mapping(void *begin, size_t size, uint64_t interval) {
    uint32_t i = 0;
    while (i < mapping_count && mappings[i].entry.size)
        i++;
    if (i == MAPPINGS)
        return;
    uint32_t stack = agent_stack_here(), now = agent_now();
    mappings[i] = (struct mapping){(uintptr_t)begin, {stack, now, size, interval}};
    AGENT_WRITE(mapping_count, i == mapping_count ? i + 1 : mapping_count);
    agent_account_birth(stack, size, interval, now);
}

/* What is left of a mapping whose begin or end goes counts with its old birth; a hole in the middle ends its rest. */
static void cut_mapping(struct mapping *mapping, uintptr_t begin, uintptr_t end) {
    struct wire_block *entry = &mapping->entry;
    uintptr_t last = mapping->begin + entry->size;
    if (begin >= last || end <= mapping->begin)
        return;
    if (agent.phase != AGENT_FINISHED)
        agent_account_death(entry->stack, entry->size, entry->interval, entry->born);
    uint64_t before = begin > mapping->begin ? begin - mapping->begin : 0, after = end < last ? last - end : 0;
    mapping->begin = before ? mapping->begin : end;
    entry->size = before ? before : after;
    if (entry->size && agent.phase != AGENT_FINISHED)
        agent_account_birth(entry->stack, entry->size, entry->interval, entry->born);
}

static void forget(void *begin, size_t size) {
    if (!AGENT_READ(mapping_count) || !agent_enter())
        return;
    for (uint32_t i = 0; i < mapping_count; i++)
        if (mappings[i].entry.size)
            cut_mapping(&mappings[i], (uintptr_t)begin, (uintptr_t)begin + size);
    agent_leave();
}

void agent_mappings_clear(void) {
    forget(NULL, SIZE_MAX);
}

void agent_mappings_walk(void (*each)(const struct wire_block *entry)) {
    for (uint32_t i = 0; i < mapping_count; i++)
        if (mappings[i].entry.size)
            each(&mappings[i].entry);
}

static bool is_watched(void *address, int flags) {
    return agent.native && AGENT_READ(agent.phase) == AGENT_SAMPLING && !agent_thread.inside && !address &&
           flags & MAP_ANONYMOUS && !(flags & (MAP_FIXED | MAP_NORESERVE | MAP_STACK));
}

void *agent_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset) {
    void *mapped = (void *)syscall(SYS_mmap, address, size, protection, flags, file, offset);
    if (mapped != MAP_FAILED)
        forget(mapped, size); /* what lay there before went by a way that was not watched, or goes now */
    if (AGENT_LIKELY(!is_watched(address, flags)) || mapped == MAP_FAILED || !(protection & PROT_WRITE))
        return mapped;
    uint64_t interval;
    int known = errno;
    if (agent_draws_sample(size, &interval) && agent_enter()) {
        count_mapping(mapped, size, interval);
        agent_leave();
    }
    errno = known;
    return mapped;
}

void *agent_mmap64(void *address, size_t size, int protection, int flags, int file, off64_t offset) {
    return agent_mmap(address, size, protection, flags, file, offset);
}

/* Before the kernel: afterwards another thread may have the addresses. */
int agent_munmap(void *begin, size_t size) {
    forget(begin, size);
    return (int)syscall(SYS_munmap, begin, size);
}

void *agent_mremap(void *begin, size_t size, size_t new_size, int flags, ...) {
    va_list more;
    va_start(more, flags);
    void *to = flags & MREMAP_FIXED ? va_arg(more, void *) : NULL;
    va_end(more);
    void *moved = (void *)syscall(SYS_mremap, begin, size, new_size, flags, to);
    uint64_t interval;
    if (moved == MAP_FAILED || !AGENT_READ(mapping_count))
        return moved;
    forget(begin, size);
    if (is_watched(NULL, MAP_ANONYMOUS) && agent_draws_sample(new_size, &interval) && agent_enter()) {
        count_mapping(moved, new_size, interval);
        agent_leave();
    }
    return moved;
}

/* The names that a preloaded library takes over; slots lead to the others, which are ours in any case. */
#define VISIBLE_AS(name) __attribute__((alias(name), visibility("default")))
VISIBLE_AS("agent_mmap") void *mmap(void *address, size_t size, int protection, int flags, int file, off_t offset);
VISIBLE_AS("agent_mmap64") void *mmap64(void *address, size_t size, int protection, int flags, int file, off64_t offset);
VISIBLE_AS("agent_munmap") int munmap(void *begin, size_t size);
VISIBLE_AS("agent_mremap") void *mremap(void *begin, size_t size, size_t new_size, int flags, ...);
