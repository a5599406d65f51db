#include "base/yaml.h"

#include <yaml.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/yaml_scalar.h"

enum { YAML_MAX_DEPTH = 64, YAML_MAX_PATH = 500 };

struct mark {
    unsigned line, column;
};

struct nb_yaml_marks {
    struct nb_map *by_path; /* struct mark * */
};

/* One open mapping (keys: those seen, to refuse doubled ones) or sequence (keys NULL). */
struct level {
    struct nb_map *keys;
    bool at_value;   /* mapping: a key was read, its value comes */
    size_t items;    /* sequence: those that have begun */
    size_t path_len; /* of the mapping or sequence itself */
};

struct reader {
    yaml_parser_t parser;
    const char *name;
    struct nb_jw w;
    struct level levels[YAML_MAX_DEPTH];
    unsigned depth;
    bool has_document;
    struct nb_yaml_marks *marks; /* NULL: nobody asks */
    struct nb_buf path;          /* of what was begun last */
    struct nb_error *err;
};

static bool fault(struct reader *r, yaml_mark_t at, const char *what)
{
    return nb_fail(r->err, NB_E_INVALID, "InvalidYaml", "'%s', line %zu, column %zu: %s", r->name,
                   at.line + 1, at.column + 1, what);
}

static bool parser_fault(struct reader *r)
{
    const char *problem = r->parser.problem ? r->parser.problem : "not YAML";

    if (r->parser.error == YAML_READER_ERROR)
        return nb_fail(r->err, NB_E_INVALID, "InvalidYaml", "'%s', byte %zu: %s", r->name,
                       r->parser.problem_offset, problem);
    return fault(r, r->parser.problem_mark, problem);
}

/* --- where things stand ---------------------------------------------------------------------- */

static void put_mark(struct reader *r, yaml_mark_t at)
{
    struct mark *m;

    if (r->path.overflow)
        return;
    m = NB_NEW(struct mark);
    *m = (struct mark){ (unsigned)at.line + 1, (unsigned)at.column + 1 };
    nb_map_put(r->marks->by_path, nb_buf_cstr(&r->path), r->path.len, m);
}

static void path_back_to(struct reader *r, const struct level *level)
{
    /* A path that was too long is so for everything below it, and no longer. */
    if (r->path.len > level->path_len)
        r->path.len = level->path_len;
    if (r->path.data)
        r->path.data[r->path.len] = '\0';
    r->path.overflow = level->path_len > YAML_MAX_PATH;
}

static void mark_key(struct reader *r, const char *key, yaml_mark_t at)
{
    const struct level *level = &r->levels[r->depth - 1];

    if (!r->marks)
        return;
    path_back_to(r, level);
    if (level->path_len)
        nb_buf_putc(&r->path, '.');
    nb_buf_puts(&r->path, key);
    put_mark(r, at);
}

/* Every value that is no member of a mapping: those are known by their keys. */
static void mark_item(struct reader *r, yaml_mark_t at)
{
    struct level *level = r->depth ? &r->levels[r->depth - 1] : NULL;

    if (!r->marks || (level && level->keys))
        return;
    if (level) {
        path_back_to(r, level);
        nb_buf_printf(&r->path, "[%zu]", level->items++);
    }
    put_mark(r, at);
}

static size_t path_len(const struct reader *r)
{
    return r->path.overflow ? YAML_MAX_PATH + 1 : r->path.len;
}

static struct nb_yaml_marks *marks_new(void)
{
    struct nb_yaml_marks *m = NB_NEW(struct nb_yaml_marks);

    m->by_path = nb_map_new(free);
    return m;
}

void nb_yaml_marks_free(struct nb_yaml_marks *m)
{
    if (!m)
        return;
    nb_map_free(m->by_path);
    free(m);
}

void nb_yaml_mark(const struct nb_yaml_marks *m, const char *path, unsigned *ret_line,
                  unsigned *ret_column)
{
    size_t n = strlen(path);
    const struct mark *at = nb_map_get(m->by_path, path, n);

    while (!at && n > 0) {
        while (n > 0 && path[n - 1] != '.' && path[n - 1] != '[')
            n--;
        n = n > 0 ? n - 1 : 0;
        at = nb_map_get(m->by_path, path, n);
    }
    *ret_line = at ? at->line : 1;
    *ret_column = at ? at->column : 1;
}

/* --- values ---------------------------------------------------------------------------------- */

static bool open_level(struct reader *r, const yaml_event_t *e, bool mapping)
{
    if (r->depth == YAML_MAX_DEPTH)
        return fault(r, e->start_mark, "nested deeper than 64");
    mark_item(r, e->start_mark);
    r->levels[r->depth++] =
        (struct level){ .keys = mapping ? nb_map_new(NULL) : NULL, .path_len = path_len(r) };
    if (mapping)
        nb_jw_object(&r->w);
    else
        nb_jw_array(&r->w);
    return true;
}

static void close_level(struct reader *r, bool mapping)
{
    r->depth--;
    nb_map_free(r->levels[r->depth].keys);
    r->levels[r->depth].keys = NULL;
    if (mapping)
        nb_jw_object_end(&r->w);
    else
        nb_jw_array_end(&r->w);
}

