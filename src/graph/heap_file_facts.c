/* The facts of a snapshot as bytes: numbers of eight bytes, then texts with their length, in one fixed order. */
#include "graph/heap_file_format.h"

#include <math.h>

enum { NUMBER_COUNT = 23 };

/* In the order of the file; `double` travels as its bits. */
static void numbers_from_facts(const struct heap_facts *facts, uint64_t numbers[NUMBER_COUNT]) {
    const uint64_t plain[NUMBER_COUNT] = {
        (uint64_t)(int64_t)facts->pid, 0, 0, 0, facts->gc_objects, facts->gc_enabled,
        facts->gc_threshold[0], facts->gc_threshold[1], facts->gc_threshold[2],
        facts->gc_collections[0], facts->gc_collections[1], facts->gc_collections[2],
        facts->rss, facts->anonymous, facts->file, facts->shared, facts->stacks, facts->swapped,
        facts->faults, facts->image_bytes, 0, 0, facts->rests,
    };
    memcpy(numbers, plain, sizeof plain);
    memcpy(&numbers[1], &facts->taken_at, 8);
    memcpy(&numbers[2], &facts->pause_ms, 8);
    memcpy(&numbers[3], &facts->copy_ms, 8);
    memcpy(&numbers[20], &facts->running, 8);
    memcpy(&numbers[21], &facts->waiting, 8);
}

static double finite_or_zero(uint64_t bits) {
    double number;
    memcpy(&number, &bits, 8);
    return isfinite(number) ? number : 0;
}

static void facts_from_numbers(const uint64_t numbers[NUMBER_COUNT], struct heap_facts *facts) {
    facts->pid = (int)(int64_t)numbers[0];
    facts->taken_at = finite_or_zero(numbers[1]);
    facts->pause_ms = finite_or_zero(numbers[2]);
    facts->copy_ms = finite_or_zero(numbers[3]);
    facts->running = finite_or_zero(numbers[20]);
    facts->waiting = finite_or_zero(numbers[21]);
    facts->rests = numbers[22];
    facts->gc_objects = numbers[4];
    facts->gc_enabled = numbers[5] != 0;
    for (int i = 0; i < 3; i++) {
        facts->gc_threshold[i] = (uint32_t)numbers[6 + i];
        facts->gc_collections[i] = numbers[9 + i];
    }
    uint64_t *sizes[] = {&facts->rss, &facts->anonymous, &facts->file, &facts->shared, &facts->stacks,
                         &facts->swapped, &facts->faults, &facts->image_bytes};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        *sizes[i] = numbers[12 + i];
}

static void encode_text(const char *data, size_t length, struct text *out) {
    uint32_t count = (uint32_t)length;
    text_add_span(out, (struct span){(const char *)&count, sizeof count});
    text_add_span(out, (struct span){data, length});
}

static bool holds_code(struct span option) {
    return option.length > 1 && option.data[1] != '-' && option.data[option.length - 1] == 'c';
}

/* How much of a command line may be kept: the program, its options up to the script, the script. What follows
 * may be a password. */
static size_t public_length(const char *command, size_t length) {
    size_t begin = 0;
    for (int word = 0; begin < length; word++) {
        const char *separator = memchr(command + begin, '\x1f', length - begin);
        size_t end = separator ? (size_t)(separator - command) : length;
        struct span text = {command + begin, end - begin};
        bool is_option = text.length > 0 && text.data[0] == '-';
        if (word > 0 && (!is_option || holds_code(text)))
            return end;
        begin = end + 1;
    }
    return length;
}

void file_facts_encode(const struct heap_facts *facts, bool values, struct text *out) {
    uint64_t numbers[NUMBER_COUNT];
    numbers_from_facts(facts, numbers);
    text_add_span(out, (struct span){(const char *)numbers, sizeof numbers});
    size_t command = strnlen(facts->command, sizeof facts->command - 1);
    encode_text(facts->python, strnlen(facts->python, sizeof facts->python - 1), out);
    encode_text(facts->executable, strnlen(facts->executable, sizeof facts->executable - 1), out);
    encode_text(facts->command, values ? command : public_length(facts->command, command), out);
}

static bool decode_text(struct span *bytes, char *out, size_t capacity) {
    uint32_t length;
    if (bytes->length < sizeof length)
        return false;
    memcpy(&length, bytes->data, sizeof length);
    if (length >= capacity || length > bytes->length - sizeof length)
        return false;
    memcpy(out, bytes->data + sizeof length, length);
    out[length] = 0;
    *bytes = (struct span){bytes->data + sizeof length + length, bytes->length - sizeof length - length};
    return true;
}

bool file_facts_decode(struct span bytes, struct heap_facts *out) {
    uint64_t numbers[NUMBER_COUNT];
    if (bytes.length < sizeof numbers)
        return false;
    memcpy(numbers, bytes.data, sizeof numbers);
    facts_from_numbers(numbers, out);
    bytes = (struct span){bytes.data + sizeof numbers, bytes.length - sizeof numbers};
    return decode_text(&bytes, out->python, sizeof out->python) &&
           decode_text(&bytes, out->executable, sizeof out->executable) &&
           decode_text(&bytes, out->command, sizeof out->command) && bytes.length == 0;
}
