#include "repo/manifest.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "repo/names.h"

enum { TEXT_MAX = 4096, OBJECTS_MAX = 1000000, LIST_MAX = 1000000 };

static const char *const type_names[] = { "full", "incremental" };
static const char *const consistency_names[] = { "Closed", "Snapshot", "BestEffort" };
static const char *const verification_names[] = { "Checksum", "Readback", "Restore" };

const char *repo_consistency_name(enum repo_consistency c)
{
    return consistency_names[c];
}

const char *repo_verification_name(enum repo_verification v)
{
    return verification_names[v];
}

/* ---- making ---- */

struct repo_manifest *repo_manifest_new(void)
{
    struct repo_manifest *m = NB_NEW(struct repo_manifest);

    m->format_version = REPO_MANIFEST_VERSION;
    m->last_transaction = -1;
    m->nodes = m->relationships = m->properties = m->indexes = m->constraints = -1;
    return m;
}

static void counts_done(struct repo_counts *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->items[i].name);
    free(c->items);
}

static void strings_done(struct repo_strings *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->items[i]);
    free(s->items);
}

void repo_manifest_free(struct repo_manifest *m)
{
    if (!m)
        return;
    free(m->owner);
    free(m->owner_uid);
    free(m->run_id);
    free(m->tool_version);
    free(m->base_manifest);
    free(m->helper);
    free(m->database);
    free(m->database_id);
    free(m->server_version);
    free(m->server_edition);
    free(m->store_format);
    free(m->engine);
    free(m->compression);
    free(m->digest_nodes);
    free(m->digest_relationships);
    free(m->digest_relationships_ends);
    free(m->signature);
    free(m->manifest_key);
    free(m->key);
    free(m->distrust);
    for (size_t i = 0; i < m->objects_n; i++)
        free(m->objects[i].key);
    free(m->objects);
    counts_done(&m->labels);
    counts_done(&m->types);
    strings_done(&m->recipients);
    strings_done(&m->warnings);
    strings_done(&m->losses);
    free(m);
}

static void *grow(void *items, size_t n, size_t *cap, size_t item_bytes)
{
    if (n < *cap)
        return items;
    *cap = *cap ? 2 * *cap : 8;
    return nb_xreallocarray(items, *cap, item_bytes);
}

struct repo_object *repo_manifest_add_object(struct repo_manifest *m, const char *key)
{
    struct repo_object *o;

    m->objects = grow(m->objects, m->objects_n, &m->objects_cap, sizeof(*m->objects));
    o = &m->objects[m->objects_n++];
    memset(o, 0, sizeof(*o));
    o->key = nb_xstrdup(key);
    return o;
}

void repo_counts_add(struct repo_counts *c, const char *name, uint64_t count)
{
    c->items = grow(c->items, c->n, &c->cap, sizeof(*c->items));
    c->items[c->n++] = (struct repo_count){ nb_xstrdup(name), count };
}

void repo_strings_add(struct repo_strings *s, const char *text)
{
    s->items = grow(s->items, s->n, &s->cap, sizeof(*s->items));
    s->items[s->n++] = nb_xstrdup(text);
}

/* ---- checks that hold for what is written and what is read ---- */

struct complaint {
    enum nb_code code;
    struct nb_error *err;
};

static bool bad(const struct complaint *c, const char *path, const char *what)
{
    return nb_fail(c->err, c->code, "InvalidManifest", "manifest: '%s' %s", path, what);
}

