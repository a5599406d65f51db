#include "s3/upload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "net/http.h"
#include "tests/fakes/s3_fixture.h"

enum { PART = S3_PART_BYTES_MIN };

struct story {
    struct fake_s3 *f;
    struct s3_client *c;
    struct nb_error err;
    char *data; /* three parts and a bit */
    char created[S3_UPLOAD_ID_MAX];
    bool refuse_created;
    _Atomic uint64_t progress;
};

enum { DATA = 3 * PART + 12345 };

static int set_up(void **state)
{
    struct story *s = NB_NEW(struct story);
    uint64_t x = 88172645463325252U;

    s->f = fake_s3_new();
    s->c = s3_fixture_client(s->f, NULL);
    s->err = (struct nb_error)NB_ERROR_INIT;
    s->data = nb_xmalloc(DATA);
    for (size_t i = 0; i + 8 <= DATA; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(s->data + i, &x, 8);
    }
    memset(s->data + DATA / 8 * 8, 'e', DATA % 8);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct story *s = *state;
    bool fine = fake_s3_complaint(s->f)[0] == '\0';

    if (!fine)
        fprintf(stderr, "the fake says: %s\n", fake_s3_complaint(s->f));
    s3_client_free(s->c);
    fake_s3_free(s->f);
    free(s->data);
    free(s);
    return fine ? 0 : -1;
}

static bool on_created(void *ctx, const char *key, const char *upload_id, struct nb_error *err)
{
    struct story *s = ctx;

    assert_string_equal(key, "k");
    assert_string_equal(s->created, "");
    snprintf(s->created, sizeof(s->created), "%s", upload_id);
    return !s->refuse_created || nb_fail(err, NB_E_CONFLICT, "ClaimLost", "not ours");
}

static void on_progress(void *ctx, uint64_t stored)
{
    struct story *s = ctx;

    s->progress = stored > s->progress ? stored : s->progress;
}

/* Writes n bytes in pieces of odd sizes and commits. */
static bool upload(struct story *s, size_t n, unsigned workers, const struct nb_cancel *cancel,
                   struct s3_upload_result *ret)
{
    nb_auto(s3_upload_free) struct s3_upload *up = NULL;
    const struct s3_pair meta[] = { { "owner", "ns/a" } };
    const struct s3_upload_opts o = { .part_bytes = PART,
                                      .workers = workers,
                                      .meta = meta,
                                      .meta_n = 1,
                                      .on_created = on_created,
                                      .on_progress = on_progress,
                                      .ctx = s };
    size_t at = 0, piece = 1;

    s->created[0] = '\0';
    nb_error_clear(&s->err);
    if (!s3_upload_new(s->c, "k", &o, cancel, &up, &s->err))
        return false;
    while (at < n) {
        size_t take = n - at < piece ? n - at : piece;

        if (!s3_upload_write(up, s->data + at, take, &s->err))
            return false;
        at += take;
        piece = piece * 3 % 700001 + 1;
    }
    assert_int_equal(s3_upload_written_bytes(up), n);
    return s3_upload_commit(up, ret, &s->err);
}

static void check_stored(struct story *s, size_t n, const struct s3_upload_result *r)
{
    struct nb_buf got = NB_BUF_INIT(64 << 20);
    uint8_t sha[NB_SHA256_BYTES];
    char hex[NB_SHA256_HEX];

    assert_true(fake_s3_get(s->f, "k", &got));
    assert_int_equal(got.len, n);
    assert_true(n == 0 || memcmp(got.data, s->data, n) == 0);
    nb_buf_done(&got);
    nb_sha256(s->data, n, sha);
    nb_hex(sha, sizeof(sha), hex);
    assert_string_equal(r->sha256, hex);
    assert_int_equal(r->size, n);
    assert_int_equal(fake_s3_upload_count(s->f), 0);
}

