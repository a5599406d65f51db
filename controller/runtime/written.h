#ifndef NB_RUNTIME_WRITTEN_H
#define NB_RUNTIME_WRITTEN_H

/*
 * ctl_written: see your own writes. After a write, the resource version that it gave is
 * remembered for the key that was worked on; the key is left alone until the store concerned has
 * reached it, so no decision is made of a state older than the last one. What a store does not
 * reach within 30 s (the API server was restored from a backup and counts from lower numbers) is
 * forgotten. Any thread. Model: KEP-5647.
 */

#include "controller/runtime/store.h"

enum { CTL_WRITTEN_FORGET_MS = 30000 };

struct ctl_written;
struct ctl_written *ctl_written_new(void);
void ctl_written_free(struct ctl_written *w);
NB_AUTO_DEFINE(struct ctl_written *, ctl_written_free)
void ctl_written_note(struct ctl_written *w, const char *key, struct ctl_store *store,
                      const char *resource_version, int64_t now_mono_ms);
bool ctl_written_is_seen(struct ctl_written *w, const char *key, int64_t now_mono_ms);

#endif
