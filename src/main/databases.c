#include "main/databases.h"

#include <string.h>

#include "base/mem.h"

bool database_glob_match(const char *glob, const char *name)
{
    const char *star = NULL, *mark = NULL;

    /* Greedy with one step back: the last star alone need be tried again. */
    while (*name) {
        if (*glob == '*') {
            star = glob++;
            mark = name;
        } else if (*glob == '?' || *glob == *name) {
            glob++;
            name++;
        } else if (star) {
            glob = star + 1;
            name = ++mark;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}

static bool any_match(const struct options *o, enum option_id id, const char *name)
{
    for (size_t i = 0; i < opt_list_count(o, id); i++) {
        if (database_glob_match(opt_list_get(o, id, i), name))
            return true;
    }
    return false;
}

static bool is_glob(const char *s)
{
    return strpbrk(s, "*?") != NULL;
}

/* A system database is meant where it is named, or where globs may mean it. */
static bool wanted(const struct options *o, const struct eng_database *db, const char *name)
{
    if (any_match(o, OPT_NEO4J_EXCLUDE_DATABASES, name))
        return false;
    if (!db->system || opt_bool(o, OPT_NEO4J_INCLUDE_SYSTEM))
        return any_match(o, OPT_NEO4J_DATABASES, name);
    for (size_t i = 0; i < opt_list_count(o, OPT_NEO4J_DATABASES); i++) {
        if (nb_streq(opt_list_get(o, OPT_NEO4J_DATABASES, i), name))
            return true;
    }
    return false;
}

struct resolve {
    const struct options *o;
    struct nb_vec *ret;
};

static bool take_database(void *ctx, const struct eng_database *db, struct nb_error *err)
{
    struct resolve *r = ctx;
    nb_auto(nb_free) char *name = nb_xstrndup(db->name.p, db->name.n);

    (void)err;
    if (!wanted(r->o, db, name))
        return true;
    /* A cluster lists a database once for each server. */
    for (size_t i = 0; i < r->ret->count; i++) {
        if (nb_streq(r->ret->items[i], name))
            return true;
    }
    nb_vec_push(r->ret, nb_steal(name));
    return true;
}

/* A name that is there as such but on no server (or offline) must not be left out in silence. */
static bool check_names(const struct options *o, const struct nb_vec *found, struct nb_error *err)
{
    for (size_t i = 0; i < opt_list_count(o, OPT_NEO4J_DATABASES); i++) {
        const char *name = opt_list_get(o, OPT_NEO4J_DATABASES, i);
        bool there = is_glob(name) || any_match(o, OPT_NEO4J_EXCLUDE_DATABASES, name);

        for (size_t k = 0; k < found->count; k++)
            there = there || nb_streq(found->items[k], name);
        if (!there)
            return nb_fail(err, NB_E_NOT_FOUND, "DatabaseNotFound",
                           "database '%s' is not there, or not online", name);
    }
    if (found->count == 0)
        return nb_fail(err, NB_E_NOT_FOUND, "DatabaseNotFound", "no online database matches %s",
                       opt_origin(o, OPT_NEO4J_DATABASES));
    return true;
}

bool databases_resolve(const struct options *o, const struct eng_source_opts *source_opts,
                       struct nb_vec *ret, struct nb_error *err)
{
    nb_auto(eng_source_close) struct eng_source *source = NULL;
    const char *one = opt_text(o, OPT_NEO4J_DATABASE);
    size_t n = opt_list_count(o, OPT_NEO4J_DATABASES);
    bool ask = opt_list_count(o, OPT_NEO4J_EXCLUDE_DATABASES) > 0;
    struct resolve resolve = { o, ret };

    if (one && n > 0)
        return opt_fail(o, OPT_NEO4J_DATABASES, err, "give one of them", "and %s are both given",
                        opt_origin(o, OPT_NEO4J_DATABASE));
    if (n == 0) {
        nb_vec_push(ret, nb_xstrdup_null(one));
        return true;
    }
    for (size_t i = 0; i < n; i++)
        ask = ask || is_glob(opt_list_get(o, OPT_NEO4J_DATABASES, i));
    if (!ask) {
        for (size_t i = 0; i < n; i++)
            nb_vec_push(ret, nb_xstrdup(opt_list_get(o, OPT_NEO4J_DATABASES, i)));
        return true;
    }
    return eng_source_open(source_opts, &source, err) &&
           eng_source_databases(source, take_database, &resolve, err) && check_names(o, ret, err);
}
