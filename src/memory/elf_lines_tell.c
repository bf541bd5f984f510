/* Source lines of addresses by DWARF, by libdw: what runs in a child (elf_lines.h). */
#include "memory/elf_lines.h"

#include "base/vector.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MOST = 256 }; /* of blocks and inlined functions in each other */

struct wanted {
    uint64_t address;
    uint32_t index;
    bool told;
};

struct function {
    uint64_t begin, end;
    Dwarf_Die die;
};

struct telling {
    struct wanted *wanted; /* by address */
    size_t count;
    FILE *out;
    Dwarf_Die unit;          /* at hand */
    struct vector functions; /* of it; filled when the first is asked for */
    bool looked;
};

/* Where the compiler ran, which names of files that begin with no slash are relative to. */
static const char *folder_of(struct telling *telling) {
    Dwarf_Attribute attribute;
    const char *folder = dwarf_formstring(dwarf_attr(&telling->unit, DW_AT_comp_dir, &attribute));
    return folder ? folder : "";
}

static void tell(struct telling *telling, uint32_t index, const char *function, const char *file, uint32_t line) {
    struct elf_lines_answer answer = {.index = index, .line = line};
    char path[ELF_LINES_TEXT_MOST];
    const char *folder = file && *file != '/' ? folder_of(telling) : "";
    if (!file || !line)
        return;
    snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", file);
    answer.function_length = function ? (uint32_t)strnlen(function, ELF_LINES_TEXT_MOST) : 0;
    answer.file_length = (uint32_t)strlen(path);
    fwrite(&answer, 1, sizeof answer, telling->out);
    if (function)
        fwrite(function, 1, answer.function_length, telling->out);
    fwrite(path, 1, answer.file_length, telling->out);
}

/* --- the functions of a unit --- */

static bool may_hold_functions(int tag) {
    return tag == DW_TAG_namespace || tag == DW_TAG_structure_type || tag == DW_TAG_class_type ||
           tag == DW_TAG_union_type || tag == DW_TAG_module;
}

static void add_function(struct telling *telling, Dwarf_Die *die) {
    Dwarf_Addr base, begin, end;
    for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &begin, &end)) > 0;)
        *vector_push(&telling->functions, struct function) = (struct function){begin, end, *die};
}

static void find_functions(struct telling *telling) {
    struct vector open = {0};
    *vector_push(&open, Dwarf_Die) = telling->unit;
    while (open.count) {
        Dwarf_Die parent = vector_items(&open, Dwarf_Die)[--open.count], die;
        if (dwarf_child(&parent, &die) != 0)
            continue;
        do {
            int tag = dwarf_tag(&die);
            if (tag == DW_TAG_subprogram)
                add_function(telling, &die);
            else if (may_hold_functions(tag))
                *vector_push(&open, Dwarf_Die) = die;
        } while (dwarf_siblingof(&die, &die) == 0);
    }
    vector_deinit(&open);
    telling->looked = true;
}

static Dwarf_Die *function_of(struct telling *telling, uint64_t address) {
    if (!telling->looked)
        find_functions(telling);
    for (size_t i = 0; i < telling->functions.count; i++) {
        struct function *function = &vector_items(&telling->functions, struct function)[i];
        if (function->begin <= address && address < function->end)
            return &function->die;
    }
    return NULL;
}

static bool find_part(Dwarf_Die *parent, uint64_t address, Dwarf_Die *out) {
    Dwarf_Die die;
    if (dwarf_child(parent, &die) != 0)
        return false;
    do {
        int tag = dwarf_tag(&die);
        if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block) && dwarf_haspc(&die, address) > 0) {
            *out = die;
            return true;
        }
    } while (dwarf_siblingof(&die, &die) == 0);
    return false;
}

/* The functions that were inlined around the address, outermost first. */
static size_t find_inlined(struct telling *telling, uint64_t address, Dwarf_Die *out) {
    const Dwarf_Die *function = function_of(telling, address);
    size_t count = 0;
    if (!function)
        return 0;
    Dwarf_Die at = *function;
    for (int depth = 0; depth < DEPTH_MOST && find_part(&at, address, &at); depth++)
        if (dwarf_tag(&at) == DW_TAG_inlined_subroutine && count < ELF_LINES_MOST - 1)
            out[count++] = at;
    return count;
}

