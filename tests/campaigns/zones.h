#ifndef NB_TESTS_CAMPAIGNS_ZONES_H
#define NB_TESTS_CAMPAIGNS_ZONES_H

/* Every zone that the system's tz database names, links among them. */

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cron/cron.h"

enum { ZONES_MAX = 1024 };

struct zones {
    struct {
        char name[CRON_ZONE_NAME_MAX + 1];
        struct cron_zone *zone;
    } v[ZONES_MAX];
    size_t n;
};

static inline bool zones_add(struct zones *zs, const char *name, struct nb_error *err)
{
    size_t n = strlen(name);

    if (zs->n == ZONES_MAX || n > CRON_ZONE_NAME_MAX)
        return nb_fail(err, NB_E_LIMIT, "Zones", "too many zones, or too long a name");
    memcpy(zs->v[zs->n].name, name, n + 1);
    if (!cron_zone_load(NULL, name, &zs->v[zs->n].zone, err))
        return false;
    zs->n++;
    return true;
}

/* tzdata.zi has lines "Z name ..." and "L target name". */
static inline bool zones_load(struct zones *zs, struct nb_error *err)
{
    FILE *f = fopen("/usr/share/zoneinfo/tzdata.zi", "r");
    char line[1024];
    bool ok = true;

    if (!f)
        return nb_fail(err, NB_E_NOT_FOUND, "Zones", "no tzdata.zi; hint: install tzdata");
    while (ok && fgets(line, sizeof(line), f)) {
        char *name = NULL;

        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "Z ", 2) == 0)
            name = line + 2;
        else if (strncmp(line, "L ", 2) == 0 && (name = strchr(line + 2, ' ')))
            name++;
        if (!name)
            continue;
        name[strcspn(name, " ")] = '\0';
        ok = zones_add(zs, name, err);
    }
    fclose(f);
    return ok;
}

static inline void zones_done(struct zones *zs)
{
    for (size_t i = 0; i < zs->n; i++)
        cron_zone_free(zs->v[i].zone);
    zs->n = 0;
}

#endif
