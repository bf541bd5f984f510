/* The third part of the layout probe: the head of objects, and where free-threaded builds keep them. */
#include "layout_probe.h"

#ifdef Py_GIL_DISABLED
#include "internal/mimalloc/mimalloc.h"
#include "internal/mimalloc/mimalloc/types.h"
#include "internal/pycore_object.h"
#include "internal/pycore_tstate.h"

static void print_head(void) {
    AT(object_refcount_local, PyObject, ob_ref_local);
    AT(object_refcount_shared, PyObject, ob_ref_shared);
    AT(object_gc_bits, PyObject, ob_gc_bits);
    ROW(object_tracked_bit, _PyGC_BITS_TRACKED);
    ROW(object_unreachable_bit, _PyGC_BITS_UNREACHABLE);
    ROW(object_frozen_bit, _PyGC_BITS_FROZEN);
    ROW(object_deferred_bit, _PyGC_BITS_DEFERRED);
#ifdef _Py_REF_DEFERRED
    ROW(object_deferred_local, 0); /* the shared count is raised instead */
#else
    ROW(object_deferred_local, 1);
#endif
    ROW(collector_head_size, 0);
}

/* From mimalloc 2.2 on what a thread leaves behind belongs to a "subprocess"; before that the interpreter has a list. */
#if MI_MALLOC_VERSION >= 20200
static void print_page_versions(void) {
    AT(interpreter_subprocess, PyInterpreterState, mimalloc.subproc);
    ROW(interpreter_abandoned, NONE);
    ROW(interpreter_abandoned_visited, NONE);
    AT(page_block_size, mi_page_t, block_size);
    ROW(page_block_size_size, MEMBER_SIZE(mi_page_t, block_size));
    AT(page_start, mi_page_t, page_start);
    AT(page_tag, mi_page_t, heap_tag);
    ROW(page_tag_mask, 0xff);
    AT(segment_subprocess, mi_segment_t, subproc);
    ROW(segment_abandoned_next, NONE);
}
#else
/* The page's tag is a bit field. */
static void print_tag(void) {
    unsigned char bytes[sizeof(mi_page_t)];
    mi_page_t page;
    memset(&page, 0, sizeof page);
    page.tag = 15;
    memcpy(bytes, &page, sizeof page);
    unsigned offset = 0;
    while (!bytes[offset])
        offset++;
    ROW(page_tag, offset);
    ROW(page_tag_mask, bytes[offset]);
}

static void print_page_versions(void) {
    ROW(interpreter_subprocess, NONE);
    AT(interpreter_abandoned, PyInterpreterState, mimalloc.abandoned_pool.abandoned);
    AT(interpreter_abandoned_visited, PyInterpreterState, mimalloc.abandoned_pool.abandoned_visited);
    AT(page_block_size, mi_page_t, xblock_size);
    ROW(page_block_size_size, MEMBER_SIZE(mi_page_t, xblock_size));
    ROW(page_start, NONE);
    print_tag();
    ROW(segment_subprocess, NONE);
    AT(segment_abandoned_next, mi_segment_t, abandoned_next);
}
#endif

static void print_heaps(void) {
    AT(thread_heaps, _PyThreadStateImpl, mimalloc.heaps);
    AT(thread_heap_state, _PyThreadStateImpl, mimalloc.tld);
    AT(thread_heaps_initialized, _PyThreadStateImpl, mimalloc.initialized);
    AT(thread_private, _PyThreadStateImpl, gc);
    ROW(thread_private_size, offsetof(_PyThreadStateImpl, brc) + MEMBER_SIZE(_PyThreadStateImpl, brc) -
                                 offsetof(_PyThreadStateImpl, gc));
    ROW(heap_size, sizeof(mi_heap_t));
    AT(heap_state, mi_heap_t, tld);
    AT(heap_pages, mi_heap_t, pages);
    ROW(heap_page_queues, MI_BIN_FULL + 1);
    ROW(heap_page_queue_size, sizeof(mi_page_queue_t));
    AT(heap_tag, mi_heap_t, tag);
}

