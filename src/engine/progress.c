#include "engine/progress.h"

static const char *const stage_names[] = {
    [ENG_CONNECTING] = "Connecting",
    [ENG_WAITING_FOR_NEO4J] = "WaitingForNeo4j",
    [ENG_WAITING_FOR_STORAGE] = "WaitingForStorage",
    [ENG_EXPORTING_NODES] = "ExportingNodes",
    [ENG_EXPORTING_RELATIONSHIPS] = "ExportingRelationships",
    [ENG_CLOSING_GRAPH] = "ClosingGraph",
    [ENG_EXPORTING_SCHEMA] = "ExportingSchema",
    [ENG_UPLOADING] = "Uploading",
    [ENG_VERIFYING] = "Verifying",
    [ENG_PRUNING] = "Pruning",
    [ENG_CHECKING] = "Checking",
    [ENG_WIPING] = "Wiping",
    [ENG_RESTORING_NODES] = "RestoringNodes",
    [ENG_RESTORING_RELATIONSHIPS] = "RestoringRelationships",
    [ENG_RESTORING_SCHEMA] = "RestoringSchema",
    [ENG_COMPARING] = "Verifying",
};

/* What the elements are of the whole; the rest is closing, upload and verification. */
enum {
    PERCENT_ELEMENTS = 92,
    PERCENT_CLOSING = 93,
    PERCENT_UPLOADING = 95,
    PERCENT_VERIFYING = 98,
    /* of a restore: */
    PERCENT_CHECKED = 10,
    PERCENT_RESTORED = 85,
};

static const double RATE_SMOOTH_SECONDS = 4;

const char *eng_stage_name(enum eng_stage stage)
{
    return stage_names[stage];
}

void eng_meter_stage(struct eng_meter *m, enum eng_stage stage)
{
    atomic_store(&m->waiting, 0);
    atomic_store(&m->stage, (int)stage);
}

/* From `from` to `to` as done becomes total. */
static int share(uint64_t done, uint64_t total, int from, int to)
{
    if (total == 0)
        return from;
    return done >= total ? to : from + (int)((double)done / (double)total * (to - from));
}

static int percent_of(enum eng_stage stage, uint64_t done, uint64_t total)
{
    switch (stage) {
    case ENG_CONNECTING:
    case ENG_WAITING_FOR_NEO4J:
    case ENG_WAITING_FOR_STORAGE:
        return 0;
    case ENG_EXPORTING_NODES:
    case ENG_EXPORTING_RELATIONSHIPS:
        return share(done, total, 0, PERCENT_ELEMENTS);
    case ENG_CHECKING:
        return share(done, total, 0, PERCENT_CHECKED);
    case ENG_WIPING:
        return PERCENT_CHECKED;
    case ENG_RESTORING_NODES:
    case ENG_RESTORING_RELATIONSHIPS:
        return share(done, total, PERCENT_CHECKED, PERCENT_RESTORED);
    case ENG_CLOSING_GRAPH:
    case ENG_EXPORTING_SCHEMA:
    case ENG_RESTORING_SCHEMA:
        return PERCENT_CLOSING;
    case ENG_UPLOADING:
    case ENG_COMPARING:
        return PERCENT_UPLOADING;
    case ENG_VERIFYING:
        return PERCENT_VERIFYING;
    case ENG_PRUNING:
        break;
    }
    return 100;
}

void eng_meter_read(struct eng_meter *m, struct eng_progress *ret)
{
    int waiting = atomic_load(&m->waiting);
    enum eng_stage stage = (enum eng_stage)atomic_load(&m->stage);
    uint64_t total;

    ret->total_nodes = atomic_load(&m->total_nodes);
    ret->total_rels = atomic_load(&m->total_rels);
    total = ret->total_nodes + ret->total_rels;
    ret->nodes = atomic_load(&m->nodes);
    ret->rels = atomic_load(&m->rels);
    ret->exported_bytes = atomic_load(&m->exported_bytes);
    ret->uploaded_bytes = atomic_load(&m->uploaded_bytes);
    ret->percent = stage == ENG_CHECKING ? percent_of(stage, atomic_load(&m->checked_bytes),
                                                      atomic_load(&m->total_checked_bytes))
                                         : percent_of(stage, ret->nodes + ret->rels, total);
    ret->stage = waiting ? (enum eng_stage)waiting : stage;
    ret->rows_per_second = 0;
    ret->eta_seconds = -1;
}

static void measure(struct eng_rate *r, int64_t now_ms, uint64_t rows)
{
    double seconds = (double)(now_ms - r->at_ms) / 1000;
    double rate = (double)(rows - r->rows) / seconds;

    if (r->known)
        r->rows_per_second +=
            (rate - r->rows_per_second) * (seconds / (seconds + RATE_SMOOTH_SECONDS));
    else
        r->rows_per_second = rate;
    r->known = r->known || rows > r->rows;
}

void eng_rate_update(struct eng_rate *r, int64_t now_ms, struct eng_progress *p)
{
    uint64_t rows = p->nodes + p->rels, total = p->total_nodes + p->total_rels;

    if (!r->started || rows < r->rows)
        *r = (struct eng_rate){ .started = true };
    else if (now_ms <= r->at_ms)
        return; /* nothing to be learnt */
    else
        measure(r, now_ms, rows);
    r->at_ms = now_ms;
    r->rows = rows;
    if (!r->known || (p->stage != ENG_EXPORTING_NODES && p->stage != ENG_EXPORTING_RELATIONSHIPS))
        return;
    p->rows_per_second = (uint64_t)r->rows_per_second;
    /* A rate near nothing says nothing; the count store may be a little behind. */
    if (total > 0 && r->rows_per_second >= 0.1)
        p->eta_seconds =
            rows >= total ? 0 : (int64_t)((double)(total - rows) / r->rows_per_second + 0.5);
}
