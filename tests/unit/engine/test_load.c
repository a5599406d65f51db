#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "engine/load.h"
#include "tests/fakes/fake_bolt.h"

/* Units against a scripted server: what is run again, what is not, and what is never done twice. */

#define HELLO                                                                                      \
    FAKE_EXPECT(BOLT_HELLO), FAKE_EXPECT(BOLT_LOGON),                                              \
        FAKE_SUCCESS("{'server':'Neo4j/5.26.0','connection_id':'bolt-1','hints':{}}"),             \
        FAKE_SUCCESS("{}")
#define RUN_PULL    FAKE_EXPECT(BOLT_RUN), FAKE_EXPECT(BOLT_PULL)
#define RUN_DISCARD FAKE_EXPECT(BOLT_RUN), FAKE_EXPECT(BOLT_DISCARD)
#define BEGIN       FAKE_EXPECT(BOLT_BEGIN), FAKE_SUCCESS("{}")
#define COMMIT      FAKE_EXPECT(BOLT_COMMIT), FAKE_SUCCESS("{'bookmark':'b'}")
/* The connection's own node. */
#define MAKE_MARK                                                                                  \
    RUN_PULL, FAKE_SUCCESS("{'fields':['i']}"), FAKE_RECORD("[100]"), FAKE_SUCCESS("{}")
#define SET_MARK                                                                                   \
    RUN_DISCARD, FAKE_SUCCESS("{'fields':[]}"), FAKE_SUCCESS("{'stats':{'properties-set':1}}")
#define ASK_MARK(answer)                                                                           \
    BEGIN, SET_MARK, FAKE_EXPECT(BOLT_ROLLBACK), FAKE_SUCCESS("{}"), RUN_PULL,                     \
        FAKE_SUCCESS("{'fields':['s']}"), FAKE_RECORD(answer), FAKE_SUCCESS("{}")
/* One node: number 7 of the dump becomes 55. */
#define NODE_ROWS                                                                                  \
    RUN_PULL, FAKE_SUCCESS("{'fields':['o','i']}"), FAKE_RECORD("[7,55]"),                         \
        FAKE_SUCCESS("{'stats':{'nodes-created':1}}")
#define NODE_ROWS_8                                                                                \
    RUN_PULL, FAKE_SUCCESS("{'fields':['o','i']}"), FAKE_RECORD("[8,56]"),                         \
        FAKE_SUCCESS("{'stats':{'nodes-created':1}}")
#define BOTH_ROWS                                                                                  \
    RUN_PULL, FAKE_SUCCESS("{'fields':['o','i']}"), FAKE_RECORD("[7,55]"), FAKE_RECORD("[8,56]"),  \
        FAKE_SUCCESS("{'stats':{'nodes-created':2}}")
#define TOO_LARGE_FAILURE                                                                          \
    FAKE_FAILURE("{'code':'Neo.TransientError.General.MemoryPoolOutOfMemoryError','message':'m'}")
/* ... of the rows of a unit; what follows is a BEGIN on the same connection. */
#define ROWS_TOO_LARGE                                                                             \
    RUN_PULL, FAKE_SUCCESS("{'fields':['o','i']}"), TOO_LARGE_FAILURE, FAKE_EXPECT(BOLT_RESET)
#define BEGIN_AFTER_RESET FAKE_EXPECT(BOLT_BEGIN), FAKE_SUCCESS("{}"), FAKE_SUCCESS("{}")
#define BYE               FAKE_EXPECT(BOLT_GOODBYE), FAKE_END

struct bench {
    struct fake_bolt_opts fake_opts;
    struct fake_bolt *fake;
    struct eng_meter meter;
    struct eng_load *load;
    struct nb_error err;
};

static void open_bench(struct bench *b, const struct fake_bolt_step *steps, int64_t window_ms)
{
    struct eng_load_opts opts = { .connections = 1, .stamp = "5ca1ab1e", .meter = &b->meter };

    memset(b, 0, sizeof(*b));
    b->err = (struct nb_error)NB_ERROR_INIT;
    b->fake_opts = (struct fake_bolt_opts){ .steps = steps, .version = { 5, 4 } };
    b->fake = fake_bolt_start(&b->fake_opts);
    opts.dest.bolt = (struct bolt_conn_opts)BOLT_CONN_OPTS_INIT;
    opts.dest.bolt.uri = fake_bolt_uri(b->fake);
    opts.dest.bolt.connect_timeout_ms = opts.dest.bolt.read_timeout_ms = 10000;
    opts.dest.retry_window_ms = window_ms;
    if (!eng_load_open(&opts, &b->load, &b->err))
        fail_msg("%s", b->err.text);
}

