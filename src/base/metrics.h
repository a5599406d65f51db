#ifndef NB_BASE_METRICS_H
#define NB_BASE_METRICS_H

/*
 * Counters, gauges and histograms in Prometheus text format 0.0.4. A metric is a static struct that registers
 * itself at first use; label values are given in the order of label names. Any thread.
 *
 *   static struct nb_metric runs = NB_METRIC(NB_COUNTER, "neo4jbackup_runs_total", "Runs by result.", "result");
 *   nb_metric_add(&runs, 1, "success");
 */

#include "base/buf.h"

enum nb_metric_type { NB_COUNTER, NB_GAUGE, NB_HISTOGRAM };
enum { NB_METRIC_LABELS_MAX = 4 };
struct nb_metric_series;
struct nb_metric {
    enum nb_metric_type type;
    const char *name, *help;
    const char *labels[NB_METRIC_LABELS_MAX];
    const double *bounds; /* histograms: ascending upper bounds, ended by +Inf (INFINITY) */
    struct nb_metric_series *series;
    struct nb_metric *next;
    bool registered;
};
#define NB_METRIC(type_, name_, help_, ...)                                                        \
    {                                                                                              \
        .type = (type_), .name = (name_), .help = (help_), .labels = { __VA_ARGS__ },              \
        .bounds = NULL, .series = NULL, .next = NULL, .registered = false                          \
    }
#define NB_METRIC_HISTOGRAM(name_, help_, bounds_, ...)                                            \
    {                                                                                              \
        .type = NB_HISTOGRAM, .name = (name_), .help = (help_), .labels = { __VA_ARGS__ },         \
        .bounds = (bounds_), .series = NULL, .next = NULL, .registered = false                     \
    }

/* Values: as many const char * as the metric has labels. */
void nb_metric_add(struct nb_metric *m, double v, ...);
void nb_metric_set(struct nb_metric *m, double v, ...);
void nb_metric_observe(struct nb_metric *m, double v, ...);
/* Removes every series whose first label values equal those given (NULL-terminated list). */
void nb_metric_forget(struct nb_metric *m, ...);
/* So that a metric is shown before its first event. */
void nb_metric_register(struct nb_metric *m);
void nb_metrics_format(struct nb_buf *out);

#endif
