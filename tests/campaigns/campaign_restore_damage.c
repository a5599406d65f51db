/*
 * The whole command `restore`, with a stored dump, chunk or manifest of which one bit is turned round, or the
 * end is missing, or two bytes have changed places, or another backup's bytes stand there, or something stands behind it.
 * Either the command fails before the first query that writes, with a reason of its own, or the
 * target gets the very queries that the whole backup gives it: a bit in a gzip header's time harms nothing. A fake
 * server counts what is written and takes a hash of it.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* src/main is no part of the library. */
#include "engine/backup.h"
#include "main/bar.c"
#include "main/cmd_restore.c"
#include "main/connect.c"
#include "main/encryption.c"
#include "main/exit_codes.c"
#include "main/options.c"
#include "main/options_table.c"
#include "main/report.c"
#include "main/safety.c"
#include "main/secret_dir.c"
#include "main/waiting.c"

#include "base/clock.h"
#include "base/file.h"
#include "tests/campaigns/campaign.h"
#include "tests/campaigns/random.h"
#include "tests/fakes/fake_graph.h"
#include "tests/fakes/fake_target.h"
#include "tests/fakes/s3_fixture.h"

enum {
    PARTS_MAX = 64,
    PART_MAX_BYTES = 1 << 20,
    NODES = 300,
    RELS = 200,
    CHUNK_BYTES = 2 << 10,
    ENV_MAX = 24,
    APART_SECONDS = 10,
    AROUND_BYTES = 24,
    REMARKS_BYTES = 1000,
};

#define IDENTITY  "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0"
#define RECIPIENT "age1xmwwc06ly3ee5rytxm9mflaz2u56jjj36s0mypdrwsvlul66mv4q47ryef"
#define SIGNING                                                                                    \
    "-----BEGIN PRIVATE KEY-----\n"                                                                \
    "MC4CAQAwBQYDK2VwBCIEIIsXytV6Y5kM5wbj17XGzD75JvyXWOjy7Yo6X/Vz/Lwf\n"                           \
    "-----END PRIVATE KEY-----\n"
#define SIGNED_BY "MCowBQYDK2VwAyEAZonFwJsFYx2aZKLG6ZIbd/5eG+EVy2Gj3QKsdh0/HF0="

enum kind { GZIP, PLAIN, ENCRYPTED, CHAIN, SIGNED, A_FILE, NO_MANIFEST, KINDS };
static const char *const kind_names[KINDS] = { "gzip",   "plain", "encrypted",  "chunks",
                                               "signed", "file",  "no manifest" };
static const char *const policies[] = { "Fail", "Merge", "Wipe" };

/* An object, or a file. */
struct part {
    char *key;
    struct nb_buf bytes;
};

/* A backup, all that a restore reads of it, and another of the same database before it. */
struct store {
    enum kind kind;
    char prefix[8];
    struct part parts[PARTS_MAX]; /* the first is the manifest, where there is one */
    size_t parts_n;
    struct nb_buf earlier; /* the other's dump, or a chunk that is not in this one */
    uint64_t content[NB_ARRAY_LEN(policies)], earlier_content[NB_ARRAY_LEN(policies)];
};

static struct store stores[KINDS];
static struct fake_s3 *s3;
static struct s3_client *client;
static char dir[] = "/tmp/restore-damage-XXXXXX";
static char *identity_path;
static uint64_t refused_n[KINDS], harmless_n[KINDS], other_n;

/* --- backups ----------------------------------------------------------------------------------- */

struct way { /* how a backup is made */
    struct age_recipient recipient;
    struct age_writer_opts age;
    struct repo_trust trust;
    char *output; /* NULL: into the bucket */
};

static bool way_of(const struct store *s, unsigned run, struct way *ret, struct nb_error *err)
{
    *ret = (struct way){ .output = NULL };
    if (!age_recipient_parse(RECIPIENT, &ret->recipient, err))
        return false;
    ret->age = (struct age_writer_opts){ .recipients = &ret->recipient, .recipients_n = 1 };
    if (s->kind == A_FILE)
        ret->output = nb_xasprintf("%s/%u.cypher.gz", dir, run);
    return s->kind != SIGNED || repo_trust_set_signer(&ret->trust, NB_STR(SIGNING), err);
}

