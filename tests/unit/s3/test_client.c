#include "s3/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http.h"
#include "s3/client_priv.h"
#include "tests/fakes/s3_fixture.h"

struct story {
    struct fake_s3 *f;
    struct s3_client *c;
    struct nb_error err;
};

static int set_up(void **state)
{
    struct story *s = NB_NEW(struct story);

    s->f = fake_s3_new();
    s->c = s3_fixture_client(s->f, NULL);
    s->err = (struct nb_error)NB_ERROR_INIT;
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct story *s = *state;

    if (fake_s3_complaint(s->f)[0])
        fprintf(stderr, "the fake says: %s\n", fake_s3_complaint(s->f));
    s3_client_free(s->c);
    fake_s3_free(s->f);
    free(s);
    return 0;
}

#define OK(s, call)                                                                                \
    do {                                                                                           \
        nb_error_clear(&(s)->err);                                                                 \
        if (!(call))                                                                               \
            fail_msg("%s [%s]", (s)->err.text, (s)->err.reason);                                   \
    } while (0)
#define FAILS(s, call, code_, reason_)                                                             \
    do {                                                                                           \
        nb_error_clear(&(s)->err);                                                                 \
        assert_false(call);                                                                        \
        if ((s)->err.code != (code_) || strcmp((s)->err.reason, reason_) != 0)                     \
            fail_msg("%s: %s [%s]", nb_code_name((s)->err.code), (s)->err.text, (s)->err.reason);  \
    } while (0)

/* Faults for operations of one name: the first `times` of them. */
struct plan {
    const char *name;
    unsigned times;
    struct fake_s3_fault fault;
    unsigned seen;
};

static void plan_hook(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    struct plan *p = ctx;

    if (nb_streq(op->name, p->name) && p->seen < p->times) {
        p->seen++;
        *fault = p->fault;
    }
}

/* ---- what works ---- */

static void put_and_get_odd_key_and_metadata_come_back(void **state)
{
    static const char *const keys[] = { "plain",  "a/b c+é.txt", "x//y",
                                        "../up",  "~tilde!*'()", "q?w#e%41&=;:@$,",
                                        "備份/🎉", "a b\tc",      " " };
    struct story *s = *state;
    const struct s3_pair meta[] = {
        { "owner", "ns/né 100%" }, { "nodes", "12" }, { "empty", "" }, { "edge", " x " }
    };
    const struct s3_put_opts o = { .content_type = "application/gzip", .meta = meta, .meta_n = 4 };

    for (size_t i = 0; i < NB_ARRAY_LEN(keys); i++) {
        struct nb_buf got = NB_BUF_INIT(1000), headers = NB_BUF_INIT(64 << 10),
                      v = NB_BUF_INIT(1000);
        struct s3_object put, head, get;

        OK(s, s3_put(s->c, keys[i], "hello", 5, &o, NULL, &put, &s->err));
        OK(s, s3_get_buf(s->c, keys[i], &got, NULL, &get, &s->err));
        assert_string_equal(nb_buf_cstr(&got), "hello");
        OK(s, s3_head(s->c, keys[i], NULL, &head, &headers, &s->err));
        assert_string_equal(put.etag, "\"5d41402abc4b2a76b9719d911017c592\"");
        assert_string_equal(put.etag, head.etag);
        assert_string_equal(put.etag, get.etag);
        assert_int_equal(head.size, 5);
        assert_int_equal(get.size, 5);
        assert_true(head.last_modified_unix_seconds > 1700000000);
        for (size_t k = 0; k < NB_ARRAY_LEN(meta); k++) {
            nb_buf_clear(&v);
            assert_true(s3_meta_get(&headers, meta[k].name, &v));
            assert_string_equal(nb_buf_cstr(&v), meta[k].value);
        }
        assert_false(s3_meta_get(&headers, "none", &v));
        OK(s, s3_delete(s->c, keys[i], NULL, &s->err));
        assert_false(fake_s3_has(s->f, keys[i]));
        nb_buf_done(&got);
        nb_buf_done(&headers);
        nb_buf_done(&v);
    }
    assert_string_equal(fake_s3_complaint(s->f), "");
}

