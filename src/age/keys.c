#include "age/keys.h"

#include <ctype.h>
#include <stdio.h>

#include "age/bech32.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/secret.h"

#define RECIPIENT_HRP "age"
#define IDENTITY_HRP  "AGE-SECRET-KEY-"
#define X25519_INFO   "age-encryption.org/v1/X25519"
#define SCRYPT_LABEL  "age-encryption.org/v1/scrypt"

struct identity {
    uint8_t secret[AGE_KEY_BYTES], point[AGE_KEY_BYTES];
};

struct age_keys {
    struct identity *identities[AGE_KEYS_MAX]; /* each where it stays: growing would leave copies */
    size_t identities_n;
    struct nb_secret *passphrases[AGE_KEYS_MAX];
    size_t passphrases_n;
    uint8_t file_keys[AGE_KEYS_MAX][AGE_FILE_KEY_BYTES]; /* the last ones */
    size_t file_keys_n;
};

/* --- recipients ------------------------------------------------------------------------------- */

bool age_recipient_parse(const char *text, struct age_recipient *ret, struct nb_error *err)
{
    if (age_bech32_decode(RECIPIENT_HRP, text, strlen(text), ret->point))
        return true;
    if (strncasecmp(text, IDENTITY_HRP, strlen(IDENTITY_HRP)) == 0)
        return nb_fail(err, NB_E_INVALID, "InvalidRecipient",
                       "a private key stands where a recipient should; hint: give its public key, "
                       "as 'age-keygen -y' prints it, and take a new pair if others could see it");
    nb_fail(err, NB_E_INVALID, "InvalidRecipient", "'%.70s' is no age recipient", text);
    return nb_hint(err, "a recipient is age1 and 58 characters more, as 'age-keygen -y' prints it");
}

void age_recipient_format(const struct age_recipient *r, char out[AGE_RECIPIENT_TEXT_MAX])
{
    char text[AGE_BECH32_MAX];

    age_bech32_encode(RECIPIENT_HRP, r->point, text);
    snprintf(out, AGE_RECIPIENT_TEXT_MAX, "%.*s", AGE_RECIPIENT_TEXT_MAX - 1, text);
}

/* --- what opens ------------------------------------------------------------------------------- */

struct age_keys *age_keys_new(void)
{
    return NB_NEW(struct age_keys);
}

void age_keys_free(struct age_keys *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->identities_n; i++) {
        nb_wipe(k->identities[i], sizeof(*k->identities[i]));
        free(k->identities[i]);
    }
    for (size_t i = 0; i < k->passphrases_n; i++)
        nb_secret_free(k->passphrases[i]);
    nb_wipe(k, sizeof(*k));
    free(k);
}

static bool bad_identity(struct nb_error *err, unsigned line, const char *what)
{
    return nb_fail(err, NB_E_INVALID, "InvalidIdentity", "line %u of the identities %s", line,
                   what);
}

static bool add_identity(struct age_keys *k, struct nb_str line, unsigned number,
                         struct nb_error *err)
{
    struct identity *id;

    if (k->identities_n == AGE_KEYS_MAX)
        return bad_identity(err, number, "is one too many");
    id = NB_NEW(struct identity);
    if (!age_bech32_decode(IDENTITY_HRP, line.p, line.n, id->secret)) {
        free(id);
        bad_identity(err, number, "is no X25519 identity of age");
        return nb_hint(err, "it must be AGE-SECRET-KEY-1 and 58 characters more, as age-keygen "
                            "writes it; plugins, SSH keys and post-quantum keys are not taken");
    }
    age_x25519_public(id->secret, id->point);
    k->identities[k->identities_n++] = id;
    return true;
}

static struct nb_str trim(struct nb_str s)
{
    while (s.n > 0 && isspace((unsigned char)s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && isspace((unsigned char)s.p[s.n - 1]))
        s.n--;
    return s;
}

bool age_keys_add_identities(struct age_keys *k, struct nb_str text, struct nb_error *err)
{
    size_t before = k->identities_n;
    const char *p = text.p, *end = text.p + text.n;

    for (unsigned number = 1; p < end; number++) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        struct nb_str line = trim((struct nb_str){ p, (size_t)((nl ? nl : end) - p) });

        p = nl ? nl + 1 : end;
        if (line.n > 0 && line.p[0] != '#' && !add_identity(k, line, number, err))
            return false;
    }
    return k->identities_n > before ||
           nb_fail(err, NB_E_INVALID, "InvalidIdentity", "there is no identity in it");
}

