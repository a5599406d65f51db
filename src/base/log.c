#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"

enum { LOG_LINE_MAX = 64 << 10, LOG_FIELDS_MAX = 32, LOG_SCOPE_MAX = 8 };

static atomic_int log_level = NB_LOG_INFO;
static atomic_int log_fd = STDERR_FILENO;
static atomic_bool log_text;
static atomic_bool log_terminal;

/* Over the status line: back to the line's start, delete to its end. */
#define STATUS_ERASE "\r\033[K"
static pthread_mutex_t status_lock = PTHREAD_MUTEX_INITIALIZER; /* of the terminal's last line */
static char status[NB_LOG_STATUS_MAX];

static _Thread_local struct {
    const char *key, *value;
} scope[LOG_SCOPE_MAX];
static _Thread_local unsigned scope_depth; /* may be above LOG_SCOPE_MAX: those are not shown */

static const char *const LEVEL_NAMES[] = { "debug", "info", "warn", "error" };
static const char *const LEVEL_LABELS[] = { "DEBUG", "INFO ", "WARN ", "ERROR" };

bool nb_log_level_parse(const char *level_name, enum nb_log_level *ret)
{
    for (size_t i = 0; i < NB_ARRAY_LEN(LEVEL_NAMES); i++) {
        if (nb_strcaseeq_ascii(level_name, LEVEL_NAMES[i])) {
            *ret = (enum nb_log_level)i;
            return true;
        }
    }
    if (!nb_strcaseeq_ascii(level_name, "warning"))
        return false;
    *ret = NB_LOG_WARN;
    return true;
}

void nb_log_setup(enum nb_log_level level, enum nb_log_format format, int fd)
{
    atomic_store(&log_level, (int)level);
    atomic_store(&log_fd, fd);
    atomic_store(&log_terminal, isatty(fd) == 1);
    atomic_store(&log_text,
                 format == NB_LOG_TEXT || (format == NB_LOG_AUTO && atomic_load(&log_terminal)));
}

bool nb_log_enabled(enum nb_log_level level)
{
    return (int)level >= atomic_load(&log_level);
}

static void put_json_field(struct nb_jw *w, const struct nb_field *f)
{
    nb_jw_key(w, f->key);
    switch (f->kind) {
    case NB_FIELD_STR:
        nb_jw_str(w, f->str);
        break;
    case NB_FIELD_INT:
        nb_jw_i64(w, f->num);
        break;
    case NB_FIELD_BOOL:
        nb_jw_bool(w, f->num != 0);
        break;
    case NB_FIELD_RAW_JSON:
        if (f->str)
            nb_jw_raw(w, f->str, strlen(f->str));
        else
            nb_jw_null(w);
        break;
    case NB_FIELD_END:
        break;
    }
}

static unsigned scope_shown(void)
{
    return scope_depth < LOG_SCOPE_MAX ? scope_depth : LOG_SCOPE_MAX;
}

static void format_json(struct nb_buf *out, enum nb_log_level level, const char *msg,
                        const struct nb_field *fields)
{
    struct nb_jw w = NB_JW_INIT(out);
    char time[NB_TIME_TEXT_MAX];

    nb_jw_object(&w);
    nb_jw_kv_str(&w, "time", nb_time_format_ms(nb_clock_unix_ms(), time));
    nb_jw_kv_str(&w, "level", LEVEL_NAMES[level]);
    nb_jw_kv_str(&w, "msg", msg);
    for (unsigned i = 0; i < scope_shown(); i++)
        nb_jw_kv_str(&w, scope[i].key, scope[i].value);
    for (; fields && fields->kind != NB_FIELD_END; fields++)
        put_json_field(&w, fields);
    nb_jw_object_end(&w);
}

/* Bare when that is plain to read, else as a JSON string. */
static void put_text_value(struct nb_buf *out, const char *s)
{
    struct nb_jw w = NB_JW_INIT(out);
    const char *p = s;

    while (*p > ' ' && *p < 0x7F && *p != '"' && *p != '=' && *p != '\\')
        p++;
    if (*s && !*p)
        nb_buf_puts(out, s);
    else
        nb_jw_str(&w, s);
}

static void put_text_field(struct nb_buf *out, const struct nb_field *f)
{
    nb_buf_printf(out, " %s=", f->key);
    switch (f->kind) {
    case NB_FIELD_STR:
        put_text_value(out, f->str ? f->str : "null");
        break;
    case NB_FIELD_INT:
        nb_buf_printf(out, "%lld", (long long)f->num);
        break;
    case NB_FIELD_BOOL:
        nb_buf_puts(out, f->num ? "true" : "false");
        break;
    case NB_FIELD_RAW_JSON:
        nb_buf_puts(out, f->str ? f->str : "null");
        break;
    case NB_FIELD_END:
        break;
    }
}

