/* Wild heaps: overwrites words of a real Python's image and does all that caulk does with it, again and again.
 *
 *     fuzz_image [--seconds N | --runs N] [--seed N] [--first N] PYTHON heap_of_everything.py
 *
 * Each run is a child with a limit of time and memory: a crash, an endless loop, a graph that is not sound or a
 * file that does not come back is a failure, and the line that repeats it is printed. */
#include "known_damage.h"

#include "analysis/census.h"
#include "analysis/path_tree.h"
#include "graph/capture.h"
#include "memory/freeze.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 1 << IMAGE_PAGE_BITS, CPU_SECONDS = 20, SAMPLE = 64 };
#define MEMORY_CEILING (3ull << 30)

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void) {
    return "detect_leaks=0:handle_abort=1:quarantine_size_mb=16:allocator_may_return_null=0";
}
const char *__ubsan_default_options(void) {
    return "halt_on_error=1:abort_on_error=1:print_stacktrace=1";
}

/* Told by the children. */
struct outcome {
    uint64_t reports, refused, faults, with_faults, nodes, slowest_ms;
};

struct settings {
    double seconds;
    uint64_t runs, seed, first;
    const char *python, *program;
};

static void require(bool holds, const char *what) {
    if (holds)
        return;
    fprintf(stderr, "fuzz_image: %s\n", what);
    abort();
}

static void require_success(struct error *error) {
    if (error)
        fprintf(stderr, "fuzz_image: %s\n", error->message);
    require(!error, "not to be expected");
}

/* --- what is done with a heap --- */

static uint64_t random_below(uint64_t *state, uint64_t limit) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (*state >> 33) % limit;
}

static void describe_sample(const struct heap *heap, const struct reach *reach, const struct paths *paths,
                            uint64_t *state) {
    const struct graph *graph = &heap->graph;
    for (int i = 0; i < SAMPLE; i++) {
        struct arena arena = {0};
        struct text text = {0};
        struct path_step *steps;
        struct node_facts facts;
        node_id node = (node_id)random_below(state, graph->node_count);
        struct edge_name *names = arena_new(&arena, struct edge_name, graph_out_degree(graph, node));
        graph->describe.edge_names(graph->describe.context, node, names, &arena);
        graph->describe.node_facts(graph->describe.context, node, &facts, &arena);
        graph->describe.node_name(graph->describe.context, node, &arena);
        size_t count = paths_steps(graph, paths, node, &arena, &steps);
        paths_write(graph, reach, steps, count, &text);
        text_deinit(&text);
        arena_deinit(&arena);
    }
}

static void write_and_read(const struct heap *heap, uint64_t run) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/caulk-fuzz-image-%d.caulk", (int)getpid());
    struct heap_file_options options = {.values = run % 2};
    struct heap *back = NULL;
    require_success(heap_file_write(heap, path, &options));
    struct error *error = heap_file_read(path, &back);
    unlink(path);
    require_success(error);
    require(back->graph.edge_count == heap->graph.edge_count, "the file has other edges");
    heap_close(back);
}

static void count_hole(void *context, node_id node, uint64_t bytes) {
    uint64_t *count = context;
    *count += node && bytes;
}

/* What is no object: the chunks of malloc are as wild as the rest. */
static void use_raw_memory(const struct heap *heap) {
    struct arena arena = {0};
    struct allocator_use use;
    struct raw_holders holders;
    uint64_t count = 0;
    capture_allocator_use(heap, &use);
    capture_raw(heap, &arena, &holders);
    capture_holes(heap, count_hole, &count);
    arena_deinit(&arena);
}

static void use_heap(const struct heap *heap, uint64_t run) {
    const struct graph *graph = &heap->graph;
    struct arena arena = {0};
    struct reach reach;
    struct dominators dominators;
    struct paths paths;
    struct path_tree tree;
    struct census census;
    uint64_t state = run;
    reach_compute(graph, &arena, &reach);
    dominators_compute(graph, &reach, (enum dominators_algorithm)(run % 3), &arena, &dominators);
    census_compute(graph, &dominators, &arena, &census);
    paths_compute(graph, &reach, &arena, &paths);
    path_tree_build(graph, &reach, &paths, run % 2 ? &arena : NULL, &arena, &tree);
    require(dominators.retained[NODE_ROOT] >= census.bytes, "the root retains less than all");
    describe_sample(heap, &reach, &paths, &state);
    if (run % 4 == 0)
        write_and_read(heap, run);
    arena_deinit(&arena);
}

