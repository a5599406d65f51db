#ifndef NB_TESTS_FAKES_MANIFEST_TEXT_H
#define NB_TESTS_FAKES_MANIFEST_TEXT_H

/* Texts of manifests, changed as somebody would who knows how they are made. */

#include "base/buf.h"

/* Makes the checksum, where there is one, that of the text as it stands. */
void manifest_text_mend(struct nb_buf *text);

#endif
