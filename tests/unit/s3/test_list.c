#include "s3/list.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "net/http.h"
#include "tests/fakes/s3_fixture.h"

struct story {
    struct fake_s3 *f;
    struct s3_client *c;
    struct nb_error err;
    struct nb_buf seen;
};

static int set_up(void **state)
{
    struct story *s = NB_NEW(struct story);

    s->f = fake_s3_new();
    s->c = s3_fixture_client(s->f, NULL);
    s->err = (struct nb_error)NB_ERROR_INIT;
    nb_buf_init(&s->seen, 1 << 20);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct story *s = *state;

    s3_client_free(s->c);
    fake_s3_free(s->f);
    nb_buf_done(&s->seen);
    free(s);
    return 0;
}

static bool note(void *ctx, const struct s3_list_entry *e, struct nb_error *err)
{
    struct story *s = ctx;

    (void)err;
    if (e->is_prefix)
        nb_buf_printf(&s->seen, "%s|", e->key);
    else
        nb_buf_printf(&s->seen, "%s:%llu|", e->key, (unsigned long long)e->object.size);
    assert_true(e->is_prefix || e->object.last_modified_unix_seconds > 1700000000);
    assert_true(e->is_prefix || e->object.etag[0] == '"');
    return true;
}

static void expect(struct story *s, const struct s3_list_opts *o, const char *want, bool complete)
{
    bool got_complete;

    nb_buf_clear(&s->seen);
    nb_error_clear(&s->err);
    if (!s3_list(s->c, o, note, s, NULL, &got_complete, &s->err))
        fail_msg("%s", s->err.text);
    assert_string_equal(nb_buf_cstr(&s->seen), want);
    assert_int_equal(got_complete, complete);
}

static void fill(struct story *s)
{
    static const char *const keys[] = { "a/1",     "a/2 +&<é", "a/3",    "a/sub/x",
                                        "a/sub/y", "a/t/z",    "a/z%41", "b/1" };

    for (size_t i = 0; i < NB_ARRAY_LEN(keys); i++)
        fake_s3_put(s->f, keys[i], "12345", i % 4);
}

static void list_gives_every_key_whatever_the_page(void **state)
{
    struct story *s = *state;

    fill(s);
    for (unsigned page = 0; page < 6; page++) {
        struct s3_list_opts o = { .prefix = "a/", .page_size = page };

        expect(s, &o, "a/1:0|a/2 +&<é:1|a/3:2|a/sub/x:3|a/sub/y:0|a/t/z:1|a/z%41:2|", true);
        o.delimiter = "/";
        nb_buf_clear(&s->seen);
        nb_error_clear(&s->err);
        {
            bool complete;

            assert_true(s3_list(s->c, &o, note, s, NULL, &complete, &s->err));
            assert_true(complete);
            assert_non_null(strstr(s->seen.data, "a/sub/|"));
            assert_non_null(strstr(s->seen.data, "a/t/|"));
            assert_null(strstr(s->seen.data, "a/sub/x"));
            assert_non_null(strstr(s->seen.data, "a/z%41:2|"));
        }
        o = (struct s3_list_opts){ .prefix = "a/", .start_after = "a/3", .page_size = page };
        expect(s, &o, "a/sub/x:3|a/sub/y:0|a/t/z:1|a/z%41:2|", true);
    }
    {
        const struct s3_list_opts none = { .prefix = "nothing/" };

        expect(s, &none, "", true);
    }
}

static void list_whose_token_expired_goes_on_after_the_last_key(void **state)
{
    struct story *s = *state;

    fill(s);
    for (unsigned page = 1; page < 5; page++)
        for (unsigned expired = 1; expired < 4; expired++) {
            const struct s3_list_opts o = { .prefix = "a/", .page_size = page };

            fake_s3_expire_tokens(s->f, expired);
            expect(s, &o, "a/1:0|a/2 +&<é:1|a/3:2|a/sub/x:3|a/sub/y:0|a/t/z:1|a/z%41:2|", true);
        }
    {
        const struct s3_list_opts o = { .prefix = "a/", .page_size = 1 };
        bool complete = true;

        fake_s3_expire_tokens(s->f, 100);
        assert_false(s3_list(s->c, &o, note, s, NULL, &complete, &s->err));
        assert_false(complete);
        fake_s3_expire_tokens(s->f, 0);
    }
}

static void list_with_delimiter_and_expired_token_shows_a_prefix_once(void **state)
{
    struct story *s = *state;
    const struct s3_list_opts o = { .prefix = "a/", .delimiter = "/", .page_size = 4 };
    bool complete;

    fill(s);
    fake_s3_expire_tokens(s->f, 1);
    assert_true(s3_list(s->c, &o, note, s, NULL, &complete, &s->err));
    assert_true(complete);
    assert_string_equal(s->seen.data, "a/1:0|a/2 +&<é:1|a/3:2|a/sub/|a/t/|a/z%41:2|");
}

static void list_cut_by_its_limit_is_not_complete(void **state)
{
    struct story *s = *state;
    const struct s3_list_opts o = { .prefix = "a/", .max_entries = 2 };

    fill(s);
    expect(s, &o, "a/1:0|a/2 +&<é:1|", false);
}

