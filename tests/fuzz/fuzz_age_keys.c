/* Any bytes: keys or an error. A recipient has one form. An identity is never repeated in an
 * error. */

#include <stdlib.h>

#include "age/bech32.h"
#include "age/keys.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nb_auto(age_keys_free) struct age_keys *keys = age_keys_new();
    nb_auto(nb_free) char *text = nb_xstrndup((const char *)data, size);
    struct nb_error err = NB_ERROR_INIT;
    uint8_t bytes[AGE_BECH32_BYTES];
    char again[AGE_RECIPIENT_TEXT_MAX], encoded[AGE_BECH32_MAX];
    struct age_recipient r;

    if (age_recipient_parse(text, &r, &err)) {
        age_recipient_format(&r, again);
        check(nb_streq(again, text));
    } else {
        check(err.code == NB_E_INVALID && err.text[0]);
    }
    if (age_bech32_decode("AGE-SECRET-KEY-", text, strlen(text), bytes)) {
        age_bech32_encode("age-secret-key-", bytes, encoded);
        check(nb_strcaseeq_ascii(encoded, text));
    }
    nb_error_clear(&err);
    if (age_keys_add_identities(keys, (struct nb_str){ (const char *)data, size }, &err))
        check(age_keys_identities(keys) > 0);
    else
        check(nb_streq(err.reason, "InvalidIdentity"));
    return 0;
}
