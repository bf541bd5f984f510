/* The sampler's recording: what the agent writes and everybody else reads. docs/WIRE.md has it in words.
 *
 * A recording is one file of fixed size, mapped shared by the process that is sampled. There is no stream to
 * end: at any moment, kill -9 included, the file holds the state of the last instruction. It has a head and
 * regions, each an array of fixed capacity. Entries of texts, codes, places and frames are written before `used`
 * is raised (release) and never change after; counters of stacks are 64-bit words that change one at a time.
 * A reader checks every index against `used` and `capacity`: the writer may have died, or be hostile.
 *
 * Live blocks lie in the target's own memory, in spans of one reserved address range (see wire_span). */
#ifndef CAULK_WIRE_WIRE_H
#define CAULK_WIRE_WIRE_H

#include <stdint.h>

#define WIRE_MAGIC "CAULKREC"
#define WIRE_VERSION 2u
#define WIRE_HEAD_SIZE 4096u
#define WIRE_NAME "caulk-recording" /* in the file's name, so that /proc/PID/maps shows it */

/* Counts and bytes of stacks are estimates in units of 1/WIRE_ONE: a block of `size` bytes that was sampled with
 * probability p counts WIRE_ONE / p blocks and WIRE_ONE / p * size bytes. Exact where p is 1. */
#define WIRE_ONE 1024u

#define WIRE_COHORTS 8u /* age groups of survivors */

enum wire_region_name {
    WIRE_TEXTS,    /* bytes: names, each used by offset and length */
    WIRE_CODES,    /* struct wire_code */
    WIRE_PLACES,   /* struct wire_place; entry 0 is the root's */
    WIRE_FRAMES,   /* struct wire_frame; entry 0 is the root of all stacks */
    WIRE_STACKS,   /* struct wire_stack; entry 0 takes what did not fit */
    WIRE_TIMELINE, /* struct wire_moment */
    WIRE_REGIONS
};

struct wire_region {
    uint64_t offset;     /* of the first entry in the file, bytes */
    uint32_t entry_size; /* bytes */
    uint32_t capacity;   /* entries */
    uint32_t used;       /* entries that are complete; raised last */
    uint32_t refused;    /* entries that found no room */
};

enum wire_state { WIRE_STARTING, WIRE_SAMPLING, WIRE_STOPPED, WIRE_EXITED };

enum wire_flag {
    WIRE_EVERY_BYTE = 1, /* every allocation was taken: counts are exact */
    WIRE_NATIVE = 2,     /* malloc and mmap were watched too */
    WIRE_REBIRTH = 4,    /* objects reborn from a free list are booked on their last birth */
    WIRE_FORKED = 8,     /* the process is a fork's child and began with its parent's live blocks */
    WIRE_NATIVE_STACKS = 16, /* stacks have native frames */
};

struct wire_head {
    char magic[8];
    uint32_t version;
    uint32_t head_size;
    uint64_t file_size;
    uint32_t state; /* enum wire_state */
    uint32_t flags; /* enum wire_flag */
    int32_t pid, parent;
    uint32_t python;   /* sys.hexversion, 0 before Python is found */
    uint32_t unrecorded; /* children by fork that could have no recording; they count themselves here */
    uint64_t started;  /* nanoseconds since 1970 */
    uint64_t clock;    /* CLOCK_MONOTONIC at `started`, nanoseconds; all other times are milliseconds since it */
    uint64_t interval;       /* bytes between samples, on average, now */
    uint64_t first_interval; /* at the start */
    uint64_t now;            /* milliseconds, at the last sample */
    uint64_t cohort_width;   /* milliseconds; cohort i holds births from i to i + 1 widths, the last one all later */
    uint64_t range_base, range_size; /* the reserved address range; 0 if there is none */
    uint64_t range_used;             /* bytes of it that were ever given out: where a walk over spans ends */
    uint64_t span_size;              /* spans begin at multiples of it */
    uint64_t live_bytes, live_count;   /* of all stacks, in 1/WIRE_ONE */
    uint64_t peak_bytes, peak_count;   /* at the moment when live_bytes was highest */
    uint64_t peak_time;                /* milliseconds */
    uint64_t peak_generation;          /* see wire_stack */
    uint64_t total_bytes, total_count; /* ever allocated, in 1/WIRE_ONE */
    uint64_t samples, samples_freed;
    uint64_t agent_bytes;  /* memory that the agent uses for itself */
    uint64_t reborn;       /* samples that were found to hold a younger object */
    struct wire_region regions[WIRE_REGIONS];
    char command[256]; /* what runs, for a person; NUL-terminated */
};

