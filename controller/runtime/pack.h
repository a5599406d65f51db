#ifndef NB_RUNTIME_PACK_H
#define NB_RUNTIME_PACK_H

/*
 * ctl_pack: the compressor of all stores. There is one for the process (0.3 MiB), from the first use
 * until the last of those that hold it has let go: made anew for each object, its fresh pages cost
 * more than the compressing, and it left holes in the heap. Any thread; one at a time compresses.
 */

#include "base/buf.h"

void ctl_pack_hold(void);
void ctl_pack_release(void);
/* By who holds it. Replaces the text by a gzip member if that is shorter; true: it is. */
bool ctl_pack(struct nb_buf *text);

#endif
