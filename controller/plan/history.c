#include "controller/plan/history.h"

#include <stdlib.h>
#include <string.h>

struct candidate {
    const struct api_run *run;
    size_t index;
};

static int64_t start_of(const struct api_run *r)
{
    return r->status.started ? r->status.started : r->meta.created;
}

/* Newest first; the name breaks ties. */
static int compare(const void *pa, const void *pb)
{
    const struct candidate *a = pa, *b = pb;
    int64_t ta = start_of(a->run), tb = start_of(b->run);

    if (ta != tb)
        return ta > tb ? -1 : 1;
    return -strcmp(a->run->meta.name, b->run->meta.name);
}

size_t plan_history(const struct api_run *const *runs, size_t count, int64_t successful_limit,
                    int64_t failed_limit, size_t *ret, size_t ret_max)
{
    nb_auto(nb_free) struct candidate *list = nb_xcalloc(count + 1, sizeof(*list));
    size_t n = 0, out = 0;
    int64_t kept[2] = { 0, 0 };

    for (size_t i = 0; i < count; i++)
        if (api_run_is_terminal(runs[i]) && !runs[i]->meta.deleted && !runs[i]->pin_wanted &&
            !runs[i]->status.pinned)
            list[n++] = (struct candidate){ runs[i], i };
    qsort(list, n, sizeof(*list), compare);
    for (size_t i = 0; i < n; i++) {
        bool good = list[i].run->status.result == API_RESULT_SUCCEEDED;

        if (kept[good]++ >= (good ? successful_limit : failed_limit))
            list[out++] = list[i];
    }
    count = out < ret_max ? out : ret_max;
    for (size_t i = 0; i < count; i++) /* oldest first */
        ret[i] = list[out - 1 - i].index;
    return count;
}
