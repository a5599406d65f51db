#include "cron/cron_priv.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/unit/cmocka.h"

static int64_t at(const char *text)
{
    int64_t t = 0;

    assert_true(nb_time_parse(text, &t));
    return t;
}

static struct cron_zone *zone_of(const char *name)
{
    struct nb_error err = NB_ERROR_INIT;
    struct cron_zone *z = NULL;

    if (!cron_zone_load(NULL, name, &z, &err))
        fail_msg("%s", err.text);
    return z;
}

static void zone_offsets_are_right_in_table_and_rule(void **state)
{
    static const struct {
        const char *zone, *time;
        int32_t offset;
    } rows[] = {
        { "UTC", "2026-07-01T00:00:00Z", 0 },
        { "Etc/UTC", "2026-07-01T00:00:00Z", 0 },
        { "Europe/Berlin", "2026-03-29T00:59:59Z", 3600 },
        { "Europe/Berlin", "2026-03-29T01:00:00Z", 7200 },
        { "Europe/Berlin", "2026-10-25T00:59:59Z", 7200 },
        { "Europe/Berlin", "2026-10-25T01:00:00Z", 3600 },
        { "Europe/Berlin", "2380-07-01T00:00:00Z", 7200 },
        { "Europe/Berlin", "2380-12-01T00:00:00Z", 3600 },
        { "America/New_York", "2099-03-08T06:59:59Z", -18000 },
        { "America/New_York", "2099-03-08T07:00:00Z", -14400 },
        { "Australia/Lord_Howe", "2077-01-01T00:00:00Z", 39600 },
        { "Australia/Lord_Howe", "2077-07-01T00:00:00Z", 37800 },
        { "Asia/Kolkata", "2300-01-01T00:00:00Z", 19800 },
        { "Pacific/Apia", "2011-12-30T09:59:59Z", -36000 },
        { "Pacific/Apia", "2011-12-30T10:00:00Z", 50400 },
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        nb_auto(cron_zone_free) struct cron_zone *z = zone_of(rows[i].zone);
        int32_t got = cron_zone_offset(z, at(rows[i].time));

        if (got != rows[i].offset)
            fail_msg("%s at %s: %d", rows[i].zone, rows[i].time, got);
    }
}

static void zone_next_transition_is_found(void **state)
{
    nb_auto(cron_zone_free) struct cron_zone *berlin = zone_of("Europe/Berlin");
    nb_auto(cron_zone_free) struct cron_zone *utc = zone_of("UTC");
    int64_t t = 0;

    (void)state;
    assert_true(cron_zone_next_transition(berlin, at("2026-01-01T00:00:00Z"), &t));
    assert_int_equal(t, at("2026-03-29T01:00:00Z"));
    assert_true(cron_zone_next_transition(berlin, at("2226-12-31T23:00:00Z"), &t));
    assert_int_equal(t, at("2227-03-25T01:00:00Z"));
    assert_false(cron_zone_next_transition(utc, 0, &t));
}

static void zone_names_cannot_leave_the_directory(void **state)
{
    static const char *const names[] = {
        "",
        "/etc/passwd",
        "../../etc/passwd",
        "Europe/../../../etc/passwd",
        "Europe//Berlin",
        "Europe/Berlin/",
        "zone.tab",
        "Local",
        "Eur\nope",
        "Europe/Berlin\x01",
        ".",
        "..",
        "a b",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(names); i++) {
        struct nb_error err = NB_ERROR_INIT;
        struct cron_zone *z = NULL;

        assert_false(cron_zone_load(NULL, names[i], &z, &err));
        assert_string_equal(err.reason, "UnknownTimeZone");
    }
}

static void zone_that_is_not_there_says_so(void **state)
{
    static const char *const names[] = { "Europe/Berlim", "Europe", "tzdata" };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(names); i++) {
        struct nb_error err = NB_ERROR_INIT;
        struct cron_zone *z = NULL;

        assert_false(cron_zone_load(NULL, names[i], &z, &err));
        assert_string_equal(err.reason, "UnknownTimeZone");
    }
    struct nb_error err = NB_ERROR_INIT;
    struct cron_zone *z = NULL;

    assert_false(cron_zone_load(NULL, "Europe/Berlim", &z, &err));
    assert_string_equal(
        err.text,
        "time zone 'Europe/Berlim' is not known; hint: use an IANA name such as Europe/Berlin");
}

