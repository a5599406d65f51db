#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "bolt/table.h"

/* Any PackStream map for the answer to ROUTE. What is taken must hold what its header says. */

enum { ARENA_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* Whatever is taken out is gone, and turns go on through what is left. */
static void use_up(struct bolt_table *t, enum bolt_role role)
{
    struct bolt_address a, again;
    char text[BOLT_ADDRESS_TEXT_MAX];
    struct nb_error err = NB_ERROR_INIT;

    while (bolt_table_next(t, role, &a)) {
        must(bolt_table_has(t, role, &a));
        must(bolt_address_parse(nb_str_from(bolt_address_format(&a, text)), &again, &err));
        must(bolt_address_equal(&a, &again));
        bolt_table_remove_all(t, &a);
        must(!bolt_table_has(t, role, &a));
    }
    must(t->roles[role].n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    nb_auto(nb_arena_free) struct nb_arena *arena = nb_arena_new(ARENA_MAX);
    nb_auto_done(bolt_table_done) struct bolt_table t = BOLT_TABLE_INIT;
    struct nb_error err = NB_ERROR_INIT;
    struct ps_decoder d;
    struct ps_map meta;

    ps_decoder_init(&d, data, n, 2, arena);
    if (!ps_decode_map(&d, &meta, &err))
        return 0;
    if (!bolt_table_parse(&meta, 1000, &t, &err)) {
        must(err.text[0] && nb_streq(err.reason, "Neo4jRoutingTableInvalid") && !t.db);
        return 0;
    }
    must(t.db && t.roles[BOLT_ROLE_ROUTE].n > 0 && t.roles[BOLT_ROLE_READ].n > 0);
    must(t.expires_mono_ms >= 1000 && !bolt_table_is_fresh(&t, BOLT_ROLE_READ, t.expires_mono_ms));
    for (size_t i = 0; i < BOLT_ROLES; i++)
        use_up(&t, (enum bolt_role)i);
    return 0;
}
