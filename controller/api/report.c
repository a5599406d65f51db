#include "controller/api/report.h"

#include <string.h>

/* Longest texts that are taken over from a worker. */
enum { REASON_MAX = 48, MESSAGE_MAX = 1024, KEY_MAX = 1024, WORD_MAX = 128, PRUNED_MAX = 100 };

/* --- cleaning: what a pod says ends up in objects, events and terminals ---------------------- */

/* How much of s is taken: at most max bytes, cut between characters. */
static size_t clean_length(const char *s, size_t max)
{
    size_t n = strlen(s);

    if (n > max) {
        n = max;
        while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
            n--;
    }
    return n;
}

/* Without control characters. */
static void clean_copy(char *to, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? ' ' : s[i];
    to[n] = '\0';
}

static const char *clean_value(struct nb_arena *a, const struct nb_json *v, size_t max)
{
    const char *s = nb_json_str(v, "");
    size_t n = clean_length(s, max);
    char *p;

    if (n == 0)
        return "";
    p = api_alloc(a, n + 1);
    clean_copy(p, s, n);
    return p;
}

static const char *clean_text(struct nb_arena *a, const struct nb_json *v, const char *path,
                              size_t max)
{
    return clean_value(a, nb_json_at(v, path), max);
}

/* A CamelCase word as conditions and events want it; anything else is dflt. */
static const char *clean_reason(struct nb_arena *a, const struct nb_json *v, const char *path,
                                const char *dflt)
{
    const char *s = nb_json_str(nb_json_at(v, path), "");
    size_t n = strlen(s);

    if (n == 0 || n > REASON_MAX || *s < 'A' || *s > 'Z')
        return dflt;
    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
              (s[i] >= '0' && s[i] <= '9')))
            return dflt;
    return api_dup(a, s);
}

static int64_t count_of(const struct nb_json *v, const char *path)
{
    return api_i64(v, path, 0, INT64_MAX, -1);
}

static void clean_strings(struct nb_arena *a, const struct nb_json *v, size_t max,
                          struct api_strings *ret)
{
    size_t n = nb_json_type(v) == NB_JSON_ARRAY ? nb_json_count(v) : 0;

    n = n > max ? max : n;
    *ret = (struct api_strings){ .items = api_alloc(a, (n + 1) * sizeof(*ret->items)) };
    for (const struct nb_json *c = n ? nb_json_first(v) : NULL; c && ret->count < n;
         c = nb_json_next(c))
        if (nb_json_type(c) == NB_JSON_STRING)
            ret->items[ret->count++] = clean_value(a, c, WORD_MAX);
}

static void clean_artifact(struct nb_arena *a, const struct nb_json *v, struct api_artifact *ret)
{
    *ret = (struct api_artifact){
        .database = clean_text(a, v, "database", WORD_MAX),
        .key = clean_text(a, v, "key", KEY_MAX),
        .manifest_key = clean_text(a, v, "manifestKey", KEY_MAX),
        .sha256 = clean_text(a, v, "sha256", WORD_MAX),
        .consistency = clean_reason(a, v, "consistency", ""),
        .warnings = clean_text(a, v, "warnings", MESSAGE_MAX),
        .size_bytes = count_of(v, "sizeBytes"),
        .new_bytes = count_of(v, "newBytes"),
        .uncompressed_bytes = count_of(v, "uncompressedBytes"),
        .nodes = count_of(v, "nodes"),
        .relationships = count_of(v, "relationships"),
        .indexes = count_of(v, "indexes"),
        .constraints = count_of(v, "constraints"),
    };
}

static void clean_verification(struct nb_arena *a, const struct nb_json *v,
                               struct api_verification *ret)
{
    *ret = (struct api_verification){
        .present = nb_json_type(v) == NB_JSON_OBJECT,
        .level = clean_reason(a, v, "level", "Unknown"),
        .result = clean_reason(a, v, "result", "Unknown"),
        .duration_seconds = count_of(v, "durationSeconds"),
    };
}

/* --- the termination message ----------------------------------------------------------------- */

