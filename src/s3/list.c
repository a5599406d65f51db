#include "s3/list.h"

#include <assert.h>
#include <stdio.h>

#include "base/b64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "s3/client_priv.h"
#include "s3/xml.h"

enum {
    LIST_PAGE_DEFAULT = 1000,
    LIST_ENTRIES_DEFAULT = 1000000,
    LIST_RESTARTS_MAX = 3,
    LIST_TOKEN_MAX = 4096
};

/* "%2F", and '+' for a blank, as encoding-type=url has it. */
static bool url_decode_plus(struct nb_buf *b)
{
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(LIST_TOKEN_MAX);

    for (size_t i = 0; i < b->len; i++)
        if (b->data[i] == '+')
            b->data[i] = ' ';
    if (!nb_url_decode(nb_buf_cstr(b), b->len, &out) || out.overflow)
        return false;
    nb_buf_clear(b);
    nb_buf_append(b, nb_buf_cstr(&out), out.len);
    return true;
}

struct page {
    struct nb_buf key, etag, prefix; /* of the entry being read */
    uint64_t size;
    int64_t modified;
    struct nb_buf token, key_marker, id_marker, upload_id;
    bool truncated, truncated_seen, url_encoded;
    /* of the listing: */
    struct nb_buf last;  /* the highest key or prefix so far */
    struct nb_buf start; /* where this page began: what comes again is passed over */
    size_t count, max;
    bool ordered, full;
    s3_list_fn *fn;
    s3_list_upload_fn *upload_fn;
    void *ctx;
};

static void page_init(struct page *g)
{
    struct nb_buf *bufs[] = { &g->key,       &g->etag,      &g->prefix, &g->token, &g->key_marker,
                              &g->id_marker, &g->upload_id, &g->last,   &g->start };

    memset(g, 0, sizeof(*g));
    for (size_t i = 0; i < NB_ARRAY_LEN(bufs); i++)
        nb_buf_init(bufs[i], LIST_TOKEN_MAX);
    g->ordered = true;
}

static void page_done(struct page *g)
{
    struct nb_buf *bufs[] = { &g->key,       &g->etag,      &g->prefix, &g->token, &g->key_marker,
                              &g->id_marker, &g->upload_id, &g->last,   &g->start };

    for (size_t i = 0; i < NB_ARRAY_LEN(bufs); i++)
        nb_buf_done(bufs[i]);
}
NB_AUTO_DONE_DEFINE(struct page, page_done)

static void set_text(struct nb_buf *b, struct nb_str s)
{
    nb_buf_clear(b);
    nb_buf_append(b, s.p, s.n);
}

static bool bad_list(struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_PROTOCOL, "StorageProtocol", "the service's listing %s", what);
}

/* Hands on one key or prefix. */
static bool emit(struct page *g, const struct nb_buf *name, bool is_prefix, struct nb_error *err)
{
    struct s3_list_entry e = { .is_prefix = is_prefix };

    if (g->full || g->count == g->max) {
        g->full = true;
        return true;
    }
    g->count++;
    if (!is_prefix) {
        e.object.size = g->size;
        e.object.last_modified_unix_seconds = g->modified;
        snprintf(e.object.etag, sizeof(e.object.etag), "%s", nb_buf_cstr(&g->etag));
    }
    e.key = name->data;
    return g->fn(g->ctx, &e, err);
}

/* Keys and prefixes come in two rows, each in order. */
static void note_last(struct page *g, const struct nb_buf *name, const struct nb_buf *before)
{
    if (before->len > 0 && strcmp(nb_buf_cstr(name), nb_buf_cstr(before)) <= 0)
        g->ordered = false;
    if (g->last.len == 0 || strcmp(nb_buf_cstr(name), nb_buf_cstr(&g->last)) > 0)
        set_text(&g->last, nb_buf_str(name));
}

struct list_walk {
    struct page *g;
    struct nb_buf previous_key, previous_prefix;
};

