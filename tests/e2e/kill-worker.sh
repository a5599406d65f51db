#!/usr/bin/env bash
# kill_worker.py on a real Neo4j and MinIO behind the R2-shaped proxy, all of its own.
#
#   kill-worker.sh [ROUNDS] [FIRST SEED]       20 rounds from seed 1 unless said
#
# KILL_RESTORE=1   every tenth backup is restored into a second Neo4j, and compared
# shellcheck source=tests/e2e/kill-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/kill-lib.sh"
kill_servers kill minio 9471 17671
[ -z "${KILL_RESTORE:-}" ] || kill_target
kill_campaign kill_worker.py "${1:-20}" "${2:-1}"