static void upload_of_any_size_is_stored_whole(void **state)
{
    static const size_t sizes[] = { 0, 1, PART - 1, PART, PART + 1, 2 * PART, DATA };
    struct story *s = *state;

    for (size_t i = 0; i < NB_ARRAY_LEN(sizes); i++)
        for (unsigned workers = 1; workers <= 3; workers += 2) {
            struct s3_upload_result r;
            struct nb_buf headers = NB_BUF_INIT(64 << 10), owner = NB_BUF_INIT(100);
            size_t n = sizes[i];

            s->progress = 0;
            if (!upload(s, n, workers, NULL, &r))
                fail_msg("%zu bytes: %s", n, s->err.text);
            check_stored(s, n, &r);
            assert_true(r.etag_matches);
            assert_int_equal(r.parts, n <= PART ? 0 : (n + PART - 1) / PART);
            assert_int_equal(s->progress, n);
            assert_int_equal(s->created[0] != '\0', n > PART);
            assert_true(s3_head(s->c, "k", NULL, NULL, &headers, &s->err));
            assert_true(s3_meta_get(&headers, "owner", &owner));
            assert_string_equal(nb_buf_cstr(&owner), "ns/a");
            assert_true(fake_s3_delete(s->f, "k"));
            nb_buf_done(&headers);
            nb_buf_done(&owner);
        }
}

static void upload_that_fits_one_put_never_replaces(void **state)
{
    struct story *s = *state;
    struct s3_upload_result r;

    fake_s3_put(s->f, "k", "old", 3);
    assert_false(upload(s, 100, 1, NULL, &r));
    assert_int_equal(s->err.code, NB_E_CONFLICT);
}

static void upload_freed_without_commit_leaves_nothing(void **state)
{
    struct story *s = *state;
    struct s3_upload *up = NULL;
    const struct s3_upload_opts o = { .part_bytes = PART };

    assert_true(s3_upload_new(s->c, "k", &o, NULL, &up, &s->err));
    assert_true(s3_upload_write(up, s->data, DATA, &s->err));
    s3_upload_free(up);
    assert_int_equal(fake_s3_upload_count(s->f), 0);
    assert_false(fake_s3_has(s->f, "k"));
}

static void upload_refused_when_created_is_aborted(void **state)
{
    struct story *s = *state;
    struct s3_upload_result r;

    s->refuse_created = true;
    assert_false(upload(s, DATA, 2, NULL, &r));
    assert_string_equal(s->err.reason, "ClaimLost");
    assert_int_equal(fake_s3_upload_count(s->f), 0);
}

static void upload_beyond_the_part_limit_is_told_before(void **state)
{
    struct story *s = *state;
    struct s3_upload *up = NULL;
    struct s3_upload_result r;
    const struct s3_upload_opts o = { .part_bytes = PART, .max_parts = 2 };

    assert_true(s3_upload_new(s->c, "k", &o, NULL, &up, &s->err));
    assert_int_equal(s3_upload_room_bytes(up), 2 * PART);
    assert_int_equal(s3_upload_parts_left(up), 2);
    assert_true(s3_upload_write(up, s->data, PART + 1, &s->err));
    assert_int_equal(s3_upload_room_bytes(up), PART - 1);
    assert_int_equal(s3_upload_parts_left(up), 0);
    assert_true(s3_upload_write(up, s->data + PART + 1, PART - 1, &s->err));
    assert_int_equal(s3_upload_room_bytes(up), 0);
    assert_true(s3_upload_commit(up, &r, &s->err));
    check_stored(s, 2 * PART, &r);
    s3_upload_free(up);
    assert_true(fake_s3_delete(s->f, "k"));

    assert_true(s3_upload_new(s->c, "k", &o, NULL, &up, &s->err));
    assert_false(s3_upload_write(up, s->data, DATA, &s->err));
    assert_int_equal(s->err.code, NB_E_LIMIT);
    s3_upload_free(up);
}

static void upload_with_other_etags_says_so(void **state)
{
    struct story *s = *state;
    struct s3_upload_result r;

    fake_s3_set_odd_etags(s->f, true);
    assert_true(upload(s, DATA, 2, NULL, &r));
    assert_false(r.etag_matches);
    check_stored(s, DATA, &r);
}

/* ---- every fault at every step ---- */

struct plan {
    const char *name;
    unsigned first, times, seen;
    struct fake_s3_fault fault;
};

static void plan_hook(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    struct plan *p = ctx;

    if (!nb_streq(op->name, p->name) || op->of_its_kind < p->first || p->seen >= p->times)
        return;
    p->seen++;
    *fault = p->fault;
}

