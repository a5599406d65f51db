/*
 * A stored dump or its manifest with one bit turned round, or cut off at any byte. The first reading of a
 * restore (engine/restore.c, check_dump: nothing was written yet) and a verification must both refuse
 * it, or the script that they read must be the very script that was stored: a bit in a gzip header's time,
 * or in a manifest's word on the server, harms nothing. Layers are taken away one after the other, so
 * that each is seen to hold by itself: ETag, SHA-256, gzip's own checksum.
 */

#include <stdio.h>
#include <string.h>

#include "cypher/script.h"
#include "engine/idset.h"
#include "engine/input.h"
#include "engine/verify.h"
#include "gz/writer.h"
#include "tests/campaigns/campaign.h"
#include "tests/campaigns/random.h"
#include "tests/fakes/s3_fixture.h"
#include "tests/unit/cypher/random_graph.h"

enum { DUMPS = 6, SCRIPT_MAX = 16 << 20, NODES = 30, RELS = 40 };
#define KEY "p/neo4j_2026-01-02_03-04-05.cypher.gz"

enum layer { WHOLE, NO_ETAG, NO_SHA256, NO_MANIFEST, LAYERS };

struct dump {
    struct nb_buf script, stored;
    char manifest_whole[1 << 14]; /* with the ETag of the stored object */
    uint64_t nodes, rels;
    uint8_t digest[NB_SHA256_BYTES];
};

static struct dump dumps[DUMPS];
static struct fake_s3 *s3;
static struct s3_client *client;
static struct repo *repo;
static uint64_t refused_n[LAYERS + 1], harmless_n[LAYERS + 1];

/* --- dumps ------------------------------------------------------------------------------------- */

static bool append(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    nb_buf_append(ctx, p, n);
    return nb_buf_check(ctx, err);
}

static bool rows_write(struct cyp_script *s, struct rg *g, struct nb_error *err)
{
    for (int64_t i = 0; i < NODES; i++) {
        struct nb_str labels[3];
        size_t nlabels;
        struct ps_map props;

        nb_arena_reset(g->arena);
        nlabels = rg_labels(g, labels, 2);
        props = rg_props(g, 6);
        if (!cyp_script_node(s, i, labels, nlabels, &props, err))
            return false;
    }
    if (!cyp_script_end_nodes(s, err))
        return false;
    for (int64_t i = 0; i < RELS; i++) {
        int64_t start = rg_between(g, 0, NODES - 1), end = rg_between(g, 0, NODES - 1);
        struct ps_map props;
        struct nb_str type;

        nb_arena_reset(g->arena);
        type = rg_name(g);
        props = rg_props(g, 3);
        if (!cyp_script_rel(s, i, start, end, type, &props, err))
            return false;
    }
    return cyp_script_end_rels(s, err);
}

static bool script_write(struct dump *d, uint64_t seed, struct nb_error *err)
{
    struct cyp_script_opts opts = {
        .digest_content = true, .helper_suffix = "damage", .write = append, .write_ctx = &d->script
    };
    struct cyp_head head = { .database = NB_STR("neo4j"), .tool = NB_STR("campaign") };
    struct cyp_schema index = { .kind = CYP_INDEX,
                                .name = NB_STR("i"),
                                .statement =
                                    NB_STR("CREATE RANGE INDEX `i` FOR (n:`A`) ON (n.`k`)") };
    nb_auto(cyp_script_free) struct cyp_script *s = NULL;
    struct rg g = { .state = seed, .arena = nb_arena_new(SCRIPT_MAX) };
    struct nb_arena *names = nb_arena_new(1 << 20);
    struct cyp_counts counts;
    bool ok;

    rg_names_fix(&g, names, 6);
    ok = cyp_script_new(&opts, &s, err) && cyp_script_head(s, &head, err) &&
         rows_write(s, &g, err) && cyp_script_end_data(s, err) &&
         cyp_script_schema(s, &index, err) && cyp_script_tail(s, err);
    if (ok) {
        cyp_script_counts(s, &counts);
        d->nodes = counts.nodes;
        d->rels = counts.rels;
    }
    nb_arena_free(g.arena);
    nb_arena_free(names);
    return ok;
}

static bool compress(struct dump *d, struct nb_error *err)
{
    struct gz_writer_opts opts = { .level = 6, .block_bytes = 4096 };
    nb_auto(gz_writer_free) struct gz_writer *w = NULL;

    return gz_writer_new(&opts, append, &d->stored, &w, err) &&
           gz_writer_write(w, d->script.data, d->script.len, err) && gz_writer_finish(w, err);
}

static void hex_of(const void *p, size_t n, char out[NB_SHA256_HEX])
{
    uint8_t digest[NB_SHA256_BYTES];

    nb_sha256(p, n, digest);
    nb_hex(digest, sizeof(digest), out);
}

