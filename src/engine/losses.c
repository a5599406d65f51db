#include "engine/losses.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cypher/apoc.h"
#include "cypher/number.h"

#define HELPER_LABEL "UNIQUE IMPORT LABEL"
#define HELPER_KEY   "UNIQUE IMPORT ID"

enum { SAID_BYTES = 100 };
/* The last zone whose offset had seconds was Monrovia's, until 1972-01-07. */
static const int64_t OFFSETS_IN_MINUTES_FROM = INT64_C(63590400);

static void unfit(struct eng_losses *l, const char *fmt, ...) NB_PRINTF(2, 3);
static void unfit(struct eng_losses *l, const char *fmt, ...)
{
    va_list ap;

    if (l->unfit[0])
        return;
    va_start(ap, fmt);
    vsnprintf(l->unfit, sizeof(l->unfit), fmt, ap);
    va_end(ap);
}

/* For "%.*s". */
static int said(struct nb_str s)
{
    return (int)(s.n < SAID_BYTES ? s.n : SAID_BYTES);
}

static void check_name(struct eng_losses *l, const char *what, struct nb_str name)
{
    if (!cyp_apoc_can_name(name))
        unfit(l, "the %s '%.*s' has a character that APOC does not write so that it is read back",
              what, said(name), name.p);
}

/* --- values ----------------------------------------------------------------------------------- */

/* A float of 32 bits is written with the digits that tell it from other floats of 32 bits, and
 * read as one of 64: it comes back as another number, unless the digits are the same. Over Bolt
 * both look alike; one of 64 bits is hardly ever exact in 32 and as long. */
static bool is_short_float(double v)
{
    char text[CYP_FLOAT_MAX];
    double back;

    return cyp_is_float32(v) &&
           (!cyp_double_read(text, (size_t)(cyp_float_write(text, (float)v) - text), &back) ||
            back < v || back > v);
}

static bool has_short_float(const struct ps_value *v)
{
    if (v->type == PS_FLOAT)
        return is_short_float(v->real);
    for (size_t i = 0; v->type == PS_FLOATS && i < v->floats.n; i++) {
        if (is_short_float(ps_floats_get(&v->floats, i)))
            return true;
    }
    return false;
}

/* One that is no list. NULL: APOC writes it well. */
static const char *fault_of_item(const struct ps_value *v)
{
    switch (v->type) {
    case PS_VECTOR:
    case PS_UUID:
    case PS_UNSUPPORTED:
        return "is of a type that APOC does not write";
    case PS_STRING:
        return memchr(v->string.p, '\0', v->string.n) ? "holds a NUL character, as it stands"
                                                      : NULL;
    case PS_TIME:
        return v->time.offset_seconds % 60 ? "has an offset with seconds, which is not read back"
                                           : NULL;
    case PS_DATETIME:
        if (v->datetime.zone.n > 0 && v->datetime.seconds < OFFSETS_IN_MINUTES_FROM)
            return "is a time in a zone before 1972, whose offset may have seconds, which is not "
                   "read back";
        return v->datetime.zone.n == 0 && v->datetime.offset_seconds % 60
                   ? "has an offset with seconds, which is not read back"
                   : NULL;
    default:
        return NULL;
    }
}

static const char *fault_of(const struct ps_value *v)
{
    const char *fault = NULL;

    if (v->type != PS_LIST)
        return fault_of_item(v);
    for (size_t i = 0; !fault && i < v->list.n; i++)
        fault = fault_of_item(&v->list.items[i]);
    return fault;
}

static void note_property(struct eng_losses *l, struct nb_str key, const struct ps_value *v)
{
    const char *fault = fault_of(v);

    check_name(l, "property key", key);
    if (fault)
        unfit(l, "the property '%.*s' %s", said(key), key.p, fault);
    if (v->type == PS_BYTES)
        l->byte_arrays++;
    else if (has_short_float(v))
        l->short_floats++;
    l->changes_values = l->byte_arrays + l->short_floats > 0;
}

/* A node that has such a value is looked for by it, and NaN equals nothing. */
static void check_unique(struct eng_losses *l, struct nb_str key, const struct ps_value *v)
{
    if (l->unique && v->type == PS_FLOAT && v->real != v->real &&
        nb_map_get(l->unique, key.p, key.n))
        unfit(l,
              "the unique property '%.*s' is NaN in a node, whose relationships are not read "
              "back",
              said(key), key.p);
}

void eng_losses_node(struct eng_losses *l, const struct ps_node *node)
{
    for (size_t i = 0; i < node->nlabels; i++) {
        check_name(l, "label", node->labels[i]);
        if (nb_str_is(node->labels[i], HELPER_LABEL))
            unfit(l, "APOC takes the label '" HELPER_LABEL "' for its own, and removes it");
    }
    for (size_t i = 0; i < node->props.n; i++) {
        const struct ps_pair *p = &node->props.pairs[i];

        if (nb_str_is(p->key, HELPER_KEY))
            unfit(l, "APOC takes the property key '" HELPER_KEY "' for its own, and removes it");
        note_property(l, p->key, &p->value);
        check_unique(l, p->key, &p->value);
    }
}

