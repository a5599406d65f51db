#ifndef NB_MAIN_OPTIONS_H
#define NB_MAIN_OPTIONS_H

/*
 * Options of neo4j-backup: one table (options_table.c), from which come the parsing, --help and
 * docs/cli.md.
 *
 * A value comes from a flag, else from the environment (NAME, or NAME_FILE: a path whose content,
 * without one trailing new line, is the value), else from the YAML file named by --config (keys are
 * the environment's names in lower case), else it is the default. An empty value counts as absent.
 * Secrets have no flag: every process may read the command line.
 *
 * Everything that a command takes is checked when it is loaded: the first fault is one error that
 * names the option, what is wrong with it and what to write instead (NB_E_INVALID
 * "InvalidConfiguration").
 *
 * Reading the environment is for this file alone. Read-only once loaded.
 */

#include "base/buf.h"
#include "base/secret.h"

enum option_kind {
    OPTION_TEXT,
    OPTION_SECRET,  /* no flag */
    OPTION_CONTENT, /* the flag and NAME_FILE name a file with it, NAME has it itself */
    OPTION_PATH,    /* of a file; there is no NAME_FILE */
    OPTION_BOOL,    /* true or false; the flag alone is true */
    OPTION_INT,
    OPTION_CHOICE, /* one of values, in any case; opt_text() gives it as the table writes it */
    OPTION_LIST,   /* separated by commas */
    OPTION_TIME,   /* RFC 3339 */
};

enum command_bit {
    CMD_BACKUP_ALONE = 1 << 0,
    CMD_VERIFY = 1 << 1,
    CMD_LIST = 1 << 2,
    CMD_PRUNE = 1 << 3,
    CMD_PIN = 1 << 4,
    CMD_CHECK = 1 << 5,
    CMD_VERSION = 1 << 6,
    CMD_RESTORE = 1 << 7,
    CMD_SCHEDULE = 1 << 10,
    CMD_HEALTH = 1 << 11,
    CMD_FETCH = 1 << 12,
    CMD_COMPARE = 1 << 13,
    CMD_ALL = (1 << 16) - 1,
    /* The schedule's runs are backups: it takes what they take. */
    CMD_BACKUP = CMD_BACKUP_ALONE | CMD_SCHEDULE,
    CMD_BUCKET = CMD_BACKUP | CMD_RESTORE | CMD_VERIFY | CMD_LIST | CMD_PRUNE | CMD_PIN |
                 CMD_CHECK | CMD_FETCH | CMD_COMPARE,
    CMD_NEO4J = CMD_BACKUP | CMD_RESTORE | CMD_CHECK | CMD_COMPARE,
};

/* In the order of the table. */
enum option_id {
    OPT_NEO4J_URI,
    OPT_NEO4J_USER,
    OPT_NEO4J_USERNAME,
    OPT_NEO4J_PASSWORD,
    OPT_NEO4J_AUTH,
    OPT_NEO4J_BEARER_TOKEN,
    OPT_NEO4J_AUTH_DIR,
    OPT_NEO4J_AUTH_SECRET,
    OPT_NEO4J_USERNAME_KEY,
    OPT_NEO4J_PASSWORD_KEY,
    OPT_NEO4J_BEARER_TOKEN_KEY,
    OPT_NEO4J_CA,
    OPT_NEO4J_TLS_SERVER_NAME,
    OPT_NEO4J_DATABASE,
    OPT_NEO4J_DATABASES,
    OPT_NEO4J_EXCLUDE_DATABASES,
    OPT_NEO4J_INCLUDE_SYSTEM,