static void close_bench(struct bench *b)
{
    eng_load_free(b->load);
    assert_null(fake_bolt_wait(b->fake));
    fake_bolt_free(b->fake);
}

static void add_node(struct bench *b, int64_t number)
{
    struct nb_str labels[] = { NB_STR("A") };
    struct cyp_node_row row = { .id = number, .labels = labels, .nlabels = 1 };

    assert_true(eng_load_node(b->load, &row, &b->err));
}

static void finish_with_one_node(struct bench *b)
{
    struct eng_load_counts counts;

    add_node(b, 7);
    if (!eng_load_finish(b->load, &b->err))
        fail_msg("%s", b->err.text);
    eng_load_counts(b->load, &counts);
    assert_int_equal(counts.nodes, 1);
    assert_int_equal(counts.units, 1);
}

static void unit_is_one_transaction_with_its_number(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO,    MAKE_MARK, BEGIN, NODE_ROWS,
                                                   SET_MARK, COMMIT,    BYE };
    struct bench b;

    (void)state;
    open_bench(&b, steps, 0);
    finish_with_one_node(&b);
    close_bench(&b);
}

static void lost_commit_that_is_in_is_not_run_again(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO,      MAKE_MARK, BEGIN,
                                                   NODE_ROWS,  SET_MARK,  FAKE_EXPECT(BOLT_COMMIT),
                                                   FAKE_AGAIN, HELLO,     ASK_MARK("[1]"),
                                                   BYE };
    struct bench b;

    (void)state;
    open_bench(&b, steps, 10000);
    finish_with_one_node(&b);
    close_bench(&b);
}

static void lost_commit_that_is_not_in_is_run_again(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO,      MAKE_MARK, BEGIN,
                                                   NODE_ROWS,  SET_MARK,  FAKE_EXPECT(BOLT_COMMIT),
                                                   FAKE_AGAIN, HELLO,     ASK_MARK("[0]"),
                                                   BEGIN,      NODE_ROWS, SET_MARK,
                                                   COMMIT,     BYE };
    struct eng_load_counts counts;
    struct bench b;

    (void)state;
    open_bench(&b, steps, 10000);
    finish_with_one_node(&b);
    eng_load_counts(b.load, &counts);
    assert_int_equal(counts.again, 1);
    close_bench(&b);
}

static void lost_commit_without_a_retry_window_ends_the_load(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO,      MAKE_MARK, BEGIN,
                                                   NODE_ROWS,  SET_MARK,  FAKE_EXPECT(BOLT_COMMIT),
                                                   FAKE_CLOSE, FAKE_END };
    struct bench b;

    (void)state;
    open_bench(&b, steps, 0);
    add_node(&b, 7);
    assert_false(eng_load_finish(b.load, &b.err));
    assert_string_equal(b.err.reason, "Neo4jConnectionFailed");
    close_bench(&b);
}

/* Wherever the target dies, the load ends with an error and hangs nowhere. */
static void target_that_dies_at_any_message_ends_the_load(void **state)
{
    static const struct fake_bolt_step whole[] = { HELLO,     MAKE_MARK, BEGIN,
                                                   NODE_ROWS, SET_MARK,  COMMIT };
    enum { STEPS = NB_ARRAY_LEN(whole), HELLO_STEPS = 4 };

    (void)state;
    for (size_t cut = HELLO_STEPS; cut < STEPS; cut++) {
        struct fake_bolt_step steps[STEPS + 2];
        struct bench b;

        memcpy(steps, whole, cut * sizeof(steps[0]));
        steps[cut] = (struct fake_bolt_step)FAKE_CLOSE;
        steps[cut + 1] = (struct fake_bolt_step)FAKE_END;
        open_bench(&b, steps, 0);
        add_node(&b, 7);
        if (eng_load_finish(b.load, &b.err))
            fail_msg("cut before step %zu: the load ended well", cut);
        if (!nb_error_is_transient(&b.err))
            fail_msg("cut before step %zu: %s [%s]", cut, b.err.text, b.err.reason);
        close_bench(&b);
    }
}

