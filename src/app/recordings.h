/* Recordings of the sampler: of a process that runs, of a folder of them, and files that keep them.
 *
 * What is read is *compact* at once: only the used parts of each region. A file that keeps recordings is a sequence of
 * zstd frames, one for each process, each a compact recording (docs/WIRE.md). */
#ifndef CAULK_APP_RECORDINGS_H
#define CAULK_APP_RECORDINGS_H

#include "base/arena.h"
#include "base/error.h"
#include "samples/samples.h"

#include <stdbool.h>

struct recording {
    int pid;
    void *bytes; /* compact */
    size_t length;
    struct samples samples;
};

struct recordings {
    struct recording *list; /* the first process first */
    size_t count;
    size_t damaged; /* left out: no recording could be read from them */
    size_t missing; /* processes that could have none, as their parents' recordings tell */
};

/* Makes the file in `folder` that has room for recordings of processes that cannot make a file. */
struct error *recordings_make_spare(const char *folder, struct arena *arena);

/* The processes whose recordings lie in that file; `out` has room for WIRE_SPARE_PLACES. Their number. */
size_t recordings_spare_processes(const char *folder, int *out);

/* The recordings whose files are in `folder`, as they are now. */
void recordings_read_folder(const char *folder, struct arena *arena, struct recordings *out);

/* The recording that process `pid` maps; *found_out is false if it has none. */
struct error *recording_read_process(int pid, struct arena *arena, struct recording *out, bool *found_out);

/* A file made by recordings_write, or one recording as the sampler left it. */
struct error *recordings_read_file(const char *path, struct arena *arena, struct recordings *out);
bool recordings_recognise(const char *path);

struct error *recordings_write(const struct recordings *recordings, const char *path);

/* All as one, if there are several. */
void recordings_merge(const struct recordings *recordings, struct arena *arena, struct samples *out);

#endif
