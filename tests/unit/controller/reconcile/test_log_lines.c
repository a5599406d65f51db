#include "controller/reconcile/log_lines.h"

#include <string.h>

#include "tests/unit/cmocka.h"

#define T1 "2025-10-08T02:00:00.000000001Z "
#define T2 "2025-10-08T02:00:00.000000002Z "
#define T3 "2025-10-08T02:00:01.500000000Z "

static void note(void *ctx, const char *line, size_t n)
{
    nb_buf_append(ctx, line, n);
    nb_buf_putc(ctx, '|');
}

static void feed(struct rec_log_position *p, const char *text, bool at_end, bool any,
                 const char *want)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(4096);

    assert_int_equal(rec_log_lines_feed(p, nb_str_from(text), at_end, note, &out), any);
    assert_string_equal(nb_buf_cstr(&out), want);
}

static void lines_read_twice_are_told_once(void **state)
{
    struct rec_log_position p = { 0 };

    (void)state;
    feed(&p, T1 "a\n" T1 "b\n" T2 "c\n", false, true, "a|b|c|");
    feed(&p, T1 "a\n" T1 "b\n" T2 "c\n", false, false, "");
    feed(&p, T1 "a\n" T1 "b\n" T2 "c\n" T2 "d\n", false, true, "d|");
    feed(&p, T2 "c\n" T2 "d\n" T2 "d\n" T3 "e\n", false, true, "d|e|");
    feed(&p, T3 "e\n" T3 "e\n", false, true, "e|");
}

static void unfinished_line_waits_until_the_end(void **state)
{
    struct rec_log_position p = { 0 };

    (void)state;
    feed(&p, T1 "a\n" T2 "hal", false, true, "a|");
    feed(&p, T1 "a\n" T2 "half", true, true, "half|");
    feed(&p, "", true, false, "");
}

static void lines_without_a_time_are_passed_over(void **state)
{
    struct rec_log_position p = { 0 };

    (void)state;
    feed(&p, "rpc error: no such container\n\n 2025\n" T1 "\n2025-10-08T02:00:00 x\n", true, true,
         "|");
}

static void since_is_the_second_of_the_last_line(void **state)
{
    struct rec_log_position p = { 0 };
    char since[REC_LOG_TIME_MAX];

    (void)state;
    assert_false(rec_log_position_since(&p, since));
    feed(&p, T3 "e\n", false, true, "e|");
    assert_true(rec_log_position_since(&p, since));
    assert_string_equal(since, "2025-10-08T02:00:01Z");
    feed(&p, "2025-10-09T02:00:01.5+02:00 f\n", false, true, "f|");
    assert_true(rec_log_position_since(&p, since));
    assert_string_equal(since, "2025-10-09T02:00:01+02:00");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_read_twice_are_told_once),
        cmocka_unit_test(unfinished_line_waits_until_the_end),
        cmocka_unit_test(lines_without_a_time_are_passed_over),
        cmocka_unit_test(since_is_the_second_of_the_last_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