static bool back_up(const struct store *s, struct fake_graph *g, unsigned run,
                    struct eng_backup_result *ret, struct nb_error *err)
{
    struct repo_opts repo_opts = {
        .client = client, .prefix = s->prefix, .owner = "me", .run_id = run ? "later" : "earlier"
    };
    nb_auto(repo_free) struct repo *repo = NULL;
    struct way way;
    struct eng_backup_opts opts = { .neo4j = BOLT_CONN_OPTS_INIT,
                                    .owner = "me",
                                    .gzip_level = s->kind == PLAIN ? 0 : 6,
                                    .gzip_threads = 1,
                                    .incremental = s->kind == CHAIN,
                                    .chunk_bytes = CHUNK_BYTES,
                                    /* Of one that cannot be read only this is known, and it is
                                     * later than the beginning of the one before. */
                                    .scheduled_unix_seconds =
                                        nb_clock_unix_seconds() + (int64_t)run * APART_SECONDS };
    bool ok;

    if (!way_of(s, run, &way, err))
        return false;
    opts.neo4j.uri = fake_graph_uri(g);
    opts.encryption = s->kind == ENCRYPTED ? &way.age : NULL;
    opts.output = way.output;
    repo_opts.trust = &way.trust;
    ok = repo_open(&repo_opts, &repo, err);
    opts.repo = way.output ? NULL : repo;
    ok = ok && eng_backup_run(&opts, ret, err);
    repo_trust_done(&way.trust);
    free(way.output);
    return ok;
}

static bool part_add(struct store *s, const char *key, struct nb_error *err)
{
    struct part *p = &s->parts[s->parts_n];

    if (s->parts_n == PARTS_MAX)
        return nb_fail(err, NB_E_INTERNAL, "TooMany", "more than %d objects", PARTS_MAX);
    s->parts_n++;
    p->key = nb_xstrdup(key);
    nb_buf_init(&p->bytes, PART_MAX_BYTES);
    if (s->kind == A_FILE)
        return nb_file_read(key, &p->bytes, err);
    return fake_s3_get(s3, key, &p->bytes) ||
           nb_fail(err, NB_E_INTERNAL, "NoObject", "'%s' is not there", key);
}

static bool parts_take(struct store *s, const struct eng_backup_result *made, struct nb_error *err)
{
    if (s->kind == NO_MANIFEST) {
        fake_s3_delete(s3, made->manifest_key);
        return part_add(s, made->key, err);
    }
    if (!part_add(s, made->manifest_key, err))
        return false;
    if (s->kind == A_FILE)
        return part_add(s, made->key, err);
    for (size_t i = 0; i < made->manifest->objects_n; i++) {
        if (!part_add(s, made->manifest->objects[i].key, err))
            return false;
    }
    return s->kind != CHAIN || s->parts_n > 4 ||
           nb_fail(err, NB_E_INTERNAL, "TooFew", "the dump is not cut into chunks");
}

static bool earlier_take(struct store *s, const struct eng_backup_result *made,
                         struct nb_error *err)
{
    nb_buf_init(&s->earlier, PART_MAX_BYTES);
    if (s->kind == A_FILE)
        return nb_file_read(made->key, &s->earlier, err);
    return fake_s3_get(s3, made->manifest->objects[made->manifest->objects_n / 2].key,
                       &s->earlier) ||
           nb_fail(err, NB_E_INTERNAL, "NoObject", "the backup before is not there");
}

static struct fake_graph *graph_make(unsigned run)
{
    struct fake_graph *g = fake_graph_new();

    for (int64_t i = 0; i < NODES; i++) /* the later one has other values in its first half */
        fake_graph_add_node(g, i % 3 ? 'A' : 'B', i, run && i < NODES / 2 ? -i : i * 7919);
    for (int64_t i = 0; i < RELS; i++)
        fake_graph_add_rel(g, i % NODES, (i * 7 + 1) % NODES, i);
    if (run) /* else nothing would have been committed since */
        fake_graph_touch(g);
    fake_graph_set_start(g, INT64_C(1759000000000));
    fake_graph_start(g, NULL, NULL);
    return g;
}

static bool store_run(struct store *s, unsigned run, struct nb_error *err)
{
    nb_auto_done(eng_backup_result_done) struct eng_backup_result made = { NULL };
    struct fake_graph *g = graph_make(run);
    bool ok = back_up(s, g, run, &made, err) &&
              (run == 0 ? earlier_take(s, &made, err) : parts_take(s, &made, err));

    fake_graph_free(g);
    return ok;
}