static bool is_sha256(const char *s)
{
    return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static bool object_check(const struct repo_object *o, size_t i, const struct complaint *c)
{
    char path[64];

    snprintf(path, sizeof(path), "objects[%zu].key", i);
    if (!o->key[0] || strlen(o->key) > REPO_KEY_MAX)
        return bad(c, path, "is no key of an object");
    snprintf(path, sizeof(path), "objects[%zu].sha256", i);
    if (!is_sha256(o->sha256))
        return bad(c, path, "is no SHA-256");
    snprintf(path, sizeof(path), "objects[%zu].plainSha256", i);
    if (o->plain_sha256[0] && !is_sha256(o->plain_sha256))
        return bad(c, path, "is no SHA-256");
    return true;
}

static bool manifest_check(const struct repo_manifest *m, const struct complaint *c)
{
    const struct {
        const char *path, *text;
    } required[] = { { "owner", m->owner },
                     { "runId", m->run_id },
                     { "database.name", m->database },
                     { "compression", m->compression },
                     { "engine", m->engine } };

    for (size_t i = 0; i < NB_ARRAY_LEN(required); i++)
        if (!required[i].text || !required[i].text[0])
            return bad(c, required[i].path, "is missing");
    if (strlen(m->owner) > REPO_OWNER_MAX)
        return bad(c, "owner", "is too long");
    if (strlen(m->database) > REPO_DATABASE_MAX)
        return bad(c, "database.name", "is too long");
    if (!nb_streq(m->compression, "none") && !nb_streq(m->compression, "gzip"))
        return bad(c, "compression", "is neither 'none' nor 'gzip'");
    if (m->start_unix_seconds <= 0 || m->completion_unix_seconds < m->start_unix_seconds)
        return bad(c, "completionTime", "is before 'startTime'");
    if (m->objects_n == 0)
        return bad(c, "objects", "names no object");
    if (!is_sha256(m->plain_sha256))
        return bad(c, "plainSha256", "is no SHA-256");
    for (size_t i = 0; i < m->objects_n; i++)
        if (!object_check(&m->objects[i], i, c))
            return false;
    return true;
}

/* ---- writing ---- */

static void put_time(struct nb_jw *w, const char *key, int64_t unix_seconds)
{
    char text[NB_TIME_TEXT_MAX];

    if (unix_seconds)
        nb_jw_kv_str(w, key, nb_time_format(unix_seconds, text));
}

static void put_u64(struct nb_jw *w, const char *key, uint64_t v)
{
    nb_jw_key(w, key);
    nb_jw_u64(w, v);
}

static void put_known(struct nb_jw *w, const char *key, int64_t v)
{
    if (v >= 0)
        nb_jw_kv_i64(w, key, v);
}

static void put_text(struct nb_jw *w, const char *key, const char *s)
{
    if (s && s[0])
        nb_jw_kv_str(w, key, s);
}

static void put_strings(struct nb_jw *w, const char *key, const struct repo_strings *s)
{
    if (s->n == 0)
        return;
    nb_jw_key(w, key);
    nb_jw_array(w);
    for (size_t i = 0; i < s->n; i++)
        nb_jw_str(w, s->items[i]);
    nb_jw_array_end(w);
}

static void put_counts(struct nb_jw *w, const char *key, const struct repo_counts *c)
{
    nb_jw_key(w, key);
    nb_jw_object(w);
    for (size_t i = 0; i < c->n; i++)
        put_u64(w, c->items[i].name, c->items[i].count);
    nb_jw_object_end(w);
}

static void put_objects(struct nb_jw *w, const struct repo_manifest *m)
{
    nb_jw_key(w, "objects");
    nb_jw_array(w);
    for (size_t i = 0; i < m->objects_n; i++) {
        const struct repo_object *o = &m->objects[i];

        nb_jw_object(w);
        nb_jw_kv_str(w, "key", o->key);
        put_u64(w, "size", o->size);
        nb_jw_kv_str(w, "sha256", o->sha256);
        put_text(w, "etag", o->etag);
        if (o->plain_bytes)
            put_u64(w, "plainBytes", o->plain_bytes);
        put_text(w, "plainSha256", o->plain_sha256);
        nb_jw_object_end(w);
    }
    nb_jw_array_end(w);
}

static void put_source(struct nb_jw *w, const struct repo_manifest *m)
{
    nb_jw_key(w, "database");
    nb_jw_object(w);
    nb_jw_kv_str(w, "name", m->database);
    put_text(w, "id", m->database_id);
    put_text(w, "storeFormat", m->store_format);
    if (m->server_start_unix_ms)
        nb_jw_kv_i64(w, "startUnixMs", m->server_start_unix_ms);
    put_known(w, "lastTransaction", m->last_transaction);
    nb_jw_object_end(w);
    nb_jw_key(w, "server");
    nb_jw_object(w);
    put_text(w, "version", m->server_version);
    put_text(w, "edition", m->server_edition);
    nb_jw_object_end(w);
    nb_jw_kv_str(w, "engine", m->engine);
}

static void put_chain(struct nb_jw *w, const struct repo_manifest *m)
{
    if (m->type != REPO_INCREMENTAL)
        return;
    put_text(w, "helper", m->helper);
    if (m->chunk_bytes)
        put_u64(w, "chunkBytes", m->chunk_bytes);
    put_u64(w, "newBytes", m->new_bytes);
    if (m->unread)
        nb_jw_kv_i64(w, "unread", m->unread);
}

static void put_content(struct nb_jw *w, const struct repo_manifest *m)
{
    nb_jw_key(w, "counts");
    nb_jw_object(w);
    put_known(w, "nodes", m->nodes);
    put_known(w, "relationships", m->relationships);
    put_known(w, "properties", m->properties);
    put_known(w, "indexes", m->indexes);
    put_known(w, "constraints", m->constraints);
    put_counts(w, "labels", &m->labels);
    put_counts(w, "types", &m->types);
    nb_jw_object_end(w);
    nb_jw_key(w, "digests");
    nb_jw_object(w);
    put_text(w, "nodes", m->digest_nodes);
    put_text(w, "relationships", m->digest_relationships);
    put_text(w, "relationshipsWithEnds", m->digest_relationships_ends);
    nb_jw_object_end(w);
    nb_jw_kv_str(w, "consistency", consistency_names[m->consistency]);
    if (m->fixup_passes)
        nb_jw_kv_i64(w, "fixupPasses", m->fixup_passes);
    nb_jw_kv_str(w, "verification", verification_names[m->verification]);
    put_strings(w, "warnings", &m->warnings);
    put_strings(w, "losses", &m->losses);
}

/* ---- the checksum ---- */

static const char member_start[] = ",\"checksum\":\"", member_end[] = "\"";
static const char signature_start[] = ",\"signature\":\"", text_end[] = "}\n";

/* Of the text that has no checksum and no signature; start: without its end. */
static void checksum_of(const char *start, size_t n, char ret[NB_SHA256_HEX])
{
    nb_auto(nb_sha256_free) struct nb_sha256 *h = nb_sha256_new();
    uint8_t digest[NB_SHA256_BYTES];

    nb_sha256_update(h, start, n);
    nb_sha256_update(h, text_end, sizeof(text_end) - 1);
    nb_sha256_final(h, digest);
    nb_hex(digest, sizeof(digest), ret);
}

static void put_checksum(struct nb_jw *w, const struct nb_buf *out)
{
    char hex[NB_SHA256_HEX];

    checksum_of(out->data, out->len, hex);
    nb_jw_kv_str(w, "checksum", hex);
}

/* The text's length without its end and, where it has one, its signature. */
static size_t checked_length(const char *text, size_t n)
{
    const size_t end = sizeof(text_end) - 1;
    const char *signature;

    n = n >= end && memcmp(text + n - end, text_end, end) == 0 ? n - end : n;
    signature = memrchr(text, ',', n);
    if (signature && n - (size_t)(signature - text) > sizeof(signature_start) - 1 &&
        memcmp(signature, signature_start, sizeof(signature_start) - 1) == 0)
        n = (size_t)(signature - text);
    return n;
}

/* Manifests of earlier versions have none. */
static bool check_checksum(const char *text, size_t n, const struct nb_json *j,
                           const struct complaint *c)
{
    const size_t start = sizeof(member_start) - 1, end = sizeof(member_end) - 1;
    const size_t member = start + NB_SHA256_HEX - 1 + end;
    char hex[NB_SHA256_HEX];

    if (!nb_json_get(j, "checksum"))
        return true;
    n = checked_length(text, n);
    if (n < member || memcmp(text + n - member, member_start, start) != 0)
        return bad(c, "checksum", "is not at the end: the text was written anew");
    checksum_of(text, n - member, hex);
    return memcmp(text + n - member + start, hex, NB_SHA256_HEX - 1) == 0 ||
           bad(c, "checksum", "is not that of the text: it was changed or damaged");
}

bool repo_manifest_format(struct repo_manifest *m, struct nb_buf *out, struct nb_error *err)
{
    const struct complaint c = { NB_E_INVALID, err };
    struct nb_jw w = NB_JW_INIT(out);

    if (!manifest_check(m, &c))
        return false;
    m->stored_bytes = 0;
    for (size_t i = 0; i < m->objects_n; i++)
        m->stored_bytes += m->objects[i].size;
    nb_jw_object(&w);
    nb_jw_kv_i64(&w, "formatVersion", m->format_version);
    nb_jw_kv_str(&w, "type", type_names[m->type]);
    nb_jw_kv_str(&w, "owner", m->owner);
    put_text(&w, "ownerUid", m->owner_uid);
    nb_jw_kv_str(&w, "runId", m->run_id);
    put_text(&w, "manifestKey", m->manifest_key);
    put_text(&w, "toolVersion", m->tool_version);
    put_text(&w, "baseManifest", m->base_manifest);
    if (m->chain_length)
        nb_jw_kv_i64(&w, "chainLength", m->chain_length);
    put_chain(&w, m);
    put_source(&w, m);
    put_time(&w, "scheduledTime", m->scheduled_unix_seconds);
    put_time(&w, "startTime", m->start_unix_seconds);
    put_time(&w, "completionTime", m->completion_unix_seconds);
    nb_jw_kv_str(&w, "compression", m->compression);
    put_strings(&w, "recipients", &m->recipients);
    put_objects(&w, m);
    put_u64(&w, "storedBytes", m->stored_bytes);
    put_u64(&w, "plainBytes", m->plain_bytes);
    nb_jw_kv_str(&w, "plainSha256", m->plain_sha256);
    put_content(&w, m);
    put_checksum(&w, out);
    put_text(&w, "signature", m->signature); /* last: repo/trust.c cuts it off there */
    nb_jw_object_end(&w);
    nb_buf_putc(out, '\n');
    return nb_buf_check(out, err);
}

/* ---- reading ---- */

enum field_kind {
    FIELD_TEXT,
    FIELD_SHA256,
    FIELD_INT,
    FIELD_I64,
    FIELD_U64,
    FIELD_TIME,
    FIELD_NAME
};

struct field {
    const char *path;
    enum field_kind kind;
    bool required;
    size_t offset;
    const char *const *names; /* FIELD_NAME: an enum's, in order */
    size_t names_n;
};

#define FIELD(path_, kind_, required_, member)                                                     \
    {                                                                                              \
        (path_), (kind_), (required_), offsetof(struct repo_manifest, member), NULL, 0             \
    }
#define FIELD_ENUM(path_, member, names_)                                                          \
    {                                                                                              \
        (path_), FIELD_NAME, true, offsetof(struct repo_manifest, member), (names_),               \
            NB_ARRAY_LEN(names_)                                                                   \
    }

static const struct field fields[] = {
    FIELD_ENUM("type", type, type_names),
    FIELD("owner", FIELD_TEXT, true, owner),
    FIELD("ownerUid", FIELD_TEXT, false, owner_uid),
    FIELD("runId", FIELD_TEXT, true, run_id),
    FIELD("manifestKey", FIELD_TEXT, false, manifest_key),
    FIELD("toolVersion", FIELD_TEXT, false, tool_version),
    FIELD("baseManifest", FIELD_TEXT, false, base_manifest),
    FIELD("chainLength", FIELD_INT, false, chain_length),
    FIELD("helper", FIELD_TEXT, false, helper),
    FIELD("chunkBytes", FIELD_U64, false, chunk_bytes),
    FIELD("newBytes", FIELD_U64, false, new_bytes),
    FIELD("unread", FIELD_INT, false, unread),
    FIELD("database.name", FIELD_TEXT, true, database),
    FIELD("database.id", FIELD_TEXT, false, database_id),
    FIELD("database.storeFormat", FIELD_TEXT, false, store_format),
    FIELD("database.startUnixMs", FIELD_I64, false, server_start_unix_ms),
    FIELD("database.lastTransaction", FIELD_I64, false, last_transaction),
    FIELD("server.version", FIELD_TEXT, false, server_version),
    FIELD("server.edition", FIELD_TEXT, false, server_edition),
    FIELD("engine", FIELD_TEXT, true, engine),
    FIELD("scheduledTime", FIELD_TIME, false, scheduled_unix_seconds),
    FIELD("startTime", FIELD_TIME, true, start_unix_seconds),
    FIELD("completionTime", FIELD_TIME, true, completion_unix_seconds),
    FIELD("compression", FIELD_TEXT, true, compression),
    FIELD("storedBytes", FIELD_U64, true, stored_bytes),
    FIELD("plainBytes", FIELD_U64, true, plain_bytes),
    FIELD("plainSha256", FIELD_SHA256, true, plain_sha256),
    FIELD("counts.nodes", FIELD_I64, false, nodes),
    FIELD("counts.relationships", FIELD_I64, false, relationships),
    FIELD("counts.properties", FIELD_I64, false, properties),
    FIELD("counts.indexes", FIELD_I64, false, indexes),
    FIELD("counts.constraints", FIELD_I64, false, constraints),
    FIELD("digests.nodes", FIELD_TEXT, false, digest_nodes),
    FIELD("digests.relationships", FIELD_TEXT, false, digest_relationships),
    FIELD("digests.relationshipsWithEnds", FIELD_TEXT, false, digest_relationships_ends),
    FIELD_ENUM("consistency", consistency, consistency_names),
    FIELD("fixupPasses", FIELD_INT, false, fixup_passes),
    FIELD_ENUM("verification", verification, verification_names),
    FIELD("signature", FIELD_TEXT, false, signature),
};

static bool is_type(const struct nb_json *v, enum nb_json_type t)
{
    return nb_json_type(v) == t;
}

static bool take_text(const struct nb_json *v, const char *path, char **ret,
                      const struct complaint *c)
{
    const char *s = nb_json_str(v, "");

    if (!is_type(v, NB_JSON_STRING))
        return bad(c, path, "is not a string");
    if (strlen(s) > TEXT_MAX)
        return bad(c, path, "is too long");
    free(*ret);
    *ret = nb_xstrdup(s);
    return true;
}

static bool take_sha256(const struct nb_json *v, const char *path, char ret[NB_SHA256_HEX],
                        const struct complaint *c)
{
    const char *s = nb_json_str(v, "");

    if (!is_sha256(s))
        return bad(c, path, "is no SHA-256");
    memcpy(ret, s, NB_SHA256_HEX);
    return true;
}

static bool take_number(const struct nb_json *v, const char *path, int64_t max, int64_t *ret,
                        const struct complaint *c)
{
    int64_t n = nb_json_i64(v, -1);

    if (!is_type(v, NB_JSON_INT) || n < 0 || n > max)
        return bad(c, path, "is not a whole number, or out of range");
    *ret = n;
    return true;
}

static bool take_name(const struct nb_json *v, const struct field *f, void *ret,
                      const struct complaint *c)
{
    const char *s = nb_json_str(v, "");
    char what[160] = "is none of";

    for (size_t i = 0; i < f->names_n; i++) {
        int n = (int)i;

        /* The enums have as many values as names, from 0. */
        if (nb_streq(s, f->names[i])) {
            memcpy(ret, &n, sizeof(n));
            return true;
        }
        snprintf(what + strlen(what), sizeof(what) - strlen(what), " '%s'", f->names[i]);
    }
    return bad(c, f->path, what);
}

_Static_assert(sizeof(enum repo_type) == sizeof(int) &&
                   sizeof(enum repo_consistency) == sizeof(int) &&
                   sizeof(enum repo_verification) == sizeof(int),
               "enums are read as int");

static bool take_field(struct repo_manifest *m, const struct field *f, const struct nb_json *v,
                       const struct complaint *c)
{
    char *at = (char *)m + f->offset;
    int64_t n = 0;

    switch (f->kind) {
    case FIELD_TEXT:
        return take_text(v, f->path, (char **)(void *)at, c);
    case FIELD_SHA256:
        return take_sha256(v, f->path, at, c);
    case FIELD_INT:
        if (!take_number(v, f->path, 1000000, &n, c))
            return false;
        *(int *)(void *)at = (int)n;
        return true;
    case FIELD_I64:
        return take_number(v, f->path, INT64_MAX, (int64_t *)(void *)at, c);
    case FIELD_U64:
        if (!take_number(v, f->path, INT64_MAX, &n, c))
            return false;
        *(uint64_t *)(void *)at = (uint64_t)n;
        return true;
    case FIELD_TIME:
        if (nb_time_parse(nb_json_str(v, ""), (int64_t *)(void *)at))
            return true;
        return bad(c, f->path, "is not a time as in RFC 3339");
    case FIELD_NAME:
        return take_name(v, f, at, c);
    }
    return false;
}

static bool take_fields(const struct nb_json *j, struct repo_manifest *m, const struct complaint *c)
{
    for (size_t i = 0; i < NB_ARRAY_LEN(fields); i++) {
        const struct nb_json *v = nb_json_at(j, fields[i].path);

        if (!v || is_type(v, NB_JSON_NULL)) {
            if (fields[i].required)
                return bad(c, fields[i].path, "is missing");
        } else if (!take_field(m, &fields[i], v, c)) {
            return false;
        }
    }
    return true;
}

static bool take_object(const struct nb_json *v, size_t i, struct repo_manifest *m,
                        const struct complaint *c)
{
    const struct nb_json *key = nb_json_get(v, "key"), *plain = nb_json_get(v, "plainBytes");
    const char *etag = nb_json_str(nb_json_get(v, "etag"), "");
    char path[64];
    struct repo_object *o;
    int64_t n = 0;

    snprintf(path, sizeof(path), "objects[%zu].key", i);
    if (!key || !is_type(key, NB_JSON_STRING))
        return bad(c, path, "is not a string");
    o = repo_manifest_add_object(m, nb_json_str(key, ""));
    snprintf(path, sizeof(path), "objects[%zu].size", i);
    if (!nb_json_get(v, "size"))
        return bad(c, path, "is missing");
    if (!take_number(nb_json_get(v, "size"), path, INT64_MAX / OBJECTS_MAX, &n, c))
        return false;
    o->size = (uint64_t)n;
    snprintf(path, sizeof(path), "objects[%zu].plainBytes", i);
    if (plain && !take_number(plain, path, INT64_MAX, &n, c))
        return false;
    o->plain_bytes = plain ? (uint64_t)n : 0;
    snprintf(path, sizeof(path), "objects[%zu].etag", i);
    if (strlen(etag) >= sizeof(o->etag))
        return bad(c, path, "is too long");
    snprintf(o->etag, sizeof(o->etag), "%s", etag);
    snprintf(o->sha256, sizeof(o->sha256), "%.64s", nb_json_str(nb_json_get(v, "sha256"), ""));
    snprintf(o->plain_sha256, sizeof(o->plain_sha256), "%.64s",
             nb_json_str(nb_json_get(v, "plainSha256"), ""));
    return true;
}

static bool take_objects(const struct nb_json *list, struct repo_manifest *m,
                         const struct complaint *c)
{
    size_t i = 0;

    if (!list || !is_type(list, NB_JSON_ARRAY))
        return bad(c, "objects", "is not a list");
    for (const struct nb_json *v = nb_json_first(list); v; v = nb_json_next(v)) {
        if (i == OBJECTS_MAX)
            return bad(c, "objects", "is too long");
        if (!take_object(v, i++, m, c))
            return false;
    }
    return true;
}

static bool take_strings(const struct nb_json *list, const char *path, struct repo_strings *ret,
                         const struct complaint *c)
{
    if (!list)
        return true;
    if (!is_type(list, NB_JSON_ARRAY))
        return bad(c, path, "is not a list");
    for (const struct nb_json *v = nb_json_first(list); v; v = nb_json_next(v)) {
        if (!is_type(v, NB_JSON_STRING) || ret->n == LIST_MAX)
            return bad(c, path, "holds something that is not a string, or too much");
        repo_strings_add(ret, nb_json_str(v, ""));
    }
    return true;
}

static bool take_counts(const struct nb_json *map, const char *path, struct repo_counts *ret,
                        const struct complaint *c)
{
    if (!map)
        return true;
    if (!is_type(map, NB_JSON_OBJECT))
        return bad(c, path, "is not an object");
    for (const struct nb_json *v = nb_json_first(map); v; v = nb_json_next(v)) {
        int64_t n = 0;

        if (ret->n == LIST_MAX)
            return bad(c, path, "holds too much");
        if (!take_number(v, path, INT64_MAX, &n, c))
            return false;
        repo_counts_add(ret, nb_json_key(v), (uint64_t)n);
    }
    return true;
}

static bool check_version(const struct nb_json *j, struct repo_manifest *m,
                          const struct complaint *c)
{
    const struct nb_json *v = nb_json_get(j, "formatVersion");

    if (!is_type(j, NB_JSON_OBJECT))
        return bad(c, "", "is not an object");
    if (!v || !is_type(v, NB_JSON_INT) || nb_json_i64(v, 0) < 1)
        return bad(c, "formatVersion", "is missing or no version");
    if (nb_json_i64(v, 0) > REPO_MANIFEST_VERSION)
        return nb_fail(c->err, NB_E_INVALID, "UnsupportedManifest",
                       "manifest: format version %" PRId64
                       " is later than %d, the latest that this "
                       "program knows; hint: use a newer neo4j-backup",
                       nb_json_i64(v, 0), REPO_MANIFEST_VERSION);
    m->format_version = (int)nb_json_i64(v, 0);
    return true;
}

static bool check_sizes(const struct repo_manifest *m, const struct complaint *c)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < m->objects_n; i++)
        sum += m->objects[i].size;
    return sum == m->stored_bytes || bad(c, "storedBytes", "is not the sum of the objects' sizes");
}

