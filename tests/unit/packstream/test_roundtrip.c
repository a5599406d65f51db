#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/clock.h"
#include "packstream/packstream.h"

/* Random values: what is encoded decodes to the same, copies are equal, and no value that is cut
 * off anywhere decodes. NB_TEST_SEED repeats a run. */

enum { BUF_MAX = 8 << 20, ROUNDS = 3000, DEPTH = 5 };

static uint64_t rnd_state;

static uint64_t rnd(void)
{
    rnd_state ^= rnd_state << 13;
    rnd_state ^= rnd_state >> 7;
    rnd_state ^= rnd_state << 17;
    return rnd_state;
}

static size_t below(size_t n)
{
    return (size_t)(rnd() % n);
}

static int64_t any_int(void)
{
    static const int64_t edges[] = { 0,     -1,        -16,       -17,       127,
                                     128,   -128,      -129,      32767,     -32768,
                                     32768, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN };

    return below(3) ? edges[below(NB_ARRAY_LEN(edges))] : (int64_t)rnd() >> below(64);
}

static double any_float(void)
{
    uint64_t bits = rnd();
    double d;

    memcpy(&d, &bits, sizeof(d)); /* NaNs, infinities and subnormals too */
    return d;
}

static void *take(struct nb_arena *a, size_t n)
{
    struct nb_error err = NB_ERROR_INIT;
    void *p = nb_arena_alloc(a, n, &err);

    assert_non_null(p);
    return p;
}

static struct nb_str any_str(struct nb_arena *a)
{
    static const char *const pieces[] = { "a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\n",
                                          "'", "`",        "key" };
    size_t n = below(10) ? below(12) : below(40000), at = 0;
    char *p = take(a, n * 4 + 1);

    for (size_t i = 0; i < n; i++) {
        const char *piece = pieces[below(NB_ARRAY_LEN(pieces))];

        memcpy(p + at, piece, strlen(piece));
        at += strlen(piece);
    }
    return (struct nb_str){ p, at };
}

static struct ps_value any_value(struct nb_arena *a, unsigned depth);

static struct ps_map any_map(struct nb_arena *a, unsigned depth)
{
    size_t n = below(20) ? below(6) : below(300);
    struct ps_pair *pairs = take(a, n * sizeof(*pairs));

    for (size_t i = 0; i < n; i++) {
        char *key = take(a, 32);

        (void)snprintf(key, 32, "%zu%s", i, below(2) ? "x" : "\xC3\xA9");
        pairs[i].key = nb_str_from(key);
        pairs[i].value = any_value(a, depth + 1);
    }
    return (struct ps_map){ pairs, n };
}

static struct ps_value any_list(struct nb_arena *a, unsigned depth)
{
    size_t n = below(20) ? below(6) : below(300);
    struct ps_value v = { .type = PS_LIST }, *items = take(a, n * sizeof(*items));
    bool floats = below(3) == 0;

    for (size_t i = 0; i < n; i++) {
        items[i] = any_value(a, depth + 1);
        if (floats) {
            items[i].type = PS_FLOAT;
            items[i].real = any_float();
        }
    }
    v.list = (struct ps_list){ items, n };
    return v;
}

static const struct ps_node *any_node(struct nb_arena *a, unsigned depth)
{
    struct ps_node *n = take(a, sizeof(*n));
    struct nb_str *labels = take(a, 4 * sizeof(*labels));

    n->id = any_int();
    n->nlabels = below(4);
    for (size_t i = 0; i < n->nlabels; i++)
        labels[i] = any_str(a);
    n->labels = labels;
    n->props = any_map(a, depth);
    n->element_id = below(2) ? any_str(a) : (struct nb_str){ NULL, 0 };
    return n;
}

static const struct ps_rel *any_rel(struct nb_arena *a, unsigned depth, bool bound)
{
    struct ps_rel *r = take(a, sizeof(*r));

    *r = (struct ps_rel){ .id = any_int(), .start_id = -1, .end_id = -1 };
    r->type = any_str(a);
    r->props = any_map(a, depth);
    if (bound) {
        r->start_id = any_int();
        r->end_id = any_int();
    }
    if (below(2)) {
        r->element_id = any_str(a);
        if (bound) {
            r->start_element_id = any_str(a);
            r->end_element_id = any_str(a);
        }
    }
    return r;
}

