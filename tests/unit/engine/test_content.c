#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/content.h"

enum { VALUE_BYTES = 100 };

static uint64_t hash_of(const char *label, const char *key, const struct ps_value *v, int64_t id)
{
    struct nb_str labels[] = { nb_str_from(label) };
    struct ps_pair pairs[] = {
        { .key = nb_str_from("first"), .value = { .type = PS_INT, .integer = 1 } },
        { .key = nb_str_from(key), .value = *v },
        { .key = nb_str_from("last"), .value = { .type = PS_INT, .integer = 2 } },
    };
    struct ps_node node = { .id = id, .labels = labels, .nlabels = 1, .props = { pairs, 3 } };

    return eng_content_node(&node);
}

/* Whatever stands before or after it: one bit of anything changes the hash. */
static void content_any_change_changes_the_hash(void **state)
{
    char text[VALUE_BYTES];

    (void)state;
    for (size_t n = 1; n < VALUE_BYTES; n++) {
        struct ps_value v = { .type = PS_STRING, .string = { text, n } };
        uint64_t before;

        memset(text, 'x', sizeof(text));
        before = hash_of("A", "k", &v, 5);
        for (size_t i = 0; i < n; i++) {
            text[i] = 'y';
            assert_true(hash_of("A", "k", &v, 5) != before);
            text[i] = 'x';
        }
        assert_true(hash_of("A", "k", &v, 5) == before);
        assert_true(hash_of("B", "k", &v, 5) != before);
        assert_true(hash_of("A", "j", &v, 5) != before);
        assert_true(hash_of("A", "k", &v, 6) != before);
        v.string.n--;
        assert_true(hash_of("A", "k", &v, 5) != before);
    }
    for (int64_t i = 1; i < 1000; i++) {
        struct ps_value a = { .type = PS_INT, .integer = i },
                        b = { .type = PS_INT, .integer = i - 1 };
        struct ps_value c = { .type = PS_FLOAT, .real = (double)i };

        assert_true(hash_of("A", "k", &a, 5) != hash_of("A", "k", &b, 5));
        assert_true(hash_of("A", "k", &a, 5) != hash_of("A", "k", &c, 5));
    }
}

static void content_of_relationships_has_id_ends_and_type(void **state)
{
    struct eng_rel rel = { .id = 1, .start_id = 2, .end_id = 3, .type = nb_str_from("T") };
    uint64_t before = eng_content_rel(&rel);
    struct eng_rel other = rel;

    (void)state;
    other.id = 9;
    assert_true(eng_content_rel(&other) != before);
    other = rel;
    other.start_id = 3;
    other.end_id = 2;
    assert_true(eng_content_rel(&other) != before);
    other = rel;
    other.type = nb_str_from("U");
    assert_true(eng_content_rel(&other) != before);
}

static void key_whole_numbers_are_one_whatever_their_type(void **state)
{
    struct ps_value i = { .type = PS_INT, .integer = 7 }, f = { .type = PS_FLOAT, .real = 7.0 };
    struct ps_value g = { .type = PS_FLOAT, .real = 7.5 }, h = { .type = PS_FLOAT, .real = 1e300 };
    struct ps_value z = { .type = PS_FLOAT, .real = -0.0 }, zero = { .type = PS_INT, .integer = 0 };

    (void)state;
    assert_true(eng_content_key(1, &i) == eng_content_key(1, &f));
    assert_true(eng_content_key(1, &z) == eng_content_key(1, &zero));
    assert_true(eng_content_key(1, &i) != eng_content_key(1, &g));
    assert_true(eng_content_key(1, &i) != eng_content_key(2, &i));
    assert_true(eng_content_key(1, &h) == eng_content_key(1, &h));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_any_change_changes_the_hash),
        cmocka_unit_test(content_of_relationships_has_id_ends_and_type),
        cmocka_unit_test(key_whole_numbers_are_one_whatever_their_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
