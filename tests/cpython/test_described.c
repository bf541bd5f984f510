/* described.h: files of types, what they mean, and what is said of wrong ones. */
#include "base/error.h"
#include "cpython/described.h"
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct error *read_text(const char *text, size_t length, struct described_types **out) {
    char path[] = "/tmp/caulk-types-XXXXXX";
    int descriptor = mkstemp(path);
    CHECK(descriptor >= 0 && write(descriptor, text, length) == (ssize_t)length);
    close(descriptor);
    struct error *error = described_read(path, out);
    unlink(path);
    return error;
}

static struct described_types *read_good(const char *text) {
    struct described_types *types;
    struct error *error = read_text(text, strlen(text), &types);
    if (error)
        printf("%s\n", error->message);
    CHECK(!error);
    return types;
}

TEST(every_kind_of_field_is_read) {
    struct described_types *types = read_good("# ours\n"
                                              "type a.B size 0x58\n"
                                              "  object 16 owner   # who made it\n"
                                              "objects 24 count 32 slots\r\n"
                                              "\n"
                                              "list 40 next 0 object 8 size 16 pending\n"
                                              "block 48 count 56 unit 4\n"
                                              "borrowed 64 parent\n"
                                              "block 72 bytes 100\n"
                                              "text 80");
    CHECK_EQUAL(types->count, 1);
    const struct described_type *type = described_find(types, "a.B", 0x58);
    CHECK(type && type->references);
    CHECK_EQUAL(type->field_count, 6);
    CHECK_EQUAL(type->fields[0].kind, FIELD_OBJECT);
    CHECK_TEXT(type->fields[0].name, "owner");
    CHECK_EQUAL(type->fields[1].kind, FIELD_OBJECTS);
    CHECK_EQUAL(type->fields[1].count, 32);
    CHECK_EQUAL(type->fields[1].unit, 8);
    CHECK_EQUAL(type->fields[2].kind, FIELD_LIST);
    CHECK_EQUAL(type->fields[2].flag, 8);
    CHECK_EQUAL(type->fields[2].more, 16);
    CHECK_EQUAL(type->fields[3].unit, 4);
    CHECK_EQUAL(type->fields[4].unit, 100);
    CHECK_EQUAL(type->fields[4].count, FIELD_NO_COUNT);
    CHECK_EQUAL(type->fields[5].kind, FIELD_TEXT);
    described_close(types);
}

TEST(a_description_is_for_the_size_that_it_names_and_no_shorter_type) {
    struct described_types *types =
        read_good("type a.B size 40\nobject 16 one\ntype a.B\nobject 24 other\ntype c.D\n");
    CHECK_TEXT(described_find(types, "a.B", 40)->fields[0].name, "one");
    CHECK_TEXT(described_find(types, "a.B", 48)->fields[0].name, "other");
    CHECK(described_find(types, "a.B", 24) == NULL);
    CHECK_EQUAL(described_find(types, "c.D", 16)->field_count, 0);
    CHECK(described_find(types, "nothing", 64) == NULL);
    described_close(types);
}

TEST(users_come_before_our_own) {
    struct described_types *types = read_good("type _io.StringIO\nobject 16 mine\n");
    CHECK_TEXT(described_find(types, "_io.StringIO", 120)->fields[0].name, "mine");
    CHECK_EQUAL(described_find(NULL, "_io.StringIO", 120)->fields[0].kind, FIELD_BLOCK);
    described_close(types);
}

/* What the one line says, without the path in front. */
static void refuse(const char *text, size_t length, const char *words) {
    struct described_types *types;
    struct error *error = read_text(text, length, &types);
    CHECK(error != NULL && types == NULL);
    if (!error)
        return;
    CHECK_EQUAL(error->status, STATUS_USAGE);
    CHECK(strchr(error->message, '\n') == NULL);
    if (!strstr(error->message, words))
        CHECK_TEXT(error->message, words);
    error_discard(error);
}
#define REFUSE(text, words) refuse(text, sizeof text - 1, words)

TEST(what_makes_no_sense_is_refused_with_its_line) {
    REFUSE("object 16 a\n", "line 1: a type is wanted before \"object\"");
    REFUSE("type a.B\n\nobjct 16 a\n", "line 3: no such field");
    REFUSE("type a.B\nobject 17 a\n", "line 2: words stand at multiples of 8, not at \"17\"");
    REFUSE("type a.B\nobject 8 a\n", "line 2: the first 16 bytes");
    REFUSE("type a.B\nobject -16 a\n", "line 2: a number is wanted, not \"-16\"");
    REFUSE("type a.B\nobject 16\n", "line 2: a name is missing");
    REFUSE("type a.B\nobject 99999999999999999999 a\n", "a number is wanted");
    REFUSE("type a.B\nobject 65536 a\n", "a number is wanted");
    REFUSE("type a.B\nobjects 16 24 a\n", "\"count\" is wanted, not \"24\"");
    REFUSE("type a.B\nlist 16 next 0 object 8 a\n", "\"size\" is wanted, not \"a\"");
    REFUSE("type a.B\nblock 16 many 3\n", "\"count\" or \"bytes\" is wanted, not \"many\"");
    REFUSE("type a.B\nobject 16 a b\n", "too many words: \"b\"");
    REFUSE("type a-B\n", "a name is made of");
    REFUSE("type\n", "a name is missing");
    REFUSE("\x7f" "ELF\x02\x01\0\0\n\0\0", "line 1: a type is wanted before \"?ELF");
    REFUSE("type a.B\nobject 16 \x1b[31mred\n", "unlike \"?[31mred\"");
}

TEST(a_file_that_is_none_is_refused) {
    struct described_types *types;
    struct error *error = described_read("/nowhere/types", &types);
    CHECK(error && error->status == STATUS_USAGE && strstr(error->message, "/nowhere/types"));
    error_discard(error);
    error = described_read("/tmp", &types);
    CHECK(error && error->status == STATUS_USAGE);
    error_discard(error);
    char *large = malloc((1 << 20) + 100);
    memset(large, '\n', (1 << 20) + 100);
    refuse(large, (1 << 20) + 100, "over 1 MiB");
    free(large);
}

TEST_MAIN(RUN(every_kind_of_field_is_read); RUN(a_description_is_for_the_size_that_it_names_and_no_shorter_type);
          RUN(users_come_before_our_own); RUN(what_makes_no_sense_is_refused_with_its_line);
          RUN(a_file_that_is_none_is_refused);)
