#include "cypher/reader.h"

#include <stdlib.h>

#include "cypher/number.h"
#include "cypher/reader_priv.h"
#include "cypher/script_priv.h"
#include "cypher/text.h"

enum {
    STATEMENT_DEFAULT = 512 << 20,
    ROW_DEFAULT = 512 << 20,
    FEED_STEP = 256 << 10,
    HEAD_MAX = 1 << 20,
};

/* --- life ------------------------------------------------------------------------------------- */

struct cyp_reader *cyp_reader_new(const struct cyp_reader_opts *opts,
                                  const struct cyp_reader_ops *ops, void *ctx)
{
    struct cyp_reader *r = NB_NEW(struct cyp_reader);

    r->opts = *opts;
    if (!r->opts.max_statement_bytes)
        r->opts.max_statement_bytes = STATEMENT_DEFAULT;
    if (!r->opts.max_row_bytes)
        r->opts.max_row_bytes = ROW_DEFAULT;
    r->ops = *ops;
    r->ctx = ctx;
    nb_buf_init(&r->text, r->opts.max_statement_bytes + FEED_STEP);
    nb_buf_init(&r->head, HEAD_MAX);
    nb_buf_init(&r->plan_text, r->opts.max_statement_bytes);
    r->arena = nb_arena_new(r->opts.max_row_bytes);
    if (opts->digest_content)
        r->digester = cyp_digester_new(opts->digest_ends_max_bytes);
    return r;
}

void cyp_reader_free(struct cyp_reader *r)
{
    if (!r)
        return;
    nb_buf_done(&r->text);
    nb_buf_done(&r->head);
    nb_buf_done(&r->plan_text);
    nb_arena_free(r->arena);
    cyp_plan_free(r->plan);
    cyp_digester_free(r->digester);
    free(r->pairs);
    free(r->helper);
    free(r);
}

bool cyp_reader_bad(const struct cyp_reader *r, struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_CORRUPT, "BadDump", "statement %llu: %s",
                   (unsigned long long)r->counts.statements, what);
}

static bool broken(struct cyp_reader *r, const struct nb_error *err)
{
    r->failed = true;
    r->error = *err;
    return false;
}

/* --- comments --------------------------------------------------------------------------------- */

/* The value behind "// name: "; false when the line has another name. */
static bool line_value(struct nb_str line, const char *name, struct nb_str *ret)
{
    size_t n = strlen(name);

    if (!nb_str_starts(line, "// ") || line.n < n + 5 || memcmp(line.p + 3, name, n) != 0 ||
        memcmp(line.p + 3 + n, ": ", 2) != 0)
        return false;
    *ret = (struct nb_str){ line.p + n + 5, line.n - n - 5 };
    return true;
}

static bool line_number(struct nb_str line, const char *name, uint64_t *ret)
{
    struct nb_str value;
    int64_t v;

    if (!line_value(line, name, &value) || !cyp_int_read(value.p, value.n, &v) || v < 0)
        return false;
    *ret = (uint64_t)v;
    return true;
}

static bool head_start(struct cyp_reader *r, struct nb_str line, struct nb_error *err)
{
    const size_t n = sizeof(CYP_HEAD_FIRST) - 1;
    int64_t format;

    if (!nb_str_starts(line, CYP_HEAD_FIRST) || !cyp_int_read(line.p + n, line.n - n, &format)) {
        if (!r->opts.any_script)
            return nb_fail(err, NB_E_INVALID, "NotADump", "the file is no dump of neo4j-backup");
        r->foreign = true;
        r->phase = CYP_READ_BODY;
        return true;
    }
    if (format < 1 || format > CYP_FORMAT_VERSION)
        return nb_fail(err, NB_E_INVALID, "NewerFormat",
                       "the dump's format is %lld, known is %d; hint: use a newer neo4j-backup",
                       (long long)format, CYP_FORMAT_VERSION);
    r->head_values.format = (unsigned)format;
    r->phase = CYP_READ_HEAD;
    /* Its memory must not move: the values are views. */
    return nb_buf_reserve(&r->head, HEAD_MAX) ||
           nb_fail(err, NB_E_LIMIT, "HeadTooLarge", "no room for the head");
}

