#include <stdio.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "repo/repo_priv.h"
#include "s3/list.h"

enum { READERS_MAX = 8 };

const char *repo_state_name(enum repo_state s)
{
    static const char *const names[] = { "Complete", "Unproven", "Damaged",  "Deleting",
                                         "Running",  "Stale",    "Unmanaged" };

    return names[s];
}

uint64_t repo_backup_bytes(const struct repo_backup *b)
{
    return b->manifest && b->manifest->type == REPO_INCREMENTAL ? b->manifest->stored_bytes
                                                                : b->stored_bytes;
}

bool repo_backup_is_whole(const struct repo_backup *b)
{
    return b->manifest && (b->state == REPO_COMPLETE || b->state == REPO_UNPROVEN);
}

static int64_t start_of(const struct repo_backup *b)
{
    return b->manifest ? b->manifest->start_unix_seconds : b->name.time_unix_seconds;
}

int64_t repo_backup_end(const struct repo_backup *b)
{
    return b->manifest ? b->manifest->completion_unix_seconds : b->name.time_unix_seconds;
}

bool repo_backup_is_newer(const struct repo_backup *a, const struct repo_backup *b)
{
    if (start_of(a) != start_of(b))
        return start_of(a) > start_of(b);
    if (a->name.time_unix_seconds != b->name.time_unix_seconds)
        return a->name.time_unix_seconds > b->name.time_unix_seconds;
    return a->name.suffix > b->name.suffix;
}

/* ---- what a listing shows of one stem ---- */

struct listed_object {
    char *key;
    uint64_t size;
    uint64_t etag; /* repo_etag_hash */
};

struct entry {
    struct repo_backup b;
    struct listed_object *dumps;
    size_t dumps_n, dumps_cap;
    struct s3_object claim;
    bool gone; /* deleted between the listing and the reading */
};

static void backup_done(struct repo_backup *b)
{
    free(b->stem);
    free(b->manifest_key);
    free(b->claim_key);
    free(b->dump_key);
    repo_manifest_free(b->manifest);
    free(b->chunks);
    free(b->problem);
    free(b->claim_owner);
    free(b->claim_run_id);
    free(b->claim_base);
    free(b->claim_etag);
    for (size_t i = 0; i < b->claim_uploads.n; i++)
        free(b->claim_uploads.items[i]);
    free(b->claim_uploads.items);
    memset(b, 0, sizeof(*b));
}

static void entry_free(void *p)
{
    struct entry *e = p;

    backup_done(&e->b);
    for (size_t i = 0; i < e->dumps_n; i++)
        free(e->dumps[i].key);
    free(e->dumps);
    free(e);
}

void repo_backups_done(struct repo_backups *b)
{
    for (size_t i = 0; i < b->n; i++)
        backup_done(&b->items[i]);
    free(b->items);
    memset(b, 0, sizeof(*b));
}

void repo_backups_drop_gone(struct repo_backups *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->n; i++) {
        if (b->items[i].gone)
            backup_done(&b->items[i]);
        else
            b->items[n++] = b->items[i];
    }
    b->n = n;
}

struct catalog {
    struct repo *repo;
    const struct repo_list_opts *opts;
    const struct nb_cancel *cancel;
    struct nb_map *by_stem;
    struct nb_vec entries; /* the map's values */
    struct nb_map *chunks; /* by directory: struct repo_chunkset; NULL: not looked at */
    bool complete, chunks_complete;

    pthread_mutex_t lock; /* of the readers */
    size_t next;
    bool failed;
    struct nb_error error;
};

static void add_dump(struct entry *e, const struct s3_list_entry *l, const struct repo_name *n)
{
    if (e->dumps_n == e->dumps_cap) {
        e->dumps_cap = e->dumps_cap ? 2 * e->dumps_cap : 2;
        e->dumps = nb_xreallocarray(e->dumps, e->dumps_cap, sizeof(*e->dumps));
    }
    e->dumps[e->dumps_n++] = (struct listed_object){ nb_xstrdup(l->key), l->object.size,
                                                     repo_etag_hash(l->object.etag) };
    e->b.stored_bytes += l->object.size;
    if (!e->b.dump_key && n->object < 2) {
        e->b.dump_key = nb_xstrdup(l->key);
        e->b.name.gz = n->gz;
        e->b.name.age = n->age;
    }
}

