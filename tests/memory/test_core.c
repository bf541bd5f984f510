/* Core files that are put together here, byte by byte: what the image has, what it must not have, and what
 * damaged ones do. */
#include "memory/core.h"
#include "memory/elf_file.h"
#include "support/check.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum {
    PAGE = 4096,
    LIBRARY_PAGES = 5, /* header, code, constants, constants, data */
    HEAP_PAGES = 600,
    HEAP_HOLE_FIRST = 100, /* pages of the heap that are zero, enough to be left out */
    HEAP_HOLE_LAST = 400,
    LOADS = 8,
    CORE_CAPACITY = 4 << 20,
};

#define LIBRARY_AT 0x7f0000000000ull
#define HEAP_AT 0x10000000ull
#define UNDUMPED_AT 0x20000000ull
#define STACK_AT 0x7ffff0000000ull
#define HIGH_AT 0xffffffffff600000ull

/* One of these lives for the whole run. */
struct world {
    char folder[64], library[96], core[96];
    unsigned char bytes[CORE_CAPACITY];
    size_t size;
    size_t heap_offset, library_data_offset, notes_offset, notes_size;
};

static unsigned char pattern(size_t page, size_t at) {
    return (unsigned char)(page * 31 + at * 7 + 1);
}

static void write_file(const char *path, const void *bytes, size_t size) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(file >= 0 && write(file, bytes, size) == (ssize_t)size);
    close(file);
}

static void fill_pages(unsigned char *to, size_t first, size_t count) {
    for (size_t i = 0; i < count * PAGE; i++)
        to[i] = pattern(first + i / PAGE, i % PAGE);
}

/* A shared library of four loads and a build-id; `id` is every byte of it, 0 for none. */
static void make_library(unsigned char *bytes, unsigned char id) {
    fill_pages(bytes, 1000, LIBRARY_PAGES);
    memset(bytes, 0, 1024);
    Elf64_Ehdr header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                         .e_type = ET_DYN, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
                         .e_phoff = sizeof header, .e_ehsize = sizeof header,
                         .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = id ? 5 : 4};
    Elf64_Phdr programs[5] = {
        {PT_LOAD, PF_R, 0, 0, 0, PAGE, PAGE, PAGE},
        {PT_LOAD, PF_R | PF_X, PAGE, PAGE, PAGE, PAGE, PAGE, PAGE},
        {PT_LOAD, PF_R, 2 * PAGE, 2 * PAGE, 2 * PAGE, 2 * PAGE, 2 * PAGE, PAGE},
        {PT_LOAD, PF_R | PF_W, 4 * PAGE, 4 * PAGE, 4 * PAGE, PAGE, PAGE, PAGE},
        {PT_NOTE, PF_R, 512, 512, 512, 36, 36, 4},
    };
    Elf64_Nhdr note = {4, 20, NT_GNU_BUILD_ID};
    memcpy(bytes, &header, sizeof header);
    memcpy(bytes + sizeof header, programs, sizeof programs);
    memcpy(bytes + 512, &note, sizeof note);
    memcpy(bytes + 512 + 12, "GNU", 4);
    memset(bytes + 512 + 16, id, 20);
}

static size_t add_note(unsigned char *to, uint32_t kind, const void *bytes, size_t size) {
    Elf64_Nhdr note = {5, (uint32_t)size, kind};
    memcpy(to, &note, sizeof note);
    memcpy(to + 12, "CORE\0\0\0", 8);
    memcpy(to + 20, bytes, size);
    return 20 + ((size + 3) & ~(size_t)3);
}

static size_t add_process_notes(unsigned char *to) {
    struct elf_prstatus status = {.pr_pid = 4242};
    struct elf_prpsinfo process = {.pr_pid = 4121, .pr_fname = "python3", .pr_psargs = "python3 -m shop "};
    size_t size = add_note(to, NT_PRPSINFO, &process, sizeof process);
    return size + add_note(to + size, NT_PRSTATUS, &status, sizeof status);
}

static const uint64_t auxiliary[] = {AT_PHDR, LIBRARY_AT + 64, AT_ENTRY, LIBRARY_AT + PAGE, AT_RANDOM, STACK_AT + 2000, 0, 0};

