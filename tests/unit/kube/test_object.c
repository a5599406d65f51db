#include "kube/object.h"

#include <string.h>

#include "kube/status.h"
#include "tests/unit/cmocka.h"

static void versions_are_compared_by_length_then_text(void **state)
{
    (void)state;
    assert_true(kube_rv_compare("9", "10") < 0);
    assert_true(kube_rv_compare("10", "9") > 0);
    assert_int_equal(kube_rv_compare("10", "10"), 0);
    assert_true(kube_rv_compare("", "1") < 0);
    assert_true(kube_rv_compare("340282366920938463463374607431768211455",
                                "340282366920938463463374607431768211454") > 0);
}

static void path_is(const struct kube_resource *res, const char *ns, const char *name,
                    const char *sub, const char *want)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1024);

    kube_path(res, ns, name, sub, &out);
    assert_string_equal(nb_buf_cstr(&out), want);
}

static void paths_name_group_namespace_and_subresource(void **state)
{
    (void)state;
    path_is(&KUBE_PODS, "", NULL, NULL, "/api/v1/pods");
    path_is(&KUBE_PODS, NULL, NULL, NULL, "/api/v1/pods");
    path_is(&KUBE_PODS, "a", "b", "log", "/api/v1/namespaces/a/pods/b/log");
    path_is(&KUBE_JOBS, "a", "b", NULL, "/apis/batch/v1/namespaces/a/jobs/b");
    path_is(&KUBE_JOBS, "a/../b", "c?d", "status",
            "/apis/batch/v1/namespaces/a%2F..%2Fb/jobs/c%3Fd/status");
}

static struct nb_json *parse(const char *text)
{
    struct nb_json *json = NULL;
    struct nb_error err = NB_ERROR_INIT;

    assert_true(nb_json_parse(text, strlen(text), 65536, &json, &err));
    return json;
}

static void meta_and_controller_are_read(void **state)
{
    nb_auto(nb_json_free) struct nb_json *o = parse(
        "{\"metadata\":{\"name\":\"n\",\"namespace\":\"s\",\"uid\":\"u\",\"resourceVersion\":\"7\","
        "\"generation\":3,\"labels\":{\"a.b/c\":\"v\"},\"ownerReferences\":[{\"uid\":\"x\"},"
        "{\"uid\":\"y\",\"controller\":true}]}}");
    nb_auto(nb_json_free) struct nb_json *none = parse("{\"metadata\":{\"name\":\"n\"}}");
    struct kube_meta m;

    (void)state;
    assert_true(kube_meta_read(o, &m));
    assert_string_equal(m.resource_version, "7");
    assert_int_equal(m.generation, 3);
    assert_string_equal(kube_controller_uid(o), "y");
    assert_string_equal(kube_label(o, "a.b/c"), "v");
    assert_null(kube_label(o, "a.b/d"));
    assert_string_equal(kube_controller_uid(none), "");
    assert_false(kube_meta_read(none, &m));
}

static void status_is(int http, const char *json, const char *after, enum nb_code code,
                      const char *reason, int64_t retry_ms, const char *text)
{
    nb_auto(nb_json_free) struct nb_json *status = json ? parse(json) : NULL;
    struct nb_error err = NB_ERROR_INIT;

    assert_false(kube_status_fail(http, status, after, "get pods 'a/b'", &err));
    assert_int_equal(err.code, code);
    assert_string_equal(err.reason, reason);
    assert_int_equal(err.retry_after_ms, retry_ms);
    assert_string_equal(err.text, text);
}

static void statuses_become_errors(void **state)
{
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    status_is(404, "{\"reason\":\"NotFound\",\"message\":\"secret\"}", NULL, NB_E_NOT_FOUND,
              "NotFound", -1, "get pods 'a/b': NotFound (HTTP 404)");
    status_is(409, "{\"reason\":\"AlreadyExists\"}", NULL, NB_E_CONFLICT, "AlreadyExists", -1,
              "get pods 'a/b': AlreadyExists (HTTP 409)");
    status_is(403, "{\"reason\":\"Forbidden\",\"message\":\"no right\"}", NULL, NB_E_DENIED,
              "Forbidden", -1, "get pods 'a/b': Forbidden (HTTP 403): no right");
    status_is(422, "{\"reason\":\"Invalid\",\"message\":\"x is bad\"}", NULL, NB_E_INVALID,
              "Invalid", -1, "get pods 'a/b': Invalid (HTTP 422): x is bad");
    status_is(429, NULL, "7", NB_E_UNAVAILABLE, "TooManyRequests", 7000,
              "get pods 'a/b': TooManyRequests (HTTP 429)");
    status_is(503, "{\"reason\":\"bad reason!\",\"details\":{\"retryAfterSeconds\":2}}", NULL,
              NB_E_UNAVAILABLE, "ServiceUnavailable", 2000,
              "get pods 'a/b': ServiceUnavailable (HTTP 503)");
    status_is(503, NULL, "Wed, 21 Oct 2015 07:28:00 GMT", NB_E_UNAVAILABLE, "ServiceUnavailable",
              -1, "get pods 'a/b': ServiceUnavailable (HTTP 503)");
    status_is(400, "{\"reason\":\"Expired\"}", NULL, NB_E_EXPIRED, "Expired", -1,
              "get pods 'a/b': Expired (HTTP 400)");
    status_is(401, NULL, NULL, NB_E_DENIED, "Unauthorized", -1,
              "get pods 'a/b': Unauthorized (HTTP 401)");
    status_is(302, NULL, NULL, NB_E_PROTOCOL, "UnexpectedStatus", -1,
              "get pods 'a/b': UnexpectedStatus (HTTP 302)");
    kube_status_fail(409, NULL, NULL, "x", &err);
    assert_false(kube_error_is_already_exists(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_compared_by_length_then_text),
        cmocka_unit_test(paths_name_group_namespace_and_subresource),
        cmocka_unit_test(meta_and_controller_are_read),
        cmocka_unit_test(statuses_become_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
