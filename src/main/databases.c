#include "main/databases.h"

#include <stdarg.h>
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

static bool is_glob(const char *s)
{
    return strpbrk(s, "*?") != NULL;
}

/* Neo4j's names of databases have no upper case. */
static char *lower(const char *s)
{
    char *copy = nb_xstrdup(s);

    for (char *p = copy; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    return copy;
}

/* --- the catalogue ---------------------------------------------------------------------------- */

static struct database *catalog_find(const struct database_catalog *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (nb_streq(c->items[i].name, name))
            return &c->items[i];
    return NULL;
}

static struct database *catalog_find_alias(const struct database_catalog *c, const char *alias)
{
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->items[i].aliases_n; k++)
            if (nb_streq(c->items[i].aliases[k], alias))
                return &c->items[i];
    return NULL;
}

static void set_status(struct database *d, const struct eng_database *row)
{
    free(d->status);
    d->status = nb_xstrndup(row->status.p ? row->status.p : "", row->status.n);
}

static struct database *catalog_new(struct database_catalog *c, const struct eng_database *row)
{
    struct database *d;

    if (c->n == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 16;
        c->items = nb_xrealloc(c->items, c->cap * sizeof(*c->items));
    }
    d = &c->items[c->n++];
    *d = (struct database){ .name = nb_xstrndup(row->name.p, row->name.n) };
    d->aliases = nb_xcalloc(row->aliases_n + 1, sizeof(*d->aliases));
    for (size_t i = 0; i < row->aliases_n; i++)
        if (row->aliases[i].type == PS_STRING)
            d->aliases[d->aliases_n++] =
                nb_xstrndup(row->aliases[i].string.p, row->aliases[i].string.n);
    return d;
}

void database_catalog_add(struct database_catalog *c, const struct eng_database *row)
{
    nb_auto(nb_free) char *name = nb_xstrndup(row->name.p, row->name.n);
    struct database *d = catalog_find(c, name);

    if (!d)
        d = catalog_new(c, row);
    /* One server that has it online is enough. */
    if (!d->online)
        set_status(d, row);
    d->online = d->online || row->online;
    d->wanted_online = d->wanted_online || row->wanted_online;
    d->system = row->system;
    d->home = d->home || row->home;
    d->composite = row->composite;
}

void database_catalog_done(struct database_catalog *c)
{
    for (size_t i = 0; i < c->n; i++) {
        for (size_t k = 0; k < c->items[i].aliases_n; k++)
            free(c->items[i].aliases[k]);
        free(c->items[i].aliases);
        free(c->items[i].name);
        free(c->items[i].status);
    }
    free(c->items);
    *c = (struct database_catalog){ NULL, 0, 0 };
}

/* --- choices ---------------------------------------------------------------------------------- */

void database_choices_done(struct database_choices *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->items[i].name);
    free(c->items);
    for (size_t i = 0; i < c->notes.count; i++)
        free(c->notes.items[i]);
    nb_vec_done(&c->notes);
    *c = (struct database_choices){ .items = NULL };
}

/* NULL where it has been chosen before. */
static struct database_choice *choose(struct database_choices *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (nb_streq(c->items[i].name, name))
            return NULL;
    if (c->n == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 16;
        c->items = nb_xrealloc(c->items, c->cap * sizeof(*c->items));
    }
    c->items[c->n++] =
        (struct database_choice){ .name = nb_xstrdup_null(name), .error = NB_ERROR_INIT };
    return &c->items[c->n - 1];
}

static void note(struct database_choices *c, const char *fmt, ...) NB_PRINTF(2, 3);
static void note(struct database_choices *c, const char *fmt, ...)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(4096);
    va_list ap;

    va_start(ap, fmt);
    nb_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    nb_vec_push(&c->notes, nb_xstrdup(nb_buf_cstr(&text)));
}

