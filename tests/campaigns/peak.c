#include "tests/campaigns/peak.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/fakes/fake_s3.h"

enum { RUN_SECONDS = 3600, ORDER_BYTES = 4096, ENV_MAX = 40, PATH_BYTES = 4096 };

/* Command and environment, each with its NUL. A pipe takes it at once. */
struct order {
    size_t n;
    char text[ORDER_BYTES - sizeof(size_t)];
};

static bool fail(struct peak *ret, const char *what)
{
    snprintf(ret->fault, sizeof(ret->fault), "%s", what);
    return false;
}

/* --- the worker ------------------------------------------------------------------------------- */

/* Beside the campaign: build/VARIANT/tests/campaigns/… */
static bool worker_path(char path[PATH_BYTES])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_BYTES - 1);
    char *at;

    path[n > 0 ? n : 0] = '\0';
    at = strstr(path, "/tests/campaigns/");
    if (!at)
        return false;
    snprintf(at, PATH_BYTES - (size_t)(at - path), "/neo4j-backup");
    return true;
}

static void worker_wait(int order)
{
    static struct order o;
    static char path[PATH_BYTES];
    char *args[] = { path, o.text, NULL }, *env[ENV_MAX + 1];
    size_t n = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody would answer it any more */
    if (read(order, &o, sizeof(o)) != sizeof(o) || !worker_path(path))
        _exit(127);
    for (size_t at = strlen(o.text) + 1; at < o.n && n < ENV_MAX; at += strlen(o.text + at) + 1)
        env[n++] = o.text + at;
    env[n] = NULL;
    execve(path, args, env);
    _exit(127);
}

bool peak_worker_fork(struct peak_worker *w, struct peak *ret)
{
    int fds[2];

    if (pipe(fds) != 0 || (w->pid = fork()) < 0)
        return fail(ret, "the worker cannot be started");
    if (w->pid == 0)
        worker_wait(fds[0]);
    close(fds[0]);
    w->order = fds[1];
    return true;
}

static bool order_add(struct order *o, const char *text)
{
    size_t n = strlen(text) + 1;

    if (n > sizeof(o->text) - o->n)
        return false;
    memcpy(o->text + o->n, text, n);
    o->n += n;
    return true;
}

static bool order_add_all(struct order *o, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (texts[i] && !order_add(o, texts[i]))
            return false;
    }
    return true;
}

bool peak_worker_run(struct peak_worker *w, const char *command, const char *const *env,
                     size_t env_n, struct peak *ret)
{
    static const char *const common[] = {
        "NEO4J_PASSWORD=x",
        "R2_ACCESS_KEY_ID=" FAKE_S3_KEY_ID,
        "R2_SECRET_ACCESS_KEY=" FAKE_S3_SECRET,
        "R2_BUCKET_NAME=" FAKE_S3_BUCKET,
        "R2_FORCE_PATH_STYLE=true",
        "BACKUP_OWNER=memory/test",
        "LOG_LEVEL=warn",
        "TERMINATION_MESSAGE_FILE=/dev/null",
    };
    static struct order o;
    struct rusage usage;
    int status;

    o.n = 0;
    if (!order_add(&o, command) || !order_add_all(&o, common, NB_ARRAY_LEN(common)) ||
        !order_add_all(&o, env, env_n))
        return fail(ret, "command and environment are too long");
    if (write(w->order, &o, sizeof(o)) != sizeof(o))
        return fail(ret, "the worker is not there");
    close(w->order);
    while (wait4(w->pid, &status, 0, &usage) < 0) {
        if (errno != EINTR)
            return fail(ret, "the worker's end is not known");
    }
    ret->kib = usage.ru_maxrss;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    snprintf(ret->fault, sizeof(ret->fault), "the worker's %s ended with status %#x", command,
             (unsigned)status);
    return false;
}

/* --- a process of its own --------------------------------------------------------------------- */

bool peak_apart(void (*inside)(const void *what, struct peak *ret), const void *what,
                struct peak *ret, struct nb_error *err)
{
    int fds[2], status = 0;
    pid_t pid;
    ssize_t n;

    *ret = (struct peak){ 0 };
    fflush(stdout);
    if (pipe(fds) != 0 || (pid = fork()) < 0)
        return nb_fail(err, NB_E_INTERNAL, "Fork", "cannot start a process");
    if (pid == 0) {
        struct peak out = { 0 };

        alarm(RUN_SECONDS);
        inside(what, &out);
        _exit(write(fds[1], &out, sizeof(out)) != sizeof(out));
    }
    close(fds[1]);
    n = read(fds[0], ret, sizeof(*ret));
    close(fds[0]);
    waitpid(pid, &status, 0);
    if (n != sizeof(*ret) || status != 0)
        return nb_fail(err, NB_E_INTERNAL, "Run", "the run ended with status %#x",
                       (unsigned)status);
    return !ret->fault[0] || nb_fail(err, NB_E_INTERNAL, "Run", "%s", ret->fault);
}

void peak_note(char *text, size_t size, const char *name, unsigned megabytes, const struct peak *p)
{
    size_t used = strlen(text);

    snprintf(text + used, size - used, "%s%s, %u MB: %.1f MiB", used ? "; " : "", name, megabytes,
             (double)p->kib / 1024);
    used = strlen(text);
    if (p->timeouts)
        snprintf(text + used, size - used, " with %u timeouts", p->timeouts);
}
