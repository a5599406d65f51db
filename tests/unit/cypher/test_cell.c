#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cypher/cell.h"
#include "cypher/script.h"
#include "packstream/packstream.h"

/* What a server puts where a value is that this protocol cannot carry must end an export: nothing
 * of it may come into a dump as if it were data. The bytes are those that Neo4j 2026.08 sends. */

enum { ARENA_MAX = 1 << 20, OUT_MAX = 1 << 20 };

#define UUID_BEFORE_60   "\xA2\x8CoriginalType\x84UUID\x86reason\x8CUNKNOWN_TYPE"
#define VECTOR_BEFORE_60 "\xA2\x8CoriginalType\xD0\x12VECTOR(3, FLOAT32)\x86reason\x8CUNKNOWN_TYPE"
#define UUID_IN_60       "\xB4?\x84UUID\x06\x01\xA0"

static const struct withheld {
    const char *bytes;
    size_t n;
    const char *type;
} withheld[] = {
    { UUID_BEFORE_60, sizeof(UUID_BEFORE_60) - 1, "'UUID'" },
    { VECTOR_BEFORE_60, sizeof(VECTOR_BEFORE_60) - 1, "'VECTOR(3, FLOAT32)'" },
    { UUID_IN_60, sizeof(UUID_IN_60) - 1, "'UUID'" },
    { "\x92" UUID_IN_60 UUID_IN_60, 2 * sizeof(UUID_IN_60) - 1, "'UUID'" },
    { "\x91" UUID_BEFORE_60, sizeof(UUID_BEFORE_60), "'UUID'" },
    { "\x91" VECTOR_BEFORE_60, sizeof(VECTOR_BEFORE_60), "'VECTOR(3, FLOAT32)'" },
};

static bool to_nowhere(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    (void)err;
    nb_buf_append(ctx, p, n);
    return true;
}

static bool write_element(bool rel, const struct ps_value *v, struct nb_buf *out,
                          struct nb_error *err)
{
    struct cyp_script_opts opts = { .helper_suffix = "test",
                                    .write = to_nowhere,
                                    .write_ctx = out };
    struct cyp_head head = { .database = NB_STR("neo4j"), .server_version = NB_STR("2026.08.1") };
    struct ps_pair pair = { .key = NB_STR("p"), .value = *v };
    struct ps_map props = { &pair, 1 };
    struct cyp_script *s = NULL;
    bool ok = cyp_script_new(&opts, &s, err) && cyp_script_head(s, &head, err);

    if (rel)
        ok = ok && cyp_script_end_nodes(s, err) &&
             cyp_script_rel(s, 1, 1, 1, NB_STR("R"), &props, err);
    else
        ok = ok && cyp_script_node(s, 1, NULL, 0, &props, err);
    cyp_script_free(s);
    return ok;
}

static void value_that_the_server_withholds_ends_the_dump(void **state)
{
    nb_auto(nb_arena_free) struct nb_arena *arena = nb_arena_new(ARENA_MAX);

    (void)state;
    for (size_t i = 0; i < 2 * NB_ARRAY_LEN(withheld); i++) {
        const struct withheld *w = &withheld[i / 2];
        nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(OUT_MAX);
        struct nb_error err = NB_ERROR_INIT;
        struct ps_decoder d;
        struct ps_value v;

        ps_decoder_init(&d, w->bytes, w->n, 1, arena);
        if (!ps_decode(&d, &v, &err) || ps_decoder_left(&d) != 0)
            fail_msg("case %zu: %s", i, err.text);
        if (write_element(i % 2, &v, &out, &err))
            fail_msg("case %zu was written", i);
        assert_string_equal(err.reason, "UnsupportedValue");
        assert_non_null(strstr(err.text, w->type));
        assert_null(memmem(out.data, out.len, "UNKNOWN_TYPE", 12));
    }
}

static void map_of_any_other_kind_is_no_property(void **state)
{
    static const char *const maps[] = { "\xA0", "\xA1\x8CoriginalType\x84UUID",
                                        "\x91\xA1\x86reason\x81x" };
    static const size_t lengths[] = { 1, 19, 11 };
    nb_auto(nb_arena_free) struct nb_arena *arena = nb_arena_new(ARENA_MAX);

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(maps); i++) {
        nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(OUT_MAX);
        struct nb_error err = NB_ERROR_INIT;
        struct ps_decoder d;
        struct ps_value v;

        ps_decoder_init(&d, maps[i], lengths[i], 1, arena);
        assert_true(ps_decode(&d, &v, &err));
        assert_false(write_element(false, &v, &out, &err));
        assert_string_equal(err.reason, "UnstorableValue");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(value_that_the_server_withholds_ends_the_dump),
        cmocka_unit_test(map_of_any_other_kind_is_no_property),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
