#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/pace.h"
#include "main/command.h"
#include "net/http.h"

const struct command commands[] = {
    { CMD_BACKUP_ALONE, false, "backup", NULL,
      "backs databases up into the bucket, or one into a file",
      "Claims a name in the bucket, exports, uploads, checks size and checksum there, writes the\n"
      "manifest, applies retention. With --output no bucket is needed.",
      cmd_backup },
    { CMD_RESTORE, false, "restore", "[KEY…]",
      "restores databases from the bucket, or one from a file",
      "Without keys: the newest backup of each database. The dump is read twice: first it is "
      "checked\n"
      "from end to end against its manifest and its own counts and digests, and the target is "
      "looked\n"
      "at; nothing is written to a database before both are as they should be. The target must be "
      "empty unless\n"
      "--overwrite says otherwise.",
      cmd_restore },
    { CMD_VERIFY, false, "verify", "[KEY…]", "checks backups in the bucket",
      "Without keys: the newest backup of each database.", cmd_verify },
    { CMD_COMPARE, false, "compare", "A B",
      "says whether two graphs are the same, and if not, where they differ",
      "A and B are each one of: database[:NAME] (of NEO4J_URI), other[:NAME] (of "
      "COMPARE_NEO4J_URI), file:PATH,\n"
      "or the key of a backup in the bucket. Ids and order do not count. Nothing is written "
      "anywhere. What differs\n"
      "is told on standard output, with values of both; the exit code is 0 for equal, 52 for "
      "different.",
      cmd_compare },
    { CMD_FETCH, false, "fetch", "KEY", "writes a backup's whole dump to a file or standard output",
      "The dump as cypher-shell restores it, also of an incremental backup, whose chunks are put\n"
      "together. Every checksum of its manifest is compared on the way; where the dump goes to\n"
      "standard output, the exit code says whether what was written is right.",
      cmd_fetch },
    { CMD_LIST, false, "list", NULL, "lists what is in the bucket", NULL, cmd_list },
    { CMD_PRUNE, false, "prune", NULL, "deletes what retention does not keep", NULL, cmd_prune },
    { CMD_PIN, false, "pin", "KEY…", "keeps backups from retention, or (--pin=false) no longer",
      NULL, cmd_pin },
    { CMD_CHECK, false, "check", NULL,
      "says what of Neo4j and the bucket can be reached, read and written",
      "One line each, with a hint where something is wrong. A small probe object is written and\n"
      "deleted again.",
      cmd_check },
    { CMD_SCHEDULE, true, "schedule", NULL, "runs 'backup' by a schedule, until it is told to stop",
      "The sidecar of docker-compose (docs/sidecar.md): no cron daemon, one process a run, each\n"
      "time once, missed times within a deadline. Takes what 'backup' takes.",
      cmd_schedule },
    { CMD_HEALTH, true, "health", NULL, "says in a sentence whether the schedule is kept",
      "Exit code 0: the schedule is alive, its last time was served and its last backup\n"
      "succeeded, or none was due yet; 1: not so, and why.",
      cmd_health },
    { CMD_VERSION, true, "version", NULL, "prints the version", NULL, cmd_version },
};
const size_t commands_n = NB_ARRAY_LEN(commands);

enum { MALLOC_ARENAS = 2, TRIM_BYTES = 1 << 20, MMAP_BYTES = 256 << 10 };

static struct nb_cancel *cancel;
static volatile sig_atomic_t signals_seen;

static void on_signal(int signal_number)
{
    (void)signal_number;
    if (signals_seen++)
        _exit(EXIT_INTERRUPTED); /* asked twice: at once, without tidying up */
    nb_cancel_set(cancel);
}

/* Passwords are in memory: nobody else's debugger, no core file, no file that others may read. */
static void harden(void)
{
    const struct rlimit no_core = { 0, 0 };

    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &no_core);
    umask(077);
    /* Every thread would get a heap of its own; what is freed goes back to the system. */
    mallopt(M_ARENA_MAX, MALLOC_ARENAS);
    mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
    mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    cancel = nb_cancel_new();
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < commands_n; i++) {
        if (nb_streq(commands[i].name, name))
            return &commands[i];
    }
    return NULL;
}

static enum nb_log_format log_format(const char *name)
{
    return nb_streq(name, "json")   ? NB_LOG_JSON
           : nb_streq(name, "text") ? NB_LOG_TEXT
                                    : NB_LOG_AUTO;
}

