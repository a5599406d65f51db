#ifndef NB_BASE_LOG_H
#define NB_BASE_LOG_H

/*
 * One line a message on stderr: JSON, or text on a terminal. Every line passes nb_secret_redact().
 * Library code logs at debug only; programs (src/main, controller) log the rest.
 *
 *   nb_log(NB_LOG_INFO, "backup finished", NB_F_STR("key", key), NB_F_INT("nodes", n), NB_F_END);
 *
 * On a terminal there may be one status line below the last message, which is drawn anew after each
 * message: a progress bar.
 *
 * Safe from any thread: a line is one write(2).
 */

#include "base/error.h"

enum nb_log_level { NB_LOG_DEBUG, NB_LOG_INFO, NB_LOG_WARN, NB_LOG_ERROR };
enum nb_log_format { NB_LOG_AUTO, NB_LOG_JSON, NB_LOG_TEXT };

struct nb_field {
    const char *key;
    enum { NB_FIELD_END, NB_FIELD_STR, NB_FIELD_INT, NB_FIELD_BOOL, NB_FIELD_RAW_JSON } kind;
    const char *str;
    int64_t num;
};
#define NB_F_STR(k, v) ((struct nb_field){ .key = (k), .kind = NB_FIELD_STR, .str = (v), .num = 0 })
#define NB_F_INT(k, v)                                                                             \
    ((struct nb_field){ .key = (k), .kind = NB_FIELD_INT, .str = NULL, .num = (int64_t)(v) })
#define NB_F_BOOL(k, v)                                                                            \
    ((struct nb_field){ .key = (k), .kind = NB_FIELD_BOOL, .str = NULL, .num = (v) ? 1 : 0 })
/* v is JSON text already. */
#define NB_F_JSON(k, v)                                                                            \
    ((struct nb_field){ .key = (k), .kind = NB_FIELD_RAW_JSON, .str = (v), .num = 0 })
#define NB_F_END ((struct nb_field){ .key = NULL, .kind = NB_FIELD_END, .str = NULL, .num = 0 })

/* level_name: debug, info, warn(ing), error in any case. */
NB_NODISCARD bool nb_log_level_parse(const char *level_name, enum nb_log_level *ret);
void nb_log_setup(enum nb_log_level level, enum nb_log_format format, int fd);
bool nb_log_enabled(enum nb_log_level level);
/* Fields end with NB_F_END. */
void nb_log(enum nb_log_level level, const char *msg, ...);
void nb_log_fields(enum nb_log_level level, const char *msg, const struct nb_field *fields);
/* The message with code, reason and text of err as fields "code", "reason", "error". */
void nb_log_error(enum nb_log_level level, const char *msg, const struct nb_error *err);
/* Whether the log goes to a terminal, as text: then a status line can be shown. */
bool nb_log_has_status(void);
/* The terminal cannot draw one (TERM is dumb). After nb_log_setup(). */
void nb_log_no_status(void);
/* How many columns it has; 0: unknown. */
unsigned nb_log_columns(void);
/* Shows or replaces the status line; NULL takes it away. Text of one line, at most
 * NB_LOG_STATUS_MAX - 1 bytes. Nothing is done where there is none. */
enum { NB_LOG_STATUS_MAX = 256 };
void nb_log_status(const char *text);
/* Key-value pairs added to every line of this thread until popped (at most 8; strings borrowed). */
void nb_log_scope_push(const char *key, const char *value);
void nb_log_scope_pop(void);

#endif
