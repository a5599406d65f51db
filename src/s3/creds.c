#include "s3/creds.h"

#include "base/mem.h"

/* A key holds printable ASCII only: what else is in it came along when it was copied. */
static bool is_key_text(struct nb_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f)
            return false;
    return true;
}

static bool check_part(struct nb_str s, const char *what, struct nb_error *err)
{
    if (s.n == 0)
        return nb_fail(err, NB_E_INVALID, "InvalidCredentials", "the bucket's %s is empty", what);
    if (!is_key_text(s))
        return nb_fail(err, NB_E_INVALID, "InvalidCredentials",
                       "the bucket's %s holds a blank, a line break or a character that no key "
                       "has; hint: copy it again, without quotes",
                       what);
    return true;
}

bool s3_creds_new(const char *access_key_id, const struct nb_secret *secret_access_key,
                  const struct nb_secret *session_token, struct s3_creds **ret,
                  struct nb_error *err)
{
    struct s3_creds *c;

    if (!check_part(nb_str_from(access_key_id), "access key id", err) ||
        !check_part(nb_secret_str(secret_access_key), "secret access key", err))
        return false;
    if (session_token && !check_part(nb_secret_str(session_token), "session token", err))
        return false;
    if (strchr(access_key_id, '/') || strchr(access_key_id, ','))
        return nb_fail(err, NB_E_INVALID, "InvalidCredentials",
                       "the bucket's access key id '%.40s' is no key id", access_key_id);
    c = NB_NEW(struct s3_creds);
    c->access_key_id = nb_xstrdup(access_key_id);
    c->secret_access_key = nb_secret_dup(secret_access_key);
    c->session_token = session_token ? nb_secret_dup(session_token) : NULL;
    *ret = c;
    return true;
}

struct s3_creds *s3_creds_dup(const struct s3_creds *c)
{
    struct s3_creds *d = NB_NEW(struct s3_creds);

    d->access_key_id = nb_xstrdup(c->access_key_id);
    d->secret_access_key = nb_secret_dup(c->secret_access_key);
    d->session_token = c->session_token ? nb_secret_dup(c->session_token) : NULL;
    return d;
}

void s3_creds_free(struct s3_creds *c)
{
    if (!c)
        return;
    free(c->access_key_id);
    nb_secret_free(c->secret_access_key);
    nb_secret_free(c->session_token);
    free(c);
}
