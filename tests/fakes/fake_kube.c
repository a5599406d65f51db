#include "tests/fakes/fake_kube.h"

#include <pthread.h>
#include <stdio.h>

#include "base/b64.h"
#include "base/clock.h"
#include "base/fatal.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "tests/fakes/fake_http.h"

enum { TEXT_MAX = 4 << 20, FAULTS_MAX = 32, INITIALS_MAX = 16 };

struct object {
    char *api, *ns, *plural, *name; /* api: "/apis/batch/v1" */
    char *json;
    uint64_t version;
};
struct change {
    uint64_t version;
    const char *type;
    char *api, *ns, *plural, *json;
};
struct watch {
    struct fake_kube *kube;
    char *api, *ns, *plural, *selector;
    uint64_t from;
    unsigned ended_seen, bookmarks_seen;
    bool told_expired;
    bool initial;  /* the initial events are still to be sent, */
    bool scripted; /* as this says */
    struct fake_kube_initial script;
};
struct fault {
    struct fake_kube_fault spec;
    unsigned hits;
};

struct fake_kube {
    struct fake_http *http;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct nb_vec objects, changes, watches, requests;
    struct nb_map *logs;
    uint64_t version, compacted;
    struct fault faults[FAULTS_MAX];
    size_t fault_count;
    struct fake_kube_initial initials[INITIALS_MAX];
    size_t initial_count, initial_used;
    unsigned ended, bookmarks;
    bool cut, expire_inside, held, stop;
    const char *held_plural; /* or NULL */
    const char *hung_logs;   /* or NULL */
    char *token;
    unsigned uids;
    uint64_t ticks; /* moves with every change or request */
};

/* --- JSON --- */

static struct nb_json *parse(const char *text)
{
    struct nb_error err = NB_ERROR_INIT;
    struct nb_json *json = NULL;

    if (!nb_json_parse(text, strlen(text), TEXT_MAX, &json, &err))
        return NULL;
    return json;
}

static void merge(const struct nb_json *target, const struct nb_json *patch, struct nb_jw *w)
{
    const struct nb_json *c;

    nb_jw_object(w);
    for (c = nb_json_first(target); c; c = nb_json_next(c)) {
        const struct nb_json *p = nb_json_get(patch, nb_json_key(c));

        if (p && nb_json_type(p) == NB_JSON_NULL)
            continue;
        nb_jw_key(w, nb_json_key(c));
        if (p && nb_json_type(p) == NB_JSON_OBJECT)
            merge(nb_json_type(c) == NB_JSON_OBJECT ? c : NULL, p, w);
        else
            nb_jw_value(w, p ? p : c);
    }
    for (c = nb_json_first(patch); c; c = nb_json_next(c)) {
        if (nb_json_type(c) == NB_JSON_NULL || (target && nb_json_get(target, nb_json_key(c))))
            continue;
        nb_jw_key(w, nb_json_key(c));
        if (nb_json_type(c) == NB_JSON_OBJECT)
            merge(NULL, c, w);
        else
            nb_jw_value(w, c);
    }
    nb_jw_object_end(w);
}

static char *merge_text(const char *target, const char *patch)
{
    nb_auto(nb_json_free) struct nb_json *a = parse(target);
    nb_auto(nb_json_free) struct nb_json *b = parse(patch);
    struct nb_buf out = NB_BUF_INIT(TEXT_MAX);
    struct nb_jw w = NB_JW_INIT(&out);

    if (!a || !b)
        nb_fatal("fake_kube: bad JSON");
    merge(a, b, &w);
    return nb_buf_take(&out);
}

static char *text_at(const char *json, const char *path)
{
    nb_auto(nb_json_free) struct nb_json *j = parse(json);
    struct nb_buf out = NB_BUF_INIT(TEXT_MAX);
    const struct nb_json *v = nb_json_at(j, path);

    if (v && nb_json_type(v) == NB_JSON_STRING)
        nb_buf_puts(&out, nb_json_str(v, ""));
    else if (v)
        nb_json_format(v, &out);
    return nb_buf_take(&out);
}

/* --- objects; lock held --- */

static void tick(struct fake_kube *k)
{
    k->ticks++;
    pthread_cond_broadcast(&k->changed);
}

struct path {
    char api[128], ns[128], plural[128], name[300], sub[32];
};

