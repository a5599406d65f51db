#include "base/secret.h"

#include <pthread.h>

#include "base/b64.h"
#include "base/json.h"
#include "base/mem.h"

enum { SECRET_FORMS = 4, SECRET_REDACT_MIN = 4, SECRET_MAX = 1 << 20 };

/* forms: as it is, in JSON, in a URL with and without '/' kept. Empty ones are not looked for. */
struct nb_secret {
    struct nb_buf forms[SECRET_FORMS];
    struct nb_secret *next, *prev;
    bool listed;
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nb_secret *list_head;

void nb_wipe(void *p, size_t n)
{
    if (n)
        explicit_bzero(p, n);
}

void nb_secret_buf_init(struct nb_buf *b, size_t max_bytes)
{
    nb_buf_init(b, max_bytes);
    (void)nb_buf_reserve(b, max_bytes);
}

void nb_secret_buf_done(struct nb_buf *b)
{
    nb_wipe(b->data, b->cap);
    nb_buf_done(b);
}

static void add_json_form(struct nb_buf *b, const char *p, size_t n)
{
    struct nb_jw w = NB_JW_INIT(b);

    nb_secret_buf_init(b, 6 * n + 2);
    nb_jw_strn(&w, p, n);
    /* Without the quotation marks: the secret may stand inside a longer string. */
    nb_buf_consume(b, 1);
    b->len--;
}

/* A form that is the same as an earlier one is found with that: tokens and most keys are letters,
 * digits and dashes, which look the same everywhere. */
static void drop_doubles(struct nb_secret *s)
{
    for (size_t i = 1; i < SECRET_FORMS; i++) {
        for (size_t k = 0; k < i; k++) {
            struct nb_buf *a = &s->forms[i], *b = &s->forms[k];

            if (a->len > 0 && a->len == b->len && memcmp(a->data, b->data, a->len) == 0)
                nb_secret_buf_done(a);
        }
    }
}

static void list_add(struct nb_secret *s)
{
    pthread_mutex_lock(&list_lock);
    s->next = list_head;
    if (list_head)
        list_head->prev = s;
    list_head = s;
    s->listed = true;
    pthread_mutex_unlock(&list_lock);
}

static void list_remove(struct nb_secret *s)
{
    pthread_mutex_lock(&list_lock);
    if (s->prev)
        s->prev->next = s->next;
    else
        list_head = s->next;
    if (s->next)
        s->next->prev = s->prev;
    pthread_mutex_unlock(&list_lock);
}

struct nb_secret *nb_secret_new(const char *p, size_t n)
{
    struct nb_secret *s = NB_NEW(struct nb_secret);

    nb_secret_buf_init(&s->forms[0], n);
    nb_buf_append(&s->forms[0], p, n);
    if (n < SECRET_REDACT_MIN || n > SECRET_MAX)
        return s;
    add_json_form(&s->forms[1], p, n);
    nb_secret_buf_init(&s->forms[2], 3 * n);
    nb_url_encode(p, n, false, &s->forms[2]);
    nb_secret_buf_init(&s->forms[3], 3 * n);
    nb_url_encode(p, n, true, &s->forms[3]);
    drop_doubles(s);
    list_add(s);
    return s;
}

void nb_secret_free(struct nb_secret *s)
{
    if (!s)
        return;
    if (s->listed)
        list_remove(s);
    for (size_t i = 0; i < SECRET_FORMS; i++)
        nb_secret_buf_done(&s->forms[i]);
    free(s);
}

struct nb_str nb_secret_str(const struct nb_secret *s)
{
    return s ? nb_buf_str(&s->forms[0]) : NB_STR("");
}

struct nb_secret *nb_secret_dup(const struct nb_secret *s)
{
    struct nb_str v = nb_secret_str(s);

    return s ? nb_secret_new(v.p, v.n) : NULL;
}

static void blot(char *text, const char *seen, size_t n, const struct nb_buf *form)
{
    const char *at = seen;

    if (form->len < SECRET_REDACT_MIN)
        return;
    while ((at = memmem(at, n - (size_t)(at - seen), form->data, form->len))) {
        memset(text + (at - seen), '*', form->len);
        at++; /* occurrences may overlap */
    }
}

void nb_secret_redact(char *text, size_t n)
{
    char *seen;

    pthread_mutex_lock(&list_lock);
    if (list_head && n) {
        /* Looked for in a copy: blotting one secret must not hide another that overlaps it. */
        seen = nb_xmalloc(n);
        memcpy(seen, text, n);
        for (const struct nb_secret *s = list_head; s; s = s->next) {
            for (size_t i = 0; i < SECRET_FORMS; i++)
                blot(text, seen, n, &s->forms[i]);
        }
        nb_wipe(seen, n);
        free(seen);
    }
    pthread_mutex_unlock(&list_lock);
}
