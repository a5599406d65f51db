#!/usr/bin/env bash
# The definitions before a real API server: examples taken, faults refused with their sentence, defaults set.
. "$(dirname "$0")/../lib.sh"
export NS=
bash "$HERE/crd.sh"
note "done"
