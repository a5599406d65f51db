#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "main/child.h"
#include "main/command.h"
#include "main/connect.h"
#include "main/encryption.h"
#include "main/schedule_state.h"
#include "main/slots.h"
#include "main/state_dir.h"

enum {
    LOOK_MS = 15 * 1000,     /* how soon a clock that was set is noticed */
    BUSY_LOOK_MS = 2 * 1000, /* while a slot waits for a backup by hand */
    LATE_SECONDS = 60,       /* a slot that runs later is a CatchUp */
    ABORT_SECONDS = 25,      /* for a run to abort its upload (engine/pulse.h: 20) */
    RECORD_MAX_BYTES = 8 << 10,
};

struct scheduler {
    struct context *c;
    struct cron_expr *expr;
    struct cron_zone *zone;
    int64_t deadline_seconds;
    int lock_fd, watch_fd;

    struct schedule_state state;
    char *written; /* the state's text as it is on disk; NULL: none */
    pid_t pid;     /* of the run that goes on; 0: none */
    int64_t last_before_run;
    bool immediate;         /* is still to be run */
    int64_t retry_slot;     /* was cut short, and is still to be run; 0: none */
    bool busy;              /* a slot waits for a backup by hand */
    int64_t record_seen_ns; /* the time stamp of the last-run.json that was looked at */
};

/* --- the state on disk ------------------------------------------------------------------------ */

static void save(struct scheduler *s)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(SCHEDULE_STATE_MAX_BYTES);
    nb_auto(nb_free) char *path = state_dir_file(s->c->options, STATE_FILE);
    struct nb_error error = NB_ERROR_INIT;

    schedule_state_format(&s->state, &text);
    if (nb_streq(s->written, nb_buf_cstr(&text)))
        return;
    if (!nb_file_write_atomic(path, text.data, text.len, 0600, &error)) {
        nb_log_error(NB_LOG_WARN, "the schedule's state was not written", &error);
        return;
    }
    free(s->written);
    s->written = nb_buf_take(&text);
}

static void load(struct scheduler *s)
{
    nb_auto(nb_free) char *path = state_dir_file(s->c->options, STATE_FILE);
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(SCHEDULE_STATE_MAX_BYTES);
    struct nb_error error = NB_ERROR_INIT;

    if (!nb_file_read(path, &text, &error)) {
        if (error.code != NB_E_NOT_FOUND)
            nb_log_error(NB_LOG_WARN, "the schedule's state cannot be read; beginning anew",
                         &error);
        return;
    }
    if (!schedule_state_parse(nb_buf_cstr(&text), text.len, &s->state, &error)) {
        nb_log_error(NB_LOG_WARN, "the schedule's state cannot be read; beginning anew", &error);
        s->state = (struct schedule_state){ .since = 0 };
    }
}

/* A run was going on, or was aborted, when the schedule ended. */
static void take_up_cut_run(struct scheduler *s, int64_t now)
{
    struct schedule_run *r = &s->state.run;
    char slot[NB_TIME_TEXT_MAX];

    if (r->result != RUN_RUNNING && r->result != RUN_INTERRUPTED)
        return;
    if (schedule_state_retries(&s->state, s->deadline_seconds, now)) {
        nb_log(NB_LOG_WARN, "a backup was cut short; its slot runs again",
               NB_F_STR("slot", nb_time_format(r->slot, slot)), NB_F_INT("tries", r->tries),
               NB_F_END);
        r->result = RUN_INTERRUPTED;
        s->retry_slot = r->slot;
        return;
    }
    if (r->result == RUN_INTERRUPTED && nb_streq(r->trigger, "Immediate"))
        return;
    r->result = RUN_FAILED;
    r->end = now;
    snprintf(r->reason, sizeof(r->reason), "Interrupted");
    snprintf(r->message, sizeof(r->message),
             "cut short %u times, and its slot does not run again; hint: see whether the container "
             "is restarted or runs out of memory",
             r->tries);
    schedule_state_note_end(&s->state);
    nb_log(NB_LOG_ERROR, r->message, NB_F_STR("slot", nb_time_format(r->slot, slot)), NB_F_END);
}

