/* A writer of JSON that cannot produce anything else, given balanced calls. */
#include "report/json.h"

#include "report/words.h"

#include <inttypes.h>
#include <math.h>

static void write_escaped(FILE *out, unsigned char byte) {
    switch (byte) {
    case '"': fputs("\\\"", out); break;
    case '\\': fputs("\\\\", out); break;
    case '\n': fputs("\\n", out); break;
    case '\t': fputs("\\t", out); break;
    default:
        if (byte < 0x20 || byte == 0x7f)
            fprintf(out, "\\u%04x", byte);
        else
            fputc(byte, out);
    }
}

static void write_text(FILE *out, const char *text) {
    struct span rest = span_from_text(text);
    fputc('"', out);
    while (rest.length) {
        size_t length = words_utf8_length(rest);
        if (length == 1)
            write_escaped(out, (unsigned char)rest.data[0]);
        else if (length > 1)
            fwrite(rest.data, 1, length, out);
        else
            fputs("\\ufffd", out);
        size_t taken = length ? length : 1;
        rest = (struct span){rest.data + taken, rest.length - taken};
    }
    fputc('"', out);
}

/* Comma, indentation and key of the next value. */
static void begin_value(struct json *json, const char *key) {
    if (json->depth > 0) {
        if (json->has_items[json->depth])
            fputc(',', json->out);
        json->has_items[json->depth] = true;
        fprintf(json->out, "\n%*s", json->depth, "");
    }
    if (key) {
        write_text(json->out, key);
        fputs(": ", json->out);
    }
}

static void begin(struct json *json, const char *key, char bracket) {
    begin_value(json, key);
    fputc(bracket, json->out);
    if (json->depth + 1 < JSON_DEPTH_MAX)
        json->depth++;
    json->has_items[json->depth] = false;
}

static void end(struct json *json, char bracket) {
    if (json->depth > 0)
        json->depth--;
    fputc(bracket, json->out);
    if (json->depth == 0)
        fputc('\n', json->out);
}

void json_begin_object(struct json *json, const char *key) {
    begin(json, key, '{');
}
void json_end_object(struct json *json) {
    end(json, '}');
}
void json_begin_array(struct json *json, const char *key) {
    begin(json, key, '[');
}
void json_end_array(struct json *json) {
    end(json, ']');
}

void json_null(struct json *json, const char *key) {
    begin_value(json, key);
    fputs("null", json->out);
}

void json_text(struct json *json, const char *key, const char *text) {
    if (!text) {
        json_null(json, key);
        return;
    }
    begin_value(json, key);
    write_text(json->out, text);
}

void json_unsigned(struct json *json, const char *key, uint64_t number) {
    begin_value(json, key);
    fprintf(json->out, "%" PRIu64, number);
}

void json_integer(struct json *json, const char *key, int64_t number) {
    begin_value(json, key);
    fprintf(json->out, "%" PRId64, number);
}

void json_real(struct json *json, const char *key, double number) {
    if (!isfinite(number)) {
        json_null(json, key);
        return;
    }
    begin_value(json, key);
    fprintf(json->out, "%.10g", number);
}

void json_bool(struct json *json, const char *key, bool truth) {
    begin_value(json, key);
    fputs(truth ? "true" : "false", json->out);
}

void json_address(struct json *json, const char *key, uint64_t address) {
    begin_value(json, key);
    fprintf(json->out, "\"0x%" PRIx64 "\"", address);
}
