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
    uint64_t total = atomic_load(&m->total_nodes) + atomic_load(&m->total_rels);

    ret->nodes = atomic_load(&m->nodes);
    ret->rels = atomic_load(&m->rels);
    ret->exported_bytes = atomic_load(&m->exported_bytes);
    ret->uploaded_bytes = atomic_load(&m->uploaded_bytes);
    ret->percent = stage == ENG_CHECKING ? percent_of(stage, atomic_load(&m->checked_bytes),
                                                      atomic_load(&m->total_checked_bytes))
                                         : percent_of(stage, ret->nodes + ret->rels, total);
    ret->stage = waiting ? (enum eng_stage)waiting : stage;
}
