/* A log read in two overlapping pieces tells each line once, as one read does. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "controller/reconcile/log_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(void *ctx, const char *line, size_t n)
{
    (void)line;
    (void)n;
    ++*(size_t *)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rec_log_position once = { 0 }, twice = { 0 };
    struct nb_str text = { (const char *)data, size }, part = { (const char *)data, size / 2 };
    size_t a = 0, b = 0;
    char since[REC_LOG_TIME_MAX];

    rec_log_lines_feed(&once, text, true, count, &a);
    rec_log_lines_feed(&twice, part, false, count, &b);
    rec_log_lines_feed(&twice, text, true, count, &b);
    if (a != b)
        abort();
    rec_log_position_since(&once, since);
    return 0;
}
