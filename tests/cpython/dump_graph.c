/* Prints the graph of a live process or of a .caulk file as lines, for comparison with what gc says.
 *
 *     N address size refcount in_edges flags type
 *     E source_address target_address kind
 *
 * With the beginning of a type's name as second argument it prints who holds the instances of such types:
 *     H type holder_type kind name holder_name
 * With "=NAME" it prints what code does to expressions with that name in them, "=" to local variables:
 *     W line how expression method function */
#include "graph/capture.h"
#include "memory/freeze.h"
#include "memory/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct error *take(int pid, struct heap **out) {
    struct memory *live;
    TRY(live_open(pid, &live));
    struct python_process process;
    struct error *error = python_process_find(live, &process);
    memory_close(live);
    if (error)
        return error;
    remote_address words[16];
    struct freeze_condition conditions[16];
    size_t count = python_process_collecting(&process, words, 16);
    for (size_t i = 0; i < count; i++)
        conditions[i].address = words[i];
    struct freeze_options options = {.conditions = conditions, .condition_count = count};
    struct freeze_statistics statistics;
    struct image *image;
    double begin = now();
    TRY(freeze_and_copy(pid, &options, &image, &statistics));
    double copied = now();
    error = capture_heap(image, out);
    fprintf(stderr, "freeze and copy %.3f s (pause %.1f ms), capture %.3f s\n", copied - begin,
            statistics.pause_ms, now() - copied);
    return error;
}

static void dump(const struct graph *graph) {
    static char buffer[1 << 20];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    for (node_id node = 0; node < graph->node_count; node++) {
        const struct graph_type *type = graph_type_of(graph, node);
        printf("N %llu %llu %u %u %u %.*s.%.*s\n", (unsigned long long)graph->addresses[node],
               (unsigned long long)graph->sizes[node], graph->refcounts[node], graph_in_degree(graph, node),
               graph->flags[node], (int)type->module.length, type->module.data, (int)type->name.length,
               type->name.data);
    }
    for (node_id node = 0; node < graph->node_count; node++)
        for (uint32_t edge = graph->out_begin[node]; edge < graph->out_begin[node + 1]; edge++)
            printf("E %llu %llu %u\n", (unsigned long long)graph->addresses[node],
                   (unsigned long long)graph->addresses[graph->out_target[edge]], graph->out_kind[edge]);
}

static void print_holders(const struct graph *graph, node_id source, const char *prefix) {
    struct arena scratch = {0};
    uint32_t degree = graph_out_degree(graph, source);
    struct edge_name *names = arena_new(&scratch, struct edge_name, degree + 1);
    const struct graph_type *holder = graph_type_of(graph, source);
    graph->describe.edge_names(graph->describe.context, source, names, &scratch);
    struct span title = graph->describe.node_name(graph->describe.context, source, &scratch);
    for (uint32_t i = 0; i < degree; i++) {
        uint32_t edge = graph->out_begin[source] + i;
        const struct graph_type *type = graph_type_of(graph, graph->out_target[edge]);
        if (type->name.length < strlen(prefix) || memcmp(type->name.data, prefix, strlen(prefix)) != 0)
            continue;
        printf("H\t%.*s\t%.*s\t%u\t", (int)type->name.length, type->name.data, (int)holder->name.length,
               holder->name.data, graph->out_kind[edge]);
        if (names[i].index >= 0)
            printf("%lld", (long long)names[i].index);
        printf("%.*s\t%.*s\n", (int)names[i].text.length, names[i].text.data, (int)title.length, title.data);
    }
    arena_deinit(&scratch);
}

static void print_writes(const struct graph *graph, node_id node, struct span wanted) {
    static const char *const words[] = {"item", "method", "argument", "call", "attribute", "inplace"};
    struct arena scratch = {0};
    struct code_write *writes;
    const struct graph_describe *describe = &graph->describe;
    size_t count = describe->code_writes(describe->context, node, wanted, &writes, &scratch);
    struct span function = describe->node_name(describe->context, node, &scratch);
    for (size_t i = 0; i < count; i++) {
        printf("W %d %s ", writes[i].line, words[writes[i].how]);
        for (uint32_t part = 0; part < writes[i].part_count; part++)
            printf("%s%.*s", part ? "." : "", (int)writes[i].parts[part].length, writes[i].parts[part].data);
        printf(" %.*s %.*s\n", (int)writes[i].method.length, writes[i].method.data, (int)function.length, function.data);
    }
    arena_deinit(&scratch);
}

int main(int argc, char **argv) {
    struct heap *heap = NULL;
    struct error *error = argc < 2 ? error_create(STATUS_USAGE, "usage: dump_graph PID|FILE.caulk")
                          : heap_file_recognise(argv[1]) ? heap_file_read(argv[1], &heap)
                                                         : take(atoi(argv[1]), &heap);
    if (error) {
        fprintf(stderr, "dump_graph: %s\n", error->message);
        return (int)error->status;
    }
    const char *broken = graph_check(&heap->graph);
    fprintf(stderr, "%u nodes, %llu edges, %llu faults, gc %llu%s%s\n", heap->graph.node_count,
            (unsigned long long)heap->graph.edge_count, (unsigned long long)heap->graph.faults,
            (unsigned long long)heap->facts.gc_objects, broken ? "; broken: " : "", broken ? broken : "");
    for (node_id node = 0; argc > 2 && node < heap->graph.synthetic_count; node++) {
        struct arena scratch = {0};
        struct span name = heap->graph.describe.node_name(heap->graph.describe.context, node, &scratch);
        fprintf(stderr, "  %u %.*s: %u references\n", node, (int)name.length, name.data,
                graph_out_degree(&heap->graph, node));
        arena_deinit(&scratch);
    }
    if (argc < 3)
        dump(&heap->graph);
    for (node_id node = 0; argc > 2 && argv[2][0] == '=' && node < heap->graph.node_count; node++)
        if (graph_type_of(&heap->graph, node)->role == ROLE_CODE)
            print_writes(&heap->graph, node, span_from_text(argv[2] + 1));
    for (node_id node = 0; argc > 2 && argv[2][0] != '=' && node < heap->graph.node_count; node++)
        print_holders(&heap->graph, node, argv[2]);
    heap_close(heap);
    return broken != NULL;
}
