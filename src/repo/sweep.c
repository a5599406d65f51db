/* Mark and sweep of chunks (repo_priv.h). */

#include <stdio.h>

#include "base/fault.h"
#include "base/map.h"
#include "base/mem.h"
#include "repo/repo_priv.h"
#include "s3/list.h"

/* ---- who else is there ---- */

enum { QUIET_EVERY = 64 /* chunks */ };

struct look {
    struct repo_sweep *s;
    struct nb_map *known; /* keys of manifests and claims */
    bool moved;           /* somebody is at work, or has been since the listing */
};

static void know(struct nb_map *known, const char *key)
{
    static char there;

    if (key)
        nb_map_put(known, key, strlen(key), &there);
}

static bool on_key(void *ctx, const struct s3_list_entry *e, struct nb_error *err)
{
    struct look *l = ctx;
    struct repo_name n;

    (void)err;
    if (e->is_prefix || !repo_name_parse(l->s->repo->prefix, e->key, &n) ||
        !nb_streq(n.database, l->s->database))
        return true;
    if (n.kind != REPO_NAME_MANIFEST && n.kind != REPO_NAME_CLAIM)
        return true;
    if (!nb_map_get(l->known, e->key, strlen(e->key)))
        l->moved = true;
    /* A dead run's claim that somebody has taken over is young again. */
    if (n.kind == REPO_NAME_CLAIM && repo_claim_is_live(l->s->repo, &e->object))
        l->moved = true;
    return true;
}

/* *ret: nobody is at work on the database, and nothing came since the listing. A live claim that is
 * left behind by a finished run counts as one at work: the next sweep is not far. */
static bool is_quiet(struct repo_sweep *s, const struct nb_cancel *cancel, bool *ret,
                     struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf prefix = NB_BUF_INIT(REPO_KEY_MAX);
    nb_auto(nb_map_free) struct nb_map *known = nb_map_new(NULL);
    struct look look = { .s = s, .known = known };
    struct s3_list_opts o = { .delimiter = "/" };
    bool complete;

    for (size_t i = 0; i < s->n; i++) {
        know(known, s->backups[i].manifest_key);
        know(known, s->backups[i].claim_key);
    }
    if (s->repo->prefix[0])
        nb_buf_printf(&prefix, "%s/", s->repo->prefix);
    repo_escape(s->database, &prefix);
    nb_buf_putc(&prefix, '_');
    o.prefix = nb_buf_cstr(&prefix);
    if (!nb_buf_check(&prefix, err) ||
        !s3_list(s->repo->client, &o, on_key, &look, cancel, &complete, err))
        return false;
    *ret = complete && !look.moved;
    return true;
}

/* ---- mark ---- */

static void name_chunks(struct repo_chunkset *chunks, const struct repo_backup *b)
{
    for (size_t i = 0; i < b->chunks_n; i++) {
        struct repo_chunk *c = repo_chunkset_find(chunks, b->chunks[i].id);

        if (c)
            c->named = true;
    }
}

/* False: it cannot be known what is named, so every chunk stays. A run at work has stored chunks
 * that no manifest names yet, and a manifest that cannot be read may name any. */
static bool mark(const struct repo_sweep *s, struct repo_chunkset *chunks)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct repo_backup *b = &s->backups[i];

        if (b->state == REPO_RUNNING && (b->ours || !b->claim_owner))
            return false;
        if (b->manifest_key && !b->manifest)
            return false;
        if (b->manifest && b->ours)
            name_chunks(chunks, b);
    }
    return true;
}

/* ---- sweep ---- */

/* By the time at which the sweep began, however long it takes: what a run that came later takes
 * over is younger than that, since the run renews what is not (repo/chunks.c). */
static bool is_young(const struct repo_sweep *s, int64_t last_modified_unix_seconds)
{
    return !s->everything && last_modified_unix_seconds > s->young_unix_seconds;
}

