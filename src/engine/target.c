#include "engine/target.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "engine/chunks.h"
#include "gz/block.h"
#include "sink/s3.h"

enum { GZIP_THREADS_DEFAULT_MAX = 4, META_MAX = 6, CHUNK_MAX_FACTOR = 8 };

struct eng_target {
    const struct eng_backup_opts *opts;
    struct repo_claim *claim;
    struct eng_meter *meter;
    const struct nb_cancel *run;
    struct sink *head; /* owns the rest */
    struct s3_pair meta[META_MAX];
    char created[NB_TIME_TEXT_MAX], format[16];
    struct sink *plain_hash, *plain_count, *stored_hash, *stored_count, *s3, *chunks;
};

static bool object_key(void *ctx, unsigned n, char *out, struct nb_error *err)
{
    return repo_claim_object_key(((struct eng_target *)ctx)->claim, n, out, err);
}

static bool note_upload(void *ctx, const char *key, const char *upload_id, struct nb_error *err)
{
    struct eng_target *t = ctx;

    return repo_claim_add_upload(t->claim, key, upload_id, t->run, err);
}

static void note_stored(void *ctx, uint64_t stored_bytes)
{
    struct eng_target *t = ctx;

    atomic_store(&t->meter->waiting, 0);
    atomic_store(&t->meter->uploaded_bytes, stored_bytes);
}

/* R2 has no tags: metadata headers are the tags. */
static size_t describe(struct eng_target *t, const struct eng_target_about *about)
{
    size_t n = 0;

    nb_time_format(about->created_unix_seconds, t->created);
    if (about->apoc)
        snprintf(t->format, sizeof(t->format), "apoc");
    else
        snprintf(t->format, sizeof(t->format), "%d", CYP_FORMAT_VERSION);
    t->meta[n++] = (struct s3_pair){ "database", about->server->database };
    t->meta[n++] = (struct s3_pair){ "owner", repo_owner(t->opts->repo) };
    t->meta[n++] = (struct s3_pair){ "created", t->created };
    t->meta[n++] = (struct s3_pair){ "format-version", t->format };
    t->meta[n++] = (struct s3_pair){ "engine-version", NB_VERSION };
    t->meta[n++] = (struct s3_pair){ "neo4j-version", about->server->version };
    return n;
}

static const char *content_type(const struct eng_backup_opts *opts)
{
    if (opts->encryption)
        return "application/octet-stream";
    return opts->gzip_level != 0 ? "application/gzip" : "text/plain";
}

static bool open_s3(struct eng_target *t, const struct eng_target_about *about, struct sink **ret,
                    struct nb_error *err)
{
    struct sink_s3_opts opts = {
        .client = repo_client(t->opts->repo),
        .cancel = t->run,
        .upload = {
            .content_type = content_type(t->opts),
            .meta = t->meta,
            .meta_n = describe(t, about),
            .part_bytes = t->opts->part_bytes,
            .workers = t->opts->upload_threads,
            .on_created = note_upload,
            .on_progress = note_stored,
            .ctx = t,
        },
        .key = object_key,
        .key_ctx = t,
    };

    if (!sink_s3_new(&opts, ret, err))
        return false;
    t->s3 = *ret;
    return true;
}

static bool open_file(struct eng_target *t, struct sink **ret, struct nb_error *err)
{
    struct sink *file;

    if (!sink_file_new(t->opts->output, &file, err))
        return false;
    t->stored_hash = *ret = sink_hash_new(file);
    return true;
}

static unsigned gzip_threads(const struct eng_backup_opts *opts)
{
    unsigned n = opts->gzip_threads;

    if (n == 0) {
        n = nb_cpu_count();
        if (n > GZIP_THREADS_DEFAULT_MAX)
            n = GZIP_THREADS_DEFAULT_MAX;
    }
    return n;
}

/* Two at least: one compresses while the other waits for the bucket. */
static bool open_chunks(struct eng_target *t, const struct eng_target_about *about,
                        struct nb_error *err)
{
    unsigned threads = gzip_threads(t->opts);
    struct eng_chunks_opts opts = {
        .repo = t->opts->repo,
        .database = about->server->database,
        .base = about->chain->base,
        .level = t->opts->gzip_level > 0 ? t->opts->gzip_level : GZ_LEVEL_DEFAULT,
        .threads = threads < 2 ? 2 : threads,
        .max_bytes = about->chain->chunk_bytes * CHUNK_MAX_FACTOR,
        .max_chunks = t->opts->max_chunks,
        .meter = t->meter,
        .cancel = t->run,
    };

    if (!eng_chunks_new(&opts, &t->chunks, err))
        return false;
    t->head = t->chunks;
    return true;
}

static bool open_stream(struct eng_target *t, const struct eng_target_about *about,
                        struct age_keys *keys, struct nb_error *err)
{
    const struct eng_backup_opts *opts = t->opts;
    struct sink *s;

