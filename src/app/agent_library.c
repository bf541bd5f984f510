/* Where libcaulk_agent.so is, and what it is told. */
#include "app/agent_library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* From the folder of the program: a build folder, a Python package, an installation. */
static const char *const folders[] = {".", "../lib/caulk", "../lib", "../lib64", "../lib/x86_64-linux-gnu",
                                      "../lib/aarch64-linux-gnu"};

static const double any_budget = 1000000; /* CPUs */

static const char *resolved(const char *path, struct arena *arena) {
    char *real = realpath(path, NULL);
    if (!real)
        return NULL;
    const char *copy = access(real, R_OK) == 0 ? arena_copy_text(arena, real, strlen(real)) : NULL;
    free(real);
    return copy;
}

struct error *agent_library_find(struct arena *arena, const char **out) {
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = 0;
    char *slash = strrchr(program, '/');
    const char *named = getenv("CAULK_AGENT_LIBRARY");
    *out = named && *named ? resolved(named, arena) : NULL;
    if (*out || (named && *named))
        return *out ? NULL : error_from_errno(STATUS_NO_TARGET, "the sampler %s ($CAULK_AGENT_LIBRARY)", named);
    if (slash)
        *slash = 0;
    for (size_t i = 0; slash && !*out && i < sizeof folders / sizeof *folders; i++)
        *out = resolved(arena_format(arena, "%s/%s/%s", program, folders[i], AGENT_LIBRARY), arena);
    if (!*out)
        return error_create(STATUS_NO_TARGET, "the sampler %s is not beside %s/caulk nor in its library folders: "
                                              "install caulk whole, or name the file in $CAULK_AGENT_LIBRARY",
                            AGENT_LIBRARY, program);
    return NULL;
}

struct agent_library_words agent_library_words(const struct choices *choices) {
    struct agent_library_words words;
    char budget[32] = "";
    if (choices->budget > 0)
        snprintf(budget, sizeof budget, " budget=%.7f", choices->budget < 100 ? choices->budget / 100 : any_budget);
    const char *native = choices->native_stacks ? " native=2" : choices->native ? " native=1" : "";
    snprintf(words.text, sizeof words.text, "interval=%.0f%s%s", choices->every_byte ? 1.0 : choices->interval, budget, native);
    return words;
}
