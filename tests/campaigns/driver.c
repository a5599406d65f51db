#include <stdio.h>
#include <stdlib.h>

#include "tests/campaigns/campaign.h"

enum { TOLD_MAX = 20 };

static uint64_t run_cases(uint64_t from, uint64_t count)
{
    uint64_t failed = 0;

    for (uint64_t i = from; i < from + count; i++) {
        struct nb_error err = NB_ERROR_INIT;

        if (campaign.run(i, &err))
            continue;
        if (++failed <= TOLD_MAX)
            printf("failed: %s, case %llu: %s\n", campaign.name, (unsigned long long)i, err.text);
    }
    return failed;
}

int main(int argc, char **argv)
{
    struct nb_error err = NB_ERROR_INIT;
    uint64_t from = 0, count = campaign.slice, failed;

    if (argc != 1 && argc != 3) {
        fprintf(stderr, "usage: campaign_%s [FROM COUNT]\n", campaign.name);
        return 2;
    }
    if (argc == 3) {
        from = strtoull(argv[1], NULL, 10);
        count = strtoull(argv[2], NULL, 10);
    }
    if (campaign.open && !campaign.open(&err)) {
        printf("failed: %s: %s\n", campaign.name, err.text);
        return 1;
    }
    failed = run_cases(from, count);
    printf("%s\t%llu\t%llu\t%llu\t%s\n", campaign.name, (unsigned long long)count,
           (unsigned long long)(count - failed), (unsigned long long)failed,
           campaign.remarks ? campaign.remarks() : "");
    if (campaign.close)
        campaign.close();
    return failed > 0 || count == 0;
}
