#include "engine/system.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cypher/admin.h"

enum { SCRIPT_MAX_BYTES = 64 << 20, TRIES = 5 };

static const char *const lost[] = {
    "passwords are not in this backup: a user that a restore creates cannot log in before an "
    "administrator has set a password",
    "of users only name, status, home database and roles are in this backup: other ways to log in "
    "(single sign-on) are not",
};
/* Beyond those, on Enterprise Edition. */
static const char *const lost_enterprise[] = {
    "of databases only the names and local aliases are in this backup: options, topology, servers, "
    "remote aliases and composite databases are not",
};

struct system {
    const struct eng_export_opts *opts;
    struct nb_buf *out;
    struct nb_buf grants; /* of roles: after the users */
};

static struct nb_str str_of(const struct ps_value *v)
{
    return v->type == PS_STRING ? v->string : (struct nb_str){ NULL, 0 };
}

bool eng_system_is_name(const char *database)
{
    return database && nb_strcaseeq_ascii(database, "system");
}

/* --- rows ------------------------------------------------------------------------------------- */

static bool database_row(void *ctx, const struct eng_database *db, struct nb_error *err)
{
    struct system *s = ctx;

    if (db->system || db->composite)
        return true;
    cyp_admin_database(s->out, db->name);
    for (size_t i = 0; i < db->aliases_n; i++)
        if (db->aliases[i].type == PS_STRING)
            cyp_admin_alias(s->out, db->aliases[i].string, db->name);
    return nb_buf_check(s->out, err);
}

/* Everybody has it and nobody can create it. */
static bool is_public(struct nb_str role)
{
    return nb_str_is(role, "PUBLIC");
}

static bool role_row(void *ctx, const struct ps_value *fields, size_t n, struct nb_error *err)
{
    struct system *s = ctx;
    struct nb_str name = str_of(&fields[0]);

    (void)n;
    if (name.n > 0 && !is_public(name))
        cyp_admin_role(s->out, name);
    return nb_buf_check(s->out, err);
}

static bool privilege_row(void *ctx, const struct ps_value *fields, size_t n, struct nb_error *err)
{
    struct system *s = ctx;

    (void)n;
    return cyp_admin_privilege(s->out, str_of(&fields[0]), err) && nb_buf_check(s->out, err);
}

static bool user_row(void *ctx, const struct ps_value *fields, size_t n, struct nb_error *err)
{
    struct system *s = ctx;
    struct cyp_user user = {
        .name = str_of(&fields[0]),
        .suspended = fields[2].type == PS_BOOL && fields[2].boolean,
        .home = str_of(&fields[3]),
    };

    (void)n;
    if (user.name.n == 0)
        return nb_fail(err, NB_E_PROTOCOL, "Neo4jProtocolError", "a user has no name");
    cyp_admin_user(s->out, &user);
    for (size_t i = 0; fields[1].type == PS_LIST && i < fields[1].list.n; i++) {
        struct nb_str role = str_of(&fields[1].list.items[i]);

        if (role.n > 0 && !is_public(role))
            cyp_admin_grant_role(&s->grants, role, user.name);
    }
    return nb_buf_check(s->out, err) && nb_buf_check(&s->grants, err);
}

/* --- the script ------------------------------------------------------------------------------- */

static bool is_enterprise(const struct eng_server *server)
{
    return nb_streq(server->edition, "enterprise");
}

static void put_head(struct system *s)
{
    const struct eng_server *server = eng_source_server(s->opts->source);
    struct nb_str warnings[NB_ARRAY_LEN(lost) + NB_ARRAY_LEN(lost_enterprise)];
    char created[NB_TIME_TEXT_MAX];
    struct cyp_head head = {
        .database = nb_str_from(server->database),
        .server_version = nb_str_from(server->version),
        .edition = nb_str_from(server->edition),
        .tool = nb_str_from(s->opts->tool),
        .created = nb_str_from(nb_time_format(s->opts->created_unix_seconds, created)),
        .warnings = warnings,
    };

    for (size_t i = 0; i < NB_ARRAY_LEN(lost); i++)
        warnings[head.nwarnings++] = nb_str_from(lost[i]);
    for (size_t i = 0; is_enterprise(server) && i < NB_ARRAY_LEN(lost_enterprise); i++)
        warnings[head.nwarnings++] = nb_str_from(lost_enterprise[i]);
    cyp_admin_head(s->out, &head);
}

static bool put_enterprise(struct system *s, struct nb_error *err)
{
    struct eng_source *source = s->opts->source;

    return eng_source_databases(source, database_row, s, err) &&
           eng_source_query(source, "SHOW ROLES YIELD role RETURN role ORDER BY role", 1, role_row,
                            s, err) &&
           eng_source_query(source, "SHOW PRIVILEGES AS COMMANDS YIELD command RETURN command", 1,
                            privilege_row, s, err);
}

static bool put_script(struct system *s, struct nb_error *err)
{
    struct eng_source *source = s->opts->source;

    nb_buf_clear(s->out);
    nb_buf_clear(&s->grants);
    put_head(s);
    if (is_enterprise(eng_source_server(source)) && !put_enterprise(s, err))
        return false;
    if (!eng_source_query(source,
                          "SHOW USERS YIELD user, roles, suspended, home "
                          "RETURN user, roles, suspended, home ORDER BY user",
                          4, user_row, s, err))
        return nb_wrap(err, "read users");
    nb_buf_append(s->out, s->grants.data, s->grants.len);
    cyp_admin_tail(s->out);
    return nb_buf_check(s->out, err);
}

static bool read_quiet(struct system *s, struct repo_manifest *m, struct nb_error *err)
{
    struct eng_mark before, after;

    for (unsigned i = 0; i < TRIES; i++) {
        if (!eng_source_mark(s->opts->source, &before, err) || !put_script(s, err) ||
            !eng_source_mark(s->opts->source, &after, err))
            return false;
        m->last_transaction = after.transaction;
        if (eng_mark_equal(&before, &after))
            return true;
    }
    return nb_fail(err, NB_E_CONFLICT, "NotClosed",
                   "users, roles or databases were changed whenever they were read");
}

static void describe(const struct eng_server *server, struct repo_manifest *m)
{
    m->nodes = m->relationships = m->properties = m->indexes = m->constraints = 0;
    m->consistency = REPO_CONSISTENCY_SNAPSHOT;
    for (size_t i = 0; i < NB_ARRAY_LEN(lost); i++)
        repo_strings_add(&m->warnings, lost[i]);
    for (size_t i = 0; is_enterprise(server) && i < NB_ARRAY_LEN(lost_enterprise); i++)
        repo_strings_add(&m->warnings, lost_enterprise[i]);
}

bool eng_system_run(const struct eng_export_opts *opts, struct repo_manifest *m,
                    struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(SCRIPT_MAX_BYTES);
    struct system s = { .opts = opts, .out = &out, .grants = NB_BUF_INIT(SCRIPT_MAX_BYTES) };
    bool ok;

    eng_meter_stage(opts->meter, ENG_EXPORTING_SCHEMA);
    ok = read_quiet(&s, m, err) && sink_write(opts->out, out.data, out.len, err);
    nb_buf_done(&s.grants);
    if (!ok)
        return nb_wrap(err, "export the system database");
    eng_meter_add(&opts->meter->exported_bytes, out.len);
    describe(eng_source_server(opts->source), m);
    return true;
}
