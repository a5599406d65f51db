#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "age/keys.h"
#include "base/map.h"
#include "base/mem.h"
#include "engine/backup.h"
#include "engine/verify.h"
#include "tests/fakes/fake_graph.h"
#include "tests/fakes/s3_fixture.h"

/*
 * Every kind of fault of a bucket at every request of a whole backup, retention and all: once, for good at that
 * request, and with the bucket gone from there on. Whatever comes of it: what counts as a backup can be read back,
 * what was there before is there still, the run has one manifest at most, and the next run succeeds and leaves nothing
 * lying about.
 */

enum {
    HOUR = 3600,
    T0 = 1759888800,
    DAY = 86400,
    NODES = 40,
    RELS = 30,
    CHUNK_BYTES = 1 << 10,
    TEXT_MAX = 600,
    REQUESTS_MAX = 200
};
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOWER = 7 };
#else
enum { SLOWER = 1 };
#endif
#define IDENTITY "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0"

/* --- the faults ------------------------------------------------------------------------------- */

struct kind {
    const char *name;
    struct fake_s3_fault fault;
    bool passes; /* tried again it is gone, and the backup is made */
    bool
        is_slow; /* of a bucket that says nothing for long: with a client that does not wait for long */
    bool stays; /* worth looking at for longer than one request */
};
static const struct kind kinds[] = {
    { .name = "500",
      .fault = { .status = 500, .code = "InternalError" },
      .passes = true,
      .stays = true },
    { .name = "503", .fault = { .status = 503, .code = "SlowDown" }, .passes = true },
    { .name = "503 with a pause that is too long",
      .fault = { .status = 503, .code = "SlowDown", .retry_after = "300" },
      .stays = true },
    { .name = "429", .fault = { .status = 429, .code = "TooManyRequests" }, .passes = true },
    { .name = "403", .fault = { .status = 403, .code = "AccessDenied" }, .stays = true },
    { .name = "404 of an upload",
      .fault = { .status = 404, .code = "NoSuchUpload" },
      .stays = true },
    { .name = "404 of a key", .fault = { .status = 404, .code = "NoSuchKey" }, .stays = true },
    { .name = "404 of the bucket", .fault = { .status = 404, .code = "NoSuchBucket" } },
    { .name = "412", .fault = { .status = 412, .code = "PreconditionFailed" }, .stays = true },
    { .name = "412, though it was done",
      .fault = { .status = 412, .code = "PreconditionFailed", .after = true } },
    { .name = "an error in a 200",
      .fault = { .status = 500, .code = "InternalError", .in_200 = true },
      .stays = true },
    { .name = "an error in a 200, though it was done",
      .fault = { .status = 500, .code = "InternalError", .in_200 = true, .after = true } },
    { .name = "a 200 that says nothing", .fault = { .blank_200 = true }, .stays = true },
    { .name = "a clock that is wrong",
      .fault = { .status = 403, .code = "RequestTimeTooSkewed" },
      .stays = true },
    { .name = "no answer", .fault = { .close = true }, .passes = true, .stays = true },
    { .name = "no answer, though it was done",
      .fault = { .close = true, .after = true },
      .passes = true,
      .stays = true },
    { .name = "500, though it was done",
      .fault = { .status = 500, .code = "InternalError", .after = true },
      .passes = true,
      .stays = true },
    { .name = "403, though it was done",
      .fault = { .status = 403, .code = "AccessDenied", .after = true },
      .stays = true },
    { .name = "half an answer",
      .fault = { .cut = true, .cut_half = true },
      .passes = true,
      .stays = true },
    { .name = "a reset in an answer",
      .fault = { .cut = true, .cut_half = true, .reset = true },
      .passes = true },
    { .name = "silence", .fault = { .stall_ms = 400 }, .is_slow = true },
    { .name = "a length that is too large", .fault = { .length_off = 7 }, .stays = true },
    { .name = "a length that is too small", .fault = { .length_off = -7 }, .stays = true },
    { .name = "a torn body", .fault = { .torn = true }, .stays = true },
    { .name = "another's ETag", .fault = { .other_etag = true }, .stays = true },
};

enum duration { ONCE, AT_THAT_REQUEST, FROM_THERE_ON, DURATIONS };
static const char *const durations[] = { "once", "for good", "from there on" };

