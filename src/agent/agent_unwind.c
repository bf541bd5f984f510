/* How a frame is left at an instruction: call frame instructions (DWARF 5, 6.4.2), as far as compilers use them for
 * the frame's address, the frame pointer and the return address. */
#include "agent/agent_native.h"

#include <stddef.h>

enum { REMEMBERED = 8 };

#if defined(__aarch64__)
enum { REGISTER_FRAME = 29, REGISTER_STACK = 31, ENTRY_OFFSET = 0 };
#else
enum { REGISTER_FRAME = 6, REGISTER_STACK = 7, ENTRY_OFFSET = 8 };
#endif

enum instruction {
    NOP = 0x00,
    SET_LOCATION = 0x01,
    ADVANCE_1 = 0x02,
    ADVANCE_2 = 0x03,
    ADVANCE_4 = 0x04,
    OFFSET_EXTENDED = 0x05,
    RESTORE_EXTENDED = 0x06,
    UNDEFINED = 0x07,
    SAME_VALUE = 0x08,
    IN_REGISTER = 0x09,
    REMEMBER = 0x0a,
    RECALL = 0x0b,
    CFA = 0x0c,
    CFA_REGISTER = 0x0d,
    CFA_OFFSET = 0x0e,
    CFA_EXPRESSION = 0x0f,
    EXPRESSION = 0x10,
    OFFSET_EXTENDED_SIGNED = 0x11,
    CFA_SIGNED = 0x12,
    CFA_OFFSET_SIGNED = 0x13,
    VALUE_OFFSET = 0x14,
    VALUE_OFFSET_SIGNED = 0x15,
    VALUE_EXPRESSION = 0x16,
    RETURN_IS_SIGNED = 0x2d,
    ARGUMENTS_SIZE = 0x2e,
    OFFSET_NEGATIVE = 0x2f,
    SHORT_ADVANCE = 0x40,
    SHORT_OFFSET = 0x80,
    SHORT_RESTORE = 0xc0,
};

/* Operations of expressions. */
enum { OPERATION_LOAD = 0x06, OPERATION_ADD = 0x23, OPERATION_REGISTER = 0x70 };

enum saved { UNSAVED, AT_CFA, AT_FRAME, NOT_KNOWN, NO_VALUE };

struct place {
    enum saved saved;
    int64_t offset;
};

struct row {
    enum agent_rule_base base;
    bool is_stored;
    int64_t offset, more;
    struct place frame, returns;
};

struct machine {
    const struct agent_unwind_entry *entry;
    const uint8_t *at, *end;
    uintptr_t location, wanted;
    struct row row, first, remembered[REMEMBERED];
    unsigned depth;
    bool broken;
};

static uint64_t take(struct machine *machine) {
    return agent_unwind_unsigned(&machine->at, machine->end);
}

static int64_t take_signed(struct machine *machine) {
    return agent_unwind_signed(&machine->at, machine->end);
}

static uint64_t take_fixed(struct machine *machine, size_t size) {
    uint64_t number = 0;
    if ((size_t)(machine->end - machine->at) < size) {
        machine->broken = true;
        return 0;
    }
    for (size_t i = 0; i < size; i++)
        number |= (uint64_t)machine->at[i] << 8 * i;
    machine->at += size;
    return number;
}

static enum agent_rule_base base_of(uint64_t number) {
    return number == REGISTER_STACK ? AGENT_BASE_STACK : number == REGISTER_FRAME ? AGENT_BASE_FRAME : AGENT_BASE_OTHER;
}

static struct place *place_of(struct machine *machine, struct row *row, uint64_t number) {
    if (number == REGISTER_FRAME)
        return &row->frame;
    return number == machine->entry->return_register ? &row->returns : NULL;
}

static void save(struct machine *machine, uint64_t number, enum saved saved, int64_t offset) {
    struct place *place = place_of(machine, &machine->row, number);
    if (place)
        *place = (struct place){saved, offset};
}

static void restore(struct machine *machine, uint64_t number) {
    struct place *place = place_of(machine, &machine->row, number);
    if (place)
        *place = *place_of(machine, &machine->first, number);
}

struct expression {
    enum agent_rule_base base; /* AGENT_BASE_OTHER: one that is not known */
    bool is_stored;
    int64_t offset, more;
};

