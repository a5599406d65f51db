#include "base/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/fatal.h"
#include "base/file.h"
#include "base/mem.h"

struct nb_thread {
    pthread_t id;
};

bool nb_thread_start(const char *name, void *(*fn)(void *), void *arg, struct nb_thread **ret,
                     struct nb_error *err)
{
    struct nb_thread *t = NB_NEW(struct nb_thread);
    char short_name[16];
    sigset_t all, before;
    int rc;

    /* Signals are for the main thread alone. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&t->id, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        free(t);
        return nb_fail_errno(err, rc, "start thread '%s'", name);
    }
    snprintf(short_name, sizeof(short_name), "%s", name);
    pthread_setname_np(t->id, short_name);
    *ret = t;
    return true;
}

void nb_thread_join(struct nb_thread *t)
{
    if (!t)
        return;
    pthread_join(t->id, NULL);
    free(t);
}

void nb_mutex_init(pthread_mutex_t *m)
{
    if (pthread_mutex_init(m, NULL) != 0)
        nb_fatal("pthread_mutex_init failed");
}

void nb_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;

    if (pthread_condattr_init(&attr) != 0 || pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) ||
        pthread_cond_init(c, &attr) != 0)
        nb_fatal("pthread_cond_init failed");
    pthread_condattr_destroy(&attr);
}

bool nb_cond_wait(pthread_cond_t *c, pthread_mutex_t *m, int64_t deadline_mono_ms)
{
    struct timespec ts;

    if (deadline_mono_ms == INT64_MAX) {
        pthread_cond_wait(c, m);
        return true;
    }
    if (deadline_mono_ms < 0)
        deadline_mono_ms = 0;
    ts.tv_sec = (time_t)(deadline_mono_ms / 1000);
    ts.tv_nsec = (long)(deadline_mono_ms % 1000) * 1000000;
    return pthread_cond_timedwait(c, m, &ts) != ETIMEDOUT;
}

/* cgroup v2 "quota period" or "max period"; 0: no quota. */
static unsigned quota_cpus_v2(void)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(256);
    struct nb_error err = NB_ERROR_INIT;
    int64_t quota, period;
    char *space;

    if (!nb_file_read("/sys/fs/cgroup/cpu.max", &b, &err) || b.len == 0)
        return 0;
    if (b.data[b.len - 1] == '\n')
        b.data[b.len - 1] = '\0';
    space = strchr(b.data, ' ');
    if (!space)
        return 0;
    *space = '\0';
    if (!nb_parse_i64(b.data, 1, INT32_MAX, &quota) ||
        !nb_parse_i64(space + 1, 1, INT32_MAX, &period))
        return 0;
    return (unsigned)((quota + period - 1) / period);
}

static bool read_number(const char *path, int64_t *ret)
{
    nb_auto_done(nb_buf_done) struct nb_buf b = NB_BUF_INIT(64);
    struct nb_error err = NB_ERROR_INIT;

    if (!nb_file_read(path, &b, &err) || b.len == 0)
        return false;
    if (b.data[b.len - 1] == '\n')
        b.data[b.len - 1] = '\0';
    return nb_parse_i64(b.data, 1, INT32_MAX, ret);
}

static unsigned quota_cpus_v1(void)
{
    int64_t quota, period;

    if (!read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota) ||
        !read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period))
        return 0;
    return (unsigned)((quota + period - 1) / period);
}

unsigned nb_cpu_count(void)
{
    cpu_set_t set;
    unsigned n = 1, quota;

    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
        n = (unsigned)CPU_COUNT(&set);
    quota = quota_cpus_v2();
    if (quota == 0)
        quota = quota_cpus_v1();
    return quota && quota < n ? quota : n;
}
