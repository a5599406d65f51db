#include "controller/runtime/store.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "controller/runtime/project.h"
#include "controller/runtime/written.h"
#include "kube/object.h"
#include "tests/unit/cmocka.h"

static struct nb_json *parse(const char *text)
{
    struct nb_json *json = NULL;
    struct nb_error err = NB_ERROR_INIT;

    assert_true(nb_json_parse(text, strlen(text), 65536, &json, &err));
    return json;
}

static void projected(const char *in, const char *const *paths, const char *want)
{
    nb_auto(nb_json_free) struct nb_json *json = parse(in);
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(65536);
    struct nb_jw w = NB_JW_INIT(&out);

    ctl_project(json, paths, &w);
    assert_string_equal(nb_buf_cstr(&out), want);
}

static void projection_keeps_what_is_named_and_no_more(void **state)
{
    static const char *const paths[] = { "metadata.name", "metadata.annotations.x.dev/*", "spec",
                                         "status.list.a.b", NULL };
    static const char *const none[] = { NULL };

    (void)state;
    projected("{\"metadata\":{\"name\":\"n\",\"names\":1,\"annotations\":{\"x.dev/"
              "p\":\"1\",\"y.dev/p\":\"2\"},"
              "\"managedFields\":[{}]},\"spec\":{\"deep\":[{\"er\":null}]},"
              "\"status\":{\"list\":[{\"a\":{\"b\":1,\"c\":2},\"d\":3},{\"e\":4},5],\"other\":1}}",
              paths,
              "{\"metadata\":{\"name\":\"n\",\"annotations\":{\"x.dev/p\":\"1\"}},"
              "\"spec\":{\"deep\":[{\"er\":null}]},"
              "\"status\":{\"list\":[{\"a\":{\"b\":1}},{},null]}}");
    projected("{\"a\":1}", none, "{}");
    projected("{\"spec\":7}", paths, "{\"spec\":7}");
}

static const char *by_owner(const struct nb_json *object, struct nb_buf *out)
{
    (void)out;
    return kube_label(object, "owner");
}
static const char *const fields[] = { "metadata.name", "spec", NULL };
static const struct ctl_kind kind = { "things", fields, by_owner };

static struct nb_json *thing(const char *name, int version, const char *owner)
{
    nb_auto(nb_free) char *text = nb_xasprintf(
        "{\"metadata\":{\"namespace\":\"a\",\"name\":\"%s\",\"uid\":\"u-%s\",\"resourceVersion\":"
        "\"%d\",\"labels\":{\"owner\":\"%s\"}},\"spec\":{\"v\":%d}}",
        name, name, version, owner, version);

    return parse(text);
}

static void note(void *ctx, const struct ctl_object *before, const struct ctl_object *after)
{
    nb_buf_printf(ctx, "%s%s>%s ", after ? after->name : before->name,
                  before ? before->resource_version : "-", after ? after->resource_version : "-");
}

static void apply(struct ctl_store *s, const char *name, int version, const char *owner)
{
    nb_auto(nb_json_free) struct nb_json *t = thing(name, version, owner);

    ctl_store_apply(s, t);
}

static size_t count_of(struct ctl_store *s, const char *owner)
{
    nb_auto_done(ctl_objects_done) struct ctl_objects o = { 0 };

    ctl_store_by_index(s, owner, &o);
    return o.count;
}

static void shows(const struct ctl_object *o, const char *want)
{
    nb_auto(nb_json_free) struct nb_json *json = NULL;
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);
    struct nb_error err = NB_ERROR_INIT;

    assert_true(ctl_object_json(o, &json, &err));
    nb_json_format(json, &out);
    assert_string_equal(nb_buf_cstr(&out), want);
}

static void long_objects_are_kept_packed(void **state)
{
    nb_auto(ctl_store_free) struct ctl_store *s = ctl_store_new(&kind);
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 20);
    nb_auto(ctl_object_unref) struct ctl_object *o = NULL;
    nb_auto(nb_json_free) struct nb_json *json = NULL;

    (void)state;
    nb_buf_puts(&text, "{\"metadata\":{\"name\":\"x\",\"uid\":\"u\"},\"spec\":[");
    for (int i = 0; i < 1000; i++)
        nb_buf_printf(&text, "%s\"same again\"", i ? "," : "");
    nb_buf_puts(&text, "]}");
    json = parse(nb_buf_cstr(&text));
    ctl_store_apply(s, json);
    o = ctl_store_get(s, "/x");
    assert_non_null(o);
    assert_true(o->packed.n * 4 < o->json_bytes);
    nb_json_free(nb_steal(json));
    nb_buf_clear(&text);
    nb_buf_puts(&text, "{\"metadata\":{\"name\":\"x\"},\"spec\":[");
    for (int i = 0; i < 1000; i++)
        nb_buf_printf(&text, "%s\"same again\"", i ? "," : "");
    nb_buf_puts(&text, "]}");
    shows(o, nb_buf_cstr(&text));
}

