#include "kube/client.h"

#include <stdio.h>

#include "base/b64.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "kube/status.h"
#include "net/http.h"

enum {
    ANSWER_MAX = 16 << 20,
    ERROR_BODY_MAX = 256 << 10,
    URL_MAX = 16 << 10,
    CALL_TIMEOUT_MS = 30000,
    WATCH_IDLE_MS = 180000,
    WATCH_LINE_MAX = 8 << 20,
    WATCH_GRACE_MS = 30000,
    BUFFER_BYTES =
        16 << 10 /* a TLS record: a client has one or two of them for as long as it lives */
};
#define FIELD_MANAGER "neo4j-backup"

struct kube_client {
    struct kube_auth *auth;
    char *user_agent;
    struct kube_identity id;
    struct http_client *http;
    kube_fence_fn *fence;
    void *fence_ctx;
    int64_t timeout_ms;
};

/* One request, described once. */
struct call {
    const char *verb; /* for texts: "create" */
    const char *method;
    const struct kube_resource *res;
    const char *ns, *name, *sub;
    struct nb_buf query; /* "a=b&c=d" */
    const char *content_type;
    struct nb_str body;
    http_body_fn *on_body;
    void *on_body_ctx;
    size_t max_body;
    int64_t timeout_ms, idle_timeout_ms;
    const int64_t *until_mono_ms;
    bool writes;
    bool to_collection; /* the name is for texts only */
};

static struct nb_metric requests = NB_METRIC(NB_COUNTER, "rest_client_requests_total",
                                             "Requests to the Kubernetes API by method and "
                                             "status code (<error>: no answer).",
                                             "method", "code");

bool kube_client_new(struct kube_auth *auth, const char *user_agent, struct kube_client **ret,
                     struct nb_error *err)
{
    struct kube_client *c = NB_NEW(struct kube_client);

    (void)err;
    c->auth = auth;
    c->timeout_ms = CALL_TIMEOUT_MS;
    c->user_agent = nb_xstrdup_null(user_agent);
    *ret = c;
    return true;
}

void kube_client_free(struct kube_client *c)
{
    if (!c)
        return;
    http_client_free(c->http);
    kube_identity_done(&c->id);
    free(c->user_agent);
    free(c);
}

void kube_client_set_timeout(struct kube_client *c, int64_t timeout_ms)
{
    c->timeout_ms = timeout_ms ? timeout_ms : CALL_TIMEOUT_MS;
}

void kube_client_set_fence(struct kube_client *c, kube_fence_fn *fence, void *ctx)
{
    c->fence = fence;
    c->fence_ctx = ctx;
}

static void add_query(struct call *call, const char *key, const char *value)
{
    if (call->query.len > 0)
        nb_buf_putc(&call->query, '&');
    nb_buf_printf(&call->query, "%s=", key);
    nb_url_encode(value, strlen(value), false, &call->query);
}

static void add_query_number(struct call *call, const char *key, uint64_t value)
{
    nb_buf_printf(&call->query, "%s%s=%llu", call->query.len > 0 ? "&" : "", key,
                  (unsigned long long)value);
}

/* Fresh credentials; a new connection when the certificates have changed. */
static bool prepare(struct kube_client *c, struct nb_error *err)
{
    struct http_client_opts opts = { 0 };
    bool tls_changed;

    kube_auth_refresh(c->auth, nb_clock_mono_ms(), &c->id, &tls_changed);
    if (c->http && !tls_changed)
        return true;
    http_client_free(c->http);
    c->http = NULL;
    opts.ca_pem = c->id.ca_pem;
    opts.insecure_skip_verify = c->id.insecure_skip_verify;
    opts.client_cert_pem = c->id.client_cert_pem;
    opts.client_key_pem = c->id.client_key_pem ? nb_secret_str(c->id.client_key_pem).p : NULL;
    opts.buffer_bytes = BUFFER_BYTES;
    opts.user_agent = c->user_agent;
    return http_client_new(&opts, &c->http, err);
}

static void describe(const struct call *call, struct nb_buf *out)
{
    nb_buf_printf(out, "%s %s", call->verb, call->res->plural);
    if (call->name)
        nb_buf_printf(out, " '%s%s%s'", call->ns ? call->ns : "", call->ns ? "/" : "", call->name);
    else if (call->ns && call->ns[0])
        nb_buf_printf(out, " in '%s'", call->ns);
}

