#ifndef NB_NET_SMTP_H
#define NB_NET_SMTP_H

/*
 * One e-mail to one submission server (RFC 5321, by libcurl), from any thread. TLS 1.2 or newer, always verified;
 * with SMTP_STARTTLS nothing is said before it (RFC 3207), and a server without it is refused. One refused recipient
 * refuses the mail. http_global_init() first.
 */

#include <stddef.h>

#include "base/cancel.h"

enum smtp_security {
    SMTP_STARTTLS, /* port 587 */
    SMTP_TLS,      /* from the first byte (RFC 8314): port 465 */
    SMTP_PLAIN     /* port 25; no credentials */
};

struct smtp_request {
    const char *host; /* a name or an address, IPv6 without brackets */
    uint16_t port;    /* 0: that of the security */
    enum smtp_security security;
    const char *ca_pem;   /* PEM text; NULL: the system's store */
    const char *helo;     /* our name in EHLO; NULL: the host's */
    const char *username; /* NULL: no authentication */
    const char *password;
    const char *from; /* addresses: local@domain, ASCII, no blanks or angle brackets */
    const char *const *to;
    size_t to_n;
    const char *message; /* header and body; every line ends with CR LF, no other CR or LF */
    size_t message_n;
    int64_t timeout_ms; /* for all of it; 0: 30 s */
};

/* What an address must look like to be given to smtp_send(). */
bool smtp_address_is_valid(const char *address);

/* Once true, the server has taken the mail. NB_E_INVALID: an address or the message is none. NB_E_DENIED: refused for
 * good ("SmtpRefused", "SmtpLoginDenied", "TlsVerificationFailed", "TlsUnavailable"). NB_E_UNAVAILABLE: not now (4xx,
 * refused, reset). NB_E_TIMEOUT, NB_E_CANCELLED. Texts hold the server's last word, never a credential. */
NB_NODISCARD bool smtp_send(const struct smtp_request *req, const struct nb_cancel *cancel,
                            struct nb_error *err);

#endif
