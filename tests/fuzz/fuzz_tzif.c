/* Any bytes as a TZif file: what is taken answers for every time, and schedules in it go on. */

#include <stdlib.h>

#include "base/mem.h"
#include "cron/cron_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const int64_t times[] = { INT64_MIN / 2, -62135596800, -1,         0,
                                     951782400,     1767225600,   4102444800, 253402300799 };
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(cron_zone_free) struct cron_zone *z = NULL;
    nb_auto(cron_expr_free) struct cron_expr *e = NULL;
    int64_t next;

    if (!cron_zone_parse(data, n, &z, &err))
        return 0;
    for (size_t i = 0; i < NB_ARRAY_LEN(times); i++) {
        struct cron_segment s;

        cron_zone_segment(z, times[i], &s);
        if (s.start > times[i] || s.end <= times[i] || s.offset <= -90000 || s.offset >= 93600)
            abort();
    }
    if (!cron_expr_parse("30 2 29 2 *", &e, &err))
        abort();
    for (int policy = CRON_RUN_ONCE; policy <= CRON_CRONJOB; policy++)
        for (size_t i = 3; i < 7; i++)
            if (cron_next(e, z, (enum cron_policy)policy, times[i], &next) && next <= times[i])
                abort();
    return 0;
}
