/* Prints one row of src/agent/agent_layout_rows.h for the CPython whose headers it is compiled with. */
#include "layout_probe.h"

static void print_thread(void) {
#if PY_VERSION_HEX >= 0x030d0000
    AT(thread_frame, PyThreadState, current_frame);
#elif PY_VERSION_HEX >= 0x030b0000
    AT(thread_frame, PyThreadState, cframe);
#else
    AT(thread_frame, PyThreadState, frame);
#endif
#if PY_VERSION_HEX >= 0x030b0000 && PY_VERSION_HEX < 0x030d0000
    AT(cframe_frame, _PyCFrame, current_frame);
#else
    ROW(cframe_frame, NONE);
#endif
#if PY_VERSION_HEX >= 0x030b0000 && PY_VERSION_HEX < 0x030c0000
    AT(thread_cframe, PyThreadState, cframe);
    AT(cframe_previous, _PyCFrame, previous);
#elif PY_VERSION_HEX >= 0x030a0000 && PY_VERSION_HEX < 0x030b0000
    AT(thread_cframe, PyThreadState, cframe);
    AT(cframe_previous, CFrame, previous);
#else
    ROW(thread_cframe, NONE);
    ROW(cframe_previous, NONE);
#endif
    ROW(current_is_own, PY_VERSION_HEX >= 0x030c0000); /* Python/pystate.c: current_fast_get, of the thread from 3.12 */
}

static void print_frame(void) {
#if PY_VERSION_HEX >= 0x030b0000 && PY_VERSION_HEX < 0x030c0000
    AT(frame_entry, _PyInterpreterFrame, is_entry);
#else
    ROW(frame_entry, NONE);
#endif
#if PY_VERSION_HEX >= 0x030b0000
    AT(frame_previous, _PyInterpreterFrame, previous);
    AT(frame_owner, _PyInterpreterFrame, owner);
    ROW(instruction_scale, 0);
#if PY_VERSION_HEX >= 0x030d0000
    AT(frame_code, _PyInterpreterFrame, f_executable);
    AT(frame_instruction, _PyInterpreterFrame, instr_ptr);
#else
    AT(frame_code, _PyInterpreterFrame, f_code);
    AT(frame_instruction, _PyInterpreterFrame, prev_instr);
#endif
#if PY_VERSION_HEX >= 0x030e0000
    ROW(owner_shim, FRAME_OWNED_BY_INTERPRETER);
#elif PY_VERSION_HEX >= 0x030c0000
    ROW(owner_shim, FRAME_OWNED_BY_CSTACK);
#else
    ROW(owner_shim, NONE);
#endif
#else
    AT(frame_previous, PyFrameObject, f_back);
    ROW(frame_owner, NONE);
    ROW(owner_shim, NONE);
    AT(frame_code, PyFrameObject, f_code);
    AT(frame_instruction, PyFrameObject, f_lasti);
    ROW(instruction_scale, PY_VERSION_HEX >= 0x030a0000 ? 2 : 1);
#endif
}

static void print_code(void) {
    AT(code_first_line, PyCodeObject, co_firstlineno);
    AT(code_filename, PyCodeObject, co_filename);
#if PY_VERSION_HEX >= 0x030b0000
    AT(code_name, PyCodeObject, co_qualname);
    AT(code_bytes, PyCodeObject, co_code_adaptive);
    AT(code_units, PyCodeObject, ob_base.ob_size);
#else
    AT(code_name, PyCodeObject, co_name);
    AT(code_bytes, PyCodeObject, co_code);
    ROW(code_units, NONE);
#endif
#if PY_VERSION_HEX >= 0x030a0000
    AT(code_line_table, PyCodeObject, co_linetable);
    ROW(line_table_format, PY_VERSION_HEX >= 0x030b0000 ? 2 : 1);
#else
    AT(code_line_table, PyCodeObject, co_lnotab);
    ROW(line_table_format, 0);
#endif
}

static unsigned state_word(unsigned compact, unsigned ascii, unsigned kind) {
    PyASCIIObject text;
    memset(&text, 0, sizeof text);
    text.state.compact = compact & 1;
    text.state.ascii = ascii & 1;
    text.state.kind = kind & 7;
    unsigned word;
    memcpy(&word, (char *)&text + offsetof(PyASCIIObject, state), sizeof word);
    return word;
}

static void print_text(void) {
    AT(text_length, PyASCIIObject, length);
    AT(text_state, PyASCIIObject, state);
    ROW(text_ascii_data, sizeof(PyASCIIObject));
    ROW(text_compact_data, sizeof(PyCompactUnicodeObject));
    ROW(text_compact_bit, state_word(1, 0, 0));
    ROW(text_ascii_bit, state_word(0, 1, 0));
    ROW(text_kind_shift, __builtin_ctz(state_word(0, 0, 1)));
    AT(bytes_size, PyBytesObject, ob_base.ob_size);
    AT(bytes_data, PyBytesObject, ob_sval);
}

int main(void) {
    printf("{\n    .version = 0x%08xu,\n", PY_VERSION_HEX);
    print_thread();
    print_frame();
    print_code();
    print_text();
    printf("},\n");
    return 0;
}
