#include "controller/reconcile/log_lines.h"

#include <stdio.h>

enum { SECONDS_LEN = 19 }; /* "2006-01-02T15:04:05" */

bool rec_log_position_since(const struct rec_log_position *p, char out[REC_LOG_TIME_MAX])
{
    const char *zone = p->last + SECONDS_LEN;

    if (strlen(p->last) < SECONDS_LEN)
        return false;
    while (*zone == '.' || (*zone >= '0' && *zone <= '9'))
        zone++;
    snprintf(out, REC_LOG_TIME_MAX, "%.*s%s", SECONDS_LEN, p->last, zone);
    return true;
}

/* Length of the timestamp at the line's beginning; 0: there is none. */
static size_t stamp_of(const char *line, size_t n)
{
    const char *blank = memchr(line, ' ', n < REC_LOG_TIME_MAX ? n : REC_LOG_TIME_MAX - 1);
    size_t len = blank ? (size_t)(blank - line) : 0;

    if (len <= SECONDS_LEN || line[4] != '-' || line[10] != 'T')
        return 0;
    for (size_t i = 0; i < len; i++)
        if (!strchr("0123456789-:.TZ+", line[i]) || line[i] == '\0')
            return 0;
    return len;
}

/* Timestamps of one pod have one zone and (from the kubelet) one width; a fraction of another
 * width is compared digit by digit, which is right as long as the shorter one ends in its zone
 * letter. */
static int compare(const char *a, size_t na, const char *b)
{
    size_t nb = strlen(b), n = na < nb ? na : nb;
    int c = memcmp(a, b, n);

    return c != 0 ? c : (na > nb) - (na < nb);
}

static bool take_line(struct rec_log_position *p, const char *line, size_t n, unsigned *seen_same,
                      rec_log_line_fn *fn, void *ctx)
{
    size_t stamp = stamp_of(line, n);
    int order;

    if (stamp == 0)
        return false;
    order = compare(line, stamp, p->last);
    if (order < 0)
        return false;
    if (order == 0 && *seen_same < p->same) {
        (*seen_same)++;
        return false;
    }
    if (order > 0) {
        memcpy(p->last, line, stamp);
        p->last[stamp] = '\0';
        p->same = 0;
    }
    *seen_same = ++p->same;
    fn(ctx, line + stamp + 1, n - stamp - 1);
    return true;
}

bool rec_log_lines_feed(struct rec_log_position *p, struct nb_str text, bool at_end,
                        rec_log_line_fn *fn, void *ctx)
{
    unsigned seen_same = 0;
    bool any = false;

    while (text.n > 0) {
        const char *nl = memchr(text.p, '\n', text.n);
        size_t n = nl ? (size_t)(nl - text.p) : text.n;

        if (!nl && !at_end)
            break;
        any |= take_line(p, text.p, n, &seen_same, fn, ctx);
        n += nl ? 1 : 0;
        text.p += n;
        text.n -= n;
    }
    return any;
}
