/* Lines of addresses by debug information, good, missing and damaged. LINED is a library built of tests/support/lined.c,
 * LINED_BARE the same without debug information, LINED_SOURCE that file. */
#include "memory/elf_lines.h"
#include "memory/elf_names.h"
#include "support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ADDRESSES_MOST = 512 };

struct around {
    uint64_t addresses[ADDRESSES_MOST];
    size_t count;
};

/* Of the function in a file that has its symbols. */
static void find_addresses(const char *path, const char *function, struct arena *arena, struct around *out) {
    struct elf_names names;
    elf_names_read(path, "", arena, &names);
    out->count = 0;
    for (size_t i = 0; i < names.count; i++)
        if (strcmp(names.list[i].name, function) == 0 && !out->count)
            for (uint64_t at = names.list[i].begin; at < names.list[i].end && out->count < ADDRESSES_MOST; at++)
                out->addresses[out->count++] = at;
    CHECK(out->count > 4);
}

static uint32_t marked_line(const char *mark) {
    char text[256], wanted[64];
    FILE *source = fopen(LINED_SOURCE, "re");
    uint32_t line = 0;
    snprintf(wanted, sizeof wanted, "/* %s */", mark);
    while (source && fgets(text, sizeof text, source)) {
        line++;
        if (strstr(text, wanted))
            break;
    }
    if (source)
        fclose(source);
    return line;
}

static bool is_line(const struct elf_line *line, const char *function, const char *mark) {
    const char *name = strrchr(line->file, '/');
    return *line->file == '/' && strcmp(name + 1, "lined.c") == 0 && line->line == marked_line(mark) &&
           (function ? line->function && strcmp(line->function, function) == 0 : !line->function);
}

TEST(an_inlined_chain) {
    struct arena arena = {0};
    struct around around;
    struct elf_place places[ADDRESSES_MOST];
    size_t known = 0, whole = 0;
    find_addresses(LINED, "lined_around", &arena, &around);
    elf_lines_read(LINED, "", around.addresses, around.count, &arena, places);
    for (size_t i = 0; i < around.count; i++) {
        known += places[i].count > 0;
        whole += places[i].count == 3 && is_line(&places[i].lines[0], "lined_innermost", "innermost") &&
                 is_line(&places[i].lines[1], "lined_middle", "middle") && is_line(&places[i].lines[2], NULL, "around");
        CHECK(!places[i].count || !places[i].lines[places[i].count - 1].function);
    }
    CHECK_EQUAL(known, around.count);
    CHECK(whole >= 5); /* bytes of a call at least */
    arena_deinit(&arena);
}

TEST(addresses_in_any_order_and_of_no_function) {
    struct arena arena = {0};
    struct around hidden, direct;
    struct elf_place places[5];
    find_addresses(LINED, "lined_hidden", &arena, &hidden);
    find_addresses(LINED, "lined_direct", &arena, &direct);
    uint64_t addresses[] = {direct.addresses[direct.count / 2], 1, hidden.addresses[hidden.count / 2], UINT64_MAX,
                            direct.addresses[direct.count / 2]};
    elf_lines_read(LINED, "", addresses, 5, &arena, places);
    CHECK_EQUAL(places[1].count, 0);
    CHECK_EQUAL(places[3].count, 0);
    CHECK(places[0].count == 1 && places[2].count == 1 && places[4].count == 1);
    if (places[0].count == 1 && places[2].count == 1 && places[4].count == 1) {
        CHECK(places[2].lines->line < places[0].lines->line);
        CHECK_EQUAL(places[4].lines->line, places[0].lines->line);
    }
    arena_deinit(&arena);
}

