/* Which argument vector starts the words of `caulk run`. */
#include "app/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool ends_with(const char *word, const char *end) {
    size_t length = strlen(word), part = strlen(end);
    return length > part && strcmp(word + length - part, end) == 0;
}

static bool is_python_file(const char *word) {
    return ends_with(word, ".py") || ends_with(word, ".pyw") || ends_with(word, ".pyc") || ends_with(word, ".pyz");
}

/* The program `word` in PATH, in `arena`; NULL if there is none. */
static const char *find_in_path(const char *word, struct arena *arena) {
    const char *path = getenv("PATH");
    for (const char *at = path ? path : "/usr/local/bin:/usr/bin:/bin"; at; ) {
        const char *end = strchrnul(at, ':');
        int length = (int)(end - at);
        const char *candidate = arena_format(arena, "%.*s/%s", length ? length : 1, length ? at : ".", word);
        struct stat status;
        if (access(candidate, X_OK) == 0 && stat(candidate, &status) == 0 && S_ISREG(status.st_mode))
            return candidate;
        at = *end ? end + 1 : NULL;
    }
    return NULL;
}

/* Whether the file begins with "#!" and a line that names Python. */
static bool is_python_script(const char *path) {
    char line[256] = {0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, line, sizeof line - 1);
    if (file >= 0)
        close(file);
    if (length < 2 || memcmp(line, "#!", 2) != 0)
        return false;
    *strchrnul(line, '\n') = 0;
    if (strstr(line, "python"))
        return true;
    const char *second = length > 10 && strncmp(line, "#!/bin/sh", 9) == 0 ? line + strlen(line) + 1 : "";
    return strncmp(second, "'''exec' ", 9) == 0; /* what pip writes where the path of Python is too long */
}

static struct error *choose_python(const char *python, struct arena *arena, const char **out) {
    const char *preferred = getenv("CAULK_PYTHON"); /* set by the Python package: the one that it is installed in */
    *out = python ? python : preferred && *preferred ? preferred : find_in_path("python3", arena);
    if (!*out)
        *out = find_in_path("python", arena);
    if (!*out)
        return error_create(STATUS_NO_TARGET, "run: no python3 in PATH; name one by --python");
    return NULL;
}

/* A word that is a file: does it take a Python before it? */
static struct error *judge_file(const char *word, bool python_named, struct arena *arena, const char **file_out,
                                bool *needs_python_out) {
    struct stat status;
    const char *path = strchr(word, '/') ? word : find_in_path(word, arena);
    *file_out = path ? path : word;
    if (!path)
        return error_create(STATUS_NO_TARGET, "run: no program %s in PATH; a script that is no .py file needs its "
                                              "path: ./%s", word, word);
    if (stat(path, &status) != 0)
        return error_from_errno(STATUS_NO_TARGET, "run: %s", path);
    bool executable = S_ISREG(status.st_mode) && access(path, X_OK) == 0;
    *needs_python_out = python_named || !executable;
    if (python_named && executable && !is_python_script(path))
        return error_create(STATUS_USAGE, "run: --python is for scripts and modules; %s is a program of its own", path);
    return NULL;
}

struct error *program_words(char **words, size_t count, const char *python, struct arena *arena, char ***out) {
    const char *file = words[0];
    bool needs_python = words[0][0] == '-' || is_python_file(words[0]);
    if (!needs_python)
        TRY(judge_file(words[0], python != NULL, arena, &file, &needs_python));
    char **vector = arena_new(arena, char *, count + 2);
    size_t length = 0;
    if (needs_python) {
        const char *chosen;
        TRY(choose_python(python, arena, &chosen));
        vector[length++] = arena_copy_text(arena, chosen, strlen(chosen));
        vector[length++] = arena_copy_text(arena, file, strlen(file));
    } else {
        vector[length++] = words[0];
    }
    for (size_t i = 1; i < count; i++)
        vector[length++] = words[i];
    *out = vector;
    return NULL;
}
