/* Where the code of a function puts something: its bytecode, run on names. */
#include "cpython/bytecode.h"

#include "base/vector.h"
#include "cpython/layout_opcodes.h"

enum { STACK_MOST = 128, EXPRESSIONS_MOST = 4096, LOCALS_MOST = 256, CODE_MOST = 1 << 20, NAMES_MOST = 1 << 14 };

/* What a word of the stack is, as far as it has a name; a number in a list of them, 0 for anything else. */
enum expression_kind { EXPRESSION_ROOT, EXPRESSION_ATTRIBUTE, EXPRESSION_ITEM };

struct expression {
    enum expression_kind kind;
    enum bytecode_root root;
    uint16_t base;  /* of an attribute or item */
    uint16_t alias; /* of a local variable: what it was last set to, 0 unknown */
    struct span name;
};

struct names {
    remote_address items;
    uint64_t count;
};

struct run {
    struct model *model;
    remote_address code;
    const struct opcode_row *row;
    struct names globals, locals, cells, frees;
    uint16_t stack[STACK_MOST];
    int height;
    struct vector expressions; /* struct expression; entry 0 is nothing */
    uint16_t set_to[LOCALS_MOST];
    struct span wanted;
    struct vector writes; /* struct bytecode_write */
    int64_t offset;       /* of the instruction at hand, bytes */
};

/* --- names --- */

static struct names names_at(const struct model *model, remote_address code, uint32_t field) {
    struct names names = {0};
    if (field == LAYOUT_NONE)
        return names;
    remote_address tuple = model_word(model, code + field);
    names.count = tuple ? model_word(model, tuple + model->layout->object_size) : 0;
    names.items = tuple + model->layout->tuple_items;
    if (names.count > NAMES_MOST)
        names.count = 0;
    return names;
}

static struct span name_of(const struct run *run, const struct names *names, uint64_t index) {
    return index < names->count ? model_text(run->model, model_word(run->model, names->items + index * 8))
                                : (struct span){0};
}

static bool has_name(const struct run *run, const struct names *names) {
    for (uint64_t i = 0; i < names->count; i++)
        if (span_equal(name_of(run, names, i), run->wanted))
            return true;
    return false;
}

/* Cells and free variables follow the locals in one tuple, or have two of their own. */
static struct span free_name(const struct run *run, uint64_t index) {
    if (!run->cells.items && !run->frees.items)
        return name_of(run, &run->locals, index);
    return index < run->cells.count ? name_of(run, &run->cells, index)
                                    : name_of(run, &run->frees, index - run->cells.count);
}

/* --- the stack --- */

static void push(struct run *run, uint16_t word) {
    if (run->height == STACK_MOST) { /* far off: begin anew */
        run->height = 0;
    }
    run->stack[run->height++] = word;
}

static uint16_t pop(struct run *run) {
    return run->height ? run->stack[--run->height] : 0;
}

static void drop(struct run *run, uint32_t count) {
    run->height = (uint32_t)run->height > count ? run->height - (int)count : 0;
}

/* The word `depth` below the top, from 1. */
static uint16_t *word_at_depth(struct run *run, uint32_t depth) {
    return depth && depth <= (uint32_t)run->height ? &run->stack[(uint32_t)run->height - depth] : NULL;
}

static uint16_t peek(struct run *run, uint32_t depth) {
    const uint16_t *word = word_at_depth(run, depth);
    return word ? *word : 0;
}

static const struct expression *expression_at(const struct run *run, uint16_t number) {
    return &vector_items(&run->expressions, struct expression)[number];
}

static uint16_t add_expression(struct run *run, struct expression expression) {
    if (run->expressions.count >= EXPRESSIONS_MOST || (expression.kind != EXPRESSION_ITEM && !expression.name.length))
        return 0;
    *vector_push(&run->expressions, struct expression) = expression;
    return (uint16_t)(run->expressions.count - 1);
}

static uint16_t root(struct run *run, enum bytecode_root kind, struct span name, uint16_t alias) {
    return add_expression(run, (struct expression){EXPRESSION_ROOT, kind, 0, alias, name});
}

static uint16_t attribute(struct run *run, uint16_t base, struct span name) {
    return add_expression(run, (struct expression){.kind = EXPRESSION_ATTRIBUTE, .base = base, .name = name});
}

