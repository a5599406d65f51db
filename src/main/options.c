#include "main/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/yaml.h"

enum { VALUE_MAX_BYTES = 1 << 20, CONFIG_MAX_BYTES = 1 << 20, ORIGIN_MAX = 320 };

struct value {
    char *text; /* NULL: absent. Not for secrets */
    struct nb_secret *secret;
    struct nb_vec items; /* OPTION_LIST */
    char origin[ORIGIN_MAX];
    bool given;
    bool from_file; /* it may be anything, a secret too: never shown */
    int64_t number; /* OPTION_INT, OPTION_BOOL, OPTION_TIME */
};

struct options {
    enum command_bit command;
    const char *command_name;
    struct value values[OPT_COUNT];
    struct nb_vec args;
};

static bool refuse(struct nb_error *err, const char *fmt, ...) NB_PRINTF(2, 3);
static bool refuse(struct nb_error *err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    nb_vfail(err, NB_E_INVALID, "InvalidConfiguration", fmt, ap);
    va_end(ap);
    return false;
}

bool opt_fail(const struct options *o, enum option_id id, struct nb_error *err, const char *hint,
              const char *fmt, ...)
{
    char text[NB_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    nb_fail(err, NB_E_INVALID, "InvalidConfiguration", "%s %s", opt_origin(o, id), text);
    return hint ? nb_hint(err, "%s", hint) : false;
}

/* --- taking values ---------------------------------------------------------------------------- */

static void set_value(struct value *v, const char *p, size_t n, bool secret, const char *origin)
{
    if (n == 0) /* empty counts as absent */
        return;
    if (secret)
        v->secret = nb_secret_new(p, n);
    else
        v->text = nb_xstrndup(p, n);
    snprintf(v->origin, sizeof(v->origin), "%s", origin);
    v->given = true;
}

/* A file's content without one trailing new line. */
static bool set_from_file(struct value *v, const char *path, bool secret, const char *origin,
                          struct nb_error *err)
{
    nb_auto_done(nb_secret_buf_done) struct nb_buf content;
    size_t n;
    bool ok = true;

    nb_secret_buf_init(&content, VALUE_MAX_BYTES);
    if (!nb_file_read(path, &content, err)) {
        nb_wrap(err, "%s", origin);
        err->code = NB_E_INVALID;
        snprintf(err->reason, sizeof(err->reason), "InvalidConfiguration");
        return nb_hint(err, "it must name a readable file that holds the value");
    }
    n = content.len;
    if (n > 0 && content.data[n - 1] == '\n')
        n--;
    if (n > 0 && content.data[n - 1] == '\r')
        n--;
    if (memchr(nb_buf_cstr(&content), 0, n))
        ok = refuse(err, "%s: '%s' holds a NUL byte", origin, path);
    else
        set_value(v, nb_buf_cstr(&content), n, secret, origin);
    v->from_file = true;
    return ok;
}

static bool is_secret(const struct option_def *def)
{
    return def->kind == OPTION_SECRET;
}

/* --- flags ------------------------------------------------------------------------------------ */

/* The command's own, if two options of different commands share a flag. */
static const struct option_def *find_flag(const char *name, size_t n, enum command_bit command)
{
    const struct option_def *found = NULL;

    for (size_t i = 0; i < OPT_COUNT; i++) {
        const char *flag = option_defs[i].flag;

        if (flag && strlen(flag) == n && memcmp(flag, name, n) == 0 &&
            (!found || (option_defs[i].commands & command)))
            found = &option_defs[i];
    }
    return found;
}

/* Words under which people look for a flag that must not be. */
static bool fail_unknown_flag(const struct options *o, const char *name, size_t n,
                              struct nb_error *err)
{
    static const struct {
        const char *flag, *env;
    } secrets[] = {
        { "password", "NEO4J_PASSWORD" },
        { "pass", "NEO4J_PASSWORD" },
        { "auth", "NEO4J_AUTH" },
        { "token", "NEO4J_BEARER_TOKEN" },
        { "bearer-token", "NEO4J_BEARER_TOKEN" },
        { "access-key-id", "R2_ACCESS_KEY_ID" },
        { "secret-access-key", "R2_SECRET_ACCESS_KEY" },
        { "secret-key", "R2_SECRET_ACCESS_KEY" },
        { "session-token", "R2_SESSION_TOKEN" },
        { "passphrase", "BACKUP_AGE_PASSPHRASE" },
        { "age-passphrase", "BACKUP_AGE_PASSPHRASE" },
    };

    for (size_t i = 0; i < NB_ARRAY_LEN(secrets); i++) {
        if (strlen(secrets[i].flag) == n && memcmp(secrets[i].flag, name, n) == 0)
            return refuse(
                err,
                "--%s: secrets are not taken from the command line, where every process can "
                "read them; hint: set %s or %s_FILE",
                secrets[i].flag, secrets[i].env, secrets[i].env);
    }
    return refuse(err, "unknown flag '--%.*s'; hint: see 'neo4j-backup %s --help'", (int)n, name,
                  o->command_name);
}

/* *i is moved on where the next argument is the flag's value. */
static bool take_flag(struct options *o, int argc, char *const *argv, int *i, struct nb_error *err)
{
    const char *name = argv[*i] + 2, *equals = strchr(name, '='), *text;
    size_t n = equals ? (size_t)(equals - name) : strlen(name);
    const struct option_def *def = find_flag(name, n, o->command);
    char origin[ORIGIN_MAX];
    struct value *v;

    if (!def)
        return fail_unknown_flag(o, name, n, err);
    if (!(def->commands & o->command))
        return refuse(err,
                      "flag '--%s' does not belong to '%s'; hint: see 'neo4j-backup %s --help'",
                      def->flag, o->command_name, o->command_name);
    v = &o->values[def->id];
    if (v->given)
        return refuse(err, "flag '--%s' is given twice", def->flag);
    if (equals)
        text = equals + 1;
    else if (def->kind == OPTION_BOOL)
        text = "true";
    else if (*i + 1 < argc)
        text = argv[++*i];
    else
        return refuse(err, "flag '--%s' needs a value", def->flag);
    snprintf(origin, sizeof(origin), "--%s", def->flag);
    if (*text == '\0')
        return refuse(err, "flag '--%s' has an empty value", def->flag);
    if (def->kind == OPTION_CONTENT)
        return set_from_file(v, text, false, origin, err);
    set_value(v, text, strlen(text), false, origin);
    return true;
}

static bool take_args(struct options *o, int argc, char *const *argv, struct nb_error *err)
{
    for (int i = 0; i < argc; i++) {
        if (nb_streq(argv[i], "--")) {
            for (i++; i < argc; i++)
                nb_vec_push(&o->args, nb_xstrdup(argv[i]));
        } else if (nb_starts_with(argv[i], "--")) {
            if (!take_flag(o, argc, argv, &i, err))
                return false;
        } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            return refuse(err, "unknown flag '%s'; hint: see 'neo4j-backup %s --help'", argv[i],
                          o->command_name);
        } else {
            nb_vec_push(&o->args, nb_xstrdup(argv[i]));
        }
    }
    return true;
}

