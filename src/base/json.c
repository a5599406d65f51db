#include "base/json.h"

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "base/json_scan.h"
#include "base/mem.h"

/*
 * A `struct nb_json *` is a cJSON node under another name. Numbers whose text is an integer that
 * fits carry NODE_IS_INT, a type bit cJSON does not use, and hold the int64 in place of the double:
 * cJSON itself never prints or compares our trees.
 */
enum { NODE_IS_INT = 1 << 16 };

/*
 * All nodes and texts of a document are in one arena, whose address is in front of the root: a
 * document of the API server is thousands of them. Taken one by one they cost most of the time of
 * reading it, and what is allocated meanwhile for long keeps their pages when they are gone.
 */
struct head {
    struct nb_arena *arena;
    _Alignas(16) unsigned char root[];
};

static _Thread_local struct nb_arena *building; /* of the document that this thread reads */

/* The root is what is allocated first. */
static void *node_alloc(size_t size)
{
    struct nb_error ignored = NB_ERROR_INIT;
    struct head *head;

    if (!building)
        return NULL;
    if (nb_arena_used_bytes(building) > 0)
        return nb_arena_alloc(building, size, &ignored);
    head = nb_arena_alloc(building, sizeof(*head) + size, &ignored);
    if (!head)
        return NULL;
    head->arena = building;
    return head->root;
}

static void node_free(void *p)
{
    (void)p; /* with its document */
}

static void set_hooks(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){ .malloc_fn = node_alloc, .free_fn = node_free });
}

static struct head *head_of(cJSON *root)
{
    return (struct head *)((unsigned char *)root - offsetof(struct head, root));
}

static const cJSON *node_of(const struct nb_json *v)
{
    return (const void *)v;
}

static const struct nb_json *json_of(const cJSON *node)
{
    return (const void *)node;
}

/* Gives every number its exact value: the nodes in document order, as they were scanned. */
static bool attach_numbers(cJSON *root, const struct nb_json_numbers *numbers)
{
    cJSON *open[NB_JSON_MAX_DEPTH + 1];
    unsigned depth = 0;
    size_t used = 0;
    cJSON *node = root;

    while (node) {
        if (cJSON_IsNumber(node)) {
            if (used == numbers->count)
                return false;
            if (numbers->items[used].is_int) {
                node->type |= NODE_IS_INT;
                memcpy(&node->valuedouble, &numbers->items[used].i64, sizeof(int64_t));
            }
            used++;
        }
        if (node->child) {
            open[depth++] = node;
            node = node->child;
            continue;
        }
        while (depth && !node->next)
            node = open[--depth];
        node = node->next;
    }
    return used == numbers->count;
}

static bool parse_scanned(const char *text, size_t n, struct nb_json_numbers *numbers,
                          struct nb_json **ret, struct nb_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    nb_auto(nb_arena_free) struct nb_arena *arena = NULL;
    const char *end = NULL;
    cJSON *root;

    if (!nb_json_scan(text, n, numbers, err))
        return false;
    pthread_once(&once, set_hooks);
    building = arena = nb_arena_new(SIZE_MAX / 4); /* the text's length is the limit */
    root = cJSON_ParseWithLengthOpts(text, n, &end, false);
    building = NULL;
    if (!root)
        return nb_fail(err, NB_E_INVALID, "InvalidJson", "JSON: not understood at byte %zu",
                       end ? (size_t)(end - text) : 0);
    if (head_of(root)->arena != arena || !attach_numbers(root, numbers))
        return nb_fail(err, NB_E_INTERNAL, "InvalidJson", "JSON: numbers do not match the text");
    nb_steal(arena); /* the head's by now */
    *ret = (void *)root;
    return true;
}

bool nb_json_parse(const char *text, size_t n, size_t max_bytes, struct nb_json **ret,
                   struct nb_error *err)
{
    struct nb_json_numbers numbers = { 0 };
    bool ok;

    if (n > max_bytes)
        return nb_fail(err, NB_E_LIMIT, "SizeLimit", "JSON of %zu bytes is above the limit of %zu",
                       n, max_bytes);
    ok = parse_scanned(text, n, &numbers, ret, err);
    free(numbers.items);
    return ok;
}

void nb_json_free(struct nb_json *root)
{
    if (root)
        nb_arena_free(head_of((void *)root)->arena);
}

enum nb_json_type nb_json_type(const struct nb_json *v)
{
    const cJSON *node = node_of(v);

    if (cJSON_IsBool(node))
        return NB_JSON_BOOL;
    if (cJSON_IsNumber(node))
        return node->type & NODE_IS_INT ? NB_JSON_INT : NB_JSON_FLOAT;
    if (cJSON_IsString(node))
        return NB_JSON_STRING;
    if (cJSON_IsArray(node))
        return NB_JSON_ARRAY;
    if (cJSON_IsObject(node))
        return NB_JSON_OBJECT;
    return NB_JSON_NULL;
}