/* What is remembered of another schedule's slots is not owed by this one. */
static void adopt_state(struct scheduler *s, int64_t now)
{
    const char *schedule = opt_text(s->c->options, OPT_BACKUP_SCHEDULE);
    const char *zone = opt_text(s->c->options, OPT_BACKUP_TIMEZONE);

    if (s->state.since == 0 || !nb_streq(s->state.schedule, schedule) ||
        !nb_streq(s->state.zone, zone)) {
        s->state.since = now;
        s->state.last = s->state.skipped = 0;
        snprintf(s->state.schedule, sizeof(s->state.schedule), "%s", schedule);
        snprintf(s->state.zone, sizeof(s->state.zone), "%s", zone);
    }
    s->state.waiting = 0;
    take_up_cut_run(s, now);
}

/* --- how a run ended -------------------------------------------------------------------------- */

/* The text of last-run.json into `r`. False: there is none. */
static bool read_record(const struct scheduler *s, struct schedule_run *r, int *ret_exit_code)
{
    nb_auto(nb_free) char *path = state_dir_file(s->c->options, STATE_LAST_RUN);
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(RECORD_MAX_BYTES);
    nb_auto(nb_json_free) struct nb_json *root = NULL;
    struct nb_error error = NB_ERROR_INIT;

    if (!nb_file_read(path, &text, &error) ||
        !nb_json_parse(nb_buf_cstr(&text), text.len, RECORD_MAX_BYTES, &root, &error))
        return false;
    snprintf(r->reason, sizeof(r->reason), "%s", nb_json_str(nb_json_get(root, "reason"), ""));
    snprintf(r->message, sizeof(r->message), "%s", nb_json_str(nb_json_get(root, "message"), ""));
    r->size_bytes = nb_json_i64(nb_json_get(root, "sizeBytes"), 0);
    *ret_exit_code = (int)nb_json_i64(nb_json_get(root, "exitCode"), -1);
    return true;
}