/* --- environment and file --------------------------------------------------------------------- */

static const char *env_get(char *const *envp, const char *name)
{
    size_t n = strlen(name);

    for (; *envp; envp++) {
        if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
            return (*envp)[n + 1] ? *envp + n + 1 : NULL;
    }
    return NULL;
}

const char *options_peek(char *const *envp, enum option_id id)
{
    return option_defs[id].env ? env_get(envp, option_defs[id].env) : NULL;
}

static bool take_env(struct options *o, const struct option_def *def, char *const *envp,
                     struct nb_error *err)
{
    struct value *v = &o->values[def->id];
    char file_name[128];
    const char *text, *path;

    if (v->given || !def->env)
        return true;
    text = env_get(envp, def->env);
    snprintf(file_name, sizeof(file_name), "%s_FILE", def->env);
    path = def->kind == OPTION_PATH ? NULL : env_get(envp, file_name);
    if (text && path)
        return refuse(err, "%s and %s are both set; hint: set one of them", def->env, file_name);
    if (path)
        return set_from_file(v, path, is_secret(def), file_name, err);
    if (text)
        set_value(v, text, strlen(text), is_secret(def), def->env);
    return true;
}

static void lower_name(const char *env, const char *suffix, char *out, size_t size)
{
    snprintf(out, size, "%s%s", env, suffix);
    for (char *p = out; *p; p++) {
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    }
}