struct trouble {
    struct world *world;
    const struct kind *kind; /* NULL: none, and the requests are noted */
    enum duration duration;
    unsigned at, seen;
    char name[40], key[200]; /* of that request */
    /* Before it another one fails, so that the run clears up: the manifest is refused. */
    bool while_clearing_up;
    bool clearing_up;
};

static bool is_hit(struct trouble *t, const struct fake_s3_op *op)
{
    t->seen++;
    if (t->seen == t->at) {
        snprintf(t->name, sizeof(t->name), "%s", op->name);
        snprintf(t->key, sizeof(t->key), "%s", op->key);
        return true;
    }
    if (t->seen < t->at || t->duration == ONCE)
        return false;
    return t->duration == FROM_THERE_ON ||
           (strcmp(t->name, op->name) == 0 && strcmp(t->key, op->key) == 0);
}

/* --- a world ---------------------------------------------------------------------------------- */

struct mode {
    const char *name;
    bool incremental, encrypted, multipart, while_clearing_up;
    const char *only; /* at requests of these kinds; NULL: at all of them */
    unsigned slice;   /* of so many cases one is looked at, unless BUCKET_FAULTS is set */
};

struct world {
    const struct mode *mode;
    struct fake_graph *graph;
    struct fake_s3 *s3;
    struct s3_client *client, *impatient;
    struct age_keys *keys;
    struct nb_map *seen; /* what was left, and has been looked at already */
    int64_t value;       /* of a node, from the next export on */
    struct trouble trouble;
    char where[TEXT_MAX];
    struct nb_error err;
    char requests[REQUESTS_MAX][40]; /* of a backup without a fault */
    unsigned requests_n, runs, looks;
};

static void note_request(struct world *w, const struct fake_s3_op *op)
{
    if (w->requests_n < REQUESTS_MAX)
        snprintf(w->requests[w->requests_n++], sizeof(w->requests[0]), "%s", op->name);
}

static void on_request(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    struct trouble *t = ctx;

    if (t->while_clearing_up && !t->clearing_up) {
        t->clearing_up = strcmp(op->name, "PutObject") == 0 && strstr(op->key, ".manifest.json");
        if (t->clearing_up)
            *fault = (struct fake_s3_fault){ .status = 403, .code = "AccessDenied" };
    } else if (!t->kind) {
        note_request(t->world, op);
    } else if (is_hit(t, op)) {
        *fault = t->kind->fault;
        /* Then there is none. */
        if (nb_streq(fault->code, "NoSuchKey") && strcmp(op->name, "DeleteObject") == 0)
            fault->after = true;
    }
}

static _Noreturn void wrong(const struct world *w, const char *what)
{
    struct nb_buf text = NB_BUF_INIT(1 << 20);

    fake_s3_dump(w->s3, &text);
    fail_msg("%s: %s (%s: %s)\n%s", w->where, what, w->err.reason, w->err.text, nb_buf_cstr(&text));
    abort();
}

static enum fake_graph_break on_row(void *ctx, struct fake_graph *g, enum fake_graph_query query,
                                    uint64_t row)
{
    struct world *w = ctx;

    (void)row;
    if (query == FAKE_GRAPH_MARK && !w->mode->multipart && w->value >= 0) {
        fake_graph_set_node(g, 5, 5, w->value);
        w->value = -1;
    }
    return FAKE_GRAPH_GO_ON;
}

static void few_tries(struct s3_client_opts *o)
{
    o->retry_window_ms = 60 * 1000;
    o->max_tries = 3;
}

static void impatience(struct s3_client_opts *o)
{
    few_tries(o);
    o->idle_timeout_ms = 200;
}

static struct repo *repo_of(struct world *w, unsigned run)
{
    nb_auto(nb_free) char *id = nb_xasprintf("run-%u", run);
    struct repo_opts opts = { .client = w->trouble.kind && w->trouble.kind->is_slow ? w->impatient
                                                                                    : w->client,
                              .prefix = "p",
                              .owner = "me",
                              .run_id = id };
    struct repo *r;

    assert_true(repo_open(&opts, &r, &w->err));
    return r;
}

