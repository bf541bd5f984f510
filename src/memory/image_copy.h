/* Moves many pages from a process into the range of an image. */
#ifndef CAULK_MEMORY_IMAGE_COPY_H
#define CAULK_MEMORY_IMAGE_COPY_H

#include "memory/image_storage.h"
#include "memory/page_map.h"

/* Copies the stretches, which lie in runs of the image. A page that cannot be read is taken out of it; that
 * the process is gone is an error. */
struct error *image_copy(int pid, struct image_storage *storage, const struct page_extent *extents, size_t count);

#endif
