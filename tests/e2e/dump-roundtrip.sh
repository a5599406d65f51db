#!/usr/bin/env bash
# Dumps of random graphs, with every type and name that is trouble, through the real cypher-shell into
# real servers, and back over Bolt: the digests must be equal. The first seed's dump comes by standard input, that of any other by
# cypher-shell's own :source. Needs no cluster and no bucket.
#
#   dump-roundtrip.sh [VERSION...]        5 4 2026 unless said; roundtrip-lib.sh has the environment
#
# Ends with "N passed, N failed".
# shellcheck source=tests/e2e/roundtrip-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/roundtrip-lib.sh"

py=$("$here/../parts/get.sh" path py)
shell() { servers shell "bolt://127.0.0.1:$1"; }

# empty PORT: no nodes, no constraints, no indexes. (Each cypher-shell costs seconds.)
empty() { NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD "$py" "$here/live_writer.py" "bolt://127.0.0.1:$1" empty; }

# helpers_are_gone PORT: nothing of the helper is left (a label that no node has is not shown)
helpers_are_gone() {
    local left
    left=$(shell "$1" <<<"MATCH (n) WHERE any(l IN labels(n) WHERE l STARTS WITH '_nb_') OR any(k IN keys(n) WHERE k STARTS WITH '_nb_') RETURN count(n) AS n;
        SHOW CONSTRAINTS YIELD name WHERE name STARTS WITH '_nb_' RETURN count(name) AS n;" | grep -vx n | sort -u)
    [ "$left" = 0 ]
}

# by_input PORT, by_source PORT: $work/dump, restored
by_input() { shell "$1" <"$work/dump" >"$work/out" 2>&1; }
by_source() { shell "$1" <<<":source $work/dump" >"$work/out" 2>&1; }

# same PORT SEED VERSION HOW: the graph of that seed, restored and read back
same() {
    local port=$1
    make_dump "$2" "$3"
    empty "$port" || return 1
    "$4" "$port" || { tail -c 600 "$work/out"; return 1; }
    helpers_are_gone "$port" || { echo "the helper is not gone"; return 1; }
    "$tools/graph-digest" "bolt://127.0.0.1:$port" neo4j "$E2E_NEO4J_PASSWORD" >"$work/got"
    diff <(tail -n 1 "$work/want") <(tail -n 1 "$work/got")
}

# cut_is_seen PORT: cypher-shell fails on a dump that ends early, wherever in its rows
cut_is_seen() {
    local port=$1 size at
    size=$(stat -c %s "$work/dump")
    for at in $((size / 7)) $((size / 2)) $((size - size / 9)); do
        empty "$port" || return 1 # the server is there
        ! head -c "$at" "$work/dump" | shell "$port" >/dev/null 2>&1 || return 1
    done
    empty "$port" # it was the dump, not the server
}

checks() { # VERSION PORT
    local how=by_input
    for seed in $seeds; do
        check "Neo4j $1, seed $seed: the same graph comes back ($how)" same "$2" "$seed" "$1" $how
        how=by_source
    done
    check "Neo4j $1: a cut dump fails" cut_is_seen "$2"
}
on_each_version 7787 checks
