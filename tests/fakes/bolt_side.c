#include "tests/fakes/bolt_side.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bolt_side: %s\n", what);
        abort();
    }
}

int bolt_side_listen(char ret_uri[64])
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t n = sizeof(a);

    must(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 8) == 0 &&
             getsockname(fd, (struct sockaddr *)&a, &n) == 0,
         "cannot listen");
    snprintf(ret_uri, 64, "bolt://127.0.0.1:%u", ntohs(a.sin_port));
    return fd;
}

uint8_t bolt_side_decode(struct nb_str message, struct nb_arena *arena,
                         struct ps_value ret[BOLT_SIDE_FIELDS])
{
    struct nb_error err = NB_ERROR_INIT;
    struct ps_decoder d;
    unsigned n;
    uint8_t tag;

    nb_arena_reset(arena);
    ps_decoder_init(&d, message.p, message.n, 1, arena);
    must(ps_decode_struct_head(&d, &tag, &n, &err) && n <= BOLT_SIDE_FIELDS, "a strange message");
    for (unsigned i = 0; i < BOLT_SIDE_FIELDS; i++)
        ret[i] = (struct ps_value){ 0 };
    for (unsigned i = 0; i < n; i++)
        must(ps_decode(&d, &ret[i], &err), err.text);
    return tag;
}
