#ifndef NB_NET_MEM_H
#define NB_NET_MEM_H

/*
 * net_mem: a net_stream over memory, for tests of whatever reads a protocol. What the peer would
 * send is given at the start; what is written is gathered in a buffer of the caller's.
 *
 * Nothing waits: when the input is used up a read sees the end, or NB_E_TIMEOUT "Timeout" if
 * `stall`.
 */

#include "base/buf.h"
#include "net/stream.h"

struct net_mem_opts {
    const void *input; /* borrowed as long as the stream lives */
    size_t input_n;
    size_t step;           /* at most so many bytes a read; 0: as many as are asked for */
    bool stall;            /* silence instead of an orderly end */
    size_t write_limit;    /* a write beyond so many bytes in all fails; 0: no limit */
    struct nb_buf *output; /* NULL: thrown away; must outlive the stream */
};
struct net_stream *net_mem_new(const struct net_mem_opts *opts);

#endif
