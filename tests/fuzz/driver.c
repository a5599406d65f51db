/*
 * Runs a fuzz target without a fuzzer: every file named, or in a directory named, is one input.
 * With NB_FUZZ_MUTATIONS=N each input is also run N times with random changes (NB_FUZZ_SEED repeats
 * them), which is no match for a fuzzer, but needs none. Inputs lie in memory of exactly their
 * size, so that the address sanitizer sees reads beyond.
 */

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { INPUT_MAX = 16 << 20 };

static uint64_t rnd_state;
static unsigned long mutations, runs;

static uint64_t rnd(void)
{
    rnd_state ^= rnd_state << 13;
    rnd_state ^= rnd_state >> 7;
    rnd_state ^= rnd_state << 17;
    return rnd_state;
}

static void run(const uint8_t *data, size_t n)
{
    uint8_t *exact = malloc(n ? n : 1);

    if (!exact)
        abort();
    if (n)
        memcpy(exact, data, n);
    (void)LLVMFuzzerTestOneInput(exact, n);
    runs++;
    free(exact);
}

static size_t mutate(uint8_t *data, size_t n, size_t cap)
{
    static const uint8_t interesting[] = { 0,    1,   0x7F, 0x80, 0xFF, 0xC0, 0xD6,
                                           0x91, '"', '\'', '`',  '\\', '\n' };
    size_t at = n ? rnd() % n : 0;

    switch (rnd() % 5) {
    case 0: /* a bit */
        if (n)
            data[at] ^= (uint8_t)(1u << rnd() % 8);
        return n;
    case 1: /* a byte */
        if (n)
            data[at] = rnd() % 2 ? (uint8_t)rnd() : interesting[rnd() % sizeof(interesting)];
        return n;
    case 2: /* the end goes */
        return n ? rnd() % n : 0;
    case 3: /* a byte comes */
        if (n == cap)
            return n;
        memmove(data + at + 1, data + at, n - at);
        data[at] = interesting[rnd() % sizeof(interesting)];
        return n + 1;
    default: /* a byte goes */
        if (!n)
            return n;
        memmove(data + at, data + at + 1, n - at - 1);
        return n - 1;
    }
}

static void run_mutated(const uint8_t *data, size_t n)
{
    size_t cap = n + 16;
    uint8_t *copy = malloc(cap);

    if (!copy)
        abort();
    for (unsigned long i = 0; i < mutations; i++) {
        size_t len = n;

        if (n)
            memcpy(copy, data, n);
        for (unsigned k = 1 + (unsigned)(rnd() % 4); k > 0; k--)
            len = mutate(copy, len, cap);
        run(copy, len);
    }
    free(copy);
}

static void run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_MAX);
    size_t n;

    if (!f || !data) {
        fprintf(stderr, "cannot read '%s'\n", path);
        exit(1);
    }
    n = fread(data, 1, INPUT_MAX, f);
    fclose(f);
    run(data, n);
    run_mutated(data, n);
    free(data);
}

static void run_path(const char *path)
{
    struct stat st;
    struct dirent *e;
    DIR *dir;

    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        run_file(path);
        return;
    }
    dir = opendir(path);
    while (dir && (e = readdir(dir))) {
        char inner[4096];

        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(inner, sizeof(inner), "%s/%s", path, e->d_name);
        run_file(inner);
    }
    if (dir)
        closedir(dir);
}

int main(int argc, char **argv)
{
    const char *many = getenv("NB_FUZZ_MUTATIONS"), *seed = getenv("NB_FUZZ_SEED");

    mutations = many ? strtoul(many, NULL, 10) : 0;
    rnd_state =
        seed ? strtoull(seed, NULL, 10) : (uint64_t)clock() * 2654435761u + 88172645463325252u;
    if (mutations)
        printf("NB_FUZZ_SEED=%llu\n", (unsigned long long)rnd_state);
    for (int i = 1; i < argc; i++)
        run_path(argv[i]);
    printf("%s: %lu inputs replayed\n", strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0],
           runs);
    return runs == 0;
}