static void read_termination(const struct nb_json *v, struct api_termination *t)
{
    struct nb_arena *a = t->arena;

    t->result = (enum api_result)api_enum(v, "result", api_result_names, API_RESULT_NONE);
    t->present = t->result != API_RESULT_NONE;
    t->reason = clean_reason(a, v, "reason", "Unknown");
    t->message = clean_text(a, v, "message", MESSAGE_MAX);
    t->manifest_key = clean_text(a, v, "manifestKey", KEY_MAX);
    t->key = clean_text(a, v, "key", KEY_MAX);
    t->database = clean_text(a, v, "database", WORD_MAX);
    t->sha256 = clean_text(a, v, "sha256", WORD_MAX);
    t->consistency = clean_reason(a, v, "consistency", "");
    t->engine = clean_reason(a, v, "engine", "");
    t->server_version = clean_text(a, v, "serverVersion", WORD_MAX);
    t->exit_code = api_i64(v, "exitCode", 0, 255, -1);
    t->retriable = api_bool(v, "retriable", false);
    t->size_bytes = count_of(v, "sizeBytes");
    t->uncompressed_bytes = count_of(v, "uncompressedBytes");
    t->nodes = count_of(v, "nodes");
    t->relationships = count_of(v, "relationships");
    t->indexes = count_of(v, "indexes");
    t->constraints = count_of(v, "constraints");
    t->databases = count_of(v, "databases");
    t->duration_seconds = count_of(v, "durationSeconds");
    t->pruned = count_of(v, "pruned");
    t->expiry = api_time(v, "expiryTime");
    clean_strings(a, nb_json_get(v, "failedDatabases"), API_ARTIFACTS_MAX, &t->failed_databases);
    api_stored_parse(nb_json_get(v, "stored"), &t->stored);
    t->has_retention = nb_json_type(nb_json_get(v, "retention")) == NB_JSON_OBJECT;
    t->retention_healthy = api_bool(v, "retention.healthy", true);
    t->retention_reason = clean_reason(a, v, "retention.reason",
                                       t->retention_healthy ? "Healthy" : "RetentionBlocked");
    t->retention_message = clean_text(a, v, "retention.message", MESSAGE_MAX);
    clean_verification(a, nb_json_get(v, "verification"), &t->verification);
    t->verification_message = clean_text(a, v, "verification.message", MESSAGE_MAX);
}

struct api_termination *api_termination_parse(const char *text, size_t n)
{
    struct nb_error err = NB_ERROR_INIT;
    struct api_termination *t = NB_NEW(struct api_termination);
    nb_auto(nb_json_free) struct nb_json *v = NULL;

    t->arena = api_arena_new();
    if (n > API_TERMINATION_MAX || !nb_json_parse(text, n, API_TERMINATION_MAX, &v, &err) ||
        nb_json_type(v) != NB_JSON_OBJECT) {
        nb_json_free(nb_steal(v));
        if (!nb_json_parse("{}", 2, 2, &v, &err))
            abort();
    }
    read_termination(v, t);
    return t;
}

void api_termination_free(struct api_termination *t)
{
    if (!t)
        return;
    nb_arena_free(t->arena);
    free(t);
}

/* --- the log --------------------------------------------------------------------------------- */

enum { LIST_ARTIFACTS, LIST_SOURCES, LIST_DATABASES, LIST_FAILED, LIST_SAFETY };

struct api_log *api_log_new(void)
{
    struct api_log *l = NB_NEW(struct api_log);

    l->arena = api_arena_new();
    l->pod = l->engine = l->server_version = l->waiting.reason = "";
    l->progress = (struct api_progress){ .stage = "", .database = "", .percent = -1 };
    return l;
}

void api_log_set_pod(struct api_log *l, const char *pod)
{
    l->pod = api_dup(l->arena, pod);
}

bool api_log_is_done(const struct api_log *l, const char *pod)
{
    return l && (l->complete || l->failed) && (!*l->pod || strcmp(l->pod, pod) == 0);
}

void api_log_free(struct api_log *l)
{
    if (!l)
        return;
    nb_arena_free(l->arena);
    free(l);
}

/* Room for one more in a list of the arena: twice the old room when it is full. NULL: as many as
 * are kept. */
static void *grow(struct api_log *l, int which, void *items, size_t count, size_t size)
{
    size_t cap = l->capacity_[which];

    if (count >= API_ARTIFACTS_MAX)
        return NULL;
    if (count < cap)
        return items;
    cap = cap ? cap * 2 : 8;
    void *p = api_alloc(l->arena, cap * size);

    if (count > 0)
        memcpy(p, items, count * size);
    l->capacity_[which] = cap;
    return p;
}

