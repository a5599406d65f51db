#!/usr/bin/env bash
# A chain of incremental backups, restored at each of its points: incremental.sh.
. "$(dirname "$0")/../lib.sh"
export NS=
INCR_NODES=4000 "$HERE/incremental.sh"
note "done"