static void print_pages(void) {
    ROW(page_size, sizeof(mi_page_t));
    AT(page_next, mi_page_t, next);
    AT(page_free, mi_page_t, free);
    AT(page_local_free, mi_page_t, local_free);
    AT(page_thread_free, mi_page_t, xthread_free);
    AT(page_capacity, mi_page_t, capacity);
    AT(page_slice_count, mi_page_t, slice_count);
    ROW(segment_size, MI_SEGMENT_SIZE);
    ROW(segment_slice_size, MI_SEGMENT_SLICE_SIZE);
    AT(segment_slices, mi_segment_t, slices);
    AT(segment_slice_entries, mi_segment_t, slice_entries);
    AT(segment_thread, mi_segment_t, thread_id);
    AT(segment_abandoned, mi_segment_t, abandoned);
    print_page_versions();
}
#else
static void print_head(void) {
    ROW(object_refcount_local, NONE);
    ROW(object_refcount_shared, NONE);
    ROW(object_gc_bits, NONE);
    ROW(object_tracked_bit, 0);
    ROW(object_unreachable_bit, 0);
    ROW(object_frozen_bit, 0);
    ROW(object_deferred_bit, 0);
    ROW(object_deferred_local, 0);
    ROW(collector_head_size, sizeof(PyGC_Head));
}

static void print_heaps(void) {
    ROW(thread_heaps, NONE);
    ROW(thread_heap_state, NONE);
    ROW(thread_heaps_initialized, NONE);
    ROW(thread_private, NONE);
    ROW(thread_private_size, 0);
    ROW(heap_size, 0);
    ROW(heap_state, NONE);
    ROW(heap_pages, NONE);
    ROW(heap_page_queues, 0);
    ROW(heap_page_queue_size, 0);
    ROW(heap_tag, NONE);
}

static void print_pages(void) {
    ROW(page_size, 0);
    ROW(page_next, NONE);
    ROW(page_free, NONE);
    ROW(page_local_free, NONE);
    ROW(page_thread_free, NONE);
    ROW(page_capacity, NONE);
    ROW(page_slice_count, NONE);
    ROW(segment_size, 0);
    ROW(segment_slice_size, 0);
    ROW(segment_slices, NONE);
    ROW(segment_slice_entries, NONE);
    ROW(segment_thread, NONE);
    ROW(segment_abandoned, NONE);
    ROW(interpreter_subprocess, NONE);
    ROW(interpreter_abandoned, NONE);
    ROW(interpreter_abandoned_visited, NONE);
    ROW(page_block_size, NONE);
    ROW(page_block_size_size, 0);
    ROW(page_start, NONE);
    ROW(page_tag, NONE);
    ROW(page_tag_mask, 0);
    ROW(segment_subprocess, NONE);
    ROW(segment_abandoned_next, NONE);
}
#endif

/* Counts that threads keep of their own, in an array that such an object has a number in. */
static void print_counts_of_threads(void) {
#if defined(Py_GIL_DISABLED) && PY_VERSION_HEX >= 0x030e0000
    AT(thread_counts, _PyThreadStateImpl, refcounts.values);
    AT(thread_counts_size, _PyThreadStateImpl, refcounts.size);
    AT(heap_type_unique_id, PyHeapTypeObject, unique_id);
    AT(code_unique_id, PyCodeObject, _co_unique_id);
    AT(dict_unique_id, PyDictObject, _ma_watcher_tag);
#else
    ROW(thread_counts, NONE);
    ROW(thread_counts_size, NONE);
    ROW(heap_type_unique_id, NONE);
    ROW(code_unique_id, NONE);
    ROW(dict_unique_id, NONE);
#endif
}

void print_threads(void) {
    ROW(object_head, sizeof(PyObject));
    AT(object_type, PyObject, ob_type);
    AT(object_size, PyVarObject, ob_size);
    print_head();
    print_heaps();
    print_pages();
    print_counts_of_threads();
}
