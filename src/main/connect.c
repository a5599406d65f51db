#include "main/connect.h"

#include <string.h>

#include "base/mem.h"
#include "main/encryption.h"
#include "main/secret_dir.h"
#include "main/waiting.h"

enum {
    RETRY_WINDOW_DEFAULT_MS = 30 * 1000,
    QUICK_WINDOW_MS = 5 * 1000,
    SCRATCH_START_MS = 5 * 60 * 1000 /* a Neo4j that starts with us, on a busy node */
};

/* --- Neo4j ------------------------------------------------------------------------------------ */

struct neo4j_load {
    const struct options *o;
    struct neo4j_settings *out;
};

static void take_user(struct neo4j_settings *s, const char *user)
{
    free(s->user);
    s->user = nb_xstrdup(user);
}

static void take_secret(struct neo4j_settings *s, struct nb_secret *secret)
{
    nb_secret_free(s->secret);
    s->secret = secret;
}

/* The parts of "user/password"; without a slash both are empty. False: one of them is. */
static bool auth_split(struct nb_str auth, struct nb_str *user, struct nb_str *password)
{
    const char *slash = auth.n > 0 ? memchr(auth.p, '/', auth.n) : NULL;
    size_t n = slash ? (size_t)(slash - auth.p) : 0;

    *user = (struct nb_str){ auth.p, n };
    *password = (struct nb_str){ slash ? slash + 1 : auth.p, slash ? auth.n - n - 1 : 0 };
    return user->n > 0 && password->n > 0;
}

/* "none" or "user/password", as Neo4j's own Helm chart has it. */
static bool take_auth(struct neo4j_settings *s, const struct nb_secret *auth, const char *origin,
                      struct nb_error *err)
{
    struct nb_str text = nb_secret_str(auth), user, password;

    if (nb_str_is(text, "none")) {
        s->bolt.auth = BOLT_AUTH_NONE;
        return true;
    }
    if (!auth_split(text, &user, &password))
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                       "%s is neither 'none' nor of the form user/password", origin);
    free(s->user);
    s->user = nb_xstrndup(user.p, user.n);
    take_secret(s, nb_secret_new(password.p, password.n));
    s->bolt.auth = BOLT_AUTH_BASIC;
    return true;
}

static bool user_from_dir(const struct secret_dir *d, const struct options *o,
                          struct neo4j_settings *s, struct nb_error *err)
{
    static const char *const names[] = { "NEO4J_USER", "NEO4J_USERNAME" };
    const char *chosen[] = { opt_text(o, OPT_NEO4J_USERNAME_KEY), NULL };
    nb_auto(nb_secret_free) struct nb_secret *user = NULL;

    if (chosen[0]) {
        if (!secret_dir_first(d, chosen, &user, err))
            return false;
        take_user(s, nb_secret_str(user).p);
        return true;
    }
    for (size_t i = 0; i < NB_ARRAY_LEN(names); i++) {
        nb_auto(nb_secret_free) struct nb_secret *found = NULL;

        if (!secret_dir_get(d, names[i], &found, err))
            return false;
        if (!found)
            continue;
        if (s->user && !nb_streq(s->user, nb_secret_str(found).p))
            return nb_fail(
                err, NB_E_INVALID, "InvalidConfiguration",
                "secret '%s' has NEO4J_USER and NEO4J_USERNAME, and they differ; hint: keep "
                "one of them",
                d->name ? d->name : d->path);
        take_user(s, nb_secret_str(found).p);
    }
    return true;
}

