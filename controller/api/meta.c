#include "controller/api/meta.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "controller/api/names.h"

/* Far above what one object of the API server can hold; see the header. */
enum { ARENA_MAX_BYTES = 64 << 20 };

struct nb_arena *api_arena_new(void)
{
    return nb_arena_new(ARENA_MAX_BYTES);
}

void *api_alloc(struct nb_arena *a, size_t size)
{
    struct nb_error err = NB_ERROR_INIT;
    void *p = nb_arena_alloc(a, size, &err);

    if (!p)
        abort();
    memset(p, 0, size);
    return p;
}

const char *api_dup(struct nb_arena *a, const char *s)
{
    size_t n = s ? strlen(s) : 0;
    char *p;

    if (n == 0)
        return "";
    p = api_alloc(a, n + 1);
    memcpy(p, s, n + 1);
    return p;
}

const char *api_printf(struct nb_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    int n;
    char *p;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    p = api_alloc(a, n < 0 ? 1 : (size_t)n + 1);
    if (n > 0)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

/* --- reading --------------------------------------------------------------------------------- */

const char *api_str(struct nb_arena *a, const struct nb_json *v, const char *path, const char *dflt)
{
    return api_dup(a, nb_json_str(nb_json_at(v, path), dflt));
}

int64_t api_time(const struct nb_json *v, const char *path)
{
    const char *text = nb_json_str(nb_json_at(v, path), NULL);
    int64_t t;

    return text && nb_time_parse(text, &t) ? t : 0;
}

int64_t api_i64(const struct nb_json *v, const char *path, int64_t min, int64_t max, int64_t dflt)
{
    int64_t n = nb_json_i64(nb_json_at(v, path), INT64_MIN);

    if (n == INT64_MIN)
        return dflt;
    return n < min ? min : n > max ? max : n;
}

bool api_bool(const struct nb_json *v, const char *path, bool dflt)
{
    return nb_json_bool(nb_json_at(v, path), dflt);
}

const char *api_json(struct nb_arena *a, const struct nb_json *v)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(ARENA_MAX_BYTES / 4);

    if (!v || nb_json_type(v) == NB_JSON_NULL)
        return "";
    nb_json_format(v, &text);
    return api_dup(a, nb_buf_cstr(&text));
}

int api_enum(const struct nb_json *v, const char *path, const char *const *names, int dflt)
{
    const char *s = nb_json_str(nb_json_at(v, path), NULL);

    for (int i = 0; s && names[i]; i++)
        if (strcmp(s, names[i]) == 0)
            return i;
    return dflt;
}

void api_strings_parse(struct nb_arena *a, const struct nb_json *v, struct api_strings *ret)
{
    size_t n = nb_json_type(v) == NB_JSON_ARRAY ? nb_json_count(v) : 0;

    *ret = (struct api_strings){ .items = api_alloc(a, (n + 1) * sizeof(*ret->items)) };
    if (n == 0)
        return;
    for (const struct nb_json *c = nb_json_first(v); c; c = nb_json_next(c)) {
        const char *s = nb_json_str(c, NULL);

        if (s && *s)
            ret->items[ret->count++] = api_dup(a, s);
    }
}

const char *api_annotation(const struct nb_json *object, const char *key)
{
    return nb_json_str(nb_json_get(nb_json_at(object, "metadata.annotations"), key), NULL);
}

const char *api_label(const struct nb_json *object, const char *key)
{
    return nb_json_str(nb_json_get(nb_json_at(object, "metadata.labels"), key), NULL);
}

