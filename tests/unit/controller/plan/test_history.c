#include "controller/plan/history.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/cmocka.h"

struct fact {
    const char *name;
    int64_t started;
    enum api_result result; /* NONE: has not ended */
    bool pinned, deleted;
};

/* Names of what is removed, joined by blanks. */
static void check(const struct fact *facts, size_t n, int64_t good, int64_t bad,
                  const char *expected)
{
    struct api_run runs[10];
    const struct api_run *list[10];
    size_t remove[10], count;
    char text[200] = "";

    memset(runs, 0, sizeof(runs));
    for (size_t i = 0; i < n; i++) {
        runs[i].meta.name = facts[i].name;
        runs[i].meta.deleted = facts[i].deleted;
        runs[i].status.started = facts[i].started;
        runs[i].status.result = facts[i].result;
        runs[i].pin_wanted = facts[i].pinned;
        if (facts[i].result != API_RESULT_NONE)
            api_condition_set(&runs[i].status.conditions, API_COND_SUCCEEDED,
                              facts[i].result == API_RESULT_SUCCEEDED ? API_TRUE : API_FALSE, "x",
                              "", 1, 1);
        list[i] = &runs[i];
    }
    count = plan_history(list, n, good, bad, remove, 10);
    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
                 facts[remove[i]].name);
    assert_string_equal(text, expected);
}

static const struct fact facts[] = {
    { "a", 10, API_RESULT_SUCCEEDED, false, false },
    { "b", 20, API_RESULT_FAILED, false, false },
    { "c", 30, API_RESULT_SUCCEEDED, true, false },
    { "d", 40, API_RESULT_SUCCEEDED, false, false },
    { "e", 50, API_RESULT_PARTIAL, false, false },
    { "f", 60, API_RESULT_SUCCEEDED, false, false },
    { "g", 70, API_RESULT_NONE, false, false },
    { "h", 60, API_RESULT_SUCCEEDED, false, false },
    { "i", 5, API_RESULT_FAILED, false, true },
};

static void history_keeps_the_newest_of_each_sort(void **state)
{
    (void)state;
    check(facts, NB_ARRAY_LEN(facts), 3, 3, "a");
    check(facts, NB_ARRAY_LEN(facts), 2, 1, "a b d");
    check(facts, NB_ARRAY_LEN(facts), 1, 0, "a b d e f");
    check(facts, NB_ARRAY_LEN(facts), 0, 0, "a b d e f h");
    check(facts, NB_ARRAY_LEN(facts), 100, 100, "");
    check(facts, 0, 0, 0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(history_keeps_the_newest_of_each_sort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
