/* Memory that may not be there: a page, a hole, a page. */
#include "agent/agent_stack.h"
#include "support/check.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { BYTES = 4096, AROUND = 100 };

static char *pages_with_a_hole(void) {
    char *pages = mmap(NULL, 3 * BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    memset(pages, 7, 3 * BYTES);
    CHECK_EQUAL(munmap(pages + BYTES, BYTES), 0);
    return pages;
}

TEST(what_is_there_is_there_at_every_place_in_a_page) {
    char *pages = pages_with_a_hole();
    for (size_t i = 0; i < BYTES; i++) {
        CHECK(agent_memory_is_there(pages + i, BYTES - i));
        CHECK(!agent_memory_is_there(pages + i, BYTES - i + 1));
        CHECK(!agent_memory_is_there(pages + BYTES + i, 1));
        CHECK(agent_memory_is_there(pages + 2 * BYTES + i, 1));
    }
    CHECK(!agent_memory_is_there(pages, 3 * BYTES));
    CHECK(agent_memory_is_there(pages + BYTES, 0));
}

TEST(addresses_that_lead_nowhere_are_no_signal) {
    errno = 0;
    CHECK(!agent_memory_is_there(NULL, 1));
    CHECK(!agent_memory_is_there((void *)(UINTPTR_MAX - 3), 8));
    CHECK(!agent_memory_is_there((void *)(UINTPTR_MAX - BYTES), 8));
    CHECK(!agent_memory_is_there((void *)((uintptr_t)1 << 62), 8));
    CHECK_EQUAL(errno, 0);
}

TEST(bytes_are_read_up_to_the_hole) {
    char *pages = pages_with_a_hole(), copy[2 * AROUND] = {0};
    CHECK_EQUAL(agent_memory_read_some((uintptr_t)pages + BYTES - AROUND, copy, sizeof copy), AROUND);
    CHECK(copy[0] == 7 && copy[AROUND - 1] == 7 && !copy[AROUND]);
    CHECK(!agent_memory_read((uintptr_t)pages + BYTES - AROUND, copy, sizeof copy));
    CHECK(agent_memory_read((uintptr_t)pages + 2 * BYTES, copy, sizeof copy));
    CHECK_EQUAL(agent_memory_read_some((uintptr_t)pages + BYTES, copy, sizeof copy), 0);
}

TEST_MAIN(RUN(what_is_there_is_there_at_every_place_in_a_page); RUN(addresses_that_lead_nowhere_are_no_signal);
          RUN(bytes_are_read_up_to_the_hole);)
