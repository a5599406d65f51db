#include "kube/status.h"

#include <ctype.h>

static enum nb_code code_of(int status)
{
    switch (status) {
    case 400:
    case 405:
    case 413:
    case 415:
    case 422:
        return NB_E_INVALID;
    case 401:
    case 403:
        return NB_E_DENIED;
    case 404:
        return NB_E_NOT_FOUND;
    case 409:
    case 412:
        return NB_E_CONFLICT;
    case 410:
        return NB_E_EXPIRED;
    case 408:
    case 429:
        return NB_E_UNAVAILABLE;
    default:
        return status >= 500 ? NB_E_UNAVAILABLE : NB_E_PROTOCOL;
    }
}

/* For answers without a Status: a proxy's page, an empty body. */
static const char *reason_of(int status)
{
    switch (status) {
    case 400:
        return "BadRequest";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "NotFound";
    case 409:
        return "Conflict";
    case 410:
        return "Expired";
    case 422:
        return "Invalid";
    case 429:
        return "TooManyRequests";
    case 500:
        return "InternalError";
    case 503:
        return "ServiceUnavailable";
    case 504:
        return "Timeout";
    default:
        return "UnexpectedStatus";
    }
}

static bool is_camel_case(const char *s)
{
    size_t n = strlen(s);

    if (n == 0 || n >= NB_REASON_MAX || !isupper((unsigned char)s[0]))
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s))
            return false;
    return true;
}

static int64_t retry_after_ms(const char *header, const struct nb_json *status)
{
    int64_t seconds;

    if (!header || !nb_parse_i64(header, 0, 3600, &seconds))
        seconds = nb_json_i64(nb_json_at(status, "details.retryAfterSeconds"), 0);
    if (seconds <= 0)
        return -1;
    return (seconds > 3600 ? 3600 : seconds) * 1000;
}

bool kube_status_fail(int http_status, const struct nb_json *status_object, const char *retry_after,
                      const char *what, struct nb_error *err)
{
    const char *reason = nb_json_str(nb_json_get(status_object, "reason"), "");
    const char *message = nb_json_str(nb_json_get(status_object, "message"), "");
    enum nb_code code = code_of(http_status);
    bool show = code == NB_E_INVALID || http_status == 403;

    /* A continue token or watch position that is gone may come as 400-class too: the reason
     * decides. */
    if (nb_streq(reason, "Expired") || nb_streq(reason, "Gone"))
        code = NB_E_EXPIRED;
    if (!is_camel_case(reason))
        reason = reason_of(http_status);
    nb_fail(err, code, reason, "%s: %s (HTTP %d)%s%.280s", what, reason, http_status,
            show && message[0] ? ": " : "", show ? message : "");
    err->retry_after_ms = retry_after_ms(retry_after, status_object);
    return false;
}

bool kube_error_is_already_exists(const struct nb_error *err)
{
    return err->code == NB_E_CONFLICT && nb_streq(err->reason, "AlreadyExists");
}
