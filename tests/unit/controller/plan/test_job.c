#include "controller/plan/job.h"

#include "tests/unit/controller/plan/world.h"

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_init(&world, "2026-01-01T00:00:00Z");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_done(&world);
    return 0;
}

/* A Job of this kind for a template given as JSON. */
static struct nb_json *job_of(enum api_job_kind kind, const char *template_json, const char *keys,
                              struct nb_buf *text)
{
    nb_auto(nb_arena_free) struct nb_arena *a = api_arena_new();
    nb_auto(nb_json_free) struct nb_json *v = world_parse(template_json);
    struct api_template t;
    struct plan_job_spec spec = {
        .kind = kind,
        .name = "b-1",
        .ns = "ns",
        .owner_kind = API_KIND_RUN,
        .owner_name = "b-1",
        .owner_uid = "run-uid",
        .backup = "b",
        .backup_uid = "backup-uid",
        .run = "b-1",
        .run_uid = "run-uid",
        .restore = "",
        .t = &t,
        .job = &t.job,
        .scheduled = 1767225600,
        .trigger = "Schedule",
        .owner = "ns/b",
        .keys = keys,
        .token = "",
        .pin_value = kind == API_JOB_PIN ? "true" : "",
        .prune_all = kind == API_JOB_PRUNE,
    };

    api_template_parse(a, v, &t);
    plan_job_write(&spec, &world.options, text);
    return world_parse(nb_buf_cstr(text));
}

static const char *env_of(const struct nb_json *job, const char *name)
{
    const struct nb_json *c = nb_json_first(nb_json_at(job, "spec.template.spec.containers"));

    for (const struct nb_json *e = nb_json_first(nb_json_get(c, "env")); e; e = nb_json_next(e))
        if (nb_streq(nb_json_str(nb_json_get(e, "name"), ""), name))
            return nb_json_str(nb_json_get(e, "value"), "");
    return "(unset)";
}

static const char full[] = "{\"timeZone\":\"Europe/Berlin\",\"connection\":{\"uri\":\"bolt+s://"
                           "n:7687\",\"authSecretRef\":{\"name\":\"auth\","
                           "\"passwordKey\":\"pw\"},\"tls\":{\"caSecretRef\":{\"name\":\"ca\","
                           "\"key\":\"root.pem\"},\"serverName\":\"neo\"}},"
                           "\"databases\":[\"a\",\"b-*\"],\"excludeDatabases\":[\"b-x\"],"
                           "\"includeSystem\":true,\"databaseFailurePolicy\":\"Fail\","
                           "\"export\":{\"engine\":\"Cypher\",\"consistency\":\"Quiescent\","
                           "\"parallelism\":4,\"fetchSize\":500,"
                           "\"statementBatchSize\":200,\"maxBytesPerSecond\":1048576},\"type\":"
                           "\"Full\",\"compression\":\"gzip\","
                           "\"compressionLevel\":9,\"encryption\":{\"recipients\":[\"age1x\","
                           "\"age1y\"]},\"signing\":{\"keySecretRef\":{\"name\":\"sign\"},"
                           "\"publicKeys\":[\"MCo1\",\"MCo2\"]},\"storage\":{\"s3\":{\"endpoint\":"
                           "\"https://"
                           "minio:9000\",\"region\":\"eu\",\"bucket\":\"bkt\",\"prefix\":\"a$(b)\","
                           "\"forcePathStyle\":true,"
                           "\"credentialsSecretRef\":{\"name\":\"s3\",\"accessKeyIdKey\":\"id\"},"
                           "\"tls\":{\"caSecretRef\":{\"name\":\"ca2\"}},"
                           "\"partSizeBytes\":8388608},\"adopt\":true},\"retention\":{\"days\":30,"
                           "\"keepLast\":3,\"keepYearly\":0,"
                           "\"minimumSuccessful\":2},\"verification\":{\"level\":\"Readback\","
                           "\"timeoutSeconds\":60},\"job\":{\"backoffLimit\":1,"
                           "\"activeDeadlineSeconds\":3600,\"ttlSecondsAfterFinished\":60,"
                           "\"retryWindowSeconds\":0,\"resources\":{\"limits\":{"
                           "\"memory\":\"1Gi\"}},\"nodeSelector\":{\"disk\":\"ssd\"},"
                           "\"tolerations\":[{\"operator\":\"Exists\"}],\"affinity\":{"
                           "\"nodeAffinity\":{}},\"priorityClassName\":\"low\","
                           "\"imagePullSecrets\":[{\"name\":\"pull\"}],\"podLabels\":{\"team\":"
                           "\"data\",\"app.kubernetes.io/name\":\"evil\",\"neo4jbackup.dev/"
                           "run-name\":\"evil\"},\"podAnnotations\":{\"x\":\"y\"}}}";

