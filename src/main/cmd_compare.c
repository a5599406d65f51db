#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/compare.h"
#include "main/command.h"
#include "main/connect.h"
#include "main/encryption.h"

enum { JSON_MAX = 16 << 20 };

/* A or B, and all that is open for its sake. */
struct operand {
    const char *text;
    char *database; /* NULL: the home database */
    struct neo4j_settings neo4j;
    struct eng_source_opts source;
    struct repo_manifest *manifest;
    struct eng_input *input;
    struct eng_graph graph;
};

struct compare {
    struct context *c;
    struct operand operands[2];
    struct bucket bucket;
    bool json;
    enum eng_difference last;
    bool any;
    struct nb_buf out;
    struct nb_jw w;
};

static void on_waiting(void *ctx, const struct nb_error *why)
{
    (void)ctx;
    nb_log_error(NB_LOG_WARN, "trying again", why);
}

static void on_reading(void *ctx, const char *name)
{
    (void)ctx;
    nb_log(NB_LOG_INFO, "reading", NB_F_STR("graph", name), NB_F_END);
}

/* --- what is compared ------------------------------------------------------------------------- */

/* "word" or "word:rest". */
static bool is_word(const char *text, const char *word, const char **ret_rest)
{
    size_t n = strlen(word);

    if (strncmp(text, word, n) != 0 || (text[n] && text[n] != ':'))
        return false;
    *ret_rest = text[n] ? text + n + 1 : NULL;
    return true;
}

static bool open_database(struct compare *k, struct operand *x, const char *name, bool other,
                          struct nb_error *err)
{
    const struct options *o = k->c->options;

    if (!(other ? neo4j_settings_load_other(o, &x->neo4j, err)
                : neo4j_settings_load(o, k->c->cancel, &x->neo4j, err)))
        return false;
    if (!name && !other)
        name = opt_text(o, OPT_NEO4J_DATABASE);
    x->database = nb_xstrdup_null(name);
    x->source = (struct eng_source_opts){
        .bolt = x->neo4j.bolt,
        .database = x->database,
        .retry_window_ms = opt_int(o, OPT_BACKUP_RETRY_WINDOW_SECONDS, 0) * 1000,
        .cancel = k->c->cancel,
        .on_wait = on_waiting,
    };
    x->graph.database = &x->source;
    return true;
}

/* As restore finds it: with its manifest, else as the object it is. */
static bool open_key(struct compare *k, struct operand *x, struct nb_error *err)
{
    struct bucket_hooks hooks = { NULL, NULL, false };
    char manifest_key[REPO_KEY_MAX + 1];

    if (!k->bucket.repo && !bucket_open(k->c->options, &hooks, k->c->cancel, &k->bucket, err))
        return false;
    if (repo_manifest_get(k->bucket.repo, x->text, k->c->cancel, &x->manifest, manifest_key, err))
        return eng_input_open_manifest(k->bucket.repo, x->manifest, &x->input, err);
    if (nb_ends_with(x->text, ".manifest.json") ||
        !(nb_streq(err->reason, "NoBackup") || nb_streq(err->reason, "InvalidName")))
        return false;
    nb_error_clear(err);
    return eng_input_open_object(k->bucket.repo, x->text, k->c->cancel, &x->input, err);
}

static bool open_file(struct compare *k, struct operand *x, const char *path, struct nb_error *err)
{
    nb_auto_done(repo_trust_done) struct repo_trust trust = { .signs = false };

    return eng_input_open_file(path, &x->input, err) &&
           trust_load(k->c->options, k->c->cancel, &trust, err) &&
           eng_input_check_trust(x->input, &trust, err);
}

static bool open_operand(struct compare *k, struct operand *x, const struct age_keys *keys,
                         struct nb_error *err)
{
    const char *rest;

    x->graph = (struct eng_graph){ .name = x->text, .cancel = k->c->cancel };
    if (is_word(x->text, "database", &rest))
        return open_database(k, x, rest, false, err);
    if (is_word(x->text, "other", &rest))
        return open_database(k, x, rest, true, err);
    if (!(is_word(x->text, "file", &rest) && rest ? open_file(k, x, rest, err)
                                                  : open_key(k, x, err)) ||
        !eng_input_unlock(x->input, keys, k->c->cancel, err))
        return false;
    x->graph.dump = x->input;
    return true;
}

static void close_operand(struct operand *x)
{
    eng_input_close(x->input);
    repo_manifest_free(x->manifest);
    free(x->database);
    neo4j_settings_done(&x->neo4j);
}

/* --- what is told ----------------------------------------------------------------------------- */

