#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "repo/repo_priv.h"

enum { CLAIM_VERSION = 1, CLAIM_UPLOADS_MAX = 1000, CLAIM_TEXT_MAX = 4096 };

void repo_claim_text_done(struct repo_claim_text *t)
{
    free(t->owner);
    free(t->owner_uid);
    free(t->run_id);
    free(t->nonce);
    free(t->database);
    free(t->base_manifest);
    for (size_t i = 0; i < t->uploads.n; i++)
        free(t->uploads.items[i]);
    free(t->uploads.items);
    memset(t, 0, sizeof(*t));
}

static void put_time(struct nb_jw *w, const char *key, int64_t t)
{
    char text[NB_TIME_TEXT_MAX];

    nb_jw_kv_str(w, key, nb_time_format(t, text));
}

void repo_claim_text_format(const struct repo_claim_text *t, struct nb_buf *out)
{
    struct nb_jw w = NB_JW_INIT(out);

    nb_jw_object(&w);
    nb_jw_kv_i64(&w, "formatVersion", CLAIM_VERSION);
    nb_jw_kv_str(&w, "owner", t->owner);
    nb_jw_kv_str(&w, "ownerUid", t->owner_uid);
    nb_jw_kv_str(&w, "runId", t->run_id);
    nb_jw_kv_str(&w, "nonce", t->nonce);
    nb_jw_kv_str(&w, "database", t->database);
    nb_jw_kv_str(&w, "baseManifest", t->base_manifest);
    put_time(&w, "startTime", t->start_unix_seconds);
    put_time(&w, "refreshTime", t->refresh_unix_seconds);
    nb_jw_key(&w, "uploads");
    nb_jw_array(&w);
    for (size_t i = 0; i < t->uploads.n; i++) {
        const char *id = strchr(t->uploads.items[i], '\n');

        nb_jw_object(&w);
        nb_jw_key(&w, "key");
        nb_jw_strn(&w, t->uploads.items[i], (size_t)(id - t->uploads.items[i]));
        nb_jw_kv_str(&w, "uploadId", id + 1);
        nb_jw_object_end(&w);
    }
    nb_jw_array_end(&w);
    nb_jw_object_end(&w);
    nb_buf_putc(out, '\n');
}

static bool bad(struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_CORRUPT, "InvalidClaim", "claim: '%s' is missing or wrong", what);
}

static bool take(const struct nb_json *j, const char *name, bool required, char **ret,
                 struct nb_error *err)
{
    const struct nb_json *v = nb_json_get(j, name);
    const char *s = nb_json_str(v, NULL);

    if (!s)
        return !required || bad(err, name);
    if (strlen(s) > CLAIM_TEXT_MAX)
        return bad(err, name);
    *ret = nb_xstrdup(s);
    return true;
}

static bool take_uploads(const struct nb_json *list, struct repo_strings *ret, struct nb_error *err)
{
    for (const struct nb_json *v = nb_json_first(list); v; v = nb_json_next(v)) {
        const char *key = nb_json_str(nb_json_get(v, "key"), NULL);
        const char *id = nb_json_str(nb_json_get(v, "uploadId"), NULL);
        nb_auto(nb_free) char *both = NULL;

        if (!key || !id || strchr(key, '\n') || strlen(key) > REPO_KEY_MAX ||
            strlen(id) >= S3_UPLOAD_ID_MAX || ret->n == CLAIM_UPLOADS_MAX)
            return bad(err, "uploads");
        both = nb_xasprintf("%s\n%s", key, id);
        repo_strings_add(ret, both);
    }
    return true;
}

bool repo_claim_text_parse(const char *p, size_t n, struct repo_claim_text *ret,
                           struct nb_error *err)
{
    nb_auto(nb_json_free) struct nb_json *j = NULL;
    nb_auto_done(repo_claim_text_done) struct repo_claim_text t = { 0 };

    if (!nb_json_parse(p, n, REPO_CLAIM_MAX_BYTES, &j, err)) {
        nb_error_clear(err);
        return nb_fail(err, NB_E_CORRUPT, "InvalidClaim", "claim: is no JSON");
    }
    if (nb_json_i64(nb_json_get(j, "formatVersion"), 0) < 1)
        return bad(err, "formatVersion");
    if (!take(j, "owner", true, &t.owner, err) || !take(j, "ownerUid", false, &t.owner_uid, err) ||
        !take(j, "runId", true, &t.run_id, err) || !take(j, "nonce", false, &t.nonce, err) ||
        !take(j, "database", true, &t.database, err) ||
        !take(j, "baseManifest", false, &t.base_manifest, err) ||
        !take_uploads(nb_json_get(j, "uploads"), &t.uploads, err))
        return false;
    if (!nb_time_parse(nb_json_str(nb_json_get(j, "startTime"), ""), &t.start_unix_seconds))
        return bad(err, "startTime");
    if (!nb_time_parse(nb_json_str(nb_json_get(j, "refreshTime"), ""), &t.refresh_unix_seconds))
        return bad(err, "refreshTime");
    *ret = t;
    memset(&t, 0, sizeof(t));
    return true;
}
