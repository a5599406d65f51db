#include "main/encryption.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "main/secret_dir.h"

static bool refuse_value(struct nb_error *err, const char *origin)
{
    nb_wrap(err, "%s", origin);
    err->code = NB_E_INVALID;
    snprintf(err->reason, sizeof(err->reason), "InvalidConfiguration");
    return false;
}

/* --- to whom ---------------------------------------------------------------------------------- */

static bool is_repeated(const struct encryption *e, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&e->recipients[i], &e->recipients[n], sizeof(e->recipients[n])) == 0)
            return true;
    return false;
}

static bool load_recipients(const struct options *o, struct encryption *e, struct nb_error *err)
{
    size_t n = opt_list_count(o, OPT_BACKUP_AGE_RECIPIENTS);

    if (n > AGE_RECIPIENTS_MAX)
        return opt_fail(o, OPT_BACKUP_AGE_RECIPIENTS, err, NULL,
                        "names %zu recipients, more than %d", n, AGE_RECIPIENTS_MAX);
    e->recipients = nb_xcalloc(n + 1, sizeof(*e->recipients));
    for (size_t i = 0; i < n; i++) {
        struct age_recipient *r = &e->recipients[e->writer.recipients_n];

        if (!age_recipient_parse(opt_list_get(o, OPT_BACKUP_AGE_RECIPIENTS, i), r, err))
            return refuse_value(err, opt_origin(o, OPT_BACKUP_AGE_RECIPIENTS));
        if (!is_repeated(e, e->writer.recipients_n))
            e->writer.recipients_n++;
    }
    e->writer.recipients = e->recipients;
    return true;
}

bool encryption_load(const struct options *o, struct encryption *ret, struct nb_error *err)
{
    const struct nb_secret *passphrase = opt_secret(o, OPT_BACKUP_AGE_PASSPHRASE);

    *ret = (struct encryption){ .on = opt_given(o, OPT_BACKUP_AGE_RECIPIENTS) || passphrase };
    if (!load_recipients(o, ret, err)) {
        encryption_done(ret);
        return false;
    }
    if (passphrase && ret->writer.recipients_n > 0) {
        encryption_done(ret);
        return opt_fail(o, OPT_BACKUP_AGE_PASSPHRASE, err, "give one of them",
                        "and BACKUP_AGE_RECIPIENTS are both set, and age takes only one");
    }
    ret->writer.passphrase = nb_secret_str(passphrase);
    return true;
}

bool recipients_load(const struct options *o, struct encryption *ret, struct nb_error *err)
{
    *ret = (struct encryption){ .on = opt_given(o, OPT_BACKUP_AGE_RECIPIENTS) };
    if (load_recipients(o, ret, err))
        return true;
    encryption_done(ret);
    return false;
}

void encryption_from_keys(const struct options *o, const struct age_keys *keys,
                          struct encryption *ret)
{
    size_t n = age_keys_identities(keys);

    /* Whoever has the file has them all. */
    if (n > AGE_RECIPIENTS_MAX)
        n = AGE_RECIPIENTS_MAX;
    *ret = (struct encryption){ .on = true };
    ret->recipients = nb_xcalloc(n + 1, sizeof(*ret->recipients));
    for (size_t i = 0; i < n; i++) {
        ret->recipients[ret->writer.recipients_n] = age_keys_recipient(keys, i);
        if (!is_repeated(ret, ret->writer.recipients_n))
            ret->writer.recipients_n++;
    }
    ret->writer.recipients = ret->recipients;
    if (n == 0)
        ret->writer.passphrase = nb_secret_str(opt_secret(o, OPT_BACKUP_AGE_PASSPHRASE));
}

void encryption_done(struct encryption *e)
{
    free(e->recipients);
    *e = (struct encryption){ .on = false };
}

/* --- what opens ------------------------------------------------------------------------------- */

struct key_load {
    const struct options *o;
    enum option_id file, secret_name;
    struct nb_secret *text;
};

/* The Secret is mounted as a directory; the file's name is the key's. */
static bool load_mounted(void *ctx, struct nb_error *err)
{
    struct key_load *load = ctx;
    const char *path = opt_text(load->o, load->file);
    const char *slash = strrchr(path, '/');
    nb_auto(nb_free) char *dir = nb_xstrndup(path, slash ? (size_t)(slash - path) : 0);
    struct secret_dir d = { slash ? dir : ".", opt_text(load->o, load->secret_name) };
    const char *keys[] = { slash ? slash + 1 : path, NULL };

    return secret_dir_first(&d, keys, &load->text, err);
}