static void job_environment_is_the_contract(void **state)
{
    static const struct {
        const char *name, *value;
    } rows[] = {
        { "NEO4J_URI", "bolt+s://n:7687" },
        { "NEO4J_AUTH_DIR", "/run/secrets/neo4j-backup/neo4j" },
        { "NEO4J_AUTH_SECRET", "auth" },
        { "NEO4J_PASSWORD_KEY", "pw" },
        { "NEO4J_USERNAME_KEY", "(unset)" },
        { "NEO4J_AUTH", "(unset)" },
        { "NEO4J_CA_FILE", "/run/secrets/neo4j-backup/neo4j-ca/ca.crt" },
        { "NEO4J_TLS_SERVER_NAME", "neo" },
        { "NEO4J_DATABASES", "a,b-*" },
        { "NEO4J_EXCLUDE_DATABASES", "b-x" },
        { "NEO4J_INCLUDE_SYSTEM", "true" },
        { "R2_CREDENTIALS_DIR", "/run/secrets/neo4j-backup/storage" },
        { "R2_CREDENTIALS_SECRET", "s3" },
        { "R2_ACCESS_KEY_ID_KEY", "id" },
        { "R2_ENDPOINT", "https://minio:9000" },
        { "R2_REGION", "eu" },
        { "R2_FORCE_PATH_STYLE", "true" },
        { "R2_CA_FILE", "/run/secrets/neo4j-backup/storage-ca/ca.crt" },
        { "R2_PART_SIZE_BYTES", "8388608" },
        { "R2_BUCKET_NAME", "bkt" },
        { "BACKUP_PREFIX", "a$$(b)" },
        { "BACKUP_OWNER", "ns/b" },
        { "BACKUP_OWNER_UID", "backup-uid" },
        { "BACKUP_ADOPT", "true" },
        { "BACKUP_RUN_ID", "run-uid" },
        { "BACKUP_RUN_NAME", "b-1" },
        { "BACKUP_SCHEDULED_TIME", "2026-01-01T00:00:00Z" },
        { "BACKUP_TRIGGER", "Schedule" },
        { "BACKUP_DATABASE_FAILURE_POLICY", "Fail" },
        { "BACKUP_ENGINE", "Cypher" },
        { "BACKUP_CONSISTENCY", "Quiescent" },
        { "BACKUP_PARALLELISM", "4" },
        { "BACKUP_FETCH_SIZE", "500" },
        { "BACKUP_STATEMENT_BATCH_SIZE", "200" },
        { "BACKUP_MAX_BYTES_PER_SECOND", "1048576" },
        { "BACKUP_TYPE", "Full" },
        { "BACKUP_COMPRESSION", "true" },
        { "BACKUP_COMPRESSION_LEVEL", "9" },
        { "BACKUP_AGE_RECIPIENTS", "age1x,age1y" },
        { "BACKUP_SIGNING_KEY_FILE", "/run/secrets/neo4j-backup/signing/signing.pem" },
        { "BACKUP_SIGNING_KEY_SECRET", "sign" },
        { "BACKUP_VERIFY_KEY", "MCo1,MCo2" },
        { "BACKUP_RETENTION_DAYS", "30" },
        { "BACKUP_KEEP_LAST", "3" },
        { "BACKUP_KEEP_HOURLY", "(unset)" },
        { "BACKUP_KEEP_YEARLY", "0" },
        { "BACKUP_MINIMUM_SUCCESSFUL", "2" },
        { "BACKUP_VERIFY_LEVEL", "Readback" },
        { "BACKUP_VERIFY_TIMEOUT_SECONDS", "60" },
        { "BACKUP_RETRY_WINDOW_SECONDS", "0" },
        { "BACKUP_AGE_IDENTITY_FILE", "(unset)" },
        { "LOG_FORMAT", "json" },
        { "LOG_LEVEL", "info" },
        { "TERMINATION_MESSAGE_FILE", "/dev/termination-log" },
    };
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 20);
    nb_auto(nb_json_free) struct nb_json *job = job_of(API_JOB_BACKUP, full, "", &text);

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(rows); i++)
        if (!nb_streq(env_of(job, rows[i].name), rows[i].value))
            fail_msg("%s is '%s', not '%s'", rows[i].name, env_of(job, rows[i].name),
                     rows[i].value);
}