static bool manifest_write(struct dump *d, struct nb_error *err)
{
    nb_auto(repo_manifest_free) struct repo_manifest *m = repo_manifest_new();
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(sizeof(d->manifest_whole) - 1);
    struct repo_object *o = repo_manifest_add_object(m, KEY);
    struct s3_object head;

    fake_s3_put(s3, KEY, d->stored.data, d->stored.len);
    if (!s3_head(client, KEY, NULL, &head, NULL, err))
        return false;
    o->size = d->stored.len;
    hex_of(d->stored.data, d->stored.len, o->sha256);
    memcpy(o->etag, head.etag, sizeof(o->etag));
    hex_of(d->script.data, d->script.len, m->plain_sha256);
    m->plain_bytes = d->script.len;
    m->owner = nb_xstrdup("ns/campaign");
    m->run_id = nb_xstrdup("run-1");
    m->tool_version = nb_xstrdup("0.1.0");
    m->database = nb_xstrdup("neo4j");
    m->server_version = nb_xstrdup("5.26.30");
    m->server_edition = nb_xstrdup("community");
    m->engine = nb_xstrdup("cypher");
    m->compression = nb_xstrdup("gzip");
    m->scheduled_unix_seconds = m->start_unix_seconds = 1767323045;
    m->completion_unix_seconds = 1767323046;
    m->nodes = (int64_t)d->nodes;
    m->relationships = (int64_t)d->rels;
    if (!repo_manifest_format(m, &text, err))
        return false;
    memcpy(d->manifest_whole, text.data, text.len);
    return true;
}

static bool open_all(struct nb_error *err)
{
    struct repo_opts opts = { .prefix = "p", .owner = "ns/campaign" };

    s3 = fake_s3_new();
    client = s3_fixture_client(s3, NULL);
    opts.client = client;
    if (!repo_open(&opts, &repo, err))
        return false;
    for (size_t i = 0; i < DUMPS; i++) {
        nb_buf_init(&dumps[i].script, SCRIPT_MAX);
        nb_buf_init(&dumps[i].stored, SCRIPT_MAX);
        if (!script_write(&dumps[i], i + 1, err) || !compress(&dumps[i], err) ||
            !manifest_write(&dumps[i], err))
            return false;
        nb_sha256(dumps[i].script.data, dumps[i].script.len, dumps[i].digest);
    }
    return true;
}

static void close_all(void)
{
    for (size_t i = 0; i < DUMPS; i++) {
        nb_buf_done(&dumps[i].script);
        nb_buf_done(&dumps[i].stored);
    }
    repo_free(repo);
    s3_client_free(client);
    fake_s3_free(s3);
}

/* --- the first reading, as check_dump in engine/restore.c does it ---------------------------- */

struct pass {
    struct cyp_reader *reader;
    struct eng_idset *ids;
    struct nb_sha256 *hash;
};

static bool on_node(void *ctx, const struct cyp_node_row *row, struct nb_error *err)
{
    bool is_new;

    return eng_idset_add(((struct pass *)ctx)->ids, row->id, &is_new, err) &&
           (is_new || nb_fail(err, NB_E_CORRUPT, "BadDump", "a node twice"));
}

static bool on_rel(void *ctx, const struct cyp_rel_row *row, struct nb_error *err)
{
    const struct pass *p = ctx;

    return (eng_idset_has(p->ids, row->start_id) && eng_idset_has(p->ids, row->end_id)) ||
           nb_fail(err, NB_E_CORRUPT, "BadDump", "an end is missing");
}

static bool on_other(void *ctx, struct nb_str text, struct nb_error *err)
{
    (void)ctx;
    (void)text;
    return nb_fail(err, NB_E_INVALID, "UnsupportedStatement", "none of a dump's");
}

static bool take(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    struct pass *pass = ctx;

    nb_sha256_update(pass->hash, p, n);
    return cyp_reader_feed(pass->reader, p, n, err);
}

static bool first_pass(struct eng_input *in, uint8_t digest[NB_SHA256_BYTES], struct nb_error *err)
{
    struct cyp_reader_opts opts = { .digest_content = true };
    struct cyp_reader_ops ops = { .node = on_node, .rel = on_rel, .other = on_other };
    nb_auto(eng_idset_free) struct eng_idset *ids = eng_idset_new(0);
    nb_auto(nb_sha256_free) struct nb_sha256 *hash = nb_sha256_new();
    struct pass pass = { .ids = ids, .hash = hash };
    nb_auto(cyp_reader_free) struct cyp_reader *reader = cyp_reader_new(&opts, &ops, &pass);
    const struct repo_manifest *m = eng_input_manifest(in);
    struct cyp_counts counts;
    struct cyp_digest sums;

    pass.reader = reader;
    if (!eng_input_read(in, take, &pass, NULL, err) || !cyp_reader_finish(reader, err))
        return false;
    cyp_reader_counts(reader, &counts);
    nb_sha256_final(hash, digest);
    cyp_reader_digest(reader, &sums);
    return !m || (eng_verify_counts(&counts, m, err) && eng_verify_digest(&sums, m, err));
}

