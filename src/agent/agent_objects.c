/* What code is loaded, from /proc/self/maps: where it lies, where its tables are, what it is called. */
#include "agent/agent_native.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { OBJECTS = 1024, HEADERS = 32, NOTES = 1024, LINE = 4096 + 128, PAGE = 4096, BUILD_ID_MOST = 32 };

/* Nanoseconds. Looks may take a hundredth of the time, and so much at once: a program that starts loads one library
 * after the other. What took another's place unseen is seen after a while. */
#define LOOKS_SHARE 100
#define LOOKS_AT_ONCE 200000000
#define LOOK_AGAIN 10000000000u

struct line {
    uintptr_t begin, end;
    uint64_t offset, device, inode;
    bool runs;
    const char *path;
};

struct base {
    uintptr_t begin;
    uint64_t device, inode;
};

static struct {
    struct agent_object *objects, *fresh;
    size_t count, fresh_count;
    struct base last;       /* the last mapping of a file's first byte */
    uintptr_t wanted;       /* an address in the mapping that is asked for */
    struct line found;      /* but for its path */
    bool found_is_stack;
    uint64_t looked;
    int64_t credit; /* for looks, nanoseconds */
    uint64_t credited;
    uint32_t changes;
} loaded;

/* ---- the list of mappings -------------------------------------------------------------------------------- */

static uint64_t read_hex(const char **text) {
    uint64_t number = 0;
    for (;; (*text)++) {
        char c = **text;
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
        if (digit == 16)
            return number;
        number = number << 4 | digit;
    }
}

static uint64_t read_decimal(const char **text) {
    uint64_t number = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++)
        number = number * 10 + (uint64_t)(**text - '0');
    return number;
}

static void skip(const char **text, size_t count) {
    for (; count && **text; count--)
        ++*text;
}

/* "7f0000001000-7f0000002000 r-xp 00001000 08:01 1234    /usr/lib/libx.so" */
static struct line read_line(const char *text) {
    struct line line;
    line.begin = read_hex(&text);
    skip(&text, 1);
    line.end = read_hex(&text);
    skip(&text, 1);
    line.runs = strlen(text) > 4 && text[0] == 'r' && text[2] == 'x';
    skip(&text, 5);
    line.offset = read_hex(&text);
    skip(&text, 1);
    line.device = read_hex(&text) << 32;
    skip(&text, 1);
    line.device |= read_hex(&text);
    skip(&text, 1);
    line.inode = read_decimal(&text);
    line.path = text + strspn(text, " ");
    return line;
}

/* Calls `each` for every mapping. Lines that are too long are cut. */
static void read_mappings(void (*each)(const struct line *line)) {
    static char text[2 * LINE];
    int known = errno, file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    for (;;) {
        ssize_t got = file >= 0 ? read(file, text + length, sizeof text - 1 - length) : 0;
        length += got > 0 ? (size_t)got : 0;
        if (got <= 0 && !length)
            break;
        text[length] = 0;
        char *end = memchr(text, '\n', length);
        if (!end && got > 0 && length < sizeof text - 1)
            continue;
        char *begin = text;
        for (; end; begin = end + 1, end = memchr(begin, '\n', length - (size_t)(begin - text))) {
            *end = 0;
            struct line line = read_line(begin);
            each(&line);
        }
        length = begin == text ? 0 : length - (size_t)(begin - text);
        memmove(text, begin, length);
    }
    if (file >= 0)
        close(file);
    errno = known;
}

static void note_line(const struct line *line) {
    if (line->inode && !line->offset)
        loaded.last = (struct base){line->begin, line->device, line->inode};
    if (!line->runs || loaded.fresh_count == OBJECTS)
        return;
    bool has_base = line->inode && line->inode == loaded.last.inode && line->device == loaded.last.device;
    bool is_kernels = !line->inode && line->path[0] == '[';
    loaded.fresh[loaded.fresh_count++] = (struct agent_object){
        .begin = line->begin,
        .end = line->end,
        .base = has_base ? loaded.last.begin : is_kernels ? line->begin : 0,
        .inode = line->inode ^ line->device,
        .code = UINT32_MAX,
    };
}

static bool is_same(const struct agent_object *a, const struct agent_object *b) {
    return a->begin == b->begin && a->end == b->end && a->base == b->base && a->inode == b->inode;
}

static bool has_changed(void) {
    if (loaded.count != loaded.fresh_count)
        return true;
    for (size_t i = 0; i < loaded.count; i++)
        if (!is_same(&loaded.objects[i], &loaded.fresh[i]))
            return true;
    return false;
}

