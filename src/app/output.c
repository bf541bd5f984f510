/* Results that are written whole or not at all. */
#include "app/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct error *open_temporary(struct output *out) {
    int descriptor = -1;
    if (asprintf(&out->temporary, "%s.XXXXXX", out->path) < 0)
        out->temporary = NULL;
    else
        descriptor = mkostemp(out->temporary, O_CLOEXEC);
    if (descriptor >= 0)
        out->file = fdopen(descriptor, "w");
    if (out->file)
        return NULL;
    struct error *error = error_from_errno(STATUS_OUTPUT, "writing %s", out->path);
    if (descriptor >= 0) {
        close(descriptor);
        unlink(out->temporary);
    }
    free(out->temporary);
    return error;
}

struct error *output_open(const char *path, struct output *out) {
    *out = (struct output){0};
    if (strcmp(path, "-") == 0) {
        out->file = stdout;
        return NULL;
    }
    out->path = path;
    struct stat status;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) { /* a device or a pipe: nothing to rename */
        out->file = fopen(path, "we");
        return out->file ? NULL : error_from_errno(STATUS_OUTPUT, "writing %s", path);
    }
    return open_temporary(out);
}

struct error *output_close(struct output *output) {
    if (!output->path)
        return NULL;
    errno = 0;
    bool written = fflush(output->file) == 0 && !ferror(output->file); /* a second failure tells why */
    int reason = errno;
    if (fclose(output->file) != 0 && written) {
        written = false;
        reason = errno;
    }
    if (written && output->temporary && rename(output->temporary, output->path) != 0) {
        written = false;
        reason = errno;
    }
    struct error *error = NULL;
    if (!written) {
        if (output->temporary)
            unlink(output->temporary);
        errno = reason ? reason : EIO;
        error = error_from_errno(STATUS_OUTPUT, "writing %s", output->path);
    }
    free(output->temporary);
    return error;
}

struct error *output_finish_standard(void) {
    errno = 0;
    bool flushed = fflush(stdout) == 0;
    if (flushed && !ferror(stdout))
        return NULL;
    if (!errno)
        errno = EIO;
    return error_from_errno(STATUS_OUTPUT, "writing to standard output");
}

bool output_colour(void) {
    const char *refused = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && !(refused && *refused);
}