static bool head_keep(struct cyp_reader *r, struct nb_str *value, struct nb_error *err)
{
    const char *kept;

    if (r->head.len + value->n + 1 > HEAD_MAX)
        return nb_fail(err, NB_E_LIMIT, "HeadTooLarge", "the dump's head is larger than %d bytes",
                       HEAD_MAX);
    kept = r->head.data + r->head.len;
    nb_buf_append(&r->head, value->p, value->n);
    nb_buf_putc(&r->head, '\0');
    value->p = kept;
    return true;
}

static bool head_line(struct cyp_reader *r, struct nb_str line, struct nb_error *err)
{
    struct cyp_head *h = &r->head_values;
    const struct {
        const char *name;
        struct nb_str *to;
    } lines[] = {
        { "database", &h->database }, { "server", &h->server_version }, { "edition", &h->edition },
        { "tool", &h->tool },         { "created", &h->created },       { "helper", &h->helper },
    };
    struct nb_str value;

    for (size_t i = 0; i < NB_ARRAY_LEN(lines); i++) {
        if (!line_value(line, lines[i].name, &value))
            continue;
        if (lines[i].to->p)
            return cyp_reader_bad(r, err, "a head that says a thing twice");
        if (!head_keep(r, &value, err))
            return false;
        *lines[i].to = value;
        return true;
    }
    if (line_value(line, "warning", &value) && h->nwarnings < NB_ARRAY_LEN(r->warnings)) {
        if (!head_keep(r, &value, err))
            return false;
        r->warnings[h->nwarnings++] = value;
    }
    return true;
}

static bool head_end(struct cyp_reader *r, struct nb_error *err)
{
    r->phase = CYP_READ_BODY;
    r->head_values.warnings = r->warnings;
    if (!r->head_values.helper.n)
        return cyp_reader_bad(r, err, "a head that names no helper");
    r->helper = nb_xstrndup(r->head_values.helper.p, r->head_values.helper.n);
    return !r->ops.head || r->ops.head(r->ctx, &r->head_values, err);
}

static bool count_check(struct nb_error *err, const char *what, uint64_t said, uint64_t found)
{
    return said == found ||
           nb_fail(err, NB_E_CORRUPT, "CutDump", "the dump says it has %llu %s, and has %llu",
                   (unsigned long long)said, what, (unsigned long long)found);
}

static bool digest_check(struct cyp_reader *r, struct nb_error *err)
{
    struct cyp_digest d;

    if (!r->digester)
        return true;
    cyp_digester_get(r->digester, &d);
    if (!d.known)
        return true;
    /* Where it can be made it was made, since the first version of the format. */
    if (!r->tail.has_digest)
        return d.node_count + d.rel_count == 0 ||
               nb_fail(err, NB_E_CORRUPT, "DigestMismatch",
                       "the dump's tail has no digest of its content, as every dump has whose "
                       "elements are not changed by it: it was taken out");
    if (!cyp_sum_equal(d.nodes, r->tail.nodes_digest) ||
        !cyp_sum_equal(d.rels, r->tail.rels_digest) ||
        (d.has_ends && r->tail.has_ends && !cyp_sum_equal(d.rels_ends, r->tail.rels_ends_digest)))
        return nb_fail(err, NB_E_CORRUPT, "DigestMismatch",
                       "the dump's content is not what its digest says");
    return true;
}

static bool tail_end(struct cyp_reader *r, struct nb_error *err)
{
    r->phase = CYP_READ_DONE;
    return count_check(err, "nodes", r->tail.nodes, r->counts.nodes) &&
           count_check(err, "relationships", r->tail.rels, r->counts.rels) &&
           count_check(err, "properties", r->tail.properties, r->counts.properties) &&
           count_check(err, "constraints", r->tail.constraints, r->counts.constraints) &&
           count_check(err, "indexes", r->tail.indexes, r->counts.indexes) &&
           digest_check(r, err) && (!r->ops.tail || r->ops.tail(r->ctx, &r->tail, err));
}

