/*
 * The peak memory of a restore by the real worker, which takes a few buffers and 8 bytes a node (engine/idmap.h), and not
 * more for a larger dump, for more shapes, for a slow server, or for a dump of very many objects. A backup by the
 * real worker of a graph that is in no memory goes into a fake bucket, and from there into a fake Neo4j that
 * keeps nothing but numbers.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/campaigns/campaign.h"
#include "tests/campaigns/peak.h"
#include "tests/fakes/fake_graph.h"
#include "tests/fakes/fake_s3.h"
#include "tests/fakes/fake_target.h"

enum { FIXED_KIB = 64 << 10, NODE_ID_BYTES = 8, NODE_BYTES = 60, REMARKS_BYTES = 2000 };

#define IDENTITY  "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0"
#define RECIPIENT "age1xmwwc06ly3ee5rytxm9mflaz2u56jjj36s0mypdrwsvlul66mv4q47ryef"

struct situation {
    const char *name;
    uint64_t shapes;
    size_t text_bytes; /* of a node */
    long pause_ms;     /* of the server, for each statement */
    bool encrypted, incremental;
};
static const struct situation situations[] = {
    { .name = "plain", .text_bytes = 200 },
    { .name = "10,000 shapes", .text_bytes = 200, .shapes = 10000 },
    { .name = "small nodes", .text_bytes = 8 },
    { .name = "large values", .text_bytes = 100000 },
    { .name = "encrypted, slow server", .text_bytes = 200, .encrypted = true, .pause_ms = 20 },
    { .name = "incremental", .text_bytes = 200, .incremental = true },
};
/* Of the numbers, the first are quick. */
static const unsigned scales_mb[] = { 32, 100, 1000 };

static char remarks[REMARKS_BYTES];

/* --- one run, in a process of its own ---------------------------------------------------------- */

struct what {
    const struct situation *situation;
    struct fake_graph_mass mass;
};

struct place {
    char endpoint[100];
    char identity[64]; /* a file; "": none */
};

static void place_done(struct place *p)
{
    if (p->identity[0])
        unlink(p->identity);
}

static bool place_make(struct place *p, const struct fake_s3 *s3, const struct situation *s,
                       struct peak *ret)
{
    static const char text[] = IDENTITY "\n";
    bool ok;
    int fd;

    snprintf(p->endpoint, sizeof(p->endpoint), "R2_ENDPOINT=%s", fake_s3_endpoint(s3));
    p->identity[0] = '\0';
    if (!s->encrypted)
        return true;
    snprintf(p->identity, sizeof(p->identity), "/tmp/restore-memory-XXXXXX");
    fd = mkstemp(p->identity);
    ok = fd >= 0 && write(fd, text, sizeof(text) - 1) == sizeof(text) - 1;
    if (fd >= 0)
        close(fd);
    if (!ok)
        snprintf(ret->fault, sizeof(ret->fault), "the identity cannot be written");
    return ok;
}

static bool command_run(struct peak_worker *w, const char *command, const struct place *p,
                        const char *neo4j_uri, const struct situation *s, struct peak *ret)
{
    char uri[100], identity[100];
    const char *env[] = { uri,
                          p->endpoint,
                          p->identity[0] ? identity : NULL,
                          s->encrypted ? "BACKUP_AGE_RECIPIENTS=" RECIPIENT : NULL,
                          s->incremental ? "BACKUP_TYPE=Incremental" : NULL,
                          "BACKUP_COMPRESSION_LEVEL=1" };

    snprintf(uri, sizeof(uri), "NEO4J_URI=%s", neo4j_uri);
    snprintf(identity, sizeof(identity), "BACKUP_AGE_IDENTITY_FILE=%s", p->identity);
    return peak_worker_run(w, command, env, NB_ARRAY_LEN(env), ret);
}

static bool restore(struct peak_worker *w, const struct place *p, const struct what *what,
                    struct peak *ret)
{
    static const char *const names[] = { "neo4j", NULL };
    struct fake_target *target = fake_target_start(names);
    struct fake_target_counts counts;
    bool ok;

    fake_target_set_pause(target, what->situation->pause_ms);
    ok = command_run(w, "restore", p, fake_target_uri(target), what->situation, ret);
    counts = fake_target_counts(target, names[0]);
    fake_target_free(target);
    if (ok &&
        ((uint64_t)counts.nodes != what->mass.nodes || (uint64_t)counts.rels != what->mass.rels))
        snprintf(ret->fault, sizeof(ret->fault), "%lld nodes and %lld relationships were restored",
                 (long long)counts.nodes, (long long)counts.rels);
    return ok;
}

static void run_inside(const void *arg, struct peak *ret)
{
    const struct what *what = arg;
    struct peak_worker saver, restorer;
    struct peak ignored = { 0 };
    struct fake_graph *graph;
    struct fake_s3 *s3;
    struct place place;

    if (!peak_worker_fork(&saver, ret) || !peak_worker_fork(&restorer, ret))
        return;
    graph = fake_graph_new();
    fake_graph_set_mass(graph, &what->mass);
    fake_graph_start(graph, NULL, NULL);
    s3 = fake_s3_new();
    if (place_make(&place, s3, what->situation, ret)) {
        if (command_run(&saver, "backup", &place, fake_graph_uri(graph), what->situation, &ignored))
            (void)restore(&restorer, &place, what, ret);
        else
            *ret = ignored;
    }
    place_done(&place);
}

/* --- the campaign ------------------------------------------------------------------------------ */

static bool run(uint64_t number, struct nb_error *err)
{
    const struct situation *s = &situations[number % NB_ARRAY_LEN(situations)];
    unsigned mb = scales_mb[number / NB_ARRAY_LEN(situations) % NB_ARRAY_LEN(scales_mb)];
    struct what what = { .situation = s };
    struct peak p;
    long limit;

    what.mass.nodes = (uint64_t)mb * 1000000 / (s->text_bytes + NODE_BYTES);
    what.mass.rels = what.mass.nodes / 2;
    what.mass.shapes = s->shapes;
    what.mass.text_bytes = s->text_bytes;
    if (!peak_apart(run_inside, &what, &p, err))
        return nb_wrap(err, "%s", s->name);
    peak_note(remarks, sizeof(remarks), s->name, mb, &p);
    limit = FIXED_KIB + (long)(what.mass.nodes * NODE_ID_BYTES / 1024);
    return p.kib <= limit || nb_fail(err, NB_E_INTERNAL, "Grows", "%s, %u MB: %ld KiB, not %ld",
                                     s->name, mb, p.kib, limit);
}

static const char *remarks_get(void)
{
    return remarks;
}

const struct campaign campaign = {
    .name = "restore-memory", .slice = 3, .run = run, .remarks = remarks_get
};