static const struct fake_s3_fault passing[] = {
    { .status = 429, .code = "TooManyRequests" },
    { .status = 500, .code = "InternalError" },
    { .status = 500, .code = "InternalError", .after = true },
    { .status = 503, .code = "SlowDown" },
    { .status = 503, .after = true },
    { .status = 400, .code = "IncompleteBody" },
    { .status = 400, .code = "BadDigest" },
    { .close = true },
    { .close = true, .after = true },
    { .cut = true, .cut_after = 60 },
    { .cut = true, .cut_after = 60, .reset = true },
    { .cut = true, .cut_after = 130 },
};
static const struct fake_s3_fault lasting[] = {
    { .status = 403, .code = "AccessDenied" },
    { .status = 404, .code = "NoSuchUpload" },
    { .status = 404, .code = "NoSuchBucket" },
    { .status = 400, .code = "InvalidPart" },
    { .status = 501, .code = "NotImplemented" },
    { .status = 503, .code = "SlowDown" },
    { .close = true },
};
static const char *const phases[] = { "CreateMultipartUpload", "UploadPart",
                                      "CompleteMultipartUpload" };

static void upload_passing_faults_in_each_phase_end_in_success(void **state)
{
    struct story *s = *state;
    size_t n = PART + 1000;

    for (size_t k = 0; k < NB_ARRAY_LEN(phases); k++)
        for (size_t i = 0; i < NB_ARRAY_LEN(passing); i++)
            for (unsigned first = 1; first <= (k == 1 ? 2 : 1); first++) {
                struct plan p = { phases[k], first, 2, 0, passing[i] };
                struct s3_upload_result r;

                fake_s3_set_hook(s->f, plan_hook, &p);
                if (!upload(s, n, 2, NULL, &r))
                    fail_msg("%s, fault %zu: %s", phases[k], i, s->err.text);
                assert_true(p.seen > 0);
                fake_s3_set_hook(s->f, NULL, NULL);
                if (fake_s3_upload_count(s->f) > 0) {
                    /* Only a Create whose answer was lost leaves one that nobody knows of. */
                    assert_int_equal(k, 0);
                    fake_s3_free(s->f);
                    s3_client_free(s->c);
                    s->f = fake_s3_new();
                    s->c = s3_fixture_client(s->f, NULL);
                    continue;
                }
                check_stored(s, n, &r);
                assert_true(fake_s3_delete(s->f, "k"));
            }
}

static void upload_lasting_faults_in_each_phase_fail_and_leave_nothing(void **state)
{
    struct story *s = *state;
    size_t n = PART + 1000;

    for (size_t k = 0; k < NB_ARRAY_LEN(phases); k++)
        for (size_t i = 0; i < NB_ARRAY_LEN(lasting); i++) {
            struct plan p = { phases[k], 1, 1000, 0, lasting[i] };
            struct s3_upload_result r;

            fake_s3_set_hook(s->f, plan_hook, &p);
            if (upload(s, n, 2, NULL, &r))
                fail_msg("%s, fault %zu: success", phases[k], i);
            assert_true(s->err.text[0]);
            assert_false(fake_s3_has(s->f, "k"));
            assert_int_equal(fake_s3_upload_count(s->f), 0);
        }
}

/* A multipart upload of one small part: the last may be of any size, so it costs nothing. */
static bool small_multipart(struct story *s, struct s3_object *o)
{
    char id[S3_UPLOAD_ID_MAX];
    struct s3_part part;

    nb_error_clear(&s->err);
    if (!s3_multipart_create(s->c, "k", NULL, NULL, id, &s->err) ||
        !s3_multipart_put(s->c, "k", id, 1, "small", 5, NULL, &part, &s->err))
        fail_msg("%s", s->err.text);
    if (s3_multipart_complete(s->c, "k", id, &part, 1, NULL, o, &s->err))
        return true;
    {
        struct nb_error ignored = NB_ERROR_INIT;

        assert_true(s3_multipart_abort(s->c, "k", id, NULL, &ignored));
    }
    return false;
}

static void check_small(struct story *s, const struct s3_object *o)
{
    struct nb_buf got = NB_BUF_INIT(100);

    assert_int_equal(o->size, 5);
    assert_true(o->etag[0] == '"');
    assert_true(fake_s3_get(s->f, "k", &got));
    assert_string_equal(nb_buf_cstr(&got), "small");
    nb_buf_done(&got);
    assert_true(fake_s3_delete(s->f, "k"));
    assert_int_equal(fake_s3_upload_count(s->f), 0);
}