    OPT_R2_BUCKET_NAME,
    OPT_R2_ACCOUNT_ID,
    OPT_R2_JURISDICTION,
    OPT_R2_ENDPOINT,
    OPT_R2_REGION,
    OPT_R2_FORCE_PATH_STYLE,
    OPT_R2_CA,
    OPT_R2_PART_SIZE_BYTES,
    OPT_R2_ACCESS_KEY_ID,
    OPT_R2_SECRET_ACCESS_KEY,
    OPT_R2_SESSION_TOKEN,
    OPT_R2_CREDENTIALS_DIR,
    OPT_R2_CREDENTIALS_SECRET,
    OPT_R2_ACCESS_KEY_ID_KEY,
    OPT_R2_SECRET_ACCESS_KEY_KEY,
    OPT_R2_SESSION_TOKEN_KEY,
    OPT_R2_ACCOUNT_ID_KEY,
    OPT_BACKUP_PREFIX,

    OPT_BACKUP_OUTPUT,
    OPT_BACKUP_OWNER,
    OPT_BACKUP_OWNER_UID,
    OPT_BACKUP_ADOPT,
    OPT_BACKUP_RUN_ID,
    OPT_BACKUP_RUN_NAME,
    OPT_BACKUP_SCHEDULED_TIME,
    OPT_BACKUP_TRIGGER,
    OPT_BACKUP_DATABASE_FAILURE_POLICY,
    OPT_BACKUP_ENGINE,
    OPT_BACKUP_CONSISTENCY,
    OPT_BACKUP_PARALLELISM,
    OPT_BACKUP_FETCH_SIZE,
    OPT_BACKUP_STATEMENT_BATCH_SIZE,
    OPT_BACKUP_MAX_BYTES_PER_SECOND,
    OPT_BACKUP_TYPE,
    OPT_BACKUP_INCREMENTAL_MAX_CHAIN,
    OPT_BACKUP_COMPRESSION,
    OPT_BACKUP_COMPRESSION_LEVEL,
    OPT_BACKUP_AGE_RECIPIENTS,
    OPT_BACKUP_AGE_PASSPHRASE,
    OPT_BACKUP_AGE_IDENTITY_FILE,
    OPT_BACKUP_AGE_IDENTITY_SECRET,
    OPT_BACKUP_SIGNING_KEY_FILE,
    OPT_BACKUP_SIGNING_KEY_SECRET,
    OPT_BACKUP_VERIFY_KEY,
    OPT_BACKUP_RETENTION_DAYS,
    OPT_BACKUP_KEEP_LAST,
    OPT_BACKUP_KEEP_HOURLY,
    OPT_BACKUP_KEEP_DAILY,
    OPT_BACKUP_KEEP_WEEKLY,
    OPT_BACKUP_KEEP_MONTHLY,
    OPT_BACKUP_KEEP_YEARLY,
    OPT_BACKUP_MINIMUM_SUCCESSFUL,
    OPT_BACKUP_TIMEZONE,
    OPT_BACKUP_VERIFY_LEVEL,
    OPT_BACKUP_VERIFY_TIMEOUT_SECONDS,
    OPT_BACKUP_VERIFY_NEO4J_URI,
    OPT_BACKUP_RETRY_WINDOW_SECONDS,
    OPT_BACKUP_MAX_CPU_PERCENT,
    OPT_BACKUP_KEYS,
    OPT_BACKUP_PIN,
    OPT_PRUNE_ALL,
    OPT_BACKUP_SCHEDULE,
    OPT_RUN_IMMEDIATE_BACKUP,
    OPT_BACKUP_STARTING_DEADLINE_SECONDS,
    OPT_BACKUP_STOP_GRACE_SECONDS,
    OPT_BACKUP_STATE_DIR,

    OPT_RESTORE_INPUT,
    OPT_RESTORE_KEYS,
    OPT_RESTORE_OWNER,
    OPT_RESTORE_BEFORE_TIME,
    OPT_RESTORE_DATABASES,
    OPT_RESTORE_MAPPING,
    OPT_RESTORE_OVERWRITE_POLICY,
    OPT_RESTORE_CONFIRM,
    OPT_RESTORE_SAFETY_BACKUP,
    OPT_RESTORE_SAFETY_BUCKET_NAME,
    OPT_RESTORE_SAFETY_PREFIX,
    OPT_RESTORE_VERIFY,
    OPT_RESTORE_ID,
    OPT_RESTORE_PARALLELISM,
    OPT_RESTORE_BATCH_ROWS,
    OPT_RESTORE_BATCH_BYTES,
    OPT_RESTORE_SPOOL_DIR,
    OPT_RESTORE_NO_PRECHECK,
    OPT_RESTORE_ALLOW_STATEMENTS,
    OPT_COMPARE_NEO4J_URI,
    OPT_COMPARE_NEO4J_USER,
    OPT_COMPARE_NEO4J_PASSWORD,
    OPT_COMPARE_NEO4J_AUTH,
    OPT_COMPARE_NEO4J_CA,
    OPT_FETCH_OUTPUT,
    OPT_FETCH_PLAIN,
    OPT_DRY_RUN,
    OPT_JSON,