static size_t add_file_note(unsigned char *to, const char *library) {
    uint64_t words[2 + 4 * 3] = {4, PAGE,
                                 LIBRARY_AT, LIBRARY_AT + PAGE, 0,
                                 LIBRARY_AT + PAGE, LIBRARY_AT + 2 * PAGE, 1,
                                 LIBRARY_AT + 2 * PAGE, LIBRARY_AT + 4 * PAGE, 2,
                                 LIBRARY_AT + 4 * PAGE, LIBRARY_AT + 5 * PAGE, 4};
    unsigned char note[1024];
    size_t size = sizeof words;
    memcpy(note, words, sizeof words);
    for (int i = 0; i < 4; i++) {
        memcpy(note + size, library, strlen(library) + 1);
        size += strlen(library) + 1;
    }
    return add_note(to, NT_FILE, note, size);
}

/* argc, argv, NULL, environment, NULL, the auxiliary vector, and the words themselves. */
static void fill_stack(unsigned char *stack) {
    uint64_t words[] = {3, STACK_AT + 3000, STACK_AT + 3010, STACK_AT + 3020, 0, STACK_AT + 3100, 0};
    memset(stack, 0, PAGE);
    memcpy(stack + 800, words, sizeof words);
    memcpy(stack + 800 + sizeof words, auxiliary, sizeof auxiliary);
    memcpy(stack + 3000, "python3", 8);
    memcpy(stack + 3010, "-m", 3);
    memcpy(stack + 3020, "shop of things", 15);
    memcpy(stack + 3100, "HOME=/root", 11);
}

static void add_load(struct world *world, size_t number, uint32_t flags, uint64_t address, size_t memory_size,
                     size_t file_size) {
    Elf64_Phdr program = {PT_LOAD, flags, world->size, address, 0, file_size, memory_size, PAGE};
    memcpy(world->bytes + sizeof(Elf64_Ehdr) + number * sizeof program, &program, sizeof program);
    world->size += file_size;
}

static void make_core(struct world *world, unsigned char mapped_id) {
    static unsigned char library[LIBRARY_PAGES * PAGE];
    Elf64_Ehdr header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                         .e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
                         .e_phoff = sizeof header, .e_ehsize = sizeof header,
                         .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = LOADS + 1};
    memset(world->bytes, 0, sizeof world->bytes);
    memcpy(world->bytes, &header, sizeof header);
    size_t at = world->notes_offset = sizeof header + (LOADS + 1) * sizeof(Elf64_Phdr);
    at += add_process_notes(world->bytes + at);
    at += add_note(world->bytes + at, NT_AUXV, auxiliary, sizeof auxiliary);
    at += add_file_note(world->bytes + at, world->library);
    world->notes_size = at - world->notes_offset;
    Elf64_Phdr notes = {PT_NOTE, 0, world->notes_offset, 0, 0, world->notes_size, 0, 4};
    memcpy(world->bytes + sizeof header, &notes, sizeof notes);
    world->size = (at + PAGE - 1) & ~(size_t)(PAGE - 1);
    make_library(library, mapped_id);
    world->heap_offset = world->size;
    add_load(world, 1, PF_R | PF_W, HEAP_AT, HEAP_PAGES * PAGE, HEAP_PAGES * PAGE);
    fill_pages(world->bytes + world->heap_offset, 0, HEAP_HOLE_FIRST);
    fill_pages(world->bytes + world->heap_offset + HEAP_HOLE_LAST * PAGE, HEAP_HOLE_LAST, HEAP_PAGES - HEAP_HOLE_LAST);
    add_load(world, 2, PF_R | PF_W, UNDUMPED_AT, 2 * PAGE, 0);
    memcpy(world->bytes + world->size, library, PAGE);
    add_load(world, 3, PF_R, LIBRARY_AT, PAGE, PAGE);
    add_load(world, 4, PF_R | PF_X, LIBRARY_AT + PAGE, PAGE, 0);
    add_load(world, 5, PF_R, LIBRARY_AT + 2 * PAGE, 2 * PAGE, 0);
    world->library_data_offset = world->size;
    fill_pages(world->bytes + world->size, 2000, 1);
    add_load(world, 6, PF_R | PF_W, LIBRARY_AT + 4 * PAGE, PAGE, PAGE);
    fill_stack(world->bytes + world->size);
    add_load(world, 7, PF_R | PF_W, STACK_AT, PAGE, PAGE);
    add_load(world, 8, PF_X, HIGH_AT, PAGE, PAGE);
}