/* --- an address --- */

static uint32_t number_of(Dwarf_Die *die, unsigned name) {
    Dwarf_Attribute attribute;
    Dwarf_Word value;
    bool found = dwarf_attr(die, name, &attribute) && dwarf_formudata(&attribute, &value) == 0;
    return found && value <= INT32_MAX ? (uint32_t)value : 0;
}

static const char *call_file(struct telling *telling, Dwarf_Die *inlined) {
    Dwarf_Files *files;
    size_t count;
    uint32_t file = number_of(inlined, DW_AT_call_file);
    return dwarf_getsrcfiles(&telling->unit, &files, &count) == 0 && file < count ? dwarf_filesrc(files, file, NULL, NULL)
                                                                                 : NULL;
}

static void tell_address(struct telling *telling, const struct wanted *wanted) {
    Dwarf_Die inlined[ELF_LINES_MOST];
    Dwarf_Line *row = dwarf_getsrc_die(&telling->unit, wanted->address);
    int number;
    if (!row || dwarf_lineno(row, &number) != 0 || number <= 0)
        return;
    const char *file = dwarf_linesrc(row, NULL, NULL);
    uint32_t line = (uint32_t)number;
    for (size_t i = find_inlined(telling, wanted->address, inlined); i > 0; i--) {
        const char *function = dwarf_diename(&inlined[i - 1]);
        tell(telling, wanted->index, function ? function : "?", file, line);
        file = call_file(telling, &inlined[i - 1]);
        line = number_of(&inlined[i - 1], DW_AT_call_line);
    }
    tell(telling, wanted->index, NULL, file, line);
}

/* --- all --- */

static int by_address(const void *left, const void *right) {
    const struct wanted *a = left, *b = right;
    return (a->address > b->address) - (a->address < b->address);
}

static size_t first_from(const struct telling *telling, uint64_t address) {
    size_t low = 0, high = telling->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (telling->wanted[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void tell_unit(struct telling *telling) {
    Dwarf_Addr base, begin, end;
    telling->looked = false;
    telling->functions.count = 0;
    for (ptrdiff_t at = 0; (at = dwarf_ranges(&telling->unit, at, &base, &begin, &end)) > 0;)
        for (size_t i = first_from(telling, begin); i < telling->count && telling->wanted[i].address < end; i++)
            if (!telling->wanted[i].told) {
                telling->wanted[i].told = true;
                tell_address(telling, &telling->wanted[i]);
            }
}

static void tell_all(struct telling *telling, Dwarf *dwarf) {
    uint8_t type;
    for (Dwarf_CU *unit = NULL; dwarf_get_units(dwarf, unit, &unit, NULL, &type, &telling->unit, NULL) == 0;)
        if (dwarf_tag(&telling->unit) == DW_TAG_compile_unit || dwarf_tag(&telling->unit) == DW_TAG_skeleton_unit)
            tell_unit(telling);
}

void elf_lines_tell(int file, const uint64_t *addresses, size_t count, FILE *out) {
    struct telling telling = {.count = count, .out = out, .wanted = calloc(count + 1, sizeof(struct wanted))};
    Elf *elf = elf_version(EV_CURRENT) == EV_NONE ? NULL : elf_begin(file, ELF_C_READ_MMAP, NULL);
    Dwarf *dwarf = elf ? dwarf_begin_elf(elf, DWARF_C_READ, NULL) : NULL;
    for (size_t i = 0; telling.wanted && i < count; i++)
        telling.wanted[i] = (struct wanted){addresses[i], (uint32_t)i, false};
    if (telling.wanted && dwarf) {
        qsort(telling.wanted, count, sizeof *telling.wanted, by_address);
        tell_all(&telling, dwarf);
    }
    vector_deinit(&telling.functions);
    free(telling.wanted);
    dwarf_end(dwarf);
    elf_end(elf);
}
