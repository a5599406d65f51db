#include "base/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>

#include "base/mem.h"

/* One set of label values of one metric. For histograms buckets[i] counts what was <= bounds[i]
 * and above bounds[i - 1]; they are summed up when shown. */
struct nb_metric_series {
    struct nb_metric_series *next;
    char *values[NB_METRIC_LABELS_MAX];
    double value; /* histograms: the sum */
    uint64_t count;
    uint64_t *buckets;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct nb_metric *registered; /* by name */

static size_t label_count(const struct nb_metric *m)
{
    size_t n = 0;

    while (n < NB_METRIC_LABELS_MAX && m->labels[n])
        n++;
    return n;
}

static size_t bound_count(const struct nb_metric *m)
{
    size_t n = 0;

    if (!m->bounds)
        return 0;
    while (!isinf(m->bounds[n]))
        n++;
    return n + 1;
}

static void register_locked(struct nb_metric *m)
{
    struct nb_metric **at = &registered;

    if (m->registered)
        return;
    while (*at && strcmp((*at)->name, m->name) < 0)
        at = &(*at)->next;
    m->next = *at;
    *at = m;
    m->registered = true;
}

void nb_metric_register(struct nb_metric *m)
{
    pthread_mutex_lock(&lock);
    register_locked(m);
    pthread_mutex_unlock(&lock);
}

static struct nb_metric_series *series_get(struct nb_metric *m,
                                           const char *const values[NB_METRIC_LABELS_MAX])
{
    struct nb_metric_series **at = &m->series;
    size_t n = label_count(m), i;

    register_locked(m);
    for (; *at; at = &(*at)->next) {
        for (i = 0; i < n && strcmp((*at)->values[i], values[i]) == 0; i++)
            ;
        if (i == n)
            return *at;
    }
    *at = NB_NEW(struct nb_metric_series);
    for (i = 0; i < n; i++)
        (*at)->values[i] = nb_xstrdup(values[i]);
    if (m->type == NB_HISTOGRAM)
        (*at)->buckets = nb_xcalloc(bound_count(m), sizeof(uint64_t));
    return *at;
}

/* Fills all of values; those beyond the metric's labels are "". */
static void take_values(const struct nb_metric *m, va_list ap,
                        const char *values[NB_METRIC_LABELS_MAX])
{
    size_t n = label_count(m);

    for (size_t i = 0; i < NB_METRIC_LABELS_MAX; i++) {
        const char *v = i < n ? va_arg(ap, const char *) : NULL;

        values[i] = v ? v : "";
    }
}

void nb_metric_add(struct nb_metric *m, double v, ...)
{
    const char *values[NB_METRIC_LABELS_MAX];
    va_list ap;

    va_start(ap, v);
    take_values(m, ap, values);
    va_end(ap);
    pthread_mutex_lock(&lock);
    series_get(m, values)->value += v;
    pthread_mutex_unlock(&lock);
}

void nb_metric_set(struct nb_metric *m, double v, ...)
{
    const char *values[NB_METRIC_LABELS_MAX];
    va_list ap;

    va_start(ap, v);
    take_values(m, ap, values);
    va_end(ap);
    pthread_mutex_lock(&lock);
    series_get(m, values)->value = v;
    pthread_mutex_unlock(&lock);
}

void nb_metric_observe(struct nb_metric *m, double v, ...)
{
    const char *values[NB_METRIC_LABELS_MAX];
    struct nb_metric_series *s;
    size_t n = bound_count(m), i = 0;
    va_list ap;

    va_start(ap, v);
    take_values(m, ap, values);
    va_end(ap);
    while (i + 1 < n && v > m->bounds[i])
        i++;
    pthread_mutex_lock(&lock);
    s = series_get(m, values);
    s->value += v;
    s->count++;
    if (s->buckets && i < n)
        s->buckets[i]++;
    pthread_mutex_unlock(&lock);
}

static void series_free(struct nb_metric_series *s)
{
    for (size_t i = 0; i < NB_METRIC_LABELS_MAX; i++)
        free(s->values[i]);
    free(s->buckets);
    free(s);
}

void nb_metric_forget(struct nb_metric *m, ...)
{
    const char *values[NB_METRIC_LABELS_MAX] = { NULL };
    struct nb_metric_series **at;
    size_t n = 0, i;
    va_list ap;

    va_start(ap, m);
    while (n < label_count(m) && (values[n] = va_arg(ap, const char *)))
        n++;
    va_end(ap);
    pthread_mutex_lock(&lock);
    at = &m->series;
    while (*at) {
        struct nb_metric_series *s = *at;

        for (i = 0; i < n && strcmp(s->values[i], values[i]) == 0; i++)
            ;
        if (i == n) {
            *at = s->next;
            series_free(s);
        } else {
            at = &s->next;
        }
    }
    pthread_mutex_unlock(&lock);
}

static void put_escaped(struct nb_buf *out, const char *s, bool quotes)
{
    for (; *s; s++) {
        if (*s == '\n')
            nb_buf_puts(out, "\\n");
        else if (*s == '\\')
            nb_buf_puts(out, "\\\\");
        else if (*s == '"' && quotes)
            nb_buf_puts(out, "\\\"");
        else
            nb_buf_putc(out, *s);
    }
}

static void put_number(struct nb_buf *out, double v)
{
    char text[40];

    if (isnan(v)) {
        nb_buf_puts(out, "NaN");
    } else if (isinf(v)) {
        nb_buf_puts(out, v < 0 ? "-Inf" : "+Inf");
    } else if (v == floor(v) && fabs(v) < 1e15) {
        nb_buf_printf(out, "%.0f", v);
    } else {
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof(text), "%.*g", digits, v);
            if (strtod(text, NULL) == v)
                break;
        }
        nb_buf_puts(out, text);
    }
}

