#ifndef NB_RUNTIME_PROJECT_H
#define NB_RUNTIME_PROJECT_H

/*
 * ctl_project: the part of a JSON object that somebody reads, so that a store need not keep the
 * rest (managedFields alone are often half of an object). Pure.
 *
 * A projection is a NULL-ended list of paths: "spec" keeps all of it,
 * "status.containerStatuses.state" that member of each element of the array, and a path that ends
 * in a star every key that begins with what is before it. Order and structure stay; array
 * elements are never dropped.
 */

#include "base/json.h"

void ctl_project(const struct nb_json *object, const char *const *paths, struct nb_jw *out);

#endif
