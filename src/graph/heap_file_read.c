/* Reads a .caulk file. Lengths are believed only after the whole file was found to hold that much, contents only
 * after they were checked against each other. */
#include "graph/heap_file_format.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

struct file_place {
    uint64_t offset; /* of the first chunk */
    uint64_t size;   /* unpacked */
};

struct file_reader {
    int descriptor;
    const char *path;
    uint64_t file_size;
    struct file_header header;
    struct file_place places[SECTION_COUNT];
    struct arena scratch;
    void *packed; /* room for one chunk */
    size_t packed_capacity;
};

static struct error *truncated(const struct file_reader *reader, const char *where) {
    return error_create(STATUS_BAD_FILE, "%s is truncated: it ends in section %.8s; take the snapshot again",
                        reader->path, where);
}

static struct error *damaged(const struct file_reader *reader, const char *where, const char *what) {
    return error_create(STATUS_BAD_FILE, "%s is damaged in section %.8s: %s; take the snapshot again", reader->path,
                        where, what);
}

static struct error *damaged_section(const struct file_reader *reader, enum file_section section, const char *what) {
    return damaged(reader, file_section_names[section], what);
}

/* `size` bytes at `offset`; `where` is the section for the message. */
static struct error *read_at(const struct file_reader *reader, uint64_t offset, void *out, size_t size,
                             const char *where) {
    if (offset > reader->file_size || size > reader->file_size - offset)
        return truncated(reader, where);
    for (size_t done = 0; done < size;) {
        ssize_t count = pread(reader->descriptor, (char *)out + done, size - done, (off_t)(offset + done));
        if (count == 0)
            return truncated(reader, where);
        if (count < 0 && errno != EINTR)
            return error_from_errno(STATUS_BAD_FILE, "reading %s", reader->path);
        if (count > 0)
            done += (size_t)count;
    }
    return NULL;
}

static struct error *check_magic(const struct file_reader *reader) {
    char magic[sizeof FILE_MAGIC - 1] = {0};
    size_t size = reader->file_size < sizeof magic ? (size_t)reader->file_size : sizeof magic;
    TRY(read_at(reader, 0, magic, size, "header"));
    if (size == 0)
        return error_create(STATUS_BAD_FILE, "%s is empty; take the snapshot again", reader->path);
    if (memcmp(magic, FILE_MAGIC, size) != 0)
        return error_create(STATUS_BAD_FILE, "%s is not a snapshot of caulk", reader->path);
    return size < sizeof magic ? truncated(reader, "header") : NULL;
}

static struct error *read_header(struct file_reader *reader) {
    struct file_header *header = &reader->header;
    TRY(check_magic(reader));
    TRY(read_at(reader, 0, header, offsetof(struct file_header, node_count), "header"));
    if (header->version > FILE_VERSION)
        return error_create(STATUS_BAD_FILE, "%s has file version %u, this caulk reads up to %d; use a newer caulk",
                            reader->path, header->version, FILE_VERSION);
    TRY(read_at(reader, 0, header, sizeof *header, "header"));
    if (header->checksum != file_checksum(header, offsetof(struct file_header, checksum)))
        return damaged(reader, "header", "wrong checksum");
    if (header->version != FILE_VERSION)
        return damaged(reader, "header", "impossible version");
    if (header->synthetic_count < 1 || header->synthetic_count > header->node_count ||
        header->node_count == NODE_NONE || header->edge_count >= UINT32_MAX)
        return damaged(reader, "header", "impossible numbers of nodes or edges");
    return NULL;
}

static size_t chunk_size(uint64_t left) {
    return left < FILE_CHUNK ? (size_t)left : FILE_CHUNK;
}

/* Walks over the chunks without unpacking them: is as much there as the section says? */
static struct error *index_section(struct file_reader *reader, enum file_section section, uint64_t *offset) {
    const char *name = file_section_names[section];
    struct file_section_header header;
    TRY(read_at(reader, *offset, &header, sizeof header, name));
    if (header.checksum != file_checksum(&header, offsetof(struct file_section_header, checksum)))
        return damaged(reader, name, "wrong checksum of its header");
    if (memcmp(header.name, name, sizeof header.name) != 0)
        return damaged(reader, name, "another section is in its place");
    *offset += sizeof header;
    reader->places[section] = (struct file_place){*offset, header.size};
    for (uint64_t left = header.size; left > 0; left -= chunk_size(left)) {
        uint32_t packed_size;
        TRY(read_at(reader, *offset, &packed_size, sizeof packed_size, name));
        if (packed_size == 0 || packed_size > reader->packed_capacity)
            return damaged(reader, name, "impossible length of a chunk");
        *offset += sizeof packed_size + packed_size;
        if (*offset > reader->file_size)
            return truncated(reader, name);
    }
    return NULL;
}

