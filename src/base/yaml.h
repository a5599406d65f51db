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

#endif
