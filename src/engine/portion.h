#ifndef NB_ENGINE_PORTION_H
#define NB_ENGINE_PORTION_H

/*
 * eng_portion: how much goes into one transaction, where the memory that the server gives to one is
 * not known: all that is allowed at first, half of what was too much after a failure, and twice
 * that again when it has gone well for some time. Pure; whoever has several threads locks it.
 */

#include <stddef.h>

struct eng_portion {
    unsigned max_rows;
    size_t max_bytes;
    unsigned halvings, went_well; /* zeroed: nothing was too large yet */
};

/* Of the next one; 1 at least. */
unsigned eng_portion_rows(const struct eng_portion *p);
size_t eng_portion_bytes(const struct eng_portion *p);
/* One of so many rows and bytes was too large: the next have half of the rows or of the bytes at
 * most, whichever is less of a change. */
void eng_portion_too_large(struct eng_portion *p, unsigned rows, size_t bytes);
void eng_portion_went_well(struct eng_portion *p);

#endif