/* The library on disk has build-id `disk_id`, the one that the core has mapped `mapped_id`. */
static struct world *open_world(unsigned char mapped_id, unsigned char disk_id) {
    static unsigned char library[LIBRARY_PAGES * PAGE];
    struct world *world = calloc(1, sizeof *world);
    strcpy(world->folder, "/tmp/caulk-core-XXXXXX");
    CHECK(mkdtemp(world->folder) != NULL);
    snprintf(world->library, sizeof world->library, "%s/library.so", world->folder);
    snprintf(world->core, sizeof world->core, "%s/core", world->folder);
    make_library(library, disk_id);
    write_file(world->library, library, sizeof library);
    make_core(world, mapped_id);
    write_file(world->core, world->bytes, world->size);
    return world;
}

static void close_world(struct world *world) {
    unlink(world->library);
    unlink(world->core);
    rmdir(world->folder);
    free(world);
}

static struct image *open_image(const struct world *world, struct core_facts *facts) {
    struct image *image = NULL;
    struct error *error = core_open(world->core, &image, facts);
    if (error)
        fprintf(stderr, "%s\n", error->message);
    CHECK(!error);
    error_discard(error);
    return image;
}

/* Whether the page at `address` reads as page `number` of the pattern. */
static bool page_is(const struct image *image, remote_address address, size_t number) {
    unsigned char page[PAGE];
    if (!memory_read(&image->memory, address, PAGE, page))
        return false;
    for (size_t i = 0; i < PAGE; i++)
        if (page[i] != pattern(number, i))
            return false;
    return true;
}

static bool is_fault(const struct image *image, remote_address address) {
    unsigned char byte;
    return !memory_read(&image->memory, address, 1, &byte);
}

TEST(an_image_has_what_the_core_has) {
    struct world *world = open_world(7, 7);
    struct core_facts facts;
    struct image *image = open_image(world, &facts);
    for (size_t page = 0; page < HEAP_PAGES; page++)
        if (page < HEAP_HOLE_FIRST || page >= HEAP_HOLE_LAST)
            CHECK(page_is(image, HEAP_AT + page * PAGE, page));
    CHECK(page_is(image, LIBRARY_AT + 4 * PAGE, 2000)); /* as the process had it, not as the file has it */
    CHECK(is_fault(image, UNDUMPED_AT));
    CHECK(is_fault(image, HEAP_AT - 1));
    CHECK(is_fault(image, HEAP_AT + HEAP_PAGES * PAGE));
    CHECK(is_fault(image, HIGH_AT));
    CHECK_EQUAL(facts.bytes_missing, 0);
    CHECK_EQUAL(facts.remark_count, 0);
    memory_close(&image->memory);
    close_world(world);
}

TEST(an_image_has_the_segments_of_the_process) {
    static const struct {
        remote_address begin, end;
        uint32_t flags;
        uint64_t file_offset;
    } expected[] = {
        {HEAP_AT, HEAP_AT + HEAP_PAGES * PAGE, SEGMENT_READ | SEGMENT_WRITE, 0},
        {UNDUMPED_AT, UNDUMPED_AT + 2 * PAGE, SEGMENT_READ | SEGMENT_WRITE, 0},
        {LIBRARY_AT, LIBRARY_AT + PAGE, SEGMENT_READ | SEGMENT_FILE, 0},
        {LIBRARY_AT + PAGE, LIBRARY_AT + 2 * PAGE, SEGMENT_READ | SEGMENT_EXECUTE | SEGMENT_FILE, PAGE},
        {LIBRARY_AT + 2 * PAGE, LIBRARY_AT + 4 * PAGE, SEGMENT_READ | SEGMENT_FILE, 2 * PAGE},
        {LIBRARY_AT + 4 * PAGE, LIBRARY_AT + 5 * PAGE, SEGMENT_READ | SEGMENT_WRITE | SEGMENT_FILE, 4 * PAGE},
        {STACK_AT, STACK_AT + PAGE, SEGMENT_READ | SEGMENT_WRITE | SEGMENT_STACK, 0},
    };
    enum { EXPECTED = sizeof expected / sizeof *expected };
    struct world *world = open_world(7, 7);
    struct core_facts facts;
    struct image *image = open_image(world, &facts);
    CHECK_EQUAL(image->memory.segment_count, EXPECTED);
    for (size_t i = 0; i < EXPECTED && i < image->memory.segment_count; i++) {
        const struct memory_segment *segment = &image->memory.segments[i];
        CHECK_EQUAL(segment->begin, expected[i].begin);
        CHECK_EQUAL(segment->end, expected[i].end);
        CHECK_EQUAL(segment->flags, expected[i].flags);
        CHECK_EQUAL(segment->file_offset, expected[i].file_offset);
        if (segment->flags & SEGMENT_FILE)
            CHECK_TEXT(segment->path, world->library);
    }
    CHECK_EQUAL(image->memory.segments[2].inode, image->memory.segments[5].inode);
    memory_close(&image->memory);
    close_world(world);
}

