#include "s3/sign.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/b64.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"

#define VECTORS "tests/vectors/sigv4/"
enum { FILE_MAX = 16 << 20, PAIRS_MAX = 32 };

static void read_file(const char *path, struct nb_buf *out)
{
    struct nb_error err = NB_ERROR_INIT;

    nb_buf_init(out, FILE_MAX);
    if (!nb_file_read(path, out, &err))
        fail_msg("%s", err.text);
}

/* ---- the 38 official cases ---- */

struct raw_request {
    struct nb_buf text; /* cut up in place */
    char *method, *path;
    struct s3_pair query[PAIRS_MAX], headers[PAIRS_MAX];
    size_t query_n, headers_n;
    const char *body;
};

static char *decoded(const char *s, size_t n)
{
    struct nb_buf b = NB_BUF_INIT(4096);

    assert_true(nb_url_decode(s, n, &b));
    return nb_buf_take(&b);
}

static void parse_query(struct raw_request *r, char *q)
{
    while (q && *q) {
        char *next = strchr(q, '&'), *eq;

        if (next)
            *next++ = '\0';
        eq = strchr(q, '=');
        r->query[r->query_n].name = decoded(q, eq ? (size_t)(eq - q) : strlen(q));
        r->query[r->query_n++].value = eq ? decoded(eq + 1, strlen(eq + 1)) : NULL;
        q = next;
    }
}

static char *take_line(char **p)
{
    char *line = *p, *end = strchr(line, '\n');

    if (end)
        *end = '\0';
    *p = end ? end + 1 : line + strlen(line);
    return line;
}

/* A continuation line is glued to the one before with the blanks it begins with. */
static void parse_headers(struct raw_request *r, char **p)
{
    static char glued[4][512];
    size_t glued_n = 0;

    while (**p) {
        char *line = take_line(p), *colon;

        if (!*line)
            break;
        if (*line == ' ') {
            struct s3_pair *last = &r->headers[r->headers_n - 1];

            snprintf(glued[glued_n], sizeof(glued[0]), "%s%s", last->value, line);
            last->value = glued[glued_n++];
            continue;
        }
        colon = strchr(line, ':');
        assert_non_null(colon);
        *colon = '\0';
        r->headers[r->headers_n++] = (struct s3_pair){ line, colon + 1 };
    }
}

static void parse_request(const char *file, struct raw_request *r)
{
    char *p, *line, *end, *question;

    memset(r, 0, sizeof(*r));
    read_file(file, &r->text);
    p = r->text.data;
    line = take_line(&p);
    r->method = line;
    r->path = strchr(line, ' ') + 1;
    r->path[-1] = '\0';
    end = strstr(r->path, " HTTP/1.1");
    assert_non_null(end);
    *end = '\0';
    question = strchr(r->path, '?');
    if (question)
        *question++ = '\0';
    r->path = decoded(r->path, strlen(r->path)); /* some cases have it encoded, some not */
    parse_query(r, question);
    parse_headers(r, &p);
    r->body = p;
}

static void raw_request_done(struct raw_request *r)
{
    for (size_t i = 0; i < r->query_n; i++) {
        free((void *)(uintptr_t)r->query[i].name);
        free((void *)(uintptr_t)r->query[i].value);
    }
    free(r->path);
    nb_buf_done(&r->text);
}

static void expect_file(const char *dir, const char *name, struct nb_str got)
{
    char path[400];
    struct nb_buf want;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    read_file(path, &want);
    if (!nb_str_equal(nb_buf_str(&want), got))
        fail_msg("%s:\n--- want\n%s\n--- got\n%.*s", path, nb_buf_cstr(&want), (int)got.n, got.p);
    nb_buf_done(&want);
}

static struct s3_creds *creds_of(const char *id, const char *secret, const char *token)
{
    struct nb_secret *s = nb_secret_new(secret, strlen(secret));
    struct nb_secret *t = token ? nb_secret_new(token, strlen(token)) : NULL;
    struct s3_creds *c = NULL;
    struct nb_error err = NB_ERROR_INIT;

    if (!s3_creds_new(id, s, t, &c, &err))
        fail_msg("%s", err.text);
    nb_secret_free(s);
    nb_secret_free(t);
    return c;
}

