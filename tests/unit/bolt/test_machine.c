#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bolt/machine.h"
#include "tests/fakes/fake_bolt.h"

struct fixture {
    struct bolt_machine m;
    struct nb_arena *arena;
    struct nb_buf bytes;
    struct bolt_event ev;
    struct nb_error err;
};

static int setup(void **state)
{
    struct fixture *f = NB_NEW(struct fixture);

    f->arena = nb_arena_new(1 << 20);
    nb_buf_init(&f->bytes, 1 << 20);
    bolt_machine_init(&f->m, (struct bolt_version){ 5, 4 });
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    nb_arena_free(f->arena);
    nb_buf_done(&f->bytes);
    free(f);
    return 0;
}

static bool send(struct fixture *f, enum bolt_request r)
{
    nb_error_clear(&f->err);
    return bolt_machine_send(&f->m, r, &f->err);
}

static struct nb_str message(struct fixture *f, unsigned tag, const char *json)
{
    struct ps_encoder e = PS_ENCODER_INIT(&f->bytes);

    nb_buf_clear(&f->bytes);
    ps_put_struct(&e, (uint8_t)tag, json ? 1 : 0);
    if (json)
        fake_bolt_pack(&f->bytes, json);
    return nb_buf_str(&f->bytes);
}

static bool receive(struct fixture *f, unsigned tag, const char *json)
{
    nb_error_clear(&f->err);
    nb_arena_reset(f->arena);
    return bolt_machine_receive(&f->m, message(f, tag, json), f->arena, &f->ev, &f->err);
}

static void ready(struct fixture *f)
{
    assert_true(send(f, BOLT_HELLO) && send(f, BOLT_LOGON));
    assert_true(receive(f, BOLT_SUCCESS, "{}"));
    assert_int_equal(f->m.state, BOLT_STATE_AUTHENTICATION);
    assert_true(receive(f, BOLT_SUCCESS, "{}"));
    assert_int_equal(f->m.state, BOLT_STATE_READY);
}

static void broken(struct fixture *f, unsigned tag, const char *json)
{
    assert_false(receive(f, tag, json));
    assert_int_equal(f->err.code, NB_E_PROTOCOL);
    assert_int_equal(f->m.state, BOLT_STATE_DEFUNCT);
}

static void session_goes_through_its_states(void **state)
{
    struct fixture *f = *state;

    ready(f);
    assert_true(send(f, BOLT_RUN) && send(f, BOLT_PULL));
    assert_true(receive(f, BOLT_SUCCESS, "{'fields':['x']}"));
    assert_int_equal(f->m.state, BOLT_STATE_STREAMING);
    assert_true(receive(f, BOLT_RECORD, "[1]"));
    assert_int_equal(f->ev.kind, BOLT_RECORD);
    assert_true(receive(f, BOLT_SUCCESS, "{'has_more':true}"));
    assert_true(f->ev.has_more);
    assert_int_equal(f->m.state, BOLT_STATE_STREAMING);
    assert_true(send(f, BOLT_DISCARD));
    assert_true(receive(f, BOLT_SUCCESS, "{'has_more':false}"));
    assert_int_equal(f->m.state, BOLT_STATE_READY);
    assert_true(send(f, BOLT_BEGIN) && receive(f, BOLT_SUCCESS, "{}"));
    assert_int_equal(f->m.state, BOLT_STATE_TX_READY);
    assert_true(send(f, BOLT_RUN) && send(f, BOLT_PULL));
    assert_true(receive(f, BOLT_SUCCESS, "{}"));
    assert_int_equal(f->m.state, BOLT_STATE_TX_STREAMING);
    assert_true(receive(f, BOLT_SUCCESS, "{}"));
    assert_int_equal(f->m.state, BOLT_STATE_TX_READY);
    assert_true(send(f, BOLT_COMMIT) && receive(f, BOLT_SUCCESS, "{}"));
    assert_int_equal(f->m.state, BOLT_STATE_READY);
    assert_true(send(f, BOLT_BEGIN) && receive(f, BOLT_SUCCESS, "{}"));
    assert_true(send(f, BOLT_ROLLBACK) && receive(f, BOLT_SUCCESS, "{}"));
    assert_int_equal(f->m.state, BOLT_STATE_READY);
    assert_true(send(f, BOLT_GOODBYE));
    assert_int_equal(f->m.state, BOLT_STATE_DEFUNCT);
}

static void before_5_1_hello_is_enough(void **state)
{
    struct fixture *f = *state;

    bolt_machine_init(&f->m, (struct bolt_version){ 5, 0 });
    assert_true(send(f, BOLT_HELLO) && receive(f, BOLT_SUCCESS, "{}"));
    assert_int_equal(f->m.state, BOLT_STATE_READY);
    assert_false(send(f, BOLT_LOGON));
}

