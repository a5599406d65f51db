#include <stdio.h>

#include "base/map.h"
#include "base/mem.h"
#include "repo/repo_priv.h"

struct prune {
    struct repo *repo;
    const struct repo_prune_opts *opts;
    const struct nb_cancel *cancel;
    struct repo_prune_result *ret;
    struct repo_etags etags;
    struct repo_backups *all; /* of every database asked for, and maybe of others */
    int64_t now_unix_seconds;
};

void repo_prune_result_done(struct repo_prune_result *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->items[i].manifest_key);
    free(p->items);
    memset(p, 0, sizeof(*p));
}

static struct repo_pruned *add_item(struct repo_prune_result *r, const struct repo_backup *b,
                                    enum retention_reason why)
{
    struct repo_pruned *p;

    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 16;
        r->items = nb_xreallocarray(r->items, r->cap, sizeof(*r->items));
    }
    p = &r->items[r->n++];
    *p = (struct repo_pruned){ .manifest_key = nb_xstrdup_null(b->manifest_key),
                               .bytes = b->stored_bytes,
                               .reason = why };
    return p;
}

/* ---- deleting one backup ---- */

/* A manifest may name only objects of its own stem, and chunks: whatever else it says, nothing else
 * is deleted. */
static bool is_own_object(const struct repo_backup *b, const char *key)
{
    char stem[REPO_KEY_MAX + 1];

    return repo_key_stem(key, stem) && nb_streq(stem, b->stem) &&
           nb_starts_with(key + strlen(stem), ".cypher");
}

/* *ret_locked: a lock keeps it; where that is so for the first object nothing was changed. */
static bool delete_key(struct prune *p, const char *key, bool *ret_locked, struct nb_error *err)
{
    if (s3_delete(p->repo->client, key, p->cancel, err))
        return true;
    if (!nb_streq(err->reason, "ObjectLocked"))
        return false;
    nb_error_clear(err);
    *ret_locked = true;
    return true;
}

static bool delete_hold(struct prune *p, const struct repo_backup *b, struct nb_error *err)
{
    char hold[REPO_KEY_MAX + 1];
    bool locked = false;

    snprintf(hold, sizeof(hold), "%s.hold", b->stem);
    return delete_key(p, hold, &locked, err);
}

static bool delete_backup(struct prune *p, const struct repo_backup *b, bool *ret_locked,
                          struct nb_error *err)
{
    *ret_locked = false;
    for (size_t i = 0; i < b->manifest->objects_n && !*ret_locked; i++)
        if (is_own_object(b, b->manifest->objects[i].key) &&
            !delete_key(p, b->manifest->objects[i].key, ret_locked, err))
            return false;
    return *ret_locked || ((b->hold == REPO_HOLD_NONE || delete_hold(p, b, err)) &&
                           delete_key(p, b->manifest_key, ret_locked, err));
}

static bool prune_one(struct prune *p, const struct repo_backup *b, enum retention_reason why,
                      struct nb_error *err)
{
    struct repo_pruned *item = add_item(p->ret, b, why);

    if (p->opts->on_delete)
        p->opts->on_delete(p->opts->ctx, b, why);
    if (!p->opts->dry_run && !delete_backup(p, b, &item->locked, err))
        return nb_wrap(err, "delete backup '%s'", b->stem);
    item->deleted = !item->locked;
    if (item->locked) {
        p->ret->locked++;
        return true;
    }
    p->ret->deleted++;
    p->ret->bytes_deleted += item->bytes;
    return true;
}

/* ---- retention of one database: items[from, to) of the list ---- */

static bool is_subject(const struct repo_backup *b)
{
    return b->ours && b->manifest && (repo_backup_is_whole(b) || b->state == REPO_DAMAGED);
}

struct subjects {
    struct prune *p;
    struct repo_backup **items;
};

static bool prove(void *ctx, size_t i, bool *ret_good, struct nb_error *err)
{
    const struct subjects *s = ctx;
    struct repo_backup *b = s->items[i];

    if (!repo_backup_prove(s->p->repo, b, &s->p->etags, s->p->cancel, err))
        return false;
    if (s->p->opts->on_proof)
        s->p->opts->on_proof(s->p->opts->ctx, b);
    *ret_good = b->state == REPO_COMPLETE;
    return true;
}