static struct entry *entry_of(struct catalog *c, const char *stem, const struct repo_name *n)
{
    struct entry *e = nb_map_get(c->by_stem, stem, strlen(stem));

    if (e)
        return e;
    e = NB_NEW(struct entry);
    e->b.stem = nb_xstrdup(stem);
    e->b.name = *n;
    e->b.name.kind = REPO_NAME_DUMP;
    e->b.name.object = 0;
    nb_map_put(c->by_stem, stem, strlen(stem), e);
    nb_vec_push(&c->entries, e);
    return e;
}

static bool on_listed(void *ctx, const struct s3_list_entry *l, struct nb_error *err)
{
    struct catalog *c = ctx;
    struct repo_name n;
    char stem[REPO_KEY_MAX + 1];
    struct entry *e;

    (void)err;
    if (l->is_prefix || !repo_name_parse(c->repo->prefix, l->key, &n) ||
        !repo_key_stem(l->key, stem) ||
        (c->opts->database && strcmp(n.database, c->opts->database) != 0))
        return true;
    e = entry_of(c, stem, &n);
    if (l->object.last_modified_unix_seconds > e->b.last_modified_unix_seconds)
        e->b.last_modified_unix_seconds = l->object.last_modified_unix_seconds;
    switch (n.kind) {
    case REPO_NAME_MANIFEST:
        e->b.manifest_key = nb_xstrdup(l->key);
        break;
    case REPO_NAME_CLAIM:
        e->b.claim_key = nb_xstrdup(l->key);
        e->claim = l->object;
        break;
    case REPO_NAME_PIN:
        e->b.pinned = true;
        break;
    case REPO_NAME_HOLD:
        e->b.hold = repo_age_seconds(c->repo, &l->object) < REPO_HOLD_SECONDS ? REPO_HOLD_LIVE
                                                                              : REPO_HOLD_OVER;
        break;
    case REPO_NAME_DUMP:
        add_dump(e, l, &n);
    }
    return true;
}

static bool list_stems(struct catalog *c, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf prefix = NB_BUF_INIT(REPO_KEY_MAX);
    struct s3_list_opts o = { .delimiter = "/" };

    if (c->repo->prefix[0])
        nb_buf_printf(&prefix, "%s/", c->repo->prefix);
    if (c->opts->database) {
        repo_escape(c->opts->database, &prefix);
        nb_buf_putc(&prefix, '_');
    }
    o.prefix = nb_buf_cstr(&prefix);
    return nb_buf_check(&prefix, err) &&
           s3_list(c->repo->client, &o, on_listed, c, c->cancel, &c->complete, err);
}

/* ---- reading manifests and claims, several at a time ---- */

static bool read_manifest(struct catalog *c, struct entry *e, struct nb_error *err)
{
    if (repo_manifest_read(c->repo, e->b.manifest_key, c->cancel, &e->b.manifest, err)) {
        repo_backup_compact(c->repo, &e->b);
        return true;
    }
    if (nb_streq(err->reason, "NoBackup")) {
        e->gone = true;
        return true;
    }
    if (err->code != NB_E_CORRUPT && err->code != NB_E_INVALID)
        return false;
    e->b.problem = nb_xstrdup(err->text);
    return true;
}

static bool read_claim(struct catalog *c, struct entry *e, struct nb_error *err)
{
    nb_auto_done(repo_claim_text_done) struct repo_claim_text t = { 0 };

    if (!repo_claim_read(c->repo, e->b.claim_key, c->cancel, &t, &e->claim, err)) {
        if (err->code == NB_E_NOT_FOUND) {
            free(e->b.claim_key);
            e->b.claim_key = NULL;
            return true;
        }
        return nb_streq(err->reason, "InvalidClaim"); /* somebody's: never ours to touch */
    }
    e->b.claim_owner = nb_steal(t.owner);
    e->b.claim_run_id = nb_steal(t.run_id);
    e->b.claim_base = nb_steal(t.base_manifest);
    e->b.claim_etag = nb_xstrdup(e->claim.etag);
    e->b.claim_uploads = t.uploads;
    memset(&t.uploads, 0, sizeof(t.uploads));
    return true;
}

