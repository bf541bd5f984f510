/* The objects of the collector in free-threaded builds, which have no lists of them: used blocks of the pages that each
 * thread's allocator keeps for such objects. */
#ifndef CAULK_CPYTHON_MIMALLOC_H
#define CAULK_CPYTHON_MIMALLOC_H

#include "cpython/roots.h"

/* Calls `each` for every tracked object of an interpreter, those of ended threads included; returns how many are not
 * frozen. O(blocks). */
uint64_t mimalloc_collected_objects(struct model *model, remote_address interpreter, roots_collected each,
                                    void *context);

/* Whether a thread's heaps are where the row says: their own tags in order, their state in the thread. False for a
 * thread that has not bound its heaps yet. */
bool mimalloc_thread_fits(const struct memory *memory, const struct layout *layout, remote_address thread);

#endif
