#ifndef NB_BASE_JSON_H
#define NB_BASE_JSON_H

/*
 * JSON: a strict reader (the only user of cJSON) and a streaming writer of our own.
 *
 * nb_json_parse() refuses what cJSON lets through: bytes after the value, ill-formed UTF-8, \u0000,
 * leading zeros, depth above 64, text longer than the limit. Integers are exact: they are kept as
 * int64 when the text is an integer that fits (nb_json_get_i64), however large.
 * Lookup is case-sensitive; of a doubled key the first counts. Values are borrowed from the
 * document and live as long as it does. A document may be read by many threads at a time.
 *
 * A parsed Kubernetes object is never written back; build patches with nb_jw instead.
 */

#include "base/buf.h"

struct nb_json; /* a document, or any value in it (the root owns all) */

NB_NODISCARD bool nb_json_parse(const char *text, size_t n, size_t max_bytes, struct nb_json **ret,
                                struct nb_error *err);
void nb_json_free(struct nb_json *root); /* only what nb_json_parse returned */
NB_AUTO_DEFINE(struct nb_json *, nb_json_free)

enum nb_json_type {
    NB_JSON_NULL,
    NB_JSON_BOOL,
    NB_JSON_INT,
    NB_JSON_FLOAT,
    NB_JSON_STRING,
    NB_JSON_ARRAY,
    NB_JSON_OBJECT
};
enum nb_json_type nb_json_type(const struct nb_json *v);
/* Member by exact name; NULL when v is NULL, no object, or has none. */
const struct nb_json *nb_json_get(const struct nb_json *v, const char *key);
/* A path "metadata.name": keys with dots cannot be named this way. */
const struct nb_json *nb_json_at(const struct nb_json *v, const char *path);
/* These return the default when v is NULL or of another type. */
const char *nb_json_str(const struct nb_json *v, const char *dflt);
int64_t nb_json_i64(const struct nb_json *v, int64_t dflt);
double nb_json_f64(const struct nb_json *v, double dflt);
bool nb_json_bool(const struct nb_json *v, bool dflt);
/* Children of an array or object in order: for (c = nb_json_first(v); c; c = nb_json_next(c)). */
const struct nb_json *nb_json_first(const struct nb_json *v);
const struct nb_json *nb_json_next(const struct nb_json *child);
const char *nb_json_key(const struct nb_json *child); /* NULL in arrays */
size_t nb_json_count(const struct nb_json *v);
/* The value as compact JSON text (numbers exact) appended to out. */
void nb_json_format(const struct nb_json *v, struct nb_buf *out);

/* The writer: commas and escapes are its business, nesting is the caller's. max depth 64. */
struct nb_jw {
    struct nb_buf *out;
    unsigned depth;
    uint64_t has_items; /* bit d: something was written at depth d */
    bool after_key;
};
#define NB_JW_INIT(buf)                                                                            \
    {                                                                                              \
        .out = (buf), .depth = 0, .has_items = 0, .after_key = false                               \
    }
void nb_jw_object(struct nb_jw *w);
void nb_jw_object_end(struct nb_jw *w);
void nb_jw_array(struct nb_jw *w);
void nb_jw_array_end(struct nb_jw *w);
void nb_jw_key(struct nb_jw *w, const char *key);
void nb_jw_str(struct nb_jw *w, const char *s); /* NULL: null; ill-formed UTF-8 becomes U+FFFD */
void nb_jw_strn(struct nb_jw *w, const char *s, size_t n);
void nb_jw_i64(struct nb_jw *w, int64_t v);
void nb_jw_u64(struct nb_jw *w, uint64_t v);
void nb_jw_bool(struct nb_jw *w, bool v);
void nb_jw_null(struct nb_jw *w);
void nb_jw_raw(struct nb_jw *w, const char *json, size_t n); /* n bytes of JSON text */
void nb_jw_value(struct nb_jw *w, const struct nb_json *v);
/* key and value at once; the _str forms write nothing when s is NULL */
void nb_jw_kv_str(struct nb_jw *w, const char *key, const char *s);
void nb_jw_kv_i64(struct nb_jw *w, const char *key, int64_t v);
void nb_jw_kv_bool(struct nb_jw *w, const char *key, bool v);

#endif