static bool read_entry(struct catalog *c, struct entry *e, struct nb_error *err)
{
    return (!e->b.manifest_key || read_manifest(c, e, err)) &&
           (!e->b.claim_key || read_claim(c, e, err));
}

static void *reader_run(void *arg)
{
    struct catalog *c = arg;

    for (;;) {
        struct nb_error err = NB_ERROR_INIT;
        struct entry *e = NULL;

        pthread_mutex_lock(&c->lock);
        if (!c->failed && c->next < c->entries.count)
            e = c->entries.items[c->next++];
        pthread_mutex_unlock(&c->lock);
        if (!e)
            return NULL;
        if (read_entry(c, e, &err))
            continue;
        pthread_mutex_lock(&c->lock);
        if (!c->failed)
            c->error = err;
        c->failed = true;
        pthread_mutex_unlock(&c->lock);
    }
}

static bool read_all(struct catalog *c, struct nb_error *err)
{
    struct nb_thread *threads[READERS_MAX];
    size_t n = 0, wanted = c->entries.count / 4;
    struct nb_error ignored = NB_ERROR_INIT;

    if (wanted > READERS_MAX)
        wanted = READERS_MAX;
    while (n < wanted && nb_thread_start("repo-read", reader_run, c, &threads[n], &ignored))
        n++;
    reader_run(c); /* this thread too: alone it would do */
    while (n > 0)
        nb_thread_join(threads[--n]);
    if (c->failed)
        *err = c->error;
    return !c->failed;
}

/* ---- verdicts ---- */

static const struct listed_object *find_dump(const struct entry *e, const char *key)
{
    for (size_t i = 0; i < e->dumps_n; i++)
        if (nb_streq(e->dumps[i].key, key))
            return &e->dumps[i];
    return NULL;
}

/* Not every service tells ETags in a listing. */
static bool hashes_differ(uint64_t a, uint64_t b)
{
    return a != 0 && b != 0 && a != b;
}

/* True: there, and of the size that the manifest says. *there: there at all; *other: with another
 * ETag. */
static bool object_fits(const struct entry *e, const struct repo_object *o, bool *there,
                        bool *other)
{
    const struct listed_object *d = find_dump(e, o->key);

    *there = d != NULL;
    *other = d && hashes_differ(d->etag, repo_etag_hash(o->etag));
    return d && d->size == o->size;
}

static void damaged(struct entry *e, const char *key, const char *what)
{
    e->b.state = REPO_DAMAGED;
    if (!e->b.problem)
        e->b.problem = nb_xasprintf("'%s' %s", key, what);
}

static const char other_size[] = "has another size than the manifest says";

static const char other_etag[] = "has another ETag than the manifest says: a copy, or replaced; "
                                 "`neo4j-backup verify` reads it, which tells";

/* What is worse stays. */
static void unproven(struct entry *e, const char *key)
{
    if (e->b.state != REPO_COMPLETE)
        return;
    e->b.state = REPO_UNPROVEN;
    e->b.problem = nb_xasprintf("'%s' %s", key, other_etag);
}

static const char *chunk_key(const struct catalog *c, const struct entry *e,
                             const struct repo_chunk_ref *ref, char out[REPO_KEY_MAX + 1])
{
    struct nb_error ignored = NB_ERROR_INIT;
    char hex[NB_SHA256_HEX];

    nb_hex(ref->id, sizeof(ref->id), hex);
    if (!repo_chunk_key(c->repo->prefix, c->repo->owner, e->b.manifest->database, hex, out,
                        &ignored))
        snprintf(out, REPO_KEY_MAX + 1, "%s", hex);
    return out;
}