/* A value of the file as the environment would have it. */
// NOLINTNEXTLINE(misc-no-recursion) a list within a list is refused
static bool yaml_text(const struct nb_json *v, const char *what, struct nb_buf *out,
                      struct nb_error *err)
{
    switch (nb_json_type(v)) {
    case NB_JSON_NULL:
        return true;
    case NB_JSON_STRING:
        nb_buf_puts(out, nb_json_str(v, ""));
        return nb_buf_check(out, err);
    case NB_JSON_ARRAY:
        for (const struct nb_json *c = nb_json_first(v); c; c = nb_json_next(c)) {
            if (nb_json_type(c) == NB_JSON_ARRAY)
                return refuse(err, "%s holds a list within a list", what);
            if (out->len > 0)
                nb_buf_putc(out, ',');
            if (!yaml_text(c, what, out, err))
                return false;
        }
        return true;
    case NB_JSON_OBJECT:
        return refuse(err, "%s is a mapping; hint: write one value, or a list", what);
    case NB_JSON_BOOL:
    case NB_JSON_INT:
    case NB_JSON_FLOAT:
        break;
    }
    nb_json_format(v, out);
    return nb_buf_check(out, err);
}

static bool take_yaml_member(struct options *o, const struct nb_json *member, const char *path,
                             struct nb_error *err)
{
    const char *key = nb_json_key(member);
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(VALUE_MAX_BYTES);
    char what[ORIGIN_MAX], name[128];

    snprintf(what, sizeof(what), "'%.64s' in '%.200s'", key, path);
    for (size_t i = 0; i < OPT_COUNT; i++) {
        const struct option_def *def = &option_defs[i];
        struct value *v = &o->values[i];
        bool from_file;

        if (!def->env)
            continue;
        lower_name(def->env, "", name, sizeof(name));
        from_file = !nb_streq(name, key);
        lower_name(def->env, "_FILE", name, sizeof(name));
        if (from_file && (def->kind == OPTION_PATH || !nb_streq(name, key)))
            continue;
        if (v->given || !(def->commands & o->command))
            return true;
        if (!yaml_text(member, what, &text, err))
            return false;
        if (from_file)
            return set_from_file(v, nb_buf_cstr(&text), is_secret(def), what, err);
        set_value(v, nb_buf_cstr(&text), text.len, is_secret(def), what);
        return true;
    }
    return refuse(err,
                  "%s is no option; hint: names are those of the environment in lower case, such "
                  "as neo4j_uri",
                  what);
}

static bool take_yaml(struct options *o, struct nb_error *err)
{
    const char *path = opt_text(o, OPT_CONFIG_FILE);
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(CONFIG_MAX_BYTES);
    nb_auto(nb_json_free) struct nb_json *root = NULL;

    if (!path)
        return true;
    if (!nb_file_read(path, &text, err) ||
        !nb_yaml_parse(nb_buf_cstr(&text), text.len, CONFIG_MAX_BYTES, path, &root, err)) {
        nb_wrap(err, "%s", opt_origin(o, OPT_CONFIG_FILE));
        err->code = NB_E_INVALID;
        snprintf(err->reason, sizeof(err->reason), "InvalidConfiguration");
        return false;
    }
    if (nb_json_type(root) == NB_JSON_NULL)
        return true;
    if (nb_json_type(root) != NB_JSON_OBJECT)
        return refuse(err, "'%s' holds no mapping; hint: write lines such as 'neo4j_uri: …'", path);
    for (const struct nb_json *m = nb_json_first(root); m; m = nb_json_next(m)) {
        if (!take_yaml_member(o, m, path, err))
            return false;
    }
    return true;
}

/* --- what values mean ------------------------------------------------------------------------- */

static const char file_content[] = "(the content of a file)";

static const char *shown(const struct value *v)
{
    return v->from_file ? file_content : v->text;
}

/* Certificates are long, and no validator quotes them: parts of them are in any text. */
static bool is_in_a_file(const struct options *o, const char *p, size_t n)
{
    nb_auto(nb_free) char *part = nb_xstrndup(p, n);

    for (size_t i = 0; i < OPT_COUNT && n > 0; i++) {
        const struct value *v = &o->values[i];

        if (v->from_file && v->text && option_defs[i].kind != OPTION_CONTENT &&
            strstr(v->text, part))
            return true;
    }
    return false;
}

void options_hide(const struct options *o, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT((size_t)2 * NB_TEXT_MAX);
    const char *p = err->text, *quote;

    while ((quote = strchr(p, '\''))) {
        const char *from = quote + 1, *to = from + strcspn(from, "'"); /* it may be cut off */

        nb_buf_append(&text, p, (size_t)(from - p));
        p = from;
        if (is_in_a_file(o, from, (size_t)(to - from))) {
            nb_buf_puts(&text, file_content);
            p = to;
        }
    }
    nb_buf_puts(&text, p);
    snprintf(err->text, sizeof(err->text), "%s", text.overflow ? file_content : nb_buf_cstr(&text));
}

