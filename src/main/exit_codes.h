#ifndef NB_MAIN_EXIT_CODES_H
#define NB_MAIN_EXIT_CODES_H

/*
 * What a run's end means, as exit code and reason (docs/worker-environment.md, docs/cli.md).
 * Stable: the Job's podFailurePolicy branches on them. Pure.
 */

#include <stddef.h>

#include "base/error.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_INTERNAL = 1,
    EXIT_CONFIGURATION = 2,
    EXIT_PARTIAL = 3,
    EXIT_NEO4J_UNAVAILABLE = 10,
    EXIT_NEO4J_AUTH = 11,
    EXIT_DATABASE_NOT_FOUND = 12,
    EXIT_BUCKET_NOT_FOUND = 20,
    EXIT_ACCESS_DENIED = 21,
    EXIT_STORAGE_UNAVAILABLE = 22,
    EXIT_NAME_CONFLICT = 30,
    EXIT_RETENTION_BLOCKED = 31,
    EXIT_ALREADY_RUNNING = 32,
    EXIT_NOT_CLOSED = 40,
    EXIT_VERIFICATION = 50,
    EXIT_RESTORE_INCOMPLETE = 51,
    EXIT_DIFFERENT = 52,
    EXIT_INTERRUPTED = 75,
};

struct exit_def {
    enum exit_code code;
    bool retriable;       /* a later run may do better without anybody's help */
    const char *reason;   /* default, when the error has no more exact one that is public */
    const char *headline; /* put before the text; NULL: none */
    const char *hint;     /* appended unless the error has one; NULL: none */
    const char *meaning;  /* for docs/cli.md */
};
extern const struct exit_def exit_defs[];
extern const size_t exit_defs_n;

const struct exit_def *exit_def_get(enum exit_code code);
/* Which one an error ends with. */
const struct exit_def *exit_of(const struct nb_error *err);
/* The reason that goes to conditions and events: err's own where it says more, else the default. */
const char *exit_reason(const struct exit_def *def, const struct nb_error *err);
/* Headline and hint put around the error's text. Once. */
void exit_explain(const struct exit_def *def, struct nb_error *err);

#endif