static void connection_lost_before_commit_is_run_again(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO,      MAKE_MARK, BEGIN, RUN_PULL,
                                                   FAKE_AGAIN, HELLO,     BEGIN, NODE_ROWS,
                                                   SET_MARK,   COMMIT,    BYE };
    struct bench b;

    (void)state;
    open_bench(&b, steps, 10000);
    finish_with_one_node(&b);
    close_bench(&b);
}

static void deadlock_is_run_again_without_a_retry_window(void **state)
{
    static const struct fake_bolt_step steps[] = {
        HELLO,
        MAKE_MARK,
        BEGIN,
        RUN_PULL,
        FAKE_SUCCESS("{'fields':['o','i']}"),
        FAKE_FAILURE("{'code':'Neo.TransientError.Transaction.DeadlockDetected','message':'m'}"),
        FAKE_EXPECT(BOLT_RESET),
        FAKE_EXPECT(BOLT_BEGIN),
        FAKE_SUCCESS("{}"),
        FAKE_SUCCESS("{}"),
        NODE_ROWS,
        SET_MARK,
        COMMIT,
        BYE
    };
    struct bench b;

    (void)state;
    open_bench(&b, steps, 0);
    finish_with_one_node(&b);
    close_bench(&b);
}

/* Whether the client has sent a message with this in it. */
static bool has_sent(struct bench *b, const char *text)
{
    (void)fake_bolt_wait(b->fake);
    for (size_t i = 0; i < fake_bolt_nrequests(b->fake); i++) {
        struct nb_str request = fake_bolt_request(b->fake, i);

        if (memmem(request.p, request.n, text, strlen(text)))
            return true;
    }
    return false;
}

static void finish_with_two_nodes(struct bench *b)
{
    struct eng_load_counts counts;

    add_node(b, 7);
    add_node(b, 8);
    if (!eng_load_finish(b->load, &b->err))
        fail_msg("%s", b->err.text);
    eng_load_counts(b->load, &counts);
    assert_int_equal(counts.nodes, 2);
    assert_int_equal(counts.units, 1);
    assert_int_equal(counts.again, 1);
}

/* Each half is a transaction with a number of its own. */
static void unit_that_is_too_large_is_halved(void **state)
{
    static const struct fake_bolt_step steps[] = {
        HELLO,     MAKE_MARK, BEGIN,  ROWS_TOO_LARGE, BEGIN_AFTER_RESET,
        NODE_ROWS, SET_MARK,  COMMIT, BEGIN,          NODE_ROWS_8,
        SET_MARK,  COMMIT,    BYE
    };
    struct cyp_rel_row row = { .start_id = 7, .end_id = 8, .type = NB_STR("T") };
    struct bench b;

    (void)state;
    open_bench(&b, steps, 0);
    finish_with_two_nodes(&b);
    /* Both are known by now. */
    assert_true(eng_load_rel(b.load, &row, &b.err));
    eng_load_free(nb_steal(b.load));
    assert_true(has_sent(&b, "5ca1ab1e"));
    assert_true(has_sent(&b, "\x81s\x02")); /* the second number */
    close_bench(&b);
}

static void commit_that_is_too_large_is_halved_when_it_is_not_in(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO,
                                                   MAKE_MARK,
                                                   BEGIN,
                                                   BOTH_ROWS,
                                                   SET_MARK,
                                                   FAKE_EXPECT(BOLT_COMMIT),
                                                   TOO_LARGE_FAILURE,
                                                   FAKE_EXPECT(BOLT_RESET),
                                                   BEGIN_AFTER_RESET,
                                                   SET_MARK,
                                                   FAKE_EXPECT(BOLT_ROLLBACK),
                                                   FAKE_SUCCESS("{}"),
                                                   RUN_PULL,
                                                   FAKE_SUCCESS("{'fields':['s']}"),
                                                   FAKE_RECORD("[0]"),
                                                   FAKE_SUCCESS("{}"),
                                                   BEGIN,
                                                   NODE_ROWS,
                                                   SET_MARK,
                                                   COMMIT,
                                                   BEGIN,
                                                   NODE_ROWS_8,
                                                   SET_MARK,
                                                   COMMIT,
                                                   BYE };
    struct bench b;

    (void)state;
    open_bench(&b, steps, 0);
    finish_with_two_nodes(&b);
    close_bench(&b);
}

