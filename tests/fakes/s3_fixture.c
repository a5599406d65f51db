#include "tests/fakes/s3_fixture.h"

#include <stdio.h>

struct s3_client *s3_fixture_client(struct fake_s3 *f, void (*change)(struct s3_client_opts *o))
{
    nb_auto(nb_secret_free) struct nb_secret *secret =
        nb_secret_new(FAKE_S3_SECRET, strlen(FAKE_S3_SECRET));
    nb_auto(s3_creds_free) struct s3_creds *creds = NULL;
    struct s3_client *c = NULL;
    struct nb_error err = NB_ERROR_INIT;
    struct s3_client_opts o = { .endpoint = fake_s3_endpoint(f),
                                .bucket = FAKE_S3_BUCKET,
                                .ca_pem = fake_http_ca_pem(fake_s3_http(f)),
                                .retry_window_ms = 10000,
                                .max_tries = 6,
                                .backoff_base_ms = 1,
                                .backoff_cap_ms = 2 };

    if (!s3_creds_new(FAKE_S3_KEY_ID, secret, NULL, &creds, &err))
        abort();
    o.creds = creds;
    if (change)
        change(&o);
    if (!s3_client_new(&o, &c, &err)) {
        fprintf(stderr, "s3_fixture: %s\n", err.text);
        abort();
    }
    return c;
}
