/* What stands around the rows of a dump: head, schema statements, tail. */

#include "cypher/ident.h"
#include "cypher/script_priv.h"

enum { REMOVE_BATCH = 10000, INDEX_WAIT_SECONDS = 7 * 24 * 3600 };

/* One line of a comment, and nothing that could end it: servers that undo \uXXXX do so in comments
 * too, where \u000a is a new line and other sequences are errors. */
static void line_append(struct nb_buf *out, const char *name, struct nb_str value)
{
    if (!value.n)
        return;
    nb_buf_puts(out, "// ");
    nb_buf_puts(out, name);
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];

        if (c == '\\')
            c = '/';
        nb_buf_putc(out, (unsigned char)c < ' ' || c == 0x7f ? ' ' : c);
    }
    nb_buf_putc(out, '\n');
}

static void number_append(struct nb_buf *out, const char *name, uint64_t value)
{
    nb_buf_printf(out, "// %s: %llu\n", name, (unsigned long long)value);
}

/* --- head ------------------------------------------------------------------------------------- */

void cyp_head_append(struct nb_buf *out, const struct cyp_head *head, const char *helper)
{
    nb_buf_printf(out, CYP_HEAD_FIRST "%d\n", CYP_FORMAT_VERSION);
    line_append(out, "database: ", head->database);
    line_append(out, "server: ", head->server_version);
    line_append(out, "edition: ", head->edition);
    line_append(out, "created: ", head->created);
    line_append(out, "tool: ", head->tool);
    line_append(out, "helper: ", nb_str_from(helper));
    for (size_t i = 0; i < head->nwarnings; i++)
        line_append(out, "warning: ", head->warnings[i]);
}

static void head_append(struct cyp_script *s, const struct cyp_head *head)
{
    struct nb_buf *out = &s->text;

    cyp_head_append(out, head, s->helper);
    nb_buf_puts(out,
                "//\n"
                "// To restore, into an empty database:\n"
                "//   gunzip -c FILE.cypher.gz | cypher-shell -u neo4j -d neo4j\n"
                "// The input must be read as UTF-8. The helper label, property and constraint "
                "tie relationships\n"
                "// to their nodes and are removed before the end. What a restore cannot "
                "bring back is said at\n"
                "// the end of the file, whose last line is \"" CYP_TAIL_LAST "\".\n");
}

bool cyp_script_head(struct cyp_script *s, const struct cyp_head *head, struct nb_error *err)
{
    struct nb_buf *out = &s->text;

    assert(s->phase == CYP_PHASE_HEAD);
    s->phase = CYP_PHASE_NODES;
    s->range_is_odd = nb_str_starts(head->server_version, "4.");
    head_append(s, head);
    nb_buf_puts(out, CYP_ENCODING_CHECK ";\n");
    nb_buf_printf(out, "CREATE CONSTRAINT `%s` FOR (n:`%s`) REQUIRE n.`%s` IS UNIQUE;\n", s->helper,
                  s->helper, s->helper);
    nb_buf_puts(out, "CALL db.awaitIndexes(300);\n" CYP_OPENING);
    s->counts.statements += 3;
    return cyp_script_put_text(s, err);
}

/* --- schema ----------------------------------------------------------------------------------- */

/* How 4.4 prints what nobody chose. */
static const char btree_options[] =
    " OPTIONS {indexConfig: {`spatial.cartesian-3d.max`: [1000000.0, 1000000.0, 1000000.0],"
    "`spatial.cartesian-3d.min`: [-1000000.0, -1000000.0, -1000000.0],"
    "`spatial.cartesian.max`: [1000000.0, 1000000.0],"
    "`spatial.cartesian.min`: [-1000000.0, -1000000.0],"
    "`spatial.wgs-84-3d.max`: [180.0, 90.0, 1000000.0],"
    "`spatial.wgs-84-3d.min`: [-180.0, -90.0, -1000000.0],"
    "`spatial.wgs-84.max`: [180.0, 90.0],`spatial.wgs-84.min`: [-180.0, -90.0]},"
    " indexProvider: 'native-btree-1.0'}";
static const char range_options[] = " OPTIONS {indexConfig: {}, indexProvider: 'range-1.0'}";
static const char *const default_options[] = {
    btree_options,
    range_options,
    " OPTIONS {indexConfig: {}, indexProvider: 'text-1.0'}",
    " OPTIONS {indexConfig: {}, indexProvider: 'text-2.0'}",
    " OPTIONS {indexConfig: {}, indexProvider: 'token-lookup-1.0'}",
};

static bool str_ends(struct nb_str s, const char *suffix)
{
    size_t n = strlen(suffix);

    return s.n >= n && memcmp(s.p + s.n - n, suffix, n) == 0;
}

/* A token look-up index is there already in a new database, under a name of its own. */
bool cyp_schema_append_portable(struct nb_buf *out, struct nb_str statement, bool range_is_odd,
                                struct nb_error *err)
{
    static const char range[] = "CREATE RANGE INDEX ";
    static const char *const plain[] = { range, "CREATE BTREE INDEX " };
    static const char lookup[] = "CREATE LOOKUP INDEX ";
    struct nb_str s = statement;

