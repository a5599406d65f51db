/*
 * bolt-drain: the least that any client can do: reads whole query results over Bolt and throws the
 * bytes away without decoding a value. What it takes is the server's own limit, against which the
 * export is measured. It shares no code with the client of the project on purpose.
 *
 *   bolt-drain HOST PORT FETCH_SIZE QUERY...     password in NEO4J_PASSWORD, user neo4j, no TLS
 */
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IN_MAX = 1 << 20, OUT_MAX = 1 << 16, HEAD_MAX = 256 };

static int sock = -1;
static unsigned char in_buf[IN_MAX];
static size_t in_pos, in_len;
static uint64_t total_bytes;
static unsigned char out_buf[OUT_MAX];
static size_t out_len;
static unsigned char head[HEAD_MAX]; /* the first bytes of the message just read */
static size_t head_len;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void fill(void)
{
    ssize_t n = read(sock, in_buf, sizeof(in_buf));

    if (n <= 0)
        die("read");
    in_pos = 0;
    in_len = (size_t)n;
    total_bytes += (uint64_t)n;
}

static unsigned next_byte(void)
{
    if (in_pos == in_len)
        fill();
    return in_buf[in_pos++];
}

static void skip(size_t n)
{
    while (n > 0) {
        size_t take;

        if (in_pos == in_len)
            fill();
        take = in_len - in_pos < n ? in_len - in_pos : n;
        if (head_len < HEAD_MAX) {
            size_t keep = HEAD_MAX - head_len < take ? HEAD_MAX - head_len : take;

            memcpy(head + head_len, in_buf + in_pos, keep);
            head_len += keep;
        }
        in_pos += take;
        n -= take;
    }
}

/* Reads one message; its tag. */
static unsigned receive(void)
{
    head_len = 0;
    for (;;) {
        size_t n = next_byte() << 8;

        n |= next_byte();
        if (n == 0) {
            if (head_len >= 2)
                return head[1];
            continue;
        }
        skip(n);
    }
}

static void put(unsigned c)
{
    if (out_len == OUT_MAX)
        exit(1);
    out_buf[out_len++] = (unsigned char)c;
}

static void put_string(const char *s)
{
    size_t n = strlen(s);

    if (n < 16) {
        put(0x80U | (unsigned)n);
    } else {
        put(0xD1);
        put((unsigned)(n >> 8));
        put((unsigned)n & 0xFF);
    }
    while (n-- > 0)
        put((unsigned char)*s++);
}

static void put_int(int64_t v)
{
    put(0xCB);
    for (int i = 7; i >= 0; i--)
        put((unsigned)((uint64_t)v >> (8 * i)) & 0xFF);
}

static void send_message(void)
{
    unsigned char frame[OUT_MAX + 4];
    size_t n = out_len, done = 0;

    frame[0] = (unsigned char)(n >> 8);
    frame[1] = (unsigned char)n;
    memcpy(frame + 2, out_buf, n);
    frame[n + 2] = frame[n + 3] = 0;
    while (done < n + 4) {
        ssize_t w = write(sock, frame + done, n + 4 - done);

        if (w <= 0)
            die("write");
        done += (size_t)w;
    }
    out_len = 0;
}

static void expect_success(unsigned tag)
{
    if (tag == 0x70)
        return;
    fprintf(stderr, "not a success: %02x %.*s\n", tag, (int)head_len, (const char *)head);
    exit(1);
}

static double now_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void connect_to(const char *host, const char *port)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *res;
    int one = 1, size = 4 << 20;

    if (getaddrinfo(host, port, &hints, &res) != 0)
        die("getaddrinfo");
    sock = socket(res->ai_family, SOCK_STREAM, 0);
    setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (sock < 0 || connect(sock, res->ai_addr, res->ai_addrlen) != 0)
        die("connect");
    freeaddrinfo(res);
}

static void log_on(const char *password)
{
    static const unsigned char hello[20] = { 0x60, 0x60, 0xB0, 0x17, 0, 4, 4, 5 };
    unsigned char answer[4];

    if (write(sock, hello, sizeof(hello)) != (ssize_t)sizeof(hello))
        die("write");
    for (int i = 0; i < 4; i++)
        answer[i] = (unsigned char)next_byte();
    if (answer[3] != 5) {
        fprintf(stderr, "the server speaks no Bolt 5.0 to 5.4\n");
        exit(1);
    }
    put(0xB1);
    put(0x01);
    put(0xA2);
    put_string("user_agent");
    put_string("drain/1");
    put_string("bolt_agent");
    put(0xA1);
    put_string("product");
    put_string("drain/1");
    send_message();
    expect_success(receive());
    put(0xB1);
    put(0x6A);
    put(0xA3);
    put_string("scheme");
    put_string("basic");
    put_string("principal");
    put_string("neo4j");
    put_string("credentials");
    put_string(password);
    send_message();
    expect_success(receive());
}

static bool more(void)
{
    return memmem(head, head_len, "has_more", 8) != NULL;
}

static void drain(const char *query, int64_t fetch)
{
    double t0 = now_seconds();
    uint64_t rows = 0, before = total_bytes;
    unsigned tag;

    put(0xB3);
    put(0x10);
    put_string(query);
    put(0xA0);
    put(0xA1);
    put_string("mode");
    put_string("r");
    send_message();
    expect_success(receive());
    do {
        put(0xB1);
        put(0x3F);
        put(0xA1);
        put_string("n");
        put_int(fetch);
        send_message();
        while ((tag = receive()) == 0x71)
            rows++;
        expect_success(tag);
    } while (more());
    printf("%llu rows, %.1f MB, %.3f s: %s\n", (unsigned long long)rows,
           (double)(total_bytes - before) / 1e6, now_seconds() - t0, query);
}

int main(int argc, char **argv)
{
    const char *password = getenv("NEO4J_PASSWORD");

    if (argc < 5 || !password) {
        fprintf(stderr, "usage: NEO4J_PASSWORD=... bolt-drain HOST PORT FETCH_SIZE QUERY...\n");
        return 2;
    }
    connect_to(argv[1], argv[2]);
    log_on(password);
    for (int i = 4; i < argc; i++)
        drain(argv[i], strtol(argv[3], NULL, 10));
    close(sock);
    return 0;
}
