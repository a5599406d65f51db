#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "packstream/packstream.h"

enum { ARENA_MAX = 1 << 20 };

struct fixture {
    struct nb_arena *arena;
    unsigned char *bytes; /* exactly as long as the input, for the address sanitizer */
    size_t n;
    struct ps_decoder d;
    struct nb_error err;
};

static unsigned nibble(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 32) - 'a') + 10;
}

static void from_hex(struct fixture *f, const char *hex, unsigned version)
{
    free(f->bytes);
    f->bytes = nb_xmalloc(strlen(hex) / 2 + 1);
    f->n = 0;
    for (; *hex; hex++)
        if (*hex != ' ') {
            f->bytes[f->n++] = (unsigned char)(nibble(hex[0]) << 4 | nibble(hex[1]));
            hex++;
        }
    f->bytes = nb_xrealloc(f->bytes, f->n ? f->n : 1);
    nb_arena_reset(f->arena);
    nb_error_clear(&f->err);
    ps_decoder_init(&f->d, f->bytes, f->n, version, f->arena);
}

static struct ps_value decode(struct fixture *f, const char *hex)
{
    struct ps_value v;

    from_hex(f, hex, 2);
    if (!ps_decode(&f->d, &v, &f->err))
        fail_msg("%s: %s", hex, f->err.text);
    assert_int_equal(ps_decoder_left(&f->d), 0);
    return v;
}

static void assert_broken(struct fixture *f, const char *hex, const char *text)
{
    struct ps_value v;

    from_hex(f, hex, 1);
    if (ps_decode(&f->d, &v, &f->err))
        fail_msg("%s was decoded", hex);
    assert_int_equal(f->err.code, NB_E_PROTOCOL);
    assert_string_equal(f->err.reason, "PackStreamInvalid");
    if (!strstr(f->err.text, text))
        fail_msg("%s: '%s' lacks '%s'", hex, f->err.text, text);
}

static int setup(void **state)
{
    struct fixture *f = NB_NEW(struct fixture);

    f->arena = nb_arena_new(ARENA_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    nb_arena_free(f->arena);
    free(f->bytes);
    free(f);
    return 0;
}

static void scalar_of_each_marker_is_decoded(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *hex;
        int64_t value;
    } ints[] = {
        { "00", 0 },
        { "7F", 127 },
        { "F0", -16 },
        { "FF", -1 },
        { "C8 80", -128 },
        { "C8 EF", -17 },
        { "C9 80 00", -32768 },
        { "C9 7F FF", 32767 },
        { "CA 80 00 00 00", INT32_MIN },
        { "CA 7F FF FF FF", INT32_MAX },
        { "CB 80 00 00 00 00 00 00 00", INT64_MIN },
        { "CB 7F FF FF FF FF FF FF FF", INT64_MAX },
        /* longer than they need to be, but legal */
        { "C8 01", 1 },
        { "C9 00 01", 1 },
        { "CA FF FF FF FF", -1 },
        { "CB 00 00 00 00 00 00 00 2A", 42 },
    };

    for (size_t i = 0; i < NB_ARRAY_LEN(ints); i++) {
        struct ps_value v = decode(f, ints[i].hex);

        assert_int_equal(v.type, PS_INT);
        assert_true(v.integer == ints[i].value);
    }
    assert_int_equal(decode(f, "C0").type, PS_NULL);
    assert_false(decode(f, "C2").boolean);
    assert_true(decode(f, "C3").boolean);
    assert_int_equal(decode(f, "C3").type, PS_BOOL);
    assert_true(decode(f, "C1 3F F1 99 99 99 99 99 9A").real == 1.1);
    assert_int_equal(decode(f, "C1 80 00 00 00 00 00 00 00").type, PS_FLOAT);
}