static void copy(char *out, size_t n, const char *p, size_t len)
{
    snprintf(out, n, "%.*s", (int)len, p);
}

/* "/apis/G/V/namespaces/NS/PLURAL/NAME/SUB" and its shorter forms. */
static bool split(const char *text, struct path *ret)
{
    const char *s = text;
    int words = nb_starts_with(text, "/apis/") ? 3 : 2;
    struct nb_buf plain = NB_BUF_INIT(1024);
    char *fields[4] = { ret->plural, ret->name, ret->sub, NULL };
    const size_t sizes[4] = { sizeof(ret->plural), sizeof(ret->name), sizeof(ret->sub), 0 };

    memset(ret, 0, sizeof(*ret));
    for (int i = 0; i < words; i++) {
        s = strchr(s + 1, '/');
        if (!s)
            return false;
    }
    copy(ret->api, sizeof(ret->api), text, (size_t)(s - text));
    if (nb_starts_with(s, "/namespaces/") && strchr(s + 12, '/')) {
        const char *end = strchr(s + 12, '/');

        copy(ret->ns, sizeof(ret->ns), s + 12, (size_t)(end - s - 12));
        s = end;
    }
    for (int i = 0; fields[i] && *s == '/'; i++) {
        size_t n = strcspn(s + 1, "/");

        nb_buf_clear(&plain);
        if (!nb_url_decode(s + 1, n, &plain))
            nb_fatal("fake_kube: bad path");
        copy(fields[i], sizes[i], nb_buf_cstr(&plain), plain.len);
        s += 1 + n;
    }
    nb_buf_done(&plain);
    return ret->plural[0] != '\0';
}

static bool in_collection(const char *api, const char *ns, const char *plural, const struct path *p)
{
    return nb_streq(api, p->api) && nb_streq(plural, p->plural) &&
           (p->ns[0] == '\0' || nb_streq(ns, p->ns));
}

static struct object *find(struct fake_kube *k, const struct path *p, size_t *ret_i)
{
    for (size_t i = 0; i < k->objects.count; i++) {
        struct object *o = k->objects.items[i];

        if (in_collection(o->api, o->ns, o->plural, p) && nb_streq(o->name, p->name)) {
            if (ret_i)
                *ret_i = i;
            return o;
        }
    }
    return NULL;
}

static void log_change(struct fake_kube *k, const struct object *o, const char *type)
{
    struct change *c = NB_NEW(struct change);

    c->version = o->version;
    c->type = type;
    c->api = nb_xstrdup(o->api);
    c->ns = nb_xstrdup(o->ns);
    c->plural = nb_xstrdup(o->plural);
    c->json = nb_xstrdup(o->json);
    nb_vec_push(&k->changes, c);
    tick(k);
}

static void stamp(struct fake_kube *k, struct object *o)
{
    nb_auto(nb_free) char *meta = NULL, *old = o->json;

    o->version = ++k->version;
    meta = nb_xasprintf("{\"metadata\":{\"resourceVersion\":\"%llu\"}}",
                        (unsigned long long)o->version);
    o->json = merge_text(old, meta);
}

static struct object *insert(struct fake_kube *k, const struct path *p, const char *json)
{
    struct object *o = NB_NEW(struct object);
    nb_auto(nb_free) char *name = text_at(json, "metadata.name");
    nb_auto(nb_free) char *meta = NULL;
    char now[NB_TIME_TEXT_MAX];

    nb_time_format(nb_clock_unix_seconds(), now);
    meta = nb_xasprintf("{\"metadata\":{\"namespace\":\"%s\",\"uid\":\"uid-%u\",\"generation\":1,"
                        "\"creationTimestamp\":\"%s\"}}",
                        p->ns, ++k->uids, now);
    o->api = nb_xstrdup(p->api);
    o->ns = nb_xstrdup(p->ns);
    o->plural = nb_xstrdup(p->plural);
    o->name = nb_steal(name);
    /* What the test gives (a time, a UID) stays. */
    o->json = merge_text(meta, json);
    stamp(k, o);
    nb_vec_push(&k->objects, o);
    log_change(k, o, "ADDED");
    return o;
}

static void object_free(struct object *o)
{
    free(o->api);
    free(o->ns);
    free(o->plural);
    free(o->name);
    free(o->json);
    free(o);
}