/* How large a section must be; UINT64_MAX if it says so itself. */
static uint64_t expected_size(const struct file_header *header, enum file_section section) {
    switch (section) {
    case SECTION_ADDRESS:
    case SECTION_SIZE: return header->node_count * (uint64_t)8;
    case SECTION_TYPE_OF:
    case SECTION_REFCOUNT:
    case SECTION_DEGREE: return header->node_count * (uint64_t)4;
    case SECTION_FLAGS: return header->node_count;
    case SECTION_TARGET:
    case SECTION_NAME: return header->edge_count * 4;
    case SECTION_KIND: return header->edge_count;
    case SECTION_TYPE: return header->type_count * (uint64_t)sizeof(struct file_type);
    case SECTION_END: return 0;
    default: return UINT64_MAX;
    }
}

/* The most bytes that a section of its own size can have. */
static uint64_t largest_size(const struct file_header *header, enum file_section section) {
    switch (section) {
    case SECTION_FACTS: return 2 * sizeof(struct heap_facts);
    case SECTION_NODE_NAME: return header->node_count * (uint64_t)sizeof(struct file_node_name);
    case SECTION_NODE_FACT: return header->node_count * (uint64_t)sizeof(struct file_node_fact);
    case SECTION_WORD_BEGIN: return UINT32_MAX * (uint64_t)4;
    default: return UINT32_MAX;
    }
}

static struct error *index_sections(struct file_reader *reader) {
    uint64_t offset = sizeof reader->header;
    for (int section = 0; section < SECTION_COUNT; section++) {
        TRY(index_section(reader, (enum file_section)section, &offset));
        uint64_t size = reader->places[section].size;
        uint64_t expected = expected_size(&reader->header, (enum file_section)section);
        if (expected != UINT64_MAX ? size != expected
                                   : size > largest_size(&reader->header, (enum file_section)section))
            return damaged_section(reader, (enum file_section)section, "its size contradicts the header");
    }
    if (offset != reader->file_size)
        return damaged_section(reader, SECTION_END, "something follows it");
    return NULL;
}

static struct error *read_section_into(const struct file_reader *reader, enum file_section section, void *out) {
    const char *name = file_section_names[section];
    uint64_t offset = reader->places[section].offset;
    char *place = out;
    for (uint64_t left = reader->places[section].size; left > 0; left -= chunk_size(left)) {
        uint32_t packed_size;
        TRY(read_at(reader, offset, &packed_size, sizeof packed_size, name));
        if (packed_size > reader->packed_capacity) /* the file changed since it was indexed */
            return damaged(reader, name, "impossible length of a chunk");
        TRY(read_at(reader, offset + sizeof packed_size, reader->packed, packed_size, name));
        size_t size = chunk_size(left);
        size_t got = ZSTD_decompress(place, size, reader->packed, packed_size);
        if (ZSTD_isError(got) || got != size)
            return damaged(reader, name, ZSTD_isError(got) ? ZSTD_getErrorName(got) : "a chunk is too short");
        offset += sizeof packed_size + packed_size;
        place += size;
    }
    return NULL;
}

static struct error *read_section(const struct file_reader *reader, enum file_section section, struct arena *arena,
                                  void **out) {
    *out = arena_allocate(arena, 1, reader->places[section].size);
    return read_section_into(reader, section, *out);
}

static struct error *read_facts(const struct file_reader *reader, struct heap *heap) {
    void *bytes;
    struct arena scratch = {0};
    struct error *error = read_section(reader, SECTION_FACTS, &scratch, &bytes);
    if (!error && !file_facts_decode((struct span){bytes, reader->places[SECTION_FACTS].size}, &heap->facts))
        error = damaged_section(reader, SECTION_FACTS, "a text is longer than its place");
    arena_deinit(&scratch);
    return error;
}