static void put_empty_object_is_stored(void **state)
{
    struct story *s = *state;
    struct nb_buf got = NB_BUF_INIT(10);
    struct s3_object o;

    OK(s, s3_put(s->c, "e", NULL, 0, NULL, NULL, NULL, &s->err));
    OK(s, s3_get_buf(s->c, "e", &got, NULL, &o, &s->err));
    assert_int_equal(got.len, 0);
    assert_string_equal(o.etag, "\"d41d8cd98f00b204e9800998ecf8427e\"");
    nb_buf_done(&got);
}

static bool collect(void *ctx, const char *p, size_t n, struct nb_error *err)
{
    nb_buf_append(ctx, p, n);
    return nb_buf_check(ctx, err);
}

static void get_range_gives_that_part(void **state)
{
    struct story *s = *state;
    struct nb_buf got = NB_BUF_INIT(100);
    struct s3_object o;
    struct s3_get_opts opts = { .offset = 2, .length = 3 };

    fake_s3_put(s->f, "k", "0123456789", 10);
    OK(s, s3_get(s->c, "k", &opts, collect, &got, NULL, &o, &s->err));
    assert_string_equal(nb_buf_cstr(&got), "234");
    assert_int_equal(o.size, 10);
    nb_buf_clear(&got);
    opts = (struct s3_get_opts){ .offset = 7, .if_match = o.etag };
    OK(s, s3_get(s->c, "k", &opts, collect, &got, NULL, &o, &s->err));
    assert_string_equal(nb_buf_cstr(&got), "789");
    opts = (struct s3_get_opts){ .if_match = "\"other\"" };
    FAILS(s, s3_get(s->c, "k", &opts, collect, &got, NULL, &o, &s->err), NB_E_CONFLICT,
          "PreconditionFailed");
    nb_buf_done(&got);
}

static void put_conditions_are_kept(void **state)
{
    struct story *s = *state;
    struct s3_put_opts o = { .if_none_match = true };
    struct s3_object first;

    OK(s, s3_put(s->c, "k", "1", 1, &o, NULL, &first, &s->err));
    FAILS(s, s3_put(s->c, "k", "2", 1, &o, NULL, NULL, &s->err), NB_E_CONFLICT,
          "PreconditionFailed");
    o = (struct s3_put_opts){ .if_match = "\"nope\"" };
    FAILS(s, s3_put(s->c, "k", "2", 1, &o, NULL, NULL, &s->err), NB_E_CONFLICT,
          "PreconditionFailed");
    o.if_match = first.etag;
    OK(s, s3_put(s->c, "k", "2", 1, &o, NULL, NULL, &s->err));
}

static void token_of_temporary_credentials_is_sent_and_signed(void **state)
{
    struct story *s = *state;
    struct nb_secret *secret = nb_secret_new(FAKE_S3_SECRET, strlen(FAKE_S3_SECRET));
    struct nb_secret *token = nb_secret_new("a+token/1==", 11);
    struct s3_creds *creds = NULL;
    struct s3_client *c = NULL;
    struct s3_client_opts o = { .endpoint = fake_s3_endpoint(s->f), .bucket = FAKE_S3_BUCKET };

    OK(s, s3_creds_new(FAKE_S3_KEY_ID, secret, token, &creds, &s->err));
    o.creds = creds;
    OK(s, s3_client_new(&o, &c, &s->err));
    /* The fake has no token, so the signature does not match: but the header was there to be
     * signed. */
    FAILS(s, s3_put(c, "k", "1", 1, NULL, NULL, NULL, &s->err), NB_E_DENIED, "SignatureMismatch");
    s3_client_free(c);
    s3_creds_free(creds);
    nb_secret_free(secret);
    nb_secret_free(token);
}

/* ---- what fails, by name ---- */

static void other_bucket(struct s3_client_opts *o)
{
    o->bucket = "nowhere";
}

