#include "controller/options.h"

#include "base/json.h"
#include "base/mem.h"

enum type { TEXT, NUMBER, BOOLEAN };

struct option {
    const char *flag, *env, *dflt, *help;
    enum type type;
    size_t offset;
    int64_t min, max;
};

#define AT(member) offsetof(struct ctl_options, member)
#define TEXT_OPTION(flag_, env_, dflt_, member, help_)                                             \
    {                                                                                              \
        .flag = (flag_), .env = (env_), .dflt = (dflt_), .help = (help_), .type = TEXT,            \
        .offset = AT(member)                                                                       \
    }
#define NUMBER_OPTION(flag_, env_, dflt_, member, min_, max_, help_)                               \
    {                                                                                              \
        .flag = (flag_), .env = (env_), .dflt = (dflt_), .help = (help_), .type = NUMBER,          \
        .offset = AT(member), .min = (min_), .max = (max_)                                         \
    }
#define BOOLEAN_OPTION(flag_, env_, dflt_, member, help_)                                          \
    {                                                                                              \
        .flag = (flag_), .env = (env_), .dflt = (dflt_), .help = (help_), .type = BOOLEAN,         \
        .offset = AT(member)                                                                       \
    }

/* Texts that are turned into something else after all is read. */
struct raw {
    struct ctl_options options;
    char *log_level, *log_format;
};

static const struct option table[] = {
    TEXT_OPTION("kubeconfig", "KUBECONFIG", "", kubeconfig,
                "kubeconfig file; without one the pod's ServiceAccount"),
    TEXT_OPTION("context", "KUBE_CONTEXT", "", context, "context of the kubeconfig"),
    TEXT_OPTION("namespace", "WATCH_NAMESPACE", "", ns, "namespace to watch; empty: all"),
    TEXT_OPTION("worker-image", "WORKER_IMAGE", "", worker_image, "image of the worker (needed)"),
    TEXT_OPTION("image-pull-policy", "WORKER_IMAGE_PULL_POLICY", "", image_pull_policy,
                "Always, IfNotPresent or Never; empty: the cluster's default"),
    TEXT_OPTION("image-pull-secrets", "WORKER_IMAGE_PULL_SECRETS", "", image_pull_secrets,
                "JSON list [{\"name\":\"...\"}] for worker pods"),
    NUMBER_OPTION("worker-uid", "WORKER_UID", "65532", worker_uid, -1, 2147483647,
                  "user, group and fsGroup of worker pods; -1: the platform chooses"),
    TEXT_OPTION("worker-log-level", "WORKER_LOG_LEVEL", "info", worker_log_level,
                "log level of workers"),
    TEXT_OPTION("verify-neo4j-image", "VERIFY_NEO4J_IMAGE", "", verify_neo4j_image,
                "image of the scratch Neo4j for verification by restore"),
    NUMBER_OPTION("storage-cost-micro-usd", "STORAGE_COST_MICRO_USD", "15000",
                  storage_cost_micro_usd, 0, 1000000000,
                  "price of a GB and month, for status.stored"),
    BOOLEAN_OPTION("leader-elect", "LEADER_ELECT", "true", leader_elect,
                   "act only while holding the Lease"),
    TEXT_OPTION("lease-namespace", "LEASE_NAMESPACE", "", lease_ns,
                "namespace of the Lease; empty: POD_NAMESPACE, else that of the credentials"),
    TEXT_OPTION("lease-name", "LEASE_NAME", "neo4j-backup-controller", lease_name,
                "name of the Lease"),
    TEXT_OPTION("identity", "POD_NAME", "", identity, "our name in the Lease; empty: host name"),
    TEXT_OPTION("metrics-addr", "METRICS_ADDR", ":8080", metrics_addr,
                "address of /healthz, /readyz and /metrics; 0: none"),
    TEXT_OPTION("config", "CONFIG_FILE", "", config,
                "YAML file with the notification channels; read again when it changes"),
    { .flag = "log-level",
      .env = "LOG_LEVEL",
      .dflt = "info",
      .type = TEXT,
      .offset = offsetof(struct raw, log_level),
      .help = "debug, info, warn or error" },
    { .flag = "log-format",
      .env = "LOG_FORMAT",
      .dflt = "auto",
      .type = TEXT,
      .offset = offsetof(struct raw, log_format),
      .help = "json, text or auto" },
    TEXT_OPTION("zoneinfo-dir", "ZONEINFO_DIR", "/usr/share/zoneinfo", zoneinfo_dir,
                "time zone database"),
    NUMBER_OPTION("workers", "WORKERS", "2", workers, 1, 32, "reconciliations at a time"),
};

static bool set(struct raw *raw, const struct option *o, const char *value, struct nb_error *err)
{
    char *at = (char *)raw + o->offset;

    if (o->type == TEXT) {
        char **text = (void *)at;

        free(*text);
        *text = nb_xstrdup(value);
        return true;
    }
    if (o->type == NUMBER) {
        return nb_parse_i64(value, o->min, o->max, (void *)at) ||
               nb_fail(err, NB_E_INVALID, "InvalidOption",
                       "'--%s' is '%s', not a number from %lld to %lld", o->flag, value,
                       (long long)o->min, (long long)o->max);
    }
    if (!nb_streq(value, "true") && !nb_streq(value, "false"))
        return nb_fail(err, NB_E_INVALID, "InvalidOption", "'--%s' is '%s', neither true nor false",
                       o->flag, value);
    *(bool *)(void *)at = nb_streq(value, "true");
    return true;
}

