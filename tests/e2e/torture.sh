#!/usr/bin/env bash
# The graph that breaks exporters (graphs/torture_graph.py), out of a real server and back: through the real cypher-shell, which
# leaves byte arrays as lists and everything else as it was, and through neo4j-backup restore, which leaves everything as it was. Each is
# compared value by value by an independent judge with what was there before. The server and cypher-shell have a heap of 1 GB
# each (NEO4J_HEAP, SHELL_HEAP): a dump that takes more to be restored would be at fault. Needs no cluster and no bucket.
#
#   torture.sh [VERSION...]        5 4 2026 unless said; roundtrip-lib.sh has the environment
#
# Ends with "N passed, N failed".
export NEO4J_HEAP=${NEO4J_HEAP:-1g} SHELL_HEAP=${SHELL_HEAP:-1g}
# shellcheck source=tests/e2e/roundtrip-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/roundtrip-lib.sh"
py=$("$here/../parts/get.sh" path py)
export NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD LOG_LEVEL=warn

# Each of them: into $work/log, and its last line and time to whoever reads.
timed() {
    local began
    began=$(date +%s)
    "$@" >"$work/log" 2>&1 || return 1
    echo "     $(tail -n 1 "$work/log" | cut -c1-200) ($(($(date +%s) - began)) s)"
}
empty() { "$py" "$here/live_writer.py" "$uri" empty; }
judge() { "$py" "$here/graph_compare.py" "$@"; }
fill() { empty && "$py" "$here/graphs/torture_graph.py" "$uri" --byte-arrays; }
back_up() {
    NEO4J_URI=$uri "$bin/neo4j-backup" backup --output "$work/dump.cypher.gz" &&
        gunzip -l "$work/dump.cypher.gz"
}
by_cypher_shell() {
    empty && gunzip -c "$work/dump.cypher.gz" | servers shell "$uri" &&
        judge "file:$work/kept" "$uri" --lists-for-bytes
}
by_restore() {
    NEO4J_URI=$uri "$bin/neo4j-backup" restore --input "$work/dump.cypher.gz" --overwrite Wipe --confirm neo4j --safety-backup None \
        --verify && judge "file:$work/kept" "$uri"
}

checks() { # VERSION PORT
    uri=bolt://127.0.0.1:$2
    check "Neo4j $1: the torture graph is made" timed fill
    check "Neo4j $1: ... and looked at" timed judge "$uri" --keep "$work/kept"
    check "Neo4j $1: ... and backed up" timed back_up
    check "Neo4j $1: it comes back through cypher-shell, byte arrays as lists" timed by_cypher_shell
    check "Neo4j $1: it comes back through neo4j-backup restore" timed by_restore
}
on_each_version 7923 checks
