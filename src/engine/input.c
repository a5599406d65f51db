#include "engine/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "age/reader.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "gz/reader.h"

enum {
    READ_BYTES = 256 << 10,
    MAX_RATIO = 1100, /* DEFLATE itself ends at 1,032 */
    MAGIC_BYTES = 4,  /* enough to tell what it is */
    PREFIX_MAX_BYTES = AGE_HEADER_MAX_BYTES + READ_BYTES,
};

struct eng_input {
    char *name;
    struct repo *repo; /* NULL: fd */
    int fd;
    bool own_fd, once, read_before;
    struct nb_buf prefix; /* of a descriptor that is read once: what was read already */
    uint64_t size;
    _Atomic uint64_t *counter; /* NULL: none */
    struct repo_manifest *own_manifest;
    struct nb_buf own_text; /* of it */
    const struct repo_manifest *m;
    struct repo_object *objects; /* of the bucket: key, size, SHA-256 and ETag are looked at */
    size_t objects_n;
    struct age_keys *file_key; /* NULL: not encrypted, or not unlocked */
};

/* The first bytes of something, until they tell what it is. */
struct sniff {
    unsigned char bytes[MAGIC_BYTES];
    size_t n;
    bool known;
};

/* One reading: stored bytes -> age, if encrypted -> gzip, if compressed -> script. */
struct reading {
    struct eng_input *in;
    eng_input_fn *fn;  /* of the script; NULL: it is only checked */
    eng_input_fn *tap; /* of the stored bytes; NULL: none */
    void *ctx;         /* of both */
    bool sealed;       /* encrypted, and the script is not asked for: it stays so */
    struct nb_sha256 *stored_hash, *plain_hash;
    uint64_t stored_bytes; /* of the object at hand */
    uint64_t plain_bytes;
    struct sniff stored, packed;
    struct age_reader *age; /* NULL: not encrypted, or not known yet */
    struct gz_reader *gz;   /* NULL: not compressed, or not known yet */
};

static bool corrupt(struct nb_error *err, const char *name, const char *what)
{
    return nb_fail(err, NB_E_CORRUPT, "VerificationFailed", "'%s' %s", name, what);
}

/* --- what it is ------------------------------------------------------------------------------- */

static bool looks_encrypted(const void *p, size_t n)
{
    return n >= MAGIC_BYTES && memcmp(p, AGE_MAGIC, MAGIC_BYTES) == 0;
}

static bool check_encrypted(const struct eng_input *in, bool encrypted, struct nb_error *err)
{
    if (!in->m || encrypted == (in->m->recipients.n > 0))
        return true;
    return corrupt(err, in->name,
                   encrypted ? "is encrypted, and its manifest says that it is not"
                             : "is not encrypted as its manifest says");
}

static bool check_compressed(const struct eng_input *in, bool compressed, struct nb_error *err)
{
    if (!in->m || !in->m->compression || compressed == nb_streq(in->m->compression, "gzip"))
        return true;
    return corrupt(err, in->name,
                   compressed ? "is compressed, and its manifest says that it is not"
                              : "is not compressed as its manifest says");
}

/* Moves what is still needed from *p to s. True: s has all it needs. */
static bool sniff_take(struct sniff *s, const unsigned char **p, size_t *n)
{
    size_t take = MAGIC_BYTES - s->n < *n ? MAGIC_BYTES - s->n : *n;

    memcpy(s->bytes + s->n, *p, take);
    s->n += take;
    *p += take;
    *n -= take;
    return s->n == MAGIC_BYTES;
}

static bool script_take(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    struct reading *r = ctx;
    const struct repo_manifest *m = r->in->m;

    /* A few bytes can claim to be very many. */
    r->plain_bytes += n;
    if (m && m->plain_bytes > 0 && r->plain_bytes > m->plain_bytes)
        return corrupt(err, r->in->name, "holds more than its manifest says");
    if (r->plain_hash)
        nb_sha256_update(r->plain_hash, p, n);
    return !r->fn || r->fn(r->ctx, p, n, err);
}

