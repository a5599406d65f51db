/* Any bytes: keys or an error that does not show them; no manifest that somebody else wrote is believed. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "repo/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct nb_str text = { (const char *)data, size };
    nb_auto(repo_manifest_free) struct repo_manifest *m = NULL;
    struct repo_trust signer = { .signs = false }, keys = { .signs = false }, own;
    struct nb_error err = NB_ERROR_INIT;

    if (!repo_trust_set_signer(&signer, text, &err)) {
        check(nb_streq(err.reason, "InvalidKey") && !signer.signs && signer.keys_n == 0);
        nb_error_clear(&err);
    }
    if (!repo_trust_add_keys(&keys, text, &err)) {
        check(nb_streq(err.reason, "InvalidKey"));
        nb_error_clear(&err);
    }
    check(keys.keys_n <= REPO_TRUST_KEYS_MAX);
    if (!repo_manifest_parse(text.p, text.n, &m, &err))
        return 0;
    /* Its seed is not in the corpus. */
    own =
        (struct repo_trust){ .signs = true, .seed = { 'n', 'o', 'b', 'o', 'd', 'y' }, .keys_n = 1 };
    nb_ed25519_public(own.seed, own.keys[0]);
    repo_trust_judge(&own, text.p, text.n, NULL, m);
    check(m->distrust != NULL);
    return 0;
}