static int64_t record_time_ns(const struct scheduler *s)
{
    nb_auto(nb_free) char *path = state_dir_file(s->c->options, STATE_LAST_RUN);
    struct stat st;

    if (stat(path, &st) < 0)
        return 0;
    return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* A backup by hand that does just what the schedule's do, and succeeded: all is well again. */
static void note_manual_run(struct scheduler *s)
{
    struct schedule_run r = { .result = RUN_SUCCEEDED, .trigger = "Manual", .tries = 1 };
    int64_t time_ns = record_time_ns(s);
    int exit_code;

    if (time_ns == 0 || time_ns == s->record_seen_ns)
        return;
    s->record_seen_ns = time_ns;
    if (!read_record(s, &r, &exit_code) || exit_code != EXIT_OK)
        return;
    r.slot = r.start = r.end = time_ns / 1000000000;
    s->state.success = r;
    nb_log(NB_LOG_INFO, "a backup by hand succeeded", NB_F_END);
}

static void judge(struct schedule_run *r, int status, bool stopping)
{
    r->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    r->result = r->exit_code == EXIT_OK        ? RUN_SUCCEEDED
                : r->exit_code == EXIT_PARTIAL ? RUN_PARTIAL
                : stopping && (r->exit_code == EXIT_INTERRUPTED || r->exit_code < 0)
                    ? RUN_INTERRUPTED
                    : RUN_FAILED;
}

static void explain(struct scheduler *s, struct schedule_run *r, int status)
{
    int recorded;

    if (read_record(s, r, &recorded) && recorded == r->exit_code)
        return;
    r->size_bytes = 0;
    if (WIFSIGNALED(status)) {
        snprintf(r->reason, sizeof(r->reason), "Killed");
        snprintf(r->message, sizeof(r->message), "the backup was ended by signal %d%s",
                 WTERMSIG(status),
                 WTERMSIG(status) == SIGKILL ? "; hint: see whether memory ran out" : "");
    } else {
        snprintf(r->reason, sizeof(r->reason), "%s",
                 exit_def_get((enum exit_code)r->exit_code)->reason);
        snprintf(r->message, sizeof(r->message), "the backup ended with exit code %d",
                 r->exit_code);
    }
}

/* A backup by hand was quicker: the slot was not served and is looked at again. */
static void undo_run(struct scheduler *s)
{
    s->state.last = s->last_before_run;
    if (nb_streq(s->state.run.trigger, "Immediate"))
        s->immediate = true;
    else if (s->state.run.slot <= s->last_before_run)
        s->retry_slot = s->state.run.slot;
    s->state.run = (struct schedule_run){ .result = RUN_NONE };
    s->busy = true;
}

static void end_run(struct scheduler *s, int status, bool stopping)
{
    struct schedule_run *r = &s->state.run;
    char slot[NB_TIME_TEXT_MAX];

    s->pid = 0;
    s->state.waiting = 0;
    r->end = nb_clock_unix_seconds();
    judge(r, status, stopping);
    if (r->exit_code == EXIT_ALREADY_RUNNING) {
        undo_run(s);
    } else {
        explain(s, r, status);
        s->record_seen_ns = record_time_ns(s);
        schedule_state_note_end(&s->state);
        nb_log(r->result == RUN_SUCCEEDED ? NB_LOG_INFO : NB_LOG_ERROR, "backup ended",
               NB_F_STR("slot", nb_time_format(r->slot, slot)),
               NB_F_STR("result", run_result_name(r->result)), NB_F_INT("exitCode", r->exit_code),
               NB_F_STR("reason", r->reason), NB_F_STR("message", r->message),
               NB_F_INT("seconds", r->end - r->start), NB_F_END);
    }
    save(s);
}

/* --- starting one ----------------------------------------------------------------------------- */

static bool spawn(struct scheduler *s, struct nb_error *err)
{
    const struct options *o = s->c->options;
    char program[] = "neo4j-backup", command[] = "backup";
    char *const argv[] = { program, command, NULL };
    nb_auto(nb_free) char *record = state_dir_file(o, STATE_LAST_RUN);
    nb_auto(nb_free) char *trigger = nb_xasprintf("BACKUP_TRIGGER=%s", s->state.run.trigger);
    nb_auto(nb_free) char *dir =
        nb_xasprintf("BACKUP_STATE_DIR=%s", opt_text(o, OPT_BACKUP_STATE_DIR));
    char time[NB_TIME_TEXT_MAX], scheduled[64];
    const char *changes[] = { scheduled, trigger, dir, "BACKUP_RUN_ID",
                              "TERMINATION_MESSAGE_FILE" };
    char **env;
    bool ok;

    snprintf(scheduled, sizeof(scheduled), "BACKUP_SCHEDULED_TIME=%s",
             nb_time_format(s->state.run.slot, time));
    if (unlink(record) < 0 && errno != ENOENT)
        nb_log(NB_LOG_WARN, "an old record cannot be removed", NB_F_STR("file", record), NB_F_END);
    env = options_env_new(o, s->c->envp, changes, NB_ARRAY_LEN(changes));
    ok = child_start(argv, env, &s->pid, err);
    options_env_free(env);
    return ok;
}

static void start_run(struct scheduler *s, const char *trigger, int64_t slot, int64_t now)
{
    struct schedule_run *r = &s->state.run;
    unsigned tries = r->result == RUN_INTERRUPTED && r->slot == slot ? r->tries + 1 : 1;
    struct nb_error error = NB_ERROR_INIT;
    char text[NB_TIME_TEXT_MAX];

    *r = (struct schedule_run){ .result = RUN_RUNNING, .slot = slot, .start = now, .tries = tries };
    snprintf(r->trigger, sizeof(r->trigger), "%s", trigger);
    s->retry_slot = 0;
    s->busy = false;
    /* Before it starts: a slot is not run twice. */
    save(s);
    nb_log(NB_LOG_INFO, "backup starts", NB_F_STR("slot", nb_time_format(slot, text)),
           NB_F_STR("trigger", trigger), NB_F_INT("lateSeconds", now - slot), NB_F_END);
    if (spawn(s, &error))
        return;
    nb_log_error(NB_LOG_ERROR, "the backup was not started", &error);
    r->result = RUN_FAILED;
    r->end = now;
    snprintf(r->reason, sizeof(r->reason), "%s", error.reason);
    snprintf(r->message, sizeof(r->message), "%s", error.text);
    schedule_state_note_end(&s->state);
}

/* --- what is due ------------------------------------------------------------------------------ */

static void tell_missed(const struct slots *p, int64_t now)
{
    int64_t slot = p->due ? p->due : p->too_late;
    char text[NB_TIME_TEXT_MAX];

    if (p->too_late)
        nb_log(NB_LOG_WARN, "a slot was missed, and does not run: its deadline has passed",
               NB_F_STR("slot", nb_time_format(slot, text)), NB_F_INT("lateSeconds", now - slot),
               NB_F_INT("missedBefore", p->missed), NB_F_END);
    else if (p->missed > 0)
        nb_log(NB_LOG_WARN, "slots were missed; the newest runs now",
               NB_F_STR("slot", nb_time_format(slot, text)), NB_F_INT("lateSeconds", now - slot),
               NB_F_INT("missedBefore", p->missed), NB_F_END);
}

static struct slots plan(struct scheduler *s, int64_t now)
{
    struct slots_input in = {
        .expr = s->expr,
        .zone = s->zone,
        .since = s->state.since,
        .last = s->state.last,
        .deadline_seconds = s->deadline_seconds,
        .now = now,
    };
    struct slots p;

    slots_plan(&in, &p);
    if (p.clock_went_back) {
        nb_log(NB_LOG_WARN, "the clock went back by hours; the schedule goes on from now",
               NB_F_END);
        s->state.since = now;
        s->state.last = 0;
    }
    if (p.too_late) {
        tell_missed(&p, now);
        s->state.last = s->state.skipped = p.too_late;
    }
    s->state.next = p.next;
    return p;
}

static void start_due(struct scheduler *s, const struct slots *p, int64_t now)
{
    bool late = p->missed > 0 || now - p->due > LATE_SECONDS;

    if (state_lock_is_held(s->c->options, STATE_RUN_LOCK)) {
        if (!s->busy)
            nb_log(NB_LOG_WARN, "a slot waits: a backup by hand is running", NB_F_END);
        s->busy = true;
        s->state.waiting = p->due ? (unsigned)p->missed + 1 : 0;
        return;
    }
    s->state.waiting = 0;
    s->last_before_run = s->state.last;
    if (p->due) {
        tell_missed(p, now);
        s->state.last = p->due;
    }
    if (s->immediate) {
        s->immediate = false;
        start_run(s, "Immediate", now, now);
    } else if (p->due) {
        start_run(s, late ? "CatchUp" : "Schedule", p->due, now);
    } else {
        start_run(s, "CatchUp", s->retry_slot, now);
    }
}

static void tick(struct scheduler *s)
{
    int64_t now = nb_clock_unix_seconds();
    struct slots p = plan(s, now);

    if (s->pid > 0) {
        s->state.waiting = p.due ? (unsigned)p.missed + 1 : 0;
    } else {
        note_manual_run(s);
        if (p.due || s->immediate || s->retry_slot)
            start_due(s, &p, now);
        else
            s->busy = false;
    }
    save(s);
}

/* --- from start to stop ----------------------------------------------------------------------- */

static int wait_ms(const struct scheduler *s)
{
    int64_t limit = s->busy ? BUSY_LOOK_MS : LOOK_MS;
    int64_t left = s->state.next * 1000 - nb_clock_unix_ms();

    if (s->state.next == 0 || left > limit)
        return (int)limit;
    return left < 1 ? 1 : (int)left;
}

static void run(struct scheduler *s)
{
    struct pollfd fds[2] = { { .fd = nb_cancel_fd(s->c->cancel), .events = POLLIN },
                             { .fd = s->watch_fd, .events = POLLIN } };
    int status;

    while (!nb_cancel_is_set(s->c->cancel)) {
        tick(s);
        if (poll(fds, 2, wait_ms(s)) <= 0)
            continue;
        if (child_watch_take(s->watch_fd, s->pid, &status))
            end_run(s, status, false);
    }
}

/* Waits for the run's end. False: the time is over. */
static bool wait_end(struct scheduler *s, int64_t seconds)
{
    int64_t until_ms = nb_clock_mono_ms() + seconds * 1000;
    int status;

    while (s->pid > 0) {
        struct pollfd fd = { .fd = s->watch_fd, .events = POLLIN };
        int64_t left = until_ms - nb_clock_mono_ms();

        if (child_watch_take(s->watch_fd, s->pid, &status))
            end_run(s, status, true);
        else if (left <= 0)
            return false;
        else
            poll(&fd, 1, (int)(left < LOOK_MS ? left : LOOK_MS));
    }
    return true;
}

static void stop(struct scheduler *s)
{
    int64_t grace = opt_int(s->c->options, OPT_BACKUP_STOP_GRACE_SECONDS, 0);

    if (s->pid == 0)
        return;
    nb_log(NB_LOG_INFO, "told to stop; the running backup has some time to end",
           NB_F_INT("seconds", grace), NB_F_END);
    if (wait_end(s, grace))
        return;
    nb_log(NB_LOG_WARN, "the running backup is aborted", NB_F_END);
    kill(s->pid, SIGTERM);
    if (wait_end(s, ABORT_SECONDS))
        return;
    kill(s->pid, SIGKILL);
    if (!wait_end(s, ABORT_SECONDS))
        nb_log(NB_LOG_ERROR, "the running backup does not end", NB_F_END);
}

/* --- settings --------------------------------------------------------------------------------- */

/* What every run would stumble over is told now, and not at two in the night. */
static bool check_backup(const struct scheduler *s, struct nb_error *err)
{
    const struct options *o = s->c->options;
    nb_auto_done(encryption_done) struct encryption encryption = { .on = false };
    struct neo4j_settings neo4j = { .bolt = BOLT_CONN_OPTS_INIT };
    bool ok;

    if (nb_streq(opt_text(o, OPT_BACKUP_OUTPUT), "-"))
        return opt_fail(o, OPT_BACKUP_OUTPUT, err, "name a file, or leave it out for the bucket",
                        "is standard output");
    if (!encryption_load(o, &encryption, err))
        return false;
    if (!opt_text(o, OPT_BACKUP_OUTPUT) && !bucket_settings_check(o, err))
        return false;
    if (opt_given(o, OPT_NEO4J_AUTH_DIR))
        return true; /* looked at by each run */
    ok = neo4j_settings_load(o, s->c->cancel, &neo4j, err);
    neo4j_settings_done(&neo4j);
    return ok;
}

static bool load_settings(struct scheduler *s, struct nb_error *err)
{
    const struct options *o = s->c->options;
    const char *schedule = opt_text(o, OPT_BACKUP_SCHEDULE);
    int64_t next;

    if (!cron_expr_parse(schedule, &s->expr, err))
        return nb_wrap(err, "%s", opt_origin(o, OPT_BACKUP_SCHEDULE));
    if (!cron_zone_load(NULL, opt_text(o, OPT_BACKUP_TIMEZONE), &s->zone, err))
        return nb_wrap(err, "%s", opt_origin(o, OPT_BACKUP_TIMEZONE));
    if (!cron_next(s->expr, s->zone, CRON_RUN_ONCE, nb_clock_unix_seconds(), &next))
        return opt_fail(o, OPT_BACKUP_SCHEDULE, err, "use a date that exists",
                        "is '%.200s', which never comes within five years", schedule);
    s->deadline_seconds = opt_int(o, OPT_BACKUP_STARTING_DEADLINE_SECONDS, 0);
    s->immediate = opt_bool(o, OPT_RUN_IMMEDIATE_BACKUP);
    return check_backup(s, err);
}

static bool prepare(struct scheduler *s, struct nb_error *err)
{
    char next[NB_TIME_TEXT_MAX];
    int64_t now = nb_clock_unix_seconds();

    if (!load_settings(s, err) || !state_dir_make(s->c->options, err) ||
        !state_lock_take(s->c->options, STATE_SCHEDULER_LOCK, "another schedule", &s->lock_fd,
                         err) ||
        !child_watch_open(&s->watch_fd, err))
        return false;
    load(s);
    adopt_state(s, now);
    s->record_seen_ns = record_time_ns(s);
    if (!cron_next(s->expr, s->zone, CRON_RUN_ONCE, now, &s->state.next))
        s->state.next = 0;
    nb_log(NB_LOG_INFO, "the schedule is kept", NB_F_STR("schedule", s->state.schedule),
           NB_F_STR("timeZone", s->state.zone),
           NB_F_STR("next", nb_time_format(s->state.next, next)),
           NB_F_BOOL("immediate", s->immediate), NB_F_END);
    return true;
}

bool cmd_schedule(struct context *c, struct nb_error *err)
{
    struct scheduler s = { .c = c, .lock_fd = -1, .watch_fd = -1 };
    bool ok = prepare(&s, err);

    if (ok) {
        run(&s);
        stop(&s);
        nb_log(NB_LOG_INFO, "the schedule ends", NB_F_END);
    }
    nb_close_fd(&s.watch_fd);
    nb_close_fd(&s.lock_fd);
    cron_expr_free(s.expr);
    cron_zone_free(s.zone);
    free(s.written);
    return ok;
}