static const struct nb_json *get_n(const struct nb_json *v, const char *key, size_t n)
{
    if (!v || !cJSON_IsObject(node_of(v)))
        return NULL;
    for (const cJSON *c = node_of(v)->child; c; c = c->next) {
        if (strncmp(c->string, key, n) == 0 && c->string[n] == '\0')
            return json_of(c);
    }
    return NULL;
}

const struct nb_json *nb_json_get(const struct nb_json *v, const char *key)
{
    return get_n(v, key, strlen(key));
}

const struct nb_json *nb_json_at(const struct nb_json *v, const char *path)
{
    while (v) {
        size_t n = strcspn(path, ".");

        v = get_n(v, path, n);
        if (!path[n])
            break;
        path += n + 1;
    }
    return v;
}

const char *nb_json_str(const struct nb_json *v, const char *dflt)
{
    return v && cJSON_IsString(node_of(v)) ? node_of(v)->valuestring : dflt;
}

static int64_t exact_i64(const cJSON *node)
{
    int64_t i;

    memcpy(&i, &node->valuedouble, sizeof(i));
    return i;
}

int64_t nb_json_i64(const struct nb_json *v, int64_t dflt)
{
    return v && nb_json_type(v) == NB_JSON_INT ? exact_i64(node_of(v)) : dflt;
}

double nb_json_f64(const struct nb_json *v, double dflt)
{
    if (!v)
        return dflt;
    if (nb_json_type(v) == NB_JSON_INT)
        return (double)exact_i64(node_of(v));
    return nb_json_type(v) == NB_JSON_FLOAT ? node_of(v)->valuedouble : dflt;
}

bool nb_json_bool(const struct nb_json *v, bool dflt)
{
    return v && cJSON_IsBool(node_of(v)) ? cJSON_IsTrue(node_of(v)) : dflt;
}

const struct nb_json *nb_json_first(const struct nb_json *v)
{
    return v ? json_of(node_of(v)->child) : NULL;
}

const struct nb_json *nb_json_next(const struct nb_json *child)
{
    return child ? json_of(node_of(child)->next) : NULL;
}

const char *nb_json_key(const struct nb_json *child)
{
    return child ? node_of(child)->string : NULL;
}

size_t nb_json_count(const struct nb_json *v)
{
    size_t n = 0;

    for (v = nb_json_first(v); v; v = nb_json_next(v))
        n++;
    return n;
}

static void write_f64(struct nb_jw *w, double v)
{
    char text[40];
    int n = 0;

    /* Text may overflow a double ("1e999"): JSON has no infinity, so it stays a huge number. */
    if (isinf(v)) {
        nb_jw_raw(w, v < 0 ? "-1e999" : "1e999", v < 0 ? 6 : 5);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    nb_jw_raw(w, text, (size_t)n);
    /* Stays a float when read again. */
    if (!strpbrk(text, ".e"))
        nb_buf_puts(w->out, ".0");
}

/* Recursion is bounded: a parsed document is at most NB_JSON_MAX_DEPTH deep. */
// NOLINTNEXTLINE(misc-no-recursion)
void nb_jw_value(struct nb_jw *w, const struct nb_json *v)
{
    const struct nb_json *c;

    switch (v ? nb_json_type(v) : NB_JSON_NULL) {
    case NB_JSON_NULL:
        nb_jw_null(w);
        break;
    case NB_JSON_BOOL:
        nb_jw_bool(w, nb_json_bool(v, false));
        break;
    case NB_JSON_INT:
        nb_jw_i64(w, nb_json_i64(v, 0));
        break;
    case NB_JSON_FLOAT:
        write_f64(w, nb_json_f64(v, 0));
        break;
    case NB_JSON_STRING:
        nb_jw_str(w, nb_json_str(v, ""));
        break;
    case NB_JSON_ARRAY:
        nb_jw_array(w);
        for (c = nb_json_first(v); c; c = nb_json_next(c))
            nb_jw_value(w, c);
        nb_jw_array_end(w);
        break;
    case NB_JSON_OBJECT:
        nb_jw_object(w);
        for (c = nb_json_first(v); c; c = nb_json_next(c)) {
            nb_jw_key(w, nb_json_key(c));
            nb_jw_value(w, c);
        }
        nb_jw_object_end(w);
        break;
    }
}

void nb_json_format(const struct nb_json *v, struct nb_buf *out)
{
    struct nb_jw w = NB_JW_INIT(out);

    nb_jw_value(&w, v);
}
