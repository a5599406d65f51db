#ifndef NB_BASE_JSON_SCAN_H
#define NB_BASE_JSON_SCAN_H

/*
 * The strict half of the JSON reader: one pass over the text that checks the whole grammar
 * (RFC 8259) and notes every number in document order, because the parser behind it is lax and
 * keeps numbers as double only. Part of base/json.c; nobody else includes this. Pure.
 */

#include <stddef.h>

#include "base/error.h"

enum { NB_JSON_MAX_DEPTH = 64, NB_JSON_MAX_NUMBER = 63 };

struct nb_json_number {
    bool is_int; /* i64 is the exact value; else the number is a float */
    int64_t i64;
};

struct nb_json_numbers {
    struct nb_json_number *items; /* free() it */
    size_t count, cap;
};

/* Refuses: anything but one value, ill-formed UTF-8, \u0000, lone surrogates, leading zeros, raw
 * control characters, depth above 64, numbers of more than 63 characters. The offset of the fault
 * is in the text. numbers must be zero at first and is the caller's to free in every case. */
NB_NODISCARD bool nb_json_scan(const char *text, size_t n, struct nb_json_numbers *numbers,
                               struct nb_error *err);

#endif