/* --- damage ------------------------------------------------------------------------------------ */

static void damage(struct rnd *r, struct nb_buf *b)
{
    size_t at = rnd_below(r, b->len);

    if (rnd_below(r, 4) == 0)
        b->len = at;
    else
        b->data[at] = (char)(b->data[at] ^ (1 << rnd_below(r, 8)));
}

/* What was refused is not told apart: it must only be so, both ways. */
static bool judge(const struct dump *d, struct eng_input *in, const struct repo_manifest *m,
                  unsigned what, struct nb_error *err)
{
    struct eng_verify_opts verify = { .level = REPO_VERIFIED_READBACK };
    struct nb_error why = NB_ERROR_INIT;
    uint8_t digest[NB_SHA256_BYTES];
    bool same;

    if (!first_pass(in, digest, &why)) {
        refused_n[what]++;
        if (why.code == NB_E_INTERNAL)
            return nb_fail(err, NB_E_INTERNAL, "Wrong", "an internal error: %s", why.text);
        nb_error_clear(&why);
        if (m && eng_verify_run(repo, m, &verify, NULL, &why))
            return nb_fail(err, NB_E_INTERNAL, "Wrong", "verified, though a restore refuses it");
        return true;
    }
    same = memcmp(digest, d->digest, sizeof(digest)) == 0;
    harmless_n[what]++;
    return same || nb_fail(err, NB_E_INTERNAL, "Wrong", "another script was taken for the stored");
}

static void layers_take(struct repo_manifest *m, enum layer layer)
{
    if (layer >= NO_ETAG)
        m->objects[0].etag[0] = '\0';
    if (layer >= NO_SHA256)
        m->objects[0].sha256[0] = m->plain_sha256[0] = '\0';
}

static bool dump_damaged(struct rnd *r, const struct dump *d, struct nb_error *err)
{
    enum layer layer = (enum layer)rnd_below(r, LAYERS);
    nb_auto_done(nb_buf_done) struct nb_buf bytes = NB_BUF_INIT(SCRIPT_MAX);
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    nb_auto(eng_input_close) struct eng_input *in = NULL;

    nb_buf_append(&bytes, d->stored.data, d->stored.len);
    damage(r, &bytes);
    fake_s3_put(s3, KEY, bytes.data, bytes.len);
    if (layer == NO_MANIFEST)
        return eng_input_open_object(repo, KEY, NULL, &in, err) && judge(d, in, NULL, layer, err);
    if (!repo_manifest_parse(d->manifest_whole, strlen(d->manifest_whole), &m, err))
        return false;
    layers_take(m, layer);
    return eng_input_open_manifest(repo, m, &in, err) && judge(d, in, m, layer, err);
}

static bool manifest_damaged(struct rnd *r, const struct dump *d, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(SCRIPT_MAX);
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    nb_auto(eng_input_close) struct eng_input *in = NULL;
    struct nb_error why = NB_ERROR_INIT;

    nb_buf_puts(&text, d->manifest_whole);
    damage(r, &text);
    fake_s3_put(s3, KEY, d->stored.data, d->stored.len);
    if (!repo_manifest_parse(text.data, text.len, &m, &why) ||
        !eng_input_open_manifest(repo, m, &in, &why)) {
        refused_n[LAYERS]++;
        return true;
    }
    return judge(d, in, NULL, LAYERS, err);
}

static bool run(uint64_t number, struct nb_error *err)
{
    struct rnd r = rnd_of_case(number);
    const struct dump *d = &dumps[rnd_below(&r, DUMPS)];

    return rnd_below(&r, 4) ? dump_damaged(&r, d, err) : manifest_damaged(&r, d, err);
}

static const char *remarks(void)
{
    static const char *const names[] = { "whole manifest", "no ETag", "no SHA-256", "no manifest",
                                         "manifest damaged" };
    static char text[400];
    size_t n = 0;

    for (unsigned i = 0; i <= LAYERS; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s: %llu refused, %llu harmless",
                              i ? "; " : "", names[i], (unsigned long long)refused_n[i],
                              (unsigned long long)harmless_n[i]);
    return text;
}

const struct campaign campaign = { .name = "damage",
                                   .slice = 400,
                                   .open = open_all,
                                   .close = close_all,
                                   .run = run,
                                   .remarks = remarks };
