#ifndef NB_WEB_HEALTH_H
#define NB_WEB_HEALTH_H

/* What probes and Prometheus ask for: handlers for web_server. */

#include "controller/web/server.h"

typedef bool(web_ready_fn)(void *ctx);
struct web_health {
    web_ready_fn *ready;
    void *ready_ctx;
    void (*more_metrics)(void *ctx, struct nb_buf *out); /* appended to /metrics; NULL: nothing */
    void *more_ctx;
};

/* 200 "ok" as long as the server's thread runs. */
void web_healthz(void *ctx, struct web_reply *reply);
/* ctx: a struct web_health. 503 until ready. */
void web_readyz(void *ctx, struct web_reply *reply);
/* ctx: a struct web_health or NULL. Prometheus text format 0.0.4. */
void web_metrics(void *ctx, struct web_reply *reply);

#endif