/* As the worker does: what goes wrong in retention does not undo the backup. */
static void tidy(struct repo *repo, const char *made)
{
    nb_auto_done(repo_prune_result_done) struct repo_prune_result p = { NULL };
    nb_auto_done(repo_backups_done) struct repo_backups all = REPO_BACKUPS_INIT;
    struct repo_list_opts list = { .with_chunks = true };
    struct repo_prune_opts opts = { .database = "neo4j",
                                    .rules = { .days = -1, .keep_last = 1 },
                                    .made_manifest_key = made,
                                    .listing = &all };
    struct nb_error ignored = NB_ERROR_INIT;

    if (repo_list(repo, &list, NULL, &all, &ignored) &&
        !repo_prune(repo, &opts, NULL, &p, &ignored))
        nb_error_clear(&ignored);
}

static bool run(struct world *w, unsigned number, int64_t value)
{
    nb_auto(repo_free) struct repo *repo = repo_of(w, number);
    struct age_recipient to = age_keys_recipient(w->keys, 0);
    struct age_writer_opts encryption = { .recipients = &to, .recipients_n = 1 };
    struct eng_backup_result result = { NULL };
    struct eng_backup_opts opts = {
        .neo4j = BOLT_CONN_OPTS_INIT,
        .fetch_size = 500,
        .repo = repo,
        .gzip_level = w->mode->multipart ? 0 : 1,
        .gzip_threads = 1,
        .part_bytes = 5 << 20,
        .upload_threads = 1,
        .encryption = w->mode->encrypted ? &encryption : NULL,
        .incremental = w->mode->incremental,
        .chunk_bytes = CHUNK_BYTES,
        .scheduled_unix_seconds = T0 + (int64_t)number * DAY,
        .verify = { .level = w->mode->encrypted ? REPO_VERIFIED_READBACK : REPO_VERIFIED_CHECKSUM },
    };
    bool ok;

    opts.neo4j.uri = fake_graph_uri(w->graph);
    w->value = value;
    nb_error_clear(&w->err);
    ok = eng_backup_run(&opts, &result, &w->err);
    w->runs++;
    if (ok) {
        if (!result.manifest || !fake_s3_has(w->s3, result.manifest_key))
            wrong(w, "a success without a manifest");
        tidy(repo, result.manifest_key);
    }
    eng_backup_result_done(&result);
    return ok;
}

static void fill(struct world *w)
{
    if (w->mode->multipart) {
        fake_graph_set_mass(w->graph,
                            &(struct fake_graph_mass){ .nodes = 11, .text_bytes = 500000 });
        return;
    }
    for (int64_t i = 0; i < NODES; i++)
        fake_graph_add_node(w->graph, 'A', i, i * 7919);
    for (int64_t i = 0; i < RELS; i++)
        fake_graph_add_rel(w->graph, i % NODES, (i * 7 + 1) % NODES, i);
}

/* With one backup in it, an hour old. */
static void open_world(struct world *w, const struct mode *mode)
{
    *w = (struct world){ .mode = mode, .err = NB_ERROR_INIT, .value = -1 };
    w->graph = fake_graph_new();
    fill(w);
    fake_graph_set_start(w->graph, 1759000000000);
    fake_graph_start(w->graph, on_row, w);
    w->s3 = fake_s3_new();
    w->client = s3_fixture_client(w->s3, few_tries);
    w->impatient = s3_fixture_client(w->s3, impatience);
    w->keys = age_keys_new();
    assert_true(age_keys_add_identities(w->keys, nb_str_from(IDENTITY), &w->err));
    w->seen = nb_map_new(NULL);
    snprintf(w->where, sizeof(w->where), "%s: the first backup", mode->name);
    if (!run(w, 0, 0))
        wrong(w, "failed");
    fake_s3_age_all(w->s3, HOUR);
    fake_s3_save(w->s3);
}

static void close_world(struct world *w)
{
    assert_string_equal(fake_s3_complaint(w->s3), "");
    fake_graph_free(w->graph);
    s3_client_free(w->client);
    s3_client_free(w->impatient);
    fake_s3_free(w->s3);
    age_keys_free(w->keys);
    nb_map_free(w->seen);
}

/* --- what must hold --------------------------------------------------------------------------- */

struct look {
    size_t backups;    /* that can be read back */
    size_t of_the_run; /* manifests of run-1 */
    size_t claims;
};

static void look_at(struct world *w, struct repo *repo, const struct repo_backup *b,
                    struct look *ret)
{
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    struct eng_verify_opts verify = { .level = REPO_VERIFIED_READBACK, .keys = w->keys };
    char key[REPO_KEY_MAX + 1];