static void list_walk_done(struct list_walk *w)
{
    nb_buf_done(&w->previous_key);
    nb_buf_done(&w->previous_prefix);
}
NB_AUTO_DONE_DEFINE(struct list_walk, list_walk_done)

static bool take_number(struct nb_str s, uint64_t *ret)
{
    char text[32];
    int64_t v;

    if (s.n >= sizeof(text))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    if (!nb_parse_i64(text, 0, INT64_MAX, &v))
        return false;
    *ret = (uint64_t)v;
    return true;
}

static int64_t take_time(struct nb_str s)
{
    char text[64];
    int64_t v = 0;

    if (s.n >= sizeof(text))
        return 0;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return nb_time_parse(text, &v) ? v : 0;
}

static void entry_clear(struct page *g)
{
    nb_buf_clear(&g->key);
    nb_buf_clear(&g->etag);
    nb_buf_clear(&g->prefix);
    nb_buf_clear(&g->upload_id);
    g->size = 0;
    g->modified = 0;
}

static bool entry_end(struct list_walk *w, bool is_prefix, struct nb_error *err)
{
    struct page *g = w->g;
    struct nb_buf *name = is_prefix ? &g->prefix : &g->key;
    struct nb_buf *previous = is_prefix ? &w->previous_prefix : &w->previous_key;

    if (g->url_encoded && !url_decode_plus(name))
        return bad_list(err, "holds a key that is not encoded as it says");
    if (name->len == 0 || !nb_buf_check(name, err) || strlen(name->data) != name->len)
        return bad_list(err, "holds an impossible key");
    /* After a fresh start in the middle a common prefix comes again. */
    if (g->start.len == 0 || strcmp(name->data, g->start.data) > 0) {
        if (!emit(g, name, is_prefix, err))
            return false;
        note_last(g, name, previous);
        set_text(previous, nb_buf_str(name));
    }
    entry_clear(g);
    return true;
}

static bool on_list_element(void *ctx, const char *path, struct nb_str text, struct nb_error *err)
{
    static const char root[] = "ListBucketResult/";
    struct list_walk *w = ctx;
    struct page *g = w->g;

    if (!nb_starts_with(path, root))
        return true;
    path += sizeof(root) - 1;
    if (nb_streq(path, "Contents/Key"))
        set_text(&g->key, text);
    else if (nb_streq(path, "Contents/ETag"))
        set_text(&g->etag, text);
    else if (nb_streq(path, "Contents/Size"))
        return take_number(text, &g->size) || bad_list(err, "holds a size that is no number");
    else if (nb_streq(path, "Contents/LastModified"))
        g->modified = take_time(text);
    else if (nb_streq(path, "CommonPrefixes/Prefix"))
        set_text(&g->prefix, text);
    else if (nb_streq(path, "Contents"))
        return entry_end(w, false, err);
    else if (nb_streq(path, "CommonPrefixes"))
        return entry_end(w, true, err);
    else if (nb_streq(path, "EncodingType"))
        return true; /* taken beforehand */
    else if (nb_streq(path, "NextContinuationToken"))
        set_text(&g->token, text);
    else if (nb_streq(path, "IsTruncated")) {
        g->truncated = nb_str_is(text, "true");
        g->truncated_seen = true;
    }
    return true;
}

/* Whether keys are encoded must be known before the first key, and the service may say it last. */
static bool on_encoding_element(void *ctx, const char *path, struct nb_str text,
                                struct nb_error *err)
{
    bool *url = ctx;
    const char *slash = strchr(path, '/');

    (void)err;
    if (slash && nb_streq(slash, "/EncodingType"))
        *url = nb_str_is(text, "url");
    return true;
}

static bool page_parse(struct page *g, const struct http_response *r, s3_xml_fn *fn, void *ctx,
                       struct nb_error *err)
{
    const char *p = nb_buf_cstr(&r->body);

