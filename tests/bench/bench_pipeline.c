/* Measures the way from a live process to a graph with retained sizes, stage by stage: bench_pipeline PID.
 * Writes one line of JSON; seconds are of the wall clock, bytes are of this program beside the image. */
#include "analysis/census.h"
#include "analysis/paths.h"
#include "graph/capture.h"
#include "memory/freeze.h"
#include "memory/live.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONDITIONS_MAX = 16 };

struct measured {
    double freeze, capture, reach, dominators, census, paths, cpu;
    struct freeze_statistics statistics;
    uint64_t image_copied, image_resident;
    uint64_t graph_bytes, analysis_bytes; /* what the arenas hold at the end of dominators */
    uint64_t peak;                        /* most that was resident beside the image until then */
    uint64_t target_resident;
};

static double clock_now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double lap(double *since) {
    double before = *since;
    *since = clock_now(CLOCK_MONOTONIC);
    return *since - before;
}

/* A field of /proc/PID/status that is in kB, in bytes; 0 if there is none. */
static uint64_t status_field(const char *pid, const char *field) {
    char path[64], line[256];
    uint64_t kilobytes = 0;
    snprintf(path, sizeof path, "/proc/%s/status", pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0)
            kilobytes = strtoull(line + strlen(field), NULL, 10);
    if (file)
        fclose(file);
    return kilobytes << 10;
}

static struct error *take_image(int pid, struct image **out, struct freeze_statistics *statistics) {
    struct memory *live;
    struct python_process process;
    remote_address words[CONDITIONS_MAX];
    struct freeze_condition conditions[CONDITIONS_MAX];
    TRY(live_open(pid, &live));
    struct error *error = python_process_find(live, &process);
    memory_close(live);
    if (error)
        return error;
    size_t count = python_process_collecting(&process, words, CONDITIONS_MAX);
    for (size_t i = 0; i < count; i++)
        conditions[i].address = words[i];
    struct freeze_options options = {.conditions = conditions, .condition_count = count};
    return freeze_and_copy(pid, &options, out, statistics);
}

static void print(const struct measured *measured, const struct heap *heap) {
    printf("{\"freeze\": %.4f, \"capture\": %.4f, \"reach\": %.4f, \"dominators\": %.4f, \"census\": %.4f, "
           "\"paths\": %.4f, \"cpu\": %.4f, \"pause_ms\": %.3f, ",
           measured->freeze, measured->capture, measured->reach, measured->dominators, measured->census,
           measured->paths, measured->cpu, measured->statistics.pause_ms);
    printf("\"gc_objects\": %" PRIu64 ", \"objects\": %u, \"references\": %" PRIu64 ", \"faults\": %" PRIu64 ", ",
           heap->facts.gc_objects, heap->graph.node_count, heap->graph.edge_count, heap->graph.faults);
    printf("\"target_resident\": %" PRIu64 ", \"image_copied\": %" PRIu64 ", \"image_resident\": %" PRIu64
           ", \"graph_bytes\": %" PRIu64 ", \"analysis_bytes\": %" PRIu64 ", \"peak\": %" PRIu64 "}\n",
           measured->target_resident, measured->image_copied, measured->image_resident, measured->graph_bytes,
           measured->analysis_bytes, measured->peak);
}

static struct error *measure(const char *pid) {
    struct measured measured = {.target_resident = status_field(pid, "VmRSS:")};
    uint64_t before = status_field("self", "VmRSS:");
    double since = clock_now(CLOCK_MONOTONIC), cpu = clock_now(CLOCK_PROCESS_CPUTIME_ID);
    struct image *image;
    TRY(take_image(atoi(pid), &image, &measured.statistics));
    measured.freeze = lap(&since);
    measured.image_copied = image->copied;
    measured.image_resident = status_field("self", "VmRSS:") - before;
    struct heap *heap;
    struct arena analysis = {0}, rest = {0};
    struct reach reach;
    struct dominators dominators;
    struct census census;
    struct paths paths;
    lap(&since);
    TRY(capture_heap(image, &heap));
    measured.capture = lap(&since);
    reach_compute(&heap->graph, &analysis, &reach);
    measured.reach = lap(&since);
    dominators_compute(&heap->graph, &reach, DOMINATORS_AUTOMATIC, &analysis, &dominators);
    measured.dominators = lap(&since);
    measured.cpu = clock_now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    measured.peak = status_field("self", "VmHWM:") - measured.image_resident - before;
    measured.graph_bytes = heap->arena.bytes;
    measured.analysis_bytes = analysis.bytes;
    lap(&since);
    census_compute(&heap->graph, &dominators, &rest, &census);
    measured.census = lap(&since);
    paths_compute(&heap->graph, &reach, &rest, &paths);
    measured.paths = lap(&since);
    print(&measured, heap);
    arena_deinit(&rest);
    arena_deinit(&analysis);
    heap_close(heap);
    return NULL;
}

int main(int argc, char **argv) {
    struct error *error =
        argc == 2 ? measure(argv[1]) : error_create(STATUS_USAGE, "usage: bench_pipeline PID");
    if (!error)
        return 0;
    fprintf(stderr, "bench_pipeline: %s\n", error->message);
    return (int)error->status;
}
