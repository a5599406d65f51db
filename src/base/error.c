#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Copies into the text: one line, well-formed UTF-8, cut at a boundary when it was too long. */
static void set_text(struct nb_error *err, const char *s, size_t n)
{
    size_t in = 0, out = 0;

    while (in < n) {
        size_t step = nb_utf8_step(s + in, n - in);

        if (out + (step ? step : 1) >= NB_TEXT_MAX)
            break;
        if (step == 0) {
            err->text[out++] = '?';
            in++;
        } else if (step == 1) {
            unsigned char c = (unsigned char)s[in++];

            err->text[out++] = c < 0x20 || c == 0x7F ? ' ' : (char)c;
        } else {
            memcpy(err->text + out, s + in, step);
            out += step;
            in += step;
        }
    }
    err->text[out] = '\0';
}

/* Formats into tmp; returns the length without a sequence cut in two at the end. */
__attribute__((format(printf, 3, 0))) static size_t format_text(char *tmp, size_t size,
                                                                const char *fmt, va_list ap)
{
    int n = vsnprintf(tmp, size, fmt, ap);

    if (n < 0) {
        tmp[0] = '\0';
        return 0;
    }
    return (size_t)n < size ? (size_t)n : nb_utf8_cut(tmp, size - 1);
}

static void set_code(struct nb_error *err, enum nb_code code, const char *reason)
{
    err->code = code;
    err->retry_after_ms = -1;
    snprintf(err->reason, sizeof(err->reason), "%s", reason);
}

bool nb_vfail(struct nb_error *err, enum nb_code code, const char *reason, const char *fmt,
              va_list ap)
{
    char tmp[NB_TEXT_MAX * 2], kept[NB_REASON_MAX];
    /* The arguments may point into *err: all is read before anything is written. */
    size_t n = format_text(tmp, sizeof(tmp), fmt, ap);

    snprintf(kept, sizeof(kept), "%s", reason);
    set_code(err, code, kept);
    set_text(err, tmp, n);
    return false;
}

bool nb_fail(struct nb_error *err, enum nb_code code, const char *reason, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    nb_vfail(err, code, reason, fmt, ap);
    va_end(ap);
    return false;
}

struct errno_row {
    int os_errno;
    enum nb_code code;
    const char *reason;
};

static const struct errno_row ERRNO_TABLE[] = {
    { ENOENT, NB_E_NOT_FOUND, "NotFound" },
    { ENOTDIR, NB_E_NOT_FOUND, "NotFound" },
    { EACCES, NB_E_DENIED, "PermissionDenied" },
    { EPERM, NB_E_DENIED, "PermissionDenied" },
    { EROFS, NB_E_DENIED, "ReadOnly" },
    { EEXIST, NB_E_CONFLICT, "AlreadyExists" },
    { ECONNREFUSED, NB_E_UNAVAILABLE, "ConnectionRefused" },
    { ECONNRESET, NB_E_UNAVAILABLE, "ConnectionFailed" },
    { ECONNABORTED, NB_E_UNAVAILABLE, "ConnectionFailed" },
    { ENOTCONN, NB_E_UNAVAILABLE, "ConnectionFailed" },
    { EPIPE, NB_E_UNAVAILABLE, "ConnectionFailed" },
    { ENETUNREACH, NB_E_UNAVAILABLE, "ConnectionFailed" },
    { ENETDOWN, NB_E_UNAVAILABLE, "ConnectionFailed" },
    { EHOSTUNREACH, NB_E_UNAVAILABLE, "ConnectionFailed" },
    { EHOSTDOWN, NB_E_UNAVAILABLE, "ConnectionFailed" },
    { ETIMEDOUT, NB_E_TIMEOUT, "TimedOut" },
    { ENOSPC, NB_E_LIMIT, "NoSpace" },
    { EDQUOT, NB_E_LIMIT, "NoSpace" },
    { EFBIG, NB_E_LIMIT, "FileTooLarge" },
    { EMFILE, NB_E_LIMIT, "TooManyOpenFiles" },
    { ENFILE, NB_E_LIMIT, "TooManyOpenFiles" },
    { ENOMEM, NB_E_LIMIT, "OutOfMemory" },
    { EISDIR, NB_E_INVALID, "IsDirectory" },
    { ENAMETOOLONG, NB_E_INVALID, "NameTooLong" },
    { ELOOP, NB_E_INVALID, "TooManyLinks" },
};