static void check_official(const char *dir)
{
    struct raw_request raw;
    struct nb_json *j = NULL;
    struct nb_error err = NB_ERROR_INIT;
    char path[400], sha[NB_SHA256_HEX];
    uint8_t hash[NB_SHA256_BYTES];
    struct nb_buf context, canonical = NB_BUF_INIT(FILE_MAX), text = NB_BUF_INIT(FILE_MAX);
    struct s3_sign_request r = { 0 };
    struct s3_creds *creds;

    snprintf(path, sizeof(path), "%s/request.txt", dir);
    parse_request(path, &raw);
    snprintf(path, sizeof(path), "%s/context.json", dir);
    read_file(path, &context);
    assert_true(nb_json_parse(context.data, context.len, FILE_MAX, &j, &err));
    creds = creds_of(nb_json_str(nb_json_at(j, "credentials.access_key_id"), ""),
                     nb_json_str(nb_json_at(j, "credentials.secret_access_key"), ""),
                     nb_json_str(nb_json_at(j, "credentials.token"), NULL));
    nb_sha256(raw.body, strlen(raw.body), hash);
    nb_hex(hash, sizeof(hash), sha);
    r.rule = nb_json_bool(nb_json_get(j, "normalize"), true) ? S3_SIGN_GENERIC : S3_SIGN_S3;
    r.method = raw.method;
    r.path = nb_str_from(raw.path);
    r.query = raw.query;
    r.query_n = raw.query_n;
    r.headers = raw.headers;
    r.headers_n = raw.headers_n;
    r.payload_sha256 = sha;
    r.region = nb_json_str(nb_json_get(j, "region"), "");
    r.service = nb_json_str(nb_json_get(j, "service"), "");
    r.add_content_sha256 = nb_json_bool(nb_json_get(j, "sign_body"), false);
    r.add_token = !nb_json_bool(nb_json_get(j, "omit_session_token"), false);
    assert_true(nb_time_parse(nb_json_str(nb_json_get(j, "timestamp"), ""), &r.now_unix_seconds));

    assert_true(s3_sign_canonical_request(&r, creds, &canonical, &err));
    expect_file(dir, "header-canonical-request.txt", nb_buf_str(&canonical));
    s3_sign_string_to_sign(&r, nb_buf_str(&canonical), &text);
    expect_file(dir, "header-string-to-sign.txt", nb_buf_str(&text));
    nb_buf_clear(&text);
    assert_true(s3_sign(&r, creds, &text, &err));
    expect_file(dir, "header-signature.txt", nb_str_from(strstr(text.data, "Signature=") + 10));

    s3_creds_free(creds);
    nb_json_free(j);
    nb_buf_done(&context);
    nb_buf_done(&canonical);
    nb_buf_done(&text);
    raw_request_done(&raw);
}

static void sign_official_suite_gives_the_same_signatures(void **state)
{
    DIR *d = opendir(VECTORS "aws");
    struct dirent *e;
    int n = 0;

    (void)state;
    assert_non_null(d);
    while ((e = readdir(d))) {
        char dir[256];

        if (e->d_name[0] == '.' || nb_streq(e->d_name, "LICENSE"))
            continue;
        snprintf(dir, sizeof(dir), VECTORS "aws/%.100s", e->d_name);
        check_official(dir);
        n++;
    }
    closedir(d);
    assert_int_equal(n, 38);
}

/* ---- botocore as the judge ---- */

static size_t pairs_of(const struct nb_json *list, struct s3_pair *out)
{
    size_t n = 0;

    for (const struct nb_json *v = nb_json_first(list); v; v = nb_json_next(v)) {
        const struct nb_json *name = nb_json_first(v);

        assert_true(n < PAIRS_MAX);
        out[n++] = (struct s3_pair){ nb_json_str(name, ""), nb_json_str(nb_json_next(name), "") };
    }
    return n;
}

static void check_botocore(const char *line, size_t n)
{
    struct nb_json *j = NULL;
    struct nb_error err = NB_ERROR_INIT;
    struct nb_buf got = NB_BUF_INIT(64 << 10);
    struct s3_pair query[PAIRS_MAX], headers[PAIRS_MAX];
    struct s3_sign_request r = { .rule = S3_SIGN_S3,
                                 .query = query,
                                 .headers = headers,
                                 .service = "s3",
                                 .add_content_sha256 = true,
                                 .add_token = true };
    struct s3_creds *creds;
    const char *want;

    if (!nb_json_parse(line, n, FILE_MAX, &j, &err))
        fail_msg("%s: %.*s", err.text, (int)n, line);
    creds =
        creds_of(nb_json_str(nb_json_get(j, "key"), ""), nb_json_str(nb_json_get(j, "secret"), ""),
                 nb_json_str(nb_json_get(j, "token"), NULL));
    r.method = nb_json_str(nb_json_get(j, "method"), "");
    r.path = nb_str_from(nb_json_str(nb_json_get(j, "path"), ""));
    r.query_n = pairs_of(nb_json_get(j, "query"), query);
    r.headers_n = pairs_of(nb_json_get(j, "headers"), headers);
    headers[r.headers_n++] = (struct s3_pair){ "host", nb_json_str(nb_json_get(j, "host"), "") };
    r.payload_sha256 = nb_json_str(nb_json_get(j, "payload"), "");
    r.region = nb_json_str(nb_json_get(j, "region"), "");
    r.now_unix_seconds = nb_json_i64(nb_json_get(j, "time"), 0);
    want = nb_json_str(nb_json_get(j, "authorization"), "");
    assert_true(s3_sign(&r, creds, &got, &err));
    if (!nb_streq(want, nb_buf_cstr(&got))) {
        struct nb_buf canonical = NB_BUF_INIT(64 << 10);

        assert_true(s3_sign_canonical_request(&r, creds, &canonical, &err));
        fail_msg("%.*s\n%s\n%s", (int)n, line, nb_buf_cstr(&got), nb_buf_cstr(&canonical));
    }
    s3_creds_free(creds);
    nb_json_free(j);
    nb_buf_done(&got);
}

