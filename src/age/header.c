#include "age/header.h"

#include <stdlib.h>

#include "base/b64.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/secret.h"

enum { LINE_CHARS = 64, STANZAS_MAX = 1024, ARGS_MAX = 2, MAC_BYTES = 32 };
#define MAC_INFO "header"

void age_header_done(struct age_header *h)
{
    free(h->stanzas);
    memset(h, 0, sizeof(*h));
}

static bool corrupt(struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_CORRUPT, "CorruptAgeHeader", "age header: %s", what);
}

size_t age_header_length(const char *p, size_t n)
{
    const char *mark = n ? memmem(p, n, "\n---", 4) : NULL;
    const char *end = mark ? memchr(mark + 1, '\n', n - (size_t)(mark + 1 - p)) : NULL;

    return end ? (size_t)(end - p) + 1 : 0;
}

/* --- lines ------------------------------------------------------------------------------------ */

struct lines {
    const char *p, *end;
};

static bool next_line(struct lines *l, struct nb_str *ret)
{
    const char *nl = l->p < l->end ? memchr(l->p, '\n', (size_t)(l->end - l->p)) : NULL;

    if (!nl)
        return false;
    *ret = (struct nb_str){ l->p, (size_t)(nl - l->p) };
    l->p = nl + 1;
    return true;
}

/* Without padding, in the one form that there is. *ret_n: up to `room`. */
static bool decode_base64(struct nb_str text, uint8_t *out, size_t room, size_t *ret_n)
{
    nb_auto_done(nb_buf_done) struct nb_buf bytes = NB_BUF_INIT(room);
    struct nb_error error = NB_ERROR_INIT;
    char padded[LINE_CHARS + 4];
    size_t padding = (4 - text.n % 4) % 4;

    if (text.n > LINE_CHARS || memchr(text.p, '=', text.n) || memchr(text.p, '\r', text.n))
        return false;
    memcpy(padded, text.p, text.n);
    memcpy(padded + text.n, "===", padding);
    if (!nb_b64_decode(padded, text.n + padding, &bytes, &error))
        return false;
    if (bytes.len)
        memcpy(out, bytes.data, bytes.len);
    *ret_n = bytes.len;
    return true;
}

static bool decode_exactly(struct nb_str text, uint8_t *out, size_t n)
{
    size_t got;

    return decode_base64(text, out, n, &got) && got == n;
}

/* --- stanzas ---------------------------------------------------------------------------------- */

struct args {
    struct nb_str type, more[ARGS_MAX];
    size_t n; /* of more; those beyond ARGS_MAX are counted and not kept */
};

/* "-> type argument…", each of visible ASCII characters, one blank before each. */
static bool split_args(struct nb_str line, struct args *ret)
{
    const char *p = line.p + 2, *end = line.p + line.n;
    bool first = true;

    memset(ret, 0, sizeof(*ret));
    if (line.n < 4 || memcmp(line.p, "->", 2) != 0)
        return false;
    while (p < end) {
        const char *from = ++p;

        if (from[-1] != ' ')
            return false;
        while (p<end && * p> ' ' && *p < 0x7f)
            p++;
        if (p == from)
            return false;
        if (first)
            ret->type = (struct nb_str){ from, (size_t)(p - from) };
        else if (ret->n++ < ARGS_MAX)
            ret->more[ret->n - 1] = (struct nb_str){ from, (size_t)(p - from) };
        first = false;
    }
    return true;
}

/* Lines of 64 characters, and a shorter one, maybe empty, at the end. *ret_n: of a body that is
 * too long for a wrapped file key, more than AGE_WRAPPED_BYTES. */
static bool take_body(struct lines *l, uint8_t body[AGE_WRAPPED_BYTES], size_t *ret_n)
{
    uint8_t bytes[LINE_CHARS / 4 * 3];
    struct nb_str line;
    size_t n;

    *ret_n = 0;
    do {
        if (!next_line(l, &line) || line.n > LINE_CHARS ||
            !decode_base64(line, bytes, sizeof(bytes), &n))
            return false;
        for (size_t i = 0; i < n; i++)
            if (*ret_n + i < AGE_WRAPPED_BYTES)
                body[*ret_n + i] = bytes[i];
        *ret_n += n;
    } while (line.n == LINE_CHARS);
    return true;
}

static bool parse_log_n(struct nb_str text, unsigned *ret)
{
    unsigned v = 0;

    if (text.n == 0 || text.n > 2 || text.p[0] == '0')
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        v = v * 10 + (unsigned)(text.p[i] - '0');
    }
    *ret = v;
    return true;
}

static bool parse_known(struct age_stanza *s, const struct args *args, size_t body_n,
                        struct nb_error *err)
{
    if (nb_str_is(args->type, "X25519")) {
        s->type = AGE_STANZA_X25519;
        if (args->n != 1 || !decode_exactly(args->more[0], s->share, AGE_KEY_BYTES))
            return corrupt(err, "an X25519 stanza has no share of 32 bytes, or more than that");
    } else if (nb_str_is(args->type, "scrypt")) {
        s->type = AGE_STANZA_SCRYPT;
        if (args->n != 2 || !decode_exactly(args->more[0], s->share, AGE_SALT_BYTES) ||
            !parse_log_n(args->more[1], &s->log_n))
            return corrupt(err, "the scrypt stanza is not of a salt and a work factor");
        if (s->log_n > AGE_SCRYPT_LOG_N_MAX)
            return corrupt(err, "the work factor of the passphrase is above 20");
    }
    if (s->type != AGE_STANZA_OTHER && body_n != AGE_WRAPPED_BYTES)
        return corrupt(err, "a stanza does not hold a file key");
    return true;
}