static bool load_from_dir(void *ctx, struct nb_error *err)
{
    const struct neo4j_load *load = ctx;
    const struct options *o = load->o;
    struct neo4j_settings *s = load->out;
    struct secret_dir d = { opt_text(o, OPT_NEO4J_AUTH_DIR), opt_text(o, OPT_NEO4J_AUTH_SECRET) };
    const char *password_key = opt_text(o, OPT_NEO4J_PASSWORD_KEY);
    const char *token_key[] = { opt_text(o, OPT_NEO4J_BEARER_TOKEN_KEY), NULL };
    const char *keys[] = { password_key ? password_key : "NEO4J_PASSWORD",
                           password_key ? NULL : "NEO4J_AUTH", NULL };
    nb_auto(nb_secret_free) struct nb_secret *password = NULL;
    nb_auto(nb_secret_free) struct nb_secret *auth = NULL;

    free(nb_steal(s->user));
    take_secret(s, NULL);
    if (token_key[0]) {
        s->bolt.auth = BOLT_AUTH_BEARER;
        return secret_dir_first(&d, token_key, &s->secret, err);
    }
    if (!user_from_dir(&d, o, s, err) || !secret_dir_get(&d, keys[0], &password, err))
        return false;
    if (password) {
        s->bolt.auth = BOLT_AUTH_BASIC;
        take_secret(s, nb_steal(password));
        return true;
    }
    if (!secret_dir_first(&d, keys, &auth, err))
        return false;
    return take_auth(s, auth, "key NEO4J_AUTH", err);
}

/* The same thing may be said twice; what differs would be a guess. */
static bool credentials_agree(const struct options *o, const char *user, struct nb_error *err)
{
    const struct nb_secret *password = opt_secret(o, OPT_NEO4J_PASSWORD);
    const struct nb_secret *auth = opt_secret(o, OPT_NEO4J_AUTH);
    const struct nb_secret *token = opt_secret(o, OPT_NEO4J_BEARER_TOKEN);
    struct nb_str auth_user, auth_password;

    if (token && (password || auth))
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                       "%s and %s are both set; hint: set one of them",
                       opt_origin(o, OPT_NEO4J_BEARER_TOKEN),
                       opt_origin(o, password ? OPT_NEO4J_PASSWORD : OPT_NEO4J_AUTH));
    if (!auth)
        return true;
    /* What is not of that form agrees with nothing. */
    (void)auth_split(nb_secret_str(auth), &auth_user, &auth_password);
    if (user && !nb_str_is(auth_user, user))
        return nb_fail(
            err, NB_E_INVALID, "InvalidConfiguration",
            "%s and %s do not name the same user; hint: set one of them",
            opt_origin(o, OPT_NEO4J_AUTH),
            opt_origin(o, opt_text(o, OPT_NEO4J_USER) ? OPT_NEO4J_USER : OPT_NEO4J_USERNAME));
    if (password && !nb_str_equal(auth_password, nb_secret_str(password)))
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                       "%s and %s do not say the same; hint: set one of them",
                       opt_origin(o, OPT_NEO4J_AUTH), opt_origin(o, OPT_NEO4J_PASSWORD));
    return true;
}

static bool load_from_options(const struct options *o, struct neo4j_settings *s,
                              struct nb_error *err)
{
    const char *user = opt_text(o, OPT_NEO4J_USER), *username = opt_text(o, OPT_NEO4J_USERNAME);

    if (user && username && !nb_streq(user, username))
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                       "%s is '%.60s' and %s is '%.60s'; hint: set one of them, or both alike",
                       opt_origin(o, OPT_NEO4J_USER), user, opt_origin(o, OPT_NEO4J_USERNAME),
                       username);
    if (!credentials_agree(o, user ? user : username, err))
        return false;
    if (opt_secret(o, OPT_NEO4J_BEARER_TOKEN)) {
        s->bolt.auth = BOLT_AUTH_BEARER;
        s->secret = nb_secret_dup(opt_secret(o, OPT_NEO4J_BEARER_TOKEN));
        return true;
    }
    if (user || username)
        take_user(s, user ? user : username);
    if (opt_secret(o, OPT_NEO4J_AUTH))
        return take_auth(s, opt_secret(o, OPT_NEO4J_AUTH), opt_origin(o, OPT_NEO4J_AUTH), err);
    if (opt_secret(o, OPT_NEO4J_PASSWORD)) {
        s->bolt.auth = BOLT_AUTH_BASIC;
        s->secret = nb_secret_dup(opt_secret(o, OPT_NEO4J_PASSWORD));
        return true;
    }
    return nb_fail(
        err, NB_E_INVALID, "InvalidConfiguration",
        "NEO4J_PASSWORD is not set; hint: set it, or NEO4J_PASSWORD_FILE, or NEO4J_AUTH=none "
        "for a server without authentication");
}