static bool retain(struct prune *p, size_t from, size_t to, bool *ret_blocked, struct nb_error *err)
{
    nb_auto(nb_free) struct retention_item *items = nb_xcalloc(to - from + 1, sizeof(*items));
    nb_auto(nb_free) struct repo_backup **subjects = nb_xcalloc(to - from + 1, sizeof(void *));
    struct subjects proving = { p, subjects };
    size_t n = 0;

    for (size_t i = from; i < to; i++) {
        struct repo_backup *b = &p->all->items[i];

        if (!is_subject(b))
            continue;
        items[n] = (struct retention_item){
            .time_unix_seconds = b->manifest->start_unix_seconds,
            .scheduled_unix_seconds = b->name.time_unix_seconds,
            .suffix = b->name.suffix,
            .good = repo_backup_is_whole(b),
            .unproven = b->state == REPO_UNPROVEN,
            .just_made = nb_streq(b->manifest_key, p->opts->made_manifest_key),
            .pinned = b->pinned,
            .held = b->hold == REPO_HOLD_LIVE,
            .owner_uid = b->manifest->owner_uid,
        };
        subjects[n++] = b;
    }
    if (!retention_decide_proven(items, n, &p->opts->rules, p->repo->owner_uid, p->now_unix_seconds,
                                 prove, &proving, ret_blocked, err))
        return false;
    p->ret->blocked = p->ret->blocked || *ret_blocked;
    for (size_t i = 0; i < n; i++) {
        if (items[i].keep) {
            add_item(p->ret, subjects[i], items[i].reason);
            p->ret->kept++;
        } else if (!prune_one(p, subjects[i], items[i].reason, err)) {
            return false;
        } else if (!p->opts->dry_run && p->ret->items[p->ret->n - 1].deleted) {
            subjects[i]->ours = false; /* its chunks need no keeping */
            subjects[i]->gone = true;
        }
    }
    return true;
}

/* ---- sweeping ---- */

/* A deletion that was cut off. The listing said that the dump is gone; asked once more before the
 * rest goes. */
static bool finish_deleting(struct prune *p, struct repo_backup *b, struct nb_error *err)
{
    const char *first = b->manifest->objects[0].key;
    bool locked = false;

    if (b->pinned || b->hold == REPO_HOLD_LIVE || !is_own_object(b, first))
        return true;
    if (s3_head(p->repo->client, first, p->cancel, NULL, NULL, err))
        return true;
    if (err->code != NB_E_NOT_FOUND)
        return false;
    nb_error_clear(err);
    if (!p->opts->dry_run && !delete_backup(p, b, &locked, err))
        return nb_wrap(err, "finish deleting '%s'", b->stem);
    p->ret->finished += !locked;
    b->gone = !locked;
    return true;
}

/* Once its uploads are gone; those that could not be listed keep it for another day. */
static bool delete_claim(struct prune *p, const struct repo_backup *b,
                         const struct repo_aborted *aborted, bool *ret_deleted,
                         struct nb_error *err)
{
    *ret_deleted = false;
    if (aborted->unlisted)
        return true;
    if (!s3_delete(p->repo->client, b->claim_key, p->cancel, err))
        return false;
    *ret_deleted = true;
    p->ret->claims_swept++;
    return true;
}

static bool sweep_stale(struct prune *p, struct repo_backup *b, struct nb_error *err)
{
    nb_auto_done(repo_claim_text_done) struct repo_claim_text t = { 0 };
    struct repo_aborted aborted = { .uploads = 0 };
    struct s3_object object;
    char etag[S3_ETAG_MAX];
    bool ok;

    if (p->opts->dry_run) {
        p->ret->claims_swept++;
        return true;
    }
    /* Read again: what counts is what it says now. */
    if (!repo_claim_read(p->repo, b->claim_key, p->cancel, &t, &object, err)) {
        if (err->code != NB_E_NOT_FOUND)
            return false;
        nb_error_clear(err);
        return true;
    }
    if (strcmp(t.owner, p->repo->owner) != 0 || repo_claim_is_live(p->repo, &object))
        return true;
    ok = repo_claim_take_over(p->repo, b->stem, &t, object.etag, p->cancel, etag, &aborted, err);
    p->ret->uploads_aborted += aborted.uploads;
    if (!ok) {
        if (!nb_streq(err->reason, "ClaimLost"))
            return nb_wrap(err, "sweep the stale claim '%s'", b->claim_key);
        nb_error_clear(err);
        return true;
    }
    return delete_claim(p, b, &aborted, &b->gone, err);
}

/* A claim whose run wrote its manifest and was killed before it could delete the claim. */
static bool sweep_leftover_claim(struct prune *p, struct repo_backup *b, struct nb_error *err)
{
    struct repo_aborted aborted = { .uploads = 0 };
    bool ok, deleted;

    if (!nb_streq(b->claim_owner, p->repo->owner) ||
        !nb_streq(b->claim_run_id, b->manifest->run_id))
        return true;
    if (p->opts->dry_run) {
        p->ret->claims_swept++;
        return true;
    }
    ok = repo_stem_uploads_abort(p->repo, b->stem, &b->claim_uploads, p->cancel, &aborted, err);
    p->ret->uploads_aborted += aborted.uploads;
    return ok && delete_claim(p, b, &aborted, &deleted, err);
}

