#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/mem.h"

static void input_comes_in_steps_and_ends(void **state)
{
    struct net_mem_opts o = { .input = "abcde", .input_n = 5, .step = 2 };
    nb_auto(net_stream_free) struct net_stream *s = net_mem_new(&o);
    static const size_t steps[] = { 2, 2, 1, 0, 0 };
    struct nb_error err = NB_ERROR_INIT;
    char data[8];
    size_t n;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        assert_true(net_stream_read(s, data, sizeof(data), 0, NULL, &n, &err));
        assert_int_equal(n, steps[i]);
    }
}

static void stalled_input_times_out(void **state)
{
    struct net_mem_opts o = { .input = "a", .input_n = 1, .stall = true };
    nb_auto(net_stream_free) struct net_stream *s = net_mem_new(&o);
    struct nb_error err = NB_ERROR_INIT;
    char data[8];
    size_t n;

    (void)state;
    assert_true(net_stream_read(s, data, sizeof(data), 0, NULL, &n, &err));
    assert_false(net_stream_read(s, data, sizeof(data), 0, NULL, &n, &err));
    assert_int_equal(err.code, NB_E_TIMEOUT);
}

static void output_is_gathered_up_to_the_limit(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(100);
    struct net_mem_opts o = { .output = &out, .write_limit = 5 };
    nb_auto(net_stream_free) struct net_stream *s = net_mem_new(&o);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    assert_true(net_stream_write(s, "abc", 3, 0, NULL, &err));
    assert_false(net_stream_write(s, "def", 3, 0, NULL, &err));
    assert_int_equal(err.code, NB_E_UNAVAILABLE);
    assert_string_equal(nb_buf_cstr(&out), "abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(input_comes_in_steps_and_ends),
        cmocka_unit_test(stalled_input_times_out),
        cmocka_unit_test(output_is_gathered_up_to_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