/* Who asks what is wrong is not to wait for it to become right. */
static int64_t secret_wait_seconds(const struct options *o)
{
    return opt_for_command(o, CMD_CHECK) ? 0 : SECRET_WAIT_SECONDS;
}

bool neo4j_settings_load(const struct options *o, const struct nb_cancel *cancel,
                         struct neo4j_settings *ret, struct nb_error *err)
{
    struct neo4j_load load = { o, ret };
    const char *ca = opt_text(o, OPT_NEO4J_CA);

    *ret = (struct neo4j_settings){ .bolt = BOLT_CONN_OPTS_INIT };
    ret->bolt.uri = opt_text(o, OPT_NEO4J_URI);
    ret->bolt.ca_pem = ca;
    ret->bolt.ca_pem_n = ca ? strlen(ca) : 0;
    ret->bolt.server_name = opt_text(o, OPT_NEO4J_TLS_SERVER_NAME);
    if (opt_given(o, OPT_NEO4J_AUTH_DIR)) {
        if (!secret_dir_wait(load_from_dir, &load, secret_wait_seconds(o), cancel, err))
            return false;
    } else if (!load_from_options(o, ret, err)) {
        return false;
    }
    if (ret->bolt.auth == BOLT_AUTH_BASIC && !ret->user)
        take_user(ret, "neo4j");
    ret->bolt.user = ret->user;
    ret->bolt.secret = ret->secret;
    return true;
}

static bool load_other(const struct options *o, struct neo4j_settings *s, struct nb_error *err)
{
    const struct nb_secret *auth = opt_secret(o, OPT_COMPARE_NEO4J_AUTH);
    const struct nb_secret *password = opt_secret(o, OPT_COMPARE_NEO4J_PASSWORD);

    if (auth && password)
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                       "%s and %s are both set; hint: set one of them",
                       opt_origin(o, OPT_COMPARE_NEO4J_AUTH),
                       opt_origin(o, OPT_COMPARE_NEO4J_PASSWORD));
    if (auth)
        return take_auth(s, auth, opt_origin(o, OPT_COMPARE_NEO4J_AUTH), err);
    if (!password)
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                       "COMPARE_NEO4J_PASSWORD is not set; hint: set it, or "
                       "COMPARE_NEO4J_PASSWORD_FILE, or COMPARE_NEO4J_AUTH=none for a server "
                       "without authentication");
    s->bolt.auth = BOLT_AUTH_BASIC;
    take_user(s, opt_text(o, OPT_COMPARE_NEO4J_USER));
    take_secret(s, nb_secret_dup(password));
    return true;
}

/* Nothing of the first server's is sent to it. */
bool neo4j_settings_load_other(const struct options *o, struct neo4j_settings *ret,
                               struct nb_error *err)
{
    const char *ca = opt_text(o, OPT_COMPARE_NEO4J_CA);

    *ret = (struct neo4j_settings){ .bolt = BOLT_CONN_OPTS_INIT };
    ret->bolt.uri = opt_text(o, OPT_COMPARE_NEO4J_URI);
    if (!ret->bolt.uri)
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                       "COMPARE_NEO4J_URI is not set; hint: set it to the server of 'other'; for "
                       "two databases of one server write database:NAME twice");
    ret->bolt.ca_pem = ca;
    ret->bolt.ca_pem_n = ca ? strlen(ca) : 0;
    if (!load_other(o, ret, err))
        return false;
    ret->bolt.user = ret->user;
    ret->bolt.secret = ret->secret;
    return true;
}

void neo4j_settings_done(struct neo4j_settings *s)
{
    free(s->user);
    nb_secret_free(s->secret);
    *s = (struct neo4j_settings){ .bolt = BOLT_CONN_OPTS_INIT };
}

/* --- the bucket ------------------------------------------------------------------------------- */

struct creds_load {
    const struct options *o;
    struct s3_creds *creds;
    char *account_id; /* only where it comes from the Secret */
};