static void examine(struct image *image, uint64_t run, struct outcome *outcome) {
    struct heap *heap = NULL;
    struct error *error = capture_heap(image, &heap);
    if (error) {
        require(!heap && error->message[0] && !strchr(error->message, '\n'), "a refusal without one clear line");
        error_discard(error);
        outcome->refused++;
        return;
    }
    const char *broken = graph_check(&heap->graph);
    require(!broken, broken ? broken : "");
    require(heap->facts.faults == heap->graph.faults, "two opinions of the faults");
    use_heap(heap, run);
    if (run % 4 == 0)
        use_raw_memory(heap);
    outcome->reports++;
    outcome->faults += heap->graph.faults;
    outcome->with_faults += heap->graph.faults > 0;
    outcome->nodes += heap->graph.node_count;
    heap_close(heap);
}

/* --- runs --- */

static void endless(int number) {
    (void)number;
    static const char message[] = "fuzz_image: too long: an endless loop\n";
    if (write(STDERR_FILENO, message, sizeof message - 1) > 0)
        abort();
    abort();
}

/* AddressSanitizer has mapped terabytes already: only what comes on top is limited. */
static void limit_memory(void) {
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%llu", &pages) != 1)
        abort();
    fclose(file);
    struct rlimit limit = {pages * PAGE + MEMORY_CEILING, pages * PAGE + MEMORY_CEILING};
    setrlimit(RLIMIT_AS, &limit);
}

static void limit_child(void) {
    struct itimerval timer = {.it_value.tv_sec = CPU_SECONDS};
    signal(SIGPROF, endless);
    setitimer(ITIMER_PROF, &timer, NULL);
    limit_memory();
}

static void run_child(struct image_changes *changes, const struct settings *settings, uint64_t run,
                      struct outcome *outcome) {
    struct rusage usage;
    limit_child();
    image_changes_make(changes, settings->seed, run);
    examine(changes->image, run, outcome);
    getrusage(RUSAGE_SELF, &usage);
    uint64_t took = (uint64_t)usage.ru_utime.tv_sec * 1000 + (uint64_t)usage.ru_utime.tv_usec / 1000;
    if (took > outcome->slowest_ms)
        outcome->slowest_ms = took;
    _exit(0);
}

static bool run_once(struct image_changes *changes, const struct settings *settings, uint64_t run,
                     struct outcome *outcome) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        run_child(changes, settings, run, outcome);
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child || status == 0)
        return status == 0;
    fprintf(stderr, "fuzz_image: run %llu failed with status %#x; again by: --seed %llu --first %llu --runs 1 %s %s\n",
            (unsigned long long)run, status, (unsigned long long)settings->seed, (unsigned long long)run,
            settings->python, settings->program);
    return false;
}

/* Damage of one word is told as a fault, costs nothing but what it hit, and never the report. */
static void run_known_child(struct image_changes *changes, const struct known_damage *damage) {
    struct heap *heap;
    limit_child();
    remote_address lost = damage->make(changes);
    require_success(capture_heap(changes->image, &heap));
    const struct graph *graph = &heap->graph;
    require(!graph_check(graph), "the graph is not sound");
    require(graph->faults > 0, "no fault was counted");
    node_id node = lost ? graph_find_address(graph, lost) : NODE_NONE;
    require(!lost || node != NODE_NONE, "the damaged object is not in the report");
    require(!lost || graph_out_degree(graph, node) <= 2, "the damaged object has references");
    require(graph->node_count > changes->graph->node_count / 4, "most of the heap is missing");
    use_heap(heap, 0);
    heap_close(heap);
    _exit(0);
}

/* Whether it is read beyond the image is for the fence to say. */
static void run_short_type_child(struct image_changes *changes, const char *type) {
    struct outcome outcome = {0};
    limit_child();
    if (known_damage_short_type(changes, type))
        examine(changes->image, 1, &outcome);
    _exit(0);
}

static bool went_well(pid_t child, const char *what) {
    int status = -1;
    if (child > 0 && waitpid(child, &status, 0) == child && status == 0)
        return true;
    fprintf(stderr, "fuzz_image: %s: failed with status %#x\n", what, status);
    return false;
}

