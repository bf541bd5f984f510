/* libcaulk_agent.so, the sampler that is loaded into Python: where it is, and what it is told. */
#ifndef CAULK_APP_AGENT_LIBRARY_H
#define CAULK_APP_AGENT_LIBRARY_H

#include "app/command.h"
#include "base/arena.h"
#include "base/error.h"

#define AGENT_LIBRARY "libcaulk_agent.so"

/* Its absolute path: named in $CAULK_AGENT_LIBRARY, beside the program, or in a library folder beside the program's. */
struct error *agent_library_find(struct arena *arena, const char **out);

/* "interval=524288 budget=0.01 native=1": its words for what was chosen, but for the file (src/agent/agent.h). */
struct agent_library_words {
    char text[64];
};
struct agent_library_words agent_library_words(const struct choices *choices);

#endif
