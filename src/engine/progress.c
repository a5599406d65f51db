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
};

/* What the elements are of the whole; the rest is closing, upload and verification. */
enum {
    PERCENT_ELEMENTS = 92,
    PERCENT_CLOSING = 93,
    PERCENT_UPLOADING = 95,
    PERCENT_VERIFYING = 98
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

static int percent_of(enum eng_stage stage, uint64_t done, uint64_t total)
{
    switch (stage) {
    case ENG_CONNECTING:
    case ENG_WAITING_FOR_NEO4J:
    case ENG_WAITING_FOR_STORAGE:
        return 0;
    case ENG_EXPORTING_NODES:
    case ENG_EXPORTING_RELATIONSHIPS:
        if (total == 0)
            return 0;
        return done >= total ? PERCENT_ELEMENTS
                             : (int)((double)done / (double)total * PERCENT_ELEMENTS);
    case ENG_CLOSING_GRAPH:
    case ENG_EXPORTING_SCHEMA:
        return PERCENT_CLOSING;
    case ENG_UPLOADING:
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
    ret->percent = percent_of(stage, ret->nodes + ret->rels, total);
    ret->stage = waiting ? (enum eng_stage)waiting : stage;
}