static void other_key(struct s3_client_opts *o)
{
    static struct s3_creds *creds;
    struct nb_secret *secret = nb_secret_new("wrongsecret", 11);
    struct nb_error err = NB_ERROR_INIT;

    s3_creds_free(creds);
    assert_true(s3_creds_new(FAKE_S3_KEY_ID, secret, NULL, &creds, &err));
    o->creds = creds;
    nb_secret_free(secret);
}

static void bucket_that_is_not_there_is_named(void **state)
{
    struct story *s = *state;
    struct s3_client *c = s3_fixture_client(s->f, other_bucket);

    FAILS(s, s3_head_bucket(c, NULL, &s->err), NB_E_NOT_FOUND, "BucketNotFound");
    assert_non_null(strstr(s->err.text, "S3 bucket not found"));
    assert_non_null(strstr(s->err.text, "'nowhere'"));
    assert_non_null(strstr(s->err.text, fake_s3_endpoint(s->f)));
    assert_non_null(strstr(s->err.text, "R2_BUCKET_NAME"));
    FAILS(s, s3_put(c, "k", "1", 1, NULL, NULL, NULL, &s->err), NB_E_NOT_FOUND, "BucketNotFound");
    s3_client_free(c);
}

static void secret_that_is_wrong_is_said_and_not_shown(void **state)
{
    struct story *s = *state;
    struct s3_client *c = s3_fixture_client(s->f, other_key);

    FAILS(s, s3_put(c, "k", "1", 1, NULL, NULL, NULL, &s->err), NB_E_DENIED, "SignatureMismatch");
    assert_non_null(strstr(s->err.text, "Access denied"));
    assert_non_null(strstr(s->err.text, "R2_SECRET_ACCESS_KEY"));
    assert_null(strstr(s->err.text, "wrongsecret"));
    /* HEAD has no body: the real reason is asked for. */
    FAILS(s, s3_head_bucket(c, NULL, &s->err), NB_E_DENIED, "SignatureMismatch");
    s3_client_free(c);
}

static void object_that_is_not_there_is_not_found(void **state)
{
    struct story *s = *state;
    struct nb_buf b = NB_BUF_INIT(100);

    FAILS(s, s3_get_buf(s->c, "none", &b, NULL, NULL, &s->err), NB_E_NOT_FOUND, "ObjectNotFound");
    FAILS(s, s3_head(s->c, "none", NULL, NULL, NULL, &s->err), NB_E_NOT_FOUND, "ObjectNotFound");
    OK(s, s3_delete(s->c, "none", NULL, &s->err));
    OK(s, s3_head_bucket(s->c, NULL, &s->err));
    nb_buf_done(&b);
}

static void lock_of_the_bucket_is_told_from_a_lack_of_rights(void **state)
{
    struct story *s = *state;

    fake_s3_put(s->f, "locked/k", "1", 1);
    fake_s3_lock_prefix(s->f, "locked/");
    FAILS(s, s3_delete(s->c, "locked/k", NULL, &s->err), NB_E_DENIED, "ObjectLocked");
}

static void endpoint_nobody_listens_at_is_unavailable(void **state)
{
    struct story *s = *state;
    struct s3_client *c = s3_fixture_client(s->f, NULL);

    fake_s3_free(s->f);
    FAILS(s, s3_head(c, "k", NULL, NULL, NULL, &s->err), NB_E_UNAVAILABLE, "StorageUnavailable");
    assert_non_null(strstr(s->err.text, "can't be reached"));
    s3_client_free(c);
    s->f = fake_s3_new();
}

