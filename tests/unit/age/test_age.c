#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "age/reader.h"
#include "age/writer.h"
#include "base/hash.h"
#include "base/mem.h"

/* What is written can be read, by those whom it is for and by nobody else. */

#define RECIPIENT      "age1xmwwc06ly3ee5rytxm9mflaz2u56jjj36s0mypdrwsvlul66mv4q47ryef"
#define IDENTITY       "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0"
#define OTHER_IDENTITY "AGE-SECRET-KEY-143WN7DCXU4G8R5AXQSSYD9AEPYDNT3HXSLWSPK36CDU6E8M59SSSAGZ3KG"

enum { FILE_MAX = 1 << 20, FEW = 10 };

static bool append(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    nb_buf_append(ctx, p, n);
    return nb_buf_check(ctx, err);
}

static struct age_keys *keys_of(const char *identities)
{
    struct age_keys *k = age_keys_new();
    struct nb_error err = NB_ERROR_INIT;

    if (identities && !age_keys_add_identities(k, nb_str_from(identities), &err))
        fail_msg("%s", err.text);
    return k;
}

static struct age_recipient recipient_of(const char *text)
{
    struct nb_error err = NB_ERROR_INIT;
    struct age_recipient r;

    if (!age_recipient_parse(text, &r, &err))
        fail_msg("%s", err.text);
    return r;
}

/* In pieces of `cut` bytes; `own` (may be NULL) gets the file key. */
static void encrypt(const struct age_writer_opts *opts, const struct nb_buf *plain, size_t cut,
                    struct nb_buf *out, struct age_keys *own)
{
    nb_auto(age_writer_free) struct age_writer *w = NULL;
    struct nb_error err = NB_ERROR_INIT;

    if (!age_writer_new(opts, append, out, &w, &err))
        fail_msg("%s", err.text);
    for (size_t at = 0; at < plain->len; at += cut)
        assert_true(age_writer_write(w, plain->data + at,
                                     plain->len - at < cut ? plain->len - at : cut, &err));
    assert_true(age_writer_finish(w, &err));
    if (own)
        age_writer_give_key(w, own);
}

static bool decrypt(const struct age_keys *keys, const struct nb_buf *file, size_t cut,
                    struct nb_buf *out, struct nb_error *err)
{
    nb_auto(age_reader_free) struct age_reader *r = age_reader_new(keys, append, out);

    for (size_t at = 0; at < file->len; at += cut)
        if (!age_reader_feed(r, file->data + at, file->len - at < cut ? file->len - at : cut, err))
            return false;
    return age_reader_finish(r, err);
}

static void random_text(struct nb_buf *out, size_t n)
{
    char *to;

    nb_buf_clear(out);
    to = nb_buf_reserve(out, n);
    assert_non_null(to);
    nb_random_bytes(to, n);
    out->len = n;
}

static void round_trip_of_any_length_and_cuts_is_identity(void **state)
{
    static const size_t lengths[] = { 0,     1,      15,     16,     17,    1000,   65535, 65536,
                                      65537, 131071, 131072, 131073, 70000, 196608, 300000 };
    static const size_t cuts[] = { SIZE_MAX, 65536, 65552, 4093 };
    struct age_recipient r = recipient_of(RECIPIENT);
    struct age_writer_opts opts = { .recipients = &r, .recipients_n = 1 };
    nb_auto(age_keys_free) struct age_keys *keys = keys_of(IDENTITY);
    struct nb_buf plain = NB_BUF_INIT(FILE_MAX);

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(lengths); i++) {
        for (size_t k = 0; k < NB_ARRAY_LEN(cuts); k++) {
            struct nb_buf file = NB_BUF_INIT(FILE_MAX), again = NB_BUF_INIT(FILE_MAX);
            struct nb_error err = NB_ERROR_INIT;

            random_text(&plain, lengths[i]);
            encrypt(&opts, &plain, cuts[k], &file, NULL);
            if (!decrypt(keys, &file, cuts[NB_ARRAY_LEN(cuts) - 1 - k], &again, &err))
                fail_msg("%zu bytes: %s", lengths[i], err.text);
            assert_true(nb_str_equal(nb_buf_str(&plain), nb_buf_str(&again)));
            nb_buf_done(&file);
            nb_buf_done(&again);
        }
    }
    nb_buf_done(&plain);
}

