#include "engine/portion.h"

/* Each growth may cost a try that fails. */
enum { GROW_AFTER = 64, HALVINGS_MAX = 31 };

unsigned eng_portion_rows(const struct eng_portion *p)
{
    unsigned n = p->max_rows >> p->halvings;

    return n ? n : 1;
}

size_t eng_portion_bytes(const struct eng_portion *p)
{
    size_t n = p->max_bytes >> p->halvings;

    return n ? n : 1;
}

void eng_portion_too_large(struct eng_portion *p, unsigned rows, size_t bytes)
{
    p->went_well = 0;
    while (p->halvings < HALVINGS_MAX && eng_portion_rows(p) > rows / 2 &&
           eng_portion_bytes(p) > bytes / 2)
        p->halvings++;
}

void eng_portion_went_well(struct eng_portion *p)
{
    if (p->halvings == 0 || ++p->went_well < GROW_AFTER)
        return;
    p->halvings--;
    p->went_well = 0;
}