static bool packed_put(struct reading *r, const void *p, size_t n, struct nb_error *err)
{
    return r->gz ? gz_reader_feed(r->gz, p, n, err) : script_take(r, p, n, err);
}

/* By its first bytes, or by as many as there are. */
static bool packed_settle(struct reading *r, struct nb_error *err)
{
    struct gz_reader_opts opts = { .max_ratio = MAX_RATIO };
    const struct sniff *s = &r->packed;
    bool gz = s->n >= 2 && s->bytes[0] == 0x1f && s->bytes[1] == 0x8b;

    r->packed.known = true;
    if (!check_compressed(r->in, gz, err) ||
        (gz && !gz_reader_new(&opts, script_take, r, &r->gz, err)))
        return false;
    return packed_put(r, s->bytes, s->n, err);
}

static bool packed_take(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    const unsigned char *at = p;
    struct reading *r = ctx;

    if (!r->packed.known) {
        if (!sniff_take(&r->packed, &at, &n))
            return true;
        if (!packed_settle(r, err))
            return false;
    }
    return n == 0 || packed_put(r, at, n, err);
}

static bool stored_put(struct reading *r, const void *p, size_t n, struct nb_error *err)
{
    if (r->sealed)
        return true;
    return r->age ? age_reader_feed(r->age, p, n, err) : packed_take(r, p, n, err);
}

static bool stored_settle(struct reading *r, struct nb_error *err)
{
    const struct sniff *s = &r->stored;
    bool encrypted = looks_encrypted(s->bytes, s->n);

    r->stored.known = true;
    if (!check_encrypted(r->in, encrypted, err))
        return false;
    r->sealed = encrypted && !r->fn && !r->in->file_key;
    if (encrypted && !r->sealed)
        r->age = age_reader_new(r->in->file_key, packed_take, r);
    return stored_put(r, s->bytes, s->n, err);
}

static bool stored_decode(struct reading *r, const void *p, size_t n, struct nb_error *err)
{
    const unsigned char *at = p;

    if (!r->stored.known) {
        if (!sniff_take(&r->stored, &at, &n))
            return true;
        if (!stored_settle(r, err))
            return false;
    }
    return n == 0 || stored_put(r, at, n, err);
}

static bool stored_take(void *ctx, const char *p, size_t n, struct nb_error *err)
{
    struct reading *r = ctx;

    if (r->stored_hash)
        nb_sha256_update(r->stored_hash, p, n);
    r->stored_bytes += n;
    if (r->in->counter)
        atomic_fetch_add_explicit(r->in->counter, n, memory_order_relaxed);
    return stored_decode(r, p, n, err) && (!r->tap || r->tap(r->ctx, p, n, err));
}

static bool take_end(struct reading *r, struct nb_error *err)
{
    if (!r->stored.known && !stored_settle(r, err))
        return false;
    if (r->sealed)
        return true;
    return (!r->age || age_reader_finish(r->age, err)) &&
           (r->packed.known || packed_settle(r, err)) && (!r->gz || gz_reader_finish(r->gz, err));
}

/* --- checks ----------------------------------------------------------------------------------- */

static bool object_check(struct reading *r, const char *name, const struct repo_object *o,
                         struct nb_error *err)
{
    if (r->stored_bytes != o->size)
        return nb_fail(err, NB_E_CORRUPT, "VerificationFailed",
                       "'%s' has %llu bytes, not %llu as its manifest says", name,
                       (unsigned long long)r->stored_bytes, (unsigned long long)o->size);
    return !o->sha256[0] || nb_sha256_is(r->stored_hash, o->sha256) ||
           corrupt(err, name, "has another SHA-256 than its manifest says");
}

/* --- from where ------------------------------------------------------------------------------- */

