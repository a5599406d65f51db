#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "main/command.h"

void out_printf(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
}

void out_buf(const struct nb_buf *b)
{
    fwrite(nb_buf_cstr(b), 1, b->len, stdout);
}

bool out_finish(struct nb_error *err)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return nb_fail_errno(err, errno ? errno : EIO, "write to standard output");
    return true;
}

const char *out_size(uint64_t bytes, char *out)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
    double v = (double)bytes;
    size_t unit = 0;

    while (v >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        v /= 1000;
        unit++;
    }
    snprintf(out, 16, unit == 0 || v >= 99.95 ? "%.0f %s" : "%.1f %s", v, units[unit]);
    return out;
}