struct tearing {
    unsigned from, to; /* answers that are torn */
};

static void tear(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    const struct tearing *t = ctx;

    fault->torn = nb_starts_with(op->name, "List") && op->number >= t->from && op->number <= t->to;
}

static void page_that_is_torn_is_asked_for_again(void **state)
{
    struct story *s = *state;
    const struct s3_list_opts o = { .prefix = "a/", .page_size = 2 };
    struct tearing t = { 2, 3 };
    bool complete;

    fill(s);
    fake_s3_set_hook(s->f, tear, &t);
    expect(s, &o, "a/1:0|a/2 +&<é:1|a/3:2|a/sub/x:3|a/sub/y:0|a/t/z:1|a/z%41:2|", true);
    t = (struct tearing){ 1, UINT_MAX };
    assert_false(s3_list(s->c, &o, note, s, NULL, &complete, &s->err));
    assert_int_equal(s->err.code, NB_E_PROTOCOL);
    assert_false(complete);
    fake_s3_set_hook(s->f, NULL, NULL);
}

static bool refuse(void *ctx, const struct s3_list_entry *e, struct nb_error *err)
{
    (void)ctx;
    return nb_fail(err, NB_E_LIMIT, "MyOwn", "no more than '%s'", e->key);
}

static void list_reader_s_error_ends_it(void **state)
{
    struct story *s = *state;
    const struct s3_list_opts o = { .prefix = "a/" };
    bool complete;

    fill(s);
    assert_false(s3_list(s->c, &o, refuse, NULL, NULL, &complete, &s->err));
    assert_string_equal(s->err.reason, "MyOwn");
}

static bool note_upload(void *ctx, const struct s3_list_upload *u, struct nb_error *err)
{
    struct story *s = ctx;

    (void)err;
    assert_true(u->initiated_unix_seconds > 1700000000);
    nb_buf_printf(&s->seen, "%s %s|", u->key, u->upload_id);
    return true;
}

static void list_uploads_gives_every_upload(void **state)
{
    struct story *s = *state;
    char id[S3_UPLOAD_ID_MAX];
    bool complete;

    for (unsigned page = 0; page < 4; page++) {
        fake_s3_set_page(s->f, page);
        if (page == 0)
            for (int i = 0; i < 5; i++)
                assert_true(
                    s3_multipart_create(s->c, i == 3 ? "other" : "a/x&y", NULL, NULL, id, &s->err));
        nb_buf_clear(&s->seen);
        assert_true(s3_list_uploads(s->c, "a/", note_upload, s, NULL, &complete, &s->err));
        assert_true(complete);
        assert_string_equal(s->seen.data, "a/x&y upload-000001+/=|a/x&y upload-000002+/=|"
                                          "a/x&y upload-000003+/=|a/x&y upload-000005+/=|");
    }
    assert_true(s3_multipart_abort(s->c, "a/x&y", id, NULL, &s->err));
    assert_int_equal(fake_s3_upload_count(s->f), 4);
    assert_true(s3_multipart_abort(s->c, "a/x&y", id, NULL, &s->err)); /* gone already */
}

/* Answers of services that say too little, or nonsense. */
static void list_answer_that_says_too_little_is_refused(void **state)
{
    static const char *const bodies[] = {
        "<ListBucketResult></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents>"
        "</ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>k</Key><Size>-1</Size>"
        "</Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</"
        "EncodingType><Contents>"
        "<Key>%zz</Key></Contents></ListBucketResult>",
        "<html>",
        "",
    };
    struct story *s = *state;

    for (size_t i = 0; i < NB_ARRAY_LEN(bodies); i++) {
        const struct fake_http_step steps[] = { { .status = 200, .reply_body = bodies[i] } };
        struct fake_http_script script = { .steps = steps, .count = 1 };
        struct fake_http *h = fake_http_new(fake_http_script_handler, &script);
        struct nb_secret *secret = nb_secret_new("secret", 6);
        struct s3_creds *creds = NULL;
        struct s3_client *c = NULL;
        struct s3_client_opts o = { .endpoint = fake_http_url(h),
                                    .bucket = "abc",
                                    .retry_window_ms = -1 };
        const struct s3_list_opts l = { .prefix = "" };
        bool complete;

        nb_error_clear(&s->err);
        assert_true(s3_creds_new("id", secret, NULL, &creds, &s->err));
        o.creds = creds;
        assert_true(s3_client_new(&o, &c, &s->err));
        assert_false(s3_list(c, &l, note, s, NULL, &complete, &s->err));
        assert_int_equal(s->err.code, NB_E_PROTOCOL);
        s3_client_free(c);
        s3_creds_free(creds);
        nb_secret_free(secret);
        fake_http_free(h);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(list_gives_every_key_whatever_the_page),
        T(list_whose_token_expired_goes_on_after_the_last_key),
        T(list_with_delimiter_and_expired_token_shows_a_prefix_once),
        T(list_cut_by_its_limit_is_not_complete),
        T(page_that_is_torn_is_asked_for_again),
        T(list_reader_s_error_ends_it),
        T(list_uploads_gives_every_upload),
        T(list_answer_that_says_too_little_is_refused),
    };

    http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