static void erase(struct fake_kube *k, size_t i)
{
    struct object *o = k->objects.items[i];

    stamp(k, o);
    log_change(k, o, "DELETED");
    memmove(&k->objects.items[i], &k->objects.items[i + 1],
            (k->objects.count - i - 1) * sizeof(void *));
    k->objects.count--;
    object_free(o);
}

static void patch_object(struct fake_kube *k, struct object *o, const char *patch, bool status)
{
    nb_auto(nb_free) char *spec_before = text_at(o->json, "spec");
    nb_auto(nb_free) char *spec_after = NULL;
    nb_auto(nb_json_free) struct nb_json *p = parse(patch);
    nb_auto(nb_free) char *before = nb_xstrdup(o->json);
    struct nb_buf part = NB_BUF_INIT(TEXT_MAX);
    struct nb_jw w = NB_JW_INIT(&part);
    char *merged;

    nb_jw_object(&w);
    for (const struct nb_json *c = nb_json_first(p); c; c = nb_json_next(c)) {
        if (nb_streq(nb_json_key(c), "status") != status)
            continue;
        nb_jw_key(&w, nb_json_key(c));
        nb_jw_value(&w, c);
    }
    nb_jw_object_end(&w);
    merged = merge_text(o->json, nb_buf_cstr(&part));
    nb_buf_done(&part);
    free(o->json);
    o->json = merged;
    spec_after = text_at(o->json, "spec");
    if (strcmp(spec_before, spec_after) != 0) {
        nb_auto(nb_free) char *generation = text_at(o->json, "metadata.generation");
        nb_auto(nb_free) char *meta = NULL;
        int64_t number = 0;

        if (!nb_parse_i64(generation, 0, INT64_MAX - 1, &number))
            number = 0;
        meta = nb_xasprintf("{\"metadata\":{\"generation\":%lld}}", (long long)number + 1);
        merged = merge_text(o->json, meta);
        free(o->json);
        o->json = merged;
    }
    if (strcmp(before, o->json) == 0)
        return; /* as the real one: nothing changed, no new version */
    stamp(k, o);
    log_change(k, o, "MODIFIED");
}

/* --- answers --- */

static void status_text(struct nb_buf *out, int code, const char *reason, const char *message)
{
    nb_buf_printf(
        out,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"%s\",\"reason\":\"%s\",\"code\":%d}",
        message ? message : "fake says no", reason, code);
}

static bool refuse_saying(struct fake_http_reply *reply, int code, const char *reason,
                          const char *message)
{
    struct nb_buf text = NB_BUF_INIT(1024);

    status_text(&text, code, reason, message);
    fake_http_reply_json(reply, code, nb_buf_cstr(&text));
    nb_buf_done(&text);
    return true;
}

static bool refuse(struct fake_http_reply *reply, int code, const char *reason)
{
    return refuse_saying(reply, code, reason, NULL);
}

/* selector: "key", "key=value" or nothing */
static bool selected(const char *json, const char *selector)
{
    const char *value = selector ? strchr(selector, '=') : NULL;
    nb_auto(nb_free) char *key = NULL;
    nb_auto(nb_json_free) struct nb_json *j = NULL;
    const struct nb_json *label;

    if (!selector || selector[0] == '\0')
        return true;
    key = value ? nb_xstrndup(selector, (size_t)(value - selector)) : nb_xstrdup(selector);
    j = parse(json);
    label = nb_json_get(nb_json_at(j, "metadata.labels"), key);
    return label && (!value || nb_streq(nb_json_str(label, ""), value + 1));
}

static char *param(const struct fake_http_request *req, const char *name)
{
    char raw[1024];
    struct nb_buf plain = NB_BUF_INIT(1024);

    if (fake_http_request_param(req, name, raw, sizeof(raw)) &&
        !nb_url_decode(raw, strlen(raw), &plain))
        nb_fatal("fake_kube: bad query");
    return nb_buf_take(&plain);
}

static int64_t number_param(const struct fake_http_request *req, const char *name)
{
    nb_auto(nb_free) char *text = param(req, name);
    int64_t value = 0;

    return nb_parse_i64(text, 0, INT64_MAX, &value) ? value : 0;
}