static const struct ps_path *any_path(struct nb_arena *a, unsigned depth)
{
    struct ps_path *p = take(a, sizeof(*p));
    struct ps_value *nodes = take(a, 3 * sizeof(*nodes)), *rels = take(a, 2 * sizeof(*rels));
    int64_t *indices = take(a, 4 * sizeof(*indices));

    p->nnodes = 1 + below(3);
    p->nrels = 1 + below(2);
    for (size_t i = 0; i < p->nnodes; i++) {
        nodes[i].type = PS_NODE;
        nodes[i].node = any_node(a, depth);
    }
    for (size_t i = 0; i < p->nrels; i++) {
        rels[i].type = PS_UNBOUND_REL;
        rels[i].rel = any_rel(a, depth, false);
    }
    p->nindices = 2 * below(3);
    for (size_t i = 0; i < p->nindices; i += 2) {
        int64_t r = 1 + (int64_t)below(p->nrels);

        indices[i] = below(2) ? r : -r;
        indices[i + 1] = (int64_t)below(p->nnodes);
    }
    p->nodes = nodes;
    p->rels = rels;
    p->indices = indices;
    return p;
}

static void any_vector(struct nb_arena *a, struct ps_vector *v)
{
    static const enum ps_vector_type types[] = { PS_VECTOR_F64, PS_VECTOR_F32, PS_VECTOR_I8,
                                                 PS_VECTOR_I16, PS_VECTOR_I32, PS_VECTOR_I64 };
    unsigned char *p = take(a, 400);

    v->elem = types[below(6)];
    v->n = below(50);
    for (size_t i = 0; i < 400; i++)
        p[i] = (unsigned char)rnd();
    v->p = p;
}

static struct ps_value any_structure(struct nb_arena *a, unsigned depth, enum ps_type type)
{
    struct ps_value v = { .type = type };

    switch (type) {
    case PS_NODE:
        v.node = any_node(a, depth + 1);
        break;
    case PS_REL:
    case PS_UNBOUND_REL:
        v.rel = any_rel(a, depth + 1, type == PS_REL);
        break;
    case PS_PATH:
        v.path = any_path(a, depth + 2);
        break;
    case PS_DATE:
        v.date_days = any_int();
        break;
    case PS_TIME:
    case PS_LOCALTIME:
        v.time.nanos = (int64_t)(rnd() % UINT64_C(86400000000000));
        v.time.offset_seconds = type == PS_TIME ? (int32_t)below(129601) - 64800 : 0;
        break;
    case PS_DATETIME:
        v.datetime.seconds = any_int();
        v.datetime.nanos = (int32_t)below(1000000000);
        if (below(2))
            v.datetime.zone = nb_str_from("Europe/Berlin");
        else
            v.datetime.offset_seconds = (int32_t)below(129601) - 64800;
        break;
    case PS_LOCALDATETIME:
        v.localdatetime.seconds = any_int();
        v.localdatetime.nanos = (int32_t)below(1000000000);
        break;
    case PS_DURATION:
        v.duration.months = any_int();
        v.duration.days = any_int();
        v.duration.seconds = any_int();
        v.duration.nanos = (int32_t)below(1999999999) - 999999999;
        break;
    case PS_POINT:
        v.point.srid = (int32_t)below(10000);
        v.point.dimensions = below(2) ? 2 : 3;
        v.point.x = any_float();
        v.point.y = any_float();
        v.point.z = v.point.dimensions == 3 ? any_float() : 0;
        break;
    case PS_VECTOR:
        any_vector(a, &v.vector);
        break;
    case PS_UUID:
        for (size_t i = 0; i < sizeof(v.uuid); i++)
            v.uuid[i] = (unsigned char)rnd();
        break;
    default: {
        struct ps_unsupported *u = take(a, sizeof(*u));

        *u = (struct ps_unsupported){ any_str(a), 6, 1, any_str(a) };
        v.type = PS_UNSUPPORTED;
        v.unsupported = u;
        break;
    }
    }
    return v;
}

