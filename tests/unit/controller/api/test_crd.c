#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/yaml.h"
#include "controller/api/backup.h"
#include "tests/unit/cmocka.h"
#include "tests/unit/controller/api/samples.h"

/* crd/ against what the controller reads and writes. */

static struct nb_json *crd_of(const char *path)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 20);
    struct nb_error err = NB_ERROR_INIT;
    struct nb_json *v = NULL;

    if (!nb_file_read(path, &text, &err) ||
        !nb_yaml_parse(text.data, text.len, 1 << 20, path, &v, &err))
        fail_msg("%s (run from the top of the tree)", err.text);
    return v;
}

static const struct nb_json *schema_of(const struct nb_json *crd)
{
    const struct nb_json *version = nb_json_first(nb_json_at(crd, "spec.versions"));
    const struct nb_json *schema = nb_json_at(version, "schema.openAPIV3Schema.properties");

    assert_non_null(schema);
    return schema;
}

/* Every member of the value is in the schema: the API server would drop it silently otherwise. */
static void check_known(const struct nb_json *value, const struct nb_json *schema, const char *path)
{
    char deeper[300];

    if (nb_json_type(value) == NB_JSON_ARRAY) {
        for (const struct nb_json *c = nb_json_first(value); c; c = nb_json_next(c))
            check_known(c, nb_json_get(schema, "items"), path);
        return;
    }
    if (nb_json_type(value) != NB_JSON_OBJECT)
        return;
    for (const struct nb_json *c = nb_json_first(value); c; c = nb_json_next(c)) {
        const struct nb_json *p = nb_json_get(nb_json_get(schema, "properties"), nb_json_key(c));

        snprintf(deeper, sizeof(deeper), "%s.%s", path, nb_json_key(c));
        if (!p)
            fail_msg("the schema lacks %s", deeper);
        check_known(c, p, deeper);
    }
}

static void check_status(const char *path, const char *sample)
{
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(nb_json_free) struct nb_json *crd = crd_of(path);
    nb_auto(nb_json_free) struct nb_json *value = NULL;

    assert_true(nb_json_parse(sample, strlen(sample), 1 << 20, &value, &err));
    check_known(value, nb_json_get(schema_of(crd), "status"), "status");
}

static void schemas_know_every_status_field(void **state)
{
    (void)state;
    check_status("crd/neo4jbackups.yaml", status_json);
    check_status("crd/neo4jbackupruns.yaml", run_status_json);
    check_status("crd/neo4jrestores.yaml", restore_status_json);
}

/* Equal but for the rules, which only the original needs. */
static void check_same(const struct nb_json *a, const struct nb_json *b, const char *path)
{
    char deeper[400];

    if (!b || nb_json_type(a) != nb_json_type(b))
        fail_msg("%s differs", path);
    if (nb_json_type(a) != NB_JSON_OBJECT) {
        nb_auto_done(nb_buf_done) struct nb_buf ta = NB_BUF_INIT(1 << 20);
        nb_auto_done(nb_buf_done) struct nb_buf tb = NB_BUF_INIT(1 << 20);

        nb_json_format(a, &ta);
        nb_json_format(b, &tb);
        if (strcmp(nb_buf_cstr(&ta), nb_buf_cstr(&tb)) != 0)
            fail_msg("%s differs: %s and %s", path, nb_buf_cstr(&ta), nb_buf_cstr(&tb));
        return;
    }
    for (const struct nb_json *c = nb_json_first(a); c; c = nb_json_next(c)) {
        snprintf(deeper, sizeof(deeper), "%s.%s", path, nb_json_key(c));
        if (strcmp(nb_json_key(c), "x-kubernetes-validations") != 0)
            check_same(c, nb_json_get(b, nb_json_key(c)), deeper);
    }
}

static void template_of_a_run_is_that_of_its_backup(void **state)
{
    nb_auto(nb_json_free) struct nb_json *backups = crd_of("crd/neo4jbackups.yaml");
    nb_auto(nb_json_free) struct nb_json *runs = crd_of("crd/neo4jbackupruns.yaml");
    const struct nb_json *spec = nb_json_at(schema_of(backups), "spec.properties");
    const struct nb_json *template_ =
        nb_json_at(schema_of(runs), "spec.properties.template.properties");

    (void)state;
    for (size_t i = 0; api_template_fields[i]; i++) {
        const char *name = api_template_fields[i];

        assert_non_null(nb_json_get(spec, name));
        check_same(nb_json_get(spec, name), nb_json_get(template_, name), name);
    }
    for (const struct nb_json *c = nb_json_first(template_); c; c = nb_json_next(c)) {
        bool known = false;

        for (size_t i = 0; api_template_fields[i]; i++)
            known = known || strcmp(api_template_fields[i], nb_json_key(c)) == 0;
        if (!known)
            fail_msg("the template has '%s', which no run is given", nb_json_key(c));
    }
}

static void check_described(const struct nb_json *schema, const char *path)
{
    char deeper[400];

    for (const struct nb_json *c = nb_json_first(nb_json_get(schema, "properties")); c;
         c = nb_json_next(c)) {
        snprintf(deeper, sizeof(deeper), "%s.%s", path, nb_json_key(c));
        if (!*nb_json_str(nb_json_get(c, "description"), ""))
            fail_msg("%s has no description", deeper);
        check_described(c, deeper);
        if (nb_json_get(c, "items"))
            check_described(nb_json_get(c, "items"), deeper);
    }
}

static void every_field_is_described(void **state)
{
    static const char *const paths[] = { "crd/neo4jbackups.yaml", "crd/neo4jbackupruns.yaml",
                                         "crd/neo4jrestores.yaml" };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(paths); i++) {
        nb_auto(nb_json_free) struct nb_json *crd = crd_of(paths[i]);

        check_described(nb_json_get(schema_of(crd), "spec"), "spec");
        check_described(nb_json_get(schema_of(crd), "status"), "status");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas_know_every_status_field),
        cmocka_unit_test(template_of_a_run_is_that_of_its_backup),
        cmocka_unit_test(every_field_is_described),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