void api_meta_parse(struct nb_arena *a, const struct nb_json *object, struct api_meta *ret)
{
    const struct nb_json *m = nb_json_get(object, "metadata");
    const struct nb_json *finalizers = nb_json_get(m, "finalizers");

    *ret = (struct api_meta){
        .name = api_str(a, m, "name", ""),
        .ns = api_str(a, m, "namespace", ""),
        .uid = api_str(a, m, "uid", ""),
        .resource_version = api_str(a, m, "resourceVersion", ""),
        .generation = api_i64(m, "generation", 0, INT64_MAX, 0),
        .created = api_time(m, "creationTimestamp"),
        .deleted = api_time(m, "deletionTimestamp"),
        .owner_kind = "",
        .owner_name = "",
        .owner_uid = "",
        .finalizers_json = api_json(a, finalizers),
    };
    for (const struct nb_json *o = nb_json_first(nb_json_get(m, "ownerReferences")); o;
         o = nb_json_next(o)) {
        if (!nb_json_bool(nb_json_get(o, "controller"), false))
            continue;
        ret->owner_kind = api_str(a, o, "kind", "");
        ret->owner_name = api_str(a, o, "name", "");
        ret->owner_uid = api_str(a, o, "uid", "");
    }
    for (const struct nb_json *f = nb_json_first(finalizers); f; f = nb_json_next(f))
        if (nb_streq(nb_json_str(f, NULL), API_FINALIZER))
            ret->has_finalizer = true;
}

/* --- conditions ------------------------------------------------------------------------------ */

static const char *const status_names[] = { "Unknown", "True", "False", NULL };

void api_conditions_parse(struct nb_arena *a, const struct nb_json *v, struct api_conditions *ret)
{
    ret->count = 0;
    if (nb_json_type(v) != NB_JSON_ARRAY)
        return;
    for (const struct nb_json *c = nb_json_first(v); c && ret->count < API_CONDITIONS_MAX;
         c = nb_json_next(c))
        ret->items[ret->count++] = (struct api_condition){
            .type = api_str(a, c, "type", ""),
            .status = (enum api_status)api_enum(c, "status", status_names, API_UNKNOWN),
            .reason = api_str(a, c, "reason", ""),
            .message = api_str(a, c, "message", ""),
            .transition = api_time(c, "lastTransitionTime"),
            .observed_generation = api_i64(c, "observedGeneration", 0, INT64_MAX, 0),
        };
}

const struct api_condition *api_condition_get(const struct api_conditions *c, const char *type)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->items[i].type, type) == 0)
            return &c->items[i];
    return NULL;
}

enum api_status api_condition_status(const struct api_conditions *c, const char *type)
{
    const struct api_condition *found = api_condition_get(c, type);

    return found ? found->status : API_UNKNOWN;
}

void api_condition_set(struct api_conditions *c, const char *type, enum api_status status,
                       const char *reason, const char *message, int64_t generation, int64_t now)
{
    struct api_condition *to = NULL;

    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->items[i].type, type) == 0)
            to = &c->items[i];
    if (!to) {
        if (c->count == API_CONDITIONS_MAX)
            return;
        to = &c->items[c->count++];
        *to = (struct api_condition){ .type = type, .status = status, .transition = now };
    }
    if (to->status != status || to->transition == 0)
        to->transition = now;
    to->status = status;
    to->reason = *reason ? reason : "Unknown";
    to->message = message;
    to->observed_generation = generation;
}

/* How many bytes of s fit into max without cutting a character. */
static size_t cut(const char *s, size_t max)
{
    size_t n = strlen(s);

    if (n <= max)
        return n;
    n = max;
    while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
        n--;
    return n;
}

void api_conditions_write(const struct api_conditions *c, const char *key, struct nb_jw *w)
{
    nb_jw_key(w, key);
    nb_jw_array(w);
    for (size_t i = 0; i < c->count; i++) {
        const struct api_condition *k = &c->items[i];

        nb_jw_object(w);
        nb_jw_kv_str(w, "type", k->type);
        nb_jw_kv_str(w, "status", status_names[k->status]);
        if (k->observed_generation > 0)
            nb_jw_kv_i64(w, "observedGeneration", k->observed_generation);
        api_write_time(w, "lastTransitionTime", k->transition);
        nb_jw_kv_str(w, "reason", k->reason);
        nb_jw_key(w, "message");
        nb_jw_strn(w, k->message, cut(k->message, API_CONDITION_MESSAGE_MAX));
        nb_jw_object_end(w);
    }
    nb_jw_array_end(w);
}