    if (!(opts->repo ? open_s3(t, about, &s, err) : open_file(t, &s, err)))
        return false;
    t->head = t->stored_count = sink_count_new(s);
    if (opts->encryption) {
        s = nb_steal(t->head);
        if (!sink_age_new(opts->encryption, keys, s, &t->head, err))
            return false;
    }
    if (opts->gzip_level != 0) {
        s = nb_steal(t->head);
        if (!sink_gz_new(opts->gzip_level, gzip_threads(opts), s, &t->head, err))
            return false;
    }
    return true;
}

static bool open_chain(struct eng_target *t, const struct eng_target_about *about,
                       struct age_keys *keys, struct nb_error *err)
{
    const struct eng_backup_opts *opts = t->opts;

    /* The caller has refused this; plain chunks that claim to be encrypted must not come of it. */
    if (about->chain && opts->encryption)
        return nb_fail(err, NB_E_INTERNAL, "InternalError", "chunks cannot be encrypted");
    if (!(about->chain ? open_chunks(t, about, err) : open_stream(t, about, keys, err)))
        return false;
    t->head = t->plain_hash = sink_hash_new(t->head);
    t->head = t->plain_count = sink_count_new(t->head);
    if (opts->max_bytes_per_second > 0)
        t->head = sink_throttle_new(opts->max_bytes_per_second, t->run, t->head);
    return true;
}

bool eng_target_open(const struct eng_backup_opts *opts, struct repo_claim *claim,
                     const struct eng_target_about *about, struct age_keys *keys,
                     struct eng_meter *meter, const struct nb_cancel *run, struct eng_target **ret,
                     struct nb_error *err)
{
    nb_auto(eng_target_free) struct eng_target *t = NB_NEW(struct eng_target);

    t->opts = opts;
    t->claim = claim;
    t->meter = meter;
    t->run = run;
    if (!open_chain(t, about, keys, err))
        return false;
    *ret = nb_steal(t);
    return true;
}

void eng_target_free(struct eng_target *t)
{
    if (!t)
        return;
    sink_free(t->head);
    free(t);
}

struct sink *eng_target_sink(struct eng_target *t)
{
    return t->head;
}

bool eng_target_cut(struct eng_target *t, struct nb_error *err)
{
    return eng_chunks_cut(t->chunks, err);
}

static void describe_objects(const struct eng_target *t, struct repo_manifest *m)
{
    const struct sink_s3_object *objects;
    size_t n;

    objects = sink_s3_objects(t->s3, &n);
    for (size_t i = 0; i < n; i++) {
        struct repo_object *o = repo_manifest_add_object(m, objects[i].key);

        o->size = objects[i].stored.size;
        memcpy(o->sha256, objects[i].stored.sha256, sizeof(o->sha256));
        memcpy(o->etag, objects[i].stored.etag, sizeof(o->etag));
        o->read_back = !objects[i].stored.etag_matches;
    }
}

static void describe_file(const struct eng_target *t, struct repo_manifest *m)
{
    const char *slash = strrchr(t->opts->output, '/');
    struct repo_object *o = repo_manifest_add_object(m, slash ? slash + 1 : t->opts->output);

    o->size = sink_count_bytes(t->stored_count);
    sink_hash_hex(t->stored_hash, o->sha256);
}

/* Who can open it: public keys only. */
static void describe_recipients(const struct age_writer_opts *encryption, struct repo_manifest *m)
{
    char text[AGE_RECIPIENT_TEXT_MAX];

    for (size_t i = 0; i < encryption->recipients_n; i++) {
        age_recipient_format(&encryption->recipients[i], text);
        repo_strings_add(&m->recipients, text);
    }
    if (encryption->recipients_n == 0)
        repo_strings_add(&m->recipients, "scrypt"); /* a passphrase, by the name of its stanza */
}

bool eng_target_finish(struct eng_target *t, struct repo_manifest *m, struct nb_error *err)
{
    if (!sink_finish(t->head, err))
        return false;
    if (t->chunks)
        eng_chunks_describe(t->chunks, m);
    else if (t->s3)
        describe_objects(t, m);
    else
        describe_file(t, m);
    if (m->objects_n == 1 && !t->chunks) {
        m->objects[0].plain_bytes = sink_count_bytes(t->plain_count);
        sink_hash_hex(t->plain_hash, m->objects[0].plain_sha256);
    }
    m->plain_bytes = sink_count_bytes(t->plain_count);
    sink_hash_hex(t->plain_hash, m->plain_sha256);
    m->compression = nb_xstrdup(t->opts->gzip_level != 0 ? "gzip" : "none");
    if (t->opts->encryption)
        describe_recipients(t->opts->encryption, m);
    return true;
}
