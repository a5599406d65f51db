#include "tests/fakes/fake_target.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "bolt/chunk.h"
#include "bolt/machine.h"
#include "engine/stamp.h"
#include "packstream/packstream.h"
#include "tests/fakes/bolt_side.h"

enum { DATABASES_MAX = 8, SESSIONS_MAX = 64, BUF_MAX = 16 << 20, HANDSHAKE_BYTES = 20 };

struct fake_target {
    const char *const *names;
    int listener;
    char uri[64];
    long pause_ms;
    pthread_t thread, sessions[SESSIONS_MAX];
    size_t sessions_n; /* of the thread that accepts */

    pthread_mutex_t lock; /* of what follows */
    struct fake_target_counts counts[DATABASES_MAX];
    int64_t next_id;
};

/* A connection. */
struct session {
    struct fake_target *t;
    int fd;
    struct bolt_deframer in;
    struct nb_buf out, rows; /* rows: messages, to be pulled */
    struct nb_arena *arena;
    bool failed; /* all is ignored until RESET */
    size_t db;   /* of names */
    int64_t nodes, rels;
};

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "fake_target: %s\n", what);
        abort();
    }
}

/* --- messages --------------------------------------------------------------------------------- */

static struct ps_encoder begin(struct nb_buf *out, uint8_t tag, unsigned fields, size_t *mark)
{
    struct ps_encoder e = PS_ENCODER_INIT(out);

    *mark = bolt_chunk_begin(out);
    ps_put_struct(&e, tag, fields);
    return e;
}

static void send_failure(struct session *s, const char *code)
{
    size_t mark;
    struct ps_encoder e = begin(&s->out, BOLT_FAILURE, 1, &mark);

    ps_put_map(&e, 2);
    ps_put_cstr(&e, "code");
    ps_put_cstr(&e, code);
    ps_put_cstr(&e, "message");
    ps_put_cstr(&e, "no");
    bolt_chunk_end(&s->out, mark);
    s->failed = true;
}

static void send_success(struct session *s)
{
    size_t mark;
    struct ps_encoder e = begin(&s->out, BOLT_SUCCESS, 1, &mark);

    ps_put_map(&e, 1);
    ps_put_cstr(&e, "server");
    ps_put_cstr(&e, "Neo4j/5.26.30");
    bolt_chunk_end(&s->out, mark);
}

static void send_fields(struct session *s, size_t n)
{
    size_t mark;
    struct ps_encoder e = begin(&s->out, BOLT_SUCCESS, 1, &mark);

    ps_put_map(&e, 1);
    ps_put_cstr(&e, "fields");
    ps_put_list(&e, n);
    for (size_t i = 0; i < n; i++)
        ps_put_cstr(&e, "x");
    bolt_chunk_end(&s->out, mark);
}

static void put_stat(struct ps_encoder *e, const char *name, int64_t n)
{
    ps_put_cstr(e, name);
    ps_put_int(e, n);
}

static void send_rows(struct session *s)
{
    size_t mark;
    struct ps_encoder e;

    nb_buf_append(&s->out, s->rows.data, s->rows.len);
    e = begin(&s->out, BOLT_SUCCESS, 1, &mark);
    ps_put_map(&e, 2);
    ps_put_cstr(&e, "db");
    ps_put_cstr(&e, s->t->names[s->db]);
    ps_put_cstr(&e, "stats");
    ps_put_map(&e, 3);
    put_stat(&e, "nodes-created", s->nodes);
    put_stat(&e, "relationships-created", s->rels);
    put_stat(&e, "properties-set", 1);
    bolt_chunk_end(&s->out, mark);
}

static void add_ints(struct session *s, size_t n, const int64_t *v)
{
    size_t mark;
    struct ps_encoder e = begin(&s->rows, BOLT_RECORD, 1, &mark);

    ps_put_list(&e, n);
    for (size_t i = 0; i < n; i++)
        ps_put_int(&e, v[i]);
    bolt_chunk_end(&s->rows, mark);
}

static void add_component(struct session *s)
{
    size_t mark;
    struct ps_encoder e = begin(&s->rows, BOLT_RECORD, 1, &mark);

    ps_put_list(&e, 3);
    ps_put_cstr(&e, "Neo4j Kernel");
    ps_put_cstr(&e, "5.26.30");
    ps_put_cstr(&e, "community");
    bolt_chunk_end(&s->rows, mark);
}

/* --- queries ---------------------------------------------------------------------------------- */

enum answer { NOTHING, ONE, NODES, RELS, ZERO, COMPONENT, CREATE_NODES, CREATE_RELS, SCHEMA };

