/* graph/heap_file: damage of every kind is told, and never believed. */
#include "support/check.h"
#include "support/forged_file.h"
#include "support/heap_world.h"

#include <stdlib.h>

/* The complaint about these bytes, or "" if they were read; the message is checked to be one of ours. */
static const char *complaint(const char *bytes, size_t size) {
    static char message[512];
    struct heap *heap;
    store(heap_other_path, bytes, size);
    struct error *error = heap_file_read(heap_other_path, &heap);
    message[0] = 0;
    if (error) {
        snprintf(message, sizeof message, "%s", error->message);
        CHECK_EQUAL(error->status, STATUS_BAD_FILE);
        CHECK(heap == NULL);
        CHECK(strstr(message, heap_other_path) == message && !strchr(message, '\n'));
    }
    error_discard(error);
    heap_close(heap);
    return message;
}

TEST(each_kind_of_bad_file_has_its_own_words) {
    struct world world;
    size_t size;
    world_make(&world, heap_drawing);
    CHECK(write_heap(&world, heap_path, true));
    char *bytes = load(heap_path, &size);
    CHECK(says(complaint(bytes, 0), "is empty"));
    CHECK(says(complaint("hello, I am a text", 18), "is not a snapshot of caulk"));
    CHECK(says(complaint(bytes, 5), "truncated: it ends in section header"));
    CHECK(says(complaint(bytes, 30), "truncated: it ends in section header"));
    CHECK(says(complaint(bytes, 60), "truncated: it ends in section facts"));
    CHECK(says(complaint(bytes, size - 1), "truncated: it ends in section end"));
    CHECK(says(complaint(bytes, size - 24), "truncated: it ends in section end"));
    bytes[size] = 'x';
    CHECK(says(complaint(bytes, size + 1), "damaged in section end"));
    bytes[8] = 2;
    CHECK(says(complaint(bytes, size), "has file version 2, this caulk reads up to 1; use a newer caulk"));
    bytes[8] = 1;
    bytes[13] ^= 1;
    CHECK(says(complaint(bytes, size), "damaged in section header: wrong checksum"));
    bytes[13] ^= 1;
    bytes[48] ^= 1;
    CHECK(says(complaint(bytes, size), "damaged in section facts"));
    bytes[48] ^= 1;
    CHECK_TEXT(complaint(bytes, size), "");
    free(bytes);
    world_end(&world);
}

TEST(a_missing_file_or_a_folder_is_no_snapshot) {
    struct heap *heap;
    struct error *error = heap_file_read("/tmp/caulk-there-is-no-such-file", &heap);
    CHECK_EQUAL(error ? error->status : 0, STATUS_NO_TARGET);
    error_discard(error);
    error = heap_file_read(heap_folder, &heap);
    CHECK_EQUAL(error ? error->status : 0, STATUS_BAD_FILE);
    error_discard(error);
    CHECK(!heap_file_recognise(heap_folder));
    CHECK(!heap_file_recognise("/tmp/caulk-there-is-no-such-file"));
    store(heap_other_path, "\x89" "CAUL", 5);
    CHECK(!heap_file_recognise(heap_other_path));
}

/* Bytes are changed in every way that a disk or a network changes them. Each file must be refused, or be equal. */
TEST(no_change_of_a_file_is_believed) {
    struct world world;
    size_t size;
    world_make(&world, heap_drawing);
    CHECK(write_heap(&world, heap_path, true));
    char *bytes = load(heap_path, &size);
    char *changed = malloc(size);
    uint64_t random = 1;
    int refused = 0, rounds = 6000;
    for (int i = 0; i < rounds; i++) {
        memcpy(changed, bytes, size);
        size_t left = size;
        for (int change = 0; change <= i % 3; change++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            size_t place = (size_t)(random >> 33) % size;
            if (i % 7 == 6)
                left = place < left ? place : left;
            else if (i % 7 == 5)
                memset(changed + place, 0, size - place < 16 ? size - place : 16);
            else
                changed[place] = (char)(changed[place] ^ 1 << (random >> 29 & 7));
        }
        struct heap *heap;
        store(heap_other_path, changed, left);
        struct error *error = heap_file_read(heap_other_path, &heap);
        refused += error != NULL;
        CHECK(error ? heap == NULL : same_heap(&world.heap, heap));
        error_discard(error);
        heap_close(heap);
    }
    /* Only bytes that were zero already stay as they are. */
    CHECK(refused > rounds * 9 / 10);
    free(bytes);
    free(changed);
    world_end(&world);
}

