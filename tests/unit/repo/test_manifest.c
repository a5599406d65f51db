#include "repo/manifest.h"
#include "tests/fakes/manifest_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#define SHA "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct repo_manifest *full(void)
{
    struct repo_manifest *m = repo_manifest_new();
    struct repo_object *o;

    m->owner = nb_xstrdup("ns/grüße");
    m->owner_uid = nb_xstrdup("uid-1");
    m->run_id = nb_xstrdup("run-1");
    m->tool_version = nb_xstrdup("0.1.0");
    m->database = nb_xstrdup("neo4j");
    m->database_id = nb_xstrdup("ABCDEF");
    m->server_version = nb_xstrdup("5.26.30");
    m->server_edition = nb_xstrdup("community");
    m->store_format = nb_xstrdup("block-block-1.1");
    m->server_start_unix_ms = 1759888700123;
    m->last_transaction = 0;
    m->engine = nb_xstrdup("cypher");
    m->scheduled_unix_seconds = 1759888800;
    m->start_unix_seconds = 1759888801;
    m->completion_unix_seconds = 1759888900;
    m->compression = nb_xstrdup("gzip");
    repo_strings_add(&m->recipients, "age1abc");
    o = repo_manifest_add_object(m, "p/neo4j_2025-10-08_02-00-00.cypher.gz");
    o->size = 123456789012;
    snprintf(o->sha256, sizeof(o->sha256), "%s", SHA);
    snprintf(o->etag, sizeof(o->etag), "\"5d41402abc4b2a76b9719d911017c592-3\"");
    o = repo_manifest_add_object(m, "p/neo4j_2025-10-08_02-00-00.cypher.gz.002");
    o->size = 5;
    snprintf(o->sha256, sizeof(o->sha256), "%s", SHA);
    o->plain_bytes = 9;
    snprintf(o->plain_sha256, sizeof(o->plain_sha256), "%s", SHA);
    m->plain_bytes = INT64_MAX;
    snprintf(m->plain_sha256, sizeof(m->plain_sha256), "%s", SHA);
    m->nodes = 12;
    m->relationships = 0;
    m->properties = 9007199254740993;
    repo_counts_add(&m->labels, "A \"label\" with `odd` \\ characters é", 7);
    repo_counts_add(&m->labels, "B", 0);
    repo_counts_add(&m->types, "T", 3);
    m->digest_nodes = nb_xstrdup("00ff");
    m->consistency = REPO_CONSISTENCY_SNAPSHOT;
    m->fixup_passes = 2;
    m->verification = REPO_VERIFIED_RESTORE;
    repo_strings_add(&m->warnings, "3 byte arrays come back as lists");
    repo_strings_add(&m->losses, "1 vector indexes: they are not in the dump");
    m->signature = nb_xstrdup("c2ln");
    return m;
}

static void format(struct repo_manifest *m, struct nb_buf *out)
{
    struct nb_error err = NB_ERROR_INIT;

    nb_buf_init(out, 1 << 20);
    if (!repo_manifest_format(m, out, &err))
        fail_msg("%s", err.text);
}

static void manifest_comes_back_as_it_was_written(void **state)
{
    struct repo_manifest *m = full(), *back = NULL;
    struct nb_buf text, again;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    format(m, &text);
    if (!repo_manifest_parse(text.data, text.len, &back, &err))
        fail_msg("%s", err.text);
    format(back, &again);
    assert_string_equal(text.data, again.data);
    assert_string_equal(back->owner, "ns/grüße");
    assert_int_equal(back->stored_bytes, 123456789017);
    assert_int_equal(back->properties, 9007199254740993);
    assert_int_equal(back->plain_bytes, INT64_MAX);
    assert_int_equal(back->indexes, -1);
    assert_int_equal(back->last_transaction, 0);
    assert_int_equal(back->objects_n, 2);
    assert_string_equal(back->objects[0].etag, m->objects[0].etag);
    assert_int_equal(back->objects[1].plain_bytes, 9);
    assert_int_equal(back->labels.n, 2);
    assert_string_equal(back->labels.items[0].name, m->labels.items[0].name);
    assert_int_equal(back->consistency, REPO_CONSISTENCY_SNAPSHOT);
    assert_int_equal(back->verification, REPO_VERIFIED_RESTORE);
    assert_string_equal(back->signature, "c2ln");
    repo_manifest_free(m);
    repo_manifest_free(back);
    nb_buf_done(&text);
    nb_buf_done(&again);
}