static bool load_file(struct key_load *load, struct nb_error *err)
{
    nb_auto_done(nb_secret_buf_done) struct nb_buf content;
    bool ok;

    nb_secret_buf_init(&content, SECRET_VALUE_MAX_BYTES);
    ok = nb_file_read(opt_text(load->o, load->file), &content, err);
    if (ok)
        load->text = nb_secret_new(nb_buf_cstr(&content), content.len);
    return ok || refuse_value(err, opt_origin(load->o, load->file));
}

bool key_file_load(const struct options *o, enum option_id file, enum option_id secret_name,
                   const struct nb_cancel *cancel, struct nb_secret **ret, struct nb_error *err)
{
    struct key_load load = { .o = o, .file = file, .secret_name = secret_name };

    if (!(opt_given(o, secret_name)
              ? secret_dir_wait(load_mounted, &load, SECRET_WAIT_SECONDS, cancel, err)
              : load_file(&load, err)))
        return false;
    *ret = load.text;
    return true;
}

static bool add_identities(const struct options *o, const struct nb_cancel *cancel,
                           struct age_keys *keys, struct nb_error *err)
{
    nb_auto(nb_secret_free) struct nb_secret *text = NULL;

    if (!key_file_load(o, OPT_BACKUP_AGE_IDENTITY_FILE, OPT_BACKUP_AGE_IDENTITY_SECRET, cancel,
                       &text, err))
        return false;
    return age_keys_add_identities(keys, nb_secret_str(text), err) ||
           refuse_value(err, opt_origin(o, OPT_BACKUP_AGE_IDENTITY_FILE));
}

bool identities_load(const struct options *o, const struct nb_cancel *cancel, struct age_keys **ret,
                     struct nb_error *err)
{
    nb_auto(age_keys_free) struct age_keys *keys = NULL;
    const struct nb_secret *passphrase = opt_secret(o, OPT_BACKUP_AGE_PASSPHRASE);

    *ret = NULL;
    if (!passphrase && !opt_given(o, OPT_BACKUP_AGE_IDENTITY_FILE))
        return true;
    keys = age_keys_new();
    if (passphrase)
        age_keys_add_passphrase(keys, nb_secret_str(passphrase));
    if (opt_given(o, OPT_BACKUP_AGE_IDENTITY_FILE) && !add_identities(o, cancel, keys, err))
        return false;
    *ret = nb_steal(keys);
    return true;
}

/* --- who signs -------------------------------------------------------------------------------- */

bool signer_load(const struct options *o, const struct nb_cancel *cancel, struct repo_trust *ret,
                 struct nb_error *err)
{
    nb_auto(nb_secret_free) struct nb_secret *pem = NULL;

    *ret = (struct repo_trust){ .signs = false };
    if (!opt_given(o, OPT_BACKUP_SIGNING_KEY_FILE))
        return true;
    return key_file_load(o, OPT_BACKUP_SIGNING_KEY_FILE, OPT_BACKUP_SIGNING_KEY_SECRET, cancel,
                         &pem, err) &&
           (repo_trust_set_signer(ret, nb_secret_str(pem), err) ||
            refuse_value(err, opt_origin(o, OPT_BACKUP_SIGNING_KEY_FILE)));
}

bool trust_load(const struct options *o, const struct nb_cancel *cancel, struct repo_trust *ret,
                struct nb_error *err)
{
    bool makes = opt_for_command(o, CMD_BACKUP);

    *ret = (struct repo_trust){ .signs = false };
    if (makes && !signer_load(o, cancel, ret, err))
        return false;
    if (!opt_given(o, OPT_BACKUP_VERIFY_KEY))
        return true;
    /* Its own backups would be trusted by nobody, not even by itself. */
    if (makes && !ret->signs)
        return opt_fail(o, OPT_BACKUP_VERIFY_KEY, err, "set BACKUP_SIGNING_KEY_FILE, too",
                        "asks for signatures, but the backups made here would not be signed");
    return repo_trust_add_keys(ret, nb_str_from(opt_text(o, OPT_BACKUP_VERIFY_KEY)), err) ||
           refuse_value(err, opt_origin(o, OPT_BACKUP_VERIFY_KEY));
}
