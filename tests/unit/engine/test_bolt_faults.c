#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/backup.h"
#include "engine/verify.h"
#include "tests/fakes/fake_graph.h"
#include "tests/fakes/s3_fixture.h"

/*
 * Every kind of fault of a server at every request of a whole backup, once and from there on: the backup is made and is
 * the whole graph, or it ends with one error and nothing is in the bucket.
 */

enum { NODES = 12, RELS = 10, FETCH = 4, SCHEDULED = 1759888800, PATIENCE_MS = 60 * 1000 };

/* Of the faults from there on, one in so many requests is looked at. */
enum { STEP = 3 };

struct kind {
    const char *name;
    enum fake_graph_fate fate;
    const char *code;
    bool passes; /* tried again it is gone */
};
static const struct kind kinds[] = {
    { "no answer", FAKE_GRAPH_NO_ANSWER, NULL, true },
    { "half an answer", FAKE_GRAPH_HALF_ANSWER, NULL, false },
    { "the last answer", FAKE_GRAPH_LAST_ANSWER, NULL, true },
    { "unavailable", FAKE_GRAPH_FAIL, "Neo.TransientError.General.DatabaseUnavailable", true },
    { "out of memory", FAKE_GRAPH_FAIL, "Neo.TransientError.General.MemoryPoolOutOfMemoryError",
      true },
    { "timed out", FAKE_GRAPH_FAIL, "Neo.ClientError.Transaction.TransactionTimedOut", false },
    { "timed out by the client", FAKE_GRAPH_FAIL,
      "Neo.ClientError.Transaction.TransactionTimedOutClientConfiguration", false },
    /* Somebody ended it: not for us to try again. */
    { "terminated", FAKE_GRAPH_FAIL, "Neo.TransientError.Transaction.Terminated", false },
    { "outdated", FAKE_GRAPH_FAIL, "Neo.TransientError.Transaction.Outdated", true },
    { "authorization expired", FAKE_GRAPH_FAIL, "Neo.ClientError.Security.AuthorizationExpired",
      true },
    { "token expired", FAKE_GRAPH_FAIL, "Neo.ClientError.Security.TokenExpired", false },
    { "credentials expired", FAKE_GRAPH_FAIL, "Neo.ClientError.Security.CredentialsExpired",
      false },
    { "too many logins", FAKE_GRAPH_FAIL, "Neo.ClientError.Security.AuthenticationRateLimit",
      false },
    { "a database error", FAKE_GRAPH_FAIL, "Neo.DatabaseError.General.UnknownError", false },
};

struct trouble {
    const struct kind *kind;
    unsigned at, seen;
    bool stays;
    uint8_t tag; /* of that request */
};

/* The server's threads may still be at the end of the last case when the next one begins. */
static pthread_mutex_t trouble_lock = PTHREAD_MUTEX_INITIALIZER;

static enum fake_graph_fate on_request(void *ctx, uint8_t tag, const char **code)
{
    struct trouble *t = ctx;
    enum fake_graph_fate fate = FAKE_GRAPH_ANSWER;

    pthread_mutex_lock(&trouble_lock);
    t->seen++;
    if (t->seen == t->at)
        t->tag = tag;
    if (t->seen == t->at || (t->stays && t->seen > t->at)) {
        *code = t->kind->code;
        fate = t->kind->fate;
    }
    pthread_mutex_unlock(&trouble_lock);
    return fate;
}

static struct trouble trouble_now(struct trouble *t)
{
    struct trouble now;

    pthread_mutex_lock(&trouble_lock);
    now = *t;
    pthread_mutex_unlock(&trouble_lock);
    return now;
}

struct world {
    struct fake_graph *graph;
    struct fake_s3 *s3;
    struct s3_client *client;
    struct trouble trouble;
    struct nb_error err;
};

