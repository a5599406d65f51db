#ifndef NB_MAIN_COMMAND_H
#define NB_MAIN_COMMAND_H

/* The subcommands: one cmd_<name>.c each. */

#include "main/options.h"
#include "main/report.h"

struct context {
    const struct options *options;
    struct nb_cancel *cancel; /* set by SIGTERM and SIGINT */
    char *const *envp;
    char *record; /* a file where the end is written down too, whole; to be freed; NULL: none */
    struct report report;
};

struct command {
    enum command_bit bit;
    bool local; /* talks to nobody: no library of the network is set up */
    const char *name, *args, *summary;
    const char *text; /* for --help, below the summary; may be NULL */
    /* True: the report's exit code counts. False: err's. */
    bool (*run)(struct context *c, struct nb_error *err);
};
extern const struct command commands[];
extern const size_t commands_n;

bool cmd_backup(struct context *c, struct nb_error *err);
bool cmd_restore(struct context *c, struct nb_error *err);
bool cmd_verify(struct context *c, struct nb_error *err);
bool cmd_compare(struct context *c, struct nb_error *err);
bool cmd_fetch(struct context *c, struct nb_error *err);
bool cmd_list(struct context *c, struct nb_error *err);
bool cmd_prune(struct context *c, struct nb_error *err);
bool cmd_pin(struct context *c, struct nb_error *err);
bool cmd_check(struct context *c, struct nb_error *err);
bool cmd_schedule(struct context *c, struct nb_error *err);
bool cmd_health(struct context *c, struct nb_error *err);
bool cmd_version(struct context *c, struct nb_error *err);

/* help.c. To stdout. */
void help_print(void);
void help_print_command(const struct command *command);
void help_print_markdown(void); /* docs/cli.md */

/* output.c. Standard output, whole lines; a failed write ends the program's success. */
void out_printf(const char *fmt, ...) NB_PRINTF(1, 2);
void out_buf(const struct nb_buf *b);
NB_NODISCARD bool out_finish(struct nb_error *err);
/* "1.2 MB"; out of 16 bytes. */
const char *out_size(uint64_t bytes, char *out);

#endif