bool repo_manifest_parse(const char *text, size_t n, struct repo_manifest **ret,
                         struct nb_error *err)
{
    const struct complaint c = { NB_E_CORRUPT, err };
    nb_auto(nb_json_free) struct nb_json *j = NULL;
    nb_auto(repo_manifest_free) struct repo_manifest *m = repo_manifest_new();

    if (!nb_json_parse(text, n, REPO_MANIFEST_MAX_BYTES, &j, err)) {
        err->code = NB_E_CORRUPT;
        snprintf(err->reason, sizeof(err->reason), "InvalidManifest");
        return nb_wrap(err, "manifest");
    }
    if (!check_version(j, m, &c) || !check_checksum(text, n, j, &c) || !take_fields(j, m, &c) ||
        !take_objects(nb_json_get(j, "objects"), m, &c) ||
        !take_strings(nb_json_get(j, "recipients"), "recipients", &m->recipients, &c) ||
        !take_strings(nb_json_get(j, "warnings"), "warnings", &m->warnings, &c) ||
        !take_strings(nb_json_get(j, "losses"), "losses", &m->losses, &c) ||
        !take_counts(nb_json_at(j, "counts.labels"), "counts.labels", &m->labels, &c) ||
        !take_counts(nb_json_at(j, "counts.types"), "counts.types", &m->types, &c) ||
        !manifest_check(m, &c) || !check_sizes(m, &c))
        return false;
    *ret = nb_steal(m);
    return true;
}
