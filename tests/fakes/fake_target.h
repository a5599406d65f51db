#ifndef NB_TESTS_FAKES_FAKE_TARGET_H
#define NB_TESTS_FAKES_FAKE_TARGET_H

/*
 * fake_target: a Neo4j with several databases, all empty at first, that takes what a restore writes,
 * and counts it, over Bolt 5.4 on 127.0.0.1. A thread for each connection. What it does not know is
 * answered with no rows; nothing is rolled back. A database that it does not have is refused.
 *
 * What is written is told apart from what is read by the words of the query.
 */

#include <stddef.h>
#include <stdint.h>

struct fake_target;

/* names: the first is the home database; ended by NULL; borrowed. */
struct fake_target *fake_target_start(const char *const *names);
/* Ends the threads; no connection may be open that is still used. */
void fake_target_free(struct fake_target *t);
const char *fake_target_uri(const struct fake_target *t);
/* It takes so long for each statement that writes rows. Before the first connection. */
void fake_target_set_pause(struct fake_target *t, long ms);

enum { FAKE_TARGET_SCHEMA_MAX = 128 };
struct fake_target_counts {
    int64_t nodes, rels, schema;               /* schema: constraints and indexes */
    char schema_began[FAKE_TARGET_SCHEMA_MAX]; /* their second words, a blank behind each */
    int64_t writes; /* queries that write whatever, also the restore's own marks */
    /* Of all queries that write, with their parameters, but for the marks; in any order. Equal where
     * one connection has written the same. */
    uint64_t content;
};
struct fake_target_counts fake_target_counts(struct fake_target *t, const char *name);

#endif
