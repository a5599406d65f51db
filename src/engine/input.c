#include "engine/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "gz/reader.h"

enum {
    READ_BYTES = 256 << 10,
    MAX_RATIO = 1100, /* DEFLATE itself ends at 1,032 */
    MAGIC_BYTES = 4,  /* enough to tell what it is */
};
#define AGE_MAGIC "age-"

struct eng_input {
    char *name;
    struct repo *repo; /* NULL: fd */
    int fd;
    bool own_fd, once, read_before;
    uint64_t size;
    _Atomic uint64_t *counter; /* NULL: none */
    struct repo_manifest *own_manifest;
    const struct repo_manifest *m;
    struct repo_object *objects; /* of the bucket: key, size, SHA-256 and ETag are looked at */
    size_t objects_n;
};

/* One reading. */
struct reading {
    struct eng_input *in;
    eng_input_fn *fn;
    void *ctx;
    struct nb_sha256 *stored_hash, *plain_hash;
    uint64_t stored_bytes; /* of the object at hand */
    struct gz_reader *gz;  /* NULL: not compressed, or not known yet */
    bool known;
    unsigned char magic[MAGIC_BYTES];
    size_t magic_n;
};

static bool corrupt(struct nb_error *err, const char *name, const char *what)
{
    return nb_fail(err, NB_E_CORRUPT, "VerificationFailed", "'%s' %s", name, what);
}

/* --- what it is ------------------------------------------------------------------------------- */

static bool plain_take(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    struct reading *r = ctx;

    if (r->plain_hash)
        nb_sha256_update(r->plain_hash, p, n);
    return r->fn(r->ctx, p, n, err);
}

static bool bytes_take(struct reading *r, const void *p, size_t n, struct nb_error *err)
{
    return r->gz ? gz_reader_feed(r->gz, p, n, err) : plain_take(r, p, n, err);
}

/* By its first bytes, or by as many as there are. */
static bool kind_settle(struct reading *r, struct nb_error *err)
{
    struct gz_reader_opts opts = { .max_ratio = MAX_RATIO };
    bool gz;

    r->known = true;
    if (r->magic_n == MAGIC_BYTES && memcmp(r->magic, AGE_MAGIC, MAGIC_BYTES) == 0)
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                       "'%s' is encrypted, which this version cannot undo; hint: decrypt it with "
                       "age, and restore the result with --input",
                       r->in->name);
    gz = r->magic_n >= 2 && r->magic[0] == 0x1f && r->magic[1] == 0x8b;
    if (r->in->m && r->in->m->compression && gz != nb_streq(r->in->m->compression, "gzip"))
        return corrupt(err, r->in->name,
                       gz ? "is compressed, and its manifest says that it is not"
                          : "is not compressed as its manifest says");
    if (gz && !gz_reader_new(&opts, plain_take, r, &r->gz, err))
        return false;
    return bytes_take(r, r->magic, r->magic_n, err);
}

static bool stored_take(void *ctx, const char *p, size_t n, struct nb_error *err)
{
    struct reading *r = ctx;

    if (r->stored_hash)
        nb_sha256_update(r->stored_hash, p, n);
    r->stored_bytes += n;
    if (r->in->counter)
        atomic_fetch_add_explicit(r->in->counter, n, memory_order_relaxed);
    if (!r->known) {
        size_t take = MAGIC_BYTES - r->magic_n < n ? MAGIC_BYTES - r->magic_n : n;

        memcpy(r->magic + r->magic_n, p, take);
        r->magic_n += take;
        p += take;
        n -= take;
        if (r->magic_n < MAGIC_BYTES)
            return true;
        if (!kind_settle(r, err))
            return false;
    }
    return n == 0 || bytes_take(r, p, n, err);
}

/* --- checks ----------------------------------------------------------------------------------- */

static bool hash_is(struct nb_sha256 *h, const char *hex)
{
    uint8_t digest[NB_SHA256_BYTES];
    char text[NB_SHA256_HEX];

    nb_sha256_final(h, digest);
    nb_hex(digest, sizeof(digest), text);
    return strcmp(text, hex) == 0;
}

