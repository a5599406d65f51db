#include "tests/fakes/fake_tls.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/mem.h"

struct fake_tls {
    SSL_CTX *ctx;
    char *pem, *key_pem;
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fake_tls: %s failed\n", what);
    abort();
}

static void add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX v3;
    X509_EXTENSION *e;

    X509V3_set_ctx(&v3, x, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
    must(e && X509_add_ext(x, e, -1) == 1, "X509_add_ext");
    X509_EXTENSION_free(e);
}

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_NAME *name;

    must(x != NULL, "X509_new");
    name = X509_get_subject_name(x);
    must(X509_set_version(x, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1 &&
             X509_gmtime_adj(X509_getm_notBefore(x), -3600) &&
             X509_gmtime_adj(X509_getm_notAfter(x), 86400) && X509_set_pubkey(x, key) == 1 &&
             X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                        (const unsigned char *)"localhost", -1, -1, 0) == 1 &&
             X509_set_issuer_name(x, name) == 1,
         "certificate");
    add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(x, NID_subject_key_identifier, "hash");
    add_extension(x, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    must(X509_sign(x, key, EVP_sha256()) > 0, "X509_sign");
    return x;
}

/* Of x, or of key when x is NULL. */
static char *pem_of(X509 *x, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *pem;
    long n;

    must(bio && (x ? PEM_write_bio_X509(bio, x)
                   : PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) == 1,
         "PEM_write_bio");
    n = BIO_get_mem_data(bio, &data);
    pem = nb_xstrndup(data, (size_t)n);
    BIO_free(bio);
    return pem;
}

struct fake_tls *fake_tls_new(void)
{
    struct fake_tls *t = NB_NEW(struct fake_tls);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x;

    must(key != NULL, "EVP_EC_gen");
    x = make_certificate(key);
    t->pem = pem_of(x, NULL);
    t->key_pem = pem_of(NULL, key);
    t->ctx = SSL_CTX_new(TLS_server_method());
    must(t->ctx && SSL_CTX_use_certificate(t->ctx, x) == 1 &&
             SSL_CTX_use_PrivateKey(t->ctx, key) == 1,
         "SSL_CTX");
    X509_free(x);
    EVP_PKEY_free(key);
    return t;
}

void fake_tls_free(struct fake_tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    free(t->pem);
    free(t->key_pem);
    free(t);
}

SSL_CTX *fake_tls_ctx(struct fake_tls *t)
{
    return t->ctx;
}

const char *fake_tls_pem(const struct fake_tls *t)
{
    return t->pem;
}

const char *fake_tls_key_pem(const struct fake_tls *t)
{
    return t->key_pem;
}
