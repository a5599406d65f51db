#include "engine/chain.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "engine/chunks.h"
#include "engine/cut.h"

enum { HELPER_RANDOM_BYTES = 4, COARSER_FACTOR = 4 };

static bool is_helper(const char *s)
{
    size_t n = s ? strlen(s) : 0;

    return n >= 1 && n < ENG_CHAIN_HELPER_MAX &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789") == n;
}

static size_t max_chunks(const struct eng_chain_opts *opts)
{
    return opts->max_chunks ? opts->max_chunks : ENG_CHUNKS_MAX;
}

/* So many chunks that the next backup may need more than there may be. */
static bool is_outgrown(const struct repo_manifest *m, const struct eng_chain_opts *opts)
{
    return m->objects_n > max_chunks(opts) / 5 * 4 && m->chunk_bytes < ENG_CUT_AVERAGE_MAX;
}

static bool can_continue(const struct repo_manifest *m, const struct eng_chain_opts *opts,
                         const struct eng_server *server)
{
    unsigned max_chain = opts->max_chain ? opts->max_chain : ENG_CHAIN_MAX_DEFAULT;

    return m && !is_outgrown(m, opts) && m->type == REPO_INCREMENTAL && m->key &&
           is_helper(m->helper) && m->chunk_bytes > 0 && m->chunk_bytes <= ENG_CUT_AVERAGE_MAX &&
           m->chain_length >= 1 && (unsigned)m->chain_length <= max_chain &&
           nb_streq(m->database_id ? m->database_id : "", server->database_id);
}

static uint64_t coarser(uint64_t chunk_bytes)
{
    return chunk_bytes < ENG_CUT_AVERAGE_MAX / COARSER_FACTOR ? chunk_bytes * COARSER_FACTOR
                                                              : ENG_CUT_AVERAGE_MAX;
}

/* The guess by the number of elements knows nothing of their size; the last backup does. */
static uint64_t new_chunk_bytes(const struct eng_chain_opts *opts, const struct repo_manifest *last)
{
    uint64_t average = opts->chunk_bytes;

    if (!last || last->type != REPO_INCREMENTAL)
        return average;
    if (is_outgrown(last, opts) && average < coarser(last->chunk_bytes))
        average = coarser(last->chunk_bytes);
    while (average < ENG_CUT_AVERAGE_MAX &&
           last->objects_n * last->chunk_bytes / average > max_chunks(opts) / 2)
        average = coarser(average);
    return average;
}

void eng_chain_restart(struct eng_chain *c, const struct eng_chain_opts *opts)
{
    uint8_t random[HELPER_RANDOM_BYTES];
    uint64_t chunk_bytes = new_chunk_bytes(opts, c->base);

    repo_manifest_free(c->base);
    *c = (struct eng_chain){ .chunk_bytes = chunk_bytes, .length = 1 };
    nb_random_bytes(random, sizeof(random));
    nb_hex(random, sizeof(random), c->helper);
}

void eng_chain_coarsen(struct eng_chain *c)
{
    struct eng_chain_opts opts = { .chunk_bytes = coarser(c->chunk_bytes) };

    eng_chain_restart(c, &opts);
}

void eng_chain_init(struct eng_chain *c, const struct eng_chain_opts *opts,
                    struct repo_manifest *take_base, const struct eng_server *server)
{
    *c = (struct eng_chain){ .base = take_base };
    if (!can_continue(take_base, opts, server)) {
        eng_chain_restart(c, opts);
        return;
    }
    snprintf(c->helper, sizeof(c->helper), "%s", take_base->helper);
    c->chunk_bytes = take_base->chunk_bytes;
    c->length = take_base->chain_length + 1;
}

void eng_chain_done(struct eng_chain *c)
{
    repo_manifest_free(c->base);
    memset(c, 0, sizeof(*c));
}

bool eng_chain_is_unchanged(const struct eng_chain *c, const struct eng_server *server,
                            const struct eng_mark *mark, uint64_t nodes, uint64_t rels)
{
    const struct repo_manifest *m = c->base;

    return m && m->consistency == REPO_CONSISTENCY_SNAPSHOT && m->fixup_passes == 0 &&
           m->unread < ENG_CHAIN_UNREAD_MAX && mark->decoded &&
           mark->transaction == m->last_transaction && m->last_transaction >= 0 &&
           server->database_id[0] && server->database_start_unix_ms != 0 &&
           server->database_start_unix_ms == m->server_start_unix_ms &&
           nb_streq(m->server_version, server->version) && m->nodes >= 0 &&
           (uint64_t)m->nodes == nodes && m->relationships >= 0 &&
           (uint64_t)m->relationships == rels;
}

void eng_chain_describe(const struct eng_chain *c, struct repo_manifest *m)
{
    m->type = REPO_INCREMENTAL;
    free(m->base_manifest);
    m->base_manifest = c->base ? nb_xstrdup(c->base->key) : NULL;
    m->chain_length = c->length;
    free(m->helper);
    m->helper = nb_xstrdup(c->helper);
    m->chunk_bytes = c->chunk_bytes;
}

static void forget(char **text)
{
    free(*text);
    *text = NULL;
}

bool eng_chain_repeat(const struct eng_chain *c, struct repo_manifest **ret, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(REPO_MANIFEST_MAX_BYTES);
    struct repo_manifest *m;

    /* By way of its text: so nothing of it is forgotten, whatever a manifest may hold one day. */
    if (!repo_manifest_format(c->base, &text, err) ||
        !repo_manifest_parse(nb_buf_cstr(&text), text.len, &m, err))
        return nb_wrap(err, "'%s'", c->base->key);
    forget(&m->owner);
    forget(&m->owner_uid);
    forget(&m->run_id);
    forget(&m->tool_version);
    forget(&m->signature);
    m->new_bytes = 0;
    m->unread++;
    eng_chain_describe(c, m);
    *ret = m;
    return true;
}