/* --- one restore ------------------------------------------------------------------------------- */

struct outcome {
    bool done, told; /* told: of a newer backup that was passed over */
    struct nb_error why;
    struct fake_target_counts counts;
};

struct env {
    char *items[ENV_MAX + 1];
    size_t n;
};

static void env_add(struct env *e, const char *name, const char *value)
{
    if (e->n < ENV_MAX)
        e->items[e->n++] = nb_xasprintf("%s=%s", name, value);
}

static void env_done(struct env *e)
{
    for (size_t i = 0; i < e->n; i++)
        free(e->items[i]);
}

static void env_from_bucket(struct env *e, const struct store *s, bool newest)
{
    env_add(e, "R2_ENDPOINT", fake_s3_endpoint(s3));
    env_add(e, "R2_FORCE_PATH_STYLE", "true");
    env_add(e, "R2_BUCKET_NAME", FAKE_S3_BUCKET);
    env_add(e, "R2_ACCESS_KEY_ID", FAKE_S3_KEY_ID);
    env_add(e, "R2_SECRET_ACCESS_KEY", FAKE_S3_SECRET);
    env_add(e, "BACKUP_PREFIX", s->prefix);
    if (!newest)
        env_add(e, "RESTORE_KEYS", s->parts[0].key);
}

static struct env env_make(const struct store *s, const char *policy, bool newest, const char *uri)
{
    struct env e = { .n = 0 };

    env_add(&e, "NEO4J_URI", uri);
    env_add(&e, "NEO4J_AUTH", "none");
    env_add(&e, "BACKUP_OWNER", "me");
    env_add(&e, "BACKUP_RETRY_WINDOW_SECONDS", "0");
    env_add(&e, "RESTORE_PARALLELISM", "1"); /* so that the same is the same */
    env_add(&e, "RESTORE_OVERWRITE_POLICY", policy);
    env_add(&e, "RESTORE_CONFIRM", "neo4j");
    env_add(&e, "RESTORE_SAFETY_BACKUP", "None");
    if (s->kind == A_FILE)
        env_add(&e, "RESTORE_INPUT", s->parts[1].key);
    else
        env_from_bucket(&e, s, newest);
    if (s->kind == ENCRYPTED)
        env_add(&e, "BACKUP_AGE_IDENTITY_FILE", identity_path);
    if (s->kind == SIGNED)
        env_add(&e, "BACKUP_VERIFY_KEY", SIGNED_BY);
    return e;
}

static bool restore_run(const struct store *s, const char *policy, bool newest, struct outcome *ret,
                        struct nb_error *err)
{
    static const char *const databases[] = { "neo4j", NULL };
    struct fake_target *target = fake_target_start(databases);
    struct env env = env_make(s, policy, newest, fake_target_uri(target));
    struct context c = { .options = NULL };
    struct options *o = NULL;
    bool help, ok;

    *ret = (struct outcome){ .why = NB_ERROR_INIT };
    ok = options_load(CMD_RESTORE, "restore", 0, NULL, env.items, &o, &help, err);
    if (ok) {
        c.options = o;
        report_init(&c.report);
        ret->done = cmd_restore(&c, &ret->why);
        ret->told = strstr(c.report.message, "was passed over") != NULL;
        ret->counts = fake_target_counts(target, databases[0]);
        report_done(&c.report);
    }
    options_free(o);
    env_done(&env);
    fake_target_free(target);
    return ok;
}

/* --- what is right ----------------------------------------------------------------------------- */

static bool part_store(const struct store *s, const struct part *p, const struct nb_buf *bytes,
                       struct nb_error *err)
{
    if (s->kind == A_FILE)
        return nb_file_write_atomic(p->key, bytes->data, bytes->len, 0600, err);
    fake_s3_put(s3, p->key, bytes->data, bytes->len);
    return true;
}

/* The whole backup restores, and each time to the same. */
static bool store_learn(struct store *s, uint64_t ret[NB_ARRAY_LEN(policies)], struct nb_error *err)
{
    for (size_t i = 0; i < NB_ARRAY_LEN(policies); i++) {
        struct outcome first, again;

        if (!restore_run(s, policies[i], false, &first, err) ||
            !restore_run(s, policies[i], s->kind != NO_MANIFEST, &again, err))
            return false;
        if (!first.done || !again.done || first.counts.nodes != NODES ||
            first.counts.rels != RELS || first.counts.schema == 0 ||
            first.counts.content != again.counts.content)
            return nb_fail(err, NB_E_INTERNAL, "Wrong", "%s, %s: the whole backup: %s%s",
                           kind_names[s->kind], policies[i], first.why.text, again.why.text);
        ret[i] = first.counts.content;
    }
    return true;
}