static void every_recipient_can_open_and_nobody_else(void **state)
{
    static const char *const identities[] = { IDENTITY, OTHER_IDENTITY,
                                              "# made up\n\n" OTHER_IDENTITY "\r\n" IDENTITY };
    nb_auto(age_keys_free) struct age_keys *both = keys_of(identities[2]);
    nb_auto(age_keys_free) struct age_keys *own = keys_of(NULL);
    struct age_recipient to[2] = { age_keys_recipient(both, 0), age_keys_recipient(both, 1) };
    struct age_writer_opts opts = { .recipients = to, .recipients_n = 2 };
    struct nb_buf plain = NB_BUF_INIT(FILE_MAX), file = NB_BUF_INIT(FILE_MAX);
    struct nb_error err = NB_ERROR_INIT;
    char text[AGE_RECIPIENT_TEXT_MAX];

    (void)state;
    age_recipient_format(&to[1], text);
    assert_string_equal(text, RECIPIENT);
    random_text(&plain, 100);
    encrypt(&opts, &plain, 7, &file, own);
    for (size_t i = 0; i < NB_ARRAY_LEN(identities); i++) {
        nb_auto(age_keys_free) struct age_keys *keys = keys_of(identities[i]);
        struct nb_buf again = NB_BUF_INIT(FILE_MAX);

        assert_true(decrypt(keys, &file, 9, &again, &err));
        assert_true(nb_str_equal(nb_buf_str(&plain), nb_buf_str(&again)));
        nb_buf_done(&again);
    }
    /* Whoever wrote it needs no identity. */
    for (int with = 0; with < 2; with++) {
        nb_auto(age_keys_free) struct age_keys *none = keys_of(NULL);
        struct nb_buf again = NB_BUF_INIT(FILE_MAX);

        assert_int_equal(decrypt(with ? own : none, &file, 9, &again, &err), with);
        if (!with)
            assert_string_equal(err.reason, "NoIdentity");
        nb_buf_done(&again);
        nb_error_clear(&err);
    }
    opts.recipients_n = 1;
    nb_buf_clear(&file);
    encrypt(&opts, &plain, 7, &file, NULL);
    {
        nb_auto(age_keys_free) struct age_keys *wrong = keys_of(IDENTITY);
        struct nb_buf again = NB_BUF_INIT(FILE_MAX);

        assert_false(decrypt(wrong, &file, 9, &again, &err));
        assert_string_equal(err.reason, "NoIdentity");
        assert_int_equal(err.code, NB_E_INVALID);
        assert_int_equal(again.len, 0);
        nb_buf_done(&again);
    }
    nb_buf_done(&plain);
    nb_buf_done(&file);
}

static void passphrase_opens_what_it_closed(void **state)
{
    struct age_writer_opts opts = { .passphrase = NB_STR("open sesame"), .scrypt_log_n = 4 };
    nb_auto(age_keys_free) struct age_keys *right = keys_of(IDENTITY);
    nb_auto(age_keys_free) struct age_keys *wrong = keys_of(IDENTITY);
    nb_auto(age_keys_free) struct age_keys *none = keys_of(IDENTITY);
    const struct age_keys *const others[] = { wrong, none };
    struct nb_buf plain = NB_BUF_INIT(FILE_MAX), file = NB_BUF_INIT(FILE_MAX);
    struct nb_buf again = NB_BUF_INIT(FILE_MAX);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    age_keys_add_passphrase(right, NB_STR("another"));
    age_keys_add_passphrase(right, opts.passphrase);
    age_keys_add_passphrase(wrong, NB_STR("open barley"));
    random_text(&plain, 100);
    encrypt(&opts, &plain, 7, &file, NULL);
    assert_true(decrypt(right, &file, 9, &again, &err));
    assert_true(nb_str_equal(nb_buf_str(&plain), nb_buf_str(&again)));
    for (size_t i = 0; i < NB_ARRAY_LEN(others); i++) {
        nb_error_clear(&err);
        assert_false(decrypt(others[i], &file, 9, &again, &err));
        assert_string_equal(err.reason, "NoIdentity");
        assert_non_null(strstr(err.text, "passphrase"));
        assert_null(strstr(err.text, "barley"));
    }
    nb_buf_done(&plain);
    nb_buf_done(&file);
    nb_buf_done(&again);
}