static const struct query {
    const char *prefix;
    enum answer answer;
    size_t columns;
} queries[] = {
    { "CALL dbms.components()", COMPONENT, 3 },
    { "RETURN 1", ONE, 1 },
    { "MATCH (n) RETURN count(n)", NODES, 1 },
    { "MATCH ()-[r]->() RETURN count(r)", RELS, 1 },
    { "SHOW INDEXES YIELD state", ZERO, 1 },
    { "SHOW INDEXES", NOTHING, 4 },
    { "SHOW CONSTRAINTS", NOTHING, 3 },
    { "SHOW DATABASES", NOTHING, 2 },
    { "CREATE (m:", ONE, 1 }, /* the node of a restore's connection: its id */
    { "UNWIND $rows AS r CREATE (n", CREATE_NODES, 2 },
    { "UNWIND $rows AS r MATCH (a)", CREATE_RELS, 0 },
    { "CREATE ", SCHEMA, 0 },
    { "", NOTHING, 1 },
};

static bool has(struct nb_str text, const char *word)
{
    return memmem(text.p, text.n, word, strlen(word)) != NULL;
}

static bool is_write(struct nb_str text)
{
    static const char *const words[] = {
        "CREATE ", "MERGE ", "SET ", "DELETE ", "DROP ", "REMOVE "
    };

    for (size_t i = 0; i < NB_ARRAY_LEN(words); i++) {
        if (has(text, words[i]))
            return true;
    }
    return false;
}

/* message: the whole RUN. */
static void count_write(struct fake_target_counts *counts, struct nb_str text,
                        struct nb_str message)
{
    uint8_t digest[NB_SHA256_BYTES];
    uint64_t part;

    counts->writes++;
    if (has(text, ENG_STAMP))
        return; /* random */
    nb_sha256(message.p, message.n, digest);
    memcpy(&part, digest, sizeof(part));
    counts->content += part;
}

/* CREATE INDEX …, CREATE VECTOR INDEX …: by the second word. */
static void note_schema(struct fake_target_counts *counts, struct nb_str text)
{
    const char *word = text.p + strlen("CREATE ");
    const char *end = memchr(word, ' ', text.n - strlen("CREATE "));
    size_t n = end ? (size_t)(end - word) + 1 : 0, len = strlen(counts->schema_began);

    counts->schema++;
    if (len + n < sizeof(counts->schema_began))
        memcpy(counts->schema_began + len, word, n);
}

static void create_nodes(struct session *s, struct fake_target_counts *counts,
                         const struct ps_value *rows)
{
    s->nodes = (int64_t)ps_list_count(rows);
    counts->nodes += s->nodes;
    for (size_t i = 0; i < ps_list_count(rows); i++) {
        const struct ps_value row = ps_list_get(rows, i);
        int64_t ids[] = { ps_list_get(&row, 0).integer, ++s->t->next_id };

        add_ints(s, NB_ARRAY_LEN(ids), ids);
    }
}

static void pause_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

    nanosleep(&t, NULL);
}

static void run(struct session *s, struct nb_str text, const struct ps_value *params,
                struct nb_str message)
{
    const struct ps_value *rows = ps_map_get(&params->map, "rows");
    struct fake_target_counts *counts = &s->t->counts[s->db];
    static const int64_t zero = 0, one = 1;
    const struct query *q = queries;

    while (text.n < strlen(q->prefix) || memcmp(text.p, q->prefix, strlen(q->prefix)) != 0)
        q++;
    nb_buf_clear(&s->rows);
    s->nodes = s->rels = 0;
    if (s->t->pause_ms && rows)
        pause_ms(s->t->pause_ms);
    pthread_mutex_lock(&s->t->lock);
    if (is_write(text))
        count_write(counts, text, message);
    switch (q->answer) {
    case NOTHING:
        break;
    case ONE:
    case ZERO:
        add_ints(s, 1, q->answer == ONE ? &one : &zero);
        break;
    case NODES:
    case RELS:
        add_ints(s, 1, q->answer == NODES ? &counts->nodes : &counts->rels);
        break;
    case COMPONENT:
        add_component(s);
        break;
    case CREATE_NODES:
        create_nodes(s, counts, rows);
        break;
    case CREATE_RELS:
        s->rels = (int64_t)ps_list_count(rows);
        counts->rels += s->rels;
        break;
    case SCHEMA:
        note_schema(counts, text);
        break;
    }
    pthread_mutex_unlock(&s->t->lock);
    send_fields(s, q->columns);
}

static bool choose_database(struct session *s, const struct ps_value *extra)
{
    struct nb_str asked = ps_map_get_str(&extra->map, "db");

    for (size_t i = 0; asked.n > 0 && s->t->names[i]; i++) {
        if (nb_str_is(asked, s->t->names[i])) {
            s->db = i;
            return true;
        }
    }
    if (asked.n > 0)
        send_failure(s, "Neo.ClientError.Database.DatabaseNotFound");
    return asked.n == 0;
}