static bool parse_choice(struct options *o, const struct option_def *def, struct value *v,
                         struct nb_error *err)
{
    const char *p = def->values;

    while (p) {
        const char *bar = strchr(p, '|');
        size_t n = bar ? (size_t)(bar - p) : strlen(p);
        nb_auto(nb_free) char *choice = nb_xstrndup(p, n);

        if (nb_strcaseeq_ascii(choice, v->text)) {
            free(v->text);
            v->text = nb_steal(choice);
            return true;
        }
        p = bar ? bar + 1 : NULL;
    }
    nb_fail(err, NB_E_INVALID, "InvalidConfiguration", "%s is '%.100s', not one of %s",
            opt_origin(o, def->id), shown(v), def->values);
    return false;
}

static bool parse_list(struct options *o, const struct option_def *def, struct value *v,
                       struct nb_error *err)
{
    const char *p = v->text;

    while (p) {
        const char *comma = strchr(p, ',');
        const char *end = comma ? comma : p + strlen(p);

        while (p < end && *p == ' ')
            p++;
        while (end > p && end[-1] == ' ')
            end--;
        if (p == end)
            return opt_fail(o, def->id, err, "separate names by one comma each",
                            "has an empty name in its list");
        nb_vec_push(&v->items, nb_xstrndup(p, (size_t)(end - p)));
        p = comma ? comma + 1 : NULL;
    }
    return true;
}

static bool parse_value(struct options *o, const struct option_def *def, struct nb_error *err)
{
    struct value *v = &o->values[def->id];

    if (!v->text)
        return true;
    switch (def->kind) {
    case OPTION_BOOL:
        v->number = nb_strcaseeq_ascii(v->text, "true");
        if (!v->number && !nb_strcaseeq_ascii(v->text, "false"))
            return opt_fail(o, def->id, err, "write true or false", "is '%.100s', no truth value",
                            shown(v));
        return true;
    case OPTION_INT:
        if (!nb_parse_i64(v->text, def->min, def->max, &v->number)) {
            if (def->max == INT64_MAX)
                return opt_fail(o, def->id, err, NULL,
                                "is '%.100s', not a whole number of at least %lld", shown(v),
                                (long long)def->min);
            return opt_fail(o, def->id, err, NULL,
                            "is '%.100s', not a whole number from %lld to %lld", shown(v),
                            (long long)def->min, (long long)def->max);
        }
        return true;
    case OPTION_TIME:
        if (!nb_time_parse(v->text, &v->number))
            return opt_fail(o, def->id, err, "write it like 2025-10-08T02:00:00Z",
                            "is '%.100s', no time", shown(v));
        return true;
    case OPTION_CHOICE:
        return parse_choice(o, def, v, err);
    case OPTION_LIST:
        return parse_list(o, def, v, err);
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_CONTENT:
    case OPTION_PATH:
        break;
    }
    return true;
}

static bool finish(struct options *o, struct nb_error *err)
{
    for (size_t i = 0; i < OPT_COUNT; i++) {
        const struct option_def *def = &option_defs[i];
        struct value *v = &o->values[i];

        if (!v->given && def->dflt) {
            v->text = nb_xstrdup(def->dflt);
            snprintf(v->origin, sizeof(v->origin), "%s", def->env ? def->env : def->flag);
        }
        if ((def->commands & o->command) && !parse_value(o, def, err))
            return false;
    }
    return true;
}

static bool wants_help(int argc, char *const *argv)
{
    for (int i = 0; i < argc && !nb_streq(argv[i], "--"); i++) {
        if (nb_streq(argv[i], "--help") || nb_streq(argv[i], "-h"))
            return true;
    }
    return false;
}

bool options_load(enum command_bit command, const char *command_name, int argc, char *const *argv,
                  char *const *envp, struct options **ret, bool *ret_help, struct nb_error *err)
{
    nb_auto(options_free) struct options *o = NB_NEW(struct options);

    o->command = command;
    o->command_name = command_name;
    *ret_help = wants_help(argc, argv);
    if (*ret_help)
        return true;
    if (!take_args(o, argc, argv, err))
        return false;
    for (size_t i = 0; i < OPT_COUNT; i++) {
        if ((option_defs[i].commands & command) && !take_env(o, &option_defs[i], envp, err))
            return false;
    }
    if (!take_yaml(o, err) || !finish(o, err))
        return false;
    *ret = nb_steal(o);
    return true;
}

