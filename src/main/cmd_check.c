#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/source.h"
#include "main/command.h"
#include "main/connect.h"
#include "s3/list.h"

enum { LINES_MAX = 16, JSON_MAX = 64 << 10, PROBE_BYTES = 8 };

struct line {
    const char *what;
    bool ok;
    bool skipped; /* what it needs has failed */
    char detail[NB_TEXT_MAX];
};

struct check {
    struct context *c;
    struct line lines[LINES_MAX];
    size_t n;
    struct nb_error first; /* that failed */
    bool failed;
};

static struct line *add(struct check *k, const char *what, bool ok)
{
    struct line *l = &k->lines[k->n++];

    *l = (struct line){ .what = what, .ok = ok };
    return l;
}

static void pass(struct check *k, const char *what, const char *fmt, ...) NB_PRINTF(3, 4);
static void pass(struct check *k, const char *what, const char *fmt, ...)
{
    struct line *l = add(k, what, true);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(l->detail, sizeof(l->detail), fmt, ap);
    va_end(ap);
}

/* False, so that a row of steps ends. */
static bool flunk(struct check *k, const char *what, struct nb_error *err)
{
    struct line *l = add(k, what, false);

    options_hide(k->c->options, err);
    exit_explain(exit_of(err), err);
    snprintf(l->detail, sizeof(l->detail), "%s", err->text);
    if (!k->failed)
        k->first = *err;
    k->failed = true;
    return false;
}

static void skip(struct check *k, const char *what)
{
    add(k, what, false)->skipped = true;
}

/* --- Neo4j ------------------------------------------------------------------------------------ */

static bool count_schema(void *ctx, const struct eng_schema_item *item, struct nb_error *err)
{
    (void)item;
    (void)err;
    ++*(unsigned *)ctx;
    return true;
}

static bool check_reading(struct check *k, struct eng_source *source)
{
    struct nb_error error = NB_ERROR_INIT;
    uint64_t nodes, rels;
    unsigned items = 0;
    bool apoc;

    if (!eng_source_counts(source, &nodes, &rels, &error))
        return flunk(k, "neo4j read", &error);
    pass(k, "neo4j read", "%llu nodes, %llu relationships", (unsigned long long)nodes,
         (unsigned long long)rels);
    if (!eng_source_schema(source, count_schema, &items, &error))
        return flunk(k, "neo4j schema", &error);
    pass(k, "neo4j schema", "%u constraints and indexes", items);
    if (!eng_source_has_procedure(source, "apoc.export.cypher.all", &apoc, &error))
        return flunk(k, "neo4j apoc", &error);
    pass(k, "neo4j apoc",
         apoc ? "there; needed for the engine Apoc only"
              : "not there; needed for the engine Apoc only");
    return true;
}

static void check_neo4j(struct check *k)
{
    const struct options *o = k->c->options;
    nb_auto_done(neo4j_settings_done) struct neo4j_settings settings = { .bolt =
                                                                             BOLT_CONN_OPTS_INIT };
    nb_auto(eng_source_close) struct eng_source *source = NULL;
    struct nb_error error = NB_ERROR_INIT;
    struct eng_source_opts opts = { .database = opt_text(o, OPT_NEO4J_DATABASE),
                                    .cancel = k->c->cancel };
    const struct eng_server *server;

    if (!neo4j_settings_load(o, k->c->cancel, &settings, &error)) {
        flunk(k, "neo4j settings", &error);
        skip(k, "neo4j connection");
        skip(k, "neo4j read");
        return;
    }
    opts.bolt = settings.bolt;
    if (!eng_source_open(&opts, &source, &error)) {
        flunk(k, "neo4j connection", &error);
        skip(k, "neo4j read");
        return;
    }
    server = eng_source_server(source);
    pass(k, "neo4j connection", "%s: Neo4j %s %s, database '%s'", opt_text(o, OPT_NEO4J_URI),
         server->version, server->edition, server->database);
    check_reading(k, source);
}

/* --- the bucket ------------------------------------------------------------------------------- */

static bool no_entry(void *ctx, const struct s3_list_entry *e, struct nb_error *err)
{
    (void)ctx;
    (void)e;
    (void)err;
    return true;
}

/* A small object under the prefix, written, read and deleted again: what a backup and its
 * retention do. */