static void judge_chunk(const struct catalog *c, struct entry *e, const struct repo_chunk_ref *ref,
                        const struct repo_chunk *found, const struct repo_chunk_ref **io_other)
{
    char key[REPO_KEY_MAX + 1];

    if (!found || found->size != ref->size)
        damaged(e, chunk_key(c, e, ref, key), found ? other_size : "is gone");
    else if (!*io_other && hashes_differ(found->etag, ref->etag))
        *io_other = ref;
}

static void judge_chunks(struct catalog *c, struct entry *e)
{
    struct repo_chunkset none = { .items = NULL }, *set;
    const struct repo_chunk_ref *other = NULL;
    struct nb_error ignored = NB_ERROR_INIT;
    char dir[REPO_KEY_MAX + 1], key[REPO_KEY_MAX + 1];

    if (!c->chunks || !c->chunks_complete || !e->b.ours ||
        !repo_chunk_dir(c->repo->prefix, c->repo->owner, e->b.manifest->database, dir, &ignored))
        return; /* not looked at */
    set = nb_map_get(c->chunks, dir, strlen(dir));
    for (size_t i = 0; i < e->b.chunks_n; i++)
        judge_chunk(c, e, &e->b.chunks[i], repo_chunkset_find(set ? set : &none, e->b.chunks[i].id),
                    &other);
    if (other)
        unproven(e, chunk_key(c, e, other, key));
}

static void judge_manifest(struct catalog *c, struct entry *e)
{
    const struct repo_manifest *m = e->b.manifest;
    const char *other_key = NULL;

    e->b.state = REPO_COMPLETE;
    if (!m) {
        e->b.state = REPO_DAMAGED;
        return;
    }
    e->b.ours = strcmp(m->owner, c->repo->owner) == 0;
    if (strcmp(m->database, e->b.name.database) != 0) {
        damaged(e, e->b.manifest_key, "is the manifest of another database");
        return;
    }
    for (size_t i = 0; i < m->objects_n; i++) {
        bool there, other;

        if (object_fits(e, &m->objects[i], &there, &other)) {
            if (other && !other_key)
                other_key = m->objects[i].key;
            continue;
        }
        if (!there && i == 0 && m->type == REPO_FULL) {
            e->b.state = REPO_DELETING;
            return;
        }
        damaged(e, m->objects[i].key, there ? other_size : "is gone");
    }
    judge_chunks(c, e);
    if (other_key)
        unproven(e, other_key);
}

static void judge_entry(struct catalog *c, struct entry *e)
{
    if (e->b.manifest_key) {
        judge_manifest(c, e);
    } else if (e->b.claim_key) {
        e->b.ours = nb_streq(e->b.claim_owner, c->repo->owner);
        e->b.state = repo_claim_is_live(c->repo, &e->claim) ? REPO_RUNNING : REPO_STALE;
    } else {
        e->b.state = REPO_UNMANAGED;
        e->gone = e->dumps_n == 0; /* a pin or a hold alone */
    }
}

static int compare_backups(const void *a, const void *b)
{
    const struct repo_name *x = &((const struct repo_backup *)a)->name;
    const struct repo_name *y = &((const struct repo_backup *)b)->name;
    int d = strcmp(x->database, y->database);

    if (d)
        return d;
    if (x->time_unix_seconds != y->time_unix_seconds)
        return x->time_unix_seconds < y->time_unix_seconds ? -1 : 1;
    return x->suffix < y->suffix ? -1 : x->suffix > y->suffix;
}

static void collect(struct catalog *c, struct repo_backups *ret)
{
    ret->items = nb_xcalloc(c->entries.count + 1, sizeof(*ret->items));
    ret->cap = c->entries.count + 1;
    for (size_t i = 0; i < c->entries.count; i++) {
        struct entry *e = c->entries.items[i];

        judge_entry(c, e);
        if (e->gone || (c->opts->ours_only && !e->b.ours))
            continue;
        ret->items[ret->n++] = e->b;
        memset(&e->b, 0, sizeof(e->b));
    }
    qsort(ret->items, ret->n, sizeof(*ret->items), compare_backups);
    ret->complete = c->complete;
}

/* ---- chunks ---- */

static void chunkset_free(void *p)
{
    repo_chunkset_done(p);
    free(p);
}