static bool creds_from_dir(void *ctx, struct nb_error *err)
{
    struct creds_load *load = ctx;
    const struct options *o = load->o;
    struct secret_dir d = { opt_text(o, OPT_R2_CREDENTIALS_DIR),
                            opt_text(o, OPT_R2_CREDENTIALS_SECRET) };
    const char *id_key = opt_text(o, OPT_R2_ACCESS_KEY_ID_KEY);
    const char *secret_key = opt_text(o, OPT_R2_SECRET_ACCESS_KEY_KEY);
    const char *token_key = opt_text(o, OPT_R2_SESSION_TOKEN_KEY);
    const char *account_key = opt_text(o, OPT_R2_ACCOUNT_ID_KEY);
    const char *ids[] = { id_key ? id_key : "R2_ACCESS_KEY_ID", id_key ? NULL : "AWS_ACCESS_KEY_ID",
                          NULL };
    const char *secrets[] = { secret_key ? secret_key : "R2_SECRET_ACCESS_KEY",
                              secret_key ? NULL : "AWS_SECRET_ACCESS_KEY", NULL };
    const char *accounts[] = { account_key ? account_key : "R2_ACCOUNT_ID", NULL };
    nb_auto(nb_secret_free) struct nb_secret *id = NULL;
    nb_auto(nb_secret_free) struct nb_secret *secret = NULL;
    nb_auto(nb_secret_free) struct nb_secret *token = NULL;
    nb_auto(nb_secret_free) struct nb_secret *account = NULL;

    if (!secret_dir_first(&d, ids, &id, err) || !secret_dir_first(&d, secrets, &secret, err))
        return false;
    if (token_key) {
        const char *tokens[] = { token_key, NULL };

        if (!secret_dir_first(&d, tokens, &token, err))
            return false;
    } else if (!secret_dir_get(&d, "R2_SESSION_TOKEN", &token, err) ||
               (!token && !secret_dir_get(&d, "AWS_SESSION_TOKEN", &token, err))) {
        return false;
    }
    if (!opt_text(o, OPT_R2_ACCOUNT_ID) && !opt_text(o, OPT_R2_ENDPOINT)) {
        if (!secret_dir_first(&d, accounts, &account, err))
            return nb_hint(err, "add the id of the Cloudflare account, or set R2_ENDPOINT (in a "
                                "policy: storage.s3.endpoint) for any other S3 service");
        free(load->account_id);
        load->account_id = nb_xstrdup(nb_secret_str(account).p);
    }
    s3_creds_free(nb_steal(load->creds));
    return s3_creds_new(nb_secret_str(id).p, secret, token, &load->creds, err);
}

static bool creds_from_options(struct creds_load *load, struct nb_error *err)
{
    const struct options *o = load->o;

    if (!opt_text(o, OPT_R2_ACCESS_KEY_ID))
        return nb_fail(
            err, NB_E_INVALID, "InvalidConfiguration",
            "R2_ACCESS_KEY_ID is not set; hint: set it and R2_SECRET_ACCESS_KEY to a key that "
            "may read and write the bucket");
    if (!opt_secret(o, OPT_R2_SECRET_ACCESS_KEY))
        return nb_fail(
            err, NB_E_INVALID, "InvalidConfiguration",
            "R2_SECRET_ACCESS_KEY is not set; hint: set it, or R2_SECRET_ACCESS_KEY_FILE");
    return s3_creds_new(opt_text(o, OPT_R2_ACCESS_KEY_ID), opt_secret(o, OPT_R2_SECRET_ACCESS_KEY),
                        opt_secret(o, OPT_R2_SESSION_TOKEN), &load->creds, err);
}

static bool find_endpoint(const struct creds_load *load, char out[S3_ENDPOINT_MAX],
                          struct nb_error *err)
{
    const char *endpoint = opt_text(load->o, OPT_R2_ENDPOINT);
    const char *account = opt_text(load->o, OPT_R2_ACCOUNT_ID);

    if (!account)
        account = load->account_id;
    if (endpoint) {
        if (strlen(endpoint) >= S3_ENDPOINT_MAX)
            return opt_fail(load->o, OPT_R2_ENDPOINT, err, NULL, "is too long");
        memcpy(out, endpoint, strlen(endpoint) + 1);
        return true;
    }
    if (!account)
        return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                       "neither R2_ACCOUNT_ID nor R2_ENDPOINT is set; hint: set R2_ACCOUNT_ID for "
                       "Cloudflare R2, R2_ENDPOINT for any other S3 service");
    return s3_r2_endpoint(account, opt_text(load->o, OPT_R2_JURISDICTION), out, err);
}