static struct error *read_nodes(const struct file_reader *reader, struct heap *heap) {
    struct graph *graph = &heap->graph;
    void *addresses, *sizes, *type_of, *refcounts, *flags;
    TRY(read_section(reader, SECTION_ADDRESS, &heap->arena, &addresses));
    TRY(read_section(reader, SECTION_SIZE, &heap->arena, &sizes));
    TRY(read_section(reader, SECTION_TYPE_OF, &heap->arena, &type_of));
    TRY(read_section(reader, SECTION_REFCOUNT, &heap->arena, &refcounts));
    TRY(read_section(reader, SECTION_FLAGS, &heap->arena, &flags));
    uint64_t *address = addresses;
    for (node_id n = 1; n < graph->node_count; n++)
        if (__builtin_add_overflow(address[n], address[n - 1], &address[n]))
            return damaged_section(reader, SECTION_ADDRESS, "an address is too large");
    graph->addresses = addresses;
    graph->sizes = sizes;
    graph->type_of = type_of;
    graph->refcounts = refcounts;
    graph->flags = flags;
    return NULL;
}

static struct error *read_edges(const struct file_reader *reader, struct heap *heap) {
    struct graph *graph = &heap->graph;
    void *targets, *kinds;
    uint32_t *begin = arena_new(&heap->arena, uint32_t, (size_t)graph->node_count + 1);
    TRY(read_section_into(reader, SECTION_DEGREE, begin + 1));
    uint64_t total = 0;
    for (node_id n = 0; n < graph->node_count; n++) {
        total += begin[n + 1];
        if (total > graph->edge_count)
            return damaged_section(reader, SECTION_DEGREE, "more edges than the header says");
        begin[n + 1] = (uint32_t)total;
    }
    if (total != graph->edge_count)
        return damaged_section(reader, SECTION_DEGREE, "fewer edges than the header says");
    TRY(read_section(reader, SECTION_TARGET, &heap->arena, &targets));
    TRY(read_section(reader, SECTION_KIND, &heap->arena, &kinds));
    graph->out_begin = begin;
    graph->out_target = targets;
    graph->out_kind = kinds;
    for (uint64_t e = 0; e < graph->edge_count; e++)
        if (graph->out_target[e] >= graph->node_count)
            return damaged_section(reader, SECTION_TARGET, "an edge leads to a node that does not exist");
    return NULL;
}

static struct error *read_words(const struct file_reader *reader, struct heap *heap, struct file_words *words) {
    uint64_t begin_size = reader->places[SECTION_WORD_BEGIN].size, bytes = reader->places[SECTION_WORD_BYTES].size;
    if (begin_size < 8 || begin_size % 4)
        return damaged_section(reader, SECTION_WORD_BEGIN, "impossible length");
    void *begin, *text;
    TRY(read_section(reader, SECTION_WORD_BEGIN, &heap->arena, &begin));
    TRY(read_section(reader, SECTION_WORD_BYTES, &heap->arena, &text));
    words->word_begin = begin;
    words->word_bytes = text;
    words->word_count = (uint32_t)(begin_size / 4 - 1);
    if (words->word_begin[0] != 0 || words->word_begin[1] != 0 || words->word_begin[words->word_count] != bytes)
        return damaged_section(reader, SECTION_WORD_BEGIN, "the words do not cover their text");
    for (uint32_t w = 0; w < words->word_count; w++)
        if (words->word_begin[w] > words->word_begin[w + 1])
            return damaged_section(reader, SECTION_WORD_BEGIN, "words overlap");
    return NULL;
}

static struct error *read_edge_words(const struct file_reader *reader, struct heap *heap, struct file_words *words) {
    void *edge_words;
    TRY(read_section(reader, SECTION_NAME, &heap->arena, &edge_words));
    words->edge_words = edge_words;
    for (uint64_t e = 0; e < heap->graph.edge_count; e++)
        if (heap->graph.out_kind[e] != EDGE_INDEX && words->edge_words[e] >= words->word_count)
            return damaged_section(reader, SECTION_NAME, "a word does not exist");
    return NULL;
}

