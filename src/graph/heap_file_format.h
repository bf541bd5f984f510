/* What the writer and the reader of .caulk files agree on; docs/FILE.md says it in words.
 *
 * A header, then sections in fixed order, each a section header and its bytes in chunks of FILE_CHUNK, each chunk
 * a zstd frame with a checksum of its content. All numbers are little-endian. */
#ifndef CAULK_GRAPH_HEAP_FILE_FORMAT_H
#define CAULK_GRAPH_HEAP_FILE_FORMAT_H

#include "base/text.h"
#include "graph/heap_file.h"

enum { FILE_VERSION = 1, FILE_CHUNK = 1 << 20 };

/* As PNG has it: a byte over 127 and a carriage return tell a file that was sent as text. */
#define FILE_MAGIC "\x89" "CAULK\r\n"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "arrays go to the file as they lie in memory");

enum file_section {
    SECTION_FACTS,
    SECTION_ADDRESS,  /* uint64 per node: distance from the node before */
    SECTION_SIZE,     /* uint64 per node */
    SECTION_TYPE_OF,  /* uint32 per node */
    SECTION_REFCOUNT, /* uint32 per node */
    SECTION_FLAGS,    /* uint8 per node */
    SECTION_DEGREE,   /* uint32 per node: its out-edges */
    SECTION_TARGET,   /* uint32 per edge */
    SECTION_KIND,     /* uint8 per edge */
    SECTION_NAME,     /* uint32 per edge: a word, or position + 1 of an EDGE_INDEX; 0 none */
    SECTION_NODE_NAME,/* struct file_node_name, rising by node */
    SECTION_NODE_FACT,/* struct file_node_fact, rising by node */
    SECTION_TYPE,     /* struct file_type */
    SECTION_WORD_BEGIN, /* uint32 per word, and one more */
    SECTION_WORD_BYTES,
    SECTION_END,      /* empty: a file without it was cut off */
    SECTION_COUNT,
};

extern const char file_section_names[SECTION_COUNT][9];

struct file_header {
    char magic[8];
    uint32_t version;
    uint32_t node_count, synthetic_count, type_count;
    uint64_t edge_count, faults;
    uint64_t checksum; /* FNV-1a of all before it */
};

struct file_section_header {
    char name[8];
    uint64_t size;     /* of the bytes, not compressed; only the last chunk is shorter than FILE_CHUNK */
    uint64_t checksum; /* FNV-1a of all before it */
};

struct file_type {
    uint32_t name, module, role, flags; /* name and module are words */
    uint64_t address;
};

struct file_node_name {
    uint32_t node, word;
};

struct file_node_fact {
    uint32_t node, file; /* file is a word */
    int32_t line;
    uint32_t unused;
    int64_t length, bound;
};

_Static_assert(sizeof(struct file_header) == 48 && sizeof(struct file_section_header) == 24 &&
                   sizeof(struct file_type) == 24 && sizeof(struct file_node_fact) == 32,
               "the layout on disk has no holes");

static inline uint64_t file_checksum(const void *bytes, size_t size) {
    return span_hash((struct span){bytes, size}, FILE_VERSION);
}

/* Facts as bytes and back; decode returns false if they are damaged. `values` keeps the whole command line,
 * without it only the program and its script. */
void file_facts_encode(const struct heap_facts *facts, bool values, struct text *out);
bool file_facts_decode(struct span bytes, struct heap_facts *out);

/* Sections being written; after the first error nothing more happens. */
struct file_writer {
    int descriptor;
    const char *path; /* as the user named it, for messages */
    void *compressor;
    char *raw, *packed;
    size_t raw_used, packed_capacity;
    struct error *error;
};

void file_writer_begin(struct file_writer *writer, enum file_section section, uint64_t size);
void file_writer_add(struct file_writer *writer, const void *bytes, size_t size);
void file_writer_finish(struct file_writer *writer); /* the section */

/* The sections that hold words: NAME to WORD_BYTES. */
void file_words_write(const struct heap *heap, bool values, struct file_writer *writer);

/* What the describe callbacks of a heap that was read need. */
struct file_words {
    const struct graph *graph;
    const uint32_t *edge_words;
    const struct file_node_name *node_names;
    const struct file_node_fact *node_facts;
    size_t node_name_count, node_fact_count;
    const uint32_t *word_begin;
    const char *word_bytes;
    uint32_t word_count;
};

struct span file_word(const struct file_words *words, uint32_t word);
struct graph_describe file_words_describe(struct file_words *words);

#endif
