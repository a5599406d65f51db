#include "engine/keys.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "engine/content.h"

struct constraint {
    bool rel;
    char *name;
    size_t name_n;
    char **properties;
    size_t properties_n;
    uint64_t seed;
};

struct key {
    uint64_t hash;
    int64_t a, b; /* a node's id and -1; a relationship's ends */
};

struct eng_keys {
    struct constraint *constraints;
    size_t constraints_n;
    struct key *keys;
    size_t n, cap;
    uint64_t schema;
};

static bool add_constraint(void *ctx, const struct eng_unique *u, struct nb_error *err)
{
    struct eng_keys *k = ctx;
    struct constraint *c;

    k->constraints =
        nb_xreallocarray(k->constraints, k->constraints_n + 1, sizeof(*k->constraints));
    c = &k->constraints[k->constraints_n++];
    *c = (struct constraint){
        .rel = u->rel,
        .name = nb_xstrndup(u->name.p, u->name.n),
        .name_n = u->name.n,
        .properties = nb_xcalloc(u->properties_n + 1, sizeof(char *)),
        .seed = nb_hash64(u->name.p, u->name.n) * 2 + u->rel,
    };
    for (size_t i = 0; i < u->properties_n; i++) {
        struct nb_str name = u->properties[i].type == PS_STRING ? u->properties[i].string
                                                                : (struct nb_str){ NULL, 0 };

        if (name.n == 0)
            return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError",
                           "the server describes a constraint with a property that has no name");
        c->properties[c->properties_n++] = nb_xstrndup(name.p, name.n);
        c->seed = c->seed * 31 + nb_hash64(name.p, name.n);
    }
    k->schema = k->schema * 31 + c->seed;
    return true;
}

bool eng_keys_new(struct eng_source *source, struct eng_keys **ret, struct nb_error *err)
{
    nb_auto(eng_keys_free) struct eng_keys *k = NB_NEW(struct eng_keys);

    if (!eng_source_uniques(source, add_constraint, k, err))
        return false;
    *ret = nb_steal(k);
    return true;
}

void eng_keys_free(struct eng_keys *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->constraints_n; i++) {
        struct constraint *c = &k->constraints[i];

        for (size_t p = 0; p < c->properties_n; p++)
            free(c->properties[p]);
        free(c->properties);
        free(c->name);
    }
    free(k->constraints);
    free(k->keys);
    free(k);
}

uint64_t eng_keys_schema(const struct eng_keys *k)
{
    return k->schema;
}

/* A constraint says nothing of an element that lacks one of its properties. */
static void add_key(struct eng_keys *k, const struct constraint *c, const struct ps_map *props,
                    int64_t a, int64_t b)
{
    uint64_t hash = c->seed;

    for (size_t i = 0; i < c->properties_n; i++) {
        const struct ps_value *v = ps_map_get(props, c->properties[i]);

        if (!v || v->type == PS_NULL)
            return;
        hash = eng_content_key(hash, v);
    }
    if (k->n == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 1024;
        k->keys = nb_xreallocarray(k->keys, k->cap, sizeof(*k->keys));
    }
    k->keys[k->n++] = (struct key){ hash, a, b };
}

static bool is_named(const struct constraint *c, struct nb_str name)
{
    return nb_str_equal(name, (struct nb_str){ c->name, c->name_n });
}

void eng_keys_add_node(struct eng_keys *k, const struct ps_node *node)
{
    for (size_t i = 0; i < k->constraints_n; i++) {
        const struct constraint *c = &k->constraints[i];

        for (size_t l = 0; !c->rel && l < node->nlabels; l++) {
            if (is_named(c, node->labels[l]))
                add_key(k, c, &node->props, node->id, -1);
        }
    }
}

void eng_keys_add_rel(struct eng_keys *k, const struct eng_rel *rel)
{
    for (size_t i = 0; i < k->constraints_n; i++) {
        const struct constraint *c = &k->constraints[i];

        if (c->rel && is_named(c, rel->type))
            add_key(k, c, &rel->props, rel->start_id, rel->end_id);
    }
}

void eng_keys_forget(struct eng_keys *k, const struct eng_idset *nodes, bool nodes_only)
{
    size_t n = 0;

    for (size_t i = 0; i < k->n; i++) {
        const struct key *key = &k->keys[i];
        bool of_node = key->b < 0;

        if ((nodes_only && !of_node) ||
            (!eng_idset_has(nodes, key->a) && (of_node || !eng_idset_has(nodes, key->b))))
            k->keys[n++] = *key;
    }
    k->n = n;
}

static int by_hash(const void *a, const void *b)
{
    const struct key *x = a, *y = b;

    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

bool eng_keys_doubles(struct eng_keys *k, struct eng_idset *ret, struct nb_error *err)
{
    bool is_new;

    if (k->n > 0)
        qsort(k->keys, k->n, sizeof(*k->keys), by_hash);
    for (size_t i = 1; i < k->n; i++) {
        if (k->keys[i].hash == k->keys[i - 1].hash &&
            (!eng_idset_add(ret, k->keys[i].a, &is_new, err) ||
             !eng_idset_add(ret, k->keys[i - 1].a, &is_new, err)))
            return false;
    }
    return true;
}
