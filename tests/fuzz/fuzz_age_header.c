/* Any bytes: a header or an error; nothing opens it but a key that it was made for. A header of
 * stanzas of ours has one form: written again it is the same text, but for its MAC. */

#include <stdlib.h>

#include "age/reader.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static bool discard(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    (void)ctx;
    (void)p;
    (void)n;
    (void)err;
    return true;
}

static void write_again(const struct age_header *h, const char *text)
{
    static const uint8_t key[AGE_FILE_KEY_BYTES];
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(1 << 20);

    for (size_t i = 0; i < h->n; i++)
        if (h->stanzas[i].type == AGE_STANZA_OTHER)
            return;
    age_header_format(h->stanzas, h->n, key, &out);
    check(out.len > h->maced_bytes && memcmp(out.data, text, h->maced_bytes) == 0);
}

static void read_file(const uint8_t *data, size_t size)
{
    static const uint8_t key[AGE_FILE_KEY_BYTES];
    nb_auto(age_keys_free) struct age_keys *keys = age_keys_new();
    nb_auto(age_reader_free) struct age_reader *r = NULL;
    struct nb_error err = NB_ERROR_INIT;

    age_keys_add_file_key(keys, key);
    r = age_reader_new(keys, discard, NULL);
    if (age_reader_feed(r, data, size / 2, &err) &&
        age_reader_feed(r, data + size / 2, size - size / 2, &err) && age_reader_finish(r, &err))
        return;
    check(err.code == NB_E_CORRUPT || err.code == NB_E_INVALID);
    check(err.text[0] && err.reason[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nb_auto_done(age_header_done) struct age_header h = { .stanzas = NULL };
    const char *text = (const char *)data;
    struct nb_error err = NB_ERROR_INIT;
    size_t n = age_header_length(text, size);

    check(n <= size);
    if (age_header_parse(text, n ? n : size, &h, &err)) {
        check(h.n > 0 && h.maced_bytes < n);
        write_again(&h, text);
    } else {
        check(err.code == NB_E_CORRUPT || err.code == NB_E_INVALID);
        check(err.text[0] && err.reason[0]);
    }
    read_file(data, size);
    return 0;
}
