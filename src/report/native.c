/* Native frames in reports. */
#include "report/native.h"

#include "report/words.h"

#include <string.h>

enum { SHOWN = 4 };

static size_t print_place(const struct native_place *place, FILE *out) {
    size_t columns = words_print(out, place->function);
    if (!place->file)
        return columns;
    char line[32];
    const char *file = strrchr(place->file, '/');
    columns += words_print(out, " (") + words_print(out, file ? file + 1 : place->file);
    snprintf(line, sizeof line, ":%u)", place->line);
    return columns + words_print(out, line);
}

size_t native_print(const struct native_place *places, size_t count, FILE *out) {
    size_t columns = 0;
    for (size_t i = 0; i < count && i < SHOWN && strcmp(places[i].module, places[0].module) == 0; i++) {
        columns += i ? words_print(out, " ← ") : 0;
        columns += print_place(&places[i], out);
    }
    const char *module = count ? strrchr(places[0].module, '/') : NULL;
    if (module)
        columns += words_print(out, " · ") + words_print(out, module + 1);
    return columns;
}

void native_write(struct json *json, const char *key, const struct native_place *places, size_t count) {
    json_begin_array(json, key);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(json, NULL);
        json_bool(json, "native", true);
        json_text(json, "function", places[i].function);
        json_text(json, "module", places[i].module);
        json_unsigned(json, "address", places[i].address);
        json_bool(json, "inlined", places[i].inlined);
        json_text(json, "file", places[i].file);
        if (places[i].line)
            json_unsigned(json, "line", places[i].line);
        else
            json_null(json, "line");
        json_end_object(json);
    }
    json_end_array(json);
}
