#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "packstream/packstream.h"

enum { OUT_MAX = 1 << 20 };

static int setup(void **state)
{
    struct nb_buf *b = NB_NEW(struct nb_buf);

    nb_buf_init(b, OUT_MAX);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    nb_buf_done(*state);
    free(*state);
    return 0;
}

static void assert_hex(struct nb_buf *b, const char *hex)
{
    char got[256] = "";

    assert_true(b->len * 2 < sizeof(got));
    for (size_t i = 0; i < b->len; i++)
        (void)snprintf(got + 2 * i, 3, "%02X", (unsigned char)b->data[i]);
    assert_string_equal(got, hex);
    nb_buf_clear(b);
}

static void integer_takes_its_shortest_form(void **state)
{
    struct nb_buf *b = *state;
    struct ps_encoder e = PS_ENCODER_INIT(b);
    static const struct {
        int64_t value;
        const char *hex;
    } cases[] = {
        { 0, "00" },
        { 127, "7F" },
        { -16, "F0" },
        { -17, "C8EF" },
        { -128, "C880" },
        { 128, "C90080" },
        { -129, "C9FF7F" },
        { 32767, "C97FFF" },
        { 32768, "CA00008000" },
        { INT32_MIN, "CA80000000" },
        { (int64_t)INT32_MAX + 1, "CB0000000080000000" },
        { INT64_MIN, "CB8000000000000000" },
        { INT64_MAX, "CB7FFFFFFFFFFFFFFF" },
    };

    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        ps_put_int(&e, cases[i].value);
        assert_hex(b, cases[i].hex);
    }
}

static void other_scalars_are_encoded(void **state)
{
    struct nb_buf *b = *state;
    struct ps_encoder e = PS_ENCODER_INIT(b);

    ps_put_null(&e);
    assert_hex(b, "C0");
    ps_put_bool(&e, true);
    ps_put_bool(&e, false);
    assert_hex(b, "C3C2");
    ps_put_float(&e, -2.0);
    assert_hex(b, "C1C000000000000000");
    ps_put_cstr(&e, "");
    ps_put_cstr(&e, "ab");
    assert_hex(b, "80826162");
    ps_put_bytes(&e, "\0\1", 2);
    assert_hex(b, "CC020001");
    ps_put_struct(&e, 'N', 3);
    assert_hex(b, "B34E");
}

static void sizes_take_their_shortest_form(void **state)
{
    struct nb_buf *b = *state;
    struct ps_encoder e = PS_ENCODER_INIT(b);
    nb_auto(nb_free) char *data = nb_xcalloc(1, 70000);
    static const struct {
        size_t n;
        unsigned char str, list, map, bytes;
    } cases[] = {
        { 15, 0x8F, 0x9F, 0xAF, 0xCC },    { 16, 0xD0, 0xD4, 0xD8, 0xCC },
        { 255, 0xD0, 0xD4, 0xD8, 0xCC },   { 256, 0xD1, 0xD5, 0xD9, 0xCD },
        { 65535, 0xD1, 0xD5, 0xD9, 0xCD }, { 65536, 0xD2, 0xD6, 0xDA, 0xCE },
    };

    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        nb_buf_clear(b);
        ps_put_str(&e, (struct nb_str){ data, cases[i].n });
        assert_int_equal((unsigned char)b->data[0], cases[i].str);
        nb_buf_clear(b);
        ps_put_bytes(&e, data, cases[i].n);
        assert_int_equal((unsigned char)b->data[0], cases[i].bytes);
        nb_buf_clear(b);
        ps_put_list(&e, cases[i].n);
        assert_int_equal((unsigned char)b->data[0], cases[i].list);
        nb_buf_clear(b);
        ps_put_map(&e, cases[i].n);
        assert_int_equal((unsigned char)b->data[0], cases[i].map);
    }
}

static void count_known_at_the_end_is_filled_in(void **state)
{
    struct nb_buf *b = *state;
    struct ps_encoder e = PS_ENCODER_INIT(b);
    size_t list, map;

    list = ps_put_list_begin(&e);
    ps_put_int(&e, 1);
    map = ps_put_map_begin(&e);
    ps_put_cstr(&e, "k");
    ps_put_int(&e, 2);
    ps_put_map_end(&e, map, 1);
    ps_put_list_end(&e, list, 2);
    assert_hex(b, "D60000000201DA00000001816B02");
}