/* *ret 0: the end. */
static bool fd_read(int fd, const char *name, char *buf, size_t *ret,
                    const struct nb_cancel *cancel, struct nb_error *err)
{
    ssize_t n;

    do {
        if (!nb_cancel_poll(cancel, fd, POLLIN, -1, err))
            return false;
        n = read(fd, buf, READ_BYTES);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return nb_fail_errno(err, errno, "read '%s'", name);
    *ret = (size_t)n;
    return true;
}

static bool read_fd(struct reading *r, const struct nb_cancel *cancel, struct nb_error *err)
{
    struct eng_input *in = r->in;
    nb_auto(nb_free) char *buf = nb_xmalloc(READ_BYTES);
    size_t n = 1;

    if (!in->once && lseek(in->fd, 0, SEEK_SET) < 0)
        return nb_fail_errno(err, errno, "read '%s' from its beginning", in->name);
    if (in->prefix.len > 0 && !stored_take(r, in->prefix.data, in->prefix.len, err))
        return false;
    while (n > 0) {
        if (!fd_read(in->fd, in->name, buf, &n, cancel, err) ||
            (n > 0 && !stored_take(r, buf, n, err)))
            return false;
    }
    return !in->m || object_check(r, in->name, &in->m->objects[0], err);
}

static bool fail_read(const char *key, struct nb_error *err)
{
    if (!nb_streq(err->reason, "ObjectNotFound"))
        return false;
    nb_error_clear(err);
    return corrupt(err, key, "is gone");
}

static bool read_objects(struct reading *r, const struct nb_cancel *cancel, struct nb_error *err)
{
    struct eng_input *in = r->in;

    for (size_t i = 0; i < in->objects_n; i++) {
        struct repo_object *o = &in->objects[i];
        struct s3_get_opts opts = { .if_match = o->etag[0] ? o->etag : NULL };
        struct s3_object got = { 0 };

        r->stored_bytes = 0;
        if (r->stored_hash)
            nb_sha256_reset(r->stored_hash);
        if (!s3_get(repo_client(in->repo), o->key, &opts, stored_take, r, cancel, &got, err))
            return fail_read(o->key, err);
        /* The next reading is of the same bytes, or fails. */
        if (!o->etag[0])
            snprintf(o->etag, sizeof(o->etag), "%s", got.etag);
        if (in->m && !object_check(r, o->key, o, err))
            return false;
    }
    return true;
}

static bool read_all(struct reading *r, const struct nb_cancel *cancel, struct nb_error *err)
{
    const struct repo_manifest *m = r->in->m;

    if (!(r->in->repo ? read_objects(r, cancel, err) : read_fd(r, cancel, err)) ||
        !take_end(r, err))
        return false;
    return !m || r->sealed || !m->plain_sha256[0] || nb_sha256_is(r->plain_hash, m->plain_sha256) ||
           corrupt(err, r->in->name, "holds another script than its manifest says");
}

static bool input_read(struct eng_input *in, eng_input_fn *fn, eng_input_fn *tap, void *ctx,
                       const struct nb_cancel *cancel, struct nb_error *err)
{
    nb_auto(nb_sha256_free) struct nb_sha256 *stored = in->m ? nb_sha256_new() : NULL;
    nb_auto(nb_sha256_free) struct nb_sha256 *plain = in->m ? nb_sha256_new() : NULL;
    struct reading r = {
        .in = in, .fn = fn, .tap = tap, .ctx = ctx, .stored_hash = stored, .plain_hash = plain
    };
    bool ok;

    if (in->once && in->read_before)
        return nb_fail(err, NB_E_INTERNAL, "InternalError", "'%s' can be read only once", in->name);
    in->read_before = true;
    ok = read_all(&r, cancel, err);
    gz_reader_free(r.gz);
    age_reader_free(r.age);
    return ok;
}

bool eng_input_read(struct eng_input *in, eng_input_fn *fn, void *ctx,
                    const struct nb_cancel *cancel, struct nb_error *err)
{
    return input_read(in, fn, NULL, ctx, cancel, err);
}

bool eng_input_read_stored(struct eng_input *in, eng_input_fn *fn, void *ctx,
                           const struct nb_cancel *cancel, struct nb_error *err)
{
    return input_read(in, NULL, fn, ctx, cancel, err);
}

/* --- unlocking -------------------------------------------------------------------------------- */

/* Enough of it to open it, or all there is; what is read once is kept for the reading. */
static bool head_of_fd(struct eng_input *in, const struct nb_cancel *cancel, struct nb_buf *out,
                       struct nb_error *err)
{
    nb_auto(nb_free) char *buf = nb_xmalloc(READ_BYTES);
    size_t n = 1;

    if (!in->once && lseek(in->fd, 0, SEEK_SET) < 0)
        return nb_fail_errno(err, errno, "read '%s' from its beginning", in->name);
    while (n > 0 && out->len < AGE_HEADER_MAX_BYTES &&
           (out->len < MAGIC_BYTES || (looks_encrypted(out->data, out->len) &&
                                       age_header_length(out->data, out->len) == 0))) {
        if (!fd_read(in->fd, in->name, buf, &n, cancel, err))
            return false;
        nb_buf_append(out, buf, n);
    }
    if (in->once)
        nb_buf_append(&in->prefix, out->data, out->len);
    return nb_buf_check(out, err) && nb_buf_check(&in->prefix, err);
}

static bool append(void *ctx, const char *p, size_t n, struct nb_error *err)
{
    nb_buf_append(ctx, p, n);
    return nb_buf_check(ctx, err);
}

static bool head_of_object(struct eng_input *in, const struct nb_cancel *cancel, struct nb_buf *out,
                           struct nb_error *err)
{
    struct repo_object *o = &in->objects[0];
    struct s3_get_opts opts = { .length = AGE_HEADER_MAX_BYTES,
                                .if_match = o->etag[0] ? o->etag : NULL };
    struct s3_object got = { 0 };

    if (o->size < AGE_HEADER_MAX_BYTES)
        opts.length = 0;
    if (!s3_get(repo_client(in->repo), o->key, &opts, append, out, cancel, &got, err))
        return fail_read(o->key, err);
    if (!o->etag[0])
        snprintf(o->etag, sizeof(o->etag), "%s", got.etag);
    return true;
}

static bool discard(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    (void)ctx;
    (void)p;
    (void)n;
    (void)err;
    return true;
}

static bool explain_locked(const struct eng_input *in, struct nb_error *err)
{
    const struct repo_strings *to = in->m ? &in->m->recipients : NULL;

    if (nb_streq(err->reason, "NoIdentity")) {
        if (to && to->n > 0 && nb_starts_with(to->items[0], "age1"))
            nb_hint(err,
                    "give the private key of %s%s, in a file that BACKUP_AGE_IDENTITY_FILE names",
                    to->items[0], to->n > 1 ? " (or of another of its recipients)" : "");
        else
            nb_hint(err, "give the private key of one of its recipients in a file that "
                         "BACKUP_AGE_IDENTITY_FILE names, or the passphrase in "
                         "BACKUP_AGE_PASSPHRASE_FILE");
    }
    return nb_wrap(err, "'%s'", in->name);
}

bool eng_input_unlock(struct eng_input *in, const struct age_keys *keys,
                      const struct nb_cancel *cancel, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf head = NB_BUF_INIT(PREFIX_MAX_BYTES);
    nb_auto(age_reader_free) struct age_reader *r = NULL;
    size_t n;

    if (in->m && in->m->recipients.n == 0)
        return true; /* else its reading will say so */
    if (!(in->repo ? head_of_object(in, cancel, &head, err) : head_of_fd(in, cancel, &head, err)))
        return false;
    if (!looks_encrypted(head.data, head.len))
        return check_encrypted(in, false, err);
    r = age_reader_new(keys, discard, NULL);
    n = age_header_length(head.data, head.len);
    if (!age_reader_feed(r, head.data, n ? n : head.len, err) ||
        (!age_reader_is_open(r) && !age_reader_finish(r, err)))
        return explain_locked(in, err);
    age_keys_free(in->file_key);
    in->file_key = age_keys_new();
    age_reader_give_key(r, in->file_key);
    return true;
}

/* --- life ------------------------------------------------------------------------------------- */

static struct eng_input *input_new(const char *name)
{
    struct eng_input *in = NB_NEW(struct eng_input);

    in->name = nb_xstrdup(name);
    in->fd = -1;
    nb_buf_init(&in->prefix, PREFIX_MAX_BYTES);
    nb_buf_init(&in->own_text, REPO_MANIFEST_MAX_BYTES);
    return in;
}

void eng_input_close(struct eng_input *in)
{
    if (!in)
        return;
    if (in->own_fd)
        nb_close_fd(&in->fd);
    for (size_t i = 0; i < in->objects_n; i++)
        free(in->objects[i].key);
    free(in->objects);
    repo_manifest_free(in->own_manifest);
    nb_buf_done(&in->own_text);
    nb_buf_done(&in->prefix);
    age_keys_free(in->file_key);
    free(in->name);
    free(in);
}

/* "<stem>.manifest.json" beside the file, as a backup into a file writes it. */
static bool manifest_beside(struct eng_input *in, struct nb_error *err)
{
    nb_auto(nb_free) char *path = NULL;
    char stem[REPO_KEY_MAX + 1];

    if (!repo_key_stem(in->name, stem))
        snprintf(stem, sizeof(stem), "%s", in->name);
    path = nb_xasprintf("%s.manifest.json", stem);
    if (!nb_file_read(path, &in->own_text, err)) {
        if (err->code != NB_E_NOT_FOUND)
            return false;
        nb_error_clear(err);
        return true;
    }
    if (!repo_manifest_parse(nb_buf_cstr(&in->own_text), in->own_text.len, &in->own_manifest, err))
        return nb_wrap(err, "'%s'", path);
    in->own_manifest->key = nb_xstrdup(path);
    if (in->own_manifest->objects_n != 1)
        return nb_fail(err, NB_E_CORRUPT, "VerificationFailed",
                       "'%s' speaks of %zu objects, not of one file", path,
                       in->own_manifest->objects_n);
    in->m = in->own_manifest;
    return true;
}

bool eng_input_open_file(const char *path, struct eng_input **ret, struct nb_error *err)
{
    nb_auto(eng_input_close) struct eng_input *in = input_new(path);
    struct stat st;

    in->fd = open(path, O_RDONLY | O_CLOEXEC);
    in->own_fd = true;
    if (in->fd < 0 || fstat(in->fd, &st) < 0) {
        nb_fail_errno(err, errno, "open '%s'", path);
        snprintf(err->reason, sizeof(err->reason), "InvalidInput");
        return false;
    }
    if (S_ISDIR(st.st_mode))
        return nb_fail(err, NB_E_INVALID, "InvalidInput", "'%s' is a directory", path);
    /* A pipe has a name too; it is read once. */
    in->once = !S_ISREG(st.st_mode);
    in->size = in->once ? 0 : (uint64_t)st.st_size;
    if (!manifest_beside(in, err))
        return false;
    *ret = nb_steal(in);
    return true;
}

static bool fail_unsigned(const char *name, struct nb_error *err)
{
    return nb_fail(err, NB_E_CORRUPT, "UntrustedManifest",
                   "'%s' has no manifest, so nobody has signed it", name);
}

bool eng_input_check_trust(const struct eng_input *in, const struct repo_trust *trust,
                           struct nb_error *err)
{
    if (trust->keys_n == 0)
        return true;
    if (!in->own_manifest)
        return in->m ? repo_trust_check(in->m, err) : fail_unsigned(in->name, err);
    repo_trust_judge(trust, nb_buf_cstr(&in->own_text), in->own_text.len, NULL, in->own_manifest);
    return repo_trust_check(in->own_manifest, err);
}

static bool spool(struct eng_input *in, int from, const char *dir, const struct nb_cancel *cancel,
                  struct nb_error *err)
{
    nb_auto(nb_free) char *path = nb_xasprintf("%s/neo4j-backup-XXXXXX", dir);
    nb_auto(nb_free) char *buf = nb_xmalloc(READ_BYTES);
    size_t n = 1;

    in->fd = mkostemp(path, O_CLOEXEC);
    in->own_fd = true;
    if (in->fd < 0) {
        nb_fail_errno(err, errno, "make a file in '%s'", dir);
        snprintf(err->reason, sizeof(err->reason), "InvalidInput");
        return nb_hint(err, "name a directory that can be written to with --spool-dir, or give "
                            "--no-precheck");
    }
    unlink(path);
    while (n > 0) {
        if (!fd_read(from, in->name, buf, &n, cancel, err) || !nb_fd_write_all(in->fd, buf, n, err))
            return nb_wrap(err, "copy '%s' into '%s'", in->name, dir);
        in->size += n;
    }
    return true;
}

bool eng_input_open_fd(int fd, const char *name, const char *spool_dir,
                       const struct nb_cancel *cancel, struct eng_input **ret, struct nb_error *err)
{
    nb_auto(eng_input_close) struct eng_input *in = input_new(name);

    if (spool_dir) {
        if (!spool(in, fd, spool_dir, cancel, err))
            return false;
    } else {
        in->fd = fd;
        in->once = true;
    }
    *ret = nb_steal(in);
    return true;
}

bool eng_input_open_manifest(struct repo *repo, const struct repo_manifest *m,
                             struct eng_input **ret, struct nb_error *err)
{
    nb_auto(eng_input_close) struct eng_input *in = NULL;

    if (!repo_trust_check(m, err))
        return false;
    if (m->objects_n == 0)
        return nb_fail(err, NB_E_CORRUPT, "VerificationFailed", "the manifest names no dump");
    in = input_new(m->objects[0].key);
    in->repo = repo;
    in->m = m;
    in->objects = nb_xcalloc(m->objects_n, sizeof(*in->objects));
    in->objects_n = m->objects_n;
    for (size_t i = 0; i < m->objects_n; i++) {
        in->objects[i] = m->objects[i];
        in->objects[i].key = nb_xstrdup(m->objects[i].key);
        in->objects[i].etag[0] = '\0'; /* another one in a copy of the bucket; SHA-256 decides */
        in->size += m->objects[i].size;
    }
    *ret = nb_steal(in);
    return true;
}

bool eng_input_open_object(struct repo *repo, const char *key, const struct nb_cancel *cancel,
                           struct eng_input **ret, struct nb_error *err)
{
    nb_auto(eng_input_close) struct eng_input *in = NULL;
    struct s3_object head;

    if (repo_get_trust(repo)->keys_n > 0)
        return fail_unsigned(key, err);
    if (!s3_head(repo_client(repo), key, cancel, &head, NULL, err)) {
        if (!nb_streq(err->reason, "ObjectNotFound"))
            return false;
        nb_error_clear(err);
        return nb_fail(err, NB_E_NOT_FOUND, "NoBackup", "there is no backup '%s' in bucket '%s'",
                       key, s3_client_bucket(repo_client(repo)));
    }
    in = input_new(key);
    in->repo = repo;
    in->objects = nb_xcalloc(1, sizeof(*in->objects));
    in->objects_n = 1;
    in->objects[0].key = nb_xstrdup(key);
    in->size = in->objects[0].size = head.size;
    memcpy(in->objects[0].etag, head.etag, sizeof(head.etag));
    *ret = nb_steal(in);
    return true;
}

bool eng_input_is_encrypted(const struct eng_input *in)
{
    return in->file_key != NULL;
}

const struct repo_manifest *eng_input_manifest(const struct eng_input *in)
{
    return in->m;
}

const char *eng_input_name(const struct eng_input *in)
{
    return in->name;
}

uint64_t eng_input_size(const struct eng_input *in)
{
    return in->size;
}

bool eng_input_can_repeat(const struct eng_input *in)
{
    return !in->once;
}

void eng_input_count(struct eng_input *in, _Atomic uint64_t *counter)
{
    in->counter = counter;
}