#define ONE_ROW_AGAIN ROWS_TOO_LARGE, BEGIN_AFTER_RESET

static void row_that_is_too_large_ends_the_load_with_its_size(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO,
                                                   MAKE_MARK,
                                                   BEGIN,
                                                   ONE_ROW_AGAIN,
                                                   ONE_ROW_AGAIN,
                                                   ONE_ROW_AGAIN,
                                                   ONE_ROW_AGAIN,
                                                   ONE_ROW_AGAIN,
                                                   ONE_ROW_AGAIN,
                                                   RUN_PULL,
                                                   FAKE_SUCCESS("{'fields':['o','i']}"),
                                                   TOO_LARGE_FAILURE,
                                                   BYE };
    struct bench b;

    (void)state;
    open_bench(&b, steps, 0);
    add_node(&b, 7);
    assert_false(eng_load_drain(b.load, &b.err));
    assert_int_equal(b.err.code, NB_E_LIMIT);
    assert_non_null(strstr(b.err.text, "bytes alone does not fit"));
    assert_non_null(strstr(b.err.text, "db.memory.transaction.max"));
    close_bench(&b);
}

static void failure_that_is_not_transient_ends_the_load(void **state)
{
    static const struct fake_bolt_step steps[] = {
        HELLO,
        MAKE_MARK,
        BEGIN,
        RUN_PULL,
        FAKE_SUCCESS("{'fields':['o','i']}"),
        FAKE_FAILURE("{'code':'Neo.ClientError.Schema.ConstraintValidationFailed','message':'m'}"),
        BYE
    };
    struct bench b;

    (void)state;
    open_bench(&b, steps, 10000);
    add_node(&b, 7);
    assert_false(eng_load_drain(b.load, &b.err));
    assert_non_null(strstr(b.err.text, "ConstraintValidationFailed"));
    /* And every call after it says so. */
    assert_false(eng_load_drain(b.load, &b.err));
    close_bench(&b);
}

static void fewer_nodes_than_rows_is_not_committed(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO,
                                                   MAKE_MARK,
                                                   BEGIN,
                                                   RUN_PULL,
                                                   FAKE_SUCCESS("{'fields':['o','i']}"),
                                                   FAKE_SUCCESS("{'stats':{'nodes-created':0}}"),
                                                   BYE };
    struct bench b;

    (void)state;
    open_bench(&b, steps, 0);
    add_node(&b, 7);
    assert_false(eng_load_drain(b.load, &b.err));
    assert_string_equal(b.err.reason, "RestoreDisturbed");
    close_bench(&b);
}

static void relationship_of_an_unknown_node_is_refused(void **state)
{
    static const struct fake_bolt_step steps[] = { HELLO, BYE };
    struct cyp_rel_row row = { .start_id = 1, .end_id = 2, .type = NB_STR("T") };
    struct bench b;

    (void)state;
    open_bench(&b, steps, 0);
    assert_false(eng_load_rel(b.load, &row, &b.err));
    assert_string_equal(b.err.reason, "BadDump");
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unit_is_one_transaction_with_its_number),
        cmocka_unit_test(lost_commit_that_is_in_is_not_run_again),
        cmocka_unit_test(lost_commit_that_is_not_in_is_run_again),
        cmocka_unit_test(lost_commit_without_a_retry_window_ends_the_load),
        cmocka_unit_test(target_that_dies_at_any_message_ends_the_load),
        cmocka_unit_test(connection_lost_before_commit_is_run_again),
        cmocka_unit_test(deadlock_is_run_again_without_a_retry_window),
        cmocka_unit_test(unit_that_is_too_large_is_halved),
        cmocka_unit_test(commit_that_is_too_large_is_halved_when_it_is_not_in),
        cmocka_unit_test(row_that_is_too_large_ends_the_load_with_its_size),
        cmocka_unit_test(failure_that_is_not_transient_ends_the_load),
        cmocka_unit_test(fewer_nodes_than_rows_is_not_committed),
        cmocka_unit_test(relationship_of_an_unknown_node_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
