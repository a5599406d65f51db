#include "engine/survey.h"

#include <stdlib.h>

#include "base/mem.h"
#include "engine/cut.h"
#include "engine/idset.h"

enum { NAMES_MAX = 10000 };

struct reading {
    struct eng_survey *s;
    struct eng_meter *meter;
    struct cyp_digester *digester;  /* NULL: not wanted */
    struct eng_idset *nodes, *rels; /* a reading that starts over brings them again */
};

static void count_name(struct nb_map *map, struct nb_str name)
{
    uint64_t *count = nb_map_get(map, name.p, name.n);

    if (!count && nb_map_count(map) >= NAMES_MAX) {
        name.n = 0;
        count = nb_map_get(map, "", 0);
    }
    if (!count) {
        count = NB_NEW(uint64_t);
        nb_map_put(map, name.n ? name.p : "", name.n, count);
    }
    ++*count;
}

static bool take_node(void *ctx, const struct ps_node *node, struct nb_error *err)
{
    struct reading *r = ctx;
    bool is_new;

    if (!eng_idset_add(r->nodes, node->id, &is_new, err))
        return false;
    if (!is_new)
        return true;
    r->s->nodes++;
    r->s->properties += node->props.n;
    r->s->weight += eng_cut_weight(&node->props);
    for (size_t i = 0; i < node->nlabels; i++)
        count_name(r->s->labels, node->labels[i]);
    eng_losses_node(&r->s->losses, node);
    return !r->digester ||
           cyp_digester_node(r->digester, node->id, node->labels, node->nlabels, &node->props, err);
}

static bool take_rel(void *ctx, const struct eng_rel *rel, struct nb_error *err)
{
    struct reading *r = ctx;
    bool is_new;

    if (!eng_idset_add(r->rels, rel->id, &is_new, err))
        return false;
    if (!is_new)
        return true;
    r->s->rels++;
    r->s->properties += rel->props.n;
    r->s->weight += eng_cut_weight(&rel->props);
    count_name(r->s->types, rel->type);
    eng_losses_rel(&r->s->losses, rel);
    return !r->digester ||
           cyp_digester_rel(r->digester, rel->start_id, rel->end_id, rel->type, &rel->props, err);
}

static bool take_schema(void *ctx, const struct eng_schema_item *item, struct nb_error *err)
{
    struct reading *r = ctx;

    (void)err;
    if (item->item.kind == CYP_CONSTRAINT)
        r->s->constraints++;
    else
        r->s->indexes++;
    eng_losses_schema(&r->s->losses, item);
    return true;
}

static bool take_unique(void *ctx, const struct eng_unique *u, struct nb_error *err)
{
    (void)err;
    eng_losses_unique(&((struct reading *)ctx)->s->losses, u);
    return true;
}

static bool read_all(struct reading *r, struct eng_source *source, struct nb_error *err)
{
    uint64_t nodes, rels;

    eng_meter_stage(r->meter, ENG_CHECKING);
    if (!eng_source_mark(source, &r->s->mark, err) ||
        !eng_source_counts(source, &nodes, &rels, err))
        return false;
    atomic_store(&r->meter->total_nodes, nodes);
    atomic_store(&r->meter->total_rels, rels);
    return eng_source_schema(source, take_schema, r, err) &&
           eng_source_uniques(source, take_unique, r, err) &&
           eng_source_nodes(source, take_node, r, err) && eng_source_rels(source, take_rel, r, err);
}

bool eng_survey_run(struct eng_source *source, struct eng_meter *meter, bool digest,
                    struct eng_survey *ret, struct nb_error *err)
{
    nb_auto(cyp_digester_free) struct cyp_digester *digester = NULL;
    nb_auto(eng_idset_free) struct eng_idset *nodes = eng_idset_new(0);
    nb_auto(eng_idset_free) struct eng_idset *rels = eng_idset_new(0);
    struct reading r = { .s = ret, .meter = meter, .nodes = nodes, .rels = rels };

    *ret = (struct eng_survey){ .labels = nb_map_new(free), .types = nb_map_new(free) };
    if (digest)
        digester = cyp_digester_new(0);
    r.digester = digester;
    if (!read_all(&r, source, err)) {
        eng_survey_done(ret);
        return false;
    }
    if (digester)
        cyp_digester_get(digester, &ret->digest);
    return true;
}

void eng_survey_done(struct eng_survey *s)
{
    nb_map_free(nb_steal(s->labels));
    nb_map_free(nb_steal(s->types));
    eng_losses_done(&s->losses);
}