    g->url_encoded = g->truncated = g->truncated_seen = false;
    nb_buf_clear(&g->token);
    nb_buf_clear(&g->key_marker);
    nb_buf_clear(&g->id_marker);
    entry_clear(g);
    if (!s3_xml_walk(p, r->body.len, on_encoding_element, &g->url_encoded, err) ||
        !s3_xml_walk(p, r->body.len, fn, ctx, err))
        return false;
    if (!g->truncated_seen)
        return bad_list(err, "does not say whether it is all");
    return true;
}

static bool list_page(struct s3_client *c, const struct s3_list_opts *o, struct page *g,
                      const char *token, const char *start_after, const struct nb_cancel *cancel,
                      struct nb_error *err)
{
    char max_keys[16];
    struct s3_pair query[8] = { { "list-type", "2" }, { "encoding-type", "url" } };
    struct s3_call call = { .method = "GET", .query = query, .query_n = 2, .xml_in_200 = true };
    nb_auto_done(http_response_done) struct http_response r = HTTP_RESPONSE_INIT;
    nb_auto_done(list_walk_done) struct list_walk w = { .g = g,
                                                        .previous_key = NB_BUF_INIT(LIST_TOKEN_MAX),
                                                        .previous_prefix =
                                                            NB_BUF_INIT(LIST_TOKEN_MAX) };

    set_text(&w.previous_key, nb_buf_str(&g->last));
    set_text(&w.previous_prefix, nb_buf_str(&g->last));
    snprintf(max_keys, sizeof(max_keys), "%u", o->page_size ? o->page_size : LIST_PAGE_DEFAULT);
    query[call.query_n++] = (struct s3_pair){ "max-keys", max_keys };
    query[call.query_n++] = (struct s3_pair){ "prefix", o->prefix ? o->prefix : "" };
    if (o->delimiter)
        query[call.query_n++] = (struct s3_pair){ "delimiter", o->delimiter };
    if (token)
        query[call.query_n++] = (struct s3_pair){ "continuation-token", token };
    else if (start_after && start_after[0])
        query[call.query_n++] = (struct s3_pair){ "start-after", start_after };
    return s3_call_run(c, &call, cancel, &r, err) && page_parse(g, &r, on_list_element, &w, err);
}

bool s3_list(struct s3_client *c, const struct s3_list_opts *o, s3_list_fn *fn, void *ctx,
             const struct nb_cancel *cancel, bool *ret_complete, struct nb_error *err)
{
    nb_auto_done(page_done) struct page g;
    nb_auto_done(nb_buf_done) struct nb_buf token = NB_BUF_INIT(LIST_TOKEN_MAX);
    unsigned restarts = 0;

    *ret_complete = false;
    page_init(&g);
    g.fn = fn;
    g.ctx = ctx;
    g.max = o->max_entries ? o->max_entries : LIST_ENTRIES_DEFAULT;
    if (o->start_after)
        set_text(&g.start, nb_str_from(o->start_after));
    for (;;) {
        bool had_token = token.len > 0;

        if (!list_page(c, o, &g, had_token ? nb_buf_cstr(&token) : NULL, nb_buf_cstr(&g.start),
                       cancel, err)) {
            /* A token the service no longer takes: go on after the last key instead. */
            if (!had_token || err->code != NB_E_INVALID || restarts++ == LIST_RESTARTS_MAX)
                return nb_wrap(err, "list '%s'", o->prefix ? o->prefix : "");
            nb_error_clear(err);
            nb_buf_clear(&token);
            set_text(&g.start, nb_buf_str(&g.last));
            continue;
        }
        if (!g.truncated || g.full)
            break;
        if (g.token.len == 0 || nb_str_equal(nb_buf_str(&g.token), nb_buf_str(&token)))
            return bad_list(err, "does not go on");
        set_text(&token, nb_buf_str(&g.token));
    }
    *ret_complete = !g.truncated && !g.full && g.ordered;
    return true;
}

/* ---- uploads ---- */

