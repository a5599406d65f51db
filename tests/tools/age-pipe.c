/*
 * age-pipe: our own age v1 as a filter, to be tried against other implementations.
 *
 *   age-pipe encrypt RECIPIENT... <plain >file        age-pipe encrypt -p PASSPHRASE_FILE
 *   age-pipe decrypt IDENTITY_FILE <file >plain       age-pipe decrypt -p PASSPHRASE_FILE
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "age/reader.h"
#include "age/writer.h"
#include "base/file.h"
#include "base/mem.h"

enum { PIECE_BYTES = 100000, SECRET_MAX_BYTES = 1 << 20 };

static bool put(void *ctx, const void *p, size_t n, struct nb_error *err)
{
    (void)ctx;
    return nb_fd_write_all(STDOUT_FILENO, p, n, err);
}

/* 0: the end. */
static size_t get(char *buf)
{
    ssize_t n = read(STDIN_FILENO, buf, PIECE_BYTES);

    if (n < 0) {
        perror("age-pipe");
        exit(1);
    }
    return (size_t)n;
}

static bool read_passphrase(const char *path, struct nb_buf *out, struct nb_error *err)
{
    if (!nb_file_read(path, out, err))
        return false;
    while (out->len > 0 && out->data[out->len - 1] == '\n')
        out->len--;
    return true;
}

static bool encrypt(int argc, char *const *argv, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf passphrase = NB_BUF_INIT(SECRET_MAX_BYTES);
    nb_auto(age_writer_free) struct age_writer *w = NULL;
    nb_auto(nb_free) char *buf = nb_xmalloc(PIECE_BYTES);
    struct age_recipient to[AGE_RECIPIENTS_MAX];
    struct age_writer_opts opts = { .recipients = to };
    size_t n;

    if (argc == 2 && strcmp(argv[0], "-p") == 0) {
        if (!read_passphrase(argv[1], &passphrase, err))
            return false;
        opts.passphrase = nb_buf_str(&passphrase);
    } else {
        for (; (int)opts.recipients_n < argc; opts.recipients_n++)
            if (opts.recipients_n == AGE_RECIPIENTS_MAX ||
                !age_recipient_parse(argv[opts.recipients_n], &to[opts.recipients_n], err))
                return false;
    }
    if (!age_writer_new(&opts, put, NULL, &w, err))
        return false;
    while ((n = get(buf)) > 0)
        if (!age_writer_write(w, buf, n, err))
            return false;
    return age_writer_finish(w, err);
}

static bool decrypt(int argc, char *const *argv, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf secret = NB_BUF_INIT(SECRET_MAX_BYTES);
    nb_auto(age_keys_free) struct age_keys *keys = age_keys_new();
    nb_auto(age_reader_free) struct age_reader *r = age_reader_new(keys, put, NULL);
    nb_auto(nb_free) char *buf = nb_xmalloc(PIECE_BYTES);
    size_t n;

    if (argc == 2 && strcmp(argv[0], "-p") == 0) {
        if (!read_passphrase(argv[1], &secret, err))
            return false;
        age_keys_add_passphrase(keys, nb_buf_str(&secret));
    } else if (argc != 1 || !nb_file_read(argv[0], &secret, err) ||
               !age_keys_add_identities(keys, nb_buf_str(&secret), err)) {
        return false;
    }
    while ((n = get(buf)) > 0)
        if (!age_reader_feed(r, buf, n, err))
            return false;
    return age_reader_finish(r, err);
}

int main(int argc, char **argv)
{
    struct nb_error err = NB_ERROR_INIT;
    bool ok = false;

    if (argc > 2 && strcmp(argv[1], "encrypt") == 0)
        ok = encrypt(argc - 2, argv + 2, &err);
    else if (argc > 2 && strcmp(argv[1], "decrypt") == 0)
        ok = decrypt(argc - 2, argv + 2, &err);
    else
        snprintf(err.text, sizeof(err.text), "usage: age-pipe encrypt|decrypt KEY...");
    if (!ok)
        fprintf(stderr, "age-pipe: %s\n", err.text);
    return ok ? 0 : 1;
}