static void string_and_bytes_of_each_size_are_decoded(void **state)
{
    struct fixture *f = *state;
    static const char *const strings[] = { "81 61", "D0 01 61", "D1 00 01 61",
                                           "D2 00 00 00 01 61" };
    static const char *const bytes[] = { "CC 01 00", "CD 00 01 00", "CE 00 00 00 01 00" };

    for (size_t i = 0; i < NB_ARRAY_LEN(strings); i++)
        assert_true(nb_str_is(decode(f, strings[i]).string, "a"));
    for (size_t i = 0; i < NB_ARRAY_LEN(bytes); i++) {
        struct ps_value v = decode(f, bytes[i]);

        assert_int_equal(v.type, PS_BYTES);
        assert_int_equal(v.bytes.n, 1);
        assert_int_equal(v.bytes.p[0], 0);
    }
    assert_int_equal(decode(f, "80").string.n, 0);
    assert_int_equal(decode(f, "CC 00").bytes.n, 0);
    assert_true(
        nb_str_is(decode(f, "8A 41 42 43 44 45 46 47 48 C3 A9").string, "ABCDEFGH\xC3\xA9"));
    assert_int_equal(decode(f, "81 00").string.n, 1);
}

static void list_and_map_of_each_size_are_decoded(void **state)
{
    struct fixture *f = *state;
    static const char *const lists[] = { "91 05", "D4 01 05", "D5 00 01 05", "D6 00 00 00 01 05" };
    static const char *const maps[] = { "A1 81 6B 05", "D8 01 81 6B 05", "D9 00 01 81 6B 05",
                                        "DA 00 00 00 01 81 6B 05" };

    for (size_t i = 0; i < NB_ARRAY_LEN(lists); i++) {
        struct ps_value v = decode(f, lists[i]);

        assert_int_equal(v.type, PS_LIST);
        assert_int_equal(ps_list_count(&v), 1);
        assert_int_equal(ps_list_get(&v, 0).integer, 5);
    }
    for (size_t i = 0; i < NB_ARRAY_LEN(maps); i++) {
        struct ps_value v = decode(f, maps[i]);

        assert_int_equal(v.type, PS_MAP);
        assert_int_equal(ps_map_get_int(&v.map, "k", 0), 5);
        assert_null(ps_map_get(&v.map, "K"));
        assert_true(ps_map_get_bool(&v.map, "k", true));
        assert_null(ps_map_get_str(&v.map, "k").p);
    }
    assert_int_equal(decode(f, "90").list.n, 0);
    assert_int_equal(decode(f, "A0").map.n, 0);
}

static void list_of_floats_is_left_in_place(void **state)
{
    struct fixture *f = *state;
    struct ps_value v = decode(f, "92 C1 3F F0 00 00 00 00 00 00 C1 C0 00 00 00 00 00 00 00");
    struct ps_value mixed = decode(f, "92 C1 3F F0 00 00 00 00 00 00 01");

    assert_int_equal(mixed.type, PS_LIST);
    assert_true(ps_list_get(&mixed, 0).real == 1.0);
    v = decode(f, "92 C1 3F F0 00 00 00 00 00 00 C1 C0 00 00 00 00 00 00 00");
    assert_int_equal(v.type, PS_FLOATS);
    assert_ptr_equal(v.floats.p, f->bytes + 1);
    assert_int_equal(ps_list_count(&v), 2);
    assert_true(ps_floats_get(&v.floats, 0) == 1.0);
    assert_true(ps_floats_get(&v.floats, 1) == -2.0);
    assert_true(ps_floats_bits(&v.floats, 1) == UINT64_C(0xC000000000000000));
    assert_true(ps_list_get(&v, 1).real == -2.0);
}

