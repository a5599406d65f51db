#include "engine/progress.h"

#include "tests/unit/cmocka.h"

static struct eng_progress reading(struct eng_meter *m)
{
    struct eng_progress p;

    eng_meter_read(m, &p);
    return p;
}

static void percent_follows_the_count_store_and_the_stage(void **state)
{
    struct eng_meter m = { .stage = ENG_EXPORTING_NODES };

    (void)state;
    assert_int_equal(reading(&m).percent, 0); /* totals are not known yet */
    m.total_nodes = 100;
    m.total_rels = 300;
    m.nodes = 100;
    assert_int_equal(reading(&m).percent, 23);
    m.rels = 400; /* more than the count store said */
    assert_int_equal(reading(&m).percent, 92);
    eng_meter_stage(&m, ENG_UPLOADING);
    assert_int_equal(reading(&m).percent, 95);
    eng_meter_stage(&m, ENG_PRUNING);
    assert_int_equal(reading(&m).percent, 100);
    assert_int_equal(reading(&m).total_nodes, 100);
    assert_int_equal(reading(&m).eta_seconds, -1);
}

static void waiting_is_the_stage_until_more_is_done(void **state)
{
    struct eng_meter m = { .stage = ENG_EXPORTING_NODES, .waiting = ENG_WAITING_FOR_NEO4J };

    (void)state;
    assert_int_equal(reading(&m).stage, ENG_WAITING_FOR_NEO4J);
    eng_meter_stage(&m, ENG_EXPORTING_RELATIONSHIPS);
    assert_int_equal(reading(&m).stage, ENG_EXPORTING_RELATIONSHIPS);
}

static struct eng_progress at(struct eng_rate *r, struct eng_meter *m, int64_t now_ms,
                              uint64_t nodes)
{
    struct eng_progress p;

    m->nodes = nodes;
    eng_meter_read(m, &p);
    eng_rate_update(r, now_ms, &p);
    return p;
}

static void rate_and_time_left_come_from_two_readings(void **state)
{
    struct eng_meter m = { .stage = ENG_EXPORTING_NODES, .total_nodes = 10000 };
    struct eng_rate r = { 0 };
    struct eng_progress p;

    (void)state;
    p = at(&r, &m, 1000, 0);
    assert_int_equal(p.rows_per_second, 0);
    assert_int_equal(p.eta_seconds, -1);
    p = at(&r, &m, 3000, 2000);
    assert_int_equal(p.rows_per_second, 1000);
    assert_int_equal(p.eta_seconds, 8);
    p = at(&r, &m, 3000, 2000); /* no time passed */
    assert_int_equal(p.eta_seconds, -1);
    p = at(&r, &m, 5000, 2000); /* a pause: slower, not at once nothing */
    assert_in_range(p.rows_per_second, 600, 700);
    p = at(&r, &m, 7000, 12000); /* more than was counted */
    assert_int_equal(p.eta_seconds, 0);
}

static void rate_begins_anew_with_the_export(void **state)
{
    struct eng_meter m = { .stage = ENG_EXPORTING_NODES, .total_nodes = 10000 };
    struct eng_rate r = { 0 };

    (void)state;
    at(&r, &m, 0, 0);
    at(&r, &m, 1000, 9000);
    assert_int_equal(at(&r, &m, 2000, 10).rows_per_second, 0);
    assert_int_equal(at(&r, &m, 3000, 110).rows_per_second, 100);
    eng_meter_stage(&m, ENG_CLOSING_GRAPH); /* rows say nothing about the rest */
    assert_int_equal(at(&r, &m, 4000, 110).eta_seconds, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percent_follows_the_count_store_and_the_stage),
        cmocka_unit_test(waiting_is_the_stage_until_more_is_done),
        cmocka_unit_test(rate_and_time_left_come_from_two_readings),
        cmocka_unit_test(rate_begins_anew_with_the_export),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
