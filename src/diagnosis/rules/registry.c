/* Tables of the interpreter and its standard library that keep an entry for ever. */
#include "diagnosis/amount.h"
#include "diagnosis/rules.h"

struct known_registry {
    const char *module; /* NULL: any */
    const char *name;   /* of the attribute or variable that holds the table; NULL: any */
    const char *cause, *advice;
};

static const struct known_registry registries[] = {
    {NULL, "__warningregistry__",
     "the warnings module remembers each different warning text of a module for ever",
     "warn with a constant text; pass what varies by logging instead, or filter with a module's name, not by "
     "text"},
    {"warnings", "onceregistry", "the warnings module remembers each different warning text for ever",
     "warn with a constant text; pass what varies by logging instead"},
    {"logging", "loggerDict", "logging keeps every logger under its name for ever, and each name is new",
     "use one logger per module, never per connection or object: put the varying part into the message, or "
     "into a "
     "LoggerAdapter"},
    {"linecache", "cache",
     "linecache keeps the source of every file name it was asked for, and each name is new",
     "give generated code one constant file name, or call linecache.clearcache()"},
    {"ctypes", "_pointer_type_cache",
     "ctypes keeps each pointer type that was ever made, and with it the pointed-to type",
     "make pointer and array types once and keep them; use a pointer to the item type with a cast instead of "
     "an array "
     "type per length"},
    {"_ctypes", "_pointer_type_cache",
     "ctypes keeps each pointer type that was ever made, and with it the pointed-to type",
     "make pointer and array types once and keep them; use a pointer to the item type with a cast instead of "
     "an array "
     "type per length"},
    {NULL, "_pointer_type_cache",
     "ctypes keeps each pointer type that was ever made, and with it the pointed-to type",
     "make pointer and array types once and keep them"},
    {NULL, "_array_type_cache", "ctypes keeps each array type that was ever made",
     "make array types once and keep them"},
    {NULL, "__subclasses__", "a class keeps a list of its subclasses, and ever more are made",
     "create classes once, at import, not per call"},
    {NULL, "_abc_impl", "an abstract base class remembers each class that was ever checked against it",
     "check against the abstract class less often, or create fewer classes"},
    {"copyreg", NULL, "copyreg keeps what was registered for ever", "register once, at import"},
    {"mimetypes", NULL, "the mimetypes module keeps what was added for ever", "add types once, at import"},
    {"codecs", NULL, "codecs keeps each search function and codec for ever", "register once, at import"},
    {"importlib._bootstrap", NULL, "the import system keeps an entry for each module that was ever imported",
     "do not import under ever new names"},
};

static bool fits(const struct candidate *candidate, const struct known_registry *registry) {
    return (!registry->module || candidate_in_module(candidate, registry->module)) &&
           (!registry->name || candidate_is_named(candidate, registry->name));
}

static bool explain_table(const struct candidate *candidate, struct arena *arena, struct rule_match *match) {
    bool table = candidate->step_count && candidate->steps[0].kind == EDGE_INTERPRETER;
    if (candidate->region.extent == EXTENT_MODULES) {
        match->cause = "sys.modules keeps each module that was ever imported, and each has a new name";
        match->advice = "remove generated modules from sys.modules, or reuse one name";
        return true;
    }
    if (!table)
        return false;
    if (strstr(candidate->path, "interned")) {
        match->cause = "strings are interned for ever: each is new, and the interpreter's table keeps it";
        match->advice =
            "do not intern texts that come from outside (sys.intern, PyUnicode_InternInPlace, attribute "
            "names made of data); keep them as keys of a dict";
        return true;
    }
    match->cause =
        arena_format(arena, "the interpreter's own table %s keeps an entry for ever", candidate->path);
    return true;
}

static bool matches(const struct candidate *candidate, struct arena *arena, struct rule_match *match) {
    if (candidate->source != CANDIDATE_HELD)
        return false;
    for (size_t i = 0; i < sizeof registries / sizeof *registries; i++)
        if (fits(candidate, &registries[i])) {
            match->cause = registries[i].cause;
            match->advice = registries[i].advice;
            return true;
        }
    if (explain_table(candidate, arena, match))
        return true;
    const struct graph_type *holder = candidate_holder_type(candidate);
    bool class_holds = holder && holder->role == ROLE_TYPE;
    bool classes = candidate_share_by_items(candidate, THING_CLASS) >= 0.5;
    if (!classes || !(class_holds || candidate->holder == NODE_NONE))
        return false;
    match->cause = "ever more classes are created at run time, and each stays";
    match->advice = "create classes once (a module-level cache by their definition), not per call";
    return true;
}

const struct rule rule_registry = {
    KIND_INTERPRETER_REGISTRY,
    matches,
    "a table of the interpreter or the standard library keeps an entry for ever",
    "find what makes a new entry each time and reuse the old one",
};
