#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "bolt/target.h"
#include "tests/fakes/fake_bolt.h"

static void scheme_decides_on_tls_and_routing(void **state)
{
    static const struct {
        const char *uri;
        bool tls, verify, routing;
    } cases[] = {
        { "bolt://h", false, false, false },    { "bolt+s://h", true, true, false },
        { "bolt+ssc://h", true, false, false }, { "neo4j://h", false, false, true },
        { "neo4j+s://h", true, true, true },    { "neo4j+ssc://h", true, false, true },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        struct nb_error err = NB_ERROR_INIT;
        struct bolt_target t;

        assert_true(bolt_target_parse(cases[i].uri, &t, &err));
        assert_string_equal(t.at.host, "h");
        assert_int_equal(t.at.port, 7687);
        assert_int_equal(t.tls, cases[i].tls);
        assert_int_equal(t.verify, cases[i].verify);
        assert_int_equal(t.routing, cases[i].routing);
    }
}

static void port_address_and_context_are_taken(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_target t;

    (void)state;
    assert_true(bolt_target_parse("neo4j://graph.example:17687/?policy=eu&x=y", &t, &err));
    assert_string_equal(t.at.host, "graph.example");
    assert_int_equal(t.at.port, 17687);
    assert_string_equal(t.context, "policy=eu&x=y");
    assert_true(bolt_target_parse("bolt://[::1]:7688", &t, &err));
    assert_string_equal(t.at.host, "::1");
}

static void uri_that_leads_nowhere_is_refused(void **state)
{
    static const char *const uris[] = { NULL,
                                        "",
                                        "localhost",
                                        "http://h:7474",
                                        "bolt://",
                                        "bolt://h:0x1",
                                        "bolt://h:99999",
                                        "bolt://neo4j:pass@h",
                                        "bolt://h/movies",
                                        "bolt://h?policy=eu",
                                        "neo4j://h?policy",
                                        "neo4j://h?=eu",
                                        "neo4j://h?a=",
                                        "neo4j://h?a=1&a=2",
                                        "neo4j://h?a=1&%61=2",
                                        "neo4j://h?a=%4",
                                        "neo4j://h?a=%00",
                                        "neo4j://h?a=%ff",
                                        "neo4j://h?a=1&&b=2",
                                        "neo4j://h?address=x" };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(uris); i++) {
        struct nb_error err = NB_ERROR_INIT;
        struct bolt_target t;

        if (bolt_target_parse(uris[i], &t, &err))
            fail_msg("'%s' was taken", uris[i]);
        assert_int_equal(err.code, NB_E_INVALID);
        assert_non_null(strstr(err.text, "NEO4J_URI"));
        assert_null(strstr(err.text, "pass@"));
    }
}

static void context_is_sent_with_the_address_of_the_uri(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(4096), expected = NB_BUF_INIT(4096);
    struct ps_encoder e = PS_ENCODER_INIT(&out);
    struct nb_error err = NB_ERROR_INIT;
    struct bolt_target t;

    (void)state;
    assert_true(bolt_target_parse("neo4j+s://[::1]?policy=e%75&region=a%26b%3Dc", &t, &err));
    (void)snprintf(t.at.host, sizeof(t.at.host), "another");
    bolt_put_context(&e, &t);
    fake_bolt_pack(&expected, "{'address':'[::1]:7687','policy':'eu','region':'a&b=c'}");
    assert_int_equal(out.len, expected.len);
    assert_memory_equal(out.data, expected.data, out.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scheme_decides_on_tls_and_routing),
        cmocka_unit_test(port_address_and_context_are_taken),
        cmocka_unit_test(context_is_sent_with_the_address_of_the_uri),
        cmocka_unit_test(uri_that_leads_nowhere_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