static uint16_t item(struct run *run, uint16_t base) {
    return base ? add_expression(run, (struct expression){.kind = EXPRESSION_ITEM, .base = base}) : 0;
}

static uint16_t load_local(struct run *run, uint32_t index) {
    return root(run, BYTECODE_LOCAL, name_of(run, &run->locals, index), index < LOCALS_MOST ? run->set_to[index] : 0);
}

static void store_local(struct run *run, uint32_t index) {
    uint16_t value = pop(run);
    if (index < LOCALS_MOST)
        run->set_to[index] = value;
}

/* --- what is told --- */

/* The parts of an expression from its root on; false if it has no root with a name, or too many parts. */
static bool write_parts(const struct run *run, uint16_t number, bool by_alias, struct bytecode_write *out) {
    struct span reversed[BYTECODE_PARTS_MOST];
    uint32_t count = 0;
    for (int steps = 0; steps < EXPRESSIONS_MOST && number; steps++) {
        const struct expression *at = expression_at(run, number);
        if (at->kind == EXPRESSION_ROOT && by_alias && at->alias) {
            number = at->alias;
            continue;
        }
        if (count == BYTECODE_PARTS_MOST)
            return false;
        reversed[count++] = at->kind == EXPRESSION_ITEM ? (struct span){0} : at->name;
        number = at->base;
        if (at->kind == EXPRESSION_ROOT)
            out->root = at->root;
        else if (!number)
            out->root = BYTECODE_FREE; /* an attribute of something without a name */
    }
    for (uint32_t i = 0; i < count; i++)
        out->parts[i] = reversed[count - 1 - i];
    out->part_count = count;
    return count > 0;
}

static bool has_wanted(const struct run *run, const struct bytecode_write *write) {
    if (!run->wanted.length)
        return write->root != BYTECODE_GLOBAL;
    for (uint32_t i = 0; i < write->part_count; i++)
        if (span_equal(write->parts[i], run->wanted))
            return true;
    return span_equal(write->method, run->wanted);
}

static int32_t line_at(const struct run *run) {
    const struct layout *layout = run->model->layout;
    remote_address table = model_word(run->model, run->code + layout->code_line_table);
    uint64_t length = table ? model_word(run->model, table + layout->object_size) : 0;
    const void *bytes = length && length <= CODE_MOST
                            ? image_view(run->model->image, table + layout->bytes_data, length)
                            : NULL;
    int32_t first = (int32_t)model_half(run->model, run->code + layout->code_first_line);
    return bytes ? layout_line(layout->version, bytes, length, first, run->offset) : first;
}

static void tell(struct run *run, enum bytecode_how how, uint16_t target, struct span method) {
    struct bytecode_write write = {.how = how, .method = method};
    if (!target)
        return;
    bool found = write_parts(run, target, false, &write) && has_wanted(run, &write);
    if (!found)
        found = write_parts(run, target, true, &write) && has_wanted(run, &write);
    if (!found)
        return;
    write.line = line_at(run);
    *vector_push(&run->writes, struct bytecode_write) = write;
}

/* --- calls --- */

/* What a local variable stands for: `append = self.items.append`. */
static uint16_t without_alias(const struct run *run, uint16_t number) {
    for (int steps = 0; steps < LOCALS_MOST && number && expression_at(run, number)->alias; steps++)
        number = expression_at(run, number)->alias;
    return number;
}

static bool gives_item(struct span method) {
    return span_is(method, "setdefault") || span_is(method, "get") || span_is(method, "__getitem__");
}

/* A call of what lies at `callee` with `arguments` words above `words_below` words of its own; pushes the result. */
static void call(struct run *run, uint16_t callee, uint32_t arguments, uint32_t names, uint32_t words_below) {
    uint16_t direct = without_alias(run, callee), result = 0;
    struct span method = {0};
    if (direct && expression_at(run, direct)->kind != EXPRESSION_ITEM)
        method = expression_at(run, direct)->name;
    if (direct && expression_at(run, direct)->kind == EXPRESSION_ATTRIBUTE) {
        uint16_t base = expression_at(run, direct)->base;
        tell(run, BYTECODE_METHOD, base, method);
        result = gives_item(method) ? item(run, base) : 0;
    } else {
        tell(run, BYTECODE_CALL, direct, (struct span){0});
    }
    for (uint32_t i = arguments; i > 0; i--)
        tell(run, BYTECODE_ARGUMENT, peek(run, i + names), method);
    drop(run, arguments + names + words_below);
    push(run, result);
}