static void graph_structures_of_both_forms_are_decoded(void **state)
{
    struct fixture *f = *state;
    const struct ps_node *n;
    const struct ps_rel *r;

    n = decode(f, "B3 4E 07 92 81 41 81 42 A1 81 6B 01").node;
    assert_int_equal(n->id, 7);
    assert_int_equal(n->nlabels, 2);
    assert_true(nb_str_is(n->labels[1], "B"));
    assert_int_equal(ps_map_get_int(&n->props, "k", 0), 1);
    assert_null(n->element_id.p);
    n = decode(f, "B4 4E 07 90 A0 83 34 3A 37").node;
    assert_true(nb_str_is(n->element_id, "4:7"));

    r = decode(f, "B5 52 01 02 03 81 54 A0").rel;
    assert_int_equal(r->id, 1);
    assert_int_equal(r->start_id, 2);
    assert_int_equal(r->end_id, 3);
    assert_true(nb_str_is(r->type, "T"));
    assert_null(r->start_element_id.p);
    r = decode(f, "B8 52 01 02 03 81 54 A0 81 61 81 62 81 63").rel;
    assert_true(nb_str_is(r->element_id, "a"));
    assert_true(nb_str_is(r->start_element_id, "b"));
    assert_true(nb_str_is(r->end_element_id, "c"));

    r = decode(f, "B3 72 01 81 54 A0").rel;
    assert_int_equal(r->start_id, -1);
    r = decode(f, "B4 72 01 81 54 A0 81 61").rel;
    assert_true(nb_str_is(r->element_id, "a"));
}

static void path_is_decoded_and_its_indices_are_checked(void **state)
{
    struct fixture *f = *state;
    const struct ps_path *p;

    p = decode(f, "B3 50 92 B3 4E 01 90 A0 B3 4E 02 90 A0 91 B3 72 01 81 54 A0 92 FF 01").path;
    assert_int_equal(p->nnodes, 2);
    assert_int_equal(p->nodes[1].node->id, 2);
    assert_int_equal(p->nrels, 1);
    assert_int_equal(p->nindices, 2);
    assert_int_equal(p->indices[0], -1);
    assert_int_equal(p->indices[1], 1);
    assert_broken(f, "B3 50 91 B3 4E 01 90 A0 90 92 01 00", "out of range");
    assert_broken(f, "B3 50 91 B3 4E 01 90 A0 91 B3 72 01 81 54 A0 92 00 00", "out of range");
    assert_broken(f, "B3 50 91 B3 4E 01 90 A0 91 B3 72 01 81 54 A0 92 01 01", "out of range");
    assert_broken(f, "B3 50 91 B3 4E 01 90 A0 91 B3 72 01 81 54 A0 91 01", "odd number");
    assert_broken(f, "B3 50 91 01 90 90", "something else");
    assert_broken(f, "B3 50 90 91 B3 4E 01 90 A0 90", "something else");
}

static void temporal_structures_are_decoded(void **state)
{
    struct fixture *f = *state;
    struct ps_value v;

    v = decode(f, "B1 44 C9 3F 5E");
    assert_int_equal(v.type, PS_DATE);
    assert_int_equal(v.date_days, 16222);
    v = decode(f, "B2 54 CB 00 00 4E 94 91 4E FF FF C9 0E 10");
    assert_int_equal(v.type, PS_TIME);
    assert_true(v.time.nanos == INT64_C(86399999999999));
    assert_int_equal(v.time.offset_seconds, 3600);
    v = decode(f, "B1 74 01");
    assert_int_equal(v.type, PS_LOCALTIME);
    assert_int_equal(v.time.nanos, 1);
    v = decode(f, "B3 49 01 02 C9 F1 F0");
    assert_int_equal(v.type, PS_DATETIME);
    assert_int_equal(v.datetime.seconds, 1);
    assert_int_equal(v.datetime.nanos, 2);
    assert_int_equal(v.datetime.offset_seconds, -3600);
    assert_int_equal(v.datetime.zone.n, 0);
    assert_false(v.datetime.local);
    v = decode(f, "B3 69 01 02 83 55 54 43");
    assert_true(nb_str_is(v.datetime.zone, "UTC"));
    assert_false(v.datetime.local);
    assert_true(decode(f, "B3 46 01 02 00").datetime.local);
    v = decode(f, "B3 66 01 02 83 55 54 43");
    assert_true(v.datetime.local);
    assert_true(nb_str_is(v.datetime.zone, "UTC"));
    v = decode(f, "B2 64 FF 05");
    assert_int_equal(v.type, PS_LOCALDATETIME);
    assert_int_equal(v.localdatetime.seconds, -1);
    assert_int_equal(v.localdatetime.nanos, 5);
    v = decode(f, "B4 45 01 FE 03 FC");
    assert_int_equal(v.type, PS_DURATION);
    assert_int_equal(v.duration.months, 1);
    assert_int_equal(v.duration.days, -2);
    assert_int_equal(v.duration.seconds, 3);
    assert_int_equal(v.duration.nanos, -4);
}

