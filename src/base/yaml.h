#ifndef NB_BASE_YAML_H
#define NB_BASE_YAML_H

/*
 * YAML read into JSON text (the only user of libyaml): for kubeconfig and configuration files.
 * Plain scalars become null, booleans (true/false), integers and floats by the YAML 1.2 core schema;
 * quoted ones are strings. Anchors and aliases, tags other than the core ones, multiple documents, doubled keys,
 * depth above 64 and text above max_bytes are refused, with line and column in the text.
 */

#include "base/json.h"

/* name: the file's name for messages. */
NB_NODISCARD bool nb_yaml_parse(const char *text, size_t n, size_t max_bytes, const char *name,
                                struct nb_json **ret, struct nb_error *err);

/*
 * The same, and where everything stands, for those who judge what was said: of a member where its key begins, of an
 * item where it begins. Paths are as in "channels[2].slack.urlFile"; "" is the document. Not noted: what is below 500
 * bytes of path.
 */
struct nb_yaml_marks;
NB_NODISCARD bool nb_yaml_parse_marked(const char *text, size_t n, size_t max_bytes,
                                       const char *name, struct nb_json **ret,
                                       struct nb_yaml_marks **ret_marks, struct nb_error *err);
void nb_yaml_marks_free(struct nb_yaml_marks *m);
NB_AUTO_DEFINE(struct nb_yaml_marks *, nb_yaml_marks_free)
/* Line and column, from 1; of the nearest that is noted above where the path itself is not. */
void nb_yaml_mark(const struct nb_yaml_marks *m, const char *path, unsigned *ret_line,
                  unsigned *ret_column);

#endif
