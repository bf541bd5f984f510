/* A processor for which nobody wrote down the instructions yet: nothing is loaded into running processes. */
#include "memory/door.h"

struct door_code door_code(void) {
    return (struct door_code){0};
}
