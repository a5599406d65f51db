#include "base/url.h"

#include <string.h>

#include "base/mem.h"
#include "tests/unit/cmocka.h"

static void parse_whole_url_gives_its_parts(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_url u;

    (void)state;
    assert_true(nb_url_parse("HTTPS://S3.Example.com:9000/a%2Fb/c?x=1&y", "R2_ENDPOINT", &u, &err));
    assert_string_equal(u.scheme, "https");
    assert_string_equal(u.host, "s3.example.com");
    assert_int_equal(u.port, 9000);
    assert_false(u.has_userinfo || u.host_is_ipv6);
    assert_true(nb_str_is(u.path, "/a%2Fb/c"));
    assert_true(nb_str_is(u.query, "x=1&y"));
}

static void parse_short_url_has_empty_parts(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_url u;

    (void)state;
    assert_true(nb_url_parse("bolt://neo4j_db", "NEO4J_URI", &u, &err));
    assert_string_equal(u.host, "neo4j_db");
    assert_int_equal(u.port, 0);
    assert_int_equal(u.path.n, 0);
    assert_int_equal(u.query.n, 0);
    assert_true(nb_url_parse("neo4j+s://h?q", "NEO4J_URI", &u, &err));
    assert_string_equal(u.scheme, "neo4j+s");
    assert_true(nb_str_is(u.query, "q"));
}

static void parse_ipv6_loses_its_brackets(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_url u;

    (void)state;
    assert_true(nb_url_parse("http://[::1]:80/", "x", &u, &err));
    assert_string_equal(u.host, "::1");
    assert_true(u.host_is_ipv6);
    assert_int_equal(u.port, 80);
    assert_true(nb_url_parse("http://[FE80::A]", "x", &u, &err));
    assert_string_equal(u.host, "fe80::a");
}

static void parse_userinfo_is_seen_and_not_kept(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_url u;

    (void)state;
    assert_true(nb_url_parse("bolt://me:s3cr@t@db:7687", "x", &u, &err));
    assert_true(u.has_userinfo);
    assert_string_equal(u.host, "db");
    assert_int_equal(u.port, 7687);
}

static void broken_urls_are_refused_without_being_shown(void **state)
{
    static const char *const bad[] = {
        "",
        "secretpw",
        "/secretpw",
        "http:/secretpw",
        "://secretpw",
        "1http://secretpw",
        "ht tp://secretpw",
        "http://",
        "http:///secretpw",
        "http://secretpw:",
        "http://secretpw:0",
        "http://secretpw:65536",
        "http://secretpw:8x",
        "http://h:secretpw",
        "http://[::1",
        "http://[secretpw]",
        "http://[::1]secretpw",
        "http://[]",
        "http://secret pw",
        "http://secretpw#x",
        "http://secret\xC3\xA4pw",
        "http://secret%41pw",
        "http://a:b:secretpw",
        "http://u:secret/pw@host",
        "verylongschemename://secretpw",
        "http://secretpw\n",
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++) {
        struct nb_error err = NB_ERROR_INIT;
        struct nb_url u;

        if (nb_url_parse(bad[i], "NEO4J_URI", &u, &err))
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(err.code, NB_E_INVALID);
        assert_string_equal(err.reason, "InvalidUrl");
        assert_non_null(strstr(err.text, "'NEO4J_URI' is not a valid URL: "));
        assert_null(strstr(err.text, "secret"));
    }
}

static void long_host_is_refused(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    char text[400] = "http://";
    struct nb_url u;

    (void)state;
    memset(text + 7, 'a', 255);
    assert_true(nb_url_parse(text, "x", &u, &err));
    memset(text + 7, 'a', 256);
    assert_false(nb_url_parse(text, "x", &u, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_whole_url_gives_its_parts),
        cmocka_unit_test(parse_short_url_has_empty_parts),
        cmocka_unit_test(parse_ipv6_loses_its_brackets),
        cmocka_unit_test(parse_userinfo_is_seen_and_not_kept),
        cmocka_unit_test(broken_urls_are_refused_without_being_shown),
        cmocka_unit_test(long_host_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