/* Every name that a Job sets is in the document, and it names no other in its first columns. */
static void job_environment_is_documented(void **state)
{
    static const enum api_job_kind kinds[] = { API_JOB_BACKUP, API_JOB_VERIFY, API_JOB_PRUNE,
                                               API_JOB_PIN, API_JOB_LIST };
    FILE *f = fopen("docs/worker-environment.md", "r");
    static char doc[60000];

    (void)state;
    assert_non_null(f);
    doc[fread(doc, 1, sizeof(doc) - 1, f)] = '\0';
    fclose(f);
    for (size_t i = 0; i < NB_ARRAY_LEN(kinds); i++) {
        nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 20);
        nb_auto(nb_json_free) struct nb_json *job = job_of(kinds[i], full, "k1,k2", &text);
        const struct nb_json *c = nb_json_first(nb_json_at(job, "spec.template.spec.containers"));

        for (const struct nb_json *e = nb_json_first(nb_json_get(c, "env")); e;
             e = nb_json_next(e)) {
            char quoted[200];

            snprintf(quoted, sizeof(quoted), "`%s`", nb_json_str(nb_json_get(e, "name"), ""));
            if (!strstr(doc, quoted))
                fail_msg("%s is not documented", quoted);
        }
    }
}

static void job_is_hardened_and_owned(void **state)
{
    static const char *const parts[] = {
        "\"ownerReferences\":[{\"apiVersion\":\"neo4jbackup.dev/"
        "v1\",\"kind\":\"Neo4jBackupRun\",\"name\":\"b-1\",\"uid\":"
        "\"run-uid\",\"controller\":true,\"blockOwnerDeletion\":true}]",
        "\"restartPolicy\":\"Never\",\"automountServiceAccountToken\":false,\"enableServiceLinks\":"
        "false",
        "\"securityContext\":{\"runAsNonRoot\":true,\"runAsUser\":65532,\"runAsGroup\":65532,"
        "\"fsGroup\":65532,"
        "\"seccompProfile\":{\"type\":\"RuntimeDefault\"}}",
        "\"allowPrivilegeEscalation\":false,\"readOnlyRootFilesystem\":true,\"capabilities\":{"
        "\"drop\":[\"ALL\"]}",
        "\"terminationMessagePath\":\"/dev/termination-log\",\"terminationMessagePolicy\":\"File\"",
        "\"podReplacementPolicy\":\"Failed\",\"activeDeadlineSeconds\":3600,"
        "\"ttlSecondsAfterFinished\":60",
        "\"podFailurePolicy\":{\"rules\":[{\"action\":\"Ignore\",\"onPodConditions\":[{\"type\":"
        "\"DisruptionTarget\","
        "\"status\":\"True\"}]},{\"action\":\"FailJob\",\"onExitCodes\":{\"containerName\":"
        "\"worker\",\"operator\":\"In\","
        "\"values\":[2,3,11,12,20,21,31,40,50,51]}}]}",
        "{\"name\":\"neo4j\",\"secret\":{\"secretName\":\"auth\",\"defaultMode\":288,\"optional\":"
        "true}}",
        "{\"name\":\"neo4j-ca\",\"secret\":{\"secretName\":\"ca\",\"defaultMode\":288,\"optional\":"
        "true,\"items\":[{\"key\":"
        "\"root.pem\",\"path\":\"ca.crt\"}]}}",
        "\"nodeSelector\":{\"disk\":\"ssd\"},\"tolerations\":[{\"operator\":\"Exists\"}],"
        "\"affinity\":{\"nodeAffinity\":{}}",
        "\"priorityClassName\":\"low\"",
        "\"imagePullSecrets\":[{\"name\":\"pull\"}]",
        "\"args\":[\"backup\"]",
        "\"image\":\"worker:1\"",
        "\"team\":\"data\"",
        "\"resources\":{\"limits\":{\"memory\":\"1Gi\"}}",
    };
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 20);
    nb_auto(nb_json_free) struct nb_json *job = job_of(API_JOB_BACKUP, full, "", &text);

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(parts); i++)
        if (!strstr(text.data, parts[i]))
            fail_msg("not there: %s\n%s", parts[i], text.data);
    assert_null(strstr(text.data, "evil"));
    assert_null(strstr(text.data, "emptyDir"));
    assert_null(strstr(text.data, "initContainers"));
}

