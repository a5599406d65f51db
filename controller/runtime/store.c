#include "controller/runtime/store.h"

#include <assert.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "controller/runtime/pack.h"
#include "controller/runtime/project.h"
#include "gz/block.h"
#include "kube/object.h"

enum { LISTENERS_MAX = 4, OBJECT_MAX = 8 << 20, INDEX_MAX = 1024 };

struct listener {
    ctl_change_fn *fn;
    void *ctx;
};

struct ctl_store {
    const struct ctl_kind *kind;
    pthread_mutex_t lock;
    struct nb_map *objects;  /* key -> struct ctl_object *, one reference each */
    struct nb_map *by_index; /* index -> struct nb_vec * of borrowed objects */
    char *version;
    bool synced;
    struct nb_map *incoming; /* the list being read; only the reflector's thread */
    struct listener listeners[LISTENERS_MAX];
    size_t listener_count;
};

struct ctl_object *ctl_object_ref(struct ctl_object *o)
{
    __atomic_add_fetch(&o->refs_, 1, __ATOMIC_RELAXED);
    return o;
}

void ctl_object_unref(struct ctl_object *o)
{
    if (o && __atomic_sub_fetch(&o->refs_, 1, __ATOMIC_ACQ_REL) == 0)
        free(o);
}

static void unref_value(void *p)
{
    ctl_object_unref(p);
}

static void free_bucket(void *p)
{
    nb_vec_done(p);
    free(p);
}

struct ctl_store *ctl_store_new(const struct ctl_kind *kind)
{
    struct ctl_store *s = NB_NEW(struct ctl_store);

    s->kind = kind;
    s->objects = nb_map_new(unref_value);
    s->by_index = nb_map_new(free_bucket);
    s->version = nb_xstrdup("");
    nb_mutex_init(&s->lock);
    ctl_pack_hold();
    return s;
}

void ctl_store_free(struct ctl_store *s)
{
    if (!s)
        return;
    nb_map_free(s->by_index);
    nb_map_free(s->objects);
    nb_map_free(s->incoming);
    free(s->version);
    pthread_mutex_destroy(&s->lock);
    ctl_pack_release();
    free(s);
}

/* --- making an object: one block of memory for the struct and all its texts --- */

static const char *put(char **at, const char *s, size_t n)
{
    char *p = *at;

    memcpy(p, s, n);
    p[n] = '\0';
    *at = p + n + 1;
    return p;
}

bool ctl_object_json(const struct ctl_object *o, struct nb_json **ret, struct nb_error *err)
{
    nb_auto(nb_free) char *plain = NULL;

    if (o->packed.n == o->json_bytes)
        return nb_json_parse(o->packed.p, o->packed.n, OBJECT_MAX, ret, err);
    plain = nb_xmalloc(o->json_bytes);
    return gz_block_inflate(o->packed.p, o->packed.n, plain, o->json_bytes, err) &&
           nb_json_parse(plain, o->json_bytes, OBJECT_MAX, ret, err);
}