static struct ps_value datetime(bool local, const char *zone)
{
    struct ps_value v = { .type = PS_DATETIME };

    v.datetime.seconds = 100;
    v.datetime.nanos = 1;
    v.datetime.local = local;
    v.datetime.zone = nb_str_from(zone);
    v.datetime.offset_seconds = zone ? 0 : 60;
    return v;
}

static void datetime_takes_the_form_of_the_connection(void **state)
{
    struct nb_buf *b = *state;
    struct ps_encoder e = PS_ENCODER_INIT(b);
    struct ps_value utc = datetime(false, NULL), local = datetime(true, NULL);
    struct ps_value utc_zone = datetime(false, "UTC"), local_zone = datetime(true, "UTC");

    ps_put_value(&e, &utc);
    assert_hex(b, "B34964013C");
    ps_put_value(&e, &local); /* 100 local at +60 is 40 */
    assert_hex(b, "B34928013C");
    ps_put_value(&e, &utc_zone);
    assert_hex(b, "B369640183555443");
    e.local_datetimes = true;
    ps_put_value(&e, &utc);
    assert_hex(b, "B346C900A0013C");
    ps_put_value(&e, &local);
    assert_hex(b, "B34664013C");
    ps_put_value(&e, &local_zone);
    assert_hex(b, "B366640183555443");
    assert_null(e.bad);
}

static void datetime_that_cannot_be_carried_is_an_error(void **state)
{
    struct ps_encoder e = PS_ENCODER_INIT(*state);
    struct ps_value utc_zone = datetime(false, "UTC"), local_zone = datetime(true, "UTC");
    struct nb_error err = NB_ERROR_INIT;

    ps_put_value(&e, &local_zone);
    assert_false(ps_encoder_check(&e, &err));
    assert_int_equal(err.code, NB_E_INVALID);
    e.bad = NULL;
    e.local_datetimes = true;
    ps_put_value(&e, &utc_zone);
    assert_false(ps_encoder_check(&e, &err));
    e.bad = NULL;
    utc_zone = datetime(false, NULL);
    utc_zone.datetime.seconds = INT64_MAX;
    ps_put_value(&e, &utc_zone);
    assert_false(ps_encoder_check(&e, &err));
}

static void vector_and_uuid_need_their_protocol(void **state)
{
    struct nb_buf *b = *state;
    struct ps_encoder e = PS_ENCODER_INIT(b);
    struct ps_value uuid = { .type = PS_UUID }, vector = { .type = PS_VECTOR };
    struct nb_error err = NB_ERROR_INIT;

    vector.vector.elem = PS_VECTOR_I8;
    vector.vector.p = (const unsigned char *)"\1\2";
    vector.vector.n = 2;
    ps_put_value(&e, &uuid);
    assert_false(ps_encoder_check(&e, &err));
    e = (struct ps_encoder)PS_ENCODER_INIT(b);
    e.no_vectors = true;
    ps_put_value(&e, &vector);
    assert_false(ps_encoder_check(&e, &err));
    e = (struct ps_encoder)PS_ENCODER_INIT(b);
    e.version = 2;
    ps_put_value(&e, &uuid);
    assert_hex(b, "E000000000000000000000000000000000");
    ps_put_value(&e, &vector);
    assert_hex(b, "B256CC01C8CC020102");
    assert_true(ps_encoder_check(&e, &err));
}

static void full_buffer_is_told_at_the_end(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(8);
    struct ps_encoder e = PS_ENCODER_INIT(&b);
    struct nb_error err = NB_ERROR_INIT;
    size_t mark = ps_put_list_begin(&e);

    (void)state;
    ps_put_cstr(&e, "too much of it");
    ps_put_list_end(&e, mark, 1);
    assert_false(ps_encoder_check(&e, &err));
    assert_int_equal(err.code, NB_E_LIMIT);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(integer_takes_its_shortest_form),
        T(other_scalars_are_encoded),
        T(sizes_take_their_shortest_form),
        T(count_known_at_the_end_is_filled_in),
        T(datetime_takes_the_form_of_the_connection),
        T(datetime_that_cannot_be_carried_is_an_error),
        T(vector_and_uuid_need_their_protocol),
        T(full_buffer_is_told_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
