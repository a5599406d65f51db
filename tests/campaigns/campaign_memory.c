/*
 * The peak memory of the worker (the very program, by the kernel's own accounting) does not grow with the
 * graph, the number of shapes of its nodes, the slowness of the bucket or of the server. A fake Neo4j tells a graph that is
 * in no memory, a fake bucket takes the dump; the baseline is a graph that fills every buffer (a smaller one takes less).
 */

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "repo/manifest.h"
#include "tests/campaigns/campaign.h"
#include "tests/campaigns/peak.h"
#include "tests/fakes/fake_graph.h"
#include "tests/fakes/fake_s3.h"

/* How many buffers are in use at once is a matter of chance: the larger of two. */
enum {
    BASE_RUNS = 2,
    MARGIN_PERCENT = 25,
    MANIFEST_MAX = 1 << 20,
    NODE_BYTES = 60,
    PART_KIB = 8 << 10 /* of the parts that are not small */
};

struct situation {
    const char *name;
    uint64_t shapes;
    size_t text_bytes;     /* of a node */
    int64_t query_ms;      /* the server ends a query that takes longer; 0: never */
    unsigned rows_a_pause; /* the server pauses for a millisecond every so many rows; 0: never */
    long part_ms;          /* the bucket takes so long for each part */
    unsigned rate;         /* the bucket takes so many bytes a second; 0: any */
};
static const struct situation situations[] = {
    { .name = "plain", .text_bytes = 200 },
    { .name = "large values", .text_bytes = 100000 },
    { .name = "10,000 shapes", .text_bytes = 200, .shapes = 10000 },
    { .name = "slow bucket", .text_bytes = 200, .part_ms = 500, .query_ms = 400 },
    { .name = "slow server", .text_bytes = 200, .rows_a_pause = 200 },
    { .name = "slow bucket, 10,000 shapes",
      .text_bytes = 200,
      .shapes = 10000,
      .part_ms = 500,
      .query_ms = 400 },
};
/* How much; of the numbers, the first are quick. */
struct scale {
    unsigned base_mb; /* fills every buffer */
    unsigned megabytes;
    bool level_1;     /* less to compute, the same buffers */
    bool small_parts; /* only with the above */
};
static const struct scale scales[] = { { 64, 64, true, true },
                                       { 100, 100, false, false },
                                       { 100, 1000, true, false } };

/* In the second scale: between it and the third by their numbers. */
static const struct situation slow_lines[] = {
    { .name = "bucket of 1 MB/s", .text_bytes = 200, .rate = 1000000, .query_ms = 10000 },
    { .name = "bucket of 1 MB/s, slow server",
      .text_bytes = 200,
      .rate = 1000000,
      .query_ms = 10000,
      .rows_a_pause = 200 },
};

static long base_kib[NB_ARRAY_LEN(scales)]; /* 0: not known yet */
static char remarks[2000];

/* --- one run, in a process of its own ---------------------------------------------------------- */

struct run {
    const struct situation *s;
    struct fake_graph_mass mass;
    struct fake_graph *graph;
    struct fake_s3 *s3;
    int64_t query_began_ms;
    unsigned timeouts;
};

static enum fake_graph_break on_row(void *ctx, struct fake_graph *g, enum fake_graph_query query,
                                    uint64_t row)
{
    struct run *r = ctx;
    static const struct timespec pause = { 0, 1000000 };

    (void)g;
    if (query != FAKE_GRAPH_NODES && query != FAKE_GRAPH_RELS)
        return FAKE_GRAPH_GO_ON;
    if (row == 0)
        r->query_began_ms = nb_clock_mono_ms();
    if (r->s->rows_a_pause && row % r->s->rows_a_pause == 0)
        nanosleep(&pause, NULL);
    /* never without a row, as no server would */
    if (r->s->query_ms && row % 64 == 63 &&
        nb_clock_mono_ms() - r->query_began_ms > r->s->query_ms) {
        r->timeouts++;
        return FAKE_GRAPH_TIMED_OUT;
    }
    return FAKE_GRAPH_GO_ON;
}

static void on_request(void *ctx, const struct fake_s3_op *op, struct fake_s3_fault *fault)
{
    const struct run *r = ctx;

    if (strcmp(op->name, "UploadPart") == 0)
        fault->stall_ms = r->s->part_ms;
}

static bool worker_run(struct peak_worker *w, const struct run *r, const struct scale *scale,
                       struct peak *ret)
{
    char uri[100], endpoint[100];
    const char *env[] = { uri, endpoint, "BACKUP_PARALLELISM=2", /* the same on every machine */
                          scale->level_1 ? "BACKUP_COMPRESSION_LEVEL=1" : NULL,
                          scale->small_parts ? "R2_PART_SIZE_BYTES=5242880" : NULL };

    snprintf(uri, sizeof(uri), "NEO4J_URI=%s", fake_graph_uri(r->graph));
    snprintf(endpoint, sizeof(endpoint), "R2_ENDPOINT=%s", fake_s3_endpoint(r->s3));
    return peak_worker_run(w, "backup", env, NB_ARRAY_LEN(env), ret);
}

