#ifndef NB_BASE_FILE_H
#define NB_BASE_FILE_H

/* Files: whole reads with a limit, whole writes that appear at once. */

#include "base/buf.h"

/* Appends the file's bytes; NB_E_NOT_FOUND, NB_E_DENIED, NB_E_LIMIT (beyond the buffer's max). */
NB_NODISCARD bool nb_file_read(const char *path, struct nb_buf *out, struct nb_error *err);
/* Writes beside the target, syncs, renames. mode as in open(2). */
NB_NODISCARD bool nb_file_write_atomic(const char *path, const void *p, size_t n, unsigned mode,
                                       struct nb_error *err);
NB_NODISCARD bool nb_fd_write_all(int fd, const void *p, size_t n, struct nb_error *err);

#endif
