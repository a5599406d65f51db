#include "main/bar.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"

enum { BAR_MIN = 10, BAR_MAX = 40, PART_MAX = 80, ALL_MAX = 320 };

/* "850", "85.2k", "3.1M" */
static void put_count(struct nb_buf *out, uint64_t n)
{
    if (n < 10000)
        nb_buf_printf(out, "%llu", (unsigned long long)n);
    else if (n < 10000000)
        nb_buf_printf(out, "%.1fk", (double)n / 1e3);
    else
        nb_buf_printf(out, "%.1fM", (double)n / 1e6);
}

static void put_bytes(struct nb_buf *out, uint64_t n)
{
    if (n < 1000000)
        nb_buf_printf(out, "%.0f kB", (double)n / 1e3);
    else if (n < 1000000000)
        nb_buf_printf(out, "%.1f MB", (double)n / 1e6);
    else
        nb_buf_printf(out, "%.2f GB", (double)n / 1e9);
}

static void put_duration(struct nb_buf *out, int64_t seconds)
{
    if (seconds >= 3600)
        nb_buf_printf(out, "%lld:%02d:%02d", (long long)(seconds / 3600), (int)(seconds / 60 % 60),
                      (int)(seconds % 60));
    else
        nb_buf_printf(out, "%d:%02d", (int)(seconds / 60), (int)(seconds % 60));
}

/* What is known of: rows, their rate, bytes stored (else written), the time left. */
static void put_numbers(struct nb_buf *out, const struct eng_progress *p)
{
    uint64_t rows = p->nodes + p->rels, total = p->total_nodes + p->total_rels;
    uint64_t bytes = p->uploaded_bytes ? p->uploaded_bytes : p->exported_bytes;

    if (rows > 0 || total > 0) {
        nb_buf_putc(out, ' ');
        put_count(out, rows);
        if (total > 0) {
            nb_buf_putc(out, '/');
            put_count(out, total);
        }
        nb_buf_puts(out, " rows");
    }
    if (p->rows_per_second > 0) {
        nb_buf_putc(out, ' ');
        put_count(out, p->rows_per_second);
        nb_buf_puts(out, "/s");
    }
    if (bytes > 0) {
        nb_buf_putc(out, ' ');
        put_bytes(out, bytes);
    }
    if (p->eta_seconds >= 0) {
        nb_buf_puts(out, " ETA ");
        put_duration(out, p->eta_seconds);
    }
}

static void put_bar(struct nb_buf *out, size_t width, int percent)
{
    size_t full = width * (size_t)percent / 100;

    nb_buf_puts(out, " [");
    for (size_t i = 0; i < width; i++)
        nb_buf_putc(out, i < full ? '#' : '-');
    nb_buf_putc(out, ']');
}

const char *bar_format(const struct eng_progress *p, const char *database, unsigned columns,
                       char out[BAR_TEXT_MAX])
{
    nb_auto_done(nb_buf_done) struct nb_buf head = NB_BUF_INIT(PART_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf tail = NB_BUF_INIT(PART_MAX);
    nb_auto_done(nb_buf_done) struct nb_buf all = NB_BUF_INIT(ALL_MAX);
    /* The last column stays free: some terminals go to the next line there. */
    size_t room = (columns ? columns : BAR_COLUMNS_DEFAULT) - 1, width;

    if (room > BAR_TEXT_MAX - 1)
        room = BAR_TEXT_MAX - 1;
    if (database && *database)
        nb_buf_printf(&head, "%.32s ", database);
    nb_buf_puts(&head, eng_stage_name(p->stage));
    nb_buf_printf(&tail, " %3d %%", p->percent);
    put_numbers(&tail, p);
    width = head.len + tail.len + 3 < room ? room - head.len - tail.len - 3 : 0;
    nb_buf_puts(&all, nb_buf_cstr(&head));
    if (width >= BAR_MIN)
        put_bar(&all, width < BAR_MAX ? width : BAR_MAX, p->percent);
    nb_buf_puts(&all, nb_buf_cstr(&tail));
    snprintf(out, BAR_TEXT_MAX, "%.*s", (int)room, nb_buf_cstr(&all));
    return out;
}