    ret->claims += b->claim_key != NULL;
    if (!b->manifest_key)
        return;
    if (!b->manifest || b->state == REPO_DAMAGED)
        wrong(w, "a damaged backup");
    ret->of_the_run += nb_streq(b->manifest->run_id, "run-1");
    if (b->state == REPO_DELETING)
        return;
    if (!repo_manifest_get(repo, b->manifest_key, NULL, &m, key, &w->err) ||
        !eng_verify_run(repo, m, &verify, NULL, &w->err))
        wrong(w, "a backup that cannot be read back");
    ret->backups++;
}

static struct look look(struct world *w)
{
    nb_auto(repo_free) struct repo *repo = repo_of(w, 99);
    nb_auto_done(repo_backups_done) struct repo_backups all = REPO_BACKUPS_INIT;
    struct repo_list_opts opts = { .with_chunks = true };
    struct look l = { 0 };

    if (!repo_list(repo, &opts, NULL, &all, &w->err))
        wrong(w, "cannot be listed");
    for (size_t i = 0; i < all.n; i++)
        look_at(w, repo, &all.items[i], &l);
    w->looks++;
    return l;
}

/* Names of what is there; of claims the size as well, which tells whether they note an upload. */
static char *state_of(struct world *w, bool ok)
{
    struct nb_buf text = NB_BUF_INIT(1 << 20), out = NB_BUF_INIT(1 << 20);
    char *line, *rest;

    fake_s3_dump(w->s3, &text);
    nb_buf_putc(&text, '\n');
    for (line = strtok_r(text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *blank = strrchr(line, ' ');

        if (!nb_starts_with(strrchr(line, '.'), ".json") || !strstr(line, ".claim."))
            *blank = '\0';
        nb_buf_printf(&out, "%s\n", strstr(line, "/chunks/") ? "a chunk" : line); /* by time */
    }
    nb_buf_printf(&out, "%zu %d", fake_s3_upload_count(w->s3), ok);
    nb_buf_done(&text);
    return nb_buf_take(&out);
}

static void check_failure(struct world *w, const struct look *l)
{
    if (!w->err.reason[0] || !w->err.text[0] || strstr(w->err.text, FAKE_S3_SECRET))
        wrong(w, "an error that says nothing");
    if (l->backups < 1)
        wrong(w, "the older backup is lost");
}

/* The same run once more, as a Job's next pod, or another one on another day. */
static void check_next_run(struct world *w, bool same_run)
{
    struct look l;

    if (!same_run)
        fake_s3_age_all(w->s3, HOUR);
    if (!run(w, same_run ? 1 : 2, 2))
        wrong(w, same_run ? "the next try fails" : "the next run fails");
    l = look(w);
    if (l.of_the_run > 1)
        wrong(w, "two manifests of one run");
    if (l.backups < 1)
        wrong(w, "the next run lost its backup");
}

/* Once everything is old, one backup is there and nothing else. */
static void check_nothing_lies_about(struct world *w)
{
    nb_auto_done(repo_backups_done) struct repo_backups all = REPO_BACKUPS_INIT;
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    nb_auto(repo_free) struct repo *repo = NULL;
    nb_auto(nb_map_free) struct nb_map *keys = nb_map_new(NULL);
    char key[REPO_KEY_MAX + 1];

    fake_s3_age_all(w->s3, HOUR);
    repo = repo_of(w, 3);
    tidy(repo, NULL);
    if (!repo_list(repo, NULL, NULL, &all, &w->err) || all.n != 1 || !all.items[0].manifest_key ||
        all.items[0].claim_key)
        wrong(w, "not one backup alone");
    if (!repo_manifest_get(repo, all.items[0].manifest_key, NULL, &m, key, &w->err))
        wrong(w, "no manifest");
    for (size_t i = 0; i < m->objects_n; i++)
        nb_map_put(keys, m->objects[i].key, strlen(m->objects[i].key), w);
    if (fake_s3_count(w->s3) != nb_map_count(keys) + 1)
        wrong(w, "objects that nobody needs");
    if (fake_s3_upload_count(w->s3) != 0)
        wrong(w, "an upload that nobody needs");
}

static void check_afterwards(struct world *w, bool ok)
{
    const unsigned at = w->trouble.at;
    nb_auto(nb_free) char *state = NULL;
    struct look l;

    w->trouble.kind = NULL;
    state = state_of(w, ok);
    if (nb_map_get(w->seen, state, strlen(state)))
        return; /* what follows is the same */
    nb_map_put(w->seen, state, strlen(state), w);
    l = look(w);
    if (l.of_the_run > 1)
        wrong(w, "two manifests of one run");
    if (ok && l.backups < 1)
        wrong(w, "a success without a backup");
    if (!ok)
        check_failure(w, &l);
    check_next_run(w, at % 2);
    check_nothing_lies_about(w);
}

/* --- the loop --------------------------------------------------------------------------------- */

static bool run_with(struct world *w, const struct kind *kind, enum duration duration, unsigned at)
{
    bool ok;

    fake_s3_load(w->s3);
    w->trouble = (struct trouble){ .world = w,
                                   .kind = kind,
                                   .duration = duration,
                                   .at = at,
                                   .while_clearing_up = w->mode->while_clearing_up };
    fake_s3_set_hook(w->s3, on_request, &w->trouble);
    ok = run(w, 1, 1);
    fake_s3_set_hook(w->s3, NULL, NULL);
    return ok;
}

static void one_case(struct world *w, const struct kind *kind, enum duration duration, unsigned at)
{
    const struct trouble *t = &w->trouble;
    bool ok = run_with(w, kind, duration, at);

    snprintf(w->where, sizeof(w->where), "%s: %s, %s, at request %u, %s '%s'", w->mode->name,
             kind->name, durations[duration], at, t->name, t->key);
    if (!ok && kind->passes && duration == ONCE && !t->while_clearing_up)
        wrong(w, "a fault that passes ends the backup");
    check_afterwards(w, ok);
}

static bool is_looked_at(const struct world *w, size_t kind, enum duration duration, unsigned at)
{
    if (w->mode->only && !strstr(w->mode->only, w->requests[at - 1]))
        return false;
    return getenv("BUCKET_FAULTS") || (kind + duration + at) % (w->mode->slice * SLOWER) == 0;
}

static void faults_of(const struct mode *mode)
{
    struct world w;
    unsigned cases = 0;

    open_world(&w, mode);
    assert_int_equal(run_with(&w, NULL, ONCE, 0), !mode->while_clearing_up);
    assert_true(w.requests_n > 4);
    for (size_t i = 0; i < NB_ARRAY_LEN(kinds); i++)
        for (enum duration d = ONCE; d < (kinds[i].stays ? DURATIONS : AT_THAT_REQUEST); d++)
            for (unsigned at = 1; at <= w.requests_n; at++)
                if (is_looked_at(&w, i, d, at)) {
                    one_case(&w, &kinds[i], d, at);
                    cases++;
                }
    printf("%s: %u requests, %u cases, %u other outcomes\n", mode->name, w.requests_n, cases,
           w.looks / 2);
    close_world(&w);
}

static void full_backup_no_fault_of_the_bucket_does_harm(void **state)
{
    (void)state;
    faults_of(&(struct mode){ .name = "full", .slice = 4 });
}

static void encrypted_backup_no_fault_of_the_bucket_does_harm(void **state)
{
    (void)state;
    faults_of(
        &(struct mode){ .name = "encrypted", .only = "GetObject", .slice = 6, .encrypted = true });
}

static void incremental_backup_no_fault_of_the_bucket_does_harm(void **state)
{
    (void)state;
    faults_of(&(struct mode){ .name = "incremental", .slice = 10, .incremental = true });
}

static void backup_in_parts_no_fault_of_the_bucket_does_harm(void **state)
{
    (void)state;
    faults_of(&(struct mode){ .name = "multipart",
                              .only = "CreateMultipartUpload UploadPart CompleteMultipartUpload",
                              .slice = 4,
                              .multipart = true });
}

static void clearing_up_no_fault_of_the_bucket_does_harm(void **state)
{
    (void)state;
    faults_of(&(struct mode){ .name = "clearing up", .slice = 8, .while_clearing_up = true });
    faults_of(&(struct mode){ .name = "clearing up chunks",
                              .slice = 16,
                              .incremental = true,
                              .while_clearing_up = true });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_backup_no_fault_of_the_bucket_does_harm),
        cmocka_unit_test(encrypted_backup_no_fault_of_the_bucket_does_harm),
        cmocka_unit_test(incremental_backup_no_fault_of_the_bucket_does_harm),
        cmocka_unit_test(backup_in_parts_no_fault_of_the_bucket_does_harm),
        cmocka_unit_test(clearing_up_no_fault_of_the_bucket_does_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
