#ifndef NB_KUBE_STATUS_H
#define NB_KUBE_STATUS_H

/*
 * Failures of the API server (HTTP status and the Status object in the body) as nb_error. Pure.
 *
 * The reason is the Status' own ("AlreadyExists", "Conflict", "NotFound", "Expired", "Forbidden"
 * ...), so that AlreadyExists and Conflict (both HTTP 409, both NB_E_CONFLICT) can be told apart
 * by kube_error_is_already_exists(). The server's message is taken over only for refusals (403)
 * and invalid objects (400, 422), where nobody could help himself without it.
 */

#include "base/json.h"

/* Always returns false. status_object may be NULL. what: "create job 'ns/name'". */
bool kube_status_fail(int http_status, const struct nb_json *status_object, const char *retry_after,
                      const char *what, struct nb_error *err);
bool kube_error_is_already_exists(const struct nb_error *err);

#endif