static bool upload_end(struct page *g, struct nb_error *err)
{
    struct s3_list_upload u = { .initiated_unix_seconds = g->modified };

    if (g->url_encoded && !url_decode_plus(&g->key))
        return bad_list(err, "holds a key that is not encoded as it says");
    if (g->key.len == 0 || g->upload_id.len == 0)
        return bad_list(err, "holds an upload without a key or an id");
    if (g->count == g->max) {
        g->full = true;
        return true;
    }
    g->count++;
    u.key = g->key.data;
    u.upload_id = g->upload_id.data;
    if (!g->upload_fn(g->ctx, &u, err))
        return false;
    entry_clear(g);
    return true;
}

static bool on_upload_element(void *ctx, const char *path, struct nb_str text, struct nb_error *err)
{
    static const char root[] = "ListMultipartUploadsResult/";
    struct page *g = ctx;

    if (!nb_starts_with(path, root))
        return true;
    path += sizeof(root) - 1;
    if (nb_streq(path, "Upload/Key"))
        set_text(&g->key, text);
    else if (nb_streq(path, "Upload/UploadId"))
        set_text(&g->upload_id, text);
    else if (nb_streq(path, "Upload/Initiated"))
        g->modified = take_time(text);
    else if (nb_streq(path, "Upload"))
        return upload_end(g, err);
    else if (nb_streq(path, "NextKeyMarker"))
        set_text(&g->key_marker, text);
    else if (nb_streq(path, "NextUploadIdMarker"))
        set_text(&g->id_marker, text);
    else if (nb_streq(path, "IsTruncated")) {
        g->truncated = nb_str_is(text, "true");
        g->truncated_seen = true;
    }
    return true;
}

bool s3_list_uploads(struct s3_client *c, const char *prefix, s3_list_upload_fn *fn, void *ctx,
                     const struct nb_cancel *cancel, bool *ret_complete, struct nb_error *err)
{
    nb_auto_done(page_done) struct page g;
    nb_auto_done(nb_buf_done) struct nb_buf key_marker = NB_BUF_INIT(LIST_TOKEN_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf id_marker = NB_BUF_INIT(LIST_TOKEN_MAX);

    *ret_complete = false;
    page_init(&g);
    g.upload_fn = fn;
    g.ctx = ctx;
    g.max = LIST_ENTRIES_DEFAULT;
    do {
        struct s3_pair query[5] = { { "uploads", NULL },
                                    { "encoding-type", "url" },
                                    { "prefix", prefix ? prefix : "" } };
        struct s3_call call = { .method = "GET", .query = query, .query_n = 3, .xml_in_200 = true };
        nb_auto_done(http_response_done) struct http_response r = HTTP_RESPONSE_INIT;

        if (key_marker.len > 0) {
            query[call.query_n++] = (struct s3_pair){ "key-marker", key_marker.data };
            query[call.query_n++] = (struct s3_pair){ "upload-id-marker", nb_buf_cstr(&id_marker) };
        }
        if (!s3_call_run(c, &call, cancel, &r, err) ||
            !page_parse(&g, &r, on_upload_element, &g, err))
            return nb_wrap(err, "list uploads of '%s'", prefix ? prefix : "");
        if (g.url_encoded && g.key_marker.len > 0 && !url_decode_plus(&g.key_marker))
            return bad_list(err, "holds a key that is not encoded as it says");
        if (g.truncated && (g.key_marker.len == 0 ||
                            (nb_str_equal(nb_buf_str(&g.key_marker), nb_buf_str(&key_marker)) &&
                             nb_str_equal(nb_buf_str(&g.id_marker), nb_buf_str(&id_marker)))))
            return bad_list(err, "does not go on");
        set_text(&key_marker, nb_buf_str(&g.key_marker));
        set_text(&id_marker, nb_buf_str(&g.id_marker));
    } while (g.truncated && !g.full);
    *ret_complete = !g.truncated && !g.full;
    return true;
}