static void request_out_of_turn_is_refused(void **state)
{
    struct fixture *f = *state;
    static const enum bolt_request early[] = { BOLT_RUN,    BOLT_PULL,  BOLT_BEGIN,
                                               BOLT_COMMIT, BOLT_RESET, BOLT_LOGON };

    for (size_t i = 0; i < NB_ARRAY_LEN(early); i++)
        assert_false(send(f, early[i]));
    assert_int_equal(f->err.code, NB_E_INVALID);
    ready(f);
    assert_false(send(f, BOLT_HELLO));
    assert_false(send(f, BOLT_PULL));
    assert_false(send(f, BOLT_COMMIT));
    assert_false(send(f, BOLT_ROLLBACK));
    assert_true(send(f, BOLT_RUN));
    assert_false(send(f, BOLT_RUN)); /* results one after the other */
    assert_false(send(f, BOLT_BEGIN));
    assert_true(send(f, BOLT_PULL));
    assert_true(send(f, BOLT_BEGIN)); /* behind the end of the stream */
}

static void requests_under_way_are_bounded(void **state)
{
    struct fixture *f = *state;

    ready(f);
    for (int i = 0; i < BOLT_PENDING_MAX; i++)
        assert_true(send(f, BOLT_RESET));
    assert_false(send(f, BOLT_RESET));
    assert_int_equal(f->err.code, NB_E_LIMIT);
}

static void after_failure_all_is_ignored_until_reset(void **state)
{
    struct fixture *f = *state;

    ready(f);
    assert_true(send(f, BOLT_RUN) && send(f, BOLT_PULL));
    assert_true(receive(f, BOLT_FAILURE, "{'code':'x','message':'y'}"));
    assert_int_equal(f->m.state, BOLT_STATE_FAILED);
    assert_true(receive(f, BOLT_IGNORED, NULL));
    assert_int_equal(f->ev.request, BOLT_PULL);
    assert_false(send(f, BOLT_RUN));
    assert_true(send(f, BOLT_RESET) && send(f, BOLT_RUN));
    assert_true(receive(f, BOLT_SUCCESS, "{}"));
    assert_int_equal(f->m.state, BOLT_STATE_READY);
    assert_false(f->m.tx_lost);
}

static void failure_in_transaction_loses_it_until_reset(void **state)
{
    struct fixture *f = *state;

    ready(f);
    assert_true(send(f, BOLT_BEGIN) && receive(f, BOLT_SUCCESS, "{}"));
    assert_true(send(f, BOLT_RUN) && receive(f, BOLT_FAILURE, "{}"));
    assert_true(f->m.tx_lost);
    assert_true(send(f, BOLT_RESET) && receive(f, BOLT_SUCCESS, "{}"));
    assert_false(f->m.tx_lost);
}

static void failure_of_hello_logon_or_reset_ends_the_session(void **state)
{
    struct fixture *f = *state;

    assert_true(send(f, BOLT_HELLO) && receive(f, BOLT_FAILURE, "{}"));
    assert_int_equal(f->m.state, BOLT_STATE_DEFUNCT);
    assert_false(send(f, BOLT_RESET));
    bolt_machine_init(&f->m, (struct bolt_version){ 5, 4 });
    assert_true(send(f, BOLT_HELLO) && send(f, BOLT_LOGON));
    assert_true(receive(f, BOLT_SUCCESS, "{}") && receive(f, BOLT_FAILURE, "{}"));
    assert_int_equal(f->m.state, BOLT_STATE_DEFUNCT);
    bolt_machine_init(&f->m, (struct bolt_version){ 5, 4 });
    ready(f);
    assert_true(send(f, BOLT_RESET) && receive(f, BOLT_FAILURE, "{}"));
    assert_int_equal(f->m.state, BOLT_STATE_DEFUNCT);
}

static void stream_that_is_reset_may_end_any_way(void **state)
{
    struct fixture *f = *state;

    for (int how = 0; how < 3; how++) {
        bolt_machine_init(&f->m, (struct bolt_version){ 5, 4 });
        ready(f);
        assert_true(send(f, BOLT_RUN) && send(f, BOLT_PULL));
        assert_true(receive(f, BOLT_SUCCESS, "{}"));
        assert_true(send(f, BOLT_RESET));
        assert_true(receive(f, BOLT_RECORD, "[1]"));
        assert_true(how == 0   ? receive(f, BOLT_SUCCESS, "{'has_more':true}")
                    : how == 1 ? receive(f, BOLT_IGNORED, NULL)
                               : receive(f, BOLT_FAILURE, "{}"));
        assert_true(receive(f, BOLT_SUCCESS, "{}"));
        assert_int_equal(f->m.state, BOLT_STATE_READY);
    }
}

