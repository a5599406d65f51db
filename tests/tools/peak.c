/*
 * peak FILE PROGRAM [ARGUMENT...]: runs a program, writes its peak memory in KiB, its wall milliseconds and its CPU
 * milliseconds to FILE, and ends as it did. In C since a process begins with the peak of the one that it was
 * forked from, and an interpreter's is larger than ours.
 */

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

static long long ms_of(struct timeval t)
{
    return (long long)t.tv_sec * 1000 + t.tv_usec / 1000;
}

int main(int argc, char **argv)
{
    int64_t start = nb_clock_mono_ms();
    struct rusage usage;
    int status;
    FILE *out;
    pid_t pid;

    if (argc < 3) {
        fprintf(stderr, "usage: peak FILE PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    pid = fork();
    if (pid == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    while (pid < 0 || wait4(pid, &status, 0, &usage) < 0) {
        if (pid < 0 || errno != EINTR) {
            perror("peak");
            return 2;
        }
    }
    out = fopen(argv[1], "w");
    if (!out ||
        fprintf(out, "%ld %lld %lld\n", usage.ru_maxrss, (long long)(nb_clock_mono_ms() - start),
                ms_of(usage.ru_utime) + ms_of(usage.ru_stime)) < 0 ||
        fclose(out) != 0) {
        perror(argv[1]);
        return 2;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