static void point_vector_uuid_and_unsupported_are_decoded(void **state)
{
    struct fixture *f = *state;
    struct ps_value v;

    v = decode(f, "B3 58 C9 1C 23 C1 3F F0 00 00 00 00 00 00 C1 40 00 00 00 00 00 00 00");
    assert_int_equal(v.type, PS_POINT);
    assert_int_equal(v.point.srid, 7203);
    assert_int_equal(v.point.dimensions, 2);
    assert_true(v.point.x == 1.0 && v.point.y == 2.0);
    v = decode(f, "B4 59 C9 23 C5 C1 3F F0 00 00 00 00 00 00 C1 40 00 00 00 00 00 00 00 "
                  "C1 C0 00 00 00 00 00 00 00");
    assert_int_equal(v.point.dimensions, 3);
    assert_true(v.point.z == -2.0);

    v = decode(f, "B2 56 CC 01 C6 CC 08 3F 80 00 00 C0 00 00 00");
    assert_int_equal(v.type, PS_VECTOR);
    assert_int_equal(v.vector.n, 2);
    assert_true(ps_vector_get_float(&v.vector, 1) == -2.0);
    v = decode(f, "B2 56 CC 01 C8 CC 02 01 FF");
    assert_int_equal(ps_vector_get_int(&v.vector, 1), -1);
    v = decode(f, "B2 56 CC 01 C9 CC 02 80 00");
    assert_int_equal(ps_vector_get_int(&v.vector, 0), -32768);
    v = decode(f, "B2 56 CC 01 CA CC 04 FF FF FF FE");
    assert_int_equal(ps_vector_get_int(&v.vector, 0), -2);
    v = decode(f, "B2 56 CC 01 CB CC 08 00 00 00 00 00 00 00 07");
    assert_int_equal(ps_vector_get_int(&v.vector, 0), 7);
    v = decode(f, "B2 56 CC 01 C1 CC 08 3F F0 00 00 00 00 00 00");
    assert_true(ps_vector_get_float(&v.vector, 0) == 1.0);

    v = decode(f, "E0 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F");
    assert_int_equal(v.type, PS_UUID);
    assert_int_equal(v.uuid[15], 15);

    v = decode(f, "B4 3F 81 58 06 00 A1 87 6D 65 73 73 61 67 65 82 68 69");
    assert_int_equal(v.type, PS_UNSUPPORTED);
    assert_true(nb_str_is(v.unsupported->type_name, "X"));
    assert_int_equal(v.unsupported->min_major, 6);
    assert_true(nb_str_is(v.unsupported->message, "hi"));
}

static void reserved_markers_are_refused(void **state)
{
    struct fixture *f = *state;
    static const unsigned char reserved[] = { 0xC4, 0xC5, 0xC6, 0xC7, 0xCF, 0xD3, 0xD7, 0xDB,
                                              0xDC, 0xDD, 0xDE, 0xDF, 0xE0, 0xE1, 0xE5, 0xEF };

    for (size_t i = 0; i < NB_ARRAY_LEN(reserved); i++) {
        char hex[64];

        (void)snprintf(hex, sizeof(hex), "%02X 00 00 00 00 00 00 00 00", reserved[i]);
        assert_broken(f, hex, "is reserved");
    }
}

