#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "age/bech32.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"

#define RECIPIENT "age1xmwwc06ly3ee5rytxm9mflaz2u56jjj36s0mypdrwsvlul66mv4q47ryef"
#define IDENTITY  "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0"

static bool decodes(const char *hrp, const char *text)
{
    uint8_t bytes[AGE_BECH32_BYTES];

    return age_bech32_decode(hrp, text, strlen(text), bytes);
}

static void keys_of_age_are_read_and_written_alike(void **state)
{
    uint8_t bytes[AGE_BECH32_BYTES];
    char text[AGE_BECH32_MAX];

    (void)state;
    assert_true(age_bech32_decode("age", RECIPIENT, strlen(RECIPIENT), bytes));
    age_bech32_encode("age", bytes, text);
    assert_string_equal(text, RECIPIENT);
    assert_true(age_bech32_decode("AGE-SECRET-KEY-", IDENTITY, strlen(IDENTITY), bytes));
    age_bech32_encode("age-secret-key-", bytes, text);
    assert_true(nb_strcaseeq_ascii(text, IDENTITY));
}

static void any_one_changed_character_is_seen(void **state)
{
    char text[AGE_BECH32_MAX];

    (void)state;
    for (size_t i = 0; i < strlen(RECIPIENT); i++) {
        for (char c = '!'; c < 0x7f; c++) {
            snprintf(text, sizeof(text), "%s", RECIPIENT);
            text[i] = c;
            assert_int_equal(decodes("age", text), c == RECIPIENT[i]);
        }
    }
}

static void other_form_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "age1",
        "age",
        IDENTITY,
        "AGE1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4Q47RYEF", /* upper case */
        "age1xmwwc06ly3ee5rytxm9mflaz2u56jjj36s0mypdrwsvlul66mv4q47ryeF", /* both */
        "age1xmwwc06ly3ee5rytxm9mflaz2u56jjj36s0mypdrwsvlul66mv4q47rye",  /* shorter */
        RECIPIENT "q",
        " " RECIPIENT,
        RECIPIENT "\n",
        "agf1xmwwc06ly3ee5rytxm9mflaz2u56jjj36s0mypdrwsvlul66mv4q47ryef",
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++)
        assert_false(decodes("age", bad[i]));
    assert_false(decodes("AGE-SECRET-KEY-", RECIPIENT));
}

static void random_bytes_come_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        uint8_t bytes[AGE_BECH32_BYTES], again[AGE_BECH32_BYTES];
        char text[AGE_BECH32_MAX];

        nb_random_bytes(bytes, sizeof(bytes));
        age_bech32_encode("age", bytes, text);
        assert_true(age_bech32_decode("age", text, strlen(text), again));
        assert_memory_equal(bytes, again, sizeof(bytes));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_age_are_read_and_written_alike),
        cmocka_unit_test(any_one_changed_character_is_seen),
        cmocka_unit_test(other_form_is_refused),
        cmocka_unit_test(random_bytes_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