bool bucket_is_set(const struct options *o)
{
    return opt_given(o, OPT_R2_BUCKET_NAME) || opt_given(o, OPT_R2_ENDPOINT) ||
           opt_given(o, OPT_R2_ACCOUNT_ID) || opt_given(o, OPT_R2_CREDENTIALS_DIR);
}

static void say_retry(void *ctx, const struct nb_error *why, int64_t wait_ms)
{
    (void)ctx;
    waiting_say_try(why, wait_ms);
}

static bool open_client(struct creds_load *load, const char *bucket,
                        const struct bucket_hooks *hooks, struct s3_client **ret,
                        struct nb_error *err)
{
    const struct options *o = load->o;
    int64_t window_ms = opt_int(o, OPT_BACKUP_RETRY_WINDOW_SECONDS, 0) * 1000;
    char endpoint[S3_ENDPOINT_MAX];
    struct s3_client_opts opts = {
        .endpoint = endpoint,
        .region = opt_text(o, OPT_R2_REGION),
        .bucket = bucket,
        .force_path_style = opt_bool(o, OPT_R2_FORCE_PATH_STYLE),
        .creds = load->creds,
        .ca_pem = opt_text(o, OPT_R2_CA),
        .retry_window_ms = window_ms > 0 ? window_ms : RETRY_WINDOW_DEFAULT_MS,
        .on_retry = hooks->on_retry ? hooks->on_retry : say_retry,
        .on_retry_ctx = hooks->ctx,
    };

    if (hooks->quick) {
        opts.retry_window_ms = QUICK_WINDOW_MS;
        opts.on_retry = NULL; /* its report says it all */
    }
    return find_endpoint(load, endpoint, err) && s3_client_new(&opts, ret, err);
}

static bool fail_no_bucket(const struct options *o, struct nb_error *err)
{
    const char *file = "";

    if (opt_belongs(o, OPT_BACKUP_OUTPUT))
        file = ", or give a file (--output FILE)";
    else if (opt_belongs(o, OPT_RESTORE_INPUT))
        file = ", or give a file (--input FILE)";
    return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                   "R2_BUCKET_NAME is not set; hint: set it to the name of the bucket%s", file);
}

bool bucket_client_open(const struct options *o, const char *bucket,
                        const struct bucket_hooks *hooks, const struct nb_cancel *cancel,
                        struct s3_client **ret, struct nb_error *err)
{
    struct creds_load load = { .o = o };
    bool ok;

    if (opt_given(o, OPT_R2_CREDENTIALS_DIR))
        ok = secret_dir_wait(creds_from_dir, &load, secret_wait_seconds(o), cancel, err);
    else
        ok = creds_from_options(&load, err);
    ok = ok && open_client(&load, bucket, hooks, ret, err);
    s3_creds_free(load.creds);
    free(load.account_id);
    return ok;
}

static bool owner_check(const struct options *o, enum option_id id, struct nb_error *err)
{
    return strlen(opt_text(o, id)) <= REPO_OWNER_MAX ||
           opt_fail(o, id, err, NULL, "is longer than %d bytes", REPO_OWNER_MAX);
}

bool bucket_open(const struct options *o, const struct bucket_hooks *hooks,
                 const struct nb_cancel *cancel, struct bucket *ret, struct nb_error *err)
{
    nb_auto_done(repo_trust_done) struct repo_trust trust = { .signs = false };
    enum option_id owner = opt_given(o, OPT_RESTORE_OWNER) ? OPT_RESTORE_OWNER : OPT_BACKUP_OWNER;
    bool ok;

    memset(ret, 0, sizeof(*ret));
    if (!opt_text(o, OPT_R2_BUCKET_NAME))
        return fail_no_bucket(o, err);
    if (!trust_load(o, cancel, &trust, err))
        return false;
    ok = owner_check(o, owner, err) &&
         bucket_client_open(o, opt_text(o, OPT_R2_BUCKET_NAME), hooks, cancel, &ret->client, err);
    if (ok) {
        struct repo_opts opts = {
            .client = ret->client,
            .prefix = opt_text(o, OPT_BACKUP_PREFIX),
            .owner = opt_text(o, owner),
            .owner_uid = opt_text(o, OPT_BACKUP_OWNER_UID),
            .run_id = opt_text(o, OPT_BACKUP_RUN_ID),
            .trust = &trust,
        };

        ok = repo_open(&opts, &ret->repo, err);
    }
    if (!ok)
        bucket_close(ret);
    return ok;
}