static uint64_t run_known(struct image_changes *changes) {
    uint64_t failures = 0;
    fflush(NULL);
    for (size_t i = 0; i < known_damage_count; i++) {
        pid_t child = fork();
        if (child == 0)
            run_known_child(changes, &known_damages[i]);
        failures += !went_well(child, known_damages[i].name);
    }
    for (size_t i = 0; i < known_damage_type_count; i++) {
        pid_t child = fork();
        if (child == 0)
            run_short_type_child(changes, known_damage_types[i]);
        failures += !went_well(child, known_damage_types[i]);
    }
    return failures;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* --- the Python --- */

static pid_t start_python(const struct settings *settings) {
    int ready[2], still[2];
    char *environment[] = {"PYTHONHASHSEED=0", NULL};
    if (pipe(ready) != 0 || pipe2(still, O_CLOEXEC) != 0)
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        personality(ADDR_NO_RANDOMIZE);
        dup2(still[0], STDIN_FILENO);
        dup2(ready[1], STDOUT_FILENO);
        close(ready[0]);
        close(ready[1]);
        execle(settings->python, settings->python, "-I", "-S", settings->program, NULL, environment);
        _exit(127);
    }
    char answer;
    close(ready[1]);
    close(still[0]);
    if (read(ready[0], &answer, 1) != 1)
        abort();
    close(ready[0]);
    usleep(200000); /* it still has to reach its deepest frame */
    return pid;
}

/* Into a range of its own, between pages that nobody may touch. */
static void fence(struct image *image) {
    unsigned char *range =
        mmap(NULL, image->length + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED || mprotect(range + PAGE, image->length, PROT_READ | PROT_WRITE) != 0)
        abort();
    memcpy(range + PAGE, image->base, image->length);
    munmap((void *)image->base, image->length);
    image->base = range + PAGE;
}

static void take(pid_t pid, struct image **image, struct heap **heap) {
    struct freeze_options options = {0};
    struct freeze_statistics statistics;
    struct image *twin;
    require_success(freeze_and_copy(pid, &options, image, &statistics));
    require_success(freeze_and_copy(pid, &options, &twin, &statistics));
    require_success(capture_heap(twin, heap));
    require(!graph_check(&(*heap)->graph) && (*heap)->graph.faults == 0, "the heap is wild before it was changed");
    fence(*image);
}

static int fuzz(const struct settings *settings, struct image_changes *changes) {
    struct outcome *outcome =
        mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double begin = now();
    uint64_t run = settings->first, failures = 0;
    for (; settings->runs ? run < settings->first + settings->runs : now() - begin < settings->seconds; run++)
        if (!run_once(changes, settings, run, outcome) && ++failures == 5)
            break;
    uint64_t runs = run - settings->first;
    printf("%llu runs from seed %llu: %llu reports (%llu with faults, %llu faults, %llu nodes), %llu refused, "
           "%llu failed; slowest %llu ms\n",
           (unsigned long long)runs, (unsigned long long)settings->seed, (unsigned long long)outcome->reports,
           (unsigned long long)outcome->with_faults, (unsigned long long)outcome->faults,
           (unsigned long long)outcome->nodes, (unsigned long long)outcome->refused, (unsigned long long)failures,
           (unsigned long long)outcome->slowest_ms);
    bool refuses_too_much = runs >= 50 && outcome->refused * 2 > runs;
    if (refuses_too_much)
        fprintf(stderr, "fuzz_image: more refusals than reports\n");
    return failures || runs == 0 || refuses_too_much;
}

static bool read_settings(int argc, char **argv, struct settings *settings) {
    *settings = (struct settings){.seconds = 10, .seed = 1};
    int i = 1;
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0)
            settings->seconds = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--seed") == 0)
            settings->seed = strtoull(argv[i + 1], NULL, 0);
        else if (strcmp(argv[i], "--first") == 0)
            settings->first = strtoull(argv[i + 1], NULL, 0);
        else if (strcmp(argv[i], "--runs") == 0)
            settings->runs = strtoull(argv[i + 1], NULL, 0);
        else
            return false;
    }
    if (argc - i != 2)
        return false;
    settings->python = argv[i];
    settings->program = argv[i + 1];
    return true;
}

int main(int argc, char **argv) {
    struct settings settings;
    if (!read_settings(argc, argv, &settings)) {
        fprintf(stderr, "usage: fuzz_image [--seconds N | --runs N] [--seed N] [--first N] PYTHON PROGRAM\n");
        return 64;
    }
    struct image *image;
    struct heap *heap;
    struct image_changes changes;
    struct arena arena = {0};
    pid_t pid = start_python(&settings);
    take(pid, &image, &heap);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    image_changes_begin(&changes, image, &heap->graph, &arena);
    printf("%s: %u nodes, %llu edges, %llu MiB\n", settings.python, heap->graph.node_count,
           (unsigned long long)heap->graph.edge_count, (unsigned long long)(image->length >> 20));
    bool wrong = !settings.first && run_known(&changes) > 0;
    return fuzz(&settings, &changes) || wrong;
}
