#include "repo/trust.h"

#include <stdio.h>
#include <string.h>

#include "base/b64.h"
#include "base/mem.h"

enum {
    SIGNATURE_TEXT = 88, /* 64 bytes in base64 */
    PRIVATE_BYTES = 48,
    PUBLIC_BYTES = 44,
    KEY_TEXT_MAX = 4096,
    KEY_ID_BYTES = 8,
};

/* RFC 8410: what stands before the 32 bytes of a key of this kind. */
static const uint8_t private_start[PRIVATE_BYTES - NB_ED25519_KEY_BYTES] = {
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20
};
static const uint8_t public_start[PUBLIC_BYTES - NB_ED25519_KEY_BYTES] = { 0x30, 0x2a, 0x30, 0x05,
                                                                           0x06, 0x03, 0x2b, 0x65,
                                                                           0x70, 0x03, 0x21, 0x00 };
static const char sign_start[] = ",\"signature\":\"", sign_end[] = "\"}\n";

void repo_trust_done(struct repo_trust *t)
{
    nb_wipe(t, sizeof(*t));
}

/* --- keys ------------------------------------------------------------------------------------- */

static bool bad_key(struct nb_error *err, const char *text)
{
    return nb_fail(err, NB_E_INVALID, "InvalidKey", "%s", text);
}

static const char *find(struct nb_str s, const char *words)
{
    return s.n ? memmem(s.p, s.n, words, strlen(words)) : NULL;
}

/* The 32 bytes of a key from base64 of DER that begins as it must. */
static bool key_decode(struct nb_str b64, const uint8_t *start, size_t start_n,
                       uint8_t out[NB_ED25519_KEY_BYTES])
{
    struct nb_buf der = NB_BUF_INIT(KEY_TEXT_MAX);
    struct nb_error ignored = NB_ERROR_INIT;
    bool ok = b64.n <= KEY_TEXT_MAX && nb_b64_decode(b64.p, b64.n, &der, &ignored) &&
              der.len == start_n + NB_ED25519_KEY_BYTES && memcmp(der.data, start, start_n) == 0;

    if (ok)
        memcpy(out, der.data + start_n, NB_ED25519_KEY_BYTES);
    if (der.data)
        nb_wipe(der.data, der.len);
    nb_buf_done(&der);
    return ok;
}

/* What stands between "-----BEGIN x-----" and its end. False: there is no such block. */
static bool pem_body(struct nb_str text, const char *begin, const char *end,
                     struct nb_str *ret_body, size_t *ret_used)
{
    const char *from = find(text, begin), *to;

    if (!from)
        return false;
    from += strlen(begin);
    to = find((struct nb_str){ from, text.n - (size_t)(from - text.p) }, end);
    if (!to)
        return false;
    *ret_body = (struct nb_str){ from, (size_t)(to - from) };
    *ret_used = (size_t)(to - text.p) + strlen(end);
    return true;
}

bool repo_trust_set_signer(struct repo_trust *t, struct nb_str pem, struct nb_error *err)
{
    uint8_t own[NB_ED25519_KEY_BYTES];
    struct nb_str body;
    size_t used;

    if (find(pem, "-----BEGIN ENCRYPTED PRIVATE KEY-----"))
        return bad_key(err, "the private key is encrypted with a passphrase; hint: give it as "
                            "openssl genpkey writes it");
    if (!pem_body(pem, "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", &body, &used) ||
        !key_decode(body, private_start, sizeof(private_start), t->seed))
        return bad_key(err, "this is no Ed25519 private key in PEM; hint: make one with openssl "
                            "genpkey -algorithm ed25519");
    if (t->keys_n == REPO_TRUST_KEYS_MAX)
        return bad_key(err, "there are too many keys");
    t->signs = true;
    nb_ed25519_public(t->seed, own);
    memcpy(t->keys[t->keys_n++], own, sizeof(own));
    return true;
}

static bool add_key(struct repo_trust *t, struct nb_str b64, struct nb_error *err)
{
    uint8_t key[NB_ED25519_KEY_BYTES];

    if (!key_decode(b64, public_start, sizeof(public_start), key))
        return bad_key(err, "there is something that is no Ed25519 public key; hint: openssl pkey "
                            "-in KEY -pubout prints it");
    if (t->keys_n == REPO_TRUST_KEYS_MAX)
        return bad_key(err, "there are too many keys");
    memcpy(t->keys[t->keys_n++], key, sizeof(key));
    return true;
}

static bool is_between(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',';
}