/* False: the manifest does not tell the graph that there was. */
static bool manifest_is_right(const struct run *r, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf keys = NB_BUF_INIT(MANIFEST_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(MANIFEST_MAX);
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    const char *end, *start;

    fake_s3_dump(r->s3, &keys);
    end = strstr(nb_buf_cstr(&keys), ".manifest.json ");
    if (!end)
        return nb_fail(err, NB_E_INTERNAL, "NoManifest", "there is no manifest");
    for (start = end; start > keys.data && start[-1] != '\n';)
        start--;
    {
        nb_auto(nb_free) char *key =
            nb_xstrndup(start, (size_t)(end - start) + strlen(".manifest.json"));

        if (!fake_s3_get(r->s3, key, &text))
            return nb_fail(err, NB_E_INTERNAL, "NoManifest", "the manifest cannot be read");
    }
    if (!repo_manifest_parse(text.data, text.len, &m, err))
        return false;
    if ((uint64_t)m->nodes != r->mass.nodes || (uint64_t)m->relationships != r->mass.rels)
        return nb_fail(err, NB_E_INTERNAL, "Wrong", "%lld nodes and %lld relationships are told",
                       (long long)m->nodes, (long long)m->relationships);
    return true;
}

struct what {
    const struct situation *situation;
    unsigned megabytes;
    const struct scale *scale;
};

static void run_inside(const void *arg, struct peak *ret)
{
    const struct what *what = arg;
    const struct situation *s = what->situation;
    struct run r = { .s = s };
    struct nb_error err = NB_ERROR_INIT;
    struct peak_worker worker;

    if (!peak_worker_fork(&worker, ret))
        return;
    r.mass.nodes = (uint64_t)what->megabytes * 1000000 / (s->text_bytes + NODE_BYTES);
    r.mass.rels = r.mass.nodes / 2;
    r.mass.shapes = s->shapes;
    r.mass.text_bytes = s->text_bytes;
    r.graph = fake_graph_new();
    fake_graph_set_mass(r.graph, &r.mass);
    fake_graph_start(r.graph, on_row, &r);
    r.s3 = fake_s3_new();
    fake_s3_set_hook(r.s3, on_request, &r);
    fake_http_set_rate(fake_s3_http(r.s3), s->rate);
    if (!worker_run(&worker, &r, what->scale, ret))
        return;
    ret->timeouts = r.timeouts;
    if (!manifest_is_right(&r, &err))
        snprintf(ret->fault, sizeof(ret->fault), "%s", err.text);
}

static bool run_one(const struct situation *s, unsigned megabytes, const struct scale *scale,
                    struct peak *ret, struct nb_error *err)
{
    struct what what = { s, megabytes, scale };

    return peak_apart(run_inside, &what, ret, err);
}

/* --- the campaign ------------------------------------------------------------------------------ */

static void note(const char *what, unsigned megabytes, const struct peak *p)
{
    peak_note(remarks, sizeof(remarks), what, megabytes, p);
}

/* What the peak is held against, in *ret_kib. */
static bool base_measure(const struct scale *scale, long *ret_kib, struct nb_error *err)
{
    long *base = &base_kib[scale - scales];
    struct peak o;

    *ret_kib = *base;
    if (*base)
        return true;
    if (!scale->small_parts) {
        if (!run_one(&situations[0], 1, scale, &o, err))
            return false;
        note("base", 1, &o);
    }
    for (int i = 0; i < BASE_RUNS; i++) {
        if (!run_one(&situations[0], scale->base_mb, scale, &o, err))
            return false;
        note("base", scale->base_mb, &o);
        if (o.kib > *base)
            *base = o.kib;
    }
    *ret_kib = *base;
    return true;
}

/* Numbers: all situations in the first scale, in the second one, the slow lines there, the third scale. */
static void choose(uint64_t number, const struct situation **ret, const struct scale **ret_scale)
{
    const size_t all = NB_ARRAY_LEN(situations), slow = NB_ARRAY_LEN(slow_lines);
    size_t n = number % (all * NB_ARRAY_LEN(scales) + slow);

    if (n >= 2 * all && n < 2 * all + slow) {
        *ret = &slow_lines[n - 2 * all];
        *ret_scale = &scales[1];
        return;
    }
    n -= n < 2 * all ? 0 : slow;
    *ret = &situations[n % all];
    *ret_scale = &scales[n / all];
}

static bool run(uint64_t number, struct nb_error *err)
{
    const struct situation *s;
    const struct scale *scale;
    struct peak o;
    long base;

    choose(number, &s, &scale);
    if (!base_measure(scale, &base, err) || !run_one(s, scale->megabytes, scale, &o, err))
        return nb_wrap(err, "%s", s->name);
    if (s->rate) /* two parts are on the line, and a third is filled, which a quick bucket never needs */
        base += PART_KIB;
    note(s->name, scale->megabytes, &o);
    if (s->query_ms && o.timeouts == 0)
        return nb_fail(err, NB_E_INTERNAL, "Wrong", "%s: no query took too long", s->name);
    if (o.kib * 100 > base * (100 + MARGIN_PERCENT))
        return nb_fail(err, NB_E_INTERNAL, "Grows", "%s, %u MB: %ld KiB, %ld with %u MB", s->name,
                       scale->megabytes, o.kib, base, scale->base_mb);
    return true;
}

static const char *remarks_get(void)
{
    return remarks;
}

const struct campaign campaign = {
    .name = "memory", .slice = 4, .run = run, .remarks = remarks_get
};