struct chunk_count {
    struct catalog *c;
    struct repo_backups *ret;
};

static bool on_any_chunk(void *ctx, const struct s3_list_entry *l, struct nb_error *err)
{
    const struct chunk_count *count = ctx;
    struct nb_map *sets = count->c->chunks;
    const char *name = strrchr(l->key, '/');
    size_t dir_n = name ? (size_t)(name + 1 - l->key) : 0;
    struct repo_chunk chunk = { .size = l->object.size, .etag = repo_etag_hash(l->object.etag) };
    struct repo_chunkset *set;

    (void)err;
    count->ret->chunk_count++;
    count->ret->chunk_bytes += l->object.size;
    if (!repo_chunk_id_parse(l->key + dir_n, chunk.id))
        return true;
    set = nb_map_get(sets, l->key, dir_n);
    if (!set) {
        set = NB_NEW(struct repo_chunkset);
        nb_map_put(sets, l->key, dir_n, set);
    }
    repo_chunkset_add(set, &chunk);
    return true;
}

/* "<prefix>/chunks/<owner>/" or, for one database, its directory. */
static bool list_chunks(struct catalog *c, struct repo_backups *ret, struct nb_error *err)
{
    char dir[REPO_KEY_MAX + 1];
    const struct s3_list_opts o = { .prefix = dir, .max_entries = REPO_CHUNKS_MAX };
    struct chunk_count count = { c, ret };

    if (!c->opts->with_chunks)
        return true;
    if (!repo_chunk_dir(c->repo->prefix, c->repo->owner,
                        c->opts->database ? c->opts->database : "x", dir, err))
        return false;
    if (!c->opts->database)
        dir[strlen(dir) - 2] = '\0'; /* without "x/" */
    c->chunks = nb_map_new(chunkset_free);
    if (!s3_list(c->repo->client, &o, on_any_chunk, &count, c->cancel, &c->chunks_complete, err))
        return false;
    c->complete = c->complete && c->chunks_complete;
    return true;
}

bool repo_list(struct repo *r, const struct repo_list_opts *opts, const struct nb_cancel *cancel,
               struct repo_backups *ret, struct nb_error *err)
{
    static const struct repo_list_opts all = { 0 };
    struct catalog c = { .repo = r,
                         .opts = opts ? opts : &all,
                         .cancel = cancel,
                         .by_stem = nb_map_new(entry_free),
                         .error = NB_ERROR_INIT };
    bool ok;

    memset(ret, 0, sizeof(*ret));
    nb_mutex_init(&c.lock);
    ok = list_stems(&c, err) && read_all(&c, err) && list_chunks(&c, ret, err);
    if (ok)
        collect(&c, ret);
    nb_map_free(c.chunks);
    nb_vec_done(&c.entries);
    nb_map_free(c.by_stem);
    pthread_mutex_destroy(&c.lock);
    return ok || nb_wrap(err, "list backups");
}

/* ---- the newest ---- */

static void take_newer(const struct repo_backup **io, const struct repo_backup *b)
{
    if (!*io || repo_backup_is_newer(b, *io))
        *io = b;
}

size_t repo_backups_choose(const struct repo_backups *all, size_t from, int64_t before_unix_seconds,
                           struct repo_choice *ret)
{
    size_t i = from;

    *ret = (struct repo_choice){ NULL, NULL };
    for (; i < all->n && nb_streq(all->items[i].name.database, all->items[from].name.database);
         i++) {
        const struct repo_backup *b = &all->items[i];

        if (before_unix_seconds && repo_backup_end(b) > before_unix_seconds)
            continue;
        if (b->ours && repo_backup_is_whole(b))
            take_newer(&ret->newest, b);
        else if ((b->ours || (b->manifest_key && !b->manifest)) &&
                 (b->state == REPO_DAMAGED || b->state == REPO_DELETING))
            take_newer(&ret->passed_over, b);
    }
    if (ret->newest && ret->passed_over && repo_backup_is_newer(ret->newest, ret->passed_over))
        ret->passed_over = NULL;
    return i;
}
