/* Finds names for fields of interpreters and threads in generated rows. */
#include "cpython/root_names.h"

static const struct root_row rows[] = {
#include "cpython/layout_root_rows.h"
};

const struct root_row *root_names_find(const struct layout *layout) {
    static const struct root_row unknown;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].version == layout->version && rows[i].build == layout->build)
            return &rows[i];
    return &unknown;
}

struct reference_label root_names_label(const struct root_row *row, enum root_structure structure,
                                        uint64_t offset) {
    for (uint32_t i = 0; i < ROOT_FIELDS_MAX && row->fields[i].name; i++)
        if (row->fields[i].structure == structure && row->fields[i].offset == offset)
            return label_text(row->fields[i].name);
    return label_none();
}