static bool tail_line(struct cyp_reader *r, struct nb_str line, struct nb_error *err)
{
    struct cyp_tail *t = &r->tail;
    struct nb_str value;

    if (nb_str_is(line, CYP_TAIL_LAST))
        return tail_end(r, err);
    (void)(line_number(line, "nodes", &t->nodes) || line_number(line, "relationships", &t->rels) ||
           line_number(line, "properties", &t->properties) ||
           line_number(line, "constraints", &t->constraints) ||
           line_number(line, "indexes", &t->indexes));
    if (line_value(line, "digest of nodes", &value))
        t->has_digest = cyp_sum_parse(value, &t->nodes_digest);
    if (line_value(line, "digest of relationships", &value))
        t->has_digest = t->has_digest && cyp_sum_parse(value, &t->rels_digest);
    if (line_value(line, "digest of relationships with ends", &value))
        t->has_ends = cyp_sum_parse(value, &t->rels_ends_digest);
    return true;
}

/* A comment of one line, without its end. */
static bool comment_take(struct cyp_reader *r, struct nb_str line, struct nb_error *err)
{
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    if (r->phase == CYP_READ_START)
        return head_start(r, line, err);
    if (r->foreign)
        return true;
    if (r->phase == CYP_READ_HEAD)
        return head_line(r, line, err);
    if (r->phase == CYP_READ_BODY && nb_str_is(line, CYP_TAIL_FIRST))
        r->phase = CYP_READ_TAIL;
    else if (r->phase == CYP_READ_TAIL)
        return tail_line(r, line, err);
    else if (r->phase == CYP_READ_DONE)
        return cyp_reader_bad(r, err, "something behind the end");
    return true;
}

/* --- statements ------------------------------------------------------------------------------- */

static bool other_emit(struct cyp_reader *r, struct nb_str s, struct nb_error *err)
{
    return !r->ops.other || r->ops.other(r->ctx, s, err);
}

/* The frame that every dump has, and that only cypher-shell needs. */
static bool is_frame(const struct cyp_reader *r, struct nb_str s)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(4096);
    const char *h = r->helper;

    if (nb_str_is(s, CYP_ENCODING_CHECK) || nb_str_starts(s, "CALL db.awaitIndexes("))
        return true;
    nb_buf_printf(&text, "CREATE CONSTRAINT `%s` FOR (n:`%s`) REQUIRE n.`%s` IS UNIQUE", h, h, h);
    if (nb_str_equal(s, nb_buf_str(&text)))
        return true;
    nb_buf_clear(&text);
    nb_buf_printf(&text, "DROP CONSTRAINT `%s`", h);
    if (nb_str_equal(s, nb_buf_str(&text)))
        return true;
    nb_buf_clear(&text);
    nb_buf_printf(&text, "MATCH (n:`%s`) WITH n LIMIT ", h);
    return nb_str_equal((struct nb_str){ s.p, s.n < text.len ? s.n : text.len }, nb_buf_str(&text));
}

/* What stands behind the "-" of a fixed closing, without its ";\n". */
static bool is_fixed(struct nb_str rest, struct nb_str closing)
{
    return rest.n == closing.n - 3 && memcmp(rest.p, closing.p + 1, rest.n) == 0;
}

/* The statements that close an opening without rows. */
static bool is_closing(const struct cyp_reader *r, struct nb_str literal, struct nb_str rest)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(4096);
    int64_t n;

    if (nb_str_is(literal, "-") &&
        (is_fixed(rest, NB_STR(CYP_NOTHING)) || is_fixed(rest, NB_STR(CYP_FORGET))))
        return true;
    nb_buf_printf(&text, "',',') AS r OPTIONAL MATCH (n:`%s`) WITH r,count(n) AS n WHERE ",
                  r->helper);
    return cyp_int_read(literal.p, literal.n, &n) &&
           nb_str_equal((struct nb_str){ rest.p, rest.n < text.len ? rest.n : text.len },
                        nb_buf_str(&text));
}

static bool rows_take(struct cyp_reader *r, char *p, size_t n, size_t opening, struct nb_error *err)
{
    size_t span = cyp_text_span(p + opening, n - opening);
    struct nb_str literal = { p + opening, span }, rest;
    bool known;

    if (span == SIZE_MAX)
        return other_emit(r, (struct nb_str){ p, n }, err);
    rest = (struct nb_str){ p + opening + span, n - opening - span };
    if (is_closing(r, literal, rest))
        return true;
    if (!cyp_reader_rows(r, p + opening, span, rest, &known, err))
        return false;
    return known || other_emit(r, (struct nb_str){ p, n }, err);
}