static bool check_probe(struct check *k, const struct bucket *b)
{
    const struct nb_cancel *cancel = k->c->cancel;
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(4096);
    struct nb_error error = NB_ERROR_INIT;
    uint8_t random[PROBE_BYTES];
    char hex[2 * PROBE_BYTES + 1], key[S3_KEY_MAX + 1];
    bool ok;

    nb_random_bytes(random, sizeof(random));
    nb_hex(random, sizeof(random), hex);
    snprintf(key, sizeof(key), "%s%scheck-%s.probe", repo_prefix(b->repo),
             repo_prefix(b->repo)[0] ? "/" : "", hex);
    if (!s3_put(b->client, key, hex, strlen(hex), NULL, cancel, NULL, &error))
        return flunk(k, "bucket write", &error);
    pass(k, "bucket write", "'%s'", key);
    ok = s3_get_buf(b->client, key, &body, cancel, NULL, &error);
    if (ok && !nb_str_is(nb_buf_str(&body), hex))
        ok =
            nb_fail(&error, NB_E_CORRUPT, "VerificationFailed", "'%s' reads back differently", key);
    if (ok)
        pass(k, "bucket read", "the same bytes");
    else
        flunk(k, "bucket read", &error);
    nb_error_clear(&error);
    if (!s3_delete(b->client, key, cancel, &error))
        return flunk(k, "bucket delete", &error);
    pass(k, "bucket delete", "retention can work");
    return true;
}

static void check_bucket(struct check *k)
{
    nb_auto_done(bucket_close) struct bucket b = { NULL, NULL };
    struct bucket_hooks hooks = { .quick = true };
    struct s3_list_opts list = { .page_size = 1, .max_entries = 1 };
    struct nb_error error = NB_ERROR_INIT;
    bool complete;

    if (!bucket_open(k->c->options, &hooks, k->c->cancel, &b, &error)) {
        flunk(k, "bucket settings", &error);
        skip(k, "bucket connection");
        skip(k, "bucket write");
        return;
    }
    list.prefix = repo_prefix(b.repo);
    if (!s3_list(b.client, &list, no_entry, NULL, k->c->cancel, &complete, &error)) {
        flunk(k, "bucket list", &error);
        if (nb_streq(error.reason, "BucketNotFound") || nb_error_is_transient(&error)) {
            skip(k, "bucket write");
            return;
        }
    } else {
        pass(k, "bucket list", "'%s' at %s", s3_client_bucket(b.client),
             s3_client_endpoint(b.client));
    }
    check_probe(k, &b);
}

/* --- output ----------------------------------------------------------------------------------- */

static void print_lines(const struct check *k)
{
    for (size_t i = 0; i < k->n; i++) {
        const struct line *l = &k->lines[i];

        out_printf("%-4s  %-16s  %s\n",
                   l->ok        ? "ok"
                   : l->skipped ? "-"
                                : "FAIL",
                   l->what, l->skipped ? "not looked at" : l->detail);
    }
}

static void print_json(const struct check *k)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(JSON_MAX);
    struct nb_jw w = NB_JW_INIT(&text);

    nb_jw_object(&w);
    nb_jw_kv_bool(&w, "ok", !k->failed);
    nb_jw_key(&w, "checks");
    nb_jw_array(&w);
    for (size_t i = 0; i < k->n; i++) {
        const struct line *l = &k->lines[i];

        nb_jw_object(&w);
        nb_jw_kv_str(&w, "check", l->what);
        nb_jw_kv_str(&w, "result", l->ok ? "ok" : l->skipped ? "skipped" : "fail");
        if (!l->skipped)
            nb_jw_kv_str(&w, "detail", l->detail);
        nb_jw_object_end(&w);
    }
    nb_jw_array_end(&w);
    nb_jw_object_end(&w);
    nb_buf_putc(&text, '\n');
    out_buf(&text);
}

bool cmd_check(struct context *c, struct nb_error *err)
{
    struct check k = { .c = c, .first = NB_ERROR_INIT };

    check_neo4j(&k);
    check_bucket(&k);
    if (opt_bool(c->options, OPT_JSON))
        print_json(&k);
    else
        print_lines(&k);
    if (!out_finish(err))
        return false;
    if (k.failed)
        *err = k.first;
    return !k.failed;
}