/* Two words lie below the arguments; which of them is the callable depends on version and method. */
static void call_of_two(struct run *run, uint32_t arguments, uint32_t names) {
    uint16_t lower = peek(run, arguments + names + 2), upper = peek(run, arguments + names + 1);
    call(run, lower ? lower : upper, arguments, names, 2);
}

/* --- one instruction --- */

static void load_global(struct run *run, uint32_t argument) {
    unsigned shift = run->row->name_shift_of_global;
    bool with_null = shift && (argument & 1);
    if (with_null && run->row->null_first)
        push(run, 0);
    push(run, root(run, BYTECODE_GLOBAL, name_of(run, &run->globals, argument >> shift), 0));
    if (with_null && !run->row->null_first)
        push(run, 0);
}

static void load_attribute(struct run *run, uint32_t argument, bool method) {
    unsigned shift = method ? 0 : run->row->name_shift_of_attribute;
    uint16_t base = pop(run);
    push(run, attribute(run, base, name_of(run, &run->globals, argument >> shift)));
    if (method || (shift && (argument & 1)))
        push(run, base);
}

static void binary(struct run *run, uint32_t argument) {
    uint16_t left = peek(run, 2), result = 0;
    if (argument == run->row->subscript_operation) {
        result = item(run, left);
    } else if (argument >= run->row->first_inplace_operation && argument < run->row->subscript_operation) {
        tell(run, BYTECODE_INPLACE, left, (struct span){0});
        result = left;
    }
    drop(run, 2);
    push(run, result);
}

static void rotate(struct run *run, uint32_t count) {
    uint16_t *lowest = word_at_depth(run, count), top = peek(run, 1);
    for (uint32_t i = count - 1; lowest && i > 0; i--)
        lowest[i] = lowest[i - 1];
    if (lowest)
        lowest[0] = top;
}

static void swap(struct run *run, uint32_t depth) {
    uint16_t *other = word_at_depth(run, depth), *top = word_at_depth(run, 1);
    if (!other || !top)
        return;
    uint16_t kept = *other;
    *other = *top;
    *top = kept;
}

/* Known by its effect alone: what it leaves on top is new. */
static void do_other(struct run *run, const struct opcode_facts *facts, uint32_t argument) {
    int64_t effect = facts->effect + (int64_t)facts->effect_per_argument * argument;
    if (effect > STACK_MOST)
        effect = STACK_MOST;
    for (int64_t i = 0; i < effect; i++)
        push(run, 0);
    if (effect > 0)
        return;
    drop(run, (uint32_t)-effect);
    if (run->height)
        run->stack[run->height - 1] = 0;
}

static void store(struct run *run, enum bytecode_how how, uint32_t target_depth, uint32_t words, struct span name) {
    tell(run, how, peek(run, target_depth), name);
    drop(run, words);
}