TEST(the_process_is_known_by_its_notes_and_its_stack) {
    struct world *world = open_world(7, 7);
    struct core_facts facts;
    struct image *image = open_image(world, &facts);
    CHECK_EQUAL(facts.pid, 4121);
    CHECK_EQUAL(image->memory.pid, 4121);
    CHECK_TEXT(facts.executable, world->library);
    CHECK_TEXT(facts.command, "python3\x1f-m\x1fshop of things");
    memory_close(&image->memory);
    close_world(world);
}

TEST(pages_that_the_dump_left_out_come_from_the_same_file) {
    struct world *world = open_world(7, 7);
    struct core_facts facts;
    struct image *image = open_image(world, &facts);
    CHECK(page_is(image, LIBRARY_AT + 2 * PAGE, 1002));
    CHECK(page_is(image, LIBRARY_AT + 3 * PAGE, 1003));
    CHECK(is_fault(image, LIBRARY_AT + PAGE)); /* code has no objects */
    int file = elf_file_open_mapped(4121, &image->memory.segments[2]);
    CHECK(file >= 0);
    close(file);
    CHECK_EQUAL(facts.files_missing + facts.files_different + facts.files_unchecked, 0);
    memory_close(&image->memory);
    close_world(world);
}

static void check_foreign_file(unsigned char mapped_id, unsigned char disk_id) {
    struct world *world = open_world(mapped_id, disk_id);
    struct core_facts facts;
    struct image *image = open_image(world, &facts);
    CHECK(is_fault(image, LIBRARY_AT + 2 * PAGE));
    CHECK(page_is(image, LIBRARY_AT + 4 * PAGE, 2000));
    CHECK_EQUAL(elf_file_open_mapped(4121, &image->memory.segments[2]), -1);
    CHECK_EQUAL(facts.files_different, 1);
    CHECK_EQUAL(facts.remark_count, 1);
    CHECK(strstr(facts.remarks[0], world->library) != NULL);
    memory_close(&image->memory);
    close_world(world);
}

TEST(a_file_with_another_build_id_is_not_believed) {
    check_foreign_file(7, 8);
    check_foreign_file(7, 0);
    check_foreign_file(0, 8);
}

TEST(files_without_build_id_are_compared_by_their_first_page) {
    struct world *world = open_world(0, 0);
    struct core_facts facts;
    struct image *image = open_image(world, &facts);
    CHECK(page_is(image, LIBRARY_AT + 3 * PAGE, 1003));
    memory_close(&image->memory);
    int file = open(world->library, O_WRONLY | O_CLOEXEC);
    CHECK(pwrite(file, "x", 1, 3000) == 1);
    close(file);
    image = open_image(world, &facts);
    CHECK(is_fault(image, LIBRARY_AT + 3 * PAGE));
    CHECK_EQUAL(facts.files_different, 1);
    memory_close(&image->memory);
    close_world(world);
}

TEST(a_missing_file_is_said) {
    struct world *world = open_world(7, 7);
    struct core_facts facts;
    unlink(world->library);
    struct image *image = open_image(world, &facts);
    CHECK(is_fault(image, LIBRARY_AT + 2 * PAGE));
    CHECK_EQUAL(facts.files_missing, 1);
    CHECK_TEXT(facts.lost_file, world->library);
    CHECK_EQUAL(facts.remark_count, 1);
    memory_close(&image->memory);
    close_world(world);
}

