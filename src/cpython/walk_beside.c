/* What objects of the standard library hold in C memory beside themselves, as their sources under Modules/
 * lay it out.
 */
#include "cpython/walk.h"

#include <string.h>

/* Records of `stride` bytes that begin with references; more of them than the image has words are no records.
 */
struct records {
    remote_address begin;
    uint64_t count;
    uint32_t stride;
};

static const void *view_records(const struct walk *walk, const struct records *records) {
    struct image *image = walk->model->image;
    if (!records->begin || !records->count || records->count > image->length / 8)
        return NULL;
    const void *bytes = image_view(image, records->begin, records->count * records->stride);
    walk->model->faults += !bytes;
    return bytes;
}

static void visit_records(const struct walk *walk, struct records records, const char *name) {
    const void *bytes = view_records(walk, &records);
    for (uint64_t i = 0; bytes && i < records.count; i++)
        visit(walk->visitor, word_at(bytes, i * records.stride), name ? REFERENCE_SLOT : REFERENCE_INDEX,
              name ? label_text(name) : label_index(i));
}

/* Modules/_pickle.c: PicklerObject.memo is a PyMemoTable {mask, used, allocated, table} of {key, number}. */
static void walk_pickler(const struct walk *walk) {
    remote_address memo = private_word(walk, 16);
    if (memo)
        visit_records(
            walk,
            (struct records){model_word(walk->model, memo + 24), model_word(walk->model, memo + 16), 16},
            "memo");
}

/* Modules/_pickle.c: UnpicklerObject {stack, memo, memo_size, ...}; Pdata {size, data, ...}. */
static void walk_unpickler(const struct walk *walk) {
    visit_records(walk, (struct records){private_word(walk, 24), private_word(walk, 32), 8}, "memo");
}

static void walk_pickle_stack(const struct walk *walk) {
    visit_records(
        walk, (struct records){private_word(walk, 24), word_at(walk->bytes, walk->layout->object_size), 8},
        NULL);
}

/* Modules/_elementtree.c: ElementIterObject {parent_stack, parent_stack_used, ...}; ParentLocator {parent,
 * index}. */
static void walk_element_iterator(const struct walk *walk) {
    visit_records(walk, (struct records){private_word(walk, 16), private_word(walk, 24), 16}, "parent");
}

/* Modules/pyexpat.c: enum HandlerTypes, in the order of xmlparseobject.handlers, the last field of the
 * structure. */
static void walk_expat_parser(const struct walk *walk) {
    static const char *const names[] = {"StartElementHandler",
                                        "EndElementHandler",
                                        "ProcessingInstructionHandler",
                                        "CharacterDataHandler",
                                        "UnparsedEntityDeclHandler",
                                        "NotationDeclHandler",
                                        "StartNamespaceDeclHandler",
                                        "EndNamespaceDeclHandler",
                                        "CommentHandler",
                                        "StartCdataSectionHandler",
                                        "EndCdataSectionHandler",
                                        "DefaultHandler",
                                        "DefaultHandlerExpand",
                                        "NotStandaloneHandler",
                                        "ExternalEntityRefHandler",
                                        "StartDoctypeDeclHandler",
                                        "EndDoctypeDeclHandler",
                                        "EntityDeclHandler",
                                        "XmlDeclHandler",
                                        "ElementDeclHandler",
                                        "AttlistDeclHandler",
                                        "SkippedEntityHandler"};
    struct records handlers = {word_at(walk->bytes, walk->type->beside_size - 8),
                               sizeof names / sizeof *names, 8};
    const void *words = view_records(walk, &handlers);
    for (uint32_t i = 0; words && i < handlers.count; i++)
        visit(walk->visitor, word_at(words, i * 8), REFERENCE_SLOT, label_text(names[i]));
}

/* Modules/_sqlite/connection.h: three contexts {callable, module, ...} in front of ten borrowed exceptions.
 */
static void walk_sqlite_connection(const struct walk *walk) {
    static const char *const names[] = {"trace_callback", "progress_handler", "authorizer"};
    enum { CONTEXTS = (3 + 10) * 8 };
    for (uint32_t i = 0; i < 3; i++) {
        remote_address context = word_at(walk->bytes, walk->type->beside_size - CONTEXTS + i * 8);
        if (!context)
            continue;
        visit(walk->visitor, model_word(walk->model, context), REFERENCE_SLOT, label_text(names[i]));
        visit(walk->visitor, model_word(walk->model, context + 8), REFERENCE_SLOT, label_text("module"));
    }
}