static void complete_with_an_error_in_a_200_is_no_success(void **state)
{
    static const struct fake_s3_fault faults[] = {
        { .status = 500, .code = "InternalError", .in_200 = true },
        { .status = 500, .code = "InternalError", .in_200 = true, .after = true },
        { .blank_200 = true },
        { .cut = true, .cut_after = 200 },
    };
    struct story *s = *state;
    struct s3_object o;

    for (size_t i = 0; i < NB_ARRAY_LEN(faults); i++) {
        struct plan p = { "CompleteMultipartUpload", 1, 2, 0, faults[i] };

        fake_s3_set_hook(s->f, plan_hook, &p);
        if (!small_multipart(s, &o))
            fail_msg("fault %zu: %s", i, s->err.text);
        check_small(s, &o);
    }
    {
        struct plan p = { "CompleteMultipartUpload",
                          1,
                          1000,
                          0,
                          { .status = 400, .code = "InvalidPart", .in_200 = true } };

        fake_s3_set_hook(s->f, plan_hook, &p);
        assert_false(small_multipart(s, &o));
        assert_int_equal(s->err.code, NB_E_INVALID);
        assert_int_equal(fake_s3_upload_count(s->f), 0);
    }
}

static void complete_answer_cut_at_every_byte_is_resolved(void **state)
{
    struct story *s = *state;

    for (long cut = 0; cut < 420; cut++) {
        struct plan p = { "CompleteMultipartUpload", 1, 1, 0, { .cut = true, .cut_after = cut } };
        struct s3_object o;

        fake_s3_set_odd_etags(s->f, cut % 2);
        fake_s3_set_hook(s->f, plan_hook, &p);
        if (!small_multipart(s, &o))
            fail_msg("cut at %ld: %s", cut, s->err.text);
        check_small(s, &o);
    }
}

static void cancel_hook(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    (void)fault;
    if (nb_streq(op->name, "UploadPart") && op->of_its_kind == 2)
        nb_cancel_set(ctx);
}

static void upload_cancelled_midway_ends_and_leaves_nothing(void **state)
{
    struct story *s = *state;
    struct nb_cancel *cancel = nb_cancel_new();
    struct s3_upload_result r;

    fake_s3_set_hook(s->f, cancel_hook, cancel);
    assert_false(upload(s, DATA, 1, cancel, &r));
    assert_int_equal(s->err.code, NB_E_CANCELLED);
    assert_int_equal(fake_s3_upload_count(s->f), 0);
    assert_false(fake_s3_has(s->f, "k"));
    fake_s3_set_hook(s->f, NULL, NULL);
    nb_cancel_free(cancel);
}

static void stall_hook(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    (void)ctx;
    if (nb_streq(op->name, "UploadPart"))
        fault->stall_ms = 60000;
}

static void upload_freed_while_parts_hang_does_not_wait_for_them(void **state)
{
    struct story *s = *state;
    struct s3_upload *up = NULL;
    const struct s3_upload_opts o = { .part_bytes = PART };

    fake_s3_set_hook(s->f, stall_hook, NULL);
    assert_true(s3_upload_new(s->c, "k", &o, NULL, &up, &s->err));
    assert_true(s3_upload_write(up, s->data, PART + 1, &s->err));
    assert_true(fake_http_wait_requests(fake_s3_http(s->f), 2, 10000));
    s3_upload_free(up);
    assert_int_equal(fake_s3_upload_count(s->f), 0);
}

static void upload_options_that_are_wrong_are_refused(void **state)
{
    struct story *s = *state;
    struct s3_upload *up = NULL;
    const struct s3_upload_opts o = { .part_bytes = 1000 };

    assert_false(s3_upload_new(s->c, "k", &o, NULL, &up, &s->err));
    nb_error_clear(&s->err);
    assert_false(s3_upload_new(s->c, "", NULL, NULL, &up, &s->err));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(upload_of_any_size_is_stored_whole),
        T(upload_that_fits_one_put_never_replaces),
        T(upload_freed_without_commit_leaves_nothing),
        T(upload_refused_when_created_is_aborted),
        T(upload_beyond_the_part_limit_is_told_before),
        T(upload_with_other_etags_says_so),
        T(upload_passing_faults_in_each_phase_end_in_success),
        T(upload_lasting_faults_in_each_phase_fail_and_leave_nothing),
        T(complete_with_an_error_in_a_200_is_no_success),
        T(complete_answer_cut_at_every_byte_is_resolved),
        T(upload_cancelled_midway_ends_and_leaves_nothing),
        T(upload_freed_while_parts_hang_does_not_wait_for_them),
        T(upload_options_that_are_wrong_are_refused),
    };

    http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