/* A lock keeps it: it stays, and costs what it costs. */
static bool delete_chunk(struct repo_sweep *s, const char *key, uint64_t size,
                         const struct nb_cancel *cancel, struct nb_error *err)
{
    struct s3_object now;

    if (!nb_fault("repo.sweep_chunk", err))
        return false;
    if (!s3_head(s->repo->client, key, cancel, &now, NULL, err)) {
        if (err->code != NB_E_NOT_FOUND)
            return false;
        nb_error_clear(err);
        return true;
    }
    if (is_young(s, now.last_modified_unix_seconds))
        return true;
    if (!s3_delete(s->repo->client, key, cancel, err)) {
        if (!nb_streq(err->reason, "ObjectLocked"))
            return false;
        nb_error_clear(err);
        return true;
    }
    s->deleted++;
    s->bytes_deleted += size;
    return true;
}

static bool sweep(struct repo_sweep *s, const struct repo_chunkset *chunks,
                  const struct nb_cancel *cancel, struct nb_error *err)
{
    char hex[NB_SHA256_HEX], key[REPO_KEY_MAX + 1];
    size_t looked_at = 0;
    bool quiet;

    for (size_t i = 0; i < chunks->n; i++) {
        const struct repo_chunk *c = &chunks->items[i];

        if (c->named || is_young(s, c->last_modified_unix_seconds))
            continue;
        if (s->dry_run) {
            s->deleted++;
            s->bytes_deleted += c->size;
            continue;
        }
        /* A run that has come up meanwhile ends the sweep: a DELETE that is tried again may come
         * late. */
        if (++looked_at % QUIET_EVERY == 0) {
            if (!is_quiet(s, cancel, &quiet, err))
                return false;
            if (!quiet)
                return true;
        }
        nb_hex(c->id, sizeof(c->id), hex);
        if (!repo_chunk_key(s->repo->prefix, s->repo->owner, s->database, hex, key, err))
            return false;
        if (!delete_chunk(s, key, c->size, cancel, err))
            return nb_wrap(err, "delete chunk '%s'", key);
    }
    return true;
}

bool repo_sweep_chunks(struct repo_sweep *s, const struct nb_cancel *cancel, struct nb_error *err)
{
    nb_auto_done(repo_chunkset_done) struct repo_chunkset chunks = { .items = NULL };
    bool complete, quiet;

    s->young_unix_seconds = s3_client_now_unix_ms(s->repo->client) / 1000 - REPO_CLAIM_LIVE_SECONDS;
    if (!repo_chunks_list(s->repo, s->database, cancel, &chunks, &complete, err))
        return false;
    if (!complete)
        return nb_fail(err, NB_E_UNAVAILABLE, "ListingIncomplete",
                       "the listing of chunks of database '%s' is not complete, so none is deleted",
                       s->database);
    if (chunks.n == 0 || !mark(s, &chunks))
        return true;
    if (!is_quiet(s, cancel, &quiet, err))
        return false;
    return !quiet || sweep(s, &chunks, cancel, err);
}

/* ---- databases ---- */

void repo_names_done(struct repo_strings *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->items[i]);
    free(s->items);
    memset(s, 0, sizeof(*s));
}

struct directories {
    size_t skip; /* bytes of "<prefix>/chunks/<owner>/" */
    const char *only;
    struct repo_strings *ret;
};

static bool on_directory(void *ctx, const struct s3_list_entry *e, struct nb_error *err)
{
    const struct directories *d = ctx;
    nb_auto_done(nb_buf_done) struct nb_buf name = NB_BUF_INIT(REPO_DATABASE_MAX);
    size_t n = strlen(e->key);

    (void)err;
    if (!e->is_prefix || n <= d->skip + 1)
        return true;
    if (!repo_unescape(e->key + d->skip, n - d->skip - 1, &name) || name.overflow)
        return true; /* none of ours */
    if (!d->only || nb_streq(d->only, nb_buf_cstr(&name)))
        repo_strings_add(d->ret, nb_buf_cstr(&name));
    return true;
}

bool repo_chunk_databases(struct repo *r, const char *only, const struct nb_cancel *cancel,
                          struct repo_strings *ret, struct nb_error *err)
{
    char dir[REPO_KEY_MAX + 1];
    const struct s3_list_opts o = { .prefix = dir, .delimiter = "/" };
    struct directories d = { .only = only, .ret = ret };
    bool complete; /* what is not seen is not swept */

    if (!repo_chunk_dir(r->prefix, r->owner, "x", dir, err))
        return false;
    dir[strlen(dir) - 2] = '\0'; /* without "x/" */
    d.skip = strlen(dir);
    return s3_list(r->client, &o, on_directory, &d, cancel, &complete, err);
}