static bool object_check(struct reading *r, const char *name, const struct repo_object *o,
                         struct nb_error *err)
{
    if (r->stored_bytes != o->size)
        return nb_fail(err, NB_E_CORRUPT, "VerificationFailed",
                       "'%s' has %llu bytes, not %llu as its manifest says", name,
                       (unsigned long long)r->stored_bytes, (unsigned long long)o->size);
    return !o->sha256[0] || hash_is(r->stored_hash, o->sha256) ||
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
    while (n > 0) {
        if (!fd_read(in->fd, in->name, buf, &n, cancel, err) ||
            (n > 0 && !stored_take(r, buf, n, err)))
            return false;
    }
    return !in->m || object_check(r, in->name, &in->m->objects[0], err);
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
        if (!s3_get(repo_client(in->repo), o->key, &opts, stored_take, r, cancel, &got, err)) {
            if (nb_streq(err->reason, "ObjectNotFound")) {
                nb_error_clear(err);
                return corrupt(err, o->key, "is gone");
            }
            return nb_wrap(err, "read '%s'", o->key);
        }
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
        (!r->known && !kind_settle(r, err)) || (r->gz && !gz_reader_finish(r->gz, err)))
        return false;
    return !m || !m->plain_sha256[0] || hash_is(r->plain_hash, m->plain_sha256) ||
           corrupt(err, r->in->name, "holds another script than its manifest says");
}

bool eng_input_read(struct eng_input *in, eng_input_fn *fn, void *ctx,
                    const struct nb_cancel *cancel, struct nb_error *err)
{
    nb_auto(nb_sha256_free) struct nb_sha256 *stored = in->m ? nb_sha256_new() : NULL;
    nb_auto(nb_sha256_free) struct nb_sha256 *plain = in->m ? nb_sha256_new() : NULL;
    struct reading r = {
        .in = in, .fn = fn, .ctx = ctx, .stored_hash = stored, .plain_hash = plain
    };
    bool ok;

    if (in->once && in->read_before)
        return nb_fail(err, NB_E_INTERNAL, "InternalError", "'%s' can be read only once", in->name);
    in->read_before = true;
    ok = read_all(&r, cancel, err);
    gz_reader_free(r.gz);
    return ok;
}

/* --- life ------------------------------------------------------------------------------------- */

static struct eng_input *input_new(const char *name)
{
    struct eng_input *in = NB_NEW(struct eng_input);

    in->name = nb_xstrdup(name);
    in->fd = -1;
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
    free(in->name);
    free(in);
}

/* "<stem>.manifest.json" beside the file, as a backup into a file writes it. */
static bool manifest_beside(struct eng_input *in, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(REPO_MANIFEST_MAX_BYTES);
    nb_auto(nb_free) char *path = NULL;
    char stem[REPO_KEY_MAX + 1];

    if (!repo_key_stem(in->name, stem))
        snprintf(stem, sizeof(stem), "%s", in->name);
    path = nb_xasprintf("%s.manifest.json", stem);
    if (!nb_file_read(path, &text, err)) {
        if (err->code != NB_E_NOT_FOUND)
            return false;
        nb_error_clear(err);
        return true;
    }
    if (!repo_manifest_parse(nb_buf_cstr(&text), text.len, &in->own_manifest, err))
        return nb_wrap(err, "'%s'", path);
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

    if (m->objects_n == 0)
        return nb_fail(err, NB_E_CORRUPT, "VerificationFailed", "the manifest names no dump");
    if (m->recipients.n > 0)
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                       "'%s' is encrypted, which this version cannot undo", m->objects[0].key);
    in = input_new(m->objects[0].key);
    in->repo = repo;
    in->m = m;
    in->objects = nb_xcalloc(m->objects_n, sizeof(*in->objects));
    in->objects_n = m->objects_n;
    for (size_t i = 0; i < m->objects_n; i++) {
        in->objects[i] = m->objects[i];
        in->objects[i].key = nb_xstrdup(m->objects[i].key);
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
