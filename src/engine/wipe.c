#include "engine/wipe.h"

#include "base/map.h"
#include "base/mem.h"
#include "cypher/ident.h"

enum { STATEMENT_MAX_BYTES = 1 << 20 };
#define BATCH "20000"

struct wipe {
    struct nb_vec drops; /* statements */
};

/* Constraints come first, and their indexes go with them. */
static bool note_drop(void *ctx, const struct eng_schema_item *item, struct nb_error *err)
{
    struct wipe *w = ctx;
    struct nb_buf text = NB_BUF_INIT(STATEMENT_MAX_BYTES);
    bool ok;

    if (item->item.kind == CYP_INDEX && nb_str_is(item->item.type, "LOOKUP"))
        return true;
    nb_buf_puts(&text, item->item.kind == CYP_CONSTRAINT ? "DROP CONSTRAINT " : "DROP INDEX ");
    cyp_ident_append(&text, item->item.name);
    nb_buf_puts(&text, " IF EXISTS");
    ok = nb_buf_check(&text, err);
    if (ok)
        nb_vec_push(&w->drops, nb_buf_take(&text));
    nb_buf_done(&text);
    return ok;
}

static bool drop_all(struct wipe *w, struct eng_dest *dest, struct nb_error *err)
{
    for (size_t i = 0; i < w->drops.count; i++) {
        if (!eng_dest_exec(dest, w->drops.items[i], (struct nb_str){ NULL, 0 }, NULL, err))
            return false;
    }
    return true;
}

/* Until nothing is left to delete. */
static bool delete_all(struct eng_dest *dest, const char *text, struct nb_error *err)
{
    struct bolt_stats stats;

    do {
        if (!eng_dest_exec(dest, text, (struct nb_str){ NULL, 0 }, &stats, err))
            return false;
    } while (stats.nodes_deleted + stats.relationships_deleted > 0);
    return true;
}

bool eng_wipe_run(struct eng_dest *dest, struct eng_source *source, struct nb_error *err)
{
    struct wipe w = { { NULL, 0, 0 } };
    bool ok = eng_source_schema(source, note_drop, &w, err) && drop_all(&w, dest, err) &&
              delete_all(dest, "MATCH ()-[r]->() WITH r LIMIT " BATCH " DELETE r", err) &&
              delete_all(dest, "MATCH (n) WITH n LIMIT " BATCH " DETACH DELETE n", err);

    for (size_t i = 0; i < w.drops.count; i++)
        free(w.drops.items[i]);
    nb_vec_done(&w.drops);
    return ok || nb_wrap(err, "wipe the target");
}
