#include "main/waiting.h"

#include "base/log.h"
#include "base/buf.h"

enum { LONG_WAIT_MS = 1000 };

static const char *const names[] = { "Neo4j", "Storage", "Secret" };
static const char *const messages[] = {
    "trying again",
    "the bucket does not answer as it should, trying again",
    "waiting for a secret",
};

void waiting_say(enum waiting_what what, const struct nb_error *why)
{
    nb_log(NB_LOG_WARN, messages[what], NB_F_STR("event", "waiting"),
           NB_F_STR("waitingFor", names[what]), NB_F_STR("code", nb_code_name(why->code)),
           NB_F_STR("reason", why->reason), NB_F_STR("error", why->text), NB_F_END);
}

void waiting_over(enum waiting_what what)
{
    nb_log(NB_LOG_INFO, "what was waited for is there", NB_F_STR("event", "waitingOver"),
           NB_F_STR("waitingFor", names[what]), NB_F_END);
}

void waiting_say_engine(const struct nb_error *why)
{
    if (!nb_error_is_transient(why))
        nb_log_error(NB_LOG_WARN, "trying again", why);
    else
        waiting_say(nb_streq(why->reason, "StorageUnavailable") ? WAITING_STORAGE : WAITING_NEO4J,
                    why);
}

void waiting_say_try(const struct nb_error *why, int64_t wait_ms)
{
    nb_log(NB_LOG_WARN, messages[WAITING_STORAGE], NB_F_STR("error", why->text),
           NB_F_INT("waitMs", wait_ms), NB_F_END);
}

void waiting_say_retry(const struct nb_error *why, int64_t wait_ms)
{
    if (wait_ms >= LONG_WAIT_MS)
        waiting_say(WAITING_STORAGE, why);
    else
        waiting_say_try(why, wait_ms);
}
