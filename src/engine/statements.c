#include "engine/statements.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"

struct eng_statements {
    struct eng_dest *dest;
    bool in_tx;
    struct bolt_conn *tx; /* the connection of the transaction */
    uint64_t count;
};

struct eng_statements *eng_statements_new(struct eng_dest *dest)
{
    struct eng_statements *s = NB_NEW(struct eng_statements);

    s->dest = dest;
    return s;
}

void eng_statements_free(struct eng_statements *s)
{
    free(s);
}

uint64_t eng_statements_count(const struct eng_statements *s)
{
    return s->count;
}

static bool refuse(struct nb_error *err, const char *fmt, ...) NB_PRINTF(2, 3);
static bool refuse(struct nb_error *err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    nb_vfail(err, NB_E_INVALID, "UnsupportedStatement", fmt, ap);
    va_end(ap);
    return false;
}

/* --- transactions ----------------------------------------------------------------------------- */

static bool tx_begin(struct eng_statements *s, struct nb_error *err)
{
    struct eng_patience patience;
    struct bolt_run_opts opts;

    if (s->in_tx)
        return refuse(err, ":begin within a transaction");
    s->in_tx = true;
    if (!s->dest)
        return true;
    patience = eng_dest_patience(s->dest);
    opts = eng_dest_run_opts(s->dest);
    for (;;) {
        if (!eng_dest_conn(s->dest, &patience, &s->tx, err))
            return false;
        if (bolt_begin(s->tx, &opts, err))
            return true;
        if (!eng_dest_again(s->dest, &patience, err))
            return false;
    }
}

static bool tx_end(struct eng_statements *s, bool commit, struct nb_error *err)
{
    if (!s->in_tx)
        return refuse(err, "%s outside of a transaction", commit ? ":commit" : ":rollback");
    s->in_tx = false;
    if (!s->dest)
        return true;
    return commit ? bolt_commit(s->tx, err) : bolt_rollback(s->tx, err);
}

/* cypher-shell does not tell their case. */
static bool is_command(struct nb_str line, const char *name)
{
    return line.n == strlen(name) && strncasecmp(line.p, name, line.n) == 0;
}

static bool command_take(struct eng_statements *s, struct nb_str line, struct nb_error *err)
{
    size_t word = 1;

    while (line.n && memchr("; \t\r\n", line.p[line.n - 1], 5))
        line.n--;
    while (word < line.n && !memchr(" \t", line.p[word], 2))
        word++;
    if (is_command(line, ":begin"))
        return tx_begin(s, err);
    if (is_command(line, ":commit"))
        return tx_end(s, true, err);
    if (is_command(line, ":rollback"))
        return tx_end(s, false, err);
    return refuse(err, "the command '%.*s' of cypher-shell; hint: run the script with cypher-shell",
                  (int)(word < 40 ? word : 40), line.p);
}

/* --- statements ------------------------------------------------------------------------------- */

/* Outside of transactions only what the server has told of is tried again. */
static bool statement_run(struct eng_statements *s, const char *text, struct nb_error *err)
{
    struct eng_patience patience = eng_dest_patience(s->dest);
    struct bolt_run_opts opts = eng_dest_run_opts(s->dest);
    struct nb_str none = { NULL, 0 };
    struct bolt_conn *conn;

    if (s->in_tx)
        return bolt_exec(s->tx, text, none, NULL, err);
    for (;;) {
        if (!eng_dest_conn(s->dest, &patience, &conn, err))
            return false;
        if (bolt_exec(conn, text, none, &opts, err))
            return true;
        if (bolt_conn_last_failure(conn) && bolt_conn_last_failure(conn)->connection_lost)
            return false;
        if (!eng_dest_again(s->dest, &patience, err))
            return false;
    }
}

static bool take(struct eng_statements *s, struct nb_str text, struct nb_error *err)
{
    nb_auto(nb_free) char *copy = NULL;

    if (text.n && text.p[0] == ':')
        return command_take(s, text, err);
    if (memchr(text.p, '\0', text.n))
        return refuse(err, "a NUL byte in a statement");
    if (!s->dest)
        return true;
    copy = nb_xstrndup(text.p, text.n);
    return statement_run(s, copy, err);
}

bool eng_statements_take(struct eng_statements *s, struct nb_str text, struct nb_error *err)
{
    s->count++;
    return take(s, text, err) ||
           nb_wrap(err, "statement %llu of the script", (unsigned long long)s->count);
}

bool eng_statements_finish(struct eng_statements *s, struct nb_error *err)
{
    return !s->in_tx ||
           nb_fail(err, NB_E_CORRUPT, "CutDump", "the script ends within a transaction");
}
