#ifndef NB_MAIN_REPORT_H
#define NB_MAIN_REPORT_H

/*
 * What a run tells: log lines with an `event`, the termination message, the exit code
 * (docs/worker-environment.md). The log may be written to by any thread; a report belongs to one.
 */

#include "engine/backup.h"
#include "main/exit_codes.h"

enum { REPORT_TERMINATION_MAX_BYTES = 4096, REPORT_POINTS_MAX = 50 };

struct report {
    const struct exit_def *exit;
    char reason[NB_REASON_MAX];
    char message[NB_TEXT_MAX];
    int64_t start_mono_ms;
    unsigned databases, pruned;
    bool has_artifact, has_restore, has_stored, has_retention, retention_healthy, verification_ok;

    /* Of the first database; sums over all. */
    char sha256[NB_SHA256_HEX];
    enum repo_consistency consistency; /* the weakest */
    char *manifest_key, *key, *database, *engine, *server_version;
    uint64_t size_bytes, plain_bytes;
    int64_t nodes, relationships, indexes, constraints;
    char *safety_backup; /* its manifest's key, of the first; NULL: none */
    struct repo_strings failed_databases;
    int64_t expiry_unix_seconds; /* 0: never, or not known */

    uint64_t stored_count, stored_bytes;
    int64_t stored_oldest, stored_newest; /* unix seconds */

    char retention_reason[NB_REASON_MAX];
    char retention_message[NB_TEXT_MAX];

    const char *verification_level; /* NULL: none */
    int64_t verification_seconds;
    char verification_message[NB_TEXT_MAX];
};

void report_init(struct report *r);
void report_done(struct report *r);
NB_AUTO_DONE_DEFINE(struct report, report_done)

/* Events. Progress is a bar where the log goes to a terminal, else a line. */
void report_progress(const char *database, const struct eng_progress *p);
/* How often it is to be called; 0: as eng_backup does by itself. */
int64_t report_progress_interval_ms(void);
void report_artifact(struct report *r, const struct eng_backup_result *backup);
void report_database_failed(struct report *r, const char *database, const struct nb_error *err);
/* A hook of eng_verify_opts. */
void report_other_etags(void *ctx, unsigned n);
void report_pruned(const struct repo_backup *b, enum retention_reason reason);
/* What its maker had to say of it, a line each. */
void report_warnings(const struct repo_manifest *m);
/* The newest backup of a database is not to be had: logged, and the message of a success. */
void report_passed_over(struct report *r, const struct repo_choice *choice);
/* A restore leaves the system database's backup out; way: what brings users and roles back. Logged,
 * and the message of a success. */
void report_system_left_out(struct report *r, const char *key, const char *way);
/* Retention had to read it. */
void report_proven(const struct repo_backup *b);
/* Our own backups; fills stored. */
void report_inventory(struct report *r, const struct repo_backups *backups);

/* A restore's. What was chosen, before the first write; time_unix_seconds 0: not known. */
void report_source(const char *database, const char *manifest_key, const char *key,
                   int64_t time_unix_seconds, uint64_t size_bytes);
/* What the target held is backed up, and will be wiped. */
void report_safety(struct report *r, const struct eng_backup_result *backup);
struct report_restore {
    const char *database, *target; /* from, to */
    const char *key, *manifest_key;
    uint64_t nodes, relationships, indexes, constraints;
    const char *server_version;
    int64_t seconds;
    const struct nb_error *error; /* NULL: it succeeded */
};
/* One database; sums go into the termination message. */
void report_restored(struct report *r, const struct report_restore *d);

/* The run failed with err: explained and logged; sets exit, reason and message. */
void report_failure(struct report *r, struct nb_error *err);
void report_set_exit(struct report *r, enum exit_code code, const char *message);
/* At most REPORT_TERMINATION_MAX_BYTES of JSON. */
void report_format(const struct report *r, struct nb_buf *out);
/* path NULL: nothing to do. A failure is logged. */
void report_write(const struct report *r, const char *path);
/* The same text into a file that appears at once. */
void report_record(const struct report *r, const char *path);

#endif