void eng_losses_rel(struct eng_losses *l, const struct eng_rel *rel)
{
    check_name(l, "relationship type", rel->type);
    for (size_t i = 0; i < rel->props.n; i++)
        note_property(l, rel->props.pairs[i].key, &rel->props.pairs[i].value);
}

/* --- schema ----------------------------------------------------------------------------------- */

void eng_losses_unique(struct eng_losses *l, const struct eng_unique *u)
{
    if (u->rel)
        return;
    /* Nodes that have some of the properties are told apart by all of them. */
    if (u->properties_n > 1)
        unfit(l,
              "APOC does not find the nodes of label '%.*s' again, which have a constraint over "
              "several properties",
              said(u->name), u->name.p);
    if (!l->unique)
        l->unique = nb_map_new(NULL);
    for (size_t i = 0; i < u->properties_n; i++) {
        if (u->properties[i].type == PS_STRING)
            nb_map_put(l->unique, u->properties[i].string.p, u->properties[i].string.n, l->unique);
    }
}

void eng_losses_done(struct eng_losses *l)
{
    nb_map_free(nb_steal(l->unique));
}

static bool has(struct nb_str s, const char *part)
{
    return memmem(s.p, s.n, part, strlen(part)) != NULL;
}

/* A name that needs no quotes. */
static bool is_plain(struct nb_str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (c != '_' && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return name.n > 0;
}

/* As servers print what nobody chose. */
static bool has_default_options(const struct cyp_schema *s)
{
    static const char spatial[] =
        "`spatial.cartesian-3d.max`: [1000000.0, 1000000.0, 1000000.0],"
        "`spatial.cartesian-3d.min`: [-1000000.0, -1000000.0, -1000000.0],"
        "`spatial.cartesian.max`: [1000000.0, 1000000.0],"
        "`spatial.cartesian.min`: [-1000000.0, -1000000.0],"
        "`spatial.wgs-84-3d.max`: [180.0, 90.0, 1000000.0],"
        "`spatial.wgs-84-3d.min`: [-180.0, -90.0, -1000000.0],"
        "`spatial.wgs-84.max`: [180.0, 90.0],`spatial.wgs-84.min`: [-180.0, -90.0]";

    if (nb_str_is(s->type, "FULLTEXT"))
        return has(s->statement, "'standard-no-stop-words'") &&
               has(s->statement, "`fulltext.eventually_consistent`: false");
    return !has(s->statement, "`spatial.") || has(s->statement, spatial);
}

static void note_index(struct eng_losses *l, const struct cyp_schema *s)
{
    bool named = nb_str_is(s->type, "FULLTEXT");

    if (nb_str_is(s->type, "VECTOR")) {
        l->vector_indexes++;
        return;
    }
    if (named && !is_plain(s->name))
        unfit(l, "the name of the full-text index '%.*s' needs quotes, which APOC does not write",
              said(s->name), s->name.p);
    l->index_names += !named;
    l->index_options += !has_default_options(s);
}

void eng_losses_schema(struct eng_losses *l, const struct eng_schema_item *item)
{
    const struct cyp_schema *s = &item->item;

    if (nb_str_is(s->type, "LOOKUP")) /* every new database has them */
        return;
    /* Names of all kinds stand in backticks there, and a backtick in one is doubled. */
    if (has(s->statement, "``") || has(s->statement, "\\u"))
        unfit(l, "%s '%.*s' has a name in it that APOC does not write so that it is read back",
              s->kind == CYP_CONSTRAINT ? "constraint" : "index", said(s->name), s->name.p);
    if (s->kind == CYP_INDEX)
        note_index(l, s);
    else
        l->constraints += s->enterprise;
}

/* --- in words --------------------------------------------------------------------------------- */

static void say(struct repo_strings *out, uint64_t n, const char *what)
{
    char text[256];

    if (n == 0)
        return;
    snprintf(text, sizeof(text), "%llu %s", (unsigned long long)n, what);
    repo_strings_add(out, text);
}

void eng_losses_list(const struct eng_losses *l, struct repo_strings *out)
{
    say(out, l->short_floats,
        "properties with floats of 32 bits: they come back as floats of 64 bits with other digits "
        "(0.10000000149011612 as 0.1)");
    say(out, l->byte_arrays, "byte arrays: they come back as lists of integers, from -128 to 127");
    say(out, l->vector_indexes, "vector indexes: they are not in the dump");
    say(out, l->index_options, "full-text and point indexes: they come back without their options");
    say(out, l->index_names, "indexes: they come back under other names");
    say(out, l->constraints,
        "constraints of Enterprise Edition: they come back as APOC writes them, keys of "
        "relationships as keys of nodes");
}
