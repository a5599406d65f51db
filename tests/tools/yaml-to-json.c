/*
 * yaml-to-json FILE: prints a YAML file as JSON, by the project's own reader, so that scripts need no
 * YAML library of their own.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/yaml.h"

enum { FILE_MAX = 8 << 20 };

static bool convert(const char *path, struct nb_error *err)
{
    nb_auto_done(nb_buf_done) struct nb_buf in = NB_BUF_INIT(FILE_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf out = NB_BUF_INIT(FILE_MAX);
    nb_auto(nb_json_free) struct nb_json *json = NULL;

    if (!nb_file_read(path, &in, err) ||
        !nb_yaml_parse(in.data, in.len, FILE_MAX, path, &json, err))
        return false;
    nb_json_format(json, &out);
    nb_buf_putc(&out, '\n');
    return nb_buf_check(&out, err) && nb_fd_write_all(STDOUT_FILENO, out.data, out.len, err);
}

int main(int argc, char **argv)
{
    struct nb_error err = NB_ERROR_INIT;

    if (argc != 2) {
        fprintf(stderr, "usage: yaml-to-json FILE\n");
        return 2;
    }
    if (!convert(argv[1], &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    return 0;
}