/* Where the newest cannot be had, a restore of the newest takes the one before, and tells. */
static bool store_learn_earlier(struct store *s, struct nb_error *err)
{
    struct nb_buf nothing = NB_BUF_INIT(1);
    struct part manifest = s->parts[0];

    if (s->kind == A_FILE || s->kind == NO_MANIFEST)
        return true;
    for (size_t i = 0; i < NB_ARRAY_LEN(policies); i++) {
        struct outcome o;

        if (!part_store(s, &manifest, &nothing, err) ||
            !restore_run(s, policies[i], true, &o, err) ||
            !part_store(s, &manifest, &manifest.bytes, err))
            return false;
        if (!o.done || !o.told || o.counts.content == s->content[i])
            return nb_fail(err, NB_E_INTERNAL, "Wrong", "%s: the backup before: %s",
                           kind_names[s->kind], o.why.text);
        s->earlier_content[i] = o.counts.content;
    }
    return true;
}

static bool open_all(struct nb_error *err)
{
    nb_log_setup(NB_LOG_ERROR, NB_LOG_JSON, open("/dev/null", O_WRONLY | O_CLOEXEC));
    s3 = fake_s3_new();
    client = s3_fixture_client(s3, NULL);
    if (!mkdtemp(dir))
        return nb_fail(err, NB_E_INTERNAL, "NoDirectory", "no directory for files");
    identity_path = nb_xasprintf("%s/identity", dir);
    if (!nb_file_write_atomic(identity_path, IDENTITY "\n", sizeof(IDENTITY), 0600, err))
        return false;
    for (unsigned k = 0; k < KINDS; k++) {
        struct store *s = &stores[k];

        s->kind = (enum kind)k;
        snprintf(s->prefix, sizeof(s->prefix), "k%u", k);
        if (!store_run(s, 0, err) || !store_run(s, 1, err) || !store_learn(s, s->content, err) ||
            !store_learn_earlier(s, err))
            return nb_wrap(err, "%s", kind_names[k]);
    }
    return true;
}

static void close_all(void)
{
    for (unsigned k = 0; k < KINDS; k++) {
        for (size_t i = 0; i < stores[k].parts_n; i++) {
            if (k == A_FILE)
                unlink(stores[k].parts[i].key);
            nb_buf_done(&stores[k].parts[i].bytes);
            free(stores[k].parts[i].key);
        }
        nb_buf_done(&stores[k].earlier);
    }
    unlink(identity_path);
    free(identity_path);
    rmdir(dir);
    s3_client_free(client);
    fake_s3_free(s3);
}

/* --- damage ------------------------------------------------------------------------------------ */

enum damage_kind { FLIP, CUT, SWAP, OTHER, LONGER };
static const char *const damage_names[] = { "a bit turned round", "cut", "two bytes swapped",
                                            "other bytes", "made longer" };
/* Times and keys are of the run and not of the case: it is told what was done. */
struct damage {
    enum damage_kind kind;
    size_t at;
};

static enum damage_kind damage_choose(struct rnd *r, const struct store *s)
{
    uint64_t of_20 = rnd_below(r, 20);

    if (of_20 < 12)
        return FLIP;
    if (of_20 < 15)
        return CUT;
    if (of_20 < 17)
        return SWAP;
    /* Without a manifest nothing tells one whole dump from another. */
    return of_20 < 19 && s->kind != NO_MANIFEST ? OTHER : LONGER;
}

static void bytes_swap(struct rnd *r, struct nb_buf *b, size_t at)
{
    size_t other = at;
    char c = b->data[at];

    while (b->data[other] == c)
        other = rnd_below(r, b->len);
    b->data[at] = b->data[other];
    b->data[other] = c;
}

static void other_put(struct rnd *r, const struct store *s, const struct part *p, struct nb_buf *b)
{
    const struct part *other = &s->parts[rnd_below(r, s->parts_n)];

    nb_buf_clear(b);
    if (other == p)
        nb_buf_append(b, s->earlier.data, s->earlier.len);
    else
        nb_buf_append(b, other->bytes.data, other->bytes.len);
}