static const struct option *find(const char *flag, size_t n)
{
    for (size_t i = 0; i < NB_ARRAY_LEN(table); i++)
        if (strlen(table[i].flag) == n && memcmp(table[i].flag, flag, n) == 0)
            return &table[i];
    return NULL;
}

static bool read_defaults(struct raw *raw, ctl_env_fn *env, struct nb_error *err)
{
    for (size_t i = 0; i < NB_ARRAY_LEN(table); i++) {
        const char *value = env(table[i].env);

        if (!set(raw, &table[i], value && value[0] ? value : table[i].dflt, err))
            return nb_wrap(err, "environment '%s'", table[i].env);
    }
    return true;
}

static bool read_flags(struct raw *raw, int argc, char *const *argv, struct nb_error *err)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i], *name = arg + 2, *eq = strchr(arg, '=');
        const struct option *o;
        const char *value;

        if (nb_streq(arg, "--help") || nb_streq(arg, "-h")) {
            raw->options.help = true;
            continue;
        }
        if (nb_streq(arg, "--version")) {
            raw->options.version = true;
            continue;
        }
        o = nb_starts_with(arg, "--") ? find(name, eq ? (size_t)(eq - name) : strlen(name)) : NULL;
        if (!o)
            return nb_fail(err, NB_E_INVALID, "InvalidOption",
                           "unknown argument '%s'; hint: --help", arg);
        if (eq)
            value = eq + 1;
        else if (o->type == BOOLEAN)
            value = "true";
        else if (i + 1 < argc)
            value = argv[++i];
        else
            return nb_fail(err, NB_E_INVALID, "InvalidOption", "'%s' needs a value", arg);
        if (!set(raw, o, value, err))
            return false;
    }
    return true;
}

static bool check_pull_secrets(const char *text, struct nb_error *err)
{
    nb_auto(nb_json_free) struct nb_json *list = NULL;

    if (text[0] == '\0')
        return true;
    return (nb_json_parse(text, strlen(text), 65536, &list, err) &&
            (nb_json_type(list) == NB_JSON_ARRAY ||
             nb_fail(err, NB_E_INVALID, "InvalidOption", "not a JSON list"))) ||
           nb_wrap(err, "'--image-pull-secrets'");
}

static bool settle(struct raw *raw, ctl_env_fn *env, struct nb_error *err)
{
    static const char *const policies[] = { "", "Always", "IfNotPresent", "Never" };
    struct ctl_options *o = &raw->options;
    const char *pod_ns = env("POD_NAMESPACE"), *host = env("KUBERNETES_SERVICE_HOST"),
               *port = env("KUBERNETES_SERVICE_PORT");
    bool known = false;

    for (size_t i = 0; i < NB_ARRAY_LEN(policies); i++)
        known |= nb_streq(policies[i], o->image_pull_policy);
    if (!known)
        return nb_fail(err, NB_E_INVALID, "InvalidOption",
                       "'--image-pull-policy' is '%s', none of Always, IfNotPresent, Never",
                       o->image_pull_policy);
    if (!nb_log_level_parse(raw->log_level, &o->log_level))
        return nb_fail(err, NB_E_INVALID, "InvalidOption",
                       "'--log-level' is '%s', none of debug, info, warn, error", raw->log_level);
    if (!nb_streq(raw->log_format, "auto") && !nb_streq(raw->log_format, "json") &&
        !nb_streq(raw->log_format, "text"))
        return nb_fail(err, NB_E_INVALID, "InvalidOption",
                       "'--log-format' is '%s', none of json, text, auto", raw->log_format);
    o->log_format = nb_streq(raw->log_format, "auto")   ? NB_LOG_AUTO
                    : nb_streq(raw->log_format, "json") ? NB_LOG_JSON
                                                        : NB_LOG_TEXT;
    if (!check_pull_secrets(o->image_pull_secrets, err))
        return false;
    if (o->lease_ns[0] == '\0' && pod_ns) {
        free(o->lease_ns);
        o->lease_ns = nb_xstrdup(pod_ns);
    }
    o->service_host = nb_xstrdup(host ? host : "");
    o->service_port = nb_xstrdup(port ? port : "");
    return o->help || o->version || o->worker_image[0] ||
           nb_fail(err, NB_E_INVALID, "InvalidOption", "'--worker-image' is missing");
}

bool ctl_options_parse(int argc, char *const *argv, ctl_env_fn *env, struct ctl_options *ret,
                       struct nb_error *err)
{
    struct raw raw = { 0 };
    bool ok = read_defaults(&raw, env, err) && read_flags(&raw, argc, argv, err) &&
              settle(&raw, env, err);

    free(raw.log_level);
    free(raw.log_format);
    *ret = raw.options;
    return ok;
}

void ctl_options_done(struct ctl_options *o)
{
    for (size_t i = 0; i < NB_ARRAY_LEN(table); i++)
        if (table[i].type == TEXT && table[i].offset < sizeof(struct ctl_options))
            free(*(char **)(void *)((char *)o + table[i].offset));
    free(o->service_host);
    free(o->service_port);
    *o = (struct ctl_options){ 0 };
}

void ctl_options_usage(struct nb_buf *out)
{
    nb_buf_puts(out, "usage: neo4j-backup-controller [--flag=value ...]\n\n");
    for (size_t i = 0; i < NB_ARRAY_LEN(table); i++)
        nb_buf_printf(out, "  --%-24s %s\n  %-26s $%s%s%s\n", table[i].flag, table[i].help, "",
                      table[i].env, table[i].dflt[0] ? ", default " : "", table[i].dflt);
    nb_buf_puts(out, "  --help, --version\n");
}