static void errors_of_a_real_r2_name_it(void **state)
{
    struct s3_error_place at = {
        .is_r2 = true, .bucket = "b", .endpoint = "https://e", .access_key_id = "abcdefghijkl"
    };
    struct s3_fault fault;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_false(s3_error_from_answer(404, "NoSuchBucket", "", &at, &fault, &err));
    assert_non_null(strstr(err.text, "R2 bucket not found"));
    nb_error_clear(&err);
    assert_false(s3_error_from_answer(403, "AccessDenied", "", &at, &fault, &err));
    assert_string_equal(err.reason, "AccessDenied");
    assert_non_null(strstr(err.text, "Access denied"));
    assert_non_null(strstr(err.text, "Object Read & Write"));
    assert_non_null(strstr(err.text, "abcdef..."));
    assert_null(strstr(err.text, "abcdefghijkl"));
    nb_error_clear(&err);
    assert_false(s3_error_from_answer(400, "InvalidArgument",
                                      "Credential access key has length 20, should be 32", &at,
                                      &fault, &err));
    assert_string_equal(err.reason, "InvalidAccessKey");
    nb_error_clear(&err);
    assert_false(s3_error_from_answer(401, "Unauthorized", "Unauthorized", &at, &fault, &err));
    assert_string_equal(err.reason, "AccessDenied");
    nb_error_clear(&err);
    assert_false(s3_error_from_answer(501, "NotImplemented", "x", &at, &fault, &err));
    assert_string_equal(err.reason, "StorageRejected");
    assert_false(fault.retry);
    nb_error_clear(&err);
    assert_false(s3_error_from_answer(301, "PermanentRedirect", "x", &at, &fault, &err));
    assert_string_equal(err.reason, "InvalidStorage");
}

/* ---- what passes by itself ---- */

static void transient_faults_are_tried_again(void **state)
{
    static const struct fake_s3_fault faults[] = {
        { .status = 429, .code = "TooManyRequests", .retry_after = "0" },
        { .status = 500, .code = "InternalError" },
        { .status = 500, .code = "InternalError", .after = true },
        { .status = 503, .code = "SlowDown" },
        { .status = 503 },
        { .status = 502 },
        { .status = 504 },
        { .status = 400, .code = "ClientDisconnect" },
        { .status = 400, .code = "IncompleteBody" },
        { .status = 400, .code = "RequestTimeout" },
        { .status = 400, .code = "BadDigest" },
        { .close = true },
        { .close = true, .after = true },
        { .cut = true, .cut_after = 20 },
        { .cut = true, .cut_after = 20, .reset = true },
    };
    struct story *s = *state;

    for (size_t i = 0; i < NB_ARRAY_LEN(faults); i++) {
        struct plan p = { "PutObject", 3, faults[i], 0 };
        struct plan g = { "GetObject", 3, faults[i], 0 };
        struct plan d = { "DeleteObject", 3, faults[i], 0 };
        struct nb_buf got = NB_BUF_INIT(100);

        fake_s3_set_hook(s->f, plan_hook, &p);
        OK(s, s3_put(s->c, "k", "hello", 5, NULL, NULL, NULL, &s->err));
        assert_int_equal(p.seen, 3);
        fake_s3_set_hook(s->f, plan_hook, &g);
        OK(s, s3_get_buf(s->c, "k", &got, NULL, NULL, &s->err));
        assert_string_equal(nb_buf_cstr(&got), "hello");
        fake_s3_set_hook(s->f, plan_hook, &d);
        OK(s, s3_delete(s->c, "k", NULL, &s->err));
        assert_false(fake_s3_has(s->f, "k"));
        nb_buf_done(&got);
    }
}

static void lasting_faults_end_the_tries(void **state)
{
    struct story *s = *state;
    struct plan p = { "PutObject", 100, { .status = 503, .code = "SlowDown" }, 0 };

    fake_s3_set_hook(s->f, plan_hook, &p);
    FAILS(s, s3_put(s->c, "k", "1", 1, NULL, NULL, NULL, &s->err), NB_E_UNAVAILABLE,
          "StorageUnavailable");
    assert_int_equal(p.seen, 6);
    p = (struct plan){ "PutObject", 100, { .status = 400, .code = "BadDigest" }, 0 };
    fake_s3_set_hook(s->f, plan_hook, &p);
    FAILS(s, s3_put(s->c, "k", "1", 1, NULL, NULL, NULL, &s->err), NB_E_CORRUPT,
          "ChecksumMismatch");
    assert_int_equal(p.seen, 4);
    p = (struct plan){ "PutObject", 100, { .status = 403, .code = "AccessDenied" }, 0 };
    fake_s3_set_hook(s->f, plan_hook, &p);
    FAILS(s, s3_put(s->c, "k", "1", 1, NULL, NULL, NULL, &s->err), NB_E_DENIED, "AccessDenied");
    assert_int_equal(p.seen, 1);
}

