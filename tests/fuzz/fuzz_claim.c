/* Any bytes: a claim or an error. What was read, written and read again is the same text. */

#include <stdlib.h>

#include "repo/repo_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nb_auto_done(repo_claim_text_done) struct repo_claim_text t = { 0 };
    nb_auto_done(repo_claim_text_done) struct repo_claim_text u = { 0 };
    nb_auto_done(nb_buf_done) struct nb_buf one = NB_BUF_INIT(8 << 20);
    nb_auto_done(nb_buf_done) struct nb_buf two = NB_BUF_INIT(8 << 20);
    struct nb_error err = NB_ERROR_INIT;

    if (!repo_claim_text_parse((const char *)data, size, &t, &err)) {
        check(nb_streq(err.reason, "InvalidClaim"));
        return 0;
    }
    repo_claim_text_format(&t, &one);
    check(!one.overflow);
    if (one.len > REPO_CLAIM_MAX_BYTES)
        return 0;
    check(repo_claim_text_parse(one.data, one.len, &u, &err));
    repo_claim_text_format(&u, &two);
    check(nb_str_equal(nb_buf_str(&one), nb_buf_str(&two)));
    return 0;
}