struct wire_text {
    uint32_t offset, length; /* into WIRE_TEXTS */
};

/* One code object (co_qualname where there is one, else co_name). Or one native module: its file, and as function its
 * build id in hexadecimal digits. */
struct wire_code {
    struct wire_text function, file;
    uint32_t first_line;
    uint32_t variant; /* tells up to 8 functions apart that have all of this in common: lambdas of one line */
};

enum wire_frame_kind { WIRE_ROOT, WIRE_PYTHON, WIRE_NATIVE_FRAME, WIRE_THREAD, WIRE_AWAITED, WIRE_GREENLET };

/* One instruction that calls or allocates, once for all stacks that have it. */
struct wire_place {
    uint32_t kind; /* enum wire_frame_kind */
    uint32_t code; /* into WIRE_CODES; for WIRE_THREAD and WIRE_GREENLET the index of a code whose function is the name */
    uint64_t address; /* of the instruction: byte offset into co_code, or an address of the module's file (its ELF
                       * headers'), which is the last byte of the call */
    uint32_t line;    /* 0 if unknown; for WIRE_THREAD the native thread id */
    uint32_t end_line;           /* where the expression ends, as code.co_positions() has it; 0 if unknown */
    int32_t column, end_column;  /* in bytes of the UTF-8 of their lines, from 0; both are -1 if unknown */
};

/* A node of the tree of stacks: what called it is `parent`, always a smaller number. */
struct wire_frame {
    uint32_t parent;
    uint32_t place; /* into WIRE_PLACES */
};

/* What one stack allocated. Estimates in 1/WIRE_ONE.
 *
 * The state at the peak costs nothing until the peak is passed: a stack that changes below the peak first
 * keeps its live numbers as its peak numbers, once per peak. So at the peak a stack had
 * `peak_generation == head.peak_generation ? peak_* : live_*`. */
struct wire_stack {
    uint32_t frame; /* leaf, into WIRE_FRAMES */
    uint32_t samples_live;
    uint64_t samples;
    uint64_t live_bytes, live_count;
    uint64_t total_bytes, total_count; /* freed = total - live */
    uint64_t peak_bytes, peak_count;
    uint64_t peak_generation;
    uint64_t cohort_bytes[WIRE_COHORTS]; /* live bytes by time of birth */
    uint32_t cohort_samples[WIRE_COHORTS];
};

/* Live memory over time. When the region is full every second entry goes and the step doubles. */
struct wire_moment {
    uint64_t time; /* milliseconds */
    uint64_t live_bytes, total_bytes; /* 1/WIRE_ONE */
};

/* A span: memory of the reserved range that holds blocks of one size, or one large block. It begins with this
 * head, then `count` entries of struct wire_block, then at `first` the blocks. Lies in the target's memory. */
#define WIRE_SPAN_MAGIC 0x4b4c5543u
#define WIRE_SPAN_SIZE 65536u /* bytes, and where they begin: at multiples of it */

struct wire_span {
    uint32_t magic;
    uint32_t block_size; /* bytes; 0 for a large block */
    uint32_t count;      /* blocks */
    uint32_t first;      /* bytes from the span's begin to the first block */
    uint64_t length;     /* bytes, a multiple of span_size: where the next span begins */
    uint64_t reserved[5]; /* the writer's own */
};

struct wire_block {
    uint32_t stack;    /* into WIRE_STACKS; 0 if the block is free */
    uint32_t born;     /* milliseconds */
    uint64_t size;     /* bytes that were asked for */
    uint64_t interval; /* bytes between samples when it was born; 1 = exact */
};

/* The first page of a file with room for recordings of processes that cannot make a file: `count` places, `stride`
 * bytes each, from WIRE_HEAD_SIZE on. Who needs one raises `taken`. */
#define WIRE_SPARE_MAGIC "CAULKSPA"
#define WIRE_SPARE_NAME "spare." WIRE_NAME
#define WIRE_SPARE_PLACES 64u
#define WIRE_SPARE_STRIDE (UINT64_C(64) << 20)

struct wire_spare {
    char magic[8];
    uint32_t version;
    uint32_t count;
    uint64_t stride;
    uint32_t taken;
};

/* The weight of a block: 1 / (1 - exp(-(size + 1) / interval)), in 1/WIRE_ONE, as the agent computes it. */

#endif