static int64_t total_wait_ms;
static unsigned waits;

static void note_wait(void *ctx, const struct nb_error *why, int64_t wait_ms)
{
    (void)ctx;
    assert_true(nb_error_is_transient(why));
    total_wait_ms += wait_ms;
    waits++;
}

static void short_window(struct s3_client_opts *o)
{
    o->retry_window_ms = 30;
    o->max_tries = 0;
    o->on_retry = note_wait;
}

static void window_bounds_the_tries_in_time(void **state)
{
    struct story *s = *state;
    struct s3_client *c = s3_fixture_client(s->f, short_window);
    struct plan p = { "HeadObject", UINT32_MAX, { .status = 503 }, 0 };

    total_wait_ms = 0;
    waits = 0;
    fake_s3_set_hook(s->f, plan_hook, &p);
    FAILS(s, s3_head(c, "k", NULL, NULL, NULL, &s->err), NB_E_UNAVAILABLE, "StorageUnavailable");
    assert_true(waits > 0); /* how often is a matter of the machine */
    assert_true(total_wait_ms <= 30);
    s3_client_free(c);
}

static void empty_token_bucket_slows_retries_to_the_longest_pause(void **state)
{
    struct story *s = *state;
    struct s3_client *c;
    struct plan p = { "HeadObject", UINT32_MAX, { .status = 503 }, 0 };

    c = s3_fixture_client(s->f, short_window);
    fake_s3_set_hook(s->f, plan_hook, &p);
    /* 500 tokens, 5 a retry: after 100 retries the pause is the cap (2 ms), never 0. */
    for (waits = 0; waits < 100;)
        FAILS(s, s3_head(c, "k", NULL, NULL, NULL, &s->err), NB_E_UNAVAILABLE,
              "StorageUnavailable");
    waits = 0;
    total_wait_ms = 0;
    FAILS(s, s3_head(c, "k", NULL, NULL, NULL, &s->err), NB_E_UNAVAILABLE, "StorageUnavailable");
    assert_int_equal(total_wait_ms, 2 * (int64_t)waits);
    s3_client_free(c);
}

static void clock_that_is_wrong_is_corrected_once(void **state)
{
    struct story *s = *state;

    fake_s3_set_clock(s->f, 3 * 3600);
    OK(s, s3_put(s->c, "k", "1", 1, NULL, NULL, NULL, &s->err));
    assert_int_equal(fake_s3_ops(s->f), 2);
    assert_true(s3_client_now_unix_ms(s->c) > nb_clock_unix_ms() + 3599 * 1000);
    OK(s, s3_put(s->c, "k", "1", 1, NULL, NULL, NULL, &s->err));
    assert_int_equal(fake_s3_ops(s->f), 3);
    fake_s3_set_clock(s->f, -86400);
    OK(s, s3_head(s->c, "k", NULL, NULL, NULL, &s->err) || true);
    OK(s, s3_put(s->c, "k", "1", 1, NULL, NULL, NULL, &s->err));
}

static void clock_skew_that_stays_is_an_error(void **state)
{
    struct story *s = *state;
    struct plan p = { "PutObject", 100, { .status = 403, .code = "RequestTimeTooSkewed" }, 0 };

    fake_s3_set_hook(s->f, plan_hook, &p);
    FAILS(s, s3_put(s->c, "k", "1", 1, NULL, NULL, NULL, &s->err), NB_E_DENIED, "ClockSkewed");
    assert_int_equal(p.seen, 2);
}

