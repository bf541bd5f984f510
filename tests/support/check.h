/* A unit test is a list of CHECK lines in TEST bodies; main() is made by TEST_MAIN. Prints "N passed, N failed". */
#ifndef CAULK_TESTS_CHECK_H
#define CAULK_TESTS_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct check_state {
    const char *test;
    bool test_failed;
    int passed, failed;
};

extern struct check_state check_state;

#define TEST(name) static void name(void)

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            check_state.test_failed = true;                                                                  \
            fprintf(stderr, "%s:%d: in %s: not true: %s\n", __FILE__, __LINE__, check_state.test, #condition); \
        }                                                                                                    \
    } while (0)

#define CHECK_EQUAL(actual, expected)                                                                        \
    do {                                                                                                     \
        long long check_actual = (long long)(actual), check_expected = (long long)(expected);                \
        if (check_actual != check_expected) {                                                                \
            check_state.test_failed = true;                                                                  \
            fprintf(stderr, "%s:%d: in %s: %s is %lld, not %lld\n", __FILE__, __LINE__, check_state.test,     \
                    #actual, check_actual, check_expected);                                                  \
        }                                                                                                    \
    } while (0)

#define CHECK_TEXT(actual, expected)                                                                         \
    do {                                                                                                     \
        const char *check_actual = (actual), *check_expected = (expected);                                   \
        if (!check_actual || strcmp(check_actual, check_expected) != 0) {                                    \
            check_state.test_failed = true;                                                                  \
            fprintf(stderr, "%s:%d: in %s: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, check_state.test, \
                    #actual, check_actual ? check_actual : "(null)", check_expected);                        \
        }                                                                                                    \
    } while (0)

#define RUN(name)                                                                                            \
    do {                                                                                                     \
        check_state.test = #name;                                                                            \
        check_state.test_failed = false;                                                                     \
        name();                                                                                              \
        check_state.test_failed ? check_state.failed++ : check_state.passed++;                               \
    } while (0)

/* TEST_MAIN(RUN(first); RUN(second);) */
#define TEST_MAIN(...)                                                                                       \
    struct check_state check_state;                                                                          \
    int main(void) {                                                                                         \
        __VA_ARGS__                                                                                          \
        printf("%d passed, %d failed\n", check_state.passed, check_state.failed);                            \
        return check_state.failed != 0;                                                                      \
    }

#endif
