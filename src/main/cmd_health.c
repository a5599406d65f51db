#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "main/command.h"
#include "main/schedule_state.h"
#include "main/state_dir.h"

enum { SENTENCE_MAX = 1024 };

static bool read_state(const struct options *o, struct schedule_state *ret, struct nb_error *err)
{
    nb_auto(nb_free) char *path = state_dir_file(o, STATE_FILE);
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(SCHEDULE_STATE_MAX_BYTES);

    return nb_file_read(path, &text, err) &&
           (schedule_state_parse(nb_buf_cstr(&text), text.len, ret, err) ||
            nb_wrap(err, "file '%s'", path));
}

static bool look(const struct options *o, struct nb_buf *sentence)
{
    struct nb_error error = NB_ERROR_INIT;
    struct schedule_state state;

    if (!state_lock_is_held(o, STATE_SCHEDULER_LOCK)) {
        nb_buf_printf(sentence,
                      "scheduler is gone: no 'neo4j-backup schedule' runs with state directory "
                      "'%.200s'",
                      opt_text(o, OPT_BACKUP_STATE_DIR));
        return false;
    }
    if (!read_state(o, &state, &error)) {
        nb_buf_printf(sentence, "the schedule's state cannot be read: %s", error.text);
        return false;
    }
    return schedule_state_healthy(&state, nb_clock_unix_seconds(), sentence);
}

bool cmd_health(struct context *c, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf sentence = NB_BUF_INIT(SENTENCE_MAX);

    if (!look(c->options, &sentence)) {
        report_set_exit(&c->report, EXIT_INTERNAL, nb_buf_cstr(&sentence));
        snprintf(c->report.reason, sizeof(c->report.reason), "Unhealthy");
    }
    out_printf("%s\n", nb_buf_cstr(&sentence));
    return out_finish(err);
}