static void put_condition_met_by_a_try_whose_answer_was_lost_is_a_success(void **state)
{
    static const struct fake_s3_fault faults[] = {
        { .close = true, .after = true },
        { .cut = true, .cut_after = 30 },
        { .status = 500, .code = "InternalError", .after = true },
    };
    struct story *s = *state;
    const struct s3_put_opts o = { .if_none_match = true };

    for (int odd = 0; odd < 2; odd++) {
        fake_s3_set_odd_etags(s->f, odd);
        for (size_t i = 0; i < NB_ARRAY_LEN(faults); i++) {
            struct plan p = { "PutObject", 1, faults[i], 0 };

            fake_s3_set_hook(s->f, plan_hook, &p);
            nb_error_clear(&s->err);
            if (!s3_put(s->c, "k", "mine", 4, &o, NULL, NULL, &s->err))
                fail_msg("fault %zu, odd %d: %s", i, odd, s->err.text);
            fake_s3_set_hook(s->f, NULL, NULL);
            assert_true(fake_s3_delete(s->f, "k"));
        }
    }
    /* Somebody else's stays a conflict. */
    fake_s3_put(s->f, "k", "your", 4);
    {
        struct plan p = { "PutObject", 1, { .close = true }, 0 };

        fake_s3_set_hook(s->f, plan_hook, &p);
        FAILS(s, s3_put(s->c, "k", "mine", 4, &o, NULL, NULL, &s->err), NB_E_CONFLICT,
              "PreconditionFailed");
    }
}

/* A 200 alone does not say that anything was stored. */
static void put_is_believed_by_its_etag_alone(void **state)
{
    static const struct fake_s3_fault late = { .status = 500,
                                               .code = "InternalError",
                                               .in_200 = true };
    static const struct fake_s3_fault mute = { .status = 200 };
    struct story *s = *state;
    struct plan p = { "PutObject", 2, late, 0 }, q = { "PutObject", 1, mute, 0 };
    struct s3_object o;

    fake_s3_set_hook(s->f, plan_hook, &p);
    OK(s, s3_put(s->c, "k", "mine", 4, NULL, NULL, &o, &s->err));
    assert_int_equal(p.seen, 2);
    assert_true(fake_s3_has(s->f, "k"));
    assert_true(o.etag[0] != 0);
    fake_s3_set_hook(s->f, plan_hook, &q);
    FAILS(s, s3_put(s->c, "other", "mine", 4, NULL, NULL, NULL, &s->err), NB_E_PROTOCOL,
          "StorageProtocol");
    /* It was stored all the same. */
    q = (struct plan){ "PutObject", 1, mute, 0 };
    OK(s, s3_put(s->c, "k", "mine", 4, NULL, NULL, &o, &s->err));
    assert_int_equal(o.size, 4);
    assert_true(o.etag[0] != 0);
}

/* ---- streams ---- */

struct cutter {
    long after;
    unsigned times;
};

static void cut_hook(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    struct cutter *c = ctx;

    if (nb_streq(op->name, "GetObject") && c->times > 0) {
        c->times--;
        fault->cut = true;
        fault->cut_after = c->after;
    }
}

static void get_cut_anywhere_goes_on_where_it_was(void **state)
{
    struct story *s = *state;
    char data[300];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)('a' + i % 26);
    fake_s3_put(s->f, "k", data, sizeof(data));
    for (long cut = 0; cut < 700; cut++) {
        struct cutter c = { cut, 2 };
        struct nb_buf got = NB_BUF_INIT(1000);

        fake_s3_set_hook(s->f, cut_hook, &c);
        nb_error_clear(&s->err);
        if (!s3_get_buf(s->c, "k", &got, NULL, NULL, &s->err))
            fail_msg("cut at %ld: %s", cut, s->err.text);
        if (got.len != sizeof(data) || memcmp(got.data, data, sizeof(data)) != 0)
            fail_msg("cut at %ld: %zu bytes", cut, got.len);
        nb_buf_done(&got);
    }
}

struct replacer {
    struct fake_s3 *f;
    bool done;
    struct cutter cutter;
};

static void replace_hook(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    cut_hook(&((struct replacer *)ctx)->cutter, op, fault);
}

static bool replace_on_first_bytes(void *ctx, const char *p, size_t n, struct nb_error *err)
{
    struct replacer *r = ctx;

    (void)p;
    (void)n;
    (void)err;
    if (!r->done)
        fake_s3_put(r->f, "k", "another version", 15);
    r->done = true;
    return true;
}

