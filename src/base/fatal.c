#include "base/fatal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Noreturn void nb_fatal(const char *what)
{
    /* No stdio: it may allocate, and this may be about memory. */
    ssize_t n = write(STDERR_FILENO, "fatal: ", 7);

    n += write(STDERR_FILENO, what, strlen(what));
    n += write(STDERR_FILENO, "\n", 1);
    (void)n;
    abort();
}
