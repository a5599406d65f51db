#ifndef NB_BASE_ERROR_H
#define NB_BASE_ERROR_H

/*
 * nb_error: what went wrong, for code (code), for machines (reason) and for people (text).
 *
 * Lives on the caller's stack; nothing to free. A function that can fail returns bool and takes
 * `struct nb_error *err` last. err is untouched on success and filled exactly once on failure;
 * nb_wrap() then adds the outer context on the way up. err must not be NULL.
 *
 *   return nb_fail(err, NB_E_INVALID, "InvalidSchedule", "minute '%s' is not a number", s);
 *   return s3_put(...) || nb_wrap(err, "put '%s'", key);
 *
 * Thread: a value, so as safe as any local variable.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#define NB_NODISCARD    __attribute__((warn_unused_result))
#define NB_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* What a caller may branch on. */
enum nb_code {
    NB_OK = 0,
    NB_E_INVALID,     /* input is wrong; trying again cannot help */
    NB_E_NOT_FOUND,   /* the named thing does not exist */
    NB_E_CONFLICT,    /* somebody wrote first (HTTP 409, 412) */
    NB_E_EXPIRED,     /* position is gone, start over (HTTP 410) */
    NB_E_DENIED,      /* HTTP 401, 403; Neo4j security errors */
    NB_E_UNAVAILABLE, /* refused, reset, 429, 5xx, Neo4j transient */
    NB_E_TIMEOUT,     /* a deadline of ours passed */
    NB_E_CANCELLED,   /* we were told to stop */
    NB_E_PROTOCOL,    /* the peer broke its own rules */
    NB_E_CORRUPT,     /* stored bytes do not match their checksum */
    NB_E_LIMIT,       /* one of our own limits was reached */
    NB_E_INTERNAL,    /* a fault of this program or of the operating system */
};

enum { NB_REASON_MAX = 48, NB_TEXT_MAX = 480 };

struct nb_error {
    enum nb_code code;
    int64_t retry_after_ms;     /* -1: the peer gave none */
    char reason[NB_REASON_MAX]; /* CamelCase, stable: conditions, events, metrics */
    char text[NB_TEXT_MAX];     /* "outer: inner", UTF-8, no secrets, no newline */
};

#define NB_ERROR_INIT                                                                              \
    {                                                                                              \
        .code = NB_OK, .retry_after_ms = -1, .reason = "", .text = ""                              \
    }

/* All return false, so that `return nb_fail(...)` reads as it acts. Control characters in the
 * formatted text become spaces; what is too long is cut at a UTF-8 boundary. */
bool nb_fail(struct nb_error *err, enum nb_code code, const char *reason, const char *fmt, ...)
    NB_PRINTF(4, 5);
bool nb_vfail(struct nb_error *err, enum nb_code code, const char *reason, const char *fmt,
              va_list ap) NB_PRINTF(4, 0);
/* Maps errno to a code and appends strerror: "open 'x': No such file or directory". */
bool nb_fail_errno(struct nb_error *err, int os_errno, const char *fmt, ...) NB_PRINTF(3, 4);
/* Puts "outer: " before the text; code and reason stay. */
bool nb_wrap(struct nb_error *err, const char *fmt, ...) NB_PRINTF(2, 3);
/* Appends "; hint: ..." unless a hint is there already. */
bool nb_hint(struct nb_error *err, const char *fmt, ...) NB_PRINTF(2, 3);

void nb_error_clear(struct nb_error *err);
/* UNAVAILABLE and TIMEOUT: trying again may help. */
bool nb_error_is_transient(const struct nb_error *err);
/* "Invalid", "NotFound", ...: for logs. */
const char *nb_code_name(enum nb_code code);

#endif
