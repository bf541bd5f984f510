/* Damage of which it is known what a report has to say. */
#ifndef CAULK_TESTS_KNOWN_DAMAGE_H
#define CAULK_TESTS_KNOWN_DAMAGE_H

#include "image_changes.h"

struct known_damage {
    const char *name;
    /* Does it and returns the object whose references are lost with it; 0 if it is none in particular. */
    remote_address (*make)(struct image_changes *changes);
};

extern const struct known_damage known_damages[];
extern const size_t known_damage_count;

/* A type whose tp_basicsize is too small for what every instance of it has; false if the heap has no such type. */
bool known_damage_short_type(struct image_changes *changes, const char *type);

extern const char *const known_damage_types[];
extern const size_t known_damage_type_count;

#endif