static const struct errno_row *errno_row(int os_errno)
{
    static const struct errno_row other = { 0, NB_E_INTERNAL, "SystemError" };

    for (size_t i = 0; i < sizeof(ERRNO_TABLE) / sizeof(ERRNO_TABLE[0]); i++) {
        if (ERRNO_TABLE[i].os_errno == os_errno)
            return &ERRNO_TABLE[i];
    }
    return &other;
}

bool nb_fail_errno(struct nb_error *err, int os_errno, const char *fmt, ...)
{
    const struct errno_row *row = errno_row(os_errno);
    char tmp[NB_TEXT_MAX * 2], osbuf[128];
    va_list ap;
    size_t n;

    va_start(ap, fmt);
    n = format_text(tmp, NB_TEXT_MAX, fmt, ap);
    va_end(ap);
    n += (size_t)snprintf(tmp + n, sizeof(tmp) - n, ": %s",
                          strerror_r(os_errno, osbuf, sizeof(osbuf)));
    set_code(err, row->code, row->reason);
    set_text(err, tmp, n);
    return false;
}

bool nb_wrap(struct nb_error *err, const char *fmt, ...)
{
    char tmp[2 * (size_t)NB_TEXT_MAX + 4];
    va_list ap;
    size_t n, old = strlen(err->text);

    va_start(ap, fmt);
    n = format_text(tmp, NB_TEXT_MAX, fmt, ap);
    va_end(ap);
    tmp[n++] = ':';
    tmp[n++] = ' ';
    memcpy(tmp + n, err->text, old);
    set_text(err, tmp, n + old);
    return false;
}

bool nb_hint(struct nb_error *err, const char *fmt, ...)
{
    static const char mark[] = "; hint: ";
    char tmp[2 * (size_t)NB_TEXT_MAX + sizeof(mark)];
    size_t old = strlen(err->text), n;
    va_list ap;

    if (strstr(err->text, mark))
        return false;
    memcpy(tmp, err->text, old);
    memcpy(tmp + old, mark, sizeof(mark) - 1);
    n = old + sizeof(mark) - 1;
    va_start(ap, fmt);
    n += format_text(tmp + n, sizeof(tmp) - n, fmt, ap);
    va_end(ap);
    set_text(err, tmp, n);
    return false;
}

void nb_error_clear(struct nb_error *err)
{
    err->code = NB_OK;
    err->retry_after_ms = -1;
    err->reason[0] = '\0';
    err->text[0] = '\0';
}

bool nb_error_is_transient(const struct nb_error *err)
{
    return err->code == NB_E_UNAVAILABLE || err->code == NB_E_TIMEOUT;
}

const char *nb_code_name(enum nb_code code)
{
    switch (code) {
    case NB_OK:
        return "OK";
    case NB_E_INVALID:
        return "Invalid";
    case NB_E_NOT_FOUND:
        return "NotFound";
    case NB_E_CONFLICT:
        return "Conflict";
    case NB_E_EXPIRED:
        return "Expired";
    case NB_E_DENIED:
        return "Denied";
    case NB_E_UNAVAILABLE:
        return "Unavailable";
    case NB_E_TIMEOUT:
        return "Timeout";
    case NB_E_CANCELLED:
        return "Cancelled";
    case NB_E_PROTOCOL:
        return "Protocol";
    case NB_E_CORRUPT:
        return "Corrupt";
    case NB_E_LIMIT:
        return "Limit";
    case NB_E_INTERNAL:
        return "Internal";
    }
    return "Unknown";
}
