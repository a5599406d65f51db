#ifndef NB_TESTS_CRON_VECTORS_H
#define NB_TESTS_CRON_VECTORS_H

/* Tab-separated vectors of tests/vectors/cron. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cron/cron.h"
#include "tests/unit/cmocka.h"

enum { VECTOR_FIELDS = 6, VECTOR_ZONES = 640 };

struct vector_zones {
    char names[VECTOR_ZONES][CRON_ZONE_NAME_MAX];
    struct cron_zone *zones[VECTOR_ZONES];
    size_t count;
};

static inline const struct cron_zone *vector_zone(struct vector_zones *zs, const char *name)
{
    struct nb_error err = NB_ERROR_INIT;

    for (size_t i = 0; i < zs->count; i++)
        if (strcmp(zs->names[i], name) == 0)
            return zs->zones[i];
    assert_true(zs->count < VECTOR_ZONES);
    if (!cron_zone_load(NULL, name, &zs->zones[zs->count], &err))
        fail_msg("%s", err.text);
    snprintf(zs->names[zs->count], CRON_ZONE_NAME_MAX, "%s", name);
    return zs->zones[zs->count++];
}

static inline void vector_zones_done(struct vector_zones *zs)
{
    for (size_t i = 0; i < zs->count; i++)
        cron_zone_free(zs->zones[i]);
}

/* Calls fn with the fields of each line; how many there were. */
static inline size_t vector_each(const char *path, void (*fn)(struct vector_zones *, char **))
{
    struct vector_zones zones = { .count = 0 };
    FILE *f = fopen(path, "r");
    char line[1024];
    size_t n = 0;

    if (!f)
        fail_msg("cannot open %s (run from the top of the tree)", path);
    while (fgets(line, sizeof(line), f)) {
        char *fields[VECTOR_FIELDS], *p = line;

        if (*line == '#')
            continue;
        line[strcspn(line, "\n")] = '\0';
        for (int i = 0; i < VECTOR_FIELDS; i++) {
            fields[i] = p;
            p += strcspn(p, "\t");
            if (*p)
                *p++ = '\0';
        }
        fn(&zones, fields);
        n++;
    }
    fclose(f);
    vector_zones_done(&zones);
    return n;
}

static inline int64_t vector_time(const char *text)
{
    int64_t t;

    if (!nb_time_parse(text, &t))
        fail_msg("bad time '%s'", text);
    return t;
}

#endif
