#ifndef NB_API_META_H
#define NB_API_META_H

/*
 * metadata of an object, conditions, and the way all structs of this folder own their strings.
 *
 * Every parsed object (api_backup, api_run, api_restore, api_job, api_pod) has one arena that holds
 * all its strings and lists; x_free() frees it. Strings are never NULL unless the header says "or
 * NULL" beside it; absent texts are "". Times are unix seconds, 0 when absent. A parsed object is
 * immutable and may be read by many threads.
 */

#include "base/json.h"
#include "base/mem.h"

struct api_meta {
    const char *name, *ns, *uid, *resource_version;
    int64_t generation;
    int64_t created;                                 /* creationTimestamp */
    int64_t deleted;                                 /* deletionTimestamp; 0: not being deleted */
    const char *owner_kind, *owner_name, *owner_uid; /* the controller owner, "" if none */
    bool has_finalizer;                              /* ours */
    const char *finalizers_json;                     /* the whole list, as it is */
};

enum api_status { API_UNKNOWN, API_TRUE, API_FALSE };
struct api_condition {
    const char *type;
    enum api_status status;
    const char *reason, *message;
    int64_t transition; /* lastTransitionTime */
    int64_t observed_generation;
};
enum { API_CONDITIONS_MAX = 12, API_CONDITION_MESSAGE_MAX = 1024 };
struct api_conditions {
    struct api_condition items[API_CONDITIONS_MAX];
    size_t count;
};

const struct api_condition *api_condition_get(const struct api_conditions *c, const char *type);
enum api_status api_condition_status(const struct api_conditions *c, const char *type);
/* Sets or adds. lastTransitionTime moves only when the status changes. reason and message are
 * borrowed; an empty reason becomes "Unknown" (the API wants one), a long message is cut at a UTF-8
 * boundary when written. */
void api_condition_set(struct api_conditions *c, const char *type, enum api_status status,
                       const char *reason, const char *message, int64_t generation, int64_t now);
void api_conditions_write(const struct api_conditions *c, const char *key, struct nb_jw *w);

/* Writes into patch the JSON merge patch (RFC 7386) that makes `to` out of `from`; false (nothing
 * written) when they are equal. Both are JSON texts of objects. */
NB_NODISCARD bool api_merge_diff(const char *from, const char *to, struct nb_buf *patch);

/* --- for the parsers of this folder and of controller/plan ----------------------------------- */

/* Arena strings: never NULL; these abort like nb_xmalloc when the arena's limit is reached, which
 * the limits of the API server's own objects (3 MiB) keep from happening. */
struct nb_arena *api_arena_new(void);
void *api_alloc(struct nb_arena *a, size_t size);       /* zeroed */
const char *api_dup(struct nb_arena *a, const char *s); /* NULL gives "" */
const char *api_printf(struct nb_arena *a, const char *fmt, ...) NB_PRINTF(2, 3);
/* Member as string; "" (or dflt) when absent or of another type. */
const char *api_str(struct nb_arena *a, const struct nb_json *v, const char *path,
                    const char *dflt);
int64_t api_time(const struct nb_json *v, const char *path);
int64_t api_i64(const struct nb_json *v, const char *path, int64_t min, int64_t max, int64_t dflt);
bool api_bool(const struct nb_json *v, const char *path, bool dflt);
/* The value as JSON text, "" when absent. */
const char *api_json(struct nb_arena *a, const struct nb_json *v);
/* One of a NULL-ended list of names; dflt (an index) when absent or unknown. */
int api_enum(const struct nb_json *v, const char *path, const char *const *names, int dflt);

struct api_strings {
    const char **items;
    size_t count;
};
void api_strings_parse(struct nb_arena *a, const struct nb_json *v, struct api_strings *ret);
void api_meta_parse(struct nb_arena *a, const struct nb_json *object, struct api_meta *ret);
void api_conditions_parse(struct nb_arena *a, const struct nb_json *v, struct api_conditions *ret);
/* An annotation or label: keys have dots, so no path. NULL when absent. */
const char *api_annotation(const struct nb_json *object, const char *key);
const char *api_label(const struct nb_json *object, const char *key);
void api_write_time(struct nb_jw *w, const char *key, int64_t unix_seconds); /* nothing for 0 */
void api_write_text(struct nb_jw *w, const char *key, const char *s);        /* nothing for "" */
void api_write_known(struct nb_jw *w, const char *key, int64_t v);           /* nothing below 0 */
/* "1.2 GiB", "512 B": for printer columns. */
const char *api_size_text(struct nb_arena *a, int64_t bytes);
/* "1h 2m", "35s". */
const char *api_duration_text(struct nb_arena *a, int64_t seconds);

#endif