/* --- connections ------------------------------------------------------------------------------ */

static bool answer(struct session *s, struct nb_str message)
{
    struct ps_value fields[BOLT_SIDE_FIELDS];
    uint8_t tag = bolt_side_decode(message, s->arena, fields);

    if (tag == BOLT_GOODBYE)
        return false;
    if (tag == BOLT_RESET)
        s->failed = false;
    if (s->failed) {
        size_t mark = bolt_chunk_begin(&s->out);
        struct ps_encoder e = PS_ENCODER_INIT(&s->out);

        ps_put_struct(&e, BOLT_IGNORED, 0);
        bolt_chunk_end(&s->out, mark);
    } else if (tag == BOLT_RUN) {
        if (choose_database(s, &fields[2]))
            run(s, fields[0].string, &fields[1], message);
    } else if (tag == BOLT_PULL || tag == BOLT_DISCARD) {
        if (tag == BOLT_DISCARD)
            nb_buf_clear(&s->rows);
        send_rows(s);
    } else if (tag != BOLT_BEGIN || choose_database(s, &fields[0])) {
        send_success(s);
    }
    return true;
}

static bool flush(struct session *s)
{
    for (size_t at = 0; at < s->out.len;) {
        ssize_t n = send(s->fd, s->out.data + at, s->out.len - at, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    nb_buf_clear(&s->out);
    return true;
}

static bool read_message(struct session *s, struct nb_str *ret)
{
    struct nb_error err = NB_ERROR_INIT;

    while (!bolt_deframer_next(&s->in, ret)) {
        size_t room;
        void *p = bolt_deframer_space(&s->in, &room);
        ssize_t n = flush(s) ? recv(s->fd, p, room, 0) : 0;

        if (n <= 0)
            return false;
        must(bolt_deframer_filled(&s->in, (size_t)n, &err), err.text);
    }
    return true;
}

static void *serve(void *arg)
{
    static const unsigned char version[] = { 0, 0, 4, 5 };
    struct session *s = arg;
    unsigned char hello[HANDSHAKE_BYTES];
    struct nb_str message;

    bolt_deframer_init(&s->in, 64 << 10, BUF_MAX);
    nb_buf_init(&s->out, BUF_MAX);
    nb_buf_init(&s->rows, BUF_MAX);
    s->arena = nb_arena_new(BUF_MAX);
    if (recv(s->fd, hello, sizeof(hello), MSG_WAITALL) == sizeof(hello) &&
        send(s->fd, version, sizeof(version), MSG_NOSIGNAL) == sizeof(version)) {
        while (read_message(s, &message)) {
            if (!answer(s, message))
                break;
        }
    }
    nb_arena_free(s->arena);
    nb_buf_done(&s->rows);
    nb_buf_done(&s->out);
    bolt_deframer_done(&s->in);
    close(s->fd);
    free(s);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct fake_target *t = arg;

    for (;;) {
        int fd = accept(t->listener, NULL, NULL);
        struct session *s;

        if (fd < 0)
            return NULL; /* shut down */
        s = NB_NEW(struct session);
        s->t = t;
        s->fd = fd;
        must(t->sessions_n < SESSIONS_MAX, "too many connections");
        must(pthread_create(&t->sessions[t->sessions_n++], NULL, serve, s) == 0,
             "cannot start a thread");
    }
}

struct fake_target *fake_target_start(const char *const *names)
{
    struct fake_target *t = NB_NEW(struct fake_target);

    t->names = names;
    must(pthread_mutex_init(&t->lock, NULL) == 0, "no mutex");
    t->listener = bolt_side_listen(t->uri);
    must(pthread_create(&t->thread, NULL, accept_all, t) == 0, "cannot start a thread");
    return t;
}

void fake_target_free(struct fake_target *t)
{
    shutdown(t->listener, SHUT_RDWR);
    pthread_join(t->thread, NULL);
    close(t->listener);
    for (size_t i = 0; i < t->sessions_n; i++)
        pthread_join(t->sessions[i], NULL);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

const char *fake_target_uri(const struct fake_target *t)
{
    return t->uri;
}

void fake_target_set_pause(struct fake_target *t, long ms)
{
    t->pause_ms = ms;
}

struct fake_target_counts fake_target_counts(struct fake_target *t, const char *name)
{
    struct fake_target_counts ret = { .nodes = -1 };

    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; t->names[i]; i++) {
        if (nb_streq(t->names[i], name))
            ret = t->counts[i];
    }
    pthread_mutex_unlock(&t->lock);
    return ret;
}
