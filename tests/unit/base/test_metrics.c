#include "base/metrics.h"

#include <math.h>
#include <string.h>

#include "base/thread.h"
#include "tests/unit/cmocka.h"

static const double bounds[] = { 0.5, 1, 10, INFINITY };
static struct nb_metric runs = NB_METRIC(NB_COUNTER, "b_runs_total", "Runs by result.", "result");
static struct nb_metric plain =
    NB_METRIC(NB_GAUGE, "a_plain", "Line\nbreak \\ and \"quote\".", NULL);
static struct nb_metric zero = NB_METRIC(NB_COUNTER, "d_zero_total", "Never counted.", NULL);
static struct nb_metric times =
    NB_METRIC_HISTOGRAM("c_seconds", "Duration.", bounds, "kind", "size");

/* The metrics are static, so that is one story: each test goes on from the one before. */
static void check(const char *want)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(100000);

    nb_metrics_format(&out);
    assert_string_equal(nb_buf_cstr(&out), want);
}

static void format_counters_and_gauges_by_name(void **state)
{
    (void)state;
    check("");
    nb_metric_add(&runs, 1, "success");
    nb_metric_add(&runs, 2, "failure \"\\\n");
    nb_metric_add(&runs, 1, "success");
    nb_metric_set(&plain, 0.1);
    nb_metric_register(&zero);
    nb_metric_register(&zero);
    check("# HELP a_plain Line\\nbreak \\\\ and \"quote\".\n# TYPE a_plain gauge\na_plain 0.1\n"
          "# HELP b_runs_total Runs by result.\n# TYPE b_runs_total counter\n"
          "b_runs_total{result=\"success\"} 2\n"
          "b_runs_total{result=\"failure \\\"\\\\\\n\"} 2\n"
          "# HELP d_zero_total Never counted.\n# TYPE d_zero_total counter\nd_zero_total 0\n");
}

static void forget_removes_matching_series(void **state)
{
    (void)state;
    nb_metric_forget(&runs, "success", NULL);
    nb_metric_set(&plain, -INFINITY);
    check("# HELP a_plain Line\\nbreak \\\\ and \"quote\".\n# TYPE a_plain gauge\na_plain -Inf\n"
          "# HELP b_runs_total Runs by result.\n# TYPE b_runs_total counter\n"
          "b_runs_total{result=\"failure \\\"\\\\\\n\"} 2\n"
          "# HELP d_zero_total Never counted.\n# TYPE d_zero_total counter\nd_zero_total 0\n");
    nb_metric_forget(&runs, NULL);
    nb_metric_set(&plain, NAN);
    check("# HELP a_plain Line\\nbreak \\\\ and \"quote\".\n# TYPE a_plain gauge\na_plain NaN\n"
          "# HELP b_runs_total Runs by result.\n# TYPE b_runs_total counter\n"
          "# HELP d_zero_total Never counted.\n# TYPE d_zero_total counter\nd_zero_total 0\n");
}

static void histogram_buckets_add_up(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(100000);

    (void)state;
    nb_metric_observe(&times, 0.5, "full", "s");
    nb_metric_observe(&times, 0.75, "full", "s");
    nb_metric_observe(&times, 99, "full", "s");
    nb_metrics_format(&out);
    assert_non_null(strstr(nb_buf_cstr(&out),
                           "# TYPE c_seconds histogram\n"
                           "c_seconds_bucket{kind=\"full\",size=\"s\",le=\"0.5\"} 1\n"
                           "c_seconds_bucket{kind=\"full\",size=\"s\",le=\"1\"} 2\n"
                           "c_seconds_bucket{kind=\"full\",size=\"s\",le=\"10\"} 2\n"
                           "c_seconds_bucket{kind=\"full\",size=\"s\",le=\"+Inf\"} 3\n"
                           "c_seconds_sum{kind=\"full\",size=\"s\"} 100.25\n"
                           "c_seconds_count{kind=\"full\",size=\"s\"} 3\n"));
    nb_metric_forget(&times, "full", NULL);
}

static void *count_many(void *arg)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(100000);

    (void)arg;
    for (int i = 0; i < 1000; i++)
        nb_metric_add(&zero, 1);
    nb_metrics_format(&out);
    return NULL;
}

static void threads_lose_no_count(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(100000);
    struct nb_error err = NB_ERROR_INIT;
    struct nb_thread *t[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_true(nb_thread_start("counter", count_many, NULL, &t[i], &err));
    for (int i = 0; i < 4; i++)
        nb_thread_join(t[i]);
    nb_metrics_format(&out);
    assert_non_null(strstr(nb_buf_cstr(&out), "\nd_zero_total 4000\n"));
    nb_metric_forget(&zero, NULL);
    nb_metric_forget(&plain, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format_counters_and_gauges_by_name),
        cmocka_unit_test(forget_removes_matching_series),
        cmocka_unit_test(histogram_buckets_add_up),
        cmocka_unit_test(threads_lose_no_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
