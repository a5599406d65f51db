#include "main/safety.h"

#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

enum { GZIP_LEVEL = 6 };

static const char *text_of_policy(const struct options *o)
{
    return opt_text(o, OPT_RESTORE_SAFETY_BACKUP);
}

/* --- where it goes ---------------------------------------------------------------------------- */

/* Neither "Bucket" nor "None": a file. A slip of the pen must not become one. */
static bool take_path(struct safety *s, size_t databases, struct nb_error *err)
{
    const struct options *o = s->options;
    const char *path = text_of_policy(o);

    if (!strpbrk(path, "./"))
        return opt_fail(o, OPT_RESTORE_SAFETY_BACKUP, err,
                        "write Bucket, None, or a file as in before.cypher.gz",
                        "is '%.100s', neither Bucket nor None nor a file", path);
    if (databases > 1)
        return opt_fail(o, OPT_RESTORE_SAFETY_BACKUP, err,
                        "take Bucket, or restore one database at a time",
                        "is a file, which can take one database, not %zu", databases);
    s->policy = ENG_SAFETY_BACKUP;
    s->path = path;
    return true;
}

static bool open_bucket(struct safety *s, const struct bucket_hooks *hooks,
                        const struct nb_cancel *cancel, struct nb_error *err)
{
    const struct options *o = s->options;
    const char *bucket = opt_given(o, OPT_RESTORE_SAFETY_BUCKET_NAME)
                             ? opt_text(o, OPT_RESTORE_SAFETY_BUCKET_NAME)
                             : opt_text(o, OPT_R2_BUCKET_NAME);

    if (!bucket)
        return opt_fail(o, OPT_RESTORE_SAFETY_BACKUP, err,
                        "set R2_BUCKET_NAME, or name a file as in before.cypher.gz",
                        "is 'Bucket', and no bucket is named");
    s->policy = ENG_SAFETY_BACKUP;
    return bucket_client_open(o, bucket, hooks, cancel, &s->client, err);
}

static bool check_bucket_options(const struct options *o, struct nb_error *err)
{
    static const enum option_id ids[] = { OPT_RESTORE_SAFETY_BUCKET_NAME,
                                          OPT_RESTORE_SAFETY_PREFIX };

    for (size_t i = 0; i < NB_ARRAY_LEN(ids); i++)
        if (opt_given(o, ids[i]))
            return opt_fail(o, ids[i], err, "take RESTORE_SAFETY_BACKUP=Bucket, or leave it out",
                            "is set, but the safety backup does not go into a bucket");
    return true;
}

static bool choose(struct safety *s, bool from_bucket, size_t databases,
                   const struct bucket_hooks *hooks, const struct nb_cancel *cancel,
                   struct nb_error *err)
{
    const char *text = text_of_policy(s->options);

    if (text ? nb_strcaseeq_ascii(text, "Bucket")
             : from_bucket || opt_given(s->options, OPT_RESTORE_SAFETY_BUCKET_NAME))
        return open_bucket(s, hooks, cancel, err);
    if (!check_bucket_options(s->options, err))
        return false;
    if (text && !nb_strcaseeq_ascii(text, "None"))
        return take_path(s, databases, err);
    s->policy = text ? ENG_SAFETY_NONE : ENG_SAFETY_UNDECIDED;
    return true;
}

bool safety_load(const struct options *o, bool from_bucket, size_t databases,
                 const struct bucket_hooks *hooks, const struct nb_cancel *cancel,
                 struct safety *ret, struct nb_error *err)
{
    *ret = (struct safety){ .options = o, .policy = ENG_SAFETY_NONE };
    if (!nb_streq(opt_text(o, OPT_RESTORE_OVERWRITE_POLICY), "Wipe"))
        return true;
    ret->scheduled_unix_seconds = opt_time(o, OPT_BACKUP_SCHEDULED_TIME, nb_clock_unix_seconds());
    return choose(ret, from_bucket, databases, hooks, cancel, err) &&
           (ret->policy != ENG_SAFETY_BACKUP ||
            (signer_load(o, cancel, &ret->trust, err) && recipients_load(o, &ret->chosen, err)));
}

void safety_done(struct safety *s)
{
    s3_client_free(s->client);
    repo_trust_done(&s->trust);
    encryption_done(&s->chosen);
    *s = (struct safety){ .client = NULL };
}

/* --- of one database -------------------------------------------------------------------------- */

/* What is restored may be a safety backup itself. */
static char *owner_of(const char *owner)
{
    return nb_ends_with(owner, SAFETY_OWNER_SUFFIX) ? nb_xstrdup(owner)
                                                    : nb_xasprintf("%s" SAFETY_OWNER_SUFFIX, owner);
}

/* The same for every try of one restore, so that one finds what the one before has made. */
static const char *run_id(const struct options *o)
{
    return opt_given(o, OPT_RESTORE_ID) ? opt_text(o, OPT_RESTORE_ID)
                                        : opt_text(o, OPT_BACKUP_RUN_ID);
}

bool safety_place_open(const struct safety *s, const char *owner, const struct age_keys *keys,
                       struct safety_place *ret, struct nb_error *err)
{
    const struct options *o = s->options;
    struct repo_opts opts = { .client = s->client, .run_id = run_id(o), .trust = &s->trust };

    *ret = (struct safety_place){ .repo = NULL };
    if (s->policy != ENG_SAFETY_BACKUP)
        return true;
    if (!s->chosen.on && keys)
        encryption_from_keys(o, keys, &ret->encryption);
    ret->owner = owner_of(owner);
    opts.owner = ret->owner;
    opts.prefix = opt_text(o, opt_given(o, OPT_RESTORE_SAFETY_PREFIX) ? OPT_RESTORE_SAFETY_PREFIX
                                                                      : OPT_BACKUP_PREFIX);
    return !s->client || repo_open(&opts, &ret->repo, err) || nb_wrap(err, "the safety backup");
}

void safety_place_done(struct safety_place *p)
{
    repo_free(p->repo);
    encryption_done(&p->encryption);
    free(p->owner);
    *p = (struct safety_place){ .repo = NULL };
}

void safety_place_set(const struct safety *s, const struct safety_place *p,
                      struct eng_restore_opts *opts)
{
    const struct encryption *e = s->chosen.on ? &s->chosen : &p->encryption;

    opts->safety = s->policy;
    opts->safety_backup = (struct eng_backup_opts){
        .repo = p->repo,
        .output = s->path,
        .owner = p->owner,
        .part_bytes = (size_t)opt_int(s->options, OPT_R2_PART_SIZE_BYTES, 0),
        .gzip_level = GZIP_LEVEL,
        .encryption = e->on ? &e->writer : NULL,
        .trust = &s->trust,
        .scheduled_unix_seconds = s->scheduled_unix_seconds,
    };
}
