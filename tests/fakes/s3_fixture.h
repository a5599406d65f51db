#ifndef NB_TESTS_FAKES_S3_FIXTURE_H
#define NB_TESTS_FAKES_S3_FIXTURE_H

/* A client of a fake_s3, with pauses of a millisecond. */

#include "s3/client.h"
#include "tests/fakes/fake_s3.h"

/* change: NULL, or alters the options first. Ends the process on a fault. */
struct s3_client *s3_fixture_client(struct fake_s3 *f, void (*change)(struct s3_client_opts *o));

#endif