static void count(const struct call *call, int status)
{
    char code[16];

    snprintf(code, sizeof(code), "%d", status);
    nb_metric_add(&requests, 1, call->method, status > 0 ? code : "<error>");
}

static bool send_once(struct kube_client *c, const struct call *call,
                      const struct nb_cancel *cancel, struct http_response *resp,
                      struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf url = NB_BUF_INIT(URL_MAX);
    struct http_header headers[3];
    struct http_request req = { 0 };
    bool ok;

    if (!prepare(c, err))
        return false;
    nb_buf_puts(&url, kube_auth_server(c->auth));
    kube_path(call->res, call->ns, call->to_collection ? NULL : call->name, call->sub, &url);
    if (call->query.len > 0) {
        nb_buf_putc(&url, '?');
        nb_buf_append(&url, call->query.data, call->query.len);
    }
    if (!nb_buf_check(&url, err))
        return false;
    /* Logs come as text/plain whatever is asked for; everything else, and every error, as JSON. */
    headers[req.headers_n++] = (struct http_header){ "Accept", "application/json, */*" };
    if (c->id.bearer)
        headers[req.headers_n++] =
            (struct http_header){ "Authorization", nb_secret_str(c->id.bearer).p };
    if (call->content_type)
        headers[req.headers_n++] = (struct http_header){ "Content-Type", call->content_type };
    req.method = call->method;
    req.url = nb_buf_cstr(&url);
    req.headers = headers;
    req.body = call->body.p;
    req.body_n = call->body.n;
    req.on_body = call->on_body;
    req.on_body_ctx = call->on_body_ctx;
    req.stream_only_2xx = true;
    req.max_body = call->max_body ? call->max_body : ANSWER_MAX;
    req.timeout_ms = call->timeout_ms;
    req.idle_timeout_ms = call->idle_timeout_ms;
    req.until_mono_ms = call->until_mono_ms;
    ok = http_client_send(c->http, &req, cancel, resp, err);
    count(call, ok ? resp->status : 0);
    return ok;
}

static bool fail_of(const struct call *call, const struct http_response *resp, struct nb_error *err)
{
    nb_auto(nb_json_free) struct nb_json *status = NULL;
    nb_auto_done(nb_buf_done) struct nb_buf what = NB_BUF_INIT(1024);
    struct nb_error ignored = NB_ERROR_INIT;
    char after[24];

    describe(call, &what);
    if (resp->body.len > 0 && resp->body.data[0] == '{' &&
        !nb_json_parse(resp->body.data, resp->body.len, ERROR_BODY_MAX, &status, &ignored))
        status = NULL;
    return kube_status_fail(resp->status, status,
                            http_response_header(resp, "retry-after", after, sizeof(after)),
                            nb_buf_cstr(&what), err);
}

/* Any answer but 2xx is an error. */
static bool perform(struct kube_client *c, const struct call *call, const struct nb_cancel *cancel,
                    struct http_response *resp, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf what = NB_BUF_INIT(1024);

    describe(call, &what);
    if (call->writes && c->fence && !c->fence(c->fence_ctx, err))
        return nb_wrap(err, "%s", nb_buf_cstr(&what));
    if (!send_once(c, call, cancel, resp, err))
        return nb_wrap(err, "%s", nb_buf_cstr(&what));
    if (resp->status == 401 && kube_auth_refused(c->auth, c->id.token_number, nb_clock_mono_ms()) &&
        !send_once(c, call, cancel, resp, err))
        return nb_wrap(err, "%s", nb_buf_cstr(&what));
    return (resp->status >= 200 && resp->status < 300) || fail_of(call, resp, err);
}

/* perform, and the answer as JSON unless ret is NULL. Frees the query. */
static bool run(struct kube_client *c, struct call *call, const struct nb_cancel *cancel,
                struct nb_json **ret, struct nb_error *err)
{
    nb_auto_done(http_response_done) struct http_response resp = HTTP_RESPONSE_INIT;
    bool ok = nb_buf_check(&call->query, err);

    call->timeout_ms = c->timeout_ms;
    ok = ok && perform(c, call, cancel, &resp, err);
    nb_buf_done(&call->query);
    if (!ok || !ret)
        return ok;
    if (nb_json_parse(nb_buf_cstr(&resp.body), resp.body.len, ANSWER_MAX, ret, err))
        return true;
    err->code = NB_E_PROTOCOL;
    return nb_wrap(err, "answer to %s %s", call->verb, call->res->plural);
}

