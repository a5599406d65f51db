#ifndef NB_KUBE_AUTH_H
#define NB_KUBE_AUTH_H

/*
 * kube_auth: the credentials of a kube_config, kept fresh. Files are read again every 60 s, a token
 * also after a 401. What cannot be read, is empty or holds no PEM leaves the last good value in
 * place: a kubelet that swaps a mounted token must not disturb us. A credential plugin runs again a
 * minute before what it gave expires, in the call that finds that out, and after a 401; other
 * callers go on with what is there.
 * Any thread; many kube_clients share one, which must outlive them.
 * Source: client-go transport/token_source.go, transport/ca_rotation.go.
 */

#include "kube/config.h"

struct kube_auth;

/* Reads all files once, and runs the plugin: what is missing now is an error. config is taken, even on failure. */
NB_NODISCARD bool kube_auth_new(struct kube_config *take_config, struct kube_auth **ret,
                                struct nb_error *err);
void kube_auth_free(struct kube_auth *a);
NB_AUTO_DEFINE(struct kube_auth *, kube_auth_free)
const char *kube_auth_server(const struct kube_auth *a);
const char *kube_auth_namespace(const struct kube_auth *a);

/* A private copy of what is current, for one client; numbers tell when to take another. */
struct kube_identity {
    uint64_t token_number, tls_number; /* 0: nothing taken yet */
    struct nb_secret *bearer;          /* "Bearer <token>"; NULL: none */
    char *ca_pem, *client_cert_pem;    /* NULL: none */
    struct nb_secret *client_key_pem;
    bool insecure_skip_verify;
};
void kube_identity_done(struct kube_identity *id);
/* Brings id up to date; true in *ret_tls_changed: open new connections. */
void kube_auth_refresh(struct kube_auth *a, int64_t now_mono_ms, struct kube_identity *id,
                       bool *ret_tls_changed);
/* The server said 401 to the token of that number. True: there is (or may be) another, try once
 * more. */
bool kube_auth_refused(struct kube_auth *a, uint64_t token_number, int64_t now_mono_ms);

#endif