/* "register + offset", the word there, and that + more: what compilers write of stacks that they align. */
static struct expression take_expression(struct machine *machine) {
    struct expression out = {AGENT_BASE_OTHER, false, 0, 0};
    uint64_t length = take(machine);
    if (length > (uint64_t)(machine->end - machine->at)) {
        machine->broken = true;
        return out;
    }
    const uint8_t *at = machine->at, *end = at + length;
    machine->at = end;
    if (at == end || *at < OPERATION_REGISTER || *at >= OPERATION_REGISTER + 32)
        return out;
    enum agent_rule_base base = base_of(*at++ - (uint64_t)OPERATION_REGISTER);
    out.offset = agent_unwind_signed(&at, end);
    out.is_stored = at < end && *at == OPERATION_LOAD;
    at += out.is_stored;
    if (at < end && *at == OPERATION_ADD) {
        at++;
        out.more = (int64_t)agent_unwind_unsigned(&at, end);
    }
    if (at == end)
        out.base = base;
    return out;
}

static void set_cfa(struct machine *machine, enum agent_rule_base base, int64_t offset) {
    machine->row.base = base;
    machine->row.offset = offset;
    machine->row.is_stored = false;
    machine->row.more = 0;
}

static void set_cfa_expression(struct machine *machine) {
    struct expression expression = take_expression(machine);
    machine->row.base = expression.base;
    machine->row.offset = expression.offset;
    machine->row.is_stored = expression.is_stored;
    machine->row.more = expression.more;
}

static void save_by_expression(struct machine *machine, uint64_t number) {
    struct expression expression = take_expression(machine);
    bool known = expression.base == AGENT_BASE_FRAME && !expression.is_stored;
    save(machine, number, known ? AT_FRAME : NOT_KNOWN, expression.offset + expression.more);
}

static void remember(struct machine *machine) {
    if (machine->depth < REMEMBERED)
        machine->remembered[machine->depth++] = machine->row;
    else
        machine->broken = true;
}

static void recall(struct machine *machine) {
    if (machine->depth)
        machine->row = machine->remembered[--machine->depth];
    else
        machine->broken = true;
}

static void advance(struct machine *machine, uint64_t units) {
    machine->location += units * machine->entry->code_factor;
}

/* Any register, one by one: what is of no interest has its operands taken all the same. */
static void run_long(struct machine *machine, uint8_t code) {
    const int64_t factor = machine->entry->data_factor;
    uint64_t number;
    switch ((enum instruction)code) {
    case NOP: break;
    case RETURN_IS_SIGNED: break;
    case ADVANCE_1: advance(machine, take_fixed(machine, 1)); break;
    case ADVANCE_2: advance(machine, take_fixed(machine, 2)); break;
    case ADVANCE_4: advance(machine, take_fixed(machine, 4)); break;
    case OFFSET_EXTENDED: number = take(machine); save(machine, number, AT_CFA, (int64_t)take(machine) * factor); break;
    case OFFSET_EXTENDED_SIGNED: number = take(machine); save(machine, number, AT_CFA, take_signed(machine) * factor); break;
    case OFFSET_NEGATIVE: number = take(machine); save(machine, number, AT_CFA, -(int64_t)take(machine) * factor); break;
    case RESTORE_EXTENDED: restore(machine, take(machine)); break;
    case UNDEFINED: save(machine, take(machine), NO_VALUE, 0); break;
    case SAME_VALUE: save(machine, take(machine), UNSAVED, 0); break;
    case IN_REGISTER: number = take(machine); save(machine, number, NOT_KNOWN, (int64_t)take(machine)); break;
    case REMEMBER: remember(machine); break;
    case RECALL: recall(machine); break;
    case CFA: number = take(machine); set_cfa(machine, base_of(number), (int64_t)take(machine)); break;
    case CFA_SIGNED: number = take(machine); set_cfa(machine, base_of(number), take_signed(machine) * factor); break;
    case CFA_REGISTER: set_cfa(machine, base_of(take(machine)), machine->row.offset); break;
    case CFA_OFFSET: set_cfa(machine, machine->row.base, (int64_t)take(machine)); break;
    case CFA_OFFSET_SIGNED: set_cfa(machine, machine->row.base, take_signed(machine) * factor); break;
    case CFA_EXPRESSION: set_cfa_expression(machine); break;
    case EXPRESSION: save_by_expression(machine, take(machine)); break;
    case VALUE_EXPRESSION: number = take(machine); take_expression(machine); save(machine, number, NOT_KNOWN, 0); break;
    case VALUE_OFFSET: number = take(machine); save(machine, number, NOT_KNOWN, (int64_t)take(machine)); break;
    case VALUE_OFFSET_SIGNED: number = take(machine); save(machine, number, NOT_KNOWN, take_signed(machine)); break;
    case ARGUMENTS_SIZE: take(machine); break;
    case SET_LOCATION:
    case SHORT_ADVANCE:
    case SHORT_OFFSET:
    case SHORT_RESTORE:
    default: machine->broken = true;
    }
}