static size_t check_cases(const char *path)
{
    struct nb_buf all;
    const char *p;
    size_t count = 0;

    read_file(path, &all);
    for (p = nb_buf_cstr(&all); *p;) {
        size_t n = strcspn(p, "\n");

        check_botocore(p, n);
        count++;
        p += n + (p[n] == '\n');
    }
    nb_buf_done(&all);
    return count;
}

static void sign_requests_signed_by_botocore_are_signed_the_same(void **state)
{
    (void)state;
    assert_int_equal(check_cases(VECTORS "botocore.jsonl"), 300);
}

/* ---- edges ---- */

static void sign_too_many_headers_is_refused(void **state)
{
    struct s3_pair headers[80];
    struct s3_creds *creds = creds_of("id", "secret", NULL);
    struct s3_sign_request r = { .method = "GET",
                                 .path = NB_STR("/"),
                                 .headers = headers,
                                 .headers_n = 80,
                                 .payload_sha256 = "",
                                 .region = "auto",
                                 .service = "s3" };
    struct nb_buf out = NB_BUF_INIT(1000);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < 80; i++)
        headers[i] = (struct s3_pair){ "a", "b" };
    assert_false(s3_sign(&r, creds, &out, &err));
    assert_int_equal(err.code, NB_E_LIMIT);
    r.headers_n = 1;
    out.max = 20;
    nb_error_clear(&err);
    assert_false(s3_sign(&r, creds, &out, &err));
    assert_int_equal(err.code, NB_E_LIMIT);
    nb_buf_done(&out);
    s3_creds_free(creds);
}

static void query_encode_keeps_order_and_writes_empty_values(void **state)
{
    const struct s3_pair q[] = { { "uploads", NULL }, { "prefix", "a b/ü+" } };
    struct nb_buf out = NB_BUF_INIT(1000);

    (void)state;
    s3_sign_query_encode(q, 2, &out);
    assert_string_equal(nb_buf_cstr(&out), "uploads=&prefix=a%20b%2F%C3%BC%2B");
    nb_buf_done(&out);
}

static bool try_creds(const char *id, const char *secret, struct nb_error *err)
{
    struct nb_secret *s = nb_secret_new(secret, strlen(secret));
    struct s3_creds *c = NULL;
    bool ok = s3_creds_new(id, s, NULL, &c, err);

    nb_secret_free(s);
    s3_creds_free(c);
    return ok;
}

static void creds_with_blank_or_line_break_are_refused_without_showing_them(void **state)
{
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(try_creds("abc", "topsecretvalue", &err));
    assert_false(try_creds("abc", "topsecretvalue\n", &err));
    assert_string_equal(err.reason, "InvalidCredentials");
    assert_null(strstr(err.text, "topsecret"));
    nb_error_clear(&err);
    assert_false(try_creds("", "topsecretvalue", &err));
    nb_error_clear(&err);
    assert_false(try_creds("abc", "", &err));
    nb_error_clear(&err);
    assert_false(try_creds("a/c", "topsecretvalue", &err));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sign_official_suite_gives_the_same_signatures),
        cmocka_unit_test(sign_requests_signed_by_botocore_are_signed_the_same),
        cmocka_unit_test(sign_too_many_headers_is_refused),
        cmocka_unit_test(query_encode_keeps_order_and_writes_empty_values),
        cmocka_unit_test(creds_with_blank_or_line_break_are_refused_without_showing_them),
    };

    if (argc > 1) { /* a file of botocore_cases.py */
        printf("%zu requests are signed as botocore signs them\n", check_cases(argv[1]));
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
