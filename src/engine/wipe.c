#include "engine/wipe.h"

#include "base/map.h"
#include "base/mem.h"
#include "cypher/ident.h"
#include "engine/portion.h"

enum { STATEMENT_MAX_BYTES = 1 << 20, BATCH_ROWS = 20000 };

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

/* So many of them; *ret_fits is false where that was too many at once. One alone is tried as long as
 * whatever else may pass. */
static bool delete_some(struct eng_dest *dest, const char *match, const char *delete, unsigned rows,
                        struct bolt_stats *ret, bool *ret_fits, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(STATEMENT_MAX_BYTES);
    struct nb_str none = { NULL, 0 };

    *ret_fits = true;
    nb_buf_printf(&text, "%s LIMIT %u %s", match, rows, delete);
    return rows > 1 ? eng_dest_try(dest, nb_buf_cstr(&text), none, ret, ret_fits, err)
                    : eng_dest_exec(dest, nb_buf_cstr(&text), none, ret, err);
}

/* Until nothing is left to delete. */
static bool delete_all(struct eng_dest *dest, const char *match, const char *delete,
                       struct nb_error *err)
{
    struct eng_portion portion = { .max_rows = BATCH_ROWS };
    struct bolt_stats stats;
    bool fits;

    do {
        unsigned rows = eng_portion_rows(&portion);

        if (!delete_some(dest, match, delete, rows, &stats, &fits, err))
            return false;
        if (fits)
            eng_portion_went_well(&portion);
        else
            eng_portion_too_large(&portion, rows, 0);
    } while (!fits || stats.nodes_deleted + stats.relationships_deleted > 0);
    return true;
}

bool eng_wipe_run(struct eng_dest *dest, struct eng_source *source, struct nb_error *err)
{
    struct wipe w = { { NULL, 0, 0 } };
    bool ok = eng_source_schema(source, note_drop, &w, err) && drop_all(&w, dest, err) &&
              delete_all(dest, "MATCH ()-[r]->() WITH r", "DELETE r", err) &&
              delete_all(dest, "MATCH (n) WITH n", "DETACH DELETE n", err);

    for (size_t i = 0; i < w.drops.count; i++)
        free(w.drops.items[i]);
    nb_vec_done(&w.drops);
    return ok || nb_wrap(err, "wipe the target");
}