static const struct {
    const char *what, *reason; /* the reasons are stages of progress, too */
} waits[] = {
    { "Neo4j", "WaitingForNeo4j" },
    { "Storage", "WaitingForStorage" },
    { "Secret", "WaitingForSecret" },
};

/* Once a try, perhaps for days: kept in place, so that the arena does not grow with it. */
static bool feed_waiting(struct api_log *l, const struct nb_json *v)
{
    const char *what = nb_json_str(nb_json_get(v, "waitingFor"), "");
    const char *said = nb_json_str(nb_json_get(v, "error"), "");
    struct api_waiting now = { .on = true, .reason = "" };
    bool changed;

    for (size_t i = 0; i < NB_ARRAY_LEN(waits); i++)
        if (strcmp(what, waits[i].what) == 0)
            now.reason = waits[i].reason;
    if (!*now.reason || !*said)
        return false;
    clean_copy(now.message, said, clean_length(said, sizeof(now.message) - 1));
    changed = !l->waiting.on || strcmp(l->waiting.reason, now.reason) != 0 ||
              strcmp(l->waiting.message, now.message) != 0;
    l->waiting = now;
    return changed;
}

/* A stage of progress, "" for any other sign of work. What that stage waits for was said before. */
static bool end_waiting(struct api_log *l, const char *stage)
{
    bool was = l->waiting.on;

    l->waiting.on = *stage && strcmp(stage, l->waiting.reason) == 0;
    return was != l->waiting.on;
}

static bool feed_progress(struct api_log *l, const struct nb_json *v, int64_t now)
{
    /* Many lines: what can be kept is kept, so that the arena does not grow with a log of days. */
    const char *stage = nb_json_str(nb_json_get(v, "stage"), "");
    const char *database = nb_json_str(nb_json_get(v, "database"), "");
    struct api_progress p = {
        .present = true,
        .stage = strcmp(stage, l->progress.stage) == 0
                     ? l->progress.stage
                     : clean_reason(l->arena, v, "stage", "Running"),
        .database = strcmp(database, l->progress.database) == 0
                        ? l->progress.database
                        : clean_text(l->arena, v, "database", WORD_MAX),
        .percent = api_i64(v, "percent", 0, 100, -1),
        .nodes = count_of(v, "nodes"),
        .relationships = count_of(v, "relationships"),
        .bytes_exported = count_of(v, "bytesExported"),
        .bytes_uploaded = count_of(v, "bytesUploaded"),
        .updated = now,
    };

    l->progress = p;
    end_waiting(l, p.stage);
    return true;
}

static bool feed_artifact(struct api_log *l, const struct nb_json *v)
{
    struct api_artifact *items;
    struct api_artifact one;

    clean_artifact(l->arena, v, &one);
    if (!*l->engine)
        l->engine = clean_reason(l->arena, v, "engine", "");
    if (!*l->server_version)
        l->server_version = clean_text(l->arena, v, "serverVersion", WORD_MAX);
    for (size_t i = 0; i < l->artifacts.count; i++)
        if (strcmp(l->artifacts.items[i].database, one.database) ==
            0) { /* said again by a pod that was tried again */
            l->artifacts.items[i] = one;
            return true;
        }
    items = grow(l, LIST_ARTIFACTS, l->artifacts.items, l->artifacts.count, sizeof(*items));
    if (!items)
        return false;
    l->artifacts.items = items;
    items[l->artifacts.count++] = one;
    return true;
}

static bool feed_failed(struct api_log *l, const struct nb_json *v)
{
    const char **items =
        grow(l, LIST_FAILED, l->failed_databases.items, l->failed_databases.count, sizeof(*items));

    if (!items)
        return false;
    l->failed_databases.items = items;
    items[l->failed_databases.count++] = clean_text(l->arena, v, "database", WORD_MAX);
    return true;
}

