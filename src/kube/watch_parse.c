#include "kube/watch_parse.h"

#include "base/mem.h"
#include "kube/status.h"

struct kube_watch_parser {
    struct nb_buf line; /* the beginning of a line whose end has not come yet */
    size_t max_line;
    bool failed;
};

struct kube_watch_parser *kube_watch_parser_new(size_t max_line_bytes)
{
    struct kube_watch_parser *p = NB_NEW(struct kube_watch_parser);

    nb_buf_init(&p->line, max_line_bytes);
    p->max_line = max_line_bytes;
    return p;
}

void kube_watch_parser_free(struct kube_watch_parser *p)
{
    if (!p)
        return;
    nb_buf_done(&p->line);
    free(p);
}

size_t kube_watch_parser_pending_bytes(const struct kube_watch_parser *p)
{
    return p->line.len;
}

static bool classify(const char *type, enum kube_event_type *ret)
{
    static const struct {
        const char *name;
        enum kube_event_type type;
    } table[] = { { "ADDED", KUBE_ADDED },
                  { "MODIFIED", KUBE_MODIFIED },
                  { "DELETED", KUBE_DELETED },
                  { "BOOKMARK", KUBE_BOOKMARK } };

    for (size_t i = 0; i < NB_ARRAY_LEN(table); i++) {
        if (nb_streq(type, table[i].name)) {
            *ret = table[i].type;
            return true;
        }
    }
    return false;
}

/* KEP-3157: the bookmark after the last of the initial events says so. */
static bool ends_initial_events(const struct kube_event *event)
{
    const struct nb_json *annotations = nb_json_at(event->object, "metadata.annotations");

    return event->type == KUBE_BOOKMARK &&
           nb_streq(nb_json_str(nb_json_get(annotations, "k8s.io/initial-events-end"), ""), "true");
}

static bool is_blank(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r')
            return false;
    return true;
}

static bool parse_line(struct kube_watch_parser *p, const char *s, size_t n,
                       kube_event_fn *on_event, void *ctx, struct nb_error *err)
{
    nb_auto(nb_json_free) struct nb_json *doc = NULL;
    struct kube_event event;
    const char *type;

    if (is_blank(s, n))
        return true;
    if (n > p->max_line)
        return nb_fail(err, NB_E_LIMIT, "WatchEventTooLarge", "watch event above %zu bytes",
                       p->max_line);
    if (!nb_json_parse(s, n, p->max_line, &doc, err)) {
        err->code = NB_E_PROTOCOL;
        return nb_wrap(err, "watch event");
    }
    type = nb_json_str(nb_json_get(doc, "type"), "");
    event.object = nb_json_get(doc, "object");
    if (nb_streq(type, "ERROR"))
        return kube_status_fail((int)nb_json_i64(nb_json_get(event.object, "code"), 500),
                                event.object, NULL, "watch", err);
    event.resource_version = nb_json_str(nb_json_at(event.object, "metadata.resourceVersion"), "");
    if (!classify(type, &event.type) || event.resource_version[0] == '\0')
        return nb_fail(err, NB_E_PROTOCOL, "BadWatchEvent", "watch event of unknown form");
    event.initial_end = ends_initial_events(&event);
    return on_event(ctx, &event, err);
}

static bool feed(struct kube_watch_parser *p, const char *bytes, size_t n, kube_event_fn *on_event,
                 void *ctx, struct nb_error *err)
{
    while (n > 0) {
        const char *nl = memchr(bytes, '\n', n);
        size_t take = nl ? (size_t)(nl - bytes) : n;

        if (nl && p->line.len == 0) { /* a whole line: no copy */
            if (!parse_line(p, bytes, take, on_event, ctx, err))
                return false;
        } else {
            nb_buf_append(&p->line, bytes, take);
            if (p->line.overflow)
                return nb_fail(err, NB_E_LIMIT, "WatchEventTooLarge", "watch event above %zu bytes",
                               p->max_line);
            if (nl) {
                if (!parse_line(p, p->line.data ? p->line.data : "", p->line.len, on_event, ctx,
                                err))
                    return false;
                nb_buf_clear(&p->line);
            }
        }
        take += nl ? 1 : 0;
        bytes += take;
        n -= take;
    }
    return true;
}

bool kube_watch_parser_feed(struct kube_watch_parser *p, const char *bytes, size_t n,
                            kube_event_fn *on_event, void *ctx, struct nb_error *err)
{
    if (p->failed)
        return nb_fail(err, NB_E_PROTOCOL, "WatchEnded", "watch stream has failed before");
    p->failed = !feed(p, bytes, n, on_event, ctx, err);
    return !p->failed;
}