static bool statement_take(struct cyp_reader *r, char *p, size_t n, struct nb_error *err)
{
    struct nb_str s = { p, n };
    bool known;

    r->counts.statements++;
    if (r->phase == CYP_READ_START && !head_start(r, s, err))
        return false;
    if (r->foreign)
        return other_emit(r, s, err);
    if (r->phase == CYP_READ_HEAD && !head_end(r, err))
        return false;
    if (r->phase != CYP_READ_BODY)
        return cyp_reader_bad(r, err, "a statement behind the tail");
    if (nb_str_starts(s, CYP_OPENING))
        return rows_take(r, p, n, sizeof(CYP_OPENING) - 1, err);
    if (nb_str_starts(s, CYP_OPENING_25))
        return rows_take(r, p, n, sizeof(CYP_OPENING_25) - 1, err);
    if (is_frame(r, s))
        return true;
    if (!cyp_reader_schema(r, s, &known, err))
        return false;
    return known || other_emit(r, s, err);
}

/* --- where statements end --------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The piece from start to scan is done with. */
static void piece_drop(struct cyp_reader *r)
{
    r->start = r->scan;
    r->state = CYP_SCAN_BLANK;
}

static bool line_end(struct cyp_reader *r, struct nb_error *err)
{
    struct nb_str line = { r->text.data + r->start, r->scan - r->start };
    bool ok;

    if (r->before_comment != CYP_SCAN_BLANK) {
        r->state = r->before_comment;
        return true;
    }
    if (line.p[0] == ':') {
        r->counts.statements++;
        ok = (r->phase != CYP_READ_START || head_start(r, line, err)) &&
             (r->foreign || cyp_reader_bad(r, err, "a command")) && other_emit(r, line, err);
    } else {
        ok = comment_take(r, line, err);
    }
    piece_drop(r);
    return ok;
}

/* A byte that no quote or comment holds. */
static bool normal_step(struct cyp_reader *r, char c, struct nb_error *err)
{
    const char *p = r->text.data;
    enum cyp_scan before = r->state;
    bool ok = true, fresh = r->fresh;

    r->fresh = false;
    if (before == CYP_SCAN_BLANK && is_blank(c)) {
        r->start = ++r->scan;
        return true;
    }
    r->scan++;
    if (before == CYP_SCAN_BLANK)
        r->state = CYP_SCAN_NORMAL;
    if (c == ':' && before == CYP_SCAN_BLANK) {
        r->before_comment = before;
        r->state = CYP_SCAN_LINE;
    } else if (c == '\'' || c == '"' || c == '`') {
        r->state = c == '\'' ? CYP_SCAN_SINGLE : c == '"' ? CYP_SCAN_DOUBLE : CYP_SCAN_NAME;
    } else if ((c == '/' || c == '*') && !fresh && r->scan >= r->start + 2 &&
               p[r->scan - 2] == '/') {
        r->before_comment = r->scan == r->start + 2 ? CYP_SCAN_BLANK : CYP_SCAN_NORMAL;
        r->state = c == '/' ? CYP_SCAN_LINE : CYP_SCAN_BLOCK;
        r->escaped = c == '*'; /* the asterisk that opens a comment does not close it as well */
    } else if (c == ';') {
        ok = r->scan - 1 == r->start ||
             statement_take(r, r->text.data + r->start, r->scan - 1 - r->start, err);
        piece_drop(r);
    }
    return ok;
}

static void quote_step(struct cyp_reader *r)
{
    static const char ends[] = {
        [CYP_SCAN_SINGLE] = '\'', [CYP_SCAN_DOUBLE] = '"', [CYP_SCAN_NAME] = '`'
    };
    char end = ends[r->state];
    const char *p = r->text.data;

    while (r->scan < r->text.len) {
        char c = p[r->scan++];

        if (r->escaped) {
            r->escaped = false;
        } else if (c == '\\' && r->state != CYP_SCAN_NAME) {
            r->escaped = true;
        } else if (c == end) {
            r->state = CYP_SCAN_NORMAL;
            return;
        } else if (r->state == CYP_SCAN_SINGLE) {
            r->scan += cyp_text_plain(p + r->scan, r->text.len - r->scan);
        }
    }
}