static void manifest_without_the_needful_is_not_written(void **state)
{
    struct repo_manifest *m = full();
    struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    m->objects_n = 1;
    free(m->objects[1].key);
    m->objects[0].sha256[0] = 'X';
    assert_false(repo_manifest_format(m, &out, &err));
    assert_string_equal(err.text, "manifest: 'objects[0].sha256' is no SHA-256");
    assert_int_equal(err.code, NB_E_INVALID);
    m->objects[0].sha256[0] = 'e';
    m->owner[0] = '\0';
    nb_error_clear(&err);
    assert_false(repo_manifest_format(m, &out, &err));
    assert_string_equal(err.text, "manifest: 'owner' is missing");
    nb_buf_done(&out);
    repo_manifest_free(m);
}

/* The text with one piece replaced by another, and a checksum to it. */
static bool parse_changed(const char *text, const char *from, const char *to, struct nb_error *err)
{
    struct nb_buf b = NB_BUF_INIT(1 << 20);
    struct repo_manifest *m = NULL;
    const char *at = strstr(text, from);
    bool ok;

    if (!at)
        fail_msg("'%s' is not in the manifest", from);
    nb_buf_append(&b, text, (size_t)(at - text));
    nb_buf_puts(&b, to);
    nb_buf_puts(&b, at + strlen(from));
    manifest_text_mend(&b);
    nb_error_clear(err);
    ok = repo_manifest_parse(b.data, b.len, &m, err);
    repo_manifest_free(m);
    nb_buf_done(&b);
    return ok;
}

static void manifest_with_a_wrong_member_is_refused_by_name(void **state)
{
    static const struct {
        const char *from, *to, *named;
    } cases[] = {
        { "\"owner\":\"ns/grüße\"", "\"owner\":7", "'owner' is not a string" },
        { "\"owner\":", "\"x\":", "'owner' is missing" },
        { "\"type\":\"full\"", "\"type\":\"half\"", "'type' is none of 'full' 'incremental'" },
        { "\"size\":5", "\"size\":-5", "'objects[1].size'" },
        { "\"size\":5", "\"size\":5.5", "'objects[1].size'" },
        { "\"size\":5", "\"size\":\"5\"", "'objects[1].size'" },
        { "\"size\":5", "\"sizes\":5", "'objects[1].size' is missing" },
        { "\"size\":5", "\"size\":6", "'storedBytes' is not the sum" },
        { "\"key\":\"p/", "\"key\":3,\"k\":\"p/", "'objects[0].key' is not a string" },
        { "\"sha256\":\"e3", "\"sha256\":\"E3", "'objects[0].sha256'" },
        { "\"startTime\":\"2025", "\"startTime\":\"x2025", "'startTime' is not a time" },
        { "\"completionTime\":\"2025", "\"completionTime\":\"2024", "'completionTime' is before" },
        { "\"compression\":\"gzip\"", "\"compression\":\"zip\"", "'compression' is neither" },
        { "\"consistency\":\"Snapshot\"", "\"consistency\":\"snapshot\"", "'consistency' is none" },
        { "\"nodes\":12", "\"nodes\":true", "'counts.nodes'" },
        { "\"B\":0", "\"B\":-1", "'counts.labels'" },
        { "\"warnings\":[", "\"warnings\":[7,", "'warnings'" },
        { "\"losses\":[", "\"losses\":[7,", "'losses'" },
        { "\"recipients\":[\"age1abc\"]", "\"recipients\":\"age1abc\"",
          "'recipients' is not a list" },
        { "\"objects\":[", "\"objects\":[],\"o\":[", "'objects' names no object" },
        { "{\"formatVersion\":1", "[{\"formatVersion\":1", "manifest" },
        { "{\"formatVersion\":1", "{\"formatVersion\":0", "'formatVersion'" },
        { "\"engine\":", "\"e\":", "'engine' is missing" },
    };
    struct repo_manifest *m = full();
    struct nb_buf text;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    format(m, &text);
    for (size_t i = 0; i < NB_ARRAY_LEN(cases); i++) {
        if (parse_changed(text.data, cases[i].from, cases[i].to, &err))
            fail_msg("'%s' was taken", cases[i].to);
        if (!strstr(err.text, cases[i].named))
            fail_msg("'%s' gives \"%s\"", cases[i].to, err.text);
        assert_int_equal(err.code, NB_E_CORRUPT);
        assert_string_equal(err.reason, "InvalidManifest");
    }
    assert_false(parse_changed(text.data, "{\"formatVersion\":1", "{\"formatVersion\":2", &err));
    assert_string_equal(err.reason, "UnsupportedManifest");
    assert_true(parse_changed(text.data, "{", "{\"later\":{\"a\":[1]},", &err));
    repo_manifest_free(m);
    nb_buf_done(&text);
}

