#include "engine/schema.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

/* What the server has to do, the longest first: it builds two indexes at a time, each on one core,
 * in the order in which they were begun. A constraint is built before the statement is answered. */
enum effort { GRAPH_OF_VECTORS, WORDS, VALUES, CONSTRAINT };

struct item {
    enum cyp_schema_kind kind;
    enum effort effort;
    char *name, *statement;
};

struct eng_schema {
    bool merge;
    struct nb_vec expected, added; /* struct item */
    struct nb_map *begun; /* statements -> the schema itself, which is nothing but a mark */
};

static void free_items(struct nb_vec *v)
{
    for (size_t i = 0; i < v->count; i++) {
        struct item *item = v->items[i];

        free(item->name);
        free(item->statement);
        free(item);
    }
    nb_vec_done(v);
}

struct eng_schema *eng_schema_new(bool merge)
{
    struct eng_schema *s = NB_NEW(struct eng_schema);

    s->merge = merge;
    s->begun = nb_map_new(NULL);
    return s;
}

void eng_schema_free(struct eng_schema *s)
{
    if (!s)
        return;
    free_items(&s->expected);
    free_items(&s->added);
    nb_map_free(s->begun);
    free(s);
}

static enum effort effort_of(const struct cyp_schema *item)
{
    if (item->kind == CYP_CONSTRAINT)
        return CONSTRAINT;
    if (nb_str_is(item->type, "VECTOR"))
        return GRAPH_OF_VECTORS;
    return nb_str_is(item->type, "FULLTEXT") ? WORDS : VALUES;
}

/* Behind those that are to be begun before it: the order of equals stays. */
static void push(struct nb_vec *v, const struct cyp_schema *item)
{
    struct item *copy = NB_NEW(struct item);
    size_t at = v->count;

    copy->kind = item->kind;
    copy->effort = effort_of(item);
    copy->name = nb_xstrndup(item->name.p, item->name.n);
    copy->statement = nb_xstrndup(item->statement.p, item->statement.n);
    nb_vec_push(v, copy);
    for (; at > 0 && ((struct item *)v->items[at - 1])->effort > copy->effort; at--)
        v->items[at] = v->items[at - 1];
    v->items[at] = copy;
}

/* Of nodes, and worth the while: every database has the index that looks up labels. */
static bool can_be_early(const struct cyp_schema *item)
{
    return item->kind == CYP_INDEX && !nb_str_is(item->type, "LOOKUP") &&
           cyp_schema_find(item->statement, " FOR (") != SIZE_MAX &&
           cyp_schema_find(item->statement, " FOR ()") == SIZE_MAX;
}

/* A merge finds indexes in use. */
void eng_schema_expect(struct eng_schema *s, const struct cyp_schema *item)
{
    if (!s->merge && can_be_early(item))
        push(&s->expected, item);
}

void eng_schema_add(struct eng_schema *s, const struct cyp_schema *item)
{
    push(&s->added, item);
}

size_t eng_schema_count(const struct eng_schema *s)
{
    return s->added.count;
}

/* There already: made by an earlier try whose answer was lost, or, merging, by somebody else. An
 * index where a constraint should be is no constraint. */
static bool is_there(const struct eng_schema *s, const struct item *item, const char *text)
{
    if (strstr(text, "Schema.EquivalentSchemaRuleAlreadyExists"))
        return true;
    /* A try whose answer was lost has made the very thing; an empty target had none before. */
    return s->merge && (strstr(text, "Schema.ConstraintAlreadyExists") ||
                        (item->kind == CYP_INDEX && strstr(text, "Schema.IndexAlreadyExists")));
}

static bool make(const struct eng_schema *s, struct eng_dest *dest, const struct item *item,
                 struct nb_error *err)
{
    if (eng_dest_exec(dest, item->statement, (struct nb_str){ NULL, 0 }, NULL, err))
        return true;
    if (is_there(s, item, err->text)) {
        nb_error_clear(err);
        return true;
    }
    nb_wrap(err, "%s '%s'", item->kind == CYP_CONSTRAINT ? "constraint" : "index", item->name);
    if (item->kind == CYP_CONSTRAINT && strstr(err->text, "Schema.IndexAlreadyExists"))
        return nb_hint(err, "drop that index, for the constraint brings one itself, and create it");
    return false;
}

bool eng_schema_begin(struct eng_schema *s, struct eng_dest *dest, struct nb_error *err)
{
    for (size_t i = 0; i < s->expected.count; i++) {
        const struct item *item = s->expected.items[i];

        if (!make(s, dest, item, err))
            return false;
        nb_map_put(s->begun, item->statement, strlen(item->statement), s);
    }
    free_items(&s->expected);
    return true;
}

bool eng_schema_make(struct eng_schema *s, struct eng_dest *dest, uint64_t *ret_constraints,
                     uint64_t *ret_indexes, struct nb_error *err)
{
    for (size_t i = 0; i < s->added.count; i++) {
        const struct item *item = s->added.items[i];

        if (!nb_map_get(s->begun, item->statement, strlen(item->statement)) &&
            !make(s, dest, item, err))
            return false;
        if (item->kind == CYP_CONSTRAINT)
            ++*ret_constraints;
        else
            ++*ret_indexes;
    }
    return true;
}