static void block_step(struct cyp_reader *r)
{
    const char *p = r->text.data;

    for (; r->scan < r->text.len; r->scan++) {
        bool opens = r->escaped;

        r->escaped = false;
        if (opens || p[r->scan] != '/' || p[r->scan - 1] != '*')
            continue;
        r->scan++;
        if (r->before_comment == CYP_SCAN_BLANK)
            piece_drop(r);
        else
            r->state = r->before_comment;
        r->fresh = true;
        return;
    }
}

static bool scan_run(struct cyp_reader *r, struct nb_error *err)
{
    while (r->scan < r->text.len) {
        const char *p = r->text.data + r->scan, *line;

        switch (r->state) {
        case CYP_SCAN_BLANK:
        case CYP_SCAN_NORMAL:
            if (!normal_step(r, *p, err))
                return false;
            break;
        case CYP_SCAN_SINGLE:
        case CYP_SCAN_DOUBLE:
        case CYP_SCAN_NAME:
            quote_step(r);
            break;
        case CYP_SCAN_LINE:
            line = memchr(p, '\n', r->text.len - r->scan);
            r->scan = line ? (size_t)(line - r->text.data) : r->text.len;
            if (line && !line_end(r, err))
                return false;
            break;
        case CYP_SCAN_BLOCK:
            block_step(r);
            break;
        }
    }
    return true;
}

/* --- in --------------------------------------------------------------------------------------- */

static bool step_feed(struct cyp_reader *r, const char *p, size_t n, struct nb_error *err)
{
    nb_buf_append(&r->text, p, n);
    if (r->text.overflow)
        return nb_fail(err, NB_E_LIMIT, "StatementTooLarge", "a statement is larger than %zu bytes",
                       r->opts.max_statement_bytes);
    if (!scan_run(r, err))
        return false;
    nb_buf_consume(&r->text, r->start);
    r->scan -= r->start;
    r->start = 0;
    return true;
}

bool cyp_reader_feed(struct cyp_reader *r, const void *p, size_t n, struct nb_error *err)
{
    const char *from = p;

    if (r->failed) {
        *err = r->error;
        return false;
    }
    r->counts.bytes += n;
    while (n) {
        size_t step = n < FEED_STEP ? n : FEED_STEP;

        if (!step_feed(r, from, step, err))
            return broken(r, err);
        from += step;
        n -= step;
    }
    return true;
}

/* What is left when the input ends: a line without its end, or a statement without a semicolon. */
static bool rest_take(struct cyp_reader *r, struct nb_error *err)
{
    size_t n;

    if (r->state == CYP_SCAN_LINE && !line_end(r, err))
        return false;
    n = r->text.len - r->start;
    while (n && is_blank(r->text.data[r->start + n - 1]))
        n--;
    if (!n || (r->state == CYP_SCAN_BLOCK && r->before_comment == CYP_SCAN_BLANK))
        return true;
    if (r->foreign && r->state == CYP_SCAN_NORMAL)
        return statement_take(r, r->text.data + r->start, n, err);
    return nb_fail(err, NB_E_CORRUPT, "CutDump", "the dump ends within a statement");
}

bool cyp_reader_finish(struct cyp_reader *r, struct nb_error *err)
{
    if (r->failed) {
        *err = r->error;
        return false;
    }
    if (!rest_take(r, err))
        return broken(r, err);
    if (r->phase == CYP_READ_START && !r->opts.any_script)
        return nb_fail(err, NB_E_INVALID, "NotADump", "the file is empty");
    if (!r->foreign && r->phase != CYP_READ_START && r->phase != CYP_READ_DONE)
        return nb_fail(err, NB_E_CORRUPT, "CutDump", "the dump ends before its tail");
    return true;
}

void cyp_reader_counts(const struct cyp_reader *r, struct cyp_counts *ret)
{
    *ret = r->counts;
}

void cyp_reader_digest(const struct cyp_reader *r, struct cyp_digest *ret)
{
    *ret = (struct cyp_digest){ 0 };
    if (r->digester)
        cyp_digester_get(r->digester, ret);
}