static struct call call_new(const char *verb, const char *method, const struct kube_resource *res,
                            const char *ns, const char *name)
{
    struct call call = { 0 };

    call.verb = verb;
    call.method = method;
    call.res = res;
    call.ns = ns && ns[0] ? ns : NULL;
    call.name = name;
    nb_buf_init(&call.query, URL_MAX / 2);
    return call;
}

bool kube_get(struct kube_client *c, const struct kube_resource *res, const char *ns,
              const char *name, const struct nb_cancel *cancel, struct nb_json **ret,
              struct nb_error *err)
{
    struct call call = call_new("get", "GET", res, ns, name);

    return run(c, &call, cancel, ret, err);
}

bool kube_list_page(struct kube_client *c, const struct kube_resource *res, const char *ns,
                    const struct kube_list_opts *opts, const struct nb_cancel *cancel,
                    struct nb_json **ret, struct nb_error *err)
{
    struct call call = call_new("list", "GET", res, ns, NULL);

    if (opts->label_selector)
        add_query(&call, "labelSelector", opts->label_selector);
    if (opts->limit)
        add_query_number(&call, "limit", opts->limit);
    if (opts->continue_token && opts->continue_token[0])
        add_query(&call, "continue", opts->continue_token);
    return run(c, &call, cancel, ret, err);
}

const char *kube_list_continue(const struct nb_json *page)
{
    return nb_json_str(nb_json_at(page, "metadata.continue"), "");
}

const char *kube_list_resource_version(const struct nb_json *page)
{
    return nb_json_str(nb_json_at(page, "metadata.resourceVersion"), "");
}

bool kube_create(struct kube_client *c, const struct kube_resource *res, const char *ns,
                 const char *name, struct nb_str body, const struct nb_cancel *cancel,
                 struct nb_json **ret, struct nb_error *err)
{
    struct call call = call_new("create", "POST", res, ns, name);

    call.writes = true;
    call.to_collection = true;
    call.content_type = "application/json";
    call.body = body;
    add_query(&call, "fieldManager", FIELD_MANAGER);
    /* What it does not know is refused and not left out without a word: parts of a spec are handed
     * on as they are, and a misspelt affinity would be none. */
    add_query(&call, "fieldValidation", "Strict");
    return run(c, &call, cancel, ret, err);
}

bool kube_patch(struct kube_client *c, const struct kube_resource *res, const char *ns,
                const char *name, const char *subresource, enum kube_patch_type type,
                struct nb_str body, const struct nb_cancel *cancel, struct nb_json **ret,
                struct nb_error *err)
{
    struct call call = call_new("patch", "PATCH", res, ns, name);

    call.writes = true;
    call.sub = subresource;
    call.body = body;
    call.content_type =
        type == KUBE_PATCH_MERGE ? "application/merge-patch+json" : "application/apply-patch+yaml";
    add_query(&call, "fieldManager", FIELD_MANAGER);
    if (type == KUBE_PATCH_APPLY)
        add_query(&call, "force", "true");
    return run(c, &call, cancel, ret, err);
}

bool kube_delete(struct kube_client *c, const struct kube_resource *res, const char *ns,
                 const char *name, const char *uid, enum kube_propagation propagation,
                 const struct nb_cancel *cancel, struct nb_error *err)
{
    static const char *const policies[] = { "Background", "Foreground", "Orphan" };
    nb_auto_done(nb_buf_done) struct nb_buf body = NB_BUF_INIT(4096);
    struct call call = call_new("delete", "DELETE", res, ns, name);
    struct nb_jw w = NB_JW_INIT(&body);

    nb_jw_object(&w);
    nb_jw_kv_str(&w, "apiVersion", "v1");
    nb_jw_kv_str(&w, "kind", "DeleteOptions");
    nb_jw_kv_str(&w, "propagationPolicy", policies[propagation]);
    if (uid) {
        nb_jw_key(&w, "preconditions");
        nb_jw_object(&w);
        nb_jw_kv_str(&w, "uid", uid);
        nb_jw_object_end(&w);
    }
    nb_jw_object_end(&w);
    call.writes = true;
    call.content_type = "application/json";
    call.body = nb_buf_str(&body);
    return run(c, &call, cancel, NULL, err);
}