static bool feed_inventory(struct api_log *l, const struct nb_json *v)
{
    const struct nb_json *points = nb_json_get(v, "points");

    if (l->has_inventory)
        return false; /* one a pod */
    l->has_inventory = true;
    api_stored_parse(nb_json_get(v, "stored"), &l->stored);
    if (nb_json_type(points) != NB_JSON_ARRAY)
        return true;
    l->points = api_alloc(l->arena, API_RESTORE_POINTS_MAX * sizeof(*l->points));
    for (const struct nb_json *c = nb_json_first(points);
         c && l->point_count < API_RESTORE_POINTS_MAX; c = nb_json_next(c))
        l->points[l->point_count++] = (struct api_restore_point){
            .database = clean_text(l->arena, c, "database", WORD_MAX),
            .manifest_key = clean_text(l->arena, c, "manifestKey", KEY_MAX),
            .consistency = clean_reason(l->arena, c, "consistency", ""),
            .time = api_time(c, "time"),
            .size_bytes = api_i64(c, "sizeBytes", 0, INT64_MAX, 0),
            .pinned = api_bool(c, "pinned", false),
            .verified = nb_json_str(nb_json_get(c, "verified"), "")[0] != '\0',
        };
    return true;
}

static bool feed_source(struct api_log *l, const struct nb_json *v)
{
    struct api_source_point *items =
        grow(l, LIST_SOURCES, l->sources, l->source_count, sizeof(*l->sources));

    if (!items)
        return false;
    l->sources = items;
    items[l->source_count++] = (struct api_source_point){
        .database = clean_text(l->arena, v, "database", WORD_MAX),
        .manifest_key = clean_text(l->arena, v, "manifestKey", KEY_MAX),
        .key = clean_text(l->arena, v, "key", KEY_MAX),
        .time = api_time(v, "time"),
        .size_bytes = count_of(v, "sizeBytes"),
    };
    return true;
}

static bool feed_database(struct api_log *l, const struct nb_json *v)
{
    struct api_database_result *items =
        grow(l, LIST_DATABASES, l->databases, l->database_count, sizeof(*l->databases));

    if (!items)
        return false;
    l->databases = items;
    items[l->database_count++] = (struct api_database_result){
        .database = clean_text(l->arena, v, "database", WORD_MAX),
        .target = clean_text(l->arena, v, "target", WORD_MAX),
        .result = clean_reason(l->arena, v, "result", "Unknown"),
        .reason = clean_reason(l->arena, v, "reason", ""),
        .message = clean_text(l->arena, v, "message", MESSAGE_MAX),
        .nodes = count_of(v, "nodes"),
        .relationships = count_of(v, "relationships"),
        .duration_seconds = count_of(v, "durationSeconds"),
    };
    return true;
}

static bool feed_safety(struct api_log *l, const struct nb_json *v)
{
    struct api_safety_backup *items =
        grow(l, LIST_SAFETY, l->safety, l->safety_count, sizeof(*l->safety));

    if (!items)
        return false;
    l->safety = items;
    items[l->safety_count++] = (struct api_safety_backup){
        .database = clean_text(l->arena, v, "database", WORD_MAX),
        .manifest_key = clean_text(l->arena, v, "manifestKey", KEY_MAX),
    };
    return true;
}

static bool feed_pruned(struct api_log *l, const struct nb_json *v)
{
    if (l->pruned.count >= PRUNED_MAX)
        return false;
    if (!l->pruned.items)
        l->pruned.items = api_alloc(l->arena, PRUNED_MAX * sizeof(*l->pruned.items));
    l->pruned.items[l->pruned.count++] = clean_text(l->arena, v, "key", KEY_MAX);
    return true;
}

static const struct {
    const char *event;
    bool (*feed)(struct api_log *l, const struct nb_json *v);
} events[] = {
    { "artifact", feed_artifact },       { "databaseFailed", feed_failed },
    { "inventory", feed_inventory },     { "source", feed_source },
    { "databaseResult", feed_database }, { "pruned", feed_pruned },
    { "safetyBackup", feed_safety },
};

bool api_log_feed(struct api_log *l, const char *line, size_t n, int64_t now)
{
    struct nb_error err = NB_ERROR_INIT;
    nb_auto(nb_json_free) struct nb_json *v = NULL;
    const char *event;

    /* A hostile worker cannot make the controller grow: what it says is counted against a share of
     * the arena. */
    if (n == 0 || n > API_LOG_LINE_MAX || *line != '{' ||
        nb_arena_used_bytes(l->arena) > (size_t)8 << 20)
        return false;
    if (!nb_json_parse(line, n, API_LOG_LINE_MAX, &v, &err))
        return false;
    event = nb_json_str(nb_json_get(v, "event"), "");
    if (strcmp(event, "progress") == 0)
        return feed_progress(l, v, now);
    if (strcmp(event, "waiting") == 0)
        return feed_waiting(l, v);
    if (strcmp(event, "waitingOver") == 0)
        return end_waiting(l, "");
    for (size_t i = 0; i < NB_ARRAY_LEN(events); i++) {
        if (strcmp(event, events[i].event) != 0)
            continue;
        /* Whoever works does not wait. */
        bool resumed = end_waiting(l, "");

        return events[i].feed(l, v) || resumed;
    }
    return false;
}

