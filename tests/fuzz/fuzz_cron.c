/* Any text as a schedule: what is taken has a next time that is later, on a whole minute, and found
 * again by cron_last. */

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "cron/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const struct cron_expr *e, const struct cron_zone *z, enum cron_policy policy,
                  int64_t t)
{
    int64_t next, last, count;

    if (!cron_next(e, z, policy, t, &next))
        return;
    if (next <= t || (cron_expr_every_seconds(e) == 0 && next % 60 != 0))
        abort();
    if (!cron_last(e, z, policy, t, next, 5, &last, &count) || last != next || count != 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct cron_zone *zone;
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(cron_expr_free) struct cron_expr *e = NULL;
    nb_auto(nb_free) char *text = nb_xstrndup((const char *)data, n);
    /* Times from 1970 to 2099 that follow from the input. */
    int64_t t = (int64_t)(nb_hash64(data, n) % UINT64_C(4102444800));

    if (!zone && !cron_zone_load(NULL, "America/New_York", &zone, &err))
        zone = cron_zone_fixed(-18000);
    if (!cron_expr_parse(text, &e, &err)) {
        if (!nb_streq(err.reason, "InvalidSchedule") || !*err.text ||
            !nb_utf8_valid(err.text, strlen(err.text)))
            abort();
        return 0;
    }
    check(e, zone, CRON_RUN_ONCE, t);
    check(e, zone, CRON_CRONJOB, t);
    return 0;
}