static void changes_are_told_and_indexed(void **state)
{
    nb_auto(ctl_store_free) struct ctl_store *s = ctl_store_new(&kind);
    nb_auto_done(nb_buf_done) struct nb_buf told = NB_BUF_INIT(4096);
    nb_auto(nb_json_free) struct nb_json *gone = thing("x", 9, "bob");
    nb_auto(ctl_object_unref) struct ctl_object *held = NULL;

    (void)state;
    ctl_store_on_change(s, note, &told);
    assert_null(ctl_store_get(s, "a/x"));
    apply(s, "x", 1, "al");
    apply(s, "y", 2, "al");
    assert_int_equal(count_of(s, "al"), 2);
    held = ctl_store_get(s, "a/x");
    apply(s, "x", 3, "bob");
    assert_int_equal(count_of(s, "al"), 1);
    assert_int_equal(count_of(s, "bob"), 1);
    shows(held, "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"v\":1}}");
    assert_string_equal(held->index, "al");
    ctl_store_remove(s, gone);
    ctl_store_remove(s, gone);
    assert_int_equal(count_of(s, "bob"), 0);
    assert_int_equal(ctl_store_count(s), 1);
    assert_string_equal(nb_buf_cstr(&told), "x->1 y->2 x1>3 x3>- ");
    assert_true(ctl_store_has_reached(s, "9"));
    assert_false(ctl_store_has_reached(s, "10"));
}

static void relist_tells_only_differences_and_keeps_the_same_objects(void **state)
{
    nb_auto(ctl_store_free) struct ctl_store *s = ctl_store_new(&kind);
    nb_auto_done(nb_buf_done) struct nb_buf told = NB_BUF_INIT(4096);
    nb_auto(nb_json_free) struct nb_json *y = thing("y", 2, "al");
    nb_auto(nb_json_free) struct nb_json *z = thing("z", 7, "al");
    nb_auto(nb_json_free) struct nb_json *w = thing("w", 7, "al");
    nb_auto(nb_json_free) struct nb_json *x = thing("x", 7, "al");
    nb_auto(ctl_object_unref) struct ctl_object *before = NULL;
    nb_auto(ctl_object_unref) struct ctl_object *after = NULL;

    (void)state;
    assert_false(ctl_store_is_synced(s));
    apply(s, "x", 1, "al");
    apply(s, "y", 2, "al");
    before = ctl_store_get(s, "a/y");
    ctl_store_on_change(s, note, &told);
    ctl_store_replace_begin(s);
    ctl_store_replace_add(s, z);
    ctl_store_replace_abort(s);
    assert_int_equal(ctl_store_count(s), 2);
    ctl_store_replace_begin(s);
    ctl_store_replace_add(s, y);
    ctl_store_replace_add(s, z);
    ctl_store_replace_add(s, w);
    ctl_store_replace_remove(s, w); /* came and went while the list was read */
    ctl_store_replace_remove(s, x); /* never was in it */
    assert_int_equal(ctl_store_count(s), 2);
    assert_false(ctl_store_is_synced(s));
    ctl_store_replace_end(s, "8");
    assert_true(ctl_store_is_synced(s));
    after = ctl_store_get(s, "a/y");
    assert_ptr_equal(before, after);
    assert_int_equal(count_of(s, "al"), 2);
    assert_string_equal(nb_buf_cstr(&told), "z->7 x1>- ");
}

static void object_without_name_or_uid_is_passed_over(void **state)
{
    nb_auto(ctl_store_free) struct ctl_store *s = ctl_store_new(&kind);
    nb_auto(nb_json_free) struct nb_json *bad = parse("{\"metadata\":{\"name\":\"x\"}}");

    (void)state;
    ctl_store_apply(s, bad);
    ctl_store_remove(s, bad);
    assert_int_equal(ctl_store_count(s), 0);
}

static void key_waits_until_its_writes_are_seen(void **state)
{
    nb_auto(ctl_store_free) struct ctl_store *s = ctl_store_new(&kind);
    nb_auto(ctl_store_free) struct ctl_store *t = ctl_store_new(&kind);
    nb_auto(ctl_written_free) struct ctl_written *w = ctl_written_new();

    (void)state;
    assert_true(ctl_written_is_seen(w, "a/x", 0));
    ctl_written_note(w, "a/x", s, "10", 0);
    ctl_written_note(w, "a/x", s, "9", 0);
    ctl_written_note(w, "a/x", t, "12", 0);
    ctl_written_note(w, "a/x", t, "", 0);
    assert_false(ctl_written_is_seen(w, "a/x", 1));
    assert_true(ctl_written_is_seen(w, "a/y", 1));
    ctl_store_set_version(s, "10");
    assert_false(ctl_written_is_seen(w, "a/x", 1));
    ctl_store_set_version(t, "100");
    assert_true(ctl_written_is_seen(w, "a/x", 1));
    ctl_written_note(w, "a/x", s, "1000", 5);
    assert_false(ctl_written_is_seen(w, "a/x", 6));
    assert_true(ctl_written_is_seen(w, "a/x", 5 + CTL_WRITTEN_FORGET_MS));
    assert_true(ctl_written_is_seen(w, "a/x", 6)); /* forgotten for good */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(projection_keeps_what_is_named_and_no_more),
        cmocka_unit_test(long_objects_are_kept_packed),
        cmocka_unit_test(changes_are_told_and_indexed),
        cmocka_unit_test(relist_tells_only_differences_and_keeps_the_same_objects),
        cmocka_unit_test(object_without_name_or_uid_is_passed_over),
        cmocka_unit_test(key_waits_until_its_writes_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