static struct damage damage_do(struct rnd *r, const struct store *s, const struct part *p,
                               struct nb_buf *b)
{
    struct damage d = { damage_choose(r, s), rnd_below(r, b->len) };

    switch (d.kind) {
    case FLIP:
        b->data[d.at] = (char)(b->data[d.at] ^ (1 << rnd_below(r, 8)));
        break;
    case CUT:
        b->len = d.at;
        break;
    case SWAP:
        bytes_swap(r, b, d.at);
        break;
    case OTHER:
        other_put(r, s, p, b);
        break;
    case LONGER:
        nb_buf_append(b, p->bytes.data + d.at, b->len - d.at);
        break;
    }
    return d;
}

/* --- the verdict ------------------------------------------------------------------------------- */

static bool fail_case(struct nb_error *err, const char *what, const struct outcome *o)
{
    return nb_fail(err, NB_E_INTERNAL, "Wrong", "%s: %s (%s), %lld writes", what, o->why.reason,
                   o->why.text, (long long)o->counts.writes);
}

static bool judge(const struct store *s, size_t policy, bool newest, const struct outcome *o,
                  struct nb_error *err)
{
    if (!o->done) {
        refused_n[s->kind]++;
        if (o->counts.writes > 0)
            return fail_case(err, "refused after something was written", o);
        return (o->why.text[0] && o->why.reason[0] && exit_of(&o->why)->code != EXIT_INTERNAL) ||
               fail_case(err, "refused without a clear reason", o);
    }
    if (newest && o->told) {
        other_n++;
        return o->counts.content == s->earlier_content[policy] ||
               fail_case(err, "not the backup before", o);
    }
    harmless_n[s->kind]++;
    return o->counts.content == s->content[policy] ||
           fail_case(err, "another graph was restored", o);
}

/* What a restore leaves in the bucket is no part of the next case. */
static void holds_delete(const struct store *s)
{
    const char *key = s->parts[0].key;
    const char *end = strstr(key, ".manifest.json");
    nb_auto(nb_free) char *hold =
        end ? nb_xasprintf("%.*s.hold", (int)(end - key), key) : nb_xstrdup("");

    fake_s3_delete(s3, hold);
}

static bool case_run(uint64_t number, struct nb_error *err)
{
    struct rnd r = rnd_of_case(number);
    const struct store *s = &stores[rnd_below(&r, KINDS)];
    /* A manifest as often as all the rest. */
    size_t i = rnd_below(&r, 2) && s->parts_n > 1 ? 1 + rnd_below(&r, s->parts_n - 1) : 0;
    const struct part *p = &s->parts[i];
    size_t policy = rnd_below(&r, NB_ARRAY_LEN(policies));
    bool newest = s->kind != A_FILE && s->kind != NO_MANIFEST && rnd_below(&r, 2);
    nb_auto_done(nb_buf_done) struct nb_buf bytes = NB_BUF_INIT(PART_MAX_BYTES);
    struct damage d;
    struct outcome o;
    bool ok;

    nb_buf_append(&bytes, p->bytes.data, p->bytes.len);
    d = damage_do(&r, s, p, &bytes);
    ok = part_store(s, p, &bytes, err) && restore_run(s, policies[policy], newest, &o, err) &&
         judge(s, policy, newest, &o, err);
    holds_delete(s);
    if (!part_store(s, p, &p->bytes, err) || !ok)
        return nb_wrap(err, "%s, %s, '%s' %s at %zu (before it '%.*s')", kind_names[s->kind],
                       policies[policy], p->key, damage_names[d.kind], d.at,
                       i == 0 && d.at >= AROUND_BYTES ? AROUND_BYTES : 0,
                       p->bytes.data + (d.at >= AROUND_BYTES ? d.at - AROUND_BYTES : 0));
    return true;
}

static const char *remarks(void)
{
    static char text[REMARKS_BYTES];
    size_t n = 0;

    for (unsigned i = 0; i < KINDS; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s: %llu refused, %llu harmless; ",
                              kind_names[i], (unsigned long long)refused_n[i],
                              (unsigned long long)harmless_n[i]);
    snprintf(text + n, sizeof(text) - n, "the backup before, and told: %llu",
             (unsigned long long)other_n);
    return text;
}

const struct campaign campaign = { .name = "restore-damage",
                                   .slice = 300,
                                   .open = open_all,
                                   .close = close_all,
                                   .run = case_run,
                                   .remarks = remarks };