void age_keys_add_passphrase(struct age_keys *k, struct nb_str passphrase)
{
    if (k->passphrases_n < AGE_KEYS_MAX)
        k->passphrases[k->passphrases_n++] = nb_secret_new(passphrase.p, passphrase.n);
}

void age_keys_add_file_key(struct age_keys *k, const uint8_t file_key[AGE_FILE_KEY_BYTES])
{
    memcpy(k->file_keys[k->file_keys_n % AGE_KEYS_MAX], file_key, AGE_FILE_KEY_BYTES);
    k->file_keys_n++;
}

static size_t file_keys_kept(const struct age_keys *k)
{
    return k->file_keys_n < AGE_KEYS_MAX ? k->file_keys_n : AGE_KEYS_MAX;
}

size_t age_keys_count(const struct age_keys *k)
{
    return k ? k->identities_n + k->passphrases_n + file_keys_kept(k) : 0;
}

size_t age_keys_identities(const struct age_keys *k)
{
    return k ? k->identities_n : 0;
}

struct age_recipient age_keys_recipient(const struct age_keys *k, size_t i)
{
    struct age_recipient r;

    memcpy(r.point, k->identities[i]->point, sizeof(r.point));
    return r;
}

/* --- opening ---------------------------------------------------------------------------------- */

/* The key that wraps a file key, of the shared secret of an ephemeral and a lasting key. */
static void x25519_wrap_key(const uint8_t shared[AGE_KEY_BYTES], const uint8_t share[AGE_KEY_BYTES],
                            const uint8_t point[AGE_KEY_BYTES], uint8_t out[AGE_KEY_BYTES])
{
    uint8_t salt[2 * AGE_KEY_BYTES];

    memcpy(salt, share, AGE_KEY_BYTES);
    memcpy(salt + AGE_KEY_BYTES, point, AGE_KEY_BYTES);
    age_hkdf(shared, AGE_KEY_BYTES, salt, sizeof(salt), X25519_INFO, out);
}

static bool scrypt_wrap_key(struct nb_str passphrase, const struct age_stanza *s,
                            uint8_t out[AGE_KEY_BYTES], struct nb_error *err)
{
    uint8_t salt[sizeof(SCRYPT_LABEL) - 1 + AGE_SALT_BYTES];

    memcpy(salt, SCRYPT_LABEL, sizeof(SCRYPT_LABEL) - 1);
    memcpy(salt + sizeof(SCRYPT_LABEL) - 1, s->share, AGE_SALT_BYTES);
    return age_scrypt(passphrase.p, passphrase.n, salt, sizeof(salt), s->log_n, out, err);
}

/* Each may be for somebody else: *ret_opened says. */
static bool try_x25519(const struct age_keys *k, const struct age_stanza *s,
                       uint8_t file_key[AGE_FILE_KEY_BYTES], bool *ret_opened, struct nb_error *err)
{
    uint8_t shared[AGE_KEY_BYTES], key[AGE_KEY_BYTES];
    bool ok = true;

    for (size_t i = 0; ok && !*ret_opened && i < k->identities_n; i++) {
        const struct identity *id = k->identities[i];

        if (!age_x25519(id->secret, s->share, shared)) {
            ok = nb_fail(err, NB_E_CORRUPT, "CorruptAgeHeader",
                         "age header: an X25519 share is of low order");
            break;
        }
        x25519_wrap_key(shared, s->share, id->point, key);
        *ret_opened = age_unwrap(key, s->body, file_key);
    }
    nb_wipe(shared, sizeof(shared));
    nb_wipe(key, sizeof(key));
    return ok;
}

static bool try_scrypt(const struct age_keys *k, const struct age_stanza *s,
                       uint8_t file_key[AGE_FILE_KEY_BYTES], bool *ret_opened, struct nb_error *err)
{
    uint8_t key[AGE_KEY_BYTES];
    bool ok = true;

    for (size_t i = 0; ok && !*ret_opened && i < k->passphrases_n; i++) {
        ok = scrypt_wrap_key(nb_secret_str(k->passphrases[i]), s, key, err);
        *ret_opened = ok && age_unwrap(key, s->body, file_key);
    }
    nb_wipe(key, sizeof(key));
    return ok;
}

