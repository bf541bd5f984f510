/* Raw memory folded by holder. */
#include "analysis/raw_parts.h"

#include "base/map.h"

enum { KEY_LOST = 1, KEY_OTHER, KEY_NOWHERE };

static uint32_t path_node_of_holder(const struct raw_holder *holder, const uint32_t *path_node_of,
                                    const struct path_tree *tree) {
    if (holder->kind != RAW_OBJECT || holder->node == NODE_NONE || path_node_of[holder->node] >= tree->count)
        return UINT32_MAX;
    return path_node_of[holder->node];
}

static uint64_t key_of(const struct raw_holder *holder, uint32_t path_node, const struct path_tree *tree) {
    switch (holder->kind) {
    case RAW_LOST: return KEY_LOST;
    case RAW_LIBRARY: return span_hash(holder->library, 0);
    case RAW_OBJECT: return path_node == UINT32_MAX ? KEY_NOWHERE : tree->nodes[path_node].key;
    case RAW_OTHER:
    case RAW_KIND_COUNT: break;
    }
    return KEY_OTHER;
}

static struct raw_part new_part(const struct raw_holder *holder, uint64_t key, uint32_t path_node, struct arena *arena) {
    return (struct raw_part){
        .key = key,
        .kind = holder->kind,
        .example = NODE_NONE,
        .path_node = path_node,
        .library = {arena_copy_text(arena, holder->library.data ? holder->library.data : "", holder->library.length),
                    holder->library.length},
    };
}

void raw_parts_fold(const struct raw_holders *holders, const uint32_t *path_node_of, const struct path_tree *tree,
                    struct arena *arena, struct raw_parts *out) {
    struct map index = {0};
    *out = (struct raw_parts){.known = true, .list = arena_new(arena, struct raw_part, holders->count + 1)};
    for (size_t i = 0; i < holders->count; i++) {
        const struct raw_holder *holder = &holders->list[i];
        uint32_t path_node = path_node_of_holder(holder, path_node_of, tree);
        uint64_t key = key_of(holder, path_node, tree);
        uint32_t at = map_find(&index, key);
        if (at == MAP_ABSENT) {
            at = (uint32_t)out->count++;
            out->list[at] = new_part(holder, key, path_node, arena);
            map_set(&index, key, at);
        }
        struct raw_part *part = &out->list[at];
        part->blocks += holder->blocks;
        part->bytes += holder->bytes;
        if (holder->bytes > part->most) {
            part->most = holder->bytes;
            part->example = holder->node;
        }
    }
    map_deinit(&index);
}

const struct raw_part *raw_parts_find(const struct raw_parts *parts, uint64_t key) {
    for (size_t i = 0; i < parts->count; i++)
        if (parts->list[i].key == key)
            return &parts->list[i];
    return NULL;
}