static struct error *read_node_words(const struct file_reader *reader, struct heap *heap, struct file_words *words) {
    void *names, *facts;
    if (reader->places[SECTION_NODE_NAME].size % sizeof *words->node_names)
        return damaged_section(reader, SECTION_NODE_NAME, "impossible length");
    if (reader->places[SECTION_NODE_FACT].size % sizeof *words->node_facts)
        return damaged_section(reader, SECTION_NODE_FACT, "impossible length");
    TRY(read_section(reader, SECTION_NODE_NAME, &heap->arena, &names));
    TRY(read_section(reader, SECTION_NODE_FACT, &heap->arena, &facts));
    words->node_names = names;
    words->node_facts = facts;
    words->node_name_count = reader->places[SECTION_NODE_NAME].size / sizeof *words->node_names;
    words->node_fact_count = reader->places[SECTION_NODE_FACT].size / sizeof *words->node_facts;
    for (size_t i = 0; i < words->node_name_count; i++)
        if (words->node_names[i].word >= words->word_count || words->node_names[i].node >= heap->graph.node_count ||
            (i && words->node_names[i].node <= words->node_names[i - 1].node))
            return damaged_section(reader, SECTION_NODE_NAME, "an impossible entry");
    for (size_t i = 0; i < words->node_fact_count; i++)
        if (words->node_facts[i].file >= words->word_count || words->node_facts[i].node >= heap->graph.node_count ||
            (i && words->node_facts[i].node <= words->node_facts[i - 1].node))
            return damaged_section(reader, SECTION_NODE_FACT, "an impossible entry");
    return NULL;
}

static struct error *read_types(struct file_reader *reader, struct heap *heap, const struct file_words *words) {
    void *records;
    TRY(read_section(reader, SECTION_TYPE, &reader->scratch, &records));
    const struct file_type *record = records;
    struct graph_type *types = arena_new(&heap->arena, struct graph_type, heap->graph.type_count);
    for (uint32_t t = 0; t < heap->graph.type_count; t++) {
        if (record[t].name >= words->word_count || record[t].module >= words->word_count)
            return damaged_section(reader, SECTION_TYPE, "a word does not exist");
        types[t] = (struct graph_type){file_word(words, record[t].name), file_word(words, record[t].module),
                                       record[t].role, record[t].flags, record[t].address};
    }
    heap->graph.types = types;
    return NULL;
}

static struct error *read_graph(struct file_reader *reader, struct heap *heap) {
    struct graph *graph = &heap->graph;
    struct file_words *words = arena_new(&heap->arena, struct file_words, 1);
    graph->node_count = reader->header.node_count;
    graph->synthetic_count = reader->header.synthetic_count;
    graph->type_count = reader->header.type_count;
    graph->edge_count = reader->header.edge_count;
    graph->faults = reader->header.faults;
    words->graph = graph;
    graph->describe = file_words_describe(words);
    TRY(read_facts(reader, heap));
    TRY(read_nodes(reader, heap));
    TRY(read_edges(reader, heap));
    TRY(read_words(reader, heap, words));
    TRY(read_edge_words(reader, heap, words));
    TRY(read_node_words(reader, heap, words));
    TRY(read_types(reader, heap, words));
    graph_build_in_edges(graph, &heap->arena);
    const char *problem = graph_check(graph);
    return problem ? damaged(reader, "graph", problem) : NULL;
}

static struct error *read_heap(struct file_reader *reader, struct heap **out) {
    reader->packed_capacity = ZSTD_compressBound(FILE_CHUNK);
    reader->packed = arena_new(&reader->scratch, char, reader->packed_capacity);
    TRY(read_header(reader));
    TRY(index_sections(reader));
    struct heap *heap = heap_create();
    struct error *error = read_graph(reader, heap);
    if (error)
        heap_close(heap);
    else
        *out = heap;
    return error;
}

struct error *heap_file_read(const char *path, struct heap **out) {
    struct file_reader reader = {.path = path, .descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    *out = NULL;
    if (reader.descriptor < 0)
        return error_from_errno(STATUS_NO_TARGET, "opening %s", path);
    struct stat status;
    struct error *error = NULL;
    if (fstat(reader.descriptor, &status) != 0 || !S_ISREG(status.st_mode))
        error = error_create(STATUS_BAD_FILE, "%s is not a file, so it cannot be a snapshot", path);
    reader.file_size = error ? 0 : (uint64_t)status.st_size;
    if (!error)
        error = read_heap(&reader, out);
    arena_deinit(&reader.scratch);
    close(reader.descriptor);
    return error;
}

bool heap_file_recognise(const char *path) {
    char magic[sizeof FILE_MAGIC - 1];
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return false;
    ssize_t count = pread(descriptor, magic, sizeof magic, 0);
    close(descriptor);
    return count == sizeof magic && memcmp(magic, FILE_MAGIC, sizeof magic) == 0;
}