static struct ps_value any_value(struct nb_arena *a, unsigned depth)
{
    struct ps_value v = { .type = PS_NULL };
    unsigned pick = (unsigned)below(depth >= DEPTH ? 6 : 25);

    switch (pick) {
    case 0:
        return v;
    case 1:
        v.type = PS_BOOL;
        v.boolean = below(2);
        return v;
    case 2:
        v.type = PS_INT;
        v.integer = any_int();
        return v;
    case 3:
        v.type = PS_FLOAT;
        v.real = any_float();
        return v;
    case 4:
    case 5:
        v.type = pick == 4 ? PS_BYTES : PS_STRING;
        v.string = any_str(a);
        return v;
    case 6:
    case 7:
        return any_list(a, depth);
    case 8:
    case 9:
        v.type = PS_MAP;
        v.map = any_map(a, depth);
        return v;
    default:
        return any_structure(a, depth,
                             (enum ps_type)(PS_NODE + below(PS_UNSUPPORTED - PS_NODE + 1)));
    }
}

static void check_cut(const struct nb_buf *b, struct nb_arena *decoded)
{
    size_t cut = below(b->len);
    unsigned char *exact = nb_xmalloc(cut ? cut : 1);
    struct nb_error err = NB_ERROR_INIT;
    struct ps_decoder d;
    struct ps_value v;

    memcpy(exact, b->data, cut);
    nb_arena_reset(decoded);
    ps_decoder_init(&d, exact, cut, 2, decoded);
    assert_false(ps_decode(&d, &v, &err));
    free(exact);
}

/* Equal are those values, and only those, whose bytes are the same. */
static void check_changed(const struct nb_buf *b, const struct ps_value *v,
                          struct nb_arena *decoded)
{
    nb_auto_done(nb_buf_done) struct nb_buf changed = NB_BUF_INIT(BUF_MAX * 64u);
    nb_auto_done(nb_buf_done) struct nb_buf again = NB_BUF_INIT(BUF_MAX * 64u);
    struct ps_encoder e = PS_ENCODER_INIT(&again);
    struct nb_error err = NB_ERROR_INIT;
    struct ps_decoder d;
    struct ps_value other;
    bool same;

    e.version = 2;
    nb_buf_append(&changed, b->data, b->len);
    changed.data[below(b->len)] ^= (char)(1u << below(8));
    nb_arena_reset(decoded);
    ps_decoder_init(&d, changed.data, changed.len, 2, decoded);
    if (!ps_decode(&d, &other, &err))
        return;
    ps_put_value(&e, &other);
    if (e.bad)
        return;
    same = again.len == b->len && memcmp(again.data, b->data, b->len) == 0;
    assert_int_equal(ps_value_equal(v, &other), same);
    assert_int_equal(ps_value_equal(&other, v), same);
}

/* An arena too small for all of it ends copying and decoding with NB_E_LIMIT, wherever that is. */
static void check_small_arena(const struct nb_buf *b, const struct ps_value *v, size_t used)
{
    nb_auto(nb_arena_free) struct nb_arena *small = nb_arena_new(below(used + 1));
    struct nb_error err = NB_ERROR_INIT;
    struct ps_decoder d;
    struct ps_value other;

    if (!ps_value_copy(v, small, &other, &err))
        assert_int_equal(err.code, NB_E_LIMIT);
    nb_arena_reset(small);
    nb_error_clear(&err);
    ps_decoder_init(&d, b->data, b->len, 2, small);
    if (!ps_decode(&d, &other, &err))
        assert_int_equal(err.code, NB_E_LIMIT);
}

static void check_one(struct nb_arena *made, struct nb_arena *decoded, struct nb_arena *copied,
                      struct nb_buf *b)
{
    struct ps_encoder e = PS_ENCODER_INIT(b);
    struct ps_value v, back, copy;
    struct nb_error err = NB_ERROR_INIT;
    struct ps_decoder d;