static const char *title(enum eng_difference what)
{
    static const char *const titles[] = {
        [ENG_DIFFERENT_SCHEMA] = "constraints and indexes",
        [ENG_DIFFERENT_NODES] = "nodes by labels",
        [ENG_DIFFERENT_RELS] = "relationships by type",
        [ENG_EXAMPLE_NODE] = "examples of nodes",
        [ENG_EXAMPLE_REL] = "examples of relationships",
    };

    return titles[what];
}

static void on_difference(void *ctx, enum eng_difference what, char only_in, const char *text)
{
    struct compare *k = ctx;
    char side[2] = { only_in, '\0' };

    if (k->json) {
        nb_jw_object(&k->w);
        nb_jw_kv_str(&k->w, "what", eng_difference_name(what));
        nb_jw_kv_str(&k->w, "moreIn", only_in ? side : NULL);
        nb_jw_kv_str(&k->w, "text", text);
        nb_jw_object_end(&k->w);
        return;
    }
    if (!k->any || k->last != what)
        out_printf("%s:\n", title(what));
    k->any = true;
    k->last = what;
    if (only_in)
        out_printf("    more in %s: %s\n", side, text);
    else
        out_printf("    %s\n", text);
}

static void print_sides(const struct compare *k, const struct eng_compare_result *r)
{
    out_printf(r->equal ? "equal\n" : "different\n");
    for (int i = 0; i < 2; i++) {
        out_printf("    %c: '%s': %llu nodes, %llu relationships\n", 'A' + i, k->operands[i].text,
                   (unsigned long long)r->nodes[i], (unsigned long long)r->rels[i]);
        if (r->written[i])
            out_printf("    %c was written to while it was read\n", 'A' + i);
    }
}

static void format_sides(struct compare *k, const struct eng_compare_result *r)
{
    nb_jw_array_end(&k->w);
    nb_jw_kv_bool(&k->w, "equal", r->equal);
    for (int i = 0; i < 2; i++) {
        nb_jw_key(&k->w, i == 0 ? "a" : "b");
        nb_jw_object(&k->w);
        nb_jw_kv_str(&k->w, "name", k->operands[i].text);
        nb_jw_kv_i64(&k->w, "nodes", (int64_t)r->nodes[i]);
        nb_jw_kv_i64(&k->w, "relationships", (int64_t)r->rels[i]);
        nb_jw_kv_bool(&k->w, "writtenToMeanwhile", r->written[i]);
        nb_jw_object_end(&k->w);
    }
    nb_jw_object_end(&k->w);
    nb_buf_putc(&k->out, '\n');
}

static bool compare(struct compare *k, struct nb_error *err)
{
    struct eng_compare_result result;
    struct eng_compare_opts opts = {
        .a = &k->operands[0].graph,
        .b = &k->operands[1].graph,
        .tell = on_difference,
        .reading = on_reading,
        .ctx = k,
    };

    if (k->json) {
        nb_jw_object(&k->w);
        nb_jw_key(&k->w, "differences");
        nb_jw_array(&k->w);
    }
    if (!eng_compare_run(&opts, &result, err))
        return false;
    if (k->json) {
        format_sides(k, &result);
        if (!nb_buf_check(&k->out, err))
            return false;
        out_buf(&k->out);
    } else {
        print_sides(k, &result);
    }
    if (!result.equal)
        report_set_exit(&k->c->report, EXIT_DIFFERENT, "the two are not the same");
    return out_finish(err);
}

static bool run(struct compare *k, struct nb_error *err)
{
    nb_auto(age_keys_free) struct age_keys *keys = NULL;
    size_t n;
    const char *const *args = options_args(k->c->options, &n);

    if (n != 2)
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                       "'compare' takes two arguments, not %zu; hint: each is database[:NAME], "
                       "other[:NAME], file:PATH or the key of a backup",
                       n);
    if (!identities_load(k->c->options, k->c->cancel, &keys, err))
        return false;
    for (size_t i = 0; i < 2; i++) {
        k->operands[i].text = args[i];
        if (!open_operand(k, &k->operands[i], keys, err))
            return false;
    }
    return compare(k, err);
}

bool cmd_compare(struct context *c, struct nb_error *err)
{
    struct compare k = {
        .c = c,
        .json = opt_bool(c->options, OPT_JSON),
        .out = NB_BUF_INIT(JSON_MAX),
    };
    bool ok;

    for (size_t i = 0; i < 2; i++)
        k.operands[i].neo4j = (struct neo4j_settings){ .bolt = BOLT_CONN_OPTS_INIT };
    k.w = (struct nb_jw)NB_JW_INIT(&k.out);
    ok = run(&k, err);
    for (size_t i = 0; i < 2; i++)
        close_operand(&k.operands[i]);
    bucket_close(&k.bucket);
    nb_buf_done(&k.out);
    return ok;
}