static bool at_key(const struct reader *r)
{
    return r->depth && r->levels[r->depth - 1].keys && !r->levels[r->depth - 1].at_value;
}

static void value_done(struct reader *r)
{
    if (r->depth)
        r->levels[r->depth - 1].at_value = false;
}

static bool read_key(struct reader *r, const yaml_event_t *e)
{
    struct level *level = &r->levels[r->depth - 1];
    const char *key = (const char *)e->data.scalar.value;
    size_t n = e->data.scalar.length;

    if (memchr(key, '\0', n))
        return fault(r, e->start_mark, "a key with a NUL character");
    if (nb_map_get(level->keys, key, n))
        return fault(r, e->start_mark, "key is there twice");
    nb_map_put(level->keys, key, n, level);
    mark_key(r, key, e->start_mark);
    nb_jw_key(&r->w, key);
    level->at_value = true;
    return true;
}

static bool read_scalar(struct reader *r, const yaml_event_t *e)
{
    const char *tag = (const char *)e->data.scalar.tag, *problem;
    const char *value = (const char *)e->data.scalar.value;

    if (e->data.scalar.anchor)
        return fault(r, e->start_mark, "anchors are not supported");
    if (at_key(r))
        return tag ? fault(r, e->start_mark, "a tag on a key is not supported") : read_key(r, e);
    problem = nb_yaml_scalar_write((struct nb_str){ value, e->data.scalar.length }, tag,
                                   e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE, &r->w);
    if (problem)
        return fault(r, e->start_mark, problem);
    mark_item(r, e->start_mark);
    value_done(r);
    return true;
}

static bool read_start(struct reader *r, const yaml_event_t *e)
{
    bool mapping = e->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *anchor =
        mapping ? e->data.mapping_start.anchor : e->data.sequence_start.anchor;
    const char *tag =
        (const char *)(mapping ? e->data.mapping_start.tag : e->data.sequence_start.tag);

    if (anchor)
        return fault(r, e->start_mark, "anchors are not supported");
    if (tag && strcmp(tag, mapping ? YAML_MAP_TAG : YAML_SEQ_TAG) != 0)
        return fault(r, e->start_mark, "tag is not supported");
    if (at_key(r))
        return fault(r, e->start_mark, "a key must be a plain word or a string");
    return open_level(r, e, mapping);
}

static bool read_event(struct reader *r, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->has_document)
            return fault(r, e->start_mark, "more than one document");
        r->has_document = true;
        return true;
    case YAML_ALIAS_EVENT:
        return fault(r, e->start_mark, "aliases are not supported");
    case YAML_SCALAR_EVENT:
        return read_scalar(r, e);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return read_start(r, e);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        close_level(r, e->type == YAML_MAPPING_END_EVENT);
        value_done(r);
        return true;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return true;
    }
    return true;
}

static bool read_events(struct reader *r)
{
    bool ok = true, end = false;

    while (ok && !end) {
        yaml_event_t e;

        if (!yaml_parser_parse(&r->parser, &e))
            return parser_fault(r);
        end = e.type == YAML_STREAM_END_EVENT;
        ok = read_event(r, &e);
        yaml_event_delete(&e);
    }
    return ok;
}

static bool parse(const char *text, size_t n, size_t max_bytes, const char *name,
                  struct nb_yaml_marks *marks, struct nb_json **ret, struct nb_error *err)
{
    /* One byte may become an escape of six. */
    nb_auto_done(nb_buf_done) struct nb_buf json = NB_BUF_INIT(max_bytes * 6 + 64);
    struct reader r = { .name = name,
                        .w = NB_JW_INIT(&json),
                        .marks = marks,
                        .path = NB_BUF_INIT(YAML_MAX_PATH),
                        .err = err };
    bool ok;

    if (n > max_bytes)
        return nb_fail(err, NB_E_LIMIT, "SizeLimit", "'%s': %zu bytes are above the limit of %zu",
                       name, n, max_bytes);
    if (!yaml_parser_initialize(&r.parser))
        return nb_fail(err, NB_E_LIMIT, "OutOfMemory", "'%s': memory is out", name);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    ok = read_events(&r);
    while (r.depth)
        nb_map_free(r.levels[--r.depth].keys);
    yaml_parser_delete(&r.parser);
    nb_buf_done(&r.path);
    if (!ok)
        return false;
    if (!r.has_document)
        nb_jw_null(&r.w);
    if (!nb_buf_check(&json, err))
        return nb_wrap(err, "'%s'", name);
    return nb_json_parse(json.data, json.len, json.max, ret, err) || nb_wrap(err, "'%s'", name);
}

bool nb_yaml_parse(const char *text, size_t n, size_t max_bytes, const char *name,
                   struct nb_json **ret, struct nb_error *err)
{
    return parse(text, n, max_bytes, name, NULL, ret, err);
}

bool nb_yaml_parse_marked(const char *text, size_t n, size_t max_bytes, const char *name,
                          struct nb_json **ret, struct nb_yaml_marks **ret_marks,
                          struct nb_error *err)
{
    nb_auto(nb_yaml_marks_free) struct nb_yaml_marks *marks = marks_new();

    if (!parse(text, n, max_bytes, name, marks, ret, err))
        return false;
    *ret_marks = nb_steal(marks);
    return true;
}