/* Modules/_sqlite/cache.h: pysqlite_Cache {..., mapping, factory, first 40, ...}, pysqlite_Node {..., next
 * 48}. */
static void walk_sqlite_cache(const struct walk *walk) {
    struct chain chain = {0};
    remote_address node = private_word(walk, 40);
    for (uint64_t i = 0; node && !chain_returns(&chain, node); i++) {
        visit(walk->visitor, node, REFERENCE_INDEX, label_index(i));
        node = model_word(walk->model, node + private_offset(walk->layout, 48));
    }
}

/* Modules/_queuemodule.c: RingBuf {put_idx 24, get_idx, items, items_cap, num_items}. */
static void walk_ring(const struct walk *walk) {
    uint64_t first = private_word(walk, 32), room = private_word(walk, 48), count = private_word(walk, 56);
    struct records items = {private_word(walk, 40), room, 8};
    const void *words = count <= room && first < room ? view_records(walk, &items) : NULL;
    for (uint64_t i = 0; words && i < count; i++)
        visit(walk->visitor, word_at(words, (first + i) % room * 8), REFERENCE_INDEX, label_index(i));
}

/* Modules/itertoolsmodule.c: teedataobject {it, numread 24, ..., nextlink, values 40}; behind numread they
 * are stale. */
static void walk_tee_data(const struct walk *walk) {
    enum { VALUES = 57 };
    uint32_t count = half_at(walk->bytes, private_offset(walk->layout, 24));
    for (uint32_t i = 0; i < count && count <= VALUES; i++)
        visit(walk->visitor, private_word(walk, 40 + i * 8), REFERENCE_INDEX, label_index(i));
}

/* Modules/_zoneinfo.c: PyZoneInfo_ZoneInfo {..., num_ttinfos 48, ..., _ttinfos 192, ...}; _ttinfo {utcoff,
 * dstoff, tzname, seconds}. */
static void walk_zone_info(const struct walk *walk) {
    static const char *const names[] = {"utcoff", "dstoff", "tzname"};
    struct records infos = {private_word(walk, 192), private_word(walk, 48), 32};
    const void *bytes = view_records(walk, &infos);
    for (uint64_t i = 0; bytes && i < infos.count * 3; i++)
        visit(walk->visitor, word_at(bytes, i / 3 * infos.stride + i % 3 * 8), REFERENCE_SLOT,
              label_text(names[i % 3]));
}

/* Include/datetime.h: _PyTZINFO_HEAD {hashcode, hastzinfo 24}; without a tzinfo the object ends in front of
 * it. */
static void walk_date_time(const struct walk *walk) {
    if (walk->bytes[private_offset(walk->layout, 24)])
        visit(walk->visitor, word_at(walk->bytes, walk->type->beside_size - 8), REFERENCE_SLOT,
              label_text("tzinfo"));
}

static const struct {
    const char *name;
    uint32_t least, most; /* tp_basicsize: what the walker reads, and the largest structure that it is for */
    void (*walk)(const struct walk *walk);
} walkers[] = {
    {"_pickle.Pickler", 24, UINT32_MAX, walk_pickler},
    {"_pickle.Unpickler", 40, UINT32_MAX, walk_unpickler},
    {"_pickle.Pdata", 32, UINT32_MAX, walk_pickle_stack},
    {"_elementtree._element_iterator", 32, UINT32_MAX, walk_element_iterator},
    {"pyexpat.xmlparser", 72, 88, walk_expat_parser},
    {"sqlite3.Connection", 208, 224, walk_sqlite_connection},
    {"sqlite3.Cache", 64, 64, walk_sqlite_cache},
    {"sqlite3Cache", 64, 64, walk_sqlite_cache},
    {"_queue.SimpleQueue", 72, 72, walk_ring},
    {"itertools._tee_dataobject", 496, 496, walk_tee_data},
    {"zoneinfo.ZoneInfo", 208, 208, walk_zone_info},
    {"datetime.datetime", 48, 48, walk_date_time},
    {"datetime.time", 40, 40, walk_date_time},
};

/* Other builds have structures of other sizes, which nobody has written down. */
walk_function_of_type walk_beside_find(const char *name, uint32_t basic_size) {
    for (size_t i = 0; i < sizeof walkers / sizeof *walkers; i++)
        if (strcmp(walkers[i].name, name) == 0 && basic_size >= walkers[i].least &&
            basic_size <= walkers[i].most)
            return walkers[i].walk;
    return NULL;
}