TEST(a_file_that_shrank_since_is_a_fault_and_no_zeros) {
    struct world *world = open_world(7, 7);
    struct core_facts facts;
    CHECK(truncate(world->library, 3 * PAGE) == 0);
    struct image *image = open_image(world, &facts);
    CHECK(page_is(image, LIBRARY_AT + 2 * PAGE, 1002));
    CHECK(is_fault(image, LIBRARY_AT + 3 * PAGE));
    memory_close(&image->memory);
    close_world(world);
}

TEST(long_holes_are_left_out) {
    struct world *world = open_world(7, 7);
    struct core_facts facts;
    int file = open(world->core, O_RDWR | O_TRUNC | O_CLOEXEC);
    size_t hole = world->heap_offset + HEAP_HOLE_FIRST * PAGE, data = world->heap_offset + HEAP_HOLE_LAST * PAGE;
    CHECK(pwrite(file, world->bytes, hole, 0) == (ssize_t)hole);
    CHECK(pwrite(file, world->bytes + data, world->size - data, (off_t)data) == (ssize_t)(world->size - data));
    bool has_holes = lseek(file, (off_t)hole + PAGE, SEEK_DATA) > (off_t)hole + PAGE;
    close(file);
    struct image *image = open_image(world, &facts);
    CHECK(page_is(image, HEAP_AT + (HEAP_HOLE_FIRST - 1) * PAGE, HEAP_HOLE_FIRST - 1));
    CHECK(page_is(image, HEAP_AT + HEAP_HOLE_LAST * PAGE, HEAP_HOLE_LAST));
    CHECK_EQUAL(is_fault(image, HEAP_AT + 200 * PAGE), has_holes);
    CHECK_EQUAL(facts.bytes_missing, 0);
    memory_close(&image->memory);
    close_world(world);
}

TEST(what_is_cut_off_is_a_fault_and_counted) {
    struct world *world = open_world(7, 7);
    struct core_facts facts;
    CHECK(truncate(world->core, (off_t)(world->heap_offset + 50 * PAGE + 17)) == 0);
    struct image *image = open_image(world, &facts);
    CHECK(page_is(image, HEAP_AT + 49 * PAGE, 49));
    CHECK(is_fault(image, HEAP_AT + 50 * PAGE));
    CHECK(page_is(image, LIBRARY_AT + 4 * PAGE, 1004)); /* data of the process, as they began */
    CHECK(page_is(image, LIBRARY_AT + 2 * PAGE, 1002));
    CHECK_EQUAL(facts.files_unchecked, 1);
    CHECK_EQUAL(facts.bytes_missing, (HEAP_PAGES - 50 + 3) * PAGE);
    CHECK_EQUAL(facts.remark_count, 1);
    CHECK(strstr(facts.remarks[0], "truncated") != NULL && strstr(facts.remarks[0], "as their files have them"));
    CHECK_TEXT(facts.command, "python3\x1f-m\x1fshop"); /* the kernel's words: the stack is lost */
    memory_close(&image->memory);
    close_world(world);
}

