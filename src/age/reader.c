#include "age/reader.h"

#include "base/mem.h"
#include "base/secret.h"

enum state { IN_HEADER, IN_NONCE, IN_PAYLOAD, ENDED };

struct age_reader {
    const struct age_keys *keys;
    age_output_fn *output;
    void *ctx;
    enum state state;
    struct nb_buf header;
    uint8_t file_key[AGE_FILE_KEY_BYTES];
    struct age_stream stream;
    size_t held; /* of sealed: the nonce, then a chunk */
    uint8_t sealed[AGE_SEALED_BYTES], plain[AGE_CHUNK_BYTES];
};

struct age_reader *age_reader_new(const struct age_keys *keys, age_output_fn *output, void *ctx)
{
    struct age_reader *r = NB_NEW(struct age_reader);

    r->keys = keys;
    r->output = output;
    r->ctx = ctx;
    nb_buf_init(&r->header, AGE_HEADER_MAX_BYTES);
    return r;
}

void age_reader_free(struct age_reader *r)
{
    if (!r)
        return;
    age_stream_done(&r->stream);
    nb_buf_done(&r->header);
    nb_wipe(r->file_key, sizeof(r->file_key));
    nb_wipe(r->plain, sizeof(r->plain));
    free(r);
}

static bool corrupt(const struct age_reader *r, struct nb_error *err, const char *what)
{
    return nb_fail(err, NB_E_CORRUPT, "CorruptAge", "encrypted data: chunk %llu %s",
                   (unsigned long long)r->stream.chunk, what);
}

/* --- header ----------------------------------------------------------------------------------- */

static bool open_header(struct age_reader *r, size_t n, struct nb_error *err)
{
    nb_auto_done(age_header_done) struct age_header h = { .stanzas = NULL };

    if (!age_header_parse(r->header.data, n, &h, err) ||
        !age_keys_open(r->keys, &h, r->header.data, r->file_key, err))
        return false;
    r->state = IN_NONCE;
    return true;
}

/* *ret_taken: how many of the n bytes are the header's. */
static bool take_header(struct age_reader *r, const uint8_t *p, size_t n, size_t *ret_taken,
                        struct nb_error *err)
{
    size_t before = r->header.len, room = AGE_HEADER_MAX_BYTES - before, length;

    *ret_taken = n < room ? n : room;
    nb_buf_append(&r->header, p, *ret_taken);
    length = age_header_length(r->header.data, r->header.len);
    if (length > 0) {
        *ret_taken = length - before;
        return open_header(r, length, err);
    }
    return r->header.len < AGE_HEADER_MAX_BYTES ||
           nb_fail(err, NB_E_CORRUPT, "CorruptAgeHeader",
                   "age header: it does not end within %d bytes", AGE_HEADER_MAX_BYTES);
}

/* --- payload ---------------------------------------------------------------------------------- */

static bool fail_cut(const struct age_reader *r, struct nb_error *err)
{
    return nb_fail(err, NB_E_CORRUPT, "CutAge",
                   "encrypted data ends before its last chunk, after %llu",
                   (unsigned long long)r->stream.chunk);
}

/* `last`: whether it should be. A full chunk also tells by itself whether it is: then it is whole,
 * and what follows, or does not, is the fault. */
static bool put_chunk(struct age_reader *r, bool last, struct nb_error *err)
{
    bool full = r->held == sizeof(r->sealed), is_last = last;
    size_t n = r->held - AGE_TAG_BYTES;

    if (last && n == 0 && r->stream.chunk > 0)
        return corrupt(r, err, "is the last one, and empty");
    if (!age_stream_open(&r->stream, last, r->sealed, r->held, r->plain)) {
        is_last = !last;
        if (!full || !age_stream_open(&r->stream, is_last, r->sealed, r->held, r->plain))
            return corrupt(r, err, "was changed, or is not in its place");
    }
    r->held = 0;
    if (is_last)
        r->state = ENDED;
    return (n == 0 || r->output(r->ctx, r->plain, n, err)) &&
           (is_last || !last || fail_cut(r, err));
}

/* A full chunk is opened only when more follows: it might be the last. */
static bool take_payload(struct age_reader *r, const uint8_t *p, size_t n, size_t *ret_taken,
                         struct nb_error *err)
{
    size_t room = sizeof(r->sealed) - r->held;

    if (room == 0)
        return put_chunk(r, false, err);
    *ret_taken = n < room ? n : room;
    memcpy(r->sealed + r->held, p, *ret_taken);
    r->held += *ret_taken;
    return true;
}

static void take_nonce(struct age_reader *r, const uint8_t *p, size_t n, size_t *ret_taken)
{
    size_t room = AGE_NONCE16_BYTES - r->held;

    *ret_taken = n < room ? n : room;
    memcpy(r->sealed + r->held, p, *ret_taken);
    r->held += *ret_taken;
    if (r->held < AGE_NONCE16_BYTES)
        return;
    age_stream_init(&r->stream, r->file_key, r->sealed);
    r->held = 0;
    r->state = IN_PAYLOAD;
}

bool age_reader_feed(struct age_reader *r, const void *p, size_t n, struct nb_error *err)
{
    const uint8_t *at = p;

    while (n > 0) {
        size_t taken = 0;

        switch (r->state) {
        case IN_HEADER:
            if (!take_header(r, at, n, &taken, err))
                return false;
            break;
        case IN_NONCE:
            take_nonce(r, at, n, &taken);
            break;
        case IN_PAYLOAD:
            if (!take_payload(r, at, n, &taken, err))
                return false;
            break;
        case ENDED:
            return corrupt(r, err, "would stand behind the last one");
        }
        at += taken;
        n -= taken;
    }
    return true;
}

bool age_reader_finish(struct age_reader *r, struct nb_error *err)
{
    if (r->state == IN_HEADER || r->state == IN_NONCE)
        return nb_fail(err, NB_E_CORRUPT, "CorruptAgeHeader", "age header: it is cut");
    if (r->held < AGE_TAG_BYTES)
        return fail_cut(r, err);
    return put_chunk(r, true, err);
}

bool age_reader_is_open(const struct age_reader *r)
{
    return r->state != IN_HEADER;
}

void age_reader_give_key(const struct age_reader *r, struct age_keys *keys)
{
    age_keys_add_file_key(keys, r->file_key);
}
