#!/usr/bin/env bash
# A chain of incremental backups, restored at each of its points: incremental.sh. Then two lives of chains whose worker is killed
# again and again, by its sweep too: kill-chain.sh.
. "$(dirname "$0")/../lib.sh"
export NS=
INCR_NODES=4000 "$HERE/incremental.sh"
"$HERE/kill-chain.sh" 2
note "done"
