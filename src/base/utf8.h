#ifndef NB_BASE_UTF8_H
#define NB_BASE_UTF8_H

/* UTF-8 one step at a time (Unicode 15, table 3-7): for those that validate or repair. Pure. */

#include <stddef.h>

/* Length of the well-formed sequence p begins with (1 to 4), or 0: ill-formed or cut. n > 0. */
size_t nb_utf8_step(const char *p, size_t n);
/* The longest prefix of p that does not end inside a sequence; n or up to 3 less. */
size_t nb_utf8_cut(const char *p, size_t n);

#endif