static void broken_value_is_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *hex, *text;
    } cases[] = {
        { "", "cut off" },
        { "C8", "cut off" },
        { "C9 00", "cut off" },
        { "CB 00 00 00 00 00 00 00", "cut off" },
        { "C1 00 00 00 00 00 00 00", "cut off" },
        { "82 61", "cut off" },
        { "D0", "cut off" },
        { "D2 7F FF FF FF 61", "cut off" },
        { "D2 80 00 00 00", "above 2147483647" },
        { "CE FF FF FF FF", "above 2147483647" },
        { "D6 00 FF FF FF 01", "cut off" },
        { "DA 00 00 00 02 81 61", "cut off" },
        { "92 01", "cut off" },
        { "A1 81 61", "cut off" },
        { "A1 01 01", "not a string" },
        { "81 FF", "UTF-8" },
        { "83 ED A0 80", "UTF-8" },
        { "82 C0 80", "UTF-8" },
        { "A1 81 FF 01", "UTF-8" },
        { "B0", "cut off" },
        { "B1 5A 01", "not known" },
        { "B2 4E 01 90", "not known" },
        { "B3 4E 80 90 A0", "not an integer" },
        { "B3 4E 01 01 A0", "list expected" },
        { "B3 4E 01 91 01 A0", "not a string" },
        { "B3 4E 01 90 90", "map expected" },
        { "B3 4E 01 90", "cut off" },
        { "B5 52 01 02 03 01 A0", "not a string" },
        { "B2 54 FF 00", "outside the day" },
        { "B2 54 CB 00 00 4E 94 91 4F 00 00 00", "outside the day" },
        { "B2 54 00 CA 00 01 00 00", "out of range" },
        { "B3 49 00 CA 3B 9A CA 00 00", "out of range" },
        { "B3 69 00 00 80", "no name" },
        { "B3 69 00 00 01", "not a string" },
        { "B4 45 00 00 00 CA 3B 9A CA 00", "out of range" },
        { "B3 58 01 02 03", "not a float" },
        { "B3 58 FF 02 03", "out of range" },
        { "B2 56 01 CC 00", "not bytes" },
        { "B2 56 CC 00 CC 00", "no element type" },
        { "B2 56 CC 01 C0 CC 00", "unknown element type" },
        { "B2 56 CC 01 C6 CC 01 00", "broken length" },
        { "B4 3F 81 58 06 00 01", "map expected" },
    };

    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++)
        assert_broken(f, cases[i].hex, cases[i].text);
}

/* n lists or maps of one item each around an empty list. */
static const char *nested(char *hex, unsigned n, const char *head)
{
    size_t step = strlen(head);

    for (unsigned i = 0; i < n; i++)
        memcpy(hex + i * step, head, step);
    memcpy(hex + n * step, "90", 3);
    return hex;
}

static void value_nested_too_deep_is_refused(void **state)
{
    struct fixture *f = *state;
    char hex[6 * PS_DEPTH_MAX + 3];

    (void)decode(f, nested(hex, PS_DEPTH_MAX - 1, "91"));
    assert_broken(f, nested(hex, PS_DEPTH_MAX, "91"), "deeper than 64");
    (void)decode(f, nested(hex, PS_DEPTH_MAX - 1, "A18161"));
    assert_broken(f, nested(hex, PS_DEPTH_MAX, "A18161"), "deeper than 64");
}

static void uuid_before_packstream_2_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_broken(f, "E0 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F", "reserved");
}

static void uuid_cut_off_is_refused(void **state)
{
    struct fixture *f = *state;
    struct ps_value v;

    from_hex(f, "E0 00 01", 2);
    assert_false(ps_decode(&f->d, &v, &f->err));
}

