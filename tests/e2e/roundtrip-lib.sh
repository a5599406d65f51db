# shellcheck shell=bash disable=SC2034 # the scripts that source this use them
# What the scripts that bring random dumps into real servers share. Source it with the arguments of the script.
#
# ROUNDTRIP_SEEDS    seeds of the graphs (default: one of the time)
# ROUNDTRIP_NODES    nodes, and as many relationships (300)
# ROUNDTRIP_BIN      where neo4j-backup and tests/tools are (build/release)
# ROUNDTRIP_SERVERS  the servers' name and first port, "NAME PORT", where two scripts use the same, one after the other; the first has
# ROUNDTRIP_KEEP=1   too and leaves them running (default: servers of its own, with no data in the end)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=${ROUNDTRIP_BIN:-$here/../../build/release}
tools=$bin/tests/tools
versions=("$@")
[ $# -gt 0 ] || versions=(5 4 2026)
seeds=${ROUNDTRIP_SEEDS:-$(date +%s)}
nodes=${ROUNDTRIP_NODES:-300}
export E2E_NEO4J_PASSWORD=${E2E_NEO4J_PASSWORD:-correct-horse-7} E2E_HOST=127.0.0.1
work=$(mktemp -d)
passed=0 failed=0

servers() { "$here/servers.sh" "$@"; }
# The servers are called after the script, so that two scripts do not share one unknowingly.
server_set=${ROUNDTRIP_SERVERS:-$(basename "$0" .sh)}
server_name() { echo "${server_set% *}-$1"; }
clean_up() {
    rm -rf "$work"
    [ -z "${ROUNDTRIP_KEEP:-}" ] || return 0
    for version in "${versions[@]}"; do servers neo4j-wipe "$(server_name "$version")" >/dev/null 2>&1 || true; done
}
trap clean_up EXIT

check() { # WHAT COMMAND...
    local what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok   $what"
    else
        failed=$((failed + 1))
        # In one line, for what shows no more of a long output than the lines of failures.
        echo "FAIL $what: $(tail -qn 3 "$work/log" "$work/out" 2>/dev/null | cut -c 1-600 | tr '\n' '|')"
    fi
}

# let_go BUCKET: what a restore has held (for three days) is retention's again. py is the python with an S3 client.
let_go() {
    "$py" "$here/s3.py" ls "$1" | awk '$2 ~ /[.]hold$/ { print $2 }' | while read -r key; do
        "$py" "$here/s3.py" rm "$1" "$key"
    done
}

# mend_checksum MANIFEST: makes its checksum that of its text, as whoever changes one on purpose would
mend_checksum() {
    local sum
    sum=$(sed -E 's/,"checksum":"[0-9a-f]{64}"(,"signature":"[^"]*")?\}$/}/' "$1" | sha256sum | cut -d' ' -f1)
    sed -i -E "s/,\"checksum\":\"[0-9a-f]{64}\"/,\"checksum\":\"$sum\"/" "$1"
}

# The last command: how it went.
finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

# make_dump SEED VERSION [bytes]: $work/dump, with byte arrays if asked for, and its digests in $work/want
make_dump() {
    local form=("${@:3}")
    [ "$2" != 4 ] || form+=(4.4)
    "$tools/dump-random" "$1" "$nodes" "$nodes" "${form[@]}" >"$work/dump" 2>"$work/want"
}

# with_apoc VERSION COMMAND...: where the script wants APOC (ROUNDTRIP_APOC=1) and it is there for that version
with_apoc() {
    local version=$1 apoc=0
    shift
    [ "$version" != 5 ] || apoc=${ROUNDTRIP_APOC:-0}
    NEO4J_APOC=$apoc "$@"
}
# on_each_version PORT COMMAND: COMMAND VERSION PORT, with a server of that version there
on_each_version() {
    local port=$1 version
    [ -z "${ROUNDTRIP_SERVERS:-}" ] || port=${server_set#* }
    for version in "${versions[@]}"; do
        port=$((port + 1))
        with_apoc "$version" servers neo4j-up "$version" "$(server_name "$version")" "$port"
        "$2" "$version" "$port"
        [ -n "${ROUNDTRIP_KEEP:-}" ] || servers neo4j-down "$(server_name "$version")"
    done
    finish
}