static struct ctl_object *object_new(const struct ctl_kind *kind, const struct kube_meta *meta,
                                     const struct nb_json *json)
{
    nb_auto_done(nb_buf_done) struct nb_buf text = NB_BUF_INIT(OBJECT_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf scratch = NB_BUF_INIT(INDEX_MAX);
    const char *index = kind->index ? kind->index(json, &scratch) : NULL;
    struct nb_jw w = NB_JW_INIT(&text);
    size_t ns_n = strlen(meta->ns), name_n = strlen(meta->name), uid_n = strlen(meta->uid);
    size_t rv_n = strlen(meta->resource_version), index_n, plain_n;
    struct ctl_object *o;
    char *at;

    index = index ? index : "";
    index_n = strlen(index);
    ctl_project(json, kind->projection, &w);
    if (text.overflow) /* beyond what the API server itself would store */
        return NULL;
    plain_n = text.len;
    ctl_pack(&text);
    o = nb_xmalloc(sizeof(*o) + 2 * (ns_n + name_n) + uid_n + rv_n + index_n + text.len + 8);
    at = (char *)(o + 1);
    o->refs_ = 1;
    o->ns = put(&at, meta->ns, ns_n);
    o->name = put(&at, meta->name, name_n);
    o->key = at;
    memcpy(at, meta->ns, ns_n);
    at[ns_n] = '/';
    memcpy(at + ns_n + 1, meta->name, name_n + 1);
    at += ns_n + name_n + 2;
    o->uid = put(&at, meta->uid, uid_n);
    o->resource_version = put(&at, meta->resource_version, rv_n);
    o->index = put(&at, index, index_n);
    o->json_bytes = plain_n;
    o->packed.n = text.len;
    o->packed.p = put(&at, nb_buf_cstr(&text), text.len);
    return o;
}

/* --- the index; lock held --- */

static void index_add(struct ctl_store *s, struct ctl_object *o)
{
    size_t n = strlen(o->index);
    struct nb_vec *bucket;

    if (n == 0)
        return;
    bucket = nb_map_get(s->by_index, o->index, n);
    if (!bucket) {
        bucket = NB_NEW(struct nb_vec);
        nb_map_put(s->by_index, o->index, n, bucket);
    }
    nb_vec_push(bucket, o);
}

static void index_remove(struct ctl_store *s, const struct ctl_object *o)
{
    size_t n = strlen(o->index);
    struct nb_vec *bucket = n > 0 ? nb_map_get(s->by_index, o->index, n) : NULL;

    if (!bucket)
        return;
    for (size_t i = 0; i < bucket->count; i++) {
        if (bucket->items[i] == o) {
            bucket->items[i] = bucket->items[--bucket->count];
            break;
        }
    }
    if (bucket->count == 0)
        nb_map_remove(s->by_index, o->index, n);
}

/* --- readers --- */

struct ctl_object *ctl_store_get(struct ctl_store *s, const char *key)
{
    struct ctl_object *o;

    pthread_mutex_lock(&s->lock);
    o = nb_map_get(s->objects, key, strlen(key));
    if (o)
        ctl_object_ref(o);
    pthread_mutex_unlock(&s->lock);
    return o;
}

static int by_name(const void *a, const void *b)
{
    const struct ctl_object *const *x = a, *const *y = b;

    return strcmp((*x)->key, (*y)->key);
}

static void sort(struct ctl_objects *o)
{
    if (o->count > 1)
        qsort(o->items, o->count, sizeof(void *), by_name);
}

void ctl_store_by_index(struct ctl_store *s, const char *index, struct ctl_objects *ret)
{
    const struct nb_vec *bucket;

    *ret = (struct ctl_objects){ 0 };
    pthread_mutex_lock(&s->lock);
    bucket = nb_map_get(s->by_index, index, strlen(index));
    if (bucket && bucket->count > 0) {
        ret->items = nb_xreallocarray(NULL, bucket->count, sizeof(void *));
        for (; ret->count < bucket->count; ret->count++)
            ret->items[ret->count] = ctl_object_ref(bucket->items[ret->count]);
    }
    pthread_mutex_unlock(&s->lock);
    sort(ret);
}

void ctl_store_all(struct ctl_store *s, struct ctl_objects *ret)
{
    size_t n, pos = 0;
    struct nb_str key;
    void *value;

    *ret = (struct ctl_objects){ 0 };
    pthread_mutex_lock(&s->lock);
    n = nb_map_count(s->objects);
    if (n > 0)
        ret->items = nb_xreallocarray(NULL, n, sizeof(void *));
    while (ret->count < n && nb_map_next(s->objects, &pos, &key, &value))
        ret->items[ret->count++] = ctl_object_ref(value);
    pthread_mutex_unlock(&s->lock);
    sort(ret);
}

void ctl_objects_done(struct ctl_objects *o)
{
    for (size_t i = 0; i < o->count; i++)
        ctl_object_unref(o->items[i]);
    free(o->items);
    *o = (struct ctl_objects){ 0 };
}

size_t ctl_store_count(struct ctl_store *s)
{
    size_t n;

    pthread_mutex_lock(&s->lock);
    n = nb_map_count(s->objects);
    pthread_mutex_unlock(&s->lock);
    return n;
}

bool ctl_store_is_synced(struct ctl_store *s)
{
    bool synced;

    pthread_mutex_lock(&s->lock);
    synced = s->synced;
    pthread_mutex_unlock(&s->lock);
    return synced;
}

bool ctl_store_has_reached(struct ctl_store *s, const char *resource_version)
{
    bool reached;

    pthread_mutex_lock(&s->lock);
    reached = kube_rv_compare(s->version, resource_version) >= 0;
    pthread_mutex_unlock(&s->lock);
    return reached;
}

/* --- the reflector --- */

void ctl_store_on_change(struct ctl_store *s, ctl_change_fn *fn, void *ctx)
{
    assert(s->listener_count < LISTENERS_MAX);
    s->listeners[s->listener_count++] = (struct listener){ fn, ctx };
}

static void tell(const struct ctl_store *s, const struct ctl_object *before,
                 const struct ctl_object *after)
{
    for (size_t i = 0; i < s->listener_count; i++)
        s->listeners[i].fn(s->listeners[i].ctx, before, after);
}

static void set_version(struct ctl_store *s, const char *version)
{
    free(s->version);
    s->version = nb_xstrdup(version);
}

void ctl_store_set_version(struct ctl_store *s, const char *resource_version)
{
    pthread_mutex_lock(&s->lock);
    set_version(s, resource_version);
    pthread_mutex_unlock(&s->lock);
}

void ctl_store_apply(struct ctl_store *s, const struct nb_json *object)
{
    nb_auto(ctl_object_unref) struct ctl_object *before = NULL;
    nb_auto(ctl_object_unref) struct ctl_object *after = NULL;
    struct kube_meta meta;

    if (!kube_meta_read(object, &meta))
        return;
    after = object_new(s->kind, &meta, object);
    if (!after)
        return;
    pthread_mutex_lock(&s->lock);
    before = nb_map_get(s->objects, after->key, strlen(after->key));
    if (before) {
        ctl_object_ref(before);
        index_remove(s, before);
    }
    nb_map_put(s->objects, after->key, strlen(after->key), ctl_object_ref(after));
    index_add(s, after);
    set_version(s, meta.resource_version);
    pthread_mutex_unlock(&s->lock);
    tell(s, before, after);
}

void ctl_store_remove(struct ctl_store *s, const struct nb_json *object)
{
    nb_auto(ctl_object_unref) struct ctl_object *before = NULL;
    nb_auto(nb_free) char *key = NULL;
    struct kube_meta meta;

    if (!kube_meta_read(object, &meta))
        return;
    key = nb_xasprintf("%s/%s", meta.ns, meta.name);
    pthread_mutex_lock(&s->lock);
    before = nb_map_get(s->objects, key, strlen(key));
    if (before) {
        ctl_object_ref(before);
        index_remove(s, before);
        nb_map_remove(s->objects, key, strlen(key));
    }
    set_version(s, meta.resource_version);
    pthread_mutex_unlock(&s->lock);
    if (before)
        tell(s, before, NULL);
}

void ctl_store_replace_begin(struct ctl_store *s)
{
    nb_map_free(s->incoming);
    s->incoming = nb_map_new(unref_value);
}

void ctl_store_replace_add(struct ctl_store *s, const struct nb_json *object)
{
    nb_auto(nb_free) char *key = NULL;
    struct ctl_object *o;
    struct kube_meta meta;

    if (!kube_meta_read(object, &meta))
        return;
    key = nb_xasprintf("%s/%s", meta.ns, meta.name);
    /* What has not changed is kept, not made again: a relist costs no second copy of everything. */
    o = ctl_store_get(s, key);
    if (o && (strcmp(o->uid, meta.uid) != 0 ||
              strcmp(o->resource_version, meta.resource_version) != 0)) {
        ctl_object_unref(o);
        o = NULL;
    }
    if (!o)
        o = object_new(s->kind, &meta, object);
    if (o)
        nb_map_put(s->incoming, key, strlen(key), o);
}

void ctl_store_replace_remove(struct ctl_store *s, const struct nb_json *object)
{
    nb_auto(nb_free) char *key = NULL;
    struct kube_meta meta;

    if (!kube_meta_read(object, &meta))
        return;
    key = nb_xasprintf("%s/%s", meta.ns, meta.name);
    nb_map_remove(s->incoming, key, strlen(key));
}

void ctl_store_replace_abort(struct ctl_store *s)
{
    nb_map_free(s->incoming);
    s->incoming = NULL;
}

void ctl_store_replace_end(struct ctl_store *s, const char *resource_version)
{
    struct nb_map *old;
    struct nb_str key;
    void *value;
    size_t pos = 0;

    pthread_mutex_lock(&s->lock);
    old = s->objects;
    s->objects = nb_steal(s->incoming);
    nb_map_clear(s->by_index);
    while (nb_map_next(s->objects, &pos, &key, &value))
        index_add(s, value);
    set_version(s, resource_version);
    s->synced = true;
    pthread_mutex_unlock(&s->lock);

    /* Only this thread writes, so the maps may be read without the lock from here on. */
    for (pos = 0; nb_map_next(s->objects, &pos, &key, &value);) {
        const struct ctl_object *before = nb_map_get(old, key.p, key.n);

        if (before != value)
            tell(s, before, value);
    }
    for (pos = 0; nb_map_next(old, &pos, &key, &value);)
        if (!nb_map_get(s->objects, key.p, key.n))
            tell(s, value, NULL);
    nb_map_free(old);
}