static bool is_excluded(const struct database_rules *r, const char *name)
{
    for (size_t i = 0; i < r->excluded_n; i++) {
        nb_auto(nb_free) char *glob = lower(r->excluded[i]);

        if (database_glob_match(glob, name))
            return true;
    }
    return false;
}

static bool is_excluded_at_all(const struct database_rules *r, const struct database *d)
{
    bool ret = is_excluded(r, d->name);

    for (size_t i = 0; !ret && i < d->aliases_n; i++)
        ret = is_excluded(r, d->aliases[i]);
    return ret;
}

static void fail_not_there(struct database_choice *choice)
{
    nb_fail(&choice->error, NB_E_NOT_FOUND, "DatabaseNotFound", "database '%s' does not exist",
            choice->name);
}

/* It will be online by itself: the backup waits for it. */
static bool is_coming(const struct database *d)
{
    static const char *const coming[] = { "starting", "initial", "store copying" };

    for (size_t i = 0; i < NB_ARRAY_LEN(coming); i++)
        if (d->wanted_online && nb_streq(d->status, coming[i]))
            return true;
    return false;
}

static void fail_not_online(struct database_choice *choice, const struct database *d)
{
    nb_fail(&choice->error, NB_E_NOT_FOUND, "DatabaseNotOnline", "database '%s' is %s", d->name,
            d->status[0] ? d->status : "not online");
    if (!d->wanted_online)
        nb_hint(&choice->error, "START DATABASE `%s`, or leave it out", d->name);
    else
        nb_hint(&choice->error, "SHOW DATABASES says more");
}

/* Named as such. */
static void choose_named(const struct database_rules *r, const struct database_catalog *catalog,
                         const char *name, struct database_choices *ret)
{
    const struct database *d = catalog_find(catalog, name);
    struct database_choice *choice;
    bool alias = !d;

    if (!d)
        d = catalog_find_alias(catalog, name);
    if (is_excluded(r, name) || (d && is_excluded_at_all(r, d)))
        return;
    choice = choose(ret, d ? d->name : name);
    if (d && alias)
        note(ret, "'%s' is an alias of database '%s'%s", name, d->name,
             choice ? "" : ", which is backed up once");
    if (!choice)
        return;
    if (!d)
        fail_not_there(choice);
    else if (d->composite)
        nb_fail(&choice->error, NB_E_INVALID, "DatabaseIsComposite",
                "database '%s' is a composite one and holds no data of its own; "
                "hint: name the databases that it is made of",
                d->name);
    else if (!d->online && !is_coming(d))
        fail_not_online(choice, d);
}

static void choose_matching(const struct database_rules *r, const struct database_catalog *catalog,
                            const char *glob, struct database_choices *ret)
{
    for (size_t i = 0; i < catalog->n; i++) {
        const struct database *d = &catalog->items[i];
        struct database_choice *choice;

        if (!database_glob_match(glob, d->name) || (d->system && !r->include_system) ||
            is_excluded_at_all(r, d))
            continue;
        if (d->composite) {
            note(ret, "composite database '%s' holds no data of its own and is left out", d->name);
            continue;
        }
        if (!d->online && !d->wanted_online) {
            note(ret, "database '%s' was stopped and is left out", d->name);
            continue;
        }
        choice = choose(ret, d->name);
        if (choice && !d->online && !is_coming(d))
            fail_not_online(choice, d);
    }
}

static void choose_home(const struct database_rules *r, const struct database_catalog *catalog,
                        struct database_choices *ret)
{
    const struct database *home = NULL;

    for (size_t i = 0; i < catalog->n; i++)
        if (catalog->items[i].home)
            home = &catalog->items[i];
    if (home)
        choose_named(r, catalog, home->name, ret);
    else
        (void)choose(ret, NULL);
}