    nb_arena_reset(made);
    nb_arena_reset(decoded);
    nb_arena_reset(copied);
    nb_buf_clear(b);
    e.version = 2;
    v = any_value(made, 0);
    ps_put_value(&e, &v);
    assert_true(ps_encoder_check(&e, &err));
    ps_decoder_init(&d, b->data, b->len, 2, decoded);
    if (!ps_decode(&d, &back, &err))
        fail_msg("%s: %s", ps_type_name(v.type), err.text);
    assert_int_equal(ps_decoder_left(&d), 0);
    assert_true(ps_value_equal(&v, &back));
    assert_true(ps_value_equal(&back, &v));
    assert_true(ps_value_copy(&back, copied, &copy, &err));
    /* The copy stands alone. */
    nb_arena_reset(decoded);
    memset(nb_buf_reserve(b, 0) - b->len, 0xA5, b->len);
    assert_true(ps_value_equal(&v, &copy));
    nb_buf_clear(b);
    ps_put_value(&e, &copy);
    check_cut(b, decoded);
    for (int i = 0; i < 3; i++)
        check_changed(b, &v, decoded);
    check_small_arena(b, &v, nb_arena_used_bytes(copied));
}

static void random_value_comes_back_the_same(void **state)
{
    const char *given = getenv("NB_TEST_SEED");
    nb_auto(nb_arena_free) struct nb_arena *made = nb_arena_new(SIZE_MAX);
    nb_auto(nb_arena_free) struct nb_arena *decoded = nb_arena_new(SIZE_MAX);
    nb_auto(nb_arena_free) struct nb_arena *copied = nb_arena_new(SIZE_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(BUF_MAX * 64u);

    (void)state;
    rnd_state = given ? strtoull(given, NULL, 10) : nb_clock_mono_ns() | 1;
    printf("NB_TEST_SEED=%llu\n", (unsigned long long)rnd_state);
    for (int i = 0; i < ROUNDS; i++)
        check_one(made, decoded, copied, &b);
}

static struct ps_value int_value(int64_t i)
{
    struct ps_value v = { .type = PS_INT };

    v.integer = i;
    return v;
}

static void values_that_differ_are_not_equal(void **state)
{
    struct ps_value one = int_value(1), two = int_value(2), f = { .type = PS_FLOAT };
    struct ps_value zero = { .type = PS_FLOAT }, minus = { .type = PS_FLOAT };
    struct ps_value short_list = { .type = PS_LIST, .list = { &one, 1 } };
    struct ps_value other_list = { .type = PS_LIST, .list = { &two, 1 } };
    struct ps_value empty_list = { .type = PS_LIST };
    struct ps_pair a = { NB_STR("a"), one }, b = { NB_STR("b"), one }, c = { NB_STR("a"), two };
    struct ps_value ma = { .type = PS_MAP, .map = { &a, 1 } };
    struct ps_value mb = { .type = PS_MAP, .map = { &b, 1 } };
    struct ps_value mc = { .type = PS_MAP, .map = { &c, 1 } };
    struct ps_value none = { .type = PS_MAP };

    (void)state;
    f.real = 1.0;
    minus.real = -0.0;
    assert_false(ps_value_equal(&one, &two));
    assert_false(ps_value_equal(&one, &f));
    assert_false(ps_value_equal(&zero, &minus));
    assert_false(ps_value_equal(&short_list, &other_list));
    assert_false(ps_value_equal(&short_list, &empty_list));
    assert_false(ps_value_equal(&ma, &mb));
    assert_false(ps_value_equal(&ma, &mc));
    assert_false(ps_value_equal(&ma, &none));
}

static void maps_in_another_order_are_equal(void **state)
{
    struct ps_pair ab[2] = { { NB_STR("a"), int_value(1) }, { NB_STR("b"), int_value(2) } };
    struct ps_pair ba[2] = { { NB_STR("b"), int_value(2) }, { NB_STR("a"), int_value(1) } };
    struct ps_value x = { .type = PS_MAP, .map = { ab, 2 } };
    struct ps_value y = { .type = PS_MAP, .map = { ba, 2 } };

    (void)state;
    assert_true(ps_value_equal(&x, &y));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_value_comes_back_the_same),
        cmocka_unit_test(values_that_differ_are_not_equal),
        cmocka_unit_test(maps_in_another_order_are_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
