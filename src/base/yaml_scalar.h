#ifndef NB_BASE_YAML_SCALAR_H
#define NB_BASE_YAML_SCALAR_H

/*
 * What a YAML scalar means: the core schema of YAML 1.2.2 (chapter 10.3), written as JSON. Part of
 * base/yaml.c; nobody else includes this. Pure.
 */

#include "base/json.h"

/* tag: NULL, "!" or one of "tag:yaml.org,2002:{str,null,bool,int,float}". Returns NULL, or what is
 * wrong (a literal) when nothing was written. */
const char *nb_yaml_scalar_write(struct nb_str text, const char *tag, bool plain, struct nb_jw *w);

#endif