static void get_of_an_object_replaced_meanwhile_is_a_conflict(void **state)
{
    struct story *s = *state;
    struct replacer r = { s->f, false, { 330, 1 } };
    char data[4000];

    memset(data, 'x', sizeof(data));
    fake_s3_put(s->f, "k", data, sizeof(data));
    fake_s3_set_hook(s->f, replace_hook, &r);
    FAILS(s, s3_get(s->c, "k", NULL, replace_on_first_bytes, &r, NULL, NULL, &s->err),
          NB_E_CONFLICT, "PreconditionFailed");
    assert_true(r.done);
}

static bool refuse(void *ctx, const char *p, size_t n, struct nb_error *err)
{
    (void)p;
    (void)n;
    ++*(unsigned *)ctx;
    return nb_fail(err, NB_E_UNAVAILABLE, "MyOwn", "no more");
}

static void get_reader_s_own_error_is_not_tried_again(void **state)
{
    struct story *s = *state;
    unsigned calls = 0;

    fake_s3_put(s->f, "k", "x", 1);
    FAILS(s, s3_get(s->c, "k", NULL, refuse, &calls, NULL, NULL, &s->err), NB_E_UNAVAILABLE,
          "MyOwn");
    assert_int_equal(calls, 1);
    assert_string_equal(s->err.text, "no more"); /* and not told as the bucket's */
}

static void cancelled_call_ends_at_once(void **state)
{
    struct story *s = *state;
    struct nb_cancel *cancel = nb_cancel_new();

    nb_cancel_set(cancel);
    FAILS(s, s3_put(s->c, "k", "1", 1, NULL, cancel, NULL, &s->err), NB_E_CANCELLED, "Cancelled");
    nb_cancel_free(cancel);
}

static void tls_endpoint_is_verified_by_the_ca_given(void **state)
{
    struct story *s = *state;
    struct fake_s3 *f = fake_s3_new_tls();
    struct s3_client *good = s3_fixture_client(f, NULL);
    struct nb_secret *secret = nb_secret_new(FAKE_S3_SECRET, strlen(FAKE_S3_SECRET));
    struct s3_creds *creds = NULL;
    struct s3_client *bad = NULL;
    struct s3_client_opts o = { .endpoint = fake_s3_endpoint(f), .bucket = FAKE_S3_BUCKET };

    OK(s, s3_put(good, "k", "1", 1, NULL, NULL, NULL, &s->err));
    OK(s, s3_creds_new(FAKE_S3_KEY_ID, secret, NULL, &creds, &s->err));
    o.creds = creds;
    OK(s, s3_client_new(&o, &bad, &s->err));
    FAILS(s, s3_put(bad, "k", "1", 1, NULL, NULL, NULL, &s->err), NB_E_DENIED,
          "TlsVerificationFailed");
    s3_client_free(good);
    s3_client_free(bad);
    s3_creds_free(creds);
    nb_secret_free(secret);
    fake_s3_free(f);
}

/* ---- settings ---- */

static bool try_opts(const char *endpoint, const char *bucket, const char *region,
                     struct nb_error *err)
{
    struct nb_secret *secret = nb_secret_new("secret", 6);
    struct s3_creds *creds = NULL;
    struct s3_client *c = NULL;
    struct s3_client_opts o = { .endpoint = endpoint, .bucket = bucket, .region = region };
    bool ok;

    nb_error_clear(err);
    assert_true(s3_creds_new("id", secret, NULL, &creds, err));
    o.creds = creds;
    ok = s3_client_new(&o, &c, err);
    s3_client_free(c);
    s3_creds_free(creds);
    nb_secret_free(secret);
    assert_true(ok || nb_streq(err->reason, "InvalidStorage") ||
                nb_streq(err->reason, "InvalidUrl"));
    return ok;
}