static void open_world(struct world *w)
{
    *w = (struct world){ .err = NB_ERROR_INIT };
    w->graph = fake_graph_new();
    for (int64_t i = 0; i < NODES; i++)
        fake_graph_add_node(w->graph, 'A', i, i);
    for (int64_t i = 0; i < RELS; i++)
        fake_graph_add_rel(w->graph, i % NODES, (i * 7 + 1) % NODES, i);
    fake_graph_set_start(w->graph, 1759000000000);
    fake_graph_set_request_hook(w->graph, on_request, &w->trouble);
    fake_graph_start(w->graph, NULL, NULL);
    w->s3 = fake_s3_new();
    w->client = s3_fixture_client(w->s3, NULL);
    fake_s3_save(w->s3); /* nothing */
}

static void close_world(struct world *w)
{
    fake_graph_free(w->graph);
    s3_client_free(w->client);
    fake_s3_free(w->s3);
}

static _Noreturn void wrong(const struct world *w, const char *what)
{
    const struct trouble *t = &w->trouble;

    fail_msg("%s%s at request %u (0x%02X): %s (%s: %s)", t->kind->name,
             t->stays ? ", from there on" : "", t->at, t->tag, what, w->err.reason, w->err.text);
    abort();
}

static bool run(struct world *w, struct repo *repo, struct eng_backup_result *ret)
{
    struct eng_backup_opts opts = {
        .neo4j = BOLT_CONN_OPTS_INIT,
        .fetch_size = FETCH,
        .retry_window_ms = w->trouble.stays ? 20 : PATIENCE_MS,
        .retry_base_ms = 1,
        .repo = repo,
        .gzip_level = 1,
        .gzip_threads = 1,
        .scheduled_unix_seconds = SCHEDULED,
    };

    opts.neo4j.uri = fake_graph_uri(w->graph);
    nb_error_clear(&w->err);
    return eng_backup_run(&opts, ret, &w->err);
}

static void check_success(struct world *w, struct repo *repo, const struct repo_manifest *m)
{
    struct eng_verify_opts verify = { .level = REPO_VERIFIED_READBACK };

    if (m->nodes != NODES || m->relationships != RELS)
        wrong(w, "not the whole graph");
    if (!eng_verify_run(repo, m, &verify, NULL, &w->err))
        wrong(w, "it cannot be read back");
}

static void check_failure(struct world *w)
{
    const struct trouble *t = &w->trouble;

    if (!w->err.reason[0] || !w->err.text[0])
        wrong(w, "an error that says nothing");
    if (t->kind->passes && !t->stays)
        wrong(w, "a fault that passes ends the backup");
    if (fake_s3_count(w->s3) != 0 || fake_s3_upload_count(w->s3) != 0)
        wrong(w, "something is left");
}

/* False: the backup has no such request any more. */
static bool one_case(struct world *w, const struct kind *kind, unsigned at, bool stays)
{
    nb_auto(repo_free) struct repo *repo = NULL;
    nb_auto_done(eng_backup_result_done) struct eng_backup_result result = { NULL };
    struct repo_opts opts = {
        .client = w->client, .prefix = "p", .owner = "me", .run_id = "run-1"
    };

    fake_s3_load(w->s3);
    pthread_mutex_lock(&trouble_lock);
    w->trouble = (struct trouble){ .kind = kind, .at = at, .stays = stays };
    pthread_mutex_unlock(&trouble_lock);
    assert_true(repo_open(&opts, &repo, &w->err));
    if (run(w, repo, &result))
        check_success(w, repo, result.manifest);
    else
        check_failure(w);
    return trouble_now(&w->trouble).seen >= at;
}

static void at_every_request(bool stays)
{
    struct world w;

    open_world(&w);
    for (size_t i = 0; i < NB_ARRAY_LEN(kinds); i++) {
        unsigned at = 1;

        while (one_case(&w, &kinds[i], at, stays))
            at += stays ? STEP : 1;
        assert_true(at > 30);
    }
    close_world(&w);
}

static void fault_at_any_one_request_the_graph_is_whole_or_nothing_is_there(void **state)
{
    (void)state;
    at_every_request(false);
}

static void server_that_goes_at_any_request_leaves_nothing_behind(void **state)
{
    (void)state;
    at_every_request(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_at_any_one_request_the_graph_is_whole_or_nothing_is_there),
        cmocka_unit_test(server_that_goes_at_any_request_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