/* Contents that contradict each other behind checksums that are all right: refused, or a heap that holds together. */
TEST(a_forged_file_is_refused_or_holds_together) {
    struct world world;
    size_t size;
    world_make(&world, heap_drawing);
    CHECK(write_heap(&world, heap_path, true));
    char *bytes = load(heap_path, &size), *packed = malloc(1 << 20);
    uint64_t random = 7;
    int refused = 0, rounds = 4000;
    for (int i = 0; i < rounds; i++) {
        unsigned char script[12];
        for (size_t k = 0; k < sizeof script; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            script[k] = (unsigned char)(random >> 40);
        }
        script[3] = (unsigned char)(script[3] % (i % 2 ? 256 : 24)); /* small numbers are the more plausible lies */
        struct forged_file forged;
        struct heap *heap;
        forged_file_open(&forged, bytes, size);
        forged_file_change(&forged, script, (size_t)(4 << i % 2));
        store(heap_other_path, packed, forged_file_pack(&forged, packed, 1 << 20));
        struct error *error = heap_file_read(heap_other_path, &heap);
        refused += error != NULL;
        CHECK(error ? heap == NULL && error->status == STATUS_BAD_FILE : graph_check(&heap->graph) == NULL);
        CHECK(error || use_heap(heap) != 0);
        error_discard(error);
        heap_close(heap);
        forged_file_close(&forged);
    }
    CHECK(refused > rounds / 3 && refused < rounds * 9 / 10); /* both kinds were met */
    free(bytes);
    free(packed);
    world_end(&world);
}

TEST(each_lie_is_told_by_the_section_it_is_in) {
    static const struct { enum file_section section; size_t place; unsigned char value; const char *said; } lies[] = {
        {SECTION_FACTS, 23 * 8, 0xff, "section facts"},
        {SECTION_ADDRESS, 8 * 7 + 1, 0x00, "section graph: addresses do not rise"},
        {SECTION_TYPE_OF, 0, 0xff, "section graph: a node has a type that does not exist"},
        {SECTION_DEGREE, 0, 0xff, "section degree"},
        {SECTION_TARGET, 0, 0xff, "section target"},
        {SECTION_KIND, 0, 0xff, "section graph: an edge is of a kind that does not exist"},
        {SECTION_NAME, 1, 0xff, "section name"},
        {SECTION_NODE_NAME, 4, 0xff, "section nodename"},
        {SECTION_NODE_FACT, 0, 0xff, "section nodefact"},
        {SECTION_TYPE, 0, 0xff, "section type"},
        {SECTION_WORD_BEGIN, 0, 0x01, "section wordfrom"},
        {SECTION_WORD_BEGIN, 9, 0xff, "section wordfrom"},
    };
    struct world world;
    size_t size;
    world_make(&world, heap_drawing);
    CHECK(write_heap(&world, heap_path, true));
    char *bytes = load(heap_path, &size), *packed = malloc(1 << 20);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct forged_file forged;
        forged_file_open(&forged, bytes, size);
        CHECK(lies[i].place < forged.sections[lies[i].section].size);
        forged.sections[lies[i].section].bytes[lies[i].place] = (char)lies[i].value;
        CHECK(says(complaint(packed, forged_file_pack(&forged, packed, 1 << 20)), lies[i].said));
        forged_file_close(&forged);
    }
    free(bytes);
    free(packed);
    world_end(&world);
}

TEST_MAIN(heap_folder_make(); RUN(each_kind_of_bad_file_has_its_own_words);
          RUN(a_missing_file_or_a_folder_is_no_snapshot); RUN(no_change_of_a_file_is_believed);
          RUN(a_forged_file_is_refused_or_holds_together); RUN(each_lie_is_told_by_the_section_it_is_in);
          heap_folder_remove();)
