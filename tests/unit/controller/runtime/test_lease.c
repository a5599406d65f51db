#include "controller/runtime/lease.h"

#include <string.h>

#include "tests/unit/cmocka.h"

static enum ctl_lease_step see(struct ctl_lease *l, const char *text, int64_t now)
{
    nb_auto(nb_json_free) struct nb_json *json = NULL;
    struct nb_error err = NB_ERROR_INIT;

    assert_true(nb_json_parse(text, strlen(text), 65536, &json, &err));
    return ctl_lease_observe(l, json, now);
}

#define LEASE(holder, renew, seconds, transitions)                                                 \
    "{\"metadata\":{\"resourceVersion\":\"5\"},\"spec\":{\"holderIdentity\":\"" holder             \
    "\",\"renewTime\":\"" renew "\",\"leaseDurationSeconds\":" seconds                             \
    ",\"leaseTransitions\":" transitions "}}"

static void absent_or_free_lease_is_taken(void **state)
{
    struct ctl_lease l;

    (void)state;
    ctl_lease_init(&l, "me", 15000);
    assert_int_equal(ctl_lease_observe(&l, NULL, 0), CTL_LEASE_CREATE);
    assert_int_equal(see(&l, LEASE("", "x", "1", "3"), 0), CTL_LEASE_ACQUIRE);
    assert_int_equal(see(&l, LEASE("me", "x", "15", "3"), 0), CTL_LEASE_RENEW);
}

/* Its renewTime may say what it likes: only that it changed counts, and when we saw it. */
static void holder_is_gone_when_nothing_changed_for_its_duration(void **state)
{
    struct ctl_lease l;

    (void)state;
    ctl_lease_init(&l, "me", 15000);
    assert_int_equal(see(&l, LEASE("she", "1999", "15", "3"), 1000), CTL_LEASE_WAIT);
    assert_int_equal(see(&l, LEASE("she", "1999", "15", "3"), 15999), CTL_LEASE_WAIT);
    assert_int_equal(see(&l, LEASE("she", "2999", "15", "3"), 15999), CTL_LEASE_WAIT);
    assert_int_equal(see(&l, LEASE("she", "2999", "15", "3"), 30998), CTL_LEASE_WAIT);
    assert_int_equal(see(&l, LEASE("she", "2999", "15", "3"), 30999), CTL_LEASE_ACQUIRE);
}

static void senseless_duration_is_replaced_by_ours(void **state)
{
    struct ctl_lease l;

    (void)state;
    ctl_lease_init(&l, "me", 15000);
    assert_int_equal(see(&l, LEASE("she", "1", "0", "3"), 0), CTL_LEASE_WAIT);
    assert_int_equal(see(&l, LEASE("she", "1", "0", "3"), 14999), CTL_LEASE_WAIT);
    assert_int_equal(see(&l, LEASE("she", "1", "0", "3"), 15000), CTL_LEASE_ACQUIRE);
}

static void bodies_are_as_the_api_wants_them(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(4096);
    struct ctl_lease l;

    (void)state;
    ctl_lease_init(&l, "me", 15000);
    ctl_lease_write_create(&l, "ns", "lock", 1000, &out);
    assert_string_equal(
        nb_buf_cstr(&out),
        "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":"
        "\"lock\",\"namespace\":\"ns\"},\"spec\":{\"holderIdentity\":\"me\","
        "\"leaseDurationSeconds\":15,\"leaseTransitions\":0,"
        "\"acquireTime\":\"1970-01-01T00:00:01.000000Z\","
        "\"renewTime\":\"1970-01-01T00:00:01.000000Z\"}}");
    assert_int_equal(see(&l, LEASE("", "x", "1", "3"), 0), CTL_LEASE_ACQUIRE);
    nb_buf_clear(&out);
    ctl_lease_write_patch(&l, CTL_LEASE_ACQUIRE, 1234, &out);
    assert_non_null(strstr(nb_buf_cstr(&out), "\"resourceVersion\":\"5\""));
    assert_non_null(strstr(nb_buf_cstr(&out), "\"leaseTransitions\":4"));
    assert_non_null(strstr(nb_buf_cstr(&out), "\"renewTime\":\"1970-01-01T00:00:01.234000Z\""));
    nb_buf_clear(&out);
    ctl_lease_write_patch(&l, CTL_LEASE_RENEW, 1234, &out);
    assert_non_null(strstr(nb_buf_cstr(&out), "\"leaseTransitions\":3"));
    assert_null(strstr(nb_buf_cstr(&out), "acquireTime"));
    nb_buf_clear(&out);
    ctl_lease_write_release(&l, 1234, &out);
    assert_non_null(strstr(nb_buf_cstr(&out), "\"holderIdentity\":\"\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_or_free_lease_is_taken),
        cmocka_unit_test(holder_is_gone_when_nothing_changed_for_its_duration),
        cmocka_unit_test(senseless_duration_is_replaced_by_ours),
        cmocka_unit_test(bodies_are_as_the_api_wants_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