/* continue tokens: "version.start" */
static bool list(struct fake_kube *k, const struct path *p, const struct fake_http_request *req,
                 struct fake_http_reply *reply)
{
    nb_auto(nb_free) char *token = param(req, "continue");
    nb_auto(nb_free) char *selector = param(req, "labelSelector");
    nb_auto_done(nb_buf_done) struct nb_buf items = NB_BUF_INIT(TEXT_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(TEXT_MAX);
    size_t limit = (size_t)number_param(req, "limit"), seen = 0, given = 0, start = 0;
    uint64_t version = k->version;
    bool more = false;

    if (token[0]) {
        char *dot = strchr(token, '.');
        int64_t v = 0, s = 0;

        if (!dot)
            return refuse(reply, 400, "BadRequest");
        *dot = '\0';
        if (!nb_parse_i64(token, 0, INT64_MAX, &v) || !nb_parse_i64(dot + 1, 0, INT64_MAX, &s))
            return refuse(reply, 400, "BadRequest");
        if ((uint64_t)v <= k->compacted)
            return refuse(reply, 410, "Expired");
        version = (uint64_t)v;
        start = (size_t)s;
    }
    for (size_t i = 0; i < k->objects.count && !more; i++) {
        const struct object *o = k->objects.items[i];

        if (!in_collection(o->api, o->ns, o->plural, p) || !selected(o->json, selector) ||
            seen++ < start)
            continue;
        if (limit && given == limit) {
            more = true;
            break;
        }
        nb_buf_printf(&items, "%s%s", given++ ? "," : "", o->json);
    }
    nb_buf_printf(&out, "{\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"%llu\"",
                  (unsigned long long)version);
    if (more)
        nb_buf_printf(&out, ",\"continue\":\"%llu.%zu\"", (unsigned long long)version,
                      start + given);
    nb_buf_printf(&out, "},\"items\":[%s]}", nb_buf_cstr(&items));
    fake_http_reply_json(reply, 200, nb_buf_cstr(&out));
    return true;
}

static void watch_free(void *p)
{
    struct watch *w = p;

    free(w->api);
    free(w->ns);
    free(w->plural);
    free(w->selector);
    free(w);
}

static bool put_changes(struct watch *w, const struct path *p, struct nb_buf *more)
{
    struct fake_kube *k = w->kube;
    bool any = false;

    for (size_t i = 0; i < k->changes.count; i++) {
        const struct change *c = k->changes.items[i];

        if (c->version <= w->from || !in_collection(c->api, c->ns, c->plural, p))
            continue;
        w->from = c->version;
        if (!selected(c->json, w->selector))
            continue;
        nb_buf_printf(more, "{\"type\":\"%s\",\"object\":%s}\n", c->type, c->json);
        any = true;
    }
    return any;
}

/* What there is, and the bookmark that says that this was all. */
static void put_initial(struct watch *w, const struct path *p, struct nb_buf *more)
{
    struct fake_kube *k = w->kube;

    for (size_t i = 0; i < k->objects.count; i++) {
        const struct object *o = k->objects.items[i];

        if (in_collection(o->api, o->ns, o->plural, p) && selected(o->json, w->selector))
            nb_buf_printf(more, "{\"type\":\"ADDED\",\"object\":%s}\n", o->json);
    }
    w->from = k->version;
    nb_buf_printf(more,
                  "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"x\",\"metadata\":"
                  "{\"resourceVersion\":\"%llu\",\"annotations\":"
                  "{\"k8s.io/initial-events-end\":\"true\"}}}}\n",
                  (unsigned long long)k->version);
}

static void put_script(struct watch *w, struct nb_buf *more)
{
    nb_buf_puts(more, w->script.text);
    w->from = w->script.then == FAKE_KUBE_SILENT ? UINT64_MAX : w->kube->version;
    w->told_expired = w->script.then == FAKE_KUBE_END || w->script.then == FAKE_KUBE_CUT;
}

static bool watch_more(void *ctx, struct nb_buf *more)
{
    struct watch *w = ctx;
    struct fake_kube *k = w->kube;
    struct path p = { "", "", "", "", "" };
    bool go_on = true;

    copy(p.api, sizeof(p.api), w->api, strlen(w->api));
    copy(p.ns, sizeof(p.ns), w->ns, strlen(w->ns));
    copy(p.plural, sizeof(p.plural), w->plural, strlen(w->plural));
    pthread_mutex_lock(&k->lock);
    for (;;) {
        if (k->stop || w->told_expired) {
            go_on = false;
            break;
        }
        if (w->initial) {
            w->initial = false;
            if (w->scripted)
                put_script(w, more);
            else
                put_initial(w, &p, more);
            break;
        }
        if (w->from < k->compacted && w->from == 0) {
            nb_buf_puts(more, "{\"type\":\"ERROR\",\"object\":");
            status_text(more, 410, "Expired", NULL);
            nb_buf_puts(more, "}\n");
            w->told_expired = true;
            break;
        }
        if (w->ended_seen != k->ended) {
            if (k->cut)
                nb_buf_puts(more, "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"na");
            go_on = k->cut && !w->told_expired;
            w->told_expired = true; /* and the stream breaks off */
            break;
        }
        if (!k->held && !nb_streq(k->held_plural, p.plural) && put_changes(w, &p, more))
            break;
        if (w->bookmarks_seen != k->bookmarks) {
            w->bookmarks_seen = k->bookmarks;
            nb_buf_printf(more,
                          "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"x\",\"metadata\":"
                          "{\"resourceVersion\":\"%llu\"}}}\n",
                          (unsigned long long)k->version);
            break;
        }
        nb_cond_wait(&k->changed, &k->lock, INT64_MAX);
    }
    pthread_mutex_unlock(&k->lock);
    return go_on;
}

static bool watch(struct fake_kube *k, const struct path *p, const struct fake_http_request *req,
                  struct fake_http_reply *reply)
{
    struct watch *w;
    uint64_t from = (uint64_t)number_param(req, "resourceVersion");
    bool initial = strstr(req->query, "sendInitialEvents=true");
    bool expired = !initial && from < k->compacted;

    if (expired && !k->expire_inside)
        return refuse(reply, 410, "Expired");
    w = NB_NEW(struct watch);
    w->kube = k;
    w->api = nb_xstrdup(p->api);
    w->ns = nb_xstrdup(p->ns);
    w->plural = nb_xstrdup(p->plural);
    w->selector = param(req, "labelSelector");
    w->from = expired ? 0 : from;
    w->initial = initial;
    w->scripted = initial && k->initial_used < k->initial_count;
    if (w->scripted)
        w->script = k->initials[k->initial_used++];
    w->ended_seen = k->ended;
    w->bookmarks_seen = k->bookmarks;
    nb_vec_push(&k->watches, w);
    fake_http_reply_header(reply, "Content-Type", "application/json");
    reply->chunked = true;
    reply->more = watch_more;
    reply->more_ctx = w;
    reply->gone_after_more = w->scripted && w->script.then == FAKE_KUBE_CUT;
    return true;
}

static bool give(struct fake_http_reply *reply, int status, const char *json)
{
    fake_http_reply_json(reply, status, json);
    return true;
}

static bool create(struct fake_kube *k, struct path *p, const char *body,
                   struct fake_http_reply *reply)
{
    nb_auto(nb_free) char *name = NULL;
    nb_auto(nb_json_free) struct nb_json *json = parse(body);

    if (!json)
        return refuse(reply, 400, "BadRequest");
    name = text_at(body, "metadata.name");
    copy(p->name, sizeof(p->name), name, strlen(name));
    if (find(k, p, NULL))
        return refuse(reply, 409, "AlreadyExists");
    return give(reply, 201, insert(k, p, body)->json);
}

static bool patch(struct fake_kube *k, const struct path *p, const char *body,
                  struct fake_http_reply *reply)
{
    struct object *o = find(k, p, NULL);
    nb_auto(nb_free) char *wanted = NULL, *actual = NULL;
    nb_auto(nb_json_free) struct nb_json *json = parse(body);

    if (!json)
        return refuse(reply, 400, "BadRequest");
    if (!o)
        return refuse(reply, 404, "NotFound");
    wanted = text_at(body, "metadata.resourceVersion");
    actual = text_at(o->json, "metadata.resourceVersion");
    if (wanted[0] && strcmp(wanted, actual) != 0)
        return refuse(reply, 409, "Conflict");
    patch_object(k, o, body, nb_streq(p->sub, "status"));
    return give(reply, 200, o->json);
}

static bool delete (struct fake_kube *k, const struct path *p, const char *body,
                    struct fake_http_reply *reply)
{
    size_t i = 0;
    struct object *o = find(k, p, &i);
    nb_auto(nb_free) char *wanted = NULL, *actual = NULL;

    if (!o)
        return refuse(reply, 404, "NotFound");
    wanted = text_at(body[0] ? body : "{}", "preconditions.uid");
    actual = text_at(o->json, "metadata.uid");
    if (wanted[0] && strcmp(wanted, actual) != 0)
        return refuse(reply, 409, "Conflict");
    erase(k, i);
    return give(reply, 200, "{\"kind\":\"Status\",\"status\":\"Success\"}");
}

static bool pod_log(struct fake_kube *k, const struct path *p, struct fake_http_reply *reply)
{
    const char *text = nb_map_get(k->logs, p->name, strlen(p->name));

    if (k->hung_logs && nb_starts_with(p->name, k->hung_logs)) {
        reply->cut_after_bytes = 0;
        reply->hang = true;
        return true;
    }
    if (!text)
        return refuse(reply, 404, "NotFound");
    fake_http_reply_text(reply, 200, text);
    return true;
}

static bool dispatch(struct fake_kube *k, const struct fake_http_request *req,
                     struct fake_http_reply *reply)
{
    nb_auto(nb_free) char *body = nb_xstrndup(req->body.n ? req->body.p : "", req->body.n);
    struct path p;
    struct object *o;

    if (!split(req->path, &p))
        return refuse(reply, 404, "NotFound");
    if (nb_streq(req->method, "GET") && nb_streq(p.sub, "log"))
        return pod_log(k, &p, reply);
    if (nb_streq(req->method, "GET") && p.name[0] == '\0')
        return number_param(req, "watch") || strstr(req->query, "watch=true")
                   ? watch(k, &p, req, reply)
                   : list(k, &p, req, reply);
    if (nb_streq(req->method, "GET")) {
        o = find(k, &p, NULL);
        return o ? give(reply, 200, o->json) : refuse(reply, 404, "NotFound");
    }
    if (nb_streq(req->method, "POST"))
        return create(k, &p, body, reply);
    if (nb_streq(req->method, "PATCH"))
        return patch(k, &p, body, reply);
    if (nb_streq(req->method, "DELETE"))
        return delete (k, &p, body, reply);
    return refuse(reply, 405, "MethodNotAllowed");
}

static const struct fake_kube_fault *hit(struct fake_kube *k, const struct fake_http_request *req)
{
    const struct fake_kube_fault *first = NULL;

    /* Each counts every request that it speaks of, also those that another one hits. */
    for (size_t i = 0; i < k->fault_count; i++) {
        struct fault *f = &k->faults[i];

        if ((f->spec.method && !nb_streq(f->spec.method, req->method)) ||
            (f->spec.part && !strstr(req->target, f->spec.part)))
            continue;
        f->hits++;
        if (!first && f->hits > f->spec.skip && f->hits <= f->spec.skip + f->spec.times)
            first = &f->spec;
    }
    return first;
}

static bool authorized(const struct fake_kube *k, const struct fake_http_request *req)
{
    char header[4096];
    const char *value = fake_http_request_header(req, "authorization", header, sizeof(header));

    return !k->token ||
           (value && nb_starts_with(value, "Bearer ") && nb_streq(value + 7, k->token));
}

static bool fail(const struct fake_kube_fault *f, struct fake_http_reply *reply)
{
    if (f->status == 0)
        return false;
    nb_buf_clear(&reply->body);
    nb_buf_clear(&reply->headers);
    reply->chunked = false;
    reply->more = NULL;
    if (f->retry_after)
        fake_http_reply_header(reply, "Retry-After", f->retry_after);
    if (f->reason)
        return refuse_saying(reply, f->status, f->reason, f->message);
    fake_http_reply_text(reply, f->status, "");
    return true;
}

static bool on_request(void *ctx, const struct fake_http_request *req,
                       struct fake_http_reply *reply)
{
    struct fake_kube *k = ctx;
    const struct fake_kube_fault *f;
    bool ok;

    pthread_mutex_lock(&k->lock);
    nb_vec_push(&k->requests, nb_xasprintf("%s %s", req->method, req->target));
    f = hit(k, req);
    if (!authorized(k, req))
        ok = refuse(reply, 401, "Unauthorized");
    else if (!f || f->apply)
        ok = dispatch(k, req, reply);
    else
        ok = true;
    if (f)
        ok = fail(f, reply);
    tick(k);
    pthread_mutex_unlock(&k->lock);
    return ok;
}

/* --- for tests --- */

struct fake_kube *fake_kube_new(void)
{
    struct fake_kube *k = NB_NEW(struct fake_kube);

    nb_mutex_init(&k->lock);
    nb_cond_init(&k->changed);
    k->logs = nb_map_new(free);
    k->version = 100;
    k->http = fake_http_new(on_request, k);
    return k;
}

void fake_kube_free(struct fake_kube *k)
{
    if (!k)
        return;
    pthread_mutex_lock(&k->lock);
    k->stop = true;
    tick(k);
    pthread_mutex_unlock(&k->lock);
    fake_http_free(k->http);
    for (size_t i = 0; i < k->objects.count; i++)
        object_free(k->objects.items[i]);
    for (size_t i = 0; i < k->changes.count; i++) {
        struct change *c = k->changes.items[i];

        free(c->api);
        free(c->ns);
        free(c->plural);
        free(c->json);
        free(c);
    }
    for (size_t i = 0; i < k->watches.count; i++)
        watch_free(k->watches.items[i]);
    for (size_t i = 0; i < k->requests.count; i++)
        free(k->requests.items[i]);
    nb_vec_done(&k->objects);
    nb_vec_done(&k->changes);
    nb_vec_done(&k->watches);
    nb_vec_done(&k->requests);
    nb_map_free(k->logs);
    free(k->token);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

const char *fake_kube_url(const struct fake_kube *k)
{
    return fake_http_url(k->http);
}

void fake_kube_write_config(const struct fake_kube *k, struct nb_buf *out)
{
    nb_buf_printf(out,
                  "clusters: [{name: c, cluster: {server: '%s'}}]\n"
                  "users: [{name: u, user: {token: fake-token}}]\n"
                  "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
                  "current-context: x\n",
                  fake_kube_url(k));
}

struct kube_auth *fake_kube_auth(const struct fake_kube *k)
{
    struct nb_buf text = NB_BUF_INIT(4096);
    struct nb_error err = NB_ERROR_INIT;
    struct kube_config *config = NULL;
    struct kube_auth *auth = NULL;

    fake_kube_write_config(k, &text);
    if (!kube_config_parse(text.data, text.len, "fake", NULL, &config, &err) ||
        !kube_auth_new(config, &auth, &err))
        nb_fatal(err.text);
    nb_buf_done(&text);
    return auth;
}

static struct path path_of(const char *text)
{
    struct path p;

    if (!split(text, &p))
        nb_fatal("fake_kube: no collection");
    return p;
}

uint64_t fake_kube_put(struct fake_kube *k, const char *path, const char *json)
{
    struct path p = path_of(path);
    nb_auto(nb_free) char *name = text_at(json, "metadata.name");
    uint64_t version;
    struct object *o;

    copy(p.name, sizeof(p.name), name, strlen(name));
    pthread_mutex_lock(&k->lock);
    o = find(k, &p, NULL);
    if (o) {
        patch_object(k, o, json, false);
        patch_object(k, o, json, true);
    } else {
        o = insert(k, &p, json);
    }
    version = o->version;
    pthread_mutex_unlock(&k->lock);
    return version;
}

void fake_kube_remove(struct fake_kube *k, const char *path, const char *name)
{
    struct path p = path_of(path);
    size_t i;

    copy(p.name, sizeof(p.name), name, strlen(name));
    pthread_mutex_lock(&k->lock);
    if (find(k, &p, &i))
        erase(k, i);
    pthread_mutex_unlock(&k->lock);
}

char *fake_kube_get(struct fake_kube *k, const char *path, const char *name)
{
    struct path p = path_of(path);
    struct object *o;
    char *json;

    copy(p.name, sizeof(p.name), name, strlen(name));
    pthread_mutex_lock(&k->lock);
    o = find(k, &p, NULL);
    json = o ? nb_xstrdup(o->json) : NULL;
    pthread_mutex_unlock(&k->lock);
    return json;
}

size_t fake_kube_count(struct fake_kube *k, const char *path)
{
    struct path p = path_of(path);
    size_t n = 0;

    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->objects.count; i++) {
        const struct object *o = k->objects.items[i];

        n += in_collection(o->api, o->ns, o->plural, &p) ? 1 : 0;
    }
    pthread_mutex_unlock(&k->lock);
    return n;
}

char *fake_kube_name(struct fake_kube *k, const char *path, size_t i)
{
    struct path p = path_of(path);
    char *name = NULL;

    pthread_mutex_lock(&k->lock);
    for (size_t at = 0; at < k->objects.count && !name; at++) {
        const struct object *o = k->objects.items[at];

        if (in_collection(o->api, o->ns, o->plural, &p) && i-- == 0)
            name = nb_xstrdup(o->name);
    }
    pthread_mutex_unlock(&k->lock);
    return name;
}

void fake_kube_hang_logs(struct fake_kube *k, const char *prefix)
{
    pthread_mutex_lock(&k->lock);
    k->hung_logs = prefix;
    pthread_mutex_unlock(&k->lock);
}

void fake_kube_set_log(struct fake_kube *k, const char *pod, const char *text)
{
    pthread_mutex_lock(&k->lock);
    if (text)
        nb_map_put(k->logs, pod, strlen(pod), nb_xstrdup(text));
    else
        nb_map_remove(k->logs, pod, strlen(pod));
    pthread_mutex_unlock(&k->lock);
}

unsigned fake_kube_requests(struct fake_kube *k, const char *part)
{
    unsigned n = 0;

    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->requests.count; i++)
        n += strstr(k->requests.items[i], part) ? 1 : 0;
    pthread_mutex_unlock(&k->lock);
    return n;
}

bool fake_kube_wait(struct fake_kube *k, int64_t timeout_ms)
{
    int64_t deadline = nb_clock_mono_ms() + timeout_ms;
    uint64_t before;
    bool ok = true;

    pthread_mutex_lock(&k->lock);
    before = k->ticks;
    while (k->ticks == before && ok)
        ok = nb_cond_wait(&k->changed, &k->lock, deadline);
    pthread_mutex_unlock(&k->lock);
    return ok;
}

void fake_kube_fail(struct fake_kube *k, const struct fake_kube_fault *fault)
{
    pthread_mutex_lock(&k->lock);
    if (k->fault_count == FAULTS_MAX)
        nb_fatal("fake_kube: too many faults");
    k->faults[k->fault_count++] = (struct fault){ *fault, 0 };
    pthread_mutex_unlock(&k->lock);
}

void fake_kube_compact(struct fake_kube *k)
{
    pthread_mutex_lock(&k->lock);
    k->compacted = ++k->version;
    pthread_mutex_unlock(&k->lock);
}

void fake_kube_expire_inside(struct fake_kube *k, bool on)
{
    pthread_mutex_lock(&k->lock);
    k->expire_inside = on;
    pthread_mutex_unlock(&k->lock);
}

void fake_kube_end_watches(struct fake_kube *k, bool cut)
{
    pthread_mutex_lock(&k->lock);
    k->ended++;
    k->cut = cut;
    tick(k);
    pthread_mutex_unlock(&k->lock);
}

void fake_kube_bookmark(struct fake_kube *k)
{
    pthread_mutex_lock(&k->lock);
    k->bookmarks++;
    tick(k);
    pthread_mutex_unlock(&k->lock);
}

void fake_kube_hold(struct fake_kube *k, bool on)
{
    pthread_mutex_lock(&k->lock);
    k->held = on;
    tick(k);
    pthread_mutex_unlock(&k->lock);
}

void fake_kube_hold_only(struct fake_kube *k, const char *plural)
{
    pthread_mutex_lock(&k->lock);
    k->held_plural = plural;
    tick(k);
    pthread_mutex_unlock(&k->lock);
}

void fake_kube_script_initial(struct fake_kube *k, const struct fake_kube_initial *initial)
{
    pthread_mutex_lock(&k->lock);
    if (k->initial_count == INITIALS_MAX)
        nb_fatal("fake_kube: too many scripts");
    k->initials[k->initial_count++] = *initial;
    pthread_mutex_unlock(&k->lock);
}

void fake_kube_require_token(struct fake_kube *k, const char *token)
{
    pthread_mutex_lock(&k->lock);
    free(k->token);
    k->token = nb_xstrdup_null(token);
    pthread_mutex_unlock(&k->lock);
}
