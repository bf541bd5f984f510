/* Finds the slots of loaded libraries, and changes them. */
#include "agent/agent_slots.h"
#include "agent/agent_elf.h"
#include "agent/agent_work.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#if defined(__x86_64__)
enum { JUMP_SLOT = R_X86_64_JUMP_SLOT, GLOBAL_DATA = R_X86_64_GLOB_DAT };
#elif defined(__aarch64__)
enum { JUMP_SLOT = R_AARCH64_JUMP_SLOT, GLOBAL_DATA = R_AARCH64_GLOB_DAT };
#else
enum { JUMP_SLOT = -1, GLOBAL_DATA = -1 };
#endif

enum { TRIES = 100 };

static struct {
    const struct agent_slot_rule *rules;
    size_t count;
    bool ours;              /* what is wanted */
    uint32_t busy;          /* slots are being changed */
    bool held_by_fork;
    uint64_t loads;         /* the loader's count of libraries, when slots were last set */
    uint64_t rounds;
} slots;

/* How a library's lookups of an allocator's functions went so far. */
struct lookups {
    unsigned real, others;
};

struct scan {
    bool has_other_allocator; /* besides libc and the one that is used */
    uint64_t loads;
};

/* ---- one slot ----------------------------------------------------------------------------------------------- */

static const struct agent_slot_rule *find_rule(const char *name) {
    for (size_t i = 0; i < slots.count; i++)
        if (name[0] == slots.rules[i].name[0] && slots.rules[i].real && strcmp(name, slots.rules[i].name) == 0)
            return &slots.rules[i];
    return NULL;
}

/* Whether its page can be written now. Kernels before 5.14 do not know, and say no. */
static bool is_writable(uintptr_t *slot) {
    uintptr_t page = getauxval(AT_PAGESZ);
    return madvise((void *)((uintptr_t)slot & ~(page - 1)), page, MADV_POPULATE_WRITE) == 0;
}

static bool make_writable(struct agent_elf *object, uintptr_t *slot) {
    uintptr_t address = (uintptr_t)slot;
    if (address < object->relro_begin || address >= object->relro_end || object->opened)
        return true;
    if (is_writable(slot))
        return true;
    object->opened = mprotect((void *)object->relro_begin, object->relro_end - object->relro_begin,
                              PROT_READ | PROT_WRITE) == 0;
    return object->opened;
}

static void close_again(struct agent_elf *object) {
    if (object->opened)
        mprotect((void *)object->relro_begin, object->relro_end - object->relro_begin, PROT_READ);
    object->opened = false;
}

