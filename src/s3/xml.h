#ifndef NB_S3_XML_H
#define NB_S3_XML_H

/*
 * A small reader for the XML that S3 services answer with: elements, text, CDATA, the five named
 * entities and character references. Attributes, comments, processing instructions are passed over;
 * a DOCTYPE is refused, so there are no other entities. Names lose their namespace prefix. Pure.
 *
 * Limits: depth 16, paths of 256 bytes, text of an element 64 KiB.
 */

#include "base/buf.h"

/* Called at the end of each element: path is "Root/Child/Leaf", text its own text (children's not).
 * Both are borrowed for the call. False (err set) ends the walk with that error. */
typedef bool(s3_xml_fn)(void *ctx, const char *path, struct nb_str text, struct nb_error *err);

/* NB_E_PROTOCOL "StorageProtocol" when the text is not one well-formed element (blanks around it
 * are fine), NB_E_LIMIT. */
NB_NODISCARD bool s3_xml_walk(const char *p, size_t n, s3_xml_fn *fn, void *ctx,
                              struct nb_error *err);
/* &, <, >, " and ' escaped. */
void s3_xml_escape(const char *s, struct nb_buf *out);

#endif
