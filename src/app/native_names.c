/* Names of native frames: each file is read once. */
#include "app/native_names.h"

#include "base/vector.h"
#include "memory/elf_names.h"

#include <string.h>

struct module {
    struct span path, build_id;
    const char *file; /* without its folders */
    struct elf_names names;
};

static struct module *module_of(struct vector *modules, const struct samples_frame *frame, struct arena *arena) {
    struct module *list = modules->items;
    for (size_t i = 0; i < modules->count; i++)
        if (span_equal(list[i].path, frame->module) && span_equal(list[i].build_id, frame->build_id))
            return &list[i];
    struct module *made = vector_push(modules, struct module);
    const char *path = arena_copy_text(arena, frame->module.data, frame->module.length);
    *made = (struct module){.path = frame->module, .build_id = frame->build_id, .file = path};
    if (path[0] == '/' && strrchr(path, '/')[1])
        made->file = strrchr(path, '/') + 1;
    if (path[0] == '/')
        elf_names_read(path, arena_copy_text(arena, frame->build_id.data, frame->build_id.length), arena, &made->names);
    return made;
}

void native_names_fill(struct samples *samples, struct arena *arena) {
    struct vector modules = {0};
    for (size_t i = 0; i < samples->frame_count; i++) {
        struct samples_frame *frame = &samples->frames[i];
        if (frame->kind != WIRE_NATIVE_FRAME)
            continue;
        const struct module *module = module_of(&modules, frame, arena);
        const struct elf_name *name = elf_names_find(&module->names, frame->address);
        frame->function = span_from_text(name ? name->name : arena_format(arena, "%s+0x%llx", module->file,
                                                                          (unsigned long long)frame->address));
    }
    vector_deinit(&modules);
}
