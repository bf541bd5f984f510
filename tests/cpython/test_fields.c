/* Names for the words of C structures: the small language of the table, and the table itself. */
#include "cpython/fields.h"
#include "cpython/root_names.h"
#include "support/check.h"

#include <string.h>

static bool reads(struct field_reader *reader, uint32_t offset, const char *name) {
    return fields_next(reader) && reader->offset == offset && reader->length == strlen(name) &&
           memcmp(reader->name, name, reader->length) == 0;
}

TEST(words_follow_each_other_behind_the_head) {
    struct type_fields type = {"one", 0, "first . third @56 !borrowed last ! |"};
    struct field_reader reader = fields_begin(&type);
    CHECK(reads(&reader, 16, "first") && !reader.borrowed);
    CHECK(reads(&reader, 32, "third") && !reader.borrowed);
    CHECK(reads(&reader, 56, "borrowed") && reader.borrowed);
    CHECK(reads(&reader, 64, "last") && !reader.borrowed);
    CHECK(reads(&reader, 72, "") && reader.borrowed);
    CHECK(!reader.exact);
    CHECK(!fields_next(&reader));
    CHECK(reader.exact);
}

TEST(without_a_bar_other_words_may_be_references) {
    struct type_fields type = {"one", 0, "first"};
    struct field_reader reader = fields_begin(&type);
    while (fields_next(&reader))
        ;
    CHECK(!reader.exact);
}

/* A search by halves finds all names only if they are sorted: these stand at both ends and in between. */
TEST(a_structure_is_found_by_its_name_and_size) {
    static const char *const names[] = {"CArgObject",        "Interpolation",     "_asyncio.FutureIter",
                                        "_csv.reader",       "_json.Encoder",     "_sre.SRE_Scanner",
                                        "bytes_iterator",    "decimal.Decimal",   "functools.KeyWrapper",
                                        "itertools.groupby", "itertools.product", "mappingproxy",
                                        "property",          "re.Match",          "sqlite3.Row",
                                        "typing.Union",      "wrapper_descriptor", "zip"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct type_fields *found = fields_find(names[i], 1000);
        CHECK(found && strcmp(found->name, names[i]) == 0);
    }
    CHECK_TEXT(fields_find("_asyncio.Task", 144)->fields, "@112 _fut_waiter _coro _name _context");
    CHECK_TEXT(fields_find("_asyncio.Task", 192)->fields, "@152 _fut_waiter _coro _name _context");
    CHECK(fields_find("_asyncio.Task", 1000) == NULL);
    CHECK(fields_find("sqlite3.Connection", 8) == NULL);
    CHECK(fields_find("list", 40) == NULL);
}

TEST(fields_of_the_interpreter_have_the_names_of_their_own_row) {
    const struct root_row row = {.fields = {{ROOT_INTERPRETER, 8, "codecs"}, {ROOT_THREAD, 8, "trace function"}}};
    CHECK_TEXT((const char *)(uintptr_t)root_names_label(&row, ROOT_INTERPRETER, 8).value, "codecs");
    CHECK_TEXT((const char *)(uintptr_t)root_names_label(&row, ROOT_THREAD, 8).value, "trace function");
    CHECK_EQUAL(root_names_label(&row, ROOT_THREAD, 16).kind, LABEL_NONE);
    struct layout layout = {.version = 1};
    CHECK_EQUAL(root_names_label(root_names_find(&layout), ROOT_THREAD, 0).kind, LABEL_NONE);
}

TEST(every_layout_has_names_for_its_roots) {
    size_t count;
    const struct layout *layouts = layout_rows(&count);
    for (size_t i = 0; i < count; i++) {
        const struct root_row *row = root_names_find(&layouts[i]);
        CHECK_EQUAL(row->version, layouts[i].version);
        CHECK(root_names_label(row, ROOT_INTERPRETER, layouts[i].interpreter_modules).kind == LABEL_TEXT);
        CHECK(root_names_label(row, ROOT_THREAD, layouts[i].thread_dict).kind == LABEL_TEXT);
    }
}

TEST_MAIN(RUN(words_follow_each_other_behind_the_head); RUN(without_a_bar_other_words_may_be_references);
          RUN(a_structure_is_found_by_its_name_and_size);
          RUN(fields_of_the_interpreter_have_the_names_of_their_own_row);
          RUN(every_layout_has_names_for_its_roots);)
