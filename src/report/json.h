/* A writer of JSON that cannot produce anything else, given balanced calls.
 *
 * `key` is the member's name inside an object and NULL inside an array. Text of the target may be any
 * bytes: what is not UTF-8 becomes U+FFFD, a NULL becomes null, a number that JSON cannot say becomes null. */
#ifndef CAULK_REPORT_JSON_H
#define CAULK_REPORT_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_DEPTH_MAX = 32 };

struct json {
    FILE *out;
    int depth;
    bool has_items[JSON_DEPTH_MAX];
};

void json_begin_object(struct json *json, const char *key);
void json_end_object(struct json *json);
void json_begin_array(struct json *json, const char *key);
void json_end_array(struct json *json);
void json_text(struct json *json, const char *key, const char *text);
void json_unsigned(struct json *json, const char *key, uint64_t number);
void json_integer(struct json *json, const char *key, int64_t number);
void json_real(struct json *json, const char *key, double number);
void json_bool(struct json *json, const char *key, bool truth);
void json_null(struct json *json, const char *key);
void json_address(struct json *json, const char *key, uint64_t address); /* "0x7f..." */

#endif