static void format_text(struct nb_buf *out, enum nb_log_level level, const char *msg,
                        const struct nb_field *fields)
{
    char time[NB_TIME_TEXT_MAX];

    nb_buf_printf(out, "%s %s ", nb_time_format(nb_clock_unix_seconds(), time),
                  LEVEL_LABELS[level]);
    nb_buf_puts(out, msg);
    for (unsigned i = 0; i < scope_shown(); i++)
        put_text_field(out, &NB_F_STR(scope[i].key, scope[i].value));
    for (; fields && fields->kind != NB_FIELD_END; fields++)
        put_text_field(out, fields);
}

static void format_line(struct nb_buf *out, enum nb_log_level level, const char *msg,
                        const struct nb_field *fields)
{
    if (atomic_load(&log_text))
        format_text(out, level, msg, fields);
    else
        format_json(out, level, msg, fields);
}

static void write_bytes(const char *p, size_t n)
{
    while (n) {
        ssize_t done = write(atomic_load(&log_fd), p, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return; /* nowhere to tell it */
        p += done;
        n -= (size_t)done;
    }
}

/* --- the status line -------------------------------------------------------------------------- */

bool nb_log_has_status(void)
{
    return atomic_load(&log_text) && atomic_load(&log_terminal);
}

void nb_log_no_status(void)
{
    atomic_store(&log_terminal, false);
}

unsigned nb_log_columns(void)
{
    struct winsize size;

    return ioctl(atomic_load(&log_fd), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void nb_log_status(const char *text)
{
    char line[sizeof(STATUS_ERASE) + NB_LOG_STATUS_MAX];
    bool was_shown;
    int n;

    if (!nb_log_has_status())
        return;
    pthread_mutex_lock(&status_lock);
    was_shown = status[0] != '\0';
    snprintf(status, sizeof(status), "%s", text ? text : "");
    nb_secret_redact(status, strlen(status));
    n = snprintf(line, sizeof(line), STATUS_ERASE "%s", status);
    if (was_shown || status[0])
        write_bytes(line, (size_t)n);
    pthread_mutex_unlock(&status_lock);
}

/* A message goes where the status line was, which moves down. */
static void write_line(const struct nb_buf *line)
{
    nb_auto_done(nb_buf_done) struct nb_buf all =
        NB_BUF_INIT(LOG_LINE_MAX + sizeof(STATUS_ERASE) + NB_LOG_STATUS_MAX);

    if (!nb_log_has_status()) {
        write_bytes(line->data, line->len);
        return;
    }
    pthread_mutex_lock(&status_lock);
    if (status[0])
        nb_buf_puts(&all, STATUS_ERASE);
    nb_buf_append(&all, line->data, line->len);
    nb_buf_puts(&all, status);
    write_bytes(all.data, all.len);
    pthread_mutex_unlock(&status_lock);
}

void nb_log_fields(enum nb_log_level level, const char *msg, const struct nb_field *fields)
{
    nb_auto_done(nb_buf_done) struct nb_buf line = NB_BUF_INIT(LOG_LINE_MAX);
    int saved = errno;

    if (!nb_log_enabled(level))
        return;
    format_line(&line, level, msg, fields);
    if (line.overflow) {
        const struct nb_field cut[] = { NB_F_BOOL("fields_too_long", true), NB_F_END };

        nb_buf_clear(&line);
        format_line(&line, level, msg, cut);
    }
    if (line.overflow) {
        nb_buf_clear(&line);
        format_line(&line, level, "message too long", NULL);
    }
    for (size_t i = 0; i < line.len; i++) {
        /* Raw JSON and text may hold line breaks; one message is one line. */
        if ((unsigned char)line.data[i] < 0x20)
            line.data[i] = ' ';
    }
    nb_secret_redact(line.data, line.len);
    line.max++;
    nb_buf_putc(&line, '\n');
    write_line(&line);
    errno = saved;
}

void nb_log(enum nb_log_level level, const char *msg, ...)
{
    struct nb_field fields[LOG_FIELDS_MAX + 1];
    size_t n = 0;
    va_list ap;

    if (!nb_log_enabled(level))
        return;
    va_start(ap, msg);
    do
        fields[n] = va_arg(ap, struct nb_field);
    while (fields[n].kind != NB_FIELD_END && ++n < LOG_FIELDS_MAX);
    va_end(ap);
    fields[n] = NB_F_END;
    nb_log_fields(level, msg, fields);
}

void nb_log_error(enum nb_log_level level, const char *msg, const struct nb_error *err)
{
    nb_log(level, msg, NB_F_STR("code", nb_code_name(err->code)), NB_F_STR("reason", err->reason),
           NB_F_STR("error", err->text), NB_F_END);
}

void nb_log_scope_push(const char *key, const char *value)
{
    if (scope_depth < LOG_SCOPE_MAX) {
        scope[scope_depth].key = key;
        scope[scope_depth].value = value;
    }
    scope_depth++;
}

void nb_log_scope_pop(void)
{
    if (scope_depth)
        scope_depth--;
}
