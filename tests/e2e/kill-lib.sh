# shellcheck shell=bash
# What kill-worker.sh and kill-chain.sh share: a Neo4j, and an S3 server behind the R2-shaped proxy, of their own. Sourced.
#
# kill_servers NAME S3-KIND S3-PORT NEO4J-PORT    NAME: of the servers and of the bucket; each port and the one after it
# kill_target                                     a second Neo4j to restore into
# kill_campaign PROGRAM ROUNDS SEED OPTION...     on them
#
# KILL_PORTS="S3-PORT NEO4J-PORT"                 instead of those
# KILL_KEEP=1                                     leaves the servers running, and uses those that run
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$here/../../build/release
py=$("$here/../parts/get.sh" path py)
export E2E_NEO4J_PASSWORD=${E2E_NEO4J_PASSWORD:-correct-horse-7}
export NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD E2E_HOST=127.0.0.1
export S3_ACCESS_KEY=${S3_ACCESS_KEY:-kill-access-key} S3_SECRET_KEY=${S3_SECRET_KEY:-kill-secret-key-0123456789}
servers() { "$here/servers.sh" "$@"; }
clean_up() {
    [ -z "${KILL_KEEP:-}" ] || return 0
    servers proxy-down "$name" || true
    servers s3-down "$name" || true
    servers neo4j-wipe "$name" || true
    servers neo4j-wipe "$name-target" || true
}
kill_servers() {
    name=$1 s3_port=$3 neo4j_port=$4
    [ -z "${KILL_PORTS:-}" ] || read -r s3_port neo4j_port <<<"$KILL_PORTS"
    trap clean_up EXIT
    servers s3-up "$2" "$name" "$s3_port"
    servers proxy-up "$name" $((s3_port + 1)) "$name"
    export S3_ENDPOINT=http://127.0.0.1:$((s3_port + 1))
    [ -n "${KILL_KEEP:-}" ] || servers neo4j-wipe "$name"
    servers neo4j-up 5 "$name" "$neo4j_port"
    "$py" "$here/s3.py" make "$name"
    "$py" "$here/s3.py" sweep "$name" ""
}
kill_target() {
    servers neo4j-up 5 "$name-target" $((neo4j_port + 1))
    target=(--restore-uri "bolt://127.0.0.1:$((neo4j_port + 1))" --digest "$build/tests/tools/graph-digest")
}
kill_campaign() {
    "$py" "$here/$1" --uri "bolt://127.0.0.1:$neo4j_port" --worker "$build/neo4j-backup" --bucket "$name" --rounds "$2" --seed "$3" \
        "${target[@]}" "${@:4}"
}
target=()