static void doubled_key_counts_by_its_last_value(void **state)
{
    struct fixture *f = *state;
    struct ps_value v = decode(f, "A3 81 61 01 81 62 02 81 61 03");

    assert_int_equal(v.map.n, 2);
    assert_int_equal(ps_map_get_int(&v.map, "a", 0), 3);
    assert_int_equal(ps_map_get_int(&v.map, "b", 0), 2);
}

static void doubled_keys_of_large_map_count_by_their_last_value(void **state)
{
    struct fixture *f = *state;
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(1 << 20);
    struct ps_encoder e = PS_ENCODER_INIT(&b);
    struct ps_value v;
    char key[16];

    ps_put_map(&e, 2000);
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(key, sizeof(key), "key%d", i % 1000);
        ps_put_cstr(&e, key);
        ps_put_int(&e, i);
    }
    nb_arena_reset(f->arena);
    ps_decoder_init(&f->d, b.data, b.len, 1, f->arena);
    assert_true(ps_decode(&f->d, &v, &f->err));
    assert_int_equal(v.map.n, 1000);
    assert_int_equal(ps_map_get_int(&v.map, "key0", 0), 1000);
    assert_int_equal(ps_map_get_int(&v.map, "key999", 0), 1999);
}

static void arena_that_is_full_ends_decoding(void **state)
{
    struct fixture *f = *state;
    nb_auto(nb_arena_free) struct nb_arena *small = nb_arena_new(64);
    struct ps_value v;

    from_hex(f, "94 01 02 03 04", 1);
    f->d.arena = small;
    assert_false(ps_decode(&f->d, &v, &f->err));
    assert_int_equal(f->err.code, NB_E_LIMIT);
}

static void heads_are_decoded_alone(void **state)
{
    struct fixture *f = *state;
    const struct ps_value *items;
    struct ps_map map;
    unsigned fields;
    uint8_t tag;
    size_t n;

    from_hex(f, "B1 71 92 01 02", 1);
    assert_true(ps_decode_struct_head(&f->d, &tag, &fields, &f->err));
    assert_int_equal(tag, 0x71);
    assert_int_equal(fields, 1);
    assert_true(ps_decode_list(&f->d, &items, &n, &f->err));
    assert_int_equal(n, 2);
    assert_int_equal(items[1].integer, 2);
    from_hex(f, "91 01", 1);
    assert_false(ps_decode_struct_head(&f->d, &tag, &fields, &f->err));
    assert_false(ps_decode_map(&f->d, &map, &f->err));
    from_hex(f, "B1", 1);
    assert_false(ps_decode_struct_head(&f->d, &tag, &fields, &f->err));
    from_hex(f, "", 1);
    assert_false(ps_decode_list_head(&f->d, &n, &f->err));
    assert_false(ps_decode_map(&f->d, &map, &f->err));
}

static void type_names_are_known(void **state)
{
    (void)state;
    for (enum ps_type t = PS_NULL; t <= PS_UNSUPPORTED; t++)
        assert_string_not_equal(ps_type_name(t), "unknown");
    assert_string_equal(ps_type_name((enum ps_type)99), "unknown");
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(scalar_of_each_marker_is_decoded),
        T(string_and_bytes_of_each_size_are_decoded),
        T(list_and_map_of_each_size_are_decoded),
        T(list_of_floats_is_left_in_place),
        T(graph_structures_of_both_forms_are_decoded),
        T(path_is_decoded_and_its_indices_are_checked),
        T(temporal_structures_are_decoded),
        T(point_vector_uuid_and_unsupported_are_decoded),
        T(reserved_markers_are_refused),
        T(broken_value_is_refused),
        T(value_nested_too_deep_is_refused),
        T(uuid_before_packstream_2_is_refused),
        T(uuid_cut_off_is_refused),
        T(doubled_key_counts_by_its_last_value),
        T(doubled_keys_of_large_map_count_by_their_last_value),
        T(arena_that_is_full_ends_decoding),
        T(heads_are_decoded_alone),
        T(type_names_are_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