static void job_that_waited_is_not_tried_again_for_outages(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 20);
    nb_auto(nb_json_free) struct nb_json *job =
        job_of(API_JOB_BACKUP,
               "{\"connection\":{\"uri\":\"bolt://n\"},\"storage\":{\"r2\":{\"bucket\":\"b\"}}}",
               "", &text);

    (void)state;
    assert_non_null(strstr(text.data, "[2,3,10,11,12,20,21,22,31,40,50,51]"));
    assert_string_equal(env_of(job, "NEO4J_AUTH"), "none");
    assert_string_equal(env_of(job, "NEO4J_AUTH_DIR"), "(unset)");
    assert_string_equal(env_of(job, "R2_REGION"), "(unset)"); /* the worker's default is R2's */
    assert_string_equal(env_of(job, "BACKUP_PREFIX"), "neo4j-backup");
}

static void job_without_need_gets_no_neo4j(void **state)
{
    static const enum api_job_kind kinds[] = { API_JOB_VERIFY, API_JOB_PRUNE, API_JOB_PIN,
                                               API_JOB_LIST };

    (void)state;
    for (size_t i = 0; i < NB_ARRAY_LEN(kinds); i++) {
        nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 20);
        nb_auto(nb_json_free) struct nb_json *job = job_of(kinds[i], full, "k1,k2", &text);

        assert_string_equal(env_of(job, "NEO4J_URI"), "(unset)");
        assert_null(strstr(text.data, "\"secretName\":\"auth\""));
        assert_string_equal(env_of(job, "BACKUP_KEYS"), "k1,k2");
        assert_string_equal(env_of(job, "PRUNE_ALL"),
                            kinds[i] == API_JOB_PRUNE ? "true" : "(unset)");
        assert_string_equal(env_of(job, "BACKUP_PIN"),
                            kinds[i] == API_JOB_PIN ? "true" : "(unset)");
    }
}

static void job_of_level_restore_has_a_scratch_neo4j(void **state)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(1 << 20);
    nb_auto(nb_json_free) struct nb_json *job =
        job_of(API_JOB_VERIFY,
               "{\"storage\":{\"r2\":{\"bucket\":\"b\"}},\"verification\":{\"level\":\"Restore\","
               "\"neo4jImage\":\"neo4j:5\","
               "\"identitySecretRef\":{\"name\":\"age\"}},\"signing\":{\"keySecretRef\":{\"name\":"
               "\"sign\"},\"publicKeys\":[\"MCo1\"]}}",
               "", &text);

    (void)state;
    assert_string_equal(env_of(job, "BACKUP_VERIFY_NEO4J_URI"), "bolt://127.0.0.1:7687");
    assert_string_equal(env_of(job, "BACKUP_AGE_IDENTITY_FILE"),
                        "/run/secrets/neo4j-backup/age/identity");
    assert_string_equal(env_of(job, "BACKUP_AGE_IDENTITY_SECRET"), "age");
    assert_string_equal(env_of(job, "BACKUP_VERIFY_KEY"), "MCo1");
    assert_string_equal(env_of(job, "BACKUP_SIGNING_KEY_FILE"), "(unset)");
    assert_null(strstr(text.data, "\"secretName\":\"sign\"")); /* it only verifies */
    assert_non_null(strstr(text.data, "{\"name\":\"age\",\"secret\":{\"secretName\":\"age\","
                                      "\"defaultMode\":288,\"optional\":true,\"items\":[{\"key\":"
                                      "\"identity\",\"path\":\"identity\"}]}}"));
    assert_non_null(
        strstr(text.data,
               "\"name\":\"scratch-neo4j\",\"image\":\"neo4j:5\",\"restartPolicy\":\"Always\""));
    assert_non_null(strstr(
        text.data, "{\"name\":\"NEO4J_server_default__listen__address\",\"value\":\"127.0.0.1\"}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(job_environment_is_the_contract),
        cmocka_unit_test(job_environment_is_documented),
        cmocka_unit_test(job_is_hardened_and_owned),
        cmocka_unit_test(job_that_waited_is_not_tried_again_for_outages),
        cmocka_unit_test(job_without_need_gets_no_neo4j),
        cmocka_unit_test(job_of_level_restore_has_a_scratch_neo4j),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
