#ifndef NB_RUNTIME_STORE_H
#define NB_RUNTIME_STORE_H

/*
 * ctl_store: the objects of one kind as the API server last told us, by "namespace/name" and by
 * one index (for instance the backup that a run belongs to). Keeps of each object only what a
 * projection names, as JSON text, and compresses that (statuses with their histories shrink to a
 * quarter). One reflector writes, any thread reads.
 *
 * ctl_object: immutable, counted; readers hold references, so nothing they look at changes or
 * goes away.
 */

#include "base/json.h"

struct ctl_object {
    const char *key; /* "namespace/name" */
    const char *ns, *name, *uid, *resource_version, *index;
    size_t json_bytes;    /* length of the projection */
    struct nb_str packed; /* the projection, compressed if it is long */
    int refs_;            /* atomic */
};
/* The projection, parsed; the caller's. */
NB_NODISCARD bool ctl_object_json(const struct ctl_object *o, struct nb_json **ret,
                                  struct nb_error *err);
struct ctl_object *ctl_object_ref(struct ctl_object *o);
void ctl_object_unref(struct ctl_object *o);
NB_AUTO_DEFINE(struct ctl_object *, ctl_object_unref)

/* The key under which the object is found by ctl_store_by_index(): borrowed, or NULL. out is
 * scratch. */
typedef const char *(ctl_index_fn)(const struct nb_json *object, struct nb_buf *out);
struct ctl_kind {
    const char *name; /* for logs and metrics: "neo4jbackups" */
    /* See project.h; metadata.{name,namespace,uid,resourceVersion} need not be named. */
    const char *const *projection;
    ctl_index_fn *index; /* NULL: none */
};

struct ctl_store;
struct ctl_store *ctl_store_new(const struct ctl_kind *kind); /* static data */
void ctl_store_free(struct ctl_store *s);
NB_AUTO_DEFINE(struct ctl_store *, ctl_store_free)

/* --- readers --- */
/* A reference, or NULL. */
struct ctl_object *ctl_store_get(struct ctl_store *s, const char *key);
/* References to all objects with that index key, ordered by name; release with
 * ctl_objects_done(). */
struct ctl_objects {
    struct ctl_object **items;
    size_t count;
};
void ctl_store_by_index(struct ctl_store *s, const char *index, struct ctl_objects *ret);
void ctl_store_all(struct ctl_store *s, struct ctl_objects *ret);
void ctl_objects_done(struct ctl_objects *o);
NB_AUTO_DONE_DEFINE(struct ctl_objects, ctl_objects_done)
size_t ctl_store_count(struct ctl_store *s);
/* A first list has been read in full. */
bool ctl_store_is_synced(struct ctl_store *s);
/* The store has seen everything up to that resource version. */
bool ctl_store_has_reached(struct ctl_store *s, const char *resource_version);

/* --- the reflector --- */
/* before and after: NULL when it was not there, or is no more. Called without a lock held. */
typedef void(ctl_change_fn)(void *ctx, const struct ctl_object *before,
                            const struct ctl_object *after);
/* Called for every change from now on; at most 4. Before the reflector starts. */
void ctl_store_on_change(struct ctl_store *s, ctl_change_fn *fn, void *ctx);
void ctl_store_apply(struct ctl_store *s, const struct nb_json *object);
void ctl_store_remove(struct ctl_store *s, const struct nb_json *object);
void ctl_store_set_version(struct ctl_store *s, const char *resource_version);
/* A new full list: begin, add each object (and take out what was deleted meanwhile), end. Readers
 * see the old state until end. What has not changed is shared with the old state, not copied. */
void ctl_store_replace_begin(struct ctl_store *s);
void ctl_store_replace_add(struct ctl_store *s, const struct nb_json *object);
void ctl_store_replace_remove(struct ctl_store *s, const struct nb_json *object);
void ctl_store_replace_end(struct ctl_store *s, const char *resource_version);
void ctl_store_replace_abort(struct ctl_store *s);

#endif
