#include "base/mem.h"
#include "cypher/ident.h"
#include "cypher/reader_priv.h"

/* p[i] opens a quote: where it ends. */
static size_t quote_end(struct nb_str s, size_t i)
{
    char quote = s.p[i];

    for (i++; i < s.n && s.p[i] != quote; i++)
        if (s.p[i] == '\\' && quote != '`')
            i++;
    return i;
}

size_t cyp_schema_find(struct nb_str statement, const char *words)
{
    size_t n = strlen(words);

    for (size_t i = 0; i + n <= statement.n; i++) {
        char c = statement.p[i];

        if (c == '`' || c == '\'' || c == '"')
            i = quote_end(statement, i);
        else if (memcmp(statement.p + i, words, n) == 0)
            return i;
    }
    return SIZE_MAX;
}

static bool has_words(struct nb_str s, const char *words)
{
    return cyp_schema_find(s, words) != SIZE_MAX;
}

static void constraint_classify(struct cyp_schema *item)
{
    static const struct {
        const char *words, *node_type, *rel_type;
        bool enterprise;
    } kinds[] = {
        { " IS UNIQUE", "UNIQUENESS", "RELATIONSHIP_UNIQUENESS", false },
        { " IS NODE KEY", "NODE_KEY", "NODE_KEY", true },
        { " IS RELATIONSHIP KEY", "RELATIONSHIP_KEY", "RELATIONSHIP_KEY", true },
        { " IS NOT NULL", "NODE_PROPERTY_EXISTENCE", "RELATIONSHIP_PROPERTY_EXISTENCE", true },
        { " IS ::", "NODE_PROPERTY_TYPE", "RELATIONSHIP_PROPERTY_TYPE", true },
        { " IS TYPED", "NODE_PROPERTY_TYPE", "RELATIONSHIP_PROPERTY_TYPE", true },
    };
    bool rel = has_words(item->statement, " FOR ()-[");

    item->type = NB_STR("CONSTRAINT");
    item->enterprise = true;
    for (size_t i = 0; i < NB_ARRAY_LEN(kinds); i++) {
        if (!has_words(item->statement, kinds[i].words))
            continue;
        item->type = nb_str_from(rel ? kinds[i].rel_type : kinds[i].node_type);
        item->enterprise = kinds[i].enterprise;
        return;
    }
}

/* Its name, from the first backticks on. */
static bool name_read(struct nb_str s, size_t at, struct nb_buf *name)
{
    struct nb_error ignored = NB_ERROR_INIT;
    size_t end = cyp_ident_end(s, at);

    return end > 0 && cyp_ident_parse((struct nb_str){ s.p + at, end - at }, name, &ignored);
}

bool cyp_reader_schema(struct cyp_reader *r, struct nb_str statement, bool *ret_known,
                       struct nb_error *err)
{
    static const struct {
        const char *start, *type;
    } kinds[] = {
        { "CREATE CONSTRAINT ", NULL },           { "CREATE INDEX ", "RANGE" },
        { "CREATE RANGE INDEX ", "RANGE" },       { "CREATE BTREE INDEX ", "BTREE" },
        { "CREATE TEXT INDEX ", "TEXT" },         { "CREATE POINT INDEX ", "POINT" },
        { "CREATE FULLTEXT INDEX ", "FULLTEXT" }, { "CREATE VECTOR INDEX ", "VECTOR" },
        { "CREATE LOOKUP INDEX ", "LOOKUP" },
    };
    nb_auto_done(nb_buf_done) struct nb_buf name = NB_BUF_INIT(1 << 20);
    struct cyp_schema item = { .kind = CYP_INDEX, .statement = statement };
    const size_t skip = nb_str_starts(statement, CYP_SCHEMA_25) ? strlen(CYP_SCHEMA_25) : 0;
    const struct nb_str words = { statement.p + skip, statement.n - skip };

    *ret_known = false;
    for (size_t i = 0; i < NB_ARRAY_LEN(kinds); i++) {
        if (!nb_str_starts(words, kinds[i].start))
            continue;
        if (!name_read(words, strlen(kinds[i].start), &name))
            return true;
        item.name = nb_buf_str(&name);
        item.type = nb_str_from(kinds[i].type);
        if (!kinds[i].type) {
            item.kind = CYP_CONSTRAINT;
            constraint_classify(&item);
        }
        *ret_known = true;
        break;
    }
    if (!*ret_known)
        return true;
    if (item.kind == CYP_CONSTRAINT)
        r->counts.constraints++;
    else
        r->counts.indexes++;
    return !r->ops.schema || r->ops.schema(r->ctx, &item, err);
}
