#include "engine/mark.h"

#include <stdio.h>
#include <string.h>

#include "base/b64.h"
#include "packstream/packstream.h"

enum { PREFIX_BYTES = 3, ID_BYTES = 16 };

static void format_uuid(const unsigned char *id, char out[ENG_DATABASE_ID_TEXT])
{
    size_t at = 0;

    for (size_t i = 0; i < ID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        snprintf(out + at, 3, "%02x", id[i]);
        at += 2;
    }
}

static bool decode(const unsigned char *p, size_t n, struct eng_mark *ret)
{
    static const unsigned char prefix[PREFIX_BYTES] = { 0x91, 0xCC, ID_BYTES };
    nb_auto(nb_arena_free) struct nb_arena *arena = nb_arena_new(1024);
    struct nb_error error = NB_ERROR_INIT;
    struct ps_decoder decoder;
    struct ps_value txn;

    if (n < PREFIX_BYTES + ID_BYTES + 2 || memcmp(p, prefix, PREFIX_BYTES) != 0)
        return false;
    ps_decoder_init(&decoder, p + PREFIX_BYTES + ID_BYTES, n - PREFIX_BYTES - ID_BYTES, 1, arena);
    if (!ps_decode(&decoder, &txn, &error) || txn.type != PS_INT || txn.integer < 0)
        return false;
    if (ps_decoder_left(&decoder) != 1 || p[n - 1] != 0x90)
        return false;
    ret->transaction = txn.integer;
    format_uuid(p + PREFIX_BYTES, ret->database_id);
    return true;
}

void eng_mark_parse(const char *bookmark, struct eng_mark *ret)
{
    nb_auto_done(nb_buf_done) struct nb_buf bytes = NB_BUF_INIT(1024);
    struct nb_error error = NB_ERROR_INIT;
    size_t n = strlen(bookmark);

    *ret = (struct eng_mark){ .transaction = -1 };
    if (n == 0 || n >= sizeof(ret->text))
        return;
    memcpy(ret->text, bookmark, n + 1);
    if (!nb_starts_with(bookmark, "FB:") || !nb_b64_decode(bookmark + 3, n - 3, &bytes, &error))
        return;
    ret->decoded = decode((const unsigned char *)nb_buf_cstr(&bytes), bytes.len, ret);
}

bool eng_mark_equal(const struct eng_mark *a, const struct eng_mark *b)
{
    return a->text[0] && strcmp(a->text, b->text) == 0 && a->moves == b->moves;
}
