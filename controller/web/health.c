#include "controller/web/health.h"

#include "base/metrics.h"

void web_healthz(void *ctx, struct web_reply *reply)
{
    (void)ctx;
    nb_buf_puts(&reply->body, "ok\n");
}

void web_readyz(void *ctx, struct web_reply *reply)
{
    const struct web_health *h = ctx;

    if (h->ready(h->ready_ctx)) {
        nb_buf_puts(&reply->body, "ok\n");
        return;
    }
    reply->status = 503;
    nb_buf_puts(&reply->body, "caches are not synced yet\n");
}

void web_metrics(void *ctx, struct web_reply *reply)
{
    const struct web_health *h = ctx;

    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    nb_metrics_format(&reply->body);
    if (h && h->more_metrics)
        h->more_metrics(h->more_ctx, &reply->body);
}
