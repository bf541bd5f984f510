/* Where libcaulk_agent.so is: the sampler that is loaded into Python. */
#ifndef CAULK_APP_AGENT_LIBRARY_H
#define CAULK_APP_AGENT_LIBRARY_H

#include "base/arena.h"
#include "base/error.h"

#define AGENT_LIBRARY "libcaulk_agent.so"

/* Its absolute path: named in $CAULK_AGENT_LIBRARY, beside the program, or in a library folder beside the program's. */
struct error *agent_library_find(struct arena *arena, const char **out);

#endif