static void answer_out_of_turn_breaks_the_protocol(void **state)
{
    struct fixture *f = *state;
    static const struct {
        unsigned tag;
        const char *json;
    } cases[] = {
        { BOLT_RECORD, "[1]" },     { BOLT_IGNORED, NULL }, { 0x72, "{}" },
        { BOLT_SUCCESS, NULL },     { BOLT_SUCCESS, "[]" }, { BOLT_RECORD, NULL },
        { BOLT_FAILURE, "'text'" },
    };

    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        bolt_machine_init(&f->m, (struct bolt_version){ 5, 4 });
        ready(f);
        assert_true(send(f, BOLT_RUN));
        broken(f, cases[i].tag, cases[i].json);
    }
    bolt_machine_init(&f->m, (struct bolt_version){ 5, 4 });
    ready(f);
    broken(f, BOLT_SUCCESS, "{}"); /* nothing was asked */
    bolt_machine_init(&f->m, (struct bolt_version){ 5, 4 });
    ready(f);
    assert_true(send(f, BOLT_RUN) && send(f, BOLT_PULL) && receive(f, BOLT_FAILURE, "{}"));
    broken(f, BOLT_SUCCESS, "{}"); /* all must be ignored now */
    bolt_machine_init(&f->m, (struct bolt_version){ 5, 4 });
    ready(f);
    assert_true(send(f, BOLT_RUN) && send(f, BOLT_PULL) && receive(f, BOLT_FAILURE, "{}"));
    broken(f, BOLT_FAILURE, "{}");
    bolt_machine_init(&f->m, (struct bolt_version){ 5, 4 });
    ready(f);
    assert_true(send(f, BOLT_RESET));
    broken(f, BOLT_IGNORED, NULL);
}

static void bytes_that_are_no_message_break_the_protocol(void **state)
{
    struct fixture *f = *state;
    static const struct nb_str cases[] = { { "\x01", 1 },           { "\xB1", 1 },
                                           { "\xB1\x70", 2 },       { "\x91\x70", 2 },
                                           { "\xB1\x70\xA0\0", 4 }, { "", 0 } };

    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        bolt_machine_init(&f->m, (struct bolt_version){ 5, 4 });
        assert_true(send(f, BOLT_HELLO));
        assert_false(bolt_machine_receive(&f->m, cases[i], f->arena, &f->ev, &f->err));
        assert_int_equal(f->err.code, NB_E_PROTOCOL);
        assert_int_equal(f->m.state, BOLT_STATE_DEFUNCT);
    }
}

static void pull_ahead_is_for_a_batch_with_more_behind_it(void **state)
{
    struct fixture *f = *state;

    ready(f);
    assert_true(send(f, BOLT_RUN) && send(f, BOLT_PULL));
    assert_false(bolt_machine_may_pull_ahead(&f->m, message(f, BOLT_SUCCESS, "{'has_more':true}"),
                                             f->arena)); /* that is RUN's */
    assert_true(receive(f, BOLT_SUCCESS, "{}"));
    assert_false(bolt_machine_may_pull_ahead(&f->m, message(f, BOLT_SUCCESS, "{}"), f->arena));
    assert_false(bolt_machine_may_pull_ahead(&f->m, message(f, BOLT_RECORD, "[1]"), f->arena));
    assert_false(bolt_machine_may_pull_ahead(&f->m, message(f, BOLT_SUCCESS, "[1]"), f->arena));
    assert_true(bolt_machine_may_pull_ahead(&f->m, message(f, BOLT_SUCCESS, "{'has_more':true}"),
                                            f->arena));
    assert_true(send(f, BOLT_PULL)); /* ahead */
    assert_false(bolt_machine_may_pull_ahead(&f->m, message(f, BOLT_SUCCESS, "{'has_more':true}"),
                                             f->arena));
    assert_true(receive(f, BOLT_RECORD, "[1]"));
    assert_true(receive(f, BOLT_SUCCESS, "{'has_more':true}"));
    assert_true(receive(f, BOLT_SUCCESS, "{}"));
    assert_int_equal(f->m.state, BOLT_STATE_READY);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(session_goes_through_its_states),
        T(before_5_1_hello_is_enough),
        T(request_out_of_turn_is_refused),
        T(requests_under_way_are_bounded),
        T(after_failure_all_is_ignored_until_reset),
        T(failure_in_transaction_loses_it_until_reset),
        T(failure_of_hello_logon_or_reset_ends_the_session),
        T(stream_that_is_reset_may_end_any_way),
        T(answer_out_of_turn_breaks_the_protocol),
        T(bytes_that_are_no_message_break_the_protocol),
        T(pull_ahead_is_for_a_batch_with_more_behind_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