static bool try_file_keys(const struct age_keys *k, const struct age_header *h, const char *text,
                          uint8_t file_key[AGE_FILE_KEY_BYTES])
{
    struct nb_error not_this = NB_ERROR_INIT;

    for (size_t i = 0; i < file_keys_kept(k); i++) {
        if (age_header_check(h, text, k->file_keys[i], &not_this)) {
            memcpy(file_key, k->file_keys[i], AGE_FILE_KEY_BYTES);
            return true;
        }
        nb_error_clear(&not_this);
    }
    return false;
}

static bool fail_no_identity(const struct age_keys *k, const struct age_header *h,
                             struct nb_error *err)
{
    bool by_passphrase = h->n == 1 && h->stanzas[0].type == AGE_STANZA_SCRYPT;

    if (age_keys_count(k) == 0)
        return nb_fail(err, NB_E_INVALID, "NoIdentity", "it is encrypted, and no %s is given",
                       by_passphrase ? "passphrase" : "identity");
    if (by_passphrase)
        return nb_fail(err, NB_E_INVALID, "NoIdentity", "it is encrypted with a passphrase, and %s",
                       k->passphrases_n ? "not with the one given" : "none is given");
    return nb_fail(err, NB_E_INVALID, "NoIdentity",
                   "it is encrypted to %zu recipients, and none of the %zu identities given is one "
                   "of theirs",
                   h->n, k->identities_n);
}

bool age_keys_open(const struct age_keys *k, const struct age_header *h, const char *text,
                   uint8_t file_key[AGE_FILE_KEY_BYTES], struct nb_error *err)
{
    bool opened = false;

    if (k && try_file_keys(k, h, text, file_key))
        return true;
    for (size_t i = 0; k && !opened && i < h->n; i++) {
        const struct age_stanza *s = &h->stanzas[i];

        if ((s->type == AGE_STANZA_X25519 && !try_x25519(k, s, file_key, &opened, err)) ||
            (s->type == AGE_STANZA_SCRYPT && !try_scrypt(k, s, file_key, &opened, err)))
            return false;
    }
    return opened ? age_header_check(h, text, file_key, err) : fail_no_identity(k, h, err);
}

/* --- wrapping --------------------------------------------------------------------------------- */

bool age_stanza_x25519(const struct age_recipient *r, const uint8_t file_key[AGE_FILE_KEY_BYTES],
                       struct age_stanza *ret, struct nb_error *err)
{
    uint8_t ephemeral[AGE_KEY_BYTES], shared[AGE_KEY_BYTES], key[AGE_KEY_BYTES];
    bool ok;

    *ret = (struct age_stanza){ .type = AGE_STANZA_X25519 };
    nb_random_bytes(ephemeral, sizeof(ephemeral));
    age_x25519_public(ephemeral, ret->share);
    ok = age_x25519(ephemeral, r->point, shared);
    if (ok) {
        x25519_wrap_key(shared, ret->share, r->point, key);
        age_wrap(key, file_key, ret->body);
    } else {
        char text[AGE_RECIPIENT_TEXT_MAX];

        age_recipient_format(r, text);
        nb_fail(err, NB_E_INVALID, "InvalidRecipient", "'%s' is the public key of no key pair",
                text);
    }
    nb_wipe(ephemeral, sizeof(ephemeral));
    nb_wipe(shared, sizeof(shared));
    nb_wipe(key, sizeof(key));
    return ok;
}

bool age_stanza_scrypt(struct nb_str passphrase, unsigned log_n,
                       const uint8_t file_key[AGE_FILE_KEY_BYTES], struct age_stanza *ret,
                       struct nb_error *err)
{
    uint8_t key[AGE_KEY_BYTES];
    bool ok;

    *ret = (struct age_stanza){ .type = AGE_STANZA_SCRYPT, .log_n = log_n };
    nb_random_bytes(ret->share, AGE_SALT_BYTES);
    ok = scrypt_wrap_key(passphrase, ret, key, err);
    if (ok)
        age_wrap(key, file_key, ret->body);
    nb_wipe(key, sizeof(key));
    return ok;
}
