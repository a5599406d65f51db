#!/usr/bin/env bash
# kill_worker.py on a real Neo4j and MinIO behind the R2-shaped proxy, all of its own.
#
#   kill-worker.sh [ROUNDS] [FIRST SEED]       20 rounds from seed 1 unless said
#
# KILL_RESTORE=1   every tenth backup is restored into a second Neo4j, and compared
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
py=$("$here/../parts/get.sh" path py)
export E2E_NEO4J_PASSWORD=${E2E_NEO4J_PASSWORD:-correct-horse-7}
export NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD E2E_HOST=127.0.0.1
export S3_ACCESS_KEY=${S3_ACCESS_KEY:-kill-access-key} S3_SECRET_KEY=${S3_SECRET_KEY:-kill-secret-key-0123456789}
servers() { "$here/servers.sh" "$@"; }
clean_up() {
    servers proxy-down kill || true
    servers s3-down kill || true
    servers neo4j-down kill || true
    [ -z "${KILL_RESTORE:-}" ] || servers neo4j-wipe kill-target || true
}
trap clean_up EXIT
servers s3-up minio kill 9471
servers proxy-up kill 9472 kill
export S3_ENDPOINT=http://127.0.0.1:9472
servers neo4j-wipe kill
servers neo4j-up 5 kill 17671
restore=()
if [ -n "${KILL_RESTORE:-}" ]; then
    servers neo4j-up 5 kill-target 17672
    restore=(--restore-uri bolt://127.0.0.1:17672 --digest "$here/../../build/release/tests/tools/graph-digest")
fi
"$py" "$here/s3.py" make kill
"$py" "$here/s3.py" sweep kill ""
"$py" "$here/kill_worker.py" --uri bolt://127.0.0.1:17671 --worker "$here/../../build/release/neo4j-backup" --bucket kill \
    --rounds "${1:-20}" --seed "${2:-1}" "${restore[@]}"