static size_t pack_gzip(const struct world *world, unsigned char *out, size_t capacity) {
    z_stream stream = {0};
    CHECK(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_in = (unsigned char *)world->bytes;
    stream.avail_in = (unsigned)world->size;
    stream.next_out = out;
    stream.avail_out = (unsigned)capacity;
    CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    size_t size = capacity - stream.avail_out;
    deflateEnd(&stream);
    return size;
}

static size_t pack_zstd(const struct world *world, unsigned char *out, size_t capacity) {
    size_t size = ZSTD_compress(out, capacity, world->bytes, world->size, 3);
    CHECK(!ZSTD_isError(size));
    return size;
}

static void check_packed(size_t (*pack)(const struct world *, unsigned char *, size_t)) {
    struct world *world = open_world(7, 7);
    struct core_facts facts;
    unsigned char *packed = malloc(CORE_CAPACITY);
    size_t size = pack(world, packed, CORE_CAPACITY);
    write_file(world->core, packed, size);
    struct image *image = open_image(world, &facts);
    CHECK(page_is(image, HEAP_AT + (HEAP_PAGES - 1) * PAGE, HEAP_PAGES - 1));
    CHECK(page_is(image, LIBRARY_AT + 2 * PAGE, 1002));
    CHECK_EQUAL(facts.remark_count, 0);
    memory_close(&image->memory);
    write_file(world->core, packed, size - 3); /* the end of the stream, behind all of the core */
    image = open_image(world, &facts);
    CHECK(page_is(image, HEAP_AT, 0));
    CHECK_EQUAL(facts.remark_count, 1);
    memory_close(&image->memory);
    free(packed);
    close_world(world);
}

TEST(packed_cores_are_read_whole_and_cut) {
    check_packed(pack_gzip);
    check_packed(pack_zstd);
}

TEST(parts_of_a_gzip_file_follow_each_other) {
    struct world *world = open_world(7, 7);
    struct core_facts facts;
    struct world *first = calloc(1, sizeof *first), *second = calloc(1, sizeof *second);
    first->size = world->heap_offset + 5;
    unsigned char *packed = malloc(CORE_CAPACITY);
    memcpy(first->bytes, world->bytes, first->size);
    second->size = world->size - first->size;
    memcpy(second->bytes, world->bytes + first->size, second->size);
    size_t size = pack_gzip(first, packed, CORE_CAPACITY);
    size += pack_gzip(second, packed + size, CORE_CAPACITY - size);
    write_file(world->core, packed, size);
    struct image *image = open_image(world, &facts);
    CHECK(page_is(image, HEAP_AT, 0));
    CHECK(page_is(image, LIBRARY_AT + 4 * PAGE, 2000));
    CHECK_EQUAL(facts.remark_count, 0);
    memory_close(&image->memory);
    free(packed);
    free(first);
    free(second);
    close_world(world);
}

static void check_refused(const struct world *world, enum error_status status, const char *word) {
    struct image *image;
    struct core_facts facts;
    struct error *error = core_open(world->core, &image, &facts);
    CHECK(error && image == NULL);
    if (error) {
        CHECK_EQUAL(error->status, status);
        CHECK(strstr(error->message, word) != NULL);
        CHECK(strstr(error->message, world->core) != NULL);
    }
    error_discard(error);
}

TEST(what_is_no_core_is_refused) {
    struct world *world = open_world(7, 7);
    unsigned char *bytes = world->bytes;
    write_file(world->core, "", 0);
    check_refused(world, STATUS_BAD_FILE, "empty");
    write_file(world->core, bytes, 40);
    check_refused(world, STATUS_BAD_FILE, "not a core file");
    write_file(world->core, bytes, 64);
    check_refused(world, STATUS_BAD_FILE, "no memory");
    bytes[offsetof(Elf64_Ehdr, e_type)] = ET_DYN;
    write_file(world->core, bytes, world->size);
    check_refused(world, STATUS_BAD_FILE, "not a core file");
    bytes[offsetof(Elf64_Ehdr, e_type)] = ET_CORE;
    bytes[offsetof(Elf64_Ehdr, e_machine)] = EM_AARCH64;
    write_file(world->core, bytes, world->size);
    check_refused(world, STATUS_BAD_FILE, "architecture");
    write_file(world->core, "\xfd" "7zXZ\0 and more", 14);
    check_refused(world, STATUS_BAD_FILE, "xz -d");
    unlink(world->core);
    check_refused(world, STATUS_NO_TARGET, "No such file");
    CHECK(!core_recognise(world->core));
    CHECK(!core_recognise(world->folder));
    close_world(world);
}

/* --- damage --- */

static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Words that lengths are made of. */
static uint64_t interesting(uint64_t random) {
    static const uint64_t words[] = {0, 1, PAGE - 1, PAGE, 1ull << 31, 1ull << 32, 1ull << 47, INT64_MAX, UINT64_MAX,
                                     UINT64_MAX - PAGE, HEAP_AT, LIBRARY_AT, STACK_AT, 64, 0x7fffffff, 0xffffffff};
    return words[random % (sizeof words / sizeof *words)];
}

static void damage(unsigned char *bytes, size_t size, uint64_t *state) {
    for (uint64_t changes = 1 + next_random(state) % 4; changes; changes--) {
        uint64_t at = next_random(state) % (size - 8), word = interesting(next_random(state));
        switch (next_random(state) % 3) {
        case 0: bytes[at] ^= (unsigned char)(1 << next_random(state) % 8); break;
        case 1: bytes[at] = (unsigned char)next_random(state); break;
        default: memcpy(bytes + at / 4 * 4, &word, at / 4 * 4 + 8 <= size ? 8 : 4); break;
        }
    }
}

/* Whatever it says of itself, a core is opened or refused; an image that it makes can be read everywhere. */
static bool open_damaged(const struct world *world) {
    struct image *image;
    struct core_facts facts;
    struct error *error = core_open(world->core, &image, &facts);
    if (error) {
        CHECK(image == NULL && error->message[0] && !strchr(error->message, '\n'));
        error_discard(error);
        return false;
    }
    remote_address last = 0;
    for (size_t i = 0; i < image->memory.segment_count; i++) {
        const struct memory_segment *segment = &image->memory.segments[i];
        uint64_t word;
        CHECK(segment->begin >= last && segment->begin < segment->end && segment->begin % PAGE == 0);
        last = segment->end;
        memory_read_word(&image->memory, segment->begin, &word);
        memory_read_word(&image->memory, segment->end - 8, &word);
        if ((segment->flags & SEGMENT_FILE) && i < 8)
            elf_file_symbol(&image->memory, segment, "_PyRuntime");
    }
    CHECK(image->length <= CORE_CAPACITY + LIBRARY_PAGES * 16 * PAGE);
    memory_close(&image->memory);
    return true;
}

TEST(damaged_headers_and_notes_do_no_harm) {
    struct world *world = open_world(7, 7);
    unsigned char *whole = malloc(world->size);
    memcpy(whole, world->bytes, world->size);
    size_t headers = world->notes_offset + world->notes_size, kept = world->heap_offset + 4 * PAGE, opened = 0;
    uint64_t state = 88172645463325252ull;
    for (int i = 0; i < 4000; i++) {
        memcpy(world->bytes, whole, kept);
        damage(world->bytes, headers, &state);
        write_file(world->core, world->bytes, kept);
        opened += open_damaged(world);
    }
    CHECK(opened > 2000 && opened < 4000);
    free(whole);
    close_world(world);
}

TEST(a_core_may_end_anywhere) {
    struct world *world = open_world(7, 7);
    size_t headers = world->notes_offset + world->notes_size;
    for (size_t size = headers + 100; size > 0; size--) {
        CHECK(truncate(world->core, (off_t)size) == 0);
        open_damaged(world);
    }
    close_world(world);
}

TEST(damaged_streams_do_no_harm) {
    struct world *world = open_world(7, 7);
    unsigned char *packed = malloc(CORE_CAPACITY), *damaged = malloc(CORE_CAPACITY);
    uint64_t state = 1234567;
    world->size = world->heap_offset + 16 * PAGE;
    for (int i = 0; i < 600; i++) {
        size_t size = (i % 2 ? pack_gzip : pack_zstd)(world, packed, CORE_CAPACITY);
        memcpy(damaged, packed, size);
        damage(damaged, size, &state);
        write_file(world->core, damaged, next_random(&state) % 3 ? size : next_random(&state) % size);
        open_damaged(world);
    }
    free(packed);
    free(damaged);
    close_world(world);
}

TEST(damaged_libraries_do_no_harm) {
    struct world *world = open_world(7, 7);
    static unsigned char library[LIBRARY_PAGES * PAGE];
    uint64_t state = 424242;
    for (int i = 0; i < 1000; i++) {
        make_library(library, 7);
        damage(library, 1024, &state);
        write_file(world->library, library, sizeof library);
        open_damaged(world);
    }
    close_world(world);
}

TEST_MAIN(RUN(an_image_has_what_the_core_has); RUN(an_image_has_the_segments_of_the_process);
          RUN(the_process_is_known_by_its_notes_and_its_stack);
          RUN(pages_that_the_dump_left_out_come_from_the_same_file); RUN(a_file_with_another_build_id_is_not_believed);
          RUN(files_without_build_id_are_compared_by_their_first_page); RUN(a_missing_file_is_said);
          RUN(a_file_that_shrank_since_is_a_fault_and_no_zeros); RUN(long_holes_are_left_out);
          RUN(what_is_cut_off_is_a_fault_and_counted); RUN(packed_cores_are_read_whole_and_cut);
          RUN(parts_of_a_gzip_file_follow_each_other); RUN(what_is_no_core_is_refused);
          RUN(damaged_headers_and_notes_do_no_harm); RUN(a_core_may_end_anywhere); RUN(damaged_streams_do_no_harm);
          RUN(damaged_libraries_do_no_harm);)
