/* Which expressions of a line allocated. */
#ifndef CAULK_APP_OWN_EXTENTS_H
#define CAULK_APP_OWN_EXTENTS_H

#include "base/vector.h"
#include "report/run.h"
#include "samples/samples.h"

/* All zeros is an empty one. */
struct extent_folding {
    struct vector entries;
};

/* Adds what one expression of the line with this number allocated. */
void extent_folding_add(struct extent_folding *folding, uint32_t line, struct source_extent extent,
                        const struct samples_amounts *amounts);

/* Gives each line its expression that held most at the peak, and how many there are; ends the folding. */
void extent_folding_end(struct extent_folding *folding, struct run_line *lines);

#endif