static bool take_stanza(struct lines *l, struct nb_str line, struct age_header *h,
                        struct nb_error *err)
{
    struct age_stanza *s;
    struct args args;
    size_t body_n;

    if (h->n == STANZAS_MAX)
        return corrupt(err, "there are too many stanzas");
    if (h->n == h->cap) {
        h->cap = h->cap ? 2 * h->cap : 4;
        h->stanzas = nb_xreallocarray(h->stanzas, h->cap, sizeof(*h->stanzas));
    }
    s = &h->stanzas[h->n++];
    memset(s, 0, sizeof(*s));
    if (!split_args(line, &args))
        return corrupt(err, "a stanza's first line is not in form");
    if (!take_body(l, s->body, &body_n))
        return corrupt(err, "a stanza's body is not in form");
    return parse_known(s, &args, body_n, err);
}

static bool check_alone(const struct age_header *h, struct nb_error *err)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->stanzas[i].type == AGE_STANZA_SCRYPT && h->n > 1)
            return corrupt(err, "a passphrase stands beside other stanzas");
    return true;
}

bool age_header_parse(const char *p, size_t n, struct age_header *ret, struct nb_error *err)
{
    struct lines l = { p, p + n };
    struct nb_str line;

    if (!next_line(&l, &line) || line.n < strlen(AGE_MAGIC) ||
        memcmp(line.p, AGE_MAGIC, strlen(AGE_MAGIC)) != 0)
        return corrupt(err, "it does not begin as one");
    if (line.n + 1 != strlen(AGE_MAGIC_LINE) || memcmp(line.p, AGE_MAGIC_LINE, line.n) != 0)
        return line.p[line.n - 1] == '\r'
                   ? corrupt(err, "its lines end with carriage returns")
                   : nb_fail(err, NB_E_INVALID, "UnsupportedAge",
                             "age header: version '%.*s' of the format is not known",
                             (int)(line.n < 40 ? line.n : 40), line.p);
    for (;;) {
        if (!next_line(&l, &line))
            return corrupt(err, "it is cut");
        if (line.n >= 3 && memcmp(line.p, "---", 3) == 0)
            break;
        if (!take_stanza(&l, line, ret, err))
            return false;
    }
    if (line.n < 4 || line.p[3] != ' ' ||
        !decode_exactly((struct nb_str){ line.p + 4, line.n - 4 }, ret->mac, MAC_BYTES))
        return corrupt(err, "its last line is not in form");
    ret->maced_bytes = (size_t)(line.p - p) + 3;
    if (l.p != l.end)
        return corrupt(err, "it goes on behind its last line");
    if (ret->n == 0)
        return corrupt(err, "it has no stanza");
    return check_alone(ret, err);
}

/* --- the MAC ---------------------------------------------------------------------------------- */

static void make_mac(const char *text, size_t n, const uint8_t file_key[AGE_FILE_KEY_BYTES],
                     uint8_t out[MAC_BYTES])
{
    uint8_t key[AGE_KEY_BYTES];

    age_hkdf(file_key, AGE_FILE_KEY_BYTES, NULL, 0, MAC_INFO, key);
    nb_hmac_sha256(key, sizeof(key), text, n, out);
    nb_wipe(key, sizeof(key));
}

bool age_header_check(const struct age_header *h, const char *text,
                      const uint8_t file_key[AGE_FILE_KEY_BYTES], struct nb_error *err)
{
    uint8_t mac[MAC_BYTES];

    make_mac(text, h->maced_bytes, file_key, mac);
    return age_equal(mac, h->mac, MAC_BYTES) ||
           nb_fail(err, NB_E_CORRUPT, "CorruptAgeMac",
                   "age header: its MAC is wrong: it was changed, or was not made with this key");
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_base64(const uint8_t *p, size_t n, struct nb_buf *out)
{
    nb_b64_encode(p, n, out);
    while (out->len > 0 && out->data[out->len - 1] == '=')
        out->len--;
}

void age_header_format(const struct age_stanza *stanzas, size_t n,
                       const uint8_t file_key[AGE_FILE_KEY_BYTES], struct nb_buf *out)
{
    size_t start = out->len;
    uint8_t mac[MAC_BYTES];

    nb_buf_puts(out, AGE_MAGIC_LINE);
    for (size_t i = 0; i < n; i++) {
        const struct age_stanza *s = &stanzas[i];

        if (s->type == AGE_STANZA_SCRYPT) {
            nb_buf_puts(out, "-> scrypt ");
            put_base64(s->share, AGE_SALT_BYTES, out);
            nb_buf_printf(out, " %u\n", s->log_n);
        } else {
            nb_buf_puts(out, "-> X25519 ");
            put_base64(s->share, AGE_KEY_BYTES, out);
            nb_buf_putc(out, '\n');
        }
        /* Of 32 bytes: shorter than a full line, so that no empty one need follow. */
        put_base64(s->body, AGE_WRAPPED_BYTES, out);
        nb_buf_putc(out, '\n');
    }
    nb_buf_puts(out, "---");
    make_mac(out->data + start, out->len - start, file_key, mac);
    nb_buf_putc(out, ' ');
    put_base64(mac, sizeof(mac), out);
    nb_buf_putc(out, '\n');
}
