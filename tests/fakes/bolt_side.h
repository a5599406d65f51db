#ifndef NB_TESTS_FAKES_BOLT_SIDE_H
#define NB_TESTS_FAKES_BOLT_SIDE_H

/* What servers of Bolt in tests share: where they listen, and what a message is. Faults of a test end it. */

#include "packstream/packstream.h"

enum { BOLT_SIDE_FIELDS = 3 };

/* A socket that listens on a free port of 127.0.0.1; its URI goes to ret_uri. */
int bolt_side_listen(char ret_uri[64]);
/* The tag of a message, and its fields. */
uint8_t bolt_side_decode(struct nb_str message, struct nb_arena *arena,
                         struct ps_value ret[BOLT_SIDE_FIELDS]);

#endif
