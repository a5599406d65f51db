#include "base/hash.h"

#include <string.h>

#include "base/mem.h"
#include "tests/unit/cmocka.h"

static void check_hex(const uint8_t *p, size_t n, const char *want)
{
    char hex[129];

    nb_hex(p, n, hex);
    assert_string_equal(hex, want);
}

static void sha256_known_texts_have_known_digests(void **state)
{
    uint8_t out[NB_SHA256_BYTES];

    (void)state;
    nb_sha256("", 0, out);
    check_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    nb_sha256("abc", 3, out);
    check_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void sha256_in_pieces_equals_the_whole(void **state)
{
    nb_auto(nb_sha256_free) struct nb_sha256 *h = nb_sha256_new();
    uint8_t whole[NB_SHA256_BYTES], pieces[NB_SHA256_BYTES];

    (void)state;
    nb_sha256("hello world", 11, whole);
    for (int round = 0; round < 2; round++) {
        nb_sha256_update(h, "hello", 5);
        nb_sha256_update(h, " world", 6);
        nb_sha256_final(h, pieces);
        assert_memory_equal(whole, pieces, sizeof(whole));
        nb_sha256_reset(h);
    }
}

static void hmac_matches_rfc4231(void **state)
{
    uint8_t out[NB_SHA256_BYTES];

    (void)state;
    nb_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
    check_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    nb_hmac_sha256(NULL, 0, "", 0, out);
    check_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void md5_matches_rfc1321(void **state)
{
    uint8_t out[NB_MD5_BYTES];

    (void)state;
    nb_md5("message digest", 14, out);
    check_hex(out, 16, "f96b697d7cb7938d525a2f31aaf161d0");
}

static void random_below_stays_below_and_reaches_all(void **state)
{
    unsigned seen[5] = { 0 };
    uint8_t a[16], b[16];

    (void)state;
    for (int i = 0; i < 2000; i++) {
        uint32_t v = nb_random_below(5);

        assert_true(v < 5);
        seen[v]++;
    }
    for (size_t i = 0; i < NB_ARRAY_LEN(seen); i++)
        assert_true(seen[i] > 200);
    assert_int_equal(nb_random_below(1), 0);
    nb_random_bytes(a, sizeof(a));
    nb_random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

static void hash64_is_fnv1a(void **state)
{
    (void)state;
    assert_true(nb_hash64("", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(nb_hash64("foobar", 6) == UINT64_C(0x85944171f73967e8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_known_texts_have_known_digests),
        cmocka_unit_test(sha256_in_pieces_equals_the_whole),
        cmocka_unit_test(hmac_matches_rfc4231),
        cmocka_unit_test(md5_matches_rfc1321),
        cmocka_unit_test(random_below_stays_below_and_reaches_all),
        cmocka_unit_test(hash64_is_fnv1a),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
