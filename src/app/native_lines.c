/* Source lines of native frames. */
#include "app/native_lines.h"

#include "base/map.h"
#include "memory/elf_lines.h"

#include <string.h>

struct module {
    const char *path, *build_id;
    struct map index;        /* address -> its number in the next two */
    struct vector addresses; /* uint64_t */
    struct vector places;    /* struct elf_place, of those that were looked up */
};

void native_lines_deinit(struct native_lines *lines) {
    struct module *modules = lines->modules.items;
    for (size_t i = 0; i < lines->modules.count; i++) {
        map_deinit(&modules[i].index);
        vector_deinit(&modules[i].addresses);
        vector_deinit(&modules[i].places);
    }
    vector_deinit(&lines->modules);
    arena_deinit(&lines->arena);
}

static struct module *find_module(struct native_lines *lines, const struct native_place *place) {
    struct module *modules = lines->modules.items;
    for (size_t i = 0; i < lines->modules.count; i++)
        if (strcmp(modules[i].path, place->module) == 0 && strcmp(modules[i].build_id, place->build_id) == 0)
            return &modules[i];
    return NULL;
}

static struct module *module_of(struct native_lines *lines, const struct native_place *place) {
    struct module *found = find_module(lines, place);
    if (found)
        return found;
    found = vector_push(&lines->modules, struct module);
    found->path = arena_copy_text(&lines->arena, place->module, strlen(place->module));
    found->build_id = arena_copy_text(&lines->arena, place->build_id, strlen(place->build_id));
    return found;
}

static bool is_wanted(const struct native_place *place) {
    return !place->file && place->module[0] == '/';
}

void native_lines_want(struct native_lines *lines, const struct native_place *places, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct module *module = is_wanted(&places[i]) ? module_of(lines, &places[i]) : NULL;
        if (!module || map_find(&module->index, places[i].address) != MAP_ABSENT)
            continue;
        map_set(&module->index, places[i].address, (uint32_t)module->addresses.count);
        *vector_push(&module->addresses, uint64_t) = places[i].address;
    }
}

void native_lines_look(struct native_lines *lines) {
    for (size_t i = 0; i < lines->modules.count; i++) {
        struct module *module = &vector_items(&lines->modules, struct module)[i];
        size_t known = module->places.count, fresh = module->addresses.count - known;
        if (!fresh)
            continue;
        for (size_t k = 0; k < fresh; k++)
            vector_push(&module->places, struct elf_place);
        elf_lines_read(module->path, module->build_id, vector_items(&module->addresses, uint64_t) + known, fresh,
                       &lines->arena, vector_items(&module->places, struct elf_place) + known);
    }
}

static const struct elf_place *find_place(struct native_lines *lines, const struct native_place *place) {
    static const struct elf_place unknown = {0};
    const struct module *module = is_wanted(place) ? find_module(lines, place) : NULL;
    uint32_t number = module ? map_find(&module->index, place->address) : MAP_ABSENT;
    return number != MAP_ABSENT && number < module->places.count
               ? &vector_items(&module->places, struct elf_place)[number]
               : &unknown;
}

static struct native_place with_line(const struct native_place *place, const struct elf_line *line, struct arena *arena) {
    struct native_place made = *place;
    made.file = arena_copy_text(arena, line->file, strlen(line->file));
    made.line = line->line;
    made.inlined = line->function != NULL;
    if (made.inlined)
        made.function = arena_copy_text(arena, line->function, strlen(line->function));
    return made;
}

size_t native_lines_give(struct native_lines *lines, struct native_place *places, size_t count, struct arena *arena,
                         struct native_place **out) {
    size_t room = count, kept = 0;
    for (size_t i = 0; i < count; i++)
        room += find_place(lines, &places[i])->count;
    *out = arena_new(arena, struct native_place, room + 1);
    for (size_t i = 0; i < count; i++) {
        const struct elf_place *found = find_place(lines, &places[i]);
        for (size_t k = 0; k < found->count; k++)
            (*out)[kept++] = with_line(&places[i], &found->lines[k], arena);
        if (!found->count)
            (*out)[kept++] = places[i];
    }
    return kept;
}

void native_lines_of_verdict(struct native_lines *lines, struct verdict *verdict, struct arena *arena) {
    for (size_t i = 0; i < verdict->finding_count; i++)
        for (size_t k = 0; k < verdict->findings[i].allocated_count; k++) {
            const struct source_line *line = &verdict->findings[i].allocated_at[k];
            native_lines_want(lines, line->native, line->native_count);
        }
    native_lines_look(lines);
    for (size_t i = 0; i < verdict->finding_count; i++)
        for (size_t k = 0; k < verdict->findings[i].allocated_count; k++) {
            struct source_line *line = &verdict->findings[i].allocated_at[k];
            line->native_count = native_lines_give(lines, line->native, line->native_count, arena, &line->native);
        }
}