    OPT_CONFIG_FILE,
    OPT_LOG_LEVEL,
    OPT_LOG_FORMAT,
    OPT_TERMINATION_MESSAGE_FILE,
    OPT_COUNT,
};

struct option_def {
    enum option_id id;
    enum option_kind kind;
    const char *env;    /* NULL: only a flag */
    const char *flag;   /* without "--"; NULL: only the environment and the file */
    const char *values; /* OPTION_CHOICE: "A|B|C" */
    int64_t min, max;   /* OPTION_INT */
    const char *dflt;   /* NULL: absent */
    const char *help;
    unsigned commands; /* which take it */
};
extern const struct option_def option_defs[OPT_COUNT];

struct options;

/* args: what follows the subcommand. envp: as in main(). What a flag does not take is left in
 * options_args(). *ret_help: --help or -h was there; then nothing else was looked at. */
NB_NODISCARD bool options_load(enum command_bit command, const char *command_name, int argc,
                               char *const *argv, char *const *envp, struct options **ret,
                               bool *ret_help, struct nb_error *err);
/* A value of the environment alone, unchecked: for what must be known when loading fails. NULL:
 * absent. */
const char *options_peek(char *const *envp, enum option_id id);
void options_free(struct options *o);
NB_AUTO_DEFINE(struct options *, options_free)
const char *const *options_args(const struct options *o, size_t *ret_n);

/* Borrowed; NULL when absent without a default. Not for secrets. */
const char *opt_text(const struct options *o, enum option_id id);
const struct nb_secret *opt_secret(const struct options *o, enum option_id id);
bool opt_given(const struct options *o, enum option_id id);       /* not by default */
bool opt_belongs(const struct options *o, enum option_id id);     /* to this command */
bool opt_for_command(const struct options *o, unsigned commands); /* it is one of these */
int64_t opt_int(const struct options *o, enum option_id id, int64_t absent);
bool opt_bool(const struct options *o, enum option_id id);
int64_t opt_time(const struct options *o, enum option_id id, int64_t absent); /* unix seconds */
size_t opt_list_count(const struct options *o, enum option_id id);
const char *opt_list_get(const struct options *o, enum option_id id, size_t i);
/* Where the value came from, for messages: "--uri", "NEO4J_URI", "NEO4J_URI_FILE", "'neo4j_uri'
 * in 'x.yaml'". */
const char *opt_origin(const struct options *o, enum option_id id);

/* Something came by a flag. */
bool options_have_flags(const struct options *o);
/*
 * The environment for a program of ours that is to take the same values: envp with what came by
 * flags put in by name. changes: "NAME=value" replaces, "NAME" takes away (with its _FILE). Ends
 * with NULL; options_env_free().
 */
char **options_env_new(const struct options *o, char *const *envp, const char *const *changes,
                       size_t changes_n);
void options_env_free(char **env);

/* "InvalidConfiguration" about an option: "<origin> <text>; hint: <hint>". False. */
bool opt_fail(const struct options *o, enum option_id id, struct nb_error *err, const char *hint,
              const char *fmt, ...) NB_PRINTF(5, 6);
/* What a text quotes of a value that came from a *_FILE is taken out of it: whoever has named the
 * file of a Secret for another variable must not find it in a log. For errors of whatever looks at
 * values later. */
void options_hide(const struct options *o, struct nb_error *err);

#endif