static void settings_that_are_wrong_are_refused_by_name(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    char out[S3_ENDPOINT_MAX];

    (void)state;
    assert_true(try_opts("https://a.example", "abc", NULL, &err));
    assert_true(try_opts("https://a.example/", "abc", "eu-west-1", &err));
    assert_true(try_opts("https://a.example/abc", "abc", "auto", &err));
    assert_true(try_opts("http://127.0.0.1:9000", "abc.def", NULL, &err));
    assert_false(try_opts("https://a.example/other", "abc", NULL, &err));
    assert_false(try_opts("ftp://a.example", "abc", NULL, &err));
    assert_false(try_opts("https://user:pw@a.example", "abc", NULL, &err));
    assert_null(strstr(err.text, "pw@"));
    assert_false(try_opts("a.example", "abc", NULL, &err));
    assert_false(try_opts("", "abc", NULL, &err));
    assert_false(try_opts("https://a.example", "", NULL, &err));
    assert_false(try_opts("https://a.example", "s3://abc", NULL, &err));
    assert_false(try_opts("https://a.example", "abc/def", NULL, &err));
    assert_false(try_opts("https://a.example", "ab", NULL, &err));
    assert_false(try_opts("https://a.example", "abc", "", &err));
    assert_false(try_opts("https://a.example", "abc", "a b", &err));

    nb_error_clear(&err);
    assert_true(s3_r2_endpoint("0123456789abcdef0123456789abcdef", NULL, out, &err));
    assert_string_equal(out, "https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com");
    assert_true(s3_r2_endpoint("0123456789abcdef0123456789abcdef", "eu", out, &err));
    assert_string_equal(out,
                        "https://0123456789abcdef0123456789abcdef.eu.r2.cloudflarestorage.com");
    assert_false(s3_r2_endpoint("0123", NULL, out, &err));
    nb_error_clear(&err);
    assert_false(s3_r2_endpoint("0123456789abcdef0123456789abcdef", "mars", out, &err));
    nb_error_clear(&err);
    assert_false(s3_r2_endpoint(NULL, NULL, out, &err));
}

static void key_that_is_no_key_is_refused(void **state)
{
    struct story *s = *state;
    char long_key[1100];

    memset(long_key, 'k', sizeof(long_key));
    long_key[1099] = '\0';
    FAILS(s, s3_put(s->c, "", "1", 1, NULL, NULL, NULL, &s->err), NB_E_INVALID, "InvalidName");
    FAILS(s, s3_put(s->c, long_key, "1", 1, NULL, NULL, NULL, &s->err), NB_E_INVALID,
          "InvalidName");
    FAILS(s, s3_put(s->c, "\xff", "1", 1, NULL, NULL, NULL, &s->err), NB_E_INVALID, "InvalidName");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(put_and_get_odd_key_and_metadata_come_back),
        T(put_empty_object_is_stored),
        T(get_range_gives_that_part),
        T(put_conditions_are_kept),
        T(token_of_temporary_credentials_is_sent_and_signed),
        T(bucket_that_is_not_there_is_named),
        T(secret_that_is_wrong_is_said_and_not_shown),
        T(object_that_is_not_there_is_not_found),
        T(lock_of_the_bucket_is_told_from_a_lack_of_rights),
        T(endpoint_nobody_listens_at_is_unavailable),
        T(errors_of_a_real_r2_name_it),
        T(transient_faults_are_tried_again),
        T(lasting_faults_end_the_tries),
        T(window_bounds_the_tries_in_time),
        T(empty_token_bucket_slows_retries_to_the_longest_pause),
        T(clock_that_is_wrong_is_corrected_once),
        T(clock_skew_that_stays_is_an_error),
        T(put_condition_met_by_a_try_whose_answer_was_lost_is_a_success),
        T(put_is_believed_by_its_etag_alone),
        T(get_cut_anywhere_goes_on_where_it_was),
        T(get_of_an_object_replaced_meanwhile_is_a_conflict),
        T(get_reader_s_own_error_is_not_tried_again),
        T(cancelled_call_ends_at_once),
        T(tls_endpoint_is_verified_by_the_ca_given),
        cmocka_unit_test(settings_that_are_wrong_are_refused_by_name),
        T(key_that_is_no_key_is_refused),
    };

    http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