static void rule_texts_are_read(void **state)
{
    static const struct {
        const char *text, *time;
        int32_t offset; /* at that time */
    } rows[] = {
        { "EST5EDT,M3.2.0,M11.1.0", "2026-07-01T00:00:00Z", -14400 },
        { "EST5EDT,M3.2.0,M11.1.0", "2026-01-01T00:00:00Z", -18000 },
        { "<+0330>-3:30", "2026-01-01T00:00:00Z", 12600 },
        { "<-03>3", "2026-01-01T00:00:00Z", -10800 },
        { "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-01-01T00:00:00Z", 39600 },
        { "IST-1GMT0,M10.5.0,M3.5.0/1", "2026-01-01T00:00:00Z", 0 },
        { "IST-1GMT0,M10.5.0,M3.5.0/1", "2026-07-01T00:00:00Z", 3600 },
        { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T00:59:59Z", -7200 },
        { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -3600 },
        { "XXX3EDT4,0/0,J365/23", "2026-01-01T00:00:00Z", -14400 },
        { "XXX3EDT4,0/0,J365/23", "2026-12-31T23:00:00Z", -14400 },
        { "XXX3EDT4,0/0,J365/23", "2026-06-01T00:00:00Z", -14400 },
        { "AAA0BBB,J60/0,J300/0", "2024-02-29T12:00:00Z", 0 },
        { "AAA0BBB,J60/0,J300/0", "2024-03-01T00:00:00Z", 3600 },
        { "AAA0BBB,59/0,299/0", "2024-02-29T00:00:00Z", 3600 },
    };
    static const char *const bad[] = {
        "",
        "E",
        "EST",
        "EST5EDT",
        "EST5EDT,",
        "EST5EDT,M3.2.0",
        "EST5EDT,M13.2.0,M11.1.0",
        "EST5EDT,M3.0.0,M11.1.0",
        "EST5EDT,M3.2.7,M11.1.0",
        "EST5EDT,J0,J365",
        "EST5EDT,J1,J366",
        "EST99",
        "EST5x",
        "<EST5",
        "<E>5EDT,M3.2.0/168,M11.1.0",
        "EST5EDT,M3.2.0,M11.1.0x",
        "EST5:60",
    };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++) {
        struct cron_rule r;
        struct cron_segment s;

        if (!cron_rule_parse(rows[i].text, strlen(rows[i].text), &r))
            fail_msg("'%s' was refused", rows[i].text);
        cron_rule_segment(&r, at(rows[i].time), &s);
        if (s.offset != rows[i].offset)
            fail_msg("'%s' at %s: %d", rows[i].text, rows[i].time, s.offset);
        assert_true(s.start <= at(rows[i].time) && at(rows[i].time) < s.end);
    }
    for (size_t i = 0; i < NB_ARRAY_LEN(bad); i++) {
        struct cron_rule r;

        if (cron_rule_parse(bad[i], strlen(bad[i]), &r))
            fail_msg("'%s' was taken", bad[i]);
    }
}

/* A file of ours: one type a change, 32-bit block, then 64-bit block and footer if version is not
 * 0. */
static void put32(struct nb_buf *b, uint32_t v)
{
    const char bytes[4] = { (char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v };

    nb_buf_append(b, bytes, 4);
}

static void put_block(struct nb_buf *b, char version, bool wide, uint32_t times, uint32_t types,
                      uint32_t leaps)
{
    nb_buf_append(b, "TZif", 4);
    nb_buf_putc(b, version);
    for (int i = 0; i < 15; i++)
        nb_buf_putc(b, '\0');
    put32(b, 0);
    put32(b, 0);
    put32(b, leaps);
    put32(b, times);
    put32(b, types);
    put32(b, 1);
    for (uint32_t i = 0; i < times; i++) {
        if (wide)
            put32(b, 0);
        put32(b, 1000 * (i + 1));
    }
    for (uint32_t i = 0; i < times; i++)
        nb_buf_putc(b, (char)(i % types));
    for (uint32_t i = 0; i < types; i++) {
        put32(b, 3600 * i);
        nb_buf_putc(b, '\0');
        nb_buf_putc(b, '\0');
    }
    nb_buf_putc(b, '\0');
    for (uint32_t i = 0; i < leaps * (wide ? 3 : 2); i++)
        put32(b, i);
}

static void file_of_every_version_is_read(void **state)
{
    for (int version = 0; version <= 4; version++) {
        struct nb_error err = NB_ERROR_INIT;
        nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(100000);
        nb_auto(cron_zone_free) struct cron_zone *z = NULL;
        char v = (char)(version == 0 ? 0 : '0' + version);

        if (version == 1)
            continue; /* there is none */
        put_block(&b, v, false, 2, 2, 0);
        if (version >= 2) {
            put_block(&b, v, true, 3, 3, 0);
            nb_buf_puts(&b, "\nCET-1CEST,M3.5.0,M10.5.0/3\n");
        }
        if (!cron_zone_parse(b.data, b.len, &z, &err))
            fail_msg("version %d: %s", version, err.text);
        assert_int_equal(cron_zone_offset(z, 0), 0);
        assert_int_equal(cron_zone_offset(z, 2000), 3600);
        assert_int_equal(cron_zone_offset(z, 3000), 3600);
        assert_int_equal(cron_zone_offset(z, at("2026-07-01T00:00:00Z")), version ? 7200 : 3600);
        (void)state;
    }
}

static void file_that_is_broken_is_refused(void **state)
{
    struct nb_error err = NB_ERROR_INIT;
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(100000);
    struct cron_zone *z = NULL;

    (void)state;
    put_block(&b, '2', false, 1, 1, 0);
    put_block(&b, '2', true, 3, 2, 0);
    nb_buf_puts(&b, "\nCET-1\n");
    for (size_t n = 0; n < b.len; n++) {
        nb_error_clear(&err);
        assert_false(cron_zone_parse(b.data, n, &z, &err));
        assert_string_equal(err.reason, "UnknownTimeZone");
    }
    nb_buf_clear(&b);
    put_block(&b, 0, false, 1, 1, 2);
    nb_error_clear(&err);
    assert_false(cron_zone_parse(b.data, b.len, &z, &err));
    assert_string_equal(err.text, "time zone file counts leap seconds, which a schedule cannot");
    nb_buf_clear(&b);
    put_block(&b, 0, false, 1, 1, 0);
    b.data[44 + 4] = 9; /* an index beyond the types */
    nb_error_clear(&err);
    assert_false(cron_zone_parse(b.data, b.len, &z, &err));
    nb_error_clear(&err);
    assert_false(cron_zone_parse("hello", 5, &z, &err));
    assert_string_equal(err.text, "time zone file is not in TZif format");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zone_offsets_are_right_in_table_and_rule),
        cmocka_unit_test(zone_next_transition_is_found),
        cmocka_unit_test(zone_names_cannot_leave_the_directory),
        cmocka_unit_test(zone_that_is_not_there_says_so),
        cmocka_unit_test(rule_texts_are_read),
        cmocka_unit_test(file_of_every_version_is_read),
        cmocka_unit_test(file_that_is_broken_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
