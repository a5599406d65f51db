#include "cypher/admin.h"

#include "base/hash.h"
#include "base/mem.h"
#include "cypher/ident.h"
#include "cypher/script_priv.h"

enum { HASH_BYTES = 32 };

/* --- the frame -------------------------------------------------------------------------------- */

void cyp_admin_head(struct nb_buf *out, const struct cyp_head *head)
{
    cyp_head_append(out, head, CYP_ADMIN_HELPER);
    nb_buf_puts(out, "//\n"
                     "// To restore:\n"
                     "//   gunzip -c FILE.cypher.gz | cypher-shell -u neo4j -d system\n"
                     "// Users come back without their passwords: nobody can log in as one of them "
                     "before\n"
                     "//   ALTER USER name SET PASSWORD '...';\n"
                     "// The last line of the file is \"" CYP_TAIL_LAST "\".\n");
}

void cyp_admin_tail(struct nb_buf *out)
{
    nb_buf_puts(out, CYP_TAIL_FIRST "\n"
                                    "// nodes: 0\n// relationships: 0\n// properties: 0\n"
                                    "// constraints: 0\n// indexes: 0\n" CYP_TAIL_LAST "\n");
}

/* --- commands --------------------------------------------------------------------------------- */

static void names_append(struct nb_buf *out, const char *before, struct nb_str a,
                         const char *between, struct nb_str b, const char *after)
{
    nb_buf_puts(out, before);
    cyp_ident_append(out, a);
    nb_buf_puts(out, between);
    if (b.p)
        cyp_ident_append(out, b);
    nb_buf_puts(out, after);
}

static const struct nb_str nothing = { NULL, 0 };

void cyp_admin_database(struct nb_buf *out, struct nb_str name)
{
    names_append(out, "CREATE DATABASE ", name, " IF NOT EXISTS", nothing, ";\n");
}

void cyp_admin_alias(struct nb_buf *out, struct nb_str alias, struct nb_str database)
{
    names_append(out, "CREATE ALIAS ", alias, " IF NOT EXISTS FOR DATABASE ", database, ";\n");
}

void cyp_admin_role(struct nb_buf *out, struct nb_str name)
{
    names_append(out, "CREATE ROLE ", name, " IF NOT EXISTS", nothing, ";\n");
}

void cyp_admin_grant_role(struct nb_buf *out, struct nb_str role, struct nb_str user)
{
    names_append(out, "GRANT ROLE ", role, " TO ", user, ";\n");
}

bool cyp_admin_privilege(struct nb_buf *out, struct nb_str command, struct nb_error *err)
{
    if ((command.n < 6 || memcmp(command.p, "GRANT ", 6) != 0) &&
        (command.n < 5 || memcmp(command.p, "DENY ", 5) != 0))
        return nb_fail(err, NB_E_INVALID, "BadSchemaStatement",
                       "a privilege is described by neither GRANT nor DENY");
    if (!cyp_statement_append_safe(out, command, err))
        return nb_wrap(err, "a privilege");
    nb_buf_puts(out, ";\n");
    return true;
}

static void random_hex_append(struct nb_buf *out)
{
    uint8_t bytes[HASH_BYTES];
    char hex[2 * HASH_BYTES + 1];

    nb_random_bytes(bytes, sizeof(bytes));
    nb_hex(bytes, sizeof(bytes), hex);
    nb_buf_puts(out, hex);
}

void cyp_admin_user(struct nb_buf *out, const struct cyp_user *user)
{
    names_append(out, "CREATE USER ", user->name, " IF NOT EXISTS SET ENCRYPTED PASSWORD '1,",
                 nothing, "");
    random_hex_append(out);
    nb_buf_putc(out, ',');
    random_hex_append(out);
    nb_buf_puts(out, "' CHANGE REQUIRED");
    if (user->suspended)
        nb_buf_puts(out, " SET STATUS SUSPENDED");
    if (user->home.n > 0)
        names_append(out, " SET HOME DATABASE ", user->home, "", nothing, "");
    nb_buf_puts(out, ";\n");
}
