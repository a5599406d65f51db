#include "engine/apoc_script.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cypher/reader.h"
#include "engine/statements.h"

enum { SAID_BYTES = 60 };

struct eng_apoc_script {
    struct cyp_reader *reader;
    struct eng_statements *frame; /* nothing is run: that transactions are whole */
    struct eng_apoc_counts counts;
};

bool eng_apoc_counts_add(struct eng_apoc_counts *c, struct nb_str statement, struct nb_error *err)
{
    struct cyp_apoc_statement s;

    c->statements++;
    if (!cyp_apoc_read(statement, &s))
        return nb_fail(err, NB_E_INVALID, "UnsupportedStatement",
                       "statement %llu of the script is none that APOC writes: '%.*s'",
                       (unsigned long long)c->statements,
                       (int)(statement.n < SAID_BYTES ? statement.n : SAID_BYTES), statement.p);
    c->properties += s.properties;
    c->nodes += s.kind == CYP_APOC_NODES ? s.rows : 0;
    c->rels += s.kind == CYP_APOC_RELS ? s.rows : 0;
    c->indexes += s.kind == CYP_APOC_INDEX;
    c->constraints += s.kind == CYP_APOC_CONSTRAINT;
    return true;
}

static bool check(const char *what, uint64_t found, int64_t said, struct nb_error *err)
{
    return said < 0 || found == (uint64_t)said ||
           nb_fail(err, NB_E_CORRUPT, "VerificationFailed",
                   "the dump has %llu %s, not %lld as its manifest says", (unsigned long long)found,
                   what, (long long)said);
}

bool eng_apoc_counts_check(const struct eng_apoc_counts *c, const struct repo_manifest *m,
                           struct nb_error *err)
{
    return check("nodes", c->nodes, m->nodes, err) &&
           check("relationships", c->rels, m->relationships, err) &&
           check("properties", c->properties, m->properties, err) &&
           check("indexes", c->indexes, m->indexes, err) &&
           check("constraints", c->constraints, m->constraints, err);
}

bool eng_apoc_is_engine_of(const struct repo_manifest *m)
{
    return m && nb_streq(m->engine, "apoc");
}

static bool take_statement(void *ctx, struct nb_str text, struct nb_error *err)
{
    struct eng_apoc_script *s = ctx;

    return eng_apoc_counts_add(&s->counts, text, err) && eng_statements_take(s->frame, text, err);
}

struct eng_apoc_script *eng_apoc_script_new(void)
{
    static const struct cyp_reader_ops ops = { .other = take_statement };
    struct cyp_reader_opts opts = { .any_script = true };
    struct eng_apoc_script *s = NB_NEW(struct eng_apoc_script);

    s->reader = cyp_reader_new(&opts, &ops, s);
    s->frame = eng_statements_new(NULL);
    return s;
}

void eng_apoc_script_free(struct eng_apoc_script *s)
{
    if (!s)
        return;
    cyp_reader_free(s->reader);
    eng_statements_free(s->frame);
    free(s);
}

bool eng_apoc_script_feed(struct eng_apoc_script *s, const void *p, size_t n, struct nb_error *err)
{
    return cyp_reader_feed(s->reader, p, n, err);
}

bool eng_apoc_script_finish(struct eng_apoc_script *s, struct nb_error *err)
{
    return cyp_reader_finish(s->reader, err) && eng_statements_finish(s->frame, err);
}

const struct eng_apoc_counts *eng_apoc_script_counts(const struct eng_apoc_script *s)
{
    return &s->counts;
}