static void manifest_cut_anywhere_is_refused(void **state)
{
    struct repo_manifest *m = full(), *back = NULL;
    struct nb_buf text;

    (void)state;
    format(m, &text);
    for (size_t n = 0; n + 1 < text.len; n++) {
        struct nb_error err = NB_ERROR_INIT;

        if (repo_manifest_parse(text.data, n, &back, &err))
            fail_msg("taken though cut at %zu", n);
    }
    repo_manifest_free(m);
    nb_buf_done(&text);
}

static void manifest_with_a_flipped_bit_is_refused(void **state)
{
    const struct nb_str name = NB_STR("\"checksum\"");
    struct repo_manifest *m = full();
    struct nb_buf text;
    const char *at;

    (void)state;
    free(nb_steal(m->signature)); /* whose matter its own bits are */
    format(m, &text);
    at = memmem(text.data, text.len, name.p, name.n);
    assert_non_null(at);
    for (size_t i = 0; i + 1 < text.len; i++) {
        /* Without its name there is no checksum: what it was of is whole then. */
        if (text.data + i > at && text.data + i < at + name.n - 1)
            continue;
        for (unsigned bit = 0; bit < 8; bit++) {
            struct repo_manifest *back = NULL;
            struct nb_error err = NB_ERROR_INIT;

            text.data[i] = (char)((unsigned char)text.data[i] ^ (1U << bit));
            if (repo_manifest_parse(text.data, text.len, &back, &err))
                fail_msg("taken with bit %u of byte %zu: %s", bit, i, text.data);
            text.data[i] = (char)((unsigned char)text.data[i] ^ (1U << bit));
        }
    }
    repo_manifest_free(m);
    nb_buf_done(&text);
}

static void manifest_without_checksum_is_taken(void **state)
{
    struct repo_manifest *m = full(), *back = NULL;
    struct nb_error err = NB_ERROR_INIT;
    struct nb_buf text;
    char *at;

    (void)state;
    format(m, &text);
    at = memmem(text.data, text.len, ",\"checksum\"", 11);
    assert_non_null(at);
    memcpy(at, "}\n", 2);
    assert_true(repo_manifest_parse(text.data, (size_t)(at - text.data) + 2, &back, &err));
    repo_manifest_free(back);
    repo_manifest_free(m);
    nb_buf_done(&text);
}