void options_free(struct options *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < OPT_COUNT; i++) {
        struct value *v = &o->values[i];

        free(v->text);
        nb_secret_free(v->secret);
        for (size_t k = 0; k < v->items.count; k++)
            free(v->items.items[k]);
        nb_vec_done(&v->items);
    }
    for (size_t k = 0; k < o->args.count; k++)
        free(o->args.items[k]);
    nb_vec_done(&o->args);
    free(o);
}

/* --- reading ---------------------------------------------------------------------------------- */

const char *const *options_args(const struct options *o, size_t *ret_n)
{
    *ret_n = o->args.count;
    return (const char *const *)o->args.items;
}

const char *opt_text(const struct options *o, enum option_id id)
{
    return o->values[id].text;
}

const struct nb_secret *opt_secret(const struct options *o, enum option_id id)
{
    return o->values[id].secret;
}

bool opt_given(const struct options *o, enum option_id id)
{
    return o->values[id].given;
}

bool opt_belongs(const struct options *o, enum option_id id)
{
    return (option_defs[id].commands & o->command) != 0;
}

bool opt_for_command(const struct options *o, unsigned bits)
{
    return (bits & o->command) != 0;
}

int64_t opt_int(const struct options *o, enum option_id id, int64_t absent)
{
    return o->values[id].text ? o->values[id].number : absent;
}

bool opt_bool(const struct options *o, enum option_id id)
{
    return o->values[id].text && o->values[id].number;
}

int64_t opt_time(const struct options *o, enum option_id id, int64_t absent)
{
    return opt_int(o, id, absent);
}

size_t opt_list_count(const struct options *o, enum option_id id)
{
    return o->values[id].items.count;
}

const char *opt_list_get(const struct options *o, enum option_id id, size_t i)
{
    return o->values[id].items.items[i];
}

const char *opt_origin(const struct options *o, enum option_id id)
{
    const struct option_def *def = &option_defs[id];

    if (o->values[id].origin[0])
        return o->values[id].origin;
    return def->env ? def->env : def->flag;
}

bool options_have_flags(const struct options *o)
{
    for (size_t i = 0; i < OPT_COUNT; i++) {
        if (o->values[i].given && nb_starts_with(o->values[i].origin, "--"))
            return true;
    }
    return false;
}

/* --- the environment of a program that we start ----------------------------------------------- */

/* "NAME=..." or "NAME_FILE=..." where wanted begins with "NAME", then '=' or its end. */
static bool is_about(const char *entry, const char *wanted)
{
    size_t n = strcspn(wanted, "=");

    return strncmp(entry, wanted, n) == 0 &&
           (entry[n] == '=' || nb_starts_with(entry + n, "_FILE="));
}

static bool is_changed(const char *entry, char *const *changes)
{
    for (; *changes; changes++) {
        if (is_about(entry, *changes))
            return true;
    }
    return false;
}

char **options_env_new(const struct options *o, char *const *envp, const char *const *changes,
                       size_t changes_n)
{
    struct nb_vec all = { NULL, 0, 0 }, env = { NULL, 0, 0 };

    for (size_t i = 0; i < changes_n; i++)
        nb_vec_push(&all, nb_xstrdup(changes[i]));
    for (size_t i = 0; i < OPT_COUNT; i++) {
        const struct value *v = &o->values[i];

        if (option_defs[i].env && v->given && v->text && nb_starts_with(v->origin, "--"))
            nb_vec_push(&all, nb_xasprintf("%s=%s", option_defs[i].env, v->text));
    }
    nb_vec_push(&all, NULL);
    for (; *envp; envp++) {
        if (!is_changed(*envp, (char *const *)all.items))
            nb_vec_push(&env, nb_xstrdup(*envp));
    }
    for (size_t i = 0; i + 1 < all.count; i++) {
        if (strchr(all.items[i], '='))
            nb_vec_push(&env, all.items[i]);
        else
            free(all.items[i]);
    }
    nb_vec_push(&env, NULL);
    nb_vec_done(&all);
    return (char **)env.items;
}

void options_env_free(char **env)
{
    for (size_t i = 0; env && env[i]; i++)
        free(env[i]);
    free(env);
}