/* Nothing that was not written comes out, whatever bit is turned over or where it is cut. */
static void any_change_is_seen(void **state)
{
    struct age_recipient r = recipient_of(RECIPIENT);
    struct age_writer_opts opts = { .recipients = &r, .recipients_n = 1 };
    nb_auto(age_keys_free) struct age_keys *keys = keys_of(IDENTITY);
    struct nb_buf plain = NB_BUF_INIT(FILE_MAX), file = NB_BUF_INIT(FILE_MAX);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    random_text(&plain, FEW);
    encrypt(&opts, &plain, SIZE_MAX, &file, NULL);
    for (size_t i = 0; i < file.len; i++) {
        struct nb_buf again = NB_BUF_INIT(FILE_MAX);

        file.data[i] = (char)(file.data[i] ^ 1 << i % 8);
        assert_false(decrypt(keys, &file, SIZE_MAX, &again, &err));
        assert_int_equal(again.len, 0);
        file.data[i] = (char)(file.data[i] ^ 1 << i % 8);
        nb_error_clear(&err);
        nb_buf_done(&again);
    }
    for (size_t n = 0; n < file.len; n++) {
        struct nb_buf again = NB_BUF_INIT(FILE_MAX), cut = file;

        cut.len = n;
        assert_false(decrypt(keys, &cut, SIZE_MAX, &again, &err));
        assert_int_equal(err.code, NB_E_CORRUPT);
        nb_error_clear(&err);
        nb_buf_done(&again);
    }
    nb_buf_done(&plain);
    nb_buf_done(&file);
}

/* Chunks are bound to their places. */
static void chunks_that_changed_places_are_seen(void **state)
{
    struct age_recipient r = recipient_of(RECIPIENT);
    struct age_writer_opts opts = { .recipients = &r, .recipients_n = 1 };
    nb_auto(age_keys_free) struct age_keys *keys = keys_of(IDENTITY);
    struct nb_buf plain = NB_BUF_INIT(FILE_MAX), file = NB_BUF_INIT(FILE_MAX);
    struct nb_buf again = NB_BUF_INIT(FILE_MAX);
    struct nb_error err = NB_ERROR_INIT;
    char *first, *chunk = nb_xmalloc(AGE_SEALED_BYTES);

    (void)state;
    random_text(&plain, (size_t)3 * AGE_CHUNK_BYTES);
    encrypt(&opts, &plain, SIZE_MAX, &file, NULL);
    first = file.data + file.len - (size_t)3 * AGE_SEALED_BYTES;
    memcpy(chunk, first, AGE_SEALED_BYTES);
    memcpy(first, first + AGE_SEALED_BYTES, AGE_SEALED_BYTES);
    memcpy(first + AGE_SEALED_BYTES, chunk, AGE_SEALED_BYTES);
    assert_false(decrypt(keys, &file, SIZE_MAX, &again, &err));
    assert_string_equal(err.reason, "CorruptAge");
    assert_int_equal(again.len, 0);
    /* One that is missing at the end: its absence is said, not called damage. */
    nb_error_clear(&err);
    nb_buf_clear(&file);
    encrypt(&opts, &plain, SIZE_MAX, &file, NULL);
    file.len -= AGE_SEALED_BYTES;
    assert_false(decrypt(keys, &file, SIZE_MAX, &again, &err));
    assert_string_equal(err.reason, "CutAge");
    free(chunk);
    nb_buf_done(&plain);
    nb_buf_done(&file);
    nb_buf_done(&again);
}