TEST(what_is_not_there_is_not_known) {
    struct arena arena = {0};
    struct around direct;
    struct elf_place places[ADDRESSES_MOST];
    const char *const paths[] = {LINED_BARE, "/nothing/of/this/name", "/dev/zero", "/"};
    find_addresses(LINED_BARE, "lined_direct", &arena, &direct);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        elf_lines_read(paths[i], "", direct.addresses, direct.count, &arena, places);
        for (size_t k = 0; k < direct.count; k++)
            CHECK_EQUAL(places[k].count, 0);
    }
    elf_lines_read(LINED, "00112233445566778899aabbccddeeff00112233", direct.addresses, direct.count, &arena, places);
    CHECK_EQUAL(places[0].count, 0);
    arena_deinit(&arena);
}

/* The child's own work, here, where the sanitizers see it. */
TEST(the_work_of_the_child) {
    struct arena arena = {0};
    struct around around;
    char *bytes = NULL;
    size_t length = 0;
    find_addresses(LINED, "lined_around", &arena, &around);
    int file = open(LINED, O_RDONLY | O_CLOEXEC);
    FILE *out = open_memstream(&bytes, &length);
    elf_lines_tell(file, around.addresses, around.count, out);
    fclose(out);
    close(file);
    struct elf_lines_answer first = {0};
    CHECK(length > around.count * (sizeof first + strlen("/lined.c")));
    memcpy(&first, bytes, sizeof first);
    CHECK(first.index < around.count && first.line > 0 && first.file_length > 8);
    free(bytes);
    arena_deinit(&arena);
}

/* --- damage --- */

struct file {
    unsigned char bytes[1 << 20];
    size_t length;
};

static void read_whole(const char *path, struct file *out) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = read(file, out->bytes, sizeof out->bytes);
    close(file);
    out->length = got > 0 ? (size_t)got : 0;
    CHECK(out->length > 1000 && out->length < sizeof out->bytes);
}

static void write_whole(const char *path, const void *bytes, size_t length) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(write(file, bytes, length) == (ssize_t)length);
    close(file);
}

/* That we are still here, and that what is told can be read; how many addresses have lines. */
static size_t ask(const char *path, const struct around *around) {
    struct arena arena = {0};
    struct elf_names names;
    struct elf_place places[ADDRESSES_MOST];
    size_t known = 0, letters = 0;
    elf_names_read(path, "", &arena, &names);
    elf_lines_read(path, "", around->addresses, around->count, &arena, places);
    for (size_t i = 0; i < around->count; i++) {
        known += places[i].count > 0;
        CHECK(places[i].count <= ELF_LINES_MOST);
        for (size_t k = 0; k < places[i].count; k++)
            letters += strlen(places[i].lines[k].file);
    }
    CHECK(letters >= known);
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD); /* no child is left */
    arena_deinit(&arena);
    return known;
}

static struct file good, damaged;

TEST(damaged_files) {
    struct arena arena = {0};
    struct around around;
    char path[] = "/tmp/caulk-test-lines-XXXXXX";
    close(mkstemp(path));
    uint64_t seed = 20, changed = 0;
    find_addresses(LINED, "lined_around", &arena, &around);
    read_whole(LINED, &good);
    write_whole(path, good.bytes, good.length);
    size_t all = ask(path, &around);
    CHECK_EQUAL(all, around.count);
    for (size_t i = 0; i < 40; i++) {
        write_whole(path, good.bytes, good.length * i / 40);
        CHECK_EQUAL(ask(path, &around), 0); /* the table of sections comes last */
    }
    for (size_t i = 0; i < 300; i++) {
        damaged = good;
        /* Headers and debug information lie in the second half of so small a file. */
        for (size_t k = 0; k < 1 + i % 20; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            damaged.bytes[good.length / 2 + (seed >> 33) % (good.length / 2)] ^= (unsigned char)(1u << (seed >> 20) % 8);
        }
        write_whole(path, damaged.bytes, good.length);
        changed += ask(path, &around) != all;
    }
    CHECK(changed > 10); /* the damage was where it hurts */
    unlink(path);
    arena_deinit(&arena);
}

TEST_MAIN(RUN(an_inlined_chain); RUN(addresses_in_any_order_and_of_no_function); RUN(what_is_not_there_is_not_known);
          RUN(the_work_of_the_child); RUN(damaged_files);)