static struct repo_manifest *of_a_chain(void)
{
    struct repo_manifest *m = full();

    m->type = REPO_INCREMENTAL;
    m->base_manifest = nb_xstrdup("p/neo4j_2025-10-07_02-00-00.manifest.json");
    m->chain_length = 3;
    m->helper = nb_xstrdup("0a1b2c3d");
    m->chunk_bytes = 2 << 20;
    m->new_bytes = 17;
    m->unread = 2;
    return m;
}

static void manifest_of_a_chain_comes_back_as_it_was_written(void **state)
{
    struct repo_manifest *m = of_a_chain(), *back = NULL;
    struct nb_buf text, again;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    format(m, &text);
    if (!repo_manifest_parse(text.data, text.len, &back, &err))
        fail_msg("%s", err.text);
    assert_int_equal(back->type, REPO_INCREMENTAL);
    assert_string_equal(back->base_manifest, m->base_manifest);
    assert_int_equal(back->chain_length, 3);
    assert_string_equal(back->helper, "0a1b2c3d");
    assert_int_equal(back->chunk_bytes, 2 << 20);
    assert_int_equal(back->new_bytes, 17);
    assert_int_equal(back->unread, 2);
    format(back, &again);
    assert_string_equal(text.data, again.data);
    repo_manifest_free(m);
    repo_manifest_free(back);
    nb_buf_done(&text);
    nb_buf_done(&again);
}

/* Every member of `value` is one of the schema's properties, down to the leaves; and what the
 * schema requires is there. */
static void is_described(const struct nb_json *value, const struct nb_json *schema,
                         const char *where)
{
    const struct nb_json *properties = nb_json_get(schema, "properties");
    const struct nb_json *items = nb_json_get(schema, "items");

    for (const struct nb_json *r = nb_json_first(nb_json_get(schema, "required")); r;
         r = nb_json_next(r))
        if (!nb_json_get(value, nb_json_str(r, "")))
            fail_msg("'%s' lacks '%s'", where, nb_json_str(r, ""));
    for (const struct nb_json *v = nb_json_first(value); v; v = nb_json_next(v)) {
        const struct nb_json *of = properties ? nb_json_get(properties, nb_json_key(v)) : items;

        if (properties && !of)
            fail_msg("the schema does not know '%s' in '%s'", nb_json_key(v), where);
        if (nb_json_get(of, "properties") || nb_json_get(of, "items"))
            is_described(v, of, properties ? nb_json_key(v) : where);
    }
}

static void schema_knows_every_member_that_is_written(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf schema_text = NB_BUF_INIT(1 << 20);
    nb_auto(nb_json_free) struct nb_json *schema = NULL;
    struct nb_error err = NB_ERROR_INIT;

    (void)state;
    if (!nb_file_read("docs/manifest.schema.json", &schema_text, &err) ||
        !nb_json_parse(nb_buf_cstr(&schema_text), schema_text.len, 1 << 20, &schema, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < 2; i++) {
        nb_auto(repo_manifest_free) struct repo_manifest *m = i ? of_a_chain() : full();
        nb_auto(nb_json_free) struct nb_json *value = NULL;
        struct nb_buf text;

        format(m, &text);
        assert_true(nb_json_parse(text.data, text.len, 1 << 20, &value, &err));
        is_described(value, schema, "manifest");
        nb_buf_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifest_comes_back_as_it_was_written),
        cmocka_unit_test(manifest_without_the_needful_is_not_written),
        cmocka_unit_test(manifest_with_a_wrong_member_is_refused_by_name),
        cmocka_unit_test(manifest_cut_anywhere_is_refused),
        cmocka_unit_test(manifest_with_a_flipped_bit_is_refused),
        cmocka_unit_test(manifest_without_checksum_is_taken),
        cmocka_unit_test(manifest_of_a_chain_comes_back_as_it_was_written),
        cmocka_unit_test(schema_knows_every_member_that_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
