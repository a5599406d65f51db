#include "age/writer.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/secret.h"

struct age_writer {
    age_output_fn *output;
    void *ctx;
    uint8_t file_key[AGE_FILE_KEY_BYTES];
    struct nb_buf head; /* the header and the payload's nonce, until they are written */
    struct age_stream stream;
    size_t held; /* of chunk */
    uint8_t chunk[AGE_CHUNK_BYTES], sealed[AGE_SEALED_BYTES];
};

static bool make_stanzas(const struct age_writer *w, const struct age_writer_opts *opts,
                         struct age_stanza *stanzas, struct nb_error *err)
{
    if (opts->recipients_n == 0)
        return age_stanza_scrypt(opts->passphrase,
                                 opts->scrypt_log_n ? opts->scrypt_log_n : AGE_SCRYPT_LOG_N,
                                 w->file_key, stanzas, err);
    for (size_t i = 0; i < opts->recipients_n; i++) {
        if (!age_stanza_x25519(&opts->recipients[i], w->file_key, &stanzas[i], err))
            return false;
    }
    return true;
}

static bool check_opts(const struct age_writer_opts *opts, struct nb_error *err)
{
    if (opts->recipients_n > AGE_RECIPIENTS_MAX)
        return nb_fail(err, NB_E_INVALID, "InvalidRecipient", "there are more than %d recipients",
                       AGE_RECIPIENTS_MAX);
    if ((opts->recipients_n > 0) == (opts->passphrase.n > 0))
        return nb_fail(err, NB_E_INVALID, "InvalidRecipient",
                       "a file is encrypted to recipients or with a passphrase, to one of both");
    return true;
}

bool age_writer_new(const struct age_writer_opts *opts, age_output_fn *output, void *ctx,
                    struct age_writer **ret, struct nb_error *err)
{
    nb_auto(age_writer_free) struct age_writer *w = NULL;
    nb_auto(nb_free) struct age_stanza *stanzas = NULL;
    uint8_t nonce[AGE_NONCE16_BYTES];
    size_t n = opts->recipients_n ? opts->recipients_n : 1;

    if (!check_opts(opts, err))
        return false;
    w = NB_NEW(struct age_writer);
    w->output = output;
    w->ctx = ctx;
    nb_buf_init(&w->head, AGE_HEADER_MAX_BYTES);
    nb_random_bytes(w->file_key, sizeof(w->file_key));
    stanzas = nb_xcalloc(n, sizeof(*stanzas));
    if (!make_stanzas(w, opts, stanzas, err))
        return false;
    age_header_format(stanzas, n, w->file_key, &w->head);
    nb_random_bytes(nonce, sizeof(nonce));
    nb_buf_append(&w->head, nonce, sizeof(nonce));
    age_stream_init(&w->stream, w->file_key, nonce);
    if (!nb_buf_check(&w->head, err))
        return false;
    *ret = nb_steal(w);
    return true;
}

void age_writer_free(struct age_writer *w)
{
    if (!w)
        return;
    age_stream_done(&w->stream);
    nb_buf_done(&w->head);
    nb_wipe(w->file_key, sizeof(w->file_key));
    nb_wipe(w->chunk, sizeof(w->chunk));
    free(w);
}

void age_writer_give_key(const struct age_writer *w, struct age_keys *keys)
{
    age_keys_add_file_key(keys, w->file_key);
}

static bool put_head(struct age_writer *w, struct nb_error *err)
{
    if (w->head.len == 0)
        return true;
    if (!w->output(w->ctx, w->head.data, w->head.len, err))
        return false;
    nb_buf_clear(&w->head);
    return true;
}

static bool put_chunk(struct age_writer *w, bool last, const uint8_t *p, size_t n,
                      struct nb_error *err)
{
    age_stream_seal(&w->stream, last, p, n, w->sealed);
    return put_head(w, err) && w->output(w->ctx, w->sealed, n + AGE_TAG_BYTES, err);
}

bool age_writer_write(struct age_writer *w, const void *p, size_t n, struct nb_error *err)
{
    const uint8_t *at = p;

    while (n > 0) {
        size_t take = sizeof(w->chunk) - w->held < n ? sizeof(w->chunk) - w->held : n;

        /* A full chunk is sealed only when more follows: it might be the last. */
        if (take == 0) {
            if (!put_chunk(w, false, w->chunk, w->held, err))
                return false;
            w->held = 0;
            continue;
        }
        memcpy(w->chunk + w->held, at, take);
        w->held += take;
        at += take;
        n -= take;
    }
    return true;
}

bool age_writer_finish(struct age_writer *w, struct nb_error *err)
{
    return put_chunk(w, true, w->chunk, w->held, err);
}