static void do_instruction(struct run *run, const struct opcode_facts *facts, uint32_t argument) {
    switch ((enum opcode_class)facts->class) {
    case OPCODE_NONE:
    case OPCODE_NOTHING:
    case OPCODE_EXTENDED: return;
    case OPCODE_OTHER: do_other(run, facts, argument); return;
    case OPCODE_LOAD_GLOBAL: load_global(run, argument); return;
    case OPCODE_LOAD_NAME:
        push(run, root(run, BYTECODE_GLOBAL, name_of(run, &run->globals, argument), 0));
        return;
    case OPCODE_LOAD_LOCAL: push(run, load_local(run, argument)); return;
    case OPCODE_LOAD_TWO_LOCALS:
        push(run, load_local(run, argument >> 4));
        push(run, load_local(run, argument & 15));
        return;
    case OPCODE_STORE_LOCAL: store_local(run, argument); return;
    case OPCODE_STORE_TWO_LOCALS:
        store_local(run, argument >> 4);
        store_local(run, argument & 15);
        return;
    case OPCODE_STORE_AND_LOAD_LOCAL:
        store_local(run, argument >> 4);
        push(run, load_local(run, argument & 15));
        return;
    case OPCODE_LOAD_FREE: push(run, root(run, BYTECODE_FREE, free_name(run, argument), 0)); return;
    case OPCODE_STORE_FREE: pop(run); return;
    case OPCODE_LOAD_ATTRIBUTE: load_attribute(run, argument, false); return;
    case OPCODE_LOAD_METHOD: load_attribute(run, argument, true); return;
    case OPCODE_STORE_ATTRIBUTE:
        store(run, BYTECODE_ATTRIBUTE, 1, 2, name_of(run, &run->globals, argument));
        return;
    case OPCODE_SUBSCRIPT: pop(run); push(run, item(run, pop(run))); return;
    case OPCODE_STORE_SUBSCRIPT: store(run, BYTECODE_ITEM, 2, 3, (struct span){0}); return;
    case OPCODE_STORE_SLICE: store(run, BYTECODE_ITEM, 3, 4, (struct span){0}); return;
    case OPCODE_BINARY: binary(run, argument); return;
    case OPCODE_INPLACE: binary(run, run->row->first_inplace_operation); return;
    case OPCODE_PUSH_NULL: push(run, 0); return;
    case OPCODE_POP:
    case OPCODE_JUMP: pop(run); return;
    case OPCODE_DUPLICATE: push(run, peek(run, 1)); return;
    case OPCODE_DUPLICATE_TWO:
        push(run, peek(run, 2));
        push(run, peek(run, 2));
        return;
    case OPCODE_COPY: push(run, peek(run, argument)); return;
    case OPCODE_SWAP: swap(run, argument); return;
    case OPCODE_ROTATE_TWO: rotate(run, 2); return;
    case OPCODE_ROTATE_THREE: rotate(run, 3); return;
    case OPCODE_ROTATE_FOUR: rotate(run, 4); return;
    case OPCODE_CALL_FUNCTION: call(run, peek(run, argument + 1), argument, 0, 1); return;
    case OPCODE_CALL_FUNCTION_KW: call(run, peek(run, argument + 2), argument, 1, 1); return;
    case OPCODE_CALL_METHOD:
    case OPCODE_CALL: call_of_two(run, argument, 0); return;
    case OPCODE_CALL_KW: call_of_two(run, argument, 1); return;
    }
}

/* The code in two-byte units; NULL if it cannot be read. */
static const unsigned char *code_units(const struct run *run, uint64_t *count_out) {
    const struct layout *layout = run->model->layout;
    remote_address begin = run->code + layout->code_bytes;
    uint64_t bytes = 0;
    if (layout->code_byte_object == LAYOUT_NONE) {
        bytes = model_word(run->model, run->code + layout->object_size) * 2;
    } else {
        remote_address object = model_word(run->model, run->code + layout->code_byte_object);
        begin = object + layout->bytes_data;
        bytes = object ? model_word(run->model, object + layout->object_size) : 0;
    }
    *count_out = bytes / 2;
    return bytes && bytes <= CODE_MOST ? image_view(run->model->image, begin, bytes) : NULL;
}

static void run_code(struct run *run) {
    uint64_t count;
    uint32_t argument = 0;
    const unsigned char *units = code_units(run, &count);
    vector_push(&run->expressions, struct expression);
    for (uint64_t i = 0; units && i < count; i++) {
        const struct opcode_facts *facts = &run->row->opcodes[units[i * 2]];
        argument = argument << 8 | units[i * 2 + 1];
        run->offset = (int64_t)i * 2;
        if (facts->class == OPCODE_EXTENDED)
            continue;
        do_instruction(run, facts, argument);
        argument = 0;
        i += facts->caches;
    }
}

size_t bytecode_writes(struct model *model, remote_address code, struct span wanted, struct arena *arena,
                       struct bytecode_write **out) {
    const struct layout *layout = model->layout;
    struct run run = {.model = model, .code = code, .row = layout_opcodes(layout->version), .wanted = wanted};
    if (!run.row)
        return 0;
    run.globals = names_at(model, code, layout->code_names);
    run.locals = names_at(model, code, layout->code_local_names);
    run.cells = names_at(model, code, layout->code_cell_names);
    run.frees = names_at(model, code, layout->code_free_names);
    if (wanted.length && !has_name(&run, &run.globals) && !has_name(&run, &run.locals) && !has_name(&run, &run.cells) &&
        !has_name(&run, &run.frees))
        return 0;
    run_code(&run);
    size_t count = run.writes.count;
    *out = arena_new(arena, struct bytecode_write, count + 1);
    if (count)
        memcpy(*out, run.writes.items, count * sizeof **out);
    vector_deinit(&run.writes);
    vector_deinit(&run.expressions);
    return count;
}