bool databases_choose(const struct database_rules *r, const struct database_catalog *catalog,
                      struct database_choices *ret, struct nb_error *err)
{
    if (r->names_n == 0)
        choose_home(r, catalog, ret);
    for (size_t i = 0; i < r->names_n; i++) {
        nb_auto(nb_free) char *name = lower(r->names[i]);

        if (is_glob(name))
            choose_matching(r, catalog, name, ret);
        else
            choose_named(r, catalog, name, ret);
    }
    if (r->include_system && !is_excluded(r, "system"))
        (void)choose(ret, "system");
    return ret->n > 0 || nb_fail(err, NB_E_NOT_FOUND, "DatabaseNotFound",
                                 "no database that can be read is meant by the names given");
}

/* --- by the options --------------------------------------------------------------------------- */

static bool add_row(void *ctx, const struct eng_database *db, struct nb_error *err)
{
    (void)err;
    database_catalog_add(ctx, db);
    return true;
}

static bool ask_server(const struct eng_source_opts *opts, struct database_catalog *catalog,
                       struct nb_error *err)
{
    nb_auto(eng_source_close) struct eng_source *source = NULL;

    return eng_source_open(opts, &source, err) &&
           eng_source_databases(source, add_row, catalog, err);
}

static bool has_globs(const struct database_rules *r)
{
    for (size_t i = 0; i < r->names_n; i++)
        if (is_glob(r->names[i]))
            return true;
    return false;
}

/* What the server would not tell does not matter where all names are given. */
static bool choose_unasked(const struct database_rules *r, struct database_choices *ret,
                           struct nb_error *err)
{
    struct database_catalog none = { NULL, 0, 0 };

    if (!databases_choose(r, &none, ret, err))
        return false;
    for (size_t i = 0; i < ret->n; i++)
        nb_error_clear(&ret->items[i].error); /* they may well be there */
    return true;
}

static const char **list_of(const struct options *o, enum option_id id, size_t *ret_n)
{
    const char **list;

    *ret_n = opt_list_count(o, id);
    list = nb_xcalloc(*ret_n + 1, sizeof(*list));
    for (size_t i = 0; i < *ret_n; i++)
        list[i] = opt_list_get(o, id, i);
    return list;
}

static bool resolve(const struct database_rules *r, const struct eng_source_opts *source,
                    struct database_choices *ret, struct nb_error *err)
{
    nb_auto_done(database_catalog_done) struct database_catalog catalog = { NULL, 0, 0 };
    bool refused;

    if (r->names_n <= 1 && r->excluded_n == 0 && !has_globs(r) && !r->include_system)
        return choose_unasked(r, ret, err);
    if (ask_server(source, &catalog, err))
        return databases_choose(r, &catalog, ret, err);
    refused = nb_streq(err->reason, "Neo4jDenied") || nb_streq(err->reason, "Neo4jQueryFailed");
    if (!refused || has_globs(r))
        return false;
    nb_error_clear(err);
    return choose_unasked(r, ret, err);
}

bool databases_resolve(const struct options *o, const struct eng_source_opts *source,
                       struct database_choices *ret, struct nb_error *err)
{
    const char *one = opt_text(o, OPT_NEO4J_DATABASE);
    struct database_rules rules = { .include_system = opt_bool(o, OPT_NEO4J_INCLUDE_SYSTEM) };
    nb_auto(nb_free) const char **names = list_of(o, OPT_NEO4J_DATABASES, &rules.names_n);
    nb_auto(nb_free) const char **excluded =
        list_of(o, OPT_NEO4J_EXCLUDE_DATABASES, &rules.excluded_n);

    if (one && rules.names_n > 0)
        return opt_fail(o, OPT_NEO4J_DATABASES, err, "give one of them", "and %s are both given",
                        opt_origin(o, OPT_NEO4J_DATABASE));
    rules.names = names;
    rules.excluded = excluded;
    if (one) {
        rules.names = &one;
        rules.names_n = 1;
    }
    return resolve(&rules, source, ret, err);
}