/* --- writing --------------------------------------------------------------------------------- */

void api_write_time(struct nb_jw *w, const char *key, int64_t unix_seconds)
{
    char text[NB_TIME_TEXT_MAX];

    if (unix_seconds != 0)
        nb_jw_kv_str(w, key, nb_time_format(unix_seconds, text));
}

static bool same_text(const struct nb_json *a, const struct nb_json *b)
{
    nb_auto_done(nb_buf_done) struct nb_buf ta = NB_BUF_INIT(ARENA_MAX_BYTES);
    nb_auto_done(nb_buf_done) struct nb_buf tb = NB_BUF_INIT(ARENA_MAX_BYTES);

    nb_json_format(a, &ta);
    nb_json_format(b, &tb);
    return nb_str_equal(nb_buf_str(&ta), nb_buf_str(&tb));
}

/* As deep as the documents, which nest 64 deep at most. */
// NOLINTNEXTLINE(misc-no-recursion)
static bool diff_object(const struct nb_json *from, const struct nb_json *to, struct nb_jw *w)
{
    bool any = false;

    nb_jw_object(w);
    for (const struct nb_json *c = nb_json_first(to); c; c = nb_json_next(c)) {
        const struct nb_json *old = nb_json_get(from, nb_json_key(c));

        if (old && same_text(old, c))
            continue;
        any = true;
        nb_jw_key(w, nb_json_key(c));
        if (old && nb_json_type(old) == NB_JSON_OBJECT && nb_json_type(c) == NB_JSON_OBJECT)
            diff_object(old, c, w);
        else
            nb_jw_value(w, c);
    }
    for (const struct nb_json *c = nb_json_first(from); c; c = nb_json_next(c)) {
        if (nb_json_get(to, nb_json_key(c)))
            continue;
        any = true;
        nb_jw_key(w, nb_json_key(c));
        nb_jw_null(w);
    }
    nb_jw_object_end(w);
    return any;
}

bool api_merge_diff(const char *from, const char *to, struct nb_buf *patch)
{
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(nb_json_free) struct nb_json *a = NULL;
    nb_auto(nb_json_free) struct nb_json *b = NULL;
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(ARENA_MAX_BYTES);
    struct nb_jw w = NB_JW_INIT(&text);

    /* Both come from our own writers. */
    if (!nb_json_parse(from, strlen(from), ARENA_MAX_BYTES, &a, &err) ||
        !nb_json_parse(to, strlen(to), ARENA_MAX_BYTES, &b, &err))
        abort();
    if (!diff_object(a, b, &w))
        return false;
    nb_buf_append(patch, text.data, text.len);
    return true;
}

void api_write_text(struct nb_jw *w, const char *key, const char *s)
{
    if (*s)
        nb_jw_kv_str(w, key, s);
}

void api_write_known(struct nb_jw *w, const char *key, int64_t v)
{
    if (v >= 0)
        nb_jw_kv_i64(w, key, v);
}

const char *api_size_text(struct nb_arena *a, int64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    double v = (double)bytes;
    size_t u = 0;

    if (bytes < 0)
        return "";
    for (; v >= 1023.95 && u + 1 < NB_ARRAY_LEN(units); u++)
        v /= 1024;
    return u == 0 ? api_printf(a, "%lld B", (long long)bytes)
                  : api_printf(a, "%.1f %s", v, units[u]);
}

const char *api_duration_text(struct nb_arena *a, int64_t s)
{
    if (s < 0)
        return "";
    if (s < 60)
        return api_printf(a, "%llds", (long long)s);
    if (s < 3600)
        return api_printf(a, "%lldm %llds", (long long)(s / 60), (long long)(s % 60));
    return api_printf(a, "%lldh %lldm", (long long)(s / 3600), (long long)(s / 60 % 60));
}