static void bad_keys_are_refused_and_not_repeated(void **state)
{
    static const char *const identities[] = {
        "",
        "# nothing\n",
        RECIPIENT,
        "AGE-SECRET-KEY-1QQQ",
        IDENTITY "\nAGE-PLUGIN-YUBIKEY-1QQQQ\n",
        "AGE-SECRET-KEY-PQ-1HZLGZUPT4ETPKDEV8HSGFDCYZ4E522W0A7PU2LHT8EH9W6YLNC3SW78XKG",
    };
    static const char *const recipients[] = { "", "age1x", IDENTITY, "AGE-SECRET-KEY-1QQQ",
                                              "ssh-ed25519 AAAA" };
    struct nb_error err = NB_ERROR_INIT;
    struct age_recipient r;

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(identities); i++) {
        nb_auto(age_keys_free) struct age_keys *k = age_keys_new();

        assert_false(age_keys_add_identities(k, nb_str_from(identities[i]), &err));
        assert_string_equal(err.reason, "InvalidIdentity");
        assert_null(strstr(err.text, "1QQQ"));
        assert_null(strstr(err.text, "HZLGZ"));
        nb_error_clear(&err);
    }
    for (size_t i = 0; i < NB_ARRAY_LEN(recipients); i++) {
        assert_false(age_recipient_parse(recipients[i], &r, &err));
        assert_string_equal(err.reason, "InvalidRecipient");
        assert_null(strstr(err.text, "EGTZ"));
        nb_error_clear(&err);
    }
}

/* A point of low order would let anybody read the file. */
static void recipient_of_low_order_is_refused(void **state)
{
    struct age_recipient r = { { 0 } };
    struct age_writer_opts opts = { .recipients = &r, .recipients_n = 1 };
    struct nb_error err = NB_ERROR_INIT;
    struct age_writer *w = NULL;

    (void)state;
    assert_false(age_writer_new(&opts, append, NULL, &w, &err));
    assert_string_equal(err.reason, "InvalidRecipient");
    nb_error_clear(&err);
    opts.passphrase = NB_STR("both");
    assert_false(age_writer_new(&opts, append, NULL, &w, &err));
    nb_error_clear(&err);
    opts = (struct age_writer_opts){ .recipients_n = 0 };
    assert_false(age_writer_new(&opts, append, NULL, &w, &err));
}

static void header_without_an_end_is_given_up(void **state)
{
    nb_auto(age_keys_free) struct age_keys *keys = keys_of(IDENTITY);
    struct nb_buf file = NB_BUF_INIT(FILE_MAX), out = NB_BUF_INIT(FILE_MAX);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    nb_buf_puts(&file, AGE_MAGIC_LINE);
    while (file.len < 2 * AGE_HEADER_MAX_BYTES)
        nb_buf_puts(&file, "-> x\n\n");
    assert_false(decrypt(keys, &file, 1000, &out, &err));
    assert_string_equal(err.reason, "CorruptAgeHeader");
    nb_buf_done(&file);
    nb_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_of_any_length_and_cuts_is_identity),
        cmocka_unit_test(every_recipient_can_open_and_nobody_else),
        cmocka_unit_test(passphrase_opens_what_it_closed),
        cmocka_unit_test(any_change_is_seen),
        cmocka_unit_test(chunks_that_changed_places_are_seen),
        cmocka_unit_test(bad_keys_are_refused_and_not_repeated),
        cmocka_unit_test(recipient_of_low_order_is_refused),
        cmocka_unit_test(header_without_an_end_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