/* le NAN: no bucket label. */
static void put_sample(struct nb_buf *out, const struct nb_metric *m, const char *suffix,
                       const struct nb_metric_series *s, double le)
{
    size_t n = label_count(m);
    const char *sep = "{";

    nb_buf_puts(out, m->name);
    nb_buf_puts(out, suffix);
    for (size_t i = 0; i < n; i++) {
        nb_buf_printf(out, "%s%s=\"", sep, m->labels[i]);
        put_escaped(out, s->values[i], true);
        nb_buf_putc(out, '"');
        sep = ",";
    }
    if (!isnan(le)) {
        nb_buf_printf(out, "%sle=\"", sep);
        put_number(out, le);
        nb_buf_putc(out, '"');
    }
    nb_buf_puts(out, n || !isnan(le) ? "} " : " ");
}

static void put_histogram(struct nb_buf *out, const struct nb_metric *m,
                          const struct nb_metric_series *s)
{
    size_t n = bound_count(m);
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += s->buckets[i];
        put_sample(out, m, "_bucket", s, m->bounds[i]);
        nb_buf_printf(out, "%" PRIu64 "\n", sum);
    }
    put_sample(out, m, "_sum", s, NAN);
    put_number(out, s->value);
    nb_buf_putc(out, '\n');
    put_sample(out, m, "_count", s, NAN);
    nb_buf_printf(out, "%" PRIu64 "\n", s->count);
}

static void put_metric(struct nb_buf *out, const struct nb_metric *m)
{
    static const char *const types[] = { "counter", "gauge", "histogram" };

    nb_buf_printf(out, "# HELP %s ", m->name);
    put_escaped(out, m->help, false);
    nb_buf_printf(out, "\n# TYPE %s %s\n", m->name, types[m->type]);
    if (!m->series && m->type != NB_HISTOGRAM && label_count(m) == 0)
        nb_buf_printf(out, "%s 0\n", m->name);
    for (const struct nb_metric_series *s = m->series; s; s = s->next) {
        if (m->type == NB_HISTOGRAM) {
            put_histogram(out, m, s);
            continue;
        }
        put_sample(out, m, "", s, NAN);
        put_number(out, s->value);
        nb_buf_putc(out, '\n');
    }
}

void nb_metrics_format(struct nb_buf *out)
{
    pthread_mutex_lock(&lock);
    for (const struct nb_metric *m = registered; m; m = m->next)
        put_metric(out, m);
    pthread_mutex_unlock(&lock);
}