static uint64_t clock_of(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static bool may_look(void) {
    uint64_t now = clock_of(CLOCK_MONOTONIC);
    loaded.credit = loaded.credited ? loaded.credit + (int64_t)((now - loaded.credited) / LOOKS_SHARE) : LOOKS_AT_ONCE;
    loaded.credit = loaded.credit < LOOKS_AT_ONCE ? loaded.credit : LOOKS_AT_ONCE;
    loaded.credited = now;
    return loaded.credit > 0;
}

static void read_mappings_paid(void (*each)(const struct line *line)) {
    uint64_t begin = clock_of(CLOCK_THREAD_CPUTIME_ID);
    read_mappings(each);
    loaded.credit -= (int64_t)(clock_of(CLOCK_THREAD_CPUTIME_ID) - begin);
}

static void look(void) {
    if (!loaded.objects) {
        struct agent_object *pages = agent_pages(2 * OBJECTS * sizeof *pages);
        if (!pages)
            return;
        loaded.objects = pages;
        loaded.fresh = pages + OBJECTS;
    }
    loaded.fresh_count = 0;
    loaded.last = (struct base){0};
    read_mappings_paid(note_line);
    if (has_changed()) {
        struct agent_object *old = loaded.objects;
        loaded.objects = loaded.fresh;
        loaded.fresh = old;
        loaded.count = loaded.fresh_count;
        loaded.changes++;
    }
    loaded.looked = clock_of(CLOCK_MONOTONIC_COARSE);
}

void agent_objects_refresh(void) {
    if (!loaded.looked || clock_of(CLOCK_MONOTONIC_COARSE) - loaded.looked > LOOK_AGAIN)
        look();
}

uint32_t agent_objects_changes(void) {
    return loaded.changes;
}

static void note_wanted(const struct line *line) {
    if (loaded.wanted < line->begin || loaded.wanted >= line->end)
        return;
    loaded.found = *line;
    loaded.found_is_stack = strcmp(line->path, "[stack]") == 0;
}

bool agent_mapping_find(uintptr_t address, uintptr_t *begin_out, uintptr_t *end_out, bool *is_stack_out) {
    if (!may_look())
        return false;
    loaded.wanted = address;
    loaded.found.end = 0;
    read_mappings_paid(note_wanted);
    *begin_out = loaded.found.begin;
    *end_out = loaded.found.end;
    *is_stack_out = loaded.found_is_stack;
    return loaded.found.end;
}

/* ---- one object ------------------------------------------------------------------------------------------ */

static size_t read_headers(const struct agent_object *object, Elf64_Phdr *headers) {
    Elf64_Ehdr head;
    if (!object->base || !agent_memory_read(object->base, &head, sizeof head) || memcmp(head.e_ident, ELFMAG, SELFMAG) ||
        head.e_phentsize != sizeof *headers || head.e_phnum > HEADERS)
        return 0;
    return agent_memory_read(object->base + head.e_phoff, headers, head.e_phnum * sizeof *headers) ? head.e_phnum : 0;
}

static void look_up(struct agent_object *object) {
    Elf64_Phdr headers[HEADERS];
    size_t count = read_headers(object, headers);
    object->looked = true;
    for (size_t i = count; i-- > 0;)
        if (headers[i].p_type == PT_LOAD && !(headers[i].p_offset & ~(uint64_t)(PAGE - 1)))
            object->bias = object->base - (headers[i].p_vaddr & ~(uint64_t)(PAGE - 1));
    for (size_t i = 0; i < count; i++)
        if (headers[i].p_type == PT_GNU_EH_FRAME) {
            object->table = object->bias + headers[i].p_vaddr;
            object->table_size = (uint32_t)headers[i].p_memsz;
        }
}

static struct agent_object *find_known(uintptr_t address) {
    size_t low = 0, high = loaded.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (loaded.objects[middle].begin <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low && address < loaded.objects[low - 1].end ? &loaded.objects[low - 1] : NULL;
}

struct agent_object *agent_object_find(uintptr_t address) {
    struct agent_object *object = find_known(address);
    if (!object && may_look()) {
        look();
        object = find_known(address);
    }
    if (object && !object->looked)
        look_up(object);
    return object;
}

/* ---- its name -------------------------------------------------------------------------------------------- */

/* Names of notes and what they hold are padded to four bytes (elf(5)). */
static size_t find_build_id(const unsigned char *notes, size_t length, unsigned char *out) {
    for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= length;) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof note);
        size_t name = at + sizeof note, data = name + ((note.n_namesz + (size_t)3) & ~(size_t)3);
        if (note.n_namesz > length || note.n_descsz > length || data + note.n_descsz > length)
            return 0;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && !memcmp(notes + name, "GNU", 4)) {
            size_t size = note.n_descsz < BUILD_ID_MOST ? note.n_descsz : BUILD_ID_MOST;
            memcpy(out, notes + data, size);
            return size;
        }
        at = data + ((note.n_descsz + (size_t)3) & ~(size_t)3);
    }
    return 0;
}

static void read_build_id(const struct agent_object *object, char *out) {
    static const char digits[] = "0123456789abcdef";
    Elf64_Phdr headers[HEADERS];
    unsigned char notes[NOTES], id[BUILD_ID_MOST];
    size_t count = read_headers(object, headers), length = 0;
    for (size_t i = 0; i < count && !length; i++) {
        size_t size = headers[i].p_memsz < NOTES ? headers[i].p_memsz : NOTES;
        if (headers[i].p_type == PT_NOTE && agent_memory_read(object->bias + headers[i].p_vaddr, notes, size))
            length = find_build_id(notes, size, id);
    }
    for (size_t i = 0; i < length; i++) {
        *out++ = digits[id[i] >> 4];
        *out++ = digits[id[i] & 15];
    }
    *out = 0;
}

static void name_object(const struct line *line) {
    if (line->begin != loaded.wanted || !line->runs)
        return;
    struct agent_object *object = find_known(line->begin);
    char build_id[2 * BUILD_ID_MOST + 1];
    read_build_id(object, build_id);
    object->code = agent_code_module(line->path[0] ? line->path : "[code without a file]", build_id);
}

uint32_t agent_object_code(struct agent_object *object) {
    if (object->code == UINT32_MAX) {
        loaded.wanted = object->begin;
        read_mappings(name_object);
    }
    return object->code;
}