static bool log_bytes(void *ctx, const char *p, size_t n, struct nb_error *err)
{
    struct nb_buf *out = ctx;

    nb_buf_append(out, p, n);
    return nb_buf_check(out, err);
}

bool kube_pod_log(struct kube_client *c, const char *ns, const char *pod,
                  const struct kube_log_opts *opts, const struct nb_cancel *cancel,
                  struct nb_buf *out, struct nb_error *err)
{
    nb_auto_done(http_response_done) struct http_response resp = HTTP_RESPONSE_INIT;
    struct call call = call_new("read log of", "GET", &KUBE_PODS, ns, pod);
    bool ok;

    call.sub = "log";
    if (opts->container)
        add_query(&call, "container", opts->container);
    if (opts->tail_lines)
        add_query_number(&call, "tailLines", opts->tail_lines);
    if (opts->since_time)
        add_query(&call, "sinceTime", opts->since_time);
    if (opts->timestamps)
        add_query(&call, "timestamps", "true");
    if (opts->previous)
        add_query(&call, "previous", "true");
    /* limitBytes cuts at the end, in the middle of a line. */
    add_query_number(&call, "limitBytes", out->max - out->len);
    call.on_body = log_bytes;
    call.on_body_ctx = out;
    call.timeout_ms = c->timeout_ms;
    call.idle_timeout_ms = opts->idle_timeout_ms;
    ok = nb_buf_check(&call.query, err) && perform(c, &call, cancel, &resp, err);
    nb_buf_done(&call.query);
    return ok;
}

struct watch_run {
    struct kube_watch_parser *parser;
    kube_event_fn *on_event;
    void *ctx;
    int64_t until_mono_ms; /* for the end of the initial events; INT64_MAX: none is waited for */
};

static bool watch_event(void *ctx, const struct kube_event *event, struct nb_error *err)
{
    struct watch_run *run_ = ctx;

    if (event->initial_end)
        run_->until_mono_ms = INT64_MAX;
    return run_->on_event(run_->ctx, event, err);
}

static bool watch_bytes(void *ctx, const char *p, size_t n, struct nb_error *err)
{
    struct watch_run *run_ = ctx;

    return kube_watch_parser_feed(run_->parser, p, n, watch_event, run_, err);
}

static void add_watch_query(struct call *call, const struct kube_watch_opts *opts, unsigned seconds)
{
    add_query(call, "watch", "true");
    add_query(call, "allowWatchBookmarks", "true");
    if (opts->initial_events) {
        add_query(call, "sendInitialEvents", "true");
        add_query(call, "resourceVersionMatch", "NotOlderThan");
    }
    if (opts->resource_version[0])
        add_query(call, "resourceVersion", opts->resource_version);
    add_query_number(call, "timeoutSeconds", seconds);
    if (opts->label_selector)
        add_query(call, "labelSelector", opts->label_selector);
}

bool kube_watch(struct kube_client *c, const struct kube_resource *res, const char *ns,
                const struct kube_watch_opts *opts, const struct nb_cancel *cancel,
                kube_event_fn *on_event, void *ctx, struct nb_error *err)
{
    nb_auto(kube_watch_parser_free) struct kube_watch_parser *parser =
        kube_watch_parser_new(WATCH_LINE_MAX);
    nb_auto_done(http_response_done) struct http_response resp = HTTP_RESPONSE_INIT;
    struct call call = call_new("watch", "GET", res, ns, NULL);
    struct watch_run run_ = {
        .parser = parser, .on_event = on_event, .ctx = ctx, .until_mono_ms = INT64_MAX
    };
    unsigned seconds = opts->timeout_seconds ? opts->timeout_seconds : 300 + nb_random_below(300);
    bool ok;

    add_watch_query(&call, opts, seconds);
    if (opts->initial_events && opts->initial_timeout_ms)
        run_.until_mono_ms = nb_clock_mono_ms() + opts->initial_timeout_ms;
    call.until_mono_ms = &run_.until_mono_ms;
    call.on_body = watch_bytes;
    call.on_body_ctx = &run_;
    call.idle_timeout_ms = opts->idle_timeout_ms ? opts->idle_timeout_ms : WATCH_IDLE_MS;
    call.timeout_ms = (int64_t)seconds * 1000 + WATCH_GRACE_MS;
    ok = nb_buf_check(&call.query, err) && perform(c, &call, cancel, &resp, err);
    nb_buf_done(&call.query);
    return ok;
}