/* Stops before the first instruction that is for addresses behind the wanted one. */
static void run(struct machine *machine, const uint8_t *at, const uint8_t *end) {
    machine->at = at;
    machine->end = end;
    while (machine->at < machine->end && !machine->broken && machine->location <= machine->wanted) {
        struct row before = machine->row;
        uint8_t code = *machine->at++, low = code & 0x3f;
        if ((code & 0xc0) == SHORT_ADVANCE)
            advance(machine, low);
        else if ((code & 0xc0) == SHORT_OFFSET)
            save(machine, low, AT_CFA, (int64_t)take(machine) * machine->entry->data_factor);
        else if ((code & 0xc0) == SHORT_RESTORE)
            restore(machine, low);
        else
            run_long(machine, code);
        if (machine->location > machine->wanted)
            machine->row = before;
    }
}

static bool fits(int64_t offset) {
    return offset > INT32_MIN && offset <= INT32_MAX;
}

static struct agent_rule make_rule(const struct row *row) {
    struct agent_rule rule = {.kind = AGENT_RULE_NONE};
    if (row->returns.saved == NO_VALUE) {
        rule.kind = AGENT_RULE_OUTERMOST;
        return rule;
    }
    if (row->base == AGENT_BASE_OTHER || row->returns.saved == NOT_KNOWN || row->returns.saved == AT_FRAME ||
        row->frame.saved == NOT_KNOWN || !fits(row->offset) || !fits(row->more) || !fits(row->frame.offset) ||
        !fits(row->returns.offset))
        return rule;
    bool kept = row->frame.saved == UNSAVED || row->frame.saved == NO_VALUE;
    rule.kind = AGENT_RULE_FOUND;
    rule.cfa_base = (uint8_t)row->base;
    rule.cfa_is_stored = row->is_stored;
    rule.cfa_offset = (int32_t)row->offset;
    rule.cfa_more = (int32_t)row->more;
    rule.frame_base = row->frame.saved == AT_FRAME ? AGENT_BASE_FRAME : AGENT_BASE_CFA;
    rule.frame_offset = kept ? AGENT_SAME_VALUE : (int32_t)row->frame.offset;
    rule.return_offset = row->returns.saved == UNSAVED ? AGENT_SAME_VALUE : (int32_t)row->returns.offset;
    return rule;
}

static bool is_entry_row(const struct row *row) {
    return row->base == AGENT_BASE_STACK && !row->is_stored && row->offset == ENTRY_OFFSET;
}

struct agent_rule agent_rule_find(const struct agent_object *object, uintptr_t address) {
    struct agent_unwind_entry entry;
    if (!agent_unwind_entry_find(object, address, &entry) || entry.is_signal)
        return (struct agent_rule){.kind = AGENT_RULE_NONE};
    struct machine machine = {.entry = &entry, .location = entry.begin, .wanted = entry.begin};
    run(&machine, entry.common, entry.common_end);
    machine.first = machine.row;
    struct machine beginning = machine;
    run(&beginning, entry.own, entry.own_end);
    machine.wanted = address;
    run(&machine, entry.own, entry.own_end);
    struct agent_rule rule = make_rule(&machine.row);
    rule.is_part = !is_entry_row(&beginning.row);
    if (machine.broken)
        rule.kind = AGENT_RULE_NONE;
    return rule;
}