bool repo_trust_add_keys(struct repo_trust *t, struct nb_str text, struct nb_error *err)
{
    size_t before = t->keys_n;

    if (find(text, "PRIVATE KEY-----"))
        return bad_key(err, "this is a private key, which nobody who only verifies should have; "
                            "hint: openssl pkey -in KEY -pubout prints the public one");
    while (text.n > 0) {
        struct nb_str key;
        size_t n = 0;

        if (is_between(text.p[0])) {
            n = 1;
        } else if (text.p[0] == '-') {
            if (!pem_body(text, "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----", &key, &n))
                return bad_key(err, "there is a block of PEM that is no public key");
            if (!add_key(t, key, err))
                return false;
        } else {
            while (n < text.n && !is_between(text.p[n]))
                n++;
            if (!add_key(t, (struct nb_str){ text.p, n }, err))
                return false;
        }
        text.p += n;
        text.n -= n;
    }
    return t->keys_n > before || bad_key(err, "there is no key in it");
}

/* --- signatures ------------------------------------------------------------------------------- */

bool repo_trust_sign(const struct repo_trust *t, struct repo_manifest *m, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(REPO_MANIFEST_MAX_BYTES);
    nb_auto_done(nb_buf_done) struct nb_buf b64 = NB_BUF_INIT(SIGNATURE_TEXT + 1);
    uint8_t signature[NB_ED25519_SIGNATURE_BYTES];

    free(m->signature);
    m->signature = NULL;
    if (!t->signs)
        return true;
    if (!repo_manifest_format(m, &text, err))
        return false;
    nb_ed25519_sign(t->seed, text.data, text.len, signature);
    nb_b64_encode(signature, sizeof(signature), &b64);
    m->signature = nb_buf_take(&b64);
    return true;
}

/* Cuts the signature out of the text; false: there is none where it must be. */
static bool split(const char *text, size_t n, struct nb_buf *ret_signed,
                  uint8_t ret_signature[NB_ED25519_SIGNATURE_BYTES])
{
    const size_t start_n = sizeof(sign_start) - 1, end_n = sizeof(sign_end) - 1;
    nb_auto_done(nb_buf_done) struct nb_buf bytes = NB_BUF_INIT(SIGNATURE_TEXT);
    struct nb_error ignored = NB_ERROR_INIT;
    size_t at = n - SIGNATURE_TEXT - start_n - end_n;

    if (n < SIGNATURE_TEXT + start_n + end_n || memcmp(text + at, sign_start, start_n) != 0 ||
        memcmp(text + n - end_n, sign_end, end_n) != 0 ||
        !nb_b64_decode(text + at + start_n, SIGNATURE_TEXT, &bytes, &ignored) ||
        bytes.len != NB_ED25519_SIGNATURE_BYTES)
        return false;
    memcpy(ret_signature, bytes.data, NB_ED25519_SIGNATURE_BYTES);
    nb_buf_append(ret_signed, text, at);
    nb_buf_puts(ret_signed, "}\n");
    return !ret_signed->overflow;
}

static bool is_believed(const struct repo_trust *t, const char *text, size_t n)
{
    nb_auto_done(nb_buf_done) struct nb_buf plain = NB_BUF_INIT(REPO_MANIFEST_MAX_BYTES + 1);
    uint8_t signature[NB_ED25519_SIGNATURE_BYTES];

    if (!split(text, n, &plain, signature))
        return false;
    for (size_t i = 0; i < t->keys_n; i++)
        if (nb_ed25519_verify(t->keys[i], plain.data, plain.len, signature))
            return true;
    return false;
}

void repo_trust_judge(const struct repo_trust *t, const char *text, size_t n,
                      const char *manifest_key, struct repo_manifest *m)
{
    free(nb_steal(m->distrust));
    if (t->keys_n == 0)
        return;
    if (!m->signature || !m->signature[0])
        m->distrust = nb_xstrdup("the manifest is not signed");
    else if (!is_believed(t, text, n))
        m->distrust = nb_xstrdup("the manifest was changed, or signed with another key than those "
                                 "that are trusted");
    else if (manifest_key && !nb_streq(m->manifest_key, manifest_key))
        m->distrust = nb_xstrdup("the manifest is another backup's, put there by somebody");
}

bool repo_trust_check(const struct repo_manifest *m, struct nb_error *err)
{
    if (!m->distrust)
        return true;
    nb_fail(err, NB_E_CORRUPT, "UntrustedManifest", "'%s': %s", m->key ? m->key : "manifest",
            m->distrust);
    return nb_hint(err,
                   "nothing of it was used; find out who wrote it, or give its public key with "
                   "BACKUP_VERIFY_KEY_FILE");
}