static bool sweep_one(struct prune *p, struct repo_backup *b, struct nb_error *err)
{
    if (!b->ours)
        return true;
    if (b->hold == REPO_HOLD_OVER && !b->gone && !p->opts->dry_run && !delete_hold(p, b, err))
        return false;
    if (b->state == REPO_DELETING)
        return finish_deleting(p, b, err);
    if (b->state == REPO_STALE)
        return sweep_stale(p, b, err);
    if (repo_backup_is_whole(b) && b->claim_key)
        return sweep_leftover_claim(p, b, err);
    return true;
}

static bool sweep_chunks(struct prune *p, const char *database, size_t from, size_t to,
                         struct nb_error *err)
{
    struct repo_sweep sweep = {
        .repo = p->repo,
        .database = database,
        .backups = p->all->items + from,
        .n = to - from,
        .everything = p->opts->rules.everything,
        .dry_run = p->opts->dry_run,
    };
    bool ok = p->all->chunk_count == 0 || repo_sweep_chunks(&sweep, p->cancel, err);

    if (!p->opts->dry_run && sweep.deleted <= p->all->chunk_count &&
        sweep.bytes_deleted <= p->all->chunk_bytes) {
        p->all->chunk_count -= sweep.deleted;
        p->all->chunk_bytes -= sweep.bytes_deleted;
    }
    p->ret->chunks_deleted += sweep.deleted;
    p->ret->bytes_deleted += sweep.bytes_deleted;
    return ok;
}

/* ---- all of it ---- */

static bool prune_database(struct prune *p, size_t from, size_t to, struct nb_error *err)
{
    bool blocked;

    if (!retain(p, from, to, &blocked, err))
        return false;
    if (blocked)
        return true; /* nothing at all is deleted of it */
    for (size_t i = from; i < to; i++)
        if (!sweep_one(p, &p->all->items[i], err))
            return false;
    return sweep_chunks(p, p->all->items[from].name.database, from, to, err);
}

/* Chunks of databases that have no backup (any more): of a run that died, or of a sweep that was cut
 * off. */
static bool prune_chunks_alone(struct prune *p, struct nb_error *err)
{
    nb_auto_done(repo_names_done) struct repo_strings databases = { 0 };

    if (p->all->chunk_count == 0 ||
        !repo_chunk_databases(p->repo, p->opts->database, p->cancel, &databases, err))
        return p->all->chunk_count == 0;
    for (size_t i = 0; i < databases.n; i++) {
        bool seen = false;

        for (size_t k = 0; k < p->all->n && !seen; k++)
            seen = nb_streq(p->all->items[k].name.database, databases.items[i]);
        if (!seen && !sweep_chunks(p, databases.items[i], 0, 0, err))
            return false;
    }
    return true;
}

static bool is_asked_for(const struct prune *p, const char *database)
{
    return !p->opts->database || nb_streq(p->opts->database, database);
}

static bool prune_all(struct prune *p, struct nb_error *err)
{
    size_t from = 0;

    while (from < p->all->n) {
        size_t to = from + 1;

        while (to < p->all->n &&
               nb_streq(p->all->items[to].name.database, p->all->items[from].name.database))
            to++;
        if (is_asked_for(p, p->all->items[from].name.database) && !prune_database(p, from, to, err))
            return false;
        from = to;
    }
    return prune_chunks_alone(p, err);
}

bool repo_prune(struct repo *r, const struct repo_prune_opts *opts, const struct nb_cancel *cancel,
                struct repo_prune_result *ret, struct nb_error *err)
{
    const struct repo_list_opts o = { .database = opts->database, .with_chunks = true };
    nb_auto_done(repo_backups_done) struct repo_backups own = REPO_BACKUPS_INIT;
    nb_auto(nb_map_free) struct nb_map *proven = nb_map_new(NULL);
    struct prune p = { .repo = r,
                       .opts = opts,
                       .cancel = cancel,
                       .ret = ret,
                       .etags = { .proven = proven },
                       .all = opts->listing ? opts->listing : &own };
    bool ok;

    memset(ret, 0, sizeof(*ret));
    if (!opts->listing && !repo_list(r, &o, cancel, &own, err))
        return false;
    p.now_unix_seconds = s3_client_now_unix_ms(r->client) / 1000;
    if (!p.all->complete)
        ok = nb_fail(err, NB_E_UNAVAILABLE, "ListingIncomplete",
                     "the listing of bucket '%s' is not complete, so nothing is deleted",
                     s3_client_bucket(r->client));
    else
        ok = prune_all(&p, err);
    if (!opts->dry_run)
        repo_backups_drop_gone(p.all);
    return ok;
}
