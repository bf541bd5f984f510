/* Headers and notes of a core file, by libelf. No length in them is believed before it was checked. */
#include "memory/core_work.h"

#include <gelf.h>
#include <libelf.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>

enum { NOTES_MOST = 64 << 20 }; /* bytes of one segment of notes */

static const remote_address address_end = 1ull << (IMAGE_PAGE_BITS + IMAGE_LEAF_BITS + IMAGE_TOP_BITS);

static int compare_loads(const void *left, const void *right) {
    const struct core_load *a = left, *b = right;
    return a->begin < b->begin ? -1 : a->begin > b->begin;
}

static int compare_mappings(const void *left, const void *right) {
    const struct core_mapping *a = left, *b = right;
    return a->begin < b->begin ? -1 : a->begin > b->begin;
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Whole pages; what the last page of a load lacks in the core is zero, as in memory. */
static void add_load(struct core *core, const GElf_Phdr *header) {
    uint64_t skip = -header->p_vaddr & (CORE_PAGE - 1), end;
    if (__builtin_add_overflow(header->p_vaddr, header->p_memsz, &end) || end > address_end || skip >= header->p_memsz)
        return;
    uint64_t promised = least(header->p_filesz, header->p_memsz);
    struct core_load load = {
        .begin = header->p_vaddr + skip,
        .end = (end + CORE_PAGE - 1) & ~(uint64_t)(CORE_PAGE - 1),
        .promised = promised > skip ? promised - skip : 0,
        .flags = (header->p_flags & PF_R ? SEGMENT_READ : 0) | (header->p_flags & PF_W ? SEGMENT_WRITE : 0) |
                 (header->p_flags & PF_X ? SEGMENT_EXECUTE : 0),
    };
    if (!__builtin_add_overflow(header->p_offset, skip, &load.offset) && load.offset < core->size)
        load.present = least(load.promised, core->size - load.offset);
    core->bytes_of_loads += load.present;
    if (core->bytes_of_loads > core->size)
        load.present = 0; /* no two loads share bytes of a core that somebody wrote */
    if (load.present < load.promised)
        load.present &= ~(uint64_t)(CORE_PAGE - 1);
    *vector_push(&core->loads, struct core_load) = load;
}

static void count_missing(struct core *core) {
    for (size_t i = 0; i < core->loads.count; i++) {
        const struct core_load *load = &vector_items(&core->loads, struct core_load)[i];
        core->facts->bytes_promised += load->promised;
        core->facts->bytes_missing += load->promised - load->present;
    }
}

/* Of two loads that overlap the first counts. */
static void sort_loads(struct core *core) {
    struct core_load *loads = core->loads.items;
    size_t kept = 0;
    if (core->loads.count)
        qsort(loads, core->loads.count, sizeof *loads, compare_loads);
    for (size_t i = 0; i < core->loads.count; i++)
        if (!kept || loads[i].begin >= loads[kept - 1].end)
            loads[kept++] = loads[i];
    core->loads.count = kept;
}

static void sort_mappings(struct core *core) {
    struct core_mapping *mappings = core->mappings.items;
    size_t kept = 0;
    if (core->mappings.count)
        qsort(mappings, core->mappings.count, sizeof *mappings, compare_mappings);
    for (size_t i = 0; i < core->mappings.count; i++)
        if (!kept || mappings[i].begin >= mappings[kept - 1].end)
            mappings[kept++] = mappings[i];
    core->mappings.count = kept;
    core->facts->mappings = (uint32_t)kept;
}

static void read_notes(struct core *core, Elf *elf, const GElf_Phdr *header) {
    if (header->p_offset >= core->size || header->p_filesz == 0 || header->p_offset > INT64_MAX)
        return;
    uint64_t size = least(least(header->p_filesz, core->size - header->p_offset), NOTES_MOST);
    Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)header->p_offset, size, ELF_T_NHDR);
    size_t at = 0, name_at, bytes_at;
    GElf_Nhdr note;
    while (data && (at = gelf_getnote(data, at, &note, &name_at, &bytes_at)) > 0) {
        const unsigned char *all = data->d_buf;
        if (name_at > size || note.n_namesz > size - name_at || bytes_at > size || note.n_descsz > size - bytes_at)
            break;
        if (note.n_namesz == sizeof "CORE" && memcmp(all + name_at, "CORE", sizeof "CORE") == 0)
            core_take_note(core, note.n_type, all + bytes_at, note.n_descsz);
    }
}

static struct error *check_header(const struct core *core, Elf *elf) {
    GElf_Ehdr header;
    if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header) || header.e_type != ET_CORE)
        return error_create(STATUS_BAD_FILE, "%s is not a core file%s", core->path,
                            core->size ? "" : ": it is empty");
    if (gelf_getclass(elf) != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != EM_X86_64)
        return error_create(STATUS_BAD_FILE, "%s is a core of another architecture; caulk reads those of x86-64",
                            core->path);
    return NULL;
}

static struct error *read_program_headers(struct core *core, Elf *elf) {
    size_t count = 0;
    TRY(check_header(core, elf));
    if (elf_getphdrnum(elf, &count) != 0 || count > INT_MAX)
        count = 0;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(elf, (int)i, &header))
            continue;
        if (header.p_type == PT_LOAD)
            add_load(core, &header);
        else if (header.p_type == PT_NOTE)
            read_notes(core, elf, &header);
    }
    if (!core->loads.count)
        return error_create(STATUS_BAD_FILE, "%s has no memory in it: it is truncated or damaged", core->path);
    return NULL;
}

struct error *core_read_headers(struct core *core) {
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(core->descriptor, ELF_C_READ, NULL);
    struct error *error = read_program_headers(core, elf);
    elf_end(elf);
    sort_loads(core);
    sort_mappings(core);
    count_missing(core);
    return error;
}

size_t core_read_memory(const struct core *core, remote_address address, size_t size, void *out) {
    const struct core_load *loads = core->loads.items;
    size_t low = 0, high = core->loads.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (address < loads[middle].begin)
            high = middle;
        else if (address >= loads[middle].end)
            low = middle + 1;
        else {
            uint64_t within = address - loads[middle].begin;
            uint64_t left = loads[middle].present > within ? loads[middle].present - within : 0;
            return core_read_file(core->descriptor, loads[middle].offset + within, least(size, left), out);
        }
    }
    return 0;
}