/* --- copy ------------------------------------------------------------------------------------ */

static struct api_artifact copy_artifact(struct nb_arena *a, const struct api_artifact *from)
{
    struct api_artifact to = *from;

    to.database = api_dup(a, from->database);
    to.key = api_dup(a, from->key);
    to.manifest_key = api_dup(a, from->manifest_key);
    to.sha256 = api_dup(a, from->sha256);
    to.consistency = api_dup(a, from->consistency);
    to.warnings = api_dup(a, from->warnings);
    return to;
}

static struct api_strings copy_strings(struct nb_arena *a, const struct api_strings *from)
{
    struct api_strings to = { .items = api_alloc(a, (from->count + 1) * sizeof(*to.items)),
                              .count = from->count };

    for (size_t i = 0; i < from->count; i++)
        to.items[i] = api_dup(a, from->items[i]);
    return to;
}

static void copy_points(struct nb_arena *a, const struct api_log *from, struct api_log *to)
{
    to->points = api_alloc(a, (from->point_count + 1) * sizeof(*to->points));
    for (size_t i = 0; i < from->point_count; i++) {
        to->points[i] = from->points[i];
        to->points[i].database = api_dup(a, from->points[i].database);
        to->points[i].manifest_key = api_dup(a, from->points[i].manifest_key);
        to->points[i].consistency = api_dup(a, from->points[i].consistency);
    }
    to->sources = api_alloc(a, (from->source_count + 1) * sizeof(*to->sources));
    for (size_t i = 0; i < from->source_count; i++) {
        to->sources[i] = from->sources[i];
        to->sources[i].database = api_dup(a, from->sources[i].database);
        to->sources[i].manifest_key = api_dup(a, from->sources[i].manifest_key);
        to->sources[i].key = api_dup(a, from->sources[i].key);
    }
}

static void copy_databases(struct nb_arena *a, const struct api_log *from, struct api_log *to)
{
    to->databases = api_alloc(a, (from->database_count + 1) * sizeof(*to->databases));
    for (size_t i = 0; i < from->database_count; i++) {
        const struct api_database_result *d = &from->databases[i];

        to->databases[i] = *d;
        to->databases[i].database = api_dup(a, d->database);
        to->databases[i].target = api_dup(a, d->target);
        to->databases[i].result = api_dup(a, d->result);
        to->databases[i].reason = api_dup(a, d->reason);
        to->databases[i].message = api_dup(a, d->message);
    }
    to->safety = api_alloc(a, (from->safety_count + 1) * sizeof(*to->safety));
    for (size_t i = 0; i < from->safety_count; i++)
        to->safety[i] = (struct api_safety_backup){
            .database = api_dup(a, from->safety[i].database),
            .manifest_key = api_dup(a, from->safety[i].manifest_key),
        };
}

struct api_log *api_log_copy(const struct api_log *l)
{
    struct api_log *to = NB_NEW(struct api_log);

    *to = *l;
    to->arena = api_arena_new();
    /* The copy is read only: its lists are as long as they are full. */
    memset(to->capacity_, 0, sizeof(to->capacity_));
    to->progress.stage = api_dup(to->arena, l->progress.stage);
    to->progress.database = api_dup(to->arena, l->progress.database);
    to->pod = api_dup(to->arena, l->pod);
    to->engine = api_dup(to->arena, l->engine);
    to->server_version = api_dup(to->arena, l->server_version);
    to->artifacts.items =
        api_alloc(to->arena, (l->artifacts.count + 1) * sizeof(*to->artifacts.items));
    for (size_t i = 0; i < l->artifacts.count; i++)
        to->artifacts.items[i] = copy_artifact(to->arena, &l->artifacts.items[i]);
    to->failed_databases = copy_strings(to->arena, &l->failed_databases);
    to->pruned = copy_strings(to->arena, &l->pruned);
    copy_points(to->arena, l, to);
    copy_databases(to->arena, l, to);
    return to;
}
