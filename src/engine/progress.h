#ifndef NB_ENGINE_PROGRESS_H
#define NB_ENGINE_PROGRESS_H

/*
 * How far a run has come. eng_meter is written by the threads that do the work and may be read at
 * any time by any other; eng_progress is one reading of it; eng_rate tells from readings over time how
 * fast it goes.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum eng_stage {
    ENG_CONNECTING,
    ENG_WAITING_FOR_NEO4J,
    ENG_WAITING_FOR_STORAGE,
    ENG_EXPORTING_NODES,
    ENG_EXPORTING_RELATIONSHIPS,
    ENG_CLOSING_GRAPH,
    ENG_EXPORTING_SCHEMA,
    ENG_UPLOADING,
    ENG_VERIFYING,
    ENG_PRUNING,
    /* of a restore: */
    ENG_CHECKING,
    ENG_WIPING,
    ENG_RESTORING_NODES,
    ENG_RESTORING_RELATIONSHIPS,
    ENG_RESTORING_SCHEMA,
    ENG_COMPARING, /* said as Verifying */
};
const char *eng_stage_name(enum eng_stage stage); /* "ExportingNodes", ... */

struct eng_meter {
    _Atomic int stage; /* enum eng_stage */
    _Atomic int
        waiting; /* 0, ENG_WAITING_FOR_NEO4J or ENG_WAITING_FOR_STORAGE: until more is done */
    _Atomic uint64_t nodes, rels;
    _Atomic uint64_t total_nodes, total_rels; /* as the count store has them; 0: not known yet */
    _Atomic uint64_t exported_bytes;          /* of script */
    _Atomic uint64_t uploaded_bytes;
    _Atomic uint64_t checked_bytes, total_checked_bytes; /* of a dump before its restore, stored */
};

struct eng_progress {
    enum eng_stage stage;
    int percent; /* 0 to 100 */
    uint64_t nodes, rels, exported_bytes, uploaded_bytes;
    uint64_t total_nodes, total_rels; /* 0: not known yet */
    /* By eng_rate_update(). */
    uint64_t rows_per_second; /* nodes and relationships */
    int64_t eta_seconds;      /* until all of them are read; -1: not known */
};

/* Zeroed: no reading yet. One thread at a time. */
struct eng_rate {
    int64_t at_ms; /* of the reading before */
    uint64_t rows;
    double rows_per_second; /* smoothed over some seconds */
    bool started, known;
};

static inline void eng_meter_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}
void eng_meter_stage(struct eng_meter *m, enum eng_stage stage);
/* Without the members that eng_rate_update() fills. */
void eng_meter_read(struct eng_meter *m, struct eng_progress *ret);
/* now_ms: monotonic. When rows go down, the export began anew, and so does the rate. */
void eng_rate_update(struct eng_rate *r, int64_t now_ms, struct eng_progress *p);

#endif
