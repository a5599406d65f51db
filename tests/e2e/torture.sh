#!/usr/bin/env bash
# The graph that breaks exporters (graphs/torture_graph.py), out of real servers and back: through the real cypher-shell, and,
# with byte arrays too, through neo4j-backup restore; compared value by value by an independent judge. Needs no cluster and no bucket.
#
#   torture.sh [VERSION...]        4 5 2026 unless said
#
# Ends with "N passed, N failed".
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=${TORTURE_BIN:-$here/../../build/release}
py=$("$here/../parts/get.sh" path py)
export E2E_NEO4J_PASSWORD=${E2E_NEO4J_PASSWORD:-correct-horse-7} E2E_HOST=127.0.0.1
export NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD LOG_LEVEL=warn SHELL_HEAP=1g NEO4J_HEAP=1g
source_uri=bolt://127.0.0.1:17923 target_uri=bolt://127.0.0.1:17924
work=$(mktemp -d)
passed=0 failed=0
servers() { "$here/servers.sh" "$@"; }
wipe() { servers neo4j-wipe torture-source && servers neo4j-wipe torture-target; }
clean_up() {
    rm -rf "$work"
    wipe >/dev/null 2>&1 || true
}
trap clean_up EXIT
check() { # WHAT COMMAND...
    local what=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        passed=$((passed + 1))
        echo "ok   $what: $(tail -n 1 "$work/out")"
    else
        failed=$((failed + 1))
        echo "FAIL $what"
        tail -n 20 "$work/out" | cut -c1-600
    fi
}
fill() { "$py" "$here/graphs/torture_graph.py" "$source_uri" "$@"; }
back_up() { NEO4J_URI=$source_uri "$bin/neo4j-backup" backup --output "$work/dump.cypher.gz"; }
same() { "$py" "$here/graph_compare.py" "$source_uri" "$target_uri"; }
by_cypher_shell() { gunzip -c "$work/dump.cypher.gz" | servers shell "$target_uri" && same; }
by_restore() {
    NEO4J_URI=$target_uri "$bin/neo4j-backup" restore --input "$work/dump.cypher.gz" --overwrite Wipe --confirm neo4j --safety-backup None \
        --verify && same
}

[ $# -gt 0 ] || set -- 4 5 2026
for version; do
    wipe >/dev/null 2>&1 || true
    servers neo4j-up "$version" torture-source 17923
    servers neo4j-up "$version" torture-target 17924
    check "Neo4j $version: the graph is made" fill
    check "Neo4j $version: it is backed up" back_up
    check "Neo4j $version: the same comes back through cypher-shell" by_cypher_shell
    "$py" "$here/live_writer.py" "$source_uri" empty
    check "Neo4j $version: the graph is made with byte arrays" fill --byte-arrays
    check "Neo4j $version: it is backed up with byte arrays" back_up
    check "Neo4j $version: the same comes back through neo4j-backup restore" by_restore
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