static void set_up_log(const struct options *o)
{
    const char *format = opt_text(o, OPT_LOG_FORMAT), *terminal_type = getenv("TERM");
    enum nb_log_level level = NB_LOG_INFO;

    if (!nb_log_level_parse(opt_text(o, OPT_LOG_LEVEL), &level))
        level = NB_LOG_INFO;
    /* The controller reads events out of the log. */
    if ((opt_text(o, OPT_BACKUP_RUN_ID) || opt_text(o, OPT_RESTORE_ID)) && level > NB_LOG_INFO)
        level = NB_LOG_INFO;
    nb_log_setup(level, log_format(format), STDERR_FILENO);
    if (opt_text(o, OPT_BACKUP_RUN_NAME))
        nb_log_scope_push("run", opt_text(o, OPT_BACKUP_RUN_NAME));
    if (opt_text(o, OPT_BACKUP_TRIGGER))
        nb_log_scope_push("trigger", opt_text(o, OPT_BACKUP_TRIGGER));
    if (!terminal_type || nb_streq(terminal_type, "dumb"))
        nb_log_no_status();
}

/* The termination message is written even where the options are wrong. */
static int end(struct context *c, const char *termination_path)
{
    int code = (int)c->report.exit->code;

    nb_log_status(NULL);
    report_write(&c->report, termination_path);
    if (c->record)
        report_record(&c->report, c->record);
    free(c->record);
    report_done(&c->report);
    return code;
}

static bool takes_arguments(const struct command *command, const struct options *o,
                            struct nb_error *err)
{
    size_t n;
    const char *const *args = options_args(o, &n);

    if (command->args || n == 0)
        return true;
    return nb_fail(err, NB_E_INVALID, "InvalidConfiguration",
                   "'%s' takes no argument, but there is '%.100s'; hint: see 'neo4j-backup %s "
                   "--help'",
                   command->name, args[0], command->name);
}

static int run_command(const struct command *command, int argc, char *const *argv,
                       char *const *envp)
{
    nb_auto(options_free) struct options *options = NULL;
    struct context c = { .cancel = cancel, .envp = envp };
    struct nb_error error = NB_ERROR_INIT;
    bool help;

    report_init(&c.report);
    nb_log_setup(NB_LOG_INFO, log_format(options_peek(envp, OPT_LOG_FORMAT)), STDERR_FILENO);
    if (!options_load(command->bit, command->name, argc, argv, envp, &options, &help, &error)) {
        report_failure(&c.report, &error);
        return end(&c, options_peek(envp, OPT_TERMINATION_MESSAGE_FILE));
    }
    if (help) {
        help_print_command(command);
        report_done(&c.report);
        return EXIT_OK;
    }
    c.options = options;
    set_up_log(options);
    if (!takes_arguments(command, options, &error)) {
        report_failure(&c.report, &error);
        return end(&c, opt_text(options, OPT_TERMINATION_MESSAGE_FILE));
    }
    nb_pace_setup((unsigned)opt_int(options, OPT_BACKUP_MAX_CPU_PERCENT, 0));
    if (!command->local)
        http_global_init();
    if (!command->run(&c, &error)) {
        options_hide(options, &error);
        report_failure(&c.report, &error);
    }
    if (!command->local)
        http_global_done();
    return end(&c, opt_text(options, OPT_TERMINATION_MESSAGE_FILE));
}

static int usage(const char *fault)
{
    fprintf(stderr, "neo4j-backup: %s\nhint: see 'neo4j-backup help'\n", fault);
    return EXIT_CONFIGURATION;
}

static int dispatch(int argc, char **argv, char *const *envp)
{
    const struct command *command;

    if (argc < 2)
        return usage("no command is given");
    if (nb_streq(argv[1], "help") || nb_streq(argv[1], "--help") || nb_streq(argv[1], "-h")) {
        if (argc > 2 && nb_streq(argv[2], "--markdown"))
            help_print_markdown();
        else if (argc > 2 && find_command(argv[2]))
            help_print_command(find_command(argv[2]));
        else if (argc > 2)
            return usage("there is no such command");
        else
            help_print();
        return EXIT_OK;
    }
    if (nb_streq(argv[1], "--version"))
        command = find_command("version");
    else
        command = find_command(argv[1]);
    if (!command) {
        nb_auto(nb_free) char *fault = nb_xasprintf("unknown command '%s'", argv[1]);

        return usage(fault);
    }
    return run_command(command, argc - 2, argv + 2, envp);
}

int main(int argc, char **argv)
{
    int code;

    harden();
    catch_signals();
    code = dispatch(argc, argv, environ);
    if (fflush(stdout) != 0 && code == EXIT_OK)
        code = EXIT_INTERNAL;
    return code;
}
