#include "controller/runtime/leader.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http.h"
#include "tests/fakes/fake_kube.h"
#include "tests/unit/cmocka.h"

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/sys/leases"

struct fixture {
    struct fake_kube *kube;
    struct kube_auth *auth;
    struct ctl_leader *a, *b;
};

static int setup(void **state)
{
    struct fixture *f = NB_NEW(struct fixture);

    f->kube = fake_kube_new();
    f->auth = fake_kube_auth(f->kube);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ctl_leader_stop(f->a);
    ctl_leader_stop(f->b);
    kube_auth_free(f->auth);
    fake_kube_free(f->kube);
    free(f);
    return 0;
}

/* Times a hundred times shorter than in life. */
static struct ctl_leader *start(struct fixture *f, const char *identity)
{
    struct ctl_leader_opts opts = { .auth = f->auth,
                                    .ns = "sys",
                                    .name = "lock",
                                    .identity = identity,
                                    .lease_ms = 1000,
                                    .renew_deadline_ms = 400,
                                    .retry_ms = 20 };
    struct ctl_leader *l;
    struct nb_error err = NB_ERROR_INIT;

    assert_true(ctl_leader_start(&opts, &l, &err));
    return l;
}

static bool leads(struct ctl_leader *l)
{
    struct nb_error err = NB_ERROR_INIT;

    return ctl_leader_check(l, &err);
}

static char *holder(struct fixture *f)
{
    nb_auto(nb_free) char *text = fake_kube_get(f->kube, LEASES, "lock");
    nb_auto(nb_json_free) struct nb_json *json = NULL;
    struct nb_error err = NB_ERROR_INIT;

    if (!text || !nb_json_parse(text, strlen(text), 65536, &json, &err))
        return nb_xstrdup("-");
    return nb_xstrdup(nb_json_str(nb_json_at(json, "spec.holderIdentity"), ""));
}

static void one_leads_until_it_gives_the_lease_back(void **state)
{
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;
    struct nb_cancel *term;
    nb_auto(nb_free) char *who = NULL;
    int64_t before;

    f->a = start(f, "a");
    assert_true(ctl_leader_wait(f->a, NULL, &term, &err));
    assert_true(leads(f->a));
    who = holder(f);
    assert_string_equal(who, "a");
    f->b = start(f, "b");
    while (fake_kube_requests(f->kube, "PATCH") < 5)
        assert_true(fake_kube_wait(f->kube, 10000));
    assert_false(leads(f->b));
    assert_false(nb_cancel_is_set(term));
    before = nb_clock_mono_ms();
    ctl_leader_stop(nb_steal(f->a));
    assert_true(ctl_leader_wait(f->b, NULL, &term, &err));
    assert_true(nb_clock_mono_ms() - before < 900); /* not by expiry */
}

static void renewals_lost_end_the_term_before_the_lease(void **state)
{
    const struct fake_kube_fault down = { .method = "PATCH", .times = 1000000, .status = 503 };
    const struct fake_kube_fault down2 = { .method = "GET", .times = 1000000, .status = 503 };
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;
    struct nb_cancel *term;
    int64_t before;

    f->a = start(f, "a");
    assert_true(ctl_leader_wait(f->a, NULL, &term, &err));
    fake_kube_fail(f->kube, &down);
    fake_kube_fail(f->kube, &down2);
    before = nb_clock_mono_ms();
    assert_true(nb_cancel_poll(NULL, nb_cancel_fd(term), 1, 5000, &err));
    assert_true(nb_clock_mono_ms() - before < 900);
    assert_false(leads(f->a));
}

static void lease_taken_by_another_ends_the_term(void **state)
{
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;
    struct nb_cancel *term, *again;

    f->a = start(f, "a");
    assert_true(ctl_leader_wait(f->a, NULL, &term, &err));
    fake_kube_put(f->kube, LEASES,
                  "{\"metadata\":{\"name\":\"lock\"},\"spec\":{\"holderIdentity\":\"thief\","
                  "\"leaseDurationSeconds\":1}}");
    assert_true(nb_cancel_poll(NULL, nb_cancel_fd(term), 1, 5000, &err));
    assert_false(leads(f->a));
    /* The thief never renews: it is waited out. */
    assert_true(ctl_leader_wait(f->a, NULL, &again, &err));
    assert_true(leads(f->a));
}

static void lost_answer_of_a_renewal_does_not_end_the_term(void **state)
{
    const struct fake_kube_fault lost = {
        .method = "PATCH", .skip = 1, .times = 2, .status = 0, .apply = true
    };
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;
    struct nb_cancel *term;

    fake_kube_fail(f->kube, &lost);
    f->a = start(f, "a");
    assert_true(ctl_leader_wait(f->a, NULL, &term, &err));
    while (fake_kube_requests(f->kube, "PATCH") < 8)
        assert_true(fake_kube_wait(f->kube, 10000));
    assert_true(leads(f->a));
    assert_false(nb_cancel_is_set(term));
}

static void waiting_can_be_cancelled(void **state)
{
    nb_auto(nb_cancel_free) struct nb_cancel *cancel = nb_cancel_new();
    const struct fake_kube_fault down = { .times = 1000000, .status = 503 };
    struct fixture *f = *state;
    struct nb_error err = NB_ERROR_INIT;
    struct nb_cancel *term;

    fake_kube_fail(f->kube, &down);
    f->a = start(f, "a");
    nb_cancel_set(cancel);
    assert_false(ctl_leader_wait(f->a, cancel, &term, &err));
    assert_int_equal(err.code, NB_E_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_leads_until_it_gives_the_lease_back, setup, teardown),
        cmocka_unit_test_setup_teardown(renewals_lost_end_the_term_before_the_lease, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(lease_taken_by_another_ends_the_term, setup, teardown),
        cmocka_unit_test_setup_teardown(lost_answer_of_a_renewal_does_not_end_the_term, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(waiting_can_be_cancelled, setup, teardown),
    };

    http_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