bool bucket_settings_check(const struct options *o, struct nb_error *err)
{
    struct creds_load load = { .o = o };
    char endpoint[S3_ENDPOINT_MAX];
    bool ok;

    if (!opt_text(o, OPT_R2_BUCKET_NAME))
        return fail_no_bucket(o, err);
    if (opt_given(o, OPT_R2_CREDENTIALS_DIR))
        return true; /* looked at by each run */
    ok = creds_from_options(&load, err) && find_endpoint(&load, endpoint, err);
    s3_creds_free(load.creds);
    return ok;
}

void bucket_close(struct bucket *b)
{
    repo_free(b->repo);
    s3_client_free(b->client);
    memset(b, 0, sizeof(*b));
}

bool verification_load(const struct options *o, struct eng_verify_opts *ret, struct nb_error *err)
{
    const char *level = opt_text(o, OPT_BACKUP_VERIFY_LEVEL);

    *ret = (struct eng_verify_opts){ .scratch_uri = opt_text(o, OPT_BACKUP_VERIFY_NEO4J_URI),
                                     .scratch_start_ms = SCRATCH_START_MS,
                                     .timeout_ms =
                                         opt_int(o, OPT_BACKUP_VERIFY_TIMEOUT_SECONDS, 0) * 1000 };
    ret->level = nb_streq(level, "Restore")    ? REPO_VERIFIED_RESTORE
                 : nb_streq(level, "Readback") ? REPO_VERIFIED_READBACK
                                               : REPO_VERIFIED_CHECKSUM;
    if (ret->level == REPO_VERIFIED_RESTORE && !ret->scratch_uri)
        return opt_fail(o, OPT_BACKUP_VERIFY_LEVEL, err,
                        "set BACKUP_VERIFY_NEO4J_URI to an empty Neo4j without authentication (in "
                        "a policy: verification.neo4jImage)",
                        "is 'Restore', but there is no scratch Neo4j to restore into");
    return true;
}

/* Keep rules that stand alone mean what they say; the default days are for those who said nothing. */
static int64_t retention_days(const struct options *o)
{
    static const enum option_id keep[] = { OPT_BACKUP_KEEP_LAST,    OPT_BACKUP_KEEP_HOURLY,
                                           OPT_BACKUP_KEEP_DAILY,   OPT_BACKUP_KEEP_WEEKLY,
                                           OPT_BACKUP_KEEP_MONTHLY, OPT_BACKUP_KEEP_YEARLY };

    if (!opt_given(o, OPT_BACKUP_RETENTION_DAYS))
        for (size_t i = 0; i < NB_ARRAY_LEN(keep); i++)
            if (opt_given(o, keep[i]))
                return -1;
    return opt_int(o, OPT_BACKUP_RETENTION_DAYS, 7);
}

struct retention_rules retention_rules_load(const struct options *o)
{
    return (struct retention_rules){
        .days = retention_days(o),
        .keep_last = (unsigned)opt_int(o, OPT_BACKUP_KEEP_LAST, 0),
        .keep_hourly = (unsigned)opt_int(o, OPT_BACKUP_KEEP_HOURLY, 0),
        .keep_daily = (unsigned)opt_int(o, OPT_BACKUP_KEEP_DAILY, 0),
        .keep_weekly = (unsigned)opt_int(o, OPT_BACKUP_KEEP_WEEKLY, 0),
        .keep_monthly = (unsigned)opt_int(o, OPT_BACKUP_KEEP_MONTHLY, 0),
        .keep_yearly = (unsigned)opt_int(o, OPT_BACKUP_KEEP_YEARLY, 0),
        .minimum_successful = (unsigned)opt_int(o, OPT_BACKUP_MINIMUM_SUCCESSFUL, 1),
        .adopt = opt_bool(o, OPT_BACKUP_ADOPT),
    };
}