/* Another thread's first call may give the slot its address at the same moment: then it stays. */
static void change(struct agent_elf *object, uintptr_t *slot, uintptr_t from, uintptr_t to) {
    if (make_writable(object, slot))
        __atomic_compare_exchange_n(slot, &from, to, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

/* ---- one library -------------------------------------------------------------------------------------------- */

typedef void slot_action(struct agent_elf *object, uintptr_t *slot, const struct agent_slot_rule *rule, void *context);

static void each_slot(struct agent_elf *object, slot_action *action, void *context) {
    for (int table = 0; table < AGENT_ELF_TABLES; table++)
        for (size_t i = 0; i < object->tables[table].count; i++) {
            const ElfW(Rela) *relocation = &object->tables[table].entries[i];
            int type = (int)ELF64_R_TYPE(relocation->r_info);
            if (type != JUMP_SLOT && type != GLOBAL_DATA)
                continue;
            const ElfW(Sym) *symbol = &object->symbols[ELF64_R_SYM(relocation->r_info)];
            const struct agent_slot_rule *rule = find_rule(object->names + symbol->st_name);
            uintptr_t address = object->base + relocation->r_offset;
            if (rule && symbol->st_shndx == SHN_UNDEF && address % sizeof(uintptr_t) == 0 &&
                agent_elf_may_write(object, address))
                action(object, (uintptr_t *)address, rule, context);
        }
}

/* The loader has not been asked for this one yet: it leads back into the library's own table of calls. */
static bool is_unused(const struct agent_elf *object, uintptr_t value) {
    return value >= object->begin && value < object->end;
}

static void note_lookup(struct agent_elf *object, uintptr_t *slot, const struct agent_slot_rule *rule, void *context) {
    struct lookups *lookups = context;
    uintptr_t value = __atomic_load_n(slot, __ATOMIC_RELAXED);
    if (!rule->allocates || is_unused(object, value))
        return;
    lookups->real += value == rule->real || value == rule->ours;
    lookups->others += value != rule->real && value != rule->ours;
}

static void take_over(struct agent_elf *object, uintptr_t *slot, const struct agent_slot_rule *rule, void *context) {
    const bool *lookup_is_certain = context;
    uintptr_t value = __atomic_load_n(slot, __ATOMIC_RELAXED);
    if (value == rule->real || (*lookup_is_certain && is_unused(object, value)))
        change(object, slot, value, rule->ours);
}

static void give_back(struct agent_elf *object, uintptr_t *slot, const struct agent_slot_rule *rule, void *context) {
    (void)context;
    if (__atomic_load_n(slot, __ATOMIC_RELAXED) == rule->ours)
        change(object, slot, rule->ours, rule->real);
}

/* The agent, libc, and who has an allocator of its own: what it asks for itself is in its blocks. */
static bool is_left_alone(const struct agent_elf *object) {
    return agent_elf_holds(object, (uintptr_t)&slots) || agent_elf_find(object, "malloc") || agent_elf_is_libc(object);
}

static int set_object(struct dl_phdr_info *info, size_t size, void *context) {
    struct scan *scan = context;
    struct agent_elf object;
    struct lookups lookups = {0};
    (void)size;
    scan->loads = info->dlpi_adds;
    if (!agent_elf_read(info, &object) || is_left_alone(&object))
        return 0;
    if (slots.ours) {
        each_slot(&object, note_lookup, &lookups);
        bool certain = !scan->has_other_allocator || (lookups.real && !lookups.others);
        each_slot(&object, take_over, &certain);
    } else {
        each_slot(&object, give_back, NULL);
    }
    close_again(&object);
    return 0;
}

static int look_for_allocator(struct dl_phdr_info *info, size_t size, void *context) {
    struct scan *scan = context;
    struct agent_elf object;
    (void)size;
    if (agent_elf_read(info, &object) && !agent_elf_holds(&object, (uintptr_t)&slots) &&
        !agent_elf_is_libc(&object) && agent_elf_find(&object, "malloc"))
        scan->has_other_allocator = true;
    return 0;
}

/* ---- all of them -------------------------------------------------------------------------------------------- */

static void set_all(void) {
    struct scan scan = {0};
    if (__atomic_exchange_n(&slots.busy, 1, __ATOMIC_SEQ_CST)) /* who forks may need the loader's lock: no waiting */
        return;
    dl_iterate_phdr(look_for_allocator, &scan);
    dl_iterate_phdr(set_object, &scan);
    AGENT_WRITE(slots.loads, scan.loads);
    slots.rounds++;
    __atomic_store_n(&slots.busy, 0, __ATOMIC_RELEASE);
}

static void nothing(void) {
}

/* dlsym calls the resolver of a function like this while it holds the loader's lock, on every lookup: no library is
 * loaded, closed or half relocated as long as the resolver runs. Nothing else gives that lock to a program. */
__attribute__((used)) static void (*with_loader_locked(void))(void) {
    set_all();
    return nothing;
}

__attribute__((visibility("default"), ifunc("with_loader_locked"))) void caulk_agent_loader_locked(void);

static bool set_with_loader_locked(void) {
    uint32_t inside = agent_thread.inside;
    uint64_t before = slots.rounds;
    agent_thread.inside = 1;
    dlsym(RTLD_DEFAULT, "caulk_agent_loader_locked");
    agent_thread.inside = inside;
    return slots.rounds != before;
}

int agent_slots_set(const struct agent_slot_rule *rules, size_t count, bool ours) {
    slots.rules = rules;
    slots.count = count;
    AGENT_WRITE(slots.ours, ours);
    bool done = set_with_loader_locked();
    for (int again = 0; !done && again < TRIES; again++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        done = set_with_loader_locked();
    }
    return done ? 0 : ENOTSUP;
}

static int read_loads(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    *(uint64_t *)context = info->dlpi_adds;
    return 1;
}

void agent_slots_look(void) {
    uint64_t loads;
    int known = errno;
    if (!AGENT_READ(slots.ours) || AGENT_READ(slots.held_by_fork) || agent_thread.inside)
        return;
    dl_iterate_phdr(read_loads, &loads);
    if (loads != AGENT_READ(slots.loads))
        set_with_loader_locked();
    errno = known;
}

/* ---- where functions are ------------------------------------------------------------------------------------ */

struct search {
    const char *name;
    uintptr_t address; /* in: the lookup's answer; out: where the function is */
    uintptr_t first;   /* the first library that has it */
    bool is_there, is_libc;
};

static int search_one(struct dl_phdr_info *info, size_t size, void *context) {
    struct search *search = context;
    struct agent_elf object;
    (void)size;
    if (!agent_elf_read(info, &object) || agent_elf_holds(&object, (uintptr_t)&slots))
        return 0;
    uintptr_t found = agent_elf_find(&object, search->name);
    search->first = search->first ? search->first : found;
    if (agent_elf_holds(&object, search->address)) {
        search->is_there = found;
        search->is_libc = agent_elf_is_libc(&object);
    }
    return 0;
}

uintptr_t agent_slots_find(const char *name, bool *is_libc_out) {
    struct search search = {.name = name, .address = (uintptr_t)dlsym(RTLD_DEFAULT, name)};
    dl_iterate_phdr(search_one, &search);
    if (search.address && !search.is_there) {
        search.address = search.first;
        dl_iterate_phdr(search_one, &search);
    }
    *is_libc_out = search.is_libc;
    return search.address;
}

/* ---- fork --------------------------------------------------------------------------------------------------- */

/* Who forks inside of a scan (a signal handler) goes on with it in the child. */
void agent_slots_before_fork(void) {
    if (agent_thread.inside)
        return;
    while (__atomic_exchange_n(&slots.busy, 1, __ATOMIC_SEQ_CST))
        sched_yield();
    AGENT_WRITE(slots.held_by_fork, true);
}

void agent_slots_after_fork(void) {
    if (!slots.held_by_fork)
        return;
    AGENT_WRITE(slots.held_by_fork, false);
    __atomic_store_n(&slots.busy, 0, __ATOMIC_RELEASE);
}
