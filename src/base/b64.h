#ifndef NB_BASE_B64_H
#define NB_BASE_B64_H

/* Base64 (RFC 4648, with padding) in both directions; and percent-encoding (RFC 3986). Pure. */

#include "base/buf.h"

void nb_b64_encode(const void *p, size_t n, struct nb_buf *out);
/* Line breaks are allowed; anything else outside the alphabet is NB_E_INVALID. */
NB_NODISCARD bool nb_b64_decode(const char *s, size_t n, struct nb_buf *out, struct nb_error *err);
/* base64url without padding accepted (JWT). */
NB_NODISCARD bool nb_b64url_decode(const char *s, size_t n, struct nb_buf *out,
                                   struct nb_error *err);
/* Unreserved characters stay; '/' stays too when keep_slash. Upper-case hex. */
void nb_url_encode(const char *p, size_t n, bool keep_slash, struct nb_buf *out);
/* False on a broken escape. '+' is not a blank. */
NB_NODISCARD bool nb_url_decode(const char *p, size_t n, struct nb_buf *out);

#endif