    if (nb_str_starts(s, CYP_SCHEMA_25)) {
        nb_buf_puts(out, CYP_SCHEMA_25);
        s.p += strlen(CYP_SCHEMA_25);
        s.n -= strlen(CYP_SCHEMA_25);
    }
    for (size_t i = 0; i < NB_ARRAY_LEN(default_options); i++)
        if (str_ends(s, default_options[i]) &&
            !(range_is_odd && default_options[i] == range_options && !nb_str_starts(s, range)))
            s.n -= strlen(default_options[i]);
    for (size_t i = 0; i < NB_ARRAY_LEN(plain); i++) {
        /* A tree with options of its own is left as it is. */
        if (!nb_str_starts(s, plain[i]) || str_ends(s, "'native-btree-1.0'}") ||
            (range_is_odd && plain[i] == range))
            continue;
        nb_buf_puts(out, "CREATE INDEX ");
        s.p += strlen(plain[i]);
        s.n -= strlen(plain[i]);
        break;
    }
    if (nb_str_starts(s, lookup) && cyp_ident_end(s, strlen(lookup))) {
        struct nb_str start = { s.p, cyp_ident_end(s, strlen(lookup)) };

        if (!cyp_statement_append_safe(out, start, err))
            return false;
        nb_buf_puts(out, " IF NOT EXISTS");
        s.p += start.n;
        s.n -= start.n;
    }
    return cyp_statement_append_safe(out, s, err);
}

bool cyp_script_schema(struct cyp_script *s, const struct cyp_schema *item, struct nb_error *err)
{
    struct nb_buf *out = item->enterprise               ? &s->enterprise
                         : item->kind == CYP_CONSTRAINT ? &s->constraints
                                                        : &s->indexes;

    assert(s->phase == CYP_PHASE_SCHEMA);
    if (!nb_str_starts(item->statement, "CREATE ") &&
        !nb_str_starts(item->statement, CYP_SCHEMA_25 "CREATE "))
        return nb_fail(err, NB_E_INVALID, "BadSchemaStatement", "'%.*s' has no CREATE statement",
                       item->name.n < 64 ? (int)item->name.n : 64, item->name.p);
    if (!cyp_schema_append_portable(out, item->statement, s->range_is_odd, err))
        return nb_wrap(err, "'%.*s'", item->name.n < 64 ? (int)item->name.n : 64, item->name.p);
    nb_buf_puts(out, ";\n");
    s->counts.statements++;
    if (item->kind == CYP_CONSTRAINT)
        s->counts.constraints++;
    else
        s->counts.indexes++;
    return nb_buf_check(out, err);
}

/* --- tail ------------------------------------------------------------------------------------- */

/* Ends the script's last opening: makes cypher-shell fail where nodes are missing. */
static void check_append(struct cyp_script *s)
{
    nb_buf_printf(
        &s->text,
        "%llu',',') AS r OPTIONAL MATCH (n:`%s`) WITH r,count(n) AS n "
        "WHERE n<>toInteger(r) RETURN date('not restored whole: '+r+' nodes were written, "
        "'+toString(n)+' are there');\n",
        (unsigned long long)s->counts.nodes, s->helper);
    nb_buf_printf(&s->text, "DROP CONSTRAINT `%s`;\n", s->helper);
    s->counts.statements += 2;
}

static bool helper_remove(struct cyp_script *s, struct nb_error *err)
{
    uint64_t batches = (s->counts.nodes + REMOVE_BATCH - 1) / REMOVE_BATCH;

    check_append(s);
    for (uint64_t i = 0; i < batches; i++) {
        nb_buf_printf(&s->text, "MATCH (n:`%s`) WITH n LIMIT %d REMOVE n:`%s`,n.`%s`;\n", s->helper,
                      REMOVE_BATCH, s->helper, s->helper);
        s->counts.statements++;
        if (s->text.len > 1 << 20 && !cyp_script_put_text(s, err))
            return false;
    }
    return true;
}

static void sum_append(struct nb_buf *out, const char *name, struct cyp_sum sum)
{
    char hex[CYP_SUM_HEX];

    cyp_sum_format(sum, hex);
    nb_buf_printf(out, "// %s: %s\n", name, hex);
}

static void tail_append(struct cyp_script *s)
{
    struct nb_buf *out = &s->text;
    struct cyp_digest digest;

    nb_buf_puts(out, CYP_TAIL_FIRST "\n");
    number_append(out, "nodes", s->counts.nodes);
    number_append(out, "relationships", s->counts.rels);
    number_append(out, "properties", s->counts.properties);
    number_append(out, "constraints", s->counts.constraints);
    number_append(out, "indexes", s->counts.indexes);
    if (s->counts.deleted_nodes)
        number_append(out, "deleted nodes", s->counts.deleted_nodes);
    cyp_script_digest(s, &digest);
    if (digest.known) {
        sum_append(out, "digest of nodes", digest.nodes);
        sum_append(out, "digest of relationships", digest.rels);
        if (digest.has_ends)
            sum_append(out, "digest of relationships with ends", digest.rels_ends);
    }
    if (s->counts.byte_arrays)
        nb_buf_printf(out,
                      "// warning: %llu byte arrays come back as lists of integers, for Cypher has "
                      "no literal for them; neo4j-backup restore brings them back exactly\n",
                      (unsigned long long)s->counts.byte_arrays);
    if (s->enterprise.len)
        nb_buf_puts(out, "// warning: the last statements need Enterprise Edition\n");
    nb_buf_puts(out, CYP_TAIL_LAST "\n");
}

bool cyp_script_tail(struct cyp_script *s, struct nb_error *err)
{
    assert(s->phase == CYP_PHASE_SCHEMA);
    s->phase = CYP_PHASE_DONE;
    if (!helper_remove(s, err))
        return false;
    nb_buf_append(&s->text, s->indexes.data, s->indexes.len);
    nb_buf_append(&s->text, s->constraints.data, s->constraints.len);
    nb_buf_printf(&s->text, "CALL db.awaitIndexes(%d);\n", INDEX_WAIT_SECONDS);
    s->counts.statements++;
    nb_buf_append(&s->text, s->enterprise.data, s->enterprise.len);
    tail_append(s);
    return cyp_script_put_text(s, err);
}
